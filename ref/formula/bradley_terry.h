// bradley_terry.h: abilities from paired comparisons: the loss, the maximum-likelihood fit, its errors.
//
// P(i beats j) = sigmoid(theta_i - theta_j) (Bradley-Terry) or Phi(theta_i - theta_j) (Thurstone, probit).  Only
// differences mean anything, so one item, `ref`, is held at 0.  Made for up to a few hundred items.
#ifndef TILT_BRADLEY_TERRY_H
#define TILT_BRADLEY_TERRY_H

#include "../core/linalg.h"
#include "normal.h"
#include "win_graph.h"

typedef enum { BT_LOGIT, BT_PROBIT } BtLink;

// What bt_mle and bt_home return.
enum { BT_OK = 0, BT_NOT_CONNECTED = 1, BT_DIVERGED = 2 };

// F: bt.model bt.shift bt.thurstone  chance that i beats j                         [chapter 6]
//   logit: P = sigmoid(margin),   probit: P = Phi(margin),   margin = theta_i - theta_j (+ home effect)
//   A probit margin is about 1/1.65 of the logit margin for the same P.   A shift of all theta changes no P.
//   source: Bradley and Terry 1952; Hunter 2004 eq. (1); Thurstone 1927 (probit)
//   check: P_ij + P_ji = 1; shift invariance; golden bt.mle
static inline double bt_probability(double margin, BtLink link) {
    return link == BT_PROBIT ? normal_cdf(margin) : e_sigmoid(margin);
}

// log P of the same chance, finite far into the tail.
static inline double bt_log_probability(double margin, BtLink link) {
    return link == BT_PROBIT ? normal_log_cdf(margin) : e_log_sigmoid(margin);
}

// F: bt.loss     Bradley-Terry loss of one pair                                    [chapter 6]
//   L = -log sigmoid(r_w - r_l) = softplus(-(r_w - r_l)),   dL/dr_w = -sigmoid(-(r_w - r_l)) = -dL/dr_l
//   r_w, r_l: rewards of winner and loser, any unit.  Equal rewards: L = ln 2, the value of every untrained model.
//   source: Bradley and Terry 1952
//   check: finite differences; ln 2; slopes at +-800; the mean of sigmoids as mutant
static inline double bt_loss(double *dr_w, double *dr_l, double r_w, double r_l) {
    double slope = -e_sigmoid(-(r_w - r_l));
    *dr_w = slope;
    *dr_l = -slope;
    return e_softplus(-(r_w - r_l));
}

// ---- the fit ------------------------------------------------------------------------------------------------------

// F: bt.loglik   log-likelihood of abilities                                       [chapter 6]
//   l = sum_m wins_i log P_m + wins_j log(1 - P_m),   P_m = P(theta_i - theta_j + home);  no binomial constant
//   source: Hunter 2004
//   check: finite differences against bt_score; golden bt.mle
static inline double bt_loglik(const BtGames *g, const double *ability, double home, BtLink link) {
    double sum = 0;
    int m;
    for (m = 0; m < g->rows; m++) {
        double margin = ability[g->i[m]] - ability[g->j[m]] + home;
        sum += g->wins_i[m] > 0 ? g->wins_i[m] * bt_log_probability(margin, link) : 0;
        sum += g->wins_j[m] > 0 ? g->wins_j[m] * bt_log_probability(-margin, link) : 0;
    }
    return sum;
}

// F: bt.deviance  twice the log-likelihood lost against a free P in every row      [chapter 6]
//   D = 2 sum_m [ wins_i log(wins_i/(n P)) + wins_j log(wins_j/(n (1-P))) ],   n = wins_i + wins_j,  0 log 0 = 0
//   Depends on how the comparisons are split into rows: compare it between models of the same rows only.
//   source: GLM theory
//   check: golden bt.mle
static inline double bt_deviance(const BtGames *g, const double *ability, double home, BtLink link) {
    double saturated = 0;
    int m;
    for (m = 0; m < g->rows; m++) {
        double a = g->wins_i[m], b = g->wins_j[m];
        saturated += a > 0 ? a * e_log(a / (a + b)) : 0;
        saturated += b > 0 ? b * e_log(b / (a + b)) : 0;
    }
    return 2 * (saturated - bt_loglik(g, ability, home, link));
}

