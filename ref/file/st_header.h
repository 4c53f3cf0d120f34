// st_header.h: opens a .safetensors file and checks it.  The header is JSON, but only this much of it:
//
//   { "__metadata__": {"text": "text", ...},
//     "name": {"dtype": "F32" or "F64", "shape": [whole, ...], "data_offsets": [begin, end]}, ... }
//
// Refused: anything else (other types, escapes in strings, signs, fractions, leading zeros, unknown keys in a tensor),
// duplicate names, a header over 1 MiB, offsets that overlap, leave a hole, lie outside the data or do not fit the
// shape, bytes behind the data, a wrong checksum.  What is left is safe to index.
#ifndef TILT_ST_HEADER_H
#define TILT_ST_HEADER_H

#include "atomic.h"

#define ST_FORMAT "tilt 1" // the metadata text "format" of our own files

#define ST_DIMS 8                    // most dimensions of a tensor
#define ST_TEXT 128                  // bytes of a name or metadata text, with the closing NUL
#define ST_TENSORS 4096              // most tensors in a file
#define ST_PAIRS 64                  // most metadata entries
#define ST_HEADER ((size_t)1 << 20)  // most bytes of a header: 1 MiB
#define ST_NUMBERS ((size_t)1 << 27) // most numbers of a tensor; times 8 bytes it fits a 32-bit size
#define ST_LIMIT ((size_t)1 << 31)   // most bytes of a file: 2 GiB

typedef struct {
    char name[ST_TEXT];
    int width; // bytes per number: 4 (F32) or 8 (F64)
    int dims;
    size_t shape[ST_DIMS], count;
    size_t begin, end; // bytes within the data
} StEntry;

typedef struct {
    char key[ST_TEXT], value[ST_TEXT];
} StPair;

typedef struct {
    const char *path;
    Bytes file;
    const unsigned char *data;
    size_t data_bytes;
    StEntry *entry;
    int n;
    StPair *pair;
    int pairs;
    const char *p, *end; // the parser's place in the header
} StFile;

// ---- the parser ------------------------------------------------------------------------------------------------

static inline void st_bad_(const StFile *f, const char *what) {
    DIE("'%s': %s, at byte %zu of the header", f->path, what, (size_t)(f->p - (const char *)f->file.data) - 8);
}

static inline void st_blank_(StFile *f) {
    while (f->p < f->end && (*f->p == ' ' || *f->p == '\t' || *f->p == '\n' || *f->p == '\r')) {
        f->p++;
    }
}

// Is the next character c?  Then step over it.
static inline int st_is_(StFile *f, char c) {
    st_blank_(f);
    if (f->p < f->end && *f->p == c) {
        f->p++;
        return 1;
    }
    return 0;
}

static inline void st_expect_(StFile *f, char c) {
    char what[32];
    if (!st_is_(f, c)) {
        snprintf(what, sizeof what, "'%c' expected", c);
        st_bad_(f, what);
    }
}

static inline void st_string_(StFile *f, char out[ST_TEXT]) {
    int n = 0;
    st_expect_(f, '"');
    while (f->p < f->end && *f->p != '"') {
        if (*f->p < 32 || *f->p > 126 || *f->p == '\\') {
            st_bad_(f, "a string has an escape or a byte that is not printable ASCII");
        }
        if (n == ST_TEXT - 1) {
            st_bad_(f, "a string is longer than 127 bytes");
        }
        out[n++] = *f->p++;
    }
    out[n] = '\0';
    st_expect_(f, '"');
}

// A whole number of at most 15 digits.
static inline size_t st_number_(StFile *f) {
    uint64_t v = 0;
    int digits = 0;
    st_blank_(f);
    while (f->p < f->end && *f->p >= '0' && *f->p <= '9') {
        v = 10 * v + (uint64_t)(*f->p++ - '0');
        if (++digits > 15 || (digits == 2 && v < 10)) {
            st_bad_(f, "a number has a leading zero or more than 15 digits");
        }
    }
    if (digits == 0 || v > (size_t)-1 / 2) {
        st_bad_(f, "a whole number expected");
    }
    return (size_t)v;
}

// [a, b, ...] with at most `most` numbers; returns how many.
static inline int st_list_(StFile *f, size_t *out, int most) {
    int n = 0;
    st_expect_(f, '[');
    if (st_is_(f, ']')) {
        return 0;
    }
    do {
        if (n == most) {
            st_bad_(f, "a list is longer than allowed");
        }
        out[n++] = st_number_(f);
    } while (st_is_(f, ','));
    st_expect_(f, ']');
    return n;
}

