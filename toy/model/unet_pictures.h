// unet_pictures.h: what is inside a UNet as pictures: maps of a layer, the way down and up, attention, the arena.
//
// Used by notebooks-c/unet_layer_by_layer.c.  Maps are grey: black is -3 times the root mean square of the layer, white
// +3 times, mid grey is 0.  A path that is NULL draws nothing.
#ifndef TILT_UNET_PICTURES_H
#define TILT_UNET_PICTURES_H

#include "../../ref/show/svg.h"
#include "unet_trace.h"

enum {
    MAPS_TILE = 32,
    MAPS_ROW = 8,
    MAPS_SHOWN = 16,
    MAPS_W = MAPS_ROW * (MAPS_TILE + 2),
    MAPS_H = 2 * (MAPS_TILE + 2)
};

// ---- maps --------------------------------------------------------------------------------------------------------

// The first channels of operation i, at most MAPS_SHOWN, as two rows of tiles; its name and shape stand above.
static inline void draw_maps(Image *m, int left, int top, const UnetTrace *t, int i) {
    const UnetBuf *b = unet_out(t->plan, i);
    double scale = 3 * trace_rms(t, NULL, i) + 1e-12;
    real *map = NEW(real, (size_t)b->H * (size_t)b->W);
    char text[80];
    int c;
    snprintf(text, sizeof text, "%s  %dx%dx%d", t->plan->op[i].name, b->H, b->W, b->C);
    image_text(m, left, top - 11, 1, INK, text);
    for (c = 0; c < b->C && c < MAPS_SHOWN; c++) {
        Image tile;
        trace_map(map, t, i, c);
        tile = image_grey(map, b->W, b->H, -scale, scale);
        image_blit(m, &tile, left + c % MAPS_ROW * (MAPS_TILE + 2), top + c / MAPS_ROW * (MAPS_TILE + 2),
                   b->W <= MAPS_TILE ? MAPS_TILE / b->W : 1);
        image_free(&tile);
    }
    free(map);
}

// The kernels of a 3x3 convolution that sees three channels as small colour pictures, and under each its map.
static inline void draw_kernels(const char *path, const UnetTrace *t, const real *p, int i) {
    const UnetOp *op = &t->plan->op[i];
    int out = unet_out(t->plan, i)->C, c, k;
    Image m;
    double top = 0;
    if (path == NULL) {
        return;
    }
    m = image_new(MAPS_W + 20, 2 * MAPS_H + 54, 3);
    image_fill(&m, PAPER);
    for (k = 0; k < 27 * out; k++) {
        top = fmax(top, fabs((double)p[op->w + (size_t)k]));
    }
    image_text(&m, 10, 8, 1, INK, "kernels, red green blue; grey is 0");
    for (c = 0; c < out && c < MAPS_SHOWN; c++) {
        real kernel[27];
        Image tile;
        for (k = 0; k < 27; k++) {
            kernel[k] = p[op->w + (size_t)(k * out + c)];
        }
        tile = image_real(kernel, 3, 3, 3, -top, top);
        image_blit(&m, &tile, 10 + c % MAPS_ROW * (MAPS_TILE + 2), 20 + c / MAPS_ROW * (MAPS_TILE + 2), 10);
        image_free(&tile);
    }
    draw_maps(&m, 10, 20 + MAPS_H + 24, t, i);
    png_write(path, &m);
    image_free(&m);
}

