// test_raters.c: simulated raters, true rewards, and the arms, against formulas written a second time with libm.
#include "../toy/feedback/raters.h"
#include "../toy/feedback/rewards.h"
#include "../toy/world/arms.h"
#include "harness.h"

enum { SEED = 5 };
enum { STREAM_RATER = 300, STREAM_POINT, STREAM_ARM, STREAM_LAW, STREAM_IMAGE };

// ---- raters ------------------------------------------------------------------------------------------------------

static void test_odds(void) {
    static const double gaps[] = {0, 0.3, -1, 2.5, -7, 40, 3000, -3000};
    Rater rater = rater_new(0.7, SEED, STREAM_RATER);
    size_t i, f, t;
    for (i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        for (f = 0; f < 2; f++) {
            for (t = 0; t < 2; t++) {
                Odds there, back;
                double a, tie, d = gaps[i] / 0.7;
                rater.flip = 0.15 * (double)f;
                rater.tie = 0.8 * (double)t;
                there = rater_odds(&rater, 1 + gaps[i], 1);
                back = rater_odds(&rater, 1, 1 + gaps[i]);
                NEAR(there.a + there.b + there.tie, 1, 1e-14, 0);
                NEAR(there.a, back.b, 1e-13, 0); // the names of the two things do not matter
                NEAR(there.tie, back.tie, 1e-13, 0);
                if (fabs(d) < 600) { // Davidson: pi_a : pi_b : nu sqrt(pi_a pi_b), pi = e^(r / tau)
                    double pa = exp(d), pb = 1, both = rater.tie * sqrt(pa * pb), all = pa + pb + both;
                    a = ((1 - rater.flip) * pa + rater.flip * pb) / all;
                    tie = both / all;
                } else {
                    a = d > 0 ? 1 - rater.flip : rater.flip;
                    tie = 0;
                }
                NEAR(there.a, a, 1e-12, 1e-300);
                NEAR(there.tie, tie, 1e-12, 1e-300);
                NEAR(rater_accuracy(&rater, 1 + gaps[i], 1), (gaps[i] >= 0 ? there.a : there.b) + there.tie / 2, 1e-14,
                     0);
            }
        }
    }
    rater.flip = rater.tie = 0;
    NEAR(rater_odds(&rater, 0.7, 0).a, 1 / (1 + exp(-1.0)), 1e-14, 0); // one temperature apart: 0.731
    rater.tie = 1;
    NEAR(rater_odds(&rater, 2, 2).tie, 1.0 / 3, 1e-14, 0);
}

static void test_choices(void) {
    enum { N = 40000 };
    static const double flip[] = {0, 0.2, 0.2}, tie[] = {0, 0, 0.6};
    int k, first[N], i;
    for (k = 0; k < 3; k++) {
        Rater rater = rater_new(0.5, SEED, STREAM_RATER);
        Rater other = rater;
        Odds odds;
        int count[3] = {0, 0, 0}, same = 0, differ = 0;
        rater.flip = other.flip = flip[k];
        rater.tie = other.tie = tie[k];
        other.seed++;
        odds = rater_odds(&rater, 0.8, 0.5);
        for (i = 0; i < N; i++) {
            first[i] = rater_choose(&rater, 0.8, 0.5, (uint64_t)i);
            count[first[i] + 1]++;
        }
        AGREES(count[2] / (double)N, sqrt(odds.a * (1 - odds.a) / N), odds.a);
        AGREES(count[0] / (double)N, sqrt(odds.b * (1 - odds.b) / N), odds.b);
        if (tie[k] > 0) {
            AGREES(count[1] / (double)N, sqrt(odds.tie * (1 - odds.tie) / N), odds.tie);
        } else {
            CHECK(count[1] == 0, "%d ties from a rater who calls none", count[1]);
        }
        for (i = N - 1; i >= 0; i--) { // asked again in another order: the same answers
            same += (int)rater_choose(&rater, 0.8, 0.5, (uint64_t)i) == first[i];
            differ += (int)rater_choose(&other, 0.8, 0.5, (uint64_t)i) != first[i];
        }
        CHECK(same == N, "%d of %d answers repeat", same, (int)N);
        CHECK(differ > N / 5, "another seed changes only %d answers", differ);
    }
}

