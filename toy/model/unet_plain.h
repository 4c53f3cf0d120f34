// unet_plain.h: the UNet as a Net whose layers are the plain kernels of ref/cuda/: the list of unet_plan.h executed on
// a GPU (unet_plain.cu), or by a C99 compiler on this machine, which is how it is tested and stepped through.
//
//   eps = sigma_t x + alpha_t F(x, t, prompt)        the same function, parameters and start as unet.h
// Images, times and prompts travel to the device with every call, parameters when they have changed; gradients come
// back and are added to the Net's, and Adam runs on this machine (no NetSteps).  Batches of more than `most` images go
// through in parts.  The kernels are not fast: they are for reading, and the measure of the fast ones.
#ifndef TILT_UNET_PLAIN_H
#define TILT_UNET_PLAIN_H

#include "unet.h"
#include "unet_plain_ops.h"

enum { UNET_PLAIN_MOST = 128 };

// ---- a part of a batch -------------------------------------------------------------------------------------------

// Room on the device for n images.
static inline void unet_plain_make_room(UnetPlain *m, int n) {
    size_t dim = unet_size(&m->plan->buf[m->plan->image]), rows = (size_t)n, back = rows * dim;
    if (n <= m->room) {
        return;
    }
    device_free(m->arena);
    device_free(m->scratch);
    device_free(m->x);
    device_free(m->dy);
    device_free(m->out);
    device_free(m->alphas);
    device_free(m->sigmas);
    device_free(m->levels);
    device_free(m->words);
    m->room = n;
    m->arena = DEVICE_NEW(real, size_mul(rows, m->plan->full));
    m->scratch = DEVICE_NEW(real, size_mul(rows, unet_plain_scratch(m->plan)));
    m->x = DEVICE_NEW(real, size_mul(rows, dim));
    m->dy = DEVICE_NEW(real, size_mul(rows, dim));
    m->out = DEVICE_NEW(real, size_mul(rows, dim));
    m->alphas = DEVICE_NEW(real, rows);
    m->sigmas = DEVICE_NEW(real, rows);
    m->levels = DEVICE_NEW(int, rows);
    m->words = DEVICE_NEW(int, size_mul(rows, (size_t)m->length));
    m->kept_x = (real *)xrealloc(m->kept_x, size_mul(rows, dim), sizeof(real));
    m->kept_t = (real *)xrealloc(m->kept_t, rows, sizeof(real));
    m->kept_c = (int *)xrealloc(m->kept_c, rows, sizeof(int));
    m->back = (real *)xrealloc(m->back, back > m->plan->np ? back : m->plan->np, sizeof(real));
}

// Puts n images on the device, and what belongs to them.
static inline void unet_plain_inputs(UnetPlain *m, const Net *net, const real *x, const real *t, const int *c, int n) {
    size_t dim = (size_t)net->in, length = (size_t)m->length;
    real *alpha = NEW(real, (size_t)n), *sigma = NEW(real, (size_t)n);
    int *level = NEW(int, (size_t)n), *words = NEW(int, (size_t)n *length), i;
    for (i = 0; i < n; i++) {
        level[i] = unet_level(t[i], m->steps);
        alpha[i] = m->alpha[level[i]];
        sigma[i] = m->sigma[level[i]];
        m->kept_t[i] = t[i];
        m->kept_c[i] = c != NULL ? c[i] : -1;
        unet_prompt_check(m->kept_c[i], m->plan->prompts);
        unet_words_of(words + (size_t)i * length, m->plan, m->kept_c[i]);
    }
    memcpy(m->kept_x, x, (size_t)n * dim * sizeof(real));
    to_device(m->x, x, (size_t)n * dim * sizeof(real));
    to_device(m->alphas, alpha, (size_t)n * sizeof(real));
    to_device(m->sigmas, sigma, (size_t)n * sizeof(real));
    to_device(m->levels, level, (size_t)n * sizeof(int));
    to_device(m->words, words, (size_t)n * length * sizeof(int));
    free(alpha);
    free(sigma);
    free(level);
    free(words);
}

// Runs the list for n images; their eps goes to m->out.
static inline void unet_plain_run(UnetPlain *m, const Net *net, const real *x, const real *t, const int *c, int n) {
    const UnetPlan *u = m->plan;
    size_t dim = (size_t)net->in;
    int i;
    unet_plain_make_room(m, n);
    unet_plain_inputs(m, net, x, t, c, n);
    if (m->stamp != net->stamp) {
        to_device(m->p, net->p, net->np * sizeof(real));
        m->stamp = net->stamp;
    }
    m->rows = n;
    to_device(unet_plain_act(m, u->image), x, (size_t)n * dim * sizeof(real));
    for (i = 0; i < u->ops; i++) {
        unet_plain_forward_op(m, &u->op[i]);
    }
    plain_eps_forward(m->out, m->x, unet_plain_act(m, u->result), m->alphas, m->sigmas, n, dim);
    m->kept = 1;
    m->kept_stamp = net->stamp;
}

// Are these the rows whose activations are in the arena?
static inline int unet_plain_kept(const UnetPlain *m, const Net *net, const real *x, const real *t, const int *c,
                                  int n) {
    int i;
    if (!m->kept || m->rows != n || m->kept_stamp != net->stamp ||
        memcmp(m->kept_x, x, (size_t)n * (size_t)net->in * sizeof(real)) != 0) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (m->kept_t[i] != t[i] || m->kept_c[i] != (c != NULL ? c[i] : -1)) {
            return 0;
        }
    }
    return 1;
}

