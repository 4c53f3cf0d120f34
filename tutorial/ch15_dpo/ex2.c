// ex2.c: exercise 2 of chapter 15.  Which reward does IPO tilt by?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch15_dpo/ex2.c -lm -o ex2 && ./ex2
// DPO ends at p_ref e^(r/beta)/Z with the reward r of Bradley-Terry.  IPO ends at a tilt too, but by another reward,
// and that reward is a closed form of the preference table, even of one in which a beats b beats c beats a.
#include "../../ref/formula/preference.h"
#include "../../toy/world/arms.h"

enum { TABLES = 20, STEPS = 4000 };

// r[i] such that IPO on all pairs of n things, equally often, ends at p_ref e^(r/beta)/Z.
// P[i*n + j]: chance that i is preferred to j;  P_ij + P_ji = 1,  P_ii = 1/2.  r is asked up to a constant.
static void ipo_reward(double *r, const double *P, int n) {
    // EXERCISE: set the gradient of  sum_ij P_ij (h_i - h_j - 1/(2 beta))^2  to zero and solve for h = r/beta
    (void)P;
    for (int i = 0; i < n; i++) {
        r[i] = 0;
    }
}

// The same end point by brute force: gradient descent on the IPO loss from the reference.
static void train(double *p, const double *p_ref, const double *P, double beta, int n) {
    double lp[ARMS], lr[ARMS];
    for (int i = 0; i < n; i++) {
        lp[i] = lr[i] = e_log(p_ref[i]);
    }
    for (int step = 0; step < STEPS; step++) {
        double grad[ARMS] = {0}, dh;
        for (int c = 0; c < n * n; c++) {
            ipo_margin(&dh, (lp[c / n] - lr[c / n]) - (lp[c % n] - lr[c % n]), beta);
            grad[c / n] += P[c] * dh;
            grad[c % n] -= P[c] * dh;
        }
        for (int i = 0; i < n; i++) {
            lp[i] -= 0.25 / n * grad[i];
        }
    }
    double log_sum = e_logsumexp(lp, (size_t)n);
    for (int i = 0; i < n; i++) {
        p[i] = e_exp(lp[i] - log_sum);
    }
}

int main(void) {
    double P[ARMS * ARMS], p_ref[ARMS], r[ARMS], p[ARMS], tilted[ARMS];
    for (int table = 0; table < TABLES; table++) {
        int n = table == 0 ? 2 : 2 + table % (ARMS - 1);
        double beta = 0.2 + rng_uniform(15, 900, (uint64_t)table);
        for (int i = 0; i < n; i++) {
            p_ref[i] = 1.0 / n;
            P[i * n + i] = 0.5;
            for (int j = 0; j < i; j++) {
                // table 0: thing 1 always beats thing 0; the others: any table, also without an order
                P[i * n + j] = table == 0 ? 1 : rng_uniform(15, 901 + (uint64_t)table, (uint64_t)(i * n + j));
                P[j * n + i] = 1 - P[i * n + j];
            }
        }
        ipo_reward(r, P, n);
        train(p, p_ref, P, beta, n);
        tilt_discrete(tilted, p_ref, r, beta, (size_t)n);
        double apart = tv_discrete(p, tilted, (size_t)n);
        if (table == 0) {
            printf("two things, one always wins, beta %.3f: IPO stops at a gap of %.4f, 1/(2 beta) = %.4f\n", beta,
                   e_log(p[1] / p[0]), 1 / (2 * beta));
        }
        if (!(apart < 1e-9)) {
            printf("not yet: with %d things your tilt and IPO differ by %.4f in total variation\n", n, apart);
            puts("where: the terms ij and ji together are (h_i - h_j - (P_ij - 1/2)/beta)^2 plus a constant");
            puts("which formula: the sum over j of these equations for one i; the mean of h may be taken as 0");
            return 1;
        }
    }
    printf("solved: %d tables; IPO tilts by the win rate, a number between 0 and 1, so it cannot run away\n", TABLES);
    return 0;
}
