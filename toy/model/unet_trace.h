// unet_trace.h: one image on its way through a UNet, with what every operation made of it.
//
// A training or a sampler sees eps alone, and the plan lets buffers that never live together share their place.  Here
// the same operations run one after another, and the output of each is copied before the next can overwrite it.
//   UnetTrace a = unet_trace(&net, x, level, prompt, -1);
//   const real *pixel = trace_pixel(&a, unet_find(a.plan, "down0.0.conv1"), 3, 5);    // its C numbers
// It also says how far two images differ on their way, and which layer got how much gradient.
#ifndef TILT_UNET_TRACE_H
#define TILT_UNET_TRACE_H

#include "unet.h"

typedef struct {
    const UnetPlan *plan;
    real *out[UNET_MAX_OPS];  // what operation i wrote, border included
    real *side[UNET_MAX_OPS]; // of a norm: means and 1/sd of the groups; of attention: its weights; else NULL
} UnetTrace;

// The operation of this name.
static inline int unet_find(const UnetPlan *u, const char *name) {
    int i = 0;
    while (i < u->ops && strcmp(u->op[i].name, name) != 0) {
        i++;
    }
    if (i == u->ops) {
        DIE("unet: no operation '%s'; unet_print lists them", name);
    }
    return i;
}

// The buffer that operation i wrote.
static inline const UnetBuf *unet_out(const UnetPlan *u, int i) {
    return &u->buf[u->op[i].out];
}

// ---- running -----------------------------------------------------------------------------------------------------

static inline real *trace_copy(const real *from, const UnetBuf *b) {
    real *to = NEW(real, unet_size(b));
    memcpy(to, from, unet_size(b) * sizeof(real));
    return to;
}

// Sends x (one image) through the net at noise level `level` with prompt c.  cut: a concatenation whose second input is
// replaced by zeros, to see what that skip connection is good for; -1: none.  Free with unet_trace_free.
static inline UnetTrace unet_trace(Net *net, const real *x, int level, int c, int cut) {
    Unet *m = (Unet *)net->self;
    const UnetPlan *u = m->plan;
    UnetTrace trace;
    real t = (real)level;
    Piece q;
    int i;
    memset(&trace, 0, sizeof trace);
    trace.plan = u;
    unet_inputs(m, net, x, &t, &c, 1);
    unet_pack(m, net, 0);
    m->kept = 0; // the arena is about to be written over
    q = unet_piece_at(m, net, 0, 0, unet_memory_of(m, u->lean), 0);
    memcpy(piece_act(&q, u->image), x, (size_t)net->in * sizeof(real));
    for (i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        const UnetBuf *y = unet_out(u, i);
        piece_forward_op(&q, op);
        if (i == cut) {
            int first = u->buf[op->in].C, p;
            for (p = 0; p < y->H * y->W; p++) {
                memset(piece_act(&q, op->out) + (size_t)(p * y->C + first), 0, (size_t)(y->C - first) * sizeof(real));
            }
        }
        trace.out[i] = trace_copy(piece_act(&q, op->out), y);
        if (op->kind == UNET_NORM || op->kind == UNET_ATTEND) {
            trace.side[i] = trace_copy(piece_act(&q, op->other), &u->buf[op->other]);
        }
    }
    return trace;
}

static inline void unet_trace_free(UnetTrace *t) {
    int i;
    for (i = 0; i < t->plan->ops; i++) {
        free(t->out[i]);
        free(t->side[i]);
    }
    memset(t, 0, sizeof *t);
}

// ---- looking -----------------------------------------------------------------------------------------------------

// The channels of pixel (v, u), row first, of what operation i wrote; -1 is the border, where there is one.
static inline const real *trace_pixel(const UnetTrace *t, int i, int v, int u) {
    const UnetBuf *b = unet_out(t->plan, i);
    int wide = b->W + 2 * b->border;
    if (v < -b->border || u < -b->border || v >= b->H + b->border || u >= b->W + b->border) {
        DIE("trace: pixel (%d, %d) of %s, which is %d x %d with a border of %d", v, u, t->plan->op[i].name, b->H, b->W,
            b->border);
    }
    return t->out[i] + (size_t)((v + b->border) * wide + u + b->border) * (size_t)b->C;
}

// map (H x W): channel c of what operation i wrote, without the border.
static inline void trace_map(real *map, const UnetTrace *t, int i, int c) {
    const UnetBuf *b = unet_out(t->plan, i);
    int v, u;
    for (v = 0; v < b->H; v++) {
        for (u = 0; u < b->W; u++) {
            map[v * b->W + u] = trace_pixel(t, i, v, u)[c];
        }
    }
}

// The root mean square of what operation i wrote; with `minus`, of its difference from another trace.
static inline double trace_rms(const UnetTrace *t, const UnetTrace *minus, int i) {
    const UnetBuf *b = unet_out(t->plan, i);
    double sum = 0;
    int v, u, c;
    for (v = 0; v < b->H; v++) {
        for (u = 0; u < b->W; u++) {
            const real *x = trace_pixel(t, i, v, u), *y = minus != NULL ? trace_pixel(minus, i, v, u) : NULL;
            for (c = 0; c < b->C; c++) {
                double d = (double)x[c] - (y != NULL ? (double)y[c] : 0);
                sum += d * d;
            }
        }
    }
    return sqrt(sum / ((double)b->H * b->W * b->C));
}

// How many pixels of what operation i wrote differ between two traces by more than `share` of the largest difference.
static inline int trace_heard(const UnetTrace *a, const UnetTrace *b, int i, double share) {
    const UnetBuf *out = unet_out(a->plan, i);
    double top = 0;
    int pass, v, u, c, count = 0;
    for (pass = 0; pass < 2; pass++) {
        for (v = 0; v < out->H; v++) {
            for (u = 0; u < out->W; u++) {
                const real *x = trace_pixel(a, i, v, u), *y = trace_pixel(b, i, v, u);
                double sum = 0;
                for (c = 0; c < out->C; c++) {
                    sum += ((double)x[c] - (double)y[c]) * ((double)x[c] - (double)y[c]);
                }
                top = pass == 0 && sum > top ? sum : top;
                count += pass == 1 && sum > share * share * top;
            }
        }
    }
    return count;
}

// The length of the gradient of operation i's parameters in the net's g.
static inline double unet_grad_length(const Net *net, const UnetPlan *u, int i) {
    const UnetOp *op = &u->op[i]; // its parameters lie side by side from w on
    double sum = 0;
    size_t j;
    for (j = 0; j < op->np; j++) {
        sum += (double)net->g[op->w + j] * (double)net->g[op->w + j];
    }
    return sqrt(sum);
}

#endif
