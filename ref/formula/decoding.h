// decoding.h: three more ways to spend network evaluations at sampling time, and the price of each.
//
// svdd chooses among candidates within each step: simple, biased for any finite number of them.  Feynman-Kac steering
// is SMC with potentials of your choice, exact as long as they multiply up to e^(r/beta).  Rejection is exact and tells
// by its acceptance rate what exactness costs.  (Best-of-n is in best_of_n.h, particle weights in smc.h.)
#ifndef TILT_DECODING_H
#define TILT_DECODING_H

#include "smc.h"

// F: guid.svdd   choose one of M candidates of a step                              [chapter 14]
//   x^1 .. x^M ~ p(x_{k-1}|x_k), keep x^i with probability e^(V~(x^i)/beta) / sum_j e^(V~(x^j)/beta);
//   beta = 0: the best of them
//   It is soft best-of-M (bon.soft) of every step.  M = 1 is the reference; finite M falls short of the tilted step by
//   O(1/M) in every step.  M -> inf with V~ = V is the best chain with a KEPT start (opt.init), not the tilt.
//   Nothing is compared between samples and no weight is carried: it is not SMC, and a wrong V~ is not corrected.
//   v: M values, reward units.  u: one uniform in [0, 1).  Returns the index.
//   source: Li et al. 2024, arXiv 2408.08252
//   check: frequencies; bias of an enumerated chain falls like 1/M; both limits of beta
static inline int svdd_pick(const double *v, double beta, double u, int M) {
    double *W;
    int best = 0, i;
    if (M < 1 || !(beta >= 0)) {
        DIE("svdd_pick: %d candidates at beta %g; need at least one, and beta >= 0", M, beta);
    }
    for (i = 1; i < M; i++) {
        best = v[i] > v[best] ? i : best;
    }
    if (beta == 0) {
        return best;
    }
    W = NEW(double, (size_t)M);
    for (i = 0; i < M; i++) {
        W[i] = v[i] / beta;
    }
    smc_normalise(W, W, (size_t)M);
    smc_systematic(&best, W, u, (size_t)M, 1); // one draw: the inverse distribution function
    free(W);
    return best;
}

// What a particle must remember to pay for its potentials; it travels with the particle when particles are copied.
typedef struct {
    double paid; // sum of the log-potentials so far, nats
    double best; // largest value seen, reward units
    double sum;  // of the values seen, reward units
    double last; // value seen last, reward units
    int seen;
} FkPath;

typedef enum { FK_DIFFERENCE, FK_MAX, FK_SUM } FkPotential;

// F: guid.fk     Feynman-Kac potentials                                            [chapter 14]
//   values r_K, r_{K-1}, .. r_1 along the path (for example r of the denoised guess), then the true reward r_0
//   difference  log G_k = (r_k - r_{k+1})/beta, first r_K/beta      rewards progress; smc.twist with V~ = r_k
//   max         log G_k = max_{j >= k} r_j/beta                     once promising, always promising
//   sum         log G_k = sum_{j >= k} r_j/beta
//   last        log G_0 = r_0/beta - sum of all before:  their product is e^(r_0/beta), so Z^ and the law are exact
//   Without the last line only the difference form telescopes; max and sum then sample another law altogether.
//   final = 1 for the true reward.  Logarithms throughout: public code exponentiates, clamps at 1e10, and drops the
//   weights of stages that adaptive resampling skips (as read in fkd_class.py); here smc_stage keeps them.
//   source: Singhal et al. 2025, arXiv 2501.06848
//   check: product over a path; difference is smc.twist; unbiased over 1000 seeds, and biased without the last line
static inline double fk_log_potential(FkPath *path, FkPotential kind, double value, double beta, int final) {
    double log_g;
    path->best = path->seen && path->best > value ? path->best : value;
    path->sum += value;
    if (final) {
        log_g = value / beta - path->paid;
    } else if (kind == FK_DIFFERENCE) {
        log_g = smc_log_increment(0, value, path->seen ? path->last : 0, beta);
    } else {
        log_g = (kind == FK_MAX ? path->best : path->sum) / beta;
    }
    path->last = value;
    path->seen = 1;
    path->paid += log_g;
    return log_g;
}

// F: guid.rejection  exact samples of the tilt, one at a time                      [chapter 9]
//   accept x ~ p with probability e^((r(x) - r_max)/beta);  accepted ones have the law p e^(r/beta)/Z exactly
//   acceptance rate Z e^(-r_max/beta): the mean number of draws a sample costs is its inverse
//   r_max: a bound of r; any bound will do and a loose one only costs draws.  A reward above it is an error and dies.
//   Bounded rewards only: a concave quadratic has its vertex, a linear reward has none.
//   u: one uniform in (0, 1).  Returns 1 for accepted.
//   source: von Neumann 1951
//   check: moments of opt.gmm within 4 standard errors; acceptance rate
static inline int rejection_accepts(double r, double r_max, double beta, double u) {
    if (!(r <= r_max)) {
        DIE("rejection_accepts: reward %g above its bound %g; a wrong bound samples another law", r, r_max);
    }
    return e_log(u) < (r - r_max) / beta;
}

// The expected number of reference draws for one accepted sample.
static inline double rejection_cost(double log_z, double r_max, double beta) {
    return e_exp(r_max / beta - log_z);
}

#endif
