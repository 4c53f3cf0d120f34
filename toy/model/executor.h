// executor.h: who runs a UNet: the rows that programs offer under --on.
//
// A UNet is a list of operations (unet_list.h); an executor turns the list into a Net.  Programs work through Net
// alone, so another executor is one more row of this table and no other line.
#ifndef TILT_EXECUTOR_H
#define TILT_EXECUTOR_H

#include "nonfinite_unet.h"
#include "pretrain.h"
#ifdef TILT_CUDA // linked with the objects that nvcc made of unet_plain.cu and unet_fast.cu
#include "train_device.h"
#include "unet_plain_gpu.h"
#else
#include "unet_plain.h"
#endif

// Makes the Net; the first parameters must be those of unet_new with the same seed, number by number.
typedef Net (*UnetMake)(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule,
                        uint64_t seed);

typedef struct {
    const char *name;
    UnetMake make;
    NetFirstBad first_bad; // names the layer that made the first NaN, or NULL
    double tolerance; // how far its numbers may lie from those of the CPU: |a - b| / |b| over all numbers of a result
    TrainDevice *(*train)(Training *); // a training that stays on its device, or NULL: through the Net
    int channels;                      // the width of a UNet must be a multiple of this
    void (*split)(Net *, int on);      // may convolutions of few pixels be cut into more blocks?  NULL: they never are
} Executor;

#ifdef TILT_HOPPER // the same network with the convolutions that only sm_90a has
static inline Net unet_hopper_gpu(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule,
                                  uint64_t seed) {
    Net net = unet_fast_gpu(shape, tokens, prompts, schedule, seed);
    unet_fast_use_hopper(&net, 1);
    return net;
}
#endif

static const Executor executors[] = {
    {"cpu", unet_new, unet_blame, 1e-4, NULL, 1, NULL},
#ifdef TILT_CUDA
    {"plain", unet_plain_gpu, NULL, 1e-4, NULL, 1, NULL},
    {"fast", unet_fast_gpu, NULL, 0.03, train_device_new, 64, unet_fast_use_split}, // activations of 8 bits
#ifdef TILT_HOPPER
    {"hopper", unet_hopper_gpu, NULL, 0.03, train_device_new, 64, unet_fast_use_split},
#endif
#else
    {"plain", unet_plain_new, NULL, 1e-4, NULL, 1, NULL}, // the kernels as loops on this machine
#endif
};
enum { EXECUTORS = sizeof executors / sizeof executors[0], EXECUTOR_CPU = 0 };

// Their names as choices of an option, NULL at the end.
static inline const char *const *executor_names(void) {
    static const char *names[EXECUTORS + 1];
    int i;
    for (i = 0; i < EXECUTORS; i++) {
        names[i] = executors[i].name;
    }
    return names;
}

#endif
