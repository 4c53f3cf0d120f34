// test_eigen.c: eigenvalues against their definition A v = lambda v, closed forms, and the 2 x 2 formula.
#include "../ref/core/eigen.h"
#include "../ref/core/linalg.h"
#include "../ref/core/rng.h"
#include "harness.h"

enum { MAX = 24 };

// A v = lambda v for every pair, the vectors orthonormal, the values sorted, their sum the trace.
static void check_pairs(const double *A, const double *lambda, const double *vec, int n) {
    double worst = 0, trace = 0, sum = 0, scale = 0;
    for (int i = 0; i < n * n; i++) {
        scale = fmax(scale, fabs(A[i]));
    }
    for (int k = 0; k < n; k++) {
        for (int i = 0; i < n; i++) {
            double Av = 0, dot = 0;
            for (int j = 0; j < n; j++) {
                Av += A[i * n + j] * vec[k * n + j];
                dot += vec[k * n + j] * vec[i * n + j];
            }
            worst = fmax(worst, fabs(Av - lambda[k] * vec[k * n + i]));
            worst = fmax(worst, scale * fabs(dot - (i == k)));
        }
        CHECK(k == 0 || lambda[k] >= lambda[k - 1], "not sorted at %d", k);
        trace += A[k * n + k];
        sum += lambda[k];
    }
    CHECK(worst <= 1e-13 * scale * n, "n = %d: residual %g of %g", n, worst, scale);
    NEAR(sum, trace, 0, 1e-13 * scale * n);
}

int main(void) {
    static double A[MAX * MAX], vec[MAX * MAX], lambda[MAX], again[MAX];
    uint64_t at = 0;
    for (int n = 1; n <= MAX; n++) {
        for (int i = 0; i < n; i++) {
            for (int j = 0; j <= i; j++) {
                A[i * n + j] = A[j * n + i] = rng_normal(5, 1, at++);
            }
        }
        CHECK(eig_symmetric(lambda, vec, A, n) == 0, "n = %d", n);
        check_pairs(A, lambda, vec, n);
        CHECK(eig_symmetric(again, NULL, A, n) == 0, "n = %d", n);
        for (int k = 0; k < n; k++) {
            NEAR(again[k], lambda[k], 0, 0); // the vectors change no eigenvalue
        }
        if (n == 2) {
            double two[2];
            eig2(two, NULL, A);
            NEAR(lambda[0], two[0], 1e-13, 0);
            NEAR(lambda[1], two[1], 1e-13, 0);
        }
    }
    int n = 20; // the second difference: 2 - 2 cos(k pi / (n+1))
    memset(A, 0, sizeof A);
    for (int i = 0; i < n; i++) {
        A[i * n + i] = 2;
        if (i > 0) {
            A[i * n + i - 1] = A[(i - 1) * n + i] = -1;
        }
    }
    eig_symmetric(lambda, vec, A, n);
    check_pairs(A, lambda, vec, n);
    for (int k = 0; k < n; k++) {
        NEAR(lambda[k], 2 - 2 * cos((k + 1) * PI / (n + 1)), 1e-12, 0);
    }
    for (int i = 0; i < n * n; i++) { // rank one: all eigenvalues 0 but one, |a|^2
        A[i] = (1 + i / n) * (1 + i % n);
    }
    eig_symmetric(lambda, vec, A, n);
    check_pairs(A, lambda, vec, n);
    NEAR(lambda[n - 1], n * (n + 1) * (2 * n + 1) / 6.0, 1e-14, 0);
    for (int k = 0; k < n - 1; k++) {
        NEAR(lambda[k], 0, 0, 1e-12 * lambda[n - 1]);
    }
    memset(A, 0, sizeof A); // nothing to do: zero, and a diagonal with equal entries and a huge spread
    CHECK(eig_symmetric(lambda, vec, A, 5) == 0 && lambda[0] == 0 && lambda[4] == 0, "zero matrix");
    for (int i = 0; i < 4; i++) {
        A[i * 4 + i] = i < 2 ? 1e-200 : 1e140;
    }
    CHECK(eig_symmetric(lambda, vec, A, 4) == 0, "spread");
    CHECK(lambda[0] == 1e-200 && lambda[1] == 1e-200 && lambda[3] == 1e140, "a diagonal is its own answer");
    A[1] = NAN;
    CHECK(eig_symmetric(lambda, vec, A, 4) == 1, "NaN accepted");
    A[1] = INFINITY;
    CHECK(eig_symmetric(lambda, vec, A, 4) == 1, "infinity accepted");
    return report("test_eigen");
}
