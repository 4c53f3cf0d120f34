// case.h: how an adapter reads the inputs of a golden case and writes its outputs, and how outputs are judged.
//
// Inputs come from a file or from a person, so every access checks presence, shape and range; a fault ends the
// program with one line `file:line: what` (exit 1).
#ifndef TILT_CASE_H
#define TILT_CASE_H

#include <math.h>

#include "golden.h"

// The outputs of one case, and the scratch memory its adapter took; both are freed after the case.
typedef struct {
    const Case *of;
    Values v;
    void **scratch;
    size_t n_scratch;
} Out;

static inline void out_free(Out *o) {
    size_t i;
    values_free(&o->v);
    for (i = 0; i < o->n_scratch; i++) {
        free(o->scratch[i]);
    }
    free(o->scratch);
    memset(o, 0, sizeof *o);
}

// ---- inputs --------------------------------------------------------------------------------------------------------

static inline void case_die(const Case *c, size_t line, const char *key, const char *what) {
    fprintf(stderr, "%s:%zu: %s: input '%s' %s\n", c->path, line, c->name, key, what);
    exit(1);
}

static inline const Value *in_value(const Case *c, const char *key) {
    const Value *v = value_find(&c->in, key);
    if (v == NULL) {
        case_die(c, c->line, key, "is missing");
    }
    return v;
}

// Does a dimension fit?  A size of 0 is still free and takes the value of the file.
static inline void in_fix(const Case *c, const Value *v, int axis, size_t *size) {
    if (*size == 0) {
        *size = v->dim[axis];
    }
    if (*size != v->dim[axis]) {
        char what[128];
        snprintf(what, sizeof what, "has %zu entries along dimension %d, wanted %zu", v->dim[axis], axis, *size);
        case_die(c, v->line, v->key, what);
    }
}

static inline const Value *in_rank(const Case *c, const char *key, int rank) {
    const Value *v = in_value(c, key);
    char what[64];
    if (v->text != NULL) {
        case_die(c, v->line, key, "is text, wanted numbers");
    }
    if (v->rank != rank) {
        snprintf(what, sizeof what, "has %d dimensions, wanted %d", v->rank, rank);
        case_die(c, v->line, key, what);
    }
    return v;
}

// Arrays.  A size that holds 0 is filled in; any other size must agree with the file.
static inline const double *in_vector(const Case *c, const char *key, size_t *n) {
    const Value *v = in_rank(c, key, 1);
    in_fix(c, v, 0, n);
    return v->v;
}

static inline const double *in_matrix(const Case *c, const char *key, size_t *n, size_t *m) {
    const Value *v = in_rank(c, key, 2);
    in_fix(c, v, 0, n);
    in_fix(c, v, 1, m);
    return v->v;
}

static inline const double *in_cube(const Case *c, const char *key, size_t *n, size_t *m, size_t *k) {
    const Value *v = in_rank(c, key, 3);
    in_fix(c, v, 0, n);
    in_fix(c, v, 1, m);
    in_fix(c, v, 2, k);
    return v->v;
}

static inline double in_number(const Case *c, const char *key) {
    size_t one = 1;
    return in_vector(c, key, &one)[0];
}

// A number in (low, high), both ends excluded.
static inline double in_between(const Case *c, const char *key, double low, double high) {
    double x = in_number(c, key);
    if (!(x > low && x < high)) {
        char what[128];
        snprintf(what, sizeof what, "is %.6g, wanted a number between %.6g and %.6g", x, low, high);
        case_die(c, in_value(c, key)->line, key, what);
    }
    return x;
}

static inline void in_whole(const Case *c, const Value *v, double low, double high) {
    size_t i;
    for (i = 0; i < v->n; i++) {
        if (!(v->v[i] >= low && v->v[i] <= high) || v->v[i] != floor(v->v[i])) {
            char what[128];
            snprintf(what, sizeof what, "holds %.6g, wanted whole numbers from %.0f to %.0f", v->v[i], low, high);
            case_die(c, v->line, v->key, what);
        }
    }
}

// Whole numbers low..high: one, or an array (the numbers stay doubles; cast them, they are exact).
static inline int in_count(const Case *c, const char *key, int low, int high) {
    double x = in_number(c, key);
    in_whole(c, in_value(c, key), low, high);
    return (int)x;
}

static inline const double *in_indices(const Case *c, const char *key, size_t *n, int low, int high) {
    const double *x = in_vector(c, key, n);
    in_whole(c, in_value(c, key), low, high);
    return x;
}

