// test_groupnorm.c: group normalisation, fast against naive, gradients, limits and closed forms.
#include "death.h"

#include "../ref/core/groupnorm.h"
#include "guarded.h"

enum { STREAM_X = 1, STREAM_DY, STREAM_GAIN, STREAM_SHIFT, STREAM_OLD };

// What rounding leaves between two orders of a sum, relative to the largest number.
static double rounding(void) {
    return sizeof(real) == sizeof(float) ? 2e-6 : 1e-13;
}

typedef struct {
    int n, H, W, C, G, border, silu;
    real *x, *gain, *shift, *mean, *rstd, *y, *dy; // dy has no border
} Norm;

static size_t norm_numbers(const Norm *o) {
    return (size_t)o->n * o->H * o->W * o->C;
}

static size_t norm_padded(const Norm *o) {
    return (size_t)o->n * (o->H + 2 * o->border) * (o->W + 2 * o->border) * o->C;
}

static Norm norm_new(int n, int H, int W, int C, int G, int border, int silu) {
    Norm o = {0};
    o.n = n;
    o.H = H;
    o.W = W;
    o.C = C;
    o.G = G;
    o.border = border;
    o.silu = silu;
    o.x = guarded_normal(norm_numbers(&o), STREAM_X);
    o.dy = guarded_normal(norm_numbers(&o), STREAM_DY);
    o.gain = guarded_normal((size_t)C, STREAM_GAIN);
    o.shift = guarded_normal((size_t)C, STREAM_SHIFT);
    o.mean = guarded_new((size_t)n * G);
    o.rstd = guarded_new((size_t)n * G);
    o.y = guarded_new(norm_padded(&o));
    return o;
}

static void norm_free(Norm *o) {
    guarded_free(o->x, norm_numbers(o));
    guarded_free(o->dy, norm_numbers(o));
    guarded_free(o->gain, (size_t)o->C);
    guarded_free(o->shift, (size_t)o->C);
    guarded_free(o->mean, (size_t)o->n * o->G);
    guarded_free(o->rstd, (size_t)o->n * o->G);
    guarded_free(o->y, norm_padded(o));
}

static void norm_forward(Norm *o) {
    groupnorm_forward(o->y, o->mean, o->rstd, o->x, o->gain, o->shift, o->n, o->H, o->W, o->C, o->G, o->border,
                      o->silu);
}

static void norm_backward(const Norm *o, real *dx, real *dgain, real *dshift) {
    size_t n = groupnorm_scratch(o->H, o->W, o->C, o->G);
    real *scratch = guarded_new(n);
    groupnorm_backward(dx, dgain, dshift, o->dy, o->x, o->mean, o->rstd, o->gain, o->shift, o->n, o->H, o->W, o->C,
                       o->G, o->silu, scratch);
    guarded_free(scratch, n);
}

// The number of output (image b, row i, column j, channel c), counted without the border.
static size_t norm_at(const Norm *o, int b, int i, int j, int c) {
    return (((size_t)b * (o->H + 2 * o->border) + i + o->border) * (o->W + 2 * o->border) + j + o->border) * o->C + c;
}

// sum dy y, the loss whose gradients are checked.
static double norm_loss(void *user) {
    Norm *o = (Norm *)user;
    double sum = 0;
    size_t at = 0;
    int b, i, j, c;
    norm_forward(o);
    for (b = 0; b < o->n; b++) {
        for (i = 0; i < o->H; i++) {
            for (j = 0; j < o->W; j++) {
                for (c = 0; c < o->C; c++) {
                    sum += (double)o->dy[at++] * (double)o->y[norm_at(o, b, i, j, c)];
                }
            }
        }
    }
    return sum;
}

// Numbers that belong to the border and are not exactly 0.
static size_t norm_dirty(const Norm *o) {
    size_t dirty = 0;
    int b, i, j, c;
    for (b = 0; b < o->n; b++) {
        for (i = -o->border; i < o->H + o->border; i++) {
            for (j = -o->border; j < o->W + o->border; j++) {
                for (c = 0; c < o->C; c++) {
                    int outside = i < 0 || i >= o->H || j < 0 || j >= o->W;
                    dirty += outside && o->y[norm_at(o, b, i, j, c)] != 0;
                }
            }
        }
    }
    return dirty;
}

