// preference.h: losses for pairs "this one is better": DPO and its relatives on log-probabilities, and Diffusion-DPO on
// noise predictions.
//
// A loss returns its value and writes its derivative; it knows no network.  Winner w, loser l.  All sigmoids go through
// softplus, so that a margin of -800 has a finite loss and slope.
#ifndef TILT_PREFERENCE_H
#define TILT_PREFERENCE_H

#include "../core/elementary.h"

// ---- log-probabilities: functions of the margin  h = (lp_w - lp_l) - (lr_w - lr_l), nats --------------------------

// F: pref.dpo    DPO as a function of the margin                                   [chapter 15]
//   L = softplus(-beta h) = -log sigmoid(beta h),   dL/dh = -beta sigmoid(-beta h)
//   h: model log-ratio minus reference log-ratio, nats.  beta > 0: KL temperature, reward units per nat.
//   h = 0: L = ln 2, slope -beta/2.  h -> inf: both 0.  h -> -inf: L ~ -beta h, slope -beta (never vanishes).
//   Average L over pairs; the loss of an averaged margin is another problem with another optimum.
//   source: Rafailov et al. 2023, arXiv 2305.18290
//   check: finite differences; fixed point p* on 8 arms; slopes at +-800; golden pref.margin
static inline double dpo_margin(double *dh, double h, double beta) {
    *dh = -beta * e_sigmoid(-beta * h);
    return e_softplus(-beta * h);
}

// F: pref.cdpo   DPO with label smoothing                                          [chapter 15]
//   L = (1-s) softplus(-beta h) + s softplus(beta h),   dL/dh = beta [ s sigmoid(beta h) - (1-s) sigmoid(-beta h) ]
//   s: probability that the label is wrong, 0 <= s < 1/2.  s = 1 - P(w beats l) makes it the exact mean of DPO.
//   Minimum at beta h = log((1-s)/s), finite for s > 0.
//   source: Mitchell 2023, note on conservative DPO
//   check: finite differences; slope zero at the stated margin; s = 0 is pref.dpo; golden pref.margin
static inline double cdpo_margin(double *dh, double h, double beta, double s) {
    *dh = beta * (s * e_sigmoid(beta * h) - (1 - s) * e_sigmoid(-beta * h));
    return (1 - s) * e_softplus(-beta * h) + s * e_softplus(beta * h);
}

// F: pref.ipo    squared margin                                                    [chapter 15]
//   L = (h - 1/(2 beta))^2,   dL/dh = 2 (h - 1/(2 beta))
//   The optimum is bounded even for labels without noise: h = 1/(2 beta); with P = P(w beats l), h = (P - 1/2)/beta.
//   source: Azar et al. 2023, arXiv 2310.12036
//   check: finite differences; optimum margin; golden pref.margin
static inline double ipo_margin(double *dh, double h, double beta) {
    double off = h - 1 / (2 * beta);
    *dh = 2 * off;
    return off * off;
}

// F: pref.hinge  hinge on the margin                                               [chapter 15]
//   L = max(0, 1 - beta h),   dL/dh = -beta where beta h < 1, else 0
//   source: Zhao et al. 2023, arXiv 2305.10425 (SLiC), on DPO's margin
//   check: finite differences away from the corner; golden pref.margin
static inline double hinge_margin(double *dh, double h, double beta) {
    *dh = beta * h < 1 ? -beta : 0;
    return fmax(0, 1 - beta * h);
}

// F: dpo.loss    preference, pairwise, offline                                     [chapter 15]
//   L = -log sigmoid(z),   z = beta [ (lp_w - lr_w) - (lp_l - lr_l) ]
//   lp, lr: log-probability under model and reference, nats.  beta > 0: reward units per nat.
//   dL/dlp_w = -beta sigmoid(-z) = -dL/dlp_l        at lp == lr: L = ln 2
//   source: Rafailov et al. 2023, arXiv 2305.18290
//   check: finite differences; L = ln 2 at the reference; golden pref.margin
static inline double dpo_loss(double *dlp_w, double *dlp_l, double lp_w, double lr_w, double lp_l, double lr_l,
                              double beta) {
    double dh, loss = dpo_margin(&dh, (lp_w - lr_w) - (lp_l - lr_l), beta);
    *dlp_w = dh;
    *dlp_l = -dh;
    return loss;
}

