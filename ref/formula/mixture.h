// mixture.h: the exact answer in two dimensions.  A Gaussian mixture stays a Gaussian mixture under noise,
// so its log-density, score, Hessian, denoiser and velocity are closed forms at every noise level.
//
// Two kinds of functions:
//   gmm_noised makes the mixture p_t of x_t = alpha x_0 + sigma eps; gmm_logp, gmm_score, ... act on it.
//   gmm_denoise, gmm_posterior, ... take the CLEAN mixture and (alpha, sigma) and describe x_0 given x_t.
// Points are double[2], covariances double[4] row-major.  Weights are combined with the largest one taken
// out, so nothing breaks 1e100 units away from every mode (beyond about 1e7 standard deviations the shares
// of components of equal width are no longer resolved).  A clean covariance may be singular (points, lines);
// only the noised one is inverted, and a singular one there ends the program.
#ifndef TILT_MIXTURE_H
#define TILT_MIXTURE_H

#include <math.h>

#include "../core/base.h"
#include "../core/elementary.h"
#include "../core/linalg.h"
#include "../core/rng.h"

enum { GMM_MAX_K = 256 }; // so that responsibilities fit on the stack

typedef struct {
    int K;
    double *w;   // K weights, sum 1
    double *mu;  // K x 2 means, data units
    double *cov; // K x 2 x 2 covariances, data units squared
} Gmm;

// ---- making mixtures --------------------------------------------------------------------------------------

// A mixture on 7 K numbers of the caller; it must not be freed.
static inline Gmm gmm_on(double *block, int K) {
    Gmm p;
    if (K < 1 || K > GMM_MAX_K) {
        DIE("gmm: K = %d components; need 1 .. %d", K, GMM_MAX_K);
    }
    p.K = K;
    p.w = block;
    p.mu = block + K;
    p.cov = block + 3 * (size_t)K;
    return p;
}

// K components, all numbers 0.  Free with gmm_free.
static inline Gmm gmm_new(int K) {
    return gmm_on(NEW(double, 7 * (size_t)(K < 0 ? 0 : K)), K);
}

static inline void gmm_free(Gmm *p) {
    free(p->w); // one block holds all three arrays
    p->w = p->mu = p->cov = NULL;
    p->K = 0;
}

static inline Gmm gmm_copy(const Gmm *p) {
    Gmm q = gmm_new(p->K);
    memcpy(q.w, p->w, (size_t)p->K * sizeof(double));
    memcpy(q.mu, p->mu, 2 * (size_t)p->K * sizeof(double));
    memcpy(q.cov, p->cov, 4 * (size_t)p->K * sizeof(double));
    return q;
}

// Dies unless this is a mixture: weights >= 0 with sum 1 (to 1e-9), finite means, symmetric covariances
// without a negative eigenvalue (to rounding).  Call it on numbers that come from a user or a file.
static inline void gmm_check(const Gmm *p) {
    double sum = 0;
    for (int k = 0; k < p->K; k++) {
        const double *C = p->cov + 4 * k;
        double scale = fabs(C[0]) + fabs(C[3]);
        if (!(p->w[k] >= 0) || !(fabs(p->mu[2 * k]) + fabs(p->mu[2 * k + 1]) < HUGE_VAL)) {
            DIE("gmm: component %d: weight %g, mean (%g, %g); need weight >= 0 and finite means", k, p->w[k],
                p->mu[2 * k], p->mu[2 * k + 1]);
        }
        if (!(scale < HUGE_VAL && C[0] >= 0 && C[3] >= 0 && fabs(C[1] - C[2]) <= 1e-12 * scale) ||
            !(det2(C) >= -1e-12 * scale * scale)) {
            DIE("gmm: component %d: covariance [%g %g; %g %g] must be symmetric, not negative", k, C[0], C[1], C[2],
                C[3]);
        }
        sum += p->w[k];
    }
    if (!(fabs(sum - 1) <= 1e-9)) {
        DIE("gmm: the %d weights sum to %.12g instead of 1; divide by the sum", p->K, sum);
    }
}

