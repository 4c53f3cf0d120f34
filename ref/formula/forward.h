// forward.h: putting noise on data, the exact step back when the data is known, and the six languages a
// denoiser can speak.  eps, x_0, v, score, flow velocity: given x_t each is a linear function of any other.
//
// Arrays hold n numbers of any shape: n = rows * D converts a whole batch at one noise level.  Outputs may
// be the same array as an input.  Each singular point (alpha = 0 or sigma = 0) dies with its name instead
// of returning infinity.
#ifndef TILT_FORWARD_H
#define TILT_FORWARD_H

#include <math.h>

#include "../core/base.h"
#include "schedule.h"

// F: fwd.marginal  noising in one jump                                                         [chapter 2]
//   x_t = alpha x_0 + sigma eps,   q(x_t | x_0) = N(alpha x_0, sigma^2 I)
//   alpha = sqrt(abar),  sigma = sqrt(1 - abar)
//   x_0, eps, x_t: n numbers.   Var(x_t) = abar Var(x_0) + 1 - abar
//   limits: abar = 1: x_0;  abar = 0: eps
//   source: Ho et al. 2020, arXiv 2006.11239
//   check: two jumps have the mean and variance of one; sampled variance of x_t within 4 standard errors
static inline void forward_noise(real *x_t, const real *x0, const real *eps, double abar, size_t n) {
    double alpha = alpha_of(abar);
    double sigma = sigma_of(abar);
    for (size_t i = 0; i < n; i++) {
        x_t[i] = (real)(alpha * x0[i] + sigma * eps[i]);
    }
}

// The same for any path: (1-t, t) is the flow path, (1, sigma) the VE path.
static inline void forward_noise_path(real *x_t, const real *x0, const real *eps, double alpha, double sigma,
                                      size_t n) {
    for (size_t i = 0; i < n; i++) {
        x_t[i] = (real)(alpha * x0[i] + sigma * eps[i]);
    }
}

typedef struct {
    double c_x0, c_xt;           // coefficients of the mean
    double var_small, var_large; // the two usual variances
} Posterior;

// F: fwd.posterior the step back when x_0 is known: q(x_s | x_t, x_0), s less noisy than t     [chapter 4]
//   a = abar_t, b = abar_s, beta = 1 - a/b  (also when s skips indices; then beta is not beta_t)
//   mean = c_x0 x_0 + c_xt x_t,   c_x0 = sqrt(b) beta / (1-a),   c_xt = sqrt(a/b) (1-b) / (1-a)
//   var_small = beta (1-b)/(1-a), the exact variance;   var_large = beta, the variance of the forward step
//   limits: s = -1 (b = 1): mean x_0, var_small = 0.   a = b: mean x_t
//   source: Ho et al. 2020, arXiv 2006.11239
//   check: c_x0 + c_xt sqrt(a) = sqrt(b); c_xt^2 (1-a) + var_small = 1-b; golden ddpm.posterior
static inline Posterior forward_posterior(double abar_t, double abar_s) {
    Posterior q;
    require_abar(abar_t, "forward_posterior");
    require_abar(abar_s, "forward_posterior");
    if (!(abar_t <= abar_s && abar_t < 1 && abar_s > 0)) {
        DIE("forward_posterior: abar_t = %g to abar_s = %g; the step must remove noise", abar_t, abar_s);
    }
    double beta = (abar_s - abar_t) / abar_s;
    q.c_x0 = sqrt(abar_s) * beta / (1 - abar_t);
    q.c_xt = sqrt(abar_t / abar_s) * (1 - abar_s) / (1 - abar_t);
    q.var_small = beta * (1 - abar_s) / (1 - abar_t);
    q.var_large = beta;
    return q;
}

// ---- conversions ------------------------------------------------------------------------------------------

static inline void require_not_zero(double value, const char *who, const char *what, const char *instead) {
    if (value == 0 || isnan(value)) {
        DIE("%s: %s = %g, this conversion divides by it; %s", who, what, value, instead);
    }
}

// out = p x + q y, element by element: the one loop behind every conversion.
static inline void combine(real *out, double p, const real *x, double q, const real *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out[i] = (real)(p * x[i] + q * y[i]);
    }
}

