// nb_span.h: the inside of a line of text: `code`, $math$, **strong**, *emphasis* and [links](address), as HTML.
//
// The rules are those of CommonMark as far as they go; what would look different on GitHub, in Jupyter and here is
// refused with the line of the lab.
#ifndef TILT_NB_SPAN_H
#define TILT_NB_SPAN_H

#include "nb_scan.h"
#include "nb_tex.h"

// The end (one past) of the code span or inline formula that begins at i; both close on their own line.
static inline size_t span_end(const char *s, size_t n, size_t i, const char *file, int line) {
    char mark = s[i];
    size_t j;
    if (i + 1 < n && s[i + 1] == mark) {
        fail_at(file, line,
                mark == '$' ? "display math $$ stands on lines of its own"
                            : "a code span begins with one back-tick, and a code block stands on its own lines");
    }
    for (j = i + 1; j < n && s[j] != '\n'; j++) {
        if (mark == '$' && s[j] == '\\') {
            j++;
        } else if (mark == '$' && s[j] == '`') {
            fail_at(file, line, "a back-tick inside $math$; GitHub needs it as the delimiter");
        } else if (s[j] == mark) {
            if (mark == '$' && (s[i + 1] == ' ' || s[j - 1] == ' ')) {
                fail_at(file, line,
                        "blanks inside the dollar signs of inline math; write $x$, or \\$ for a dollar sign");
            }
            return j + 1;
        }
    }
    fail_at(file, line,
            mark == '$' ? "inline math $... is not closed on its line; close it, or write \\$ for a dollar sign"
                        : "a code span is not closed on its line; close it with a back-tick");
#if !defined(__GNUC__)
    return n;
#endif
}

static inline int span_is_word(const char *s, size_t n, size_t i) {
    return i < n && (is_word(s[i]) || (unsigned char)s[i] >= 0x80);
}

// May the run of `length` stars at i open (or close) emphasis?  The flanking rule of CommonMark.
static inline int span_flanks(const char *s, size_t n, size_t i, size_t length, int closing) {
    int before_blank = i == 0 || isspace((unsigned char)s[i - 1]);
    int after_blank = i + length >= n || isspace((unsigned char)s[i + length]);
    int before_word = i > 0 && span_is_word(s, n, i - 1), after_word = span_is_word(s, n, i + length);
    if (closing) {
        return !before_blank && (before_word || after_blank || !after_word);
    }
    return !after_blank && (after_word || before_blank || !before_word);
}

// Where the stars that close the emphasis opened at i stand.
static inline size_t span_star(const char *s, size_t n, size_t i, size_t length, const char *file, int line) {
    size_t j = i + length;
    while (j < n) {
        if (s[j] == '\\') {
            j += 2;
        } else if (s[j] == '`' || s[j] == '$') {
            j = span_end(s, n, j, file, line);
        } else if (s[j] == '*') {
            size_t run = j;
            while (run < n && s[run] == '*') {
                run++;
            }
            if (run - j == length && span_flanks(s, n, j, length, 1)) {
                return j;
            }
            j = run;
        } else {
            j++;
        }
    }
    fail_at(file, line, "emphasis %.*s is not closed; close it, or write \\* for a star", (int)length, "**");
#if !defined(__GNUC__)
    return n;
#endif
}

// Running text as HTML.  Newlines inside s count lines from `line`.
static inline void md_inline(Bytes *out, const char *s, size_t n, const char *file, int line) {
    size_t i = 0, j;
    while (i < n) {
        char c = s[i], next = i + 1 < n ? s[i + 1] : 0;
        if (c == '\\' && ispunct((unsigned char)next)) {
            html_add(out, s + i + 1, 1);
            i += 2;
        } else if (c == '`') {
            j = span_end(s, n, i, file, line);
            text_puts(out, "<code>");
            html_add(out, s + i + 1, j - i - 2);
            text_puts(out, "</code>");
            i = j;
        } else if (c == '$') {
            j = span_end(s, n, i, file, line);
            tex_mathml(out, s + i + 1, j - i - 2, 0, file, line);
            i = j;
        } else if (c == '*') {
            size_t length = next == '*' ? 2 : 1;
            if (!span_flanks(s, n, i, length, 0)) {
                html_add(out, s + i, length);
                i += length;
                continue;
            }
            j = span_star(s, n, i, length, file, line);
            text_puts(out, length == 2 ? "<strong>" : "<em>");
            md_inline(out, s + i + length, j - i - length, file, line);
            text_puts(out, length == 2 ? "</strong>" : "</em>");
            for (; i < j + length; i++) {
                line += s[i] == '\n';
            }
        } else if (c == '[') {
            size_t close = i;
            while (close < n && s[close] != ']' && s[close] != '\n') {
                close++;
            }
            if (close + 1 >= n || s[close] != ']' || s[close + 1] != '(') {
                html_add(out, s + i, 1);
                i++;
                continue;
            }
            for (j = close + 2; j < n && s[j] != ')' && !isspace((unsigned char)s[j]); j++) {
            }
            if (j >= n || s[j] != ')') {
                fail_at(file, line, "the address of a link is not closed; write [text](address)");
            }
            text_puts(out, "<a href=\"");
            html_add(out, s + close + 2, j - close - 2);
            text_puts(out, "\">");
            md_inline(out, s + i + 1, close - i - 1, file, line);
            text_puts(out, "</a>");
            i = j + 1;
        } else if (c == '!' && next == '[') {
            fail_at(file, line, "a picture by address; a code cell draws its pictures with cell_picture");
        } else if (c == '<' && (isalpha((unsigned char)next) || strchr("/!?", next)) && next) {
            fail_at(file, line, "raw HTML; write Markdown, or `code` for a literal <");
        } else if (c == '_' && !(i > 0 && span_is_word(s, n, i - 1)) && span_is_word(s, n, i + 1)) {
            fail_at(file, line, "emphasis with underscores; use *stars*, or `code` for a name");
        } else {
            html_add(out, s + i, 1);
            line += c == '\n';
            i++;
        }
    }
}

#endif
