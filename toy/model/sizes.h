// sizes.h: one training on worlds of growing size, from 2 numbers a sample to 3,072.
//
// From row to row the world changes, and with it the constructor of the net.  Batch, gradient, step of Adam, chain and
// sampler are the functions of the ring, called with other sizes: they know a Net and its `in`.
// Worlds of pictures are trained twice, by a UNet and by chapter 1's Mlp.  Both do the same number of multiplications;
// the Mlp, which needs far fewer for a picture, takes so many more steps.
#ifndef TILT_SIZES_H
#define TILT_SIZES_H

#include "../../ref/show/png.h"
#include "image_net.h"
#include "train.h"

enum { SIZE_ROWS = 5, SIZE_LEVELS = 16, SIZE_EXAM = 130, SIZE_NOISE, SIZE_SAMPLE }; // streams
// The Mlp beside a UNet: that of chapter 1.  Of the rates 1e-3, 3e-3 and 6e-3 this one ends lowest, on digits and on
// glyphs12, with batches of 16.
enum { SIZE_MLP_WIDTH = 192, SIZE_MLP_LAYERS = 3 };
#define SIZE_MLP_RATE 3e-3

typedef struct {
    int world, width, blocks; // any_world.h; of the Mlp (ring) or the UNet (pictures)
    int steps, rows, micro;
    double rate;
} SizeRow;

static const SizeRow size_rows[SIZE_ROWS] = {
    {WORLD_RING, 48, 3, 1000, 256, 256, 1e-2}, {WORLD_DIGITS, 8, 1, 300, 16, 16, 8e-3},
    {WORLD_GLYPHS12, 8, 1, 150, 16, 16, 8e-3}, {WORLD_GLYPHS16, 8, 1, 100, 16, 16, 8e-3},
    {WORLD_GLYPHS32, 8, 1, 80, 16, 8, 8e-3},
};

// Millions of multiplications and additions for one sample, forward.
static inline double net_mflop(const ImageNet *n) {
    double sum = 0;
    int l;
    if (n->kind == NET_UNET) {
        return ((const Unet *)n->net.self)->plan->flops * 1e-6;
    }
    for (l = 0; l <= ((const Mlp *)n->net.self)->layers; l++) {
        sum += 2e-6 * mlp_fan_in((const Mlp *)n->net.self, l) * mlp_fan_out((const Mlp *)n->net.self, l);
    }
    return sum;
}

// The eps-loss per number on n fresh rows, as many at every level: always the same rows and the same noise.
static inline double size_exam(Net *net, const World *w, const Schedule *schedule, int n, uint64_t seed) {
    enum { PIECE = 64 };
    size_t dim = (size_t)w->dim, i;
    real *x = NEW(real, PIECE * dim), *noise = NEW(real, PIECE * dim), *eps = NEW(real, PIECE * dim), t[PIECE];
    int c[PIECE], from, b;
    double loss = 0;
    for (from = 0; from < n; from += PIECE) {
        int rows = n - from < PIECE ? n - from : PIECE;
        w->draw(w, x, c, (size_t)rows, seed, w->stream + SIZE_EXAM, (uint64_t)from);
        rng_fill_normal(noise, (size_t)rows * dim, seed, w->stream + SIZE_NOISE, (uint64_t)from * dim);
        for (b = 0; b < rows; b++) {
            int k = (from + b) % schedule->T;
            t[b] = (real)k;
            forward_noise(x + (size_t)b * dim, x + (size_t)b * dim, noise + (size_t)b * dim, schedule_abar(schedule, k),
                          dim);
        }
        net->forward(net, eps, x, t, c, rows);
        for (i = 0; i < (size_t)rows * dim; i++) {
            double miss = (double)eps[i] - (double)noise[i];
            loss += miss * miss / ((double)n * (double)dim);
        }
    }
    free(x);
    free(noise);
    free(eps);
    return loss;
}

// Trains a net for `steps` steps and prints what it was and became; returns its loss afterwards.
static inline double size_train(ImageNet *n, const char *name, const AnyWorld *w, const Schedule *schedule,
                                Recipe recipe, int exam, uint64_t seed) {
    const char *kind = image_net_names[n->kind];
    Training run = training_new(&n->net, &w->world, schedule, recipe, seed);
    Progress bar = progress_start(name, "loss", recipe.steps);
    clock_t start = clock();
    double loss;
    printf("%s_%s_parameters %d\n%s_%s_mflop %.4f\n%s_%s_steps %d\n", name, kind, (int)n->net.np, name, kind,
           net_mflop(n), name, kind, recipe.steps);
    while (run.step < recipe.steps) {
        if (!training_step(&run)) {
            DIE("%s, %s: %s", name, kind, run.trouble);
        }
        progress_step(&bar, run.step, run.loss);
    }
    progress_end(&bar);
    if (bar.live) {
        fprintf(stderr, "%s, %s: %.1f s of processor time\n", name, kind, (double)(clock() - start) / CLOCKS_PER_SEC);
    }
    if (run.step >= 50) { // the average of a few steps is still too near to 0, where it began
        training_average(&run);
    }
    training_free(&run);
    loss = size_exam(&n->net, &w->world, schedule, exam, seed);
    printf("%s_%s_loss %.4f\n", name, kind, loss);
    return loss;
}

