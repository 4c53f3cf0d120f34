// taste.h: a reader's taste: a reward fitted to a handful of answers, how sure it is, and what to ask next.
//
// The reward is linear in the features of items.h with a Gaussian prior on the weights; its posterior is Laplace's
// (ref/formula/laplace.h).  A tie counts as half a win for each side: not a model of ties, but it says what a tie says,
// that the two are close.  Everything here is a function of the answers, so nothing is lost by undo or by resuming.
#ifndef TILT_TASTE_H
#define TILT_TASTE_H

#include "../../ref/formula/acquisition.h"
#include "../../ref/formula/laplace.h"
#include "../../ref/formula/metrics.h"
#include "../world/items.h"

enum { TASTE_CANDIDATES = 100, TASTE_TRIES = 256 };

typedef enum { CHOOSE_VARIANCE, CHOOSE_RANDOM, CHOOSE_MARGIN, CHOOSE_BALD, CHOOSERS } Chooser;
static const char *const chooser_words[] = {"variance", "random", "margin", "bald", NULL};

typedef struct {
    int a, b; // items; a was shown on the left
    double y; // 1: a is better, 0: b is, 1/2: a tie
} Answer;

typedef struct {
    int F;
    double prior;       // variance of each weight
    double *theta;      // F, the posterior mode
    double *cov;        // F x F
    double *win, *lose; // the rows of the fit, twice as many as answers when there are ties
    int room;           // rows allocated
} Taste;

static inline Taste taste_new(int F, double prior) {
    Taste t;
    int a;
    memset(&t, 0, sizeof t);
    t.F = F;
    t.prior = prior;
    t.theta = NEW(double, (size_t)F);
    t.cov = NEW(double, (size_t)F *(size_t)F);
    for (a = 0; a < F; a++) {
        t.cov[a * F + a] = prior;
    }
    return t;
}

static inline void taste_free(Taste *t) {
    free(t->theta);
    free(t->cov);
    free(t->win);
    free(t->lose);
    memset(t, 0, sizeof *t);
}

static inline int same_pair(const Answer *p, int a, int b) {
    return (p->a == a && p->b == b) || (p->a == b && p->b == a);
}

// Posterior given n answers, without those about `left_out` (NULL: none is left out).  No answers: the prior.
static inline void taste_fit(Taste *t, const Items *items, const Answer *answer, int n, const Answer *left_out) {
    size_t bytes = (size_t)t->F * sizeof(double);
    int i, a, used = 0, rows = 0, copies = 1;
    for (i = 0; i < n; i++) {
        if (answer[i].y != 0 && answer[i].y != 1) {
            copies = 2;
        }
    }
    if (copies * n > t->room) {
        t->room = 2 * copies * n;
        t->win = (double *)xrealloc(t->win, size_mul((size_t)t->room, (size_t)t->F), sizeof(double));
        t->lose = (double *)xrealloc(t->lose, size_mul((size_t)t->room, (size_t)t->F), sizeof(double));
    }
    for (i = 0; i < n; i++) {
        const double *fa = items->f + (size_t)answer[i].a * (size_t)t->F;
        const double *fb = items->f + (size_t)answer[i].b * (size_t)t->F;
        int copy;
        if (left_out != NULL && same_pair(left_out, answer[i].a, answer[i].b)) {
            continue;
        }
        used++;
        for (copy = 0; copy < copies; copy++, rows++) { // of a tie's two copies each side wins one
            int a_wins = answer[i].y > 0.5 || (answer[i].y == 0.5 && copy == 0);
            memcpy(t->win + (size_t)rows * (size_t)t->F, a_wins ? fa : fb, bytes);
            memcpy(t->lose + (size_t)rows * (size_t)t->F, a_wins ? fb : fa, bytes);
        }
    }
    if (used > 0) {
        rm_laplace(t->theta, t->cov, t->win, t->lose, 1 / (used * t->prior), used, rows, t->F);
        return;
    }
    memset(t->theta, 0, bytes);
    memset(t->cov, 0, (size_t)t->F * bytes);
    for (a = 0; a < t->F; a++) {
        t->cov[a * t->F + a] = t->prior;
    }
}

