// pretrain.h: the state of a training and one step of it.  Everything that a step draws is a function of (seed, step).
//
// So five things are the whole state: parameters, their running average, Adam's two running means, and the number of
// steps taken.  Whoever saves them (train_files.h) goes on later with the same bits.
//   Training run = training_new(&net, &world, &schedule, recipe, seed);
//   while (run.step < recipe.steps) { if (!training_step(&run)) { DIE("%s", run.trouble); } }
//   training_average(&run);                            // the net holds the average now; training_back undoes it
#ifndef TILT_PRETRAIN_H
#define TILT_PRETRAIN_H

#include "../../ref/core/optim.h"
#include "../../ref/formula/forward.h"
#include "../../ref/formula/schedule.h"
#include "../world/world.h"
#include "nonfinite.h"

enum { TRAIN_DATA = 100, TRAIN_NOISE, TRAIN_LEVEL, TRAIN_DROP }; // streams, each added to the world's own
enum { TRAIN_WARM = 50, TRAIN_CURVE = 100 };                     // steps of rising rate; points of the loss curve
enum { TRAIN_EARLY = 100, TRAIN_CLIP = 1 };                      // steps of a short average; length of a gradient

// What decides the bits of a training, besides the net, the world and the seed.
typedef struct {
    int steps, rows, micro; // micro: rows that go through the net together; the sums round differently, nothing else
    double rate, forget;    // Adam's highest rate; chance that a row loses its prompt and trains the null prompt
    double keep;            // share of the running average that one step keeps, after the first 100 steps
    int power;              // the weight of a level is 1/alpha^power
} Recipe;

typedef struct Training Training;

// A training whose parameters live on another device (train_device.h).
typedef struct TrainDevice TrainDevice;
struct TrainDevice {
    void *self;
    void (*step)(TrainDevice *, Training *);  // one step from the clean x, t, c of the batch; sets loss and norm
    void (*fetch)(TrainDevice *, Training *); // brings net->p, adam and ema up to date
    void (*release)(TrainDevice *);
};

struct Training {
    Net *net;
    const World *world;
    const Schedule *schedule;
    Recipe recipe;
    uint64_t seed;
    NetFirstBad first_bad; // names the layer that went wrong (nonfinite.h), or NULL
    int step;              // steps taken
    Adam adam;
    real *ema;                 // np: the running average of the parameters
    real *kept;                // np: the parameters, while the average is in the net
    real *weight;              // T factors of the eps-loss, one a level
    double loss, norm;         // eps-loss per number and length of the gradient, of the last step
    double curve[TRAIN_CURVE]; // sum of the losses in each hundredth of the plan
    real *x, *noise, *eps, *t; // one batch
    int *c;
    char trouble[300];   // why the last step failed
    TrainDevice *device; // takes the steps, or NULL: this machine does
};

// Weight 1/alpha^power.  The minimiser does not depend on the weight; the training does: with power 0 (eps-loss) the
// noisy levels, where the prompt decides what appears, hardly train.  The MLPs do best with 1: with 2 (v-loss) the last
// details do not train (chapter 5 measures it).  The UNets, whose details are easy, do better with 2.
static inline void train_usual_weight(real *weight, const Schedule *schedule, int power) {
    int k, i;
    for (k = 0; k < schedule->T; k++) {
        double w = 1;
        for (i = 0; i < power; i++) {
            w /= alpha_of(schedule_abar(schedule, k));
        }
        weight[k] = (real)w;
    }
}