// F: gmm.noised    the mixture at noise level (alpha, sigma)                                   [chapter 3]
//   p_t = sum_k w_k N(alpha mu_k, C_k),   C_k = alpha^2 Sigma_k + sigma^2 I
//   limits: (1, 0) is a copy, (0, 1) is N(0, I).   (a1, s1) then (a2, s2) is (a1 a2, sqrt(a2^2 s1^2 + s2^2))
//   source: standard Gaussian algebra
//   check: composition; sampled x_t; golden gmm.vp gmm.ve
static inline void gmm_noised(Gmm *out, const Gmm *p, double alpha, double sigma) { // out may be p
    if (out->K != p->K) {
        DIE("gmm_noised: output with %d components, mixture with %d; use gmm_new(%d)", out->K, p->K, p->K);
    }
    for (int k = 0; k < p->K; k++) {
        out->w[k] = p->w[k];
        out->mu[2 * k] = alpha * p->mu[2 * k];
        out->mu[2 * k + 1] = alpha * p->mu[2 * k + 1];
        for (int i = 0; i < 4; i++) {
            out->cov[4 * k + i] = alpha * alpha * p->cov[4 * k + i] + (i == 0 || i == 3 ? sigma * sigma : 0);
        }
    }
}

// ---- the core: every component at one point ---------------------------------------------------------------

// One component seen from x at level (alpha, sigma).  g = -C^-1 (x - alpha mu) is its score, inv = C^-1.
// Returns log w + log N(x; alpha mu, C), or -infinity for weight 0.
static inline double gmm_component(double *g, double *inv, const Gmm *p, int k, const double *x, double alpha,
                                   double sigma) {
    const double *S = p->cov + 4 * k;
    double C[4];
    C[0] = alpha * alpha * S[0] + sigma * sigma;
    C[1] = alpha * alpha * S[1];
    C[2] = alpha * alpha * S[2];
    C[3] = alpha * alpha * S[3] + sigma * sigma;
    double det = det2(C);
    if (!(C[0] > 0 && det > 0)) {
        DIE("gmm: component %d is singular at this level (determinant %g); use more noise than sigma = %g", k, det,
            sigma);
    }
    inv2(inv, C);
    double d0 = x[0] - alpha * p->mu[2 * k];
    double d1 = x[1] - alpha * p->mu[2 * k + 1];
    g[0] = -(inv[0] * d0 + inv[1] * d1);
    g[1] = -(inv[2] * d0 + inv[3] * d1);
    if (p->w[k] == 0) {
        return -HUGE_VAL;
    }
    const double log_2pi = 1.83787706640934548356;
    return e_log(p->w[k]) + 0.5 * (d0 * g[0] + d1 * g[1]) - 0.5 * e_log(det) - log_2pi;
}

// All components at once: gamma (K) sums to 1, g (K x 2) scores, inv (K x 4) inverses, s (2) = sum gamma_k
// g_k. Returns log p(x).
static inline double gmm_look(double *gamma, double *g, double *inv, double *s, const Gmm *p, const double *x,
                              double alpha, double sigma) {
    for (int k = 0; k < p->K; k++) {
        gamma[k] = gmm_component(g + 2 * k, inv + 4 * k, p, k, x, alpha, sigma);
    }
    double top = -HUGE_VAL;
    for (int k = 0; k < p->K; k++) {
        top = gamma[k] > top ? gamma[k] : top;
    }
    if (!(fabs(top) < HUGE_VAL)) {
        DIE("gmm: log p(%g, %g) is not a finite number; the point is not finite or beyond 1e150", x[0], x[1]);
    }
    double sum = 0;
    s[0] = s[1] = 0;
    for (int k = 0; k < p->K; k++) {
        gamma[k] = e_exp(gamma[k] - top);
        sum += gamma[k];
    }
    for (int k = 0; k < p->K; k++) { // not exp(. - log p): far away log p + log 2 rounds to log p
        gamma[k] /= sum;
        s[0] += gamma[k] * g[2 * k];
        s[1] += gamma[k] * g[2 * k + 1];
    }
    return top + e_log(sum);
}

// ---- functions of a (noised) mixture ----------------------------------------------------------------------

// F: gmm.score     log-density, responsibilities and score of a mixture                        [chapter 3]
//   log p = logsumexp_k ( log w_k + log N(x; mu_k, C_k) ),   gamma_k = w_k N_k / p
//   g_k = -C_k^-1 (x - mu_k),   s = grad log p = sum_k gamma_k g_k,   eps = -sigma s for the level sigma
//   x: data units, s: 1/data unit, log p: nats
//   limits: one component: s = -C^-1 (x - mu).  Far away the widest component along that direction wins
//   source: standard Gaussian-mixture algebra
//   check: finite difference of log p; E[s] = 0 and E[x s'] = -I (Stein); golden gmm.vp gmm.ve gmm.flow
static inline double gmm_score(double *s, const Gmm *p, const double *x) { // s: 2 numbers.  Returns log p(x)
    double gamma[GMM_MAX_K], g[2 * GMM_MAX_K], inv[4 * GMM_MAX_K];
    return gmm_look(gamma, g, inv, s, p, x, 1, 0);
}

