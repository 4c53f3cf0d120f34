// families_tilt.h: golden families of the KL-regularised optimum and of best-of-n.  Translation only.
#ifndef TILT_FAMILIES_TILT_H
#define TILT_FAMILIES_TILT_H

#include "double.h" // first

#include "../formula/best_of_n.h"
#include "../formula/metrics.h"
#include "../formula/tilt.h"
#include "families_mixture.h"

// The reward of the keys r_a, r_b, r_c.
static inline QuadReward in_reward(const Case *in) {
    QuadReward r;
    size_t two = 2;
    memcpy(r.A, in_matrix(in, "r_a", &two, &two), sizeof r.A);
    memcpy(r.b, in_vector(in, "r_b", &two), sizeof r.b);
    r.c = in_number(in, "r_c");
    return r;
}

static inline void family_opt_gmm(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    QuadReward r = in_reward(in);
    double beta = in_between(in, "kl_beta", gmm_critical_beta(&p, &r), HUGE_VAL);
    TiltPoint at = gmm_tilt_point(&p, &r, beta);
    size_t K = (size_t)p.K;
    Gmm tilted = gmm_new(p.K);
    gmm_tilt(&tilted, out_vector(out, "log_z", 1), &p, &r, beta);
    memcpy(out_vector(out, "w_opt", K), tilted.w, K * sizeof(double));
    memcpy(out_matrix(out, "mu_opt", K, 2), tilted.mu, 2 * K * sizeof(double));
    memcpy(out_cube(out, "cov_opt", K, 2, 2), tilted.cov, 4 * K * sizeof(double));
    gmm_free(&tilted);
    gmm_reward_moments(out_vector(out, "e_r_ref", 1), NULL, &p, &r);
    out_number(out, "e_r_opt", at.e_r);
    out_number(out, "kl", at.kl);
    out_number(out, "objective", at.objective);
    out_number(out, "var_r_opt", at.var_r);
}

static inline void family_opt_frontier(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    QuadReward r = in_reward(in);
    size_t n = 0, i;
    const double *beta = in_vector(in, "kl_beta", &n);
    double *e_r = out_vector(out, "e_r", n);
    double *kl = out_vector(out, "kl", n);
    double *log_z = out_vector(out, "log_z", n);
    double *objective = out_vector(out, "objective", n);
    double *var_r = out_vector(out, "var_r", n);
    for (i = 0; i < n; i++) {
        TiltPoint at = gmm_tilt_point(&p, &r, beta[i]);
        e_r[i] = at.e_r;
        kl[i] = at.kl;
        log_z[i] = at.log_z;
        objective[i] = at.objective;
        var_r[i] = at.var_r;
    }
}

static inline void family_opt_exist(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    QuadReward r = in_reward(in);
    size_t n = 0, i;
    const double *beta = in_vector(in, "kl_beta", &n);
    double *exists = out_vector(out, "exists", n);
    for (i = 0; i < n; i++) {
        exists[i] = gmm_tilt_exists(&p, &r, beta[i]);
    }
    out_number(out, "critical_beta", gmm_critical_beta(&p, &r));
}

static inline void family_opt_discrete(const Case *in, Out *out) {
    size_t S = 0;
    const double *p = in_vector(in, "p", &S);
    const double *r = in_vector(in, "r", &S);
    TiltPoint at = tilt_discrete_point(out_vector(out, "tilt", S), p, r, in_number(in, "kl_beta"), S);
    out_number(out, "kl", at.kl);
    out_number(out, "e_r", at.e_r);
}

// E*[r] of the tilt that has a given KL, for a reward that is standard normal under the reference.  Nothing is known
// here about that tilt: it is found on a grid of rewards, where sums of smooth bell curves are exact to rounding.
static inline double normal_tilt_at_kl(Out *out, double kl) {
    size_t n = 1793, i;
    double *p = scratch(out, n);
    double *r = scratch(out, n);
    for (i = 0; i < n; i++) {
        r[i] = ((double)i - 896) / 64;
        p[i] = normal_pdf(r[i]) / 64;
    }
    if (!(kl > 0)) { // nothing may be spent: the reference itself
        return table_mean(NULL, p, r, n);
    }
    return tilt_discrete_point(NULL, p, r, tilt_discrete_beta_at_kl(p, r, kl, n), n).e_r;
}

