// conv_product.h: a convolution as one matrix product: what is multiplied, and what becomes of the result.  Forward and
// the gradient of the inputs are such a product; the kernels of conv_mma_kernel.h and conv_wgmma_kernel.h differ in how
// they multiply, and share this file.
#ifndef TILT_CONV_PRODUCT_H
#define TILT_CONV_PRODUCT_H

#include "conv_walk.h"

// One product, forward or back.
struct ConvProduct {
    ConvWalk walk;
    const bf16 *a1, *a2;     // the source, side by side
    int depth1, depth2;      // its channels
    const bf16 *w;           // [k k][in][out]
    int in, out;             // sides of a kernel matrix
    bf16 *y1, *y2;           // the result, side by side, or NULL: not wanted
    int columns1, columns2;  // its channels
    const bf16 *add1, *add2; // added to it, or NULL
    const float *bias;       // [columns1], or NULL
    const float *image_rows; // [N][columns1], one vector per image, or NULL
    float *sums;             // [N][parts][2][columns1], or NULL
    int sum_pixels;          // pixels of a part
    int split;               // ranges that K is cut into, a thread block each (conv_split.h); 1: not cut
    float *partial;          // [split][rows][columns1 + columns2], what the ranges leave; not used with 1
};

static inline ConvProduct conv_product_forward(const FastConv *c, const FastForward *f) {
    ConvProduct p = ConvProduct();
    p.walk = conv_walk_forward(c);
    p.a1 = f->x1;
    p.a2 = f->x2;
    p.depth1 = c->C1;
    p.depth2 = c->C2;
    p.w = f->w;
    p.in = c->C1 + c->C2;
    p.out = c->out;
    p.y1 = f->y;
    p.columns1 = c->out;
    p.add1 = f->add;
    p.bias = f->bias;
    p.image_rows = f->rows;
    p.sums = f->sums;
    p.sum_pixels = fast_sum_pixels(c->H, c->W);
    p.split = 1;
    p.partial = f->space;
    return p;
}

static inline ConvProduct conv_product_back(const FastConv *c, const FastBackward *b) {
    ConvProduct p = ConvProduct();
    p.walk = conv_walk_back(c);
    p.a1 = b->dy;
    p.depth1 = c->out;
    p.w = b->w;
    p.in = c->C1 + c->C2;
    p.out = c->out;
    p.y1 = b->dx1;
    p.y2 = b->dx2;
    p.columns1 = c->C1;
    p.columns2 = c->C2;
    p.add1 = b->add1 ? b->dx1 : NULL;
    p.add2 = b->add2 ? b->dx2 : NULL;
    p.split = 1;
    p.partial = b->space;
    return p;
}

// The product without its tensors, for questions about its shape.  back: gradient of the inputs; sums: does the forward
// product leave some?
static inline ConvProduct conv_product_shape(const FastConv *c, int back, int sums) {
    static float some[1];
    FastForward f = FastForward();
    FastBackward b = FastBackward();
    f.sums = sums ? some : NULL;
    return back ? conv_product_back(c, &b) : conv_product_forward(c, &f);
}

// ---- the result ----------------------------------------------------------------------------------------------------

// T, the tile of a thread block, is BM pixels by BN channels.  It lies in shared memory as fp32, PITCH numbers a row.
// THREADS threads finish it: each owns 8 columns (GROUPS = BN / 8 of them) and ROWS rows, so a column has
// SLOTS = THREADS / GROUPS threads.  T::sync() is a barrier among them.

__device__ __forceinline__ void conv_add8(float (&v)[8], const float *from) {
    UNROLL
    for (int half = 0; half < 2; half++) {
        Float4 four = *(const Float4 *)(from + 4 * half);
        UNROLL
        for (int i = 0; i < 4; i++) {
            v[4 * half + i] += four.v[i];
        }
    }
}

// Store 8 sums and 8 sums of squares, and begin again at 0.
__device__ __forceinline__ void conv_put_sums(float *to, int stride, float (&s)[8], float (&q)[8]) {
    UNROLL
    for (int i = 0; i < 8; i++) {
        to[i] = s[i];
        to[stride + i] = q[i];
        s[i] = 0;
        q[i] = 0;
    }
}

// Bias, image vector and skip connection are added, the result is stored, and its columns are summed.  A part of the
// sums that is no longer than the ROWS of a thread is stored by it; longer ones are added up over the slots.
template <class T>
__device__ __forceinline__ void conv_finish(const ConvProduct &p, const float *tile, float *red, int m0, int n0) {
    const int slot = (int)threadIdx.x / T::GROUPS, group = (int)threadIdx.x % T::GROUPS, column = n0 + group * 8;
    const bool second = column >= p.columns1;
    bf16 *y = second ? p.y2 : p.y1;
    const bf16 *add = second ? p.add2 : p.add1;
    const int width = second ? p.columns2 : p.columns1, at = second ? column - p.columns1 : column;
    float s[8], q[8];
    UNROLL
    for (int i = 0; i < 8; i++) {
        s[i] = 0;
        q[i] = 0;
    }
    UNROLL
    for (int i = 0; i < T::ROWS; i++) {
        const int r = slot * T::ROWS + i, m = m0 + r;
        if (m < p.walk.rows && y != NULL) {
            const size_t to = (size_t)conv_target(p.walk, m, (int)blockIdx.z) * width + at;
            float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};
            conv_add8(v, tile + r * T::PITCH + group * 8);
            UNROLL
            for (int j = 0; j < 8 && p.bias != NULL; j++) {
                v[j] += p.bias[column + j]; // one by one: a bias may begin anywhere in the vector of parameters
            }
            if (p.image_rows != NULL) {
                conv_add8(v, p.image_rows + (size_t)(m >> (p.walk.log_h + p.walk.log_w)) * width + column);
            }
            if (add != NULL) {
                Bf16x8 old = *(const Bf16x8 *)(add + to);
                UNROLL
                for (int j = 0; j < 4; j++) {
                    v[2 * j] += low_float(old.pair[j]);
                    v[2 * j + 1] += high_float(old.pair[j]);
                }
            }
            Bf16x8 rounded;
            UNROLL
            for (int j = 0; j < 4; j++) {
                rounded.pair[j] = pack2(v[2 * j], v[2 * j + 1]);
            }
            *(Bf16x8 *)(y + to) = rounded;
            UNROLL
            for (int j = 0; j < 8; j++) {
                s[j] += v[j];
                q[j] += v[j] * v[j];
            }
            if (p.sums != NULL && p.sum_pixels <= T::ROWS && (m + 1) % p.sum_pixels == 0) {
                conv_put_sums(p.sums + (size_t)(m / p.sum_pixels) * 2 * width + column, width, s, q);
            }
        }
    }
    if (p.sums == NULL || p.sum_pixels <= T::ROWS) {
        return; // the whole block does
    }
    conv_put_sums(red + slot * 2 * T::BN + group * 8, T::BN, s, q);
    T::sync();
    const int parts = T::BM / p.sum_pixels, slots = p.sum_pixels / T::ROWS;
    for (int i = (int)threadIdx.x; i < parts * 2 * T::BN; i += T::THREADS) {
        const int part = i / (2 * T::BN), j = i % (2 * T::BN), m = m0 + part * p.sum_pixels;
        if (m < p.walk.rows) {
            float total = 0;
            for (int k = 0; k < slots; k++) {
                total += red[(part * slots + k) * 2 * T::BN + j];
            }
            p.sums[((size_t)(m / p.sum_pixels) * 2 + j / T::BN) * p.columns1 + n0 + j % T::BN] = total;
        }
    }
}

#endif
