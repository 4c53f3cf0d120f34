// unet.h: the UNet as a Net: the list of unet_plan.h executed on the CPU, forward and backward.
//
//   eps = sigma_t x + alpha_t F(x, t, prompt)        (F plays the part of the v-prediction, as in mlp.h)
// A batch is cut into pieces of a few images, the same way for every number of threads.  A piece goes through ALL layers
// before the next begins, so its images stay in the cache, and pieces run in parallel.  Gradients are summed in
// UNET_LANES lanes, each in the order of its pieces, and the lanes in their order: the bits do not depend on threads.
//
// Memory.  With gradients, every number that the backward pass needs is kept, in the places that the plan gave it.  A
// forward pass alone needs far less, and less memory is faster.  Which of the two a program wants shows in what it
// does: the first backward switches keeping on (it then runs the forward again), forwards that nobody follows by a
// backward switch it off.  The results are the same either way.
#ifndef TILT_UNET_H
#define TILT_UNET_H

#include "../../ref/core/groupnorm.h"
#include "../../ref/core/layers.h"
#include "../../ref/core/net.h"
#include "../../ref/core/resample.h"
#include "../../ref/formula/schedule.h"
#include "unet_plan.h"

enum { UNET_LANES = 8, UNET_PIECE = 8 }; // gradient buffers; images of a piece at most

typedef struct {
    UnetPlan *plan;
    int steps;                   // T of the schedule
    real *alpha, *sigma, *times; // T, T, T x UNET_WAVES
    real *store;                 // packed weights, see the plan
    unsigned packed, turned;     // stamps of the parameters that were packed, forward and turned
    // What the last forward kept, for a backward with the same inputs and parameters.
    int rows, piece;  // rows; images of a piece
    int keep, unused; // keep for a backward?  forwards since the last backward
    int kept;         // is there something kept?
    unsigned stamp;
    int room; // rows that fit x, t, c
    real *x, *t;
    int *c;
    real *memory; // the arenas of the pieces (keeping) or of the lanes (forward alone)
    size_t memory_size;
    real *scratch; // UNET_LANES x scratch_size
    size_t scratch_size;
    real *shard; // UNET_LANES x np gradients
} Unet;

// ---- pieces ------------------------------------------------------------------------------------------------------

// Images of a piece: a function of the number of rows alone.  Few rows still give every thread something to do.
static inline int unet_piece(int n) {
    int piece = (n + UNET_LANES - 1) / UNET_LANES;
    return piece < 1 ? 1 : piece > UNET_PIECE ? UNET_PIECE : piece;
}

// A piece at work: where its numbers are, and what belongs to it.
typedef struct {
    const Unet *m;
    const real *p;    // parameters
    real *base;       // its arena
    const size_t *at; // place of every buffer for one image
    real *scratch;
    int n, first;                         // images, and the row of the first
    unsigned char started[UNET_MAX_BUFS]; // does the gradient of this buffer hold something yet?
} Piece;

static inline real *piece_act(const Piece *q, int buf) {
    return q->base + (size_t)q->n * (q->at != NULL ? q->at[buf] : q->m->plan->buf[buf].at);
}

// The gradient of a buffer, zero if nobody has added to it yet.
static inline real *piece_grad(Piece *q, int buf) {
    const UnetBuf *b = &q->m->plan->buf[buf];
    real *d = q->base + (size_t)q->n * b->grad_at;
    if (!q->started[buf]) {
        memset(d, 0, (size_t)q->n * (size_t)b->H * (size_t)b->W * (size_t)b->C * sizeof(real));
        q->started[buf] = 1;
    }
    return d;
}

static inline ConvShape piece_conv(const Piece *q, const UnetOp *op) {
    const UnetBuf *x = &q->m->plan->buf[op->in], *y = &q->m->plan->buf[op->out];
    ConvShape s = {0, 0, 0, 0, 0, 0, 0};
    s.n = q->n;
    s.H = y->H;
    s.W = y->W;
    s.in = x->C;
    s.out = y->C;
    s.k = op->k;
    s.stride = op->stride;
    return s;
}

static inline int unet_step(const Unet *m, real t) {
    int k = (int)((double)t + 0.5);
    if (!(t >= 0) || k >= m->steps) {
        DIE("unet: timestep %g outside 0..%d; pass the index of the schedule the net was made with", (double)t,
            m->steps - 1);
    }
    return k;
}

// ---- forward -----------------------------------------------------------------------------------------------------

