// families_taste.h: golden families of reward posteriors and of choosing questions.  Translation only.
#ifndef TILT_FAMILIES_TASTE_H
#define TILT_FAMILIES_TASTE_H

#include "double.h" // first

#include "../formula/acquisition.h"
#include "../formula/laplace.h"
#include "case.h"

static inline void family_rm_laplace(const Case *in, Out *out) {
    size_t n = 0, F = 0;
    const double *win = in_matrix(in, "features_win", &n, &F);
    const double *lose = in_matrix(in, "features_lose", &n, &F);
    const double *query = in_vector(in, "query", &F);
    double *theta = scratch(out, F);
    double *cov = scratch(out, F * F);
    double mean, sd;
    rm_laplace(theta, cov, win, lose, in_between(in, "l2", 0, HUGE_VAL), (double)n, (int)n, (int)F);
    mean = laplace_mean(theta, query, (int)F);
    sd = laplace_sd(cov, query, (int)F);
    out_number(out, "laplace_mean", mean);
    out_number(out, "laplace_std", sd);
    out_number(out, "lcb_k1", laplace_lcb(mean, sd, 1));
    out_number(out, "probit_approx_p", laplace_probability(mean, sd));
}

static inline void family_active_acquisition(const Case *in, Out *out) {
    size_t E = 0, Q = 0, N = 0, F = 0, q, e;
    const double *diffs = in_matrix(in, "ensemble_diffs", &E, &Q);
    const double *x = in_matrix(in, "x", &N, &F);
    const double *phi = in_matrix(in, "phi", &Q, &F);
    double *mean_prob = out_vector(out, "mean_prob", Q);
    double *entropy = out_vector(out, "entropy", Q);
    double *bald = out_vector(out, "bald", Q);
    double *variance = out_vector(out, "variance_diff", Q);
    double *margin = out_vector(out, "margin", Q);
    double *gain = out_vector(out, "d_opt_logdet_gain", Q);
    double *member = scratch(out, E);
    double *factor = scratch(out, F * F);
    d_optimal_factor(factor, x, in_between(in, "lam", 0, HUGE_VAL), (int)N, (int)F);
    for (q = 0; q < Q; q++) {
        Acquisition a;
        for (e = 0; e < E; e++) {
            member[e] = diffs[e * Q + q]; // the columns are the candidates
        }
        a = acquisition(member, NULL, (int)E);
        mean_prob[q] = a.mean_prob;
        entropy[q] = a.entropy;
        bald[q] = a.bald;
        variance[q] = a.variance;
        margin[q] = a.margin;
        gain[q] = d_optimal_gain(factor, phi + q * F, (int)F);
    }
    out_number(out, "pick_bald", largest_index(bald, (int)Q));
    out_number(out, "pick_entropy", largest_index(entropy, (int)Q));
    out_number(out, "pick_dopt", largest_index(gain, (int)Q));
}

#endif
