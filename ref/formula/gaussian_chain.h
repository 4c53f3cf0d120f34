// gaussian_chain.h: the exact law of a sampler's output for Gaussian data in one dimension, without one sample.
//
// For data N(m, v) the denoiser is linear, D = (sigma^2 m + alpha v x)/(alpha^2 v + sigma^2), so every sampler of
// solver.h, with noise or without, maps Gaussians to Gaussians, and mean and variance follow a recursion.  Weak
// errors come out to rounding.
#ifndef TILT_GAUSSIAN_CHAIN_H
#define TILT_GAUSSIAN_CHAIN_H

#include "solver.h"

// A number of the run as a combination of what was known when the step began: the state, the D before, the D kept
// from the step before, three fresh normal numbers (churn, step, repair) and 1.
enum { KNOWN_X, KNOWN_OLD, KNOWN_KEPT, KNOWN_CHURN, KNOWN_Z, KNOWN_REPAIR, KNOWN_ONE, KNOWN_SIZE };

typedef struct {
    double c[KNOWN_SIZE];
} Affine;

static inline Affine affine_D(const Affine *x, const Level *l, double m, double v) {
    double total = l->alpha * l->alpha * v + l->sigma * l->sigma;
    Affine D;
    for (int k = 0; k < KNOWN_SIZE; k++) {
        D.c[k] = l->alpha * v / total * x->c[k];
    }
    D.c[KNOWN_ONE] += l->sigma * l->sigma * m / total;
    return D;
}

static inline Affine affine_update(const Update *u, const Affine *x, const Affine *now, const Affine *stage,
                                   int fresh) {
    Affine out;
    for (int k = 0; k < KNOWN_SIZE; k++) {
        out.c[k] = u->x * x->c[k] + u->now * now->c[k] + u->stage * stage->c[k];
    }
    out.c[KNOWN_OLD] += u->old;
    out.c[fresh] += u->z;
    return out;
}

// mean, var: at entry the law of the start, N(mean, var); at exit that of the end.  Data N(m, v).
static inline void sampler_gaussian(double *mean, double *var, const Sampler *s, const Ladder *ladder, double m,
                                    double v) {
    double center[3] = {*mean, 0, 0};       // means of x, D_old, D_kept
    double cov[3][3] = {{*var, 0, 0}, {0}}; // and their covariances
    int kept = 0;
    for (int i = 0; i < ladder->n; i++) {
        StepPlan p = sampler_plan(s, ladder, i);
        Affine x = {{1, 0, 0, p.churn, 0, 0, 0}};
        Affine now = {{0, 0, 1, 0, 0, 0, 0}};
        Affine stage = {{0}};
        if (!kept) {
            now = affine_D(&x, &p.from, m, v);
        }
        Affine next = affine_update(&p.first, &x, &now, &stage, KNOWN_Z);
        if (p.stages == 2) {
            stage = affine_D(&next, &p.middle, m, v);
            next = affine_update(&p.last, &x, &now, &stage, KNOWN_Z);
        }
        if (p.correct) {
            stage = affine_D(&next, &ladder->at[i + 1], m, v);
            next = affine_update(&p.repair, &next, &now, &stage, KNOWN_REPAIR);
        }
        const Affine *fresh[3] = {&next, &now, &stage};
        double new_center[3];
        double new_cov[3][3];
        for (int a = 0; a < 3; a++) {
            new_center[a] = fresh[a]->c[KNOWN_ONE];
            for (int b = 0; b < 3; b++) {
                new_center[a] += fresh[a]->c[b] * center[b];
                new_cov[a][b] = 0;
                for (int k = KNOWN_CHURN; k <= KNOWN_REPAIR; k++) {
                    new_cov[a][b] += fresh[a]->c[k] * fresh[b]->c[k];
                }
                for (int k = 0; k < 9; k++) {
                    new_cov[a][b] += fresh[a]->c[k / 3] * cov[k / 3][k % 3] * fresh[b]->c[k % 3];
                }
            }
        }
        memcpy(center, new_center, sizeof center);
        memcpy(cov, new_cov, sizeof cov);
        kept = p.keep;
    }
    *mean = center[0];
    *var = cov[0][0];
}

#endif
