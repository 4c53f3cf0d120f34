// test_ranking.c: Plackett-Luce by enumeration, finite differences, two roads to its fit, existence by brute force;
// rankings as pairs.  Only pl_pairs is in `real`; its slopes are judged in double.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/bradley_terry.h"
#include "../ref/formula/ranking.h"

enum { FRUIT = 4, ROWS = 7, STREAM = 9 };

// A made-up example with rankings of two lengths (-1: not ranked).
static const int toy_orders[ROWS * FRUIT] = {0, 1, 2, 3, 1, 0,  3, 2, 2, 0,  1, -1, 3, 2,
                                             1, 0, 0, 2, 3, -1, 1, 3, 0, -1, 2, 1,  0, 3};
static uint64_t counter;

static double uniform(double low, double high) {
    return low + (high - low) * rng_uniform(3, STREAM, counter++);
}

static Rankings rankings(int items, int rows, int width, const int *orders) {
    Rankings r;
    r.items = items;
    r.rows = rows;
    r.width = width;
    r.orders = orders;
    return r;
}

// The next arrangement in dictionary order; 0 after the last.
static int next_order(int *order, int m) {
    int i = m - 2, j = m - 1, t;
    while (i >= 0 && order[i] > order[i + 1]) {
        i--;
    }
    if (i < 0) {
        return 0;
    }
    while (order[j] < order[i]) {
        j--;
    }
    t = order[i];
    order[i] = order[j];
    order[j] = t;
    for (i = i + 1, j = m - 1; i < j; i++, j--) {
        t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    return 1;
}

// ---- the model ----------------------------------------------------------------------------------------------------

static void test_enumeration(void) {
    enum { M = 6 };
    double theta[M], sum = 0, above = 0, first[2] = {0};
    int order[M] = {0, 1, 2, 3, 4, 5}, count = 0;
    for (int k = 0; k < M; k++) {
        theta[k] = uniform(-3, 3);
    }
    do {
        double p = exp(pl_log_probability(theta, order, M)), direct = 1, rest = 0;
        for (int k = M - 1; k >= 0; k--) { // the definition, from the back
            rest += exp(theta[order[k]]);
            direct *= exp(theta[order[k]]) / rest;
        }
        NEAR(p, direct, 1e-12, 0);
        sum += p;
        count++;
        int at1 = 0, at4 = 0;
        for (int k = 0; k < M; k++) {
            at1 = order[k] == 1 ? k : at1;
            at4 = order[k] == 4 ? k : at4;
        }
        above += at1 < at4 ? p : 0;
        first[0] += order[0] == 1 ? p : 0;
        first[1] += order[0] == 4 ? p : 0;
    } while (next_order(order, M));
    CHECK(count == 720, "%d orders", count);
    NEAR(sum, 1, 1e-12, 0);
    // Other items do not matter for two of them: neither for the first place nor for who stands above whom.
    NEAR(above, 1 / (1 + exp(theta[4] - theta[1])), 1e-12, 0);
    NEAR(first[0] / first[1], exp(theta[1] - theta[4]), 1e-12, 0);
    int pair[2] = {3, 5};
    NEAR(pl_log_probability(theta, pair, 2), bt_log_probability(theta[3] - theta[5], BT_LOGIT), 1e-15, 0);
    double far[3] = {800, 0, -800};
    int upside[3] = {2, 1, 0};
    NEAR(pl_log_probability(far, upside, 3), -2400, 1e-14, 0); // finite where e^800 is not
}

static void test_derivatives(void) {
    Rankings r = rankings(FRUIT, ROWS, FRUIT, toy_orders);
    double theta[FRUIT], grad[FRUIT], info[FRUIT * FRUIT], up[FRUIT], down[FRUIT], unused[FRUIT * FRUIT], h = 1e-5, ll;
    for (int k = 0; k < FRUIT; k++) {
        theta[k] = uniform(-1, 1);
    }
    ll = pl_loglik(grad, info, &r, theta);
    double shifted[FRUIT];
    for (int k = 0; k < FRUIT; k++) {
        double keep = theta[k], high, low, sum = 0;
        shifted[k] = theta[k] + 3;
        theta[k] = keep + h;
        high = pl_loglik(up, unused, &r, theta);
        theta[k] = keep - h;
        low = pl_loglik(down, unused, &r, theta);
        theta[k] = keep;
        CHECK(fabs(grad[k]) > 0.01, "slope %d is %g: this point proves nothing", k, grad[k]);
        NEAR(grad[k], (high - low) / (2 * h), 1e-7, 1e-8);
        for (int l = 0; l < FRUIT; l++) {
            NEAR(info[k * FRUIT + l], -(up[l] - down[l]) / (2 * h), 1e-7, 1e-8);
            sum += info[k * FRUIT + l];
        }
        NEAR(sum, 0, 0, 1e-13);
    }
    NEAR(pl_loglik(NULL, NULL, &r, shifted), ll, 1e-14, 0);
}

// ---- the fits -----------------------------------------------------------------------------------------------------

static void test_fit(void) {
    static const double want[FRUIT] = {0, 0.432269866, 0.138513300, -0.656063893};
    static const double want_se[FRUIT] = {0, 0.694795648, 0.759972221, 0.783551957};
    Rankings r = rankings(FRUIT, ROWS, FRUIT, toy_orders);
    double fit[FRUIT], se[FRUIT], ll = 0, grad[FRUIT], info[FRUIT * FRUIT], other[FRUIT];
    CHECK(pl_mle(fit, &ll, se, &r, 0) == PL_OK, "no fit");
    pl_loglik(grad, info, &r, fit);
    for (int k = 0; k < FRUIT; k++) {
        NEAR(fit[k], want[k], 0, 1e-7);
        NEAR(se[k], want_se[k], 0, 1e-7);
        NEAR(grad[k], 0, 0, 1e-10);
    }
    NEAR(ll, -17.0726328, 0, 1e-6);
    CHECK(pl_mle(other, NULL, NULL, &r, 2) == PL_OK, "no fit with another reference");
    NEAR(other[1] - other[0], fit[1], 1e-9, 0);
    // MM: the likelihood never falls, and the limit is the same maximum.
    double worth[FRUIT] = {0.25, 0.25, 0.25, 0.25}, next[FRUIT], logs[FRUIT], before = -INFINITY;
    pl_mm_step(next, worth, &r);
    NEAR(next[0], 0.25, 1e-14, 0); // the published step of this example
    NEAR(next[3], 0.14516129032258063, 1e-14, 0);
    for (int step = 0; step < 400; step++) {
        for (int k = 0; k < FRUIT; k++) {
            logs[k] = log(worth[k]);
        }
        double now = pl_loglik(NULL, NULL, &r, logs);
        CHECK(now >= before - 1e-12, "step %d: the likelihood fell from %.15g to %.15g", step, before, now);
        before = now;
        pl_mm_step(next, worth, &r);
        memcpy(worth, next, sizeof worth);
    }
    for (int k = 0; k < FRUIT; k++) {
        NEAR(log(worth[k] / worth[0]), fit[k], 0, 1e-9);
    }
}

// Rankings of two are games: the same fit, errors and MM step as bradley_terry.h.
static void test_pairs_are_games(void) {
    enum { GAMES = 40, ITEMS = 5 };
    int orders[2 * GAMES], i[GAMES], j[GAMES];
    double a[GAMES], b[GAMES] = {0}, matrix[ITEMS * ITEMS] = {0}, pl[ITEMS], pl_se[ITEMS], bt[ITEMS], bt_se[ITEMS];
    double start[ITEMS], next[ITEMS], mm[ITEMS], sum = 0;
    for (int m = 0; m < GAMES; m++) {
        i[m] = orders[2 * m] = m % ITEMS;
        j[m] = orders[2 * m + 1] = (m + 1 + (int)uniform(0, ITEMS - 1.001)) % ITEMS;
        a[m] = 1;
        matrix[i[m] * ITEMS + j[m]] += 1;
    }
    Rankings r = rankings(ITEMS, GAMES, 2, orders);
    BtGames g = {ITEMS, GAMES, i, j, a, b};
    CHECK(pl_mle(pl, NULL, pl_se, &r, 1) == PL_OK && bt_mle(bt, NULL, &g, 1, BT_LOGIT) == BT_OK, "no fit");
    bt_standard_errors(bt_se, &g, bt, 1, BT_LOGIT);
    for (int k = 0; k < ITEMS; k++) {
        NEAR(pl[k], bt[k], 0, 1e-9);
        NEAR(pl_se[k], bt_se[k], 1e-9, 1e-12);
        start[k] = 1.0 / ITEMS;
    }
    pl_mm_step(next, start, &r);
    bt_mm(mm, matrix, ITEMS, 1);
    for (int k = 0; k < ITEMS; k++) {
        sum += next[k];
    }
    for (int k = 0; k < ITEMS; k++) {
        NEAR(next[k] / sum, mm[k], 1e-12, 0);
    }
}

// Drawn rankings: the errors of the fit are as large as it says.
static void test_simulated(void) {
    enum { ITEMS = 5, VOTERS = 120, REPEATS = 150 };
    double truth[ITEMS] = {0, 1, -0.7, 0.4, -1.2}, fit[ITEMS], se[ITEMS], z2 = 0;
    int orders[VOTERS * ITEMS];
    for (int rep = 0; rep < REPEATS; rep++) {
        for (int v = 0; v < VOTERS; v++) {
            int left[ITEMS] = {0, 1, 2, 3, 4}, *order = orders + v * ITEMS;
            int length = v % 2 ? ITEMS : 3; // every second voter sees three of the five
            for (int k = 0; k < ITEMS; k++) {
                int pick = k + (int)uniform(0, ITEMS - k);
                int t = left[k];
                left[k] = left[pick];
                left[pick] = t;
            }
            for (int k = 0; k < length; k++) {
                double sum = 0, u;
                int pick = k;
                for (int l = k; l < length; l++) {
                    sum += exp(truth[left[l]]);
                }
                for (u = uniform(0, sum); pick < length - 1 && u >= exp(truth[left[pick]]); pick++) {
                    u -= exp(truth[left[pick]]);
                }
                order[k] = left[pick];
                left[pick] = left[k];
            }
            for (int k = length; k < ITEMS; k++) {
                order[k] = -1;
            }
        }
        Rankings r = rankings(ITEMS, VOTERS, ITEMS, orders);
        CHECK(pl_mle(fit, NULL, se, &r, 0) == PL_OK, "repeat %d has no fit", rep);
        for (int k = 1; k < ITEMS; k++) {
            z2 += (fit[k] - truth[k]) * (fit[k] - truth[k]) / (se[k] * se[k]) / (REPEATS * (ITEMS - 1));
        }
    }
    CHECK(z2 > 0.75 && z2 < 1.25, "variance of the z-scores: %g", z2);
}

// ---- existence ----------------------------------------------------------------------------------------------------

static void test_existence(void) {
    static const int last[9] = {0, 1, 2, 1, 0, 2, 0, 2, -1}; // 2 is always last
    static const int bottom_first[6] = {2, 1, 0, 1, 2, 0};   // 0 is
    static const int both[4] = {0, 1, 1, 0}, twice[3] = {0, 1, 0};
    static const int shorter[3] = {0, -1, -1}, hole[3] = {0, -1, 1}, range[3] = {0, 1, 3};
    double fit[5] = {9, 9, 9, 9, 9};
    int verdict[5], kinds[2] = {0};
    Rankings r = rankings(3, 3, 3, last);
    CHECK(pl_components(verdict, &r) > 1 && verdict[2] == -1 && verdict[0] == 1, "verdicts %d %d %d", verdict[0],
          verdict[1], verdict[2]);
    CHECK(pl_mle(fit, NULL, NULL, &r, 0) == PL_NOT_CONNECTED && fit[0] == 9, "fitted what has no fit");
    Rankings two = rankings(2, 2, 2, both), bad = rankings(3, 1, 3, twice);
    CHECK(pl_mle(fit, NULL, NULL, &two, 0) == PL_OK, "no fit for one win each");
    NEAR(fit[1], 0, 0, 1e-12);
    Rankings bottom = rankings(3, 2, 3, bottom_first);
    DIES("item 0 (alone or with others) is never ranked above the rest", pl_require(&bottom));
    CHECK(strstr(last_words, "always finishes last") != NULL, "%s", last_words);
    two = rankings(3, 2, 2, both);
    DIES("never ranked together with", pl_require(&two));
    DIES("twice", rankings_check(&bad));
    bad.orders = shorter;
    DIES("at least 2", rankings_check(&bad));
    bad.orders = hole;
    DIES("at least 2", rankings_check(&bad));
    bad.orders = range;
    DIES("items are 0..2", rankings_check(&bad));
    for (int trial = 0; trial < 300; trial++) { // Newton without the question runs away exactly when there is no fit
        int orders[12], rows = 2 + (int)uniform(0, 2.99);
        for (int m = 0; m < rows; m++) {
            int order[4] = {0, 1, 2, 3};
            for (int k = 0; k < 4; k++) {
                int pick = k + (int)uniform(0, 3.99 - k), t = order[k];
                order[k] = order[pick];
                order[pick] = t;
            }
            for (int k = 0; k < 3; k++) {
                orders[m * 3 + k] = order[k];
            }
        }
        Rankings random = rankings(4, rows, 3, orders);
        double x[4] = {0};
        int exists = pl_components(NULL, &random) == 1;
        int found = newton_ascent(x, 4, 0, pl_concave_, &random) == 0;
        kinds[exists]++;
        CHECK(exists == found, "the graph says %d, Newton %d", exists, found);
    }
    CHECK(kinds[0] > 30 && kinds[1] > 30, "%d without and %d with a fit", kinds[0], kinds[1]);
}

// ---- rankings as pairs --------------------------------------------------------------------------------------------

static real rewards[FRUIT];
static real slopes[FRUIT];
static double pairs_loss(void *user) {
    real unused[FRUIT];
    return pl_pairs(unused, rewards, (const Rankings *)user);
}

static void test_pair_loss(void) {
    Rankings r = rankings(FRUIT, ROWS, FRUIT, toy_orders);
    double tolerance = sizeof(real) == 8 ? 1e-13 : 1e-6, sum = 0;
    NEAR(pl_pairs(slopes, rewards, &r), log(2), 1e-14, 0); // all rewards equal
    for (int k = 0; k < FRUIT; k++) {
        rewards[k] = (real)uniform(-2, 2);
    }
    pl_pairs(slopes, rewards, &r);
    for (int k = 0; k < FRUIT; k++) {
        sum += (double)slopes[k];
    }
    NEAR(sum, 0, 0, tolerance);
    if (sizeof(real) == 8) {
        CHECK(gradient_ok(pairs_loss, &r, rewards, slopes, FRUIT, 1e-6), "slopes of pl_pairs");
    }
    // One ranking of three and one of two: (mean of 3 pairs + 1 pair) / 2, not the mean of 4 pairs.
    static const int mixed[6] = {2, 0, 3, 1, 2, -1};
    Rankings two = rankings(FRUIT, 2, 3, mixed);
    double dw, dl, three = 0, single;
    three += bt_loss(&dw, &dl, (double)rewards[2], (double)rewards[0]) / 3;
    three += bt_loss(&dw, &dl, (double)rewards[2], (double)rewards[3]) / 3;
    three += bt_loss(&dw, &dl, (double)rewards[0], (double)rewards[3]) / 3;
    single = bt_loss(&dw, &dl, (double)rewards[1], (double)rewards[2]);
    NEAR(pl_pairs(slopes, rewards, &two), (three + single) / 2, 1e-13, 0);
    NEAR((double)slopes[1], dw / 2, tolerance, 0);
    CHECK(fabs((three + single) / 2 - (3 * three + single) / 4) > 1e-3,
          "both averages agree here: choose other rewards");
    // Its minimum is not the Plackett-Luce fit.
    double fit[FRUIT], steepest = 0;
    pl_mle(fit, NULL, NULL, &r, 0);
    for (int k = 0; k < FRUIT; k++) {
        rewards[k] = (real)fit[k];
    }
    pl_pairs(slopes, rewards, &r);
    for (int k = 0; k < FRUIT; k++) {
        steepest = fmax(steepest, fabs((double)slopes[k]));
    }
    CHECK(steepest > 1e-3, "the pair loss is flat (%g) at the Plackett-Luce fit", steepest);
}

int main(void) {
    test_enumeration();
    test_derivatives();
    test_fit();
    test_pairs_are_games();
    test_simulated();
    test_existence();
    test_pair_loss();
    return report("test_ranking");
}
