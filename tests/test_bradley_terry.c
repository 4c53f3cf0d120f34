// test_bradley_terry.c: fits against published numbers, score equations, finite differences, brute-force
// existence and
// refits to simulated games.  Everything here is double, so the float build runs the same checks.
#include "../ref/core/rng.h"
#include "../ref/formula/bradley_terry.h"
#include "../ref/formula/reward_model.h"
#include "harness.h"

enum { TEAMS = 7, ROWS = 42, W = TEAMS + 1, STREAM_GAMES = 1, STREAM_GRAPH = 2 };

// American League East, season 1987 (Agresti, Categorical Data Analysis): each row team at home against the
// six others
// in order.  Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore.
static const double at_home_won[ROWS] = {4, 4, 4, 6, 4, 6, 3, 4, 4, 6, 6, 4, 2, 4, 2, 4, 4, 6, 3, 5, 2,
                                         4, 4, 6, 5, 2, 3, 4, 5, 6, 2, 3, 3, 4, 4, 2, 2, 1, 1, 2, 1, 3};
static const double at_home_lost[ROWS] = {3, 2, 3, 1, 2, 0, 3, 2, 3, 0, 1, 3, 5, 3, 4, 3, 2, 0, 3, 1, 5,
                                          3, 2, 1, 1, 5, 3, 2, 2, 0, 5, 3, 4, 3, 2, 4, 5, 5, 6, 4, 6, 4};
static int team_i[ROWS], team_j[ROWS];
static uint64_t counter;

static double uniform(double low, double high) {
    return low + (high - low) * rng_uniform(5, STREAM_GRAPH, counter++);
}

static BtGames baseball(void) {
    BtGames g = {TEAMS, ROWS, team_i, team_j, at_home_won, at_home_lost};
    int m = 0;
    for (int i = 0; i < TEAMS; i++) {
        for (int j = 0; j < TEAMS; j++) {
            if (i != j) {
                team_i[m] = i;
                team_j[m++] = j;
            }
        }
    }
    return g;
}

// ---- the pair loss ----------------------------------------------------------------------------------------

static void test_pair_loss(void) {
    double dw, dl, h = 1e-5, unused;
    NEAR(bt_loss(&dw, &dl, 1.3, 1.3), log(2), 1e-15, 0);
    NEAR(dw, -0.5, 1e-15, 0);
    for (int i = 0; i < 50; i++) {
        double a = uniform(-4, 4), b = uniform(-4, 4);
        double loss = bt_loss(&dw, &dl, a, b);
        NEAR(loss, -log(1 / (1 + exp(b - a))), 1e-12, 0);
        NEAR(dw, (bt_loss(&unused, &unused, a + h, b) - bt_loss(&unused, &unused, a - h, b)) / (2 * h), 1e-8, 1e-10);
        NEAR(dl, (bt_loss(&unused, &unused, a, b + h) - bt_loss(&unused, &unused, a, b - h)) / (2 * h), 1e-8, 1e-10);
        NEAR(bt_loss(&dw, &dl, a + 3, b + 3), loss, 1e-13, 0); // only the difference counts
        NEAR(bt_probability(a - b, BT_LOGIT) + bt_probability(b - a, BT_LOGIT), 1, 1e-15, 0);
        NEAR(bt_probability(a - b, BT_PROBIT) + bt_probability(b - a, BT_PROBIT), 1, 1e-15, 0);
        NEAR(bt_probability(a - b, BT_PROBIT), 0.5 * erfc((b - a) / sqrt(2)), 1e-12, 0);
    }
    NEAR(bt_loss(&dw, &dl, -800, 0), 800, 1e-15, 0); // log(sigmoid(-800)) would be -inf
    NEAR(dw, -1, 1e-15, 0);
    NEAR(dl, 1, 1e-15, 0);
    NEAR(bt_loss(&dw, &dl, 700, 0), exp(-700), 1e-13, 0);
    NEAR(dw, -exp(-700), 1e-13, 0);
    NEAR(bt_loss(&dw, &dl, 800, 0), 0, 0, 0);
}

// ---- published numbers ------------------------------------------------------------------------------------

