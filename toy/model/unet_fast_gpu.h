// unet_fast_gpu.h: the fast UNet on a GPU, for a C99 program that is linked with unet_fast.cu.
//
// Three ways to use it.  As a Net every method of this course runs on it; pictures and predictions then travel between
// the two memories, and all gradients after every backward.  With adam_beside (ref/core/optim.h), as in the alignment
// loops, gradients and Adam stay on the device: parameters come home at adam_free, and what a program writes into all
// of net->p meanwhile (net_changed) is sent.  A training or a sampler that stays on the device (below) sends only what
// is new; a training refuses a net with such an Adam, whose gradients it would overwrite.
#ifndef TILT_UNET_FAST_GPU_H
#define TILT_UNET_FAST_GPU_H

#include "../../ref/core/net.h"
#include "../../ref/formula/schedule.h"
#include "unet_list.h"

// The rule of a training, the same as pretrain.h with optim.h: eps-loss with a weight a level, the gradient clipped to
// a length, Adam, and a running average of the parameters.
typedef struct {
    double rate, beta1, beta2, eps, decay;
    double keep, early_keep; // of the average; in the first `early` steps
    int early, warm, steps;  // warm, steps: of rate_at; steps = 0: the rate is constant
    double limit;            // of the length of the gradient, 0: none
    uint64_t seed, stream;   // of the noise: number i of step s is number s rows dim + i of the stream
    const real *weight;      // of the levels: the loss is the mean over rows of weight |eps - noise|^2, a sum in a row
} FastRule;

typedef struct FastTraining FastTraining;
typedef struct FastSampler FastSampler;

#ifdef __cplusplus
extern "C" {
#endif

// As unet_new and unet_plain_new; forward and backward take pointers of this machine.
Net unet_fast_gpu(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule, uint64_t seed);

// on: convolutions whose shape fits run on the kernels for sm_90a (H100, H200; ref/cuda/conv_wgmma.h) instead of those
// for every GPU.  Off unless asked for, because no measurement has shown yet where they are faster.  Trainings and
// samplers keep what was set when their batch was made.
void unet_fast_use_hopper(Net *net, int on);

// off: no convolution is cut into ranges of K (ref/cuda/conv_split.h).  On from the beginning: with few pictures those
// of few pixels are cut, so that more of the GPU has work.  For measuring what that is worth.  Cut or not, the last
// bits differ; trainings and samplers keep what was set when their batch was made.
void unet_fast_use_split(Net *net, int on);

// A training of a net of unet_fast_gpu, `rows` rows a step.  It begins with the net's parameters, after `step` steps;
// m, v, average (np): state of Adam and the average, NULL: zeros, and the parameters.
FastTraining *fast_training_new(Net *net, const FastRule *rule, int rows, int step, const real *m, const real *v,
                                const real *average);
// One step.  x0 (rows x in): clean pictures, t, c (rows); all NULL: those of the step before, for measuring.
// loss: the eps-loss per number, norm: length of the gradient (0 without a limit); either may be NULL, then nothing
// waits for the device.
void fast_training_step(double *loss, double *norm, FastTraining *run, const real *x0, const int *t, const int *c);
// Copies the state to this machine: net->p, and m, v, average (np each, or NULL).
void fast_training_fetch(FastTraining *run, real *m, real *v, real *average);
void fast_training_wait(FastTraining *run);
void fast_training_free(FastTraining *run);

// A chain of `steps` steps at levels level[k], x_next = a x + b eps + sigma z (StepCoeffs of sampler.h), for n pictures
// at once.
FastSampler *fast_sampler_new(Net *net, int n, int steps, const int *level, const double *a, const double *b,
                              const double *sigma, uint64_t seed, uint64_t stream);
// x (n x in): noise before, pictures after; NULL: what the device has.  c (n): prompts, or NULL.
// guidance 1: none; otherwise the null prompt runs beside.
void fast_sampler_run(FastSampler *s, real *x, const int *c, double guidance);
void fast_sampler_free(FastSampler *s);

// The forward pass of n pictures that lie on the device, so many times, then waits: for measuring.
void fast_forward_times(Net *net, int n, int times);

#ifdef __cplusplus
}
#endif

#endif
