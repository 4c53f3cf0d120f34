// plain_image.h: kernels that move the numbers of images: borders, doubling, concatenation; and their ways back.
//
// Images are NHWC: number c of pixel (v, u) of image b.  What a 3x3 convolution reads has a border of zeros one pixel
// wide.  A forward writes (=), a way back adds (+=), because one image may feed several layers.
// resample.h is the same for the CPU, whole rows at a time.
#ifndef TILT_PLAIN_IMAGE_H
#define TILT_PLAIN_IMAGE_H

#include "thread.h"

// ---- places ------------------------------------------------------------------------------------------------------

typedef struct {
    int b, v, u, c; // image, row, column, channel
} Place;

// Number i of images of H x W x C.
static inline DEVICE Place place_of(size_t i, int H, int W, int C) {
    Place p;
    p.c = (int)(i % (size_t)C);
    i /= (size_t)C;
    p.u = (int)(i % (size_t)W);
    i /= (size_t)W;
    p.v = (int)(i % (size_t)H);
    p.b = (int)(i / (size_t)H);
    return p;
}

// Where the first channel of pixel (v, u) of image b stands.
static inline DEVICE size_t pixel_at(int b, int v, int u, int H, int W, int C) {
    return (((size_t)b * (size_t)H + (size_t)v) * (size_t)W + (size_t)u) * (size_t)C;
}

static inline size_t image_numbers(int n, int H, int W, int C) {
    return size_mul(size_mul((size_t)n, (size_t)H * (size_t)W), (size_t)C);
}

// ---- border and doubling -----------------------------------------------------------------------------------------

// One number of y (n x (scale H + 2) x (scale W + 2) x C): zero on the border, and inside it that of x (n x H x W x C).
KERNEL(plain_pad_thread, real *y, const real *x, int scale, int H, int W, int C) {
    THREAD(i);
    Place p = place_of(i, scale * H + 2, scale * W + 2, C);
    int v = p.v - 1, u = p.u - 1;
    int inside = v >= 0 && u >= 0 && v < scale * H && u < scale * W;
    y[i] = inside ? x[pixel_at(p.b, v / scale, u / scale, H, W, C) + (size_t)p.c] : (real)0;
}

// One number of dx: the sum of its copies in dy (n x scale H x scale W x C, no border).
KERNEL(plain_pad_back_thread, real *dx, const real *dy, int scale, int H, int W, int C) {
    THREAD(i);
    Place p = place_of(i, H, W, C);
    real sum = 0;
    int v, u;
    for (v = scale * p.v; v < scale * (p.v + 1); v++) {
        for (u = scale * p.u; u < scale * (p.u + 1); u++) {
            sum += dy[pixel_at(p.b, v, u, scale * H, scale * W, C) + (size_t)p.c];
        }
    }
    dx[i] += sum;
}

// y = x inside a border of zeros, with every pixel scale x scale times (scale 1 or 2).
static inline void plain_pad_forward(real *y, const real *x, int scale, int n, int H, int W, int C) {
    LAUNCH(plain_pad_thread, image_numbers(n, scale * H + 2, scale * W + 2, C), y, x, scale, H, W, C);
}

static inline void plain_pad_backward(real *dx, const real *dy, int scale, int n, int H, int W, int C) {
    LAUNCH(plain_pad_back_thread, image_numbers(n, H, W, C), dx, dy, scale, H, W, C);
}

// ---- concatenation -----------------------------------------------------------------------------------------------

// One number of y (pixels x (Ca + Cb)): of a (pixels x Ca), or of b (pixels x Cb).
KERNEL(plain_concat_thread, real *y, const real *a, const real *b, int Ca, int Cb) {
    THREAD(i);
    size_t both = (size_t)(Ca + Cb), pixel = i / both, c = i % both;
    y[i] = c < (size_t)Ca ? a[pixel * (size_t)Ca + c] : b[pixel * (size_t)Cb + c - (size_t)Ca];
}

// One number of dy, which belongs to exactly one number of da or db.
KERNEL(plain_concat_back_thread, real *da, real *db, const real *dy, int Ca, int Cb) {
    THREAD(i);
    size_t both = (size_t)(Ca + Cb), pixel = i / both, c = i % both;
    if (c < (size_t)Ca) {
        da[pixel * (size_t)Ca + c] += dy[i];
    } else {
        db[pixel * (size_t)Cb + c - (size_t)Ca] += dy[i];
    }
}

static inline void plain_concat_forward(real *y, const real *a, const real *b, size_t pixels, int Ca, int Cb) {
    LAUNCH(plain_concat_thread, pixels * (size_t)(Ca + Cb), y, a, b, Ca, Cb);
}

static inline void plain_concat_backward(real *da, real *db, const real *dy, size_t pixels, int Ca, int Cb) {
    LAUNCH(plain_concat_back_thread, pixels * (size_t)(Ca + Cb), da, db, dy, Ca, Cb);
}

#endif
