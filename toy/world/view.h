// view.h: how the worlds look.  One picture for samples of the ring, one for sheets of digits, one for the frontier.
#ifndef TILT_VIEW_H
#define TILT_VIEW_H

#include <time.h>

#include "../../ref/show/png.h"
#include "../../ref/show/svg.h"
#include "../../ref/show/term.h"
#include "digits.h"
#include "ring.h"
#include "score.h"

#define VIEW_SPAN 2.6 // the ring is shown from -2.6 to 2.6

// n points (x, y), one colour a prompt c (NULL: one colour), in a square of `side` pixels at (left, 0) of m.  Faint
// circles of two standard deviations mark the modes.
static inline void view_ring(Image *m, int left, int side, const Ring *ring, const real *xy, const int *c, size_t n) {
    Window v = {left, 0, side, side, -VIEW_SPAN, VIEW_SPAN, -VIEW_SPAN, VIEW_SPAN};
    int k;
    size_t i;
    for (k = 0; k < ring->modes; k++) {
        double mu[2];
        int radius = (int)(2 * ring->std / (2 * VIEW_SPAN) * side);
        ring_mode(mu, ring, k);
        image_disc(m, window_x(&v, mu[0]), window_y(&v, mu[1]), radius, rgb(224, 224, 224));
        image_disc(m, window_x(&v, mu[0]), window_y(&v, mu[1]), radius - 1 - side / 256, rgb(246, 246, 246));
    }
    for (i = 0; i < n; i++) {
        image_points(m, &v, xy + 2 * i, 1, side / 256, palette_category(c != NULL ? c[i] : 0));
    }
}

// `panels` sets of n points side by side with a title each; prompts c are the same in all of them.
static inline Image view_ring_panels(const Ring *ring, real *const *xy, const char *const *title, int panels,
                                     const int *c, size_t n, int side) {
    Image m = image_new(side * panels, side, 3);
    int p;
    image_fill(&m, rgb(255, 255, 255));
    for (p = 0; p < panels; p++) {
        view_ring(&m, p * side, side, ring, xy[p], c, n);
        image_text(&m, p * side + 8, 6, side >= 256 ? 2 : 1, rgb(0, 0, 0), title[p]);
    }
    return m;
}

// The frames of a path (chain_sample): noise becoming data, frame 0 is the start.  frames: T + 1 images to be freed.
static inline void view_ring_path(Image *frames, const Ring *ring, const real *path, int T, const int *c, int n,
                                  int side) {
    int k;
    for (k = T; k >= 0; k--) {
        Image *m = &frames[T - k];
        *m = image_new(side, side, 3);
        image_fill(m, rgb(255, 255, 255));
        view_ring(m, 0, side, ring, path + (size_t)k * 2 * (size_t)n, c, (size_t)n);
    }
}

// Plays a path on the terminal of stderr, a fifth of a second a frame; nothing happens when nobody watches.
static inline void view_play(const real *path, int T, const int *c, int n) {
    Term t = term_open(stderr, 0);
    int k;
    for (k = T; k >= 0 && t.live; k--) {
        clock_t until = clock() + CLOCKS_PER_SEC / 5;
        char title[64];
        term_frame(&t, k == 0);
        term_scatter(&t, path + (size_t)k * 2 * (size_t)n, c, (size_t)n, -VIEW_SPAN, VIEW_SPAN, -VIEW_SPAN, VIEW_SPAN,
                     48, 48);
        snprintf(title, sizeof title, "noise becoming data: %d steps to go", k);
        term_line(&t, title);
        while (k > 0 && clock() < until) { // C99 has no sleep
        }
    }
}

