// groupnorm.h: group normalisation of images, together with the SiLU and the zero border that follow it.
//
//   h = (x - mean) rstd,   z = gain[c] h + shift[c],   y = z, or z sigmoid(z) with silu = 1
//   mean, rstd = 1 / sqrt(variance + 1e-5): over the H W C/G numbers of one image in one group of C/G neighbouring
//   channels; the variance is divided by their number, not by one less.
//   Wu and He 2018, "Group Normalization", arXiv 1803.08494.
//
// Images are NHWC.  The loops run over pixels outside and channels inside, because neighbouring channels are neighbours
// in memory: the sums of a channel grow pixel by pixel, many channels side by side in vector registers, and are
// combined in double in the order of the channels.  So the bits depend neither on the compiler nor on the vectors.
// The naive pair says the same in the order of the formula; tests compare the two.
#ifndef TILT_GROUPNORM_H
#define TILT_GROUPNORM_H

#include "elementary.h"
#include "resample.h"

#define GROUPNORM_EPS 1e-5
#define GROUPNORM_BLOCK 64 // channels whose sums are kept at a time

static inline void groupnorm_check(int H, int W, int C, int G, int border) {
    if (H < 1 || W < 1 || G < 1 || C < 1 || C % G != 0 || border < 0 || border > 1) {
        DIE("groupnorm: %d x %d pixels, %d channels in %d groups, border %d; sizes must be positive, the groups must "
            "divide the channels, and a border is 0 or 1",
            H, W, C, G, border);
    }
}

// ---- the naive pair ------------------------------------------------------------------------------------------------

// Arguments as in groupnorm_forward.
static inline void groupnorm_naive_forward(real *y, real *mean, real *rstd, const real *x, const real *gain,
                                           const real *shift, int n, int H, int W, int C, int G, int border, int silu) {
    int b, g, p, c, per = C / G;
    double count = (double)H * W * per;
    groupnorm_check(H, W, C, G, border);
    memset(y, 0, (size_t)n * (H + 2 * border) * (W + 2 * border) * C * sizeof(real));
    for (b = 0; b < n; b++) {
        const real *image = x + (size_t)b * H * W * C;
        for (g = 0; g < G; g++) {
            double m = 0, v = 0, r;
            for (p = 0; p < H * W; p++) {
                for (c = g * per; c < (g + 1) * per; c++) {
                    m += (double)image[(size_t)p * C + c] / count;
                }
            }
            for (p = 0; p < H * W; p++) {
                for (c = g * per; c < (g + 1) * per; c++) {
                    double u = (double)image[(size_t)p * C + c] - m;
                    v += u * u / count;
                }
            }
            r = 1.0 / sqrt(v + GROUPNORM_EPS);
            mean[(size_t)b * G + g] = (real)m;
            rstd[(size_t)b * G + g] = (real)r;
            for (p = 0; p < H * W; p++) {
                size_t row = (size_t)b * (H + 2 * border) + (size_t)(p / W + border);
                size_t at = (row * (size_t)(W + 2 * border) + (size_t)(p % W + border)) * (size_t)C;
                for (c = g * per; c < (g + 1) * per; c++) {
                    double z = (double)gain[c] * (((double)image[(size_t)p * C + c] - m) * r) + (double)shift[c];
                    y[at + (size_t)c] = (real)(silu ? z * e_sigmoid(z) : z);
                }
            }
        }
    }
}

// Arguments as in groupnorm_backward, without scratch.
static inline void groupnorm_naive_backward(real *dx, real *dgain, real *dshift, const real *dy, const real *x,
                                            const real *mean, const real *rstd, const real *gain, const real *shift,
                                            int n, int H, int W, int C, int G, int silu) {
    int b, g, p, c, pass, per = C / G;
    double count = (double)H * W * per;
    groupnorm_check(H, W, C, G, 0);
    for (b = 0; b < n; b++) {
        for (g = 0; g < G; g++) {
            double m = (double)mean[(size_t)b * G + g], r = (double)rstd[(size_t)b * G + g], mean_d = 0, mean_dh = 0;
            for (pass = 0; pass < 2; pass++) { // the second pass needs the two means that the first one takes
                for (p = 0; p < H * W; p++) {
                    for (c = g * per; c < (g + 1) * per; c++) {
                        size_t at = ((size_t)b * H * W + (size_t)p) * (size_t)C + (size_t)c;
                        double h = ((double)x[at] - m) * r, z = (double)gain[c] * h + (double)shift[c];
                        double s = e_sigmoid(z), dz = (double)dy[at] * (silu ? s * (1 + z * (1 - s)) : 1);
                        if (pass == 1) {
                            dx[at] += (real)(r * ((double)gain[c] * dz - mean_d - h * mean_dh));
                            continue;
                        }
                        mean_d += (double)gain[c] * dz / count;
                        mean_dh += (double)gain[c] * dz * h / count;
                        if (dgain != NULL) {
                            dgain[c] += (real)(dz * h);
                            dshift[c] += (real)dz;
                        }
                    }
                }
            }
        }
    }
}

