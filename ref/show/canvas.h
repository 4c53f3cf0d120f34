// canvas.h: a picture in memory and the few ways to draw on it.  One way to be in a picture: whole pixels, no
// smoothing, so the same program gives the same bytes on every machine.  For smooth edges draw at twice the size and
// call image_shrink.
//
// Coordinates: x to the right, y down, (0,0) is the top left pixel.  Drawing outside the picture is allowed and
// leaves no trace; that is how clipping works.
#ifndef TILT_CANVAS_H
#define TILT_CANVAS_H

#include <math.h>

#include "font.h"
#include "palette.h"

typedef struct {
    int w, h, channels;    // channels: 1 grey, 3 red green blue
    unsigned char *pixels; // h rows of w * channels bytes
} Image;

static inline Image image_new(int w, int h, int channels) {
    Image m;
    if (w < 1 || h < 1 || w > 16384 || h > 16384 || (channels != 1 && channels != 3)) {
        DIE("image: %d x %d with %d channels; sizes are 1..16384, channels 1 or 3", w, h, channels);
    }
    m.w = w;
    m.h = h;
    m.channels = channels;
    m.pixels = NEW(unsigned char, size_mul(size_mul((size_t)w, (size_t)h), (size_t)channels));
    return m;
}

static inline void image_free(Image *m) {
    free(m->pixels);
    m->pixels = NULL;
    m->w = m->h = 0;
}

static inline size_t image_bytes(const Image *m) {
    return (size_t)m->w * (size_t)m->h * (size_t)m->channels;
}

// ---- pixels ----------------------------------------------------------------------------------------------------

static inline void image_set(Image *m, int x, int y, Rgb c) {
    unsigned char *p;
    if (x < 0 || y < 0 || x >= m->w || y >= m->h) {
        return;
    }
    p = m->pixels + ((size_t)y * (size_t)m->w + (size_t)x) * (size_t)m->channels;
    if (m->channels == 1) {
        p[0] = (unsigned char)rgb_grey(c);
    } else {
        p[0] = c.r;
        p[1] = c.g;
        p[2] = c.b;
    }
}

// The colour of a pixel that is inside.
static inline Rgb image_get(const Image *m, int x, int y) {
    const unsigned char *p = m->pixels + ((size_t)y * (size_t)m->w + (size_t)x) * (size_t)m->channels;
    return m->channels == 1 ? rgb(p[0], p[0], p[0]) : rgb(p[0], p[1], p[2]);
}

static inline void image_rect(Image *m, int x, int y, int w, int h, Rgb c) {
    int i, k;
    int right = x + w < m->w ? x + w : m->w;
    int bottom = y + h < m->h ? y + h : m->h;
    for (k = y > 0 ? y : 0; k < bottom; k++) {
        for (i = x > 0 ? x : 0; i < right; i++) {
            image_set(m, i, k, c);
        }
    }
}

static inline void image_fill(Image *m, Rgb c) {
    image_rect(m, 0, 0, m->w, m->h, c);
}

// A filled disc; radius 0 is one pixel.
static inline void image_disc(Image *m, int cx, int cy, int radius, Rgb c) {
    int x, y;
    for (y = -radius; y <= radius; y++) {
        for (x = -radius; x <= radius; x++) {
            if (x * x + y * y <= radius * radius + radius / 2) { // the half rounds small discs
                image_set(m, cx + x, cy + y, c);
            }
        }
    }
}

// A line of the given thickness in pixels, by stepping along the longer side in whole numbers.
static inline void image_line(Image *m, int x0, int y0, int x1, int y1, int thickness, Rgb c) {
    int dx = x1 > x0 ? x1 - x0 : x0 - x1;
    int dy = y1 > y0 ? y1 - y0 : y0 - y1;
    int steps = dx > dy ? dx : dy;
    int i;
    for (i = 0; i <= steps; i++) {
        // rounded x0 + (x1 - x0) i / steps; 64 bits because the ends may be far outside
        int x =
            steps ? x0 + (int)(((int64_t)(x1 - x0) * 2 * i + (x1 > x0 ? steps : -steps)) / (2 * (int64_t)steps)) : x0;
        int y =
            steps ? y0 + (int)(((int64_t)(y1 - y0) * 2 * i + (y1 > y0 ? steps : -steps)) / (2 * (int64_t)steps)) : y0;
        if (thickness <= 1) {
            image_set(m, x, y, c);
        } else {
            image_rect(m, x - thickness / 2, y - thickness / 2, thickness, thickness, c);
        }
    }
}

static inline void image_frame(Image *m, int x, int y, int w, int h, Rgb c) {
    image_line(m, x, y, x + w - 1, y, 1, c);
    image_line(m, x, y + h - 1, x + w - 1, y + h - 1, 1, c);
    image_line(m, x, y, x, y + h - 1, 1, c);
    image_line(m, x + w - 1, y, x + w - 1, y + h - 1, 1, c);
}

// Text with its top left corner at (x,y); a letter cell is 6 x 8 pixels times scale.  Bytes outside 32..126 are drawn
// as a box.
static inline void image_text(Image *m, int x, int y, int scale, Rgb c, const char *text) {
    int row, column, at = x;
    for (; *text != '\0'; text++, at += 6 * scale) {
        const unsigned char *glyph = font_glyph(*text);
        for (row = 0; row < 7; row++) {
            for (column = 0; column < 5; column++) {
                if (glyph[row] >> (4 - column) & 1) {
                    image_rect(m, at + column * scale, y + row * scale, scale, scale, c);
                }
            }
        }
    }
}

