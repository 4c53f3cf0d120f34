// digit_features.h: twelve numbers that say how a digit is written, so that a few answers can teach a taste.
//
// Seven have names: stroke weight, slant, width, height, how high the ink sits, crispness, closed loops.  Five are the
// principal components of what the pictures of one digit do beyond their mean, computed from the data at every start.
// Every feature has mean 0 within each digit and variance 1 over all pictures: only pictures of the same digit are
// compared, and no feature is loud because of its unit.
#ifndef TILT_DIGIT_FEATURES_H
#define TILT_DIGIT_FEATURES_H

#include "../feedback/rewards.h"

enum { DIGIT_NAMED = 7, DIGIT_COMPONENTS = 5, DIGIT_FEATURES = DIGIT_NAMED + DIGIT_COMPONENTS };

static const char *const digit_feature_name[DIGIT_FEATURES] = {
    "stroke weight", "leans to the right", "width",       "height",      "ink sits high", "crispness",
    "closed loops",  "component 1",        "component 2", "component 3", "component 4",   "component 5",
};

// The named ones of a picture (64 numbers in [-1, 1]), not yet standardised.
static inline void digit_named(double f[DIGIT_NAMED], const real *x) {
    double mass = 0, cx = 0, cy = 0, xx = 0, yy = 0, xy = 0, crisp = 0;
    int k;
    for (k = 0; k < DIGIT_PIXELS; k++) {
        double ink = 0.5 + 0.5 * (double)x[k];
        mass += ink;
        cx += ink * (k % DIGIT_SIDE);
        cy -= ink * (k / DIGIT_SIDE); // upwards
        crisp += (double)x[k] * (double)x[k];
    }
    if (!(mass > 0)) {
        DIE("digit features: a picture without ink has no slant; is it a digit?");
    }
    cx /= mass;
    cy /= mass;
    for (k = 0; k < DIGIT_PIXELS; k++) {
        double ink = (0.5 + 0.5 * (double)x[k]) / mass, dx = k % DIGIT_SIDE - cx, dy = -(k / DIGIT_SIDE) - cy;
        xx += ink * dx * dx;
        yy += ink * dy * dy;
        xy += ink * dx * dy;
    }
    f[0] = mass / DIGIT_PIXELS;
    f[1] = yy > 0 ? xy / yy : 0; // columns to the right for each row upwards
    f[2] = sqrt(xx);
    f[3] = sqrt(yy);
    f[4] = cy;
    f[5] = crisp / DIGIT_PIXELS; // 1: every pixel is paper or full ink
    f[6] = loops_of(x, DIGIT_SIDE, 0);
}

// Column j of f (n x DIGIT_FEATURES): mean 0 within each digit, then variance 1 over all pictures.
static inline void digit_standardise(double *f, const Digits *d, int j) {
    double variance = 0;
    int i, c;
    for (c = 0; c < DIGIT_CLASSES; c++) {
        double mean = 0;
        for (i = 0; i < d->count[c]; i++) {
            mean += f[(size_t)d->of[c][i] * DIGIT_FEATURES + j] / d->count[c];
        }
        for (i = 0; i < d->count[c]; i++) {
            f[(size_t)d->of[c][i] * DIGIT_FEATURES + j] -= mean;
        }
    }
    for (i = 0; i < d->n; i++) {
        variance += f[(size_t)i * DIGIT_FEATURES + j] * f[(size_t)i * DIGIT_FEATURES + j] / d->n;
    }
    for (i = 0; i < d->n; i++) {
        f[(size_t)i * DIGIT_FEATURES + j] /= variance > 0 ? sqrt(variance) : 1;
    }
}

// The leading eigenvectors (DIGIT_COMPONENTS x 64) of the covariance of the pictures around the mean of their digit, by
// power iteration; each one is taken out before the next.  Sign: the entry of largest size is positive.
static inline void digit_components(double *v, const Digits *d) {
    enum { P = DIGIT_PIXELS };
    double *C = NEW(double, P *P), *mean = NEW(double, DIGIT_CLASSES *P), next[P];
    int i, j, k, q, round;
    for (i = 0; i < d->n; i++) {
        for (k = 0; k < P; k++) {
            mean[d->label[i] * P + k] += (double)d->x[(size_t)i * P + k] / d->count[d->label[i]];
        }
    }
    for (i = 0; i < d->n; i++) {
        for (k = 0; k < P; k++) {
            next[k] = (double)d->x[(size_t)i * P + k] - mean[d->label[i] * P + k];
        }
        for (j = 0; j < P; j++) {
            for (k = 0; k < P; k++) {
                C[j * P + k] += next[j] * next[k] / d->n;
            }
        }
    }
    for (q = 0; q < DIGIT_COMPONENTS; q++) {
        double *u = v + q * P, size = 0;
        int top = 0;
        for (k = 0; k < P; k++) {
            u[k] = 1 + 0.1 * ((k * 37 + q * 11) % 17); // any start that no eigenvector is perpendicular to
        }
        for (round = 0; round < 400; round++) {
            for (size = 0, j = 0; j < P; j++) {
                next[j] = 0;
                for (k = 0; k < P; k++) {
                    next[j] += C[j * P + k] * u[k];
                }
                size += next[j] * next[j];
            }
            for (k = 0; k < P; k++) {
                u[k] = next[k] / sqrt(size);
            }
        }
        for (k = 1; k < P; k++) {
            top = fabs(u[k]) > fabs(u[top]) ? k : top;
        }
        for (k = 0; k < P && u[top] < 0; k++) {
            next[k] = -u[k];
        }
        if (u[top] < 0) {
            memcpy(u, next, sizeof next);
        }
        for (j = 0; j < P; j++) { // the eigenvalue is sqrt(size)
            for (k = 0; k < P; k++) {
                C[j * P + k] -= sqrt(size) * u[j] * u[k];
            }
        }
    }
    free(C);
    free(mean);
}

// f (n x DIGIT_FEATURES) of all pictures.
static inline void digit_features(double *f, const Digits *d) {
    double *v = NEW(double, DIGIT_COMPONENTS *DIGIT_PIXELS);
    int i, j, k;
    digit_components(v, d);
    for (i = 0; i < d->n; i++) {
        double *row = f + (size_t)i * DIGIT_FEATURES;
        digit_named(row, d->x + (size_t)i * DIGIT_PIXELS);
        for (j = 0; j < DIGIT_COMPONENTS; j++) {
            for (row[DIGIT_NAMED + j] = 0, k = 0; k < DIGIT_PIXELS; k++) {
                row[DIGIT_NAMED + j] += v[j * DIGIT_PIXELS + k] * (double)d->x[(size_t)i * DIGIT_PIXELS + k];
            }
        }
    }
    for (j = 0; j < DIGIT_FEATURES; j++) {
        digit_standardise(f, d, j);
    }
    free(v);
}

#endif
