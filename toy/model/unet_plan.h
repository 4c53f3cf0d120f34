// unet_plan.h: a UNet ready to be executed: its list of operations, its memory, and a line about every layer.
#ifndef TILT_UNET_PLAN_H
#define TILT_UNET_PLAN_H

#include "unet_memory.h"

static inline UnetPlan *unet_plan(const UnetShape *shape, const Tokens *tokens, int prompts) {
    UnetPlan *u = NEW(UnetPlan, 1);
    int i;
    unet_check(shape, prompts);
    if (tokens != NULL && tokens->prompts != prompts) {
        DIE("unet: %d prompts, but words for %d; pass the words of this world", prompts, tokens->prompts);
    }
    u->shape = *shape;
    u->tokens = tokens;
    u->prompts = prompts;
    unet_list(u);
    unet_memory(u);
    for (i = 0; i < u->ops; i++) {
        u->flops += u->op[i].flops;
    }
    return u;
}

// One line an operation: shapes, parameters and their place, MFLOP of one image.  What --layers prints.
static inline void unet_plan_print(FILE *f, const UnetPlan *u) {
    static const char *const kind[] = {"waves", "words", "silu", "pad", "double", "conv", "norm", "attend", "concat"};
    int i;
    fprintf(f, "%-4s%-20s%-8s%14s    %-14s%10s%10s%9s\n", "no", "layer", "does", "in", "out", "params", "at", "MFLOP");
    for (i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        const UnetBuf *y = &u->buf[op->out];
        char does[16], in[32], out[32];
        snprintf(does, sizeof does, "%s", kind[op->kind]);
        if (op->kind == UNET_CONV) {
            snprintf(does, sizeof does, "%s%dx%d%s", op->fast ? "w" : "", op->k, op->k, op->stride == 2 ? "/2" : "");
        }
        snprintf(in, sizeof in, "-");
        if (op->in >= 0) {
            snprintf(in, sizeof in, "%dx%dx%d", u->buf[op->in].H, u->buf[op->in].W, u->buf[op->in].C);
        }
        snprintf(out, sizeof out, "%dx%dx%d", y->H, y->W, y->C);
        fprintf(f, "%-4d%-20s%-8s%14s -> %-14s%10lu%10lu%9.3f\n", i, op->name, does, in, out, (unsigned long)op->np,
                (unsigned long)op->w, op->flops * 1e-6);
    }
    fprintf(f, "%lu parameters, %.1f MFLOP an image; memory of an image: %.2f MB forward, %.2f MB with gradients\n",
            (unsigned long)u->np, u->flops * 1e-6, (double)u->lean * sizeof(real) * 1e-6,
            (double)u->full * sizeof(real) * 1e-6);
}

#endif