static void test_norm_against_naive(Norm *o) {
    size_t n = norm_numbers(o), groups = (size_t)o->n * o->G, C = (size_t)o->C;
    Norm naive = norm_new(o->n, o->H, o->W, o->C, o->G, o->border, o->silu);
    real *dx = guarded_normal(n, STREAM_OLD), *dx2 = guarded_normal(n, STREAM_OLD), *dx3 = guarded_new(n);
    real *dp = guarded_normal(2 * C, STREAM_OLD), *dp2 = guarded_normal(2 * C, STREAM_OLD);
    norm_forward(o);
    groupnorm_naive_forward(naive.y, naive.mean, naive.rstd, o->x, o->gain, o->shift, o->n, o->H, o->W, o->C, o->G,
                            o->border, o->silu);
    CHECK(worst(o->y, naive.y, norm_padded(o)) < rounding(), "y is off by %g", worst(o->y, naive.y, norm_padded(o)));
    CHECK(worst(o->mean, naive.mean, groups) < rounding(), "mean is off by %g", worst(o->mean, naive.mean, groups));
    CHECK(worst(o->rstd, naive.rstd, groups) < rounding(), "rstd is off by %g", worst(o->rstd, naive.rstd, groups));
    CHECK(norm_dirty(o) == 0 && norm_dirty(&naive) == 0, "%zu numbers of the border are not 0", norm_dirty(o));
    memcpy(dx3, dx, n * sizeof(real));
    norm_backward(o, dx, dp, dp + C);
    groupnorm_naive_backward(dx2, dp2, dp2 + C, o->dy, o->x, o->mean, o->rstd, o->gain, o->shift, o->n, o->H, o->W,
                             o->C, o->G, o->silu);
    CHECK(worst(dx, dx2, n) < 2 * rounding(), "dx is off by %g", worst(dx, dx2, n));
    CHECK(worst(dp, dp2, 2 * C) < 4 * rounding(), "dgain, dshift are off by %g", worst(dp, dp2, 2 * C));
    norm_backward(o, dx3, NULL, NULL);
    CHECK(same(dx, dx3, n), "dx depends on whether dgain is wanted");
    norm_free(&naive);
    guarded_free(dx, n);
    guarded_free(dx2, n);
    guarded_free(dx3, n);
    guarded_free(dp, 2 * C);
    guarded_free(dp2, 2 * C);
}

// n images at once, or one after another: the same bits.
static void test_norm_split(Norm *o) {
    size_t n = norm_numbers(o), C = (size_t)o->C, image = n / (size_t)o->n;
    real *dx = guarded_normal(n, STREAM_OLD), *dx1 = guarded_normal(n, STREAM_OLD);
    real *dp = guarded_normal(2 * C, STREAM_OLD), *dp1 = guarded_normal(2 * C, STREAM_OLD);
    real *y = guarded_new(norm_padded(o));
    int b;
    norm_forward(o);
    memcpy(y, o->y, norm_padded(o) * sizeof(real));
    norm_backward(o, dx, dp, dp + C);
    for (b = 0; b < o->n; b++) {
        Norm one = *o;
        one.n = 1;
        one.x = o->x + (size_t)b * image;
        one.dy = o->dy + (size_t)b * image;
        one.mean = o->mean + (size_t)b * o->G;
        one.rstd = o->rstd + (size_t)b * o->G;
        one.y = o->y + (size_t)b * norm_padded(o) / o->n;
        norm_forward(&one);
        norm_backward(&one, dx1 + (size_t)b * image, dp1, dp1 + C);
    }
    CHECK(same(y, o->y, norm_padded(o)), "y depends on the batch");
    CHECK(same(dx, dx1, n) && same(dp, dp1, 2 * C), "gradients depend on the batch");
    guarded_free(dx, n);
    guarded_free(dx1, n);
    guarded_free(dp, 2 * C);
    guarded_free(dp1, 2 * C);
    guarded_free(y, norm_padded(o));
}

static void test_norm_gradient(Norm *o) {
    size_t n = norm_numbers(o), C = (size_t)o->C, i, wrong = 0;
    real *dx = NEW(real, n), *dp = NEW(real, 2 * C), *twice = NEW(real, n);
    norm_forward(o);
    norm_backward(o, dx, dp, dp + C);
    for (i = 0; i < 2; i++) {
        norm_backward(o, twice, NULL, NULL);
    }
    for (i = 0; i < n; i++) {
        wrong += !is_near(twice[i], 2 * dx[i], 1e-6, 0);
    }
    CHECK(wrong == 0, "dx does not add up in %zu of %zu numbers", wrong, n);
    if (sizeof(real) == sizeof(double)) {
        CHECK(gradient_ok(norm_loss, o, o->x, dx, n, 1e-5), "dx, silu %d", o->silu);
        CHECK(gradient_ok(norm_loss, o, o->gain, dp, C, 1e-5), "dgain, silu %d", o->silu);
        CHECK(gradient_ok(norm_loss, o, o->shift, dp + C, C, 1e-5), "dshift, silu %d", o->silu);
    }
    free(dx);
    free(dp);
    free(twice);
}

