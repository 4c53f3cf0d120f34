// guided_line.h: guidance where everything is known: p(x|c) = N(0, 1) and p(x) = N(0, 2) on a line.
//
// Both noised laws are Gaussian, both denoisers linear, so is the guided one; the chain keeps a Gaussian a Gaussian.
// Its variance is computed twice: from samples, and by the recursion that the steps apply to a variance.
#ifndef TILT_GUIDED_LINE_H
#define TILT_GUIDED_LINE_H

#include "../../ref/core/rng.h"
#include "../../ref/formula/guidance.h"
#include "../../ref/formula/sampler.h"
#include "../../ref/formula/schedule.h"

#define GUIDED_LINE_UNCOND 2.0 // variance of p(x); that of p(x|c) is 1
#define GUIDED_LINE_NOISE 5.0  // the chain runs from half log-SNR -5 to 5

typedef struct {
    double variance, se; // of n samples
    double exact;        // what these steps lead to, without samples
} GuidedLine;

// eps of data N(0, v) at this level is slope x.
static inline double guided_line_slope(double abar, double v) {
    return sigma_of(abar) / (abar * v + 1 - abar);
}

// The variance that the guided chain of `steps` levels ends with.  eta = 0: DDIM, an ODE; eta = 1: DDPM, an SDE.
static inline double guided_line_variance(double scale, double eta, int steps) {
    Schedule s = schedule_logsnr(steps, GUIDED_LINE_NOISE, -GUIDED_LINE_NOISE);
    double variance = 1;
    int k;
    for (k = steps - 1; k >= 0; k--) {
        double abar = schedule_abar(&s, k), gain;
        double slope_c = guided_line_slope(abar, 1), slope_u = guided_line_slope(abar, GUIDED_LINE_UNCOND);
        StepCoeffs step = ddim_coeffs(abar, schedule_abar(&s, k - 1), eta);
        gain = step.a + step.b * (slope_u + scale * (slope_c - slope_u));
        variance = gain * gain * variance + step.sigma * step.sigma;
    }
    schedule_free(&s);
    return variance;
}

// The same chain with n samples: denoisers, guidance and steps as for any model.
static inline GuidedLine guided_line(double scale, double eta, int steps, int n, uint64_t seed, uint64_t stream) {
    GuidedLine out = {0, 0, 0};
    Schedule s = schedule_logsnr(steps, GUIDED_LINE_NOISE, -GUIDED_LINE_NOISE);
    size_t count = (size_t)n;
    real *x = NEW(real, count), *eps = NEW(real, count), *uncond = NEW(real, count), *z = NEW(real, count);
    double square = 0;
    int k, i;
    rng_fill_normal(x, count, seed, stream, 0);
    for (k = steps - 1; k >= 0; k--) {
        double abar = schedule_abar(&s, k);
        double slope_c = guided_line_slope(abar, 1), slope_u = guided_line_slope(abar, GUIDED_LINE_UNCOND);
        StepCoeffs step = ddim_coeffs(abar, schedule_abar(&s, k - 1), eta);
        for (i = 0; i < n; i++) {
            eps[i] = (real)(slope_c * (double)x[i]);
            uncond[i] = (real)(slope_u * (double)x[i]);
        }
        cfg_combine(eps, uncond, eps, scale, count);
        rng_fill_normal(z, count, seed, stream, (uint64_t)(k + 1) * count);
        step_sample(x, &step, x, eps, z, count);
    }
    for (i = 0; i < n; i++) {
        double y = (double)x[i] * (double)x[i];
        out.variance += y / n;
        square += y * y / n;
    }
    out.se = sqrt((square - out.variance * out.variance) / n);
    out.exact = guided_line_variance(scale, eta, steps);
    free(x);
    free(eps);
    free(uncond);
    free(z);
    schedule_free(&s);
    return out;
}

#endif
