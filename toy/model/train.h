// train.h: the one way to pretrain a denoiser on a world.  Every chapter starts from its result.
#ifndef TILT_TRAIN_H
#define TILT_TRAIN_H

#include "../../ref/formula/loss_weights.h"
#include "../../ref/show/progress.h"
#include "chain.h"
#include "pretrain.h"

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

// Minimises E weight_t |eps_hat(x_t, t, c) - eps|^2 over data, levels and noise, by Adam, and leaves the running
// average of the parameters in the net.  Returns the eps-loss per number over the last tenth of the steps.
static inline double train_weighted(Net *net, const World *w, const Schedule *schedule, const TrainPlan *plan,
                                    uint64_t seed) {
    Recipe recipe = {plan->steps, TRAIN_ROWS, plan->micro, plan->rate, plan->forget, 0.99};
    Training run = training_new(net, w, schedule, recipe, seed);
    Progress bar = progress_start("train the denoiser", "loss", plan->steps);
    int steps = plan->steps, last = steps - steps * 9 / 10; // steps of the last tenth
    double recent = 0, mean_loss = 0;
    memcpy(run.weight, plan->weight, (size_t)schedule->T * sizeof(real));
    while (run.step < steps) {
        if (!training_step(&run)) {
            DIE("%s", run.trouble);
        }
        mean_loss += run.step <= steps - last ? 0 : run.loss / last;
        if (plan->watch != NULL) {
            recent += run.loss / plan->every;
            if (run.step % plan->every == 0) {
                training_average(&run); // the training does not notice
                plan->watch(plan->user, net, run.step, recent);
                training_back(&run);
                recent = 0;
            }
        }
        progress_step(&bar, run.step, run.loss);
    }
    progress_end(&bar);
    training_average(&run);
    training_free(&run);
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

// The usual plan.  One row in ten forgets its prompt, so that the same net also learns the null prompt.
static inline double train_denoiser(Net *net, const World *w, const Schedule *schedule, int steps, double rate,
                                    uint64_t seed) {
    real *weight = NEW(real, (size_t)schedule->T);
    TrainPlan plan = {steps, rate, 0.1, weight, TRAIN_ROWS, 1, NULL, NULL};
    double loss;
    train_usual_weight(weight, schedule);
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
