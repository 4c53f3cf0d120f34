// mixture.h: a Gaussian mixture as a Net: the exact denoiser of its own law, with trainable weights, means and widths.
//
//   p(x | c) = sum over the components k of prompt c of w_k N(mu_k, s_k^2 I),   w = softmax of the logits a_k
//   noised:  N(alpha mu_k, v_k I),  v_k = alpha^2 s_k^2 + sigma^2;   u_k = (x - alpha mu_k) / v_k
//   eps(x, t, c) = sigma sum_k gamma_k u_k,   gamma_k proportional to w_k N(x; alpha mu_k, v_k I)
// It is the first model of every method: no training error, no capacity error, and log p is known.  Parameters, in
// this order: K logits, K x dim means, K log-widths.  The null prompt owns all components.
#ifndef TILT_MIXTURE_NET_H
#define TILT_MIXTURE_NET_H

#include "../../ref/core/net.h"
#include "../../ref/formula/schedule.h"

#define MIXTURE_SHARDS 4 // gradient buffers; fixed, so that sums have one order

typedef struct {
    int K, dim;
    int *owner;            // K: the prompt that owns component k, or -1: all prompts do
    int steps;             // T
    double *alpha, *sigma; // T each
} Mixture;

// What one row at noise (alpha, sigma) looks like to the mixture.
typedef struct {
    double *gamma, *u, *v; // K, K x dim, K
    double logp;           // log p_t(x | c), nats
} MixtureLook;

static inline MixtureLook mixture_look_new(const Mixture *m) {
    MixtureLook look;
    look.gamma = NEW(double, (size_t)m->K);
    look.u = NEW(double, (size_t)m->K *(size_t)m->dim);
    look.v = NEW(double, (size_t)m->K);
    look.logp = 0;
    return look;
}

static inline void mixture_look_free(MixtureLook *look) {
    free(look->gamma);
    free(look->u);
    free(look->v);
}

static inline int mixture_owned(const Mixture *m, int k, int c) {
    return c < 0 || m->owner[k] < 0 || m->owner[k] == c;
}

static inline void mixture_look(MixtureLook *look, const Mixture *m, const real *p, const real *x, int c, double alpha,
                                double sigma) {
    const real *mean = p + m->K, *width = p + m->K + (size_t)m->K * (size_t)m->dim;
    double *weight = NEW(double, (size_t)m->K), total, prior;
    int k, j;
    for (k = 0; k < m->K; k++) {
        double s = e_exp((double)width[k]), square = 0;
        look->v[k] = alpha * alpha * s * s + sigma * sigma;
        for (j = 0; j < m->dim; j++) {
            size_t at = (size_t)k * (size_t)m->dim + (size_t)j;
            look->u[at] = ((double)x[j] - alpha * (double)mean[at]) / look->v[k];
            square += look->u[at] * look->u[at] * look->v[k];
        }
        weight[k] = mixture_owned(m, k, c) ? (double)p[k] : -INFINITY;
        look->gamma[k] = weight[k] - 0.5 * m->dim * e_log(2 * PI * look->v[k]) - 0.5 * square;
    }
    prior = e_logsumexp(weight, (size_t)m->K);
    total = e_logsumexp(look->gamma, (size_t)m->K);
    if (prior == -INFINITY) {
        DIE("mixture: prompt %d owns none of the %d components", c, m->K);
    }
    for (k = 0; k < m->K; k++) {
        look->gamma[k] = e_exp(look->gamma[k] - total);
    }
    look->logp = total - prior;
    free(weight);
}

static inline int mixture_step(const Mixture *m, real t) {
    int k = (int)((double)t + 0.5);
    if (!(t >= 0) || k >= m->steps) {
        DIE("mixture: timestep %g outside 0..%d; pass the index of the schedule the net was made with", (double)t,
            m->steps - 1);
    }
    return k;
}

static inline void mixture_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    const Mixture *m = (const Mixture *)net->self;
    int q;
    OMP(parallel for schedule(static))
    for (q = 0; q < MIXTURE_SHARDS; q++) {
        MixtureLook look = mixture_look_new(m);
        int i, j, k;
        for (i = q; i < n; i += MIXTURE_SHARDS) {
            int step = mixture_step(m, t[i]);
            mixture_look(&look, m, net->p, x + (size_t)i * m->dim, c != NULL ? c[i] : -1, m->alpha[step],
                         m->sigma[step]);
            for (j = 0; j < m->dim; j++) {
                double sum = 0;
                for (k = 0; k < m->K; k++) {
                    sum += look.gamma[k] * look.u[(size_t)k * m->dim + j];
                }
                y[(size_t)i * m->dim + j] = (real)(m->sigma[step] * sum);
            }
        }
        mixture_look_free(&look);
    }
}

