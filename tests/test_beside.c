// test_beside.c: an Adam beside the parameters: a net that steps on its device must do what an ordinary net does, bit
// by bit, and refuse what needs the parameters at home.  The device is a stand-in, a second net on this machine.
#include "death.h"

#include "../toy/feedback/image_align.h"
#include "../toy/model/checkpoint.h"
#include "../toy/model/mlp.h"
#include "../toy/model/train.h"
#include "../toy/world/worlds.h"

enum { T = 6, SEED = 3 };
static Ring ring;
static const QuadReward truth = {{0, 0, 0, 0}, {1, -0.5}, 0};
static World world;
static Schedule schedule;

static Net small_net(uint64_t seed) {
    return mlp_new(2, 2, 8, 2, RING_PROMPTS, &schedule, seed);
}

static int same(const real *a, const real *b, size_t n) {
    return memcmp(a, b, n * sizeof(real)) == 0;
}

// ---- the stand-in ------------------------------------------------------------------------------------------------

typedef struct {
    Net there; // the parameters and gradients of the device
    Adam adam; // its means
    unsigned stamp;
    int on, starts, zeros, steps, ends, uploads, fetched;
} Device;

static void device_sync(Net *net) {
    Device *d = (Device *)net->self;
    if (d->stamp != net->stamp) {
        memcpy(d->there.p, net->p, net->np * sizeof(real));
        net_changed(&d->there);
        d->stamp = net->stamp;
        d->uploads++;
    }
}

static void device_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    Device *d = (Device *)net->self;
    device_sync(net);
    d->there.forward(&d->there, y, x, t, c, n);
}

static void device_backward(Net *net, real *dx, const real *dy, const real *x, const real *t, const int *c, int n) {
    Device *d = (Device *)net->self;
    size_t i;
    device_sync(net);
    d->there.backward(&d->there, dx, dy, x, t, c, n);
    if (!d->on) {
        for (i = 0; i < net->np; i++) {
            net->g[i] += d->there.g[i];
        }
        net_zero_grad(&d->there);
        d->fetched++;
    }
}

static void device_release(Net *net) {
    Device *d = (Device *)net->self;
    net_free(&d->there);
    adam_free(&d->adam);
    free(d);
}

static void device_start(Net *net) {
    Device *d = (Device *)net->self;
    d->adam = adam_new(&d->there, 0);
    net_zero_grad(&d->there);
    d->on = 1;
    d->starts++;
}

static void device_zero_grad(Net *net) {
    Device *d = (Device *)net->self;
    net_zero_grad(&d->there);
    d->zeros++;
}

// Says NaN where DIE of the real clip_gradient would, as a device does.
static double device_step(Net *net, const Adam *a, double limit) {
    Device *d = (Device *)net->self;
    double norm;
    if (d->there.g[0] != d->there.g[0]) {
        return NAN;
    }
    device_sync(net);
    norm = clip_gradient(&d->there, limit);
    d->adam.step = a->step - 1;
    d->adam.lr = a->lr;
    d->adam.beta1 = a->beta1;
    d->adam.beta2 = a->beta2;
    d->adam.eps = a->eps;
    d->adam.decay = a->decay;
    adam_step(&d->adam, &d->there);
    net_changed(net);
    d->stamp = net->stamp;
    d->steps++;
    return norm;
}

static void device_end(Net *net) {
    Device *d = (Device *)net->self;
    device_sync(net);
    memcpy(net->p, d->there.p, net->np * sizeof(real));
    adam_free(&d->adam);
    net_zero_grad(&d->there);
    d->on = 0;
    d->ends++;
}

static const NetSteps device_steps = {device_start, device_zero_grad, device_step, device_end};

static Net device_net(uint64_t seed) {
    Device *d = NEW(Device, 1);
    Net net;
    d->there = small_net(seed);
    net = net_new(2, 2, d->there.np);
    memcpy(net.p, d->there.p, net.np * sizeof(real));
    net.forward = device_forward;
    net.backward = device_backward;
    net.release = device_release;
    net.self = d;
    net.steps = &device_steps;
    return net;
}

// ---- steps -------------------------------------------------------------------------------------------------------

