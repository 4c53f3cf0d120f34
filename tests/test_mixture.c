// test_mixture.c: the exact two-dimensional oracle against naive densities, finite differences, quadrature,
// Bayes' rule on a grid, the three partial differential equations of its paths, and sampling.
#include "death.h"

#include "../ref/formula/forward.h"
#include "../ref/formula/mixture.h"

enum { SEED = 3, STREAM_SAMPLE, STREAM_NOISE, STREAM_POINT };

static Gmm gmm_from(int K, const double *w, const double *mu, const double *cov) {
    Gmm p = gmm_new(K);
    memcpy(p.w, w, (size_t)K * sizeof(double));
    memcpy(p.mu, mu, 2 * (size_t)K * sizeof(double));
    memcpy(p.cov, cov, 4 * (size_t)K * sizeof(double));
    gmm_check(&p);
    return p;
}

// Three components of different width and tilt.
static Gmm three(void) {
    const double w[] = {0.5, 0.3, 0.2};
    const double mu[] = {-1.5, 0.5, 1, 1.2, 0.5, -1};
    const double cov[] = {0.3, 0.1, 0.1, 0.2, 0.15, -0.05, -0.05, 0.25, 0.2, 0, 0, 0.1};
    return gmm_from(3, w, mu, cov);
}

static void point_of(double *x, int i) { // a fixed cloud that covers the modes and the space between
    x[0] = 1.6 * rng_normal(SEED, STREAM_POINT, 2 * (uint64_t)i);
    x[1] = 1.6 * rng_normal(SEED, STREAM_POINT, 2 * (uint64_t)i + 1);
}

static const double LEVELS[][2] = {{1, 0}, {0.9, 0.436}, {0.5, 0.866}, {0.05, 0.998}, {1, 0.3}, {1, 4}, {0.4, 0.6}};
enum { N_LEVELS = 7 };

// w N(x; mu, C) written out, with libm.
static double naive_density(const Gmm *p, int k, const double *x) {
    const double *C = p->cov + 4 * k;
    double a = x[0] - p->mu[2 * k];
    double b = x[1] - p->mu[2 * k + 1];
    double det = C[0] * C[3] - C[1] * C[2];
    double maha = (C[3] * a * a - (C[1] + C[2]) * a * b + C[0] * b * b) / det;
    return p->w[k] * exp(-maha / 2) / (2 * PI * sqrt(det));
}

// log p, responsibilities, score and Hessian: naive sums, and central differences of one another.
static void test_derivatives(void) {
    Gmm p = three();
    Gmm q = gmm_new(3);
    for (int level = 0; level < N_LEVELS; level++) {
        double sigma = LEVELS[level][1];
        gmm_noised(&q, &p, LEVELS[level][0], sigma);
        for (int i = 0; i < 20; i++) {
            double x[2], s[2], eps[2], H[4], gamma[3];
            double total = 0;
            double h = 1e-5;
            point_of(x, i);
            double logp = gmm_score(s, &q, x);
            gmm_hessian(H, &q, x);
            gmm_eps(eps, &q, x, sigma);
            NEAR(gmm_responsibilities(gamma, &q, x), logp, 1e-15, 0);
            for (int k = 0; k < 3; k++) {
                total += naive_density(&q, k, x);
            }
            NEAR(logp, log(total), 1e-12, 1e-12);
            NEAR(gmm_logp(&q, x), logp, 0, 0);
            for (int k = 0; k < 3; k++) {
                NEAR(gamma[k], naive_density(&q, k, x) / total, 1e-11, 0);
            }
            for (int j = 0; j < 2; j++) {
                double up[2] = {x[0], x[1]};
                double down[2] = {x[0], x[1]};
                double s_up[2], s_down[2];
                up[j] += h;
                down[j] -= h;
                double slope = (gmm_score(s_up, &q, up) - gmm_score(s_down, &q, down)) / (2 * h);
                NEAR(s[j], slope, 1e-7, 1e-7);
                NEAR(eps[j], -sigma * slope, 1e-7, 1e-7);
                NEAR(H[j], (s_up[0] - s_down[0]) / (2 * h), 1e-6, 1e-6);
                NEAR(H[2 + j], (s_up[1] - s_down[1]) / (2 * h), 1e-6, 1e-6);
            }
        }
    }
    gmm_free(&p);
    gmm_free(&q);
}

