// soft_value.h: what a noisy state is worth.  V_t(x) = beta log E[ e^(r(x_0)/beta) | x_t = x ], in closed form for a
// Gaussian mixture and a quadratic reward, and what follows from it: the noised optimum, three rewards that all call
// themselves "the reward of a noisy state", the aligned sampler, and the law of conservation of KL.
//
// Arguments as in mixture.h: the CLEAN mixture p of x_0, x_t = alpha x_0 + sigma eps, points double[2].
// beta is the KL temperature, reward units per nat; `rate` is the noise rate beta(t) of the VP path.
#ifndef TILT_SOFT_VALUE_H
#define TILT_SOFT_VALUE_H

#include "gmm_quadrature.h"
#include "schedule.h"
#include "tilt.h"

// ---- the soft value -----------------------------------------------------------------------------------------------

// F: val.soft    soft value of a noisy state                                       [chapter 14]
//   x_0 given x_t is the mixture (gamma_k, m_k, S_k), so V = beta log Z of ITS tilt (w*_k, m*_k) by r (see opt.gmm)
//   grad V = sum_k w*_k [ beta (g_k - s) + alpha C_k^-1 Sigma_k (b - A m*_k) ],   g_k, s: scores of p_t (gmm.score)
//   the first part moves weight between components, the second moves along the reward inside one
//   identities: p*_t = p_t e^(V/beta) / Z;   grad V = beta (grad log p*_t - grad log p_t).  The sum above does not
//   cancel: the difference of two scores loses the digits of alpha near pure noise, that of two means those of sigma^2.
//   V: reward units; grad V: 2 numbers (NULL if not wanted).   sigma = 0: V = r(x/alpha).   alpha = 0: V = beta log Z
//   source: Uehara et al. 2024; Li et al. 2024, arXiv 2408.08252; Lu et al. 2023 (the intermediate energy)
//   check: finite differences; martingale of e^(V/beta); both ends; p*_t pointwise; golden val.soft
static inline double soft_value(double *grad, const Gmm *p, const QuadReward *r, double beta, const double *x,
                                double alpha, double sigma) {
    double block[7 * GMM_MAX_K], tilted[7 * GMM_MAX_K], gamma[GMM_MAX_K], g[2 * GMM_MAX_K], inv[4 * GMM_MAX_K], s[2];
    Gmm posterior = gmm_on(block, p->K), star = gmm_on(tilted, p->K);
    double log_z;
    int k;
    gmm_posterior(&posterior, p, x, alpha, sigma);
    if (gmm_tilt(&star, &log_z, &posterior, r, beta) != 0) {
        DIE("soft_value: E[e^(r/beta) | x_t] is infinite at beta %g; it must exceed %g", beta,
            gmm_critical_beta(&posterior, r));
    }
    if (grad == NULL) {
        return beta * log_z;
    }
    gmm_look(gamma, g, inv, s, p, x, alpha, sigma);
    grad[0] = grad[1] = 0;
    for (k = 0; k < p->K; k++) {
        double slope[2], moved[2], pull[2];
        quad_reward_grad(slope, r, star.mu + 2 * k);
        mul2v(moved, p->cov + 4 * k, slope);
        mul2v(pull, inv + 4 * k, moved);
        grad[0] += star.w[k] * (beta * (g[2 * k] - s[0]) + alpha * pull[0]);
        grad[1] += star.w[k] * (beta * (g[2 * k + 1] - s[1]) + alpha * pull[1]);
    }
    return beta * log_z;
}

// F: opt.score   the optimum at a noise level                                      [chapter 14]
//   p*_t = sum_k w*_k N(alpha mu*_k, alpha^2 cov*_k + sigma^2 I): tilt FIRST, then add noise
//   gmm_score and gmm_eps of the result are the exact score and noise prediction of the aligned model, so every
//   sampler that works for p works for p*.  Tilting p_t by r(x_t) is another law.
//   star: a mixture with the same K, may be p; log_z: nats, NULL if not wanted.  DIEs when there is no tilt.
//   source: own derivation (noise and tilt act on the law of x_0, in this order)
//   check: p_t e^(V/beta)/Z pointwise; golden val.soft
static inline void gmm_tilt_noised(Gmm *star, double *log_z, const Gmm *p, const QuadReward *r, double beta,
                                   double alpha, double sigma) {
    if (gmm_tilt(star, log_z, p, r, beta) != 0) {
        DIE("gmm_tilt_noised: no tilt exists at beta %g; it must exceed %g", beta, gmm_critical_beta(p, r));
    }
    gmm_noised(star, star, alpha, sigma);
}

// ---- the reward of a noisy state ----------------------------------------------------------------------------------

