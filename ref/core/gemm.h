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

#include "base.h"

#ifndef TILE_ROWS // sums per column that fit the registers: 32 vectors of 16 floats, 16 of 8, 16 of 4
#if defined(__AVX512F__)
#define TILE_ROWS 12
#elif defined(__AVX2__)
#define TILE_ROWS 6
#else
#define TILE_ROWS 4
#endif
#endif
#define TILE_COLS 16
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
        real v[TILE_ROWS];
        for (i = 0; i < TILE_ROWS; i++) {
            v[i] = a[off[i] + (size_t)k * step];
        }
        SIMD
        for (j = 0; j < TILE_COLS; j++) {
            real b = panel[k * TILE_COLS + j];
            for (i = 0; i < TILE_ROWS; i++) {
                sum[i][j] += v[i] * b;
            }
        }
    }
    for (i = 0; i < TILE_ROWS; i++) {
        for (j = 0; j < TILE_COLS; j++) {
            acc[i][j] = sum[i][j];
        }
    }
}

// The blocked product behind the three named ones; arguments as in gemm_naive.
static inline void gemm(real *C, const real *A, int a_trans, const real *B, int b_trans, const real *bias, int add,
                        int M, int N, int K) {
    real panel[TILE_DEPTH * TILE_COLS];
    real acc[TILE_ROWS][TILE_COLS];
    size_t row[TILE_ROWS];
    int i0, j0, k0 = 0, i, j, k;
    for (j0 = 0; j0 < N; j0 += TILE_COLS) {
        int cols = N - j0 < TILE_COLS ? N - j0 : TILE_COLS;
        k0 = 0;
        do { // at least once, so that K = 0 still writes the bias
            int depth = K - k0 < TILE_DEPTH ? K - k0 : TILE_DEPTH;
            for (k = 0; k < depth; k++) { // pack; columns beyond N are zero and never stored
                for (j = 0; j < TILE_COLS; j++) {
                    size_t at = b_trans ? (size_t)(j0 + j) * K + (k0 + k) : (size_t)(k0 + k) * N + (j0 + j);
                    panel[k * TILE_COLS + j] = j < cols ? B[at] : (real)0;
                }
            }
            for (i0 = 0; i0 < M; i0 += TILE_ROWS) {
                int rows = M - i0 < TILE_ROWS ? M - i0 : TILE_ROWS;
                int keep = add || k0 > 0;
                for (i = 0; i < TILE_ROWS; i++) { // rows beyond M repeat the last one and are never stored
                    size_t r = (size_t)(i0 + (i < rows ? i : rows - 1));
                    row[i] = a_trans ? (size_t)k0 * M + r : r * K + k0;
                    for (j = 0; j < TILE_COLS; j++) {
                        acc[i][j] = i >= rows || j >= cols ? (real)0
                                    : keep                 ? C[r * N + (j0 + j)]
                                    : bias                 ? bias[j0 + j]
                                                           : (real)0;
                    }
                }
                gemm_tile(acc, A, row, a_trans ? (size_t)M : 1, panel, depth);
                for (i = 0; i < rows; i++) {
                    for (j = 0; j < cols; j++) {
                        C[(size_t)(i0 + i) * N + (j0 + j)] = acc[i][j];
                    }
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
