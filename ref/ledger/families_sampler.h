// families_sampler.h: golden families of single sampler steps, whole deterministic runs, and the step as a policy.
// Translation only; a run is a loop over the steps of sampler.h with the exact eps of mixture.h.
#ifndef TILT_FAMILIES_SAMPLER_H
#define TILT_FAMILIES_SAMPLER_H

#include "double.h" // first

#include "../formula/sampler.h"
#include "families_mixture.h"
#include "families_schedule.h"

static inline void family_ddpm_step(const Case *in, Out *out) {
    size_t two = 2;
    const double *x = in_vector(in, "x", &two);
    const double *eps = in_vector(in, "eps", &two);
    const double *z = in_vector(in, "z", &two);
    StepCoeffs small = ddpm_small_coeffs(in_number(in, "abar_t"), in_number(in, "abar_prev"));
    StepCoeffs large = ddpm_large_coeffs(in_number(in, "abar_t"), in_number(in, "abar_prev"));
    double *next_small = out_vector(out, "next_small", 2);
    step_mean(out_vector(out, "mean", 2), &small, x, eps, 2);
    out_number(out, "std_small", small.sigma);
    out_number(out, "std_large", large.sigma);
    step_sample(next_small, &small, x, eps, z, 2);
    step_sample(out_vector(out, "next_large", 2), &large, x, eps, z, 2);
    out_number(out, "logprob_sum_small", step_logp(NULL, &small, next_small, x, eps, 2));
}

static inline void family_ddim_step(const Case *in, Out *out) {
    size_t two = 2;
    const double *x = in_vector(in, "x", &two);
    const double *eps = in_vector(in, "eps", &two);
    const double *z = in_vector(in, "z", &two);
    double abar_t = in_number(in, "abar_t");
    StepCoeffs c = ddim_coeffs(abar_t, in_number(in, "abar_prev"), in_number(in, "eta"));
    step_x0hat(out_vector(out, "x0", 2), x, eps, abar_t, 2);
    step_mean(out_vector(out, "mean", 2), &c, x, eps, 2);
    out_number(out, "std", c.sigma);
    step_sample(out_vector(out, "next", 2), &c, x, eps, z, 2);
}

// The exact eps of the clean mixture p at noise level abar.
static inline void exact_eps(double *eps, Gmm *noised, const Gmm *p, const double *x, double abar) {
    gmm_noised(noised, p, alpha_of(abar), sigma_of(abar));
    gmm_eps(eps, noised, x, sigma_of(abar));
}

static inline void family_traj_ddim(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Gmm noised = scratch_gmm(out, &p);
    Schedule s = in_linear(in, "num_train_steps");
    size_t n = 0, two = 2, i;
    const double *steps = in_indices(in, "timesteps", &n, 0, s.T - 1);
    const double *z = in_matrix(in, "z", &n, &two);
    double eta = in_number(in, "eta");
    double *x = out_vector(out, "x_end", 2);
    double *logp = out_vector(out, "logprob_total", 1);
    double *count = out_vector(out, "n_logprob", 1);
    memcpy(x, in_vector(in, "x_start", &two), 2 * sizeof(double));
    for (i = 0; i < n; i++) {
        double abar_t = schedule_abar(&s, (int)steps[i]);
        double abar_s = schedule_abar(&s, i + 1 < n ? (int)steps[i + 1] : -1);
        StepCoeffs c = ddim_coeffs(abar_t, abar_s, eta);
        double eps[2], next[2];
        exact_eps(eps, &noised, &p, x, abar_t);
        step_sample(next, &c, x, eps, z + 2 * i, 2);
        if (c.sigma > 0) {
            *logp += step_logp(NULL, &c, next, x, eps, 2);
            *count += 1;
        }
        memcpy(x, next, sizeof next);
    }
    schedule_free(&s);
}

static inline void family_traj_ddpm(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Gmm noised = scratch_gmm(out, &p);
    Schedule s = in_linear(in, "num_train_steps");
    size_t two = 2, four = 4;
    const double *rule = in_vector(in, "z_rule", &four);
    double *x = out_vector(out, "x_end", 2);
    int t, j;
    memcpy(x, in_vector(in, "x_start", &two), 2 * sizeof(double));
    for (t = s.T - 1; t >= 0; t--) {
        double abar_t = schedule_abar(&s, t);
        StepCoeffs c = ddpm_large_coeffs(abar_t, schedule_abar(&s, t - 1));
        double eps[2], z[2];
        for (j = 0; j < 2;
             j++) { // the noise of this case is a sine of step and dimension, so that it can be written down
            z[j] = rule[0] * e_sin(rule[1] * (s.T - 1 - t) + rule[2] * j + rule[3]);
        }
        exact_eps(eps, &noised, &p, x, abar_t);
        step_sample(x, &c, x, eps, z, 2);
    }
    schedule_free(&s);
}

static inline void family_mdp_logprob(const Case *in, Out *out) {
    size_t D = 0;
    const double *mean = in_vector(in, "mean", &D);
    const double *action = in_vector(in, "action", &D);
    double std = in_between(in, "std", 0, HUGE_VAL);
    double logp = gaussian_logp(action, mean, std, D);
    out_number(out, "logprob_sum", logp);
    out_number(out, "logprob_mean", logp / (double)D); // the other convention: the sum divided by the dimension
    out_number(out, "entropy_sum", gaussian_entropy(std, D));
}

// The step of the keys abar_t, abar_s, eta.
static inline StepCoeffs in_step(const Case *in) {
    return ddim_coeffs(in_number(in, "abar_t"), in_number(in, "abar_s"), in_number(in, "eta"));
}

static inline void family_step_coeffs(const Case *in, Out *out) {
    StepCoeffs c = in_step(in);
    out_number(out, "a", c.a);
    out_number(out, "b", c.b);
    out_number(out, "sigma", c.sigma);
    out_number(out, "w_kl", c.w_kl);
}

static inline void family_step_ddpm_identity(const Case *in, Out *out) {
    Schedule s = schedule_new(2); // levels abar_s and abar_s (1 - beta)
    StepCoeffs c;
    s.abar[0] = in_between(in, "abar_s", 0, 1);
    schedule_put_beta(&s, 1, in_between(in, "beta", 0, 1));
    c = ddpm_small_coeffs(schedule_abar(&s, 1), schedule_abar(&s, 0));
    schedule_free(&s);
    out_number(out, "a", c.a);
    out_number(out, "b", c.b);
    out_number(out, "sigma2", c.sigma * c.sigma);
}

static inline void family_step_logprob(const Case *in, Out *out) {
    StepCoeffs c = in_step(in);
    size_t D = 0, i;
    const double *x_t = in_vector(in, "x_t", &D);
    const double *x_s = in_vector(in, "x_s", &D);
    const double *eps = in_vector(in, "eps", &D);
    double *grad_sum = out_vector(out, "grad_logp_sum_eps", D);
    double *grad_mean = out_vector(out, "grad_logp_mean_eps", D);
    double logp = step_logp(grad_sum, &c, x_s, x_t, eps, D);
    out_number(out, "logp_sum", logp);
    out_number(out, "logp_mean", logp / (double)D);
    for (i = 0; i < D; i++) {
        grad_mean[i] = grad_sum[i] / (double)D;
    }
}

static inline void family_step_kl(const Case *in, Out *out) {
    StepCoeffs c = in_step(in);
    size_t D = 0;
    const double *eps = in_vector(in, "eps", &D);
    const double *eps_ref = in_vector(in, "eps_ref", &D);
    out_number(out, "kl", step_kl(out_vector(out, "grad_eps", D), &c, eps, eps_ref, D));
}

#endif
