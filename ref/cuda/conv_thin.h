// conv_thin.h: the first and the last convolution of a network, between an image of 1..16 channels in fp32 ("thin") and
// a bf16 tensor whose channels are a multiple of 64 ("wide").
//
// 3x3, stride 1.  Three kernels do all six products, because each gradient is a convolution again, with the taps of
// conv_walk.h turned round.  Plain CUDA cores and fp32 weights: these layers are a thousandth of the work, and rounding
// the image itself would cost more than it saves.
#ifndef TILT_CONV_THIN_H
#define TILT_CONV_THIN_H

#include "conv_walk.h"

struct ThinConv {
    int N, H, W;    // images; powers of two, N H W a multiple of 16
    int thin, wide; // channels: 1..16, and a multiple of 64
};

enum { THIN_MOST = 16, THIN_THREADS = 256, THIN_ROWS = THIN_THREADS / 32 }; // a lane owns two wide channels

struct ThinProduct {
    ConvWalk walk;
    int thin, wide;
    int thin_stride, wide_stride; // of a weight: w[tap][..], one of the two is 1
    const float *w, *bias;        // bias of the result, or NULL
};

__device__ __forceinline__ size_t thin_weight(const ThinProduct &p, int tap, int j, int i) {
    return (size_t)tap * p.thin * p.wide + (size_t)j * p.thin_stride + (size_t)i * p.wide_stride;
}

// ---- thin -> wide -------------------------------------------------------------------------------------------------

// grid: (parts of the sums, wide / 64).  A warp computes 64 channels of a pixel; the block, all pixels of a part.
__global__ void __launch_bounds__(THIN_THREADS)
    thin_to_wide(const __grid_constant__ ThinProduct p, const float *x, bf16 *y, float *sums, int part_pixels) {
    const int lane = (int)threadIdx.x % 32, row = (int)threadIdx.x / 32, i0 = (int)blockIdx.y * 64;
    float *w = (float *)shared_memory(); // [9][thin][64]
    for (int i = (int)threadIdx.x; i < 9 * p.thin * 64; i += THIN_THREADS) {
        int tap = i / (p.thin * 64), j = i / 64 % p.thin;
        w[i] = p.w[thin_weight(p, tap, j, i0 + i % 64)];
    }
    __syncthreads();
    float s[4] = {0, 0, 0, 0}; // sums of the two channels, sums of their squares
    for (int r = row; r < part_pixels; r += THIN_ROWS) {
        const int m = (int)blockIdx.x * part_pixels + r;
        const ConvRow at = conv_row(p.walk, m);
        float v[2] = {0, 0};
        if (p.bias != NULL) {
            v[0] = p.bias[i0 + 2 * lane];
            v[1] = p.bias[i0 + 2 * lane + 1];
        }
        for (int k = 0; k < 9; k++) {
            const ConvTap tap = p.walk.tap[k];
            const int pixel = conv_source(p.walk, at, tap.dy, tap.dx);
            for (int j = 0; pixel >= 0 && j < p.thin; j++) {
                const float a = x[(size_t)pixel * p.thin + j];
                const Float2 b = *(const Float2 *)(w + (tap.matrix * p.thin + j) * 64 + 2 * lane);
                v[0] += a * b.v[0];
                v[1] += a * b.v[1];
            }
        }
        *(uint32_t *)(y + (size_t)m * p.wide + i0 + 2 * lane) = pack2(v[0], v[1]);
        UNROLL
        for (int h = 0; h < 2; h++) {
            s[h] += v[h];
            s[2 + h] += v[h] * v[h];
        }
    }
    if (sums == NULL) {
        return; // the whole block does
    }
    __syncthreads(); // the weights are done with
    float *red = w;  // [rows][2][64]
    UNROLL
    for (int h = 0; h < 4; h++) {
        red[row * 128 + h / 2 * 64 + 2 * lane + h % 2] = s[h];
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        const int which = (int)threadIdx.x / 64, i = (int)threadIdx.x % 64;
        float total = 0;
        for (int r = 0; r < THIN_ROWS; r++) {
            total += red[r * 128 + which * 64 + i];
        }
        sums[((size_t)blockIdx.x * 2 + which) * p.wide + i0 + i] = total;
    }
}

// ---- wide -> thin -------------------------------------------------------------------------------------------------

