// guarded.h: arrays with a fence of known numbers on both sides, so that a test sees a write beside the array.
#ifndef TILT_GUARDED_H
#define TILT_GUARDED_H

#include "../ref/core/rng.h"
#include "harness.h"

enum { FENCE = 40 };

// n numbers, all 1e3 (garbage for whatever is to be written), between two fences.
static inline real *guarded_new(size_t n) {
    real *p = NEW(real, n + 2 * FENCE);
    size_t i;
    for (i = 0; i < n + 2 * FENCE; i++) {
        p[i] = 1000;
    }
    return p + FENCE;
}

// n standard normal numbers of a stream, between two fences.
static inline real *guarded_normal(size_t n, uint64_t stream) {
    real *p = guarded_new(n);
    rng_fill_normal(p, n, 1, stream, 0);
    return p;
}

// Checks the fences and frees.
static inline void guarded_free(real *p, size_t n) {
    size_t i, broken = 0;
    for (i = 0; i < FENCE; i++) {
        broken += p[-1 - (ptrdiff_t)i] != 1000 || p[n + i] != 1000;
    }
    CHECK(broken == 0, "%zu numbers beside an array of %zu were written", broken, n);
    free(p - FENCE);
}

// The largest |a - b| divided by the largest |b|; infinite where one is not a number.
static inline double worst(const real *a, const real *b, size_t n) {
    double most = 0, size = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        double away = fabs((double)a[i] - (double)b[i]);
        if (!(away < INFINITY)) {
            return INFINITY;
        }
        most = away > most ? away : most;
        size = fabs((double)b[i]) > size ? fabs((double)b[i]) : size;
    }
    return size > 0 ? most / size : INFINITY; // 0 = 0 proves nothing
}

static inline int same(const real *a, const real *b, size_t n) {
    return memcmp(a, b, n * sizeof(real)) == 0;
}

#endif