// Sums over a grid that holds all the mass.  Exact for smooth densities: E[1] = 1, E[s] = 0, E[x s'] = -I,
// E[H] = -E[s s'], and the moments.
static void test_integrals(void) {
    Gmm p = three();
    Gmm q = gmm_new(3);
    for (int level = 0; level < N_LEVELS; level++) {
        double width = LEVELS[level][1] > 2 ? 30 : 9;
        double h = width / 150;
        double sum = 0;
        double mean[2] = {0, 0};
        double score[2] = {0, 0};
        double second[4] = {0}, stein[4] = {0}, fisher[4] = {0}, hessian[4] = {0}, exact_mean[2], exact_cov[4];
        gmm_noised(&q, &p, LEVELS[level][0], LEVELS[level][1]);
        for (int i = -150; i <= 150; i++) {
            for (int j = -150; j <= 150; j++) {
                double x[2] = {i * h, j * h};
                double s[2], H[4];
                double mass = exp(gmm_score(s, &q, x)) * h * h;
                gmm_hessian(H, &q, x);
                sum += mass;
                for (int r = 0; r < 4; r++) {
                    second[r] += mass * x[r / 2] * x[r % 2];
                    stein[r] += mass * x[r / 2] * s[r % 2];
                    fisher[r] += mass * s[r / 2] * s[r % 2];
                    hessian[r] += mass * H[r];
                }
                for (int r = 0; r < 2; r++) {
                    mean[r] += mass * x[r];
                    score[r] += mass * s[r];
                }
            }
        }
        gmm_moments(exact_mean, exact_cov, &q);
        NEAR(sum, 1, 1e-9, 0);
        for (int r = 0; r < 2; r++) {
            NEAR(score[r], 0, 0, 1e-9);
            NEAR(mean[r], exact_mean[r], 1e-9, 1e-9);
        }
        for (int r = 0; r < 4; r++) {
            NEAR(stein[r], r == 0 || r == 3 ? -1 : 0, 1e-8, 1e-8);
            NEAR(hessian[r], -fisher[r], 1e-7, 1e-8);
            NEAR(second[r] - mean[r / 2] * mean[r % 2], exact_cov[r], 1e-8, 1e-8);
        }
    }
    gmm_free(&p);
    gmm_free(&q);
}