// ---- forward -------------------------------------------------------------------------------------------------------

// group[c] = the group of channel c0 + c, c < cols, for groups of `per` channels: counted, because divisions would cost
// more than the pixels of a small image.
static inline void groupnorm_groups(int group[GROUPNORM_BLOCK], int c0, int cols, int per) {
    int g = c0 / per, left = (g + 1) * per - c0, c;
    for (c = 0; c < cols; c++) {
        group[c] = g;
        left--;
        if (left == 0) {
            g++;
            left = per;
        }
    }
}

enum { GROUPNORM_LANES = 32 };

// groupnorm_sums of exactly GROUPNORM_LANES channels, whose sums stay in registers: in memory, every pixel would wait
// for the store of the one before.
static inline void groupnorm_lanes(real *RESTRICT sum, const real *RESTRICT x, const real *RESTRICT around, int pixels,
                                   int C, int square) {
    real total[GROUPNORM_LANES] = {0}, from[GROUPNORM_LANES];
    int p, c;
    memcpy(from, around, sizeof from);
    for (p = 0; p < pixels; p++, x += C) {
        if (square) {
            SIMD
            for (c = 0; c < GROUPNORM_LANES; c++) {
                real u = x[c] - from[c];
                total[c] += u * u;
            }
        } else {
            SIMD
            for (c = 0; c < GROUPNORM_LANES; c++) {
                total[c] += x[c] - from[c];
            }
        }
    }
    memcpy(sum, total, sizeof total);
}

// Of each of `cols` channels of one image: the sum over pixels of u = x - around, or of u^2.
static inline void groupnorm_sums(real *RESTRICT sum, const real *RESTRICT x, const real *RESTRICT around, int pixels,
                                  int C, int cols, int square) {
    int p, c;
    for (; cols >= GROUPNORM_LANES; cols -= GROUPNORM_LANES) {
        groupnorm_lanes(sum, x, around, pixels, C, square);
        sum += GROUPNORM_LANES;
        x += GROUPNORM_LANES;
        around += GROUPNORM_LANES;
    }
    memset(sum, 0, (size_t)cols * sizeof(real));
    for (p = 0; p < pixels; p++) {
        const real *RESTRICT from = x + (size_t)p * C;
        if (square) {
            SIMD
            for (c = 0; c < cols; c++) {
                real u = from[c] - around[c];
                sum[c] += u * u;
            }
        } else {
            SIMD
            for (c = 0; c < cols; c++) {
                sum[c] += from[c] - around[c];
            }
        }
    }
}

// mean, rstd (G each) of one image, in two passes: the mean, as a distance from the first number of the group, and then
// the squares around it.  Sums of x and x^2 would lose a spread of 1 around 1000 in the digits of a float.
static inline void groupnorm_statistics(real *mean, real *rstd, const real *x, int pixels, int C, int G) {
    real sum[GROUPNORM_BLOCK], around[GROUPNORM_BLOCK];
    double count = (double)pixels * (C / G), total = 0;
    int group[GROUPNORM_BLOCK], per = C / G, square, c0, c;
    for (square = 0; square < 2; square++) {
        for (c0 = 0; c0 < C; c0 += GROUPNORM_BLOCK) {
            int cols = C - c0 < GROUPNORM_BLOCK ? C - c0 : GROUPNORM_BLOCK;
            groupnorm_groups(group, c0, cols, per);
            for (c = 0; c < cols; c++) {
                around[c] = square ? mean[group[c]] : x[group[c] * per];
            }
            groupnorm_sums(sum, x + c0, around, pixels, C, cols, square);
            for (c = 0; c < cols; c++) {
                int g = group[c];
                total += (double)sum[c];
                if (c0 + c + 1 < (g + 1) * per) {
                    continue;
                }
                if (square) {
                    rstd[g] = (real)(1.0 / sqrt(total / count + GROUPNORM_EPS));
                } else {
                    mean[g] = (real)((double)x[g * per] + total / count);
                }
                total = 0;
            }
        }
    }
}

