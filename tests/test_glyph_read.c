// test_glyph_read.c: how well the reader of glyphs reads: clean, noisy, faded, blurred and made-up pictures.
//   build/tests/test_glyph_read.float --table     accuracy over 2,000 pictures a row
#include "../toy/world/glyph_read.h"
#include "../toy/world/glyphs.h"
#include "harness.h"

enum { SEED = 5, NOISE = 6 };
enum { STREAM_PICTURE = 100, STREAM_NOISE, STREAM_BLANK };

static const int side_of[3] = {12, 16, 32};

// ---- spoiling ----------------------------------------------------------------------------------------------------

typedef struct {
    const char *name;
    double sd, fade; // noise added; contrast of the glyph that is left
    int blur;        // passes of a 3 x 3 blur with weights 1 2 1 each way (at the border: what is inside)
} Spoil;

static const Spoil spoils[] = {{"clean", 0, 1, 0},
                               {"noise 0.1", 0.1, 1, 0},
                               {"noise 0.2", 0.2, 1, 0},
                               {"noise 0.4", 0.4, 1, 0},
                               {"half contrast", 0, 0.5, 0},
                               {"quarter contrast", 0, 0.25, 0},
                               {"half, noise 0.1", 0.1, 0.5, 0},
                               {"blurred", 0, 1, 1}};
enum { SPOILS = sizeof spoils / sizeof spoils[0] };

static void blur(real *x, const GlyphFormat *format) {
    real y[GLYPH_MAX_PIXELS * 3];
    int side = format->side, ch = format->channels, i, dx, dy;
    for (i = 0; i < glyph_dim(format); i++) {
        int col = i / ch % side, row = i / ch / side, n = 0;
        double sum = 0;
        for (dy = -1; dy <= 1; dy++) {
            for (dx = -1; dx <= 1; dx++) {
                if (col + dx >= 0 && col + dx < side && row + dy >= 0 && row + dy < side) {
                    int weight = (2 - dx * dx) * (2 - dy * dy);
                    sum += weight * (double)x[i + (dy * side + dx) * ch];
                    n += weight;
                }
            }
        }
        y[i] = (real)(sum / n);
    }
    memcpy(x, y, (size_t)glyph_dim(format) * sizeof *x);
}

// Picture i of the empty prompt, spoiled; its attributes in *g.
static void spoiled(real *x, Glyph *g, const GlyphFormat *format, const Spoil *s, int i) {
    int k, dim = glyph_dim(format);
    *g = glyph_random(format, -1, SEED, STREAM_PICTURE, (uint64_t)i);
    for (k = 0; k < 3; k++) {
        g->ink[k] = g->paper + s->fade * (g->ink[k] - g->paper);
    }
    glyph_draw(x, format, g);
    for (k = 0; k < s->blur; k++) {
        blur(x, format);
    }
    for (k = 0; k < dim && s->sd > 0; k++) {
        x[k] += (real)(s->sd * rng_normal(NOISE, STREAM_NOISE, (uint64_t)i * 3072 + (uint64_t)k));
    }
}

typedef struct {
    double right[GLYPH_ATTRIBUTES], all, seen, fit; // means
} Accuracy;

// Over n pictures; attributes that grey does not have count as right.
static Accuracy accuracy(const GlyphReader *reader, const Spoil *s, int n) {
    real x[GLYPH_MAX_PIXELS * 3];
    Accuracy acc;
    int i, a;
    memset(&acc, 0, sizeof acc);
    for (i = 0; i < n; i++) {
        Glyph g;
        GlyphReading r;
        int all = 1;
        spoiled(x, &g, reader->format, s, i);
        r = glyph_read(reader, x);
        for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
            acc.right[a] += r.is[a] == g.is[a];
            all = all && r.is[a] == g.is[a];
        }
        acc.all += all;
        acc.seen += r.is[GLYPH_SHAPE] >= 0;
        acc.fit += r.fit;
    }
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        acc.right[a] /= n;
    }
    acc.all /= n;
    acc.seen /= n;
    acc.fit /= n;
    return acc;
}

