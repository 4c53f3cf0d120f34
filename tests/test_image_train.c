// test_image_train.c: what train_images is made of: worlds and nets by name, the walk to the first NaN of a UNet, the
// sheet of samples, the fixed features, and the scores.
#include "catch.h"

#include "../toy/model/image_eval.h"
#include "../toy/model/image_net.h"
#include "../toy/model/image_sheet.h"

enum { T = 4, ROWS = 5 };
static Schedule schedule;

// ---- worlds and nets ---------------------------------------------------------------------------------------------

static void test_worlds(void) {
    static AnyWorld w;
    uint32_t hash[WORLDS];
    int kind, other, r;
    CHECK(strcmp(any_world_names[WORLDS], "glyphs") == 0 && any_world_names[WORLDS + 1] == NULL, "the list of names");
    CHECK(any_world_kind(WORLDS) == WORLD_GLYPHS16 && any_world_kind(WORLD_EMOJI) == WORLD_EMOJI, "glyphs");
    for (kind = 0; kind < WORLD_IDX; kind++) {
        any_world_open(&w, kind, NULL, 0);
        CHECK(w.world.dim == (w.side > 0 ? w.side * w.side * w.channels : 2), "%s: %d numbers", w.world.name,
              w.world.dim);
        CHECK(w.tokens == NULL || w.tokens->prompts == w.world.prompts, "%s: words for %d prompts", w.world.name,
              w.world.prompts);
        for (r = 0; r < SHEET_ROWS; r++) {
            int c = any_world_show(&w, r, SHEET_ROWS);
            CHECK(c >= 0 && c < w.world.prompts, "%s: row %d shows prompt %d", w.world.name, r, c);
        }
        hash[kind] = any_world_hash(&w);
        CHECK(hash[kind] == any_world_hash(&w), "%s: two hashes", w.world.name);
        for (other = 0; other < kind; other++) {
            CHECK(hash[kind] != hash[other], "worlds %d and %d have one hash", kind, other);
        }
        any_world_free(&w);
    }
    any_world_open(&w, WORLD_GLYPHS12, NULL, 0);
    { // glyph prompts of the sheet are different ones
        int distinct = 0;
        for (r = 1; r < SHEET_ROWS; r++) {
            distinct += any_world_show(&w, r, SHEET_ROWS) != any_world_show(&w, r - 1, SHEET_ROWS);
        }
        CHECK(distinct == SHEET_ROWS - 1, "%d of %d prompts differ from the one above", distinct, SHEET_ROWS - 1);
    }
    any_world_free(&w);
}

// A folder of the user: pictures 4 x 4, three of them, labels 0 1 2.
static void test_user_data(void) {
    unsigned char images[16 + 3 * 16] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 4};
    unsigned char labels[8 + 3] = {0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2};
    char a[300], b[300];
    const char *file[2];
    static AnyWorld w;
    real x[16];
    int c, i;
    for (i = 0; i < 48; i++) {
        images[16 + i] = (unsigned char)(5 * i);
    }
    child_file("images", images, sizeof images);
    child_file("labels", labels, sizeof labels);
    snprintf(a, sizeof a, "%s", child_path("images"));
    snprintf(b, sizeof b, "%s", child_path("labels"));
    file[0] = a;
    file[1] = b;
    any_world_open(&w, WORLD_IDX, file, 2);
    w.world.draw(&w.world, x, &c, 1, 1, 0, 0);
    CHECK(w.side == 4 && w.channels == 1 && c >= 0 && c < 3, "side %d, label %d", w.side, c);
    NEAR(x[1] - x[0], 5 / 127.5, 1e-5, 1e-6);
    any_world_free(&w);
    reason[0] = '\0';
    catching = 1;
    if (setjmp(back) == 0) {
        any_world_open(&w, WORLD_IDX, file, 1);
    }
    CHECK(strstr(reason, "two files") != NULL, "one file: '%s'", reason);
    reason[0] = '\0';
    if (setjmp(back) == 0) {
        any_world_open(&w, WORLD_RING, file, 1);
    }
    catching = 0;
    CHECK(strstr(reason, "brings its own data") != NULL, "a file for the ring: '%s'", reason);
}

