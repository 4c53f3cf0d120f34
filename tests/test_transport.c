// test_transport.c: Wasserstein distances against all n! assignments, dual prices, integrals and closed forms.
#include "death.h"

#include "../ref/core/linalg.h"
#include "../ref/core/rng.h"
#include "../ref/formula/transport.h"

enum { STREAM_COST = 1, STREAM_POINT };

static uint64_t counter;

static void fill(real *x, int n, double shift) {
    rng_fill_normal(x, (size_t)n, 6, STREAM_POINT, counter);
    counter += (uint64_t)n;
    for (int i = 0; i < n; i++) {
        x[i] += (real)shift;
    }
}

// Smallest total over all n! assignments of rows row.. to the columns that are not used.
static double cheapest(const double *cost, int n, int row, int used) {
    double best = INFINITY;
    if (row == n) {
        return 0;
    }
    for (int j = 0; j < n; j++) {
        if (!(used >> j & 1)) {
            best = fmin(best, cost[row * n + j] + cheapest(cost, n, row + 1, used | 1 << j));
        }
    }
    return best;
}

// Is match a permutation, and do the prices prove that it is the cheapest one?
static void check_proof(const double *cost, const int *match, const double *u, const double *v, double total, int n) {
    double prices = 0, worst = 0, matched = 0, scale = 0;
    int *seen = NEW(int, (size_t)n), all = 1;
    for (int i = 0; i < n; i++) {
        all &= match[i] >= 0 && match[i] < n && !seen[match[i]]++;
        prices += u[i] + v[i];
        matched = fmax(matched, fabs(cost[i * n + match[i]] - u[i] - v[match[i]]));
        for (int j = 0; j < n; j++) {
            worst = fmax(worst, u[i] + v[j] - cost[i * n + j]);
            scale = fmax(scale, fabs(cost[i * n + j]));
        }
    }
    CHECK(all, "n = %d: not a permutation", n);
    CHECK(worst <= 1e-12 * scale && matched <= 1e-12 * scale, "n = %d: prices above a cost by %g, slack %g", n, worst,
          matched);
    NEAR(prices, total, 0, 1e-12 * scale * n);
    free(seen);
}

static void test_assignment(void) {
    enum { LARGE = 150 };
    static double cost[LARGE * LARGE], u[LARGE], v[LARGE];
    static int match[LARGE];
    for (int n = 1; n <= 7; n++) {
        for (int trial = 0; trial < 12; trial++) {
            for (int i = 0; i < n * n; i++) {
                cost[i] = rng_normal(6, STREAM_COST, counter++);
                cost[i] = trial % 3 == 0 ? floor(3 * cost[i]) : cost[i]; // whole numbers: many ties
            }
            double total = assignment(match, u, v, cost, n);
            NEAR(total, cheapest(cost, n, 0, 0), 1e-13, 1e-13);
            check_proof(cost, match, u, v, total, n);
        }
    }
    for (int i = 0; i < LARGE * LARGE; i++) { // far too many permutations; the prices prove it
        cost[i] = rng_uniform(6, STREAM_COST, counter++) * (i % 2 ? 1 : 100);
    }
    check_proof(cost, match, u, v, assignment(match, u, v, cost, LARGE), LARGE);
    double greedy = 0; // taking the cheapest free column in turn is dearer
    memset(u, 0, sizeof u);
    for (int i = 0; i < LARGE; i++) {
        int best = -1;
        for (int j = 0; j < LARGE; j++) {
            best = u[j] == 0 && (best < 0 || cost[i * LARGE + j] < cost[i * LARGE + best]) ? j : best;
        }
        u[best] = 1;
        greedy += cost[i * LARGE + best];
    }
    double total = assignment(match, NULL, NULL, cost, LARGE);
    CHECK(total < greedy, "cheapest %g, greedy %g", total, greedy);
}

