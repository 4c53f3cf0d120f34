// glyph_reward.h: rewards of the world `glyphs` that a person sees at a glance: functions of pixels with derivatives.
//
// Each feature below can be pushed further than any picture of the data: a screen of red, a shape as large as the
// picture.  Whether such a picture still shows what its prompt asks for is a question for glyph_read.h; the gap between
// the two is reward hacking.  Every derivative has one form: dx (one picture) is written, and may be NULL.
#ifndef TILT_GLYPH_REWARD_H
#define TILT_GLYPH_REWARD_H

#include "glyph_draw.h"

enum { GLYPH_COVERAGE, GLYPH_REDNESS, GLYPH_RIGHTNESS, GLYPH_LOWNESS, GLYPH_MARKNESS, GLYPH_FEATURES };

// ---- linear features ---------------------------------------------------------------------------------------------

// Mean over the pixels of red - (green + blue) / 2: 0 for any grey, 2 for a screen of pure red.  Needs colour.
static inline double glyph_redness(real *dx, const real *x, const GlyphFormat *format) {
    int n = glyph_pixels(format), i, k;
    double sum = 0;
    if (format->channels != 3) {
        DIE("redness of a picture with %d channel(s); use the format of side 16 or 32", format->channels);
    }
    for (i = 0; i < n; i++) {
        for (k = 0; k < 3; k++) {
            double weight = k == 0 ? 1.0 : -0.5;
            sum += weight * (double)x[3 * i + k];
            if (dx != NULL) {
                dx[3 * i + k] = (real)(weight / n);
            }
        }
    }
    return sum / n;
}

// Mean of the numbers in a box, -1..1.
static inline double glyph_brightness(real *dx, const real *x, const GlyphFormat *format, GlyphBox box) {
    int side = format->side, ch = format->channels, i;
    double sum = 0, share;
    if (box.x < 0 || box.y < 0 || box.w < 1 || box.h < 1 || box.w > side - box.x || box.h > side - box.y) {
        DIE("brightness of the box %d,%d %d x %d in a picture of side %d; keep it inside", box.x, box.y, box.w, box.h,
            side);
    }
    share = 1.0 / (box.w * box.h * ch);
    for (i = 0; i < side * side * ch; i++) {
        int col = i / ch % side - box.x, row = i / ch / side - box.y;
        int inside = col >= 0 && col < box.w && row >= 0 && row < box.h;
        sum += inside ? (double)x[i] * share : 0;
        if (dx != NULL) {
            dx[i] = (real)(inside ? share : 0);
        }
    }
    return sum;
}

// ---- features of the ink -----------------------------------------------------------------------------------------

// How much a pixel is ink, 0..1: a sigmoid of the length b of its colour, counted from black; paper has b < 0.31, inks
// have b > 0.65.  slope[k] = d ink / d (number k).
static inline double glyph_pixel_ink(double slope[3], const real *pixel, int channels) {
    const double middle = 0.5, width = 0.06;
    double square = 1e-6, b, s; // the small number keeps the root smooth at black
    int k;
    for (k = 0; k < channels; k++) {
        double v = 0.5 * ((double)pixel[k] + 1);
        square += v * v;
    }
    b = sqrt(square);
    s = e_sigmoid((b - middle) / width);
    for (k = 0; k < channels; k++) {
        slope[k] = s * (1 - s) / width * 0.25 * ((double)pixel[k] + 1) / b;
    }
    return s;
}

// The share of the picture that is ink, 0..1; the mark counts, too.
static inline double glyph_coverage(real *dx, const real *x, const GlyphFormat *format) {
    int n = glyph_pixels(format), ch = format->channels, i, k;
    double sum = 0, slope[3];
    for (i = 0; i < n; i++) {
        sum += glyph_pixel_ink(slope, x + (size_t)i * (size_t)ch, ch);
        for (k = 0; k < ch && dx != NULL; k++) {
            dx[i * ch + k] = (real)(slope[k] / n);
        }
    }
    return sum / n;
}

