// policy.h: the score-function route (REINFORCE) to a tilted sampler: advantages, the policy-gradient loss of denoising
// steps, KL estimators and KL paid inside the reward.
//
// Log-probabilities are SUMS over dimensions.  Rewards, advantages and log-probabilities are double, one number a row;
// states and network outputs are real, row-major B x D.
#ifndef TILT_POLICY_H
#define TILT_POLICY_H

#include "sampler.h"

// ---- the loss -----------------------------------------------------------------------------------------------------

// F: ddpo.sf     score function of one denoising step per row                      [chapter 12]
//   L = -(1/B) sum_b A_b log p(x_s|x_t),   x_s ~ N(mu, sigma^2 I),  mu = a x_t + b eps
//   dL/deps = -(A_b/B) g_b,   g = d log p/d eps = b (x_s - mu)/sigma^2;   E[g] = 0: a constant in A changes noise only
//   x_t, x_s, eps, deps (B,D); advantage (B), no gradient through it; step (B): StepCoeffs, rows may differ in t.
//   deps is overwritten.  sigma = 0 has no density and dies.  Right for samples of the current policy only.
//   source: Black et al. 2023, arXiv 2305.13301
//   check: finite differences; E[g] = 0; reaches the exact gradient on a bandit; golden ddpo.sf
static inline double ddpo_sf(real *deps, const real *x_t, const real *x_s, const real *eps, const double *advantage,
                             const StepCoeffs *step, int B, int D) {
    double loss = 0;
    int b, d;
    for (b = 0; b < B; b++) {
        size_t at = (size_t)b * (size_t)D;
        double share = -advantage[b] / B;
        loss += share * step_logp(deps + at, step + b, x_s + at, x_t + at, eps + at, (size_t)D);
        for (d = 0; d < D; d++) {
            deps[at + (size_t)d] = (real)(share * (double)deps[at + (size_t)d]);
        }
    }
    return loss;
}

// ---- advantages: r minus a baseline, perhaps divided by a spread; G prompts, K rewards each, row-major (G,K) ------

static inline double mean_of(const double *r, size_t n) {
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        sum += r[i];
    }
    return sum / (double)n;
}

// Standard deviation with divisor n - ddof.
static inline double spread_of(const double *r, size_t n, int ddof) {
    double mean = mean_of(r, n), sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        sum += (r[i] - mean) * (r[i] - mean);
    }
    return sqrt(sum / ((double)n - ddof));
}

// F: adv.batch   advantages normalised over the whole batch                        [chapter 12]
//   A_i = (r_i - mean) / (std + floor),   std with divisor n
//   floor: public codes use 1e-8.  Hides that prompts differ in difficulty.
//   source: definitions of the public codes
//   check: mean 0, variance 1; affine invariance; golden adv.variants
static inline void advantage_batch(double *A, const double *r, size_t n, double floor_) {
    double mean = mean_of(r, n), std = spread_of(r, n, 0);
    size_t i;
    for (i = 0; i < n; i++) {
        A[i] = (r[i] - mean) / (std + floor_);
    }
}

// F: adv.group   group-relative advantages (GRPO)                                  [chapter 13]
//   A_gk = (r_gk - mean_g) / (std_g + floor),   std_g with divisor K - ddof
//   ddof 0, floor 1e-4: Flow-GRPO style;  ddof 1, floor 1e-8: DanceGRPO style.  Equal rewards give 0.
//   Dividing by std_g gives each prompt its own temperature beta std_g: do not compare it with the tilt of one beta.
//   source: definitions of the public codes; Shao et al. 2024, arXiv 2402.03300
//   check: sums to 0 in each group; equal rewards give 0; golden adv.variants
static inline void advantage_group(double *A, const double *r, int G, int K, int ddof, double floor_) {
    int g, k;
    for (g = 0; g < G; g++) {
        size_t at = (size_t)g * (size_t)K;
        double mean = mean_of(r + at, (size_t)K), std = spread_of(r + at, (size_t)K, ddof);
        for (k = 0; k < K; k++) {
            A[at + (size_t)k] = (r[at + (size_t)k] - mean) / (std + floor_);
        }
    }
}

