// guidance_value.h: steering a sampler by the gradient of something: a classifier, its power, a reward of the denoised
// picture, a reward of a Gaussian around it.  Only the first (at w = 1) and the second are exact; the others replace
// the soft value (soft_value.h) by something that a network can give, and are scored against it.
//
// Classes on a mixture: share[k] = p(y | component k), K numbers in 0..1.  p(y|x_t) = sum_k gamma_k(x_t) share[k].
#ifndef TILT_GUIDANCE_VALUE_H
#define TILT_GUIDANCE_VALUE_H

#include "gmm_quadrature.h"
#include "tilt.h"

// ---- classifier guidance ------------------------------------------------------------------------------------------

// F: guid.classifier  classifier guidance of a score                               [chapter 5]
//   s_hat = s + w grad log p(y|x_t)      n numbers; out may be s
//   w = 1: exactly the score of p(x_t|y), by Bayes.   w = 0: the score of p.   Other w: NOT the score of the noised
//   p(x_0) p(y|x_0)^w, because E[p(y|x_0)^w | x_t] is not p(y|x_t)^w: see guid.power
//   source: Dhariwal and Nichol 2021, arXiv 2105.05233; Song et al. 2021, arXiv 2011.13456, eq. (14) for w = 1
//   check: score of the conditional mixture at w = 1; the three forms agree
static inline void guided_score(real *out, const real *s, const real *grad_log_y, double w, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        out[i] = (real)(s[i] + w * grad_log_y[i]);
    }
}

// F: guid.classifier  the same for a noise prediction                              [chapter 5]
//   eps_hat = eps - w sigma grad log p(y|x_t)
//   source: eps = -sigma score
//   check: gmm_eps of the conditional mixture at w = 1
static inline void guided_eps(real *out, const real *eps, const real *grad_log_y, double w, double sigma, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        out[i] = (real)(eps[i] - w * sigma * grad_log_y[i]);
    }
}

// F: guid.classifier  the same for the mean of an ancestral step                   [chapter 5]
//   mean_hat = mean + w var grad log p(y|.)      var: the VARIANCE of the step; the gradient belongs to the level and
//   the place that the step goes to, that is to (x_{t-1}, t-1) at x_{t-1} = mean.  First order in var.
//   source: Dhariwal and Nichol 2021, arXiv 2105.05233
//   check: against the conditional step of a Gaussian: the error falls as var^2
static inline void guided_mean(real *out, const real *mean, const real *grad_log_y, double w, double var, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        out[i] = (real)(mean[i] + w * var * grad_log_y[i]);
    }
}

// grad log p(y|x_t) (2 numbers, NULL if not wanted) of the exact classifier; returns log p(y|x_t).
//   = sum_k u_k (g_k - s),  u_k = gamma_k share_k / sum_j gamma_j share_j
static inline double gmm_class_score(double *grad, const Gmm *p, const double *share, const double *x, double alpha,
                                     double sigma) {
    double gamma[GMM_MAX_K], g[2 * GMM_MAX_K], inv[4 * GMM_MAX_K], s[2], part[GMM_MAX_K], total, log_p;
    int k;
    log_p = gmm_look(gamma, g, inv, s, p, x, alpha, sigma);
    for (k = 0; k < p->K; k++) { // logarithms again: far from class y every gamma of the class may underflow
        double joint = gmm_component(g + 2 * k, inv + 4 * k, p, k, x, alpha, sigma);
        part[k] = share[k] > 0 ? joint + e_log(share[k]) : -INFINITY;
    }
    total = e_logsumexp(part, (size_t)p->K);
    if (!(total > -INFINITY)) {
        DIE("gmm_class_score: no component has this class; share needs a positive entry among %d", p->K);
    }
    if (grad != NULL) {
        grad[0] = grad[1] = 0;
        for (k = 0; k < p->K; k++) {
            double u = e_exp(part[k] - total);
            grad[0] += u * (g[2 * k] - s[0]);
            grad[1] += u * (g[2 * k + 1] - s[1]);
        }
    }
    return total - log_p;
}

typedef struct {
    const Gmm *p;
    const double *share;
    double w;
} ClassPower;

// value = p(y|x)^w times 1, x_0, x_1.
static inline void class_power_at(double *value, const double *x, void *user) {
    const ClassPower *c = (const ClassPower *)user;
    value[0] = e_exp(c->w * gmm_class_score(NULL, c->p, c->share, x, 1, 0));
    value[1] = value[0] * x[0];
    value[2] = value[0] * x[1];
}

