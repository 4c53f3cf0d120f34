// layers.h: the layers of small networks, each an explicit forward / backward pair.
//
// A backward starts by repeating its forward formula.  Parameter gradients are added to (+=), so a layer may be used
// twice; input gradients are written (=) into a buffer of the caller unless the comment says otherwise.
#ifndef TILT_LAYERS_H
#define TILT_LAYERS_H

#include "gemm.h"
#include "rng.h"

// ---- linear ------------------------------------------------------------------------------------------------------

// y = x W + b.   x (n x in), W (in x out), b (out), y (n x out).
static inline void linear_forward(real *y, const real *x, const real *W, const real *b, int n, int in, int out) {
    gemm_nn(y, x, W, b, n, out, in);
}

// y = x W + b.   dW += x' dy,   db += sum over rows of dy,   dx = dy W' (dx may be NULL; so may dW with db).
static inline void linear_backward(real *dx, real *dW, real *db, const real *dy, const real *x, const real *W, int n,
                                   int in, int out) {
    int i, j;
    if (dW != NULL) {
        gemm_tn(dW, x, dy, in, out, n);
        for (i = 0; i < n; i++) {
            for (j = 0; j < out; j++) {
                db[j] += dy[(size_t)i * out + j];
            }
        }
    }
    if (dx != NULL) {
        gemm_nt(dx, dy, W, n, in, out);
    }
}

// W uniform in +-1/sqrt(in), the usual start of a linear layer.
static inline void linear_init(real *W, int in, int out, uint64_t seed, uint64_t stream) {
    double bound = 1.0 / sqrt((double)in);
    size_t i, n = (size_t)in * (size_t)out;
    for (i = 0; i < n; i++) {
        W[i] = (real)(bound * (2.0 * rng_uniform(seed, stream, i) - 1.0));
    }
}

// ---- SiLU --------------------------------------------------------------------------------------------------------

// y = z sigmoid(z).
static inline void silu_forward(real *y, const real *z, size_t n) {
    size_t i;
    SIMD
    for (i = 0; i < n; i++) {
        y[i] = z[i] * r_sigmoid(z[i]);
    }
}

// y = z s, s = sigmoid(z).   dz = dy s (1 + z (1 - s)).   dz may be dy.
static inline void silu_backward(real *dz, const real *dy, const real *z, size_t n) {
    size_t i;
    SIMD
    for (i = 0; i < n; i++) {
        real s = r_sigmoid(z[i]);
        dz[i] = dy[i] * (s * ((real)1 + z[i] * ((real)1 - s)));
    }
}

// y = z s and its slope dy/dz = s (1 + z (1 - s)) in one pass, so that the backward is one product and no exponential.
// slope may be z.
static inline void silu_forward_slope(real *y, real *slope, const real *z, size_t n) {
    size_t i;
    SIMD
    for (i = 0; i < n; i++) {
        real s = r_sigmoid(z[i]);
        y[i] = z[i] * s;
        slope[i] = s * ((real)1 + z[i] * ((real)1 - s));
    }
}

// ---- embeddings --------------------------------------------------------------------------------------------------

// Sinusoids of a timestep: e[i] = sin(u f_i), e[width/2 + i] = cos(u f_i), f_i = 10000^(-i/(width/2)).
// u is the timestep in units where the whole chain has length 1000, so that nets with other T see the same range.
static inline void time_embedding(real *e, double u, int width) {
    int half = width / 2, i;
    for (i = 0; i < half; i++) {
        double f = e_exp(-9.210340371976184 * i / half);
        e[i] = (real)e_sin(u * f);
        e[half + i] = (real)e_cos(u * f);
    }
}

// y[row] += table[prompt], table ((C + 1) x width); prompt -1, the null prompt, is the last row.
static inline void prompt_forward(real *y, const real *table, const int *c, int n, int prompts, int width) {
    int i, j;
    for (i = 0; i < n; i++) {
        const real *e = table + (size_t)(c == NULL || c[i] < 0 ? prompts : c[i]) * width;
        for (j = 0; j < width; j++) {
            y[(size_t)i * width + j] += e[j];
        }
    }
}

// y[row] += table[prompt].   dtable[prompt] += dy[row].
static inline void prompt_backward(real *dtable, const real *dy, const int *c, int n, int prompts, int width) {
    int i, j;
    for (i = 0; i < n; i++) {
        real *e = dtable + (size_t)(c == NULL || c[i] < 0 ? prompts : c[i]) * width;
        for (j = 0; j < width; j++) {
            e[j] += dy[(size_t)i * width + j];
        }
    }
}

#endif
