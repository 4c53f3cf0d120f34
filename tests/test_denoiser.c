// test_denoiser.c: chapter 5's parts.  Backpropagation by hand and its two wrong forms; the exam of the ring, which
// must give the exact denoiser full marks and a known fault its exact price; watching does not change training;
// guidance keeps its limits on the ring and its variances on the line.
#include "death.h"

#include "../toy/model/hand.h"
#include "../toy/model/mlp.h"
#include "../toy/model/train.h"
#include "../toy/world/guided_line.h"
#include "../toy/world/guided_ring.h"
#include "../toy/world/ring_exam.h"
#include "../toy/world/score_view.h"
#include "../toy/world/worlds.h"

enum { T = 6, CELLS = T * RING_VOICES };

static Ring ring;
static Schedule schedule;

static void test_hand(void) {
    for (uint64_t seed = 1; seed < 6; seed++) { // bug 10: a shared node, and a gradient that is not reset
        CHECK(hand_error(HAND_RIGHT, seed, 1) < 1e-7, "seed %d: %g", (int)seed, hand_error(HAND_RIGHT, seed, 1));
        CHECK(hand_error(HAND_OVERWRITTEN, seed, 1) > 1e-2, "= for +=");
        NEAR(hand_error(HAND_NOT_RESET, seed, 1), 0.5, 1e-7, 0); // twice the gradient
    }
}

// A denoiser with a known fault: the exact answer plus (0.3, -0.1) times the level.
static Net exact;

static void faulty_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    exact.forward(&exact, y, x, t, c, n);
    for (int i = 0; i < n; i++) {
        y[2 * i] += net->p[0] * t[i];
        y[2 * i + 1] -= net->p[0] * t[i] / 3;
    }
}

static void test_exam(void) {
    RingExam e = ring_exam_new(&ring, &schedule, 400, 3, 10);
    Mark mark[CELLS], all;
    Net faulty = net_new(2, 2, 1);
    faulty.forward = faulty_forward;
    CHECK(e.cells == CELLS && e.c[0] == -1 && e.c[400] == 0 && e.t[5 * 400] == 1, "the order of the cells");
    ring_exam_mark(mark, &e, &exact);
    all = mark_mean(mark, CELLS);
    CHECK(all.excess == 0 && all.excess_se == 0 && mark_worst(mark, CELLS) == 0, "the exact denoiser: %g", all.excess);
    AGREES(all.loss, all.loss_se, all.least); // and its sampled loss is the floor, an integral without samples
    for (int cell = 0; cell < CELLS; cell++) {
        CHECK(fabs(mark[cell].loss - mark[cell].least) < 4.5 * mark[cell].loss_se, "cell %d: loss %g, floor %g", cell,
              mark[cell].loss, mark[cell].least);
    }
    { // floors of turned prompts are copied: the last prompt by its own integral
        Gmm clean = ring_gmm(&ring, RING_PROMPTS - 1);
        double abar = schedule_abar(&schedule, 2);
        NEAR(mark[2 * RING_VOICES + RING_PROMPTS].least, dsm_floor(&clean, alpha_of(abar), sigma_of(abar)).eps_loss,
             1e-7, 0);
        gmm_free(&clean);
    }
    faulty.p[0] = (real)0.3;
    ring_exam_mark(mark, &e, &faulty);
    for (int cell = 0; cell < CELLS; cell++) {
        int k = cell / RING_VOICES;
        NEAR(mark[cell].excess, 0.1 * k * k, 1e-4, 1e-9); // (0.3^2 + 0.1^2) k^2
        NEAR(mark_percent(mark[cell]), 10.0 * k * k / mark[cell].least, 1e-4, 1e-7);
    }
    all = mark_mean(mark, CELLS);
    NEAR(all.excess, 0.1 * (1 + 4 + 9 + 16 + 25) / 6, 1e-4, 0);
    AGREES(all.loss - all.least, all.loss_se, all.excess); // the same excess, as a difference, with far more noise
    NEAR(mark_worst(mark, CELLS), 100 * 2.5 / mark[5 * RING_VOICES + 1].least, 0.9, 0);
    net_free(&faulty);
    ring_exam_free(&e);
}

// ---- training ----------------------------------------------------------------------------------------------------

static int calls, last_step;
static double heard;

static void listen(void *user, Net *net, int step, double loss) {
    calls++;
    last_step = step;
    heard += loss;
    net->p[0] = (real)7; // a careless watcher
    (void)user;
}

