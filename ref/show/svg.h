// svg.h: figures as SVG: curves, points, bars, arrows, fields, with axes, ticks, labels and a legend.
//
//   Svg s = svg_new(640, 400, "reward against KL");
//   svg_axes(&s, 0, 4, -1, 1, "KL to the reference, nats", "mean reward");
//   svg_line(&s, xs, ys, n, palette_category(0), "best of n");     // the last text goes to the legend; "" is none
//   svg_legend(&s, 'r');
//   svg_write(&s, "out/frontier.svg");                              // also frees
//
// Several panels in one figure: svg_panel(&s, left, top, width, height) before svg_axes.  What lies outside the axes
// is clipped; a number that is not finite is an error, because it means the program went wrong before.
// All numbers are printed with two decimals, so equal data give equal bytes.
#ifndef TILT_SVG_H
#define TILT_SVG_H

#include "png.h"

#define SVG_LEGEND 16

typedef struct {
    Bytes text;
    double left, top, w, h; // the panel, in pixels
    double x0, x1, y0, y1;  // the part of the plane it shows
    int legend;             // entries since svg_axes
    Rgb color[SVG_LEGEND];
    char sample[SVG_LEGEND]; // 'l' line, 'd' dashed line, 'p' points, 'b' bars
    const char *label[SVG_LEGEND];
} Svg;

// ---- numbers ---------------------------------------------------------------------------------------------------

static inline double svg_finite_(double v, const char *what) {
    if (!(v > -1e300 && v < 1e300)) {
        DIE("svg: %s got the number %g; the data are wrong before they reach the figure", what, v);
    }
    return v;
}

// Where x and y of the plane lie in the figure, kept within a million pixels, because readers use floats.
static inline double svg_x(const Svg *s, double x) {
    double v = s->left + (svg_finite_(x, "x axis") - s->x0) / (s->x1 - s->x0) * s->w;
    return v < -1e6 ? -1e6 : v > 1e6 ? 1e6 : v;
}

static inline double svg_y(const Svg *s, double y) {
    double v = s->top + (s->y1 - svg_finite_(y, "y axis")) / (s->y1 - s->y0) * s->h;
    return v < -1e6 ? -1e6 : v > 1e6 ? 1e6 : v;
}

// A step of 1, 2 or 5 times a power of ten that cuts `range` into 4 to 10 parts; sets the decimals its labels need.
static inline double tick_step(double range, int *decimals) {
    static const double nice[3] = {1, 2, 5};
    double power = 1;
    int k;
    *decimals = 0;
    while (power * 10 <= range / 4) {
        power *= 10;
    }
    while (power > range / 4) {
        power /= 10;
        (*decimals)++;
    }
    for (k = 2; k > 0 && nice[k] * power > range / 4; k--) {
    }
    return nice[k] * power;
}

// ---- elements --------------------------------------------------------------------------------------------------

static inline void svg_color_(Svg *s, const char *attribute, Rgb c) {
    bytes_text(&s->text, " %s=\"#%02x%02x%02x\"", attribute, c.r, c.g, c.b);
}

// Text at a point of the figure in pixels; anchor 's' start, 'm' middle, 'e' end.
static inline void svg_label(Svg *s, double px, double py, char anchor, int size, Rgb c, const char *text) {
    const char *word = anchor == 'm' ? "middle" : anchor == 'e' ? "end" : "start";
    bytes_text(&s->text, "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%d\" text-anchor=\"%s\"", px, py, size, word);
    svg_color_(s, "fill", c);
    bytes_text(&s->text, ">");
    bytes_escaped(&s->text, text);
    bytes_text(&s->text, "</text>\n");
}

// What is drawn between svg_clip_ and svg_unclip_ shows only inside the panel.  A nested svg element clips without an
// id, and ids of several figures would collide in one page.
static inline void svg_clip_(Svg *s) {
    bytes_text(&s->text, "<svg x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" viewBox=\"%.2f %.2f %.2f %.2f\">\n",
               s->left, s->top, s->w, s->h, s->left, s->top, s->w, s->h);
}

