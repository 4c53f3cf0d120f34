// image_eval.h: how good are the samples of an image model?  Does the prompt show, is the law right, is there variety.
//
// Every score stands beside the one that fresh real pictures get: that is the floor, or the ceiling.  Distances are
// those of image_features.h; whether the prompt shows is judged by the world's own reader where it has one (glyphs,
// emoji), else by the nearest labelled picture.
#ifndef TILT_IMAGE_EVAL_H
#define TILT_IMAGE_EVAL_H

#include "../../ref/formula/feature_metrics.h"
#include "image_features.h"
#include "train.h"

enum { EVAL_DATA = 710, EVAL_SAMPLE = 713, EVAL_SEEDS = 3 };

// Share of n rows f with prompts c whose nearest row of the m labelled ones has the same prompt.  A row that is there
// itself (distance 0) does not count as its own neighbour.
static inline double nearest_prompt_share(const real *f, const int *c, int n, const real *known, const int *prompt,
                                          int m, int D) {
    int *right = NEW(int, (size_t)n), i, sum = 0;
    OMP(parallel for schedule(static))
    for (i = 0; i < n; i++) {
        double best = HUGE_VAL;
        int j, at = -1;
        for (j = 0; j < m; j++) {
            double d = euclid(f + (size_t)i * (size_t)D, known + (size_t)j * (size_t)D, D);
            if (d > 0 && d < best) {
                best = d;
                at = j;
            }
        }
        right[i] = at >= 0 && prompt[at] == c[i];
    }
    for (i = 0; i < n; i++) {
        sum += right[i];
    }
    free(right);
    return n > 0 ? (double)sum / n : 0;
}

// Mean distance between two different rows: 0 when all samples are one.
static inline double mean_pair_distance(const real *f, int n, int D) {
    return n > 1 ? pair_distance_sum(f, f, n, n, D) / ((double)n * (n - 1)) : 0;
}

// Scores of one set of rows x with prompts c.
enum { EVAL_PROMPT, EVAL_FRECHET, EVAL_KID, EVAL_VARIETY, EVAL_SCORES };
static const char *const eval_names[EVAL_SCORES] = {"prompt_accuracy", "feature_frechet", "feature_kid", "variety"};

// Labelled real rows and their features, against which everything is scored, and the reader of the world.
typedef struct {
    const AnyWorld *w;
    int n, D;
    real *f;
    int *c;
    GlyphReader reader; // of the glyphs
} EvalReference;

static inline EvalReference eval_reference(const AnyWorld *w, int n, uint64_t seed) {
    EvalReference r;
    real *x = NEW(real, (size_t)n * (size_t)w->world.dim);
    memset(&r, 0, sizeof r);
    r.w = w;
    r.n = n;
    r.D = image_feature_count(w);
    r.f = NEW(real, (size_t)n * (size_t)r.D);
    r.c = NEW(int, (size_t)n);
    w->world.draw(&w->world, x, r.c, (size_t)n, seed, w->world.stream + EVAL_DATA, 0);
    image_features(r.f, w, x, n);
    if (w->format != NULL) {
        r.reader = glyph_reader_new(w->format);
    }
    free(x);
    return r;
}

static inline void eval_reference_free(EvalReference *r) {
    free(r->f);
    free(r->c);
    if (r->w->format != NULL) {
        glyph_reader_free(&r->reader);
    }
    memset(r, 0, sizeof *r);
}

// The share of n rows x (features f) that show what their prompts c ask for.
static inline double eval_prompt_share(const EvalReference *r, const real *x, const real *f, const int *c, int n) {
    double share;
    if (r->w->format != NULL) {
        return glyph_score(&r->reader, x, c, (size_t)n).obedience;
    }
    if (r->w->kind == WORLD_EMOJI) {
        int *image = NEW(int, (size_t)n);
        double *distance = NEW(double, (size_t)n);
        emoji_read(image, distance, &r->w->emoji_rows, x, (size_t)n);
        share = emoji_share_right(&r->w->emoji, image, c, (size_t)n);
        free(image);
        free(distance);
        return share;
    }
    return nearest_prompt_share(f, c, n, r->f, r->c, r->n, r->D);
}

// Distances use as many reference rows as there are rows x, because they depend on the number of rows.
static inline void eval_scores(double score[EVAL_SCORES], const EvalReference *r, const real *x, const int *c, int n) {
    real *f = NEW(real, (size_t)n * (size_t)r->D);
    int m = n < r->n ? n : r->n;
    image_features(f, r->w, x, n);
    score[EVAL_PROMPT] = eval_prompt_share(r, x, f, c, n);
    score[EVAL_FRECHET] = frechet_distance(f, r->f, n, m, r->D);
    score[EVAL_KID] = kid(f, r->f, n, m, r->D);
    score[EVAL_VARIETY] = mean_pair_distance(f, n, r->D) / mean_pair_distance(r->f, m, r->D);
    free(f);
}

// ---- the glyphs, attribute by attribute --------------------------------------------------------------------------