static inline void st_tensor_(StFile *f, StEntry *e) {
    char key[ST_TEXT], dtype[ST_TEXT];
    size_t offsets[2];
    int has_dtype = 0, has_shape = 0, has_offsets = 0, k;
    st_expect_(f, '{');
    do {
        st_string_(f, key);
        st_expect_(f, ':');
        if (strcmp(key, "dtype") == 0 && !has_dtype++) {
            st_string_(f, dtype);
            e->width = strcmp(dtype, "F32") == 0 ? 4 : strcmp(dtype, "F64") == 0 ? 8 : 0;
            if (e->width == 0) {
                st_bad_(f, "a tensor is neither F32 nor F64; convert it before saving");
            }
        } else if (strcmp(key, "shape") == 0 && !has_shape++) {
            e->dims = st_list_(f, e->shape, ST_DIMS);
        } else if (strcmp(key, "data_offsets") == 0 && !has_offsets++) {
            if (st_list_(f, offsets, 2) != 2) {
                st_bad_(f, "data_offsets needs two numbers");
            }
            e->begin = offsets[0];
            e->end = offsets[1];
        } else {
            st_bad_(f, "a tensor has an unknown or repeated key");
        }
    } while (st_is_(f, ','));
    st_expect_(f, '}');
    if (!has_dtype || !has_shape || !has_offsets) {
        st_bad_(f, "a tensor needs dtype, shape and data_offsets");
    }
    for (e->count = 1, k = 0; k < e->dims; k++) {
        if (e->shape[k] != 0 && e->count > ST_NUMBERS / e->shape[k]) {
            st_bad_(f, "a shape multiplies to more than 2^27 numbers");
        }
        e->count *= e->shape[k];
    }
    if (e->begin > e->end || e->end > f->data_bytes || e->end - e->begin != e->count * (size_t)e->width) {
        DIE("'%s': tensor '%s' needs %zu bytes, its offsets are %zu..%zu in %zu bytes of data; the file is damaged",
            f->path, e->name, e->count * (size_t)e->width, e->begin, e->end, f->data_bytes);
    }
}

static inline void st_metadata_(StFile *f) {
    int k;
    st_expect_(f, '{');
    if (st_is_(f, '}')) {
        return;
    }
    do {
        StPair *pair = &f->pair[f->pairs];
        if (f->pairs == ST_PAIRS) {
            st_bad_(f, "more than 64 metadata entries");
        }
        st_string_(f, pair->key);
        st_expect_(f, ':');
        st_string_(f, pair->value);
        for (k = 0; k < f->pairs; k++) {
            if (strcmp(f->pair[k].key, pair->key) == 0) {
                st_bad_(f, "a metadata key is repeated");
            }
        }
        f->pairs++;
    } while (st_is_(f, ','));
    st_expect_(f, '}');
}

static inline void st_parse_(StFile *f) {
    int has_metadata = 0, k;
    if (f->p == f->end || *f->p != '{') {
        st_bad_(f, "'{' expected");
    }
    f->p++;
    if (!st_is_(f, '}')) {
        do {
            char name[ST_TEXT];
            st_string_(f, name);
            st_expect_(f, ':');
            if (strcmp(name, "__metadata__") == 0) {
                if (has_metadata++) {
                    st_bad_(f, "__metadata__ is repeated");
                }
                st_metadata_(f);
                continue;
            }
            for (k = 0; k < f->n; k++) {
                if (strcmp(f->entry[k].name, name) == 0) {
                    st_bad_(f, "a tensor name is repeated");
                }
            }
            if (f->n == ST_TENSORS) {
                st_bad_(f, "more than 4096 tensors");
            }
            if ((f->n & (f->n - 1)) == 0) { // 0, 1, 2, 4, 8 ...: double the room
                f->entry = (StEntry *)xrealloc(f->entry, f->n ? 2 * (size_t)f->n : 1, sizeof(StEntry));
            }
            memset(&f->entry[f->n], 0, sizeof(StEntry));
            memcpy(f->entry[f->n].name, name, ST_TEXT);
            st_tensor_(f, &f->entry[f->n]);
            f->n++;
        } while (st_is_(f, ','));
        st_expect_(f, '}');
    }
    while (f->p < f->end && *f->p == ' ') {
        f->p++;
    }
    if (f->p != f->end) {
        st_bad_(f, "something follows the closing '}'");
    }
}

// ---- the data --------------------------------------------------------------------------------------------------

