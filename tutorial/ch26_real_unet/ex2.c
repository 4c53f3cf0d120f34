// ex2.c: exercise 2 of chapter 26.  How often does a kernel go to memory, and how often would it have to?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch26_real_unet/ex2.c -lm -o ex2 && ./ex2
// A 3x3 convolution of stride 1 on images of H x W with `in` and `out` channels.  A GPU reads from its large memory
// slowly and counts in bytes: a kernel whose threads read the same numbers again and again waits for them.
#include "../../ref/core/base.h"

#include <math.h>

// Numbers that the plain kernel reads: each of the n H W out threads reads every pixel under its kernel and the weight
// that belongs to it.  The bias is not counted.
static double my_plain_reads(int n, int H, int W, int in, int out) {
    // EXERCISE 1: one line
    (void)n;
    (void)H;
    (void)W;
    (void)in;
    (void)out;
    return 0;
}

// Numbers that a tiled kernel reads.  A block makes `side` x `side` pixels with `wide` channels.  Its threads first
// copy the (side + 2) x (side + 2) pixels that they need, all `in` channels, and the weights of their channels into the
// memory that they share, each number once; then they compute from there.  side divides H and W, wide divides out.
static double my_tiled_reads(int n, int H, int W, int in, int out, int side, int wide) {
    // EXERCISE 2: the number of blocks, times what a block copies
    (void)n;
    (void)H;
    (void)W;
    (void)in;
    (void)out;
    (void)side;
    (void)wide;
    return 0;
}

// Multiplications and additions for every byte that is read, 4 bytes a number: the number to compare with a machine's
// (operations a second) / (bytes a second).
static double my_flop_per_byte(double reads, int n, int H, int W, int in, int out) {
    // EXERCISE 3: a multiplication and an addition for each pixel, tap and pair of channels
    (void)reads;
    (void)n;
    (void)H;
    (void)W;
    (void)in;
    (void)out;
    return 0;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

// The same counts, by walking through every thread or every block.
static double walked_plain(int n, int H, int W, int in, int out) {
    double reads = 0;
    for (int b = 0; b < n; b++) {
        for (int v = 0; v < H; v++) {
            for (int u = 0; u < W; u++) {
                for (int o = 0; o < out; o++) {
                    for (int tap = 0; tap < 9; tap++) {
                        reads += in + in; // pixels, weights
                    }
                }
            }
        }
    }
    return reads;
}

static double walked_tiled(int n, int H, int W, int in, int out, int side, int wide) {
    double reads = 0;
    for (int b = 0; b < n; b++) {
        for (int v = 0; v < H; v += side) {
            for (int u = 0; u < W; u += side) {
                for (int o = 0; o < out; o += wide) {
                    reads += (side + 2.0) * (side + 2) * in;
                    reads += 9.0 * in * wide;
                }
            }
        }
    }
    return reads;
}

int main(void) {
    static const int shape[3][7] = {{1, 8, 8, 4, 8, 4, 8}, {2, 16, 16, 32, 32, 8, 16}, {3, 32, 32, 16, 64, 16, 64}};
    double plain = 0, tiled = 0, rate[2];
    const int *s = shape[1];
    for (int k = 0; k < 3; k++) {
        const int *c = shape[k];
        plain = my_plain_reads(c[0], c[1], c[2], c[3], c[4]);
        tiled = my_tiled_reads(c[0], c[1], c[2], c[3], c[4], c[5], c[6]);
        if (fails(plain == walked_plain(c[0], c[1], c[2], c[3], c[4]),
                  "a thread reads 9 pixels of `in` channels, and as many weights") ||
            fails(tiled == walked_tiled(c[0], c[1], c[2], c[3], c[4], c[5], c[6]),
                  "a block copies (side + 2)^2 in pixels and 9 in wide weights; there are n H/side W/side out/wide "
                  "blocks")) {
            return 1;
        }
    }
    plain = my_plain_reads(s[0], s[1], s[2], s[3], s[4]);
    tiled = my_tiled_reads(s[0], s[1], s[2], s[3], s[4], s[5], s[6]);
    rate[0] = my_flop_per_byte(plain, s[0], s[1], s[2], s[3], s[4]);
    rate[1] = my_flop_per_byte(tiled, s[0], s[1], s[2], s[3], s[4]);
    if (fails(fabs(rate[0] - 0.25) < 1e-12, "the plain kernel reads 8 bytes for 2 operations, whatever the shape") ||
        fails(fabs(rate[1] - rate[0] * plain / tiled) < 1e-9, "the work is the same for both kernels")) {
        return 1;
    }
    printf("right: plain %.2f operations a byte, tiled %.1f: %.0f times fewer reads\n", rate[0], rate[1],
           plain / tiled);
    return 0;
}
