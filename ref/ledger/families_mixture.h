// families_mixture.h: golden families of the exact Gaussian mixture under noise.  Translation only.
#ifndef TILT_FAMILIES_MIXTURE_H
#define TILT_FAMILIES_MIXTURE_H

#include "double.h" // first

#include "../formula/forward.h"
#include "../formula/mixture.h"
#include "case.h"

// The mixture of the keys w, mu, cov; it points into scratch memory and must not be freed.
static inline Gmm in_gmm(const Case *in, Out *out) {
    size_t K = 0, two = 2;
    const double *w = in_vector(in, "w", &K);
    const double *mu = in_matrix(in, "mu", &K, &two);
    const double *cov = in_cube(in, "cov", &K, &two, &two);
    Gmm p = gmm_on(scratch(out, 7 * K), (int)K);
    memcpy(p.w, w, K * sizeof(double));
    memcpy(p.mu, mu, 2 * K * sizeof(double));
    memcpy(p.cov, cov, 4 * K * sizeof(double));
    gmm_check(&p);
    return p;
}

// Room for a noised copy of p.
static inline Gmm scratch_gmm(Out *out, const Gmm *p) {
    return gmm_on(scratch(out, 7 * (size_t)p->K), p->K);
}

static inline void family_gmm_vp(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Gmm noised = scratch_gmm(out, &p);
    size_t K = (size_t)p.K, n = 0, two = 2, i;
    const double *t = in_vector(in, "t", &n);
    const double *x = in_matrix(in, "x", &n, &two);
    double low = in_number(in, "beta_min");
    double high = in_number(in, "beta_max");
    double *alpha = out_vector(out, "alpha", n);
    double *sigma = out_vector(out, "sigma", n);
    double *logp = out_vector(out, "logp", n);
    double *score = out_matrix(out, "score", n, 2);
    double *eps = out_matrix(out, "eps", n, 2);
    double *x0 = out_matrix(out, "x0", n, 2);
    double *v = out_matrix(out, "v", n, 2);
    double *hessian = out_cube(out, "hessian", n, 2, 2);
    double *posterior_cov = out_cube(out, "posterior_cov", n, 2, 2);
    double *resp = out_matrix(out, "resp", n, K);
    double *drift = out_matrix(out, "pf_ode_drift", n, 2);
    double *div = out_vector(out, "pf_ode_div", n);
    for (i = 0; i < n; i++) {
        const double *at = x + 2 * i;
        double mean[2];
        alpha[i] = vp_alpha(t[i], low, high);
        sigma[i] = vp_sigma(t[i], low, high);
        gmm_noised(&noised, &p, alpha[i], sigma[i]);
        logp[i] = gmm_score(score + 2 * i, &noised, at);
        gmm_eps(eps + 2 * i, &noised, at, sigma[i]);
        x0_from_score(x0 + 2 * i, at, score + 2 * i, alpha[i], sigma[i], 2);
        v_from_x0_eps(v + 2 * i, x0 + 2 * i, eps + 2 * i, alpha[i] * alpha[i], 2);
        gmm_hessian(hessian + 4 * i, &noised, at);
        gmm_posterior_cov(posterior_cov + 4 * i, mean, &p, at, alpha[i], sigma[i]);
        gmm_responsibilities(resp + K * i, &noised, at);
        div[i] = gmm_vp_drift(drift + 2 * i, &noised, at, vp_beta(t[i], low, high));
    }
}

static inline void family_gmm_flow(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Gmm noised = scratch_gmm(out, &p);
    size_t n = 0, two = 2, i;
    const double *t = in_vector(in, "t", &n);
    const double *x = in_matrix(in, "x", &n, &two);
    double *velocity = out_matrix(out, "velocity", n, 2);
    double *score = out_matrix(out, "score", n, 2);
    double *x0 = out_matrix(out, "x0", n, 2);
    double *eps = out_matrix(out, "eps", n, 2);
    double *div = out_vector(out, "div_v", n);
    for (i = 0; i < n; i++) {
        const double *at = x + 2 * i;
        div[i] = gmm_velocity(velocity + 2 * i, &p, at, t[i]);
        gmm_noised(&noised, &p, 1 - t[i], t[i]);
        gmm_score(score + 2 * i, &noised, at);
        gmm_denoise(x0 + 2 * i, &p, at, 1 - t[i], t[i]);
        eps_from_u(eps + 2 * i, at, velocity + 2 * i, t[i], 2);
    }
}

static inline void family_gmm_ve(const Case *in, Out *out) {
    Gmm p = in_gmm(in, out);
    Gmm noised = scratch_gmm(out, &p);
    size_t n = 0, two = 2, i;
    const double *sigma = in_vector(in, "sigma", &n);
    const double *x = in_matrix(in, "x", &n, &two);
    double *score = out_matrix(out, "score", n, 2);
    double *denoised = out_matrix(out, "denoised", n, 2);
    double *d = out_matrix(out, "d", n, 2);
    double *logp = out_vector(out, "logp", n);
    for (i = 0; i < n; i++) {
        gmm_noised(&noised, &p, 1, sigma[i]);
        logp[i] = gmm_score(score + 2 * i, &noised, x + 2 * i);
        gmm_edm(denoised + 2 * i, d + 2 * i, &p, x + 2 * i, sigma[i]);
    }
}

#endif
