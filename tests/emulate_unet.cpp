// emulate_unet.cpp: the whole UNet on the fast kernels, run on the CPU by ref/cuda/emulate.h, against the CPU's own UNet
// in fp32: the prediction, the gradient of every layer and of the image, a training of two steps, and a chain.
//   g++ -std=c++17 -O2 -ffp-contract=off -DEMULATE tests/emulate_unet.cpp -o emulate_unet && ./emulate_unet
// Activations are rounded to bf16 (8 bits) between layers, so the two agree to a few parts in a hundred and no better;
// that every layer is within that, and none is zero, is what a wrong index would not survive.
// one order: the kernels themselves are run in all orders by the other tests.
#include "emulate_check.h"

#include "../ref/core/optim.h"
#include "../ref/formula/forward.h"
#include "../ref/formula/sampler.h"
#include "../toy/model/ddpm_unet.h"
#include "../toy/model/pretrain.h"
#include "../toy/model/unet.h"
#include "../toy/model/unet_fast_train.h"

static const double BF16_FORWARD = 0.015, BF16_BACKWARD = 0.04; // relative errors that bf16 explains

// |a - b| / |b|; NaN, which no check accepts, when b is zero.
static double relative(const real *a, const real *b, size_t n) {
    double miss = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        miss += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return sqrt(miss / size);
}

static real *normals(size_t n, uint64_t stream) {
    real *x = NEW(real, n);
    rng_fill_normal(x, n, 1, stream, 0);
    return x;
}

struct Pair {
    UnetShape shape;
    Schedule schedule;
    Net cpu, fast;
};

// Two nets with the same parameters, none of them zero.
static void pair_open(Pair *p, int prompts) {
    p->shape = ddpm_unet_named(DDPM_TINY64, 8, 3);
    p->schedule = schedule_linear(100, 1e-3, 0.05);
    p->cpu = unet_new(&p->shape, NULL, prompts, &p->schedule, 1);
    p->fast = unet_fast_new(&p->shape, NULL, prompts, &p->schedule, 1);
    for (size_t i = 0; i < p->cpu.np; i++) {
        p->cpu.p[i] += (real)(0.05 * rng_normal(3, 3, i));
        p->fast.p[i] = p->cpu.p[i];
    }
    net_changed(&p->cpu);
    net_changed(&p->fast);
}

// alone: also the gradient of the image without those of the parameters
static void test_layers(Pair *p, int alone) {
    const UnetPlan *u = ((UnetFast *)p->fast.self)->net.plan;
    enum { n = 2 };
    size_t numbers = (size_t)n * (size_t)p->cpu.in;
    real *x = normals(numbers, 1), *dy = normals(numbers, 2), *y = NEW(real, numbers), *want = NEW(real, numbers);
    real *dx = NEW(real, numbers), *wanted = NEW(real, numbers), t[n] = {20, 70};
    int c[n] = {1, -1};
    char text[80];
    p->cpu.forward(&p->cpu, want, x, t, c, n);
    p->fast.forward(&p->fast, y, x, t, c, n);
    check(relative(y, want, numbers) < BF16_FORWARD, "eps", relative(y, want, numbers));
    p->cpu.backward(&p->cpu, wanted, dy, x, t, c, n);
    p->fast.backward(&p->fast, dx, dy, x, t, c, n);
    check(relative(dx, wanted, numbers) < BF16_BACKWARD, "gradient of the image", relative(dx, wanted, numbers));
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        size_t biases = op->kind == UNET_PROMPT || op->np == 0 ? 0 : (size_t)u->buf[op->out].C;
        size_t weights = op->np - biases;
        if (op->np == 0) {
            continue;
        }
        double error = relative(p->fast.g + op->w, p->cpu.g + op->w, weights);
        snprintf(text, sizeof text, "gradient of %s, weights", op->name);
        check(error < BF16_BACKWARD, text, error);
        if (biases > 0) {
            error = relative(p->fast.g + op->b, p->cpu.g + op->b, biases);
            snprintf(text, sizeof text, "gradient of %s, bias", op->name);
            check(error < BF16_BACKWARD, text, error);
        }
    }
    if (alone) {
        memset(dx, 0, numbers * sizeof(real)); // the same gradient of the image
        real *g = p->fast.g;
        p->fast.g = NULL;
        memcpy(want, wanted, numbers * sizeof(real));
        p->fast.backward(&p->fast, dx, dy, x, t, c, n);
        p->fast.g = g;
        check(relative(dx, wanted, numbers) < BF16_BACKWARD, "gradient of the image alone",
              relative(dx, wanted, numbers));
    }
    net_zero_grad(&p->cpu);
    net_zero_grad(&p->fast);
}

