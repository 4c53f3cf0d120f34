// view_curves.h: the figure of chapter 7: what one simulated reader likes and what was learned; many readers below.
#ifndef TILT_VIEW_CURVES_H
#define TILT_VIEW_CURVES_H

#include "../../ref/show/svg.h"
#include "../feedback/session.h"
#include "../feedback/taste_result.h"

// A field over the exam's grid, from its lowest to its highest value; pairs of s (NULL: none) as discs: chosen light.
static inline void view_curves_map_(Svg *f, int k, const double *v, const Session *s, const char *title) {
    double low = INFINITY, high = -INFINITY, *shown = NEW(double, EXAM_CELLS);
    int i, chosen;
    for (i = 0; i < EXAM_CELLS; i++) {
        low = fmin(low, v[i]);
        high = fmax(high, v[i]);
    }
    for (i = 0; i < EXAM_CELLS; i++) {
        shown[i] = high > low ? (v[i] - low) / (high - low) : 0;
    }
    svg_panel(f, 20 + 232 * k, 62, 214, 214);
    svg_field(f, shown, EXAM_SIDE, EXAM_SIDE, 1);
    svg_label(f, f->left + f->w / 2, f->top - 8, 'm', 13, INK, title);
    f->x0 = f->y0 = -3.2;
    f->x1 = f->y1 = 3.2;
    for (i = 0; s != NULL && i < s->n; i++) {
        for (chosen = 0; chosen < 2; chosen++) {
            int item = (s->answer[i].y >= 0.5) == chosen ? s->answer[i].a : s->answer[i].b;
            svg_samples(f, s->items->x + 2 * item, 1, 4.5, chosen ? INK : PAPER, "");
            svg_samples(f, s->items->x + 2 * item, 1, 3.5, chosen ? PAPER : INK, "");
        }
    }
    free(shown);
}

static inline void view_curves_axes_(Svg *f, double left, const char *y_name) {
    svg_panel(f, left, 330, 390, 270);
    svg_axes(f, 0, 42, -0.3, 1.05, "answers", y_name);
}

// dir/picture.svg.  e must know the reader of the session s and its result r.
static inline void view_curves(const char *dir, const Exam *e, const Session *s, const RingResult *r,
                               const Curves *fair, const Curves *weak) {
    static const char *const name[CHOOSERS] = {"largest variance", "random", "smallest |margin|", "BALD"};
    static const Chooser shown[2] = {CHOOSE_VARIANCE, CHOOSE_MARGIN};
    Svg f = svg_new(950, 660, "One reader's taste from twenty answers, and what the choice of questions is worth");
    double x[BUDGETS], e2[BUDGETS];
    char path[PATH_LENGTH], label[60];
    int m, k;
    view_curves_map_(&f, 0, e->truth, NULL, "true taste of one reader");
    snprintf(label, sizeof label, "learned from %d answers", s->n);
    view_curves_map_(&f, 1, r->r, s, label);
    view_curves_map_(&f, 2, r->law[LAW_REF], NULL, "the model before");
    view_curves_map_(&f, 3, r->law[LAW_CLIMB], NULL, "the model after");
    view_curves_axes_(&f, 70, "share of the reachable J");
    for (m = 0; m < CHOOSERS; m++) {
        for (k = 0; k < BUDGETS; k++) {
            x[k] = budget[k] + 0.25 * (m - 1.5); // side by side
            e2[k] = 2 * fair->j_se[m][k];
        }
        svg_line(&f, x, fair->j[m], BUDGETS, palette_category(m), name[m]);
        svg_errors(&f, x, fair->j[m], e2, BUDGETS, palette_category(m));
        svg_points(&f, x, fair->j[m], BUDGETS, 3.5, palette_category(m), "");
    }
    svg_legend(&f, 'R');
    view_curves_axes_(&f, 540, "share, with a prior that expects too much");
    for (k = 0; k < BUDGETS; k++) {
        x[k] = budget[k];
    }
    for (m = 0; m < 2; m++) {
        Rgb c = palette_category(shown[m]);
        svg_line(&f, x, weak->j[shown[m]], BUDGETS, c, m == 0 ? "J, largest variance" : "J, smallest |margin|");
        svg_dashed(&f, x, weak->r[shown[m]], BUDGETS, c,
                   m == 0 ? "reward alone, largest variance" : "reward alone, smallest |margin|");
    }
    svg_legend(&f, 'R');
    folder_make(dir);
    path_join(path, dir, "picture.svg");
    svg_write(&f, path);
}

#endif
