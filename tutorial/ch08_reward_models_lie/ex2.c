// ex2.c: exercise 2 of chapter 8.  What does the minimum of an ensemble keep out?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch08_reward_models_lie/ex2.c -lm -o ex2 && ./ex2
// A law is tilted by the mean of M rewards and by their minimum, at the same beta.  How much mass outside the support
// does the minimum remove?  Members come as they were trained: each with a constant of its own that no choice can see.
#include "../../toy/feedback/choice_lab.h"

// score (M, I): rewards of M members for I items; p_ref: I masses; outside: I numbers, 1 = outside the support, else 0.
// Returns (mass outside under the tilt by the mean) - (mass outside under the tilt by the minimum).
// Useful: ensemble_centre, ensemble_combine, tilt_discrete, NEW, free.  score must not be changed.
static double mass_removed(const double *score, const double *p_ref, const double *outside, double beta, size_t M,
                           size_t I) {
    // EXERCISE: copy, centre under p_ref, combine twice, tilt twice, add up
    (void)score;
    (void)p_ref;
    (void)outside;
    (void)beta;
    (void)M;
    (void)I;
    return NAN;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(void) {
    enum { M = 4, I = 30 };
    // Two items with half the mass each; the second is outside.  Centred, the members say (-1, 1) and (1, -1).
    static const double two[4] = {0, 2, 1, -1}, half[2] = {0.5, 0.5}, second[2] = {0, 1};
    // Members that agree inside and differ outside: (0, 3) and (0, 1) around the mean of p = (0.9, 0.1).
    static const double agree[4] = {0, 3, 0, 1}, most[2] = {0.9, 0.1};
    double score[M * I], moved[M * I], kept[M * I], p_ref[I], outside[I], sum = 0;
    if (fails(fabs(mass_removed(two, half, second, 1, 2, 2)) < 1e-12,
              "opposite members: the mean and the minimum are both flat, nothing is removed.  Where: centre first, so "
              "that "
              "the members are (-1, 1) and (1, -1).  First line: double *r = NEW(double, M * I)")) {
        return 1;
    }
    // centred: (-0.3, 2.7) and (-0.1, 0.9); mean (-0.2, 1.8), minimum (-0.3, 0.9)
    double mean = 0.1 * e_exp(2.0) / (0.9 + 0.1 * e_exp(2.0)), low = 0.1 * e_exp(1.2) / (0.9 + 0.1 * e_exp(1.2));
    if (fails(fabs(mass_removed(agree, most, second, 1, 2, 2) - (mean - low)) < 1e-12,
              "two cells by hand, centred under p_ref: factors e^2 and e^1.2 on the second.  Which formula: p "
              "e^(r/beta)/Z, each with "
              "its own "
              "Z; ENS_MEAN first, then ENS_WORST; mean minus minimum")) {
        return 1;
    }
    for (uint64_t k = 0; k < 20; k++) {
        double beta = 0.3 + rng_uniform(8, 1, k);
        for (uint64_t i = 0; i < I; i++) {
            p_ref[i] = rng_uniform(8, 2, k * I + i);
            outside[i] = i % 3 == 0;
            sum = (i == 0 ? 0 : sum) + p_ref[i];
            for (uint64_t m = 0; m < M; m++) {
                score[m * I + i] = rng_normal(8, 3 + m, k * I + i);
                moved[m * I + i] = score[m * I + i] + 7 * (double)m; // another free constant
            }
        }
        for (int i = 0; i < I; i++) {
            p_ref[i] /= sum;
        }
        memcpy(kept, score, sizeof kept);
        double removed = mass_removed(score, p_ref, outside, beta, M, I);
        double again = mass_removed(moved, p_ref, outside, beta, M, I), nothing[I] = {0}, back;
        for (int i = 0; i < I; i++) {
            outside[i] = 1 - outside[i];
        }
        back = mass_removed(score, p_ref, outside, beta, M, I);
        if (fails(memcmp(kept, score, sizeof kept) == 0, "score was changed; work on a copy") ||
            fails(fabs(removed + back) < 1e-12, "what leaves the outside must arrive inside; do both laws sum to 1?") ||
            fails(fabs(mass_removed(score, p_ref, nothing, beta, M, I)) < 1e-15,
                  "no cell outside: nothing to remove") ||
            fails(fabs(removed - again) < 1e-10, "a member's constant changed the answer: centre every member first") ||
            fails(fabs(mass_removed(score, p_ref, outside, 1e9, M, I)) < 1e-6, "at a huge beta both laws are p_ref")) {
            return 1;
        }
    }
    static Lab lab;
    static double net[5 * LAB_CELLS], far_out[LAB_CELLS];
    Rater rater = rater_new(0.5, 8, 20);
    lab_new(&lab);
    Pairs pairs = lab_pairs(&lab, &rater, 150, 8, 21);
    lab_fit_ensemble(net, &lab, &pairs, 1200, 5, 8);
    pairs_free(&pairs);
    for (int i = 0; i < LAB_CELLS; i++) {
        far_out[i] = lab.inside[i] == 0;
    }
    for (double beta = 1; beta > 0.1; beta /= 2) {
        static double law[LAB_CELLS];
        ensemble_combine(law, NULL, net, ENS_MEAN, 0, 5, LAB_CELLS);
        tilt_discrete(law, lab.p_ref, law, beta, LAB_CELLS);
        printf("five networks, 150 answers, beta = %.3f logits: mass outside %.4f, the minimum removes %.4f of it\n",
               beta, table_mean(NULL, law, far_out, LAB_CELLS),
               mass_removed(net, lab.p_ref, far_out, beta, 5, LAB_CELLS));
    }
    puts("solved: the minimum keeps some mass at home, if the members were centred first");
    return 0;
}
