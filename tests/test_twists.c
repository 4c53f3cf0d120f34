// test_twists.c: values of noisy states (toy/feedback/twists.h) and the scores of samples (toy/world/sample_score.h).
#include "death.h"

#include "../toy/feedback/twists.h"
#include "../toy/model/mixture.h"
#include "../toy/world/ring.h"
#include "../toy/world/sample_score.h"

enum { SEED = 21, STREAM_DATA = 1, STREAM_NOISE, LEVELS = 5, POINTS = 6 };

static Schedule schedule;
static Net net;
static QuadWorth worth;
static real x[2 * POINTS], eps[2 * POINTS], slope[2 * POINTS], level[POINTS];
static int k_now;

static double total_guess(void *unused) {
    double v[POINTS], sum = 0;
    (void)unused;
    net.forward(&net, eps, x, level, NULL, POINTS);
    quad_guess(v, x, eps, k_now, NULL, POINTS, &worth);
    for (int i = 0; i < POINTS; i++) {
        sum += v[i];
    }
    return sum;
}

static void test_guess(void) {
    for (k_now = 0; k_now < LEVELS; k_now++) {
        for (int i = 0; i < POINTS; i++) {
            level[i] = (real)k_now;
            x[2 * i] = (real)(1.5 * rng_normal(SEED, STREAM_NOISE, (uint64_t)(10 * k_now + i)));
            x[2 * i + 1] = (real)(0.3 * i - 1);
        }
        net.forward(&net, eps, x, level, NULL, POINTS);
        double v[POINTS], want, x0[2], at[2] = {(double)x[2], (double)x[3]}, abar = schedule_abar(&schedule, k_now);
        quad_guess(v, x, eps, k_now, NULL, POINTS, &worth);
        gmm_denoise(x0, worth.data, at, alpha_of(abar), sigma_of(abar)); // r of the exact E[x_0|x]
        want = quad_reward(&worth.r, x0);
        NEAR(v[1], want, 1e-4, 1e-5);
        if (sizeof(real) == 8) {
            NEAR(v[1], want, 1e-10, 1e-11);
            quad_guess_slope(slope, x, eps, k_now, NULL, POINTS, &worth);
            CHECK(gradient_ok(total_guess, NULL, x, slope, 2 * POINTS, 1e-6), "slope at level %d", k_now);
        }
        quad_guess_slope(slope, x, eps, k_now, NULL, POINTS, &worth);
        double touched = 0;
        for (size_t i = 0; i < net.np; i++) {
            touched += fabs((double)net.g[i]);
        }
        CHECK(touched == 0, "the slope in x has left %g in the gradient of the network", touched);
    }
}

// E[e^(V/beta)] = Z at every level, V >= E[r|x_k] (Jensen), and a scaled value is scaled.
static void test_soft_value(void) {
    enum { N = 20000 };
    double *v = NEW(double, N), *half = NEW(double, N), log_z, mean, moved[2];
    real *noisy = NEW(real, 2 * N), *data = NEW(real, 2 * N), *noise = NEW(real, 2 * N);
    Gmm tilted = gmm_new(worth.data->K), posterior = gmm_new(worth.data->K);
    gmm_tilt(&tilted, &log_z, worth.data, &worth.r, worth.beta);
    gmm_sample_many(data, NULL, worth.data, N, SEED, STREAM_DATA, 0);
    for (int k = 0; k < LEVELS; k++) {
        double abar = schedule_abar(&schedule, k), sum = 0, square = 0;
        rng_fill_normal(noise, 2 * N, SEED, STREAM_NOISE, (uint64_t)(k * 2 * N));
        forward_noise(noisy, data, noise, abar, 2 * N);
        quad_soft_value(v, noisy, NULL, k, NULL, N, &worth);
        for (int i = 0; i < N; i++) {
            sum += exp(v[i] / worth.beta) / N;
            square += exp(2 * v[i] / worth.beta) / N;
        }
        AGREES(sum, sqrt((square - sum * sum) / N), exp(log_z));
        for (int i = 0; i < 20; i++) {
            moved[0] = (double)noisy[2 * i];
            moved[1] = (double)noisy[2 * i + 1];
            gmm_posterior(&posterior, worth.data, moved, alpha_of(abar), sigma_of(abar));
            gmm_reward_moments(&mean, NULL, &posterior, &worth.r);
            CHECK(v[i] >= mean - 1e-9, "soft value %g below the mean reward %g", v[i], mean);
        }
    }
    worth.scale = 0.5;
    quad_soft_value(half, noisy, NULL, LEVELS - 1, NULL, 10, &worth);
    worth.scale = 1;
    NEAR(half[3], 0.5 * v[3], 1e-14, 0);
    gmm_free(&tilted);
    gmm_free(&posterior);
    free(v);
    free(half);
    free(noisy);
    free(data);
    free(noise);
}

