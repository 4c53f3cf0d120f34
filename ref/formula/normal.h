// normal.h: the standard normal density, distribution function and its logarithm.
//
// They serve the probit link of paired comparisons (bradley_terry.h) and the expected maximum of n normal rewards
// (best_of_n.h).  libm's erfc is not used, because its last digit differs between platforms.
// Error of normal_cdf, measured by tests/test_best_of_n.c against erfcl on [-37, 9]: 1e-14 relative near x = -2, where
// 1/2 and the series nearly cancel, and below 2e-15 outside [-2, -1.3].
#ifndef TILT_NORMAL_H
#define TILT_NORMAL_H

#include "../core/elementary.h"

#define LOG_SQRT_2PI 0.91893853320467274178

// e^(-x^2/2) / sqrt(2 pi).  x is split into a short part h (x rounded to 1/16) and a rest, so that h^2 is exact and
// the tail keeps its digits: x^2 = h^2 + (x - h)(x + h).
static inline double normal_pdf(double x) {
    double h = floor(x * 16 + 0.5) / 16;
    return e_exp(-0.5 * h * h) * e_exp(-0.5 * (x - h) * (x + h)) * e_exp(-LOG_SQRT_2PI);
}

// Upper tail over density, (1 - Phi(x)) / phi(x), for x >= 2 (about 1/x), by the continued fraction
// 1/(x + 1/(x + 2/(x + 3/(x + ...)))), evaluated from the far end with 120 levels.
static inline double normal_mills(double x) {
    double f = x;
    int k;
    for (k = 120; k >= 1; k--) {
        f = x + k / f;
    }
    return 1 / f;
}

// Phi(x) - 1/2 = phi(x) (x + x^3/3 + x^5/(3 5) + ...): all terms have the sign of x, so nothing cancels.
// Used for |x| < 2.
static inline double normal_half(double x) {
    double term = x, sum = x;
    int k;
    for (k = 1; k < 200 && fabs(term) > 1e-18 * fabs(sum); k++) {
        term *= x * x / (2 * k + 1);
        sum += term;
    }
    return sum * normal_pdf(x);
}

// Phi(x) = P(z <= x) for z ~ N(0,1).
static inline double normal_cdf(double x) {
    if (x < -2) {
        return normal_pdf(x) * normal_mills(-x);
    }
    if (x < 2) {
        return 0.5 + normal_half(x);
    }
    return 1 - normal_pdf(x) * normal_mills(x);
}

// log Phi(x), finite far into the lower tail (about -x^2/2 - log|x|, where Phi itself underflows).
static inline double normal_log_cdf(double x) {
    if (x < -2) {
        return -0.5 * x * x - LOG_SQRT_2PI + e_log(normal_mills(-x));
    }
    if (x < 2) {
        return e_log(0.5 + normal_half(x));
    }
    return e_log1p(-normal_pdf(x) * normal_mills(x));
}

// phi(x) / Phi(x) = d log Phi / dx, without 0/0 in the lower tail.
static inline double normal_score(double x) {
    return x < -2 ? 1 / normal_mills(-x) : normal_pdf(x) / normal_cdf(x);
}

#endif
