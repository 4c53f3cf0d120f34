// ties.h: paired comparisons that may end in a tie: the models of Davidson and of Rao and Kupper, and their fits.
//
// Both have a worth pi_i for every item, e^ability of bradley_terry.h, and one parameter for ties.  Davidson's nu is
// the weight of a tie; Rao and Kupper's log theta is a threshold below which a difference is not noticed.  A tie
// counted as half a win for each side is a third estimator (BtGames with halves): its abilities have another unit.
#ifndef TILT_TIES_H
#define TILT_TIES_H

#include "../core/newton.h"
#include "bradley_terry.h"

typedef enum { DAVIDSON, RAO_KUPPER } TieModel;

// Row m: wins.wins_i[m], wins.wins_j[m] decided comparisons, and ties[m] that were not.
typedef struct {
    BtGames wins;
    const double *ties;
} TieGames;

// What ties_mle returns besides BT_OK, BT_NOT_CONNECTED and BT_DIVERGED.
enum { BT_TIES_RULE = 3 };

// ---- the chances --------------------------------------------------------------------------------------------------

// F: bt.davidson   chances of win, loss and tie                                    [chapter 6]
//   P(i) : P(j) : P(tie) = pi_i : pi_j : nu sqrt(pi_i pi_j),   margin = log(pi_i / pi_j),   nu >= 0
//   p out: i wins, j wins, tie.  Equal worths: P(tie) = nu/(2+nu), its largest value.  nu = 0: Bradley-Terry.
//   Without the ties P(i | no tie) = sigmoid(margin) for every nu.
//   source: Davidson 1970
//   check: sum 1; P(tie) largest at margin 0; the decided ones are bt.model; golden bt.davidson
static inline void davidson(double p[3], double margin, double nu) {
    double weaker = e_exp(-fabs(margin)), tie = nu * e_exp(-0.5 * fabs(margin)), all = 1 + weaker + tie;
    if (!(nu >= 0)) {
        DIE("davidson: the weight of a tie is %g; it must not be negative", nu);
    }
    p[0] = (margin >= 0 ? 1 : weaker) / all;
    p[1] = (margin >= 0 ? weaker : 1) / all;
    p[2] = tie / all;
}

// F: bt.raokupper  chances of win, loss and tie                                    [chapter 6]
//   P(i) = pi_i/(pi_i + theta pi_j),   P(tie) = (theta^2 - 1) pi_i pi_j / ((pi_i + theta pi_j)(theta pi_i + pi_j))
//   that is P(i) = sigmoid(margin - log theta), P(j) = sigmoid(-margin - log theta): a win must exceed log theta >= 0
//   p out: i wins, j wins, tie.  theta = 1: Bradley-Terry.  P(i | no tie) is NOT sigmoid(margin).
//   source: Rao and Kupper 1967
//   check: sum 1; theta = 1; the cumulative logistic form; golden bt.raokupper
static inline void rao_kupper(double p[3], double margin, double theta) {
    if (!(theta >= 1)) {
        DIE("rao_kupper: theta is %g; it must be at least 1 (1 means no ties)", theta);
    }
    p[0] = e_sigmoid(margin - e_log(theta));
    p[1] = e_sigmoid(-margin - e_log(theta));
    p[2] = (theta * theta - 1) * p[0] * p[1];
}

// Logarithms of the three chances at (margin, s), s = log nu or log theta, and their slopes in margin and in s.
static inline void tie_log_chances(double log_p[3], double slope[3][2], double margin, double s, TieModel model) {
    if (model == DAVIDSON) {
        static const double by_margin[3] = {0.5, -0.5, 0};
        double weight[3], log_all, mean = 0;
        int k;
        weight[0] = 0.5 * margin;
        weight[1] = -0.5 * margin;
        weight[2] = s;
        log_all = e_logsumexp(weight, 3);
        for (k = 0; k < 3; k++) {
            log_p[k] = weight[k] - log_all;
            mean += e_exp(log_p[k]) * by_margin[k];
        }
        for (k = 0; k < 3; k++) {
            slope[k][0] = by_margin[k] - mean;
            slope[k][1] = (k == 2) - e_exp(log_p[2]);
        }
    } else {
        double i_short = e_sigmoid(s - margin), j_short = e_sigmoid(s + margin); // chances that i, j do not win
        log_p[0] = e_log_sigmoid(margin - s);
        log_p[1] = e_log_sigmoid(-margin - s);
        log_p[2] = s > 0 ? e_log(e_expm1(2 * s)) + log_p[0] + log_p[1] : -INFINITY;
        slope[0][0] = i_short;
        slope[0][1] = -i_short;
        slope[1][0] = -j_short;
        slope[1][1] = -j_short;
        slope[2][0] = i_short - j_short;
        slope[2][1] = s > 0 ? 2 + 2 / e_expm1(2 * s) - i_short - j_short : 0; // 2 e^2s / (e^2s - 1) = 2 + 2/(e^2s - 1)
    }
}

