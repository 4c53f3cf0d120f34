// reward_law.h: the law of a quadratic reward under a Gaussian mixture, and what follows from it: best-of-n, and the
// frontier at the KL that a method spent.
//
// Linear rewards have a closed distribution function.  Any other quadratic is turned into its axes, one of which is
// integrated exactly and the other by quadrature.  Errors: see tests/test_reward_law.c; below 1e-10 in probability.
#ifndef TILT_REWARD_LAW_H
#define TILT_REWARD_LAW_H

#include "normal.h"
#include "tilt.h"

enum { REWARD_LAW_NODES = 61, REWARD_LAW_PANELS = 8, REWARD_LAW_PANEL_NODES = 81 }; // of the two quadratures
#define REWARD_LAW_REACH 9.0  // standard deviations of an axis that are kept: what is left out weighs 1e-18
#define REWARD_LAW_FLAT 1e-12 // a curvature below this share of the slope counts as none

// P( g y - h y^2/2 <= v ),  y ~ N(0,1)
static inline double quad_below(double g, double h, double v) {
    double disc = g * g - 2 * h * v, root, low, high;
    if (h == 0) {
        return g == 0 ? v >= 0 : normal_cdf(v / fabs(g));
    }
    if (disc <= 0) { // never reached: below its top everywhere, or above its bottom everywhere
        return h > 0;
    }
    root = (fabs(g) + sqrt(disc)) * (g < 0 ? -1 : 1); // the two roots of h y^2/2 - g y + v without cancellation
    low = fmin(root / h, 2 * v / root);
    high = fmax(root / h, 2 * v / root);
    if (h > 0) { // r <= v outside of the roots
        return normal_cdf(low) + normal_cdf(-high);
    }
    return normal_cdf(high) - normal_cdf(low);
}

// y = tanh(pi/2 sinh s) in (-1, 1) and dy/ds: an integral over y becomes one over s that any kink at the ends of the
// interval leaves smooth.
static inline double double_exponential(double *y, double s) {
    double e = e_exp(s), u = 0.25 * PI * (e - 1 / e), c = e_exp(-2 * fabs(u));
    *y = (u < 0 ? -1 : 1) * (1 - c) / (1 + c);
    return 0.25 * PI * (e + 1 / e) * 4 * c / ((1 + c) * (1 + c));
}

// int_lo^hi phi(y) P( r <= v | y ) dy for r = g0 y - h0 y^2/2 + (g1 z - h1 z^2/2).
static inline double quad_below_piece(const double g[2], const double h[2], double v, double lo, double hi) {
    double middle = 0.5 * (lo + hi), half = 0.5 * (hi - lo), sum = 0, step = 6.4 / (REWARD_LAW_NODES - 1);
    int i;
    for (i = 0; i < REWARD_LAW_NODES; i++) {
        double y, weight = double_exponential(&y, -3.2 + i * step) * step * half;
        y = middle + half * y;
        sum += weight * normal_pdf(y) * quad_below(g[1], h[1], v - g[0] * y + 0.5 * h[0] * y * y);
    }
    return sum;
}

// P( g.y - (h0 y0^2 + h1 y1^2)/2 <= v ), y ~ N(0, I) in the plane.  Axis 1 is the one with the larger curvature.
static inline double quad_below_plane(const double g_in[2], const double h_in[2], double v) {
    int swap = fabs(h_in[0]) > fabs(h_in[1]), n = 2, i, j;
    double g[2], h[2], cut[4], A, B, C, sum = 0;
    g[0] = g_in[swap];
    g[1] = g_in[1 - swap];
    h[0] = h_in[swap];
    h[1] = h_in[1 - swap];
    cut[0] = -REWARD_LAW_REACH;
    cut[1] = REWARD_LAW_REACH;
    // kinks in y, where the inner problem just reaches v:  A y^2 - 2 B y + C = 0; small root C/q, large root q/A
    A = h[0] * h[1];
    B = g[0] * h[1];
    C = 2 * h[1] * v - g[1] * g[1];
    if (B * B - A * C > 0) {
        double q = B + (B < 0 ? -1 : 1) * sqrt(B * B - A * C);
        cut[n++] = C / q;
        cut[n++] = A != 0 ? q / A : REWARD_LAW_REACH;
    }
    for (i = 0; i < n; i++) {
        cut[i] = fmin(fmax(cut[i], -REWARD_LAW_REACH), REWARD_LAW_REACH);
        for (j = i; j > 0 && cut[j] < cut[j - 1]; j--) {
            double t = cut[j];
            cut[j] = cut[j - 1];
            cut[j - 1] = t;
        }
    }
    for (i = 0; i + 1 < n; i++) { // a piece of less than five standard deviations is smooth enough for one rule
        double pieces = ceil((cut[i + 1] - cut[i]) / 4.5);
        for (j = 0; j < pieces; j++) {
            double width = (cut[i + 1] - cut[i]) / pieces;
            sum += quad_below_piece(g, h, v, cut[i] + j * width, cut[i] + (j + 1) * width);
        }
    }
    return sum;
}

