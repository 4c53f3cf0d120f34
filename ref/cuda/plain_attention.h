// plain_attention.h: self-attention with one head, one thread a number.
//
//   A[i][j] = softmax over j of q_i . k_j / sqrt(C),   out_i = sum_j A[i][j] v_j       for T pixels of C channels
// q, k and v of a pixel stand side by side, as in attention.h; the matrix A is written down, and kept for the way back.
#ifndef TILT_PLAIN_ATTENTION_H
#define TILT_PLAIN_ATTENTION_H

#include "plain_image.h"

typedef struct {
    int n, T, C; // images, pixels of one, channels of q
} AttendShape;

// Where q (part 0), k (1) or v (2) of a pixel begins; qkv is n x T x 3C.
static inline DEVICE size_t attend_at(const AttendShape *s, int b, int pixel, int part) {
    return (((size_t)b * (size_t)s->T + (size_t)pixel) * 3 + (size_t)part) * (size_t)s->C;
}

// Row (b, i) of A, which has T numbers.
static inline DEVICE size_t attend_row(const AttendShape *s, int b, int i) {
    return ((size_t)b * (size_t)s->T + (size_t)i) * (size_t)s->T;
}

static inline DEVICE real attend_scale(const AttendShape *s) {
    return (real)1 / thread_sqrt((real)s->C);
}

// ---- forward -----------------------------------------------------------------------------------------------------

// A[b][i][j] = q_i . k_j / sqrt(C), before the softmax.
KERNEL(plain_attend_scores_thread, real *weights, const real *qkv, AttendShape s) {
    THREAD(t);
    Place p = place_of(t, 1, s.T, s.T); // b, -, i, j
    const real *q = qkv + attend_at(&s, p.b, p.u, 0), *k = qkv + attend_at(&s, p.b, p.c, 1);
    real dot = 0;
    int c;
    for (c = 0; c < s.C; c++) {
        dot += q[c] * k[c];
    }
    weights[t] = dot * attend_scale(&s);
}

// One row of A becomes its softmax.  Subtracting the largest number changes nothing but keeps e^x finite.
KERNEL(plain_attend_softmax_thread, real *weights, AttendShape s) {
    THREAD(t);
    real *row = weights + t * (size_t)s.T, top = row[0], sum = 0;
    int j;
    for (j = 1; j < s.T; j++) {
        top = row[j] > top ? row[j] : top;
    }
    for (j = 0; j < s.T; j++) {
        row[j] = thread_exp(row[j] - top);
        sum += row[j];
    }
    for (j = 0; j < s.T; j++) {
        row[j] /= sum;
    }
}

// out[b][i][c] = sum over j of A[b][i][j] v_j[c].
KERNEL(plain_attend_mix_thread, real *out, const real *weights, const real *qkv, AttendShape s) {
    THREAD(t);
    Place p = place_of(t, 1, s.T, s.C); // b, -, i, c
    const real *row = weights + attend_row(&s, p.b, p.u);
    real sum = 0;
    int j;
    for (j = 0; j < s.T; j++) {
        sum += row[j] * qkv[attend_at(&s, p.b, j, 2) + (size_t)p.c];
    }
    out[t] = sum;
}

// qkv (n x T x 3C); out (n x T x C); weights (n x T x T), kept for backward.
static inline void plain_attend_forward(real *out, real *weights, const real *qkv, const AttendShape *s) {
    size_t rows = size_mul((size_t)s->n, (size_t)s->T);
    LAUNCH(plain_attend_scores_thread, rows * (size_t)s->T, weights, qkv, *s);
    LAUNCH(plain_attend_softmax_thread, rows, weights, *s);
    LAUNCH(plain_attend_mix_thread, rows * (size_t)s->C, out, weights, qkv, *s);
}

// ---- backward ----------------------------------------------------------------------------------------------------

// dA[b][i][j] = dout_i . v_j.
KERNEL(plain_attend_dA_thread, real *dA, const real *dout, const real *qkv, AttendShape s) {
    THREAD(t);
    Place p = place_of(t, 1, s.T, s.T);
    const real *d = dout + pixel_at(p.b, 0, p.u, 1, s.T, s.C), *v = qkv + attend_at(&s, p.b, p.c, 2);
    real dot = 0;
    int c;
    for (c = 0; c < s.C; c++) {
        dot += d[c] * v[c];
    }
    dA[t] = dot;
}

// A = softmax(S) of one row:   dS = A (dA - sum A dA), written over dA.
KERNEL(plain_attend_dS_thread, real *dA, const real *weights, AttendShape s) {
    THREAD(t);
    const real *A = weights + t * (size_t)s.T;
    real *row = dA + t * (size_t)s.T, mean = 0;
    int j;
    for (j = 0; j < s.T; j++) {
        mean += A[j] * row[j];
    }
    for (j = 0; j < s.T; j++) {
        row[j] = A[j] * (row[j] - mean);
    }
}

// One number of dqkv, which is added to:
//   dq_i = sum_j dS[i][j] k_j / sqrt(C),   dk_j = sum_i dS[i][j] q_i / sqrt(C),   dv_j = sum_i A[i][j] dout_i
KERNEL(plain_attend_back_thread, real *dqkv, const real *dS, const real *weights, const real *dout, const real *qkv,
       AttendShape s) {
    THREAD(t);
    Place p = place_of(t, s.T, 3, s.C); // b, pixel, part, channel
    real sum = 0;
    int k;
    for (k = 0; k < s.T; k++) {
        if (p.u == 0) {
            sum += dS[attend_row(&s, p.b, p.v) + (size_t)k] * qkv[attend_at(&s, p.b, k, 1) + (size_t)p.c];
        } else if (p.u == 1) {
            sum += dS[attend_row(&s, p.b, k) + (size_t)p.v] * qkv[attend_at(&s, p.b, k, 0) + (size_t)p.c];
        } else {
            sum += weights[attend_row(&s, p.b, k) + (size_t)p.v] * dout[pixel_at(p.b, 0, k, 1, s.T, s.C) + (size_t)p.c];
        }
    }
    dqkv[t] += p.u == 2 ? sum : sum * attend_scale(&s);
}

// Numbers of scratch on the device: dS.
static inline size_t plain_attend_scratch(const AttendShape *s) {
    return size_mul(size_mul((size_t)s->n, (size_t)s->T), (size_t)s->T);
}

static inline void plain_attend_backward(real *dqkv, const real *dout, const real *qkv, const real *weights,
                                         const AttendShape *s, real *scratch) {
    size_t rows = size_mul((size_t)s->n, (size_t)s->T);
    LAUNCH(plain_attend_dA_thread, rows * (size_t)s->T, scratch, dout, qkv, *s);
    LAUNCH(plain_attend_dS_thread, rows, scratch, weights, *s);
    LAUNCH(plain_attend_back_thread, rows * 3 * (size_t)s->C, dqkv, scratch, weights, dout, qkv, *s);
}

#endif