// The way down on the left, the middle below, the way up on the right: the letter that gave the network its name.
static inline void draw_u(const char *path, const UnetTrace *t, const real *x) {
    const UnetShape *s = &t->plan->shape;
    int w = 2 * MAPS_W + 160, line = MAPS_H + 34, l, inset = 24;
    Image m, one;
    char name[UNET_NAME + 16];
    if (path == NULL) {
        return;
    }
    m = image_new(w, 4 + (s->levels + 2) * line, 3);
    image_fill(&m, PAPER);
    image_text(&m, 10, 10, 1, INK, "the noisy image");
    one = image_real(x, s->side, s->side, s->channels, -1.5, 1.5);
    image_blit(&m, &one, 10, 22, MAPS_H / s->side);
    image_free(&one);
    draw_maps(&m, w - 10 - 3 * (MAPS_TILE + 2), 22, t, t->plan->ops - 1);
    for (l = 0; l < s->levels; l++) {
        int top = 26 + (l + 1) * line, left = 10 + l * inset, right = w - MAPS_W - 10 - l * inset;
        snprintf(name, sizeof name, "down%d.%d.conv2", l, s->blocks - 1);
        draw_maps(&m, left, top, t, unet_find(t->plan, name));
        snprintf(name, sizeof name, "up%d.%d.conv2", l, s->blocks - 1);
        draw_maps(&m, right, top, t, unet_find(t->plan, name));
        image_line(&m, left + MAPS_W + 6, top + MAPS_H / 2, right - 10, top + MAPS_H / 2, 2, palette_category(1));
        image_disc(&m, right - 10, top + MAPS_H / 2, 4, palette_category(1));
        if (l == 0) {
            image_text(&m, (left + right + MAPS_W) / 2 - 12, top + MAPS_H / 2 - 14, 1, palette_category(1), "skip");
        }
    }
    draw_maps(&m, (w - MAPS_W) / 2, 26 + (s->levels + 1) * line, t, unet_find(t->plan, "mid.1.conv2"));
    png_write(path, &m);
    image_free(&m);
}

// ---- images in a row ---------------------------------------------------------------------------------------------

// rows x columns images (side x side x channels), a word above each column; zoom: pixels of a pixel.
static inline void draw_images(const char *path, const real *x, const char *const *word, int rows, int columns,
                               int side, int channels, int zoom) {
    int step = side * zoom + 8, i;
    Image m;
    if (path == NULL) {
        return;
    }
    m = image_new(columns * step + 12, rows * step + 30, 3);
    image_fill(&m, PAPER);
    for (i = 0; i < rows * columns; i++) {
        int left = 10 + i % columns * step, top = 24 + i / columns * step;
        Image one = image_real(x + (size_t)i * (size_t)(side * side * channels), side, side, channels, -1, 1);
        image_blit(&m, &one, left, top, zoom);
        image_free(&one);
        if (i < columns) {
            image_text(&m, left, 9, 1, INK, word[i]);
        }
    }
    png_write(path, &m);
    image_free(&m);
}

// ---- attention ---------------------------------------------------------------------------------------------------

// One tile for every pixel that asks, at its own place; white is where it looks most, and its own place is framed.
static inline void draw_attention(const char *path, const UnetTrace *t, int i) {
    const UnetBuf *b = unet_out(t->plan, i);
    int T = b->H * b->W, zoom = 20, step = b->W * zoom + 8, p;
    double top = 0;
    Image m;
    if (path == NULL) {
        return;
    }
    m = image_new(b->W * step + 12, b->H * (b->H * zoom + 8) + 12, 3);
    image_fill(&m, PAPER);
    for (p = 0; p < T * T; p++) {
        top = fmax(top, (double)t->side[i][p]);
    }
    for (p = 0; p < T; p++) {
        int left = 10 + p % b->W * step, up = 10 + p / b->W * (b->H * zoom + 8);
        Image one = image_grey(t->side[i] + (size_t)(p * T), b->W, b->H, 0, top);
        image_blit(&m, &one, left, up, zoom);
        left += p % b->W * zoom;
        up += p / b->W * zoom;
        image_frame(&m, left, up, zoom, zoom, palette_category(1));
        image_frame(&m, left + 1, up + 1, zoom - 2, zoom - 2, palette_category(1));
        image_free(&one);
    }
    png_write(path, &m);
    image_free(&m);
}

// ---- one number a layer ------------------------------------------------------------------------------------------

