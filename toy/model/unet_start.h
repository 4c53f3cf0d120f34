// unet_start.h: the parameters that a UNet begins with, for every executor of the list.
#ifndef TILT_UNET_START_H
#define TILT_UNET_START_H

#include "../../ref/core/layers.h"
#include "../../ref/core/net.h"
#include "unet_plan.h"

// p (np, all zero before) = the start of seed.  The last convolution stays zero: the net begins as the exact denoiser
// of N(0, I) data.
static inline void unet_init(UnetPlan *u, real *p, uint64_t seed) {
    int i;
    for (i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        size_t j;
        if (op->kind == UNET_NORM) {
            for (j = 0; j < (size_t)u->buf[op->in].C; j++) {
                p[op->w + j] = 1;
            }
        } else if (op->kind == UNET_PROMPT) { // far from zero: a prompt that starts as nothing is learned late
            rng_fill_normal(p + op->w, op->np, seed, 900 + (uint64_t)i, 0);
        } else if (op->kind == UNET_CONV && op->out != u->result) {
            linear_init(p + op->w, op->k * op->k * u->buf[op->in].C, u->buf[op->out].C, seed, 900 + (uint64_t)i);
        }
    }
}

#endif
