// ex1.c: exercise 1 of chapter 1.  Score a model: write J and the share of the gap it closes.
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch01_first_light/ex1.c -lm -o ex1 && ./ex1
// The checks compare with the exact scores of 8 outcomes; none of them uses your function to make its answer.
#include "../../toy/world/arms.h"

// J = E[r] - beta KL of a model with mean reward e and KL `kl`, and the share of the gap between the reference (mean
// reward e_ref, KL 0) and the optimum (log_z) that it closes: 0 for the reference, 1 for the optimum.
static double share_closed(double *j, double e, double kl, double e_ref, double log_z, double beta) {
    // EXERCISE: two lines.  J of the optimum is beta log Z.
    (void)e;
    (void)kl;
    (void)e_ref;
    (void)log_z;
    (void)beta;
    *j = 0;
    return 0;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(void) {
    Arms arms = arms_new();
    double e_ref = table_mean(NULL, arms.p_ref, arms.r, ARMS), j;
    for (int k = 0; k < 20; k++) { // twenty random policies, three temperatures
        double beta = 0.3 * (1 + k % 3), logits[ARMS], q[ARMS];
        TiltPoint best = arms_tilt(NULL, &arms, beta);
        LawScore exact;
        double share;
        for (int i = 0; i < ARMS; i++) {
            logits[i] = e_log(arms.p_ref[i]) + rng_normal(1, (uint64_t)k, (uint64_t)i);
        }
        arms_softmax(q, logits);
        exact = arms_score(q, &arms, beta);
        share = share_closed(&j, exact.reward, exact.kl, e_ref, best.log_z, beta);
        if (fails(fabs(j - exact.j) < 1e-12, "J is the mean reward minus beta times the KL; KL is in nats, beta in "
                                             "reward units per nat") ||
            fails(fabs((1 - share) * (best.objective - e_ref) - exact.gap) < 1e-12,
                  "what is left open, times the whole gap beta log Z - E_ref[r], must be the gap J* - J")) {
            return 1;
        }
    }
    if (fails(fabs(share_closed(&j, e_ref, 0, e_ref, 2, 0.5)) < 1e-15, "the reference closes nothing") ||
        fails(share_closed(&j, e_ref, 3, e_ref, 2, 0.5) < 0, "KL without reward is worse than the reference")) {
        return 1;
    }
    puts("solved: J and the share of the gap agree with the exact scores of twenty policies");
    return 0;
}
