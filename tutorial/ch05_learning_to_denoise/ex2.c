// ex2.c: exercise 2 of chapter 5.  At which scale does guidance leave the support of the data?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch05_learning_to_denoise/ex2.c -lm -o ex2 && ./ex2
// The denoiser is exact, so whatever leaves is not the fault of a network.
#include "../../toy/model/train.h"
#include "../../toy/world/guided_ring.h"
#include "../../toy/world/ring_exam.h"
#include "../../toy/world/worlds.h"

enum { N = 300 }; // samples of every prompt

// Classifier-free guidance with scale s: s = 0 is the unconditional model, s = 1 the conditional one.
static double my_guided(double eps_u, double eps_c, double s) {
    // EXERCISE 1: one line
    (void)eps_u;
    (void)eps_c;
    return s;
}

// The same guidance in the words of another paper: (1 + w) eps_c - w eps_u.  Which s is that?
static double my_scale_of_w(double w) {
    // EXERCISE 2: one line
    (void)w;
    return 0;
}

// The scale between 1 and 60 at which the share of samples outside the support passes `limit`; outside(s) grows.
static double my_leaving_scale(double (*outside)(double s), double limit) {
    // EXERCISE 3: halve a bracket about 20 times
    (void)outside;
    (void)limit;
    return 1;
}

static Ring ring;
static Net net;
static Chain chain;

static double outside(double s) {
    return guided_ring(&ring, &net, &chain, s, N, 1, 1).outside;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(void) {
    static const double limit[3] = {0.02, 0.03, 0.04};
    World w;
    for (uint64_t k = 0; k < 20; k++) {
        double u = rng_normal(8, 1, k), c = rng_normal(8, 2, k), s = 6 * rng_normal(8, 3, k);
        real ru = (real)u, rc = (real)c, want;
        cfg_combine(&want, &ru, &rc, s, 1);
        if (fails(fabs(my_guided(u, c, 0) - u) < 1e-12, "s = 0 must be eps_u, the unconditional model") ||
            fails(fabs(my_guided(u, c, 1) - c) < 1e-12, "s = 1 must be eps_c, the conditional model") ||
            fails(fabs(my_guided(u, c, s) - (double)want) < 1e-4 * (1 + fabs(s)), "between and beyond: a straight line "
                                                                                  "from eps_u through eps_c") ||
            fails(fabs(my_guided(u, c, my_scale_of_w(s)) - ((1 + s) * c - s * u)) < 1e-9 * (1 + fabs(s)),
                  "my_scale_of_w: compare the factors of eps_c in the two formulas")) {
            return 1;
        }
    }
    ring = ring_new();
    w = ring_world(&ring, NULL);
    for (int T = 16; T <= 32; T *= 2) {
        Schedule schedule = schedule_logsnr(T, 2.5, -4);
        net = ring_denoiser(&ring, &schedule);
        chain = fitted_chain(&net, &w, &schedule, 2000, 1);
        for (int k = 0; k < (T == 16 ? 3 : 1); k++) { // the share jumps by whole samples, two at most at once
            double s = my_leaving_scale(outside, limit[k]), share = outside(s), two = 2.5 / (RING_PROMPTS * N);
            printf("%d steps: %.4f of the samples are outside at s = %.3f, wanted %.2f\n", T, share, s, limit[k]);
            if (fails(s > 1 && s < 60, "the answer lies between 1 and 60, and is neither") ||
                fails(fabs(share - limit[k]) < two, "where: low has less outside than the limit, high has more.  Which "
                                                    "rule: ask in the middle, move the end that is on the same side.  "
                                                    "First line: double low = 1, high = 60;")) {
                return 1;
            }
        }
        chain_free(&chain);
        net_free(&net);
        schedule_free(&schedule);
    }
    puts("solved: with an exact denoiser guidance leaves late, and later still when the sampler takes smaller steps");
    return 0;
}
