// permutation.h: is a distance between two samples larger than chance?  Ask the same samples with shuffled labels.
//
// No formula for the null law is needed, and none is trusted: the votes of a nearest-neighbour test are dependent, and
// MMD has no simple null law.  The price is one evaluation of the statistic a shuffle.
#ifndef TILT_PERMUTATION_H
#define TILT_PERMUTATION_H

#include "../core/rng.h"

// A statistic of two samples x (n,D), y (m,D), large when they differ; user carries its constants.
typedef double (*TwoSample)(const real *x, const real *y, int n, int m, int D, void *user);

typedef struct {
    double observed;            // the statistic of the labels as they are
    double null_mean, null_std; // over the shuffles
    double p;                   // chance of a value at least as large, when both samples come from one law
} Permutation;

// F: met.permutation  p-value of a two-sample statistic by shuffled labels         [chapter 5]
//   p = (1 + number of shuffles with a value >= observed) / (1 + shuffles)
//   Exact at any n: for one law P(p <= a) <= a, with equality when there are no ties and a (shuffles + 1) is whole.
//   shuffle r uses the stream `stream + r`.  p is never below 1/(1 + shuffles).
//   source: Fisher 1935; Phipson and Smyth 2010 (the added one)
//   check: p uniform for one law; small for two; the mean of met.c2st over shuffles is (n-1)/(2n-1)
static inline Permutation permutation_test(TwoSample statistic, void *user, const real *x, const real *y, int n, int m,
                                           int D, int shuffles, uint64_t seed, uint64_t stream) {
    size_t width = (size_t)D, total = (size_t)n + (size_t)m, i;
    real *all;
    uint32_t *order;
    double sum = 0, square = 0, larger = 1;
    Permutation out;
    int r;
    if (shuffles < 1) {
        DIE("permutation_test: %d shuffles; at least 1 is needed, 99 for a p-value of 0.01", shuffles);
    }
    all = NEW(real, size_mul(total, width));
    order = NEW(uint32_t, total);
    out.observed = statistic(x, y, n, m, D, user);
    for (r = 0; r < shuffles; r++) {
        double value;
        rng_permutation(order, total, seed, stream + (uint64_t)r);
        for (i = 0; i < total; i++) {
            const real *from = order[i] < (uint32_t)n ? x + order[i] * width : y + (order[i] - (uint32_t)n) * width;
            memcpy(all + i * width, from, width * sizeof *all);
        }
        value = statistic(all, all + (size_t)n * width, n, m, D, user);
        larger += value >= out.observed;
        sum += value / shuffles;
        square += value * value / shuffles;
    }
    out.null_mean = sum;
    out.null_std = sqrt(fmax(square - sum * sum, 0));
    out.p = larger / (shuffles + 1.0);
    free(all);
    free(order);
    return out;
}

#endif
