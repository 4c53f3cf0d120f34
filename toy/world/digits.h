// digits.h: 1,797 handwritten digits as 8x8 pictures; the prompt is the digit.  Real data, and small enough to read.
//
// A picture is a row of 64 numbers in [-1, 1]: paper is -1, full ink is +1, k sixteenths of ink are k/8 - 1 (exact in
// float).  Pixel (column i, row j from the top) is number 8 j + i.  The file and its origin: data/README.md.
// The loader treats the file as hostile: it returns correct data or ends the program with one line that names the line.
#ifndef TILT_DIGITS_H
#define TILT_DIGITS_H

#include "../../ref/core/rng.h"
#include "../../ref/file/hashed_text.h"

#define DIGITS_PATH "data/digits8x8.txt" // programs run from the repository root
enum { DIGIT_SIDE = 8, DIGIT_PIXELS = 64, DIGIT_CLASSES = 10, DIGIT_INK = 16 };
enum { DIGITS_MAX_IMAGES = 10000, DIGITS_MAX_BYTES = 1 << 20, DIGITS_LINE = 2 + DIGIT_PIXELS };

typedef struct {
    int n;                    // images
    real *x;                  // n x 64, in [-1, 1]
    int *label;               // n, the digit 0..9 = the prompt
    int count[DIGIT_CLASSES]; // images of each digit
    int *of[DIGIT_CLASSES];   // their indices, ascending; of[d] has count[d]
    int *index;               // n: the memory behind of[]
} Digits;

// ---- reading -----------------------------------------------------------------------------------------------------

// "7 005d91...": the label and 64 pixels in base 17.
static inline int digits_image(real *x, HashedText *file) {
    size_t length, k;
    const char *line = hashed_text_line(&length, file);
    if (length != DIGITS_LINE || line[0] < '0' || line[0] > '9' || line[1] != ' ') {
        HASHED_TEXT_REFUSE(file, "is not a label 0..9, a space and %d pixels", DIGIT_PIXELS);
    }
    for (k = 2; k < DIGITS_LINE; k++) {
        int ch = (unsigned char)line[k];
        int ink = ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'g' ? ch - 'a' + 10 : -1;
        if (ink < 0) {
            HASHED_TEXT_REFUSE(file, "character %lu has code %d; pixels are 0..9 a..g", (unsigned long)k + 1, ch);
        }
        x[k - 2] = (real)(ink * (2.0 / DIGIT_INK) - 1.0);
    }
    return line[0] - '0';
}

static inline void digits_index(Digits *d) {
    int i, k, *next = d->index;
    for (k = 0; k < DIGIT_CLASSES; k++) {
        d->of[k] = next;
        d->count[k] = 0;
        for (i = 0; i < d->n; i++) {
            if (d->label[i] == k) {
                d->of[k][d->count[k]++] = i;
            }
        }
        next += d->count[k];
    }
}

// Reads DIGITS_PATH or another file of the same form.
static inline Digits digits_load(const char *path) {
    HashedText file = hashed_text_open(path, "# tilt digits 1", DIGITS_MAX_BYTES);
    Digits d;
    int i;
    d.n = hashed_text_count(&file, "# images ", DIGITS_MAX_IMAGES);
    d.x = NEW(real, (size_t)d.n * DIGIT_PIXELS);
    d.label = NEW(int, (size_t)d.n);
    d.index = NEW(int, (size_t)d.n);
    for (i = 0; i < d.n; i++) {
        hashed_text_more(&file, i, d.n);
        d.label[i] = digits_image(d.x + (size_t)i * DIGIT_PIXELS, &file);
    }
    hashed_text_close(&file);
    digits_index(&d);
    return d;
}

static inline void digits_free(Digits *d) {
    free(d->x);
    free(d->label);
    free(d->index);
    memset(d, 0, sizeof *d);
}

// ---- samples -----------------------------------------------------------------------------------------------------

// Number i of a stream: the index of a uniformly drawn image, of digit c, or of any digit for c = -1.
static inline int digits_draw(const Digits *d, int c, uint64_t seed, uint64_t stream, uint64_t i) {
    if (c < -1 || c >= DIGIT_CLASSES || (c >= 0 && d->count[c] == 0)) {
        DIE("digits: there is no image for prompt %d; use 0..9 or -1 for all", c);
    }
    return c < 0 ? (int)rng_below(seed, stream, i, (uint64_t)d->n)
                 : d->of[c][rng_below(seed, stream, i, (uint64_t)d->count[c])];
}

// n images as rows of x (n x 64), draws first .. first + n - 1 of the stream.  c_in: one prompt per row, or NULL for
// all digits; c_out: the labels drawn, or NULL.
static inline void digits_batch(real *x, int *c_out, const int *c_in, size_t n, const Digits *d, uint64_t seed,
                                uint64_t stream, uint64_t first) {
    size_t i;
    for (i = 0; i < n; i++) {
        int k = digits_draw(d, c_in ? c_in[i] : -1, seed, stream, first + i);
        memcpy(x + i * DIGIT_PIXELS, d->x + (size_t)k * DIGIT_PIXELS, DIGIT_PIXELS * sizeof *x);
        if (c_out) {
            c_out[i] = d->label[k];
        }
    }
}

#endif
