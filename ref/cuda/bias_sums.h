// bias_sums.h: the gradient of a bias is the sum over all pixels of the gradient of what it was added to.
//
// The pixels are cut into parts by a fixed rule; a thread block sums one part of 64 (or 16) columns and writes it, and
// whoever reads the parts adds them up in order.
#ifndef TILT_BIAS_SUMS_H
#define TILT_BIAS_SUMS_H

#include "fast_args.h"

enum { BIAS_THREADS = 256 };

// Rows [begin, end) of part z.
__device__ __forceinline__ int bias_begin(int rows, int z, int parts) {
    return (int)((long long)rows * z / parts);
}

// sums: [parts][columns].  grid: (columns / 64, parts).  A lane owns two columns.
__global__ void __launch_bounds__(BIAS_THREADS) bias_sums_wide(const bf16 *dy, int rows, int columns, float *sums) {
    const int lane = (int)threadIdx.x % 32, row = (int)threadIdx.x / 32, at = (int)blockIdx.x * 64 + 2 * lane;
    const int end = bias_begin(rows, (int)blockIdx.y + 1, (int)gridDim.y);
    float s[2] = {0, 0};
    for (int m = bias_begin(rows, (int)blockIdx.y, (int)gridDim.y) + row; m < end; m += BIAS_THREADS / 32) {
        const uint32_t two = *(const uint32_t *)(dy + (size_t)m * columns + at);
        s[0] += low_float(two);
        s[1] += high_float(two);
    }
    float *red = (float *)shared_memory(); // [8][64]
    red[row * 64 + 2 * lane] = s[0];
    red[row * 64 + 2 * lane + 1] = s[1];
    __syncthreads();
    if (threadIdx.x < 64) {
        float total = 0;
        for (int r = 0; r < BIAS_THREADS / 32; r++) {
            total += red[r * 64 + (int)threadIdx.x];
        }
        sums[(size_t)blockIdx.y * columns + blockIdx.x * 64 + threadIdx.x] = total;
    }
}

// The same of a tensor in fp32 with 1..16 columns.  grid: (1, parts)
__global__ void __launch_bounds__(BIAS_THREADS) bias_sums_thin(const float *dy, int rows, int columns, float *sums) {
    const int column = (int)threadIdx.x % 16, row = (int)threadIdx.x / 16;
    const int end = bias_begin(rows, (int)blockIdx.y + 1, (int)gridDim.y);
    float s = 0;
    for (int m = bias_begin(rows, (int)blockIdx.y, (int)gridDim.y) + row; m < end && column < columns;
         m += BIAS_THREADS / 16) {
        s += dy[(size_t)m * columns + column];
    }
    float *red = (float *)shared_memory(); // [16][16]
    red[threadIdx.x] = s;
    __syncthreads();
    if ((int)threadIdx.x < columns) {
        float total = 0;
        for (int r = 0; r < BIAS_THREADS / 16; r++) {
            total += red[r * 16 + (int)threadIdx.x];
        }
        sums[(size_t)blockIdx.y * columns + threadIdx.x] = total;
    }
}

// How many parts: 512 rows each, at most 128.
static inline int bias_parts(int rows) {
    int parts = (rows + 511) / 512;
    return parts < 128 ? parts : 128;
}

// dy: bf16 [rows][columns], columns a multiple of 64
static inline void bias_sums(const bf16 *dy, int rows, int columns, float *sums, int parts, Stream stream) {
    LAUNCH_FAST(bias_sums_wide, dim3((unsigned)columns / 64, (unsigned)parts), dim3(BIAS_THREADS), BIAS_THREADS * 8,
                stream, dy, rows, columns, sums);
}

// dy: fp32 [rows][columns], columns 1..16
static inline void bias_sums_of_image(const float *dy, int rows, int columns, float *sums, int parts, Stream stream) {
    LAUNCH_FAST(bias_sums_thin, dim3(1, (unsigned)parts), dim3(BIAS_THREADS), BIAS_THREADS * 4, stream, dy, rows,
                columns, sums);
}

#endif
