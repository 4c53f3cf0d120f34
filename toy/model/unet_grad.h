// unet_grad.h: the same images on their way back, gradients of parameters and inputs.
//
// The operations run from the end of the list.  The gradient of a buffer is added to by every operation that read it;
// the first to come writes it whole.
#ifndef TILT_UNET_GRAD_H
#define TILT_UNET_GRAD_H

#include "unet_piece.h"

static inline void piece_conv_backward(Piece *q, const UnetOp *op, real *g, int want_input) {
    ConvShape s = unet_conv_shape(q->m->plan, op, q->n);
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
    if (!want_input || op->in < 0) { // the waves of time come from nowhere
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

// The whole way back for one piece: g (np) += , dx += (either may be NULL), for dy = dL/d eps of its images.
// fresh: g = instead of g +=, whatever it held.
static inline void piece_backward(Piece *q, real *g, int fresh, real *dx, const real *dy) {
    const UnetPlan *u = q->m->plan;
    size_t dim = unet_size(&u->buf[u->image]), j;
    real *dF;
    int b, k;
    memset(q->started, 0, sizeof q->started);
    q->started[u->result] = 1; // written whole here
    dF = piece_grad(q, u->result);
    for (b = 0; b < q->n; b++) { // forward: eps = sigma x + alpha F
        real a = q->m->alpha[unet_step(q->m, q->m->t[q->first + b])];
        for (j = 0; j < dim; j++) {
            dF[(size_t)b * dim + j] = a * dy[(size_t)b * dim + j];
        }
    }
    for (k = u->ops - 1; k >= 0; k--) {
        const UnetOp *op = &u->op[k];
        int to_image = op->in == u->image || op->in == u->bordered;
        if (g != NULL && fresh) { // here and not all at once: the zeros are still in the cache when they are added to
            memset(g + op->w, 0, op->np * sizeof(real));
        }
        piece_backward_op(q, op, g, op->in != u->waves && (dx != NULL || !to_image));
    }
    for (b = 0; b < q->n && dx != NULL; b++) {
        const real *d = piece_grad(q, u->image) + (size_t)b * dim;
        real s = q->m->sigma[unet_step(q->m, q->m->t[q->first + b])];
        for (j = 0; j < dim; j++) {
            dx[(size_t)b * dim + j] += s * dy[(size_t)b * dim + j] + d[j];
        }
    }
}

#endif