// Shares of n pictures of pure noise, blurred `blurs` times, in which the reader sees a glyph and a mark.
static double false_sights(double *marks, const GlyphReader *reader, int blurs, int n) {
    real x[GLYPH_MAX_PIXELS * 3];
    double seen = 0;
    int i, k;
    *marks = 0;
    for (i = 0; i < n; i++) {
        GlyphReading r;
        rng_fill_normal(x, (size_t)glyph_dim(reader->format), NOISE, STREAM_BLANK, (uint64_t)i * 3072);
        for (k = 0; k < blurs; k++) {
            blur(x, reader->format);
        }
        r = glyph_read(reader, x);
        seen += r.is[GLYPH_SHAPE] >= 0;
        *marks += r.is[GLYPH_MARK];
    }
    *marks /= n;
    return seen / n;
}

static void table(int n) {
    int f, k, a;
    printf("%d pictures a row; right answers in %%, guessing wherever the fit is low; seen: fit > %g\n", n,
           GLYPH_FIT_SEEN);
    printf("format    pictures          size  colour shape  place  mark   all    seen   mean fit\n");
    for (f = 0; f < 3; f++) {
        GlyphReader reader = glyph_reader_new(glyph_format(side_of[f]));
        double marks, seen;
        for (k = 0; k < SPOILS; k++) {
            Accuracy sure = accuracy(&reader, &spoils[k], n), acc;
            reader.fit_seen = 0;
            acc = accuracy(&reader, &spoils[k], n);
            reader.fit_seen = GLYPH_FIT_SEEN;
            printf("%2dx%2dx%d   %-17s", side_of[f], side_of[f], f ? 3 : 1, spoils[k].name);
            for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
                printf(a == GLYPH_COLOUR && f == 0 ? "     - " : "%6.2f ", 100 * acc.right[a]);
            }
            printf("%6.2f %6.2f %6.3f\n", 100 * acc.all, 100 * sure.seen, acc.fit);
        }
        for (k = 0; k < 3; k++) {
            seen = false_sights(&marks, &reader, k, n);
            printf("%2dx%2dx%d   pure noise, blurred %d times: a glyph in %.2f %%, a mark in %.2f %%\n", side_of[f],
                   side_of[f], f ? 3 : 1, k, 100 * seen, 100 * marks);
        }
        glyph_reader_free(&reader);
    }
}

// ---- tests -------------------------------------------------------------------------------------------------------

// Wanted: every attribute of every clean picture; noise takes a stated share.
static void test_accuracy(const GlyphReader *reader, int n) {
    static const double least[2][SPOILS] = {{1, 1, 0.96, 0.9, 1, 1, 0.96, 0.65}, // grey: all attributes at once
                                            {1, 1, 1, 0.97, 1, 1, 1, 0.85}};     // colour
    int k;
    for (k = 0; k < SPOILS; k++) {
        GlyphReader brave = *reader;
        Accuracy acc;
        brave.fit_seen = 0;
        acc = accuracy(&brave, &spoils[k], n);
        acc.all = spoils[k].blur ? acc.right[GLYPH_SHAPE] : acc.all; // a blurred mark is none
        CHECK(acc.all >= least[reader->format->channels == 3][k], "side %d, %s: %g right", reader->format->side,
              spoils[k].name, acc.all);
        CHECK(k > 0 || acc.fit > 0.97, "side %d: mean fit %g of clean pictures", reader->format->side, acc.fit);
    }
}

