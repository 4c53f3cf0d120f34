// unet_fast.h: the UNet as a Net on the fast kernels of ref/cuda/: tensor cores, bf16 activations, fp32 sums and master
// weights.  The list, the parameters and their start are those of unet.h, which is the reference it is tested against.
//
//   eps = sigma_t x + alpha_t F(x, t, prompt)
// Compiled by nvcc (unet_fast.cu) for a GPU, or by a C++ compiler with -DEMULATE for the CPU, where every launch runs
// through emulate.h: slow, but the whole network is checked without a GPU.
// On a GPU the launches of a pass are recorded once in a CUDA graph and then replayed with one call: at small batches a
// step is some hundred short kernels, and starting them one by one would take longer than they do.
#ifndef TILT_UNET_FAST_H
#define TILT_UNET_FAST_H

#include "unet_fast_adam.h"

enum { FAST_BATCHES = 3, FAST_MOST = 256 }; // batch sizes that stay prepared; images that go through at a time

struct UnetFast {
    FastNet net;
    FastBatch *batch[FAST_BATCHES];
    FastGraph forward[FAST_BATCHES], backward[FAST_BATCHES][4]; // backward: [weights + 2 input]
    int used[FAST_BATCHES], clock;
    Stream stream;
    unsigned stamp; // of the parameters on the device
    FastAdam *adam; // at work between start and end of unet_fast_steps; then net.g collects
    // what the last forward left, for a backward of the same rows
    FastBatch *kept;
    unsigned kept_stamp;
    float *kept_x, *back;
    int *level, *prompt;
    size_t back_room;
    int kept_room;
};

// ---- batches -------------------------------------------------------------------------------------------------------

static inline void unet_fast_forget(UnetFast *m, int slot) {
    if (m->kept == m->batch[slot]) {
        m->kept = NULL;
    }
    fast_batch_free(m->batch[slot]);
    m->batch[slot] = NULL;
    fast_graph_free(&m->forward[slot]);
    for (int k = 0; k < 4; k++) {
        fast_graph_free(&m->backward[slot][k]);
    }
}

// The slot that is prepared for N images; the one unused for longest makes room.
static inline int unet_fast_slot(UnetFast *m, int N) {
    int oldest = 0;
    for (int i = 0; i < FAST_BATCHES; i++) {
        if (m->batch[i] != NULL && m->batch[i]->N == N) {
            m->used[i] = ++m->clock;
            return i;
        }
        oldest = m->used[i] < m->used[oldest] ? i : oldest;
    }
    unet_fast_forget(m, oldest);
    m->batch[oldest] = fast_batch_new(&m->net, N);
    m->used[oldest] = ++m->clock;
    return oldest;
}

// Sets a choice of kernels in m->net.
static inline void unet_fast_switch(UnetFast *m, int *choice, int on) {
    if (*choice == (on != 0)) {
        return;
    }
    fast_wait(m->stream);
    *choice = on != 0;
    for (int slot = 0; slot < FAST_BATCHES; slot++) { // they are arranged for the other kernels
        unet_fast_forget(m, slot);
    }
}

// on: convolutions that fit run on the kernels of conv_wgmma.h from now on.
static inline void unet_fast_hopper(Net *net, int on) {
    UnetFast *m = (UnetFast *)net->self;
    if (on && !wgmma_ready()) {
        DIE("unet: the Hopper convolutions want an H100 or H200 and a program compiled with -DTILT_HOPPER for sm_90a");
    }
    unet_fast_switch(m, &m->net.hopper, on);
}

// on: convolutions of few pixels cut K into ranges (conv_split.h), as they do from the beginning; off: none does.
static inline void unet_fast_split(Net *net, int on) {
    UnetFast *m = (UnetFast *)net->self;
    unet_fast_switch(m, &m->net.split, on);
}

// Parameters go to the device when they have changed.
static inline void unet_fast_parameters(UnetFast *m, const Net *net) {
    if (m->stamp != net->stamp) {
        to_device(m->net.p, net->p, net->np * sizeof(float));
        to_halves(m->net.copy, m->net.p, net->np, m->stream);
        m->stamp = net->stamp;
    }
}

