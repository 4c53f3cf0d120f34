// glyphs.h: the world `glyphs`: pictures drawn by code, with prompts, an exact law, and a reward that one can see.
//
//   World world = glyph_world(glyph_format(16), &taste);       taste = glyph_taste_new(glyph_format(16))
//   Tokens words = glyph_tokens(glyph_format(16));             prompts as lists of words
//   GlyphReader reader = glyph_reader_new(glyph_format(16));   glyph_read.h: what is in a picture?
// A prompt of the data names the size or the place in one half of the pictures, the colour or the shape in three
// quarters, and says `marked` in one of sixteen; these choices are independent of each other.
#ifndef TILT_GLYPHS_H
#define TILT_GLYPHS_H

#include "glyph_reward.h"
#include "world.h"

// The prompt of picture i of a stream.
static inline int glyph_random_prompt(const GlyphFormat *format, uint64_t seed, uint64_t stream, uint64_t i) {
    static const double named[GLYPH_ATTRIBUTES] = {0.5, 0.75, 0.75, 0.5, 0.0625};
    uint64_t at = i * GLYPH_DRAWS + GLYPH_DRAWS / 2;
    int a, is[GLYPH_ATTRIBUTES];
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        int said = rng_uniform(seed, stream, at + 2 * (uint64_t)a) < named[a];
        int value = (int)(glyph_words(format, a) * rng_uniform(seed, stream, at + 2 * (uint64_t)a + 1));
        is[a] = !said || glyph_words(format, a) == 0 ? -1 : a == GLYPH_MARK ? 1 : value;
    }
    return glyph_prompt(format, is);
}

// Picture i of a stream with prompt c (-1: none, like prompt 0) as a row of numbers.
static inline void glyph_sample(real *x, const GlyphFormat *format, int c, uint64_t seed, uint64_t stream, uint64_t i) {
    Glyph g = glyph_random(format, c, seed, stream, i);
    glyph_draw(x, format, &g);
}

// ---- as a World --------------------------------------------------------------------------------------------------

static inline void glyph_world_draw(const World *w, real *x, int *c, size_t n, uint64_t seed, uint64_t stream,
                                    uint64_t first) {
    const GlyphFormat *format = (const GlyphFormat *)w->self;
    size_t i;
    OMP(parallel for schedule(static))
    for (i = 0; i < n; i++) {
        c[i] = glyph_random_prompt(format, seed, stream, first + i);
        glyph_sample(x + i * (size_t)w->dim, format, c[i], seed, stream, first + i);
    }
}

static inline void glyph_world_reward(const World *w, double *r, const real *x, const int *c, size_t n) {
    size_t i;
    (void)c;
    OMP(parallel for schedule(static))
    for (i = 0; i < n; i++) {
        r[i] = glyph_reward(NULL, x + i * (size_t)w->dim, (const GlyphFormat *)w->self, (const GlyphTaste *)w->truth);
    }
}

// The glyphs under a taste (borrowed).
static inline World glyph_world(const GlyphFormat *format, const GlyphTaste *taste) {
    World w = {"glyphs", 0, 0, glyph_world_draw, glyph_world_reward, NULL, NULL, 2000};
    w.dim = glyph_dim(format);
    w.prompts = glyph_prompts(format);
    w.self = format;
    w.truth = taste;
    return w;
}

// ---- moments of a prompt -------------------------------------------------------------------------------------------

// Mean (dim) and covariance (dim x dim, or NULL) of p(picture | c), from n pictures of a stream.  The error of an entry
// of the mean is its deviation over sqrt(n), at most 1 / sqrt(n).
static inline void glyph_moments(double *mean, double *cov, const GlyphFormat *format, int c, size_t n, uint64_t seed,
                                 uint64_t stream) {
    size_t dim = (size_t)glyph_dim(format), s, i, j;
    real *x = NEW(real, dim);
    memset(mean, 0, dim * sizeof *mean);
    if (cov != NULL) {
        memset(cov, 0, dim * dim * sizeof *cov);
    }
    for (s = 0; s < n; s++) {
        glyph_sample(x, format, c, seed, stream, s);
        for (i = 0; i < dim; i++) {
            mean[i] += (double)x[i] / (double)n;
            for (j = 0; j <= i && cov != NULL; j++) {
                cov[i * dim + j] += (double)x[i] * (double)x[j] / (double)n;
            }
        }
    }
    for (i = 0; i < dim && cov != NULL; i++) {
        for (j = 0; j <= i; j++) {
            cov[i * dim + j] -= mean[i] * mean[j];
            cov[j * dim + i] = cov[i * dim + j];
        }
    }
    free(x);
}

#endif