// The same once more with the Hopper convolutions where they fit: at the first level, 8x8 pixels, and not at the second.
// Other kernels add in another order, so some bits differ; that none do would mean that they were not used.
static void test_hopper(Pair *p) {
    UnetFast *m = (UnetFast *)p->fast.self;
    const UnetPlan *u = m->net.plan;
    enum { n = 2 };
    size_t numbers = (size_t)n * (size_t)p->fast.in;
    real *x = normals(numbers, 1), *y = NEW(real, numbers), *before = NEW(real, numbers), t[n] = {20, 70};
    int c[n] = {1, -1}, hopper = 0, others = 0;
    p->fast.forward(&p->fast, before, x, t, c, n);
    unet_fast_hopper(&p->fast, 1);
    p->fast.forward(&p->fast, y, x, t, c, n);
    for (int i = 0; i < u->ops; i++) {
        const FastLayer *l = &m->kept->layer[i];
        hopper += l->role == FAST_CONV && l->hopper;
        others += l->role == FAST_CONV && !l->hopper;
    }
    check(hopper > 0 && others > 0, "convolutions on the Hopper kernels, and on the others", hopper + 0.01 * others);
    check(memcmp(y, before, numbers * sizeof(real)) != 0, "Hopper kernels: other bits", relative(y, before, numbers));
    test_layers(p, 0);
    unet_fast_hopper(&p->fast, 0);
    p->fast.forward(&p->fast, y, x, t, c, n);
    check(memcmp(y, before, numbers * sizeof(real)) == 0, "without them again: the same bits",
          relative(y, before, numbers));
}

