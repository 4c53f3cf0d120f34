// test_ties.c: ties by Davidson and by Rao and Kupper: chances, score equations, limits, existence by brute force.
// Everything here is double, so the float build runs the same checks.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/ties.h"

enum { BRANDS = 6, ROWS = 15, W = BRANDS + 1, STREAM = 7 };

// Six chocolate puddings (Davidson 1970).
static int one[ROWS] = {0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4};
static int two[ROWS] = {1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5};
static const double won[ROWS] = {19, 16, 19, 18, 23, 19, 13, 16, 16, 17, 18, 22, 13, 14, 11};
static const double lost[ROWS] = {22, 19, 19, 23, 19, 20, 19, 20, 15, 14, 21, 20, 18, 19, 21};
static const double tied[ROWS] = {16, 12, 10, 13, 9, 15, 18, 12, 17, 16, 12, 12, 10, 18, 12};
static uint64_t counter;

static double uniform(double low, double high) {
    return low + (high - low) * rng_uniform(3, STREAM, counter++);
}

static TieGames games(int items, int rows, int *i, int *j, const double *a, const double *b, const double *t) {
    TieGames g;
    g.wins.items = items;
    g.wins.rows = rows;
    g.wins.i = i;
    g.wins.j = j;
    g.wins.wins_i = a;
    g.wins.wins_j = b;
    g.ties = t;
    return g;
}

static TieGames puddings(void) {
    return games(BRANDS, ROWS, one, two, won, lost, tied);
}

static void chances(double p[3], double margin, double tie, TieModel model) {
    if (model == DAVIDSON) {
        davidson(p, margin, tie);
    } else {
        rao_kupper(p, margin, tie);
    }
}

// ---- chances ------------------------------------------------------------------------------------------------------

static void test_chances(void) {
    double p[3], q[3];
    for (int k = 0; k < 60; k++) {
        double x = uniform(-6, 6), y = uniform(-6, 6), nu = uniform(0, 3), theta = 1 + uniform(0, 3);
        double a = exp(x), b = exp(y), all = a + b + nu * sqrt(a * b);
        davidson(p, x - y, nu); // the definition, in worths
        NEAR(p[0], a / all, 1e-13, 0);
        NEAR(p[1], b / all, 1e-13, 0);
        NEAR(p[2], nu * sqrt(a * b) / all, 1e-13, 1e-16);
        NEAR(p[0] / (p[0] + p[1]), 1 / (1 + exp(y - x)), 1e-13, 0); // among decided ones: Bradley-Terry
        davidson(q, 0, nu);
        CHECK(p[2] <= q[2], "a tie is likelier at margin %g (%g) than at 0 (%g)", x - y, p[2], q[2]);
        NEAR(q[2], nu / (2 + nu), 1e-14, 0);
        rao_kupper(p, x - y, theta);
        NEAR(p[0], a / (a + theta * b), 1e-13, 0);
        NEAR(p[1], b / (theta * a + b), 1e-13, 0);
        NEAR(p[2], (theta * theta - 1) * a * b / ((a + theta * b) * (theta * a + b)), 1e-12, 1e-16);
        NEAR(p[0] + p[1] + p[2], 1, 1e-14, 0);
        rao_kupper(q, y - x, theta);
        NEAR(q[0], p[1], 1e-13, 0); // the names do not matter
    }
    davidson(p, 1.3, 0);
    NEAR(p[0], bt_probability(1.3, BT_LOGIT), 1e-15, 0);
    CHECK(p[2] == 0, "a tie of weight 0 has chance %g", p[2]);
    rao_kupper(p, 1.3, 1);
    NEAR(p[0], bt_probability(1.3, BT_LOGIT), 1e-15, 0);
    CHECK(p[2] == 0, "no threshold, yet a tie has chance %g", p[2]);
    rao_kupper(p, 2, 3); // decided ones are not Bradley-Terry here: 0.71 / (0.71 + 0.043) is not 0.88
    CHECK(fabs(p[0] / (p[0] + p[1]) - bt_probability(2, BT_LOGIT)) > 0.05, "share %g", p[0] / (p[0] + p[1]));
    davidson(p, 800, 2);
    CHECK(p[0] == 1 && p[1] >= 0 && p[2] < 1e-170, "margin 800: %g %g %g", p[0], p[1], p[2]);
    rao_kupper(p, -800, 2);
    CHECK(p[1] == 1 && p[0] >= 0 && p[2] < 1e-300, "margin -800: %g %g %g", p[0], p[1], p[2]);
    DIES("negative", davidson(p, 0, -0.1));
    DIES("at least 1", rao_kupper(p, 0, 0.9));
}

