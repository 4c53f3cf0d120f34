// unet_fast_plan.h: the list of unet_plan.h arranged for the fast kernels: what is fused, where every tensor lies, and
// the arguments of every launch, for a batch of N images.
//
// Fused away: the border (the convolutions know where an image ends), nearest-neighbour doubling (the convolution after
// it reads every pixel four times), concatenation (two tensors are read side by side), SiLU after a norm, the sums that
// a norm needs (left by the convolution before it), and all small layers of time and prompt (embed_fast.h).
// So a buffer of the list is one tensor, two side by side, or a doubled one (FastView), and tensors are bf16, NHWC.
// Tensors that never live together share their place, as in unet_memory.h.  Compiled as C++, by nvcc or for emulation.
#ifndef TILT_UNET_FAST_PLAN_H
#define TILT_UNET_FAST_PLAN_H

#include "../../ref/cuda/attention_fast.h"
#include "../../ref/cuda/bias_sums.h"
#include "../../ref/cuda/conv_mma.h"
#include "../../ref/cuda/conv_mma_weights.h"
#include "../../ref/cuda/conv_thin.h"
#include "../../ref/cuda/conv_wgmma.h"
#include "../../ref/cuda/embed_fast.h"
#include "../../ref/cuda/memory.h"
#include "../../ref/cuda/norm_fast.h"
#include "../../ref/cuda/sample_fast.h"
#include "../../ref/cuda/step_fast.h"
#include "unet_inputs.h"
#include "unet_start.h"

enum FastRole { FAST_NOTHING, FAST_EMBED, FAST_FIRST, FAST_LAST, FAST_CONV, FAST_NORM, FAST_ATTEND };

// A buffer of the list as tensors: the buffers that hold them (second: -1 without one), and how a convolution reads it.
struct FastView {
    int first, second;
    int doubled;
};

// One operation of the list with everything its launches need.
struct FastLayer {
    FastRole role;
    FastConv conv;
    // does it run on the kernels of sm_90a: the gradient of the weights, the forward product, that of the inputs?
    int hopper, hopper_y, hopper_dx;
    ThinConv thin;
    FastNorm norm;
    FastAttention attend;
    bf16 *x1, *x2, *y, *add;        // activations; add: the skip connection
    bf16 *dx1, *dx2, *dy, *dadd;    // gradients; dadd: of the skip connection, NULL where it is y itself
    int add1, add2, add_add;        // does that gradient hold something already?
    float *sums1, *sums2, *sums;    // of x1, x2 (read by a norm) and of y (written by a convolution)
    float *stats, *lse, *D;         // of a norm, of attention
    float *rows, *drows;            // a vector for every image, and its gradient
    float *dw, *db, *dnorm;         // slices of the gradients of the parameters
    int weight_slices, bias_slices; // how many
    size_t w, b;                    // places of the parameters
};

// A batch of N images: where everything is.
struct FastBatch {
    int N;
    FastLayer layer[UNET_MAX_OPS];
    FastEmbed embed;
    EmbedData data;
    float *x, *F, *eps, *deps, *dF, *dx, *noise, *losses, *mean; // [N][dim]; losses [N]
    int *t, *prompt;                                             // [N]
    FastTable table;
    double *squares; // of every chunk of the table
    float *space;    // of convolutions that cut K into ranges: one after the other uses it; NULL: none does
    char *memory;
    size_t bytes;
};

// What does not depend on the batch.
struct FastNet {
    UnetPlan *plan;
    int steps;
    int hopper; // should convolutions that fit run on the kernels of sm_90a?
    int split;  // may convolutions cut K into ranges?
    FastView view[UNET_MAX_BUFS];
    int linear[UNET_MAX_OPS];         // operation -> number in FastEmbed, or -1
    int rows_linear[UNET_MAX_BUFS];   // buffer of a block's vectors -> number in FastEmbed, or -1
    int normed[UNET_MAX_BUFS];        // is this tensor read by a norm?
    UnetSpan span[2 * UNET_MAX_BUFS]; // of tensors, then of their gradients
    size_t arena;                     // numbers an image
    FastEmbed embed;
    // On the device:
    float *p, *g, *embed_g;       // np each: parameters, their gradients, those that the embedding writes
    bf16 *copy;                   // np: the parameters that the tensor cores multiply with
    float *alpha, *sigma, *times; // of the levels; waves of all levels
    int *token;                   // words of all prompts
};

// ---- views ---------------------------------------------------------------------------------------------------------

// Is this a buffer of the small layers, one vector an image?
static inline int fast_is_vector(const UnetPlan *u, int buf) {
    const UnetBuf *b = &u->buf[buf];
    return buf >= 0 && b->H == 1 && b->W == 1 && u->shape.side > 1;
}

static inline FastRole fast_role(const UnetPlan *u, const UnetOp *op) {
    switch (op->kind) {
    case UNET_TIME:
    case UNET_PROMPT:
    case UNET_SILU:
        return FAST_EMBED;
    case UNET_CONV:
        return fast_is_vector(u, op->out) ? FAST_EMBED
               : op->in == u->bordered    ? FAST_FIRST
               : op->out == u->result     ? FAST_LAST
                                          : FAST_CONV;
    case UNET_NORM:
        return FAST_NORM;
    case UNET_ATTEND:
        return FAST_ATTEND;
    default:
        return FAST_NOTHING;
    }
}

static inline void fast_views(FastNet *net) {
    const UnetPlan *u = net->plan;
    for (int b = 0; b < u->bufs; b++) {
        net->view[b].first = b;
        net->view[b].second = -1;
        net->view[b].doubled = 0;
    }
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        FastView *v = &net->view[op->out];
        if (op->kind == UNET_PAD || op->kind == UNET_UP) {
            *v = net->view[op->in];
            v->doubled = op->kind == UNET_UP;
        } else if (op->kind == UNET_CONCAT) {
            v->first = net->view[op->in].first;
            v->second = net->view[op->other].first;
        }
    }
}

