// bench_device.h: the measurements of `unet_cuda bench` for an executor whose training and sampling stay on the GPU.
//
// Several calls are started before anyone waits, as a training does: the time of one is the time between them.
#ifndef TILT_COMMAND_BENCH_DEVICE_H
#define TILT_COMMAND_BENCH_DEVICE_H

#include "../../ref/show/bench.h" // first: it asks for the clock of POSIX

#include "../../ref/core/optim.h"
#include "../model/chain.h"
#include "../model/unet_fast_gpu.h"

enum { DEVICE_CALLS = 10 };

typedef struct {
    Net *net;
    FastTraining *training;
    FastSampler *sampler;
    int rows;
} DeviceTrial;

static inline void device_train(void *user) {
    DeviceTrial *d = (DeviceTrial *)user;
    int i;
    for (i = 0; i < DEVICE_CALLS; i++) {
        fast_training_step(NULL, NULL, d->training, NULL, NULL, NULL);
    }
    fast_training_wait(d->training);
}

static inline void device_forward(void *user) {
    DeviceTrial *d = (DeviceTrial *)user;
    fast_forward_times(d->net, d->rows, DEVICE_CALLS);
}

static inline void device_sample(void *user) {
    fast_sampler_run(((DeviceTrial *)user)->sampler, NULL, NULL, 1);
}

static inline BenchTime device_time(void (*work)(void *), DeviceTrial *d, int runs, int calls) {
    BenchTime t = bench_time(work, d, runs, 1);
    t.median /= calls;
    t.min /= calls;
    return t;
}

// A step with noise, Adam and average, on `rows` fixed pictures x (rows x in), levels t and prompts c.
static inline BenchTime device_time_train(Net *net, const real *x, const real *t, const int *c, int rows, int levels,
                                          int runs) {
    DeviceTrial d = {net, NULL, NULL, rows};
    FastRule rule = {1e-4, 0.9, 0.999, 1e-8, 0.01, 0.9999, 0.9999, 0, 0, 0, 0, 1, 1, NULL};
    real *weight = NEW(real, (size_t)levels);
    int *level = NEW(int, (size_t)rows), i;
    BenchTime time;
    for (i = 0; i < levels; i++) {
        weight[i] = 1;
    }
    for (i = 0; i < rows; i++) {
        level[i] = (int)t[i];
    }
    rule.weight = weight;
    d.training = fast_training_new(net, &rule, rows, 0, NULL, NULL, NULL);
    fast_training_step(NULL, NULL, d.training, x, level, c);
    time = device_time(device_train, &d, runs, DEVICE_CALLS);
    fast_training_free(d.training);
    net_changed(net); // the device's parameters have moved on: the next pass takes those of this machine again
    free(weight);
    free(level);
    return time;
}

// The pass alone.  A forward through the Net must have gone before, with so many rows.
static inline BenchTime device_time_forward(Net *net, int rows, int runs) {
    DeviceTrial d = {net, NULL, NULL, rows};
    return device_time(device_forward, &d, runs, DEVICE_CALLS);
}

static inline BenchTime device_time_sample(Net *net, const Chain *chain, int rows, int runs) {
    DeviceTrial d = {net, NULL, NULL, rows};
    double *law = NEW(double, 3 * (size_t)chain->T);
    int *level = NEW(int, (size_t)chain->T), k, T = chain->T;
    BenchTime time;
    for (k = 0; k < T; k++) {
        const StepCoeffs *s = &chain->step[T - 1 - k];
        level[k] = T - 1 - k;
        law[k] = s->a;
        law[T + k] = s->b;
        law[2 * T + k] = s->sigma;
    }
    d.sampler = fast_sampler_new(net, rows, T, level, law, law + T, law + 2 * T, 1, 1);
    time = device_time(device_sample, &d, runs, 1);
    fast_sampler_free(d.sampler);
    free(law);
    free(level);
    return time;
}

#endif
