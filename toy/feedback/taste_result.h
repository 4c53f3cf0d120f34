// taste_result.h: a model aligned to a reader: what is learned from the answers, exactly tilted, and trained.
//
// The ring: p* by the learned reward on a grid; the mixture model trained towards it by policy gradient; the same model
// trained by DPO on the answers alone, without any reward model.  All three are laws on the grid, scored exactly.
// Digits: the real pictures of each digit, re-weighted by e^(r/beta).
#ifndef TILT_TASTE_RESULT_H
#define TILT_TASTE_RESULT_H

#include "../../ref/formula/reweight.h"
#include "../model/mixture_align.h"
#include "../world/law.h"
#include "reader.h"

enum { CLIMB_STEPS = 120, DPO_STEPS = 20 };
#define ALIGN_RATE 0.05

typedef enum { LAW_REF, LAW_TILT, LAW_CLIMB, LAW_DPO, LAWS } LawName;
static const char *const law_words[LAWS] = {"reference", "tilt", "climb", "dpo"};

typedef struct {
    double *r;            // learned reward of the cells
    double *law[LAWS];    // masses of the cells
    LawScore score[LAWS]; // under the LEARNED reward
    double gain[LAWS];    // J - J(reference), reward units
} RingResult;

// The law of the mixture after DPO on n answers.
static inline void dpo_law(double *law, const Exam *e, const Ring *ring, const Items *items, const Answer *answer,
                           int n) {
    real *xa = NEW(real, 2 * (size_t)n), *xb = NEW(real, 2 * (size_t)n);
    double *y = NEW(double, (size_t)n);
    Net net = ring_mixture(ring);
    int i;
    for (i = 0; i < n; i++) {
        memcpy(xa + 2 * i, items->x + 2 * answer[i].a, 2 * sizeof(real));
        memcpy(xb + 2 * i, items->x + 2 * answer[i].b, 2 * sizeof(real));
        y[i] = answer[i].y;
    }
    if (n > 0) {
        mixture_dpo(&net, xa, xb, y, n, e->beta, DPO_STEPS, ALIGN_RATE);
    }
    mixture_law(law, &net, &e->grid);
    net_free(&net);
    free(xa);
    free(xb);
    free(y);
}

// taste must be fitted to the n answers.  exam brings grid, p_ref and beta; its truth is not touched.
static inline RingResult ring_result(const Exam *e, const Ring *ring, const Items *items, const Taste *taste,
                                     const Answer *answer, int n) {
    RingResult out;
    Net net = ring_mixture(ring);
    int i;
    memset(&out, 0, sizeof out);
    out.r = NEW(double, EXAM_CELLS);
    for (i = 0; i < LAWS; i++) {
        out.law[i] = NEW(double, EXAM_CELLS);
    }
    exam_learned(out.r, e, taste);
    memcpy(out.law[LAW_REF], e->p_ref, EXAM_CELLS * sizeof(double));
    tilt_discrete(out.law[LAW_TILT], e->p_ref, out.r, e->beta, EXAM_CELLS);
    mixture_climb(&net, &e->grid, e->p_ref, out.r, e->beta, CLIMB_STEPS, ALIGN_RATE);
    mixture_law(out.law[LAW_CLIMB], &net, &e->grid);
    dpo_law(out.law[LAW_DPO], e, ring, items, answer, n);
    for (i = 0; i < LAWS; i++) {
        out.score[i] = law_score(out.law[i], e->p_ref, out.r, e->beta, EXAM_CELLS);
        out.gain[i] = out.score[i].j - out.score[LAW_REF].j;
    }
    net_free(&net);
    return out;
}

static inline void ring_result_free(RingResult *out) {
    int i;
    for (i = 0; i < LAWS; i++) {
        free(out->law[i]);
    }
    free(out->r);
}

typedef struct {
    double *w;          // n: weight of each picture; the weights of one digit sum to 1
    double kl, gain;    // means over the digits: KL(p*||p_ref), nats; J* - J(reference), reward units
    double ess_percent; // smallest over the digits: effective sample size as a share of the pictures
    double *reward;     // n
} DigitsResult;

static inline DigitsResult digits_result(const Digits *d, const Items *items, const Taste *taste, double beta) {
    DigitsResult out;
    double *r = NEW(double, (size_t)d->n), *w = NEW(double, (size_t)d->n);
    int c, i;
    out.w = NEW(double, (size_t)d->n);
    out.reward = NEW(double, (size_t)d->n);
    out.kl = out.gain = 0;
    out.ess_percent = 100;
    for (i = 0; i < d->n; i++) {
        out.reward[i] = laplace_mean(taste->theta, items->f + (size_t)i * (size_t)items->F, items->F);
    }
    for (c = 0; c < DIGIT_CLASSES; c++) {
        Reweighted one;
        double mean = 0;
        for (i = 0; i < d->count[c]; i++) {
            r[i] = out.reward[d->of[c][i]];
            mean += r[i] / d->count[c];
        }
        one = reweight(w, r, beta, (size_t)d->count[c]);
        for (i = 0; i < d->count[c]; i++) {
            out.w[d->of[c][i]] = w[i];
        }
        out.kl += one.kl / DIGIT_CLASSES;
        out.gain += (one.objective - mean) / DIGIT_CLASSES;
        out.ess_percent = fmin(out.ess_percent, 100 * one.ess / d->count[c]);
    }
    free(r);
    free(w);
    return out;
}

static inline void digits_result_free(DigitsResult *out) {
    free(out->w);
    free(out->reward);
}

// n rows of pictures (n x 64), row i a draw of the digit i mod 10 with the weights w (NULL: equal).  Draw j of m of a
// digit is its (j + 1/2)/m quantile in the order of the file: as even as m draws can be, and no luck in it.
static inline void digits_resample(real *x, int n, const Digits *d, const double *w) {
    int i, m = n / DIGIT_CLASSES;
    for (i = 0; i < m * DIGIT_CLASSES; i++) {
        int c = i % DIGIT_CLASSES, k = 0;
        double want = (i / DIGIT_CLASSES + 0.5) / m, sum = w != NULL ? w[d->of[c][0]] : 1.0 / d->count[c];
        while (sum < want && k + 1 < d->count[c]) {
            k++;
            sum += w != NULL ? w[d->of[c][k]] : 1.0 / d->count[c];
        }
        memcpy(x + (size_t)i * DIGIT_PIXELS, d->x + (size_t)d->of[c][k] * DIGIT_PIXELS, DIGIT_PIXELS * sizeof *x);
    }
}

#endif
