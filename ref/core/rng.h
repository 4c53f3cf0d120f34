// rng.h: noise is a function of (seed, stream, index), not a state.
//
// Any order, any thread count, any split of a batch draws the same numbers, and two methods that ask for the same
// (stream, index) share their noise.  The generator is splitmix64 read at a position (Steele, Lea and Flood 2014,
// "Fast splittable pseudorandom number generators"): stream (0,0) is the published sequence of seed 0, which begins
// e220a8397b1dcdaf 6e789e6aa1b965f4 06c45d188009454f (checked by tests/test_core.c).
// Give every use its own stream number; a chapter lists its streams in one enum.
#ifndef TILT_RNG_H
#define TILT_RNG_H

#include "elementary.h"

#define RNG_STEP 0x9e3779b97f4a7c15u // 2^64 / golden ratio, odd

// A bijection of 64-bit words that flips about half the bits for every input bit (the splitmix64 finaliser).
static inline uint64_t rng_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t rng_key(uint64_t seed, uint64_t stream) {
    return rng_mix(seed * RNG_STEP + stream);
}

// 64 uniform bits.
static inline uint64_t rng_bits(uint64_t seed, uint64_t stream, uint64_t i) {
    return rng_mix(rng_key(seed, stream) + (i + 1) * RNG_STEP);
}

// Uniform in the open interval (0,1): 2^53 equally spaced values, never 0 or 1.
static inline double rng_uniform(uint64_t seed, uint64_t stream, uint64_t i) {
    return ((double)(rng_bits(seed, stream, i) >> 12) + 0.5) * (1.0 / 4503599627370496.0);
}

// Box-Muller from the two halves of one word; |z| < 6.77.
static inline double rng_normal_of_bits(uint64_t w) {
    double radius2 = -2.0 * log_normal(((double)(uint32_t)(w >> 32) + 0.5) * (1.0 / 4294967296.0));
    return sqrt(radius2) * cos_turn((double)(uint32_t)w * (1.0 / 4294967296.0));
}

// Standard normal.
static inline double rng_normal(uint64_t seed, uint64_t stream, uint64_t i) {
    return rng_normal_of_bits(rng_bits(seed, stream, i));
}

// Uniform integer 0..n-1, 0 < n <= 2^32.  The bias is below n / 2^32.
static inline uint64_t rng_below(uint64_t seed, uint64_t stream, uint64_t i, uint64_t n) {
    return ((rng_bits(seed, stream, i) >> 32) * n) >> 32;
}

// out[j] = normal(seed, stream, first + j), j = 0..n-1.
static inline void rng_fill_normal(real *out, size_t n, uint64_t seed, uint64_t stream, uint64_t first) {
    uint64_t key = rng_key(seed, stream);
    size_t chunk = 4096, chunks = (n + chunk - 1) / chunk, q;
    OMP(parallel for schedule(static) if (chunks > 4))
    for (q = 0; q < chunks; q++) {
        size_t end = (q + 1) * chunk < n ? (q + 1) * chunk : n, j;
        for (j = q * chunk; j < end; j++) {
            out[j] = (real)rng_normal_of_bits(rng_mix(key + (first + j + 1) * RNG_STEP));
        }
    }
}

// A uniformly random order of 0..n-1 (Fisher-Yates), n <= 2^32.
static inline void rng_permutation(uint32_t *perm, size_t n, uint64_t seed, uint64_t stream) {
    size_t i;
    for (i = 0; i < n; i++) {
        size_t j = (size_t)rng_below(seed, stream, i, i + 1);
        perm[i] = perm[j];
        perm[j] = (uint32_t)i;
    }
}

#endif
