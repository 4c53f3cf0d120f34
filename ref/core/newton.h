// newton.h: the maximum of a concave function of a few parameters, by Newton's method with step halving.
//
// Made for log-likelihoods whose parameters are known up to a shift: one of them may be held where it is.  The caller
// makes sure that a maximum exists; a function that rises for ever is noticed by parameters beyond NEWTON_FAR, at which
// chances near 1 have lost the digits that the slope needs.
#ifndef TILT_NEWTON_H
#define TILT_NEWTON_H

#include "linalg.h"

enum { NEWTON_STEPS = 200, NEWTON_FAR = 30 };

// A concave function: its value at x; grad (n): its slope; info (n,n): minus its second derivative, or the expectation
// of that (positive semidefinite).  grad and info are NULL together when only the value is wanted.
typedef double Concave(double *grad, double *info, const double *x, const void *data);

// inv (n,n) = inverse of info without row and column `held` (-1: all are free), zeros there.  With info the information
// of a log-likelihood this is the covariance of its maximum.  Returns 0, or 1 when what is left is singular.
static inline int inverse_held(double *inv, const double *info, int n, int held) {
    size_t cells = (size_t)n * (size_t)n;
    double *small = NEW(double, cells);
    double *small_inv = NEW(double, cells);
    int k = n - (held >= 0), r, c, bad;
    for (r = 0; r < k; r++) {
        for (c = 0; c < k; c++) {
            small[r * k + c] = info[(r + (held >= 0 && r >= held)) * n + c + (held >= 0 && c >= held)];
        }
    }
    bad = cholesky(small, small, k) != 0;
    memset(inv, 0, cells * sizeof *inv);
    if (!bad) {
        cholesky_inverse(small_inv, small, k);
        for (r = 0; r < k; r++) {
            for (c = 0; c < k; c++) {
                inv[(r + (held >= 0 && r >= held)) * n + c + (held >= 0 && c >= held)] = small_inv[r * k + c];
            }
        }
    }
    free(small);
    free(small_inv);
    return bad;
}

// Climbs from x (n, in and out; x[held] never moves) until a whole step is below 1e-11.  A value of -infinity is legal
// away from x: it ends a constraint.  Returns 0, or 1 when there is no maximum to be found: singular information,
// NEWTON_STEPS steps, or a parameter beyond NEWTON_FAR.
static inline int newton_ascent(double *x, int n, int held, Concave *f, const void *data) {
    size_t cells = (size_t)n * (size_t)n;
    double *grad = NEW(double, (size_t)n);
    double *trial = NEW(double, (size_t)n);
    double *info = NEW(double, cells);
    double *inv = NEW(double, cells);
    int step, r, c, lost = 0, found = 0;
    for (step = 0; step < NEWTON_STEPS && !found && !lost; step++) {
        double here = f(grad, info, x, data), reached = -INFINITY, fraction, whole = 0, slack = 1e-12 * fabs(here);
        lost = inverse_held(inv, info, n, held);
        for (fraction = 1; !lost && fraction > 1e-9 && !(reached >= here - slack); fraction *= 0.5) {
            whole = 0;
            for (r = 0; r < n; r++) {
                double move = 0;
                for (c = 0; c < n; c++) {
                    move += inv[r * n + c] * grad[c];
                }
                trial[r] = x[r] + fraction * move;
                whole = fmax(whole, fabs(move));
            }
            reached = f(NULL, NULL, trial, data);
        }
        lost = lost || !(reached >= here - slack);
        found = !lost && whole < 1e-11;
        for (r = 0; r < n && !lost; r++) {
            x[r] = trial[r];
            lost = r != held && !(fabs(x[r]) < NEWTON_FAR);
        }
    }
    free(grad);
    free(trial);
    free(info);
    free(inv);
    return !found || lost;
}

#endif
