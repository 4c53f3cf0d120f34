// train.h: the one way to pretrain a denoiser on a world.  Every chapter starts from its result.
#ifndef TILT_TRAIN_H
#define TILT_TRAIN_H

#include "../../ref/core/optim.h"
#include "../../ref/formula/forward.h"
#include "../../ref/formula/loss_weights.h"
#include "../../ref/formula/schedule.h"
#include "../../ref/show/progress.h"
#include "../world/world.h"
#include "chain.h"

// Called while training.  Meanwhile net holds the running average of the parameters; loss is the mean eps-loss per
// number since the last call.
typedef void (*TrainWatch)(void *user, Net *net, int step, double loss);

typedef struct {
    int steps;
    double rate;
    double forget;      // chance that a row loses its prompt and trains the null prompt
    const real *weight; // T factors of the eps-loss, one a level
    int micro;          // rows that go through the net together; the result does not depend on it, memory does
    int every;          // steps between two calls of watch
    TrainWatch watch;   // or NULL
    void *user;
} TrainPlan;

enum { TRAIN_ROWS = 256 }; // rows a step

// net->g += the gradient of the mean over `rows` rows of weight[t] |eps_hat - noise|^2 (a sum within a row), collected
// in pieces of `micro` rows.  Every row is divided by the rows of the whole batch, never by those of its piece, so the
// gradient is the same however the batch is cut.  eps: room for micro x dim numbers.  Returns the eps-loss per number.
static inline double denoiser_gradient(Net *net, real *eps, const real *x, const real *noise, const real *t,
                                       const int *c, const real *weight, int rows, int micro) {
    size_t dim = (size_t)net->in, n = (size_t)rows * dim, i;
    double loss = 0;
    int from;
    for (from = 0; from < rows; from += micro) {
        int piece = micro < rows - from ? micro : rows - from;
        size_t at = (size_t)from * dim;
        net->forward(net, eps, x + at, t + from, c + from, piece);
        for (i = 0; i < (size_t)piece * dim; i++) {
            real miss = eps[i] - noise[at + i], factor = weight[(int)t[(at + i) / dim]];
            loss += (double)miss * miss / n;
            eps[i] = 2 * factor * miss / rows;
        }
        net->backward(net, NULL, eps, x + at, t + from, c + from, piece);
    }
    return loss;
}

// Lets plan->watch see the averaged parameters; the training does not notice.
static inline void train_look(Net *net, const real *average, const TrainPlan *plan, int step, double loss) {
    real *kept = NEW(real, net->np);
    memcpy(kept, net->p, net->np * sizeof(real));
    memcpy(net->p, average, net->np * sizeof(real));
    net_changed(net);
    plan->watch(plan->user, net, step, loss);
    memcpy(net->p, kept, net->np * sizeof(real));
    net_changed(net);
    free(kept);
}

// Minimises E weight_t |eps_hat(x_t, t, c) - eps|^2 over data, levels and noise, by Adam, and leaves the running
// average of the parameters in the net.  Returns the eps-loss per number over the last tenth of the steps.
static inline double train_weighted(Net *net, const World *w, const Schedule *schedule, const TrainPlan *plan,
                                    uint64_t seed) {
    enum { B = TRAIN_ROWS, TRAIN_DATA = 100, TRAIN_NOISE, TRAIN_LEVEL, TRAIN_DROP }; // streams
    size_t n = (size_t)B * (size_t)w->dim;
    real *x = NEW(real, n), *noise = NEW(real, n), *eps = NEW(real, n), *t = NEW(real, B), *ema = NEW(real, net->np);
    int *c = NEW(int, B), step, b, steps = plan->steps;
    Adam adam = adam_new(net, plan->rate);
    Progress bar = progress_start("train the denoiser", "loss", steps);
    double loss = 0, recent = 0, mean_loss = 0;
    for (step = 0; step < steps; step++) {
        uint64_t first = (uint64_t)step * B;
        w->draw(w, x, c, B, seed, w->stream + TRAIN_DATA, first);
        rng_fill_normal(noise, n, seed, w->stream + TRAIN_NOISE, first * (uint64_t)w->dim);
        for (b = 0; b < B; b++) {
            int k = (int)rng_below(seed, w->stream + TRAIN_LEVEL, first + b, (uint64_t)schedule->T);
            real *row = x + (size_t)b * (size_t)w->dim;
            t[b] = (real)k;
            c[b] = rng_uniform(seed, w->stream + TRAIN_DROP, first + b) < plan->forget ? -1 : c[b];
            forward_noise(row, row, noise + (size_t)b * (size_t)w->dim, schedule_abar(schedule, k), (size_t)w->dim);
        }
        net_zero_grad(net);
        loss = denoiser_gradient(net, eps, x, noise, t, c, plan->weight, B, plan->micro);
        clip_gradient(net, 1);
        adam.lr = rate_at(plan->rate, step, 50, steps);
        adam_step(&adam, net);
        ema_update(ema, net, step < 100 ? 0.9 : 0.99);
        mean_loss += step < steps * 9 / 10 ? 0 : loss / (steps - steps * 9 / 10);
        if (plan->watch != NULL) {
            recent += loss / plan->every;
            if ((step + 1) % plan->every == 0) {
                train_look(net, ema, plan, step + 1, recent);
                recent = 0;
            }
        }
        progress_step(&bar, step + 1, loss);
    }
    progress_end(&bar);
    memcpy(net->p, ema, net->np * sizeof(real));
    net_changed(net);
    adam_free(&adam);
    free(x);
    free(noise);
    free(eps);
    free(t);
    free(ema);
    free(c);
    return mean_loss;
}

