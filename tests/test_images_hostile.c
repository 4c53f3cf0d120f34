// test_images_hostile.c: emoji, IDX and CIFAR files that are cut, changed byte by byte, or forged: refused with one
// line, or read as what they say.
//
// As in test_file_hostile.c, a child process tries thousands of files in memory (what a loader had allocated when it
// refused is lost), and a few more children show the real ending.  Each file lies in a block of exactly its length, so
// that the address sanitizer sees a read beyond its end.
#include "catch.h"

#include "../toy/world/emoji.h"
#include "../ref/file/cifar.h"
#include "../ref/file/idx.h"

enum { CLASSES = 10, IMAGES = 3, SIDE = 2 };
enum { IMAGES_HEAD = 16, LABELS_HEAD = 8, RECORD = 3073, RECORD_100 = 3074 };

static Bytes exactly(const void *data, size_t n) {
    Bytes b = {NULL, 0, 0};
    b.data = (unsigned char *)malloc(n > 0 ? n : 1);
    if (b.data == NULL) {
        DIE("no memory for %zu bytes", n);
    }
    memcpy(b.data, data, n);
    b.n = b.cap = n;
    return b;
}

// ---- good files --------------------------------------------------------------------------------------------------

static Bytes good_images(void) { // 3 pictures of 2 x 2
    Bytes b = {NULL, 0, 0};
    int i;
    bytes_be(&b, 0x803, 4);
    bytes_be(&b, IMAGES, 4);
    bytes_be(&b, SIDE, 4);
    bytes_be(&b, SIDE, 4);
    for (i = 0; i < IMAGES * SIDE * SIDE; i++) {
        bytes_byte(&b, 20 * i);
    }
    return b;
}

static Bytes good_labels(void) {
    Bytes b = {NULL, 0, 0};
    bytes_be(&b, 0x801, 4);
    bytes_be(&b, IMAGES, 4);
    bytes_byte(&b, 0);
    bytes_byte(&b, 9);
    bytes_byte(&b, 4);
    return b;
}

static Bytes good_cifar(int labels) { // 2 records
    Bytes b = {NULL, 0, 0};
    int i, k;
    for (i = 0; i < 2; i++) {
        for (k = 0; k < labels; k++) {
            bytes_byte(&b, 3 + i + k);
        }
        for (k = 0; k < 3072; k++) {
            bytes_byte(&b, k % 251);
        }
    }
    return b;
}

// The lines after the second; the hash is added by hashed().
static Bytes good_emoji_body(void) {
    Bytes b = {NULL, 0, 0};
    int i, k;
    bytes_text(&b, "# images 2\n# for people\n");
    for (k = 0; k < EMOJI_COLOURS; k++) {
        bytes_text(&b, "%c %02x%02x%02x\n", emoji_symbols[k], 255 - k, 255 - 8 * k, 7 * k);
    }
    for (i = 0; i < 2; i++) {
        bytes_text(&b, i == 0 ? "food fruit apple\n" : "food cake apple red\n");
        for (k = 0; k < EMOJI_SIDE; k++) {
            bytes_text(&b, "..0%c%c56789abcd%c.\n", emoji_symbols[k], emoji_symbols[EMOJI_COLOURS - 1 - k],
                       i ? 'f' : 'e');
        }
    }
    return b;
}

static Bytes hashed(const Bytes *body) {
    Bytes b = {NULL, 0, 0};
    bytes_text(&b, "# tilt emoji 1\n# fnv1a64 %016llx of every byte after this line\n",
               (unsigned long long)hash_bytes(HASH_START, body->data, body->n));
    bytes_add(&b, body->data, body->n);
    return b;
}

// ---- one attempt -------------------------------------------------------------------------------------------------

typedef enum { KIND_IMAGES, KIND_LABELS, KIND_CIFAR, KIND_CIFAR_100, KIND_EMOJI, KIND_BODY } Kind;

static size_t senseless; // files that were accepted and yet gave something impossible

static void look_at_set(ImageSet *s) {
    size_t i;
    senseless += s->n < 1 || s->height < 1 || s->width < 1 || s->channels < 1;
    for (i = 0; i < s->n; i++) {
        senseless += s->label[i] >= s->classes;
    }
    image_set_free(s);
}

