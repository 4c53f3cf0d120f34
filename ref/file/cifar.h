// cifar.h: the binary version of CIFAR-10 and CIFAR-100: 32x32 colour pictures, a fixed number of bytes each.
//
//   CIFAR-10    1 byte label 0..9, then 1,024 bytes red, 1,024 green, 1,024 blue, each row by row from the top
//   CIFAR-100   the same after 2 bytes: coarse label 0..19, fine label 0..99 (the fine one is kept)
//
// The planes are interleaved here (NHWC).  There is no magic number and no count, so the length of the file and the
// labels are all that can be checked.  source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images",
// 2009; the files are data_batch_1.bin .. data_batch_5.bin and test_batch.bin.
#ifndef TILT_CIFAR_H
#define TILT_CIFAR_H

#include "image_set.h"

typedef enum { CIFAR_10 = 10, CIFAR_100 = 100 } CifarKind;
enum { CIFAR_SIDE = 32, CIFAR_PLANE = CIFAR_SIDE * CIFAR_SIDE, CIFAR_NUMBERS = 3 * CIFAR_PLANE };

// No pictures yet.
static inline ImageSet cifar_new(CifarKind kind) {
    ImageSet s = {0, CIFAR_SIDE, CIFAR_SIDE, 3, 0, NULL, NULL};
    s.classes = (int)kind;
    return s;
}

// Takes over the bytes of one file and appends its records to the set.
static inline void cifar_add(ImageSet *s, Bytes b, const char *path, CifarKind kind) {
    size_t labels = kind == CIFAR_100 ? 2 : 1, record = labels + CIFAR_NUMBERS, n, i, j, k;
    refuse_gzip(&b, path);
    if (b.n == 0 || b.n % record != 0) {
        DIE("'%s' has %zu bytes, no multiple of the %zu of a CIFAR-%d record; is it another version, or cut off?", path,
            b.n, record, (int)kind);
    }
    n = b.n / record;
    s->pixel = (unsigned char *)xrealloc(s->pixel, s->n + n, CIFAR_NUMBERS);
    s->label = (unsigned char *)xrealloc(s->label, s->n + n, 1);
    for (i = 0; i < n; i++) {
        const unsigned char *p = b.data + i * record;
        unsigned char *q = s->pixel + (s->n + i) * CIFAR_NUMBERS;
        if (labels == 2 && p[0] >= 20) {
            DIE("'%s': coarse label %zu is %d; CIFAR-100 has 0..19", path, i, p[0]);
        }
        if (p[labels - 1] >= (int)kind) {
            DIE("'%s': label %zu is %d; CIFAR-%d has 0..%d", path, i, p[labels - 1], (int)kind, (int)kind - 1);
        }
        s->label[s->n + i] = p[labels - 1];
        for (j = 0; j < CIFAR_PLANE; j++) {
            for (k = 0; k < 3; k++) {
                *q++ = p[labels + k * CIFAR_PLANE + j];
            }
        }
    }
    s->n += n;
    bytes_free(&b);
}

// The records of `files` files, one after the other.
static inline ImageSet cifar_load(const char *const *path, int files, CifarKind kind) {
    ImageSet s = cifar_new(kind);
    int f;
    if (files < 1) {
        DIE("cifar: no file given; the training set is data_batch_1.bin .. data_batch_5.bin");
    }
    for (f = 0; f < files; f++) {
        Bytes b = file_read(path[f], IMAGE_SET_LIMIT, "CIFAR: give the unpacked .bin files of the binary version.");
        cifar_add(&s, b, path[f], kind);
    }
    return s;
}

#endif