// Weights of the eps-loss that chapter 5 compares: 1; 1/alpha; 1/alpha^2, which is the v-loss; min-SNR with gamma = 5;
// P2 with k = gamma = 1.
typedef enum { WEIGHT_ONE, WEIGHT_BETWEEN, WEIGHT_V, WEIGHT_MINSNR, WEIGHT_P2, TRAIN_WEIGHTS } TrainWeight;

// w (T): the rule at every level, scaled to the mean 1 over the levels.
static inline void train_weights(real *w, const Schedule *schedule, TrainWeight rule) {
    double *raw = NEW(double, (size_t)schedule->T), mean = 0;
    int k;
    for (k = 0; k < schedule->T; k++) {
        double abar = schedule_abar(schedule, k);
        raw[k] = rule == WEIGHT_ONE       ? 1
                 : rule == WEIGHT_BETWEEN ? sqrt(v_loss_per_eps_loss(abar))
                 : rule == WEIGHT_V       ? v_loss_per_eps_loss(abar)
                 : rule == WEIGHT_MINSNR  ? minsnr_weight_eps(abar, 5)
                                          : p2_weight_eps(abar, 1, 1);
        mean += raw[k] / schedule->T;
    }
    for (k = 0; k < schedule->T; k++) {
        w[k] = (real)(raw[k] / mean);
    }
    free(raw);
}

// The usual plan, with weight 1/alpha.  The minimiser does not depend on the weight; the training does: with weight 1
// (eps-loss) the noisy levels, where the prompt decides what appears, hardly train, with 1/alpha^2 (v-loss) the last
// details do not; this is between the two (chapter 5 measures it).  One row in ten forgets its prompt, so that the same
// net also learns the null prompt.
static inline double train_denoiser(Net *net, const World *w, const Schedule *schedule, int steps, double rate,
                                    uint64_t seed) {
    real *weight = NEW(real, (size_t)schedule->T);
    TrainPlan plan = {steps, rate, 0.1, weight, TRAIN_ROWS, 1, NULL, NULL};
    double loss;
    int k;
    for (k = 0; k < schedule->T; k++) {
        weight[k] = (real)(1 / alpha_of(schedule_abar(schedule, k)));
    }
    loss = train_weighted(net, w, schedule, &plan, seed);
    free(weight);
    return loss;
}

// The chain of a trained denoiser, with the noise of its steps fitted on n clean rows of the world (chain.h).
static inline Chain fitted_chain(Net *net, const World *w, const Schedule *schedule, int n, uint64_t seed) {
    enum { FIT_DATA = 110, FIT_NOISE }; // streams
    real *x = NEW(real, (size_t)n * (size_t)w->dim);
    int *c = NEW(int, (size_t)n);
    Chain chain = chain_new(schedule);
    w->draw(w, x, c, (size_t)n, seed, w->stream + FIT_DATA, 0);
    chain_fit_variance(&chain, net, schedule, x, c, n, seed, w->stream + FIT_NOISE);
    free(x);
    free(c);
    return chain;
}

#endif