// Two steps of pretrain.h's rule on the CPU beside those of the device.
static void test_training(Pair *p) {
    enum { rows = 2, STEPS = 2, SEED = 5, NOISE = 77 };
    size_t np = p->cpu.np, dim = (size_t)p->cpu.in, numbers = rows * dim;
    real *weight = NEW(real, 100), *x0 = normals(numbers, 9), *x = NEW(real, numbers), *noise = NEW(real, numbers);
    real *eps = NEW(real, numbers), *average = NEW(real, np), *m = NEW(real, np), *v = NEW(real, np);
    real *far = NEW(real, np), *weight_copy = NEW(real, np), real_t[rows] = {15, 60};
    int t[rows] = {15, 60}, c[rows] = {2, 0};
    FastRule rule = {1e-3, 0.9, 0.999, 1e-8, 0, 0.99, 0, 1, 2, 10, 1, SEED, NOISE, weight};
    Adam adam = adam_new(&p->cpu, rule.rate);
    FastTraining *run;
    for (int k = 0; k < 100; k++) {
        weight[k] = (real)(1 + 0.01 * k);
    }
    memcpy(average, p->cpu.p, np * sizeof(real));
    run = fast_training_make(&p->fast, &rule, rows, 0, NULL, NULL, NULL);
    for (int step = 0; step < STEPS; step++) {
        double loss, norm, want_loss, want_norm;
        rng_fill_normal(noise, numbers, SEED, NOISE, (uint64_t)step * numbers);
        for (int b = 0; b < rows; b++) {
            size_t at = (size_t)b * dim;
            forward_noise(x + at, x0 + at, noise + at, schedule_abar(&p->schedule, t[b]), dim);
        }
        net_zero_grad(&p->cpu);
        want_loss = denoiser_gradient(&p->cpu, eps, x, noise, real_t, c, weight, rows, rows);
        want_norm = clip_gradient(&p->cpu, rule.limit);
        adam.lr = rate_at(rule.rate, step, rule.warm, rule.steps);
        adam_step(&adam, &p->cpu);
        ema_update(average, &p->cpu, step < rule.early ? rule.early_keep : rule.keep);
        fast_training_go(&loss, &norm, run, x0, t, c);
        check(fabs(loss / want_loss - 1) < BF16_FORWARD, "training: loss", fabs(loss / want_loss - 1));
        check(fabs(norm / want_norm - 1) < BF16_BACKWARD, "training: length of the gradient",
              fabs(norm / want_norm - 1));
    }
    fast_training_take(run, m, v, far);
    check(relative(m, adam.m, np) < BF16_BACKWARD, "training: mean gradient", relative(m, adam.m, np));
    check(relative(v, adam.v, np) < 2 * BF16_BACKWARD, "training: mean squared gradient", relative(v, adam.v, np));
    check(relative(p->fast.p, p->cpu.p, np) < 2e-3, "training: parameters", relative(p->fast.p, p->cpu.p, np));
    check(relative(far, average, np) < 2e-3, "training: their average", relative(far, average, np));
    memcpy(weight_copy, p->fast.p, np * sizeof(real)); // a look at the average must not become the training's state
    memcpy(p->fast.p, far, np * sizeof(real));
    net_changed(&p->fast);
    p->fast.forward(&p->fast, eps, x0, real_t, c, rows);
    memcpy(p->fast.p, weight_copy, np * sizeof(real));
    net_changed(&p->fast);
    fast_training_take(run, NULL, NULL, NULL);
    check(memcmp(p->fast.p, weight_copy, np * sizeof(real)) == 0, "training: parameters after a look at the average",
          0);
    fast_training_end(run);
    adam_free(&adam);
}

// Two steps with guidance and noise.
static void test_chain(Pair *p) {
    enum { n = 1, STEPS = 2, SEED = 6, NOISE = 78 };
    static const int level[STEPS] = {80, 30};
    double a[STEPS], b[STEPS], sigma[STEPS], guidance = 1.5;
    size_t dim = (size_t)p->cpu.in;
    real *x = normals(dim, 11), *got = NEW(real, dim), *with = NEW(real, dim), *without = NEW(real, dim);
    real *z = NEW(real, dim);
    int c[n] = {1}, none[n] = {-1};
    memcpy(got, x, dim * sizeof(real));
    for (int k = 0; k < STEPS; k++) {
        double next = k + 1 < STEPS ? schedule_abar(&p->schedule, level[k + 1]) : 1;
        StepCoeffs s = ddim_coeffs(schedule_abar(&p->schedule, level[k]), next, 1);
        real t[n] = {(real)level[k]};
        a[k] = s.a;
        b[k] = s.b;
        sigma[k] = s.sigma;
        p->cpu.forward(&p->cpu, with, x, t, c, n);
        p->cpu.forward(&p->cpu, without, x, t, none, n);
        rng_fill_normal(z, dim, SEED, NOISE, (uint64_t)(k + 1) * dim);
        for (size_t i = 0; i < dim; i++) {
            double eps = without[i] + guidance * (with[i] - without[i]);
            x[i] = (real)(s.a * x[i] + s.b * eps + s.sigma * z[i]);
        }
    }
    FastSampler *s = fast_sampler_make(&p->fast, n, STEPS, level, a, b, sigma, SEED, NOISE);
    fast_sampler_go(s, got, c, guidance);
    check(relative(got, x, dim) < 2 * BF16_FORWARD, "chain with guidance and noise", relative(got, x, dim));
    fast_sampler_end(s);
}

int main() {
    Pair p;
    pair_open(&p, 3);
    test_chain(&p);
    test_layers(&p, 1);
    test_hopper(&p);
    test_training(&p); // last: the parameters change
    net_free(&p.cpu);
    net_free(&p.fast);
    return check_report("emulate_unet");
}