static void test_nets(void) {
    static AnyWorld ring, glyphs;
    ImageNet mlp, unet;
    UnetShape s;
    any_world_open(&ring, WORLD_RING, NULL, 0);
    any_world_open(&glyphs, WORLD_GLYPHS12, NULL, 0);
    mlp = image_net_new(NET_MLP, &ring, 8, 2, &schedule, 1);
    unet = image_net_new(NET_UNET, &glyphs, 8, 1, &schedule, 1);
    CHECK(strcmp(mlp.text, "ring mlp 2-8x2, 4 prompts, 4 levels") == 0, "'%s'", mlp.text);
    CHECK(strcmp(unet.text, "glyphs unet 12x12x1-8x1, 252 prompts, 4 levels") == 0, "'%s'", unet.text);
    CHECK(mlp.net.in == 2 && unet.net.in == 144 && unet.net.np > mlp.net.np, "sizes");
    s = image_unet_shape(12, 1, 8, 1);
    CHECK(s.levels == 3, "12 is halved to 6 and 3, got %d levels", s.levels);
    CHECK(image_unet_shape(8, 1, 8, 1).levels == 2, "8 is halved to 4 only");
    CHECK(image_unet_shape(28, 1, 8, 1).levels == 3, "28 is halved to 14 and 7");
    reason[0] = '\0';
    catching = 1;
    if (setjmp(back) == 0) {
        image_net_new(NET_UNET, &ring, 8, 1, &schedule, 1);
    }
    catching = 0;
    CHECK(strstr(reason, "nothing to convolve") != NULL, "a UNet for points: '%s'", reason);
    net_free(&mlp.net);
    net_free(&unet.net);
    any_world_free(&ring);
    any_world_free(&glyphs);
}

// ---- a UNet that goes wrong --------------------------------------------------------------------------------------

// Puts `value` at p, asks who is first, and takes it out again.
static void blamed(ImageNet *n, real *p, real value, const real *x, const real *t, const int *c, const char *words) {
    char text[NONFINITE_TEXT] = "";
    real kept = *p;
    const char *who;
    *p = value;
    net_changed(&n->net);
    who = n->first_bad(text, &n->net, x, t, c, ROWS);
    CHECK(who != NULL && strstr(text, words) != NULL, "'%s' does not say '%s'", text, words);
    *p = kept;
    net_changed(&n->net);
}

static void test_blame(void) {
    static AnyWorld w;
    ImageNet n;
    const UnetPlan *u;
    real *x, t[ROWS];
    int c[ROWS], i, first = -1, last = -1;
    char text[NONFINITE_TEXT], name[80];
    any_world_open(&w, WORLD_GLYPHS12, NULL, 0);
    n = image_net_new(NET_UNET, &w, 8, 1, &schedule, 1);
    u = ((const Unet *)n.net.self)->plan;
    x = NEW(real, ROWS * (size_t)w.world.dim);
    w.world.draw(&w.world, x, c, ROWS, 1, 1, 0);
    for (i = 0; i < ROWS; i++) {
        t[i] = (real)(i % T);
    }
    for (i = 0; i < u->ops; i++) { // the first and the last 3x3 convolution
        if (u->op[i].kind == UNET_CONV && u->op[i].k == 3) {
            first = first < 0 ? i : first;
            last = i;
        }
    }
    CHECK(n.first_bad(text, &n.net, x, t, c, ROWS) == NULL, "a sound net is blamed: %s", text);
    snprintf(name, sizeof name, "parameters of layer %d, in.conv", first);
    blamed(&n, n.net.p + u->op[first].w + 3, (real)NAN, x, t, c, name);
    blamed(&n, n.net.p + u->op[last].b, (real)INFINITY, x, t, c, "parameters of layer");
    blamed(&n, x + 7, (real)NAN, x, t, c, "output of the input");
    for (i = 0; i < 9 * 8; i++) { // the product with a picture leaves the range
        n.net.p[u->op[first].w + (size_t)i] = (real)(NONFINITE_LARGEST / 2);
    }
    net_changed(&n.net);
    snprintf(name, sizeof name, "output of layer %d, in.conv", first);
    CHECK(n.first_bad(text, &n.net, x, t, c, ROWS) != NULL && strstr(text, name) != NULL, "'%s' does not say '%s'",
          text, name);
    for (i = 0; i < 9 * 8; i++) {
        n.net.p[u->op[first].w + (size_t)i] = (real)0.1;
    }
    n.net.g[u->op[first].w] = (real)NAN;
    snprintf(name, sizeof name, "gradient of layer %d, out.conv", last);
    blamed(&n, n.net.g + u->op[last].w + 2, (real)INFINITY, x, t, c, name);
    free(x);
    net_free(&n.net);
    any_world_free(&w);
}

