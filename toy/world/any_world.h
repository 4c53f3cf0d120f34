// any_world.h: any world by its name, ready to be trained on: what train_images offers under --world.
//
// A new world is one word in the list, one case in any_world_open, and one row in the table of what suits it.
#ifndef TILT_ANY_WORLD_H
#define TILT_ANY_WORLD_H

#include "emoji_world.h"
#include "glyph_read.h"
#include "glyphs.h"
#include "image_world.h"
#include "worlds.h"

enum { WORLD_RING, WORLD_DIGITS, WORLD_GLYPHS12, WORLD_GLYPHS16, WORLD_GLYPHS32 };
enum { WORLD_EMOJI = WORLD_GLYPHS32 + 1, WORLD_IDX, WORLD_CIFAR, WORLDS };
// One word more than there are worlds: "glyphs" is glyphs16 (any_world_kind).
static const char *const any_world_names[] = {"ring",  "digits", "glyphs12", "glyphs16", "glyphs32",
                                              "emoji", "idx",    "cifar",    "glyphs",   NULL};

static inline int any_world_kind(int name) {
    return name == WORLDS ? WORLD_GLYPHS16 : name;
}

// What a world is trained with when the command line is silent.
typedef struct {
    int unet, width, blocks; // 1: a UNet; channels or units; residual blocks or hidden layers
    int steps, rows, levels; // steps of so many rows; noise levels of the schedule
    double rate, guidance;
    double low, high; // where the loss of a full default run ends
} WorldDefaults;

static const WorldDefaults world_defaults[WORLDS] = {
    {0, 96, 3, 3000, 256, 16, 6e-3, 1, 0.24, 0.28},  // ring
    {0, 192, 3, 3000, 256, 16, 6e-3, 1, 0.14, 0.18}, // digits
    {1, 16, 1, 8000, 32, 16, 3e-3, 3, 0.01, 0.04},   // glyphs12
    {1, 16, 1, 5400, 32, 16, 3e-3, 3, 0.016, 0.02},  // glyphs16
    {1, 16, 1, 6000, 32, 16, 3e-3, 3, 0.005, 0.03},  // glyphs32
    {1, 24, 1, 6000, 64, 16, 3e-3, 2, 0.005, 0.1},   // emoji
    {1, 16, 1, 4000, 64, 16, 3e-3, 2, 0.01, 0.2},    // idx
    {1, 32, 1, 20000, 64, 16, 2e-3, 2, 0.01, 0.2},   // cifar
};

// It points into itself: keep it where it was opened.
typedef struct {
    int kind;
    World world;
    int side, channels;   // pictures are side x side x channels; side 0: points of the plane
    double paper;         // the number that is drawn white; -paper is drawn black
    const Tokens *tokens; // the words of the prompts, or NULL
    // what the world is made of
    Ring ring;
    Digits digits;
    StrokeWeight stroke;
    const GlyphFormat *format;
    GlyphTaste taste;
    Tokens words;
    Emoji emoji;
    EmojiRows emoji_rows;
    Warmth warmth;
    ImageSet set;
    ImageTokens labels;
    ImageRows rows;
    Brightness brightness;
} AnyWorld;

// A world of the user's own pictures.
static inline void any_world_of_set(AnyWorld *w, const char *name, const char *const *names, int flip) {
    w->labels = image_tokens(names, w->set.classes);
    w->rows.set = &w->set;
    w->rows.flip = flip;
    w->brightness = brightness_new(&w->set, 1);
    w->world = image_world(name, &w->rows, &w->brightness);
    w->tokens = &w->labels.tokens;
    w->side = w->set.height;
    w->channels = w->set.channels;
    if (w->set.height != w->set.width) {
        DIE("pictures of %d x %d; a net here takes squares only", w->set.height, w->set.width);
    }
}

static inline void any_world_glyphs(AnyWorld *w, int side) {
    w->format = glyph_format(side);
    w->taste = glyph_taste_new(w->format);
    w->words = glyph_tokens(w->format);
    w->world = glyph_world(w->format, &w->taste);
    w->tokens = &w->words;
    w->side = side;
    w->channels = w->format->channels;
}

