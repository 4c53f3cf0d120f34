// families_ranking.h: golden families of ties, rankings and the softmax reward.  Translation only.
#ifndef TILT_FAMILIES_RANKING_H
#define TILT_FAMILIES_RANKING_H

#include "double.h" // first

#include "../formula/ranking.h"
#include "../formula/softmax_reward.h"
#include "../formula/ties.h"
#include "families_reward.h"

static inline TieGames in_tie_games(const Case *in, Out *out) {
    TieGames g;
    size_t rows;
    g.wins = in_games(in, out, plain_keys);
    rows = (size_t)g.wins.rows;
    g.ties = in_vector(in, "ties", &rows);
    return g;
}

static inline void family_bt_davidson(const Case *in, Out *out) {
    TieGames g = in_tie_games(in, out);
    size_t n = (size_t)g.wins.items, i;
    double *log_worth = out_vector(out, "log_worth", n);
    double *nu = out_vector(out, "nu", 1);
    double *worth = out_vector(out, "worth", n);
    double log_all;
    require_fit(in, ties_mle(log_worth, nu, NULL, out_vector(out, "loglik", 1), &g, in_ref(in, &g.wins), DAVIDSON));
    log_all = e_logsumexp(log_worth, n);
    for (i = 0; i < n; i++) {
        worth[i] = e_exp(log_worth[i] - log_all);
    }
}

static inline void family_bt_raokupper(const Case *in, Out *out) {
    TieGames g = in_tie_games(in, out);
    double *log_worth = out_vector(out, "log_worth", (size_t)g.wins.items);
    double *theta = out_vector(out, "theta", 1);
    require_fit(in,
                ties_mle(log_worth, theta, NULL, out_vector(out, "loglik", 1), &g, in_ref(in, &g.wins), RAO_KUPPER));
}

static inline Rankings in_rankings(const Case *in, Out *out) {
    Rankings r;
    size_t rows = 0, width = 0;
    const double *orders = in_matrix(in, "orders", &rows, &width);
    r.items = in_count(in, "num_items", 2, LEDGER_ITEMS);
    in_whole(in, in_value(in, "orders"), -1, r.items - 1);
    r.rows = (int)rows;
    r.width = (int)width;
    r.orders = scratch_ints(out, orders, rows * width);
    return r;
}

static inline void family_pl_mle(const Case *in, Out *out) {
    Rankings r = in_rankings(in, out);
    double *log_worth = out_vector(out, "log_worth", (size_t)r.items);
    double *loglik = out_vector(out, "loglik", 1);
    double *se = out_vector(out, "se", (size_t)r.items);
    if (pl_mle(log_worth, loglik, se, &r, in_count(in, "ref", 0, r.items - 1)) != PL_OK) {
        case_die(in, in->line, "orders", "describes rankings without a finite maximum-likelihood fit");
    }
}

static inline void family_pl_mm(const Case *in, Out *out) {
    Rankings r = in_rankings(in, out);
    double *start = scratch(out, (size_t)r.items);
    int i;
    rankings_check(&r);
    for (i = 0; i < r.items; i++) {
        start[i] = 1.0 / r.items;
    }
    pl_mm_step(out_vector(out, "worth_unnormalised", (size_t)r.items), start, &r);
}

static inline void family_rm_softmax(const Case *in, Out *out) {
    size_t n = 0, two = 2;
    const double *logits = in_matrix(in, "logits", &n, &two);
    const double *labels = in_matrix(in, "labels", &n, &two);
    const double *count = in_vector(in, "num_examples_per_prompt", &n);
    double *slope = scratch(out, 2 * n);
    double *kl = out_vector(out, "pickscore_per_example_kl", n);
    out_number(out, "pickscore_weighted", pickscore_loss(slope, kl, logits, labels, count, (int)n));
    out_number(out, "hps_sum_ce", hps_loss(slope, logits, labels, (int)n));
}

#endif
