// ex1.c: exercise 1 of chapter 5.  Count the parameters of a network, then find the wrong line in its backward pass.
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch05_learning_to_denoise/ex1.c -lm -o ex1 && ./ex1
// The wrong line is one that real libraries had.  Training goes down with it all the same.  A gradient check finds it.
#include "../../toy/model/mlp.h"

enum { UNITS = 5, ROWS = 4, W = 0, A = 2 * UNITS, B = 3 * UNITS, SIZE = 4 * UNITS }; // where W, a and b begin in p

// Numbers to be learned in a chain of linear layers with biases, width[0] -> width[1] -> ... -> width[n-1].
static int count_parameters(const int *width, int n) {
    // EXERCISE: every layer has a matrix and a bias
    (void)width;
    (void)n;
    return 0;
}

// y = sum_j a_j h_j + sum_j b_j h_j h_next,   h_j = silu(W_j . x),   next = j + 1, and 0 after the last.
// L = sum over the rows of (y - target)^2/2.  Every h_j is used three times.
static double forward(double *h, double *dy, const double *p, int row, uint64_t seed) {
    double x[2] = {rng_normal(seed, 1, 2 * (uint64_t)row), rng_normal(seed, 1, 2 * (uint64_t)row + 1)}, y = 0;
    for (int j = 0; j < UNITS; j++) {
        double z = p[W + 2 * j] * x[0] + p[W + 2 * j + 1] * x[1];
        h[j] = z * e_sigmoid(z);
    }
    for (int j = 0; j < UNITS; j++) {
        y += p[A + j] * h[j] + p[B + j] * h[j] * h[(j + 1) % UNITS];
    }
    *dy = y - rng_normal(seed, 2, (uint64_t)row);
    return 0.5 * *dy * *dy;
}

static double loss(const double *p, uint64_t seed) {
    double h[UNITS], dy, sum = 0;
    for (int row = 0; row < ROWS; row++) {
        sum += forward(h, &dy, p, row, seed);
    }
    return sum;
}

// g = dL/dp.
// EXERCISE: one line below is wrong; the table that your gradient check prints says whose gradients it spoils
static void backward(double *g, const double *p, uint64_t seed) {
    memset(g, 0, SIZE * sizeof *g);
    for (int row = 0; row < ROWS; row++) {
        double h[UNITS], dh[UNITS] = {0}, dy;
        forward(h, &dy, p, row, seed);
        for (int j = 0; j < UNITS; j++) {
            int next = (j + 1) % UNITS;
            g[A + j] += dy * h[j];
            g[B + j] += dy * h[j] * h[next];
            dh[j] += dy * p[A + j];
            dh[j] += dy * p[B + j] * h[next];
            dh[next] = dy * p[B + j] * h[j];
        }
        for (int j = 0; j < UNITS; j++) {
            double x0 = rng_normal(seed, 1, 2 * (uint64_t)row), x1 = rng_normal(seed, 1, 2 * (uint64_t)row + 1);
            double z = p[W + 2 * j] * x0 + p[W + 2 * j + 1] * x1, s = e_sigmoid(z);
            double dz = dh[j] * s * (1 + z * (1 - s));
            g[W + 2 * j] += dz * x0;
            g[W + 2 * j + 1] += dz * x1;
        }
    }
}

// dL/dp_i without calculus.  p must come back unchanged.
static double numeric(double *p, int i, uint64_t seed) {
    // EXERCISE: a central difference, (L(p_i + h) - L(p_i - h)) / 2h with h about 1e-5
    (void)p;
    (void)i;
    (void)seed;
    return 0;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

static void draw_parameters(double *p, uint64_t seed) {
    for (int i = 0; i < SIZE; i++) {
        p[i] = rng_normal(seed, 3, (uint64_t)i);
    }
}

int main(void) {
    static const char *const group[3] = {"W", "a", "b"};
    static const int first[4] = {W, A, B, SIZE}, known[4] = {18, 64, 64, 2};
    printf("18 -> 64 -> 64 -> 2 has %d parameters\n", count_parameters(known, 4));
    if (fails(count_parameters(known, 4) == 5506,
              "5506.  Where: one term for every pair of neighbours.  Which formula: "
              "in x out for the matrix, out for the bias")) {
        return 1;
    }
    for (uint64_t k = 0; k < 10; k++) { // the network of this chapter, in ten sizes: the chain, and a table of prompts
        int dim = 1 + (int)rng_below(5, 1, k, 6), hidden = 1 + (int)rng_below(5, 2, k, 40), layers = 1 + (int)(k % 4);
        int width[8] = {dim + MLP_TIME_WIDTH}, prompts = (int)rng_below(5, 3, k, 9);
        Schedule s = schedule_logsnr(3, 2, -2);
        Net net = mlp_new(dim, dim, hidden, layers, prompts, &s, 1);
        for (int l = 1; l <= layers; l++) {
            width[l] = hidden;
        }
        width[layers + 1] = dim;
        if (fails((size_t)(count_parameters(width, layers + 2) + (prompts + 1) * hidden) == net.np,
                  "the networks of toy/model/mlp.h have another number; do you count every layer once?")) {
            return 1;
        }
        net_free(&net);
        schedule_free(&s);
    }
    for (uint64_t seed = 1; seed <= 5; seed++) {
        double p[SIZE], g[SIZE], kept[SIZE], worst[3] = {0}, steep = 0;
        draw_parameters(p, seed);
        memcpy(kept, p, sizeof p);
        backward(g, p, seed);
        for (int k = 0; k < 3; k++) {
            for (int i = first[k]; i < first[k + 1]; i++) {
                double slope = numeric(p, i, seed), away = p[i];
                p[i] += 1e-6; // is it the slope of the loss?  Two losses close by tell
                if (fails(fabs(loss(p, seed) - loss(kept, seed) - 1e-6 * slope) < 1e-9 * (1 + fabs(slope)),
                          "numeric() is not the slope.  First line: double here = p[i];  then p[i] = here + 1e-5;") ||
                    fails(away == kept[i], "numeric() must leave p as it was: put p[i] back at the end")) {
                    return 1;
                }
                p[i] = kept[i];
                worst[k] = fmax(worst[k], fabs(g[i] - slope));
                steep = fmax(steep, fabs(slope));
            }
        }
        for (int k = 0; k < 3; k++) {
            printf("seed %d, %s: largest error %.1e of %.3g\n", (int)seed, group[k], worst[k], steep);
        }
        if (fails(worst[0] < 1e-6 * steep && worst[1] < 1e-6 * steep && worst[2] < 1e-6 * steep,
                  "W is wrong, a and b are right: so dh is wrong.  Where: who writes into dh?  Which rule: a node used "
                  "three times gets three gradients, and they add up")) {
            return 1;
        }
    }
    puts("solved: 5506, and a backward pass that agrees with finite differences for every parameter");
    return 0;
}
