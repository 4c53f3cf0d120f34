// nb_markdown.h: the text cells.  A Markdown subset becomes HTML, and $math$ becomes the form that GitHub renders.
//
// The subset: headings, paragraphs, flat lists, quotes, tables, fenced code, rules; **strong**, *emphasis*, `code`,
// [links](address), $inline math$ and $$display math$$ on lines of its own.  What would look different in the three
// outputs (raw HTML, nested lists, pictures by address) is refused with the lab's line.
#ifndef TILT_NB_MARKDOWN_H
#define TILT_NB_MARKDOWN_H

#include "nb_span.h"

// ---- lines -------------------------------------------------------------------------------------------------------

typedef struct {
    const char *s;
    size_t n;
    int line; // in the lab
} Line;

typedef struct {
    Line *line;
    int n;
    const char *file;
} Markdown;

// Cuts the text into lines; the last one needs no newline.  `first` is the line number of the first byte.
static inline Markdown md_lines(const char *s, size_t n, const char *file, int first) {
    Markdown md = {NULL, 0, file};
    size_t i, start = 0;
    for (i = 0; i <= n; i++) {
        if (i == n ? start < n : s[i] == '\n') {
            md.line = (Line *)xrealloc(md.line, (size_t)md.n + 1, sizeof(Line));
            md.line[md.n].s = s + start;
            md.line[md.n].n = i - start;
            md.line[md.n].line = first + md.n;
            md.n++;
            start = i + 1;
        }
    }
    return md;
}

static inline int starts(const Line *l, const char *prefix) {
    return l->n >= strlen(prefix) && memcmp(l->s, prefix, strlen(prefix)) == 0;
}

static inline int is_blank(const Line *l) {
    size_t i;
    for (i = 0; i < l->n; i++) {
        if (l->s[i] != ' ' && l->s[i] != '\t') {
            return 0;
        }
    }
    return 1;
}

// ---- blocks ------------------------------------------------------------------------------------------------------

// The length of a list marker ("- " or "12. ") at the start of the line, 0 if there is none.
static inline size_t list_marker(const Line *l) {
    size_t i = 0;
    if (starts(l, "- ")) {
        return 2;
    }
    while (i < l->n && isdigit((unsigned char)l->s[i])) {
        i++;
    }
    return i > 0 && i + 1 < l->n && l->s[i] == '.' && l->s[i + 1] == ' ' ? i + 2 : 0;
}

static inline int starts_block(const Line *l) {
    return is_blank(l) || starts(l, "#") || starts(l, "```") || starts(l, "$$") || starts(l, "> ") || starts(l, "|") ||
           list_marker(l) > 0;
}

// Lines i .. end - 1 without their first `skip` bytes (all but the first line: blanks only), joined by newlines.
static inline void md_join(Bytes *text, const Markdown *md, int i, int end, size_t skip) {
    int k;
    for (k = i; k < end; k++) {
        const Line *l = &md->line[k];
        size_t from = k == i ? skip : 0;
        while (k > i && from < l->n && l->s[from] == ' ') {
            from++;
        }
        if (k > i) {
            bytes_byte(text, '\n');
        }
        bytes_add(text, l->s + from, l->n - from);
    }
}

static inline void md_text(Bytes *out, const Markdown *md, int i, int end, size_t skip) {
    Bytes text = {0};
    md_join(&text, md, i, end, skip);
    md_inline(out, text_str(&text), text.n, md->file, md->line[i].line);
    bytes_free(&text);
}

// The line after the one that closes the block opened at i by `fence`; dies if none does.
static inline int md_fence_end(const Markdown *md, int i, const char *fence, const char *what) {
    int k;
    for (k = i + 1; k < md->n; k++) {
        if (starts(&md->line[k], fence) && md->line[k].n == strlen(fence)) {
            return k;
        }
    }
    fail_at(md->file, md->line[i].line, "%s that begins here is not closed by a line %s", what, fence);
#if !defined(__GNUC__)
    return md->n;
#endif
}

// Is the line display math on one line, $$ ... $$?
static inline int md_one_line_math(const Line *l) {
    return l->n > 4 && starts(l, "$$") && memcmp(l->s + l->n - 2, "$$", 2) == 0;
}

