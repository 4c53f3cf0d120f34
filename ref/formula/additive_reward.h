// additive_reward.h: a reward that a person can read: a weighted sum of named attributes with weights >= 0.
//
// r(x) = sum_a w_a f_a(x): sharpness, symmetry, absence of text, ...  Each part says how much it contributes, and a
// negative weight, which nobody could explain ("sharper is worse"), is ruled out by the fit.
#ifndef TILT_ADDITIVE_REWARD_H
#define TILT_ADDITIVE_REWARD_H

#include "reward_model.h"

// F: rm.additive   who contributed what                                            [chapter 8]
//   part_a = w_a (f_a - fbar_a),   sum_a part_a = r(f) - r(fbar)       (completeness)
//   w, f, fbar, part: F numbers; fbar is the baseline, usually the mean attributes under the reference.
//   For a sum it is also the Shapley value: the mean over all orders in which attributes are switched from fbar to f.
//   Returns r(f) - r(fbar).
//   source: generalised additive models, Hastie and Tibshirani 1986; Shapley 1953
//   check: completeness; Shapley values by enumeration of all orders
static inline double additive_attribution(double *part, const double *w, const double *f, const double *fbar, int F) {
    double sum = 0;
    int a;
    for (a = 0; a < F; a++) {
        part[a] = w[a] * (f[a] - fbar[a]);
        sum += part[a];
    }
    return sum;
}

// F: rm.additive   weights >= 0 fitted to pairs                                    [chapter 8]
//   w = argmin over w >= 0 of  rm.bt loss + (lambda/2) |w|^2                         projected Newton
//   Held at zero: w_a = 0 with slope g_a > 0.  The others take a Newton step with their own block of the Hessian, then
//   max(0, .), halved until the loss falls.  At the optimum: g_a = 0 where w_a > 0, g_a >= 0 where w_a = 0.
//   features_win, features_lose (n,F); lambda > 0 on the scale of the MEAN loss; w: F numbers out.
//   Returns the penalised loss.
//   source: Bertsekas 1982 (projected Newton)
//   check: the conditions above; coordinate descent; equals rm.map when all its weights are positive
static inline double additive_fit(double *w, const double *features_win, const double *features_lose, double lambda,
                                  int n, int F) {
    double *grad, *trial, *hessian, here = INFINITY, largest = 1;
    int iteration, a, b;
    if (!(lambda > 0)) {
        DIE("additive_fit: lambda must be positive (separable pairs have no optimum without it), got %g", lambda);
    }
    grad = NEW(double, (size_t)F);
    trial = NEW(double, (size_t)F);
    hessian = NEW(double, (size_t)F *(size_t)F);
    memset(w, 0, (size_t)F * sizeof *w);
    for (iteration = 0; iteration < 200 && largest > 1e-13; iteration++) {
        double fraction = 2, reached = INFINITY;
        here = rm_bt(grad, hessian, NULL, features_win, features_lose, w, n, F);
        for (a = 0; a < F; a++) {
            here += 0.5 * lambda * w[a] * w[a];
            grad[a] += lambda * w[a];
            hessian[a * F + a] += lambda;
        }
        for (a = 0; a < F; a++) { // an attribute held at zero leaves the system: its row and column become those of 1
            if (w[a] == 0 && grad[a] > 0) {
                for (b = 0; b < F; b++) {
                    hessian[a * F + b] = hessian[b * F + a] = a == b;
                }
                grad[a] = 0;
            }
        }
        if (cholesky(hessian, hessian, F) != 0) {
            DIE("additive_fit: the Hessian is not positive definite (lambda %g); check the features for NaN", lambda);
        }
        cholesky_solve(grad, hessian, grad, F); // from here on the step
        while (fraction > 1e-9 && !(reached <= here + 1e-15 * fabs(here))) {
            fraction *= 0.5;
            reached = 0;
            for (a = 0; a < F; a++) {
                trial[a] = fmax(0, w[a] - fraction * grad[a]);
                reached += 0.5 * lambda * trial[a] * trial[a];
            }
            reached += rm_bt(NULL, NULL, NULL, features_win, features_lose, trial, n, F);
        }
        for (largest = 0, a = 0; a < F; a++) {
            largest = fmax(largest, fabs(trial[a] - w[a]) / (1 + fabs(w[a])));
            w[a] = trial[a];
        }
        here = reached;
    }
    free(grad);
    free(trial);
    free(hessian);
    return here;
}

// The largest x'Ax/x'x over vectors x, where step x <- A x (solve == 0) or x <- A^-1 x by its factor L (solve == 1).
static inline double power_limit_(const double *A, const double *L, int solve_, int n) {
    double *x = NEW(double, (size_t)n), *y = NEW(double, (size_t)n), value = 0, before = -1;
    int iteration, i, j;
    for (i = 0; i < n; i++) {
        x[i] = 1 + 0.37 * i; // not an eigenvector by accident of symmetry
    }
    for (iteration = 0; iteration < 20000 && !(fabs(value - before) <= 1e-14 * fabs(value)); iteration++) {
        double norm = 0, turn = 0;
        before = value;
        for (i = 0; i < n; i++) {
            norm += x[i] * x[i];
        }
        for (i = 0; i < n; i++) {
            x[i] /= sqrt(norm);
        }
        if (solve_) {
            cholesky_solve(y, L, x, n);
        } else {
            for (i = 0; i < n; i++) {
                for (y[i] = 0, j = 0; j < n; j++) {
                    y[i] += A[i * n + j] * x[j];
                }
            }
        }
        for (i = 0; i < n; i++) {
            turn += x[i] * y[i];
            x[i] = y[i];
        }
        value = turn;
    }
    free(x);
    free(y);
    return value;
}

// F: rm.additive   can the attributes be told apart?                               [chapter 8]
//   condition = largest / smallest eigenvalue of the Fisher matrix (the Hessian of rm.bt), by power iteration
//   Standard errors along the worst direction are sqrt(condition) times those along the best.  1: independent
//   attributes of one scale.  Above 1e4 the weights of the attributes involved are not separately readable.
//   inf when the matrix is singular (two attributes are the same).  Scale the attributes to unit spread first.
//   fisher (F,F), symmetric.
//   source: textbook definition; power and inverse iteration
//   check: 2 x 2 closed form; a repeated attribute
static inline double additive_condition(const double *fisher, int F) {
    double *L = NEW(double, (size_t)F *(size_t)F), condition = INFINITY;
    if (cholesky(L, fisher, F) == 0) {
        condition = power_limit_(fisher, NULL, 0, F) * power_limit_(NULL, L, 1, F);
    }
    free(L);
    return condition;
}

#endif
