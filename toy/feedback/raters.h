// raters.h: simulated people who compare two things.  They see the true reward, with noise; a method sees only their
// answers.
//
// The rater is a Bradley-Terry judge with temperature tau, who makes slips and may call a tie.  With
// d = (r_a - r_b) / tau the weights of "a", "b" and "tie" are e^(d/2), e^(-d/2) and tie (Davidson 1970), so without
// ties P(a over b) = sigmoid(d).  Then a slip reverses the answer with probability flip; a tie stays a tie.
// Answer number i of a rater reads word i of its stream and nothing else, so it can be asked again.
#ifndef TILT_RATERS_H
#define TILT_RATERS_H

#include "../../ref/core/rng.h"

typedef struct {
    double tau;            // reward units; larger is less decided, and small tau is nearly always right
    double flip;           // chance 0..1/2 that the answer is reversed
    double tie;            // weight of a tie, >= 0; between equals P(tie) = tie / (2 + tie)
    uint64_t seed, stream; // whose answers these are
} Rater;

// A careful rater: no slips, no ties.
static inline Rater rater_new(double tau, uint64_t seed, uint64_t stream) {
    Rater rater;
    if (!(tau > 0)) {
        DIE("rater: temperature tau = %g must be positive; use a small one such as 0.01 for a sure rater", tau);
    }
    rater.tau = tau;
    rater.flip = 0;
    rater.tie = 0;
    rater.seed = seed;
    rater.stream = stream;
    return rater;
}

// ---- the exact rater: probabilities ------------------------------------------------------------------------------

typedef struct {
    double a, b, tie; // probabilities of the three answers; they sum to 1
} Odds;

static inline Odds rater_odds(const Rater *rater, double r_a, double r_b) {
    double d = (r_a - r_b) / rater->tau;
    double tied, a, b;
    Odds odds;
    if (!(rater->flip >= 0 && rater->flip <= 0.5) || !(rater->tie >= 0)) {
        DIE("rater: flip = %g must lie in 0..0.5 and tie = %g must not be negative", rater->flip, rater->tie);
    }
    // tie / (e^(d/2) + e^(-d/2) + tie), in a form that cannot overflow
    tied = rater->tie * e_exp(-0.5 * fabs(d)) / (1 + e_exp(-fabs(d)) + rater->tie * e_exp(-0.5 * fabs(d)));
    a = (1 - tied) * e_sigmoid(d);
    b = (1 - tied) * e_sigmoid(-d);
    odds.tie = tied;
    odds.a = (1 - rater->flip) * a + rater->flip * b;
    odds.b = (1 - rater->flip) * b + rater->flip * a;
    return odds;
}

// ---- the drawn answer --------------------------------------------------------------------------------------------

typedef enum { CHOSE_B = -1, CHOSE_TIE = 0, CHOSE_A = 1 } Choice;

// Answer number i to a question with these odds.
static inline Choice rater_answer(const Rater *rater, const Odds *odds, uint64_t i) {
    double u = rng_uniform(rater->seed, rater->stream, i);
    if (u < odds->a) {
        return CHOSE_A;
    }
    return u < odds->a + odds->tie ? CHOSE_TIE : CHOSE_B;
}

// Answer number i to "a or b?".
static inline Choice rater_choose(const Rater *rater, double r_a, double r_b, uint64_t i) {
    Odds odds = rater_odds(rater, r_a, r_b);
    return rater_answer(rater, &odds, i);
}

// ---- many answers ------------------------------------------------------------------------------------------------

// Every pair i < j of K things is judged `per_pair` times; wins[i*K + j] counts "i over j", ties (K x K, may be NULL
// for a rater without ties) counts ties in both triangles.  Answers have the numbers first, first + 1, ...
static inline void rater_tournament(double *wins, double *ties, const double *r, int K, int per_pair,
                                    const Rater *rater, uint64_t first) {
    int i, j, k;
    memset(wins, 0, (size_t)K * (size_t)K * sizeof *wins);
    if (ties) {
        memset(ties, 0, (size_t)K * (size_t)K * sizeof *ties);
    } else if (rater->tie > 0) {
        DIE("rater: this rater calls ties (weight %g); pass a table for them", rater->tie);
    }
    for (i = 0; i < K; i++) {
        for (j = i + 1; j < K; j++) {
            Odds odds = rater_odds(rater, r[i], r[j]);
            for (k = 0; k < per_pair; k++) {
                Choice choice = rater_answer(rater, &odds, first++);
                if (choice == CHOSE_TIE) {
                    ties[i * K + j] += 1;
                    ties[j * K + i] += 1;
                } else {
                    wins[choice == CHOSE_A ? i * K + j : j * K + i] += 1;
                }
            }
        }
    }
}

// The expected counts of the same tournament: what infinitely many repetitions would average to.
static inline void rater_expected(double *wins, double *ties, const double *r, int K, int per_pair,
                                  const Rater *rater) {
    int i, j;
    for (i = 0; i < K; i++) {
        for (j = 0; j < K; j++) {
            Odds odds = rater_odds(rater, r[i], r[j]);
            wins[i * K + j] = i == j ? 0 : per_pair * odds.a;
            if (ties) {
                ties[i * K + j] = i == j ? 0 : per_pair * odds.tie;
            }
        }
    }
}

// Expected fraction of "a over b" answers that name the truly better thing, for one pair; ties count half.
static inline double rater_accuracy(const Rater *rater, double r_a, double r_b) {
    Odds odds = rater_odds(rater, r_a, r_b);
    return (r_a >= r_b ? odds.a : odds.b) + 0.5 * odds.tie;
}

#endif
