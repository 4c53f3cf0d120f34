// alignment_report.h: what to say about a sample that claims to be aligned: reward with its error, price, and distance
// to what was possible.  A mean reward alone says nothing: it can be bought with KL, or with a mistake of the reward.
#ifndef TILT_ALIGNMENT_REPORT_H
#define TILT_ALIGNMENT_REPORT_H

#include "tilt.h"

typedef struct {
    double mean, se;            // the reward that was optimised: E[r] and its standard error
    double objective, gap;      // J = E[r] - beta KL, and J* - J; the error of both is se
    double below_frontier;      // the largest reward at this KL minus E[r]; a negative one is noise, or a wrong KL
    double gold, gold_se;       // the true reward
    double gold_minus_proxy;    // falls when the proxy is exploited
    double gold_minus_proxy_se; // of the paired difference, usually far below both errors
} AlignmentReport;

// Mean and standard error of n numbers.
static inline double mean_and_se(double *se, const double *v, size_t n) {
    double mean = 0, square = 0;
    size_t i;
    if (n < 2) {
        DIE("mean_and_se: %zu numbers; a standard error needs two", n);
    }
    for (i = 0; i < n; i++) {
        mean += v[i] / (double)n;
    }
    for (i = 0; i < n; i++) { // in a second pass: a large mean costs no digits
        square += (v[i] - mean) * (v[i] - mean);
    }
    *se = sqrt(square / ((double)n - 1) / (double)n);
    return mean;
}

// F: met.reward  the report of a sample: reward, price, distance to the exact optimum  [chapter 10]
//   E[r] +- s.e.;   J = E[r] - beta KL,   gap = J* - J;   below_frontier = E*[r at this KL] - E[r]
//   gold - proxy: paired, E[g - r] +- s.e. of the differences
//   proxy: n rewards that were optimised; gold: n true ones, or NULL (then proxy counts as gold).
//   kl: nats, of the law the sample comes from, to the reference (quadrature, or met.knnkl).
//   j_star, frontier: the exact optimum, and the largest reward at this KL (gmm_tilt_at_kl).
//   A coarse sampler alone moves E[r]: give it the J* of its own reference law, or report that baseline beside it.
//   source: practice of alignment evaluations
//   check: samples of p*: gap and distance 0 within 4 s.e.; any other law: gap = beta KL(q||p*)
static inline AlignmentReport alignment_report(const double *proxy, const double *gold, size_t n, double kl,
                                               double beta, double j_star, double frontier) {
    AlignmentReport r;
    double *difference = NEW(double, n);
    size_t i;
    r.mean = mean_and_se(&r.se, proxy, n);
    r.gold = mean_and_se(&r.gold_se, gold != NULL ? gold : proxy, n);
    for (i = 0; i < n; i++) {
        difference[i] = gold != NULL ? gold[i] - proxy[i] : 0;
    }
    r.gold_minus_proxy = mean_and_se(&r.gold_minus_proxy_se, difference, n);
    r.objective = r.mean - beta * kl;
    r.gap = j_star - r.objective;
    r.below_frontier = frontier - r.mean;
    free(difference);
    return r;
}

// F: met.reward  which modes a sample uses, and how far its covariance is off      [chapter 10]
//   share_k = (1/n) sum_i P(component k | x_i),  by responsibility, not by the nearest centre;  sums to 1
//   returns the largest entry of |C_sample - C_mixture|, data units squared. x (n,2), n >= 2;  share: K numbers or NULL
//   source: Bayes' rule
//   check: samples of the mixture give its weights within 4 s.e.; modes that overlap are shared
static inline double sample_against_gmm(double *share, const real *x, size_t n, const Gmm *p) {
    double gamma[GMM_MAX_K], m[2] = {0, 0}, c[4] = {0, 0, 0, 0}, mean[2], cov[4], worst = 0;
    size_t i;
    int k;
    if (n < 2) {
        DIE("sample_against_gmm: %zu points; a covariance needs two", n);
    }
    for (k = 0; k < p->K && share != NULL; k++) {
        share[k] = 0;
    }
    for (i = 0; i < n; i++) {
        double at[2];
        at[0] = (double)x[2 * i];
        at[1] = (double)x[2 * i + 1];
        m[0] += at[0] / (double)n;
        m[1] += at[1] / (double)n;
        if (share != NULL) {
            gmm_responsibilities(gamma, p, at);
            for (k = 0; k < p->K; k++) {
                share[k] += gamma[k] / (double)n;
            }
        }
    }
    for (i = 0; i < n; i++) {
        for (k = 0; k < 4; k++) {
            c[k] += ((double)x[2 * i + (size_t)k / 2] - m[k / 2]) * ((double)x[2 * i + (size_t)k % 2] - m[k % 2]) /
                    ((double)n - 1);
        }
    }
    gmm_moments(mean, cov, p);
    for (k = 0; k < 4; k++) {
        worst = fmax(worst, fabs(c[k] - cov[k]));
    }
    return worst;
}

#endif
