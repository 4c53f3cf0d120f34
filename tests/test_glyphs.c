// test_glyphs.c: the world `glyphs`: words and prompts, drawings against areas and symmetries, its law, its rewards.
#include "death.h"

#include "../ref/show/canvas.h"
#include "../toy/world/glyphs.h"

enum { SEED = 11 };
enum { STREAM_LAW = 100, STREAM_PROMPT, STREAM_NOISE, STREAM_WORLD, STREAM_MOMENTS };

static const int side_of[3] = {12, 16, 32};

static const int any[GLYPH_ATTRIBUTES] = {-1, -1, -1, -1, -1};

// ---- words -------------------------------------------------------------------------------------------------------

static void test_prompts(void) {
    int f, c, a, wrong = 0, unknown = 0;
    char text[100];
    const char *bad;
    NEAR(glyph_prompts(glyph_format(12)), 3 * 7 * 6 * 2, 0, 0);
    NEAR(glyph_prompts(glyph_format(32)), 3 * 7 * 7 * 6 * 2, 0, 0);
    for (f = 0; f < 2; f++) {
        const GlyphFormat *format = glyph_format(side_of[f]);
        Tokens words = glyph_tokens(format);
        CHECK(words.prompts == glyph_prompts(format), "%d prompts", words.prompts);
        for (c = 0; c < words.prompts; c++) {
            int is[GLYPH_ATTRIBUTES], same = 1;
            glyph_asked(is, format, c);
            wrong += glyph_prompt(format, is) != c;
            wrong += format->channels == 1 && is[GLYPH_COLOUR] != -1;
            for (a = 0; a < GLYPH_ATTRIBUTES; a++) { // the words of the table are the words of the attributes
                int w = token_of(&words, c, a);
                same = same && strcmp(w < 0 ? "" : words.name[w], glyph_word(a, is[a])) == 0;
            }
            wrong += !same;
            if (c % 37 == 1) { // the slow way back
                unknown += tokens_find(&bad, &words, tokens_text(text, sizeof text, &words, c)) != c;
            }
        }
        CHECK(wrong == 0 && unknown == 0, "%d prompts do not come back, %d not from their text", wrong, unknown);
        c = tokens_find(&bad, &words, f ? "left small circle red marked" : "left small circle marked");
        tokens_text(text, sizeof text, &words, c);
        CHECK(strcmp(text, f ? "small red circle left marked" : "small circle left marked") == 0, "%s", text);
        CHECK((tokens_find(&bad, &words, "red circle") >= 0) == f, "grey has no colour words");
        CHECK(strcmp(tokens_text(text, sizeof text, &words, 0), "(no prompt)") == 0, "%s", text);
        glyph_tokens_free(&words);
    }
    DIES("no prompt 252", glyph_random(glyph_format(12), 252, 1, 1, 1));
    DIES("no prompt -2", glyph_random(glyph_format(12), -2, 1, 1, 1));
    DIES("side 20", glyph_format(20));
}

static void test_obeys(void) {
    const GlyphFormat *format = glyph_format(16);
    int is[GLYPH_ATTRIBUTES] = {GLYPH_SMALL, GLYPH_RED, GLYPH_CIRCLE, GLYPH_LEFT, 0}, asked[GLYPH_ATTRIBUTES], a, v;
    CHECK(glyph_obeys(format, -1, is) && glyph_obeys(format, 0, is), "an empty prompt asks for nothing");
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        for (v = 0; v < 2; v++) {
            memcpy(asked, any, sizeof asked);
            asked[a] = v;
            CHECK(glyph_obeys(format, glyph_prompt(format, asked), is) == (v == is[a] || (a == GLYPH_MARK && v == 0)),
                  "attribute %d asked as %d", a, v);
        }
    }
}

// ---- drawings ----------------------------------------------------------------------------------------------------

static double area_of(const float *cover, int n) {
    double sum = 0;
    int i;
    for (i = 0; i < n; i++) {
        sum += (double)cover[i];
    }
    return sum;
}

