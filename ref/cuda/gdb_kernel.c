// gdb_kernel.c: one thread of a GPU kernel in a debugger, without a GPU.
//     make gdb-kernel      builds it with -O0 -g3, runs it, and prints the gdb line that stops in one thread
//
// The kernel is the plain convolution of plain_conv.h: on a GPU all its threads run at once, here they are the rounds
// of a loop, so a breakpoint with a condition on `thread` stops in the one that makes a number you chose.  The program
// prints its small picture, says which thread makes which number, and compares the result with conv_naive.h. It stands
// beside the kernels, as ledger.c stands beside the formulas: it needs nothing else of the repository.
#include "../core/conv_naive.h"
#include "plain_conv.h"

enum { SIDE = 4, BORDERED = SIDE + 2, IN = 2, OUT = 3, IMAGES = 2 };

static void print_channel(const char *name, const real *image, int side, int channels, int c) {
    int v, u;
    printf("%s\n", name);
    for (v = 0; v < side; v++) {
        for (u = 0; u < side; u++) {
            printf("%8.2f", (double)image[(v * side + u) * channels + c]);
        }
        printf("\n");
    }
}

int main(void) {
    const ConvShape s = {IMAGES, SIDE, SIDE, IN, OUT, 3, 1};
    const int image = 1, row = 2, column = 1, channel = 0; // the number to look at
    real x[IMAGES * BORDERED * BORDERED * IN] = {0}, w[9 * IN * OUT], bias[OUT] = {1, 2, 3};
    real y[IMAGES * SIDE * SIDE * OUT], naive[IMAGES * SIDE * SIDE * OUT];
    const real *second = x + BORDERED * BORDERED * IN;
    const size_t thread = pixel_at(image, row, column, SIDE, SIDE, OUT) + (size_t)channel;
    ConvStart start = start_bias(bias);
    double worst = 0;
    int b, v, u, c, i;
    for (b = 0; b < IMAGES; b++) { // small whole numbers, inside a border of zeros
        for (v = 0; v < SIDE; v++) {
            for (u = 0; u < SIDE; u++) {
                for (c = 0; c < IN; c++) {
                    x[pixel_at(b, v + 1, u + 1, BORDERED, BORDERED, IN) + (size_t)c] = (real)((b + 3 * v + u + c) % 5);
                }
            }
        }
    }
    for (i = 0; i < 9 * IN * OUT; i++) {
        w[i] = (real)(i % 7 - 3);
    }
    plain_conv_forward(y, x, w, bias, NULL, NULL, &s);
    conv_naive(naive, x, w, &start, &s);
    for (i = 0; i < IMAGES * SIDE * SIDE * OUT; i++) {
        double miss = fabs((double)y[i] - (double)naive[i]);
        worst = miss > worst ? miss : worst;
    }
    print_channel("image 1, channel 0, with its border", second, BORDERED, IN, 0);
    print_channel("its convolution, channel 0", y + SIDE * SIDE * OUT, SIDE, OUT, 0);
    printf("%d threads; thread %d makes y[image %d][row %d][column %d][channel %d] = %g\n", IMAGES * SIDE * SIDE * OUT,
           (int)thread, image, row, column, channel, (double)y[thread]);
    printf("largest distance from the plain loops: %g\n", worst);
    printf("thread %d\n", (int)thread); // the last line is read by make gdb-kernel
    return worst > 1e-6;
}