// Net, world and schedule are borrowed.  The weight is the usual one; change run.weight before the first step if need
// be.
static inline Training training_new(Net *net, const World *world, const Schedule *schedule, Recipe recipe,
                                    uint64_t seed) {
    Training run;
    size_t rows = (size_t)recipe.rows, n = size_mul(rows, (size_t)world->dim);
    memset(&run, 0, sizeof run);
    if (recipe.steps < 1 || recipe.rows < 1 || recipe.micro < 1 || recipe.micro > recipe.rows) {
        DIE("training: %d steps of %d rows in pieces of %d; all are at least 1, a piece is at most the batch",
            recipe.steps, recipe.rows, recipe.micro);
    }
    run.net = net;
    run.world = world;
    run.schedule = schedule;
    run.recipe = recipe;
    run.seed = seed;
    run.adam = adam_new(net, recipe.rate);
    run.ema = NEW(real, net->np);
    run.kept = NEW(real, net->np);
    run.weight = NEW(real, (size_t)schedule->T);
    run.x = NEW(real, n);
    run.noise = NEW(real, n);
    run.eps = NEW(real, n);
    run.t = NEW(real, rows);
    run.c = NEW(int, rows);
    train_usual_weight(run.weight, schedule, recipe.power);
    return run;
}

static inline void training_free(Training *run) {
    if (run->device != NULL) {
        run->device->release(run->device);
    }
    adam_free(&run->adam);
    free(run->ema);
    free(run->kept);
    free(run->weight);
    free(run->x);
    free(run->noise);
    free(run->eps);
    free(run->t);
    free(run->c);
    memset(run, 0, sizeof *run);
}

// The batch of the next step: data x, the levels t, and the prompts c.  Row b of step s is number s rows + b of each
// stream.
static inline void training_draw(Training *run) {
    const World *w = run->world;
    int B = run->recipe.rows, b;
    uint64_t first = (uint64_t)run->step * (uint64_t)B;
    w->draw(w, run->x, run->c, (size_t)B, run->seed, w->stream + TRAIN_DATA, first);
    for (b = 0; b < B; b++) {
        uint64_t row = first + (uint64_t)b;
        run->t[b] = (real)(int)rng_below(run->seed, w->stream + TRAIN_LEVEL, row, (uint64_t)run->schedule->T);
        if (rng_uniform(run->seed, w->stream + TRAIN_DROP, row) < run->recipe.forget) {
            run->c[b] = -1;
        }
    }
}

// x noised to the levels, and the noise in it.
static inline void training_noise(Training *run) {
    size_t dim = (size_t)run->world->dim, B = (size_t)run->recipe.rows, b;
    uint64_t first = (uint64_t)run->step * (uint64_t)B * dim;
    rng_fill_normal(run->noise, B * dim, run->seed, run->world->stream + TRAIN_NOISE, first);
    for (b = 0; b < B; b++) {
        real *x = run->x + b * dim;
        forward_noise(x, x, run->noise + b * dim, schedule_abar(run->schedule, (int)run->t[b]), dim);
    }
}

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

// Writes why the step cannot be taken, and by which layer, to run->trouble.  Returns 0, what a failing step returns.
static inline int training_trouble(Training *run, const char *what, double value) {
    char layer[NONFINITE_TEXT], number[24];
    const char *who = NULL;
    int from, B = run->recipe.rows, micro = run->recipe.micro;
    for (from = 0; from < B && who == NULL && run->first_bad != NULL; from += micro) {
        who = run->first_bad(layer, run->net, run->x + (size_t)from * (size_t)run->world->dim, run->t + from,
                             run->c + from, micro < B - from ? micro : B - from);
    }
    snprintf(run->trouble, sizeof run->trouble, "step %d: the %s is %s; first not finite: %s; lower the rate (%g now)",
             run->step + 1, what, nonfinite_value(number, value), who != NULL ? who : "unknown", run->recipe.rate);
    return 0;
}

// What the device has changed, brought here.  Parameters that are not finite end the program: nothing may be saved.
static inline void training_fetch(Training *run) {
    size_t at;
    if (run->device == NULL) {
        return;
    }
    run->device->fetch(run->device, run);
    at = first_beyond(run->net->p, run->net->np, NONFINITE_LARGEST);
    if (at < run->net->np) {
        char number[24];
        DIE("step %d: parameter %zu is %s; lower the rate (%g now); the last checkpoint stays as it is", run->step, at,
            nonfinite_value(number, (double)run->net->p[at]), run->recipe.rate);
    }
}

