// digits.h: 1,797 handwritten digits as 8x8 pictures; the prompt is the digit.  Real data, and small enough to read.
//
// A picture is a row of 64 numbers in [-1, 1]: paper is -1, full ink is +1, k sixteenths of ink are k/8 - 1 (exact in
// float).  Pixel (column i, row j from the top) is number 8 j + i.  The file and its origin: data/README.md.
// The loader treats the file as hostile: it returns correct data or ends the program with one line that names the line.
#ifndef TILT_DIGITS_H
#define TILT_DIGITS_H

#include "../../ref/core/rng.h"

#define DIGITS_PATH "data/digits8x8.txt" // programs run from the repository root
enum { DIGIT_SIDE = 8, DIGIT_PIXELS = 64, DIGIT_CLASSES = 10, DIGIT_INK = 16 };
enum { DIGITS_MAX_IMAGES = 10000, DIGITS_MAX_BYTES = 1 << 20, DIGITS_LINE = 2 + DIGIT_PIXELS, DIGITS_MAX_LINE = 200 };

typedef struct {
    int n;                    // images
    real *x;                  // n x 64, in [-1, 1]
    int *label;               // n, the digit 0..9 = the prompt
    int count[DIGIT_CLASSES]; // images of each digit
    int *of[DIGIT_CLASSES];   // their indices, ascending; of[d] has count[d]
    int *index;               // n: the memory behind of[]
} Digits;

// ---- reading -----------------------------------------------------------------------------------------------------

// The file in memory, and where the reader is.
typedef struct {
    const char *path;
    char *text;
    size_t size, at;
    int line; // number of the line last returned, from 1
} DigitsFile;

#define DIGITS_REFUSE(file, ...)                                                                                       \
    do {                                                                                                               \
        char why_[160];                                                                                                \
        snprintf(why_, sizeof why_, __VA_ARGS__);                                                                      \
        DIE("%s line %d: %s; restore the file with 'git checkout %s'", (file)->path, (file)->line, why_, DIGITS_PATH); \
    } while (0)

static inline DigitsFile digits_read(const char *path) {
    FILE *in = open_or_die(path, "rb", "Run from the repository root; data/README.md says how the file was made.");
    DigitsFile file;
    file.path = path;
    file.text = NEW(char, DIGITS_MAX_BYTES + 1);
    file.size = fread(file.text, 1, DIGITS_MAX_BYTES + 1, in);
    file.at = 0;
    file.line = 0;
    if (ferror(in)) {
        DIE("cannot read '%s': is it a folder? Wanted the digits, see data/README.md", path);
    }
    fclose(in);
    if (file.size > DIGITS_MAX_BYTES) {
        DIE("%s: larger than %d bytes; this is not the file of digits, see data/README.md", path, DIGITS_MAX_BYTES);
    }
    return file;
}

// The next line without its newline; its length in *length.  A line that does not end in a newline was cut off.
static inline const char *digits_line(size_t *length, DigitsFile *file) {
    const char *start = file->text + file->at;
    size_t n = 0, left = file->size - file->at;
    file->line++;
    while (n < left && start[n] != '\n') {
        n++;
    }
    if (n == left) {
        DIGITS_REFUSE(file, left ? "the last line has no end, the file was cut off" : "the file ends too early");
    }
    if (n > 0 && start[n - 1] == '\r') {
        DIGITS_REFUSE(file, "ends in CR LF, an editor or git (core.autocrlf) changed the line ends");
    }
    if (n > DIGITS_MAX_LINE) {
        DIGITS_REFUSE(file, "%lu characters long, %d are allowed", (unsigned long)n, DIGITS_MAX_LINE);
    }
    file->at += n + 1;
    *length = n;
    return start;
}

// Does the line start with this text?
static inline int digits_starts(const char *line, size_t length, const char *text) {
    size_t n = strlen(text);
    return length >= n && memcmp(line, text, n) == 0;
}

// Line 1 names the format; line 2 carries a hash of all bytes after it, which is verified before anything is parsed.
static inline void digits_check_hash(DigitsFile *file) {
    static const char magic[] = "# tilt digits 1", head[] = "# fnv1a64 ", tail[] = " of every byte after this line";
    size_t n, k, at = sizeof head - 1;
    const char *line = digits_line(&n, file);
    uint64_t want = 0, got;
    if (n != sizeof magic - 1 || memcmp(line, magic, n) != 0) {
        DIGITS_REFUSE(file, "is not '%s', so this is no file of digits", magic);
    }
    line = digits_line(&n, file);
    if (n != at + 16 + sizeof tail - 1 || !digits_starts(line, n, head) || memcmp(line + at + 16, tail, n - at - 16)) {
        DIGITS_REFUSE(file, "is not '%s', 16 hexadecimal digits, '%s'", head, tail);
    }
    for (k = at; k < at + 16; k++) {
        const char *hex = "0123456789abcdef", *digit = line[k] ? strchr(hex, line[k]) : NULL;
        if (digit == NULL) {
            DIGITS_REFUSE(file, "character %lu of the hash is no hexadecimal digit", (unsigned long)k + 1);
        }
        want = want << 4 | (uint64_t)(digit - hex);
    }
    got = hash_bytes(HASH_START, file->text + file->at, file->size - file->at);
    if (got != want) {
        DIGITS_REFUSE(file, "promises hash %016llx, the bytes below have %016llx: cut off or damaged",
                      (unsigned long long)want, (unsigned long long)got);
    }
}

