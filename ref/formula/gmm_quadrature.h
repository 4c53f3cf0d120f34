// gmm_quadrature.h: expectations under a Gaussian mixture in the plane, for functions without a closed form.
//
// Each component is an integral over z ~ N(0, I) with x = mean + L z, and the trapezoid rule in z: for smooth
// integrands it converges faster than any power of the step.  What limits it is how fast the function changes within
// one standard deviation of a component: a pole d standard deviations off the real plane leaves about
// e^(-2 pi d / GMM_STEP).  Beyond GMM_REACH standard deviations nothing is seen: 1e-13 of the mass.
#ifndef TILT_GMM_QUADRATURE_H
#define TILT_GMM_QUADRATURE_H

#include "mixture.h"
#include "normal.h"

enum { GMM_NODES = 51 }; // an axis
#define GMM_REACH 7.5    // standard deviations
#define GMM_STEP (2 * GMM_REACH / (GMM_NODES - 1))

// Writes `values` numbers of the point x.
typedef void (*PlaneFunction)(double *value, const double *x, void *user);

enum { GMM_MAX_VALUES = 8 };

// mean[j] = E_q[value_j(x)], j < values.  Costs K * 51^2 calls of f.
static inline void gmm_expect(double *mean, const Gmm *q, int values, PlaneFunction f, void *user) {
    double weight[GMM_NODES], z[GMM_NODES], value[GMM_MAX_VALUES], total = 0;
    int i, j, k, v;
    if (values < 1 || values > GMM_MAX_VALUES) {
        DIE("gmm_expect: %d functions at once; use 1..%d", values, GMM_MAX_VALUES);
    }
    for (i = 0; i < GMM_NODES; i++) {
        z[i] = (i - GMM_NODES / 2) * GMM_STEP;
        weight[i] = normal_pdf(z[i]);
        total += weight[i];
    }
    for (v = 0; v < values; v++) {
        mean[v] = 0;
    }
    for (k = 0; k < q->K; k++) {
        const double *mu = q->mu + 2 * k;
        double L[4];
        cholesky2_singular(L, q->cov + 4 * k);
        for (j = 0; j < GMM_NODES && q->w[k] > 0; j++) {
            for (i = 0; i < GMM_NODES; i++) {
                double w = q->w[k] * (weight[i] / total) * (weight[j] / total), x[2];
                x[0] = mu[0] + L[0] * z[i];
                x[1] = mu[1] + L[2] * z[i] + L[3] * z[j];
                f(value, x, user);
                for (v = 0; v < values; v++) {
                    mean[v] += w * value[v];
                }
            }
        }
    }
}

#endif
