// mlp.h: a small multilayer perceptron that implements Net: a denoiser for any world, or a reward model.
//
//   h_1 = SiLU([x, e(t)] W_1 + b_1 + P[c]),   h_l = SiLU(h_{l-1} W_l + b_l),   F = h_L W_out + b_out
//   denoiser:      eps = sigma_t x + alpha_t F   (F plays the part of the v-prediction, so eps is right at both ends:
//                                                 at high noise eps -> x, and the error of F fades at low noise)
//   reward model:  r = F(x, c), no time
// P has one row per prompt and a last row for the null prompt, which training with prompt dropout also visits; that is
// what classifier-free guidance needs.  Rows are independent; gradients are summed in SHARDS fixed shards, combined
// in order, so the result does not depend on the number of threads.
#ifndef TILT_MLP_H
#define TILT_MLP_H

#include "../../ref/core/layers.h"
#include "../../ref/core/net.h"
#include "../../ref/formula/schedule.h"

#define MLP_SHARDS 4     // gradient buffers; fixed, so that sums have one order
#define MLP_BLOCK 64     // rows that go through all layers together: their activations stay in the cache
#define MLP_MAX_HIDDEN 8 // hidden layers at most
#define MLP_TIME_WIDTH 32

typedef struct {
    int dim, out, hidden, layers, prompts; // numbers per sample, outputs, width, hidden layers, prompts
    int embed;                             // MLP_TIME_WIDTH, or 0 without time
    int steps;                             // T of the schedule, 0 without time
    real *alpha, *sigma, *times;           // T, T, T x embed: tables over the timestep
    size_t W[MLP_MAX_HIDDEN + 1], b[MLP_MAX_HIDDEN + 1], table; // offsets into the flat parameter vector
    // Activations of the last forward, reused by backward when inputs and parameters are the same.
    int rows, room; // rows kept, rows that fit
    unsigned stamp;
    real *x, *t;
    int *c;
    real *in, *h[MLP_MAX_HIDDEN], *slope[MLP_MAX_HIDDEN], *F;      // slope: dh/dz, all that backward needs of z
    real *packed[MLP_MAX_HIDDEN + 1], *turned[MLP_MAX_HIDDEN + 1]; // the weights as panels of gemm.h: W, and W'
    real *shard;                                                   // MLP_SHARDS x np gradient buffers
} Mlp;

static inline int mlp_fan_in(const Mlp *m, int l) {
    return l == 0 ? m->dim + m->embed : m->hidden;
}

static inline int mlp_fan_out(const Mlp *m, int l) {
    return l == m->layers ? m->out : m->hidden;
}

// Offsets of all parameters; returns their number.
static inline size_t mlp_place(Mlp *m) {
    size_t at = 0;
    int l;
    for (l = 0; l <= m->layers; l++) {
        m->W[l] = at;
        at += (size_t)mlp_fan_in(m, l) * (size_t)mlp_fan_out(m, l);
        m->b[l] = at;
        at += (size_t)mlp_fan_out(m, l);
    }
    m->table = at;
    return at + (size_t)(m->prompts + 1) * (size_t)m->hidden;
}

// Room for the activations of n rows.
static inline void mlp_reserve(Mlp *m, int n) {
    size_t rows = (size_t)n;
    int l;
    if (n <= m->room) {
        return;
    }
    m->room = n;
    m->x = (real *)xrealloc(m->x, rows * (size_t)m->dim, sizeof(real));
    m->t = (real *)xrealloc(m->t, rows, sizeof(real));
    m->c = (int *)xrealloc(m->c, rows, sizeof(int));
    m->in = (real *)xrealloc(m->in, rows * (size_t)(m->dim + m->embed), sizeof(real));
    m->F = (real *)xrealloc(m->F, rows * (size_t)m->out, sizeof(real));
    for (l = 0; l < m->layers; l++) {
        m->slope[l] = (real *)xrealloc(m->slope[l], rows * (size_t)m->hidden, sizeof(real));
        m->h[l] = (real *)xrealloc(m->h[l], rows * (size_t)m->hidden, sizeof(real));
    }
}

