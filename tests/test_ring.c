// test_ring.c: the ring and the grid, against closed forms, libm and Monte Carlo.
#include "../toy/feedback/rewards.h"
#include "../toy/world/ring.h"
#include "harness.h"

enum { SEED = 7 };
enum { STREAM_SAMPLE = 100, STREAM_PROMPT, STREAM_POINT, STREAM_LAW };

// ---- ring --------------------------------------------------------------------------------------------------------

static void test_geometry(void) {
    Ring ring = ring_new();
    int c, k, seen[RING_MODES] = {0};
    size_t i;
    for (k = 0; k < ring.modes; k++) {
        double mu[2], distance;
        ring_mode(mu, &ring, k);
        NEAR(mu[0], 1.5 * cos(k * acos(-1.0) / 4), 0, 1e-14);
        NEAR(mu[1], 1.5 * sin(k * acos(-1.0) / 4), 0, 1e-14);
        CHECK(ring_nearest(&distance, &ring, mu) == k && distance < 1e-14, "mode %d", k);
    }
    for (c = 0; c < ring.prompts; c++) {
        int first, count = ring_modes_of(&first, &ring, c);
        CHECK(count == 2 && first == 2 * c, "prompt %d owns %d modes from %d", c, count, first);
        for (k = first; k < first + count; k++) {
            seen[k]++;
            CHECK(ring_prompt_of_mode(&ring, k) == c, "mode %d", k);
        }
    }
    for (k = 0; k < ring.modes; k++) {
        CHECK(seen[k] == 1, "mode %d belongs to %d prompts", k, seen[k]);
    }
    for (c = -1; c < ring.prompts; c++) { // two routes to one density
        Gmm gmm = ring_gmm(&ring, c);
        gmm_check(&gmm);
        for (i = 0; i < 20; i++) {
            double x[2];
            x[0] = 2 * rng_normal(SEED, STREAM_POINT, 2 * i);
            x[1] = 2 * rng_normal(SEED, STREAM_POINT, 2 * i + 1);
            NEAR(ring_density(&ring, x, c), exp(gmm_logp(&gmm, x)), 1e-11, 0);
        }
        gmm_free(&gmm);
    }
}

static void test_samples(void) {
    enum { N = 40000 };
    Ring ring = ring_new();
    real *x = NEW(real, 2 * N), *again = NEW(real, 2 * N);
    int *label = NEW(int, N), *c = NEW(int, N);
    double share[RING_MODES], sum[2] = {0, 0}, square = 0, inside, p = 1 - exp(-4.5);
    int k, wrong = 0;
    size_t i;
    ring_batch(x, label, NULL, N, &ring, SEED, STREAM_SAMPLE, 0);
    ring_mode_fractions(share, &ring, x, N);
    for (k = 0; k < ring.modes; k++) { // nearest mode: by symmetry exactly 1/8 each
        AGREES(share[k], sqrt(0.125 * 0.875 / N), 0.125);
    }
    for (i = 0; i < N; i++) { // offsets from the mode that was drawn: N(0, std^2) in both coordinates
        double y[2], mu[2];
        k = ring_sample(y, &ring, -1, SEED, STREAM_SAMPLE, i);
        ring_mode(mu, &ring, k);
        wrong += label[i] != k / 2 || (real)y[0] != x[2 * i] || (real)y[1] != x[2 * i + 1];
        sum[0] += y[0] - mu[0];
        sum[1] += y[1] - mu[1];
        square += (y[0] - mu[0]) * (y[0] - mu[0]) + (y[1] - mu[1]) * (y[1] - mu[1]);
    }
    CHECK(wrong == 0, "%d of %d rows differ between batch and single draws", wrong, (int)N);
    AGREES(sum[0] / N, 0.25 / sqrt(N), 0);
    AGREES(sum[1] / N, 0.25 / sqrt(N), 0);
    AGREES(square / (2 * N), 0.0625 * sqrt(2.0 / (2 * N)), 0.0625);
    ring_batch(again, NULL, NULL, 1000, &ring, SEED, STREAM_SAMPLE, 0); // in two pieces
    ring_batch(again + 2000, NULL, NULL, N - 1000, &ring, SEED, STREAM_SAMPLE, 1000);
    CHECK(memcmp(x, again, 2 * N * sizeof(real)) == 0, "two pieces differ from one batch");
    ring_batch(again, NULL, NULL, N, &ring, SEED + 1, STREAM_SAMPLE, 0);
    CHECK(memcmp(x, again, 2 * N * sizeof(real)) != 0, "the seed has no effect");
    inside = ring_on_modes(&ring, x, N, -1, 3); // at least the mass of one disc; a neighbour's disc adds a little
    CHECK(inside > p - 4 * sqrt(p * (1 - p) / N) && inside < p + 0.006, "%g of the samples on modes", inside);
    for (i = 0; i < N; i++) {
        c[i] = (int)rng_below(SEED, STREAM_PROMPT, i, 4);
    }
    ring_batch(x, label, c, N, &ring, SEED, STREAM_SAMPLE, 0);
    CHECK(memcmp(c, label, N * sizeof(int)) == 0, "a prompt drew a mode of another prompt");
    CHECK(ring_on_modes(&ring, x, N, 1, 3) < 0.27, "three quarters of the rows have other prompts");
    free(x);
    free(again);
    free(label);
    free(c);
}

