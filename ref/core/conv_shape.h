// conv_shape.h: what a convolution is given: its shape, where its pixels lie, and what its sums begin with.
#ifndef TILT_CONV_SHAPE_H
#define TILT_CONV_SHAPE_H

#include "tile.h"

// ---- shapes ------------------------------------------------------------------------------------------------------

typedef struct {
    int n, H, W;   // images, and the height and width of the OUTPUT
    int in, out;   // channels
    int k, stride; // side of the kernel: 1 or 3; step: 1 or 2
} ConvShape;

// Where pixel (b, v, u) begins: base + b image + v row + u pixel.
typedef struct {
    size_t base, image, row, pixel;
} Strides;

static inline size_t stride_at(const Strides *s, int b, int v, int u) {
    return s->base + (size_t)b * s->image + (size_t)v * s->row + (size_t)u * s->pixel;
}

// A dense array of H x W pixels of C numbers.
static inline Strides strides_dense(int H, int W, int C) {
    Strides s = {0, 0, 0, 0};
    s.pixel = (size_t)C;
    s.row = (size_t)W * (size_t)C;
    s.image = (size_t)H * s.row;
    return s;
}

// The kernel as runs of numbers: run t begins a[t] after the first number of the pixel's window and has `depth`
// consecutive numbers; its weights begin at row b[t] of the weight matrix.
typedef struct {
    int count, depth;
    size_t a[9], b[9];
} Taps;

static inline Taps taps_of(const ConvShape *s) { // a kernel row is one run
    Taps t;
    int ky;
    t.count = s->k;
    t.depth = s->k * s->in;
    for (ky = 0; ky < s->k; ky++) {
        t.a[ky] = (size_t)ky * (size_t)(s->stride * s->W + s->k - 1) * (size_t)s->in;
        t.b[ky] = (size_t)ky * (size_t)t.depth;
    }
    return t;
}

static inline Strides conv_input_strides(const ConvShape *s) {
    Strides x = strides_dense(s->stride * s->H + s->k - 1, s->stride * s->W + s->k - 1, s->in);
    x.row *= (size_t)s->stride;
    x.pixel *= (size_t)s->stride;
    return x;
}

static inline size_t conv_weights(const ConvShape *s) {
    return (size_t)s->k * (size_t)s->k * (size_t)s->in * (size_t)s->out;
}

// ---- the start of a sum ------------------------------------------------------------------------------------------

// Every output sum starts from a number that is there anyway: the bias, a vector per image (bias and time embedding),
// or another image (a skip connection).  `plus` (one number per channel, or NULL) is added when the sum is complete.
typedef struct {
    const real *from; // NULL: zero
    Strides at;
    const real *plus;
} ConvStart;

static inline ConvStart start_zero(void) {
    ConvStart s = {NULL, {0, 0, 0, 0}, NULL};
    return s;
}

static inline ConvStart start_bias(const real *bias) {
    ConvStart s = start_zero();
    s.from = bias;
    return s;
}

// rows: n x out, one vector per image.
static inline ConvStart start_rows(const real *rows, int out) {
    ConvStart s = start_bias(rows);
    s.at.image = (size_t)out;
    return s;
}

// image: n x H x W x out; bias may be NULL.
static inline ConvStart start_image(const real *image, const real *bias, int H, int W, int out) {
    ConvStart s = start_zero();
    s.from = image;
    s.at = strides_dense(H, W, out);
    s.plus = bias;
    return s;
}

#endif
