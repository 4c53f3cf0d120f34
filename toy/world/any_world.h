// any_world.h: any world by its name, ready to be trained on: what train_images offers under --world.
//
// A new world is one word in the list, one case in any_world_open, and one row in the table of what suits it.
#ifndef TILT_ANY_WORLD_H
#define TILT_ANY_WORLD_H

#include "tokens.h"
#include "worlds.h"

enum { WORLD_RING, WORLD_DIGITS, WORLDS };
static const char *const any_world_names[] = {"ring", "digits", NULL};

// What a world is trained with when the command line is silent.
typedef struct {
    int unet, width, blocks; // 1: a UNet; channels or units; residual blocks or hidden layers
    int steps, rows, levels; // steps of so many rows; noise levels of the schedule
    double rate, guidance;
    double low, high; // where the loss of a full default run ends
} WorldDefaults;

static const WorldDefaults world_defaults[WORLDS] = {
    {0, 96, 3, 3000, 256, 16, 6e-3, 1, 0.24, 0.28}, // ring
    {0, 192, 3, 3000, 256, 16, 6e-3, 1, 0.14, 0.18}, // digits
};

// It points into itself: keep it where it was opened.
typedef struct {
    int kind;
    World world;
    int side, channels;   // pictures are side x side x channels; side 0: points of the plane
    double paper;         // the number that is drawn white; -paper is drawn black
    const Tokens *tokens; // the words of the prompts, or NULL
    Ring ring;
    Digits digits;
    StrokeWeight stroke;
} AnyWorld;

static inline void any_world_open(AnyWorld *w, int kind) {
    memset(w, 0, sizeof *w);
    w->kind = kind;
    w->paper = 1;
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
    default:
        DIE("image_world: there is no world %d; they are 0..%d", kind, WORLDS - 1);
    }
}

static inline void any_world_free(AnyWorld *w) {
    if (w->kind == WORLD_DIGITS) {
        digits_free(&w->digits);
    }
    memset(w, 0, sizeof *w);
}

// What prompt c says: its words, or its number.
static inline const char *any_world_prompt(char *text, size_t size, const AnyWorld *w, int c) {
    if (w->tokens != NULL) {
        return tokens_text(text, size, w->tokens, c);
    }
    snprintf(text, size, "%d", c);
    return text;
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