static void test_training(void) {
    World w = ring_world(&ring, NULL);
    Net one = mlp_new(2, 2, 8, 1, RING_PROMPTS, &schedule, 1), two = mlp_new(2, 2, 8, 1, RING_PROMPTS, &schedule, 1);
    Net three = mlp_new(2, 2, 8, 1, RING_PROMPTS, &schedule, 1);
    real weight[T];
    TrainPlan plain = {40, 5e-3, 0.1, weight, TRAIN_ROWS, 1, NULL, NULL};
    TrainPlan watched = {40, 5e-3, 0.1, weight, TRAIN_ROWS, 10, listen, NULL};
    TrainPlan cut = {40, 5e-3, 0.1, weight, 100, 1, NULL, NULL};
    double far = 0;
    for (int k = 0; k < T; k++) {
        weight[k] = (real)(1 / alpha_of(schedule_abar(&schedule, k)));
    }
    train_weighted(&one, &w, &schedule, &plain, 4);
    train_weighted(&two, &w, &schedule, &watched, 4);
    CHECK(memcmp(one.p, two.p, one.np * sizeof(real)) == 0, "watching changed the training");
    CHECK(calls == 4 && last_step == 40, "%d calls, the last at %d", calls, last_step);
    CHECK(heard / 4 > 0.3 && heard / 4 < 1, "loss a number %g", heard / 4);
    train_weighted(&two, &w, &schedule, &plain, 4); // two goes on; a fresh net with train_denoiser is `one` again
    CHECK(memcmp(one.p, two.p, one.np * sizeof(real)) != 0, "training on changes nothing");
    train_denoiser(&three, &w, &schedule, 40, 5e-3, 4);
    CHECK(memcmp(one.p, three.p, one.np * sizeof(real)) == 0, "train_denoiser is another plan");
    net_free(&three);
    three = mlp_new(2, 2, 8, 1, RING_PROMPTS, &schedule, 1);
    train_weighted(&three, &w, &schedule, &cut, 4); // bug 11: the cut of the batch must not matter
    for (size_t i = 0; i < one.np; i++) {
        far = fmax(far, fabs((double)one.p[i] - (double)three.p[i]));
    }
    CHECK(far < (sizeof(real) == 8 ? 1e-9 : 2e-3), "pieces of 100 rows: %g", far);
    for (int rule = 0; rule < TRAIN_WEIGHTS; rule++) {
        double mean = 0;
        train_weights(weight, &schedule, (TrainWeight)rule);
        for (int k = 0; k < T; k++) {
            mean += (double)weight[k] / T;
        }
        NEAR(mean, 1, 1e-6, 0);
        double a = schedule_abar(&schedule, 1), b = schedule_abar(&schedule, 4), want = 1; // weight(4)/weight(1)
        want = rule == WEIGHT_BETWEEN ? sqrt(a / b) : rule == WEIGHT_V ? a / b : want;
        want = rule == WEIGHT_MINSNR ? 1 / fmin(1, 5 * (1 - a) / a) : rule == WEIGHT_P2 ? (1 - b) / (1 - a) : want;
        NEAR((double)weight[4] / (double)weight[1], want, 1e-5, 0);
    }
    net_free(&one);
    net_free(&two);
    net_free(&three);
}

// ---- guidance ----------------------------------------------------------------------------------------------------

static void test_guided(void) {
    World w = ring_world(&ring, NULL);
    Schedule fine = schedule_logsnr(32, 2.5, -4);
    Net net = ring_denoiser(&ring, &fine);
    Chain chain = fitted_chain(&net, &w, &fine, 2000, 1);
    GuidedRing data = guided_ring(&ring, NULL, NULL, 1, 2000, 1, 20),
               zero = guided_ring(&ring, &net, &chain, 0, 500, 1, 30);
    GuidedRing one = guided_ring(&ring, &net, &chain, 1, 500, 1, 30),
               five = guided_ring(&ring, &net, &chain, 5, 500, 1, 30);
    // a point is outside when no disc of 3 standard deviations holds it: at most exp(-4.5), less what neighbours catch
    CHECK(data.outside > 0.003 && data.outside < exp(-4.5), "data outside %g", data.outside);
    CHECK(data.own > 0.98, "data on the modes of their prompt: %g", data.own);
    AGREES(zero.own, sqrt(0.25 * 0.75 / 2000), 0.25); // s = 0: the null prompt, which owns the quarter of each prompt
    CHECK(one.own > 0.97 && five.own > 0.999, "s = 1: %g, s = 5: %g", one.own, five.own);
    CHECK(one.outside < 0.02 && zero.outside < 0.03, "left: %g, %g", one.outside, zero.outside);
    CHECK(five.outside > one.outside, "guidance pushes outwards: %g to %g", one.outside, five.outside);
    net_free(&net);
    chain_free(&chain);
    schedule_free(&fine);
    for (int s = 1; s <= 4; s += 3) {
        for (int eta = 0; eta < 2; eta++) {
            GuidedLine l = guided_line(s, eta, 60, 4000, 2, 40);
            AGREES(l.variance, l.se, l.exact);
            NEAR(guided_line_variance(s, eta, 8000), eta == 0 ? cfg_var_ode(s) : cfg_var_sde(s), 3e-3, 0);
        }
    }
}

static void test_view(void) {
    Grid g = grid_new(4, -2, 2);
    Svg s = svg_new(200, 200, "test");
    Net shifted = net_new(2, 2, 1);
    double largest;
    shifted.forward = faulty_forward;
    shifted.p[0] = (real)0.1;
    svg_axes(&s, -2, 2, -2, 2, "x", "y");
    largest = svg_denoiser_difference(&s, &g, &shifted, &exact, 3, 1, 1);
    NEAR(largest, 0.3 * sqrt(1 + 1.0 / 9), 1e-5, 0);
    svg_scores(&s, &g, &exact, 3, -1, INK);
    svg_finish(&s);
    bytes_byte(&s.text, 0); // the end of a string
    CHECK(strstr((const char *)s.text.data, "<image") != NULL, "no field");
    bytes_free(&s.text);
    net_free(&shifted);
}

int main(void) {
    ring = ring_new();
    schedule = schedule_logsnr(T, 2.5, -4);
    exact = ring_denoiser(&ring, &schedule);
    test_hand();
    test_exam();
    test_training();
    test_guided();
    test_view();
    net_free(&exact);
    schedule_free(&schedule);
    return report("test_denoiser");
}
