// ex1.c: exercise 1 of chapter 26.  Be one thread: which number is yours, and what do you add up?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch26_real_unet/ex1.c -lm -o ex1 && ./ex1
// The kernel is a 3x3 convolution of stride 1; x has its border of zeros already.  A launch is a loop over the threads.
#include "../../ref/core/conv_naive.h"
#include "../../ref/core/rng.h"

// Thread i makes y[b][v][u][o] of n x H x W x out numbers that lie one after the other, channels innermost.
static void my_place(size_t i, int H, int W, int out, int *b, int *v, int *u, int *o) {
    // EXERCISE 1: four lines of % and /
    (void)i;
    (void)H;
    (void)W;
    (void)out;
    *b = *v = *u = *o = 0;
}

// What thread i writes: bias[o] + the sum over ky, kx = 0..2 and c of x[b][v+ky][u+kx][c] w[ky][kx][c][o].
// x: n x (H+2) x (W+2) x in,  w: 3 x 3 x in x out.
static void my_thread(size_t i, real *y, const real *x, const real *w, const real *bias, int H, int W, int in,
                      int out) {
    int b, v, u, o;
    my_place(i, H, W, out, &b, &v, &u, &o);
    // EXERCISE 2: three loops
    (void)x;
    (void)w;
    (void)in;
    y[i] = bias[o];
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(void) {
    enum { N = 2, H = 5, W = 3, IN = 4, OUT = 6, THREADS = N * H * W * OUT };
    const ConvShape s = {N, H, W, IN, OUT, 3, 1};
    static real x[N * (H + 2) * (W + 2) * IN], w[9 * IN * OUT], bias[OUT], y[THREADS], want[THREADS];
    ConvStart start = start_bias(bias);
    double worst = 0;
    rng_fill_normal(w, 9 * IN * OUT, 26, 1, 0);
    rng_fill_normal(bias, OUT, 26, 2, 0);
    for (int b = 0; b < N; b++) { // the border stays zero
        for (int v = 1; v <= H; v++) {
            rng_fill_normal(x + ((b * (H + 2) + v) * (W + 2) + 1) * IN, W * IN, 26, 3, (uint64_t)(b * H + v) * 100);
        }
    }
    conv_naive(want, x, w, &start, &s);
    for (size_t i = 0; i < THREADS; i++) {
        int b, v, u, o;
        my_place(i, H, W, OUT, &b, &v, &u, &o);
        if (fails(o == (int)(i % OUT), "neighbouring threads make neighbouring channels: o = i % out") ||
            fails(u == (int)(i / OUT % W), "then come the columns: divide the channels away, then % W") ||
            fails(v == (int)(i / OUT / W % H), "then the rows") ||
            fails(b == (int)(i / OUT / W / H), "then the images")) {
            return 1;
        }
    }
    for (size_t i = THREADS; i-- > 0;) { // from the last to the first: a thread must not lean on another
        my_thread(i, y, x, w, bias, H, W, IN, OUT);
    }
    for (size_t i = 0; i < THREADS; i++) {
        worst = fmax(worst, fabs((double)y[i] - (double)want[i]));
    }
    if (fails(worst < 1e-4, "9 pixels under the kernel, each with `in` channels; a row of x has W + 2 pixels")) {
        return 1;
    }
    printf("right: %d threads, each alone, make the convolution of the plain loops; largest distance %.0e\n", THREADS,
           worst < 1e-6 ? 1e-6 : worst);
    return 0;
}
