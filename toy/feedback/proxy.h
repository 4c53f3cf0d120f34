// proxy.h: rewards that stand in for the true one on the ring, as tables on a grid.  The truth is the bump of
// rewards.h; a proxy is what one gets instead: the best linear reward, or a reward fitted to a rater's choices.
//
// All proxies are centred: mean 0 under the reference, because choices know a reward up to a constant only.
#ifndef TILT_PROXY_H
#define TILT_PROXY_H

#include "../../ref/formula/best_of_n.h"
#include "../../ref/formula/overoptimisation.h"
#include "../world/ring_board.h"
#include "feature_reward.h"
#include "reward_fit.h"
#include "rewards.h"

enum { PROXY_SIDE = 72, PROXY_CELLS = PROXY_SIDE * PROXY_SIDE }; // the finest grid: half a standard deviation a cell
#define PROXY_HALF 4.5  // the grid is [-4.5, 4.5]^2: 12 standard deviations beyond the ring
#define PROXY_TAU 0.5   // reward units: the temperature of the rater
#define PROXY_PRIOR 1.0 // of a weight of a fitted reward, in logits
enum { PROXY_POINTS = 1, PROXY_RATER, PROXY_FRESH, PROXY_LAYER = 10, PROXY_RESAMPLE = 30, PROXY_NET = 60 }; // streams

typedef struct {
    Ring ring;
    Bump bump;
    Grid grid;
    size_t cells;          // of the grid, at most PROXY_CELLS
    double *p_ref, *truth; // cells numbers each
} ProxyWorld;

// A grid of side x side cells; at half of PROXY_SIDE sums over p_ref are still good to 4e-9.
static inline ProxyWorld proxy_world_new(int side) {
    ProxyWorld w;
    if (side < 2 || side > PROXY_SIDE) {
        DIE("proxy: a grid of %d cells a side; use 2..%d", side, PROXY_SIDE);
    }
    w.ring = ring_new();
    w.bump = bump_new();
    w.grid = grid_new(side, -PROXY_HALF, PROXY_HALF);
    w.cells = grid_cells(&w.grid);
    w.p_ref = NEW(double, w.cells);
    w.truth = NEW(double, w.cells);
    ring_grid_ref(w.p_ref, &w.grid, &w.ring, -1);
    grid_reward(w.truth, &w.grid, bump_reward, -1, &w.bump);
    return w;
}

static inline void proxy_world_free(ProxyWorld *w) {
    free(w->p_ref);
    free(w->truth);
    memset(w, 0, sizeof *w);
}

// Takes the mean under the reference off; returns it.
static inline double proxy_centre(double *proxy, const ProxyWorld *w) {
    double mean = table_mean(NULL, w->p_ref, proxy, w->cells);
    size_t i;
    for (i = 0; i < w->cells; i++) {
        proxy[i] -= mean;
    }
    return mean;
}

// a . x, the linear reward nearest to the truth where the data are: least squares under the reference.
static inline void proxy_linear(double *proxy, const ProxyWorld *w) {
    double cov[4], mean[2], with_truth[2] = {0, 0}, x[2];
    QuadReward linear;
    size_t i;
    grid_moments(mean, cov, &w->grid, w->p_ref);
    for (i = 0; i < w->cells; i++) {
        grid_point(x, &w->grid, i);
        with_truth[0] += w->p_ref[i] * (x[0] - mean[0]) * w->truth[i];
        with_truth[1] += w->p_ref[i] * (x[1] - mean[1]) * w->truth[i];
    }
    if (solve(x, cov, with_truth, 2) != 0) {
        DIE("proxy_linear: the reference lies on a line, so the best linear reward is not unique");
    }
    linear = linear_reward_new(x[0], x[1]);
    grid_reward(proxy, &w->grid, quad_point_reward, -1, &linear);
    proxy_centre(proxy, w);
}