// ---- log-likelihood and derivatives -------------------------------------------------------------------------------

static void test_derivatives(TieModel model) {
    TieGames g = puddings();
    double x[W], grad[W], info[W * W], up[W], down[W], unused[W * W], h = 1e-5, direct = 0;
    double all[3][ROWS];
    for (int k = 0; k < W; k++) {
        x[k] = uniform(-1, 1);
    }
    x[BRANDS] = 0.4;
    for (int m = 0; m < ROWS; m++) {
        double p[3], n = won[m] + lost[m] + tied[m];
        chances(p, x[one[m]] - x[two[m]], exp(x[BRANDS]), model);
        direct += won[m] * log(p[0]) + lost[m] * log(p[1]) + tied[m] * log(p[2]);
        for (int k = 0; k < 3; k++) {
            all[k][m] = n * p[k];
        }
    }
    NEAR(ties_loglik(grad, info, &g, x, model), direct, 1e-13, 0);
    NEAR(ties_loglik(NULL, NULL, &g, x, model), direct, 1e-13, 0);
    for (int k = 0; k < W; k++) {
        double keep = x[k], high, low;
        x[k] = keep + h;
        high = ties_loglik(NULL, NULL, &g, x, model);
        x[k] = keep - h;
        low = ties_loglik(NULL, NULL, &g, x, model);
        x[k] = keep;
        CHECK(fabs(grad[k]) > 0.1, "slope %d is %g: this point proves nothing", k, grad[k]);
        NEAR(grad[k], (high - low) / (2 * h), 1e-6, 1e-6);
    }
    // Expected information: minus the slope of the score when the counts are the expected ones.
    TieGames mean = games(BRANDS, ROWS, one, two, all[0], all[1], all[2]);
    for (int k = 0; k < W; k++) {
        double keep = x[k], sum = 0;
        x[k] = keep + h;
        ties_loglik(up, unused, &mean, x, model);
        x[k] = keep - h;
        ties_loglik(down, unused, &mean, x, model);
        x[k] = keep;
        for (int l = 0; l < W; l++) {
            NEAR(info[k * W + l], -(up[l] - down[l]) / (2 * h), 1e-6, 1e-6);
            sum += l < BRANDS ? info[k * W + l] : 0;
        }
        NEAR(sum, 0, 0, 1e-11); // a shift of all log worths carries no information
    }
    if (model == RAO_KUPPER) {
        x[BRANDS] = 0; // theta = 1: ties are impossible
        CHECK(ties_loglik(NULL, NULL, &g, x, model) == -INFINITY, "ties at theta = 1 have a finite likelihood");
    }
}

// ---- the fit ------------------------------------------------------------------------------------------------------

