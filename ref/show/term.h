// term.h: pictures in a terminal, without a window system, so they work over SSH and in tmux.
//
//   Term t = term_open(stdout, 0);                     // 0: --color=auto
//   while (term_frame(&t, last)) { ... }               // see term_frame: redraws in place, only for a person
//   term_density(&t, xy, n, &window, 60, 40);
//
// In colour a character cell is the upper half block, two pixels: foreground on top, background below (24-bit
// colour).  Without colour the same picture is one of the ten shades " .:-=+*#%@" per cell.
#ifndef TILT_TERM_H
#define TILT_TERM_H

#include "canvas.h"
#include "tty.h"

#define TERM_SHADES " .:-=+*#%@"

typedef struct {
    FILE *out;
    int color; // escape codes for colour are wanted
    int live;  // a person watches: frames may replace each other
    int rows;  // lines drawn since the frame began
} Term;

// option: index into color_words (tty.h), 0 for auto.
static inline Term term_open(FILE *out, int option) {
    Term t;
    t.out = out;
    t.color = color_wanted(out, option);
    t.live = is_terminal(out) && color_rule(0, NULL, NULL, NULL, 1, getenv("TERM"));
    t.rows = 0;
    return t;
}

// Call before every frame of an animation; draw only if it returns 1.  On a terminal the cursor moves back to where
// the last frame began; elsewhere only the last frame is drawn.
static inline int term_frame(Term *t, int last) {
    if (!t->live) {
        t->rows = 0;
        return last;
    }
    if (t->rows > 0) {
        fprintf(t->out, "\033[%dA\r", t->rows);
    }
    t->rows = 0;
    return 1;
}

static inline void term_end_line_(Term *t) {
    fputs(t->color ? "\033[0m" : "", t->out);
    fputs(t->live ? "\033[K\n" : "\n", t->out);
    t->rows++;
}

// One line of text that belongs to the frame; the text has no line break.
static inline void term_line(Term *t, const char *text) {
    fputs(text, t->out);
    term_end_line_(t);
    fflush(t->out);
}

// ---- pictures --------------------------------------------------------------------------------------------------

static inline int same_rgb_(Rgb a, Rgb b) {
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

// Any picture, one pixel per column and two per line; an odd last row is padded with black.
static inline void term_image(Term *t, const Image *m) {
    int x, y;
    for (y = 0; y < m->h; y += 2) {
        Rgb fg = rgb(0, 0, 0), bg = rgb(0, 0, 0);
        for (x = 0; x < m->w; x++) {
            Rgb up = image_get(m, x, y);
            Rgb down = y + 1 < m->h ? image_get(m, x, y + 1) : rgb(0, 0, 0);
            if (!t->color) {
                fputc(TERM_SHADES[(rgb_grey(up) + rgb_grey(down)) * 10 / 512], t->out);
                continue;
            }
            if (x == 0 || !same_rgb_(up, fg)) {
                fprintf(t->out, "\033[38;2;%d;%d;%dm", up.r, up.g, up.b);
            }
            if (x == 0 || !same_rgb_(down, bg)) {
                fprintf(t->out, "\033[48;2;%d;%d;%dm", down.r, down.g, down.b);
            }
            fputs("\xe2\x96\x80", t->out); // upper half block, U+2580
            fg = up;
            bg = down;
        }
        term_end_line_(t);
    }
    fflush(t->out);
}

// A table of w x h numbers, row 0 at the top; 0 (or less) is dark, `top` is light.
static inline void term_field(Term *t, const double *v, int w, int h, double top) {
    Image m = image_new(w, h, t->color ? 3 : 1);
    int x, y;
    for (y = 0; y < h; y++) {
        for (x = 0; x < w; x++) {
            double level = v[(size_t)y * (size_t)w + (size_t)x] / top;
            level = level > 0 ? (level < 1 ? level : 1) : 0;
            image_set(&m, x, y,
                      t->color ? palette_sequential(level)
                               : rgb((int)(255 * level), (int)(255 * level), (int)(255 * level)));
        }
    }
    term_image(t, &m);
    image_free(&m);
}

// How dense are n points (x,y)?  w x h pixels (h even) show the part x0..x1, y0..y1 of the plane, y upwards.
// Brightness is the square root of the count over the largest count, so that thin tails stay visible.
// Returns how many points lay outside.
static inline size_t term_density(Term *t, const real *xy, size_t n, double x0, double x1, double y0, double y1, int w,
                                  int h) {
    double *count = NEW(double, (size_t)w *(size_t)h);
    double most = 0;
    size_t i, outside = 0;
    Window v = {0, 0, w, h, x0, x1, y0, y1};
    for (i = 0; i < n; i++) {
        int x = window_x(&v, (double)xy[2 * i]);
        int y = window_y(&v, (double)xy[2 * i + 1]);
        if (x < 0 || y < 0 || x >= w || y >= h) {
            outside++;
        } else {
            double c = count[(size_t)y * (size_t)w + (size_t)x] += 1;
            most = c > most ? c : most;
        }
    }
    for (i = 0; i < (size_t)w * (size_t)h; i++) {
        count[i] = sqrt(count[i]);
    }
    term_field(t, count, w, h, most > 0 ? sqrt(most) : 1);
    free(count);
    return outside;
}

// n points (x,y) with categories label[i] >= 0, one colour each; later points cover earlier ones.  Without colour the
// last digit of the category is drawn, one character per two pixels.  Returns how many points lay outside.
static inline size_t term_scatter(Term *t, const real *xy, const int *label, size_t n, double x0, double x1, double y0,
                                  double y1, int w, int h) {
    Image m = image_new(w, h + (h & 1), 3);
    char *line = NEW(char, (size_t)w + 1);
    int *owner = NEW(int, (size_t)w *(size_t)(h + 1)); // category + 1
    size_t i, outside = 0;
    int x, y;
    Window v = {0, 0, w, h, x0, x1, y0, y1};
    for (i = 0; i < n; i++) {
        x = window_x(&v, (double)xy[2 * i]);
        y = window_y(&v, (double)xy[2 * i + 1]);
        if (x < 0 || y < 0 || x >= w || y >= h) {
            outside++;
        } else {
            owner[(size_t)y * (size_t)w + (size_t)x] = label[i] + 1;
            image_set(&m, x, y, palette_category(label[i]));
        }
    }
    if (t->color) {
        term_image(t, &m);
    }
    for (y = 0; y < h && !t->color; y += 2) {
        for (x = 0; x < w; x++) {
            int up = owner[(size_t)y * (size_t)w + (size_t)x];
            int down = owner[(size_t)(y + 1) * (size_t)w + (size_t)x];
            int who = up ? up : down;
            line[x] = (char)(who ? '0' + (who - 1) % 10 : ' ');
        }
        term_line(t, line);
    }
    free(owner);
    free(line);
    image_free(&m);
    return outside;
}

// n grey pictures of w x h numbers (digits), `columns` side by side: lo is dark, hi is light.
static inline void term_sheet(Term *t, const real *v, int n, int w, int h, int columns, double lo, double hi) {
    Image m = image_sheet(v, n, w, h, columns, lo, hi);
    term_image(t, &m);
    image_free(&m);
}

#endif
