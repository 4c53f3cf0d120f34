// test_plain_kernels.c: each plain kernel of ref/cuda/, run as a loop over its threads, against the function of
// ref/core/ that does the same, at odd sizes.  Results that a kernel writes begin as NaN, results that it adds to
// begin as noise.
#include "../ref/core/attention.h"
#include "../ref/core/conv_naive.h"
#include "../ref/core/layers.h"
#include "../ref/cuda/memory.h"
#include "../ref/cuda/plain_attention.h"
#include "../ref/cuda/plain_conv.h"
#include "../ref/cuda/plain_norm.h"
#include "../ref/cuda/plain_vector.h"
#include "harness.h"

static const double limit = sizeof(real) == 4 ? 1e-5 : 1e-12;

static void same(const char *name, const real *got, const real *want, size_t n) {
    double d = relative_error(got, want, n);
    CHECK(d < limit, "%s: relative error %g", name, d);
}

// What a test takes, it gives back at its end, all at once.
static real *taken[64];
static int taken_count;

static real *take(size_t n) {
    if (taken_count == 64) {
        DIE("test_plain_kernels: more than 64 vectors");
    }
    return taken[taken_count++] = NEW(real, n);
}

static void free_all(void) {
    while (taken_count > 0) {
        free(taken[--taken_count]);
    }
}

// n numbers of N(0, 1), others with every call.
static real *noise(size_t n) {
    static uint64_t stream;
    real *v = take(n);
    rng_fill_normal(v, n, 7, ++stream, 0);
    return v;
}

static real *copy_of(const real *v, size_t n) {
    real *w = take(n);
    memcpy(w, v, n * sizeof(real));
    return w;
}

static real *poison(size_t n) {
    real *v = take(n);
    for (size_t i = 0; i < n; i++) {
        v[i] = (real)NAN;
    }
    return v;
}

// ---- convolution -------------------------------------------------------------------------------------------------

// added: 0: bias alone, 1: a vector an image, 2: another image, which lies where the result goes.
static void test_conv(ConvShape s, int added, const char *name) {
    int Hp = conv_bordered(s.H, &s), Wp = conv_bordered(s.W, &s), H = s.stride * s.H, W = s.stride * s.W;
    size_t in = image_numbers(s.n, Hp, Wp, s.in), out = image_numbers(s.n, s.H, s.W, s.out), nw = conv_weights(&s);
    size_t inside = image_numbers(s.n, H, W, s.in), pixels = (size_t)(s.H * s.W), no = (size_t)s.out;
    real *x = noise(in), *w = noise(nw), *bias = noise(no), *rows = noise((size_t)s.n * no), *other = noise(out);
    real *y = added == 2 ? copy_of(other, out) : poison(out), *want = take(out), *dy = noise(out);
    real *dx = noise(inside), *dw = noise(nw), *db = noise(no), *drows = noise((size_t)s.n * no);
    real *want_dw = copy_of(dw, nw), *want_db = copy_of(db, no), *want_dx = copy_of(dx, inside);
    real *want_drows = copy_of(drows, (size_t)s.n * no), *bordered = take(in);
    ConvStart start = start_bias(bias);
    conv_naive(want, x, w, &start, &s);
    for (size_t i = 0; i < out; i++) {
        want[i] += added == 1 ? rows[i / (pixels * no) * no + i % no] : added == 2 ? other[i] : 0;
    }
    plain_conv_forward(y, x, w, bias, added == 1 ? rows : NULL, added == 2 ? y : NULL, &s);
    same(name, y, want, out);
    conv_naive_backward(bordered, want_dw, want_db, dy, x, w, &s);
    for (size_t i = 0; i < inside; i++) { // the inside of the bordered gradient
        Place p = place_of(i, H, W, s.in);
        want_dx[i] += bordered[pixel_at(p.b, p.v + s.k / 2, p.u + s.k / 2, Hp, Wp, s.in) + (size_t)p.c];
    }
    for (size_t i = 0; i < out; i++) {
        want_drows[i / (pixels * no) * no + i % no] += dy[i];
    }
    plain_conv_backward_input(dx, dy, w, &s);
    plain_conv_backward_weights(dw, dy, x, &s);
    plain_channel_sums(db, dy, 1, (size_t)s.n * pixels, s.out);
    plain_channel_sums(drows, dy, s.n, pixels, s.out);
    same(name, dx, want_dx, inside);
    same(name, dw, want_dw, nw);
    same(name, db, want_db, no);
    same(name, drows, want_drows, (size_t)s.n * no);
    free_all();
}

