// test_kernel_metrics.c: MMD against plain sums, expectations over samples, and a quadrature that knows no formula for
// the kernel means of a mixture.
#include "death.h"
#include "small_mixture.h"

#include "../ref/formula/kernel_metrics.h"

enum { STREAM_POINT = 1, STREAM_P, STREAM_Q };

static uint64_t counter;

static void fill(real *x, int n, double shift) {
    rng_fill_normal(x, (size_t)n, 8, STREAM_POINT, counter);
    counter += (uint64_t)n;
    for (int i = 0; i < n; i++) {
        x[i] += (real)shift;
    }
}

static void mixtures(Gmm *p, Gmm *q) {
    static const double w_q[2] = {0.35, 0.65}, mu_q[4] = {-0.2, 0.9, 0.8, 0.1};
    static const double cov_q[8] = {0.6, -0.2, -0.2, 0.4, 0.1, 0.02, 0.02, 0.3};
    *p = mixture_a();
    *q = gmm_new(2);
    memcpy(q->w, w_q, sizeof w_q);
    memcpy(q->mu, mu_q, sizeof mu_q);
    memcpy(q->cov, cov_q, sizeof cov_q);
}

static double rbf(const real *a, const real *b, int D, double h) {
    double square = 0;
    for (int d = 0; d < D; d++) {
        square += pow((double)a[d] - (double)b[d], 2);
    }
    return exp(-square / (2 * h * h));
}

static void test_sums(void) {
    enum { N = 7, M = 5, D = 3 };
    real x[N * D], y[M * D], all[(N + M) * D];
    double h = 0.9, u, v, sum_u = 0, sum_v = 0, k;
    fill(x, N * D, 0);
    fill(y, M * D, 0.5);
    memcpy(all, x, sizeof x);
    memcpy(all + N * D, y, sizeof y);
    for (int i = 0; i < N + M; i++) { // one loop over all ordered pairs, each with its weight
        for (int j = 0; j < N + M; j++) {
            k = rbf(all + i * D, all + j * D, D, h);
            if ((i < N) != (j < N)) {
                sum_u -= k / (N * M);
                sum_v -= k / (N * M);
            } else {
                int size = i < N ? N : M;
                sum_u += i == j ? 0 : k / (size * (size - 1));
                sum_v += k / (size * size);
            }
        }
    }
    mmd2(&u, &v, x, y, N, M, D, h);
    NEAR(u, sum_u, 1e-12, 1e-14);
    NEAR(v, sum_v, 1e-12, 1e-14);
    mmd2(NULL, &v, x, x, N, N, D, h);
    NEAR(v, 0, 0, 1e-15); // V of a sample with itself
    mmd2(&u, NULL, x, x, N, N, D, h);
    CHECK(u < 0, "U of a sample with itself leaves out equal pairs on one side only: %g", u);
    real far[2] = {0, 1000};
    mmd2(NULL, &v, far, far + 1, 1, 1, 1, h); // one point each, far apart: 1 + 1 - 0
    NEAR(v, 2, 1e-15, 0);
}

static void test_median(void) {
    real x[3] = {0, 1, 3}, y[2] = {7, 15}; // distances 1 3 7 15 2 6 14 4 12 8, sorted 1 2 3 4 6 7 8 12 14 15
    NEAR(median_pairwise(x, y, 3, 2, 1), 6.5, 1e-15, 0);
    NEAR(median_pairwise(x, NULL, 3, 0, 1), 2, 1e-15, 0); // 1 2 3: odd
    NEAR(median_pairwise(x, y, 1, 1, 1), 7, 1e-15, 0);
    y[1] = 1e6f;
    NEAR(median_pairwise(x, y, 3, 2, 1), 6.5, 1e-15, 0); // one point far away
    real plane[6] = {0, 0, 3, 4, 0, 0};
    NEAR(median_pairwise(plane, NULL, 3, 0, 2), 5, 1e-15, 0); // 5 0 5
}