// ---- grid --------------------------------------------------------------------------------------------------------

// Mass of a normal coordinate inside [-side, side], by libm.
static double normal_inside(double mu, double std, double side) {
    return 0.5 * (erf((side - mu) / (std * sqrt(2))) + erf((side + mu) / (std * sqrt(2))));
}

static void test_grid_ref(void) {
    Ring ring = ring_new();
    Grid g = grid_new(96, -2.4, 2.4); // small on purpose: some mass lies outside
    size_t cells = grid_cells(&g);
    double *p = NEW(double, cells), *q = NEW(double, cells), share[RING_MODES], mean[2], cov[4], x[2];
    int c, k;
    NEAR(g.h, 0.05, 1e-14, 0);
    grid_point(x, &g, 97);
    NEAR(x[0], -2.4 + 0.075, 1e-12, 0);
    NEAR(x[1], -2.4 + 0.075, 1e-12, 0);
    for (c = -1; c < ring.prompts; c++) {
        Gmm gmm = ring_gmm(&ring, c);
        double want = 0, inside = ring_grid_ref(p, &g, &ring, c);
        for (k = 0; k < gmm.K; k++) {
            want += normal_inside(gmm.mu[2 * k], 0.25, 2.4) * normal_inside(gmm.mu[2 * k + 1], 0.25, 2.4) / gmm.K;
        }
        NEAR(inside, want, 0, 2e-6); // what is left is the midpoint rule at the cut edge
        NEAR(grid_gmm(q, &g, &gmm), inside, 1e-12, 0);
        CHECK(tv_discrete(p, q, cells) < 1e-13, "separable and general masses differ by %g", tv_discrete(p, q, cells));
        NEAR(grid_sum(p, &g), 1, 1e-13, 0);
        gmm_free(&gmm);
    }
    g = grid_new(144, -4.5, 4.5);
    p = (double *)xrealloc(p, grid_cells(&g), sizeof(double));
    ring_grid_ref(p, &g, &ring, -1);
    grid_moments(mean, cov, &g, p);
    NEAR(mean[0], 0, 0, 1e-13);
    NEAR(mean[1], 0, 0, 1e-13);
    NEAR(cov[0], 1.5 * 1.5 / 2 + 0.0625, 1e-9, 0);
    NEAR(cov[3], 1.5 * 1.5 / 2 + 0.0625, 1e-9, 0);
    NEAR(cov[1], 0, 0, 1e-12);
    ring_grid_modes(share, &g, &ring, p);
    for (k = 0; k < ring.modes; k++) {
        NEAR(share[k], 0.125, 0, 1e-3); // cells on a border between two modes go to one of them
    }
    free(p);
    free(q);
}

static void test_histogram(void) {
    Grid g = grid_new(4, 0, 4);
    const real x[] = {(real)0.5, (real)0.5, (real)3.9, (real)0.1, (real)3.5, (real)0.5, (real)-0.1, 1, 1, 4};
    double p[16];
    NEAR(grid_histogram(p, &g, x, 5), 0.4, 1e-12, 0); // (-0.1, 1) and (1, 4) are outside: hi belongs to nobody
    NEAR(p[0], 0.2, 1e-12, 0);
    NEAR(p[3], 0.4, 1e-12, 0);
    NEAR(grid_sum(p, &g), 0.6, 1e-12, 0);
}