// ---- the Net -------------------------------------------------------------------------------------------------------

// n rows on the device as a batch of N >= n: the last row is repeated, and nobody reads what comes of it.
static inline void unet_fast_inputs(UnetFast *m, FastBatch *b, const Net *net, const real *x, const real *t,
                                    const int *c, int n) {
    size_t dim = (size_t)net->in;
    if (b->N > m->kept_room) {
        m->kept_room = b->N;
        m->kept_x = (float *)xrealloc(m->kept_x, size_mul((size_t)b->N, dim), sizeof(float));
        m->level = (int *)xrealloc(m->level, (size_t)b->N, sizeof(int));
        m->prompt = (int *)xrealloc(m->prompt, (size_t)b->N, sizeof(int));
    }
    for (int i = 0; i < b->N; i++) {
        int row = i < n ? i : n - 1;
        m->level[i] = unet_level(t[row], m->net.steps);
        m->prompt[i] = c != NULL ? c[row] : -1;
        unet_prompt_check(m->prompt[i], m->net.plan->prompts);
        memcpy(m->kept_x + (size_t)i * dim, x + (size_t)row * dim, dim * sizeof(float));
    }
    to_device(b->x, m->kept_x, (size_t)b->N * dim * sizeof(float));
    to_device(b->t, m->level, (size_t)b->N * sizeof(int));
    to_device(b->prompt, m->prompt, (size_t)b->N * sizeof(int));
}

// What lies in b->x, b->t, b->prompt becomes b->eps.
static inline void unet_fast_pass(UnetFast *m, int slot, FastBatch *b) {
    fast_replay(&m->forward[slot], m->stream, [&] {
        Levels levels = fast_levels(&m->net, b);
        fast_forward(&m->net, b, m->stream);
        eps_of_result(b->eps, b->x, b->F, &levels, m->stream);
    });
}

static inline void unet_fast_run(UnetFast *m, const Net *net, int slot, const real *x, const real *t, const int *c,
                                 int n) {
    FastBatch *b = m->batch[slot];
    unet_fast_parameters(m, net);
    unet_fast_inputs(m, b, net, x, t, c, n);
    unet_fast_pass(m, slot, b);
    m->kept = b;
    m->kept_stamp = net->stamp;
}

// How many rows a part of n rows takes on the device.
static inline int unet_fast_rows(const UnetFast *m, int n) {
    int unit = fast_rows_unit(m->net.plan);
    return (n + unit - 1) / unit * unit;
}

static inline int unet_fast_kept(const UnetFast *m, const Net *net, FastBatch *b, const real *x, const real *t,
                                 const int *c, int n) {
    if (m->kept != b || m->kept_stamp != net->stamp ||
        memcmp(m->kept_x, x, (size_t)n * (size_t)net->in * sizeof(float)) != 0) {
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (m->level[i] != unet_level(t[i], m->net.steps) || m->prompt[i] != (c != NULL ? c[i] : -1)) {
            return 0;
        }
    }
    return 1;
}

static inline float *unet_fast_back(UnetFast *m, size_t n) {
    if (n > m->back_room) {
        m->back_room = n;
        m->back = (float *)xrealloc(m->back, n, sizeof(float));
    }
    return m->back;
}

static inline void unet_fast_times(const real *t) {
    if (t == NULL) {
        DIE("unet: a denoiser was called without timesteps");
    }
}

static inline void unet_fast_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    UnetFast *m = (UnetFast *)net->self;
    size_t dim = (size_t)net->in;
    unet_fast_times(t);
    for (int from = 0; from < n; from += FAST_MOST) {
        int rows = n - from < FAST_MOST ? n - from : FAST_MOST;
        int slot = unet_fast_slot(m, unet_fast_rows(m, rows));
        size_t at = (size_t)from * dim;
        unet_fast_run(m, net, slot, x + at, t + from, c != NULL ? c + from : NULL, rows);
        fast_wait(m->stream);
        to_host(y + at, m->batch[slot]->eps, (size_t)rows * dim * sizeof(float));
    }
}

