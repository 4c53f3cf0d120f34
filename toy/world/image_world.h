// image_world.h: a World over labelled pictures that you have as files (MNIST, Fashion-MNIST, CIFAR-10): the prompt is
// the label.
//
//   ImageSet set = idx_load("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 10);
//   ImageTokens words = image_tokens(fashion_names, set.classes);
//   ImageRows rows = {&set, 0};
//   Brightness truth = brightness_new(&set, 1);
//   World w = image_world("fashion", &rows, &truth);              // words.tokens belong to its prompts
//
// A UNet halves the side once a level: 28 (MNIST) goes with three levels (28, 14, 7), 32 (CIFAR) with more, and
// image_set_halve makes 14 of 28 for two.  Nothing needs padding.
#ifndef TILT_IMAGE_WORLD_H
#define TILT_IMAGE_WORLD_H

#include <math.h>

#include "../../ref/core/rng.h"
#include "../../ref/file/cifar.h"
#include "../../ref/file/idx.h"
#include "tokens.h"
#include "world.h"

// ---- the words of the labels -------------------------------------------------------------------------------------

static const char *const mnist_names[10] = {"zero", "one", "two",   "three", "four",
                                            "five", "six", "seven", "eight", "nine"};
static const char *const fashion_names[10] = {"t-shirt", "trouser", "pullover", "dress", "coat",
                                              "sandal",  "shirt",   "sneaker",  "bag",   "ankle-boot"};
static const char *const cifar10_names[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                              "dog",      "frog",       "horse", "ship", "truck"};

typedef struct {
    Tokens tokens;
    int *token;        // the memory behind tokens
    const char **name; // borrowed words, or
    char (*number)[4]; //   "0", "1", ... where a set has no names here
} ImageTokens;

// One word a prompt; name NULL: the label as a number.
static inline ImageTokens image_tokens(const char *const *name, int classes) {
    ImageTokens t;
    int k;
    if (classes < 1 || classes > 256) {
        DIE("image_tokens: %d classes; 1..256 are possible", classes);
    }
    t.token = NEW(int, (size_t)classes);
    t.name = (const char **)xcalloc((size_t)classes, sizeof *t.name);
    t.number = (char(*)[4])xcalloc((size_t)classes, sizeof *t.number);
    for (k = 0; k < classes; k++) {
        snprintf(t.number[k], sizeof t.number[k], "%u", (unsigned)k & 255u);
        t.name[k] = name != NULL ? name[k] : t.number[k];
        t.token[k] = k;
    }
    t.tokens.words = t.tokens.prompts = classes;
    t.tokens.length = 1;
    t.tokens.name = t.name;
    t.tokens.token = t.token;
    return t;
}

static inline void image_tokens_free(ImageTokens *t) {
    free(t->token);
    free((void *)t->name);
    free(t->number);
    memset(t, 0, sizeof *t);
}

// ---- drawing -----------------------------------------------------------------------------------------------------

typedef struct {
    const ImageSet *set; // borrowed
    int flip;            // 1: half of the rows are mirrored (a horse may look left; a 3 may not)
} ImageRows;

// Row number i of a stream: x and its label; the picture that was drawn is returned.
static inline size_t image_draw(real *x, int *c, const ImageRows *rows, uint64_t seed, uint64_t stream, uint64_t i) {
    const ImageSet *s = rows->set;
    size_t k = (size_t)rng_below(seed, stream, 2 * i, s->n), ch = (size_t)s->channels, w = (size_t)s->width, y, a, j;
    image_set_row(x, s, k);
    if (rows->flip && rng_below(seed, stream, 2 * i + 1, 2) == 1) {
        for (y = 0; y < (size_t)s->height; y++) {
            real *row = x + y * w * ch;
            for (a = 0; a < w / 2; a++) {
                for (j = 0; j < ch; j++) {
                    real keep = row[a * ch + j];
                    row[a * ch + j] = row[(w - 1 - a) * ch + j];
                    row[(w - 1 - a) * ch + j] = keep;
                }
            }
        }
    }
    *c = s->label[k];
    return k;
}

static inline void image_world_draw(const World *w, real *x, int *c, size_t n, uint64_t seed, uint64_t stream,
                                    uint64_t first) {
    const ImageRows *rows = (const ImageRows *)w->self;
    size_t i, d = image_set_numbers(rows->set);
    for (i = 0; i < n; i++) {
        image_draw(x + i * d, c + i, rows, seed, stream, first + i);
    }
}

// ---- the reward: brightness --------------------------------------------------------------------------------------

// The mean of all numbers, cut to [-1, 1]: ink in MNIST, cloth in Fashion-MNIST, light in CIFAR.  In units of `scale`
// for one standard deviation over the pictures, whose mean has reward 0.
typedef struct {
    double mean, deviation, scale;
    size_t numbers; // of a picture
} Brightness;

static inline Brightness brightness_new(const ImageSet *s, double scale) {
    Brightness b = {0, 0, 0, 0};
    size_t d = image_set_numbers(s), i, k;
    double square = 0;
    for (i = 0; i < s->n; i++) { // whole numbers until the division, so the order does not matter
        unsigned long sum = 0;
        double mean;
        for (k = 0; k < d; k++) {
            sum += s->pixel[i * d + k];
        }
        mean = (double)sum / ((double)d * 127.5) - 1;
        b.mean += mean / (double)s->n;
        square += mean * mean / (double)s->n;
    }
    square -= b.mean * b.mean;
    if (!(square > 1e-12)) {
        DIE("all %zu pictures are equally bright, so brightness has no unit; load other pictures", s->n);
    }
    b.deviation = sqrt(square);
    b.scale = scale;
    b.numbers = d;
    return b;
}

static inline double brightness_reward(const Brightness *b, const real *x) {
    double sum = 0;
    size_t i;
    for (i = 0; i < b->numbers; i++) {
        double v = (double)x[i];
        sum += v < -1 ? -1 : v > 1 ? 1 : v;
    }
    return b->scale * (sum / (double)b->numbers - b->mean) / b->deviation;
}

static inline void brightness_grad(real *g, const Brightness *b, const real *x) {
    size_t i;
    for (i = 0; i < b->numbers; i++) {
        g[i] = (real)(x[i] >= -1 && x[i] <= 1 ? b->scale / (b->deviation * (double)b->numbers) : 0);
    }
}

static inline void image_world_reward(const World *w, double *r, const real *x, const int *c, size_t n) {
    const Brightness *b = (const Brightness *)w->truth;
    size_t i;
    (void)c;
    for (i = 0; i < n; i++) {
        r[i] = brightness_reward(b, x + i * b->numbers);
    }
}

// The pictures under the brightness reward.  rows and truth are borrowed.
static inline World image_world(const char *name, const ImageRows *rows, const Brightness *truth) {
    World w = {NULL, 0, 0, image_world_draw, image_world_reward, NULL, NULL, 4000};
    w.name = name;
    w.dim = (int)image_set_numbers(rows->set);
    w.prompts = rows->set->classes;
    w.self = rows;
    w.truth = truth;
    return w;
}

#endif