// The way back of the images in the arena, for dy = dL/d eps.  Adds to m->g if g; leaves dx in m->out if want_dx.
static inline void unet_plain_back(UnetPlain *m, const Net *net, const real *dy, int g, int want_dx) {
    const UnetPlan *u = m->plan;
    size_t dim = (size_t)net->in;
    int k;
    to_device(m->dy, dy, (size_t)m->rows * dim * sizeof(real));
    memset(m->started, 0, sizeof m->started);
    m->started[u->result] = 1; // written whole here
    plain_eps_backward(unet_plain_grad(m, u->result), m->dy, m->alphas, m->rows, dim);
    for (k = u->ops - 1; k >= 0; k--) {
        const UnetOp *op = &u->op[k];
        int to_image = op->in == u->image || op->in == u->bordered;
        unet_plain_backward_op(m, op, g, op->in != u->waves && (want_dx || !to_image));
    }
    if (want_dx) {
        plain_eps_input(m->out, unet_plain_grad(m, u->image), m->dy, m->sigmas, m->rows, dim);
    }
    m->kept = 0; // gradients have been written over what was kept
}

// ---- the Net -----------------------------------------------------------------------------------------------------

static inline void unet_plain_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    UnetPlain *m = (UnetPlain *)net->self;
    size_t dim = (size_t)net->in;
    int from;
    if (t == NULL) {
        DIE("unet: a denoiser was called without timesteps");
    }
    for (from = 0; from < n; from += m->most) {
        int rows = n - from < m->most ? n - from : m->most;
        size_t at = (size_t)from * dim;
        unet_plain_run(m, net, x + at, t + from, c != NULL ? c + from : NULL, rows);
        to_host(y + at, m->out, (size_t)rows * dim * sizeof(real));
    }
}

// to[i] += what the device has.
static inline void unet_plain_fetch(UnetPlain *m, real *to, const real *device, size_t n) {
    size_t i;
    to_host(m->back, device, n * sizeof(real));
    for (i = 0; i < n; i++) {
        to[i] += m->back[i];
    }
}

static inline void unet_plain_backward(Net *net, real *dx, const real *dy, const real *x, const real *t, const int *c,
                                       int n) {
    UnetPlain *m = (UnetPlain *)net->self;
    size_t dim = (size_t)net->in;
    int from;
    if (t == NULL) {
        DIE("unet: a denoiser was called without timesteps");
    }
    device_zero(m->g, net->np * sizeof(real));
    for (from = 0; from < n; from += m->most) {
        int rows = n - from < m->most ? n - from : m->most;
        size_t at = (size_t)from * dim;
        const int *prompts = c != NULL ? c + from : NULL;
        if (!unet_plain_kept(m, net, x + at, t + from, prompts, rows)) {
            unet_plain_run(m, net, x + at, t + from, prompts, rows);
        }
        unet_plain_back(m, net, dy + at, net->g != NULL, dx != NULL);
        if (dx != NULL) {
            unet_plain_fetch(m, dx + at, m->out, (size_t)rows * dim);
        }
    }
    if (net->g != NULL && n > 0) {
        unet_plain_fetch(m, net->g, m->g, net->np);
    }
}

static inline void unet_plain_release(Net *net) {
    UnetPlain *m = (UnetPlain *)net->self;
    real *device[10];
    int i;
    device[0] = m->p;
    device[1] = m->g;
    device[2] = m->times;
    device[3] = m->arena;
    device[4] = m->scratch;
    device[5] = m->x;
    device[6] = m->dy;
    device[7] = m->out;
    device[8] = m->alphas;
    device[9] = m->sigmas;
    for (i = 0; i < 10; i++) {
        device_free(device[i]);
    }
    device_free(m->levels);
    device_free(m->words);
    free(m->plan);
    free(m->alpha);
    free(m->sigma);
    free(m->kept_x);
    free(m->kept_t);
    free(m->kept_c);
    free(m->back);
    free(m);
}

// The same Net as unet_new: the same arguments, places of the parameters, and start.
static inline Net unet_plain_new(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule,
                                 uint64_t seed) {
    UnetPlain *m = NEW(UnetPlain, 1);
    int dim = shape->side * shape->side * shape->channels;
    size_t waves = size_mul((size_t)schedule->T, (size_t)unet_waves(shape));
    real *times = NEW(real, waves);
    Net net;
    m->plan = unet_plan(shape, tokens, prompts);
    m->steps = schedule->T;
    m->most = UNET_PLAIN_MOST;
    m->length = unet_words(m->plan);
    m->alpha = NEW(real, (size_t)m->steps);
    m->sigma = NEW(real, (size_t)m->steps);
    unet_clock(m->alpha, m->sigma, times, shape, schedule);
    m->times = DEVICE_NEW(real, waves);
    to_device(m->times, times, waves * sizeof(real));
    free(times);
    m->p = DEVICE_NEW(real, m->plan->np);
    m->g = DEVICE_NEW(real, m->plan->np);
    net = net_new(dim, dim, m->plan->np);
    unet_init(m->plan, net.p, seed);
    net.forward = unet_plain_forward;
    net.backward = unet_plain_backward;
    net.release = unet_plain_release;
    net.self = m;
    return net;
}

#endif
