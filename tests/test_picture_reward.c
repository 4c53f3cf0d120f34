// test_picture_reward.c: the convolutional reward model: its value against plain loops, its gradients against
// differences, and the parts of image alignment that are exact: thinned schedules, recorded chains, pieces of a batch.
#include "../ref/core/conv_naive.h"
#include "../toy/feedback/image_align.h"
#include "../toy/model/image_usual.h"
#include "../toy/model/picture_reward.h"
#include "../toy/model/unet.h"
#include "harness.h"

enum { ROWS = REWARD_LANES + 3 }; // some lanes add two rows

typedef struct {
    Net *net;
    real *x, *y;
    const real *up;
} Bench;

static double loss(void *user) {
    Bench *b = (Bench *)user;
    double sum = 0;
    net_changed(b->net);
    b->net->forward(b->net, b->y, b->x, NULL, NULL, ROWS);
    for (int i = 0; i < ROWS; i++) {
        sum += (double)b->up[i] * (double)b->y[i];
    }
    return sum;
}

static double silu(double z) {
    return z / (1 + exp(-z));
}

// The reward of one picture, from its definition in double.
static double plain(const Net *net, const real *x) {
    const PictureReward *m = (const PictureReward *)net->self;
    const real *p = net->p;
    int s = m->side, h = s / 2, in = m->channels, reach = (h + 1) / 2;
    double *y1 = NEW(double, (size_t)(h * h * REWARD_ONE)), *a2 = NEW(double, (size_t)(h * h * REWARD_TWO));
    double sum = p[m->b3];
    for (int v = 0; v < s; v++) {
        for (int u = 0; u < s; u++) {
            for (int o = 0; o < REWARD_ONE; o++) {
                double z = p[m->b1 + (size_t)o];
                for (int a = 0; a < 9; a++) {
                    int row = v + a / 3 - 1, column = u + a % 3 - 1;
                    for (int i = 0; i < in && row >= 0 && row < s && column >= 0 && column < s; i++) {
                        z += (double)x[(row * s + column) * in + i] *
                             (double)p[m->w1 + (size_t)((a * in + i) * REWARD_ONE + o)];
                    }
                }
                y1[(v / 2 * h + u / 2) * REWARD_ONE + o] += silu(z) / 4;
            }
        }
    }
    for (int v = 0; v < h; v++) {
        for (int u = 0; u < h; u++) {
            for (int o = 0; o < REWARD_TWO; o++) {
                double z = p[m->b2 + (size_t)o];
                for (int a = 0; a < 9; a++) {
                    int row = v + a / 3 - 1, column = u + a % 3 - 1;
                    for (int i = 0; i < REWARD_ONE && row >= 0 && row < h && column >= 0 && column < h; i++) {
                        z += y1[(row * h + column) * REWARD_ONE + i] *
                             (double)p[m->w2 + (size_t)((a * REWARD_ONE + i) * REWARD_TWO + o)];
                    }
                }
                a2[(v * h + u) * REWARD_TWO + o] = silu(z);
            }
        }
    }
    for (int q = 0; q < 4; q++) {
        for (int v = 0; v < reach; v++) {
            for (int u = 0; u < reach; u++) {
                int at = (q / 2 * (h - reach) + v) * h + q % 2 * (h - reach) + u;
                for (int o = 0; o < REWARD_TWO; o++) {
                    sum += a2[at * REWARD_TWO + o] * (double)p[m->w3 + (size_t)(q * REWARD_TWO + o)] / (reach * reach);
                }
            }
        }
    }
    free(y1);
    free(a2);
    return sum;
}

