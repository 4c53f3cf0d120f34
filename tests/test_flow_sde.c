// test_flow_sde.c: the stochastic sampler of a flow model against the score, Gaussian data, finite differences and
// samples.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/flow_sde.h"
#include "../ref/formula/forward.h"
#include "../ref/formula/mixture.h"

enum { SEED = 4, STREAM_POINT = 1, STREAM_NOISE, STREAM_START };

// mean - x = (u - sigma^2/2 s) dt with the exact velocity and score of a mixture.
static void test_drift(void) {
    double w[2] = {0.6, 0.4}, mu[4] = {-1, 0.5, 0.8, -0.3}, cov[8] = {0.3, 0.1, 0.1, 0.2, 0.2, 0, 0, 0.15};
    Gmm p = gmm_new(2), noised = gmm_new(2);
    memcpy(p.w, w, sizeof w);
    memcpy(p.mu, mu, sizeof mu);
    memcpy(p.cov, cov, sizeof cov);
    for (int i = 0; i < 30; i++) {
        double t = 0.05 + 0.03 * i, dt = -0.02 - 0.001 * i, a = 0.1 * (i % 12), x[2], u[2], s[2];
        double sigma = flowsde_sigma(t, t + dt, a);
        StepCoeffs c = flowsde_coeffs(t, t + dt, a);
        for (int d = 0; d < 2; d++) {
            x[d] = rng_normal(SEED, STREAM_POINT, (uint64_t)(2 * i + d));
        }
        gmm_velocity(u, &p, x, t);
        gmm_noised(&noised, &p, 1 - t, t);
        gmm_score(s, &noised, x);
        for (int d = 0; d < 2; d++) {
            NEAR(c.a * x[d] + c.b * u[d], x[d] + (u[d] - 0.5 * sigma * sigma * s[d]) * dt, 1e-12, 1e-13);
        }
        NEAR(c.sigma, sigma * sqrt(-dt), 1e-14, 0);
        NEAR(sigma, a * sqrt(t / (1 - t)), 1e-14, 0);
        if (a > 0) {
            NEAR(c.w_kl, c.b * c.b / (c.sigma * c.sigma), 1e-13, 0);
        } else {
            CHECK(c.w_kl == HUGE_VAL, "without noise two means are infinitely far: %g", c.w_kl);
        }
    }
    gmm_free(&p);
    gmm_free(&noised);
}

static void test_limits(void) {
    StepCoeffs euler = flowsde_coeffs(0.7, 0.65, 0), first = flowsde_coeffs(1, 0.9, 0.7);
    real x[2] = {(real)0.3, (real)-1.2}, u[2] = {(real)1.5, (real)0.25};
    CHECK(euler.a == 1 && euler.sigma == 0, "a = 0 is not Euler: %g, %g", euler.a, euler.sigma);
    NEAR(euler.b, 0.65 - 0.7, 1e-15, 0);
    DIES("no density", step_logp(NULL, &euler, x, x, u, 2));
    DIES("no density", flowsde_kl(NULL, u, x, 0.7, 0.65, 0, 2));
    // the singular start: 1 - t is replaced by 1 - t_next inside sigma and nowhere else
    NEAR(flowsde_sigma(1, 0.9, 0.7), 0.7 / sqrt(0.1), 1e-14, 0);
    NEAR(first.b, -0.1, 1e-14, 0); // (1 - t) = 0 in the factor of u
    NEAR(first.a, 1 - 0.5 * 0.49, 1e-14, 0);
    NEAR(first.sigma, 0.7, 1e-14, 0);
    NEAR(flowsde_sigma(0.9999999, 0.5, 0.7), 0.7 * sqrt(0.9999999 / (1 - 0.9999999)), 1e-12, 0);
    DIES("1.1", flowsde_coeffs(1.1, 0.9, 0.7));
    DIES("t 0.5 to 0.5", flowsde_coeffs(0.5, 0.5, 0.7));
    DIES("to -0.1", flowsde_coeffs(0.5, -0.1, 0.7));
    DIES("level -1", flowsde_coeffs(0.5, 0.4, -1));
    DIES("data std 0", flowsde_memory(0.5, 0, 0.7));
}

// ---- derivatives ---------------------------------------------------------------------------------------------------

enum { D = 3 };
static real x_t[D], x_s[D], velocity[D], velocity_ref[D], slope[D];
static StepCoeffs step;