static void test_tournament(void) {
    enum { PER_PAIR = 4000 };
    Arms arms = arms_new();
    Rater rater = rater_new(1, SEED, STREAM_RATER);
    double wins[ARMS * ARMS], ties[ARMS * ARMS], mean_wins[ARMS * ARMS], mean_ties[ARMS * ARMS], again[ARMS * ARMS];
    int i, j;
    rater.tie = 0.4;
    rater.flip = 0.05;
    rater_tournament(wins, ties, arms.r, ARMS, PER_PAIR, &rater, 0);
    rater_expected(mean_wins, mean_ties, arms.r, ARMS, PER_PAIR, &rater);
    for (i = 0; i < ARMS; i++) {
        CHECK(wins[i * ARMS + i] == 0 && mean_wins[i * ARMS + i] == 0, "arm %d beats itself", i);
        for (j = 0; j < ARMS; j++) {
            double p = mean_wins[i * ARMS + j] / PER_PAIR, q = mean_ties[i * ARMS + j] / PER_PAIR;
            if (i != j) {
                double all = wins[i * ARMS + j] + wins[j * ARMS + i] + ties[i * ARMS + j];
                CHECK(all == PER_PAIR && ties[i * ARMS + j] == ties[j * ARMS + i], "%d-%d: %g answers", i, j, all);
                AGREES(wins[i * ARMS + j] / PER_PAIR, sqrt(p * (1 - p) / PER_PAIR), p);
                AGREES(ties[i * ARMS + j] / PER_PAIR, sqrt(q * (1 - q) / PER_PAIR), q);
            }
        }
    }
    rater_tournament(again, ties, arms.r, ARMS, PER_PAIR, &rater, 0);
    CHECK(memcmp(wins, again, sizeof wins) == 0, "a repeated tournament differs");
    rater_tournament(again, ties, arms.r, ARMS, PER_PAIR, &rater, 1000000);
    CHECK(memcmp(wins, again, sizeof wins) != 0, "fresh answers are old answers");
}

// ---- arms --------------------------------------------------------------------------------------------------------

static void test_arms(void) {
    enum { N = 40000 };
    Arms arms = arms_new();
    double sum = 0, mean = 0, top = -9, low = 9, star[ARMS], want[ARMS], z = 0, logits[ARMS], p[ARMS], e_r = 0;
    const double beta = 0.5;
    int k, i, count[ARMS] = {0};
    TiltPoint best;
    LawScore s;
    for (k = 0; k < ARMS; k++) {
        CHECK(arms.p_ref[k] > 0, "arm %d", k);
        sum += arms.p_ref[k];
        mean += arms.r[k] / ARMS;
        top = fmax(top, arms.r[k]);
        low = fmin(low, arms.r[k]);
        want[k] = arms.p_ref[k] * exp(arms.r[k] / beta);
        z += want[k];
    }
    NEAR(sum, 1, 1e-14, 0);
    NEAR(mean, 0, 0, 1e-15);
    NEAR(top - low, 3, 1e-15, 0);
    best = arms_tilt(star, &arms, beta);
    NEAR(best.log_z, log(z), 1e-13, 0);
    for (k = 0; k < ARMS; k++) {
        NEAR(star[k], want[k] / z, 1e-13, 0);
        e_r += want[k] / z * arms.r[k];
        logits[k] = log(want[k]) + 7; // a softmax does not see a common shift
    }
    NEAR(best.e_r, e_r, 1e-13, 0);
    NEAR(best.kl, e_r / beta - log(z), 1e-12, 0);
    arms_softmax(p, logits);
    s = arms_score(p, &arms, beta);
    NEAR(s.gap, 0, 0, 1e-13);
    NEAR(s.j, beta * log(z), 1e-13, 0);
    s = arms_score(arms.p_ref, &arms, beta); // doing nothing: J = E_ref[r]
    NEAR(s.kl, 0, 0, 1e-15);
    CHECK(s.gap > 0.1 && s.tv > 0.1, "the reference is already optimal: gap %g", s.gap);
    for (k = 0; k < ARMS; k++) {
        p[k] = arms.p_ref[k] * (0.2 + rng_uniform(SEED, STREAM_LAW, (uint64_t)k));
    }
    sum = 0;
    for (k = 0; k < ARMS; k++) {
        sum += p[k];
    }
    for (k = 0; k < ARMS; k++) {
        p[k] /= sum;
    }
    NEAR(arms_score(p, &arms, beta).gap, beta * kl_discrete(p, star, ARMS), 1e-11, 0);
    for (i = 0; i < N; i++) {
        count[arms_draw(star, SEED, STREAM_ARM, (uint64_t)i)]++;
    }
    for (k = 0; k < ARMS; k++) {
        AGREES(count[k] / (double)N, sqrt(star[k] * (1 - star[k]) / N), star[k]);
    }
    memset(p, 0, sizeof p);
    p[3] = 1; // a sure arm, and arms that must never come
    for (i = 0; i < 100; i++) {
        CHECK(arms_draw(p, SEED, STREAM_ARM, (uint64_t)i) == 3, "draw %d", i);
    }
}