static inline int mlp_step(const Mlp *m, real t) {
    int k = (int)((double)t + 0.5);
    if (!(t >= 0) || k >= m->steps) {
        DIE("mlp: timestep %g outside 0..%d; pass the index of the schedule the net was made with", (double)t,
            m->steps - 1);
    }
    return k;
}

// Rows from..to-1 through all layers; inputs are already in m->x, m->t, m->c.
static inline void mlp_forward_rows(Mlp *m, const real *p, int from, int to) {
    int in = m->dim + m->embed, n = to - from, l, i;
    for (i = from; i < to; i++) {
        real *row = m->in + (size_t)i * in;
        memcpy(row, m->x + (size_t)i * m->dim, (size_t)m->dim * sizeof(real));
        if (m->embed > 0) {
            memcpy(row + m->dim, m->times + (size_t)mlp_step(m, m->t[i]) * m->embed, (size_t)m->embed * sizeof(real));
        }
    }
    for (l = 0; l <= m->layers; l++) {
        const real *x = l == 0 ? m->in + (size_t)from * in : m->h[l - 1] + (size_t)from * m->hidden;
        real *y = l == m->layers ? m->F + (size_t)from * m->out : m->slope[l] + (size_t)from * m->hidden;
        gemm_packed(y, x, m->packed[l], p + m->b[l], n, mlp_fan_out(m, l), mlp_fan_in(m, l));
        if (l == 0) {
            prompt_forward(y, p + m->table, m->c + from, n, m->prompts, m->hidden);
        }
        if (l < m->layers) {
            silu_forward_slope(m->h[l] + (size_t)from * m->hidden, y, y, (size_t)n * (size_t)m->hidden);
        }
    }
}

static inline void mlp_keep_inputs(Mlp *m, const real *x, const real *t, const int *c, int n, unsigned stamp) {
    int i;
    if (m->embed > 0 && t == NULL) {
        DIE("mlp: a denoiser was called without timesteps");
    }
    mlp_reserve(m, n);
    memcpy(m->x, x, (size_t)n * (size_t)m->dim * sizeof(real));
    for (i = 0; i < n; i++) {
        m->t[i] = t != NULL ? t[i] : 0;
        m->c[i] = c != NULL ? c[i] : -1;
        if (m->c[i] >= m->prompts) {
            DIE("mlp: prompt %d of %d; prompts are 0..%d, -1 is the null prompt", m->c[i], m->prompts, m->prompts - 1);
        }
    }
    m->rows = n;
    m->stamp = stamp;
}

static inline int mlp_kept(const Mlp *m, const real *x, const real *t, const int *c, int n, unsigned stamp) {
    int i;
    if (m->rows != n || m->stamp != stamp || memcmp(m->x, x, (size_t)n * (size_t)m->dim * sizeof(real)) != 0) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (m->t[i] != (t != NULL ? t[i] : 0) || m->c[i] != (c != NULL ? c[i] : -1)) {
            return 0;
        }
    }
    return 1;
}

static inline void mlp_fill(Net *net, const real *x, const real *t, const int *c, int n) {
    Mlp *m = (Mlp *)net->self;
    int blocks = (n + MLP_BLOCK - 1) / MLP_BLOCK, q, l;
    mlp_keep_inputs(m, x, t, c, n, net->stamp);
    for (l = 0; l <= m->layers; l++) {
        gemm_pack_all(m->packed[l], net->p + m->W[l], 0, mlp_fan_out(m, l), mlp_fan_in(m, l));
    }
    OMP(parallel for schedule(static) if (blocks > 1))
    for (q = 0; q < blocks; q++) {
        int to = (q + 1) * MLP_BLOCK < n ? (q + 1) * MLP_BLOCK : n;
        mlp_forward_rows(m, net->p, q * MLP_BLOCK, to);
    }
}

static inline void mlp_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    Mlp *m = (Mlp *)net->self;
    int i, j;
    mlp_fill(net, x, t, c, n);
    for (i = 0; i < n; i++) {
        const real *F = m->F + (size_t)i * m->out;
        if (m->embed > 0) {
            int k = mlp_step(m, m->t[i]);
            for (j = 0; j < m->out; j++) {
                y[(size_t)i * m->out + j] = m->sigma[k] * x[(size_t)i * m->dim + j] + m->alpha[k] * F[j];
            }
        } else {
            memcpy(y + (size_t)i * m->out, F, (size_t)m->out * sizeof(real));
        }
    }
}