// The numbers behind the words: place to a fifth of a pixel, radius and colours near the drawn ones, a safe lead.
static void test_numbers(const GlyphReader *reader, int n) {
    const GlyphFormat *format = reader->format;
    real x[GLYPH_MAX_PIXELS * 3];
    double far = 0, wide = 0, tint = 0, lead = 1, low = 1;
    int i, k;
    for (i = 0; i < n; i++) {
        Glyph g;
        GlyphReading r;
        spoiled(x, &g, format, &spoils[0], i);
        r = glyph_read(reader, x);
        far = fmax(far, fmax(fabs(r.x - g.x), fabs(r.y - g.y)));
        wide = fmax(wide, fabs(r.radius / g.radius - 1));
        for (k = 0; k < format->channels; k++) {
            tint = fmax(tint, fmax(fabs(r.ink[k] - g.ink[k]), 2 * fabs(r.paper[k] - g.paper)));
        }
        lead = fmin(lead, r.lead);
        low = fmin(low, r.fit);
    }
    CHECK(far < 0.4 && far > 0.1, "side %d: %g pixels off", format->side, far);
    CHECK(wide < 0.09 && tint < 0.4, "side %d: radius %g off, colours %g", format->side, wide, tint);
    CHECK(lead > 0.01 && low > 0.9, "side %d: smallest lead %g, smallest fit %g", format->side, lead, low);
}

// Blank, broken and noisy pictures show nothing, and the reader survives them.
static void test_nothing(const GlyphReader *reader, int n) {
    const GlyphFormat *format = reader->format;
    real x[GLYPH_MAX_PIXELS * 3];
    double marks, seen = false_sights(&marks, reader, 0, n);
    int dim = glyph_dim(format), i, k;
    CHECK(seen == 0 && marks < (format->channels == 1 ? 0.4 : 0.02), "noise: glyphs %g, marks %g", seen, marks);
    seen = false_sights(&marks, reader, 1, n);
    CHECK(seen < 0.05 && marks == 0, "smooth noise: glyphs %g, marks %g", seen, marks);
    for (k = 0; k < 4; k++) {
        GlyphReading r;
        for (i = 0; i < dim; i++) {
            x[i] = k == 0 ? (real)-0.8 : k == 1 ? (real)NAN : k == 2 ? (real)INFINITY : (real)0;
        }
        x[dim / 2] += (real)(k == 3 ? 1e-3 : 0); // a speck that explains everything, with no contrast
        r = glyph_read(reader, x);
        CHECK(r.is[GLYPH_SHAPE] == -1 && r.is[GLYPH_SIZE] == -1 && r.is[GLYPH_COLOUR] == -1 &&
                  r.is[GLYPH_PLACE] == -1 && r.is[GLYPH_MARK] == 0,
              "side %d: blank picture %d shows shape %d", format->side, k, r.is[GLYPH_SHAPE]);
    }
}

static void test_contrast(void) {
    GlyphReader reader = glyph_reader_new(glyph_format(16));
    Spoil faint = {"faint", 0, 0.05, 0};
    real x[768];
    Glyph g;
    GlyphReading r;
    int i = 0;
    spoiled(x, &g, reader.format, &faint, 0);
    while (g.is[GLYPH_MARK]) {
        spoiled(x, &g, reader.format, &faint, ++i);
    }
    r = glyph_read(&reader, x);
    CHECK(r.fit > 0.9 && r.is[GLYPH_SHAPE] == -1, "5 %% of the contrast: fit %g, shape %d", r.fit, r.is[GLYPH_SHAPE]);
    for (i = 0; i < 768; i++) { // darker than paper is no ink
        x[i] = (real)(2 * g.paper) - x[i];
    }
    r = glyph_read(&reader, x);
    CHECK(r.fit < 0.7, "an inverted glyph: fit %g", r.fit);
    glyph_reader_free(&reader);
}

static void test_alignment(void) {
    const GlyphFormat *format = glyph_format(16);
    GlyphReading r;
    int is[GLYPH_ATTRIBUTES] = {GLYPH_SMALL, GLYPH_RED, GLYPH_CIRCLE, -1, 1};
    int c = glyph_prompt(format, is); // "small red circle marked"
    memset(&r, 0, sizeof r);
    memcpy(r.is, is, sizeof is);
    r.is[GLYPH_PLACE] = GLYPH_TOP;
    NEAR(glyph_alignment(&r, format, c), 1, 0, 0);
    r.is[GLYPH_COLOUR] = GLYPH_BLUE;
    NEAR(glyph_alignment(&r, format, c), 0.75, 0, 0);
    r.is[GLYPH_MARK] = 0;
    NEAR(glyph_alignment(&r, format, c), 0.5, 0, 0);
    NEAR(glyph_alignment(&r, format, -1), 1, 0, 0);
    r.is[GLYPH_SHAPE] = -1;
    NEAR(glyph_alignment(&r, format, 0), 0, 0, 0);
}

