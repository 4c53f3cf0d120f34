// unet_piece.h: a few images on their way through the layers of a UNet, forward.
//
// A Piece is what one thread works on: its images, its arena, its scratch.  Every operation of the plan is a call of
// the layer functions of ref/core/ on the buffers of the piece.
#ifndef TILT_UNET_PIECE_H
#define TILT_UNET_PIECE_H

#include "../../ref/core/groupnorm.h"
#include "../../ref/core/layers.h"
#include "../../ref/core/net.h"
#include "../../ref/core/resample.h"
#include "unet_inputs.h"
#include "unet_plan.h"

enum { UNET_LANES = 8, UNET_PIECE = 8 }; // gradient buffers; images of a piece at most

typedef struct {
    UnetPlan *plan;
    int steps;                   // T of the schedule
    real *alpha, *sigma, *times; // T, T, T x unet_waves: see unet_inputs.h
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

static inline int unet_step(const Unet *m, real t) {
    return unet_level(t, m->steps);
}

// ---- forward -----------------------------------------------------------------------------------------------------

static inline void piece_time(const Piece *q, real *waves) {
    size_t width = (size_t)unet_waves(&q->m->plan->shape);
    int i;
    for (i = 0; i < q->n; i++) {
        memcpy(waves + (size_t)i * width, q->m->times + (size_t)unet_step(q->m, q->m->t[q->first + i]) * width,
               width * sizeof(real));
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
    ConvShape s = unet_conv_shape(q->m->plan, op, q->n);
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

#endif
