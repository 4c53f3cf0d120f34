// npy.h: arrays that Python opens with numpy.load, format 1.0: little-endian float, double or 32-bit integer, C order.
//
//   size_t shape[2] = {n, 2};
//   npy_write_reals("out/samples.npy", x, 2, shape);
//   shape[0] = 0;                                            // 0: take what the file has
//   real *y = npy_read_reals("out/samples.npy", 2, shape);   // shape[0] is n now; free(y)
//
// A file is hostile until checked: every length is compared with the size of the file, the sizes multiply without
// overflow, nothing may follow the data, and NaN or infinity is refused, because no array of the house contains them.
#ifndef TILT_NPY_H
#define TILT_NPY_H

#include <float.h>
#include <math.h>

#include "atomic.h"

#define NPY_DIMS 8                  // most dimensions
#define NPY_LIMIT ((size_t)1 << 31) // most bytes of a file: 2 GiB

#define NPY_NUMBERS ((size_t)1 << 27) // most numbers; times 8 bytes it fits a 32-bit size

typedef enum { NPY_F4, NPY_F8, NPY_I4 } NpyType;

static const char *const npy_names[] = {"<f4", "<f8", "<i4"}; // in the order of NpyType
static const size_t npy_sizes[] = {4, 8, 4};

typedef struct {
    NpyType type;
    int dims;
    size_t shape[NPY_DIMS], n; // n: product of the shape
    float *f4;                 // exactly one of the three is not NULL
    double *f8;
    int32_t *i4;
} Npy;

static inline void npy_free(Npy *a) {
    free(a->f4);
    free(a->f8);
    free(a->i4);
    a->f4 = NULL;
    a->f8 = NULL;
    a->i4 = NULL;
}

