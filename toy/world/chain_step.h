// chain_step.h: one Gaussian step of a 2-D reverse chain, as an operator between two grids.
//
// A source cell's mass moves to N(a x + b eps(x), sigma^2 I), with the network evaluated once a cell.  The noise in x
// and y is independent, so a cell needs two short weight vectors, not a square of exponentials.  Pushing moves masses
// forward (the law of the next state), pulling averages a function of the next state (a value).  Errors:
//   - sigma >= 3/4 h (h of the target): Gaussian weights, cut at 5 sigma and normalised.  The cut lowers the variance
//     of the step by 1.5e-5 of itself; that cells are points changes it by at most 5e-4 h^2.
//   - smaller sigma, and sigma = 0: four points an axis whose moments 0..3 are those of N(mean, sigma^2).  Bilinear
//     weights ("cloud in cell") would be positive, but add up to h^2/4 to the variance of each axis; these add nothing.
//     The price: masses may come out slightly negative where a law is narrower than about two cells.
//   - a step with little noise maps points to points, and equal spacing need not stay equal: cells would receive one
//     source more or less, and masses would ripple by some percent.  So such a step starts from a grid that is
//     CHAIN_REFINE times finer; the step before it, which has noise, fills the fine grid without error.  Laws between
//     two steps with much noise are so smooth that a grid of half as many cells a side carries them (chain_grids).
// Every sum has a fixed order: results do not depend on the number of threads.
#ifndef TILT_CHAIN_STEP_H
#define TILT_CHAIN_STEP_H

#include "../model/chain.h"
#include "grid.h"

#define CHAIN_CUT 5.0     // standard deviations kept on either side
#define CHAIN_SMOOTH 0.75 // in cells: from this sigma on a step is smooth enough for Gaussian weights
enum { CHAIN_BLOCK = 4096, CHAIN_REFINE = 3, CHAIN_POINTS = 4 };

// grids[k], k = 0..T, is where the law of x_k lives (x_0 is clean, x_T the start).  It depends on the noise that made
// x_k and on the noise of the step that leaves it.
static inline Grid *chain_grids(const Grid *g, const Chain *chain) {
    Grid *grids = NEW(Grid, (size_t)chain->T + 1);
    int k;
    grids[0] = *g;
    for (k = 1; k <= chain->T; k++) {
        double enter = k == chain->T ? 1 : chain->step[k].sigma, leave = chain->step[k - 1].sigma;
        int n = g->n;
        if (leave < g->h) {
            n = CHAIN_REFINE * g->n;
        } else if (enter > 4 * g->h && leave > 4 * g->h && g->n % 2 == 0) {
            n = g->n / 2;
        }
        grids[k] = grid_new(n, g->lo, g->hi);
    }
    return grids;
}

// Up to CHAIN_BLOCK source cells of one step and their weights, one vector an axis: axis 0 is x, 1 is y.
typedef struct {
    int n, width; // source cells now; room per weight vector
    size_t cell[CHAIN_BLOCK];
    int first[2][CHAIN_BLOCK], count[2][CHAIN_BLOCK]; // target cells first .. first + count - 1
    double *weight[2];                                // CHAIN_BLOCK x width; sums to 1 minus what falls off the grid
    real *x, *eps, *eps_ref;                          // CHAIN_BLOCK x 2
    int *c;                                           // CHAIN_BLOCK prompts, all the same
    const Grid *from, *to;
    double sigma;
    double *decay; // exp(-(i h)^2 / (2 sigma^2)), i = 0 .. reach
    int reach;     // cells kept on either side of the mean
} ChainBlock;

static inline ChainBlock *chain_block_new(int c) {
    ChainBlock *b = NEW(ChainBlock, 1);
    int i;
    b->x = NEW(real, 2 * CHAIN_BLOCK);
    b->eps = NEW(real, 2 * CHAIN_BLOCK);
    b->eps_ref = NEW(real, 2 * CHAIN_BLOCK);
    b->c = NEW(int, CHAIN_BLOCK);
    for (i = 0; i < CHAIN_BLOCK; i++) {
        b->c[i] = c;
    }
    return b;
}

