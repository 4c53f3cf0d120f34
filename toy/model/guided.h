// guided.h: eps with classifier-free guidance, prompted and unprompted rows in ONE pass through the net.
#ifndef TILT_GUIDED_H
#define TILT_GUIDED_H

#include "../../ref/core/net.h"
#include "../../ref/formula/guidance.h"

// eps (n x dim) of the rows x (n x dim) at times t (n) for prompts c (n, or NULL: the null prompt), with guidance s.
// s = 1 needs no unprompted rows.  Otherwise the batch has 2n rows, first the prompted ones, then the same x without
// prompts: a net shares its overhead among them.  Rows do not see each other, so the bits are those of two passes.
static inline void guided_eps(real *eps, Net *net, const real *x, const real *t, const int *c, double s, int n) {
    size_t rows = (size_t)n, numbers = rows * (size_t)net->in, i;
    real *both, *out, *times;
    int *prompts;
    if (s == 1) {
        net->forward(net, eps, x, t, c, n);
        return;
    }
    both = NEW(real, 2 * numbers);
    out = NEW(real, 2 * numbers);
    times = NEW(real, 2 * rows);
    prompts = NEW(int, 2 * rows);
    memcpy(both, x, numbers * sizeof(real));
    memcpy(both + numbers, x, numbers * sizeof(real));
    for (i = 0; i < rows; i++) {
        times[i] = times[rows + i] = t[i];
        prompts[i] = c != NULL ? c[i] : -1;
        prompts[rows + i] = -1;
    }
    net->forward(net, out, both, times, prompts, 2 * n);
    cfg_combine(eps, out + numbers, out, s, numbers);
    free(both);
    free(out);
    free(times);
    free(prompts);
}

#endif