static void test_norm_shapes(void) {
    // 72 and 130 channels do not fit in one block, and groups of 9 and 10 lie across its end
    static const int shapes[7][5] = {{2, 5, 3, 12, 4},   {3, 4, 4, 64, 8}, {2, 1, 1, 8, 2}, {2, 3, 7, 72, 8},
                                     {1, 9, 2, 130, 13}, {2, 2, 3, 5, 5},  {2, 4, 1, 20, 1}};
    int s, k;
    for (s = 0; s < 7; s++) {
        for (k = 0; k < 4; k++) {
            const int *w = shapes[s];
            Norm o = norm_new(w[0], w[1], w[2], w[3], w[4], k & 1, k >> 1);
            test_norm_against_naive(&o);
            test_norm_split(&o);
            if (w[1] * w[2] > 1) {
                test_norm_gradient(&o);
            }
            norm_free(&o);
        }
    }
}

// Constant image, two numbers, a small spread around a large mean, no number.
static void test_norm_limits(void) {
    Norm o = norm_new(2, 3, 3, 6, 2, 1, 0);
    double mean = 0, square = 0;
    size_t i;
    int c;
    for (i = 0; i < norm_numbers(&o); i++) {
        o.x[i] = (real)3.7;
    }
    norm_forward(&o);
    for (c = 0; c < 6; c++) {
        CHECK(o.y[norm_at(&o, 1, 2, 2, c)] == o.shift[c], "a constant image: channel %d is not its shift", c);
    }
    NEAR(o.mean[3], 3.7, 1e-6, 0);
    NEAR(o.rstd[3], 1 / sqrt(1e-5), 1e-6, 0);
    norm_free(&o);
    o = norm_new(1, 1, 1, 2, 1, 0, 1); // two numbers: biased variance a^2, and a of the size of sqrt(eps)
    o.x[0] = (real)0.253;
    o.x[1] = (real)0.247;
    o.gain[0] = 2;
    o.shift[0] = (real)0.5;
    norm_forward(&o);
    mean = 0.5 + 2 * 0.003 / sqrt(0.003 * 0.003 + 1e-5);
    NEAR(o.y[0], mean / (1 + exp(-mean)), 1e-5, 0);
    norm_free(&o);
    o = norm_new(1, 32, 32, 8, 2, 0, 0);
    mean = 0;
    for (i = 0; i < norm_numbers(&o); i++) {
        o.x[i] += 1000;
        mean += i % 8 < 4 ? (double)o.x[i] / 4096 : 0;
    }
    for (i = 0; i < norm_numbers(&o); i++) {
        square += i % 8 < 4 ? ((double)o.x[i] - mean) * ((double)o.x[i] - mean) / 4096 : 0;
    }
    norm_forward(&o);
    NEAR(o.mean[0], mean, 6.2e-8, 0); // the nearest float
    NEAR(o.rstd[0], 1 / sqrt(square + 1e-5), 2e-6, 0);
    NEAR(o.y[8], ((double)o.x[8] - mean) / sqrt(square + 1e-5) * (double)o.gain[0] + (double)o.shift[0], 0, 1e-4);
    norm_free(&o);
    o = norm_new(2, 2, 2, 4, 2, 0, 1);
    o.x[0] = NAN; // must not vanish, and must not spread
    norm_forward(&o);
    CHECK(o.y[0] != o.y[0] && o.y[13] != o.y[13], "a NaN became %g and %g", (double)o.y[0], (double)o.y[13]);
    CHECK(o.y[2] == o.y[2] && o.y[16] == o.y[16], "a NaN reached another group or image");
    norm_free(&o);
    o = norm_new(1, 2, 2, 6, 2, 0, 0);
    o.G = 4;
    DIES("6 channels in 4 groups", norm_forward(&o));
    o.G = 2;
    o.border = 2;
    DIES("border 2", norm_forward(&o));
    o.border = 0;
    norm_free(&o);
}

int main(void) {
    test_norm_shapes();
    test_norm_limits();
    return report("test_groupnorm");
}
