// emoji_world.h: the emoji as a World: rows drawn with precise or broad prompts, a reader that says which emoji a
// sample is, and a reward that a person sees at once: how warm the colours are.
#ifndef TILT_EMOJI_WORLD_H
#define TILT_EMOJI_WORLD_H

#include <math.h>

#include "../../ref/core/rng.h"
#include "emoji.h"
#include "world.h"

// ---- drawing -----------------------------------------------------------------------------------------------------

// How rows are drawn.  `broad`: the share of rows whose prompt is only a category (half of them) or a kind (the other
// half), so that a net can also be asked for "food fruit".  flip and shift: 1 to mirror half of the rows, and to move
// rows by -1, 0 or 1 pixels in either direction over white, so that a small net does not learn 508 pictures by heart
// (a mirrored clock shows another time, and the prompt does not know it).
typedef struct {
    const Emoji *emoji; // borrowed
    double broad;
    int flip, shift;
} EmojiRows;

static inline EmojiRows emoji_rows(const Emoji *emoji) {
    EmojiRows rows = {NULL, 0.3, 0, 0};
    rows.emoji = emoji;
    return rows;
}

// y = picture x, mirrored if `flip`, moved right by dx and down by dy; what comes in is white.
static inline void emoji_move(real *y, const real *x, int flip, int dx, int dy) {
    int i, j, k;
    for (j = 0; j < EMOJI_SIDE; j++) {
        for (i = 0; i < EMOJI_SIDE; i++) {
            int a = i - dx, b = j - dy, inside = a >= 0 && a < EMOJI_SIDE && b >= 0 && b < EMOJI_SIDE;
            a = flip ? EMOJI_SIDE - 1 - a : a;
            for (k = 0; k < EMOJI_CHANNELS; k++) {
                *y++ = inside ? x[(b * EMOJI_SIDE + a) * EMOJI_CHANNELS + k] : (real)1;
            }
        }
    }
}

// Row number i of a stream: x (768), the prompt in *c; the picture that was drawn is returned.
static inline int emoji_draw(real *x, int *c, const EmojiRows *rows, uint64_t seed, uint64_t stream, uint64_t i) {
    const Emoji *e = rows->emoji;
    int k = (int)rng_below(seed, stream, 4 * i, (uint64_t)e->n);
    double u = rng_uniform(seed, stream, 4 * i + 1);
    int flip = rows->flip && rng_below(seed, stream, 4 * i + 2, 2) == 1;
    int shift = rows->shift ? (int)rng_below(seed, stream, 4 * i + 3, 9) : 4; // 3 dy + dx, 4 is the middle
    emoji_move(x, e->x + (size_t)k * EMOJI_NUMBERS, flip, shift % 3 - 1, shift / 3 - 1);
    *c = u >= rows->broad ? k : 2 * u < rows->broad ? emoji_prompt_category(e, k) : emoji_prompt_kind(e, k);
    return k;
}

static inline void emoji_world_draw(const World *w, real *x, int *c, size_t n, uint64_t seed, uint64_t stream,
                                    uint64_t first) {
    const EmojiRows *rows = (const EmojiRows *)w->self;
    size_t i;
    for (i = 0; i < n; i++) {
        emoji_draw(x + i * EMOJI_NUMBERS, c + i, rows, seed, stream, first + i);
    }
}

// ---- the reader: which emoji is this? ----------------------------------------------------------------------------

// *best = min(*best, |x - y|^2), given up as soon as it cannot win; 1 if it won.
static inline int emoji_closer(double *best, const real *x, const real *y) {
    double sum = 0;
    int j;
    for (j = 0; j < EMOJI_NUMBERS && !(sum >= *best); j++) {
        double d = (double)x[j] - (double)y[j];
        sum += d * d;
    }
    if (!(sum < *best)) {
        return 0;
    }
    *best = sum;
    return 1;
}

// The picture nearest to x in any of the positions that `rows` draws (18 with flip and shift, which takes 18 times as
// long) and, in *distance, the root mean square difference of a number (the range is 2, so 0.1 is one twentieth).
// Of equally near pictures it is the first.  A sample with NaN or infinity resembles nothing: -1, infinitely far.
static inline int emoji_nearest(double *distance, const EmojiRows *rows, const real *x) {
    const Emoji *e = rows->emoji;
    int far = rows->shift ? 1 : 0, k, flip, dx, dy, at = -1;
    double best = HUGE_VAL;
    for (k = 0; k < e->n; k++) {
        const real *y = e->x + (size_t)k * EMOJI_NUMBERS;
        at = emoji_closer(&best, x, y) ? k : at;
        for (flip = 0; flip <= (rows->flip ? 1 : 0); flip++) {
            for (dy = -far; dy <= far; dy++) {
                for (dx = -far; dx <= far; dx++) {
                    if (flip || dx != 0 || dy != 0) {
                        real moved[EMOJI_NUMBERS];
                        emoji_move(moved, y, flip, dx, dy);
                        at = emoji_closer(&best, x, moved) ? k : at;
                    }
                }
            }
        }
    }
    *distance = sqrt(best / EMOJI_NUMBERS);
    return at;
}