// ---- the small layers ----------------------------------------------------------------------------------------------

static inline void fast_embedding(FastNet *net) {
    const UnetPlan *u = net->plan;
    FastEmbed *e = &net->embed;
    size_t rows = 0;
    memset(e, 0, sizeof *e);
    for (int b = 0; b < u->bufs; b++) {
        net->rows_linear[b] = -1;
    }
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        net->linear[i] = -1;
        if (op->kind == UNET_PROMPT) {
            e->table = op->w;
            e->words = (int)(op->np / (size_t)u->shape.time);
            e->length = unet_words(u);
            e->prompts = u->prompts;
        }
        if (op->kind == UNET_CONV && fast_role(u, op) == FAST_EMBED) {
            FastLinear *l = &e->linear[e->linears];
            if (e->linears == EMBED_LINEARS) {
                DIE("unet: more than %d layers that time goes through; use fewer blocks", EMBED_LINEARS);
            }
            l->w = op->w;
            l->b = op->b;
            l->in = u->buf[op->in].C;
            l->out = u->buf[op->out].C;
            if (e->linears >= 2) { // the first two are those of the time itself
                l->rows = rows;
                rows += (size_t)l->out;
                net->rows_linear[op->out] = e->linears;
            }
            net->linear[i] = e->linears++;
        }
    }
}

// ---- places --------------------------------------------------------------------------------------------------------

static inline void fast_alive(UnetSpan *s, int moment) {
    s->from = moment < s->from ? moment : s->from;
    s->to = moment > s->to ? moment : s->to;
}

// The tensors of a view are alive at a moment; `gradients` for those of their gradients.
static inline void fast_touch(FastNet *net, int buf, int gradients, int moment) {
    const FastView *v = &net->view[buf];
    UnetSpan *span = net->span + (gradients ? net->plan->bufs : 0);
    fast_alive(&span[v->first], moment);
    if (v->second >= 0) {
        fast_alive(&span[v->second], moment);
    }
}

static inline int fast_is_tensor(const FastNet *net, int buf) {
    const UnetPlan *u = net->plan;
    return buf != u->image && buf != u->result && net->view[buf].first == buf && net->view[buf].second < 0;
}

static inline void fast_places(FastNet *net) {
    const UnetPlan *u = net->plan;
    int last = 2 * u->ops - 1;
    for (int b = 0; b < 2 * u->bufs; b++) {
        net->span[b].from = last + 1;
        net->span[b].to = -1;
        net->span[b].size = 0;
    }
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        FastRole role = fast_role(u, op);
        if (role == FAST_NOTHING || role == FAST_EMBED) {
            continue;
        }
        int skip = role == FAST_CONV && op->other >= 0 ? op->other : -1;
        for (int back = 0; back < 2; back++) { // every activation that a layer touches stays for its backward
            int moment = back ? last - i : i;
            fast_touch(net, op->in, 0, moment);
            fast_touch(net, op->out, 0, role == FAST_ATTEND ? moment : i);
            if (skip >= 0) {
                fast_touch(net, skip, 0, i);
            }
        }
        fast_touch(net, op->in, 1, last - i);
        fast_touch(net, op->out, 1, last - i);
        if (skip >= 0) {
            fast_touch(net, skip, 1, last - i);
        }
    }
    for (int b = 0; b < u->bufs; b++) {
        size_t size = (size_t)u->buf[b].H * (size_t)u->buf[b].W * (size_t)u->buf[b].C;
        if (fast_is_tensor(net, b) && net->span[b].to >= 0) {
            net->span[b].size = net->span[u->bufs + b].size = size;
        }
    }
    net->arena = unet_fit(net->span, 2 * u->bufs);
}

// Which tensors a norm reads: the convolutions that write them leave sums.
static inline void fast_norms(FastNet *net) {
    const UnetPlan *u = net->plan;
    memset(net->normed, 0, sizeof net->normed);
    for (int i = 0; i < u->ops; i++) {
        if (u->op[i].kind == UNET_NORM) {
            const FastView *v = &net->view[u->op[i].in];
            net->normed[v->first] = 1;
            if (v->second >= 0) {
                net->normed[v->second] = 1;
            }
        }
    }
}

// A batch is a multiple of this: the smallest images of the network must fill rows of 16 pixels.
static inline int fast_rows_unit(const UnetPlan *u) {
    int pixels = u->shape.side * u->shape.side;
    for (int l = 1; l < u->shape.levels; l++) {
        pixels /= 4;
    }
    return pixels >= 16 ? 1 : 16 / pixels;
}

static inline void fast_check(const UnetPlan *u) {
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        const UnetBuf *y = &u->buf[op->out];
        FastRole role = fast_role(u, op);
        int channels = role == FAST_LAST ? u->buf[op->in].C : y->C;
        if ((role == FAST_FIRST || role == FAST_LAST || role == FAST_CONV || role == FAST_NORM) && channels % 64 != 0) {
            DIE("unet: %s has %d channels; the fast kernels want multiples of 64, so a width of 64, 128, ...", op->name,
                channels);
        }
        if (role == FAST_CONV && (op->w % 8 != 0 || (y->H & (y->H - 1)) != 0)) {
            DIE("unet: %s: images of %d pixels a side and weights at %lu; the fast kernels want powers of two and "
                "multiples of 8",
                op->name, y->H, (unsigned long)op->w);
        }
    }
}

#endif
