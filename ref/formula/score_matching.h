// score_matching.h: what a denoiser trained on noise can reach at best, exactly.
//
// The target of training, the noise that was added, is itself random given x_t.  So the loss of the perfect denoiser is
// not zero: it is a floor that follows from the data law alone.  For Gaussian mixtures it is an integral in one or two
// dimensions, taken here by the trapezoid rule on a grid of a quarter of the narrowest standard deviation that reaches
// ten of them beyond every mean (for integrands this smooth the error is below 1e-9; halving the step shows it).
// Two routes, the Fisher information of p_t and the mean posterior variance of x_0, must agree.
#ifndef TILT_SCORE_MATCHING_H
#define TILT_SCORE_MATCHING_H

#include "forward.h"
#include "mixture.h"

#define DSM_REACH 10.0   // standard deviations of the box beyond the outermost means
#define DSM_NODES 4000.0 // nodes an axis at most

// The floors of one noise level.  d = dimension of the data (2 for a Gmm).
typedef struct {
    double fisher;   // J = E|grad log p_t|^2
    double mmse;     // E tr Cov[x_0 | x_t]
    double eps_loss; // least eps loss, SUM over dimensions, by the mmse route: alpha^2/sigma^2 mmse
    double by_score; // the same by the Fisher route: d - sigma^2 J (cancels where the floor is tiny)
    double v_loss;   // least v loss: mmse/sigma^2
    double constant; // dsm.obj: d/sigma^2 - J
    double entropy;  // -E log p_t, nats
    double mass;     // integral of p_t over the box: 1 up to the error of the rule
} DsmFloor;

static inline void dsm_require_noise(double sigma, const char *who) {
    if (!(sigma > 0)) {
        DIE("%s: sigma = %g; without noise there is nothing to match, take sigma > 0", who, sigma);
    }
}

// Nodes of one axis: low, step and count.
typedef struct {
    double low, step;
    int n;
} DsmAxis;

static inline DsmAxis dsm_axis(double low, double high, double narrowest, double fineness) {
    DsmAxis a;
    double cells = ceil((high - low) / narrowest * fineness);
    if (!(cells < DSM_NODES)) {
        DIE("score matching: an axis from %g to %g with details of %g needs %.0f nodes, at most %.0f; add noise", low,
            high, narrowest, cells, DSM_NODES);
    }
    a.n = (int)cells + 1;
    a.low = low;
    a.step = (high - low) / cells;
    return a;
}

static inline void dsm_finish(DsmFloor *f, double alpha, double sigma, int d) {
    double variance = sigma * sigma;
    f->eps_loss = alpha * alpha / variance * f->mmse;
    f->by_score = d - variance * f->fisher;
    f->v_loss = f->mmse / variance;
    f->constant = d / variance - f->fisher;
}

