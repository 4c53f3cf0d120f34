// ranking.h: abilities from rankings of several things: Plackett-Luce, its fits, and rankings as pairs.
//
// A ranking is built from the top: the first place goes to item i with chance worth_i / (sum of worths), the second is
// drawn in the same way among the rest, and so on.  With two items this is Bradley-Terry.
#ifndef TILT_RANKING_H
#define TILT_RANKING_H

#include "../core/newton.h"
#include "win_graph.h"

// Row m ranks some of the items, best first; -1 fills the row when it ranks fewer than `width`.
typedef struct {
    int items, rows, width;
    const int *orders; // (rows, width), 0-based items
} Rankings;

// What pl_mle returns.
enum { PL_OK = 0, PL_NOT_CONNECTED = 1, PL_DIVERGED = 2 };

// How many items row m ranks.
static inline int ranking_length(const Rankings *r, int m) {
    int length = 0;
    while (length < r->width && r->orders[m * r->width + length] >= 0) {
        length++;
    }
    return length;
}

// Items in range, each at most once in a row, at least two of them, nothing behind the first -1.  Dies otherwise.
static inline void rankings_check(const Rankings *r) {
    int m, k, l;
    for (m = 0; m < r->rows; m++) {
        const int *order = r->orders + m * r->width;
        int length = ranking_length(r, m);
        if (length < 2) {
            DIE("rankings: row %d ranks %d items; a ranking needs at least 2", m, length);
        }
        for (k = 0; k < r->width; k++) {
            if (order[k] >= r->items || (k >= length && order[k] != -1)) {
                DIE("rankings: row %d has %d at place %d; items are 0..%d, and -1 only fills the end of a row", m,
                    order[k], k, r->items - 1);
            }
            for (l = 0; l < k && k < length; l++) {
                if (order[l] == order[k]) {
                    DIE("rankings: row %d ranks item %d twice, at places %d and %d", m, order[k], l, k);
                }
            }
        }
    }
}

// ---- the model ------------------------------------------------------------------------------------------------------

// F: pl.model    log-chance of one ranking                                         [chapter 6]
//   log P = sum_{k=0}^{m-2} [ theta_{order_k} - log sum_{l >= k} e^{theta_{order_l}} ];   the last place is certain
//   theta: log worths of all items; order: m of them, best first.  m = 2: log sigmoid(theta_0 - theta_1).
//   Which other items are ranked does not change the odds of two of them for a place (Luce's choice axiom).
//   source: Plackett 1975; Luce 1959
//   check: all m! rankings sum to 1; m = 2 is bt.model; odds of two items do not depend on a third
static inline double pl_log_probability(const double *theta, const int *order, int m) {
    double log_rest = theta[order[m - 1]], sum = 0; // log of the summed worths of the places behind
    int k;
    for (k = m - 2; k >= 0; k--) {
        double ahead = theta[order[k]] - log_rest;
        sum += e_log_sigmoid(ahead);
        log_rest += e_softplus(ahead);
    }
    return sum;
}

// F: pl.model    log-likelihood, score and information                             [chapter 6]
//   l = sum of the rows' log P;   grad_i = (stages that i wins) - sum over stages with i of e^{theta_i} / sum
//   info = sum over stages of diag(p) - p p',  p = chances of that stage;  it is minus the Hessian
//   A row of m items has m - 1 stages; l is concave in theta.  grad (items), info (items, items): NULL together.
//   source: Hunter 2004
//   check: finite differences; a shift of all log worths changes nothing; golden pl.mle
static inline double pl_loglik(double *grad, double *info, const Rankings *r, const double *theta) {
    double sum = 0, *p = NEW(double, (size_t)r->width);
    int n = r->items, m, k, a, b;
    if (grad != NULL) {
        memset(grad, 0, (size_t)n * sizeof *grad);
        memset(info, 0, (size_t)n * (size_t)n * sizeof *info);
    }
    for (m = 0; m < r->rows; m++) {
        const int *order = r->orders + m * r->width;
        int length = ranking_length(r, m);
        sum += pl_log_probability(theta, order, length);
        for (k = 0; k < length - 1 && grad != NULL; k++) {
            double log_all;
            for (a = k; a < length; a++) {
                p[a] = theta[order[a]];
            }
            log_all = e_logsumexp(p + k, (size_t)(length - k));
            grad[order[k]] += 1;
            for (a = k; a < length; a++) {
                p[a] = e_exp(p[a] - log_all);
                grad[order[a]] -= p[a];
            }
            for (a = k; a < length; a++) {
                info[order[a] * n + order[a]] += p[a];
                for (b = k; b < length; b++) {
                    info[order[a] * n + order[b]] -= p[a] * p[b];
                }
            }
        }
    }
    free(p);
    return sum;
}