static inline int md_list(Bytes *out, const Markdown *md, int i) {
    int ordered = !starts(&md->line[i], "- "), end;
    text_puts(out, ordered ? "<ol>\n" : "<ul>\n");
    while (i < md->n && list_marker(&md->line[i]) && ordered == !starts(&md->line[i], "- ")) {
        for (end = i + 1; end < md->n && starts(&md->line[end], "  ") && !is_blank(&md->line[end]); end++) {
            Line inner = md->line[end];
            while (inner.n && *inner.s == ' ') {
                inner.s++;
                inner.n--;
            }
            if (starts_block(&inner)) {
                fail_at(md->file, inner.line, "a block inside a list item; keep lists flat");
            }
        }
        text_puts(out, "<li>");
        md_text(out, md, i, end, list_marker(&md->line[i]));
        text_puts(out, "</li>\n");
        i = end;
        while (end < md->n && is_blank(&md->line[end])) {
            end++;
        }
        if (end < md->n && list_marker(&md->line[end]) && ordered == !starts(&md->line[end], "- ")) {
            i = end; // blank lines between the items of one list
        }
    }
    text_puts(out, ordered ? "</ol>\n" : "</ul>\n");
    return i;
}

enum { TABLE_COLUMNS = 32 };

// Where the cells of a table row begin and end, blanks cut off; returns their number.
static inline int table_cells(size_t *from, size_t *to, const Line *l, const char *file) {
    size_t a = 1, b;
    int n = 0;
    for (b = 1; b < l->n; b++) {
        if (l->s[b] == '\\') {
            b++; // \| is no border
        } else if (l->s[b] == '|') {
            if (n == TABLE_COLUMNS) {
                fail_at(file, l->line, "a table of more than %d columns; make it narrower", TABLE_COLUMNS);
            }
            from[n] = a;
            to[n] = b;
            while (from[n] < to[n] && l->s[from[n]] == ' ') {
                from[n]++;
            }
            while (to[n] > from[n] && l->s[to[n] - 1] == ' ') {
                to[n]--;
            }
            n++;
            a = b + 1;
        }
    }
    return l->s[l->n - 1] == '|' ? n : 0;
}

// | a | b | with a line of dashes under the first row; a column whose dashes end in ':' is set to the right.
static inline int md_table(Bytes *out, const Markdown *md, int i) {
    size_t from[TABLE_COLUMNS], to[TABLE_COLUMNS];
    int right[TABLE_COLUMNS], columns = 0, first = i, k;
    if (i + 1 < md->n && starts(&md->line[i + 1], "|") && strspn(md->line[i + 1].s, "|-: ") >= md->line[i + 1].n) {
        columns = table_cells(from, to, &md->line[i + 1], md->file);
    }
    if (columns == 0) {
        fail_at(md->file, md->line[i].line, "a table needs a line of |---|---| under its first row");
    }
    for (k = 0; k < columns; k++) {
        right[k] = to[k] > from[k] && md->line[i + 1].s[to[k] - 1] == ':';
    }
    text_puts(out, "<table>\n");
    for (; i < md->n && starts(&md->line[i], "|"); i++) {
        const Line *l = &md->line[i];
        const char *tag = i == first ? "th" : "td";
        int n = table_cells(from, to, l, md->file);
        if (n != columns) {
            fail_at(md->file, l->line,
                    "a table row of %d cells under %d columns; end each cell with |, and write \\mid for | in math", n,
                    columns);
        }
        text_puts(out, i == first + 1 ? "" : "<tr>");
        for (k = 0; k < n && i != first + 1; k++) {
            bytes_text(out, "<%s class=\"%s\">", tag, right[k] ? "r" : "l");
            md_inline(out, l->s + from[k], to[k] - from[k], md->file, l->line);
            bytes_text(out, "</%s>", tag);
        }
        text_puts(out, i == first + 1 ? "" : "</tr>\n");
    }
    text_puts(out, "</table>\n");
    return i;
}

