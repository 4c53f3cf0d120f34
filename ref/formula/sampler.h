// sampler.h: one step of a reverse chain as a Gaussian policy, x_s ~ N(a x_t + b eps, sigma^2 I), and what
// alignment needs from it: mean, sample, log-probability, KL to a reference, log-ratio, each with its
// derivative in eps.
//
// Three numbers a, b, sigma hold the whole sampler; DDIM with any eta and DDPM with either variance differ
// in nothing else.  Log-probabilities are SUMS over the D numbers of a sample (much public code takes the
// mean: log p / D). The last step, to clean data (abar_s = 1), has sigma = 0: a point mass.  It has a mean
// and a sample but no density, so the log-probability, KL and log-ratio of such a step end the program.
// Leave that step out of the sums.
#ifndef TILT_SAMPLER_H
#define TILT_SAMPLER_H

#include <math.h>

#include "../core/base.h"
#include "../core/elementary.h"
#include "forward.h"
#include "schedule.h"

#define LOG_2PI 1.83787706640934548356

typedef struct {
    double a, b;  // mean of x_s: a x_t + b eps.  b < 0 on the way to the data
    double sigma; // standard deviation of x_s
    double w_kl;  // b^2/sigma^2; HUGE_VAL when sigma = 0, where two different means have an infinite KL
} StepCoeffs;

static inline double step_w_kl(double b, double sigma) {
    if (sigma > 0) {
        return b * b / (sigma * sigma);
    }
    return b == 0 ? 0 : HUGE_VAL;
}

// F: ddim.step     one step of DDIM; eta = 1 is DDPM with the small variance                   [chapter 4]
//   sigma^2 = eta^2 (1-abar_s)/(1-abar_t) (1 - abar_t/abar_s),   a = sqrt(abar_s/abar_t)
//   b = sqrt(1 - abar_s - sigma^2) - sqrt(abar_s (1-abar_t)/abar_t)
//   x_s = a x_t + b eps + sigma z = sqrt(abar_s) x0hat + sqrt(1 - abar_s - sigma^2) eps + sigma z
//   z: fresh N(0, I).   eta: dimensionless, 0 = deterministic; only then may abar_s < abar_t (inversion)
//   limits: abar_s = 1: sigma = 0, x_s = x0hat.   abar_s = abar_t: nothing moves.   eta > 1 can make
//   1 - abar_s - sigma^2 negative: that is an error here, never a clamp.
//   source: Song et al. 2021, arXiv 2010.02502, eqs. (12), (16)
//   check: eta = 1 is forward_posterior; marginal variance kept; golden ddim.step step.coeffs traj.ddim
static inline StepCoeffs ddim_coeffs(double abar_t, double abar_s, double eta) {
    StepCoeffs c;
    require_abar(abar_t, "ddim_coeffs");
    require_abar(abar_s, "ddim_coeffs");
    if (abar_t == 0) {
        DIE("ddim_coeffs: abar_t = 0, abar_s = %g: eps gives no x_0; predict v or start at abar > 0", abar_s);
    }
    if (!(eta >= 0) || (eta > 0 && abar_s < abar_t)) {
        DIE("ddim_coeffs: eta = %g, abar %g to %g; need eta >= 0, and noise only towards the data", eta, abar_t,
            abar_s);
    }
    double gain = abar_s - abar_t; // signal gained by the step
    double variance = gain > 0 ? eta * eta * (1 - abar_s) / (1 - abar_t) * gain / abar_s : 0;
    double room = 1 - abar_s - variance; // what is left for the direction of eps
    // With eta = 1 the exact room is (1-abar_s)^2 abar_t / (abar_s (1-abar_t)).  At a tiny abar_t this lies
    // below the last digit of 1 - abar_s, and the rounded difference may be a few units of it below zero.
    // Only that much counts as zero; anything larger comes from a wrong eta.
    if (room < 0 && room >= -1e-15 * (1 - abar_s)) {
        room = 0;
    }
    if (!(room >= 0)) {
        DIE("ddim_coeffs: 1 - abar_s - sigma^2 = %g < 0, abar %g to %g; eta = %g is too large, use <= 1", room, abar_t,
            abar_s, eta);
    }
    double p = sqrt(room);
    double q = sqrt(abar_s * (1 - abar_t) / abar_t);
    c.a = sqrt(abar_s / abar_t);
    // b = p - q = (p^2 - q^2)/(p + q).  The difference of the squares is known exactly, that of the roots
    // is not: on neighbouring levels p and q agree in many digits.
    c.b = p + q > 0 ? -(gain / abar_t + variance) / (p + q) : 0;
    c.sigma = sqrt(variance);
    c.w_kl = step_w_kl(c.b, c.sigma);
    return c;
}