static inline int image_text_width(const char *text, int scale) {
    return (6 * (int)strlen(text) - 1) * scale;
}

// ---- pictures in pictures --------------------------------------------------------------------------------------

// Copies `from` so that its top left corner lands at (x,y), each pixel drawn as scale x scale.
static inline void image_blit(Image *m, const Image *from, int x, int y, int scale) {
    int i, k;
    for (k = 0; k < from->h; k++) {
        for (i = 0; i < from->w; i++) {
            image_rect(m, x + i * scale, y + k * scale, scale, scale, image_get(from, i, k));
        }
    }
}

static inline Image image_upscale(const Image *from, int scale) {
    Image m = image_new(from->w * scale, from->h * scale, from->channels);
    image_blit(&m, from, 0, 0, scale);
    return m;
}

// Mean over blocks of scale x scale pixels; a rest at the right and bottom is cut.
static inline Image image_shrink(const Image *from, int scale) {
    Image m = image_new(from->w / scale, from->h / scale, from->channels);
    int x, y, i, k;
    for (y = 0; y < m.h; y++) {
        for (x = 0; x < m.w; x++) {
            int sum[3] = {0, 0, 0}, n = scale * scale;
            for (k = 0; k < scale; k++) {
                for (i = 0; i < scale; i++) {
                    Rgb c = image_get(from, x * scale + i, y * scale + k);
                    sum[0] += c.r;
                    sum[1] += c.g;
                    sum[2] += c.b;
                }
            }
            image_set(&m, x, y, rgb((sum[0] + n / 2) / n, (sum[1] + n / 2) / n, (sum[2] + n / 2) / n));
        }
    }
    return m;
}

// A picture of w x h pixels of numbers, row by row, `channels` (1 or 3) numbers a pixel: lo is black, hi is white or
// full colour, values outside are cut and NaN is black.
static inline Image image_real(const real *v, int w, int h, int channels, double lo, double hi) {
    Image m = image_new(w, h, channels);
    size_t i, n = image_bytes(&m);
    for (i = 0; i < n; i++) {
        double t = ((double)v[i] - lo) / (hi - lo);
        t = t > 0 ? (t < 1 ? t : 1) : 0;
        m.pixels[i] = (unsigned char)(255 * t + 0.5);
    }
    return m;
}

static inline Image image_grey(const real *v, int w, int h, double lo, double hi) {
    return image_real(v, w, h, 1, lo, hi);
}

// n such pictures side by side, `columns` in a row, one pixel of mid grey between them.
static inline Image image_tiles(const real *v, int n, int w, int h, int channels, int columns, double lo, double hi) {
    int rows = (n + columns - 1) / columns, i;
    size_t numbers = size_mul(size_mul((size_t)w, (size_t)h), (size_t)channels);
    Image m = image_new(columns * (w + 1) - 1, rows * (h + 1) - 1, channels);
    image_fill(&m, rgb(96, 96, 96));
    for (i = 0; i < n; i++) {
        Image one = image_real(v + (size_t)i * numbers, w, h, channels, lo, hi);
        image_blit(&m, &one, i % columns * (w + 1), i / columns * (h + 1), 1);
        image_free(&one);
    }
    return m;
}

// image_tiles in grey.
static inline Image image_sheet(const real *v, int n, int w, int h, int columns, double lo, double hi) {
    return image_tiles(v, n, w, h, 1, columns, lo, hi);
}

// ---- a window on the plane -------------------------------------------------------------------------------------

// Where (x,y) of the plane is drawn: the square -1..1 of a world becomes x0..x1, y upwards, in a rectangle of pixels.
typedef struct {
    int left, top, w, h;
    double x0, x1, y0, y1;
} Window;

static inline int window_x(const Window *v, double x) {
    double t = (x - v->x0) / (v->x1 - v->x0) * v->w;
    return v->left + (t > -1e6 && t < 1e6 ? (int)floor(t) : -1000000);
}

static inline int window_y(const Window *v, double y) {
    double t = (v->y1 - y) / (v->y1 - v->y0) * v->h;
    return v->top + (t > -1e6 && t < 1e6 ? (int)floor(t) : -1000000);
}

// n points (x,y) as discs of one colour; returns how many lay outside the window (those are not drawn).
static inline size_t image_points(Image *m, const Window *v, const real *xy, size_t n, int radius, Rgb c) {
    size_t i, outside = 0;
    for (i = 0; i < n; i++) {
        int x = window_x(v, (double)xy[2 * i]);
        int y = window_y(v, (double)xy[2 * i + 1]);
        if (x < v->left || x >= v->left + v->w || y < v->top || y >= v->top + v->h) {
            outside++;
        } else {
            image_disc(m, x, y, radius, c);
        }
    }
    return outside;
}

// A table of w x h numbers (row 0 is the lowest y) fills the window with the sequential palette; 0 is the darkest,
// top the lightest.
static inline void image_field(Image *m, const Window *v, const double *values, int w, int h, double top) {
    int x, y;
    for (y = 0; y < v->h; y++) {
        for (x = 0; x < v->w; x++) {
            int i = (int)((int64_t)x * w / v->w);
            int k = h - 1 - (int)((int64_t)y * h / v->h);
            image_set(m, v->left + x, v->top + y, palette_sequential(values[(size_t)k * (size_t)w + (size_t)i] / top));
        }
    }
}

#endif