static inline void piece_time(const Piece *q, real *waves) {
    int i;
    for (i = 0; i < q->n; i++) {
        memcpy(waves + (size_t)i * UNET_WAVES,
               q->m->times + (size_t)unet_step(q->m, q->m->t[q->first + i]) * UNET_WAVES, UNET_WAVES * sizeof(real));
    }
}

// z += the vectors of the prompt's words, or of its number; the null prompt has a vector of its own, the last.
// With dtable the other way round: dtable += dz.
static inline void piece_prompt(const Piece *q, const UnetOp *op, real *z, real *dtable) {
    const UnetPlan *u = q->m->plan;
    int width = u->shape.time, length = u->tokens != NULL ? u->tokens->length : 1, i, j, k;
    for (i = 0; i < q->n; i++) {
        int c = q->m->c[q->first + i];
        real *row = z + (size_t)i * (size_t)width;
        for (j = 0; j < (c < 0 ? 1 : length); j++) {
            int w = u->tokens == NULL ? (c < 0 ? u->prompts : c) : c < 0 ? u->tokens->words : token_of(u->tokens, c, j);
            for (k = 0; k < width && w >= 0; k++) {
                if (dtable != NULL) {
                    dtable[(size_t)w * (size_t)width + (size_t)k] += row[k];
                } else {
                    row[k] += q->p[op->w + (size_t)w * (size_t)width + (size_t)k];
                }
            }
        }
    }
}

static inline void piece_conv_forward(const Piece *q, const UnetOp *op) {
    ConvShape s = piece_conv(q, op);
    const real *bias = q->p + op->b, *packed = q->m->store + op->packed;
    ConvStart start = start_bias(bias);
    if (op->other >= 0) {
        start = start_image(piece_act(q, op->other), bias, s.H, s.W, s.out);
    } else if (op->rows >= 0) {
        start = start_rows(piece_act(q, op->rows), s.out);
        start.plus = bias;
    }
    if (op->fast) {
        wino_forward(piece_act(q, op->out), piece_act(q, op->in), packed, &start, &s, q->scratch);
    } else {
        conv_forward(piece_act(q, op->out), piece_act(q, op->in), packed, &start, &s);
    }
}

static inline void piece_forward_op(const Piece *q, const UnetOp *op) {
    const UnetPlan *u = q->m->plan;
    const UnetBuf *y = &u->buf[op->out], *x = op->in >= 0 ? &u->buf[op->in] : y;
    const real *in = op->in >= 0 ? piece_act(q, op->in) : NULL;
    real *out = piece_act(q, op->out), *stats;
    int G = u->shape.groups;
    switch (op->kind) {
    case UNET_TIME:
        piece_time(q, out);
        break;
    case UNET_PROMPT:
        piece_prompt(q, op, out, NULL);
        break;
    case UNET_SILU:
        silu_forward(out, in, (size_t)q->n * (size_t)x->C);
        break;
    case UNET_PAD:
        pad_forward(out, in, q->n, x->H, x->W, x->C);
        break;
    case UNET_UP:
        upsample_pad_forward(out, in, q->n, x->H, x->W, x->C);
        break;
    case UNET_CONV:
        piece_conv_forward(q, op);
        break;
    case UNET_NORM:
        stats = piece_act(q, op->other);
        groupnorm_forward(out, stats, stats + (size_t)q->n * (size_t)G, in, q->p + op->w, q->p + op->b, q->n, x->H,
                          x->W, x->C, G, y->border, op->silu);
        break;
    case UNET_ATTEND:
        attention_forward(out, piece_act(q, op->other), in, q->n, x->H * x->W, y->C, q->scratch);
        break;
    case UNET_CONCAT:
        concat_forward(out, in, piece_act(q, op->other), (size_t)q->n * (size_t)(x->H * x->W), x->C,
                       u->buf[op->other].C);
        break;
    }
}

// Packs the weights of all convolutions, if the parameters changed since: the forward ones, or the turned ones.
static inline void unet_pack(Unet *m, const Net *net, int turned) {
    const UnetPlan *u = m->plan;
    unsigned *done = turned ? &m->turned : &m->packed;
    int i;
    if (*done == net->stamp) {
        return;
    }
    *done = net->stamp;
    OMP(parallel for schedule(dynamic))
    for (i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        if (op->kind == UNET_CONV) {
            int in = u->buf[op->in].C, out = u->buf[op->out].C;
            const real *w = net->p + op->w;
            if (op->fast) {
                wino_pack(m->store + (turned ? op->turned : op->packed), w, in, out, turned);
            } else if (turned) {
                pack_turned(m->store + op->turned, w, op->k, in, out);
            } else {
                pack_panels(m->store + op->packed, w, op->k * op->k * in, out);
            }
        }
    }
}

