// test_neighbours.c: KL from samples against exact KL, its known errors, and tests by shuffled labels.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/kernel_metrics.h"
#include "../ref/formula/neighbours.h"
#include "../ref/formula/normal.h"
#include "../ref/formula/permutation.h"

enum { STREAM_POINT = 1, STREAM_COUNT, STREAM_SHUFFLE = 1000 };

static uint64_t counter;

static void fill(real *x, int n, double mean, double std) {
    rng_fill_normal(x, (size_t)n, 10, STREAM_POINT, counter);
    counter += (uint64_t)n;
    for (int i = 0; i < n; i++) {
        x[i] = (real)(mean + std * (double)x[i]);
    }
}

// ---- nearest neighbours --------------------------------------------------------------------------------------------

// All distances sorted, the own one left out by hand.
static double by_sorting(const real *a, const real *y, int m, int D, int k, int self) {
    double d[64];
    int count = 0;
    for (int j = 0; j < m; j++) {
        double square = 0;
        for (int c = 0; c < D; c++) {
            square += pow((double)a[c] - (double)y[j * D + c], 2);
        }
        if (j != self) {
            d[count++] = sqrt(square);
        }
    }
    qsort(d, (size_t)count, sizeof *d, ascending_double);
    return d[k - 1];
}

static void test_definition(void) {
    enum { N = 15, M = 20, D = 2 };
    real x[N * D], y[M * D], wide_x[N * D], wide_y[M * D];
    int zeros = -1;
    fill(x, N * D, 0, 1);
    fill(y, M * D, 0.5, 1.5);
    for (int i = 0; i < N * D; i++) {
        wide_x[i] = (real)(8 * (double)x[i]);
    }
    for (int i = 0; i < M * D; i++) {
        wide_y[i] = (real)(8 * (double)y[i]);
    }
    for (int k = 1; k < N; k++) {
        double sum = 0;
        for (int i = 0; i < N; i++) {
            double nu = by_sorting(x + i * D, y, M, D, k, -1), rho = by_sorting(x + i * D, x, N, D, k, i);
            sum += (double)D / N * log(nu / rho);
        }
        NEAR(knn_kl(&zeros, x, y, N, M, D, k), sum + log(M / (N - 1.0)), 1e-11, 1e-13);
        CHECK(zeros == 0, "%d copies", zeros);
        NEAR(knn_kl(NULL, wide_x, wide_y, N, M, D, k), knn_kl(NULL, x, y, N, M, D, k), 1e-10, 1e-12); // a scale of 8
    }
    memcpy(x + 2, x, 2 * sizeof(real)); // points 0 and 1 are copies of one another
    double kl = knn_kl(&zeros, x, y, N, M, D, 1);
    CHECK(isnan(kl) && zeros == 2, "copies: %g, %d", kl, zeros);
    CHECK(knn_kl(&zeros, x, y, N, M, D, 2) == knn_kl(NULL, x, y, N, M, D, 2) && zeros == 0, "k = 2 looks past a copy");
    memcpy(y, x, 2 * sizeof(real)); // and y holds a third one
    CHECK(isnan(knn_kl(&zeros, x, y, N, M, D, 1)) && zeros == 2, "%d", zeros);
    DIES("2 of 15 points", knn_kl(NULL, x, y, N, M, D, 1));
    DIES("k = 0", knn_kl(NULL, x, y, N, M, D, 0));
    DIES("k = 15", knn_kl(NULL, x, y, N, M, D, N));
    DIES("k = 3", knn_kl(NULL, x, y, N, 2, D, 3));
}

