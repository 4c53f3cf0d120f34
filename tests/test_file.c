// test_file.c: the file formats: known bytes, round trips, and writes that fail.  Hostile files: test_file_hostile.c.
#include "child.h"

#include "small_model.h"

// ---- the test --------------------------------------------------------------------------------------------------

static void same_file(const char *path, const void *want, size_t n) {
    Bytes b = file_read(path, 1 << 20, "The test has just written it.");
    CHECK(b.n == n && memcmp(b.data, want, n) == 0, "%s: %zu bytes, want %zu, or other contents", path, b.n, n);
    bytes_free(&b);
}

// Header of numpy.save, filled with blanks to a multiple of 64.
static void npy_known(void) {
    static const float a[4] = {1, 2, 3, 4.5f};
    static const int32_t whole[2] = {-1, 2147483647};
    static const char data_a[] = "\0\0\200?\0\0\0@\0\0@@\0\0\220@", data_i[] = "\377\377\377\377\377\377\377\177";
    char want[160];
    size_t shape[2] = {2, 2};
    memset(want, ' ', sizeof want);
    memcpy(want, "\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 69);
    want[127] = '\n';
    memcpy(want + 128, data_a, 16);
    npy_write_f4(child_path("known.npy"), a, 2, shape);
    same_file(child_path("known.npy"), want, 144);
    memset(want, ' ', sizeof want);
    memcpy(want, "\x93NUMPY\1\0v\0{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", 67);
    want[127] = '\n';
    memcpy(want + 128, data_i, 8);
    npy_write_i4(child_path("known.npy"), whole, 1, shape);
    same_file(child_path("known.npy"), want, 136);
}

static void npy_round_trips(void) {
    double v[60], scalar = -1.5;
    real *r;
    int32_t w[3] = {-5, 0, 2147483647};
    size_t shape[4] = {3, 4, 5, 1}, any[2] = {0, 3}, none[2] = {0, 7};
    Npy a;
    int i;
    for (i = 0; i < 60; i++) {
        v[i] = (i - 30) / 7.0;
    }
    npy_write_f8(child_path("x.npy"), v, 4, shape);
    a = npy_read(child_path("x.npy"));
    CHECK(a.type == NPY_F8 && a.dims == 4 && a.n == 60 && memcmp(a.shape, shape, sizeof shape) == 0, "%d dims, n %zu",
          a.dims, a.n);
    CHECK(memcmp(a.f8, v, sizeof v) == 0, "doubles changed");
    npy_free(&a);
    npy_write_f8(child_path("x.npy"), &scalar, 0, shape);
    a = npy_read(child_path("x.npy"));
    CHECK(a.dims == 0 && a.n == 1 && a.f8[0] == -1.5, "scalar: %d dims, %g", a.dims, a.f8[0]);
    npy_free(&a);
    npy_write_i4(child_path("x.npy"), w, 1, shape);
    a = npy_read(child_path("x.npy"));
    CHECK(a.type == NPY_I4 && a.n == 3 && memcmp(a.i4, w, sizeof w) == 0, "whole numbers changed");
    npy_free(&a);
    npy_write_f8(child_path("x.npy"), v, 2, none);
    a = npy_read(child_path("x.npy"));
    CHECK(a.n == 0 && a.shape[1] == 7, "an empty array has %zu numbers", a.n);
    npy_free(&a);
    npy_write_reals(child_path("good.npy"), weights, 2, any); // shape (0, 3): replaced below by 2 x 3
    any[0] = 2;
    npy_write_reals(child_path("good.npy"), weights, 2, any);
    any[0] = 0;
    r = npy_read_reals(child_path("good.npy"), 2, any);
    CHECK(any[0] == 2 && any[1] == 3 && memcmp(r, weights, 6 * sizeof(real)) == 0, "reals changed, shape %zu", any[0]);
    free(r);
}

static void tsv_round_trip(void) {
    Tsv t = tsv_new(columns);
    const float third = 1.0f / 3;
    tsv_add(&t, "dpo");
    tsv_add_number(&t, 0.1);
    tsv_add(&t, "");
    tsv_add_whole(&t, -3);
    tsv_add(&t, "float");
    tsv_add_number(&t, third);
    tsv_write(&t, child_path("good.tsv"));
    same_file(child_path("good.tsv"), "method\tbeta\ndpo\t0.1\n\t-3\nfloat\t0.333333343\n", 42);
    tsv_free(&t);
    t = tsv_read(child_path("good.tsv"), columns);
    CHECK(t.rows == 3 && t.columns == 2, "%zu rows, %d columns", t.rows, t.columns);
    CHECK(strcmp(tsv_text(&t, 0, "method"), "dpo") == 0 && tsv_text(&t, 1, "method")[0] == '\0', "texts changed");
    CHECK(tsv_number(&t, 0, "beta") == 0.1 && tsv_number(&t, 1, "beta") == -3 &&
              (float)tsv_number(&t, 2, "beta") == third,
          "numbers changed");
    tsv_free(&t);
}

static void st_round_trip(void) {
    StTensor list[3];
    StMeta meta = st_meta("mlp 2-4", 2000, 18446744073709551615u), got;
    StFile f;
    uint64_t before;
    double copy[3] = {0, 0, 0};
    size_t shape[1] = {3};
    StTensor part = st_doubles("mixture", copy, 1, shape);
    int n = model_tensors(list), i;
    model_fill();
    before = model_hash();
    st_save(child_path("good.st"), list, n, &meta);
    memset(weights, 0, sizeof weights);
    memset(mixture, 0, sizeof mixture);
    got = model_load(child_path("good.st"));
    CHECK(model_hash() == before, "the numbers changed");
    CHECK(got.step == 2000 && got.seed == 18446744073709551615u && strcmp(got.model, "mlp 2-4") == 0,
          "metadata changed");
    f = st_open(child_path("good.st"));
    CHECK(f.n == 3 && f.entry[0].width == (int)sizeof(real) && f.entry[2].width == 8, "%d tensors", f.n);
    st_read(&f, &part);
    CHECK(memcmp(copy, mixture, sizeof copy) == 0, "one tensor alone: %g", copy[0]);
    st_close(&f);
    for (i = 0; i < 8; i++) { // headers of every length: the data always start at a multiple of 8
        char name[] = "aaaaaaaa";
        name[i + 1 < 8 ? i + 1 : 7] = '\0';
        part.name = name;
        st_save(child_path("aligned.st"), &part, 1, &meta);
        f = st_open(child_path("aligned.st"));
        CHECK((size_t)(f.data - f.file.data) % 8 == 0 && f.data_bytes == sizeof copy, "name of %d bytes: not aligned",
              i + 1);
        st_close(&f);
    }
}

// A file another program wrote: blanks, other key order, tensors not in the order of their data, no metadata of ours.
static void st_foreign(void) {
    static const char header[] = "{ \"b\" : {\"data_offsets\":[8,16], \"shape\":[], \"dtype\":\"F64\"},\r\n\t"
                                 "\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                                 "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}  ";
    real a[2] = {0, 0};
    double b = 0;
    StTensor list[3];
    size_t shape[2] = {0, 0};
    StMeta meta;
    Bytes file = {NULL, 0, 0};
    list[0] = st_matrix("a", a, 2, 1);
    list[1] = st_doubles("b", &b, 0, shape);
    list[2] = st_vector("e", a, 0);
    bytes_le(&file, sizeof header - 1, 8);
    bytes_text(&file, "%s", header);
    bytes_f32(&file, 0.1f);
    bytes_f32(&file, -2);
    bytes_f64(&file, PI);
    child_file("foreign", file.data, file.n);
    bytes_free(&file);
    meta = st_load(child_path("foreign"), list, 3, NULL);
    CHECK(a[0] == (real)0.1f && a[1] == -2 && b == PI && meta.step == 0, "%g %g %g", (double)a[0], (double)a[1], b);
}

