// ensemble.h: several reward models of the same thing, combined into one score, and whether their disagreement means
// anything.
//
// Scores are a table (M,I), row-major: score of member m for item i at m*I + i.  A reward fitted to pairs has a free
// constant (and, with another rater or another training, another scale), so members must be centred first: otherwise
// the minimum just picks the member whose constant is lowest.
#ifndef TILT_ENSEMBLE_H
#define TILT_ENSEMBLE_H

#include "../core/elementary.h"

typedef enum { ENS_MEAN, ENS_WORST, ENS_UWO, ENS_UWO_SAMPLE, ENS_LCB } EnsembleRule;

// F: rm.ens      a score from an ensemble                                          [chapter 8]
//   ENS_MEAN   mean_m r_m = rbar            ENS_WORST  min_m r_m
//   ENS_UWO    rbar - knob v,  v = (1/M) sum_m (r_m - rbar)^2        (population variance: the convention here)
//   ENS_UWO_SAMPLE  the same with 1/(M-1): knob times M/(M-1) of ENS_UWO; needs M >= 2
//   ENS_LCB    rbar - knob sqrt(v)          (population again)
//   knob: 1/reward units for UWO, a pure number for LCB, unused by mean and min.  M = 1: all give r_1.
//   d combined_i / d r_mi: 1/M;  1 for the first member that attains the minimum;  1/M - 2 knob (r_m - rbar)/M (M-1 for
//   the sample variance);  1/M - knob (r_m - rbar)/(M sqrt v), or 1/M where v = 0.  All sum to 1 over m.
//   A member far above the others has a negative derivative under UWO: raising its reward lowers the score.
//   combined: I numbers; derivative (M,I), may be NULL.
//   source: Coste et al. 2023, arXiv 2310.02743 (uncertainty-weighted optimisation)
//   check: finite differences; M = 1; identical members; golden rm.ens
static inline void ensemble_combine(double *combined, double *derivative, const double *score, EnsembleRule rule,
                                    double knob, size_t M, size_t I) {
    double divisor = rule == ENS_UWO_SAMPLE ? (double)M - 1 : (double)M;
    size_t m, i;
    if (M == 0 || divisor == 0) {
        DIE("ensemble: %zu members; a mean needs one, a sample variance two", M);
    }
    for (i = 0; i < I; i++) {
        double mean = 0, var = 0, root;
        size_t lowest = 0;
        for (m = 0; m < M; m++) {
            mean += score[m * I + i] / (double)M;
            lowest = score[m * I + i] < score[lowest * I + i] ? m : lowest;
        }
        for (m = 0; m < M; m++) {
            var += (score[m * I + i] - mean) * (score[m * I + i] - mean) / divisor;
        }
        root = sqrt(var);
        combined[i] = rule == ENS_MEAN    ? mean
                      : rule == ENS_WORST ? score[lowest * I + i]
                      : rule == ENS_LCB   ? mean - knob * root
                                          : mean - knob * var;
        for (m = 0; m < M && derivative != NULL; m++) {
            double away = score[m * I + i] - mean, share = 1 / (double)M;
            derivative[m * I + i] = rule == ENS_MEAN    ? share
                                    : rule == ENS_WORST ? m == lowest
                                    : rule == ENS_LCB   ? share - (root > 0 ? knob * away / (divisor * root) : 0)
                                                        : share - 2 * knob * away / divisor;
        }
    }
}

// Population standard deviation of the members for every item: their disagreement.
static inline void ensemble_sd(double *sd, const double *score, size_t M, size_t I) {
    size_t m, i;
    for (i = 0; i < I; i++) {
        double mean = 0, var = 0;
        for (m = 0; m < M; m++) {
            mean += score[m * I + i] / (double)M;
        }
        for (m = 0; m < M; m++) {
            var += (score[m * I + i] - mean) * (score[m * I + i] - mean) / (double)M;
        }
        sd[i] = sqrt(var);
    }
}

