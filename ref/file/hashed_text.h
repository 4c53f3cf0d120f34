// hashed_text.h: text files that people read and that carry their own hash: line 1 names the format, line 2 is the hash
// of all that follows, line 3 counts what is in it.
//
//   HashedText file = hashed_text_open("data/digits8x8.txt", "# tilt digits 1", 1 << 20);
//   int n = hashed_text_count(&file, "# images ", 10000);        // "# images 1797", then '#' lines for people
//   const char *line = hashed_text_line(&length, &file);         // ... as often as the format says
//   hashed_text_close(&file);                                    // nothing may follow
//
// A file is hostile until checked: a byte that changed by accident (an editor, a line end, a lost tail) gives one line
// that names the place.  The hash is no protection against a forger, so the lines below it are checked as well.
#ifndef TILT_HASHED_TEXT_H
#define TILT_HASHED_TEXT_H

#include "atomic.h"

enum { HASHED_TEXT_LINE = 200 }; // longest line: one that a person can read

typedef struct {
    const char *path;
    Bytes text;
    size_t at; // where the reader is
    int line;  // number of the line last returned, from 1
} HashedText;

// Ends the program: file, line, the words, and the way out.
#define HASHED_TEXT_REFUSE(file, ...)                                                                             \
    do {                                                                                                          \
        char why_[200];                                                                                           \
        snprintf(why_, sizeof why_, __VA_ARGS__);                                                                 \
        DIE("%s line %d: %s; restore the file, e.g. with 'git checkout data'", (file)->path, (file)->line, why_); \
    } while (0)

// The next line without its newline (and without a closing NUL); its length in *length.  A line that does not end in a
// newline was cut off.
static inline const char *hashed_text_line(size_t *length, HashedText *file) {
    const char *start = (const char *)file->text.data + file->at;
    size_t n = 0, left = file->text.n - file->at;
    file->line++;
    while (n < left && start[n] != '\n') {
        n++;
    }
    if (n == left) {
        HASHED_TEXT_REFUSE(file, left ? "the last line has no end, the file was cut off" : "the file ends too early");
    }
    if (n > 0 && start[n - 1] == '\r') {
        HASHED_TEXT_REFUSE(file, "ends in CR LF, an editor or git (core.autocrlf) changed the line ends");
    }
    if (n > HASHED_TEXT_LINE) {
        HASHED_TEXT_REFUSE(file, "%zu characters long, %d are allowed", n, HASHED_TEXT_LINE);
    }
    file->at += n + 1;
    *length = n;
    return start;
}

// Does the line start with this text?
static inline int hashed_text_starts(const char *line, size_t length, const char *text) {
    size_t n = strlen(text);
    return length >= n && memcmp(line, text, n) == 0;
}

// The value of a hexadecimal digit, small letters only, or -1.
static inline int hex_digit(int ch) {
    return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

// Takes over the bytes of a file.  Line 1 must be `magic`; line 2 carries the hash, which is verified before anything
// else is parsed.
static inline HashedText hashed_text_decode(Bytes text, const char *path, const char *magic) {
    static const char head[] = "# fnv1a64 ", tail[] = " of every byte after this line";
    HashedText file = {path, {NULL, 0, 0}, 0, 0};
    size_t n, k, at = sizeof head - 1;
    const char *line;
    uint64_t want = 0, got;
    file.text = text;
    line = hashed_text_line(&n, &file);
    if (n != strlen(magic) || memcmp(line, magic, n) != 0) {
        HASHED_TEXT_REFUSE(&file, "is not '%s', so this is another file", magic);
    }
    line = hashed_text_line(&n, &file);
    if (n != at + 16 + sizeof tail - 1 || !hashed_text_starts(line, n, head) ||
        memcmp(line + at + 16, tail, sizeof tail - 1) != 0) {
        HASHED_TEXT_REFUSE(&file, "is not '%s', 16 hexadecimal digits, '%s'", head, tail);
    }
    for (k = at; k < at + 16; k++) {
        if (hex_digit((unsigned char)line[k]) < 0) {
            HASHED_TEXT_REFUSE(&file, "character %zu of the hash is no hexadecimal digit", k + 1);
        }
        want = want << 4 | (uint64_t)hex_digit((unsigned char)line[k]);
    }
    got = hash_bytes(HASH_START, file.text.data + file.at, file.text.n - file.at);
    if (got != want) {
        HASHED_TEXT_REFUSE(&file, "promises hash %016llx, the bytes below have %016llx: cut off or damaged",
                           (unsigned long long)want, (unsigned long long)got);
    }
    return file;
}

static inline HashedText hashed_text_open(const char *path, const char *magic, size_t limit) {
    static const char hint[] = "Run from the repository root; data/README.md says how the file was made.";
    return hashed_text_decode(file_read(path, limit, hint), path, magic);
}

// The number N of a line "KEYn", 1..most; then further '#' lines, which are for people, are skipped.
static inline int hashed_text_count(HashedText *file, const char *key, int most) {
    size_t length, k;
    const char *line = hashed_text_line(&length, file);
    int n = 0, ok = hashed_text_starts(line, length, key) && length > strlen(key);
    for (k = strlen(key); ok && k < length; k++) {
        ok = line[k] >= '0' && line[k] <= '9' && n <= most;
        n = ok ? 10 * n + (line[k] - '0') : n;
    }
    if (!ok || n < 1 || n > most) {
        HASHED_TEXT_REFUSE(file, "is not '%sN' with N = 1..%d", key, most);
    }
    while (file->at < file->text.n && file->text.data[file->at] == '#') {
        hashed_text_line(&length, file);
    }
    return n;
}

// Before item i of n is read: the file must not end here.
static inline void hashed_text_more(HashedText *file, int i, int n) {
    if (file->at == file->text.n) {
        HASHED_TEXT_REFUSE(file, "is the last, after %d of %d images", i, n);
    }
}

// The reader must have come to the end.
static inline void hashed_text_close(HashedText *file) {
    if (file->at != file->text.n) {
        HASHED_TEXT_REFUSE(file, "should be the last, but more bytes follow");
    }
    bytes_free(&file->text);
}

#endif
