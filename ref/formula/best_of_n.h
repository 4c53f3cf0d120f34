// best_of_n.h: draw n candidates from the reference and keep the best; the alignment method that trains nothing.
//
// Exact laws: for continuous rewards (KL and win rate depend on n alone), for tables with ties, and for the soft
// version that keeps candidate i with probability ~ e^(r_i/beta).  Best-of-n is not the tilt, but close below it.
#ifndef TILT_BEST_OF_N_H
#define TILT_BEST_OF_N_H

#include "normal.h"

// ---- continuous rewards: no ties ----------------------------------------------------------------------------------

// F: bon.kl      divergence of best-of-n from its reference                        [chapter 9]
//   p_n(x) = n F(r(x))^(n-1) p(x),   KL(p_n||p) = log n - (n-1)/n     F: distribution function of r under p
//   n >= 1 (any real n works in the formula).  Nats.  With ties it is an upper bound: see bon.discrete.
//   source: Stiennon et al. 2020; Beirami et al. 2024, arXiv 2401.01879 (bound for tables, identity without ties)
//   check: int_0^1 n u^(n-1) log(n u^(n-1)) du by quadrature; golden bon.continuous
static inline double bon_kl(double n) {
    return e_log(n) - (n - 1) / n;
}

// F: bon.win     chance that best-of-n beats one fresh draw                        [chapter 9]
//   P(r(x_n) > r(x)) = n / (n + 1)
//   source: Beirami et al. 2024, arXiv 2401.01879
//   check: symmetry of n + 1 draws; golden bon.continuous
static inline double bon_win(double n) {
    return n / (n + 1);
}

// F: bon.normal  expected best of n standard normal rewards                        [chapter 9]
//   E max = int x n phi(x) Phi(x)^(n-1) dx;   the tilt at the same KL reaches sqrt(2 KL), which is larger
//   n >= 1.  Trapezoid rule on [-14, 14] with step 1/64; exact to 1e-13 because the integrand is analytic and dies off.
//   source: order statistics; the frontier of a Gaussian reward is E = sigma^2/beta, KL = E^2/(2 sigma^2)
//   check: n = 2 gives 1/sqrt(pi), n = 3 gives 1.5/sqrt(pi); golden bon.continuous
static inline double bon_normal_mean(double n) {
    double sum = 0;
    int i;
    for (i = -896; i <= 896; i++) {
        double x = i / 64.0;
        sum += x * n * normal_pdf(x) * e_exp((n - 1) * normal_log_cdf(x)) / 64;
    }
    return n == 1 ? 0 : sum;
}

// ---- tables -------------------------------------------------------------------------------------------------------

typedef struct {
    double r;
    size_t i;
} RewardRank;

static inline int by_reward(const void *a, const void *b) {
    double u = ((const RewardRank *)a)->r, v = ((const RewardRank *)b)->r;
    return (u > v) - (u < v);
}

// For each of S items: below = P(reward smaller), tie = P(reward equal) under p.
static inline void reward_levels(double *below, double *tie, const double *p, const double *r, size_t S) {
    RewardRank *rank = NEW(RewardRank, S);
    double mass_below = 0;
    size_t a, b, k;
    for (k = 0; k < S; k++) {
        rank[k].r = r[k];
        rank[k].i = k;
    }
    qsort(rank, S, sizeof *rank, by_reward);
    for (a = 0; a < S; a = b) {
        double mass = 0;
        for (b = a; b < S && rank[b].r == rank[a].r; b++) {
            mass += p[rank[b].i];
        }
        for (k = a; k < b; k++) {
            below[rank[k].i] = mass_below;
            tie[rank[k].i] = mass;
        }
        mass_below += mass;
    }
    free(rank);
}

// F: bon.discrete  best-of-n of a table, ties broken by lot                        [chapter 9]
//   p_n(y) = ( F(y)^n - F(y-)^n ) p(y) / P(r = r(y)),   F(y) = P(r <= r(y)), F(y-) = P(r < r(y))
//   p: S probabilities, r: S rewards, n >= 1.  out: S probabilities; KL(out||p) <= bon_kl(n), strictly for a table.
//   The difference of powers is F^n (1 - e^(n log(F-/F))) by expm1: a rare top level keeps its digits.
//   source: own derivation; Beirami et al. 2024, arXiv 2401.01879
//   check: all S^n draws; n = 1 gives p; n -> inf the best level; golden bon.discrete
static inline void bon_discrete(double *out, const double *p, const double *r, double n, size_t S) {
    double *below = NEW(double, S);
    double *tie = NEW(double, S);
    size_t y;
    reward_levels(below, tie, p, r, S);
    for (y = 0; y < S; y++) {
        double top = below[y] + tie[y];
        double lose = e_log1p(-tie[y] / top); // log(F-/F), -inf on the lowest level
        out[y] = tie[y] > 0 ? e_exp(n * e_log(top)) * -e_expm1(n * lose) * (p[y] / tie[y]) : 0;
    }
    free(below);
    free(tie);
}

