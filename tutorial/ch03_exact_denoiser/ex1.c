// ex1.c: exercise 1 of chapter 3.  Write the best denoiser of a finite data set.
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch03_exact_denoiser/ex1.c -lm -o ex1 && ./ex1
// Data points are Gaussians of width 0, so the library knows the answer; here you find it with a sum over the points.
#include "../../ref/formula/mixture.h"
#include "../../ref/formula/schedule.h"

enum { POINTS = 5 };

// E[x_0 | x_t = x] when x_0 is one of the n numbers data[i], all equally likely, and x_t = alpha x_0 + sigma eps.
// Allowed: everything in ref/core/elementary.h.  Not allowed: gmm_denoise.
static double my_denoise(double x, const double *data, int n, double alpha, double sigma) {
    // EXERCISE: a weighted mean of the data; the weight of a point is the chance of x given that point
    (void)x;
    (void)data;
    (void)n;
    (void)alpha;
    (void)sigma;
    return 0;
}

// The same by the library: a mixture on the line y = 0.
static double library(double x, const double *data, int n, double alpha, double sigma) {
    double at[2] = {x, 0}, x0[2];
    Gmm p = gmm_new(n);
    for (int i = 0; i < n; i++) {
        p.w[i] = 1.0 / n;
        p.mu[2 * i] = data[i]; // covariance 0
    }
    gmm_denoise(x0, &p, at, alpha, sigma);
    gmm_free(&p);
    return x0[0];
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(void) {
    const double two[2] = {-1, 1};
    double answer = my_denoise(0.7, two, 2, sqrt(0.5), sqrt(0.5));
    printf("data -1 and 1, abar = 1/2, x = 0.7: E[x_0|x_t] = %.5f\n", answer);
    if (fails(fabs(answer - 0.75734) < 5e-6,
              "the answer is 0.75734.  Where: Bayes' rule.  Which formula: the weight of "
              "a point is e^(-d^2/2) with d = (x - alpha x_0)/sigma.  Divide by the "
              "sum of the weights")) {
        return 1;
    }
    for (int k = 0; k < 20; k++) { // twenty data sets, levels and places
        double data[POINTS], abar = 0.02 + 0.96 * rng_uniform(3, 2, (uint64_t)k), x = 2 * rng_normal(3, 3, (uint64_t)k);
        for (int i = 0; i < POINTS; i++) {
            data[i] = rng_normal(3, 1, (uint64_t)(POINTS * k + i));
        }
        double mine = my_denoise(x, data, POINTS, sqrt(abar), sqrt(1 - abar));
        double right = library(x, data, POINTS, sqrt(abar), sqrt(1 - abar));
        if (fails(fabs(mine - right) < 1e-12,
                  "five points: the library disagrees; is every point's weight in the sum?")) {
            return 1;
        }
    }
    if (fails(fabs(my_denoise(1e3, two, 2, sqrt(0.5), sqrt(0.5)) - 1) < 1e-12,
              "at x = 1000 every weight underflows to 0, and 0/0 is no answer: subtract the smallest d^2 from all of "
              "them first, it cancels in the ratio") ||
        fails(fabs(my_denoise(0.1, two, 2, sqrt(1 - 1e-9), sqrt(1e-9)) - 1) < 1e-12,
              "with almost no noise the answer is the nearest data point")) {
        return 1;
    }
    puts("solved: 0.75734; twenty data sets agree with the library; finite far away; the nearest point without noise");
    return 0;
}
