// nb_tex_read.h: below the grammar of nb_tex.h: reading commands and raw letters, other faces, signs and their space.
#ifndef TILT_NB_TEX_READ_H
#define TILT_NB_TEX_READ_H

#include "nb_symbols.h"

typedef struct {
    const char *s;
    size_t n, at;
    const char *file;
    int line; // of s[0] in the file
    int depth;
    int script; // > 0 inside a script: signs stand close there, as in TeX
} Tex;

// ---- reading -----------------------------------------------------------------------------------------------------

static inline int tex_line(const Tex *t) {
    int line = t->line;
    size_t i;
    for (i = 0; i < t->at && i < t->n; i++) {
        line += t->s[i] == '\n';
    }
    return line;
}

static inline void tex_blanks(Tex *t) {
    while (t->at < t->n && strchr(" \t\n", t->s[t->at])) {
        t->at++;
    }
}

static inline int tex_peek(Tex *t) {
    tex_blanks(t);
    return t->at < t->n ? (unsigned char)t->s[t->at] : -1;
}

// Does the text go on with the word (a command is not followed by another letter)?
static inline int tex_looking_at(Tex *t, const char *word) {
    size_t length = strlen(word);
    tex_blanks(t);
    if (t->n - t->at < length || memcmp(t->s + t->at, word, length) != 0) {
        return 0;
    }
    return word[0] != '\\' || !isalpha((unsigned char)word[length - 1]) || t->at + length == t->n ||
           !isalpha((unsigned char)t->s[t->at + length]);
}

static inline void tex_expect(Tex *t, const char *word, const char *after) {
    if (!tex_looking_at(t, word)) {
        fail_at(t->file, tex_line(t), "math: %s must be followed by %s", after, word);
    }
    t->at += strlen(word);
}

// After a backslash: letters, or one other character.
static inline void tex_command(Tex *t, char name[32]) {
    size_t length = 0;
    t->at++;
    while (t->at + length < t->n && isalpha((unsigned char)t->s[t->at + length])) {
        length++;
    }
    if (length == 0 && t->at < t->n) {
        length = 1;
    }
    if (length == 0 || length > 31) {
        fail_at(t->file, tex_line(t),
                "math: a backslash begins no command here; see the TeX subset in "
                "notebooks-c/README.md");
    }
    memcpy(name, t->s + t->at, length);
    name[length] = 0;
    t->at += length;
}

// {raw characters} up to the matching brace, of which only those in `allowed` and letters may occur.
static inline void tex_raw(Tex *t, Bytes *out, const char *command, const char *allowed) {
    tex_expect(t, "{", command);
    while (t->at < t->n && t->s[t->at] != '}') {
        char c = t->s[t->at];
        if (!isalpha((unsigned char)c) && !strchr(allowed, c)) {
            fail_at(t->file, tex_line(t), "math: %s{...} cannot carry the character '%c'", command,
                    isprint((unsigned char)c) ? c : '?');
        }
        bytes_byte(out, c);
        t->at++;
    }
    tex_expect(t, "}", command);
    text_str(out);
}

// ---- letters in another face -------------------------------------------------------------------------------------

static inline void utf8_add(Bytes *out, unsigned long code) {
    if (code >= 0x10000) {
        bytes_byte(out, (int)(0xf0 | code >> 18));
        bytes_byte(out, (int)(0x80 | (code >> 12 & 63)));
    } else {
        bytes_byte(out, (int)(0xe0 | code >> 12));
    }
    bytes_byte(out, (int)(0x80 | (code >> 6 & 63)));
    bytes_byte(out, (int)(0x80 | (code & 63)));
}

