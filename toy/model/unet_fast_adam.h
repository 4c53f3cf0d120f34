// unet_fast_adam.h: what Adam keeps on the device beside the parameters: its two means, the state of the steps, and the
// collected gradient as one segment.  A training (unet_fast_train.h) has one, and so has a net that an Adam of
// adam_beside steps.
#ifndef TILT_UNET_FAST_ADAM_H
#define TILT_UNET_FAST_ADAM_H

#include "../../ref/core/optim.h"
#include "unet_fast_layers.h"

struct FastAdam {
    StepState *state;       // on the device, as all below
    float *moment, *square; // np: Adam's means
    FastTable folded;       // net->g as one segment of one slice
    double *squares;        // of every chunk of it
};

// Means of zero, after `step` steps.
static inline FastAdam *fast_adam_new(const FastNet *net, int step) {
    FastAdam *a = NEW(FastAdam, 1);
    size_t np = net->plan->np;
    FastSegment whole = {0, (int)np, 1, 0, net->g};
    StepState state;
    memset((void *)&state, 0, sizeof state);
    state.step = step;
    a->state = fast_upload(&state, 1);
    a->moment = DEVICE_NEW(float, np);
    a->square = DEVICE_NEW(float, np);
    device_zero(a->moment, np * sizeof(float));
    device_zero(a->square, np * sizeof(float));
    a->folded = fast_table_new(&whole, 1);
    a->squares = DEVICE_NEW(double, (size_t)a->folded.chunks);
    return a;
}

static inline void fast_adam_free(FastAdam *a) {
    if (a == NULL) {
        return;
    }
    device_free(a->state);
    device_free(a->moment);
    device_free(a->square);
    fast_table_free(&a->folded);
    device_free(a->squares);
    free(a);
}

// What adam_slices works on.  average (np): moving average of the parameters, or NULL.
static inline AdamData fast_adam_data(const FastNet *net, const FastAdam *a, float *average) {
    AdamData data = {net->p, a->moment, a->square, average, net->copy};
    return data;
}

// One step of `rule` along the collected gradient, as adam_clipped_step of optim.h; waits for the device and returns
// the length that the gradient had.  The fold goes from g to g: every thread writes back the numbers it read, and
// leaves the squares that the length is made of.
static inline double fast_adam_step(const FastNet *net, FastAdam *a, const StepRule *rule, Stream stream) {
    AdamData data = fast_adam_data(net, a, NULL);
    StepState state;
    fold_slices(&a->folded, net->g, a->squares, 0, stream);
    step_begin(a->state, rule, a->squares, a->folded.chunks, stream);
    adam_slices(&a->folded, &data, rule, a->state, stream);
    fast_wait(stream);
    to_host(&state, a->state, sizeof state);
    return state.norm;
}

#endif
