// test_proxy.c: rewards fitted on top of a random layer, draws from a law on a grid, and proxies of the ring: against
// finite differences, counts, the truth itself, and the paths they are pushed along.
#include "death.h"

#include "../toy/feedback/proxy.h"
#include "../toy/world/view.h"

// Pairs of random points judged by a careful rater with a linear reward.
static Pairs some_pairs(int n, double tau, uint64_t seed) {
    real *x = NEW(real, 4 * (size_t)n);
    double *r = NEW(double, 2 * (size_t)n);
    int *c = NEW(int, 2 * (size_t)n);
    Rater rater = rater_new(tau, seed, 2);
    QuadReward linear = linear_reward_new(1.5, -0.5);
    rng_fill_normal(x, 4 * (size_t)n, seed, 1, 0);
    point_rewards(r, x, c, 2 * (size_t)n, quad_point_reward, &linear);
    Pairs pairs = pairs_ask(&rater, x, r, c, n, 2);
    free(x);
    free(r);
    free(c);
    return pairs;
}

// The penalised mean loss, written once more with libm.
static double loss_of(const FeatureReward *f, const Pairs *p, double prior) {
    FeatureReward g = *f;
    double loss = 0;
    for (int i = 0; i < p->n; i++) {
        double w[2] = {p->w[2 * i], p->w[2 * i + 1]}, l[2] = {p->l[2 * i], p->l[2 * i + 1]};
        double margin = (feature_reward(w, -1, &g) - feature_reward(l, -1, &g)) / f->tau;
        loss += log1p(exp(-margin)) / p->n;
    }
    for (int k = 0; k < FEATURES; k++) {
        loss += f->theta[k] * f->theta[k] / (2 * prior * prior * p->n);
    }
    return loss;
}

static void test_features(void) {
    Pairs pairs = some_pairs(400, 0.5, 3);
    FeatureReward f = feature_reward_new(0.5, 3, 10), again = feature_reward_new(0.5, 3, 10);
    double x[2] = {0.3, -1.1}, far[2] = {30, -110}, farther[2] = {60, -220}, h = 1e-4, steepest = 0;
    NEAR(feature_reward(x, -1, &f), 0, 0, 0); // nothing is fitted yet
    double least = feature_reward_fit(&f, &pairs, NULL, 1.0);
    NEAR(least, loss_of(&f, &pairs, 1.0), 1e-9, 0);
    CHECK(least < 0.5 && least > 0.05, "loss %g", least);
    for (int k = 0; k < FEATURES; k++) { // the minimum: no weight can be moved to advantage
        FeatureReward up = f, down = f;
        up.theta[k] += h;
        down.theta[k] -= h;
        double above = loss_of(&up, &pairs, 1.0), below = loss_of(&down, &pairs, 1.0);
        NEAR((above - below) / (2 * h), 0, 0, 1e-8);
        CHECK(above > least && below > least, "weight %d: %g, %g against %g", k, above, below, least);
        steepest = fmax(steepest, fabs(f.theta[k]));
        double length = f.u[k][0] * f.u[k][0] + f.u[k][1] * f.u[k][1];
        NEAR(length, 1, 1e-14, 0);
    }
    CHECK(steepest > 0.1, "all weights stayed small: %g", steepest);
    // Far out it is a straight line, and its slope is that of the rewards that were compared: 1.5 x - 0.5 y.
    double ratio = feature_reward(farther, -1, &f) / feature_reward(far, -1, &f);
    NEAR(ratio, 2, 0.1, 0);
    CHECK(feature_reward(far, -1, &f) > 20, "r = %g far out", feature_reward(far, -1, &f));
    // The same layer and answers give the same bits; a bootstrap that picks every pair once as well.
    int *pick = NEW(int, 400);
    for (int i = 0; i < 400; i++) {
        pick[i] = i;
    }
    feature_reward_fit(&again, &pairs, pick, 1.0);
    CHECK(memcmp(&again, &f, sizeof f) == 0, "two fits of one data set differ");
    for (int i = 0; i < 400; i++) {
        pick[i] = i % 7;
    }
    feature_reward_fit(&again, &pairs, pick, 1.0);
    CHECK(memcmp(&again, &f, sizeof f) != 0, "the picked pairs were not used");
    // A narrow prior keeps the weights at 0: every loss is ln 2.
    NEAR(feature_reward_fit(&again, &pairs, NULL, 1e-6), log(2), 1e-6, 0);
    DIES("prior", feature_reward_fit(&again, &pairs, NULL, 0));
    pairs.dim = 3;
    DIES("points of 3 numbers", feature_reward_fit(&again, &pairs, NULL, 1));
    free(pick);
    pairs_free(&pairs);
}

