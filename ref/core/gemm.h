// gemm.h: matrix products in the one form that gcc and clang both turn into full-speed vector code.
//
//   gemm_nn   C = bias + A B        the forward pass of a linear layer
//   gemm_nt   C = A B'              its gradient with respect to the input
//   gemm_tn   C += A' B             its gradient with respect to the weights
//
// B is copied into panels of TILE_COLS columns, so that the inner loop reads it as one stream; then the register tile
// of tile.h runs over the rows of C.  Weights that meet many blocks of rows are packed once (gemm_pack_all) and used as
// panels (gemm_packed).  Every C[i][j] is one sum over k in increasing order, whatever the tile size, so the bits do
// not depend on the compiler, the vector width or the blocking.  `make bench` measures it.
// A plain triple loop (gemm_naive) stays beside it as the reference of the tests.
#ifndef TILT_GEMM_H
#define TILT_GEMM_H

#include "tile.h"

#define TILE_DEPTH 256 // k is cut into blocks of this length, so that a packed panel of B stays in the L1 cache

// C = bias + A B, or C += A B when bias is NULL and add is 1.  A is (M x K), or (K x M) when a_trans; B is (K x N), or
// (N x K) when b_trans; C is (M x N); all row-major and dense.  The reference, and what the tile must equal bit for
// bit.
static inline void gemm_naive(real *C, const real *A, int a_trans, const real *B, int b_trans, const real *bias,
                              int add, int M, int N, int K) {
    int i, j, k;
    for (i = 0; i < M; i++) {
        for (j = 0; j < N; j++) {
            real sum = add ? C[(size_t)i * N + j] : bias ? bias[j] : (real)0;
            for (k = 0; k < K; k++) {
                real a = a_trans ? A[(size_t)k * M + i] : A[(size_t)i * K + k];
                real b = b_trans ? B[(size_t)j * K + k] : B[(size_t)k * N + j];
                sum += a * b;
            }
            C[(size_t)i * N + j] = sum;
        }
    }
}

// One tile of `rows` rows, rows a constant:  C[i][j] = start[i][j] + sum_k a[i * row + k * step] panel[k][j],
// with rows of C `C_row` and rows of start `start_row` numbers apart (0: all rows start alike, from a bias).
// The function is made by a macro because a count of rows that is a variable is 3 times slower (clang), and the
// pointers walk because addresses computed from k cost a tenth.
#define GEMM_TILE(rows)                                                                                              \
    static inline void gemm_tile_##rows(real *C, size_t C_row, const real *start, size_t start_row,                  \
                                        const real *RESTRICT a, size_t row, size_t step, const real *RESTRICT panel, \
                                        int depth) {                                                                 \
        real sum[rows][TILE_COLS];                                                                                   \
        size_t off[rows];                                                                                            \
        int i, j, k;                                                                                                 \
        for (i = 0; i < rows; i++) {                                                                                 \
            off[i] = (size_t)i * row;                                                                                \
            SIMD                                                                                                     \
            for (j = 0; j < TILE_COLS; j++) {                                                                        \
                sum[i][j] = start[(size_t)i * start_row + (size_t)j];                                                \
            }                                                                                                        \
        }                                                                                                            \
        ROLLED                                                                                                       \
        for (k = 0; k < depth; k++) {                                                                                \
            TILE_STEP(sum, rows, a[off[i]], panel[j]);                                                               \
            a += step;                                                                                               \
            panel += TILE_COLS;                                                                                      \
        }                                                                                                            \
        for (i = 0; i < rows; i++) {                                                                                 \
            SIMD                                                                                                     \
            for (j = 0; j < TILE_COLS; j++) {                                                                        \
                C[(size_t)i * C_row + (size_t)j] = sum[i][j];                                                        \
            }                                                                                                        \
        }                                                                                                            \
    }
GEMM_TILE(12)
GEMM_TILE(6)
GEMM_TILE(4)
GEMM_TILE(2)
GEMM_TILE(1)

// The tile with as many rows as fit into `left`; returns their number.
static inline int gemm_tile(real *C, size_t C_row, const real *start, size_t start_row, const real *a, size_t row,
                            size_t step, const real *panel, int depth, int left) {
    if (TILE_ROWS == 12 && left >= 12) {
        gemm_tile_12(C, C_row, start, start_row, a, row, step, panel, depth);
        return 12;
    }
    if (TILE_ROWS >= 6 && left >= 6) {
        gemm_tile_6(C, C_row, start, start_row, a, row, step, panel, depth);
        return 6;
    }
    if (left >= 4) {
        gemm_tile_4(C, C_row, start, start_row, a, row, step, panel, depth);
        return 4;
    }
    if (left >= 2) {
        gemm_tile_2(C, C_row, start, start_row, a, row, step, panel, depth);
        return 2;
    }
    gemm_tile_1(C, C_row, start, start_row, a, row, step, panel, depth);
    return 1;
}

// TILE_COLS numbers, or the `cols` < TILE_COLS of the last tile.  The two cases are apart because a copy of known
// length is one vector instruction.
static inline void gemm_copy(real *to, const real *from, int cols) {
    int j;
    if (cols == TILE_COLS) {
        memcpy(to, from, TILE_COLS * sizeof(real));
        return;
    }
    for (j = 0; j < cols; j++) {
        to[j] = from[j];
    }
}

