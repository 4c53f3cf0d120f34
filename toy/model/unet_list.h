// unet_list.h: the topology of a UNet, written once as a list of operations on numbered buffers.
//
// The builder appends operations as a lecture would name them: a residual block is a norm, a convolution, a norm, a
// convolution.  From the list follow the shapes, the places of the parameters in the flat vector, the multiplications
// of every layer, the order of the backward pass (the list from its end), and a memory plan: when a buffer is first
// written and last read, so that buffers which never live together share their place.  An executor (unet.h on the CPU)
// needs nothing else.
// The network: Ho, Jain and Abbeel 2020, arXiv 2006.11239, with the sizes as parameters.
#ifndef TILT_UNET_LIST_H
#define TILT_UNET_LIST_H

#include "../../ref/core/attention.h"
#include "../../ref/core/winograd.h"
#include "../world/tokens.h"

enum { UNET_LEVELS = 4, UNET_MAX_OPS = 400, UNET_MAX_BUFS = 400, UNET_WAVES = 32, UNET_NAME = 32 };

typedef struct {
    int side, channels;    // images are side x side x channels
    int width;             // channels of the first level
    int levels;            // resolutions: side, side/2, ...
    int mult[UNET_LEVELS]; // channels of a level: width * mult
    int blocks;            // residual blocks a level, on the way down and on the way up
    int groups;            // of the group norms
    int time;              // width of the embedding of time and prompt
    int attention;         // 1: self-attention in the middle
    int direct;            // 1: no Winograd, every convolution by its definition (conv.h)
    int attend;            // bit l: self-attention after every residual block of level l too
    int ddpm;              // 1: skips, blocks and time waves of the published network, see unet_list
} UnetShape;

typedef enum {
    UNET_TIME,
    UNET_PROMPT,
    UNET_SILU,
    UNET_PAD,
    UNET_UP,
    UNET_CONV,
    UNET_NORM,
    UNET_ATTEND,
    UNET_CONCAT
} UnetKind;

typedef struct {
    UnetKind kind;
    char name[UNET_NAME + 16]; // "down0.1.conv2"
    int in, out;               // buffers
    int other;      // CONV: image added to the result (may be `out` itself); CONCAT: second input; ATTEND: the weights;
                    // NORM: mean and rstd; -1: none
    int rows;       // CONV: buffer with a vector per image that is added to all its pixels, or -1
    int k, stride;  // CONV: kernel and step
    int silu, fast; // NORM: SiLU follows; CONV: by Winograd
    size_t w, b;    // CONV: weights and bias; NORM: gain and shift; PROMPT: the table
    size_t np;      // parameters
    size_t packed, turned; // CONV: places in the store of packed weights
    double flops;          // multiplications and additions of one image, forward
} UnetOp;

typedef struct {
    int H, W, C, border; // numbers of one image: (H + 2 border) (W + 2 border) C
    size_t at, grad_at;  // place in the arena of a piece, in numbers per image; grad_at: of its gradient
} UnetBuf;

// Something that needs memory from one moment to another.  Operation i runs forward at moment i and backward at moment
// 2 ops - 1 - i.
typedef struct {
    int from, to;
    size_t size, at;
} UnetSpan;

typedef struct {
    UnetShape shape;
    int prompts;          // prompts 0..prompts-1
    const Tokens *tokens; // their words, or NULL: one vector per prompt
    int ops, bufs;
    UnetOp op[UNET_MAX_OPS];
    UnetBuf buf[UNET_MAX_BUFS];
    int image, result;             // buffers of the input and of F
    int waves, bordered;           // of the time waves, and of the image with its border: nothing learned before them
    size_t np, store;              // parameters; numbers of all packed weights
    size_t lean, full;             // arena of one image: forward only, and with all that backward needs
    size_t lean_at[UNET_MAX_BUFS]; // places in the lean arena
    double flops;                  // of one image, forward
    UnetSpan span[2 * UNET_MAX_BUFS], lean_span[UNET_MAX_BUFS]; // of all buffers, then their gradients; forward only
} UnetPlan;

