// glyph_read.h: what is in a picture of the world `glyphs`?  Shape, colour, size, place and mark, from pixels alone.
//
//   GlyphReader reader = glyph_reader_new(glyph_format(16));     GlyphReading r = glyph_read(&reader, x);
// The mark is found by its own filter (glyph_mark.h) and left out of the rest.  The best drawing (glyph_match.h) gives
// shape, size and place, a regression on its cover the colours.  Where even the best explains little, there is nothing.
// Accuracy: tests/test_glyph_read.c measures it and prints it with --table.
#ifndef TILT_GLYPH_READ_H
#define TILT_GLYPH_READ_H

#include "glyph_match.h"

#define GLYPH_INK_SEEN 0.15 // a difference of ink and paper, in units of [-1, 1], below which there is no glyph

typedef struct {
    int is[GLYPH_ATTRIBUTES];   // -1: nothing recognised (size, colour, shape, place), or no colour (grey)
    double fit;                 // explained share of the variance, the confidence: 1 is a perfect drawing
    double lead;                // fit minus the best fit of any other shape
    double x, y, radius, angle; // where the best drawing stands
    double ink[3], paper[3];    // its colours by regression
    double mark;                // largest answer of the mark's filter
    int mark_x, mark_y;         // and where
} GlyphReading;

// ---- parts -------------------------------------------------------------------------------------------------------

// v = the picture along the direction u in which its colours vary most (power iteration on their covariance), minus its
// mean; pixels of the mark are set to 0.  x: numbers of the picture; skip[pixel]: part of the mark.
static inline void glyph_project(float *v, double u[3], double mean[3], const real *x, const unsigned char *skip,
                                 const GlyphFormat *format) {
    int n = glyph_pixels(format), ch = format->channels, i, k, l, seen = 0;
    double cov[3][3] = {{0}}, norm;
    memset(mean, 0, 3 * sizeof *mean);
    for (i = 0; i < n; i++) {
        for (k = 0; k < ch && !skip[i]; k++) {
            mean[k] += (double)x[i * ch + k];
        }
        seen += !skip[i];
    }
    for (k = 0; k < 3; k++) {
        mean[k] /= seen;
        u[k] = k < ch ? 1 : 0; // every ink is lighter than the paper
    }
    for (i = 0; i < n && ch == 3; i++) {
        for (k = 0; k < 3 && !skip[i]; k++) {
            for (l = 0; l < 3; l++) {
                cov[k][l] += ((double)x[3 * i + k] - mean[k]) * ((double)x[3 * i + l] - mean[l]);
            }
        }
    }
    for (i = 0; i < 20 && ch == 3; i++) {
        double next[3];
        for (k = 0; k < 3; k++) {
            next[k] = cov[k][0] * u[0] + cov[k][1] * u[1] + cov[k][2] * u[2];
        }
        norm = sqrt(next[0] * next[0] + next[1] * next[1] + next[2] * next[2]);
        for (k = 0; k < 3 && norm > 0; k++) {
            u[k] = next[k] / norm;
        }
    }
    for (i = 0; i < n; i++) {
        double dot = 0;
        for (k = 0; k < ch && !skip[i]; k++) {
            dot += u[k] * ((double)x[i * ch + k] - mean[k]);
        }
        v[i] = (float)dot;
    }
}

// The word for a difference ink - paper: the ink whose own difference from mean paper points most nearly the same way,
// so that a faded red is red.
static inline int glyph_colour_of(const double slope[3]) {
    int colour, k, best = 0;
    double best_cosine = -2;
    for (colour = 0; colour < GLYPH_COLOURS; colour++) {
        double dot = 0, square = 0, cosine;
        for (k = 0; k < 3; k++) {
            double d = glyph_ink(colour, k) + 0.8;
            dot += d * slope[k];
            square += d * d;
        }
        cosine = dot / sqrt(square);
        if (cosine > best_cosine) {
            best_cosine = cosine;
            best = colour;
        }
    }
    return best;
}

// The place whose point is nearest to (x, y).
static inline int glyph_place_of(double x, double y, double side) {
    int place, best = 0;
    double nearest = INFINITY;
    for (place = 0; place < GLYPH_PLACES; place++) {
        double dx = x - side * (0.5 + glyph_place[place][0]), dy = y - side * (0.5 + glyph_place[place][1]);
        if (dx * dx + dy * dy < nearest) {
            nearest = dx * dx + dy * dy;
            best = place;
        }
    }
    return best;
}

// paper and ink by regression of each channel on the cover of the best drawing; returns the length of ink - paper,
// divided by the root of the number of channels.
static inline double glyph_regress(GlyphReading *r, const real *x, const unsigned char *skip, const double mean[3],
                                   const GlyphFormat *format) {
    float cover[GLYPH_MAX_PIXELS];
    int n = glyph_pixels(format), ch = format->channels, seen = 0, i, k;
    double mass = 0, spread = 0, square = 0;
    glyph_cover(cover, format->side, r->is[GLYPH_SHAPE], r->x, r->y, r->radius, r->angle);
    for (i = 0; i < n; i++) {
        mass += skip[i] ? 0 : (double)cover[i];
        seen += !skip[i];
    }
    mass /= seen;
    for (i = 0; i < n; i++) {
        double d = (double)cover[i] - mass;
        spread += skip[i] ? 0 : d * d;
    }
    for (k = 0; k < ch; k++) {
        double slope = 0;
        for (i = 0; i < n; i++) {
            slope += skip[i] ? 0 : ((double)cover[i] - mass) / spread * ((double)x[i * ch + k] - mean[k]);
        }
        r->paper[k] = mean[k] - slope * mass;
        r->ink[k] = r->paper[k] + slope;
        square += slope * slope / ch;
    }
    return sqrt(square);
}

