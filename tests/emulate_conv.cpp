// emulate_conv.cpp: the tensor-core convolutions (ref/cuda/conv_mma*.h), emulated, against the float64 loops
// of emulate_loops.h.
//   g++ -std=c++17 -O1 -DEMULATE tests/emulate_conv.cpp -o emulate_conv && ./emulate_conv
#include "emulate_loops.h"

#include "../ref/cuda/conv_mma_weights.h"

struct Shape {
    const char *what;
    FastConv c;
    int tile; // or -1: the one that mma_pick takes
};

// ---- the calls ------------------------------------------------------------------------------------------------------

static void forward(const Shape &s, int extras) {
    const FastConv *c = &s.c;
    check_forward(s.what, s.c, extras, [&](const FastForward *f) {
        if (s.tile < 0) {
            mma_forward(c, f, Stream());
        } else {
            mma_run<false>(conv_product_forward(c, f), s.tile, Stream());
        }
    });
}

static void backward(const Shape &s, int wanted, int adding) {
    const FastConv *c = &s.c;
    check_backward(s.what, s.c, wanted, adding, [&](const FastBackward *b) {
        if (s.tile < 0) {
            mma_backward_input(c, b, Stream());
        } else {
            mma_run<true>(conv_product_back(c, b), s.tile, Stream());
        }
    });
}

static void weights(const Shape &s, int slices) {
    check_weights(s.what, s.c, slices, [&](const bf16 *x1, const bf16 *x2, const bf16 *dy, float *dw) {
        mma_backward_weights(&s.c, x1, x2, dy, dw, slices, Stream());
    });
}

// ---- the choice of a tile -----------------------------------------------------------------------------------------

static void choices() {
    int wrong = 0, idle = 0, different = 0;
    for (int N = 1; N <= 256; N *= 4) {
        for (int side = 4; side <= 32; side *= 2) {
            for (int out = 64; out <= 256; out += 64) {
                for (int summing = 0; summing < 2; summing++) {
                    FastConv c = {N, side, side, 64, 0, out, 3, CONV_SAME};
                    ConvProduct p = conv_product_shape(&c, 0, summing);
                    int tile = mma_pick(&p);
                    wrong += tile < 0 || !mma_tile_fits(&p, tile, 1);
                    for (int t = 0; t < MMA_TILES && tile >= 0; t++) {
                        idle += mma_tile_fits(&p, t, 1) && mma_blocks(&p, tile) < MMA_ENOUGH &&
                                mma_blocks(&p, t) > mma_blocks(&p, tile);
                    }
                    different |= 1 << tile;
                }
            }
        }
    }
    check(wrong == 0, "the tile that is picked fits", wrong);
    check(idle == 0, "no other tile would keep more of an idle GPU busy", idle);
    check(different == 31, "every tile is picked for some shape (bits)", different);
    FastConv big = {128, 32, 32, 128, 128, 128, 3, CONV_SAME}, small = {1, 4, 4, 256, 0, 256, 3, CONV_SAME};
    check(mma_slices(&big) * 18 >= 2 * MMA_PROCESSORS, "slices of a large layer fill two waves", mma_slices(&big));
    check(mma_slices(&small) == 1, "a small layer is not cut", mma_slices(&small));
}

