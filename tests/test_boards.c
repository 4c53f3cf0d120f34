// test_boards.c: the scoreboards, the simulated choices and the reward fit of chapter 1, and its policy gradient, each
// against an exact answer on the ring.
#include "../ref/formula/policy.h"
#include "../toy/feedback/reward_fit.h"
#include "../toy/model/mixture.h"
#include "../toy/model/train.h"
#include "../toy/world/ring_board.h"
#include "../toy/world/sample_board.h"
#include "../toy/world/worlds.h"
#include "harness.h"

enum { STEPS = 24 };

// The exact denoiser of the ring, with its modes moved by `shift` and reweighted by the factors of a linear tilt.
static Net tilted_ring(const Ring *ring, const Schedule *s, const QuadReward *tilt, double beta) {
    double w[RING_MODES], mu[2 * RING_MODES], std[RING_MODES];
    int owner[RING_MODES];
    for (int k = 0; k < RING_MODES; k++) {
        owner[k] = ring_prompt_of_mode(ring, k);
        ring_mode(mu + 2 * k, ring, k);
        w[k] = 1;
        std[k] = ring->std;
        if (tilt != NULL) { // p* of a linear reward: weights e^(b.mu/beta + s^2|b|^2/(2 beta^2)), means mu + s^2 b/beta
            w[k] = exp((tilt->b[0] * mu[2 * k] + tilt->b[1] * mu[2 * k + 1]) / beta);
            mu[2 * k] += ring->std * ring->std * tilt->b[0] / beta;
            mu[2 * k + 1] += ring->std * ring->std * tilt->b[1] / beta;
        }
    }
    return mixture_new(RING_MODES, 2, w, mu, std, owner, s);
}

static void test_boards(void) {
    Ring ring = ring_new();
    QuadReward reward = linear_reward_new(0.7, 1.9);
    World world = ring_world(&ring, &reward);
    Schedule s = schedule_logsnr(STEPS, 2.5, -4);
    Net ref = tilted_ring(&ring, &s, NULL, 1), star = tilted_ring(&ring, &s, &reward, 1);
    Net none = mlp_new(2, 1, 4, 1, RING_PROMPTS, NULL, 1); // r = 0 before training
    Chain chain = fitted_chain(&ref, &world, &s, 2048, 1);
    Grid grid = grid_new(108, -4.5, 4.5);
    RingBoard b = ring_board_new(&ring, &grid, &ref, &chain, quad_point_reward, &reward, &none, 1);
    SampleBoard sb = sample_board_new(1500, &world, &ref, &chain, &none, 1, 5, 1);
    Score self = ring_board_model(&b, &ref), best = ring_board_tilt(&b, 1), tilted = ring_board_model(&b, &star);
    Score sampled, four = ring_board_best_of(&b, 4), one = ring_board_best_of(&b, 1);
    double se, exact = 0;
    CHECK(b.data_kl > 0 && b.data_kl < 0.03, "the exact denoiser's chain is near the data: KL %g", b.data_kl);
    CHECK(b.lost < 1e-3, "mass lost %g", b.lost);
    NEAR(self.kl, 0, 0, 1e-9);
    NEAR(self.closed, 0, 0, 1e-9);
    NEAR(one.reward, self.reward, 1e-9, 1e-9);
    NEAR(best.closed, 1, 1e-9, 0);
    NEAR(best.tv, 0, 0, 1e-9);
    NEAR(best.j, b.j_star, 1e-9, 0);
    // With r_learned = 0 everywhere all draws tie, and best-of-4 is the reference.
    NEAR(four.kl, 0, 0, 1e-9);
    // The closed-form optimum as a denoiser, run through the same chain, must reach the grid's optimum.
    CHECK(tilted.closed > 0.97 && tilted.closed < 1, "the exact tilt closes %g", tilted.closed);
    CHECK(tilted.tv < 0.06, "the exact tilt is %g from p*", tilted.tv);
    for (int c = 0; c < RING_PROMPTS; c++) { // log Z of the data law, closed form against the reference's own grid
        Gmm p = ring_gmm(&ring, c);
        exact += gmm_tilt_point(&p, &reward, 1).objective / RING_PROMPTS;
        gmm_free(&p);
    }
    NEAR(b.j_star, exact, 0.02, 0.02); // the chain is not exactly the data
    // Two routes to the same numbers: sums over cells, and weighted samples.
    NEAR(sb.j_ref, b.j_ref, 0, 4 * 1.5 / sqrt(sb.n));
    NEAR(sb.j_star, b.j_star, 0, 4 * sqrt(1 / sb.ess - 1.0 / sb.n) + 0.01);
    AGREES(sb.e_star, sb.e_star_se, best.reward);
    CHECK(sb.ess > 0.2 * sb.n && sb.ess < sb.n, "effective samples %g of %d", sb.ess, sb.n);
    sampled = sample_board_model(&sb, &star, 4000);
    se = 1.2 / sqrt(4000.0);
    AGREES(sampled.reward, se, tilted.reward);
    NEAR(sampled.j, sampled.reward - 1 * sampled.kl, 1e-12, 1e-12); // beta = 1
    CHECK(sampled.j < sampled.reward - 0.1, "the KL must cost something: %g of %g", sampled.j, sampled.reward);
    // The path KL is at least the KL of the laws, and exact on the grid too.
    CHECK(sampled.kl > tilted.kl, "path KL %g, KL of the laws %g", sampled.kl, tilted.kl);
    { // curves rise, and no point of a curve lies above the frontier's slope
        Score curve[12];
        ring_board_curve(curve, &b, 12);
        for (int i = 1; i < 12; i++) {
            CHECK(curve[i].kl > curve[i - 1].kl && curve[i].reward > curve[i - 1].reward, "curve at %d", i);
        }
        sample_board_curve(curve, &sb, 12);
        for (int i = 1; i < 12; i++) {
            CHECK(curve[i].kl > curve[i - 1].kl && curve[i].reward > curve[i - 1].reward, "sampled curve at %d", i);
        }
    }
    ring_board_free(&b);
    sample_board_free(&sb);
    net_free(&ref);
    net_free(&star);
    net_free(&none);
    chain_free(&chain);
    schedule_free(&s);
}

