// test_unet_trace.c: the traced UNet against the net itself, the numbers done by hand against plain loops and against
// gradients, the memory plan, and the shipped kind of net opened by its file's own text.
#include "child.h"

#include "../toy/model/glyph_unet.h"
#include "../toy/model/unet_hand.h"
#include "../toy/model/unet_pictures.h"

static const char *const word_names[] = {"red", "blue", "dot", "bar"};
static const int word_list[] = {0, 2, 0, 3, 1, 2, 1, -1, -1, 3}; // five prompts of up to two words
static const Tokens words = {4, word_names, 5, 2, word_list};
static const UnetShape shape = {8, 3, 16, 2, {1, 2, 0, 0}, 1, 8, 12, 1, 0, 0, 0};

enum { T = 20, LEVEL = 9, PROMPT = 1, DIM = 8 * 8 * 3 };

static Net net_of(Schedule *s) {
    Net net;
    *s = schedule_linear(T, 1e-4, 0.3);
    net = unet_new(&shape, &words, 5, s, 3);
    for (size_t i = 0; i < net.np; i++) { // no parameter is zero, so none can hide
        net.p[i] += (real)(0.1 * rng_normal(1, 3, i));
    }
    net_changed(&net);
    return net;
}

// ---- the trace ---------------------------------------------------------------------------------------------------

static void test_trace(Net *net, const Schedule *s, const real *x) {
    const UnetPlan *u = ((const Unet *)net->self)->plan;
    UnetTrace a = unet_trace(net, x, LEVEL, PROMPT, -1), cut, b;
    int last = u->ops - 1, concat = unet_find(u, "up0.0.concat"), norm = unet_find(u, "down0.0.norm1"), c = PROMPT;
    real eps[DIM], touched[DIM], t = LEVEL;
    double miss = 0;
    net->forward(net, eps, x, &t, &c, 1);
    for (int i = 0; i < DIM; i++) {
        double abar = schedule_abar(s, LEVEL);
        miss = fmax(miss, fabs((double)eps[i] - (sqrt(1 - abar) * (double)x[i] + sqrt(abar) * (double)a.out[last][i])));
    }
    CHECK(miss < (sizeof(real) == 8 ? 1e-13 : 1e-5), "eps differs by %g", miss);
    // cut: the second half of the concatenation is zero, the first is as it was, and the result another
    cut = unet_trace(net, x, LEVEL, PROMPT, concat);
    for (int p = 0; p < 64; p++) {
        const real *is = trace_pixel(&cut, concat, p / 8, p % 8), *was = trace_pixel(&a, concat, p / 8, p % 8);
        int first = u->buf[u->op[concat].in].C;
        CHECK(memcmp(is, was, (size_t)first * sizeof(real)) == 0 && was[first] != 0 && is[first] == 0 &&
                  is[unet_out(u, concat)->C - 1] == 0,
              "pixel %d", p);
    }
    CHECK(trace_rms(&cut, &a, last) > 1e-3, "the cut changed nothing");
    // news of one pixel: 3x3 pixels after a convolution, all of them after a norm
    memcpy(touched, x, sizeof touched);
    touched[(3 * 8 + 4) * 3 + 1] += (real)0.5;
    b = unet_trace(net, touched, LEVEL, PROMPT, -1);
    CHECK(trace_heard(&a, &b, unet_find(u, "in.conv"), 0) == 9, "heard");
    CHECK(trace_heard(&a, &b, norm, 0) == 64 && trace_heard(&a, &b, norm, 0.1) <= 9, "norm: all, but little");
    CHECK(trace_pixel(&a, norm, -1, 3)[5] == 0 && trace_pixel(&a, norm, 8, 8)[0] == 0, "the border");
    unet_trace_free(&a);
    unet_trace_free(&b);
    unet_trace_free(&cut);
}

// ---- by hand -----------------------------------------------------------------------------------------------------

