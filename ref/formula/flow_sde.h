// flow_sde.h: a flow model sampled with noise, so that its steps have log-probabilities and policy gradients apply.
//
// The flow ODE dx = u dt and the SDE below have the same marginals at every t; only the SDE has a density per step.
// One Euler step is again x' ~ N(A x + B u, S^2 I), three numbers.  They are returned as StepCoeffs with the velocity u
// in the place of eps: step_mean, step_sample, step_logp (with its derivative in u), step_log_ratio and step_kl of
// sampler.h work on it unchanged.  Time runs from noise, t = 1, to data, t = 0: t_next < t.
//
// The start is singular: sigma_t = a sqrt(t/(1-t)) is infinite at t = 1.  The rule here is the one of the public code:
// in a step that starts at t = 1 the denominator 1 - t is replaced by 1 - t_next, in sigma_t and nowhere else.  It is a
// choice, not a limit, and it costs an error that does not vanish with the number of steps: see flowsde_gaussian.
#ifndef TILT_FLOW_SDE_H
#define TILT_FLOW_SDE_H

#include "sampler.h"

static inline void flowsde_require(double t, double t_next, double a, const char *who) {
    if (!(t <= 1 && t_next >= 0 && t_next < t) || !(a >= 0)) {
        DIE("%s: t %g to %g with noise level %g; need 1 >= t > t_next >= 0 and a noise level >= 0", who, t, t_next, a);
    }
}

// sigma_t, noise per root of time.  t_next is read only when t = 1.
static inline double flowsde_sigma(double t, double t_next, double a) {
    flowsde_require(t, t_next, a, "flowsde_sigma");
    return a * sqrt(t / (t < 1 ? 1 - t : 1 - t_next));
}

// F: flowsde.step  one step of the stochastic sampler of a flow model                          [chapter 13]
//   dx = [u + sigma_t^2/(2t) (x + (1-t) u)] dt + sigma_t dw,   sigma_t = a sqrt(t/(1-t)),   d = t_next - t < 0
//   x' ~ N(A x + B u, S^2 I):   A = 1 + sigma_t^2 d/(2t),   B = d (1 + sigma_t^2 (1-t)/(2t)),   S = sigma_t sqrt(-d)
//   The drift is u - (sigma_t^2/2) s with the score s = -(x + (1-t) u)/t.   a: noise level, 0.7 in the public code.
//   log p(x'|x) and d log p/du = B (x' - mean)/S^2 are step_logp, SUM over D; public code takes the mean over D.
//   limits: a = 0 is the Euler step of the flow, without a density.   t = 1: the rule above.
//   source: Liu et al. 2025, arXiv 2505.05470 (Flow-GRPO)
//   check: drift against the score of a mixture; finite differences; a = 0; golden flowsde.step flowsde.variance
static inline StepCoeffs flowsde_coeffs(double t, double t_next, double a) {
    double sigma = flowsde_sigma(t, t_next, a), d = t_next - t;
    StepCoeffs c;
    c.a = 1 + sigma * sigma / (2 * t) * d;
    c.b = d * (1 + sigma * sigma * (1 - t) / (2 * t));
    c.sigma = sigma * sqrt(-d);
    c.w_kl = step_w_kl(c.b, c.sigma);
    return c;
}

// F: flowsde.kl    KL of two such steps from one state                                         [chapter 13]
//   KL = (|d|/2) ( sigma_t (1-t)/(2t) + 1/sigma_t )^2 |u - u_ref|^2,   d = t_next - t;   SUM over D, nats
//   d KL/du = |d| ( ... )^2 (u - u_ref).   It is mdp.kl: |mean - mean_ref|^2/(2 S^2) with S^2 = sigma_t^2 |d|.
//   One public training script divides the mean over D by 2 sigma_t^2 instead: that is this number times |d|/D.
//   limits: 0 at the reference; a = 0 has no density and dies.
//   source: Liu et al. 2025, arXiv 2505.05470
//   check: step_kl of the coefficients; finite differences; sampled log-ratio; golden flowsde.kl
static inline double flowsde_kl(real *du, const real *u, const real *u_ref, double t, double t_next, double a,
                                size_t D) { // du: D numbers, or NULL
    double sigma = flowsde_sigma(t, t_next, a), square = 0, root, weight;
    require_density(sigma, "flowsde_kl");
    root = sigma * (1 - t) / (2 * t) + 1 / sigma;
    weight = (t - t_next) * root * root;
    for (size_t i = 0; i < D; i++) {
        double miss = (double)u[i] - (double)u_ref[i];
        square += miss * miss;
        if (du != NULL) {
            du[i] = (real)(weight * miss);
        }
    }
    return 0.5 * weight * square;
}

