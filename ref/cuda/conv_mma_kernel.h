// conv_mma_kernel.h: convolution on the tensor cores of sm_80 and later: forward, and the gradient of the inputs.
//
// Both are one matrix product over pixels.  Row m is a pixel of the result, column n a channel of it, and K runs over
// blocks of 64 source channels and, within a block, over the taps of conv_walk.h.  A thread block computes a tile of
// BM x BN; its warps share the tile.  Slices of A (BM pixels x 64 channels) and B (64 x BN weights) arrive by
// asynchronous copies, STAGES slices in a ring, while older slices are multiplied.  Where that makes too few blocks, K
// is cut into ranges with a block each (conv_split.h).
//
// Weights are [tap][in][out].  Forward, K = in: B lies as [K][N] and its fragments are loaded transposed.  Gradient,
// K = out: the same memory is [N][K], as the tensor cores want it.  So no second copy of the weights is needed.
#ifndef TILT_CONV_MMA_KERNEL_H
#define TILT_CONV_MMA_KERNEL_H

#include "conv_split.h"

// Tile sizes: of a block (BM x BN), of a warp (WM x WN), slices under way.
template <int BM_, int BN_, int WM_, int WN_, int STAGES_> struct MmaTile {
    static const int BM = BM_, BN = BN_, WM = WM_, WN = WN_, STAGES = STAGES_;
    static const int WARPS_M = BM / WM, THREADS = WARPS_M * (BN / WN) * 32;
    static const int A_BYTES = BM * 128, B_BYTES = (BN + 63) / 64 * 64 * 128, STAGE = A_BYTES + B_BYTES;
    // the epilogue: a thread owns 8 columns and ROWS rows
    static const int PITCH = BN + 8; // floats; the 8 keep the fragments of four rows on different banks
    static const int GROUPS = BN / 8, SLOTS = THREADS / GROUPS, ROWS = BM / SLOTS;
    static const int TILE_BYTES = BM * PITCH * 4, EPILOGUE = TILE_BYTES + SLOTS * 2 * BN * 4, RING = STAGES * STAGE;
    static const int BYTES = RING > EPILOGUE ? RING : EPILOGUE;
    static __device__ __forceinline__ void sync() {
        __syncthreads();
    }
};

// ---- the main loop -------------------------------------------------------------------------------------------------

// A tile row is 128 bytes, and swizzle() changes its 16-byte columns by the row number modulo 8.  So a step of 8 rows
// may be added behind it, and a step of 32 bytes within the row may be XORed: one address a thread serves all steps.

// Copy slice (tap, channels c .. c + 63) to `stage`.  A thread copies 16-byte column t % 8 of rows t / 8,
// t / 8 + THREADS / 8, ...
template <class T, bool BACK>
__device__ __forceinline__ void mma_load(const ConvProduct &p, const ConvRow *row, int n0, ConvTap tap, int c,
                                         uint32_t stage) {
    const int t = (int)threadIdx.x, q = t % 8;
    const bool second = c >= p.depth1;
    const bf16 *a = second ? p.a2 : p.a1;
    const int depth = second ? p.depth2 : p.depth1, from = second ? c - p.depth1 : c;
    const uint32_t to = stage + swizzle((uint32_t)(t / 8 * 128 + q * 16));
    UNROLL
    for (int i = 0; i < T::BM * 8 / T::THREADS; i++) {
        const int pixel = conv_source(p.walk, row[i], tap.dy, tap.dx);
        const bf16 *src = pixel >= 0 ? a + (size_t)pixel * depth + from + q * 8 : a;
        copy16(to + i * (T::THREADS / 8) * 128, src, pixel >= 0);
    }
    if (BACK) { // BN rows of 64 output channels
        const bf16 *src = p.w + ((size_t)tap.matrix * p.in + n0 + t / 8) * p.out + c + q * 8;
        UNROLL
        for (int i = 0; i < T::BN * 8 / T::THREADS; i++) {
            const int r = i * (T::THREADS / 8);
            copy16(to + T::A_BYTES + r * 128, src + (size_t)r * p.out, true);
        }
    } else { // 64 rows of BN output channels, in blocks of 64 columns
        const int g = t % T::GROUPS, r0 = t / T::GROUPS;
        const bf16 *src = p.w + ((size_t)tap.matrix * p.in + c + r0) * p.out + n0 + g * 8;
        const uint32_t b = stage + T::A_BYTES + g / 8 * 8192 + swizzle((uint32_t)(r0 * 128 + g % 8 * 16));
        UNROLL
        for (int i = 0; i < 64 * T::GROUPS / T::THREADS; i++) {
            const int r = i * (T::THREADS / T::GROUPS);
            copy16(b + r * 128, src + (size_t)r * p.out, true);
        }
    }
}