// A warp computes all channels of one pixel: the lanes share the wide channels, then their sums meet.
__global__ void __launch_bounds__(THIN_THREADS)
    wide_to_thin(const __grid_constant__ ThinProduct p, const bf16 *x, float *y) {
    const int lane = (int)threadIdx.x % 32, m = (int)blockIdx.x * THIN_ROWS + (int)threadIdx.x / 32;
    if (m >= p.walk.rows) {
        return; // the whole warp does
    }
    const ConvRow at = conv_row(p.walk, m);
    float v[THIN_MOST];
    UNROLL
    for (int j = 0; j < THIN_MOST; j++) {
        v[j] = 0;
    }
    for (int k = 0; k < 9; k++) {
        const ConvTap tap = p.walk.tap[k];
        const int pixel = conv_source(p.walk, at, tap.dy, tap.dx);
        for (int i = 2 * lane; pixel >= 0 && i < p.wide; i += 64) {
            const uint32_t two = *(const uint32_t *)(x + (size_t)pixel * p.wide + i);
            UNROLL
            for (int j = 0; j < THIN_MOST; j++) {
                if (j < p.thin) {
                    v[j] += low_float(two) * p.w[thin_weight(p, tap.matrix, j, i)];
                    v[j] += high_float(two) * p.w[thin_weight(p, tap.matrix, j, i + 1)];
                }
            }
        }
    }
    UNROLL
    for (int j = 0; j < THIN_MOST; j++) {
        if (j < p.thin) {
            for (int step = 16; step > 0; step /= 2) {
                v[j] += __shfl_xor_sync(0xffffffffu, v[j], step);
            }
            if (lane == j) {
                y[(size_t)m * p.thin + j] = v[j] + (p.bias != NULL ? p.bias[j] : 0);
            }
        }
    }
}

// ---- gradient of the weights --------------------------------------------------------------------------------------

// grid: (wide / 64, 9 taps, slices of the pixels).  Pixel m of the wide tensor meets the tap's source in the thin one.
__global__ void __launch_bounds__(THIN_THREADS)
    thin_weights(const __grid_constant__ ThinProduct p, const float *thin, const bf16 *wide, float *dw) {
    const int lane = (int)threadIdx.x % 32, row = (int)threadIdx.x / 32, i0 = (int)blockIdx.x * 64;
    const int slice = (int)blockIdx.z, slices = (int)gridDim.z;
    const int begin = (int)((long long)p.walk.rows * slice / slices);
    const int end = (int)((long long)p.walk.rows * (slice + 1) / slices);
    const ConvTap tap = p.walk.tap[blockIdx.y];
    float v[THIN_MOST][2];
    UNROLL
    for (int j = 0; j < THIN_MOST; j++) {
        v[j][0] = 0;
        v[j][1] = 0;
    }
    for (int m = begin + row; m < end; m += THIN_ROWS) {
        const int pixel = conv_source(p.walk, conv_row(p.walk, m), tap.dy, tap.dx);
        if (pixel >= 0) {
            const uint32_t two = *(const uint32_t *)(wide + (size_t)m * p.wide + i0 + 2 * lane);
            UNROLL
            for (int j = 0; j < THIN_MOST; j++) {
                if (j < p.thin) {
                    const float a = thin[(size_t)pixel * p.thin + j];
                    v[j][0] += a * low_float(two);
                    v[j][1] += a * high_float(two);
                }
            }
        }
    }
    float *red = (float *)shared_memory(); // [rows][thin][64]
    UNROLL
    for (int j = 0; j < THIN_MOST; j++) {
        if (j < p.thin) {
            red[(row * p.thin + j) * 64 + 2 * lane] = v[j][0];
            red[(row * p.thin + j) * 64 + 2 * lane + 1] = v[j][1];
        }
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < p.thin * 64; i += THIN_THREADS) {
        float total = 0;
        for (int r = 0; r < THIN_ROWS; r++) {
            total += red[r * p.thin * 64 + i];
        }
        dw[(size_t)slice * 9 * p.thin * p.wide + thin_weight(p, tap.matrix, i / 64, i0 + i % 64)] = total;
    }
}

// ---- the calls of the first convolution: x thin [N H W][thin], y wide, w [9][thin][wide] --------------------------

