// chain_law.h: the exact law of x_0 of a 2-D reverse chain, without a single sample.
//
// A vector of masses on a grid is pushed through the T Gaussian steps of the chain; errors: chain_step.h.  Mass below
// CHAIN_TINY in a cell is dropped and mass that steps off the grid is lost: both are counted and returned.  Choose h
// at most a third of the narrowest feature, and a grid that holds N(0, I) (outside +-4.5: 1.4e-5).  Meant for chains
// whose steps have noise; a last step without noise is treated well, a chain without any (eta = 0) is not.
#ifndef TILT_CHAIN_LAW_H
#define TILT_CHAIN_LAW_H

#include "chain_step.h"

#define CHAIN_TINY 1e-12  // a cell with less mass is not followed
#define CHAIN_FLOOR 1e-30 // the least mass of a cell in the answer, so that the KL of two laws stays finite

typedef struct {
    double lost;    // mass that left the grid, the part of N(0, I) outside it included
    double dropped; // mass in cells below CHAIN_TINY, and the size of the negative masses that were set to 0
    double path_kl; // sum over steps of the KL to the reference net, nats; 0 without one
    size_t rows;    // rows the network was evaluated at
} ChainLaw;

// q = the law on grid `to` after step k of the law p on grid `from` (p need not sum to 1).  Adds to *law.
static inline void chain_law_step(double *q, ChainLaw *law, const double *p, ChainBlock *b, const Grid *from,
                                  const Grid *to, Net *net, Net *ref, const Chain *chain, int k) {
    size_t cells = grid_cells(from), at = 0;
    double before = grid_sum(p, from), followed = 0, w_kl = chain->step[k].w_kl;
    double *mass = NEW(double, CHAIN_BLOCK);
    memset(q, 0, grid_cells(to) * sizeof *q);
    chain_block_step(b, from, to, chain->step[k].sigma);
    while (at < cells) {
        int i;
        for (b->n = 0; at < cells && b->n < CHAIN_BLOCK; at++) {
            if (p[at] > CHAIN_TINY) {
                mass[b->n] = p[at];
                followed += p[at];
                b->cell[b->n++] = at;
            }
        }
        if (b->n == 0) {
            break;
        }
        chain_block_fill(b, net, ref, chain, k);
        chain_block_push(q, mass, b);
        law->rows += (size_t)b->n;
        for (i = 0; i < b->n && ref != NULL && chain->step[k].sigma > 0; i++) {
            double dx = (double)b->eps[2 * i] - (double)b->eps_ref[2 * i];
            double dy = (double)b->eps[2 * i + 1] - (double)b->eps_ref[2 * i + 1];
            law->path_kl += mass[i] * 0.5 * w_kl * (dx * dx + dy * dy);
        }
    }
    free(mass);
    law->dropped += before - followed;
    law->lost += followed - grid_sum(q, to);
}

// p (n*n, sums to 1) = the law of x_0 of this chain for prompt c.  ref: NULL, or the net that path_kl is measured
// against, under the same chain.  A step with sigma = 0 has no density and is left out of path_kl; when there is none,
// path_kl is an upper bound of the KL between the two laws of x_0.
static inline ChainLaw chain_law(double *p, const Grid *g, Net *net, Net *ref, const Chain *chain, int c) {
    const Grid widest = grid_new(CHAIN_REFINE * g->n, g->lo, g->hi);
    Grid *grids = chain_grids(g, chain);
    ChainBlock *b = chain_block_new(c);
    double *now = NEW(double, grid_cells(&widest)), *next = NEW(double, grid_cells(&widest));
    size_t i, cells = grid_cells(g);
    ChainLaw law;
    int k;
    memset(&law, 0, sizeof law);
    if (net->in != 2 || net->out != 2) {
        DIE("chain_law: the net maps %d numbers to %d; a law on a grid needs 2 to 2", net->in, net->out);
    }
    law.lost = chain_start(now, &grids[chain->T]);
    for (k = chain->T - 1; k >= 0; k--) {
        double *swap = now;
        chain_law_step(next, &law, now, b, &grids[k + 1], &grids[k], net, ref, chain, k);
        now = next;
        next = swap;
    }
    for (i = 0; i < cells; i++) {
        law.dropped += now[i] < 0 ? -now[i] : 0;
        p[i] = now[i] > CHAIN_FLOOR ? now[i] : CHAIN_FLOOR;
    }
    grid_normalise(p, g);
    free(now);
    free(next);
    free(grids);
    chain_block_free(b);
    return law;
}

#endif
