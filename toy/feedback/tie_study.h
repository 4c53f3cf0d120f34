// tie_study.h: three ways to treat ties, measured on raters whose law is known: model them (Davidson), drop them, or
// count each as half a win.
//
// Davidson raters of raters.h judge all pairs of the eight arms.  Limits are fits of the expected table, so they show
// bias without noise; the rest is measured over many raters.
#ifndef TILT_TIE_STUDY_H
#define TILT_TIE_STUDY_H

#include "arms_fit.h"
#include "raters.h"

typedef enum { TIES_MODELLED, TIES_DROPPED, TIES_HALVED, TIE_WAYS } TieWay;
static const char *const tie_way_names[TIE_WAYS] = {"modelled", "dropped", "halves"};

// Rewards (mean 0), their variances by the information of the fit, and the tie weight with its standard error (0 unless
// modelled) from a table of wins and ties.  Returns what the fits return.
static inline int tie_way_fit(double r[ARMS], double var[ARMS], double nu[2], const double wins[ARM_CELLS],
                              const double ties[ARM_CELLS], TieWay way) {
    double cov[(ARMS + 1) * (ARMS + 1)], once[ARM_CELLS], halved[ARM_CELLS], se[ARMS + 1];
    int code, c;
    nu[0] = nu[1] = 0;
    if (way == TIES_MODELLED) {
        TieGames g = arms_tie_games(once, wins, ties);
        code = ties_mle(r, &nu[0], se, NULL, &g, 0, DAVIDSON);
        if (code == BT_OK) {
            nu[1] = se[ARMS];
            code = ties_covariance(cov, &g, r, nu[0], 0, DAVIDSON) == 0 ? BT_OK : BT_DIVERGED;
        }
        if (code == BT_OK) {
            bt_centre(r, var, cov, ARMS, ARMS + 1);
        }
        return code;
    }
    for (c = 0; c < ARM_CELLS; c++) {
        halved[c] = wins[c] + (way == TIES_HALVED ? 0.5 * ties[c] : 0);
    }
    code = arms_fit(r, halved);
    if (code == BT_OK) {
        arms_fisher_variance(var, halved, r);
    }
    return code;
}

// The expected table of one question per pair when the rater follows Rao and Kupper.
static inline void rao_kupper_expected(double wins[ARM_CELLS], double ties[ARM_CELLS], const double r[ARMS],
                                       double theta) {
    int c;
    for (c = 0; c < ARM_CELLS; c++) {
        double p[3];
        rao_kupper(p, r[c / ARMS] - r[c % ARMS], theta);
        wins[c] = c / ARMS == c % ARMS ? 0 : p[0];
        ties[c] = c / ARMS == c % ARMS ? 0 : p[2];
    }
}

typedef struct {
    int raters, per_pair;
    double tie_share;                       // expected share of ties among the answers
    double limit[TIE_WAYS][ARMS];           // fit of the expected table
    double promised[TIE_WAYS];              // rms error x sqrt(per_pair) by the information at the limit
    double rms[TIE_WAYS], rms_se[TIE_WAYS]; // the same measured, around the limit
    double z2[TIE_WAYS];                    // mean of (error / own standard error)^2: 1 when the errors are honest
    double excess, excess_se;               // mean squared error of dropped over modelled, minus 1
    double nu, nu_se, nu_own_se, nu_z2;     // mean fit, its standard error, mean reported error, mean z^2
} TieStudy;

