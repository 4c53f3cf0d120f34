// mlp.h: a small multilayer perceptron that implements Net: a denoiser for any world, or a reward model.
//
//   h_1 = SiLU([x, e(t)] W_1 + b_1 + P[c]),   h_l = SiLU(h_{l-1} W_l + b_l),   F = h_L W_out + b_out
//   denoiser:      eps = sigma_t x + alpha_t F   (F plays the part of the v-prediction, so eps is right at both ends:
//                                                 at high noise eps -> x, and the error of F fades at low noise)
//   reward model:  r = F(x, c), no time
// P has one row per prompt and a last row for the null prompt, which training with prompt dropout also visits; that is
// what classifier-free guidance needs.  Rows are independent; gradients are summed in SHARDS fixed shards, combined
// in order, so the result does not depend on the number of threads.
//
// Memory.  A backward needs the activations of all rows; a forward alone reuses the same few blocks, which stay in the
// cache (a third faster).  As in unet.h the first backward switches keeping on, and forwards that no backward follows
// switch it off; the results are the same either way.
#ifndef TILT_MLP_H
#define TILT_MLP_H

#include "../../ref/core/layers.h"
#include "../../ref/core/net.h"
#include "../../ref/formula/schedule.h"

#define MLP_SHARDS 4     // parts of a gradient sum; fixed, so that sums have one order
#define MLP_LANES 16     // blocks in work at the same time when nothing is kept
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
    int rows, room, act_room; // rows kept, rows that fit, rows of activations that fit
    int keep, unused, kept;   // keep for a backward?  forwards since the last backward; is there something kept?
    unsigned stamp;
    real *x, *t;
    int *c;
    real *in, *h[MLP_MAX_HIDDEN], *slope[MLP_MAX_HIDDEN]; // slope: dh/dz, all that backward needs of z; then dL/dz
    real *F, *dF;
    real *packed[MLP_MAX_HIDDEN + 1], *turned[MLP_MAX_HIDDEN + 1]; // the weights as panels of gemm.h: W, and W'
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

