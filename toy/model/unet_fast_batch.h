// unet_fast_batch.h: a batch of N images on the device: its memory, and the arguments of all launches.
#ifndef TILT_UNET_FAST_BATCH_H
#define TILT_UNET_FAST_BATCH_H

#include "unet_fast_plan.h"

// Hands out one block of memory piece by piece; without a block it only counts.
struct FastTake {
    char *base;
    size_t at;
};

template <class T> static inline T *fast_take(FastTake *from, size_t n) {
    size_t at = (from->at + 255) / 256 * 256;
    from->at = at + size_mul(n, sizeof(T));
    return from->base != NULL ? (T *)(from->base + at) : NULL;
}

// n numbers on the device, with the values of this machine.
template <class T> static inline T *fast_upload(const T *from, size_t n) {
    T *there = DEVICE_NEW(T, n);
    to_device(there, from, n * sizeof(T));
    return there;
}

// ---- tensors -------------------------------------------------------------------------------------------------------

struct FastArena {
    bf16 *tensors;
    float *sums[UNET_MAX_BUFS];           // of the tensors that norms read
    unsigned char started[UNET_MAX_BUFS]; // on the way back: does the gradient of this tensor hold something?
};

static inline bf16 *fast_tensor(const FastNet *net, const FastBatch *b, const FastArena *a, int buf, int gradient) {
    if (buf < 0 || !fast_is_tensor(net, buf)) {
        return NULL;
    }
    return a->tensors + (size_t)b->N * net->span[(gradient ? net->plan->bufs : 0) + buf].at;
}

static inline float *fast_sums(const FastArena *a, int buf) {
    return buf < 0 ? NULL : a->sums[buf];
}

// Does a product of a convolution run on the kernels of sm_90a?  Not where the portable kernels cut K into ranges: the
// large tiles of sm_90a would leave most of the GPU idle there, and they have no kernel that cuts K.
static inline int fast_on_hopper(const FastNet *net, const FastConv *c, int back, int sums) {
    ConvProduct p = conv_product_shape(c, back, sums);
    return net->hopper && wgmma_fits(c) && !(net->split && mma_plan(&p).split > 1);
}

// The shapes and the forward arguments of operation i.
static inline void fast_layer(FastNet *net, FastBatch *b, const FastArena *a, FastTake *take, int i) {
    const UnetPlan *u = net->plan;
    const UnetOp *op = &u->op[i];
    const UnetBuf *y = &u->buf[op->out];
    FastLayer *l = &b->layer[i];
    const FastView *v = op->in >= 0 ? &net->view[op->in] : NULL;
    int N = b->N, pixels = N * y->H * y->W;
    l->role = fast_role(u, op);
    l->w = op->w;
    l->b = op->b;
    if (l->role == FAST_NOTHING || l->role == FAST_EMBED) {
        return;
    }
    int C1 = u->buf[v->first].C, C2 = v->second >= 0 ? u->buf[v->second].C : 0;
    l->x1 = fast_tensor(net, b, a, v->first, 0);
    l->x2 = fast_tensor(net, b, a, v->second, 0);
    l->y = fast_tensor(net, b, a, op->out, 0);
    l->dx1 = fast_tensor(net, b, a, v->first, 1);
    l->dx2 = fast_tensor(net, b, a, v->second, 1);
    l->dy = fast_tensor(net, b, a, op->out, 1);
    l->sums = fast_sums(a, op->out);
    l->sums1 = fast_sums(a, v->first);
    l->sums2 = fast_sums(a, v->second);
    switch (l->role) {
    case FAST_CONV: {
        FastConv c = {N,  y->H, y->W,  C1,
                      C2, y->C, op->k, op->stride == 2 ? CONV_HALVE : v->doubled ? CONV_DOUBLE : CONV_SAME};
        l->conv = c;
        l->add = fast_tensor(net, b, a, op->other, 0);
        l->dadd = op->other != op->out ? fast_tensor(net, b, a, op->other, 1) : NULL;
        for (int k = i + 1; k < u->ops && l->sums != NULL; k++) { // only the last who writes leaves the sums
            l->sums = u->op[k].kind == UNET_CONV && u->op[k].out == op->out ? NULL : l->sums;
        }
        l->hopper = net->hopper && wgmma_fits(&c);
        l->hopper_y = fast_on_hopper(net, &c, 0, l->sums != NULL);
        l->hopper_dx = fast_on_hopper(net, &c, 1, 0);
        l->weight_slices = l->hopper ? wgmma_slices(&c) : mma_slices(&c);
        l->bias_slices = op->rows >= 0 ? N : bias_parts(pixels);
        if (op->rows >= 0) {
            size_t at = (size_t)N * b->embed.linear[net->rows_linear[op->rows]].rows;
            l->rows = b->data.rows + at;
            l->drows = (float *)b->data.drows + at;
        }
        l->dw = fast_take<float>(take, (size_t)l->weight_slices * (size_t)(op->k * op->k * (C1 + C2)) * (size_t)y->C);
        l->db = op->rows >= 0 ? l->drows : fast_take<float>(take, (size_t)l->bias_slices * (size_t)y->C);
        break;
    }
    case FAST_FIRST:
    case FAST_LAST: {
        int first = l->role == FAST_FIRST, thin = u->shape.channels, wide = first ? y->C : C1;
        ThinConv c = {N, y->H, y->W, thin, wide};
        l->thin = c;
        l->weight_slices = thin_slices(&c);
        l->bias_slices = bias_parts(pixels);
        l->dw = fast_take<float>(take, (size_t)l->weight_slices * 9 * (size_t)thin * (size_t)wide);
        l->db = fast_take<float>(take, (size_t)l->bias_slices * (size_t)y->C);
        break;
    }
    case FAST_NORM: {
        FastNorm s = {N, y->H, y->W, C1, C2, u->shape.groups, 1e-5f, op->silu};
        l->norm = s;
        l->weight_slices = N * norm_parts(&s);
        l->stats = fast_take<float>(take, (size_t)N * (size_t)u->shape.groups * 2);
        l->dnorm = fast_take<float>(take, (size_t)l->weight_slices * 2 * (size_t)(C1 + C2));
        break;
    }
    default: {
        FastAttention s = {N, y->H * y->W, y->C};
        l->attend = s;
        l->lse = fast_take<float>(take, (size_t)pixels);
        l->D = fast_take<float>(take, (size_t)pixels);
        break;
    }
    }
}