static void test_puddings(void) {
    static const double worth[BRANDS] = {.138803, .173002, .161747, .165373, .158685, .202389};
    TieGames g = puddings();
    double x[BRANDS], nu, theta, se[W], se_rk[W], loglik, sum = 0, p[3], cov[W * W], other[BRANDS], nu_other;
    CHECK(ties_mle(x, &nu, se, &loglik, &g, 5, DAVIDSON) == BT_OK, "no fit");
    for (int k = 0; k < BRANDS; k++) {
        sum += exp(x[k]);
    }
    for (int k = 0; k < BRANDS; k++) {
        double points = 0, expected = 0;
        NEAR(exp(x[k]) / sum, worth[k], 0, 1e-6); // as others fitted them
        for (int m = 0; m < ROWS; m++) {          // 2 wins + ties = what the fit expects
            double n = won[m] + lost[m] + tied[m];
            davidson(p, x[one[m]] - x[two[m]], nu);
            points += one[m] == k ? 2 * won[m] + tied[m] : two[m] == k ? 2 * lost[m] + tied[m] : 0;
            expected += one[m] == k ? n * (2 * p[0] + p[2]) : two[m] == k ? n * (2 * p[1] + p[2]) : 0;
        }
        NEAR(expected, points, 1e-10, 0);
    }
    NEAR(nu, 0.746823, 0, 1e-6);
    NEAR(loglik, -809.709510, 0, 1e-5);
    double ties = 0, expected_ties = 0;
    for (int m = 0; m < ROWS; m++) {
        davidson(p, x[one[m]] - x[two[m]], nu);
        ties += tied[m];
        expected_ties += (won[m] + lost[m] + tied[m]) * p[2];
    }
    NEAR(expected_ties, ties, 1e-10, 0);
    // Errors: another reference item changes them, and no difference of worths, nor nu.
    double se_other[W];
    ties_mle(other, &nu_other, se_other, NULL, &g, 2, DAVIDSON);
    NEAR(nu_other, nu, 1e-9, 0);
    NEAR(se_other[BRANDS], se[BRANDS], 1e-8, 0);
    CHECK(ties_covariance(cov, &g, x, nu, 5, DAVIDSON) == 0, "singular");
    NEAR(sqrt(cov[0] + cov[2 * W + 2] - 2 * cov[2]), se_other[0], 1e-8, 0);
    NEAR(sqrt(cov[0]), se[0], 1e-12, 0);
    NEAR(nu * sqrt(cov[W * W - 1]), se[BRANDS], 1e-12, 0); // of nu, from that of log nu
    CHECK(se[5] == 0 && cov[5 * W + 5] == 0, "the item at 0 has an error of %g", se[5]);
    CHECK(ties_mle(x, &theta, se_rk, &loglik, &g, 5, RAO_KUPPER) == BT_OK, "no fit");
    NEAR(theta, 1.748457, 0, 1e-6);
    NEAR(loglik, -809.697133, 0, 1e-5);
    double slope = 0; // score equation of theta: d/dtheta of log(theta^2-1), and every outcome loses by its odds
    for (int m = 0; m < ROWS; m++) {
        double a = exp(x[one[m]]), b = exp(x[two[m]]);
        slope += 2 * theta * tied[m] / (theta * theta - 1) - (won[m] + tied[m]) * b / (a + theta * b) -
                 (lost[m] + tied[m]) * a / (theta * a + b);
    }
    NEAR(slope, 0, 0, 1e-8);
}

