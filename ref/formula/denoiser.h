// denoiser.h: what a sampler needs of a model: x0hat = E[x_0 | x] at any noise level (alpha, sigma), sigma > 0.
//
// Scale does not matter: D(c x; c alpha, c sigma) = D(x; alpha, sigma), so a model of one path serves all paths.
// Here is the exact one, a Gaussian mixture; a network becomes one in toy/model/denoise.h.
#ifndef TILT_DENOISER_H
#define TILT_DENOISER_H

#include "mixture.h"

typedef struct {
    // x0, x: rows x dim numbers at one level.  x0 is never x.
    void (*x0)(real *x0, const real *x, double alpha, double sigma, size_t rows, const void *self);
    size_t dim;
    const void *self;
} Denoiser;

static inline void gmm_denoise_rows(real *x0, const real *x, double alpha, double sigma, size_t rows,
                                    const void *self) {
    const Gmm *p = (const Gmm *)self;
    long i; // OpenMP before 3.0 wants a signed index
    OMP(parallel for schedule(static) if (rows > 256))
    for (i = 0; i < (long)rows; i++) {
        double at[2] = {x[2 * i], x[2 * i + 1]};
        double mean[2];
        gmm_denoise(mean, p, at, alpha, sigma);
        x0[2 * i] = (real)mean[0];
        x0[2 * i + 1] = (real)mean[1];
    }
}

// The exact denoiser of a clean mixture in two dimensions.  The mixture must stay where it is.
static inline Denoiser gmm_denoiser(const Gmm *clean) {
    Denoiser d = {gmm_denoise_rows, 2, clean};
    return d;
}

#endif