static inline void svg_unclip_(Svg *s) {
    bytes_text(&s->text, "</svg>\n");
}

static inline void svg_panel(Svg *s, double left, double top, double w, double h) {
    s->left = left;
    s->top = top;
    s->w = w;
    s->h = h;
}

static inline Svg svg_new(int width, int height, const char *title) {
    Svg s;
    memset(&s, 0, sizeof s);
    bytes_text(&s.text,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
               "role=\"img\" font-family=\"Helvetica, Arial, sans-serif\">\n<title>",
               width, height, width, height);
    bytes_escaped(&s.text, title);
    bytes_text(&s.text, "</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", width, height);
    svg_label(&s, width / 2.0, 20, 'm', 15, INK, title);
    svg_panel(&s, 64, 34, width - 84.0, height - 84.0);
    return s;
}

// Axes outside these limits would need labels that do not fit.
static inline void svg_range_(double low, double high, const char *axis) {
    double range = svg_finite_(high, "axis") - svg_finite_(low, "axis");
    if (!(range > 0)) {
        DIE("svg: the %s axis from %g to %g is empty; give a lower and a higher end", axis, low, high);
    }
    if (range < 1e-6 || fabs(low) > 1e6 * range || fabs(high) > 1e9) {
        DIE("svg: the %s axis from %g to %g needs too many digits; scale or shift the data", axis, low, high);
    }
}

// Frame, ticks, grid and the names of the axes; starts a new legend.
static inline void svg_axes(Svg *s, double x0, double x1, double y0, double y1, const char *x_name,
                            const char *y_name) {
    double step, at;
    int decimals, k;
    char text[40];
    svg_range_(x0, x1, "x");
    svg_range_(y0, y1, "y");
    s->x0 = x0;
    s->x1 = x1;
    s->y0 = y0;
    s->y1 = y1;
    s->legend = 0;
    step = tick_step(x1 - x0, &decimals);
    for (k = (int)ceil(x0 / step - 1e-9); k * step <= x1 + 1e-9 * step; k++) {
        at = svg_x(s, k * step);
        bytes_text(&s->text, "<path d=\"M%.2f %.2fV%.2f\" stroke=\"#e4e4e4\"/>\n", at, s->top, s->top + s->h);
        snprintf(text, sizeof text, "%.*f", decimals, k * step);
        svg_label(s, at, s->top + s->h + 16, 'm', 12, INK, text);
    }
    step = tick_step(y1 - y0, &decimals);
    for (k = (int)ceil(y0 / step - 1e-9); k * step <= y1 + 1e-9 * step; k++) {
        at = svg_y(s, k * step);
        bytes_text(&s->text, "<path d=\"M%.2f %.2fH%.2f\" stroke=\"#e4e4e4\"/>\n", s->left, at, s->left + s->w);
        snprintf(text, sizeof text, "%.*f", decimals, k * step);
        svg_label(s, s->left - 6, at + 4, 'e', 12, INK, text);
    }
    bytes_text(&s->text,
               "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"none\" stroke=\"#222222\"/>\n",
               s->left, s->top, s->w, s->h);
    svg_label(s, s->left + s->w / 2, s->top + s->h + 36, 'm', 13, INK, x_name);
    bytes_text(&s->text,
               "<text transform=\"translate(%.2f %.2f) rotate(-90)\" font-size=\"13\" text-anchor=\"middle\" "
               "fill=\"#222222\">",
               s->left - 46, s->top + s->h / 2);
    bytes_escaped(&s->text, y_name);
    bytes_text(&s->text, "</text>\n");
}

static inline void svg_entry_(Svg *s, Rgb c, char sample, const char *label) {
    if (label[0] != '\0') {
        if (s->legend == SVG_LEGEND) {
            DIE("svg: more than %d legend entries; '%s' is one too many", SVG_LEGEND, label);
        }
        s->color[s->legend] = c;
        s->sample[s->legend] = sample;
        s->label[s->legend++] = label;
    }
}