typedef struct {
    double at_mean; // r(E[x_0|x_t]): the reward of the denoised picture
    double mean;    // E[r(x_0)|x_t]: what a network learns when it regresses r(x_0) on x_t with squared error
    double soft;    // V_t: what the optimum needs
} TimedReward;

// F: rm.time     three rewards of a noisy state                                    [chapter 8]
//   r(x0hat),   E[r|x_t],   V = beta log E[e^(r/beta)|x_t]      all in reward units
//   V >= E[r|x_t] always (Jensen);   r(x0hat) >= E[r|x_t] when r is concave, <= when convex, = when linear
//   sigma -> 0: all are r(x/alpha).   alpha -> 0: r(E[x_0]), E[r], beta log Z.   beta -> inf: V -> E[r|x_t]
//   source: Lu et al. 2023, arXiv 2304.12824 (V is the energy of the noised tilt; the mean is not)
//   check: order of the three; both ends; golden val.soft
static inline TimedReward reward_at_time(const Gmm *p, const QuadReward *r, double beta, const double *x, double alpha,
                                         double sigma) {
    double block[7 * GMM_MAX_K], x0[2], cov[4];
    Gmm posterior = gmm_on(block, p->K);
    TimedReward t;
    gmm_posterior(&posterior, p, x, alpha, sigma);
    gmm_moments(x0, cov, &posterior);
    t.at_mean = quad_reward(r, x0);
    gmm_reward_moments(&t.mean, NULL, &posterior, r);
    t.soft = soft_value(NULL, p, r, beta, x, alpha, sigma);
    return t;
}

// F: rm.time     loss of a network f(x_t, t) that is to become V/beta              [chapter 8]
//   n clean samples of one prompt with rewards r_k, noised to the SAME level t, outputs f_k = f(x_t^k, t):
//   L = - sum_k q_k log softmax(f)_k,   q = softmax(r/beta);   dL/df_k = softmax(f)_k - q_k
//   as n grows the optimum is f = V_t/beta + c(t): the constant of each level stays free, its gradient does not.
//   Squared error on r (or on r/beta) gives the mean instead, whose gradient guides to another law.
//   df: n numbers out (NULL if not wanted).  r in reward units, beta > 0.  L >= entropy of q, equal iff softmax(f) = q.
//   source: Lu et al. 2023, arXiv 2304.12824 (contrastive energy prediction)
//   check: finite differences; minimum at f = r/beta + c; the population minimiser on a table is V/beta
static inline double cep_loss(real *df, const real *f, const double *r, double beta, size_t n) {
    double *q, *f64, log_q, log_f, loss = 0;
    size_t k;
    if (!(beta > 0) || n == 0) {
        DIE("cep_loss: %zu samples at KL temperature %g; both must be positive", n, beta);
    }
    q = NEW(double, n);
    f64 = NEW(double, n);
    for (k = 0; k < n; k++) {
        q[k] = r[k] / beta;
        f64[k] = (double)f[k];
    }
    log_q = e_logsumexp(q, n);
    log_f = e_logsumexp(f64, n);
    for (k = 0; k < n; k++) {
        double target = e_exp(q[k] - log_q);
        loss -= target * (f64[k] - log_f);
        if (df != NULL) {
            df[k] = (real)(e_exp(f64[k] - log_f) - target);
        }
    }
    free(q);
    free(f64);
    return loss;
}

// ---- the aligned sampler ------------------------------------------------------------------------------------------

// F: doob.drift  the aligned reverse SDE of the VP path                            [chapter 14]
//   dx = [ -(rate/2) x - rate s - rate grad V/beta ] dt + sqrt(rate) dw,   dt < 0: sampling runs from noise to data
//   so in reversed time rate grad V/beta is ADDED to the drift (Doob's h-transform with h = e^(V/beta))
//   x, score s, grad V: 2 numbers each; rate: 1/time; beta: KL temperature.   V = const: the reference SDE
//   source: Doob's h-transform; Domingo-Enrich et al. 2024 use the opposite sign of V
//   check: the reference drift with the score of p*_t; ODE drift minus half a rate of that score; golden val.soft
static inline void doob_sde_drift(double *drift, const double *x, const double *score, const double *grad_v,
                                  double rate, double beta) {
    int i;
    for (i = 0; i < 2; i++) {
        drift[i] = -rate / 2 * x[i] - rate * (score[i] + grad_v[i] / beta);
    }
}