// F: bt.fisher   score and expected Fisher information                             [chapter 6]
//   score_i = dl/dtheta_i = sum over games of (wins - expected wins) f/(P(1-P)),   f = dP/dmargin
//   info_ii = sum_j n_ij w_ij,  info_ij = -n_ij w_ij,  w = f^2/(P(1-P));   logit: f = P(1-P), so w = P_ij P_ji
//   A weighted graph Laplacian: info times the vector of ones is 0, rank items - 1.
//   The last row and column belong to the home effect: score (n+1), info (n+1,n+1) with n = items.
//   score may be NULL.
//   source: GLM theory
//   check: finite differences of bt_loglik; info 1 = 0; golden bt.fisher
static inline void bt_information(double *score, double *info, const BtGames *g, const double *ability, double home,
                                  BtLink link) {
    int n = g->items, w = g->items + 1, m, r, c;
    memset(info, 0, (size_t)w * (size_t)w * sizeof *info);
    for (r = 0; r < w && score != NULL; r++) {
        score[r] = 0;
    }
    for (m = 0; m < g->rows; m++) {
        double margin = ability[g->i[m]] - ability[g->j[m]] + home;
        double slope, weight; // dl/dmargin; expected -d2l/dmargin2
        int at[3];
        double sign[3] = {1, -1, 1};
        at[0] = g->i[m];
        at[1] = g->j[m];
        at[2] = n;
        if (link == BT_PROBIT) {
            slope = g->wins_i[m] * normal_score(margin) - g->wins_j[m] * normal_score(-margin);
            weight = (g->wins_i[m] + g->wins_j[m]) * normal_score(margin) * normal_score(-margin);
        } else {
            slope = g->wins_i[m] * e_sigmoid(-margin) - g->wins_j[m] * e_sigmoid(margin);
            weight = (g->wins_i[m] + g->wins_j[m]) * e_sigmoid(margin) * e_sigmoid(-margin);
        }
        for (r = 0; r < 3; r++) {
            if (score != NULL) {
                score[at[r]] += sign[r] * slope;
            }
            for (c = 0; c < 3; c++) {
                info[at[r] * w + at[c]] += sign[r] * sign[c] * weight;
            }
        }
    }
}

// The free parameters: all items but ref, then (with_home) the home effect.  free_[k] = index into score/info.
static inline int bt_free_parameters(int *free_, int items, int ref, int with_home) {
    int k = 0, i;
    for (i = 0; i < items; i++) {
        if (i != ref) {
            free_[k++] = i;
        }
    }
    if (with_home) {
        free_[k++] = items;
    }
    return k;
}

// cov (n+1,n+1), n = items: inverse of the information without the row and column of ref (and of home, unless
// with_home), zeros there.  Var(theta_i - theta_j) = cov_ii + cov_jj - 2 cov_ij.  Returns 0, or 1 if singular.
static inline int bt_covariance(double *cov, const BtGames *g, const double *ability, double home, int ref,
                                int with_home, BtLink link) {
    int w = g->items + 1, k, r, c, bad;
    size_t cells = (size_t)w * (size_t)w;
    double *info = NEW(double, cells);
    double *small = NEW(double, cells);
    int *free_ = NEW(int, (size_t)w);
    bt_information(NULL, info, g, ability, home, link);
    k = bt_free_parameters(free_, g->items, ref, with_home);
    for (r = 0; r < k; r++) {
        for (c = 0; c < k; c++) {
            small[r * k + c] = info[free_[r] * w + free_[c]];
        }
    }
    bad = cholesky(small, small, k) != 0;
    memset(cov, 0, cells * sizeof *cov);
    if (!bad) {
        cholesky_inverse(info, small, k); // info is free to hold the k x k inverse
        for (r = 0; r < k; r++) {
            for (c = 0; c < k; c++) {
                cov[free_[r] * w + free_[c]] = info[r * k + c];
            }
        }
    }
    free(info);
    free(small);
    free(free_);
    return bad;
}

