// families_trajectory.h: golden families of whole runs: end points, orders of convergence, exact ODE solutions,
// likelihoods.  Translation only: a run is a named sampler of solver.h on a ladder of ladder.h.
#ifndef TILT_FAMILIES_TRAJECTORY_H
#define TILT_FAMILIES_TRAJECTORY_H

#include "double.h" // first

#include "../formula/likelihood.h"
#include "../formula/solver.h"
#include "families_solver.h"

// The sampler of the key `solver`; golden names it as solver.h does.
static inline const Sampler *in_sampler(const Case *in) {
    static const char *const names[] = {"ddim",      "dpm2",     "dpmpp2m",    "unipc2",        "pf_euler",
                                        "edm_euler", "edm_heun", "flow_euler", "flow_midpoint", NULL};
    return sampler_find(names[in_choice(in, "solver", names)]);
}

static inline void run_to_end(double *x_end, const Case *in, const Gmm *p, const Sampler *s, Ladder *ladder) {
    Denoiser exact = gmm_denoiser(p);
    size_t two = 2;
    memcpy(x_end, in_vector(in, "x_start", &two), 2 * sizeof(double));
    sampler_run(x_end, NULL, s, ladder, &exact, 1, 0, 0);
    ladder_free(ladder);
}

static inline Ladder in_ladder_vp(const Case *in, int n) {
    return ladder_logsnr(in_path_vp(in), in_number(in, "t_start"), in_number(in, "t_end"), n);
}

static inline Ladder in_ladder_edm(const Case *in, int n) {
    double low = in_between(in, "sigma_min", 0, HUGE_VAL);
    double high = in_between(in, "sigma_max", low, HUGE_VAL);
    return ladder_rho(high, low, in_between(in, "rho", 0, HUGE_VAL), n);
}

static inline Ladder in_ladder_flow(const Case *in, int n) {
    return ladder_time(path_of(PATH_FLOW), in_number(in, "t_start"), in_number(in, "t_end"), 1, n);
}

enum { RUN_MAX_STEPS = 100000 };

static inline void family_traj_vp(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Ladder ladder = in_ladder_vp(in, in_count(in, "num_steps", 1, RUN_MAX_STEPS));
    run_to_end(out_vector(out, "x_end", 2), in, &p, in_sampler(in), &ladder);
}

static inline void family_traj_edm(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Ladder ladder = in_ladder_edm(in, in_count(in, "num_steps", 2, RUN_MAX_STEPS) - 1);
    ladder_add_clean(&ladder);
    run_to_end(out_vector(out, "x_end", 2), in, &p, in_sampler(in), &ladder);
}

static inline void family_traj_flow(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Ladder ladder = in_ladder_flow(in, in_count(in, "num_steps", 1, RUN_MAX_STEPS));
    run_to_end(out_vector(out, "x_end", 2), in, &p, in_sampler(in), &ladder);
}

// The errors and slopes of the runs with the step counts of the case.
static inline void out_order(const Case *in, Out *out, Ladder (*ladder_of)(const Case *in, int n)) {
    Gmm p = in_gmm(in, out);
    size_t n = 0, two = 2, i;
    const double *steps = in_indices(in, "num_steps", &n, 1, RUN_MAX_STEPS);
    const double *ref = in_vector(in, "x_ref", &two);
    double *err = out_vector(out, "err", n);
    double *slope = out_vector(out, "slope", n - 1);
    for (i = 0; i < n; i++) {
        Ladder ladder = ladder_of(in, (int)steps[i]);
        double x[2], d0, d1;
        run_to_end(x, in, &p, in_sampler(in), &ladder);
        d0 = x[0] - ref[0];
        d1 = x[1] - ref[1];
        err[i] = sqrt(d0 * d0 + d1 * d1);
        if (i > 0) {
            slope[i - 1] = (e_log(err[i - 1]) - e_log(err[i])) / e_log(2);
        }
    }
}

static inline void family_order_vp(const Case *in, Out *out) {
    out_order(in, out, in_ladder_vp);
}

static inline void family_order_edm(const Case *in, Out *out) {
    out_order(in, out, in_ladder_edm);
}

static inline void family_order_flow(const Case *in, Out *out) {
    out_order(in, out, in_ladder_flow);
}

static inline void family_pf_exact(const Case *in, Out *out) {
    static const char *const names[] = {"vp", "ve", "flow", NULL};
    static const PathKind kinds[] = {PATH_VP, PATH_VE, PATH_FLOW};
    Gmm p = in_gmm(in, out);
    Path path = in_path_vp(in);
    size_t two = 2;
    Level from, to;
    path.kind = kinds[in_choice(in, "path", names)];
    from = path_at_time(&path, in_number(in, "s_start"));
    to = path_at_time(&path, in_number(in, "s_end"));
    gmm_transport(out_vector(out, "x_end", 2), &p, in_vector(in, "x_start", &two), &from, &to, 1, 1e-12);
}

static inline void family_pf_loglik(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Gmm noised = scratch_gmm(out, &p);
    GmmField exact = {NULL, NULL};
    PfField field = gmm_field(&exact);
    Path path = in_path_vp(in);
    Level from = path_at_time(&path, in_number(in, "t0"));
    Level to = path_at_time(&path, in_number(in, "t1"));
    size_t n = 0, two = 2, i;
    const double *x = in_matrix(in, "x", &n, &two);
    double *z = out_matrix(out, "z", n, 2);
    double *int_div = out_vector(out, "int_div", n);
    double *logp = out_vector(out, "logp_exact", n);
    double *normal = out_vector(out, "logp_with_std_normal_prior", n);
    exact.clean = &p;
    gmm_noised(&noised, &p, to.alpha, to.sigma);
    for (i = 0; i < n; i++) {
        normal[i] = pf_loglik_normal_prior(z + 2 * i, int_div + i, &field, x + 2 * i, &from, &to, 1e-12);
        logp[i] = gmm_logp(&noised, z + 2 * i) + int_div[i];
    }
}

#endif
