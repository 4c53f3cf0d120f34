// golden.h: the parser of golden files: cases with inputs, expected outputs and tolerances, one array a line.
//
//   family@instance|in|key|shape|values      family@instance|out|key|shape|values
//   family@instance|tol|rel|1|R    |tol|abs|1|A    and, for one output key, |tol|KEY.rel|1|R    |tol|KEY.abs|1|A
//
// The head of data/golden.txt describes the format.  A golden file is treated as hostile: it may be truncated,
// damaged or endless.  The parser never exits; it returns 0 or leaves one line `file:line: what` in g->error.
#ifndef TILT_GOLDEN_H
#define TILT_GOLDEN_H

#include <math.h>

#include "../core/base.h"

#define GOLDEN_LINE 8192              // bytes in a line, the line feed not counted
#define GOLDEN_ARRAY 4096             // elements of an array
#define GOLDEN_RANK 6                 // dimensions of an array
#define GOLDEN_NAME 64                // bytes in a family, an instance, a key or a text value
#define GOLDEN_FILE ((size_t)1 << 26) // bytes in a file
#define GOLDEN_CASES 4096             // cases in a file

typedef struct {
    const char *key;
    const char *text; // the token of a text value; NULL for numbers
    double *v;        // n numbers, row-major, last index fastest
    size_t n;
    int rank;
    size_t dim[GOLDEN_RANK];
    size_t line;
} Value;

typedef struct {
    Value *at;
    size_t n;
} Values;

typedef struct {
    const char *path; // for messages
    const char *name; // family@instance
    char family[GOLDEN_NAME + 1];
    size_t line; // of its first line
    Values in, out, tol;
} Case;

typedef struct {
    Case *cases;
    size_t n;
    char *bytes; // the file; names and keys point into it
    char error[512];
} Golden;

// GOLDEN_FULL: every case needs outputs and both tolerances.  GOLDEN_INPUTS: `in` lines are enough.
typedef enum { GOLDEN_FULL, GOLDEN_INPUTS } GoldenMode;

static inline void values_free(Values *a) {
    size_t i;
    for (i = 0; i < a->n; i++) {
        free(a->at[i].v);
    }
    free(a->at);
    a->at = NULL;
    a->n = 0;
}

static inline void golden_free(Golden *g) {
    size_t i;
    for (i = 0; i < g->n; i++) {
        values_free(&g->cases[i].in);
        values_free(&g->cases[i].out);
        values_free(&g->cases[i].tol);
    }
    free(g->cases);
    free(g->bytes);
    g->cases = NULL;
    g->bytes = NULL;
    g->n = 0;
}

static inline const Value *value_find(const Values *a, const char *key) {
    size_t i;
    for (i = 0; i < a->n; i++) {
        if (strcmp(a->at[i].key, key) == 0) {
            return &a->at[i];
        }
    }
    return NULL;
}

// A new element at the end of the list; the pointer is good until the next call.
static inline Value *value_add(Values *a) {
    Value *v;
    if ((a->n & (a->n - 1)) == 0) { // at 0, 1, 2, 4, 8 ... elements the room is full: double it
        a->at = (Value *)xrealloc(a->at, a->n ? 2 * a->n : 1, sizeof(Value));
    }
    v = &a->at[a->n++];
    memset(v, 0, sizeof *v);
    return v;
}

// Leaves `path:line: what` as the error; always -1, so that callers can write `return golden_fail(...)`.
static inline int golden_fail(Golden *g, const char *path, size_t line, const char *what, const char *detail) {
    snprintf(g->error, sizeof g->error, "%.200s:%zu: %s%.100s", path, line, what, detail);
    return -1;
}

static inline int golden_name_ok(const char *s) {
    size_t n = strlen(s);
    const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return n > 0 && n <= GOLDEN_NAME && strspn(s, letters) == n;
}

// "2x3x4" -> rank 3, dim {2,3,4}; returns the number of elements, 0 for anything that is not a shape.
static inline size_t golden_shape(Value *v, const char *s) {
    size_t n = 1;
    v->rank = 0;
    for (;;) {
        size_t d = 0;
        if (*s < '1' || *s > '9' || v->rank == GOLDEN_RANK) { // no empty array, no leading zero
            return 0;
        }
        while (*s >= '0' && *s <= '9') {
            d = 10 * d + (size_t)(*s++ - '0');
            if (d > GOLDEN_ARRAY) {
                return 0;
            }
        }
        n *= d;
        if (n > GOLDEN_ARRAY) {
            return 0;
        }
        v->dim[v->rank++] = d;
        if (*s == '\0') {
            return n;
        }
        if (*s++ != 'x') {
            return 0;
        }
    }
}

