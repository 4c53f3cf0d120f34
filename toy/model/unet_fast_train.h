// unet_fast_train.h: a training and a sampler that stay on the device: what unet_fast_gpu.h promises.
//
// A step of either is one recorded graph.  What changes from step to step (the counter, the rate, the level) lies on
// the device, so the graph is always the same one.
#ifndef TILT_UNET_FAST_TRAIN_H
#define TILT_UNET_FAST_TRAIN_H

#include "unet_fast.h"
#include "unet_fast_gpu.h"

// ---- training ------------------------------------------------------------------------------------------------------

struct FastTraining {
    Net *net;
    UnetFast *m;
    FastBatch *batch;
    FastRule rule;
    StepRule step;
    FastAdam *adam;
    float *average;         // np, on the device, as below: the running average
    float *x0, *row_weight; // [rows][dim], [rows]
    FastGraph graph;
    float *host; // rows
    int fed;     // has it had pictures?
};

// The gradient is folded first where its length is wanted; otherwise Adam reads the slices itself.
static inline void fast_training_record(FastTraining *r) {
    UnetFast *m = r->m;
    FastNet *f = &m->net;
    FastBatch *b = r->batch;
    Levels levels = fast_levels(f, b);
    EpsLoss loss = {b->x, b->F, b->noise, r->row_weight, b->losses, b->dF};
    StepState *state = r->adam->state;
    AdamData data = fast_adam_data(f, r->adam, r->average);
    int clip = r->step.limit > 0;
    noise_fill(b->noise, (size_t)b->N * levels.dim, r->rule.seed, r->rule.stream, 0, &state->step, m->stream);
    q_sample(b->x, r->x0, b->noise, &levels, m->stream);
    fast_forward(f, b, m->stream);
    eps_loss(&loss, &levels, b->mean, m->stream);
    fast_backward(f, b, 1, 0, m->stream);
    if (clip) {
        fold_slices(&b->table, f->g, b->squares, 0, m->stream);
    }
    step_begin(state, &r->step, clip ? b->squares : NULL, clip ? b->table.chunks : 0, m->stream);
    adam_slices(clip ? &r->adam->folded : &b->table, &data, &r->step, state, m->stream);
}

static inline FastTraining *fast_training_make(Net *net, const FastRule *rule, int rows, int step, const real *moment,
                                               const real *square, const real *average) {
    FastTraining *r = NEW(FastTraining, 1);
    UnetFast *m = (UnetFast *)net->self;
    size_t np = net->np, weights = (size_t)m->net.steps;
    StepRule s = {rule->rate,       rule->beta1, rule->beta2, rule->eps,  rule->decay, rule->keep,
                  rule->early_keep, rule->early, rule->limit, rule->warm, rule->steps};
    real *weight = NEW(real, weights);
    net_need_home(net, "unet: a training on the device");
    r->net = net;
    r->m = m;
    r->rule = *rule;
    r->step = s;
    for (size_t k = 0; k < weights; k++) { // the losses of the kernel are means over a row, those of the rule sums
        weight[k] = rule->weight[k] * (real)net->in;
    }
    r->rule.weight = weight;
    unet_fast_parameters(m, net);
    r->batch = fast_batch_new(&m->net, rows);
    r->adam = fast_adam_new(&m->net, step);
    if (moment != NULL) {
        to_device(r->adam->moment, moment, np * sizeof(float));
        to_device(r->adam->square, square, np * sizeof(float));
    }
    r->average = DEVICE_NEW(float, np);
    to_device(r->average, average != NULL ? average : net->p, np * sizeof(float));
    r->x0 = DEVICE_NEW(float, (size_t)rows *(size_t)net->in);
    r->row_weight = DEVICE_NEW(float, (size_t)rows);
    r->host = NEW(float, (size_t)rows);
    return r;
}

static inline void fast_training_data(FastTraining *r, const real *x0, const int *t, const int *c) {
    FastBatch *b = r->batch;
    for (int i = 0; i < b->N; i++) {
        unet_prompt_check(c[i], r->m->net.plan->prompts);
        r->host[i] = r->rule.weight[unet_level((real)t[i], r->m->net.steps)];
    }
    fast_wait(r->m->stream);
    to_device(r->x0, x0, (size_t)b->N * (size_t)r->net->in * sizeof(float));
    to_device(r->row_weight, r->host, (size_t)b->N * sizeof(float));
    to_device(b->t, t, (size_t)b->N * sizeof(int));
    to_device(b->prompt, c, (size_t)b->N * sizeof(int));
}