// Curves of one number for each operation (curves x ops); numbers below 0 are left out.  The parts of the net are
// named under the axis.
static inline void draw_layers(const char *path, const UnetPlan *u, const char *title, const char *what,
                               const double *y, const char *const *label, int curves, int bars) {
    double *at, *value, top = 0;
    char part[UNET_NAME + 16] = "";
    Svg s;
    int i, k;
    if (path == NULL) {
        return;
    }
    at = NEW(double, (size_t)u->ops);
    value = NEW(double, (size_t)u->ops);
    for (i = 0; i < curves * u->ops; i++) {
        top = fmax(top, y[i]);
    }
    top *= bars ? 1.05 : 1.25; // room for the legend
    s = svg_new(760, 380, title);
    svg_axes(&s, -1, u->ops, 0, top, "operation", what);
    for (i = 0; i < u->ops; i++) { // a grey line and a name where a part of the net begins
        size_t n = strcspn(u->op[i].name, ".");
        if (strncmp(part, u->op[i].name, n) != 0 || part[n] != 0) {
            double x[2], z[2];
            snprintf(part, sizeof part, "%.*s", (int)n, u->op[i].name);
            x[0] = x[1] = i - 0.5;
            z[0] = 0;
            z[1] = top;
            svg_line(&s, x, z, 2, rgb(200, 200, 200), "");
            if (i + 1 < u->ops && strncmp(part, u->op[i + 1].name, n) == 0) { // one operation is too narrow for a name
                svg_label(&s, svg_x(&s, x[0]), s.top - 3, 's', 10, rgb(90, 90, 90), part);
            }
        }
    }
    for (k = 0; k < curves; k++) {
        int n = 0;
        for (i = 0; i < u->ops; i++) {
            if (y[k * u->ops + i] >= 0) {
                at[n] = i;
                value[n++] = y[k * u->ops + i];
            }
        }
        if (bars) {
            svg_bars(&s, at, value, n, 0.8, palette_category(k), label[k]);
        } else {
            svg_line(&s, at, value, n, palette_category(k), label[k]);
        }
    }
    if (!bars) {
        svg_legend(&s, 'l');
    }
    svg_write(&s, path);
    free(at);
    free(value);
}

// ---- the arena ---------------------------------------------------------------------------------------------------

// Every buffer is a rectangle: from left to right the time that it lives, from bottom to top its place.
static inline void draw_spans(Image *m, const Window *v, const UnetSpan *span, int n, Rgb color) {
    int i;
    for (i = 0; i < n; i++) {
        int left = window_x(v, span[i].from), right = window_x(v, span[i].to + 1);
        int low = window_y(v, (double)span[i].at), high = window_y(v, (double)(span[i].at + span[i].size));
        if (span[i].from <= span[i].to) {
            image_rect(m, left, high, right - left > 1 ? right - left - 1 : 1, low - high > 1 ? low - high - 1 : 1,
                       color);
        }
    }
}

// Both plans of the memory of one image, drawn to one scale: forward alone, and with gradients.
static inline void draw_arena(const char *path, const UnetPlan *u) {
    int tall = 420, wide = 5;
    Window forward = {10, 24, 0, 0, 0, 0, 0, 0}, both;
    Image m;
    if (path == NULL) {
        return;
    }
    forward.w = wide * u->ops / 2;
    forward.h = tall;
    forward.x1 = u->ops;
    forward.y1 = (double)u->full;
    both = forward;
    both.left += forward.w + 20;
    both.w = wide * u->ops;
    both.x1 = 2.0 * u->ops;
    m = image_new(both.left + both.w + 10, tall + 44, 3);
    image_fill(&m, PAPER);
    image_text(&m, forward.left, 8, 1, INK, "forward alone");
    image_text(&m, both.left, 8, 1, INK, "forward, then backward: numbers blue, gradients orange");
    draw_spans(&m, &forward, u->lean_span, u->bufs, palette_category(0));
    draw_spans(&m, &both, u->span, u->bufs, palette_category(0));
    draw_spans(&m, &both, u->span + u->bufs, u->bufs, palette_category(5));
    image_line(&m, forward.left, tall + 24, forward.left + forward.w, tall + 24, 1, INK);
    image_line(&m, both.left, tall + 24, both.left + both.w, tall + 24, 1, INK);
    image_line(&m, both.left + both.w / 2, 24, both.left + both.w / 2, tall + 24, 1, INK);
    image_text(&m, both.left, tall + 30, 1, INK, "time: one operation after another");
    png_write(path, &m);
    image_free(&m);
}

#endif
