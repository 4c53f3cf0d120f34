// families_rewards.h: golden families of reward losses and reward ensembles.  Translation only.
#ifndef TILT_FAMILIES_REWARDS_H
#define TILT_FAMILIES_REWARDS_H

#include "double.h" // first

#include "../formula/ensemble.h"
#include "../formula/reward_loss.h"
#include "case.h"

static inline void family_rm_variants(const Case *in, Out *out) {
    size_t n = 0, F = 0;
    const double *win = in_matrix(in, "features_win", &n, &F);
    const double *lose = in_matrix(in, "features_lose", &n, &F);
    const double *theta = in_vector(in, "theta", &F);
    double eps = in_between(in, "smoothing", 0, 0.5), m = in_number(in, "margin");
    out_number(out, "smooth_loss", rm_mean_loss(NULL, NULL, rm_smooth, eps, win, lose, theta, (int)n, (int)F));
    out_number(out, "noise_corrected_loss", rm_mean_loss(NULL, NULL, rm_robust, eps, win, lose, theta, (int)n, (int)F));
    out_number(out, "margin_loss", rm_mean_loss(NULL, NULL, rm_margin, m, win, lose, theta, (int)n, (int)F));
}

static inline void family_rm_ens(const Case *in, Out *out) {
    size_t M = 0, I = 0;
    const double *score = in_matrix(in, "scores", &M, &I);
    double coefficient = in_number(in, "uwo_coef");
    double *mean = out_vector(out, "mean", I), *worst = out_vector(out, "worst_case", I);
    double *uwo = out_vector(out, "uwo_population_var", I), *best = out_vector(out, "argmax", 3);
    ensemble_combine(mean, NULL, score, ENS_MEAN, 0, M, I);
    ensemble_combine(worst, NULL, score, ENS_WORST, 0, M, I);
    ensemble_combine(uwo, NULL, score, ENS_UWO, coefficient, M, I);
    ensemble_combine(out_vector(out, "uwo_sample_var", I), NULL, score, ENS_UWO_SAMPLE, coefficient, M, I);
    ensemble_combine(out_vector(out, "lcb_pop_std", I), NULL, score, ENS_LCB, in_number(in, "lcb_k"), M, I);
    best[0] = (double)ensemble_best(mean, I);
    best[1] = (double)ensemble_best(worst, I);
    best[2] = (double)ensemble_best(uwo, I);
}

#endif
