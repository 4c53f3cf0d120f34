// win_graph.h: who beat whom, and whether these comparisons have finite maximum-likelihood abilities at all.
//
// An item that wins or loses every game has no ability but plus or minus infinity.  Ask before fitting: a fit that was
// stopped early looks like a number.
#ifndef TILT_WIN_GRAPH_H
#define TILT_WIN_GRAPH_H

#include "../core/base.h"

// Comparisons.  Row m: item i[m] (shown first, or at home) against item j[m].  Wins may be halves (a tie is half a win
// for each side, which is an estimator of its own).
// A pair may appear in several rows.
typedef struct {
    int items, rows;
    const int *i, *j;
    const double *wins_i, *wins_j;
} BtGames;

// Marks every item that `from` beats directly or through others (or, with backwards = 1, that beats `from`).
static inline void bt_reach(unsigned char *reached, const BtGames *g, int from, int backwards) {
    int grew = 1, m;
    memset(reached, 0, (size_t)g->items);
    reached[from] = 1;
    while (grew) {
        grew = 0;
        for (m = 0; m < g->rows; m++) {
            int a = g->i[m], b = g->j[m];
            double forth = backwards ? g->wins_j[m] : g->wins_i[m], back = backwards ? g->wins_i[m] : g->wins_j[m];
            if (forth > 0 && reached[a] && !reached[b]) {
                reached[b] = 1;
                grew = 1;
            }
            if (back > 0 && reached[b] && !reached[a]) {
                reached[a] = 1;
                grew = 1;
            }
        }
    }
}

// F: bt.exist    when the maximum-likelihood abilities exist                       [chapter 6]
//   They exist and are unique up to a shift iff every item beats every other one directly or through a chain of wins
//   (the win graph is strongly connected).  An item that never loses wants ability +inf.
//   component[i] out: number of i's group (0, 1, ...) within which everybody reaches everybody.
//   verdict[i] out: 0 when there is one group; otherwise +1: i's group never loses to the others (ability -> +inf),
//   -1: it never beats them (-> -inf), 2: it never meets them (offset undetermined), 0: it lies in between.
//   Either output may be NULL.  Returns the number of groups: 1 means that a fit exists.
//   source: Ford 1957; Hunter 2004
//   check: hand-made graphs; the fit diverges exactly when it says so
static inline int bt_components(int *component, int *verdict, const BtGames *g) {
    size_t n = (size_t)g->items;
    unsigned char *ahead = NEW(unsigned char, n);
    unsigned char *behind = NEW(unsigned char, n);
    int *group = NEW(int, n);
    int *wins = NEW(int, n);
    int *losses = NEW(int, n);
    int groups = 0, i, m;
    for (i = 0; i < g->items; i++) {
        group[i] = -1;
    }
    for (i = 0; i < g->items; i++) {
        int k;
        if (group[i] >= 0) {
            continue;
        }
        bt_reach(ahead, g, i, 0);
        bt_reach(behind, g, i, 1);
        for (k = 0; k < g->items; k++) {
            group[k] = ahead[k] && behind[k] ? groups : group[k];
        }
        groups++;
    }
    for (m = 0; m < g->rows; m++) { // wins and losses of each group against the others
        int a = group[g->i[m]], b = group[g->j[m]];
        if (a != b) {
            wins[a] |= g->wins_i[m] > 0;
            losses[b] |= g->wins_i[m] > 0;
            wins[b] |= g->wins_j[m] > 0;
            losses[a] |= g->wins_j[m] > 0;
        }
    }
    for (i = 0; i < g->items; i++) {
        int won = wins[group[i]], lost = losses[group[i]];
        if (component != NULL) {
            component[i] = group[i];
        }
        if (verdict != NULL) {
            verdict[i] = groups == 1 ? 0 : won && lost ? 0 : won ? 1 : lost ? -1 : 2;
        }
    }
    free(ahead);
    free(behind);
    free(group);
    free(wins);
    free(losses);
    return groups;
}

#endif
