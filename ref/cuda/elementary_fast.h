// elementary_fast.h: exp, log, cos and normal noise of ref/core/elementary.h and rng.h for a GPU, with the same bits.
//
// The same + - * / in double, each rounded on its own (add_rounded, times_rounded); division and square root are
// rounded exactly by the hardware.  tests/emulate_fused.cpp compares with the originals bit by bit; build that test
// without contraction, or a compiler with fused instructions changes the originals.
#ifndef TILT_ELEMENTARY_FAST_H
#define TILT_ELEMENTARY_FAST_H

#include "../core/rng.h"
#include "device_extra.h"

// p z + c, the step of every polynomial here.
__device__ __forceinline__ double fast_horner(double p, double z, double c) {
    return add_rounded(times_rounded(p, z), c);
}

// x - n c.
__device__ __forceinline__ double fast_reduce(double x, double n, double c) {
    return add_rounded(x, -times_rounded(n, c));
}

// x rounded to an integer.
__device__ __forceinline__ double fast_round(double x) {
    return add_rounded(add_rounded(x, ROUND_MAGIC), -ROUND_MAGIC);
}

// e^x for |x| < 700.
__device__ __forceinline__ double fast_e_exp(double x) {
    double n = fast_round(times_rounded(x, LOG2_E)), r = fast_reduce(fast_reduce(x, n, LN2_HI), n, LN2_LO);
    double p = fast_horner(1.0 / 87178291200.0, r, 1.0 / 6227020800.0), series;
    int64_t k = (int64_t)n, half = k / 2;
    p = fast_horner(p, r, 1.0 / 479001600.0);
    p = fast_horner(p, r, 1.0 / 39916800.0);
    p = fast_horner(p, r, 1.0 / 3628800.0);
    p = fast_horner(p, r, 1.0 / 362880.0);
    p = fast_horner(p, r, 1.0 / 40320.0);
    p = fast_horner(p, r, 1.0 / 5040.0);
    p = fast_horner(p, r, 1.0 / 720.0);
    p = fast_horner(p, r, 1.0 / 120.0);
    p = fast_horner(p, r, 1.0 / 24.0);
    p = fast_horner(p, r, 1.0 / 6.0);
    p = fast_horner(p, r, 0.5);
    series = add_rounded(r, times_rounded(times_rounded(r, r), p));
    p = times_rounded(add_rounded(1.0, series), double_of_bits((uint64_t)(half + 1023) << 52));
    return times_rounded(p, double_of_bits((uint64_t)(k - half + 1023) << 52));
}

// log x of a normal positive number.
__device__ __forceinline__ double fast_e_log(double x) {
    uint64_t bits = bits_of_double(x);
    double k = (double)((int64_t)(bits >> 52) - 1023), s, z, p, m;
    m = double_of_bits((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    k = m > 1.41421356237309515 ? k + 1 : k;
    m = m > 1.41421356237309515 ? 0.5 * m : m;
    s = (m - 1.0) / (m + 1.0);
    z = times_rounded(s, s);
    p = fast_horner(1.0 / 23, z, 1.0 / 21);
    p = fast_horner(p, z, 1.0 / 19);
    p = fast_horner(p, z, 1.0 / 17);
    p = fast_horner(p, z, 1.0 / 15);
    p = fast_horner(p, z, 1.0 / 13);
    p = fast_horner(p, z, 1.0 / 11);
    p = fast_horner(p, z, 1.0 / 9);
    p = fast_horner(p, z, 1.0 / 7);
    p = fast_horner(p, z, 1.0 / 5);
    p = fast_horner(p, z, 1.0 / 3);
    p = add_rounded(times_rounded(times_rounded(times_rounded(2.0, s), z), p), times_rounded(k, LN2_LO));
    return add_rounded(times_rounded(k, LN2_HI), add_rounded(times_rounded(2.0, s), p));
}

// x^y for x > 0.
__device__ __forceinline__ double fast_e_pow(double x, double y) {
    return fast_e_exp(times_rounded(y, fast_e_log(x)));
}

// sin and cos for |r| <= pi/4.
__device__ __forceinline__ double fast_sin_series(double r) {
    double z = times_rounded(r, r), p = fast_horner(1.0 / 355687428096000.0, z, -1.0 / 1307674368000.0);
    p = fast_horner(p, z, 1.0 / 6227020800.0);
    p = fast_horner(p, z, -1.0 / 39916800.0);
    p = fast_horner(p, z, 1.0 / 362880.0);
    p = fast_horner(p, z, -1.0 / 5040.0);
    p = fast_horner(p, z, 1.0 / 120.0);
    p = fast_horner(p, z, -1.0 / 6.0);
    return add_rounded(r, times_rounded(times_rounded(r, z), p));
}

__device__ __forceinline__ double fast_cos_series(double r) {
    double z = times_rounded(r, r), p = fast_horner(-1.0 / 6402373705728000.0, z, 1.0 / 20922789888000.0);
    p = fast_horner(p, z, -1.0 / 87178291200.0);
    p = fast_horner(p, z, 1.0 / 479001600.0);
    p = fast_horner(p, z, -1.0 / 3628800.0);
    p = fast_horner(p, z, 1.0 / 40320.0);
    p = fast_horner(p, z, -1.0 / 720.0);
    p = fast_horner(p, z, 1.0 / 24.0);
    return add_rounded(add_rounded(1.0, -times_rounded(0.5, z)), times_rounded(times_rounded(z, z), p));
}

// cos(2 pi u) for u in [0, 1).
__device__ __forceinline__ double fast_cos_turn(double u) {
    double n = fast_round(times_rounded(4.0, u)), r = times_rounded(fast_reduce(u, 0.25, n), 2 * PI);
    double c = fast_cos_series(r), s = fast_sin_series(r), v = n == 1.0 ? -s : n == 3.0 ? s : c;
    return n == 2.0 ? -c : v;
}

// cos x for |x| <= 1e5.
__device__ __forceinline__ double fast_e_cos(double x) {
    double n = fast_round(times_rounded(x, 0.63661977236758134308)), r;
    int64_t quarter = 1 + (int64_t)n;
    r = fast_reduce(fast_reduce(fast_reduce(x, n, 1.57079632673412561417e+00), n, 6.07710050630396597660e-11), n,
                    2.02226624879595063154e-21);
    r = quarter & 1 ? fast_cos_series(r) : fast_sin_series(r);
    return quarter & 2 ? -r : r;
}

// ---- noise as a function of (seed, stream, index), as in rng.h ----------------------------------------------------

__host__ __device__ __forceinline__ uint64_t fast_rng_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// The word of `index`; key = rng_key(seed, stream), which the host works out.
__device__ __forceinline__ uint64_t fast_rng_bits(uint64_t key, uint64_t index) {
    return fast_rng_mix(key + (index + 1) * RNG_STEP);
}

__device__ __forceinline__ double fast_rng_uniform(uint64_t key, uint64_t index) {
    return times_rounded(add_rounded((double)(fast_rng_bits(key, index) >> 12), 0.5), 1.0 / 4503599627370496.0);
}

__device__ __forceinline__ double fast_rng_normal(uint64_t key, uint64_t index) {
    uint64_t w = fast_rng_bits(key, index);
    double u = times_rounded(add_rounded((double)(uint32_t)(w >> 32), 0.5), 1.0 / 4294967296.0);
    double radius2 = times_rounded(-2.0, fast_e_log(u));
    return times_rounded(sqrt(radius2), fast_cos_turn(times_rounded((double)(uint32_t)w, 1.0 / 4294967296.0)));
}

#endif