static void test_baseball(void) {
    static const double logit[TEAMS] = {1.5813559, 1.4364084, 1.2944851, 1.2476178, 1.1076977, 0.6838528, 0};
    static const double probit[TEAMS] = {0.9704305, 0.8769064, 0.7972701, 0.7635847, 0.6812633, 0.4154650, 0};
    static const double logit_se[TEAMS] = {0.3432560, 0.3395685, 0.3366694, 0.3358609, 0.3338782, 0.3318767, 0};
    BtGames g = baseball();
    double ability[TEAMS], se[TEAMS], loglik, home, se_home, loglik_home, again[TEAMS];
    CHECK(bt_mle(ability, &loglik, &g, 6, BT_PROBIT) == BT_OK, "no probit fit");
    for (int i = 0; i < TEAMS; i++) {
        NEAR(ability[i], probit[i], 0, 1e-6);
    }
    CHECK(bt_mle(ability, &loglik, &g, 6, BT_LOGIT) == BT_OK, "no logit fit");
    CHECK(bt_standard_errors(se, &g, ability, 6, BT_LOGIT) == 0, "singular");
    for (int i = 0; i < TEAMS; i++) {
        NEAR(ability[i], logit[i], 0, 1e-6);
        NEAR(se[i], logit_se[i], 0, 1e-6);
    }
    NEAR(loglik, -172.248176, 0, 1e-5);
    NEAR(bt_deviance(&g, ability, 0, BT_LOGIT), 44.053461, 0, 1e-5);
    CHECK(bt_home(again, &home, &se_home, &loglik_home, &g, 6) == BT_OK, "no home fit");
    NEAR(home, 0.302261, 0, 1e-6); // published: 0.302, s.e. 0.131
    NEAR(se_home, 0.130944, 0, 1e-6);
    double home_only;
    CHECK(bt_home(again, &home_only, NULL, NULL, &g, 6) == BT_OK && home_only == home, "optional outputs matter");
    NEAR(loglik_home - loglik, 2.705305, 0, 1e-5);
    // Another reference team shifts the abilities and changes nothing that can be observed.
    double other[TEAMS], loglik_other;
    bt_mle(other, &loglik_other, &g, 2, BT_LOGIT);
    NEAR(loglik_other, loglik, 1e-13, 0);
    for (int i = 0; i < TEAMS; i++) {
        NEAR(other[i] - other[6], ability[i], 1e-9, 1e-10);
    }
    double three_won[1] = {3}, no_win[1] = {0}; // a row without a win on one side: 0 log 0 = 0
    BtGames sweep = {2, 1, team_i, team_j, three_won, no_win}, swept = {2, 1, team_i, team_j, no_win, three_won};
    double pair[2] = {0.4, 0};
    NEAR(bt_deviance(&sweep, pair, 0, BT_LOGIT), 6 * log(1 + exp(-0.4)), 1e-13, 0);
    NEAR(bt_deviance(&swept, pair, 0, BT_LOGIT), 6 * log(1 + exp(0.4)), 1e-13, 0);
    // Score equations: every team wins as often as the fit expects.
    for (int t = 0; t < TEAMS; t++) {
        double won = 0, expected = 0;
        for (int m = 0; m < ROWS; m++) {
            double p = 1 / (1 + exp(ability[team_j[m]] - ability[team_i[m]]));
            double n = at_home_won[m] + at_home_lost[m];
            won += team_i[m] == t ? at_home_won[m] : team_j[m] == t ? at_home_lost[m] : 0;
            expected += team_i[m] == t ? n * p : team_j[m] == t ? n * (1 - p) : 0;
        }
        NEAR(expected, won, 1e-10, 0);
    }
}

// ---- derivatives ------------------------------------------------------------------------------------------

