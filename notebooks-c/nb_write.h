// nb_write.h: a lab that ran, as Markdown for GitHub, as one HTML page and as a Jupyter notebook (nbformat 4.5).
//
// Each writer fills a Bytes; nothing touches the disk before all three are complete.  No dates, no line numbers, no
// paths of this machine: the same lab gives the same bytes.
#ifndef TILT_NB_WRITE_H
#define TILT_NB_WRITE_H

#include "nb_outputs.h"

// "tilt_by_hand" of "notebooks-c/tilt_by_hand.c".
static inline void lab_name(Bytes *name, const Lab *lab) {
    const char *slash = strrchr(lab->path, '/');
    const char *base = slash ? slash + 1 : lab->path;
    bytes_add(name, base, strlen(base) - 2);
    text_str(name);
}

// The way from the lab's folder to the repository root: "../" for each folder.  Empty string and 0 when unknown.
static inline int lab_root(Bytes *up, const Lab *lab) {
    const char *p;
    int known = lab->path[0] != '/' && strstr(lab->path, "..") == NULL;
    for (p = lab->path; known && *p; p++) {
        if (*p == '/') {
            text_puts(up, "../");
        }
    }
    text_str(up);
    return known;
}

static inline const char *picture_kind(const Output *o) {
    return o->kind == OUTPUT_SVG ? "svg" : "png";
}

// The text of the first heading, for the page title.
static inline void lab_title(Bytes *title, const Lab *lab) {
    int i;
    for (i = 0; i < lab->cells; i++) {
        const char *s = (const char *)lab->cell[i].body.data;
        if (lab->cell[i].kind == CELL_TEXT && strncmp(s, "# ", 2) == 0) {
            bytes_add(title, s + 2, strcspn(s + 2, "\n"));
            text_str(title);
            return;
        }
    }
    lab_name(title, lab);
}

// ---- Markdown ----------------------------------------------------------------------------------------------------

// A fenced block whose fence is longer than any run of back-ticks in it.
static inline void md_fenced(Bytes *out, const char *language, const char *s, size_t n) {
    size_t i, run = 0, fence = 3;
    for (i = 0; i < n; i++) {
        run = s[i] == '`' ? run + 1 : 0;
        fence = run >= fence ? run + 1 : fence;
    }
    for (i = 0; i < fence; i++) {
        bytes_byte(out, '`');
    }
    bytes_text(out, "%s\n", language);
    bytes_add(out, s, n);
    if (n && s[n - 1] != '\n') {
        bytes_byte(out, '\n');
    }
    for (i = 0; i < fence; i++) {
        bytes_byte(out, '`');
    }
    text_puts(out, "\n\n");
}

// The line above a shown function: which function, of which file.
static inline void md_shown(Bytes *out, const Lab *lab, Cell *cell) {
    Bytes up = {0};
    if (lab_root(&up, lab)) {
        bytes_text(out, "`%s` in [`%s`](%s%s):\n\n", text_str(&cell->name), text_str(&cell->path), text_str(&up),
                   text_str(&cell->path));
    } else {
        bytes_text(out, "`%s` in `%s`:\n\n", text_str(&cell->name), text_str(&cell->path));
    }
    bytes_free(&up);
}

static inline void write_md(Bytes *out, Lab *lab) {
    Bytes name = {0};
    int i, k;
    lab_name(&name, lab);
    bytes_text(out, "<!-- build/nb made this page from %s.c; edit that file -->\n\n", text_str(&name));
    for (i = 0; i < lab->cells; i++) {
        Cell *cell = &lab->cell[i];
        const char *body = (const char *)cell->body.data;
        if (cell->kind == CELL_TEXT) {
            md_github(out, body, cell->body.n, lab->path, cell->line + 1);
            text_puts(out, "\n");
            continue;
        }
        if (cell->kind == CELL_SHOW) {
            md_shown(out, lab, cell);
        }
        if (cell->body.n) {
            md_fenced(out, "c", body, cell->body.n);
        }
        for (k = 0; k < cell->outputs; k++) {
            Output *o = &cell->output[k];
            if (o->kind == OUTPUT_TEXT) {
                text_puts(out, "Output:\n\n");
                md_fenced(out, "text", (const char *)o->data.data, o->data.n);
            } else {
                const char *p;
                text_puts(out, "![");
                for (p = text_str(&o->shows); *p; p++) { // what Markdown would read as markup in the description
                    if (strchr("[]\\*_`<>$", *p)) {
                        bytes_byte(out, '\\');
                    }
                    bytes_byte(out, *p);
                }
                bytes_text(out, "](%s_%d.%s)\n\n", text_str(&name), o->number, picture_kind(o));
            }
        }
    }
    while (out->n > 1 && out->data[out->n - 2] == '\n') {
        out->n--;
    }
    bytes_free(&name);
}

