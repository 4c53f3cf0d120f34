// sample_board.h: the scoreboard of a world whose laws are only known through samples, such as the digits.
//
// p* is the reference samples with weights e^(r/beta) (reweight.h): its mean reward, KL and J* are estimates, and the
// effective sample size says how far to trust them.  A model is scored by samples of its own; its KL is the KL of whole
// paths, which is at least the KL of the pictures, so its J is a lower bound.
#ifndef TILT_SAMPLE_BOARD_H
#define TILT_SAMPLE_BOARD_H

#include "../../ref/formula/best_of_n.h"
#include "../../ref/formula/policy.h" // mean_of
#include "../../ref/formula/reweight.h"
#include "../model/chain.h"
#include "score.h"
#include "world.h"

typedef struct {
    int n, prompts; // reference samples, ordered by prompt: n / prompts of each
    double beta;
    const World *world; // borrowed, as are the nets and the chain
    Net *reward, *ref;
    Chain chain;
    uint64_t seed, stream;
    int *c;
    real *x; // n x dim reference samples
    double *r_true, *r_learned;
    double j_ref, j_star, e_star, kl_star, e_star_se, ess; // ess: effective sample size, summed over the prompts
    double learned_ref;
} SampleBoard;

static inline void sample_board_learned(double *r, Net *reward, const real *x, const int *c, int n) {
    real *y = NEW(real, (size_t)n);
    int i;
    reward->forward(reward, y, x, NULL, c, n);
    for (i = 0; i < n; i++) {
        r[i] = (double)y[i];
    }
    free(y);
}

// `per_prompt` reference samples of every prompt.  Streams stream .. stream + 1 of seed are used.
static inline SampleBoard sample_board_new(int per_prompt, const World *world, Net *ref, const Chain *chain,
                                           Net *reward, double beta, uint64_t seed, uint64_t stream) {
    SampleBoard b;
    int prompts = world->prompts, c, i;
    memset(&b, 0, sizeof b);
    b.n = per_prompt * prompts;
    b.prompts = prompts;
    b.beta = beta;
    b.world = world;
    b.reward = reward;
    b.ref = ref;
    b.chain = *chain;
    b.seed = seed;
    b.stream = stream;
    b.c = NEW(int, (size_t)b.n);
    b.x = NEW(real, (size_t)b.n * (size_t)ref->in);
    b.r_true = NEW(double, (size_t)b.n);
    b.r_learned = NEW(double, (size_t)b.n);
    for (i = 0; i < b.n; i++) {
        b.c[i] = i / per_prompt;
    }
    chain_sample(b.x, NULL, ref, chain, b.c, b.n, seed, stream);
    world->reward(world, b.r_true, b.x, b.c, (size_t)b.n);
    sample_board_learned(b.r_learned, reward, b.x, b.c, b.n);
    b.j_ref = mean_of(b.r_true, (size_t)b.n);
    b.learned_ref = mean_of(b.r_learned, (size_t)b.n);
    for (c = 0; c < prompts; c++) {
        Reweighted star = reweight(NULL, b.r_true + (size_t)c * (size_t)per_prompt, beta, (size_t)per_prompt);
        b.j_star += star.objective / prompts;
        b.e_star += star.e_r / prompts;
        b.e_star_se += star.e_r_se * star.e_r_se;
        b.kl_star += star.kl / prompts;
        b.ess += star.ess;
    }
    b.e_star_se = sqrt(b.e_star_se) / prompts;
    return b;
}

static inline void sample_board_free(SampleBoard *b) {
    free(b->c);
    free(b->x);
    free(b->r_true);
    free(b->r_learned);
}

static inline Score sample_board_score(const SampleBoard *b, double reward, double learned, double kl) {
    Score s = {0, 0, 0, 0, 0, 0};
    s.reward = reward;
    s.learned = learned - b->learned_ref;
    s.kl = kl;
    s.j = reward - b->beta * kl;
    s.closed = (s.j - b->j_ref) / (b->j_star - b->j_ref);
    s.tv = NAN;
    return s;
}

// The optimum at any temperature, from the reweighted reference samples: the estimated frontier as beta runs.
static inline Score sample_board_tilt(const SampleBoard *b, double beta) {
    int per_prompt = b->n / b->prompts, c;
    double reward = 0, learned = 0, kl = 0, *w = NEW(double, (size_t)per_prompt);
    for (c = 0; c < b->prompts; c++) {
        size_t at = (size_t)c * (size_t)per_prompt;
        Reweighted star = reweight(w, b->r_true + at, beta, (size_t)per_prompt);
        reward += star.e_r / b->prompts;
        kl += star.kl / b->prompts;
        learned += weighted_mean(NULL, w, b->r_learned + at, (size_t)per_prompt) / b->prompts;
    }
    free(w);
    return sample_board_score(b, reward, learned, kl);
}

// `points` scores along the frontier, from nearly the reference to well beyond beta.
static inline void sample_board_curve(Score *curve, const SampleBoard *b, int points) {
    int i;
    for (i = 0; i < points; i++) {
        curve[i] = sample_board_tilt(b, 20 * b->beta / (1 + i));
    }
}

// A model by n samples of its own (row i: prompt i mod prompts), with the noise of the same stream for every model.
static inline Score sample_board_model(const SampleBoard *b, Net *net, int n) {
    size_t numbers = (size_t)n * (size_t)net->in;
    real *path = NEW(real, (size_t)(b->chain.T + 1) * numbers), *x0 = NEW(real, numbers);
    int *c = NEW(int, (size_t)n), i;
    double *r = NEW(double, (size_t)n), kl, reward, learned;
    for (i = 0; i < n; i++) {
        c[i] = i % b->prompts;
    }
    chain_sample(x0, path, net, &b->chain, c, n, b->seed, b->stream + 1);
    kl = chain_path_kl(NULL, net, b->ref, &b->chain, path, c, n);
    sample_board_learned(r, b->reward, x0, c, n);
    learned = mean_of(r, (size_t)n);
    b->world->reward(b->world, r, x0, c, (size_t)n);
    reward = mean_of(r, (size_t)n);
    free(path);
    free(x0);
    free(c);
    free(r);
    return sample_board_score(b, reward, learned, kl);
}

// Best-of-n: groups of n reference samples of one prompt, the learned reward picks one.  KL = log n - (n-1)/n, exact
// for a reward without ties.
static inline Score sample_board_best_of(const SampleBoard *b, int n) {
    double reward = 0, learned = 0;
    int per_prompt = b->n / b->prompts, groups = 0, c, g, i;
    for (c = 0; c < b->prompts; c++) {
        for (g = 0; g + n <= per_prompt; g += n, groups++) {
            int best = c * per_prompt + g;
            for (i = 1; i < n; i++) {
                int other = c * per_prompt + g + i;
                best = b->r_learned[other] > b->r_learned[best] ? other : best;
            }
            reward += b->r_true[best];
            learned += b->r_learned[best];
        }
    }
    return sample_board_score(b, reward / groups, learned / groups, bon_kl(n));
}

#endif
