// conv_wgmma.h: the calls of the Hopper convolutions, and which tile each of them uses.
//
// They exist where the program is compiled for sm_90a:  nvcc -DTILT_HOPPER -gencode=arch=compute_90a,code=sm_90a
// (or with -DEMULATE for the CPU).  Without TILT_HOPPER nothing of them is compiled, and wgmma_fits says no.  With it,
// and other processors beside sm_90a, it says no on those.
#ifndef TILT_CONV_WGMMA_H
#define TILT_CONV_WGMMA_H

#if defined(EMULATE) || defined(TILT_HOPPER)

#include "conv_wgmma_weights.h"

typedef WgmmaTile<256, 128, 1> WgmmaTile0;
typedef WgmmaTile<128, 128, 2> WgmmaTile1;
typedef WgmmaTile<128, 64, 2> WgmmaTile2;

enum {
    WGMMA_TILES = 3,
    WGMMA_ENOUGH = 96,         // thread blocks that keep the GPU busy; an estimate, to be replaced by a measurement
    WGMMA_SHARED = 227 * 1024, // bytes that a block of sm_90 may have
    WGMMA_PAIRED = 113 * 1024  // so many, and two blocks fit on a processor
};

// Has this processor the instructions?
static inline int wgmma_ready() {
#ifdef EMULATE
    return 1;
#else
    static int major = -1;
    if (major < 0) {
        int device = 0;
        cudaGetDevice(&device);
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    }
    return major == 9; // the a in sm_90a: no other processor has exactly these
#endif
}

// Images of at least 8 pixels a row (the row slide) and 64 in all (a product of 64 pixels lies within an image).
static inline int wgmma_fits(const FastConv *c) {
    return wgmma_ready() && c->how == CONV_SAME && (c->k == 1 || c->k == 3) && c->W >= 8 && c->W <= 128 &&
           c->H * c->W >= 64 && c->C1 % 64 == 0 && c->C2 % 64 == 0 && c->out % 64 == 0;
}

// ---- tiles ---------------------------------------------------------------------------------------------------------

static inline int wgmma_tile_rows(int tile) {
    return tile == 0 ? 256 : 128;
}

static inline int wgmma_tile_columns(int tile) {
    return tile == 2 ? 64 : 128;
}

static inline int wgmma_blocks(const ConvProduct *p, int tile) {
    int bm = wgmma_tile_rows(tile);
    return (p->walk.rows + bm - 1) / bm * ((p->columns1 + p->columns2) / wgmma_tile_columns(tile));
}

// The largest tile that makes enough blocks, or else the one that makes the most.
static inline int wgmma_pick(const ConvProduct *p) {
    int tile = (p->columns1 + p->columns2) % 128 == 0 ? 0 : WGMMA_TILES - 1;
    while (tile < WGMMA_TILES - 1 && wgmma_blocks(p, tile) < WGMMA_ENOUGH) {
        tile++;
    }
    return tile;
}

template <class T, bool BACK> static inline void wgmma_launch(const ConvProduct *p, int k, Stream stream) {
    const ConvWalk *walk = &p->walk;
    int H = walk->height, W = walk->width, N = walk->rows / (H * W);
    int images = T::BM > H * W ? T::BM / (H * W) : 1;
    WgmmaProduct w = WgmmaProduct();
    w.p = *p;
    w.k = k;
    int tile_h = images > 1 ? H : T::BM / W, box_h = tile_h + k - 1,
        limit = T::BLOCKS == 1 ? WGMMA_SHARED : WGMMA_PAIRED;
    w.log_tile = conv_log2(tile_h * W);
    w.a_bytes = images * box_h * W * 128;
    w.a_slots = k == 1 ? 3 : 2;
    w.b_slots = 6; // as many as fit, at least 2
    while (w.b_slots > 2 && w.a_slots * w.a_bytes + w.b_slots * (T::B_BYTES + 16) + 64 > limit) {
        w.b_slots--;
    }
    w.a1 = tensor_map(p->a1, p->depth1, W, H, N, W, box_h, images);
    w.a2 = p->depth2 > 0 ? tensor_map(p->a2, p->depth2, W, H, N, W, box_h, images) : w.a1;
    w.w = tensor_map(p->w, p->out, k * k * p->in, 1, 1, BACK ? T::BN : 64, 1, 1);
    int bytes = w.a_slots * (w.a_bytes + 16) + w.b_slots * (T::B_BYTES + 16);
    unsigned columns = (unsigned)((p->columns1 + p->columns2) / T::BN);
    LAUNCH_FAST((wgmma_conv<T, BACK>), dim3(columns, (unsigned)((walk->rows + T::BM - 1) / T::BM)), dim3(T::ALL),
                (size_t)(bytes > T::EPILOGUE ? bytes : T::EPILOGUE), stream, w);
}

template <bool BACK> static inline void wgmma_run(const ConvProduct *p, int k, int tile, Stream stream) {
    switch (tile) {
    case 0:
        return wgmma_launch<WgmmaTile0, BACK>(p, k, stream);
    case 1:
        return wgmma_launch<WgmmaTile1, BACK>(p, k, stream);
    default:
        return wgmma_launch<WgmmaTile2, BACK>(p, k, stream);
    }
}

// ---- the calls, for shapes that fit --------------------------------------------------------------------------------

static inline void wgmma_forward(const FastConv *c, const FastForward *f, Stream stream) {
    ConvProduct p = conv_product_forward(c, f);
    wgmma_run<false>(&p, c->k, wgmma_pick(&p), stream);
}

static inline void wgmma_backward_input(const FastConv *c, const FastBackward *b, Stream stream) {
    ConvProduct p = conv_product_back(c, b);
    wgmma_run<true>(&p, c->k, wgmma_pick(&p), stream);
}

#else // ---- without TILT_HOPPER -------------------------------------------------------------------------------------

#include "../core/base.h"
#include "fast_args.h"

static inline int wgmma_ready() {
    return 0;
}

static inline int wgmma_fits(const FastConv *) {
    return 0;
}

static inline void wgmma_missing() {
    DIE("the Hopper convolutions are not compiled in; compile with -DTILT_HOPPER for sm_90a");
}

static inline void wgmma_forward(const FastConv *, const FastForward *, Stream) {
    wgmma_missing();
}

static inline void wgmma_backward_input(const FastConv *, const FastBackward *, Stream) {
    wgmma_missing();
}

static inline void wgmma_backward_weights(const FastConv *, const bf16 *, const bf16 *, const bf16 *, float *, int,
                                          Stream) {
    wgmma_missing();
}

static inline int wgmma_slices(const FastConv *) {
    return 1;
}

#endif
#endif