// acc += A B over the 64 of a slice.  The warp's part begins at row wm and column wn of the tile.  Of b, matrices 0 and
// 1 are k .. k + 7 and k + 8 .. k + 15 of eight columns, 2 and 3 the same of the next eight.
template <class T, bool BACK>
__device__ __forceinline__ void mma_multiply(float (&acc)[T::WM / 16][T::WN / 8][4], uint32_t stage, int wm, int wn) {
    const int lane = (int)threadIdx.x % 32, l8 = lane % 8, bit3 = lane / 8 % 2, bit4 = lane / 16;
    const uint32_t at_a = stage + swizzle((uint32_t)((wm + lane % 16) * 128 + bit4 * 16));
    const uint32_t rows = swizzle((uint32_t)((wn + bit4 * 8 + l8) * 128 + bit3 * 16));
    const uint32_t across = wn / 64 * 8192 + swizzle((uint32_t)((bit3 * 8 + l8) * 128 + wn % 64 * 2 + bit4 * 16));
    const uint32_t at_b = stage + T::A_BYTES + (BACK ? rows : across);
    UNROLL
    for (int k = 0; k < 64; k += 16) {
        uint32_t a[T::WM / 16][4], b[T::WN / 16][4];
        UNROLL
        for (int i = 0; i < T::WM / 16; i++) {
            load_matrices(a[i], (at_a ^ (uint32_t)(k * 2)) + i * 2048);
        }
        UNROLL
        for (int j = 0; j < T::WN / 16; j++) {
            if (BACK) {
                load_matrices(b[j], (at_b ^ (uint32_t)(k * 2)) + j * 2048);
            } else {
                load_matrices_transposed(b[j], (at_b ^ (uint32_t)(j * 32)) + k * 128);
            }
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

// ---- the epilogue --------------------------------------------------------------------------------------------------

// The accumulators lie scattered over the lanes; through shared memory every thread gets 8 columns of some rows.
template <class T>
__device__ __forceinline__ void mma_spread(float *tile, const float (&acc)[T::WM / 16][T::WN / 8][4], int wm, int wn) {
    const int lane = (int)threadIdx.x % 32;
    UNROLL
    for (int i = 0; i < T::WM / 16; i++) {
        UNROLL
        for (int j = 0; j < T::WN / 8; j++) {
            float *at = tile + (wm + i * 16 + lane / 4) * T::PITCH + wn + j * 8 + lane % 4 * 2;
            Float2 upper = {{acc[i][j][0], acc[i][j][1]}}, lower = {{acc[i][j][2], acc[i][j][3]}};
            *(Float2 *)at = upper;
            *(Float2 *)(at + 8 * T::PITCH) = lower;
        }
    }
}

// The same scattered sums of one range, as they are, to p.partial.  m, n: the first row and column of the warp's part.
template <class T>
__device__ __forceinline__ void mma_put(const ConvProduct &p, const float (&acc)[T::WM / 16][T::WN / 8][4], int m,
                                        int n) {
    const int lane = (int)threadIdx.x % 32, width = p.columns1 + p.columns2;
    UNROLL
    for (int i = 0; i < T::WM / 16; i++) {
        const int row = m + i * 16 + lane / 4;
        float *to = p.partial + ((size_t)blockIdx.z * p.walk.rows + row) * width + n + lane % 4 * 2;
        if (m + i * 16 < p.walk.rows) { // rows come in sixteens: all of these or none
            UNROLL
            for (int j = 0; j < T::WN / 8; j++) {
                Float2 upper = {{acc[i][j][0], acc[i][j][1]}}, lower = {{acc[i][j][2], acc[i][j][3]}};
                *(Float2 *)(to + j * 8) = upper;
                *(Float2 *)(to + j * 8 + 8 * (size_t)width) = lower;
            }
        }
    }
}

// ---- the kernel ----------------------------------------------------------------------------------------------------

// grid: (tiles over the columns, tiles over the rows, parts of the walk or ranges of K, of which one is 1).  Blocks
// that are neighbours share their pixels.
template <class T, bool BACK>
__global__ void __launch_bounds__(T::THREADS, T::BM == 128 ? 2 : 3) mma_conv(const __grid_constant__ ConvProduct p) {
    const int n0 = (int)blockIdx.x * T::BN, m0 = (int)blockIdx.y * T::BM, warp = (int)threadIdx.x / 32;
    const int wm = warp % T::WARPS_M * T::WM, wn = warp / T::WARPS_M * T::WN;
    if ((n0 < p.columns1 ? p.y1 : p.y2) == NULL && (n0 + T::BN > p.columns1 ? p.y2 : p.y1) == NULL) {
        return; // nobody wants these columns
    }
    ConvRow row[T::BM * 8 / T::THREADS];
    UNROLL
    for (int i = 0; i < T::BM * 8 / T::THREADS; i++) {
        row[i] = conv_row(p.walk, m0 + (int)threadIdx.x / 8 + i * (T::THREADS / 8));
    }
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
    unsigned char *shared = shared_memory();
    const uint32_t base = shared_address(shared);
    const int range = p.split > 1 ? (int)blockIdx.z : 0, part = (int)blockIdx.z - range;
    const int first = p.walk.first[part], end = p.walk.first[part + 1], taps = end - first;
    const int slices = taps * ((p.depth1 + p.depth2) / 64), begin = conv_range(slices, p.split, range);
    const int steps = conv_range(slices, p.split, range + 1) - begin;
    int tap = first + begin % taps, c = begin / taps * 64; // the slice that is loaded next
    int ring = 1; // where slice `step` lies (modulo STAGES); the next one is loaded to the place before it
    // Every step commits one group, an empty one behind the last slice, so the count of the wait is always right.
    for (int step = 1 - T::STAGES; step < steps; step++) {
        if (step >= 0) {
            copy_wait<T::STAGES - 2>();
            __syncthreads(); // slice `step` is there for all, and all have done with the slice before it
        }
        if (step + T::STAGES - 1 < steps) {
            mma_load<T, BACK>(p, row, n0, p.walk.tap[tap], c, base + (ring == 0 ? T::STAGES - 1 : ring - 1) * T::STAGE);
            if (++tap == end) {
                tap = first;
                c += 64;
            }
        }
        copy_commit();
        if (step >= 0) {
            mma_multiply<T, BACK>(acc, base + ring * T::STAGE, wm, wn);
        }
        ring = ring + 1 == T::STAGES ? 0 : ring + 1;
    }
    if (p.split > 1) {
        mma_put<T>(p, acc, m0 + wm, n0 + wn);
        return;
    }
    copy_wait<0>();
    __syncthreads(); // the ring is free: the epilogue uses its memory
    float *tile = (float *)shared, *red = (float *)(shared + T::TILE_BYTES);
    mma_spread<T>(tile, acc, wm, wn);
    __syncthreads();
    conv_finish<T>(p, tile, red, m0, n0);
}

#endif