static void test_consistency(void) {
    enum { MOST = 512, REPEATS = 20 };
    static real x[2 * MOST], y[2 * MOST];
    double mean = 0.7, std = 1.4, error[3] = {0};
    // In the plane, N(0, I) against N((0.7, 0.7), 1.4^2 I).
    double exact = 2 * (log(std) + (1 + mean * mean) / (2 * std * std) - 0.5);
    int negative = 0;
    for (int s = 0; s < 3; s++) { // n = 32, 128, 512
        int n = 32 << 2 * s, repeats = s < 2 ? 4 * REPEATS : REPEATS;
        for (int r = 0; r < repeats; r++) {
            fill(x, 2 * n, 0, 1);
            fill(y, 2 * n, mean, std);
            error[s] += pow(knn_kl(NULL, x, y, n, n, 2, 3) - exact, 2) / repeats;
            if (s == 0) { // one law: KL 0, and the estimate is below it about half of the time
                fill(y, 2 * n, 0, 1);
                negative += knn_kl(NULL, x, y, n, n, 2, 3) < 0;
            }
        }
        error[s] = sqrt(error[s]);
    }
    CHECK(error[1] < 0.7 * error[0] && error[2] < 0.7 * error[1], "errors %g %g %g of %g", error[0], error[1], error[2],
          exact);
    CHECK(error[2] < 0.2 * exact, "error %g of %g", error[2], exact);
    CHECK(negative > REPEATS && negative < 3 * REPEATS, "%d of %d estimates of 0 are negative", negative, 4 * REPEATS);
}

// ---- histograms ----------------------------------------------------------------------------------------------------

static void test_histogram(void) {
    enum { BINS = 12, N = 3000, REPEATS = 2000 };
    double q[BINS], p[BINS], counts[BINS], kl = 0, quadrature = 0, total_p = 0, total_q = 0;
    for (int b = 0; b < BINS; b++) { // N(0.4, 1) and N(0, 1) in bins of width 1/2 from -3 to 3, the ends open
        double low = b == 0 ? -40 : -3 + 0.5 * b, high = b == BINS - 1 ? 40 : -2.5 + 0.5 * b;
        q[b] = normal_cdf(high) - normal_cdf(low);
        p[b] = normal_cdf(high - 0.4) - normal_cdf(low - 0.4);
        total_p += p[b];
        total_q += q[b];
        kl += p[b] * log(p[b] / q[b]);
    }
    NEAR(total_p, 1, 1e-12, 0);
    NEAR(total_q, 1, 1e-12, 0);
    for (double x = -12; x < 12; x += 0.01) { // the KL without bins, by quadrature: 0.4^2/2
        double density = exp(-(x - 0.4) * (x - 0.4) / 2) / sqrt(2 * PI);
        quadrature += 0.01 * density * ((x * x - (x - 0.4) * (x - 0.4)) / 2);
    }
    NEAR(quadrature, 0.08, 1e-9, 0);
    CHECK(kl < quadrature && kl > 0.9 * quadrature, "binned %g, exact %g: bins only lose", kl, quadrature);
    for (int law = 0; law < 2; law++) { // samples of q itself, then of p
        double mean = 0, square = 0;
        for (int r = 0; r < REPEATS; r++) {
            memset(counts, 0, sizeof counts);
            for (int i = 0; i < N / 10; i++) {
                double u = rng_uniform(10, STREAM_COUNT, counter++), sum = 0;
                int b = -1;
                while (sum <= u && b < BINS - 1) {
                    b++;
                    sum += law ? p[b] : q[b];
                }
                counts[b]++;
            }
            double value = histogram_kl(counts, q, BINS, 0);
            mean += value / REPEATS;
            square += value * value / REPEATS;
        }
        double bias = histogram_kl_bias(BINS, N / 10);
        NEAR(mean, (law ? kl : 0) + bias, 0.08, 0); // the next term of the expansion is a few percent
        CHECK(mean - 0.5 * bias > (law ? kl : 0), "no bias seen: %g against %g", mean, law ? kl : 0);
        CHECK(square > mean * mean, "no spread");
    }
    double hand[3] = {2, 0, 6}, third[3] = {0.25, 0.25, 0.5}, hole[3] = {0.5, 0.5, 0}, smooth[3];
    NEAR(histogram_kl(hand, third, 3, 0), 0.25 * log(1) + 0.75 * log(1.5), 1e-14, 0);
    NEAR(histogram_kl(hand, third, 3, 1),
         3.0 / 11 * log(12.0 / 11) + 1.0 / 11 * log(4.0 / 11) + 7.0 / 11 * log(14.0 / 11), 1e-12, 0);
    CHECK(histogram_kl(hand, hole, 3, 0) == INFINITY, "an empty reference bin");
    smoothed_histogram(smooth, hand, 3, 0.5);
    NEAR(smooth[1], 0.5 / 9.5, 1e-15, 0);
    CHECK(histogram_kl(hole, smooth, 3, 0) < INFINITY, "filled bins are finite");
    NEAR(histogram_kl_bias(BINS, N), 11.0 / 6000, 1e-14, 0);
    double empty[3] = {0, 0, 0};
    DIES("0 samples in 3 bins", smoothed_histogram(smooth, empty, 3, 0));
    DIES("pseudo-count -1", smoothed_histogram(smooth, hand, 3, -1));
}