// E[x_0 | x_t], its covariance and its Jacobian: by Tweedie, by finite differences, and by Bayes' rule on a
// grid.
static void test_posterior(void) {
    Gmm p = three();
    Gmm q = gmm_new(3);
    Gmm post = gmm_new(3);
    for (int level = 1; level < N_LEVELS; level++) {
        double alpha = LEVELS[level][0];
        double sigma = LEVELS[level][1];
        gmm_noised(&q, &p, alpha, sigma);
        for (int i = 0; i < 6; i++) {
            double x[2], x0[2], m[2], cov[4], J[4], H[4], s[2], tweedie[4];
            point_of(x, i);
            gmm_denoise(x0, &p, x, alpha, sigma);
            gmm_posterior_cov(cov, m, &p, x, alpha, sigma);
            gmm_denoise_jacobian(J, &p, x, alpha, sigma);
            gmm_score(s, &q, x);
            gmm_hessian(H, &q, x);
            tweedie_cov(tweedie, H, alpha, sigma, 2);
            // 1 + sigma^2 H cancels where the noise is large against the data: the reason for the closed
            // form.
            double rounding = 1e-13 * sigma * sigma / (alpha * alpha);
            for (int r = 0; r < 2; r++) {
                CHECK(x0[r] == m[r], "one posterior mean");
                NEAR(x0[r], (x[r] + sigma * sigma * s[r]) / alpha, 1e-10, rounding * 10);
            }
            for (int r = 0; r < 4; r++) {
                NEAR(cov[r], tweedie[r], 1e-9, 1e-12 + rounding);
                double up[2] = {x[0], x[1]};
                double down[2] = {x[0], x[1]};
                double d_up[2], d_down[2];
                up[r % 2] += 1e-5;
                down[r % 2] -= 1e-5;
                gmm_denoise(d_up, &p, up, alpha, sigma);
                gmm_denoise(d_down, &p, down, alpha, sigma);
                NEAR(J[r], (d_up[r / 2] - d_down[r / 2]) / 2e-5, 1e-6, 1e-7);
            }
            // Bayes: p(x_0 | x) ~ p_0(x_0) N(x; alpha x_0, sigma^2 I)
            double h = 0.03;
            double total = 0;
            double mean[2] = {0, 0};
            double second[4] = {0};
            for (int a = -170; a <= 170; a++) {
                for (int b = -170; b <= 170; b++) {
                    double y[2] = {a * h, b * h};
                    double d2 = pow(x[0] - alpha * y[0], 2) + pow(x[1] - alpha * y[1], 2);
                    double mass = (naive_density(&p, 0, y) + naive_density(&p, 1, y) + naive_density(&p, 2, y)) *
                                  exp(-d2 / (2 * sigma * sigma));
                    total += mass;
                    for (int r = 0; r < 4; r++) {
                        second[r] += mass * y[r / 2] * y[r % 2];
                    }
                    mean[0] += mass * y[0];
                    mean[1] += mass * y[1];
                }
            }
            for (int r = 0; r < 2; r++) {
                NEAR(x0[r], mean[r] / total, 1e-7, 1e-7);
            }
            for (int r = 0; r < 4; r++) {
                NEAR(cov[r], second[r] / total - mean[r / 2] * mean[r % 2] / (total * total), 1e-7, 1e-7);
            }
            // The posterior is a mixture of the stated form; S_k also in the textbook form.
            gmm_posterior(&post, &p, x, alpha, sigma);
            gmm_check(&post);
            for (int k = 0; k < 3; k++) {
                const double *S = p.cov + 4 * k;
                double inv[4];
                inv2(inv, q.cov + 4 * k);
                for (int r = 0; r < 4; r++) {
                    double form = S[r];
                    for (int u = 0; u < 4; u++) {
                        form -= alpha * alpha * S[2 * (r / 2) + u / 2] * inv[u] * S[2 * (u % 2) + r % 2];
                    }
                    NEAR(post.cov[4 * k + r], form, 1e-10, 1e-12);
                }
            }
        }
    }
    gmm_free(&p);
    gmm_free(&q);
    gmm_free(&post);
}

