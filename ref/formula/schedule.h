// schedule.h: how fast the noise arrives.  A schedule is the list abar_0 .. abar_{T-1}: the part of the
// variance of x_t that still belongs to the data.  Also the four common continuous paths: VP, VE, sub-VP
// and flow.
//
// Index 0 is the least noisy step; clean data is t = -1 with abar = 1.  alpha = sqrt(abar) and sigma =
// sqrt(1 - abar) are standard deviations: x_t = alpha x_0 + sigma eps.  Papers disagree on the letter:
// "alpha" is 1 - beta_t in DDPM and abar in DDIM; here it is always sqrt(abar).  Nothing in this file is
// random.
#ifndef TILT_SCHEDULE_H
#define TILT_SCHEDULE_H

#include <math.h>

#include "../core/base.h"
#include "../core/elementary.h"

typedef struct {
    int T;        // number of noise levels
    double *abar; // T numbers in [0, 1], falling
} Schedule;

// ---- helpers of one abar ----------------------------------------------------------------------------------

// Dies unless 0 <= abar <= 1; a NaN dies too.  Outside that range a square root below would be NaN, silently.
static inline void require_abar(double abar, const char *who) {
    if (!(abar >= 0 && abar <= 1)) {
        DIE("%s: abar = %g is not in [0, 1]; pass the cumulative product, not beta or log-SNR", who, abar);
    }
}

// alpha = sqrt(abar), sigma = sqrt(1 - abar): the coefficients of x_0 and of eps in x_t.
static inline double alpha_of(double abar) {
    require_abar(abar, "alpha_of");
    return sqrt(abar);
}

static inline double sigma_of(double abar) {
    require_abar(abar, "sigma_of");
    return sqrt(1 - abar);
}

// SNR = abar / (1 - abar) = exp(2 lambda).  Infinite for clean data.
static inline double snr_of(double abar) {
    require_abar(abar, "snr_of");
    return abar == 1 ? HUGE_VAL : abar / (1 - abar);
}

// lambda = log(alpha / sigma), HALF the log-SNR.  +infinity for clean data, -infinity at abar = 0.
static inline double half_logsnr_of(double abar) {
    require_abar(abar, "half_logsnr_of");
    return 0.5 * (e_log(abar) - e_log1p(-abar)); // e_log(0) = -infinity gives both ends
}

// The inverse: abar = sigmoid(2 lambda).
static inline double abar_of_half_logsnr(double lambda) {
    return e_sigmoid(2 * lambda);
}

// ---- schedules of T steps ---------------------------------------------------------------------------------

// T levels, not yet filled.  Free with schedule_free.
static inline Schedule schedule_new(int T) {
    Schedule s;
    if (T < 1) {
        DIE("schedule: T = %d steps; at least 1 is needed", T);
    }
    s.T = T;
    s.abar = NEW(double, (size_t)T);
    return s;
}

static inline void schedule_free(Schedule *s) {
    free(s->abar);
    s->abar = NULL;
    s->T = 0;
}

// abar_t, with clean data at t = -1.
static inline double schedule_abar(const Schedule *s, int t) {
    if (t < -1 || t >= s->T) {
        DIE("schedule_abar: t = %d, but this schedule has the indices -1 (clean data) .. %d", t, s->T - 1);
    }
    return t == -1 ? 1 : s->abar[t];
}

// beta_t = 1 - abar_t / abar_{t-1}: the part of the variance that step t replaces by noise.
static inline double schedule_beta(const Schedule *s, int t) {
    double before = schedule_abar(s, t - 1);
    return 1 - schedule_abar(s, t) / before;
}

// Variance of q(x_{t-1} | x_t, x_0): beta_t (1 - abar_{t-1}) / (1 - abar_t); 0 at t = 0.
static inline double schedule_posterior_var(const Schedule *s, int t) {
    return schedule_beta(s, t) * (1 - schedule_abar(s, t - 1)) / (1 - schedule_abar(s, t));
}

// abar_t = abar_{t-1} (1 - beta_t), the only place where the product is taken.
static inline void schedule_put_beta(Schedule *s, int t, double beta_t) {
    if (!(beta_t > 0 && beta_t < 1)) {
        DIE("schedule: beta_%d = %g is not in (0, 1); change the end points of the schedule", t, beta_t);
    }
    s->abar[t] = schedule_abar(s, t - 1) * (1 - beta_t);
}

