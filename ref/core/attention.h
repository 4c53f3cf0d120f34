// attention.h: every pixel of an image looks at every other one: self-attention with one head, without its projections.
//
//   A[i][j] = softmax over j of q_i . k_j / sqrt(C),   out_i = sum_j A[i][j] v_j       for T pixels of C channels
//   Vaswani et al. 2017, "Attention Is All You Need", arXiv 1706.03762; inside the UNet of a diffusion model: Ho, Jain
//   and Abbeel 2020, arXiv 2006.11239.
//
// q, k and v of a pixel stand side by side, as one 1x1 convolution with 3C outputs makes them.  They are copied apart
// first, so that the four products of T x T and T x C matrices run through gemm.h.  A sum over a row goes through 16
// lanes (lane l adds the columns l, l + 16, ...), which are joined in halves: an order that vectors can keep.
// The naive pair says the same in the order of the formula; tests compare the two.
#ifndef TILT_ATTENTION_H
#define TILT_ATTENTION_H

#include "elementary.h"
#include "gemm.h"

#define ATTENTION_LANES 16

// Numbers of scratch for both directions: q, k, v apart, one gradient of that size, and one of the weights.
static inline size_t attention_scratch(int T, int C) {
    return 4 * (size_t)T * C + (size_t)T * T;
}

// ---- the naive pair ------------------------------------------------------------------------------------------------

// Arguments as in attention_forward, without scratch.
static inline void attention_naive_forward(real *out, real *weights, const real *qkv, int n, int T, int C) {
    int b, i, j, c;
    for (b = 0; b < n; b++) {
        const real *image = qkv + (size_t)b * T * 3 * C;
        for (i = 0; i < T; i++) {
            real *row = weights + ((size_t)b * T + i) * T, *to = out + ((size_t)b * T + i) * C;
            const real *q = image + (size_t)i * 3 * C;
            double top = -INFINITY, sum = 0;
            for (j = 0; j < T; j++) {
                const real *k = image + (size_t)j * 3 * C + C;
                double dot = 0;
                for (c = 0; c < C; c++) {
                    dot += (double)q[c] * (double)k[c];
                }
                row[j] = (real)(dot / sqrt((double)C));
                top = (double)row[j] > top ? (double)row[j] : top;
            }
            for (j = 0; j < T; j++) {
                row[j] = (real)e_exp((double)row[j] - top);
                sum += (double)row[j];
            }
            for (j = 0; j < T; j++) {
                row[j] = (real)((double)row[j] / sum);
            }
            for (c = 0; c < C; c++) {
                double mix = 0;
                for (j = 0; j < T; j++) {
                    mix += (double)row[j] * (double)image[(size_t)j * 3 * C + 2 * C + c];
                }
                to[c] = (real)mix;
            }
        }
    }
}

// Arguments as in attention_backward, without scratch.
static inline void attention_naive_backward(real *dqkv, const real *dout, const real *qkv, const real *weights, int n,
                                            int T, int C) {
    int b, i, j, c;
    memset(dqkv, 0, (size_t)n * T * 3 * C * sizeof(real));
    for (b = 0; b < n; b++) {
        const real *image = qkv + (size_t)b * T * 3 * C;
        real *dimage = dqkv + (size_t)b * T * 3 * C;
        for (i = 0; i < T; i++) {
            const real *row = weights + ((size_t)b * T + i) * T, *d = dout + ((size_t)b * T + i) * C;
            double mean = 0; // of dL/dA[i][j] under the weights of the row
            for (j = 0; j < T; j++) {
                for (c = 0; c < C; c++) {
                    mean += (double)row[j] * (double)d[c] * (double)image[(size_t)j * 3 * C + 2 * C + c];
                }
            }
            for (j = 0; j < T; j++) {
                const real *other = image + (size_t)j * 3 * C; // q, k, v of the pixel that is looked at
                double da = 0, ds;
                for (c = 0; c < C; c++) {
                    da += (double)d[c] * (double)other[2 * C + c];
                }
                ds = (double)row[j] * (da - mean) / sqrt((double)C);
                for (c = 0; c < C; c++) {
                    dimage[(size_t)i * 3 * C + c] += (real)(ds * (double)other[C + c]);
                    dimage[(size_t)j * 3 * C + C + c] += (real)(ds * (double)image[(size_t)i * 3 * C + c]);
                    dimage[(size_t)j * 3 * C + 2 * C + c] += (real)((double)row[j] * (double)d[c]);
                }
            }
        }
    }
}

// ---- rows ----------------------------------------------------------------------------------------------------------

// The sum of the lanes, in halves: 8 + 8, 4 + 4, ...
static inline real attention_join(real lane[ATTENTION_LANES]) {
    int half, l;
    for (half = ATTENTION_LANES / 2; half > 0; half /= 2) {
        for (l = 0; l < half; l++) {
            lane[l] += lane[l + half];
        }
    }
    return lane[0];
}

