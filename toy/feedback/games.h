// games.h: a table of paired comparisons from a file: who met whom, who won how often, how many ties.
//
// One row a pair, cells separated by tabs, under the header  item_a  item_b  wins_a  wins_b  ties.  Item a was shown
// first (on the left, at home); the same two items may have a second row with the roles exchanged, so that the
// advantage of being first can be estimated.  Names are lower-case letters, digits and underscores, because programs
// print keys such as ability_new_york.  Items are numbered in the order in which they are first named.
//
// The file is treated as hostile: it is read completely, or the program ends with one line that names the row.
#ifndef TILT_GAMES_H
#define TILT_GAMES_H

#include "../../ref/file/tsv.h"
#include "../../ref/formula/ties.h"

enum { GAMES_ITEMS = 400, GAMES_NAME = 32, GAMES_COUNT = 1000000000, GAMES_BYTES = 1 << 23 };
// most items; bytes of a name with its NUL; largest count; bytes of a file

typedef struct {
    int items, rows;
    char (*name)[GAMES_NAME];       // items names
    int *a, *b;                     // rows: the two items
    double *wins_a, *wins_b, *ties; // rows
    double decided, tied;           // sums over the rows
    char file[64];                  // where it came from, for messages
} Games;

static inline void games_free(Games *g) {
    free(g->name);
    free(g->a);
    free(g->b);
    free(g->wins_a);
    free(g->wins_b);
    free(g->ties);
    memset(g, 0, sizeof *g);
}

// The item with this name, or -1.
static inline int games_find(const Games *g, const char *name) {
    int i = 0;
    while (i < g->items && strcmp(g->name[i], name) != 0) {
        i++;
    }
    return i < g->items ? i : -1;
}

// ---- reading --------------------------------------------------------------------------------------------------------

// The item named in a cell; a new name makes a new item.  Line numbers count the header as line 1.
static inline int games_item_(Games *g, const Tsv *t, int row, const char *column) {
    const char *name = tsv_text(t, (size_t)row, column);
    int found = games_find(g, name);
    if (found >= 0) {
        return found;
    }
    if (name[0] == '\0' || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name) ||
        strlen(name) >= GAMES_NAME) {
        DIE("'%s': line %d, %s is '%.40s'; names have 1 to %d lower-case letters, digits and underscores", g->file,
            row + 2, column, name, GAMES_NAME - 1);
    }
    if (g->items == GAMES_ITEMS) {
        DIE("'%s': line %d names item number %d; at most %d are read", g->file, row + 2, g->items + 1, GAMES_ITEMS);
    }
    memcpy(g->name[g->items], name, strlen(name) + 1);
    return g->items++;
}

static inline double games_count_(const Games *g, const Tsv *t, int row, const char *column) {
    double count = tsv_number(t, (size_t)row, column);
    if (!(count >= 0 && count <= GAMES_COUNT) || count != floor(count)) {
        DIE("'%s': line %d, %s is %g; counts are whole numbers from 0 to %d", g->file, row + 2, column, count,
            GAMES_COUNT);
    }
    return count;
}

static inline Games games_of(const Tsv *t) {
    size_t rows = t->rows;
    int *seen = NEW(int, GAMES_ITEMS *GAMES_ITEMS); // the line of every ordered pair
    Games g;
    int m;
    memset(&g, 0, sizeof g);
    snprintf(g.file, sizeof g.file, "%s", t->name);
    if (rows == 0 || rows > GAMES_ITEMS * (GAMES_ITEMS - 1)) {
        DIE("'%s' has %lu rows below the header; wanted 1 to %d, one for every pair", g.file, (unsigned long)rows,
            GAMES_ITEMS * (GAMES_ITEMS - 1));
    }
    g.rows = (int)rows;
    g.name = (char(*)[GAMES_NAME])xcalloc(GAMES_ITEMS, GAMES_NAME);
    g.a = NEW(int, rows);
    g.b = NEW(int, rows);
    g.wins_a = NEW(double, rows);
    g.wins_b = NEW(double, rows);
    g.ties = NEW(double, rows);
    for (m = 0; m < g.rows; m++) {
        int *line;
        g.a[m] = games_item_(&g, t, m, "item_a");
        g.b[m] = games_item_(&g, t, m, "item_b");
        if (g.a[m] == g.b[m]) {
            DIE("'%s': line %d compares '%s' with itself", g.file, m + 2, g.name[g.a[m]]);
        }
        line = &seen[g.a[m] * GAMES_ITEMS + g.b[m]];
        if (*line > 0) {
            DIE("'%s': line %d has the pair of line %d again, '%s' before '%s'; add their counts", g.file, m + 2, *line,
                g.name[g.a[m]], g.name[g.b[m]]);
        }
        *line = m + 2;
        g.wins_a[m] = games_count_(&g, t, m, "wins_a");
        g.wins_b[m] = games_count_(&g, t, m, "wins_b");
        g.ties[m] = games_count_(&g, t, m, "ties");
        g.decided += g.wins_a[m] + g.wins_b[m];
        g.tied += g.ties[m];
    }
    free(seen);
    return g;
}

static inline Games games_read(const char *path) {
    static const char *const columns[] = {"item_a", "item_b", "wins_a", "wins_b", "ties", NULL};
    Bytes b = file_read(path, GAMES_BYTES, "Programs run from the root of the repository; see data/README.md.");
    Tsv t = tsv_decode(b, path, columns);
    Games g = games_of(&t);
    tsv_free(&t);
    return g;
}

// ---- the same table for the formulas: views, nothing is copied ---------------------------------------------------

// Wins and losses only.  Under Davidson's model these alone are a Bradley-Terry table.
static inline BtGames games_decided(const Games *g) {
    BtGames view;
    view.items = g->items;
    view.rows = g->rows;
    view.i = g->a;
    view.j = g->b;
    view.wins_i = g->wins_a;
    view.wins_j = g->wins_b;
    return view;
}

static inline TieGames games_with_ties(const Games *g) {
    TieGames view;
    view.wins = games_decided(g);
    view.ties = g->ties;
    return view;
}

// A tie as half a win for each side; half_a and half_b (rows numbers) hold the sums.
static inline BtGames games_halves(double *half_a, double *half_b, const Games *g) {
    BtGames view = games_decided(g);
    int m;
    for (m = 0; m < g->rows; m++) {
        half_a[m] = g->wins_a[m] + 0.5 * g->ties[m];
        half_b[m] = g->wins_b[m] + 0.5 * g->ties[m];
    }
    view.wins_i = half_a;
    view.wins_j = half_b;
    return view;
}

#endif
