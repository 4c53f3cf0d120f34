// resample.h: copies between images of different layouts: zero borders, doubling, zeros between pixels, concatenation.
//
// Images are NHWC: n images of H rows of W pixels of C numbers.  A 3x3 convolution reads a copy with a border of zeros
// one pixel wide, so most copies here end in a buffer of (H + 2) x (W + 2) pixels; they write every number of it.
// A forward writes (=); a backward adds (+=), because one image may feed several layers.
// Everything runs on one thread; the caller gives each thread images of its own.
#ifndef TILT_RESAMPLE_H
#define TILT_RESAMPLE_H

#include "base.h"

// The border of one image of H x W pixels inside y ((H + 2) x (W + 2) x C) becomes zero; the inside is left alone.
static inline void border_zero(real *y, int H, int W, int C) {
    size_t pixel = (size_t)C, row = (size_t)(W + 2) * pixel;
    int i;
    memset(y, 0, row * sizeof(real));
    for (i = 1; i <= H; i++) {
        memset(y + (size_t)i * row, 0, pixel * sizeof(real));
        memset(y + (size_t)(i + 1) * row - pixel, 0, pixel * sizeof(real));
    }
    memset(y + (size_t)(H + 1) * row, 0, row * sizeof(real));
}

// Where the pixel (i, j) of image b begins, inside a buffer with a border.  i, j count without the border.
static inline size_t border_offset(int b, int i, int j, int H, int W, int C) {
    return (((size_t)b * (H + 2) + (size_t)(i + 1)) * (size_t)(W + 2) + (size_t)(j + 1)) * (size_t)C;
}

// y (n x (H + 2) x (W + 2) x C) = x (n x H x W x C) inside a border of zeros.
static inline void pad_forward(real *y, const real *x, int n, int H, int W, int C) {
    size_t row = (size_t)W * C;
    int b, i;
    for (b = 0; b < n; b++) {
        border_zero(y + (size_t)b * (H + 2) * (W + 2) * C, H, W, C);
        for (i = 0; i < H; i++) {
            memcpy(y + border_offset(b, i, 0, H, W, C), x + ((size_t)b * H + i) * row, row * sizeof(real));
        }
    }
}

// y (n x (2H + 2) x (2W + 2) x C) = x with every pixel four times (nearest neighbour), inside a border of zeros.
static inline void upsample_pad_forward(real *y, const real *x, int n, int H, int W, int C) {
    size_t pixel = (size_t)C;
    int b, i, j;
    for (b = 0; b < n; b++) {
        border_zero(y + (size_t)b * (2 * H + 2) * (2 * W + 2) * C, 2 * H, 2 * W, C);
        for (i = 0; i < H; i++) {
            real *row = y + border_offset(b, 2 * i, 0, 2 * H, 2 * W, C);
            for (j = 0; j < W; j++) {
                const real *from = x + (((size_t)b * H + i) * W + j) * pixel;
                memcpy(row + (size_t)(2 * j) * pixel, from, pixel * sizeof(real));
                memcpy(row + (size_t)(2 * j + 1) * pixel, from, pixel * sizeof(real));
            }
            memcpy(row + (size_t)(2 * W + 2) * pixel, row, (size_t)(2 * W) * pixel * sizeof(real));
        }
    }
}

// y = x doubled.   dx (n x H x W x C) += the sum of the four copies in dy (n x 2H x 2W x C, no border).
static inline void upsample_backward(real *dx, const real *dy, int n, int H, int W, int C) {
    size_t pixel = (size_t)C, row = (size_t)(2 * W) * pixel;
    int b, i, j, c;
    for (b = 0; b < n; b++) {
        for (i = 0; i < H; i++) {
            for (j = 0; j < W; j++) {
                real *RESTRICT to = dx + (((size_t)b * H + i) * W + j) * pixel;
                const real *RESTRICT up = dy + ((size_t)b * (2 * H) + 2 * i) * row + (size_t)(2 * j) * pixel;
                SIMD
                for (c = 0; c < C; c++) {
                    to[c] += (up[c] + up[pixel + c]) + (up[row + c] + up[row + pixel + c]);
                }
            }
        }
    }
}

// y (n x (2H + 2) x (2W + 2) x C) = x at the even pixels, zeros between, inside a border of zeros.  The 3x3 convolution
// of this image with the turned kernel is the input gradient of a convolution that moves by 2 pixels.
static inline void dilate_pad_forward(real *y, const real *x, int n, int H, int W, int C) {
    size_t pixel = (size_t)C;
    int b, i, j;
    memset(y, 0, (size_t)n * (2 * H + 2) * (2 * W + 2) * pixel * sizeof(real));
    for (b = 0; b < n; b++) {
        for (i = 0; i < H; i++) {
            for (j = 0; j < W; j++) {
                memcpy(y + border_offset(b, 2 * i, 2 * j, 2 * H, 2 * W, C), x + (((size_t)b * H + i) * W + j) * pixel,
                       pixel * sizeof(real));
            }
        }
    }
}

// y (pixels x (Ca + Cb)) = the channels of a (pixels x Ca), then those of b (pixels x Cb), pixel by pixel.
static inline void concat_forward(real *y, const real *a, const real *b, size_t pixels, int Ca, int Cb) {
    size_t na = (size_t)Ca, nb = (size_t)Cb, p;
    for (p = 0; p < pixels; p++) {
        memcpy(y + p * (na + nb), a + p * na, na * sizeof(real));
        memcpy(y + p * (na + nb) + na, b + p * nb, nb * sizeof(real));
    }
}

// y = a beside b.   da += the first Ca channels of dy,   db += the last Cb.
static inline void concat_backward(real *da, real *db, const real *dy, size_t pixels, int Ca, int Cb) {
    size_t na = (size_t)Ca, nb = (size_t)Cb, p;
    int c;
    for (p = 0; p < pixels; p++) {
        real *RESTRICT to_a = da + p * na;
        real *RESTRICT to_b = db + p * nb;
        const real *RESTRICT from = dy + p * (na + nb);
        SIMD
        for (c = 0; c < Ca; c++) {
            to_a[c] += from[c];
        }
        SIMD
        for (c = 0; c < Cb; c++) {
            to_b[c] += from[na + c];
        }
    }
}

#endif
