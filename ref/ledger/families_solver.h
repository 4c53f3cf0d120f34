// families_solver.h: golden families of single solver steps.  Translation only: the weights of a step come from
// ref/formula, and applying them to arrays is update_apply.
#ifndef TILT_FAMILIES_SOLVER_H
#define TILT_FAMILIES_SOLVER_H

#include "double.h" // first

#include "../formula/dpm_solver.h"
#include "../formula/edm.h"
#include "../formula/flow.h"
#include "../formula/sde.h"
#include "families_mixture.h"

// ---- multistep methods: three levels, predictions given -----------------------------------------------------------

typedef struct {
    Level old, now, next;
    const double *x, *x0_prev;
    double x0_cur[2]; // from eps_cur
} Multistep;

static inline Multistep in_multistep(const Case *in) {
    Multistep m;
    size_t three = 3, two = 2;
    const double *abar = in_vector(in, "abar", &three);
    m.old = level_of_abar(abar[0]);
    m.now = level_of_abar(abar[1]);
    m.next = level_of_abar(abar[2]);
    m.x = in_vector(in, "x", &two);
    m.x0_prev = in_vector(in, "x0_prev", &two);
    x0_from_eps(m.x0_cur, m.x, in_vector(in, "eps_cur", &two), m.now.alpha, m.now.sigma, 2);
    return m;
}

static inline DpmRule in_rule(const Case *in) {
    static const char *const rules[] = {"midpoint", "heun", NULL};
    return in_choice(in, "solver", rules) == 0 ? DPM_MIDPOINT : DPM_HEUN;
}

static inline void family_dpmpp_2m(const Case *in, Out *out) {
    Multistep m = in_multistep(in);
    Update first = dpm_1(&m.now, &m.next);
    Update second = dpmpp_2m(&m.old, &m.now, &m.next, in_rule(in));
    double h = dpm_h(&m.now, &m.next);
    double *lam = out_vector(out, "lam", 3);
    lam[0] = level_half_logsnr(&m.old);
    lam[1] = level_half_logsnr(&m.now);
    lam[2] = level_half_logsnr(&m.next);
    out_number(out, "h", h);
    out_number(out, "r", dpm_h(&m.old, &m.now) / h);
    memcpy(out_vector(out, "x0_cur", 2), m.x0_cur, sizeof m.x0_cur);
    update_apply(out_vector(out, "dpm1", 2), &first, m.x, m.x0_cur, NULL, NULL, NULL, 2);
    update_apply(out_vector(out, "next", 2), &second, m.x, m.x0_cur, m.x0_prev, NULL, NULL, 2);
}

static inline void family_dpmpp_2msde(const Case *in, Out *out) {
    Multistep m = in_multistep(in);
    size_t two = 2;
    Update u = dpmpp_2m_sde(&m.old, &m.now, &m.next, in_number(in, "eta"), in_rule(in));
    Update mean = u;
    mean.z = 0;
    update_apply(out_vector(out, "mean", 2), &mean, m.x, m.x0_cur, m.x0_prev, NULL, NULL, 2);
    out_number(out, "std", u.z);
    update_apply(out_vector(out, "next", 2), &u, m.x, m.x0_cur, m.x0_prev, NULL, in_vector(in, "z", &two), 2);
}

static inline void family_unipc_2(const Case *in, Out *out) {
    Multistep m = in_multistep(in);
    size_t two = 2;
    Update p = dpmpp_2m(&m.old, &m.now, &m.next, DPM_MIDPOINT);
    Update c = unic_2(&m.old, &m.now, &m.next);
    update_apply(out_vector(out, "unip2_bh2", 2), &p, m.x, m.x0_cur, m.x0_prev, NULL, NULL, 2);
    update_apply(out_vector(out, "unic2_bh2", 2), &c, m.x, m.x0_cur, m.x0_prev, in_vector(in, "x0_pred", &two), NULL,
                 2);
}