// ---- HTML --------------------------------------------------------------------------------------------------------

static const char *const page_style =
    "body{max-width:54em;margin:2em auto;padding:0 1em;color:#222;background:#fff}\n"
    "body{font:17px/1.5 Georgia,\"Noto Serif\",serif}\n"
    "h1,h2,h3,h4,th{font-family:Helvetica,Arial,\"Noto Sans\",sans-serif;line-height:1.25}\n"
    "h2{margin-top:1.8em;border-bottom:1px solid #ccc}\n"
    "p,ul,ol,blockquote{max-width:46em}\n"
    "pre,code{font-family:Menlo,Consolas,\"DejaVu Sans Mono\",monospace}\n"
    "pre{font-size:12px;line-height:1.45;padding:.7em 1em;margin:.8em 0;overflow-x:auto}\n"
    "pre.code{background:#f6f6f2;border-left:3px solid #0072b2}\n"
    "pre.out{background:#fff;border-left:3px solid #bbb}\n"
    "code{font-size:.84em;background:#f3f3f0;padding:.1em .25em}\n"
    "p.from{margin:.8em 0 -.5em;font-size:.9em;color:#555}\n"
    ".c{color:#4d6b4d}.s{color:#8a3b00}.p{color:#6a3d7c}.k{color:#00558c}\n"
    ".l{text-align:left}.r{text-align:right}\n"
    "img{display:block;max-width:100%;height:auto;margin:1em auto}\n"
    "table{border-collapse:collapse;margin:1em 0}\n"
    "td,th{border:1px solid #ccc;padding:.2em .6em}\n"
    "math{font-family:\"STIX Two Math\",\"Latin Modern Math\",\"Libertinus Math\",\"Cambria Math\",math}\n"
    "math{font-size:1.05em}\n"
    "math[display=block]{margin:.9em 0}\n"
    "mtd{padding:.2em .15em}\n"
    "blockquote{margin:1em 0;padding:0 1em;border-left:3px solid #ccc;color:#444}\n"
    "footer{margin-top:3em;border-top:1px solid #ccc;font-size:.85em;color:#555}\n"
    "@media print{\n"
    "body{max-width:none;margin:0;font-size:10.5pt}\n"
    "pre{font-size:7.2pt;white-space:pre-wrap;overflow:visible}\n"
    "pre.out,img,table,math[display=block]{break-inside:avoid}\n"
    "h1,h2,h3,p.from{break-after:avoid}\n"
    "}\n";

static inline void html_output(Bytes *out, Output *o) {
    if (o->kind == OUTPUT_TEXT) {
        text_puts(out, "<pre class=\"out\">");
        html_add(out, (const char *)o->data.data, o->data.n);
        text_puts(out, "</pre>\n");
        return;
    }
    // as an <img>, because identifiers inside two SVG pictures of one page could collide
    bytes_text(out, "<p><img src=\"data:image/%s;base64,", o->kind == OUTPUT_SVG ? "svg+xml" : "png");
    bytes_base64(out, o->data.data, o->data.n);
    text_puts(out, "\" alt=\"");
    html_add(out, text_str(&o->shows), o->shows.n);
    text_puts(out, "\"/></p>\n");
}

static inline void write_html(Bytes *out, Lab *lab) {
    Bytes title = {0}, name = {0};
    int i, k;
    lab_title(&title, lab);
    lab_name(&name, lab);
    text_puts(out, "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
                   "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>");
    html_add(out, text_str(&title), title.n);
    text_puts(out, "</title>\n<style>\n");
    text_puts(out, page_style);
    text_puts(out, "</style>\n</head>\n<body>\n");
    for (i = 0; i < lab->cells; i++) {
        Cell *cell = &lab->cell[i];
        const char *body = (const char *)cell->body.data;
        if (cell->kind == CELL_TEXT) {
            md_html(out, body, cell->body.n, lab->path, cell->line + 1);
            continue;
        }
        if (cell->kind == CELL_SHOW) {
            bytes_text(out, "<p class=\"from\"><code>%s</code> in <code>%s</code>:</p>\n", text_str(&cell->name),
                       text_str(&cell->path));
        }
        if (cell->body.n) {
            text_puts(out, "<pre class=\"code\">");
            code_html(out, body, cell->body.n);
            text_puts(out, "</pre>\n");
        }
        for (k = 0; k < cell->outputs; k++) {
            html_output(out, &cell->output[k]);
        }
    }
    bytes_text(out,
               "<footer><p><code>build/nb</code> made this page from <code>%s.c</code>, which it compiled and "
               "ran.</p></footer>\n",
               text_str(&name));
    text_puts(out, "</body>\n</html>\n");
    bytes_free(&title);
    bytes_free(&name);
}