// F: adv.global  group mean, spread of the whole batch                             [chapter 13]
//   A_gk = (r_gk - mean_g) / (std of all G K rewards + floor)
//   source: definitions of the public codes (Flow-GRPO, arXiv 2505.05470, floor 1e-4)
//   check: golden adv.variants
static inline void advantage_group_global_std(double *A, const double *r, int G, int K, double floor_) {
    double std = spread_of(r, (size_t)G * (size_t)K, 0);
    int g, k;
    for (g = 0; g < G; g++) {
        size_t at = (size_t)g * (size_t)K;
        double mean = mean_of(r + at, (size_t)K);
        for (k = 0; k < K; k++) {
            A[at + (size_t)k] = (r[at + (size_t)k] - mean) / (std + floor_);
        }
    }
}

// F: adv.centred  group mean only, no division                                     [chapter 13]
//   A_gk = r_gk - mean_g.   Shrinks the expected gradient by (K-1)/K, because r_gk is part of its own baseline.
//   source: Liu et al. 2025, arXiv 2503.20783 (no division by the spread)
//   check: factor (K-1)/K by enumeration; golden adv.variants
static inline void advantage_centred(double *A, const double *r, int G, int K) {
    int g, k;
    for (g = 0; g < G; g++) {
        size_t at = (size_t)g * (size_t)K;
        double mean = mean_of(r + at, (size_t)K);
        for (k = 0; k < K; k++) {
            A[at + (size_t)k] = r[at + (size_t)k] - mean;
        }
    }
}

// F: adv.loo     leave-one-out advantages                                          [chapter 13]
//   A_gk = r_gk - mean of the other K - 1 rewards of the group = K/(K-1) (r_gk - mean_g);  K >= 2
//   The baseline does not depend on x_gk, so the gradient estimate is unbiased.
//   source: Kool et al. 2019; Gupta et al. 2025, arXiv 2503.00897 use it for diffusion
//   check: unbiased by enumeration (theory.loo); golden adv.variants
static inline void advantage_loo(double *A, const double *r, int G, int K) {
    int g, k;
    if (K < 2) {
        DIE("advantage_loo: a group of %d has no others to compare with; use K >= 2", K);
    }
    for (g = 0; g < G; g++) {
        size_t at = (size_t)g * (size_t)K;
        double sum = mean_of(r + at, (size_t)K) * K;
        for (k = 0; k < K; k++) {
            A[at + (size_t)k] = r[at + (size_t)k] - (sum - r[at + (size_t)k]) / (K - 1);
        }
    }
}

// ---- a bandit, enumerated: what an estimator does on average ------------------------------------------------------

// p = softmax(theta) over S arms.
static inline void bandit_policy(double *p, const double *theta, size_t S) {
    double log_sum = e_logsumexp(theta, S);
    size_t s;
    for (s = 0; s < S; s++) {
        p[s] = e_exp(theta[s] - log_sum);
    }
}

// F: theory.bandit  exact gradient of the expected reward of softmax arms          [chapter 11]
//   J = sum_s p_s r_s,   dJ/dtheta_s = p_s (r_s - J),   p = softmax(theta);   returns J
//   source: textbook
//   check: finite differences; golden theory.loo
static inline double bandit_gradient(double *grad, const double *theta, const double *r, size_t S) {
    double J = 0;
    size_t s;
    bandit_policy(grad, theta, S);
    for (s = 0; s < S; s++) {
        J += grad[s] * r[s];
    }
    for (s = 0; s < S; s++) {
        grad[s] *= r[s] - J;
    }
    return J;
}

