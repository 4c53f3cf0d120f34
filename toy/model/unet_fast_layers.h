// unet_fast_layers.h: the passes through the fast network, forward and back, as launches; and how a pass is recorded
// once and replayed.
#ifndef TILT_UNET_FAST_LAYERS_H
#define TILT_UNET_FAST_LAYERS_H

#include "unet_fast_batch.h"

// ---- launches ------------------------------------------------------------------------------------------------------

static inline void fast_forward_layer(FastNet *net, FastBatch *b, const FastLayer *l, Stream stream) {
    const bf16 *w = net->copy + l->w;
    const float *bias = net->p + l->b;
    switch (l->role) {
    case FAST_FIRST:
        thin_in_forward(&l->thin, b->x, net->p + l->w, bias, l->y, l->sums, stream);
        break;
    case FAST_LAST:
        thin_out_forward(&l->thin, l->x1, net->p + l->w, bias, b->F, stream);
        break;
    case FAST_CONV: {
        FastForward f = {l->x1, l->x2, w, bias, l->rows, l->add, l->y, l->sums, b->space};
        l->hopper_y ? wgmma_forward(&l->conv, &f, stream) : mma_forward(&l->conv, &f, stream);
        break;
    }
    case FAST_NORM: {
        NormForward f = {l->x1, l->x2, l->sums1, l->sums2, net->p + l->w, bias, l->y, l->stats};
        norm_forward(&l->norm, &f, stream);
        break;
    }
    case FAST_ATTEND:
        attention_forward_fast(&l->attend, l->x1, l->y, l->lse, stream);
        break;
    default:
        break;
    }
}

static inline Levels fast_levels(const FastNet *net, const FastBatch *b) {
    Levels l = {net->alpha, net->sigma, b->t, b->N, unet_size(&net->plan->buf[net->plan->image])};
    return l;
}

// From b->x, b->t, b->prompt to b->F.
static inline void fast_forward(FastNet *net, FastBatch *b, Stream stream) {
    embed_forward(&b->embed, &b->data, stream);
    for (int i = 0; i < net->plan->ops; i++) {
        fast_forward_layer(net, b, &b->layer[i], stream);
    }
}

// dst = or += src, bf16: the way back of a skip connection.
static __global__ void __launch_bounds__(256) fast_add_kernel(bf16 *dst, const bf16 *src, size_t eights, int add) {
    size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < eights) {
        float d[8] = {0}, s[8];
        if (add) {
            load_eight(d, dst + 8 * i);
        }
        load_eight(s, src + 8 * i);
        UNROLL
        for (int k = 0; k < 8; k++) {
            s[k] += d[k];
        }
        store_eight(dst + 8 * i, s);
    }
}

static inline void fast_add(bf16 *dst, const bf16 *src, size_t n, int add, Stream stream) {
    LAUNCH_FAST(fast_add_kernel, dim3((unsigned)((n / 8 + 255) / 256)), dim3(256), 0, stream, dst, src, n / 8, add);
}

static inline void fast_backward_conv(FastNet *net, FastBatch *b, const FastLayer *l, int weights, Stream stream) {
    const FastConv *c = &l->conv;
    FastBackward back = {l->dy, net->copy + l->w, l->dx1, l->dx2, l->add1, l->add2, b->space};
    int pixels = c->H * c->W;
    if (weights && l->drows != NULL) { // the way back to time and prompt, and as N slices the bias
        rows_sums(l->dy, l->drows, c->N, pixels, c->out, stream);
    } else if (weights) {
        bias_sums(l->dy, c->N * pixels, c->out, l->db, l->bias_slices, stream);
    }
    if (weights && l->hopper) {
        wgmma_backward_weights(c, l->x1, l->x2, l->dy, l->dw, l->weight_slices, stream);
    } else if (weights) {
        mma_backward_weights(c, l->x1, l->x2, l->dy, l->dw, l->weight_slices, stream);
    }
    l->hopper_dx ? wgmma_backward_input(c, &back, stream) : mma_backward_input(c, &back, stream);
    if (l->dadd != NULL) {
        fast_add(l->dadd, l->dy, (size_t)(c->N * pixels) * (size_t)c->out, l->add_add, stream);
    }
}