// Abilities with mean 0 in place of theta_ref = 0, and the variances of these: they do not depend on ref.
//   var_i = C_ii - 2 mean_j C_ij + mean_jk C_jk,   C = the items x items corner of cov, rows of `stride` numbers
// ability (in and out) may be NULL.  Returns the mean of var.
static inline double bt_centre(double *ability, double *var, const double *cov, int items, int stride) {
    double *row = NEW(double, (size_t)items), all = 0, mean = 0, mean_var = 0;
    int i, j;
    for (i = 0; i < items; i++) {
        mean += ability != NULL ? ability[i] / items : 0;
        for (j = 0; j < items; j++) {
            row[i] += cov[i * stride + j] / items;
            all += cov[i * stride + j] / (items * items);
        }
    }
    for (i = 0; i < items; i++) {
        if (ability != NULL) {
            ability[i] -= mean;
        }
        var[i] = cov[i * stride + i] - 2 * row[i] + all;
        mean_var += var[i] / items;
    }
    free(row);
    return mean_var;
}

// Newton on the log-likelihood (Fisher scoring for probit) with step halving; ability[ref] = 0 throughout.
static inline int bt_newton(double *ability, double *home, const BtGames *g, int ref, int with_home, BtLink link) {
    int n = g->items, w = n + 1, iteration, i, m, r, code = BT_DIVERGED;
    size_t cells = (size_t)w * (size_t)w;
    double *score = NEW(double, (size_t)w);
    double *cov = NEW(double, cells);
    double *trial = NEW(double, (size_t)w);
    double *here = NEW(double, (size_t)w); // abilities, then home
    double loglik = bt_loglik(g, here, 0, link);
    for (iteration = 0; iteration < 200 && code == BT_DIVERGED; iteration++) {
        double largest = 0, fraction = 1, reached = -INFINITY;
        bt_information(score, cov, g, here, here[n], link);
        if (bt_covariance(cov, g, here, here[n], ref, with_home, link) != 0) {
            break;
        }
        while (fraction > 1e-6 && !(reached >= loglik - 1e-12 * fabs(loglik))) {
            largest = 0;
            for (r = 0; r < w; r++) {
                double step = 0;
                for (i = 0; i < w; i++) {
                    step += cov[r * w + i] * score[i];
                }
                trial[r] = here[r] + fraction * step;
                largest = fmax(largest, fabs(fraction * step));
            }
            reached = bt_loglik(g, trial, trial[n], link);
            fraction *= 0.5;
        }
        memcpy(here, trial, (size_t)w * sizeof *here);
        loglik = reached;
        code = largest < 1e-11 ? BT_OK : BT_DIVERGED;
        for (m = 0; m < g->rows; m++) { // a pair at odds of e^30: the likelihood keeps rising, there is no maximum
            double margin = here[g->i[m]] - here[g->j[m]] + here[n];
            if (g->wins_i[m] + g->wins_j[m] > 0 && !(fabs(margin) < 30)) {
                code = BT_DIVERGED;
                iteration = 200;
            }
        }
    }
    for (i = 0; i < n; i++) {
        ability[i] = here[i];
    }
    *home = here[n];
    free(score);
    free(cov);
    free(trial);
    free(here);
    return code;
}

// F: bt.mle      maximum-likelihood abilities                                      [chapter 6]
//   score equations: every item wins as often as expected, sum_j (w_ij - n_ij P_ij) = 0
//   ability: items numbers out, ability[ref] = 0; loglik out (may be NULL).
//   Returns BT_OK; BT_NOT_CONNECTED: no finite fit, ability untouched, bt_components names the items; BT_DIVERGED: a
//   pair of the fit has odds beyond e^30, or the information became singular.
//   source: Hunter 2004; existence: Ford 1957
//   check: score equations; limit of bt.mm; published baseball table; golden bt.mle
static inline int bt_mle(double *ability, double *loglik, const BtGames *g, int ref, BtLink link) {
    double home;
    int code;
    if (bt_components(NULL, NULL, g) != 1) {
        return BT_NOT_CONNECTED;
    }
    code = bt_newton(ability, &home, g, ref, 0, link);
    if (loglik != NULL) {
        *loglik = bt_loglik(g, ability, 0, link);
    }
    return code;
}