// Reads v->n decimal numbers separated by blanks; 0 = ok, else *what names the fault.
static inline int golden_numbers(Value *v, char *s, const char **what) {
    size_t n = 0;
    v->v = NEW(double, v->n);
    for (;;) {
        char *end;
        size_t length;
        s += strspn(s, " \t");
        if (*s == '\0') {
            *what = "fewer values than the shape says: ";
            return n == v->n ? 0 : -1;
        }
        if (n == v->n) {
            *what = "more values than the shape says: ";
            return -1;
        }
        length = strcspn(s, " \t");
        *what = "not a finite decimal number: ";
        if (strspn(s, "0123456789+-.eE") < length) { // keeps nan, inf and hexadecimal away from strtod
            return -1;
        }
        v->v[n] = strtod(s, &end);
        if (end != s + length || !(fabs(v->v[n]) <= 1.7976931348623157e308)) {
            return -1;
        }
        n++;
        s = end;
    }
}

// Cuts a line at its four bars; returns 0 when there are exactly four.
static inline int golden_cut(char *line, char *field[5]) {
    int i;
    field[0] = line;
    for (i = 1; i < 5; i++) {
        char *bar = strchr(field[i - 1], '|');
        if (bar == NULL) {
            return -1;
        }
        *bar = '\0';
        field[i] = bar + 1;
    }
    return strchr(field[4], '|') == NULL ? 0 : -1;
}

// The case that a line belongs to: the last one, or a new one; NULL (with g->error set) if its name came before.
static inline Case *golden_case(Golden *g, const char *path, size_t line, char *name) {
    Case *c;
    size_t i;
    char *at = strchr(name, '@');
    if (g->n > 0 && strcmp(g->cases[g->n - 1].name, name) == 0) {
        return &g->cases[g->n - 1];
    }
    if (at != NULL) {
        *at = '\0';
    }
    if (at == NULL || !golden_name_ok(name) || !golden_name_ok(at + 1)) {
        golden_fail(g, path, line, "the first field is not family@instance: ", name);
        return NULL;
    }
    *at = '@';
    for (i = 0; i < g->n; i++) {
        if (strcmp(g->cases[i].name, name) == 0) {
            golden_fail(g, path, line, "the lines of a case must stand together; this one came before: ", name);
            return NULL;
        }
    }
    if (g->n == GOLDEN_CASES) {
        golden_fail(g, path, line, "more cases than a golden file may hold", "");
        return NULL;
    }
    if ((g->n & (g->n - 1)) == 0) {
        g->cases = (Case *)xrealloc(g->cases, g->n ? 2 * g->n : 1, sizeof(Case));
    }
    c = &g->cases[g->n++];
    memset(c, 0, sizeof *c);
    c->path = path;
    c->name = name;
    c->line = line;
    memcpy(c->family, name, (size_t)(at - name));
    return c;
}

// One line that is neither blank nor a comment.
static inline int golden_line(Golden *g, const char *path, size_t line, char *text) {
    char *field[5];
    const char *what = "";
    Case *c;
    Value *v;
    Values *list;
    if (golden_cut(text, field) != 0) {
        return golden_fail(g, path, line, "not five fields `family@instance|in, out or tol|key|shape|values`", "");
    }
    c = golden_case(g, path, line, field[0]);
    if (c == NULL) {
        return -1;
    }
    list = strcmp(field[1], "in") == 0    ? &c->in
           : strcmp(field[1], "out") == 0 ? &c->out
           : strcmp(field[1], "tol") == 0 ? &c->tol
                                          : NULL;
    if (list == NULL) {
        return golden_fail(g, path, line, "the second field is not in, out or tol: ", field[1]);
    }
    if (!golden_name_ok(field[2])) {
        return golden_fail(g, path, line, "not a key: ", field[2]);
    }
    if (value_find(list, field[2]) != NULL) {
        return golden_fail(g, path, line, "duplicate key: ", field[2]);
    }
    v = value_add(list);
    v->key = field[2];
    v->line = line;
    if (strcmp(field[3], "s") == 0) {
        size_t length = strlen(field[4]);
        if (length == 0 || length > GOLDEN_NAME || strcspn(field[4], " \t") < length || list == &c->tol) {
            return golden_fail(g, path, line, "not one short text token: ", field[4]);
        }
        v->text = field[4];
        v->n = 1;
        return 0;
    }
    v->n = golden_shape(v, field[3]);
    if (v->n == 0) {
        return golden_fail(g, path, line, "not a shape of 1 to 4096 elements such as 1, 4 or 2x3: ", field[3]);
    }
    if (golden_numbers(v, field[4], &what) != 0) {
        return golden_fail(g, path, line, what, field[2]);
    }
    if (list == &c->tol && (v->n != 1 || v->v[0] < 0)) {
        return golden_fail(g, path, line, "a tolerance is one number >= 0: ", field[2]);
    }
    return 0;
}