// i / (T-1), running over [0, 1] with both ends included; 0 when there is only one step.
static inline double schedule_fraction(int i, int T) {
    return T == 1 ? 0 : (double)i / (T - 1);
}

// F: fwd.sched     linear, scaled-linear and cosine schedules of T steps                       [chapter 2]
//   linear:         beta_i = beta_first + (beta_last - beta_first) i/(T-1)
//   scaled-linear:  sqrt(beta_i) runs linearly between the square roots of the ends
//   cosine:         f(u) = cos^2(pi/2 (u+s)/(1+s)),   beta_i = min(1 - f((i+1)/T) / f(i/T), beta_cap)
//   abar_t = prod_{i<=t} (1 - beta_i).   beta: dimensionless, per step.   s: offset, 0.008 in the paper
//   limits: abar falls strictly.  The cap changes only the last beta of the cosine schedule; there abar is
//   the product of the capped factors and NOT f((t+1)/T) / f(0).
//   source: Ho et al. 2020, arXiv 2006.11239; Nichol and Dhariwal 2021, arXiv 2102.09672 (cosine)
//   check: closed form of the cosine half way; log1p sums of beta; golden sched.linear sched.cosine
static inline Schedule schedule_linear(int T, double beta_first, double beta_last) {
    Schedule s = schedule_new(T);
    for (int i = 0; i < T; i++) {
        schedule_put_beta(&s, i, beta_first + (beta_last - beta_first) * schedule_fraction(i, T));
    }
    return s;
}

// The schedule of Stable Diffusion: linear in sqrt(beta).
static inline Schedule schedule_scaled_linear(int T, double beta_first, double beta_last) {
    if (!(beta_first > 0 && beta_last > 0)) {
        DIE("schedule_scaled_linear: beta from %g to %g; both ends must be positive", beta_first, beta_last);
    }
    Schedule s = schedule_new(T);
    double root_first = sqrt(beta_first);
    double root_last = sqrt(beta_last);
    for (int i = 0; i < T; i++) {
        double root = root_first + (root_last - root_first) * schedule_fraction(i, T);
        schedule_put_beta(&s, i, root * root);
    }
    return s;
}

// f(u) of the cosine schedule.  cos(pi/2 (u+s)/(1+s)) = sin(pi/2 (1-u)/(1+s)): the sine has no cancellation
// at u = 1.
static inline double cosine_signal(double u, double s) {
    double y = e_sin(PI / 2 * (1 - u) / (1 + s));
    return y * y;
}

static inline Schedule schedule_cosine(int T, double s, double beta_cap) {
    if (!(s >= 0 && beta_cap > 0 && beta_cap < 1)) {
        DIE("schedule_cosine: s = %g, cap = %g; need s >= 0 and 0 < cap < 1, e.g. 0.008, 0.999", s, beta_cap);
    }
    Schedule out = schedule_new(T);
    for (int i = 0; i < T; i++) {
        double beta = 1 - cosine_signal((i + 1) / (double)T, s) / cosine_signal(i / (double)T, s);
        schedule_put_beta(&out, i, fmin(beta, beta_cap));
    }
    return out;
}

// F: fwd.zsnr      rescaling to zero terminal SNR                                              [chapter 2]
//   r_t = sqrt(abar_t),   r_t <- (r_t - r_{T-1}) r_0 / (r_0 - r_{T-1}),   abar_t = r_t^2
//   limits: abar_0 is unchanged, abar_{T-1} is exactly 0 and beta_{T-1} exactly 1.  At abar = 0 eps says
//   nothing about x_0 (division by alpha = 0): predict v there.
//   source: Lin et al. 2023, arXiv 2305.08891
//   check: both ends exact; order kept; golden sched.zero_snr
static inline Schedule schedule_zero_snr(const Schedule *old) {
    double first = sqrt(old->abar[0]);
    double last = sqrt(old->abar[old->T - 1]);
    if (!(first > last)) {
        DIE("schedule_zero_snr: abar from %g to %g; at least two falling levels are needed", old->abar[0],
            old->abar[old->T - 1]);
    }
    Schedule s = schedule_new(old->T);
    s.abar[0] = old->abar[0];
    for (int t = 1; t < s.T; t++) {
        double root = (sqrt(old->abar[t]) - last) * first / (first - last);
        s.abar[t] = root * root;
    }
    return s;
}