// F: theory.loo  expected group estimate of the bandit gradient, all S^K outcomes  [chapter 13]
//   estimator (1/K) sum_i A_i grad log p(a_i);   leave_one_out = 1: A of adv.loo, else A of adv.centred
//   leave-one-out: equals the exact gradient;  group mean: exactly (K-1)/K of it
//   grad, theta, r: S numbers.  S^K terms, refused above 1e7.
//   source: own derivation
//   check: both identities; golden theory.loo
static inline void group_expected_gradient(double *grad, const double *theta, const double *r, int S, int K,
                                           int leave_one_out) {
    double *p = NEW(double, (size_t)S);
    double *reward = NEW(double, (size_t)K);
    double *A = NEW(double, (size_t)K);
    int *arm = NEW(int, (size_t)K);
    double outcomes = 1;
    int i, s;
    for (i = 0; i < K; i++) {
        outcomes *= S;
    }
    if (S < 1 || K < 1 || outcomes > 1e7) {
        DIE("group_expected_gradient: %d arms, groups of %d: %.3g outcomes to enumerate; at most 1e7", S, K, outcomes);
    }
    bandit_policy(p, theta, (size_t)S);
    memset(grad, 0, (size_t)S * sizeof *grad);
    do {
        double prob = 1;
        for (i = 0; i < K; i++) {
            prob *= p[arm[i]];
            reward[i] = r[arm[i]];
        }
        if (leave_one_out) {
            advantage_loo(A, reward, 1, K);
        } else {
            advantage_centred(A, reward, 1, K);
        }
        for (i = 0; i < K; i++) {
            for (s = 0; s < S; s++) {
                grad[s] += prob * A[i] / K * ((arm[i] == s) - p[s]);
            }
        }
        for (i = 0; i < K && ++arm[i] == S; i++) { // count up in base S
            arm[i] = 0;
        }
    } while (i < K);
    free(p);
    free(reward);
    free(A);
    free(arm);
}

// ---- KL -----------------------------------------------------------------------------------------------------------

// F: kl.k1       KL estimator: minus the log-ratio                                 [chapter 12]
//   x ~ p,  q = log p_ref(x) - log p(x):   k1 = -q,   dk1/dlogp = 1
//   E[k1] = KL(p||p_ref), single values can be negative.  Differentiated as a loss it gives E = 0: useless.
//   source: Schulman 2020, note on approximating KL
//   check: expectation by enumeration; golden kl.estimators
static inline double kl_k1(double *dlogp, double logp, double logp_ref) {
    *dlogp = 1;
    return logp - logp_ref;
}

// F: kl.k2       KL estimator: half the squared log-ratio                          [chapter 12]
//   k2 = q^2/2,   dk2/dlogp = -q
//   The value is biased; differentiated as a loss its expectation is grad KL(p||p_ref), the gradient one wants.
//   source: Schulman 2020, note on approximating KL
//   check: expectation of the gradient by enumeration; golden kl.estimators
static inline double kl_k2(double *dlogp, double logp, double logp_ref) {
    double q = logp_ref - logp;
    *dlogp = -q;
    return 0.5 * q * q;
}

// F: kl.k3       KL estimator: never negative                                      [chapter 12]
//   k3 = e^q - 1 - q,   dk3/dlogp = 1 - e^q
//   E[k3] = KL(p||p_ref) and k3 >= 0; differentiated as a loss it gives grad KL(p_ref||p): the OTHER direction.
//   Series below |q| = 1e-2, because e^q - 1 - q loses all digits near 0 (k3 ~ q^2/2).
//   source: Schulman 2020, note on approximating KL
//   check: expectation by enumeration; k3(1e-9) = 5e-19; golden kl.estimators
static inline double kl_k3(double *dlogp, double logp, double logp_ref) {
    double q = logp_ref - logp;
    *dlogp = -e_expm1(q);
    if (fabs(q) < 1e-2) {
        return q * q * (0.5 + q * (1.0 / 6 + q * (1.0 / 24 + q * (1.0 / 120 + q * (1.0 / 720 + q / 5040)))));
    }
    return e_expm1(q) - q;
}

// F: kl.in_reward  KL paid step by step inside the return                          [chapter 12]
//   to_go_nk = r_n - beta sum_{j >= k} l_nj,   l = log p - log p_ref of a step (no gradient through it)
//   total_n = r_n - beta sum over all steps = to_go_n0
//   Used as the return of a score-function method it gives the full gradient of E[r] - beta KL(path), including the
//   part through the states that a KL term in the loss drops.
//   log_ratio, to_go (N,T) in sampling order, k = 0 the noisiest; r, total (N); total may be NULL.
//   source: own derivation
//   check: enumeration on a two-step chain; golden kl.in_reward
static inline void kl_in_reward(double *to_go, double *total, const double *r, const double *log_ratio, double beta,
                                int N, int T) {
    int n, k;
    for (n = 0; n < N; n++) {
        size_t at = (size_t)n * (size_t)T;
        double paid = 0;
        for (k = T - 1; k >= 0; k--) {
            paid += log_ratio[at + (size_t)k];
            to_go[at + (size_t)k] = r[n] - beta * paid;
        }
        if (total != NULL) {
            total[n] = r[n] - beta * paid;
        }
    }
}

#endif