// For n samples: the nearest picture, and its distance.
static inline void emoji_read(int *image, double *distance, const EmojiRows *rows, const real *x, size_t n) {
    size_t i;
    OMP(parallel for schedule(static) if (n > 8))
    for (i = 0; i < n; i++) {
        image[i] = emoji_nearest(distance + i, rows, x + i * EMOJI_NUMBERS);
    }
}

// The share of n samples whose nearest picture answers their prompt.  image: from emoji_read.
static inline double emoji_share_right(const Emoji *e, const int *image, const int *c, size_t n) {
    size_t i, right = 0;
    for (i = 0; i < n; i++) {
        right += (size_t)emoji_answers(e, image[i], c[i]);
    }
    return n > 0 ? (double)right / (double)n : 0;
}

// ---- the reward: warm colours ------------------------------------------------------------------------------------

// Red minus blue, averaged over the picture; 1 for pure red, -1 for pure blue, 0 for grey and white.  In units of
// `scale` for one standard deviation over the 508 pictures, whose mean has reward 0.
typedef struct {
    double mean, deviation, scale;
} Warmth;

// People see nothing beyond the range of a screen: numbers are cut to [-1, 1] first, so the reward is bounded.
static inline double warmth_raw(const real *x) {
    double sum = 0;
    int i;
    for (i = 0; i < EMOJI_PIXELS; i++) {
        double red = (double)x[3 * i], blue = (double)x[3 * i + 2];
        red = red < -1 ? -1 : red > 1 ? 1 : red;
        blue = blue < -1 ? -1 : blue > 1 ? 1 : blue;
        sum += red - blue;
    }
    return sum / (2 * EMOJI_PIXELS);
}

static inline Warmth warmth_new(const Emoji *e, double scale) {
    Warmth w = {0, 0, 0};
    double square = 0;
    int k;
    for (k = 0; k < e->n; k++) {
        w.mean += warmth_raw(e->x + (size_t)k * EMOJI_NUMBERS) / e->n;
    }
    for (k = 0; k < e->n; k++) {
        double d = warmth_raw(e->x + (size_t)k * EMOJI_NUMBERS) - w.mean;
        square += d * d / e->n;
    }
    if (!(square > 0)) {
        DIE("emoji: all %d pictures are equally warm, so warmth has no unit; load more pictures", e->n);
    }
    w.deviation = sqrt(square);
    w.scale = scale;
    return w;
}

static inline double warmth_reward(const Warmth *w, const real *x) {
    return w->scale * (warmth_raw(x) - w->mean) / w->deviation;
}

// dr/dx (768): constant for red, its opposite for blue, 0 for green and for numbers outside the range.
static inline void warmth_grad(real *g, const Warmth *w, const real *x) {
    double slope = w->scale / (w->deviation * 2 * EMOJI_PIXELS);
    int i;
    for (i = 0; i < EMOJI_NUMBERS; i++) {
        double sign = i % 3 == 0 ? 1 : i % 3 == 1 ? 0 : -1;
        g[i] = (real)(x[i] >= -1 && x[i] <= 1 ? sign * slope : 0);
    }
}

static inline void emoji_world_reward(const World *w, double *r, const real *x, const int *c, size_t n) {
    size_t i;
    (void)c;
    for (i = 0; i < n; i++) {
        r[i] = warmth_reward((const Warmth *)w->truth, x + i * EMOJI_NUMBERS);
    }
}

// The emoji under the warmth reward.  Both are borrowed; the words of the prompts: rows->emoji->tokens.
static inline World emoji_world(const EmojiRows *rows, const Warmth *truth) {
    World w = {"emoji", EMOJI_NUMBERS, 0, emoji_world_draw, emoji_world_reward, NULL, NULL, 3000};
    w.prompts = rows->emoji->tokens.prompts;
    w.self = rows;
    w.truth = truth;
    return w;
}

#endif
