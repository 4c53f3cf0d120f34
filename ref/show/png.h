// png.h: PNG and animated PNG (APNG) files, written from the PNG standard (ISO/IEC 15948) alone.  It shows that a
// picture format is a header, a checksum and a compressor (deflate.h).
//
//   png_write("out/ring.png", &image);                       // grey, palette or colour: the smallest that fits
//   apng_write("out/ring.png", frames, count, 80);           // all frames of one size; 80 ms each; loops for ever
//   Bytes b = {0}; png_encode(&b, &image);                   // the same bytes in memory, for pages and notebooks
//
// Up to 256 different colours (over all frames) are stored as a palette.
// Not here: reading, transparency, interlacing, 16 bit.
#ifndef TILT_PNG_H
#define TILT_PNG_H

#include "../file/atomic.h"
#include "canvas.h"
#include "deflate.h"

// ---- chunks ----------------------------------------------------------------------------------------------------

static inline void png_chunk_(Bytes *out, const char *type, const Bytes *body) {
    size_t start;
    if (body->n > 0x7fffffff) {
        DIE("png: a chunk of %zu bytes is larger than the format allows; use a smaller picture", body->n);
    }
    bytes_be(out, body->n, 4);
    start = out->n;
    bytes_add(out, type, 4);
    bytes_add(out, body->data, body->n);
    bytes_be(out, png_crc(0, out->data + start, out->n - start), 4);
}

// The colours of all frames, if there are at most 256: color[i] in order of appearance; returns their number or 0.
// index_of finds them by an open-addressing table of 1024.
typedef struct {
    int n;
    Rgb color[256];
    short slot[1024]; // index + 1; 0 is free
} ColorTable;

static inline int color_index_(ColorTable *t, Rgb c) {
    uint32_t at = ((uint32_t)c.r << 16 | (uint32_t)c.g << 8 | c.b) * 2654435761u >> 22;
    for (; t->slot[at] != 0; at = (at + 1) & 1023) {
        Rgb have = t->color[t->slot[at] - 1];
        if (have.r == c.r && have.g == c.g && have.b == c.b) {
            return t->slot[at] - 1;
        }
    }
    if (t->n == 256) {
        return -1;
    }
    t->color[t->n] = c;
    t->slot[at] = (short)++t->n;
    return t->n - 1;
}

static inline int color_table_(ColorTable *t, const Image *frames, int count) {
    int i, x, y;
    memset(t, 0, sizeof *t);
    for (i = 0; i < count; i++) {
        for (y = 0; y < frames[i].h; y++) {
            for (x = 0; x < frames[i].w; x++) {
                if (color_index_(t, image_get(&frames[i], x, y)) < 0) {
                    return 0;
                }
            }
        }
    }
    return t->n;
}

// Distance of a difference of two bytes from 0, as a signed byte.
static inline int filter_cost_(int difference) {
    difference &= 255;
    return difference < 128 ? difference : 256 - difference;
}

// Rows as the format wants them: a filter byte, then the row.  A palette goes unfiltered; else the row itself (0), its
// difference to the left (1) or to the row above (2), whichever has the smallest sum of distances from zero.
static inline void png_rows_(Bytes *out, const Image *m, ColorTable *table) {
    int x, y, f, per = m->channels, width = m->w * m->channels;
    for (y = 0; y < m->h; y++) {
        const unsigned char *row = m->pixels + (size_t)y * (size_t)width;
        long cost[3] = {0, 0, 0};
        int best = 0;
        if (table != NULL) {
            bytes_byte(out, 0);
            for (x = 0; x < m->w; x++) {
                bytes_byte(out, color_index_(table, image_get(m, x, y)));
            }
            continue;
        }
        for (f = 0; f < 3; f++) {
            for (x = 0; x < width; x++) {
                int before = f == 1 ? (x >= per ? row[x - per] : 0) : f == 2 ? (y > 0 ? row[x - width] : 0) : 0;
                cost[f] += filter_cost_(row[x] - before);
            }
            best = cost[f] < cost[best] ? f : best;
        }
        bytes_byte(out, best);
        for (x = 0; x < width; x++) {
            int before = best == 1 ? (x >= per ? row[x - per] : 0) : best == 2 ? (y > 0 ? row[x - width] : 0) : 0;
            bytes_byte(out, (row[x] - before) & 255);
        }
    }
}