static inline void chain_block_free(ChainBlock *b) {
    free(b->weight[0]);
    free(b->weight[1]);
    free(b->x);
    free(b->eps);
    free(b->eps_ref);
    free(b->decay);
    free(b->c);
    free(b);
}

// What all cells of a step share.
static inline void chain_block_step(ChainBlock *b, const Grid *from, const Grid *to, double sigma) {
    int i;
    b->from = from;
    b->to = to;
    b->sigma = sigma;
    b->width = CHAIN_POINTS;
    if (sigma >= CHAIN_SMOOTH * to->h) {
        double cells = ceil(CHAIN_CUT * sigma / to->h);
        if (!(cells < 1e6)) {
            DIE("chain_law: sigma = %g is %g cells of the grid; is the chain or the grid wrong?", sigma, cells);
        }
        b->reach = (int)cells;
        b->decay = (double *)xrealloc(b->decay, (size_t)b->reach + 1, sizeof(double));
        for (i = 0; i <= b->reach; i++) {
            double z = i * to->h / sigma;
            b->decay[i] = e_exp(-0.5 * z * z);
        }
        b->width = 2 * b->reach + 1 < to->n ? 2 * b->reach + 1 : to->n;
    }
    for (i = 0; i < 2; i++) {
        b->weight[i] = (double *)xrealloc(b->weight[i], (size_t)CHAIN_BLOCK * (size_t)b->width, sizeof(double));
    }
}

// Gaussian weights: exp(-(i h - off h)^2 / (2 sigma^2)) ~ decay_i growth^i, so one exponential, the rest multiplies.
// Writes targets from .. to of a cell centre + i, off = mean - centre in cells; returns the sum over all i.
static inline double chain_gaussian(double *w, const ChainBlock *b, int centre, double off, int from, int to) {
    double h = b->to->h, growth = e_exp(off * h * h / (b->sigma * b->sigma)), shrink = 1 / growth;
    double up = 1, down = 1, sum = 1;
    int i;
    if (centre >= from && centre <= to) {
        w[centre - from] = 1;
    }
    for (i = 1; i <= b->reach; i++) {
        double right, left;
        up *= growth;
        down *= shrink;
        right = b->decay[i] * up;
        left = b->decay[i] * down;
        sum += right + left;
        if (centre + i >= from && centre + i <= to) {
            w[centre + i - from] = right;
        }
        if (centre - i >= from && centre - i <= to) {
            w[centre - i - from] = left;
        }
    }
    return sum;
}

// Four weights at -1, 0, 1, 2 with moments 0..3 of N(f, v): the cubic Lagrange polynomials averaged over that Gaussian.
static inline void chain_four_points(double w[CHAIN_POINTS], double f, double v) {
    double second = f * f + v, third = f * f * f + 3 * f * v;
    w[0] = (-third + 3 * second - 2 * f) / 6;
    w[1] = (third - 2 * second - f + 2) / 2;
    w[2] = (-third + second + 2 * f) / 2;
    w[3] = (third - f) / 6;
}

// Weights over the target cells of one axis for N(mean, sigma^2).  Returns their number; *first is the first cell.
static inline int chain_weights(double *w, int *first, const ChainBlock *b, double mean) {
    const Grid *g = b->to;
    int smooth = b->sigma >= CHAIN_SMOOTH * g->h, left, right, i;
    double place = (mean - g->lo) / g->h - 0.5; // in cells, 0 at the first centre
    double cell = smooth ? floor(place + 0.5) : floor(place);
    int below = smooth ? b->reach : 1, above = smooth ? b->reach : CHAIN_POINTS - 2;
    if (!(fabs(place) < 1e300)) {
        DIE("chain_law: a step leads to %g; the network returned no finite number", mean);
    }
    *first = 0;
    if (cell + above < 0 || cell - below > g->n - 1) {
        return 0;
    }
    left = (int)cell - below < 0 ? 0 : (int)cell - below;
    right = (int)cell + above > g->n - 1 ? g->n - 1 : (int)cell + above;
    if (smooth) {
        double sum = chain_gaussian(w, b, (int)cell, place - cell, left, right);
        for (i = 0; i <= right - left; i++) {
            w[i] /= sum;
        }
    } else {
        double four[CHAIN_POINTS];
        chain_four_points(four, place - cell, b->sigma * b->sigma / (g->h * g->h));
        for (i = left; i <= right; i++) {
            w[i - left] = four[i - (int)cell + 1];
        }
    }
    *first = left;
    return right - left + 1;
}