// Numbers that fit m->memory, aligned to 64 bytes for the vector loads.
static inline real *unet_memory_of(Unet *m, size_t numbers) {
    if (numbers > m->memory_size) {
        free(m->memory);
        m->memory = NEW(real, numbers + 16);
        m->memory_size = numbers;
    }
    return m->memory + (64 - (size_t)((uintptr_t)m->memory & 63)) % 64 / sizeof(real);
}

static inline Piece unet_piece_at(const Unet *m, const Net *net, int number, int lane, real *memory, int keep) {
    size_t arena = (size_t)m->piece * (keep ? m->plan->full : m->plan->lean);
    Piece q;
    q.m = m;
    q.p = net->p;
    q.base = memory + (size_t)(keep ? number : lane) * arena;
    q.at = keep ? NULL : m->plan->lean_at;
    q.scratch = m->scratch + (size_t)lane * m->scratch_size;
    q.first = number * m->piece;
    q.n = m->rows - q.first < m->piece ? m->rows - q.first : m->piece;
    return q;
}

// Runs the list for the rows in m->x, m->t, m->c; eps (rows x in) may be NULL.
static inline void unet_run(Unet *m, Net *net, real *eps) {
    const UnetPlan *u = m->plan;
    int pieces = (m->rows + m->piece - 1) / m->piece, lane, keep = m->keep;
    size_t arenas = (size_t)(keep ? pieces : UNET_LANES), dim = (size_t)net->in;
    real *memory = unet_memory_of(m, arenas * (size_t)m->piece * (keep ? u->full : u->lean));
    unet_pack(m, net, 0);
    OMP(parallel for schedule(dynamic) if (pieces > 1))
    for (lane = 0; lane < UNET_LANES; lane++) {
        int number, i;
        for (number = lane; number < pieces; number += UNET_LANES) {
            Piece q = unet_piece_at(m, net, number, lane, memory, keep);
            const real *x = m->x + (size_t)q.first * dim, *F;
            memcpy(piece_act(&q, u->image), x, (size_t)q.n * dim * sizeof(real));
            for (i = 0; i < u->ops; i++) {
                piece_forward_op(&q, &u->op[i]);
            }
            F = piece_act(&q, u->result);
            for (i = 0; i < q.n && eps != NULL; i++) {
                int k = unet_step(m, m->t[q.first + i]);
                real *row = eps + (size_t)(q.first + i) * dim;
                size_t j;
                for (j = 0; j < dim; j++) {
                    row[j] = m->sigma[k] * x[(size_t)i * dim + j] + m->alpha[k] * F[(size_t)i * dim + j];
                }
            }
        }
    }
    m->kept = keep;
    m->stamp = net->stamp;
}

static inline void unet_inputs(Unet *m, const Net *net, const real *x, const real *t, const int *c, int n) {
    size_t dim = (size_t)net->in;
    int i;
    if (t == NULL) {
        DIE("unet: a denoiser was called without timesteps");
    }
    if (n > m->room) {
        m->room = n;
        m->x = (real *)xrealloc(m->x, size_mul((size_t)n, dim), sizeof(real));
        m->t = (real *)xrealloc(m->t, (size_t)n, sizeof(real));
        m->c = (int *)xrealloc(m->c, (size_t)n, sizeof(int));
    }
    memcpy(m->x, x, (size_t)n * dim * sizeof(real));
    for (i = 0; i < n; i++) {
        unet_step(m, t[i]);
        m->t[i] = t[i];
        m->c[i] = c != NULL ? c[i] : -1;
        if (m->c[i] < -1 || m->c[i] >= m->plan->prompts) {
            DIE("unet: prompt %d of %d; prompts are 0..%d, -1 is the null prompt", m->c[i], m->plan->prompts,
                m->plan->prompts - 1);
        }
    }
    m->rows = n;
    m->piece = unet_piece(n);
}

static inline void unet_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    Unet *m = (Unet *)net->self;
    unet_inputs(m, net, x, t, c, n);
    if (m->keep && ++m->unused > 2) { // nobody asks for gradients: sampling
        m->keep = 0;
    }
    unet_run(m, net, y);
}

