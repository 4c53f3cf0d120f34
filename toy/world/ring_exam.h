// ring_exam.h: an exam for denoisers of the ring.  How much of the loss is ignorance, and how much is the network's?
//
//   E|eps_hat - eps|^2 = E|eps* - eps|^2 + E|eps_hat - eps*|^2,   eps* = E[eps | x_t, c], the exact denoiser
// The first part is the floor (ref/formula/score_matching.h), known without a sample; the second is the excess.  The
// excess is a mean of small squares, so a few thousand rows measure it; as a difference of two losses it would drown in
// the noise of the loss.  Both are kept, because they must agree.
// A cell is a level with a prompt, number RING_VOICES level + prompt + 1, prompt -1 first.  Sums over two dimensions.
#ifndef TILT_RING_EXAM_H
#define TILT_RING_EXAM_H

#include "../../ref/formula/loss_weights.h"
#include "../../ref/formula/score_matching.h"
#include "ring_net.h"

enum { RING_VOICES = RING_PROMPTS + 1 }; // the prompts and the null prompt

typedef struct {
    double excess, excess_se; // E|eps_hat - eps*|^2 and its standard error
    double loss, loss_se;     // E|eps_hat - eps|^2
    double least;             // E|eps* - eps|^2: exact, no standard error
} Mark;

typedef struct {
    int n, cells;                        // rows a cell
    real *x, *noise, *best, *answer, *t; // noised rows, their noise, eps*, room for eps_hat, levels
    int *c;                              // prompts
    double *least;                       // floor of each cell
} RingExam;

// n fresh rows for every cell: streams `stream` (data) and `stream` + 1 (noise) of the seed.
static inline RingExam ring_exam_new(const Ring *ring, const Schedule *schedule, int n, uint64_t seed,
                                     uint64_t stream) {
    RingExam e;
    Net best = ring_denoiser(ring, schedule);
    size_t rows, i;
    int cell;
    e.n = n;
    e.cells = schedule->T * RING_VOICES;
    rows = (size_t)e.cells * (size_t)n;
    e.x = NEW(real, 2 * rows);
    e.noise = NEW(real, 2 * rows);
    e.best = NEW(real, 2 * rows);
    e.answer = NEW(real, 2 * rows);
    e.t = NEW(real, rows);
    e.c = NEW(int, rows);
    e.least = NEW(double, (size_t)e.cells);
    for (i = 0; i < rows; i++) {
        cell = (int)(i / (size_t)n);
        e.t[i] = (real)(cell / RING_VOICES);
        e.c[i] = cell % RING_VOICES - 1;
    }
    ring_batch(e.x, NULL, e.c, rows, ring, seed, stream, 0);
    rng_fill_normal(e.noise, 2 * rows, seed, stream + 1, 0);
    for (i = 0; i < rows; i++) {
        forward_noise(e.x + 2 * i, e.x + 2 * i, e.noise + 2 * i, schedule_abar(schedule, (int)e.t[i]), 2);
    }
    best.forward(&best, e.best, e.x, e.t, e.c, (int)rows);
    for (cell = 0; cell < e.cells; cell++) {
        double abar = schedule_abar(schedule, cell / RING_VOICES);
        if (cell % RING_VOICES > 1) { // a prompt is another prompt turned: the same floor
            e.least[cell] = e.least[cell - 1];
        } else {
            Gmm clean = ring_gmm(ring, cell % RING_VOICES - 1);
            e.least[cell] = dsm_floor(&clean, alpha_of(abar), sigma_of(abar)).eps_loss;
            gmm_free(&clean);
        }
    }
    net_free(&best);
    return e;
}

static inline void ring_exam_free(RingExam *e) {
    free(e->x);
    free(e->noise);
    free(e->best);
    free(e->answer);
    free(e->t);
    free(e->c);
    free(e->least);
}

// mark[cell] for every cell.
static inline void ring_exam_mark(Mark *mark, RingExam *e, Net *net) {
    size_t level = (size_t)RING_VOICES * (size_t)e->n, i, from;
    int cell;
    for (from = 0; from < (size_t)e->cells * (size_t)e->n; from += level) { // a level at a time, to save memory
        net->forward(net, e->answer + 2 * from, e->x + 2 * from, e->t + from, e->c + from, (int)level);
    }
    for (cell = 0; cell < e->cells; cell++) {
        double sum[4] = {0, 0, 0, 0};
        Mark *m = &mark[cell];
        for (i = (size_t)cell * (size_t)e->n; i < ((size_t)cell + 1) * (size_t)e->n; i++) {
            double off = loss_simple(NULL, e->answer + 2 * i, e->best + 2 * i, 1, 2);
            double miss = loss_simple(NULL, e->answer + 2 * i, e->noise + 2 * i, 1, 2);
            sum[0] += off / e->n;
            sum[1] += off * off / e->n;
            sum[2] += miss / e->n;
            sum[3] += miss * miss / e->n;
        }
        m->excess = sum[0];
        m->excess_se = sqrt(fmax(sum[1] - sum[0] * sum[0], 0) / e->n); // a variance of equal numbers may round below 0
        m->loss = sum[2];
        m->loss_se = sqrt(fmax(sum[3] - sum[2] * sum[2], 0) / e->n);
        m->least = e->least[cell];
    }
}

// The mean of `count` cells; the rows of different cells are independent.
static inline Mark mark_mean(const Mark *mark, int count) {
    Mark m = {0, 0, 0, 0, 0};
    int i;
    for (i = 0; i < count; i++) {
        const Mark *one = &mark[i];
        m.excess += one->excess / count;
        m.loss += one->loss / count;
        m.least += one->least / count;
        m.excess_se += one->excess_se * one->excess_se / ((double)count * count);
        m.loss_se += one->loss_se * one->loss_se / ((double)count * count);
    }
    m.excess_se = sqrt(m.excess_se);
    m.loss_se = sqrt(m.loss_se);
    return m;
}

// The excess in percent of the floor.
static inline double mark_percent(Mark m) {
    return 100 * m.excess / m.least;
}

// The largest percentage of `count` marks.
static inline double mark_worst(const Mark *mark, int count) {
    double worst = 0;
    int i;
    for (i = 0; i < count; i++) {
        worst = fmax(worst, mark_percent(mark[i]));
    }
    return worst;
}

// Four keys for every level: its floor, and the excess in percent of all voices, of the prompts, of the null prompt.
static inline void ring_exam_print(const Mark *mark, const RingExam *e) {
    int k;
    for (k = 0; k < e->cells / RING_VOICES; k++) {
        const Mark *row = mark + k * RING_VOICES;
        Mark all = mark_mean(row, RING_VOICES);
        printf("floor_%d %.5f\nexcess_percent_%d %.2f\n", k, all.least, k, mark_percent(all));
        printf("prompts_percent_%d %.2f\n", k, mark_percent(mark_mean(row + 1, RING_PROMPTS)));
        printf("null_percent_%d %.2f\n", k, mark_percent(row[0]));
    }
}

#endif
