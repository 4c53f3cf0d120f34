// harness.h: the one test harness.  CHECK(condition, "numbers that explain it"), NEAR(got, want, rel, abs), and at
// the end `return report("name");`, which prints `name: N passed, M failed` and fails when nothing was checked.
// With TILT_STOP in the environment the first failure ends the program: a mutant is dead after one wound.
#ifndef TILT_HARNESS_H
#define TILT_HARNESS_H

#include <math.h>

#include "../ref/core/base.h"

static size_t checks_passed, checks_failed;

#define CHECK(condition, ...)                                           \
    do {                                                                \
        if (condition) {                                                \
            checks_passed++;                                            \
        } else {                                                        \
            checks_failed++;                                            \
            printf("%s:%d: FAIL %s  ", __FILE__, __LINE__, #condition); \
            printf(__VA_ARGS__);                                        \
            putchar('\n');                                              \
            if (getenv("TILT_STOP") != NULL) {                          \
                exit(1);                                                \
            }                                                           \
        }                                                               \
    } while (0)

// |got - want| <= abs + rel |want|; written so that a NaN on either side fails.
static inline int is_near(double got, double want, double rel, double abs_) {
    return fabs(got - want) <= abs_ + rel * fabs(want);
}

#define NEAR(got, want, rel, abs_) \
    CHECK(is_near((got), (want), (rel), (abs_)), "got %.17g, want %.17g (%s)", (double)(got), (double)(want), #got)

// A sampled mean agrees with an exact value when it lies within 4 standard errors of it.
#define AGREES(mean, stderr_, exact)                                                                                \
    CHECK((stderr_) > 0 && fabs((mean) - (exact)) < 4 * (stderr_), "mean %.6g +- %.2g, exact %.6g", (double)(mean), \
          (double)(stderr_), (double)(exact))

// |got - want| / |want| over n numbers; NaN, which no comparison accepts, when want is zero.
static inline double relative_error(const real *got, const real *want, size_t n) {
    double d = 0, s = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        d += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        s += (double)want[i] * (double)want[i];
    }
    return sqrt(d / s);
}

static inline int report(const char *name) {
    printf("%s: %zu passed, %zu failed\n", name, checks_passed, checks_failed);
    return checks_failed != 0 || checks_passed == 0;
}

// ---- gradient check ----------------------------------------------------------------------------------------------

// Is g the gradient of loss(user) in p[0..n-1]?  Central difference along one fixed pseudo-random direction; only
// meaningful with -Dreal=double.  It also fails when the directional derivative is (nearly) zero: 0 = 0 proves nothing.
// `rel` is the accepted relative error; 1e-5 unless a comment gives the measured error and the reason.
static inline int gradient_ok(double (*loss)(void *), void *user, real *p, const real *g, size_t n, double rel) {
    const double h = 1e-5;
    double analytic = 0, up, down, numeric;
    uint64_t s;
    size_t i;
    real *kept = NEW(real, n);
    real *dir = NEW(real, n);
    memcpy(kept, p, n * sizeof(real));
    s = 0x9e3779b97f4a7c15u;
    for (i = 0; i < n; i++) { // a xorshift direction in [-1,1]: independent of the generator under test
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        dir[i] = (real)((double)(s >> 11) / 4503599627370496.0 - 1.0);
        analytic += (double)g[i] * (double)dir[i];
    }
    for (i = 0; i < n; i++) {
        p[i] = (real)(kept[i] + h * dir[i]);
    }
    up = loss(user);
    for (i = 0; i < n; i++) {
        p[i] = (real)(kept[i] - h * dir[i]);
    }
    down = loss(user);
    memcpy(p, kept, n * sizeof(real));
    free(kept);
    free(dir);
    numeric = (up - down) / (2 * h);
    if (!(fabs(numeric - analytic) <= rel * (fabs(numeric) + fabs(analytic))) || !(fabs(analytic) > 1e-7)) {
        printf("  gradient: analytic %.12g, numeric %.12g\n", analytic, numeric);
        return 0;
    }
    return 1;
}

#endif
