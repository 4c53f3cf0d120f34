// test_metrics.c: distances against brute force (all events, all assignments, exact integrals) and against
// their
// expectation over repeated samples.
#include "../ref/core/rng.h"
#include "../ref/formula/metrics.h"
#include "harness.h"

enum { STREAM_TABLE = 1, STREAM_SAMPLE = 2 };

static uint64_t counter;

static double uniform(double low, double high) {
    return low + (high - low) * rng_uniform(4, STREAM_TABLE, counter++);
}

static void fill(real *x, int n, double shift) {
    rng_fill_normal(x, (size_t)n, 4, STREAM_SAMPLE, counter);
    counter += (uint64_t)n;
    for (int i = 0; i < n; i++) {
        x[i] += (real)shift;
    }
}

static double tolerance(double in_double, double in_float) {
    return sizeof(real) == 8 ? in_double : in_float;
}

// ---- tables -----------------------------------------------------------------------------------------------

static void test_tables(void) {
    enum { N = 6 };
    for (int trial = 0; trial < 50; trial++) {
        double p[N], q[N], sum_p = 0, sum_q = 0, best = 0;
        for (int i = 0; i < N; i++) {
            sum_p += p[i] = uniform(0, 1);
            sum_q += q[i] = uniform(0, 1);
        }
        for (int i = 0; i < N; i++) {
            p[i] /= sum_p;
            q[i] /= sum_q;
        }
        for (int event = 0; event < 1 << N; event++) { // TV is the largest difference of an event's probability
            double gap = 0;
            for (int i = 0; i < N; i++) {
                gap += event >> i & 1 ? q[i] - p[i] : 0;
            }
            best = gap > best ? gap : best;
        }
        NEAR(tv_discrete(q, p, N), best, 1e-13, 0);
        double kl = 0;
        for (int i = 0; i < N; i++) {
            kl += q[i] * log(q[i]) - q[i] * log(p[i]);
        }
        NEAR(kl_discrete(q, p, N), kl, 1e-11, 1e-14);
        CHECK(best <= sqrt(kl / 2), "Pinsker: TV %g, KL %g", best, kl);
        NEAR(kl_discrete(p, p, N), 0, 0, 0);
    }
    double half[3] = {0.5, 0.5, 0}, third[3] = {0.25, 0.25, 0.5};
    NEAR(kl_discrete(half, third, 3), log(2), 1e-15, 0); // 0 log 0 = 0
    CHECK(kl_discrete(third, half, 3) == INFINITY, "mass where the other has none must cost infinity");
}

// ---- energy distance --------------------------------------------------------------------------------------

static double cdf(const real *x, int n, double at) {
    int below = 0;
    for (int i = 0; i < n; i++) {
        below += (double)x[i] <= at;
    }
    return (double)below / n;
}

static void test_energy(void) {
    enum { N = 7, M = 5, REPEATS = 400 };
    real x[N], y[M], all[N + M], plane[2 * N], turned[2 * N], other[2 * N], other_turned[2 * N];
    double v, u, integral = 0, v2, u2, mean = 0, square = 0, bias = 0;
    fill(x, N, 0);
    fill(y, M, 0.5);
    for (int i = 0; i < N; i++) {
        all[i] = x[i];
    }
    for (int i = 0; i < M; i++) {
        all[N + i] = y[i];
    }
    for (int i = 0; i < N + M; i++) { // in one dimension 2 int (F - G)^2: both are steps, so the integral is a sum
        double next = INFINITY;
        for (int j = 0; j < N + M; j++) {
            next = all[j] > all[i] && (double)all[j] < next ? (double)all[j] : next;
        }
        double gap = cdf(x, N, (double)all[i]) - cdf(y, M, (double)all[i]);
        integral += next < INFINITY ? 2 * gap * gap * (next - (double)all[i]) : 0;
    }
    energy_distance(&v, &u, x, y, N, M, 1);
    NEAR(v, integral, 1e-12, 1e-14);
    energy_distance(&v2, NULL, x, x, N, N, 1);
    NEAR(v2, 0, 0, 1e-14);
    fill(plane, 2 * N, 0);
    fill(other, 2 * N, 1);
    for (int i = 0; i < N; i++) { // turn and shift both samples: nothing changes
        turned[2 * i] = (real)(0.6 * (double)plane[2 * i] - 0.8 * (double)plane[2 * i + 1] + 3);
        turned[2 * i + 1] = (real)(0.8 * (double)plane[2 * i] + 0.6 * (double)plane[2 * i + 1] - 1);
        other_turned[2 * i] = (real)(0.6 * (double)other[2 * i] - 0.8 * (double)other[2 * i + 1] + 3);
        other_turned[2 * i + 1] = (real)(0.8 * (double)other[2 * i] + 0.6 * (double)other[2 * i + 1] - 1);
    }
    energy_distance(&v, &u, plane, other, N, N, 2);
    energy_distance(&v2, &u2, turned, other_turned, N, N, 2);
    NEAR(v2, v, tolerance(1e-12, 1e-5), 0);
    NEAR(u2, u, tolerance(1e-12, 1e-5), 1e-5);
    for (int k = 0; k < REPEATS; k++) { // same distribution: U has mean 0, V is too large
        fill(plane, 2 * N, 0);
        fill(other, 2 * N, 0);
        energy_distance(&v, &u, plane, other, N, N, 2);
        CHECK(v >= 0, "V-statistic %g", v);
        mean += u / REPEATS;
        square += u * u / REPEATS;
        bias += v / REPEATS;
    }
    AGREES(mean, sqrt((square - mean * mean) / REPEATS), 0);
    CHECK(bias > 0.1, "V-statistic shows no bias: %g", bias);
}

