// test_feature_metrics.c: the Frechet distance by trace and determinant, its bias; the Vendi score at its limits; the
// report of a sample against the exact optimum.
#include "death.h"
#include "small_mixture.h"

#include "../ref/formula/feature_metrics.h"
#include "../ref/formula/alignment_report.h"

enum { STREAM_POINT = 1, STREAM_MIXTURE };

static uint64_t counter;

static void fill(real *x, int n, double shift) {
    rng_fill_normal(x, (size_t)n, 9, STREAM_POINT, counter);
    counter += (uint64_t)n;
    for (int i = 0; i < n; i++) {
        x[i] += (real)shift;
    }
}

// ---- Frechet distance ----------------------------------------------------------------------------------------------

// In the plane, with moments from sums of squares, and tr (AB)^(1/2) = sqrt( tr AB + 2 sqrt det AB ).
static double plane_fid(const real *x, const real *y, int n, int m) {
    double mean[2][2] = {{0}}, cov[2][4] = {{0}};
    for (int side = 0; side < 2; side++) {
        const real *v = side == 0 ? x : y;
        int count = side == 0 ? n : m;
        for (int i = 0; i < count; i++) {
            for (int a = 0; a < 2; a++) {
                mean[side][a] += (double)v[2 * i + a] / count;
                for (int b = 0; b < 2; b++) {
                    cov[side][2 * a + b] += (double)v[2 * i + a] * (double)v[2 * i + b];
                }
            }
        }
        for (int k = 0; k < 4; k++) {
            cov[side][k] = (cov[side][k] - count * mean[side][k / 2] * mean[side][k % 2]) / (count - 1);
        }
    }
    double *A = cov[0], *B = cov[1];
    double trace = A[0] * B[0] + A[1] * B[2] + A[2] * B[1] + A[3] * B[3];
    return pow(mean[0][0] - mean[1][0], 2) + pow(mean[0][1] - mean[1][1], 2) + A[0] + A[3] + B[0] + B[3] -
           2 * sqrt(trace + 2 * sqrt(det2(A) * det2(B)));
}

static void test_fid(void) {
    enum { N = 40, M = 25, REPEATS = 600 };
    real x[2 * N], y[2 * M], z[2 * N], shifted[2 * N];
    double mean[2] = {0};
    for (int trial = 0; trial < 10; trial++) {
        fill(x, 2 * N, 0);
        fill(y, 2 * M, 1);
        for (int i = 0; i < M; i++) {
            y[2 * i] = (real)(0.5 * (double)y[2 * i] + (double)y[2 * i + 1]);
        }
        NEAR(frechet_distance(x, y, N, M, 2), plane_fid(x, y, N, M), 1e-10, 0);
        NEAR(frechet_distance(y, x, M, N, 2), plane_fid(x, y, N, M), 1e-10, 0);
    }
    for (int i = 0; i < 2 * N; i++) {
        shifted[i] = (real)((double)x[i] + (i % 2 ? 3 : -4));
    }
    NEAR(frechet_distance(x, shifted, N, N, 2), 25, 1e-5, 0); // equal covariances: the shift alone
    NEAR(frechet_distance(x, x, N, N, 2), 0, 0, 1e-13);
    // Two moments are all it sees: -1 and 1 with equal chance, and +-2 and 0 with 1/8, 1/8, 3/4.
    real coin[8] = {-1, 1, -1, 1, -1, 1, -1, 1}, rare[8] = {-2, 2, 0, 0, 0, 0, 0, 0};
    NEAR(frechet_distance(coin, rare, 8, 8, 1), 0, 0, 1e-13);
    for (int r = 0; r < REPEATS; r++) { // one law: the distance is not 0; it falls like 1/n
        for (int k = 0; k < 2; k++) {
            fill(x, 2 * N, 0);
            fill(z, 2 * N, 0);
            mean[k] += frechet_distance(x, z, k ? N : N / 2, k ? N : N / 2, 2) / REPEATS;
        }
    }
    CHECK(mean[0] > 1.7 * mean[1] && mean[0] < 2.4 * mean[1] && mean[1] > 0.05, "one law: %g, twice the points %g",
          mean[0], mean[1]);
}

// ---- Vendi score ---------------------------------------------------------------------------------------------------

static void test_vendi(void) {
    enum { N = 12, D = 3 };
    static const double orders[6] = {0.3, 1, 1.5, 2, 7, INFINITY};
    double K[4 * N * N];
    real x[2 * N * D];
    for (int k = 0; k < 6; k++) {
        for (int i = 0; i < N * N; i++) { // all different, all the same, four groups of three
            K[i] = i / N == i % N;
        }
        NEAR(vendi_kernel(K, N, orders[k]), N, 1e-12, 0);
        for (int i = 0; i < N * N; i++) {
            K[i] = 1;
        }
        // Eleven eigenvalues that should be 0 are 1e-17; to the power 0.3 they add a little.
        NEAR(vendi_kernel(K, N, orders[k]), 1, orders[k] < 1 ? 1e-3 : 1e-12, 0);
        for (int i = 0; i < N * N; i++) {
            K[i] = i / N / 3 == i % N / 3;
        }
        NEAR(vendi_kernel(K, N, orders[k]), 4, orders[k] < 1 ? 1e-3 : 1e-12, 0);
    }
    fill(x, N * D, 0);
    memcpy(x + N * D, x, N * D * sizeof(real));
    for (int i = 0; i < 4 * N * N; i++) {
        double square = 0;
        for (int d = 0; d < D; d++) {
            square += pow((double)x[i / (2 * N) * D + d] - (double)x[i % (2 * N) * D + d], 2);
        }
        K[i] = exp(-square / (2 * 0.8 * 0.8));
    }
    double before = INFINITY, frobenius = 0;
    for (int k = 1; k < 6; k++) {
        double score = vendi(x, N, D, 0.8, orders[k]);
        NEAR(vendi(x, 2 * N, D, 0.8, orders[k]), score, 1e-9, 0); // every point twice
        NEAR(vendi_kernel(K, 2 * N, orders[k]), score, 1e-9, 0);  // the kernel written out
        CHECK(score >= 1 && score <= N && score < before, "order %g: %g, before %g", orders[k], score, before);
        before = score;
    }
    for (int i = 0; i < 4 * N * N; i++) { // order 2: sum lambda^2 = sum K_ij^2 / n^2
        frobenius += K[i] * K[i] / (4.0 * N * N);
    }
    NEAR(vendi(x, N, D, 0.8, 2), 1 / frobenius, 1e-12, 0);
    NEAR(vendi(x, N, D, 0.8, 1), vendi(x, N, D, 0.8, 1 + 1e-6), 1e-5, 0); // q = 1 is the limit
    CHECK(vendi(x, N, D, 1e-3, 1) > N - 1e-6 && vendi(x, N, D, 1e4, 1) < 1 + 1e-5, "narrow and wide kernels");
}