// Rows from..to-1 backward through all layers.  g: np gradients, or NULL; the first block of a shard writes the
// gradients of the weights, the others add.  dx as in Net.
static inline void mlp_backward_rows(Mlp *m, real *g, int add, real *dx, const real *dy, int from, int to,
                                     real *scratch) {
    int in = m->dim + m->embed, n = to - from, wide = in > m->hidden ? in : m->hidden, l, i, j;
    real *d = scratch, *below = scratch + (size_t)MLP_BLOCK * (wide > m->out ? wide : m->out);
    for (i = 0; i < n; i++) { // forward: eps = sigma x + alpha F
        int k = m->embed > 0 ? mlp_step(m, m->t[from + i]) : 0;
        for (j = 0; j < m->out; j++) {
            real up = dy[(size_t)(from + i) * m->out + j];
            d[(size_t)i * m->out + j] = m->embed > 0 ? m->alpha[k] * up : up;
            if (dx != NULL && m->embed > 0) {
                dx[(size_t)(from + i) * m->dim + j] += m->sigma[k] * up;
            }
        }
    }
    for (l = m->layers; l >= 0; l--) {
        const real *x = l == 0 ? m->in + (size_t)from * in : m->h[l - 1] + (size_t)from * m->hidden;
        int fan_in = mlp_fan_in(m, l), fan_out = mlp_fan_out(m, l);
        real *swap = d;
        if (g != NULL) {
            gemm(g + m->W[l], x, 1, d, 0, NULL, add, fan_in, fan_out, n);
            sum_rows(g + m->b[l], d, n, fan_out);
        }
        if (l == 0 && g != NULL) {
            prompt_backward(g + m->table, d, m->c + from, n, m->prompts, m->hidden);
        }
        if (l > 0 || dx != NULL) {
            gemm_packed(below, d, m->turned[l], NULL, n, fan_in, fan_out);
        }
        if (l > 0) {
            const real *slope = m->slope[l - 1] + (size_t)from * m->hidden;
            for (i = 0; i < n * m->hidden; i++) {
                below[i] *= slope[i];
            }
        }
        d = below;
        below = swap;
    }
    for (i = 0; i < n && dx != NULL; i++) {
        for (j = 0; j < m->dim; j++) {
            dx[(size_t)(from + i) * m->dim + j] += d[(size_t)i * in + j];
        }
    }
}

// Gradients that are only ever added to start from zero.
static inline void mlp_clear(const Mlp *m, real *g) {
    int l;
    for (l = 0; l <= m->layers; l++) {
        memset(g + m->b[l], 0, (size_t)mlp_fan_out(m, l) * sizeof(real));
    }
    memset(g + m->table, 0, (size_t)(m->prompts + 1) * (size_t)m->hidden * sizeof(real));
}

// g += shard 0 + shard 1 + ..., in this order; the sum is made in shard 0.
static inline void mlp_sum_shards(real *g, real *shard, int shards, size_t np) {
    int pieces = 16, piece;
    OMP(parallel for schedule(static))
    for (piece = 0; piece < pieces; piece++) {
        size_t from = np * (size_t)piece / (size_t)pieces, to = np * (size_t)(piece + 1) / (size_t)pieces, i;
        int q;
        for (q = 1; q < shards; q++) {
            const real *more = shard + (size_t)q * np;
            SIMD
            for (i = from; i < to; i++) {
                shard[i] += more[i];
            }
        }
        SIMD
        for (i = from; i < to; i++) {
            g[i] += shard[i];
        }
    }
}