static double logp_of_u(void *unused) {
    (void)unused;
    return step_logp(NULL, &step, x_s, x_t, velocity, D);
}

static double kl_of_u(void *unused) {
    (void)unused;
    return flowsde_kl(NULL, velocity, velocity_ref, 0.6, 0.52, 0.7, D);
}

static void test_derivatives(void) {
    double by_means = 0, want = 0;
    step = flowsde_coeffs(0.6, 0.52, 0.7);
    for (int d = 0; d < D; d++) {
        x_t[d] = (real)rng_normal(SEED, STREAM_POINT, (uint64_t)(100 + d));
        velocity[d] = (real)rng_normal(SEED, STREAM_POINT, (uint64_t)(200 + d));
        velocity_ref[d] = (real)((double)velocity[d] + 0.3 * rng_normal(SEED, STREAM_POINT, (uint64_t)(300 + d)));
        x_s[d] = (real)(step.a * (double)x_t[d] + step.b * (double)velocity[d] +
                        step.sigma * rng_normal(SEED, STREAM_POINT, (uint64_t)(400 + d)));
        double shift = step.b * ((double)velocity[d] - (double)velocity_ref[d]);
        by_means += shift * shift / (2 * step.sigma * step.sigma);
        double z = ((double)x_s[d] - step.a * (double)x_t[d] - step.b * (double)velocity[d]) / step.sigma;
        want += log(exp(-0.5 * z * z) / (step.sigma * sqrt(2 * PI))); // a SUM over dimensions
    }
    NEAR(step_logp(slope, &step, x_s, x_t, velocity, D), want, 1e-5, 0);
    if (sizeof(real) == 8) {
        NEAR(step_logp(NULL, &step, x_s, x_t, velocity, D), want, 1e-12, 0);
        CHECK(gradient_ok(logp_of_u, NULL, velocity, slope, D, 1e-7), "log-probability");
    }
    NEAR(flowsde_kl(slope, velocity, velocity_ref, 0.6, 0.52, 0.7, D), by_means, 1e-12, 0);
    NEAR(step_kl(NULL, &step, velocity, velocity_ref, D), by_means, 1e-12, 0);
    if (sizeof(real) == 8) {
        CHECK(gradient_ok(kl_of_u, NULL, velocity, slope, D, 1e-7), "KL");
    }
    CHECK(flowsde_kl(NULL, velocity, velocity, 0.6, 0.52, 0.7, D) == 0, "KL to itself");
    // the mean of the log-ratio under the model is the KL
    enum { N = 20000 };
    double sum = 0, square = 0;
    for (int i = 0; i < N; i++) {
        real z[D], next[D];
        rng_fill_normal(z, D, SEED, STREAM_NOISE, (uint64_t)(D * i));
        step_sample(next, &step, x_t, velocity, z, D);
        double l = step_log_ratio(NULL, &step, next, x_t, velocity, velocity_ref, D);
        sum += l / N;
        square += l * l / N;
    }
    AGREES(sum, sqrt((square - sum * sum) / N), by_means);
}

// ---- Gaussian data -------------------------------------------------------------------------------------------------