static inline double gmm_logp(const Gmm *p, const double *x) {
    double unused[2];
    return gmm_score(unused, p, x);
}

// gamma_k = P(component k | x), K numbers that sum to 1.  Returns log p(x).
static inline double gmm_responsibilities(double *gamma, const Gmm *p, const double *x) {
    double g[2 * GMM_MAX_K], inv[4 * GMM_MAX_K], s[2];
    return gmm_look(gamma, g, inv, s, p, x, 1, 0);
}

// The exact noise prediction: eps = -sigma score of the mixture noised with this sigma.
static inline void gmm_eps(double *eps, const Gmm *noised, const double *x, double sigma) {
    gmm_score(eps, noised, x);
    eps[0] *= -sigma;
    eps[1] *= -sigma;
}

// F: gmm.hess      Hessian of the log-density                                                  [chapter 3]
//   H = sum_k gamma_k ( (g_k - s)(g_k - s)' - C_k^-1 ),   div s = tr H
//   The same as sum_k gamma_k (g_k g_k' - C_k^-1) - s s', without its cancellation far from the modes.
//   limits: one component: H = -C^-1.   Between modes H has a positive eigenvalue
//   source: standard Gaussian-mixture algebra
//   check: finite difference of the score; E[H] = -E[s s']; golden gmm.vp
static inline void gmm_hessian(double *H, const Gmm *p, const double *x) { // H: 4 numbers
    double gamma[GMM_MAX_K], g[2 * GMM_MAX_K], inv[4 * GMM_MAX_K], s[2];
    gmm_look(gamma, g, inv, s, p, x, 1, 0);
    memset(H, 0, 4 * sizeof(double));
    for (int k = 0; k < p->K; k++) {
        for (int i = 0; i < 4; i++) {
            double outer = (g[2 * k + i / 2] - s[i / 2]) * (g[2 * k + i % 2] - s[i % 2]);
            H[i] += gamma[k] * (outer - inv[4 * k + i]);
        }
    }
}

// F: pf.ode        drift of the probability-flow ODE on the VP path, and its divergence        [chapter 4]
//   dx/dt = -(beta(t)/2) (x + s),   returns div = -(beta(t)/2) (2 + tr H),   beta(t): rate per unit time
//   limits: p = N(0, I): s = -x, nothing moves
//   source: Song et al. 2021, arXiv 2011.13456; Lu et al. 2022, arXiv 2206.00927, eq. (2.6)
//   check: continuity equation dp/dt + div(p drift) = 0; golden gmm.vp
static inline double gmm_vp_drift(double *drift, const Gmm *noised, const double *x, double beta_rate) {
    double s[2];
    double H[4];
    gmm_score(s, noised, x);
    gmm_hessian(H, noised, x);
    drift[0] = -beta_rate / 2 * (x[0] + s[0]);
    drift[1] = -beta_rate / 2 * (x[1] + s[1]);
    return -beta_rate / 2 * (2 + H[0] + H[3]);
}

// Mean (2) and covariance (4) of a mixture.
static inline void gmm_moments(double *mean, double *cov, const Gmm *p) {
    mean[0] = mean[1] = 0;
    for (int k = 0; k < p->K; k++) {
        mean[0] += p->w[k] * p->mu[2 * k];
        mean[1] += p->w[k] * p->mu[2 * k + 1];
    }
    memset(cov, 0, 4 * sizeof(double));
    for (int k = 0; k < p->K; k++) {
        for (int i = 0; i < 4; i++) { // centred: means far from 0 cost no digits
            double outer = (p->mu[2 * k + i / 2] - mean[i / 2]) * (p->mu[2 * k + i % 2] - mean[i % 2]);
            cov[i] += p->w[k] * (p->cov[4 * k + i] + outer);
        }
    }
}

// ---- what x_t says about x_0 (clean mixture, alpha, sigma) ------------------------------------------------