// The numbers of channels c0 .. c0 + cols - 1, for z = (x - mu) scale + add.
static inline void groupnorm_line(real *mu, real *scale, real *add, const real *mean, const real *rstd,
                                  const real *gain, const real *shift, int c0, int cols, int per) {
    int group[GROUPNORM_BLOCK], c;
    groupnorm_groups(group, c0, cols, per);
    for (c = 0; c < cols; c++) {
        mu[c] = mean[group[c]];
        scale[c] = rstd[group[c]] * gain[c0 + c];
        add[c] = shift[c0 + c];
    }
}

// x (n x H x W x C); y (n x (H + 2 border) x (W + 2 border) x C), its border, if there is one, is written as zeros;
// mean, rstd (n x G), kept for backward; gain, shift (C).
static inline void groupnorm_forward(real *y, real *mean, real *rstd, const real *x, const real *gain,
                                     const real *shift, int n, int H, int W, int C, int G, int border, int silu) {
    int b, c0, c, i, j;
    groupnorm_check(H, W, C, G, border);
    for (b = 0; b < n; b++, mean += G, rstd += G, x += (size_t)H * W * C) {
        real *image = y + (size_t)b * (H + 2 * border) * (W + 2 * border) * C;
        groupnorm_statistics(mean, rstd, x, H * W, C, G);
        if (border) {
            border_zero(image, H, W, C);
        }
        for (c0 = 0; c0 < C; c0 += GROUPNORM_BLOCK) {
            real mu[GROUPNORM_BLOCK], scale[GROUPNORM_BLOCK], add[GROUPNORM_BLOCK];
            int cols = C - c0 < GROUPNORM_BLOCK ? C - c0 : GROUPNORM_BLOCK;
            groupnorm_line(mu, scale, add, mean, rstd, gain, shift, c0, cols, C / G);
            for (i = 0; i < H; i++) {
                for (j = 0; j < W; j++) {
                    const real *RESTRICT from = x + ((size_t)i * W + j) * C + c0;
                    real *RESTRICT to = image + ((size_t)(i + border) * (W + 2 * border) + j + border) * C + c0;
                    if (silu) {
                        SIMD
                        for (c = 0; c < cols; c++) {
                            real z = (from[c] - mu[c]) * scale[c] + add[c];
                            to[c] = z * r_sigmoid(z);
                        }
                    } else {
                        SIMD
                        for (c = 0; c < cols; c++) {
                            to[c] = (from[c] - mu[c]) * scale[c] + add[c];
                        }
                    }
                }
            }
        }
    }
}

// ---- backward ------------------------------------------------------------------------------------------------------

// Numbers of scratch for groupnorm_backward: dL/dz of one image and two means a group.
static inline size_t groupnorm_scratch(int H, int W, int C, int G) {
    return (size_t)H * W * C + 2 * (size_t)G;
}

// One image, channels c0 .. c0 + cols - 1: dz = dy dy/dz into dz, and per channel the sums of dz and of dz (x - mean).
static inline void groupnorm_dz(real *RESTRICT dz, real sum_d[GROUPNORM_BLOCK], real sum_du[GROUPNORM_BLOCK],
                                const real *RESTRICT dy, const real *RESTRICT x, const real *mean, const real *rstd,
                                const real *gain, const real *shift, int pixels, int C, int per, int c0, int cols,
                                int silu) {
    real mu[GROUPNORM_BLOCK], scale[GROUPNORM_BLOCK], add[GROUPNORM_BLOCK];
    int p, c;
    groupnorm_line(mu, scale, add, mean, rstd, gain, shift, c0, cols, per);
    memset(sum_d, 0, (size_t)cols * sizeof(real));
    memset(sum_du, 0, (size_t)cols * sizeof(real));
    for (p = 0; p < pixels; p++) {
        size_t at = (size_t)p * C + (size_t)c0;
        if (silu) {
            SIMD
            for (c = 0; c < cols; c++) {
                real u = x[at + c] - mu[c], z = u * scale[c] + add[c], s = r_sigmoid(z);
                real d = dy[at + c] * (s * ((real)1 + z * ((real)1 - s)));
                dz[at + c] = d;
                sum_d[c] += d;
                sum_du[c] += d * u;
            }
        } else {
            SIMD
            for (c = 0; c < cols; c++) {
                real u = x[at + c] - mu[c], d = dy[at + c];
                dz[at + c] = d;
                sum_d[c] += d;
                sum_du[c] += d * u;
            }
        }
    }
}