// panel[k][j] = B[k0 + k][j0 + j], k < depth; columns beyond `cols` are zero.
static inline void gemm_pack(real *panel, const real *B, int b_trans, int N, int K, int j0, int cols, int k0,
                             int depth) {
    int j, k;
    if (cols < TILE_COLS) {
        memset(panel, 0, (size_t)depth * TILE_COLS * sizeof(real));
    }
    for (k = 0; k < depth && !b_trans; k++) {
        gemm_copy(panel + k * TILE_COLS, B + (size_t)(k0 + k) * N + j0, cols);
    }
    for (j = 0; j < cols && b_trans; j++) {
        const real *row = B + (size_t)(j0 + j) * K + k0;
        for (k = 0; k < depth; k++) {
            panel[k * TILE_COLS + j] = row[k];
        }
    }
}

// All rows of C times one packed panel: columns j0.. of C, `depth` numbers of the sum from k0 on.
static inline void gemm_panel(real *C, const real *A, int a_trans, const real *panel, const real *bias, int add, int M,
                              int N, int K, int j0, int k0, int depth) {
    int cols = N - j0 < TILE_COLS ? N - j0 : TILE_COLS;
    int keep = add || k0 > 0; // the sums begin with what C holds
    size_t row = a_trans ? 1 : (size_t)K, step = a_trans ? (size_t)M : 1;
    real edge[12 * TILE_COLS] = {0}, first[TILE_COLS] = {0};
    int i0, i, rows;
    if (!keep && bias != NULL) {
        gemm_copy(first, bias + j0, cols);
    }
    for (i0 = 0; i0 < M; i0 += rows) {
        const real *a = A + (size_t)i0 * row + (size_t)k0 * step;
        real *c = C + (size_t)i0 * N + j0;
        if (cols == TILE_COLS) {
            rows = gemm_tile(c, (size_t)N, keep ? c : first, keep ? (size_t)N : 0, a, row, step, panel, depth, M - i0);
            continue;
        }
        for (i = 0; i < 12 && i < M - i0 && keep; i++) { // a narrow tile works on a copy
            gemm_copy(edge + i * TILE_COLS, c + (size_t)i * N, cols);
        }
        rows =
            gemm_tile(edge, TILE_COLS, keep ? edge : first, keep ? TILE_COLS : 0, a, row, step, panel, depth, M - i0);
        for (i = 0; i < rows; i++) {
            gemm_copy(c + (size_t)i * N, edge + i * TILE_COLS, cols);
        }
    }
}

// The blocked product behind the three named ones; arguments as in gemm_naive.
static inline void gemm(real *C, const real *A, int a_trans, const real *B, int b_trans, const real *bias, int add,
                        int M, int N, int K) {
    real panel[TILE_DEPTH * TILE_COLS];
    int j0, k0;
    for (j0 = 0; j0 < N; j0 += TILE_COLS) {
        k0 = 0;
        do { // at least once, so that K = 0 still writes the bias
            int depth = K - k0 < TILE_DEPTH ? K - k0 : TILE_DEPTH;
            gemm_pack(panel, B, b_trans, N, K, j0, N - j0 < TILE_COLS ? N - j0 : TILE_COLS, k0, depth);
            gemm_panel(C, A, a_trans, panel, bias, add, M, N, K, j0, k0, depth);
            k0 += TILE_DEPTH;
        } while (k0 < K);
    }
}

// ---- packed once, used often -------------------------------------------------------------------------------------

// Numbers of B packed.
static inline size_t gemm_packed_size(int N, int K) {
    return (size_t)((N + TILE_COLS - 1) / TILE_COLS) * TILE_COLS * (size_t)K;
}

// packed = B (K x N), or B' of a B (N x K) when b_trans, as panels.
static inline void gemm_pack_all(real *packed, const real *B, int b_trans, int N, int K) {
    int j0;
    for (j0 = 0; j0 < N; j0 += TILE_COLS) {
        gemm_pack(packed + (size_t)j0 * K, B, b_trans, N, K, j0, N - j0 < TILE_COLS ? N - j0 : TILE_COLS, 0, K);
    }
}

// C (M x N) = bias (N, or NULL for 0) + A (M x K) B, B packed.
static inline void gemm_packed(real *C, const real *A, const real *packed, const real *bias, int M, int N, int K) {
    int j0, k0;
    for (j0 = 0; j0 < N; j0 += TILE_COLS) {
        k0 = 0;
        do {
            int depth = K - k0 < TILE_DEPTH ? K - k0 : TILE_DEPTH;
            gemm_panel(C, A, 0, packed + (size_t)j0 * K + (size_t)k0 * TILE_COLS, bias, 0, M, N, K, j0, k0, depth);
            k0 += TILE_DEPTH;
        } while (k0 < K);
    }
}

// ---- the three products ------------------------------------------------------------------------------------------

// C (M x N) = bias (N, or NULL for 0) + A (M x K) B (K x N).
static inline void gemm_nn(real *C, const real *A, const real *B, const real *bias, int M, int N, int K) {
    gemm(C, A, 0, B, 0, bias, 0, M, N, K);
}

// C (M x N) = A (M x K) B', B is (N x K).
static inline void gemm_nt(real *C, const real *A, const real *B, int M, int N, int K) {
    gemm(C, A, 0, B, 1, NULL, 0, M, N, K);
}

// C (M x N) += A' B, A is (K x M), B is (K x N).
static inline void gemm_tn(real *C, const real *A, const real *B, int M, int N, int K) {
    gemm(C, A, 1, B, 0, NULL, 1, M, N, K);
}

#endif