// n pairs of points of the ring, judged by a rater who sees the truth.  In the pairs from number `old` on, the first
// point is drawn from the law `from` on the grid instead (old = n: from is not read).
static inline Pairs proxy_ask(const ProxyWorld *w, int n, int old, const double *from, uint64_t seed) {
    size_t rows = 2 * (size_t)n;
    real *x = NEW(real, 2 * rows);
    double *r = NEW(double, rows);
    int *c = NEW(int, rows), i; // one prompt, 0
    Rater rater = rater_new(PROXY_TAU, seed, PROXY_RATER);
    Bump bump = w->bump;
    Pairs pairs;
    ring_batch(x, NULL, NULL, rows, &w->ring, seed, PROXY_POINTS, 0);
    for (i = old; i < n; i++) {
        double at[2];
        grid_draw(at, &w->grid, from, seed, PROXY_FRESH, (uint64_t)i);
        x[4 * (size_t)i] = (real)at[0];
        x[4 * (size_t)i + 1] = (real)at[1];
    }
    point_rewards(r, x, c, rows, bump_reward, &bump);
    pairs = pairs_ask(&rater, x, r, c, n, 2);
    free(x);
    free(r);
    free(c);
    return pairs;
}

// The reward of random layer `member`, fitted to the pairs.  Member 0 sees every pair once, the others a resample of
// them.  Returns the largest reward among the points that were compared.
static inline double proxy_fit(double *proxy, const ProxyWorld *w, const Pairs *pairs, int member, uint64_t seed) {
    FeatureReward f = feature_reward_new(PROXY_TAU, seed, PROXY_LAYER + (uint64_t)member);
    size_t n = (size_t)pairs->n, i;
    double *seen = NEW(double, 2 * n), top = -INFINITY;
    int *pick = NEW(int, n);
    for (i = 0; i < n; i++) {
        pick[i] = member == 0 ? (int)i : (int)rng_below(seed, PROXY_RESAMPLE + (uint64_t)member, i, n);
    }
    feature_reward_fit(&f, pairs, pick, PROXY_PRIOR);
    grid_reward(proxy, &w->grid, feature_reward, -1, &f);
    point_rewards(seen, pairs->w, NULL, n, feature_reward, &f);
    point_rewards(seen + n, pairs->l, NULL, n, feature_reward, &f);
    for (i = 0; i < 2 * n; i++) {
        top = fmax(top, seen[i]);
    }
    free(seen);
    free(pick);
    return top - proxy_centre(proxy, w);
}

// The same from a trained network, two hidden layers of 32, fitted to n pairs of points of the ring.  The fit keeps a
// fifth of them for its report.
static inline void proxy_network(double *proxy, const ProxyWorld *w, int n, int steps, uint64_t seed) {
    RewardReport report;
    Pairs pairs = proxy_ask(w, n, n, NULL, seed);
    Net net = fit_reward(&report, &pairs, 1, steps, seed, PROXY_NET);
    ring_board_learned(proxy, &w->grid, &net, 0);
    proxy_centre(proxy, w);
    net_free(&net);
    pairs_free(&pairs);
}

// ---- paths ---------------------------------------------------------------------------------------------------------

enum { PROXY_CURVE = 40 };

typedef struct {
    int n;
    double d[PROXY_CURVE], truth[PROXY_CURVE], proxy[PROXY_CURVE]; // d = sqrt(KL); rewards gained over the reference
} ProxyPath;

// n <= PROXY_CURVE points at equal steps of d up to 4, by the tilt (or as far as it goes), or by the best of as many
// draws as spend this KL (any real number).
static inline ProxyPath proxy_path(const ProxyWorld *w, const double *proxy, int best_of, int n) {
    double start = table_mean(NULL, w->p_ref, w->truth, w->cells), *law = NEW(double, w->cells);
    double start_proxy = table_mean(NULL, w->p_ref, proxy, w->cells);
    ProxyPath path;
    int i, k;
    memset(&path, 0, sizeof path);
    path.n = n;
    for (i = 0; i < n; i++) {
        double d = 4.0 * (i + 1) / n, low = 0, high = d * d + 1.1; // of log n
        for (k = 0; k < 50 && best_of; k++) {
            double middle = 0.5 * (low + high);
            int over = bon_kl(e_exp(middle)) > d * d;
            low = over ? low : middle;
            high = over ? middle : high;
        }
        if (best_of) {
            bon_discrete(law, w->p_ref, proxy, e_exp(low), w->cells);
        } else {
            goodhart_at_kl(law, w->p_ref, w->truth, proxy, d * d, w->cells);
        }
        path.d[i] = sqrt(kl_discrete(law, w->p_ref, w->cells));
        path.truth[i] = table_mean(NULL, law, w->truth, w->cells) - start;
        path.proxy[i] = table_mean(NULL, law, proxy, w->cells) - start_proxy;
    }
    free(law);
    return path;
}

#endif