// Expected tables give the truth back, and their information gives the spread of fits to drawn tables.
static void test_truth(TieModel model) {
    enum { ASKED = 80, REPEATS = 200 };
    double truth[BRANDS] = {0, 0.8, -0.5, 0.4, -1.1, 0.2}, tie = model == DAVIDSON ? 0.9 : 2.2, x[BRANDS], got, se[W];
    double a[ROWS] = {0}, b[ROWS] = {0}, t[ROWS] = {0}, z2 = 0, tie_z2 = 0;
    TieGames g = games(BRANDS, ROWS, one, two, a, b, t);
    for (int m = 0; m < ROWS; m++) {
        double p[3];
        chances(p, truth[one[m]] - truth[two[m]], tie, model);
        a[m] = ASKED * p[0];
        b[m] = ASKED * p[1];
        t[m] = ASKED * p[2];
    }
    CHECK(ties_mle(x, &got, NULL, NULL, &g, 0, model) == BT_OK, "no fit");
    NEAR(got, tie, 1e-10, 0);
    for (int k = 0; k < BRANDS; k++) {
        NEAR(x[k], truth[k], 0, 1e-10);
    }
    for (int rep = 0; rep < REPEATS; rep++) {
        for (int m = 0; m < ROWS; m++) {
            double p[3];
            chances(p, truth[one[m]] - truth[two[m]], tie, model);
            a[m] = b[m] = 0;
            for (int k = 0; k < ASKED; k++) {
                double u = uniform(0, 1);
                a[m] += u < p[0];
                b[m] += u >= p[0] && u < p[0] + p[1];
            }
            t[m] = ASKED - a[m] - b[m];
        }
        CHECK(ties_mle(x, &got, se, NULL, &g, 0, model) == BT_OK, "repeat %d has no fit", rep);
        tie_z2 += (got - tie) * (got - tie) / (se[BRANDS] * se[BRANDS]) / REPEATS;
        for (int k = 1; k < BRANDS; k++) {
            z2 += (x[k] - truth[k]) * (x[k] - truth[k]) / (se[k] * se[k]) / (REPEATS * (BRANDS - 1));
        }
    }
    CHECK(z2 > 0.8 && z2 < 1.2, "variance of the z-scores of the log worths: %g", z2);
    CHECK(tie_z2 > 0.6 && tie_z2 < 1.4, "variance of the z-scores of the tie parameter: %g", tie_z2); // 4 se: 0.4
}

static void test_without_ties(void) {
    static const double none[ROWS] = {0};
    double x[BRANDS], bt[BRANDS], se[W], bt_se[BRANDS], tie, loglik, bt_ll = 0, few[ROWS];
    TieGames g = games(BRANDS, ROWS, one, two, won, lost, none);
    bt_mle(bt, &bt_ll, &g.wins, 3, BT_LOGIT);
    bt_standard_errors(bt_se, &g.wins, bt, 3, BT_LOGIT);
    for (int model = DAVIDSON; model <= RAO_KUPPER; model++) {
        CHECK(ties_mle(x, &tie, se, &loglik, &g, 3, (TieModel)model) == BT_OK, "no fit");
        CHECK(tie == (model == DAVIDSON ? 0 : 1) && se[BRANDS] == 0, "without ties the parameter is %g", tie);
        NEAR(loglik, bt_ll, 1e-15, 0);
        for (int k = 0; k < BRANDS; k++) {
            NEAR(x[k], bt[k], 0, 1e-12);
            NEAR(se[k], bt_se[k], 1e-12, 0);
        }
    }
    for (int m = 0; m < ROWS; m++) { // the limit of few ties is the same fit
        few[m] = 1e-6 * tied[m];
    }
    g.ties = few;
    ties_mle(x, &tie, NULL, NULL, &g, 3, DAVIDSON);
    CHECK(tie > 0 && tie < 1e-5, "nu %g", tie);
    for (int k = 0; k < BRANDS; k++) {
        NEAR(x[k], bt[k], 0, 1e-5);
    }
}

static void test_no_prior(void) {
    double x[BRANDS], tie, cov[W * W];
    TieGames g = puddings();
    DIES("must be positive", ties_map(x, &tie, cov, &g, 0, DAVIDSON));
}

