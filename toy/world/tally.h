// tally.h: a mean over repetitions and how sure it is.  A claim about a method needs more than one seed.
#ifndef TILT_TALLY_H
#define TILT_TALLY_H

#include "../../ref/core/elementary.h"

typedef struct {
    double sum, square; // of the numbers minus the first one, so that no digits cancel
    double first;
    int n;
} Tally;

static inline void tally_add(Tally *t, double v) {
    t->first = t->n == 0 ? v : t->first;
    t->sum += v - t->first;
    t->square += (v - t->first) * (v - t->first);
    t->n++;
}

static inline double tally_mean(const Tally *t) {
    return t->first + t->sum / t->n;
}

// Standard deviation of one number (divisor n - 1); NaN for n < 2.
static inline double tally_sd(const Tally *t) {
    return t->n > 1 ? sqrt(fmax(0, t->square - t->sum * t->sum / t->n) / (t->n - 1)) : NAN;
}

// Standard error of the mean.
static inline double tally_se(const Tally *t) {
    return tally_sd(t) / sqrt((double)t->n);
}

#endif