static void test_score(void) {
    enum { N = 4000, REPEATS = 30 };
    Ring ring = ring_new();
    Grid fine = grid_new(96, -3.6, 3.6), wide = grid_new(24, -3.6, 3.6);
    double *p = NEW(double, grid_cells(&fine)), *q = NEW(double, grid_cells(&fine)), *r = NEW(double, N);
    double *p_wide = NEW(double, grid_cells(&wide)), *q_wide = NEW(double, grid_cells(&wide)), e_r, kl, gap;
    double sum[SAMPLE_SCORES] = {0}, square[SAMPLE_SCORES] = {0}, stated = 0;
    Gmm all = ring_gmm(&ring, -1), some = gmm_copy(&all);
    QuadReward reward = bowl_reward_new(1, 1, 0.5);
    real *data = NEW(real, 2 * N);
    for (int k = 0; k < some.K; k++) { // q: other weights, as an alignment would have
        some.w[k] = (k + 1) / 36.0;
    }
    grid_gmm(p, &fine, &all);
    grid_gmm(q, &fine, &some);
    grid_coarsen(p_wide, &wide, p, &fine);
    grid_coarsen(q_wide, &wide, q, &fine);
    NEAR(grid_sum(p_wide, &wide), 1, 1e-12, 0);
    kl = kl_discrete(q_wide, p_wide, grid_cells(&wide));
    CHECK(kl < kl_discrete(q, p, grid_cells(&fine)) && kl > 0.1, "cells can only hide: %g", kl);
    gmm_reward_moments(&e_r, NULL, &some, &reward);
    for (int i = 0; i < REPEATS; i++) {
        gmm_sample_many(data, NULL, &some, N, SEED, STREAM_DATA, (uint64_t)(i * N));
        point_rewards(r, data, NULL, N, quad_point_reward, &reward);
        SampleScore s = sample_score(data, r, N, p_wide, q_wide, &wide, 0.3);
        for (int k = 0; k < SAMPLE_SCORES; k++) {
            sum[k] += s.mean[k] / REPEATS;
            square[k] += s.mean[k] * s.mean[k] / REPEATS;
        }
        stated += s.se[SCORE_TO_STAR] / REPEATS;
        NEAR(s.mean[SCORE_J], s.mean[SCORE_REWARD] - 0.3 * s.mean[SCORE_TO_REF], 1e-10, 0);
        if (i == 0) {
            AGREES(s.mean[SCORE_REWARD], s.se[SCORE_REWARD], e_r);
            AGREES(s.mean[SCORE_TO_REF], s.se[SCORE_TO_REF], kl);
            AGREES(s.mean[SCORE_TO_STAR], s.se[SCORE_TO_STAR], 0); // samples of p* itself
        }
    }
    // over repeats: what is left of the bias, and a spread that is not larger than the standard error says
    gap = sqrt(square[SCORE_TO_STAR] - sum[SCORE_TO_STAR] * sum[SCORE_TO_STAR]);
    CHECK(gap > 0.5 * stated && gap < 1.1 * stated, "spread %g, stated %g", gap, stated);
    NEAR(sum[SCORE_TO_STAR], 0.0045, 0, 0.0015); // the number in the header
    CHECK(gap < 0.003, "the scores of exact samples spread by %g", gap);
    NEAR(sum[SCORE_TO_REF], kl, 0, 0.006);
    data[0] = 100;
    DIES("outside", sample_score(data, r, N, p_wide, q_wide, &wide, 0.3));
    wide = grid_new(25, -3.6, 3.6);
    DIES("whole ratio", grid_coarsen(p_wide, &wide, p, &fine));
    free(p);
    free(q);
    free(r);
    free(p_wide);
    free(q_wide);
    free(data);
    gmm_free(&all);
    gmm_free(&some);
}

int main(void) {
    double w[3] = {0.5, 0.3, 0.2}, mu[6] = {-1.3, 0.4, 1, 1.1, 0.5, -0.9}, width[3] = {0.45, 0.4, 0.35};
    Gmm law = gmm_new(3);
    for (int k = 0; k < 3; k++) {
        law.w[k] = w[k];
        law.mu[2 * k] = (double)(real)mu[2 * k];
        law.mu[2 * k + 1] = (double)(real)mu[2 * k + 1];
        law.cov[4 * k] = law.cov[4 * k + 3] = width[k] * width[k];
    }
    schedule = schedule_logsnr(LEVELS, 1.5, -1.5);
    net = mixture_new(3, 2, w, mu, width, NULL, &schedule);
    worth.net = &net;
    worth.schedule = &schedule;
    worth.data = &law;
    worth.r = bowl_reward_new(0.5, 0.4, 1.1);
    worth.beta = 0.7;
    worth.scale = 1;
    test_guess();
    test_soft_value();
    test_score();
    gmm_free(&law);
    net_free(&net);
    schedule_free(&schedule);
    return report("test_twists");
}
