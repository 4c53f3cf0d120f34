// likelihood.h: where the probability-flow ODE takes a point, exactly, and the log-density that follows from it.
//
// In the units w = x/(alpha + sigma), tau = sigma/(alpha + sigma) the ODE of every path is one:  dw/d log tau = w - D.
// It is solved with ode.h in double.  Volume: d log|det dw/dw_0|/d log tau = dim - tr dD/dw.
#ifndef TILT_LIKELIHOOD_H
#define TILT_LIKELIHOOD_H

#include "denoiser.h"
#include "ode.h"
#include "path.h"

typedef struct {
    // D (dim) at x, and the trace of dD/dx unless trace is NULL.
    void (*D)(double *D, double *trace, const double *x, double alpha, double sigma, const void *self);
    int dim;
    const void *self;
} PfField;

typedef struct {
    const PfField *field;
    int volume; // 1: the last number of y is the log-volume
} PfRun;

enum { PF_MAX_DIM = 64 };

static inline void pf_derivative(double *dy, double log_tau, const double *y, void *self) {
    const PfRun *run = (const PfRun *)self;
    int dim = run->field->dim;
    double D[PF_MAX_DIM];
    double trace = 0;
    double tau = e_exp(log_tau);
    run->field->D(D, run->volume ? &trace : NULL, y, 1 - tau, tau, run->field->self);
    for (int i = 0; i < dim; i++) {
        dy[i] = y[i] - D[i];
    }
    if (run->volume) {
        dy[dim] = dim - trace;
    }
}

// F: pf.exact      the exact map of the probability-flow ODE between two levels                 [chapter 4]
//   dw/d log tau = w - D,   w = x/(alpha + sigma),   tau = sigma/(alpha + sigma)
//   x_end = where x at level `from` goes at level `to`;   log_volume = log|det dx_end/dx| = int div dt
//   limits: sigma = 0 at an end has no log tau: stop at a small level.   alpha = 0 is fine
//   source: Song et al. 2021, arXiv 2011.13456
//   check: Gaussian data in closed form; CDF conserved in one dimension; Euler in VP time; golden pf.exact pf.loglik
static inline void pf_transport(double *x_end, double *log_volume, const PfField *field, const double *x,
                                const Level *from, const Level *to, double rtol) { // log_volume may be NULL
    PfRun run = {field, log_volume != NULL};
    double y[PF_MAX_DIM + 1];
    double start = from->alpha + from->sigma;
    double end = to->alpha + to->sigma;
    require_noisy(from, "pf_transport");
    require_noisy(to, "pf_transport");
    if (field->dim < 1 || field->dim > PF_MAX_DIM) {
        DIE("pf_transport: %d dimensions; need 1 .. %d", field->dim, PF_MAX_DIM);
    }
    for (int i = 0; i < field->dim; i++) {
        y[i] = x[i] / start;
    }
    y[field->dim] = 0;
    ode_solve(y, e_log(from->sigma / start), e_log(to->sigma / end), (size_t)(field->dim + run.volume), pf_derivative,
              &run, rtol, 1e-2 * rtol);
    for (int i = 0; i < field->dim; i++) {
        x_end[i] = end * y[i];
    }
    if (log_volume != NULL) {
        *log_volume = y[field->dim] + field->dim * e_log(end / start);
    }
}

// ---- the mixture as a field ---------------------------------------------------------------------------------------

typedef struct {
    const Gmm *clean;
    const double *probe; // NULL: exact trace.  2 numbers: Hutchinson's estimate probe' (dD/dx) probe
} GmmField;

static inline void gmm_field_D(double *D, double *trace, const double *x, double alpha, double sigma,
                               const void *self) {
    const GmmField *f = (const GmmField *)self;
    gmm_denoise(D, f->clean, x, alpha, sigma);
    if (trace != NULL) {
        double J[4];
        gmm_denoise_jacobian(J, f->clean, x, alpha, sigma);
        *trace = J[0] + J[3];
        if (f->probe != NULL) {
            const double *v = f->probe;
            *trace = v[0] * (J[0] * v[0] + J[1] * v[1]) + v[1] * (J[2] * v[0] + J[3] * v[1]);
        }
    }
}

static inline PfField gmm_field(const GmmField *f) {
    PfField field = {gmm_field_D, 2, f};
    return field;
}

// rows x 2 states of a mixture, each by its own solve: the reference that samplers are measured against.
static inline void gmm_transport(real *x_end, const Gmm *clean, const real *x, const Level *from, const Level *to,
                                 size_t rows, double rtol) { // x_end may be x
    GmmField f = {clean, NULL};
    PfField field = gmm_field(&f);
    long i;
    OMP(parallel for schedule(static) if (rows > 16))
    for (i = 0; i < (long)rows; i++) {
        double at[2] = {x[2 * i], x[2 * i + 1]};
        double end[2];
        pf_transport(end, NULL, &field, at, from, to, rtol);
        x_end[2 * i] = (real)end[0];
        x_end[2 * i + 1] = (real)end[1];
    }
}

// F: pf.loglik pf.div  log-density of a model by its probability-flow ODE                       [chapter 4]
//   log p_from(x) = log p_to(x_to) + log|det dx_to/dx|,   the second term = int div over the way to the noise
//   VP: div = -(beta/2)(dim + tr H).   log p_to = log N(x_to; 0, s^2 I) with s^2 = alpha^2 + sigma^2 when the law at
//   the noisy end is taken to be pure noise of unit-variance data; with the true p_to the identity is exact
//   limits: Hutchinson: trace -> v'(dD/dx)v with ONE v for the whole solve, unbiased for E[v v'] = I
//   source: Chen et al. 2018, arXiv 1806.07366; Song et al. 2021, arXiv 2011.13456
//   check: equals the mixture's own log p; mean over all sign vectors v; golden pf.loglik
static inline double pf_loglik_normal_prior(double *x_to, double *int_div, const PfField *field, const double *x,
                                            const Level *from, const Level *to, double rtol) {
    double square = 0;
    double s2 = to->alpha * to->alpha + to->sigma * to->sigma;
    pf_transport(x_to, int_div, field, x, from, to, rtol);
    for (int i = 0; i < field->dim; i++) {
        square += x_to[i] * x_to[i];
    }
    return *int_div - square / (2 * s2) - 0.5 * field->dim * e_log(2 * PI * s2);
}

#endif