// ---- one or two evaluations of the exact mixture ------------------------------------------------------------------

// The step of the keys w, mu, cov, x, with the exact denoiser asked at the start.
typedef struct {
    Gmm p;
    Level now, next;
    const double *x;
    double D[2];
} ExactStep;

static inline ExactStep in_exact_step(const Case *in, Out *out, const Path *path, const char *now, const char *next) {
    ExactStep s;
    size_t two = 2;
    s.p = in_gmm(in, out);
    s.now = path_at_time(path, in_number(in, now));
    s.next = path_at_time(path, in_number(in, next));
    s.x = in_vector(in, "x", &two);
    gmm_denoise(s.D, &s.p, s.x, s.now.alpha, s.now.sigma);
    return s;
}

static inline Path in_path_vp(const Case *in) {
    return path_vp(in_number(in, "beta_min"), in_number(in, "beta_max"));
}

// A step with a second evaluation at `middle`.
static inline void two_stages(double *x_next, const ExactStep *s, const Update *first, const Update *last,
                              const Level *middle) {
    double point[2], stage[2];
    update_apply(point, first, s->x, s->D, NULL, NULL, NULL, 2);
    gmm_denoise(stage, &s->p, point, middle->alpha, middle->sigma);
    update_apply(x_next, last, s->x, s->D, NULL, stage, NULL, 2);
}

static inline void family_dpm_singlestep(const Case *in, Out *out) {
    Path vp = in_path_vp(in);
    ExactStep s = in_exact_step(in, out, &vp, "t_cur", "t_next");
    Level middle = path_at_logsnr(&vp, (level_half_logsnr(&s.now) + level_half_logsnr(&s.next)) / 2);
    Update first, last;
    eps_from_x0(out_vector(out, "eps_cur", 2), s.x, s.D, s.now.alpha, s.now.sigma, 2);
    out_number(out, "t_mid", middle.t);
    dpm_2(&first, &last, &s.now, &middle, &s.next);
    two_stages(out_vector(out, "dpm_solver_2", 2), &s, &first, &last, &middle);
    dpmpp_2s(&first, &last, &s.now, &middle, &s.next);
    two_stages(out_vector(out, "dpmpp_2s", 2), &s, &first, &last, &middle);
}

static inline void family_pf_step(const Case *in, Out *out) {
    Path vp = in_path_vp(in);
    ExactStep s = in_exact_step(in, out, &vp, "t_cur", "t_next");
    Update euler = pf_euler(&s.now, &s.next), first, last;
    update_apply(out_vector(out, "pf_euler", 2), &euler, s.x, s.D, NULL, NULL, NULL, 2);
    pf_heun(&first, &last, &s.now, &s.next);
    two_stages(out_vector(out, "pf_heun", 2), &s, &first, &last, &s.next);
}

static inline void family_edm_sched(const Case *in, Out *out) {
    int n = in_count(in, "num_steps", 2, 100000), i;
    double low = in_between(in, "sigma_min", 0, HUGE_VAL);
    double high = in_between(in, "sigma_max", low, HUGE_VAL);
    double rho = in_between(in, "rho", 0, HUGE_VAL);
    double *sigmas = out_vector(out, "sigmas", (size_t)n + 1);
    for (i = 0; i < n; i++) {
        sigmas[i] = edm_sigma(i, n - 1, low, high, rho);
    }
}

static inline ExactStep in_ve_step(const Case *in, Out *out) {
    Path ve = path_of(PATH_VE);
    return in_exact_step(in, out, &ve, "sigma", "sigma_next");
}

static inline void family_edm_step(const Case *in, Out *out) {
    ExactStep s = in_ve_step(in, out);
    Update euler = edm_euler(&s.now, &s.next), first, last;
    update_apply(out_vector(out, "euler", 2), &euler, s.x, s.D, NULL, NULL, NULL, 2);
    edm_heun(&first, &last, &s.now, &s.next);
    two_stages(out_vector(out, "heun", 2), &s, &first, &last, &s.next);
}

