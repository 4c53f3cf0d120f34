// plain_conv.h: convolution, one thread a number: an output, an input gradient, a weight gradient.
//
//   y[b,v,u,o] = bias[o] + rows[b,o] + other[b,v,u,o] + sum over ky, kx, i  x[b, s v + ky, s u + kx, i] w[ky,kx,i,o]
// ConvShape and the layout of the weights are those of conv.h: x has its border of zeros already when k = 3, and w is
// the part of the flat parameter vector that the CPU uses.  A linear layer is an image of one pixel.
#ifndef TILT_PLAIN_CONV_H
#define TILT_PLAIN_CONV_H

#include "../core/conv.h"
#include "plain_image.h"

// Sides of the input with its border.
static inline DEVICE int conv_bordered(int side, const ConvShape *s) {
    return s->stride * side + s->k - 1;
}

// ---- forward -----------------------------------------------------------------------------------------------------

// The number y[b,v,u,o].  rows and other may be NULL; other may be y.
KERNEL(plain_conv_thread, real *y, const real *x, const real *w, const real *bias, const real *rows, const real *other,
       ConvShape s) {
    THREAD(i);
    Place p = place_of(i, s.H, s.W, s.out);
    real sum = bias[p.c];
    int ky, kx, c;
    if (rows != NULL) {
        sum += rows[(size_t)p.b * (size_t)s.out + (size_t)p.c];
    }
    if (other != NULL) {
        sum += other[i];
    }
    for (ky = 0; ky < s.k; ky++) {
        for (kx = 0; kx < s.k; kx++) {
            int v = s.stride * p.v + ky, u = s.stride * p.u + kx;
            const real *pixel = x + pixel_at(p.b, v, u, conv_bordered(s.H, &s), conv_bordered(s.W, &s), s.in);
            const real *tap = w + (size_t)(ky * s.k + kx) * (size_t)s.in * (size_t)s.out + (size_t)p.c;
            for (c = 0; c < s.in; c++) {
                sum += pixel[c] * tap[(size_t)c * (size_t)s.out];
            }
        }
    }
    y[i] = sum;
}

static inline void plain_conv_forward(real *y, const real *x, const real *w, const real *bias, const real *rows,
                                      const real *other, const ConvShape *s) {
    LAUNCH(plain_conv_thread, image_numbers(s->n, s->H, s->W, s->out), y, x, w, bias, rows, other, *s);
}

// ---- the gradient of the input -----------------------------------------------------------------------------------

// dx[b,v,u,c] += sum over the outputs that read it.  dx: n x sH x sW x in, without border.  Output row r reads the
// bordered rows s r + ky, and pixel row v is bordered row v + border: so r = (v + border - ky) / s, if that is whole.
KERNEL(plain_conv_input_thread, real *dx, const real *dy, const real *w, ConvShape s) {
    THREAD(i);
    Place p = place_of(i, s.stride * s.H, s.stride * s.W, s.in);
    int border = s.k / 2, ky, kx, o;
    real sum = 0;
    for (ky = 0; ky < s.k; ky++) {
        int v = p.v + border - ky;
        if (v < 0 || v % s.stride != 0 || v / s.stride >= s.H) {
            continue;
        }
        for (kx = 0; kx < s.k; kx++) {
            int u = p.u + border - kx;
            const real *up, *tap;
            if (u < 0 || u % s.stride != 0 || u / s.stride >= s.W) {
                continue;
            }
            up = dy + pixel_at(p.b, v / s.stride, u / s.stride, s.H, s.W, s.out);
            tap = w + ((size_t)(ky * s.k + kx) * (size_t)s.in + (size_t)p.c) * (size_t)s.out;
            for (o = 0; o < s.out; o++) {
                sum += up[o] * tap[o];
            }
        }
    }
    dx[i] += sum;
}

static inline void plain_conv_backward_input(real *dx, const real *dy, const real *w, const ConvShape *s) {
    LAUNCH(plain_conv_input_thread, image_numbers(s->n, s->stride * s->H, s->stride * s->W, s->in), dx, dy, w, *s);
}

// ---- the gradients of weights and bias ---------------------------------------------------------------------------

// dw[ky,kx,c,o] += sum over all pixels of all images.  So many numbers are added row by row of the images: a sum of
// sums loses fewer digits than one long sum.
KERNEL(plain_conv_weights_thread, real *dw, const real *dy, const real *x, ConvShape s) {
    THREAD(i);
    Place p = place_of(i, s.k, s.in, s.out); // w as k "images" of k x in "pixels" with out channels
    int ky = p.b, kx = p.v, c = p.u, b, v, u;
    int H = conv_bordered(s.H, &s), W = conv_bordered(s.W, &s);
    real total = 0;
    for (b = 0; b < s.n; b++) {
        for (v = 0; v < s.H; v++) {
            real row = 0;
            for (u = 0; u < s.W; u++) {
                row += x[pixel_at(b, s.stride * v + ky, s.stride * u + kx, H, W, s.in) + (size_t)c] *
                       dy[pixel_at(b, v, u, s.H, s.W, s.out) + (size_t)p.c];
            }
            total += row;
        }
    }
    dw[i] += total;
}

static inline void plain_conv_backward_weights(real *dw, const real *dy, const real *x, const ConvShape *s) {
    LAUNCH(plain_conv_weights_thread, conv_weights(s), dw, dy, x, *s);
}

// sum[group][c] += the numbers of channel c in the pixels of the group, 64 at a time.  One group: the gradient of a
// bias.  One group an image: the gradient of a vector that was added to all pixels of the image.
KERNEL(plain_channel_sum_thread, real *sum, const real *dy, size_t pixels, int C) {
    THREAD(i);
    const real *column = dy + i / (size_t)C * pixels * (size_t)C + i % (size_t)C;
    real total = 0;
    size_t from, k;
    for (from = 0; from < pixels; from += 64) {
        real part = 0;
        for (k = from; k < pixels && k < from + 64; k++) {
            part += column[k * (size_t)C];
        }
        total += part;
    }
    sum[i] += total;
}

// sum (groups x C) += of dy (groups x pixels x C).
static inline void plain_channel_sums(real *sum, const real *dy, int groups, size_t pixels, int C) {
    LAUNCH(plain_channel_sum_thread, size_mul((size_t)groups, (size_t)C), sum, dy, pixels, C);
}

#endif
