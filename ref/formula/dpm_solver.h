// dpm_solver.h: exponential integrators.  The linear part of the probability-flow ODE is solved exactly; what is
// left is an integral of the denoiser over the half log-SNR, and the methods differ in how they guess it.
//
// lambda = log(alpha/sigma), h = lambda_next - lambda_now > 0 towards the data (h < 0: the way back, "inversion").
// All steps are weights of update.h, so they run on any path.  The data form survives sigma_next = 0 (h infinite):
// there every method becomes the first-order step x = x0hat.  The eps form does not, and dies.
#ifndef TILT_DPM_SOLVER_H
#define TILT_DPM_SOLVER_H

#include "update.h"

// F: dpm.exact     the integral that every solver approximates                                  [chapter 4]
//   x_next = (sigma_next/sigma_now) x + sigma_next int e^lambda D d lambda     over lambda_now .. lambda_next
//          = (alpha_next/alpha_now) x - alpha_next int e^-lambda eps d lambda
//   D = sum_k d_k (lambda - lambda_now)^k/k!:  x_next = (sigma_next/sigma_now) x + alpha_next sum_k psi_k(h) d_k
//   psi_k(h) = e^-h int_0^h e^s s^k/k! ds:   psi_0 = 1 - e^-h,   psi_k = h^k/k! - psi_{k-1}
//   limits: psi_k -> h^(k+1)/(k+1)! for small h, where the recursion cancels: the series is used
//   source: Lu et al. 2022, arXiv 2206.00927, eq. (3.4); data form: Lu et al. 2022, arXiv 2211.01095
//   check: quadrature; polynomials in lambda are integrated exactly; both forms agree
static inline double dpm_psi(int k, double h) {
    if (fabs(h) < 1) { // h^(k+1)/(k+1)! - h^(k+2)/(k+2)! + ...
        double term = h;
        double sum = 0;
        for (int j = 2; j <= k + 1; j++) {
            term *= h / j;
        }
        for (int j = k + 2; j < k + 22; j++) {
            sum += term;
            term *= -h / j;
        }
        return sum;
    }
    double psi = -e_expm1(-h);
    double power = 1;
    for (int j = 1; j <= k; j++) {
        power *= h / j;
        psi = power - psi;
    }
    return psi;
}

// lambda_next - lambda_now; infinite when the step starts without signal or ends without noise.
static inline double dpm_h(const Level *now, const Level *next) {
    require_noisy(now, "dpm");
    require_level(next, "dpm");
    if (now->alpha == 0 && next->alpha == 0) {
        DIE("dpm: two levels without signal, sigma %g to %g; there is no half log-SNR between them", now->sigma,
            next->sigma);
    }
    return level_half_logsnr(next) - level_half_logsnr(now);
}

// F: dpm.1         first order: D is constant during the step; this is DDIM                     [chapter 4]
//   x_next = (sigma_next/sigma_now) x + alpha_next (1 - e^-h) D
//          = (alpha_next/alpha_now) x - sigma_next (e^h - 1) eps
//   limits: sigma_next = 0: x_next = D.   alpha_now = 0: the data form only
//   source: Lu et al. 2022, arXiv 2206.00927; Song et al. 2021, arXiv 2010.02502 (DDIM)
//   check: both forms and ddim.step with eta = 0 agree to rounding; order 1; golden dpmpp.2m traj.vp
static inline Update dpm_1(const Level *now, const Level *next) {
    Update u = {0, 0, 0, 0, 0};
    u.x = next->sigma / now->sigma;
    u.now = next->alpha * dpm_psi(0, dpm_h(now, next));
    return u;
}

// The eps form, as a step of sampler.h.
static inline StepCoeffs dpm_1_eps(const Level *now, const Level *next) {
    StepCoeffs c;
    double h = dpm_h(now, next);
    if (!(fabs(h) < HUGE_VAL)) {
        DIE("dpm_1_eps: alpha %g to %g, sigma %g to %g: h is infinite; use the data form dpm_1", now->alpha,
            next->alpha, now->sigma, next->sigma);
    }
    c.a = next->alpha / now->alpha;
    c.b = -next->sigma * e_expm1(h);
    c.sigma = 0;
    c.w_kl = step_w_kl(c.b, 0);
    return c;
}

