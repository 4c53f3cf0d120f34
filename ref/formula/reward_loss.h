// reward_loss.h: other losses for a reward model: pairs whose labels are noisy, margins, centring, single judgements.
//
// A pair enters through delta = r_w - r_l, the reward of the item that was preferred minus that of the other.  Every
// loss of a pair returns its value and sets
//   slope = dL/d delta, so dL/dr_w = slope and dL/dr_l = -slope;
//   bend >= 0, the curvature that Newton's method uses (may be NULL).
// eps is the chance, 0 <= eps < 1/2, that a label is the wrong way round.  P is the chance of the label that is true
// of the pair; log P/(1-P) is what a loss must be smallest at if the fitted reward is to be unbiased.
#ifndef TILT_REWARD_LOSS_H
#define TILT_REWARD_LOSS_H

#include "reward_model.h"

// A loss of one pair; knob is its eps or margin.
typedef double (*DeltaLoss)(double *slope, double *bend, double delta, double knob);

static inline void check_eps_(double eps) {
    if (!(eps >= 0 && eps < 0.5)) {
        DIE("reward loss: eps = %g must lie in 0 <= eps < 1/2; from 1/2 on, labels say nothing", eps);
    }
}

static inline void set_bend_(double *bend, double value) {
    if (bend != NULL) {
        *bend = value;
    }
}

// The loss of chapter 6 in the same form; knob is not used.
static inline double rm_plain(double *slope, double *bend, double delta, double knob) {
    (void)knob;
    *slope = -e_sigmoid(-delta);
    set_bend_(bend, e_sigmoid(delta) * e_sigmoid(-delta));
    return e_softplus(-delta);
}

// ---- labels that may be wrong -------------------------------------------------------------------------------------

// F: rm.smooth   label smoothing                                                   [chapter 8]
//   L = (1-eps) softplus(-delta) + eps softplus(delta),   slope = sigmoid(delta) - (1-eps)
//   eps = 0: rm.bt.  Never below the entropy of eps.  One pair alone: smallest at delta = log((1-eps)/eps), finite.
//   Biased towards 0: over labels of chance P it is smallest at the logit of (1-2 eps) P + eps, as if flips were added.
//   It does not undo noise.
//   source: Mitchell 2023, note on conservative DPO; Szegedy et al. 2016
//   check: slope zero at that logit; equals rm.bt averaged over flips; golden rm.variants
static inline double rm_smooth(double *slope, double *bend, double delta, double eps) {
    check_eps_(eps);
    *slope = eps * e_sigmoid(delta) - (1 - eps) * e_sigmoid(-delta);
    set_bend_(bend, e_sigmoid(delta) * e_sigmoid(-delta));
    return (1 - eps) * e_softplus(-delta) + eps * e_softplus(delta);
}

// F: rm.robust   the loss whose mean over flipped labels is the clean one          [chapter 8]
//   L = [ (1-eps) softplus(-delta) - eps softplus(delta) ] / (1-2 eps),   slope = sigmoid(delta) - (1-eps)/(1-2 eps)
//   Labels flipped with chance eps: E[L] = the Bradley-Terry loss of the clean label, so it is unbiased.
//   Convex, with the curvature of rm.bt, but without a lower bound: delta -> inf gives -eps delta/(1-2 eps).  A penalty
//   is needed.  eps = 0: rm.bt.
//   source: Natarajan et al. 2013
//   check: exact mean over the flip, value and slope; golden rm.variants
static inline double rm_robust(double *slope, double *bend, double delta, double eps) {
    check_eps_(eps);
    *slope = -((1 - eps) * e_sigmoid(-delta) + eps * e_sigmoid(delta)) / (1 - 2 * eps);
    set_bend_(bend, e_sigmoid(delta) * e_sigmoid(-delta));
    return ((1 - eps) * e_softplus(-delta) - eps * e_softplus(delta)) / (1 - 2 * eps);
}