static void look_at_emoji(Emoji *e) {
    size_t i;
    senseless += e->n < 1 || e->categories < 1 || e->kinds < e->categories || e->tokens.words < 3;
    senseless += e->tokens.prompts != e->n + e->categories + e->kinds;
    for (i = 0; i < (size_t)e->n * EMOJI_NUMBERS; i++) {
        senseless += !(e->x[i] >= -1 && e->x[i] <= 1);
    }
    for (i = 0; i < (size_t)e->tokens.prompts * EMOJI_LENGTH; i++) {
        senseless += e->token[i] < -1 || e->token[i] >= e->tokens.words;
        senseless += i % EMOJI_LENGTH == 0 && e->token[i] < 0;
    }
    emoji_free(e);
}

// 1 if the loader takes the n bytes; KIND_BODY: with the right hash above them.
static int accepts(Kind kind, const void *data, size_t n) {
    ImageSet s;
    Emoji e;
    catching = 1;
    if (setjmp(back) != 0) {
        catching = 0;
        return 0;
    }
    if (kind == KIND_IMAGES) {
        Bytes labels = good_labels();
        s = idx_join(exactly(data, n), labels, "images", "labels", CLASSES);
        look_at_set(&s);
    } else if (kind == KIND_LABELS) {
        Bytes images = good_images();
        s = idx_join(images, exactly(data, n), "images", "labels", CLASSES);
        look_at_set(&s);
    } else if (kind == KIND_CIFAR || kind == KIND_CIFAR_100) {
        s = cifar_new(kind == KIND_CIFAR ? CIFAR_10 : CIFAR_100);
        cifar_add(&s, exactly(data, n), "records", kind == KIND_CIFAR ? CIFAR_10 : CIFAR_100);
        look_at_set(&s);
    } else if (kind == KIND_EMOJI) {
        e = emoji_decode(exactly(data, n), "emoji");
        look_at_emoji(&e);
    } else {
        Bytes body = exactly(data, n), whole = hashed(&body);
        bytes_free(&body);
        e = emoji_decode(exactly(whole.data, whole.n), "emoji");
        bytes_free(&whole);
        look_at_emoji(&e);
    }
    catching = 0;
    return 1;
}

// ---- every cut, every byte ---------------------------------------------------------------------------------------

// How many of the cuts 0..n-1 are accepted.
static size_t cuts(Kind kind, const Bytes *good) {
    size_t n, count = 0;
    for (n = 0; n < good->n; n++) {
        count += (size_t)accepts(kind, good->data, n);
    }
    return count;
}

// How many files are accepted that differ in one byte, at from..to-1; all 255 other values.
static size_t changes(Kind kind, Bytes *good, size_t from, size_t to) {
    size_t at, count = 0;
    int v;
    for (at = from; at < to; at++) {
        for (v = 1; v < 256; v++) {
            good->data[at] ^= (unsigned char)v;
            count += (size_t)accepts(kind, good->data, good->n);
            good->data[at] ^= (unsigned char)v;
        }
    }
    return count;
}

#define ACCEPTED(got, want) CHECK((got) == (want), "%zu accepted, want %zu", (size_t)(got), (size_t)(want))