static void test_samples(void) {
    enum { N = 7, D = 3 };
    real x[N * D], y[N * D];
    double cost[N * N], tol = sizeof(real) == 8 ? 1e-12 : 1e-5;
    for (int trial = 0; trial < 5; trial++) {
        fill(x, N * D, 0);
        fill(y, N * D, 0.4);
        for (int p = 1; p <= 3; p++) {
            for (int i = 0; i < N * N; i++) {
                double square = 0;
                for (int d = 0; d < D; d++) {
                    square += pow((double)x[i / N * D + d] - (double)y[i % N * D + d], 2);
                }
                cost[i] = pow(sqrt(square), p);
            }
            NEAR(wasserstein(x, y, N, D, p), pow(cheapest(cost, N, 0, 0) / N, 1.0 / p), 1e-12, 0);
        }
        double w1 = wasserstein(x, y, N, D, 1), w2 = wasserstein(x, y, N, D, 2), w3 = wasserstein(x, y, N, D, 3);
        CHECK(w1 < w2 && w2 < w3, "W_p grows with p: %g %g %g", w1, w2, w3);
        NEAR(wasserstein(y, x, N, D, 2), w2, 1e-12, 0);
        NEAR(wasserstein(x, x, N, D, 2), 0, 0, 0);
        for (int i = 0; i < N * D; i++) { // a shift by (0.3, -0.2, 0.6) moves every point by 0.7
            y[i] = (real)((double)x[N * D - D * (1 + i / D) + i % D] + (i % D == 0 ? 0.3 : i % D == 1 ? -0.2 : 0.6));
        }
        for (int p = 1; p <= 4; p++) { // y also has the opposite order, which must not matter
            NEAR(wasserstein(x, y, N, D, p), 0.7, tol, 0);
        }
    }
}

static void test_line(void) {
    enum { N = 6, M = 4, ALL = 12 };
    real x[N], y[M], long_x[ALL], long_y[ALL], same[N];
    for (int trial = 0; trial < 10; trial++) {
        fill(x, N, 0);
        fill(y, M, 0.5);
        fill(same, N, 0.2);
        for (int i = 0; i < ALL; i++) {
            long_x[i] = x[i % N];
            long_y[i] = y[i % M];
        }
        for (int p = 1; p <= 3; p++) { // each point 2 and 3 times: equal sizes, any assignment solver will do
            NEAR(wasserstein_line(x, N, y, M, p), wasserstein(long_x, long_y, ALL, 1, p), 1e-12, 0);
            NEAR(wasserstein_line(x, N, long_y, ALL, p), wasserstein_line(x, N, y, M, p), 1e-12, 0);
            NEAR(wasserstein_line(x, N, same, N, p), wasserstein(x, same, N, 1, p), 1e-12, 0);
            NEAR(wasserstein_line(y, M, x, N, p), wasserstein_line(x, N, y, M, p), 1e-13, 0);
        }
        NEAR(wasserstein_line(x, N, same, N, 1), wasserstein1(x, same, N), 1e-13, 0);
        double area = 0, step = 1e-3; // p = 1: the area between the distribution functions
        for (double at = -8 + step / 2; at < 8; at += step) {
            double F = 0, G = 0;
            for (int i = 0; i < N; i++) {
                F += (double)x[i] <= at ? 1.0 / N : 0;
            }
            for (int j = 0; j < M; j++) {
                G += (double)y[j] <= at ? 1.0 / M : 0;
            }
            area += fabs(F - G) * step;
        }
        NEAR(wasserstein_line(x, N, y, M, 1), area, 0, 2e-3);
    }
    real one = 2, many[5] = {1, 1, 1, 1, 1}; // a single point: the mean distance to it
    NEAR(wasserstein_line(&one, 1, x, N, 1) * N,
         fabs(2.0 - (double)x[0]) + fabs(2.0 - (double)x[1]) + fabs(2.0 - (double)x[2]) + fabs(2.0 - (double)x[3]) +
             fabs(2.0 - (double)x[4]) + fabs(2.0 - (double)x[5]),
         1e-13, 0);
    NEAR(wasserstein_line(many, 5, &one, 1, 2.5), 1, 1e-14, 0);
    NEAR(wasserstein_line(many, 5, many, 3, 2.5), 0, 0, 0);
}

