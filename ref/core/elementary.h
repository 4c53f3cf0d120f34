// elementary.h: our own exp, log, sin, cos and what follows from them.
//
// Why not libm: its results differ between platforms in the last digit, and a training run turns one such digit into
// another model.  These functions use only + - * / and integer bit operations, so they give the same bits everywhere
// (build without -ffast-math and without contraction).  Errors, measured against long double by tests/test_core.c:
//   e_exp, e_log, e_expm1, e_log1p, e_tanh   below 2 units in the last place (ulp)
//   e_sin, e_cos                              below 2e-16 absolute for |x| <= 1e5
//   r_exp in float                            below 2 ulp on [-87, 88]; outside it is clamped to the ends
// Special values: e_exp(large) = inf, e_exp(-large) = 0, e_log(0) = -inf, e_log(negative) = NaN, NaN in - NaN out.
#ifndef TILT_ELEMENTARY_H
#define TILT_ELEMENTARY_H

#include <math.h> // INFINITY, NAN, sqrt, fabs, floor: exact or constants

#include "base.h"

typedef union {
    double f;
    uint64_t u;
} DoubleBits;

typedef union {
    float f;
    uint32_t u;
} FloatBits;

#define LOG2_E 1.44269504088896340736
#define LN2_HI 6.93147180369123816490e-01 // 32 leading bits of ln 2, so that n * LN2_HI is exact
#define LN2_LO 1.90821492927058770002e-10
#define ROUND_MAGIC 6755399441055744.0 // 1.5 * 2^52: adding and subtracting it rounds to the nearest integer

// e^r - 1 for |r| <= 0.36, by its Taylor series to r^14 (the next term is below 1e-19).
static inline double expm1_series(double r) {
    double p = 1.0 / 87178291200.0;
    p = p * r + 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    return r + r * r * p;
}

// 2^n for integer n in [-1022, 1023].
static inline double pow2_int(int64_t n) {
    DoubleBits b;
    b.u = (uint64_t)(n + 1023) << 52;
    return b.f;
}

// e^x.  x = n ln 2 + r, |r| <= ln(2)/2.
static inline double e_exp(double x) {
    double n, r;
    int64_t k, half;
    if (x != x) {
        return x;
    }
    if (x > 709.782712893384) {
        return INFINITY;
    }
    if (x < -745.2) {
        return 0;
    }
    n = (x * LOG2_E + ROUND_MAGIC) - ROUND_MAGIC;
    r = (x - n * LN2_HI) - n * LN2_LO;
    k = (int64_t)n;
    half = k / 2; // two factors, because 2^k itself may not be a normal number
    return (1.0 + expm1_series(r)) * pow2_int(half) * pow2_int(k - half);
}

// e^x - 1 without cancellation near 0.
static inline double e_expm1(double x) {
    return fabs(x) < 0.36 ? expm1_series(x) : e_exp(x) - 1.0;
}

