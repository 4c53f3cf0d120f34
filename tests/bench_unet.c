// bench_unet.c: the speed of the UNets that tests/peers/unet.py builds in PyTorch too: one training step (forward, mean
// square, backward, Adam) and one sampling step (forward, one step of DDIM).
//     bench_unet [RUNS [NETWORKS]]     NETWORKS: how many of the four, 4 if left out
#include "../ref/show/bench.h"

#include "../ref/core/optim.h"
#include "../ref/formula/forward.h"
#include "../ref/formula/sampler.h"
#include "../toy/model/unet.h"

enum { LEVELS = 1000 };
enum { STREAM_IMAGE = 1, STREAM_NOISE };

typedef struct {
    Schedule schedule;
    Net net;
    Adam adam;
    int rows;
    real *x, *noise, *eps, *t; // rows x in, and one number a row
} Bench;

static void train_step(void *user) {
    Bench *b = (Bench *)user;
    size_t numbers = (size_t)b->rows * (size_t)b->net.in, i;
    real scale = (real)(2.0 / (double)numbers);
    b->net.forward(&b->net, b->eps, b->x, b->t, NULL, b->rows);
    for (i = 0; i < numbers; i++) {
        b->eps[i] = scale * (b->eps[i] - b->noise[i]);
    }
    net_zero_grad(&b->net);
    b->net.backward(&b->net, NULL, b->eps, b->x, b->t, NULL, b->rows);
    adam_step(&b->adam, &b->net);
}

static void sample_step(void *user) {
    Bench *b = (Bench *)user;
    b->net.forward(&b->net, b->eps, b->x, b->t, NULL, b->rows);
    combine(b->x, 0.999, b->x, 0.001, b->eps, (size_t)b->rows * (size_t)b->net.in);
}

static void network(const UnetShape *shape, int rows, int runs, double peak) {
    Bench b;
    char text[128];
    size_t numbers;
    double forward;
    b.schedule = schedule_linear(LEVELS, 1e-4, 0.02);
    b.net = unet_new(shape, NULL, 0, &b.schedule, 1);
    b.adam = adam_new(&b.net, 1e-3);
    b.rows = rows;
    numbers = (size_t)rows * (size_t)b.net.in;
    b.x = NEW(real, numbers);
    b.noise = NEW(real, numbers);
    b.eps = NEW(real, numbers);
    b.t = NEW(real, (size_t)rows);
    rng_fill_normal(b.x, numbers, 1, STREAM_IMAGE, 0);
    rng_fill_normal(b.noise, numbers, 1, STREAM_NOISE, 0);
    for (int i = 0; i < rows; i++) {
        b.t[i] = (real)(37 * i % LEVELS);
    }
    forward = ((const Unet *)b.net.self)->plan->flops * rows;
    // the vector of the null prompt is not counted: the twin in PyTorch has none
    snprintf(text, sizeof text, "unet %dx%dx%d, %d blocks, %lu parameters, batch %d", shape->side, shape->side,
             shape->channels, shape->blocks, (unsigned long)(b.net.np - (size_t)shape->time), rows);
    bench_print("unet train", text, 3 * forward, bench_time(train_step, &b, runs, 1), peak);
    fprintf(stderr, "%s: hash after %d steps %016llx\n", text, runs + 1,
            (unsigned long long)net_hash(HASH_START, &b.net));
    for (int i = 0; i < 3; i++) { // the net notices that no backward follows
        sample_step(&b);
    }
    bench_print("unet sample", text, forward, bench_time(sample_step, &b, runs, 1), peak);
    bench_sink = b.x[0];
    adam_free(&b.adam);
    net_free(&b.net);
    schedule_free(&b.schedule);
    free(b.x);
    free(b.noise);
    free(b.eps);
    free(b.t);
}

int main(int argc, char **argv) {
    static const struct {
        int side, channels, blocks, rows;
    } net[4] = {{16, 1, 1, 64}, {32, 3, 1, 32}, {16, 1, 2, 64}, {32, 3, 2, 64}};
    int runs = bench_runs(argc, argv), nets = argc > 2 ? atoi(argv[2]) : 4;
    double peak = bench_peak(bench_threads());
    for (int k = 0; k < nets && k < 4; k++) {
        UnetShape shape = {0, 0, 32, 3, {1, 2, 2, 0}, 0, 8, 128, 1, 0, 0, 0};
        shape.side = net[k].side;
        shape.channels = net[k].channels;
        shape.blocks = net[k].blocks;
        network(&shape, net[k].rows, runs, peak);
    }
    return 0;
}