// taps turned round (back = 1) or not
static inline ThinProduct thin_product(const ThinConv *c, int back, int first_layer, const float *w,
                                       const float *bias) {
    FastConv shape = {c->N, c->H, c->W, c->thin, 0, c->wide, 3, CONV_SAME};
    ThinProduct p = ThinProduct();
    p.walk = back ? conv_walk_back(&shape) : conv_walk_forward(&shape);
    p.thin = c->thin;
    p.wide = c->wide;
    p.thin_stride = first_layer ? c->wide : 1;
    p.wide_stride = first_layer ? 1 : c->thin;
    p.w = w;
    p.bias = bias;
    return p;
}

static inline void thin_launch_wide(const ThinConv *c, const ThinProduct &p, const float *x, bf16 *y, float *sums,
                                    Stream stream) {
    int pixels = fast_sum_pixels(c->H, c->W);
    dim3 grid((unsigned)(c->N * c->H * c->W / pixels), (unsigned)c->wide / 64);
    size_t weights = (size_t)9 * c->thin * 64 * 4, red = THIN_ROWS * 128 * 4;
    LAUNCH_FAST(thin_to_wide, grid, dim3(THIN_THREADS), weights > red ? weights : red, stream, p, x, y, sums, pixels);
}

static inline void thin_launch_thin(const ThinConv *c, const ThinProduct &p, const bf16 *x, float *y, Stream stream) {
    dim3 grid((unsigned)((c->N * c->H * c->W + THIN_ROWS - 1) / THIN_ROWS));
    LAUNCH_FAST(wide_to_thin, grid, dim3(THIN_THREADS), 0, stream, p, x, y);
}

// How many slices the gradient of the weights is cut into: 2048 pixels each, at most 64.
static inline int thin_slices(const ThinConv *c) {
    int slices = (c->N * c->H * c->W + 2047) / 2048;
    return slices < 64 ? slices : 64;
}

static inline void thin_launch_weights(const ThinConv *c, const ThinProduct &p, const float *thin, const bf16 *wide,
                                       float *dw, int slices, Stream stream) {
    dim3 grid((unsigned)c->wide / 64, 9, (unsigned)slices);
    LAUNCH_FAST(thin_weights, grid, dim3(THIN_THREADS), (size_t)THIN_ROWS * c->thin * 64 * 4, stream, p, thin, wide,
                dw);
}

// sums: as in FastForward, or NULL
static inline void thin_in_forward(const ThinConv *c, const float *x, const float *w, const float *bias, bf16 *y,
                                   float *sums, Stream stream) {
    thin_launch_wide(c, thin_product(c, 0, 1, w, bias), x, y, sums, stream);
}

// dw: [slices][9][thin][wide], written whole
static inline void thin_in_backward_weights(const ThinConv *c, const float *x, const bf16 *dy, float *dw, int slices,
                                            Stream stream) {
    thin_launch_weights(c, thin_product(c, 0, 1, NULL, NULL), x, dy, dw, slices, stream);
}

// The gradient of the image itself, for rewards that are differentiated; dx may be NULL: not wanted.
static inline void thin_in_backward_input(const ThinConv *c, const bf16 *dy, const float *w, float *dx, Stream stream) {
    if (dx != NULL) {
        thin_launch_thin(c, thin_product(c, 1, 1, w, NULL), dy, dx, stream);
    }
}

// ---- the calls of the last convolution: x wide, F thin [N H W][thin], w [9][wide][thin] ---------------------------

static inline void thin_out_forward(const ThinConv *c, const bf16 *x, const float *w, const float *bias, float *F,
                                    Stream stream) {
    thin_launch_thin(c, thin_product(c, 0, 0, w, bias), x, F, stream);
}

static inline void thin_out_backward_input(const ThinConv *c, const float *dF, const float *w, bf16 *dx,
                                           Stream stream) {
    thin_launch_wide(c, thin_product(c, 1, 0, w, NULL), dF, dx, NULL, stream);
}

// dw: [slices][9][wide][thin], written whole
static inline void thin_out_backward_weights(const ThinConv *c, const bf16 *x, const float *dF, float *dw, int slices,
                                             Stream stream) {
    thin_launch_weights(c, thin_product(c, 1, 0, NULL, NULL), dF, x, dw, slices, stream);
}

#endif
