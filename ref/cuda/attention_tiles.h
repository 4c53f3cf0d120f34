// attention_tiles.h: the two tile products of attention_fast.h, with their place in shared memory and registers.
//
// A fragment of mma16816 spreads 16 x 8 numbers over a warp: lane l holds rows l / 4 and l / 4 + 8 at columns
// 2 (l % 4) and 2 (l % 4) + 1.  Here two of them side by side make a piece of 16 x 16.
#ifndef TILT_ATTENTION_TILES_H
#define TILT_ATTENTION_TILES_H

#include "device_extra.h"
#include "fast_args.h"

struct FastAttention {
    int N, T, C; // images; tokens, a multiple of 16 up to 256; channels, a multiple of 64 up to 256
};

// ROWS tokens a block; the warps of 16 rows share the columns: SPLIT of them.
template <int R, int S> struct AttentionTile {
    enum {
        ROWS = R,
        SPLIT = S,
        THREADS = R / 16 * S * 32,
        PIECES = 256 / 16 / S, // 16 x 16 pieces of a warp in rows x others
        PAIRS = 64 / 16 / S,   // and in 64 channels of matrix x values
        STAGE_ROWS = R * 128   // bytes of the tile of the rows: ROWS x 64 channels
    };
};

// Where a warp stands.
template <class T> struct AttentionWarp {
    int lane, row0, part; // its first row, and which share of the columns it has
    __device__ __forceinline__ AttentionWarp() {
        int warp = (int)threadIdx.x / 32;
        lane = (int)threadIdx.x % 32;
        row0 = warp / T::SPLIT * 16;
        part = warp % T::SPLIT;
    }
    // First column of piece j.  The warps of a row take turns, so that few tokens are shared evenly too.
    __device__ __forceinline__ int column(int j) const {
        return (j * T::SPLIT + part) * 16;
    }
};

// Two stages of tiles, one being loaded while the other is used, then one or two matrices ROWS x T as bf16, in tiles of
// 64 columns, and the numbers that warps exchange.
template <class T> struct AttentionShared {
    uint32_t base, stage_bytes, matrix_bytes;
    float *joined; // [SPLIT][ROWS], in the place of the second matrix: only forward needs it, and it has one matrix
    static inline int bytes(int tokens, int matrices) {
        int blocks = (tokens + 63) / 64, stage = T::STAGE_ROWS + blocks * 64 * 128;
        return 2 * stage + matrices * T::ROWS * blocks * 128 + T::SPLIT * T::ROWS * 4;
    }
    __device__ __forceinline__ AttentionShared(int tokens) {
        uint32_t blocks = (uint32_t)(tokens + 63) / 64;
        base = shared_address(shared_memory());
        stage_bytes = T::STAGE_ROWS + blocks * 64 * 128;
        matrix_bytes = T::ROWS * blocks * 128;
        joined = (float *)(shared_memory() + 2 * stage_bytes + matrix_bytes);
    }
    __device__ __forceinline__ uint32_t rows(int stage) const {
        return base + (uint32_t)stage * stage_bytes;
    }
    __device__ __forceinline__ uint32_t others(int stage) const {
        return rows(stage) + T::STAGE_ROWS;
    }
    __device__ __forceinline__ uint32_t matrix(int i) const {
        return base + 2 * stage_bytes + (uint32_t)i * matrix_bytes;
    }
};

// tile = `rows` rows of 64 channels; rows from `valid` on become zeros.
template <class T>
__device__ __forceinline__ void attention_load(uint32_t tile, const bf16 *from, size_t pitch, int rows, int valid) {
    for (int i = (int)threadIdx.x; i < rows * 8; i += T::THREADS) {
        int row = i / 8, column = i % 8;
        copy16(swizzle(tile + (uint32_t)(row * 128 + column * 16)), from + (size_t)row * pitch + column * 8,
               row < valid);
    }
}

// The A fragment of 16 rows and 16 columns at byte column * 2 of a tile of 128-byte rows.
__device__ __forceinline__ void attention_left(uint32_t (&a)[4], uint32_t tile, int row0, int column, int lane) {
    load_matrices(a, swizzle(tile + (uint32_t)((row0 + lane % 16) * 128 + column * 2 + lane / 16 * 16)));
}

