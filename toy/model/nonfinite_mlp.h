// nonfinite_mlp.h: the walk of nonfinite.h through an Mlp.
//
// It repeats the forward pass plainly, row by row, from the layout of the parameters, so it needs no activations of the
// fast one.
#ifndef TILT_NONFINITE_MLP_H
#define TILT_NONFINITE_MLP_H

#include "mlp.h"
#include "nonfinite.h"

static inline const char *mlp_layer_name(char name[24], const Mlp *m, int l) {
    if (l == m->layers) {
        snprintf(name, 24, "the last layer");
    } else {
        snprintf(name, 24, "hidden layer %d", l + 1);
    }
    return name;
}

// The parameters (v = net->p) or gradients (v = net->g) of layer l.
static inline int mlp_layer_bad(char text[NONFINITE_TEXT], const char *what, const Mlp *m, const real *v, int l,
                                double limit) {
    char name[24];
    size_t in = (size_t)mlp_fan_in(m, l), out = (size_t)mlp_fan_out(m, l);
    mlp_layer_name(name, m, l);
    return nonfinite_found(text, what, name, v + m->W[l], in * out, out, limit) ||
           nonfinite_found(text, what, name, v + m->b[l], out, out, limit);
}

// The output of every layer for one row x with time t and prompt c.
static inline int mlp_row_bad(char text[NONFINITE_TEXT], const Net *net, const real *x, double t, int c) {
    const Mlp *m = (const Mlp *)net->self;
    size_t wide = (size_t)(m->dim + m->embed + m->hidden + m->out), prompt = (size_t)(c < 0 ? m->prompts : c);
    real *in = NEW(real, wide), *out = NEW(real, wide);
    int l, j, bad = 0;
    memcpy(in, x, (size_t)m->dim * sizeof(real));
    if (m->embed > 0) {
        memcpy(in + m->dim, m->times + (size_t)t * (size_t)m->embed, (size_t)m->embed * sizeof(real));
    }
    for (l = 0; l <= m->layers && !bad; l++) {
        int fan_out = mlp_fan_out(m, l);
        char name[24];
        linear_forward(out, in, net->p + m->W[l], net->p + m->b[l], 1, mlp_fan_in(m, l), fan_out);
        for (j = 0; j < fan_out && l == 0; j++) {
            out[j] += net->p[m->table + prompt * (size_t)m->hidden + (size_t)j];
        }
        bad = nonfinite_found(text, "output", mlp_layer_name(name, m, l), out, (size_t)fan_out, (size_t)fan_out,
                              NONFINITE_LARGEST);
        if (l < m->layers) {
            silu_forward(in, out, (size_t)fan_out);
        }
    }
    free(in);
    free(out);
    return bad;
}

// NetFirstBad of an Mlp.
static inline const char *mlp_first_bad(char text[NONFINITE_TEXT], Net *net, const real *x, const real *t, const int *c,
                                        int n) {
    const Mlp *m = (const Mlp *)net->self;
    size_t table = (size_t)(m->prompts + 1) * (size_t)m->hidden;
    int l, i;
    if (nonfinite_found(text, "numbers", "the data", x, (size_t)n * (size_t)m->dim, (size_t)m->dim,
                        NONFINITE_LARGEST)) {
        return text;
    }
    for (l = 0; l <= m->layers; l++) {
        if (mlp_layer_bad(text, "parameters", m, net->p, l, NONFINITE_LARGEST)) {
            return text;
        }
    }
    if (nonfinite_found(text, "parameters", "the prompts", net->p + m->table, table, (size_t)m->hidden,
                        NONFINITE_LARGEST)) {
        return text;
    }
    for (i = 0; i < n; i++) {
        if (mlp_row_bad(text, net, x + (size_t)i * (size_t)m->dim, t != NULL ? (double)t[i] : 0,
                        c != NULL ? c[i] : -1)) {
            return text;
        }
    }
    for (l = m->layers; l >= 0; l--) { // the gradient is made from the last layer back to the first
        if (mlp_layer_bad(text, "gradient", m, net->g, l, NONFINITE_GRADIENT)) {
            return text;
        }
    }
    if (nonfinite_found(text, "gradient", "the prompts", net->g + m->table, table, (size_t)m->hidden,
                        NONFINITE_GRADIENT)) {
        return text;
    }
    return NULL;
}

#endif