// ---- norm and attention ------------------------------------------------------------------------------------------

static void test_norm(NormShape s, const char *name) {
    size_t in = image_numbers(s.n, s.H, s.W, s.C), groups = (size_t)(s.n * s.G), c = (size_t)s.C;
    size_t out = image_numbers(s.n, s.H + 2 * s.border, s.W + 2 * s.border, s.C);
    real *x = noise(in), *gain = noise(c), *shift = noise(c), *dy = noise(in), *y = poison(out);
    real *stats = poison(2 * groups), *want = poison(out), *want_stats = poison(2 * groups), *dx = noise(in);
    real *dgain = noise(c), *dshift = noise(c), *want_dx = copy_of(dx, in), *want_dgain = copy_of(dgain, c);
    real *want_dshift = copy_of(dshift, c), *scratch = take(groupnorm_scratch(s.H, s.W, s.C, s.G));
    real *own_scratch = poison(plain_norm_scratch(&s));
    for (size_t i = 0; i < in; i++) { // a mean that is not zero
        x[i] = x[i] * (real)0.5 + (real)3;
    }
    groupnorm_forward(want, want_stats, want_stats + groups, x, gain, shift, s.n, s.H, s.W, s.C, s.G, s.border, s.silu);
    plain_norm_forward(y, stats, stats + groups, x, gain, shift, &s);
    same(name, y, want, out);
    same(name, stats, want_stats, 2 * groups);
    groupnorm_backward(want_dx, want_dgain, want_dshift, dy, x, want_stats, want_stats + groups, gain, shift, s.n, s.H,
                       s.W, s.C, s.G, s.silu, scratch);
    plain_norm_backward(dx, dgain, dshift, dy, x, stats, stats + groups, gain, shift, &s, own_scratch);
    same(name, dx, want_dx, in);
    same(name, dgain, want_dgain, c);
    same(name, dshift, want_dshift, c);
    free_all();
}

static void test_attention(int n, int T, int C) {
    AttendShape s = {0, 0, 0};
    size_t tc = (size_t)(n * T * C), tt = (size_t)(n * T * T);
    real *qkv = noise(3 * tc), *out = poison(tc), *weights = poison(tt), *want = poison(tc), *want_weights = poison(tt);
    real *dout = noise(tc), *dqkv = noise(3 * tc), *before = copy_of(dqkv, 3 * tc), *want_dqkv = poison(3 * tc);
    real *scratch = take(attention_scratch(T, C)), *dS;
    s.n = n;
    s.T = T;
    s.C = C;
    dS = poison(plain_attend_scratch(&s));
    attention_forward(want, want_weights, qkv, n, T, C, scratch);
    plain_attend_forward(out, weights, qkv, &s);
    same("attention", out, want, tc);
    same("attention weights", weights, want_weights, tt);
    attention_backward(want_dqkv, dout, qkv, want_weights, n, T, C, scratch);
    plain_attend_backward(dqkv, dout, qkv, weights, &s, dS);
    for (size_t i = 0; i < 3 * tc; i++) { // the CPU writes, the kernel adds
        want_dqkv[i] += before[i];
    }
    same("attention backward", dqkv, want_dqkv, 3 * tc);
    for (size_t i = 0; i < 3 * tc; i++) { // scores of thousands stay finite
        qkv[i] *= 100;
    }
    attention_forward(want, want_weights, qkv, n, T, C, scratch);
    plain_attend_forward(out, weights, qkv, &s);
    same("attention to one", weights, want_weights, tt);
    free_all();
}

// ---- images ------------------------------------------------------------------------------------------------------

