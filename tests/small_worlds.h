// small_worlds.h: the exact worlds that the sampler tests share.
#ifndef TILT_SMALL_WORLDS_H
#define TILT_SMALL_WORLDS_H

#include "../ref/formula/denoiser.h"
#include "../ref/formula/path.h"
#include "small_mixture.h"

// Data N(m, v) in one dimension; v = 0 is a single point.
typedef struct {
    double m, v;
} Normal;

static inline double normal_D(const Normal *data, double x, double alpha, double sigma) {
    return (sigma * sigma * data->m + alpha * data->v * x) / (alpha * alpha * data->v + sigma * sigma);
}

static inline void normal_rows(real *x0, const real *x, double alpha, double sigma, size_t rows, const void *self) {
    for (size_t i = 0; i < rows; i++) {
        x0[i] = (real)normal_D((const Normal *)self, x[i], alpha, sigma);
    }
}

static inline Denoiser normal_denoiser(const Normal *data) {
    Denoiser d = {normal_rows, 1, data};
    return d;
}

// The law of x_t: N(alpha m, alpha^2 v + sigma^2).
static inline double normal_std(const Normal *data, double alpha, double sigma) {
    return sqrt(alpha * alpha * data->v + sigma * sigma);
}

// Levels of four paths, noisy to clean; the last of each row has no noise.
enum { N_PATHS = 4, N_LEVELS = 6 };

static inline Level level_of(int path, int i) {
    static const double vp[] = {1, 0.8, 0.55, 0.3, 0.05};
    static const double sigma[] = {80, 12, 2, 0.4, 0.01};
    static const double flow[] = {0.97, 0.8, 0.5, 0.2, 0.01};
    static const double abar[] = {1e-4, 0.05, 0.4, 0.41, 0.999};
    Path paths[3] = {path_vp(0.1, 20), path_of(PATH_VE), path_of(PATH_FLOW)};
    if (i == N_LEVELS - 1) {
        return level_clean();
    }
    return path == 3 ? level_of_abar(abar[i])
                     : path_at_time(&paths[path], (path == 0   ? vp
                                                   : path == 1 ? sigma
                                                               : flow)[i]);
}

#endif
