// conv_naive.h: the convolution as its definition reads, one loop an index; what the fast forms are tested against.
//
// conv_forward and conv_backward_weights add the same numbers in the same order and agree with it bit for bit; Winograd
// and the input gradient order their sums otherwise and agree to rounding.
#ifndef TILT_CONV_NAIVE_H
#define TILT_CONV_NAIVE_H

#include "conv.h"

// y (n x H x W x out) = start + conv(x, w).  x (n x (sH+k-1) x (sW+k-1) x in), w (k x k x in x out).
static inline void conv_naive(real *y, const real *x, const real *w, const ConvStart *start, const ConvShape *s) {
    int Wp = s->stride * s->W + s->k - 1, Hp = s->stride * s->H + s->k - 1, b, v, u, o, ky, kx, i;
    for (b = 0; b < s->n; b++) {
        for (v = 0; v < s->H; v++) {
            for (u = 0; u < s->W; u++) {
                for (o = 0; o < s->out; o++) {
                    real sum = start->from == NULL ? (real)0 : start->from[stride_at(&start->at, b, v, u) + (size_t)o];
                    for (ky = 0; ky < s->k; ky++) {
                        for (kx = 0; kx < s->k; kx++) {
                            const real *pixel = x + ((size_t)(b * Hp + v * s->stride + ky) * (size_t)Wp +
                                                     (size_t)(u * s->stride + kx)) *
                                                        (size_t)s->in;
                            const real *tap = w + (size_t)(ky * s->k + kx) * (size_t)s->in * (size_t)s->out;
                            for (i = 0; i < s->in; i++) {
                                sum += pixel[i] * tap[(size_t)i * (size_t)s->out + (size_t)o];
                            }
                        }
                    }
                    y[((size_t)(b * s->H + v) * (size_t)s->W + (size_t)u) * (size_t)s->out + (size_t)o] =
                        start->plus == NULL ? sum : sum + start->plus[o];
                }
            }
        }
    }
}

// The adjoint of conv_naive: dw += , db += , dx += (same shape as x, border included); each may be NULL.
static inline void conv_naive_backward(real *dx, real *dw, real *db, const real *dy, const real *x, const real *w,
                                       const ConvShape *s) {
    int Wp = s->stride * s->W + s->k - 1, Hp = s->stride * s->H + s->k - 1, b, v, u, o, ky, kx, i;
    for (b = 0; b < s->n; b++) {
        for (v = 0; v < s->H; v++) {
            for (u = 0; u < s->W; u++) {
                const real *up = dy + ((size_t)(b * s->H + v) * (size_t)s->W + (size_t)u) * (size_t)s->out;
                for (o = 0; o < s->out && db != NULL; o++) {
                    db[o] += up[o];
                }
                for (ky = 0; ky < s->k; ky++) {
                    for (kx = 0; kx < s->k; kx++) {
                        size_t at =
                            ((size_t)(b * Hp + v * s->stride + ky) * (size_t)Wp + (size_t)(u * s->stride + kx)) *
                            (size_t)s->in;
                        size_t tap = (size_t)(ky * s->k + kx) * (size_t)s->in * (size_t)s->out;
                        for (i = 0; i < s->in; i++) {
                            for (o = 0; o < s->out; o++) {
                                size_t j = tap + (size_t)i * (size_t)s->out + (size_t)o;
                                if (dw != NULL) {
                                    dw[j] += x[at + (size_t)i] * up[o];
                                }
                                if (dx != NULL) {
                                    dx[at + (size_t)i] += w[j] * up[o];
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#endif