// ---- Gaussian data: every law of the sampler is Gaussian and known -------------------------------------------------

// u = kappa x is the exact velocity of data N(0, s^2): kappa = (t - (1-t) s^2) / ((1-t)^2 s^2 + t^2).
static inline double flow_gaussian_kappa(double t, double s) {
    return (t - (1 - t) * s * s) / ((1 - t) * (1 - t) * s * s + t * t);
}

// F: flowsde.variance  the law of the sampler on data N(0, s^2), step by step                  [chapter 13]
//   uniform grid t_i = 1 - i/N, start N(0,1);  x' = g x + S z with g = A + B kappa, so  var' = g^2 var + S^2
//   exact: var(t) = (1-t)^2 s^2 + t^2.   gain = product of all g: Cov(x_start, x_end), because Var(x_start) = 1.
//   The first step does not become exact: var -> (1 - a^2/2)^2 + a^2 = 1 + a^4/4 as N -> inf, where 1 is right.
//   Later steps contract this error; at the end what is left is of the order N^-a^2.
//   var, exact: N numbers each, after the steps, or NULL.   Returns the gain.
//   source: own derivation (linear recursion)
//   check: sampled variance; a = 0 against the ODE; limit of the first step; golden flowsde.variance
static inline double flowsde_gaussian(double *var, double *exact, double s, int N, double a) {
    double v = 1, gain = 1;
    for (int i = 0; i < N; i++) {
        double t = 1 - (double)i / N, t_next = i + 1 == N ? 0 : 1 - (double)(i + 1) / N;
        StepCoeffs c = flowsde_coeffs(t, t_next, a);
        double g = c.a + c.b * flow_gaussian_kappa(t, s);
        v = g * g * v + c.sigma * c.sigma;
        gain *= g;
        if (var != NULL) {
            var[i] = v;
        }
        if (exact != NULL) {
            exact[i] = (1 - t_next) * (1 - t_next) * s * s + t_next * t_next;
        }
    }
    return gain;
}

// F: memoryless    how much the end of the SDE remembers of its state at time t                [chapter 14]
//   data N(0, s^2):  corr(x_t, x_0) = rho^(a^2/2),   rho = (1-t) s / sqrt((1-t)^2 s^2 + t^2)
//   rho is the correlation of the noising process itself.  a = sqrt(2), sigma_t^2 = 2t/(1-t), is its exact reversal:
//   the memoryless schedule.  Then a fixed start costs nothing (opt.init).   a = 0 remembers everything.
//   As t -> 1 the correlation goes to 0 for every a > 0, but only like (1-t)^(a^2/2): a = 0.7 forgets so slowly that
//   a chain of 1000 steps still remembers.  "Memoryless" is a rate, not a switch.
//   t in [0, 1], s > 0: standard deviation of the data.
//   source: Domingo-Enrich et al. 2024, arXiv 2409.08861 (the schedule); own derivation (the correlation)
//   check: product of the gains of fine Euler steps; noising process at a = sqrt(2); sampled correlation
static inline double flowsde_memory(double t, double s, double a) {
    if (!(t >= 0 && t <= 1 && s > 0 && a >= 0)) {
        DIE("flowsde_memory: t = %g, data std %g, noise level %g; need t in [0, 1], std > 0, level >= 0", t, s, a);
    }
    if (a == 0) {
        return 1;
    }
    double rho = (1 - t) * s / sqrt((1 - t) * (1 - t) * s * s + t * t);
    return rho > 0 ? e_pow(rho, a * a / 2) : 0;
}

static inline double memoryless_level(void) {
    return sqrt(2.0);
}

#endif
