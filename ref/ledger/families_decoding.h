// families_decoding.h: golden families of the flow SDE, of whole chains, and of sampling-time alignment.  Translation
// only.
#ifndef TILT_FAMILIES_DECODING_H
#define TILT_FAMILIES_DECODING_H

#include "double.h" // first

#include "../formula/best_of_n.h"
#include "../formula/decoding.h"
#include "../formula/denoising_mdp.h"
#include "../formula/flow_sde.h"
#include "../formula/reward_law.h"
#include "../formula/smc.h"
#include "families_mixture.h"
#include "families_tilt.h"

static inline void family_flowsde_step(const Case *in, Out *out) {
    size_t D = 0;
    const double *x = in_vector(in, "x", &D);
    const double *v = in_vector(in, "v", &D);
    const double *z = in_vector(in, "z", &D);
    double t = in_between(in, "t", 0, 1), t_next = in_number(in, "t_next"), a = in_number(in, "noise_level");
    StepCoeffs c = flowsde_coeffs(t, t_next, a);
    double *next = out_vector(out, "next", D), logp;
    out_number(out, "sigma_t", flowsde_sigma(t, t_next, a));
    step_mean(out_vector(out, "mean", D), &c, x, v, D);
    out_number(out, "std", c.sigma);
    step_sample(next, &c, x, v, z, D);
    logp = step_logp(NULL, &c, next, x, v, D);
    out_number(out, "logprob_sum", logp);
    out_number(out, "logprob_mean", logp / (double)D); // the other convention: the sum divided by the dimension
}

static inline void family_flowsde_variance(const Case *in, Out *out) {
    int N = in_count(in, "num_steps", 1, 4096);
    double s = in_between(in, "data_std", 0, HUGE_VAL);
    flowsde_gaussian(out_vector(out, "var_sde", (size_t)N), out_vector(out, "var_exact", (size_t)N), s, N,
                     in_number(in, "noise_level"));
    flowsde_gaussian(out_vector(out, "var_ode_euler", (size_t)N), NULL, s, N, 0);
}

static inline void family_flowsde_kl(const Case *in, Out *out) {
    size_t D = 0;
    const double *v = in_vector(in, "v", &D);
    const double *v_ref = in_vector(in, "v_ref", &D);
    double kl = flowsde_kl(NULL, v, v_ref, in_between(in, "t", 0, 1), in_number(in, "t_next"),
                           in_between(in, "noise_level", 0, HUGE_VAL), D);
    out_number(out, "kl_step_sum", kl);
    out_number(out, "kl_step_mean_per_dim", kl / (double)D);
}

// The file counts steps in sampling order; a LinearChain counts them down to the clean end.
static inline const double *in_reversed(const Case *in, Out *out, const char *key, size_t *N) {
    const double *v = in_vector(in, key, N);
    double *w = scratch(out, *N);
    size_t k;
    for (k = 0; k < *N; k++) {
        w[*N - 1 - k] = v[k];
    }
    return w;
}

static inline void family_mdp_pathkl(const Case *in, Out *out) {
    static const Normal1 start = {0, 1};
    size_t N = 0, k;
    LinearChain ref, policy;
    Normal1 *law;
    double *a, *step, *reversed, marginal;
    ref.a = in_reversed(in, out, "a", &N);
    ref.s = in_reversed(in, out, "sd", &N);
    ref.c = scratch(out, N);
    ref.K = (int)N;
    policy = ref;
    policy.c = in_reversed(in, out, "policy_shift", &N);
    policy.a = a = scratch(out, N);
    memcpy(a, in_reversed(in, out, "policy_da", &N), N * sizeof *a);
    for (k = 0; k < N; k++) {
        a[k] += ref.a[k];
    }
    reversed = scratch(out, N);
    out_number(out, "path_kl", linear_path_kl(reversed, &marginal, &policy, &ref, start));
    out_number(out, "marginal_kl", marginal);
    step = out_vector(out, "step_kl", N);
    for (k = 0; k < N; k++) {
        step[k] = reversed[N - 1 - k];
    }
    law = (Normal1 *)(void *)scratch(out, 2 * (N + 1));
    linear_laws(law, &policy, start);
    memcpy(out_vector(out, "final_policy", 2), &law[0], sizeof law[0]);
    linear_laws(law, &ref, start);
    memcpy(out_vector(out, "final_ref", 2), &law[0], sizeof law[0]);
}