// F: guid.power  exact guidance towards p(x_0) p(y|x_0)^w / Z                      [chapter 5]
//   L_t(x) = log E[ p(y|x_0)^w | x_t = x ]      returned, nats
//   grad L_t = (alpha/sigma^2) ( E_w[x_0|x_t] - E[x_0|x_t] ),   E_w: the posterior of x_0 weighted by p(y|x_0)^w
//   the naive w grad log p(y|x_t) differs unless w = 1, or sigma -> 0, or the classes do not overlap
//   alpha = 0: L = log Z, mean = the mean of the powered law, grad = 0.   Quadrature over the posterior of x_0.
//   grad, mean (of x_0 under the weighted posterior): 2 numbers each; NULL if not wanted.  Needs sigma > 0.
//   source: own derivation (Tweedie's formula for the weighted law)
//   check: w = 1 is the conditional score; finite differences; separate classes do not see w; golden guid.power
static inline double guidance_power(double *grad, double *mean, const Gmm *p, const double *share, double w,
                                    const double *x, double alpha, double sigma) {
    double block[7 * GMM_MAX_K], e[3], x0[2], cov[4];
    Gmm posterior = gmm_on(block, p->K);
    ClassPower power;
    int i;
    if (!(sigma > 0)) {
        DIE("guidance_power: sigma = %g; without noise L = w log p(y|x) itself, see gmm_class_score", sigma);
    }
    power.p = p;
    power.share = share;
    power.w = w;
    gmm_posterior(&posterior, p, x, alpha, sigma);
    gmm_moments(x0, cov, &posterior);
    gmm_expect(e, &posterior, 3, class_power_at, &power);
    for (i = 0; i < 2; i++) {
        if (mean != NULL) {
            mean[i] = e[1 + i] / e[0];
        }
        if (grad != NULL) {
            grad[i] = alpha / (sigma * sigma) * (e[1 + i] / e[0] - x0[i]);
        }
    }
    return e_log(e[0]);
}

// ---- a reward of the denoised picture in place of the soft value ----------------------------------------------------

// F: guid.dps    gradient of the reward of the denoised picture                    [chapter 18]
//   V_t(x) is replaced by r(x0hat(x)), x0hat = E[x_0|x_t];   gradient J' grad r(x0hat),  J = alpha/sigma^2 Cov[x_0|x_t]
//   exact (the gradient, not the value) for one Gaussian and a linear reward: Cov does not depend on x.  Otherwise it
//   forgets that x_0 is uncertain: for concave r it overstates the reward and the law it samples is too narrow.
//   grad: 2 numbers; returns r(x0hat).  J is symmetric.  Needs sigma > 0.
//   source: Chung et al. 2023, arXiv 2209.14687 (DPS)
//   check: K = 1 and linear r: grad V exactly; finite differences of r(x0hat); golden val.soft
static inline double dps_value(double *grad, const Gmm *p, const QuadReward *r, const double *x, double alpha,
                               double sigma) {
    double x0[2], J[4], slope[2];
    gmm_denoise(x0, p, x, alpha, sigma);
    gmm_denoise_jacobian(J, p, x, alpha, sigma);
    quad_reward_grad(slope, r, x0);
    mul2v(grad, J, slope);
    return quad_reward(r, x0);
}

// F: guid.lgd    a Gaussian around the denoised picture                            [chapter 18]
//   V is replaced by beta log E_{N(x0hat, Cov[x_0|x_t])} e^(r/beta) (moment matching);   returned, reward units
//   gradient with Cov held still: J' (b - A m*),  m*: mean of that Gaussian after its own tilt
//   one component: both are val.soft exactly, for any quadratic reward.  Several: wrong where x_t lies between modes.
//   grad: 2 numbers (NULL if not wanted).  Needs sigma > 0, and a beta at which this Gaussian has a tilt.
//   source: Song J. et al. 2023 (loss-guided diffusion)
//   check: K = 1: soft_value and its gradient
static inline double lgd_value(double *grad, const Gmm *p, const QuadReward *r, double beta, const double *x,
                               double alpha, double sigma) {
    double block[7] = {1}, tilted[7], J[4], slope[2], log_z;
    Gmm normal = gmm_on(block, 1), star = gmm_on(tilted, 1);
    gmm_posterior_cov(normal.cov, normal.mu, p, x, alpha, sigma);
    if (gmm_tilt(&star, &log_z, &normal, r, beta) != 0) {
        DIE("lgd_value: the matched Gaussian has no tilt at beta %g; it must exceed %g", beta,
            gmm_critical_beta(&normal, r));
    }
    if (grad != NULL) {
        gmm_denoise_jacobian(J, p, x, alpha, sigma);
        quad_reward_grad(slope, r, star.mu);
        mul2v(grad, J, slope);
    }
    return beta * log_z;
}

#endif
