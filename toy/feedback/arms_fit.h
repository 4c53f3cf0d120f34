// arms_fit.h: the rewards of the eight arms, fitted to a table of answers about all pairs.
//
// A table has ARMS x ARMS numbers: wins[w*ARMS + l] counts "w is better than l".  Fits have mean 0, as the truth.
#ifndef TILT_ARMS_FIT_H
#define TILT_ARMS_FIT_H

#include "../../ref/formula/ties.h"
#include "../world/arms.h"

enum { ARM_CELLS = ARMS * ARMS };

// The table in the form of bradley_terry.h: row w*ARMS + l.
static inline BtGames arms_games(const double wins[ARM_CELLS]) {
    static int winner[ARM_CELLS], loser[ARM_CELLS];
    static const double none[ARM_CELLS] = {0};
    BtGames g;
    int c;
    for (c = 0; c < ARM_CELLS; c++) {
        winner[c] = c / ARMS;
        loser[c] = c % ARMS;
    }
    g.items = ARMS;
    g.rows = ARM_CELLS;
    g.i = winner;
    g.j = loser;
    g.wins_i = wins;
    g.wins_j = none;
    return g;
}

// The same with ties: raters.h counts a tie in both triangles, a row of ties.h counts it once; once (ARM_CELLS) out.
static inline TieGames arms_tie_games(double once[ARM_CELLS], const double wins[ARM_CELLS],
                                      const double ties[ARM_CELLS]) {
    TieGames g;
    int c;
    for (c = 0; c < ARM_CELLS; c++) {
        once[c] = c / ARMS < c % ARMS ? ties[c] : 0;
    }
    g.wins = arms_games(wins);
    g.ties = once;
    return g;
}

// Shifts r to mean 0, as the true rewards have it.
static inline void arms_centre(double r[ARMS]) {
    double mean = 0;
    int k;
    for (k = 0; k < ARMS; k++) {
        mean += r[k] / ARMS;
    }
    for (k = 0; k < ARMS; k++) {
        r[k] -= mean;
    }
}

// Newton's method.  Returns what bt_mle returns; r is shifted to mean 0 when it is BT_OK.
static inline int arms_fit(double r[ARMS], const double wins[ARM_CELLS]) {
    BtGames g = arms_games(wins);
    int code = bt_mle(r, NULL, &g, 0, BT_LOGIT);
    if (code == BT_OK) {
        arms_centre(r);
    }
    return code;
}

// Variance of each of these estimates by the Fisher information of the answers at rewards r.  Returns the mean.
static inline double arms_fisher_variance(double var[ARMS], const double wins[ARM_CELLS], const double r[ARMS]) {
    double cov[(ARMS + 1) * (ARMS + 1)];
    BtGames g = arms_games(wins);
    if (bt_covariance(cov, &g, r, 0, 0, 0, BT_LOGIT) != 0) {
        DIE("arms_fisher_variance: the information is singular; every arm needs answers that tie it to the others");
    }
    return bt_centre(NULL, var, cov, ARMS, ARMS + 1);
}

static inline double arms_mean_square(const double a[ARMS], const double b[ARMS]) {
    double sum = 0;
    int k;
    for (k = 0; k < ARMS; k++) {
        sum += (a[k] - b[k]) * (a[k] - b[k]) / ARMS;
    }
    return sum;
}

#endif
