// arms.h: eight discrete outcomes with a known reference law and a known reward.  Everything about it is exact.
//
// The smallest world in which preference data, tilting and policy gradients all make sense: a policy is eight
// probabilities, every expectation is a sum of eight terms.  The reward has mean 0 over the arms (so Bradley-Terry
// estimates, which know rewards up to a constant, can be compared) and spans 3; the best arm is rare under p_ref.
#ifndef TILT_ARMS_H
#define TILT_ARMS_H

#include "../../ref/core/rng.h"
#include "law.h"

enum { ARMS = 8 };

typedef struct {
    double p_ref[ARMS]; // sums to 1
    double r[ARMS];     // reward units
} Arms;

static inline Arms arms_new(void) {
    static const double p_ref[ARMS] = {0.30, 0.20, 0.15, 0.10, 0.10, 0.07, 0.05, 0.03};
    static const double r[ARMS] = {-0.2, -1.5, 0.5, -1.0, 0.1, 1.0, -0.4, 1.5};
    Arms arms;
    memcpy(arms.p_ref, p_ref, sizeof p_ref);
    memcpy(arms.r, r, sizeof r);
    return arms;
}

// ---- laws --------------------------------------------------------------------------------------------------------

// Arm number i of a stream, drawn from p by walking its cumulative sum.
static inline int arms_draw(const double p[ARMS], uint64_t seed, uint64_t stream, uint64_t i) {
    double u = rng_uniform(seed, stream, i), sum = 0;
    int k, last = 0;
    for (k = 0; k < ARMS; k++) {
        if (p[k] > 0) {
            sum += p[k];
            last = k;
            if (u < sum) {
                return k;
            }
        }
    }
    return last; // the sum fell short of 1 by rounding
}

// p = softmax(logits).
static inline void arms_softmax(double p[ARMS], const double logits[ARMS]) {
    double log_sum = e_logsumexp(logits, ARMS);
    int k;
    for (k = 0; k < ARMS; k++) {
        p[k] = e_exp(logits[k] - log_sum);
    }
}

// ---- the exact optimum -------------------------------------------------------------------------------------------

// p* = p_ref e^(r/beta) / Z and its numbers: log Z, E*[r], Var*[r], KL, J* (see tilt.h).  p_star may be NULL.
static inline TiltPoint arms_tilt(double *p_star, const Arms *arms, double beta) {
    return tilt_discrete_point(p_star, arms->p_ref, arms->r, beta, ARMS);
}

// The scores of any policy.
static inline LawScore arms_score(const double p[ARMS], const Arms *arms, double beta) {
    return law_score(p, arms->p_ref, arms->r, beta, ARMS);
}

#endif