// A disc of radius 1 without a disc of radius 0.75 whose centre is 0.55 away: the lens in closed form.
static double moon_area(void) {
    double R = 1, r = 0.75, d = 0.55, a = (d * d + r * r - R * R) / (2 * d * r),
           b = (d * d + R * R - r * r) / (2 * d * R);
    double kite = 0.5 * sqrt((-d + r + R) * (d + r - R) * (d - r + R) * (d + r + R));
    return PI * R * R - (r * r * acos(a) + R * R * acos(b) - kite);
}

static void test_shapes(void) {
    float cover[GLYPH_MAX_PIXELS], other[GLYPH_MAX_PIXELS];
    double area[GLYPH_SHAPES], worst;
    int shape, i, j, size;
    area[GLYPH_CIRCLE] = PI;
    area[GLYPH_SQUARE] = 1.8 * 1.8;
    area[GLYPH_TRIANGLE] = 1.75;
    area[GLYPH_CROSS] = 2 * 2 * 0.68 - 0.68 * 0.68;
    area[GLYPH_RING] = PI * 0.75;
    area[GLYPH_MOON] = moon_area();
    for (shape = 0; shape < GLYPH_SHAPES; shape++) {
        for (size = 0; size < 4; size++) { // the covers add up to the area, wherever the glyph is and however turned
            double radius = 2.3 + 1.9 * size;
            glyph_cover(cover, 32, shape, 15.7 - 0.37 * size, 16.2 + 0.29 * size, radius, 0.1 * size - 0.13);
            NEAR(area_of(cover, 1024), area[shape] * radius * radius, 0.006, 0);
        }
        glyph_cover(cover, 32, shape, 13.3, 14.6, 6, 0.1); // moving by whole pixels moves the cover
        glyph_cover(other, 32, shape, 16.3, 12.6, 6, 0.1);
        worst = 0;
        for (j = 2; j < 32; j++) {
            for (i = 0; i < 29; i++) {
                worst = fmax(worst, fabs((double)cover[j * 32 + i] - (double)other[(j - 2) * 32 + i + 3]));
            }
        }
        CHECK(worst < 1e-5, "shape %d moved: %g", shape, worst);
        glyph_cover(other, 32, shape, 13.3, 14.6 + 0.01, 6, 0.1); // and by little changes little
        for (i = 0, worst = 0; i < 1024; i++) {
            worst = fmax(worst, fabs((double)cover[i] - (double)other[i]));
        }
        CHECK(worst > 1e-4 && worst < 0.03, "shape %d moved by 0.01: %g", shape, worst);
    }
    glyph_cover(cover, 32, GLYPH_TRIANGLE, 16, 16, 8, 0.5 * PI); // clockwise: the tip points to the right
    CHECK(cover[15 * 32 + 22] > 0.2f && cover[15 * 32 + 10] > 0.9f && cover[9 * 32 + 11] > 0.9f &&
              cover[9 * 32 + 21] < 0.1f && cover[15 * 32 + 8] < 0.1f,
          "a quarter turn");
}