// ---- rewards -----------------------------------------------------------------------------------------------------

static void test_point_rewards(void) {
    Bump bump = bump_new();
    QuadReward bowl = bowl_reward_new(0.5, -1, 2), line = linear_reward_new(2, -3);
    double at[2] = {0.5, -1};
    size_t i;
    double r[2];
    real x[4] = {1, 2, (real)1.5, (real)0.25};
    NEAR(bump_reward(bump.centre, -1, &bump), bump.height, 1e-15, 0);
    CHECK(sqrt(bump.centre[0] * bump.centre[0] + bump.centre[1] * bump.centre[1]) > 1.5 + 0.25, "inside the ring");
    NEAR(quad_point_reward(at, 2, &bowl), 0, 0, 1e-14);
    at[0] += 1;
    NEAR(quad_point_reward(at, 2, &bowl), -1, 1e-13, 0);
    NEAR(quad_point_reward(at, 2, &line), 2 * 1.5 + 3, 1e-13, 0);
    point_rewards(r, x, NULL, 2, quad_point_reward, &line);
    NEAR(r[0], 2 - 6, 1e-6, 0);
    NEAR(r[1], 3 - 0.75, 1e-6, 0);
    for (i = 0; i < 50; i++) {
        double y[2], g[2], up[2], down[2], direction[2], slope, h = 1e-5, d2;
        y[0] = 2 * rng_normal(SEED, STREAM_POINT, 4 * i);
        y[1] = 2 * rng_normal(SEED, STREAM_POINT, 4 * i + 1);
        direction[0] = rng_normal(SEED, STREAM_POINT, 4 * i + 2);
        direction[1] = rng_normal(SEED, STREAM_POINT, 4 * i + 3);
        up[0] = y[0] + h * direction[0];
        up[1] = y[1] + h * direction[1];
        down[0] = y[0] - h * direction[0];
        down[1] = y[1] - h * direction[1];
        bump_grad(g, y, &bump);
        slope = (bump_reward(up, 0, &bump) - bump_reward(down, 0, &bump)) / (2 * h);
        NEAR(g[0] * direction[0] + g[1] * direction[1], slope, 1e-6, 1e-9);
        d2 = (y[0] - 1.6) * (y[0] - 1.6) + (y[1] - 1.2) * (y[1] - 1.2);
        NEAR(bump_reward(y, 0, &bump), 2 * exp(-d2 / (2 * 0.64)), 1e-12, 0);
        CHECK(bump_reward(y, 0, &bump) <= bump.height && bump_reward(y, 0, &bump) >= 0, "not bounded");
    }
}

static void test_ink(void) {
    Ink ink = {0.3, 0.05};
    real x[DIGIT_PIXELS], y[DIGIT_PIXELS];
    double r;
    int k;
    for (k = 0; k < DIGIT_PIXELS; k++) {
        x[k] = -1;
        y[k] = (real)(2 * rng_uniform(SEED, STREAM_IMAGE, (uint64_t)k) - 1);
    }
    NEAR(ink_of(x), 0, 0, 1e-15);
    NEAR(ink_reward(x, &ink), -6, 1e-12, 0);
    x[5] = 1; // one full pixel
    NEAR(ink_of(x), 1.0 / 64, 1e-12, 0);
    r = ink_reward(y, &ink);
    y[17] += (real)0.125; // exact in float as long as |y| < 1
    NEAR(ink_reward(y, &ink) - r, 0.125 * ink_slope(&ink), 1e-5, 0);
}