static void fuzz_sets(void) {
    Bytes b = good_images();
    CHECK(accepts(KIND_IMAGES, b.data, b.n), "good pictures: %s", reason);
    ACCEPTED(cuts(KIND_IMAGES, &b), 0u);
    ACCEPTED(changes(KIND_IMAGES, &b, 0, IMAGES_HEAD), 0u);
    ACCEPTED(changes(KIND_IMAGES, &b, IMAGES_HEAD, IMAGES_HEAD + 1), 255u); // any byte is a pixel
    bytes_byte(&b, 0);
    CHECK(!accepts(KIND_IMAGES, b.data, b.n), "a byte too many");
    bytes_free(&b);

    b = good_labels();
    CHECK(accepts(KIND_LABELS, b.data, b.n), "good labels: %s", reason);
    ACCEPTED(cuts(KIND_LABELS, &b), 0u);
    ACCEPTED(changes(KIND_LABELS, &b, 0, LABELS_HEAD), 0u);
    ACCEPTED(changes(KIND_LABELS, &b, LABELS_HEAD, LABELS_HEAD + IMAGES), IMAGES * (CLASSES - 1u));
    bytes_byte(&b, 0);
    CHECK(!accepts(KIND_LABELS, b.data, b.n), "a byte too many");
    bytes_free(&b);

    b = good_cifar(1);
    CHECK(accepts(KIND_CIFAR, b.data, b.n), "good CIFAR-10: %s", reason);
    ACCEPTED(cuts(KIND_CIFAR, &b), 1u); // the first record alone
    ACCEPTED(changes(KIND_CIFAR, &b, 0, 1) + changes(KIND_CIFAR, &b, RECORD, RECORD + 1), 2 * 9u);
    bytes_byte(&b, 0);
    CHECK(!accepts(KIND_CIFAR, b.data, b.n), "a byte too many");
    bytes_free(&b);

    b = good_cifar(2);
    CHECK(accepts(KIND_CIFAR_100, b.data, b.n) && !accepts(KIND_CIFAR, b.data, b.n), "good CIFAR-100: %s", reason);
    ACCEPTED(cuts(KIND_CIFAR_100, &b), 1u);
    ACCEPTED(changes(KIND_CIFAR_100, &b, RECORD_100, RECORD_100 + 2), 19 + 99u);
    bytes_free(&b);
}

static void fuzz_emoji(void) {
    static const char values[] = "\n\r #.09afuvzAZ/~\t\x7f\xff"; // and NUL
    Bytes body = good_emoji_body(), b = hashed(&body);
    size_t at, k, taken = 0, tried = 0, pictures, line;
    CHECK(accepts(KIND_EMOJI, b.data, b.n) && accepts(KIND_BODY, body.data, body.n), "good emoji: %s", reason);
    ACCEPTED(cuts(KIND_EMOJI, &b), 0u);
    ACCEPTED(cuts(KIND_BODY, &body), 0u); // although the hash is right
    for (at = 0; at < b.n; at++) {        // no flipped bit goes unnoticed
        for (k = 0; k < 8; k++) {
            b.data[at] ^= (unsigned char)(1 << k);
            taken += (size_t)accepts(KIND_EMOJI, b.data, b.n);
            b.data[at] ^= (unsigned char)(1 << k);
        }
    }
    ACCEPTED(taken, 0u);
    pictures = (size_t)(strstr((const char *)body.data, "food fruit apple\n") - (const char *)body.data);
    for (at = 0; at < body.n; at++) { // with a right hash: refused, or read as what it says
        unsigned char was = body.data[at];
        for (k = 0; k<sizeof values; k += at> pictures + 40 ? 3 : 1) {
            body.data[at] = (unsigned char)values[k];
            taken += (size_t)accepts(KIND_BODY, body.data, body.n);
            tried++;
        }
        body.data[at] = was;
    }
    CHECK(taken > 1000 && taken < tried - 1000, "%zu of %zu changed texts accepted", taken, tried);
    at = (size_t)(strstr((const char *)body.data, "..0.u56789") - (const char *)body.data);
    body.data[at] = 0; // strchr would find the end of the symbols
    CHECK(!accepts(KIND_BODY, body.data, body.n) && strstr(reason, "symbol 1 has code 0") != NULL, "%s", reason);
    body.data[at] = '.';
    for (line = at = 0; at < body.n; at++, line++) { // without one of its lines; only the comment can go
        const char *from = (const char *)body.data + at, *next = strchr(from, '\n') + 1;
        size_t length = (size_t)(next - from);
        Bytes less = {NULL, 0, 0};
        bytes_add(&less, body.data, at);
        bytes_add(&less, next, body.n - at - length);
        CHECK(accepts(KIND_BODY, less.data, less.n) == (line == 1), "without line %zu: %s", line + 3, reason);
        bytes_free(&less);
        at += length - 1;
    }
    bytes_free(&body);
    bytes_free(&b);
}

// ---- forged files ------------------------------------------------------------------------------------------------

