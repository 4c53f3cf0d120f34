// ex2.c: exercise 2 of chapter 1.  The policy gradient with KL in the reward, by hand, for a policy of 8 outcomes.
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch01_first_light/ex2.c -lm -o ex2 && ./ex2
// The checks are finite differences of J and the fixed point p*; none of them knows the formula.
#include "../../toy/world/arms.h"

enum { STEPS = 4000 };
#define BETA 0.5

// grad[i] = dJ/d logit_i for the policy q = softmax(logits), J = E_q[r] - BETA KL(q || p_ref). What an outcome is
// worth is its reward minus what its drift from the reference costs: a_i = r_i - BETA log(q_i / p_i). The gradient
// compares it with the mean over the policy.
static void my_gradient(double grad[ARMS], const double q[ARMS], const Arms *arms) {
    // EXERCISE: two loops
    (void)q;
    (void)arms;
    memset(grad, 0, ARMS * sizeof *grad);
}

static double objective(const double logits[ARMS], const Arms *arms) {
    double q[ARMS];
    arms_softmax(q, logits);
    return arms_score(q, arms, BETA).j;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(void) {
    Arms arms = arms_new();
    double logits[ARMS], q[ARMS], grad[ARMS], star[ARMS], h = 1e-5;
    for (int i = 0; i < ARMS; i++) {
        logits[i] = rng_normal(1, 1, (uint64_t)i);
    }
    arms_softmax(q, logits);
    my_gradient(grad, q, &arms);
    for (int i = 0; i < ARMS; i++) {
        double kept = logits[i], up, down;
        logits[i] = kept + h;
        up = objective(logits, &arms);
        logits[i] = kept - h;
        down = objective(logits, &arms);
        logits[i] = kept;
        if (fails(fabs((up - down) / (2 * h) - grad[i]) < 1e-8,
                  "not the slope of J: grad_i = q_i (a_i - mean of a under q); the mean is the baseline")) {
            return 1;
        }
    }
    for (int step = 0; step < STEPS; step++) { // uphill from the reference
        if (step == 0) {
            for (int i = 0; i < ARMS; i++) {
                logits[i] = e_log(arms.p_ref[i]);
            }
        }
        arms_softmax(q, logits);
        my_gradient(grad, q, &arms);
        for (int i = 0; i < ARMS; i++) {
            logits[i] += 2 * grad[i];
        }
    }
    arms_tilt(star, &arms, BETA);
    if (fails(tv_discrete(q, star, ARMS) < 1e-6, "walking uphill must end at p* = p_ref e^(r/beta) / Z")) {
        return 1;
    }
    puts("solved: the slope of J, and the walk that ends at p*");
    return 0;
}
