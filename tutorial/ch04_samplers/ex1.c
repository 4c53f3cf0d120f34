// ex1.c: exercise 1 of chapter 4.  The two variances of DDPM, on paper.
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch04_samplers/ex1.c -lm -o ex1 && ./ex1
// Data N(0, v): the exact denoiser is linear, so the variance of the samples follows a recursion.  Predict first: with
// the LARGE variance and 10 steps, is too much of the data's variance left at the end, or too little?
#include "../../ref/core/rng.h"
#include "../../ref/formula/sampler.h"

// The variance of x_s when x_t has the variance var, after one DDPM step from abar_t to abar_s on data N(0, v).
// eps_hat(x) = x sqrt(1-abar_t) / (abar_t v + 1 - abar_t);   step: x_s = a x_t + b eps_hat + sigma z.
// large: 1 for the variance beta = 1 - abar_t/abar_s, 0 for the posterior one; the last step (abar_s = 1) has no noise.
static double my_variance(double var, double v, double abar_t, double abar_s, int large) {
    // EXERCISE: a = sqrt(abar_s/abar_t), b = -(1 - abar_t/abar_s)/sqrt(1-abar_t) a; square what multiplies x_t
    (void)v;
    (void)abar_t;
    (void)abar_s;
    (void)large;
    return var;
}

static double my_run(double v, int n, int large) {
    Schedule schedule = schedule_linear(1000, 1e-4, 0.02);
    int steps[1000];
    double var = 1;
    schedule_spacing(steps, SPACING_TRAILING, n, schedule.T);
    for (int i = 0; i < n; i++) {
        double abar_s = i + 1 < n ? schedule_abar(&schedule, steps[i + 1]) : 1;
        var = my_variance(var, v, schedule_abar(&schedule, steps[i]), abar_s, large);
    }
    schedule_free(&schedule);
    return var;
}

// The same by 100,000 samples and the library's step.
static double sampled(double v, int n, int large) {
    enum { ROWS = 100000 };
    static real x[ROWS], eps[ROWS], z[ROWS];
    Schedule schedule = schedule_linear(1000, 1e-4, 0.02);
    int steps[1000];
    double sum = 0;
    schedule_spacing(steps, SPACING_TRAILING, n, schedule.T);
    rng_fill_normal(x, ROWS, 5, 1, 0);
    for (int i = 0; i < n; i++) {
        double abar = schedule_abar(&schedule, steps[i]);
        double abar_s = i + 1 < n ? schedule_abar(&schedule, steps[i + 1]) : 1;
        StepCoeffs c = large ? ddpm_large_coeffs(abar, abar_s) : ddpm_small_coeffs(abar, abar_s);
        for (int k = 0; k < ROWS; k++) {
            eps[k] = (real)(x[k] * sqrt(1 - abar) / (abar * v + 1 - abar));
        }
        rng_fill_normal(z, ROWS, 5, 2, (uint64_t)i * ROWS);
        step_sample(x, &c, x, eps, z, ROWS);
    }
    for (int k = 0; k < ROWS; k++) {
        sum += (double)x[k] * x[k] / ROWS;
    }
    schedule_free(&schedule);
    return sum;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(void) {
    printf("data variance 0.25, 10 steps: small %.4f, large %.4f\n", my_run(0.25, 10, 0), my_run(0.25, 10, 1));
    if (fails(fabs(my_variance(1, 1, 0.3, 0.6, 1) - 1) < 1e-12,
              "N(0, 1) data keeps the variance 1 in every step with the large variance.  Where: my_variance.  Which "
              "formula: (a + b c)^2 var + sigma^2 with c = eps_hat/x") ||
        fails(fabs(my_variance(0.7, 0.25, 0.3, 1, 1) - my_variance(0.7, 0.25, 0.3, 1, 0)) < 1e-15,
              "the step to clean data (abar_s = 1) adds no noise, whichever variance is chosen")) {
        return 1;
    }
    for (int k = 0; k < 8; k++) { // eight data variances, both rules; the standard error of a variance is var sqrt(2/n)
        double v = 0.05 + 0.3 * k, mine = my_run(v, 5 + 5 * k, k % 2), seen = sampled(v, 5 + 5 * k, k % 2);
        if (fails(fabs(mine - seen) < 4 * seen * sqrt(2.0 / 100000),
                  "samples of the library's sampler disagree.  Where: my_variance.  Which formula: (a + b c)^2 var + "
                  "sigma^2, "
                  "c = eps_hat/x")) {
            printf("v %.2f, %d steps, %s: %.4f, sampled %.4f\n", v, 5 + 5 * k, k % 2 ? "large" : "small", mine, seen);
            return 1;
        }
    }
    puts("solved: the small variance leaves too little; the large one is nearly right at 10 steps and too much at 100");
    return 0;
}
