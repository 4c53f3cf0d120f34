// emulate_resident.cpp: an Adam beside the parameters of the fast UNet (adam_beside of optim.h), run on the CPU by
// ref/cuda/emulate.h: the same net trained with gradients and steps on the device, and with both at home.
//   g++ -std=c++17 -O2 -ffp-contract=off -DEMULATE tests/emulate_resident.cpp -o emulate_resident && ./emulate_resident
// The kernels of the network are the same on both sides, so the two agree to the rounding of one float, not of bf16.
// one order: the kernels themselves are run in all orders by the other tests.
#include "emulate_check.h"

#include "../ref/core/base.h"

static char words[512]; // what a refusal said
#undef DIE
#define DIE(...) (snprintf(words, sizeof words, __VA_ARGS__), throw 1)

#include "../toy/model/unet_fast_train.h"

enum { N = 1, PIECES = 2, STEPS = 3, LEVELS = 50 };

// The smallest net with all kinds of layers: 8x8 pixels, one level, attention.
static Net small_net(const Schedule *schedule) {
    UnetShape shape = {8, 3, 64, 1, {1, 0, 0, 0}, 1, 32, 64, 1, 0, 0, 1};
    Net net = unet_fast_new(&shape, NULL, 3, schedule, 1);
    for (size_t i = 0; i < net.np; i++) {
        net.p[i] += (real)(0.05 * rng_normal(3, 3, i));
    }
    net_changed(&net);
    return net;
}

static void normals(real *x, size_t n, uint64_t stream, double scale) {
    rng_fill_normal(x, n, 1, stream, 0);
    for (size_t i = 0; i < n; i++) {
        x[i] *= (real)scale;
    }
}

// |a - b| / |b - from|: an error in units of what the training has moved.
static double error_of_move(const real *a, const real *b, const real *from, size_t n) {
    double miss = 0, moved = 0;
    for (size_t i = 0; i < n; i++) {
        miss += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        moved += ((double)b[i] - from[i]) * ((double)b[i] - from[i]);
    }
    return sqrt(miss / moved);
}

static bool all_are(const real *x, size_t n, real value) {
    size_t i = 0;
    while (i < n && x[i] == value) {
        i++;
    }
    return i == n;
}

// One piece of the gradient of step k: ten times as long in the first step.
static void collect(Net *net, int k, int piece) {
    size_t dim = (size_t)net->in;
    real *x = NEW(real, dim), *dy = NEW(real, dim), t[N] = {20};
    int c[N] = {1};
    normals(x, dim, 10 + (uint64_t)piece, 1);
    normals(dy, dim, 20 + (uint64_t)(PIECES * k + piece), k == 0 ? 10 : 1);
    net->backward(net, NULL, dy, x, t, c, N);
    free(x);
    free(dy);
}

static real *predict(Net *net, uint64_t stream) {
    size_t dim = (size_t)net->in;
    real *x = NEW(real, dim), *y = NEW(real, dim), t[N] = {20};
    int c[N] = {1};
    normals(x, dim, stream, 1);
    net->forward(net, y, x, t, c, N);
    free(x);
    return y;
}

// A step of PIECES pieces.  The first is clipped, as no other is.  What the forward at its end keeps of the first piece
// must not serve the backward after it, which is one with other parameters.
static double step(Adam *adam, Net *net, int k) {
    if (k > 0) { // a fresh Adam and a fresh net begin with zeros
        net_zero_grad(net);
    }
    for (int piece = 0; piece < PIECES; piece++) {
        collect(net, k, piece);
    }
    if (k == 0) {
        free(predict(net, 10));
    }
    adam->lr = rate_at(0.02, k, 2, 2 * STEPS);
    return adam_clipped_step(adam, net, k == 0 ? 1 : 1e6);
}

int main() {
    Schedule schedule = schedule_linear(LEVELS, 1e-3, 0.05);
    Net home = small_net(&schedule), there = small_net(&schedule);
    UnetFast *m = (UnetFast *)there.self;
    size_t np = home.np, dim = (size_t)home.in;
    real *start = NEW(real, np), *y0 = predict(&home, 30), *y, *y1;
    Adam usual = adam_new(&home, 0.02), adam = adam_beside(&there, 0.02);
    memcpy(start, home.p, np * sizeof(real));
    usual.decay = adam.decay = 0.1;
    for (size_t i = 0; i < np; i++) { // the host's gradient, which nobody may touch
        there.g[i] = 3;
    }
    for (int k = 0; k < STEPS; k++) {
        double want = step(&usual, &home, k), got = step(&adam, &there, k);
        check(fabs(got / want - 1) < 1e-6 && want > 1, "length of the gradient", fabs(got / want - 1));
        for (size_t i = 0; i < np && k == 0; i++) { // nor may anybody read the old parameters again
            there.p[i] = (real)NAN;
        }
    }
    check(all_are(there.g, np, 3) && there.p[0] != there.p[0], "nothing comes home unasked", 0);
    y = predict(&home, 30);
    y1 = predict(&there, 30);
    check(error_of_move(y1, y, y0, dim) < 1e-3, "prediction with the parameters there", error_of_move(y1, y, y0, dim));
    free(y1);

    // What wants the place of the gradient, or the parameters at home, is refused.
    real one[LEVELS];
    for (int k = 0; k < LEVELS; k++) {
        one[k] = 1;
    }
    FastRule rule = {1e-3, 0.9, 0.999, 1e-8, 0, 0.99, 0, 0, 0, 0, 1, 5, 77, one};
    int refused = 0;
    try {
        fast_training_make(&there, &rule, N, 0, NULL, NULL, NULL);
    } catch (int) {
        refused = strstr(words, "a training on the device: the parameters of this net are on its device") != NULL;
    }
    check(refused, "a training beside an Adam is refused", 0);

    // Home.
    adam_free(&adam);
    double error = error_of_move(there.p, home.p, start, np);
    check(error < 1e-6, "parameters after adam_free", error);
    check(all_are(there.g, np, 3) && m->adam == NULL, "the gradient was never at home", 0);
    y1 = predict(&there, 30);
    check(error_of_move(y1, y, y0, dim) < 1e-3, "prediction with them at home", error_of_move(y1, y, y0, dim));

    // Parameters written by hand while an Adam is at work: the next step goes on from them, and so does the end.
    adam = adam_beside(&there, 1e-5);
    collect(&there, 0, 0);
    memcpy(there.p, start, np * sizeof(real));
    net_changed(&there);
    adam_clipped_step(&adam, &there, 1);
    adam_free(&adam);
    double far = 0, moved = 0;
    for (size_t i = 0; i < np; i++) {
        far = fmax(far, fabs((double)there.p[i] - start[i]));
        moved += there.p[i] != start[i];
    }
    check(far < 2e-5 && moved > 0.5 * (double)np, "a step from parameters written by hand", far);
    adam = adam_beside(&there, 1e-5);
    memcpy(there.p, start, np * sizeof(real));
    net_changed(&there);
    adam_free(&adam);
    check(memcmp(there.p, start, np * sizeof(real)) == 0, "parameters written by hand just before the end", 0);

    // Afterwards gradients come home again.
    collect(&there, 0, 0);
    check(there.g[0] != 3 && there.g[np - 1] != 3, "gradients come home afterwards", 0);
    adam_free(&usual);
    net_free(&home);
    net_free(&there);
    return check_report("emulate_resident");
}