static inline void family_edm_churn(const Case *in, Out *out) {
    ExactStep s = in_ve_step(in, out);
    Update first, last;
    size_t two = 2;
    double std, noised[2];
    s.now = edm_churn(&std, &s.now, in_number(in, "gamma"), in_number(in, "s_noise"));
    combine(noised, 1, s.x, std, in_vector(in, "z", &two), 2);
    s.x = noised;
    gmm_denoise(s.D, &s.p, s.x, s.now.alpha, s.now.sigma);
    edm_heun(&first, &last, &s.now, &s.next);
    two_stages(out_vector(out, "next", 2), &s, &first, &last, &s.next);
}

static inline void family_ancestral_k(const Case *in, Out *out) {
    ExactStep s = in_ve_step(in, out);
    Update u = ancestral_k(&s.now, &s.next, 1);
    double up, down;
    ancestral_sigmas(&up, &down, s.now.sigma, s.next.sigma, 1);
    out_number(out, "sigma_up", u.z);
    out_number(out, "sigma_down", down);
    u.z = 0;
    update_apply(out_vector(out, "mean", 2), &u, s.x, s.D, NULL, NULL, NULL, 2);
}

static inline void family_sde_em(const Case *in, Out *out) {
    Path vp = in_path_vp(in);
    ExactStep s = in_exact_step(in, out, &vp, "t_cur", "t_next");
    Update u = sde_em(&s.now, &s.next, 1), mean = u;
    size_t two = 2;
    mean.z = 0;
    update_apply(out_vector(out, "mean", 2), &mean, s.x, s.D, NULL, NULL, NULL, 2);
    out_number(out, "std", u.z);
    update_apply(out_vector(out, "next", 2), &u, s.x, s.D, NULL, NULL, in_vector(in, "z", &two), 2);
}

static inline void family_sde_revdiff(const Case *in, Out *out) {
    Level now = level_of_abar(in_number(in, "abar_t")), next = level_of_abar(in_number(in, "abar_prev"));
    Update u = sde_revdiff(&now, &next);
    size_t two = 2;
    const double *x = in_vector(in, "x", &two);
    double D[2];
    x0_from_eps(D, x, in_vector(in, "eps", &two), now.alpha, now.sigma, 2);
    out_number(out, "std", u.z);
    u.z = 0;
    update_apply(out_vector(out, "mean", 2), &u, x, D, NULL, NULL, NULL, 2);
}

static inline void family_pc_langevin(const Case *in, Out *out) {
    Path vp = in_path_vp(in);
    ExactStep s = in_exact_step(in, out, &vp, "t", "t");
    size_t two = 2;
    const double *z = in_vector(in, "z", &two);
    double score[2], epsilon;
    double *next = out_vector(out, "next", 2);
    score_from_x0(score, s.x, s.D, s.now.alpha, s.now.sigma, 2);
    epsilon = langevin_step_size(score, z, in_number(in, "snr"), 2);
    out_number(out, "step_size", epsilon);
    memcpy(next, s.x, 2 * sizeof(double));
    langevin_step(next, score, z, epsilon, 2);
}

static inline void family_flow_step(const Case *in, Out *out) {
    Path flow = path_of(PATH_FLOW);
    ExactStep s = in_exact_step(in, out, &flow, "t", "t_next");
    Update euler = flow_euler(&s.now, &s.next), first, last;
    Level middle;
    u_from_x0(out_vector(out, "v", 2), s.x, s.D, s.now.t, 2);
    update_apply(out_vector(out, "euler", 2), &euler, s.x, s.D, NULL, NULL, NULL, 2);
    flow_midpoint(&first, &last, &middle, &s.now, &s.next);
    two_stages(out_vector(out, "midpoint", 2), &s, &first, &last, &middle);
}

#endif
