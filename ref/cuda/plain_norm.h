// plain_norm.h: group normalisation, and the SiLU and the border that follow it, one thread a number.
//
//   h = (x - mean) rstd,   z = gain[c] h + shift[c],   y = z, or z sigmoid(z) with silu = 1            (groupnorm.h)
// The statistics of a group of an image are the work of one thread; every other number has a thread of its own, which
// computes h and z again where it needs them.
#ifndef TILT_PLAIN_NORM_H
#define TILT_PLAIN_NORM_H

#include "../core/groupnorm.h"
#include "plain_image.h"

typedef struct {
    int n, H, W, C, G; // images; groups of C / G neighbouring channels
    int border, silu;  // 1: the result has a border of zeros; 1: SiLU follows
} NormShape;

// ---- forward -----------------------------------------------------------------------------------------------------

// mean and rstd of group g of image b, in two passes: the mean as a distance from the first number, then the squares
// around it.  Sums of sums, pixel by pixel, keep the digits.
KERNEL(plain_norm_stats_thread, real *mean, real *rstd, const real *x, NormShape s) {
    THREAD(i);
    int per = s.C / s.G, pixel, c, square;
    const real *first = x + pixel_at((int)(i / (size_t)s.G), 0, 0, s.H, s.W, s.C) + i % (size_t)s.G * (size_t)per;
    real around = first[0];
    for (square = 0; square < 2; square++) {
        real total = 0;
        for (pixel = 0; pixel < s.H * s.W; pixel++) {
            real part = 0;
            for (c = 0; c < per; c++) {
                real d = first[(size_t)pixel * (size_t)s.C + (size_t)c] - around;
                part += square ? d * d : d;
            }
            total += part;
        }
        total /= (real)(s.H * s.W * per);
        if (square) {
            rstd[i] = (real)1 / thread_sqrt(total + (real)GROUPNORM_EPS);
        } else {
            around += total;
        }
    }
    mean[i] = around;
}

// One number of y (n x (H + 2 border) x (W + 2 border) x C).
KERNEL(plain_norm_thread, real *y, const real *mean, const real *rstd, const real *x, const real *gain,
       const real *shift, NormShape s) {
    THREAD(i);
    Place p = place_of(i, s.H + 2 * s.border, s.W + 2 * s.border, s.C);
    int v = p.v - s.border, u = p.u - s.border;
    size_t group = (size_t)(p.b * s.G + p.c / (s.C / s.G));
    real z = 0;
    if (v >= 0 && u >= 0 && v < s.H && u < s.W) {
        z = (x[pixel_at(p.b, v, u, s.H, s.W, s.C) + (size_t)p.c] - mean[group]) * rstd[group] * gain[p.c] + shift[p.c];
    } else {
        y[i] = 0;
        return;
    }
    y[i] = s.silu ? z * thread_sigmoid(z) : z;
}

static inline void plain_norm_forward(real *y, real *mean, real *rstd, const real *x, const real *gain,
                                      const real *shift, const NormShape *s) {
    groupnorm_check(s->H, s->W, s->C, s->G, s->border);
    LAUNCH(plain_norm_stats_thread, size_mul((size_t)s->n, (size_t)s->G), mean, rstd, x, *s);
    LAUNCH(plain_norm_thread, image_numbers(s->n, s->H + 2 * s->border, s->W + 2 * s->border, s->C), y, mean, rstd, x,
           gain, shift, *s);
}

// ---- backward ----------------------------------------------------------------------------------------------------

// What backward needs of one number: h, and dz = dy dy/dz.
typedef struct {
    real h, dz;
} NormBack;

static inline DEVICE NormBack plain_norm_back(real dy, real x, real mean, real rstd, real gain, real shift, int silu) {
    NormBack b;
    b.h = (x - mean) * rstd;
    b.dz = silu ? dy * thread_silu_slope(gain * b.h + shift) : dy;
    return b;
}