// A picture drawn in text: '#' is ink.
static int loops_in(const char *const rows[], int side) {
    real x[16 * 16];
    int i, j;
    for (j = 0; j < side; j++) {
        CHECK((int)strlen(rows[j]) == side, "row %d of the test picture", j);
        for (i = 0; i < side; i++) {
            x[j * side + i] = rows[j][i] == '#' ? (real)0.75 : (real)-0.75;
        }
    }
    return loops_of(x, side, 0);
}

static void test_loops(void) {
    static const char *const zero[] = {"........", "..####..", ".##..##.", ".##..##.",
                                       ".##..##.", ".##..##.", "..####..", "........"};
    static const char *const one[] = {"...##...", "..###...", "...##...", "...##...",
                                      "...##...", "...##...", "...##...", "..####.."};
    static const char *const eight[] = {"..####..", ".##..##.", ".##..##.", "..####..",
                                        ".##..##.", ".##..##.", ".##..##.", "..####.."};
    static const char *const gap[] = {"........", "..####..", ".##..##.", ".##.....",
                                      ".##..##.", ".##..##.", "..####..", "........"};
    static const char *const border[] = {"########", "#......#", "#......#", "#......#",
                                         "#......#", "#......#", "#......#", "########"};
    static const char *const open[] = {"#######.", "#......#", "#......#", "#......#",
                                       "#......#", "#......#", "#......#", "########"};
    static const char *const corner[] = {".##.", "#..#", "#..#", ".##."}; // ink meets at corners only
    static const char *const diagonal[] = {"######", "#.####", "##.###", "###.##", "####.#", "######"}; // four holes
    static const char *const nested[] = {"#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######"};
    static const char *const blank[] = {"...", "...", "..."}, *const full[] = {"###", "###", "###"};
    static const char *const dot[] = {"#"}, *const ring[] = {"###", "#.#", "###"};
    real x[9] = {1, 1, 1, 1, (real)0.2, 1, 1, 1, 1};
    int k;
    CHECK(loops_in(zero, 8) == 1, "zero: %d", loops_in(zero, 8));
    CHECK(loops_in(one, 8) == 0, "one: %d", loops_in(one, 8));
    CHECK(loops_in(eight, 8) == 2, "eight: %d", loops_in(eight, 8));
    CHECK(loops_in(gap, 8) == 0, "a zero with a gap: %d", loops_in(gap, 8));
    CHECK(loops_in(border, 8) == 1, "a frame on the border: %d", loops_in(border, 8));
    CHECK(loops_in(open, 8) == 1, "a frame whose corner pixel is missing is still closed: %d", loops_in(open, 8));
    CHECK(loops_in(corner, 4) == 1, "corners close: %d", loops_in(corner, 4));
    CHECK(loops_in(diagonal, 6) == 4, "holes that touch at corners are separate: %d", loops_in(diagonal, 6));
    CHECK(loops_in(nested, 7) == 2, "a ring in a ring: %d", loops_in(nested, 7));
    CHECK(loops_in(blank, 3) == 0 && loops_in(full, 3) == 0 && loops_in(dot, 1) == 0 && loops_in(ring, 3) == 1,
          "small pictures");
    CHECK(loops_of(x, 3, 0) == 0 && loops_of(x, 3, 0.5) == 1, "the threshold has no effect");
    for (k = 0; k < 10; k++) {
        static const int want[] = {1, 0, 0, 0, 0, 0, 1, 0, 2, 1};
        CHECK(loops_of_class(k) == want[k], "digit %d", k);
    }
}

int main(void) {
    test_odds();
    test_choices();
    test_tournament();
    test_arms();
    test_point_rewards();
    test_ink();
    test_loops();
    return report("test_raters");
}
