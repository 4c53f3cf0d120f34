// games_fit.h: the fit of a table of games: abilities with standard errors, the weight of ties, the bonus of being
// first; as `key value` lines and as a picture.
//
// Davidson's model when the table has ties, Bradley-Terry when it has none (the same thing with nu = 0).
#ifndef TILT_GAMES_FIT_H
#define TILT_GAMES_FIT_H

#include "../../ref/show/svg.h"
#include "games.h"

typedef struct {
    double *ability, *se;   // items; log worths, either one item at 0 or the mean at 0
    double nu, nu_se;       // weight of a tie; 0 and 0 without ties
    int has_first;          // does the bonus of the first item have a finite fit?
    double first, first_se; // it is added to item a, in units of ability; from the decided games
    double loglik;          // without multinomial constants
    double score_error;     // largest difference between the wins of an item and what the fit expects, ties as halves
} GamesFit;

static inline void games_fit_free(GamesFit *f) {
    free(f->ability);
    free(f->se);
    memset(f, 0, sizeof *f);
}

// Says which item has no finite ability, and ends the program.
static inline void games_no_fit_(const Games *g, int code) {
    TieGames view = games_with_ties(g);
    int *verdict = NEW(int, (size_t)g->items), i = 0;
    const char *how;
    if (g->decided == 0) {
        DIE("'%s': %.0f ties and no decision tell nothing about the abilities; add games", g->file, g->tied);
    }
    if (code == BT_TIES_RULE) {
        DIE("'%s': no circle of comparisons holds more wins than ties, so the weight of a tie grows without end; add "
            "games, or give a prior (--prior 1)",
            g->file);
    }
    ties_exist(verdict, &view);
    while (i < g->items - 1 && verdict[i] == 0) {
        i++;
    }
    if (code != BT_NOT_CONNECTED || verdict[i] == 0) {
        DIE("'%s': the fit does not settle, some pair is decided nearly always the same way; add games, or give a "
            "prior "
            "(--prior 1)",
            g->file);
    }
    how = verdict[i] == 1 ? "never loses to" : verdict[i] == -1 ? "never beats" : "never meets";
    DIE("'%s': '%s' (alone or with others) %s the rest, so no ability is finite; add games, leave it out, or give a "
        "prior (--prior 1)",
        g->file, g->name[i], how);
}

// For every item: observed minus expected wins, a tie as half of one, minus the pull of the prior (precision, 0 for
// none).  Returns the largest absolute difference.
static inline double games_score_error_(const Games *g, const GamesFit *f, double precision) {
    double *off = NEW(double, (size_t)g->items), largest = 0;
    int m, i;
    for (m = 0; m < g->rows; m++) {
        double p[3], lead, all = g->wins_a[m] + g->wins_b[m] + g->ties[m];
        davidson(p, f->ability[g->a[m]] - f->ability[g->b[m]], f->nu);
        lead = 0.5 * (g->wins_a[m] - g->wins_b[m]) - 0.5 * all * (p[0] - p[1]);
        off[g->a[m]] += lead;
        off[g->b[m]] -= lead;
    }
    for (i = 0; i < g->items; i++) {
        largest = fmax(largest, fabs(off[i] - precision * f->ability[i]));
    }
    free(off);
    return largest;
}

// From a covariance of all abilities to those of ability_i - ability_ref (or, ref = -1, of ability_i - mean).
static inline void games_anchor_(GamesFit *f, const double *cov, int n, int ref) {
    int w = n + 1, i;
    double zero = ref >= 0 ? f->ability[ref] : 0;
    if (ref < 0) {
        bt_centre(f->ability, f->se, cov, n, w);
    }
    for (i = 0; i < n; i++) {
        if (ref >= 0) {
            f->ability[i] -= zero;
            f->se[i] = i == ref ? 0 : cov[i * w + i] + cov[ref * w + ref] - 2 * cov[i * w + ref];
        }
        f->se[i] = sqrt(f->se[i]);
    }
}