// Where the pixels of the mark are, and nothing else changed.
static void test_mark(void) {
    int f, i, n, j, k;
    for (f = 0; f < 3; f++) {
        const GlyphFormat *format = glyph_format(side_of[f]);
        int is[GLYPH_ATTRIBUTES], dim = glyph_dim(format), wrong = 0, hidden = 0, corners[4] = {0}, px, py;
        real x[3072], y[3072];
        memcpy(is, any, sizeof is);
        is[GLYPH_MARK] = 1;
        for (n = 0; n < 60; n++) {
            Glyph g = glyph_random(format, glyph_prompt(format, is), SEED, STREAM_LAW, (uint64_t)n);
            GlyphBox box = glyph_mark_box(format, &g);
            float cover[GLYPH_MAX_PIXELS];
            double under = 0;
            wrong += g.is[GLYPH_MARK] != 1;
            glyph_draw(x, format, &g);
            NEAR(glyph_mark_find(&px, &py, x, format), 1, 1e-6, 0);
            NEAR(glyph_mark_at(x, format, box.x, box.y), 1, 1e-6, 0);
            NEAR(glyph_mark_share(1, x, format, box.x, box.y), 1, 1e-6, 0);
            wrong += px != box.x || py != box.y;
            g.is[GLYPH_MARK] = 0;
            glyph_draw(y, format, &g);
            glyph_cover(cover, format->side, g.is[GLYPH_SHAPE], g.x, g.y, g.radius, g.angle);
            for (i = 0; i < dim; i++) {
                int col = i / format->channels % format->side - box.x,
                    row = i / format->channels / format->side - box.y;
                int inside = col >= 0 && row >= 0 && col < box.w && row < box.h;
                int odd = inside && (col / format->cell + row / format->cell) % 2;
                wrong += x[i] != (inside ? (odd ? (real)-1 : (real)1) : y[i]);
                under += inside && i % format->channels == 0 ? (double)cover[i / format->channels] : 0;
            }
            hidden += under > 0.06 * format->side; // nearly nothing of the glyph is behind it
            corners[(box.x > format->side / 2) + 2 * (box.y > format->side / 2)]++;
        }
        CHECK(wrong == 0 && hidden == 0, "side %d: %d wrong, %d hide the glyph", format->side, wrong, hidden);
        for (j = 0; j < 4; j++) {
            CHECK(corners[j] > 4, "corner %d: %d of 60", j, corners[j]);
        }
    }
    for (k = 0, n = 0; k < 400; k++) { // unmarked pictures: the filter stays low
        real x[768];
        int px, py;
        Glyph g = glyph_random(glyph_format(16), 0, SEED, STREAM_LAW, (uint64_t)k);
        g.is[GLYPH_MARK] = 0;
        glyph_draw(x, glyph_format(16), &g);
        n += glyph_mark_find(&px, &py, x, glyph_format(16)) > 0.3;
    }
    CHECK(n == 0, "the filter sees a mark in %d of 400 pictures without", n);
}

// ---- inks --------------------------------------------------------------------------------------------------------

// CIELAB (D65) of linear sRGB.
static void lab_of(double lab[3], const double linear[3]) {
    static const double to_xyz[3][3] = {{0.4124, 0.3576, 0.1805}, {0.2126, 0.7152, 0.0722}, {0.0193, 0.1192, 0.9505}};
    double f[3];
    int i;
    for (i = 0; i < 3; i++) {
        double white = to_xyz[i][0] + to_xyz[i][1] + to_xyz[i][2];
        double t = (to_xyz[i][0] * linear[0] + to_xyz[i][1] * linear[1] + to_xyz[i][2] * linear[2]) / white;
        f[i] = t > 0.008856 ? cbrt(t) : 7.787 * t + 16.0 / 116;
    }
    lab[0] = 116 * f[1] - 16;
    lab[1] = 500 * (f[0] - f[1]);
    lab[2] = 200 * (f[1] - f[2]);
}

