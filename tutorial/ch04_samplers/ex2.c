// ex2.c: exercise 2 of chapter 4.  A clamp that hides a wrong formula.
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch04_samplers/ex2.c -lm -o ex2 && ./ex2
// my_step below is DDIM as it was once published in a repository: the noise is wrong, what stands under the root
// becomes negative, and a max(0, ..) makes the program run on.  Repair the formula.  A clamp that binds is an error.
#include "../../ref/core/rng.h"
#include "../../ref/formula/sampler.h"

static int bound = 0; // how often the clamp had something to do

// sigma and the weight of eps in  x_s = sqrt(abar_s) x0hat + direction eps + sigma z.
static void my_step(double *sigma, double *direction, double abar_t, double abar_s, double eta) {
    // EXERCISE: sigma^2 = eta^2 (1-abar_s)/(1-abar_t) (1 - abar_t/abar_s); two things are wrong with the next line
    double variance = eta * (1 - abar_t) / (1 - abar_s) * (1 - abar_t / abar_s);
    double room = 1 - abar_s - variance;
    if (room < -1e-15) {
        bound++;
    }
    *sigma = sqrt(variance);
    *direction = sqrt(fmax(room, 0));
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

// Pair k of levels, and an eta, of all kinds.
static void levels(double *abar_t, double *abar_s, double *eta, int k) {
    *abar_s = 0.02 + 0.97 * rng_uniform(7, 1, (uint64_t)k);
    *abar_t = *abar_s * rng_uniform(7, 2, (uint64_t)k);
    *eta = k % 4 == 0 ? 0 : k % 4 == 1 ? 1 : rng_uniform(7, 3, (uint64_t)k);
}

int main(void) {
    double abar_t, abar_s, eta, sigma, direction;
    for (int k = 0; k < 200; k++) {
        levels(&abar_t, &abar_s, &eta, k);
        my_step(&sigma, &direction, abar_t, abar_s, eta);
        if (bound == 1) {
            printf("abar %.4f to %.4f, eta %.2f: sigma^2 = %.4f, but only 1 - abar_s = %.4f is there\n", abar_t, abar_s,
                   eta, sigma * sigma, 1 - abar_s);
            bound++;
        }
    }
    if (fails(bound == 0, "the clamp binds.  Where: the variance.  Which formula: the posterior variance of x_s given "
                          "x_t and x_0; the LESS noisy level stands above")) {
        return 1;
    }
    for (int k = 0; k < 200; k++) {
        levels(&abar_t, &abar_s, &eta, k);
        my_step(&sigma, &direction, abar_t, abar_s, eta);
        if (fails(fabs(sigma - ddim_coeffs(abar_t, abar_s, eta).sigma) < 1e-12,
                  "sigma differs from the library; eta multiplies sigma, not sigma^2") ||
            fails(fabs(direction * direction + sigma * sigma - (1 - abar_s)) < 1e-12,
                  "direction^2 + sigma^2 is not 1 - abar_s: the level is missed")) {
            return 1;
        }
    }
    puts("solved: 200 pairs of levels, sigma is the library's, and the clamp never binds");
    return 0;
}