// ref: the item at 0; -1: the mean of all items is 0, and the standard errors do not depend on a choice.
// prior: standard deviation of the abilities before anybody is asked (ties_map); 0: none, maximum likelihood.
// Ends the program with a message when no finite fit exists.
static inline GamesFit games_fit(const Games *g, int ref, double prior) {
    TieGames view = games_with_ties(g);
    int n = g->items, w = n + 1, held = ref >= 0 ? ref : 0, code;
    double *cov = NEW(double, (size_t)w *(size_t)w), *unused = NEW(double, (size_t)w);
    GamesFit f;
    memset(&f, 0, sizeof f);
    f.ability = NEW(double, (size_t)n);
    f.se = NEW(double, (size_t)n);
    if (prior > 0) {
        code = ties_map(f.ability, &f.nu, cov, &view, prior, DAVIDSON);
    } else {
        code = ties_mle(f.ability, &f.nu, NULL, NULL, &view, held, DAVIDSON);
        if (code == BT_OK) {
            code = g->tied > 0 ? ties_covariance(cov, &view, f.ability, f.nu, held, DAVIDSON)
                               : bt_covariance(cov, &view.wins, f.ability, 0, held, 0, BT_LOGIT);
            code = code == 0 ? BT_OK : BT_DIVERGED;
        }
    }
    if (code != BT_OK) {
        games_no_fit_(g, code);
    }
    f.nu_se = g->tied > 0 ? f.nu * sqrt(cov[w * w - 1]) : 0; // cov has log nu
    memcpy(unused, f.ability, (size_t)n * sizeof *unused);
    unused[n] = g->tied > 0 ? e_log(f.nu) : -INFINITY;
    f.loglik = ties_loglik(NULL, NULL, &view, unused, DAVIDSON);
    f.score_error = games_score_error_(g, &f, prior > 0 ? 1 / (prior * prior) : 0);
    games_anchor_(&f, cov, n, ref);
    f.has_first = bt_home(unused, &f.first, &f.first_se, NULL, &view.wins, held) == BT_OK;
    free(cov);
    free(unused);
    return f;
}

// ---- showing it --------------------------------------------------------------------------------------------------

// The keys begin with `prefix`, except those that name an item.
static inline void games_print(const Games *g, const GamesFit *f, const char *prefix) {
    int i;
    printf("%sitems %d\n%srows %d\n%sdecided %.0f\n", prefix, g->items, prefix, g->rows, prefix, g->decided);
    printf("%sties %.0f\n%sloglik %.6f\n", prefix, g->tied, prefix, f->loglik);
    for (i = 0; i < g->items; i++) {
        printf("ability_%s %.6f\nse_%s %.6f\n", g->name[i], f->ability[i], g->name[i], f->se[i]);
    }
    if (g->tied > 0) {
        printf("%stie_weight %.6f\n%stie_weight_se %.6f\n", prefix, f->nu, prefix, f->nu_se);
    }
    if (f->has_first) {
        printf("%sfirst_bonus %.6f\n%sfirst_bonus_se %.6f\n", prefix, f->first, prefix, f->first_se);
    } else {
        puts("# first_bonus has no finite fit: the decided games do not tell it from the abilities");
    }
}

// One line of four for each way to treat ties: the gap between items `best` and `worst`, its standard error, their
// quotient, and the share that the best gets of the comparisons with the worst, a tie as half a win.
static inline void games_print_gap_(const char *way, double gap, double variance, double share) {
    printf("gap_%s %.4f\ngap_se_%s %.4f\ngap_z_%s %.3f\nshare_%s %.4f\n", way, gap, way, sqrt(variance), way,
           gap / sqrt(variance), way, share);
}

// The best item against the worst, with the ties modelled in two ways, halved, and dropped.
static inline void games_print_ties(const Games *g, const GamesFit *f) {
    static const char *const ways[] = {"davidson", "rao_kupper", "halves", "dropped"};
    int w = g->items + 1, way, bad, best = 0, worst = 0;
    double *cov = NEW(double, (size_t)w *(size_t)w), *r = NEW(double, (size_t)w);
    double *half_a = NEW(double, (size_t)g->rows), *half_b = NEW(double, (size_t)g->rows);
    TieGames view = games_with_ties(g);
    for (way = 0; way < g->items; way++) {
        best = f->ability[way] > f->ability[best] ? way : best;
        worst = f->ability[way] < f->ability[worst] ? way : worst;
    }
    printf("# four ways to treat the ties: %s against %s\n", g->name[best], g->name[worst]);
    for (way = 0; way < 4; way++) {
        BtGames games = way == 2 ? games_halves(half_a, half_b, g) : view.wins;
        double tie = 0, loglik, p[3], gap;
        if (way < 2) {
            TieModel model = way == 0 ? DAVIDSON : RAO_KUPPER;
            bad = ties_mle(r, &tie, NULL, &loglik, &view, 0, model) != BT_OK ||
                  ties_covariance(cov, &view, r, tie, 0, model) != 0;
        } else {
            bad = bt_mle(r, &loglik, &games, 0, BT_LOGIT) != BT_OK || bt_covariance(cov, &games, r, 0, 0, 0, BT_LOGIT);
        }
        if (bad) {
            printf("# no finite fit with ties %s\n", ways[way]);
            continue;
        }
        gap = r[best] - r[worst];
        if (way == 1) {
            rao_kupper(p, gap, tie);
            printf("loglik_rao_kupper %.6f\ntheta %.6f\n", loglik, tie);
        } else {
            davidson(p, gap, tie); // nu = 0 for halves and dropped
            if (way == 0) {
                printf("gap_halves_predicted %.4f\n", gap * 2 / (2 + tie)); // P(win) + P(tie)/2 is flatter by this
            }
        }
        games_print_gap_(ways[way], gap, cov[best * w + best] + cov[worst * w + worst] - 2 * cov[best * w + worst],
                         p[0] + 0.5 * p[2]);
    }
    free(cov);
    free(r);
    free(half_a);
    free(half_b);
}

