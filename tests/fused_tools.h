// fused_tools.h: what the tests of the fused kernels share: random inputs, poisoned outputs, relative errors against
// float64, and a run in three orders of the threads.
#ifndef TILT_FUSED_TOOLS_H
#define TILT_FUSED_TOOLS_H

#include <vector>

#include "harness.h"

#include "../ref/cuda/device_extra.h"

typedef std::vector<bf16> Halves;
typedef std::vector<float> Floats;
typedef std::vector<double> Doubles;

enum { BF16_OUTPUT, FP32_OUTPUT };

// About normal: a sum of four uniform numbers, variance 1/3.
static inline float draw() {
    static uint32_t state = 12345;
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        state = state * 1664525u + 1013904223u;
        sum += (float)(state >> 8) / 16777216.f - 0.5f;
    }
    return sum;
}

static inline Halves draw_halves(size_t n, float spread = 1, float mean = 0) {
    Halves v(n);
    for (bf16 &e : v) {
        e = to_bf16(mean + spread * draw());
    }
    return v;
}

static inline Floats draw_floats(size_t n, float spread = 1, float mean = 0) {
    Floats v(n);
    for (float &e : v) {
        e = mean + spread * draw();
    }
    return v;
}

static inline void poison(Halves &v, size_t n) {
    v.resize(n);
    for (bf16 &e : v) {
        e.bits = 0x7fc0;
    }
}

static inline void poison(Floats &v, size_t n) {
    v.assign(n, NAN);
}

static inline double value(float x) {
    return x;
}

static inline double value(bf16 x) {
    return to_float(x);
}

template <class V> static inline uint64_t hash_of(const V &v, uint64_t h = HASH_START) {
    return hash_bytes(h, v.data(), v.size() * sizeof v[0]);
}

// |got - want| / |want|; NaN, which no comparison accepts, where want is zero or got has a NaN.
template <class V> static inline double distance(const V &got, const Doubles &want) {
    double d = 0, s = 0;
    for (size_t i = 0; i < want.size(); i++) {
        double e = value(got[i]) - want[i];
        d += e * e;
        s += want[i] * want[i];
    }
    return sqrt(d / s);
}

template <class V> static inline void expect(const char *what, const V &got, const Doubles &want, double limit) {
    double d = distance(got, want);
    bool sizes = got.size() == want.size() && !want.empty();
    printf("  %-66s %.1e\n", what, d);
    CHECK(sizes && d < limit, "%s: %zu numbers for %zu, relative error %.3g, allowed %.1g", what, got.size(),
          want.size(), d, limit);
}

// bf16 outputs: 4e-3, about one rounding; fp32 outputs: 1e-5.
static inline void expect(const char *what, const Halves &got, const Doubles &want) {
    expect(what, got, want, 4e-3);
}

static inline void expect(const char *what, const Floats &got, const Doubles &want) {
    expect(what, got, want, 1e-5);
}

// Runs f, which poisons its outputs, calls the kernels and hashes the outputs, with the threads of a block in order, in
// the opposite order and shuffled: a missing barrier shows as another hash.
template <class F> static inline void in_every_order(const char *what, F f) {
    const char *const order[] = {"1", "7", "0"};
    uint64_t hash[3];
    for (int i = 0; i < 3; i++) {
        setenv("EMU_ORDER", order[i], 1);
        hash[i] = f();
    }
    CHECK(hash[0] == hash[2] && hash[1] == hash[2], "%s depends on the order of the threads", what);
}

#endif