// F: reward.law  the distribution function of a quadratic reward                   [chapter 9]
//   F(v) = P(r(x) <= v) = sum_k w_k P( r(mu_k) + g.y - (h_0 y_0^2 + h_1 y_1^2)/2 <= v ),  y ~ N(0, I)
//   cov_k = L L',  L'AL = U diag(h) U',  g = U'L'(b - A mu_k)     any sign of A; cov_k may be singular
//   linear r: sum_k w_k Phi( (v - r(mu_k))/sqrt(b' cov_k b) )     closed form
//   source: Gaussian quadratic forms, own derivation
//   check: closed chi-square laws; grid sums; sampling; golden bon.gmm
static inline double gmm_reward_cdf(const Gmm *p, const QuadReward *r, double v) {
    double sum = 0;
    int k;
    for (k = 0; k < p->K; k++) {
        const double *mu = p->mu + 2 * k;
        double top = quad_reward(r, mu), slope[2], L[4], Lt[4], AL[4], M[4], U[4], h[2], Lg[2], g[2], scale;
        quad_reward_grad(slope, r, mu);
        cholesky2_singular(L, p->cov + 4 * k);
        Lt[0] = L[0];
        Lt[1] = L[2];
        Lt[2] = L[1];
        Lt[3] = L[3];
        mul2v(Lg, Lt, slope);
        mul2(AL, r->A, L);
        mul2(M, Lt, AL);
        scale = fabs(M[0]) + fabs(M[1]) + fabs(M[3]);
        if (scale <= REWARD_LAW_FLAT * sqrt(dot2(Lg, Lg))) {
            double std = sqrt(dot2(Lg, Lg));
            sum += p->w[k] * (std > 0 ? normal_cdf((v - top) / std) : v >= top);
            continue;
        }
        eig2(h, U, M);
        mul2v(g, U, Lg); // the rows of U are the axes
        sum += p->w[k] * quad_below_plane(g, h, v - top);
    }
    return sum;
}

// ---- best-of-n ----------------------------------------------------------------------------------------------------

// Where the law of the reward lives: [cut[0], cut[2]] holds all but about 1e-12 of it.  A quadratic without a rising
// direction ends sharply at its top, one without a falling direction at its bottom, and F of a saddle has a kink at the
// value of the saddle, cut[1] (= cut[2] when there is none inside).
static inline void reward_range(double cut[3], const Gmm *p, const QuadReward *r) {
    double mean, var, std, lambda[2], axis[4], b[2], still = r->c, flat = 1e-13 * (fabs(r->A[0]) + fabs(r->A[3]));
    int rises = 0, falls = 0, k;
    eig2(lambda, axis, r->A);
    mul2v(b, axis, r->b);
    for (k = 0; k < 2; k++) {
        if (fabs(lambda[k]) > flat) {
            still += b[k] * b[k] / (2 * lambda[k]);
        }
        rises += lambda[k] < -flat || (fabs(lambda[k]) <= flat && b[k] != 0);
        falls += lambda[k] > flat || (fabs(lambda[k]) <= flat && b[k] != 0);
    }
    gmm_reward_moments(&mean, &var, p, r);
    std = sqrt(var);
    cut[0] = cut[2] = mean;
    for (k = 0; k < 60 && std > 0 && gmm_reward_cdf(p, r, cut[0]) > 1e-12; k++) {
        cut[0] = mean - std * (1 + k * (1 + 0.25 * k));
    }
    for (k = 0; k < 60 && std > 0 && 1 - gmm_reward_cdf(p, r, cut[2]) > 1e-12; k++) {
        cut[2] = mean + std * (1 + k * (1 + 0.25 * k));
    }
    cut[2] = rises ? cut[2] : fmin(cut[2], still);
    cut[0] = falls ? cut[0] : fmax(cut[0], still);
    cut[1] = lambda[0] < -flat && lambda[1] > flat && still > cut[0] && still < cut[2] ? still : cut[2];
}

