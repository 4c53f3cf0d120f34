// metrics.h: how far two distributions, two samples, or a set of predicted probabilities and their outcomes are apart.
//
// Probabilities are double tables; samples are real, row-major n x D.  Everything is exact or a plain average: no
// random projections, no subsampling.  Costs: O(n m D) for the pairwise metrics, O(L n log n) for sliced Wasserstein.
#ifndef TILT_METRICS_H
#define TILT_METRICS_H

#include "../core/elementary.h"

// ---- two tables of probabilities ----------------------------------------------------------------------------------

// F: met.kl      Kullback-Leibler divergence of two tables                        [chapter 9]
//   KL(q||p) = sum_i q_i log(q_i / p_i),   0 log 0 = 0;   inf when q has mass where p has none
//   q, p: n probabilities.  Result in nats, >= 0 when both sum to 1.
//   source: Kullback and Leibler 1951
//   check: KL(p||p) = 0; Gibbs gap of opt.tilt; golden opt.discrete
static inline double kl_discrete(const double *q, const double *p, size_t n) {
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        if (q[i] > 0 && !(p[i] > 0)) {
            return INFINITY;
        }
        if (q[i] > 0) {
            sum += q[i] * e_log(q[i] / p[i]);
        }
    }
    return sum;
}

// F: met.tv      total variation of two tables                                    [chapter 9]
//   TV(q, p) = (1/2) sum_i |q_i - p_i|: the largest difference in probability of any event, 0..1
//   source: textbook definition
//   check: Pinsker TV <= sqrt(KL/2); the best event by enumeration
static inline double tv_discrete(const double *q, const double *p, size_t n) {
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        sum += fabs(q[i] - p[i]);
    }
    return 0.5 * sum;
}

// ---- two samples --------------------------------------------------------------------------------------------------

// |a - b| over D numbers.
static inline double euclid(const real *a, const real *b, int D) {
    double s = 0;
    int d;
    for (d = 0; d < D; d++) {
        double diff = (double)a[d] - (double)b[d];
        s += diff * diff;
    }
    return sqrt(s);
}

// sum over i < n, j < m of |x_i - y_j|.  One partial sum a row, added in row order: the same bits for any number of
// threads.
static inline double pair_distance_sum(const real *x, const real *y, int n, int m, int D) {
    double *row = NEW(double, (size_t)n);
    double sum = 0;
    int i;
    OMP(parallel for schedule(static))
    for (i = 0; i < n; i++) {
        int j;
        for (j = 0; j < m; j++) {
            row[i] += euclid(x + (size_t)i * (size_t)D, y + (size_t)j * (size_t)D, D);
        }
    }
    for (i = 0; i < n; i++) {
        sum += row[i];
    }
    free(row);
    return sum;
}

// F: met.energy  energy distance of two samples, V- and U-statistic                [chapter 5]
//   E = 2 E|X - Y| - E|X - X'| - E|Y - Y'|
//   V keeps the zero distance of a point to itself (divisors n^2, m^2): V >= 0, biased up.
//   U leaves it out (n(n-1), m(m-1)): unbiased, may be negative; NaN for n < 2 or m < 2.
//   x (n,D), y (m,D).  Unit: that of the data.  Either output may be NULL.
//   source: Szekely and Rizzo 2013
//   check: in one dimension equals 2 int (F - G)^2; golden met.energy
static inline void energy_distance(double *energy_v, double *energy_u, const real *x, const real *y, int n, int m,
                                   int D) {
    double xy = pair_distance_sum(x, y, n, m, D) / ((double)n * m);
    double xx = pair_distance_sum(x, x, n, n, D);
    double yy = pair_distance_sum(y, y, m, m, D);
    if (energy_v != NULL) {
        *energy_v = 2 * xy - xx / ((double)n * n) - yy / ((double)m * m);
    }
    if (energy_u != NULL) {
        *energy_u = 2 * xy - xx / ((double)n * (n - 1)) - yy / ((double)m * (m - 1));
    }
}

static inline int ascending_double(const void *a, const void *b) {
    double u = *(const double *)a, v = *(const double *)b;
    return (u > v) - (u < v);
}

