// conv_mma.h: the calls of the portable tensor-core convolutions (sm_80 and later), and which tile each of them uses
// and into how many ranges it cuts K.
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

static inline int mma_slices_of(const ConvProduct *p) {
    return p->walk.first[1] * ((p->depth1 + p->depth2) / 64);
}

// A tile takes whole columns, and a part of the sums must not be spread over two blocks, unless conv_join makes them.
static inline int mma_tile_fits(const ConvProduct *p, int tile, int split) {
    return (p->columns1 + p->columns2) % mma_tile_columns(tile) == 0 &&
           (split > 1 || p->sums == NULL || p->sum_pixels <= mma_tile_rows(tile));
}

// With K whole: the largest tile (fewest bytes a product) that makes enough blocks, or else the one that makes most.
static inline int mma_pick(const ConvProduct *p) {
    int best = -1;
    for (int tile = 0; tile < MMA_TILES; tile++) {
        if (mma_tile_fits(p, tile, 1)) {
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

// ---- how far K is cut ----------------------------------------------------------------------------------------------

struct MmaPlan {
    int tile, split;
};

// What a product takes, in nanoseconds of an H100: as many waves of blocks as the processors need, in each the longest
// range, and with a cut the second launch and its traffic.  All of these numbers are estimates, none is measured.
enum {
    MMA_START = 1500,     // a block: the first copies, and the result
    MMA_SLICE = 200,      // a slice of 64 channels, whatever the tile: waiting for copies, barriers, fragments
    MMA_TILE_RATE = 50,   // numbers of the tile that one more nanosecond of the slice pays for
    MMA_JOIN = 2000,      // one more kernel in a graph, and its first loads
    MMA_JOIN_RANGE = 50,  // a range: a thread of conv_join reads them in groups, one group after the other
    MMA_JOIN_RATE = 2000, // bytes a nanosecond: the ranges' sums, written and read
    MMA_MOST_RANGES = 32,
    MMA_WORTH = 4 // estimates are rough: a cut must promise to save a quarter
};

static inline long mma_time(const ConvProduct *p, int tile, int split) {
    long waves = ((long)mma_blocks(p, tile) * split + MMA_PROCESSORS - 1) / MMA_PROCESSORS;
    long slice = MMA_SLICE + mma_tile_rows(tile) * mma_tile_columns(tile) / MMA_TILE_RATE;
    long time = waves * (MMA_START + (mma_slices_of(p) + split - 1) / split * slice);
    long bytes = 8L * split * p->walk.rows * (p->columns1 + p->columns2);
    return split == 1 ? time : time + MMA_JOIN + split * MMA_JOIN_RANGE + bytes / MMA_JOIN_RATE;
}

// A function of the shape alone, so that every GPU gives the same bits.  Where K whole makes enough blocks it stays
// whole.  So it does in the gradient of CONV_HALVE: its four parts make four times the blocks already, and a block has
// at most 4 taps to walk through instead of 9.
static inline MmaPlan mma_plan(const ConvProduct *p) {
    MmaPlan best = {mma_pick(p), 1};
    if (p->walk.parts > 1 || mma_blocks(p, best.tile) >= MMA_ENOUGH) {
        return best;
    }
    long whole = mma_time(p, best.tile, 1), least = whole - whole / MMA_WORTH;
    for (int tile = 0; tile < MMA_TILES; tile++) {
        for (int split = 2; split <= MMA_MOST_RANGES && split <= mma_slices_of(p); split++) {
            long time = mma_time(p, tile, split);
            if (mma_tile_fits(p, tile, split) && time < least) {
                least = time;
                best.tile = tile;
                best.split = split;
            }
        }
    }
    return best;
}

// Numbers that the ranges of a product leave.
static inline size_t mma_space_of(const ConvProduct *p) {
    int split = mma_plan(p).split;
    return split == 1 ? 0 : (size_t)split * (size_t)p->walk.rows * (size_t)(p->columns1 + p->columns2);
}

// The most that forward, with and without sums, and the gradient of the inputs need.
static inline size_t mma_space(const FastConv *c) {
    size_t most = 0;
    for (int i = 0; i < 3; i++) {
        ConvProduct p = conv_product_shape(c, i == 2, i == 1);
        size_t n = mma_space_of(&p);
        most = n > most ? n : most;
    }
    return most;
}

// ---- launches ------------------------------------------------------------------------------------------------------

template <class T, bool BACK> static inline void mma_launch(const ConvProduct &p, Stream stream) {
    unsigned columns = (unsigned)((p.columns1 + p.columns2) / T::BN);
    unsigned rows = (unsigned)((p.walk.rows + T::BM - 1) / T::BM);
    unsigned layers = (unsigned)(p.split > 1 ? p.split : p.walk.parts);
    LAUNCH_FAST((mma_conv<T, BACK>), dim3(columns, rows, layers), dim3(T::THREADS), T::BYTES, stream, p);
    if (p.split > 1) {
        conv_join_launch(p, stream);
    }
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

template <bool BACK> static inline void mma_call(ConvProduct p, Stream stream) {
    MmaPlan whole = {mma_pick(&p), 1}, plan = p.partial != NULL ? mma_plan(&p) : whole;
    p.split = plan.split;
    mma_run<BACK>(p, plan.tile, stream);
}

static inline void mma_forward(const FastConv *c, const FastForward *f, Stream stream) {
    mma_call<false>(conv_product_forward(c, f), stream);
}

static inline void mma_backward_input(const FastConv *c, const FastBackward *b, Stream stream) {
    mma_call<true>(conv_product_back(c, b), stream);
}

#endif