static void test_draw(void) {
    enum { DRAWS = 20000 };
    Grid g = grid_new(3, -1.5, 1.5); // nine unit cells
    double p[9] = {0.1, 0, 0.2, 0, 0.3, 0, 0.15, 0.25, 0}, count[9] = {0}, x[2], sum[2] = {0, 0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        grid_draw(x, &g, p, 4, 1, i);
        int column = (int)floor(x[0] + 1.5), row = (int)floor(x[1] + 1.5);
        CHECK(column >= 0 && column < 3 && row >= 0 && row < 3, "(%g, %g) is off the grid", x[0], x[1]);
        count[3 * row + column] += 1.0 / DRAWS;
        sum[0] += (x[0] - floor(x[0] + 0.5)) / DRAWS; // inside the cell, around its centre
        sum[1] += (x[1] - floor(x[1] + 0.5)) / DRAWS;
    }
    for (int k = 0; k < 9; k++) {
        if (p[k] > 0) {
            AGREES(count[k], sqrt(p[k] * (1 - p[k]) / DRAWS), p[k]);
        } else {
            CHECK(count[k] == 0, "a cell without mass was drawn");
        }
    }
    AGREES(sum[0], sqrt(1.0 / 12 / DRAWS), 0);
    AGREES(sum[1], sqrt(1.0 / 12 / DRAWS), 0);
    double short_sum[9] = {0, 0.5, 0, 0, 0.1, 0, 0, 0, 0}; // rounding, exaggerated
    for (uint64_t i = 0; i < 100; i++) {
        grid_draw(x, &g, short_sum, 4, 2, i);
        CHECK(fabs(x[0]) <= 0.5 && x[1] <= 0.5, "(%g, %g) has no mass", x[0], x[1]);
    }
}