// The pass of a forward, `times` times, for n rows that lie on the device; whatever they hold.
static inline void unet_fast_repeat(Net *net, int n, int times) {
    UnetFast *m = (UnetFast *)net->self;
    int slot = unet_fast_slot(m, unet_fast_rows(m, n));
    FastBatch *b = m->batch[slot];
    if (m->kept != b) {
        DIE("unet: a pass is repeated for %d rows, but none of them lies on the device; call forward first", n);
    }
    unet_fast_parameters(m, net);
    for (int i = 0; i < times; i++) {
        unet_fast_pass(m, slot, b);
    }
    fast_wait(m->stream);
}

// One part of a backward: the gradient there = or += (add) that of the parameters, if weights; dx += unless NULL.
static inline void unet_fast_backward_part(UnetFast *m, Net *net, int weights, real *dx, const real *dy, const real *x,
                                           const real *t, const int *c, int n, int add) {
    int slot = unet_fast_slot(m, unet_fast_rows(m, n)), input = dx != NULL;
    FastBatch *b = m->batch[slot];
    size_t dim = (size_t)net->in, numbers = (size_t)n * dim;
    float *there = unet_fast_back(m, (size_t)b->N * dim);
    if (!unet_fast_kept(m, net, b, x, t, c, n)) {
        unet_fast_run(m, net, slot, x, t, c, n);
    }
    memcpy(there, dy, numbers * sizeof(float));
    memset(there + numbers, 0, ((size_t)b->N * dim - numbers) * sizeof(float)); // the repeated rows
    fast_wait(m->stream);
    to_device(b->deps, there, (size_t)b->N * dim * sizeof(float));
    fast_replay(&m->backward[slot][weights + 2 * input], m->stream, [&] {
        Levels levels = fast_levels(&m->net, b);
        eps_backward_result(b->dF, b->deps, &levels, m->stream);
        fast_backward(&m->net, b, weights, input, m->stream);
        if (input) {
            eps_backward_image(b->dx, b->deps, b->dx, &levels, m->stream);
        }
    });
    m->kept = NULL; // gradients have been written over what was kept
    if (weights) {
        fold_slices(&b->table, m->net.g, NULL, add, m->stream);
    }
    fast_wait(m->stream);
    if (input) {
        to_host(there, b->dx, numbers * sizeof(float));
        for (size_t i = 0; i < numbers; i++) {
            dx[i] += there[i];
        }
    }
}

static inline void unet_fast_backward(Net *net, real *dx, const real *dy, const real *x, const real *t, const int *c,
                                      int n) {
    UnetFast *m = (UnetFast *)net->self;
    size_t dim = (size_t)net->in;
    int weights = net->g != NULL;
    unet_fast_times(t);
    for (int from = 0; from < n; from += FAST_MOST) {
        int rows = n - from < FAST_MOST ? n - from : FAST_MOST;
        size_t at = (size_t)from * dim;
        unet_fast_backward_part(m, net, weights, dx != NULL ? dx + at : NULL, dy + at, x + at, t + from,
                                c != NULL ? c + from : NULL, rows, m->adam != NULL || from > 0);
    }
    if (weights && n > 0 && m->adam == NULL) {
        float *g = unet_fast_back(m, net->np);
        to_host(g, m->net.g, net->np * sizeof(float));
        for (size_t i = 0; i < net->np; i++) {
            net->g[i] += g[i];
        }
    }
}

// ---- Adam beside the parameters: the hooks of net.h ----------------------------------------------------------------

static inline void unet_fast_zero(Net *net) {
    device_zero(((UnetFast *)net->self)->net.g, net->np * sizeof(float));
}

static inline void unet_fast_start(Net *net) {
    UnetFast *m = (UnetFast *)net->self;
    m->adam = fast_adam_new(&m->net, 0);
    unet_fast_zero(net);
}

