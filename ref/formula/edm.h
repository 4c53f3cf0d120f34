// edm.h: samplers written with the noise level alone, in the units y = x/alpha, s = sigma/alpha.
//
// There the probability-flow ODE is dy/ds = (y - D)/s, and every path looks like the VE path.  The steps take levels
// of any path and return weights for x itself; a level without signal has no such units and dies.
#ifndef TILT_EDM_H
#define TILT_EDM_H

#include "update.h"

// F: edm.sched     noise levels with equal steps in s^(1/rho)                                   [chapter 4]
//   s_i = (s_max^(1/rho) + i/last (s_min^(1/rho) - s_max^(1/rho)))^rho,   i = 0 .. last
//   n levels and the final 0 have last = n - 1.   usual: 0.002 to 80, rho = 7
//   limits: rho = 1: equal steps in s;   rho -> infinity: equal ratios
//   source: Karras et al. 2022, arXiv 2206.00364, eq. (5)
//   check: both ends; strictly falling; both limits; golden edm.sched
static inline double edm_sigma(int i, int last, double sigma_min, double sigma_max, double rho) {
    if (!(last >= 1 && i >= 0 && i <= last && sigma_min > 0 && sigma_max > sigma_min && rho > 0)) {
        DIE("edm_sigma: i = %d of 0 .. %d, sigma %g to %g, rho = %g; need 0 < sigma_min < sigma_max, rho > 0", i, last,
            sigma_max, sigma_min, rho);
    }
    if (i == 0 || i == last) { // the ends without rounding: pow would lose their last digits
        return i == 0 ? sigma_max : sigma_min;
    }
    double top = e_pow(sigma_max, 1 / rho);
    double bottom = e_pow(sigma_min, 1 / rho);
    return e_pow(top + (double)i / last * (bottom - top), rho);
}

static inline double edm_s(const Level *l, const char *who) {
    require_signal(l, who);
    return l->sigma / l->alpha;
}

// dy/ds = (y - D)/s
static inline Slope edm_slope(double s) {
    Slope k = {1 / s, -1 / s};
    return k;
}

// One Euler step of the ODE in s.  The same numbers as dpm_1: the ODE is linear in s while D stands still.
static inline Update edm_euler(const Level *now, const Level *next) {
    double s = edm_s(now, "edm_euler");
    double s_next = edm_s(next, "edm_euler");
    require_noisy(now, "edm_euler");
    Update u = {s_next / s, (s - s_next) / s, 0, 0, 0};
    update_rescale(&u, 1 / now->alpha, 1 / next->alpha);
    return u;
}

// F: edm.heun      second order: Euler, then the trapezium rule                                 [chapter 4]
//   d = (y - D(y; s))/s,   y' = y + (s' - s) d,   d' = (y' - D(y'; s'))/s',   y <- y + (s' - s)(d + d')/2
//   limits: s' = 0 has no d': that step stays Euler (edm_euler), so a run of n levels costs 2 n - 1 evaluations
//   source: Karras et al. 2022, arXiv 2206.00364, algorithm 1
//   check: order 2; golden edm.step traj.edm order.edm
static inline void edm_heun(Update *first, Update *last, const Level *now, const Level *next) {
    double s = edm_s(now, "edm_heun");
    double s_next = edm_s(next, "edm_heun");
    require_noisy(now, "edm_heun");
    require_noisy(next, "edm_heun");
    update_heun(first, last, s_next - s, edm_slope(s), edm_slope(s_next));
    update_rescale(first, 1 / now->alpha, 1 / next->alpha);
    update_rescale(last, 1 / now->alpha, 1 / next->alpha);
}

// F: edm.churn     noise is added before the step and removed by it                             [chapter 4]
//   s_hat = s (1 + gamma),   y_hat = y + sqrt(s_hat^2 - s^2) S_noise z,   then a Heun step from s_hat
//   gamma = min(S_churn/n, sqrt(2) - 1) for s in [S_min, S_max], else 0.   n: number of steps
//   The added VARIANCE is s_hat^2 - s^2; with S_noise = 1, y_hat has exactly the law of level s_hat
//   limits: gamma = 0: edm.heun
//   source: Karras et al. 2022, arXiv 2206.00364, algorithm 2
//   check: gamma = 0; moments of the churned mixture; golden edm.churn
static inline Level edm_churn(double *std, const Level *now, double gamma, double s_noise) {
    Level hat = *now;
    require_noisy(now, "edm_churn");
    if (!(gamma >= 0 && s_noise >= 0)) {
        DIE("edm_churn: gamma = %g, s_noise = %g; both must be >= 0", gamma, s_noise);
    }
    hat.sigma = now->sigma * (1 + gamma);
    *std = now->sigma * sqrt(gamma * (2 + gamma)) * s_noise;
    return hat; // alpha is unchanged: x_hat = x + std z lies on no path, and D takes any (alpha, sigma)
}

static inline double edm_gamma(double s, double s_churn, double s_min, double s_max, int n) {
    return s >= s_min && s <= s_max ? fmin(s_churn / n, sqrt(2.0) - 1) : 0;
}

// F: ancestral.k   ancestral steps in EDM units                                                 [chapter 4]
//   s_up = min(s', eta sqrt(s'^2 (s^2 - s'^2)/s^2)),   s_down = sqrt(s'^2 - s_up^2)
//   Euler from s to s_down, then + s_up z
//   limits: eta = 0: Euler.   eta = 1: the exact posterior step of the VE path, s_down/s = s'^2/s^2.   Between them
//   eta is not the eta of DDIM
//   source: k-diffusion (code); Song et al. 2021, arXiv 2011.13456, appendix F (VE, eta = 1)
//   check: eta = 1 is the VE posterior; golden ancestral.k
static inline void ancestral_sigmas(double *up, double *down, double s, double s_next, double eta) {
    if (!(s > 0 && s_next >= 0 && s_next <= s && eta >= 0)) {
        DIE("ancestral: sigma %g to %g, eta = %g; need 0 <= sigma_next <= sigma and eta >= 0", s, s_next, eta);
    }
    *up = fmin(s_next, eta * s_next * sqrt((s - s_next) * (s + s_next)) / s);
    *down = sqrt((s_next - *up) * (s_next + *up));
}

static inline Update ancestral_k(const Level *now, const Level *next, double eta) {
    double s = edm_s(now, "ancestral_k");
    double up, down;
    ancestral_sigmas(&up, &down, s, edm_s(next, "ancestral_k"), eta);
    Update u = {down / s, (s - down) / s, 0, 0, up};
    update_rescale(&u, 1 / now->alpha, 1 / next->alpha);
    return u;
}

#endif