// ---- building the list -------------------------------------------------------------------------------------------

static inline int unet_buf(UnetPlan *u, int H, int W, int C, int border) {
    UnetBuf b = {0, 0, 0, 0, 0, 0};
    if (u->bufs == UNET_MAX_BUFS) {
        DIE("unet: more than %d buffers; use fewer blocks or levels", UNET_MAX_BUFS);
    }
    b.H = H;
    b.W = W;
    b.C = C;
    b.border = border;
    u->buf[u->bufs] = b;
    return u->bufs++;
}

static inline size_t unet_size(const UnetBuf *b) {
    return (size_t)(b->H + 2 * b->border) * (size_t)(b->W + 2 * b->border) * (size_t)b->C;
}

// The convolution that an operation is, for n images.
static inline ConvShape unet_conv_shape(const UnetPlan *u, const UnetOp *op, int n) {
    const UnetBuf *x = &u->buf[op->in], *y = &u->buf[op->out];
    ConvShape s = {0, 0, 0, 0, 0, 0, 0};
    s.n = n;
    s.H = y->H;
    s.W = y->W;
    s.in = x->C;
    s.out = y->C;
    s.k = op->k;
    s.stride = op->stride;
    return s;
}

static inline UnetOp *unet_op(UnetPlan *u, UnetKind kind, const char *where, const char *what, int in, int out) {
    UnetOp *op = &u->op[u->ops];
    if (u->ops == UNET_MAX_OPS) {
        DIE("unet: more than %d operations; use fewer blocks or levels", UNET_MAX_OPS);
    }
    memset(op, 0, sizeof *op);
    u->ops++;
    op->kind = kind;
    op->in = in;
    op->out = out;
    op->other = op->rows = -1;
    snprintf(op->name, sizeof op->name, "%s%s%s", where, where[0] ? "." : "", what);
    return op;
}

// The next np parameters of the flat vector.
static inline size_t unet_take(UnetPlan *u, UnetOp *op, size_t np) {
    size_t at = u->np;
    u->np += np;
    op->np += np;
    return at;
}

// out = conv(in) + bias (+ other, an image) (+ rows, a vector per image).  out = -1: a new buffer.  Returns out.
static inline int unet_conv(UnetPlan *u, const char *where, const char *what, int in, int out, int C, int k, int stride,
                            int other, int rows) {
    const UnetBuf *x = &u->buf[in];
    int to = out >= 0 ? out : unet_buf(u, x->H / stride, x->W / stride, C, 0);
    UnetOp *op = unet_op(u, UNET_CONV, where, what, in, to);
    const UnetBuf *y = &u->buf[to];
    ConvShape s = {1, 0, 0, 0, 0, 0, 0};
    x = &u->buf[in];
    s.H = y->H;
    s.W = y->W;
    s.in = x->C;
    s.out = C;
    s.k = op->k = k;
    s.stride = op->stride = stride;
    op->other = other;
    op->rows = rows;
    op->fast = !u->shape.direct && wino_fits(&s);
    op->w = unet_take(u, op, conv_weights(&s));
    op->b = unet_take(u, op, (size_t)C);
    op->packed = u->store;
    u->store += op->fast ? wino_packed_size(x->C, C) : packed_size((size_t)(k * k * x->C), C);
    op->turned = u->store;
    u->store += op->fast ? wino_packed_size(C, x->C) : packed_size((size_t)(k * k * C), x->C);
    op->flops = 2.0 * y->H * y->W * k * k * x->C * C;
    return to;
}

static inline int unet_norm(UnetPlan *u, const char *where, const char *what, int in, int silu, int border) {
    UnetBuf x = u->buf[in];
    int out = unet_buf(u, x.H, x.W, x.C, border), stats = unet_buf(u, 1, 1, 2 * u->shape.groups, 0);
    UnetOp *op = unet_op(u, UNET_NORM, where, what, in, out);
    op->other = stats;
    op->silu = silu;
    op->w = unet_take(u, op, (size_t)x.C);
    op->b = unet_take(u, op, (size_t)x.C);
    return out;
}