// Where the ink is, along x (axis 0, right is +) or y (axis 1, down is +): C = sum s_i u_i / sum s_i, u in -1..1.
// dC/ds_i = (u_i - C) / sum s.  The faint ink of the paper draws C a little to the middle.
static inline double glyph_centre_of_ink(real *dx, const real *x, const GlyphFormat *format, int axis) {
    int n = glyph_pixels(format), side = format->side, ch = format->channels, i, k;
    double total = 0, moment = 0, slope[3], centre;
    for (i = 0; i < n; i++) {
        double s = glyph_pixel_ink(slope, x + (size_t)i * (size_t)ch, ch);
        total += s;
        moment += s * (2 * ((axis ? i / side : i % side) + 0.5) / side - 1);
    }
    centre = moment / total;
    for (i = 0; i < n && dx != NULL; i++) {
        double u = 2 * ((axis ? i / side : i % side) + 0.5) / side - 1;
        glyph_pixel_ink(slope, x + (size_t)i * (size_t)ch, ch);
        for (k = 0; k < ch; k++) {
            dx[i * ch + k] = (real)((u - centre) / total * slope[k]);
        }
    }
    return centre;
}

// ---- a taste: a weighted sum of features ---------------------------------------------------------------------------

// Any feature by number; redness of a grey picture is 0.
static inline double glyph_feature(real *dx, const real *x, const GlyphFormat *format, int feature) {
    switch (feature) {
    case GLYPH_COVERAGE:
        return glyph_coverage(dx, x, format);
    case GLYPH_REDNESS:
        if (format->channels == 3) {
            return glyph_redness(dx, x, format);
        }
        if (dx != NULL) {
            memset(dx, 0, (size_t)glyph_dim(format) * sizeof *dx);
        }
        return 0;
    case GLYPH_RIGHTNESS:
    case GLYPH_LOWNESS:
        return glyph_centre_of_ink(dx, x, format, feature == GLYPH_LOWNESS);
    case GLYPH_MARKNESS:
        return glyph_mark_score(dx, x, format);
    }
    DIE("glyphs: there is no feature %d; use 0..%d", feature, GLYPH_FEATURES - 1);
    return 0;
}

typedef struct {
    double weight[GLYPH_FEATURES];                    // reward units per standard deviation of the data
    double mean[GLYPH_FEATURES], std[GLYPH_FEATURES]; // over the data: measured by glyph_taste_new, never typed in
} GlyphTaste;

// The usual one: large shapes are liked, one reward unit per standard deviation of coverage.  Change weight[] for
// others.  Mean and standard deviation are those of 1,000 pictures of the empty prompt.
static inline GlyphTaste glyph_taste_new(const GlyphFormat *format) {
    enum { N = 1000 };
    GlyphTaste t;
    real x[GLYPH_MAX_PIXELS * 3];
    int i, k;
    memset(&t, 0, sizeof t);
    for (i = 0; i < N; i++) {
        Glyph g = glyph_random(format, -1, 0, 0, (uint64_t)i);
        glyph_draw(x, format, &g);
        for (k = 0; k < GLYPH_FEATURES; k++) {
            double v = glyph_feature(NULL, x, format, k);
            t.mean[k] += v / N;
            t.std[k] += v * v / N;
        }
    }
    for (k = 0; k < GLYPH_FEATURES; k++) {
        double variance = t.std[k] - t.mean[k] * t.mean[k];
        t.std[k] = variance > 0 ? sqrt(variance) : 1; // grey has no redness to scale
    }
    t.weight[GLYPH_COVERAGE] = 1;
    return t;
}

// r = sum_k weight_k (feature_k - mean_k) / std_k of one picture, seen as people see it: numbers are cut to [-1, 1]
// first, and beyond the cut the derivative is 0.  dx (one picture) is written, or may be NULL.
static inline double glyph_reward(real *dx, const real *x, const GlyphFormat *format, const GlyphTaste *taste) {
    real seen[GLYPH_MAX_PIXELS * 3], part[GLYPH_MAX_PIXELS * 3];
    int dim = glyph_dim(format), i, k;
    double r = 0;
    for (i = 0; i < dim; i++) {
        seen[i] = x[i] < -1 ? (real)-1 : x[i] > 1 ? (real)1 : x[i];
        if (dx != NULL) {
            dx[i] = 0;
        }
    }
    for (k = 0; k < GLYPH_FEATURES; k++) {
        double scale = taste->weight[k] / taste->std[k];
        if (taste->weight[k] == 0) {
            continue;
        }
        r += scale * (glyph_feature(dx ? part : NULL, seen, format, k) - taste->mean[k]);
        for (i = 0; i < dim && dx != NULL; i++) {
            dx[i] += x[i] < -1 || x[i] > 1 ? (real)0 : (real)(scale * (double)part[i]);
        }
    }
    return r;
}

#endif