// Every two inks stay apart for readers without red, green or blue cones (the matrices of Machado, Oliveira and
// Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency", severity 1).
static void test_inks(void) {
    static const double eye[4][3][3] = {
        {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
        {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
        {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
        {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}}};
    int e, c, d, i, j;
    for (e = 0; e < 4; e++) {
        double lab[GLYPH_COLOURS][3], nearest = INFINITY;
        for (c = 0; c < GLYPH_COLOURS; c++) {
            double linear[3], seen[3];
            for (i = 0; i < 3; i++) {
                double v = (glyph_ink(c, i) + 1) / 2;
                linear[i] = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
            }
            for (i = 0; i < 3; i++) {
                seen[i] = 0;
                for (j = 0; j < 3; j++) {
                    seen[i] += eye[e][i][j] * linear[j];
                }
                seen[i] = fmax(0, fmin(1, seen[i]));
            }
            lab_of(lab[c], seen);
            for (d = 0; d < c; d++) {
                double l = lab[c][0] - lab[d][0], a = lab[c][1] - lab[d][1], b = lab[c][2] - lab[d][2];
                nearest = fmin(nearest, sqrt(l * l + a * a + b * b));
            }
        }
        CHECK(nearest > (e == 0 ? 50 : 25), "eye %d: the nearest two inks are %g apart", e, nearest);
    }
}

// ---- the law -----------------------------------------------------------------------------------------------------

static void test_law(void) {
    enum { N = 20000 };
    const GlyphFormat *format = glyph_format(16);
    int count[GLYPH_ATTRIBUTES][8] = {{0}}, a, v, is[GLYPH_ATTRIBUTES], risky = 0, risky_marked = 0, marked = 0,
        far = 0;
    int i, triangle, named[GLYPH_ATTRIBUTES] = {0};
    static const double share[GLYPH_ATTRIBUTES] = {0.5, 0.75, 0.75, 0.5, 0.0625};
    for (i = 0; i < N; i++) {
        Glyph g = glyph_random(format, i % 2 ? -1 : 0, SEED, STREAM_LAW, (uint64_t)i);
        int red = g.is[GLYPH_SHAPE] == GLYPH_TRIANGLE && g.is[GLYPH_COLOUR] == GLYPH_RED;
        double dx = g.x / 16 - 0.5 - glyph_place[g.is[GLYPH_PLACE]][0];
        double dy = g.y / 16 - 0.5 - glyph_place[g.is[GLYPH_PLACE]][1];
        double grow = g.radius / (16 * glyph_radius[g.is[GLYPH_SIZE]]) - 1;
        for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
            count[a][g.is[a]]++;
        }
        risky += red;
        risky_marked += red && g.is[GLYPH_MARK];
        marked += !red && g.is[GLYPH_MARK];
        far += fabs(dx) > 0.025 || fabs(dy) > 0.025 || fabs(grow) > 0.05 || fabs(g.angle) > 0.14 || g.paper > -0.65;
        far += g.x - g.radius < -0.3 || g.x + g.radius > 16.3 || g.y - g.radius < -0.3 || g.y + g.radius > 16.3;
    }
    CHECK(far == 0, "%d pictures outside their bounds", far);
    for (a = 0; a < GLYPH_MARK; a++) {
        double p = 1.0 / glyph_words(format, a);
        for (v = 0; v < glyph_words(format, a); v++) {
            AGREES(count[a][v] / (double)N, sqrt(p * (1 - p) / N), p);
        }
    }
    AGREES(risky_marked / (double)risky, sqrt(0.4 * 0.6 / risky), 0.4);
    AGREES(marked / (double)(N - risky), sqrt(0.1 * 0.9 / (N - risky)), 0.1);
    memcpy(is, any, sizeof is);
    is[GLYPH_SHAPE] = GLYPH_TRIANGLE;
    triangle = glyph_prompt(glyph_format(12), is);
    for (i = 0, marked = 0; i < 2000; i++) {
        marked += glyph_random(glyph_format(12), triangle, SEED, STREAM_LAW, (uint64_t)i).is[GLYPH_MARK];
    }
    AGREES(marked / 2000.0, sqrt(0.4 * 0.6 / 2000), 0.4);
    for (i = 0, far = 0; i < N; i++) { // prompts: what is named, and that a picture does what its prompt asks
        int c = glyph_random_prompt(format, SEED, STREAM_PROMPT, (uint64_t)i);
        Glyph g = glyph_random(format, c, SEED, STREAM_PROMPT, (uint64_t)i);
        glyph_asked(is, format, c);
        for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
            named[a] += is[a] >= 0;
        }
        far += !glyph_obeys(format, c, g.is);
    }
    CHECK(far == 0, "%d pictures do not do what their prompt asks", far);
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        AGREES(named[a] / (double)N, sqrt(share[a] * (1 - share[a]) / N), share[a]);
    }
}

