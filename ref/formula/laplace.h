// laplace.h: how sure a fitted reward is.  Near its peak the posterior of a linear reward is almost Gaussian.
//
// rm_map (reward_model.h) finds the peak; the curvature there gives the covariance.  From it come the spread of one
// reward, the spread of a difference of two, a cautious reward, and a chance that knows what it does not know.
// Arrays are row-major doubles: covariance (F,F), features F or (n,F).
#ifndef TILT_LAPLACE_H
#define TILT_LAPLACE_H

#include "reward_model.h"

// F: rm.laplace  the Gaussian around the penalised optimum                         [chapter 7]
//   theta ~ N(theta_map, S),   S = (N (H + lambda I))^-1,   H = Hessian of the MEAN loss at theta_map
//   N lambda is the precision of the prior: lambda = 1/(N v) keeps the prior N(0, v I) whatever N is.
//   answers: N, how many independent answers the n rows stand for.  It is n, unless rows were repeated to carry a tie
//   (half a win each: the row and its mirror image, all other rows twice; then N = n/2).
//   theta: F out, cov (F,F) out.  Returns the penalised loss.  lambda -> inf: S -> I/(N lambda), the prior.
//   source: MacKay 1992
//   check: S^-1 by finite differences of the gradient; both limits; grid posterior in one dimension; golden rm.laplace
static inline double rm_laplace(double *theta, double *cov, const double *features_win, const double *features_lose,
                                double lambda, double answers, int n, int F) {
    double *factor, loss;
    int a;
    if (!(answers > 0) || !(lambda > 0)) {
        DIE("rm_laplace: %g answers and lambda %g; at least one answer and a prior must stand behind it", answers,
            lambda);
    }
    factor = NEW(double, (size_t)F *(size_t)F);
    loss = rm_map(theta, features_win, features_lose, lambda, n, F);
    rm_bt(NULL, factor, NULL, features_win, features_lose, theta, n, F);
    for (a = 0; a < F * F; a++) {
        factor[a] *= answers;
    }
    for (a = 0; a < F; a++) {
        factor[a * F + a] += answers * lambda;
    }
    if (cholesky(factor, factor, F) != 0) {
        DIE("rm_laplace: the curvature is not positive definite (lambda %g); check the features for NaN", lambda);
    }
    cholesky_inverse(cov, factor, F);
    free(factor);
    return loss;
}

// F: rm.laplace  mean of a reward, or of a difference of two                       [chapter 7]
//   mu = theta . f;   for a difference pass f = f_a - f_b
//   source: MacKay 1992
//   check: linear in f; golden rm.laplace
static inline double laplace_mean(const double *theta, const double *f, int F) {
    double sum = 0;
    int a;
    for (a = 0; a < F; a++) {
        sum += theta[a] * f[a];
    }
    return sum;
}

// F: rm.laplace  standard deviation of a reward, or of a difference of two         [chapter 7]
//   s = sqrt(f' S f);   for a difference pass f = f_a - f_b:
//   s^2 = S_aa + S_bb - 2 S_ab, which is NOT the sum of the two variances: neighbours share what is unknown of them.
//   source: MacKay 1992
//   check: f_a = f_b gives 0; the three covariances; draws of theta; golden rm.laplace
static inline double laplace_sd(const double *cov, const double *f, int F) {
    double sum = 0;
    int a, b;
    for (a = 0; a < F; a++) {
        double row = 0;
        for (b = 0; b < F; b++) {
            row += cov[a * F + b] * f[b];
        }
        sum += f[a] * row;
    }
    return sqrt(fmax(sum, 0)); // fmax: f' S f is never negative, but its rounding at f = 0 may be
}

// F: rm.laplace  a cautious reward                                                 [chapter 7]
//   LCB = mu - k s,   k >= 0 standard deviations below the mean
//   source: MacKay 1992 (the Gaussian); lower confidence bounds in general
//   check: k = 0 is the mean; share of draws above it; golden rm.laplace
static inline double laplace_lcb(double mean, double sd, double k) {
    return mean - k * sd;
}

// F: rm.laplace  the chance of "a is better", averaged over what is unknown        [chapter 7]
//   E sigmoid(z) ~ sigmoid(mu / sqrt(1 + pi s^2/8)),   z ~ N(mu, s^2)
//   Error, measured over mu: below 0.005 for s <= 1, below 0.018 for any s.  s = 0: sigmoid(mu), no error.
//   source: MacKay 1992
//   check: quadrature of E sigmoid(z); s = 0; symmetry; golden rm.laplace
static inline double laplace_probability(double mean, double sd) {
    return e_sigmoid(mean / sqrt(1 + PI * sd * sd / 8));
}

#endif
