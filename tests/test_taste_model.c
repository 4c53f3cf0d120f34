// test_taste_model.c: the learner of chapter 7: features, fits with ties, consistency and its bound, held-out answers,
// the exam, and the two ways to align the mixture, against closed forms and enumeration with libm.
#include "../toy/feedback/session.h"
#include "../toy/feedback/talks.h"
#include "harness.h"

enum { SEED = 4, STREAM_ITEMS = 60, STREAM_U = 70 };

static Ring ring;
static Items items;

// ---- features ----------------------------------------------------------------------------------------------------

static void test_items(void) {
    char name[ITEM_NAME];
    double f[HILLS], x[2] = {0.3, -1.2};
    int i, j;
    hill_features(f, x);
    for (i = 0; i < HILLS; i++) {
        double dx = x[0] - (i % 5 - 2), dy = x[1] - (i / 5 - 2);
        NEAR(f[i], exp(-(dx * dx + dy * dy) / (2 * 0.81)), 1e-13, 0);
    }
    for (i = 0; i < items.n; i += 133) {
        item_name(name, &items, i);
        CHECK(item_find(&items, name) == i && name[0] == 'p' && strlen(name) == 4, "%s", name);
    }
    CHECK(item_find(&items, "p400") == -1 && item_find(&items, "p1") == -1 && item_find(&items, "d001") == -1 &&
              item_find(&items, "p") == -1 && item_find(&items, "p01x") == -1 && item_find(&items, "p9999999999") == -1,
          "names that are none");
    for (i = 0; i < 3; i++) { // the points are p_ref's: close to modes
        double y[2], d;
        y[0] = (double)items.x[2 * i];
        y[1] = (double)items.x[2 * i + 1];
        ring_nearest(&d, &ring, y);
        CHECK(d < 1.2, "point %d is %g from a mode", i, d);
        hill_features(f, y);
        for (j = 0; j < HILLS; j++) {
            NEAR(items.f[i * HILLS + j], f[j], 1e-5, 1e-6);
        }
    }
}

static void test_digits(void) {
    Digits d = digits_load(DIGITS_PATH);
    Items t = items_digits(&d);
    double v[DIGIT_COMPONENTS * DIGIT_PIXELS], f[DIGIT_NAMED], last = INFINITY;
    real picture[DIGIT_PIXELS];
    int i, j, c, a, b, k;
    for (j = 0; j < DIGIT_FEATURES; j++) {
        double square = 0;
        for (c = 0; c < DIGIT_CLASSES; c++) {
            double mean = 0;
            for (i = 0; i < d.count[c]; i++) {
                mean += t.f[d.of[c][i] * DIGIT_FEATURES + j] / d.count[c];
            }
            NEAR(mean, 0, 0, 1e-10);
        }
        for (i = 0; i < d.n; i++) {
            square += t.f[i * DIGIT_FEATURES + j] * t.f[i * DIGIT_FEATURES + j] / d.n;
        }
        NEAR(square, 1, 1e-10, 0);
    }
    for (a = DIGIT_NAMED; a < DIGIT_FEATURES; a++) { // components do not correlate
        for (b = DIGIT_NAMED; b < a; b++) {
            double both = 0;
            for (i = 0; i < d.n; i++) {
                both += t.f[i * DIGIT_FEATURES + a] * t.f[i * DIGIT_FEATURES + b] / d.n;
            }
            NEAR(both, 0, 0, 1e-4);
        }
    }
    digit_components(v, &d);
    for (a = 0; a < DIGIT_COMPONENTS; a++) { // orthonormal; variances fall
        double spread = 0;
        for (b = 0; b <= a; b++) {
            double dot = 0;
            for (k = 0; k < DIGIT_PIXELS; k++) {
                dot += v[a * DIGIT_PIXELS + k] * v[b * DIGIT_PIXELS + k];
            }
            NEAR(dot, a == b, 0, 1e-5);
        }
        for (c = 0; c < DIGIT_CLASSES; c++) {
            double s = 0, ss = 0;
            for (i = 0; i < d.count[c]; i++) {
                double p = 0;
                for (k = 0; k < DIGIT_PIXELS; k++) {
                    p += v[a * DIGIT_PIXELS + k] * (double)d.x[(size_t)d.of[c][i] * DIGIT_PIXELS + k];
                }
                s += p;
                ss += p * p;
            }
            spread += (ss - s * s / d.count[c]) / d.n;
        }
        CHECK(spread < last && spread > 0.3, "component %d has variance %g after %g", a, spread, last);
        last = spread;
    }
    for (k = 0; k < DIGIT_PIXELS; k++) { // a stroke from lower left to upper right leans to the right
        picture[k] = k % 8 == 7 - k / 8 ? (real)1 : (real)-1;
    }
    digit_named(f, picture);
    NEAR(f[0], 1.0 / 8, 1e-12, 0);
    NEAR(f[1], 1, 1e-12, 0); // one column for each row
    NEAR(f[2], sqrt(63.0 / 12), 1e-12, 0);
    NEAR(f[3], sqrt(63.0 / 12), 1e-12, 0);
    NEAR(f[4], -3.5, 1e-12, 0);
    NEAR(f[5], 1, 1e-12, 0);
    for (k = 0; k < 200; k++) { // candidates are two pictures of one digit
        taste_candidate(&a, &b, &t, SEED, STREAM_U, k, k % TASTE_CANDIDATES);
        CHECK(a != b && t.group[a] == t.group[b], "pair %d: %d, %d", k, a, b);
    }
    items_free(&t);
    digits_free(&d);
}

