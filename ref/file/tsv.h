// tsv.h: small tables as text: a line of column names, then rows, cells separated by tabs.
//
//   static const char *const columns[] = {"method", "beta", "reward", NULL};
//   Tsv t = tsv_new(columns);
//   tsv_add(&t, "dpo"); tsv_add_number(&t, 0.5); tsv_add_number(&t, 1.25);      // cells fill rows from left to right
//   tsv_write(&t, "out/methods.tsv");  tsv_free(&t);
//
//   Tsv t = tsv_read("data/pairs.tsv", columns);     // the header must be these names in this order (NULL: any)
//   double r = tsv_number(&t, row, "reward");
//
// Strict: every row has as many cells as the header, names are unique, no quoting and no escapes (a tab or a line
// break inside a cell is an error), lines end with \n, also the last one, so a file cut inside a line is noticed.
#ifndef TILT_TSV_H
#define TILT_TSV_H

#include <math.h>

#include "atomic.h"

#define TSV_COLUMNS 256
#define TSV_LIMIT ((size_t)1 << 26) // most bytes of a file: 64 MiB

typedef struct {
    int columns;
    size_t rows;  // complete rows, without the header
    size_t cells; // cells so far, with the header
    size_t *at;   // where cell i starts in text; each ends with a NUL
    Bytes text;
    char name[64]; // of the file, for error messages
} Tsv;

// Cell (row, column); row 0 is the first below the header.
static inline const char *tsv_cell(const Tsv *t, size_t row, int column) {
    if (row >= t->rows || column < 0 || column >= t->columns) {
        DIE("'%s': cell %zu, %d is outside the table of %zu rows and %d columns", t->name, row, column, t->rows,
            t->columns);
    }
    return (const char *)t->text.data + t->at[(row + 1) * (size_t)t->columns + (size_t)column];
}

// The index of a column; it must exist.
static inline int tsv_column(const Tsv *t, const char *column) {
    int k = 0;
    while (k < t->columns && strcmp((const char *)t->text.data + t->at[k], column) != 0) {
        k++;
    }
    if (k == t->columns) {
        DIE("'%s' has no column '%s'", t->name, column);
    }
    return k;
}

static inline const char *tsv_text(const Tsv *t, size_t row, const char *column) {
    return tsv_cell(t, row, tsv_column(t, column));
}

// A finite decimal number and nothing else.
static inline double tsv_number(const Tsv *t, size_t row, const char *column) {
    const char *text = tsv_text(t, row, column);
    char *end = NULL;
    double v = strtod(text, &end);
    if (text[0] == '\0' || strspn(text, "0123456789+-.eE") != strlen(text) || *end != '\0' || !(fabs(v) < HUGE_VAL)) {
        DIE("'%s': row %zu, column '%s' is '%.40s', not a finite number", t->name, row + 1, column, text);
    }
    return v;
}

// ---- making a table --------------------------------------------------------------------------------------------

static inline void tsv_put_(Tsv *t, const char *text, size_t length) {
    size_t i;
    for (i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 32) {
            DIE("'%s': cell %zu of row %zu has the control byte %d; cells are plain text, lines end with \\n alone",
                t->name, t->columns ? t->cells % (size_t)t->columns + 1 : t->cells + 1, t->rows,
                (unsigned char)text[i]);
        }
    }
    if ((t->cells & (t->cells - 1)) == 0) { // 0, 1, 2, 4, 8 ...: double the room
        t->at = (size_t *)xrealloc(t->at, t->cells ? 2 * t->cells : 1, sizeof(size_t));
    }
    t->at[t->cells++] = t->text.n;
    bytes_add(&t->text, text, length);
    bytes_byte(&t->text, 0);
    if (t->columns > 0 && t->cells % (size_t)t->columns == 0) {
        t->rows = t->cells / (size_t)t->columns - 1;
    }
}

// The header is complete: names must be there and unique.
static inline void tsv_header_(Tsv *t) {
    int i, k;
    if (t->cells > TSV_COLUMNS) {
        DIE("'%s' has %zu columns; at most %d are read", t->name, t->cells, TSV_COLUMNS);
    }
    t->columns = (int)t->cells;
    for (i = 0; i < t->columns; i++) {
        const char *a = (const char *)t->text.data + t->at[i];
        for (k = 0; k < i; k++) {
            if (strcmp(a, (const char *)t->text.data + t->at[k]) == 0) {
                DIE("'%s': two columns are called '%s'; give each its own name", t->name, a);
            }
        }
        if (a[0] == '\0') {
            DIE("'%s': column %d has no name", t->name, i + 1);
        }
    }
}

