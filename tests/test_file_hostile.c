// test_file_hostile.c: files that are cut, flipped bit by bit, or forged: every loader must refuse them, with one line.
//
// With catch.h thousands of bad files are tried in one process (a child, because what a loader had allocated is lost);
// a few more children show the real ending: exit 1, one line on stderr, nothing on stdout.
#include "catch.h"

#include "small_model.h"

// ---- children --------------------------------------------------------------------------------------------------

// Tries to load n bytes; 1 if the loader accepted them.  What it allocated before refusing is lost.
static int accepts(const char *kind, const void *data, size_t n) {
    Bytes b = {NULL, 0, 0};
    bytes_add(&b, data, n);
    catching = 1;
    if (setjmp(back) != 0) {
        catching = 0;
        return 0;
    }
    if (strcmp(kind, "npy") == 0) {
        Npy a = npy_decode(b, "bytes");
        npy_free(&a);
    } else if (strcmp(kind, "tsv") == 0) {
        Tsv t = tsv_decode(b, "bytes", NULL);
        tsv_free(&t);
    } else {
        StFile f = st_decode(b, "bytes");
        if (strcmp(kind, "st") == 0) {
            StTensor list[3];
            int count = model_tensors(list);
            st_read_all(&f, list, count, "mlp 2-4");
        }
        st_close(&f);
    }
    catching = 0;
    return 1;
}

