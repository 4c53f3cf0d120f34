// softmax_reward.h: two pictures of one prompt, two logits, and what people said: the losses of PickScore and HPSv2.
//
// The logit of a picture is e^tau times the cosine between its features and those of the prompt, with a learnt tau.  A
// softmax over two logits is Bradley-Terry with the logits as rewards; what is new are labels that may say "tie" and
// the weights.
#ifndef TILT_SOFTMAX_REWARD_H
#define TILT_SOFTMAX_REWARD_H

#include "../core/elementary.h"

// F: rm.softmax  logit of a picture: a scaled cosine                               [chapter 8]
//   s = e^tau f.g / (|f| |g|);   ds/df = e^tau (g/|g| - cos f/|f|) / |f|,  ds/dg likewise,  ds/dtau = s
//   f: features of the picture, g: of the prompt, D numbers each, neither all zero.  df, dg (D), dtau out, may be NULL.
//   |s| <= e^tau, so tau bounds how sure the model can be.
//   source: Kirstain et al. 2023, arXiv 2305.01569; Wu et al. 2023, arXiv 2306.09341
//   check: finite differences; scaling f changes nothing; f = g gives e^tau
static inline double cosine_logit(real *df, real *dg, double *dtau, const real *f, const real *g, double tau, int D) {
    double ff = 0, gg = 0, fg = 0, cosine, scale = e_exp(tau), norm_f, norm_g;
    int k;
    for (k = 0; k < D; k++) {
        ff += (double)f[k] * (double)f[k];
        gg += (double)g[k] * (double)g[k];
        fg += (double)f[k] * (double)g[k];
    }
    norm_f = sqrt(ff);
    norm_g = sqrt(gg);
    if (!(norm_f > 0) || !(norm_g > 0)) {
        DIE("cosine_logit: features of length %g (picture) and %g (prompt); the cosine needs both positive", norm_f,
            norm_g);
    }
    cosine = fg / (norm_f * norm_g);
    for (k = 0; k < D && df != NULL; k++) {
        df[k] = (real)(scale * ((double)g[k] / norm_g - cosine * (double)f[k] / norm_f) / norm_f);
    }
    for (k = 0; k < D && dg != NULL; k++) {
        dg[k] = (real)(scale * ((double)f[k] / norm_f - cosine * (double)g[k] / norm_g) / norm_g);
    }
    if (dtau != NULL) {
        *dtau = scale * cosine;
    }
    return scale * cosine;
}

// log softmax of two logits.
static inline void log_softmax2(double log_p[2], double a, double b) {
    log_p[0] = e_log_sigmoid(a - b);
    log_p[1] = e_log_sigmoid(b - a);
}

// F: rm.softmax  PickScore: weighted mean of KL(label || softmax)                  [chapter 8]
//   L = sum_n w_n sum_c y_nc log(y_nc / p_nc),   p_n = softmax of the two logits,   0 log 0 = 0
//   w_n = (1/count_n) / sum 1/count: a prompt with many examples weighs as much as one with few.
//   logits, labels (n,2): labels are (1,0), (0,1) or (1/2,1/2) for a tie; count (n), NULL: all weights equal.
//   dlogits (n,2) = w_n (p - y).  kl (n) out, may be NULL: the terms without weights.
//   Equal logits and a tie give 0, the ideal; without labels' entropy the same tie would cost ln 2.
//   source: Kirstain et al. 2023, arXiv 2305.01569
//   check: finite differences; (1,0) is bt.loss; swapping the pictures changes nothing; golden rm.softmax
static inline double pickscore_loss(real *dlogits, double *kl, const real *logits, const real *labels,
                                    const double *count, int n) {
    double loss = 0, all = 0;
    int i, c;
    for (i = 0; i < n; i++) {
        if (count != NULL && !(count[i] > 0)) {
            DIE("pickscore_loss: example %d belongs to a prompt with %g examples; counts are positive", i, count[i]);
        }
        all += count != NULL ? 1 / count[i] : 1;
    }
    for (i = 0; i < n; i++) {
        double weight = (count != NULL ? 1 / count[i] : 1) / all, log_p[2], sum = 0;
        double mass = (double)labels[2 * i] + (double)labels[2 * i + 1];
        if (!(labels[2 * i] >= 0) || !(labels[2 * i + 1] >= 0) || !(fabs(mass - 1) < 1e-6)) {
            DIE("pickscore_loss: example %d has the label (%g, %g); wanted two shares that sum to 1", i,
                (double)labels[2 * i], (double)labels[2 * i + 1]);
        }
        log_softmax2(log_p, logits[2 * i], logits[2 * i + 1]);
        for (c = 0; c < 2; c++) {
            double y = labels[2 * i + c];
            sum += y > 0 ? y * (e_log(y) - log_p[c]) : 0;
            dlogits[2 * i + c] = (real)(weight * (e_exp(log_p[c]) - y));
        }
        loss += weight * sum;
        if (kl != NULL) {
            kl[i] = sum;
        }
    }
    return loss;
}

// F: rm.softmax  HPSv2: summed cross-entropy                                       [chapter 8]
//   L = -sum_n sum_c y_nc log p_nc,   dlogits = p - y  (labels sum to 1).  A sum, so its size grows with the batch.
//   source: Wu et al. 2023, arXiv 2306.09341
//   check: finite differences; differs from n times pickscore_loss by the labels' entropy; golden rm.softmax
static inline double hps_loss(real *dlogits, const real *logits, const real *labels, int n) {
    double loss = 0;
    int i, c;
    for (i = 0; i < n; i++) {
        double log_p[2];
        log_softmax2(log_p, logits[2 * i], logits[2 * i + 1]);
        for (c = 0; c < 2; c++) {
            loss -= (double)labels[2 * i + c] * log_p[c];
            dlogits[2 * i + c] = (real)(e_exp(log_p[c]) - (double)labels[2 * i + c]);
        }
    }
    return loss;
}

#endif
