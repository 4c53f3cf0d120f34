// feed.h: answers as text, from a pipe or a file, for readers who are programs and for tests.
//
//   <   left      the left one is better          =   tie       neither is
//   >   right     the right one                   u   undo      q   quit
//
// Words are separated by blanks or line ends; single signs may also stand together, `<<>=`.  '#' starts a comment.
#ifndef TILT_FEED_H
#define TILT_FEED_H

#include "../../ref/core/base.h"

enum { FEED_LIMIT = 1 << 20 }; // bytes

typedef enum { SAY_LEFT, SAY_RIGHT, SAY_TIE, SAY_UNDO, SAY_QUIT, SAY_NOTHING } Say; // SAY_NOTHING: no such answer

typedef struct {
    char *text;
    size_t n, at;
    size_t line;      // from 1
    const char *name; // for messages
} Feed;

// All of a stream, which is read to its end.
static inline Feed feed_read(FILE *in, const char *name) {
    Feed f;
    f.text = NEW(char, FEED_LIMIT + 1);
    f.n = fread(f.text, 1, FEED_LIMIT + 1, in);
    f.at = 0;
    f.line = 1;
    f.name = name;
    if (ferror(in)) {
        DIE("%s cannot be read; is it a folder?", name);
    }
    if (f.n > FEED_LIMIT) {
        DIE("%s: more than %d bytes; nobody has answered that often", name, FEED_LIMIT);
    }
    return f;
}

static inline void feed_free(Feed *f) {
    free(f->text);
    f->text = NULL;
}

static inline int feed_blank_(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Skips blanks and comments; 1 if something follows.
static inline int feed_more(Feed *f) {
    while (f->at < f->n && (feed_blank_(f->text[f->at]) || f->text[f->at] == '#')) {
        if (f->text[f->at] == '#') {
            while (f->at < f->n && f->text[f->at] != '\n') {
                f->at++;
            }
        } else {
            f->line += f->text[f->at++] == '\n';
        }
    }
    return f->at < f->n;
}

static inline Say feed_sign_(char c) {
    static const char signs[] = "<>=uq";
    const char *at = c != '\0' ? strchr(signs, c) : NULL;
    return at != NULL ? (Say)(at - signs) : SAY_NOTHING;
}

// The next answer; SAY_QUIT at the end.
static inline Say feed_next(Feed *f) {
    static const char *const words[] = {"left", "right", "tie", "undo", "quit"};
    size_t length = 0, i;
    if (!feed_more(f)) {
        return SAY_QUIT;
    }
    while (f->at + length < f->n && !feed_blank_(f->text[f->at + length]) && f->text[f->at + length] != '#') {
        length++;
    }
    for (i = 0; i < 5; i++) {
        if (strlen(words[i]) == length && memcmp(f->text + f->at, words[i], length) == 0) {
            f->at += length;
            return (Say)i;
        }
    }
    for (i = 0; i < length; i++) { // every sign of the run must be one, or the error would come after half of it
        if (feed_sign_(f->text[f->at + i]) == SAY_NOTHING) {
            char shown[21];
            for (i = 0; i < 20 && i < length; i++) {
                char c = f->text[f->at + i];
                shown[i] = c > 32 && c < 127 ? c : '?';
            }
            shown[i] = '\0';
            DIE("%s, line %zu: '%s' is no answer; use < > = u q, or left right tie undo quit", f->name, f->line, shown);
        }
    }
    return feed_sign_(f->text[f->at++]);
}

#endif
