// ode.h: the reference integrator.  Gragg-Bulirsch-Stoer: modified midpoint steps with 2, 4, 6 ... substeps, and an
// extrapolation to infinitely many.  The error has even powers of the substep only, so each column gains two orders.
//
// It exists to be right, not fast: with rtol = 1e-12 smooth fields keep 11 or 12 digits.  Double only; a field in float
// cannot be integrated to 1e-12.
#ifndef TILT_ODE_H
#define TILT_ODE_H

#include <math.h>

#include "../core/base.h"

enum { ODE_COLUMNS = 9 };

typedef void (*OdeField)(double *dy, double t, const double *y, void *self); // dy = dy/dt, n numbers

// One modified midpoint step over H with an even number of substeps.  work: 3 n numbers.
static inline void ode_midpoint(double *out, const double *y, double t, double H, int substeps, size_t n, OdeField f,
                                void *self, double *work) {
    double *before = work;
    double *here = work + n;
    double *slope = work + 2 * n;
    double h = H / substeps;
    f(slope, t, y, self);
    for (size_t i = 0; i < n; i++) {
        before[i] = y[i];
        here[i] = y[i] + h * slope[i];
    }
    for (int m = 1; m < substeps; m++) {
        f(slope, t + m * h, here, self);
        for (size_t i = 0; i < n; i++) {
            double ahead = before[i] + 2 * h * slope[i];
            before[i] = here[i];
            here[i] = ahead;
        }
    }
    f(slope, t + H, here, self);
    for (size_t i = 0; i < n; i++) {
        out[i] = 0.5 * (here[i] + before[i] + h * slope[i]);
    }
}

// One step of size H by extrapolation: y_new, and the column at which it agreed with the one before to the tolerance
// (-1: it never did).  rows: 2 ODE_COLUMNS n numbers, work: 3 n.
static inline int ode_try(double *y_new, const double *y, double t, double H, size_t n, OdeField f, void *self,
                          double rtol, double atol, double *rows, double *work) {
    double *above = rows;
    double *row = rows + ODE_COLUMNS * n;
    for (int k = 0; k < ODE_COLUMNS; k++) {
        ode_midpoint(row, y, t, H, 2 * (k + 1), n, f, self, work);
        for (int j = 1; j <= k; j++) { // Aitken-Neville in h^2
            double ratio = (double)(k + 1) / (k + 1 - j);
            for (size_t i = 0; i < n; i++) {
                double left = row[(size_t)(j - 1) * n + i];
                row[(size_t)j * n + i] = left + (left - above[(size_t)(j - 1) * n + i]) / (ratio * ratio - 1);
            }
        }
        double worst = 0;
        for (size_t i = 0; i < n && k > 0; i++) {
            double best = row[(size_t)k * n + i];
            double allowed = atol + rtol * fmax(fabs(y[i]), fabs(best));
            double error = fabs(best - row[(size_t)(k - 1) * n + i]) / allowed;
            worst = error <= worst ? worst : error; // a NaN stays
        }
        if (k > 1 && worst <= 1) {
            memcpy(y_new, row + (size_t)k * n, n * sizeof(double));
            return k;
        }
        double *swap = above;
        above = row;
        row = swap;
    }
    return -1;
}

// y(t0) -> y(t1), in place; t1 may be smaller than t0.  Returns the number of steps, refused ones included.
static inline long ode_solve(double *y, double t0, double t1, size_t n, OdeField f, void *self, double rtol,
                             double atol) {
    double t = t0;
    double H = (t1 - t0) / 8;
    long steps = 0;
    if (!(rtol >= 1e-14 && atol >= 0 && fabs(H) < HUGE_VAL)) {
        DIE("ode_solve: rtol = %g, atol = %g, t %g to %g; need rtol >= 1e-14 and finite times", rtol, atol, t0, t1);
    }
    double *block = NEW(double, (2 * ODE_COLUMNS + 4) * n);
    double *y_new = block;
    double *work = block + n;
    double *rows = block + 4 * n;
    while (t != t1) {
        int last = fabs(H) >= fabs(t1 - t);
        double h = last ? t1 - t : H;
        int column = ode_try(y_new, y, t, h, n, f, self, rtol, atol, rows, work);
        steps++;
        if (steps > 10000 || (column < 0 && t + 0.4 * h == t)) {
            free(block);
            DIE("ode_solve: stuck at t = %.17g after %ld steps; the field is not smooth there, or rtol = %g is below "
                "its rounding",
                t, steps, rtol);
        }
        if (column < 0) {
            H = 0.4 * h;
            continue;
        }
        memcpy(y, y_new, n * sizeof(double));
        t = last ? t1 : t + h;
        H = column < 5 ? 1.7 * h : column < 7 ? 1.2 * h : 0.8 * h; // early agreement: longer steps
    }
    free(block);
    return steps;
}

#endif