// eps = sigma sum_k gamma_k u_k.  With q_k = dy . u_k, q = sum_k gamma_k q_k, h_k = sigma gamma_k (q_k - q), f_k =
// sigma gamma_k:
//   da_k += h_k,   dmu_k += alpha (h_k u_k - f_k dy / v_k),   dv_k = h_k (|u_k|^2 - dim / v_k) / 2 - f_k q_k / v_k,
//   dlog s_k += 2 alpha^2 s_k^2 dv_k,   dx += sum_k ( -h_k u_k + f_k dy / v_k )
static inline void mixture_backward_row(double *g, real *dx, const Mixture *m, const MixtureLook *look, const real *p,
                                        const real *dy, double alpha, double sigma) {
    int K = m->K, dim = m->dim, k, j;
    double mean_q = 0, *q = NEW(double, (size_t)K);
    for (k = 0; k < K; k++) {
        for (j = 0; j < dim; j++) {
            q[k] += (double)dy[j] * look->u[(size_t)k * dim + j];
        }
        mean_q += look->gamma[k] * q[k];
    }
    for (k = 0; k < K; k++) {
        double f = sigma * look->gamma[k], h = f * (q[k] - mean_q), square = 0;
        double s = e_exp((double)p[K + (size_t)K * dim + k]);
        for (j = 0; j < dim; j++) {
            double u = look->u[(size_t)k * dim + j];
            square += u * u;
            if (g != NULL) {
                g[K + (size_t)k * dim + j] += alpha * (h * u - f * (double)dy[j] / look->v[k]);
            }
            if (dx != NULL) {
                dx[j] += (real)(-h * u + f * (double)dy[j] / look->v[k]);
            }
        }
        if (g != NULL) {
            g[k] += h;
            g[K + (size_t)K * dim + k] +=
                2 * alpha * alpha * s * s * (0.5 * h * (square - dim / look->v[k]) - f * q[k] / look->v[k]);
        }
    }
    free(q);
}

static inline void mixture_backward(Net *net, real *dx, const real *dy, const real *x, const real *t, const int *c,
                                    int n) {
    const Mixture *m = (const Mixture *)net->self;
    double *shard = NEW(double, MIXTURE_SHARDS * net->np);
    size_t i;
    int q;
    OMP(parallel for schedule(static))
    for (q = 0; q < MIXTURE_SHARDS; q++) {
        MixtureLook look = mixture_look_new(m);
        int row;
        for (row = q; row < n; row += MIXTURE_SHARDS) {
            size_t at = (size_t)row * m->dim;
            int step = mixture_step(m, t[row]);
            mixture_look(&look, m, net->p, x + at, c != NULL ? c[row] : -1, m->alpha[step], m->sigma[step]);
            mixture_backward_row(net->g != NULL ? shard + (size_t)q * net->np : NULL, dx != NULL ? dx + at : NULL, m,
                                 &look, net->p, dy + at, m->alpha[step], m->sigma[step]);
        }
        mixture_look_free(&look);
    }
    for (i = 0; i < net->np && net->g != NULL; i++) {
        double sum = 0;
        for (q = 0; q < MIXTURE_SHARDS; q++) {
            sum += shard[(size_t)q * net->np + i];
        }
        net->g[i] += (real)sum;
    }
    free(shard);
}

// log p(x | c) of clean data, nats; adds scale * d log p / d parameters to net->g unless scale is 0.
//   d/da_k = gamma_k - w_k,   d/dmu_k = gamma_k u_k,   d/dlog s_k = gamma_k (s_k^2 |u_k|^2 - dim)
static inline double mixture_logp(Net *net, const real *x, int c, double scale) {
    const Mixture *m = (const Mixture *)net->self;
    MixtureLook look = mixture_look_new(m);
    double logp, prior = 0;
    int k, j;
    mixture_look(&look, m, net->p, x, c, 1, 0);
    logp = look.logp;
    for (k = 0; k < m->K && scale != 0; k++) {
        prior += mixture_owned(m, k, c) ? e_exp((double)net->p[k]) : 0;
    }
    for (k = 0; k < m->K && scale != 0; k++) {
        double w = mixture_owned(m, k, c) ? e_exp((double)net->p[k]) / prior : 0, square = 0;
        for (j = 0; j < m->dim; j++) {
            double u = look.u[(size_t)k * m->dim + j];
            square += u * u;
            net->g[m->K + (size_t)k * m->dim + j] += (real)(scale * look.gamma[k] * u);
        }
        net->g[k] += (real)(scale * (look.gamma[k] - w));
        net->g[m->K + (size_t)m->K * m->dim + k] += (real)(scale * look.gamma[k] * (look.v[k] * square - m->dim));
    }
    mixture_look_free(&look);
    return logp;
}

static inline void mixture_release(Net *net) {
    Mixture *m = (Mixture *)net->self;
    free(m->owner);
    free(m->alpha);
    free(m->sigma);
    free(m);
}

// K components in `dim` dimensions.  w (K): weights > 0; mu (K x dim); s (K): widths > 0; owner (K): prompts, or NULL
// when every prompt owns all.
static inline Net mixture_new(int K, int dim, const double *w, const double *mu, const double *s, const int *owner,
                              const Schedule *schedule) {
    Mixture *m = NEW(Mixture, 1);
    Net net = net_new(dim, dim, (size_t)K * (size_t)(dim + 2));
    int k;
    m->K = K;
    m->dim = dim;
    m->steps = schedule->T;
    m->owner = NEW(int, (size_t)K);
    m->alpha = NEW(double, (size_t)m->steps);
    m->sigma = NEW(double, (size_t)m->steps);
    for (k = 0; k < m->steps; k++) {
        m->alpha[k] = alpha_of(schedule_abar(schedule, k));
        m->sigma[k] = sigma_of(schedule_abar(schedule, k));
    }
    for (k = 0; k < K; k++) {
        if (!(w[k] > 0) || !(s[k] > 0)) {
            DIE("mixture_new: component %d has weight %g and width %g; both must be positive", k, w[k], s[k]);
        }
        m->owner[k] = owner != NULL ? owner[k] : -1;
        net.p[k] = (real)e_log(w[k]);
        net.p[K + (size_t)K * (size_t)dim + (size_t)k] = (real)e_log(s[k]);
    }
    for (k = 0; k < K * dim; k++) {
        net.p[K + k] = (real)mu[k];
    }
    net.forward = mixture_forward;
    net.backward = mixture_backward;
    net.release = mixture_release;
    net.self = m;
    return net;
}

#endif