static void test_images(int n, int H, int W, int C, int D) {
    size_t small = image_numbers(n, H, W, C), padded = image_numbers(n, H + 2, W + 2, C), large = 4 * small;
    size_t doubled = image_numbers(n, 2 * H + 2, 2 * W + 2, C), pixels = image_numbers(n, H, W, 1);
    size_t second = pixels * (size_t)D, both = small + second;
    real *x = noise(small), *y = poison(padded), *want = poison(padded), *dx = noise(small);
    real *want_dx = copy_of(dx, small), *dy = noise(large), *up = poison(doubled), *want_up = poison(doubled);
    real *b = noise(second), *cat = poison(both), *want_cat = poison(both), *db = noise(second);
    real *want_db = copy_of(db, second), *dcat = noise(both);
    plain_pad_forward(y, x, 1, n, H, W, C);
    pad_forward(want, x, n, H, W, C);
    CHECK(memcmp(y, want, padded * sizeof(real)) == 0, "a border of zeros");
    plain_pad_forward(up, x, 2, n, H, W, C);
    upsample_pad_forward(want_up, x, n, H, W, C);
    CHECK(memcmp(up, want_up, doubled * sizeof(real)) == 0, "doubled");
    plain_pad_backward(dx, dy, 2, n, H, W, C);
    upsample_backward(want_dx, dy, n, H, W, C);
    same("back from double size", dx, want_dx, small);
    plain_pad_backward(dx, dy, 1, n, H, W, C);
    for (size_t i = 0; i < small; i++) {
        want_dx[i] += dy[i];
    }
    same("back from the border", dx, want_dx, small);
    plain_concat_forward(cat, x, b, pixels, C, D);
    concat_forward(want_cat, x, b, pixels, C, D);
    CHECK(memcmp(cat, want_cat, both * sizeof(real)) == 0, "concatenation");
    plain_concat_backward(dx, db, dcat, pixels, C, D);
    concat_backward(want_dx, want_db, dcat, pixels, C, D);
    same("back from the concatenation, first", dx, want_dx, small);
    same("back from the concatenation, second", db, want_db, second);
    free_all();
}

// ---- vectors -----------------------------------------------------------------------------------------------------

static void test_vectors(void) {
    enum { N = 5, WIDTH = 7, ROWS = 4, ALL = N * WIDTH, TABLE = (ROWS + 1) * WIDTH };
    static const int prompt[N] = {3, -1, 0, 3, 1}, level[N] = {2, 0, 3, 1, 2};
    // one word each, the null prompt has the last row; and the same with a second word, which some images lack
    static const int one[N] = {3, ROWS, 0, 3, 1}, two[2 * N] = {3, -1, ROWS, 1, 0, -1, 3, 0, 1, 2};
    static const int second[N] = {-2, 1, -2, 0, 2}; // -2: none
    real *z = noise(ALL), *want_z = copy_of(z, ALL), *table = noise(TABLE), *dz = noise(ALL), *dtable = noise(TABLE);
    real *want_dtable = copy_of(dtable, TABLE), *y = poison(ALL), *want = poison(ALL);
    real *alpha = noise(N), *sigma = noise(N);
    plain_silu_forward(y, z, ALL);
    silu_forward(want, z, ALL);
    same("SiLU", y, want, ALL);
    memcpy(y, dz, sizeof(real) * ALL);
    plain_silu_backward(y, dz, z, ALL);
    silu_backward(want, dz, z, ALL);
    for (int i = 0; i < ALL; i++) {
        want[i] += dz[i];
    }
    same("SiLU backward", y, want, ALL);
    plain_add(y, z, ALL);
    for (int i = 0; i < ALL; i++) {
        want[i] += z[i];
    }
    same("add", y, want, ALL);
    plain_waves(y, table, level, N, WIDTH);
    for (int i = 0; i < N; i++) {
        memcpy(want + i * WIDTH, table + level[i] * WIDTH, sizeof(real) * WIDTH);
    }
    CHECK(memcmp(y, want, sizeof(real) * ALL) == 0, "rows of a table");
    plain_words_forward(z, table, one, N, 1, WIDTH);
    prompt_forward(want_z, table, prompt, N, ROWS, WIDTH);
    plain_words_forward(z, table, two, N, 2, WIDTH);
    prompt_forward(want_z, table, prompt, N, ROWS, WIDTH);
    for (int i = 0; i < ALL; i++) {
        want_z[i] += second[i / WIDTH] < 0 ? 0 : table[second[i / WIDTH] * WIDTH + i % WIDTH];
    }
    same("words", z, want_z, ALL);
    plain_words_backward(dtable, dz, two, N, 2, WIDTH, TABLE);
    prompt_backward(want_dtable, dz, prompt, N, ROWS, WIDTH);
    for (int i = 0; i < ALL; i++) {
        if (second[i / WIDTH] >= 0) {
            want_dtable[second[i / WIDTH] * WIDTH + i % WIDTH] += dz[i];
        }
    }
    same("words backward", dtable, want_dtable, TABLE);
    plain_eps_forward(y, z, dz, alpha, sigma, N, WIDTH);
    for (int i = 0; i < ALL; i++) {
        want[i] = sigma[i / WIDTH] * z[i] + alpha[i / WIDTH] * dz[i];
    }
    same("eps", y, want, ALL);
    plain_eps_backward(y, dz, alpha, N, WIDTH);
    for (int i = 0; i < ALL; i++) {
        want[i] = alpha[i / WIDTH] * dz[i];
    }
    same("eps backward", y, want, ALL);
    plain_eps_input(y, z, dz, sigma, N, WIDTH);
    for (int i = 0; i < ALL; i++) {
        want[i] = z[i] + sigma[i / WIDTH] * dz[i];
    }
    same("eps, gradient of x", y, want, ALL);
    free_all();
}