// Of a group of an image: the means of gain dz and of gain dz h, into mean_d and mean_dh (n x G).
KERNEL(plain_norm_means_thread, real *mean_d, real *mean_dh, const real *dy, const real *x, const real *mean,
       const real *rstd, const real *gain, const real *shift, NormShape s) {
    THREAD(i);
    int per = s.C / s.G, g = (int)(i % (size_t)s.G), pixel, c;
    size_t at = pixel_at((int)(i / (size_t)s.G), 0, 0, s.H, s.W, s.C);
    real total_d = 0, total_dh = 0, count = (real)(s.H * s.W * per);
    for (pixel = 0; pixel < s.H * s.W; pixel++, at += (size_t)s.C) {
        real d = 0, dh = 0;
        for (c = g * per; c < (g + 1) * per; c++) {
            NormBack b =
                plain_norm_back(dy[at + (size_t)c], x[at + (size_t)c], mean[i], rstd[i], gain[c], shift[c], s.silu);
            d += gain[c] * b.dz;
            dh += gain[c] * b.dz * b.h;
        }
        total_d += d;
        total_dh += dh;
    }
    mean_d[i] = total_d / count;
    mean_dh[i] = total_dh / count;
}

// dx += rstd (gain dz - mean(gain dz) - h mean(gain dz h)).
KERNEL(plain_norm_input_thread, real *dx, const real *mean_d, const real *mean_dh, const real *dy, const real *x,
       const real *mean, const real *rstd, const real *gain, const real *shift, NormShape s) {
    THREAD(i);
    Place p = place_of(i, s.H, s.W, s.C);
    size_t group = (size_t)(p.b * s.G + p.c / (s.C / s.G));
    NormBack b = plain_norm_back(dy[i], x[i], mean[group], rstd[group], gain[p.c], shift[p.c], s.silu);
    dx[i] += rstd[group] * (gain[p.c] * b.dz - mean_d[group] - b.h * mean_dh[group]);
}

// dgain[c] += sum dz h,   dshift[c] += sum dz, over all pixels of all images.
KERNEL(plain_norm_parameters_thread, real *dgain, real *dshift, const real *dy, const real *x, const real *mean,
       const real *rstd, const real *gain, const real *shift, NormShape s) {
    THREAD(c);
    real sum_gain = 0, sum_shift = 0;
    int b, v, u;
    for (b = 0; b < s.n; b++) {
        size_t group = (size_t)b * (size_t)s.G + c / (size_t)(s.C / s.G);
        for (v = 0; v < s.H; v++) {
            real row_gain = 0, row_shift = 0;
            for (u = 0; u < s.W; u++) {
                size_t at = pixel_at(b, v, u, s.H, s.W, s.C) + c;
                NormBack k = plain_norm_back(dy[at], x[at], mean[group], rstd[group], gain[c], shift[c], s.silu);
                row_gain += k.dz * k.h;
                row_shift += k.dz;
            }
            sum_gain += row_gain;
            sum_shift += row_shift;
        }
    }
    dgain[c] += sum_gain;
    dshift[c] += sum_shift;
}

// Numbers of scratch on the device.
static inline size_t plain_norm_scratch(const NormShape *s) {
    return 2 * size_mul((size_t)s->n, (size_t)s->G);
}

// dy without border; dx may be NULL, and so may dgain together with dshift.
static inline void plain_norm_backward(real *dx, real *dgain, real *dshift, const real *dy, const real *x,
                                       const real *mean, const real *rstd, const real *gain, const real *shift,
                                       const NormShape *s, real *scratch) {
    size_t groups = size_mul((size_t)s->n, (size_t)s->G);
    groupnorm_check(s->H, s->W, s->C, s->G, s->border);
    if (dx != NULL) {
        LAUNCH(plain_norm_means_thread, groups, scratch, scratch + groups, dy, x, mean, rstd, gain, shift, *s);
        LAUNCH(plain_norm_input_thread, image_numbers(s->n, s->H, s->W, s->C), dx, scratch, scratch + groups, dy, x,
               mean, rstd, gain, shift, *s);
    }
    if (dgain != NULL) {
        LAUNCH(plain_norm_parameters_thread, (size_t)s->C, dgain, dshift, dy, x, mean, rstd, gain, shift, *s);
    }
}

#endif
