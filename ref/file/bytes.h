// bytes.h: a growing buffer of bytes, with the byte orders and the base64 that file formats need.
//
// Every writer of the house builds its file in a Bytes and hands it to atomic_write (atomic.h), so a file is either
// complete or not there; notebooks and pages embed the same bytes.  Start with `Bytes b = {0};`, end with bytes_free.
#ifndef TILT_BYTES_H
#define TILT_BYTES_H

#include <stdarg.h>

#include "../core/base.h"

typedef struct {
    unsigned char *data;
    size_t n, cap; // bytes in use, bytes there
} Bytes;

// Room for `more` bytes behind the end.
static inline unsigned char *bytes_room(Bytes *b, size_t more) {
    if (more > (size_t)-1 / 4 - b->n) {
        DIE("buffer: %zu bytes cannot be added to %zu; check the sizes", more, b->n);
    }
    if (b->n + more > b->cap) {
        b->cap = 2 * (b->n + more) + 64;
        b->data = (unsigned char *)xrealloc(b->data, b->cap, 1);
    }
    return b->data + b->n;
}

static inline void bytes_add(Bytes *b, const void *p, size_t n) {
    if (n > 0) {
        memcpy(bytes_room(b, n), p, n);
        b->n += n;
    }
}

static inline void bytes_byte(Bytes *b, int value) {
    *bytes_room(b, 1) = (unsigned char)value;
    b->n++;
}

// An unsigned number in `count` bytes, low byte first (.npy, .safetensors, zlib lengths).
static inline void bytes_le(Bytes *b, uint64_t value, int count) {
    int i;
    for (i = 0; i < count; i++) {
        bytes_byte(b, (int)(value >> 8 * i & 255));
    }
}

// The same, high byte first (PNG).
static inline void bytes_be(Bytes *b, uint64_t value, int count) {
    int i;
    for (i = count - 1; i >= 0; i--) {
        bytes_byte(b, (int)(value >> 8 * i & 255));
    }
}

static inline uint64_t get_le(const unsigned char *p, int count) {
    uint64_t value = 0;
    int i;
    for (i = count - 1; i >= 0; i--) {
        value = value << 8 | p[i];
    }
    return value;
}

// High byte first (IDX).
static inline uint64_t get_be(const unsigned char *p, int count) {
    uint64_t value = 0;
    int i;
    for (i = 0; i < count; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

// Numbers as IEEE bits, low byte first on every machine.
static inline void bytes_f32(Bytes *b, float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    bytes_le(b, u, 4);
}

static inline void bytes_f64(Bytes *b, double x) {
    uint64_t u;
    memcpy(&u, &x, 8);
    bytes_le(b, u, 8);
}

static inline float get_f32(const unsigned char *p) {
    uint32_t u = (uint32_t)get_le(p, 4);
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static inline double get_f64(const unsigned char *p) {
    uint64_t u = get_le(p, 8);
    double x;
    memcpy(&x, &u, 8);
    return x;
}

// printf to the end of the buffer; the closing NUL is there but not counted in n.
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static inline void
bytes_text(Bytes *b, const char *format, ...) {
    va_list list;
    size_t room = 120; // enough for most calls; a longer text is written a second time
    int length;
    va_start(list, format);
    length = vsnprintf((char *)bytes_room(b, room), room, format, list);
    va_end(list);
    if (length < 0) {
        DIE("buffer: a text cannot be formatted; correct its format");
    }
    if ((size_t)length >= room) {
        room = (size_t)length + 1;
        va_start(list, format);
        vsnprintf((char *)bytes_room(b, room), room, format, list);
        va_end(list);
    }
    b->n += (size_t)length;
}

// Text with the five characters that XML and HTML reserve replaced; other control bytes become '?'.
static inline void bytes_escaped(Bytes *b, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            bytes_text(b, "&amp;");
            break;
        case '<':
            bytes_text(b, "&lt;");
            break;
        case '>':
            bytes_text(b, "&gt;");
            break;
        case '"':
            bytes_text(b, "&quot;");
            break;
        case '\'':
            bytes_text(b, "&#39;");
            break;
        default:
            bytes_byte(b, (unsigned char)*text < 32 && *text != '\n' && *text != '\t' ? '?' : *text);
        }
    }
}

// Base64 (RFC 4648, with padding, no line breaks) of n bytes.
static inline void bytes_base64(Bytes *b, const unsigned char *p, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i;
    for (i = 0; i < n; i += 3) {
        uint32_t three = (uint32_t)p[i] << 16;
        if (i + 1 < n) {
            three |= (uint32_t)p[i + 1] << 8;
        }
        if (i + 2 < n) {
            three |= p[i + 2];
        }
        bytes_byte(b, digits[three >> 18]);
        bytes_byte(b, digits[three >> 12 & 63]);
        bytes_byte(b, i + 1 < n ? digits[three >> 6 & 63] : '=');
        bytes_byte(b, i + 2 < n ? digits[three & 63] : '=');
    }
}

static inline void bytes_free(Bytes *b) {
    free(b->data);
    b->data = NULL;
    b->n = b->cap = 0;
}

#endif
