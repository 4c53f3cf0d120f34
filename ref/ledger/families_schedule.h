// families_schedule.h: golden families of noise schedules and paths.  Adapters only translate between the keys of a
// case and the arguments of a formula; no formula is computed here.
#ifndef TILT_FAMILIES_SCHEDULE_H
#define TILT_FAMILIES_SCHEDULE_H

#include "double.h" // first

#include "../formula/forward.h"
#include "../formula/schedule.h"
#include "case.h"

#define LEDGER_STEPS 100000 // the longest schedule a case may ask for

// The outputs shared by the families of discrete schedules, at the indices `idx` of the case.
static inline void out_schedule(const Case *in, Out *out, const Schedule *s) {
    size_t n = 0, i;
    const double *idx = in_indices(in, "idx", &n, 0, s->T - 1);
    double *beta = out_vector(out, "beta", n);
    double *abar = out_vector(out, "abar", n);
    double *alpha = out_vector(out, "alpha", n);
    double *sigma = out_vector(out, "sigma", n);
    double *snr = out_vector(out, "snr", n);
    double *half_logsnr = out_vector(out, "half_logsnr", n);
    double *posterior_var = out_vector(out, "posterior_var", n);
    for (i = 0; i < n; i++) {
        int t = (int)idx[i];
        beta[i] = schedule_beta(s, t);
        abar[i] = schedule_abar(s, t);
        alpha[i] = alpha_of(abar[i]);
        sigma[i] = sigma_of(abar[i]);
        snr[i] = snr_of(abar[i]);
        half_logsnr[i] = half_logsnr_of(abar[i]);
        posterior_var[i] = schedule_posterior_var(s, t);
    }
}

static inline void family_sched_linear(const Case *in, Out *out) {
    static const char *const kinds[] = {"linear", "scaled_linear", NULL};
    int T = in_count(in, "num_steps", 1, LEDGER_STEPS);
    double first = in_number(in, "beta_start");
    double last = in_number(in, "beta_end");
    Schedule s =
        in_choice(in, "kind", kinds) == 0 ? schedule_linear(T, first, last) : schedule_scaled_linear(T, first, last);
    out_schedule(in, out, &s);
    schedule_free(&s);
}

static inline void family_sched_cosine(const Case *in, Out *out) {
    Schedule s = schedule_cosine(in_count(in, "num_steps", 1, LEDGER_STEPS), in_number(in, "cosine_s"),
                                 in_number(in, "beta_cap"));
    out_schedule(in, out, &s);
    schedule_free(&s);
}

// The linear schedule of the keys num_train_steps (or num_steps), beta_start, beta_end.
static inline Schedule in_linear(const Case *in, const char *steps) {
    return schedule_linear(in_count(in, steps, 1, LEDGER_STEPS), in_number(in, "beta_start"),
                           in_number(in, "beta_end"));
}

static inline void family_sched_zero_snr(const Case *in, Out *out) {
    Schedule old = in_linear(in, "num_steps");
    Schedule s = schedule_zero_snr(&old);
    size_t n = 0, i;
    const double *idx = in_indices(in, "idx", &n, 0, s.T - 1);
    double *abar = out_vector(out, "abar", n);
    double *beta = out_vector(out, "beta", n);
    for (i = 0; i < n; i++) {
        abar[i] = schedule_abar(&s, (int)idx[i]);
        beta[i] = schedule_beta(&s, (int)idx[i]);
    }
    schedule_free(&old);
    schedule_free(&s);
}

static inline void family_fwd_vp(const Case *in, Out *out) {
    size_t n = 0, i;
    const double *t = in_vector(in, "t", &n);
    double low = in_number(in, "beta_min");
    double high = in_number(in, "beta_max");
    double *alpha = out_vector(out, "alpha", n);
    double *sigma = out_vector(out, "sigma", n);
    double *half_logsnr = out_vector(out, "half_logsnr", n);
    double *beta = out_vector(out, "beta", n);
    for (i = 0; i < n; i++) {
        alpha[i] = vp_alpha(t[i], low, high);
        sigma[i] = vp_sigma(t[i], low, high);
        half_logsnr[i] = vp_half_logsnr(t[i], low, high);
        beta[i] = vp_beta(t[i], low, high);
    }
}

static inline void family_fwd_ve(const Case *in, Out *out) {
    size_t n = 0, i;
    const double *t = in_vector(in, "t", &n);
    double low = in_between(in, "sigma_min", 0, HUGE_VAL);
    double high = in_between(in, "sigma_max", 0, HUGE_VAL);
    double *sigma = out_vector(out, "sigma", n);
    double *g2 = out_vector(out, "g2", n);
    for (i = 0; i < n; i++) {
        sigma[i] = ve_sigma(t[i], low, high);
        g2[i] = ve_g2(t[i], low, high);
    }
}

static inline void family_fwd_subvp(const Case *in, Out *out) {
    size_t n = 0, i;
    const double *t = in_vector(in, "t", &n);
    double low = in_number(in, "beta_min");
    double high = in_number(in, "beta_max");
    double *std = out_vector(out, "std", n);
    double *g2 = out_vector(out, "g2", n);
    for (i = 0; i < n; i++) {
        std[i] = subvp_std(t[i], low, high);
        g2[i] = subvp_g2(t[i], low, high);
    }
}

static inline void family_fwd_flow(const Case *in, Out *out) {
    size_t n = 0, i;
    const double *t = in_vector(in, "t", &n);
    double shift = in_between(in, "shift", 0, HUGE_VAL);
    double *half_logsnr = out_vector(out, "half_logsnr", n);
    double *t_shifted = out_vector(out, "t_shifted", n);
    double *half_logsnr_shifted = out_vector(out, "half_logsnr_shifted", n);
    for (i = 0; i < n; i++) {
        half_logsnr[i] = flow_half_logsnr(t[i]);
        t_shifted[i] = flow_shift(t[i], shift);
        half_logsnr_shifted[i] = flow_half_logsnr(t_shifted[i]);
    }
}

static inline void family_ddpm_posterior(const Case *in, Out *out) {
    Schedule s = in_linear(in, "num_train_steps");
    size_t n = 0, i;
    const double *t = in_indices(in, "t", &n, 0, s.T - 1);
    const double *prev = in_indices(in, "prev", &n, -1, s.T - 1);
    double *c_x0 = out_vector(out, "c_x0", n);
    double *c_xt = out_vector(out, "c_xt", n);
    double *var_small = out_vector(out, "var_small", n);
    double *var_large = out_vector(out, "var_large", n);
    for (i = 0; i < n; i++) {
        Posterior q = forward_posterior(schedule_abar(&s, (int)t[i]), schedule_abar(&s, (int)prev[i]));
        c_x0[i] = q.c_x0;
        c_xt[i] = q.c_xt;
        var_small[i] = q.var_small;
        var_large[i] = q.var_large;
    }
    schedule_free(&s);
}

#endif