// "# images N"; then further '#' lines, which are for people.
static inline int digits_head(DigitsFile *file) {
    static const char key[] = "# images ";
    size_t length, k;
    const char *line = digits_line(&length, file);
    int n = 0;
    if (!digits_starts(line, length, key) || length == sizeof key - 1 || length > sizeof key + 4) {
        DIGITS_REFUSE(file, "is not '%sN' with N = 1..%d", key, DIGITS_MAX_IMAGES);
    }
    for (k = sizeof key - 1; k < length; k++) {
        if (line[k] < '0' || line[k] > '9') {
            DIGITS_REFUSE(file, "is not '%sN' with N = 1..%d", key, DIGITS_MAX_IMAGES);
        }
        n = 10 * n + (line[k] - '0');
    }
    if (n < 1 || n > DIGITS_MAX_IMAGES) {
        DIGITS_REFUSE(file, "promises %d images; 1..%d are allowed", n, DIGITS_MAX_IMAGES);
    }
    while (file->at < file->size && file->text[file->at] == '#') {
        digits_line(&length, file);
    }
    return n;
}

// "7 005d91...": the label and 64 pixels in base 17.
static inline int digits_image(real *x, DigitsFile *file) {
    size_t length, k;
    const char *line = digits_line(&length, file);
    if (length != DIGITS_LINE || line[0] < '0' || line[0] > '9' || line[1] != ' ') {
        DIGITS_REFUSE(file, "is not a label 0..9, a space and %d pixels", DIGIT_PIXELS);
    }
    for (k = 2; k < DIGITS_LINE; k++) {
        int ch = (unsigned char)line[k];
        int ink = ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'g' ? ch - 'a' + 10 : -1;
        if (ink < 0) {
            DIGITS_REFUSE(file, "character %lu has code %d; pixels are 0..9 a..g", (unsigned long)k + 1, ch);
        }
        x[k - 2] = (real)(ink * (2.0 / DIGIT_INK) - 1.0);
    }
    return line[0] - '0';
}

static inline void digits_index(Digits *d) {
    int i, k, *next = d->index;
    for (k = 0; k < DIGIT_CLASSES; k++) {
        d->of[k] = next;
        d->count[k] = 0;
        for (i = 0; i < d->n; i++) {
            if (d->label[i] == k) {
                d->of[k][d->count[k]++] = i;
            }
        }
        next += d->count[k];
    }
}

// Reads DIGITS_PATH or another file of the same form.
static inline Digits digits_load(const char *path) {
    DigitsFile file = digits_read(path);
    Digits d;
    int i;
    digits_check_hash(&file);
    d.n = digits_head(&file);
    d.x = NEW(real, (size_t)d.n * DIGIT_PIXELS);
    d.label = NEW(int, (size_t)d.n);
    d.index = NEW(int, (size_t)d.n);
    for (i = 0; i < d.n; i++) {
        if (file.at == file.size) {
            DIGITS_REFUSE(&file, "is the last, after %d of %d images", i, d.n);
        }
        d.label[i] = digits_image(d.x + (size_t)i * DIGIT_PIXELS, &file);
    }
    if (file.at != file.size) {
        DIGITS_REFUSE(&file, "is image %d of %d, but more bytes follow", d.n, d.n);
    }
    free(file.text);
    digits_index(&d);
    return d;
}

static inline void digits_free(Digits *d) {
    free(d->x);
    free(d->label);
    free(d->index);
    memset(d, 0, sizeof *d);
}

// ---- samples -----------------------------------------------------------------------------------------------------

// Number i of a stream: the index of a uniformly drawn image, of digit c, or of any digit for c = -1.
static inline int digits_draw(const Digits *d, int c, uint64_t seed, uint64_t stream, uint64_t i) {
    if (c < -1 || c >= DIGIT_CLASSES || (c >= 0 && d->count[c] == 0)) {
        DIE("digits: there is no image for prompt %d; use 0..9 or -1 for all", c);
    }
    return c < 0 ? (int)rng_below(seed, stream, i, (uint64_t)d->n)
                 : d->of[c][rng_below(seed, stream, i, (uint64_t)d->count[c])];
}

// n images as rows of x (n x 64), draws first .. first + n - 1 of the stream.  c_in: one prompt per row, or NULL for
// all digits; c_out: the labels drawn, or NULL.
static inline void digits_batch(real *x, int *c_out, const int *c_in, size_t n, const Digits *d, uint64_t seed,
                                uint64_t stream, uint64_t first) {
    size_t i;
    for (i = 0; i < n; i++) {
        int k = digits_draw(d, c_in ? c_in[i] : -1, seed, stream, first + i);
        memcpy(x + i * DIGIT_PIXELS, d->x + (size_t)k * DIGIT_PIXELS, DIGIT_PIXELS * sizeof *x);
        if (c_out) {
            c_out[i] = d->label[k];
        }
    }
}

#endif
