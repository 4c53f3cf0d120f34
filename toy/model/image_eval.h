// image_eval.h: how good are the samples of an image model?  Does the prompt show, is the law right, is there variety.
//
// Pictures are compared by the features of a small fixed network: two layers of random 3x3 filters, each followed by
// |.| kept above 0 and a mean over 2x2 pixels, then means over the four quarters.  Random filters keep what training is
// judged by, strokes, colours and where they are, and owe nothing to a network trained elsewhere.  Every score stands
// beside the one that fresh real pictures get: that is the floor, or the ceiling.
#ifndef TILT_IMAGE_EVAL_H
#define TILT_IMAGE_EVAL_H

#include "../../ref/formula/feature_metrics.h"
#include "../world/any_world.h"
#include "train.h"

enum { FEATURE_ONE = 12, FEATURE_TWO = 24, FEATURE_QUARTERS = 4, FEATURES = FEATURE_TWO * FEATURE_QUARTERS };
enum { FEATURE_SEED = 2024, FEATURE_STREAM = 700, EVAL_DATA = 710, EVAL_SAMPLE = 713, EVAL_SEEDS = 3 };

// The filters: weights of a row of 3x3 x in numbers for each output, and a bias each.
typedef struct {
    int side, channels;
    real *w1, *w2; // FEATURE_ONE x 9 channels, FEATURE_TWO x 9 FEATURE_ONE
    real b1[FEATURE_ONE], b2[FEATURE_TWO];
} FeatureNet;

static inline FeatureNet feature_net_new(int side, int channels) {
    FeatureNet f;
    size_t n1 = (size_t)FEATURE_ONE * 9 * (size_t)channels, n2 = (size_t)FEATURE_TWO * 9 * FEATURE_ONE, i;
    if (side < 4 || channels < 1) {
        DIE("features: pictures of %d x %d x %d numbers; the side must be at least 4", side, side, channels);
    }
    f.side = side;
    f.channels = channels;
    f.w1 = NEW(real, n1);
    f.w2 = NEW(real, n2);
    rng_fill_normal(f.w1, n1, FEATURE_SEED, FEATURE_STREAM, 0);
    rng_fill_normal(f.w2, n2, FEATURE_SEED, FEATURE_STREAM + 1, 0);
    rng_fill_normal(f.b1, FEATURE_ONE, FEATURE_SEED, FEATURE_STREAM + 2, 0);
    rng_fill_normal(f.b2, FEATURE_TWO, FEATURE_SEED, FEATURE_STREAM + 3, 0);
    for (i = 0; i < n1; i++) {
        f.w1[i] *= (real)sqrt(2.0 / (9 * channels));
    }
    for (i = 0; i < n2; i++) {
        f.w2[i] *= (real)sqrt(2.0 / (9 * FEATURE_ONE));
    }
    for (i = 0; i < FEATURE_ONE; i++) {
        f.b1[i] *= (real)0.3;
    }
    for (i = 0; i < FEATURE_TWO; i++) {
        f.b2[i] *= (real)0.3;
    }
    return f;
}

static inline void feature_net_free(FeatureNet *f) {
    free(f->w1);
    free(f->w2);
    f->w1 = f->w2 = NULL;
}

// y (side/2 x side/2 x out) = mean over 2x2 pixels of max(0, conv3x3(x) + b), x (side x side x in), zeros outside.
static inline void feature_layer(real *y, const real *x, const real *w, const real *b, int side, int in, int out) {
    int half = side / 2, i, j, o, d, a, k;
    memset(y, 0, (size_t)half * (size_t)half * (size_t)out * sizeof(real));
    for (j = 0; j < 2 * half; j++) {
        for (i = 0; i < 2 * half; i++) {
            for (o = 0; o < out; o++) {
                real sum = b[o];
                for (a = 0; a < 9; a++) {
                    int row = j + a / 3 - 1, column = i + a % 3 - 1;
                    if (row < 0 || column < 0 || row >= side || column >= side) {
                        continue;
                    }
                    k = (row * side + column) * in;
                    for (d = 0; d < in; d++) {
                        sum += w[((size_t)o * 9 + (size_t)a) * (size_t)in + (size_t)d] * x[k + d];
                    }
                }
                y[((j / 2) * half + i / 2) * out + o] += sum > 0 ? sum / 4 : 0;
            }
        }
    }
}

// The features (FEATURES) of one picture.  Quarters overlap by a line where the side is odd.
static inline void feature_row(real *f, const FeatureNet *net, const real *x) {
    int one = net->side / 2, two = one / 2, q, o, i, j;
    size_t room = (size_t)one * (size_t)one * FEATURE_ONE;
    real *first = NEW(real, room), *second = NEW(real, (size_t)two * (size_t)two * FEATURE_TWO);
    int reach = (two + 1) / 2;
    feature_layer(first, x, net->w1, net->b1, net->side, net->channels, FEATURE_ONE);
    feature_layer(second, first, net->w2, net->b2, one, FEATURE_ONE, FEATURE_TWO);
    for (q = 0; q < FEATURE_QUARTERS; q++) {
        int top = q / 2 * (two - reach), left = q % 2 * (two - reach);
        for (o = 0; o < FEATURE_TWO; o++) {
            real sum = 0;
            for (j = top; j < top + reach; j++) {
                for (i = left; i < left + reach; i++) {
                    sum += second[(j * two + i) * FEATURE_TWO + o];
                }
            }
            f[q * FEATURE_TWO + o] = sum / (real)(reach * reach);
        }
    }
    free(first);
    free(second);
}

