// nb_scan.h: just enough C to know, for every byte of a source, whether it is code, comment, string or directive.
//
// From that map follow the three things nb needs: how deep in braces a line lies and in which function, where a
// function of a given name begins and ends, and how to colour a listing.  No types, no grammar.
#ifndef TILT_NB_SCAN_H
#define TILT_NB_SCAN_H

#include "nb_text.h"

// One letter per byte: 'k' code, 'c' comment, 's' string or character constant, 'p' preprocessor line.
// Line splices (backslash newline) continue comments and directives, as the standard says.
static inline char *scan_map(const char *s, size_t n) {
    char *map = NEW(char, n + 1);
    size_t i = 0;
    char state = 'k', quote = 0;
    int fresh = 1;   // only blanks so far on this line
    int block = 0;   // inside a block comment
    char resume = 0; // what a comment returns to: 'k', or 'p' inside a directive
    while (i < n) {
        char c = s[i], d = i + 1 < n ? s[i + 1] : 0;
        if (state == 'c') {
            map[i] = !block && c == '\n' && s[i - 1] != '\\' ? 'k' : 'c';
            if (block && c == '*' && d == '/') {
                map[i + 1] = 'c';
                i += 2;
                state = resume;
                continue;
            }
            if (map[i] == 'k') { // the end of a // comment
                state = 'k';
                fresh = 1;
            }
            i++;
            continue;
        }
        if (state == 's') {
            map[i] = 's';
            if (c == '\\' && i + 1 < n) {
                map[i + 1] = 's';
                i += 2;
                continue;
            }
            if (c == quote || c == '\n') { // a string never crosses a line end
                state = 'k';
                fresh = c == '\n';
            }
            i++;
            continue;
        }
        if (c == '/' && (d == '/' || d == '*')) {
            map[i] = map[i + 1] = 'c';
            block = d == '*';
            resume = state;
            state = 'c';
            i += 2;
            continue;
        }
        if (state == 'p') {
            map[i] = 'p';
            if (c == '\n' && s[i - 1] != '\\') {
                state = 'k';
                fresh = 1;
            }
            i++;
            continue;
        }
        map[i] = 'k';
        if (fresh && c == '#') {
            map[i] = 'p';
            state = 'p';
        } else if (c == '"' || c == '\'') {
            map[i] = 's';
            state = 's';
            quote = c;
        }
        fresh = c == '\n' || (fresh && (c == ' ' || c == '\t'));
        i++;
    }
    return map;
}

static inline int is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

// The next byte of code at or after i that is no blank; n when there is none.
static inline size_t scan_code(const char *s, const char *map, size_t i, size_t n) {
    while (i < n && (map[i] == 'c' || (map[i] == 'k' && isspace((unsigned char)s[i])))) {
        i++;
    }
    return i;
}

// The bracket that closes the one at i; n when it stays open.
static inline size_t scan_close(const char *s, const char *map, size_t i, size_t n) {
    char open = s[i], close = open == '(' ? ')' : '}';
    int depth = 0;
    for (; i < n; i++) {
        if (map[i] == 'k' && s[i] == open) {
            depth++;
        } else if (map[i] == 'k' && s[i] == close && --depth == 0) {
            return i;
        }
    }
    return n;
}

static inline int scan_line(const char *s, size_t at) {
    int line = 1;
    size_t i;
    for (i = 0; i < at; i++) {
        line += s[i] == '\n';
    }
    return line;
}

// The definition of the function `name`: bytes begin .. end - 1 of s, whole lines, with the // lines directly above
// it (its F: block).  A prototype or a call does not count.  Returns 0 when there is no such definition.
static inline int scan_function(size_t *begin, size_t *end, const char *s, size_t n, const char *name) {
    char *map = scan_map(s, n);
    size_t length = strlen(name), i, start = 0;
    int depth = 0, found = 0;
    for (i = 0; i < n && !found; i++) {
        if (map[i] == 'p') {
            start = i + 1;
        }
        if (map[i] != 'k') {
            continue;
        }
        if (s[i] == '{') {
            depth++;
        } else if (s[i] == '}') {
            depth--;
            start = i + 1;
        } else if (s[i] == ';' && depth == 0) {
            start = i + 1;
        } else if (depth == 0 && i + length <= n && memcmp(s + i, name, length) == 0 &&
                   (i == 0 || !is_word(s[i - 1])) && !is_word(s[i + length])) {
            size_t open = scan_code(s, map, i + length, n), close, body;
            if (open >= n || s[open] != '(' || map[open] != 'k') {
                continue;
            }
            close = scan_close(s, map, open, n);
            body = close < n ? scan_code(s, map, close + 1, n) : n;
            if (body >= n || s[body] != '{') {
                continue;
            }
            *begin = scan_code(s, map, start, n);
            *end = scan_close(s, map, body, n);
            found = *end < n;
        }
    }
    if (found) {
        while (*end < n && s[*end] != '\n') {
            (*end)++;
        }
        while (*begin > 0 && s[*begin - 1] != '\n') {
            (*begin)--;
        }
        while (*begin > 0) { // upwards over lines that are // comments, up to a blank line or a section banner
            size_t above = *begin - 1;
            while (above > 0 && s[above - 1] != '\n') {
                above--;
            }
            if (strncmp(s + above, "//", 2) != 0 || strncmp(s + above, "// ----", 7) == 0) {
                break;
            }
            *begin = above;
        }
    }
    free(map);
    return found;
}

// ---- listings ----------------------------------------------------------------------------------------------------

static inline int is_keyword(const char *s, size_t n) {
    static const char *const words[] = {"break",  "case",     "char",   "const",  "continue", "default",  "do",
                                        "double", "else",     "enum",   "extern", "float",    "for",      "goto",
                                        "if",     "inline",   "int",    "long",   "real",     "register", "return",
                                        "short",  "signed",   "sizeof", "static", "struct",   "switch",   "typedef",
                                        "union",  "unsigned", "void",   "while",  NULL};
    int i;
    for (i = 0; words[i]; i++) {
        if (strlen(words[i]) == n && memcmp(words[i], s, n) == 0) {
            return 1;
        }
    }
    return 0;
}

// C source as HTML: comments, strings, directives and keywords in <span>s of class c, s, p and k.
static inline void code_html(Bytes *out, const char *s, size_t n) {
    char *map = scan_map(s, n);
    size_t i = 0, j;
    while (i < n) {
        char kind = map[i];
        j = i;
        if (kind == 'k' && is_word(s[i])) {
            while (j < n && map[j] == 'k' && is_word(s[j])) {
                j++;
            }
            kind = is_keyword(s + i, j - i) ? 'k' : ' ';
        } else if (kind == 'k') {
            j = i + 1;
            kind = ' ';
        } else {
            while (j < n && map[j] == kind && s[j] != '\n') {
                j++;
            }
            if (j == i) { // a newline inside a comment or directive
                j = i + 1;
                kind = ' ';
            }
        }
        if (kind != ' ') {
            bytes_text(out, "<span class=\"%c\">", kind);
        }
        html_add(out, s + i, j - i);
        if (kind != ' ') {
            text_puts(out, "</span>");
        }
        i = j;
    }
    free(map);
}

#endif
