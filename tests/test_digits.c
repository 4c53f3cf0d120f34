// test_digits.c: the digits file, exactly; its loader against hostile files; batches; ink and loops on real data.
//
// With an argument the program loads that file and exits: the hostile tests run it on damaged files through system().
// Written for a POSIX shell.
#include "../toy/feedback/rewards.h"
#include "../toy/world/digits.h"
#include "harness.h"

enum { SEED = 11 };
enum { STREAM_ANY = 200, STREAM_CLASS, STREAM_PROMPT, STREAM_FLIP };

// ---- the data ----------------------------------------------------------------------------------------------------

static void test_data(const Digits *d) {
    static const int want[DIGIT_CLASSES] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
    // The first two lines of the CSV file this data came from.
    static const int first[2][DIGIT_PIXELS] = {
        {0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0,  11, 8, 0, 0, 4, 12, 0,  0,  8, 8, 0,
         0, 5, 8, 0,  0, 9, 8, 0, 0, 4, 11, 0,  1,  12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6,  13, 10, 0, 0, 0},
        {0, 0, 0, 12, 13, 5, 0, 0, 0, 0, 0, 11, 16, 9, 0, 0, 0, 0, 3, 15, 16, 6, 0, 0, 0, 7, 15, 16, 16, 2,  0, 0,
         0, 0, 1, 16, 16, 3, 0, 0, 0, 0, 1, 16, 16, 6, 0, 0, 0, 0, 1, 16, 16, 6, 0, 0, 0, 0, 0,  11, 16, 10, 0, 0}};
    long ink = 0, sixteens = 0, levels[DIGIT_INK + 1] = {0};
    int i, k, bad = 0, total = 0;
    CHECK(d->n == 1797, "%d images", d->n);
    for (k = 0; k < DIGIT_CLASSES; k++) {
        CHECK(d->count[k] == want[k], "digit %d: %d images, want %d", k, d->count[k], want[k]);
        total += d->count[k];
        for (i = 0; i < d->count[k]; i++) {
            bad += d->label[d->of[k][i]] != k || (i > 0 && d->of[k][i] <= d->of[k][i - 1]);
        }
    }
    CHECK(total == d->n && bad == 0, "%d indices, %d wrong", total, bad);
    for (i = 0; i < d->n * DIGIT_PIXELS; i++) {
        double level = ((double)d->x[i] + 1) * 8;
        bad += !(level >= 0 && level <= 16 && level == floor(level));
        if (level >= 0 && level <= 16) {
            levels[(int)level]++;
        }
        ink += (long)level;
        sixteens += level == 16;
    }
    CHECK(bad == 0, "%d pixels are no sixteenths", bad);
    CHECK(ink == 561718, "all ink: %ld", ink); // zcat digits.csv.gz | awk -F, '{for(i=1;i<65;i++)s+=$i} END{print s}'
    CHECK(sixteens == 10456, "full pixels: %ld", sixteens);
    for (i = 0; i < 2; i++) {
        for (k = 0; k < DIGIT_PIXELS; k++) {
            NEAR((double)d->x[i * DIGIT_PIXELS + k], first[i][k] / 8.0 - 1, 0, 0);
        }
    }
    CHECK(d->label[0] == 0 && d->label[1] == 1 && d->label[1796] == 8, "first labels, last label");
}

