// test_idx.c: pictures in the formats of MNIST (IDX) and CIFAR, written here byte by byte, read back, halved, and drawn
// as a world.  Hostile files: test_images_hostile.c.
#include "../toy/world/image_world.h"
#include "child.h"

enum { SEED = 7, STREAM = 90 };

// ---- IDX ---------------------------------------------------------------------------------------------------------

// 7 pictures of 4 rows and 6 columns, and their labels 0..4.
enum { N = 7, ROWS = 4, COLUMNS = 6, CLASSES = 5 };

static int pixel_at(int i, int row, int column) {
    return (i * 53 + row * 29 + column * 97 + row * column * 11) % 256;
}

static ImageSet small_set(void) {
    Bytes images = {NULL, 0, 0}, labels = {NULL, 0, 0};
    char names[2][300];
    int i, row, column;
    bytes_be(&images, 0x803, 4);
    bytes_be(&images, N, 4);
    bytes_be(&images, ROWS, 4);
    bytes_be(&images, COLUMNS, 4);
    bytes_be(&labels, 0x801, 4);
    bytes_be(&labels, N, 4);
    for (i = 0; i < N; i++) {
        for (row = 0; row < ROWS; row++) {
            for (column = 0; column < COLUMNS; column++) {
                bytes_byte(&images, pixel_at(i, row, column));
            }
        }
        bytes_byte(&labels, i * 3 % CLASSES);
    }
    child_file("images", images.data, images.n);
    child_file("labels", labels.data, labels.n);
    bytes_free(&images);
    bytes_free(&labels);
    snprintf(names[0], sizeof names[0], "%s", child_path("images"));
    snprintf(names[1], sizeof names[1], "%s", child_path("labels"));
    return idx_load(names[0], names[1], CLASSES);
}

static void test_idx(void) {
    ImageSet s = small_set();
    int i, row, column, wrong = 0;
    real x[ROWS * COLUMNS];
    CHECK(s.n == N && s.height == ROWS && s.width == COLUMNS && s.channels == 1 && s.classes == CLASSES,
          "%zu pictures of %d x %d x %d", s.n, s.height, s.width, s.channels);
    for (i = 0; i < N; i++) {
        wrong += s.label[i] != i * 3 % CLASSES;
        image_set_row(x, &s, (size_t)i);
        for (row = 0; row < ROWS; row++) {
            for (column = 0; column < COLUMNS; column++) {
                double want = pixel_at(i, row, column) / 255.0 * 2 - 1;
                wrong += !(fabs((double)x[row * COLUMNS + column] - want) < 1e-6);
            }
        }
    }
    CHECK(wrong == 0, "%d numbers or labels differ from what was written", wrong);
    s.pixel[0] = 0;
    s.pixel[1] = 255;
    image_set_row(x, &s, 0);
    CHECK(x[0] == -1 && x[1] == 1, "black %g, white %g", (double)x[0], (double)x[1]);
    image_set_free(&s);
    CHECK(s.pixel == NULL && s.n == 0, "freed");
}

static void test_halve(void) {
    ImageSet s = small_set(), colour = {2, 2, 4, 3, 1, NULL, NULL};
    int i, row, column, wrong = 0, k;
    image_set_halve(&s);
    CHECK(s.height == ROWS / 2 && s.width == COLUMNS / 2 && s.n == N, "%d x %d", s.height, s.width);
    for (i = 0; i < N; i++) {
        for (row = 0; row < ROWS / 2; row++) {
            for (column = 0; column < COLUMNS / 2; column++) {
                double mean = (pixel_at(i, 2 * row, 2 * column) + pixel_at(i, 2 * row, 2 * column + 1) +
                               pixel_at(i, 2 * row + 1, 2 * column) + pixel_at(i, 2 * row + 1, 2 * column + 1)) /
                              4.0;
                wrong += s.pixel[(i * (ROWS / 2) + row) * (COLUMNS / 2) + column] != (int)floor(mean + 0.5);
            }
        }
    }
    image_set_free(&s);
    colour.pixel = NEW(unsigned char, 2 * 24);
    for (i = 0; i < 48; i++) {
        colour.pixel[i] = (unsigned char)(i * 37 % 256);
    }
    image_set_halve(&colour); // 2 pictures of 1 x 2 x 3
    for (i = 0; i < 2; i++) {
        for (column = 0; column < 2; column++) {
            for (k = 0; k < 3; k++) {
                int sum = 0, a;
                for (a = 0; a < 4; a++) { // (row a/2, column 2 column + a%2) of the 2 x 4 picture
                    sum += (i * 24 + (a / 2 * 4 + 2 * column + a % 2) * 3 + k) * 37 % 256;
                }
                wrong += colour.pixel[(i * 2 + column) * 3 + k] != (sum + 2) / 4;
            }
        }
    }
    CHECK(wrong == 0, "%d means are wrong", wrong);
    image_set_free(&colour);
}

