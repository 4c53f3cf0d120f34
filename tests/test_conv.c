// test_conv.c: the fast convolutions against the plain loops, bit for bit where the order of the sums is the same, and
// their gradients against finite differences.
#include "../ref/core/conv_naive.h"
#include "../ref/core/rng.h"
#include "../ref/core/winograd.h"
#include "harness.h"

static const double tiny = sizeof(real) == 4 ? 3e-6 : 1e-13; // rounding of sums in another order

static real *noise(size_t n, uint64_t stream) {
    real *v = NEW(real, n);
    rng_fill_normal(v, n, 7, stream, 0);
    return v;
}

// Images in a border of zeros.
static real *bordered(const real *x, int n, int H, int W, int C, int border) {
    real *y = NEW(real, (size_t)n * (size_t)(H + 2 * border) * (size_t)(W + 2 * border) * (size_t)C);
    for (int b = 0; b < n; b++) {
        for (int v = 0; v < H; v++) {
            memcpy(y + ((size_t)(b * (H + 2 * border) + v + border) * (size_t)(W + 2 * border) + (size_t)border) *
                           (size_t)C,
                   x + (size_t)(b * H + v) * (size_t)W * (size_t)C, (size_t)W * (size_t)C * sizeof(real));
        }
    }
    return y;
}

// The inner part of bordered images.
static real *inner(const real *x, int n, int H, int W, int C, int border) {
    real *y = NEW(real, (size_t)n * (size_t)H * (size_t)W * (size_t)C);
    for (int b = 0; b < n; b++) {
        for (int v = 0; v < H; v++) {
            memcpy(y + (size_t)(b * H + v) * (size_t)W * (size_t)C,
                   x + ((size_t)(b * (H + 2 * border) + v + border) * (size_t)(W + 2 * border) + (size_t)border) *
                           (size_t)C,
                   (size_t)W * (size_t)C * sizeof(real));
        }
    }
    return y;
}

typedef struct {
    ConvShape s;
    size_t nx, ny, nw;
    real *x, *w, *bias, *dy;
    ConvStart start;
} Case;

static Case case_new(ConvShape s) {
    Case u = {s, 0, 0, 0, NULL, NULL, NULL, NULL, {NULL, {0, 0, 0, 0}, NULL}};
    u.nx = (size_t)s.n * (size_t)(s.stride * s.H + s.k - 1) * (size_t)(s.stride * s.W + s.k - 1) * (size_t)s.in;
    u.ny = (size_t)s.n * (size_t)s.H * (size_t)s.W * (size_t)s.out;
    u.nw = conv_weights(&s);
    u.x = noise(u.nx, 1);
    u.w = noise(u.nw, 2);
    u.bias = noise((size_t)s.out, 3);
    u.dy = noise(u.ny, 4);
    u.start = start_bias(u.bias);
    return u;
}

static void case_free(Case *u) {
    free(u->x);
    free(u->w);
    free(u->bias);
    free(u->dy);
}

// L = sum dy . y of the reference.
static double loss(void *user) {
    Case *u = (Case *)user;
    real *y = NEW(real, u->ny);
    double sum = 0;
    conv_naive(y, u->x, u->w, &u->start, &u->s);
    for (size_t i = 0; i < u->ny; i++) {
        sum += (double)y[i] * (double)u->dy[i];
    }
    free(y);
    return sum;
}

