// test_choice_lab.c: the shore and its grid, fitted rewards judged against the truth, tilts of a given KL, the
// reliability diagram, reversed answers.
#include "harness.h"

#include "../toy/feedback/choice_lab.h"
#include "../toy/world/tally.h"

static Lab lab;
static double r[LAB_CELLS], other[LAB_CELLS], law[LAB_CELLS];

static void test_world(void) {
    lab_new(&lab);
    double beyond = 0, inside = 0, total = 0, mean = 0, data = 0;
    for (size_t i = 0; i < LAB_CELLS; i++) {
        double x[2], distance;
        grid_point(x, &lab.grid, i);
        ring_nearest(&distance, &lab.ring, x);
        double radius = hypot(x[0], x[1]);
        beyond += radius > lab.shore.edge ? lab.p_ref[i] : 0;
        data += distance < 3 * lab.ring.std ? lab.p_ref[i] : 0;
        CHECK((lab.inside[i] > 0) == (distance < 0.75), "cell %zu, distance %g", i, distance);
        CHECK((lab.outside[i] > 0) == (radius > 2.4 && radius < 3.2), "cell %zu, radius %g", i, radius);
        inside += lab.inside[i];
        total += lab.outside[i];
        mean += lab.p_ref[i] * lab.truth[i];
    }
    NEAR(inside, 1, 1e-12, 0);
    NEAR(total, 1, 1e-12, 0);
    NEAR(mean, 0, 0, 1e-12);
    CHECK(beyond < 0.012 && beyond > 0.005, "mass beyond the edge %g", beyond);
    CHECK(data > 0.985 && data < 0.995, "mass within three standard deviations %g", data);
    double at[2] = {1, 0}, far_[2] = {3, 0}, farther[2] = {3.1, 0}, hollow[2] = {0, 1.5}, beside[2] = {0, -1.5};
    Shore s = lab.shore;
    NEAR(shore_reward(at, -1, &s), cos(PI / 6) - exp(-2 * 3.25), 1e-4, 0);
    NEAR((shore_reward(farther, -1, &s) - shore_reward(far_, -1, &s)) / 0.1, cos(PI / 6) - 6, 2e-3, 0);
    NEAR(shore_reward(hollow, -1, &s), 0.75 - 1, 0, 0.01);
    NEAR(shore_reward(beside, -1, &s), -0.75, 0, 0.01);
}

// A rater without noise and a reward that the features can express: the ranking of all cells is found.
static void test_fits(void) {
    Rater rater = rater_new(0.5, 3, 1);
    Pairs p = lab_pairs(&lab, &rater, 3000, 3, 2);
    double share = 0;
    CHECK(p.n == 3000 && p.dim == 2 && p.c[0] == -1, "pairs of the null prompt");
    for (int k = 0; k < p.n; k++) { // the answers follow the true reward as often as they should
        double w[2] = {(double)p.w[2 * k], (double)p.w[2 * k + 1]}, l[2] = {(double)p.l[2 * k], (double)p.l[2 * k + 1]};
        share += (shore_reward(w, -1, &lab.shore) > shore_reward(l, -1, &lab.shore)) / (double)p.n;
    }
    CHECK(fabs(share - p.best_accuracy) < 4 * 0.5 / sqrt(3000), "agreement %g, expected %g", share, p.best_accuracy);
    for (int rbf = 0; rbf < 2; rbf++) {
        lab_fit_features(r, &lab, &p, rbf, rm_plain, 0, 1e-3);
        double error = lab_error(&lab, lab.p_ref, r, 0.5);
        NEAR(table_mean(NULL, lab.p_ref, r, LAB_CELLS), 0, 0, 1e-12);
        CHECK(error < (rbf ? 0.12 : 0.25), "features %d: error %g", rbf, error);
    }
    lab_fit_net(other, &lab, &p, 600, 5);
    ensemble_centre(other, lab.p_ref, 0, 1, LAB_CELLS);
    CHECK(lab_error(&lab, lab.p_ref, other, 0.5) < 0.2, "net: error %g", lab_error(&lab, lab.p_ref, other, 0.5));
    lab_fit_net(r, &lab, &p, 600, 6);
    ensemble_centre(r, lab.p_ref, 0, 1, LAB_CELLS);
    CHECK(lab_error(&lab, lab.p_ref, r, 0.5) < 0.2, "another seed");
    CHECK(fabs(r[100] - other[100]) > 1e-4, "members must differ");
    double f[LAB_RBF], x[2] = {-2 + 3 * 0.8, -2 + 0.8};
    CHECK(lab_features(f, x, 1) == LAB_RBF && f[6 + 3] == 1, "the bump at its own centre is %g", f[9]);
    NEAR(f[6 + 4], exp(-0.5 * 0.64 / 0.49), 1e-12, 0);
    CHECK(lab_features(f, x, 0) == 5 && fabs(f[3] - x[0] * x[1]) < 1e-15, "quadratic features");
    pairs_free(&p);
}