// ---- CIFAR -------------------------------------------------------------------------------------------------------

static int cifar_at(int i, int channel, int row, int column) {
    return (i * 41 + channel * 85 + row * 7 + column * 3) % 256;
}

static void cifar_write(const char *name, int first, int n, int coarse) {
    Bytes b = {NULL, 0, 0};
    int i, k, row, column;
    for (i = first; i < first + n; i++) {
        if (coarse) {
            bytes_byte(&b, 19 - i);
        }
        bytes_byte(&b, coarse ? 99 - i : 9 - i);
        for (k = 0; k < 3; k++) {
            for (row = 0; row < 32; row++) {
                for (column = 0; column < 32; column++) {
                    bytes_byte(&b, cifar_at(i, k, row, column));
                }
            }
        }
    }
    child_file(name, b.data, b.n);
    bytes_free(&b);
}

static void test_cifar(void) {
    char name[3][300];
    const char *path[3];
    int kind, i, j, k, wrong = 0;
    for (i = 0; i < 3; i++) {
        snprintf(name[i], sizeof name[i], "%s",
                 child_path(i == 0   ? "first.bin"
                            : i == 1 ? "second.bin"
                                     : "hundred.bin"));
        path[i] = name[i];
    }
    cifar_write("first.bin", 0, 3, 0);
    cifar_write("second.bin", 3, 2, 0);
    cifar_write("hundred.bin", 0, 5, 1);
    for (kind = 0; kind < 2; kind++) {
        ImageSet s = kind == 0 ? cifar_load(path, 2, CIFAR_10) : cifar_load(path + 2, 1, CIFAR_100);
        CHECK(s.n == 5 && s.height == 32 && s.width == 32 && s.channels == 3 && s.classes == (kind ? 100 : 10),
              "%zu pictures of %d classes", s.n, s.classes);
        for (i = 0; i < 5; i++) {
            wrong += s.label[i] != (kind ? 99 : 9) - i;
            for (j = 0; j < 1024; j++) {
                for (k = 0; k < 3; k++) { // row by row, the three colours of a pixel side by side
                    wrong += s.pixel[(i * 1024 + j) * 3 + k] != cifar_at(i, k, j / 32, j % 32);
                }
            }
        }
        image_set_free(&s);
    }
    CHECK(wrong == 0, "%d bytes or labels are wrong", wrong);
}

// ---- the world ---------------------------------------------------------------------------------------------------

static double brightness_of(void *user) {
    void **p = (void **)user;
    return brightness_reward((const Brightness *)p[0], (const real *)p[1]);
}

static void test_words(void) {
    ImageTokens t = image_tokens(fashion_names, 10), numbers = image_tokens(NULL, 256);
    char text[60];
    const char *bad;
    int c, wrong = 0;
    CHECK(strcmp(tokens_text(text, sizeof text, &t.tokens, 9), "ankle-boot") == 0, "%s", text);
    CHECK(tokens_find(&bad, &t.tokens, "coat") == 4, "coat");
    for (c = 0; c < 256; c++) {
        char want[20];
        snprintf(want, sizeof want, "%d", c);
        wrong += strcmp(tokens_text(text, sizeof text, &numbers.tokens, c), want) != 0;
    }
    CHECK(wrong == 0, "%d labels have another number", wrong);
    image_tokens_free(&t);
    image_tokens_free(&numbers);
}