// ---- notebook ----------------------------------------------------------------------------------------------------

// A text as JSON lines, each with its newline, the way Jupyter writes source and text.
static inline void json_lines(Bytes *out, const char *s, size_t n, int indent) {
    size_t start = 0, i;
    if (n == 0) {
        text_puts(out, "[]");
        return;
    }
    text_puts(out, "[");
    for (i = 0; i < n; i++) {
        if (s[i] == '\n' || i + 1 == n) {
            bytes_text(out, "%s\n%*s", start ? "," : "", indent + 1, "");
            json_add(out, s + start, i + 1 - start);
            start = i + 1;
        }
    }
    bytes_text(out, "\n%*s]", indent, "");
}

// Without the newlines at its end: a cell's source does not carry them.
static inline void json_source(Bytes *out, const Bytes *b) {
    size_t n = b->n;
    while (n && b->data[n - 1] == '\n') {
        n--;
    }
    text_puts(out, "   \"source\": ");
    json_lines(out, (const char *)b->data, n, 3);
    text_puts(out, "\n  }");
}

static inline void json_output(Bytes *out, Output *o) {
    if (o->kind == OUTPUT_TEXT) {
        text_puts(out, "    {\n     \"name\": \"stdout\",\n     \"output_type\": \"stream\",\n     \"text\": ");
        json_lines(out, (const char *)o->data.data, o->data.n, 5);
        text_puts(out, "\n    }");
        return;
    }
    text_puts(out, "    {\n     \"data\": {\n");
    if (o->kind == OUTPUT_PNG) {
        text_puts(out, "      \"image/png\": \"");
        bytes_base64(out, o->data.data, o->data.n);
        text_puts(out, "\"");
    } else {
        text_puts(out, "      \"image/svg+xml\": ");
        json_lines(out, (const char *)o->data.data, o->data.n, 6);
    }
    text_puts(out, ",\n      \"text/plain\": ");
    json_lines(out, text_str(&o->shows), o->shows.n, 6);
    text_puts(out, "\n     },\n     \"metadata\": {},\n     \"output_type\": \"display_data\"\n    }");
}

static inline void write_ipynb(Bytes *out, Lab *lab) {
    Bytes name = {0};
    int i, k, written = 0, run = 0;
    lab_name(&name, lab);
    text_puts(out, "{\n \"cells\": [\n");
    for (i = 0; i < lab->cells; i++) {
        Cell *cell = &lab->cell[i];
        int number = i + 1;
        uint64_t id = hash_bytes(HASH_START, text_str(&name), name.n);
        unsigned char low[2];
        low[0] = (unsigned char)(number & 255);
        low[1] = (unsigned char)(number >> 8);
        id = hash_bytes(id, low, 2);
        if (cell->kind == CELL_CODE && cell->body.n == 0 && cell->outputs == 0) {
            continue;
        }
        bytes_text(out, "%s  {\n   \"cell_type\": \"%s\",\n", written++ ? ",\n" : "",
                   cell->kind == CELL_CODE ? "code" : "markdown");
        if (cell->kind == CELL_CODE) {
            bytes_text(out, "   \"execution_count\": %d,\n", ++run);
        }
        bytes_text(out, "   \"id\": \"cell-%016llx\",\n   \"metadata\": {},\n", (unsigned long long)id);
        if (cell->kind == CELL_CODE) {
            text_puts(out, cell->outputs ? "   \"outputs\": [\n" : "   \"outputs\": [],\n");
            for (k = 0; k < cell->outputs; k++) {
                json_output(out, &cell->output[k]);
                text_puts(out, k + 1 < cell->outputs ? ",\n" : "\n   ],\n");
            }
        }
        if (cell->kind == CELL_SHOW) {
            Bytes text = {0};
            md_shown(&text, lab, cell);
            md_fenced(&text, "c", (const char *)cell->body.data, cell->body.n);
            json_source(out, &text);
            bytes_free(&text);
        } else {
            json_source(out, &cell->body);
        }
    }
    text_puts(out,
              "\n ],\n \"metadata\": {\n  \"kernelspec\": {\n   \"display_name\": \"C11\",\n   \"language\": \"c\",\n"
              "   \"name\": \"xc11\"\n  },\n  \"language_info\": {\n   \"codemirror_mode\": \"clike\",\n"
              "   \"file_extension\": \".c\",\n   \"mimetype\": \"text/x-csrc\",\n   \"name\": \"c\",\n"
              "   \"pygments_lexer\": \"c\"\n  }\n },\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n");
    bytes_free(&name);
}

#endif
