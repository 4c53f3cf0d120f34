// nonfinite.h: which layer made the first NaN?  Asked once, when a training has already failed.
//
// The loss says that something is wrong, not where.  The answer is found by walking the way of the numbers: inputs,
// then the parameters of each layer, then its output, then the gradients from the last layer back to the first.  Every
// kind of net brings its own walk: nonfinite_mlp.h for the Mlp.
#ifndef TILT_NONFINITE_H
#define TILT_NONFINITE_H

#include <float.h>
#include <math.h>

#include "../../ref/core/net.h"

enum { NONFINITE_TEXT = 160 };
#define NONFINITE_LARGEST (sizeof(real) == 4 ? (double)FLT_MAX : DBL_MAX)
#define NONFINITE_GRADIENT 1e15 // a longer gradient is lost as well: its square leaves the range of float

// Names the first layer with a NaN or an infinity in text, and returns text; NULL when there is none.  Rows as for
// net->forward.  A model brings its own, as it brings its forward.
typedef const char *(*NetFirstBad)(char text[NONFINITE_TEXT], Net *net, const real *x, const real *t, const int *c,
                                   int n);

// Not NaN, not infinite.
static inline int is_finite(double v) {
    return fabs(v) <= DBL_MAX;
}

// The index of the first number that is NaN or larger than `limit` in size; n when there is none.  Whole blocks are
// tested first: the training asks this of all parameters in every step.
static inline size_t first_beyond(const real *p, size_t n, double limit) {
    enum { BLOCK = 256 };
    real most = (real)limit;
    size_t from, i;
    for (from = 0; from < n; from += BLOCK) {
        size_t to = from + BLOCK < n ? from + BLOCK : n;
        int bad = 0;
        for (i = from; i < to; i++) {
            bad |= !(p[i] <= most && p[i] >= -most);
        }
        for (i = from; i < to && bad; i++) {
            if (!(p[i] <= most && p[i] >= -most)) {
                return i;
            }
        }
    }
    return n;
}

// v as text; the sign of a NaN, which differs between machines, is left out.
static inline const char *nonfinite_value(char text[24], double v) {
    if (v != v) {
        snprintf(text, 24, "nan");
    } else {
        snprintf(text, 24, "%g", v);
    }
    return text;
}

// Is there a bad number among the n of v, a table with `columns` numbers a row?  Then text says so.
static inline int nonfinite_found(char text[NONFINITE_TEXT], const char *what, const char *layer, const real *v,
                                  size_t n, size_t columns, double limit) {
    size_t i = first_beyond(v, n, limit);
    char value[24];
    if (i == n) {
        return 0;
    }
    snprintf(text, NONFINITE_TEXT, "%s of %s, row %zu, column %zu: %s", what, layer, i / columns, i % columns,
             nonfinite_value(value, (double)v[i]));
    return 1;
}

#endif
