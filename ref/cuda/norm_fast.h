// norm_fast.h: group normalisation and the SiLU behind it, on bf16 images of up to two tensors side by side.
//
//   h = (x - mean) rstd,   z = gain[c] h + shift[c],   y = z, or z sigmoid(z)
//   mean, rstd = 1 / sqrt(variance + eps) over the pixels of one image in one group of neighbouring channels
//   Wu and He 2018, "Group Normalization", arXiv 1803.08494.
//
// Forward reads no activation for the statistics: the convolution before it left the sums of x and x^2 (fast_args.h).
// The variance is E[x^2] - mean^2 in fp32, clamped at 0.  It loses digits where |mean| is much larger than the spread:
// rstd is off by 3e-6 where the mean is 10 deviations and by 2e-4 where it is 100 (tests/emulate_fused.cpp measures
// it).  A bf16 number has 8 bits: beyond some 100 deviations the activations themselves carry hardly any spread.
//
// Memory traffic a number, in bytes: forward 4 (read x, write y); backward 10 (x and dy for the sums, x and dy again,
// write dx), 12 where dx is added to.
#ifndef TILT_NORM_FAST_H
#define TILT_NORM_FAST_H

#include "device_extra.h"
#include "fast_args.h"

enum { NORM_THREADS = 256 };

struct FastNorm {
    int N, H, W;
    int C1, C2; // channels of x1 and x2, multiples of 64; C2 = 0 without x2
    int G;      // groups over x1 | x2; they divide C1 + C2 and may reach from x1 into x2
    float eps;  // added to the variance
    int silu;
};

struct NormForward {
    const bf16 *x1, *x2;
    const float *sums1, *sums2; // [N][fast_sum_parts(H, W)][2][C1], and [C2] of x2
    const float *gain, *shift;  // [C1 + C2]
    bf16 *y;                    // [N H W][C1 + C2]
    float *stats;               // [N][G][2]: mean and rstd, for backward; or NULL
};

struct NormBackward {
    const bf16 *dy, *x1, *x2;
    const float *stats, *gain, *shift;
    bf16 *dx1, *dx2; // dx2 may be NULL without x2
    int add1, add2;  // add to dx1 (dx2) instead of writing it
    float *sums;     // [N norm_parts][2][C1 + C2]: dgain | dshift of a part of an image; whoever needs the gradient of
                     // gain and shift adds the parts up (fold_slices, or the Adam kernel)
};

static inline void norm_check(const FastNorm *s) {
    int C = s->C1 + s->C2;
    if (s->N < 1 || s->H * s->W < 16 || s->C1 < 64 || s->C1 % 64 != 0 || s->C2 % 64 != 0 || s->G < 1 || C % s->G != 0 ||
        C > 2048) {
        DIE("norm: %d images %d x %d, %d + %d channels, %d groups; channels are multiples of 64, 2048 at most, and the "
            "groups divide them",
            s->N, s->H, s->W, s->C1, s->C2, s->G);
    }
}

// ---- sums where no convolution made them --------------------------------------------------------------------------

// sums [N][parts][2][C] of x [N H W][C].  Block: one part of one image, 64 channels.
static __global__ void __launch_bounds__(NORM_THREADS)
    group_sums_kernel(const bf16 *x, float *sums, int pixels, int C) {
    float sum[2][8] = {{0}};
    int t = (int)threadIdx.x, c = (int)blockIdx.y * 64 + t % 8 * 8;
    const bf16 *from = x + (size_t)blockIdx.x * (size_t)pixels * (size_t)C + c;
    for (int p = t / 8; p < pixels; p += 32) {
        float v[8];
        load_eight(v, from + (size_t)p * (size_t)C);
        UNROLL
        for (int i = 0; i < 8; i++) {
            sum[0][i] += v[i];
            sum[1][i] += v[i] * v[i];
        }
    }
    add_pixel_rows<2>(sums + (size_t)blockIdx.x * 2 * (size_t)C + blockIdx.y * 64, C, sum);
}