// The difference of the rewards of items a and b: its mean and standard deviation.
static inline void taste_gap(double *mean, double *sd, const Taste *t, const Items *items, int a, int b) {
    double gap[HILLS + DIGIT_FEATURES]; // more than either world has
    int k;
    for (k = 0; k < t->F; k++) {
        gap[k] = items->f[(size_t)a * (size_t)t->F + (size_t)k] - items->f[(size_t)b * (size_t)t->F + (size_t)k];
    }
    *mean = laplace_mean(t->theta, gap, t->F);
    *sd = laplace_sd(t->cov, gap, t->F);
}

// Which of n candidate questions is asked?  mean, sd: of the difference of the two rewards.  Returns an index 0..n-1.
typedef int PickQuestion(const double *mean, const double *sd, int n);

// The largest posterior variance of the difference.
static inline int pick_variance(const double *mean, const double *sd, int n) {
    (void)mean;
    return largest_index(sd, n);
}

// The pair that looks closest to a tie.
static inline int pick_margin(const double *mean, const double *sd, int n) {
    int i, best = 0;
    (void)sd;
    for (i = 1; i < n; i++) {
        best = fabs(mean[i]) < fabs(mean[best]) ? i : best;
    }
    return best;
}

// The answer that would teach most about the reward, in nats.
static inline int pick_bald(const double *mean, const double *sd, int n) {
    double z[GAUSSIAN_NODES], w[GAUSSIAN_NODES], d[GAUSSIAN_NODES], top = -1;
    int i, k, best = 0;
    gaussian_nodes(z, w);
    for (i = 0; i < n; i++) {
        double worth;
        for (k = 0; k < GAUSSIAN_NODES; k++) {
            d[k] = mean[i] + sd[i] * z[k];
        }
        worth = acquisition(d, w, GAUSSIAN_NODES).bald;
        best = worth > top ? i : best;
        top = fmax(top, worth);
    }
    return best;
}

// In the order of Chooser; NULL takes the first candidate, unseen.
static PickQuestion *const question_pickers[] = {pick_variance, NULL, pick_margin, pick_bald};

// The k-th candidate pair of a question: two different items of one group, drawn from the reference.
static inline void taste_candidate(int *a, int *b, const Items *items, uint64_t seed, uint64_t stream, int question,
                                   int k) {
    uint64_t first = ((uint64_t)question * TASTE_CANDIDATES + (uint64_t)k) * TASTE_TRIES, i;
    *a = (int)rng_below(seed, stream, first, (uint64_t)items->n);
    for (i = 1; i < TASTE_TRIES; i++) {
        *b = (int)rng_below(seed, stream, first + i, (uint64_t)items->n);
        if (*b != *a && (items->group == NULL || items->group[*a] == items->group[*b])) {
            return;
        }
    }
    DIE("taste: no partner for item %d in %d tries; every group needs a fair share of the items", *a, TASTE_TRIES);
}

// The pair of the next question, a on the left: picked from TASTE_CANDIDATES candidates, without those that were asked
// before.
static inline void taste_choose(int *a, int *b, const Taste *t, const Items *items, PickQuestion *pick,
                                const Answer *answer, int n, uint64_t seed, uint64_t stream) {
    double mean[TASTE_CANDIDATES], sd[TASTE_CANDIDATES];
    int left[TASTE_CANDIDATES], right[TASTE_CANDIDATES], count = 0, k, i, best;
    for (k = 0; k < TASTE_CANDIDATES && (pick != NULL || count == 0); k++) {
        int fresh = 1;
        taste_candidate(&left[count], &right[count], items, seed, stream, n, k);
        for (i = 0; i < n; i++) {
            fresh = fresh && !same_pair(&answer[i], left[count], right[count]);
        }
        if (fresh && pick != NULL) {
            taste_gap(&mean[count], &sd[count], t, items, left[count], right[count]);
        }
        count += fresh;
    }
    if (count == 0) {
        DIE("taste: all %d candidate pairs were asked before; there are too few items for %d answers", TASTE_CANDIDATES,
            n);
    }
    best = pick != NULL ? pick(mean, sd, count) : 0;
    if (best < 0 || best >= count) {
        DIE("taste: the picker returned %d of %d candidates", best, count);
    }
    *a = left[best];
    *b = right[best];
}

