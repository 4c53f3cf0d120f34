// train.h: the one way to pretrain a denoiser on a world.  Every chapter starts from its result.
#ifndef TILT_TRAIN_H
#define TILT_TRAIN_H

#include "../../ref/core/optim.h"
#include "../../ref/formula/forward.h"
#include "../../ref/formula/schedule.h"
#include "../../ref/show/progress.h"
#include "../world/world.h"
#include "chain.h"

// Minimises E|eps_hat(x_t, t, c) - eps|^2 / alpha_t over data, levels and noise.  The minimiser does not depend on the
// weight; the training does: with weight 1 (eps-loss) the noisy levels, where the prompt decides what appears, hardly
// train, with 1/alpha^2 (v-loss) the last details do not; this is between the two.  One row in ten forgets its prompt,
// so that the same net also learns the null prompt.  Returns the eps-loss per number over the last tenth of the steps.
static inline double train_denoiser(Net *net, const World *w, const Schedule *schedule, int steps, double rate,
                                    uint64_t seed) {
    enum { B = 256, TRAIN_DATA = 100, TRAIN_NOISE, TRAIN_LEVEL, TRAIN_DROP }; // rows a step; streams
    size_t n = (size_t)B * (size_t)w->dim, i;
    real *x = NEW(real, n), *noise = NEW(real, n), *eps = NEW(real, n), *t = NEW(real, B), *ema = NEW(real, net->np);
    real *weights = NEW(real, schedule->T);
    int *c = NEW(int, B), step, b;
    Adam adam = adam_new(net, rate);
    Progress bar = progress_start("train the denoiser", "loss", steps);
    double loss = 0, mean_loss = 0;
    for (step = 0; step < schedule->T; step++) {
        weights[step] = (real)(1 / alpha_of(schedule_abar(schedule, step)));
    }
    for (step = 0; step < steps; step++) {
        uint64_t first = (uint64_t)step * B;
        w->draw(w, x, c, B, seed, w->stream + TRAIN_DATA, first);
        rng_fill_normal(noise, n, seed, w->stream + TRAIN_NOISE, first * (uint64_t)w->dim);
        for (b = 0; b < B; b++) {
            int k = (int)rng_below(seed, w->stream + TRAIN_LEVEL, first + b, (uint64_t)schedule->T);
            real *row = x + (size_t)b * (size_t)w->dim;
            t[b] = (real)k;
            c[b] = rng_uniform(seed, w->stream + TRAIN_DROP, first + b) < 0.1 ? -1 : c[b];
            forward_noise(row, row, noise + (size_t)b * (size_t)w->dim, schedule_abar(schedule, k), (size_t)w->dim);
        }
        net->forward(net, eps, x, t, c, B);
        for (loss = 0, i = 0; i < n; i++) {
            real miss = eps[i] - noise[i], weight = weights[(int)t[i / (size_t)w->dim]];
            loss += (double)miss * miss / n;
            eps[i] = 2 * weight * miss / B; // dL/d eps of the sum over a row, averaged over rows
        }
        net_zero_grad(net);
        net->backward(net, NULL, eps, x, t, c, B);
        clip_gradient(net, 1);
        adam.lr = rate_at(rate, step, 50, steps);
        adam_step(&adam, net);
        ema_update(ema, net, step < 100 ? 0.9 : 0.99);
        mean_loss += step < steps * 9 / 10 ? 0 : loss / (steps - steps * 9 / 10);
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
    free(weights);
    free(c);
    return mean_loss;
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