static inline int unet_simple(UnetPlan *u, UnetKind kind, const char *where, const char *what, int in, int scale,
                              int border) {
    UnetBuf x = u->buf[in];
    int out = unet_buf(u, scale * x.H, scale * x.W, x.C, border);
    unet_op(u, kind, where, what, in, out);
    return out;
}

// h = conv(SiLU(norm(x))) + W e,   y = conv(SiLU(norm(h))) + skip(x);   skip: 1x1 convolution where channels change.
static inline int unet_resblock(UnetPlan *u, const char *where, int x, int embedding, int C) {
    int rows = unet_conv(u, where, "time", embedding, -1, C, 1, 1, -1, -1);
    int h = unet_norm(u, where, "norm1", x, 1, 1), y = x;
    h = unet_conv(u, where, "conv1", h, -1, C, 3, 1, -1, rows);
    h = unet_norm(u, where, "norm2", h, 1, 1);
    if (u->buf[x].C != C) {
        y = unet_conv(u, where, "skip", x, -1, C, 1, 1, -1, -1);
        return unet_conv(u, where, "conv2", h, y, C, 3, 1, y, -1);
    }
    return unet_conv(u, where, "conv2", h, -1, C, 3, 1, x, -1);
}

static inline int unet_attention(UnetPlan *u, const char *where, int x) {
    int C = u->buf[x].C, T = u->buf[x].H * u->buf[x].W, H = u->buf[x].H, W = u->buf[x].W;
    int qkv = unet_conv(u, where, "qkv", unet_norm(u, where, "norm", x, 0, 0), -1, 3 * C, 1, 1, -1, -1);
    int out = unet_buf(u, H, W, C, 0), weights = unet_buf(u, T, T, 1, 0);
    UnetOp *op = unet_op(u, UNET_ATTEND, where, "attend", qkv, out);
    op->other = weights;
    op->flops = 4.0 * T * T * C;
    return unet_conv(u, where, "project", out, -1, C, 1, 1, x, -1);
}

// How many numbers tell the net its time.
static inline int unet_waves(const UnetShape *s) {
    return s->ddpm ? s->width : UNET_WAVES;
}

static inline int unet_embedding(UnetPlan *u) {
    int waves = unet_buf(u, 1, 1, unet_waves(&u->shape), 0), z;
    UnetOp *op;
    unet_op(u, UNET_TIME, "time", "waves", -1, waves);
    u->waves = waves;
    z = unet_conv(u, "time", "linear1", waves, -1, u->shape.time, 1, 1, -1, -1);
    z = unet_simple(u, UNET_SILU, "time", "silu1", z, 1, 0);
    z = unet_conv(u, "time", "linear2", z, -1, u->shape.time, 1, 1, -1, -1);
    op = unet_op(u, UNET_PROMPT, "prompt", "words", -1, z); // adds to z where it lies
    op->w = unet_take(u, op, (size_t)(1 + (u->tokens != NULL ? u->tokens->words : u->prompts)) * (size_t)u->shape.time);
    return unet_simple(u, UNET_SILU, "time", "silu2", z, 1, 0);
}

static inline void unet_check(const UnetShape *s, int prompts) {
    int l, side = s->side;
    if (s->levels < 1 || s->levels > UNET_LEVELS || s->blocks < 1 || s->blocks > 4 || s->width < 1 || s->channels < 1 ||
        s->time < 1 || s->groups < 1 || s->side < 1 || s->side > 256 || s->channels > 64 || prompts < 0) {
        DIE("unet: side %d, channels %d, width %d, levels %d, blocks %d, groups %d, time %d: out of range; levels are "
            "1..%d, blocks 1..4, side 1..256",
            s->side, s->channels, s->width, s->levels, s->blocks, s->groups, s->time, UNET_LEVELS);
    }
    if (s->ddpm && (s->width < 4 || s->width % 2 != 0)) {
        DIE("unet: width %d gives as many time waves, half sines and half cosines; use an even width of 4 or more",
            s->width);
    }
    for (l = 0; l < s->levels; l++) {
        if (s->mult[l] < 1 || s->mult[l] > 16 || s->width * s->mult[l] % s->groups != 0) {
            DIE("unet: level %d has %d x %d channels for %d groups; groups must divide them", l, s->width, s->mult[l],
                s->groups);
        }
        if (l > 0 && side % 2 != 0) {
            DIE("unet: an image of side %d cannot be halved %d times; use fewer levels", s->side, s->levels - 1);
        }
        side = l > 0 ? side / 2 : side;
    }
}