static inline void svg_polyline_(Svg *s, const double *x, const double *y, int n, Rgb c, const char *dash) {
    int i;
    svg_clip_(s);
    bytes_text(&s->text, "<polyline fill=\"none\" stroke-width=\"2\"%s", dash);
    svg_color_(s, "stroke", c);
    bytes_text(&s->text, " points=\"");
    for (i = 0; i < n; i++) {
        bytes_text(&s->text, "%s%.2f,%.2f", i ? " " : "", svg_x(s, x[i]), svg_y(s, y[i]));
    }
    bytes_text(&s->text, "\"/>\n");
    svg_unclip_(s);
}

static inline void svg_line(Svg *s, const double *x, const double *y, int n, Rgb c, const char *label) {
    svg_polyline_(s, x, y, n, c, "");
    svg_entry_(s, c, 'l', label);
}

static inline void svg_dashed(Svg *s, const double *x, const double *y, int n, Rgb c, const char *label) {
    svg_polyline_(s, x, y, n, c, " stroke-dasharray=\"6 4\"");
    svg_entry_(s, c, 'd', label);
}

// n discs of the given radius in pixels.
static inline void svg_points(Svg *s, const double *x, const double *y, int n, double radius, Rgb c,
                              const char *label) {
    int i;
    svg_clip_(s);
    bytes_text(&s->text, "<g fill-opacity=\"0.8\"");
    svg_color_(s, "fill", c);
    bytes_text(&s->text, ">\n");
    for (i = 0; i < n; i++) {
        bytes_text(&s->text, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%.2f\"/>\n", svg_x(s, x[i]), svg_y(s, y[i]), radius);
    }
    bytes_text(&s->text, "</g>\n");
    svg_unclip_(s);
    svg_entry_(s, c, 'p', label);
}

// The same for samples as networks keep them: n rows (x,y).
static inline void svg_samples(Svg *s, const real *xy, size_t n, double radius, Rgb c, const char *label) {
    size_t i;
    double *x = NEW(double, n);
    double *y = NEW(double, n);
    for (i = 0; i < n; i++) {
        x[i] = (double)xy[2 * i];
        y[i] = (double)xy[2 * i + 1];
    }
    svg_points(s, x, y, (int)n, radius, c, label);
    free(x);
    free(y);
}

// Text at a point of the plane.
static inline void svg_text(Svg *s, double x, double y, char anchor, Rgb c, const char *text) {
    svg_label(s, svg_x(s, x), svg_y(s, y), anchor, 12, c, text);
}

// n bars of width `width` (in x) centred at x[i], from 0 to y[i].
static inline void svg_bars(Svg *s, const double *x, const double *y, int n, double width, Rgb c, const char *label) {
    int i;
    svg_clip_(s);
    bytes_text(&s->text, "<g");
    svg_color_(s, "fill", c);
    bytes_text(&s->text, ">\n");
    for (i = 0; i < n; i++) {
        double a = svg_y(s, 0), b = svg_y(s, y[i]), left = svg_x(s, x[i] - width / 2),
               right = svg_x(s, x[i] + width / 2);
        bytes_text(&s->text, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>\n", left, a < b ? a : b,
                   right - left, fabs(a - b));
    }
    bytes_text(&s->text, "</g>\n");
    svg_unclip_(s);
    svg_entry_(s, c, 'b', label);
}

// Error bars: a vertical line from y - e to y + e at every point.
static inline void svg_errors(Svg *s, const double *x, const double *y, const double *e, int n, Rgb c) {
    int i;
    svg_clip_(s);
    bytes_text(&s->text, "<g stroke-width=\"1.5\"");
    svg_color_(s, "stroke", c);
    bytes_text(&s->text, ">\n");
    for (i = 0; i < n; i++) {
        bytes_text(&s->text, "<path d=\"M%.2f %.2fV%.2f\"/>\n", svg_x(s, x[i]), svg_y(s, y[i] - e[i]),
                   svg_y(s, y[i] + e[i]));
    }
    bytes_text(&s->text, "</g>\n");
    svg_unclip_(s);
}

