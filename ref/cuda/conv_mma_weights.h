// conv_mma_weights.h: the gradient of a convolution's weights on the tensor cores of sm_80 and later.
//
//   dw[tap][i][o] = sum over the pixels m of x[source of m under the tap][i] dy[m][o]
// One matrix product a tap: rows are input channels, columns output channels, K runs over the pixels, 64 a slice.  Both
// operands lie with K in the rows of memory, so both fragments are loaded transposed.  The pixels are split into
// `slices` ranges by a fixed rule; each writes its own copy of dw, and whoever reads them adds them up in order.
#ifndef TILT_CONV_MMA_WEIGHTS_H
#define TILT_CONV_MMA_WEIGHTS_H

#include "conv_mma.h"

struct MmaWeights {
    ConvWalk walk;
    const bf16 *x1, *x2, *dy;
    int C1, C2, out, slices;
    float *dw; // [slices][taps][C1 + C2][out]
};

// Copy 64 pixels from m0 on: BM channels of x from i0 and BN of dy from o0, as blocks of 64 channels.  A thread keeps
// its 8 channels for the whole sum.
template <class T>
__device__ __forceinline__ void mma_load_pixels(const MmaWeights &p, int m0, int i0, int o0, ConvTap tap,
                                                uint32_t stage) {
    const int across = T::BM / 8, down = T::THREADS / across; // threads; the tile is square
    const int q = (int)threadIdx.x % across, r0 = (int)threadIdx.x / across, channel = i0 + q * 8;
    const bool second = channel >= p.C1;
    const bf16 *x = second ? p.x2 + (channel - p.C1) : p.x1 + channel;
    const bf16 *dy = p.dy + (size_t)(m0 + r0) * p.out + o0 + q * 8;
    const int width = second ? p.C2 : p.C1;
    const uint32_t to = stage + q / 8 * 8192 + swizzle((uint32_t)(r0 * 128 + q % 8 * 16));
    UNROLL
    for (int r = 0; r < 64; r += down) {
        const int pixel = conv_source(p.walk, conv_row(p.walk, m0 + r0 + r), tap.dy, tap.dx);
        const bool there = m0 + r0 + r < p.walk.rows;
        copy16(to + r * 128, pixel >= 0 ? x + (size_t)pixel * width : x, pixel >= 0);
        copy16(to + T::A_BYTES + r * 128, there ? dy + (size_t)r * p.out : p.dy, there);
    }
}

