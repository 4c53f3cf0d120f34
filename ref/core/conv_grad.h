// conv_grad.h: the gradient of the weights of a convolution, dw[ky,kx,i,o] = sum over pixels x[.., i] dy[.., o].
//
// Here the pixels are what the sum runs over.  A tile holds TILE_ROWS rows of the weight matrix (a kernel row and its
// input channels) times TILE_COLS output channels; images are never split inside a tile, so the sum has one order.
#ifndef TILT_CONV_GRAD_H
#define TILT_CONV_GRAD_H

#include "conv.h"

enum { CONV_BLOCK = 256 }; // pixels of a weight-gradient block: a panel of them stays in the L1 cache

// dw[i][j] += sum over `lines` lines of `width` pixels  a[line arow + pixel astep + i] b[line brow + pixel bstep + j]
// for i < TILE_ROWS, j < TILE_COLS; the rows of dw are `out` apart.
static inline void conv_grad_tile(real *dw, size_t out, const real *RESTRICT a, size_t arow, size_t astep,
                                  const real *RESTRICT b, size_t brow, size_t bstep, int lines, int width) {
    real sum[TILE_ROWS][TILE_COLS];
    int r, c, line, k;
    for (r = 0; r < TILE_ROWS; r++) {
        SIMD
        for (c = 0; c < TILE_COLS; c++) {
            sum[r][c] = dw[(size_t)r * out + (size_t)c];
        }
    }
    for (line = 0; line < lines; line++) {
        const real *RESTRICT pixel = a + (size_t)line * arow, *RESTRICT up = b + (size_t)line * brow;
        ROLLED
        for (k = 0; k < width; k++) {
            TILE_STEP(sum, TILE_ROWS, pixel[i], up[j]);
            pixel += astep;
            up += bstep;
        }
    }
    for (r = 0; r < TILE_ROWS; r++) {
        SIMD
        for (c = 0; c < TILE_COLS; c++) {
            dw[(size_t)r * out + (size_t)c] = sum[r][c];
        }
    }
}

// The last rows of a tap, fewer than a tile has; the same sums in the same order.
static inline void conv_grad_rows(real *dw, size_t out, const real *a, size_t arow, size_t astep, const real *b,
                                  size_t brow, size_t bstep, int lines, int width, int rows) {
    real sum[TILE_ROWS][TILE_COLS];
    int r, c, line, k;
    for (r = 0; r < rows; r++) {
        memcpy(sum[r], dw + (size_t)r * out, sizeof sum[r]);
    }
    for (line = 0; line < lines; line++) {
        for (k = 0; k < width; k++) {
            const real *pixel = a + (size_t)line * arow + (size_t)k * astep;
            const real *up = b + (size_t)line * brow + (size_t)k * bstep;
            for (r = 0; r < rows; r++) {
                SIMD
                for (c = 0; c < TILE_COLS; c++) {
                    sum[r][c] += pixel[r] * up[c];
                }
            }
        }
    }
    for (r = 0; r < rows; r++) {
        memcpy(dw + (size_t)r * out, sum[r], sizeof sum[r]);
    }
}

// One output channel alone, for all `depth` rows of a tap: the last layer of a network has one to three channels, for
// which a tile would be nearly empty.
static inline void conv_grad_column(real *dw, size_t out, const real *a, size_t arow, size_t astep, const real *b,
                                    size_t brow, size_t bstep, int lines, int width, int depth) {
    enum { STRIP = 64 };
    int from, line, k, r;
    for (from = 0; from < depth; from += STRIP) {
        int rows = depth - from < STRIP ? depth - from : STRIP;
        real sum[STRIP];
        for (r = 0; r < rows; r++) {
            sum[r] = dw[(size_t)(from + r) * out];
        }
        for (line = 0; line < lines; line++) {
            for (k = 0; k < width; k++) {
                const real *pixel = a + (size_t)line * arow + (size_t)k * astep + from;
                real up = b[(size_t)line * brow + (size_t)k * bstep];
                SIMD
                for (r = 0; r < rows; r++) {
                    sum[r] += pixel[r] * up;
                }
            }
        }
        for (r = 0; r < rows; r++) {
            dw[(size_t)(from + r) * out] = sum[r];
        }
    }
}

// dw (rows of the taps x out) += sum over `lines` lines of `width` pixels of x under each tap times dy.
static inline void conv_grad_run(real *dw, const real *x, size_t xrow, size_t xstep, const real *dy, size_t yrow,
                                 size_t ystep, const Taps *taps, int lines, int width, int out) {
    size_t columns = (size_t)out;
    int t, i, o;
    for (t = 0; t < taps->count; t++) {
        const real *a = x + taps->a[t];
        real *to = dw + taps->b[t] * columns;
        for (o = 0; o + TILE_COLS <= out; o += TILE_COLS) {
            for (i = 0; i + TILE_ROWS <= taps->depth; i += TILE_ROWS) {
                conv_grad_tile(to + (size_t)i * columns + o, columns, a + i, xrow, xstep, dy + o, yrow, ystep, lines,
                               width);
            }
            if (i < taps->depth) {
                conv_grad_rows(to + (size_t)i * columns + o, columns, a + i, xrow, xstep, dy + o, yrow, ystep, lines,
                               width, taps->depth - i);
            }
        }
        for (; o < out; o++) {
            conv_grad_column(to + o, columns, a, xrow, xstep, dy + o, yrow, ystep, lines, width, taps->depth);
        }
    }
}

// db (out) += the sum of dy over `pixels` pixels.
static inline void bias_backward(real *db, const real *dy, size_t pixels, int out) {
    size_t p;
    int o;
    for (p = 0; p < pixels; p++) {
        const real *up = dy + p * (size_t)out;
        SIMD
        for (o = 0; o < out; o++) {
            db[o] += up[o];
        }
    }
}

// dw (k k in x out) += , db += (NULL: not wanted) for dy (n x H x W x out, no border) and the input x of the forward.
// Pixels are taken in blocks of about CONV_BLOCK, so that what a tile reads again and again is in the cache.
static inline void conv_backward_weights(real *dw, real *db, const real *dy, const real *x, const ConvShape *s) {
    ConvShape line = *s;
    Strides xs, ys;
    Taps taps;
    int b, v, u, lines, width;
    if (s->k == 1 && s->stride == 1) { // no neighbours matter: one long line of pixels
        line.W = s->n * s->H * s->W;
        line.n = line.H = 1;
    }
    xs = conv_input_strides(&line);
    ys = strides_dense(line.H, line.W, line.out);
    taps = taps_of(&line);
    for (b = 0; b < line.n; b++) {
        for (v = 0; v < line.H; v += lines) {
            lines = CONV_BLOCK / line.W < 1 ? 1 : CONV_BLOCK / line.W;
            lines = line.H - v < lines ? line.H - v : lines;
            for (u = 0; u < line.W; u += width) {
                width = line.W - u < CONV_BLOCK ? line.W - u : CONV_BLOCK;
                conv_grad_run(dw, x + stride_at(&xs, b, v, u), xs.row, xs.pixel, dy + stride_at(&ys, b, v, u), ys.row,
                              ys.pixel, &taps, lines, width, line.out);
            }
        }
    }
    if (db != NULL) {
        bias_backward(db, dy, (size_t)s->n * (size_t)s->H * (size_t)s->W, s->out);
    }
}

#endif
