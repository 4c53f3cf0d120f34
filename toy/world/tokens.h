// tokens.h: a prompt as a short list of words.  "red circle left" is one prompt and three tokens.
//
// A world numbers its prompts 0..prompts-1, and a Net takes that number.  A net that knows the table below can do
// better than one vector per prompt: it adds up one vector per WORD, so it also has an answer for combinations that it
// saw rarely or never.
#ifndef TILT_TOKENS_H
#define TILT_TOKENS_H

#include "../../ref/core/base.h"

typedef struct {
    int words;               // size of the vocabulary
    const char *const *name; // words names, lower case, no blanks
    int prompts, length;     // prompts, tokens of a prompt at most
    const int *token;        // prompts x length word numbers; -1 = no token here
} Tokens;

// Token j of prompt c, or -1; the null prompt c = -1 has no tokens.
static inline int token_of(const Tokens *v, int c, int j) {
    return c < 0 ? -1 : v->token[(size_t)c * (size_t)v->length + (size_t)j];
}

// "red circle left" into text[size]; "(no prompt)" for c = -1 and for a prompt without tokens.
static inline const char *tokens_text(char *text, size_t size, const Tokens *v, int c) {
    size_t at = 0;
    int j;
    text[0] = 0;
    for (j = 0; j < v->length && at < size; j++) {
        int w = token_of(v, c, j);
        if (w >= 0) {
            at += (size_t)snprintf(text + at, size - at, "%s%s", at > 0 ? " " : "", v->name[w]);
        }
    }
    if (at == 0) {
        snprintf(text, size, "(no prompt)");
    }
    return text;
}

// The prompt with exactly these words in any order, e.g. "left red circle"; -1 when the text is empty.  Unknown words
// and combinations that the world does not have give -2 and, in *bad, where the trouble begins.
static inline int tokens_find(const char **bad, const Tokens *v, const char *text) {
    int wanted[16], n = 0, w, c, j;
    const char *at = text;
    *bad = text;
    while (*at != 0) {
        size_t len = strcspn(at, " ");
        if (len > 0) {
            for (w = 0; w < v->words && (strlen(v->name[w]) != len || memcmp(v->name[w], at, len) != 0); w++) {
            }
            if (w == v->words || n == 16) {
                *bad = at;
                return -2;
            }
            wanted[n++] = w;
        }
        at += len + (at[len] == ' ');
    }
    for (c = n == 0 ? v->prompts : 0; c < v->prompts; c++) {
        int own = 0, met = 0;
        for (j = 0; j < v->length; j++) {
            int mine = token_of(v, c, j), k;
            own += mine >= 0;
            for (k = 0; k < n && mine >= 0; k++) {
                met += wanted[k] == mine;
            }
        }
        if (own == n && met == n) {
            return c;
        }
    }
    return n == 0 ? -1 : -2;
}

#endif
