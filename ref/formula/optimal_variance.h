// optimal_variance.h: how much noise a step of a short chain should add.
#ifndef TILT_OPTIMAL_VARIANCE_H
#define TILT_OPTIMAL_VARIANCE_H

#include "forward.h"

// F: ddpm.optimal_var      the best variance of an ancestral step, read off the denoising loss          [chapter 1]
//   sigma^2 = posterior variance + c_x0^2 v_t,    v_t = E|x_0 - E[x_0|x_t]|^2 / D = (1-abar_t)/abar_t loss_t
//   loss_t: mean over D of E|eps - eps_hat|^2 at level t.  c_x0: coefficient of x_0 in the posterior mean.
//   Among steps N(mean, sigma^2 I) with the ancestral mean it minimises the KL from the true step, because
//   x_s = mean of q(x_s|x_t,x_0) + posterior noise, and x_0 itself still varies by v_t given x_t.
//   limits: loss_t = 0 (one data point): the small variance.  Data N(0, I): the large variance.
//   source: Bao et al. 2022, arXiv 2201.06503
//   check: data N(0, s^2 I) keeps its variance for any number of steps; both limits
static inline double optimal_variance(double abar_t, double abar_s, double loss_t) {
    Posterior q = forward_posterior(abar_t, abar_s);
    return q.var_small + q.c_x0 * q.c_x0 * (1 - abar_t) / abar_t * loss_t;
}

#endif
