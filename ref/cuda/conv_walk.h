// conv_walk.h: how a convolution, written as a matrix product over pixels, walks through the pixels of its source.
//
// Row m of the product is a pixel (image n, height h, width w); a step of it looks at one tap: the source pixel
// (scale h + dy, scale w + dx), zero outside, with matrix `matrix` of the kernel.  All ways of fast_args.h, forward and
// back, differ in these few numbers only, so one kernel walks them all.
#ifndef TILT_CONV_WALK_H
#define TILT_CONV_WALK_H

#include "fast_args.h"

// A kernel matrix [in][out] and how far from the row's pixel its source lies.
struct ConvTap {
    short dy, dx, matrix;
};

struct ConvWalk {
    int log_h, log_w;  // the rows of the product are images of 2^log_h x 2^log_w pixels
    int rows;          // how many
    int scale;         // 1 or 2: row (h, w) begins at the source pixel (scale h, scale w)
    int height, width; // of the source; outside there are zeros
    int shift;         // 1: every stored pixel of the source stands for 2x2 of these
    int spread;        // 1: the rows are every second pixel, part z those with h % 2 == z / 2 and w % 2 == z % 2
    int parts;         // 4 with spread, or 1; the taps of part z are tap[first[z]] .. tap[first[z + 1] - 1]
    int first[5];
    ConvTap tap[36];
};

// ---- the tables, made on the host --------------------------------------------------------------------------------

static inline int conv_log2(int n) {
    int log = 0;
    while (1 << (log + 1) <= n) {
        log++;
    }
    return log;
}

static inline void conv_add_tap(ConvWalk *walk, int dy, int dx, int matrix) {
    ConvTap *tap = &walk->tap[walk->first[walk->parts]++];
    tap->dy = (short)dy;
    tap->dx = (short)dx;
    tap->matrix = (short)matrix;
}

// The rows are images of height x width pixels.
static inline ConvWalk conv_walk(int images, int height, int width) {
    ConvWalk walk = ConvWalk();
    walk.log_h = conv_log2(height);
    walk.log_w = conv_log2(width);
    walk.rows = images * height * width;
    walk.scale = 1;
    walk.height = height;
    walk.width = width;
    walk.parts = 1;
    return walk;
}

// y[h][w] = sum over the kernel of x[s h + ky - border][s w + kx - border] w[ky][kx]
static inline ConvWalk conv_walk_forward(const FastConv *c) {
    ConvWalk walk = conv_walk(c->N, c->H, c->W);
    int border = c->k / 2;
    if (c->how == CONV_HALVE) {
        walk.scale = 2;
        walk.height = 2 * c->H;
        walk.width = 2 * c->W;
    }
    walk.shift = c->how == CONV_DOUBLE;
    for (int ky = 0; ky < c->k; ky++) {
        for (int kx = 0; kx < c->k; kx++) {
            conv_add_tap(&walk, ky - border, kx - border, ky * c->k + kx);
        }
    }
    return walk;
}

// The same sum read from the side of x: dx[i][j] collects the dy[h][w] whose window holds (i, j), that is
// h = i - (ky - border) without a stride.
static inline ConvWalk conv_walk_same_back(const FastConv *c) {
    ConvWalk walk = conv_walk(c->N, c->H, c->W);
    int border = c->k / 2;
    for (int ky = 0; ky < c->k; ky++) {
        for (int kx = 0; kx < c->k; kx++) {
            conv_add_tap(&walk, border - ky, border - kx, ky * c->k + kx);
        }
    }
    return walk;
}

// Stride 2: i = 2 h + ky - 1.  An even i meets ky = 1 only, at h = i / 2; an odd i meets ky = 0 at h = (i + 1) / 2 and
// ky = 2 at h = (i - 1) / 2.  So the pixels of dx fall into four parts with 1, 2, 2 and 4 taps, and nothing is
// multiplied by the zeros between.
static inline ConvWalk conv_walk_halve_back(const FastConv *c) {
    ConvWalk walk = conv_walk(c->N, c->H, c->W);
    walk.spread = 1;
    walk.parts = 0;
    for (int z = 0; z < 4; z++) {
        int odd_y = z / 2, odd_x = z % 2;
        walk.parts++;
        walk.first[walk.parts] = walk.first[walk.parts - 1];
        for (int ky = 1 - odd_y; ky < 3; ky += 2) {
            for (int kx = 1 - odd_x; kx < 3; kx += 2) {
                conv_add_tap(&walk, (odd_y + 1 - ky) / 2, (odd_x + 1 - kx) / 2, ky * 3 + kx);
            }
        }
    }
    return walk;
}

// A pixel of the small image is four pixels (2 h + a, 2 w + b) of the large one; the gradient is the sum of theirs.
static inline ConvWalk conv_walk_double_back(const FastConv *c) {
    ConvWalk walk = conv_walk(c->N, c->H / 2, c->W / 2);
    walk.scale = 2;
    walk.height = c->H;
    walk.width = c->W;
    for (int child = 0; child < 4; child++) {
        for (int k = 0; k < 9; k++) {
            conv_add_tap(&walk, child / 2 + 1 - k / 3, child % 2 + 1 - k % 3, k);
        }
    }
    return walk;
}

static inline ConvWalk conv_walk_back(const FastConv *c) {
    switch (c->how) {
    case CONV_HALVE:
        return conv_walk_halve_back(c);
    case CONV_DOUBLE:
        return conv_walk_double_back(c);
    default:
        return conv_walk_same_back(c);
    }
}

// ---- used by the kernels -------------------------------------------------------------------------------------------

// Where a row looks: the first stored pixel of its image, and its place in it.
struct ConvRow {
    int image;
    short h, w; // together in one register
};

// A row behind the last one lies outside of every image, and so reads zeros.  A side has at most 2^13 pixels.
__device__ __forceinline__ ConvRow conv_row(const ConvWalk &walk, int m) {
    ConvRow row;
    int n = m >> (walk.log_h + walk.log_w);
    row.image = n * (walk.height >> walk.shift) * (walk.width >> walk.shift);
    row.h = m < walk.rows ? (short)((m >> walk.log_w & ((1 << walk.log_h) - 1)) * walk.scale) : -(1 << 14);
    row.w = (short)((m & ((1 << walk.log_w) - 1)) * walk.scale);
    return row;
}

// The stored pixel under a tap, or -1 where there is none.
__device__ __forceinline__ int conv_source(const ConvWalk &walk, const ConvRow &row, int dy, int dx) {
    int y = row.h + dy, x = row.w + dx;
    bool inside = (unsigned)y < (unsigned)walk.height && (unsigned)x < (unsigned)walk.width;
    return inside ? row.image + (y >> walk.shift) * (walk.width >> walk.shift) + (x >> walk.shift) : -1;
}

// The pixel that row m of part z computes.
__device__ __forceinline__ int conv_target(const ConvWalk &walk, int m, int z) {
    if (!walk.spread) {
        return m;
    }
    int w = m & ((1 << walk.log_w) - 1), above = m >> walk.log_w; // above: rows of pixels, counted through all images
    return ((2 * above + z / 2) << (walk.log_w + 1)) + 2 * w + z % 2;
}

#endif
