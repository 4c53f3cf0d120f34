// unet_clock.h: what a UNet knows of the time: the waves that it reads, and the two numbers of its last step,
//   eps = sigma_k x + alpha_k F(x, waves of k, prompt)        for the levels k = 0..T-1 of a noise schedule.
#ifndef TILT_UNET_CLOCK_H
#define TILT_UNET_CLOCK_H

#include "../../ref/core/layers.h"
#include "../../ref/formula/schedule.h"
#include "unet_list.h"

// The waves of level k (unet_waves numbers), sines before cosines.  ddpm = 1: sin and cos of k f_i, with the
// frequencies f_i = 10000^(-i/(half-1)) of the published code, whose slowest wave is exactly 1/10000; otherwise those of
// layers.h, for a chain of length 1000.
static inline void unet_wave(real *e, const UnetShape *s, int k, int T) {
    int half = unet_waves(s) / 2, i;
    if (!s->ddpm) {
        time_embedding(e, 1000.0 * k / T, UNET_WAVES);
        return;
    }
    for (i = 0; i < half; i++) {
        double f = e_exp(-9.210340371976184 * i / (half - 1));
        e[i] = (real)e_sin(k * f);
        e[half + i] = (real)e_cos(k * f);
    }
}

// The tables of all levels: alpha, sigma (T each), times (T x unet_waves).
static inline void unet_clock(real *alpha, real *sigma, real *times, const UnetShape *s, const Schedule *schedule) {
    size_t width = (size_t)unet_waves(s);
    int k;
    for (k = 0; k < schedule->T; k++) {
        double abar = schedule_abar(schedule, k);
        alpha[k] = (real)sqrt(abar);
        sigma[k] = (real)sqrt(1.0 - abar);
        unet_wave(times + (size_t)k * width, s, k, schedule->T);
    }
}

#endif
