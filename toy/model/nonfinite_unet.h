// nonfinite_unet.h: the walk of nonfinite.h through a UNet: the list of its plan, forwards and back.
#ifndef TILT_NONFINITE_UNET_H
#define TILT_NONFINITE_UNET_H

#include "nonfinite.h"
#include "unet.h"

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
