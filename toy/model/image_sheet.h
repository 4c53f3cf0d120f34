// image_sheet.h: the picture that a training draws again and again: what the net makes now of the same noise.
#ifndef TILT_IMAGE_SHEET_H
#define TILT_IMAGE_SHEET_H

#include "../../ref/show/png.h"
#include "../world/any_world.h"
#include "../world/view.h"
#include "chain.h"

enum { SHEET_ROWS = 10, SHEET_COLUMNS = 8, SHEET_POINTS = 800, SHEET_SIDE = 320, SHEET_NOISE = 120 };

static inline int sheet_rows(const AnyWorld *w) {
    return w->world.prompts < SHEET_ROWS ? w->world.prompts : SHEET_ROWS;
}

// Samples of the deterministic chain (chain_ddim) from noise that depends on the seed alone.  x: n x dim, c: n prompts.
static inline void sheet_sample(real *x, Net *net, const AnyWorld *w, const Schedule *schedule, const int *c, int n,
                                double guidance, uint64_t seed) {
    Chain chain = chain_ddim(schedule);
    chain.guidance = guidance;
    chain_sample(x, NULL, net, &chain, c, n, seed, w->world.stream + SHEET_NOISE);
    chain_free(&chain);
}

// One row a prompt, its words at the left.
static inline Image sheet_pictures(const AnyWorld *w, const real *x, int rows) {
    int scale = w->side < 16 ? 4 : w->side < 28 ? 3 : 2, text = 0, r, cell = (w->side + 1) * scale;
    Image tiles =
        image_tiles(x, rows * SHEET_COLUMNS, w->side, w->side, w->channels, SHEET_COLUMNS, -w->paper, w->paper);
    Image m;
    char words[96];
    for (r = 0; r < rows; r++) {
        int width = image_text_width(any_world_prompt(words, sizeof words, w, any_world_show(w, r, rows)), 1);
        text = width > text ? width : text;
    }
    m = image_new(tiles.w * scale + text + 12, tiles.h * scale, 3);
    image_fill(&m, rgb(255, 255, 255));
    for (r = 0; r < rows; r++) {
        any_world_prompt(words, sizeof words, w, any_world_show(w, r, rows));
        image_text(&m, 4, r * cell + cell / 2 - 4, 1, rgb(0, 0, 0), words);
    }
    image_blit(&m, &tiles, text + 12, 0, scale);
    image_free(&tiles);
    return m;
}

// The sheet of a world of pictures; for a world in the plane its points, one colour a prompt.
static inline Image sheet_draw(Net *net, const AnyWorld *w, const Schedule *schedule, double guidance, uint64_t seed) {
    int rows = sheet_rows(w), n = w->side > 0 ? rows * SHEET_COLUMNS : SHEET_POINTS, i;
    real *x = NEW(real, (size_t)n * (size_t)w->world.dim);
    int *c = NEW(int, (size_t)n);
    Image m;
    for (i = 0; i < n; i++) {
        c[i] = w->side > 0 ? any_world_show(w, i / SHEET_COLUMNS, rows) : i % w->world.prompts;
    }
    sheet_sample(x, net, w, schedule, c, n, guidance, seed);
    if (w->side > 0) {
        m = sheet_pictures(w, x, rows);
    } else {
        m = image_new(SHEET_SIDE, SHEET_SIDE, 3);
        image_fill(&m, rgb(255, 255, 255));
        view_ring(&m, 0, SHEET_SIDE, &w->ring, x, c, (size_t)n);
    }
    free(x);
    free(c);
    return m;
}

#endif