// Over repeated samples: U has mean 0 for one law and gmm_mmd2 for two; V is too large by (1 - Ek)/n each.
static void test_expectations(void) {
    enum { N = 12, M = 9, REPEATS = 3000 };
    real x[2 * N], y[2 * M], z[2 * M];
    Gmm p, q;
    mixtures(&p, &q);
    double h = 0.8, kxx, kyy, kxy, sum[5] = {0}, square[5] = {0};
    double exact = gmm_mmd2(&kxx, &kyy, &kxy, &p, &q, h);
    double want[5] = {exact, 0, (1 - kxx) / N + (1 - kyy) / M, exact, 0};
    for (int r = 0; r < REPEATS; r++) {
        double u, v, value[5];
        gmm_sample_many(x, NULL, &p, N, 8, STREAM_P, (uint64_t)r * N);
        gmm_sample_many(z, NULL, &p, M, 8, STREAM_P, (uint64_t)(REPEATS * N + r * M));
        gmm_sample_many(y, NULL, &q, M, 8, STREAM_Q, (uint64_t)r * M);
        mmd2(&u, NULL, x, z, N, M, 2, h);
        value[1] = u;
        mmd2(&u, &v, x, y, N, M, 2, h);
        value[0] = u;
        value[2] = v - u;
        value[3] = mmd2_to_gmm(x, N, &q, h);
        value[4] = mmd2_to_gmm(y, M, &q, h);
        for (int k = 0; k < 5; k++) {
            sum[k] += value[k] / REPEATS;
            square[k] += value[k] * value[k] / REPEATS;
        }
    }
    for (int k = 0; k < 5; k++) {
        AGREES(sum[k], sqrt((square[k] - sum[k] * sum[k]) / REPEATS), want[k]);
    }
    // With the exact mixture on one side the estimate is less noisy than with a second sample.
    CHECK(square[3] - sum[3] * sum[3] < square[0] - sum[0] * sum[0], "no gain from the exact side");
    gmm_free(&p);
    gmm_free(&q);
}

// E k(X,Y) = 2 pi h^2 int p_h(z) q_h(z) dz, where p_h is p with noise of variance h^2/2: a quadrature over z.
static double kernel_mean_by_quadrature(const Gmm *p, const Gmm *q, double h) {
    Gmm a = gmm_copy(p), b = gmm_copy(q);
    double sum = 0, step = 0.2 * h; // a third of the narrowest width, out to 14 h
    gmm_noised(&a, p, 1, h / sqrt(2));
    gmm_noised(&b, q, 1, h / sqrt(2));
    for (double i = -70; i <= 70; i++) {
        for (double j = -70; j <= 70; j++) {
            double z[2] = {i * step, j * step};
            sum += exp(gmm_logp(&a, z) + gmm_logp(&b, z)) * step * step;
        }
    }
    gmm_free(&a);
    gmm_free(&b);
    return 2 * PI * h * h * sum;
}