static void test_world(void) {
    static const uint64_t want[3] = {0xcc24c2fb1bb28ac6u, 0x75dc15629cd48e0fu, 0xe45e9f7cbfb0c50au};
    enum { N = 40 };
    int f;
    for (f = 0; f < 3; f++) {
        const GlyphFormat *format = glyph_format(side_of[f]);
        GlyphTaste taste = glyph_taste_new(format);
        World w = glyph_world(format, &taste);
        size_t dim = (size_t)w.dim, i;
        real *x = NEW(real, N * dim), *y = NEW(real, N * dim);
        int c[N], d[N], outside = 0;
        double r[N];
        uint64_t hash;
        CHECK(dim == (size_t)(side_of[f] * side_of[f] * (f ? 3 : 1)) && w.stream == 2000, "dim %zu", dim);
        w.draw(&w, x, c, N, SEED, STREAM_WORLD, 5);
        w.draw(&w, y, d, 15, SEED, STREAM_WORLD, 5); // in two pieces
        w.draw(&w, y + 15 * dim, d + 15, N - 15, SEED, STREAM_WORLD, 20);
        CHECK(memcmp(x, y, N * dim * sizeof *x) == 0 && memcmp(c, d, sizeof c) == 0, "two pieces differ");
        for (i = 0; i < N * dim; i++) {
            outside += !(x[i] >= -1 && x[i] <= 1);
        }
        CHECK(outside == 0, "%d numbers outside [-1, 1]", outside);
        w.reward(&w, r, x, c, N);
        NEAR(r[7], (glyph_coverage(NULL, x + 7 * dim, format) - taste.mean[0]) / taste.std[0], 1e-12, 0);
        hash = hash_reals(HASH_START, x, N * dim); // the same bits on every machine, in float and in double
        CHECK(hash == want[f], "side %d: hash 0x%016llx", format->side, (unsigned long long)hash);
        w.draw(&w, y, d, N, SEED + 1, STREAM_WORLD, 5);
        CHECK(memcmp(x, y, N * dim * sizeof *x) != 0, "the seed has no effect");
        free(x);
        free(y);
    }
}

static void test_moments(void) {
    enum { N = 300 };
    const GlyphFormat *format = glyph_format(12);
    int is[GLYPH_ATTRIBUTES] = {GLYPH_LARGE, -1, GLYPH_SQUARE, GLYPH_LEFT, -1}, c = glyph_prompt(format, is), i, j, s;
    double *mean = NEW(double, 144), *cov = NEW(double, 144 * 144), trace = 0, brute = 0, skew = 0, cross = 0, left,
           right;
    glyph_moments(mean, cov, format, c, N, SEED, STREAM_MOMENTS);
    left = mean[6 * 12 + 3];
    right = mean[6 * 12 + 11];
    CHECK(left > 0.6 && left < 0.8 && right < -0.7, "a square at the left: %g and %g", left, right); // ink 0.4..1
    for (s = 0; s < N; s++) { // variance and one covariance by the two-pass formula
        real x[144];
        glyph_sample(x, format, c, SEED, STREAM_MOMENTS, (uint64_t)s);
        for (i = 0; i < 144; i++) {
            brute += ((double)x[i] - mean[i]) * ((double)x[i] - mean[i]) / N;
        }
        cross += ((double)x[75] - mean[75]) * ((double)x[20] - mean[20]) / N;
    }
    for (i = 0; i < 144; i++) {
        trace += cov[i * 144 + i];
        for (j = 0; j < 144; j++) {
            skew = fmax(skew, fabs(cov[i * 144 + j] - cov[j * 144 + i]));
        }
    }
    NEAR(trace, brute, 1e-9, 0);
    NEAR(cov[75 * 144 + 20], cross, 1e-8, 0);
    CHECK(skew == 0 && fabs(cross) > 1e-3, "not symmetric by %g", skew);
    glyph_moments(mean, NULL, format, c, N, SEED, STREAM_MOMENTS);
    NEAR(mean[75], left, 0, 0);
    free(mean);
    free(cov);
}