// ---- the fit -----------------------------------------------------------------------------------------------------

static void test_fit(void) {
    static const Answer answer[4] = {{3, 9, 1}, {20, 5, 0}, {7, 8, 0.5}, {9, 3, 0}};
    Taste t = taste_new(HILLS, 4), u = taste_new(HILLS, 4);
    double grad[HILLS] = {0}, mean, sd, back, sd_back;
    int i, a, b, left, right;
    taste_fit(&t, &items, answer, 4, NULL);
    for (i = 0; i < 4; i++) { // at the mode the slope of the log posterior is 0: each answer is worth 1, a tie 1/2 each
        double d = 0;
        for (a = 0; a < HILLS; a++) {
            d += t.theta[a] * (items.f[answer[i].a * HILLS + a] - items.f[answer[i].b * HILLS + a]);
        }
        for (a = 0; a < HILLS; a++) {
            grad[a] += (answer[i].y - 1 / (1 + exp(-d))) *
                       (items.f[answer[i].a * HILLS + a] - items.f[answer[i].b * HILLS + a]);
        }
    }
    for (a = 0; a < HILLS; a++) {
        NEAR(grad[a], t.theta[a] / 4, 1e-8, 1e-10);
    }
    for (a = 0; a < HILLS; a++) { // covariance times precision is the identity
        for (b = 0; b < HILLS; b++) {
            double sum = t.cov[a * HILLS + b] / 4;
            for (i = 0; i < 4; i++) {
                double d = 0, row = 0;
                int c;
                for (c = 0; c < HILLS; c++) {
                    double gap = items.f[answer[i].a * HILLS + c] - items.f[answer[i].b * HILLS + c];
                    d += t.theta[c] * gap;
                    row += t.cov[a * HILLS + c] * gap;
                }
                sum += row * (items.f[answer[i].a * HILLS + b] - items.f[answer[i].b * HILLS + b]) /
                       (2 + exp(d) + exp(-d));
            }
            NEAR(sum, a == b, 0, 1e-9);
        }
    }
    taste_gap(&mean, &sd, &t, &items, 3, 9);
    taste_gap(&back, &sd_back, &t, &items, 9, 3);
    NEAR(back, -mean, 1e-13, 0);
    NEAR(sd_back, sd, 1e-13, 0);
    CHECK(mean > 0.2, "3 beat 9 twice: %g", mean);
    taste_fit(&t, &items, answer, 4, &answer[3]); // both answers about 3 and 9 are left out
    taste_fit(&u, &items, answer + 1, 2, NULL);
    for (a = 0; a < HILLS; a++) {
        NEAR(t.theta[a], u.theta[a], 1e-12, 1e-14);
    }
    taste_choose(&left, &right, &t, &items, pick_variance, answer, 4, SEED, STREAM_U); // the largest of the candidates
    taste_gap(&mean, &sd, &t, &items, left, right);
    for (i = 0; i < TASTE_CANDIDATES; i++) {
        double other;
        taste_candidate(&a, &b, &items, SEED, STREAM_U, 4, i);
        taste_gap(&mean, &other, &t, &items, a, b);
        CHECK(other <= sd, "candidate %d has sd %g, the chosen one %g", i, other, sd);
    }
    taste_free(&t);
    taste_free(&u);
}

