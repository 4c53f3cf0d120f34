// conv_split.h: a convolution whose K is cut into ranges, and how their sums become the result.
//
// With few pixels a product has few tiles, so few thread blocks, and each walks through the whole of K alone while most
// of the GPU is idle: at one image a 4x4 layer of 512 channels is 8 blocks of 72 slices.  So K is cut into `split`
// ranges with a block each; each stores its sums as they are, in fp32, and a second kernel adds them up and does what
// otherwise the block itself does (conv_finish).
//   partial[range][row][column]  ->  range 0 + range 1 + ... in this order, + bias, ... -> y, and the sums of y
// A second launch, not "the last block to arrive adds": nobody has to see what another block wrote before the kernel
// ends, so there is no fence and no counter that must be 0 again for the next pass.  And its tiles have nothing to do
// with those of the product, so the product may use tiles smaller than a part of the sums.
#ifndef TILT_CONV_SPLIT_H
#define TILT_CONV_SPLIT_H

#include "conv_product.h"

// Where range z of `split` begins among the slices of K; range `split` begins behind the last.  Lengths differ by at
// most one slice.
__host__ __device__ __forceinline__ int conv_range(int slices, int split, int z) {
    return slices * z / split;
}

// A block finishes 128 pixels, as many as a part of the sums may have, times 32 channels.
struct ConvJoin {
    static const int BM = 128, BN = 32, THREADS = 256, PITCH = BN + 8;
    static const int GROUPS = BN / 8, SLOTS = THREADS / GROUPS, ROWS = BM / SLOTS;
    static const int AHEAD = 4; // ranges whose numbers a thread asks for before it adds the first of them
    static const int TILE_BYTES = BM * PITCH * 4, BYTES = TILE_BYTES + SLOTS * 2 * BN * 4;
    static __device__ __forceinline__ void sync() {
        __syncthreads();
    }
};

// grid: (tiles over the columns, tiles over the rows)
static __global__ void __launch_bounds__(ConvJoin::THREADS) conv_join(const __grid_constant__ ConvProduct p) {
    typedef ConvJoin T;
    const int n0 = (int)blockIdx.x * T::BN, m0 = (int)blockIdx.y * T::BM, width = p.columns1 + p.columns2;
    const int slot = (int)threadIdx.x / T::GROUPS, group = (int)threadIdx.x % T::GROUPS;
    float *tile = (float *)shared_memory(), *red = (float *)(shared_memory() + T::TILE_BYTES);
    if ((n0 < p.columns1 ? p.y1 : p.y2) == NULL) {
        return; // nobody wants these columns, and no range has stored them
    }
    const int m = m0 + slot * T::ROWS; // and the rows behind it: all of them are there or none
    const int ranges = m < p.walk.rows ? p.split : 0;
    const Float4 zero = {{0, 0, 0, 0}};
    Float4 sum[T::ROWS][2], next[T::AHEAD][T::ROWS][2];
    UNROLL
    for (int i = 0; i < 2 * T::ROWS; i++) {
        sum[i / 2][i % 2] = zero;
    }
    for (int first = 0; first < ranges; first += T::AHEAD) {
        UNROLL
        for (int k = 0; k < T::AHEAD; k++) { // without a branch, so that none of these loads waits for another
            const int z = first + k < ranges ? first + k : first;
            const float *from = p.partial + ((size_t)z * p.walk.rows + m) * width + n0 + group * 8;
            UNROLL
            for (int i = 0; i < 2 * T::ROWS; i++) {
                Float4 four = *(const Float4 *)(from + i / 2 * width + i % 2 * 4);
                UNROLL
                for (int j = 0; j < 4; j++) {
                    next[k][i / 2][i % 2].v[j] = first + k < ranges ? four.v[j] : 0;
                }
            }
        }
        UNROLL
        for (int i = 0; i < T::AHEAD * 2 * T::ROWS; i++) { // of every number the ranges come one after the other
            UNROLL
            for (int j = 0; j < 4; j++) {
                sum[i / 2 % T::ROWS][i % 2].v[j] += next[i / (2 * T::ROWS)][i / 2 % T::ROWS][i % 2].v[j];
            }
        }
    }
    UNROLL
    for (int i = 0; i < 2 * T::ROWS; i++) {
        *(Float4 *)(tile + (slot * T::ROWS + i / 2) * T::PITCH + group * 8 + i % 2 * 4) = sum[i / 2][i % 2];
    }
    T::sync();
    conv_finish<T>(p, tile, red, m0, n0);
}

static inline void conv_join_launch(const ConvProduct &p, Stream stream) {
    unsigned columns = (unsigned)((p.columns1 + p.columns2) / ConvJoin::BN);
    unsigned rows = (unsigned)((p.walk.rows + ConvJoin::BM - 1) / ConvJoin::BM);
    LAUNCH_FAST(conv_join, dim3(columns, rows), dim3(ConvJoin::THREADS), ConvJoin::BYTES, stream, p);
}

#endif
