// glyph_match.h: which drawing explains a picture best?  Covers of every shape, radius, angle and place of the world
// `glyphs`, compared with a picture by regression.
//
// A picture is paper + slope * cover: a straight line in the cover of the true shape.  So the fit of a drawing is the
// share of the picture's variance that its cover explains (R^2 of the regression, which knows no contrast).  First
// every shape in two sizes stands on whole pixels; then the promising ones walk uphill over thirds of a pixel, three
// radii a size and three angles.
#ifndef TILT_GLYPH_MATCH_H
#define TILT_GLYPH_MATCH_H

#include "glyph_draw.h"

#define GLYPH_FIT_SEEN 0.5  // pictures of the data have 0.93 and more, noise stays below 0.2
#define GLYPH_PROMISING 0.7 // kinds that reach this share of the best coarse fit are looked at closely
enum { GLYPH_RADII = 3, GLYPH_ANGLES = 3, GLYPH_PHASES = 9, GLYPH_KINDS = GLYPH_SHAPES * GLYPH_SIZES };
enum { GLYPH_FINE = GLYPH_KINDS * GLYPH_RADII * GLYPH_ANGLES * GLYPH_PHASES, GLYPH_MAX_WINDOW = 23 };

// Drawings in windows of one size: cover (window x window each) with the middle of the glyph in the middle pixel.
typedef struct {
    int side, window, reach;                    // reach: places tried, in pixels from the middle of the picture
    float *cover;                               // drawings x window x window
    double sum[GLYPH_FINE], square[GLYPH_FINE]; // of the cover
} GlyphBank;

typedef struct {
    const GlyphFormat *format;
    double fit_seen;        // the fit below which the reader sees no glyph; 0: it always names the best
    GlyphBank coarse, fine; // coarse: one drawing a kind, on pictures of side 12 or 16
} GlyphReader;

// ---- the drawings --------------------------------------------------------------------------------------------------

static inline GlyphBank glyph_bank_new(int side, int drawings) {
    GlyphBank b;
    int half = (int)(0.3 * side + 0.999);
    size_t numbers;
    memset(&b, 0, sizeof b);
    b.side = side;
    b.window = 2 * half + 1;
    b.reach = (int)(0.23 * side);
    numbers = size_mul((size_t)drawings, (size_t)(b.window * b.window));
    b.cover = NEW(float, numbers);
    return b;
}

static inline void glyph_bank_put(GlyphBank *b, int k, int shape, double radius, double angle, double dx, double dy) {
    int n = b->window * b->window, i;
    float *cover = b->cover + (size_t)k * (size_t)n;
    glyph_cover(cover, b->window, shape, 0.5 * b->window + dx, 0.5 * b->window + dy, radius, angle);
    for (i = 0; i < n; i++) {
        b->sum[k] += (double)cover[i];
        b->square[k] += (double)cover[i] * (double)cover[i];
    }
}

// Drawing `number` of the fine bank: kind = shape * 2 + size, then radius, angle and phase, the last changing fastest.
static inline int glyph_fine_number(int kind, int radius, int angle, int phase) {
    return ((kind * GLYPH_RADII + radius) * GLYPH_ANGLES + angle) * GLYPH_PHASES + phase;
}

static inline double glyph_fine_radius(const GlyphFormat *format, int kind, int radius) {
    return format->side * glyph_radius[kind % GLYPH_SIZES] * (1 + GLYPH_RADIUS_JITTER * (radius - 1));
}

static inline double glyph_fine_angle(int angle) {
    return 0.8 * GLYPH_ANGLE_JITTER * (angle - 1);
}