// Limits, singular data, and points no float density can reach.
static void test_limits(void) {
    Gmm p = three();
    Gmm q = gmm_new(3);
    double x[2] = {0.4, -0.9};
    double d[2], mean[2], cov[4], m[2], c[4];
    gmm_denoise(d, &p, x, 0.8, 1e-6); // no noise: x/alpha
    NEAR(d[0], 0.5, 1e-10, 0);
    NEAR(d[1], -0.9 / 0.8, 1e-10, 0);
    gmm_moments(mean, cov, &p);
    gmm_posterior_cov(c, m, &p, x, 0, 1); // no signal: the data itself
    double far[2] = {3e6, -1e6};
    gmm_denoise(d, &p, far, 1, 1e8); // VE at huge noise, x scaled up with it
    for (int r = 0; r < 2; r++) {
        NEAR(m[r], mean[r], 1e-14, 0);
        NEAR(d[r], mean[r], 1e-6, 0);
    }
    for (int r = 0; r < 4; r++) {
        NEAR(c[r], cov[r], 1e-13, 0);
    }
    gmm_noised(&q, &p, 0, 1); // pure noise is N(0, I)
    double s[2], H[4];
    NEAR(gmm_score(s, &q, x), -(x[0] * x[0] + x[1] * x[1]) / 2 - log(2 * PI), 1e-13, 0);
    gmm_hessian(H, &q, x);
    NEAR(s[1], -x[1], 1e-14, 0);
    NEAR(H[0], -1, 1e-14, 0);
    NEAR(H[1], 0, 0, 1e-15);
    // Two noisings are one; in place.
    Gmm once = gmm_new(3);
    gmm_noised(&q, &p, 0.8, 0.5);
    gmm_noised(&q, &q, 0.6, 0.7);
    gmm_noised(&once, &p, 0.8 * 0.6, sqrt(0.6 * 0.6 * 0.5 * 0.5 + 0.7 * 0.7));
    for (int r = 0; r < 12; r++) {
        NEAR(q.cov[r], once.cov[r], 1e-14, 1e-16);
        NEAR(q.mu[r % 6], once.mu[r % 6], 1e-14, 0);
    }
    // Far away: finite, shares sum to 1, and the score is that of the component that decays slowest along
    // the way.
    double distances[] = {40, 1e3, 1e6, 1e10, 1e100};
    for (int k = 0; k < 5; k++) {
        double y[2] = {distances[k], 0};
        double gamma[3], inv[4];
        double logp = gmm_score(s, &p, y);
        gmm_responsibilities(gamma, &p, y);
        gmm_hessian(H, &p, y);
        inv2(inv, p.cov); // component 0 has the largest 1/(C^-1)_00: 0.25
        CHECK(logp < -500 && logp > -HUGE_VAL, "log p %g", logp);
        NEAR(gamma[0] + gamma[1] + gamma[2], 1, 1e-15, 0);
        NEAR(s[0], -inv[0] * (y[0] + 1.5) + inv[1] * 0.5, 1e-9, 0);
        NEAR(H[0], -inv[0], 1e-9, 0);
    }
    double w2[] = {0.25, 0.75};
    double mu2[] = {-1, 0, 1, 0};
    double equal[] = {0.04, 0, 0, 0.04, 0.04, 0, 0, 0.04};
    Gmm twin = gmm_from(2, w2, mu2, equal); // equal widths: here log p + log 2 rounds to log p
    double gamma[2];
    double y[2] = {0, 1e12};
    gmm_responsibilities(gamma, &twin, y);
    NEAR(gamma[0] + gamma[1], 1, 1e-15, 0);
    y[1] = 1e3;
    gmm_responsibilities(gamma, &twin, y);
    NEAR(gamma[0], 0.25, 1e-8, 0); // on the symmetry axis the shares are the weights
    // A component without weight changes nothing.
    double w3[] = {0.5, 0.3, 0.2, 0};
    Gmm four = gmm_new(4);
    memcpy(four.w, w3, sizeof w3);
    memcpy(four.mu, p.mu, 6 * sizeof(double));
    memcpy(four.cov, p.cov, 12 * sizeof(double));
    four.cov[12] = four.cov[15] = 1;
    gmm_check(&four);
    double s3[2];
    NEAR(gmm_score(s, &four, x), gmm_score(s3, &p, x), 1e-15, 0);
    NEAR(s[0], s3[0], 1e-15, 0);
    gmm_free(&four);
    gmm_free(&twin);
    gmm_free(&once);
    gmm_free(&q);
    gmm_free(&p);
}

