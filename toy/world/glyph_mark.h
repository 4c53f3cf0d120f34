// glyph_mark.h: the mark of the world `glyphs`, and how much of it is in a picture: a filter, its maximum, and a smooth
// maximum with a derivative.
//
// The filter looks at every square of 3 x 3 cells: half the difference between the mean of the cells that are white in
// a mark and the mean of those that are black.  1 is a perfect mark, 0 an even surface.  Nothing else in the world is
// a checker, so unmarked pictures stay below GLYPH_MARK_SEEN (measured: tests/test_glyph_read.c).  Strong noise does
// not, so a reader also asks that the checker explains most of the variance inside the square.
#ifndef TILT_GLYPH_MARK_H
#define TILT_GLYPH_MARK_H

#include "glyph.h"

#define GLYPH_MARK_SEEN 0.55  // a picture is marked when the filter reaches this somewhere
#define GLYPH_MARK_PURE 0.65  // and explains this share of the variance there
#define GLYPH_MARK_SHARP 15.0 // of the smooth maximum: the larger, the closer to the maximum

// +1 (white) in the corners and the middle of the mark, -1 (black) between them.
static inline int glyph_mark_sign(const GlyphFormat *format, int i, int j) {
    return (i / format->cell + j / format->cell) % 2 == 0 ? 1 : -1;
}

// What one number of a pixel with this sign adds to the filter: white cells are five, black cells four.
static inline double glyph_mark_weight(const GlyphFormat *format, int sign) {
    return (sign > 0 ? 0.1 : -0.125) / (format->cell * format->cell * format->channels);
}

// The filter on the square whose top left pixel is (px, py).
static inline double glyph_mark_at(const real *x, const GlyphFormat *format, int px, int py) {
    double sum[2] = {0, 0}; // over black and over white cells
    int across = 3 * format->cell, ch = format->channels, i, j, k;
    for (j = 0; j < across; j++) {
        const real *row = x + ((size_t)(py + j) * (size_t)format->side + (size_t)px) * (size_t)ch;
        for (i = 0; i < across; i++) {
            for (k = 0; k < ch; k++) {
                sum[glyph_mark_sign(format, i, j) > 0] += (double)row[i * ch + k];
            }
        }
    }
    return sum[1] * glyph_mark_weight(format, 1) + sum[0] * glyph_mark_weight(format, -1);
}

// Squares in a row of them.
static inline int glyph_mark_range(const GlyphFormat *format) {
    return format->side - 3 * format->cell + 1;
}

// The largest answer of the filter, and where.
static inline double glyph_mark_find(int *px, int *py, const real *x, const GlyphFormat *format) {
    int range = glyph_mark_range(format), at;
    double best = -INFINITY;
    *px = *py = 0;
    for (at = 0; at < range * range; at++) {
        double s = glyph_mark_at(x, format, at % range, at / range);
        if (s > best) {
            best = s;
            *px = at % range;
            *py = at / range;
        }
    }
    return best;
}

// The share of the variance inside a square that its checker explains, from s = glyph_mark_at: (80/81) s^2 / variance,
// because a perfect mark has s = 1 and, with five white cells of nine, variance 1 - (1/9)^2.
static inline double glyph_mark_share(double s, const real *x, const GlyphFormat *format, int px, int py) {
    double sum = 0, squares = 0, variance;
    int across = 3 * format->cell, ch = format->channels, n = across * across * ch, i, j;
    for (j = 0; j < across; j++) {
        const real *row = x + ((size_t)(py + j) * (size_t)format->side + (size_t)px) * (size_t)ch;
        for (i = 0; i < across * ch; i++) {
            sum += (double)row[i];
            squares += (double)row[i] * (double)row[i];
        }
    }
    variance = squares / n - sum / n * (sum / n);
    return variance > 0 ? 80.0 / 81.0 * s * s / variance : 0;
}

// S = sum_p s_p w_p, w = softmax(k s): about 1 with a mark, near 0 without; k = GLYPH_MARK_SHARP.
// dS/ds_p = w_p (1 + k (s_p - S)).  dx (one picture) is written, or may be NULL.
static inline double glyph_mark_score(real *dx, const real *x, const GlyphFormat *format) {
    enum { MOST = (GLYPH_MAX_SIDE - 2) * (GLYPH_MAX_SIDE - 2) };
    double s[MOST], w[MOST], total = 0, score = 0, top = -INFINITY;
    int range = glyph_mark_range(format), across = 3 * format->cell, ch = format->channels, p, i, k;
    for (p = 0; p < range * range; p++) {
        s[p] = glyph_mark_at(x, format, p % range, p / range);
        top = s[p] > top ? s[p] : top;
    }
    for (p = 0; p < range * range; p++) {
        w[p] = e_exp(GLYPH_MARK_SHARP * (s[p] - top));
        total += w[p];
        score += s[p] * w[p];
    }
    score /= total;
    if (dx == NULL) {
        return score;
    }
    memset(dx, 0, (size_t)glyph_dim(format) * sizeof *dx);
    for (p = 0; p < range * range; p++) {
        double slope = w[p] / total * (1 + GLYPH_MARK_SHARP * (s[p] - score));
        for (i = 0; i < across * across; i++) {
            int a = i % across, b = i / across;
            real *pixel = dx + (size_t)((p / range + b) * format->side + p % range + a) * (size_t)ch;
            for (k = 0; k < ch; k++) {
                pixel[k] += (real)(slope * glyph_mark_weight(format, glyph_mark_sign(format, a, b)));
            }
        }
    }
    return score;
}

#endif