// ---- backward ----------------------------------------------------------------------------------------------------

static inline void piece_conv_backward(Piece *q, const UnetOp *op, real *g, int want_input) {
    ConvShape s = piece_conv(q, op);
    size_t pixels = (size_t)s.H * (size_t)s.W, size = (size_t)q->n * pixels * (size_t)s.out, i;
    const real *dy = piece_grad(q, op->out), *x = piece_act(q, op->in), *up = dy;
    const real *turned = q->m->store + op->turned;
    real *scratch = q->scratch;
    int b;
    if (g != NULL && op->fast) {
        wino_backward_weights(g + op->w, dy, x, &s, scratch);
    } else if (g != NULL) {
        conv_backward_weights(g + op->w, NULL, dy, x, &s);
    }
    if (g != NULL) {
        bias_backward(g + op->b, dy, (size_t)q->n * pixels, s.out);
    }
    if (op->rows >= 0) { // a vector per image met all its pixels
        real *rows = piece_grad(q, op->rows);
        for (b = 0; b < q->n; b++) {
            bias_backward(rows + (size_t)b * (size_t)s.out, dy + (size_t)b * pixels * (size_t)s.out, pixels, s.out);
        }
    }
    if (op->other >= 0 && op->other != op->out) {
        real *skip = piece_grad(q, op->other);
        for (i = 0; i < size; i++) {
            skip[i] += dy[i];
        }
    }
    if (want_input) {
        int add = q->started[op->in];
        real *dx;
        q->started[op->in] = 1; // written whole below
        dx = piece_grad(q, op->in);
        if (s.k == 3) {
            pad_forward(scratch, dy, q->n, s.H, s.W, s.out);
            up = scratch;
            scratch += (size_t)q->n * (size_t)(s.H + 2) * (size_t)(s.W + 2) * (size_t)s.out;
        }
        if (op->fast) {
            ConvShape back = s;
            ConvStart start = add ? start_image(dx, NULL, s.H, s.W, s.in) : start_zero();
            back.in = s.out;
            back.out = s.in;
            wino_forward(dx, up, turned, &start, &back, scratch);
        } else if (s.stride == 2) {
            conv_backward_input_2(dx, up, turned, add, &s);
        } else {
            conv_backward_input(dx, up, turned, add, &s);
        }
    }
}

static inline void piece_backward_op(Piece *q, const UnetOp *op, real *g, int want_input) {
    const UnetPlan *u = q->m->plan;
    const UnetBuf *y = &u->buf[op->out], *x = op->in >= 0 ? &u->buf[op->in] : y;
    const real *in = op->in >= 0 ? piece_act(q, op->in) : NULL;
    size_t size = (size_t)q->n * (size_t)x->H * (size_t)x->W * (size_t)x->C, i;
    const real *dy = piece_grad(q, op->out);
    real *dx = NULL, *stats;
    int G = u->shape.groups;
    if (op->kind == UNET_CONV) {
        piece_conv_backward(q, op, g, want_input);
        return;
    }
    if (op->kind == UNET_PROMPT) {
        if (g != NULL) {
            piece_prompt(q, op, piece_grad(q, op->out), g + op->w);
        }
        return;
    }
    if (!want_input) {
        return;
    }
    dx = piece_grad(q, op->in);
    switch (op->kind) {
    case UNET_SILU:
        silu_backward(dx, dy, in, size);
        break;
    case UNET_PAD:
        for (i = 0; i < size; i++) {
            dx[i] += dy[i];
        }
        break;
    case UNET_UP:
        upsample_backward(dx, dy, q->n, x->H, x->W, x->C);
        break;
    case UNET_NORM:
        stats = piece_act(q, op->other);
        groupnorm_backward(dx, g != NULL ? g + op->w : NULL, g != NULL ? g + op->b : NULL, dy, in, stats,
                           stats + (size_t)q->n * (size_t)G, q->p + op->w, q->p + op->b, q->n, x->H, x->W, x->C, G,
                           op->silu, q->scratch);
        break;
    case UNET_ATTEND:
        attention_backward(dx, dy, in, piece_act(q, op->other), q->n, x->H * x->W, y->C, q->scratch);
        break;
    case UNET_CONCAT:
        concat_backward(dx, piece_grad(q, op->other), dy, (size_t)q->n * (size_t)(x->H * x->W), x->C,
                        u->buf[op->other].C);
        break;
    default:
        break;
    }
}