// Room for n rows and what is kept of them.
static inline void mlp_reserve(Mlp *m, int n) {
    size_t rows = (size_t)n, act = m->keep || n < MLP_LANES * MLP_BLOCK ? rows : MLP_LANES * MLP_BLOCK;
    int l;
    if (n > m->room) {
        m->room = n;
        m->x = (real *)xrealloc(m->x, rows * (size_t)m->dim, sizeof(real));
        m->t = (real *)xrealloc(m->t, rows, sizeof(real));
        m->c = (int *)xrealloc(m->c, rows, sizeof(int));
        m->F = (real *)xrealloc(m->F, rows * (size_t)m->out, sizeof(real));
        m->dF = (real *)xrealloc(m->dF, rows * (size_t)m->out, sizeof(real));
    }
    if (act > (size_t)m->act_room) {
        m->act_room = (int)act;
        m->in = (real *)xrealloc(m->in, act * (size_t)(m->dim + m->embed), sizeof(real));
        for (l = 0; l < m->layers; l++) {
            m->slope[l] = (real *)xrealloc(m->slope[l], act * (size_t)m->hidden, sizeof(real));
            m->h[l] = (real *)xrealloc(m->h[l], act * (size_t)m->hidden, sizeof(real));
        }
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

// Rows from..to-1 through all layers; inputs are already in m->x, m->t, m->c.  The activations begin at row `at`; if
// they are not kept, two layers take turns.
static inline void mlp_forward_rows(Mlp *m, const real *p, int from, int to, int at) {
    int in = m->dim + m->embed, n = to - from, l, i;
    const real *x = m->in + (size_t)at * in;
    for (i = 0; i < n; i++) {
        real *row = m->in + (size_t)(at + i) * in;
        memcpy(row, m->x + (size_t)(from + i) * m->dim, (size_t)m->dim * sizeof(real));
        if (m->embed > 0) {
            memcpy(row + m->dim, m->times + (size_t)mlp_step(m, m->t[from + i]) * m->embed,
                   (size_t)m->embed * sizeof(real));
        }
    }
    for (l = 0; l <= m->layers; l++) {
        int slot = m->keep ? l : l % 2;
        real *z = l == m->layers ? m->F + (size_t)from * m->out : m->slope[slot] + (size_t)at * m->hidden;
        gemm_packed(z, x, m->packed[l], p + m->b[l], n, mlp_fan_out(m, l), mlp_fan_in(m, l));
        if (l == 0) {
            prompt_forward(z, p + m->table, m->c + from, n, m->prompts, m->hidden);
        }
        if (l < m->layers) {
            real *h = m->h[slot] + (size_t)at * m->hidden;
            if (m->keep) {
                silu_forward_slope(h, z, z, (size_t)n * (size_t)m->hidden);
            } else {
                silu_forward(h, z, (size_t)n * (size_t)m->hidden);
            }
            x = h;
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
    m->kept = m->keep;
}

static inline int mlp_kept(const Mlp *m, const real *x, const real *t, const int *c, int n, unsigned stamp) {
    int i;
    if (!m->kept || m->rows != n || m->stamp != stamp ||
        memcmp(m->x, x, (size_t)n * (size_t)m->dim * sizeof(real)) != 0) {
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
    int blocks = (n + MLP_BLOCK - 1) / MLP_BLOCK, lanes = m->keep || blocks < MLP_LANES ? blocks : MLP_LANES, lane, l;
    mlp_keep_inputs(m, x, t, c, n, net->stamp);
    for (l = 0; l <= m->layers; l++) {
        gemm_pack_all(m->packed[l], net->p + m->W[l], 0, mlp_fan_out(m, l), mlp_fan_in(m, l));
    }
    OMP(parallel for schedule(static) if (blocks > 1))
    for (lane = 0; lane < lanes; lane++) { // a lane has one block of activations and takes every lanes-th block of rows
        int q;
        for (q = lane; q < blocks; q += lanes) {
            int to = (q + 1) * MLP_BLOCK < n ? (q + 1) * MLP_BLOCK : n;
            mlp_forward_rows(m, net->p, q * MLP_BLOCK, to, lane * MLP_BLOCK);
        }
    }
}

// dL/dz of a layer, rows x fan_out; of the last it is dL/dF.
static inline real *mlp_dz(const Mlp *m, int l) {
    return l == m->layers ? m->dF : m->slope[l];
}

static inline void mlp_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    Mlp *m = (Mlp *)net->self;
    int i, j;
    if (m->keep && ++m->unused > 2) { // nobody asks for gradients
        m->keep = 0;
    }
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

// dL/dz of every layer for rows from..to-1, from the last to the first: it takes the place of the slopes.
// dx as in Net.
static inline void mlp_backward_rows(Mlp *m, real *dx, const real *dy, int from, int to) {
    int in = m->dim + m->embed, n = to - from, l, i, j;
    for (i = from; i < to; i++) { // forward: eps = sigma x + alpha F
        int k = m->embed > 0 ? mlp_step(m, m->t[i]) : 0;
        for (j = 0; j < m->out; j++) {
            real up = dy[(size_t)i * m->out + j];
            m->dF[(size_t)i * m->out + j] = m->embed > 0 ? m->alpha[k] * up : up;
            if (dx != NULL && m->embed > 0) {
                dx[(size_t)i * m->dim + j] += m->sigma[k] * up;
            }
        }
    }
    for (l = m->layers; l > 0; l--) {
        const real *d = mlp_dz(m, l) + (size_t)from * mlp_fan_out(m, l);
        real *slope = m->slope[l - 1] + (size_t)from * m->hidden, dh[MLP_BLOCK * TILE_COLS];
        int j0;
        for (j0 = 0; j0 < m->hidden; j0 += TILE_COLS) { // 16 columns at a time stay in the L1 cache
            int cols = m->hidden - j0 < TILE_COLS ? m->hidden - j0 : TILE_COLS;
            gemm_packed(dh, d, m->turned[l] + (size_t)j0 * mlp_fan_out(m, l), NULL, n, TILE_COLS, mlp_fan_out(m, l));
            for (i = 0; i < n; i++) {
                for (j = 0; j < cols; j++) {
                    slope[(size_t)i * m->hidden + j0 + j] *= dh[i * TILE_COLS + j];
                }
            }
        }
    }
    if (dx != NULL) {
        real *below = NEW(real, (size_t)n * (size_t)in);
        gemm_packed(below, mlp_dz(m, 0) + (size_t)from * mlp_fan_out(m, 0), m->turned[0], NULL, n, in,
                    mlp_fan_out(m, 0));
        for (i = 0; i < n; i++) {
            for (j = 0; j < m->dim; j++) {
                dx[(size_t)(from + i) * m->dim + j] += below[(size_t)i * in + j];
            }
        }
        free(below);
    }
}

// b[j] += sum over the n rows of a panel, in a local array: sums in memory wait for their own stores.
static inline void sum_panel(real *b, const real *panel, int n) {
    real sum[TILE_COLS];
    int i, j;
    memcpy(sum, b, sizeof sum);
    for (i = 0; i < n; i++) {
        SIMD
        for (j = 0; j < TILE_COLS; j++) {
            sum[j] += panel[i * TILE_COLS + j];
        }
    }
    memcpy(b, sum, sizeof sum);
}

// The gradient of TILE_COLS columns of layer l: of W, of b, which is its last row, and of the prompt table below it.
// A shard is the sum over its blocks of rows (shard q owns the blocks q, q + MLP_SHARDS, ...); the shards are added in
// their order, and the total to g.
static inline void mlp_weight_gradient(const Mlp *m, real *g, int l, int j0) {
    int fan_in = mlp_fan_in(m, l), fan_out = mlp_fan_out(m, l), lines = fan_in + 1 + (l == 0 ? m->prompts + 1 : 0);
    int cols = fan_out - j0 < TILE_COLS ? fan_out - j0 : TILE_COLS, q, from, i, j;
    const real *x = l == 0 ? m->in : m->h[l - 1], *dz = mlp_dz(m, l);
    size_t size = (size_t)lines * TILE_COLS, e;
    real *sum = NEW(real, 2 * size), panel[MLP_BLOCK * TILE_COLS];
    for (q = 0; q < MLP_SHARDS && q * MLP_BLOCK < m->rows; q++) {
        real *shard = q == 0 ? sum : sum + size, *b = shard + (size_t)fan_in * TILE_COLS;
        memset(b, 0, (size_t)(lines - fan_in) * TILE_COLS * sizeof(real));
        for (from = q * MLP_BLOCK; from < m->rows; from += MLP_SHARDS * MLP_BLOCK) {
            int n = m->rows - from < MLP_BLOCK ? m->rows - from : MLP_BLOCK, add = from > q * MLP_BLOCK;
            gemm_pack(panel, dz + (size_t)from * fan_out, 0, fan_out, n, j0, cols, 0, n);
            gemm_panel(shard, x + (size_t)from * fan_in, 1, panel, NULL, add, fan_in, TILE_COLS, n, 0, 0, n);
            sum_panel(b, panel, n);
            if (l == 0) {
                prompt_backward(b + TILE_COLS, panel, m->c + from, n, m->prompts, TILE_COLS);
            }
        }
        for (e = 0; e < size && q > 0; e++) {
            sum[e] += shard[e];
        }
    }
    for (i = 0; i < lines; i++) {
        real *to = i <= fan_in ? g + m->W[l] + (size_t)i * fan_out : g + m->table + (size_t)(i - fan_in - 1) * fan_out;
        for (j = 0; j < cols; j++) {
            to[j0 + j] += sum[i * TILE_COLS + j];
        }
    }
    free(sum);
}

static inline void mlp_backward(Net *net, real *dx, const real *dy, const real *x, const real *t, const int *c, int n) {
    Mlp *m = (Mlp *)net->self;
    int blocks = (n + MLP_BLOCK - 1) / MLP_BLOCK, panels = (m->hidden + TILE_COLS - 1) / TILE_COLS;
    int last = (m->out + TILE_COLS - 1) / TILE_COLS, q, l;
    m->unused = 0;
    m->keep = 1;
    if (!mlp_kept(m, x, t, c, n, net->stamp)) {
        mlp_fill(net, x, t, c, n);
    }
    m->kept = 0; // the slopes will be gone
    for (l = dx != NULL ? 0 : 1; l <= m->layers; l++) {
        gemm_pack_all(m->turned[l], net->p + m->W[l], 1, mlp_fan_in(m, l), mlp_fan_out(m, l));
    }
    OMP(parallel for schedule(static) if (blocks > 1))
    for (q = 0; q < blocks; q++) {
        int to = (q + 1) * MLP_BLOCK < n ? (q + 1) * MLP_BLOCK : n;
        mlp_backward_rows(m, dx, dy, q * MLP_BLOCK, to);
    }
    if (net->g != NULL) {
        OMP(parallel for schedule(dynamic) if (blocks > 1)) // the first and the last layer have less to do
        for (q = 0; q < m->layers * panels + last; q++) {
            int layer = q / panels < m->layers ? q / panels : m->layers;
            mlp_weight_gradient(m, net->g, layer, (q - layer * panels) * TILE_COLS);
        }
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
    free(m->dF);
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