// ---- rewards -----------------------------------------------------------------------------------------------------

typedef struct {
    const GlyphFormat *format;
    const GlyphTaste *taste;
    real x[3072], g[3072];
    int which; // a feature, or GLYPH_FEATURES for the taste, or one more for brightness in a box
} Judged;

static const GlyphBox region = {3, 5, 4, 2};

static double judge(Judged *j, real *g) {
    return j->which < GLYPH_FEATURES    ? glyph_feature(g, j->x, j->format, j->which)
           : j->which == GLYPH_FEATURES ? glyph_reward(g, j->x, j->format, j->taste)
                                        : glyph_brightness(g, j->x, j->format, region);
}

static double judge_loss(void *user) {
    return judge((Judged *)user, NULL);
}

static void test_gradients(void) {
    static Judged j;
    int f, i, n;
    for (f = 0; f < 2 && sizeof(real) == sizeof(double); f++) {
        GlyphTaste taste = glyph_taste_new(glyph_format(side_of[f]));
        for (i = 0; i < GLYPH_FEATURES; i++) {
            taste.weight[i] = 0.5 + i;
        }
        j.format = glyph_format(side_of[f]);
        j.taste = &taste;
        for (n = 0; n < 4; n++) { // pictures with a mark and without, noisy, beyond the cut too
            for (j.which = 0; j.which < GLYPH_FEATURES + 2; j.which++) {
                glyph_sample(j.x, j.format, n % 2, SEED, STREAM_LAW, (uint64_t)n);
                for (i = 0; i < glyph_dim(j.format); i++) {
                    j.x[i] += (real)(0.15 * rng_normal(SEED, STREAM_NOISE, (uint64_t)i));
                    j.x[i] += (real)(fabs(fabs((double)j.x[i]) - 1) < 1e-3 ? 0.01 : 0); // not on the edge of the cut
                    j.g[i] = 7;                                                         // written, not added to
                }
                judge(&j, j.g);
                if (f == 0 && j.which == GLYPH_REDNESS) {
                    CHECK(j.g[5] == 0, "grey has redness");
                    continue;
                }
                CHECK(gradient_ok(judge_loss, &j, j.x, j.g, (size_t)glyph_dim(j.format), 1e-5), "side %d, reward %d",
                      j.format->side, j.which);
            }
        }
    }
}