// sum = rows others': ROWS x T, a product over all C channels.  rows: `left` tokens or more; others: T tokens.
template <class T>
__device__ __forceinline__ void attention_product(float (&sum)[T::PIECES][2][4], const AttentionShared<T> &m,
                                                  const AttentionWarp<T> &w, const FastAttention &s, const bf16 *rows,
                                                  size_t rows_pitch, int left, const bf16 *others,
                                                  size_t others_pitch) {
    int chunks = s.C / 64;
    UNROLL
    for (int j = 0; j < T::PIECES; j++) {
        UNROLL
        for (int i = 0; i < 8; i++) {
            sum[j][i / 4][i % 4] = 0;
        }
    }
    for (int c = -1; c < chunks; c++) { // chunk c is used while c + 1 is on its way
        if (c + 1 < chunks) {
            int next = (c + 1) % 2;
            attention_load<T>(m.rows(next), rows + (c + 1) * 64, rows_pitch, T::ROWS, left);
            attention_load<T>(m.others(next), others + (c + 1) * 64, others_pitch, s.T, s.T);
        }
        copy_commit();
        if (c < 0) {
            continue;
        }
        copy_wait<1>();
        __syncthreads();
        for (int k = 0; k < 64; k += 16) {
            uint32_t a[4], b[4];
            attention_left(a, m.rows(c % 2), w.row0, k, w.lane);
            UNROLL
            for (int j = 0; j < T::PIECES; j++) {
                if (w.column(j) < s.T) {
                    int row = w.column(j) + w.lane % 8 + w.lane / 16 * 8;
                    load_matrices(b, swizzle(m.others(c % 2) + (uint32_t)(row * 128 + k * 2 + w.lane / 8 % 2 * 16)));
                    mma16816(sum[j][0], a, b[0], b[1]);
                    mma16816(sum[j][1], a, b[2], b[3]);
                }
            }
        }
        __syncthreads(); // before the tile is loaded again
    }
}

// The pieces of a warp as bf16 into the matrix.
template <class T>
__device__ __forceinline__ void attention_store(uint32_t matrix, const float (&x)[T::PIECES][2][4],
                                                const AttentionWarp<T> &w, int tokens) {
    UNROLL
    for (int j = 0; j < T::PIECES; j++) {
        if (w.column(j) < tokens) {
            UNROLL
            for (int i = 0; i < 4; i++) { // two halves of eight columns, two halves of eight rows
                int column = w.column(j) + i / 2 * 8 + w.lane % 4 * 2, row = w.row0 + w.lane / 4 + i % 2 * 8;
                uint32_t at = (uint32_t)(column / 64 * T::ROWS * 128 + row * 128 + column % 64 * 2);
                shared_store(swizzle(matrix + at), pack2(x[j][i / 2][i % 2 * 2], x[j][i / 2][i % 2 * 2 + 1]));
            }
        }
    }
}

// sum = matrix values: ROWS x 64 channels, a product over all T tokens.  The values are on their way into `stage`;
// those of the next call, unless NULL, are sent for into the other one.
template <class T>
__device__ __forceinline__ void attention_mix(float (&sum)[T::PAIRS][2][4], const AttentionShared<T> &m,
                                              const AttentionWarp<T> &w, const FastAttention &s, uint32_t matrix,
                                              int stage, const bf16 *next, size_t next_pitch) {
    UNROLL
    for (int j = 0; j < T::PAIRS; j++) {
        UNROLL
        for (int i = 0; i < 8; i++) {
            sum[j][i / 4][i % 4] = 0;
        }
    }
    if (next != NULL) {
        attention_load<T>(m.others(1 - stage), next, next_pitch, s.T, s.T);
    }
    copy_commit();
    copy_wait<1>();
    __syncthreads(); // the tile and the matrix are whole
    for (int k = 0; k < s.T; k += 16) {
        uint32_t a[4], b[4];
        attention_left(a, matrix + (uint32_t)(k / 64 * T::ROWS * 128), w.row0, k % 64, w.lane);
        UNROLL
        for (int j = 0; j < T::PAIRS; j++) {
            int column = (w.part * T::PAIRS + j) * 16, row = k + w.lane % 16;
            load_matrices_transposed(b,
                                     swizzle(m.others(stage) + (uint32_t)(row * 128 + column * 2 + w.lane / 16 * 16)));
            mma16816(sum[j][0], a, b[0], b[1]);
            mma16816(sum[j][1], a, b[2], b[3]);
        }
    }
    __syncthreads(); // before the tile is loaded again
}

// to (rows of `pitch` numbers) = factor of the row times x; rows from `left` on are not there.
template <class T>
__device__ __forceinline__ void attention_write(bf16 *to, size_t pitch, const float (&x)[T::PAIRS][2][4],
                                                const float (&factor)[2], const AttentionWarp<T> &w, int left) {
    UNROLL
    for (int j = 0; j < T::PAIRS; j++) {
        UNROLL
        for (int i = 0; i < 4; i++) {
            int h = i % 2, row = w.row0 + w.lane / 4 + 8 * h;
            int column = (w.part * T::PAIRS + j) * 16 + i / 2 * 8 + w.lane % 4 * 2;
            if (row < left) {
                *(uint32_t *)(to + (size_t)row * pitch + column) =
                    pack2(x[j][i / 2][2 * h] * factor[h], x[j][i / 2][2 * h + 1] * factor[h]);
            }
        }
    }
}

#endif