// Two cells with half the mass each: everything in closed form, up to which pairs were drawn.
static void test_judge(void) {
    enum { COUNT = 40000 };
    double tau = 0.7, bins[30], up = 0;
    size_t a = 20 * 64 + 30, b = 30 * 64 + 40;
    memset(law, 0, sizeof law);
    law[a] = law[b] = 0.5;
    double truth = fabs(lab.truth[a] - lab.truth[b]) / tau, chance = 1 / (1 + exp(-truth));
    for (int i = 0; i < LAB_CELLS; i++) {
        r[i] = 1.7 * lab.truth[i] / tau; // a model that is 1.7 times too sure
        other[i] = -r[i];
    }
    Judged j = lab_judge(bins, &lab, law, r, tau, COUNT, 4, 1);
    double half = 0.5 * (chance - 0.5), se = half / sqrt((double)COUNT); // a pair is mixed with chance 1/2
    NEAR(j.accuracy, 0.5 + half, 0, 4 * se);
    NEAR(j.ceiling, j.accuracy, 1e-12, 0);
    NEAR(j.temperature, 1 / 1.7, 1e-6, 0);
    NEAR(j.ece_after, 0, 0, 1e-6);
    double gap = 1 / (1 + exp(-1.7 * truth)) - chance;
    NEAR(j.ece, 0.5 * gap, 0, 4 * 0.5 * gap / sqrt((double)COUNT));
    double sum = 0, ece = 0;
    for (int k = 0; k < 10; k++) {
        sum += bins[k];
        ece += bins[k] > 0 ? bins[k] * fabs(bins[10 + k] - bins[20 + k]) : 0;
        CHECK(bins[k] > 0 || (bins[10 + k] != bins[10 + k] && bins[20 + k] != bins[20 + k]), "an empty bin is NaN");
        up += bins[k] > 0;
    }
    NEAR(sum, 1, 1e-12, 0);
    NEAR(ece, j.ece, 1e-10, 0);
    NEAR(up, 3, 0, 0);
    Judged wrong = lab_judge(NULL, &lab, law, other, tau, COUNT, 4, 1);
    NEAR(wrong.accuracy + j.accuracy, 1, 1e-12, 0);
    NEAR(lab_error(&lab, law, r, tau), 0.35 * (fabs(lab.truth[a]) + fabs(lab.truth[b])), 1e-12, 0);
    // cells are drawn with their masses
    double sums[LAB_CELLS], total = 0;
    for (int i = 0; i < LAB_CELLS; i++) {
        total += i < 4 ? (i + 1) : 0;
        sums[i] = total;
    }
    CHECK(lab_cell(sums, 0.05) == 0 && lab_cell(sums, 0.15) == 1 && lab_cell(sums, 0.59) == 2 &&
              lab_cell(sums, 0.61) == 3 && lab_cell(sums, 0.999) == 3,
          "running sums");
}