static void test_proxies(void) {
    static double linear[PROXY_CELLS], fitted[PROXY_CELLS], few[PROXY_CELLS], law[PROXY_CELLS];
    ProxyWorld w = proxy_world_new(PROXY_SIDE / 2);
    double x[2], residual[3] = {0, 0, 0}, corr[2];
    proxy_linear(linear, &w);
    double mean = table_mean(NULL, w.p_ref, w.truth, w.cells);
    for (size_t i = 0; i < w.cells; i++) { // least squares: what is left over knows nothing of 1, x and y
        double left = w.truth[i] - mean - linear[i];
        grid_point(x, &w.grid, i);
        residual[0] += w.p_ref[i] * left;
        residual[1] += w.p_ref[i] * left * x[0];
        residual[2] += w.p_ref[i] * left * x[1];
    }
    for (int k = 0; k < 3; k++) {
        NEAR(residual[k], 0, 0, 1e-12);
    }
    for (int k = 0; k < 2; k++) { // more answers, a better proxy, where the data are
        double *proxy = k == 0 ? few : fitted, var, var_truth;
        int n = k == 0 ? 20 : 1280;
        Pairs pairs = proxy_ask(&w, n, n, NULL, 5);
        double top = proxy_fit(proxy, &w, &pairs, 0, 5), highest = -HUGE_VAL;
        NEAR(table_mean(&var, w.p_ref, proxy, w.cells), 0, 0, 1e-12);
        table_mean(&var_truth, w.p_ref, w.truth, w.cells);
        corr[k] = table_cov(w.p_ref, w.truth, proxy, w.cells) / sqrt(var * var_truth);
        for (size_t i = 0; i < w.cells; i++) {
            highest = fmax(highest, proxy[i]);
        }
        CHECK(top > 0 && top < highest, "largest seen %g, largest of all %g", top, highest);
        FeatureReward f = feature_reward_new(PROXY_TAU, 5, PROXY_LAYER); // once more, by hand
        double seen = -HUGE_VAL;
        feature_reward_fit(&f, &pairs, NULL, PROXY_PRIOR);
        grid_reward(law, &w.grid, feature_reward, -1, &f);
        for (int i = 0; i < 2 * n; i++) {
            const real *from = i < n ? pairs.w + 2 * i : pairs.l + 2 * (i - n);
            double at[2] = {(double)from[0], (double)from[1]};
            seen = fmax(seen, feature_reward(at, -1, &f));
        }
        NEAR(top, seen - table_mean(NULL, w.p_ref, law, w.cells), 1e-12, 0);
        NEAR(proxy[100] - proxy[900], law[100] - law[900], 1e-12, 1e-12);
        pairs_free(&pairs);
    }
    CHECK(corr[1] > corr[0] && corr[1] > 0.95, "correlations %g, %g", corr[0], corr[1]);
    // The truth needs no proxy: its path is the frontier, and no path of a proxy lies above it at the same KL.
    ProxyPath best = proxy_path(&w, w.truth, 0, 10), tilt = proxy_path(&w, fitted, 0, 10);
    ProxyPath bon = proxy_path(&w, fitted, 1, 10);
    for (int i = 0; i < 6; i++) { // d = 0.4 .. 2.4
        NEAR(best.d[i], 0.4 * (i + 1), 1e-4, 0);
        NEAR(tilt.d[i], 0.4 * (i + 1), 1e-4, 0);
        NEAR(bon.d[i], 0.4 * (i + 1), 1e-2, 0); // cells, not a continuum
        CHECK(tilt.truth[i] < best.truth[i] && bon.truth[i] < best.truth[i], "above the frontier at d = %g", best.d[i]);
        CHECK(bon.proxy[i] < tilt.proxy[i] + 1e-6, "best-of-n above the frontier of the proxy at d = %g", bon.d[i]);
        CHECK(i == 0 || tilt.proxy[i] > tilt.proxy[i - 1], "the proxy fell");
    }
    CHECK(tilt.truth[9] < tilt.truth[5], "no over-optimisation: %g, %g", tilt.truth[5], tilt.truth[9]);
    // Fresh pairs: the first `old` pairs are those of the ring, the others start from the law that was given.
    goodhart_at_kl(law, w.p_ref, w.truth, linear, 12, w.cells);
    Pairs ring = proxy_ask(&w, 60, 60, NULL, 6), mixed = proxy_ask(&w, 60, 30, law, 6);
    CHECK(memcmp(ring.w, mixed.w, 60 * sizeof(real)) == 0, "the old pairs have changed");
    int outside = 0;
    for (int i = 30; i < 60; i++) {
        double r_w = sqrt((double)mixed.w[2 * i] * mixed.w[2 * i] + (double)mixed.w[2 * i + 1] * mixed.w[2 * i + 1]);
        double r_l = sqrt((double)mixed.l[2 * i] * mixed.l[2 * i] + (double)mixed.l[2 * i + 1] * mixed.l[2 * i + 1]);
        outside += r_w > 2.1 || r_l > 2.1;
    }
    CHECK(outside > 25, "only %d of 30 fresh pairs have a point outside the ring", outside);
    proxy_network(fitted, &w, 200, 20, 7);
    NEAR(table_mean(NULL, w.p_ref, fitted, w.cells), 0, 0, 1e-12);
    DIES("cells a side", proxy_world_new(PROXY_SIDE + 1));
    pairs_free(&ring);
    pairs_free(&mixed);
    proxy_world_free(&w);
}

// The picture of a table is cut to whole cells, lifted to 0, and marked at the right pixel.
static void test_field(void) {
    double table[36], mark[2] = {0.5, -0.5};
    Grid g = grid_new(6, -3, 3);
    Svg s = svg_new(300, 300, "field");
    for (int i = 0; i < 36; i++) {
        table[i] = i - 10;
    }
    svg_panel(&s, 50, 50, 200, 200);
    view_field(&s, &g, table, 2, mark, "title");
    NEAR(s.x0, -2, 1e-14, 0);
    NEAR(s.y1, 2, 1e-14, 0);
    bytes_text(&s.text, "%s", "");
    CHECK(strstr((const char *)s.text.data, "x=\"175.00\" y=\"181.00\"") != NULL, "the cross is elsewhere");
    CHECK(strstr((const char *)s.text.data, ">title<") != NULL, "no title");
    DIES("does not fit", view_field(&s, &g, table, 4, mark, "title"));
    bytes_free(&s.text);
}

int main(void) {
    test_features();
    test_draw();
    test_proxies();
    test_field();
    return report("test_proxy");
}