// A text cell as HTML.
static inline void md_html(Bytes *out, const char *s, size_t n, const char *file, int first) {
    Markdown md = md_lines(s, n, file, first);
    int i = 0, end;
    while (i < md.n) {
        const Line *l = &md.line[i];
        if (is_blank(l)) {
            i++;
        } else if (starts(l, "#")) {
            size_t level = 0;
            while (level < l->n && l->s[level] == '#') {
                level++;
            }
            if (level > 4 || level + 1 >= l->n || l->s[level] != ' ') {
                fail_at(file, l->line, "a heading is one to four # and a blank");
            }
            bytes_text(out, "<h%d>", (int)level);
            md_inline(out, l->s + level + 1, l->n - level - 1, file, l->line);
            bytes_text(out, "</h%d>\n", (int)level);
            i++;
        } else if (starts(l, "```")) {
            end = md_fence_end(&md, i, "```", "the code block");
            text_puts(out, "<pre class=\"code\">");
            for (i = i + 1; i < end; i++) {
                html_add(out, md.line[i].s, md.line[i].n);
                bytes_byte(out, '\n');
            }
            text_puts(out, "</pre>\n");
            i = end + 1;
        } else if (md_one_line_math(l)) {
            tex_mathml(out, l->s + 2, l->n - 4, 1, file, l->line);
            text_puts(out, "\n");
            i++;
        } else if (starts(l, "$$")) {
            if (l->n > 2) {
                fail_at(file, l->line, "display math: put $$ on a line of its own, or the whole formula on one line");
            }
            end = md_fence_end(&md, i, "$$", "the display math");
            tex_mathml(out, md.line[i + 1].s, (size_t)(md.line[end].s - md.line[i + 1].s), 1, file, l->line + 1);
            text_puts(out, "\n");
            i = end + 1;
        } else if (starts(l, "> ")) {
            text_puts(out, "<blockquote>");
            for (; i < md.n && starts(&md.line[i], "> "); i++) {
                md_inline(out, md.line[i].s + 2, md.line[i].n - 2, file, md.line[i].line);
                text_puts(out, "\n");
            }
            text_puts(out, "</blockquote>\n");
        } else if (starts(l, "|")) {
            i = md_table(out, &md, i);
        } else if (list_marker(l)) {
            i = md_list(out, &md, i);
        } else if (starts(l, "---") && strspn(l->s, "-") >= l->n) {
            text_puts(out, "<hr/>\n");
            i++;
        } else {
            if (*l->s == ' ' || *l->s == '\t') {
                fail_at(file, l->line, "an indented line that continues no list item; start it at the left");
            }
            for (end = i + 1; end < md.n && !starts_block(&md.line[end]); end++) {
                if (strspn(md.line[end].s, "-=") >= md.line[end].n) {
                    fail_at(file, md.line[end].line, "an underlined heading; write # in front of it");
                }
            }
            text_puts(out, "<p>");
            md_text(out, &md, i, end, 0);
            text_puts(out, "</p>\n");
            i = end;
        }
    }
    free(md.line);
}

// ---- GitHub ------------------------------------------------------------------------------------------------------

// The same text with $x$ as $`x`$ and display math as a ```math block; the rest is left alone.
static inline void md_github(Bytes *out, const char *s, size_t n, const char *file, int first) {
    Markdown md = md_lines(s, n, file, first);
    int i, end;
    for (i = 0; i < md.n; i++) {
        const Line *l = &md.line[i];
        size_t j = 0, k;
        if (starts(l, "```")) {
            for (end = md_fence_end(&md, i, "```", "the code block"); i < end; i++) {
                bytes_add(out, md.line[i].s, md.line[i].n);
                bytes_byte(out, '\n');
            }
            text_puts(out, "```\n");
        } else if (md_one_line_math(l)) {
            size_t from = 2, to = l->n - 2; // without the blanks around the formula
            while (from < to && l->s[from] == ' ') {
                from++;
            }
            while (to > from && l->s[to - 1] == ' ') {
                to--;
            }
            bytes_text(out, "```math\n%.*s\n```\n", (int)(to - from), l->s + from);
        } else if (starts(l, "$$")) {
            text_puts(out, "```math\n");
            end = md_fence_end(&md, i, "$$", "the display math");
            for (i = i + 1; i < end; i++) {
                bytes_add(out, md.line[i].s, md.line[i].n);
                bytes_byte(out, '\n');
            }
            text_puts(out, "```\n");
        } else {
            while (j < l->n) {
                k = j + 1;
                if (l->s[j] == '\\' && k < l->n) {
                    k = j + 2;
                } else if (l->s[j] == '`' || l->s[j] == '$') {
                    k = span_end(l->s, l->n, j, file, l->line);
                }
                if (l->s[j] == '$') {
                    bytes_text(out, "$`%.*s`$", (int)(k - j - 2), l->s + j + 1);
                } else {
                    bytes_add(out, l->s + j, k - j);
                }
                j = k;
            }
            bytes_byte(out, '\n');
        }
    }
    free(md.line);
}

#endif
