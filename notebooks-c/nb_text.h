// nb_text.h: errors that name a line of the lab, clean text in, and the escapes of HTML and JSON.
//
// Everything nb writes is built in memory first (Bytes, ref/file/bytes.h), so an error leaves the old outputs alone.
#ifndef TILT_NB_TEXT_H
#define TILT_NB_TEXT_H

#include <ctype.h>

#include "../ref/file/atomic.h"

// One line that names the place in the lab, exit 1: "tilt: LAB.c:12: what is wrong; what to do".
#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 3, 4)))
#endif
static inline void
fail_at(const char *file, int line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "tilt: %s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

// ---- text in -----------------------------------------------------------------------------------------------------

static inline void text_puts(Bytes *b, const char *s) {
    bytes_add(b, s, strlen(s));
}

// The bytes as a C string; the closing NUL is not counted in n.
static inline const char *text_str(Bytes *b) {
    *bytes_room(b, 1) = 0;
    return (const char *)b->data;
}

// The number of bytes of the UTF-8 character at s (n bytes left), 0 if it is not one that a page may carry:
// overlong forms, surrogates and control characters other than newline and tab are refused.
static inline size_t utf8_length(const unsigned char *s, size_t n) {
    size_t length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4, i;
    unsigned long code;
    if (s[0] < 0x80) {
        return (s[0] >= 0x20 && s[0] != 0x7f) || s[0] == '\n' || s[0] == '\t';
    }
    if (s[0] < 0xc2 || s[0] > 0xf4 || length > n) {
        return 0;
    }
    code = s[0] & (0xffu >> (length + 1));
    for (i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (s[i] & 0x3fu);
    }
    if ((length == 3 && code < 0x800) || (length == 4 && code < 0x10000) || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000) || (code >= 0x80 && code < 0xa0)) {
        return 0;
    }
    return length;
}

// The whole file as text: CR LF becomes LF, so that a checkout on Windows renders the same bytes; anything but clean
// UTF-8 is refused.  `hint` says what to do about a missing file.
static inline Bytes text_read(const char *path, size_t limit, const char *hint) {
    Bytes b = file_read(path, limit, hint);
    size_t i, n = 0;
    for (i = 0; i < b.n; i++) {
        if (b.data[i] != '\r' || i + 1 == b.n || b.data[i + 1] != '\n') {
            b.data[n++] = b.data[i];
        }
    }
    b.n = n;
    for (i = 0; i < b.n;) {
        size_t length = utf8_length(b.data + i, b.n - i);
        if (length == 0) {
            DIE("'%s': byte 0x%02x at offset %zu is no printable UTF-8 and a page cannot carry it; write plain text",
                path, (unsigned)b.data[i], i);
        }
        i += length;
    }
    text_str(&b);
    return b;
}

// Names and commands pass through system(), so only plain characters are let through.
static inline void plain_characters(const char *text, const char *what, const char *extra) {
    const char *p;
    for (p = text; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("_./-", *p) && !strchr(extra, *p)) {
            DIE("%s '%s' has the character '%c'; use letters, digits and _ . / - only", what, text,
                isprint((unsigned char)*p) ? *p : '?');
        }
    }
}

static inline void plain_name(const char *name, const char *what) {
    plain_characters(name, what, "");
    if (name[0] == 0 || name[0] == '-') {
        DIE("%s '%s' is empty or begins with '-'; give it a plain name", what, name);
    }
}

// ---- escapes -----------------------------------------------------------------------------------------------------

// n bytes as HTML text, also good inside double quotes.
static inline void html_add(Bytes *out, const char *s, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        const char *name = s[i] == '&' ? "&amp;" : s[i] == '<' ? "&lt;" : s[i] == '>' ? "&gt;" : "&quot;";
        if (strchr("&<>\"", s[i]) && s[i]) {
            text_puts(out, name);
        } else {
            bytes_byte(out, s[i]);
        }
    }
}

// A JSON string with its quotes.
static inline void json_add(Bytes *out, const char *s, size_t n) {
    size_t i;
    bytes_byte(out, '"');
    for (i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\') {
            bytes_byte(out, '\\');
            bytes_byte(out, s[i]);
        } else if (s[i] == '\n') {
            text_puts(out, "\\n");
        } else if (s[i] == '\t') {
            text_puts(out, "\\t");
        } else {
            bytes_byte(out, s[i]); // other control bytes were refused by text_read
        }
    }
    bytes_byte(out, '"');
}

#endif