// F: rm.ens      give the members a common zero, and a common scale                [chapter 8]
//   centre:       r_m <- r_m - E_w[r_m]                      removes the free constant of each member
//   standardise:  r_m <- (r_m - E_w[r_m]) / sd_w[r_m]        and the scale; then the unit is "spread under w"
//   weight: I numbers that sum to 1, the law of the items (the reference), NULL for equal weights.  In place.
//   Bradley-Terry fixes the scale (the unit is the rater's indecision), so members fitted to one rater need centring
//   only; standardising also hides that a member is over-confident.
//   source: Eisenstein et al. 2023, arXiv 2312.09244; own formulation
//   check: adding constants, multiplying by factors changes nothing afterwards
static inline void ensemble_centre(double *score, const double *weight, int standardise, size_t M, size_t I) {
    size_t m, i;
    for (m = 0; m < M; m++) {
        double *r = score + m * I, mean = 0, var = 0;
        for (i = 0; i < I; i++) {
            mean += r[i] * (weight != NULL ? weight[i] : 1 / (double)I);
        }
        for (i = 0; i < I; i++) {
            r[i] -= mean;
            var += r[i] * r[i] * (weight != NULL ? weight[i] : 1 / (double)I);
        }
        if (standardise && !(var > 0)) {
            DIE("ensemble: member %zu gives every item the same score and has no scale; centre it only", m);
        }
        for (i = 0; i < I && standardise; i++) {
            r[i] /= sqrt(var);
        }
    }
}

// The first item with the largest score.
static inline size_t ensemble_best(const double *combined, size_t I) {
    size_t i, best = 0;
    for (i = 1; i < I; i++) {
        best = combined[i] > combined[best] ? i : best;
    }
    return best;
}

// ---- does disagreement point at error? ----------------------------------------------------------------------------

typedef struct {
    double value;
    size_t at;
} Ranked;

static inline int ranked_ascending_(const void *a, const void *b) {
    double x = ((const Ranked *)a)->value, y = ((const Ranked *)b)->value;
    return (x > y) - (x < y);
}

// rank (n): 1 for the smallest ... n for the largest; equal values share the mean of their ranks.
static inline void ranks_of(double *rank, const double *v, size_t n) {
    Ranked *sorted = NEW(Ranked, n);
    size_t i, j, k;
    for (i = 0; i < n; i++) {
        sorted[i].value = v[i];
        sorted[i].at = i;
    }
    qsort(sorted, n, sizeof *sorted, ranked_ascending_);
    for (i = 0; i < n; i = j) {
        for (j = i; j < n && sorted[j].value == sorted[i].value; j++) {
        }
        for (k = i; k < j; k++) {
            rank[sorted[k].at] = 0.5 * (double)(i + 1 + j);
        }
    }
    free(sorted);
}

// F: met.spearman  rank correlation                                                [chapter 8]
//   rho = correlation of the ranks of a and b, -1..1; equal values share the mean of their ranks
//   Unchanged by any increasing map of either; 0 for independent ones.  NaN when one of them is constant or n < 2.
//   source: Spearman 1904
//   check: 1 - 6 sum d^2 / (n (n^2 - 1)) without ties; monotone maps; permutation mean 0
static inline double rank_correlation(const double *a, const double *b, size_t n) {
    double *p = NEW(double, n), *q = NEW(double, n);
    double middle = 0.5 * ((double)n + 1), pp = 0, qq = 0, pq = 0;
    size_t i;
    ranks_of(p, a, n);
    ranks_of(q, b, n);
    for (i = 0; i < n; i++) {
        pp += (p[i] - middle) * (p[i] - middle);
        qq += (q[i] - middle) * (q[i] - middle);
        pq += (p[i] - middle) * (q[i] - middle);
    }
    free(p);
    free(q);
    return pq / sqrt(pp * qq);
}

#endif
