// test_image_layers.c: attention and the copies between image layouts: fast against naive, gradients, limits, fences.
#include "harness.h"

#include "../ref/core/attention.h"
#include "../ref/core/resample.h"
#include "guarded.h"

enum { STREAM_X = 1, STREAM_DY, STREAM_OLD };

// ---- attention ---------------------------------------------------------------------------------------------------

typedef struct {
    int n, T, C;
    real *qkv, *out, *weights, *dout;
} Look;

static size_t look_numbers(const Look *o) {
    return (size_t)o->n * o->T * o->C;
}

static Look look_new(int n, int T, int C) {
    Look o;
    o.n = n;
    o.T = T;
    o.C = C;
    o.qkv = guarded_normal(3 * look_numbers(&o), STREAM_X);
    o.dout = guarded_normal(look_numbers(&o), STREAM_DY);
    o.out = guarded_new(look_numbers(&o));
    o.weights = guarded_new((size_t)n * T * T);
    return o;
}

static void look_free(Look *o) {
    guarded_free(o->qkv, 3 * look_numbers(o));
    guarded_free(o->dout, look_numbers(o));
    guarded_free(o->out, look_numbers(o));
    guarded_free(o->weights, (size_t)o->n * o->T * o->T);
}

static void look_forward(Look *o) {
    real *scratch = guarded_new(attention_scratch(o->T, o->C));
    attention_forward(o->out, o->weights, o->qkv, o->n, o->T, o->C, scratch);
    guarded_free(scratch, attention_scratch(o->T, o->C));
}

static void look_backward(const Look *o, real *dqkv) {
    real *scratch = guarded_new(attention_scratch(o->T, o->C));
    attention_backward(dqkv, o->dout, o->qkv, o->weights, o->n, o->T, o->C, scratch);
    guarded_free(scratch, attention_scratch(o->T, o->C));
}

// q, k or v (part 0, 1, 2) of pixel i of image b.
static real *look_part(const Look *o, int b, int i, int part) {
    return o->qkv + (((size_t)b * o->T + i) * 3 + part) * o->C;
}

static double look_loss(void *user) {
    Look *o = (Look *)user;
    double sum = 0;
    size_t k;
    look_forward(o);
    for (k = 0; k < look_numbers(o); k++) {
        sum += (double)o->dout[k] * (double)o->out[k];
    }
    return sum;
}

static void test_attention_shape(int n, int T, int C) {
    Look o = look_new(n, T, C), naive = look_new(n, T, C), one = o;
    size_t numbers = look_numbers(&o), squares = (size_t)n * T * T;
    real *d = guarded_new(3 * numbers), *d2 = guarded_new(3 * numbers);
    double tolerance = sizeof(real) == sizeof(float) ? 4e-6 : 1e-13;
    look_forward(&o);
    attention_naive_forward(naive.out, naive.weights, o.qkv, n, T, C);
    CHECK(worst(o.out, naive.out, numbers) < tolerance, "out is off by %g", worst(o.out, naive.out, numbers));
    CHECK(worst(o.weights, naive.weights, squares) < tolerance, "A: %g", worst(o.weights, naive.weights, squares));
    look_backward(&o, d); // over garbage: written, not added
    attention_naive_backward(d2, o.dout, o.qkv, o.weights, n, T, C);
    CHECK(worst(d, d2, 3 * numbers) < tolerance, "dqkv is off by %g", worst(d, d2, 3 * numbers));
    one.n = 1; // the last image alone
    one.qkv = look_part(&o, n - 1, 0, 0);
    one.dout = o.dout + numbers / (size_t)n * (size_t)(n - 1);
    one.out = naive.out;
    one.weights = naive.weights;
    look_forward(&one);
    look_backward(&one, d2);
    CHECK(same(one.out, o.out + look_numbers(&one) * (size_t)(n - 1), look_numbers(&one)), "out depends on the batch");
    CHECK(same(d2, d + 3 * look_numbers(&one) * (size_t)(n - 1), 3 * look_numbers(&one)), "dqkv depends on the batch");
    if (sizeof(real) == sizeof(double)) {
        CHECK(gradient_ok(look_loss, &o, o.qkv, d, 3 * numbers, 1e-5), "n %d, T %d, C %d", n, T, C);
    }
    look_free(&o);
    look_free(&naive);
    guarded_free(d, 3 * numbers);
    guarded_free(d2, 3 * numbers);
}

