// linear_chain.h: a reverse chain of linear-Gaussian steps with a quadratic reward, where everything is known.
//
//   x_K ~ N(m, v);   x_k = a_k x_{k+1} + c_k + s_k z,   k = K-1 .. 0;   r(x_0) quadratic.       One dimension.
// Its soft values are quadratics, its optimally steered steps are Gaussians, and both optima (with a free and with a
// kept start) are closed forms.  So it is the world in which a chain's path KL, an SMC sampler, or a fine-tuned policy
// can be compared with the truth to the last digit.  Values are kept divided by beta: nats, not reward units.
#ifndef TILT_LINEAR_CHAIN_H
#define TILT_LINEAR_CHAIN_H

#include "../core/elementary.h"

typedef struct {
    int K;
    const double *a, *c, *s; // K each; entry k makes x_k out of x_{k+1}
} LinearChain;

typedef struct {
    double mean, var;
} Normal1;

// V(x)/beta = -P x^2/2 + q x + l
typedef struct {
    double P, q, l;
} QuadTwist;

// r(x) = -r_a x^2/2 + r_b x at KL temperature beta.
static inline QuadTwist quad_twist(double r_a, double r_b, double beta) {
    QuadTwist V;
    if (!(beta > 0)) {
        DIE("quad_twist: the KL temperature beta must be positive, got %g", beta);
    }
    V.P = r_a / beta;
    V.q = r_b / beta;
    V.l = 0;
    return V;
}

static inline double quad_twist_at(const QuadTwist *V, double x) {
    return (-0.5 * V->P * x + V->q) * x + V->l;
}

// d (V/beta)/dx
static inline double quad_twist_slope(const QuadTwist *V, double x) {
    return V->q - V->P * x;
}

// E[V(x)/beta], x ~ N(mean, var)
static inline double quad_twist_mean(const QuadTwist *V, const Normal1 *at) {
    return quad_twist_at(V, at->mean) - 0.5 * V->P * at->var;
}

// F: smc.kernel  a Gaussian step, tilted by a quadratic value                      [chapter 14]
//   N(x; m, v) e^(V(x)/beta) / C = N(x; (m + q v)/g, v/g),   g = 1 + P v,   V/beta = -P x^2/2 + q x + l
//   log C = log E_N(m,v)[e^(V/beta)] = l - (log g)/2 + ( -P m^2/2 + q m + q^2 v/2 )/g         returned, nats
//   limits: v = 0: nothing can be tilted, log C = V(m)/beta.   P = 0: the mean moves by q v, the width stays.
//   No tilt exists unless g > 0 (a convex value grows faster than the tail falls): dies.
//   source: Gaussian integral; Wu et al. 2023, arXiv 2306.17775 (twisted kernels in diffusion)
//   check: quadrature of both sides; golden smc.twist1d smc.chain
static inline double twisted_kernel(Normal1 *kernel, const QuadTwist *V, double m, double v) {
    double g = 1 + V->P * v;
    if (!(g > 0) || !(v >= 0)) {
        DIE("twisted_kernel: 1 + P v = %g (P %g, v %g); no tilt exists, use a larger beta", g, V->P, v);
    }
    kernel->mean = (m + V->q * v) / g;
    kernel->var = v / g;
    return V->l - 0.5 * e_log(g) + ((-0.5 * V->P * m + V->q) * m + 0.5 * V->q * V->q * v) / g;
}

// F: smc.values  soft values of a linear-Gaussian chain                            [chapter 14]
//   e^(V_{k+1}(x)/beta) = E[ e^(V_k(x_k)/beta) | x_{k+1} = x ],   V_0 = r
//   with g = 1 + P s^2 of step k:   P' = P a^2/g,   q' = a (q - P c)/g,   l' = log C of smc.kernel at m = c, v = s^2
//   V (K + 1): V[0] is the reward, V[k] what a state x_k is worth.
//   source: backward recursion
//   check: quadrature of every step; E e^(V_K/beta) = Z by the marginal of x_0; golden smc.chain
static inline void linear_values(QuadTwist *V, const QuadTwist *reward, const LinearChain *chain) {
    int k;
    V[0] = *reward;
    for (k = 0; k < chain->K; k++) {
        Normal1 unused;
        double g = 1 + V[k].P * chain->s[k] * chain->s[k];
        double l = twisted_kernel(&unused, &V[k], chain->c[k], chain->s[k] * chain->s[k]);
        V[k + 1].P = V[k].P * chain->a[k] * chain->a[k] / g;
        V[k + 1].q = chain->a[k] * (V[k].q - V[k].P * chain->c[k]) / g;
        V[k + 1].l = l;
    }
}

