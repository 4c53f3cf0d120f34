// conv_wgmma_weights.h: the gradient of a convolution's weights on the tensor cores of sm_90a.
//
//   dw[tap][i][o] = sum over the pixels m of x[source of m under the tap][i] dy[m][o]
// Rows are input channels, columns output channels, K runs over the pixels.  Both tiles lie in memory with one row for
// every k, so both are read transposed.  A box of x with 2 rows more serves the three taps of a kernel column (the row
// slide of conv_wgmma_kernel.h), and a thread block computes all three.  The pixels are split into `slices` ranges by a
// fixed rule; each writes its own copy of dw, and whoever reads them adds them up in order.
#ifndef TILT_CONV_WGMMA_WEIGHTS_H
#define TILT_CONV_WGMMA_WEIGHTS_H

#include "conv_wgmma_kernel.h"

// CONSUMERS warpgroups of 64 input channels each, BN output channels, the TAPS of a kernel column; pixels at a time.
template <int CONSUMERS_, int BN_, int TAPS_> struct WgmmaSumTile {
    static const int CONSUMERS = CONSUMERS_, BN = BN_, TAPS = TAPS_, BM = 64 * CONSUMERS, PIXELS = 128;
    // one block a processor with registers to hand over, or two (see WgmmaTile)
    static const int BLOCKS = CONSUMERS == 2 ? 1 : 2, THREADS = CONSUMERS * 128;
    static const int ALL = THREADS + (BLOCKS == 1 ? 128 : 32);
    static const int DY_BYTES = PIXELS * BN * 2;
};

struct WgmmaWeights {
    TensorMap x1, x2, dy;
    int C1, C2, out, slices;
    int log_h, log_w, chunks; // chunks: how often PIXELS, the last may reach beyond the last image
    int log_tile;             // a chunk has 2^log_tile pixels of an image
    int x_bytes, slots;       // bytes of a box of 64 channels of x
    float *dw;                // [slices][taps][C1 + C2][out]
};

#ifdef WGMMA_HERE

// Chunks begin .. end - 1: 64 channels of x for every consumer, shifted by the kernel column, and BN of dy.
template <class T>
__device__ __forceinline__ void wgmma_produce_pixels(const WgmmaWeights &w, WgmmaRing ring, int begin, int end, int i0,
                                                     int o0, int column) {
    const int border = T::TAPS / 2;
    for (int chunk = begin; chunk < end; chunk++) {
        const int m = chunk * T::PIXELS, image = m >> (w.log_h + w.log_w), h = m >> w.log_w & ((1 << w.log_h) - 1);
        const uint32_t to = wgmma_slot(ring), full = wgmma_full(ring);
        wgmma_open(ring, T::DY_BYTES + T::CONSUMERS * w.x_bytes);
        for (int j = 0; j < T::BN / 64; j++) {
            tensor_load(to + (uint32_t)(j * T::PIXELS * 128), &w.dy, full, o0 + j * 64, 0, h, image);
        }
        for (int j = 0; j < T::CONSUMERS; j++) {
            const int i = i0 + j * 64;
            const bool second = i >= w.C1;
            tensor_load(to + (uint32_t)(T::DY_BYTES + j * w.x_bytes), second ? &w.x2 : &w.x1, full,
                        second ? i - w.C1 : i, column - border, h - border, image);
        }
        wgmma_next(ring);
    }
}

template <class T>
__device__ __forceinline__ void wgmma_consume_pixels(float (&acc)[T::TAPS][T::BN / 2], const WgmmaWeights &w,
                                                     WgmmaRing ring, int chunks, int group) {
    const bool speaks = threadIdx.x % 32 == 0;
    const int more = (T::TAPS - 1) << w.log_w; // pixels of the border above and below
    uint32_t free = 0;
    for (int chunk = 0; chunk < chunks; chunk++) {
        const uint32_t dy = wgmma_slot(ring), x = dy + (uint32_t)(T::DY_BYTES + group * w.x_bytes);
        mbarrier_wait(wgmma_full(ring), ring.parity);
        wgmma_fence();
        UNROLL
        for (int m = 0; m < T::PIXELS; m += 16) { // 16 pixels lie within an image
            const uint64_t gradients = matrix_descriptor(dy + m * 128, T::PIXELS * 128, 1024);
            const int row = m + (m >> w.log_tile) * more;
            UNROLL
            for (int r = 0; r < T::TAPS; r++) {
                const uint32_t at = x + (uint32_t)(row + (r << w.log_w)) * 128;
                wgmma<1, 1>(acc[r], matrix_descriptor(at, 8192, 1024), gradients); // 64 channels: 8192 leads nowhere
            }
        }
        wgmma_commit();
        wgmma_wait<1>(); // the products of the chunk before are over
        if (speaks && free != 0) {
            mbarrier_arrive(free);
        }
        free = wgmma_empty(ring);
        wgmma_next(ring);
    }
    wgmma_wait<0>();
}
#endif