static void refused(Kind kind, const Bytes *b, const char *why) {
    int ok;
    reason[0] = '\0';
    ok = accepts(kind, b->data, b->n);
    CHECK(!ok && strstr(reason, why) != NULL, "accepted %d, reason '%s', wanted '%s'", ok, reason, why);
}

// The good body with `old` replaced.
static void forged_emoji(const char *old, const char *new_, const char *why) {
    Bytes body = good_emoji_body(), b = {NULL, 0, 0};
    const char *text, *at;
    bytes_byte(&body, 0);
    body.n--;
    text = (const char *)body.data;
    at = strstr(text, old);
    if (at == NULL) {
        DIE("test_images_hostile: no '%s' in the text", old);
    }
    bytes_add(&b, text, (size_t)(at - text));
    bytes_add(&b, new_, strlen(new_));
    bytes_add(&b, at + strlen(old), body.n - (size_t)(at - text) - strlen(old));
    refused(KIND_BODY, &b, why);
    bytes_free(&body);
    bytes_free(&b);
}

static void idx_sizes(uint64_t n, uint64_t height, uint64_t width, size_t bytes, const char *why) {
    Bytes b = {NULL, 0, 0};
    bytes_be(&b, 0x803, 4);
    bytes_be(&b, n, 4);
    bytes_be(&b, height, 4);
    bytes_be(&b, width, 4);
    memset(bytes_room(&b, bytes), 0, bytes);
    b.n += bytes;
    refused(KIND_IMAGES, &b, why);
    bytes_free(&b);
}

static void forged(void) {
    Bytes images = good_images(), labels = good_labels(), zip = exactly("\x1f\x8b\x08 0123456789abcdefgh", 22);
    refused(KIND_IMAGES, &labels, "has 11 bytes; an IDX file of 3 sizes begins with 16");
    refused(KIND_LABELS, &images, "begins with 00000803, the program expects 00000801");
    refused(KIND_IMAGES, &zip, "gunzip -k images");
    refused(KIND_LABELS, &zip, "gunzip -k labels");
    refused(KIND_CIFAR, &zip, "gunzip -k records");
    idx_sizes(4, SIDE, SIDE, 16, "'labels' has 3 labels for the 4 pictures of 'images'");
    idx_sizes(0, SIDE, SIDE, 0, "size 1 is 0");
    idx_sizes(3, 0, SIDE, 0, "size 2 is 0");
    idx_sizes(1, 1, 257, 257, "size 3 is 257; 1..256 are possible");
    idx_sizes(0xffffffffu, 1, 1, 10, "size 1 is 4294967295");
    idx_sizes(0x10000000, 256, 256, 16,
              sizeof(size_t) > 4 ? "announce 17592186044416 bytes of data, 16 are there" : "");
    idx_sizes(3, SIDE, SIDE, 11, "announce 12 bytes of data, 11 are there");
    labels.data[LABELS_HEAD + 1] = CLASSES;
    refused(KIND_LABELS, &labels, "label 1 is 10, the program expects 0..9");
    bytes_free(&images);
    bytes_free(&labels);
    bytes_free(&zip);

    images = good_cifar(1);
    images.data[RECORD] = 10;
    refused(KIND_CIFAR, &images, "label 1 is 10; CIFAR-10 has 0..9");
    refused(KIND_CIFAR_100, &images, "has 6146 bytes, no multiple of the 3074 of a CIFAR-100 record");
    bytes_free(&images);
    images = good_cifar(2);
    images.data[RECORD_100] = 20;
    refused(KIND_CIFAR_100, &images, "coarse label 1 is 20");
    images.data[RECORD_100] = 19;
    images.data[RECORD_100 + 1] = 100;
    refused(KIND_CIFAR_100, &images, "label 1 is 100; CIFAR-100 has 0..99");
    images.n = 0;
    refused(KIND_CIFAR, &images, "has 0 bytes");
    bytes_free(&images);

    forged_emoji("# images 2", "# images 3", "line 70: is the last, after 2 of 3 images");
    forged_emoji("# images 2", "# images 1", "line 53: should be the last, but more bytes follow");
    forged_emoji("# images 2", "# images 2001", "with N = 1..2000");
    forged_emoji("\n. ", "\n, ", "is not colour '.'");
    forged_emoji("\n0 fef707\n", "\n", "is not colour '0'");
    forged_emoji("\n0 fef707\n", "\n0 fef70\n", "is not colour '0', a space and 6 hexadecimal digits");
    forged_emoji("\n0 fef707\n", "\n0 fef70G\n", "colour '0' is not 6 hexadecimal digits");
    forged_emoji("\n0 fef707\n", "\n0 fEf707\n", "colour '0' is not 6 hexadecimal digits");
    forged_emoji("food fruit apple", "food fruit", "line 37: has 2 words");
    forged_emoji("food fruit apple", "food fruit  apple", "is not 3..8 words");
    forged_emoji("food fruit apple", "food fruit apple ", "is not 3..8 words");
    forged_emoji("food fruit apple", "", "is not 3..8 words");
    forged_emoji("food fruit apple", "food fruit Apple", "is not 3..8 words");
    forged_emoji("food fruit apple", "food fruit abcdefghijklmnop", "words of 1..15 small letters");
    forged_emoji("food fruit apple", "a b c d e f g h i", "is not 3..8 words");
    forged_emoji("food fruit apple", "food fruit food", "has the word 'food' twice");
    forged_emoji("food fruit apple", "apple red cake food", "line 54: has the words of picture 1");
    forged_emoji("food cake apple red", "sky fruit red",
                 "kind 'fruit' belongs to the categories of picture 1 and of picture 2");
    forged_emoji("..0.u56789abcde.\n", "..0.u56789abcde..\n", "line 38: has 17 symbols");
    forged_emoji("..0.u56789abcde.\n", "..0.u56789abcde\n", "line 38: has 15 symbols");
    forged_emoji("..0.u56789abcde.\n", "..0.u56789abcdv.\n", "symbol 15 has code 118");
    forged_emoji("..0.u56789abcde.\n", "..0.u56789abcde.\r\n", "CR LF");
}

