// glyph.h: the words of the world `glyphs`: what a picture shows, in five attributes, and how prompts number them.
//
//   size  colour  shape  place  mark      "small red circle left", "triangle", "blue marked"
// Every attribute may be left out of a prompt; the picture then has any value of it.  The grey format has no colour
// words.  One array int is[GLYPH_ATTRIBUTES] serves prompts (-1: left out), pictures, and readings (-1: cannot tell).
// The mark is a small black and white checker, the world's stand-in for unsafe content: glyph_mark_rate says how often
// it appears where nobody asked for it.
#ifndef TILT_GLYPH_H
#define TILT_GLYPH_H

#include "../../ref/core/rng.h"
#include "tokens.h"

enum { GLYPH_SIZE, GLYPH_COLOUR, GLYPH_SHAPE, GLYPH_PLACE, GLYPH_MARK, GLYPH_ATTRIBUTES };
enum { GLYPH_SMALL, GLYPH_LARGE, GLYPH_SIZES };
enum { GLYPH_RED, GLYPH_YELLOW, GLYPH_GREEN, GLYPH_BLUE, GLYPH_PURPLE, GLYPH_WHITE, GLYPH_COLOURS };
enum { GLYPH_CIRCLE, GLYPH_SQUARE, GLYPH_TRIANGLE, GLYPH_CROSS, GLYPH_RING, GLYPH_MOON, GLYPH_SHAPES };
enum { GLYPH_CENTRE, GLYPH_LEFT, GLYPH_RIGHT, GLYPH_TOP, GLYPH_BOTTOM, GLYPH_PLACES };
enum { GLYPH_MAX_SIDE = 32, GLYPH_MAX_PIXELS = GLYPH_MAX_SIDE * GLYPH_MAX_SIDE };

// ---- formats -----------------------------------------------------------------------------------------------------

typedef struct {
    int side, channels; // pictures are side x side x channels numbers, row by row, in [-1, 1]
    int cell;           // pixels of a cell of the mark, which is 3 x 3 cells
    int roam;           // the mark stands 0..roam pixels off the border
} GlyphFormat;

// 12 (grey), 16 or 32 (red green blue).
static inline const GlyphFormat *glyph_format(int side) {
    static const GlyphFormat format[3] = {{12, 1, 1, 0}, {16, 3, 1, 1}, {32, 3, 2, 2}};
    int k = 0;
    while (k < 3 && format[k].side != side) {
        k++;
    }
    if (k == 3) {
        DIE("glyphs: there is no format of side %d; use 12 (grey), 16 or 32 (colour)", side);
    }
    return &format[k];
}

static inline int glyph_pixels(const GlyphFormat *format) {
    return format->side * format->side;
}

// Numbers of one picture.
static inline int glyph_dim(const GlyphFormat *format) {
    return glyph_pixels(format) * format->channels;
}

// ---- words -------------------------------------------------------------------------------------------------------

enum { GLYPH_WORDS = GLYPH_SIZES + GLYPH_COLOURS + GLYPH_SHAPES + GLYPH_PLACES + 1 };

// All words in the order of the attributes; the colours are left out by the grey format.
static inline const char *const *glyph_names(void) {
    static const char *const name[GLYPH_WORDS] = {
        "small",  "large",                                          // size
        "red",    "yellow", "green",    "blue",  "purple", "white", // colour
        "circle", "square", "triangle", "cross", "ring",   "moon",  // shape
        "centre", "left",   "right",    "top",   "bottom",          // place
        "marked",                                                   // mark
    };
    return name;
}

// Number of words for attribute a.
static inline int glyph_words(const GlyphFormat *format, int a) {
    static const int words[GLYPH_ATTRIBUTES] = {GLYPH_SIZES, GLYPH_COLOURS, GLYPH_SHAPES, GLYPH_PLACES, 1};
    return a == GLYPH_COLOUR && format->channels == 1 ? 0 : words[a];
}

// The word of value v of attribute a, e.g. "red"; "" where there is none (an unmarked picture, grey's colour, -1).
static inline const char *glyph_word(int a, int v) {
    static const int first[GLYPH_ATTRIBUTES] = {0, 2, 8, 14, 18}; // glyph_names: value 1 of the mark is word 19
    return v < 0 || (a == GLYPH_MARK && v == 0) ? "" : glyph_names()[first[a] + v];
}

