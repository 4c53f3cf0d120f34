// test_ensemble.c: combined scores and their derivatives, centring, rank correlation; the additive reward against
// coordinate descent, its optimality conditions and Shapley values by enumeration.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/additive_reward.h"
#include "../ref/formula/ensemble.h"

enum { M = 5, I = 7, N = 80, F = 4, RULES = 5 };

static double score[M * I];

static void fill(void) {
    for (uint64_t k = 0; k < M * I; k++) {
        score[k] = rng_normal(21, 1, k);
    }
}

static void test_combine(void) {
    double out[I], d[M * I], up[I], down[I], h = 1e-5, knob = 0.7;
    fill();
    for (int rule = 0; rule < RULES; rule++) {
        ensemble_combine(out, d, score, (EnsembleRule)rule, knob, M, I);
        for (int i = 0; i < I; i++) {
            double total = 0, mean = 0, var = 0, low = INFINITY;
            for (int m = 0; m < M; m++) {
                double kept = score[m * I + i];
                score[m * I + i] = kept + h;
                ensemble_combine(up, NULL, score, (EnsembleRule)rule, knob, M, I);
                score[m * I + i] = kept - h;
                ensemble_combine(down, NULL, score, (EnsembleRule)rule, knob, M, I);
                score[m * I + i] = kept;
                NEAR(d[m * I + i], (up[i] - down[i]) / (2 * h), 1e-6, 1e-9);
                total += d[m * I + i];
                mean += kept / M;
                low = fmin(low, kept);
            }
            for (int m = 0; m < M; m++) {
                var += pow(score[m * I + i] - mean, 2) / M;
            }
            const double want[RULES] = {mean, low, mean - knob * var, mean - knob * var * M / (M - 1),
                                        mean - knob * sqrt(var)};
            NEAR(out[i], want[rule], 1e-13, 1e-14);
            NEAR(total, 1, 1e-13, 0); // adding a constant to all members adds it to the score
        }
    }
    // a member far above the others: raising it lowers the score
    double far[3] = {0, 0, 10}, one[1], slope[3];
    ensemble_combine(one, slope, far, ENS_UWO, 1, 3, 1);
    CHECK(slope[2] < 0 && one[0] < 0, "UWO: derivative %g, score %g", slope[2], one[0]);
    ensemble_combine(one, slope, far, ENS_WORST, 0, 3, 1); // a tie: the first
    CHECK(slope[0] == 1 && slope[1] == 0 && slope[2] == 0, "the first minimum gets the derivative");
    double sd[1];
    ensemble_sd(sd, far, 3, 1);
    NEAR(sd[0], sqrt(200.0 / 9), 1e-14, 0);
    // one member, or identical ones: every rule gives the member
    for (int rule = 0; rule < RULES; rule++) {
        double same[3] = {0.3, 0.3, 0.3};
        ensemble_combine(one, slope, same, (EnsembleRule)rule, 2, 3, 1);
        NEAR(one[0], 0.3, 1e-14, 0);
        if (rule != ENS_UWO_SAMPLE) {
            ensemble_combine(one, slope, same, (EnsembleRule)rule, 2, 1, 1);
            NEAR(one[0], 0.3, 0, 0);
            NEAR(slope[0], 1, 0, 0);
        }
    }
    DIES("a sample variance two", ensemble_combine(one, NULL, far, ENS_UWO_SAMPLE, 1, 1, 1));
    double scores[3] = {1, 2, 2};
    CHECK(ensemble_best(scores, 3) == 1, "the first of the largest");
}

static void test_centre(void) {
    double w[I], moved[M * I], a[M * I], out[I], before[I], sum = 0;
    fill();
    for (int i = 0; i < I; i++) {
        w[i] = 0.1 + rng_uniform(21, 2, (uint64_t)i);
        sum += w[i];
    }
    for (int i = 0; i < I; i++) {
        w[i] /= sum;
    }
    for (int standardise = 0; standardise < 2; standardise++) {
        memcpy(a, score, sizeof a);
        for (int m = 0; m < M; m++) { // the same rewards in other units, with other zeros
            for (int i = 0; i < I; i++) {
                moved[m * I + i] = score[m * I + i] * (standardise ? 1 + m : 1) + 10 * m;
            }
        }
        ensemble_centre(a, w, standardise, M, I);
        ensemble_centre(moved, w, standardise, M, I);
        for (int m = 0; m < M; m++) {
            double mean = 0, var = 0;
            for (int i = 0; i < I; i++) {
                NEAR(moved[m * I + i], a[m * I + i], 1e-12, 1e-12);
                mean += w[i] * a[m * I + i];
                var += w[i] * a[m * I + i] * a[m * I + i];
            }
            NEAR(mean, 0, 0, 1e-14);
            CHECK(!standardise || fabs(var - 1) < 1e-13, "variance %g", var);
        }
    }
    // not centred, the minimum is one member
    for (int i = 0; i < M * I; i++) {
        moved[i] = score[i] + (i / I == 3 ? -100 : 0);
    }
    ensemble_combine(out, NULL, moved, ENS_WORST, 0, M, I);
    for (int i = 0; i < I; i++) {
        NEAR(out[i], score[3 * I + i] - 100, 0, 0);
    }
    ensemble_centre(moved, NULL, 0, M, I);
    memcpy(a, score, sizeof a);
    ensemble_centre(a, NULL, 0, M, I);
    ensemble_combine(out, NULL, moved, ENS_WORST, 0, M, I);
    ensemble_combine(before, NULL, a, ENS_WORST, 0, M, I);
    for (int i = 0; i < I; i++) {
        NEAR(out[i], before[i], 1e-12, 1e-12);
    }
    double flat[2] = {1, 1};
    DIES("gives every item the same score", ensemble_centre(flat, NULL, 1, 1, 2));
}

