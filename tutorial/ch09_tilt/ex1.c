// ex1.c: exercise 1 of chapter 9.  Tilt a Gaussian by hand.
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch09_tilt/ex1.c -lm -o ex1 && ./ex1
// The library tilts mixtures in the plane; one Gaussian on a line is enough to see how it works.
#include "../../ref/formula/tilt.h"

typedef struct {
    double mean, var; // of p*
    double kl;        // KL(p*||p_ref), nats
} Tilted;

// p_ref = N(mean, var), r(x) = slope x - bend x^2/2, temperature beta.  The tilt is a Gaussian again.
// Allowed: everything in ref/core/elementary.h.  Not allowed: gmm_tilt and its friends.
static Tilted my_tilt(double mean, double var, double slope, double bend, double beta) {
    Tilted t = {0, 1, 0};
    // EXERCISE: the exponent of p* is -(x - mean)^2/(2 var) + r(x)/beta; complete the square
    (void)mean;
    (void)var;
    (void)slope;
    (void)bend;
    (void)beta;
    return t;
}

// The same by the library: the second coordinate is N(0, 1) and does not touch the reward.
static Tilted library(double mean, double var, double slope, double bend, double beta) {
    double block[7] = {1, mean, 0, var, 0, 0, 1}, tilted[7];
    Gmm p = gmm_on(block, 1), q = gmm_on(tilted, 1);
    QuadReward r = {{bend, 0, 0, 0}, {slope, 0}, 0};
    Tilted t;
    gmm_tilt(&q, NULL, &p, &r, beta);
    t.mean = q.mu[0];
    t.var = q.cov[0];
    t.kl = gmm_tilt_point(&p, &r, beta).kl;
    return t;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(void) {
    Tilted t = my_tilt(0, 1, 1, 0, 0.5);
    printf("p_ref = N(0,1), r = x, beta = 1/2: p* = N(%.4f, %.4f), KL = %.4f\n", t.mean, t.var, t.kl);
    if (fails(fabs(t.mean - 2) < 1e-12 && fabs(t.var - 1) < 1e-12,
              "p* is N(2, 1).  Where: the exponent.  Which formula: -x^2/2 + 2x = -(x - 2)^2/2 + 2") ||
        fails(fabs(t.kl - 2) < 1e-12, "the KL is 2.  Where: E*[log p*/p_ref].  Which formula: (mean* - mean)^2/(2 var) "
                                      "when the variances agree")) {
        return 1;
    }
    for (uint64_t k = 0; k < 20; k++) { // twenty Gaussians, rewards and temperatures
        double mean = rng_normal(9, 1, k), var = 0.2 + 2 * rng_uniform(9, 2, k), beta = 0.2 + rng_uniform(9, 3, k);
        double slope = rng_normal(9, 4, k), bend = (2 * rng_uniform(9, 5, k) - 0.5) * beta / var; // above -beta/var
        Tilted mine = my_tilt(mean, var, slope, bend, beta), right = library(mean, var, slope, bend, beta);
        if (fails(fabs(mine.var - right.var) < 1e-10 * right.var,
                  "a bent reward changes the variance: 1/var* = 1/var + bend/beta") ||
            fails(fabs(mine.mean - right.mean) < 1e-10 * (1 + fabs(right.mean)),
                  "the mean is wrong when mean, slope and bend are all there: mean* = var* (mean/var + slope/beta)") ||
            fails(fabs(mine.kl - right.kl) < 1e-9 * (1 + right.kl),
                  "with two variances the KL is (q - 1 - log q)/2 + (mean* - mean)^2/(2 var), q = var*/var")) {
            return 1;
        }
    }
    puts("solved: N(2, 1) with KL 2, and twenty tilts that agree with the library");
    return 0;
}