static void test_information(BtLink link) {
    BtGames g = baseball();
    double ability[W], score[W], info[W * W], unused[W * W], up[W], down[W], expected_i[ROWS], expected_j[ROWS];
    double h = 1e-5;
    for (int i = 0; i < W; i++) {
        ability[i] = uniform(-1, 1); // the last one is the home effect
    }
    bt_information(score, info, &g, ability, ability[TEAMS], link);
    for (int i = 0; i < W; i++) {
        double keep = ability[i], high, low;
        ability[i] = keep + h;
        high = bt_loglik(&g, ability, ability[TEAMS], link);
        ability[i] = keep - h;
        low = bt_loglik(&g, ability, ability[TEAMS], link);
        ability[i] = keep;
        NEAR(score[i], (high - low) / (2 * h), 1e-6, 1e-6);
    }
    // Expected information = minus the slope of the score when the wins are what the model expects.
    BtGames mean = {TEAMS, ROWS, team_i, team_j, expected_i, expected_j};
    for (int m = 0; m < ROWS; m++) {
        double n = at_home_won[m] + at_home_lost[m];
        expected_i[m] = n * bt_probability(ability[team_i[m]] - ability[team_j[m]] + ability[TEAMS], link);
        expected_j[m] = n - expected_i[m];
    }
    for (int i = 0; i < W; i++) {
        double keep = ability[i], sum = 0;
        ability[i] = keep + h;
        bt_information(up, unused, &mean, ability, ability[TEAMS], link);
        ability[i] = keep - h;
        bt_information(down, unused, &mean, ability, ability[TEAMS], link);
        ability[i] = keep;
        for (int j = 0; j < W; j++) {
            NEAR(info[i * W + j], -(up[j] - down[j]) / (2 * h), 1e-6, 1e-6);
            sum += j < TEAMS ? info[i * W + j] : 0;
        }
        NEAR(sum, 0, 0, 1e-12); // a shift of all abilities carries no information
    }
}

// ---- MM ---------------------------------------------------------------------------------------------------

static void test_mm(void) {
    BtGames g = baseball();
    double wins[TEAMS * TEAMS] = {0}, worth[TEAMS], logs[TEAMS], ability[TEAMS], before = -INFINITY, sum = 0;
    for (int m = 0; m < ROWS; m++) {
        wins[team_i[m] * TEAMS + team_j[m]] += at_home_won[m];
        wins[team_j[m] * TEAMS + team_i[m]] += at_home_lost[m];
    }
    for (int steps = 0; steps < 30; steps++) {
        bt_mm(worth, wins, TEAMS, steps);
        for (int i = 0; i < TEAMS; i++) {
            logs[i] = log(worth[i]);
        }
        double loglik = bt_loglik(&g, logs, 0, BT_LOGIT);
        CHECK(loglik > before, "likelihood fell from %.12g to %.12g in step %d", before, loglik, steps);
        before = loglik;
    }
    bt_mm(worth, wins, TEAMS, 3000);
    bt_mle(ability, NULL, &g, 6, BT_LOGIT);
    for (int i = 0; i < TEAMS; i++) {
        NEAR(log(worth[i] / worth[6]), ability[i], 0, 1e-10); // two roads, one maximum
        sum += worth[i];
    }
    NEAR(sum, 1, 1e-14, 0);
}

// ---- existence --------------------------------------------------------------------------------------------