static void test_hand(Net *net, const real *x) {
    const UnetPlan *u = ((const Unet *)net->self)->plan;
    UnetTrace a = unet_trace(net, x, LEVEL, PROMPT, -1);
    int pad = unet_find(u, "in.pad"), conv = unet_find(u, "in.conv"), norm = unet_find(u, "down0.0.norm1"), zeros;
    int fast = unet_find(u, "down0.0.conv1"), time = unet_find(u, "down0.0.time"), end = unet_find(u, "down0.0.conv2");
    int attend = unet_find(u, "mid.attn.attend");
    double tol = sizeof(real) == 8 ? 1e-11 : 1e-4, mean, wide, y[4], m[16], w[9], d[16], weight[16], r[4], spread = 0;
    size_t n = unet_size(unet_out(u, end));
    CHECK(conv_by_hand(&zeros, &a, pad, &u->op[conv], net->p, 7, 2, 5) == trace_pixel(&a, conv, 7, 2)[5], "to the bit");
    CHECK(zeros == 9, "%d numbers of the border at an edge", zeros);
    for (int g = 0; g < 8; g++) {
        norm_by_hand(&mean, &wide, &a, conv, g, 8);
        NEAR(a.side[norm][g], mean, tol, tol);
        NEAR(a.side[norm][8 + g], 1 / sqrt(wide * wide + 1e-5), tol, 0);
    }
    attention_by_hand(weight, &a, unet_find(u, "mid.attn.qkv"), 3);
    for (int j = 0; j < 16; j++) {
        NEAR(a.side[attend][3 * 16 + j], weight[j], tol, 0);
    }
    for (int j = 0; j < 256; j++) {
        spread -= (double)a.side[attend][j] * log((double)a.side[attend][j]) / 16;
    }
    NEAR(attention_spread(&a, attend), exp(spread), 1e-9, 0);
    for (int j = 0; j < 16; j++) { // Winograd's form, on numbers of no network
        d[j] = rng_normal(5, 1, (uint64_t)j);
        w[j % 9] = rng_normal(5, 2, (uint64_t)(j % 9));
    }
    winograd_by_hand(y, m, w, d);
    for (int j = 0; j < 4; j++) {
        double sum = 0;
        for (int k = 0; k < 9; k++) {
            sum += w[k] * d[4 * (j / 2 + k / 3) + j % 2 + k % 3];
        }
        NEAR(y[j], sum, 1e-12, 1e-12);
    }
    conv_by_winograd(y, &a, norm, &u->op[fast], net->p, 2, 4);
    for (int j = 0; j < 4; j++) {
        double start = (double)net->p[u->op[fast].b] + (double)a.out[time][0];
        NEAR(trace_pixel(&a, fast, 2 + j / 2, 4 + j % 2)[0], y[j] + start, tol, tol);
    }
    block_by_hand(r, &a, end); // its x is what in.conv left
    NEAR(r[0], trace_rms(&a, NULL, conv), 0, 0);
    NEAR(r[1], sqrt(loss_simple(NULL, a.out[end], a.out[conv], 1.0 / (double)n, n)), 1e-12, 0);
    NEAR(r[2], trace_rms(&a, NULL, end), 0, 0);
    NEAR(r[3], trace_rms(&a, NULL, time), 0, 0);
    unet_trace_free(&a);
}

static void test_slope(Net *net, const real *x) {
    const UnetPlan *u = ((const Unet *)net->self)->plan;
    real eps[DIM], noise[DIM], d[DIM], t = LEVEL;
    double all = 0, parts = 0;
    int c = PROMPT;
    rng_fill_normal(noise, DIM, 1, 8, 0);
    net->forward(net, eps, x, &t, &c, 1);
    loss_simple(d, eps, noise, 1.0 / DIM, DIM);
    net_zero_grad(net);
    net->backward(net, NULL, d, x, &t, &c, 1);
    for (int i = 0; i < u->ops; i++) {
        parts += unet_grad_length(net, u, i) * unet_grad_length(net, u, i);
    }
    for (size_t j = 0; j < net->np; j++) {
        all += (double)net->g[j] * (double)net->g[j];
    }
    CHECK(all > 1e-6, "no gradient");
    { // a trace between forward and backward writes over what forward kept
        uint64_t before = hash_reals(HASH_START, net->g, net->np);
        UnetTrace between;
        net->forward(net, eps, x, &t, &c, 1);
        between = unet_trace(net, x, LEVEL, PROMPT, -1);
        net_zero_grad(net);
        net->backward(net, NULL, d, x, &t, &c, 1);
        CHECK(hash_reals(HASH_START, net->g, net->np) == before, "the trace changed a gradient");
        unet_trace_free(&between);
    }
    NEAR(parts, all, 1e-12, 0);
    for (int k = 0; k < 4; k++) {
        size_t at = u->op[unet_find(u, k % 2 ? "in.conv" : "out.conv")].w + (size_t)(5 * k);
        real kept = net->p[at];
        double h = sizeof(real) == 8 ? 1e-5 : 1e-2, slope = slope_by_hand(net, at, h, x, LEVEL, PROMPT, noise);
        NEAR(slope, (double)net->g[at], sizeof(real) == 8 ? 1e-6 : 0.05, sizeof(real) == 8 ? 1e-10 : 1e-3);
        CHECK(net->p[at] == kept && fabs((double)net->g[at]) > 1e-6, "parameter %zu", at);
    }
}

// ---- memory ------------------------------------------------------------------------------------------------------

