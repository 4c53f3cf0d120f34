// gemm.h: matrix products in the one form that gcc and clang both turn into full-speed vector code.
//
//   gemm_nn   C = bias + A B        the forward pass of a linear layer
//   gemm_nt   C = A B'              its gradient with respect to the input
//   gemm_tn   C += A' B             its gradient with respect to the weights
//
// The heart is a register tile: TILE_ROWS x TILE_COLS sums kept in registers while k runs.  Every C[i][j] is one sum
// over k in increasing order, whatever the tile size, so the bits do not depend on the compiler, the vector width or
// the blocking.  The form matters more than it looks: copy the A scalars first, then the loop over columns with the
// rows innermost, all loads through one restrict pointer plus offsets.  `make bench` measures it.
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

// One tile: acc[i][j] += sum_k a[row[i] + k * step] * panel[k][j].  row[] holds TILE_ROWS offsets into a.
static inline void gemm_tile(real acc[TILE_ROWS][TILE_COLS], const real *RESTRICT a, const size_t *RESTRICT row,
                             size_t step, const real *RESTRICT panel, int depth) {
    real sum[TILE_ROWS][TILE_COLS]; // a local copy: the compiler may keep it in registers
    size_t off[TILE_ROWS];
    int i, j, k;
    for (i = 0; i < TILE_ROWS; i++) {
        off[i] = row[i];
        for (j = 0; j < TILE_COLS; j++) {
            sum[i][j] = acc[i][j];
        }
    }
    for (k = 0; k < depth; k++) {
        TILE_STEP(sum, TILE_ROWS, a[off[i] + (size_t)k * step], panel[k * TILE_COLS + j]);
    }
    for (i = 0; i < TILE_ROWS; i++) {
        for (j = 0; j < TILE_COLS; j++) {
            acc[i][j] = sum[i][j];
        }
    }
}

// TILE_COLS numbers, or the `cols` < TILE_COLS of the last tile.  The two cases are apart because a copy of known
// length is one vector instruction; tiles are copied so often that this decides the speed of small products.
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

// The blocked product behind the three named ones; arguments as in gemm_naive.
static inline void gemm(real *C, const real *A, int a_trans, const real *B, int b_trans, const real *bias, int add,
                        int M, int N, int K) {
    static const real zeros[TILE_COLS] = {0};
    real panel[TILE_DEPTH * TILE_COLS];
    real acc[TILE_ROWS][TILE_COLS] = {{0}};
    size_t row[TILE_ROWS];
    int i0, j0, k0, i;
    for (j0 = 0; j0 < N; j0 += TILE_COLS) {
        int cols = N - j0 < TILE_COLS ? N - j0 : TILE_COLS;
        k0 = 0;
        do { // at least once, so that K = 0 still writes the bias
            int depth = K - k0 < TILE_DEPTH ? K - k0 : TILE_DEPTH;
            int keep = add || k0 > 0; // the sums begin with what C holds
            gemm_pack(panel, B, b_trans, N, K, j0, cols, k0, depth);
            for (i0 = 0; i0 < M; i0 += TILE_ROWS) {
                int rows = M - i0 < TILE_ROWS ? M - i0 : TILE_ROWS;
                for (i = 0; i < TILE_ROWS; i++) { // rows beyond M repeat the last one and are never stored
                    size_t r = (size_t)(i0 + (i < rows ? i : rows - 1));
                    row[i] = a_trans ? (size_t)k0 * M + r : r * K + k0;
                    gemm_copy(acc[i], keep ? C + r * N + j0 : bias != NULL ? bias + j0 : zeros, cols);
                }
                gemm_tile(acc, A, row, a_trans ? (size_t)M : 1, panel, depth);
                for (i = 0; i < rows; i++) {
                    gemm_copy(C + (size_t)(i0 + i) * N + j0, acc[i], cols);
                }
            }
            k0 += TILE_DEPTH;
        } while (k0 < K);
    }
}

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