static inline double pl_concave_(double *grad, double *info, const double *x, const void *data) {
    return pl_loglik(grad, info, (const Rankings *)data, x);
}

// ---- existence ------------------------------------------------------------------------------------------------------

// F: pl.model    when the maximum-likelihood worths exist                          [chapter 6]
//   "Above in some ranking" takes the place of "beat" in bt.exist: a fit exists iff everybody stands above everybody,
//   directly or through a chain.  An item that is last in every ranking wants the worth 0, log worth -inf.
//   verdict (items, may be NULL) and the return value, the number of groups, as in bt_components: 1 means a fit exists.
//   source: Hunter 2004
//   check: hand-made rankings; the fit runs away exactly when it says so
static inline int pl_components(int *verdict, const Rankings *r) {
    size_t cells = (size_t)r->rows * (size_t)r->width;
    int *above = NEW(int, cells), *below = NEW(int, cells), m, k, groups;
    double *one = NEW(double, cells), *none = NEW(double, cells);
    BtGames g;
    g.items = r->items;
    g.rows = 0;
    g.i = above;
    g.j = below;
    g.wins_i = one;
    g.wins_j = none;
    for (m = 0; m < r->rows; m++) {
        for (k = 0; k + 1 < ranking_length(r, m); k++) { // neighbours are enough: the rest are chains of them
            above[g.rows] = r->orders[m * r->width + k];
            below[g.rows] = r->orders[m * r->width + k + 1];
            one[g.rows++] = 1;
        }
    }
    groups = bt_components(NULL, verdict, &g);
    free(above);
    free(below);
    free(one);
    free(none);
    return groups;
}

// Dies, and names an item, when no finite fit exists.
static inline void pl_require(const Rankings *r) {
    int *verdict = NEW(int, (size_t)r->items), groups = pl_components(verdict, r), i = 0, of;
    while (i < r->items - 1 && verdict[i] != -1) { // who is always last is the usual trouble
        i++;
    }
    for (i = verdict[i] == -1 ? i : 0; i < r->items - 1 && verdict[i] == 0;) {
        i++;
    }
    of = verdict[i];
    free(verdict);
    if (groups != 1) {
        DIE("rankings: item %d (alone or with others) is never ranked %s the rest, so its log worth is %s; leave it "
            "out",
            i,
            of == -1  ? "above"
            : of == 1 ? "below"
                      : "together with",
            of == -1  ? "-infinity: it always finishes last"
            : of == 1 ? "+infinity"
                      : "on no common scale");
    }
}

// ---- the fits ----------------------------------------------------------------------------------------------------

