// hand.h: backpropagation by hand in the smallest network that has a shared node, and the two ways to get it wrong.
//
// Rows with the same prompt read the same row e[c] of a table, so the gradient of e[c] is a sum over these rows.  `=`
// in the place of `+=` keeps the last row only; a gradient that is not set to zero before the next step keeps the last
// one too.  Both train, somehow, and neither crashes: only finite differences show them.
#ifndef TILT_HAND_H
#define TILT_HAND_H

#include "../../ref/core/rng.h"

enum { HAND_RIGHT, HAND_OVERWRITTEN, HAND_NOT_RESET, HAND_MISTAKES };

// y = sum_j v_j silu(z_j), z_j = w_j . x + e_j[c]: five units, two prompts; L = sum over 6 rows of (y - target)^2/2.
// p: w (5 x 2), e (2 x 5), v (5).  A row of e is shared by all rows with its prompt: their gradients add up.
static inline double hand(double *g, const double *p, int mistake) {
    const double *w = p, *e = p + 10, *v = p + 20;
    double loss = 0;
    for (int i = 0; i < 6; i++) {
        double x[2] = {e_cos(i), e_sin(2 * i)}, z[5], y = 0;
        int c = i % 3 > 0;
        for (int j = 0; j < 5; j++) {
            z[j] = w[2 * j] * x[0] + w[2 * j + 1] * x[1] + e[5 * c + j];
            y += v[j] * z[j] * e_sigmoid(z[j]);
        }
        double dy = y - 0.3 * i;
        loss += 0.5 * dy * dy;
        for (int j = 0; j < 5 && g != NULL; j++) { // backward: the lines above, from the last to the first
            double s = e_sigmoid(z[j]), dz = dy * v[j] * s * (1 + z[j] * (1 - s));
            g[20 + j] += dy * z[j] * s;
            g[2 * j] += dz * x[0];
            g[2 * j + 1] += dz * x[1];
            g[10 + 5 * c + j] = dz + (mistake == HAND_OVERWRITTEN ? 0 : g[10 + 5 * c + j]);
        }
    }
    return loss;
}

// The largest difference to central differences, as a share of the largest gradient.
static inline double hand_error(int mistake, uint64_t seed, uint64_t stream) {
    double p[25], g[25] = {0}, worst = 0, size = 0;
    for (int i = 0; i < 25; i++) {
        p[i] = 0.7 * rng_normal(seed, stream, (uint64_t)i);
    }
    hand(g, p, mistake);
    if (mistake == HAND_NOT_RESET) {
        hand(g, p, mistake); // the next step, without g = 0 in between
    }
    for (int i = 0; i < 25; i++) {
        double kept = p[i], up, down;
        p[i] = kept + 1e-5;
        up = hand(NULL, p, HAND_RIGHT);
        p[i] = kept - 1e-5;
        down = hand(NULL, p, HAND_RIGHT);
        p[i] = kept;
        worst = fmax(worst, fabs(g[i] - (up - down) / 2e-5));
        size = fmax(size, fabs(g[i]));
    }
    return worst / size;
}

#endif
