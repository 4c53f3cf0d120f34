// sample_score.h: reward, KL and J of a law that is known by samples only, each with a standard error.
//
// The plane is cut into coarse cells and the samples are counted.  Cells hide a part of every KL (it can only get
// smaller), so compare with references seen through the same cells.  Counting adds about (cells - 1)/(2n), which is
// subtracted with the cells that were hit.  Rare cells keep a little of it: exact samples measured 0.005 from their own
// law at n = 4000 (tests/test_twists.c), so put a row of exact samples beside the methods.
#ifndef TILT_SAMPLE_SCORE_H
#define TILT_SAMPLE_SCORE_H

#include "grid.h"

enum { SCORE_REWARD, SCORE_TO_REF, SCORE_J, SCORE_TO_STAR, SAMPLE_SCORES };

typedef struct {
    double mean[SAMPLE_SCORES], se[SAMPLE_SCORES]; // E[r], KL to p_ref, J = E[r] - beta KL, KL to p*
} SampleScore;

// out (cells of wide) = the masses of p (cells of fine), a whole number of fine cells in each wide one.
static inline void grid_coarsen(double *out, const Grid *wide, const double *p, const Grid *fine) {
    size_t i;
    int ratio = fine->n / wide->n;
    if (ratio * wide->n != fine->n || wide->lo != fine->lo || wide->hi != fine->hi) {
        DIE("grid_coarsen: %d cells a side into %d; need the same square and a whole ratio", fine->n, wide->n);
    }
    memset(out, 0, grid_cells(wide) * sizeof *out);
    for (i = 0; i < grid_cells(fine); i++) {
        size_t across = i % (size_t)fine->n / (size_t)ratio, up = i / (size_t)fine->n / (size_t)ratio;
        out[up * (size_t)wide->n + across] += p[i];
    }
}

// x (n x 2): independent samples with rewards r (n); p_ref, p_star: laws on the cells of g.  KL(q||p) is the mean of
// log(q/p) of the cell that a sample fell into, so every score is a mean and has a standard error (near q = p
// it is too large by sqrt(2), because the counts are noisy twice).
static inline SampleScore sample_score(const real *x, const double *r, size_t n, const double *p_ref,
                                       const double *p_star, const Grid *g, double beta) {
    double *q = NEW(double, grid_cells(g)), occupied = 0, excess;
    SampleScore s;
    size_t i;
    int k;
    memset(&s, 0, sizeof s);
    if (grid_histogram(q, g, x, n) > 0) {
        free(q);
        DIE("sample_score: a sample lies outside [%g, %g]; use a larger grid", g->lo, g->hi);
    }
    for (i = 0; i < grid_cells(g); i++) {
        occupied += q[i] > 0;
    }
    excess = (occupied - 1) / (2.0 * (double)n);
    for (i = 0; i < n; i++) {
        size_t across = (size_t)floor(((double)x[2 * i] - g->lo) / g->h);
        size_t cell = (size_t)floor(((double)x[2 * i + 1] - g->lo) / g->h) * (size_t)g->n + across;
        double f[SAMPLE_SCORES];
        f[SCORE_REWARD] = r[i];
        f[SCORE_TO_REF] = e_log(q[cell] / p_ref[cell]) - excess;
        f[SCORE_J] = r[i] - beta * f[SCORE_TO_REF];
        f[SCORE_TO_STAR] = e_log(q[cell] / p_star[cell]) - excess;
        for (k = 0; k < SAMPLE_SCORES; k++) {
            s.mean[k] += f[k] / (double)n;
            s.se[k] += f[k] * f[k] / (double)n;
        }
    }
    for (k = 0; k < SAMPLE_SCORES; k++) {
        s.se[k] = sqrt(fmax(0, s.se[k] - s.mean[k] * s.mean[k]) / (double)n);
    }
    free(q);
    return s;
}

#endif