static void test_rank_correlation(void) {
    double a[40], b[40], ra[40], tied[5] = {2, 1, 2, 3, 2}, rank[5], sum = 0, mean = 0;
    for (uint64_t k = 0; k < 40; k++) {
        a[k] = rng_normal(22, 1, k);
        b[k] = a[k] + rng_normal(22, 2, k);
    }
    ranks_of(ra, a, 40);
    ranks_of(rank, tied, 5);
    const double want[5] = {3, 1, 3, 5, 3};
    for (int k = 0; k < 5; k++) {
        NEAR(rank[k], want[k], 0, 0);
    }
    for (int i = 0; i < 40; i++) { // ranks by counting: another route
        int below_a = 1, below_b = 1;
        for (int j = 0; j < 40; j++) {
            below_a += a[j] < a[i];
            below_b += b[j] < b[i];
        }
        NEAR(ra[i], below_a, 0, 0);
        sum += (below_a - below_b) * (below_a - below_b);
    }
    double rho = rank_correlation(a, b, 40);
    NEAR(rho, 1 - 6 * sum / (40.0 * (40 * 40 - 1)), 1e-12, 0);
    for (int k = 0; k < 40; k++) {
        b[k] = exp(b[k]);
    }
    NEAR(rank_correlation(a, b, 40), rho, 1e-14, 0);
    for (int k = 0; k < 40; k++) {
        b[k] = -a[k] * a[k] * a[k];
    }
    NEAR(rank_correlation(a, b, 40), -1, 1e-14, 0);
    static const double three[3] = {1, 2, 3};
    static const int order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int k = 0; k < 6; k++) {
        double other[3] = {order[k][0], order[k][1], order[k][2]};
        mean += rank_correlation(three, other, 3) / 6;
    }
    NEAR(mean, 0, 0, 1e-15);
    double constant[3] = {1, 1, 1};
    CHECK(rank_correlation(three, constant, 3) != rank_correlation(three, constant, 3), "NaN for a constant");
}

// ---- the additive reward -------------------------------------------------------------------------------------------

static double win[N * F], lose[N * F];

// Pairs judged by somebody of this taste.  copies: attribute 3 is mostly a copy of attribute 0.
static void answers(const double *taste, double copies) {
    for (uint64_t k = 0; k < N; k++) {
        double d = 0;
        for (uint64_t a = 0; a < F; a++) {
            win[k * F + a] = rng_normal(23, 1, k * F + a);
            lose[k * F + a] = rng_normal(23, 2, k * F + a);
            win[k * F + a] += a == 3 ? copies * win[k * F] : 0;
            lose[k * F + a] += a == 3 ? copies * lose[k * F] : 0;
            d += taste[a] * (win[k * F + a] - lose[k * F + a]);
        }
        if (rng_uniform(23, 3, k) > 1 / (1 + exp(-d))) {
            for (uint64_t a = 0; a < F; a++) {
                double kept = win[k * F + a];
                win[k * F + a] = lose[k * F + a];
                lose[k * F + a] = kept;
            }
        }
    }
}

