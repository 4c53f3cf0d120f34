// image_align.h: the two alignment loops of chapter 1 for networks that are too large to keep a whole batch of chains:
// rows go through the network in pieces, and only a few of the prompts in each iteration.
//
// What is taught is chapter 1's: chain_policy_gradient (chain_align.h) and pairs_noised with diffusion_dpo_weighted
// (ref/formula/preference.h).  The policy is the conditional model without guidance, whose steps are the normal laws
// that both methods need.  image_score.h scores the results.
// Gradients and Adam stay where the net keeps its parameters (adam_beside of ref/core/optim.h): on a GPU only pictures
// and predictions travel.
#ifndef TILT_IMAGE_ALIGN_H
#define TILT_IMAGE_ALIGN_H

#include "../../ref/core/optim.h"
#include "../../ref/formula/preference.h"
#include "../../ref/show/progress.h"
#include "../model/chain_align.h"
#include "pairs.h"

enum { ALIGN_ROLLOUT = 820, ALIGN_GROUP, ALIGN_DPO }; // streams, added to the world's own

// What is aligned, to what.  Everything is borrowed.
typedef struct {
    Net *net, *ref;
    const World *world; // its reward is the true one
    Net *reward;        // a learned reward of pictures, or NULL: the true one
    const Schedule *schedule;
    const Chain *chain;
    const int *prompt;  // prompts that count
    int prompts, micro; // micro: rows that go through the network together
    double beta;        // KL temperature, reward units per nat
    uint64_t seed;
} Alignment;

// eps (rows x in) of `rows` rows, `micro` at a time.
static inline void forward_pieces(Net *net, real *eps, const real *x, const real *t, const int *c, int rows,
                                  int micro) {
    size_t in = (size_t)net->in;
    int from;
    for (from = 0; from < rows; from += micro) {
        net->forward(net, eps + (size_t)from * in, x + (size_t)from * in, t + from, c + from,
                     micro < rows - from ? micro : rows - from);
    }
}

// The net's gradient += that of `rows` rows.  The forward runs again for each piece: not all its numbers fit at once.
static inline void backward_pieces(Net *net, const real *deps, const real *x, const real *t, const int *c, int rows,
                                   int micro) {
    size_t in = (size_t)net->in;
    int from;
    for (from = 0; from < rows; from += micro) {
        net->backward(net, NULL, deps + (size_t)from * in, x + (size_t)from * in, t + from, c + from,
                      micro < rows - from ? micro : rows - from);
    }
}

// r (n) of the pictures x: what the method is told.
static inline void alignment_reward(double *r, const Alignment *a, const real *x, const int *c, int n) {
    real *y;
    int i;
    if (a->reward == NULL) {
        a->world->reward(a->world, r, x, c, (size_t)n);
        return;
    }
    y = NEW(real, (size_t)n);
    a->reward->forward(a->reward, y, x, NULL, c, n);
    for (i = 0; i < n; i++) {
        r[i] = (double)y[i];
    }
    free(y);
}

// ---- policy gradient ---------------------------------------------------------------------------------------------

typedef struct {
    int iterations, groups, rows; // chains of an iteration: `groups` prompts with `rows` chains each
    double rate;
} PgPlan;

// Maximises E[r] - beta KL(chain || reference chain), on-policy.  The groups of an iteration take the prompts in turn.
static inline void image_align_pg(const Alignment *a, const PgPlan *plan) {
    const Chain *chain = a->chain;
    int T = chain->T, dim = a->world->dim, n = plan->groups * plan->rows, it, i;
    size_t numbers = (size_t)n * (size_t)dim;
    real *x0 = NEW(real, numbers), *path = NEW(real, numbers * (size_t)(T + 1)), *t = NEW(real, n * (size_t)T);
    real *eps = NEW(real, numbers * (size_t)T), *eps_ref = NEW(real, numbers * (size_t)T);
    int *c = NEW(int, n *(size_t)T);
    double *to_go = NEW(double, n);
    Adam adam = adam_beside(a->net, plan->rate);
    Progress bar = progress_start("policy gradient", "J", plan->iterations);
    for (it = 0; it < plan->iterations; it++) {
        for (i = 0; i < n * T; i++) { // rows of a prompt stand together
            int group = it * plan->groups + i % n / plan->rows;
            t[i] = (real)(i / n);
            c[i] = a->prompt[group % a->prompts];
        }
        chain_record(x0, path, eps, a->net, chain, c, n, a->seed,
                     a->world->stream + ALIGN_ROLLOUT + ((uint64_t)it << 32));
        forward_pieces(a->ref, eps_ref, path + numbers, t, c, n * T, a->micro);
        alignment_reward(to_go, a, x0, c, n);
        chain_policy_gradient(eps, to_go, eps_ref, path, chain, a->beta, plan->groups, n, dim); // eps: now dL/d eps
        net_zero_grad(a->net);
        backward_pieces(a->net, eps, path + numbers, t, c, n * T, a->micro);
        adam.lr = rate_at(plan->rate, it, 3, plan->iterations);
        adam_clipped_step(&adam, a->net, 5);
        progress_step(&bar, it + 1, mean_of(to_go, (size_t)n));
    }
    progress_end(&bar);
    adam_free(&adam);
    free(x0);
    free(path);
    free(t);
    free(eps);
    free(eps_ref);
    free(c);
    free(to_go);
}

// ---- Diffusion-DPO -----------------------------------------------------------------------------------------------

typedef struct {
    int steps, batch; // pairs of a step
    double rate;
    double beta; // Diffusion-DPO's own, in units of the KL temperature: its loss needs less than 1 (chapter 1)
} DpoPlan;

static inline void image_align_dpo(const Alignment *a, const Pairs *pairs, const DpoPlan *plan) {
    int B = plan->batch, dim = a->world->dim, step;
    size_t half = (size_t)B * (size_t)dim;
    real *x = NEW(real, 2 * half), *noise = NEW(real, half), *t = NEW(real, 2 * (size_t)B);
    real *eps = NEW(real, 2 * half), *eps_ref = NEW(real, 2 * half), *d = NEW(real, 2 * half);
    int *c = NEW(int, 2 * (size_t)B);
    double *weight = NEW(double, (size_t)B), loss;
    Adam adam = adam_beside(a->net, plan->rate);
    Progress bar = progress_start("diffusion-dpo", "loss", plan->steps);
    for (step = 0; step < plan->steps; step++) {
        pairs_noised(x, noise, t, c, weight, pairs, a->schedule, a->chain, B, a->seed, a->world->stream + ALIGN_DPO,
                     (uint64_t)step * (uint64_t)B);
        forward_pieces(a->net, eps, x, t, c, 2 * B, 2 * B); // kept for the backward pass when the batch is one piece
        forward_pieces(a->ref, eps_ref, x, t, c, 2 * B, a->micro);
        loss = diffusion_dpo_weighted(d, d + half, NULL, NULL, eps, eps + half, eps_ref, eps_ref + half, noise, weight,
                                      B, dim, plan->beta * a->beta);
        net_zero_grad(a->net);
        backward_pieces(a->net, d, x, t, c, 2 * B, 2 * B);
        adam.lr = rate_at(plan->rate, step, 10, plan->steps);
        adam_clipped_step(&adam, a->net, 5);
        progress_step(&bar, step + 1, loss);
    }
    progress_end(&bar);
    adam_free(&adam);
    free(x);
    free(noise);
    free(t);
    free(eps);
    free(eps_ref);
    free(d);
    free(c);
    free(weight);
}

#endif
