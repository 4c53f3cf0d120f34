// guidance.h: classifier-free guidance: a prompt, exaggerated.  ONE convention: eps_u + s (eps_c - eps_u).
//
// s = 0 is the unconditional model, s = 1 the conditional one, s > 1 goes beyond it.  Papers that write
// (1 + w) eps_c - w eps_u mean s = 1 + w: cfg_scale_of_w turns theirs into ours, and nothing else here takes a w.
// The rule is affine, so it reads the same on eps, score, x_0, v and u; after clipping x_0 it does not.
#ifndef TILT_GUIDANCE_H
#define TILT_GUIDANCE_H

#include "forward.h"

// F: cfg.eps       classifier-free guidance                                                      [chapter 5]
//   eps = eps_u + s (eps_c - eps_u),   eps_u: the null prompt, eps_c: the prompt, n numbers each
//   the other convention: (1 + w) eps_c - w eps_u,   s = 1 + w
//   limits: s = 0: eps_u, s = 1: eps_c, both to the last bit.   s and w name different things at the same number
//   source: Ho and Salimans 2022, arXiv 2207.12598 (with w); Nichol et al. 2021, arXiv 2112.10741 (with s)
//   check: both limits exactly; the conventions agree at s = 1 + w; affine on eps, x_0, v; golden cfg.eps
static inline void cfg_combine(real *out, const real *eps_u, const real *eps_c, double s, size_t n) {
    real scale = (real)s;
    size_t i;
    for (i = 0; i < n; i++) { // at s = 1 the sum could round; the limit is exact instead.  out may be an input
        out[i] = s == 1 ? eps_c[i] : eps_u[i] + scale * (eps_c[i] - eps_u[i]);
    }
}

// From the w of the other convention to the s of ours, and back.
static inline double cfg_scale_of_w(double w) {
    return 1 + w;
}

static inline double cfg_w_of_scale(double s) {
    return s - 1;
}

// The other convention, written out: (1 + w) eps_c - w eps_u.  For comparison only.
static inline void cfg_combine_w(real *out, const real *eps_u, const real *eps_c, double w, size_t n) {
    combine(out, 1 + w, eps_c, -w, eps_u, n);
}

// F: negprompt cfg.negprompt  a negative prompt takes the place of the null prompt             [chapter 5]
//   eps = eps_neg + s (eps_pos - eps_neg)
//   limits: s = 1: the negative prompt has no effect at all.   eps_neg of the null prompt: cfg.eps
//   It does not sample p(x|pos)^s / p(x|neg)^(s-1), for the reason of cfg.counterexample
//   source: community practice; huggingface/diffusers pipelines put it in the unconditional slot
//   check: the null prompt recovers cfg.eps; s = 1; golden cfg.eps
static inline void cfg_negative(real *out, const real *eps_neg, const real *eps_pos, double s, size_t n) {
    cfg_combine(out, eps_neg, eps_pos, s, n);
}

// F: cfg.interval  guidance in the middle of the noise levels only                               [chapter 5]
//   scale s for sigma_low < sigma <= sigma_high, else 1;   sigma: VE noise level sigma_t / alpha_t
//   limits: an empty interval is the conditional model, (0, infinity] is cfg.eps at every noisy level
//   source: Kynkaanniemi et al. 2024, arXiv 2404.07724
//   check: both limits; both ends of the interval
static inline double cfg_interval_scale(double sigma, double sigma_low, double sigma_high, double s) {
    if (!(sigma >= 0 && sigma_low >= 0)) {
        DIE("cfg_interval_scale: sigma = %g, interval from %g; noise levels are not negative", sigma, sigma_low);
    }
    return sigma > sigma_low && sigma <= sigma_high ? s : 1;
}

// Standard deviation of the n numbers of one sample around their own mean (divided by n).
static inline double cfg_std(const real *x, size_t n) {
    double mean = 0, square = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        mean += (double)x[i] / (double)n;
    }
    for (i = 0; i < n; i++) {
        square += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    }
    return sqrt(square);
}

