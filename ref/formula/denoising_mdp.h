// denoising_mdp.h: the reverse chain read as a Markov decision process, and what its log-probabilities and KLs mean.
//
// The log-probability and the KL of one step are in sampler.h (mdp.logprob, mdp.kl).  Here is what holds for a whole
// episode: its log-probability, the chain rule of the KL, and the continuous limit.
#ifndef TILT_DENOISING_MDP_H
#define TILT_DENOISING_MDP_H

#include "linear_chain.h"
#include "sampler.h"

// F: mdp.def     sampling as a decision process, and the log-probability of an episode  [chapter 11]
//   time    k = T-1 .. 0, noisiest first        state   s_k = (c, k, x_k)         action  a_k = x_{k-1}
//   policy  pi(a|s) = N(a x_k + b eps(x_k, k, c), sigma_k^2 I)                    next state: the action itself
//   start   x_{T-1} ~ N(0, I), not learned      reward  r(x_0, c) at the last step and 0 before: the return is r(x_0)
//   log p(episode) = sum_k log pi(a_k|s_k), without the start; steps with sigma = 0 have no density and are left out
//   The noise is not learned: gradients flow through the means, d log pi/d eps = b (a - mean)/sigma^2.
//   path (T+1, n, D): path[k+1] enters step k, path[k] leaves it (as chain_sample in toy/).  eps (T, n, D).
//   logp (n) out; g (T, n, D) out: d logp/d eps, or NULL.   Returns the number of steps that have a density.
//   source: Black et al. 2023, arXiv 2305.13301
//   check: joint Gaussian density of a linear chain; Markov: a step depends on its own state only; finite differences
static inline int mdp_episode_logp(double *logp, real *g, const StepCoeffs *step, const real *path, const real *eps,
                                   int T, int n, int D) {
    size_t row = (size_t)D, level = (size_t)n * row;
    int counted = 0, k, i;
    for (i = 0; i < n; i++) {
        logp[i] = 0;
    }
    if (g != NULL) {
        memset(g, 0, (size_t)T * level * sizeof *g);
    }
    for (k = T - 1; k >= 0; k--) {
        if (!(step[k].sigma > 0)) {
            continue;
        }
        counted++;
        for (i = 0; i < n; i++) {
            size_t from = (size_t)(k + 1) * level + (size_t)i * row, to = (size_t)k * level + (size_t)i * row;
            logp[i] += step_logp(g != NULL ? g + to : NULL, &step[k], path + to, path + from, eps + to, row);
        }
    }
    return counted;
}

// KL( N(m, v) || N(m_ref, v_ref) ) of two normals on the line, nats.
static inline double normal_kl(double m, double v, double m_ref, double v_ref) {
    double log_ratio;
    if (!(v > 0 && v_ref > 0)) {
        DIE("normal_kl: variances %g and %g; a point mass has no density", v, v_ref);
    }
    log_ratio = e_log(v) - e_log(v_ref);
    return 0.5 * (e_expm1(log_ratio) - log_ratio) + (m - m_ref) * (m - m_ref) / (2 * v_ref);
}

// F: mdp.chain   the KL of two chains is the sum of the expected KLs of their steps [chapter 12]
//   KL(path || path_ref) = sum_k E_policy[ KL( pi(.|s_k) || pi_ref(.|s_k) ) ]  >=  KL( p(x_0) || p_ref(x_0) )
//   The states are those of the POLICY: with the states of the reference it is another number.
//   Equality iff what is known of x_K .. x_1 given x_0 did not change, as for the exact tilt (opt.tilt), never for a
//   policy that was merely trained.  So a method that reports its path KL overstates how far it went.
//   On a linear-Gaussian chain, x ~ law[k+1], a' = a + da, c' = c + dc, rho = s'^2/s^2:
//   step KL = (rho - 1 - log rho)/2 + ( da^2 var + (da mean + dc)^2 )/(2 s^2)
//   step_kl (K) indexed like the steps, or NULL; marginal_kl or NULL.   Both chains start from `start`.  Nats.
//   source: chain rule of the KL; data processing inequality
//   check: two-step integral by quadrature; sampled log-ratio; equality for the free optimum; golden mdp.pathkl
static inline double linear_path_kl(double *step_kl, double *marginal_kl, const LinearChain *policy,
                                    const LinearChain *ref, Normal1 start) {
    Normal1 *law, *law_ref;
    double sum = 0;
    int k;
    if (policy->K != ref->K) {
        DIE("linear_path_kl: a policy of %d steps, a reference of %d", policy->K, ref->K);
    }
    law = NEW(Normal1, (size_t)policy->K + 1);
    law_ref = NEW(Normal1, (size_t)policy->K + 1);
    linear_laws(law, policy, start);
    linear_laws(law_ref, ref, start);
    for (k = policy->K - 1; k >= 0; k--) {
        double da = policy->a[k] - ref->a[k], dc = policy->c[k] - ref->c[k], v_ref = ref->s[k] * ref->s[k];
        double drift = da * law[k + 1].mean + dc;
        double kl = normal_kl(0, policy->s[k] * policy->s[k], 0, v_ref);
        kl += (da * da * law[k + 1].var + drift * drift) / (2 * v_ref);
        sum += kl;
        if (step_kl != NULL) {
            step_kl[k] = kl;
        }
    }
    if (marginal_kl != NULL) {
        *marginal_kl = normal_kl(law[0].mean, law[0].var, law_ref[0].mean, law_ref[0].var);
    }
    free(law);
    free(law_ref);
    return sum;
}

// F: mdp.girsanov  the same in continuous time                                     [chapter 12]
//   dx = [f + h] dt + g dw against dx = f dt + g dw:   KL(paths) = (1/2) int E|h/g|^2 dt,  states of the first
//   One Euler step of length |dt| contributes |h|^2 |dt|/(2 g^2): exactly the KL of its two Gaussians, at any dt; only
//   the sum over steps is an approximation.   f, f_ref (D): the two drifts;  g: noise per root of time, both the same.
//   df (D): d KL/d f, or NULL.  Nats.
//   limits: where g = 0 the drifts must agree (KL 0); a change there cannot be undone by any noise: returns inf.
//   source: Girsanov's theorem
//   check: gaussian_kl of an Euler step; sums over finer steps tend to the integral of an Ornstein-Uhlenbeck pair
static inline double girsanov_step_kl(real *df, const real *f, const real *f_ref, double g, double dt, size_t D) {
    double square = 0, weight = g > 0 ? fabs(dt) / (g * g) : 0;
    size_t i;
    for (i = 0; i < D; i++) {
        double h = (double)f[i] - (double)f_ref[i];
        square += h * h;
        if (df != NULL) {
            df[i] = (real)(weight * h);
        }
    }
    if (!(g > 0)) {
        return square == 0 ? 0 : HUGE_VAL;
    }
    return 0.5 * weight * square;
}

#endif