// The gradient of step k, in two pieces.
static void collect(Net *net, int k) {
    real x[6], dy[6], t[3] = {0, 2, 5};
    int c[3] = {0, -1, 1}, piece;
    net_zero_grad(net);
    for (piece = 0; piece < 2; piece++) {
        rng_fill_normal(x, 6, SEED, 1, (uint64_t)(12 * k + 6 * piece));
        rng_fill_normal(dy, 6, SEED, 2, (uint64_t)(12 * k + 6 * piece));
        net->backward(net, NULL, dy, x, t, c, 3);
    }
}

static double step(Adam *adam, Net *net, int k, double limit) {
    collect(net, k);
    adam->lr = rate_at(0.05, k, 2, 8);
    return adam_clipped_step(adam, net, limit);
}

// adam_beside beside clip_gradient and adam_step.
static void test_steps(void) {
    enum { STEPS = 5 };
    static const double limit[STEPS] = {1e6, 0.5, 1e6, 0.5, 1e6};
    Net net = device_net(1), want = small_net(1), plain = small_net(1);
    Device *d = (Device *)net.self;
    Adam adam = adam_beside(&net, 0.05), beside = adam_beside(&plain, 0.05), usual = adam_new(&want, 0.05);
    real *p = NEW(real, net.np), *g = NEW(real, net.np), x[2] = {1, -2}, y[2], z[2], t[1] = {3};
    int k, c[1] = {2};
    size_t i;
    CHECK(adam.beside == &net && adam.m == NULL && adam.np == net.np && net.away && d->starts == 1, "not begun");
    CHECK(beside.beside == NULL && beside.m != NULL && !plain.away, "a net without hooks has an ordinary Adam");
    adam.decay = beside.decay = usual.decay = 0.1;
    for (i = 0; i < net.np; i++) {
        net.g[i] = 3;
    }
    memcpy(g, net.g, net.np * sizeof(real));
    memcpy(p, net.p, net.np * sizeof(real));
    for (k = 0; k < STEPS; k++) {
        double got = step(&adam, &net, k, limit[k]), other = step(&beside, &plain, k, limit[k]), norm;
        collect(&want, k);
        norm = clip_gradient(&want, limit[k]);
        usual.lr = rate_at(0.05, k, 2, 8);
        adam_step(&usual, &want);
        CHECK(got == norm && other == norm && norm > 0.5, "step %d: lengths %g, %g and %g", k, got, other, norm);
        CHECK(same(d->there.p, want.p, net.np) && same(plain.p, want.p, net.np), "step %d: other parameters", k);
    }
    CHECK(adam.step == STEPS && d->steps == STEPS && d->zeros == STEPS, "%ld steps, %d there, %d times zeroed",
          adam.step, d->steps, d->zeros);
    CHECK(same(net.g, g, net.np) && same(net.p, p, net.np) && d->fetched == 0, "something came home unasked");
    net.forward(&net, y, x, t, c, 1);
    want.forward(&want, z, x, t, c, 1);
    CHECK(same(y, z, 2) && d->uploads == 1, "a forward between steps takes other parameters");
    for (i = 0; i < net.np; i++) { // whoever writes all of p by hand is heard, at once
        net.p[i] = want.p[i] = plain.p[i] = (real)(0.01 * (double)(i % 7));
    }
    net_changed(&net);
    net_changed(&want);
    net_changed(&plain);
    step(&adam, &net, STEPS, 1);
    step(&usual, &want, STEPS, 1);
    adam_free(&adam);
    CHECK(same(net.p, want.p, net.np) && d->ends == 1 && !net.away && adam.beside == NULL, "p does not come home");
    net_zero_grad(&net); // and gradients are this machine's again
    CHECK(net.g[0] == 0 && d->zeros == STEPS + 1 && d->fetched == 0, "zero goes the old way");
    adam = adam_beside(&net, 0.05); // again, from fresh means
    CHECK(adam.step == 0 && net.away && d->starts == 2, "not begun again");
    adam_free(&adam);
    adam_free(&usual);
    adam_free(&beside);
    free(p);
    free(g);
    net_free(&net);
    net_free(&want);
    net_free(&plain);
}

