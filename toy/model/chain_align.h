// chain_align.h: what a policy gradient tells each step of the denoising chain; it knows no network.
//
// Every alignment loop by policy gradient draws chains, asks the model and the reference for eps at all states, calls
// the function below, and hands what it wrote to the backward pass of the network: chapter 1 on points and digits with
// an Mlp, toy/feedback/image_align.h on pictures with a UNet.
#ifndef TILT_CHAIN_ALIGN_H
#define TILT_CHAIN_ALIGN_H

#include "../../ref/formula/policy.h"
#include "chain.h"

// The gradient of  L = -( E[r] - beta KL(chain || reference chain) )  by eps, on chains that the model itself drew.
// Step k of row i is told two things.  The reward minus beta times the KL still to come, compared with the other rows
// of its group (score function): what its action led to.  And the gradient of its own KL, which is known exactly.
//   path     (T + 1) x n x dim, as chain_sample leaves it: path[k + 1] enters step k, path[k] leaves it
//   eps      T x n x dim, in: the model's prediction at path[k + 1];  out: dL/d eps
//   eps_ref  T x n x dim, the reference's prediction there
//   to_go    n, in: the rewards of x_0;  out: reward - beta KL of the whole chain, whose mean estimates J
// The rows of a group (one prompt) stand together: n / groups of each.
static inline void chain_policy_gradient(real *eps, double *to_go, const real *eps_ref, const real *path,
                                         const Chain *chain, double beta, int groups, int n, int dim) {
    size_t numbers = (size_t)n * (size_t)dim;
    real *g = NEW(real, (size_t)dim), *dkl = NEW(real, (size_t)dim);
    double *advantage = NEW(double, (size_t)n);
    int k, i, j;
    for (k = 0; k < chain->T; k++) { // from the last step of the chain back to the first
        const StepCoeffs *s = &chain->step[k];
        advantage_loo(advantage, to_go, groups, n / groups);
        for (i = 0; i < n; i++) {
            size_t at = (size_t)k * numbers + (size_t)i * (size_t)dim;
            double kl = step_kl(dkl, s, eps + at, eps_ref + at, (size_t)dim);
            step_logp(g, s, path + at, path + numbers + at, eps + at, (size_t)dim);
            to_go[i] -= beta * kl;
            for (j = 0; j < dim; j++) { // dL/d eps, in the place of eps
                eps[at + (size_t)j] = (real)((beta * dkl[j] - advantage[i] * g[j]) / n);
            }
        }
    }
    free(g);
    free(dkl);
    free(advantage);
}

#endif