int main() {
    //                                                           N  H  W  C1  C2  out k
    Shape f0 = {"forward, tile 0, 8x16, 64|64 -> 128, everything", {1, 8, 16, 64, 64, 128, 3, CONV_SAME}, 0};
    Shape f1 = {"forward, tile 1, three 8x8 images", {3, 8, 8, 64, 0, 64, 3, CONV_SAME}, 1};
    Shape f2 = {"forward, tile 2, five 4x4 images", {5, 4, 4, 64, 0, 64, 3, CONV_SAME}, 2};
    Shape f3 = {"forward, tile 3, 16x16, 64 -> 32 of 64", {1, 16, 16, 64, 0, 64, 3, CONV_SAME}, 3};
    Shape f4 = {"forward, tile 4, 4x8 images, 64|64 -> 64", {3, 4, 8, 64, 64, 64, 3, CONV_SAME}, 4};
    Shape tiny2 = {"forward, tile 2, twelve 2x2 images", {12, 2, 2, 64, 0, 64, 3, CONV_SAME}, 2};
    Shape tiny1 = {"forward, tile 0, sixteen 1x1 images", {16, 1, 1, 64, 0, 128, 3, CONV_SAME}, 0};
    Shape one = {"forward, 1x1 kernel, 64|128 -> 64", {2, 8, 8, 64, 128, 64, 1, CONV_SAME}, 2};
    Shape halve = {"forward, halve, 16x8 -> 8x4", {3, 8, 4, 64, 0, 64, 3, CONV_HALVE}, 2};
    Shape twice = {"forward, double, 4x2 -> 8x4", {3, 8, 4, 64, 0, 64, 3, CONV_DOUBLE}, 2};
    Shape picked = {"forward, the tile that is picked", {1, 4, 4, 64, 0, 64, 3, CONV_SAME}, -1};
    forward(f4, 15); // the quickest first: a planted fault stops at the first failure
    forward(f2, 15);
    forward(f1, 15);
    forward(f3, 9);
    forward(f0, 15);
    forward(tiny2, 8);
    forward(tiny1, 8);
    forward(one, 1);
    forward(halve, 9);
    forward(twice, 9);
    forward(picked, 0);
    Shape b0 = {"gradient, tile 0, 4x4, 128 <- 64", {5, 4, 4, 128, 0, 64, 3, CONV_SAME}, 0};
    Shape b1 = {"gradient, tile 1, 64|64 <- 64", {1, 8, 8, 64, 64, 64, 3, CONV_SAME}, 1};
    Shape b2 = {"gradient, tile 2, 4x8 images, 64|64 <- 64, only the second", {3, 4, 8, 64, 64, 64, 3, CONV_SAME}, 2};
    Shape b3 = {"gradient, tile 3, 64 <- 128", {5, 4, 4, 64, 0, 128, 3, CONV_SAME}, 3};
    Shape b4 = {"gradient, tile 4, 64|64 <- 64, only the first", {1, 4, 8, 64, 64, 64, 3, CONV_SAME}, 4};
    Shape both = {"gradient, 1x1 kernel, one tile over 64|64", {5, 4, 4, 64, 64, 128, 1, CONV_SAME}, 0};
    Shape bhalve = {"gradient, halve, 16x8 <- 8x4", {3, 8, 4, 64, 0, 64, 3, CONV_HALVE}, 2};
    Shape bdouble = {"gradient, double, 4x4 <- 8x8", {3, 8, 8, 64, 0, 64, 3, CONV_DOUBLE}, 2};
    Shape bpicked = {"gradient, the tile that is picked", {1, 4, 4, 64, 0, 64, 3, CONV_SAME}, -1};
    backward(b4, 1, 0);
    backward(b2, 2, 2);
    backward(b1, 3, 2);
    backward(b0, 1, 0);
    backward(b3, 1, 1);
    backward(both, 3, 1);
    backward(bhalve, 1, 1);
    backward(bdouble, 1, 0);
    backward(bpicked, 1, 0);
    Shape w1 = {"weights, 64|64 -> 64, 8x8, 2 slices", {3, 8, 8, 64, 64, 64, 3, CONV_SAME}, -1};
    Shape w2 = {"weights, 1x1 kernel, 64|64 -> 128, more slices than steps", {5, 4, 4, 64, 64, 128, 1, CONV_SAME}, -1};
    Shape w3 = {"weights, halve", {3, 8, 4, 64, 0, 64, 3, CONV_HALVE}, -1};
    Shape w4 = {"weights, double", {3, 8, 4, 64, 0, 64, 3, CONV_DOUBLE}, -1};
    Shape w5 = {"weights, 1x1 kernel, a ring that turns", {5, 8, 8, 64, 0, 64, 1, CONV_SAME}, -1};
    weights(w1, 2);
    weights(w2, 4);
    weights(w3, 1);
    weights(w4, 2);
    weights(w5, 1);
    choices();
    return check_report("emulate_conv");
}
