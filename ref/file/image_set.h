// image_set.h: labelled pictures in memory, one byte a number, as the loaders of other people's formats leave them.
//
//   ImageSet set = idx_load("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 10);     // idx.h: MNIST and its kin
//   ImageSet set = cifar_load(paths, 5, CIFAR_10);                                         // cifar.h
//   image_set_row(x, &set, i);                                    // picture i as numbers in [-1, 1]
//   image_set_free(&set);
//
// Bytes and not numbers, because 60,000 pictures of 28x28 are 47 MB as bytes and 188 MB as floats.
#ifndef TILT_IMAGE_SET_H
#define TILT_IMAGE_SET_H

#include "atomic.h"

#define IMAGE_SET_LIMIT ((size_t)1 << 28) // most bytes of a file: 256 MiB, five times the largest of these sets
enum { IMAGE_SET_MAX_SIDE = 256 };

typedef struct {
    size_t n;                    // pictures
    int height, width, channels; // numbers of a picture: height x width x channels, row by row, channels last (NHWC)
    int classes;                 // labels are 0..classes-1
    unsigned char *pixel;        // n x height x width x channels
    unsigned char *label;        // n
} ImageSet;

static inline size_t image_set_numbers(const ImageSet *s) {
    return (size_t)s->height * (size_t)s->width * (size_t)s->channels;
}

// x = picture i; byte 0 becomes -1, byte 255 becomes +1.
static inline void image_set_row(real *x, const ImageSet *s, size_t i) {
    size_t d = image_set_numbers(s), k;
    const unsigned char *p = s->pixel + i * d;
    for (k = 0; k < d; k++) {
        x[k] = (real)(p[k] / 127.5 - 1.0);
    }
}

// Dies unless every label is below s->classes; `path` is the file they came from.
static inline void image_set_check_labels(const ImageSet *s, const char *path) {
    size_t i;
    for (i = 0; i < s->n; i++) {
        if (s->label[i] >= s->classes) {
            DIE("%s: label %zu is %d, the program expects 0..%d; is it the file of another data set?", path, i,
                s->label[i], s->classes - 1);
        }
    }
}

// Halves height and width in place: every 2x2 block becomes its mean, rounded.  28x28 becomes 14x14: a quarter of the
// work for a net, and one level less.
static inline void image_set_halve(ImageSet *s) {
    int h = s->height / 2, w = s->width / 2, ch = s->channels, y, x, k;
    size_t from = image_set_numbers(s), to = (size_t)h * (size_t)w * (size_t)ch, i;
    if (s->height % 2 != 0 || s->width % 2 != 0) {
        DIE("pictures of %d x %d cannot be halved; use them as they are", s->height, s->width);
    }
    for (i = 0; i < s->n; i++) {
        const unsigned char *p = s->pixel + i * from;
        unsigned char *q = s->pixel + i * to; // never behind p, so nothing is overwritten before it is read
        for (y = 0; y < h; y++) {
            for (x = 0; x < w; x++) {
                for (k = 0; k < ch; k++) {
                    const unsigned char *a =
                        p + ((size_t)(2 * y) * (size_t)s->width + (size_t)(2 * x)) * (size_t)ch + k;
                    const unsigned char *b = a + (size_t)s->width * (size_t)ch; // the row below
                    *q++ = (unsigned char)((a[0] + a[ch] + b[0] + b[ch] + 2) / 4);
                }
            }
        }
    }
    s->height = h;
    s->width = w;
}

static inline void image_set_free(ImageSet *s) {
    free(s->pixel);
    free(s->label);
    memset(s, 0, sizeof *s);
}

// A gzip file begins with these two bytes; it is not unpacked here.
static inline void refuse_gzip(const Bytes *b, const char *path) {
    if (b->n >= 2 && b->data[0] == 0x1f && b->data[1] == 0x8b) {
        DIE("'%s' is compressed; unpack it with 'gunzip -k %s' and give the unpacked file", path, path);
    }
}

#endif