// F: ddpm.step     ancestral sampling, both variances                                          [chapter 4]
//   mean = sqrt(abar_s/abar_t) (x_t - beta/sqrt(1-abar_t) eps),   beta = 1 - abar_t/abar_s
//   sigma^2 = beta (1-abar_s)/(1-abar_t)  "small", exact when the data is one point;
//   sigma^2 = beta  "large", exact when the data is N(0, I).    The mean is the same.
//   limits: no noise in the last step: abar_s = 1 gives sigma = 0 with either variance.
//   source: Ho et al. 2020, arXiv 2006.11239
//   check: point-mass data (small), N(0, I) data (large); golden ddpm.step step.ddpm_identity traj.ddpm
static inline StepCoeffs ddpm_small_coeffs(double abar_t, double abar_s) {
    return ddim_coeffs(abar_t, abar_s, 1);
}

static inline StepCoeffs ddpm_large_coeffs(double abar_t, double abar_s) {
    StepCoeffs c = ddim_coeffs(abar_t, abar_s, 1);
    c.sigma = abar_s == 1 ? 0 : sqrt((abar_s - abar_t) / abar_s);
    c.w_kl = step_w_kl(c.b, c.sigma);
    return c;
}

// x0hat = (x_t - sqrt(1-abar_t) eps)/sqrt(abar_t): the clean sample this eps believes in.
static inline void step_x0hat(real *x0, const real *x_t, const real *eps, double abar_t, size_t n) {
    x0_from_eps(x0, x_t, eps, alpha_of(abar_t), sigma_of(abar_t), n);
}

// d x0hat / d eps, the same number for every coordinate.
static inline double step_x0hat_deps(double abar_t) {
    require_not_zero(abar_t, "step_x0hat_deps", "abar_t", "at zero signal predict v instead of eps");
    return -sigma_of(abar_t) / alpha_of(abar_t);
}

// mu = a x_t + b eps.  n = D, or rows * D for a batch at one level.
static inline void step_mean(real *mu, const StepCoeffs *c, const real *x_t, const real *eps, size_t n) {
    combine(mu, c->a, x_t, c->b, eps, n);
}

