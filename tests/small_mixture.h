// small_mixture.h: the mixture, the points and the noise levels that the tests of mixtures share.
#ifndef TILT_SMALL_MIXTURE_H
#define TILT_SMALL_MIXTURE_H

#include "../ref/formula/mixture.h"

static inline Gmm gmm_from(int K, const double *w, const double *mu, const double *cov) {
    Gmm p = gmm_new(K);
    memcpy(p.w, w, (size_t)K * sizeof(double));
    memcpy(p.mu, mu, 2 * (size_t)K * sizeof(double));
    memcpy(p.cov, cov, 4 * (size_t)K * sizeof(double));
    gmm_check(&p);
    return p;
}

// Mixture A: three components of different width and tilt, on 21 numbers of the caller or on its own.
static inline Gmm mixture_a_on(double *block) {
    static const double w[] = {0.5, 0.3, 0.2};
    static const double mu[] = {-1.5, 0.5, 1, 1.2, 0.5, -1};
    static const double cov[] = {0.3, 0.1, 0.1, 0.2, 0.15, -0.05, -0.05, 0.25, 0.2, 0, 0, 0.1};
    Gmm p = block != NULL ? gmm_on(block, 3) : gmm_new(3);
    memcpy(p.w, w, sizeof w);
    memcpy(p.mu, mu, sizeof mu);
    memcpy(p.cov, cov, sizeof cov);
    gmm_check(&p);
    return p;
}

static inline Gmm mixture_a(void) {
    return mixture_a_on(NULL);
}

enum { STREAM_CLOUD = 6 };

static inline void point_of(double *x, int i) { // a fixed cloud that covers the modes and the space between
    x[0] = 1.6 * rng_normal(3, STREAM_CLOUD, 2 * (uint64_t)i);
    x[1] = 1.6 * rng_normal(3, STREAM_CLOUD, 2 * (uint64_t)i + 1);
}

static const double NOISE_LEVELS[][2] = {{1, 0},   {0.9, 0.436}, {0.5, 0.866}, {0.05, 0.998},
                                         {1, 0.3}, {1, 4},       {0.4, 0.6}};
enum { N_NOISE_LEVELS = 7 };

#endif