// Free with glyph_reader_free.  Afterwards it is only read, so threads may share it.
static inline GlyphReader glyph_reader_new(const GlyphFormat *format) {
    GlyphReader reader;
    int kind, r, a, p, small = format->side > 16 ? format->side / 2 : format->side;
    reader.format = format;
    reader.fit_seen = GLYPH_FIT_SEEN;
    reader.coarse = glyph_bank_new(small, GLYPH_KINDS);
    reader.fine = glyph_bank_new(format->side, GLYPH_FINE);
    for (kind = 0; kind < GLYPH_KINDS; kind++) {
        int shape = kind / GLYPH_SIZES;
        glyph_bank_put(&reader.coarse, kind, shape, small * glyph_radius[kind % GLYPH_SIZES], 0, 0, 0);
        for (r = 0; r < GLYPH_RADII; r++) {
            for (a = 0; a < GLYPH_ANGLES; a++) {
                for (p = 0; p < GLYPH_PHASES; p++) {
                    glyph_bank_put(&reader.fine, glyph_fine_number(kind, r, a, p), shape,
                                   glyph_fine_radius(format, kind, r), glyph_fine_angle(a), (p % 3 - 1) / 3.0,
                                   (p / 3 - 1) / 3.0);
                }
            }
        }
    }
    return reader;
}

static inline void glyph_reader_free(GlyphReader *reader) {
    free(reader->coarse.cover);
    free(reader->fine.cover);
    memset(reader, 0, sizeof *reader);
}

// ---- comparing -----------------------------------------------------------------------------------------------------

enum { GLYPH_MAX_FRAME = GLYPH_MAX_SIDE + GLYPH_MAX_WINDOW };

// One number a pixel, with its mean taken away and a frame of zeros around, so that windows may hang over the border.
typedef struct {
    int across, half; // side + 2 half
    double total;     // sum of squares
    float v[GLYPH_MAX_FRAME * GLYPH_MAX_FRAME];
} GlyphPlane;

static inline void glyph_plane_set(GlyphPlane *plane, const GlyphBank *b, const float *v) {
    int i, j;
    plane->half = b->window / 2;
    plane->across = b->side + 2 * plane->half;
    plane->total = 0;
    memset(plane->v, 0, (size_t)(plane->across * plane->across) * sizeof(float));
    for (j = 0; j < b->side; j++) {
        for (i = 0; i < b->side; i++) {
            float one = v[j * b->side + i];
            plane->v[(j + plane->half) * plane->across + i + plane->half] = one;
            plane->total += (double)one * (double)one;
        }
    }
}

// R^2 of drawing k with its middle pixel at (px, py) from the middle of the picture; 0 where the ink would be darker
// than the paper.
static inline double glyph_fit(const GlyphPlane *plane, const GlyphBank *b, int k, int px, int py) {
    int w = b->window, n = b->side * b->side, i, j;
    const float *cover = b->cover + (size_t)k * (size_t)(w * w);
    const float *corner = plane->v + (b->side / 2 + py) * plane->across + b->side / 2 + px;
    float lane[GLYPH_MAX_WINDOW] = {0};
    double dot = 0, spread = b->square[k] - b->sum[k] * b->sum[k] / n;
    for (j = 0; j < w; j++) {
        SIMD
        for (i = 0; i < w; i++) {
            lane[i] += cover[j * w + i] * corner[j * plane->across + i];
        }
    }
    for (i = 0; i < w; i++) {
        dot += (double)lane[i];
    }
    return dot > 0 && plane->total > 0 ? dot * dot / (spread * plane->total) : 0;
}

typedef struct {
    double fit;
    int x, y, radius, angle; // middle of the drawing in thirds of a pixel from the middle pixel; numbers 0..2
} GlyphMatch;

// The best place of every kind on whole pixels.
static inline void glyph_match_coarse(GlyphMatch match[GLYPH_KINDS], const GlyphPlane *plane, const GlyphBank *b) {
    int kind, px, py;
    for (kind = 0; kind < GLYPH_KINDS; kind++) {
        GlyphMatch *m = &match[kind];
        m->fit = -1;
        m->x = m->y = 0;
        m->radius = m->angle = 1;
        for (py = -b->reach - 1; py <= b->reach; py++) { // the middle of an even side lies between two pixels
            for (px = -b->reach - 1; px <= b->reach; px++) {
                double fit = glyph_fit(plane, b, kind, px, py);
                if (fit > m->fit) {
                    m->fit = fit;
                    m->x = 3 * px;
                    m->y = 3 * py;
                }
            }
        }
    }
}

