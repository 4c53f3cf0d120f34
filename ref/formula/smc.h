// smc.h: sequential Monte Carlo, a crowd of particles that samples a tilted chain without any training.
//
// Particles walk down the reference chain; after each step a particle's weight is multiplied by how much its future
// value rose, and from time to time heavy particles are copied and light ones dropped.  The weights are exact, so the
// estimate of Z is unbiased whatever value function is used; a bad one costs variance, never bias.
// Weights live as logarithms and are shifted by their maximum before any exponential: rewards of +-1e4 beta are fine.
#ifndef TILT_SMC_H
#define TILT_SMC_H

#include "linear_chain.h"
#include "reweight.h"

// W (n, sum 1) = weights from log-weights.  Returns log( (1/n) sum_i e^(log_w_i) ), the factor of this stage in Z.
static inline double smc_normalise(double *W, const double *log_w, size_t n) {
    double top = -INFINITY, sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        top = log_w[i] > top ? log_w[i] : top;
    }
    if (n == 0 || !(top > -INFINITY && top < INFINITY)) {
        DIE("smc: the largest of %zu log-weights is %g; a value is not finite or every particle has weight 0", n, top);
    }
    for (i = 0; i < n; i++) {
        W[i] = e_exp(log_w[i] - top);
        sum += W[i];
    }
    for (i = 0; i < n; i++) {
        W[i] /= sum;
    }
    return top + e_log(sum / (double)n);
}

// F: smc.ess     effective number of particles                                     [chapter 14]
//   ESS = 1 / sum_i W_i^2,   W_i = e^(log_w_i) / sum_j e^(log_w_j);   n for equal weights, 1 when one carries all
//   From log-weights after the shift by their maximum: adding a constant to all of them changes nothing.
//   source: Kong 1992
//   check: equal weights; one particle; shift by 1e4; golden smc.resample
static inline double smc_ess(const double *log_w, size_t n) {
    double *W = NEW(double, n), ess;
    smc_normalise(W, log_w, n);
    ess = effective_sample_size(W, n);
    free(W);
    return ess;
}

// F: smc.systematic  which particles survive                                       [chapter 14]
//   points (u + i)/draws, i = 0 .. draws-1, with ONE uniform u in [0, 1); index = first j with W_1 + .. + W_j >= point
//   The expected number of copies of j is draws W_j, and the number itself is that, rounded up or down.
//   W (n, sum 1).  index (draws) comes out sorted.  A particle of weight 0 is never taken; when rounding leaves the sum
//   below the last point the last particle with weight is taken, whatever draws is.
//   source: Kitagawa 1996
//   check: mean and bound of the copies; weights 0 at both ends; draws below and above n; golden smc.resample
static inline void smc_systematic(int *index, const double *W, double u, size_t n, size_t draws) {
    size_t i, j, last = 0;
    double sum;
    if (!(u >= 0 && u < 1)) {
        DIE("smc_systematic: u = %g is not in [0, 1)", u);
    }
    for (j = 0; j < n; j++) {
        last = W[j] > 0 ? j : last;
    }
    j = 0;
    sum = n > 0 ? W[0] : 0;
    for (i = 0; i < draws; i++) {
        double point = (u + (double)i) / (double)draws;
        while (j < last && (sum < point || !(W[j] > 0))) {
            sum += W[++j];
        }
        index[i] = (int)j;
    }
}

// F: smc.twist   what a step does to a particle's weight                           [chapter 14]
//   log w += log p(x_{k-1}|x_k) - log q(x_{k-1}|x_k) + ( V~_{k-1}(x_{k-1}) - V~_k(x_k) )/beta
//   first weight V~_K(x_K)/beta (times p/q of the start, if it is not drawn from p); the LAST value is the true reward
//   p: reference step, q: the step that proposed; V~: any guess at the soft value.  All corrections telescope to
//   r(x_0)/beta, so E[Z^] = Z for any V~: a wrong one changes the variance only.  Ending with V~_0 in the place of r
//   samples the tilt by V~_0.   With V~ = V, q the tilted steps and a tilted start, every weight is Z: no variance.
//   log_pq: log p - log q, 0 when the chain proposes itself.  v_next, v_now: reward units.  beta: reward units per nat.
//   source: Wu et al. 2023, arXiv 2306.17775 (TDS); auxiliary particle filters
//   check: telescoping; unbiased over 1000 seeds with three guesses; constant weights when exact; golden smc.chain
static inline double smc_log_increment(double log_pq, double v_next, double v_now, double beta) {
    return log_pq + (v_next - v_now) / beta;
}

// One stage: when fewer than `below` particles are effective, draw n survivors into index, set all log_w to 0 and
// return the log of the mean weight, which belongs to log Z; otherwise leave the weights to grow and return 0.
// index[i] = i says that nothing moved.  Forgetting the weights of a stage that was skipped would lose its factor.
static inline double smc_stage(int *index, double *log_w, double below, double u, size_t n) {
    double *W = NEW(double, n);
    double log_mean = smc_normalise(W, log_w, n);
    size_t i;
    if (effective_sample_size(W, n) < below) {
        smc_systematic(index, W, u, n, n);
        for (i = 0; i < n; i++) {
            log_w[i] = 0;
        }
    } else {
        log_mean = 0;
        for (i = 0; i < n; i++) {
            index[i] = (int)i;
        }
    }
    free(W);
    return log_mean;
}

// F: guid.cg_step  an ancestral step that leans towards higher value               [chapter 14]
//   mean + sigma^2 grad V(mean)/beta, same sigma;   V at the level and place where the step lands (mean), not at x_t
//   It is the Gaussian that fits the tilted step N(x; mean, sigma^2 I) e^(V(x)/beta) to first order: its mean is wrong
//   by O(sigma^4) a step, exact for linear V.  As a sampler on its own it is biased; as a proposal, with the log-ratio
//   below as its weight, it is exact.
//   shift (D) = sigma^2 slope/beta.   slope (D): grad V at the mean, reward units per unit of x.
//   source: Dhariwal and Nichol 2021, arXiv 2105.05233
//   check: linear value; error falls 16 times when sigma is halved; golden smc.twist1d
static inline void cg_step_shift(real *shift, const real *slope, double sigma, double beta, size_t D) {
    size_t i;
    for (i = 0; i < D; i++) {
        shift[i] = (real)(sigma * sigma * (double)slope[i] / beta);
    }
}

// log N(x; mean, sigma^2 I) - log N(x; mean + shift, sigma^2 I) = -shift . (x - mean - shift/2)/sigma^2, SUM over D.
// A step without noise cannot be shifted: its ratio is 0.
static inline double cg_step_log_ratio(const real *x, const real *mean, const real *shift, double sigma, size_t D) {
    double sum = 0;
    size_t i;
    for (i = 0; i < D && sigma > 0; i++) {
        double d = (double)shift[i];
        sum += d * ((double)x[i] - (double)mean[i] - 0.5 * d) / (sigma * sigma);
    }
    return -sum;
}

#endif