// log of a normal positive number: x = 2^k m, m in [1/sqrt 2, sqrt 2), log m = 2 atanh(s), s = (m-1)/(m+1).
static inline double log_normal(double x) {
    DoubleBits b;
    double m, k, s, z, p;
    b.f = x;
    k = (double)((int64_t)(b.u >> 52) - 1023);
    b.u = (b.u & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    m = b.f;
    k = m > 1.41421356237309515 ? k + 1 : k;
    m = m > 1.41421356237309515 ? 0.5 * m : m;
    s = (m - 1.0) / (m + 1.0);
    z = s * s;
    p = 1.0 / 23;
    p = p * z + 1.0 / 21;
    p = p * z + 1.0 / 19;
    p = p * z + 1.0 / 17;
    p = p * z + 1.0 / 15;
    p = p * z + 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    return k * LN2_HI + (2.0 * s + (2.0 * s * z * p + k * LN2_LO));
}

// Natural logarithm.
static inline double e_log(double x) {
    if (!(x > 0)) {
        return x == 0 ? -INFINITY : NAN;
    }
    if (x > 1.7976931348623157e308) {
        return x;
    }
    if (x < 2.2250738585072014e-308) { // subnormal: scale by 2^54
        return log_normal(x * 18014398509481984.0) - 54 * 0.69314718055994530942;
    }
    return log_normal(x);
}

// log(1 + x) without cancellation near 0: the rounding error of u = 1 + x is undone by the factor x / (u - 1).
static inline double e_log1p(double x) {
    double u = 1.0 + x;
    if (!(x > -1)) {
        return x == -1 ? -INFINITY : NAN;
    }
    if (u == 1.0) {
        return x;
    }
    if (u > 1.7976931348623157e308) {
        return u;
    }
    return log_normal(u) * (x / (u - 1.0));
}

// sin and cos for |r| <= pi/4 by Taylor series; the next terms are below 1e-18.
static inline double sin_series(double r) {
    double z = r * r, p = 1.0 / 355687428096000.0;
    p = p * z - 1.0 / 1307674368000.0;
    p = p * z + 1.0 / 6227020800.0;
    p = p * z - 1.0 / 39916800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z - 1.0 / 5040.0;
    p = p * z + 1.0 / 120.0;
    p = p * z - 1.0 / 6.0;
    return r + r * z * p;
}

static inline double cos_series(double r) {
    double z = r * r, p = -1.0 / 6402373705728000.0;
    p = p * z + 1.0 / 20922789888000.0;
    p = p * z - 1.0 / 87178291200.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z - 1.0 / 3628800.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z - 1.0 / 720.0;
    p = p * z + 1.0 / 24.0;
    return 1.0 - 0.5 * z + z * z * p;
}

// sin(x + quarter pi/2): x is reduced by multiples of pi/2 given in three parts (33 + 33 + 53 bits).
static inline double sin_quarter(double x, int64_t quarter) {
    double n, r;
    if (!(fabs(x) < 1e9)) {
        return NAN; // the three-part pi/2 has run out of bits; no caller needs such angles
    }
    n = (x * 0.63661977236758134308 + ROUND_MAGIC) - ROUND_MAGIC;
    r = ((x - n * 1.57079632673412561417e+00) - n * 6.07710050630396597660e-11) - n * 2.02226624879595063154e-21;
    quarter += (int64_t)n;
    r = quarter & 1 ? cos_series(r) : sin_series(r);
    return quarter & 2 ? -r : r;
}

static inline double e_sin(double x) {
    return sin_quarter(x, 0);
}

static inline double e_cos(double x) {
    return sin_quarter(x, 1);
}

// cos(2 pi u) for u in [0,1): the reduction is exact, and without branches, so a loop over it vectorises.
static inline double cos_turn(double u) {
    double n = (4.0 * u + ROUND_MAGIC) - ROUND_MAGIC; // 0..4
    double r = (u - 0.25 * n) * (2 * PI);
    double c = cos_series(r), s = sin_series(r);
    double v = n == 1.0 ? -s : n == 3.0 ? s : c;
    return n == 2.0 ? -c : v;
}

// x^y for x > 0.  The relative error grows with |y log x|: about |y log x| ulp.
static inline double e_pow(double x, double y) {
    return e_exp(y * e_log(x));
}

static inline double e_tanh(double x) {
    double e;
    if (fabs(x) > 20) {
        return x > 0 ? 1.0 : -1.0;
    }
    e = e_expm1(2.0 * x);
    return e / (e + 2.0);
}

// ---- logistic family ---------------------------------------------------------------------------------------------

// 1 / (1 + e^-x), accurate in both tails.
static inline double e_sigmoid(double x) {
    double e = e_exp(-fabs(x));
    return x >= 0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

// log(1 + e^x); never overflows, keeps its digits at x = -800.
static inline double e_softplus(double x) {
    return (x > 0 ? x : 0) + e_log1p(e_exp(-fabs(x)));
}

// log sigmoid(x) = -softplus(-x).  Never write log(sigmoid(x)): it is -inf below x = -745.
static inline double e_log_sigmoid(double x) {
    return -e_softplus(-x);
}

// log sum_i e^(v_i), shifted by the maximum; -inf for n = 0 or all -inf.
static inline double e_logsumexp(const double *v, size_t n) {
    double top = -INFINITY, sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        top = v[i] > top ? v[i] : top;
    }
    if (top == -INFINITY) {
        return top;
    }
    for (i = 0; i < n; i++) {
        sum += e_exp(v[i] - top);
    }
    return top + e_log(sum);
}

// ---- in the precision of the networks ----------------------------------------------------------------------------

// yes ? a : b, chosen by a mask of bits.  Written with ?: and a constant, gcc takes two paths, one of them worked out
// in advance, and does not vectorise the loop around them.
static inline float float_choose(int yes, float a, float b) {
    FloatBits p, q;
    uint32_t mask = 0u - (uint32_t)yes;
    p.f = a;
    q.f = b;
    q.u = (p.u & mask) | (q.u & ~mask);
    return q.f;
}

// e^x in float without branches (a loop over it vectorises); with -Dreal=double it is e_exp.
static inline real r_exp(real x_) {
    float x, n, r, p;
    FloatBits s;
    if (sizeof(real) == sizeof(double)) {
        return (real)e_exp((double)x_);
    }
    x = (float)x_;
    x = float_choose(x < -87.0f, -87.0f, x);
    x = float_choose(x > 88.0f, 88.0f, x);
    s.f = x * 1.44269504f + 12582912.0f; // 1.5 * 2^23: the low bits of s now hold the nearest integer
    n = s.f - 12582912.0f;
    r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = (p * r) * r + r + 1.0f;
    s.u = (s.u + 127u) << 23;
    return (real)(p * s.f);
}

static inline real r_sigmoid(real x) {
    return (real)1 / ((real)1 + r_exp(-x));
}

#endif
