// gallery.h: the folder of results of a run: pictures, arrays, weights, a table, and one page that shows them.
//
//   Gallery g = gallery_open("out", "First light");
//   gallery_ring(&g, ring, x, names, 3, c, n, path, T);     // ring_samples.png, ring_noise_to_data.png, ring_*.npy
//   gallery_digits(&g, x, names, 3, n);                     // digits_samples.png, digits_*.npy
//   gallery_models(&g, "ring", nets, names, 3, seed);        // ring_*.safetensors
//   gallery_scores(&g, "ring", names, score, 5, curve, 40, 1); // the table on stdout; ring_frontier.svg
//   gallery_close(&g);                                      // picture.png, scores.tsv, index.html
#ifndef TILT_GALLERY_H
#define TILT_GALLERY_H

#include "../../ref/file/npy.h"
#include "../../ref/show/page.h"
#include "../model/checkpoint.h"
#include "view.h"

enum { GALLERY_SHEETS = 4, GALLERY_SIDE = 280 }; // sheets at most; pixels of one ring

typedef struct {
    const char *dir;
    char path[PATH_LENGTH]; // of the last file
    Page page;
    Tsv table;
    Image sheet[GALLERY_SHEETS]; // the sample sheets so far, which together make picture.png
    int sheets;
} Gallery;

static inline Gallery gallery_open(const char *dir, const char *title) {
    Gallery g;
    folder_make(dir);
    g.dir = dir;
    g.page = page_new(title);
    g.table = tsv_new(score_columns);
    g.sheets = 0;
    return g;
}

// The path of DIR/world_what, valid until the next call.
static inline const char *gallery_file(Gallery *g, const char *world, const char *what) {
    char name[128];
    snprintf(name, sizeof name, "%s%s%s", world, world[0] != '\0' ? "_" : "", what);
    path_join(g->path, g->dir, name);
    return g->path;
}

// One .npy file (n x dim) for each of `sets` sample sets.
static inline void gallery_arrays(Gallery *g, const char *world, real *const *x, const char *const *name, int sets,
                                  int n, int dim) {
    size_t shape[2];
    int m;
    shape[0] = (size_t)n;
    shape[1] = (size_t)dim;
    for (m = 0; m < sets; m++) {
        char what[64];
        snprintf(what, sizeof what, "%s.npy", name[m]);
        npy_write_reals(gallery_file(g, world, what), x[m], 2, shape);
    }
}

// One checkpoint for each of `models` nets, without the optimiser: weights that other tools can open.
static inline void gallery_models(Gallery *g, const char *world, Net *net, const char *const *name, int models,
                                  uint64_t seed) {
    int m;
    for (m = 0; m < models; m++) {
        char what[64], model[96];
        snprintf(what, sizeof what, "%s.safetensors", name[m]);
        snprintf(model, sizeof model, "%s %s, %zu parameters", world, name[m], net[m].np);
        checkpoint_save(gallery_file(g, world, what), model, &net[m], NULL, 0, seed);
    }
}

// A sheet of samples: its own file, on the page, and part of picture.png.
static inline void gallery_sheet(Gallery *g, const char *world, Image sheet, int scale, const char *caption) {
    png_write(gallery_file(g, world, "samples.png"), &sheet);
    page_image(&g->page, &sheet, scale, caption);
    if (g->sheets == GALLERY_SHEETS) {
        DIE("gallery: more than %d sheets; raise GALLERY_SHEETS", GALLERY_SHEETS);
    }
    g->sheet[g->sheets++] = sheet;
}

// Sample sets of the ring side by side, and the path (chain_sample, T steps) of the first one as an animation, which is
// also played once on the terminal.  c: n prompts.
static inline void gallery_ring(Gallery *g, const Ring *ring, real *const *x, const char *const *name, int sets,
                                const int *c, int n, const real *path, int T) {
    Image sheet = view_ring_panels(ring, x, name, sets, c, (size_t)n, GALLERY_SIDE);
    Image *frames = NEW(Image, (size_t)T + 1);
    Bytes movie = {NULL, 0, 0};
    int k;
    gallery_arrays(g, "ring", x, name, sets, n, 2);
    view_ring_path(frames, ring, path, T, c, n, GALLERY_SIDE);
    view_play(path, T, c, n);
    apng_encode(&movie, frames, T + 1, 150);
    atomic_write(gallery_file(g, "ring", "noise_to_data.png"), movie.data, movie.n);
    page_heading(&g->page, "The ring");
    page_text(&g->page,
              "Colours are the four prompts, grey circles the eight modes.  The hidden reward grows up and to the "
              "right.");
    page_png(&g->page, &movie, GALLERY_SIDE, GALLERY_SIDE, 1, "Noise becoming data: the reference model");
    gallery_sheet(g, "ring", sheet, 1, "Samples before and after alignment");
    for (k = 0; k <= T; k++) {
        image_free(&frames[k]);
    }
    free(frames);
    bytes_free(&movie);
}

// Sample sets of digits (n x 64, row i shows the digit i mod 10) as sheets side by side: four rows, and the means.
static inline void gallery_digits(Gallery *g, real *const *x, const char *const *name, int sets, int n) {
    gallery_arrays(g, "digits", x, name, sets, n, DIGIT_PIXELS);
    page_heading(&g->page, "Handwritten digits");
    gallery_sheet(g, "digits", view_digit_sheets(x, name, sets, n, 4, 3), 1,
                  "Digits before and after alignment, bottom row: means; the hidden reward likes bold strokes");
}

// The table on stdout and as rows of scores.tsv; the frontier (exact, or estimated from samples) with the methods as
// points as a figure.
static inline void gallery_scores(Gallery *g, const char *world, const char *const *name, const Score *score,
                                  int methods, const Score *curve, int points, int exact) {
    char title[96];
    Svg figure;
    snprintf(title, sizeof title, "%s: reward against KL", world);
    figure = view_frontier(title, exact ? "the exact optimum at every beta" : "the optimum at every beta, estimated",
                           curve, points, name, score, methods);
    score_table(&g->table, world, name, score, methods);
    page_svg(&g->page, svg_finish(&figure));
    atomic_write(gallery_file(g, world, "frontier.svg"), figure.text.data, figure.text.n);
    bytes_free(&figure.text);
}

// Writes what belongs to the whole run: picture.png with all sheets under each other, the table, the page.
static inline void gallery_close(Gallery *g) {
    Image all;
    int w = 1, h = 1, i;
    for (i = 0; i < g->sheets; i++) {
        w = g->sheet[i].w > w ? g->sheet[i].w : w;
        h += g->sheet[i].h;
    }
    all = image_new(w, h, 3);
    image_fill(&all, rgb(255, 255, 255));
    for (i = 0, h = 0; i < g->sheets; i++) {
        image_blit(&all, &g->sheet[i], 0, h, 1);
        h += g->sheet[i].h;
        image_free(&g->sheet[i]);
    }
    png_write(gallery_file(g, "", "picture.png"), &all);
    image_free(&all);
    page_heading(&g->page, "Scores");
    page_table(&g->page, &g->table);
    page_write(&g->page, gallery_file(g, "", "index.html"));
    tsv_write(&g->table, gallery_file(g, "", "scores.tsv"));
    tsv_free(&g->table);
}

#endif