// ---- sheets ------------------------------------------------------------------------------------------------------

static void test_sheet(void) {
    static AnyWorld w;
    ImageNet n;
    Image one, two;
    size_t i, different = 0;
    any_world_open(&w, WORLD_DIGITS, NULL, 0);
    n = image_net_new(NET_MLP, &w, 8, 1, &schedule, 1);
    one = sheet_draw(&n.net, &w, &schedule, 1, 3);
    two = sheet_draw(&n.net, &w, &schedule, 1, 3);
    CHECK(one.w > SHEET_COLUMNS * 9 && one.h > SHEET_ROWS * 9, "%d x %d", one.w, one.h);
    CHECK(one.w == two.w && memcmp(one.pixels, two.pixels, image_bytes(&one)) == 0, "two sheets of one net");
    image_free(&two);
    two = sheet_draw(&n.net, &w, &schedule, 1, 4);
    for (i = 0; i < image_bytes(&one); i++) {
        different += one.pixels[i] != two.pixels[i];
    }
    CHECK(different > image_bytes(&one) / 4, "another seed changes %zu of %zu bytes", different, image_bytes(&one));
    image_free(&one);
    image_free(&two);
    net_free(&n.net);
    any_world_free(&w);
}

// The chain without noise, step by step.
static void test_ddim(void) {
    Chain chain = chain_ddim(&schedule);
    int k;
    for (k = 0; k < T; k++) {
        CHECK(chain.step[k].sigma == 0, "step %d has noise", k);
        NEAR(chain.step[k].a, sqrt(schedule_abar(&schedule, k - 1) / schedule_abar(&schedule, k)), 1e-12, 0);
    }
    chain_free(&chain);
}

// ---- features and scores -----------------------------------------------------------------------------------------

// One layer against its definition, at an odd side and a pixel in the corner and in the middle.
static void test_feature_layer(void) {
    enum { SIDE = 5, IN = 2, OUT = 3, HALF = 2 };
    real x[SIDE * SIDE * IN], w[OUT * 9 * IN], b[OUT], y[HALF * HALF * OUT];
    int o, p, i, j, d, dj, di;
    rng_fill_normal(x, SIDE * SIDE * IN, 1, 1, 0);
    rng_fill_normal(w, OUT * 9 * IN, 1, 2, 0);
    rng_fill_normal(b, OUT, 1, 3, 0);
    feature_layer(y, x, w, b, SIDE, IN, OUT);
    for (p = 0; p < HALF * HALF; p++) {
        for (o = 0; o < OUT; o++) {
            double mean = 0;
            for (j = p / HALF * 2; j < p / HALF * 2 + 2; j++) {
                for (i = p % HALF * 2; i < p % HALF * 2 + 2; i++) {
                    double sum = (double)b[o];
                    for (dj = -1; dj <= 1; dj++) {
                        for (di = -1; di <= 1; di++) {
                            for (d = 0; d < IN && j + dj >= 0 && i + di >= 0 && j + dj < SIDE && i + di < SIDE; d++) {
                                sum += (double)w[(o * 9 + (dj + 1) * 3 + di + 1) * IN + d] *
                                       (double)x[((j + dj) * SIDE + i + di) * IN + d];
                            }
                        }
                    }
                    mean += fmax(0, sum) / 4;
                }
            }
            NEAR(y[p * OUT + o], mean, 1e-5, 1e-5);
        }
    }
}

