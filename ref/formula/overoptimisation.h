// overoptimisation.h: what happens to the reward that is meant while another one, the proxy, is optimised.
//
// The exact rule for a tilt (the truth follows its covariance with the proxy), and the two curves that Gao et al.
// fitted to language models.  d = sqrt(KL) in sqrt(nats); rewards are counted from that of the reference.
#ifndef TILT_OVEROPTIMISATION_H
#define TILT_OVEROPTIMISATION_H

#include "tilt.h"

// ---- the exact rule -----------------------------------------------------------------------------------------------

// Cov_p(f, g) of two tables of n numbers.
static inline double table_cov(const double *p, const double *f, const double *g, size_t n) {
    double mean_f = table_mean(NULL, p, f, n), mean_g = table_mean(NULL, p, g, n), sum = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        sum += p[i] * (f[i] - mean_f) * (g[i] - mean_g);
    }
    return sum;
}

typedef struct {
    double truth, proxy, kl; // E*[truth], E*[proxy], KL of the tilt by the proxy
    double cov, var;         // Cov*(truth, proxy), Var*(proxy)
    double per_nat;          // dE*[truth]/dKL = beta cov/var: beta times the slope of the regression of truth on proxy
    double per_d;            // dE*[truth]/dd with d = sqrt(KL); at the reference sqrt(2) corr sd(truth)
} GoodhartPoint;

// F: overopt.slope  the truth under a tilt by the proxy                            [chapter 10]
//   p_eta = p e^(eta proxy) / Z,  eta = 1/beta:   d p_eta/d eta = p_eta (proxy - E_eta[proxy]), so for ANY table f
//   d E_eta[f]/d eta = Cov_eta(f, proxy);   with d KL/d eta = eta Var_eta(proxy):
//   d E[truth]/d KL = beta Cov/Var;   d E[truth]/d sqrt(KL) = 2 sqrt(KL) beta Cov/Var
//   f = proxy: Var >= 0, the proxy never falls.  f = truth: it rises while the two still agree UNDER THE TILTED LAW and
//   turns where the covariance changes its sign.  At eta = 0 the slope in sqrt(KL) is sqrt(2) Cov/sd(proxy).
//   p: n probabilities; truth, proxy: n rewards; beta > 0.  star: the tilted law out (NULL if not wanted).
//   source: exponential-family identity, own derivation
//   check: finite differences in eta, KL and sqrt(KL); the limit at eta -> 0
static inline GoodhartPoint goodhart_point(double *star, const double *p, const double *truth, const double *proxy,
                                           double beta, size_t n) {
    double *own = star == NULL ? NEW(double, n) : NULL;
    double *q = star == NULL ? own : star;
    TiltPoint t = tilt_discrete_point(q, p, proxy, beta, n);
    GoodhartPoint g;
    g.truth = table_mean(NULL, q, truth, n);
    g.proxy = t.e_r;
    g.kl = t.kl;
    g.cov = table_cov(q, truth, proxy, n);
    g.var = t.var_r;
    g.per_nat = beta * g.cov / g.var;
    g.per_d = 2 * sqrt(g.kl) * g.per_nat;
    free(own);
    return g;
}

// F: overopt.slope  the point of the curve at a given KL                            [chapter 10]
//   bisection of log beta between 1/1000 and 1000, where KL falls; if no tilt there spends so much, the one at 1/1000
//   source: d KL/d eta = eta Var >= 0
//   check: KL of the point; a proxy with a top level spends -log P(top) at most
static inline GoodhartPoint goodhart_at_kl(double *star, const double *p, const double *truth, const double *proxy,
                                           double kl, size_t n) {
    double low = e_log(1e-3), high = e_log(1e3), *law = NEW(double, n);
    int k;
    for (k = 0; k < 32; k++) {
        double middle = 0.5 * (low + high);
        int hotter = tilt_discrete_point(law, p, proxy, e_exp(middle), n).kl > kl;
        low = hotter ? middle : low;
        high = hotter ? high : middle;
    }
    free(law);
    return goodhart_point(star, p, truth, proxy, e_exp(low), n);
}

// Cov(truth, proxy) under the tilt at eta; law: room for n numbers.
static inline double tilted_cov(double *law, const double *p, const double *truth, const double *proxy, double eta,
                                size_t n) {
    tilt_discrete(law, p, proxy, 1 / eta, n);
    return table_cov(law, truth, proxy, n);
}

