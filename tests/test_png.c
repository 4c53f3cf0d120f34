// test_png.c: deflate, PNG, APNG, and drawing.  The test has its own decompressor and its own PNG reader, written from
// RFC 1951 and the PNG standard, so a file is right only if an independent route gives the same pixels back.
#include "../ref/show/png.h"
#include "harness.h"

// ---- inflate ---------------------------------------------------------------------------------------------------

typedef struct {
    const unsigned char *p;
    size_t n, at; // bytes, next bit
    int bad;
} Bits;

static unsigned take(Bits *b, int count) {
    unsigned v = 0;
    int i;
    for (i = 0; i < count; i++, b->at++) {
        if (b->at / 8 >= b->n) {
            b->bad = 1;
            return 0;
        }
        v |= (unsigned)(b->p[b->at / 8] >> b->at % 8 & 1) << i;
    }
    return v;
}

// A symbol of the fixed code: 7 bits 256..279, 8 bits 0..143 and 280..287, 9 bits 144..255.
static int symbol(Bits *b) {
    unsigned code = 0;
    int length;
    for (length = 1; length <= 9; length++) {
        code = code << 1 | take(b, 1);
        if (length == 7 && code < 24) {
            return 256 + (int)code;
        }
        if (length == 8 && code >= 48 && code < 192) {
            return (int)code - 48;
        }
        if (length == 8 && code >= 192 && code < 200) {
            return (int)code - 192 + 280;
        }
        if (length == 9 && code >= 400) {
            return (int)code - 400 + 144;
        }
    }
    b->bad = 1;
    return 256;
}

// Decompresses a zlib stream; 0 if anything is wrong, also when bytes follow it.
static int inflate(Bytes *out, const unsigned char *p, size_t n) {
    static const int length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                        31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const int length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                         2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const int distance_base[30] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                          33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                          1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    Bits b;
    unsigned last, kind;
    if (n < 6 || p[0] != 0x78 || (p[0] * 256 + p[1]) % 31 != 0) {
        return 0;
    }
    b.p = p + 2;
    b.n = n - 6;
    b.at = 0;
    b.bad = 0;
    do {
        last = take(&b, 1);
        kind = take(&b, 2);
        if (kind == 0) {
            unsigned length, check;
            b.at = (b.at + 7) / 8 * 8;
            length = take(&b, 16);
            check = take(&b, 16);
            if (length != (~check & 65535) || b.at / 8 + length > b.n) {
                return 0;
            }
            bytes_add(out, b.p + b.at / 8, length);
            b.at += 8 * (size_t)length;
        } else if (kind == 1) {
            int s, k, d, length, distance, reversed;
            while ((s = symbol(&b)) != 256 && !b.bad) {
                if (s < 256) {
                    bytes_byte(out, s);
                    continue;
                }
                if (s > 285) {
                    return 0;
                }
                length = length_base[s - 257] + (int)take(&b, length_extra[s - 257]);
                if (s == 284 && length == 258) { // the standard gives 258 its own symbol
                    return 0;
                }
                for (reversed = 0, k = 0; k < 5; k++) {
                    reversed = reversed << 1 | (int)take(&b, 1);
                }
                if (reversed > 29) {
                    return 0;
                }
                d = reversed < 4 ? 0 : reversed / 2 - 1;
                distance = distance_base[reversed] + (int)take(&b, d);
                if ((size_t)distance > out->n) {
                    return 0;
                }
                for (k = 0; k < length; k++) {
                    int byte = out->data[out->n - (size_t)distance];
                    bytes_byte(out, byte);
                }
            }
        } else {
            return 0;
        }
    } while (!last && !b.bad);
    if (b.bad || (b.at + 7) / 8 != b.n) {
        return 0;
    }
    p += n - 4;
    return png_adler(out->data, out->n) == ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static size_t squeezed(const unsigned char *p, size_t n, const char *what) {
    Bytes packed = {NULL, 0, 0}, plain = {NULL, 0, 0};
    size_t size;
    zlib_compress(&packed, p, n);
    CHECK(inflate(&plain, packed.data, packed.n), "%s: %zu bytes do not decompress", what, n);
    CHECK(plain.n == n && (n == 0 || memcmp(plain.data, p, n) == 0), "%s: %zu bytes became %zu", what, n, plain.n);
    CHECK(packed.n <= n + 5 * (n / 65535 + 1) + 6, "%s: %zu bytes grew to %zu", what, n, packed.n);
    size = packed.n;
    bytes_free(&packed);
    bytes_free(&plain);
    return size;
}

static uint64_t state = 88172645463325252u;

static unsigned noise(unsigned below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 11) % below;
}

