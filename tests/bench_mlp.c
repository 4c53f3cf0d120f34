// bench_mlp.c: the speed of the small networks of the chapters: one training step and one sampling run of the noise
// predictor 34 -> 128 -> 128 -> 128 -> 2 (tests/peers/mlp.py is the same network and the same loop in PyTorch).
//     bench_mlp [RUNS]
#include "../ref/show/bench.h"

#include "../toy/model/mlp.h"
#include "../toy/model/train.h"

enum { DATA = 10000, ROWS = 256, LEVELS = 1000, POINTS = 4096, SAMPLE_STEPS = 50, HIDDEN = 128, LAYERS = 3 };
enum { STREAM_DATA = 1, STREAM_ROW, STREAM_LEVEL, STREAM_NOISE, STREAM_START };

typedef struct {
    Schedule schedule;
    Net net;
    Adam adam;
    real *data, *x, *noise, *eps, *t, *weight; // rows x 2, and one number a row or a level
    int *c;                                    // -1 each: the null prompt
    real *points, *said;                       // POINTS x 2 each
    uint64_t step;
} Bench;

// One training step: 256 rows of the data at random levels, noise, the gradient of the mean square, Adam.
static void train_step(void *user) {
    Bench *b = (Bench *)user;
    uint64_t first = b->step * ROWS;
    rng_fill_normal(b->noise, 2 * ROWS, 1, STREAM_NOISE, 2 * first);
    for (int i = 0; i < ROWS; i++) {
        size_t row = (size_t)rng_below(1, STREAM_ROW, first + (uint64_t)i, DATA);
        int k = (int)rng_below(1, STREAM_LEVEL, first + (uint64_t)i, LEVELS);
        b->t[i] = (real)k;
        forward_noise(b->x + 2 * i, b->data + 2 * row, b->noise + 2 * i, schedule_abar(&b->schedule, k), 2);
    }
    net_zero_grad(&b->net);
    denoiser_gradient(&b->net, b->eps, b->x, b->noise, b->t, b->c, b->weight, ROWS, ROWS);
    adam_step(&b->adam, &b->net);
    b->step++;
}

// 4096 points from noise to data in 50 steps of DDIM.
static void sample_run(void *user) {
    Bench *b = (Bench *)user;
    rng_fill_normal(b->points, 2 * POINTS, 1, STREAM_START, 0);
    for (int s = 0; s < SAMPLE_STEPS; s++) {
        int k = (LEVELS - 1) * (SAMPLE_STEPS - 1 - s) / (SAMPLE_STEPS - 1);
        int next = s + 1 < SAMPLE_STEPS ? (LEVELS - 1) * (SAMPLE_STEPS - 2 - s) / (SAMPLE_STEPS - 1) : -1;
        StepCoeffs step = ddim_coeffs(schedule_abar(&b->schedule, k), schedule_abar(&b->schedule, next), 0);
        for (int i = 0; i < POINTS; i++) {
            b->t[i] = (real)k;
        }
        b->net.forward(&b->net, b->said, b->points, b->t, NULL, POINTS);
        combine(b->points, step.a, b->points, step.b, b->said, 2 * POINTS);
    }
}

int main(int argc, char **argv) {
    int runs = bench_runs(argc, argv);
    const Mlp *m;
    double forward = 0, peak;
    char network[128];
    Bench b;
    memset(&b, 0, sizeof b);
    b.schedule = schedule_linear(LEVELS, 1e-4, 0.02);
    b.net = mlp_new(2, 2, HIDDEN, LAYERS, 0, &b.schedule, 1);
    b.adam = adam_new(&b.net, 1e-3);
    b.data = NEW(real, 2 * DATA);
    b.x = NEW(real, 2 * ROWS);
    b.noise = NEW(real, 2 * ROWS);
    b.eps = NEW(real, 2 * ROWS);
    b.t = NEW(real, POINTS);
    b.weight = NEW(real, LEVELS);
    b.c = NEW(int, ROWS);
    b.points = NEW(real, 2 * POINTS);
    b.said = NEW(real, 2 * POINTS);
    for (int k = 0; k < LEVELS; k++) {
        b.weight[k] = (real)0.5; // the mean over both numbers, as PyTorch's mse_loss
    }
    for (int i = 0; i < ROWS; i++) {
        b.c[i] = -1;
    }
    rng_fill_normal(b.data, 2 * DATA, 1, STREAM_DATA, 0);
    m = (const Mlp *)b.net.self;
    for (int l = 0; l <= LAYERS; l++) {
        forward += 2.0 * mlp_fan_in(m, l) * mlp_fan_out(m, l);
    }
    peak = bench_peak(bench_threads());
    snprintf(network, sizeof network, "mlp 34-128x3-2, %zu parameters, batch %d", b.net.np - HIDDEN, ROWS);
    bench_print("mlp train", network, ROWS * (3 * forward - 2.0 * mlp_fan_in(m, 0) * HIDDEN),
                bench_time(train_step, &b, runs, 200), peak);
    snprintf(network, sizeof network, "mlp 34-128x3-2, %d points x %d steps", POINTS, SAMPLE_STEPS);
    bench_print("mlp sample", network, forward * POINTS * SAMPLE_STEPS, bench_time(sample_run, &b, runs, 1), peak);
    fprintf(stderr, "hash after %d steps %016llx\n", (int)b.step, (unsigned long long)net_hash(HASH_START, &b.net));
    return 0;
}