static void known_bytes(void) {
    static const unsigned char f32[4] = {0, 0, 0x20, 0xc1};
    Bytes b = {NULL, 0, 0};
    uint64_t h;
    bytes_f32(&b, -10);
    bytes_be(&b, 0x01020304, 4);
    bytes_le(&b, 0x0102, 3);
    CHECK(b.n == 11 && memcmp(b.data, f32, 4) == 0 && memcmp(b.data + 4, "\1\2\3\4\2\1\0", 7) == 0, "byte order");
    CHECK(get_le(b.data + 8, 2) == 0x0102 && get_f32(b.data) == -10, "byte order back");
    b.n = 0;
    bytes_escaped(&b, "a<b & \"c\" > 'd'\1");
    bytes_byte(&b, 0);
    CHECK(strcmp((char *)b.data, "a&lt;b &amp; &quot;c&quot; &gt; &#39;d&#39;?") == 0, "%s", b.data);
    b.n = 0;
    bytes_base64(&b, (const unsigned char *)"foobar", 6); // RFC 4648, section 10
    bytes_base64(&b, (const unsigned char *)"fooba", 5);
    bytes_base64(&b, (const unsigned char *)"foob", 4);
    bytes_base64(&b, (const unsigned char *)"", 0);
    bytes_byte(&b, 0);
    CHECK(strcmp((char *)b.data, "Zm9vYmFyZm9vYmE=Zm9vYg==") == 0, "%s", b.data);
    bytes_free(&b);
    h = hash_bytes(HASH_START, "foobar", 6); // the published FNV-1a value
    CHECK(h == 0x85944171f73967e8u, "FNV-1a %016llx", (unsigned long long)h);
}

