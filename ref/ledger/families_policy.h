// families_policy.h: golden families of policy gradients and of preference losses.  Translation only.
#ifndef TILT_FAMILIES_POLICY_H
#define TILT_FAMILIES_POLICY_H

#include "double.h" // first

#include "../formula/policy.h"
#include "../formula/preference.h"
#include "families_sampler.h"

static inline void family_kl_estimators(const Case *in, Out *out) {
    size_t n = 0, i;
    const double *logp = in_vector(in, "logp", &n);
    const double *ref = in_vector(in, "logp_ref", &n);
    double *k1 = out_vector(out, "k1", n);
    double *k2 = out_vector(out, "k2", n);
    double *k3 = out_vector(out, "k3", n);
    double *dk1 = out_vector(out, "dk1_dlogp", n);
    double *dk2 = out_vector(out, "dk2_dlogp", n);
    double *dk3 = out_vector(out, "dk3_dlogp", n);
    for (i = 0; i < n; i++) {
        k1[i] = kl_k1(dk1 + i, logp[i], ref[i]);
        k2[i] = kl_k2(dk2 + i, logp[i], ref[i]);
        k3[i] = kl_k3(dk3 + i, logp[i], ref[i]);
    }
}

static inline void family_kl_in_reward(const Case *in, Out *out) {
    size_t N = 0, T = 0, i;
    const double *logp = in_matrix(in, "logp", &N, &T);
    const double *ref = in_matrix(in, "logp_ref", &N, &T);
    const double *reward = in_vector(in, "reward", &N);
    double *log_ratio = scratch(out, N * T);
    double *to_go = out_matrix(out, "reward_to_go", N, T);
    for (i = 0; i < N * T; i++) {
        log_ratio[i] = logp[i] - ref[i]; // the formula takes the log-ratio
    }
    kl_in_reward(to_go, out_vector(out, "total", N), reward, log_ratio, in_number(in, "beta"), (int)N, (int)T);
}

static inline void family_adv_variants(const Case *in, Out *out) {
    size_t G = 0, K = 0;
    const double *r = in_matrix(in, "reward", &G, &K);
    int g = (int)G, k = (int)K;
    advantage_batch(out_matrix(out, "batch", G, K), r, G * K, 1e-8);
    advantage_group(out_matrix(out, "grpo_ddof0", G, K), r, g, k, 0, 1e-4);
    advantage_group(out_matrix(out, "grpo_ddof1", G, K), r, g, k, 1, 1e-8);
    advantage_group_global_std(out_matrix(out, "flow_grpo_global_std", G, K), r, g, k, 1e-4);
    advantage_centred(out_matrix(out, "drgrpo_no_std", G, K), r, g, k);
    advantage_loo(out_matrix(out, "loo", G, K), r, g, k);
}

static inline void family_theory_loo(const Case *in, Out *out) {
    size_t S = 0;
    const double *theta = in_vector(in, "theta", &S);
    const double *r = in_vector(in, "reward", &S);
    int k = in_count(in, "k", 2, 20);
    bandit_gradient(out_vector(out, "true_gradient", S), theta, r, S);
    group_expected_gradient(out_vector(out, "expected_loo_gradient", S), theta, r, (int)S, k, 1);
    group_expected_gradient(out_vector(out, "expected_group_mean_gradient", S), theta, r, (int)S, k, 0);
}

static inline void family_ddpo_sf(const Case *in, Out *out) {
    size_t B = 0, D = 0, b;
    const double *x_t = in_matrix(in, "x_t", &B, &D);
    const double *x_s = in_matrix(in, "x_s", &B, &D);
    const double *eps = in_matrix(in, "eps", &B, &D);
    const double *advantage = in_vector(in, "advantage", &B);
    double *grad = out_matrix(out, "grad_eps", B, D);
    StepCoeffs *step = NEW(StepCoeffs, B);
    for (b = 0; b < B; b++) {
        step[b] = in_step(in); // all rows of the case stand at the same step
    }
    out_number(out, "loss", ddpo_sf(grad, x_t, x_s, eps, advantage, step, (int)B, (int)D));
    free(step);
}