// Marks a gradient as begun; returns whether it was.
static inline int fast_begin(FastArena *a, int buf) {
    int was = buf >= 0 && a->started[buf];
    if (buf >= 0) {
        a->started[buf] = 1;
    }
    return was;
}

// Who comes first on the way back writes a gradient, the others add to it.
static inline void fast_order(FastNet *net, FastBatch *b, FastArena *a) {
    const UnetPlan *u = net->plan;
    memset(a->started, 0, sizeof a->started);
    for (int i = u->ops - 1; i >= 0; i--) {
        const UnetOp *op = &u->op[i];
        FastLayer *l = &b->layer[i];
        if (l->role == FAST_NOTHING || l->role == FAST_EMBED) {
            continue;
        }
        if (l->dadd != NULL) {
            l->add_add = fast_begin(a, op->other);
        }
        l->add1 = fast_begin(a, net->view[op->in].first);
        l->add2 = fast_begin(a, net->view[op->in].second);
    }
}

// ---- the table of the parameters -----------------------------------------------------------------------------------

static inline void fast_segment(FastSegment *to, int *n, size_t at, size_t count, int slices, size_t stride,
                                const float *sums) {
    FastSegment s = {at, (int)count, slices, stride, sums};
    to[(*n)++] = s;
}

// Where the gradients of all parameters lie.  segment: room for 2 an operation.
static inline int fast_segments(FastSegment *segment, const FastNet *net, const FastBatch *b) {
    const UnetPlan *u = net->plan;
    int n = 0;
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        const FastLayer *l = &b->layer[i];
        size_t C = (size_t)u->buf[op->out].C;
        if (op->np == 0) {
            continue;
        }
        if (l->role == FAST_EMBED) {
            fast_segment(segment, &n, op->w, op->np, 1, 0, net->embed_g + op->w);
        } else if (l->role == FAST_NORM) {
            fast_segment(segment, &n, op->w, C, l->weight_slices, 2 * C, l->dnorm);
            fast_segment(segment, &n, op->b, C, l->weight_slices, 2 * C, l->dnorm + C);
        } else {
            fast_segment(segment, &n, op->w, op->np - C, l->weight_slices, op->np - C, l->dw);
            fast_segment(segment, &n, op->b, C, l->bias_slices, C, l->db);
        }
    }
    return n;
}