static inline void family_bon_gmm(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    QuadReward r = in_reward(in);
    size_t q = 0, i;
    const double *n = in_indices(in, "n", &q, 1, 1000000);
    double *kl = out_vector(out, "kl", q);
    bon_gmm_mean(out_vector(out, "e_r", q), &p, &r, n, q);
    for (i = 0; i < q; i++) {
        kl[i] = bon_kl(n[i]);
    }
}

static inline void family_smc_resample(const Case *in, Out *out) {
    size_t N = 0, i;
    const double *log_w = in_vector(in, "log_w", &N);
    double *W = out_vector(out, "w", N), *index = out_vector(out, "systematic_idx", N);
    int *chosen = scratch_ints(out, index, N);
    out_number(out, "log_mean_w", smc_normalise(W, log_w, N));
    out_number(out, "ess", smc_ess(log_w, N));
    smc_systematic(chosen, W, in_number(in, "u"), N, N);
    for (i = 0; i < N; i++) {
        index[i] = chosen[i];
    }
}

static inline void family_smc_twist1d(const Case *in, Out *out) {
    double m = in_number(in, "m"), s2 = in_between(in, "s2", 0, HUGE_VAL),
           beta = in_between(in, "kl_beta", 0, HUGE_VAL);
    double b = in_number(in, "b"), a = in_number(in, "a"), slope, shift;
    QuadTwist V = quad_twist(a, b, beta);
    size_t n = 0, i;
    const double *x = in_vector(in, "x", &n);
    double *log_weight = out_vector(out, "log_weight", n);
    Normal1 kernel;
    out_number(out, "log_norm", twisted_kernel(&kernel, &V, m, s2));
    out_number(out, "opt_mean", kernel.mean);
    out_number(out, "opt_var", kernel.var);
    slope = beta * quad_twist_slope(&V, m);
    cg_step_shift(&shift, &slope, sqrt(s2), beta, 1);
    out_number(out, "shifted_mean", m + shift);
    for (i = 0; i < n; i++) {
        double log_pq = cg_step_log_ratio(&x[i], &m, &shift, sqrt(s2), 1);
        log_weight[i] = smc_log_increment(log_pq, beta * quad_twist_at(&V, x[i]), 0, beta);
    }
}

static inline void family_smc_chain(const Case *in, Out *out) {
    static const Normal1 start = {0, 1};
    double beta = in_between(in, "kl_beta", 0, HUGE_VAL), *slope, *intercept, *var, *rows;
    QuadTwist reward = quad_twist(in_number(in, "r_a"), in_number(in, "r_b"), beta), *V;
    LinearOptimum best;
    LinearChain chain;
    Normal1 *law;
    size_t K = 0, k;
    chain.a = in_vector(in, "a", &K);
    chain.c = in_vector(in, "c", &K);
    chain.s = in_vector(in, "s", &K);
    chain.K = (int)K;
    V = (QuadTwist *)(void *)scratch(out, 3 * (K + 1)); // a QuadTwist is three doubles, a Normal1 two
    law = (Normal1 *)(void *)scratch(out, 2 * (K + 1));
    linear_values(V, &reward, &chain);
    rows = out_matrix(out, "value_coeffs", K + 1, 3);
    for (k = 0; k <= K; k++) {
        rows[3 * k] = V[k].P;
        rows[3 * k + 1] = V[k].q;
        rows[3 * k + 2] = V[k].l;
    }
    slope = out_vector(out, "mean_slope", K);
    intercept = out_vector(out, "mean_intercept", K);
    var = out_vector(out, "var", K);
    linear_steered(slope, intercept, var, V, &chain);
    for (k = 0; k < K; k++) {
        var[k] *= var[k]; // it was the standard deviation
    }
    best = linear_optimum(V, beta, &chain, start);
    linear_laws(law, &chain, start);
    out_number(out, "init_mean", best.start.mean);
    out_number(out, "init_var", best.start.var);
    out_number(out, "log_z", best.log_z);
    out_number(out, "ref_mean0", law[0].mean);
    out_number(out, "ref_var0", law[0].var);
    out_number(out, "opt_mean0", best.end.mean);
    out_number(out, "opt_var0", best.end.var);
    out_number(out, "objective_opt", best.value);
    out_number(out, "objective_fixed_init", best.value_fixed);
    out_number(out, "path_kl_fixed_init", best.path_kl_fixed);
    out_number(out, "mean0_fixed_init", best.end_fixed.mean);
    out_number(out, "var0_fixed_init", best.end_fixed.var);
}

#endif