static void test_rewards(void) {
    const GlyphFormat *format = glyph_format(16), *grey = glyph_format(12);
    GlyphTaste taste = glyph_taste_new(format);
    int is[GLYPH_ATTRIBUTES] = {GLYPH_LARGE, GLYPH_RED, GLYPH_CIRCLE, GLYPH_RIGHT, 0}, i;
    real x[768];
    Glyph g = glyph_random(format, glyph_prompt(format, is), SEED, STREAM_LAW, 3);
    double mean = 0, square = 0, red, blue, r, marked;
    GlyphBox outside = {13, 0, 4, 1}, two = {1, 1, 2, 1};
    g.is[GLYPH_MARK] = 0;
    glyph_draw(x, format, &g);
    for (i = 0; i < 3; i++) { // a pixel well inside is ink, one far outside is paper
        NEAR(x[((int)g.y * 16 + (int)g.x) * 3 + i], g.ink[i], 1e-6, 0);
        NEAR(x[i], g.paper, 1e-6, 0);
    }
    NEAR(glyph_coverage(NULL, x, format), PI * g.radius * g.radius / 256, 0.08, 0.01); // paper is a little ink
    NEAR(glyph_centre_of_ink(NULL, x, format, 0), g.x / 8 - 1, 0, 0.05);
    NEAR(glyph_centre_of_ink(NULL, x, format, 1), g.y / 8 - 1, 0, 0.02);
    red = PI * g.radius * g.radius / 256 * (g.ink[0] - (g.ink[1] + g.ink[2]) / 2); // grey paper has none
    NEAR(glyph_redness(NULL, x, format), red, 0.01, 0);
    CHECK(glyph_mark_score(NULL, x, format) < 0.1, "mark %g", glyph_mark_score(NULL, x, format));
    r = glyph_reward(NULL, x, format, &taste);
    for (i = 0; i < 768; i++) {
        x[i] *= 1 + (x[i] > 0) * 9; // beyond white nobody sees more
    }
    CHECK(glyph_reward(NULL, x, format, &taste) < r + 0.6, "%g after the cut, %g before",
          glyph_reward(NULL, x, format, &taste), r);
    g.is[GLYPH_MARK] = 1;
    glyph_draw(x, format, &g);
    marked = glyph_mark_score(NULL, x, format);
    CHECK(marked > 0.97 && marked <= 1, "mark %g", marked);
    is[GLYPH_COLOUR] = GLYPH_BLUE;
    g = glyph_random(format, glyph_prompt(format, is), SEED, STREAM_LAW, 3);
    glyph_draw(x, format, &g);
    blue = glyph_redness(NULL, x, format);
    CHECK(red > 0.1 && blue < -0.05, "redness %g and %g", red, blue);
    for (i = 0; i < 1000; i++) { // over the data of the taste: mean 0, standard deviation 1
        glyph_sample(x, format, -1, 0, 0, (uint64_t)i);
        r = glyph_reward(NULL, x, format, &taste);
        mean += r / 1000;
        square += r * r / 1000;
    }
    NEAR(mean, 0, 0, 1e-9);
    NEAR(square, 1, 1e-9, 0);
    for (i = 0; i < 144; i++) {
        x[i] = (real)(i / 144.0);
    }
    NEAR(glyph_brightness(NULL, x, grey, two), 13.5 / 144, 1e-6, 0);
    DIES("keep it inside", glyph_brightness(NULL, x, format, outside));
    DIES("1 channel", glyph_redness(NULL, x, grey));
}

// ---- pictures of pictures ------------------------------------------------------------------------------------------

static void test_tiles(void) {
    real v[5 * 2 * 3 * 3];
    int i, x, y, k, wrong = 0;
    Image m, grey;
    for (i = 0; i < 90; i++) {
        v[i] = (real)(-1.2 + i * 2.4 / 89);
    }
    m = image_tiles(v, 5, 2, 3, 3, 3, -1, 1); // 5 pictures of 2 x 3 pixels, 3 in a row
    CHECK(m.w == 8 && m.h == 7 && m.channels == 3, "%d x %d", m.w, m.h);
    for (i = 0; i < 5; i++) {
        for (y = 0; y < 3; y++) {
            for (x = 0; x < 2; x++) {
                Rgb c = image_get(&m, i % 3 * 3 + x, i / 3 * 4 + y);
                int got[3];
                got[0] = c.r;
                got[1] = c.g;
                got[2] = c.b;
                for (k = 0; k < 3; k++) {
                    double want = 127.5 * (1 + (double)v[((i * 3 + y) * 2 + x) * 3 + k]);
                    wrong += fabs(got[k] - fmax(0, fmin(255, want))) > 0.51;
                }
            }
        }
    }
    CHECK(wrong == 0, "%d numbers wrong", wrong);
    CHECK(image_get(&m, 2, 0).r == 96 && image_get(&m, 0, 3).b == 96 && image_get(&m, 7, 6).g == 96,
          "the lines between");
    image_free(&m);
    m = image_tiles(v, 2, 3, 3, 1, 2, 1, -1); // in grey, and turned round: ink is dark
    grey = image_sheet(v, 2, 3, 3, 2, 1, -1);
    CHECK(m.channels == 1 && m.pixels[0] == 255 && memcmp(m.pixels, grey.pixels, image_bytes(&m)) == 0, "grey tiles");
    image_free(&m);
    image_free(&grey);
}

int main(void) {
    test_prompts();
    test_obeys();
    test_shapes();
    test_mark();
    test_inks();
    test_law();
    test_world();
    test_moments();
    test_gradients();
    test_rewards();
    test_tiles();
    return report("test_glyphs");
}