static void test_pickers(void) {
    static const double mean[4] = {2, -0.1, 0.5, -3}, sd[4] = {1, 0.2, 2, 1.9}, known[2] = {0, 3}, how[2] = {0, 1};
    CHECK(pick_variance(mean, sd, 4) == 2, "variance");
    CHECK(pick_margin(mean, sd, 4) == 1, "margin");
    CHECK(pick_bald(mean, sd, 4) == 2, "bald");
    CHECK(pick_margin(known, how, 2) == 0 && pick_bald(known, how, 2) == 1, "a known tie teaches nothing");
}

// ---- consistency -------------------------------------------------------------------------------------------------

static void test_consistency(void) {
    static const Answer left[4] = {{1, 2, 1}, {3, 4, 1}, {2, 1, 1}, {4, 3, 1}};
    static const Answer steady[4] = {{1, 2, 1}, {3, 4, 0}, {2, 1, 0}, {4, 3, 1}};
    static const Answer ties[4] = {{1, 2, 0.5}, {3, 4, 0.5}, {2, 1, 1}, {4, 3, 0.5}};
    static const Answer same_side[2] = {{1, 2, 1}, {1, 2, 0}};
    Consistency c = consistency(left, 4);
    double low, high, p;
    int k, trial;
    CHECK(c.repeats == 2 && c.flips == 2 && c.left == 4 && c.bound == 0.5, "always left flips always");
    c = consistency(steady, 4);
    CHECK(c.repeats == 2 && c.flips == 0 && c.left == 2 && c.bound == 1, "a steady reader never does");
    c = consistency(ties, 4);
    CHECK(c.repeats == 2 && c.flips == 1 && c.ties == 3 && c.decided == 1, "a tie is a coin: %g", c.flips);
    CHECK(consistency(same_side, 2).repeats == 0, "only exchanged sides count");
    for (p = 0.5; p <= 1; p += 0.05) { // all questions alike: the bound is reached
        NEAR(accuracy_bound(2 * p * (1 - p)), p, 1e-12, 1e-7);
    }
    for (trial = 0; trial < 100; trial++) { // any mixture of questions: never below the best accuracy
        double flip = 0, best = 0;
        for (k = 0; k < 7; k++) {
            p = rng_uniform(SEED, STREAM_U, (uint64_t)(7 * trial + k));
            flip += 2 * p * (1 - p) / 7;
            best += fmax(p, 1 - p) / 7;
        }
        CHECK(accuracy_bound(flip) >= best && 1 - flip <= best, "flip %g, best %g", flip, best);
    }
    CHECK(accuracy_bound(0.7) == 0.5, "a reader who contradicts himself on purpose");
    share_interval(&low, &high, 0, 4); // Wilson: 0 of 4, and 5 of 10
    NEAR(low, 0, 0, 1e-12);
    NEAR(high, 0.48989, 1e-4, 0);
    share_interval(&low, &high, 0.5, 10);
    NEAR(low, 0.23659, 1e-4, 0);
    NEAR(high, 0.76341, 1e-4, 0);
    share_interval(&low, &high, 0.5, 0);
    CHECK(low == 0 && high == 1, "no trials, no knowledge");
}

// ---- exam and alignment ------------------------------------------------------------------------------------------

