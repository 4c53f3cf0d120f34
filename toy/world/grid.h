// grid.h: the plane cut into square cells, so that a law is a vector of masses and every integral is a sum.
//
// On it p* = p_ref exp(r / beta) / Z is exact for ANY reward function, with log Z, E[r], KL and J*.
// A mass is density at the centre times h^2 (midpoint rule), normalised.  For a mixture with standard deviation s the
// error of such a sum is about 2 exp(-2 pi^2 s^2 / h^2): 4e-9 at h = s, nothing visible at h = s/4.  What h does limit
// is the reading of a mass as "probability of this cell" (relative error h^2 / (24 s^2) at a mode) and the part of the
// law outside [lo, hi]^2, which the caller chooses: five standard deviations beyond the outer mode lose 3e-7.
#ifndef TILT_GRID_H
#define TILT_GRID_H

#include "law.h"

typedef struct {
    int n;            // cells per side; a law is n*n masses, cell (i,j) at j*n + i: i counts x, j counts y upwards
    double lo, hi, h; // units of x; h = (hi - lo) / n
} Grid;

// A reward, or any function of a point and a prompt; user carries its constants.
typedef double (*PointReward)(const double x[2], int c, void *user);

static inline Grid grid_new(int n, double lo, double hi) {
    Grid g;
    if (n < 2 || n > 4096 || !(hi > lo)) {
        DIE("grid: %d cells from %g to %g; use 2..4096 cells and lo < hi", n, lo, hi);
    }
    g.n = n;
    g.lo = lo;
    g.hi = hi;
    g.h = (hi - lo) / n;
    return g;
}

static inline size_t grid_cells(const Grid *g) {
    return (size_t)g->n * (size_t)g->n;
}

// Centre of cell number i along one axis.
static inline double grid_centre(const Grid *g, int i) {
    return g->lo + (i + 0.5) * g->h;
}

// Centre of a cell of the vector.
static inline void grid_point(double x[2], const Grid *g, size_t cell) {
    x[0] = grid_centre(g, (int)(cell % (size_t)g->n));
    x[1] = grid_centre(g, (int)(cell / (size_t)g->n));
}

// The centres of all cells as rows for a net: x (cells x 2).
static inline void grid_rows(real *x, const Grid *g) {
    size_t i;
    for (i = 0; i < grid_cells(g); i++) {
        double at[2];
        grid_point(at, g, i);
        x[2 * i] = (real)at[0];
        x[2 * i + 1] = (real)at[1];
    }
}

// ---- laws --------------------------------------------------------------------------------------------------------

static inline double grid_sum(const double *p, const Grid *g) {
    size_t i, cells = grid_cells(g);
    double sum = 0;
    for (i = 0; i < cells; i++) {
        sum += p[i];
    }
    return sum;
}

// Divides by the sum, in place; returns the sum.
static inline double grid_normalise(double *p, const Grid *g) {
    size_t i, cells = grid_cells(g);
    double sum = grid_sum(p, g);
    if (!(sum > 0)) {
        DIE("grid: the law sums to %g and cannot be normalised; is the grid [%g, %g] where the mass is?", sum, g->lo,
            g->hi);
    }
    for (i = 0; i < cells; i++) {
        p[i] /= sum;
    }
    return sum;
}

// Masses of a Gaussian mixture with any covariances; returns the sum before normalising (1 minus what lies outside).
static inline double grid_gmm(double *p, const Grid *g, const Gmm *gmm) {
    size_t i, cells = grid_cells(g);
    OMP(parallel for schedule(static))
    for (i = 0; i < cells; i++) {
        double x[2];
        grid_point(x, g, i);
        p[i] = e_exp(gmm_logp(gmm, x)) * g->h * g->h;
    }
    return grid_normalise(p, g);
}

// Samples (n x 2) counted into cells, as fractions of n; returns the fraction outside (it is not in p).
static inline double grid_histogram(double *p, const Grid *g, const real *x, size_t n) {
    size_t i, outside = 0, cells = grid_cells(g);
    memset(p, 0, cells * sizeof *p);
    for (i = 0; i < n; i++) {
        double u = floor(((double)x[2 * i] - g->lo) / g->h), v = floor(((double)x[2 * i + 1] - g->lo) / g->h);
        if (u >= 0 && u < g->n && v >= 0 && v < g->n) {
            p[(size_t)v * (size_t)g->n + (size_t)u] += 1;
        } else {
            outside++;
        }
    }
    for (i = 0; i < cells && n; i++) {
        p[i] /= (double)n;
    }
    return n ? (double)outside / (double)n : 0;
}

// Point i of a stream, drawn from a law on the grid: a cell by its mass, then uniformly inside it.  Uses the words 3i,
// 3i + 1, 3i + 2 of the stream.  Walks the cells, so it is meant for some thousands of points.
static inline void grid_draw(double x[2], const Grid *g, const double *p, uint64_t seed, uint64_t stream, uint64_t i) {
    double u = rng_uniform(seed, stream, 3 * i), sum = 0;
    size_t cell, last = 0, cells = grid_cells(g);
    for (cell = 0; cell < cells; cell++) {
        if (p[cell] > 0) {
            sum += p[cell];
            last = cell; // rounding can leave the sum below u: then the last cell with mass is taken
            if (u < sum) {
                break;
            }
        }
    }
    grid_point(x, g, last);
    x[0] += g->h * (rng_uniform(seed, stream, 3 * i + 1) - 0.5);
    x[1] += g->h * (rng_uniform(seed, stream, 3 * i + 2) - 0.5);
}

// Mean and covariance (row-major 2x2) of a law.
static inline void grid_moments(double mean[2], double cov[4], const Grid *g, const double *p) {
    double s = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
    size_t i, cells = grid_cells(g);
    for (i = 0; i < cells; i++) {
        double x[2];
        grid_point(x, g, i);
        s += p[i];
        sx += p[i] * x[0];
        sy += p[i] * x[1];
        sxx += p[i] * x[0] * x[0];
        sxy += p[i] * x[0] * x[1];
        syy += p[i] * x[1] * x[1];
    }
    mean[0] = sx / s;
    mean[1] = sy / s;
    cov[0] = sxx / s - mean[0] * mean[0];
    cov[1] = cov[2] = sxy / s - mean[0] * mean[1];
    cov[3] = syy / s - mean[1] * mean[1];
}

// ---- rewards and the exact optimum -------------------------------------------------------------------------------

// The reward at every cell centre.
static inline void grid_reward(double *r, const Grid *g, PointReward reward, int c, void *user) {
    size_t i, cells = grid_cells(g);
    for (i = 0; i < cells; i++) {
        double x[2];
        grid_point(x, g, i);
        r[i] = reward(x, c, user);
    }
}

// p* = p_ref e^(r/beta) / Z for any reward: log Z, E*[r], Var*[r], KL and J* (see tilt.h).  r (NULL to skip) gets the
// rewards of the cells.  For a reward table that is at hand already, tilt_discrete_point does the same.
static inline TiltPoint grid_tilt(double *p_star, double *r, const double *p_ref, const Grid *g, PointReward reward,
                                  int c, void *user, double beta) {
    double *own = r == NULL ? NEW(double, grid_cells(g)) : NULL;
    double *table = r == NULL ? own : r;
    TiltPoint best;
    grid_reward(table, g, reward, c, user);
    best = tilt_discrete_point(p_star, p_ref, table, beta, grid_cells(g));
    free(own);
    return best;
}

#endif
