// reward_fit.h: a reward network fitted to pairwise choices by maximum likelihood (chapter 6 explains the loss).
#ifndef TILT_REWARD_FIT_H
#define TILT_REWARD_FIT_H

#include "../../ref/core/optim.h"
#include "../../ref/formula/bradley_terry.h"
#include "../../ref/formula/metrics.h"
#include "../model/mlp.h"
#include "pairs.h"

typedef struct {
    double accuracy;        // share of held-out pairs whose winner gets the higher reward
    double ece, brier, nll; // calibration of sigmoid(r_a - r_b) on the same pairs: ref/formula/metrics.h
} RewardReport;

// Fits a net r(x, c) by the Bradley-Terry loss to the first 80 % of the pairs, B a step; the rest measures it.  Streams
// stream and stream + 1 of seed are used.
static inline void fit_reward_net(RewardReport *report, Net *net, const Pairs *pairs, int steps, int B, double rate,
                                  uint64_t seed, uint64_t stream) {
    int train = pairs->n * 4 / 5, held = pairs->n - train, step, b, dim = pairs->dim;
    Adam adam = adam_new(net, rate);
    size_t rows = 2 * (size_t)(held > B ? held : B); // of the largest batch
    real *x = NEW(real, rows * (size_t)dim), *r = NEW(real, rows);
    int *c = NEW(int, rows);
    double *p = NEW(double, held), *one = NEW(double, held), right = 0;
    adam.decay = 0.01;
    for (step = 0; step < steps; step++) {
        for (b = 0; b < B; b++) { // winners are rows 0..B-1, losers rows B..2B-1
            int i = (int)rng_below(seed, stream, (uint64_t)step * (uint64_t)B + (uint64_t)b, (uint64_t)train);
            pairs_row(x, c, pairs, i, b, B);
        }
        net->forward(net, r, x, NULL, c, 2 * B);
        for (b = 0; b < B; b++) {
            double dw, dl;
            bt_loss(&dw, &dl, r[b], r[B + b]);
            r[b] = (real)(dw / B);
            r[B + b] = (real)(dl / B);
        }
        net_zero_grad(net);
        net->backward(net, NULL, r, x, NULL, c, 2 * B);
        adam.lr = rate_at(rate, step, 0, steps);
        adam_step(&adam, net);
    }
    for (b = 0; b < held; b++) {
        pairs_row(x, c, pairs, train + b, b, held);
    }
    net->forward(net, r, x, NULL, c, 2 * held);
    for (b = 0; b < held; b++) { // shown in random order, as the rater saw them
        int swapped = (int)rng_below(seed, stream + 1, (uint64_t)b, 2);
        double margin = (double)r[b] - (double)r[held + b];
        p[b] = e_sigmoid(swapped ? -margin : margin);
        one[b] = !swapped;
        right += (margin > 0) + 0.5 * (margin == 0);
    }
    calibration(&report->ece, &report->brier, &report->nll, p, one, (size_t)held, 10);
    report->accuracy = right / held;
    adam_free(&adam);
    free(x);
    free(r);
    free(c);
    free(p);
    free(one);
}

// The reward of chapter 1: a small Mlp that sees the prompt.
static inline Net fit_reward(RewardReport *report, const Pairs *pairs, int prompts, int steps, uint64_t seed,
                             uint64_t stream) {
    Net net = mlp_new(pairs->dim, 1, 32, 2, prompts, NULL, seed + 7);
    fit_reward_net(report, &net, pairs, steps, 256, 3e-3, seed, stream);
    return net;
}

#endif