static inline void family_bon_continuous(const Case *in, Out *out) {
    size_t q = 0, i;
    const double *n = in_indices(in, "n", &q, 1, 1000000);
    double *kl = out_vector(out, "kl", q);
    double *win = out_vector(out, "winrate", q);
    double *best = out_vector(out, "e_r_std_normal", q);
    double *tilted = out_vector(out, "e_r_tilt_same_kl", q);
    for (i = 0; i < q; i++) {
        kl[i] = bon_kl(n[i]);
        win[i] = bon_win(n[i]);
        best[i] = bon_normal_mean(n[i]);
        tilted[i] = normal_tilt_at_kl(out, kl[i]);
    }
}

static inline void family_bon_discrete(const Case *in, Out *out) {
    size_t S = 0, q = 0, i;
    const double *p = in_vector(in, "p", &S);
    const double *r = in_vector(in, "r", &S);
    const double *n = in_indices(in, "n", &q, 1, 1000000);
    double *bon = out_matrix(out, "bon", q, S);
    double *kl = out_vector(out, "kl", q);
    double *kl_bound = out_vector(out, "kl_bound", q);
    double *win = out_vector(out, "win", q);
    double *e_r = out_vector(out, "e_r", q);
    for (i = 0; i < q; i++) {
        double *row = bon + S * i;
        bon_discrete(row, p, r, n[i], S);
        kl[i] = kl_discrete(row, p, S);
        kl_bound[i] = bon_kl(n[i]);
        win[i] = win_rate(row, p, r, S);
        e_r[i] = table_mean(NULL, row, r, S);
    }
}

static inline void family_bon_soft(const Case *in, Out *out) {
    size_t S = 0, q = 0, i;
    const double *p = in_vector(in, "p", &S);
    const double *r = in_vector(in, "r", &S);
    const double *n = in_indices(in, "n", &q, 1, 170);
    double beta = in_between(in, "kl_beta", 0, HUGE_VAL);
    double *soft = out_matrix(out, "soft_bon", q, S);
    double *kl = out_vector(out, "soft_kl", q);
    double *e_r = out_vector(out, "soft_e_r", q);
    for (i = 0; i < q; i++) {
        double *row = soft + S * i;
        bon_soft(row, p, r, (int)n[i], beta, S);
        kl[i] = kl_discrete(row, p, S);
        e_r[i] = table_mean(NULL, row, r, S);
    }
}

static inline void family_theory_trajectory_balance(const Case *in, Out *out) {
    size_t T = 0, S = 0;
    const double *p_start = in_vector(in, "p_start", &T);
    const double *kernel = in_matrix(in, "kernel", &T, &S);
    const double *r = in_vector(in, "reward", &S);
    double *fixed = out_vector(out, "marginal_fixed_start", S);
    double *ideal = out_vector(out, "ideal_tilt", S);
    double *value = scratch(out, T);
    out_number(out, "beta_log_z",
               tilt_fixed_start(fixed, ideal, value, p_start, kernel, r, in_number(in, "beta"), T, S));
    out_number(out, "tv_bias", tv_discrete(fixed, ideal, S));
}

static inline void family_theory_rwr_iterated(const Case *in, Out *out) {
    size_t S = 0;
    const double *p = in_vector(in, "p", &S);
    const double *r = in_vector(in, "reward", &S);
    double *result = out_vector(out, "result", S);
    memcpy(result, p, S * sizeof(double));
    rwr_iterated(result, r, in_number(in, "tau"), in_count(in, "rounds", 0, 100000), S);
}

#endif