// acc += A' B over the 64 pixels of a slice.  Of a, matrices 0 and 1 are channels 0..7 and 8..15 of pixels k .. k + 7,
// 2 and 3 those of k + 8 .. k + 15; of b as in mma_multiply.
template <class T>
__device__ __forceinline__ void mma_multiply_pixels(float (&acc)[T::WM / 16][T::WN / 8][4], uint32_t stage, int wm,
                                                    int wn) {
    const int lane = (int)threadIdx.x % 32, l8 = lane % 8, bit3 = lane / 8 % 2, bit4 = lane / 16;
    const uint32_t a0 = swizzle((uint32_t)((bit4 * 8 + l8) * 128 + wm % 64 * 2 + bit3 * 16));
    const uint32_t b0 = swizzle((uint32_t)((bit3 * 8 + l8) * 128 + wn % 64 * 2 + bit4 * 16));
    const uint32_t at_a = stage + wm / 64 * 8192 + a0, at_b = stage + T::A_BYTES + wn / 64 * 8192 + b0;
    UNROLL
    for (int k = 0; k < 64; k += 16) {
        uint32_t a[T::WM / 16][4], b[T::WN / 16][4];
        UNROLL
        for (int i = 0; i < T::WM / 16; i++) {
            load_matrices_transposed(a[i], (at_a ^ (uint32_t)(i * 32)) + k * 128);
        }
        UNROLL
        for (int j = 0; j < T::WN / 16; j++) {
            load_matrices_transposed(b[j], (at_b ^ (uint32_t)(j * 32)) + k * 128);
        }
        UNROLL
        for (int i = 0; i < T::WM / 16; i++) {
            UNROLL
            for (int j = 0; j < T::WN / 8; j++) {
                mma16816(acc[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
            }
        }
    }
}

// grid: (tiles of dw, taps, slices)
template <class T>
__global__ void __launch_bounds__(T::THREADS, T::BM == 128 ? 2 : 3) mma_weights(const __grid_constant__ MmaWeights p) {
    const int C = p.C1 + p.C2, lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int o0 = (int)blockIdx.x % (p.out / T::BN) * T::BN, i0 = (int)blockIdx.x / (p.out / T::BN) * T::BM;
    const int wm = warp % T::WARPS_M * T::WM, wn = warp / T::WARPS_M * T::WN;
    const ConvTap tap = p.walk.tap[blockIdx.y];
    float acc[T::WM / 16][T::WN / 8][4];
    UNROLL
    for (int i = 0; i < T::WM / 16; i++) {
        UNROLL
        for (int j = 0; j < T::WN / 8; j++) {
            UNROLL
            for (int k = 0; k < 4; k++) {
                acc[i][j][k] = 0;
            }
        }
    }
    // slice z has the steps [all z / slices, all (z + 1) / slices)
    const uint32_t base = shared_address(shared_memory());
    const int all = (p.walk.rows + 63) / 64;
    const int begin = (int)((long long)all * blockIdx.z / p.slices);
    const int steps = (int)((long long)all * (blockIdx.z + 1) / p.slices) - begin;
    int ring = 1; // as in mma_conv
    for (int step = 1 - T::STAGES; step < steps; step++) {
        if (step >= 0) {
            copy_wait<T::STAGES - 2>();
            __syncthreads();
        }
        int next = step + T::STAGES - 1;
        if (next < steps) {
            const int place = ring == 0 ? T::STAGES - 1 : ring - 1;
            mma_load_pixels<T>(p, (begin + next) * 64, i0, o0, tap, base + place * T::STAGE);
        }
        copy_commit();
        if (step >= 0) {
            mma_multiply_pixels<T>(acc, base + ring * T::STAGE, wm, wn);
        }
        ring = ring + 1 == T::STAGES ? 0 : ring + 1;
    }
    float *dw = p.dw + ((size_t)blockIdx.z * gridDim.y + blockIdx.y) * C * p.out;
    UNROLL
    for (int i = 0; i < T::WM / 16; i++) {
        UNROLL
        for (int j = 0; j < T::WN / 8; j++) {
            float *at = dw + (size_t)(i0 + wm + i * 16 + lane / 4) * p.out + o0 + wn + j * 8 + lane % 4 * 2;
            Float2 upper = {{acc[i][j][0], acc[i][j][1]}}, lower = {{acc[i][j][2], acc[i][j][3]}};
            *(Float2 *)at = upper;
            *(Float2 *)(at + 8 * (size_t)p.out) = lower;
        }
    }
}

// ---- the calls ----------------------------------------------------------------------------------------------------

// Both sides of a tile: 128 where it divides the channels.
static inline int mma_weights_tile(const FastConv *c) {
    return (c->C1 + c->C2) % 128 == 0 && c->out % 128 == 0 ? 128 : 64;
}

// Two blocks a processor, counted over tiles, taps and slices.  A slice has at least 4 steps of 64 pixels; as slices
// times tiles stays near that number of blocks, all partial sums together take at most 20 to 30 MB.
static inline int mma_slices(const FastConv *c) {
    int side = mma_weights_tile(c), tiles = (c->C1 + c->C2) / side * (c->out / side) * c->k * c->k;
    int slices = (2 * MMA_PROCESSORS + tiles - 1) / tiles, most = (c->N * c->H * c->W + 255) / 256;
    return slices < most ? slices : most;
}

template <class T> static inline void mma_launch_weights(const MmaWeights &p, int taps, Stream stream) {
    unsigned tiles = (unsigned)((p.C1 + p.C2) / T::BM * (p.out / T::BN));
    LAUNCH_FAST((mma_weights<T>), dim3(tiles, (unsigned)taps, (unsigned)p.slices), dim3(T::THREADS), T::RING, stream,
                p);
}

static inline void mma_backward_weights(const FastConv *c, const bf16 *x1, const bf16 *x2, const bf16 *dy, float *dw,
                                        int slices, Stream stream) {
    MmaWeights p = MmaWeights();
    p.walk = conv_walk_forward(c);
    p.x1 = x1;
    p.x2 = x2;
    p.dy = dy;
    p.C1 = c->C1;
    p.C2 = c->C2;
    p.out = c->out;
    p.slices = slices;
    p.dw = dw;
    if (mma_weights_tile(c) == 128) {
        mma_launch_weights<MmaTile0>(p, c->k * c->k, stream);
    } else {
        mma_launch_weights<MmaTile2>(p, c->k * c->k, stream);
    }
}

#endif