// F: conv.table conv.all flow.score  one prediction from another, given x = x_t                [chapter 3]
//   x_0 = (x - sigma eps)/alpha     eps = (x - alpha x_0)/sigma
//   score = -eps/sigma              x_0 = (x + sigma^2 score)/alpha
//   v = alpha eps - sigma x_0       x_0 = alpha x - sigma v       eps = sigma x + alpha v       (VP)
//   u = eps - x_0                   x_0 = x - t u                 eps = x + (1-t) u             (flow)
//   VP: alpha^2 + sigma^2 = 1.   flow: alpha = 1-t, sigma = t
//   score: 1/length; all others in data units.   The VE/EDM denoiser D is x_0 with alpha = 1
//   limits: alpha = 0: eps and score do not determine x_0, but v and u do.   sigma = 0: x_0 determines no eps
//   source: Salimans and Ho 2022, arXiv 2202.00512 (v); Karras et al. 2022, arXiv 2206.00364, eqs. (2)-(3)
//   check: round trips between all pairs for half log-SNR -5 .. 5; golden gmm.vp gmm.flow gmm.ve
static inline void x0_from_eps(real *x0, const real *x, const real *eps, double alpha, double sigma, size_t n) {
    require_not_zero(alpha, "x0_from_eps", "alpha", "at zero signal predict v or u instead of eps");
    combine(x0, 1 / alpha, x, -sigma / alpha, eps, n);
}

static inline void eps_from_x0(real *eps, const real *x, const real *x0, double alpha, double sigma, size_t n) {
    require_not_zero(sigma, "eps_from_x0", "sigma", "clean data holds no noise to predict");
    combine(eps, 1 / sigma, x, -alpha / sigma, x0, n);
}

static inline void score_from_eps(real *score, const real *eps, double sigma, size_t n) {
    require_not_zero(sigma, "score_from_eps", "sigma", "the score of clean data is not a multiple of eps");
    for (size_t i = 0; i < n; i++) {
        score[i] = (real)(-eps[i] / sigma);
    }
}

static inline void eps_from_score(real *eps, const real *score, double sigma, size_t n) {
    for (size_t i = 0; i < n; i++) {
        eps[i] = (real)(-sigma * score[i]);
    }
}

static inline void x0_from_score(real *x0, const real *x, const real *score, double alpha, double sigma, size_t n) {
    require_not_zero(alpha, "x0_from_score", "alpha", "at zero signal the score does not determine x_0");
    combine(x0, 1 / alpha, x, sigma * sigma / alpha, score, n);
}

static inline void score_from_x0(real *score, const real *x, const real *x0, double alpha, double sigma, size_t n) {
    require_not_zero(sigma, "score_from_x0", "sigma", "clean data has no score of this form");
    combine(score, -1 / (sigma * sigma), x, alpha / (sigma * sigma), x0, n);
}

// v = alpha eps - sigma x_0 needs alpha^2 + sigma^2 = 1, so these take abar and cannot be given another path.
static inline void v_from_x0_eps(real *v, const real *x0, const real *eps, double abar, size_t n) {
    combine(v, alpha_of(abar), eps, -sigma_of(abar), x0, n);
}

// From eps alone: v = (eps - sigma x)/alpha.
static inline void v_from_eps(real *v, const real *x, const real *eps, double abar, size_t n) {
    double alpha = alpha_of(abar);
    require_not_zero(alpha, "v_from_eps", "alpha", "at zero signal v = -x_0, which eps does not determine");
    combine(v, -sigma_of(abar) / alpha, x, 1 / alpha, eps, n);
}

// From x_0 alone: v = (alpha x - x_0)/sigma.
static inline void v_from_x0(real *v, const real *x, const real *x0, double abar, size_t n) {
    double sigma = sigma_of(abar);
    require_not_zero(sigma, "v_from_x0", "sigma", "on clean data v = eps, which x_0 does not determine");
    combine(v, alpha_of(abar) / sigma, x, -1 / sigma, x0, n);
}

static inline void x0_from_v(real *x0, const real *x, const real *v, double abar, size_t n) {
    combine(x0, alpha_of(abar), x, -sigma_of(abar), v, n);
}