// The grid and the closed form give one answer, for linear and quadratic rewards and every prompt.
static void test_tilt_closed_form(void) {
    Ring ring = ring_new();
    Grid g = grid_new(160, -5, 5);
    size_t cells = grid_cells(&g);
    double *p = NEW(double, cells), *star = NEW(double, cells), *want = NEW(double, cells);
    QuadReward rewards[3];
    int c, k;
    rewards[0] = linear_reward_new(1.2, -0.7);
    rewards[1] = bowl_reward_new(1.8, 0.4, 1.5);
    rewards[2] = rewards[0];
    rewards[2].A[0] = -0.3; // a saddle: the tilt still exists at this beta
    rewards[2].A[1] = rewards[2].A[2] = 0.4;
    rewards[2].c = 0.25;
    for (c = -1; c < ring.prompts; c++) {
        Gmm gmm = ring_gmm(&ring, c);
        ring_grid_ref(p, &g, &ring, c);
        for (k = 0; k < 3; k++) {
            const double beta = 0.6;
            Gmm tilted = gmm_new(gmm.K);
            TiltPoint closed = gmm_tilt_point(&gmm, &rewards[k], beta);
            TiltPoint grid = grid_tilt(star, NULL, p, &g, quad_point_reward, c, &rewards[k], beta);
            LawScore s;
            gmm_tilt(&tilted, NULL, &gmm, &rewards[k], beta);
            grid_gmm(want, &g, &tilted);
            NEAR(grid.log_z, closed.log_z, 0, 1e-9);
            NEAR(grid.e_r, closed.e_r, 0, 1e-8);
            NEAR(grid.var_r, closed.var_r, 0, 1e-7);
            NEAR(grid.kl, closed.kl, 0, 1e-8);
            NEAR(grid.objective, closed.objective, 0, 1e-9);
            CHECK(tv_discrete(star, want, cells) < 1e-9, "laws differ by %g", tv_discrete(star, want, cells));
            CHECK(closed.kl > 0.01, "the tilt moved nothing: KL %g", closed.kl);
            grid_reward(want, &g, quad_point_reward, c, &rewards[k]);
            s = law_score(star, p, want, beta, cells);
            NEAR(s.gap, 0, 0, 1e-12);
            NEAR(s.kl, closed.kl, 0, 1e-8);
            NEAR(s.tv, 0, 0, 1e-12);
            gmm_free(&tilted);
        }
        gmm_free(&gmm);
    }
    free(p);
    free(star);
    free(want);
}

// A reward without closed form: refinement, reweighted samples, and the Gibbs gap of an arbitrary law.
static void test_tilt_bump(void) {
    enum { N = 40000 };
    Ring ring = ring_new();
    Grid coarse = grid_new(96, -3, 3), fine = grid_new(192, -3, 3);
    size_t cells = grid_cells(&coarse), i;
    double *p = NEW(double, grid_cells(&fine)), *star = NEW(double, grid_cells(&fine)), *r = NEW(double, cells);
    double *q = NEW(double, cells), *reward = NEW(double, N), mean = 0, square = 0, beta = 0.4;
    real *x = NEW(real, 2 * N);
    Bump bump = bump_new();
    TiltPoint f, c;
    LawScore s;
    ring_grid_ref(p, &fine, &ring, 0);
    f = grid_tilt(star, NULL, p, &fine, bump_reward, 0, &bump, beta);
    ring_grid_ref(p, &coarse, &ring, 0);
    c = grid_tilt(star, r, p, &coarse, bump_reward, 0, &bump, beta);
    NEAR(c.log_z, f.log_z, 0, 1e-7);
    NEAR(c.e_r, f.e_r, 0, 1e-7);
    NEAR(c.kl, f.kl, 0, 1e-7);
    CHECK(c.e_r > table_mean(NULL, p, r, cells) + 0.1 && c.kl > 0.1, "the tilt gained nothing: E[r] %g", c.e_r);
    for (i = 0; i < N; i++) {
        double y[2];
        ring_sample(y, &ring, 0, SEED, STREAM_SAMPLE, i);
        x[2 * i] = (real)y[0];
        x[2 * i + 1] = (real)y[1];
    }
    point_rewards(reward, x, NULL, N, bump_reward, &bump);
    for (i = 0; i < N; i++) {
        double w = exp(reward[i] / beta);
        mean += w / N;
        square += w * w / N;
    }
    AGREES(mean, sqrt((square - mean * mean) / N), exp(c.log_z));
    for (i = 0; i < cells; i++) {
        q[i] = p[i] * (0.2 + rng_uniform(SEED, STREAM_LAW, i));
    }
    grid_normalise(q, &coarse);
    s = law_score(q, p, r, beta, cells);
    NEAR(s.gap, beta * kl_discrete(q, star, cells), 1e-9, 1e-12);
    NEAR(s.tv, tv_discrete(q, star, cells), 1e-12, 0);
    CHECK(s.gap > 0.01, "gap %g", s.gap);
    free(p);
    free(star);
    free(r);
    free(q);
    free(reward);
    free(x);
}

int main(void) {
    test_geometry();
    test_samples();
    test_grid_ref();
    test_histogram();
    test_tilt_closed_form();
    test_tilt_bump();
    return report("test_ring");
}
