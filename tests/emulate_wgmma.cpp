// emulate_wgmma.cpp: the Hopper convolutions (ref/cuda/conv_wgmma*.h), emulated, against the float64 loops of
// emulate_loops.h.
//   g++ -std=c++17 -O1 -DEMULATE tests/emulate_wgmma.cpp -o emulate_wgmma && ./emulate_wgmma
#include "emulate_loops.h"

#include "../ref/cuda/conv_wgmma.h"

// tile: or -1, the one that wgmma_pick takes
static void forward(const char *what, int tile, const FastConv &c, int extras) {
    check_forward(what, c, extras, [&](const FastForward *f) {
        ConvProduct p = conv_product_forward(&c, f);
        if (tile < 0) {
            wgmma_forward(&c, f, Stream());
        } else {
            wgmma_run<false>(&p, c.k, tile, Stream());
        }
    });
}

static void backward(const char *what, int tile, const FastConv &c, int wanted, int adding) {
    check_backward(what, c, wanted, adding, [&](const FastBackward *b) {
        ConvProduct p = conv_product_back(&c, b);
        if (tile < 0) {
            wgmma_backward_input(&c, b, Stream());
        } else {
            wgmma_run<true>(&p, c.k, tile, Stream());
        }
    });
}

static void weights(const char *what, const FastConv &c, int slices) {
    check_weights(what, c, slices, [&](const bf16 *x1, const bf16 *x2, const bf16 *dy, float *dw) {
        wgmma_backward_weights(&c, x1, x2, dy, dw, slices, Stream());
    });
}

// Which shapes are taken, and that a block of every shape finds room.
static void choices() {
    int wrong = 0, large = 0, different = 0;
    for (int N = 1; N <= 256; N *= 4) {
        for (int side = 4; side <= 256; side *= 2) {
            for (int out = 64; out <= 256; out += 64) {
                FastConv c = {N, side, side, 64, 64, out, 3, CONV_SAME};
                ConvProduct p = conv_product_shape(&c, 0, 0);
                if (!wgmma_fits(&c)) {
                    wrong += side >= 8 && side <= 128;
                    continue;
                }
                int tile = wgmma_pick(&p), bm = wgmma_tile_rows(tile);
                int rows = side * side >= bm ? (bm / side + 2) * side : bm / (side * side) * (side + 2) * side;
                wrong += side < 8 || side > 128 || out % wgmma_tile_columns(tile) != 0;
                large += 2 * (rows * 128 + wgmma_tile_columns(tile) * 128 + 32) > WGMMA_SHARED;
                different |= 1 << tile;
            }
        }
    }
    FastConv c = {4, 8, 8, 64, 0, 64, 3, CONV_SAME};
    FastConv halve = c, twice = c, low = c, narrow = c;
    halve.how = CONV_HALVE;
    twice.how = CONV_DOUBLE;
    low.H = 4;
    narrow.H = 16;
    narrow.W = 4;
    wrong += wgmma_fits(&halve) + wgmma_fits(&twice) + wgmma_fits(&low) + wgmma_fits(&narrow);
    check(wrong == 0, "the shapes that are taken, and their tiles", wrong);
    check(large == 0, "two slots of each ring find room", large);
    check(different == 7, "every tile is picked for some shape (bits)", different);
    FastConv big = {128, 32, 32, 128, 128, 128, 3, CONV_SAME}, small = {1, 8, 8, 256, 0, 256, 3, CONV_SAME};
    check(wgmma_slices(&big) * 6 >= 132, "slices of a large layer keep all processors busy", wgmma_slices(&big));
    check(wgmma_slices(&small) == 1, "a small layer is not cut", wgmma_slices(&small));
}

int main() {
    // N H W, C1 C2 out, k.  The quickest first: a planted fault stops at the first failure.
    forward("forward, tile 2, three 8x8 images, everything", 2, {3, 8, 8, 64, 0, 64, 3, CONV_SAME}, 15);
    forward("forward, tile 2, 4x32, 64|64 -> 64", 2, {1, 4, 32, 64, 64, 64, 3, CONV_SAME}, 15);
    forward("forward, tile 2, 4x64: two rows a tile", 2, {1, 4, 64, 64, 0, 64, 3, CONV_SAME}, 8);
    forward("forward, tile 1, 16x8, 64 -> 128", 1, {1, 16, 8, 64, 0, 128, 3, CONV_SAME}, 11);
    forward("forward, tile 1, 1x1 kernel, 64|192 -> 128", 1, {3, 8, 8, 64, 192, 128, 1, CONV_SAME}, 13);
    forward("forward, tile 0, five 8x8 images, 64 -> 128", 0, {5, 8, 8, 64, 0, 128, 3, CONV_SAME}, 15);
    forward("forward, tile 0, 16x16, 64|64 -> 128", 0, {1, 16, 16, 64, 64, 128, 3, CONV_SAME}, 8);
    forward("forward, the tile that is picked", -1, {1, 8, 8, 64, 0, 64, 3, CONV_SAME}, 0);
    backward("gradient, tile 2, 64|64 <- 64, only the second", 2, {3, 8, 8, 64, 64, 64, 3, CONV_SAME}, 2, 2);
    backward("gradient, tile 1, one tile over 64|64", 1, {1, 8, 16, 64, 64, 64, 3, CONV_SAME}, 3, 2);
    backward("gradient, tile 1, 1x1 kernel, 128 <- 192", 1, {3, 8, 8, 128, 0, 192, 1, CONV_SAME}, 1, 0);
    backward("gradient, tile 0, 16x32, 64|64 <- 64, only the first", 0, {1, 16, 32, 64, 64, 64, 3, CONV_SAME}, 1, 1);
    backward("gradient, the tile that is picked", -1, {1, 8, 8, 64, 0, 64, 3, CONV_SAME}, 1, 0);
    weights("weights, 64|64 -> 64, three 8x8 images", {3, 8, 8, 64, 64, 64, 3, CONV_SAME}, 1);
    weights("weights, 64 -> 64, 32x32, 2 slices, a ring that turns", {1, 32, 32, 64, 0, 64, 3, CONV_SAME}, 2);
    weights("weights, 1x1 kernel, 64 -> 64, more slices than chunks", {3, 8, 8, 64, 0, 64, 1, CONV_SAME}, 3);
    weights("weights, 64|64 -> 128, 16x16", {2, 16, 16, 64, 64, 128, 3, CONV_SAME}, 1);
    weights("weights, 1x1 kernel, 128|128 -> 128", {5, 8, 8, 128, 128, 128, 1, CONV_SAME}, 2);
    choices();
    return check_report("emulate_wgmma");
}