static void test_world(void) {
    enum { DRAWS = 4000, D = ROWS * COLUMNS };
    ImageSet s = small_set();
    ImageRows rows = {&s, 0};
    Brightness truth = brightness_new(&s, 3);
    World w = image_world("small", &rows, &truth);
    real *x = NEW(real, DRAWS * D), *again = NEW(real, DRAWS * D), g[D], picture[D];
    int *c = NEW(int, DRAWS), *c2 = NEW(int, DRAWS), i, j, wrong = 0, flips = 0, first_flips = 0, hits[N] = {0};
    double r[N], mean = 0, square = 0, numbers = 0;
    void *user[2];
    CHECK(w.dim == D && w.prompts == CLASSES && w.stream == 4000 && strcmp(w.name, "small") == 0, "%s", w.name);
    w.draw(&w, x, c, DRAWS, SEED, STREAM, 0);
    for (i = 0; i < DRAWS; i++) {
        size_t k = image_draw(again, c2, &rows, SEED, STREAM, (uint64_t)i);
        image_set_row(picture, &s, k);
        wrong += c[i] != s.label[k] || memcmp(picture, x + i * D, sizeof picture) != 0;
        hits[k]++;
    }
    CHECK(wrong == 0, "%d rows are not the picture that was drawn", wrong);
    for (i = 0; i < N; i++) {
        AGREES(hits[i] / (double)DRAWS, sqrt(6.0 / 49 / DRAWS), 1.0 / N);
    }
    w.draw(&w, again, c2, 17, SEED, STREAM, 0);
    w.draw(&w, again + 17 * D, c2 + 17, DRAWS - 17, SEED, STREAM, 17);
    CHECK(memcmp(x, again, DRAWS * D * sizeof(real)) == 0 && memcmp(c, c2, DRAWS * sizeof(int)) == 0, "two pieces");
    w.draw(&w, again, c2, DRAWS, SEED + 1, STREAM, 0);
    CHECK(memcmp(c, c2, DRAWS * sizeof(int)) != 0, "the seed has no effect");
    rows.flip = 1;
    w.draw(&w, again, c2, DRAWS, SEED, STREAM, 0);
    for (i = 0; i < DRAWS; i++) {
        int same = memcmp(x + i * D, again + i * D, D * sizeof(real)) == 0;
        for (j = 0; j < D; j++) {
            wrong += !same && again[i * D + j] != x[i * D + j / COLUMNS * COLUMNS + COLUMNS - 1 - j % COLUMNS];
        }
        wrong += c[i] != c2[i];
        flips += !same;
        first_flips += !same && image_draw(picture, c2 + i, &rows, SEED, STREAM, (uint64_t)i) == 0;
    }
    CHECK(wrong == 0, "%d numbers are neither as before nor mirrored", wrong);
    AGREES(flips / (double)DRAWS, 0.5 / sqrt(DRAWS), 0.5);
    AGREES(first_flips / (double)hits[0], 0.5 / sqrt(hits[0]), 0.5); // whatever the picture

    for (i = 0; i < N; i++) {
        image_set_row(x + i * D, &s, (size_t)i);
    }
    w.reward(&w, r, x, NULL, N);
    for (i = 0; i < N; i++) {
        mean += r[i] / N;
        square += r[i] * r[i] / N;
    }
    NEAR(mean, 0, 0, 1e-6);
    NEAR(square, 9, 1e-5, 0);
    for (j = 0; j < D; j++) {
        picture[j] = (real)(j == 3 ? 7 : j == 4 ? -7 : 0.25); // outside: seen as 1 and -1
        numbers += j == 3 ? 1 : j == 4 ? -1 : 0.25;
    }
    NEAR(brightness_reward(&truth, picture), 3 * (numbers / D - truth.mean) / truth.deviation, 1e-6, 1e-9);
    brightness_grad(g, &truth, picture);
    CHECK(g[3] == 0 && g[4] == 0 && g[5] > 0, "slopes %g %g %g", (double)g[3], (double)g[4], (double)g[5]);
    user[0] = &truth;
    user[1] = picture;
    CHECK(sizeof(real) == 4 || gradient_ok(brightness_of, user, picture, g, D, 1e-5), "the gradient of brightness");
    free(x);
    free(again);
    free(c);
    free(c2);
    image_set_free(&s);
}

int main(int argc, char **argv) {
    (void)argc;
    child_begin(argv[0]);
    test_idx();
    test_halve();
    test_cifar();
    test_words();
    test_world();
    return report("test_idx");
}
