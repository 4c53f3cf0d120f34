// conv_mma.h: the calls of the portable tensor-core convolutions (sm_80 and later), and which tile each of them uses.
#ifndef TILT_CONV_MMA_H
#define TILT_CONV_MMA_H

#include "conv_mma_kernel.h"

typedef MmaTile<128, 128, 64, 32, 3> MmaTile0; // 96 KiB of shared memory: also fits the cards that have 99 KiB
typedef MmaTile<128, 64, 64, 32, 4> MmaTile1;
typedef MmaTile<64, 64, 32, 32, 4> MmaTile2;
typedef MmaTile<128, 32, 32, 32, 4> MmaTile3;
typedef MmaTile<32, 32, 16, 16, 6> MmaTile4;

enum {
    MMA_TILES = 5,
    MMA_PROCESSORS = 132, // of an H100 or H200.  A constant, so that another card gives the same bits
    MMA_ENOUGH = 96       // thread blocks that keep them busy; an estimate, to be replaced by a measurement
};

static inline int mma_tile_rows(int tile) {
    static const int rows[MMA_TILES] = {128, 128, 64, 128, 32};
    return rows[tile];
}

static inline int mma_tile_columns(int tile) {
    static const int columns[MMA_TILES] = {128, 64, 64, 32, 32};
    return columns[tile];
}

static inline int mma_blocks(const ConvProduct *p, int tile) {
    int bm = mma_tile_rows(tile), bn = mma_tile_columns(tile);
    return (p->walk.rows + bm - 1) / bm * ((p->columns1 + p->columns2) / bn) * p->walk.parts;
}

// A tile takes whole columns, and a part of the sums must not be spread over two blocks.
static inline int mma_tile_fits(const ConvProduct *p, int tile) {
    return (p->columns1 + p->columns2) % mma_tile_columns(tile) == 0 &&
           (p->sums == NULL || p->sum_pixels <= mma_tile_rows(tile));
}

// The largest tile (fewest bytes a product) that makes enough blocks, or else the one that makes the most.  What a
// small image and a batch of 1 would still gain from, K split over blocks with a second pass that adds, is not here.
static inline int mma_pick(const ConvProduct *p) {
    int best = -1;
    for (int tile = 0; tile < MMA_TILES; tile++) {
        if (mma_tile_fits(p, tile)) {
            if (mma_blocks(p, tile) >= MMA_ENOUGH) {
                return tile;
            }
            if (best < 0 || mma_blocks(p, tile) > mma_blocks(p, best)) {
                best = tile;
            }
        }
    }
    return best;
}

template <class T, bool BACK> static inline void mma_launch(const ConvProduct &p, Stream stream) {
    unsigned columns = (unsigned)((p.columns1 + p.columns2) / T::BN);
    unsigned rows = (unsigned)((p.walk.rows + T::BM - 1) / T::BM);
    LAUNCH_FAST((mma_conv<T, BACK>), dim3(columns, rows, (unsigned)p.walk.parts), dim3(T::THREADS), T::BYTES, stream,
                p);
}

template <bool BACK> static inline void mma_run(const ConvProduct &p, int tile, Stream stream) {
    switch (tile) {
    case 0:
        return mma_launch<MmaTile0, BACK>(p, stream);
    case 1:
        return mma_launch<MmaTile1, BACK>(p, stream);
    case 2:
        return mma_launch<MmaTile2, BACK>(p, stream);
    case 3:
        return mma_launch<MmaTile3, BACK>(p, stream);
    default:
        return mma_launch<MmaTile4, BACK>(p, stream);
    }
}

// ---- the calls ----------------------------------------------------------------------------------------------------

static inline void mma_forward(const FastConv *c, const FastForward *f, Stream stream) {
    ConvProduct p = conv_product_forward(c, f);
    mma_run<false>(p, mma_pick(&p), stream);
}

static inline void mma_backward_input(const FastConv *c, const FastBackward *b, Stream stream) {
    ConvProduct p = conv_product_back(c, b);
    mma_run<true>(p, mma_pick(&p), stream);
}

#endif