// F: met.w1d     Wasserstein distance of two samples of numbers                    [chapter 5]
//   W1 = (1/n) sum_i |x_(i) - y_(i)|,  x_(i) the i-th smallest; equal sizes
//   source: monotone coupling of order statistics
//   check: all n! assignments; shift by s gives |s|; golden met.w1d
static inline double wasserstein1(const real *x, const real *y, int n) {
    double *a = NEW(double, (size_t)n);
    double *b = NEW(double, (size_t)n);
    double sum = 0;
    int i;
    for (i = 0; i < n; i++) {
        a[i] = (double)x[i];
        b[i] = (double)y[i];
    }
    qsort(a, (size_t)n, sizeof *a, ascending_double);
    qsort(b, (size_t)n, sizeof *b, ascending_double);
    for (i = 0; i < n; i++) {
        sum += fabs(a[i] - b[i]);
    }
    free(a);
    free(b);
    return sum / n;
}

// F: met.sw      sliced Wasserstein distance in the plane, squared                 [chapter 5]
//   SW2^2 = (1/L) sum_l (1/n) sum_i ( (u_l.x)_(i) - (u_l.y)_(i) )^2,   u_l = (cos, sin)(pi l / L), l = 0..L-1
//   x, y (n,2), equal sizes.  The square is averaged and returned; some codes report the root.
//   source: Rabin et al. 2011
//   check: a shift d of all points gives |d|^2 / 2; golden met.sw
static inline double sliced_w2_squared(const real *x, const real *y, int n, int directions) {
    double *cost = NEW(double, (size_t)directions);
    double sum = 0;
    int l;
    OMP(parallel for schedule(static))
    for (l = 0; l < directions; l++) {
        double c = e_cos(PI * l / directions);
        double s = e_sin(PI * l / directions);
        double *a = NEW(double, (size_t)n);
        double *b = NEW(double, (size_t)n);
        int i;
        for (i = 0; i < n; i++) {
            a[i] = c * (double)x[2 * i] + s * (double)x[2 * i + 1];
            b[i] = c * (double)y[2 * i] + s * (double)y[2 * i + 1];
        }
        qsort(a, (size_t)n, sizeof *a, ascending_double);
        qsort(b, (size_t)n, sizeof *b, ascending_double);
        for (i = 0; i < n; i++) {
            cost[l] += (a[i] - b[i]) * (a[i] - b[i]) / n;
        }
        free(a);
        free(b);
    }
    for (l = 0; l < directions; l++) {
        sum += cost[l];
    }
    free(cost);
    return sum / directions;
}

// F: met.c2st    leave-one-out nearest-neighbour two-sample test                   [chapter 5]
//   accuracy of "the nearest other point of the pooled sample has my label"; first index wins equal distances
//   1 = separated.  Same distribution, n = m: (n-1)/(2n-1), just below 1/2; the votes are dependent, so calibrate a
//   p-value by permuting labels.  x (n,D), y (m,D).
//   source: Lopez-Paz and Oquab 2017
//   check: mean (n-1)/(2n-1) over repeated identical samples; golden met.c2st
static inline double c2st_nearest(const real *x, const real *y, int n, int m, int D) {
    int total = n + m, right = 0, i;
    int *hit = NEW(int, (size_t)total);
    OMP(parallel for schedule(static))
    for (i = 0; i < total; i++) {
        const real *a = i < n ? x + (size_t)i * (size_t)D : y + (size_t)(i - n) * (size_t)D;
        double best = INFINITY;
        int j, best_is_x = 0;
        for (j = 0; j < total; j++) {
            const real *b = j < n ? x + (size_t)j * (size_t)D : y + (size_t)(j - n) * (size_t)D;
            double d = j == i ? INFINITY : euclid(a, b, D);
            if (d < best) {
                best = d;
                best_is_x = j < n;
            }
        }
        hit[i] = best_is_x == (i < n);
    }
    for (i = 0; i < total; i++) {
        right += hit[i];
    }
    free(hit);
    return (double)right / total;
}

// ---- predicted probabilities and outcomes -------------------------------------------------------------------------

// -log of the probability given to the outcome y (0 or 1); inf when the impossible happened.
static inline double outcome_nll(double p, double y) {
    return -(y > 0 ? y * e_log(p) : 0) - (y < 1 ? (1 - y) * e_log1p(-p) : 0);
}

