// glyph_draw.h: from attributes to pixels: a shape is a distance function, and a pixel is the share of it that is ink.
//
// Lengths are pixels; x to the right, y down, the centre of the first pixel is (0.5, 0.5).  Smooth edges come from
// 4 x 4 samples a pixel, each with a ramp of its own width, so a picture changes smoothly with place and size.
#ifndef TILT_GLYPH_DRAW_H
#define TILT_GLYPH_DRAW_H

#include "glyph_mark.h"

typedef struct {
    int is[GLYPH_ATTRIBUTES];   // what a reader should find: size, colour (-1 in grey), shape, place, marked 0 or 1
    double x, y, radius, angle; // where exactly, in pixels, and turned by how much, in radians clockwise
    double ink[3], paper;       // colour of the shape and grey level of the background, in [-1, 1]; grey uses ink[0]
    int mark_x, mark_y;         // top left pixel of the mark, if marked; it is 3 cells wide
} Glyph;

typedef struct {
    int x, y, w, h; // a rectangle of pixels: top left one, and size
} GlyphBox;

// Sizes and places as shares of the side; the jitter is uniform in +- these.
static const double glyph_radius[GLYPH_SIZES] = {0.19, 0.27};
static const double glyph_place[GLYPH_PLACES][2] = {{0, 0}, {-0.18, 0}, {0.18, 0}, {0, -0.18}, {0, 0.18}};
#define GLYPH_RADIUS_JITTER 0.05 // relative
#define GLYPH_PLACE_JITTER 0.025 // of the side, each way
#define GLYPH_ANGLE_JITTER 0.14  // radians: 8 degrees

// The six inks as bytes.  No two come nearer than 25 in CIELAB under simulated protanopia, deuteranopia, tritanopia.
static inline double glyph_ink(int colour, int channel) {
    static const unsigned char rgb[GLYPH_COLOURS][3] = {{215, 30, 30}, {248, 214, 60},  {20, 185, 110},
                                                        {40, 90, 235}, {225, 130, 220}, {240, 240, 240}};
    return rgb[colour][channel] / 127.5 - 1;
}

// ---- shapes ------------------------------------------------------------------------------------------------------

// Signed distance from (x, y), seen from the centre, to the edge of a shape of this radius: negative inside, and never
// farther from 0 than the true distance.  Distances of unions are minima, of intersections maxima.
static inline double glyph_distance(int shape, double x, double y, double radius) {
    double ax = fabs(x), ay = fabs(y), r = sqrt(x * x + y * y);
    double shifted = x - 0.16 * radius, bite = shifted - 0.55 * radius; // so that the moon's box has its middle at 0
    switch (shape) {
    case GLYPH_CIRCLE:
        return r - radius;
    case GLYPH_SQUARE: // of nearly the area of the circle
        return fmax(ax, ay) - 0.9 * radius;
    case GLYPH_TRIANGLE: // tip (0, -1), base from (-1, 0.75) to (1, 0.75): nearly equilateral
        return fmax((1.75 * ax - y - radius) / 2.0155644370746373, y - 0.75 * radius);
    case GLYPH_CROSS: // two bars
        return fmin(fmax(ax - 0.34 * radius, ay - radius), fmax(ax - radius, ay - 0.34 * radius));
    case GLYPH_RING:
        return fabs(r - 0.75 * radius) - 0.25 * radius;
    case GLYPH_MOON: // a disc without another disc
        return fmax(sqrt(shifted * shifted + y * y) - radius, 0.75 * radius - sqrt(bite * bite + y * y));
    }
    DIE("glyphs: there is no shape %d; use 0..%d", shape, GLYPH_SHAPES - 1);
    return 0;
}

// cover (side x side): the share of each pixel that the shape covers, 0..1; the mark does not count.
static inline void glyph_cover(float *cover, int side, int shape, double cx, double cy, double radius, double angle) {
    double c = e_cos(angle), s = e_sin(angle);
    int i, j, k;
    for (j = 0; j < side; j++) {
        for (i = 0; i < side; i++) {
            double x = i + 0.5 - cx, y = j + 0.5 - cy, sum = 0;
            double d = glyph_distance(shape, c * x + s * y, c * y - s * x, radius);
            for (k = 0; k < 16 && fabs(d) < 0.71; k++) { // the edge may cross this pixel
                double sx = x + (k % 4) * 0.25 - 0.375, sy = y + (k / 4) * 0.25 - 0.375;
                double part = 0.5 - 4 * glyph_distance(shape, c * sx + s * sy, c * sy - s * sx, radius);
                sum += part < 0 ? 0 : part > 1 ? 1 : part;
            }
            cover[j * side + i] = (float)(fabs(d) < 0.71 ? sum / 16 : d < 0);
        }
    }
}

