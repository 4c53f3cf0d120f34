// fast_args.h: what the fast kernels are given: tensors, layouts, and what each call promises.  A kernel file includes
// it and defines the functions named here; the executor (toy/model/unet_fast.h) includes those files.
//
// Activations are bf16, NHWC, without a border: x[n][h][w][c].  Parameters are one flat vector as everywhere in tilt:
// fp32 masters, and a bf16 copy at the same offsets, so a weight matrix is w[ky][kx][in][out] in every kernel.
// Sums are kept in fp32.  A sum that crosses thread blocks is written as partial sums, added up in a fixed order by
// whoever reads them: no atomic additions, so the same inputs give the same bits.
// "x1 | x2" is a concatenation over channels that is never made: two tensors are read side by side.
#ifndef TILT_FAST_ARGS_H
#define TILT_FAST_ARGS_H

#include "device.h"

// ---- convolution ---------------------------------------------------------------------------------------------------

enum ConvHow {
    CONV_SAME,  // stride 1, output as large as the input
    CONV_HALVE, // stride 2, input twice as large; 3x3, border of one zero on every side
    CONV_DOUBLE // every input pixel stands for 2x2 pixels ("nearest"), then stride 1; 3x3
};

// The shape of a convolution.  Channels are multiples of 64; C2 = 0 without a second input tensor.
struct FastConv {
    int N, H, W; // images; height and width of the OUTPUT, powers of two, N H W a multiple of 16
    int C1, C2;  // input channels of x1 and x2
    int out;     // output channels
    int k;       // kernel side, 1 or 3
    ConvHow how;
};

// y = conv(x1 | x2, w) + bias + rows + add, and the sums that the next GroupNorm needs.
struct FastForward {
    const bf16 *x1, *x2, *w; // w: [k k][C1 + C2][out]
    const float *bias;       // [out], or NULL
    const float *rows;       // [N][out], one vector per image (time and prompt), or NULL
    const bf16 *add;         // [N H W][out] (skip connection), or NULL
    bf16 *y;                 // [N H W][out]
    float *sums;             // [N][fast_sum_parts(H, W)][2][out]: sum and sum of squares of y over a part of an
                             // image (of the fp32 value before rounding), or NULL
    float *space;            // mma_space(c) numbers, whose contents the call spoils, or NULL: K is not cut into ranges
};

// dx1 | dx2 = (or += where add1, add2) the gradient of the inputs.  For CONV_DOUBLE dx is that of the small image.
struct FastBackward {
    const bf16 *dy, *w;
    bf16 *dx1, *dx2; // may be NULL: not wanted
    int add1, add2;
    float *space; // as above
};

// Pixels of an image that share a part of the sums, and parts of an image.  Every kernel that writes sums keeps to it.
__host__ __device__ __forceinline__ int fast_sum_pixels(int H, int W) {
    return H * W < 128 ? H * W : 128;
}
__host__ __device__ __forceinline__ int fast_sum_parts(int H, int W) {
    return H * W / fast_sum_pixels(H, W);
}

// conv_mma.h (sm_80 and later) and conv_wgmma.h (sm_90a) define, with the prefixes mma_ and wgmma_:
//   void PREFIX_forward(const FastConv *c, const FastForward *f, Stream stream);
//   void PREFIX_backward_input(const FastConv *c, const FastBackward *b, Stream stream);
//   void PREFIX_backward_weights(const FastConv *c, const bf16 *x1, const bf16 *x2, const bf16 *dy, float *dw,
//                                int slices, Stream stream);      dw: [slices][k k][C1 + C2][out], written whole
//   int PREFIX_slices(const FastConv *c);             how many slices keep the GPU busy
// mma_forward and mma_backward_input may cut K into ranges (conv_split.h) where they are given a space: then they add
// in another order, which shape and `sums` alone decide.  Calls of one stream may share a space.
//   size_t mma_space(const FastConv *c);              how many numbers either of them needs; 0: K is never cut
// conv_wgmma.h takes some shapes only, and never cuts K:
//   int wgmma_fits(const FastConv *c);                does it take this one, and is this GPU one for it?
// conv_thin.h has the first and the last convolution, whose images have 1..16 channels in fp32.

#endif
