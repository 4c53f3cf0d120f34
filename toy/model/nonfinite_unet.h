// nonfinite_unet.h: the walk of nonfinite.h through a UNet: the list of its plan, forwards and back.
#ifndef TILT_NONFINITE_UNET_H
#define TILT_NONFINITE_UNET_H

#include "nonfinite.h"
#include "unet.h"

static inline int unet_beyond(const real *v, size_t n) {
    return first_beyond(v, n, NONFINITE_LARGEST) < n;
}

// Runs the rows through the net layer by layer and names the first layer whose output is not finite, in text; NULL
// when all are.  For the message of a training that went wrong.
static inline const char *unet_first_bad(Net *net, char *text, size_t size, const real *x, const real *t, const int *c,
                                         int n) {
    Unet *m = (Unet *)net->self;
    const UnetPlan *u = m->plan;
    int number, i;
    unet_inputs(m, net, x, t, c, n);
    unet_pack(m, net, 0);
    m->kept = 0;
    for (number = 0; number * m->piece < n; number++) {
        real *memory = unet_memory_of(m, (size_t)m->piece * u->lean);
        Piece q = unet_piece_at(m, net, number, 0, memory, 0);
        if (unet_beyond(m->x + (size_t)q.first * (size_t)net->in, (size_t)q.n * (size_t)net->in)) {
            snprintf(text, size, "the input");
            return text;
        }
        memcpy(piece_act(&q, u->image), m->x + (size_t)q.first * (size_t)net->in,
               (size_t)q.n * (size_t)net->in * sizeof(real));
        for (i = 0; i < u->ops; i++) {
            const UnetOp *op = &u->op[i];
            piece_forward_op(&q, op);
            if (unet_beyond(piece_act(&q, op->out), (size_t)q.n * unet_size(&u->buf[op->out]))) {
                snprintf(text, size, "layer %d, %s", i, op->name);
                return text;
            }
        }
    }
    return NULL;
}

// The operation with a bad number in its share of v (net->p or net->g), the first of the list or, backwards, the last.
static inline int unet_share_bad(char text[NONFINITE_TEXT], const char *what, const UnetPlan *u, const real *v,
                                 double limit, int backwards) {
    int k;
    for (k = 0; k < u->ops; k++) {
        int i = backwards ? u->ops - 1 - k : k;
        const UnetOp *op = &u->op[i];
        char layer[64];
        snprintf(layer, sizeof layer, "layer %d, %s", i, op->name);
        // weights and bias of an operation lie together
        if (op->np > 0 && nonfinite_found(text, what, layer, v + op->w, op->np, op->np, limit)) {
            return 1;
        }
    }
    return 0;
}

// NetFirstBad of a UNet.
static inline const char *unet_blame(char text[NONFINITE_TEXT], Net *net, const real *x, const real *t, const int *c,
                                     int n) {
    const UnetPlan *u = ((const Unet *)net->self)->plan;
    char layer[80];
    if (unet_share_bad(text, "parameters", u, net->p, NONFINITE_LARGEST, 0)) {
        return text;
    }
    if (unet_first_bad(net, layer, sizeof layer, x, t, c, n) != NULL) {
        snprintf(text, NONFINITE_TEXT, "output of %s", layer);
        return text;
    }
    return unet_share_bad(text, "gradient", u, net->g, NONFINITE_GRADIENT, 1) ? text : NULL;
}

#endif