// ---- what the answers say about the reader -----------------------------------------------------------------------

// If two answers to one question disagree with chance F, no model agrees with a fresh answer more often than this.
// One question with chance P: F = 2 P (1-P); the best guess is right with chance m = max(P, 1-P) = (1 + sqrt(1-2F))/2.
// That is concave in F, so over many questions the mean of m is at most its value at the mean of F (Jensen).
static inline double accuracy_bound(double flip_rate) {
    return flip_rate < 0.5 ? 0.5 * (1 + sqrt(1 - 2 * flip_rate)) : 0.5;
}

// 95 % interval of a share seen in n trials (Wilson 1927); n = 0: all of [0, 1].
static inline void share_interval(double *low, double *high, double share, int n) {
    double z2 = 1.959964 * 1.959964, centre, half;
    if (n == 0) {
        *low = 0;
        *high = 1;
        return;
    }
    centre = (share + z2 / (2 * n)) / (1 + z2 / n);
    half = sqrt(z2 * (share * (1 - share) / n + z2 / (4.0 * n * n))) / (1 + z2 / n);
    *low = fmax(0, centre - half);
    *high = fmin(1, centre + half);
}

typedef struct {
    int repeats, decided, left, ties; // questions asked again; answers that are no tie; of these, "left"; ties
    double flips, flip_rate;          // disagreements; a tie is a coin: it disagrees by a half with everything
    double bound;                     // accuracy_bound(flip_rate)
} Consistency;

// Repeats are pairs that come back with their sides exchanged, so a reader who always says "left" flips every time.
static inline Consistency consistency(const Answer *answer, int n) {
    Consistency c = {0, 0, 0, 0, 0, 0, 0};
    int i, j;
    for (j = 0; j < n; j++) {
        c.ties += answer[j].y == 0.5;
        c.decided += answer[j].y != 0.5;
        c.left += answer[j].y == 1;
        for (i = 0; i < j; i++) {
            if (answer[i].a == answer[j].b && answer[i].b == answer[j].a) {
                double first = answer[i].y, second = 1 - answer[j].y; // both: "is answer[i].a better?"
                c.repeats++;
                c.flips += first * (1 - second) + (1 - first) * second;
                break;
            }
        }
    }
    c.flip_rate = c.repeats > 0 ? c.flips / c.repeats : 0;
    c.bound = accuracy_bound(c.flip_rate);
    return c;
}

typedef struct {
    double nll, brier, accuracy; // of predictions for answers that the fit had not seen; a coin has ln 2, 1/4, 1/2
    double sure;                 // mean of max(p, 1-p): equals accuracy when calibrated
    double accuracy_se;          // with one right and one wrong answer added, so that it is never 0
} HeldOut;

// Leave one out: each answer is predicted by a fit without any answer about its pair.
static inline HeldOut taste_held_out(const Items *items, double prior, const Answer *answer, int n) {
    HeldOut h = {0, 0, 0, 0, 0};
    Taste t = taste_new(items->F, prior);
    int i;
    for (i = 0; i < n; i++) {
        double mean, sd, p, y = answer[i].y;
        taste_fit(&t, items, answer, n, &answer[i]);
        taste_gap(&mean, &sd, &t, items, answer[i].a, answer[i].b);
        p = laplace_probability(mean, sd);
        h.nll += outcome_nll(p, y) / n;
        h.brier += (p - y) * (p - y) / n;
        h.accuracy += (p > 0.5 ? y : p < 0.5 ? 1 - y : 0.5) / n;
        h.sure += fmax(p, 1 - p) / n;
    }
    h.accuracy_se = sqrt((h.accuracy * n + 1) * ((1 - h.accuracy) * n + 1) / (n + 2) / (n + 2) / (n > 0 ? n : 1));
    taste_free(&t);
    return h;
}

#endif
