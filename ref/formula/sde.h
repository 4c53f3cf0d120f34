// sde.h: the reverse-time SDE, its noise-free sibling the probability-flow ODE, their Euler steps in time, and the
// Langevin corrector that repairs the law at a fixed level.
//
// Time runs from noise to data, so dt < 0.  Levels need a time and derivatives (path.h), except for revdiff.
#ifndef TILT_SDE_H
#define TILT_SDE_H

#include "update.h"

// F: sde.rev       a family of reverse processes with the same marginals                        [chapter 4]
//   dx = [f x - (1 + kappa^2)/2 g^2 score] dt + kappa g dw,   dt < 0
//   f = alpha'/alpha,   g^2 = 2 sigma sigma' - 2 sigma^2 alpha'/alpha    (' = d/dt)
//   kappa = 0: probability-flow ODE, dx/dt = (sigma'/sigma) x + (alpha' - alpha sigma'/sigma) D.   kappa = 1: the
//   reverse SDE.   VP: f = -beta/2, g^2 = beta.   Rates per unit time
//   limits: the ODE form is finite at alpha = 0 (flow, t = 1); g^2 is not, and kappa > 0 dies there
//   source: Song et al. 2021, arXiv 2011.13456, eq. (6); Karras et al. 2022, arXiv 2206.00364, eq. (6)
//   check: Fokker-Planck residual of a mixture for kappa = 0, 0.5, 1; golden gmm.vp sde.em
static inline Slope sde_slope(double *g2, const Level *l, double kappa) { // g2: may be NULL when kappa = 0
    Slope k;
    require_noisy(l, "sde_slope");
    require_time(l, "sde_slope");
    k.x = l->dsigma / l->sigma;
    k.d = l->dalpha - l->alpha * l->dsigma / l->sigma;
    if (kappa != 0 || g2 != NULL) {
        require_signal(l, "sde_slope");
        double rate = 2 * l->sigma * (l->dsigma - l->sigma * l->dalpha / l->alpha);
        double push = kappa * kappa / 2 * rate / (l->sigma * l->sigma); // score = -(x - alpha D)/sigma^2
        k.x += push;
        k.d -= push * l->alpha;
        if (g2 != NULL) {
            *g2 = rate;
        }
    }
    return k;
}

// F: pf.euler      Euler steps of the probability-flow ODE in time                              [chapter 4]
//   x <- x + (t_next - t) dx/dt,   VP: dx/dt = -(beta(t)/2)(x + score)
//   limits: order 1.   Equal to DDIM only in the variables x/alpha, sigma/alpha
//   source: Euler 1768
//   check: order 1; one component in closed form; golden pf.step order.vp
static inline Update pf_euler(const Level *now, const Level *next) {
    return update_euler(next->t - now->t, sde_slope(NULL, now, 0));
}

// F: pf.heun       the trapezium rule for the same ODE                                          [chapter 4]
//   x' = x + dt k(x, t),   x <- x + dt (k(x, t) + k(x', t_next))/2
//   limits: order 2; needs sigma_next > 0
//   source: Heun 1900
//   check: order 2; golden pf.step
static inline void pf_heun(Update *first, Update *last, const Level *now, const Level *next) {
    update_heun(first, last, next->t - now->t, sde_slope(NULL, now, 0), sde_slope(NULL, next, 0));
}

// F: sde.em        Euler-Maruyama for the reverse SDE                                           [chapter 4]
//   x <- x + dt [f x - (1 + kappa^2)/2 g^2 score] + kappa g sqrt(-dt) z,   all at the start of the step
//   VP, kappa = 1: x <- x + (beta x/2 + beta score) delta + sqrt(beta delta) z,   delta = t - t_next
//   limits: kappa = 0: pf.euler.   No noise in a step to clean data
//   source: Song et al. 2021, arXiv 2011.13456, algorithm 1
//   check: weak order 1 by the exact variance recursion of Gaussian data, strong order 1; golden sde.em
static inline Update sde_em(const Level *now, const Level *next, double kappa) {
    double g2 = 0;
    double delta = now->t - next->t;
    if (!(kappa >= 0) || (kappa > 0 && !(delta >= 0))) {
        DIE("sde_em: t %g to %g, kappa = %g; noise is added only on the way to the data, kappa >= 0", now->t, next->t,
            kappa);
    }
    Update u = update_euler(-delta, sde_slope(kappa > 0 ? &g2 : NULL, now, kappa));
    u.z = next->sigma > 0 ? kappa * sqrt(g2 * delta) : 0;
    return u;
}

