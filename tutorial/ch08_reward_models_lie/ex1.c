// ex1.c: exercise 1 of chapter 8.  How far can the chances of a reward model be trusted?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch08_reward_models_lie/ex1.c -lm -o ex1 && ./ex1
// You write the expected calibration error; the program then asks a reward fitted to 600 answers, first about pairs
// like those it learned from, then about pairs from its own tilt.
#include "../../toy/feedback/choice_lab.h"

// p: n predicted chances, y: what happened, 0 or 1 (or the true chance).  Sort the samples into `bins` bins of equal
// width: [0, 1/bins), [1/bins, 2/bins), ..., the last one with its right end.  The error is the mean over the SAMPLES
// of |mean p - mean y| of their bin.  Not allowed: calibration(), reliability().
static double my_ece(const double *p, const double *y, size_t n, int bins) {
    // EXERCISE: one sum of p - y for each bin is enough
    (void)p;
    (void)y;
    (void)n;
    (void)bins;
    return -1;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

// Error of sigmoid(r_a - r_b) against the exact chance, for pairs of cells drawn from a law.
static double model_ece(const Lab *lab, const double *law, const double *r) {
    enum { PAIRS = 4000 };
    static double p[PAIRS], y[PAIRS], sums[LAB_CELLS];
    double sum = 0;
    for (int i = 0; i < LAB_CELLS; i++) {
        sums[i] = sum += law[i];
    }
    for (uint64_t k = 0; k < PAIRS; k++) {
        int a = lab_cell(sums, rng_uniform(7, 1, 2 * k)), b = lab_cell(sums, rng_uniform(7, 1, 2 * k + 1));
        p[k] = e_sigmoid(r[a] - r[b]);
        y[k] = e_sigmoid((lab->truth[a] - lab->truth[b]) / 0.5);
    }
    return my_ece(p, y, PAIRS, 10);
}

int main(void) {
    enum { N = 500 };
    static const double hand_p[5] = {0.1, 0.3, 0.6, 0.8, 1.0}, hand_y[5] = {0, 1, 1, 0, 1};
    static double p[N], y[N], r[LAB_CELLS], tilted[LAB_CELLS];
    static Lab lab;
    double ece = my_ece(hand_p, hand_y, 5, 1), brier, nll, right;
    if (fails(fabs(ece - 0.04) < 1e-12, "one bin: where: all five samples.  Which formula: |mean p - mean y| = "
                                        "|0.56 - 0.60|.  First line: a sum of p[i] - y[i], divided by n") ||
        fails(
            fabs(my_ece(hand_p, hand_y, 5, 2) - (0.6 + 0.4) / 5) < 1e-12,
            "two bins: the first holds 0.1 and 0.3 and is 0.3 off, the second is 0.4/3 off; they weigh 2/5 and 3/5") ||
        fails(fabs(my_ece(hand_p, hand_y, 5, 10) - (0.1 + 0.7 + 0.4 + 0.8 + 0) / 5) < 1e-12,
              "ten bins: p = 1 belongs to the last bin, and empty bins count nothing")) {
        return 1;
    }
    for (uint64_t k = 0; k < 20; k++) { // twenty random models, over- and under-confident
        double factor = 0.3 + 2 * rng_uniform(7, 2, k);
        int bins = 2 + (int)rng_below(7, 3, k, 15);
        for (uint64_t i = 0; i < N; i++) {
            double z = 2 * rng_normal(7, 10 + k, i);
            p[i] = e_sigmoid(factor * z);
            y[i] = rng_uniform(7, 40 + k, i) < e_sigmoid(z);
        }
        calibration(&right, &brier, &nll, p, y, N, bins);
        if (fails(fabs(my_ece(p, y, N, bins) - right) < 1e-12,
                  "random models: take the absolute value once a bin, after summing, not once a sample")) {
            return 1;
        }
    }
    lab_new(&lab);
    Rater rater = rater_new(0.5, 7, 4);
    Pairs pairs = lab_pairs(&lab, &rater, 600, 7, 5);
    lab_fit_ensemble(r, &lab, &pairs, 400, 1, 7);
    pairs_free(&pairs);
    double at_home = model_ece(&lab, lab.p_ref, r);
    for (int kl = 1; kl <= 5; kl += 2) {
        lab_tilt_at_kl(tilted, &lab, r, kl);
        printf("pairs from its own tilt at KL %d: ECE %.3f (pairs from the reference: %.3f)\n", kl,
               model_ece(&lab, tilted, r), at_home);
    }
    puts("solved: the same model, calibrated where it learned and wrong where it leads");
    return 0;
}
