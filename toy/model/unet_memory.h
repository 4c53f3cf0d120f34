// unet_memory.h: when every buffer of a UNet is first written and last read, and where it may lie meanwhile.
//
// Buffers that never live together share their place.  Two plans: `lean` for a forward pass alone, and `full` in which
// everything that the backward pass reads stays until it has been read, and gradients take the place of what is done.
#ifndef TILT_UNET_MEMORY_H
#define TILT_UNET_MEMORY_H

#include "unet_list.h"

// Which buffers an operation reads when it runs backward.
static inline int unet_backward_reads(const UnetOp *op, int buf) {
    switch (op->kind) {
    case UNET_CONV:
    case UNET_SILU:
        return op->in == buf;
    case UNET_NORM:
    case UNET_ATTEND:
        return op->in == buf || op->other == buf;
    default:
        return 0;
    }
}

static inline int unet_reads(const UnetOp *op, int buf) {
    return op->in == buf || (op->other == buf && op->kind != UNET_NORM && op->kind != UNET_ATTEND) || op->rows == buf;
}

static inline int unet_writes(const UnetOp *op, int buf) {
    return op->out == buf || (op->other == buf && (op->kind == UNET_NORM || op->kind == UNET_ATTEND));
}

// First fit, the largest first: every span gets the lowest place that no span alive at the same time holds.  Returns
// the end of all.
static inline size_t unet_fit(UnetSpan *span, int n) {
    unsigned char *placed = NEW(unsigned char, (size_t)n);
    size_t end = 0;
    int done, i, j, moved;
    for (done = 0; done < n; done++) {
        int next = -1;
        for (i = 0; i < n; i++) {
            next = !placed[i] && (next < 0 || span[i].size > span[next].size) ? i : next;
        }
        span[next].at = 0;
        do {
            moved = 0;
            for (j = 0; j < n; j++) {
                if (placed[j] && span[j].from <= span[next].to && span[next].from <= span[j].to &&
                    span[j].at < span[next].at + span[next].size && span[next].at < span[j].at + span[j].size) {
                    span[next].at = span[j].at + span[j].size;
                    moved = 1;
                }
            }
        } while (moved);
        placed[next] = 1;
        end = span[next].at + span[next].size > end ? span[next].at + span[next].size : end;
    }
    free(placed);
    return end;
}

static inline void unet_memory(UnetPlan *u) {
    UnetSpan *span = u->span, *lean = u->lean_span;
    int last = 2 * u->ops - 1, b, i;
    for (b = 0; b < u->bufs; b++) {
        UnetSpan *act = &span[b], *grad = &span[u->bufs + b];
        act->from = b == u->image ? 0 : last;
        act->to = b == u->result ? u->ops : 0;
        grad->from = b == u->result ? u->ops : last + 1;
        grad->to = b == u->image ? last : 0;
        for (i = 0; i < u->ops; i++) {
            const UnetOp *op = &u->op[i];
            if (unet_writes(op, b)) {
                act->from = i < act->from ? i : act->from;
                act->to = i > act->to ? i : act->to;
                grad->to = last - i > grad->to ? last - i : grad->to;
            }
            if (unet_reads(op, b)) {
                act->to = i > act->to ? i : act->to;
                grad->from = last - i < grad->from ? last - i : grad->from;
            }
        }
        act->size = unet_size(&u->buf[b]);
        grad->size = (size_t)u->buf[b].H * (size_t)u->buf[b].W * (size_t)u->buf[b].C;
        lean[b] = *act;
        for (i = 0; i < u->ops; i++) {
            if (unet_backward_reads(&u->op[i], b)) {
                act->to = last - i > act->to ? last - i : act->to;
            }
        }
    }
    u->lean = unet_fit(lean, u->bufs);
    u->full = unet_fit(span, 2 * u->bufs);
    for (b = 0; b < u->bufs; b++) {
        u->lean_at[b] = lean[b].at;
        u->buf[b].at = span[b].at;
        u->buf[b].grad_at = span[u->bufs + b].at;
    }
}

#endif