// ---- shuffled labels -----------------------------------------------------------------------------------------------

static double c2st_statistic(const real *x, const real *y, int n, int m, int D, void *user) {
    (void)user;
    return c2st_nearest(x, y, n, m, D);
}

static double mmd_statistic(const real *x, const real *y, int n, int m, int D, void *user) {
    double u;
    mmd2(&u, NULL, x, y, n, m, D, *(double *)user);
    return u;
}

static void test_permutation(void) {
    enum { N = 10, SHUFFLES = 19, REPEATS = 300 };
    real x[2 * N], y[2 * N];
    double h = 1, mean = 0, below[3] = {0};
    uint64_t stream = STREAM_SHUFFLE;
    fill(x, 2 * N, 0, 1);
    fill(y, 2 * N, 1, 2);
    // Whatever the points are: over shuffles the mean of the 1-NN accuracy is (n-1)/(2n-1), and its spread is larger
    // than that of 2n independent votes, 1/sqrt(8n).
    Permutation votes = permutation_test(c2st_statistic, NULL, x, y, N, N, 2, 3000, 10, stream);
    AGREES(votes.null_mean, votes.null_std / sqrt(3000), (N - 1.0) / (2 * N - 1));
    CHECK(votes.null_std > 1.1 / sqrt(8.0 * N), "spread %g, of independent votes %g", votes.null_std,
          1 / sqrt(8.0 * N));
    NEAR(votes.observed, c2st_nearest(x, y, N, N, 2), 0, 0);
    for (int r = 0; r < REPEATS; r++) { // one law: p is uniform on 1/20 .. 20/20
        fill(x, 2 * N, 0, 1);
        fill(y, 2 * N, 0, 1);
        stream += 5000;
        double p = permutation_test(mmd_statistic, &h, x, y, N, N, 2, SHUFFLES, 10, stream).p;
        mean += p / REPEATS;
        below[0] += p < 0.055;
        below[1] += p < 0.255;
        below[2] += p < 0.755;
    }
    AGREES(mean, sqrt(1.0 / 12 / REPEATS), (SHUFFLES + 2) / (2.0 * (SHUFFLES + 1)));
    AGREES(below[0] / REPEATS, sqrt(0.05 * 0.95 / REPEATS), 0.05);
    AGREES(below[1] / REPEATS, sqrt(0.25 * 0.75 / REPEATS), 0.25);
    AGREES(below[2] / REPEATS, sqrt(0.75 * 0.25 / REPEATS), 0.75);
    fill(y, 2 * N, 3, 1); // two laws: as small as it can be
    Permutation apart = permutation_test(mmd_statistic, &h, x, y, N, N, 2, 99, 10, stream);
    NEAR(apart.p, 0.01, 1e-12, 0);
    CHECK(apart.observed > apart.null_mean + 5 * apart.null_std, "observed %g, shuffled %g +- %g", apart.observed,
          apart.null_mean, apart.null_std);
    real short_y[2 * 4]; // unequal sizes keep every point exactly once
    memcpy(short_y, y, sizeof short_y);
    Permutation uneven = permutation_test(mmd_statistic, &h, x, short_y, N, 4, 2, 99, 10, stream + 1);
    CHECK(uneven.p < 0.05, "p %g", uneven.p);
    DIES("0 shuffles", permutation_test(mmd_statistic, &h, x, y, N, N, 2, 0, 10, 1));
}

int main(void) {
    test_definition();
    test_consistency();
    test_histogram();
    test_permutation();
    return report("test_neighbours");
}