static inline void group_sums(const bf16 *x, float *sums, int N, int H, int W, int C, Stream stream) {
    dim3 grid((unsigned)(N * fast_sum_parts(H, W)), (unsigned)(C / 64));
    LAUNCH_FAST(group_sums_kernel, grid, dim3(NORM_THREADS), 32 * 2 * 64 * 4, stream, x, sums, fast_sum_pixels(H, W),
                C);
}

// ---- forward ------------------------------------------------------------------------------------------------------

// Eight channels of one pixel of x1 | x2, m: pixel among all images.
__device__ __forceinline__ const bf16 *norm_at(const bf16 *x1, const bf16 *x2, int C1, int C2, size_t m, int c) {
    return c < C1 ? x1 + m * (size_t)C1 + c : x2 + m * (size_t)C2 + (c - C1);
}

// Every channel of image n: sum over the parts, of x into a[c] and of x^2 into b[c].
__device__ __forceinline__ void norm_gather(float *a, float *b, const FastNorm &s, const float *sums1,
                                            const float *sums2, int n) {
    int parts = fast_sum_parts(s.H, s.W);
    for (int c = (int)threadIdx.x; c < s.C1 + s.C2; c += NORM_THREADS) {
        int C = c < s.C1 ? s.C1 : s.C2;
        const float *from = (c < s.C1 ? sums1 + c : sums2 + (c - s.C1)) + (size_t)n * (size_t)parts * 2 * (size_t)C;
        float sum = 0, square = 0;
        for (int p = 0; p < parts; p++) {
            sum += from[(size_t)p * 2 * (size_t)C];
            square += from[((size_t)p * 2 + 1) * (size_t)C];
        }
        a[c] = sum;
        b[c] = square;
    }
}

// Block: one slice of the pixels of one image.  All slices of an image find the same statistics again: the sums are few
// and stay in the cache, and a launch less is worth more.  A thread keeps its eight channels and walks over pixels.
static __global__ void __launch_bounds__(NORM_THREADS) norm_forward_kernel(FastNorm s, NormForward f, int slices) {
    int C = s.C1 + s.C2, n = (int)blockIdx.x / slices, slice = (int)blockIdx.x % slices, t = (int)threadIdx.x;
    int per = C / s.G, vectors = C / 8, rows = NORM_THREADS / vectors, pixels = s.H * s.W / slices;
    float *scale = (float *)shared_memory(), *add = scale + C; // y = x scale + add; first the sums of x and x^2
    norm_gather(scale, add, s, f.sums1, f.sums2, n);
    __syncthreads();
    for (int g = t; g < s.G; g += NORM_THREADS) {
        float sum = 0, square = 0, share = 1.f / ((float)(s.H * s.W) * (float)per);
        for (int c = g * per; c < (g + 1) * per; c++) {
            sum += scale[c];
            square += add[c];
        }
        float mean = sum * share, rstd = rsqrtf(fmaxf(square * share - mean * mean, 0.f) + s.eps);
        if (f.stats != NULL && slice == 0) {
            f.stats[((size_t)n * (size_t)s.G + (size_t)g) * 2] = mean;
            f.stats[((size_t)n * (size_t)s.G + (size_t)g) * 2 + 1] = rstd;
        }
        for (int c = g * per; c < (g + 1) * per; c++) {
            float slope = f.gain[c] * rstd;
            scale[c] = slope;
            add[c] = f.shift[c] - mean * slope;
        }
    }
    __syncthreads();
    int c = t % vectors * 8;
    float my_scale[8], my_add[8];
    UNROLL
    for (int i = 0; i < 8; i++) {
        my_scale[i] = scale[c + i];
        my_add[i] = add[c + i];
    }
    for (int p = t / vectors; p < pixels && t < rows * vectors; p += rows) {
        size_t m = (size_t)n * (size_t)(s.H * s.W) + (size_t)(slice * pixels + p);
        float v[8];
        load_eight(v, norm_at(f.x1, f.x2, s.C1, s.C2, m, c));
        UNROLL
        for (int i = 0; i < 8; i++) {
            float z = v[i] * my_scale[i] + my_add[i];
            v[i] = s.silu ? z * fast_sigmoid(z) : z;
        }
        store_eight(f.y + m * (size_t)C + c, v);
    }
}

