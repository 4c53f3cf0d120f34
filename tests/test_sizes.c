// test_sizes.c: the table "from 2 numbers to 3,072": its loss against closed forms, the work of a net counted by hand.
#include "harness.h"

#include "../toy/model/sizes.h"

enum { T = SIZE_LEVELS, ROWS = 320 };

static Schedule schedule;

// ---- the loss ----------------------------------------------------------------------------------------------------

// A net that answers x itself, or nothing: their losses are known for any data.
static void answer_x(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    memcpy(y, x, (size_t)n * (size_t)net->in * sizeof(real));
    (void)t;
    (void)c;
}

static void answer_by_level(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    for (int i = 0; i < n * net->in; i++) { // level k in the place of eps: the loss holds E k^2 - 2 E k eps + 1
        y[i] = t[i / net->in];
    }
    (void)x;
    (void)c;
}

// E x0^2 of one number of the world, from many rows, and the loss of eps_hat = a x averaged over the levels, where
// a = a_of_sigma ? sigma : 1.   x = alpha x0 + sigma eps, so eps_hat - eps = a alpha x0 + (a sigma - 1) eps.
static double exact_loss(const World *w, int a_is_sigma, size_t rows) {
    size_t n = rows * (size_t)w->dim;
    real *x = NEW(real, n);
    int *c = NEW(int, rows);
    double square = 0, loss = 0;
    w->draw(w, x, c, rows, 5, w->stream + 7, 0);
    for (size_t i = 0; i < n; i++) {
        square += (double)x[i] * (double)x[i] / (double)n;
    }
    for (int k = 0; k < T; k++) {
        double alpha = alpha_of(schedule_abar(&schedule, k)), sigma = sigma_of(schedule_abar(&schedule, k));
        double a = a_is_sigma ? sigma : 1;
        loss += (a * a * alpha * alpha * square + (a * sigma - 1) * (a * sigma - 1)) / T;
    }
    free(x);
    free(c);
    return loss;
}

static void test_exam(void) {
    static const int kind[2] = {WORLD_RING, WORLD_DIGITS};
    for (int k = 0; k < 2; k++) {
        static AnyWorld w;
        int n = k == 0 ? 40 * ROWS : 4 * ROWS;
        any_world_open(&w, kind[k], NULL, 0);
        Net copy = net_new(w.world.dim, w.world.dim, 1);
        ImageNet mlp = image_net_new(NET_MLP, &w, 16, 2, &schedule, 1);
        double before = size_exam(&mlp.net, &w.world, &schedule, n, 3), by_copy;
        NEAR(before, exact_loss(&w.world, 1, 4000), 0.03, 0);
        copy.forward = answer_x;
        by_copy = size_exam(&copy, &w.world, &schedule, n, 3);
        NEAR(by_copy, exact_loss(&w.world, 0, 4000), 0.03, 0);
        CHECK(fabs(by_copy / before - 1) > 0.05, "two nets, one loss %g", before);
        copy.forward = answer_by_level; // every level as often: 1 + (0^2 + ... + 15^2)/16 = 78.5
        NEAR(size_exam(&copy, &w.world, &schedule, n, 3), 78.5, 0.01, 0);
        CHECK(size_exam(&mlp.net, &w.world, &schedule, n, 3) == before, "another exam the second time");
        CHECK(size_exam(&mlp.net, &w.world, &schedule, n, 4) != before, "the seed is ignored");
        if (k == 1) { // before training the two nets are one function
            ImageNet unet = image_net_new(NET_UNET, &w, 8, 1, &schedule, 1);
            NEAR(size_exam(&unet.net, &w.world, &schedule, 64, 3), size_exam(&mlp.net, &w.world, &schedule, 64, 3),
                 1e-6, 0);
            net_free(&unet.net);
        }
        net_free(&copy);
        net_free(&mlp.net);
        any_world_free(&w);
    }
}

// ---- the work ----------------------------------------------------------------------------------------------------

static void test_work(void) {
    static AnyWorld w;
    any_world_open(&w, WORLD_DIGITS, NULL, 0);
    ImageNet mlp = image_net_new(NET_MLP, &w, 192, 3, &schedule, 1),
             unet = image_net_new(NET_UNET, &w, 8, 1, &schedule, 1);
    NEAR(net_mflop(&mlp), 2e-6 * ((64 + 32) * 192 + 192 * 192 + 192 * 192 + 192 * 64), 1e-12, 0);
    // a width of 16 has four times the convolutions between inner layers, and twice those at the ends and of the time
    ImageNet wide = image_net_new(NET_UNET, &w, 16, 1, &schedule, 1);
    CHECK(net_mflop(&wide) > 3.5 * net_mflop(&unet) && net_mflop(&wide) < 4 * net_mflop(&unet), "%g and %g MFLOP",
          net_mflop(&unet), net_mflop(&wide));
    CHECK(net_mflop(&unet) > 2e-6 * 64 * 9 * (8 * 8 * 4 + 16 * 8 + 8 * 2),
          "%g MFLOP, fewer than at the first side alone", net_mflop(&unet));
    net_free(&mlp.net);
    net_free(&unet.net);
    net_free(&wide.net);
    any_world_free(&w);
}

// The rows of the table grow, and their pieces fit.
static void test_rows(void) {
    int numbers[SIZE_ROWS] = {2, 64, 144, 768, 3072};
    for (int i = 0; i < SIZE_ROWS; i++) {
        static AnyWorld w;
        any_world_open(&w, size_rows[i].world, NULL, 0);
        CHECK(w.world.dim == numbers[i], "row %d has %d numbers", i, w.world.dim);
        CHECK(size_rows[i].micro <= size_rows[i].rows, "row %d: pieces of %d", i, size_rows[i].micro);
        any_world_free(&w);
    }
}

int main(void) {
    schedule = image_schedule(T);
    test_exam();
    test_work();
    test_rows();
    schedule_free(&schedule);
    return report("test_sizes");
}
