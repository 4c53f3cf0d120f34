// twists.h: what a noisy state is worth, for the samplers of toy/model/twisted.h, when the reward is a quadratic in the
// plane: the usual guess r(x0hat), its slope, and the exact soft value when the data is a Gaussian mixture.
#ifndef TILT_TWISTS_H
#define TILT_TWISTS_H

#include "../model/twisted.h"
#include "rewards.h"

// The `user` of the callbacks below.  Everything is borrowed.
typedef struct {
    Net *net;                 // needed by the slope alone
    const Schedule *schedule; // of the chain
    const Gmm *data;          // needed by the soft value alone
    QuadReward r;
    double beta;  // KL temperature, reward units per nat
    double scale; // the guess is multiplied by it: 1 as it is, 0 says nothing, below 0 it is wrong on purpose
} QuadWorth;

// r of clean rows: the `reward` of a Twist.
static inline void quad_rewards(double *r, const real *x0, const int *c, int n, void *user) {
    QuadWorth *w = (QuadWorth *)user;
    point_rewards(r, x0, c, (size_t)n, quad_point_reward, &w->r);
}

// V = r(x0hat): the reward of what the network would draw if it had to stop here.  Costs no evaluation.
static inline void quad_guess(double *v, const real *x, const real *eps, int k, const int *c, int n, void *user) {
    QuadWorth *w = (QuadWorth *)user;
    real *x0 = NEW(real, 2 * (size_t)n);
    int i;
    step_x0hat(x0, x, eps, schedule_abar(w->schedule, k), 2 * (size_t)n);
    point_rewards(v, x0, c, (size_t)n, quad_point_reward, &w->r);
    for (i = 0; i < n; i++) {
        v[i] *= w->scale;
    }
    free(x0);
}

// d r(x0hat)/dx, one backward pass:  x0hat = (x - sigma eps(x))/alpha,  slope = (r' - sigma (d eps/dx)' r')/alpha.
static inline void quad_guess_slope(real *g, const real *x, const real *eps, int k, const int *c, int n, void *user) {
    QuadWorth *w = (QuadWorth *)user;
    double abar = schedule_abar(w->schedule, k), alpha = alpha_of(abar), sigma = sigma_of(abar);
    real *dr = NEW(real, 2 * (size_t)n), *back = NEW(real, 2 * (size_t)n), *t = NEW(real, (size_t)n);
    real *kept = w->net->g;
    int i;
    step_x0hat(dr, x, eps, abar, 2 * (size_t)n);
    for (i = 0; i < n; i++) {
        double at[2], slope[2];
        at[0] = (double)dr[2 * i];
        at[1] = (double)dr[2 * i + 1];
        quad_reward_grad(slope, &w->r, at);
        dr[2 * i] = (real)slope[0];
        dr[2 * i + 1] = (real)slope[1];
        t[i] = (real)k;
    }
    w->net->g = NULL; // the slope in x alone
    w->net->backward(w->net, back, dr, x, t, c, n);
    w->net->g = kept;
    for (i = 0; i < 2 * n; i++) {
        g[i] = (real)(w->scale * ((double)dr[i] - sigma * (double)back[i]) / alpha);
    }
    free(dr);
    free(back);
    free(t);
}

// V = beta log E[e^(r(x_0)/beta) | x_k]: x_0 given x_k is a mixture, and its tilt has a closed form.  It is the value
// of the exact reverse process; a chain of few steps has a slightly different one, which the weights correct.
static inline void quad_soft_value(double *v, const real *x, const real *eps, int k, const int *c, int n, void *user) {
    QuadWorth *w = (QuadWorth *)user;
    double abar = schedule_abar(w->schedule, k);
    Gmm posterior = gmm_new(w->data->K), tilted = gmm_new(w->data->K);
    int i;
    (void)eps;
    (void)c;
    for (i = 0; i < n; i++) {
        double at[2];
        at[0] = (double)x[2 * i];
        at[1] = (double)x[2 * i + 1];
        gmm_posterior(&posterior, w->data, at, alpha_of(abar), sigma_of(abar));
        gmm_tilt(&tilted, &v[i], &posterior, &w->r, w->beta);
        v[i] *= w->scale * w->beta;
    }
    gmm_free(&posterior);
    gmm_free(&tilted);
}

#endif