static void test_choices(void) {
    enum { PAIRS = 3000 };
    Ring ring = ring_new();
    QuadReward reward = linear_reward_new(1, -1);
    World world = ring_world(&ring, &reward);
    Schedule s = schedule_logsnr(STEPS, 2.5, -4);
    Net ref = tilted_ring(&ring, &s, NULL, 1), fitted;
    Chain chain = fitted_chain(&ref, &world, &s, 512, 1);
    Rater rater = rater_new(1, 3, 1);
    Pairs p = pairs_collect(&rater, &world, &ref, &chain, PAIRS, 3, 2);
    RewardReport report;
    double won = 0, slope_top = 0, slope_bottom = 0;
    for (int i = 0; i < PAIRS; i++) {
        double r[2];
        world.reward(&world, &r[0], p.w + 2 * i, p.c + i, 1);
        world.reward(&world, &r[1], p.l + 2 * i, p.c + i, 1);
        won += (r[0] > r[1]) / (double)PAIRS;
        CHECK(p.c[i] >= 0 && p.c[i] < RING_PROMPTS, "prompt %d", p.c[i]);
    }
    AGREES(won, sqrt(won * (1 - won) / PAIRS), p.best_accuracy);
    fitted = fit_reward(&report, &p, RING_PROMPTS, 300, 3, 4);
    CHECK(report.accuracy > p.best_accuracy - 0.05 && report.accuracy < p.best_accuracy + 0.07, "accuracy %g of %g",
          report.accuracy, p.best_accuracy);
    CHECK(report.ece < 0.1 && report.nll < 0.65, "calibration %g %g", report.ece, report.nll);
    for (int i = 0; i < PAIRS; i++) { // the fitted differences have the size of the true ones: slope 1
        real x[4], y[2];
        int c[2];
        double r[2];
        pairs_row(x, c, &p, i, 0, 1);
        fitted.forward(&fitted, y, x, NULL, c, 2);
        world.reward(&world, r, x, c, 2);
        slope_top += (r[0] - r[1]) * ((double)y[0] - (double)y[1]);
        slope_bottom += (r[0] - r[1]) * (r[0] - r[1]);
    }
    NEAR(slope_top / slope_bottom, 1, 0.15, 0);
    pairs_free(&p);
    net_free(&fitted);
    net_free(&ref);
    chain_free(&chain);
    schedule_free(&s);
}