static inline void fast_backward_layer(FastNet *net, FastBatch *b, const FastLayer *l, int weights, int input,
                                       Stream stream) {
    const ThinConv *t = &l->thin;
    int pixels = t->N * t->H * t->W;
    switch (l->role) {
    case FAST_FIRST:
        if (weights) {
            thin_in_backward_weights(t, b->x, l->dy, l->dw, l->weight_slices, stream);
            bias_sums(l->dy, pixels, t->wide, l->db, l->bias_slices, stream);
        }
        if (input) {
            thin_in_backward_input(t, l->dy, net->p + l->w, b->dx, stream);
        }
        break;
    case FAST_LAST:
        if (weights) {
            thin_out_backward_weights(t, l->x1, b->dF, l->dw, l->weight_slices, stream);
            bias_sums_of_image(b->dF, pixels, t->thin, l->db, l->bias_slices, stream);
        }
        thin_out_backward_input(t, b->dF, net->p + l->w, l->dx1, stream);
        break;
    case FAST_CONV:
        fast_backward_conv(net, b, l, weights, stream);
        break;
    case FAST_NORM: {
        NormBackward back = {l->dy,  l->x1,  l->x2,   l->stats, net->p + l->w, net->p + l->b,
                             l->dx1, l->dx2, l->add1, l->add2,  l->dnorm};
        norm_backward(&l->norm, &back, stream);
        break;
    }
    case FAST_ATTEND: {
        AttentionBackward back = {l->dy, l->y, l->x1, l->lse, l->D, l->dx1};
        attention_backward_fast(&l->attend, &back, stream);
        break;
    }
    default:
        break;
    }
}

// From b->dF to the slices of all gradients (weights) and to b->dx, the gradient through F (input).
static inline void fast_backward(FastNet *net, FastBatch *b, int weights, int input, Stream stream) {
    for (int i = net->plan->ops - 1; i >= 0; i--) {
        fast_backward_layer(net, b, &b->layer[i], weights, input, stream);
    }
    if (weights) {
        embed_backward(&b->embed, &b->data, stream);
    }
}

// ---- recorded once, replayed ---------------------------------------------------------------------------------------

#ifdef EMULATE
struct FastGraph {
    int none;
};
#else
struct FastGraph {
    cudaGraphExec_t ready;
};
#endif

#ifdef EMULATE
static inline void fast_wait(Stream stream) {
    (void)stream;
}
template <class F> static inline void fast_replay(FastGraph *graph, Stream stream, F record) {
    (void)graph;
    (void)stream;
    record();
}
static inline void fast_graph_free(FastGraph *graph) {
    (void)graph;
}
#else
static inline void fast_wait(Stream stream) {
    cuda_check(cudaGetLastError(), "the launch of a kernel");
    cuda_check(cudaStreamSynchronize(stream), "a kernel");
}
// The first pass runs directly, which also asks for shared memory; the second is recorded.
template <class F> static inline void fast_replay(FastGraph *graph, Stream stream, F record) {
    if (graph->ready == NULL) {
        cudaGraph_t recorded;
        record();
        fast_wait(stream);
        cuda_check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "record a graph");
        record();
        cuda_check(cudaStreamEndCapture(stream, &recorded), "record a graph");
        cuda_check(cudaGraphInstantiate(&graph->ready, recorded, 0), "prepare a graph");
        cuda_check(cudaGraphDestroy(recorded), "free a graph");
        return;
    }
    cuda_check(cudaGraphLaunch(graph->ready, stream), "replay a graph");
}
static inline void fast_graph_free(FastGraph *graph) {
    if (graph->ready != NULL) {
        cuda_check(cudaGraphExecDestroy(graph->ready), "free a graph");
        graph->ready = NULL;
    }
}
#endif

#endif
