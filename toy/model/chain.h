// chain.h: the reverse chain x_T -> ... -> x_0 of any denoiser, and the law of each of its steps.
//
//   x_{k-1} ~ N(a_k x_k + b_k eps(x_k, k, c), sigma_k^2 I),   k = T-1 .. 0,   start x_{T-1} ~ N(0, I)
// The mean is the ancestral DDPM mean.  The standard deviation starts as the small one and can be set from the
// measured denoising loss (chain_fit_variance), which makes short chains sample the data law closely and leaves no
// step with sigma = 0: every step then has a density, so policy gradients and per-step KL are defined everywhere.
#ifndef TILT_CHAIN_H
#define TILT_CHAIN_H

#include "../../ref/formula/optimal_variance.h"
#include "../../ref/formula/sampler.h"
#include "../../ref/formula/schedule.h"
#include "guided.h"

typedef struct {
    int T;
    StepCoeffs *step; // T; step[k] leads from level k to level k - 1 (k = 0: to clean data)
    double guidance;  // s in eps_u + s (eps_c - eps_u); 1 = the conditional model alone
} Chain;

static inline Chain chain_new(const Schedule *schedule) {
    Chain chain = {schedule->T, NULL, 1};
    int k;
    chain.step = NEW(StepCoeffs, (size_t)schedule->T);
    for (k = 0; k < schedule->T; k++) {
        chain.step[k] = ddim_coeffs(schedule_abar(schedule, k), schedule_abar(schedule, k - 1), 1);
    }
    return chain;
}

// The chain without noise, DDIM.  The start decides everything, so two nets can be compared sample by sample; the
// steps have no density.
static inline Chain chain_ddim(const Schedule *schedule) {
    Chain chain = chain_new(schedule);
    int k;
    for (k = 0; k < schedule->T; k++) {
        chain.step[k] = ddim_coeffs(schedule_abar(schedule, k), schedule_abar(schedule, k - 1), 0);
    }
    return chain;
}

static inline void chain_free(Chain *chain) {
    free(chain->step);
    chain->step = NULL;
}

// eps (n x dim) of the chain at level k, with guidance.  x (n x dim), c (n).
static inline void chain_eps(real *eps, Net *net, const Chain *chain, const real *x, int k, const int *c, int n) {
    real *t = NEW(real, (size_t)n);
    int i;
    for (i = 0; i < n; i++) {
        t[i] = (real)k;
    }
    guided_eps(eps, net, x, t, c, chain->guidance, n);
    free(t);
}

// n samples x0 (n x dim) for the prompts c (n).  The noise of step k, row i, coordinate j has index
// ((k + 1) n + i) dim + j of (seed, stream); index 0.. is the start: see rng.h.
// path: NULL, or (T + 1) x n x dim states; path[k + 1] enters step k, path[k] leaves it, path[0] is x0.
// along: NULL, or T x n x dim; along[k] is the eps at path[k + 1], which a policy gradient need not ask for again.
static inline void chain_record(real *x0, real *path, real *along, Net *net, const Chain *chain, const int *c, int n,
                                uint64_t seed, uint64_t stream) {
    size_t numbers = (size_t)n * (size_t)net->in;
    real *eps = NEW(real, numbers), *z = NEW(real, numbers);
    int k;
    rng_fill_normal(x0, numbers, seed, stream, 0);
    for (k = chain->T - 1; k >= 0; k--) {
        StepCoeffs s = chain->step[k];
        if (path != NULL) {
            memcpy(path + (size_t)(k + 1) * numbers, x0, numbers * sizeof(real));
        }
        chain_eps(eps, net, chain, x0, k, c, n);
        rng_fill_normal(z, numbers, seed, stream, (uint64_t)(k + 1) * numbers);
        step_sample(x0, &s, x0, eps, z, numbers);
        if (along != NULL) {
            memcpy(along + (size_t)k * numbers, eps, numbers * sizeof(real));
        }
    }
    if (path != NULL) {
        memcpy(path, x0, numbers * sizeof(real));
    }
    free(eps);
    free(z);
}

// chain_record for those who do not need the eps.
static inline void chain_sample(real *x0, real *path, Net *net, const Chain *chain, const int *c, int n, uint64_t seed,
                                uint64_t stream) {
    chain_record(x0, path, NULL, net, chain, c, n, seed, stream);
}

// Sets sigma of every step from the denoising loss that this net reaches on n clean rows x0 with prompts c:
// optimal_variance() of ref/formula/optimal_variance.h.  Level k uses the noise with index k n dim ... of the stream.
static inline void chain_fit_variance(Chain *chain, Net *net, const Schedule *schedule, const real *x0, const int *c,
                                      int n, uint64_t seed, uint64_t stream) {
    size_t numbers = (size_t)n * (size_t)net->in, i;
    real *noise = NEW(real, numbers), *x = NEW(real, numbers), *eps = NEW(real, numbers);
    int k;
    for (k = 0; k < chain->T; k++) {
        StepCoeffs *s = &chain->step[k];
        double abar = schedule_abar(schedule, k), loss = 0;
        rng_fill_normal(noise, numbers, seed, stream, (uint64_t)k * numbers);
        forward_noise(x, x0, noise, abar, numbers);
        chain_eps(eps, net, chain, x, k, c, n);
        for (i = 0; i < numbers; i++) {
            double miss = (double)eps[i] - (double)noise[i];
            loss += miss * miss / (double)numbers;
        }
        s->sigma = sqrt(optimal_variance(abar, schedule_abar(schedule, k - 1), loss));
        s->w_kl = step_w_kl(s->b, s->sigma);
    }
    free(noise);
    free(x);
    free(eps);
}

// The KL between the chains of two nets, summed over steps and averaged over the n rows of a path drawn from `net`
// (chain_sample).  It is at least the KL of the laws of x_0 (data processing).  se: its standard error, or NULL.
static inline double chain_path_kl(double *se, Net *net, Net *ref, const Chain *chain, const real *path, const int *c,
                                   int n) {
    int dim = net->in, k, i;
    size_t numbers = (size_t)n * (size_t)dim;
    real *eps = NEW(real, numbers), *eps_ref = NEW(real, numbers);
    double *kl = NEW(double, (size_t)n), sum = 0, squares = 0;
    for (k = 0; k < chain->T; k++) {
        chain_eps(eps, net, chain, path + (size_t)(k + 1) * numbers, k, c, n);
        chain_eps(eps_ref, ref, chain, path + (size_t)(k + 1) * numbers, k, c, n);
        for (i = 0; i < n; i++) {
            size_t at = (size_t)i * (size_t)dim;
            kl[i] += step_kl(NULL, &chain->step[k], eps + at, eps_ref + at, (size_t)dim);
        }
    }
    for (i = 0; i < n; i++) {
        sum += kl[i];
        squares += kl[i] * kl[i];
    }
    if (se != NULL) {
        *se = sqrt((squares / n - (sum / n) * (sum / n)) / n);
    }
    free(eps);
    free(eps_ref);
    free(kl);
    return sum / n;
}

#endif
