// twisted.h: alignment without training.  Samplers that steer the chain of any denoiser with nothing but a reward and a
// guess of what a noisy state will be worth.
//
//   twisted_run    sequential Monte Carlo: crowds of particles with weights; exact for any guess as crowds grow, and
//                  its estimate of Z is unbiased at any size.  With `slope` its proposals lean towards higher value.
//   svdd_sample    the best of M candidates in every step; no weights, biased
//   chain_guided   every step leans, nothing corrects it; biased
// The target is the law of the chain, start included, tilted by e^(r/beta).  A crowd is a group of N rows; groups are
// independent, so a mean over groups has an honest standard error.  Noise: row i of step k uses the indices of
// chain_sample on `stream`; choices use `stream + 1`.  Results do not depend on the number of threads.
#ifndef TILT_TWISTED_H
#define TILT_TWISTED_H

#include "../../ref/formula/decoding.h"
#include "chain.h"

// v (n) = what n states are worth, reward units.  x (n x dim) at level k = T-1 .. 0 (the states that step k reads), eps
// (n x dim) what the net says there, so that a guess such as r(x0hat) costs no further evaluation.
typedef void (*TwistValue)(double *v, const real *x, const real *eps, int k, const int *c, int n, void *user);
// g (n x dim) = d value / d x.  May call net->backward at (x, k).
typedef void (*TwistSlope)(real *g, const real *x, const real *eps, int k, const int *c, int n, void *user);
// r (n) = the true reward of clean rows x0.
typedef void (*TwistReward)(double *r, const real *x0, const int *c, int n, void *user);

typedef struct {
    TwistReward reward;
    TwistValue value;
    TwistSlope slope; // NULL: the chain proposes itself
    void *user;
    double beta;           // KL temperature, reward units per nat
    FkPotential kind;      // FK_DIFFERENCE is the twisted sampler proper
    double resample_below; // resample when fewer than this share of a crowd is effective; 1: always, 0: never
    size_t slope_cost;     // evaluations a row of `slope` costs (a backward pass counts as one)
} Twist;

typedef struct {
    int groups, N;
    real *x0;      // groups * N x dim
    double *W;     // groups * N: weights, sum 1 in each group
    double *log_z; // groups: estimates of log E[e^(r(x_0)/beta)] under the chain; the estimate of Z is unbiased
    int *ancestor; // groups * N: the start row of the group (0 .. N-1) that the particle descends from
    double *ess;   // groups: effective number of particles at the end
    size_t rows;   // network evaluations, backward passes included
} TwistedRun;

static inline void twisted_free(TwistedRun *run) {
    free(run->x0);
    free(run->W);
    free(run->log_z);
    free(run->ancestor);
    free(run->ess);
}

// rows of a (n x width bytes) in the order of index; index of a group counts from its first row.
static inline void twisted_gather(void *a, size_t width, const int *index, int groups, int N) {
    size_t bytes = (size_t)N * width, i;
    char *copy = NEW(char, bytes), *block = (char *)a;
    int g;
    for (g = 0; g < groups; g++, block += bytes) {
        memcpy(copy, block, bytes);
        for (i = 0; i < (size_t)N; i++) {
            memcpy(block + i * width, copy + (size_t)index[(size_t)g * (size_t)N + i] * width, width);
        }
    }
    free(copy);
}

static inline size_t twisted_eps(real *eps, Net *net, const Chain *chain, const real *x, int k, const int *c, int n) {
    chain_eps(eps, net, chain, x, k, c, n);
    return (size_t)n * (chain->guidance != 1 ? 2 : 1);
}