// file (files): data of the user: for idx the pictures and the labels, for cifar one batch or more.
static inline void any_world_open(AnyWorld *w, int kind, const char *const *file, int files) {
    memset(w, 0, sizeof *w);
    w->kind = kind;
    w->paper = 1;
    if (files > 0 && kind != WORLD_IDX && kind != WORLD_CIFAR) {
        DIE("the world %s brings its own data, but '%s' was given; leave it out", any_world_names[kind], file[0]);
    }
    switch (kind) {
    case WORLD_RING:
        w->ring = ring_new();
        w->world = ring_world(&w->ring, NULL);
        break;
    case WORLD_DIGITS:
        w->digits = digits_load(DIGITS_PATH);
        w->stroke.ink = ink_new(&w->digits);
        w->stroke.scale = 2.5;
        w->world = digits_world(&w->digits, &w->stroke);
        w->side = DIGIT_SIDE;
        w->channels = 1;
        w->paper = -1; // ink is +1 and dark
        break;
    case WORLD_GLYPHS12:
        any_world_glyphs(w, 12);
        break;
    case WORLD_GLYPHS16:
        any_world_glyphs(w, 16);
        break;
    case WORLD_GLYPHS32:
        any_world_glyphs(w, 32);
        break;
    case WORLD_EMOJI:
        w->emoji = emoji_load(EMOJI_PATH);
        w->emoji_rows = emoji_rows(&w->emoji);
        w->warmth = warmth_new(&w->emoji, 1);
        w->world = emoji_world(&w->emoji_rows, &w->warmth);
        w->tokens = &w->emoji.tokens;
        w->side = EMOJI_SIDE;
        w->channels = EMOJI_CHANNELS;
        break;
    case WORLD_IDX:
        if (files != 2) {
            DIE("the world idx needs two files, pictures and labels, but got %d", files);
        }
        w->set = idx_load(file[0], file[1], 10);
        any_world_of_set(w, "idx", NULL, 0);
        break;
    case WORLD_CIFAR:
        w->set = cifar_load(file, files, CIFAR_10);
        any_world_of_set(w, "cifar", cifar10_names, 1);
        break;
    default:
        DIE("any_world: there is no world %d; they are 0..%d", kind, WORLDS - 1);
    }
}

static inline void any_world_free(AnyWorld *w) {
    if (w->kind == WORLD_DIGITS) {
        digits_free(&w->digits);
    } else if (w->kind == WORLD_EMOJI) {
        emoji_free(&w->emoji);
    } else if (w->format != NULL) {
        glyph_tokens_free(&w->words);
    } else if (w->kind == WORLD_IDX || w->kind == WORLD_CIFAR) {
        image_tokens_free(&w->labels);
        image_set_free(&w->set);
    }
    memset(w, 0, sizeof *w);
}

// ---- prompts -----------------------------------------------------------------------------------------------------

// What prompt c says: its words, or its number.
static inline const char *any_world_prompt(char *text, size_t size, const AnyWorld *w, int c) {
    if (w->tokens != NULL) {
        return tokens_text(text, size, w->tokens, c);
    }
    snprintf(text, size, "%d", c);
    return text;
}

// Prompt r of `rows` that show what the world has: all of them where there is room, else evenly spaced ones; of the
// glyphs, whose prompts are combinations, some that walk through all words.
static inline int any_world_show(const AnyWorld *w, int r, int rows) {
    if (w->format != NULL) {
        int is[GLYPH_ATTRIBUTES];
        is[GLYPH_SIZE] = r % 3 - 1;
        is[GLYPH_COLOUR] = w->format->channels == 1 ? -1 : r % GLYPH_COLOURS;
        is[GLYPH_SHAPE] = (r + r / GLYPH_COLOURS) % GLYPH_SHAPES;
        is[GLYPH_PLACE] = r % 2 ? -1 : r / 2 % GLYPH_PLACES;
        is[GLYPH_MARK] = r == rows - 1 ? 1 : -1;
        return glyph_prompt(w->format, is);
    }
    return (int)(((int64_t)2 * r + 1) * w->world.prompts / (2 * rows));
}

// A short name of the data: the hash of the first 64 rows of a fixed seed.  A training that goes on with other data
// than it began with is noticed by it.
static inline uint32_t any_world_hash(const AnyWorld *w) {
    enum { ROWS = 64 };
    const World *world = &w->world;
    size_t n = (size_t)ROWS * (size_t)world->dim;
    real *x = NEW(real, n);
    int c[ROWS], i;
    uint64_t h;
    world->draw(world, x, c, ROWS, 1, world->stream, 0);
    h = hash_reals(HASH_START, x, n);
    for (i = 0; i < ROWS; i++) {
        unsigned char b[2];
        b[0] = (unsigned char)(c[i] & 255);
        b[1] = (unsigned char)(c[i] >> 8 & 255);
        h = hash_bytes(h, b, 2);
    }
    free(x);
    return (uint32_t)(h ^ h >> 32);
}

#endif