// A schedule whose half log-SNR is linear in the index: every step divides the ratio sigma/alpha by the same
// factor.  lambda_first (index 0, least noise) > lambda_last; 5 to -5 runs from almost clean to almost noise.
static inline Schedule schedule_logsnr(int T, double lambda_first, double lambda_last) {
    if (!(lambda_first > lambda_last || T == 1)) {
        DIE("schedule_logsnr: half log-SNR from %g to %g; it must fall (index 0: least noise)", lambda_first,
            lambda_last);
    }
    Schedule s = schedule_new(T);
    for (int i = 0; i < T; i++) {
        double lambda = lambda_first + (lambda_last - lambda_first) * schedule_fraction(i, T);
        s.abar[i] = abar_of_half_logsnr(lambda);
    }
    return s;
}

// Dies when x_{T-1} still remembers the data: sampling starts from N(0, I), so alpha_{T-1} must be small.
// A schedule tuned for 1000 steps and used with 50 fails here; no sampler can repair that mismatch.
static inline void schedule_require_noise(const Schedule *s, double alpha_limit) {
    double alpha = alpha_of(schedule_abar(s, s->T - 1));
    if (!(alpha <= alpha_limit)) {
        DIE("schedule: alpha_T = %g > %g, the last level is not pure noise; use more steps or larger beta", alpha,
            alpha_limit);
    }
}

typedef enum { SPACING_LEADING, SPACING_LINSPACE, SPACING_TRAILING } Spacing;

// F: sched.spacing which n of the T indices a short sampler visits, noisiest first             [chapter 4]
//   leading:  i floor(T/n)                  trailing: round(T - i T/n) - 1
//   linspace: round(i (T-1)/(n-1))          i = 0 .. n-1, then sorted to fall
//   limits: n = T visits every index once.  Leading with n < T never visits T-1: wrong starting level.
//   source: Lin et al. 2023, arXiv 2305.08891
//   check: n = T; first and last entry; strictly falling
static inline void schedule_spacing(int *steps, Spacing spacing, int n, int T) {
    if (n < 1 || n > T) {
        DIE("schedule_spacing: %d of %d steps wanted; need 1 <= n <= T", n, T);
    }
    for (int i = 0; i < n; i++) { // j counts from the clean side
        int j = n - 1 - i;
        if (spacing == SPACING_LEADING) {
            steps[i] = j * (T / n);
        } else if (spacing == SPACING_LINSPACE) {
            // A single step has no spacing; it must start from the noisiest level.
            steps[i] = n == 1 ? T - 1 : (int)floor(j * (double)(T - 1) / (n - 1) + 0.5);
        } else {
            steps[i] = (int)floor(T - i * (double)T / n + 0.5) - 1;
        }
    }
}

// ---- continuous paths, t in [0, 1] with data at t = 0 -----------------------------------------------------

// F: fwd.vp        variance-preserving path                                                    [chapter 2]
//   beta(t) = beta_min + t (beta_max - beta_min),   log alpha = -t^2 (beta_max - beta_min)/4 - t beta_min/2
//   sigma^2 = 1 - alpha^2.   beta: rate per unit time, usually 0.1 to 20.  Not the discrete linear schedule.
//   inverse:  t = 2 L / (beta_min + sqrt(beta_min^2 + 2 (beta_max - beta_min) L)),  L = softplus(-2 lambda)
//   limits: t = 0: alpha = 1.  sigma^2 by expm1, for 1 - exp() loses every digit at small t.
//   source: Song et al. 2021, arXiv 2011.13456, eq. (11)
//   check: d log alpha/dt = -beta(t)/2; t(lambda(t)) = t; golden fwd.vp
static inline double vp_log_alpha(double t, double beta_min, double beta_max) {
    if (!(t >= 0)) {
        DIE("vp: t = %g; time runs from 0 (data) to 1 (noise)", t);
    }
    return -t * t * (beta_max - beta_min) / 4 - t * beta_min / 2;
}