static void test_exam(void) {
    Reader reader = reader_new(SEED, 3);
    Exam e = exam_new(&ring, 0.5);
    double *law = NEW(double, EXAM_CELLS), j, r, j5[BUDGETS], r5[BUDGETS], j9[BUDGETS], r9[BUDGETS];
    Taste none = taste_new(HILLS, 4);
    exam_reader(&e, &reader);
    exam_law(&j, &r, &e, e.p_ref);
    NEAR(j, 0, 0, 1e-12);
    NEAR(r, 0, 0, 1e-12);
    tilt_discrete(law, e.p_ref, e.truth, 0.5, EXAM_CELLS);
    exam_law(&j, &r, &e, law);
    NEAR(j, 1, 1e-10, 0);
    NEAR(r, 1, 1e-10, 0);
    tilt_discrete(law, e.p_ref, e.truth, 0.1, EXAM_CELLS); // overspends: more reward, less J
    exam_law(&j, &r, &e, law);
    CHECK(j < 0.9 && r > 1.05, "J %g, reward %g", j, r);
    exam_taste(&j, &r, &e, &none);
    NEAR(j, 0, 0, 1e-12);
    reader_curve(j5, r5, NULL, &e, &ring, &reader, pick_variance, 4, 10);
    reader_curve(j9, r9, NULL, &e, &ring, &reader, pick_variance, 4, 20);
    CHECK(j5[0] == j9[0] && j5[1] == j9[1] && j9[2] <= 1, "a longer run begins like a short one");
    taste_free(&none);
    free(law);
    exam_free(&e);
}

// Slope of J along a fixed pseudo-random direction of the parameters, by finite differences.
static double slope_of_j(Net *net, const Exam *e, const double *r, double *law, int direction) {
    double j[2];
    int k;
    size_t i;
    for (k = 0; k < 3; k++) { // up, down, back
        for (i = 0; i < net->np; i++) {
            double step = (k == 1 ? -2 : 1) * 0.005;
            net->p[i] += (real)(step * rng_normal(SEED, STREAM_U + 2 + (uint64_t)direction, i));
        }
        if (k < 2) {
            mixture_law(law, net, &e->grid);
            j[k] = law_score(law, e->p_ref, r, e->beta, EXAM_CELLS).j;
        }
    }
    return (j[0] - j[1]) / 0.01;
}

// A reward whose tilt is no mixture: where the climb ends, J must be flat in every direction.
static void test_climb(void) {
    Reader reader = reader_new(SEED, 5);
    Exam e = exam_new(&ring, 0.5);
    double *law = NEW(double, EXAM_CELLS), before = 0, after = 0;
    Net net = ring_mixture(&ring);
    int k;
    exam_reader(&e, &reader);
    for (k = 0; k < 4; k++) {
        before += fabs(slope_of_j(&net, &e, e.truth, law, k)) / 4;
    }
    mixture_climb(&net, &e.grid, e.p_ref, e.truth, 0.5, 250, 0.05);
    for (k = 0; k < 4; k++) {
        after += fabs(slope_of_j(&net, &e, e.truth, law, k)) / 4;
    }
    CHECK(before > 0.2 && after < 0.05 * before, "slope of J %g, then %g", before, after);
    net_free(&net);
    free(law);
    exam_free(&e);
}

// A linear reward tilts the ring into a mixture of the same widths: both methods can reach it exactly.
static void test_alignment(void) {
    enum { PAIRS = 600 };
    Exam e = exam_new(&ring, 0.5);
    double *r = NEW(double, EXAM_CELLS), *law = NEW(double, EXAM_CELLS), y[PAIRS];
    real xa[2 * PAIRS], xb[2 * PAIRS];
    QuadReward linear = linear_reward_new(0.5, -0.3);
    LawScore start, end;
    Net net = ring_mixture(&ring);
    int i;
    grid_reward(r, &e.grid, quad_point_reward, -1, &linear);
    mixture_law(law, &net, &e.grid);
    NEAR(kl_discrete(law, e.p_ref, EXAM_CELLS), 0, 0, 1e-9);
    start = law_score(law, e.p_ref, r, 0.5, EXAM_CELLS);
    mixture_climb(&net, &e.grid, e.p_ref, r, 0.5, 200, 0.05);
    mixture_law(law, &net, &e.grid);
    end = law_score(law, e.p_ref, r, 0.5, EXAM_CELLS);
    CHECK(start.gap > 0.2 && end.gap < 0.002 * start.gap && end.gap > -1e-9, "gap %g, then %g", start.gap, end.gap);
    net_free(&net);
    net = ring_mixture(&ring); // DPO with the exact chance of each answer
    for (i = 0; i < PAIRS; i++) {
        double a[2], b[2];
        ring_sample(a, &ring, -1, SEED, STREAM_U + 1, (uint64_t)(2 * i));
        ring_sample(b, &ring, -1, SEED, STREAM_U + 1, (uint64_t)(2 * i + 1));
        xa[2 * i] = (real)a[0];
        xa[2 * i + 1] = (real)a[1];
        xb[2 * i] = (real)b[0];
        xb[2 * i + 1] = (real)b[1];
        y[i] = 1 / (1 + exp(quad_reward(&linear, b) - quad_reward(&linear, a)));
    }
    mixture_dpo(&net, xa, xb, y, PAIRS, 0.5, 300, 0.05);
    mixture_law(law, &net, &e.grid);
    end = law_score(law, e.p_ref, r, 0.5, EXAM_CELLS);
    CHECK(end.gap < 0.02 * start.gap && end.gap > -1e-9, "DPO: gap %g of %g", end.gap, start.gap);
    net_free(&net);
    free(r);
    free(law);
    exam_free(&e);
}

