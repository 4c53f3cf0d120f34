// bench_conv.c: the convolutions of a UNet, one thread, 8 images at a time as the executor gives them to a thread.
//     bench_conv [RUNS]
// GFLOP/s are those of the definition (2 x 9 x in x out a pixel), also for Winograd, which computes fewer: its share of
// the peak can pass 1.  "direct" and "winograd" include packing the weights, as one training step does.
#include "../ref/show/bench.h"

#include "../ref/core/resample.h"
#include "../ref/core/winograd.h"

typedef struct {
    ConvShape s;
    real *x, *y, *dy, *up, *w, *dw, *dx, *packed, *scratch; // x and up have their borders
} Conv;

static void forward_direct(void *user) {
    Conv *c = (Conv *)user;
    ConvStart start = start_zero();
    pack_panels(c->packed, c->w, 9 * c->s.in, c->s.out);
    conv_forward(c->y, c->x, c->packed, &start, &c->s);
}

static void forward_winograd(void *user) {
    Conv *c = (Conv *)user;
    ConvStart start = start_zero();
    wino_pack(c->packed, c->w, c->s.in, c->s.out, 0);
    wino_forward(c->y, c->x, c->packed, &start, &c->s, c->scratch);
}

static void input_direct(void *user) {
    Conv *c = (Conv *)user;
    pack_turned(c->packed, c->w, 3, c->s.in, c->s.out);
    pad_forward(c->up, c->dy, c->s.n, c->s.H, c->s.W, c->s.out);
    conv_backward_input(c->dx, c->up, c->packed, 0, &c->s);
}

static void weights_direct(void *user) {
    Conv *c = (Conv *)user;
    conv_backward_weights(c->dw, NULL, c->dy, c->x, &c->s);
}

static void weights_winograd(void *user) {
    Conv *c = (Conv *)user;
    wino_backward_weights(c->dw, c->dy, c->x, &c->s, c->scratch);
}

int main(int argc, char **argv) {
    static const int shapes[8][3] = {{32, 32, 16}, {64, 64, 16}, {64, 64, 8},  {128, 64, 8}, // in, out, side
                                     {64, 64, 4},  {32, 32, 32}, {64, 32, 32}, {128, 128, 8}};
    static const struct {
        const char *name;
        void (*work)(void *);
        int winograd;
    } work[5] = {{"conv direct", forward_direct, 0},
                 {"conv winograd", forward_winograd, 1},
                 {"conv input gradient direct", input_direct, 0},
                 {"conv weight gradient direct", weights_direct, 0},
                 {"conv weight gradient winograd", weights_winograd, 1}};
    int runs = bench_runs(argc, argv);
    double peak;
    bench_one_thread();
    peak = bench_peak(1);
    for (int k = 0; k < 8; k++) {
        int in = shapes[k][0], out = shapes[k][1], side = shapes[k][2], images = 8, wide = in > out ? in : out;
        size_t inside = (size_t)images * (size_t)side * (size_t)side * (size_t)wide;
        size_t padded = (size_t)images * (size_t)(side + 2) * (size_t)(side + 2) * (size_t)wide;
        size_t weights = 9 * (size_t)in * (size_t)out;
        size_t scratch = wino_scratch(in, out) + wino_scratch(out, in);
        ConvShape s = {0, 0, 0, 0, 0, 3, 1};
        Conv c;
        char shape[64];
        double flop = 2.0 * 9 * in * out * images * side * side;
        s.n = images;
        s.H = s.W = side;
        s.in = in;
        s.out = out;
        c.s = s;
        c.x = NEW(real, padded);
        c.up = NEW(real, padded);
        c.y = NEW(real, inside);
        c.dy = NEW(real, inside);
        c.dx = NEW(real, inside);
        c.w = NEW(real, weights);
        c.dw = NEW(real, weights);
        c.packed =
            NEW(real, wino_packed_size(in, out) + wino_packed_size(out, in) + 9 * packed_size((size_t)wide, wide));
        c.scratch = NEW(real, scratch);
        rng_fill_normal(c.dy, inside, 1, 1, 0);
        rng_fill_normal(c.y, inside, 1, 2, 0);
        rng_fill_normal(c.w, weights, 1, 3, 0);
        pad_forward(c.x, c.y, images, side, side, in);
        snprintf(shape, sizeof shape, "%d x %dx%dx%d -> %d", images, side, side, in, out);
        for (int j = 0; j < 5; j++) {
            if (!work[j].winograd || wino_fits(&s)) {
                bench_print(work[j].name, shape, flop, bench_time(work[j].work, &c, runs, (int)(2e8 / flop) + 1), peak);
            }
        }
        bench_sink = c.y[0] + c.dx[0] + c.dw[0];
        free(c.x);
        free(c.up);
        free(c.y);
        free(c.dy);
        free(c.dx);
        free(c.w);
        free(c.dw);
        free(c.packed);
        free(c.scratch);
    }
    return 0;
}
