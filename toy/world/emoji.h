// emoji.h: 508 real pictures with real prompts: Noto emoji of animals, plants, food and places, 16x16 in 32 colours.
//
// A picture is a row of 768 numbers in [-1, 1]: row by row from the top, three numbers (red, green, blue) a pixel; the
// background is white, +1.  Its prompt is a list of words: category, kind, name, as in "food fruit red apple".
// The prompts of the world, n pictures first:
//   0 .. n-1                         one picture each          "food fruit red apple"
//   n .. n+categories-1              a whole category          "food"
//   n+categories .. +kinds-1         a whole kind              "food fruit"
// The file and its origin: data/README.md.  The loader returns correct data or ends the program with one line.
#ifndef TILT_EMOJI_H
#define TILT_EMOJI_H

#include "../../ref/file/hashed_text.h"
#include "tokens.h"

#define EMOJI_PATH "data/emoji16.txt" // programs run from the repository root
enum { EMOJI_SIDE = 16, EMOJI_CHANNELS = 3, EMOJI_PIXELS = 256, EMOJI_NUMBERS = 768, EMOJI_COLOURS = 32 };
enum { EMOJI_LENGTH = 8, EMOJI_LETTERS = 15 }; // most words of a prompt, most letters of a word
enum { EMOJI_MAX_IMAGES = 2000, EMOJI_MAX_BYTES = 1 << 20 };

static const char emoji_symbols[] = ".0123456789abcdefghijklmnopqrstu"; // of the colours in the file, in this order

typedef struct {
    int n;                              // pictures
    real *x;                            // n x 768
    unsigned char (*colour)[3];         // 32 colours, red green blue 0..255
    int categories, kinds;              // how many there are
    int *category, *kind;               // n: numbers of the category 0.. and of the kind 0.. of a picture
    Tokens tokens;                      // the words of every prompt
    int *token;                         // the memory behind tokens: prompts x EMOJI_LENGTH,
    const char **name;                  //   words,
    char (*letters)[EMOJI_LETTERS + 1]; //   and their letters
} Emoji;

// ---- reading -----------------------------------------------------------------------------------------------------

// 32 lines "a f1a74c": the symbol of a colour, red, green and blue in hexadecimal.
static inline void emoji_palette(Emoji *e, HashedText *file) {
    int k, j;
    for (k = 0; k < EMOJI_COLOURS; k++) {
        size_t length;
        const char *line = hashed_text_line(&length, file);
        if (length != 8 || line[0] != emoji_symbols[k] || line[1] != ' ') {
            HASHED_TEXT_REFUSE(file, "is not colour '%c', a space and 6 hexadecimal digits", emoji_symbols[k]);
        }
        for (j = 0; j < 3; j++) {
            int high = hex_digit((unsigned char)line[2 + 2 * j]), low = hex_digit((unsigned char)line[3 + 2 * j]);
            if (high < 0 || low < 0) {
                HASHED_TEXT_REFUSE(file, "colour '%c' is not 6 hexadecimal digits", emoji_symbols[k]);
            }
            e->colour[k][j] = (unsigned char)(16 * high + low);
        }
    }
}

// The number of a word, a new one if it was not met before.
static inline int emoji_word(Emoji *e, const char *word, size_t length) {
    int w;
    for (w = 0; w < e->tokens.words; w++) {
        if (strlen(e->letters[w]) == length && memcmp(e->letters[w], word, length) == 0) {
            return w;
        }
    }
    memcpy(e->letters[w], word, length);
    e->letters[w][length] = 0;
    e->name[w] = e->letters[w];
    e->tokens.words++;
    return w;
}

// "food fruit red apple" as the tokens of picture i; at least three words, none twice.
static inline void emoji_prompt(Emoji *e, int i, HashedText *file) {
    int *token = e->token + (size_t)i * EMOJI_LENGTH, words = 0, j;
    size_t length, at = 0, n;
    const char *line = hashed_text_line(&length, file);
    for (; at <= length; at += n + 1) {
        for (n = 0; at + n < length && line[at + n] >= 'a' && line[at + n] <= 'z'; n++) {
        }
        if (n == 0 || n > EMOJI_LETTERS || (at + n < length && line[at + n] != ' ') || words == EMOJI_LENGTH) {
            HASHED_TEXT_REFUSE(file, "is not 3..%d words of 1..%d small letters", EMOJI_LENGTH, EMOJI_LETTERS);
        }
        token[words] = emoji_word(e, line + at, n);
        for (j = 0; j < words; j++) {
            if (token[j] == token[words]) {
                HASHED_TEXT_REFUSE(file, "has the word '%s' twice", e->name[token[j]]);
            }
        }
        words++;
    }
    if (words < 3) {
        HASHED_TEXT_REFUSE(file, "has %d words; category, kind and a name are needed", words);
    }
    for (j = 0; j < i; j++) { // no other picture has the same words, in whatever order
        const int *other = e->token + (size_t)j * EMOJI_LENGTH;
        int own = 0, met = 0, a, b;
        for (a = 0; a < EMOJI_LENGTH && other[a] >= 0; a++) {
            own++;
            for (b = 0; b < words; b++) {
                met += token[b] == other[a];
            }
        }
        if (own == words && met == words) {
            HASHED_TEXT_REFUSE(file, "has the words of picture %d; every prompt means one picture", j + 1);
        }
    }
}