static void test_batches(const Digits *d) {
    enum { N = 20000 };
    real *x = NEW(real, (size_t)N * DIGIT_PIXELS), *again = NEW(real, (size_t)N * DIGIT_PIXELS);
    int *label = NEW(int, N), *c = NEW(int, N), *drawn = NEW(int, (size_t)d->n);
    int hits[DIGIT_CLASSES] = {0}, i, k, bad = 0, most = 0;
    digits_batch(x, label, NULL, N, d, SEED, STREAM_ANY, 0);
    for (i = 0; i < N; i++) {
        int image = digits_draw(d, -1, SEED, STREAM_ANY, (uint64_t)i);
        size_t bytes = DIGIT_PIXELS * sizeof(real);
        bad += label[i] != d->label[image];
        bad += memcmp(x + (size_t)i * DIGIT_PIXELS, d->x + (size_t)image * DIGIT_PIXELS, bytes) != 0;
        hits[label[i]]++;
        drawn[image]++;
    }
    CHECK(bad == 0, "%d rows are not the image that was drawn", bad);
    for (k = 0; k < DIGIT_CLASSES; k++) {
        double p = d->count[k] / (double)d->n;
        AGREES(hits[k] / (double)N, sqrt(p * (1 - p) / N), p);
    }
    for (i = 0; i < d->n; i++) { // 11.1 draws an image on average; none beyond 7 standard deviations
        most = drawn[i] > most ? drawn[i] : most;
        bad += drawn[i] == 0;
    }
    CHECK(most < 11.13 + 7 * sqrt(11.13) && bad < 3, "one image was drawn %d times, %d never", most, bad);
    digits_batch(again, NULL, NULL, 300, d, SEED, STREAM_ANY, 0);
    digits_batch(again + (size_t)300 * DIGIT_PIXELS, NULL, NULL, N - 300, d, SEED, STREAM_ANY, 300);
    CHECK(memcmp(x, again, (size_t)N * DIGIT_PIXELS * sizeof(real)) == 0, "two pieces differ from one batch");
    digits_batch(again, NULL, NULL, N, d, SEED + 1, STREAM_ANY, 0);
    CHECK(memcmp(x, again, (size_t)N * DIGIT_PIXELS * sizeof(real)) != 0, "the seed has no effect");
    for (i = 0; i < N; i++) {
        c[i] = (int)rng_below(SEED, STREAM_PROMPT, (uint64_t)i, DIGIT_CLASSES);
    }
    digits_batch(x, label, c, N, d, SEED, STREAM_CLASS, 0);
    CHECK(memcmp(c, label, N * sizeof(int)) == 0, "a prompt drew another digit");
    free(x);
    free(again);
    free(label);
    free(c);
    free(drawn);
}

// ---- hostile files -----------------------------------------------------------------------------------------------

static const char *self;    // this program
static char bad_path[64];   // the damaged file
static char error_path[64]; // what the loader said
static char code_path[64];  // its exit code

static char *read_all(size_t *size, const char *path) {
    FILE *f = open_or_die(path, "rb", "needed by test_digits");
    char *text = NEW(char, 1 << 21);
    *size = fread(text, 1, (1 << 21) - 1, f);
    fclose(f);
    return text;
}

static void write_all(const char *path, const char *text, size_t size) {
    FILE *f = open_or_die(path, "wb", "needed by test_digits");
    CHECK(fwrite(text, 1, size, f) == size && fclose(f) == 0, "cannot write %s", path);
}

// Runs the loader on a file: exit code, and its message (static) with its number of lines.
static int load_outside(const char **message, int *lines, const char *path) {
    static char *text = NULL;
    char command[512];
    size_t size, i;
    int code;
    sprintf(command, "ASAN_OPTIONS=detect_leaks=0 '%s' '%s' >/dev/null 2>%s; echo $? >%s", self, path, error_path,
            code_path);
    CHECK(system(command) == 0, "cannot run the loader");
    text = read_all(&size, code_path);
    code = atoi(text);
    free(text);
    text = read_all(&size, error_path);
    *lines = 0;
    for (i = 0; i < size; i++) {
        *lines += text[i] == '\n';
    }
    *message = text;
    return code;
}

// The loader must refuse: exit 1, one line, which names the line number (0: no line number expected).
static void refuses(const char *what, const char *path, int line) {
    const char *message;
    char place[32];
    int lines, code = load_outside(&message, &lines, path);
    sprintf(place, " line %d: ", line);
    CHECK(code == 1, "%s: exit %d, %s", what, code, message);
    CHECK(lines == 1 && strncmp(message, "tilt: ", 6) == 0, "%s: %d lines, %s", what, lines, message);
    CHECK(line == 0 || strstr(message, place) != NULL, "%s: wanted 'line %d' in %s", what, line, message);
    free((void *)message);
}

static void refuses_text(const char *what, const char *text, size_t size, int line) {
    write_all(bad_path, text, size);
    refuses(what, bad_path, line);
}