static void compressor(void) {
    static unsigned char data[200000];
    static const int sizes[] = {0, 1, 2, 3, 4, 5, 257, 258, 259, 260, 261, 65535, 65536, 200000};
    static const unsigned char empty_packed[] = {0x78, 1, 3, 0, 0, 0, 0, 1};
    Bytes b = {NULL, 0, 0};
    size_t size;
    int i, k;
    CHECK(png_crc(0, (const unsigned char *)"123456789", 9) == 0xcbf43926u, "CRC-32");
    CHECK(png_crc(png_crc(0, (const unsigned char *)"1234", 4), (const unsigned char *)"56789", 5) == 0xcbf43926u,
          "in pieces");
    CHECK(png_adler((const unsigned char *)"Wikipedia", 9) == 0x11e60398u, "Adler-32");
    memset(data, 255, 100000);
    CHECK(png_adler(data, 100000) == 0x149a302cu, "Adler-32 of a long block");
    zlib_compress(&b, data, 0);
    CHECK(b.n == sizeof empty_packed && memcmp(b.data, empty_packed, b.n) == 0, "the empty stream has %zu bytes", b.n);
    bytes_free(&b);
    for (k = 0; k < (int)(sizeof sizes / sizeof sizes[0]); k++) {
        memset(data, 7, sizeof data);
        size = squeezed(data, (size_t)sizes[k], "one byte repeated");
        CHECK(sizes[k] < 1000 || size < (size_t)sizes[k] / 100, "a run of %d took %zu bytes", sizes[k], size);
        for (i = 0; i < sizes[k]; i++) {
            data[i] = (unsigned char)noise(256);
        }
        squeezed(data, (size_t)sizes[k], "noise");
        for (i = 0; i < sizes[k]; i++) {
            data[i] = (unsigned char)noise(3);
        }
        size = squeezed(data, (size_t)sizes[k], "three symbols");
        CHECK(sizes[k] < 1000 || size < (size_t)sizes[k] / 2, "three symbols, %d bytes, took %zu", sizes[k], size);
    }
    for (k = 32760; k < 32780; k++) { // repetitions just inside and just outside the window
        for (i = 0; i < 80000; i++) {
            data[i] = i < k ? (unsigned char)noise(256) : data[i - k];
        }
        size = squeezed(data, 80000, "far copies");
        CHECK(k > 32768 || size < 60000, "distance %d was not used: %zu bytes", k, size);
    }
    for (k = 1; k < 300; k++) { // every length of a copy
        for (i = 0; i < 1000 + k; i++) {
            data[i] = i < 1000 ? (unsigned char)noise(256) : data[i - 1000];
        }
        squeezed(data, (size_t)(1000 + k), "copies");
    }
}

// ---- a PNG reader ----------------------------------------------------------------------------------------------