// Draws samples of the net: below n pictures of the data, what the chain makes for their prompts.
static inline void size_draw(const char *folder, const char *name, Net *net, const AnyWorld *w,
                             const Schedule *schedule, int n, uint64_t seed) {
    size_t dim = (size_t)w->world.dim;
    real *x = NEW(real, 2 * (size_t)n * dim);
    int *c = NEW(int, (size_t)n);
    Chain chain = fitted_chain(net, &w->world, schedule, n, seed);
    Image tiles, large;
    char file[40], path[PATH_LENGTH];
    w->world.draw(&w->world, x, c, (size_t)n, seed, w->world.stream + SIZE_EXAM, 0);
    chain_sample(x + (size_t)n * dim, NULL, net, &chain, c, n, seed, w->world.stream + SIZE_SAMPLE);
    tiles = image_tiles(x, 2 * n, w->side, w->side, w->channels, n, -w->paper, w->paper);
    large = image_upscale(&tiles, w->side > 16 ? 2 : 4);
    snprintf(file, sizeof file, "%s.png", name);
    path_join(path, folder, file);
    png_write(path, &large);
    image_free(&tiles);
    image_free(&large);
    chain_free(&chain);
    free(x);
    free(c);
}

// One row of the table.  ratio: loss of the UNet over that of the Mlp, 1 where there is only one net.
static inline uint64_t size_row(double *ratio, const SizeRow *row, int quick, const char *folder, uint64_t hash,
                                uint64_t seed) {
    AnyWorld w; // it points into itself, and stays here
    const char *name = any_world_names[row->world];
    Schedule schedule = image_schedule(SIZE_LEVELS);
    int picture = row->world != WORLD_RING, exam = quick ? 32 : picture ? 256 : 16384;
    int steps = quick ? 3 : row->steps, rows = quick ? 8 : row->rows;
    Recipe recipe = {steps, rows, rows < row->micro ? rows : row->micro, row->rate, 0.1, 0.99, 1};
    ImageNet net, twin;
    double loss;
    any_world_open(&w, row->world, NULL, 0);
    net = image_net_new(picture ? NET_UNET : NET_MLP, &w, row->width, row->blocks, &schedule, seed);
    printf("# %s: %d numbers a sample\n%s_numbers %d\n", name, w.world.dim, name, w.world.dim);
    printf("%s_loss_before %.4f\n", name, size_exam(&net.net, &w.world, &schedule, exam, seed));
    loss = size_train(&net, name, &w, &schedule, recipe, exam, seed);
    hash = net_hash(hash, &net.net);
    if (picture) {
        twin = image_net_new(NET_MLP, &w, SIZE_MLP_WIDTH, SIZE_MLP_LAYERS, &schedule, seed);
        recipe.steps = (int)(steps * net_mflop(&net) / net_mflop(&twin) + 0.5);
        recipe.rate = SIZE_MLP_RATE;
        *ratio = loss / size_train(&twin, name, &w, &schedule, recipe, exam, seed);
        hash = net_hash(hash, &twin.net);
        net_free(&twin.net);
        if (folder != NULL) {
            size_draw(folder, name, &net.net, &w, &schedule, quick ? 2 : 8, seed);
        }
    }
    net_free(&net.net);
    any_world_free(&w);
    schedule_free(&schedule);
    return hash;
}

// The whole table.  folder: for a picture of samples a row, or NULL.  Returns the exit status.
static inline int size_table(int quick, const char *folder, uint64_t seed) {
    uint64_t hash = HASH_START;
    double ratio = 1;
    int i;
    if (folder != NULL) {
        folder_make(folder);
    }
    for (i = 0; i < SIZE_ROWS; i++) {
        hash = size_row(&ratio, &size_rows[i], quick, folder, hash, seed);
    }
    printf("inspect %.3f loss of the UNet over that of the Mlp, at 3,072 numbers and equal arithmetic\n", ratio);
    printf("expect 0.4 to 0.9, in the run without --quick\nhash %016llx\n", (unsigned long long)hash);
    return !quick && !(ratio < 0.9);
}

#endif