// The table of n segments on the device.  Free with fast_table_free.
static inline FastTable fast_table_new(const FastSegment *segment, int n) {
    int chunks = step_chunks(NULL, segment, n);
    FastChunk *chunk = NEW(FastChunk, (size_t)chunks);
    step_chunks(chunk, segment, n);
    FastTable table = {fast_upload(segment, (size_t)n), fast_upload(chunk, (size_t)chunks), chunks};
    free(chunk);
    return table;
}

static inline void fast_table_free(FastTable *table) {
    device_free((void *)table->segment);
    device_free((void *)table->chunk);
}

// ---- everything ----------------------------------------------------------------------------------------------------

static inline void fast_arrange(FastNet *net, FastBatch *b, FastTake *take) {
    const UnetPlan *u = net->plan;
    FastArena a;
    size_t N = (size_t)b->N, dim = unet_size(&u->buf[u->image]), width = (size_t)u->shape.time, rows = 0;
    memset(&a, 0, sizeof a);
    a.tensors = fast_take<bf16>(take, size_mul(N, net->arena));
    for (int k = 0; k < u->bufs; k++) {
        const UnetBuf *t = &u->buf[k];
        if (net->normed[k]) {
            a.sums[k] = fast_take<float>(take, N * (size_t)fast_sum_parts(t->H, t->W) * 2 * (size_t)t->C);
        }
    }
    for (int k = 2; k < net->embed.linears; k++) {
        rows += (size_t)net->embed.linear[k].out;
    }
    b->embed = net->embed;
    b->embed.N = b->N;
    b->t = fast_take<int>(take, N);
    b->prompt = fast_take<int>(take, N);
    b->data.p = net->p;
    b->data.times = net->times;
    b->data.t = b->t;
    b->data.prompt = b->prompt;
    b->data.token = net->token;
    b->data.z1 = fast_take<float>(take, N * width);
    b->data.a1 = fast_take<float>(take, N * width);
    b->data.z2 = fast_take<float>(take, N * width);
    b->data.e = fast_take<float>(take, N * width);
    b->data.rows = fast_take<float>(take, N * rows);
    b->data.drows = fast_take<float>(take, N * rows);
    b->data.dz1 = fast_take<float>(take, N * width);
    b->data.dz2 = fast_take<float>(take, N * width);
    b->data.g = net->embed_g;
    b->x = fast_take<float>(take, N * dim);
    b->F = fast_take<float>(take, N * dim);
    b->eps = fast_take<float>(take, N * dim);
    b->deps = fast_take<float>(take, N * dim);
    b->dF = fast_take<float>(take, N * dim);
    b->dx = fast_take<float>(take, N * dim);
    b->noise = fast_take<float>(take, N * dim);
    b->losses = fast_take<float>(take, N);
    b->mean = fast_take<float>(take, 1);
    size_t space = 0;
    for (int i = 0; i < u->ops; i++) {
        fast_layer(net, b, &a, take, i);
        size_t n = net->split && b->layer[i].role == FAST_CONV ? mma_space(&b->layer[i].conv) : 0;
        space = n > space ? n : space;
    }
    b->space = space > 0 ? fast_take<float>(take, space) : NULL;
    fast_order(net, b, &a);
}

// Memory and arguments for N images.  Free with fast_batch_free.
static inline FastBatch *fast_batch_new(FastNet *net, int N) {
    FastBatch *b = NEW(FastBatch, 1);
    FastSegment *segment = NEW(FastSegment, 2 * (size_t)net->plan->ops);
    FastTake count = {NULL, 0}, take;
    if (N < 1 || N % fast_rows_unit(net->plan) != 0) {
        DIE("unet: a batch of %d for the fast kernels; use a multiple of %d", N, fast_rows_unit(net->plan));
    }
    b->N = N;
    fast_arrange(net, b, &count);
    b->bytes = count.at;
    b->memory = (char *)device_alloc(b->bytes);
    take.base = b->memory;
    take.at = 0;
    fast_arrange(net, b, &take);
    b->table = fast_table_new(segment, fast_segments(segment, net, b));
    b->squares = DEVICE_NEW(double, (size_t)b->table.chunks);
    free(segment);
    return b;
}

static inline void fast_batch_free(FastBatch *b) {
    if (b == NULL) {
        return;
    }
    device_free(b->memory);
    fast_table_free(&b->table);
    device_free(b->squares);
    free(b);
}

#endif