// F: rm.noise    forward correction: the likelihood of a label that may be flipped  [chapter 8]
//   L = -log q,   q = (1-2 eps) sigmoid(delta) + eps,   slope = -(1-2 eps) sigmoid(delta) sigmoid(-delta) / q
//   Unbiased: over labels flipped with chance eps it is smallest at the logit of the clean chance.  Bounded by
//   -log eps, so one absurd label cannot pull without end; for delta << 0 it is flat and not convex.
//   bend: the mean of the second derivative over the label that the model expects, slope^2 q/(1-q) (Fisher scoring).
//   eps = 0: rm.bt.  An eps believed too small leaves some shrinkage, one too large exaggerates.
//   source: Patrini et al. 2017
//   check: finite differences; smallest at the clean logit; limits
static inline double rm_noise(double *slope, double *bend, double delta, double eps) {
    double up = e_sigmoid(delta), down = e_sigmoid(-delta), q, not_q;
    check_eps_(eps);
    q = (1 - eps) * up + eps * down;
    not_q = (1 - eps) * down + eps * up;
    *slope = eps > 0 ? -(1 - 2 * eps) * up * down / q : -down; // up/q = 1 where both may be 0
    set_bend_(bend, eps > 0 ? (1 - 2 * eps) * (1 - 2 * eps) * up * up * down * down / (q * not_q) : up * down);
    return eps > 0 ? -e_log(q) : e_softplus(-delta);
}

// F: rm.noise    what plain Bradley-Terry fits to flipped labels                   [chapter 8]
//   z = log( [(1-eps) s + eps (1-s)] / [(1-eps) (1-s) + eps s] ),   s = sigmoid(delta), delta the true difference
//   slope dz/d delta = (1-2 eps) s (1-s) / (q (1-q)) <= 1-2 eps, largest at delta = 0;   |z| < log((1-eps)/eps)
//   The shrinkage is not a factor: small differences keep 1-2 eps of their size, large ones meet a ceiling.
//   The same z is what rm.smooth fits to clean labels.  slope may be NULL.
//   source: Patrini et al. 2017; own derivation
//   check: zero of the expected slope of rm.bt, by bisection; finite differences
static inline double noise_fitted_logit(double *slope, double delta, double eps) {
    double up = e_sigmoid(delta), down = e_sigmoid(-delta), q, not_q;
    check_eps_(eps);
    q = (1 - eps) * up + eps * down;
    not_q = (1 - eps) * down + eps * up;
    if (slope != NULL) {
        *slope = eps > 0 ? (1 - 2 * eps) * up * down / (q * not_q) : 1;
    }
    return eps > 0 ? e_log(q) - e_log(not_q) : delta;
}

// ---- a margin -----------------------------------------------------------------------------------------------------

// F: rm.margin   the winner must win by m                                          [chapter 8]
//   L = softplus(-(delta - m)),   slope = -sigmoid(-(delta - m));   m >= 0 in logits;   m = 0: rm.bt
//   Not a likelihood: the losses of the two labels are no minus-log of chances that sum to 1, so calibration is lost.
//   source: Touvron et al. 2023 (Llama 2, reward margin)
//   check: finite differences; m = 0; golden rm.variants
static inline double rm_margin(double *slope, double *bend, double delta, double m) {
    *slope = -e_sigmoid(m - delta);
    set_bend_(bend, e_sigmoid(delta - m) * e_sigmoid(m - delta));
    return e_softplus(m - delta);
}

// F: rm.margin   what the margin loss fits to a pair of true difference delta      [chapter 8]
//   z = log u,   (1-P) k u^2 - (2P-1) u - P k = 0,   k = e^-m, P = sigmoid(delta)
//   m = 0: z = delta.  Biased away from 0: |z| > |delta| for m > 0, delta != 0; delta = 0 stays 0.
//   For |delta|, m up to about 300 (u must be finite).
//   source: own derivation
//   check: zero of the expected slope, by bisection; m = 0
static inline double margin_fitted_logit(double delta, double m) {
    double size = fabs(delta), P = e_sigmoid(size), Q = e_sigmoid(-size), k = e_exp(-m), lead = P - Q;
    double z = e_log(lead + sqrt(lead * lead + 4 * P * Q * k * k)) - e_log(2 * Q * k); // both terms positive: no loss
    return delta < 0 ? -z : z;
}

// ---- what pairs cannot see, and what single pictures can ------------------------------------------------------------

