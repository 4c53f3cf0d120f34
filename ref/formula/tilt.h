// tilt.h: the exact answer.  The best trade of reward against distance from the reference is the reference, tilted:
//     p*(x) = p(x) e^(r(x)/beta) / Z.
//
// For tables (also grids of cells) and, in closed form, for 2-D Gaussian mixtures with a quadratic reward.  Every
// method is scored against these numbers.  beta is the KL temperature, reward units per nat, never a noise rate.
#ifndef TILT_TILT_H
#define TILT_TILT_H

#include "../core/linalg.h"
#include "metrics.h"
#include "mixture.h"

// One point of the reward-KL frontier.
typedef struct {
    double log_z;     // nats
    double e_r;       // E*[r], reward units
    double var_r;     // Var*[r], reward units^2
    double kl;        // KL(p*||p), nats
    double objective; // J* = E*[r] - beta KL = beta log Z, reward units
} TiltPoint;

// F: opt.value   the value of the optimum and its divergence                       [chapter 9]
//   max_q E_q[r] - beta KL(q||p) = beta log Z;   KL(p*||p) = E*[r]/beta - log Z
//   J(q) = beta log Z - beta KL(q||p*): whatever q, the gap to the optimum is exactly beta KL(q||p*)
//   r + c adds c to the value and leaves p* alone.  The subtraction in KL costs about |r/beta| 1e-16 nats.
//   source: Gibbs variational principle
//   check: perturbed q against the gap; quadrature; golden opt.gmm
static inline TiltPoint tilt_point(double log_z, double e_r, double var_r, double beta) {
    TiltPoint t;
    t.log_z = log_z;
    t.e_r = e_r;
    t.var_r = var_r;
    t.kl = e_r / beta - log_z;
    t.objective = beta * log_z;
    return t;
}

// ---- tables and grids ---------------------------------------------------------------------------------------------

// F: opt.tilt    the tilted table                                                  [chapter 9]
//   p*_i = p_i e^(r_i/beta) / Z,   Z = sum_i p_i e^(r_i/beta);   returns log Z in nats
//   p_ref: n probabilities (a grid: density times cell size), r: n rewards, beta > 0.  p_star may be p_ref.
//   beta -> inf: p_ref.  beta -> 0: the best items.  Shifted by the largest log weight, so no r/beta is too large.
//   source: Gibbs variational principle
//   check: gap beta KL(q||p*) for any q; golden opt.discrete
static inline double tilt_discrete(double *p_star, const double *p_ref, const double *r, double beta, size_t n) {
    double top = -INFINITY, sum = 0;
    size_t i;
    if (!(beta > 0)) {
        DIE("tilt_discrete: the KL temperature beta must be positive, got %g", beta);
    }
    for (i = 0; i < n; i++) {
        double s = e_log(p_ref[i]) + r[i] / beta;
        top = s > top ? s : top;
    }
    for (i = 0; i < n; i++) { // top is finite unless p_ref is all zero
        p_star[i] = p_ref[i] > 0 ? e_exp(e_log(p_ref[i]) + r[i] / beta - top) : 0;
        sum += p_star[i];
    }
    if (!(sum > 0)) {
        DIE("tilt_discrete: no mass to tilt among %zu items; check that p_ref is positive somewhere and r is finite",
            n);
    }
    for (i = 0; i < n; i++) {
        p_star[i] /= sum;
    }
    return top + e_log(sum);
}

// E_p[f] = sum_i p_i f_i, and Var_p[f] if var is not NULL.
static inline double table_mean(double *var, const double *p, const double *f, size_t n) {
    double mean = 0, square = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        mean += p[i] * f[i];
    }
    for (i = 0; i < n; i++) {
        square += p[i] * (f[i] - mean) * (f[i] - mean);
    }
    if (var != NULL) {
        *var = square;
    }
    return mean;
}

