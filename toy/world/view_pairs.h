// view_pairs.h: a question on the terminal: two pictures side by side, and what the model believes so far.
//
// The ring is shown as a map: eight villages around a lake, and a point is a house.  That gives a place a meaning one
// can have a taste for.  Digits are drawn large, light on dark.  Both read in colour and in plain characters.
#ifndef TILT_VIEW_PAIRS_H
#define TILT_VIEW_PAIRS_H

#include "../../ref/show/term.h"
#include "../feedback/session.h"

#define MAP_SPAN 2.6                                      // the map reaches from -2.6 to 2.6
enum { PAIR_PANEL = 26, PAIR_BELIEF = 20, PAIR_GAP = 2 }; // pixels: 78 columns and 13 lines

// The lake, the villages and the land in a square of `side` pixels.
static inline void view_map(Image *m, int left, int top, int side, const Ring *ring) {
    int i, j;
    for (j = 0; j < side; j++) {
        for (i = 0; i < side; i++) {
            double x[2], distance;
            Rgb c = rgb(52, 60, 48); // land
            x[0] = MAP_SPAN * (2 * (i + 0.5) / side - 1);
            x[1] = -MAP_SPAN * (2 * (j + 0.5) / side - 1);
            ring_nearest(&distance, ring, x);
            if (distance < 1.6 * ring->std) {
                c = rgb(112, 106, 92); // a village
            } else if (x[0] * x[0] + x[1] * x[1] < 0.95 * 0.95) {
                c = rgb(10, 32, 62); // water
            }
            image_set(m, left + i, top + j, c);
        }
    }
}

// An item in a square of `side` pixels.
static inline void view_item(Image *m, int left, int top, int side, const Items *items, const Ring *ring, int i) {
    if (items->dim == 2) {
        Window v = {left, top, side, side, -MAP_SPAN, MAP_SPAN, -MAP_SPAN, MAP_SPAN};
        int x = window_x(&v, (double)items->x[2 * i]), y = window_y(&v, (double)items->x[2 * i + 1]);
        view_map(m, left, top, side, ring);
        image_disc(m, x, y, 2, rgb(20, 20, 20));
        image_disc(m, x, y, 1, rgb(255, 214, 102)); // the house, with a dark rim
    } else {
        Image one = image_grey(items->x + (size_t)i * DIGIT_PIXELS, DIGIT_SIDE, DIGIT_SIDE, -1, 1);
        int scale = side / DIGIT_SIDE, rim = (side - scale * DIGIT_SIDE) / 2;
        image_rect(m, left, top, side, side, rgb(0, 0, 0));
        image_blit(m, &one, left + rim, top + rim, scale);
        image_free(&one);
    }
}

// The item of the same kind (digit) as `like` with the largest fitted reward.
static inline int view_favourite(const Items *items, const Taste *t, int like) {
    int i, best = -1;
    double top = 0;
    for (i = 0; i < items->n; i++) {
        if (items->group == NULL || items->group[i] == items->group[like]) {
            double r = laplace_mean(t->theta, items->f + (size_t)i * (size_t)items->F, items->F);
            if (best < 0 || r > top) {
                best = i;
                top = r;
            }
        }
    }
    return best;
}

// What the model believes: the learned reward over the map, light is high; for digits its favourite of this kind.
static inline void view_belief(Image *m, int left, int top, int side, const Items *items, const Ring *ring,
                               const Taste *t, int like) {
    double *r, low = INFINITY, high = -INFINITY;
    int i, j;
    if (items->dim != 2) {
        view_item(m, left, top, side, items, ring, view_favourite(items, t, like));
        return;
    }
    r = NEW(double, (size_t)side *(size_t)side);
    for (i = 0; i < side * side; i++) {
        double x[2], f[HILLS];
        x[0] = MAP_SPAN * (2 * (i % side + 0.5) / side - 1);
        x[1] = -MAP_SPAN * (2 * (i / side + 0.5) / side - 1);
        hill_features(f, x);
        r[i] = laplace_mean(t->theta, f, HILLS);
        low = fmin(low, r[i]);
        high = fmax(high, r[i]);
    }
    for (j = 0; j < side; j++) {
        for (i = 0; i < side; i++) {
            image_set(m, left + i, top + j,
                      palette_sequential(high > low ? (r[j * side + i] - low) / (high - low) : 0));
        }
    }
    free(r);
}

// `text` centred over `width` columns, appended to a line of at most `most` bytes.
static inline void view_centred_(char *line, size_t most, const char *text, int width) {
    size_t at = strlen(line);
    int room = width - (int)strlen(text), before = room > 0 ? room / 2 : 0;
    snprintf(line + at, most - at, "%*s%s%*s", before, "", text, room > before ? room - before : 0, "");
}

// One frame: the question, the two pictures, the belief, how far we are, and one line of news.  columns: of the
// terminal, 0 if unknown; below 78 everything is drawn smaller.
static inline void view_question(Term *t, const Session *s, const Ring *ring, int total, int columns,
                                 const char *news) {
    enum { WIDE = 2 * PAIR_PANEL + PAIR_BELIEF + 3 * PAIR_GAP };
    int narrow = columns > 0 && columns < WIDE, left = total - s->n, marks = narrow ? 20 : 40, i;
    int panel = narrow ? 18 : PAIR_PANEL, belief = narrow ? 12 : PAIR_BELIEF; // 18 + 2 + 18 + 4 + 12 = 54 columns
    int full = total > 0 ? marks * s->n / total : marks;
    Image m;
    char line[200], bar[41];
    if (!term_frame(t, 1)) {
        return;
    }
    m = image_new(2 * panel + belief + 3 * PAIR_GAP, panel, 3);
    image_fill(&m, rgb(0, 0, 0));
    view_item(&m, 0, 0, panel, s->items, ring, s->a);
    view_item(&m, panel + PAIR_GAP, 0, panel, s->items, ring, s->b);
    view_belief(&m, 2 * panel + 3 * PAIR_GAP, (panel - belief) / 2, belief, s->items, ring, &s->taste, s->a);
    if (s->items->dim == 2) {
        snprintf(line, sizeof line, "%sWhich house would you rather live in?",
                 narrow ? "" : "Eight villages around a lake.  ");
    } else {
        snprintf(line, sizeof line, "Two people wrote a %d.  Which one do you like better?", s->items->group[s->a]);
    }
    term_line(t, line);
    term_image(t, &m);
    line[0] = '\0';
    view_centred_(line, sizeof line, "<- left", panel);
    view_centred_(line, sizeof line, "", PAIR_GAP);
    view_centred_(line, sizeof line, "right ->", panel);
    view_centred_(line, sizeof line, "", 2 * PAIR_GAP);
    view_centred_(line, sizeof line, s->items->dim == 2 ? "it believes" : "favourite", belief);
    term_line(t, line);
    for (i = 0; i < marks; i++) {
        bar[i] = i < full ? '#' : '.';
    }
    bar[marks] = '\0';
    snprintf(line, sizeof line, "[%s] %d answered, %d to go", bar, s->n, left > 0 ? left : 0);
    term_line(t, line);
    snprintf(line, sizeof line, "%.*s", narrow ? columns - 1 : 199, news);
    term_line(t, line);
    image_free(&m);
}

#endif