// A digit drawn as often as its weight says.
static void test_resample(void) {
    enum { DRAWS = 400 };
    Digits d = digits_load(DIGITS_PATH);
    Items t = items_digits(&d);
    Taste taste = taste_new(DIGIT_FEATURES, 0.4);
    real *x = NEW(real, DRAWS * DIGIT_PIXELS);
    double before = 0, after = 0, expected = 0;
    DigitsResult r;
    int i;
    taste.theta[0] = 1; // likes bold strokes
    r = digits_result(&d, &t, &taste, 1);
    for (i = 0; i < d.n; i++) {
        before += ink_of(d.x + (size_t)i * DIGIT_PIXELS) / d.count[d.label[i]] / DIGIT_CLASSES;
        expected += ink_of(d.x + (size_t)i * DIGIT_PIXELS) * r.w[i] / DIGIT_CLASSES;
    }
    digits_resample(x, DRAWS, &d, r.w);
    for (i = 0; i < DRAWS; i++) {
        after += ink_of(x + (size_t)i * DIGIT_PIXELS) / DRAWS;
    }
    NEAR(after, expected, 0, 0.002);
    CHECK(expected > before + 0.02, "ink %g, then %g", before, expected);
    NEAR(r.kl, 0.5, 0.3, 0); // a Gaussian of variance 1 moved by 1: KL 1/2, J 1/2
    NEAR(r.gain, 0.5, 0.3, 0);
    CHECK(r.ess_percent > 15 && r.ess_percent < 60, "effective %g %%", r.ess_percent);
    free(x);
    digits_result_free(&r);
    taste_free(&taste);
    items_free(&t);
    digits_free(&d);
}

// A reader without noise is never wrong about himself; held-out predictions then beat the coin.
static void test_talk(void) {
    Reader reader = reader_new(SEED, 0);
    Items own = items_ring(&ring, SEED, reader.stream + READER_ITEMS);
    Session s;
    HeldOut h;
    reader.rater.tau = 1e-9; // far from the hill the rewards differ by little
    s = reader_talk(&reader, &own, CHOOSE_VARIANCE, 5, 40);
    h = taste_held_out(&own, 4, s.answer, s.n);
    CHECK(consistency(s.answer, s.n).flips < 0.5, "flips %g", consistency(s.answer, s.n).flips);
    CHECK(h.accuracy > 0.8 && h.nll < 0.55 && h.sure > 0.6 && h.sure < 1, "accuracy %g, loss %g, sure %g", h.accuracy,
          h.nll, h.sure);
    h = taste_held_out(&own, 4, s.answer, 1); // one answer is predicted from nothing
    NEAR(h.nll, log(2.0), 1e-12, 0);
    NEAR(h.brier, 0.25, 1e-12, 0);
    NEAR(h.accuracy, 0.5, 1e-12, 0);
    session_free(&s);
    items_free(&own);
}

int main(void) {
    ring = ring_new();
    items = items_ring(&ring, SEED, STREAM_ITEMS);
    test_items();
    test_digits();
    test_fit();
    test_pickers();
    test_consistency();
    test_exam();
    test_climb();
    test_alignment();
    test_resample();
    test_talk();
    items_free(&items);
    return report("test_taste_model");
}