// The steps of the chain, each tilted by the value of its target: steered[k] = mean_slope x_{k+1} + mean_intercept with
// standard deviation s[k], again a linear-Gaussian chain.  a, c, s: K numbers each that the result will point to.
static inline LinearChain linear_steered(double *a, double *c, double *s, const QuadTwist *V,
                                         const LinearChain *chain) {
    LinearChain steered;
    int k;
    for (k = 0; k < chain->K; k++) {
        Normal1 at;
        double v = chain->s[k] * chain->s[k];
        twisted_kernel(&at, &V[k], chain->c[k], v);
        a[k] = chain->a[k] / (1 + V[k].P * v);
        c[k] = at.mean;
        s[k] = sqrt(at.var);
    }
    steered.K = chain->K;
    steered.a = a;
    steered.c = c;
    steered.s = s;
    return steered;
}

// law (K + 1): law[k] is the law of x_k when x_K has the law `start`.
static inline void linear_laws(Normal1 *law, const LinearChain *chain, Normal1 start) {
    int k;
    law[chain->K] = start;
    for (k = chain->K - 1; k >= 0; k--) {
        law[k].mean = chain->a[k] * law[k + 1].mean + chain->c[k];
        law[k].var = chain->a[k] * chain->a[k] * law[k + 1].var + chain->s[k] * chain->s[k];
    }
}

typedef struct {
    double log_z;           // log E_ref[e^(r(x_0)/beta)], nats
    Normal1 start;          // law of x_K of the free optimum: the start is tilted too
    Normal1 end, end_fixed; // laws of x_0: free start (= the tilt of the marginal), kept start
    double value;           // beta log Z, the objective of the free optimum, reward units
    double value_fixed;     // E[V_K(x_K)] <= value, the objective of the best chain that keeps its start
    double path_kl_fixed;   // its KL of paths, nats
    double reward_fixed;    // its E[r], reward units
} LinearOptimum;

// F: opt.init_chain  both optima of a linear-Gaussian chain, with and without tilting the start  [chapter 14]
//   free start: x_K ~ N tilted by V_K, steps tilted by V_k; x_0 has the law p_ref(x_0) e^(r/beta)/Z, value beta log Z
//   kept start: x_K as before, the same tilted steps; value E[V_K(x_K)] = E[r] - beta KL(paths) <= beta log Z (Jensen)
//   Fine-tuning keeps the start, so a method that reaches beta log Z on a chain with memory has moved the start (or
//   its KL is wrong).  They agree only if V_K is constant, that is, if x_0 has forgotten x_K.
//   reward, beta: r = beta reward.   V (K + 1) from linear_values.
//   source: own derivation; Domingo-Enrich et al. 2024, arXiv 2409.08861, treat the continuous case
//   check: KL summed along the steered chain; tilt of the marginal of x_0; golden smc.chain
static inline LinearOptimum linear_optimum(const QuadTwist *V, double beta, const LinearChain *chain, Normal1 start) {
    size_t K = (size_t)chain->K;
    double *a = NEW(double, 3 * K);
    Normal1 *law = NEW(Normal1, K + 1);
    LinearChain steered = linear_steered(a, a + K, a + 2 * K, V, chain);
    LinearOptimum best;
    best.log_z = twisted_kernel(&best.start, &V[chain->K], start.mean, start.var);
    best.value = beta * best.log_z;
    linear_laws(law, &steered, best.start);
    best.end = law[0];
    linear_laws(law, &steered, start);
    best.end_fixed = law[0];
    best.value_fixed = beta * quad_twist_mean(&V[chain->K], &start);
    best.reward_fixed = beta * quad_twist_mean(&V[0], &best.end_fixed);
    best.path_kl_fixed = (best.reward_fixed - best.value_fixed) / beta;
    free(a);
    free(law);
    return best;
}

#endif
