// families_value.h: golden families of the soft value, of guidance by a classifier and of over-optimisation.
// Translation only.
#ifndef TILT_FAMILIES_VALUE_H
#define TILT_FAMILIES_VALUE_H

#include "double.h" // first

#include "../formula/guidance_value.h"
#include "../formula/overoptimisation.h"
#include "../formula/soft_value.h"
#include "families_tilt.h"

static inline void family_val_soft(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Gmm noised = scratch_gmm(out, &p);
    Gmm star = scratch_gmm(out, &p);
    QuadReward r = in_reward(in);
    double beta = in_between(in, "kl_beta", gmm_critical_beta(&p, &r), HUGE_VAL);
    double low = in_number(in, "beta_min");
    double high = in_number(in, "beta_max");
    size_t n = 0, two = 2, i;
    const double *t = in_vector(in, "t", &n);
    const double *x = in_matrix(in, "x", &n, &two);
    double *v = out_vector(out, "v", n);
    double *grad_v = out_matrix(out, "grad_v", n, 2);
    double *at_mean = out_vector(out, "r_of_x0hat", n);
    double *mean = out_vector(out, "e_r_given_xt", n);
    double *grad_dps = out_matrix(out, "grad_r_x0hat", n, 2);
    double *score_ref = out_matrix(out, "score_ref", n, 2);
    double *score_opt = out_matrix(out, "score_opt", n, 2);
    double *push = out_matrix(out, "h_drift_reverse", n, 2);
    double *eps_opt = out_matrix(out, "eps_opt", n, 2);
    for (i = 0; i < n; i++) {
        const double *at = x + 2 * i;
        double alpha = vp_alpha(t[i], low, high), sigma = vp_sigma(t[i], low, high), rate = vp_beta(t[i], low, high);
        double eps[2], with[2], without[2], none[2] = {0, 0};
        TimedReward timed = reward_at_time(&p, &r, beta, at, alpha, sigma);
        v[i] = soft_value(grad_v + 2 * i, &p, &r, beta, at, alpha, sigma);
        at_mean[i] = timed.at_mean;
        mean[i] = timed.mean;
        dps_value(grad_dps + 2 * i, &p, &r, at, alpha, sigma);
        gmm_noised(&noised, &p, alpha, sigma);
        gmm_score(score_ref + 2 * i, &noised, at);
        gmm_eps(eps, &noised, at, sigma);
        gmm_tilt_noised(&star, NULL, &p, &r, beta, alpha, sigma);
        gmm_score(score_opt + 2 * i, &star, at);
        doob_sde_drift(with, at, score_ref + 2 * i, grad_v + 2 * i, rate, beta);
        doob_sde_drift(without, at, score_ref + 2 * i, none, rate, beta);
        push[2 * i] = without[0] - with[0]; // the drift belongs to dt < 0
        push[2 * i + 1] = without[1] - with[1];
        doob_eps(eps_opt + 2 * i, eps, grad_v + 2 * i, sigma, beta, 2);
    }
}

static inline void family_doob_kl(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    QuadReward r = in_reward(in);
    double beta = in_between(in, "kl_beta", gmm_critical_beta(&p, &r), HUGE_VAL);
    double low = in_number(in, "beta_min");
    double high = in_number(in, "beta_max");
    double clean = vp_half_logsnr(in_between(in, "t0", 0, 1), low, high);
    double noisy = vp_half_logsnr(in_number(in, "t1"), low, high);
    DoobKl d = doob_kl(&p, &r, beta, clean, noisy, 40);
    out_number(out, "kl_t0", d.kl_clean);
    out_number(out, "kl_t1", d.kl_noisy);
    out_number(out, "half_int_g2_scorediff2", d.path);
    out_number(out, "kl_data", gmm_tilt_point(&p, &r, beta).kl);
}

// A 1-D mixture becomes one in the plane whose second coordinate is N(0, 1) and tells nothing.
static inline void family_guid_power(const Case *in, Out *out) {
    size_t K = 0, n = 0, i, k;
    const double *w = in_vector(in, "w", &K);
    const double *mu = in_vector(in, "mu", &K);
    const double *var = in_vector(in, "var", &K);
    const double *x = in_vector(in, "x", &n);
    double *share = scratch(out, K);
    Gmm p = gmm_on(scratch(out, 7 * K), (int)K);
    double power = in_number(in, "s"), t = in_number(in, "t");
    double alpha = vp_alpha(t, in_number(in, "beta_min"), in_number(in, "beta_max"));
    double sigma = vp_sigma(t, in_number(in, "beta_min"), in_number(in, "beta_max"));
    double *exact = out_vector(out, "exact_tilt_gradient", n);
    double *naive = out_vector(out, "naive_scaled_gradient", n);
    double at[2] = {0, 0}, grad[2], mean[2];
    share[in_count(in, "y", 0, (int)K - 1)] = 1;
    for (k = 0; k < K; k++) {
        p.w[k] = w[k];
        p.mu[2 * k] = mu[k];
        p.cov[4 * k] = var[k];
        p.cov[4 * k + 3] = 1;
    }
    gmm_check(&p);
    for (i = 0; i < n; i++) {
        double score[2], guided[2];
        const double none[2] = {0, 0};
        at[0] = x[i];
        guidance_power(grad, NULL, &p, share, power, at, alpha, sigma);
        exact[i] = grad[0];
        gmm_class_score(score, &p, share, at, alpha, sigma);
        guided_score(guided, none, score, power, 2);
        naive[i] = guided[0];
    }
    out_number(out, "log_z", guidance_power(NULL, mean, &p, share, power, at, 0, 1)); // x_t says nothing
    out_number(out, "e_x_tilt", mean[0]);
}

static inline void family_overopt_gao(const Case *in, Out *out) {
    GaoCurve bon = {GAO_BON, in_number(in, "alpha_bon"), in_number(in, "beta_bon")};
    GaoCurve rl = {GAO_RL, in_number(in, "alpha_rl"), in_number(in, "beta_rl")};
    size_t p = 0, q = 0, i;
    const double *d = in_vector(in, "d", &p);
    const double *n = in_indices(in, "n", &q, 1, 1000000);
    double *r_bon = out_vector(out, "r_bon", p);
    double *r_rl = out_vector(out, "r_rl", p);
    double *kl_bon = out_vector(out, "kl_bon", q);
    for (i = 0; i < p; i++) {
        r_bon[i] = gao_reward(&bon, d[i]);
        r_rl[i] = gao_reward(&rl, d[i]);
    }
    for (i = 0; i < q; i++) {
        kl_bon[i] = bon_kl(n[i]);
    }
    out_number(out, "d_star_bon", gao_peak(&bon));
    out_number(out, "r_star_bon", gao_reward(&bon, gao_peak(&bon)));
    out_number(out, "kl_star_bon", gao_peak(&bon) * gao_peak(&bon));
    out_number(out, "d_star_rl", gao_peak(&rl));
    out_number(out, "r_star_rl", gao_reward(&rl, gao_peak(&rl)));
}

#endif