// What can be judged only at the end of a case: outputs, both tolerances, and no tolerance of an unknown key.
static inline int golden_finish(Golden *g, const Case *c) {
    size_t i;
    if (c->out.n == 0) {
        return golden_fail(g, c->path, c->line, "case without outputs: ", c->name);
    }
    if (value_find(&c->tol, "rel") == NULL || value_find(&c->tol, "abs") == NULL) {
        return golden_fail(g, c->path, c->line, "case without both tolerances rel and abs: ", c->name);
    }
    for (i = 0; i < c->tol.n; i++) {
        const Value *t = &c->tol.at[i];
        size_t n = strlen(t->key);
        char key[GOLDEN_NAME + 1] = "";
        if (strcmp(t->key, "rel") == 0 || strcmp(t->key, "abs") == 0) {
            continue;
        }
        if (n > 4 && (strcmp(t->key + n - 4, ".rel") == 0 || strcmp(t->key + n - 4, ".abs") == 0)) {
            memcpy(key, t->key, n - 4);
        }
        if (value_find(&c->out, key) == NULL) {
            return golden_fail(g, c->path, t->line, "tolerance of a key that is no output: ", t->key);
        }
    }
    return 0;
}

// The tolerance of one output: KEY.rel if the case has it, else rel (kind is "rel" or "abs").
static inline double golden_tolerance(const Case *c, const char *key, const char *kind) {
    char own[2 * GOLDEN_NAME];
    const Value *t;
    snprintf(own, sizeof own, "%s.%s", key, kind);
    t = value_find(&c->tol, own);
    if (t == NULL) {
        t = value_find(&c->tol, kind);
    }
    return t == NULL ? 0 : t->v[0];
}

// Cuts `size` bytes into lines and reads them.  g takes the bytes (malloc'd, one byte of room after the last).
static inline int golden_parse(Golden *g, const char *path, char *bytes, size_t size, GoldenMode mode) {
    size_t begin = 0, line = 0, i;
    memset(g, 0, sizeof *g);
    g->bytes = bytes;
    while (begin < size) {
        char *text = bytes + begin;
        size_t room = size - begin, length;
        char *end = (char *)memchr(text, '\n', room < GOLDEN_LINE + 1 ? room : GOLDEN_LINE + 1);
        line++;
        if (end == NULL) {
            return golden_fail(g, path, line,
                               room > GOLDEN_LINE ? "line longer than 8192 bytes"
                                                  : "no line feed at the end: the file is truncated",
                               "");
        }
        length = (size_t)(end - text);
        begin += length + 1;
        if (length > 0 && text[length - 1] == '\r') {
            length--;
        }
        text[length] = '\0';
        for (i = 0; i < length; i++) {
            if ((text[i] < ' ' && text[i] != '\t') || text[i] > '~') {
                return golden_fail(g, path, line, "a byte that is not printable ASCII: the file is damaged", "");
            }
        }
        if (text[0] != '#' && text[strspn(text, " \t")] != '\0' && golden_line(g, path, line, text) != 0) {
            return -1;
        }
    }
    if (g->n == 0) {
        return golden_fail(g, path, line + 1, "no case in the file", "");
    }
    for (i = 0; i < g->n && mode == GOLDEN_FULL; i++) {
        if (golden_finish(g, &g->cases[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

// Reads a stream to its end and parses it; `path` is only its name in messages and must outlive g.
static inline int golden_read(Golden *g, FILE *f, const char *path, GoldenMode mode) {
    size_t size = 0, room = 1 << 16;
    char *bytes = NEW(char, room);
    memset(g, 0, sizeof *g);
    for (;;) {
        size_t got = fread(bytes + size, 1, room - 1 - size, f);
        size += got;
        if (got == 0) {
            break;
        }
        if (size > GOLDEN_FILE) {
            free(bytes);
            return golden_fail(g, path, 1, "file larger than 64 MiB", "");
        }
        if (size == room - 1) {
            room *= 2;
            bytes = (char *)xrealloc(bytes, room, 1);
        }
    }
    if (ferror(f)) {
        free(bytes);
        return golden_fail(g, path, 1, "cannot be read (is it a folder?)", "");
    }
    return golden_parse(g, path, bytes, size, mode);
}

#endif
