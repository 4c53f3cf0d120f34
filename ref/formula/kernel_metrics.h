// kernel_metrics.h: maximum mean discrepancy: two laws compared through the mean of a kernel over pairs of points.
//
//   MMD^2(P, Q) = E k(X, X') + E k(Y, Y') - 2 E k(X, Y)
// From two samples; from a sample and an exact Gaussian mixture; from two exact mixtures, where nothing is sampled.
// Samples are real, n x D.  The unit of MMD^2 is that of the kernel: none.  Cost O(n m D).
#ifndef TILT_KERNEL_METRICS_H
#define TILT_KERNEL_METRICS_H

#include "metrics.h"
#include "mixture.h"

typedef double (*PairKernel)(const real *a, const real *b, int D, double width);

// exp(-|a - b|^2 / (2 h^2)), h in data units.
static inline double kernel_rbf(const real *a, const real *b, int D, double h) {
    double d = euclid(a, b, D) / h;
    return e_exp(-0.5 * d * d);
}

// (a . b / D + 1)^3.  Divided by the number of features, or the cube explodes with D.
static inline double kernel_cubic(const real *a, const real *b, int D, double unused) {
    double dot = 0, base;
    int d;
    (void)unused;
    for (d = 0; d < D; d++) {
        dot += (double)a[d] * (double)b[d];
    }
    base = dot / D + 1;
    return base * base * base;
}

// sum over i < n, j < m of k(x_i, y_j), without the pairs i = j if `skip`.  One partial sum a row, added in row order.
static inline double kernel_sum(PairKernel k, double width, const real *x, const real *y, int n, int m, int D,
                                int skip) {
    double *row = NEW(double, (size_t)n), sum = 0;
    int i;
    OMP(parallel for schedule(static))
    for (i = 0; i < n; i++) {
        int j;
        for (j = 0; j < m; j++) {
            row[i] += skip && i == j ? 0 : k(x + (size_t)i * (size_t)D, y + (size_t)j * (size_t)D, D, width);
        }
    }
    for (i = 0; i < n; i++) {
        sum += row[i];
    }
    free(row);
    return sum;
}

// The diagonal that kernel_sum leaves out.
static inline double kernel_diagonal(PairKernel k, double width, const real *x, int n, int D) {
    double sum = 0;
    int i;
    for (i = 0; i < n; i++) {
        sum += k(x + (size_t)i * (size_t)D, x + (size_t)i * (size_t)D, D, width);
    }
    return sum;
}

// Both estimates for any kernel; either output may be NULL.
static inline void mmd2_kernel(double *unbiased, double *biased, PairKernel k, double width, const real *x,
                               const real *y, int n, int m, int D) {
    double xy = kernel_sum(k, width, x, y, n, m, D, 0) / ((double)n * m);
    double xx = kernel_sum(k, width, x, x, n, n, D, 1);
    double yy = kernel_sum(k, width, y, y, m, m, D, 1);
    if (unbiased != NULL) {
        if (n < 2 || m < 2) {
            DIE("mmd2: %d and %d points; the unbiased form needs two on each side", n, m);
        }
        *unbiased = xx / ((double)n * (n - 1)) + yy / ((double)m * (m - 1)) - 2 * xy;
    }
    if (biased != NULL) {
        xx += kernel_diagonal(k, width, x, n, D);
        yy += kernel_diagonal(k, width, y, m, D);
        *biased = xx / ((double)n * n) + yy / ((double)m * m) - 2 * xy;
    }
}

// F: met.mmd     maximum mean discrepancy of two samples, Gaussian kernel          [chapter 5]
//   U = sum_{i != j} k(x_i,x_j) / (n(n-1)) + the same for y - 2 mean k(x_i,y_j);   k(a,b) = exp(-|a-b|^2/(2 h^2))
//   V keeps the diagonal k(x,x) = 1 (divisors n^2, m^2): V >= 0, too large by (1 - E k(x,x'))/n for each sample.
//   U is unbiased and may be negative.  x (n,D), y (m,D), h: data units.  Either output may be NULL.
//   Fix h before looking: a median of distances (met.median) changes with the samples that are compared.
//   source: Gretton et al. 2012
//   check: E[U] = 0 for one law; the bias of V; E[U] against met.mmd_gmm; golden met.mmd
static inline void mmd2(double *unbiased, double *biased, const real *x, const real *y, int n, int m, int D, double h) {
    if (!(h > 0)) {
        DIE("mmd2: kernel width h = %g; it must be positive", h);
    }
    mmd2_kernel(unbiased, biased, kernel_rbf, h, x, y, n, m, D);
}

// F: met.kid     kernel inception distance: unbiased MMD^2 with a cubic kernel      [chapter 5]
//   k(a, b) = (a . b / D + 1)^3,   U-statistic.   x (n,D), y (m,D): features.  May be negative.
//   Call it KID only when the features are those of the Inception network.
//   source: Binkowski et al. 2018, arXiv 1801.01401
//   check: mean 0 for one law; n = 2 by hand; golden met.kid
static inline double kid(const real *x, const real *y, int n, int m, int D) {
    double u;
    mmd2_kernel(&u, NULL, kernel_cubic, 1, x, y, n, m, D);
    return u;
}

