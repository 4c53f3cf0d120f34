// test_reward_law.c: the law of a quadratic reward under a Gaussian mixture against closed forms, grids and samples.
#include "death.h"
#include "small_mixture.h"

#include "../ref/core/rng.h"
#include "../ref/formula/best_of_n.h"
#include "../ref/formula/reward_law.h"

enum { SEED = 2, STREAM_DRAW = 1, REWARDS = 6 };

// linear; bowl; saddle; one curved axis; curved along a falling line; hill
static const QuadReward rewards[REWARDS] = {
    {{0, 0, 0, 0}, {1, -0.5}, 0.25}, {{1.2, 0, 0, 1.2}, {0.6, 0.6}, -0.3},     {{1, 0.2, 0.2, -1}, {0.3, -0.2}, 0},
    {{1, 0, 0, 0}, {0.3, 0}, 0},     {{0.5, 0.5, 0.5, 0.5}, {0.3, -0.4}, 0.1}, {{-0.8, 0.1, 0.1, -0.5}, {0.2, 0.1}, 0}};

static void test_closed(void) {
    Gmm one = gmm_new(1);
    QuadReward bowl = {{1, 0, 0, 1}, {0, 0}, 0}, hill = {{-1, 0, 0, -1}, {0, 0}, 0}, side = {{2, 0, 0, 0}, {0, 0}, 0};
    QuadReward saddle = {{1, 0, 0, -1}, {0, 0}, 0};
    double n[5] = {1, 2, 5, 20, 1000}, e_r[5];
    one.w[0] = 1;
    one.cov[0] = one.cov[3] = 1;
    for (double v = -9; v < 9; v += 0.37) { // |x|^2/2 is exponential
        NEAR(gmm_reward_cdf(&one, &bowl, v), v < 0 ? exp(v) : 1, 1e-10, 1e-12);
        NEAR(gmm_reward_cdf(&one, &hill, v), v < 0 ? 0 : 1 - exp(-v), 1e-10, 1e-12);
        NEAR(gmm_reward_cdf(&one, &side, v), v < 0 ? erfc(sqrt(-v) / sqrt(2)) : 1, 1e-10, 1e-12);
        NEAR(gmm_reward_cdf(&one, &saddle, v), 1 - gmm_reward_cdf(&one, &saddle, -v), 1e-9, 1e-12);
    }
    double product =
        0; // the saddle is uv for independent u, v: P(uv <= 0.3) = 2 int_0^inf phi(u) Phi(0.3/u) du, u = e^s
    for (double s = -40; s < 4; s += 0.01) {
        product += exp(s) * sqrt(2 / PI) * exp(-0.5 * exp(2 * s)) * 0.5 * erfc(-0.3 / exp(s) / sqrt(2)) * 0.01;
    }
    NEAR(gmm_reward_cdf(&one, &saddle, 0.3), product, 1e-9, 0);
    bon_gmm_mean(e_r, &one, &bowl, n, 5);
    for (int i = 0; i < 5; i++) { // the least of n exponentials
        NEAR(e_r[i], -1 / n[i], 1e-7, 1e-10);
    }
    bon_gmm_mean(e_r, &one, &hill, n, 3);
    NEAR(e_r[2], 1 + 1 / 2.0 + 1 / 3.0 + 1 / 4.0 + 1 / 5.0, 1e-9, 0); // the largest: harmonic numbers
    one.cov[0] = one.cov[3] = 0;                                      // a point
    CHECK(gmm_reward_cdf(&one, &bowl, -1e-9) == 0 && gmm_reward_cdf(&one, &bowl, 1e-9) == 1, "a point has one reward");
    one.cov[0] = 4; // a line: only the first axis varies
    NEAR(gmm_reward_cdf(&one, &bowl, -1), erfc(sqrt(2.0) / 2 / sqrt(2)), 1e-10, 0);
    gmm_free(&one);
}

