// ex2.c: exercise 2 of chapter 6.  How many answers per pair must be bought for a given error?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch06_bradley_terry/ex2.c -lm -o ex2 && ./ex2
// One check is a closed form; the other asks simulated raters exactly as often as you say and measures the error.
#include "../../ref/formula/bradley_terry.h"
#include "../../toy/feedback/raters.h"
#include "../../toy/world/arms.h"

enum { CELLS = ARMS * ARMS, RATERS = 400 };

// A table of answers (row w*ARMS + l counts "w is better than l") as bradley_terry.h wants it.
static BtGames games_of(const double wins[CELLS]) {
    static int winner[CELLS], loser[CELLS];
    static const double none[CELLS];
    BtGames g = {ARMS, CELLS, winner, loser, wins, none};
    for (int c = 0; c < CELLS; c++) {
        winner[c] = c / ARMS;
        loser[c] = c % ARMS;
    }
    return g;
}

// The smallest n such that n answers about every pair give rewards with a root mean square error of `target` or less,
// after both sides have been shifted to mean 0.
static int answers_needed(const double r[ARMS], double target) {
    double one[CELLS], cov[(ARMS + 1) * (ARMS + 1)];
    Rater rater = rater_new(1, 0, 0);
    BtGames g = games_of(one);
    rater_expected(one, NULL, r, ARMS, 1, &rater); // one answer about every pair, on average
    bt_covariance(cov, &g, r, 0, 0, 0, BT_LOGIT);  // C_ij = cov[i*(ARMS+1) + j], with arm 0 held at 0
    // EXERCISE: from C to the variance of a centred estimate, then from one answer to n
    (void)target;
    return 0;
}

// What `raters` raters get when each answers n times about every pair.
static double measured_error(double *se, const double r[ARMS], int n) {
    double wins[CELLS], fit[ARMS], sum = 0, square = 0;
    for (int s = 0; s < RATERS; s++) {
        Rater rater = rater_new(1, 6, (uint64_t)s);
        BtGames g = games_of(wins);
        double mean = 0, error = 0;
        rater_tournament(wins, NULL, r, ARMS, n, &rater, 0);
        if (bt_mle(fit, NULL, &g, 0, BT_LOGIT) != BT_OK) {
            printf("not yet: %d answers per pair leave a rater without a fit\n", n);
            exit(1);
        }
        for (int k = 0; k < ARMS; k++) {
            mean += (fit[k] - r[k]) / ARMS;
        }
        for (int k = 0; k < ARMS; k++) {
            error += (fit[k] - r[k] - mean) * (fit[k] - r[k] - mean) / ARMS;
        }
        sum += error / RATERS;
        square += error * error / RATERS;
    }
    *se = sqrt((square - sum * sum) / RATERS) / (2 * sqrt(sum));
    return sqrt(sum);
}

int main(void) {
    Arms arms = arms_new();
    double equal[ARMS] = {0}, se;
    int n = answers_needed(equal, 0.1);
    if (n != 44) { // all information weights are 1/4: the variance is 7/8 of 1/(8 n/4), so n = 7/(16 target^2) = 43.75
        printf("not yet: with equal rewards an error of 0.1 costs 44 answers per pair, you say %d\n", n);
        puts("where: the variance of a centred estimate is C_ii - 2 mean_j C_ij + mean_jk C_jk");
        puts("which formula: average it over the arms; the error is its root, and n answers divide the variance by n");
        return 1;
    }
    for (int k = 0; k < 3; k++) {
        double r[ARMS], target = 0.05 + 0.02 * k, error;
        for (int i = 0; i < ARMS; i++) {
            r[i] = (0.5 + 0.5 * k) * arms.r[i];
        }
        n = answers_needed(r, target);
        if (n < 1 || n > 10000) {
            printf("not yet: %d answers per pair for an error of %.2f\n", n, target);
            return 1;
        }
        error = measured_error(&se, r, n);
        printf("rewards x %.1f: %d answers per pair promise %.3f, %d raters got %.4f +- %.4f\n", 0.5 + 0.5 * k, n,
               target, RATERS, error, se);
        if (fabs(error - target) > 4 * se + 0.02 * target) { // 2 %: what is left of order 1/n at these n
            puts("not yet: the raters disagree");
            return 1;
        }
    }
    puts("solved: the information of one answer tells the price of any precision");
    return 0;
}
