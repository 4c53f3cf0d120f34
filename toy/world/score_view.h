// score_view.h: two denoisers of the plane side by side: their scores as arrows, and where they differ.
#ifndef TILT_SCORE_VIEW_H
#define TILT_SCORE_VIEW_H

#include "../../ref/core/net.h"
#include "../../ref/formula/loss_weights.h"
#include "../../ref/show/svg.h"
#include "grid.h"

// eps (2 a cell) of a net at every cell centre, level k, prompt c.
static inline void score_view_eps(real *eps, const Grid *g, Net *net, int k, int c) {
    size_t cells = grid_cells(g), i;
    real *x = NEW(real, 2 * cells), *t = NEW(real, cells);
    int *prompt = NEW(int, cells);
    grid_rows(x, g);
    for (i = 0; i < cells; i++) {
        t[i] = (real)k;
        prompt[i] = c;
    }
    net->forward(net, eps, x, t, prompt, (int)cells);
    free(x);
    free(t);
    free(prompt);
}

// Fills the panel (svg_axes has been called) with |eps_a - eps_b|, `top` the lightest.  Returns the largest difference.
static inline double svg_denoiser_difference(Svg *s, const Grid *g, Net *a, Net *b, int k, int c, double top) {
    size_t cells = grid_cells(g), i;
    real *ea = NEW(real, 2 * cells), *eb = NEW(real, 2 * cells);
    double *far = NEW(double, cells), largest = 0;
    score_view_eps(ea, g, a, k, c);
    score_view_eps(eb, g, b, k, c);
    for (i = 0; i < cells; i++) {
        far[i] = sqrt(loss_simple(NULL, ea + 2 * i, eb + 2 * i, 1, 2));
        largest = fmax(largest, far[i]);
    }
    svg_field(s, far, g->n, g->n, top);
    free(ea);
    free(eb);
    free(far);
    return largest;
}

// Arrows -eps, which is sigma times the score, from every cell centre; the longest is one cell long.
static inline void svg_scores(Svg *s, const Grid *g, Net *net, int k, int c, Rgb color) {
    size_t cells = grid_cells(g), i;
    real *eps = NEW(real, 2 * cells);
    score_view_eps(eps, g, net, k, c);
    for (i = 0; i < cells; i++) {
        double at[2], dx = -(double)eps[2 * i], dy = -(double)eps[2 * i + 1];
        double unit = 0.9 * g->h / fmax(1.5, sqrt(dx * dx + dy * dy)); // short ones stay short
        grid_point(at, g, i);
        svg_arrow(s, at[0] - 0.5 * unit * dx, at[1] - 0.5 * unit * dy, at[0] + 0.5 * unit * dx, at[1] + 0.5 * unit * dy,
                  color);
    }
    free(eps);
}

#endif
