// safetensors.h: checkpoints that PyTorch, JAX and every other user of the safetensors format can open.
//
//   StTensor list[2] = {st_matrix("w1", net.p, 64, 2), st_vector("b1", net.p + 128, 64)};
//   StMeta meta = st_meta("mlp 2-64-2", step, seed);
//   st_save("out/mlp.safetensors", list, 2, &meta);
//   meta = st_load("out/mlp.safetensors", list, 2, "mlp 2-64-2");
//
// The file is an 8-byte header length, a JSON header, the numbers; little-endian on every machine.  The header carries
// the format version, the model, step, seed and an FNV-1a checksum over data, model, step and seed, all as strings in
// "__metadata__".  st_load checks everything (st_header.h parses, this file compares) before it writes the first number
// into the program: either all tensors are loaded or none, and one changed bit anywhere in the file is noticed.  NaN
// and infinity are refused in both directions.
// Numbers: a float build writes F32, a double build F64.  F32 may be loaded into either, exactly; F64 into a float
// build is refused, because resuming would not continue with the same bits.
#ifndef TILT_SAFETENSORS_H
#define TILT_SAFETENSORS_H

#include <float.h>
#include <math.h>

#include "st_header.h"

// One tensor of the program: its shape and where its numbers live (exactly one pointer is not NULL).
typedef struct {
    const char *name;
    int dims;
    size_t shape[ST_DIMS];
    real *reals;
    double *doubles;
} StTensor;

typedef struct {
    char model[ST_TEXT];
    uint64_t step, seed;
} StMeta;

// ---- describing the program's tensors --------------------------------------------------------------------------

static inline StTensor st_reals(const char *name, real *p, int dims, const size_t *shape) {
    StTensor t;
    memset(&t, 0, sizeof t);
    if (dims < 0 || dims > ST_DIMS) {
        DIE("safetensors: '%s' would have %d dimensions; 0..%d are possible", name, dims, ST_DIMS);
    }
    t.name = name;
    t.dims = dims;
    memcpy(t.shape, shape, (size_t)dims * sizeof(size_t));
    t.reals = p;
    return t;
}

static inline StTensor st_vector(const char *name, real *p, size_t n) {
    return st_reals(name, p, 1, &n);
}

static inline StTensor st_matrix(const char *name, real *p, size_t rows, size_t columns) {
    size_t shape[2];
    shape[0] = rows;
    shape[1] = columns;
    return st_reals(name, p, 2, shape);
}

// Numbers that stay doubles in every build (tables, mixtures).
static inline StTensor st_doubles(const char *name, double *p, int dims, const size_t *shape) {
    StTensor t = st_reals(name, NULL, dims, shape);
    t.doubles = p;
    return t;
}

static inline StMeta st_meta(const char *model, uint64_t step, uint64_t seed) {
    StMeta m;
    memset(&m, 0, sizeof m);
    if (snprintf(m.model, sizeof m.model, "%s", model) >= (int)sizeof m.model) {
        DIE("safetensors: the model name '%.40s...' is longer than %d bytes", model, ST_TEXT - 1);
    }
    m.step = step;
    m.seed = seed;
    return m;
}

static inline size_t st_count_(const StTensor *t) {
    size_t n = 1;
    int k;
    for (k = 0; k < t->dims; k++) {
        n = size_mul(n, t->shape[k]);
    }
    return n;
}

static inline int st_width_(const StTensor *t) {
    return t->doubles != NULL ? 8 : (int)sizeof(real);
}

// ---- saving ----------------------------------------------------------------------------------------------------

// Names and models are printable ASCII without the two characters that JSON would have to escape.
static inline void st_check_text_(const char *what, const char *text) {
    size_t i;
    for (i = 0; text[i] != '\0'; i++) {
        if (text[i] < 32 || text[i] > 126 || text[i] == '"' || text[i] == '\\') {
            DIE("safetensors: the %s '%.40s' has byte %d; use printable ASCII without \" and \\", what, text,
                (unsigned char)text[i]);
        }
    }
    if (i == 0 || i >= ST_TEXT) {
        DIE("safetensors: the %s '%.40s' has %zu bytes; 1..%d are possible", what, text, i, ST_TEXT - 1);
    }
}

