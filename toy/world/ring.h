// ring.h: the ring world.  Eight round Gaussians on a circle, four prompts, and what is exactly true of it.
//
// Mode k sits at angle 2 pi k / 8.  Prompt c owns the two neighbours 2c and 2c+1; the null prompt c = -1 owns all.
// Every law of x given c is a Gaussian mixture with equal weights, so density, score and every noised law are
// closed forms (ref/formula/mixture.h).  For rewards that are no quadratic the exact answer lives on a grid (grid.h).
// Random draws: sample i of a stream reads words 3i, 3i+1, 3i+2 of that stream and nothing else.
#ifndef TILT_RING_H
#define TILT_RING_H

#include "../../ref/core/rng.h"
#include "../../ref/formula/mixture.h"
#include "grid.h"

enum { RING_MODES = 8, RING_PROMPTS = 4 };
#define RING_RADIUS 1.5 // units of x, as everywhere in this file
#define RING_STD 0.25   // neighbouring centres are 1.148 = 4.6 standard deviations apart: separate, but they touch

typedef struct {
    int modes;   // Gaussians on the circle
    int prompts; // divides modes: prompt c owns modes c*modes/prompts .. (c+1)*modes/prompts - 1
    double radius, std;
} Ring;

static inline Ring ring_new(void) {
    Ring ring;
    ring.modes = RING_MODES;
    ring.prompts = RING_PROMPTS;
    ring.radius = RING_RADIUS;
    ring.std = RING_STD;
    return ring;
}

// ---- modes and prompts -------------------------------------------------------------------------------------------

// Centre of mode k.
static inline void ring_mode(double mu[2], const Ring *ring, int k) {
    double angle = 2 * PI * k / ring->modes;
    mu[0] = ring->radius * e_cos(angle);
    mu[1] = ring->radius * e_sin(angle);
}

static inline void ring_check_prompt(const Ring *ring, int c) {
    if (c < -1 || c >= ring->prompts) {
        DIE("ring: there is no prompt %d; use 0..%d, or -1 for all modes", c, ring->prompts - 1);
    }
}

// The modes of prompt c are first .. first + count - 1; returns count.
static inline int ring_modes_of(int *first, const Ring *ring, int c) {
    ring_check_prompt(ring, c);
    *first = c < 0 ? 0 : c * (ring->modes / ring->prompts);
    return c < 0 ? ring->modes : ring->modes / ring->prompts;
}

// The mode whose centre is nearest to x, and its distance.
static inline int ring_nearest(double *distance, const Ring *ring, const double x[2]) {
    double best = INFINITY;
    int k, nearest = 0;
    for (k = 0; k < ring->modes; k++) {
        double mu[2], d2;
        ring_mode(mu, ring, k);
        d2 = (x[0] - mu[0]) * (x[0] - mu[0]) + (x[1] - mu[1]) * (x[1] - mu[1]);
        if (d2 < best) {
            best = d2;
            nearest = k;
        }
    }
    *distance = sqrt(best);
    return nearest;
}

// The prompt that owns mode k.
static inline int ring_prompt_of_mode(const Ring *ring, int k) {
    return k / (ring->modes / ring->prompts);
}

// ---- exact law ---------------------------------------------------------------------------------------------------

// The mixture of prompt c (free it with gmm_free).
static inline Gmm ring_gmm(const Ring *ring, int c) {
    int first, k, count = ring_modes_of(&first, ring, c);
    Gmm gmm = gmm_new(count);
    for (k = 0; k < count; k++) {
        gmm.w[k] = 1.0 / count;
        ring_mode(gmm.mu + 2 * k, ring, first + k);
        gmm.cov[4 * k + 0] = ring->std * ring->std;
        gmm.cov[4 * k + 1] = 0;
        gmm.cov[4 * k + 2] = 0;
        gmm.cov[4 * k + 3] = ring->std * ring->std;
    }
    return gmm;
}

// p_ref(x | c), per unit area.
static inline double ring_density(const Ring *ring, const double x[2], int c) {
    double sum = 0, v = ring->std * ring->std;
    int first, k, count = ring_modes_of(&first, ring, c);
    for (k = first; k < first + count; k++) {
        double mu[2], d2;
        ring_mode(mu, ring, k);
        d2 = (x[0] - mu[0]) * (x[0] - mu[0]) + (x[1] - mu[1]) * (x[1] - mu[1]);
        sum += e_exp(-0.5 * d2 / v);
    }
    return sum / (count * 2 * PI * v);
}

// ---- on a grid ---------------------------------------------------------------------------------------------------