// ---- Wasserstein ------------------------------------------------------------------------------------------

// Smallest mean cost over all assignments of n <= 7 points; cost (n,n).
static double cheapest(const double *cost, int n, int row, int used) {
    double best = INFINITY;
    if (row == n) {
        return 0;
    }
    for (int j = 0; j < n; j++) {
        if (!(used >> j & 1)) {
            double rest = cost[row * n + j] / n + cheapest(cost, n, row + 1, used | 1 << j);
            best = rest < best ? rest : best;
        }
    }
    return best;
}

static void test_wasserstein(void) {
    enum { N = 6 };
    real x[2 * N], y[2 * N], shifted[2 * N];
    double cost[N * N];
    for (int trial = 0; trial < 20; trial++) {
        fill(x, N, 0);
        fill(y, N, 0.3);
        for (int i = 0; i < N * N; i++) {
            cost[i] = fabs((double)x[i / N] - (double)y[i % N]);
        }
        NEAR(wasserstein1(x, y, N), cheapest(cost, N, 0, 0), 1e-12, 0);
        fill(x, 2 * N, 0);
        fill(y, 2 * N, 0.3);
        for (int i = 0; i < N * N; i++) {
            double dx = (double)x[2 * (i / N)] - (double)y[2 * (i % N)];
            double dy = (double)x[2 * (i / N) + 1] - (double)y[2 * (i % N) + 1];
            cost[i] = dx * dx + dy * dy;
        }
        double sliced = sliced_w2_squared(x, y, N, 32), w2 = cheapest(cost, N, 0, 0);
        CHECK(sliced > 0 && sliced <= w2 / 2 + 1e-12, "sliced %g, full W2^2 %g: a slice keeps at most half", sliced,
              w2);
        for (int i = 0; i < N; i++) {
            shifted[2 * i] = (real)((double)x[2 * i] + 0.75);
            shifted[2 * i + 1] = (real)((double)x[2 * i + 1] - 0.5);
        }
        for (int directions = 2; directions < 20; directions += 5) {
            double want = (0.75 * 0.75 + 0.5 * 0.5) / 2; // |d|^2 / 2, for any number of directions
            NEAR(sliced_w2_squared(x, shifted, N, directions), want, tolerance(1e-12, 1e-5), 0);
        }
        NEAR(sliced_w2_squared(x, x, N, 7), 0, 0, 0);
    }
}

// ---- nearest neighbours -----------------------------------------------------------------------------------

static void test_c2st(void) {
    enum { N = 20, REPEATS = 400 };
    real x[2 * N], y[2 * N];
    double mean = 0, square = 0;
    for (int k = 0; k < REPEATS; k++) {
        fill(x, 2 * N, 0);
        fill(y, 2 * N, 0);
        double accuracy = c2st_nearest(x, y, N, N, 2);
        mean += accuracy / REPEATS;
        square += accuracy * accuracy / REPEATS;
    }
    AGREES(mean, sqrt((square - mean * mean) / REPEATS), (N - 1.0) / (2 * N - 1));
    fill(y, 2 * N, 100);
    NEAR(c2st_nearest(x, y, N, N, 2), 1, 0, 0);
    NEAR(c2st_nearest(x, x, N, N, 2), 0, 0, 0); // every nearest neighbour is the copy with the other label
}