// F: cfg.rescale   give a guided prediction back the spread of the conditional one               [chapter 5]
//   x <- x ( phi std(x_c)/std(x) + 1 - phi ),   std over all n numbers of ONE sample
//   limits: phi = 0: nothing happens.   phi = 1: the spread is that of x_c.   In the plane (n = 2) std means nothing
//   source: Lin et al. 2023, arXiv 2305.08891
//   check: phi = 0 and 1; halfway
static inline void cfg_rescale(real *out, const real *guided, const real *cond, double phi, size_t n) {
    double std = cfg_std(guided, n);
    double gain;
    size_t i;
    if (!(phi >= 0 && phi <= 1)) {
        DIE("cfg_rescale: phi = %g is not in [0, 1]", phi);
    }
    if (!(std > 0)) {
        DIE("cfg_rescale: the %zu numbers of the guided sample have spread %g; it cannot be rescaled", n, std);
    }
    gain = phi * cfg_std(cond, n) / std + 1 - phi;
    for (i = 0; i < n; i++) {
        out[i] = (real)(gain * (double)guided[i]);
    }
}

static inline int cfg_ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// F: cfg.dynthresh dynamic thresholding of a predicted x_0                                       [chapter 5]
//   q = quantile of |x_0| over the n numbers of one sample,   s = max(1, q),   x_0 <- clip(x_0, -s, s)/s
//   quantile: linear interpolation at position ratio (n-1) of the sorted numbers.   No upper limit of s
//   limits: q <= 1: plain clipping to [-1, 1].   ratio = 1: the largest number, nothing is cut, all is divided
//   source: Saharia et al. 2022, arXiv 2205.11487
//   check: both limits; order kept; golden cfg.dynthresh
static inline double cfg_dynthresh(real *out, double *quantile, const real *x0, double ratio, size_t n) {
    double *sorted, at, s;
    size_t i, low;
    if (n < 1 || !(ratio >= 0 && ratio <= 1)) {
        DIE("cfg_dynthresh: quantile %g of %zu numbers; need 0 <= ratio <= 1 and a number", ratio, n);
    }
    for (i = 0; i < n; i++) {
        if (!(fabs((double)x0[i]) < HUGE_VAL)) {
            DIE("cfg_dynthresh: number %zu of the sample is %g; look for a division by alpha", i, (double)x0[i]);
        }
    }
    sorted = NEW(double, n);
    for (i = 0; i < n; i++) {
        sorted[i] = fabs((double)x0[i]);
    }
    qsort(sorted, n, sizeof *sorted, cfg_ascending);
    at = ratio * (double)(n - 1);
    low = (size_t)at < n - 1 ? (size_t)at : n - 1;
    *quantile = sorted[low];
    if (low + 1 < n) {
        *quantile += (at - (double)low) * (sorted[low + 1] - sorted[low]);
    }
    free(sorted);
    s = fmax(1, *quantile);
    for (i = 0; i < n; i++) { // the clip is the method, not a repair
        out[i] = (real)(fmin(fmax((double)x0[i], -s), s) / s);
    }
    return s;
}

// F: cfg.counterexample   guidance does not sample p(x)^(1-s) p(x|c)^s                           [chapter 5]
//   p(x|c) = N(0, 1), p(x) = N(0, 2), VE noise from infinity to 0.  Exact denoisers with scale s end at N(0, V):
//   ODE (DDIM, eta = 0):            V = 2^(1-s)
//   SDE (DDPM, eta = 1):            V = (2 - 2^(2-2s)) / (2s - 1)
//   the sharpened conditional:      V = 2/(1 + s)
//   At s = 1 all three are 1; nowhere else do they agree.
//   limits: s = 1/2: the SDE has 2 log 2 by continuity.   s <= -1: the sharpened law does not exist, an error
//   source: statement: Bradley and Nakkiran 2024, arXiv 2408.09000; these variances: own derivation in chapter 5
//   check: variance ODE integrated; sampled with ddim.step in chapter 5; golden cfg.counterexample
static inline double cfg_var_ode(double s) {
    return e_pow(2, 1 - s);
}

static inline double cfg_var_sde(double s) {
    double a = 2 * s - 1;
    const double ln2 = 0.69314718055994530942;
    return a == 0 ? 2 * ln2 : -2 * e_expm1(-a * ln2) / a; // 2 - 2^(2-2s) = 2 (1 - 2^-a)
}

static inline double cfg_var_sharpened(double s) {
    if (!(s > -1)) {
        DIE("cfg_var_sharpened: s = %g; p(x)^(1-s) p(x|c)^s has no finite mass for s <= -1", s);
    }
    return 2 / (1 + s);
}

#endif