static void test_singular(void) {
    double w[] = {0.5, 0.5};
    double mu[] = {-1, 0, 1, 0};
    double none[8] = {0};
    Gmm points = gmm_from(2, w, mu, none); // two points at +-1: E[x_0|x] = tanh(alpha x/sigma^2)
    double x[2] = {0.7, 0.2};
    double x0[2], m[2], cov[4], u[2];
    double alpha = sqrt(0.5);
    gmm_denoise(x0, &points, x, alpha, alpha);
    NEAR(x0[0], tanh(alpha * 0.7 / 0.5), 1e-14, 0);
    NEAR(x0[1], 0, 0, 1e-15);
    gmm_posterior_cov(cov, m, &points, x, alpha, alpha);
    NEAR(cov[0], 1 - x0[0] * x0[0], 1e-13, 0); // Var of +-1
    NEAR(cov[3], 0, 0, 1e-15);
    NEAR(gmm_velocity(u, &points, x, 0), -2, 0, 0);
    CHECK(u[0] == -0.7 && u[1] == -0.2, "velocity at t = 0 needs no density");
    // A segment: covariance of rank 1 along (3, 4)/5.  Its noised marginal across the segment is N(0,
    // sigma^2).
    double one = 1;
    double zero[2] = {0, 0};
    double line[4] = {0.36 * 4, 0.48 * 4, 0.48 * 4, 0.64 * 4};
    Gmm segment = gmm_from(1, &one, zero, line);
    Gmm q = gmm_new(1);
    double s[2];
    gmm_noised(&q, &segment, 0.8, 0.1);
    gmm_score(s, &q, x);
    double along = (3 * x[0] + 4 * x[1]) / 5;
    double across = (-4 * x[0] + 3 * x[1]) / 5;
    NEAR((3 * s[0] + 4 * s[1]) / 5, -along / (0.64 * 4 + 0.01), 1e-10, 0);
    NEAR((-4 * s[0] + 3 * s[1]) / 5, -across / 0.01, 1e-10, 0);
    for (uint64_t i = 0; i < 200; i++) {
        double y[2];
        gmm_sample(y, &segment, SEED, STREAM_SAMPLE, i);
        NEAR(-4 * y[0] + 3 * y[1], 0, 0, 1e-7); // rounding of a zero pivot: sqrt(1e-16) at worst
    }
    DIES("is singular", gmm_score(s, &segment, x)); // without noise there is no density
    double upright[4] = {0, 0, 0, 4};
    double y[2];
    memcpy(segment.cov, upright, sizeof upright);
    gmm_sample(y, &segment, SEED, STREAM_SAMPLE, 2);
    CHECK(y[0] == 0 && y[1] != 0, "a vertical segment: (%g, %g)", y[0], y[1]);
    CHECK(gmm_sample(y, &points, SEED, STREAM_SAMPLE, 1) >= 0 && fabs(y[0]) == 1 && y[1] == 0, "a point");
    gmm_free(&points);
    gmm_free(&segment);
    gmm_free(&q);
}

// d log p/dt + s . drift + div drift = 0: mass is neither made nor lost along each of the three paths.
static void test_continuity(void) {
    Gmm p = three();
    Gmm q = gmm_new(3);
    double times[] = {0.05, 0.3, 0.6, 0.95};
    double h = 1e-5;
    for (int k = 0; k < 4; k++) {
        double t = times[k];
        for (int i = 0; i < 8; i++) {
            double x[2], s[2], u[2], x0[2], D[2], H[4];
            double logp[2];
            point_of(x, i);
            for (int side = 0; side < 2; side++) { // flow path
                double at = t + (side ? h : -h);
                gmm_noised(&q, &p, 1 - at, at);
                logp[side] = gmm_logp(&q, x);
            }
            gmm_noised(&q, &p, 1 - t, t);
            gmm_score(s, &q, x);
            double div = gmm_velocity(u, &p, x, t);
            double rate = (logp[1] - logp[0]) / (2 * h);
            double size = fabs(rate) + fabs(div) + 1;
            NEAR(rate + u[0] * s[0] + u[1] * s[1] + div, 0, 0, 1e-6 * size);
            gmm_denoise(x0, &p, x, 1 - t, t);
            for (int r = 0; r < 2; r++) { // E[eps] - E[x_0], and the form that is 0/0 at t = 1
                NEAR(u[r], (x[r] - (1 - t) * x0[r]) / t - x0[r], 1e-10, 1e-10);
                NEAR(u[r], -t * s[r] - (x[r] + t * t * s[r]) / (1 - t), 1e-10, 1e-10);
            }
            for (int side = 0; side < 2; side++) { // VP path
                double at = t + (side ? h : -h);
                gmm_noised(&q, &p, vp_alpha(at, 0.1, 20), vp_sigma(at, 0.1, 20));
                logp[side] = gmm_logp(&q, x);
            }
            gmm_noised(&q, &p, vp_alpha(t, 0.1, 20), vp_sigma(t, 0.1, 20));
            gmm_score(s, &q, x);
            div = gmm_vp_drift(u, &q, x, vp_beta(t, 0.1, 20));
            rate = (logp[1] - logp[0]) / (2 * h);
            NEAR(rate + u[0] * s[0] + u[1] * s[1] + div, 0, 0, 1e-6 * (fabs(rate) + fabs(div) + 1));
            for (int side = 0; side < 2;
                 side++) { // VE path: d log p/d sigma + s . slope + div slope = 0, slope = -sigma s
                gmm_noised(&q, &p, 1, t + (side ? h : -h));
                logp[side] = gmm_logp(&q, x);
            }
            gmm_noised(&q, &p, 1, t);
            gmm_score(s, &q, x);
            gmm_hessian(H, &q, x);
            gmm_edm(D, u, &p, x, t);
            rate = (logp[1] - logp[0]) / (2 * h);
            NEAR(rate + u[0] * s[0] + u[1] * s[1] - t * (H[0] + H[3]), 0, 0, 1e-6 * (fabs(rate) + fabs(t * H[0]) + 1));
            for (int r = 0; r < 2; r++) {
                NEAR(u[r], (x[r] - D[r]) / t, 1e-9, 1e-10);
            }
        }
    }
    // Both ends of the flow path, and nothing jumps there.
    double x[2] = {0.4, -0.9};
    double mean[2], cov[4], u[2], near[2];
    gmm_moments(mean, cov, &p);
    double div = gmm_velocity(u, &p, x, 1);
    NEAR(u[0], x[0] - mean[0], 1e-14, 0);
    NEAR(u[1], x[1] - mean[1], 1e-14, 0);
    NEAR(div, 2, 1e-14, 0);
    double div_near = gmm_velocity(near, &p, x, 1 - 1e-7);
    NEAR(near[0], u[0], 1e-5, 0);
    NEAR(div_near, div, 1e-5, 0);
    div = gmm_velocity(u, &p, x, 0);
    div_near = gmm_velocity(near, &p, x, 1e-7);
    NEAR(near[0], u[0], 1e-5, 0);
    NEAR(near[1], u[1], 1e-5, 0);
    NEAR(div_near, div, 1e-5, 0);
    gmm_free(&p);
    gmm_free(&q);
}