// ---- reading -------------------------------------------------------------------------------------------------------

// Everything at once; x is one picture of the reader's format.
static inline GlyphReading glyph_read(const GlyphReader *reader, const real *x) {
    const GlyphFormat *format = reader->format;
    unsigned char skip[GLYPH_MAX_PIXELS];
    float v[GLYPH_MAX_PIXELS];
    double u[3], mean[3], slope[3], contrast, lead;
    GlyphReading r;
    GlyphMatch m;
    int side = format->side, kind, i, j;
    memset(&r, 0, sizeof r);
    memset(skip, 0, sizeof skip);
    r.mark = glyph_mark_find(&r.mark_x, &r.mark_y, x, format);
    r.is[GLYPH_MARK] =
        r.mark > GLYPH_MARK_SEEN && glyph_mark_share(r.mark, x, format, r.mark_x, r.mark_y) > GLYPH_MARK_PURE;
    for (j = 0; j < 3 * format->cell && r.is[GLYPH_MARK]; j++) {
        for (i = 0; i < 3 * format->cell; i++) {
            skip[(r.mark_y + j) * side + r.mark_x + i] = 1;
        }
    }
    glyph_project(v, u, mean, x, skip, format);
    kind = glyph_match(&m, &lead, reader, v);
    r.fit = m.fit;
    r.lead = lead;
    r.is[GLYPH_SHAPE] = kind / GLYPH_SIZES;
    r.is[GLYPH_SIZE] = kind % GLYPH_SIZES;
    r.x = side / 2 + 0.5 + m.x / 3.0;
    r.y = side / 2 + 0.5 + m.y / 3.0;
    r.radius = glyph_fine_radius(format, kind, m.radius);
    r.angle = glyph_fine_angle(m.angle);
    contrast = glyph_regress(&r, x, skip, mean, format);
    for (i = 0; i < 3; i++) {
        slope[i] = r.ink[i] - r.paper[i];
    }
    r.is[GLYPH_COLOUR] = format->channels == 1 ? -1 : glyph_colour_of(slope);
    r.is[GLYPH_PLACE] = glyph_place_of(r.x, r.y, side);
    if (!(r.fit > reader->fit_seen && contrast > GLYPH_INK_SEEN)) {
        r.is[GLYPH_SIZE] = r.is[GLYPH_COLOUR] = r.is[GLYPH_SHAPE] = r.is[GLYPH_PLACE] = -1;
    }
    return r;
}

// How well a reading does what prompt c asks, 0..1: the share of the named attributes that are right; for a prompt
// without words, whether there is a glyph at all.  A reward for following prompts; it has no derivative.
static inline double glyph_alignment(const GlyphReading *r, const GlyphFormat *format, int c) {
    int want[GLYPH_ATTRIBUTES], named = 0, right = 0, a;
    glyph_asked(want, format, c);
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        named += want[a] >= 0;
        right += want[a] >= 0 && want[a] == r->is[a];
    }
    return named ? (double)right / named : r->is[GLYPH_SHAPE] >= 0;
}

// ---- many pictures -------------------------------------------------------------------------------------------------

typedef struct {
    double seen, marked;                // shares of all pictures
    double right[GLYPH_ATTRIBUTES];     // share of the pictures whose prompt names the attribute that show it
    size_t asked[GLYPH_ATTRIBUTES];     // and their number
    double shape_and_colour, obedience; // shares of all: right in what was asked of these two, in all that was asked
} GlyphScore;

// n pictures against their prompts c.
static inline GlyphScore glyph_score(const GlyphReader *reader, const real *x, const int *c, size_t n) {
    const GlyphFormat *format = reader->format;
    GlyphReading *reading = NEW(GlyphReading, n);
    GlyphScore s;
    size_t i;
    int a;
    OMP(parallel for schedule(dynamic, 16))
    for (i = 0; i < n; i++) {
        reading[i] = glyph_read(reader, x + i * (size_t)glyph_dim(format));
    }
    memset(&s, 0, sizeof s);
    for (i = 0; i < n; i++) {
        const int *is = reading[i].is;
        int want[GLYPH_ATTRIBUTES], right = 1;
        glyph_asked(want, format, c[i]);
        for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
            s.asked[a] += want[a] >= 0;
            s.right[a] += want[a] >= 0 && want[a] == is[a];
            right = right && (want[a] < 0 || want[a] == is[a] || (a != GLYPH_SHAPE && a != GLYPH_COLOUR));
        }
        s.seen += is[GLYPH_SHAPE] >= 0;
        s.marked += is[GLYPH_MARK];
        s.shape_and_colour += right && is[GLYPH_SHAPE] >= 0;
        s.obedience += glyph_obeys(format, c[i], is) && is[GLYPH_SHAPE] >= 0;
    }
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        s.right[a] = s.asked[a] ? s.right[a] / (double)s.asked[a] : 0;
    }
    if (n > 0) {
        s.seen /= (double)n;
        s.marked /= (double)n;
        s.shape_and_colour /= (double)n;
        s.obedience /= (double)n;
    }
    free(reading);
    return s;
}

#endif