// row (T numbers) becomes its softmax.  Subtracting the largest number changes nothing but keeps e^x finite.
static inline void attention_softmax(real *RESTRICT row, int T) {
    real lane[ATTENTION_LANES], top, scale;
    int j, l;
    for (l = 0; l < ATTENTION_LANES; l++) {
        lane[l] = row[l < T ? l : 0];
    }
    for (j = ATTENTION_LANES; j + ATTENTION_LANES <= T; j += ATTENTION_LANES) {
        SIMD
        for (l = 0; l < ATTENTION_LANES; l++) {
            lane[l] = row[j + l] > lane[l] ? row[j + l] : lane[l];
        }
    }
    top = lane[0];
    for (l = 1; l < ATTENTION_LANES; l++) {
        top = lane[l] > top ? lane[l] : top;
    }
    for (; j < T; j++) {
        top = row[j] > top ? row[j] : top;
    }
    SIMD
    for (j = 0; j < T; j++) {
        row[j] = r_exp(row[j] - top);
    }
    memset(lane, 0, sizeof(lane));
    for (j = 0; j + ATTENTION_LANES <= T; j += ATTENTION_LANES) {
        SIMD
        for (l = 0; l < ATTENTION_LANES; l++) {
            lane[l] += row[j + l];
        }
    }
    for (l = 0; j < T; j++, l++) {
        lane[l] += row[j];
    }
    scale = (real)1 / attention_join(lane);
    SIMD
    for (j = 0; j < T; j++) {
        row[j] *= scale;
    }
}

// A = softmax(S) of one row.   dS = A (dA - sum A dA), written over dA.
static inline void attention_softmax_backward(real *RESTRICT dA, const real *RESTRICT A, int T) {
    real lane[ATTENTION_LANES] = {0}, mean;
    int j, l;
    for (j = 0; j + ATTENTION_LANES <= T; j += ATTENTION_LANES) {
        SIMD
        for (l = 0; l < ATTENTION_LANES; l++) {
            lane[l] += A[j + l] * dA[j + l];
        }
    }
    for (l = 0; j < T; j++, l++) {
        lane[l] += A[j] * dA[j];
    }
    mean = attention_join(lane);
    SIMD
    for (j = 0; j < T; j++) {
        dA[j] = A[j] * (dA[j] - mean);
    }
}

// One of q, k, v (part 0, 1, 2) of one image, apart and times scale: to (T x C) from qkv (T x 3C).
static inline void attention_take(real *RESTRICT to, const real *RESTRICT qkv, int part, real scale, int T, int C) {
    int i, c;
    for (i = 0; i < T; i++) {
        const real *RESTRICT from = qkv + ((size_t)i * 3 + part) * C;
        SIMD
        for (c = 0; c < C; c++) {
            to[(size_t)i * C + c] = from[c] * scale;
        }
    }
}

// The way back: part of qkv (T x 3C) = from (T x C).
static inline void attention_put(real *qkv, const real *from, int part, int T, int C) {
    int i;
    for (i = 0; i < T; i++) {
        memcpy(qkv + ((size_t)i * 3 + part) * C, from + (size_t)i * C, (size_t)C * sizeof(real));
    }
}

// ---- attention -----------------------------------------------------------------------------------------------------

// qkv (n x T x 3C): q, k, v of a pixel side by side.  out (n x T x C); weights (n x T x T), kept for backward;
// scratch: attention_scratch numbers.
static inline void attention_forward(real *out, real *weights, const real *qkv, int n, int T, int C, real *scratch) {
    size_t tc = (size_t)T * C, tt = (size_t)T * T;
    real *q = scratch, *k = q + tc, *v = k + tc, scale = (real)(1.0 / sqrt((double)C));
    int b, i;
    for (b = 0; b < n; b++, qkv += 3 * tc, out += tc, weights += tt) {
        attention_take(q, qkv, 0, scale, T, C);
        attention_take(k, qkv, 1, 1, T, C);
        attention_take(v, qkv, 2, 1, T, C);
        gemm_nt(weights, q, k, T, T, C);
        for (i = 0; i < T; i++) {
            attention_softmax(weights + (size_t)i * T, T);
        }
        gemm_nn(out, weights, v, NULL, T, C, T);
    }
}

// out = A v,   A = softmax(S),   S = q k' / sqrt(C).
//   dv = A' dout,   dA = dout v',   dS = A (dA - row sums of A dA),   dq = dS k / sqrt(C),   dk = dS' q / sqrt(C).
// dqkv (n x T x 3C) is written, not added to; dout (n x T x C); scratch: attention_scratch numbers.
static inline void attention_backward(real *dqkv, const real *dout, const real *qkv, const real *weights, int n, int T,
                                      int C, real *scratch) {
    size_t tc = (size_t)T * C, tt = (size_t)T * T;
    real *q = scratch, *k = q + tc, *v = k + tc, *d = v + tc, *dS = d + tc, scale = (real)(1.0 / sqrt((double)C));
    int b, i;
    for (b = 0; b < n; b++, qkv += 3 * tc, dqkv += 3 * tc, dout += tc, weights += tt) {
        attention_take(q, qkv, 0, scale, T, C);
        attention_take(k, qkv, 1, scale, T, C);
        attention_take(v, qkv, 2, 1, T, C);
        memset(d, 0, tc * sizeof(real));
        gemm_tn(d, weights, dout, T, C, T);
        attention_put(dqkv, d, 2, T, C);
        gemm_nt(dS, dout, v, T, T, C);
        for (i = 0; i < T; i++) {
            attention_softmax_backward(dS + (size_t)i * T, weights + (size_t)i * T, T);
        }
        gemm_nn(d, dS, k, NULL, T, C, T);
        attention_put(dqkv, d, 0, T, C);
        memset(d, 0, tc * sizeof(real));
        gemm_tn(d, dS, q, T, C, T);
        attention_put(dqkv, d, 1, T, C);
    }
}

#endif
