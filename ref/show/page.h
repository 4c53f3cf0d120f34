// page.h: one HTML file with headings, text, tables and figures, complete in itself: no script, no font, no network.
//
//   Page p = page_new("Chapter 9: the tilt");
//   page_text(&p, "Two paragraphs are separated by an empty line.");
//   page_image(&p, &image, 2, "samples of the tilted ring");       // PNG inside the page, each pixel 2 x 2
//   page_svg(&p, svg_finish(&figure));
//   page_table(&p, &tsv);
//   page_write(&p, "out/ch09.html");                               // also frees
//
// The page is also well-formed XML, so strict tools can read it.  All text is escaped; page_raw is for markup that
// the program itself made.
#ifndef TILT_PAGE_H
#define TILT_PAGE_H

#include "../file/tsv.h"
#include "svg.h"

typedef struct {
    Bytes text;
} Page;

static inline void page_raw(Page *p, const char *markup) {
    bytes_add(&p->text, markup, strlen(markup));
}

// <tag>escaped text</tag>
static inline void page_element_(Page *p, const char *tag, const char *text) {
    bytes_text(&p->text, "<%s>", tag);
    bytes_escaped(&p->text, text);
    bytes_text(&p->text, "</%s>\n", tag);
}

static inline Page page_new(const char *title) {
    Page p;
    memset(&p, 0, sizeof p);
    page_raw(&p, "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
                 "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width\"/>\n");
    page_element_(&p, "title", title);
    page_raw(&p,
             "<style>\n"
             "body { font: 17px/1.5 Georgia, serif; color: #222; background: #fff; max-width: 46em; margin: 2em auto; "
             "padding: 0 1em; }\n"
             "h1, h2, table, svg { font-family: Helvetica, Arial, sans-serif; }\n"
             "pre { background: #f4f4f4; padding: 0.7em; overflow-x: auto; line-height: 1.3; font-size: 14px; }\n"
             "table { border-collapse: collapse; font-size: 15px; }\n"
             "th, td { padding: 0.2em 0.8em; border-bottom: 1px solid #ccc; text-align: left; }\n"
             "td.n { text-align: right; font-variant-numeric: tabular-nums; }\n"
             "img { image-rendering: pixelated; } img, svg { max-width: 100%; height: auto; }\n"
             "@media print { body { max-width: none; margin: 0; } pre, table, figure { break-inside: avoid; } }\n"
             "</style>\n</head>\n<body>\n");
    page_element_(&p, "h1", title);
    return p;
}

static inline void page_heading(Page *p, const char *text) {
    page_element_(p, "h2", text);
}

// Plain text; an empty line starts a new paragraph.
static inline void page_text(Page *p, const char *text) {
    const char *gap;
    while ((gap = strstr(text, "\n\n")) != NULL) {
        Bytes part = {NULL, 0, 0};
        bytes_add(&part, text, (size_t)(gap - text));
        bytes_byte(&part, 0);
        page_element_(p, "p", (const char *)part.data);
        bytes_free(&part);
        text = gap + 2;
    }
    if (*text != '\0') {
        page_element_(p, "p", text);
    }
}

// Program text or output, line breaks kept.
static inline void page_pre(Page *p, const char *text) {
    page_element_(p, "pre", text);
}

static inline void page_table(Page *p, const Tsv *t) {
    size_t row;
    int column;
    page_raw(p, "<table>\n<tr>");
    for (column = 0; column < t->columns; column++) {
        page_element_(p, "th", (const char *)t->text.data + t->at[column]);
    }
    page_raw(p, "</tr>\n");
    for (row = 0; row < t->rows; row++) {
        page_raw(p, "<tr>");
        for (column = 0; column < t->columns; column++) {
            const char *cell = tsv_cell(t, row, column);
            int number = cell[0] != '\0' && strspn(cell, "0123456789+-.eE") == strlen(cell);
            page_raw(p, number ? "<td class=\"n\">" : "<td>");
            bytes_escaped(&p->text, cell);
            page_raw(p, "</td>\n");
        }
        page_raw(p, "</tr>\n");
    }
    page_raw(p, "</table>\n");
}

// A finished PNG or APNG of w x h pixels shown at `scale`; alt says what a reader who cannot see it should know.
static inline void page_png(Page *p, const Bytes *png, int w, int h, int scale, const char *alt) {
    bytes_text(&p->text, "<figure><img width=\"%d\" height=\"%d\" alt=\"", w * scale, h * scale);
    bytes_escaped(&p->text, alt);
    page_raw(p, "\" src=\"data:image/png;base64,");
    bytes_base64(&p->text, png->data, png->n);
    page_raw(p, "\"/><figcaption>");
    bytes_escaped(&p->text, alt);
    page_raw(p, "</figcaption></figure>\n");
}

static inline void page_image(Page *p, const Image *m, int scale, const char *alt) {
    Bytes png = {NULL, 0, 0};
    png_encode(&png, m);
    page_png(p, &png, m->w, m->h, scale, alt);
    bytes_free(&png);
}

// The text of a finished figure (svg_finish).
static inline void page_svg(Page *p, const Bytes *svg) {
    page_raw(p, "<figure>\n");
    bytes_add(&p->text, svg->data, svg->n);
    page_raw(p, "</figure>\n");
}

static inline void page_write(Page *p, const char *path) {
    page_raw(p, "</body>\n</html>\n");
    atomic_write(path, p->text.data, p->text.n);
    bytes_free(&p->text);
}

#endif