// The VP score is the VE score at x/alpha and sigma/alpha, divided by alpha.
static void test_equivalence(void) {
    Gmm p = three();
    Gmm vp = gmm_new(3);
    Gmm ve = gmm_new(3);
    for (int i = 0; i < 5; i++) {
        double x[2], s[2], s_ve[2];
        point_of(x, i);
        gmm_noised(&vp, &p, 0.6, 0.8);
        gmm_noised(&ve, &p, 1, 0.8 / 0.6);
        double y[2] = {x[0] / 0.6, x[1] / 0.6};
        double jacobian = 2 * log(0.6);
        NEAR(gmm_score(s, &vp, x), gmm_score(s_ve, &ve, y) - jacobian, 1e-13, 1e-13);
        NEAR(s[0], s_ve[0] / 0.6, 1e-12, 1e-13);
        NEAR(s[1], s_ve[1] / 0.6, 1e-12, 1e-13);
    }
    gmm_free(&p);
    gmm_free(&vp);
    gmm_free(&ve);
}

// Sampled moments, component frequencies, and noised samples against the noised mixture; 4 standard errors.
static void test_sampling(void) {
    enum { N = 40000 };
    static real x[2 * N], eps[2 * N], x_t[2 * N];
    static int component[N];
    Gmm p = three();
    Gmm q = gmm_new(3);
    double mean[2], cov[4];
    gmm_sample_many(x, component, &p, N, SEED, STREAM_SAMPLE, 0);
    rng_fill_normal(eps, 2 * N, SEED, STREAM_NOISE, 0);
    for (int level = 0; level < 3; level++) {
        double alpha = LEVELS[level][0];
        double sigma = LEVELS[level][1];
        forward_noise_path(x_t, x, eps, alpha, sigma, 2 * N);
        gmm_noised(&q, &p, alpha, sigma);
        gmm_moments(mean, cov, &q);
        double sum[2] = {0, 0};
        double product[4] = {0}, square[4] = {0};
        for (int i = 0; i < N; i++) {
            for (int r = 0; r < 4; r++) {
                double v = (x_t[2 * i + r / 2] - mean[r / 2]) * (x_t[2 * i + r % 2] - mean[r % 2]);
                product[r] += v / N;
                square[r] += v * v / N;
            }
            sum[0] += x_t[2 * i] / (double)N;
            sum[1] += x_t[2 * i + 1] / (double)N;
        }
        for (int r = 0; r < 2; r++) {
            AGREES(sum[r], sqrt(cov[3 * r] / N), mean[r]);
        }
        for (int r = 0; r < 4; r++) {
            AGREES(product[r], sqrt((square[r] - product[r] * product[r]) / N), cov[r]);
        }
    }
    for (int k = 0; k < 3; k++) { // each component alone: frequency, mean and covariance
        double n = 0;
        double m[2] = {0, 0};
        double product[4] = {0};
        for (int i = 0; i < N; i++) {
            if (component[i] == k) {
                n++;
                for (int r = 0; r < 4; r++) {
                    product[r] += (x[2 * i + r / 2] - p.mu[2 * k + r / 2]) * (x[2 * i + r % 2] - p.mu[2 * k + r % 2]);
                }
                m[0] += x[2 * i];
                m[1] += x[2 * i + 1];
            }
        }
        const double *C = p.cov + 4 * k;
        AGREES(n / N, sqrt(p.w[k] * (1 - p.w[k]) / N), p.w[k]);
        for (int r = 0; r < 2; r++) {
            AGREES(m[r] / n, sqrt(C[3 * r] / n), p.mu[2 * k + r]);
        }
        for (int r = 0; r < 4; r++) { // Var(z_i z_j) = C_ii C_jj + C_ij^2 for Gaussian z
            AGREES(product[r] / n, sqrt((C[3 * (r / 2)] * C[3 * (r % 2)] + C[r] * C[r]) / n), C[r]);
        }
    }
    // A sample is a function of its index, not of the batch it is drawn in.
    real again[4];
    gmm_sample_many(again, NULL, &p, 2, SEED, STREAM_SAMPLE, 1234);
    for (int r = 0; r < 4; r++) { // neighbouring samples share no noise
        double product = 0;
        double square = 0;
        gmm_moments(mean, cov, &p);
        for (int i = 0; i + 1 < N; i++) {
            double v = (x[2 * i + r / 2] - mean[r / 2]) * (x[2 * i + 2 + r % 2] - mean[r % 2]);
            product += v / (N - 1);
            square += v * v / (N - 1);
        }
        AGREES(product, sqrt(square / N), 0);
    }
    for (uint64_t i = 0; i < 50; i++) { // the promised indices: 3i for the component, 3i+1 and 3i+2 for z
        double y[2];
        int k = gmm_sample(y, &p, SEED, STREAM_SAMPLE, i);
        double u = rng_uniform(SEED, STREAM_SAMPLE, 3 * i);
        const double *C = p.cov + 4 * k;
        double z0 = rng_normal(SEED, STREAM_SAMPLE, 3 * i + 1);
        double z1 = rng_normal(SEED, STREAM_SAMPLE, 3 * i + 2);
        CHECK(k == (u < 0.5 ? 0 : u < 0.8 ? 1 : 2), "u = %g picked %d", u, k);
        NEAR(y[0], p.mu[2 * k] + sqrt(C[0]) * z0, 1e-13, 1e-14);
        NEAR(y[1], p.mu[2 * k + 1] + C[1] / sqrt(C[0]) * z0 + sqrt(C[3] - C[1] * C[1] / C[0]) * z1, 1e-12, 1e-13);
    }
    CHECK(again[0] == x[2468] && again[3] == x[2471], "sample 1234 depends on the batch");
    // log p averaged over samples is minus the entropy, by a sum over a grid.
    double lp = 0;
    double lp2 = 0;
    double entropy = 0;
    for (int i = 0; i < N; i++) {
        double y[2] = {x[2 * i], x[2 * i + 1]};
        double l = gmm_logp(&p, y);
        lp += l / N;
        lp2 += l * l / N;
    }
    for (int i = -200; i <= 200; i++) {
        for (int j = -200; j <= 200; j++) {
            double y[2] = {i * 0.03, j * 0.03};
            double l = gmm_logp(&p, y);
            entropy -= exp(l) * l * 0.03 * 0.03;
        }
    }
    AGREES(lp, sqrt((lp2 - lp * lp) / N), -entropy);
    gmm_free(&p);
    gmm_free(&q);
}

