// unet.h: the UNet as a Net: the list of unet_plan.h executed on the CPU, forward and backward.
//
//   eps = sigma_t x + alpha_t F(x, t, prompt)        (F plays the part of the v-prediction, as in mlp.h)
// A batch is cut into pieces of a few images, the same way for every number of threads.  A piece goes through ALL
// layers before the next begins, so its images stay in the cache, and pieces run in parallel (unet_piece.h has their
// forward, unet_grad.h their backward pass).  Gradients are summed in UNET_LANES lanes, each in the order of its
// pieces, and the lanes in their order: the bits do not depend on threads.
//
// Memory.  With gradients, every number that the backward pass needs is kept, in the places that the plan gave it.  A
// forward pass alone needs far less, and less memory is faster.  Which of the two a program wants shows in what it
// does: the first backward switches keeping on (it then runs the forward again), forwards that nobody follows by a
// backward switch it off.  The results are the same either way.
#ifndef TILT_UNET_H
#define TILT_UNET_H

#include "unet_grad.h"

// ---- forward -----------------------------------------------------------------------------------------------------

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
        unet_prompt_check(m->c[i], m->plan->prompts);
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
            size_t at = (size_t)q.first * dim;
            piece_backward(&q, g, dx != NULL ? dx + at : NULL, dy + at);
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
        } else if (op->kind == UNET_PROMPT) { // far from zero: a prompt that starts as nothing is learned late
            rng_fill_normal(p + op->w, op->np, seed, 900 + (uint64_t)i, 0);
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
    int dim = shape->side * shape->side * shape->channels;
    Net net;
    m->plan = unet_plan(shape, tokens, prompts);
    m->steps = schedule->T;
    m->alpha = NEW(real, (size_t)m->steps);
    m->sigma = NEW(real, (size_t)m->steps);
    m->times = NEW(real, size_mul((size_t)m->steps, (size_t)unet_waves(shape)));
    unet_clock(m->alpha, m->sigma, m->times, shape, schedule);
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