// ---- noise predictions --------------------------------------------------------------------------------------------

// (1/D) |a - b|^2, summed in double.
static inline double row_mean_square(const real *a, const real *b, int D) {
    double sum = 0;
    int d;
    for (d = 0; d < D; d++) {
        double diff = (double)a[d] - (double)b[d];
        sum += diff * diff;
    }
    return sum / D;
}

// F: diffusion_dpo.loss  Diffusion-DPO, one weight a row                           [chapter 16]
//   m(e) = (1/D) |e - noise|^2        per-dimension MEAN square, as in public code
//   u_b = -(beta w_b/2) [ (m(eps_w) - m(eps_l)) - (m(eps_ref_w) - m(eps_ref_l)) ]
//   L = (1/B) sum_b softplus(-u_b)
//   dL/deps_w =  (1/B) sigmoid(-u_b) (beta w_b/D) (eps_w - noise)
//   dL/deps_l = -(1/B) sigmoid(-u_b) (beta w_b/D) (eps_l - noise)
//   All arrays (B,D); winner and loser of a row share t and noise.  Out: deps_w, deps_l (overwritten), inside (B, the
//   u_b), accuracy (share of u_b > 0); any of them may be NULL.  weight (B): NULL means 1, the public choice.
//   beta/(2D) is the coefficient of the SUM of squares.  The weights that the derivation drops: with KL temperature k,
//   T steps and the w_kl of the row's StepCoeffs, take beta w_b = k T D w_kl.
//   Model = reference: L = ln 2 and the gradient is not zero.  The loser's error can grow without bound while L falls:
//   log m(eps_w) and m(eps_l), not only L.
//   source: Wallace et al. 2023, arXiv 2311.12908; conventions of the authors' train.py
//   check: finite differences; ln 2 at the reference; swapping w and l flips u; golden diffusion_dpo.loss
static inline double diffusion_dpo_weighted(real *deps_w, real *deps_l, double *inside, double *accuracy,
                                            const real *eps_w, const real *eps_l, const real *eps_ref_w,
                                            const real *eps_ref_l, const real *noise, const double *weight, int B,
                                            int D, double beta) {
    double loss = 0;
    int right = 0, b, d;
    for (b = 0; b < B; b++) {
        size_t at = (size_t)b * (size_t)D;
        const real *e = noise + at;
        double scale = weight != NULL ? beta * weight[b] : beta;
        double model = row_mean_square(eps_w + at, e, D) - row_mean_square(eps_l + at, e, D);
        double ref = row_mean_square(eps_ref_w + at, e, D) - row_mean_square(eps_ref_l + at, e, D);
        double u = -0.5 * scale * (model - ref);
        double slope = e_sigmoid(-u) * scale / ((double)D * B);
        loss += e_softplus(-u);
        right += u > 0;
        if (inside != NULL) {
            inside[b] = u;
        }
        for (d = 0; d < D && deps_w != NULL; d++) {
            deps_w[at + (size_t)d] = (real)(slope * ((double)eps_w[at + (size_t)d] - (double)e[d]));
        }
        for (d = 0; d < D && deps_l != NULL; d++) {
            deps_l[at + (size_t)d] = (real)(-slope * ((double)eps_l[at + (size_t)d] - (double)e[d]));
        }
    }
    if (accuracy != NULL) {
        *accuracy = (double)right / B;
    }
    return loss / B;
}

// F: diffusion_dpo.at_reference  Diffusion-DPO with the public constant weight     [chapter 16]
//   diffusion_dpo.loss with w_b = 1
//   at eps = eps_ref: L = ln 2,  dL/deps_w = beta/(2 D B) (eps_w - noise) = the mirror image of dL/deps_l
//   source: Wallace et al. 2023, arXiv 2311.12908; conventions of the authors' train.py
//   check: closed form at the reference; golden diffusion_dpo.at_reference
static inline double diffusion_dpo(real *deps_w, real *deps_l, double *accuracy, const real *eps_w, const real *eps_l,
                                   const real *eps_ref_w, const real *eps_ref_l, const real *noise, int B, int D,
                                   double beta) {
    return diffusion_dpo_weighted(deps_w, deps_l, NULL, accuracy, eps_w, eps_l, eps_ref_w, eps_ref_l, noise, NULL, B, D,
                                  beta);
}

#endif