static inline void mlp_backward(Net *net, real *dx, const real *dy, const real *x, const real *t, const int *c, int n) {
    Mlp *m = (Mlp *)net->self;
    size_t np = net->np;
    int in = m->dim + m->embed, wide = in > m->hidden ? in : m->hidden, blocks = (n + MLP_BLOCK - 1) / MLP_BLOCK;
    int shards = blocks < MLP_SHARDS ? blocks : MLP_SHARDS, q, l;
    wide = wide > m->out ? wide : m->out;
    if (!mlp_kept(m, x, t, c, n, net->stamp)) {
        mlp_fill(net, x, t, c, n);
    }
    for (l = dx != NULL ? 0 : 1; l <= m->layers; l++) {
        gemm_pack_all(m->turned[l], net->p + m->W[l], 1, mlp_fan_in(m, l), mlp_fan_out(m, l));
    }
    OMP(parallel for schedule(static))
    for (q = 0; q < shards; q++) { // shard q owns the blocks q, q + MLP_SHARDS, ...
        real *g = net->g != NULL ? m->shard + (size_t)q * np : NULL;
        real *scratch = NEW(real, (size_t)2 * MLP_BLOCK * (size_t)wide);
        int k;
        if (g != NULL) {
            mlp_clear(m, g);
        }
        for (k = q; k < blocks; k += MLP_SHARDS) {
            int to = (k + 1) * MLP_BLOCK < n ? (k + 1) * MLP_BLOCK : n;
            mlp_backward_rows(m, g, k > q, dx, dy, k * MLP_BLOCK, to, scratch);
        }
        free(scratch);
    }
    if (net->g != NULL && n > 0) {
        mlp_sum_shards(net->g, m->shard, shards, np);
    }
}

static inline void mlp_release(Net *net) {
    Mlp *m = (Mlp *)net->self;
    int l;
    for (l = 0; l < m->layers; l++) {
        free(m->slope[l]);
        free(m->h[l]);
    }
    for (l = 0; l <= m->layers; l++) {
        free(m->packed[l]);
        free(m->turned[l]);
    }
    free(m->alpha);
    free(m->sigma);
    free(m->times);
    free(m->x);
    free(m->t);
    free(m->c);
    free(m->in);
    free(m->F);
    free(m->shard);
    free(m);
}

// An MLP with `layers` hidden layers of `hidden` units for `prompts` prompts (plus the null prompt).
// schedule != NULL: a denoiser, out == dim.  schedule == NULL: a model without time (reward, critic).
// The last layer starts at zero: the denoiser begins as the exact answer for N(0, I) data, the reward as r = 0.
static inline Net mlp_new(int dim, int out, int hidden, int layers, int prompts, const Schedule *schedule,
                          uint64_t seed) {
    Mlp *m = NEW(Mlp, 1);
    Net net;
    int l, k;
    if (layers < 1 || layers > MLP_MAX_HIDDEN || hidden < 1 || dim < 1 || out < 1 || prompts < 0) {
        DIE("mlp_new: %d hidden layers of %d for %d -> %d, %d prompts; layers are 1..%d, sizes positive", layers,
            hidden, dim, out, prompts, MLP_MAX_HIDDEN);
    }
    if (schedule != NULL && dim != out) {
        DIE("mlp_new: a denoiser maps %d numbers to %d; they must be as many", dim, out);
    }
    m->dim = dim;
    m->out = out;
    m->hidden = hidden;
    m->layers = layers;
    m->prompts = prompts;
    if (schedule != NULL) {
        m->embed = MLP_TIME_WIDTH;
        m->steps = schedule->T;
        m->alpha = NEW(real, (size_t)m->steps);
        m->sigma = NEW(real, (size_t)m->steps);
        m->times = NEW(real, (size_t)m->steps * (size_t)m->embed);
        for (k = 0; k < m->steps; k++) {
            double abar = schedule_abar(schedule, k);
            m->alpha[k] = (real)sqrt(abar);
            m->sigma[k] = (real)sqrt(1.0 - abar);
            time_embedding(m->times + (size_t)k * m->embed, 1000.0 * k / m->steps, m->embed);
        }
    }
    net = net_new(dim, out, mlp_place(m));
    m->shard = NEW(real, (size_t)MLP_SHARDS * net.np);
    for (l = 0; l <= layers; l++) {
        m->packed[l] = NEW(real, gemm_packed_size(mlp_fan_out(m, l), mlp_fan_in(m, l)));
        m->turned[l] = NEW(real, gemm_packed_size(mlp_fan_in(m, l), mlp_fan_out(m, l)));
    }
    for (l = 0; l < layers; l++) {
        linear_init(net.p + m->W[l], mlp_fan_in(m, l), mlp_fan_out(m, l), seed, 900 + (uint64_t)l);
    }
    net.forward = mlp_forward;
    net.backward = mlp_backward;
    net.release = mlp_release;
    net.self = m;
    return net;
}

#endif