// F: dsm.min       the least denoising loss at one noise level                                   [chapter 5]
//   E|eps - eps_hat|^2 >= d - sigma^2 J = alpha^2/sigma^2 mmse,   J = E|grad log p_t|^2,  mmse = E tr Cov[x_0|x_t]
//   least x_0 loss: mmse;  v loss (alpha^2 + sigma^2 = 1): mmse/sigma^2;  EDM's D: mmse.   SUM over d dimensions
//   reached by eps_hat = E[eps|x_t] alone; the excess of any other is E|eps_hat - E[eps|x_t]|^2
//   limits: sigma -> 0: d.   alpha -> 0: 0.   a point mass: 0.   data N(m, v I): d alpha^2 v/(alpha^2 v + sigma^2)
//   source: orthogonality of conditional expectation; Tweedie
//   check: the two routes; Gaussian data; half the step; golden dsm.floor2d dsm.floor1d
static inline DsmFloor dsm_floor_step(const Gmm *clean, double alpha, double sigma, double fineness) {
    double block[7 * GMM_MAX_K];
    Gmm noised = gmm_on(block, clean->K);
    double low[2] = {HUGE_VAL, HUGE_VAL}, high[2] = {-HUGE_VAL, -HUGE_VAL}, narrowest = HUGE_VAL;
    DsmFloor f = {0, 0, 0, 0, 0, 0, 0, 0};
    DsmAxis ax, ay;
    int i, j, k;
    dsm_require_noise(sigma, "dsm_floor");
    gmm_noised(&noised, clean, alpha, sigma);
    for (k = 0; k < noised.K; k++) {
        double lambda[2];
        eig2(lambda, NULL, noised.cov + 4 * k);
        narrowest = fmin(narrowest, sqrt(lambda[0]));
        for (j = 0; j < 2; j++) {
            double reach = DSM_REACH * sqrt(noised.cov[4 * k + 3 * j]);
            low[j] = fmin(low[j], noised.mu[2 * k + j] - reach);
            high[j] = fmax(high[j], noised.mu[2 * k + j] + reach);
        }
    }
    ax = dsm_axis(low[0], high[0], narrowest, fineness);
    ay = dsm_axis(low[1], high[1], narrowest, fineness);
    for (j = 0; j < ay.n; j++) {
        for (i = 0; i < ax.n; i++) { // p_t vanishes at the ends, so all nodes weigh the same
            double x[2], s[2], mean[2], cov[4], logp, mass;
            x[0] = ax.low + i * ax.step;
            x[1] = ay.low + j * ay.step;
            logp = gmm_score(s, &noised, x);
            mass = e_exp(logp) * ax.step * ay.step;
            if (mass < 1e-25) { // all of these together weigh less than the last digit
                continue;
            }
            gmm_posterior_cov(cov, mean, clean, x, alpha, sigma);
            f.mass += mass;
            f.fisher += mass * (s[0] * s[0] + s[1] * s[1]);
            f.mmse += mass * (cov[0] + cov[3]);
            f.entropy -= mass * logp;
        }
    }
    dsm_finish(&f, alpha, sigma, 2);
    return f;
}

static inline DsmFloor dsm_floor(const Gmm *clean, double alpha, double sigma) {
    return dsm_floor_step(clean, alpha, sigma, 4);
}

// The same in one dimension: weights w, means mu, variances var, K each.
static inline DsmFloor dsm_floor_1d(const double *w, const double *mu, const double *var, int K, double alpha,
                                    double sigma) {
    double low = HUGE_VAL, high = -HUGE_VAL, narrowest = HUGE_VAL;
    DsmFloor f = {0, 0, 0, 0, 0, 0, 0, 0};
    DsmAxis a;
    int i, k;
    dsm_require_noise(sigma, "dsm_floor_1d");
    for (k = 0; k < K; k++) {
        double std = sqrt(alpha * alpha * var[k] + sigma * sigma);
        narrowest = fmin(narrowest, std);
        low = fmin(low, alpha * mu[k] - DSM_REACH * std);
        high = fmax(high, alpha * mu[k] + DSM_REACH * std);
    }
    a = dsm_axis(low, high, narrowest, 4);
    for (i = 0; i < a.n; i++) {
        double x = a.low + i * a.step, p = 0, slope = 0, first = 0, second = 0;
        for (k = 0; k < K; k++) {
            double v = alpha * alpha * var[k] + sigma * sigma, d = x - alpha * mu[k];
            double part = w[k] * e_exp(-0.5 * d * d / v) / sqrt(2 * PI * v); // w_k N_k
            double m = mu[k] + alpha * var[k] * d / v;                       // mean of x_0 in component k
            p += part;
            slope -= part * d / v;
            first += part * m;
            second += part * (sigma * sigma * var[k] / v + m * m);
        }
        if (p * a.step < 1e-25) { // all of these together weigh less than the last digit
            continue;
        }
        f.mass += p * a.step;
        f.fisher += slope * slope / p * a.step;
        f.mmse += (second - first * first / p) * a.step;
        f.entropy -= p * e_log(p) * a.step;
    }
    dsm_finish(&f, alpha, sigma, 1);
    return f;
}