// F: overopt.slope  the temperature at which the truth peaks                       [chapter 10]
//   the first eta in (low, high), walking up from the reference, where Cov_eta(truth, proxy) turns from + to -
//   Returns its beta; 0 when the covariance keeps its sign (no peak), INFINITY when it starts at or below 0 (the first
//   step already hurts).  Walks by `walk` equal factors of eta, then halves; a peak narrower than a step can be missed.
//   source: overopt.slope
//   check: the covariance on both sides; the maximum of the truth on a fine scan
static inline double goodhart_peak_beta(const double *p, const double *truth, const double *proxy, double low,
                                        double high, int walk, size_t n) {
    double left = e_log(low), step = (e_log(high) - left) / walk, right = left, *law;
    int k;
    if (!(low > 0) || !(high > low) || walk < 1) {
        DIE("goodhart_peak_beta: eta from %g to %g in %d steps; need 0 < low < high and at least one step", low, high,
            walk);
    }
    law = NEW(double, n);
    for (k = 0; k <= walk; k++) {
        right = e_log(low) + k * step;
        if (!(tilted_cov(law, p, truth, proxy, e_exp(right), n) > 0)) {
            break;
        }
        left = right;
    }
    while (k > 0 && k <= walk && right - left > 1e-9) { // the truth is flat at its peak: 1e-9 there is nothing
        double middle = 0.5 * (left + right);
        int rising = tilted_cov(law, p, truth, proxy, e_exp(middle), n) > 0;
        left = rising ? middle : left;
        right = rising ? right : middle;
    }
    free(law);
    return k == 0 ? INFINITY : k > walk ? 0 : e_exp(-0.5 * (left + right));
}

// ---- two empirical curves -----------------------------------------------------------------------------------------

typedef enum { GAO_BON, GAO_RL } GaoForm;

typedef struct {
    GaoForm form;
    double alpha, beta; // reward per sqrt(nat); reward per nat (bon) or per sqrt(nat) (rl)
} GaoCurve;

// F: overopt.gao  true reward against d = sqrt(KL), as fitted by Gao et al.         [chapter 10]
//   best-of-n: R(d) = d (alpha - beta d)          RL: R(d) = d (alpha - beta log d)
//   R: reward gained over the reference.  d >= 0; R(0) = 0.  The slope at 0 is alpha (bon), infinite (rl, beta > 0).
//   source: Gao et al. 2022, arXiv 2210.10760
//   check: R(0) = 0; finite differences at the peak; golden overopt.gao
static inline double gao_reward(const GaoCurve *c, double d) {
    if (!(d >= 0)) {
        DIE("gao_reward: d = %g is a square root of a KL and cannot be negative", d);
    }
    if (c->form == GAO_BON) {
        return d * (c->alpha - c->beta * d);
    }
    return d > 0 ? d * (c->alpha - c->beta * e_log(d)) : 0;
}

// F: overopt.gao  where the curve peaks                                            [chapter 10]
//   best-of-n: d* = alpha/(2 beta), R* = alpha^2/(4 beta);   RL: d* = e^(alpha/beta - 1), R* = beta d*;   KL* = d*^2
//   Needs beta > 0 (and alpha > 0 for bon): otherwise there is no peak, and d* = INFINITY is returned.
//   source: derivative of the two curves set to 0
//   check: R(d*) is the largest of a scan; golden overopt.gao
static inline double gao_peak(const GaoCurve *c) {
    if (!(c->beta > 0) || (c->form == GAO_BON && !(c->alpha > 0))) {
        return INFINITY;
    }
    return c->form == GAO_BON ? c->alpha / (2 * c->beta) : e_exp(c->alpha / c->beta - 1);
}

// F: overopt.gao  least squares fit of either curve                                [chapter 10]
//   both are linear in (alpha, beta): minimise sum (R_i - alpha d_i + beta d_i u_i)^2, u = d or log d
//   d, R: n points with d > 0, at least two different ones.  rms: root of the mean squared residual, reward units.
//   source: normal equations
//   check: exact points give the curve back; the residual is orthogonal to both columns
static inline GaoCurve gao_fit(double *rms, const double *d, const double *R, GaoForm form, size_t n) {
    double M[4] = {0, 0, 0, 0}, b[2] = {0, 0}, x[2], square = 0;
    GaoCurve c;
    size_t i;
    for (i = 0; i < n; i++) {
        double u = d[i], v = -d[i] * (form == GAO_BON ? d[i] : e_log(d[i]));
        if (!(d[i] > 0)) {
            DIE("gao_fit: point %zu has d = %g; leave the reference itself out", i, d[i]);
        }
        M[0] += u * u;
        M[1] += u * v;
        M[3] += v * v;
        b[0] += u * R[i];
        b[1] += v * R[i];
    }
    M[2] = M[1];
    if (solve(x, M, b, 2) != 0) {
        DIE("gao_fit: %zu points do not determine two numbers; use different distances", n);
    }
    c.form = form;
    c.alpha = x[0];
    c.beta = x[1];
    for (i = 0; i < n; i++) {
        double miss = R[i] - gao_reward(&c, d[i]);
        square += miss * miss / (double)n;
    }
    *rms = sqrt(square);
    return c;
}

#endif