// z = gain h + shift.   dz = dy, or dy s (1 + z (1 - s)), s = sigmoid(z);   dgain += sum dz h,   dshift += sum dz,
//   dx += rstd (gain dz - mean(gain dz) - h mean(gain dz h)), the means over the group.
// dy (n x H x W x C, without border); dgain, dshift may both be NULL; scratch: groupnorm_scratch numbers.
static inline void groupnorm_backward(real *dx, real *dgain, real *dshift, const real *dy, const real *x,
                                      const real *mean, const real *rstd, const real *gain, const real *shift, int n,
                                      int H, int W, int C, int G, int silu, real *scratch) {
    size_t numbers = (size_t)H * W * C;
    real *mean_d = scratch + numbers, *mean_du = mean_d + G; // of the groups
    double count = (double)H * W * (C / G);
    int group[GROUPNORM_BLOCK], pixels = H * W, per = C / G, b, c0, c, p;
    groupnorm_check(H, W, C, G, 0);
    for (b = 0; b < n; b++, mean += G, rstd += G, x += numbers, dy += numbers, dx += numbers) {
        double total_d = 0, total_du = 0;
        for (c0 = 0; c0 < C; c0 += GROUPNORM_BLOCK) {
            real sum_d[GROUPNORM_BLOCK], sum_du[GROUPNORM_BLOCK];
            int cols = C - c0 < GROUPNORM_BLOCK ? C - c0 : GROUPNORM_BLOCK;
            groupnorm_groups(group, c0, cols, per);
            groupnorm_dz(scratch, sum_d, sum_du, dy, x, mean, rstd, gain, shift, pixels, C, per, c0, cols, silu);
            for (c = 0; c < cols; c++) {
                int g = group[c];
                total_d += (double)gain[c0 + c] * (double)sum_d[c];
                total_du += (double)gain[c0 + c] * (double)sum_du[c];
                if (dgain != NULL) {
                    dgain[c0 + c] += sum_du[c] * rstd[g];
                    dshift[c0 + c] += sum_d[c];
                }
                if (c0 + c + 1 == (g + 1) * per) {
                    mean_d[g] = (real)(total_d / count);
                    mean_du[g] = (real)(total_du / count);
                    total_d = total_du = 0;
                }
            }
        }
        for (c0 = 0; c0 < C; c0 += GROUPNORM_BLOCK) { // with h = u rstd: dx += dz (rstd gain) - (slope u + level)
            real mu[GROUPNORM_BLOCK], scale[GROUPNORM_BLOCK], slope[GROUPNORM_BLOCK], level[GROUPNORM_BLOCK];
            int cols = C - c0 < GROUPNORM_BLOCK ? C - c0 : GROUPNORM_BLOCK;
            groupnorm_groups(group, c0, cols, per);
            for (c = 0; c < cols; c++) {
                int g = group[c];
                mu[c] = mean[g];
                scale[c] = rstd[g] * gain[c0 + c];
                slope[c] = rstd[g] * rstd[g] * rstd[g] * mean_du[g];
                level[c] = rstd[g] * mean_d[g];
            }
            for (p = 0; p < pixels; p++) {
                real *RESTRICT to = dx + (size_t)p * C + c0;
                const real *RESTRICT dz = scratch + (size_t)p * C + c0;
                const real *RESTRICT from = x + (size_t)p * C + c0;
                SIMD
                for (c = 0; c < cols; c++) {
                    to[c] += dz[c] * scale[c] - ((from[c] - mu[c]) * slope[c] + level[c]);
                }
            }
        }
    }
}

#endif
