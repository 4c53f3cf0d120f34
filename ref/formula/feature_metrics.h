// feature_metrics.h: scores of a set of feature vectors: Frechet distance between two sets, diversity of one.
//
// Features are real, n x D.  With the features of the Inception network the first is FID; with anything else, the
// points of a toy world or a small network, it is the same formula and needs another name.
#ifndef TILT_FEATURE_METRICS_H
#define TILT_FEATURE_METRICS_H

#include "kernel_metrics.h"
#include "transport.h"

// Mean (D) and covariance (D x D, divisor n - 1) of x (n,D).
static inline void sample_moments(double *mean, double *cov, const real *x, int n, int D) {
    int i, a, b;
    if (n < 2) {
        DIE("sample_moments: %d points; a covariance needs two", n);
    }
    memset(mean, 0, (size_t)D * sizeof *mean);
    memset(cov, 0, (size_t)D * (size_t)D * sizeof *cov);
    for (i = 0; i < n; i++) {
        for (a = 0; a < D; a++) {
            mean[a] += (double)x[(size_t)i * (size_t)D + (size_t)a] / n;
        }
    }
    for (i = 0; i < n; i++) {
        const real *row = x + (size_t)i * (size_t)D;
        for (a = 0; a < D; a++) {
            for (b = 0; b < D; b++) {
                cov[a * D + b] += ((double)row[a] - mean[a]) * ((double)row[b] - mean[b]) / (n - 1);
            }
        }
    }
}

// F: met.fid     Frechet distance of two sets of features                          [chapter 5]
//   |m_x - m_y|^2 + tr( C_x + C_y - 2 (C_x C_y)^(1/2) ): W2^2 of the Gaussians with the moments of both sets
//   Covariances with divisor n - 1.  x (n,D), y (m,D).  It sees two moments only: laws that share them are at 0.
//   Biased upwards, the more the smaller n: compare values of one n only.
//   source: Heusel et al. 2017, arXiv 1706.08500
//   check: trace and determinant for D = 2; bias falls like 1/n; golden met.fid
static inline double frechet_distance(const real *x, const real *y, int n, int m, int D) {
    double *mean = NEW(double, 2 * (size_t)D), *cov = NEW(double, 2 * (size_t)D * (size_t)D), fid;
    sample_moments(mean, cov, x, n, D);
    sample_moments(mean + D, cov + (size_t)D * (size_t)D, y, m, D);
    fid = gaussian_w2_squared(mean, cov, mean + D, cov + (size_t)D * (size_t)D, D);
    free(mean);
    free(cov);
    return fid;
}

// F: met.vendi   Vendi score: the effective number of different items               [chapter 5]
//   lambda: eigenvalues of K/n with k(x,x) = 1, so they sum to 1
//   q = 1: exp(-sum lambda log lambda);   else ( sum lambda^q )^(1/(1-q));   q = INFINITY: 1/max lambda
//   K: n x n similarities, symmetric, without a negative eigenvalue.  Result 1 .. n, falling in q.
//   q < 1 weighs small eigenvalues up, also those of 1e-17 that rounding makes of 0: about n 1e-17^q.
//   An eigenvalue at or below 0 counts nothing; below -1e-9 the matrix is no kernel, and the program ends.
//   source: Friedman and Dieng 2022, arXiv 2210.02410; orders q: Pasarkar and Dieng 2023, arXiv 2310.12952
//   check: identical items 1, orthogonal n, everything twice: unchanged; q = 2 by |K|^2; golden met.vendi
static inline double vendi_kernel(const double *K, int n, double q) {
    double *scaled, *lambda, sum = 0, low, high;
    size_t cells = size_mul((size_t)n, (size_t)n), cell;
    int bad, i;
    if (n < 1 || !(q > 0)) {
        DIE("vendi: %d items, order q = %g; need items and q > 0", n, q);
    }
    for (cell = 0; cell < cells; cell += (size_t)n + 1) {
        if (!(fabs(K[cell] - 1) < 1e-9)) {
            DIE("vendi: k(x,x) = %g for item %zu; scale the kernel so that it is 1", K[cell], cell / ((size_t)n + 1));
        }
    }
    scaled = NEW(double, cells);
    lambda = NEW(double, (size_t)n);
    for (cell = 0; cell < cells; cell++) {
        scaled[cell] = K[cell] / n;
    }
    bad = eig_symmetric(lambda, NULL, scaled, n);
    for (i = 0; i < n; i++) {
        if (lambda[i] > 0) {
            sum += q == 1 ? -lambda[i] * e_log(lambda[i]) : q < INFINITY ? e_pow(lambda[i], q) : 0;
        }
    }
    low = lambda[0];
    high = lambda[n - 1];
    free(scaled);
    free(lambda);
    if (bad || low < -1e-9) {
        DIE("vendi: smallest eigenvalue %g; the similarities are not a kernel", low);
    }
    return q == 1 ? e_exp(sum) : q < INFINITY ? e_pow(sum, 1 / (1 - q)) : 1 / high;
}

// The Vendi score of points x (n,D) under the Gaussian kernel of width h (data units).  O(n^3).
static inline double vendi(const real *x, int n, int D, double h, double q) {
    double *K = NEW(double, size_mul((size_t)n, (size_t)n)), score;
    int i, j;
    for (i = 0; i < n; i++) {
        for (j = 0; j < n; j++) {
            K[(size_t)i * (size_t)n + (size_t)j] =
                kernel_rbf(x + (size_t)i * (size_t)D, x + (size_t)j * (size_t)D, D, h);
        }
    }
    score = vendi_kernel(K, n, q);
    free(K);
    return score;
}

#endif