// Prints the worths e^ability / sum and leaves them in worth (items numbers).
static inline void games_print_worths(double *worth, const Games *g, const GamesFit *f) {
    double log_all = e_logsumexp(f->ability, (size_t)g->items);
    int i;
    for (i = 0; i < g->items; i++) {
        worth[i] = e_exp(f->ability[i] - log_all);
        printf("worth_%s %.6f\n", g->name[i], worth[i]);
    }
}

// Somebody else's number for every item, and the largest difference.
static inline void games_beside(const Games *g, const double *fit, const double *published, const char *key) {
    double largest = 0;
    int i;
    for (i = 0; i < g->items; i++) {
        printf("published_%s_%s %.6f\n", key, g->name[i], published[i]);
        largest = fmax(largest, fabs(fit[i] - published[i]));
    }
    printf("%s_largest_difference %.1e\n", key, largest);
}

static inline uint64_t games_hash(uint64_t h, const double *x, int n) {
    int i;
    for (i = 0; i < n; i++) {
        real v = (real)x[i];
        h = hash_reals(h, &v, 1);
    }
    return h;
}

// A file with the item `zero` at 0 (NULL: the mean), beside others' numbers for it: abilities, or worths and the weight
// of a tie when it has ties.  Returns the hash with the abilities added.
static inline uint64_t games_print_beside(const char *path, const char *zero, const char *prefix,
                                          const double *published, double published_nu, uint64_t hash) {
    Games g = games_read(path);
    GamesFit fit = games_fit(&g, zero != NULL ? games_find(&g, zero) : -1, 0);
    double worth[GAMES_ITEMS];
    games_print(&g, &fit, prefix);
    if (g.tied > 0) {
        games_print_worths(worth, &g, &fit);
        printf("%spublished_tie_weight %.6f\n", prefix, published_nu);
        games_print_ties(&g, &fit);
    }
    games_beside(&g, g.tied > 0 ? worth : fit.ability, published, g.tied > 0 ? "worth" : "ability");
    hash = games_hash(hash, fit.ability, g.items);
    games_fit_free(&fit);
    games_free(&g);
    return hash;
}

// The items from worst (bottom) to best, with two standard errors, as folder/abilities.svg.
static inline void games_draw(const char *folder, const Games *g, const GamesFit *f) {
    Svg s = svg_new(720, 90 + 22 * g->items, g->file);
    double low = 0, high = 0;
    char path[PATH_LENGTH];
    int i, k;
    for (i = 0; i < g->items; i++) {
        low = fmin(low, f->ability[i] - 2 * f->se[i]);
        high = fmax(high, f->ability[i] + 2 * f->se[i]);
    }
    svg_panel(&s, 66, 34, 634, 6 + 22 * g->items);
    svg_axes(&s, low - 0.4 * (high - low), high + 0.02 * (high - low), 0.5, g->items + 0.5,
             "ability (log worth), fit and 2 standard errors", "from worst to best");
    for (i = 0; i < g->items; i++) {
        double place[2], bar[2];
        place[0] = 1;
        for (k = 0; k < g->items; k++) {
            place[0] += f->ability[k] < f->ability[i] || (f->ability[k] == f->ability[i] && k > i);
        }
        place[1] = place[0];
        bar[0] = f->ability[i] - 2 * f->se[i];
        bar[1] = f->ability[i] + 2 * f->se[i];
        svg_line(&s, bar, place, 2, palette_category(0), "");
        svg_points(&s, &f->ability[i], place, 1, 4, palette_category(0), "");
        svg_text(&s, low - 0.39 * (high - low), place[0], 's', INK, g->name[i]);
    }
    folder_make(folder);
    path_join(path, folder, "abilities.svg");
    svg_write(&s, path);
}

// A file from end to end: `zero` names the item whose ability is 0 (NULL: the mean is 0), prior as in games_fit, `out`
// a folder for the picture (NULL: none).  Prints the fit and the three closing lines of a program; returns its exit
// status.
static inline int games_report(const char *path, const char *zero, double prior, const char *out) {
    Games g = games_read(path);
    int ref = zero != NULL ? games_find(&g, zero) : -1, wrong;
    GamesFit f;
    if (zero != NULL && ref < 0) {
        DIE("'%s' has no item '%s'; --zero takes a name from the columns item_a and item_b", path, zero);
    }
    f = games_fit(&g, ref, prior);
    games_print(&g, &f, "");
    if (g.tied > 0) {
        games_print_ties(&g, &f);
    }
    if (out != NULL) {
        games_draw(out, &g, &f);
    }
    wrong = !(f.score_error < 1e-9 * (1 + g.decided + g.tied));
    printf("inspect %.1e score_error\nexpect 0 to %.1e\n", f.score_error, 1e-9 * (1 + g.decided + g.tied));
    printf("hash %016llx\n", (unsigned long long)games_hash(HASH_START, f.ability, g.items));
    games_fit_free(&f);
    games_free(&g);
    return wrong;
}

#endif
