// reward_model.h: a reward that is linear in features, r(x) = theta . f(x), fitted to pairs.
//
// Convex, so Newton finds the optimum to the last digit: the yardstick for reward networks.  Pair n: features of the
// preferred item in row n of features_win, of the other in row n of features_lose, both (n,F), double.
#ifndef TILT_REWARD_MODEL_H
#define TILT_REWARD_MODEL_H

#include "../core/linalg.h"

// F: rm.bt       Bradley-Terry loss of a linear reward                             [chapter 6]
//   L = (1/n) sum softplus(-delta),  delta = theta . (f_win - f_lose)
//   grad = -(1/n) sum sigmoid(-delta) (f_win - f_lose),   hessian = (1/n) sum sigmoid(delta) sigmoid(-delta) d d'
//   theta, grad: F; hessian (F,F); accuracy: share of pairs with delta > 0.  grad, hessian, accuracy may be NULL.
//   theta = 0: L = ln 2.  Separable pairs: L -> 0 as |theta| -> inf, so add rm.map's penalty.
//   source: Christiano et al. 2017
//   check: finite differences of L and grad; golden rm.bt
static inline double rm_bt(double *grad, double *hessian, double *accuracy, const double *features_win,
                           const double *features_lose, const double *theta, int n, int F) {
    double loss = 0;
    int right = 0, k, a, b;
    for (a = 0; a < F && grad != NULL; a++) {
        grad[a] = 0;
    }
    for (a = 0; a < F * F && hessian != NULL; a++) {
        hessian[a] = 0;
    }
    for (k = 0; k < n; k++) {
        const double *w = features_win + (size_t)k * (size_t)F;
        const double *l = features_lose + (size_t)k * (size_t)F;
        double delta = 0, slope, bend;
        for (a = 0; a < F; a++) {
            delta += theta[a] * (w[a] - l[a]);
        }
        slope = -e_sigmoid(-delta) / n;
        bend = e_sigmoid(delta) * e_sigmoid(-delta) / n;
        loss += e_softplus(-delta) / n;
        right += delta > 0;
        for (a = 0; a < F && grad != NULL; a++) {
            grad[a] += slope * (w[a] - l[a]);
        }
        for (a = 0; a < F && hessian != NULL; a++) {
            for (b = 0; b < F; b++) {
                hessian[a * F + b] += bend * (w[a] - l[a]) * (w[b] - l[b]);
            }
        }
    }
    if (accuracy != NULL) {
        *accuracy = (double)right / n;
    }
    return loss;
}

// A mean loss of theta (F) with its gradient and Hessian; both are NULL together when only the value is wanted.
typedef double MeanLoss(double *grad, double *hessian, const double *theta, const void *data);

// theta (F) = argmin of f + (lambda/2) |theta|^2 from theta = 0, by Newton steps that are halved until the loss falls.
// who: the caller, for its errors.  Returns the penalised loss.
static inline double rm_newton(double *theta, MeanLoss *f, const void *data, double lambda, const char *who, int F) {
    size_t cells = (size_t)F * (size_t)F;
    double *grad, *hessian, *trial;
    double loss = INFINITY, largest = 1;
    int iteration, a;
    if (!(lambda > 0)) {
        DIE("%s: lambda must be positive (without it there may be no optimum), got %g", who, lambda);
    }
    grad = NEW(double, (size_t)F);
    hessian = NEW(double, cells);
    trial = NEW(double, (size_t)F);
    memset(theta, 0, (size_t)F * sizeof *theta);
    for (iteration = 0; iteration < 100 && largest > 1e-13; iteration++) {
        double fraction = 2, reached = INFINITY, size = 0, penalty;
        loss = f(grad, hessian, theta, data);
        for (a = 0; a < F; a++) {
            loss += 0.5 * lambda * theta[a] * theta[a];
            grad[a] += lambda * theta[a];
            hessian[a * F + a] += lambda;
            size = fmax(size, fabs(theta[a]));
        }
        if (cholesky(hessian, hessian, F) != 0) {
            DIE("%s: the Hessian is not positive definite (lambda %g); check the features for NaN", who, lambda);
        }
        cholesky_solve(grad, hessian, grad, F); // from here on the Newton step
        while (fraction > 1e-6 && !(reached <= loss + 1e-14 * fabs(loss))) {
            fraction *= 0.5;
            for (penalty = 0, a = 0; a < F; a++) {
                trial[a] = theta[a] - fraction * grad[a];
                penalty += 0.5 * lambda * trial[a] * trial[a];
            }
            reached = penalty + f(NULL, NULL, trial, data);
        }
        for (largest = 0, a = 0; a < F; a++) {
            largest = fmax(largest, fabs(trial[a] - theta[a]) / (1 + size));
            theta[a] = trial[a];
        }
        loss = reached;
    }
    free(grad);
    free(hessian);
    free(trial);
    return loss;
}

typedef struct {
    const double *win, *lose; // features of the pairs, n x F
    int n, F;
} BtPairs;

static inline double bt_pairs_loss(double *grad, double *hessian, const double *theta, const void *data) {
    const BtPairs *p = (const BtPairs *)data;
    return rm_bt(grad, hessian, NULL, p->win, p->lose, theta, p->n, p->F);
}

// F: rm.map      the penalised optimum                                             [chapter 6]
//   theta = argmin L(theta) + (lambda/2) |theta|^2,   lambda on the scale of the MEAN loss;   Newton with step halving
//   theta: F numbers out; lambda > 0.  Returns the penalised loss.  lambda -> inf: theta -> 0.
//   source: ridge penalty, Gaussian prior
//   check: gradient below 1e-12; golden rm.map
static inline double rm_map(double *theta, const double *features_win, const double *features_lose, double lambda,
                            int n, int F) {
    BtPairs pairs;
    pairs.win = features_win;
    pairs.lose = features_lose;
    pairs.n = n;
    pairs.F = F;
    return rm_newton(theta, bt_pairs_loss, &pairs, lambda, "rm_map", F);
}

#endif
