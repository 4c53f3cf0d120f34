// unet_fast.cu: unet_fast.h compiled for a GPU, behind the C interface of unet_fast_gpu.h.
//     nvcc -std=c++17 -O3 -arch=sm_80 -c toy/model/unet_fast.cu -o build/cuda/unet_fast.o
// and with the Hopper convolutions (unet_fast_use_hopper), for H100 and H200 alone:
//     nvcc -std=c++17 -O3 -DTILT_HOPPER -gencode=arch=compute_90a,code=sm_90a -c toy/model/unet_fast.cu ...
#include "unet_fast_train.h"

Net unet_fast_gpu(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule, uint64_t seed) {
    return unet_fast_new(shape, tokens, prompts, schedule, seed);
}

void unet_fast_use_hopper(Net *net, int on) {
    unet_fast_hopper(net, on);
}

void unet_fast_use_split(Net *net, int on) {
    unet_fast_split(net, on);
}

FastTraining *fast_training_new(Net *net, const FastRule *rule, int rows, int step, const real *m, const real *v,
                                const real *average) {
    return fast_training_make(net, rule, rows, step, m, v, average);
}

void fast_training_step(double *loss, double *norm, FastTraining *run, const real *x0, const int *t, const int *c) {
    fast_training_go(loss, norm, run, x0, t, c);
}

void fast_training_fetch(FastTraining *run, real *m, real *v, real *average) {
    fast_training_take(run, m, v, average);
}

void fast_training_wait(FastTraining *run) {
    fast_wait(run->m->stream);
}

void fast_training_free(FastTraining *run) {
    fast_training_end(run);
}

FastSampler *fast_sampler_new(Net *net, int n, int steps, const int *level, const double *a, const double *b,
                              const double *sigma, uint64_t seed, uint64_t stream) {
    return fast_sampler_make(net, n, steps, level, a, b, sigma, seed, stream);
}

void fast_sampler_run(FastSampler *s, real *x, const int *c, double guidance) {
    fast_sampler_go(s, x, c, guidance);
}

void fast_forward_times(Net *net, int n, int times) {
    unet_fast_repeat(net, n, times);
}

void fast_sampler_free(FastSampler *s) {
    fast_sampler_end(s);
}