// floor((v + 1) / 3): the pixel whose middle is nearest to v thirds.
static inline int glyph_whole(int v) {
    return (v + 1 + 3 * GLYPH_MAX_SIDE) / 3 - GLYPH_MAX_SIDE;
}

// Fills in the fit of a match, or -1 where it lies outside of what may be tried.
static inline void glyph_try(GlyphMatch *m, const GlyphPlane *plane, const GlyphBank *b, int kind) {
    int px = glyph_whole(m->x), py = glyph_whole(m->y), phase = m->x - 3 * px + 1 + 3 * (m->y - 3 * py + 1);
    int legal = px >= -b->reach - 1 && px <= b->reach && py >= -b->reach - 1 && py <= b->reach && m->radius >= 0 &&
                m->radius < GLYPH_RADII && m->angle >= 0 && m->angle < GLYPH_ANGLES;
    m->fit = legal ? glyph_fit(plane, b, glyph_fine_number(kind, m->radius, m->angle, phase), px, py) : -1;
}

// Walks uphill from m: place, radius and angle, one after another, as long as something improves.
static inline void glyph_climb(GlyphMatch *m, const GlyphPlane *plane, const GlyphBank *b, int kind, int stride) {
    static const int step[8][4] = {{1, 0, 0, 0}, {-1, 0, 0, 0}, {0, 1, 0, 0}, {0, -1, 0, 0},
                                   {0, 0, 1, 0}, {0, 0, -1, 0}, {0, 0, 0, 1}, {0, 0, 0, -1}};
    int k, round, better = 1;
    glyph_try(m, plane, b, kind);
    for (round = 0; round < 12 && (better || stride > 1); round++) {
        stride = better ? stride : 1;
        better = 0;
        for (k = 0; k < 8; k++) {
            GlyphMatch next = *m;
            next.x += stride * step[k][0];
            next.y += stride * step[k][1];
            next.radius += step[k][2];
            next.angle += step[k][3];
            glyph_try(&next, plane, b, kind);
            if (next.fit > m->fit) {
                *m = next;
                better = 1;
            }
        }
    }
}

// The best drawing of all; returns its kind.  `lead` is its fit minus the best fit of another shape.
static inline int glyph_match(GlyphMatch *best, double *lead, const GlyphReader *reader, const float *v) {
    GlyphMatch match[GLYPH_KINDS];
    GlyphPlane plane;
    const GlyphBank *small = &reader->coarse;
    float half[GLYPH_MAX_PIXELS / 4];
    int scale = reader->fine.side / small->side, side = reader->fine.side, kind, i, found = 0;
    double top = 0, other = 0;
    for (i = 0; scale == 2 && i < small->side * small->side; i++) { // means over 2 x 2 pixels
        const float *at = v + 2 * (i / small->side) * side + 2 * (i % small->side);
        half[i] = 0.25f * ((at[0] + at[1]) + (at[side] + at[side + 1]));
    }
    glyph_plane_set(&plane, small, scale == 2 ? half : v);
    glyph_match_coarse(match, &plane, small);
    for (kind = 0; kind < GLYPH_KINDS; kind++) {
        top = match[kind].fit > top ? match[kind].fit : top;
    }
    glyph_plane_set(&plane, &reader->fine, v);
    for (kind = 0; kind < GLYPH_KINDS; kind++) {
        if (!(top > 0 && match[kind].fit > GLYPH_PROMISING * top)) {
            match[kind].fit = 0;
            continue;
        }
        match[kind].x = scale * match[kind].x + (scale == 2 ? 1 : 0); // 2 px + 1/2 is between two pixels
        match[kind].y = scale * match[kind].y + (scale == 2 ? 1 : 0);
        glyph_climb(&match[kind], &plane, &reader->fine, kind, scale);
        found = match[kind].fit > match[found].fit ? kind : found;
    }
    for (kind = 0; kind < GLYPH_KINDS; kind++) {
        int same = kind / GLYPH_SIZES == found / GLYPH_SIZES;
        other = !same && match[kind].fit > other ? match[kind].fit : other;
    }
    *best = match[found];
    *lead = best->fit - other;
    return found;
}

#endif