// How far the middle point lies: r_1 = (lambda_middle - lambda_now)/h in (0, 1].
static inline double dpm_r1(const Level *now, const Level *middle, const Level *next) {
    double r1 = dpm_h(now, middle) / dpm_h(now, next);
    if (!(r1 > 0 && r1 <= 1)) {
        DIE("dpm: the middle point is at r1 = %g of the step; need 0 < r1 <= 1 and finite half log-SNR", r1);
    }
    return r1;
}

// F: dpm.2         second order in one step, eps form                                           [chapter 4]
//   u = dpm.1 from now to middle,   lambda_middle = lambda_now + r_1 h   (usually r_1 = 1/2)
//   x_next = (alpha_next/alpha_now) x - sigma_next (e^h - 1) [ eps_now + (eps(u) - eps_now)/(2 r_1) ]
//   first: weights of u;   last: weights of x_next, with D_stage = D(u)
//   limits: alpha_now = 0 or sigma_next = 0 dies
//   source: Lu et al. 2022, arXiv 2206.00927
//   check: order 2; eps linear in lambda; golden dpm.singlestep traj.vp order.vp
static inline void dpm_2(Update *first, Update *last, const Level *now, const Level *middle, const Level *next) {
    double w = 1 / (2 * dpm_r1(now, middle, next));
    StepCoeffs half = dpm_1_eps(now, middle);
    StepCoeffs full = dpm_1_eps(now, next);
    Update u = {0, 0, 0, 0, 0};
    // eps_now = (x - alpha_now D_now)/sigma_now,   eps(u) = (u - alpha_middle D_stage)/sigma_middle
    first->x = half.a + half.b / now->sigma;
    first->now = -half.b * now->alpha / now->sigma;
    first->old = first->stage = first->z = 0;
    u.x = full.a + full.b * ((1 - w) / now->sigma + w * first->x / middle->sigma);
    u.now = full.b * (-(1 - w) * now->alpha / now->sigma + w * first->now / middle->sigma);
    u.stage = -full.b * w * middle->alpha / middle->sigma;
    *last = u;
}

// F: dpmpp.2s      second order in one step, data form                                          [chapter 4]
//   u = dpm.1 from now to middle
//   x_next = (sigma_next/sigma_now) x + alpha_next (1 - e^-h) [ D_now + (D(u) - D_now)/(2 r_1) ]
//   limits: not the numbers of dpm.2, though both have order 2: another part is solved exactly
//   source: Lu et al. 2022, arXiv 2211.01095
//   check: order 2; golden dpm.singlestep
static inline void dpmpp_2s(Update *first, Update *last, const Level *now, const Level *middle, const Level *next) {
    double w = 1 / (2 * dpm_r1(now, middle, next));
    *first = dpm_1(now, middle);
    *last = dpm_1(now, next);
    last->stage = w * last->now;
    last->now *= 1 - w;
}

typedef enum { DPM_MIDPOINT, DPM_HEUN } DpmRule;

// The weight of (D_now - D_old) in a two-step method: psi_1(h)/(r h) exactly ("heun"), or its estimate psi_0(h)/(2 r)
// ("midpoint").   r = h_old/h: the LAST step over this one.  0 where the history has no use: the first step (old =
// NULL), a step to clean data, a step after a level without signal.
static inline double dpm_history(const Level *old, const Level *now, const Level *next, double k, DpmRule rule) {
    if (old == NULL || next->sigma == 0 || old->alpha == 0 || now->alpha == 0) {
        return 0;
    }
    double h = dpm_h(now, next);
    double r = dpm_h(old, now) / h;
    if (!(r > 0) && h != 0) {
        DIE("dpm: the last step and this one change half log-SNR with ratio %g; the levels must be monotone", r);
    }
    // k = h, or (1 + eta) h for the stochastic version.
    return (rule == DPM_HEUN ? dpm_psi(1, k) / k : dpm_psi(0, k) / 2) / r;
}

