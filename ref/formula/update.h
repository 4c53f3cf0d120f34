// update.h: one step of any sampler as five numbers.
//
//   x' = x w_x + D_now w_now + D_old w_old + D_stage w_stage + z w_z
// D is the denoiser's answer x0hat = E[x_0 | x_t], the one language that has a meaning on every path, at alpha = 0
// (where eps says nothing about x_0) and in float.  D_now belongs to the state at the start of the step, D_old to
// the start of the step before, D_stage to a second point inside the step.  A sampler is then a table of weights in
// double, and the same loop runs on exact mixtures, small networks and images.
#ifndef TILT_UPDATE_H
#define TILT_UPDATE_H

#include "path.h"
#include "sampler.h"

typedef struct {
    double x;     // weight of the state
    double now;   // weight of D at the start of the step
    double old;   // weight of D at the start of the step before
    double stage; // weight of D at the second point
    double z;     // standard deviation of the fresh noise
} Update;

// out: n numbers, which may be x.  An array whose weight is 0 is not read and may be NULL.
static inline void update_apply(real *out, const Update *u, const real *x, const real *now, const real *old,
                                const real *stage, const real *z, size_t n) {
    if ((u->old != 0 && old == NULL) || (u->stage != 0 && stage == NULL) || (u->z != 0 && z == NULL)) {
        DIE("update_apply: weights old %g, stage %g, z %g need their arrays, got NULL", u->old, u->stage, u->z);
    }
    for (size_t i = 0; i < n; i++) {
        double sum = u->x * x[i] + u->now * now[i];
        if (u->old != 0) {
            sum += u->old * old[i];
        }
        if (u->stage != 0) {
            sum += u->stage * stage[i];
        }
        if (u->z != 0) {
            sum += u->z * z[i];
        }
        out[i] = (real)sum;
    }
}

// Weights found for the scaled state y = scale x, back in terms of x, where the scale changes during the step.
static inline void update_rescale(Update *u, double scale_now, double scale_next) {
    u->x *= scale_now / scale_next;
    u->now /= scale_next;
    u->old /= scale_next;
    u->stage /= scale_next;
    u->z /= scale_next;
}

// A step that is written with eps: x_s = a x_t + b eps + sigma z, eps = (x_t - alpha D)/sigma_t.  The step is in
// variance-preserving units; levels of other paths are scaled to them and back.
static inline Update update_of_step(const StepCoeffs *c, const Level *now, const Level *next) {
    Update u = {0, 0, 0, 0, 0};
    require_noisy(now, "update_of_step");
    double scale_now = 1 / sqrt(now->alpha * now->alpha + now->sigma * now->sigma);
    double scale_next = 1 / sqrt(next->alpha * next->alpha + next->sigma * next->sigma);
    double sigma = now->sigma * scale_now;
    u.x = c->a + c->b / sigma;
    u.now = -c->b * now->alpha * scale_now / sigma;
    u.z = c->sigma;
    if (next->sigma == 0) { // x_s = x0hat: a + b/sigma is 0, and rounding would leave 1e-16 a of the noise
        u.x = 0;
    }
    update_rescale(&u, scale_now, scale_next);
    return u;
}

// ---- Runge-Kutta steps for dy/dt = slope.x y + slope.d D -----------------------------------------------------------

typedef struct {
    double x, d; // weights of the state and of D in dy/dt
} Slope;

static inline Update update_euler(double dt, Slope now) {
    Update u = {1 + dt * now.x, dt * now.d, 0, 0, 0};
    return u;
}

// The trapezium rule: `first` leads to the end of the step, where D_stage is asked; `last` is the whole step.
static inline void update_heun(Update *first, Update *last, double dt, Slope now, Slope end) {
    Update u = {0, 0, 0, 0, 0};
    *first = update_euler(dt, now);
    u.x = 1 + dt / 2 * (now.x + end.x * first->x);
    u.now = dt / 2 * (now.d + end.x * first->now);
    u.stage = dt / 2 * end.d;
    *last = u;
}

// The midpoint rule: `first` leads to the middle of the step.
static inline void update_midpoint(Update *first, Update *last, double dt, Slope now, Slope middle) {
    Update u = {0, 0, 0, 0, 0};
    *first = update_euler(dt / 2, now);
    u.x = 1 + dt * middle.x * first->x;
    u.now = dt * middle.x * first->now;
    u.stage = dt * middle.d;
    *last = u;
}

#endif
