// reweight.h: the tilted distribution read off samples of the reference, without training anything.
//
// Weights e^(r/beta) turn reference samples into a weighted sample of p*.  This is the yardstick in worlds that have
// no closed form (images): honest while the effective sample size is large, and it says so itself when it is not.
#ifndef TILT_REWEIGHT_H
#define TILT_REWEIGHT_H

#include "../core/elementary.h"

typedef struct {
    double log_z;     // log of the mean of e^(r/beta), nats
    double log_z_se;  // its standard error, nats: sqrt(1/ess - 1/n)
    double e_r;       // E*[r], reward units
    double e_r_se;    // its standard error
    double kl;        // KL(p*||p_ref), nats
    double objective; // beta log Z, reward units: the J that no method can beat
    double ess;       // effective sample size, 1..n
} Reweighted;

// 1 / sum w^2 for weights that sum to 1: n for equal weights, 1 when one sample carries all.
static inline double effective_sample_size(const double *w, size_t n) {
    double sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        sum += w[i] * w[i];
    }
    return 1 / sum;
}

// sum_i w_i f_i, and (if se is not NULL) its standard error for self-normalised weights,
// sqrt( sum w_i^2 (f_i - mean)^2 ) (delta method).  w: n weights that sum to 1; f: n numbers.
static inline double weighted_mean(double *se, const double *w, const double *f, size_t n) {
    double mean = 0, var = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        mean += w[i] * f[i];
    }
    for (i = 0; i < n; i++) {
        var += w[i] * w[i] * (f[i] - mean) * (f[i] - mean);
    }
    if (se != NULL) {
        *se = sqrt(var);
    }
    return mean;
}

// F: opt.reweight  reference samples as a weighted sample of the tilt              [chapter 9]
//   w_i = e^(r_i/beta) / sum_j e^(r_j/beta),   x_i ~ p_ref;   Z^ = (1/n) sum_j e^(r_j/beta), unbiased for Z
//   E*[f] ~ sum_i w_i f(x_i);   KL(p*||p_ref) ~ E*[r]/beta - log Z^ = sum_i w_i log(n w_i) <= log n
//   ess = 1 / sum_i w_i^2;   se(log Z^) ~ sqrt(1/ess - 1/n);   bias of log Z^ ~ -(1/ess - 1/n)/2 (too small)
//   r: n rewards; beta > 0: KL temperature, reward units per nat.  w: n weights out, sum 1 (NULL if not wanted).
//   Limit: a KL near log n, or an ess of a few, means that n samples cannot show p*; the true KL is then larger.
//   source: importance sampling with self-normalised weights (Kong 1992 for the effective sample size)
//   check: beta -> inf gives the plain mean; exact tilt of a Gaussian within 4 standard errors; identity sum w log(n w)
static inline Reweighted reweight(double *w, const double *r, double beta, size_t n) {
    Reweighted out;
    double *own = w == NULL ? NEW(double, n) : NULL;
    double top = -INFINITY, sum = 0;
    size_t i;
    if (!(beta > 0) || n == 0) {
        DIE("reweight: needs beta > 0 and at least one sample, got beta %g and %zu samples", beta, n);
    }
    w = w == NULL ? own : w;
    for (i = 0; i < n; i++) {
        top = r[i] > top ? r[i] : top;
    }
    for (i = 0; i < n; i++) {
        w[i] = e_exp((r[i] - top) / beta);
        sum += w[i];
    }
    for (i = 0; i < n; i++) {
        w[i] /= sum;
    }
    out.log_z = top / beta + e_log(sum / (double)n);
    out.e_r = weighted_mean(&out.e_r_se, w, r, n);
    out.kl = 0;
    for (i = 0; i < n; i++) { // E*[r]/beta - log Z, without its cancellation at small beta
        out.kl += w[i] > 0 ? w[i] * e_log((double)n * w[i]) : 0;
    }
    out.objective = beta * out.log_z;
    out.ess = effective_sample_size(w, n);
    out.log_z_se = sqrt(fmax(0, 1 / out.ess - 1 / (double)n)); // fmax: equal weights give -1e-19
    free(own);
    return out;
}

#endif