static uint32_t be(const unsigned char *p, int count) {
    uint32_t v = 0;
    int i;
    for (i = 0; i < count; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

// Undoes filters 0..2 and the palette; the picture has `channels`.  0 if the stream is wrong.
static int unfilter(Image *m, const unsigned char *packed, size_t n, int type, const unsigned char *palette,
                    int colors) {
    Bytes rows = {NULL, 0, 0};
    int per = type == 2 ? 3 : 1, width = m->w * per, x, y, k, ok;
    ok = inflate(&rows, packed, n) && rows.n == (size_t)m->h * (size_t)(width + 1);
    for (y = 0; ok && y < m->h; y++) {
        unsigned char *row = rows.data + (size_t)y * (size_t)(width + 1);
        for (x = 0; x < width; x++) {
            int before = row[0] == 1 && x >= per ? row[1 + x - per] : row[0] == 2 && y > 0 ? row[x - width] : 0;
            row[1 + x] = (unsigned char)(row[1 + x] + before);
        }
        ok = row[0] <= 2;
        for (x = 0; x < m->w && ok; x++) {
            for (k = 0; k < m->channels; k++) {
                int v = type == 3 ? (row[1 + x] < colors ? palette[3 * row[1 + x] + k] : (ok = 0))
                                  : row[1 + x * per + (per == 3 ? k : 0)];
                m->pixels[(y * m->w + x) * m->channels + k] = (unsigned char)v;
            }
        }
    }
    bytes_free(&rows);
    return ok;
}

// Reads up to `most` frames; returns how many, or -1 with a printed reason.  *type is the colour type of the file.
static int read_png(const Bytes *b, Image *frame, int most, int channels, int *type) {
    size_t at = 8;
    unsigned char palette[768];
    int colors = 0, w = 0, h = 0, frames = 0, announced = 1, controls = 0, ended = 0;
    uint32_t sequence = 0;
    if (b->n < 8 || memcmp(b->data, "\211PNG\r\n\032\n", 8) != 0) {
        return -1;
    }
    while (at + 12 <= b->n && !ended) {
        const unsigned char *p = b->data + at + 8;
        size_t n = be(b->data + at, 4);
        char name[5] = "";
        memcpy(name, b->data + at + 4, 4);
        if (n > b->n - at - 12 || png_crc(0, p - 4, n + 4) != be(p + n, 4)) {
            printf("chunk %s: length or CRC\n", name);
            return -1;
        }
        at += n + 12;
        if (strcmp(name, "IHDR") == 0 && n == 13) {
            w = (int)be(p, 4);
            h = (int)be(p + 4, 4);
            *type = p[9];
            if (p[8] != 8 || p[10] != 0 || p[11] != 0 || p[12] != 0) {
                return -1;
            }
        } else if (strcmp(name, "PLTE") == 0) {
            colors = (int)n / 3;
            memcpy(palette, p, n);
        } else if (strcmp(name, "acTL") == 0 && n == 8 && frames == 0) {
            announced = (int)be(p, 4);
        } else if (strcmp(name, "fcTL") == 0 && n == 26) {
            if (be(p, 4) != sequence++ || (int)be(p + 4, 4) != w || (int)be(p + 8, 4) != h || be(p + 12, 4) ||
                be(p + 16, 4) || be(p + 20, 2) != 80 || be(p + 22, 2) != 1000) {
                printf("fcTL is wrong\n");
                return -1;
            }
            controls++;
        } else if ((strcmp(name, "IDAT") == 0 && frames == 0) || (strcmp(name, "fdAT") == 0 && frames > 0)) {
            size_t skip = frames > 0 ? 4 : 0;
            if (frames == most || (skip && be(p, 4) != sequence++)) {
                printf("frame %d: sequence\n", frames);
                return -1;
            }
            frame[frames] = image_new(w, h, channels);
            if (!unfilter(&frame[frames++], p + skip, n - skip, *type, palette, colors)) {
                printf("frame %d does not decode\n", frames - 1);
                return -1;
            }
        } else if (strcmp(name, "IEND") == 0 && n == 0) {
            ended = 1;
        } else {
            printf("chunk %s is unexpected\n", name);
            return -1;
        }
    }
    return ended && at == b->n && frames == announced && controls == (frames > 1 ? frames : 0) ? frames : -1;
}

static void comes_back(const Image *frames, int count, int want_type, const char *what) {
    Bytes b = {NULL, 0, 0};
    Image got[8];
    int type = -1, n, i;
    apng_encode(&b, frames, count, 80);
    n = read_png(&b, got, 8, frames[0].channels, &type);
    CHECK(n == count && type == want_type, "%s: %d frames of %d, colour type %d", what, n, count, type);
    for (i = 0; i < n; i++) {
        CHECK(got[i].w == frames[i].w && got[i].h == frames[i].h &&
                  memcmp(got[i].pixels, frames[i].pixels, image_bytes(&frames[i])) == 0,
              "%s: frame %d changed", what, i);
        image_free(&got[i]);
    }
    bytes_free(&b);
}

static void pictures(void) {
    static const unsigned char one[] = {137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72,  68,  82, 0,
                                        0,   0,  1,  0,  0,  0,  1,  8,  0, 0, 0, 0,  58, 126, 155, 85};
    Image m = image_new(1, 1, 1), frames[5];
    Bytes b = {NULL, 0, 0};
    int x, y, i;
    png_encode(&b, &m);
    CHECK(b.n == 67 && memcmp(b.data, one, sizeof one) == 0, "the 1 x 1 picture has %zu bytes", b.n);
    bytes_free(&b);
    comes_back(&m, 1, 0, "1 x 1");
    image_free(&m);
    m = image_new(300, 7, 1);
    for (i = 0; i < 2100; i++) {
        m.pixels[i] = (unsigned char)(i % 300 * 255 / 299);
    }
    comes_back(&m, 1, 0, "grey ramp");
    image_free(&m);
    m = image_new(40, 30, 3);
    for (i = 0; i < 3600; i++) {
        m.pixels[i] = (unsigned char)noise(256);
    }
    comes_back(&m, 1, 2, "colour noise");
    for (y = 0; y < 30; y++) {
        for (x = 0; x < 40; x++) {
            image_set(&m, x, y, rgb(6 * x, 8 * y, 3 * x + 4 * y));
        }
    }
    comes_back(&m, 1, 2, "colour ramp");
    image_free(&m);
    m = image_new(16, 16, 3);
    for (i = 0; i < 256; i++) {
        image_set(&m, i % 16, i / 16, rgb(i, 255 - i, i / 2));
    }
    comes_back(&m, 1, 3, "256 colours");
    image_free(&m);
    m = image_new(257, 1, 3);
    for (i = 0; i < 257; i++) {
        image_set(&m, i, 0, rgb(i & 255, i >> 8, 7));
    }
    comes_back(&m, 1, 2, "257 colours");
    image_free(&m);
    for (i = 0; i < 5; i++) {
        frames[i] = image_new(33, 20, 3);
        image_fill(&frames[i], PAPER);
        image_disc(&frames[i], 5 + 5 * i, 10, 4, palette_category(i));
    }
    comes_back(frames, 5, 3, "animation, palette");
    image_rect(&frames[2], 0, 0, 33, 20, INK);
    for (i = 0; i < 400; i++) {
        image_set(&frames[3], i % 33, i / 33, rgb(i & 255, i >> 8, 99));
    }
    comes_back(frames, 5, 2, "animation, colour");
    for (i = 0; i < 5; i++) {
        image_free(&frames[i]);
    }
}

// ---- drawing ---------------------------------------------------------------------------------------------------

static int ink(const Image *m) {
    int i, n = 0;
    for (i = 0; i < (int)image_bytes(m); i++) {
        n += m->pixels[i] == 0;
    }
    return n;
}

static void drawing(void) {
    Image m = image_new(64, 64, 1), small, big;
    const Rgb black = rgb(0, 0, 0);
    Window v = {8, 4, 48, 40, -1, 1, -1, 1};
    static const real xy[8] = {0, 0, -1, 1, (real)0.999, (real)-0.999, 5, 0};
    static const double field[4] = {0, 1, 2, 4};
    static const real grey[8] = {-1, 0, (real)0.5, 1, 2, 0, 0, 0};
    size_t outside;
    int i, k;
    image_fill(&m, PAPER);
    CHECK(ink(&m) == 0, "filled with white");
    for (i = -100; i < 200; i += 7) { // outside leaves no trace, and touches no other memory
        image_line(&m, i, -50, 90 - i, -3, 3, black);
        image_line(&m, 64 + (i + 100), i, 64, 90 - i, 1, black);
        image_disc(&m, -30 - (i + 100), i, 20, black);
        image_rect(&m, i, 64, 10, 10, black);
        image_text(&m, 64, i, 1, black, "outside");
    }
    CHECK(ink(&m) == 0, "%d pixels of drawings that lie outside", ink(&m));
    image_fill(&m, PAPER);
    image_line(&m, 3, 5, 60, 33, 1, black);
    CHECK(ink(&m) == 58 && m.pixels[5 * 64 + 3] == 0 && m.pixels[33 * 64 + 60] == 0, "a line has %d pixels", ink(&m));
    image_fill(&m, PAPER);
    image_line(&m, 60, 33, 3, 5, 1, black);
    CHECK(ink(&m) == 58 && m.pixels[5 * 64 + 3] == 0 && m.pixels[33 * 64 + 60] == 0, "backwards: %d", ink(&m));
    image_fill(&m, PAPER);
    image_disc(&m, 32, 32, 20, black);
    CHECK(abs(ink(&m) - 1257) < 60, "a disc of radius 20 has %d pixels, pi r^2 = 1257", ink(&m));
    image_fill(&m, PAPER);
    image_frame(&m, 10, 10, 20, 10, black);
    CHECK(ink(&m) == 56, "a frame of 20 x 10 has %d pixels", ink(&m));
    image_fill(&m, PAPER);
    image_text(&m, 1, 1, 2, black, "1");
    CHECK(ink(&m) == 4 * 10 && image_text_width("1", 2) == 10, "'1' at scale 2 has %d pixels", ink(&m));
    CHECK(m.pixels[3 * 64 + 3] == 0 && m.pixels[3 * 64 + 7] == 255, "'1' is mirrored");
    big = image_upscale(&m, 3);
    CHECK(ink(&big) == 9 * 40 && big.w == 192, "three times larger: %d", ink(&big));
    small = image_shrink(&big, 3);
    CHECK(small.w == 64 && memcmp(small.pixels, m.pixels, 64 * 64) == 0, "and back");
    image_free(&big);
    image_free(&small);
    image_fill(&m, PAPER);
    outside = image_points(&m, &v, xy, 4, 0, black);
    CHECK(outside == 1 && ink(&m) == 3, "%zu outside, %d drawn", outside, ink(&m));
    CHECK(m.pixels[24 * 64 + 32] == 0 && m.pixels[4 * 64 + 8] == 0 && m.pixels[43 * 64 + 55] == 0,
          "points are misplaced");
    image_free(&m);
    m = image_new(4, 4, 3);
    v.left = v.top = 0;
    v.w = v.h = 4;
    image_field(&m, &v, field, 2, 2, 4);
    for (i = 0; i < 4; i++) { // row 0 of the table is the lowest
        Rgb want = palette_sequential(field[i] / 4), got = image_get(&m, i % 2 * 2, 3 - i / 2 * 2);
        CHECK(want.r == got.r && want.g == got.g && want.b == got.b, "field cell %d", i);
    }
    image_free(&m);
    m = image_sheet(grey, 2, 2, 2, 2, 0, 1);
    CHECK(m.w == 5 && m.h == 2 && m.pixels[0] == 0 && m.pixels[1] == 0 && m.pixels[2] == 96 && m.pixels[3] == 255 &&
              m.pixels[5] == 128 && m.pixels[6] == 255,
          "a sheet of two pictures");
    image_free(&m);
    for (i = 32; i < 127; i++) { // the font: all different, only the blank is empty
        CHECK((memcmp(font_glyph((char)i), "\0\0\0\0\0\0", 7) == 0) == (i == 32), "glyph %d", i);
        for (k = 32; k < i; k++) {
            CHECK(memcmp(font_glyph((char)i), font_glyph((char)k), 7) != 0, "glyphs %d and %d are equal", i, k);
        }
    }
    CHECK(font_glyph('\n')[0] == 31 && font_glyph((char)200)[0] == 31, "no box");
}

int main(void) {
    compressor();
    pictures();
    drawing();
    return report("test_png");
}