// Masses of p_ref(. | c) of the ring; returns the sum before normalising.  The modes are round, so exp factors into
// one per axis: 2 n exponentials a mode, not n^2.
static inline double ring_grid_ref(double *p, const Grid *g, const Ring *ring, int c) {
    int first, i, j, k, count = ring_modes_of(&first, ring, c);
    double v = ring->std * ring->std;
    double *ex = NEW(double, (size_t)g->n);
    memset(p, 0, grid_cells(g) * sizeof *p);
    for (k = first; k < first + count; k++) {
        double mu[2];
        ring_mode(mu, ring, k);
        for (i = 0; i < g->n; i++) {
            double d = grid_centre(g, i) - mu[0];
            ex[i] = e_exp(-0.5 * d * d / v);
        }
        for (j = 0; j < g->n; j++) {
            double d = grid_centre(g, j) - mu[1];
            double ey = e_exp(-0.5 * d * d / v) * g->h * g->h / (count * 2 * PI * v);
            double *row = p + (size_t)j * (size_t)g->n;
            for (i = 0; i < g->n; i++) {
                row[i] += ey * ex[i];
            }
        }
    }
    free(ex);
    return grid_normalise(p, g);
}

// mass[k] = mass of the cells whose nearest mode is k.
static inline void ring_grid_modes(double *mass, const Grid *g, const Ring *ring, const double *p) {
    size_t i, cells = grid_cells(g);
    int k;
    for (k = 0; k < ring->modes; k++) {
        mass[k] = 0;
    }
    for (i = 0; i < cells; i++) {
        double x[2], distance;
        grid_point(x, g, i);
        mass[ring_nearest(&distance, ring, x)] += p[i];
    }
}

// ---- samples -----------------------------------------------------------------------------------------------------

// Sample i of a stream from prompt c; returns its mode.
static inline int ring_sample(double x[2], const Ring *ring, int c, uint64_t seed, uint64_t stream, uint64_t i) {
    int first, k, count = ring_modes_of(&first, ring, c);
    double mu[2];
    k = first + (int)rng_below(seed, stream, 3 * i, (uint64_t)count);
    ring_mode(mu, ring, k);
    x[0] = mu[0] + ring->std * rng_normal(seed, stream, 3 * i + 1);
    x[1] = mu[1] + ring->std * rng_normal(seed, stream, 3 * i + 2);
    return k;
}

// n samples as rows of x (n x 2), numbers first .. first + n - 1 of the stream.  c_in: one prompt per row, or NULL for
// the null prompt (all modes).  c_out (NULL to skip): the prompt that owns each drawn mode, so that c_in = NULL with
// c_out gives labelled training data.
static inline void ring_batch(real *x, int *c_out, const int *c_in, size_t n, const Ring *ring, uint64_t seed,
                              uint64_t stream, uint64_t first) {
    size_t i;
    for (i = 0; i < n; i++) {
        double y[2];
        int k = ring_sample(y, ring, c_in ? c_in[i] : -1, seed, stream, first + i);
        x[2 * i + 0] = (real)y[0];
        x[2 * i + 1] = (real)y[1];
        if (c_out) {
            c_out[i] = ring_prompt_of_mode(ring, k);
        }
    }
}

// ---- what a sampler is asked first -------------------------------------------------------------------------------

// Fraction of the n samples (n x 2) within `stds` standard deviations of a mode of prompt c.  Under p_ref: a little
// more than 1 - exp(-stds^2 / 2), because the disc of a neighbour catches some: 0.9889 and a little for stds = 3.
static inline double ring_on_modes(const Ring *ring, const real *x, size_t n, int c, double stds) {
    int first, count = ring_modes_of(&first, ring, c);
    size_t i, hits = 0;
    for (i = 0; i < n; i++) {
        double y[2], distance;
        int k;
        y[0] = (double)x[2 * i];
        y[1] = (double)x[2 * i + 1];
        k = ring_nearest(&distance, ring, y);
        hits += k >= first && k < first + count && distance <= stds * ring->std;
    }
    return n ? (double)hits / (double)n : 0;
}

// mass[k] = fraction of the n samples (n x 2) whose nearest mode is k, k = 0..modes-1.
static inline void ring_mode_fractions(double *mass, const Ring *ring, const real *x, size_t n) {
    size_t i;
    int k;
    for (k = 0; k < ring->modes; k++) {
        mass[k] = 0;
    }
    for (i = 0; i < n; i++) {
        double y[2], distance;
        y[0] = (double)x[2 * i];
        y[1] = (double)x[2 * i + 1];
        mass[ring_nearest(&distance, ring, y)] += 1;
    }
    for (k = 0; k < ring->modes && n; k++) {
        mass[k] /= (double)n;
    }
}

#endif
