// idx.h: the format of MNIST, Fashion-MNIST and their kin: a file of pictures and a file of labels.
//
//   pictures   00 00 08 03, then three sizes of 4 bytes, high byte first: pictures, rows, columns; then the bytes
//   labels     00 00 08 01, then one size: labels; then the bytes
//   (08: unsigned bytes, the only type read here; 03 and 01: the number of sizes)
//
// source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998.  Debian has Fashion-MNIST
// in the package dataset-fashion-mnist.  Files are hostile until checked: sizes against limits and against the length
// of the file, both counts against each other, labels against the number of classes.
#ifndef TILT_IDX_H
#define TILT_IDX_H

#include "image_set.h"

// Takes over the bytes of a file of `dims` sizes (3 or 1); returns its data without the head.
static inline Bytes idx_decode(size_t size[3], Bytes b, int dims, const char *path) {
    size_t head = 4 + 4 * (size_t)dims, want = 1;
    int k;
    refuse_gzip(&b, path);
    if (b.n < head) {
        DIE("'%s' has %zu bytes; an IDX file of %d sizes begins with %zu", path, b.n, dims, head);
    }
    if (get_be(b.data, 4) != (uint64_t)(0x800 + dims)) {
        DIE("'%s' begins with %08lx, the program expects %08lx (IDX, bytes, %d sizes); are pictures and labels "
            "swapped?",
            path, (unsigned long)get_be(b.data, 4), (unsigned long)(0x800 + dims), dims);
    }
    for (k = 0; k < dims; k++) {
        uint64_t s = get_be(b.data + 4 + 4 * k, 4);
        uint64_t most = k == 0 ? IMAGE_SET_LIMIT : IMAGE_SET_MAX_SIDE;
        if (s < 1 || s > most) {
            DIE("'%s': size %d is %lu; 1..%lu are possible", path, k + 1, (unsigned long)s, (unsigned long)most);
        }
        size[k] = (size_t)s;
    }
    for (k = 0; k < dims; k++) {
        want = size_mul(want, size[k]);
    }
    if (want != b.n - head) {
        DIE("'%s': its sizes announce %zu bytes of data, %zu are there; fetch the file again", path, want, b.n - head);
    }
    b.n = want;
    memmove(b.data, b.data + head, want);
    return b;
}

// Takes over the bytes of both files; their names are for messages.  classes: labels must lie in 0..classes-1 (1..256).
static inline ImageSet idx_join(Bytes image_bytes, Bytes label_bytes, const char *images, const char *labels,
                                int classes) {
    ImageSet s;
    size_t size[3] = {0, 0, 0}, count[3] = {0, 0, 0};
    if (classes < 1 || classes > 256) {
        DIE("idx: %d classes; a label is one byte, so 1..256 are possible", classes);
    }
    memset(&s, 0, sizeof s);
    s.pixel = idx_decode(size, image_bytes, 3, images).data;
    s.label = idx_decode(count, label_bytes, 1, labels).data;
    if (count[0] != size[0]) {
        DIE("'%s' has %zu labels for the %zu pictures of '%s'; give two files that belong together", labels, count[0],
            size[0], images);
    }
    s.n = size[0];
    s.height = (int)size[1];
    s.width = (int)size[2];
    s.channels = 1;
    s.classes = classes;
    image_set_check_labels(&s, labels);
    return s;
}

static inline ImageSet idx_load(const char *images, const char *labels, int classes) {
    static const char hint[] = "MNIST and Fashion-MNIST: give the unpacked files; 'gunzip -k FILE' unpacks.";
    Bytes image_bytes = file_read(images, IMAGE_SET_LIMIT, hint);
    return idx_join(image_bytes, file_read(labels, IMAGE_SET_LIMIT, hint), images, labels, classes);
}

#endif
