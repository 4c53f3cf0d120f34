// families_losses.h: golden families of loss weights, floors of the loss, and guidance.  Translation only.
#ifndef TILT_FAMILIES_LOSSES_H
#define TILT_FAMILIES_LOSSES_H

#include "double.h" // first

#include "../formula/guidance.h"
#include "../formula/loss_weights.h"
#include "../formula/score_matching.h"
#include "families_mixture.h"
#include "families_schedule.h"

static inline void family_loss_weights(const Case *in, Out *out) {
    Schedule s = in_linear(in, "num_train_steps");
    size_t n = 0, i;
    const double *idx = in_indices(in, "idx", &n, 0, s.T - 1);
    double gamma = in_between(in, "snr_gamma", 0, HUGE_VAL);
    double k = in_number(in, "p2_k"), p2_gamma = in_number(in, "p2_gamma");
    double *snr = out_vector(out, "snr", n);
    double *eps = out_vector(out, "minsnr_eps", n);
    double *x0 = out_vector(out, "minsnr_x0", n);
    double *v = out_vector(out, "minsnr_v", n);
    double *p2 = out_vector(out, "p2_eps", n);
    for (i = 0; i < n; i++) {
        double abar = schedule_abar(&s, (int)idx[i]);
        snr[i] = snr_of(abar);
        eps[i] = minsnr_weight_eps(abar, gamma);
        x0[i] = minsnr_weight_x0(abar, gamma);
        v[i] = minsnr_weight_v(abar, gamma);
        p2[i] = p2_weight_eps(abar, k, p2_gamma);
    }
    schedule_free(&s);
}

static inline void family_edm_precond(const Case *in, Out *out) {
    size_t n = 0, i;
    const double *sigma = in_vector(in, "sigma", &n);
    double sigma_data = in_number(in, "sigma_data");
    double *c_skip = out_vector(out, "c_skip", n);
    double *c_out = out_vector(out, "c_out", n);
    double *c_in = out_vector(out, "c_in", n);
    double *c_noise = out_vector(out, "c_noise", n);
    double *weight = out_vector(out, "loss_weight", n);
    for (i = 0; i < n; i++) {
        EdmPrecond c = edm_precond(sigma[i], sigma_data);
        c_skip[i] = c.c_skip;
        c_out[i] = c.c_out;
        c_in[i] = c.c_in;
        c_noise[i] = c.c_noise;
        weight[i] = c.weight;
    }
}

static inline void family_dsm_floor2d(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    size_t n = 0, i;
    const double *t = in_vector(in, "t", &n);
    double low = in_number(in, "beta_min"), high = in_number(in, "beta_max");
    double *alpha = out_vector(out, "alpha", n);
    double *sigma = out_vector(out, "sigma", n);
    double *fisher = out_vector(out, "fisher", n);
    double *eps_sum = out_vector(out, "min_eps_loss_sum", n);
    double *eps_mean = out_vector(out, "min_eps_loss_per_dim", n);
    double *mmse = out_vector(out, "mmse_x0", n);
    double *v = out_vector(out, "min_v_loss_sum", n);
    double *constant = out_vector(out, "dsm_const", n);
    for (i = 0; i < n; i++) {
        DsmFloor f;
        alpha[i] = vp_alpha(t[i], low, high);
        sigma[i] = vp_sigma(t[i], low, high);
        f = dsm_floor(&p, alpha[i], sigma[i]);
        fisher[i] = f.fisher;
        eps_sum[i] = f.eps_loss;
        eps_mean[i] = f.eps_loss / 2;
        mmse[i] = f.mmse;
        v[i] = f.v_loss;
        constant[i] = f.constant;
    }
}

static inline void family_dsm_floor1d(const Case *in, Out *out) {
    Schedule s = in_linear(in, "num_train_steps");
    size_t K = 0, n = 0, i;
    const double *w = in_vector(in, "w", &K);
    const double *mu = in_vector(in, "mu", &K);
    const double *var = in_vector(in, "var", &K);
    const double *idx = in_indices(in, "idx", &n, 0, s.T - 1);
    double gamma = in_between(in, "snr_gamma", 0, HUGE_VAL), mean = 0, weighted = 0;
    double *at = out_vector(out, "min_eps_loss", n);
    double *floor_of = scratch(out, (size_t)s.T);
    int t;
    for (t = 0; t < s.T; t++) {
        double abar = schedule_abar(&s, t);
        floor_of[t] = dsm_floor_1d(w, mu, var, (int)K, alpha_of(abar), sigma_of(abar)).eps_loss;
        mean += floor_of[t] / s.T;
        weighted += floor_of[t] * minsnr_weight_eps(abar, gamma) / s.T;
    }
    for (i = 0; i < n; i++) {
        at[i] = floor_of[(int)idx[i]];
    }
    out_number(out, "mean_over_t", mean);
    out_number(out, "mean_over_t_minsnr", weighted);
    schedule_free(&s);
}

static inline void family_cfg_eps(const Case *in, Out *out) {
    size_t D = 0, n = 0, i;
    const double *eps_u = in_vector(in, "eps_uncond", &D);
    const double *eps_c = in_vector(in, "eps_cond", &D);
    const double *eps_neg = in_vector(in, "eps_neg", &D);
    const double *scale = in_vector(in, "scale", &n);
    double *guided = out_matrix(out, "guided", n, D);
    double *w = out_vector(out, "w_b", n);
    double *guided_w = out_matrix(out, "guided_b", n, D);
    double *negative = out_matrix(out, "negative", n, D);
    for (i = 0; i < n; i++) {
        cfg_combine(guided + i * D, eps_u, eps_c, scale[i], D);
        w[i] = cfg_w_of_scale(scale[i]);
        cfg_combine_w(guided_w + i * D, eps_u, eps_c, w[i], D);
        cfg_negative(negative + i * D, eps_neg, eps_c, scale[i], D);
    }
}

static inline void family_cfg_counterexample(const Case *in, Out *out) {
    size_t n = 0, i;
    const double *gamma = in_vector(in, "gamma", &n);
    double *ode = out_vector(out, "var_cfg_ddim", n);
    double *sde = out_vector(out, "var_cfg_ddpm", n);
    double *sharpened = out_vector(out, "var_gamma_powered", n);
    for (i = 0; i < n; i++) {
        ode[i] = cfg_var_ode(gamma[i]);
        sde[i] = cfg_var_sde(gamma[i]);
        sharpened[i] = cfg_var_sharpened(gamma[i]);
    }
}

static inline void family_cfg_dynthresh(const Case *in, Out *out) {
    size_t n = 0;
    const double *x0 = in_vector(in, "x0", &n);
    double quantile, *clipped = out_vector(out, "out", n);
    double s = cfg_dynthresh(clipped, &quantile, x0, in_number(in, "ratio"), n);
    out_number(out, "quantile", quantile);
    out_number(out, "s", s);
}

#endif