// ---- files -----------------------------------------------------------------------------------------------------

// One frame is a plain PNG; more become an APNG, whose first frame is what an old reader shows.
static inline void apng_encode(Bytes *out, const Image *frames, int count, int delay_ms) {
    static const unsigned char signature[8] = {137, 80, 78, 71, 13, 10, 26, 10};
    ColorTable *table = NEW(ColorTable, 1);
    uint32_t sequence = 0;
    int i, colors = 0;
    Bytes body = {NULL, 0, 0}, rows = {NULL, 0, 0};
    for (i = 0; i < count; i++) {
        if (frames[i].w != frames[0].w || frames[i].h != frames[0].h || frames[i].channels != frames[0].channels) {
            DIE("apng: frame %d is %d x %d x %d, frame 0 is %d x %d x %d; all must agree", i, frames[i].w, frames[i].h,
                frames[i].channels, frames[0].w, frames[0].h, frames[0].channels);
        }
    }
    if (count < 1 || delay_ms < 1 || delay_ms > 65535) {
        DIE("apng: %d frames of %d ms; at least one frame and 1..65535 ms are needed", count, delay_ms);
    }
    if (frames[0].channels == 3) {
        colors = color_table_(table, frames, count);
    }
    bytes_add(out, signature, 8);
    bytes_be(&body, (uint32_t)frames[0].w, 4);
    bytes_be(&body, (uint32_t)frames[0].h, 4);
    bytes_byte(&body, 8);                                            // bits per sample
    bytes_byte(&body, colors ? 3 : frames[0].channels == 3 ? 2 : 0); // palette, colour or grey
    bytes_be(&body, 0, 3);                                           // deflate, adaptive filters, not interlaced
    png_chunk_(out, "IHDR", &body);
    if (count > 1) {
        body.n = 0;
        bytes_be(&body, (uint32_t)count, 4);
        bytes_be(&body, 0, 4); // play for ever
        png_chunk_(out, "acTL", &body);
    }
    if (colors) {
        body.n = 0;
        for (i = 0; i < colors; i++) {
            bytes_byte(&body, table->color[i].r);
            bytes_byte(&body, table->color[i].g);
            bytes_byte(&body, table->color[i].b);
        }
        png_chunk_(out, "PLTE", &body);
    }
    for (i = 0; i < count; i++) {
        if (count > 1) {
            body.n = 0;
            bytes_be(&body, sequence++, 4);
            bytes_be(&body, (uint32_t)frames[0].w, 4);
            bytes_be(&body, (uint32_t)frames[0].h, 4);
            bytes_be(&body, 0, 8); // offset 0, 0: every frame is a whole picture
            bytes_be(&body, (uint32_t)delay_ms, 2);
            bytes_be(&body, 1000, 2);
            bytes_be(&body, 0, 2); // keep the picture until the next one, which replaces it
            png_chunk_(out, "fcTL", &body);
        }
        rows.n = body.n = 0;
        png_rows_(&rows, &frames[i], colors ? table : NULL);
        if (i > 0) {
            bytes_be(&body, sequence++, 4);
        }
        zlib_compress(&body, rows.data, rows.n);
        png_chunk_(out, i == 0 ? "IDAT" : "fdAT", &body);
    }
    body.n = 0;
    png_chunk_(out, "IEND", &body);
    bytes_free(&body);
    bytes_free(&rows);
    free(table);
}

static inline void png_encode(Bytes *out, const Image *m) {
    apng_encode(out, m, 1, 1);
}

static inline void apng_write(const char *path, const Image *frames, int count, int delay_ms) {
    Bytes b = {NULL, 0, 0};
    apng_encode(&b, frames, count, delay_ms);
    atomic_write(path, b.data, b.n);
    bytes_free(&b);
}

static inline void png_write(const char *path, const Image *m) {
    apng_write(path, m, 1, 1);
}

#endif
