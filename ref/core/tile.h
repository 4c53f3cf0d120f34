// tile.h: the register tile, the one inner loop in which every network of tilt spends its time.
//
//   sum[i][j] += A_i(k) B_j(k)   for TILE_ROWS x TILE_COLS sums that stay in registers while k runs
//
// The form matters more than it looks.  A compiler keeps the sums in registers and turns the loop over j into vector
// instructions only when they are a local array, the loads go through one restrict pointer plus offsets, and the two
// inner loops stand as below; edits that look harmless have cost a factor of 50.  `make bench` measures it, and
// data/bench/README.md says what the forms that lost reached.  Every sum runs over k in increasing order, whatever the
// tile, so its bits depend neither on the compiler nor on the vector width.
// The shape is that of the register file: 32 registers of 16 floats, or 16 of 8 or of 4.
#ifndef TILT_TILE_H
#define TILT_TILE_H

#include "base.h"

#ifndef TILE_ROWS
#if defined(__AVX512F__)
#define TILE_ROWS 12
#elif defined(__AVX2__)
#define TILE_ROWS 6
#else
#define TILE_ROWS 4
#endif
#endif
#define TILE_COLS 16

// One k of the tile.  A may use i, B may use j.
#if defined(__AVX512F__)
#define TILE_STEP(sum, rows, A, B)         \
    do {                                   \
        real v_[rows];                     \
        int i, j;                          \
        for (i = 0; i < (rows); i++) {     \
            v_[i] = A;                     \
        }                                  \
        SIMD                               \
        for (j = 0; j < TILE_COLS; j++) {  \
            real w_ = B;                   \
            for (i = 0; i < (rows); i++) { \
                sum[i][j] += v_[i] * w_;   \
            }                              \
        }                                  \
    } while (0)
#else // with 16 registers the rows outside: 77 of 78 GFLOP/s where the other order reached 41 (gcc) and 47 (clang)
#define TILE_STEP(sum, rows, A, B)            \
    do {                                      \
        int i, j;                             \
        for (i = 0; i < (rows); i++) {        \
            real v_ = A;                      \
            SIMD                              \
            for (j = 0; j < TILE_COLS; j++) { \
                sum[i][j] += v_ * (B);        \
            }                                 \
        }                                     \
    } while (0)
#endif

// sum[i][j] += sum over k < depth of  a[at[i] + k step] panel[k][j];  at: TILE_ROWS offsets, panel: depth x TILE_COLS.
// The pointers walk: an index computed from k costs gcc an addition a row (convolutions: 73 GFLOP/s instead of 80).
#define TILE_RUN(sum, depth, a, at, step, panel)               \
    do {                                                       \
        const real *RESTRICT a_ = (a), *RESTRICT b_ = (panel); \
        size_t step_ = (step);                                 \
        int k_;                                                \
        ROLLED                                                 \
        for (k_ = (depth); k_ > 0; k_--) {                     \
            TILE_STEP(sum, TILE_ROWS, a_[at[i]], b_[j]);       \
            a_ += step_;                                       \
            b_ += TILE_COLS;                                   \
        }                                                      \
    } while (0)

#endif