static void test_scores(void) {
    enum { N = 120 };
    static AnyWorld w;
    EvalReference r;
    real *x, *noise, *f;
    int *c, i;
    double good[EVAL_SCORES], bad[EVAL_SCORES], swapped, same;
    any_world_open(&w, WORLD_DIGITS, NULL, 0);
    x = NEW(real, N * (size_t)DIGIT_PIXELS);
    noise = NEW(real, N * (size_t)DIGIT_PIXELS);
    f = NEW(real, N * (size_t)FEATURES);
    c = NEW(int, N);
    r = eval_reference(&w, 3 * N, 1);
    w.world.draw(&w.world, x, c, N, 1, 55, 0);
    eval_scores(good, &r, x, c, N);
    rng_fill_normal(noise, N * DIGIT_PIXELS, 1, 56, 0);
    eval_scores(bad, &r, noise, c, N);
    CHECK(good[EVAL_PROMPT] > 0.85 && bad[EVAL_PROMPT] < 0.3, "prompts %g %g", good[EVAL_PROMPT], bad[EVAL_PROMPT]);
    CHECK(good[EVAL_FRECHET] > 0 && bad[EVAL_FRECHET] > 10 * good[EVAL_FRECHET], "distance %g %g", good[EVAL_FRECHET],
          bad[EVAL_FRECHET]);
    CHECK(fabs(good[EVAL_KID]) < 0.1 * bad[EVAL_KID], "kid %g %g", good[EVAL_KID], bad[EVAL_KID]);
    NEAR(good[EVAL_VARIETY], 1, 0.1, 0);
    // wrong prompts are noticed
    for (i = 0; i < N; i++) {
        c[i] = (c[i] + 1) % 10;
    }
    image_features(f, &w, x, N);
    swapped = nearest_prompt_share(f, c, N, r.f, r.c, r.n, r.D);
    CHECK(swapped < 0.15, "with the next digit's prompt: %g", swapped);
    // a row is no neighbour of its own; one picture again and again has no variety
    same = nearest_prompt_share(r.f, r.c, r.n, r.f, r.c, r.n, r.D);
    CHECK(same > 0.8 && same < 1, "leave one out: %g", same);
    for (i = 1; i < N; i++) {
        memcpy(x + (size_t)i * DIGIT_PIXELS, x, DIGIT_PIXELS * sizeof(real));
    }
    image_features(f, &w, x, N);
    CHECK(mean_pair_distance(f, N, FEATURES) < 1e-6, "variety of one picture");
    { // three points of the plane: the mean of 5, 3 and 4
        static const real points[6] = {0, 0, 3, 0, 3, 4};
        NEAR(mean_pair_distance(points, 3, 2), 4, 1e-6, 0);
    }
    // pixels beyond the range are not seen
    for (i = 0; i < DIGIT_PIXELS; i++) {
        noise[i] = x[i] > 0 ? (real)1 : (real)-1;
        noise[DIGIT_PIXELS + i] = 7 * noise[i];
    }
    image_features(f, &w, noise, 2);
    CHECK(memcmp(f, f + FEATURES, FEATURES * sizeof(real)) == 0, "a louder picture has other features");
    eval_reference_free(&r);
    free(x);
    free(noise);
    free(f);
    free(c);
    any_world_free(&w);
}

// The prompts that the headline of the glyphs is measured with: every pair of shape and colour, and nothing else.
static void test_glyph_prompts(void) {
    enum { PAIRS = GLYPH_SHAPES * GLYPH_COLOURS };
    const GlyphFormat *format = glyph_format(16);
    int c[2 * PAIRS], seen[PAIRS], i;
    memset(seen, 0, sizeof seen);
    eval_glyph_prompts(c, format, 2 * PAIRS);
    for (i = 0; i < 2 * PAIRS; i++) {
        int is[GLYPH_ATTRIBUTES];
        glyph_asked(is, format, c[i]);
        CHECK(is[GLYPH_SIZE] < 0 && is[GLYPH_PLACE] < 0 && is[GLYPH_MARK] < 0, "prompt %d asks for more", i);
        seen[is[GLYPH_SHAPE] * GLYPH_COLOURS + is[GLYPH_COLOUR]]++;
    }
    for (i = 0; i < PAIRS; i++) {
        CHECK(seen[i] == 2, "pair %d appears %d times", i, seen[i]);
    }
}

int main(int argc, char **argv) {
    (void)argc;
    child_begin(argv[0]);
    schedule = schedule_logsnr(T, 2, -3);
    test_worlds();
    test_user_data();
    test_nets();
    test_blame();
    test_sheet();
    test_ddim();
    test_feature_layer();
    test_scores();
    test_glyph_prompts();
    schedule_free(&schedule);
    return report("test_image_train");
}