static inline void st_add_data_(Bytes *b, const StTensor *t) {
    size_t i, n = st_count_(t);
    for (i = 0; i < n; i++) {
        double v = t->doubles != NULL ? t->doubles[i] : (double)t->reals[i];
        if (!(fabs(v) <= DBL_MAX)) {
            DIE("safetensors: '%s' number %zu is %g; the run has diverged, nothing was saved", t->name, i, v);
        }
        if (st_width_(t) == 8) {
            bytes_f64(b, v);
        } else {
            bytes_f32(b, (float)v);
        }
    }
}

static inline void st_save(const char *path, const StTensor *tensor, int n, const StMeta *meta) {
    Bytes data = {NULL, 0, 0}, b = {NULL, 0, 0};
    size_t begin = 0;
    char step[24], seed[24], checksum[20];
    int i, k;
    st_check_text_("model", meta->model);
    for (i = 0; i < n; i++) {
        st_check_text_("tensor name", tensor[i].name);
        for (k = 0; k < i; k++) {
            if (strcmp(tensor[i].name, tensor[k].name) == 0) {
                DIE("safetensors: two tensors are called '%s'; give each its own name", tensor[i].name);
            }
        }
        st_add_data_(&data, &tensor[i]);
    }
    bytes_le(&b, 0, 8); // header length, set below
    snprintf(step, sizeof step, "%llu", (unsigned long long)meta->step);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)meta->seed);
    st_checksum(checksum, data.data, data.n, meta->model, step, seed);
    bytes_text(&b, "{\"__metadata__\":{\"format\":\"%s\",\"model\":\"%s\",", ST_FORMAT, meta->model);
    bytes_text(&b, "\"step\":\"%s\",\"seed\":\"%s\",\"checksum\":\"%s\"}", step, seed, checksum);
    for (i = 0; i < n; i++) {
        size_t bytes = st_count_(&tensor[i]) * (size_t)st_width_(&tensor[i]);
        bytes_text(&b, ",\"%s\":{\"dtype\":\"F%d\",\"shape\":[", tensor[i].name, 8 * st_width_(&tensor[i]));
        for (k = 0; k < tensor[i].dims; k++) {
            bytes_text(&b, "%s%zu", k ? "," : "", tensor[i].shape[k]);
        }
        bytes_text(&b, "],\"data_offsets\":[%zu,%zu]}", begin, begin + bytes);
        begin += bytes;
    }
    bytes_byte(&b, '}');
    while (b.n % 8 != 0) {
        bytes_byte(&b, ' '); // data start at a multiple of 8
    }
    if (n > ST_TENSORS || b.n - 8 > ST_HEADER || b.n + data.n > ST_LIMIT) {
        DIE("safetensors: '%s' would have %d tensors, a header of %zu and data of %zu bytes, more than the reader "
            "accepts",
            path, n, b.n - 8, data.n);
    }
    for (i = 0; i < 8; i++) {
        b.data[i] = (unsigned char)((uint64_t)(b.n - 8) >> 8 * i & 255);
    }
    bytes_add(&b, data.data, data.n);
    atomic_write(path, b.data, b.n);
    bytes_free(&data);
    bytes_free(&b);
}

// ---- loading ---------------------------------------------------------------------------------------------------

static inline void st_shape_text_(char text[200], int dims, const size_t *shape) {
    int k, at = snprintf(text, 200, "[");
    for (k = 0; k < dims; k++) {
        at += snprintf(text + at, (size_t)(200 - at), "%s%zu", k ? "," : "", shape[k]);
    }
    snprintf(text + at, (size_t)(200 - at), "]");
}