static void test_gaussian(void) {
    enum { N = 10, M = 40000 };
    double var[4000], exact[4000], s = 0.5, a = 0.7, sum[3] = {0}, fourth = 0;
    double gain = flowsde_gaussian(var, exact, s, N, a);
    NEAR(var[0], 0.919025, 1e-12, 0); // after the first of ten steps; exact is 0.8125
    NEAR(exact[0], 0.8125, 1e-12, 0);
    for (int i = 0; i < M; i++) { // the sampler itself, with the closed-form velocity
        real x = (real)rng_normal(SEED, STREAM_START, (uint64_t)i);
        double start = (double)x;
        for (int k = 0; k < N; k++) {
            double t = 1 - (double)k / N, t_next = k + 1 == N ? 0 : 1 - (double)(k + 1) / N;
            double kappa = (t - (1 - t) * s * s) / ((1 - t) * (1 - t) * s * s + t * t);
            StepCoeffs c = flowsde_coeffs(t, t_next, a);
            real u = (real)(kappa * (double)x), z = (real)rng_normal(SEED, STREAM_NOISE, (uint64_t)(N * i + k));
            step_sample(&x, &c, &x, &u, &z, 1);
        }
        sum[0] += start * (double)x / M;
        sum[1] += start * start * (double)x * (double)x / M;
        sum[2] += (double)x * (double)x / M;
        fourth += (double)x * (double)x * (double)x * (double)x / M;
    }
    AGREES(sum[2], sqrt((fourth - sum[2] * sum[2]) / M), var[N - 1]);
    AGREES(sum[0], sqrt((sum[1] - sum[0] * sum[0]) / M), gain);
    CHECK(gain / sqrt(var[N - 1]) > 0.2, "a = 0.7 remembers its start: correlation %g", gain / sqrt(var[N - 1]));

    flowsde_gaussian(var, exact, s, 1000, 0); // the ODE: a first-order method
    double coarse = var[999] - exact[999];
    flowsde_gaussian(var, exact, s, 2000, 0);
    NEAR(coarse / (var[1999] - exact[1999]), 2, 0.01, 0);
    // the error of the first step tends to a^4/4, not to 0; what is left of it at the end falls like N^-a^2
    for (int n = 1000; n <= 4000; n *= 4) {
        flowsde_gaussian(var, exact, s, n, a);
        NEAR(var[0], 1 + a * a * a * a / 4, 0, 2.0 / n);
        CHECK(fabs(exact[0] - 1) < 2.0 / n, "exact variance after one step: %g", exact[0]);
    }
    double left[2];
    flowsde_gaussian(var, exact, s, 2000, a);
    left[0] = var[1999] - exact[1999];
    flowsde_gaussian(var, exact, s, 4000, a);
    left[1] = var[3999] - exact[3999];
    CHECK(left[1] > 0 && left[0] / left[1] > 1.2 && left[0] / left[1] < 1.5, "errors %g and %g: N^-0.49 would be 1.40",
          left[0], left[1]);
}

// Product of the gains of n Euler steps from t0 to 0, as a correlation.
static double correlation(double t0, double s, double a, int n) {
    double v = (1 - t0) * (1 - t0) * s * s + t0 * t0, start = v, gain = 1;
    for (int i = 0; i < n; i++) {
        double t = t0 * (1 - (double)i / n), next = i + 1 == n ? 0 : t0 * (1 - (double)(i + 1) / n);
        StepCoeffs c = flowsde_coeffs(t, next, a);
        double g = c.a + c.b * flow_gaussian_kappa(t, s);
        v = g * g * v + c.sigma * c.sigma;
        gain *= g;
    }
    return gain * sqrt(start / v);
}

static void test_memoryless(void) {
    double level = memoryless_level();
    for (int i = 1; i < 10; i++) {
        double t = 0.1 * i, s = 0.3 + 0.1 * i;
        double noising = (1 - t) * s * s / (s * sqrt((1 - t) * (1 - t) * s * s + t * t)); // Cov(x_0, x_t) = (1-t) s^2
        NEAR(flowsde_sigma(t, 0, level) * flowsde_sigma(t, 0, level), 2 * t / (1 - t), 1e-13, 0);
        NEAR(flowsde_memory(t, s, level), noising, 1e-12, 0); // the reversal of the noising process
        NEAR(flowsde_memory(t, s, 0.7), correlation(t, s, 0.7, 20000), 1e-3, 0);
        NEAR(flowsde_memory(t, s, 0), correlation(t, s, 0, 20000), 1e-12, 0);
        NEAR(flowsde_memory(t, s, level), correlation(t, s, level, 20000), 1e-3, 0);
    }
    CHECK(flowsde_memory(1, 0.5, level) == 0 && flowsde_memory(1, 0.5, 0) == 1, "limits at t = 1");
    // a chain that starts at t = 1: with the memoryless level it forgets, with a = 0.7 only like N^-0.245
    double var[1000], gain = flowsde_gaussian(var, NULL, 0.5, 1000, level);
    CHECK(fabs(gain) / sqrt(var[999]) < 1e-6, "memoryless: %g", gain / sqrt(var[999]));
    gain = flowsde_gaussian(var, NULL, 0.5, 100, 0.7);
    double at_100 = gain / sqrt(var[99]);
    gain = flowsde_gaussian(var, NULL, 0.5, 1000, 0.7);
    CHECK(gain / sqrt(var[999]) > 0.09, "a = 0.7 and 1000 steps: %g", gain / sqrt(var[999]));
    NEAR(gain / sqrt(var[999]) / at_100, pow(10, -0.245), 0.05, 0);
}

int main(void) {
    test_drift();
    test_limits();
    test_derivatives();
    test_gaussian();
    test_memoryless();
    return report("test_flow_sde");
}