// F: doob.drift  the aligned probability-flow ODE: half of it                      [chapter 14]
//   dx/dt = -(rate/2) (x + s + grad V/beta)
//   source: pf.ode with the score of p*_t
//   check: gmm_vp_drift of the noised tilt
static inline void doob_ode_drift(double *drift, const double *x, const double *score, const double *grad_v,
                                  double rate, double beta) {
    int i;
    for (i = 0; i < 2; i++) {
        drift[i] = -rate / 2 * (x[i] + score[i] + grad_v[i] / beta);
    }
}

// F: doob.drift  the aligned noise prediction                                      [chapter 14]
//   eps_aligned = eps - sigma grad V/beta      n numbers; any sampler takes it in place of eps; out may be eps
//   source: eps = -sigma score
//   check: gmm_eps of the noised tilt; golden val.soft
static inline void doob_eps(real *out, const real *eps, const real *grad_v, double sigma, double beta, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        out[i] = (real)(eps[i] - sigma * grad_v[i] / beta);
    }
}

// ---- conservation of KL -------------------------------------------------------------------------------------------

typedef struct {
    const Gmm *ref, *star; // p_t and p*_t
} NoisedPair;

// value[0] = log p*_t/p_t, value[1] = |grad log p*_t - grad log p_t|^2.
static inline void noised_pair_at(double *value, const double *x, void *user) {
    const NoisedPair *pair = (const NoisedPair *)user;
    double s[2], s_star[2];
    value[0] = -gmm_score(s, pair->ref, x);
    value[0] += gmm_score(s_star, pair->star, x);
    value[1] = (s_star[0] - s[0]) * (s_star[0] - s[0]) + (s_star[1] - s[1]) * (s_star[1] - s[1]);
}

// KL(p*_t || p_t), and E_{p*_t} |difference of the exact noise predictions|^2, at half log-SNR lambda of a VP path.
static inline double tilt_kl_at_level(double *eps_gap, const Gmm *p, const Gmm *tilted, double lambda) {
    double ref[7 * GMM_MAX_K], star[7 * GMM_MAX_K], mean[2], abar = abar_of_half_logsnr(lambda);
    double sigma = sqrt(abar_of_half_logsnr(-lambda)); // 1 - abar, without its cancellation
    Gmm p_t = gmm_on(ref, p->K), star_t = gmm_on(star, p->K);
    NoisedPair pair;
    gmm_noised(&p_t, p, sqrt(abar), sigma);
    gmm_noised(&star_t, tilted, sqrt(abar), sigma);
    pair.ref = &p_t;
    pair.star = &star_t;
    gmm_expect(mean, &star_t, 2, noised_pair_at, &pair);
    *eps_gap = sigma * sigma * mean[1];
    return mean[0];
}

typedef struct {
    double kl_clean; // KL(p*_t || p_t) at the clean end
    double kl_noisy; // at the noisy end
    double path;     // what the steps between them add: E_{P*}[ log dP*/dP of the steps ]
} DoobKl;

// F: doob.kl     path KL = marginal KL, for the exact aligned process alone        [chapter 14]
//   P* = P e^(r(x_0)/beta) / Z on whole paths: the weight depends on x_0 only, so x_T..x_1 given x_0 is untouched, and
//   KL(p*_0||p_0) = KL(p*_T||p_T) + (1/2) int g^2 E_{p*_t} |grad V/beta|^2 dt          nats
//                 = KL(p*_T||p_T) + int E_{p*_t} |eps* - eps|^2 d lambda      lambda = log(alpha/sigma), any schedule
//   Any other policy with the same law of x_0 has a larger path KL.   Simpson's rule in lambda, `steps` even;
//   lambda_clean > lambda_noisy.
//   source: own derivation: chain rule of KL and Girsanov's theorem
//   check: conservation by quadrature at several levels; golden doob.kl
static inline DoobKl doob_kl(const Gmm *p, const QuadReward *r, double beta, double lambda_clean, double lambda_noisy,
                             int steps) {
    double block[7 * GMM_MAX_K], h = (lambda_clean - lambda_noisy) / steps, gap;
    Gmm tilted = gmm_on(block, p->K);
    DoobKl d;
    int i;
    if (steps < 2 || steps % 2 != 0 || !(h > 0)) {
        DIE("doob_kl: %d steps from lambda %g down to %g; use an even number of steps and a falling lambda", steps,
            lambda_clean, lambda_noisy);
    }
    gmm_tilt_noised(&tilted, NULL, p, r, beta, 1, 0);
    d.path = 0;
    for (i = 0; i <= steps; i++) {
        double kl = tilt_kl_at_level(&gap, p, &tilted, lambda_noisy + i * h);
        d.path += gap * h / 3 * (i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2);
        d.kl_noisy = i == 0 ? kl : d.kl_noisy;
        d.kl_clean = kl;
    }
    return d;
}

#endif