// `raters` raters with this tie weight answer per_pair questions about each pair, from streams stream, stream + 1, ...
static inline TieStudy tie_study(const double r[ARMS], double tie, int raters, int per_pair, uint64_t seed,
                                 uint64_t stream) {
    double wins[ARM_CELLS], ties[ARM_CELLS], fit[ARMS], var[ARMS], nu[2], nu_square = 0, cross = 0;
    double sum[TIE_WAYS] = {0}, square[TIE_WAYS] = {0};
    Rater rater = rater_new(1, seed, stream);
    TieStudy s;
    int way, k, n;
    memset(&s, 0, sizeof s);
    s.raters = raters;
    s.per_pair = per_pair;
    rater.tie = tie;
    rater_expected(wins, ties, r, ARMS, 1, &rater);
    for (k = 0; k < ARM_CELLS; k++) {
        s.tie_share += ties[k] / (ARMS * (ARMS - 1));
    }
    for (way = 0; way < TIE_WAYS; way++) {
        if (tie_way_fit(s.limit[way], var, nu, wins, ties, (TieWay)way) != BT_OK) {
            DIE("tie_study: no fit of the expected table (tie weight %g); it must be positive", tie);
        }
        for (k = 0; k < ARMS; k++) {
            s.promised[way] += var[k] / ARMS;
        }
        s.promised[way] = sqrt(s.promised[way]);
    }
    for (n = 0; n < raters; n++) {
        double error[TIE_WAYS];
        rater.stream = stream + (uint64_t)n;
        rater_tournament(wins, ties, r, ARMS, per_pair, &rater, 0);
        for (way = 0; way < TIE_WAYS; way++) {
            if (tie_way_fit(fit, var, nu, wins, ties, (TieWay)way) != BT_OK) {
                DIE("tie_study: rater %d left no fit with %d questions per pair; ask more", n, per_pair);
            }
            error[way] = arms_mean_square(fit, s.limit[way]);
            sum[way] += error[way] / raters;
            square[way] += error[way] * error[way] / raters;
            for (k = 0; k < ARMS; k++) {
                double off = fit[k] - s.limit[way][k];
                s.z2[way] += off * off / var[k] / (ARMS * raters);
            }
            if (way == TIES_MODELLED) {
                s.nu += nu[0] / raters;
                nu_square += nu[0] * nu[0] / raters;
                s.nu_own_se += nu[1] / raters;
                s.nu_z2 += (nu[0] - tie) * (nu[0] - tie) / (nu[1] * nu[1]) / raters;
            }
        }
        cross += error[TIES_MODELLED] * error[TIES_DROPPED] / raters;
    }
    for (way = 0; way < TIE_WAYS; way++) {
        s.rms[way] = sqrt(sum[way] * per_pair);
        s.rms_se[way] = sqrt((square[way] - sum[way] * sum[way]) / raters) / (2 * sqrt(sum[way])) * sqrt(per_pair);
    }
    // a quotient of means a/b over the same raters: variance of (a_n - q b_n) / b
    s.excess = sum[TIES_DROPPED] / sum[TIES_MODELLED] - 1;
    s.excess_se = sqrt((square[TIES_DROPPED] - 2 * (1 + s.excess) * cross +
                        (1 + s.excess) * (1 + s.excess) * square[TIES_MODELLED]) /
                       raters) /
                  sum[TIES_MODELLED];
    s.nu_se = sqrt((nu_square - s.nu * s.nu) / raters);
    return s;
}

// What the information of the two fits promises for s->excess when per_pair is large.
static inline double tie_study_excess(const TieStudy *s) {
    double ratio = s->promised[TIES_DROPPED] / s->promised[TIES_MODELLED];
    return ratio * ratio - 1;
}

static inline void tie_study_print(const TieStudy *s) {
    int way;
    printf("tie_share %.4f\n", s->tie_share);
    printf("nu_mean %.4f\nnu_mean_se %.4f\nnu_own_se %.4f\n", s->nu, s->nu_se, s->nu_own_se);
    for (way = 0; way < TIE_WAYS; way++) {
        const char *name = tie_way_names[way];
        printf("rms_%s %.4f\nrms_se_%s %.4f\nfisher_%s %.4f\nz2_%s %.3f\n", name, s->rms[way], name, s->rms_se[way],
               name, s->promised[way], name, s->z2[way]);
    }
    printf("dropped_excess_percent %.2f\ndropped_excess_se_percent %.2f\n", 100 * s->excess, 100 * s->excess_se);
    printf("dropped_excess_fisher_percent %.2f\n", 100 * tie_study_excess(s));
}

#endif
