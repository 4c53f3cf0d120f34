// unet_plain_ops.h: the operations of the list of unet_plan.h as launches of the plain kernels, forward and backward.
//
// A whole batch goes through one operation after another.  All activations and gradients lie in one arena on the
// device, in the places that the `full` plan of unet_memory.h gives them, so that a backward finds what it reads; the
// gradient of a buffer becomes zero when the first operation adds to it.
#ifndef TILT_UNET_PLAIN_OPS_H
#define TILT_UNET_PLAIN_OPS_H

#include "../../ref/cuda/memory.h"
#include "../../ref/cuda/plain_attention.h"
#include "../../ref/cuda/plain_conv.h"
#include "../../ref/cuda/plain_norm.h"
#include "../../ref/cuda/plain_vector.h"
#include "unet_inputs.h"
#include "unet_plan.h"

typedef struct {
    UnetPlan *plan;
    int steps, most;     // levels of the schedule; images that go through at a time
    real *alpha, *sigma; // of the levels, on this machine
    // On the device:
    real *p, *g, *times;   // parameters, gradients (np each), waves of all levels
    real *arena, *scratch; // plan->full numbers an image; what single operations need
    real *x, *dy, *out;    // a part of the batch (room x dim each); out: eps, or dx
    real *alphas, *sigmas; // of the images (room each)
    int *levels, *words;   // of the images (room, room x length)
    int room, length;      // images that fit; words of a prompt
    int rows;              // images of the part that is in the arena
    unsigned stamp;        // of the parameters on the device
    // What the last forward left in the arena, for a backward of the same rows:
    int kept;
    unsigned kept_stamp;
    real *kept_x, *kept_t;
    int *kept_c;
    real *back;                           // np or room x dim numbers on this machine, on their way to the caller
    unsigned char started[UNET_MAX_BUFS]; // does the gradient of this buffer hold something yet?
} UnetPlain;

// ---- places ------------------------------------------------------------------------------------------------------

static inline real *unet_plain_act(const UnetPlain *m, int buf) {
    return m->arena + (size_t)m->rows * m->plan->buf[buf].at;
}

// The gradient of a buffer, zero if nobody has added to it yet.
static inline real *unet_plain_grad(UnetPlain *m, int buf) {
    const UnetBuf *b = &m->plan->buf[buf];
    real *d = m->arena + (size_t)m->rows * b->grad_at;
    if (!m->started[buf]) {
        device_zero(d, image_numbers(m->rows, b->H, b->W, b->C) * sizeof(real));
        m->started[buf] = 1;
    }
    return d;
}

static inline NormShape unet_plain_norm(const UnetPlain *m, const UnetOp *op) {
    const UnetBuf *x = &m->plan->buf[op->in];
    NormShape s = {0, 0, 0, 0, 0, 0, 0};
    s.n = m->rows;
    s.H = x->H;
    s.W = x->W;
    s.C = x->C;
    s.G = m->plan->shape.groups;
    s.border = m->plan->buf[op->out].border;
    s.silu = op->silu;
    return s;
}

static inline AttendShape unet_plain_attend(const UnetPlain *m, const UnetOp *op) {
    const UnetBuf *y = &m->plan->buf[op->out];
    AttendShape s = {0, 0, 0};
    s.n = m->rows;
    s.T = y->H * y->W;
    s.C = y->C;
    return s;
}

// Numbers of scratch that one image asks for.
static inline size_t unet_plain_scratch(const UnetPlan *u) {
    size_t most = 2 * (size_t)u->shape.groups; // of a norm
    int i;
    for (i = 0; i < u->ops; i++) {
        if (u->op[i].kind == UNET_ATTEND) {
            size_t weights = unet_size(&u->buf[u->op[i].other]);
            most = weights > most ? weights : most;
        }
    }
    return most;
}

// ---- forward -----------------------------------------------------------------------------------------------------

