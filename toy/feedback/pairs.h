// pairs.h: a data set of pairwise choices: for each pair a prompt, a winner and a loser.
#ifndef TILT_PAIRS_H
#define TILT_PAIRS_H

#include "../model/chain.h"
#include "../world/world.h"
#include "raters.h"

typedef struct {
    int n, dim;           // pairs, numbers per sample
    int *c;               // n prompts
    real *w, *l;          // n x dim winners and losers
    double best_accuracy; // expected accuracy of the true reward on these pairs: no model can be expected to do better
} Pairs;

// A rater is shown rows 2i and 2i + 1 of x (2n x dim), which have the prompt c[2i] and the true rewards r, and chooses.
// Rater ties are not part of this data set.
static inline Pairs pairs_ask(const Rater *rater, const real *x, const double *r, const int *c, int n, int dim) {
    size_t bytes = (size_t)dim * sizeof(real);
    Pairs p;
    int i;
    p.n = n;
    p.dim = dim;
    p.c = NEW(int, (size_t)n);
    p.w = NEW(real, (size_t)n * (size_t)dim);
    p.l = NEW(real, (size_t)n * (size_t)dim);
    p.best_accuracy = 0;
    for (i = 0; i < n; i++) {
        double r_a = r[2 * i], r_b = r[2 * i + 1];
        int first = rater_choose(rater, r_a, r_b, (uint64_t)i) == CHOSE_A ? 0 : 1;
        if (c[2 * i] != c[2 * i + 1]) {
            DIE("pairs: rows %d and %d have the prompts %d and %d; only samples of one prompt are compared", 2 * i,
                2 * i + 1, c[2 * i], c[2 * i + 1]);
        }
        p.c[i] = c[2 * i];
        p.best_accuracy += rater_accuracy(rater, r_a, r_b) / n;
        memcpy(p.w + (size_t)i * (size_t)dim, x + (size_t)(2 * i + first) * (size_t)dim, bytes);
        memcpy(p.l + (size_t)i * (size_t)dim, x + (size_t)(2 * i + 1 - first) * (size_t)dim, bytes);
    }
    return p;
}

// n pairs of samples of a model, spread evenly over the prompts, judged by a rater who sees the true reward.  The
// samples come from this stream of the seed.
static inline Pairs pairs_collect(const Rater *rater, const World *w, Net *net, const Chain *chain, int n,
                                  uint64_t seed, uint64_t stream) {
    real *x = NEW(real, 2 * (size_t)n * (size_t)w->dim);
    double *r = NEW(double, 2 * (size_t)n);
    int *c = NEW(int, 2 * (size_t)n), i;
    Pairs p;
    for (i = 0; i < 2 * n; i++) {
        c[i] = i / 2 % w->prompts;
    }
    chain_sample(x, NULL, net, chain, c, 2 * n, seed, stream);
    w->reward(w, r, x, c, 2 * (size_t)n);
    p = pairs_ask(rater, x, r, c, n, w->dim);
    free(x);
    free(r);
    free(c);
    return p;
}

// Pair i as rows of a batch: the winner becomes row b, the loser row half + b.
static inline void pairs_row(real *x, int *c, const Pairs *p, int i, int b, int half) {
    size_t bytes = (size_t)p->dim * sizeof(real);
    memcpy(x + (size_t)b * (size_t)p->dim, p->w + (size_t)i * (size_t)p->dim, bytes);
    memcpy(x + (size_t)(half + b) * (size_t)p->dim, p->l + (size_t)i * (size_t)p->dim, bytes);
    c[b] = c[half + b] = p->c[i];
}

enum { PAIR_CHOICE, PAIR_LEVEL, PAIR_NOISE, PAIR_STREAMS }; // what a batch of Diffusion-DPO draws, a stream each

// A batch of Diffusion-DPO: B pairs drawn from p, winner and loser of a pair noised with the same noise to the same
// level.
//   x 2B x dim, t 2B, c 2B: winners in rows 0..B-1, losers in rows B..2B-1;   noise B x dim
//   weight (B): T dim w_kl of the level, the weight of the derivation and not a constant (ref/formula/preference.h)
// Streams stream .. stream + 2 of seed are used; row b reads number first + b of each.
static inline void pairs_noised(real *x, real *noise, real *t, int *c, double *weight, const Pairs *p,
                                const Schedule *schedule, const Chain *chain, int B, uint64_t seed, uint64_t stream,
                                uint64_t first) {
    size_t dim = (size_t)p->dim;
    int b, side;
    rng_fill_normal(noise, (size_t)B * dim, seed, stream + PAIR_NOISE, first * (uint64_t)dim);
    for (b = 0; b < B; b++) {
        int i = (int)rng_below(seed, stream + PAIR_CHOICE, first + (uint64_t)b, (uint64_t)p->n);
        int k = (int)rng_below(seed, stream + PAIR_LEVEL, first + (uint64_t)b, (uint64_t)schedule->T);
        pairs_row(x, c, p, i, b, B);
        weight[b] = schedule->T * p->dim * chain->step[k].w_kl;
        for (side = 0; side < 2; side++) {
            real *row = x + (size_t)(side * B + b) * dim;
            t[side * B + b] = (real)k;
            forward_noise(row, row, noise + (size_t)b * dim, schedule_abar(schedule, k), dim);
        }
    }
}

static inline void pairs_free(Pairs *p) {
    free(p->c);
    free(p->w);
    free(p->l);
    memset(p, 0, sizeof *p);
}

#endif
