// conv_narrow.h: a 3x3 convolution to one, two or three channels, the last layer of every network that makes pictures.
//
// A register tile of conv.h has 16 output channels; with three of them, 13 of 16 products would be thrown away.  Here
// 16 pixels of a line are the vector lanes instead.  For that the input is turned, three lines at a time, from
// [pixel][channel] to [channel][pixel].  Every sum has the order of conv.h, so the results agree bit for bit.
#ifndef TILT_CONV_NARROW_H
#define TILT_CONV_NARROW_H

#include "conv_shape.h"

enum {
    NARROW_OUT = 3,        // channels at most
    NARROW_BAND = 3 * 8192 // numbers of three turned lines at most: 96 KB of stack
};

// Numbers of a turned line of one channel: W + 2 pixels, and what the last lanes may read beyond.
static inline size_t narrow_line(const ConvShape *s) {
    return (size_t)s->W + 2 + TILE_COLS;
}

static inline int narrow_fits(const ConvShape *s) {
    return s->k == 3 && s->stride == 1 && s->out <= NARROW_OUT && 3 * (size_t)s->in * narrow_line(s) <= NARROW_BAND;
}

// sum[o][lane] += the sum over the 9 taps and all channels, for TILE_COLS pixels from pixel u of the three lines on.
// w: panel of pack_panels.  Made by a macro, because a count of channels that is a variable is not kept in registers.
#define NARROW_SUM(outs)                                                                                       \
    static inline void narrow_sum_##outs(real total[NARROW_OUT][TILE_COLS], const real *const line[3], int in, \
                                         size_t wide, const real *RESTRICT w) {                                \
        real sum[outs][TILE_COLS];                                                                             \
        int ky, kx, c, o, j;                                                                                   \
        memcpy(sum, total, sizeof sum);                                                                        \
        for (ky = 0; ky < 3; ky++) {                                                                           \
            for (kx = 0; kx < 3; kx++) {                                                                       \
                const real *RESTRICT x = line[ky] + kx;                                                        \
                for (c = 0; c < in; c++) {                                                                     \
                    for (o = 0; o < outs; o++) {                                                               \
                        real v = w[o];                                                                         \
                        SIMD                                                                                   \
                        for (j = 0; j < TILE_COLS; j++) {                                                      \
                            sum[o][j] += x[j] * v;                                                             \
                        }                                                                                      \
                    }                                                                                          \
                    x += wide;                                                                                 \
                    w += TILE_COLS;                                                                            \
                }                                                                                              \
            }                                                                                                  \
        }                                                                                                      \
        memcpy(total, sum, sizeof sum);                                                                        \
    }
NARROW_SUM(1)
NARROW_SUM(2)
NARROW_SUM(3)

// As conv_forward, for a shape that fits.
static inline void narrow_forward(real *y, const real *x, const real *packed, const ConvStart *start,
                                  const ConvShape *s) {
    real band[NARROW_BAND];
    size_t wide = narrow_line(s), plane = (size_t)s->in * wide, row = (size_t)(s->W + 2) * (size_t)s->in;
    Strides ys = strides_dense(s->H, s->W, s->out);
    int b, v, u, i, c, o, j, lanes;
    memset(band, 0, 3 * plane * sizeof(real));
    for (b = 0; b < s->n; b++) {
        for (v = -2; v < s->H; v++) {
            const real *from = x + (size_t)(b * (s->H + 2) + v + 2) * row; // the third line of the three of output v
            real *turned = band + (size_t)((v + 2) % 3) * plane;
            const real *line[3];
            for (i = 0; i < s->W + 2; i++) {
                for (c = 0; c < s->in; c++) {
                    turned[(size_t)c * wide + (size_t)i] = from[(size_t)i * (size_t)s->in + (size_t)c];
                }
            }
            for (u = 0; u < s->W && v >= 0; u += TILE_COLS) {
                real sum[NARROW_OUT][TILE_COLS] = {{0}};
                lanes = s->W - u < TILE_COLS ? s->W - u : TILE_COLS;
                for (i = 0; i < 3; i++) {
                    line[i] = band + (size_t)((v + i) % 3) * plane + u;
                }
                for (j = 0; j < lanes && start->from != NULL; j++) {
                    for (o = 0; o < s->out; o++) {
                        sum[o][j] = start->from[stride_at(&start->at, b, v, u + j) + (size_t)o];
                    }
                }
                if (s->out == 1) {
                    narrow_sum_1(sum, line, s->in, wide, packed);
                } else if (s->out == 2) {
                    narrow_sum_2(sum, line, s->in, wide, packed);
                } else {
                    narrow_sum_3(sum, line, s->in, wide, packed);
                }
                for (j = 0; j < lanes; j++) {
                    real *to = y + stride_at(&ys, b, v, u + j);
                    for (o = 0; o < s->out; o++) {
                        to[o] = start->plus == NULL ? sum[o][j] : sum[o][j] + start->plus[o];
                    }
                }
            }
        }
    }
}

#endif