// F: dpmpp.2m      second order from two steps, data form                                       [chapter 4]
//   r = h_old/h,   midpoint: x_next = (sigma_next/sigma_now) x + alpha_next (1 - e^-h) [D + (D - D_old)/(2r)]
//   heun: (1 - e^-h)/2 in front of (D - D_old)/r becomes 1 - (1 - e^-h)/h, exact for D linear in lambda
//   D_old is the answer at the state of the step before, never asked again.  One evaluation a step
//   limits: no history (old = NULL, sigma_next = 0): dpm.1
//   source: Lu et al. 2022, arXiv 2211.01095
//   check: order 2; VP run = VE run on x/alpha; golden dpmpp.2m traj.vp order.vp
static inline Update dpmpp_2m(const Level *old, const Level *now, const Level *next, DpmRule rule) {
    Update u = dpm_1(now, next);
    double c = next->alpha * dpm_history(old, now, next, dpm_h(now, next), rule);
    u.now += c;
    u.old = -c;
    return u;
}

// F: dpmpp.2msde   the same with fresh noise of strength eta                                    [chapter 4]
//   x_next = (sigma_next/sigma_now) e^(-eta h) x + alpha_next (1 - e^-k) [D + (D - D_old)/(2r)]
//            + sigma_next sqrt(1 - e^(-2 eta h)) z,      k = (1 + eta) h
//   limits: eta = 0: dpmpp.2m.   eta = 1 without history: the ancestral step of DDPM, small variance, exactly
//   Weak order 2, measured (test_solver_orders): the difference term carries the noise of the step before
//   source: Lu et al. 2022, arXiv 2211.01095 (eta = 1)
//   check: both limits; weak order by the exact recursion for Gaussian data; golden dpmpp.2msde
static inline Update dpmpp_2m_sde(const Level *old, const Level *now, const Level *next, double eta, DpmRule rule) {
    if (!(eta >= 0)) {
        DIE("dpmpp_2m_sde: eta = %g; need eta >= 0", eta);
    }
    if (eta == 0) { // 0 times an infinite h has no value
        return dpmpp_2m(old, now, next, rule);
    }
    Update u = {0, 0, 0, 0, 0};
    double h = dpm_h(now, next);
    if (!(h >= 0)) {
        DIE("dpmpp_2m_sde: h = %g; noise is added only on the way to the data", h);
    }
    double k = (1 + eta) * h;
    double c = next->alpha * dpm_history(old, now, next, k, rule);
    u.x = next->sigma / now->sigma * e_exp(-eta * h);
    u.now = next->alpha * dpm_psi(0, k) + c;
    u.old = -c;
    u.z = next->sigma * sqrt(-e_expm1(-2 * eta * h));
    return u;
}

// F: unipc         predictor dpmpp.2m, and a corrector that costs no evaluation                 [chapter 4]
//   The corrector integrates the parabola through D_old, D_now and D_stage = D(predicted point, next level):
//   x_next = (sigma_next/sigma_now) x + alpha_next (psi_0 D_now + psi_1 D' + psi_2 D''),
//   D' and D'': derivatives of the parabola in lambda.  In the paper: a 2 x 2 system for rho; B(h) cancels in it.
//   D_stage serves as D_now of the next step: it is never asked again at the corrected state
//   limits: first step (old = NULL): trapezium, psi_1/h replaced by psi_0/2.   sigma_next = 0: no corrector
//   source: Zhao et al. 2023, arXiv 2302.04867
//   check: parabolas are exact; order 3 with one evaluation a step; golden unipc.2 traj.vp order.vp
static inline Update unic_2(const Level *old, const Level *now, const Level *next) {
    Update u = dpm_1(now, next);
    double h = dpm_h(now, next);
    if (!(fabs(h) < HUGE_VAL)) {
        DIE("unic_2: sigma_next = %g, alpha_now = %g: h is infinite; take dpm_1 for this step", next->sigma,
            now->alpha);
    }
    if (old == NULL || old->alpha == 0) {
        u.stage = u.now / 2;
        u.now -= u.stage;
        return u;
    }
    double r = -dpm_h(old, now) / h; // where D_old lies, in steps: negative
    // With D = D_now + A s + C s^2, s in steps: at s = 1 A + C, at s = r A r + C r^2.
    double slope = dpm_psi(1, h) / h;          // integral of s
    double bend = 2 * dpm_psi(2, h) / (h * h); // integral of s^2
    // C = (d_stage - d_old/r)/(1 - r),  A = d_stage - C,  with d = D - D_now
    double per_C = bend - slope;
    double stage = slope + per_C / (1 - r);
    double before = -per_C / ((1 - r) * r);
    u.stage = next->alpha * stage;
    u.old = next->alpha * before;
    u.now -= u.stage + u.old;
    return u;
}

#endif