// 16 lines of 16 symbols.
static inline void emoji_picture(real *x, const Emoji *e, HashedText *file) {
    int i, j, k;
    for (j = 0; j < EMOJI_SIDE; j++) {
        size_t length;
        const char *line = hashed_text_line(&length, file);
        if (length != EMOJI_SIDE) {
            HASHED_TEXT_REFUSE(file, "has %zu symbols; a row of a picture has %d", length, EMOJI_SIDE);
        }
        for (i = 0; i < EMOJI_SIDE; i++) {
            const char *symbol = line[i] != 0 ? strchr(emoji_symbols, line[i]) : NULL;
            if (symbol == NULL) {
                HASHED_TEXT_REFUSE(file, "symbol %d has code %d; colours are . 0..9 a..u", i + 1,
                                   (unsigned char)line[i]);
            }
            for (k = 0; k < EMOJI_CHANNELS; k++) {
                int value = e->colour[symbol - emoji_symbols][k];
                x[(j * EMOJI_SIDE + i) * EMOJI_CHANNELS + k] = (real)(value / 127.5 - 1.0);
            }
        }
    }
}

// Numbers categories and kinds in the order of the file and appends their prompts.
static inline void emoji_groups(Emoji *e, const char *path) {
    int *first_of_kind = NEW(int, (size_t)e->n), *first_of_category = NEW(int, (size_t)e->n), i, k;
    e->categories = e->kinds = 0;
    for (i = 0; i < e->n; i++) {
        const int *token = e->token + (size_t)i * EMOJI_LENGTH;
        for (k = 0; k < e->categories && e->token[(size_t)first_of_category[k] * EMOJI_LENGTH] != token[0]; k++) {
        }
        e->category[i] = k;
        if (k == e->categories) {
            first_of_category[e->categories++] = i;
        }
        for (k = 0; k < e->kinds && e->token[(size_t)first_of_kind[k] * EMOJI_LENGTH + 1] != token[1]; k++) {
        }
        e->kind[i] = k;
        if (k == e->kinds) {
            first_of_kind[e->kinds++] = i;
        }
        if (e->category[first_of_kind[k]] != e->category[i]) {
            DIE("%s: kind '%s' belongs to the categories of picture %d and of picture %d; it may have one", path,
                e->name[token[1]], first_of_kind[k] + 1, i + 1);
        }
    }
    e->tokens.prompts = e->n + e->categories + e->kinds;
    for (k = 0; k < e->categories + e->kinds; k++) { // one word, or two
        int *token = e->token + (size_t)(e->n + k) * EMOJI_LENGTH, whole = k < e->categories;
        const int *from =
            e->token + EMOJI_LENGTH * (size_t)(whole ? first_of_category[k] : first_of_kind[k - e->categories]);
        token[0] = from[0];
        token[1] = whole ? -1 : from[1];
    }
    free(first_of_kind);
    free(first_of_category);
}

// Takes over the bytes of a file.
static inline Emoji emoji_decode(Bytes text, const char *path) {
    HashedText file = hashed_text_decode(text, path, "# tilt emoji 1");
    Emoji e;
    size_t n, i;
    memset(&e, 0, sizeof e);
    e.n = hashed_text_count(&file, "# images ", EMOJI_MAX_IMAGES);
    n = (size_t)e.n;
    e.x = NEW(real, n * EMOJI_NUMBERS);
    e.colour = (unsigned char(*)[3])xcalloc(EMOJI_COLOURS, 3);
    e.category = NEW(int, n);
    e.kind = NEW(int, n);
    e.token = NEW(int, 3 * n * EMOJI_LENGTH); // there are at most n categories and n kinds
    e.name = (const char **)xcalloc(n * EMOJI_LENGTH, sizeof *e.name);
    e.letters = (char(*)[EMOJI_LETTERS + 1]) xcalloc(n * EMOJI_LENGTH, sizeof *e.letters);
    for (i = 0; i < 3 * n * EMOJI_LENGTH; i++) {
        e.token[i] = -1;
    }
    emoji_palette(&e, &file);
    for (i = 0; i < n; i++) {
        hashed_text_more(&file, (int)i, e.n);
        emoji_prompt(&e, (int)i, &file);
        emoji_picture(e.x + i * EMOJI_NUMBERS, &e, &file);
    }
    hashed_text_close(&file);
    emoji_groups(&e, path);
    e.tokens.name = e.name;
    e.tokens.length = EMOJI_LENGTH;
    e.tokens.token = e.token;
    return e;
}

// Reads EMOJI_PATH or another file of the same form.
static inline Emoji emoji_load(const char *path) {
    static const char hint[] = "Run from the repository root; data/README.md says how the file was made.";
    return emoji_decode(file_read(path, EMOJI_MAX_BYTES, hint), path);
}

static inline void emoji_free(Emoji *e) {
    free(e->x);
    free(e->colour);
    free(e->category);
    free(e->kind);
    free(e->token);
    free((void *)e->name);
    free(e->letters);
    memset(e, 0, sizeof *e);
}

// ---- prompts -----------------------------------------------------------------------------------------------------

// The prompts that ask for picture k, for anything of its category, for anything of its kind.
static inline int emoji_prompt_category(const Emoji *e, int k) {
    return e->n + e->category[k];
}

static inline int emoji_prompt_kind(const Emoji *e, int k) {
    return e->n + e->categories + e->kind[k];
}

// Is picture k an answer to prompt c?  The null prompt -1 takes every picture; k = -1 is no picture.
static inline int emoji_answers(const Emoji *e, int k, int c) {
    return k >= 0 && (c < 0 || c == k || c == emoji_prompt_category(e, k) || c == emoji_prompt_kind(e, k));
}

#endif