// F: rm.calib    calibration of predicted probabilities                            [chapter 8]
//   ece = sum over bins of (share of samples) |mean p - mean y|,   bin = min(floor(p bins), bins - 1)
//   brier = mean (p - y)^2;   nll = -mean [ y log p + (1-y) log(1-p) ]
//   p: n probabilities, y: n outcomes 0 or 1.  Judge each pair once, in random order: counting it twice, once in
//   each order, hides every bias.
//   source: Guo et al. 2017 (expected calibration error); Brier 1950
//   check: hand-made bins; outcomes drawn from p give ece -> 0; golden rm.calib
static inline void calibration(double *ece, double *brier, double *nll, const double *p, const double *y, size_t n,
                               int bins) {
    double *sum_gap = NEW(double, (size_t)bins);
    double square = 0, loss = 0, gap = 0;
    size_t i;
    int b;
    for (i = 0; i < n; i++) {
        b = (int)floor(p[i] * bins);
        b = b < 0 ? 0 : b > bins - 1 ? bins - 1 : b;
        sum_gap[b] += p[i] - y[i];
        square += (p[i] - y[i]) * (p[i] - y[i]);
        loss += outcome_nll(p[i], y[i]);
    }
    for (b = 0; b < bins; b++) {
        gap += fabs(sum_gap[b]);
    }
    *ece = gap / (double)n;
    *brier = square / (double)n;
    *nll = loss / (double)n;
    free(sum_gap);
}

// F: rm.calib    the reliability diagram                                           [chapter 8]
//   for each bin of `calibration`: share of the samples, mean p, mean y (both NaN where the bin is empty)
//   ece = sum over bins of share |mean_p - mean_y|.  y may be a chance in place of a drawn outcome.
//   share, mean_p, mean_y: bins numbers each.
//   source: Guo et al. 2017
//   check: ece from its columns; hand-made bins
static inline void reliability(double *share, double *mean_p, double *mean_y, const double *p, const double *y,
                               size_t n, int bins) {
    size_t i;
    int b;
    for (b = 0; b < bins; b++) {
        share[b] = mean_p[b] = mean_y[b] = 0;
    }
    for (i = 0; i < n; i++) {
        b = (int)floor(p[i] * bins);
        b = b < 0 ? 0 : b > bins - 1 ? bins - 1 : b;
        share[b] += 1;
        mean_p[b] += p[i];
        mean_y[b] += y[i];
    }
    for (b = 0; b < bins; b++) {
        mean_p[b] = share[b] > 0 ? mean_p[b] / share[b] : NAN;
        mean_y[b] = share[b] > 0 ? mean_y[b] / share[b] : NAN;
        share[b] /= (double)n;
    }
}

// d/da of the mean loss of calibration_temperature; both tails keep their digits.
static inline double temperature_slope(const double *z, const double *y, size_t n, double a) {
    double slope = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        slope += ((1 - y[i]) * e_sigmoid(a * z[i]) - y[i] * e_sigmoid(-a * z[i])) * z[i] / (double)n;
    }
    return slope;
}

// F: rm.calib    the inverse temperature that calibrates logits best              [chapter 8]
//   a = argmin over a >= 0 of  nll(a) = mean [ softplus(a z) - y a z ];   convex, slope mean (sigmoid(a z) - y) z
//   z: n logits (reward differences), y: n outcomes 0 or 1.  a < 1: the model was overconfident.
//   Returns inf when the logits separate the outcomes, 0 when they say nothing or point the wrong way.
//   nll_after may be NULL.
//   source: Guo et al. 2017 (temperature scaling)
//   check: slope zero at the optimum; golden rm.calib
static inline double calibration_temperature(double *nll_after, const double *z, const double *y, size_t n) {
    double low = 0, high = 1, loss = 0, a = 0;
    int supported = 0, opposed = 0; // is there a sample for, and one against, the sign of its logit?
    size_t i;
    for (i = 0; i < n; i++) {
        supported |= (y[i] > 0 && z[i] > 0) || (y[i] < 1 && z[i] < 0);
        opposed |= (y[i] < 1 && z[i] > 0) || (y[i] > 0 && z[i] < 0);
    }
    if (supported && !opposed) {
        a = INFINITY;
    } else if (temperature_slope(z, y, n, 0) < 0) {
        while (temperature_slope(z, y, n, high) < 0) { // ends: an opposed sample has positive slope in the end
            high *= 2;
        }
        a = 0.5 * (low + high);
        while (a > low && a < high) { // bisect until the bracket holds no further number
            if (temperature_slope(z, y, n, a) < 0) {
                low = a;
            } else {
                high = a;
            }
            a = 0.5 * (low + high);
        }
    }
    for (i = 0; i < n; i++) {
        double certain = z[i] == 0 ? e_softplus(0) : 0; // the limit a -> inf of a separated sample
        loss += (a < INFINITY ? e_softplus(a * z[i]) - y[i] * a * z[i] : certain) / (double)n;
    }
    if (nll_after != NULL) {
        *nll_after = loss;
    }
    return a;
}

#endif