// x_s = a x_t + b eps + sigma z.  z holds n standard normal numbers; it is not read when sigma = 0 and may
// be NULL. x_s may be x_t.
static inline void step_sample(real *x_s, const StepCoeffs *c, const real *x_t, const real *eps, const real *z,
                               size_t n) {
    if (z == NULL && c->sigma != 0) {
        DIE("step_sample: sigma = %g needs %zu noise numbers, got NULL", c->sigma, n);
    }
    if (z == NULL || c->sigma == 0) {
        step_mean(x_s, c, x_t, eps, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        x_s[i] = (real)(c->a * x_t[i] + c->b * eps[i] + c->sigma * z[i]);
    }
}

static inline void require_density(double sigma, const char *who) {
    if (!(sigma > 0)) {
        DIE("%s: sigma = %g, a point mass has no density; leave this step out (eta = 0 or abar_s = 1)", who, sigma);
    }
}

// F: mdp.logprob   log-density of an action under a Gaussian policy, SUM over D                [chapter 11]
//   log N(x; mu, sigma^2 I) = -|x - mu|^2/(2 sigma^2) - D log sigma - (D/2) log 2 pi     nats
//   entropy = (D/2) log(2 pi e sigma^2) = -E[log-density]
//   limits: public code often divides by D ("mean"); its ratio is the D-th root of the true one
//   source: Black et al. 2023, arXiv 2305.13301
//   check: integrates to 1; a fresh draw depends on z only; golden mdp.logprob ddpm.step
static inline double gaussian_logp(const real *x, const real *mu, double sigma, size_t D) {
    double square = 0;
    require_density(sigma, "gaussian_logp");
    for (size_t i = 0; i < D; i++) {
        double d = (double)x[i] - mu[i];
        square += d * d;
    }
    return -square / (2 * sigma * sigma) - (double)D * (e_log(sigma) + LOG_2PI / 2);
}

static inline double gaussian_entropy(double sigma, size_t D) {
    require_density(sigma, "gaussian_entropy");
    return (double)D * (e_log(sigma) + LOG_2PI / 2 + 0.5);
}

// F: step.logprob  log p(x_s | x_t) of one reverse step and its derivative in eps              [chapter 11]
//   log p = log N(x_s; a x_t + b eps, sigma^2 I), SUM over D
//   g = d log p/d eps = b (x_s - mu)/sigma^2
//   fresh draw: g = (b/sigma) z, so E[g] = 0 and E[g g'] = w_kl I
//   limits: sigma = 0 has no density and dies
//   source: Black et al. 2023, arXiv 2305.13301
//   check: finite differences; E[g] = 0 and E[g g'] = w_kl I by sampling; golden step.logprob traj.ddim
static inline double step_logp(real *g, const StepCoeffs *c, const real *x_s, const real *x_t, const real *eps,
                               size_t D) { // g: D numbers, or NULL
    double square = 0;
    double variance = c->sigma * c->sigma;
    require_density(c->sigma, "step_logp");
    for (size_t i = 0; i < D; i++) {
        double d = x_s[i] - (c->a * x_t[i] + c->b * eps[i]);
        square += d * d;
        if (g != NULL) {
            g[i] = (real)(c->b * d / variance);
        }
    }
    return -square / (2 * variance) - (double)D * (e_log(c->sigma) + LOG_2PI / 2);
}

// F: step.logratio log-ratio of model and reference in one step, equal variances               [chapter 11]
//   d = eps - eps_ref,   l = log p(x_s|x_t) - log p_ref(x_s|x_t) = b d . (x_s - (mu + mu_ref)/2)/sigma^2
//   dl/d eps = g = b (x_s - mu)/sigma^2
//   limits: eps = eps_ref: l is exactly 0.   The product keeps digits that the difference of two logs loses.
//   source: difference of two Gaussian log-densities
//   check: step_logp of both; finite differences; the mean of l under the model is the KL
static inline double step_log_ratio(real *deps, const StepCoeffs *c, const real *x_s, const real *x_t, const real *eps,
                                    const real *eps_ref, size_t D) { // deps: D numbers, or NULL
    double sum = 0;
    double variance = c->sigma * c->sigma;
    require_density(c->sigma, "step_log_ratio");
    for (size_t i = 0; i < D; i++) {
        double d = (double)eps[i] - eps_ref[i];
        double from_mu = x_s[i] - (c->a * x_t[i] + c->b * eps[i]);
        sum += c->b * d * (from_mu + 0.5 * c->b * d); // x_s - (mu + mu_ref)/2 = x_s - mu + b d/2
        if (deps != NULL) {
            deps[i] = (real)(c->b * from_mu / variance);
        }
    }
    return sum / variance;
}

// F: mdp.kl step.kl   KL of two Gaussian steps                                                 [chapter 12]
//   equal variances:  KL(p||p_ref) = |mu - mu_ref|^2/(2 sigma^2) = (w_kl/2) |eps - eps_ref|^2
//   d KL/d eps = w_kl (eps - eps_ref)
//   in general, rho = sigma^2/sigma_ref^2:  KL = (D/2)(rho - 1 - log rho) + |mu - mu_ref|^2/(2 sigma_ref^2)
//   SUM over D, nats
//   limits: 0 at the reference.   w_kl diverges as abar_s -> 1, and sigma = 0 dies
//   source: Gaussian KL; Fan et al. 2023, arXiv 2305.16381 (as a penalty)
//   check: finite differences; sampled log-ratio; general form at rho = 1; golden step.kl
static inline double step_kl(real *deps, const StepCoeffs *c, const real *eps, const real *eps_ref,
                             size_t D) { // deps: D numbers, or NULL
    double square = 0;
    require_density(c->sigma, "step_kl");
    for (size_t i = 0; i < D; i++) {
        double d = (double)eps[i] - eps_ref[i];
        square += d * d;
        if (deps != NULL) {
            deps[i] = (real)(c->w_kl * d);
        }
    }
    return 0.5 * c->w_kl * square;
}

// KL( N(mu, sigma^2 I) || N(mu_ref, sigma_ref^2 I) ), for steps whose variances differ (DDPM small against
// large).
static inline double gaussian_kl(const real *mu, double sigma, const real *mu_ref, double sigma_ref, size_t D) {
    double square = 0;
    require_density(sigma, "gaussian_kl");
    require_density(sigma_ref, "gaussian_kl");
    for (size_t i = 0; i < D; i++) {
        double d = (double)mu[i] - mu_ref[i];
        square += d * d;
    }
    double log_ratio = 2 * (e_log(sigma) - e_log(sigma_ref));
    // expm1(log rho) - log rho: near rho = 1 this is (log rho)^2/2, which rho - 1 - log rho would lose.
    double spread = 0.5 * (double)D * (e_expm1(log_ratio) - log_ratio);
    return spread + square / (2 * sigma_ref * sigma_ref);
}

#endif
