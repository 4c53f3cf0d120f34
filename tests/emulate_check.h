// emulate_check.h: what the tests of the fast kernels share: repeatable numbers, memory between guards, relative errors
// in float64, and a hash of every result, so that two orders of the emulated threads can be compared bit by bit.
// C++11.  With TILT_STOP in the environment the first failure ends the program.
#ifndef TILT_EMULATE_CHECK_H
#define TILT_EMULATE_CHECK_H

#include "../ref/cuda/device.h"

static int checks_passed, checks_failed;
static uint32_t checks_hash = 2166136261u, checks_seed = 12345;

static inline void check(bool good, const char *what, double number) {
    printf("  %-66s %9.2e  %s\n", what, number, good ? "ok" : "FAIL");
    good ? checks_passed++ : checks_failed++;
    if (!good && getenv("TILT_STOP") != NULL) {
        exit(1);
    }
}

// About normal, deviation 0.58.
static inline float check_number() {
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        checks_seed = checks_seed * 1664525u + 1013904223u;
        sum += (float)(checks_seed >> 8) / 16777216.f - 0.5f;
    }
    return sum;
}

static inline float check_value(float x) {
    return x;
}
static inline float check_value(bf16 x) {
    return to_float(x);
}
static inline void check_set(float *x, float value) {
    *x = value;
}
static inline void check_set(bf16 *x, float value) {
    *x = to_bf16(value);
}

// n numbers between two guards of NaN: what is read outside spoils the result, what is written outside is seen.
template <class T> struct Numbers {
    static const size_t GUARD = 256;
    std::vector<unsigned char> memory;
    T *p;
    size_t n;
    // scale 0: the numbers are NaN
    explicit Numbers(size_t count = 0, float scale = 0) : n(count) {
        memory.assign((n + 2 * GUARD) * sizeof(T) + 16, 0xff);
        p = place();
        for (size_t i = 0; i < n && scale != 0; i++) {
            check_set(p + i, scale * check_number());
        }
    }
    Numbers(const Numbers &) = delete;
    Numbers &operator=(const Numbers &) = delete;
    T *place() {
        uintptr_t first = (uintptr_t)memory.data();
        return (T *)(memory.data() + (16 - first % 16) % 16) + GUARD;
    }
    bool guarded() const {
        const unsigned char *begin = (const unsigned char *)p - GUARD * sizeof(T);
        const unsigned char *end = (const unsigned char *)(p + n);
        for (size_t i = 0; i < GUARD * sizeof(T); i++) {
            if (begin[i] != 0xff || end[i] != 0xff) {
                return false;
            }
        }
        return true;
    }
    std::vector<double> values() const {
        std::vector<double> v(n);
        for (size_t i = 0; i < n; i++) {
            v[i] = check_value(p[i]);
        }
        return v;
    }
};

// |got - want| / |want| below the limit: NaN in got, zeros in want and a broken guard fail.
template <class T>
static inline void check_close(const char *what, const Numbers<T> &got, const std::vector<double> &want, double limit) {
    double error = 0, size = 0;
    for (size_t i = 0; i < want.size(); i++) {
        double e = check_value(got.p[i]) - want[i];
        error += e * e;
        size += want[i] * want[i];
    }
    const unsigned char *byte = (const unsigned char *)got.p;
    for (size_t i = 0; i < got.n * sizeof(T); i++) {
        checks_hash = (checks_hash ^ byte[i]) * 16777619u;
    }
    double relative = got.n == want.size() ? sqrt(error / size) : INFINITY;
    check(relative < limit && got.guarded(), what, relative);
}

static inline int check_report(const char *name) {
    printf("hash %08x\n%s: %d passed, %d failed\n", checks_hash, name, checks_passed, checks_failed);
    return checks_failed != 0 || checks_passed == 0;
}

#endif