// ---- calibration ------------------------------------------------------------------------------------------

static double mean_nll(const double *z, const double *y, int n, double a) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum -= log(y[i] > 0 ? 1 / (1 + exp(-a * z[i])) : 1 / (1 + exp(a * z[i]))) / n;
    }
    return sum;
}

static void test_calibration(void) {
    enum { N = 20000, BINS = 10 };
    static double p[N], y[N], z[N];
    double ece, brier, nll, after;
    double hand_p[5] = {0.1, 0.15, 0.6, 0.9, 1.0}, hand_y[5] = {0, 1, 1, 1, 1};
    calibration(&ece, &brier, &nll, hand_p, hand_y, 5, 2); // bins {0.1, 0.15} and {0.6, 0.9, 1.0}
    NEAR(ece, (0.75 + 0.5) / 5, 1e-14, 0);
    NEAR(brier, (0.01 + 0.7225 + 0.16 + 0.01) / 5, 1e-14, 0);
    NEAR(nll, -(log(0.9) + log(0.15) + log(0.6) + log(0.9)) / 5, 1e-14, 0);
    hand_y[4] = 0; // the impossible happened
    calibration(&ece, &brier, &nll, hand_p, hand_y, 5, 2);
    calibration(&ece, &brier, &nll, hand_p, hand_y, 5, 4); // p = 1 belongs to the last bin
    NEAR(ece, (0.75 + 0.4 + 0.9) / 5, 1e-14, 0);
    CHECK(nll == INFINITY, "an outcome of probability 0 costs %g", nll);
    for (int i = 0; i < N; i++) {
        double truth = uniform(-2, 2);
        p[i] = 1 / (1 + exp(-truth));
        y[i] = uniform(0, 1) < p[i];
        z[i] = 3 * truth; // an overconfident model
    }
    calibration(&ece, &brier, &nll, p, y, N, BINS);
    CHECK(ece < 0.02, "outcomes drawn from p, yet ece %g", ece);
    for (int i = 0; i < N; i++) {
        p[i] = 1 / (1 + exp(-z[i]));
    }
    calibration(&ece, &brier, &after, p, y, N, BINS);
    CHECK(ece > 0.1 && after > nll, "overconfidence not seen: ece %g", ece);
    NEAR(after, mean_nll(z, y, N, 1), 1e-10, 0);
    double a = calibration_temperature(&after, z, y, N), slope = 0;
    NEAR(a, 1.0 / 3, 0.03, 0);
    NEAR(after, mean_nll(z, y, N, a), 1e-11, 0);
    for (int i = 0; i < N; i++) {
        slope += (1 / (1 + exp(-a * z[i])) - y[i]) * z[i] / N;
    }
    NEAR(slope, 0, 0, 1e-13);
    CHECK(mean_nll(z, y, N, a * 1.01) > after && mean_nll(z, y, N, a * 0.99) > after, "not a minimum");
    double split[4] = {-2, -0.5, 0.5, 3}, sure[4] = {0, 0, 1, 1}, wrong[4] = {1, 1, 0, 0};
    double mixed[2] = {1, -0.5}, yes[2] = {1, 1}; // one for, one against: finite, slope zero
    a = calibration_temperature(&after, mixed, yes, 2);
    NEAR(-1 / (1 + exp(a)) + 0.5 / (1 + exp(-0.5 * a)), 0, 0, 1e-13);
    double weak[2] = {0.5, 0}, mute[2] = {0, 0};
    CHECK(calibration_temperature(&after, split, sure, 4) == INFINITY && after == 0, "separated: a is infinite");
    CHECK(calibration_temperature(&after, split, wrong, 4) == 0, "logits that point the wrong way: a is 0");
    NEAR(after, log(2), 1e-14, 0);
    CHECK(calibration_temperature(&after, weak, yes, 2) == INFINITY, "one sure sample, one without an opinion");
    NEAR(after, log(2) / 2, 1e-14, 0);
    CHECK(calibration_temperature(&after, mute, yes, 2) == 0, "logits that say nothing: a is 0");
}

int main(void) {
    test_tables();
    test_energy();
    test_wasserstein();
    test_c2st();
    test_calibration();
    return report("test_metrics");
}