// F: bon.win     win rate of one table against another, a tie counts one half     [chapter 9]
//   P(r(Y_q) > r(Y_p)) + P(r(Y_q) = r(Y_p)) / 2,   Y_q ~ q, Y_p ~ p independent
//   q = p gives 1/2; q = best-of-n of p gives at most n/(n+1).
//   source: definition
//   check: win(q,p) + win(p,q) = 1; golden bon.discrete
static inline double win_rate(const double *q, const double *p, const double *r, size_t S) {
    double *below = NEW(double, S);
    double *tie = NEW(double, S);
    double sum = 0;
    size_t y;
    reward_levels(below, tie, p, r, S);
    for (y = 0; y < S; y++) {
        sum += q[y] * (below[y] + 0.5 * tie[y]);
    }
    free(below);
    free(tie);
    return sum;
}

// One term of the sum over multisets: the draws hold item y `count[y]` times, with probability `prob`.  The shift by
// the best drawn reward keeps the selection weights finite for any beta.
static inline void soft_bon_term(double *out, double *e, const int *count, double prob, const double *r, double beta,
                                 size_t S) {
    double top = -INFINITY, total = 0;
    size_t y;
    for (y = 0; y < S; y++) {
        top = count[y] > 0 && r[y] > top ? r[y] : top;
    }
    for (y = 0; y < S; y++) {
        e[y] = count[y] > 0 ? count[y] * e_exp((r[y] - top) / beta) : 0;
        total += e[y];
    }
    for (y = 0; y < S; y++) {
        out[y] += prob * e[y] / total;
    }
}

// All ways to share `left` draws among the items s, s+1, ...; prob: n! times the product of p^c / c! so far.
static inline void soft_bon_branch(double *out, double *e, int *count, size_t s, int left, double prob, const double *p,
                                   const double *r, double beta, size_t S) {
    int c;
    for (c = 0; c <= left; c++) {
        count[s] = c;
        if (s + 1 < S) {
            soft_bon_branch(out, e, count, s + 1, left - c, prob, p, r, beta, S);
        } else if (c == left) {
            soft_bon_term(out, e, count, prob, r, beta, S);
        }
        prob *= p[s] / (c + 1);
    }
}

// F: bon.soft    soft best-of-n of a table                                         [chapter 9]
//   draw y_1..y_n ~ p, keep y_i with probability e^(r(y_i)/beta) / sum_j e^(r(y_j)/beta)
//   beta -> 0: best-of-n;  beta -> inf: p;  n -> inf: the tilt, KL error O(1/n)
//   Exact: sums over the C(n+S-1, n) multisets of draws with their multinomial probabilities; at most 2e7 of them.
//   source: Verdun et al. 2025, arXiv 2505.03156 (rate from its abstract)
//   check: all S^n ordered draws; the three limits; golden bon.soft
static inline void bon_soft(double *out, const double *p, const double *r, int n, double beta, size_t S) {
    double *e = NEW(double, S);
    int *count = NEW(int, S);
    double multisets = 1, factorial = 1;
    size_t y;
    int k;
    for (k = 1; k <= n; k++) {
        multisets *= ((double)S - 1 + k) / k;
        factorial *= k;
    }
    if (S == 0 || n < 1 || n > 170 || multisets > 2e7 || !(beta > 0)) {
        DIE("bon_soft: n = %d draws of %zu items at beta %g: %.3g terms; use 1 <= n <= 170, beta > 0, at most 2e7 "
            "terms",
            n, S, beta, multisets);
    }
    for (y = 0; y < S; y++) {
        out[y] = 0;
    }
    soft_bon_branch(out, e, count, 0, n, factorial, p, r, beta, S);
    free(e);
    free(count);
}

#endif