static inline int unet_kept(const Unet *m, const Net *net, const real *x, const real *t, const int *c, int n) {
    int i;
    if (!m->kept || m->rows != n || m->stamp != net->stamp ||
        memcmp(m->x, x, (size_t)n * (size_t)net->in * sizeof(real)) != 0) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (t == NULL || m->t[i] != t[i] || m->c[i] != (c != NULL ? c[i] : -1)) {
            return 0;
        }
    }
    return 1;
}

static inline void unet_backward(Net *net, real *dx, const real *dy, const real *x, const real *t, const int *c,
                                 int n) {
    Unet *m = (Unet *)net->self;
    const UnetPlan *u = m->plan;
    size_t np = net->np, dim = (size_t)net->in, i;
    int pieces, lane, lanes;
    real *memory;
    m->unused = 0;
    if (!unet_kept(m, net, x, t, c, n)) {
        unet_inputs(m, net, x, t, c, n);
        m->keep = 1;
        unet_run(m, net, NULL);
    }
    pieces = (m->rows + m->piece - 1) / m->piece;
    lanes = pieces < UNET_LANES ? pieces : UNET_LANES;
    memory = unet_memory_of(m, 0);
    unet_pack(m, net, 1);
    if (net->g != NULL && m->shard == NULL) {
        m->shard = NEW(real, UNET_LANES * np);
    }
    OMP(parallel for schedule(dynamic) if (pieces > 1))
    for (lane = 0; lane < lanes; lane++) {
        real *g = net->g != NULL ? m->shard + (size_t)lane * np : NULL;
        int number;
        if (g != NULL) {
            memset(g, 0, np * sizeof(real));
        }
        for (number = lane; number < pieces; number += UNET_LANES) {
            Piece q = unet_piece_at(m, net, number, lane, memory, 1);
            real *dF;
            int b, k;
            size_t j;
            memset(q.started, 0, sizeof q.started);
            q.started[u->result] = 1;
            dF = piece_grad(&q, u->result);
            for (b = 0; b < q.n; b++) { // forward: eps = sigma x + alpha F
                real a = m->alpha[unet_step(m, m->t[q.first + b])];
                for (j = 0; j < dim; j++) {
                    dF[(size_t)b * dim + j] = a * dy[(size_t)(q.first + b) * dim + j];
                }
            }
            for (k = u->ops - 1; k >= 0; k--) {
                const UnetOp *op = &u->op[k];
                int to_time = op->in >= 0 && u->op[0].out == op->in; // the waves have no parameters before them
                int to_image = op->in >= 0 && (op->in == u->image || op->in == u->image + 1);
                piece_backward_op(&q, op, g, !to_time && (dx != NULL || !to_image));
            }
            for (b = 0; b < q.n && dx != NULL; b++) {
                const real *d = piece_grad(&q, u->image) + (size_t)b * dim;
                real s = m->sigma[unet_step(m, m->t[q.first + b])];
                for (j = 0; j < dim; j++) {
                    dx[(size_t)(q.first + b) * dim + j] += s * dy[(size_t)(q.first + b) * dim + j] + d[j];
                }
            }
        }
    }
    m->kept = 0; // gradients have been written over what was kept
    if (net->g == NULL) {
        return;
    }
    OMP(parallel for schedule(static))
    for (i = 0; i < np; i++) {
        real sum = m->shard[i];
        int q;
        for (q = 1; q < lanes; q++) {
            sum += m->shard[(size_t)q * np + i];
        }
        net->g[i] += sum;
    }
}

// ---- looking inside ----------------------------------------------------------------------------------------------

static inline int unet_finite(const real *v, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        if (!((double)fabs((double)v[i]) <= 1e30)) {
            return 0;
        }
    }
    return 1;
}