// The conditions of a constrained minimum, and a second road to it.  Returns how many weights are held at zero.
static int check_additive(double *w, double lambda) {
    double grad[F], slow[F] = {0}, size = 0;
    double reached = additive_fit(w, win, lose, lambda, N, F);
    double plain = rm_bt(grad, NULL, NULL, win, lose, w, N, F);
    int held = 0;
    for (int a = 0; a < F; a++) {
        double slope = grad[a] + lambda * w[a];
        size += w[a] * w[a];
        held += w[a] == 0;
        CHECK(w[a] >= 0, "w[%d] = %g", a, w[a]);
        CHECK(w[a] > 0 ? fabs(slope) < 1e-11 : slope > 0, "w[%d] = %g, slope %g", a, w[a], slope);
    }
    NEAR(reached, plain + 0.5 * lambda * size, 1e-12, 0);
    for (int sweep = 0; sweep < 3000; sweep++) { // projected gradient steps
        rm_bt(grad, NULL, NULL, win, lose, slow, N, F);
        for (int a = 0; a < F; a++) {
            slow[a] = fmax(0, slow[a] - 0.3 * (grad[a] + lambda * slow[a]));
        }
    }
    for (int a = 0; a < F; a++) {
        NEAR(w[a], slow[a], 1e-9, 1e-10);
    }
    return held;
}

static void test_additive_fit(void) {
    static const double mixed[F] = {1, 0.5, 0, -0.8}, kind[F] = {1, 0.8, 0.9, 1.2}, hidden[F] = {2.5, 0.5, 0.3, -0.7};
    double w[F], free_[F], grad[F], none[F] = {0}, lambda = 0.01;
    answers(mixed, 0);
    int held = check_additive(w, lambda);
    CHECK(held >= 1 && held < F, "%d weights at zero", held);
    rm_map(free_, win, lose, lambda, N, F);
    CHECK(free_[3] < -0.1, "without the constraint the fourth weight is %g", free_[3]);
    // Attribute 3 copies attribute 0, so from w = 0 its weight wants to rise, and only later to fall below zero.
    answers(hidden, 1.5);
    rm_bt(grad, NULL, NULL, win, lose, none, N, F);
    rm_map(free_, win, lose, lambda, N, F);
    CHECK(grad[3] < 0 && free_[3] < -0.1, "slope at zero %g, free weight %g", grad[3], free_[3]);
    check_additive(w, lambda);
    CHECK(w[3] == 0, "fourth weight %g", w[3]);
    answers(kind, 0); // all tastes positive: the constraint does nothing
    CHECK(check_additive(w, lambda) == 0, "no weight is held");
    rm_map(free_, win, lose, lambda, N, F);
    for (int a = 0; a < F; a++) {
        CHECK(free_[a] > 0, "weight %d is %g", a, free_[a]);
        NEAR(w[a], free_[a], 1e-9, 0);
    }
    DIES("lambda must be positive", additive_fit(w, win, lose, 0, N, F));
}

static double reward_of(const double *w, const double *f) {
    double sum = 0;
    for (int a = 0; a < F; a++) {
        sum += w[a] * f[a];
    }
    return sum;
}

static void test_attribution(void) {
    double w[F] = {0.5, 0, 2, 1}, f[F] = {1, 3, -0.5, 0.2}, bar[F] = {0.1, 0.4, 0.3, 0.2}, part[F], shapley[F] = {0};
    double sum = additive_attribution(part, w, f, bar, F), total = 0;
    NEAR(sum, reward_of(w, f) - reward_of(w, bar), 1e-14, 0);
    for (int code = 0; code < 256; code++) { // all 4! orders among the 4^4 words
        int order[F] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3}, seen = 0;
        double x[F];
        for (int k = 0; k < F; k++) {
            seen |= 1 << order[k];
        }
        if (seen != 15) {
            continue;
        }
        memcpy(x, bar, sizeof x);
        for (int k = 0; k < F; k++) {
            double before = reward_of(w, x);
            x[order[k]] = f[order[k]];
            shapley[order[k]] += (reward_of(w, x) - before) / 24;
        }
    }
    for (int a = 0; a < F; a++) {
        NEAR(part[a], shapley[a], 1e-12, 1e-14);
        total += part[a];
    }
    NEAR(total, sum, 1e-14, 0);
    CHECK(part[1] == 0 && part[3] == 0, "no weight, or no deviation: no credit");
}

static void test_condition(void) {
    double two[4] = {3, 1, 1, 2}, root = sqrt(5.0), same[4] = {1, 1, 1, 1}, round[9] = {2, 0, 0, 0, 2, 0, 0, 0, 2};
    NEAR(additive_condition(two, 2), (5 + root) / (5 - root), 1e-10, 0);
    NEAR(additive_condition(round, 3), 1, 1e-12, 0);
    CHECK(additive_condition(same, 2) == INFINITY, "a repeated attribute");
    double near_same[4] = {1, 0.999, 0.999, 1};
    NEAR(additive_condition(near_same, 2), 1999, 1e-9, 0);
}

int main(void) {
    test_combine();
    test_centre();
    test_rank_correlation();
    test_additive_fit();
    test_attribution();
    test_condition();
    return report("test_ensemble");
}