static void test_direct(ConvShape s) {
    Case u = case_new(s);
    size_t rows = (size_t)(s.k * s.k * s.in), back = (size_t)(s.k * s.k * s.out);
    int H = s.stride * s.H, W = s.stride * s.W, border = s.k / 2;
    size_t ni = (size_t)s.n * (size_t)H * (size_t)W * (size_t)s.in;
    real *y = NEW(real, u.ny), *want = NEW(real, u.ny), *packed = NEW(real, packed_size(rows, s.out));
    real *turned = NEW(real, packed_size(back, s.in)), *dw = noise(u.nw, 5), *dw2 = noise(u.nw, 5);
    real *db = noise((size_t)s.out, 6), *db2 = noise((size_t)s.out, 6), *dx2 = NEW(real, u.nx), *dx = NEW(real, ni);
    real *up = bordered(u.dy, s.n, s.H, s.W, s.out, border), *wanted, *image = noise(u.ny, 8),
         *vectors = noise(u.ny, 9);
    pack_panels(packed, u.w, (int)rows, s.out);
    pack_turned(turned, u.w, s.k, s.in, s.out);
    for (int kind = 0; kind < 4; kind++) { // the four starts of a sum
        ConvStart start = kind == 0   ? start_zero()
                          : kind == 1 ? start_bias(u.bias)
                          : kind == 2 ? start_rows(vectors, s.out)
                                      : start_image(image, u.bias, s.H, s.W, s.out);
        conv_naive(want, u.x, u.w, &start, &s);
        conv_forward(y, u.x, packed, &start, &s);
        CHECK(memcmp(y, want, u.ny * sizeof(real)) == 0, "forward k %d stride %d %d -> %d, start %d: %g", s.k, s.stride,
              s.in, s.out, kind, relative_error(y, want, u.ny));
    }
    for (int kind = 0; kind < 2; kind++) { // every image meets its own vector
        ConvStart start = kind == 0 ? start_zero() : start_rows(vectors, s.out);
        conv_forward(kind == 0 ? want : y, u.x, packed, &start, &s);
    }
    for (int b = 0; b < s.n; b++) {
        size_t last = (size_t)(b + 1) * (u.ny / (size_t)s.n) - 1;
        NEAR(y[last] - want[last], vectors[(b + 1) * s.out - 1], 0, sizeof(real) == 4 ? 1e-4 : 1e-12);
    }
    conv_naive_backward(dx2, dw2, db2, u.dy, u.x, u.w, &s);
    conv_backward_weights(dw, db, u.dy, u.x, &s);
    CHECK(memcmp(dw, dw2, u.nw * sizeof(real)) == 0, "dw k %d stride %d %d -> %d: %g", s.k, s.stride, s.in, s.out,
          relative_error(dw, dw2, u.nw));
    CHECK(memcmp(db, db2, (size_t)s.out * sizeof(real)) == 0, "db %d", s.out);
    wanted = inner(dx2, s.n, H, W, s.in, border);
    for (int add = 0; add < 2; add++) { // written, then added to
        if (s.stride == 2) {
            conv_backward_input_2(dx, up, turned, add, &s);
        } else {
            conv_backward_input(dx, up, turned, add, &s);
        }
        for (size_t i = 0; i < ni && add; i++) {
            wanted[i] *= 2;
        }
        CHECK(relative_error(dx, wanted, ni) < tiny, "dx k %d stride %d %d -> %d, add %d: %g", s.k, s.stride, s.in,
              s.out, add, relative_error(dx, wanted, ni));
    }
    if (sizeof(real) == 8 && s.n * s.H * s.in * s.out < 1000) { // the reference itself, by finite differences
        memset(dw2, 0, u.nw * sizeof(real));
        memset(db2, 0, (size_t)s.out * sizeof(real));
        memset(dx2, 0, u.nx * sizeof(real));
        conv_naive_backward(dx2, dw2, db2, u.dy, u.x, u.w, &s);
        CHECK(gradient_ok(loss, &u, u.w, dw2, u.nw, 1e-5), "weights");
        CHECK(gradient_ok(loss, &u, u.bias, db2, (size_t)s.out, 1e-5), "bias");
        CHECK(gradient_ok(loss, &u, u.x, dx2, u.nx, 1e-5), "input");
    }
    case_free(&u);
    free(y);
    free(want);
    free(packed);
    free(turned);
    free(dw);
    free(dw2);
    free(db);
    free(db2);
    free(dx);
    free(dx2);
    free(up);
    free(wanted);
    free(image);
    free(vectors);
}

