// neighbours.h: KL divergence read off samples: by distances to near neighbours, or by counting in bins.
//
// Where the densities are known (mixtures, grids, tables) use quadrature instead; these two are for the case that
// nothing but samples is there, and both are wrong in known ways.  Samples are real, n x D; results are in nats.
#ifndef TILT_NEIGHBOURS_H
#define TILT_NEIGHBOURS_H

#include "metrics.h"

// Distance from a to its k-th nearest point (k = 1: the nearest) among y (m,D), leaving out y[skip] (-1: none).
// near: room for k numbers.
static inline double kth_nearest(double *near, const real *a, const real *y, int m, int D, int k, int skip) {
    int found = 0, j, at;
    for (j = 0; j < m; j++) {
        double d = j == skip ? INFINITY : euclid(a, y + (size_t)j * (size_t)D, D);
        if (j != skip && (found < k || d < near[found - 1])) {
            for (at = found < k ? found++ : k - 1; at > 0 && near[at - 1] > d; at--) { // keep the k smallest, sorted
                near[at] = near[at - 1];
            }
            near[at] = d;
        }
    }
    return near[k - 1];
}

// F: met.knnkl   KL divergence of two samples from k-th neighbour distances         [chapter 5]
//   KL(P_x || P_y) ~ (D/n) sum_i log( nu_i / rho_i ) + log( m / (n-1) )
//   rho_i: distance from x_i to the k-th nearest OTHER point of x;   nu_i: to the k-th nearest point of y
//   x (n,D), y (m,D), 1 <= k < n, k <= m.  Consistent in n, but biased at any n, and it can be negative.
//   Copies give a distance 0 and log 0.  `zeros` counts the points with rho_i = 0 or nu_i = 0; is it not 0, the result
//   is NaN.  With zeros = NULL copies end the program.  Remedy: a larger k, or drop the copies.
//   source: Wang, Kulkarni and Verdu 2009
//   check: two Gaussians as n grows; a scale changes nothing; golden met.knnkl
static inline double knn_kl(int *zeros, const real *x, const real *y, int n, int m, int D, int k) {
    double *term, sum = 0;
    int *zero, i, copies = 0;
    if (k < 1 || k >= n || k > m) {
        DIE("knn_kl: k = %d with %d and %d points; need 1 <= k < n and k <= m", k, n, m);
    }
    term = NEW(double, (size_t)n);
    zero = NEW(int, (size_t)n);
    OMP(parallel for schedule(static))
    for (i = 0; i < n; i++) {
        double *near = NEW(double, (size_t)k);
        const real *a = x + (size_t)i * (size_t)D;
        double rho = kth_nearest(near, a, x, n, D, k, i);
        double nu = kth_nearest(near, a, y, m, D, k, -1);
        zero[i] = !(rho > 0 && nu > 0);
        term[i] = zero[i] ? 0 : e_log(nu) - e_log(rho);
        free(near);
    }
    for (i = 0; i < n; i++) {
        copies += zero[i];
        sum += term[i];
    }
    free(term);
    free(zero);
    if (zeros != NULL) {
        *zeros = copies;
    } else if (copies > 0) {
        DIE("knn_kl: %d of %d points have their neighbour number %d at distance 0; drop the copies or raise k", copies,
            n, k);
    }
    return copies > 0 ? NAN : D * sum / n + e_log((double)m / (n - 1));
}

// p[b] = (counts[b] + pseudo) / (n + bins pseudo): a histogram with every bin a little filled.  p may be counts.
static inline void smoothed_histogram(double *p, const double *counts, size_t bins, double pseudo) {
    double n = 0;
    size_t b;
    for (b = 0; b < bins; b++) {
        n += counts[b];
    }
    if (!(n + (double)bins * pseudo > 0) || !(pseudo >= 0)) {
        DIE("smoothed_histogram: %g samples in %zu bins, pseudo-count %g; nothing to divide by", n, bins, pseudo);
    }
    for (b = 0; b < bins; b++) {
        p[b] = (counts[b] + pseudo) / (n + (double)bins * pseudo);
    }
}

// F: met.histkl  KL divergence of a histogram to a known table of bin masses        [chapter 5]
//   KL(p^ || q),   p^ = (counts + pseudo)/(n + bins pseudo);   0 counts add 0; inf when q is 0 where p^ is not
//   counts: how many of the n samples fell into each bin.  q: `bins` masses with sum 1.  An empty bin of q that comes
//   from a second histogram is the usual infinity: fill it with smoothed_histogram.
//   Two errors: binning loses KL, counting adds (bins - 1)/(2n) (histogram_kl_bias).  Quadrature has neither.
//   source: bias: Miller 1955
//   check: quadrature KL of two Gaussians; mean for samples of q itself
static inline double histogram_kl(const double *counts, const double *q, size_t bins, double pseudo) {
    double *p = NEW(double, bins), kl;
    smoothed_histogram(p, counts, bins, pseudo);
    kl = kl_discrete(p, q, bins);
    free(p);
    return kl;
}

// F: met.histkl  how much too large a histogram KL is                              [chapter 5]
//   E[KL(p^ || q)] - KL(p || q) = (bins - 1)/(2n) + O(1/n^2), every bin expecting several of the n samples, pseudo = 0
//   source: Miller 1955
//   check: mean over 2000 samples of q itself and of another law
static inline double histogram_kl_bias(size_t bins, double n) {
    return ((double)bins - 1) / (2 * n);
}

#endif
