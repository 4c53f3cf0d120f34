// chain_optimum.h: the best that any chain can do when its start N(0, I) is kept, exactly, on a grid.
//
// The tilt p_ref e^(r / beta) / Z moves the start as well; a fine-tuned sampler does not.  This file computes what is
// left: the optimum over ALL chains x_T ~ N(0, I), x_k ~ anything given x_{k+1}, of E[r(x_0)] - beta KL(path to the
// reference chain).  No Gaussian policy reaches it exactly while steps are few, but none lies above it.
//   backward: V_0 = r,  V_{k+1}(x) = beta log E_ref[ e^(V_k / beta) | x ];  forward: each reference step is tilted by
//   e^((V_k - V_{k+1}) / beta).  (opt.init in the ledger; tilt_fixed_start in tilt.h is the same for one step.)
#ifndef TILT_CHAIN_OPTIMUM_H
#define TILT_CHAIN_OPTIMUM_H

#include "chain_law.h"

typedef struct {
    double j;       // E_{N(0,I)}[V_T] = max of E[r] - beta KL(path), reward units
    double reward;  // E[r] of that optimum
    double path_kl; // nats
    double lost;    // mass that left the grid, the part of N(0, I) outside it included
} ChainOptimum;

// The cells i, i + 1, ... of the source grid become the block; returns how many.
static inline size_t chain_block_next(ChainBlock *b, size_t i) {
    size_t cells = grid_cells(b->from);
    for (b->n = 0; b->n < CHAIN_BLOCK && i + (size_t)b->n < cells; b->n++) {
        b->cell[b->n] = i + (size_t)b->n;
    }
    return (size_t)b->n;
}

// v_out (cells of b->from) = log E[e^v | x] of the step b is set to; v (cells of b->to), all values divided by beta.
// Values of an average stay between those averaged; top and bottom bound them.
static inline void chain_value(double *v_out, const double *v, double top, double bottom, ChainBlock *b, Net *net,
                               const Chain *chain, int k) {
    size_t i, step, cells = grid_cells(b->from), targets = grid_cells(b->to);
    double *e = NEW(double, targets), *mean = NEW(double, CHAIN_BLOCK), *inside = NEW(double, CHAIN_BLOCK);
    int m;
    for (i = 0; i < targets; i++) {
        e[i] = e_exp(v[i] - top);
    }
    for (i = 0; i < cells; i += step) {
        step = chain_block_next(b, i);
        chain_block_fill(b, net, NULL, chain, k);
        chain_block_pull(mean, inside, e, b);
        for (m = 0; m < b->n; m++) { // a cell that mostly leads off the grid is worth nothing
            double value = inside[m] > 0.5 && mean[m] > 0 ? top + e_log(mean[m]) : bottom;
            v_out[i + (size_t)m] = value > bottom ? value : bottom;
        }
    }
    free(e);
    free(mean);
    free(inside);
}

// p_star (n*n) = the law of x_0 of the optimum: not the tilt of p_ref, unless x_T has forgotten x_0 completely.
// r: n*n rewards.  Costs two evaluations of the net in every cell and step.
static inline ChainOptimum chain_optimum(double *p_star, const double *r, double beta, const Grid *g, Net *net,
                                         const Chain *chain, int c) {
    const Grid widest = grid_new(CHAIN_REFINE * g->n, g->lo, g->hi);
    Grid *grids = chain_grids(g, chain);
    ChainBlock *b = chain_block_new(c);
    double **v = NEW(double *, (size_t)chain->T + 1); // V_k / beta on grids[k]
    double *now = NEW(double, grid_cells(&widest)), *next = NEW(double, grid_cells(&widest));
    double *mass = NEW(double, CHAIN_BLOCK), top = -INFINITY, bottom = INFINITY, outside;
    size_t i, step, m;
    ChainOptimum best;
    int k;
    v[0] = NEW(double, grid_cells(g));
    for (i = 0; i < grid_cells(g); i++) {
        v[0][i] = r[i] / beta;
        top = fmax(top, v[0][i]);
        bottom = fmin(bottom, v[0][i]);
    }
    if (!(top - bottom < 600)) {
        DIE("chain_optimum: rewards span %g beta; exp of more than 600 overflows, use a larger beta", top - bottom);
    }
    for (k = 0; k < chain->T; k++) {
        v[k + 1] = NEW(double, grid_cells(&grids[k + 1]));
        chain_block_step(b, &grids[k + 1], &grids[k], chain->step[k].sigma);
        chain_value(v[k + 1], v[k], top, bottom, b, net, chain, k);
    }
    outside = chain_start(now, &grids[chain->T]);
    best.j = beta * table_mean(NULL, now, v[chain->T], grid_cells(&grids[chain->T])) / (1 - outside);
    for (k = chain->T - 1; k >= 0; k--) {
        double *swap = now;
        memset(next, 0, grid_cells(&grids[k]) * sizeof *next);
        chain_block_step(b, &grids[k + 1], &grids[k], chain->step[k].sigma);
        for (i = 0; i < grid_cells(&grids[k + 1]); i += step) {
            step = chain_block_next(b, i);
            for (m = 0; m < step; m++) {
                mass[m] = now[i + m] * e_exp(bottom - v[k + 1][i + m]);
            }
            chain_block_fill(b, net, NULL, chain, k);
            chain_block_push(next, mass, b);
        }
        for (i = 0; i < grid_cells(&grids[k]); i++) {
            next[i] = next[i] > 0 ? next[i] * e_exp(v[k][i] - bottom) : 0;
        }
        now = next;
        next = swap;
    }
    memcpy(p_star, now, grid_cells(g) * sizeof *p_star);
    best.lost = 1 - grid_normalise(p_star, g);
    best.reward = table_mean(NULL, p_star, r, grid_cells(g));
    best.path_kl = (best.reward - best.j) / beta;
    for (k = 0; k <= chain->T; k++) {
        free(v[k]);
    }
    free(v);
    free(now);
    free(next);
    free(mass);
    free(grids);
    chain_block_free(b);
    return best;
}

#endif