static inline double vp_beta(double t, double beta_min, double beta_max) {
    return beta_min + t * (beta_max - beta_min);
}

static inline double vp_alpha(double t, double beta_min, double beta_max) {
    return e_exp(vp_log_alpha(t, beta_min, beta_max));
}

static inline double vp_sigma(double t, double beta_min, double beta_max) {
    return sqrt(-e_expm1(2 * vp_log_alpha(t, beta_min, beta_max)));
}

// lambda = log(alpha / sigma); +infinity at t = 0.
static inline double vp_half_logsnr(double t, double beta_min, double beta_max) {
    double log_alpha = vp_log_alpha(t, beta_min, beta_max);
    return t == 0 ? HUGE_VAL : log_alpha - 0.5 * e_log(-e_expm1(2 * log_alpha));
}

// The time at which the half log-SNR is lambda.
static inline double vp_time(double lambda, double beta_min, double beta_max) {
    double L = e_softplus(-2 * lambda);
    return 2 * L / (beta_min + sqrt(beta_min * beta_min + 2 * (beta_max - beta_min) * L));
}

// F: fwd.ve        variance-exploding path: x_t = x_0 + sigma(t) eps                           [chapter 2]
//   sigma(t) = sigma_min (sigma_max/sigma_min)^t,   g^2 = d sigma^2/dt = 2 sigma^2 log(sigma_max/sigma_min)
//   limits: sigma(0) = sigma_min, sigma(1) = sigma_max.  The SDE started at t = 0 has the variance
//   sigma^2(t) - sigma_min^2; practice ignores the second term.
//   source: Song et al. 2021, arXiv 2011.13456, eq. (9)
//   check: finite difference of sigma^2; golden fwd.ve
static inline double ve_sigma(double t, double sigma_min, double sigma_max) {
    return sigma_min * e_pow(sigma_max / sigma_min, t);
}

static inline double ve_g2(double t, double sigma_min, double sigma_max) {
    double sigma = ve_sigma(t, sigma_min, sigma_max);
    return 2 * sigma * sigma * e_log(sigma_max / sigma_min);
}

// F: fwd.subvp     sub-VP path: alpha of VP, less noise                                        [chapter 2]
//   std = 1 - alpha_VP^2 (a standard deviation: sigma_VP squared, not its root)
//   g^2 = beta(t) (1 - exp(-2 int_0^t beta)),   int_0^t beta = -2 log alpha_VP
//   limits: std <= sigma_VP with equality at t = 0 and t -> infinity
//   source: Song et al. 2021, arXiv 2011.13456, eq. (12)
//   check: variance ODE dV/dt = -beta V + g^2; golden fwd.subvp
static inline double subvp_std(double t, double beta_min, double beta_max) {
    return -e_expm1(2 * vp_log_alpha(t, beta_min, beta_max));
}

static inline double subvp_g2(double t, double beta_min, double beta_max) {
    return vp_beta(t, beta_min, beta_max) * -e_expm1(4 * vp_log_alpha(t, beta_min, beta_max));
}

// F: fwd.flow      rectified flow: x_t = (1-t) x_0 + t eps, data at t = 0                      [chapter 4]
//   alpha = 1 - t,  sigma = t,  lambda = log((1-t)/t)
//   time shift:  t' = s t / (1 + (s-1) t),  lambda' = lambda - log s.   s > 1 spends more steps on noise
//   limits: shifts compose: s1 then s2 is s1 s2; s = 1 is the identity; t = 0 and t = 1 stay.
//   source: Liu et al. 2022, arXiv 2209.03003; Lipman et al. 2022, arXiv 2210.02747 (noise at t = 0 there)
//   check: composition of shifts; lambda' = lambda - log s; golden fwd.flow
static inline double flow_half_logsnr(double t) {
    if (!(t >= 0 && t <= 1)) {
        DIE("flow_half_logsnr: t = %g is not in [0, 1]", t);
    }
    return e_log1p(-t) - e_log(t); // e_log(0) = -infinity gives both ends
}

static inline double flow_shift(double t, double s) {
    if (!(s > 0 && t >= 0 && t <= 1)) {
        DIE("flow_shift: t = %g, s = %g; need t in [0, 1] and s > 0", t, s);
    }
    return s * t / (1 + (s - 1) * t);
}

#endif
