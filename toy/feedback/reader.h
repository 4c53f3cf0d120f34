// reader.h: simulated readers of chapter 7, and the exam that says what a learned reward is worth.
//
// A reader likes one place: a hill of height 4 just outside the circle of the ring, in a direction of their own.  They
// answer as Bradley-Terry raters with temperature 1.  The exam is exact: the tilt of p_ref by the LEARNED reward is
// computed on a grid and judged by the TRUE one, KL included, as a share of what the best law gains.
#ifndef TILT_READER_H
#define TILT_READER_H

#include "raters.h"
#include "taste.h"

enum { EXAM_SIDE = 48, EXAM_CELLS = EXAM_SIDE * EXAM_SIDE, BUDGETS = 4, MOST_LABELS = 40 };
enum { READER_PLACE, READER_ANSWERS, READER_QUESTIONS, READER_ITEMS, READER_STREAMS = 16 }; // streams of one reader
static const int budget[BUDGETS] = {5, 10, 20, 40};

typedef struct {
    Bump likes;
    Rater rater;
    uint64_t seed, stream;
} Reader;

// Reader number s of a seed.
static inline Reader reader_new(uint64_t seed, int s) {
    Reader r;
    double angle;
    r.seed = seed;
    r.stream = 1000 + (uint64_t)s * READER_STREAMS;
    angle = 2 * PI * rng_uniform(seed, r.stream + READER_PLACE, 0);
    r.likes = bump_new();
    r.likes.centre[0] = 1.6 * e_cos(angle);
    r.likes.centre[1] = 1.6 * e_sin(angle);
    r.likes.height = 4;
    r.rater = rater_new(1, seed, r.stream + READER_ANSWERS);
    return r;
}

static inline double reader_reward(const Reader *reader, const Items *items, int i) {
    Bump copy = reader->likes;
    double x[2];
    x[0] = (double)items->x[2 * i];
    x[1] = (double)items->x[2 * i + 1];
    return bump_reward(x, -1, &copy);
}

// Answer number k, to "a (left) or b?".
static inline double reader_answer(const Reader *reader, const Items *items, int a, int b, int k) {
    Choice c =
        rater_choose(&reader->rater, reader_reward(reader, items, a), reader_reward(reader, items, b), (uint64_t)k);
    return c == CHOSE_A ? 1 : c == CHOSE_B ? 0 : 0.5;
}

// ---- the exam ----------------------------------------------------------------------------------------------------

typedef struct {
    Grid grid;
    double beta;
    double *p_ref; // masses of the cells
    double *f;     // EXAM_CELLS x HILLS
    double *truth; // true reward of the cells
    double j_ref;  // E_ref[r*]: the value of doing nothing
    TiltPoint best;
} Exam;

static inline Exam exam_new(const Ring *ring, double beta) {
    Exam e;
    size_t c;
    memset(&e, 0, sizeof e);
    e.grid = grid_new(EXAM_SIDE, -3.2, 3.2);
    e.beta = beta;
    e.p_ref = NEW(double, EXAM_CELLS);
    e.truth = NEW(double, EXAM_CELLS);
    e.f = NEW(double, (size_t)EXAM_CELLS *HILLS);
    ring_grid_ref(e.p_ref, &e.grid, ring, -1);
    for (c = 0; c < EXAM_CELLS; c++) {
        double x[2];
        grid_point(x, &e.grid, c);
        hill_features(e.f + c * HILLS, x);
    }
    return e;
}

static inline void exam_free(Exam *e) {
    free(e->p_ref);
    free(e->truth);
    free(e->f);
}

// From now on this reader judges.
static inline void exam_reader(Exam *e, const Reader *reader) {
    Bump copy = reader->likes;
    double *star = NEW(double, EXAM_CELLS);
    e->best = grid_tilt(star, e->truth, e->p_ref, &e->grid, bump_reward, -1, &copy, e->beta);
    e->j_ref = table_mean(NULL, e->p_ref, e->truth, EXAM_CELLS);
    free(star);
}

// The learned reward of the cells.
static inline void exam_learned(double *r, const Exam *e, const Taste *t) {
    size_t c;
    for (c = 0; c < EXAM_CELLS; c++) {
        r[c] = laplace_mean(t->theta, e->f + c * HILLS, HILLS);
    }
}

// What a law is worth to the reader, as a share of what is possible: 0 for p_ref, 1 for the best.  share_j counts KL,
// share_r is the mean true reward alone and knows no 1: it may be more.
static inline void exam_law(double *share_j, double *share_r, const Exam *e, const double *law) {
    double reward = table_mean(NULL, law, e->truth, EXAM_CELLS);
    double j = reward - e->beta * kl_discrete(law, e->p_ref, EXAM_CELLS);
    *share_j = (j - e->j_ref) / (e->best.objective - e->j_ref);
    *share_r = (reward - e->j_ref) / (e->best.e_r - e->j_ref);
}