// F: met.median  median distance of the pooled points, the usual kernel width      [chapter 5]
//   median over all pairs i < j of the n + m points; an even number of pairs: mean of the two middle values
//   x (n,D), y (m,D); m = 0 with y = NULL is allowed.  Needs (n+m)^2/2 doubles.
//   source: Gretton et al. 2012
//   check: sorted by hand; one moved point cannot change it much; golden met.median
static inline double median_pairwise(const real *x, const real *y, int n, int m, int D) {
    int total = n + m, i, j;
    size_t pairs = size_mul((size_t)total, (size_t)(total - 1)) / 2, at = 0;
    double *d, median;
    if (total < 2) {
        DIE("median_pairwise: %d points; a distance needs two", total);
    }
    d = NEW(double, pairs);
    for (i = 0; i < total; i++) {
        const real *a = i < n ? x + (size_t)i * (size_t)D : y + (size_t)(i - n) * (size_t)D;
        for (j = i + 1; j < total; j++) {
            const real *b = j < n ? x + (size_t)j * (size_t)D : y + (size_t)(j - n) * (size_t)D;
            d[at++] = euclid(a, b, D);
        }
    }
    qsort(d, pairs, sizeof *d, ascending_double);
    median = pairs % 2 ? d[pairs / 2] : 0.5 * (d[pairs / 2 - 1] + d[pairs / 2]);
    free(d);
    return median;
}

// ---- exact mixtures -----------------------------------------------------------------------------------------------

// E k(N(mu, S), y) for a fixed point y: h^2 / sqrt(det(S + h^2 I)) exp(-delta' (S + h^2 I)^-1 delta / 2), in the plane.
static inline double gaussian_kernel_mean(const double *delta, const double *S, double h) {
    double C[4], V[4];
    C[0] = S[0] + h * h;
    C[1] = S[1];
    C[2] = S[2];
    C[3] = S[3] + h * h;
    inv2(V, C);
    return h * h / sqrt(det2(C)) *
           e_exp(-0.5 *
                 (delta[0] * (V[0] * delta[0] + V[1] * delta[1]) + delta[1] * (V[2] * delta[0] + V[3] * delta[1])));
}

// E k(X, X') over two independent mixtures.
static inline double gmm_kernel_mean(const Gmm *p, const Gmm *q, double h) {
    double sum = 0;
    int i, j, k;
    for (i = 0; i < p->K; i++) {
        for (j = 0; j < q->K; j++) {
            double delta[2], S[4];
            delta[0] = p->mu[2 * i] - q->mu[2 * j];
            delta[1] = p->mu[2 * i + 1] - q->mu[2 * j + 1];
            for (k = 0; k < 4; k++) {
                S[k] = p->cov[4 * i + k] + q->cov[4 * j + k];
            }
            sum += p->w[i] * q->w[j] * gaussian_kernel_mean(delta, S, h);
        }
    }
    return sum;
}

// F: met.mmd_gmm exact MMD^2 of two Gaussian mixtures in the plane                 [chapter 2]
//   E k(X,Y) = sum_ij w_i v_j |I + C_ij/h^2|^(-1/2) exp(-d_ij' (C_ij + h^2 I)^-1 d_ij / 2)
//   C_ij = Sigma_i + S_j,   d_ij = mu_i - m_j;   MMD^2 = kxx + kyy - 2 kxy >= 0, 0 only for equal laws
//   The three means go to kxx, kyy, kxy (each may be NULL).
//   limits: h -> 0 and h -> infinity: 0.   h large: |E X - E Y|^2 / h^2
//   source: Gaussian integral
//   check: pairs drawn from both; quadrature; Q = P; golden met.mmd_gmm
static inline double gmm_mmd2(double *kxx, double *kyy, double *kxy, const Gmm *p, const Gmm *q, double h) {
    double pp = gmm_kernel_mean(p, p, h), qq = gmm_kernel_mean(q, q, h), pq = gmm_kernel_mean(p, q, h);
    if (!(h > 0)) {
        DIE("gmm_mmd2: kernel width h = %g; it must be positive", h);
    }
    if (kxx != NULL) {
        *kxx = pp;
    }
    if (kyy != NULL) {
        *kyy = qq;
    }
    if (kxy != NULL) {
        *kxy = pq;
    }
    return pp + qq - 2 * pq;
}

// F: met.mmd_gmm a sample in the plane against an exact mixture                    [chapter 5]
//   sum_{i != j} k(x_i,x_j)/(n(n-1)) - (2/n) sum_i E_Y k(x_i,Y) + E k(Y,Y'):   unbiased, and the mixture adds no noise
//   x (n,2), n >= 2.  May be negative.
//   source: Gretton et al. 2012 with one side integrated
//   check: mean over samples = gmm_mmd2 of their law; mean 0 for the mixture itself
static inline double mmd2_to_gmm(const real *x, int n, const Gmm *p, double h) {
    double xx, cross = 0;
    int i, k;
    if (n < 2 || !(h > 0)) {
        DIE("mmd2_to_gmm: %d points, width %g; need two points and a positive width", n, h);
    }
    xx = kernel_sum(kernel_rbf, h, x, x, n, n, 2, 1) / ((double)n * (n - 1));
    for (i = 0; i < n; i++) {
        for (k = 0; k < p->K; k++) {
            double delta[2];
            delta[0] = (double)x[2 * i] - p->mu[2 * k];
            delta[1] = (double)x[2 * i + 1] - p->mu[2 * k + 1];
            cross += p->w[k] * gaussian_kernel_mean(delta, p->cov + 4 * k, h) / n;
        }
    }
    return xx - 2 * cross + gmm_kernel_mean(p, p, h);
}

#endif