static inline int st_by_offset_(const void *a, const void *b) {
    const StEntry *x = *(const StEntry *const *)a;
    const StEntry *y = *(const StEntry *const *)b;
    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return x->end < y->end ? -1 : x->end > y->end;
}

// In the order of their offsets each tensor must begin where the one before ended, and the last must end the file.
static inline void st_check_cover_(const StFile *f) {
    const StEntry **order = NEW(const StEntry *, (size_t)f->n + 1);
    size_t at = 0;
    int i;
    for (i = 0; i < f->n; i++) {
        order[i] = &f->entry[i];
    }
    qsort(order, (size_t)f->n, sizeof order[0], st_by_offset_);
    for (i = 0; i < f->n; i++) {
        if (order[i]->begin != at) {
            DIE("'%s': tensor '%s' begins at byte %zu of the data, %zu expected: an overlap or a hole", f->path,
                order[i]->name, order[i]->begin, at);
        }
        at = order[i]->end;
    }
    if (at != f->data_bytes) {
        DIE("'%s': the tensors fill %zu bytes, the file has %zu bytes of data", f->path, at, f->data_bytes);
    }
    free(order);
}

// A metadata text, or NULL.
static inline const char *st_text(const StFile *f, const char *key) {
    int k;
    for (k = 0; k < f->pairs; k++) {
        if (strcmp(f->pair[k].key, key) == 0) {
            return f->pair[k].value;
        }
    }
    return NULL;
}

static inline const StEntry *st_find(const StFile *f, const char *name) {
    int k;
    for (k = 0; k < f->n; k++) {
        if (strcmp(f->entry[k].name, name) == 0) {
            return &f->entry[k];
        }
    }
    return NULL;
}

static inline void st_close(StFile *f) {
    bytes_free(&f->file);
    free(f->entry);
    free(f->pair);
    memset(f, 0, sizeof *f);
}

// FNV-1a over the data, continued over model, step and seed as text, each followed by a line break.
static inline void st_checksum(char text[20], const void *data, size_t n, const char *model, const char *step,
                               const char *seed) {
    const char *part[3];
    uint64_t h = hash_bytes(HASH_START, data, n);
    int k;
    part[0] = model;
    part[1] = step;
    part[2] = seed;
    for (k = 0; k < 3; k++) {
        h = hash_bytes(h, part[k], strlen(part[k]));
        h = hash_bytes(h, "\n", 1);
    }
    snprintf(text, 20, "%016llx", (unsigned long long)h);
}

// A metadata text that our own files must have.
static inline const char *st_text_or_die(const StFile *f, const char *key) {
    const char *text = st_text(f, key);
    if (text == NULL) {
        DIE("'%s': the metadata has no \"%s\"; the file is damaged", f->path, key);
    }
    return text;
}

// Checks the bytes of a file and keeps them; path is for messages and must outlive the result.
static inline StFile st_decode(Bytes b, const char *path) {
    StFile f;
    uint64_t header;
    const char *format;
    memset(&f, 0, sizeof f);
    f.path = path;
    f.file = b;
    if (f.file.n < 8) {
        DIE("'%s' has %zu bytes; a .safetensors file starts with 8 bytes of header length", path, f.file.n);
    }
    header = get_le(f.file.data, 8);
    if (header > ST_HEADER || header > f.file.n - 8) {
        DIE("'%s' announces a header of %llu bytes; the file has %zu more and the limit is %zu", path,
            (unsigned long long)header, f.file.n - 8, ST_HEADER);
    }
    f.p = (const char *)f.file.data + 8;
    f.end = f.p + header;
    f.data = f.file.data + 8 + header;
    f.data_bytes = f.file.n - 8 - (size_t)header;
    f.pair = NEW(StPair, ST_PAIRS + 1);
    st_parse_(&f);
    st_check_cover_(&f);
    format = st_text(&f, "format");
    if (format != NULL && strcmp(format, ST_FORMAT) == 0) { // a file of ours: its checksum must be there and right
        const char *checksum = st_text_or_die(&f, "checksum");
        char computed[20];
        st_checksum(computed, f.data, f.data_bytes, st_text_or_die(&f, "model"), st_text_or_die(&f, "step"),
                    st_text_or_die(&f, "seed"));
        if (strcmp(checksum, computed) != 0) {
            DIE("'%s': the checksum is %s, the contents give %s; the file is damaged", path, checksum, computed);
        }
    }
    return f;
}

// Reads and checks the file; dies with one line if anything is wrong.
static inline StFile st_open(const char *path) {
    return st_decode(file_read(path, ST_LIMIT, "It should be a checkpoint in the safetensors format."), path);
}

#endif