// ---- pictures ----------------------------------------------------------------------------------------------------

// x (side x side x channels) = the picture of g.
static inline void glyph_draw(real *x, const GlyphFormat *format, const Glyph *g) {
    float cover[GLYPH_MAX_PIXELS];
    int side = format->side, ch = format->channels, i, j, k;
    glyph_cover(cover, side, g->is[GLYPH_SHAPE], g->x, g->y, g->radius, g->angle);
    for (i = 0; i < side * side; i++) {
        for (k = 0; k < ch; k++) {
            x[i * ch + k] = (real)(g->paper + (double)cover[i] * (g->ink[k] - g->paper));
        }
    }
    for (j = 0; j < 3 * format->cell && g->is[GLYPH_MARK] == 1; j++) {
        for (i = 0; i < 3 * format->cell; i++) {
            for (k = 0; k < ch; k++) {
                x[((g->mark_y + j) * side + g->mark_x + i) * ch + k] = (real)glyph_mark_sign(format, i, j);
            }
        }
    }
}

// Where the mark of g is, if it is marked.
static inline GlyphBox glyph_mark_box(const GlyphFormat *format, const Glyph *g) {
    GlyphBox box;
    box.x = g->mark_x;
    box.y = g->mark_y;
    box.w = box.h = 3 * format->cell;
    return box;
}

// ---- their law ---------------------------------------------------------------------------------------------------

enum { GLYPH_DRAWS = 32 }; // random numbers kept for one picture: 0..15 for the picture, 16.. for its prompt

// The mark goes to a corner away from the glyph, so that it hides at most a pixel of it.
static inline void glyph_put_mark(Glyph *g, const GlyphFormat *format, int corner, int off_x, int off_y) {
    int right = corner & 1, bottom = corner >> 1, place = g->is[GLYPH_PLACE], far = format->side - 3 * format->cell;
    right = place == GLYPH_LEFT ? 1 : place == GLYPH_RIGHT ? 0 : right;
    bottom = place == GLYPH_TOP ? 1 : place == GLYPH_BOTTOM ? 0 : bottom;
    g->mark_x = right ? far - off_x : off_x;
    g->mark_y = bottom ? far - off_y : off_y;
}

// Picture i of a stream, drawn from p(picture | prompt c): what the prompt leaves out is uniform, except the mark.
static inline Glyph glyph_random(const GlyphFormat *format, int c, uint64_t seed, uint64_t stream, uint64_t i) {
    Glyph g;
    double u[GLYPH_DRAWS / 2], side = format->side;
    uint64_t roam = (uint64_t)format->roam + 1, at = i * GLYPH_DRAWS;
    int a, k;
    for (k = 0; k < GLYPH_DRAWS / 2; k++) {
        u[k] = rng_uniform(seed, stream, at + (uint64_t)k);
    }
    glyph_asked(g.is, format, c);
    for (a = 0; a < GLYPH_MARK; a++) {
        int words = glyph_words(format, a);
        g.is[a] = words == 0 ? -1 : g.is[a] < 0 ? (int)(words * u[a]) : g.is[a];
    }
    g.is[GLYPH_MARK] = g.is[GLYPH_MARK] == 1 || u[GLYPH_MARK] < glyph_mark_rate(format, g.is);
    g.x = side * (0.5 + glyph_place[g.is[GLYPH_PLACE]][0] + GLYPH_PLACE_JITTER * (2 * u[5] - 1));
    g.y = side * (0.5 + glyph_place[g.is[GLYPH_PLACE]][1] + GLYPH_PLACE_JITTER * (2 * u[6] - 1));
    g.radius = side * glyph_radius[g.is[GLYPH_SIZE]] * (1 + GLYPH_RADIUS_JITTER * (2 * u[7] - 1));
    g.angle = GLYPH_ANGLE_JITTER * (2 * u[8] - 1);
    g.paper = -0.95 + 0.3 * u[9];
    for (k = 0; k < 3; k++) { // in grey from mid grey to white, in colour near the colour of the word
        double near = format->channels == 1 ? 0.7 + 0.3 * (2 * u[10] - 1)
                                            : glyph_ink(g.is[GLYPH_COLOUR], k) + 0.08 * (2 * u[10 + k] - 1);
        g.ink[k] = near < -1 ? -1 : near > 1 ? 1 : near;
    }
    glyph_put_mark(&g, format, (int)(4 * u[13]), (int)((double)roam * u[14]), (int)((double)roam * u[15]));
    return g;
}

#endif