static void endings(void) {
    static const char *const kinds[] = {"idx", "cifar", "emoji"};
    Bytes body = good_emoji_body(), good[3], labels = good_labels();
    int k;
    good[0] = good_images();
    good[1] = good_cifar(1);
    good[2] = hashed(&body);
    child_file("labels", labels.data, labels.n);
    for (k = 0; k < 3; k++) {
        char arguments[400];
        child_file("whole", good[k].data, good[k].n);
        snprintf(arguments, sizeof arguments, "load %s %s", kinds[k], child_path("whole"));
        CHECK(child_run("", arguments) == 0 && child_err[0] == '\0', "%s: %s", kinds[k], child_err);
        child_file("cut", good[k].data, good[k].n - 1);
        child_refuses(kinds[k], "cut");
        child_file("empty", good[k].data, 0);
        child_refuses(kinds[k], "empty");
        child_refuses(kinds[k], "missing");
        bytes_free(&good[k]);
    }
    bytes_free(&body);
    bytes_free(&labels);
}

static int load(const char *kind, const char *path) {
    if (strcmp(kind, "idx") == 0) {
        ImageSet s = idx_load(path, child_path("labels"), CLASSES);
        image_set_free(&s);
    } else if (strcmp(kind, "cifar") == 0) {
        ImageSet s = cifar_load(&path, 1, CIFAR_10);
        image_set_free(&s);
    } else {
        Emoji e = emoji_load(path);
        emoji_free(&e);
    }
    return 0;
}

int main(int argc, char **argv) {
    size_t passed = 0, failed = 1;
    const char *line;
    child_begin(argv[0]);
    if (argc > 3) {
        return load(argv[2], argv[3]);
    }
    if (argc > 1) {
        fuzz_sets();
        fuzz_emoji();
        forged();
        CHECK(senseless == 0, "%zu impossible values in accepted files", senseless);
        return report("forged");
    }
    endings();
    child_run("", "forged");
    line = strstr(child_out, "forged: ");
    CHECK(line != NULL && sscanf(line, "forged: %zu passed, %zu failed", &passed, &failed) == 2, "%s%s", child_out,
          child_err);
    CHECK(failed == 0 && passed > 100, "%s", child_out);
    checks_passed += passed;
    return report("test_images_hostile");
}
