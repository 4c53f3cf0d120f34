// law.h: how good is a law?  Any policy that can be written as a table of masses (eight arms, 4,096 sequences, the
// cells of a grid) is scored against the exact optimum of the same table.  A reward curve alone is never a score.
#ifndef TILT_LAW_H
#define TILT_LAW_H

#include "../../ref/formula/metrics.h"
#include "../../ref/formula/tilt.h"

typedef struct {
    double reward; // E_q[r], reward units
    double kl;     // KL(q || p_ref), nats; inf when q has mass where p_ref has none
    double j;      // J = E_q[r] - beta KL, reward units
    double gap;    // J* - J = beta KL(q || p*) >= 0
    double tv;     // total variation of q and p*, 0..1
} LawScore;

// Scores of q against the tilt of p_ref by r at temperature beta.  q, p_ref: n masses with sum 1; r: n rewards.
// For a whole curve ask tilt_discrete_beta_at_kl how much reward the best law earns at the KL that q spent.
static inline LawScore law_score(const double *q, const double *p_ref, const double *r, double beta, size_t n) {
    double *p_star = NEW(double, n);
    TiltPoint best = tilt_discrete_point(p_star, p_ref, r, beta, n);
    LawScore s;
    s.reward = table_mean(NULL, q, r, n);
    s.kl = kl_discrete(q, p_ref, n);
    s.j = s.reward - beta * s.kl;
    s.gap = best.objective - s.j;
    s.tv = tv_discrete(q, p_star, n);
    free(p_star);
    return s;
}

#endif