// With a prior: closed forms, limits, and truths drawn from it.
static void test_prior(void) {
    enum { REPEATS = 400, ASKED = 3 };
    int i1[1] = {0}, j1[1] = {1};
    double win[1] = {1}, none[1] = {0}, x[BRANDS], tie, cov[W * W], mle[BRANDS], mle_tie, mle_cov[W * W], z2 = 0;
    TieGames single = games(2, 1, i1, j1, win, none, none);
    CHECK(ties_map(x, &tie, cov, &single, 0.8, DAVIDSON) == BT_OK && tie == 0, "one game with a prior has no fit");
    NEAR(x[0] / (0.8 * 0.8), 1 / (1 + exp(2 * x[0])), 1e-10, 0); // slope of log sigmoid(2t) against that of the prior
    NEAR(x[1], -x[0], 1e-12, 0);
    double p = 1 / (1 + exp(2 * x[0])), bend = p * (1 - p), prior = 1 / 0.64; // (prior + bend, -bend; ...) inverted
    NEAR(cov[0], (prior + bend) / (prior * (prior + 2 * bend)), 1e-10, 0);
    NEAR(cov[1], bend / (prior * (prior + 2 * bend)), 1e-10, 0);
    CHECK(cov[8] == 0, "variance %g of a tie weight that is 0", cov[8]);
    CHECK(ties_map(x, &tie, cov, &single, 0.8, RAO_KUPPER) == BT_OK && tie == 1, "theta %g", tie);
    single.ties = win; // a ladder: no fit without the prior
    CHECK(ties_map(x, &tie, cov, &single, 1, DAVIDSON) == BT_OK && tie > 0, "one win and one tie have no fit");
    single.wins.wins_i = none;
    CHECK(ties_map(x, &tie, cov, &single, 1, DAVIDSON) == BT_TIES_RULE, "ties alone have a fit");
    TieGames g = puddings();
    ties_mle(mle, &mle_tie, NULL, NULL, &g, 0, DAVIDSON);
    ties_covariance(mle_cov, &g, mle, mle_tie, 0, DAVIDSON);
    ties_map(x, &tie, cov, &g, 1e4, DAVIDSON); // so weak a prior changes nothing but the shift
    NEAR(tie, mle_tie, 1e-6, 0);
    NEAR(x[3] - x[0], mle[3], 0, 1e-6);
    NEAR(cov[0] + cov[3 * W + 3] - 2 * cov[3], mle_cov[3 * W + 3], 1e-5, 0);
    ties_map(x, &tie, cov, &g, 1e-3, DAVIDSON); // so strong a one leaves nothing
    CHECK(fabs(x[5]) < 1e-4 && fabs(tie - 2 * 202 / 543.0) < 1e-3, "%g, %g", x[5], tie);
    for (int rep = 0; rep < REPEATS; rep++) {
        double truth[BRANDS], a[ROWS], b[ROWS], t[ROWS];
        TieGames drawn = games(BRANDS, ROWS, one, two, a, b, t);
        for (int k = 0; k < BRANDS; k++) {
            truth[k] = 0.8 * rng_normal(3, STREAM + 1, counter++);
        }
        for (int m = 0; m < ROWS; m++) {
            double q[3];
            davidson(q, truth[one[m]] - truth[two[m]], 0.7);
            a[m] = b[m] = 0;
            for (int k = 0; k < ASKED; k++) {
                double u = uniform(0, 1);
                a[m] += u < q[0];
                b[m] += u >= q[0] && u < q[0] + q[1];
            }
            t[m] = ASKED - a[m] - b[m];
        }
        CHECK(ties_map(x, &tie, cov, &drawn, 0.8, DAVIDSON) == BT_OK, "repeat %d has no fit", rep);
        for (int k = 0; k < BRANDS; k++) {
            z2 += (x[k] - truth[k]) * (x[k] - truth[k]) / cov[k * W + k] / (REPEATS * BRANDS);
        }
    }
    CHECK(z2 > 0.85 && z2 < 1.15, "the errors that remain are %g of the variance promised", z2);
}

// ---- existence ----------------------------------------------------------------------------------------------------

static double concave(double *grad, double *info, const double *x, const void *data) {
    return ties_loglik(grad, info, (const TieGames *)data, x, DAVIDSON);
}
static double concave_rk(double *grad, double *info, const double *x, const void *data) {
    return ties_loglik(grad, info, (const TieGames *)data, x, RAO_KUPPER);
}