// Writes the text with a correct hash in line 2: what follows must be refused by its own test.
static void refuses_hashed(const char *what, const char *text, size_t size, int line) {
    const char *body = strchr(strchr(text, '\n') + 1, '\n') + 1;
    size_t left = size - (size_t)(body - text);
    char *copy = NEW(char, size + 100);
    uint64_t hash = hash_bytes(HASH_START, body, left);
    int head = sprintf(copy, "# tilt digits 1\n# fnv1a64 %08lx%08lx of every byte after this line\n",
                       (unsigned long)(hash >> 32), (unsigned long)(hash & 0xffffffffu));
    memcpy(copy + head, body, left);
    refuses_text(what, copy, (size_t)head + left, line);
    free(copy);
}

static void refuses_rehashed(const char *what, const char *text, int line) {
    refuses_hashed(what, text, strlen(text), line);
}

// text with the first `old` replaced by `new_`, after position `from`.
static char *replaced(const char *text, const char *old, const char *new_, size_t from) {
    char *copy = NEW(char, strlen(text) + strlen(new_) + 1);
    const char *at = strstr(text + from, old);
    if (at == NULL) {
        DIE("test_digits: no '%s' in the data", old);
    }
    memcpy(copy, text, (size_t)(at - text));
    strcpy(copy + (at - text), new_);
    strcat(copy, at + strlen(old));
    return copy;
}

static void test_hostile(void) {
    static const char first_image[] = "0 005d9100";
    size_t size, k;
    char *text = read_all(&size, DIGITS_PATH), *t;
    const char *message;
    int lines;
    write_all(bad_path, text, size);
    CHECK(load_outside(&message, &lines, bad_path) == 0 && lines == 0, "the good file is refused: %s", message);
    free((void *)message);
    refuses("missing", "build/test_tmp/no_such_file", 0);
    refuses("folder", "build/test_tmp", 0);
    refuses_text("empty", "", 0, 1);
    refuses_text("not digits", "hello\n", 6, 1);
    refuses_text("head only", text, 16, 2);
    for (k = 0; k < 8; k++) { // cut off: in the head, at line ends, in a line
        static const size_t at[] = {1, 15, 40, 72, 500, 60000, 120827, 120760};
        refuses_text("cut off", text, at[k], at[k] < 16 ? 1 : 2);
    }
    for (k = 0; k < 40; k++) { // one flipped bit anywhere
        size_t at = (size_t)rng_below(SEED, STREAM_FLIP, 2 * k, size);
        int bit = 1 << rng_below(SEED, STREAM_FLIP, 2 * k + 1, 8);
        text[at] = (char)(text[at] ^ bit);
        refuses_text("bit flip", text, size, 0);
        text[at] = (char)(text[at] ^ bit);
    }
    for (k = 0; k < 72; k += 3) { // and in the first two lines, which the hash does not cover
        text[k] = (char)(text[k] ^ 1);
        refuses_text("bit flip in the head", text, size, 0);
        text[k] = (char)(text[k] ^ 1);
    }
    t = NEW(char, 1100000);
    memset(t, '#', 1100000);
    memcpy(t, text, size);
    write_all(bad_path, t, 1100000);
    load_outside(&message, &lines, bad_path);
    CHECK(strstr(message, "larger than the 1048576 bytes") != NULL, "oversized: %s", message);
    free((void *)message);
    refuses("oversized", bad_path, 0);
    free(t);
    // From here on the hash is right and the content is wrong.
    t = replaced(text, "# images 1797", "# images 1798", 0);
    refuses_rehashed("one image too few", t, 1804);
    free(t);
    t = replaced(text, "# images 1797", "# images 1796", 0);
    refuses_rehashed("one image too many", t, 1803);
    free(t);
    for (k = 0; k < 6; k++) {
        static const char *const count[] = {"# images 0",     "# images -5",  "# images 999999999999",
                                            "# images 99999", "# images ten", "# pictures 1797"};
        t = replaced(text, "# images 1797", count[k], 0);
        refuses_rehashed("bad count", t, 3);
        free(t);
    }
    for (k = 0; k < 9; k++) {
        static const char *const image[] = {"x 005d9100", "/ 005d9100",  "0 005h9100", "0 005D9100", "0 005d 100",
                                            "0-005d9100", "0 005d91000", "0 005d910",  "00 05d9100"};
        t = replaced(text, first_image, image[k], 0);
        refuses_rehashed("bad image", t, 8);
        free(t);
    }
    t = replaced(text, "\n0 005d9100", "\n\n0 005d9100", 0);
    refuses_rehashed("blank line", t, 8);
    free(t);
    t = replaced(text, "\n0 005d9100", "\r\n0 005d9100", 0);
    refuses_rehashed("CR LF", t, 7);
    free(t);
    t = replaced(text, "# images", "# images 5\r\n#", 0);
    refuses_rehashed("CR LF in the count", t, 3);
    free(t);
    t = NEW(char, size + 1000);
    memcpy(t, text, size);
    memset(t + size, 'a', 900);
    refuses_rehashed("no line end", t, 1804);
    t[size + 899] = '\n';
    refuses_rehashed("bytes after the last image", t, 1804);
    free(t);
    t = NEW(char, 5000);
    memset(t, 'a', 4000);
    k = (size_t)(strstr(text, first_image) - text);
    memcpy(t, text, k);
    t[4000 - 1] = '\n';
    refuses_rehashed("a line of thousands of characters", t, 8);
    free(t);
    t = NEW(char, size + 1000);
    k = (size_t)(strstr(text, "# name ") - text);
    memcpy(t, text, k);
    memset(t + k, '#', 300); // for people, but they would not read that
    t[k + 299] = '\n';
    strcpy(t + k + 300, text + k);
    refuses_rehashed("a long comment", t, 4);
    free(t);
    text[strlen(text) - 10] = 0; // in the last image
    refuses_hashed("zero byte", text, size, 1804);
    free(text);
}