// The position of a text input in a list that ends with NULL.
static inline int in_choice(const Case *c, const char *key, const char *const *names) {
    const Value *v = in_value(c, key);
    int i;
    if (v->text == NULL) {
        case_die(c, v->line, key, "is a number, wanted text");
    }
    for (i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], v->text) == 0) {
            return i;
        }
    }
    case_die(c, v->line, key, "is none of the known options");
    return -1;
}

// ---- outputs -------------------------------------------------------------------------------------------------------

static inline double *out_room(Out *o, const char *key, int rank, const size_t *dim) {
    Value *v;
    int i;
    if (value_find(&o->v, key) != NULL) {
        DIE("ledger: the adapter of %s writes the output '%s' twice; correct ref/ledger", o->of->family, key);
    }
    v = value_add(&o->v);
    v->key = key;
    v->rank = rank;
    v->n = 1;
    for (i = 0; i < rank; i++) {
        v->dim[i] = dim[i];
        v->n = size_mul(v->n, dim[i]);
    }
    v->v = NEW(double, v->n);
    return v->v;
}

// Zeroed room for an output, to be filled in by the adapter.
static inline double *out_vector(Out *o, const char *key, size_t n) {
    return out_room(o, key, 1, &n);
}

static inline double *out_matrix(Out *o, const char *key, size_t n, size_t m) {
    size_t dim[2];
    dim[0] = n;
    dim[1] = m;
    return out_room(o, key, 2, dim);
}

static inline double *out_cube(Out *o, const char *key, size_t n, size_t m, size_t k) {
    size_t dim[3];
    dim[0] = n;
    dim[1] = m;
    dim[2] = k;
    return out_room(o, key, 3, dim);
}

static inline void out_number(Out *o, const char *key, double x) {
    *out_vector(o, key, 1) = x;
}

// n zeroed doubles that live until the outputs of the case have been used.
static inline double *scratch(Out *o, size_t n) {
    double *p = NEW(double, n);
    o->scratch = (void **)xrealloc(o->scratch, o->n_scratch + 1, sizeof(void *));
    o->scratch[o->n_scratch++] = p;
    return p;
}

// Indices, already checked to be whole numbers, as ints.
static inline int *scratch_ints(Out *o, const double *from, size_t n) {
    int *p = (int *)(void *)scratch(o, n); // a double has room for an int
    size_t i;
    for (i = 0; i < n; i++) {
        p[i] = (int)from[i];
    }
    return p;
}

// ---- judgement -----------------------------------------------------------------------------------------------------

static inline void shape_text(char *s, size_t size, const Value *v) {
    size_t used = 0;
    int i;
    s[0] = '\0';
    for (i = 0; i < v->rank && used < size; i++) {
        used += (size_t)snprintf(s + used, size - used, "%s%zu", i ? "x" : "", v->dim[i]);
    }
}

static inline int same_shape(const Value *a, const Value *b) {
    int i;
    for (i = 0; i < a->rank && i < b->rank; i++) {
        if (a->dim[i] != b->dim[i]) {
            return 0;
        }
    }
    return a->rank == b->rank;
}

// Do the outputs meet the case?  1 = yes; else `why` names the worst output.  An element passes when it is finite
// and |got - want| <= abs + rel |want|; "worst" is the largest error in units of what is allowed.
static inline int case_passes(char *why, size_t size, const Case *c, const Out *o) {
    double worst = 0;
    size_t i, j;
    for (i = 0; i < c->out.n; i++) {
        const Value *want = &c->out.at[i];
        const Value *got = value_find(&o->v, want->key);
        double rel = golden_tolerance(c, want->key, "rel");
        double abs_ = golden_tolerance(c, want->key, "abs");
        char is[96], wanted[96];
        if (got == NULL) {
            snprintf(why, size, "%s missing", want->key);
            return 0;
        }
        if (want->text != NULL || !same_shape(got, want)) {
            shape_text(is, sizeof is, got);
            shape_text(wanted, sizeof wanted, want);
            snprintf(why, size, "%s shape %s, expected %s", want->key, is, want->text ? "text" : wanted);
            return 0;
        }
        for (j = 0; j < want->n; j++) {
            double error = fabs(got->v[j] - want->v[j]);
            double allowed = abs_ + rel * fabs(want->v[j]);
            double ratio = error == 0 ? 0 : allowed > 0 ? error / allowed : HUGE_VAL;
            if (!(fabs(got->v[j]) <= 1.7976931348623157e308)) {
                snprintf(why, size, "%s element %zu is %g", want->key, j, got->v[j]);
                return 0;
            }
            if (ratio > worst) {
                worst = ratio;
                snprintf(why, size, "%s element %zu: got %.17g, expected %.17g, error %.3g, allowed %.3g", want->key, j,
                         got->v[j], want->v[j], error, allowed);
            }
        }
    }
    return worst <= 1;
}

#endif