// Sheets of digits side by side with a title above each: `rows` rows of samples, and at the bottom the mean of all n
// samples of each digit, where a change of style shows best.  Row i of x (n x 64) is a sample of the digit i mod 10.
static inline Image view_digit_sheets(real *const *x, const char *const *title, int sheets, int n, int rows,
                                      int scale) {
    enum { CELL = 9 }; // a picture and the line beside it
    int w = (CELL * DIGIT_CLASSES + 1) * scale + 7, h = (CELL * (rows + 1) + 1) * scale + 20, s, i;
    size_t shown = (size_t)rows * DIGIT_CLASSES * DIGIT_PIXELS, k;
    real *all = NEW(real, shown + (size_t)DIGIT_CLASSES * DIGIT_PIXELS);
    Image m = image_new(w * sheets, h, 3);
    image_fill(&m, rgb(255, 255, 255));
    for (s = 0; s < sheets; s++) {
        Image sheet;
        memcpy(all, x[s], shown * sizeof(real));
        memset(all + shown, 0, (size_t)DIGIT_CLASSES * DIGIT_PIXELS * sizeof(real));
        for (i = 0; i < n; i++) {
            for (k = 0; k < DIGIT_PIXELS; k++) {
                all[shown + (size_t)(i % DIGIT_CLASSES) * DIGIT_PIXELS + k] +=
                    x[s][(size_t)i * DIGIT_PIXELS + k] * (real)DIGIT_CLASSES / (real)n;
            }
        }
        sheet = image_sheet(all, (rows + 1) * DIGIT_CLASSES, 8, 8, DIGIT_CLASSES, 1, -1); // ink is dark
        image_text(&m, s * w + 2, 2, 2, rgb(0, 0, 0), title[s]);
        image_blit(&m, &sheet, s * w, 20, scale);
        image_free(&sheet);
    }
    free(all);
    return m;
}

// Reward against KL: the frontier as a named curve of `points` scores with rising KL, each method as one named point.
static inline Svg view_frontier(const char *title, const char *curve_name, const Score *curve, int points,
                                const char *const *method, const Score *score, int methods) {
    double *kl = NEW(double, (size_t)points), *reward = NEW(double, (size_t)points);
    double low = curve[0].reward, high = curve[points - 1].reward, far = curve[points - 1].kl;
    Svg s = svg_new(620, 400, title);
    int i;
    for (i = 0; i < points; i++) {
        kl[i] = curve[i].kl;
        reward[i] = curve[i].reward;
    }
    for (i = 0; i < methods; i++) {
        low = score[i].reward < low ? score[i].reward : low;
        high = score[i].reward > high ? score[i].reward : high;
        far = score[i].kl > far ? score[i].kl : far;
    }
    svg_axes(&s, 0, 1.03 * far, low - 0.05 * (high - low), high + 0.05 * (high - low), "KL to the reference, nats",
             "mean true reward");
    svg_line(&s, kl, reward, points, rgb(0, 0, 0), curve_name);
    for (i = 0; i < methods; i++) {
        svg_points(&s, &score[i].kl, &score[i].reward, 1, 5, palette_category(i), method[i]);
    }
    svg_legend(&s, 'R');
    free(kl);
    free(reward);
    return s;
}

// A table on a grid fills the panel of s with the square [-half, half]^2, rounded to whole cells, from its own lowest
// value (dark) to its highest; a cross stands at the point `mark`.
static inline void view_field(Svg *s, const Grid *g, const double *table, double half, const double mark[2],
                              const char *title) {
    int first = (int)floor((-half - g->lo) / g->h + 0.5), side = g->n - 2 * first, k;
    double *cut, low = INFINITY, top = -INFINITY;
    if (first < 0 || side < 2) {
        DIE("view_field: the square up to %g does not fit the grid from %g to %g", half, g->lo, g->hi);
    }
    cut = NEW(double, (size_t)side *(size_t)side);
    for (k = 0; k < side * side; k++) {
        cut[k] = table[(size_t)(first + k / side) * (size_t)g->n + (size_t)(first + k % side)];
        low = fmin(low, cut[k]);
        top = fmax(top, cut[k]);
    }
    for (k = 0; k < side * side; k++) {
        cut[k] -= low;
    }
    svg_field(s, cut, side, side, top > low ? top - low : 1);
    s->x0 = s->y0 = g->lo + first * g->h;
    s->x1 = s->y1 = s->x0 + side * g->h;
    svg_label(s, svg_x(s, mark[0]), svg_y(s, mark[1]) + 6, 'm', 18, PAPER, "+");
    svg_label(s, s->left + s->w / 2, s->top - 8, 'm', 13, INK, title);
    free(cut);
}

#endif