static inline void eps_from_v(real *eps, const real *x, const real *v, double abar, size_t n) {
    combine(eps, sigma_of(abar), x, alpha_of(abar), v, n);
}

// Flow velocity u = eps - x_0: it points from data to noise, so a step towards the data has dt < 0.
static inline void u_from_x0_eps(real *u, const real *x0, const real *eps, size_t n) {
    combine(u, 1, eps, -1, x0, n);
}

static inline void u_from_eps(real *u, const real *x, const real *eps, double t, size_t n) {
    require_not_zero(1 - t, "u_from_eps", "1-t", "at t = 1 eps = x says nothing about x_0");
    combine(u, -1 / (1 - t), x, 1 / (1 - t), eps, n);
}

static inline void u_from_x0(real *u, const real *x, const real *x0, double t, size_t n) {
    require_not_zero(t, "u_from_x0", "t", "at t = 0 x_0 = x says nothing about eps");
    combine(u, 1 / t, x, -1 / t, x0, n);
}

static inline void u_from_score(real *u, const real *x, const real *score, double t, size_t n) {
    require_not_zero(1 - t, "u_from_score", "1-t", "at t = 1 the score is -x and says nothing about x_0");
    combine(u, -1 / (1 - t), x, -t / (1 - t), score, n);
}

static inline void x0_from_u(real *x0, const real *x, const real *u, double t, size_t n) {
    combine(x0, 1, x, -t, u, n);
}

static inline void eps_from_u(real *eps, const real *x, const real *u, double t, size_t n) {
    combine(eps, 1, x, 1 - t, u, n);
}

static inline void score_from_u(real *score, const real *x, const real *u, double t, size_t n) {
    require_not_zero(t, "score_from_u", "t", "the score of clean data is not a function of u");
    combine(score, -1 / t, x, -(1 - t) / t, u, n);
}

// F: fwd.equiv     every path is a rescaled VE path                                            [chapter 4]
//   x' = x/alpha,  sigma' = sigma/alpha:  x' = x_0 + sigma' eps,   score(x) = score_VE(x'; sigma') / alpha
//   limits: alpha = 1 is the identity; no VE twin at alpha = 0
//   source: Karras et al. 2022, arXiv 2206.00364, eq. (4) and table 1
//   check: VP and VE scores of one mixture at matched sigma'
static inline void ve_from_path(real *x_ve, double *sigma_ve, const real *x, double alpha, double sigma, size_t n) {
    require_not_zero(alpha, "ve_from_path", "alpha", "pure noise has no finite VE noise level");
    for (size_t i = 0; i < n; i++) {
        x_ve[i] = (real)(x[i] / alpha);
    }
    *sigma_ve = sigma / alpha;
}

static inline void score_from_ve(real *score, const real *score_ve, double alpha, size_t n) {
    require_not_zero(alpha, "score_from_ve", "alpha", "pure noise has no finite VE noise level");
    for (size_t i = 0; i < n; i++) {
        score[i] = (real)(score_ve[i] / alpha);
    }
}

// F: tweedie       what the score knows about x_0                                              [chapter 3]
//   E[x_0 | x_t] = (x + sigma^2 score)/alpha          (x0_from_score)
//   Cov[x_0 | x_t] = sigma^2/alpha^2 (I + sigma^2 H)  H = Hessian of log p_t, d x d
//   d E[x_0 | x_t]/d x_t = alpha/sigma^2 Cov[x_0 | x_t]
//   limits: sigma -> 0: Cov -> 0.   No data (p_t = N(0, sigma^2 I)): H = -I/sigma^2 and Cov = 0
//   source: Robbins 1956; Efron 2011
//   check: posterior of a Gaussian mixture, mean and covariance; golden gmm.vp
static inline void tweedie_cov(double *cov, const double *hessian, double alpha, double sigma, int d) {
    require_not_zero(alpha, "tweedie_cov", "alpha", "at zero signal the posterior is the data distribution");
    double variance = sigma * sigma;
    for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++) {
            cov[i * d + j] = variance / (alpha * alpha) * ((i == j) + variance * hessian[i * d + j]);
        }
    }
}

#endif