// "(3, 4)", as Python writes a tuple.
static inline void npy_shape_text_(char text[200], int dims, const size_t *shape) {
    int i, at = snprintf(text, 200, "(");
    for (i = 0; i < dims; i++) {
        at += snprintf(text + at, (size_t)(200 - at), "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
    }
    snprintf(text + at, (size_t)(200 - at), dims == 1 ? ",)" : ")");
}

// ---- writing ---------------------------------------------------------------------------------------------------

static inline void npy_write_(const char *path, NpyType type, const float *f4, const double *f8, const int32_t *i4,
                              int dims, const size_t *shape) {
    Bytes b = {NULL, 0, 0};
    char text[200];
    size_t n = 1, i, start;
    int k;
    if (dims < 0 || dims > NPY_DIMS) {
        DIE("npy: '%s' would have %d dimensions; 0..%d are possible", path, dims, NPY_DIMS);
    }
    for (k = 0; k < dims; k++) {
        n = size_mul(n, shape[k]);
    }
    if (n > NPY_NUMBERS) {
        DIE("npy: '%s' would have %zu numbers, more than the reader accepts; write fewer", path, n);
    }
    npy_shape_text_(text, dims, shape);
    bytes_text(&b, "\x93NUMPY");
    bytes_le(&b, 1, 2); // version 1.0
    bytes_le(&b, 0, 2); // header length, set below
    start = b.n;
    bytes_text(&b, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", npy_names[type], text);
    while (b.n % 64 != 63) {
        bytes_byte(&b, ' '); // data start at a multiple of 64
    }
    bytes_byte(&b, '\n');
    b.data[start - 2] = (unsigned char)((b.n - start) & 255);
    b.data[start - 1] = (unsigned char)((b.n - start) >> 8);
    for (i = 0; i < n; i++) {
        if (type == NPY_F4) {
            bytes_f32(&b, f4[i]);
        } else if (type == NPY_F8) {
            bytes_f64(&b, f8[i]);
        } else {
            bytes_le(&b, (uint32_t)i4[i], 4);
        }
    }
    atomic_write(path, b.data, b.n);
    bytes_free(&b);
}

static inline void npy_write_f4(const char *path, const float *v, int dims, const size_t *shape) {
    npy_write_(path, NPY_F4, v, NULL, NULL, dims, shape);
}

static inline void npy_write_f8(const char *path, const double *v, int dims, const size_t *shape) {
    npy_write_(path, NPY_F8, NULL, v, NULL, dims, shape);
}

static inline void npy_write_i4(const char *path, const int32_t *v, int dims, const size_t *shape) {
    npy_write_(path, NPY_I4, NULL, NULL, v, dims, shape);
}

// <f4 in a float build, <f8 in a double build.
static inline void npy_write_reals(const char *path, const real *v, int dims, const size_t *shape) {
    const void *p = v;
    npy_write_(path, sizeof(real) == 4 ? NPY_F4 : NPY_F8, (const float *)p, (const double *)p, NULL, dims, shape);
}

// ---- reading ---------------------------------------------------------------------------------------------------

// Skips blanks, then the word; 0 if it is not there.
static inline int npy_take_(const char **p, const char *end, const char *word) {
    size_t length = strlen(word);
    while (*p < end && **p == ' ') {
        (*p)++;
    }
    if ((size_t)(end - *p) < length || memcmp(*p, word, length) != 0) {
        return 0;
    }
    *p += length;
    return 1;
}

// The value of 'shape': a tuple of at most NPY_DIMS whole numbers, each below 10^15.  0 if it is not that.
static inline int npy_take_shape_(const char **p, const char *end, Npy *a) {
    int comma = 0;
    if (!npy_take_(p, end, "(")) {
        return 0;
    }
    a->dims = 0;
    while (!npy_take_(p, end, ")")) {
        uint64_t v = 0;
        int digits = 0;
        if (a->dims == NPY_DIMS || (a->dims > 0 && !comma)) {
            return 0;
        }
        for (; *p < end && **p >= '0' && **p <= '9' && digits < 16; (*p)++, digits++) {
            v = 10 * v + (uint64_t)(**p - '0');
        }
        if (digits == 0 || digits == 16 || v > (size_t)-1) {
            return 0;
        }
        a->shape[a->dims++] = (size_t)v;
        comma = npy_take_(p, end, ",");
    }
    return a->dims != 1 || comma; // (3) is a number in Python, (3,) is a shape
}

// The header is a Python dictionary with exactly three keys, in any order.  NULL, or what is wrong with it.
static inline const char *npy_header_(const char *p, const char *end, Npy *a) {
    int seen[3] = {0, 0, 0}, k, found, comma = 1;
    if (!npy_take_(&p, end, "{")) {
        return "the header is not a dictionary";
    }
    while (!npy_take_(&p, end, "}")) {
        if (!comma) {
            return "a comma is missing in the header";
        }
        if (npy_take_(&p, end, "'descr'") && npy_take_(&p, end, ":")) {
            for (k = 0, found = -1; k < 3; k++) {
                char quoted[8];
                snprintf(quoted, sizeof quoted, "'%s'", npy_names[k]);
                found = npy_take_(&p, end, quoted) ? k : found;
            }
            if (found < 0) {
                return "the number type is not <f4, <f8 or <i4; convert it with numpy's astype";
            }
            a->type = (NpyType)found;
            seen[0]++;
        } else if (npy_take_(&p, end, "'fortran_order'") && npy_take_(&p, end, ":")) {
            if (!npy_take_(&p, end, "False")) {
                return "the array is in Fortran order; save numpy.ascontiguousarray of it";
            }
            seen[1]++;
        } else if (npy_take_(&p, end, "'shape'") && npy_take_(&p, end, ":")) {
            if (!npy_take_shape_(&p, end, a)) {
                return "the shape is malformed or has more than 8 dimensions";
            }
            seen[2]++;
        } else {
            return "the header has an unknown key or is cut short";
        }
        comma = npy_take_(&p, end, ",");
    }
    if (seen[0] != 1 || seen[1] != 1 || seen[2] != 1) {
        return "the header needs descr, fortran_order and shape, each once";
    }
    while (p < end && *p == ' ') {
        p++;
    }
    return p + 1 == end && *p == '\n' ? NULL : "the header does not end with blanks and one line break";
}

// The array in the bytes of a file; path is only for messages.  Frees the bytes.
static inline Npy npy_decode(Bytes b, const char *path) {
    const unsigned char *data;
    const char *wrong;
    size_t length, i;
    Npy a;
    memset(&a, 0, sizeof a);
    if (b.n < 10 || memcmp(b.data, "\x93NUMPY", 6) != 0) {
        DIE("'%s' is not a .npy file: %zu bytes, and the first six are not \\x93NUMPY", path, b.n);
    }
    if (b.data[6] != 1 || b.data[7] != 0) {
        DIE("'%s' is .npy version %d.%d; only 1.0 is read here", path, b.data[6], b.data[7]);
    }
    length = (size_t)get_le(b.data + 8, 2);
    if (length > b.n - 10) {
        DIE("'%s' is cut short: a header of %zu bytes is announced, %zu are there", path, length, b.n - 10);
    }
    wrong = npy_header_((const char *)b.data + 10, (const char *)b.data + 10 + length, &a);
    if (wrong != NULL) {
        DIE("'%s': %s", path, wrong);
    }
    for (a.n = 1, i = 0; i < (size_t)a.dims; i++) {
        if (a.shape[i] != 0 && a.n > NPY_NUMBERS / a.shape[i]) {
            DIE("'%s': the shape multiplies to more than %zu numbers; the file is damaged", path, NPY_NUMBERS);
        }
        a.n *= a.shape[i];
    }
    if (b.n - 10 - length != a.n * npy_sizes[a.type]) {
        DIE("'%s': the shape needs %zu bytes of data, %zu are there; the file is damaged", path,
            a.n * npy_sizes[a.type], b.n - 10 - length);
    }
    data = b.data + 10 + length;
    if (a.type == NPY_F4) {
        a.f4 = NEW(float, a.n);
    } else if (a.type == NPY_F8) {
        a.f8 = NEW(double, a.n);
    } else {
        a.i4 = NEW(int32_t, a.n);
    }
    for (i = 0; i < a.n; i++) {
        double v = 0;
        if (a.type == NPY_F4) {
            v = a.f4[i] = get_f32(data + 4 * i);
        } else if (a.type == NPY_F8) {
            v = a.f8[i] = get_f64(data + 8 * i);
        } else {
            uint32_t u = (uint32_t)get_le(data + 4 * i, 4);
            memcpy(&a.i4[i], &u, 4);
        }
        if (!(fabs(v) <= DBL_MAX)) {
            DIE("'%s': number %zu is %g; remove what is not finite before saving", path, i, v);
        }
    }
    bytes_free(&b);
    return a;
}

static inline Npy npy_read(const char *path) {
    return npy_decode(file_read(path, NPY_LIMIT, "It should be an array saved as .npy."), path);
}

// Reads <f4 or <f8 as reals.  Entries of shape[] that are 0 take the size from the file, the others must agree with
// it.  A double is rounded in a float build, and refused if it is too large for a float.  Free the result.
static inline real *npy_read_reals(const char *path, int dims, size_t *shape) {
    Npy a = npy_read(path);
    real *out = NEW(real, a.n);
    int agree = a.dims == dims, k;
    size_t i;
    for (k = 0; k < dims && agree; k++) {
        agree = shape[k] == 0 || shape[k] == a.shape[k];
    }
    if (!agree) {
        char got[200], want[200];
        npy_shape_text_(got, a.dims, a.shape);
        npy_shape_text_(want, dims, shape);
        DIE("'%s' has shape %s, the program expects %s (0: any)", path, got, want);
    }
    if (a.type == NPY_I4) {
        DIE("'%s' holds integers (<i4), the program expects <f4 or <f8", path);
    }
    for (i = 0; i < a.n; i++) {
        double v = a.type == NPY_F4 ? (double)a.f4[i] : a.f8[i];
        if (sizeof(real) == 4 && fabs(v) > FLT_MAX) {
            DIE("'%s': number %zu is %g, too large for a float; scale the data", path, i, v);
        }
        out[i] = (real)v;
    }
    for (k = 0; k < dims; k++) {
        shape[k] = a.shape[k];
    }
    npy_free(&a);
    return out;
}

#endif
