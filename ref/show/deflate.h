// deflate.h: lossless compression as PNG needs it (zlib and deflate: RFC 1950, RFC 1951), and the two checksums.
//
// It finds repetitions (LZ77, up to 32 KiB back) and writes them with the fixed Huffman code of the standard; where
// that makes the data longer, they are stored as they are.  Not here: Huffman codes fitted to the data, which would
// make files smaller still, and decompression (tests/test_png.c has its own, to check this one).
#ifndef TILT_DEFLATE_H
#define TILT_DEFLATE_H

#include "../file/bytes.h"

// ---- checksums -------------------------------------------------------------------------------------------------

// CRC-32 (polynomial 0xedb88320); start with 0, feed pieces one after another.  crc32("123456789") = cbf43926.
static inline uint32_t png_crc(uint32_t crc, const unsigned char *p, size_t n) {
    size_t i;
    int k;
    crc = ~crc;
    for (i = 0; i < n; i++) {
        crc ^= p[i];
        for (k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

// Adler-32 of a whole block.  adler32("Wikipedia") = 11e60398.
static inline uint32_t png_adler(const unsigned char *p, size_t n) {
    uint32_t a = 1, b = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        a = (a + p[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

// ---- deflate ---------------------------------------------------------------------------------------------------

typedef struct {
    Bytes *out;
    uint32_t bits;
    int count; // bits waiting, fewer than 8 between calls
} BitWriter;

// The low `count` bits of value, lowest first (at most 16).
static inline void bits_put_(BitWriter *w, uint32_t value, int count) {
    w->bits |= value << w->count;
    w->count += count;
    for (; w->count >= 8; w->count -= 8) {
        bytes_byte(w->out, (int)(w->bits & 255));
        w->bits >>= 8;
    }
}

// Huffman codes are sent highest bit first.
static inline void bits_put_code_(BitWriter *w, uint32_t code, int length) {
    int i;
    for (i = length - 1; i >= 0; i--) {
        bits_put_(w, code >> i & 1, 1);
    }
}

// The fixed code of RFC 1951, section 3.2.6, for a literal (0..255), the end (256) or a length symbol (257..285).
static inline void bits_put_symbol_(BitWriter *w, int s) {
    if (s < 144) {
        bits_put_code_(w, (uint32_t)(48 + s), 8);
    } else if (s < 256) {
        bits_put_code_(w, (uint32_t)(400 + s - 144), 9);
    } else if (s < 280) {
        bits_put_code_(w, (uint32_t)(s - 256), 7);
    } else {
        bits_put_code_(w, (uint32_t)(192 + s - 280), 8);
    }
}

// A copy of `length` (3..258) bytes from `distance` (1..32768) back.  Both are coded as a class and a rest; classes
// double in width every four (length) or two (distance) symbols.
static inline void bits_put_copy_(BitWriter *w, int length, int distance) {
    int rest = length - 3, extra = 0, d = distance - 1;
    if (length == 258) {
        bits_put_symbol_(w, 285);
    } else {
        while (rest >> extra >= 8) {
            extra++;
        }
        bits_put_symbol_(w, 257 + 4 * extra + (rest >> extra));
        bits_put_(w, (uint32_t)(rest & ((1 << extra) - 1)), extra);
    }
    extra = 0;
    while (d >> extra >= 4) {
        extra++;
    }
    bits_put_code_(w, (uint32_t)(2 * extra + (d >> extra)), 5);
    bits_put_(w, (uint32_t)(d & ((1 << extra) - 1)), extra);
}

// How many bytes (at most 258) at p[i] repeat those at p[k], k < i.
static inline int match_length_(const unsigned char *p, size_t n, size_t k, size_t i) {
    int length = 0;
    while (length < 258 && i + (size_t)length < n && p[k + (size_t)length] == p[i + (size_t)length]) {
        length++;
    }
    return length;
}

// One final deflate block with the fixed code.  head[] holds the last position of each three-byte hash, previous[] a
// chain to earlier ones; 64 links are tried.  A link inside the window is never overwritten: its slot is reused
// 32768 positions later.
static inline void deflate_fixed_(Bytes *out, const unsigned char *p, size_t n) {
    BitWriter w;
    uint32_t *head = NEW(uint32_t, 32768);     // position + 1; 0 is none
    uint32_t *previous = NEW(uint32_t, 32768); // indexed by position modulo the window
    size_t i = 0;
    w.out = out;
    w.bits = 0;
    w.count = 0;
    bits_put_(&w, 3, 3); // final block, fixed code
    while (i < n) {
        int best = 0, distance = 0, tries, step;
        if (i + 3 <= n) {
            uint32_t h = (uint32_t)(p[i] << 16 | p[i + 1] << 8 | p[i + 2]) * 2654435761u >> 17;
            uint32_t at = head[h];
            for (tries = 0; tries < 64 && at != 0 && i - (at - 1) <= 32768; tries++) {
                int length = match_length_(p, n, at - 1, i);
                if (length > best) {
                    best = length;
                    distance = (int)(i - (at - 1));
                }
                at = previous[(at - 1) & 32767];
            }
        }
        if (best >= 3) {
            bits_put_copy_(&w, best, distance);
        } else {
            bits_put_symbol_(&w, p[i]);
        }
        for (step = best >= 3 ? best : 1; step > 0; step--, i++) {
            if (i + 3 <= n) {
                uint32_t h = (uint32_t)(p[i] << 16 | p[i + 1] << 8 | p[i + 2]) * 2654435761u >> 17;
                previous[i & 32767] = head[h];
                head[h] = (uint32_t)i + 1;
            }
        }
    }
    bits_put_symbol_(&w, 256);
    bits_put_(&w, 0, (8 - w.count) & 7);
    free(head);
    free(previous);
}

// Blocks of at most 65535 bytes as they are: length, its complement, bytes.
static inline void deflate_stored_(Bytes *out, const unsigned char *p, size_t n) {
    size_t at = 0;
    do {
        size_t length = n - at < 65535 ? n - at : 65535;
        bytes_byte(out, at + length == n);
        bytes_le(out, length, 2);
        bytes_le(out, ~length & 65535, 2);
        bytes_add(out, p + at, length);
        at += length;
    } while (at < n);
}

// A zlib stream: two header bytes, deflate data, Adler-32.
static inline void zlib_compress(Bytes *out, const unsigned char *p, size_t n) {
    size_t start;
    bytes_le(out, 0x0178, 2); // window 32 KiB, no preset dictionary; 0x7801 is a multiple of 31
    start = out->n;
    deflate_fixed_(out, p, n);
    if (out->n - start > n + 5 * (n / 65535 + 1)) { // noise: the fixed code makes it longer
        out->n = start;
        deflate_stored_(out, p, n);
    }
    bytes_be(out, png_adler(p, n), 4);
}

#endif