// ---- the report ----------------------------------------------------------------------------------------------------

static void test_report(void) {
    enum { N = 20000 };
    static real x[2 * N];
    static double proxy[N], gold[N];
    Gmm p = mixture_a(), tilted = gmm_new(3);
    QuadReward r = {{1.2, 0, 0, 1.2}, {0.6, 0.6}, -0.3}, truth = r;
    double beta = 0.7, share[3], mean[2], cov[4], exact;
    truth.b[0] = 0.2; // the proxy likes the right side too much
    TiltPoint best = gmm_tilt_point(&p, &r, beta);
    for (int k = 0; k < 2; k++) { // samples of p*, then of the reference
        gmm_tilt(&tilted, NULL, &p, &r, beta);
        const Gmm *law = k == 0 ? &tilted : &p;
        gmm_sample_many(x, NULL, law, N, 9, STREAM_MIXTURE, (uint64_t)k * N);
        for (int i = 0; i < N; i++) {
            double point[2] = {(double)x[2 * i], (double)x[2 * i + 1]};
            proxy[i] = quad_reward(&r, point);
            gold[i] = quad_reward(&truth, point);
        }
        double kl = k == 0 ? best.kl : 0;
        AlignmentReport report_ = alignment_report(proxy, gold, N, kl, beta, best.objective, best.e_r);
        gmm_reward_moments(&exact, NULL, law, &r);
        AGREES(report_.mean, report_.se, exact);
        gmm_reward_moments(&exact, NULL, law, &truth);
        AGREES(report_.gold, report_.gold_se, exact);
        AGREES(report_.objective, report_.se, k == 0 ? best.objective : gmm_tilt_point(&p, &r, 1e9).e_r);
        NEAR(report_.gap, best.objective - report_.objective, 1e-13, 1e-13);
        NEAR(report_.below_frontier, best.e_r - report_.mean, 1e-13, 1e-13);
        if (k == 0) { // the optimum lies on the frontier and leaves no gap
            AGREES(report_.gap, report_.se, 0);
            AGREES(report_.below_frontier, report_.se, 0);
        }
        gmm_moments(mean, cov, law); // gold - proxy = -0.4 x: its mean and its variance are known
        AGREES(report_.gold_minus_proxy, report_.gold_minus_proxy_se, -0.4 * mean[0]);
        NEAR(report_.gold_minus_proxy_se, 0.4 * sqrt(cov[0] / N), 0.05, 0);
        NEAR(report_.gold_minus_proxy, report_.gold - report_.mean, 1e-10, 1e-12);
        double worst = sample_against_gmm(share, x, N, law);
        CHECK(worst < 0.05, "covariance off by %g", worst);
        for (int c = 0; c < 3; c++) {
            AGREES(share[c], sqrt(law->w[c] * (1 - law->w[c]) / N), law->w[c]);
        }
        CHECK(sample_against_gmm(NULL, x, N, k == 0 ? &p : &tilted) > 0.1, "another law has another covariance");
    }
    AlignmentReport no_gold = alignment_report(proxy, NULL, N, 0, beta, 0, 0);
    CHECK(no_gold.gold == no_gold.mean && no_gold.gold_minus_proxy == 0,
          "without a gold reward there is no difference");
    double se = 0, four[4] = {1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3};
    NEAR(mean_and_se(&se, four, 4), 1e9 + 1.5, 1e-15, 0);
    NEAR(se, sqrt(5.0 / 3 / 4), 1e-6, 0); // a second pass keeps the digits that squares of 1e9 would lose
    DIES("needs two", mean_and_se(&se, four, 1));
    DIES("1 points", sample_against_gmm(NULL, x, 1, &p));
    gmm_free(&p);
    gmm_free(&tilted);
}

static void test_refusals(void) {
    double K[4] = {1, 2, 2, 1}, D[4] = {1, 0, 0, 2}; // eigenvalues 3 and -1; a diagonal that is not 1
    real x[2] = {0, 1};
    double mean[1], cov[1];
    DIES("not a kernel", vendi_kernel(K, 2, 1));
    DIES("k(x,x) = 2", vendi_kernel(D, 2, 1));
    DIES("order q = 0", vendi_kernel(D, 1, 0));
    DIES("1 points", sample_moments(mean, cov, x, 1, 1));
}

int main(void) {
    test_fid();
    test_vendi();
    test_report();
    test_refusals();
    return report("test_feature_metrics");
}