static void test_existence(void) {
    enum { PAIRS = 6 };
    int pi[PAIRS] = {0, 0, 0, 1, 1, 2}, pj[PAIRS] = {1, 2, 3, 2, 3, 3}, kinds[4] = {0}, verdict[4];
    double a[PAIRS], b[PAIRS], t[PAIRS], tie = 7, x[4] = {7, 7, 7, 7};
    for (int trial = 0; trial < 600;
         trial++) { // brute force: Newton without the question finds a maximum iff it exists
        TieGames g = games(4, PAIRS, pi, pj, a, b, t);
        double from[5] = {0, 0, 0, 0, 0.5}, from_rk[5] = {0, 0, 0, 0, 0.5}, sum = 0;
        for (int m = 0; m < PAIRS; m++) {
            a[m] = floor(uniform(0, 1.7)) * floor(uniform(1, 4));
            b[m] = floor(uniform(0, 1.5)) * floor(uniform(1, 4));
            t[m] = floor(uniform(0, 1.6)) * floor(uniform(1, 4));
            sum += t[m];
        }
        if (sum == 0) {
            continue;
        }
        int code = ties_exist(NULL, &g);
        int found = newton_ascent(from, 5, 0, concave, &g) == 0;
        int found_rk = newton_ascent(from_rk, 5, 0, concave_rk, &g) == 0;
        for (int k = 0; k < 5; k++) { // its slope falls like e^(-2 x): at 15 it is rounding, and "level" means nothing
            found_rk = found_rk && fabs(from_rk[k]) < 15;
        }
        kinds[code]++;
        CHECK((code == BT_OK) == found && found == found_rk, "code %d, Newton finds %d and %d", code, found, found_rk);
    }
    CHECK(kinds[BT_OK] > 50 && kinds[BT_NOT_CONNECTED] > 20 && kinds[BT_TIES_RULE] > 20, "%d %d %d", kinds[BT_OK],
          kinds[BT_NOT_CONNECTED], kinds[BT_TIES_RULE]);
    // Two items, one win and one tie: half the chance each, with worths and ties beyond all bounds.
    double once[1] = {1}, never[1] = {0};
    TieGames ladder = games(2, 1, pi, pj, once, never, once);
    CHECK(ties_exist(NULL, &ladder) == BT_TIES_RULE, "a ladder of two rungs has a fit");
    CHECK(ties_mle(x, &tie, NULL, NULL, &ladder, 0, DAVIDSON) == BT_TIES_RULE && x[0] == 7 && tie == 7, "fitted it");
    ladder.wins.wins_j = once; // now each has won once: the ladder is gone
    CHECK(ties_exist(NULL, &ladder) == BT_OK, "two wins against each other have no fit");
    ladder.wins.wins_i = ladder.wins.wins_j = never; // only ties
    CHECK(ties_exist(NULL, &ladder) == BT_TIES_RULE, "a table of ties alone has a fit");
    // 0 beats 1, 1 beats 2, and 0 ties with 2: two wins down, one tie back: a circle with more wins than ties.
    double down[3] = {1, 0, 1}, across[3] = {0, 1, 0}, none[3] = {0};
    int ci[3] = {0, 0, 1}, cj[3] = {1, 2, 2};
    TieGames circle = games(3, 3, ci, cj, down, none, across);
    CHECK(ties_exist(NULL, &circle) == BT_OK, "the circle has no fit");
    circle.wins.items = 4; // and an item that never meets them
    CHECK(ties_exist(verdict, &circle) == BT_NOT_CONNECTED && verdict[3] == 2, "verdict %d", verdict[3]);
}

int main(void) {
    test_chances();
    test_derivatives(DAVIDSON);
    test_derivatives(RAO_KUPPER);
    test_puddings();
    test_truth(DAVIDSON);
    test_truth(RAO_KUPPER);
    test_without_ties();
    test_no_prior();
    test_prior();
    test_existence();
    return report("test_ties");
}
