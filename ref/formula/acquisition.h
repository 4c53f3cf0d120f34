// acquisition.h: which pair to ask about next.  Every question costs a person's time, so it should teach much.
//
// What is unknown of a pair is the difference d of its two rewards.  Its distribution is given as an ensemble: one
// number for each member that is still believed (fitted models, draws of a posterior, or nodes of a quadrature).
#ifndef TILT_ACQUISITION_H
#define TILT_ACQUISITION_H

#include "../core/linalg.h"

enum { GAUSSIAN_NODES = 25 }; // of gaussian_nodes

typedef struct {
    double mean_prob; // mean over the members of sigmoid(d): the chance of "a is better"
    double entropy;   // of that chance, nats, 0..ln 2
    double bald;      // entropy minus the mean entropy of the members, nats, 0..ln 2: what the answer would teach
    double variance;  // of d, reward units squared
    double margin;    // |mean_prob - 1/2|, 0..1/2: small means close, not unknown
} Acquisition;

// Entropy of a coin with chance sigmoid(d), nats; keeps its digits for |d| in the hundreds.
static inline double coin_entropy(double d) {
    return e_softplus(-fabs(d)) + fabs(d) * e_sigmoid(-fabs(d));
}

// F: active.acquisition  what a question would teach                               [chapter 7]
//   pbar = sum_e w_e sigmoid(d_e);   entropy = H(pbar);   bald = H(pbar) - sum_e w_e H(sigmoid(d_e)) >= 0
//   variance = sum_e w_e (d_e - dbar)^2;   margin = |pbar - 1/2|
//   d: E differences; w: E weights with sum 1, or NULL for 1/E each.
//   Two things that are known to be equal have the largest entropy and the smallest margin, yet bald = variance = 0:
//   entropy and margin cannot tell "close" from "unknown".
//   source: Houlsby et al. 2011, arXiv 1112.5745 (BALD); Lewis and Gale 1994 (uncertainty sampling)
//   check: one member; members far apart give bald -> ln 2; mutual information by enumeration; golden
//   active.acquisition
static inline Acquisition acquisition(const double *d, const double *w, int E) {
    Acquisition q = {0, 0, 0, 0, 0};
    double mean = 0, within = 0;
    int e;
    for (e = 0; e < E; e++) {
        double weight = w != NULL ? w[e] : 1.0 / E;
        q.mean_prob += weight * e_sigmoid(d[e]);
        mean += weight * d[e];
        within += weight * coin_entropy(d[e]);
    }
    for (e = 0; e < E; e++) {
        q.variance += (w != NULL ? w[e] : 1.0 / E) * (d[e] - mean) * (d[e] - mean);
    }
    q.entropy = q.mean_prob > 0 && q.mean_prob < 1
                    ? -q.mean_prob * e_log(q.mean_prob) - (1 - q.mean_prob) * e_log1p(-q.mean_prob)
                    : 0;
    q.bald = q.entropy - within;
    q.margin = fabs(q.mean_prob - 0.5);
    return q;
}

// F: active.acquisition  a Gaussian as an ensemble                                 [chapter 7]
//   z_k = (k - 12)/2,  w_k proportional to e^(-z_k^2/2),  k = 0..24;   then d_k = mu + s z_k stands for d ~ N(mu, s^2)
//   The trapezoid rule on [-6, 6]: moments to 1e-8, E sigmoid(d) to 1e-5 for s <= 3 and to 5e-3 for s <= 8.
//   source: trapezoid rule for smooth integrands
//   check: moments 0..4 of the Gaussian; E sigmoid by a fine rule
static inline void gaussian_nodes(double z[GAUSSIAN_NODES], double w[GAUSSIAN_NODES]) {
    double sum = 0;
    int k;
    for (k = 0; k < GAUSSIAN_NODES; k++) {
        z[k] = 0.5 * (k - (GAUSSIAN_NODES - 1) / 2);
        w[k] = e_exp(-0.5 * z[k] * z[k]);
        sum += w[k];
    }
    for (k = 0; k < GAUSSIAN_NODES; k++) {
        w[k] /= sum;
    }
}

// F: active.acquisition  how much a design gains by one more row                   [chapter 7]
//   gain = log|A + phi phi'| - log|A| = log(1 + phi' A^-1 phi),   A = lam I + sum_n x_n x_n'
//   For least squares; for a logistic answer with chance p the row carries the weight p (1-p).
//   factor: cholesky(A), F x F; phi: F features of the candidate (of the difference of its two things).
//   source: Sherman and Morrison 1950 (matrix determinant lemma); D-optimal design
//   check: both sides of the identity; phi = 0 gains 0; asking the same again gains less; golden active.acquisition
static inline double d_optimal_gain(const double *factor, const double *phi, int F) {
    double *x = NEW(double, (size_t)F);
    double sum = 0;
    int a;
    cholesky_solve(x, factor, phi, F);
    for (a = 0; a < F; a++) {
        sum += phi[a] * x[a];
    }
    free(x);
    return e_log1p(sum);
}

// The Cholesky factor of A = lam I + X'X, X (n,F).
static inline void d_optimal_factor(double *factor, const double *x, double lam, int n, int F) {
    int k, a, b;
    memset(factor, 0, (size_t)F * (size_t)F * sizeof *factor);
    for (a = 0; a < F; a++) {
        factor[a * F + a] = lam;
    }
    for (k = 0; k < n; k++) {
        const double *row = x + (size_t)k * (size_t)F;
        for (a = 0; a < F; a++) {
            for (b = 0; b < F; b++) {
                factor[a * F + b] += row[a] * row[b];
            }
        }
    }
    if (!(lam > 0) || cholesky(factor, factor, F) != 0) {
        DIE("d_optimal_factor: lam I + X'X is not positive definite (lam %g); use lam > 0 and finite features", lam);
    }
}

// The index of the largest of n values; the first of several.
static inline int largest_index(const double *v, int n) {
    int i, best = 0;
    for (i = 1; i < n; i++) {
        best = v[i] > v[best] ? i : best;
    }
    return best;
}

#endif