// An arrow in the plane, for scores and velocities; the head is 6 pixels long.
static inline void svg_arrow(Svg *s, double x0, double y0, double x1, double y1, Rgb c) {
    double ax = svg_x(s, x0), ay = svg_y(s, y0), bx = svg_x(s, x1), by = svg_y(s, y1);
    double length = sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay));
    double ux = length > 0 ? (bx - ax) / length : 0, uy = length > 0 ? (by - ay) / length : 0;
    svg_clip_(s);
    bytes_text(&s->text, "<path fill=\"none\" stroke-width=\"1.5\"");
    svg_color_(s, "stroke", c);
    bytes_text(&s->text, " d=\"M%.2f %.2fL%.2f %.2fM%.2f %.2fL%.2f %.2fL%.2f %.2f\"/>\n", ax, ay, bx, by,
               bx - 6 * ux - 3 * uy, by - 6 * uy + 3 * ux, bx, by, bx - 6 * ux + 3 * uy, by - 6 * uy - 3 * ux);
    svg_unclip_(s);
}

// A table of w x h numbers (row 0 is the lowest y) fills the panel with the sequential palette, as an embedded PNG;
// 0 is the darkest, `top` the lightest.
static inline void svg_field(Svg *s, const double *values, int w, int h, double top) {
    Image m = image_new(w, h, 3);
    Window all = {0, 0, w, h, 0, 1, 0, 1};
    Bytes png = {NULL, 0, 0};
    image_field(&m, &all, values, w, h, top);
    png_encode(&png, &m);
    bytes_text(&s->text,
               "<image x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" preserveAspectRatio=\"none\" "
               "style=\"image-rendering:pixelated\" href=\"data:image/png;base64,",
               s->left, s->top, s->w, s->h);
    bytes_base64(&s->text, png.data, png.n);
    bytes_text(&s->text, "\"/>\n");
    bytes_free(&png);
    image_free(&m);
}

// The entries since svg_axes, inside the panel: corner 'r' upper right, 'l' upper left, 'R' and 'L' the lower ones.
static inline void svg_legend(Svg *s, char corner) {
    size_t longest = 0;
    double w, h = 18.0 * s->legend + 8, x, y;
    int i;
    for (i = 0; i < s->legend; i++) {
        longest = strlen(s->label[i]) > longest ? strlen(s->label[i]) : longest;
    }
    w = 44 + 6.6 * (double)longest; // the mean width of a letter of size 12
    x = corner == 'r' || corner == 'R' ? s->left + s->w - w - 8 : s->left + 8;
    y = corner == 'r' || corner == 'l' ? s->top + 8 : s->top + s->h - h - 8;
    bytes_text(&s->text,
               "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"#ffffff\" fill-opacity=\"0.85\"/>\n",
               x, y, w, h);
    for (i = 0; i < s->legend; i++) {
        double at = y + 13 + 18 * i;
        if (s->sample[i] == 'l' || s->sample[i] == 'd') {
            bytes_text(&s->text, "<path d=\"M%.2f %.2fh24\" stroke-width=\"2\"%s", x + 6, at,
                       s->sample[i] == 'd' ? " stroke-dasharray=\"6 4\"" : "");
            svg_color_(s, "stroke", s->color[i]);
        } else if (s->sample[i] == 'p') {
            bytes_text(&s->text, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"4\"", x + 18, at);
            svg_color_(s, "fill", s->color[i]);
        } else {
            bytes_text(&s->text, "<rect x=\"%.2f\" y=\"%.2f\" width=\"12\" height=\"10\"", x + 12, at - 5);
            svg_color_(s, "fill", s->color[i]);
        }
        bytes_text(&s->text, "/>\n");
        svg_label(s, x + 36, at + 4, 's', 12, INK, s->label[i]);
    }
}

// The finished text, for pages and notebooks; add nothing afterwards, free with bytes_free(&s->text).
static inline const Bytes *svg_finish(Svg *s) {
    bytes_text(&s->text, "</svg>\n");
    return &s->text;
}

static inline void svg_write(Svg *s, const char *path) {
    svg_finish(s);
    atomic_write(path, s->text.data, s->text.n);
    bytes_free(&s->text);
}

#endif