// x becomes the state after step k: mean + shift + sigma z.  The shift is sigma^2 slope/beta at the mean, when there is
// a slope and a level below to ask (k > 0); without one the step is that of chain_sample, bit for bit.  log_pq (n), or
// NULL: log p - log q of the move.  Returns the evaluations spent.
static inline size_t twisted_move(real *x, double *log_pq, Net *net, const Chain *chain, const Twist *twist,
                                  const real *eps, int k, const int *c, int n, uint64_t seed, uint64_t stream) {
    size_t row = (size_t)net->in, numbers = (size_t)n * row, spent, j;
    StepCoeffs s = chain->step[k];
    real *z = NEW(real, numbers), *mean, *there, *shift;
    int i;
    rng_fill_normal(z, numbers, seed, stream, (uint64_t)(k + 1) * numbers);
    for (i = 0; i < n && log_pq != NULL; i++) {
        log_pq[i] = 0;
    }
    if (twist->slope == NULL || k == 0 || !(s.sigma > 0)) {
        step_sample(x, &s, x, eps, z, numbers);
        free(z);
        return 0;
    }
    mean = NEW(real, numbers);
    there = NEW(real, numbers);
    shift = NEW(real, numbers);
    step_mean(mean, &s, x, eps, numbers);
    spent = twisted_eps(there, net, chain, mean, k - 1, c, n) + (size_t)n * twist->slope_cost;
    twist->slope(shift, mean, there, k - 1, c, n, twist->user);
    cg_step_shift(shift, shift, s.sigma, twist->beta, numbers);
    for (j = 0; j < numbers; j++) {
        x[j] = (real)((double)mean[j] + (double)shift[j] + s.sigma * (double)z[j]);
    }
    for (i = 0; i < n && log_pq != NULL; i++) {
        size_t at = (size_t)i * row;
        log_pq[i] = cg_step_log_ratio(x + at, mean + at, shift + at, s.sigma, row);
    }
    free(z);
    free(mean);
    free(there);
    free(shift);
    return spent;
}

// The potentials of one stage: log_w += log_pq + log G.
static inline void twisted_weigh(double *log_w, FkPath *path, const double *log_pq, const double *v, const Twist *twist,
                                 int final, int n) {
    int i;
    for (i = 0; i < n; i++) {
        log_w[i] += log_pq[i] + fk_log_potential(&path[i], twist->kind, v[i], twist->beta, final);
    }
}

// `groups` crowds of N particles for the prompts c (groups * N, or NULL).
static inline TwistedRun twisted_run(Net *net, const Chain *chain, const Twist *twist, const int *c, int groups, int N,
                                     uint64_t seed, uint64_t stream) {
    int n = groups * N, k, g, i;
    size_t row = (size_t)net->in, numbers = (size_t)n * row;
    double *log_w = NEW(double, (size_t)n), *log_pq = NEW(double, (size_t)n), *v = NEW(double, (size_t)n);
    int *index = NEW(int, (size_t)n);
    FkPath *path = NEW(FkPath, (size_t)n);
    real *eps = NEW(real, numbers);
    TwistedRun run;
    run.groups = groups;
    run.N = N;
    run.rows = 0;
    run.x0 = NEW(real, numbers);
    run.W = NEW(double, (size_t)n);
    run.ancestor = NEW(int, (size_t)n);
    run.log_z = NEW(double, (size_t)groups);
    run.ess = NEW(double, (size_t)groups);
    for (i = 0; i < n; i++) {
        run.ancestor[i] = i % N;
    }
    rng_fill_normal(run.x0, numbers, seed, stream, 0);
    for (k = chain->T - 1; k >= 0; k--) {
        run.rows += twisted_eps(eps, net, chain, run.x0, k, c, n);
        twist->value(v, run.x0, eps, k, c, n, twist->user);
        twisted_weigh(log_w, path, log_pq, v, twist, 0, n);
        for (g = 0; g < groups; g++) {
            double u = rng_uniform(seed, stream + 1, (uint64_t)k * (uint64_t)groups + (uint64_t)g);
            run.log_z[g] += smc_stage(index + g * N, log_w + g * N, twist->resample_below * N, u, (size_t)N);
        }
        twisted_gather(run.x0, row * sizeof(real), index, groups, N); // everything a particle owns moves with it
        twisted_gather(eps, row * sizeof(real), index, groups, N);
        twisted_gather(path, sizeof *path, index, groups, N);
        twisted_gather(run.ancestor, sizeof *run.ancestor, index, groups, N);
        run.rows += twisted_move(run.x0, log_pq, net, chain, twist, eps, k, c, n, seed, stream);
    }
    twist->reward(v, run.x0, c, n, twist->user);
    twisted_weigh(log_w, path, log_pq, v, twist, 1, n); // the last value is the true reward, whatever was guessed
    for (g = 0; g < groups; g++) {
        run.log_z[g] += smc_normalise(run.W + g * N, log_w + g * N, (size_t)N);
        run.ess[g] = effective_sample_size(run.W + g * N, (size_t)N);
    }
    free(log_w);
    free(log_pq);
    free(v);
    free(index);
    free(path);
    free(eps);
    return run;
}