static inline void unet_plain_forward_op(UnetPlain *m, const UnetOp *op) {
    const UnetPlan *u = m->plan;
    const UnetBuf *y = &u->buf[op->out], *x = op->in >= 0 ? &u->buf[op->in] : y;
    const real *in = op->in >= 0 ? unet_plain_act(m, op->in) : NULL;
    const real *other = op->kind == UNET_CONV && op->other >= 0 ? unet_plain_act(m, op->other) : NULL;
    const real *rows = op->rows >= 0 ? unet_plain_act(m, op->rows) : NULL;
    real *out = unet_plain_act(m, op->out), *kept = op->other >= 0 ? unet_plain_act(m, op->other) : NULL;
    ConvShape conv;
    NormShape norm;
    AttendShape attend;
    switch (op->kind) {
    case UNET_TIME:
        plain_waves(out, m->times, m->levels, m->rows, y->C);
        break;
    case UNET_PROMPT:
        plain_words_forward(out, m->p + op->w, m->words, m->rows, m->length, y->C);
        break;
    case UNET_SILU:
        plain_silu_forward(out, in, image_numbers(m->rows, x->H, x->W, x->C));
        break;
    case UNET_PAD:
    case UNET_UP:
        plain_pad_forward(out, in, op->kind == UNET_UP ? 2 : 1, m->rows, x->H, x->W, x->C);
        break;
    case UNET_CONV:
        conv = unet_conv_shape(m->plan, op, m->rows);
        plain_conv_forward(out, in, m->p + op->w, m->p + op->b, rows, other, &conv);
        break;
    case UNET_NORM:
        norm = unet_plain_norm(m, op);
        plain_norm_forward(out, kept, kept + (size_t)m->rows * (size_t)norm.G, in, m->p + op->w, m->p + op->b, &norm);
        break;
    case UNET_ATTEND:
        attend = unet_plain_attend(m, op);
        plain_attend_forward(out, kept, in, &attend);
        break;
    case UNET_CONCAT:
        plain_concat_forward(out, in, kept, image_numbers(m->rows, x->H, x->W, 1), x->C, u->buf[op->other].C);
        break;
    }
}

// ---- backward ----------------------------------------------------------------------------------------------------

// g: is the gradient of the parameters wanted?
static inline void unet_plain_conv_back(UnetPlain *m, const UnetOp *op, int g, int want_input) {
    ConvShape s = unet_conv_shape(m->plan, op, m->rows);
    size_t pixels = (size_t)s.H * (size_t)s.W;
    const real *dy = unet_plain_grad(m, op->out), *x = unet_plain_act(m, op->in);
    if (g) {
        plain_conv_backward_weights(m->g + op->w, dy, x, &s);
        plain_channel_sums(m->g + op->b, dy, 1, size_mul((size_t)s.n, pixels), s.out);
    }
    if (op->rows >= 0) { // a vector per image met all its pixels
        plain_channel_sums(unet_plain_grad(m, op->rows), dy, s.n, pixels, s.out);
    }
    if (op->other >= 0 && op->other != op->out) {
        plain_add(unet_plain_grad(m, op->other), dy, image_numbers(s.n, s.H, s.W, s.out));
    }
    if (want_input) {
        plain_conv_backward_input(unet_plain_grad(m, op->in), dy, m->p + op->w, &s);
    }
}

static inline void unet_plain_backward_op(UnetPlain *m, const UnetOp *op, int g, int want_input) {
    const UnetPlan *u = m->plan;
    const UnetBuf *y = &u->buf[op->out], *x = op->in >= 0 ? &u->buf[op->in] : y;
    const real *dy = unet_plain_grad(m, op->out), *in = op->in >= 0 ? unet_plain_act(m, op->in) : NULL;
    const real *kept = op->other >= 0 ? unet_plain_act(m, op->other) : NULL;
    real *dx;
    NormShape norm;
    AttendShape attend;
    if (op->kind == UNET_CONV) {
        unet_plain_conv_back(m, op, g, want_input);
        return;
    }
    if (op->kind == UNET_PROMPT) {
        if (g) {
            plain_words_backward(m->g + op->w, dy, m->words, m->rows, m->length, y->C, op->np);
        }
        return;
    }
    if (!want_input || op->in < 0) { // the waves of time come from nowhere
        return;
    }
    dx = unet_plain_grad(m, op->in);
    switch (op->kind) {
    case UNET_SILU:
        plain_silu_backward(dx, dy, in, image_numbers(m->rows, x->H, x->W, x->C));
        break;
    case UNET_PAD:
    case UNET_UP:
        plain_pad_backward(dx, dy, op->kind == UNET_UP ? 2 : 1, m->rows, x->H, x->W, x->C);
        break;
    case UNET_NORM:
        norm = unet_plain_norm(m, op);
        plain_norm_backward(dx, g ? m->g + op->w : NULL, g ? m->g + op->b : NULL, dy, in, kept,
                            kept + (size_t)m->rows * (size_t)norm.G, m->p + op->w, m->p + op->b, &norm, m->scratch);
        break;
    case UNET_ATTEND:
        attend = unet_plain_attend(m, op);
        plain_attend_backward(dx, dy, in, kept, &attend, m->scratch);
        break;
    case UNET_CONCAT:
        plain_concat_backward(dx, unet_plain_grad(m, op->other), dy, image_numbers(m->rows, x->H, x->W, 1), x->C,
                              u->buf[op->other].C);
        break;
    default:
        break;
    }
}

#endif