static uint64_t xorshift(uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

// fuzz KIND: the good file good.KIND, every single bit flipped, every length, one byte more, and 20000 heavy mutations.
// Prints how many of each were accepted.
static int fuzz(const char *kind) {
    const char *extension = strcmp(kind, "open") == 0 ? "st" : kind;
    char name[40];
    Bytes good;
    unsigned char *bad;
    size_t i, flips = 0, cuts = 0, longer = 0, heavy = 0;
    uint64_t s = 88172645463325252u, before;
    int changed = 0;
    snprintf(name, sizeof name, "good.%s", extension);
    good = file_read(child_path(name), 1 << 20, "The parent writes it.");
    bad = NEW(unsigned char, good.n + 1);
    model_fill();
    before = model_hash();
    for (i = 0; i < 8 * good.n; i++) {
        memcpy(bad, good.data, good.n);
        bad[i / 8] ^= (unsigned char)(1 << i % 8);
        flips += (size_t)accepts(kind, bad, good.n);
    }
    for (i = 0; i < good.n; i++) {
        cuts += (size_t)accepts(kind, good.data, i);
    }
    memcpy(bad, good.data, good.n);
    bad[good.n] = ' ';
    longer = (size_t)accepts(kind, bad, good.n + 1);
    for (i = 0; i < 20000; i++) {
        int k, edits = 1 + (int)(xorshift(&s) % 6);
        memcpy(bad, good.data, good.n);
        for (k = 0; k < edits; k++) {
            size_t to = xorshift(&s) % good.n, from = xorshift(&s) % good.n, length = xorshift(&s) % 12;
            if (xorshift(&s) % 2) { // a random byte, or a piece of the file moved elsewhere
                bad[to] = (unsigned char)xorshift(&s);
            } else if (to + length <= good.n && from + length <= good.n) {
                memcpy(bad + to, good.data + from, length);
            }
        }
        heavy += (size_t)accepts(kind, bad, good.n);
        changed = changed || model_hash() != before;
    }
    printf("flips %zu cuts %zu longer %zu heavy %d changed %d\n", flips, cuts, longer, heavy < 20000, changed);
    bytes_free(&good);
    free(bad);
    return 0;
}

// ---- forged files: also in a child -----------------------------------------------------------------------------

// The loader refuses these bytes, and says why.
static void refused(const char *kind, const void *data, size_t n, const char *why) {
    int ok;
    reason[0] = '\0';
    ok = accepts(kind, data, n);
    CHECK(!ok && strstr(reason, why) != NULL, "%s: accepted %d, reason '%s', wanted '%s'", kind, ok, reason, why);
}

// The call refuses: for writers.
#define REFUSES(call, why)                                                           \
    do {                                                                             \
        reason[0] = '\0';                                                            \
        catching = 1;                                                                \
        if (setjmp(back) == 0) {                                                     \
            call;                                                                    \
            snprintf(reason, sizeof reason, "accepted");                             \
        }                                                                            \
        catching = 0;                                                                \
        CHECK(strstr(reason, why) != NULL, "reason '%s', wanted '%s'", reason, why); \
    } while (0)

// A .safetensors file with this header and n zero bytes of data.
static void forged_st(const char *header, size_t n, const char *why) {
    Bytes b = {NULL, 0, 0};
    size_t i;
    bytes_le(&b, strlen(header), 8);
    bytes_text(&b, "%s", header);
    for (i = 0; i < n; i++) {
        bytes_byte(&b, 0);
    }
    refused("open", b.data, b.n, why);
    bytes_free(&b);
}

#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static void forged_headers(void) {
    static char deep[3000];
    int i;
    forged_st("", 0, "'{' expected");
    forged_st(" {}", 0, "'{' expected");
    forged_st("[]", 0, "'{' expected");
    forged_st("{", 0, "'\"' expected");
    forged_st("{}x", 0, "something follows");
    forged_st("{}\n", 0, "something follows");
    forged_st("{}", 1, "fill 0 bytes");
    forged_st("{\"a\"}", 0, "':' expected");
    forged_st("{\"a\":1}", 0, "'{' expected");
    forged_st("{\"a\":{}}", 0, "'\"' expected");
    forged_st("{\"a\":" T("F32", "1", "0,4") ",}", 4, "'\"' expected");
    forged_st("{\"a\":" T("F16", "2", "0,4") "}", 4, "neither F32 nor F64");
    forged_st("{\"a\":" T("f32", "1", "0,4") "}", 4, "neither F32 nor F64");
    forged_st("{\"a\":" T("F32", "2", "0,4") "}", 4, "needs 8 bytes");
    forged_st("{\"a\":" T("F32", "1", "0,8") "}", 8, "needs 4 bytes");
    forged_st("{\"a\":" T("F32", "1", "4,0") "}", 4, "its offsets are 4..0");
    forged_st("{\"a\":" T("F32", "1", "1,5") "}", 4, "its offsets are 1..5");
    forged_st("{\"a\":" T("F32", "2", "0,8") "}", 4, "its offsets are 0..8 in 4 bytes");
    forged_st("{\"a\":" T("F32", "1", "4,8") "}", 8, "an overlap or a hole");
    forged_st("{\"a\":" T("F32", "1", "0,4") ",\"b\":" T("F32", "1", "0,4") "}", 4, "an overlap or a hole");
    forged_st("{\"a\":" T("F32", "2", "0,8") ",\"b\":" T("F32", "2", "4,12") "}", 12, "an overlap or a hole");
    forged_st("{\"a\":" T("F32", "1", "0,4") ",\"b\":" T("F32", "1", "8,12") "}", 12, "an overlap or a hole");
    forged_st("{\"a\":" T("F32", "1", "0,4") "}", 5, "fill 4 bytes, the file has 5");
    forged_st("{\"a\":" T("F32", "1", "0,4") ",\"a\":" T("F32", "1", "4,8") "}", 8, "tensor name is repeated");
    forged_st("{\"a\":" T("F32", "-1", "0,4") "}", 4, "whole number expected");
    forged_st("{\"a\":" T("F32", "1.0", "0,4") "}", 4, "']' expected");
    forged_st("{\"a\":" T("F32", "01", "0,4") "}", 4, "leading zero");
    forged_st("{\"a\":" T("F32", "", "0") "}", 4, "data_offsets needs two numbers");
    forged_st("{\"a\":" T("F32", "1", "0,4,8") "}", 8, "list is longer");
    forged_st("{\"a\":" T("F32", "1,1,1,1,1,1,1,1,1", "0,4") "}", 4, "list is longer");
    forged_st("{\"a\":" T("F32", "99999999999999999999", "0,4") "}", 4, "more than 15 digits");
    forged_st("{\"a\":" T("F32", "65536,65536", "0,4") "}", 4, "multiplies to more");
    forged_st("{\"a\":" T("F64", "4294967296,4294967296,4294967296,4294967296", "0,0") "}", 0, "multiplies to more");
    forged_st("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "needs dtype, shape and data_offsets");
    forged_st("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4, "unknown or repeated key");
    forged_st("{\"a\":{\"kind\":\"F32\"}}", 4, "unknown or repeated key");
    forged_st("{\"a\\n\":1}", 0, "escape");
    forged_st("{\"\xc3\xa4\":1}", 0, "not printable ASCII");
    forged_st("{\"__metadata__\":{\"a\":1}}", 0, "'\"' expected");
    forged_st("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "metadata key is repeated");
    forged_st("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ is repeated");
    forged_st("{\"__metadata__\":{\"format\":\"tilt 1\"}}", 0, "the metadata has no \"checksum\"");
    forged_st(
        "{\"__metadata__\":{\"format\":\"tilt 1\",\"checksum\":\"0\",\"model\":\"\",\"step\":\"1\",\"seed\":\"1\"}}", 0,
        "the checksum is 0");
    for (i = 0; i < 200; i++) {
        deep[i] = i == 0 ? '{' : i == 1 ? '"' : 'x';
    }
    forged_st(deep, 0, "longer than 127 bytes");
    {
        char text[300];
        Bytes b = {NULL, 0, 0};
        for (i = 126; i < 129; i++) { // the longest name has 127 bytes
            snprintf(text, sizeof text, "{\"%.*s\":" T("F32", "1", "0,4") "}", i, deep + 2);
            if (i < 128) {
                bytes_le(&b, strlen(text), 8);
                bytes_text(&b, "%s1234", text);
                CHECK(accepts("open", b.data, b.n), "a name of %d bytes: %s", i, reason);
                b.n = 0;
            } else {
                forged_st(text, 4, "longer than 127 bytes, at byte 129");
            }
        }
        bytes_le(&b, ST_HEADER + 1, 8); // a header of 1 MiB and one byte, all of it there
        bytes_text(&b, "{}%*s", (int)ST_HEADER - 1, "");
        refused("open", b.data, b.n, "the limit is 1048576");
        b.n = 0;
        bytes_le(&b, ST_HEADER, 8);
        bytes_text(&b, "{}%*s", (int)ST_HEADER - 2, "");
        CHECK(accepts("open", b.data, b.n), "a header of 1 MiB: %s", reason);
        bytes_free(&b);
    }
    for (i = 0; i < 2999; i++) {
        deep[i] = '{';
    }
    forged_st(deep, 0, "'\"' expected"); // no recursion: depth costs nothing
    refused("open", "", 0, "has 0 bytes");
    refused("open", "\1\0\0\0", 4, "has 4 bytes");
    refused("open", "\377\377\377\377\377\377\377\377{}", 10, "announces a header of 18446744073709551615 bytes");
    refused("open", "\3\0\0\0\0\0\0\0{}", 10, "announces a header of 3 bytes");
}

static void forged_npy(const char *header, size_t n, const char *why) {
    Bytes b = {NULL, 0, 0};
    bytes_text(&b, "\x93NUMPY");
    bytes_le(&b, 1, 2);
    bytes_le(&b, strlen(header), 2);
    bytes_text(&b, "%s", header);
    for (; n > 0; n--) {
        bytes_byte(&b, 0);
    }
    refused("npy", b.data, b.n, why);
    bytes_free(&b);
}

#define H(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"

static void forged_arrays(void) {
    refused("npy", "", 0, "is not a .npy file");
    refused("npy", "\x93NUMPY\2\0\2\0{}", 12, "version 2.0");
    refused("npy", "\x93NUMPY\1\0\377\377{}", 12, "a header of 65535 bytes is announced, 2 are there");
    forged_npy("", 0, "not a dictionary");
    forged_npy("{}\n", 0, "needs descr, fortran_order and shape");
    forged_npy(H("'>f4'", "False", "(1,)"), 4, "number type");
    forged_npy(H("'<f2'", "False", "(1,)"), 2, "number type");
    forged_npy(H("'|O'", "False", "(1,)"), 8, "number type");
    forged_npy(H("'<f4'", "True", "(1,)"), 4, "Fortran order");
    forged_npy(H("'<f4'", "0", "(1,)"), 4, "Fortran order");
    forged_npy(H("'<f4'", "False", "(1)"), 4, "the shape is malformed");
    forged_npy(H("'<f4'", "False", "(1,,)"), 4, "the shape is malformed");
    forged_npy(H("'<f4'", "False", "(1 2)"), 8, "the shape is malformed");
    forged_npy(H("'<f4'", "False", "(-1,)"), 4, "the shape is malformed");
    forged_npy(H("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), 4, "more than 8 dimensions");
    forged_npy(H("'<f4'", "False", "(99999999999999999999,)"), 4, "the shape is malformed");
    forged_npy(H("'<f8'", "False", "(4294967296, 4294967296)"), 0, "multiplies to more");
    forged_npy(H("'<f4'", "False", "(2,)"), 4, "needs 8 bytes of data, 4 are there");
    forged_npy(H("'<f4'", "False", "(2,)"), 9, "needs 8 bytes of data, 9 are there");
    forged_npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}\n", 4, "each once");
    forged_npy("{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}\n", 4, "a comma is missing");
    forged_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, "one line break");
    forged_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x\n", 4, "one line break");
    forged_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}\n", 4, "unknown key");
}

static void forged_tables(void) {
    refused("tsv", "", 0, "is empty");
    refused("tsv", "a\tb", 3, "is cut short");
    refused("tsv", "a\tb\n1\t2", 7, "is cut short");
    refused("tsv", "a\tb\n1\n", 6, "line 2 has 1 cells, the header has 2");
    refused("tsv", "a\tb\n1\t2\t3\n", 10, "line 2 has 3 cells");
    refused("tsv", "a\tb\n\n", 5, "line 2 has 1 cells");
    refused("tsv", "a\ta\n", 4, "two columns are called 'a'");
    refused("tsv", "a\t\n", 3, "column 2 has no name");
    refused("tsv", "\n", 1, "column 1 has no name");
    refused("tsv", "a\tb\r\n", 5, "control byte 13");
    refused("tsv", "a\tb\n1\t\0\n", 8, "control byte 0");
}

// What writers and expectations refuse.
static void forged_calls(void) {
    StTensor list[3];
    StMeta meta = st_meta("mlp 2-4", 1, 1);
    Tsv t = tsv_new(columns);
    size_t shape[2] = {5, 2};
    double nan_value = HUGE_VAL - HUGE_VAL, x = 1;
    const char *path = child_path("refused");
    int n = model_tensors(list);
    model_fill();
    remove(path);
    mixture[1] = nan_value;
    REFUSES(st_save(path, list, n, &meta), "'mixture' number 1 is");
    mixture[1] = 1e-300;
    list[1].name = "net.w1";
    REFUSES(st_save(path, list, n, &meta), "two tensors are called 'net.w1'");
    list[1].name = "net \"b1\"";
    REFUSES(st_save(path, list, n, &meta), "has byte 34");
    REFUSES(tsv_add(&t, "a\tb"), "control byte 9");
    REFUSES(tsv_add_number(&t, nan_value), "finite");
    tsv_add(&t, "dpo");
    REFUSES(tsv_write(&t, path), "has 1 of 2 cells");
    tsv_add(&t, "0.5x");
    REFUSES(tsv_number(&t, 0, "beta"), "is '0.5x', not a finite number");
    REFUSES(tsv_number(&t, 0, "gamma"), "no column 'gamma'");
    REFUSES(tsv_number(&t, 1, "beta"), "outside the table");
    CHECK(fopen(path, "rb") == NULL, "a refused write made a file");

    path = child_path("good.npy"); // 2 x 3 floats
    REFUSES(npy_read_reals(path, 2, shape), "has shape (2, 3), the program expects (5, 2)");
    shape[0] = 6;
    REFUSES(npy_read_reals(path, 1, shape), "has shape (2, 3), the program expects (6,)");
    path = child_path("good.tsv");
    {
        static const char *const other[] = {"method", "gamma", NULL}, *const more[] = {"method", "beta", "z", NULL};
        REFUSES(tsv_read(path, other), "column 2 is 'beta', the program expects 'gamma'");
        REFUSES(tsv_read(path, more), "column 3 is 'nothing', the program expects 'z'");
        REFUSES(tsv_read(path, more + 3), "column 1 is 'method', the program expects 'no such column'");
    }
    path = child_path("good.st");
    REFUSES(st_load(path, list, n, "mlp 2-5"), "holds the model 'mlp 2-4', the program expects 'mlp 2-5'");
    model_tensors(list);
    list[0].shape[0] = 2;
    list[0].shape[1] = 4;
    REFUSES(st_load(path, list, n, "mlp 2-4"), "has shape [4,2], the program expects [2,4]");
    model_tensors(list);
    list[0].dims = 1;
    REFUSES(st_load(path, list, n, "mlp 2-4"), "has shape [4,2], the program expects [4]");
    model_tensors(list);
    list[1].name = "net.b2";
    REFUSES(st_load(path, list, n, NULL), "'net.b1' is not expected");
    model_tensors(list);
    REFUSES(st_load(path, list, 2, "mlp 2-4"), "has 3 tensors, the program expects 2; 'mixture' is not expected");
    list[2].doubles = NULL;
    list[2].reals = weights;
    if (sizeof(real) == 4) {
        REFUSES(st_load(path, list, n, "mlp 2-4"), "'mixture' is F64, this program computes in float");
    }
    // nothing is loaded by half: the last tensor does not fit, so the first one keeps its numbers
    model_tensors(list);
    memset(weights, 0, sizeof weights);
    list[2].shape[0] = 4;
    REFUSES(st_load(path, list, n, "mlp 2-4"), "has shape [3], the program expects [4]");
    CHECK(weights[0] == 0 && weights[9] == 0, "half a checkpoint was loaded");
    REFUSES(npy_write_f8(path, &x, 9, shape), "9 dimensions");
    REFUSES(file_read(path, 10, ""), "larger than the 10 bytes");
    REFUSES(file_read(child_dir, 10, ""), "cannot read");
}

static void forged(void) {
    forged_headers();
    forged_arrays();
    forged_tables();
    forged_calls();
}

static int child(int argc, char **argv) {
    const char *path = argc > 3 ? argv[3] : "";
    if (strcmp(argv[1], "fuzz") == 0) {
        return fuzz(argv[2]);
    }
    if (strcmp(argv[1], "forged") == 0) {
        forged();
        return report("forged");
    }
    if (strcmp(argv[2], "npy") == 0) {
        npy_read(path);
    } else if (strcmp(argv[2], "tsv") == 0) {
        tsv_read(path, columns);
    } else {
        model_load(path);
    }
    return 0;
}

// ---- the test --------------------------------------------------------------------------------------------------

// good.npy: 2 x 3 reals; good.tsv: two rows; good.st: the model.
static void good_files(void) {
    StTensor list[3];
    StMeta meta = st_meta("mlp 2-4", 2000, 18446744073709551615u);
    Tsv t = tsv_new(columns);
    size_t shape[2] = {2, 3};
    int n = model_tensors(list);
    model_fill();
    npy_write_reals(child_path("good.npy"), weights, 2, shape);
    tsv_add(&t, "dpo");
    tsv_add_number(&t, 0.1);
    tsv_add(&t, "");
    tsv_add_number(&t, -3);
    tsv_write(&t, child_path("good.tsv"));
    tsv_free(&t);
    st_save(child_path("good.st"), list, n, &meta);
}

static void endings(void) {
    static const char *const kinds[] = {"npy", "tsv", "st"};
    int k;
    for (k = 0; k < 3; k++) {
        char name[40], arguments[400];
        Bytes b;
        snprintf(name, sizeof name, "good.%s", kinds[k]);
        b = file_read(child_path(name), 1 << 20, "The test writes it.");
        snprintf(arguments, sizeof arguments, "load %s %s", kinds[k], child_path(name));
        CHECK(child_run("", arguments) == 0 && child_err[0] == '\0', "%s: %s", name, child_err);
        child_file("cut", b.data, b.n - 1);
        child_refuses(kinds[k], "cut");
        child_file("empty", b.data, 0);
        child_refuses(kinds[k], "empty");
        b.data[3] ^= 16;
        child_file("flipped", b.data, b.n);
        child_refuses(kinds[k], "flipped");
        child_refuses(kinds[k], "missing");
        bytes_free(&b);
    }
}

// What the fuzz child accepted: flipped bits, shorter files; a longer file and a half-loaded model are never accepted.
static void fuzzed(const char *kind, size_t *flips, size_t *cuts) {
    size_t longer = 1, changed = 1, heavy = 0;
    char arguments[40];
    int status;
    *flips = *cuts = (size_t)-1;
    snprintf(arguments, sizeof arguments, "fuzz %s", kind);
    status = child_run("", arguments);
    sscanf(child_out, "flips %zu cuts %zu longer %zu heavy %zu changed %zu", flips, cuts, &longer, &heavy, &changed);
    CHECK(status == 0 && child_err[0] == '\0' && longer == 0 && changed == 0 && heavy == 1, "%s: exit %d, %s%s", kind,
          status, child_out, child_err);
}

static void fuzzing(void) {
    size_t flips, cuts;
    fuzzed("st", &flips, &cuts); // a checkpoint notices every flipped bit
    CHECK(flips == 0 && cuts == 0, "checkpoint: %zu flips, %zu cuts accepted", flips, cuts);
    fuzzed("open", &flips, &cuts); // without expectations: another name for a tensor is legal
    CHECK(cuts == 0, "header: %zu cuts accepted", cuts);
    fuzzed("npy", &flips, &cuts); // no checksum: only flips in the numbers are legal
    CHECK(flips <= 8 * 6 * sizeof(real) && cuts == 0, "array: %zu flips, %zu cuts accepted", flips, cuts);
    fuzzed("tsv", &flips, &cuts); // the header alone and the header with one row are complete tables
    CHECK(cuts == 2, "table: %zu cuts accepted", cuts);
}

int main(int argc, char **argv) {
    size_t passed = 0, failed = 1;
    const char *line;
    child_begin(argv[0]);
    if (argc > 1) {
        return child(argc, argv);
    }
    good_files();
    endings();
    fuzzing();
    child_run("", "forged");
    line = strstr(child_out, "forged: ");
    CHECK(line != NULL && sscanf(line, "forged: %zu passed, %zu failed", &passed, &failed) == 2, "%s%s", child_out,
          child_err);
    CHECK(failed == 0 && passed > 100, "%s", child_out);
    checks_passed += passed;
    return report("test_file_hostile");
}