static inline void fast_training_go(double *loss, double *norm, FastTraining *r, const real *x0, const int *t,
                                    const int *c) {
    FastBatch *b = r->batch;
    net_need_home(r->net, "unet: a training on the device"); // an Adam of adam_beside collects where a step folds
    // somebody may have changed them: another net, the average for a sheet
    unet_fast_parameters(r->m, r->net);
    if (x0 != NULL) {
        fast_training_data(r, x0, t, c);
        r->fed = 1;
    } else if (!r->fed) {
        DIE("unet: the first step of a training has no pictures; only later ones may repeat those before");
    }
    fast_replay(&r->graph, r->m->stream, [&] { fast_training_record(r); });
    if (norm != NULL) {
        StepState state;
        fast_wait(r->m->stream);
        to_host(&state, r->adam->state, sizeof state);
        *norm = state.norm;
    }
    if (loss != NULL) { // without the weights, which the kernel multiplied in
        fast_wait(r->m->stream);
        to_host(r->host, b->losses, (size_t)b->N * sizeof(float));
        *loss = 0;
        int *t_there = NEW(int, (size_t)b->N);
        to_host(t_there, b->t, (size_t)b->N * sizeof(int));
        for (int i = 0; i < b->N; i++) {
            *loss += r->host[i] / (double)r->rule.weight[t_there[i]] / b->N;
        }
        free(t_there);
    }
}

// The net's own copy follows, so that it may be sampled from and saved.
static inline void fast_training_take(FastTraining *r, real *moment, real *square, real *average) {
    size_t bytes = r->net->np * sizeof(float);
    fast_wait(r->m->stream);
    if (r->m->stamp == r->net->stamp) { // otherwise somebody put back older ones, and the device has others
        to_host(r->net->p, r->m->net.p, bytes);
        net_changed(r->net);
        r->m->stamp = r->net->stamp;
    }
    if (moment != NULL) {
        to_host(moment, r->adam->moment, bytes);
    }
    if (square != NULL) {
        to_host(square, r->adam->square, bytes);
    }
    if (average != NULL) {
        to_host(average, r->average, bytes);
    }
}

static inline void fast_training_end(FastTraining *r) {
    fast_batch_free(r->batch);
    fast_graph_free(&r->graph);
    fast_adam_free(r->adam);
    device_free(r->average);
    device_free(r->x0);
    device_free(r->row_weight);
    free((void *)r->rule.weight);
    free(r->host);
    free(r);
}

// ---- sampling ------------------------------------------------------------------------------------------------------

struct FastSampler {
    Net *net;
    UnetFast *m;
    FastBatch *batch; // n rows, or 2 n with guidance
    int n, steps;
    uint64_t seed, noise_stream;
    int *level, *counter;         // on the device, as all below
    SampleWeights *weights, *now; // of all steps, of this one
    int noisy, guided;            // does any step add noise?  is the graph one with guidance?
    double guidance;
    FastGraph graph;
};

// The level of all rows and the weights of this step; then the counter moves on.
static __global__ void __launch_bounds__(256)
    fast_advance_kernel(int *counter, int *t, SampleWeights *now, const int *level, const SampleWeights *weights,
                        int N) {
    int k = *counter;
    for (int i = (int)threadIdx.x; i < N; i += 256) {
        t[i] = level[k];
    }
    __syncthreads(); // all have read the counter
    if (threadIdx.x == 0) {
        *now = weights[k];
        *counter = k + 1;
    }
}

static __global__ void __launch_bounds__(256) fast_repeat_kernel(float *x, size_t n) {
    size_t i = (size_t)blockIdx.x * 256 + threadIdx.x;
    if (i < n) {
        x[n + i] = x[i];
    }
}