// F: gmm.denoise   x_0 given x_t is again a mixture                                            [chapter 3]
//   p(x_0 | x_t) = sum_k gamma_k N(m_k, S_k),   C_k = alpha^2 Sigma_k + sigma^2 I
//   m_k = mu_k + alpha Sigma_k C_k^-1 (x - alpha mu_k)
//   S_k = Sigma_k - alpha^2 Sigma_k C_k^-1 Sigma_k = sigma^2 Sigma_k C_k^-1    (the second cannot cancel)
//   E[x_0|x_t] = sum gamma_k m_k,   Cov[x_0|x_t] = sum gamma_k (S_k + (m_k - m)(m_k - m)')
//   out: made by gmm_new(p->K), and not p itself
//   limits: sigma -> 0: x/alpha.  alpha = 0: the data distribution.  Sigma_k = 0 (points): S_k = 0
//   source: Gaussian conditioning
//   check: Tweedie from score and Hessian; data +-1; golden gmm.vp gmm.flow gmm.ve
static inline void gmm_posterior(Gmm *out, const Gmm *p, const double *x, double alpha, double sigma) {
    double g[2 * GMM_MAX_K], inv[4 * GMM_MAX_K], s[2];
    if (out->K != p->K) {
        DIE("gmm_posterior: output with %d components, mixture with %d; use gmm_new(%d)", out->K, p->K, p->K);
    }
    gmm_look(out->w, g, inv, s, p, x, alpha, sigma);
    for (int k = 0; k < p->K; k++) {
        const double *S = p->cov + 4 * k;
        const double *V = inv + 4 * k;
        double *out_S = out->cov + 4 * k;
        out->mu[2 * k] = p->mu[2 * k] - alpha * (S[0] * g[2 * k] + S[1] * g[2 * k + 1]);
        out->mu[2 * k + 1] = p->mu[2 * k + 1] - alpha * (S[2] * g[2 * k] + S[3] * g[2 * k + 1]);
        out_S[0] = sigma * sigma * (S[0] * V[0] + S[1] * V[2]);
        out_S[3] = sigma * sigma * (S[2] * V[1] + S[3] * V[3]);
        // Sigma and C commute, so the product is symmetric; averaging keeps it so to the last bit.
        out_S[1] = sigma * sigma * 0.5 * (S[0] * V[1] + S[1] * V[3] + S[2] * V[0] + S[3] * V[2]);
        out_S[2] = out_S[1];
    }
}

// Cov[x_0 | x_t] (4 numbers); mean (2) is filled too and may not be NULL.
static inline void gmm_posterior_cov(double *cov, double *mean, const Gmm *p, const double *x, double alpha,
                                     double sigma) {
    double block[7 * GMM_MAX_K];
    Gmm posterior = gmm_on(block, p->K);
    gmm_posterior(&posterior, p, x, alpha, sigma);
    gmm_moments(mean, cov, &posterior);
}

// The exact denoiser E[x_0 | x_t] (2 numbers).  With alpha = 1 it is D(x; sigma) of the VE and EDM papers.
static inline void gmm_denoise(double *x0, const Gmm *p, const double *x, double alpha, double sigma) {
    double cov[4];
    gmm_posterior_cov(cov, x0, p, x, alpha, sigma);
}

// F: edm.denoiser  denoiser of the VE path, and the slope of its ODE                           [chapter 4]
//   D(x; sigma) = E[x_0 | x_0 + sigma eps = x] = x + sigma^2 s,   dx/d sigma = (x - D)/sigma = -sigma s
//   limits: sigma -> 0: D -> x;   sigma -> infinity: D -> E[x_0].   Slope from the score: no division
//   source: Karras et al. 2022, arXiv 2206.00364, eqs. (2)-(3)
//   check: both limits; slope = (x - D)/sigma; golden gmm.ve
static inline void gmm_edm(double *D, double *slope, const Gmm *clean, const double *x, double sigma) {
    double block[7 * GMM_MAX_K];
    Gmm noised = gmm_on(block, clean->K);
    gmm_noised(&noised, clean, 1, sigma);
    gmm_eps(slope, &noised, x, sigma); // -sigma s
    gmm_denoise(D, clean, x, 1, sigma);
}

// J = d E[x_0|x_t] / d x_t (4 numbers) = alpha/sigma^2 Cov[x_0|x_t], symmetric (Tweedie).
static inline void gmm_denoise_jacobian(double *J, const Gmm *p, const double *x, double alpha, double sigma) {
    double mean[2];
    if (!(sigma > 0)) {
        DIE("gmm_denoise_jacobian: sigma = %g; without noise E[x_0|x] = x/alpha, its Jacobian is I/alpha", sigma);
    }
    gmm_posterior_cov(J, mean, p, x, alpha, sigma);
    for (int i = 0; i < 4; i++) {
        J[i] *= alpha / (sigma * sigma);
    }
}

