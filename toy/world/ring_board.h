// ring_board.h: the exact scoreboard of the ring.  No samples: every number is a sum over the cells of a grid.
//
// p_ref of prompt c is the law of x_0 that the reference model's own chain has (chain_law.h), because that is the law
// alignment starts from and is held to; how far it is from the data is the pretraining error, told separately.
// p* is the tilt of p_ref by the true reward.  All scores are means over the prompts.
#ifndef TILT_RING_BOARD_H
#define TILT_RING_BOARD_H

#include "../../ref/formula/best_of_n.h"
#include "chain_law.h"
#include "law.h"
#include "ring.h"
#include "score.h"

typedef struct {
    Grid grid;
    double beta;
    double *ref[RING_PROMPTS], *star[RING_PROMPTS];      // laws: p_ref and p*
    double *truth[RING_PROMPTS], *learned[RING_PROMPTS]; // rewards at the cell centres
    double j_ref, j_star, data_kl, learned_ref;
    double lost; // mass that left the grid or was dropped, the worst over all laws so far
    Chain chain;
} RingBoard;

// r (cells) = the reward net at every cell centre, prompt c.
static inline void ring_board_learned(double *r, const Grid *g, Net *reward, int c) {
    size_t cells = grid_cells(g), i;
    real *x = NEW(real, 2 * cells), *y = NEW(real, cells);
    int *prompt = NEW(int, cells);
    grid_rows(x, g);
    for (i = 0; i < cells; i++) {
        prompt[i] = c;
    }
    reward->forward(reward, y, x, NULL, prompt, (int)cells);
    for (i = 0; i < cells; i++) {
        r[i] = (double)y[i];
    }
    free(x);
    free(y);
    free(prompt);
}

static inline void ring_board_note(RingBoard *b, const ChainLaw *law) {
    double lost = law->lost + law->dropped;
    b->lost = lost > b->lost ? lost : b->lost;
}

// truth: the hidden reward; learned: a reward net or NULL.  chain is borrowed: keep it while the board is used.
static inline RingBoard ring_board_new(const Ring *ring, const Grid *grid, Net *ref, const Chain *chain,
                                       PointReward truth, void *user, Net *learned, double beta) {
    RingBoard b;
    size_t cells = grid_cells(grid);
    double *data = NEW(double, cells);
    int c;
    memset(&b, 0, sizeof b);
    b.grid = *grid;
    b.beta = beta;
    b.chain = *chain;
    for (c = 0; c < RING_PROMPTS; c++) {
        ChainLaw law;
        b.ref[c] = NEW(double, cells);
        b.star[c] = NEW(double, cells);
        b.truth[c] = NEW(double, cells);
        b.learned[c] = NEW(double, cells);
        law = chain_law(b.ref[c], grid, ref, NULL, chain, c);
        ring_board_note(&b, &law);
        b.j_star += grid_tilt(b.star[c], b.truth[c], b.ref[c], grid, truth, c, user, beta).objective / RING_PROMPTS;
        b.j_ref += table_mean(NULL, b.ref[c], b.truth[c], cells) / RING_PROMPTS;
        if (learned != NULL) {
            ring_board_learned(b.learned[c], grid, learned, c);
        }
        b.learned_ref += table_mean(NULL, b.ref[c], b.learned[c], cells) / RING_PROMPTS;
        ring_grid_ref(data, grid, ring, c);
        b.data_kl += kl_discrete(b.ref[c], data, cells) / RING_PROMPTS;
    }
    free(data);
    return b;
}

static inline void ring_board_free(RingBoard *b) {
    int c;
    for (c = 0; c < RING_PROMPTS; c++) {
        free(b->ref[c]);
        free(b->star[c]);
        free(b->truth[c]);
        free(b->learned[c]);
    }
}

// Adds the score of one prompt's law to the mean.
static inline void ring_board_add(Score *s, const RingBoard *b, const double *law, int c) {
    size_t cells = grid_cells(&b->grid);
    LawScore one = law_score(law, b->ref[c], b->truth[c], b->beta, cells);
    s->reward += one.reward / RING_PROMPTS;
    s->kl += one.kl / RING_PROMPTS;
    s->j += one.j / RING_PROMPTS;
    s->tv += one.tv / RING_PROMPTS;
    s->learned += (table_mean(NULL, law, b->learned[c], cells) - b->learned_ref) / RING_PROMPTS;
    s->closed = (s->j - b->j_ref) / (b->j_star - b->j_ref);
}

// The exact score of a model under the chain of the board.
static inline Score ring_board_model(RingBoard *b, Net *net) {
    double *law = NEW(double, grid_cells(&b->grid));
    Score s = {0, 0, 0, 0, 0, 0};
    int c;
    for (c = 0; c < RING_PROMPTS; c++) {
        ChainLaw report = chain_law(law, &b->grid, net, NULL, &b->chain, c);
        ring_board_note(b, &report);
        ring_board_add(&s, b, law, c);
    }
    free(law);
    return s;
}

// The exact score of best-of-n: n draws of the reference, the learned reward picks one.  n = 1 is the reference.
static inline Score ring_board_best_of(const RingBoard *b, int n) {
    double *law = NEW(double, grid_cells(&b->grid));
    Score s = {0, 0, 0, 0, 0, 0};
    int c;
    for (c = 0; c < RING_PROMPTS; c++) {
        bon_discrete(law, b->ref[c], b->learned[c], n, grid_cells(&b->grid));
        ring_board_add(&s, b, law, c);
    }
    free(law);
    return s;
}

// The optimum at any temperature: the exact frontier is the curve of (kl, reward) as beta runs.
static inline Score ring_board_tilt(const RingBoard *b, double beta) {
    size_t cells = grid_cells(&b->grid);
    double *law = NEW(double, cells);
    Score s = {0, 0, 0, 0, 0, 0};
    int c;
    for (c = 0; c < RING_PROMPTS; c++) {
        tilt_discrete(law, b->ref[c], b->truth[c], beta, cells);
        ring_board_add(&s, b, law, c);
    }
    free(law);
    return s;
}

// `points` scores along the exact frontier, from nearly the reference to well beyond beta.
static inline void ring_board_curve(Score *curve, const RingBoard *b, int points) {
    int i;
    for (i = 0; i < points; i++) {
        curve[i] = ring_board_tilt(b, 20 * b->beta / (1 + i));
    }
}

#endif