// ---- the log-likelihood ---------------------------------------------------------------------------------------------

// F: bt.davidson bt.raokupper  log-likelihood, score and expected information      [chapter 6]
//   l = sum_m wins_i log P(i) + wins_j log P(j) + ties log P(tie);  no multinomial constant.  Concave in x.
//   x: items log worths, then s = log nu (Davidson) or log theta (Rao-Kupper).  grad: items + 1 slopes.
//   info (items+1, items+1) = sum_m n_m sum_k P_k u_k u_k',  u_k = slope of log P_k.  grad and info: NULL together.
//   Davidson: grad = 0 says 2 wins_i + ties_i = sum_j n_ij (2 P_ij + P_tie) for every i, and ties = expected ties.
//   source: Davidson 1970; Rao and Kupper 1967
//   check: finite differences of value and slope; the stated sums; golden bt.davidson bt.raokupper
static inline double ties_loglik(double *grad, double *info, const TieGames *g, const double *x, TieModel model) {
    int n = g->wins.items, w = n + 1, m, k, r, c;
    double sum = 0;
    if (grad != NULL) {
        memset(grad, 0, (size_t)w * sizeof *grad);
        memset(info, 0, (size_t)w * (size_t)w * sizeof *info);
    }
    for (m = 0; m < g->wins.rows; m++) {
        double count[3], log_p[3], slope[3][2], all, margin = x[g->wins.i[m]] - x[g->wins.j[m]];
        int at[3];
        at[0] = g->wins.i[m];
        at[1] = g->wins.j[m];
        at[2] = n;
        count[0] = g->wins.wins_i[m];
        count[1] = g->wins.wins_j[m];
        count[2] = g->ties[m];
        all = count[0] + count[1] + count[2];
        tie_log_chances(log_p, slope, margin, x[n], model);
        for (k = 0; k < 3; k++) {
            double p = e_exp(log_p[k]), u[3];
            u[0] = slope[k][0];
            u[1] = -slope[k][0];
            u[2] = slope[k][1];
            sum += count[k] > 0 ? count[k] * log_p[k] : 0;
            for (r = 0; r < 3 && grad != NULL; r++) {
                grad[at[r]] += count[k] * u[r];
                for (c = 0; c < 3; c++) {
                    info[at[r] * w + at[c]] += all * p * u[r] * u[c];
                }
            }
        }
    }
    return sum;
}

typedef struct {
    const TieGames *games;
    TieModel model;
    double precision; // of a normal prior with mean 0 for every log worth; 0: none
} TieProblem;

static inline double ties_concave_(double *grad, double *info, const double *x, const void *data) {
    const TieProblem *problem = (const TieProblem *)data;
    double value = ties_loglik(grad, info, problem->games, x, problem->model);
    int n = problem->games->wins.items, i;
    for (i = 0; i < n; i++) {
        value -= 0.5 * problem->precision * x[i] * x[i];
        if (grad != NULL) {
            grad[i] -= problem->precision * x[i];
            info[i * (n + 1) + i] += problem->precision;
        }
    }
    return value;
}

// ---- existence ------------------------------------------------------------------------------------------------------