// Residual block r of level l, and attention where the level has it.
static inline int unet_block(UnetPlan *u, const char *way, int l, int r, int x, int embedding) {
    char where[UNET_NAME];
    snprintf(where, sizeof where, "%s%d.%d", way, l, r);
    x = unet_resblock(u, where, x, embedding, u->shape.width * u->shape.mult[l]);
    if ((u->shape.attend >> l & 1) == 0) {
        return x;
    }
    snprintf(where, sizeof where, "%s%d.%d.attn", way, l, r);
    return unet_attention(u, where, x);
}

// The image on its way down, through the middle, and up again.  What is kept for the way up (skip), and taken from
// there in the other order:
//   ddpm = 0: the result of every residual block; so there are as many blocks on the way up
//   ddpm = 1: also that of the first convolution and of every halving; so a level has one block more on the way up
static inline void unet_list(UnetPlan *u) {
    const UnetShape *s = &u->shape;
    int skip[UNET_LEVELS * 5], skips = 0, e = unet_embedding(u), h, l, r;
    char where[UNET_NAME];
    u->image = unet_buf(u, s->side, s->side, s->channels, 0);
    u->bordered = h = unet_simple(u, UNET_PAD, "in", "pad", u->image, 1, 1);
    h = unet_conv(u, "in", "conv", h, -1, s->width * s->mult[0], 3, 1, -1, -1);
    if (s->ddpm) {
        skip[skips++] = h;
    }
    for (l = 0; l < s->levels; l++) {
        for (r = 0; r < s->blocks; r++) {
            skip[skips++] = h = unet_block(u, "down", l, r, h, e);
        }
        if (l + 1 < s->levels) {
            snprintf(where, sizeof where, "down%d", l);
            h = unet_simple(u, UNET_PAD, where, "pad", h, 1, 1);
            h = unet_conv(u, where, "halve", h, -1, s->width * s->mult[l], 3, 2, -1, -1);
            if (s->ddpm) {
                skip[skips++] = h;
            }
        }
    }
    h = unet_resblock(u, "mid.0", h, e, u->buf[h].C);
    h = s->attention ? unet_attention(u, "mid.attn", h) : h;
    h = unet_resblock(u, "mid.1", h, e, u->buf[h].C);
    for (l = s->levels - 1; l >= 0; l--) {
        for (r = 0; r < s->blocks + (s->ddpm ? 1 : 0); r++) {
            UnetBuf a = u->buf[h], b = u->buf[skip[--skips]];
            int both = unet_buf(u, a.H, a.W, a.C + b.C, 0);
            snprintf(where, sizeof where, "up%d.%d", l, r);
            unet_op(u, UNET_CONCAT, where, "concat", h, both)->other = skip[skips];
            h = unet_block(u, "up", l, r, both, e);
        }
        if (l > 0) {
            snprintf(where, sizeof where, "up%d", l);
            h = unet_simple(u, UNET_UP, where, "double", h, 2, 1);
            h = unet_conv(u, where, "conv", h, -1, s->width * s->mult[l], 3, 1, -1, -1);
        }
    }
    h = unet_norm(u, "out", "norm", h, 1, 1);
    u->result = unet_conv(u, "out", "conv", h, -1, s->channels, 3, 1, -1, -1);
}

#endif
