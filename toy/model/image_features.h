// image_features.h: what a picture is compared by: the answers of a small fixed network.
//
// Two layers of random 3x3 filters, each followed by max(0, .) and a mean over 2x2 pixels, then means over the four
// quarters.  Random filters keep what samples are judged by, strokes, colours and where they are, and owe nothing to a
// network trained elsewhere: a distance in these features is no FID and must not be called one.
#ifndef TILT_IMAGE_FEATURES_H
#define TILT_IMAGE_FEATURES_H

#include "../../ref/core/rng.h"
#include "../world/any_world.h"

enum { FEATURE_ONE = 12, FEATURE_TWO = 24, FEATURE_QUARTERS = 4, FEATURES = FEATURE_TWO * FEATURE_QUARTERS };
enum { FEATURE_SEED = 2024, FEATURE_STREAM = 700 };

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

#endif