// The numbers of the step are those of this machine's Adam, its counter too.  The bf16 copy follows the parameters, and
// with the new stamp on both sides nothing is uploaded, but what a forward kept is of the parameters before.
static inline double unet_fast_step(Net *net, const Adam *adam, double limit) {
    UnetFast *m = (UnetFast *)net->self;
    StepRule rule = {adam->lr, adam->beta1, adam->beta2, adam->eps, adam->decay, 0, 0, 0, limit, 0, 0};
    int before = (int)adam->step - 1;
    double norm;
    unet_fast_parameters(m, net); // somebody may have written new ones by hand
    to_device(&m->adam->state->step, &before, sizeof before);
    norm = fast_adam_step(&m->net, m->adam, &rule, m->stream);
    net_changed(net);
    m->stamp = net->stamp;
    return norm;
}

static inline void unet_fast_end(Net *net) {
    UnetFast *m = (UnetFast *)net->self;
    unet_fast_parameters(m, net);
    fast_wait(m->stream);
    to_host(net->p, m->net.p, net->np * sizeof(float));
    net_changed(net);
    m->stamp = net->stamp;
    fast_adam_free(m->adam);
    m->adam = NULL;
}

static const NetSteps unet_fast_steps = {unet_fast_start, unet_fast_zero, unet_fast_step, unet_fast_end};

// ---- making --------------------------------------------------------------------------------------------------------

static inline void unet_fast_release(Net *net) {
    UnetFast *m = (UnetFast *)net->self;
    for (int i = 0; i < FAST_BATCHES; i++) {
        unet_fast_forget(m, i);
    }
    fast_adam_free(m->adam);
    device_free(m->net.p);
    device_free(m->net.g);
    device_free(m->net.embed_g);
    device_free(m->net.copy);
    device_free(m->net.alpha);
    device_free(m->net.sigma);
    device_free(m->net.times);
    device_free(m->net.token);
#ifndef EMULATE
    cuda_check(cudaStreamDestroy(m->stream), "free a stream");
#endif
    free(m->net.plan);
    free(m->kept_x);
    free(m->back);
    free(m->level);
    free(m->prompt);
    free(m);
}

// The same Net as unet_new: the same arguments, places of the parameters, and start.
static inline Net unet_fast_new(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule,
                                uint64_t seed) {
    UnetFast *m = NEW(UnetFast, 1);
    FastNet *f = &m->net;
    int dim = shape->side * shape->side * shape->channels, length;
    size_t T = (size_t)schedule->T, waves = size_mul(T, (size_t)unet_waves(shape));
    real *alpha = NEW(real, T), *sigma = NEW(real, T), *times = NEW(real, waves);
    Net net;
    f->plan = unet_plan(shape, tokens, prompts);
    fast_check(f->plan);
    f->steps = schedule->T;
    f->split = 1;
    fast_views(f);
    fast_embedding(f);
    fast_norms(f);
    fast_places(f);
    unet_clock(alpha, sigma, times, shape, schedule);
    f->alpha = fast_upload(alpha, T);
    f->sigma = fast_upload(sigma, T);
    f->times = fast_upload(times, waves);
    length = unet_words(f->plan);
    int *token = NEW(int, size_mul((size_t)(prompts + 1), (size_t)length));
    for (int c = 0; c <= prompts; c++) {
        unet_words_of(token + (size_t)c * (size_t)length, f->plan, c < prompts ? c : -1);
    }
    f->token = fast_upload(token, (size_t)(prompts + 1) * (size_t)length);
    f->p = DEVICE_NEW(float, f->plan->np);
    f->g = DEVICE_NEW(float, f->plan->np);
    f->embed_g = DEVICE_NEW(float, f->plan->np);
    f->copy = DEVICE_NEW(bf16, f->plan->np);
#ifndef EMULATE
    cuda_check(cudaStreamCreate(&m->stream), "make a stream"); // ordered with the copies of memory.h
#endif
    net = net_new(dim, dim, f->plan->np);
    unet_init(f->plan, net.p, seed);
    net.forward = unet_fast_forward;
    net.backward = unet_fast_backward;
    net.release = unet_fast_release;
    net.steps = &unet_fast_steps;
    net.self = m;
    free(alpha);
    free(sigma);
    free(times);
    free(token);
    return net;
}

#endif