// F: opt.frontier  the frontier of a table at one temperature                      [chapter 9]
//   with eta = 1/beta:  d log Z/d eta = E*[r],  d E*[r]/d eta = Var*[r],  d KL/d eta = eta Var*[r],  so dE/dKL = beta
//   No distribution has a larger E[r] at the same KL.  p_star: n probabilities out, not p_ref (NULL if not wanted).
//   source: exponential-family identities
//   check: finite differences of the identities; golden opt.discrete
static inline TiltPoint tilt_discrete_point(double *p_star, const double *p_ref, const double *r, double beta,
                                            size_t n) {
    double *own = p_star == NULL ? NEW(double, n) : NULL;
    double *q = p_star == NULL ? own : p_star;
    double log_z = tilt_discrete(q, p_ref, r, beta, n);
    double var, e_r = table_mean(&var, q, r, n);
    TiltPoint t = tilt_point(log_z, e_r, var, beta);
    t.kl = kl_discrete(q, p_ref, n); // E*[r]/beta - log Z loses all digits when beta is tiny
    free(own);
    return t;
}

// F: opt.frontier  the temperature at which the tilt of a table has a given KL     [chapter 9]
//   bisection of log beta: KL(beta) decreases from -log P(best level) at beta -> 0 to 0 at beta -> inf
//   Use it to ask what the exact tilt would earn at the KL a method spent.  Returns 0 when no tilt has that much KL.
//   source: monotone because d KL/d eta = eta Var*[r] >= 0
//   check: KL of the returned temperature
static inline double tilt_discrete_beta_at_kl(const double *p_ref, const double *r, double kl, size_t n) {
    double low = -40, high = 40;
    int k;
    if (!(tilt_discrete_point(NULL, p_ref, r, e_exp(low), n).kl > kl)) {
        return 0;
    }
    for (k = 0; k < 100; k++) {
        double mid = 0.5 * (low + high);
        if (tilt_discrete_point(NULL, p_ref, r, e_exp(mid), n).kl > kl) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return e_exp(0.5 * (low + high));
}

// F: theory.rwr_iterated  exact rounds of reward-weighted regression               [chapter 11]
//   one round p <- p e^(r/tau)/Z;  k rounds are one tilt at temperature tau/k: without an anchor it never stops
//   p: n probabilities, in place; tau > 0 reward units per nat.
//   source: own derivation
//   check: equals tilt_discrete at tau/k; golden theory.rwr_iterated
static inline void rwr_iterated(double *p, const double *r, double tau, int rounds, size_t n) {
    int k;
    for (k = 0; k < rounds; k++) {
        tilt_discrete(p, p, r, tau, n);
    }
}

// F: opt.init theory.trajectory_balance  what a chain can reach when its start is kept  [chapter 14]
//   V(x_T) = beta log E[ e^(r(x_0)/beta) | x_T ]                                soft value of the start
//   free start:  p*(x_T, x_0) = p(x_T) k(x_0|x_T) e^(r/beta) / Z,  x_0 marginal = the tilt of the marginal
//   fixed start: x_T ~ p(x_T) as always in practice, marginal int p(x_T) k(x_0|x_T) e^((r - V(x_T))/beta)
//   They agree only when V is constant, for example when x_0 does not depend on x_T.
//   p_start: T numbers; kernel (T,S), rows sum to 1; r: S.  Out: fixed, ideal (S), value (T).  Returns beta log Z.
//   source: own derivation; Domingo-Enrich et al. 2024 treat the continuous case
//   check: residual beta log(p*/p) - r + beta log Z = 0 for every pair; golden theory.trajectory_balance
static inline double tilt_fixed_start(double *fixed, double *ideal, double *value, const double *p_start,
                                      const double *kernel, const double *r, double beta, size_t T, size_t S) {
    double *row = NEW(double, S);
    size_t t, s;
    memset(fixed, 0, S * sizeof *fixed);
    memset(ideal, 0, S * sizeof *ideal);
    for (t = 0; t < T; t++) {
        value[t] = beta * tilt_discrete(row, kernel + t * S, r, beta, S);
        for (s = 0; s < S; s++) {
            fixed[s] += p_start[t] * row[s];
            ideal[s] += p_start[t] * kernel[t * S + s]; // for now: the reference marginal of x_0
        }
    }
    free(row);
    return beta * tilt_discrete(ideal, ideal, r, beta, S);
}

// ---- Gaussian mixtures and quadratic rewards ----------------------------------------------------------------------

// r(x) = -x'Ax/2 + b'x + c in the plane.  A symmetric (any sign, or 0), row-major, reward units per length^2;
// b reward units per length.
typedef struct {
    double A[4], b[2], c;
} QuadReward;

// out = M v for a 2 x 2 matrix; out may not be v.
static inline void mul2v(double *out, const double *M, const double *v) {
    out[0] = M[0] * v[0] + M[1] * v[1];
    out[1] = M[2] * v[0] + M[3] * v[1];
}

// out = M N for 2 x 2 matrices; out may be neither.
static inline void mul2(double *out, const double *M, const double *N) {
    out[0] = M[0] * N[0] + M[1] * N[2];
    out[1] = M[0] * N[1] + M[1] * N[3];
    out[2] = M[2] * N[0] + M[3] * N[2];
    out[3] = M[2] * N[1] + M[3] * N[3];
}

static inline double dot2(const double *u, const double *v) {
    return u[0] * v[0] + u[1] * v[1];
}

// grad r(x) = b - A x
static inline void quad_reward_grad(double *grad, const QuadReward *r, const double *x) {
    double Ax[2];
    mul2v(Ax, r->A, x);
    grad[0] = r->b[0] - Ax[0];
    grad[1] = r->b[1] - Ax[1];
}

static inline double quad_reward(const QuadReward *r, const double *x) {
    double Ax[2];
    mul2v(Ax, r->A, x);
    return -0.5 * dot2(x, Ax) + dot2(r->b, x) + r->c;
}

// F: opt.exist   the lowest temperature with a tilt                                [chapter 9]
//   the tilt exists iff cov_k^-1 + A/beta is positive definite for every k, that is iff beta > beta_c,
//   beta_c = max_k largest eigenvalue of -L_k' A L_k,  cov_k = L_k L_k';   0 when A >= 0 (any beta will do)
//   Below it the reward grows faster than a tail of p falls: no optimum exists, and a sampler just diverges.
//   source: own derivation
//   check: smallest eigenvalue changes sign between 0.999 and 1.001 beta_c; golden opt.exist
static inline double gmm_critical_beta(const Gmm *p, const QuadReward *r) {
    double critical = 0;
    int k;
    for (k = 0; k < p->K; k++) {
        double L[4], Lt[4], AL[4], M[4], lambda[2];
        cholesky2_singular(L, p->cov + 4 * k); // a component may be a point or a line
        Lt[0] = L[0];
        Lt[1] = L[2];
        Lt[2] = L[1];
        Lt[3] = L[3];
        mul2(AL, r->A, L);
        mul2(M, Lt, AL);
        eig2(lambda, NULL, M);
        critical = fmax(critical, -lambda[0]);
    }
    return critical;
}

static inline int gmm_tilt_exists(const Gmm *p, const QuadReward *r, double beta) {
    return beta > gmm_critical_beta(p, r);
}

// F: opt.gmm     the tilt of a Gaussian mixture by a quadratic reward              [chapter 9]
//   with M = I + cov A/beta and g = b - A mu, for each component:
//   cov* = M^-1 cov = (cov^-1 + A/beta)^-1,   mu* = mu + cov* g/beta
//   log Z_k = r(mu)/beta + g' cov* g/(2 beta^2) - (1/2) log|M|
//   w*_k = w_k Z_k / Z,   Z = sum_k w_k Z_k      weights move too, even for a linear reward
//   tilted: a mixture with the same K, may be p itself; log_z in nats (NULL if not wanted).
//   Returns 0, or 1 (nothing written, log_z = inf) when no tilt exists at this beta.
//   source: Gaussian integrals, own derivation
//   check: 2-D quadrature of Z, E*[r], Var*[r], KL; golden opt.gmm
static inline int gmm_tilt(Gmm *tilted, double *log_z, const Gmm *p, const QuadReward *r, double beta) {
    double *log_w, total;
    int k;
    if (!(beta > 0) || tilted->K != p->K) {
        DIE("gmm_tilt: needs beta > 0 and equal numbers of components, got beta %g and %d, %d", beta, tilted->K, p->K);
    }
    if (!gmm_tilt_exists(p, r, beta)) {
        if (log_z != NULL) {
            *log_z = INFINITY;
        }
        return 1;
    }
    log_w = NEW(double, (size_t)p->K);
    for (k = 0; k < p->K; k++) {
        const double *mu = p->mu + 2 * k, *cov = p->cov + 4 * k;
        double covA[4], M[4], Minv[4], S[4], g[2], Sg[2], excess, at_mean = quad_reward(r, mu);
        mul2(covA, cov, r->A);
        M[0] = 1 + covA[0] / beta;
        M[1] = covA[1] / beta;
        M[2] = covA[2] / beta;
        M[3] = 1 + covA[3] / beta;
        excess = (covA[0] + covA[3]) / beta + det2(covA) / (beta * beta); // |M| - 1, small when beta is large
        inv2(Minv, M);
        mul2(S, Minv, cov);
        quad_reward_grad(g, r, mu);
        mul2v(Sg, S, g);
        log_w[k] = e_log(p->w[k]) + at_mean / beta + dot2(g, Sg) / (2 * beta * beta) - 0.5 * e_log1p(excess);
        tilted->mu[2 * k] = mu[0] + Sg[0] / beta;
        tilted->mu[2 * k + 1] = mu[1] + Sg[1] / beta;
        tilted->cov[4 * k] = S[0];
        tilted->cov[4 * k + 1] = tilted->cov[4 * k + 2] = 0.5 * (S[1] + S[2]);
        tilted->cov[4 * k + 3] = S[3];
    }
    total = e_logsumexp(log_w, (size_t)p->K);
    for (k = 0; k < p->K; k++) {
        tilted->w[k] = e_exp(log_w[k] - total);
    }
    if (log_z != NULL) {
        *log_z = total;
    }
    free(log_w);
    return 0;
}

// F: opt.Er      mean and variance of a quadratic reward under a mixture           [chapter 9]
//   m_k = r(mu_k) - tr(A cov_k)/2,   v_k = g' cov_k g + tr(A cov_k A cov_k)/2,  g = b - A mu_k
//   E[r] = sum_k w_k m_k,   Var[r] = sum_k w_k ( v_k + (m_k - E[r])^2 )
//   mean, var: either may be NULL.
//   source: Gaussian moments
//   check: 2-D quadrature; d log Z/d(1/beta) = E*[r]; golden opt.gmm
static inline void gmm_reward_moments(double *mean, double *var, const Gmm *p, const QuadReward *r) {
    double e_r = 0, spread = 0, square = 0;
    int k, pass;
    for (pass = 0; pass < 2; pass++) { // first the mean, then the spread around it
        for (k = 0; k < p->K; k++) {
            const double *mu = p->mu + 2 * k, *cov = p->cov + 4 * k;
            double g[2], Sg[2], AS[4], ASAS[4], m;
            mul2(AS, r->A, cov);
            m = quad_reward(r, mu) - 0.5 * (AS[0] + AS[3]);
            if (pass == 0) {
                e_r += p->w[k] * m;
                continue;
            }
            mul2(ASAS, AS, AS);
            quad_reward_grad(g, r, mu);
            mul2v(Sg, cov, g);
            spread += p->w[k] * (dot2(g, Sg) + 0.5 * (ASAS[0] + ASAS[3]));
            square += p->w[k] * (m - e_r) * (m - e_r);
        }
    }
    if (mean != NULL) {
        *mean = e_r;
    }
    if (var != NULL) {
        *var = spread + square;
    }
}

// F: opt.frontier  the frontier of a mixture at one temperature                    [chapter 9]
//   E*[r], KL(p*||p), log Z, J* = beta log Z, Var*[r] of the tilt; identities as for tables
//   DIEs when the tilt does not exist: ask gmm_critical_beta first.
//   source: exponential-family identities
//   check: finite differences of the identities; golden opt.frontier
static inline TiltPoint gmm_tilt_point(const Gmm *p, const QuadReward *r, double beta) {
    Gmm tilted = gmm_new(p->K);
    double log_z, e_r, var_r;
    if (gmm_tilt(&tilted, &log_z, p, r, beta) != 0) {
        DIE("gmm_tilt_point: no tilt exists at beta %g; it must exceed %g", beta, gmm_critical_beta(p, r));
    }
    gmm_reward_moments(&e_r, &var_r, &tilted, r);
    gmm_free(&tilted);
    return tilt_point(log_z, e_r, var_r, beta);
}

#endif