// The same for the tilt by the learned reward.
static inline void exam_taste(double *share_j, double *share_r, const Exam *e, const Taste *t) {
    double *r = NEW(double, EXAM_CELLS);
    exam_learned(r, e, t);
    tilt_discrete(r, e->p_ref, r, e->beta, EXAM_CELLS);
    exam_law(share_j, share_r, e, r);
    free(r);
}

// The reader answers up to `labels` questions (at most MOST_LABELS), none twice; both shares after each budget within.
// about (NULL: not wanted): of the questions asked, the mean chance that the true reward predicts the answer (coins:
// 1/2), and the mean distance between the two points.
// The items belong to the reader, the answers to their number, so all ways of picking meet the same luck.
static inline void reader_curve(double share_j[BUDGETS], double share_r[BUDGETS], double *about, Exam *e,
                                const Ring *ring, const Reader *reader, PickQuestion *pick, double prior, int labels) {
    Items items = items_ring(ring, reader->seed, reader->stream + READER_ITEMS);
    Taste t = taste_new(HILLS, prior);
    Answer answer[MOST_LABELS];
    double clear = 0, apart = 0;
    int n, k = 0;
    exam_reader(e, reader);
    for (n = 0; n < labels; n++) {
        taste_choose(&answer[n].a, &answer[n].b, &t, &items, pick, answer, n, reader->seed,
                     reader->stream + READER_QUESTIONS);
        answer[n].y = reader_answer(reader, &items, answer[n].a, answer[n].b, n);
        apart += euclid(items.x + 2 * answer[n].a, items.x + 2 * answer[n].b, 2) / labels;
        clear += rater_accuracy(&reader->rater, reader_reward(reader, &items, answer[n].a),
                                reader_reward(reader, &items, answer[n].b)) /
                 labels;
        if (pick != NULL || n + 1 == budget[k]) { // nobody looks at the fit between two budgets of random questions
            taste_fit(&t, &items, answer, n + 1, NULL);
        }
        if (n + 1 == budget[k]) {
            exam_taste(&share_j[k], &share_r[k], e, &t);
            k++;
        }
    }
    if (about != NULL) {
        about[0] = clear;
        about[1] = apart;
    }
    taste_free(&t);
    items_free(&items);
}

// ---- many readers ------------------------------------------------------------------------------------------------

typedef struct {                                                // means over readers, in the order of Chooser
    double j[CHOOSERS][BUDGETS], j_se[CHOOSERS][BUDGETS];       // share of the reachable J under the true reward
    double r[CHOOSERS][BUDGETS];                                // share of the reward alone
    double gain[CHOOSERS][BUDGETS], gain_se[CHOOSERS][BUDGETS]; // J minus that of random questions, the same readers
    double about[CHOOSERS][2];                                  // see reader_curve
} Curves;

// Readers 0..count-1 meet every way of choosing; differences are taken reader by reader.
static inline Curves reader_curves(Exam *e, const Ring *ring, uint64_t seed, int count, double prior) {
    Curves c;
    int s, m, k;
    memset(&c, 0, sizeof c);
    for (s = 0; s < count; s++) {
        Reader reader = reader_new(seed, s);
        double j[CHOOSERS][BUDGETS], r[BUDGETS], about[2];
        for (m = 0; m < CHOOSERS; m++) {
            reader_curve(j[m], r, about, e, ring, &reader, question_pickers[m], prior, MOST_LABELS);
            c.about[m][0] += about[0] / count;
            c.about[m][1] += about[1] / count;
            for (k = 0; k < BUDGETS; k++) {
                c.j[m][k] += j[m][k] / count;
                c.j_se[m][k] += j[m][k] * j[m][k] / count;
                c.r[m][k] += r[k] / count;
            }
        }
        for (m = 0; m < CHOOSERS; m++) {
            for (k = 0; k < BUDGETS; k++) {
                double gain = j[m][k] - j[CHOOSE_RANDOM][k];
                c.gain[m][k] += gain / count;
                c.gain_se[m][k] += gain * gain / count;
            }
        }
    }
    for (m = 0; m < CHOOSERS; m++) {
        for (k = 0; k < BUDGETS; k++) { // from mean squares to standard errors
            c.j_se[m][k] = sqrt(fmax(0, c.j_se[m][k] - c.j[m][k] * c.j[m][k]) / count);
            c.gain_se[m][k] = sqrt(fmax(0, c.gain_se[m][k] - c.gain[m][k] * c.gain[m][k]) / count);
        }
    }
    return c;
}

#endif