static void reward_net(int side, int channels) {
    real up[ROWS];
    Net net = picture_reward_new(side, channels, 5);
    size_t numbers = ROWS * (size_t)net.in;
    Bench b;
    real *dx = NEW(real, numbers), *twice;
    double tolerance = sizeof(real) == 8 ? 1e-10 : 1e-5;
    b.net = &net;
    b.x = NEW(real, numbers);
    b.y = NEW(real, ROWS);
    b.up = up;
    rng_fill_normal(up, ROWS, 9, 3, 0);
    rng_fill_normal(b.x, numbers, 9, 1, 0);
    rng_fill_normal(net.p + ((PictureReward *)net.self)->b1, REWARD_ONE, 9, 2, 0); // biases that are not zero
    loss(&b);
    for (int i = 0; i < ROWS; i++) {
        NEAR(b.y[i], plain(&net, b.x + (size_t)i * (size_t)net.in), tolerance, tolerance);
    }
    net_zero_grad(&net);
    net.backward(&net, dx, up, b.x, NULL, NULL, ROWS);
    if (sizeof(real) == 8) {
        CHECK(gradient_ok(loss, &b, net.p, net.g, net.np, 1e-5), "parameters, side %d", side);
        CHECK(gradient_ok(loss, &b, b.x, dx, numbers, 1e-5), "picture, side %d", side);
    }
    twice = NEW(real, net.np);
    memcpy(twice, net.g, net.np * sizeof(real));
    net.backward(&net, NULL, up, b.x, NULL, NULL, ROWS); // adds
    NEAR(net.g[0], 2 * twice[0], tolerance, tolerance);
    NEAR(net.g[net.np - 1], 2 * twice[net.np - 1], tolerance, tolerance);
    free(twice);
    free(dx);
    free(b.x);
    free(b.y);
    net_free(&net);
}

// A chain of every second level asks the same net the same questions.
static void thinned(void) {
    Schedule all = image_schedule(8), half = image_schedule_thinned(&all, 2);
    UnetShape shape = image_unet_shape(8, 1, 8, 1);
    Net a = unet_new(&shape, NULL, 2, &all, 3), b = unet_new(&shape, NULL, 2, &half, 3);
    real x[2 * 64], y[2 * 64], z[2 * 64];
    real t_all[2] = {2, 6}, t_half[2] = {1, 3};
    int c[2] = {0, 1};
    rng_fill_normal(a.p, a.np, 4, 4, 0);
    memcpy(b.p, a.p, a.np * sizeof(real));
    net_changed(&a);
    net_changed(&b);
    rng_fill_normal(x, 128, 4, 5, 0);
    a.forward(&a, y, x, t_all, c, 2);
    b.forward(&b, z, x, t_half, c, 2);
    CHECK(half.T == 4 && half.abar[3] == all.abar[6], "levels %d", half.T);
    CHECK(memcmp(y, z, sizeof y) == 0 && y[0] == y[0] && y[0] != x[0], "a thinned chain asks something else");
    { // the eps along a recorded chain are the net's; a batch in pieces has the gradient of the whole
        Chain chain = chain_new(&half);
        real x0[2 * 64], path[5 * 2 * 64], along[4 * 2 * 64], t[8];
        int cc[8];
        double far = 0, size = 0;
        real *g = NEW(real, b.np);
        chain_record(x0, path, along, &b, &chain, c, 2, 1, 7);
        for (int k = 0; k < 4; k++) {
            real level[2];
            level[0] = level[1] = (real)k;
            b.forward(&b, z, path + (k + 1) * 128, level, c, 2);
            CHECK(memcmp(z, along + k * 128, sizeof z) == 0, "eps of step %d", k);
        }
        for (int i = 0; i < 8; i++) {
            t[i] = (real)(i / 2);
            cc[i] = c[i % 2];
        }
        for (int cut = 0; cut < 2; cut++) {
            net_zero_grad(&b);
            backward_pieces(&b, along, path + 128, t, cc, 8, cut ? 3 : 8);
            for (size_t i = 0; i < b.np && cut; i++) {
                far += ((double)b.g[i] - (double)g[i]) * ((double)b.g[i] - (double)g[i]);
                size += (double)g[i] * (double)g[i];
            }
            memcpy(g, b.g, b.np * sizeof(real));
        }
        CHECK(size > 0 && sqrt(far / size) < 1e-5, "pieces: %g", sqrt(far / size));
        free(g);
        chain_free(&chain);
    }
    net_free(&a);
    net_free(&b);
    schedule_free(&all);
    schedule_free(&half);
}

int main(void) {
    reward_net(8, 3);
    reward_net(6, 1); // quarters that overlap
    thinned();
    return report("test_picture_reward");
}