// n prompts that name a shape and, where there is colour, a colour: all pairs in turn.
static inline void eval_glyph_prompts(int *c, const GlyphFormat *format, int n) {
    int i;
    for (i = 0; i < n; i++) {
        int is[GLYPH_ATTRIBUTES] = {-1, -1, -1, -1, -1};
        is[GLYPH_SHAPE] = i % GLYPH_SHAPES;
        is[GLYPH_COLOUR] = format->channels == 1 ? -1 : i / GLYPH_SHAPES % GLYPH_COLOURS;
        c[i] = glyph_prompt(format, is);
    }
}

// Prints what share of n rows x shows each attribute that its prompt in c names, and shape and colour together.
static inline void eval_glyph_print(const EvalReference *r, const char *whose, const real *x, const int *c, int n) {
    static const char *const name[GLYPH_ATTRIBUTES] = {"size", "colour", "shape", "place", "mark"};
    GlyphScore s = glyph_score(&r->reader, x, c, (size_t)n);
    int a;
    for (a = 0; a < GLYPH_ATTRIBUTES; a++) {
        if (s.asked[a] > 0) {
            printf("%s_%s_right %.4f\n", whose, name[a], s.right[a]);
        }
    }
    printf("%s_shape_and_colour %.4f\n%s_marked %.4f\n", whose, s.shape_and_colour, whose, s.marked);
}

// ---- everything --------------------------------------------------------------------------------------------------

// n samples for the prompts c; dies when one is not finite.
static inline void eval_sample(real *x, Net *net, const AnyWorld *w, const Chain *chain, const int *c, int n,
                               uint64_t seed, uint64_t stream) {
    enum { PART = 100 }; // rows at a time: a sampler needs memory for all of its rows
    size_t dim = (size_t)w->world.dim;
    int from;
    for (from = 0; from < n; from += PART) {
        chain_sample(x + (size_t)from * dim, NULL, net, chain, c + from, n - from < PART ? n - from : PART, seed,
                     stream + ((uint64_t)from << 32));
    }
    if (first_beyond(x, (size_t)n * dim, NONFINITE_LARGEST) < (size_t)n * dim) {
        DIE("evaluate: a sample is not finite; the net has diverged, train it with a lower rate");
    }
}

// Prints `key value` lines: every score of n samples, its spread over EVAL_SEEDS seeds, and the score of n fresh real
// rows.  Samples come from the chain with fitted noise.
static inline void image_eval_print(Net *net, const AnyWorld *w, const Schedule *schedule, double guidance, int n,
                                    uint64_t seed) {
    const World *world = &w->world;
    double score[EVAL_SEEDS][EVAL_SCORES], real_score[EVAL_SEEDS][EVAL_SCORES], mean = 0, fresh = 0;
    EvalReference r = eval_reference(w, 4 * n, seed);
    Chain chain = fitted_chain(net, world, schedule, n, seed);
    real *x = NEW(real, (size_t)n * (size_t)world->dim);
    int *c = NEW(int, (size_t)n), s, k;
    chain.guidance = guidance;
    printf("samples %d\nseeds %d\nguidance %g\n", n, EVAL_SEEDS, guidance);
    for (s = 0; s < EVAL_SEEDS; s++) {
        uint64_t stream = world->stream + EVAL_SAMPLE + 2 * (uint64_t)s;
        world->draw(world, x, c, (size_t)n, seed, stream, 0); // the prompts of samples follow the law of the data
        eval_scores(real_score[s], &r, x, c, n);
        if (w->format != NULL && s == 0) {
            eval_glyph_print(&r, "real", x, c, n);
        }
        eval_sample(x, net, w, &chain, c, n, seed, stream + 1);
        eval_scores(score[s], &r, x, c, n);
    }
    for (k = 0; k < EVAL_SCORES; k++) {
        double spread = 0;
        for (mean = fresh = 0, s = 0; s < EVAL_SEEDS; s++) {
            mean += score[s][k] / EVAL_SEEDS;
            fresh += real_score[s][k] / EVAL_SEEDS;
        }
        for (s = 0; s < EVAL_SEEDS; s++) {
            spread += (score[s][k] - mean) * (score[s][k] - mean) / (EVAL_SEEDS - 1);
        }
        printf("%s %.4f\n%s_spread %.4f\n%s_real %.4f\n", eval_names[k], mean, eval_names[k], sqrt(spread),
               eval_names[k], fresh);
    }
    if (w->format != NULL) {
        eval_glyph_print(&r, "samples", x, c, n);
        eval_glyph_prompts(c, w->format, n);
        eval_sample(x, net, w, &chain, c, n, seed, world->stream + EVAL_SAMPLE + 100);
        eval_glyph_print(&r, "asked", x, c, n); // every prompt names a shape and a colour
    }
    for (mean = fresh = 0, s = 0; s < EVAL_SEEDS; s++) {
        mean += score[s][EVAL_PROMPT] / EVAL_SEEDS;
        fresh += real_score[s][EVAL_PROMPT] / EVAL_SEEDS;
    }
    printf("inspect %.3f prompt accuracy of samples, as a share of that of real pictures\n", mean / fresh);
    printf("expect 0.75 to 1.1 for a trained net\n");
    chain_free(&chain);
    eval_reference_free(&r);
    free(x);
    free(c);
}

#endif
