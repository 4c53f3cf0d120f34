// train_device.h: a pretraining that stays on the GPU: pretrain.h draws the batch, everything else happens there.
//
// Parameters, Adam's means and the average come to this machine only when somebody looks at them: for a checkpoint, for
// a sheet of samples, at the end.  The noise is drawn there, number by number that of the CPU.
#ifndef TILT_TRAIN_DEVICE_H
#define TILT_TRAIN_DEVICE_H

#include "pretrain.h"
#include "unet_fast_gpu.h"

typedef struct {
    FastTraining *run;
    int *t; // rows
} DeviceRun;

static inline void train_device_step(TrainDevice *d, Training *run) {
    DeviceRun *r = (DeviceRun *)d->self;
    int b;
    for (b = 0; b < run->recipe.rows; b++) {
        r->t[b] = (int)run->t[b];
    }
    fast_training_step(&run->loss, &run->norm, r->run, run->x, r->t, run->c);
    run->adam.step = run->step + 1;
}

static inline void train_device_fetch(TrainDevice *d, Training *run) {
    fast_training_fetch(((DeviceRun *)d->self)->run, run->adam.m, run->adam.v, run->ema);
}

static inline void train_device_release(TrainDevice *d) {
    DeviceRun *r = (DeviceRun *)d->self;
    fast_training_free(r->run);
    free(r->t);
    free(r);
    free(d);
}

// Goes on where run stands: from its start, or from what a checkpoint brought.
static inline TrainDevice *train_device_new(Training *run) {
    TrainDevice *d = NEW(TrainDevice, 1);
    DeviceRun *r = NEW(DeviceRun, 1);
    const Recipe *c = &run->recipe;
    FastRule rule;
    memset(&rule, 0, sizeof rule);
    rule.rate = c->rate;
    rule.beta1 = run->adam.beta1;
    rule.beta2 = run->adam.beta2;
    rule.eps = run->adam.eps;
    rule.decay = run->adam.decay;
    rule.keep = c->keep;
    rule.early_keep = 0.9;
    rule.early = TRAIN_EARLY;
    rule.warm = TRAIN_WARM;
    rule.steps = c->steps;
    rule.limit = TRAIN_CLIP;
    rule.seed = run->seed;
    rule.stream = run->world->stream + TRAIN_NOISE;
    rule.weight = run->weight;
    r->t = NEW(int, (size_t)c->rows);
    r->run = fast_training_new(run->net, &rule, c->rows, run->step, run->adam.m, run->adam.v, run->ema);
    d->self = r;
    d->step = train_device_step;
    d->fetch = train_device_fetch;
    d->release = train_device_release;
    return d;
}

#endif