// ---- preference ----------------------------------------------------------------------------------------------------

static inline void family_pref_margin(const Case *in, Out *out) {
    size_t n = 0, i;
    const double *lp_w = in_vector(in, "logp_w", &n);
    const double *lp_l = in_vector(in, "logp_l", &n);
    const double *lr_w = in_vector(in, "ref_logp_w", &n);
    const double *lr_l = in_vector(in, "ref_logp_l", &n);
    double beta = in_between(in, "beta", 0, HUGE_VAL);
    double smoothing = in_number(in, "label_smoothing");
    double *h = out_vector(out, "h", n);
    double *dpo = out_vector(out, "dpo", n);
    double *d_dpo = out_vector(out, "d_dpo_dh", n);
    double *cdpo = out_vector(out, "cdpo", n);
    double *d_cdpo = out_vector(out, "d_cdpo_dh", n);
    double *ipo = out_vector(out, "ipo", n);
    double *d_ipo = out_vector(out, "d_ipo_dh", n);
    double *hinge = out_vector(out, "hinge", n);
    double *d_hinge = out_vector(out, "d_hinge_dh", n);
    for (i = 0; i < n; i++) {
        double dlp_l;
        h[i] = (lp_w[i] - lp_l[i]) - (lr_w[i] - lr_l[i]); // the argument of the functions of the margin
        // dpo_loss forms its own margin from the four numbers; h grows with lp_w at slope 1, so dL/dh = dL/dlp_w.
        dpo[i] = dpo_loss(d_dpo + i, &dlp_l, lp_w[i], lr_w[i], lp_l[i], lr_l[i], beta);
        cdpo[i] = cdpo_margin(d_cdpo + i, h[i], beta, smoothing);
        ipo[i] = ipo_margin(d_ipo + i, h[i], beta);
        hinge[i] = hinge_margin(d_hinge + i, h[i], beta);
    }
}

// The coefficient of the SUM of squares in u: u for one row whose winner misses the noise by 1 in one dimension, while
// the loser and both references hit it.
static inline double dpo_sum_coefficient(Out *out, size_t D, double beta) {
    double *hit = scratch(out, D);
    double *miss = scratch(out, D);
    double u;
    miss[0] = 1;
    diffusion_dpo_weighted(NULL, NULL, &u, NULL, miss, hit, hit, hit, hit, NULL, 1, (int)D, beta);
    return -u;
}

static inline void family_diffusion_dpo_loss(const Case *in, Out *out) {
    size_t B = 0, D = 0;
    const double *noise = in_matrix(in, "noise", &B, &D);
    const double *w = in_matrix(in, "eps_w", &B, &D);
    const double *l = in_matrix(in, "eps_l", &B, &D);
    const double *ref_w = in_matrix(in, "eps_ref_w", &B, &D);
    const double *ref_l = in_matrix(in, "eps_ref_l", &B, &D);
    double beta = in_number(in, "beta");
    double *inside = out_vector(out, "inside", B);
    double *accuracy = out_vector(out, "implicit_acc", 1);
    double *grad_w = out_matrix(out, "grad_eps_w", B, D);
    double *grad_l = out_matrix(out, "grad_eps_l", B, D);
    out_number(out, "loss",
               diffusion_dpo_weighted(grad_w, grad_l, inside, accuracy, w, l, ref_w, ref_l, noise, NULL, (int)B, (int)D,
                                      beta));
    out_number(out, "beta_t_omega_equiv", dpo_sum_coefficient(out, D, beta));
}

static inline void family_diffusion_dpo_at_reference(const Case *in, Out *out) {
    size_t B = 0, D = 0;
    const double *noise = in_matrix(in, "noise", &B, &D);
    const double *w = in_matrix(in, "eps_ref_w", &B, &D);
    const double *l = in_matrix(in, "eps_ref_l", &B, &D);
    double *grad_w = out_matrix(out, "grad_eps_w", B, D);
    double *grad_l = out_matrix(out, "grad_eps_l", B, D);
    out_number(out, "loss",
               diffusion_dpo(grad_w, grad_l, NULL, w, l, w, l, noise, (int)B, (int)D, in_number(in, "beta")));
}

#endif