// A table with these column names (NULL at the end) and no rows.
static inline Tsv tsv_new(const char *const *columns) {
    Tsv t;
    memset(&t, 0, sizeof t);
    snprintf(t.name, sizeof t.name, "table");
    for (; *columns != NULL; columns++) {
        tsv_put_(&t, *columns, strlen(*columns));
    }
    tsv_header_(&t);
    return t;
}

static inline void tsv_add(Tsv *t, const char *cell) {
    tsv_put_(t, cell, strlen(cell));
}

// 9 digits: every float survives.
static inline void tsv_add_number(Tsv *t, double v) {
    char text[40];
    if (!(fabs(v) < HUGE_VAL)) {
        DIE("'%s': row %zu would contain %g; a table holds finite numbers", t->name, t->rows + 1, v);
    }
    snprintf(text, sizeof text, "%.9g", v);
    tsv_add(t, text);
}

static inline void tsv_add_whole(Tsv *t, long v) {
    char text[40];
    snprintf(text, sizeof text, "%ld", v);
    tsv_add(t, text);
}

static inline void tsv_free(Tsv *t) {
    free(t->at);
    t->at = NULL;
    bytes_free(&t->text);
}

// ---- files -----------------------------------------------------------------------------------------------------

// The file's text, appended to out.
static inline void tsv_encode(Bytes *out, const Tsv *t) {
    size_t i;
    if (t->columns == 0 || t->cells % (size_t)t->columns != 0) {
        DIE("'%s': the last row has %zu of %d cells; complete it", t->name,
            t->columns ? t->cells % (size_t)t->columns : 0, t->columns);
    }
    for (i = 0; i < t->cells; i++) {
        bytes_text(out, "%s%c", (const char *)t->text.data + t->at[i], (i + 1) % (size_t)t->columns ? '\t' : '\n');
    }
}

static inline void tsv_write(const Tsv *t, const char *path) {
    Bytes b = {NULL, 0, 0};
    tsv_encode(&b, t);
    atomic_write(path, b.data, b.n);
    bytes_free(&b);
}

// The table in the bytes of a file; path is only for messages.  Frees the bytes.
static inline Tsv tsv_decode(Bytes b, const char *path, const char *const *columns) {
    size_t start = 0, i, line = 1, in_line = 0;
    Tsv t;
    memset(&t, 0, sizeof t);
    snprintf(t.name, sizeof t.name, "%.63s", path);
    if (b.n == 0 || b.data[b.n - 1] != '\n') {
        DIE("'%s' is %s; a table ends with a line break", path, b.n == 0 ? "empty" : "cut short");
    }
    for (i = 0; i < b.n; i++) {
        if (b.data[i] != '\t' && b.data[i] != '\n') {
            continue;
        }
        tsv_put_(&t, (const char *)b.data + start, i - start);
        start = i + 1;
        in_line++;
        if (b.data[i] == '\n') {
            if (line == 1) {
                tsv_header_(&t);
            }
            if (in_line != (size_t)t.columns) {
                DIE("'%s': line %zu has %zu cells, the header has %d", path, line, in_line, t.columns);
            }
            line++;
            in_line = 0;
        }
    }
    t.rows = t.cells / (size_t)t.columns - 1;
    for (i = 0; columns != NULL && (columns[i] != NULL || i < (size_t)t.columns); i++) {
        const char *want = columns[i];
        const char *got = i < (size_t)t.columns ? (const char *)t.text.data + t.at[i] : "nothing";
        if (want == NULL || strcmp(want, got) != 0) {
            DIE("'%s': column %zu is '%.40s', the program expects '%s'", path, i + 1, got,
                want ? want : "no such column");
        }
    }
    bytes_free(&b);
    return t;
}

// columns: the names expected, NULL at the end; or NULL for any header.
static inline Tsv tsv_read(const char *path, const char *const *columns) {
    Bytes b = file_read(path, TSV_LIMIT, "It should be a table with tabs between the cells.");
    return tsv_decode(b, path, columns);
}

#endif