// Parts of an image so that a few images still fill a GPU of some 100 multiprocessors; at least 8 pixels a part.
static inline int norm_slices(int images, int pixels, int wanted) {
    int slices = 1;
    while (images * slices < wanted && pixels / (2 * slices) >= 8 && pixels % (2 * slices) == 0) {
        slices *= 2;
    }
    return slices;
}

static inline void norm_forward(const FastNorm *s, const NormForward *f, Stream stream) {
    int slices = norm_slices(s->N, s->H * s->W, 1024);
    norm_check(s);
    LAUNCH_FAST(norm_forward_kernel, dim3((unsigned)(s->N * slices)), dim3(NORM_THREADS),
                (size_t)(s->C1 + s->C2) * 2 * 4, stream, *s, *f, slices);
}

// ---- backward -----------------------------------------------------------------------------------------------------

// Parts of an image whose sums norm_backward keeps apart; a function of the shape alone.
static inline int norm_parts(const FastNorm *s) {
    return norm_slices(s->N * ((s->C1 + s->C2) / 64), s->H * s->W, 1024);
}

// dshift = sum dz and dgain = sum dz h of one part of one image.  Block: 64 channels, which lie in x1 or in x2.
static __global__ void __launch_bounds__(NORM_THREADS) norm_sums_kernel(FastNorm s, NormBackward b, int parts) {
    int C = s.C1 + s.C2, n = (int)blockIdx.x / parts, part = (int)blockIdx.x % parts, t = (int)threadIdx.x;
    int c = (int)blockIdx.y * 64 + t % 8 * 8, per = C / s.G, pixels = s.H * s.W / parts;
    float mean[8], rstd[8], scale[8], shift[8], sum[2][8] = {{0}};
    UNROLL
    for (int i = 0; i < 8; i++) {
        const float *stats = b.stats + ((size_t)n * (size_t)s.G + (size_t)((c + i) / per)) * 2;
        mean[i] = stats[0];
        rstd[i] = stats[1];
        scale[i] = rstd[i] * b.gain[c + i];
        shift[i] = b.shift[c + i];
    }
    for (int p = t / 8; p < pixels; p += 32) {
        size_t m = (size_t)n * (size_t)(s.H * s.W) + (size_t)(part * pixels + p);
        float x[8], d[8];
        load_eight(x, norm_at(b.x1, b.x2, s.C1, s.C2, m, c));
        load_eight(d, b.dy + m * (size_t)C + c);
        UNROLL
        for (int i = 0; i < 8; i++) {
            float u = x[i] - mean[i], dz = s.silu ? d[i] * fast_silu_slope(u * scale[i] + shift[i]) : d[i];
            sum[0][i] += dz * u;
            sum[1][i] += dz;
        }
    }
    UNROLL
    for (int i = 0; i < 8; i++) {
        sum[0][i] *= rstd[i];
    }
    add_pixel_rows<2>(b.sums + (size_t)blockIdx.x * 2 * (size_t)C + blockIdx.y * 64, C, sum);
}

// What a channel needs for dx = scale dz - level - slope u, u = x - mean, dz = dy dy/dz at z = scale u + shift.
struct NormLine {
    float mean, scale, shift, level, slope;
};