// Two nets of one device know nothing of each other.
static void test_two(void) {
    Net one = device_net(1), two = device_net(2), alone = small_net(1);
    Adam a = adam_beside(&one, 0.05), b = adam_beside(&two, 0.05), usual = adam_new(&alone, 0.05);
    int k;
    for (k = 0; k < 3; k++) {
        step(&a, &one, k, 1);
        step(&b, &two, k + 5, 2);
        step(&usual, &alone, k, 1);
    }
    adam_free(&b);
    CHECK(one.away && !two.away, "the end of one Adam ends the other");
    adam_free(&a);
    CHECK(same(one.p, alone.p, one.np) && !same(one.p, two.p, one.np), "two nets mix");
    adam_free(&usual);
    net_free(&one);
    net_free(&two);
    net_free(&alone);
}

static void test_refused(void) {
    Net net = device_net(1), other = small_net(1);
    Device *d = (Device *)net.self;
    Adam adam = adam_beside(&net, 0.05), usual = adam_new(&other, 0.05);
    StTensor list[3];
    DIES("has such an Adam already", adam_beside(&net, 0.05));
    CHECK(d->starts == 1, "begun twice");
    DIES("beside another net", adam_clipped_step(&adam, &other, 1));
    DIES("take adam_clipped_step", adam_step(&usual, &net));
    DIES("take adam_clipped_step", adam_clipped_step(&usual, &net, 1));
    DIES("take adam_clipped_step", adam_step(&adam, &net));
    DIES("take adam_clipped_step", adam_step(&adam, &other));
    DIES("net_copy: the parameters of this net are on its device", net_copy(&other, &net));
    DIES("net_copy: the parameters of this net are on its device", net_copy(&net, &other));
    DIES("checkpoint: the parameters of this net are on its device",
         checkpoint_tensors(list, &net, NULL)); // for saving and for loading
    CHECK(usual.step == 0 && adam.step == 0 && d->steps == 0, "a refused step was counted");
    d->there.g[0] = NAN;
    DIES("gradient norm is", adam_clipped_step(&adam, &net, 1));
    adam_free(&adam);
    net_copy(&other, &net); // home again
    adam_free(&usual);
    net_free(&net);
    net_free(&other);
}

// ---- the alignment loops -----------------------------------------------------------------------------------------

// Both methods of image_align.h with the policy on the device, beside the policy at home.
static void test_alignment(void) {
    int prompt[2] = {1, 3}, k, c[16];
    Net first = small_net(1);
    Chain chain = fitted_chain(&first, &world, &schedule, 64, SEED);
    Rater rater = rater_new(0.3, SEED, 77);
    PgPlan pg = {2, 2, 4, 1e-2};
    DpoPlan dpo = {3, 4, 1e-2, 1};
    real x[32];
    double r[16];
    for (k = 0; k < 16; k++) {
        c[k] = prompt[k / 2 % 2];
    }
    rng_fill_normal(x, 32, SEED, 4, 0);
    world.reward(&world, r, x, c, 16);
    Pairs pairs = pairs_ask(&rater, x, r, c, 8, 2);
    for (int method = 0; method < 2; method++) {
        Net ref = small_net(1), home = small_net(1), away = device_net(1);
        Device *d = (Device *)away.self;
        Alignment a = {&home, &ref, &world, NULL, &schedule, &chain, prompt, 2, 5, 0.2, SEED};
        int steps = method == 0 ? pg.iterations : dpo.steps;
        for (int device = 0; device < 2; device++) {
            a.net = device ? &away : &home;
            method == 0 ? image_align_pg(&a, &pg) : image_align_dpo(&a, &pairs, &dpo);
        }
        CHECK(same(away.p, home.p, home.np) && !same(home.p, ref.p, home.np), "method %d ends elsewhere", method);
        CHECK(d->starts == 1 && d->steps == steps && d->zeros == steps && d->ends == 1, "method %d: %d steps there",
              method, d->steps);
        CHECK(d->fetched == 0 && d->uploads == 1 && away.g[0] == 0, "method %d: %d gradients came home, %d uploads",
              method, d->fetched, d->uploads);
        net_free(&ref);
        net_free(&home);
        net_free(&away);
    }
    pairs_free(&pairs);
    chain_free(&chain);
    net_free(&first);
}

int main(void) {
    ring = ring_new();
    world = ring_world(&ring, &truth);
    schedule = schedule_linear(T, 0.02, 0.4);
    test_steps();
    test_two();
    test_refused();
    test_alignment();
    schedule_free(&schedule);
    return report("test_beside");
}