// F: flow.velocity exact velocity on the flow path x_t = (1-t) x_0 + t eps                     [chapter 4]
//   u = E[eps - x_0 | x_t] = -t s - E[x_0|x_t],   returns div u = -t tr H - (1-t)/t^2 tr Cov[x_0|x_t]
//   The form -t s - (x + t^2 s)/(1-t) is 0/0 at t = 1; this one is not.
//   limits: t = 1: u = x - E[x_0];   t = 0: u = -x, div u = -2
//   source: definition; Lipman et al. 2022, arXiv 2210.02747
//   check: continuity equation; both ends; golden gmm.flow
static inline double gmm_velocity(double *u, const Gmm *clean, const double *x, double t) {
    double block[7 * GMM_MAX_K];
    double s[2], x0[2], H[4], cov[4];
    Gmm noised = gmm_on(block, clean->K);
    if (!(t >= 0 && t <= 1)) {
        DIE("gmm_velocity: t = %g is not in [0, 1]", t);
    }
    if (t == 0) { // also right for singular covariances, which have no density here
        u[0] = -x[0];
        u[1] = -x[1];
        return -2;
    }
    gmm_noised(&noised, clean, 1 - t, t);
    gmm_score(s, &noised, x);
    gmm_hessian(H, &noised, x);
    gmm_posterior_cov(cov, x0, clean, x, 1 - t, t);
    u[0] = -t * s[0] - x0[0];
    u[1] = -t * s[1] - x0[1];
    return -t * (H[0] + H[3]) - (1 - t) / (t * t) * (cov[0] + cov[3]);
}

// ---- sampling ---------------------------------------------------------------------------------------------

// L L' = C for a 2 x 2 covariance that may be singular.  A slightly negative pivot (-1e-12 of the diagonal)
// is rounding of a singular matrix and becomes 0; more than that is not a covariance and dies.
static inline void cholesky2_singular(double *L, const double *C) {
    double scale = fabs(C[0]) + fabs(C[3]);
    L[0] = sqrt(C[0] > 0 ? C[0] : 0);
    L[1] = 0;
    L[2] = L[0] > 0 ? C[2] / L[0] : 0;
    double rest = C[3] - L[2] * L[2];
    if (!(C[0] >= 0 && rest >= -1e-12 * scale) || (C[0] == 0 && C[2] != 0)) {
        DIE("gmm_sample: [%g %g; %g %g] is not a covariance; check it with gmm_check", C[0], C[1], C[2], C[3]);
    }
    L[3] = sqrt(rest > 0 ? rest : 0);
}

// Sample number i of the stream: x (2 numbers).  Returns its component.  It uses the indices 3i, 3i+1, 3i+2.
static inline int gmm_sample(double *x, const Gmm *p, uint64_t seed, uint64_t stream, uint64_t i) {
    double u = rng_uniform(seed, stream, 3 * i);
    double cumulative = 0;
    double L[4];
    int k = 0;
    int chosen = 0;
    for (k = 0; k < p->K; k++) { // rounding can leave the sum below u: then the last one with weight is taken
        if (p->w[k] > 0) {
            chosen = k;
        }
        cumulative += p->w[k];
        if (u < cumulative) {
            break;
        }
    }
    cholesky2_singular(L, p->cov + 4 * chosen);
    double z0 = rng_normal(seed, stream, 3 * i + 1);
    double z1 = rng_normal(seed, stream, 3 * i + 2);
    x[0] = p->mu[2 * chosen] + L[0] * z0;
    x[1] = p->mu[2 * chosen + 1] + L[2] * z0 + L[3] * z1;
    return chosen;
}

// Samples first .. first+n-1 into x (n x 2); their components into component (n), which may be NULL.
static inline void gmm_sample_many(real *x, int *component, const Gmm *p, size_t n, uint64_t seed, uint64_t stream,
                                   uint64_t first) {
    for (size_t i = 0; i < n; i++) {
        double point[2];
        int k = gmm_sample(point, p, seed, stream, first + i);
        x[2 * i] = (real)point[0];
        x[2 * i + 1] = (real)point[1];
        if (component != NULL) {
            component[i] = k;
        }
    }
}

#endif