// dx = rstd (gain dz - mean(gain dz) - h mean(gain dz h)), the means over the group.  Block: a slice of one image.
static __global__ void __launch_bounds__(NORM_THREADS)
    norm_backward_kernel(FastNorm s, NormBackward b, int parts, int slices) {
    int C = s.C1 + s.C2, n = (int)blockIdx.x / slices, slice = (int)blockIdx.x % slices, t = (int)threadIdx.x;
    int per = C / s.G, vectors = C / 8, rows = NORM_THREADS / vectors, pixels = s.H * s.W / slices;
    float *sum_dh = (float *)shared_memory(), *sum_d = sum_dh + C, *level = sum_d + C, *slope = level + s.G;
    for (int c = t; c < C; c += NORM_THREADS) {
        const float *from = b.sums + (size_t)n * (size_t)parts * 2 * (size_t)C + c;
        float dh = 0, d = 0;
        for (int p = 0; p < parts; p++) {
            dh += from[(size_t)p * 2 * (size_t)C];
            d += from[((size_t)p * 2 + 1) * (size_t)C];
        }
        sum_dh[c] = dh * b.gain[c];
        sum_d[c] = d * b.gain[c];
    }
    __syncthreads();
    for (int g = t; g < s.G; g += NORM_THREADS) {
        float dh = 0, d = 0, share = 1.f / ((float)(s.H * s.W) * (float)per);
        float rstd = b.stats[((size_t)n * (size_t)s.G + (size_t)g) * 2 + 1];
        for (int c = g * per; c < (g + 1) * per; c++) {
            dh += sum_dh[c];
            d += sum_d[c];
        }
        level[g] = rstd * (d * share);
        slope[g] = rstd * rstd * (dh * share); // with u for h = u rstd
    }
    __syncthreads();
    int c = t % vectors * 8;
    NormLine line[8];
    UNROLL
    for (int i = 0; i < 8; i++) {
        int g = (c + i) / per;
        const float *stats = b.stats + ((size_t)n * (size_t)s.G + (size_t)g) * 2;
        line[i].mean = stats[0];
        line[i].scale = stats[1] * b.gain[c + i];
        line[i].shift = b.shift[c + i];
        line[i].level = level[g];
        line[i].slope = slope[g];
    }
    bool first = c < s.C1, add = first ? b.add1 != 0 : b.add2 != 0;
    for (int p = t / vectors; p < pixels && t < rows * vectors; p += rows) {
        size_t m = (size_t)n * (size_t)(s.H * s.W) + (size_t)(slice * pixels + p);
        bf16 *to = first ? b.dx1 + m * (size_t)s.C1 + c : b.dx2 + m * (size_t)s.C2 + (c - s.C1);
        float x[8], d[8], old[8] = {0};
        load_eight(x, norm_at(b.x1, b.x2, s.C1, s.C2, m, c));
        load_eight(d, b.dy + m * (size_t)C + c);
        if (add) {
            load_eight(old, to);
        }
        UNROLL
        for (int i = 0; i < 8; i++) {
            float u = x[i] - line[i].mean;
            float dz = s.silu ? d[i] * fast_silu_slope(u * line[i].scale + line[i].shift) : d[i];
            d[i] = old[i] + (line[i].scale * dz - line[i].level - line[i].slope * u);
        }
        store_eight(to, d);
    }
}

static inline void norm_backward(const FastNorm *s, const NormBackward *b, Stream stream) {
    int parts = norm_parts(s), slices = norm_slices(s->N, s->H * s->W, 1024), C = s->C1 + s->C2;
    norm_check(s);
    LAUNCH_FAST(norm_sums_kernel, dim3((unsigned)(s->N * parts), (unsigned)(C / 64)), dim3(NORM_THREADS),
                32 * 2 * 64 * 4, stream, *s, *b, parts);
    LAUNCH_FAST(norm_backward_kernel, dim3((unsigned)(s->N * slices)), dim3(NORM_THREADS), (size_t)(C + s->G) * 2 * 4,
                stream, *s, *b, parts, slices);
}

#endif