static void test_existence(void) {
    int component[6], verdict[6], connected = 0, refused = 0;
    double ability[6] = {9, 9, 9, 9, 9, 9};
    // 0 beats 1 beats 2 beats 0 (a cycle); 3 beats 0; 2 beats 4; 5 plays nobody.
    static const int i[5] = {0, 1, 2, 3, 2}, j[5] = {1, 2, 0, 0, 4};
    static const double one[5] = {1, 1, 1, 1, 1}, none[5] = {0};
    BtGames g = {6, 5, i, j, one, none};
    CHECK(bt_components(component, verdict, &g) == 4, "wrong number of groups");
    CHECK(component[0] == component[1] && component[1] == component[2], "the cycle is one group");
    CHECK(verdict[0] == 0 && verdict[3] == 1 && verdict[4] == -1 && verdict[5] == 2, "verdicts %d %d %d %d", verdict[0],
          verdict[3], verdict[4], verdict[5]);
    double half[5] = {0.5, 0.5, 0.5, 0.5, 0.5}; // the same story told from the other side, in halves
    BtGames other = {6, 5, j, i, none, half};
    CHECK(bt_components(NULL, verdict, &other) == 4 && verdict[3] == 1 && verdict[4] == -1, "second column not read");
    CHECK(bt_mle(ability, NULL, &g, 0, BT_LOGIT) == BT_NOT_CONNECTED && ability[0] == 9, "fitted what has no fit");
    g.items = 3;
    g.rows = 3; // the cycle alone: all equal
    CHECK(bt_components(component, verdict, &g) == 1 && verdict[0] == 0, "cycle not connected");
    CHECK(bt_mle(ability, NULL, &g, 0, BT_PROBIT) == BT_OK, "no fit of a cycle");
    NEAR(ability[1], 0, 0, 1e-10);
    NEAR(ability[2], 0, 0, 1e-10);
    // Brute force: Newton without the test finds a finite maximum exactly when the graph is connected.
    static const int pi[6] = {0, 0, 0, 1, 1, 2}, pj[6] = {1, 2, 3, 2, 3, 3};
    for (int trial = 0; trial < 400; trial++) {
        double wi[6], wj[6], home;
        BtGames random = {4, 6, pi, pj, wi, wj};
        for (int m = 0; m < 6; m++) {
            wi[m] = floor(uniform(0, 2)) * floor(uniform(1, 4));
            wj[m] = floor(uniform(0, 1.8)) * floor(uniform(1, 4));
        }
        int exists = bt_components(NULL, NULL, &random) == 1;
        int fitted = bt_newton(ability, &home, &random, 0, 0, BT_LOGIT) == BT_OK;
        CHECK(exists == fitted, "graph says %d, Newton says %d", exists, fitted);
        connected += exists;
        refused += !exists;
    }
    CHECK(connected > 40 && refused > 40, "%d fits, %d refusals: too few of one kind", connected, refused);
    // Connected by a thread: 0 beats 1 a million times and loses once.
    double many[1] = {1e6}, once[1] = {1};
    BtGames thread = {2, 1, pi, pj, many, once};
    CHECK(bt_mle(ability, NULL, &thread, 1, BT_LOGIT) == BT_OK, "no fit of an extreme score");
    NEAR(ability[0], log(1e6), 1e-12, 0);
    // The first item always wins: the win graph is connected, yet the home effect has no maximum.
    double always[6] = {3, 3, 3, 3, 3, 3}, never[6] = {0}, home;
    static const int ci[6] = {0, 1, 2, 1, 2, 0}, cj[6] = {1, 2, 0, 0, 1, 2};
    BtGames biased = {3, 6, ci, cj, always, never};
    CHECK(bt_home(ability, &home, NULL, NULL, &biased, 0) == BT_DIVERGED, "finite home effect from home wins only");
}

// ---- statistics: do the standard errors tell the truth? ---------------------------------------------------

static void test_simulated(void) {
    enum { ITEMS = 4, PAIRS = 6, GAMES = 60, REPEATS = 300 };
    static const int i[PAIRS] = {0, 0, 0, 1, 1, 2}, j[PAIRS] = {1, 2, 3, 2, 3, 3};
    double truth[ITEMS] = {0, 0.8, -0.5, 0.4}, wi[PAIRS], wj[PAIRS], ability[ITEMS], se[ITEMS];
    double square[ITEMS] = {0};
    BtGames g = {ITEMS, PAIRS, i, j, wi, wj};
    for (int rep = 0; rep < REPEATS; rep++) {
        for (int m = 0; m < PAIRS; m++) {
            wi[m] = 0;
            for (int k = 0; k < GAMES; k++) {
                wi[m] += rng_uniform(3, STREAM_GAMES, (uint64_t)((rep * PAIRS + m) * GAMES + k)) <
                         1 / (1 + exp(truth[j[m]] - truth[i[m]]));
            }
            wj[m] = GAMES - wi[m];
        }
        CHECK(bt_mle(ability, NULL, &g, 0, BT_LOGIT) == BT_OK, "repeat %d has no fit", rep);
        bt_standard_errors(se, &g, ability, 0, BT_LOGIT);
        for (int k = 1; k < ITEMS; k++) {
            square[k] += (ability[k] - truth[k]) * (ability[k] - truth[k]) / (se[k] * se[k]) / REPEATS;
        }
    }
    for (int k = 1; k < ITEMS; k++) {
        CHECK(square[k] > 0.75 && square[k] < 1.3, "item %d: variance of z-scores %g instead of 1", k, square[k]);
    }
    // Wins equal to their expectation give the truth back; maximising the mean of sigmoids instead would
    // move it.
    double slope = 0;
    for (int m = 0; m < PAIRS; m++) {
        double p = 1 / (1 + exp(truth[j[m]] - truth[i[m]]));
        wi[m] = GAMES * p;
        wj[m] = GAMES * (1 - p);
        slope += i[m] == 0 ? (wi[m] - wj[m]) * p * (1 - p) : 0; // d/dtheta_0 of sum wins sigmoid(margin)
    }
    bt_mle(ability, NULL, &g, 0, BT_LOGIT);
    for (int k = 0; k < ITEMS; k++) {
        NEAR(ability[k], truth[k], 0, 1e-10);
    }
    CHECK(fabs(slope) > 1, "the mean of sigmoids has slope %g at the truth", slope);
}

