// test_reward_loss.c: losses for noisy labels, margins, centring and single judgements: against finite differences,
// against exact means over the label, against bisection of the expected slope, and as fits to enumerated data.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/reward_loss.h"
#include "../ref/formula/reward_model.h"

enum { LOSSES = 5, N = 60, F = 3, CELLS = 2000 };

static const DeltaLoss losses[LOSSES] = {rm_plain, rm_smooth, rm_robust, rm_noise, rm_margin};
static const double knobs[LOSSES] = {0, 0.15, 0.15, 0.15, 0.8};

// Expected slope at logit z over labels that are right with chance P.
static double mean_slope(DeltaLoss loss, double knob, double z, double P) {
    double right, wrong;
    loss(&right, NULL, z, knob);
    loss(&wrong, NULL, -z, knob);
    return P * right - (1 - P) * wrong;
}

// The logit with expected slope 0: the slope is below 0 left of it and above 0 right of it.
static double best_logit(DeltaLoss loss, double knob, double P) {
    double low = -60, high = 60;
    for (int k = 0; k < 200; k++) {
        double middle = 0.5 * (low + high);
        if (mean_slope(loss, knob, middle, P) < 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static double logistic(double z) {
    return 1 / (1 + exp(-z));
}

static void test_derivatives(void) {
    double slope, bend, up, down, unused, h = 1e-5;
    for (int k = 0; k < LOSSES; k++) {
        if (losses[k] != rm_margin) { // equal rewards: ln 2, whatever eps is
            NEAR(losses[k](&slope, NULL, 0, knobs[k]), log(2), 1e-14, 0);
        }
        for (double d = -7.3; d < 8; d += 0.61) {
            losses[k](&slope, &bend, d, knobs[k]);
            double high = losses[k](&up, NULL, d + h, knobs[k]), low = losses[k](&down, NULL, d - h, knobs[k]);
            NEAR(slope, (high - low) / (2 * h), 1e-7, 1e-9);
            if (losses[k] == rm_noise) { // the mean curvature over the label is the mean squared slope
                double q = 0.7 * logistic(d) + 0.15;
                losses[k](&unused, NULL, -d, knobs[k]);
                NEAR(bend, q * slope * slope + (1 - q) * unused * unused, 1e-12, 0);
            } else {
                NEAR(bend, (up - down) / (2 * h), 1e-7, 1e-9);
            }
        }
    }
}

static void test_values_and_limits(void) {
    double slope, bend, s0, plain;
    for (double d = -4; d < 4; d += 0.7) {
        plain = rm_plain(&s0, NULL, d, 0);
        NEAR(plain, log(1 + exp(-d)), 1e-14, 0);
        for (int k = 1; k < LOSSES; k++) { // every variant contains the plain loss
            NEAR(losses[k](&slope, &bend, d, 0), plain, 1e-14, 0);
            NEAR(slope, s0, 1e-14, 0);
            NEAR(bend, logistic(d) * logistic(-d), 1e-12, 0);
        }
        NEAR(rm_noise(&slope, NULL, d, 0.2), -log(0.6 * logistic(d) + 0.2), 1e-13, 0);
        NEAR(rm_smooth(&slope, NULL, d, 0.2), 0.8 * log(1 + exp(-d)) + 0.2 * log(1 + exp(d)), 1e-13, 0);
        NEAR(rm_margin(&slope, NULL, d, 0.5), log(1 + exp(0.5 - d)), 1e-13, 0);
        NEAR(rm_robust(&slope, NULL, d, 0.2), (0.8 * log(1 + exp(-d)) - 0.2 * log(1 + exp(d))) / 0.6, 1e-12, 1e-13);
    }
    rm_smooth(&slope, NULL, log(0.85 / 0.15), 0.15); // one pair: the stated minimum
    NEAR(slope, 0, 0, 1e-15);
    CHECK(rm_smooth(&slope, NULL, 3, 0.15) > -0.15 * log(0.15) - 0.85 * log(0.85), "below the entropy of eps");
    NEAR(rm_robust(&slope, NULL, 800, 0.1), -0.1 * 800 / 0.8, 1e-13, 0); // no lower bound
    NEAR(slope, -0.125, 1e-13, 0);
    NEAR(rm_noise(&slope, &bend, -800, 0.1), -log(0.1), 1e-13, 0); // bounded and flat
    NEAR(slope, 0, 0, 1e-300);
    NEAR(rm_noise(&slope, &bend, -800, 0), 800, 1e-14, 0);
    NEAR(slope, -1, 1e-14, 0);
    NEAR(rm_margin(&slope, NULL, -800, 1), 801, 1e-14, 0);
    DIES("0.5 must lie in 0 <= eps < 1/2", rm_noise(&slope, NULL, 0, 0.5));
    DIES("eps = -0.1", rm_smooth(&slope, NULL, 0, -0.1));
    DIES("eps = 0.6", rm_robust(&slope, NULL, 0, 0.6));
}

// What each loss is unbiased or biased for, by the zero of its exact expected slope.
static void test_what_is_fitted(void) {
    double eps = 0.15, slope, right, wrong, plain;
    for (double d = -3.1; d < 3.2; d += 0.7) {
        double P = logistic(d), flipped = (1 - eps) * P + eps * (1 - P), h = 1e-5;
        double shrunk = log(flipped / (1 - flipped));
        NEAR(noise_fitted_logit(&slope, d, eps), shrunk, 1e-12, 1e-14);
        NEAR(slope, (noise_fitted_logit(NULL, d + h, eps) - noise_fitted_logit(NULL, d - h, eps)) / (2 * h), 1e-8, 0);
        NEAR(best_logit(rm_plain, 0, flipped), shrunk, 1e-10, 1e-10); // plain loss, flipped labels: shrunk
        NEAR(best_logit(rm_smooth, eps, P), shrunk, 1e-10, 1e-10);    // smoothing, clean labels: the same
        NEAR(best_logit(rm_noise, eps, flipped), d, 1e-10, 1e-10);    // both corrections: the true difference
        NEAR(best_logit(rm_robust, eps, flipped), d, 1e-10, 1e-10);
        NEAR(best_logit(rm_margin, 0.8, P), margin_fitted_logit(d, 0.8), 1e-10, 1e-10);
        NEAR(margin_fitted_logit(d, 0), d, 1e-12, 1e-14);
        CHECK(fabs(margin_fitted_logit(d, 0.8)) > fabs(d), "a margin exaggerates");
        // the mean over the flip of the robust loss is the clean loss, in value and slope
        double mean = (1 - eps) * rm_robust(&right, NULL, d, eps) + eps * rm_robust(&wrong, NULL, -d, eps);
        NEAR(mean, rm_plain(&plain, NULL, d, 0), 1e-12, 0);
        NEAR((1 - eps) * right - eps * wrong, plain, 1e-12, 0);
    }
    NEAR(noise_fitted_logit(&slope, 0, eps), 0, 0, 1e-15);
    NEAR(slope, 1 - 2 * eps, 1e-14, 0);
    NEAR(noise_fitted_logit(&slope, 700, eps), log((1 - eps) / eps), 1e-13, 0);
    NEAR(noise_fitted_logit(NULL, 700, 0), 700, 0, 0);
    NEAR(margin_fitted_logit(0, 2), 0, 0, 1e-13);
    NEAR(margin_fitted_logit(-1.3, 0.5), -margin_fitted_logit(1.3, 0.5), 1e-14, 0);
}

// ---- fits to features -----------------------------------------------------------------------------------------------

static double win[2 * N * F], lose[2 * N * F];

static void fill(void) {
    for (uint64_t k = 0; k < N * F; k++) {
        win[k] = rng_normal(11, 1, k);
        lose[k] = rng_normal(11, 2, k);
    }
}

static double all_of(DeltaLoss loss, double knob, const double *theta) {
    return rm_mean_loss(NULL, NULL, loss, knob, win, lose, theta, N, F);
}

static void test_fit(void) {
    double theta[F] = {0.4, -0.7, 0.2}, grad[F], hessian[F * F], gg[F], hh[F * F], h = 1e-5;
    fill();
    for (int k = 0; k < LOSSES; k++) {
        rm_mean_loss(grad, hessian, losses[k], knobs[k], win, lose, theta, N, F);
        for (int a = 0; a < F; a++) {
            double up[F], down[F];
            memcpy(up, theta, sizeof up);
            memcpy(down, theta, sizeof down);
            up[a] += h;
            down[a] -= h;
            NEAR(grad[a], (all_of(losses[k], knobs[k], up) - all_of(losses[k], knobs[k], down)) / (2 * h), 1e-7, 1e-9);
        }
    }
    rm_mean_loss(grad, hessian, rm_plain, 0, win, lose, theta, N, F); // the older function says the same
    NEAR(rm_bt(gg, hh, NULL, win, lose, theta, N, F), all_of(rm_plain, 0, theta), 1e-13, 0);
    for (int a = 0; a < F * F; a++) {
        NEAR(hessian[a], hh[a], 1e-12, 1e-15);
        NEAR(grad[a % F], gg[a % F], 1e-12, 1e-15);
    }
    rm_map(gg, win, lose, 0.05, N, F);
    for (int k = 0; k < LOSSES; k++) {
        double lambda = losses[k] == rm_robust ? 0.3 : 0.05;
        double reached = rm_fit(theta, losses[k], knobs[k], win, lose, lambda, N, F), size = 0;
        double plain = rm_mean_loss(grad, NULL, losses[k], knobs[k], win, lose, theta, N, F);
        for (int a = 0; a < F; a++) {
            NEAR(grad[a] + lambda * theta[a], 0, 0, 1e-10);
            size += theta[a] * theta[a];
            if (k == 0) {
                NEAR(theta[a], gg[a], 1e-9, 1e-11);
            }
        }
        NEAR(reached, plain + 0.5 * lambda * size, 1e-12, 0);
    }
    DIES("lambda must be positive", rm_fit(theta, rm_plain, 0, win, lose, 0, N, F));
}

// Exact data: every pair with both labels, the likelier one more often.  The fit must return the differences that the
// closed forms promise.  One feature per pair, so the pairs do not interfere.
static void test_fit_is_the_closed_form(void) {
    enum { SHOWS = 40 };
    static double w[SHOWS], l[SHOWS];
    double theta, eps = 0.1, share;
    int good = 31; // of SHOWS labels
    for (int k = 0; k < SHOWS; k++) {
        w[k] = k < good ? 1 : 0;
        l[k] = k < good ? 0 : 1;
    }
    share = (double)good / SHOWS;
    rm_fit(&theta, rm_plain, 0, w, l, 1e-10, SHOWS, 1);
    NEAR(theta, log(share / (1 - share)), 1e-7, 0);
    rm_fit(&theta, rm_noise, eps, w, l, 1e-10, SHOWS, 1);
    NEAR(noise_fitted_logit(NULL, theta, eps), log(share / (1 - share)), 1e-7, 0);
    double corrected = theta;
    rm_fit(&theta, rm_robust, eps, w, l, 1e-10, SHOWS, 1);
    NEAR(theta, corrected, 1e-6, 0); // one parameter: both corrections find the same clean chance
    rm_fit(&theta, rm_smooth, eps, w, l, 1e-10, SHOWS, 1);
    NEAR(theta, noise_fitted_logit(NULL, log(share / (1 - share)), eps), 1e-7, 0);
    rm_fit(&theta, rm_margin, 0.6, w, l, 1e-10, SHOWS, 1);
    NEAR(theta, margin_fitted_logit(log(share / (1 - share)), 0.6), 1e-7, 0);
}

// ---- centring, single judgements ------------------------------------------------------------------------------------

// Gradient descent on two pairs with fixed shares of labels plus the centring penalty.
static void centred_fit(double r[3], double eta) {
    static const double share[2] = {0.8, 0.7}; // 0 over 1, 1 over 2
    r[0] = r[1] = r[2] = 5;
    for (int step = 0; step < 60000; step++) {
        double g[3] = {0}, dr;
        for (int k = 0; k < 2; k++) {
            double slope = mean_slope(rm_plain, 0, r[k] - r[k + 1], share[k]);
            rm_centre(&dr, r[k], r[k + 1], eta);
            g[k] += slope + dr;
            g[k + 1] += dr - slope;
        }
        for (int k = 0; k < 3; k++) {
            r[k] -= 0.8 * g[k];
        }
    }
}

static void test_centre(void) {
    double dr, unused, r[3], h = 1e-5;
    double value = rm_centre(&dr, 1.3, -0.4, 0.2);
    NEAR(value, 0.2 * 0.81, 1e-14, 0);
    NEAR(dr, (rm_centre(&unused, 1.3 + h, -0.4, 0.2) - rm_centre(&unused, 1.3 - h, -0.4, 0.2)) / (2 * h), 1e-8, 0);
    NEAR(dr, (rm_centre(&unused, 1.3, -0.4 + h, 0.2) - rm_centre(&unused, 1.3, -0.4 - h, 0.2)) / (2 * h), 1e-8, 0);
    double ab = log(0.8 / 0.2), bc = log(0.7 / 0.3), before = INFINITY;
    for (double eta = 0.1; eta > 5e-4; eta /= 10) {
        centred_fit(r, eta);
        double error = fabs(r[0] - r[1] - ab) + fabs(r[1] - r[2] - bc);
        CHECK(error < before / 5, "eta %g: differences off by %g, before %g", eta, error, before);
        before = error;
    }
    CHECK(before < 0.03, "differences off by %g", before);
    // both sums cannot be 0, the penalty settles between: r0 + r1 and r1 + r2 cancel
    NEAR((r[0] + r[1]) + (r[1] + r[2]), 0, 0, 1e-6);
}

// Two Gaussian classes on a line: the best quadratic logit is log prior odds + log density ratio, by quadrature.
static void test_binary(void) {
    double dr, unused, h = 1e-5;
    for (double y = 0; y < 1.1; y += 0.5) {
        for (double r = -3; r < 4; r += 0.9) {
            rm_binary(&dr, r, 0.3, y);
            NEAR(dr, (rm_binary(&unused, r + h, 0.3, y) - rm_binary(&unused, r - h, 0.3, y)) / (2 * h), 1e-7, 1e-9);
            NEAR(-dr, (rm_binary(&unused, r, 0.3 + h, y) - rm_binary(&unused, r, 0.3 - h, y)) / (2 * h), 1e-7, 1e-9);
        }
    }
    NEAR(rm_binary(&dr, 0.3, 0.3, 1), log(2), 1e-15, 0);
    NEAR(rm_binary(&dr, -800, 0, 1), 800, 1e-15, 0);
    NEAR(dr, -1, 1e-15, 0);
    double mu[2] = {-0.4, 0.7}, sd[2] = {0.9, 0.6};
    for (int rare = 0; rare < 2; rare++) { // prior of "good": 1/2, then 1/10
        double prior = rare ? 0.1 : 0.5, theta[F] = {0}, want[F];
        for (int step = 0; step < 40; step++) {
            double grad[F] = {0}, hessian[F * F] = {0}, both[F];
            for (int i = 0; i < CELLS; i++) {
                double x = -6 + 12 * (i + 0.5) / CELLS, f[F], z = 0, mass[2];
                for (int c = 0; c < 2; c++) {
                    double u = (x - mu[c]) / sd[c];
                    mass[c] = exp(-u * u / 2) / sd[c] / sqrt(2 * PI) * 12 / CELLS * (c ? prior : 1 - prior);
                }
                f[0] = 1;
                f[1] = x;
                f[2] = x * x;
                for (int a = 0; a < F; a++) {
                    z += theta[a] * f[a];
                }
                for (int a = 0; a < F; a++) {
                    for (int y = 0; y < 2; y++) {
                        rm_binary(&dr, z, 0, y);
                        grad[a] += mass[y] * dr * f[a];
                    }
                    for (int b = 0; b < F; b++) {
                        hessian[a * F + b] += (mass[0] + mass[1]) * logistic(z) * logistic(-z) * f[a] * f[b];
                    }
                }
            }
            CHECK(solve(both, hessian, grad, F) == 0, "singular");
            for (int a = 0; a < F; a++) {
                theta[a] -= both[a];
            }
        }
        double q[2] = {1 / (sd[0] * sd[0]), 1 / (sd[1] * sd[1])};
        want[0] = log(prior / (1 - prior)) + log(sd[0] / sd[1]) + (mu[0] * mu[0] * q[0] - mu[1] * mu[1] * q[1]) / 2;
        want[1] = mu[1] * q[1] - mu[0] * q[0];
        want[2] = (q[0] - q[1]) / 2; // imbalance moves want[0] only: the threshold, not the ranking
        for (int a = 0; a < F; a++) {
            NEAR(theta[a], want[a], 1e-8, 1e-9);
        }
    }
}

int main(void) {
    test_derivatives();
    test_values_and_limits();
    test_what_is_fitted();
    test_fit();
    test_fit_is_the_closed_form();
    test_centre();
    test_binary();
    return report("test_reward_loss");
}
