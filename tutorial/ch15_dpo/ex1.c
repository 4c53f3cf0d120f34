// ex1.c: exercise 1 of chapter 15.  Write DPO from the tilt and let it find p* in twenty worlds it has never seen.
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch15_dpo/ex1.c -lm -o ex1 && ./ex1
// The checks are properties.  The last one trains with your loss and asks for the gap (reward difference)/beta.
#include "../../toy/world/arms.h"

enum { WORLDS = 20, STEPS = 1000 };

// The loss of one answer "w is better than l" for a policy with log-probabilities lp and a reference with lr, in nats,
// and its derivatives in lp_w and lp_l.  beta: reward units per nat.
// Allowed: everything in ref/core/elementary.h.  Not allowed: ref/formula/preference.h.
static double my_dpo(double *dlp_w, double *dlp_l, double lp_w, double lr_w, double lp_l, double lr_l, double beta) {
    // EXERCISE: put r = beta log(p/p_ref) + beta log Z into -log sigmoid(r_w - r_l); four lines
    (void)lp_w;
    (void)lr_w;
    (void)lp_l;
    (void)lr_l;
    (void)beta;
    *dlp_w = 0;
    *dlp_l = 0;
    return 0;
}

static double value(double lp_w, double lr_w, double lp_l, double lr_l, double beta) {
    double dlp_w, dlp_l;
    return my_dpo(&dlp_w, &dlp_l, lp_w, lr_w, lp_l, lr_l, beta);
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

// Gradient descent on all answers with their exact chances; lp starts at the reference.
static void train(double lp[ARMS], const Arms *arms, double beta) {
    double lr[ARMS];
    for (int k = 0; k < ARMS; k++) {
        lp[k] = lr[k] = e_log(arms->p_ref[k]);
    }
    for (int step = 0; step < STEPS; step++) {
        double grad[ARMS] = {0}, dlp_w, dlp_l;
        for (int w = 0; w < ARMS; w++) {
            for (int l = 0; l < ARMS; l++) {
                my_dpo(&dlp_w, &dlp_l, lp[w], lr[w], lp[l], lr[l], beta);
                grad[w] += e_sigmoid(arms->r[w] - arms->r[l]) / 28 * dlp_w;
                grad[l] += e_sigmoid(arms->r[w] - arms->r[l]) / 28 * dlp_l;
            }
        }
        for (int k = 0; k < ARMS; k++) {
            lp[k] -= 20 / (beta * beta) * grad[k];
        }
    }
}

static int world(int number) {
    Arms arms = arms_new();
    uint64_t seed = 15, stream = (uint64_t)number;
    double beta = 0.2 + 1.8 * rng_uniform(seed, stream, 100), lp[ARMS], p[ARMS], p_star[ARMS], sum = 0;
    for (int k = 0; k < ARMS; k++) {
        arms.p_ref[k] = 0.05 + rng_uniform(seed, stream, (uint64_t)k);
        arms.r[k] = 4 * rng_uniform(seed, stream, (uint64_t)(10 + k)) - 2;
        sum += arms.p_ref[k];
    }
    for (int k = 0; k < ARMS; k++) {
        arms.p_ref[k] /= sum;
    }
    train(lp, &arms, beta);
    arms_softmax(p, lp);
    arms_tilt(p_star, &arms, beta);
    double gap = lp[0] - e_log(arms.p_ref[0]) - lp[1] + e_log(arms.p_ref[1]), want = (arms.r[0] - arms.r[1]) / beta;
    if (number < 3) {
        printf("world %d: reward difference %+.3f, beta %.3f, wanted gap %+.4f, your gap %+.4f\n", number, want * beta,
               beta, want, gap);
    }
    return fails(near(gap, want, 1e-6), "after training, the log-ratio gap must be (reward difference)/beta") ||
           fails(tv_discrete(p, p_star, ARMS) < 1e-6, "after training, the policy must be p*");
}

int main(void) {
    double dlp_w, dlp_l, h = 1e-5;
    my_dpo(&dlp_w, &dlp_l, -1, -1, -3, -3, 0.4);
    if (fails(near(value(-1, -1, -3, -3, 0.4), 0.693147180559945309, 1e-15),
              "at the reference the loss is ln 2, whatever the log-probabilities are") ||
        fails(near(dlp_w, -0.2, 1e-15), "at the reference dL/dlp_w = -beta/2: not zero, so training can start")) {
        return 1;
    }
    for (int k = 0; k < 20; k++) {
        double v[4], beta = 0.1 + rng_uniform(15, 500, (uint64_t)k);
        for (int c = 0; c < 4; c++) {
            v[c] = -6 * rng_uniform(15, 501, (uint64_t)(4 * k + c));
        }
        my_dpo(&dlp_w, &dlp_l, v[0], v[1], v[2], v[3], beta);
        if (fails(near(value(v[0] + 7, v[1], v[2] + 7, v[3], beta), value(v[0], v[1], v[2], v[3], beta), 1e-13),
                  "adding 7 to both model log-probabilities must change nothing: that is how Z cancels") ||
            fails(near((value(v[0] + h, v[1], v[2], v[3], beta) - value(v[0] - h, v[1], v[2], v[3], beta)) / (2 * h),
                       dlp_w, 1e-8),
                  "*dlp_w is not the slope of L in lp_w: minus beta sigmoid(-beta h)") ||
            fails(near((value(v[0], v[1], v[2] + h, v[3], beta) - value(v[0], v[1], v[2] - h, v[3], beta)) / (2 * h),
                       dlp_l, 1e-8),
                  "*dlp_l is not the slope of L in lp_l: it is minus the other one")) {
            return 1;
        }
    }
    if (fails(near(value(-2000, 0, 0, 0, 0.5), 1000, 1e-9), "with h = -2000 and beta = 0.5 the loss is 1000, finite")) {
        return 1;
    }
    for (int k = 0; k < WORLDS; k++) {
        if (world(k)) {
            return 1;
        }
    }
    printf("solved: p* in %d of %d worlds, and no reward model was fitted\n", WORLDS, WORLDS);
    return 0;
}