static inline void fast_sampler_record(FastSampler *s) {
    UnetFast *m = s->m;
    FastBatch *b = s->batch;
    size_t numbers = (size_t)s->n * (size_t)s->net->in;
    SampleStep step = {b->x, b->x, b->F, s->guided ? b->F + numbers : NULL, (float)s->guidance, b->noise, s->now};
    LAUNCH_FAST(fast_advance_kernel, dim3(1), dim3(256), 0, m->stream, s->counter, b->t, s->now, s->level, s->weights,
                b->N);
    if (s->guided) {
        LAUNCH_FAST(fast_repeat_kernel, dim3((unsigned)((numbers + 255) / 256)), dim3(256), 0, m->stream, b->x,
                    numbers);
    }
    fast_forward(&m->net, b, m->stream);
    if (s->noisy) { // the counter has moved on: step k draws numbers (k + 1) n ..
        noise_fill(b->noise, numbers, s->seed, s->noise_stream, 0, s->counter, m->stream);
    }
    sample_step(&step, numbers, m->stream);
}

static inline FastSampler *fast_sampler_make(Net *net, int n, int steps, const int *level, const double *a,
                                             const double *b, const double *sigma, uint64_t seed,
                                             uint64_t noise_stream) {
    FastSampler *s = NEW(FastSampler, 1);
    UnetFast *m = (UnetFast *)net->self;
    SampleWeights *w = NEW(SampleWeights, (size_t)steps);
    real *alpha = NEW(real, (size_t)m->net.steps), *sig = NEW(real, (size_t)m->net.steps);
    int zero = 0;
    s->net = net;
    s->m = m;
    s->n = n;
    s->steps = steps;
    s->seed = seed;
    s->noise_stream = noise_stream;
    to_host(alpha, m->net.alpha, (size_t)m->net.steps * sizeof(float));
    to_host(sig, m->net.sigma, (size_t)m->net.steps * sizeof(float));
    for (int k = 0; k < steps; k++) {
        int t = unet_level((real)level[k], m->net.steps);
        w[k] = sample_weights(a[k], b[k], sigma[k], alpha[t], sig[t]);
        s->noisy |= sigma[k] != 0;
    }
    s->level = fast_upload(level, (size_t)steps);
    s->weights = fast_upload(w, (size_t)steps);
    s->now = fast_upload(w, 1);
    s->counter = fast_upload(&zero, 1);
    free(w);
    free(alpha);
    free(sig);
    return s;
}

static inline void fast_sampler_go(FastSampler *s, real *x, const int *c, double guidance) {
    int guided = guidance != 1, unit = fast_rows_unit(s->m->net.plan);
    int rows = (guided ? 2 * s->n : s->n), N = (rows + unit - 1) / unit * unit, *prompt;
    size_t numbers = (size_t)s->n * (size_t)s->net->in;
    if (s->batch == NULL || s->guided != guided || s->guidance != guidance) {
        fast_batch_free(s->batch);
        fast_graph_free(&s->graph);
        s->batch = fast_batch_new(&s->m->net, N);
        s->guided = guided;
        s->guidance = guidance;
        device_zero(s->batch->x, (size_t)N * (size_t)s->net->in * sizeof(float));
    }
    unet_fast_parameters(s->m, s->net);
    fast_wait(s->m->stream);
    prompt = NEW(int, (size_t)N);
    for (int i = 0; i < N; i++) { // the second half: the null prompt
        prompt[i] = i < s->n && c != NULL ? c[i] : -1;
        unet_prompt_check(prompt[i], s->m->net.plan->prompts);
    }
    to_device(s->batch->prompt, prompt, (size_t)N * sizeof(int));
    free(prompt);
    if (x != NULL) {
        to_device(s->batch->x, x, numbers * sizeof(float));
    }
    device_zero(s->counter, sizeof(int));
    fast_wait(s->m->stream);
    for (int k = 0; k < s->steps; k++) {
        fast_replay(&s->graph, s->m->stream, [&] { fast_sampler_record(s); });
    }
    fast_wait(s->m->stream);
    if (x != NULL) {
        to_host(x, s->batch->x, numbers * sizeof(float));
    }
}

static inline void fast_sampler_end(FastSampler *s) {
    fast_batch_free(s->batch);
    fast_graph_free(&s->graph);
    device_free(s->level);
    device_free(s->weights);
    device_free(s->now);
    device_free(s->counter);
    free(s);
}

#endif