// grid: (tiles of a kernel matrix, kernel columns, slices)
template <class T>
__global__ void __launch_bounds__(T::ALL, T::BLOCKS) wgmma_weights(const __grid_constant__ WgmmaWeights w) {
#ifdef WGMMA_HERE
    const int across = w.out / T::BN, o0 = (int)blockIdx.x % across * T::BN, i0 = (int)blockIdx.x / across * T::BM;
    const int group = (int)threadIdx.x / 128, column = (int)blockIdx.y, C = w.C1 + w.C2;
    // slice z has the chunks [all z / slices, all (z + 1) / slices)
    const int begin = (int)((long long)w.chunks * blockIdx.z / w.slices);
    const int end = (int)((long long)w.chunks * (blockIdx.z + 1) / w.slices);
    const int slot_bytes = T::DY_BYTES + T::CONSUMERS * w.x_bytes;
    const uint32_t base = shared_address(shared_memory());
    const WgmmaRing ring = wgmma_ring(base, slot_bytes, base + (uint32_t)(w.slots * slot_bytes), w.slots);
    if (threadIdx.x == 0) {
        wgmma_ring_init(ring, T::THREADS / 32);
        mbarrier_init_done();
    }
    __syncthreads();
    if (threadIdx.x >= T::THREADS) {
        if (T::BLOCKS == 1) {
            registers_leave<40>();
        }
        if (threadIdx.x == T::THREADS) {
            wgmma_produce_pixels<T>(w, ring, begin, end, i0, o0, column);
        }
        return;
    }
    if (T::BLOCKS == 1) {
        registers_take<232>();
    }
    float acc[T::TAPS][T::BN / 2];
    UNROLL
    for (int r = 0; r < T::TAPS; r++) {
        UNROLL
        for (int j = 0; j < T::BN / 2; j++) {
            acc[r][j] = 0;
        }
    }
    wgmma_consume_pixels<T>(acc, w, ring, end - begin, group);
    const int lane = (int)threadIdx.x % 32, i = i0 + group * 64 + (int)threadIdx.x / 32 % 4 * 16 + lane / 4;
    UNROLL
    for (int r = 0; r < T::TAPS; r++) {
        const size_t matrix = ((size_t)blockIdx.z * T::TAPS + r) * T::TAPS + column;
        float *row = w.dw + (matrix * C + i) * w.out + o0 + lane % 4 * 2;
        UNROLL
        for (int j = 0; j < T::BN / 8; j++) {
            Float2 upper = {{acc[r][4 * j], acc[r][4 * j + 1]}}, lower = {{acc[r][4 * j + 2], acc[r][4 * j + 3]}};
            *(Float2 *)(row + j * 8) = upper;
            *(Float2 *)(row + j * 8 + 8 * (size_t)w.out) = lower;
        }
    }
#else
    __trap();
#endif
}

// ---- the calls ----------------------------------------------------------------------------------------------------

// 128 x 128 where it divides the channels, or 64 x 64.
static inline int wgmma_weights_wide(const FastConv *c) {
    return (c->C1 + c->C2) % 128 == 0 && c->out % 128 == 0;
}

// One wide block a processor (132 of them, a constant, so that another card gives the same bits), or two narrow ones.
// A slice has at least two chunks of 128 pixels.
static inline int wgmma_slices(const FastConv *c) {
    int wide = wgmma_weights_wide(c), side = wide ? 128 : 64, wanted = wide ? 132 : 264;
    int tiles = (c->C1 + c->C2) / side * (c->out / side) * c->k;
    int slices = (wanted + tiles - 1) / tiles, most = (c->N * c->H * c->W + 255) / 256;
    return slices < most ? slices : most;
}

template <class T>
static inline void wgmma_launch_weights(const FastConv *c, const bf16 *x1, const bf16 *x2, const bf16 *dy, float *dw,
                                        int slices, Stream stream) {
    int H = c->H, W = c->W, images = T::PIXELS > H * W ? T::PIXELS / (H * W) : 1;
    WgmmaWeights w = WgmmaWeights();
    w.C1 = c->C1;
    w.C2 = c->C2;
    w.out = c->out;
    w.slices = slices;
    w.log_h = conv_log2(H);
    w.log_w = conv_log2(W);
    w.chunks = (c->N * H * W + T::PIXELS - 1) / T::PIXELS;
    w.dw = dw;
    int tile_h = images > 1 ? H : T::PIXELS / W, box_h = tile_h + T::TAPS - 1, slot_bytes;
    w.log_tile = conv_log2(tile_h * W);
    w.x_bytes = images * box_h * W * 128;
    slot_bytes = T::DY_BYTES + T::CONSUMERS * w.x_bytes + 16; // and two barriers
    w.slots = 4;                                              // as many as fit, at least 2
    while (w.slots > 2 && w.slots * slot_bytes > (T::BLOCKS == 1 ? 227 : 113) * 1024) {
        w.slots--;
    }
    w.x1 = tensor_map(x1, c->C1, W, H, c->N, W, box_h, images);
    w.x2 = c->C2 > 0 ? tensor_map(x2, c->C2, W, H, c->N, W, box_h, images) : w.x1;
    w.dy = tensor_map(dy, c->out, W, H, c->N, W, tile_h, images);
    unsigned tiles = (unsigned)((c->C1 + c->C2) / T::BM * (c->out / T::BN));
    LAUNCH_FAST((wgmma_weights<T>), dim3(tiles, T::TAPS, (unsigned)slices), dim3(T::ALL),
                (size_t)(w.slots * slot_bytes), stream, w);
}

static inline void wgmma_backward_weights(const FastConv *c, const bf16 *x1, const bf16 *x2, const bf16 *dy, float *dw,
                                          int slices, Stream stream) {
    if (wgmma_weights_wide(c)) {
        c->k == 3 ? wgmma_launch_weights<WgmmaSumTile<2, 128, 3>>(c, x1, x2, dy, dw, slices, stream)
                  : wgmma_launch_weights<WgmmaSumTile<2, 128, 1>>(c, x1, x2, dy, dw, slices, stream);
    } else {
        c->k == 3 ? wgmma_launch_weights<WgmmaSumTile<1, 64, 3>>(c, x1, x2, dy, dw, slices, stream)
                  : wgmma_launch_weights<WgmmaSumTile<1, 64, 1>>(c, x1, x2, dy, dw, slices, stream);
    }
}

#endif