// A write that fails leaves the old file and no temporary one.
static void atomic_writes(void) {
    char command[1200], arguments[400];
    char path[300];
    FILE *full;
    int status;
    snprintf(path, sizeof path, "%s", child_path("old"));
    snprintf(command, sizeof command, "rm -rf %s.tmp", path); // left by a run that was stopped
    CHECK(system(command) == 0, "%s", command);
    atomic_write(path, "old contents", 12);
    snprintf(arguments, sizeof arguments, "save %s", path);
    snprintf(command, sizeof command, "rm -rf %s.tmp && mkdir %s.tmp", path, path);
    CHECK(system(command) == 0, "%s", command);
    status = child_run("", arguments);
    CHECK(status == 1 && one_line(child_err) && strstr(child_err, "cannot write") != NULL, "exit %d: %s", status,
          child_err);
    same_file(path, "old contents", 12);
    snprintf(command, sizeof command, "rm -rf %s.tmp && ln -s /dev/full %s.tmp", path, path);
    full = fopen("/dev/full", "wb"); // Linux: a disk that is always full
    if (full != NULL && fclose(full) == 0 && system(command) == 0) {
        status = child_run("", arguments);
        CHECK(status == 1 && one_line(child_err) && strstr(child_err, "is unchanged") != NULL, "exit %d: %s", status,
              child_err);
        same_file(path, "old contents", 12);
        snprintf(command, sizeof command, "test ! -L %s.tmp", path);
        CHECK(system(command) == 0, "the temporary file is still there");
    }
    snprintf(command, sizeof command, "rm -rf %s.tmp", path);
    CHECK(system(command) == 0, "%s", command);
    CHECK(child_run("", arguments) == 0, "%s", child_err);
    same_file(path, "new contents", 12);
    snprintf(arguments, sizeof arguments, "save %s/none/x", child_dir);
    status = child_run("", arguments);
    CHECK(status == 1 && one_line(child_err) && strstr(child_err, "does its folder exist") != NULL, "exit %d: %s",
          status, child_err);
    folder_make(child_path("made"));
    folder_make(child_path("made"));
    snprintf(command, sizeof command, "test -d %s", child_path("made"));
    CHECK(system(command) == 0, "folder_make made nothing");
}

int main(int argc, char **argv) {
    child_begin(argv[0]);
    if (argc == 3 && strcmp(argv[1], "save") == 0) {
        atomic_write(argv[2], "new contents", 12);
        return 0;
    }
    known_bytes();
    model_fill();
    npy_known();
    npy_round_trips();
    tsv_round_trip();
    st_round_trip();
    st_foreign();
    atomic_writes();
    return report("test_file");
}