// The step on a device, which reports two numbers; its parameters are looked at when they are fetched.
static inline int training_step_there(Training *run) {
    run->device->step(run->device, run);
    if (!is_finite(run->loss) || !is_finite(run->norm)) {
        char number[24];
        int loss = !is_finite(run->loss);
        snprintf(run->trouble, sizeof run->trouble, "step %d: the %s is %s; lower the rate (%g now)", run->step + 1,
                 loss ? "loss" : "length of the gradient", nonfinite_value(number, loss ? run->loss : run->norm),
                 run->recipe.rate);
        return 0;
    }
    return 1;
}

static inline double training_keep(const Training *run) {
    return run->step < TRAIN_EARLY ? 0.9 : run->recipe.keep;
}

// One step: draw, gradient, clip to length 1, Adam, average.  Returns 0 when a number is not finite: then nothing may
// be saved any more, the step is not counted, and run->trouble says where it began.
static inline int training_step(Training *run) {
    Net *net = run->net;
    const Recipe *r = &run->recipe;
    size_t at;
    training_draw(run);
    if (run->device != NULL) {
        if (!training_step_there(run)) {
            return 0;
        }
        run->curve[(int64_t)run->step * TRAIN_CURVE / r->steps] += run->loss;
        run->step++;
        return 1;
    }
    training_noise(run);
    net_zero_grad(net);
    run->loss = denoiser_gradient(net, run->eps, run->x, run->noise, run->t, run->c, run->weight, r->rows, r->micro);
    if (!is_finite(run->loss)) {
        return training_trouble(run, "loss", run->loss);
    }
    at = first_beyond(net->g, net->np, NONFINITE_GRADIENT);
    if (at < net->np) {
        return training_trouble(run, "gradient", (double)net->g[at]);
    }
    run->norm = clip_gradient(net, TRAIN_CLIP);
    run->adam.lr = rate_at(r->rate, run->step, TRAIN_WARM, r->steps);
    adam_step(&run->adam, net);
    at = first_beyond(net->p, net->np, NONFINITE_LARGEST);
    if (at < net->np) {
        return training_trouble(run, "new parameter", (double)net->p[at]);
    }
    ema_update(run->ema, net, training_keep(run));
    run->curve[(int64_t)run->step * TRAIN_CURVE / r->steps] += run->loss;
    run->step++;
    return 1;
}

// Puts the average into the net, for looking at it, sampling or saving; training_back takes up the training again.
static inline void training_average(Training *run) {
    training_fetch(run);
    memcpy(run->kept, run->net->p, run->net->np * sizeof(real));
    memcpy(run->net->p, run->ema, run->net->np * sizeof(real));
    net_changed(run->net);
}

static inline void training_back(Training *run) {
    memcpy(run->net->p, run->kept, run->net->np * sizeof(real));
    net_changed(run->net);
}

// Mean loss over the last tenth of the plan, as far as it was reached; before that, over the current hundredth.
static inline double training_loss(const Training *run) {
    int last = run->step > 0 ? (int)((int64_t)(run->step - 1) * TRAIN_CURVE / run->recipe.steps) : 0, bin, first, begin;
    double sum = 0;
    first = last < TRAIN_CURVE * 9 / 10 ? last : TRAIN_CURVE * 9 / 10;
    for (bin = first; bin <= last; bin++) {
        sum += run->curve[bin];
    }
    // the first step of a hundredth: the smallest s with s CURVE / steps >= first
    begin = (int)(((int64_t)first * run->recipe.steps + TRAIN_CURVE - 1) / TRAIN_CURVE);
    return run->step > begin ? sum / (run->step - begin) : 0;
}

#endif