// F: bt.se       standard errors of the abilities                                  [chapter 6]
//   se_i = sqrt of the diagonal of the inverse Fisher information with the row and column of ref removed; se_ref = 0
//   They are errors of theta_i - theta_ref and change with ref; other contrasts need bt_covariance.
//   se: items numbers out.  Returns 0, or 1 when the information is singular.
//   source: GLM theory
//   check: spread of refits to simulated games; golden bt.se
static inline int bt_standard_errors(double *se, const BtGames *g, const double *ability, int ref, BtLink link) {
    int w = g->items + 1, i, bad;
    size_t cells = (size_t)w * (size_t)w;
    double *cov = NEW(double, cells);
    bad = bt_covariance(cov, g, ability, 0, ref, 0, link);
    for (i = 0; i < g->items; i++) {
        se[i] = sqrt(cov[i * w + i]);
    }
    free(cov);
    return bad;
}

// F: bt.home     abilities and the advantage of being first                        [chapter 6]
//   P(i beats j) = sigmoid(theta_i - theta_j + delta), i the first item of the row (at home, shown on the left)
//   With picture pairs delta is the rater's position bias.  home, se_home, loglik out (the last two may be NULL).
//   Returns as bt_mle; BT_DIVERGED also when the first item always wins.
//   source: Agresti 2002, section 10.6
//   check: published baseball value 0.302; log-likelihood rises over bt.mle; golden bt.home
static inline int bt_home(double *ability, double *home, double *se_home, double *loglik, const BtGames *g, int ref) {
    int w = g->items + 1, code;
    size_t cells = (size_t)w * (size_t)w;
    double *cov;
    if (bt_components(NULL, NULL, g) != 1) {
        return BT_NOT_CONNECTED;
    }
    code = bt_newton(ability, home, g, ref, 1, BT_LOGIT);
    if (loglik != NULL) {
        *loglik = bt_loglik(g, ability, *home, BT_LOGIT);
    }
    if (se_home != NULL && code == BT_OK) {
        cov = NEW(double, cells);
        code = bt_covariance(cov, g, ability, *home, ref, 1, BT_LOGIT) == 0 ? BT_OK : BT_DIVERGED;
        *se_home = sqrt(cov[cells - 1]);
        free(cov);
    }
    return code;
}

// F: bt.mm       minorise-maximise iterations for the worths e^theta               [chapter 6]
//   g_i <- W_i / sum_{j != i} n_ij/(g_i + g_j), all items at once, then divide by the sum;  start 1/n each
//   wins (n,n): wins of row over column; W_i = row sum.  Never lowers the likelihood; slow when sparse.
//   source: Zermelo 1929; Hunter 2004
//   check: likelihood never falls; limit equals bt.mle; golden bt.mm
static inline void bt_mm(double *worth, const double *wins, int n, int iterations) {
    double *next = NEW(double, (size_t)n);
    int t, i, j;
    for (i = 0; i < n; i++) {
        worth[i] = 1.0 / n;
    }
    for (t = 0; t < iterations; t++) {
        double sum = 0;
        for (i = 0; i < n; i++) {
            double won = 0, denominator = 0;
            for (j = 0; j < n; j++) {
                double games = wins[i * n + j] + wins[j * n + i];
                if (j != i && games > 0) {
                    won += wins[i * n + j];
                    denominator += games / (worth[i] + worth[j]);
                }
            }
            next[i] = won / denominator;
            sum += next[i];
        }
        for (i = 0; i < n; i++) {
            worth[i] = next[i] / sum;
        }
    }
    free(next);
}

#endif