// The mathematical alphabets of Unicode; some letters were there before them and have their old place.
static inline void tex_face(Tex *t, Bytes *out, const char *command) {
    static const unsigned long holes[][3] = {
        // letter, double-struck, script
        {'C', 0x2102, 0},      {'H', 0x210d, 0x210b}, {'N', 0x2115, 0}, {'P', 0x2119, 0}, {'Q', 0x211a, 0},
        {'R', 0x211d, 0x211b}, {'Z', 0x2124, 0},      {'B', 0, 0x212c}, {'E', 0, 0x2130}, {'F', 0, 0x2131},
        {'I', 0, 0x2110},      {'L', 0, 0x2112},      {'M', 0, 0x2133},
    };
    Bytes raw = {0};
    size_t i, k;
    int face = strcmp(command, "\\mathbb") == 0 ? 1 : strcmp(command, "\\mathcal") == 0 ? 2 : 0;
    tex_raw(t, &raw, command, "");
    for (i = 0; i < raw.n; i++) {
        unsigned long c = raw.data[i], code;
        if (c >= 'a' && face) {
            fail_at(t->file, tex_line(t), "math: %s takes capital letters only", command);
        }
        code = face == 1 ? 0x1d538 + c - 'A' : face == 2 ? 0x1d49c + c - 'A' : 0x1d400 + c - 'A';
        if (c >= 'a') {
            code = 0x1d41a + c - 'a';
        }
        for (k = 0; k < sizeof holes / sizeof holes[0]; k++) {
            code = holes[k][0] == c && face && holes[k][face] ? holes[k][face] : code;
        }
        text_puts(out, "<mi>");
        utf8_add(out, code);
        text_puts(out, "</mi>");
    }
    bytes_free(&raw);
}

// ---- signs -------------------------------------------------------------------------------------------------------

// A sign, placed by its class; `before` is the class of the atom on its left.
static inline void tex_sign(const Tex *t, Bytes *out, const char *sign, AtomClass cls, AtomClass before) {
    const char *close = t->script ? " lspace=\"0\" rspace=\"0\"" : "";
    int unary = before == ATOM_NONE || before == ATOM_BINARY || before == ATOM_RELATION || before == ATOM_OPEN ||
                before == ATOM_PUNCT || before == ATOM_FUNCTION || before == ATOM_SUM || before == ATOM_LIMIT;
    switch (cls) {
    case ATOM_BINARY:
        bytes_text(out, "<mo form=\"%s\"%s>%s</mo>", unary ? "prefix" : "infix", close, sign);
        break;
    case ATOM_RELATION:
        close = t->script ? close : " lspace=\"0.278em\" rspace=\"0.278em\"";
        bytes_text(out, "<mo form=\"infix\" stretchy=\"false\"%s>%s</mo>", close, sign);
        break;
    case ATOM_OPEN:
    case ATOM_CLOSE:
        bytes_text(out, "<mo form=\"%s\" stretchy=\"false\">%s</mo>", cls == ATOM_OPEN ? "prefix" : "postfix", sign);
        break;
    case ATOM_PUNCT:
        bytes_text(out, "<mo separator=\"true\">%s</mo>", sign);
        break;
    case ATOM_FUNCTION:
        bytes_text(out, "<mi>%s</mi>", sign);
        break;
    case ATOM_LIMIT:
        bytes_text(out, "<mo form=\"prefix\" movablelimits=\"true\" lspace=\"0\" rspace=\"0\">%s</mo>", sign);
        break;
    case ATOM_SUM:
        bytes_text(out, "<mo form=\"prefix\" movablelimits=\"true\">%s</mo>", sign);
        break;
    case ATOM_INTEGRAL:
        bytes_text(out, "<mo form=\"prefix\">%s</mo>", sign);
        break;
    case ATOM_SPACE:
        bytes_text(out, "<mspace width=\"%s\"></mspace>", sign);
        break;
    default: // |, ‖, / and the like: no space of their own
        bytes_text(out, "<mo form=\"infix\" stretchy=\"false\" lspace=\"0\" rspace=\"0\">%s</mo>", sign);
    }
}

#endif