// F: dsm.obj       denoising score matching: the loss of a score, one sample                     [chapter 5]
//   L = |s_hat(x_t) - grad log q(x_t|x_0)|^2,   grad log q(x_t|x_0) = -(x_t - alpha x_0)/sigma^2 = -eps/sigma
//   E L = E|s_hat - grad log p_t|^2 + d/sigma^2 - J:  a constant more than what one wants to minimise
//   dL/ds_hat = 2 (s_hat + (x_t - alpha x_0)/sigma^2)      (SUM over the dim numbers of a row)
//   limits: the constant is 0 for a point mass.   L = eps loss / sigma^2: tiny sigma makes it huge; train on eps
//   source: Vincent 2011; Song et al. 2021, arXiv 2011.13456, eq. (7)
//   check: wrong scores by quadrature: the difference is the constant; finite differences; golden dsm.floor2d
static inline double dsm_loss(real *d_s, const real *s_hat, const real *x_t, const real *x0, double alpha, double sigma,
                              size_t dim) {
    double loss = 0;
    size_t i;
    dsm_require_noise(sigma, "dsm_loss");
    for (i = 0; i < dim; i++) {
        double miss = (double)s_hat[i] + ((double)x_t[i] - alpha * (double)x0[i]) / (sigma * sigma);
        loss += miss * miss;
        if (d_s != NULL) {
            d_s[i] = (real)(2 * miss);
        }
    }
    return loss;
}

// F: dsm.grad      a model linear in its parameters needs no training: one linear solve          [chapter 5]
//   eps_hat = W' phi,   W (F x D) = argmin sum_i weight_i |W' phi_i - eps_i|^2 = (sum w phi phi')^-1 sum w phi eps'
//   phi: n x F features, target: n x D, weight: n numbers > 0 or NULL.   Any correct training loop ends there
//   limits: fewer rows than features, or features that depend on one another: an error
//   Features of size 1 predicting eps: at small sigma the score itself has a badly conditioned problem
//   source: elementary least squares
//   check: normal equations; a training loop on the same rows; the population solution for Gaussian data
static inline void dsm_linear_fit(double *W, const real *phi, const real *target, const double *weight, int n, int F,
                                  int D) {
    double *A = NEW(double, (size_t)F *(size_t)F), *b = NEW(double, (size_t)F);
    int i, j, k, d, stuck;
    for (i = 0; i < n; i++) {
        const real *row = phi + (size_t)i * (size_t)F;
        double w = weight != NULL ? weight[i] : 1;
        for (j = 0; j < F; j++) {
            for (k = 0; k < F; k++) {
                A[j * F + k] += w * (double)row[j] * (double)row[k];
            }
        }
    }
    for (j = 0; j < F; j++) {
        b[j] = A[j * F + j];
    }
    stuck = cholesky(A, A, F) - 1;
    for (j = F - 1; j >= 0 && stuck < 0; j--) { // what is left of a feature once the earlier ones explain it
        stuck = A[j * F + j] * A[j * F + j] > 1e-12 * b[j] ? stuck : j;
    }
    if (stuck >= 0) {
        free(A);
        free(b);
        DIE("dsm_linear_fit: %d rows do not determine %d features (stuck at feature %d); more rows or fewer features",
            n, F, stuck);
    }
    for (d = 0; d < D; d++) {
        memset(b, 0, (size_t)F * sizeof *b);
        for (i = 0; i < n; i++) {
            double w = weight != NULL ? weight[i] : 1;
            for (j = 0; j < F; j++) {
                b[j] += w * (double)phi[(size_t)i * (size_t)F + (size_t)j] *
                        (double)target[(size_t)i * (size_t)D + (size_t)d];
            }
        }
        cholesky_solve(b, A, b, F);
        for (j = 0; j < F; j++) {
            W[j * D + d] = b[j];
        }
    }
    free(A);
    free(b);
}

// F: dsm.ipl       de Bruijn: noise raises the entropy at half the rate of the Fisher information [chapter 5]
//   d h(p_sigma) / d(sigma^2) = J_sigma / 2,   h = -E log p, nats;  VE coordinates only: x = x_0 + sigma eps
//   With it: E|x_0 - E[x_0|x]|^2 integrated over the SNR is twice the information that x holds about x_0
//   limits: data N(0, v I_d): h = d/2 log(2 pi e (v + sigma^2)), J = d/(v + sigma^2)
//   source: de Bruijn; Guo, Shamai and Verdu 2005
//   check: finite difference of the entropy in sigma^2; Gaussian data
static inline double dsm_entropy_rate(const Gmm *clean, double sigma) {
    return 0.5 * dsm_floor(clean, 1, sigma).fisher;
}

static inline double dsm_entropy(const Gmm *clean, double sigma) {
    return dsm_floor(clean, 1, sigma).entropy;
}

#endif