// Buffers that are alive together have places of their own, and the plan is as large as the last of them needs.
static void test_spans(const UnetSpan *span, int n, int moments, size_t arena) {
    size_t end = 0, most = spans_most(span, n, moments), peak = 0;
    for (int i = 0; i < n; i++) {
        end = span[i].at + span[i].size > end ? span[i].at + span[i].size : end;
        for (int j = 0; j < i; j++) {
            int together = span[i].from <= span[j].to && span[j].from <= span[i].to;
            int overlap = span[i].at < span[j].at + span[j].size && span[j].at < span[i].at + span[i].size;
            CHECK(!together || !overlap, "buffers %d and %d", i, j);
        }
    }
    for (int now = 0; now < moments; now++) {
        size_t alive = 0;
        for (int i = 0; i < n; i++) {
            alive += now < span[i].from || now > span[i].to ? 0 : span[i].size;
        }
        peak = alive > peak ? alive : peak;
    }
    CHECK(end == arena && most == peak && most <= arena && most > 0, "end %zu, arena %zu, most %zu", end, arena, most);
}

// ---- the file ----------------------------------------------------------------------------------------------------

#define TEXT "glyphs unet 12x12x1-8x1, 252 prompts, 6 levels"

static void refused(const char *text, const Net *net) {
    char arguments[400];
    Net copy = *net;
    checkpoint_save(child_path("bad.safetensors"), text, &copy, NULL, 1, 1);
    snprintf(arguments, sizeof arguments, "open '%s'", child_path("bad.safetensors"));
    CHECK(child_run("", arguments) == 1 && one_line(child_err) && strstr(child_err, "bad.safetensors") != NULL,
          "'%s': %s", text, child_err);
}

static void test_open(void) {
    static GlyphUnet g;
    UnetShape s = {12, 1, 8, 3, {1, 2, 2, 2}, 1, 8, 128, 1, 0, 0, 0};
    Schedule schedule = schedule_logsnr(6, 2.5, -4);
    Tokens v = glyph_tokens(glyph_format(12));
    Net net = unet_new(&s, &v, v.prompts, &schedule, 4);
    real x[288], x0[288], eps[288], t[2] = {1, 4};
    int c[2] = {-1, 0};
    char arguments[400];
    rng_fill_normal(net.p, net.np, 6, 1, 0);
    net_changed(&net);
    checkpoint_save(child_path("good.safetensors"), TEXT, &net, NULL, 12, 1);
    glyph_unet_open(&g, child_path("good.safetensors"), "nobody");
    CHECK(net_hash(1, &g.net) == net_hash(1, &net) && g.step == 12 && g.schedule.T == 6, "another net");
    c[1] = glyph_unet_prompt(&g, "large ring left");
    CHECK(c[1] > 0, "prompt %d", c[1]);
    rng_fill_normal(x, 288, 6, 2, 0);
    net.forward(&net, eps, x, t, c, 2);
    glyph_unet_denoise(x0, &g, x, t, c, 2);
    for (int i = 0; i < 288; i++) {
        double abar = schedule_abar(&schedule, i < 144 ? 1 : 4);
        NEAR(x0[i], ((double)x[i] - sqrt(1 - abar) * (double)eps[i]) / sqrt(abar), 1e-4, 1e-4);
    }
    snprintf(arguments, sizeof arguments, "open '%s'", child_path("good.safetensors"));
    CHECK(child_run("", arguments) == 0, "%s", child_err);
    snprintf(arguments, sizeof arguments, "open '%s'", child_path("none"));
    CHECK(child_run("", arguments) == 1 && strstr(child_err, "Make it: by a test") != NULL, "%s", child_err);
    refused("glyphs mlp 144-8x3, 252 prompts, 6 levels", &net);
    refused("glyphs unet 12x13x1-8x1, 252 prompts, 6 levels", &net);
    refused("glyphs unet 12x12x3-8x1, 252 prompts, 6 levels", &net);
    refused("glyphs unet 12x12x1-8x1, 251 prompts, 6 levels", &net);
    refused("glyphs unet 12x12x1-8x1, 252 prompts, 0 levels", &net);
    refused("glyphs unet 12x12x1-2000000000x1, 252 prompts, 6 levels", &net);
    refused("glyphs unet 12x12x1-16x1, 252 prompts, 6 levels", &net);
    glyph_unet_free(&g);
    net_free(&net);
    glyph_tokens_free(&v);
    schedule_free(&schedule);
}

int main(int argc, char **argv) {
    Schedule s;
    Net net;
    real x[DIM];
    const UnetPlan *u;
    if (argc == 3 && strcmp(argv[1], "open") == 0) {
        static GlyphUnet g;
        glyph_unet_open(&g, argv[2], "by a test");
        return 0;
    }
    child_begin(argv[0]);
    net = net_of(&s);
    u = ((const Unet *)net.self)->plan;
    rng_fill_normal(x, DIM, 1, 1, 0);
    test_trace(&net, &s, x);
    test_hand(&net, x);
    test_slope(&net, x);
    test_spans(u->lean_span, u->bufs, u->ops, u->lean);
    test_spans(u->span, 2 * u->bufs, 2 * u->ops, u->full);
    test_open();
    net_free(&net);
    schedule_free(&s);
    return report("test_unet_trace");
}