// F: sde.revdiff   the forward chain turned round with its own step                             [chapter 4]
//   forward: x = r x_next + q z,   r = alpha/alpha_next,   q^2 = sigma^2 - r^2 sigma_next^2
//   x_next = (2 - r) x + q^2 score + q z
//   VP: r = sqrt(1 - beta), q^2 = beta, beta = 1 - abar/abar_next.   VE: r = 1
//   limits: differs from ddpm.step by O(beta^2).   No noise in a step to clean data
//   source: Song et al. 2021, arXiv 2011.13456, eq. (46)
//   check: distance to ddpm.step falls like beta^2; golden sde.revdiff
static inline Update sde_revdiff(const Level *now, const Level *next) {
    require_noisy(now, "sde_revdiff");
    require_signal(next, "sde_revdiff");
    double r = now->alpha / next->alpha;
    double kept = r * next->sigma;
    double q2 = (now->sigma - kept) * (now->sigma + kept);
    if (!(q2 >= 0)) {
        DIE("sde_revdiff: alpha %g to %g, sigma %g to %g: no noise to remove; step towards the data", now->alpha,
            next->alpha, now->sigma, next->sigma);
    }
    double pull = q2 / (now->sigma * now->sigma);
    Update u = {2 - r - pull, pull * now->alpha, 0, 0, next->sigma > 0 ? sqrt(q2) : 0};
    return u;
}

// F: pc.langevin   corrector: a Langevin step at a fixed level                                  [chapter 4]
//   epsilon = 2 a (snr |z|/|score|)^2,   x <- x + epsilon score + sqrt(2 epsilon) z
//   norms of one sample, not of the batch: samples stay independent.   a = 1 here; some code has a = 1 - beta on VP
//   limits: with a FIXED epsilon, data N(0, v): stationary variance v/(1 - epsilon/(2 v)), not v.  A step size that
//   depends on z and x is no Langevin step: in few dimensions |score| comes near 0, steps have no bound, and in two
//   dimensions the cloud blows up (test_solver_runs).  langevin_fixed is the step of typical norms, and safe
//   source: Song et al. 2021, arXiv 2011.13456, appendix G
//   check: stationary variance for fixed epsilon; golden pc.langevin
static inline double langevin_step_size(const real *score, const real *z, double snr, size_t n) {
    double noise = 0;
    double slope = 0;
    for (size_t i = 0; i < n; i++) {
        noise += (double)z[i] * z[i];
        slope += (double)score[i] * score[i];
    }
    if (!(slope > 0)) {
        DIE("langevin_step_size: |score|^2 = %g; at a stationary point the rule has no step, pass a fixed epsilon",
            slope);
    }
    return 2 * snr * snr * noise / slope;
}

static inline void langevin_step(real *x, const real *score, const real *z, double epsilon, size_t n) { // in place
    if (!(epsilon >= 0)) {
        DIE("langevin_step: epsilon = %g; need a step size >= 0", epsilon);
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = (real)(x[i] + epsilon * score[i] + sqrt(2 * epsilon) * z[i]);
    }
}

// The step size of the typical norms |z|^2 = D, |score|^2 = D/sigma^2 of a noisy level: epsilon = 2 (snr sigma)^2.
static inline double langevin_fixed(const Level *l, double snr) {
    return 2 * snr * snr * l->sigma * l->sigma;
}

// The same step as weights, D_stage = D at the state: score = -(x - alpha D)/sigma^2.
static inline Update langevin_update(const Level *l, double epsilon) {
    require_noisy(l, "langevin_update");
    double pull = epsilon / (l->sigma * l->sigma);
    Update u = {1 - pull, 0, 0, pull * l->alpha, sqrt(2 * epsilon)};
    return u;
}

#endif