static void test_optimiser(void) {
    enum { NP = 37 };
    Net net = net_new(1, 1, NP);
    Adam adam = adam_new(&net, 0.01);
    real *p = noise(NP), *m = take(NP), *v = take(NP), *ema = noise(NP), *want_ema = copy_of(ema, NP);
    adam.decay = 0.3;
    adam.beta1 = 0.8;
    memcpy(net.p, p, sizeof(real) * NP);
    for (int step = 1; step <= 3; step++) {
        AdamStep a = plain_adam_of(&adam, step);
        rng_fill_normal(net.g, NP, 9, (uint64_t)step, 0);
        plain_adam(p, m, v, net.g, &a, NP);
        adam_step(&adam, &net);
        plain_ema(ema, p, 0.9, NP);
        ema_update(want_ema, &net, 0.9);
        same("Adam", p, net.p, NP);
    }
    same("Adam, first moment", m, adam.m, NP);
    same("Adam, second moment", v, adam.v, NP);
    same("EMA", ema, want_ema, NP);
    adam_free(&adam);
    net_free(&net);
    free_all();
}

// Memory of the device is not zero, and copies arrive.
static void test_memory(void) {
    real there[3] = {1, 2, 3}, back[3] = {0, 0, 0}, *d = DEVICE_NEW(real, 3);
    CHECK(d[0] != d[0] && d[2] != d[2], "fresh memory begins with %g", (double)d[0]);
    to_device(d, there, sizeof there);
    to_host(back, d, sizeof back);
    CHECK(memcmp(there, back, sizeof back) == 0, "there and back");
    device_zero(d + 1, sizeof(real));
    to_host(back, d, sizeof back);
    CHECK(back[0] == 1 && back[1] == 0 && back[2] == 3, "one zero: %g %g %g", (double)back[0], (double)back[1],
          (double)back[2]);
    device_free(d);
}

int main(void) {
    static const ConvShape same_size = {2, 5, 3, 7, 5, 3, 1}, halved = {3, 3, 5, 4, 6, 3, 2},
                           point = {2, 9, 11, 6, 3, 1, 1}, linear = {5, 1, 1, 13, 7, 1, 1},
                           single = {1, 1, 1, 3, 2, 3, 1};
    static const NormShape bordered = {2, 5, 3, 12, 4, 1, 1}, bare = {3, 3, 5, 9, 3, 0, 0},
                           wide = {1, 2, 3, 130, 2, 1, 0}, single_group = {2, 1, 1, 6, 1, 0, 1};
    test_conv(same_size, 0, "3x3");
    test_conv(same_size, 1, "3x3 and a vector");
    test_conv(halved, 2, "3x3 stride 2 and an image");
    test_conv(point, 2, "1x1 and an image");
    test_conv(linear, 0, "linear");
    test_conv(single, 0, "3x3 of one pixel");
    test_norm(bordered, "norm, SiLU, border");
    test_norm(bare, "norm");
    test_norm(wide, "norm, wide groups, border");
    test_norm(single_group, "norm of one pixel");
    test_attention(2, 15, 7);
    test_attention(1, 36, 10);
    test_images(2, 5, 3, 7, 4);
    test_images(3, 2, 5, 1, 6);
    test_vectors();
    test_optimiser();
    test_memory();
    return report("test_plain_kernels");
}