// Does the entry of the file fit the tensor of the program?  Dies with both sides if not; returns the entry.
static inline const StEntry *st_match_(const StFile *f, const StTensor *t) {
    const StEntry *e = st_find(f, t->name);
    char has[200], wants[200];
    const unsigned char *p;
    size_t i;
    if (e == NULL) {
        DIE("'%s' has %d tensors, but not '%s', which the program expects; the first is '%s'", f->path, f->n, t->name,
            f->n > 0 ? f->entry[0].name : "none");
    }
    if (e->dims != t->dims || memcmp(e->shape, t->shape, (size_t)t->dims * sizeof(size_t)) != 0) {
        st_shape_text_(has, e->dims, e->shape);
        st_shape_text_(wants, t->dims, t->shape);
        DIE("'%s': tensor '%s' has shape %s, the program expects %s", f->path, t->name, has, wants);
    }
    if (e->width > st_width_(t)) {
        DIE("'%s': tensor '%s' is F64, this program computes in float; use the double build or save again", f->path,
            t->name);
    }
    p = f->data + e->begin;
    for (i = 0; i < e->count; i++) {
        double v = e->width == 4 ? (double)get_f32(p + 4 * i) : get_f64(p + 8 * i);
        if (!(fabs(v) <= DBL_MAX)) {
            DIE("'%s': tensor '%s' number %zu is %g; the checkpoint is of a run that diverged", f->path, t->name, i, v);
        }
    }
    return e;
}

static inline void st_copy_(const StFile *f, const StEntry *e, const StTensor *t) {
    const unsigned char *p = f->data + e->begin;
    size_t i;
    for (i = 0; i < e->count; i++) {
        double v = e->width == 4 ? (double)get_f32(p + 4 * i) : get_f64(p + 8 * i);
        if (t->doubles != NULL) {
            t->doubles[i] = v;
        } else {
            t->reals[i] = (real)v;
        }
    }
}

// One tensor out of an open file, for tools and for parts of a checkpoint.
static inline void st_read(const StFile *f, const StTensor *t) {
    st_copy_(f, st_match_(f, t), t);
}

// step or seed of the metadata.
static inline uint64_t st_whole_(const StFile *f, const char *key) {
    const char *text = st_text_or_die(f, key);
    char *end = NULL;
    unsigned long long v;
    errno = 0;
    v = strtoull(text, &end, 10);
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text) || *end != '\0' || errno != 0) {
        DIE("'%s': the metadata text \"%s\" is '%s'; it should be a whole number", f->path, key, text);
    }
    return (uint64_t)v;
}

// Fills the n tensors from an open file, which must hold exactly these names, shapes and number types.  With a model
// name the metadata must agree with it; NULL accepts files of other programs, and then step and seed are 0.
static inline StMeta st_read_all(const StFile *f, const StTensor *tensor, int n, const char *model) {
    StMeta meta = st_meta("", 0, 0);
    int i, k;
    if (model != NULL) {
        const char *format = st_text(f, "format"), *has;
        if (format == NULL || strcmp(format, ST_FORMAT) != 0) {
            DIE("'%s' has format '%s', the program expects '%s'", f->path, format ? format : "none", ST_FORMAT);
        }
        has = st_text_or_die(f, "model");
        if (strcmp(has, model) != 0) {
            DIE("'%s' holds the model '%s', the program expects '%s'", f->path, has, model);
        }
        meta = st_meta(has, st_whole_(f, "step"), st_whole_(f, "seed"));
    }
    for (k = 0; k < f->n; k++) {
        for (i = 0; i < n && strcmp(tensor[i].name, f->entry[k].name) != 0; i++) {
        }
        if (i == n) {
            DIE("'%s' has %d tensors, the program expects %d; '%s' is not expected", f->path, f->n, n,
                f->entry[k].name);
        }
    }
    for (i = 0; i < n; i++) {
        st_match_(f, &tensor[i]);
    }
    for (i = 0; i < n; i++) { // nothing can fail any more
        st_copy_(f, st_find(f, tensor[i].name), &tensor[i]);
    }
    return meta;
}

// The same for a file by name.
static inline StMeta st_load(const char *path, const StTensor *tensor, int n, const char *model) {
    StFile f = st_open(path);
    StMeta meta = st_read_all(&f, tensor, n, model);
    st_close(&f);
    return meta;
}

#endif