// F: pl.mle      maximum-likelihood log worths, by Newton's method                 [chapter 6]
//   log_worth: items numbers out, log_worth[ref] = 0.  loglik, se out, may be NULL: se from the inverse information
//   without row and column ref, so errors of log_worth_i - log_worth_ref; 0 for ref.
//   Returns PL_OK; PL_NOT_CONNECTED: no finite fit, nothing written, pl_require says who; PL_DIVERGED: beyond e^30.
//   source: Hunter 2004
//   check: score zero; limit of pl.mm; two items are bt.mle; golden pl.mle
static inline int pl_mle(double *log_worth, double *loglik, double *se, const Rankings *r, int ref) {
    int n = r->items, code = PL_OK, k;
    size_t cells = (size_t)n * (size_t)n;
    double *x, *grad, *info, *cov, value;
    rankings_check(r);
    if (pl_components(NULL, r) != 1) {
        return PL_NOT_CONNECTED;
    }
    x = NEW(double, (size_t)n);
    grad = NEW(double, (size_t)n);
    info = NEW(double, cells);
    cov = NEW(double, cells);
    if (newton_ascent(x, n, ref, pl_concave_, r) != 0) {
        code = PL_DIVERGED;
    }
    value = pl_loglik(grad, info, r, x);
    if (inverse_held(cov, info, n, ref) != 0) {
        code = PL_DIVERGED;
    }
    for (k = 0; k < n; k++) {
        log_worth[k] = x[k];
        if (se != NULL) {
            se[k] = sqrt(cov[k * n + k]);
        }
    }
    if (loglik != NULL) {
        *loglik = value;
    }
    free(x);
    free(grad);
    free(info);
    free(cov);
    return code;
}

// F: pl.mm       one minorise-maximise step for the worths                         [chapter 6]
//   next_i = W_i / sum over stages with i of 1/(sum of worths in that stage),   W_i = number of stages that i wins
//   next, worth: items numbers, worth > 0; not normalised, so divide by the sum if you like (only ratios matter).
//   Never lowers the likelihood.  An item that is always last gets the worth 0 at once: see pl_require.
//   source: Hunter 2004
//   check: likelihood never falls; limit equals pl.mle; golden pl.mm
static inline void pl_mm_step(double *next, const double *worth, const Rankings *r) {
    double *won = NEW(double, (size_t)r->items), *passed = NEW(double, (size_t)r->items);
    int m, k, i;
    for (m = 0; m < r->rows; m++) {
        const int *order = r->orders + m * r->width;
        int length = ranking_length(r, m);
        double rest = 0, sum = 0; // 1/rest summed over the stages that item k has been in
        for (k = 0; k < length; k++) {
            rest += worth[order[k]];
        }
        for (k = 0; k < length; k++) {
            sum += k < length - 1 ? 1 / rest : 0; // the last place is no choice
            passed[order[k]] += sum;
            won[order[k]] += k < length - 1;
            rest -= worth[order[k]];
        }
    }
    for (i = 0; i < r->items; i++) {
        next[i] = won[i] / passed[i];
    }
    free(won);
    free(passed);
}

// F: pl.pairs    a ranking as pairs: the loss of ImageReward and InstructGPT       [chapters 6, 8]
//   L = (1/rows) sum over rows [ mean over the m(m-1)/2 pairs (above, below) of -log sigmoid(r_above - r_below) ]
//   r: rewards of all items (network outputs), here one row per prompt; dr = dL/dr, same size.
//   A long ranking weighs as much as a short one.  Its pairs are not independent, so standard errors that count them as
//   answers are too small; and the minimum is not pl.mle.  Equal rewards: L = ln 2.
//   source: Ouyang et al. 2022, arXiv 2203.02155; Xu et al. 2023, arXiv 2304.05977
//   check: finite differences; rows of two are the mean of bt.loss; a doubled row changes nothing but its weight
static inline double pl_pairs(real *dr, const real *r, const Rankings *rankings) {
    double loss = 0;
    int i, m, k, l;
    for (i = 0; i < rankings->items; i++) {
        dr[i] = 0;
    }
    for (m = 0; m < rankings->rows; m++) {
        const int *order = rankings->orders + m * rankings->width;
        int length = ranking_length(rankings, m);
        double share = 1 / (0.5 * length * (length - 1) * rankings->rows);
        for (k = 0; k < length; k++) {
            for (l = k + 1; l < length; l++) {
                double ahead = (double)r[order[k]] - (double)r[order[l]];
                real slope = (real)(share * e_sigmoid(-ahead));
                loss += share * e_softplus(-ahead);
                dr[order[k]] -= slope;
                dr[order[l]] += slope;
            }
        }
    }
    return loss;
}

#endif