// One particle of every group, drawn by weight: out (groups x dim).  With one output a crowd, outputs are independent.
static inline void twisted_pick(real *out, const TwistedRun *run, int dim, uint64_t seed, uint64_t stream) {
    int g, chosen;
    for (g = 0; g < run->groups; g++) {
        smc_systematic(&chosen, run->W + g * run->N, rng_uniform(seed, stream, (uint64_t)g), (size_t)run->N, 1);
        memcpy(out + (size_t)g * (size_t)dim, run->x0 + ((size_t)g * (size_t)run->N + (size_t)chosen) * (size_t)dim,
               (size_t)dim * sizeof(real));
    }
}

// n samples (n x dim) of SVDD: in every step each row draws M candidates and keeps one by its value.  Returns the
// evaluations spent.  The step to clean data chooses by the true reward, if it has noise.
static inline size_t svdd_sample(real *x0, Net *net, const Chain *chain, const Twist *twist, const int *c, int n, int M,
                                 uint64_t seed, uint64_t stream) {
    size_t row = (size_t)net->in, numbers = (size_t)n * row, spent;
    int many = n * M, k, i, j;
    real *eps = NEW(real, numbers), *x = NEW(real, numbers * (size_t)M), *said = NEW(real, numbers * (size_t)M);
    double *v = NEW(double, (size_t)many);
    int *prompt = c != NULL ? NEW(int, (size_t)many) : NULL;
    Twist plain = *twist; // candidates come from the chain itself
    for (i = 0; i < many && c != NULL; i++) {
        prompt[i] = c[i / M];
    }
    rng_fill_normal(x0, numbers, seed, stream, 0);
    spent = twisted_eps(eps, net, chain, x0, chain->T - 1, c, n);
    plain.slope = NULL;
    for (k = chain->T - 1; k >= 0; k--) {
        for (i = 0; i < many; i++) {
            memcpy(x + (size_t)i * row, x0 + (size_t)(i / M) * row, row * sizeof(real));
            memcpy(said + (size_t)i * row, eps + (size_t)(i / M) * row, row * sizeof(real));
        }
        twisted_move(x, NULL, net, chain, &plain, said, k, prompt, many, seed, stream);
        if (k > 0) {
            spent += twisted_eps(said, net, chain, x, k - 1, prompt, many);
            twist->value(v, x, said, k - 1, prompt, many, twist->user);
        } else {
            twist->reward(v, x, prompt, many, twist->user);
        }
        for (i = 0; i < n; i++) {
            double u = rng_uniform(seed, stream + 1, (uint64_t)k * (uint64_t)n + (uint64_t)i);
            j = i * M + svdd_pick(v + (size_t)i * (size_t)M, twist->beta, u, M);
            memcpy(x0 + (size_t)i * row, x + (size_t)j * row, row * sizeof(real));
            memcpy(eps + (size_t)i * row, said + (size_t)j * row, row * sizeof(real));
        }
    }
    free(eps);
    free(x);
    free(said);
    free(v);
    free(prompt);
    return spent;
}

// n samples of the chain with every step shifted by twist->slope and nothing to correct it (classifier guidance, DPS).
static inline size_t chain_guided(real *x0, Net *net, const Chain *chain, const Twist *twist, const int *c, int n,
                                  uint64_t seed, uint64_t stream) {
    size_t numbers = (size_t)n * (size_t)net->in, spent = 0;
    real *eps = NEW(real, numbers);
    int k;
    rng_fill_normal(x0, numbers, seed, stream, 0);
    for (k = chain->T - 1; k >= 0; k--) {
        spent += twisted_eps(eps, net, chain, x0, k, c, n);
        spent += twisted_move(x0, NULL, net, chain, twist, eps, k, c, n, seed, stream);
    }
    free(eps);
    return spent;
}

#endif
