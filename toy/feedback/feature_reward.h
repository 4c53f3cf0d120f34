// feature_reward.h: a reward with one hidden layer that is drawn at random and never trained.  Only the weights on top
// are fitted to pairwise choices, so the fit is convex: Newton finds the one optimum, the same for every machine, in
// milliseconds.  Far from the data it behaves as ReLU networks do: it goes on in a straight line.
//
//   r(x) = tau sum_k theta_k max(0, u_k . x + b_k),   u_k on the unit circle, b_k ~ N(0, FEATURE_OFFSET^2)
#ifndef TILT_FEATURE_REWARD_H
#define TILT_FEATURE_REWARD_H

#include "../../ref/formula/reward_model.h"
#include "pairs.h"

enum { FEATURES = 40 };
#define FEATURE_OFFSET 1.5 // units of x: the kinks lie where the ring is

typedef struct {
    double u[FEATURES][2], b[FEATURES];
    double theta[FEATURES]; // logits of the rater
    double tau;             // reward units per logit: the temperature of the rater who was asked
} FeatureReward;

// The hidden layer number `stream` of a seed; the weights on top are 0.
static inline FeatureReward feature_reward_new(double tau, uint64_t seed, uint64_t stream) {
    FeatureReward f;
    int k;
    memset(&f, 0, sizeof f);
    f.tau = tau;
    for (k = 0; k < FEATURES; k++) {
        double angle = 2 * PI * rng_uniform(seed, stream, 3 * (uint64_t)k);
        f.u[k][0] = e_cos(angle);
        f.u[k][1] = e_sin(angle);
        f.b[k] = FEATURE_OFFSET * rng_normal(seed, stream, 3 * (uint64_t)k + 1);
    }
    return f;
}

static inline void feature_values(double *value, const FeatureReward *f, const double x[2]) {
    int k;
    for (k = 0; k < FEATURES; k++) {
        double v = f->u[k][0] * x[0] + f->u[k][1] * x[1] + f->b[k];
        value[k] = v > 0 ? v : 0;
    }
}

// A PointReward; user is a FeatureReward.  Prompts are ignored.
static inline double feature_reward(const double x[2], int c, void *user) {
    const FeatureReward *f = (const FeatureReward *)user;
    double value[FEATURES], sum = 0;
    int k;
    (void)c;
    feature_values(value, f, x);
    for (k = 0; k < FEATURES; k++) {
        sum += f->theta[k] * value[k];
    }
    return f->tau * sum;
}

// Fits theta to the pairs by penalised maximum likelihood (rm_map): a prior N(0, prior^2) on each weight, so the
// penalty of the MEAN loss is 1/(prior^2 n).  pick (n numbers, NULL: all pairs once): which pairs to use, for a
// bootstrap.  Returns the penalised mean loss.
static inline double feature_reward_fit(FeatureReward *f, const Pairs *pairs, const int *pick, double prior) {
    size_t n = (size_t)pairs->n, i;
    double *win, *lose, loss;
    if (pairs->dim != 2 || !(prior > 0)) {
        DIE("feature_reward_fit: points of %d numbers, prior %g; use points of the plane and a positive prior",
            pairs->dim, prior);
    }
    win = NEW(double, n *FEATURES);
    lose = NEW(double, n *FEATURES);
    for (i = 0; i < n; i++) {
        size_t from = pick != NULL ? (size_t)pick[i] : i;
        double w[2], l[2];
        w[0] = (double)pairs->w[2 * from];
        w[1] = (double)pairs->w[2 * from + 1];
        l[0] = (double)pairs->l[2 * from];
        l[1] = (double)pairs->l[2 * from + 1];
        feature_values(win + i * FEATURES, f, w);
        feature_values(lose + i * FEATURES, f, l);
    }
    loss = rm_map(f->theta, win, lose, 1 / (prior * prior * (double)n), pairs->n, FEATURES);
    free(win);
    free(lose);
    return loss;
}

#endif