// One pixel looks at itself; equal keys give the mean; two pixels are a sigmoid; large scores pick; NaN stays.
static void test_attention_limits(void) {
    Look o = look_new(2, 1, 7);
    double mean = 0, score = 0, s;
    int i, c;
    look_forward(&o);
    for (c = 0; c < 7; c++) {
        CHECK(o.out[7 + c] == look_part(&o, 1, 0, 2)[c], "one pixel: channel %d is not v", c);
    }
    look_free(&o);
    o = look_new(1, 21, 5);
    for (i = 0; i < 21; i++) {
        memcpy(look_part(&o, 0, i, 1), look_part(&o, 0, 0, 1), 5 * sizeof(real));
        mean += (double)look_part(&o, 0, i, 2)[3] / 21;
    }
    look_forward(&o);
    for (i = 0; i < 21; i++) {
        NEAR(o.out[5 * i + 3], mean, 0, 1e-6);
    }
    look_free(&o);
    o = look_new(1, 2, 4);
    for (c = 0; c < 4; c++) {
        score += (double)look_part(&o, 0, 1, 0)[c] *
                 ((double)look_part(&o, 0, 0, 1)[c] - (double)look_part(&o, 0, 1, 1)[c]) / 2; // 2 = sqrt(4)
    }
    s = 1 / (1 + exp(-score)); // how much pixel 1 looks at pixel 0
    look_forward(&o);
    NEAR(o.weights[2], s, 1e-6, 0);
    for (c = 0; c < 4; c++) {
        NEAR(o.out[4 + c], s * (double)look_part(&o, 0, 0, 2)[c] + (1 - s) * (double)look_part(&o, 0, 1, 2)[c], 1e-6,
             1e-6);
    }
    look_free(&o);
    o = look_new(1, 18, 1);
    for (i = 0; i < 18; i++) { // the scores are 0, -1000, -2000, ... and 3000 at pixel 17 or 5
        *look_part(&o, 0, i, 0) = 1000;
        *look_part(&o, 0, i, 1) = (real)(i == 17 ? 3 : -i);
    }
    look_forward(&o);
    CHECK(o.out[4] == look_part(&o, 0, 17, 2)[0], "large scores: %g, not v", (double)o.out[4]);
    *look_part(&o, 0, 5, 1) = 4;
    look_forward(&o);
    CHECK(o.out[4] == look_part(&o, 0, 5, 2)[0], "large scores: %g, not v", (double)o.out[4]);
    *look_part(&o, 0, 2, 0) = NAN;
    look_forward(&o);
    CHECK(o.out[2] != o.out[2] && o.out[3] == o.out[3], "a NaN became %g", (double)o.out[2]);
    look_free(&o);
}

// ---- copies ------------------------------------------------------------------------------------------------------

// Pixel (i, j) of image b, channel c; zero outside.
static double read(const real *x, int b, int i, int j, int c, int H, int W, int C) {
    return i < 0 || j < 0 || i >= H || j >= W ? 0 : (double)x[(((size_t)b * H + i) * W + j) * C + c];
}

enum { COPY_PAD, COPY_UP, COPY_DILATE };

// Every number of the padded image, border included, against its definition.
static void test_copy(int kind, int n, int H, int W, int C) {
    int times = kind == COPY_PAD ? 1 : 2, h = times * H, w = times * W, b, i, j, c;
    size_t nx = (size_t)n * H * W * C, ny = (size_t)n * (h + 2) * (w + 2) * C, wrong = 0;
    real *x = guarded_normal(nx, STREAM_X), *y = guarded_new(ny);
    if (kind == COPY_PAD) {
        pad_forward(y, x, n, H, W, C);
    } else if (kind == COPY_UP) {
        upsample_pad_forward(y, x, n, H, W, C);
    } else {
        dilate_pad_forward(y, x, n, H, W, C);
    }
    for (b = 0; b < n; b++) {
        for (i = -1; i <= h; i++) {
            for (j = -1; j <= w; j++) {
                for (c = 0; c < C; c++) {
                    int inside = i >= 0 && j >= 0 && i < h && j < w;
                    double want = inside ? read(x, b, i / times, j / times, c, H, W, C) : 0;
                    want = kind == COPY_DILATE && (i % 2 != 0 || j % 2 != 0) ? 0 : want;
                    wrong += read(y, b, i + 1, j + 1, c, h + 2, w + 2, C) != want;
                }
            }
        }
    }
    CHECK(wrong == 0, "copy %d, %d x %d x %d: %zu of %zu numbers are wrong", kind, H, W, C, wrong, ny);
    guarded_free(x, nx);
    guarded_free(y, ny);
}

