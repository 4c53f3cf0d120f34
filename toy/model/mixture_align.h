// mixture_align.h: two short ways to align the mixture model (mixture.h) without drawing a single sample.
//
// The mixture knows log p, so both gradients are exact sums: one over the cells of a grid, one over the answered pairs.
// Its 32 numbers can re-weigh, move and widen the eight modes; the tilt by a learned reward is mostly that, not quite.
#ifndef TILT_MIXTURE_ALIGN_H
#define TILT_MIXTURE_ALIGN_H

#include "../../ref/core/optim.h"
#include "../../ref/formula/preference.h"
#include "../world/ring_net.h"

// The ring as a mixture net: its own law, exactly.
static inline Net ring_mixture(const Ring *ring) {
    Schedule schedule = schedule_linear(100, 1e-3, 0.2); // only sampling needs it
    Net net = ring_net(ring, &schedule, 0);
    schedule_free(&schedule);
    return net;
}

// The law of the net on the cells, normalised.
static inline void mixture_law(double *q, Net *net, const Grid *g) {
    size_t i, cells = grid_cells(g);
    for (i = 0; i < cells; i++) {
        double at[2];
        real x[2];
        grid_point(at, g, i);
        x[0] = (real)at[0];
        x[1] = (real)at[1];
        q[i] = e_exp(mixture_logp(net, x, -1, 0)) * g->h * g->h;
    }
    grid_normalise(q, g);
}

// Policy gradient with the expectation taken exactly: `steps` of Adam uphill on J(q) = E_q[r] - beta KL(q||p_ref),
//   dJ/dtheta = sum_cells q (A - E_q[A]) d log q/dtheta,   A = r - beta log(q/p_ref).
// p_ref, r: masses and rewards of the cells.  Cells with q below 1e-9 are left out of the sum.
static inline void mixture_climb(Net *net, const Grid *g, const double *p_ref, const double *r, double beta, int steps,
                                 double rate) {
    size_t i, cells = grid_cells(g);
    double *q = NEW(double, cells);
    Adam adam = adam_new(net, rate);
    int step;
    for (step = 0; step < steps; step++) {
        double mean = 0;
        mixture_law(q, net, g);
        for (i = 0; i < cells; i++) {
            mean += q[i] > 1e-9 ? q[i] * (r[i] - beta * e_log(q[i] / p_ref[i])) : 0;
        }
        net_zero_grad(net);
        for (i = 0; i < cells; i++) {
            if (q[i] > 1e-9) {
                double at[2], a = r[i] - beta * e_log(q[i] / p_ref[i]) - mean;
                real x[2];
                grid_point(at, g, i);
                x[0] = (real)at[0];
                x[1] = (real)at[1];
                mixture_logp(net, x, -1, -q[i] * a); // downhill on -J
            }
        }
        adam.lr = rate_at(rate, step, 0, steps);
        adam_step(&adam, net);
    }
    adam_free(&adam);
    free(q);
}

// DPO on n answered pairs: `steps` of Adam downhill on the mean loss.  xa, xb: n x 2 points; y: 1 a is better, 0 b is,
// 1/2 a tie, which is half of each loss.  The net as it comes in is the reference.
static inline void mixture_dpo(Net *net, const real *xa, const real *xb, const double *y, int n, double beta, int steps,
                               double rate) {
    double *lr = NEW(double, (size_t)n); // log p_ref(a) - log p_ref(b)
    Adam adam = adam_new(net, rate);
    int step, i;
    for (i = 0; i < n; i++) {
        lr[i] = mixture_logp(net, xa + 2 * i, -1, 0) - mixture_logp(net, xb + 2 * i, -1, 0);
    }
    for (step = 0; step < steps; step++) {
        net_zero_grad(net);
        for (i = 0; i < n; i++) {
            double dh, h = mixture_logp(net, xa + 2 * i, -1, 0) - mixture_logp(net, xb + 2 * i, -1, 0) - lr[i];
            cdpo_margin(&dh, h, beta, 1 - y[i]);
            mixture_logp(net, xa + 2 * i, -1, dh / n);
            mixture_logp(net, xb + 2 * i, -1, -dh / n);
        }
        adam.lr = rate_at(rate, step, 0, steps);
        adam_step(&adam, net);
    }
    adam_free(&adam);
    free(lr);
}

#endif