// Runs the rows through the net layer by layer and names the first layer whose output is not finite, in text; NULL
// when all are.  For the message of a training that went wrong.
static inline const char *unet_first_bad(Net *net, char *text, size_t size, const real *x, const real *t, const int *c,
                                         int n) {
    Unet *m = (Unet *)net->self;
    const UnetPlan *u = m->plan;
    int number, i;
    unet_inputs(m, net, x, t, c, n);
    unet_pack(m, net, 0);
    m->kept = 0;
    for (number = 0; number * m->piece < n; number++) {
        real *memory = unet_memory_of(m, (size_t)m->piece * u->lean);
        Piece q = unet_piece_at(m, net, number, 0, memory, 0);
        if (!unet_finite(m->x + (size_t)q.first * (size_t)net->in, (size_t)q.n * (size_t)net->in)) {
            snprintf(text, size, "the input");
            return text;
        }
        memcpy(piece_act(&q, u->image), m->x + (size_t)q.first * (size_t)net->in,
               (size_t)q.n * (size_t)net->in * sizeof(real));
        for (i = 0; i < u->ops; i++) {
            const UnetOp *op = &u->op[i];
            piece_forward_op(&q, op);
            if (!unet_finite(piece_act(&q, op->out), (size_t)q.n * unet_size(&u->buf[op->out]))) {
                snprintf(text, size, "layer %d, %s", i, op->name);
                return text;
            }
        }
    }
    return NULL;
}

static inline void unet_print(FILE *f, const Net *net) {
    unet_plan_print(f, ((const Unet *)net->self)->plan);
}

// ---- making ------------------------------------------------------------------------------------------------------

static inline void unet_release(Net *net) {
    Unet *m = (Unet *)net->self;
    free(m->plan);
    free(m->alpha);
    free(m->sigma);
    free(m->times);
    free(m->store);
    free(m->x);
    free(m->t);
    free(m->c);
    free(m->memory);
    free(m->scratch);
    free(m->shard);
    free(m);
}

// Numbers of scratch a lane needs: the padded gradient and what the layer functions ask for.
static inline size_t unet_scratch(const UnetPlan *u) {
    size_t most = 0, need;
    int i;
    for (i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        const UnetBuf *y = &u->buf[op->out], *x = op->in >= 0 ? &u->buf[op->in] : y;
        need = 0;
        if (op->kind == UNET_CONV) {
            size_t there = wino_scratch(x->C, y->C), back = wino_scratch(y->C, x->C);
            need = op->k == 3 ? (size_t)UNET_PIECE * (size_t)(y->H + 2) * (size_t)(y->W + 2) * (size_t)y->C : 0;
            need += op->fast ? (there > back ? there : back) : 0;
        } else if (op->kind == UNET_NORM) {
            need = groupnorm_scratch(x->H, x->W, x->C, u->shape.groups);
        } else if (op->kind == UNET_ATTEND) {
            need = attention_scratch(x->H * x->W, y->C);
        }
        most = need > most ? need : most;
    }
    return (most + 15) / 16 * 16;
}

static inline void unet_init(UnetPlan *u, real *p, uint64_t seed) {
    int i;
    for (i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        size_t j;
        if (op->kind == UNET_NORM) {
            for (j = 0; j < (size_t)u->buf[op->in].C; j++) {
                p[op->w + j] = 1;
            }
        } else if (op->kind == UNET_CONV && op->out != u->result) {
            linear_init(p + op->w, op->k * op->k * u->buf[op->in].C, u->buf[op->out].C, seed, 900 + (uint64_t)i);
        }
    }
}

// A UNet for `prompts` prompts, described by words (tokens, borrowed) or by their number alone (tokens NULL).
// The last convolution starts at zero: the net begins as the exact denoiser of N(0, I) data.
static inline Net unet_new(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule,
                           uint64_t seed) {
    Unet *m = NEW(Unet, 1);
    int dim = shape->side * shape->side * shape->channels, k;
    Net net;
    m->plan = unet_plan(shape, tokens, prompts);
    m->steps = schedule->T;
    m->alpha = NEW(real, (size_t)m->steps);
    m->sigma = NEW(real, (size_t)m->steps);
    m->times = NEW(real, (size_t)m->steps * UNET_WAVES);
    for (k = 0; k < m->steps; k++) {
        double abar = schedule_abar(schedule, k);
        m->alpha[k] = (real)sqrt(abar);
        m->sigma[k] = (real)sqrt(1.0 - abar);
        time_embedding(m->times + (size_t)k * UNET_WAVES, 1000.0 * k / m->steps, UNET_WAVES);
    }
    m->store = NEW(real, m->plan->store);
    m->scratch_size = unet_scratch(m->plan);
    m->scratch = NEW(real, UNET_LANES * m->scratch_size);
    net = net_new(dim, dim, m->plan->np);
    unet_init(m->plan, net.p, seed);
    net.forward = unet_forward;
    net.backward = unet_backward;
    net.release = unet_release;
    net.self = m;
    return net;
}

#endif