// ---- rewards on the data -----------------------------------------------------------------------------------------

static void test_rewards_on_data(const Digits *d) {
    Ink ink = ink_new(d);
    double *r = NEW(double, (size_t)d->n), mean = 0, square = 0, right = 0, loops[DIGIT_CLASSES] = {0};
    int i, k;
    ink_rewards(r, d->x, (size_t)d->n, &ink);
    for (i = 0; i < d->n; i++) {
        mean += r[i] / d->n;
        square += r[i] * r[i] / d->n;
    }
    NEAR(mean, 0, 0, 1e-12);
    NEAR(square, 1, 1e-12, 0);
    NEAR(ink.mean, 561718 / (16.0 * DIGIT_PIXELS * 1797), 1e-12, 0);
    loop_rewards(r, d->x, (size_t)d->n);
    for (i = 0; i < d->n; i++) {
        right += (r[i] == loops_of_class(d->label[i])) / (double)d->n;
        loops[d->label[i]] += r[i] / d->count[d->label[i]];
    }
    CHECK(right > 0.78 && right < 0.83, "loops as drawn: %g of the images", right); // 0.805
    for (k = 0; k < DIGIT_CLASSES; k++) { // a reward that tells digits apart: loops in 8 > in 0, 6, 9 > in 1, 5
        CHECK(k == 8 || loops[8] > loops[k] + 0.4, "digit %d has %g loops, 8 has %g", k, loops[k], loops[8]);
    }
    CHECK(loops[0] > 0.7 && loops[6] > 0.7 && loops[9] > 0.7 && loops[1] < 0.05 && loops[5] < 0.05, "0: %g 1: %g",
          loops[0], loops[1]);
    free(r);
}

int main(int argc, char **argv) {
    Digits d;
    if (argc > 1) {
        d = digits_load(argv[1]);
        printf("%d images\n", d.n);
        digits_free(&d);
        return 0;
    }
    self = argv[0];
    sprintf(bad_path, "build/test_tmp/digits_%d_bad", (int)sizeof(real));
    sprintf(error_path, "build/test_tmp/digits_%d_err", (int)sizeof(real));
    sprintf(code_path, "build/test_tmp/digits_%d_code", (int)sizeof(real));
    CHECK(system("mkdir -p build/test_tmp") == 0, "cannot make build/test_tmp");
    d = digits_load(DIGITS_PATH);
    test_data(&d);
    test_batches(&d);
    test_rewards_on_data(&d);
    test_hostile();
    digits_free(&d);
    remove(bad_path);
    remove(error_path);
    remove(code_path);
    return report("test_digits");
}