static void test_closed_form(void) {
    enum { PAIRS = 40000 };
    Gmm p, q;
    double kxx, kyy, kxy, mean = 0, square = 0;
    mixtures(&p, &q);
    for (int k = 0; k < 3; k++) {
        double h = k == 0 ? 0.5 : k == 1 ? 1 : 2.5;
        double value = gmm_mmd2(&kxx, &kyy, &kxy, &p, &q, h);
        NEAR(kxy, kernel_mean_by_quadrature(&p, &q, h), 1e-9, 0);
        NEAR(kxx, kernel_mean_by_quadrature(&p, &p, h), 1e-9, 0);
        NEAR(kyy, kernel_mean_by_quadrature(&q, &q, h), 1e-9, 0);
        NEAR(value, kxx + kyy - 2 * kxy, 1e-14, 1e-16);
        NEAR(gmm_mmd2(NULL, NULL, NULL, &q, &p, h), value, 1e-13, 0);
        NEAR(gmm_mmd2(NULL, NULL, NULL, &p, &p, h), 0, 0, 1e-15);
    }
    double m_p[2], m_q[2], cov[4], h = 1e3; // a wide kernel sees the means only
    gmm_moments(m_p, cov, &p);
    gmm_moments(m_q, cov, &q);
    double gap = pow(m_p[0] - m_q[0], 2) + pow(m_p[1] - m_q[1], 2);
    NEAR(gmm_mmd2(NULL, NULL, NULL, &p, &q, h) * h * h, gap, 1e-4, 0);
    CHECK(gmm_mmd2(NULL, NULL, NULL, &p, &q, 1e-3) < 1e-5, "a kernel without width sees nothing");
    for (int i = 0; i < PAIRS; i++) { // pairs drawn from both
        double a[2], b[2], k;
        gmm_sample(a, &p, 8, STREAM_P, 1000000 + (uint64_t)i);
        gmm_sample(b, &q, 8, STREAM_Q, 1000000 + (uint64_t)i);
        k = exp(-(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2)) / 2);
        mean += k / PAIRS;
        square += k * k / PAIRS;
    }
    gmm_mmd2(NULL, NULL, &kxy, &p, &q, 1);
    AGREES(mean, sqrt((square - mean * mean) / PAIRS), kxy);
    gmm_free(&p);
    gmm_free(&q);
}

static void test_kid(void) {
    enum { N = 8, D = 4, REPEATS = 2000 };
    real x[4] = {1, 0, 0, 2}, y[4] = {1, 1, -1, 0}; // n = 2, D = 2: k = (a.b/2 + 1)^3, by hand
    // x1.x2 = 0, y1.y2 = -1;  x.y: 1, -1, 2, 0
    double want = 1 + 0.125 - 2 * (pow(1.5, 3) + pow(0.5, 3) + pow(2, 3) + 1) / 4;
    NEAR(kid(x, y, 2, 2, 2), want, 1e-13, 0);
    real a[N * D], b[N * D], doubled_a[2 * N * D], doubled_b[2 * N * D];
    double mean = 0, square = 0;
    for (int r = 0; r < REPEATS; r++) {
        fill(a, N * D, 0.3);
        fill(b, N * D, 0.3);
        double value = kid(a, b, N, N, D);
        mean += value / REPEATS;
        square += value * value / REPEATS;
    }
    AGREES(mean, sqrt((square - mean * mean) / REPEATS), 0);
    for (int i = 0; i < N; i++) { // every feature twice: divided by D, nothing changes
        for (int d = 0; d < 2 * D; d++) {
            doubled_a[i * 2 * D + d] = a[i * D + d / 2];
            doubled_b[i * 2 * D + d] = b[i * D + d / 2];
        }
    }
    NEAR(kid(doubled_a, doubled_b, N, N, 2 * D), kid(a, b, N, N, D), 1e-11, 1e-12);
}

static void test_refusals(void) {
    real x[4] = {0, 1, 2, 3};
    double u;
    Gmm p, q;
    mixtures(&p, &q);
    DIES("h = 0", mmd2(&u, NULL, x, x, 2, 2, 1, 0));
    DIES("two on each side", mmd2(&u, NULL, x, x, 1, 2, 1, 1));
    DIES("two on each side", kid(x, x, 2, 1, 1));
    DIES("needs two", median_pairwise(x, NULL, 1, 0, 1));
    DIES("width h = -1", gmm_mmd2(NULL, NULL, NULL, &p, &q, -1));
    DIES("1 points", mmd2_to_gmm(x, 1, &p, 1));
    gmm_free(&p);
    gmm_free(&q);
}

int main(void) {
    test_sums();
    test_median();
    test_expectations();
    test_closed_form();
    test_kid();
    test_refusals();
    return report("test_kernel_metrics");
}