// Numbers of a feature vector: for points of the plane their two coordinates.
static inline int image_feature_count(const AnyWorld *w) {
    return w->side > 0 ? FEATURES : w->world.dim;
}

// f (n x image_feature_count) of n rows x.  Pixels are cut to [-1, 1] first: nobody sees more.
static inline void image_features(real *f, const AnyWorld *w, const real *x, int n) {
    size_t dim = (size_t)w->world.dim;
    FeatureNet net;
    int i;
    if (w->side == 0) {
        memcpy(f, x, (size_t)n * dim * sizeof(real));
        return;
    }
    net = feature_net_new(w->side, w->channels);
    OMP(parallel for schedule(static))
    for (i = 0; i < n; i++) {
        real *seen = NEW(real, dim);
        size_t k;
        for (k = 0; k < dim; k++) {
            real v = x[(size_t)i * dim + k];
            seen[k] = v < -1 ? (real)-1 : v > 1 ? (real)1 : v;
        }
        feature_row(f + (size_t)i * FEATURES, &net, seen);
        free(seen);
    }
    feature_net_free(&net);
}

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

// Labelled real rows and their features, against which everything is scored.
typedef struct {
    int n, D;
    real *f;
    int *c;
} EvalReference;

static inline EvalReference eval_reference(const AnyWorld *w, int n, uint64_t seed) {
    EvalReference r;
    real *x = NEW(real, (size_t)n * (size_t)w->world.dim);
    r.n = n;
    r.D = image_feature_count(w);
    r.f = NEW(real, (size_t)n * (size_t)r.D);
    r.c = NEW(int, (size_t)n);
    w->world.draw(&w->world, x, r.c, (size_t)n, seed, w->world.stream + EVAL_DATA, 0);
    image_features(r.f, w, x, n);
    free(x);
    return r;
}

static inline void eval_reference_free(EvalReference *r) {
    free(r->f);
    free(r->c);
    memset(r, 0, sizeof *r);
}

// Distances use as many reference rows as there are rows x, because they depend on the number of rows.
static inline void eval_scores(double score[EVAL_SCORES], const EvalReference *r, const AnyWorld *w, const real *x,
                               const int *c, int n) {
    real *f = NEW(real, (size_t)n * (size_t)r->D);
    int m = n < r->n ? n : r->n;
    image_features(f, w, x, n);
    score[EVAL_PROMPT] = nearest_prompt_share(f, c, n, r->f, r->c, r->n, r->D);
    score[EVAL_FRECHET] = frechet_distance(f, r->f, n, m, r->D);
    score[EVAL_KID] = kid(f, r->f, n, m, r->D);
    score[EVAL_VARIETY] = mean_pair_distance(f, n, r->D) / mean_pair_distance(r->f, m, r->D);
    free(f);
}

// Prints `key value` lines: every score of n samples, its spread over EVAL_SEEDS seeds, and the score of n fresh real
// rows.  Samples come from the chain with fitted noise.
static inline void image_eval_print(Net *net, const AnyWorld *w, const Schedule *schedule, double guidance, int n,
                                    uint64_t seed) {
    const World *world = &w->world;
    double score[EVAL_SEEDS][EVAL_SCORES], real_score[EVAL_SEEDS][EVAL_SCORES], accuracy = 0;
    EvalReference r = eval_reference(w, 4 * n, seed);
    Chain chain = fitted_chain(net, world, schedule, n, seed);
    real *x = NEW(real, (size_t)n * (size_t)world->dim);
    int *c = NEW(int, (size_t)n), s, k;
    chain.guidance = guidance;
    for (s = 0; s < EVAL_SEEDS; s++) {
        uint64_t stream = world->stream + EVAL_SAMPLE + 2 * (uint64_t)s;
        world->draw(world, x, c, (size_t)n, seed, stream, 0); // the prompts of samples follow the law of the data
        eval_scores(real_score[s], &r, w, x, c, n);
        chain_sample(x, NULL, net, &chain, c, n, seed, stream + 1);
        if (first_beyond(x, (size_t)n * (size_t)world->dim, NONFINITE_LARGEST) < (size_t)n * (size_t)world->dim) {
            DIE("evaluate: a sample is not finite; the net has diverged, train it with a lower rate");
        }
        eval_scores(score[s], &r, w, x, c, n);
    }
    printf("samples %d\nseeds %d\nguidance %g\n", n, EVAL_SEEDS, guidance);
    for (k = 0; k < EVAL_SCORES; k++) {
        double mean = 0, fresh = 0, spread = 0;
        for (s = 0; s < EVAL_SEEDS; s++) {
            mean += score[s][k] / EVAL_SEEDS;
            fresh += real_score[s][k] / EVAL_SEEDS;
        }
        for (s = 0; s < EVAL_SEEDS; s++) {
            spread += (score[s][k] - mean) * (score[s][k] - mean) / (EVAL_SEEDS - 1);
        }
        printf("%s %.4f\n%s_spread %.4f\n%s_real %.4f\n", eval_names[k], mean, eval_names[k], sqrt(spread),
               eval_names[k], fresh);
        accuracy = k == EVAL_PROMPT ? mean / fresh : accuracy;
    }
    printf("inspect %.3f prompt accuracy of samples, as a share of that of real pictures\n", accuracy);
    printf("expect 0.9 to 1.1 for a trained net\n");
    chain_free(&chain);
    eval_reference_free(&r);
    free(x);
    free(c);
}

#endif