// F: bon.gmm     expected reward of best-of-n on a Gaussian mixture                [chapter 9]
//   P(best of n <= v) = F(v)^n,   E[max] = top - int^top F(v)^n dv,   F: gmm_reward_cdf;   KL = bon.kl
//   e_r (count): one number for each n (count), n >= 1, whole or not.  F is computed once for all n.
//   Panels of the double exponential rule; a component whose rewards spread over less than 1/200 of the whole range
//   costs digits.
//   source: order statistics
//   check: exponential law in closed form; n = 1 against gmm_reward_moments; sampled best-of-n; golden bon.gmm
static inline void bon_gmm_mean(double *e_r, const Gmm *p, const QuadReward *r, const double *n, size_t count) {
    double cut[3], step = 6.0 / (REWARD_LAW_PANEL_NODES - 1);
    size_t m;
    int part, panel, i;
    reward_range(cut, p, r);
    for (m = 0; m < count; m++) {
        e_r[m] = cut[2];
    }
    for (part = 0; part < 2 && cut[part + 1] > cut[part]; part++) {
        double half = 0.5 * (cut[part + 1] - cut[part]) / REWARD_LAW_PANELS;
        for (panel = 0; panel < REWARD_LAW_PANELS; panel++) {
            for (i = 0; i < REWARD_LAW_PANEL_NODES; i++) {
                double y, weight = double_exponential(&y, -3.0 + i * step) * step * half;
                double F = gmm_reward_cdf(p, r, cut[part] + (2 * panel + 1 + y) * half);
                for (m = 0; m < count; m++) {
                    e_r[m] -= F > 0 ? weight * e_exp(n[m] * e_log(F)) : 0;
                }
            }
        }
    }
}

// The point where KL, or E*[r], has a value, by bisection of log beta between the critical temperature and e^40: both
// fall as beta grows.  Dies when no tilt has it.
static inline TiltPoint gmm_tilt_where(const Gmm *p, const QuadReward *r, double value, int by_reward) {
    double critical = gmm_critical_beta(p, r), low = critical > 0 ? e_log(critical) + 1e-9 : -30, high = 40, found;
    TiltPoint at;
    int k;
    for (k = 0; k < 64; k++) {
        double middle = 0.5 * (low + high);
        at = gmm_tilt_point(p, r, e_exp(middle));
        if ((by_reward ? at.e_r : at.kl) > value) {
            low = middle;
        } else {
            high = middle;
        }
    }
    at = gmm_tilt_point(p, r, e_exp(high));
    found = by_reward ? at.e_r : at.kl;
    if (!(fabs(found - value) <= 1e-6 * (1 + fabs(value)))) {
        DIE("the frontier has no point with %s = %g: bisection ends at %g; is the reward constant, or the value out of "
            "reach?",
            by_reward ? "E[r]" : "KL", value, found);
    }
    return at;
}

// F: opt.at_kl   the point of a mixture's frontier that has a given KL             [chapter 9]
//   Asks what the exact tilt would earn at the KL a method spent: no method earns more.  kl > 0, nats.
//   source: monotone because d KL/d eta = eta Var*[r] >= 0
//   check: KL of the point; best-of-n lies below it; slope of the frontier
static inline TiltPoint gmm_tilt_at_kl(const Gmm *p, const QuadReward *r, double kl) {
    if (!(kl > 0)) {
        DIE("gmm_tilt_at_kl: KL = %g; the frontier has a point for every KL > 0", kl);
    }
    return gmm_tilt_where(p, r, kl, 0);
}

// F: opt.at_reward  the point of a mixture's frontier that earns a given reward    [chapter 4]
//   Its KL is what a gain to this reward costs at least, nats.   e_r: above E_p[r], below the supremum of r
//   source: monotone because d E*[r]/d eta = Var*[r] >= 0
//   check: E*[r] of the point
static inline TiltPoint gmm_tilt_at_reward(const Gmm *p, const QuadReward *r, double e_r) {
    double mean;
    gmm_reward_moments(&mean, NULL, p, r);
    if (!(e_r > mean)) {
        DIE("gmm_tilt_at_reward: E[r] = %g is not above that of the reference, %g; the frontier rises from there", e_r,
            mean);
    }
    return gmm_tilt_where(p, r, e_r, 1);
}

#endif