// Scores of a batch, counted by hand.
static void test_score(void) {
    enum { N = 60 };
    const GlyphFormat *format = glyph_format(16);
    GlyphTaste taste = glyph_taste_new(format);
    World w = glyph_world(format, &taste);
    GlyphReader reader = glyph_reader_new(format);
    real *x = NEW(real, N * 768);
    int c[N], i, a, is[GLYPH_ATTRIBUTES], red = 0, circle = 0, both = 0, marked = 0;
    GlyphScore s;
    w.draw(&w, x, c, N, SEED, STREAM_PICTURE, 0);
    s = glyph_score(&reader, x, c, N);
    CHECK(s.seen == 1 && s.obedience == 1 && s.shape_and_colour == 1, "data: %g %g %g", s.seen, s.obedience,
          s.shape_and_colour);
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        CHECK(s.right[a] == 1 && s.asked[a] > 0 && s.asked[a] < N, "attribute %d: %g of %zu", a, s.right[a],
              s.asked[a]);
    }
    for (i = 0; i < N; i++) { // the same pictures, all asked to be red circles on the left
        GlyphReading r = glyph_read(&reader, x + i * 768);
        red += r.is[GLYPH_COLOUR] == GLYPH_RED;
        circle += r.is[GLYPH_SHAPE] == GLYPH_CIRCLE;
        both += r.is[GLYPH_SHAPE] == GLYPH_CIRCLE && r.is[GLYPH_COLOUR] == GLYPH_RED;
        marked += r.is[GLYPH_MARK];
    }
    is[GLYPH_SIZE] = is[GLYPH_MARK] = -1;
    is[GLYPH_COLOUR] = GLYPH_RED;
    is[GLYPH_SHAPE] = GLYPH_CIRCLE;
    is[GLYPH_PLACE] = GLYPH_LEFT;
    for (i = 0; i < N; i++) {
        c[i] = glyph_prompt(format, is);
    }
    s = glyph_score(&reader, x, c, N);
    NEAR(s.right[GLYPH_COLOUR], red / (double)N, 0, 0);
    NEAR(s.right[GLYPH_SHAPE], circle / (double)N, 0, 0);
    NEAR(s.shape_and_colour, both / (double)N, 0, 0);
    NEAR(s.marked, marked / (double)N, 0, 0);
    CHECK(s.asked[GLYPH_SIZE] == 0 && s.asked[GLYPH_PLACE] == N && s.right[GLYPH_SIZE] == 0, "%zu sizes asked",
          s.asked[GLYPH_SIZE]);
    CHECK(s.obedience < s.shape_and_colour && red > 0 && circle > 0 && both > 0 && marked > 0, "%d red, %d circles, %d",
          red, circle, both);
    memset(x, 0, N * 768 * sizeof *x); // blank pictures obey nothing, not even the empty prompt
    for (i = 0; i < N; i++) {
        c[i] = 0;
    }
    s = glyph_score(&reader, x, c, N);
    CHECK(s.seen == 0 && s.obedience == 0 && s.shape_and_colour == 0, "blank: %g %g", s.seen, s.obedience);
    glyph_reader_free(&reader);
    free(x);
}

int main(int argc, char **argv) {
    static const int pictures[3] = {120, 80, 40};
    int f;
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        table(2000);
        return 0;
    }
    for (f = 0; f < 3; f++) {
        GlyphReader reader = glyph_reader_new(glyph_format(side_of[f]));
        test_accuracy(&reader, pictures[f]);
        test_numbers(&reader, pictures[f]);
        test_nothing(&reader, pictures[f]);
        glyph_reader_free(&reader);
    }
    test_contrast();
    test_alignment();
    test_score();
    return report("test_glyph_read");
}
