// ex1.c: exercise 1 of chapter 6.  Write the loss of one answer, so that it survives every margin.
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch06_bradley_terry/ex1.c -lm -o ex1 && ./ex1
// The checks are properties that the loss must have; none of them knows the formula.
#include "../../ref/core/rng.h"

// L = -log sigmoid(r_w - r_l) of an answer "w is better than l", and its two derivatives.
// Allowed: everything in ref/core/elementary.h.  Not allowed: bt_loss.
static double my_loss(double *dr_w, double *dr_l, double r_w, double r_l) {
    // EXERCISE: three lines
    (void)r_w;
    (void)r_l;
    *dr_w = 0;
    *dr_l = 0;
    return 0;
}

static double value(double r_w, double r_l) {
    double dr_w, dr_l;
    return my_loss(&dr_w, &dr_l, r_w, r_l);
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

static int near(double a, double b, double tolerance) {
    return fabs(a - b) <= tolerance;
}

int main(void) {
    double dr_w, dr_l, h = 1e-5;
    int k;
    if (fails(near(value(2, 2), 0.693147180559945309, 1e-15),
              "equal rewards say 1/2 for each answer, and -log(1/2) = 0.6931; every untrained model starts there")) {
        return 1;
    }
    for (k = 0; k < 20; k++) { // twenty pairs of rewards between -3 and 3
        double a = 6 * rng_uniform(6, 1, (uint64_t)(2 * k)) - 3, b = 6 * rng_uniform(6, 1, (uint64_t)(2 * k + 1)) - 3;
        my_loss(&dr_w, &dr_l, a, b);
        if (fails(near(e_exp(-value(a, b)) + e_exp(-value(b, a)), 1, 1e-14),
                  "e^-L is the chance of the answer; the chances of the two answers must add up to 1") ||
            fails(near(value(a + 3, b + 3), value(a, b), 1e-13), "raising both rewards by 3 must change nothing") ||
            fails(near((value(a + h, b) - value(a - h, b)) / (2 * h), dr_w, 1e-8),
                  "*dr_w is not the slope of L in r_w; d log sigmoid(z)/dz = sigmoid(-z)") ||
            fails(near((value(a, b + h) - value(a, b - h)) / (2 * h), dr_l, 1e-8),
                  "*dr_l is not the slope of L in r_l; L depends on the difference only")) {
            return 1;
        }
    }
    my_loss(&dr_w, &dr_l, -800, 0);
    if (fails(near(value(-800, 0), 800, 1e-9),
              "at a margin of -800 the loss is 800, not infinite: sigmoid(-800) is too small for a double, so its "
              "logarithm must never be taken; look at e_softplus") ||
        fails(dr_w == -1 && dr_l == 1, "at a margin of -800 the slopes are -1 and 1") ||
        fails(near(value(40, 0) / e_exp(-40), 1, 1e-12),
              "at a margin of 40 the loss is e^-40, not 0: 1 + e^-40 rounds to 1 before the logarithm sees it")) {
        return 1;
    }
    puts("solved: ln 2 at the start, slopes that agree with finite differences, finite at -800, not zero at 40");
    return 0;
}