// sum dy up(x) = sum up'(dy) x, and up' is added to what is there, twice.
static void test_upsample_backward(int n, int H, int W, int C) {
    size_t nx = (size_t)n * H * W * C, k;
    real *x = guarded_normal(nx, STREAM_X), *dy = guarded_normal(4 * nx, STREAM_DY);
    real *old = guarded_normal(nx, STREAM_OLD), *dx = guarded_normal(nx, STREAM_OLD);
    double there = 0, back = 0;
    int b, i, j, c;
    upsample_backward(dx, dy, n, H, W, C);
    upsample_backward(dx, dy, n, H, W, C);
    for (b = 0; b < n; b++) {
        for (i = 0; i < 2 * H; i++) {
            for (j = 0; j < 2 * W; j++) {
                for (c = 0; c < C; c++) {
                    there += read(dy, b, i, j, c, 2 * H, 2 * W, C) * read(x, b, i / 2, j / 2, c, H, W, C);
                }
            }
        }
    }
    for (k = 0; k < nx; k++) {
        back += ((double)dx[k] - (double)old[k]) / 2 * (double)x[k];
    }
    NEAR(back, there, 1e-5, 0);
    CHECK(fabs(there) > 0.1, "0 = 0 proves nothing");
    guarded_free(x, nx);
    guarded_free(dy, 4 * nx);
    guarded_free(old, nx);
    guarded_free(dx, nx);
}

// What dilation is for.  z (H x W) = the 3x3 convolution of x (2H x 2W) that moves by 2 pixels.  Then dL/dx is the
// convolution of the dilated dz with the kernel turned by half a turn.
static void test_dilate_purpose(void) {
    enum { H = 3, W = 2 };
    real *x = guarded_normal(4 * H * W, STREAM_X), *dz = guarded_normal(H * W, STREAM_DY),
         *kernel = guarded_normal(9, 9);
    real *wide = guarded_new((2 * H + 2) * (2 * W + 2));
    double there = 0, back = 0;
    int i, j, t;
    dilate_pad_forward(wide, dz, 1, H, W, 1);
    for (t = 0; t < 9; t++) {
        for (i = 0; i < H; i++) {
            for (j = 0; j < W; j++) {
                there += (double)dz[i * W + j] * (double)kernel[t] *
                         read(x, 0, 2 * i + t / 3 - 1, 2 * j + t % 3 - 1, 0, 2 * H, 2 * W, 1);
            }
        }
        for (i = 0; i < 2 * H; i++) {
            for (j = 0; j < 2 * W; j++) {
                back += (double)x[i * 2 * W + j] * (double)kernel[8 - t] *
                        (double)wide[(i + t / 3) * (2 * W + 2) + j + t % 3];
            }
        }
    }
    NEAR(back, there, 1e-6, 0);
    CHECK(fabs(there) > 0.1, "0 = 0 proves nothing");
    guarded_free(x, 4 * H * W);
    guarded_free(dz, H * W);
    guarded_free(kernel, 9);
    guarded_free(wide, (2 * H + 2) * (2 * W + 2));
}

static void test_concat(size_t pixels, int Ca, int Cb) {
    size_t na = pixels * Ca, nb = pixels * Cb, p, wrong = 0;
    real *a = guarded_normal(na, STREAM_X), *b = guarded_normal(nb, STREAM_DY), *y = guarded_new(na + nb);
    real *da = guarded_normal(na, STREAM_OLD), *db = guarded_normal(nb, STREAM_OLD);
    real *a0 = guarded_normal(na, STREAM_OLD), *b0 = guarded_normal(nb, STREAM_OLD);
    concat_forward(y, a, b, pixels, Ca, Cb);
    for (p = 0; p < pixels; p++) {
        wrong += !same(y + p * (Ca + Cb), a + p * Ca, Ca) || !same(y + p * (Ca + Cb) + Ca, b + p * Cb, Cb);
    }
    CHECK(wrong == 0, "%zu of %zu pixels", wrong, pixels);
    concat_backward(da, db, y, pixels, Ca, Cb); // the way back brings a and b, on top of what is there
    for (p = 0; p < na; p++) {
        wrong += da[p] != (real)(a0[p] + a[p]);
    }
    for (p = 0; p < nb; p++) {
        wrong += db[p] != (real)(b0[p] + b[p]);
    }
    CHECK(wrong == 0, "%zu gradients", wrong);
    guarded_free(a, na);
    guarded_free(b, nb);
    guarded_free(y, na + nb);
    guarded_free(da, na);
    guarded_free(db, nb);
    guarded_free(a0, na);
    guarded_free(b0, nb);
}

int main(void) {
    int kind;
    test_attention_shape(2, 9, 5);
    test_attention_shape(3, 17, 3);
    test_attention_shape(2, 16, 16);
    test_attention_shape(1, 33, 20);
    test_attention_shape(1, 64, 24);
    test_attention_shape(2, 2, 1);
    test_attention_limits();
    for (kind = COPY_PAD; kind <= COPY_DILATE; kind++) {
        test_copy(kind, 2, 5, 3, 12);
        test_copy(kind, 3, 1, 1, 1);
        test_copy(kind, 1, 2, 4, 7);
    }
    test_upsample_backward(2, 5, 3, 12);
    test_upsample_backward(1, 1, 2, 3);
    test_dilate_purpose();
    test_concat(15, 12, 5);
    test_concat(1, 1, 16);
    return report("test_image_layers");
}
