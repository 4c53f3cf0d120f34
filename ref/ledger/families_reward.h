// families_reward.h: golden families of paired comparisons and reward models.  Translation only.
#ifndef TILT_FAMILIES_REWARD_H
#define TILT_FAMILIES_REWARD_H

#include "double.h" // first

#include "../formula/bradley_terry.h"
#include "../formula/metrics.h"
#include "../formula/reward_model.h"
#include "case.h"

#define LEDGER_ITEMS 256 // the largest table of items a case may ask for

// The comparisons of the keys num_items and i, j, wins_i, wins_j (or home, away, home_wins, away_wins).
static inline BtGames in_games(const Case *in, Out *out, const char *const key[4]) {
    BtGames g;
    size_t rows = 0;
    const double *i, *j;
    g.items = in_count(in, "num_items", 2, LEDGER_ITEMS);
    i = in_indices(in, key[0], &rows, 0, g.items - 1);
    j = in_indices(in, key[1], &rows, 0, g.items - 1);
    g.i = scratch_ints(out, i, rows);
    g.j = scratch_ints(out, j, rows);
    g.wins_i = in_vector(in, key[2], &rows);
    g.wins_j = in_vector(in, key[3], &rows);
    g.rows = (int)rows;
    return g;
}

static const char *const plain_keys[4] = {"i", "j", "wins_i", "wins_j"};
static const char *const home_keys[4] = {"home", "away", "home_wins", "away_wins"};

static inline BtLink in_link(const Case *in) {
    static const char *const links[] = {"logit", "probit", NULL};
    return in_choice(in, "link", links) == 0 ? BT_LOGIT : BT_PROBIT;
}

static inline int in_ref(const Case *in, const BtGames *g) {
    return in_count(in, "ref", 0, g->items - 1);
}

// Without a finite fit the case has no expected values: a fault of the file.
static inline void require_fit(const Case *in, int code) {
    if (code != BT_OK) {
        case_die(in, in->line, "i", "describes comparisons without a finite maximum-likelihood fit");
    }
}

static inline void family_bt_mle(const Case *in, Out *out) {
    BtGames g = in_games(in, out, plain_keys);
    BtLink link = in_link(in);
    double *ability = out_vector(out, "ability", (size_t)g.items);
    require_fit(in, bt_mle(ability, out_vector(out, "loglik", 1), &g, in_ref(in, &g), link));
    out_number(out, "deviance", bt_deviance(&g, ability, 0, link));
}

static inline void family_bt_se(const Case *in, Out *out) {
    BtGames g = in_games(in, out, plain_keys);
    BtLink link = in_link(in);
    double *ability = scratch(out, (size_t)g.items);
    double *se = out_vector(out, "se", (size_t)g.items);
    require_fit(in, bt_mle(ability, NULL, &g, in_ref(in, &g), link));
    require_fit(in, bt_standard_errors(se, &g, ability, in_ref(in, &g), link));
}

static inline void family_bt_fisher(const Case *in, Out *out) {
    BtGames g = in_games(in, out, plain_keys);
    size_t n = (size_t)g.items, i;
    const double *ability = in_vector(in, "ability", &n);
    double *info = scratch(out, (n + 1) * (n + 1)); // the last row and column belong to the home effect
    double *diag = out_vector(out, "fisher_diag", n);
    bt_information(NULL, info, &g, ability, 0, BT_LOGIT);
    for (i = 0; i < n; i++) {
        diag[i] = info[i * (n + 1) + i];
    }
}

static inline void family_bt_mm(const Case *in, Out *out) {
    size_t rows = 0, columns;
    const Value *wins = in_rank(in, "wins", 2);
    columns = wins->dim[0];
    in_matrix(in, "wins", &rows, &columns); // square
    bt_mm(out_vector(out, "worth", rows), wins->v, (int)rows, in_count(in, "num_iters", 1, 1000000));
}

static inline void family_bt_home(const Case *in, Out *out) {
    BtGames g = in_games(in, out, home_keys);
    double *ability = out_vector(out, "ability", (size_t)g.items);
    double *home = out_vector(out, "home_effect", 1);
    double *se_home = out_vector(out, "se_home", 1);
    double *loglik = out_vector(out, "loglik", 1);
    int code = bt_home(ability, home, se_home, loglik, &g, in_ref(in, &g));
    if (code != BT_OK) {
        case_die(in, in->line, "home", "describes comparisons without a finite maximum-likelihood fit");
    }
}

static inline void family_rm_bt(const Case *in, Out *out) {
    size_t n = 0, F = 0;
    const double *win = in_matrix(in, "features_win", &n, &F);
    const double *lose = in_matrix(in, "features_lose", &n, &F);
    const double *theta = in_vector(in, "theta", &F);
    double *grad = out_vector(out, "grad", F);
    double *hessian = out_matrix(out, "hessian", F, F);
    double *accuracy = out_vector(out, "accuracy", 1);
    out_number(out, "mean_loss", rm_bt(grad, hessian, accuracy, win, lose, theta, (int)n, (int)F));
}

static inline void family_rm_map(const Case *in, Out *out) {
    size_t n = 0, F = 0;
    const double *win = in_matrix(in, "features_win", &n, &F);
    const double *lose = in_matrix(in, "features_lose", &n, &F);
    rm_map(out_vector(out, "theta", F), win, lose, in_between(in, "l2", 0, HUGE_VAL), (int)n, (int)F);
}

static inline void family_rm_calib(const Case *in, Out *out) {
    size_t n = 0, i;
    const double *p = in_vector(in, "p", &n);
    const double *y = in_indices(in, "y", &n, 0, 1);
    double *logit = scratch(out, n);
    double *ece = out_vector(out, "ece", 1);
    double *brier = out_vector(out, "brier", 1);
    double *nll = out_vector(out, "nll", 1);
    double *after = out_vector(out, "nll_after_temperature", 1);
    for (i = 0; i < n; i++) {
        logit[i] = e_log(p[i]) - e_log1p(-p[i]); // the case gives probabilities, the formula wants logits
    }
    calibration(ece, brier, nll, p, y, n, in_count(in, "bins", 1, 1000));
    out_number(out, "best_inverse_temperature", calibration_temperature(after, logit, y, n));
}

#endif