// Is there a potential v with v_i >= v_j + 1 for every win of i over j and |v_i - v_j| <= 1 for every tie?  Then worths
// e^(a v_i) with a tie parameter that grows like e^(a/2) or e^a fit better and better as a grows.  Bellman and Ford.
static inline int ties_ladder_(const TieGames *g) {
    int *v = NEW(int, (size_t)g->wins.items);
    int pass, m, moved = 1;
    for (pass = 0; pass <= g->wins.items && moved; pass++) {
        moved = 0;
        for (m = 0; m < g->wins.rows; m++) {
            int i = g->wins.i[m], j = g->wins.j[m], tied = g->ties[m] > 0;
            int below_i = g->wins.wins_i[m] > 0 ? v[i] - 1 : tied ? v[i] + 1 : v[j]; // the highest that v_j may be
            int below_j;
            if (v[j] > below_i) {
                v[j] = below_i;
                moved = 1;
            }
            below_j = g->wins.wins_j[m] > 0 ? v[j] - 1 : tied ? v[j] + 1 : v[i];
            if (v[i] > below_j) {
                v[i] = below_j;
                moved = 1;
            }
        }
    }
    free(v);
    return !moved;
}

// F: bt.davidson bt.raokupper  when a finite fit with ties exists                  [chapter 6]
//   With at least one tie, both fits exist and are unique iff
//   (1) every item reaches every other by wins and ties (a tie is a step in both directions), and
//   (2) some closed walk along wins and ties holds more wins than ties; i beats j and j beats i is one.
//   Without (2) the items stand on a ladder, wins at least one rung down and ties at most one rung apart, and wider
//   rungs with a larger tie parameter always fit better.  Without ties: nu = 0 (theta = 1), and bt.exist decides.
//   verdict as in bt_components, may be NULL.  Returns BT_OK, BT_NOT_CONNECTED or BT_TIES_RULE.
//   source: own derivation: directions in which the concave log-likelihood never falls
//   check: agrees with Newton's method on random small tables; hand-made ladders
static inline int ties_exist(int *verdict, const TieGames *g) {
    size_t rows = (size_t)g->wins.rows;
    double *i_moves = NEW(double, rows);
    double *j_moves = NEW(double, rows), tied = 0;
    BtGames steps = g->wins;
    int m, code = BT_OK;
    for (m = 0; m < g->wins.rows; m++) {
        i_moves[m] = g->wins.wins_i[m] + g->ties[m];
        j_moves[m] = g->wins.wins_j[m] + g->ties[m];
        tied += g->ties[m];
    }
    steps.wins_i = i_moves;
    steps.wins_j = j_moves;
    if (bt_components(NULL, verdict, &steps) != 1) {
        code = BT_NOT_CONNECTED;
    } else if (tied > 0 && ties_ladder_(g)) {
        code = BT_TIES_RULE;
    }
    free(i_moves);
    free(j_moves);
    return code;
}

// ---- the fit -----------------------------------------------------------------------------------------------------

// F: bt.davidson bt.raokupper  maximum-likelihood worths and tie parameter         [chapter 6]
//   log_worth: items numbers out, log_worth[ref] = 0; tie out: nu or theta;  loglik out, may be NULL
//   se out, may be NULL: standard errors of the items log worths (0 for ref), then of nu or theta itself, from the
//   inverse expected information.  They are errors of log_worth_i - log_worth_ref; ties_covariance has the others.
//   A table without ties: the fit of bt.mle, nu = 0 or theta = 1 exactly, and 0 for its error (an end of its range).
//   Returns BT_OK; BT_NOT_CONNECTED or BT_TIES_RULE: no finite fit, nothing written; BT_DIVERGED: worths beyond e^30.
//   source: Davidson 1970; Rao and Kupper 1967
//   check: stationarity; nu = 0 on tables without ties; expected tables give the truth back; golden bt.davidson
static inline int ties_mle(double *log_worth, double *tie, double *se, double *loglik, const TieGames *g, int ref,
                           TieModel model) {
    int n = g->wins.items, w = n + 1, code = ties_exist(NULL, g), m, k;
    double tied = 0, decided = 0;
    for (m = 0; m < g->wins.rows; m++) {
        tied += g->ties[m];
        decided += g->wins.wins_i[m] + g->wins.wins_j[m];
    }
    if (code != BT_OK) {
        return code;
    }
    if (tied == 0) {
        code = bt_mle(log_worth, loglik, &g->wins, ref, BT_LOGIT);
        if (se != NULL && code == BT_OK) {
            code = bt_standard_errors(se, &g->wins, log_worth, ref, BT_LOGIT) == 0 ? BT_OK : BT_DIVERGED;
            se[n] = 0;
        }
        *tie = model == DAVIDSON ? 0 : 1;
    } else {
        double *x = NEW(double, (size_t)w), *grad = NEW(double, (size_t)w);
        double *info = NEW(double, (size_t)w *(size_t)w), *cov = NEW(double, (size_t)w *(size_t)w), value;
        TieProblem problem;
        problem.games = g;
        problem.model = model;
        problem.precision = 0;
        x[n] = model == DAVIDSON ? e_log(2 * tied / decided) : e_log1p(2 * tied / decided); // the fit of equal worths
        code = newton_ascent(x, w, ref, ties_concave_, &problem) == 0 ? BT_OK : BT_DIVERGED;
        value = ties_loglik(grad, info, g, x, model);
        memcpy(log_worth, x, (size_t)n * sizeof *x);
        *tie = e_exp(x[n]);
        if (loglik != NULL) {
            *loglik = value;
        }
        if (se != NULL && code == BT_OK && inverse_held(cov, info, w, ref) != 0) {
            code = BT_DIVERGED;
        }
        for (k = 0; k < w && se != NULL; k++) {
            se[k] = sqrt(cov[k * w + k]) * (k == n ? *tie : 1); // of log nu, then of nu
        }
        free(x);
        free(grad);
        free(info);
        free(cov);
    }
    return code;
}