// F: rm.centre   a small penalty that fixes the free constant of the reward        [chapter 8]
//   L = eta (r_w + r_l)^2,   dL/dr_w = dL/dr_l = 2 eta (r_w + r_l)
//   Added to any loss of a pair.  eta -> 0: the constant is fixed, differences are untouched (if the model can shift
//   its reward freely); eta too large shrinks true differences of pairs that are not around 0.
//   dr: the derivative, the same for both rewards.
//   source: Eisenstein et al. 2023, arXiv 2312.09244
//   check: finite differences; fitted differences as eta -> 0
static inline double rm_centre(double *dr, double r_w, double r_l, double eta) {
    *dr = 2 * eta * (r_w + r_l);
    return eta * (r_w + r_l) * (r_w + r_l);
}

// F: rm.binary   one picture, good or bad                                          [chapter 8]
//   L = -y log sigmoid(r - b) - (1-y) log(1 - sigmoid(r - b)),   dL/dr = sigmoid(r - b) - y = -dL/db
//   y: 1 good, 0 bad, or the share of raters who say good; b: threshold, in units of r.  r = b: ln 2.
//   Only r - b is identified.  Its optimum is the log-odds of "good" at this picture, prior odds included: more good
//   pictures in the data raise r - b by a constant, the ranking stays.  Not on the scale of a pair reward.
//   source: logistic regression
//   check: two Gaussian classes give the log density ratio; finite differences
static inline double rm_binary(double *dr, double r, double b, double y) {
    double z = r - b;
    *dr = (1 - y) * e_sigmoid(z) - y * e_sigmoid(-z);
    return y * e_softplus(-z) + (1 - y) * e_softplus(z);
}

// ---- a linear reward under any of these losses --------------------------------------------------------------------

// Mean loss of r(x) = theta . f(x) over n pairs; grad (F) and hessian (F,F) may be NULL.  features_win, features_lose
// (n,F): row k belongs to pair k.
static inline double rm_mean_loss(double *grad, double *hessian, DeltaLoss loss, double knob,
                                  const double *features_win, const double *features_lose, const double *theta, int n,
                                  int F) {
    double *d = NEW(double, (size_t)F), sum = 0;
    int k, a, b;
    for (a = 0; a < F && grad != NULL; a++) {
        grad[a] = 0;
    }
    for (a = 0; a < F * F && hessian != NULL; a++) {
        hessian[a] = 0;
    }
    for (k = 0; k < n; k++) {
        double delta = 0, slope, bend;
        for (a = 0; a < F; a++) {
            d[a] = features_win[(size_t)k * (size_t)F + (size_t)a] - features_lose[(size_t)k * (size_t)F + (size_t)a];
            delta += theta[a] * d[a];
        }
        sum += loss(&slope, &bend, delta, knob) / n;
        for (a = 0; a < F && grad != NULL; a++) {
            grad[a] += slope / n * d[a];
        }
        for (a = 0; a < F && hessian != NULL; a++) {
            for (b = 0; b <= a; b++) { // the lower half; the upper is its mirror image
                hessian[a * F + b] += bend / n * d[a] * d[b];
            }
        }
    }
    for (a = 0; a < F && hessian != NULL; a++) {
        for (b = a + 1; b < F; b++) {
            hessian[a * F + b] = hessian[b * F + a];
        }
    }
    free(d);
    return sum;
}

typedef struct {
    BtPairs pairs;
    DeltaLoss loss;
    double knob;
} LossPairs;

static inline double loss_pairs_loss(double *grad, double *hessian, const double *theta, const void *data) {
    const LossPairs *p = (const LossPairs *)data;
    return rm_mean_loss(grad, hessian, p->loss, p->knob, p->pairs.win, p->pairs.lose, theta, p->pairs.n, p->pairs.F);
}

// theta (F) = argmin of rm_mean_loss + (lambda/2) |theta|^2, by Newton steps that are halved until the loss falls.
// lambda > 0 is on the scale of the MEAN loss.  With rm_plain this is rm_map.  rm_noise is not convex: the minimum is
// the one reached from theta = 0.  Returns the penalised loss.
static inline double rm_fit(double *theta, DeltaLoss loss, double knob, const double *features_win,
                            const double *features_lose, double lambda, int n, int F) {
    LossPairs p;
    p.pairs.win = features_win;
    p.pairs.lose = features_lose;
    p.pairs.n = n;
    p.pairs.F = F;
    p.loss = loss;
    p.knob = knob;
    return rm_newton(theta, loss_pairs_loss, &p, lambda, "rm_fit", F);
}

#endif