static void test_gaussian(void) {
    enum { D = 5 };
    double zero[D] = {0}, m[D] = {0.5, -1, 0, 2, 0.1}, A[D * D], B[D * D];
    for (int trial = 0; trial < 20; trial++) { // 2 x 2: tr (AB)^(1/2) = sqrt( tr AB + 2 sqrt det AB )
        double L[8], C1[4], C2[4];
        for (int i = 0; i < 8; i++) {
            L[i] = rng_normal(6, STREAM_COST, counter++);
        }
        for (int i = 0; i < 4; i++) {
            C1[i] = L[i / 2 * 2] * L[i % 2 * 2] + L[i / 2 * 2 + 1] * L[i % 2 * 2 + 1];
            C2[i] = L[4 + i / 2 * 2] * L[4 + i % 2 * 2] + L[5 + i / 2 * 2] * L[5 + i % 2 * 2];
        }
        double trace = C1[0] * C2[0] + C1[1] * C2[2] + C1[2] * C2[1] + C1[3] * C2[3];
        double want = 1.25 + C1[0] + C1[3] + C2[0] + C2[3] - 2 * sqrt(trace + 2 * sqrt(det2(C1) * det2(C2)));
        NEAR(gaussian_w2_squared(m, C1, zero, C2, 2), want, 1e-10, 1e-12);
        NEAR(gaussian_w2_squared(zero, C2, m, C1, 2), want, 1e-10, 1e-12);
        NEAR(gaussian_w2_squared(m, C1, zero, C1, 2), 1.25, 1e-11, 1e-11); // equal widths: the shift alone
    }
    memset(A, 0, sizeof A);
    memset(B, 0, sizeof B);
    double want = 0;
    for (int i = 0; i < D; i++) { // independent coordinates: (m - m')^2 + (s - s')^2 of each; one width is 0
        A[i * D + i] = i * i;
        B[i * D + i] = 4;
        want += m[i] * m[i] + (i - 2.0) * (i - 2.0);
    }
    NEAR(gaussian_w2_squared(m, A, zero, B, D), want, 1e-13, 0);
    double a[D] = {1, 2, 0, -1, 0.5}, b[D] = {0.3, -1, 2, 0, 1};
    double dot = 0, aa = 0, bb = 0;
    for (int i = 0; i < D; i++) { // both of rank one: the root has the trace |a.b|
        dot += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
        for (int j = 0; j < D; j++) {
            A[i * D + j] = a[i] * a[j];
            B[i * D + j] = b[i] * b[j];
        }
    }
    // Singular covariances have a rounding of 1e-16 under a root: 1e-8 is left of it.
    NEAR(gaussian_w2_squared(zero, A, zero, B, D), aa + bb - 2 * fabs(dot), 0, 1e-6);
    NEAR(gaussian_w2_squared(zero, A, zero, A, D), 0, 0, 1e-6);
}

// Samples of two Gaussians: their exact transport comes near the closed form, from above; and two samples of one law
// are not at distance 0.
static void test_large_samples(void) {
    enum { N = 256, REPEATS = 12 };
    static real x[2 * N], y[2 * N];
    double m1[2] = {0, 0}, C1[4] = {1, 0, 0, 1}, m2[2] = {3, 0}, C2[4] = {4, 0, 0, 0.25}, mean[3] = {0}, got = 0;
    double exact = sqrt(gaussian_w2_squared(m1, C1, m2, C2, 2));
    NEAR(exact, sqrt(9 + 1 + 0.25), 1e-13, 0);
    for (int k = 0; k < 3; k++) {
        fill(x, 2 * N, 0);
        fill(y, 2 * N, 0);
        for (int i = 0; i < N; i++) {
            y[2 * i] = (real)(3 + 2 * (double)y[2 * i]);
            y[2 * i + 1] = (real)(0.5 * (double)y[2 * i + 1]);
        }
        got += wasserstein(x, y, N, 2, 2) / 3;
    }
    NEAR(got, exact, 0.05, 0);
    for (int k = 0; k < 3; k++) { // n = 16, 64, 256
        int n = 16 << 2 * k;
        for (int r = 0; r < (k < 2 ? 4 * REPEATS : REPEATS / 4); r++) {
            fill(x, 2 * n, 0);
            fill(y, 2 * n, 0);
            mean[k] += wasserstein(x, y, n, 2, 2) / (k < 2 ? 4 * REPEATS : REPEATS / 4);
        }
    }
    for (int k = 0; k < 2; k++) { // the rate n^(-1/2) would give 2; logarithms make it a little slower
        double ratio = mean[k] / mean[k + 1];
        CHECK(ratio > 1.4 && ratio < 2.2, "W2 of one law: %g, then %g with four times the points", mean[k],
              mean[k + 1]);
    }
}

static void test_refusals(void) {
    double bad[4] = {1, NAN, 2, 3}, minus[4] = {1, 0, 0, -1}, good[4] = {1, 0, 0, 1}, m[2] = {0, 0};
    int match[2];
    real x[2] = {0, 1};
    DIES("finite", assignment(match, NULL, NULL, bad, 2));
    DIES("p >= 1", wasserstein(x, x, 2, 1, 0.5));
    DIES("p >= 1", wasserstein_line(x, 2, x, 2, 0.5));
    DIES("0 points", wasserstein(x, x, 0, 1, 2));
    DIES("0 and 2 points", wasserstein_line(x, 0, x, 2, 1));
    DIES("not a covariance", gaussian_w2_squared(m, minus, m, good, 2));
    DIES("not a covariance", gaussian_w2_squared(m, good, m, minus, 2));
    DIES("not a covariance", gaussian_w2_squared(m, bad, m, good, 2));
}

int main(void) {
    test_assignment();
    test_samples();
    test_line();
    test_gaussian();
    test_large_samples();
    test_refusals();
    return report("test_transport");
}