// The gradient that chapter 1's policy gradient follows, averaged over many rollouts, against a finite difference of
// the exact objective E[r] - beta path KL, along one direction.
static void test_policy_gradient(void) {
    enum { T = 6, N = 2000, BATCHES = 12, D = 2 };
    Ring ring = ring_new();
    QuadReward reward = linear_reward_new(0.8, 0.5);
    Schedule s = schedule_logsnr(T, 2, -3);
    Chain chain = chain_new(&s);
    Net ref = tilted_ring(&ring, &s, NULL, 1), net = tilted_ring(&ring, &s, &reward, 2);
    Grid grid = grid_new(96, -4.8, 4.8);
    size_t numbers = (size_t)N * D, cells = grid_cells(&grid);
    real *x0 = NEW(real, numbers), *path = NEW(real, numbers * (T + 1)), *eps = NEW(real, numbers * T);
    real *eps_ref = NEW(real, numbers * T), *t = NEW(real, N * T), g[D], dkl[D], *kept = NEW(real, net.np);
    int *c = NEW(int, N *T);
    double *to_go = NEW(double, N), *advantage = NEW(double, N), *law = NEW(double, cells), *r = NEW(double, cells);
    double beta = 0.7, j[2], mean = 0, square = 0, exact, h = 1e-3;
    for (int k = 0; k < T; k++) { // a chain with noise in every step
        chain.step[k].sigma = sqrt(chain.step[k].sigma * chain.step[k].sigma + 0.01);
        chain.step[k].w_kl = step_w_kl(chain.step[k].b, chain.step[k].sigma);
    }
    for (int i = 0; i < N * T; i++) {
        t[i] = (real)(i / N);
        c[i] = 1; // one prompt: modes 2 and 3
    }
    memcpy(kept, net.p, net.np * sizeof(real));
    grid_reward(r, &grid, quad_point_reward, 1, &reward);
    for (int side = 0; side < 2; side++) {
        ChainLaw report;
        for (size_t q = 0; q < net.np; q++) {
            net.p[q] = (real)((double)kept[q] + (side ? -h : h) * rng_normal(9, 1, q));
        }
        net_changed(&net);
        report = chain_law(law, &grid, &net, &ref, &chain, 1);
        j[side] = table_mean(NULL, law, r, cells) - beta * report.path_kl;
    }
    exact = (j[0] - j[1]) / (2 * h);
    memcpy(net.p, kept, net.np * sizeof(real));
    net_changed(&net);
    for (int batch = 0; batch < BATCHES; batch++) {
        double along = 0;
        chain_sample(x0, path, &net, &chain, c, N, 10, (uint64_t)batch);
        net.forward(&net, eps, path + numbers, t, c, N * T);
        ref.forward(&ref, eps_ref, path + numbers, t, c, N * T);
        for (int i = 0; i < N; i++) {
            double x[2];
            x[0] = (double)x0[2 * i];
            x[1] = (double)x0[2 * i + 1];
            to_go[i] = quad_reward(&reward, x);
        }
        for (int k = 0; k < T; k++) {
            advantage_loo(advantage, to_go, 1, N);
            for (int i = 0; i < N; i++) {
                size_t at = (size_t)k * numbers + (size_t)i * D;
                to_go[i] -= beta * step_kl(dkl, &chain.step[k], eps + at, eps_ref + at, D);
                step_logp(g, &chain.step[k], path + at, path + numbers + at, eps + at, D);
                for (int d = 0; d < D; d++) {
                    eps[at + (size_t)d] = (real)((beta * (double)dkl[d] - advantage[i] * (double)g[d]) / N);
                }
            }
        }
        net_zero_grad(&net);
        net.backward(&net, NULL, eps, path + numbers, t, c, N * T);
        for (size_t q = 0; q < net.np; q++) {
            along -= (double)net.g[q] * rng_normal(9, 1, q); // the loss is -J
        }
        mean += along / BATCHES;
        square += along * along / BATCHES;
    }
    CHECK(fabs(exact) > 0.05, "the direction must matter: %g", exact);
    AGREES(mean, sqrt((square - mean * mean) / (BATCHES - 1)), exact);
    free(x0);
    free(path);
    free(eps);
    free(eps_ref);
    free(t);
    free(kept);
    free(c);
    free(to_go);
    free(advantage);
    free(law);
    free(r);
    net_free(&ref);
    net_free(&net);
    chain_free(&chain);
    schedule_free(&s);
}

int main(void) {
    test_boards();
    test_choices();
    test_policy_gradient();
    return report("test_boards");
}