// Evaluates the network at the b->n cells and fills in their weights.  ref may be NULL.
static inline void chain_block_fill(ChainBlock *b, Net *net, Net *ref, const Chain *chain, int k) {
    StepCoeffs s = chain->step[k];
    int i;
    for (i = 0; i < b->n; i++) {
        double x[2];
        grid_point(x, b->from, b->cell[i]);
        b->x[2 * i] = (real)x[0];
        b->x[2 * i + 1] = (real)x[1];
    }
    chain_eps(b->eps, net, chain, b->x, k, b->c, b->n);
    if (ref != NULL) {
        chain_eps(b->eps_ref, ref, chain, b->x, k, b->c, b->n);
    }
    OMP(parallel for schedule(static))
    for (i = 0; i < b->n; i++) {
        double x[2];
        int axis;
        grid_point(x, b->from, b->cell[i]);
        for (axis = 0; axis < 2; axis++) {
            double mean = s.a * x[axis] + s.b * (double)b->eps[2 * i + axis];
            double *w = b->weight[axis] + (size_t)i * (size_t)b->width;
            b->count[axis][i] = chain_weights(w, &b->first[axis][i], b, mean);
        }
    }
}

// q += the mass of the block after the step; mass[i] belongs to source i.  A target row has one owner, and adds its
// sources in order.
static inline void chain_block_push(double *q, const double *mass, const ChainBlock *b) {
    int j;
    OMP(parallel for schedule(static, 1))
    for (j = 0; j < b->to->n; j++) {
        double *row = q + (size_t)j * (size_t)b->to->n;
        int i, k;
        for (i = 0; i < b->n; i++) {
            int y = j - b->first[1][i];
            if (y >= 0 && y < b->count[1][i]) {
                const double *wx = b->weight[0] + (size_t)i * (size_t)b->width;
                double m = mass[i] * b->weight[1][(size_t)i * (size_t)b->width + (size_t)y];
                double *to = row + b->first[0][i];
                SIMD
                for (k = 0; k < b->count[0][i]; k++) {
                    to[k] += m * wx[k];
                }
            }
        }
    }
}

// mean[i] = sum over targets of weight * f, inside[i] = sum of weights (1 where nothing leaves the grid).
static inline void chain_block_pull(double *mean, double *inside, const double *f, const ChainBlock *b) {
    int i;
    OMP(parallel for schedule(static))
    for (i = 0; i < b->n; i++) {
        const double *wx = b->weight[0] + (size_t)i * (size_t)b->width;
        const double *wy = b->weight[1] + (size_t)i * (size_t)b->width;
        double sum = 0, all = 0;
        int j, k;
        for (j = 0; j < b->count[1][i]; j++) {
            const double *row = f + (size_t)(b->first[1][i] + j) * (size_t)b->to->n + b->first[0][i];
            double along = 0, weights = 0;
            for (k = 0; k < b->count[0][i]; k++) {
                along += wx[k] * row[k];
                weights += wx[k];
            }
            sum += wy[j] * along;
            all += wy[j] * weights;
        }
        mean[i] = sum;
        inside[i] = all;
    }
}

// N(0, I) in cells, not normalised; returns the mass outside the grid.
static inline double chain_start(double *p, const Grid *g) {
    double *line = NEW(double, (size_t)g->n);
    double inside = 0;
    int i, j;
    for (i = 0; i < g->n; i++) {
        double x = grid_centre(g, i);
        line[i] = e_exp(-0.5 * x * x) * g->h / sqrt(2 * PI);
        inside += line[i];
    }
    for (j = 0; j < g->n; j++) {
        for (i = 0; i < g->n; i++) {
            p[(size_t)j * (size_t)g->n + (size_t)i] = line[j] * line[i];
        }
    }
    free(line);
    return 1 - inside * inside;
}

#endif