static void test_winograd(ConvShape s) {
    Case u = case_new(s);
    ConvShape back = s;
    size_t ni = (size_t)s.n * (size_t)s.H * (size_t)s.W * (size_t)s.in;
    real *y = NEW(real, u.ny), *want = NEW(real, u.ny), *dw = noise(u.nw, 5), *dw2 = noise(u.nw, 5), *wanted;
    real *packed = NEW(real, wino_packed_size(s.in, s.out)), *turned = NEW(real, wino_packed_size(s.out, s.in));
    real *scratch = NEW(real, wino_scratch(s.in, s.out) + wino_scratch(s.out, s.in)), *dx2 = NEW(real, u.nx);
    real *dx = noise(ni, 10), *up = bordered(u.dy, s.n, s.H, s.W, s.out, 1), *image = noise(u.ny, 8);
    ConvStart start = start_zero();
    back.in = s.out;
    back.out = s.in;
    wino_pack(packed, u.w, s.in, s.out, 0);
    wino_pack(turned, u.w, s.in, s.out, 1);
    for (int kind = 0; kind < 3; kind++) {
        start = kind == 0   ? start_bias(u.bias)
                : kind == 1 ? start_rows(image, s.out)
                            : start_image(image, u.bias, s.H, s.W, s.out);
        conv_naive(want, u.x, u.w, &start, &s);
        wino_forward(y, u.x, packed, &start, &s, scratch);
        CHECK(relative_error(y, want, u.ny) < tiny, "start %d, %d -> %d: %g", kind, s.in, s.out,
              relative_error(y, want, u.ny));
    }
    conv_naive_backward(dx2, dw2, NULL, u.dy, u.x, u.w, &s);
    wino_backward_weights(dw, u.dy, u.x, &s, scratch);
    CHECK(relative_error(dw, dw2, u.nw) < tiny, "dw %d -> %d: %g", s.in, s.out, relative_error(dw, dw2, u.nw));
    wanted = inner(dx2, s.n, s.H, s.W, s.in, 1);
    start = start_zero();
    wino_forward(dx, up, turned, &start, &back, scratch);
    CHECK(relative_error(dx, wanted, ni) < tiny, "dx %d -> %d: %g", s.in, s.out, relative_error(dx, wanted, ni));
    case_free(&u);
    free(y);
    free(want);
    free(dw);
    free(dw2);
    free(packed);
    free(turned);
    free(scratch);
    free(dx);
    free(dx2);
    free(up);
    free(image);
    free(wanted);
}

// By hand: a kernel with a single one moves the image; the definition must move it to the right side.
static void test_shift(void) {
    ConvShape s = {1, 3, 3, 1, 1, 3, 1};
    real x[25] = {0}, w[9] = {0}, y[9], packed[9 * TILE_COLS];
    ConvStart start = start_zero();
    x[2 * 5 + 1] = 5; // row 1, column 0 of the inner image
    w[0 * 3 + 1] = 1; // looks one row up
    pack_panels(packed, w, 9, 1);
    conv_forward(y, x, packed, &start, &s);
    NEAR(y[2 * 3 + 0], 5, 0, 0); // what was in row 1 appears in row 2
    NEAR(y[1 * 3 + 0], 0, 0, 0);
}

// Only convolutions that Winograd can compute, and that are large enough, go there.
static void test_fits(void) {
    ConvShape s = {1, 8, 8, 16, 16, 3, 1};
    CHECK(wino_fits(&s), "8x8, 16 channels");
    s.H = 7;
    CHECK(!wino_fits(&s), "odd height");
    s.H = 8;
    s.stride = 2;
    CHECK(!wino_fits(&s), "stride 2");
    s.stride = 1;
    s.k = 1;
    CHECK(!wino_fits(&s), "1x1");
}

int main(void) {
    static const ConvShape direct[] = {
        {3, 5, 3, 3, 1, 1, 1},   {2, 5, 4, 20, 9, 3, 1},  {2, 3, 5, 7, 35, 3, 2},  {1, 1, 1, 1, 1, 3, 1},
        {2, 4, 4, 5, 6, 1, 1},   {1, 17, 2, 1, 16, 3, 1}, {2, 2, 20, 32, 2, 3, 1}, {1, 1, 300, 2, 17, 3, 1},
        {7, 1, 1, 13, 33, 1, 1}, {1, 4, 6, 16, 16, 3, 2}, {2, 5, 19, 6, 3, 3, 1},  {3, 2, 16, 4, 1, 3, 1},
        {1, 3, 40, 3, 2, 3, 1},
    };
    static const ConvShape fast[] = {
        {2, 8, 8, 16, 16, 3, 1}, {1, 8, 14, 19, 37, 3, 1}, {3, 10, 8, 24, 16, 3, 1}, {5, 2, 2, 3, 5, 3, 1}};
    for (size_t i = 0; i < sizeof direct / sizeof direct[0]; i++) {
        test_direct(direct[i]);
    }
    for (size_t i = 0; i < sizeof fast / sizeof fast[0]; i++) {
        test_winograd(fast[i]);
    }
    test_shift();
    test_fits();
    return report("test_conv");
}