// ---- rewards that are linear in features ------------------------------------------------------------------

static void test_features(void) {
    enum { N = 40, F = 3 };
    double win[N * F], lose[N * F], theta[F] = {0.5, -0.3, 0.8}, grad[F], hess[F * F], up[F], down[F], accuracy,
                                    h = 1e-5;
    for (int k = 0; k < N * F; k++) {
        win[k] = uniform(-1, 1);
        lose[k] = uniform(-1, 1);
    }
    double right = 0;
    for (int k = 0; k < N; k++) {
        double delta = 0;
        for (int a = 0; a < F; a++) {
            delta += theta[a] * (win[k * F + a] - lose[k * F + a]);
        }
        right += (delta > 0) / (double)N;
    }
    rm_bt(grad, hess, &accuracy, win, lose, theta, N, F);
    NEAR(accuracy, right, 1e-12, 0);
    for (int a = 0; a < F; a++) {
        double keep = theta[a], high, low;
        theta[a] = keep + h;
        high = rm_bt(up, NULL, NULL, win, lose, theta, N, F);
        theta[a] = keep - h;
        low = rm_bt(down, NULL, NULL, win, lose, theta, N, F);
        theta[a] = keep;
        NEAR(grad[a], (high - low) / (2 * h), 1e-7, 1e-9);
        for (int b = 0; b < F; b++) {
            NEAR(hess[a * F + b], (up[b] - down[b]) / (2 * h), 1e-7, 1e-9);
        }
    }
    for (double lambda = 1e-3; lambda < 2e3; lambda *= 100) {
        double loss = rm_map(theta, win, lose, lambda, N, F), size = 0;
        double plain = rm_bt(grad, NULL, NULL, win, lose, theta, N, F);
        for (int a = 0; a < F; a++) {
            NEAR(grad[a] + lambda * theta[a], 0, 0, 1e-12);
            size += theta[a] * theta[a];
        }
        NEAR(loss, plain + 0.5 * lambda * size, 1e-12, 0);
        CHECK(lambda < 500 || size < 1e-6, "penalty %g leaves |theta|^2 = %g", lambda, size);
    }
    for (int k = 0; k < N; k++) { // separable: the winner always has more of feature 0
        win[k * F] = lose[k * F] + uniform(0.1, 1);
    }
    rm_map(theta, win, lose, 1e-3, N, F);
    rm_bt(grad, NULL, &accuracy, win, lose, theta, N, F);
    CHECK(theta[0] > 1 && theta[0] < 1e3 && accuracy > 0.9, "theta %g, accuracy %g", theta[0], accuracy);
    double zero[F] = {0};
    NEAR(rm_bt(NULL, NULL, &accuracy, win, lose, zero, N, F), log(2), 1e-14, 0);
    CHECK(accuracy == 0, "equal rewards counted as right");
    NEAR(rm_bt(NULL, NULL, &accuracy, win, lose, theta, N, F), rm_bt(NULL, NULL, NULL, win, lose, theta, N, F), 0, 0);
    // One-hot features are abilities: with a vanishing penalty the two fits agree.
    static double one_win[1200 * TEAMS], one_lose[1200 * TEAMS];
    BtGames g = baseball();
    double ability[TEAMS], item[TEAMS];
    int n = 0;
    for (int m = 0; m < ROWS; m++) {
        for (int k = 0; k < (int)(at_home_won[m] + at_home_lost[m]); k++, n++) {
            int first_won = k < (int)at_home_won[m];
            one_win[n * TEAMS + (first_won ? team_i[m] : team_j[m])] = 1;
            one_lose[n * TEAMS + (first_won ? team_j[m] : team_i[m])] = 1;
        }
    }
    bt_mle(ability, NULL, &g, 6, BT_LOGIT);
    rm_map(item, one_win, one_lose, 1e-9, n, TEAMS);
    for (int i = 0; i < TEAMS; i++) {
        NEAR(item[i] - item[6], ability[i], 0, 1e-6);
    }
}

int main(void) {
    test_pair_loss();
    test_baseball();
    test_information(BT_LOGIT);
    test_information(BT_PROBIT);
    test_mm();
    test_existence();
    test_simulated();
    test_features();
    return report("test_bradley_terry");
}