static void test_tilt_at_kl(void) {
    static const double kl[4] = {0.05, 1, 4, 9};
    for (int k = 0; k < 4; k++) {
        double beta = lab_tilt_at_kl(law, &lab, lab.truth, kl[k]);
        NEAR(kl_discrete(law, lab.p_ref, LAB_CELLS), kl[k], 1e-8, 0);
        if (k == 1) {
            NEAR(beta, tilt_discrete_beta_at_kl(lab.p_ref, lab.truth, kl[k], LAB_CELLS), 1e-6, 0);
        }
    }
    memset(r, 0, sizeof r);
    for (int i = 0; i < LAB_CELLS / 2; i++) {
        r[i] = 1; // the best half: no tilt has more KL than log 2
    }
    CHECK(lab_tilt_at_kl(law, &lab, r, 1) == 0, "more KL than the best level has");
    CHECK(lab_tilt_at_kl(law, &lab, r, 0.5) > 0, "less KL than the best level has");
}

static void test_ensemble(void) {
    enum { M = 3 };
    static double net[M * LAB_CELLS];
    Rater rater = rater_new(0.5, 5, 1);
    Pairs p = lab_pairs(&lab, &rater, 200, 5, 2);
    lab_fit_ensemble(net, &lab, &p, 60, M, 40);
    for (int m = 0; m < M; m++) { // the members are the fits of their seeds, centred
        lab_fit_net(r, &lab, &p, 60, 40 + (uint64_t)m);
        double mean = table_mean(NULL, lab.p_ref, r, LAB_CELLS);
        for (int i = 0; i < LAB_CELLS; i += 97) {
            NEAR(net[m * LAB_CELLS + i], r[i] - mean, 1e-12, 1e-12);
        }
    }
    pairs_free(&p);
    // disagreement that is the error, its opposite, and one that has nothing to do with it
    for (int i = 0; i < LAB_CELLS; i++) {
        r[i] = lab.truth[i] / 0.5 + rng_normal(5, 3, (uint64_t)i);
        other[i] = pow(fabs(0.5 * r[i] - lab.truth[i]), 3);
        law[i] = rng_normal(5, 4, (uint64_t)i);
    }
    NEAR(lab_pointed(&lab, lab.inside, other, r, 0.5), 1, 1e-12, 0);
    NEAR(lab_pointed(&lab, lab.outside, other, r, 0.5), 1, 1e-12, 0);
    CHECK(fabs(lab_pointed(&lab, lab.inside, law, r, 0.5)) < 0.12, "unrelated numbers correlate");
    for (int i = 0; i < LAB_CELLS; i++) {
        other[i] = lab.outside[i] > 0 ? -other[i] : other[i];
    }
    NEAR(lab_pointed(&lab, lab.outside, other, r, 0.5), -1, 1e-12, 0);
}

static void test_scale(void) {
    Rater rater = rater_new(0.5, 6, 1);
    double clean = lab_scale(&lab, &rater, 20000, rm_plain, 0, 6, 2);
    CHECK(fabs(clean - 1) < 0.06, "clean answers, plain loss: %g", clean);
    rater.flip = 0.2;
    double plain = lab_scale(&lab, &rater, 20000, rm_plain, 0, 6, 2);
    double forward = lab_scale(&lab, &rater, 20000, rm_noise, 0.2, 6, 2);
    double robust = lab_scale(&lab, &rater, 20000, rm_robust, 0.2, 6, 2);
    CHECK(plain < 0.45, "flipped answers, plain loss: %g", plain);
    CHECK(fabs(forward - 1) < 0.15 && fabs(robust - 1) < 0.25, "corrected: %g %g", forward, robust);
}

static void test_tally(void) {
    Tally t = {0, 0, 0, 0};
    tally_add(&t, 1e9 + 1);
    CHECK(tally_sd(&t) != tally_sd(&t), "one number has no standard deviation");
    tally_add(&t, 1e9 + 2);
    tally_add(&t, 1e9 + 6);
    NEAR(tally_mean(&t), 1e9 + 3, 1e-15, 0);
    NEAR(tally_sd(&t), sqrt(7.0), 1e-12, 0);
    NEAR(tally_se(&t), sqrt(7.0 / 3), 1e-12, 0);
}

int main(void) {
    test_tally();
    test_world();
    test_ensemble();
    test_scale();
    test_fits();
    test_judge();
    test_tilt_at_kl();
    return report("test_choice_lab");
}