// F: bt.davidson bt.raokupper  the fit with a prior, for tables with few answers      [chapter 6]
//   maximum of l(x) - sum_i theta_i^2 / (2 sd^2): log worths that are normal with mean 0 before anybody is asked
//   log_worth: items numbers out, their sum is 0;  tie out: nu or theta, without a prior of its own
//   cov (items+1, items+1) out: inverse of (expected information + 1/sd^2), roughly the covariance that remains; the
//   last row is that of log nu or log theta, zeros without ties.  sd > 0, log units; sd -> inf: ties_mle.
//   Exists whenever anything was decided.  Returns BT_OK, BT_TIES_RULE (ties alone) or BT_DIVERGED.
//   source: Gaussian prior; Davidson 1970; Rao and Kupper 1967
//   check: one game in closed form; sd -> inf; truths drawn from the prior lie as far off as cov says
static inline int ties_map(double *log_worth, double *tie, double *cov, const TieGames *g, double sd, TieModel model) {
    int n = g->wins.items, w = n + 1, code = BT_OK, m;
    double tied = 0, decided = 0, *x, *grad, *info;
    TieProblem problem;
    if (!(sd > 0)) {
        DIE("ties_map: the prior has the standard deviation %g; it must be positive", sd);
    }
    for (m = 0; m < g->wins.rows; m++) {
        tied += g->ties[m];
        decided += g->wins.wins_i[m] + g->wins.wins_j[m];
    }
    if (decided == 0) {
        return BT_TIES_RULE;
    }
    x = NEW(double, (size_t)w);
    grad = NEW(double, (size_t)w);
    info = NEW(double, (size_t)w *(size_t)w);
    problem.games = g;
    problem.model = model;
    problem.precision = 1 / (sd * sd);
    x[n] = model == DAVIDSON ? (tied > 0 ? e_log(2 * tied / decided) : -INFINITY) : e_log1p(2 * tied / decided);
    if (newton_ascent(x, w, tied > 0 ? -1 : n, ties_concave_, &problem) != 0) { // without ties nu stays 0
        code = BT_DIVERGED;
    }
    ties_concave_(grad, info, x, &problem);
    if (inverse_held(cov, info, w, tied > 0 ? -1 : n) != 0) {
        code = BT_DIVERGED;
    }
    memcpy(log_worth, x, (size_t)n * sizeof *x);
    *tie = e_exp(x[n]);
    free(x);
    free(grad);
    free(info);
    return code;
}

// cov (items+1, items+1): covariance of the log worths and, last, of log nu or log theta, with ref held at 0; zeros for
// ref.  tie > 0 (log theta > 0).  Returns 0, or 1 when the information is singular.
static inline int ties_covariance(double *cov, const TieGames *g, const double *log_worth, double tie, int ref,
                                  TieModel model) {
    int n = g->wins.items, bad;
    size_t w = (size_t)n + 1;
    double *x = NEW(double, w), *grad = NEW(double, w), *info = NEW(double, w *w);
    memcpy(x, log_worth, (size_t)n * sizeof *x);
    x[n] = e_log(tie);
    ties_loglik(grad, info, g, x, model);
    bad = inverse_held(cov, info, n + 1, ref);
    free(x);
    free(grad);
    free(info);
    return bad;
}

#endif