static void test_mixture(void) {
    enum { N = 20000 };
    Gmm p = mixture_a();
    double n[3] = {1, 4, 16}, e_r[3], mean;
    double *r = NEW(double, N);
    for (int k = 0; k < REWARDS; k++) {
        gmm_reward_moments(&mean, NULL, &p, &rewards[k]);
        if (k < 3) {
            bon_gmm_mean(e_r, &p, &rewards[k], n, 3);
            NEAR(e_r[0], mean, 2e-8, 1e-9);
        }
        for (int i = 0; i < N; i++) {
            double x[2];
            gmm_sample(x, &p, SEED, STREAM_DRAW, (uint64_t)i);
            r[i] = quad_reward(&rewards[k], x);
        }
        for (double v = mean - 1.5; v < mean + 2; v += 0.5) {
            double below = 0, F = gmm_reward_cdf(&p, &rewards[k], v);
            for (int i = 0; i < N; i++) {
                below += (r[i] <= v) / (double)N;
            }
            CHECK(fabs(below - F) <= 4 * sqrt(F * (1 - F) / N) + 1e-9, "reward %d: P(r <= %g) = %g, sampled %g", k, v,
                  F, below);
        }
        if (k >= 3) { // one quadrature takes 0.3 seconds
            continue;
        }
        double sum = 0, square = 0;
        for (int i = 0; i + 4 <= N; i += 4) {
            double best = fmax(fmax(r[i], r[i + 1]), fmax(r[i + 2], r[i + 3]));
            sum += best / (N / 4);
            square += best * best / (N / 4);
        }
        AGREES(sum, sqrt((square - sum * sum) / (N / 4)), e_r[1]);
        for (int i = 1; i < 3; i++) { // best-of-n lies below the frontier at its own KL, where there is one
            if (gmm_critical_beta(&p, &rewards[k]) == 0) {
                TiltPoint at = gmm_tilt_at_kl(&p, &rewards[k], bon_kl(n[i]));
                NEAR(at.kl, bon_kl(n[i]), 1e-9, 0);
                CHECK(at.e_r > e_r[i], "reward %d: best of %g earns %g, frontier %g", k, n[i], e_r[i], at.e_r);
            }
        }
    }
    TiltPoint at = gmm_tilt_at_kl(&p, &rewards[5], 0.4); // a hill: only above its critical temperature
    NEAR(at.kl, 0.4, 1e-9, 0);
    CHECK((at.e_r - at.objective) / at.kl > gmm_critical_beta(&p, &rewards[5]), "a temperature that exists");
    for (double kl = 0.01; kl < 3; kl *= 2) { // the slope of the frontier is the temperature of the point
        double h = 1e-4 * kl;
        double high = gmm_tilt_at_kl(&p, &rewards[1], kl + h).e_r, low = gmm_tilt_at_kl(&p, &rewards[1], kl - h).e_r;
        at = gmm_tilt_at_kl(&p, &rewards[1], kl);
        NEAR(at.kl, kl, 1e-9, 0);
        NEAR((high - low) / (2 * h), (at.e_r - at.objective) / at.kl, 1e-4, 0);
    }
    const QuadReward flat = {{0, 0, 0, 0}, {0, 0}, 1};
    DIES("no point with KL = 1", gmm_tilt_at_kl(&p, &flat, 1));
    DIES("every KL > 0", gmm_tilt_at_kl(&p, &rewards[0], 0));
    at = gmm_tilt_at_reward(&p, &rewards[0], gmm_tilt_point(&p, &rewards[0], 0.7).e_r); // back to the same temperature
    NEAR(at.kl, gmm_tilt_point(&p, &rewards[0], 0.7).kl, 1e-9, 0);
    DIES("not above that of the reference", gmm_tilt_at_reward(&p, &rewards[0], -1e3));
    DIES("no point with E[r] = 1000", gmm_tilt_at_reward(&p, &rewards[1], 1e3)); // a bowl has a top
    free(r);
    gmm_free(&p);
}

int main(void) {
    test_closed();
    test_mixture();
    return report("test_reward_law");
}
