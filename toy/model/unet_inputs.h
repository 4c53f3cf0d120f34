// unet_inputs.h: what a UNet is told besides the picture: the time and the prompt, for every executor of the list.
//
//   eps = sigma_k x + alpha_k F(x, waves of k, words of the prompt)        for the levels k = 0..T-1 of a schedule
#ifndef TILT_UNET_INPUTS_H
#define TILT_UNET_INPUTS_H

#include "../../ref/core/layers.h"
#include "../../ref/formula/schedule.h"
#include "unet_list.h"

// ---- time --------------------------------------------------------------------------------------------------------

// The waves of level k (unet_waves numbers), sines before cosines.  ddpm = 1: sin and cos of k f_i, with the
// frequencies f_i = 10000^(-i/(half-1)) of the published code, whose slowest is exactly 1/10000; otherwise those of
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

// The level that a timestep means.
static inline int unet_level(real t, int steps) {
    int k = (int)((double)t + 0.5);
    if (!(t >= 0) || k >= steps) {
        DIE("unet: timestep %g outside 0..%d; pass the index of the schedule the net was made with", (double)t,
            steps - 1);
    }
    return k;
}

// ---- prompts -----------------------------------------------------------------------------------------------------

static inline void unet_prompt_check(int c, int prompts) {
    if (c < -1 || c >= prompts) {
        DIE("unet: prompt %d of %d; prompts are 0..%d, -1 is the null prompt", c, prompts, prompts - 1);
    }
}

// Rows of the table that a prompt may have.
static inline int unet_words(const UnetPlan *u) {
    return u->tokens != NULL && u->tokens->length > 1 ? u->tokens->length : 1;
}

// row (unet_words numbers) = the rows of the table that prompt c adds up, -1: none.  The null prompt has the last row.
static inline void unet_words_of(int *row, const UnetPlan *u, int c) {
    int j;
    for (j = 0; j < unet_words(u); j++) {
        row[j] = u->tokens != NULL && j < u->tokens->length ? token_of(u->tokens, c, j) : -1;
    }
    if (u->tokens == NULL) {
        row[0] = c < 0 ? u->prompts : c;
    } else if (c < 0) {
        row[0] = u->tokens->words;
    }
}

#endif