static void test_refusals(void) {
    Gmm p = three();
    Gmm q = gmm_copy(&p);
    Gmm two = gmm_new(2);
    double x[2] = {0, 0};
    double bad[2] = {NAN, 0};
    double s[4];
    for (int r = 0; r < 12; r++) {
        CHECK(q.cov[r] == p.cov[r] && q.mu[r % 6] == p.mu[r % 6] && q.w[r % 3] == p.w[r % 3], "copy, number %d", r);
    }
    Gmm most = gmm_new(GMM_MAX_K);
    gmm_free(&most);
    q.w[0] = 0.7;
    q.mu[1] = 9;
    q.cov[5] = 7;
    CHECK(p.w[0] == 0.5 && p.mu[1] == 0.5 && p.cov[5] == -0.05, "the copy is the original");
    q.cov[5] = p.cov[5];
    DIES("sum to", gmm_check(&q));
    q.w[0] = 0.5;
    q.cov[5] = 7;
    DIES("component 1: covariance", gmm_check(&q));
    q.cov[5] = q.cov[6] = 0.5; // symmetric, but an eigenvalue is negative
    DIES("component 1: covariance", gmm_check(&q));
    q.cov[5] = q.cov[6] = 0;
    q.cov[4] = HUGE_VAL;
    DIES("component 1: covariance", gmm_check(&q));
    q.cov[4] = NAN;
    DIES("component 1: covariance", gmm_check(&q));
    q.cov[4] = 0.1;
    gmm_check(&q);
    q.mu[3] = HUGE_VAL;
    DIES("component 1: weight", gmm_check(&q));
    q.mu[3] = 0;
    q.mu[2] = HUGE_VAL;
    DIES("component 1: weight", gmm_check(&q));
    q.mu[2] = 0;
    q.w[2] = -0.2;
    DIES("component 2: weight", gmm_check(&q));
    double block[7];
    DIES("K = 0", gmm_on(block, 0));
    DIES("K = 257", gmm_on(block, 257));
    DIES("2 components", gmm_noised(&two, &p, 1, 1));
    DIES("2 components", gmm_posterior(&two, &p, x, 1, 1));
    DIES("component 0 is singular", gmm_score(s, &two, x)); // all covariances 0
    two.cov[0] = two.cov[3] = two.cov[4] = two.cov[7] = -1; // the determinant is positive, the matrix is not
    DIES("component 0 is singular", gmm_score(s, &two, x));
    DIES("not a finite number", gmm_logp(&p, bad));
    bad[0] = 1e200;
    DIES("not a finite number", gmm_logp(&p, bad));
    DIES("sigma = 0", gmm_denoise_jacobian(s, &p, x, 1, 0));
    DIES("t = 1.1", gmm_velocity(s, &p, x, 1.1));
    q.cov[8] = -1;
    q.w[0] = q.w[1] = 0;
    q.w[2] = 1;
    DIES("not a covariance", gmm_sample(s, &q, SEED, STREAM_SAMPLE, 0));
    q.cov[8] = 0;
    q.cov[9] = q.cov[10] = 0.5; // no width along x, yet correlated with it
    q.cov[11] = 1;
    DIES("not a covariance", gmm_sample(s, &q, SEED, STREAM_SAMPLE, 0));
    gmm_free(&p);
    gmm_free(&q);
    gmm_free(&two);
    CHECK(p.w == NULL && p.K == 0, "freed");
}

int main(void) {
    test_derivatives();
    test_integrals();
    test_posterior();
    test_limits();
    test_singular();
    test_continuity();
    test_equivalence();
    test_sampling();
    test_refusals();
    return report("test_mixture");
}