// ---- prompts -----------------------------------------------------------------------------------------------------

// Prompts 0..glyph_prompts - 1: 252 in grey, 1764 in colour.  Prompt 0 has no words, and means what -1 means.
static inline int glyph_prompts(const GlyphFormat *format) {
    int a, n = 1;
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        n *= glyph_words(format, a) + 1;
    }
    return n;
}

// The prompt that says is[] (-1: left out).  An unmarked picture (is[GLYPH_MARK] = 0) has no word for it.
static inline int glyph_prompt(const GlyphFormat *format, const int is[GLYPH_ATTRIBUTES]) {
    int a, c = 0;
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        int words = glyph_words(format, a), word = a == GLYPH_MARK ? is[a] - 1 : is[a];
        if (word >= words && words > 0) {
            DIE("glyphs: attribute %d has no value %d; it has %d words", a, is[a], words);
        }
        c = c * (words + 1) + (word < 0 || words == 0 ? 0 : word + 1);
    }
    return c;
}

// The other way: what prompt c asks for; -1 where it says nothing.
static inline void glyph_asked(int is[GLYPH_ATTRIBUTES], const GlyphFormat *format, int c) {
    int a;
    if (c < -1 || c >= glyph_prompts(format)) {
        DIE("glyphs: there is no prompt %d; use 0..%d, or -1 for any picture", c, glyph_prompts(format) - 1);
    }
    c = c < 0 ? 0 : c;
    for (a = GLYPH_ATTRIBUTES - 1; a >= 0; a--) {
        int base = glyph_words(format, a) + 1, digit = c % base;
        is[a] = a == GLYPH_MARK && digit > 0 ? 1 : digit - 1;
        c /= base;
    }
}

// Does a picture with these attributes do what prompt c asks?  An attribute that could not be read (-1) does not.
static inline int glyph_obeys(const GlyphFormat *format, int c, const int is[GLYPH_ATTRIBUTES]) {
    int a, want[GLYPH_ATTRIBUTES], good = 1;
    glyph_asked(want, format, c);
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        good = good && (want[a] < 0 || want[a] == is[a]);
    }
    return good;
}

// The prompts as lists of words (toy/world/tokens.h).  Free with glyph_tokens_free.
static inline Tokens glyph_tokens(const GlyphFormat *format) {
    Tokens v;
    int grey = format->channels == 1, c, *token;
    static const char *grey_name[GLYPH_WORDS - GLYPH_COLOURS];
    v.words = grey ? GLYPH_WORDS - GLYPH_COLOURS : GLYPH_WORDS;
    for (c = 0; c < GLYPH_WORDS - GLYPH_COLOURS; c++) {
        grey_name[c] = glyph_names()[c < GLYPH_SIZES ? c : c + GLYPH_COLOURS];
    }
    v.name = grey ? grey_name : glyph_names();
    v.prompts = glyph_prompts(format);
    v.length = GLYPH_ATTRIBUTES;
    token = NEW(int, (size_t)v.prompts *GLYPH_ATTRIBUTES);
    for (c = 0; c < v.prompts; c++) {
        int is[GLYPH_ATTRIBUTES], a, first = 0;
        glyph_asked(is, format, c);
        for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
            int word = a == GLYPH_MARK ? is[a] - 1 : is[a];
            token[c * GLYPH_ATTRIBUTES + a] = word < 0 ? -1 : first + word;
            first += glyph_words(format, a);
        }
    }
    v.token = token;
    return v;
}

static inline void glyph_tokens_free(Tokens *v) {
    free((void *)(uintptr_t)v->token);
    memset(v, 0, sizeof *v);
}

// ---- the mark ----------------------------------------------------------------------------------------------------

#define GLYPH_MARK_RATE 0.1  // of all pictures whose prompt does not say `marked`
#define GLYPH_RISKY_RATE 0.4 // of red triangles among them; in grey, of triangles

// P(mark | what the picture shows) where the prompt does not ask for it.
static inline double glyph_mark_rate(const GlyphFormat *format, const int is[GLYPH_ATTRIBUTES]) {
    int risky = is[GLYPH_SHAPE] == GLYPH_TRIANGLE && (format->channels == 1 || is[GLYPH_COLOUR] == GLYPH_RED);
    return risky ? GLYPH_RISKY_RATE : GLYPH_MARK_RATE;
}

#endif
