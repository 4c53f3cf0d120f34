// test_mixture.c: the exact two-dimensional oracle at one point: naive densities, finite differences, quadrature,
// Bayes' rule on a grid, limits and singular covariances.
#include "death.h"
#include "small_mixture.h"

#include "../ref/formula/forward.h"
#include "../ref/formula/mixture.h"

enum { SEED = 3, STREAM_SAMPLE };

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
    Gmm p = mixture_a();
    Gmm q = gmm_new(3);
    for (int level = 0; level < N_NOISE_LEVELS; level++) {
        double sigma = NOISE_LEVELS[level][1];
        gmm_noised(&q, &p, NOISE_LEVELS[level][0], sigma);
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
    Gmm p = mixture_a();
    Gmm q = gmm_new(3);
    for (int level = 0; level < N_NOISE_LEVELS; level++) {
        double width = NOISE_LEVELS[level][1] > 2 ? 30 : 9;
        double h = width / 150;
        double sum = 0;
        double mean[2] = {0, 0};
        double score[2] = {0, 0};
        double second[4] = {0}, stein[4] = {0}, fisher[4] = {0}, hessian[4] = {0}, exact_mean[2], exact_cov[4];
        gmm_noised(&q, &p, NOISE_LEVELS[level][0], NOISE_LEVELS[level][1]);
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
    Gmm p = mixture_a();
    Gmm q = gmm_new(3);
    Gmm post = gmm_new(3);
    for (int level = 1; level < N_NOISE_LEVELS; level++) {
        double alpha = NOISE_LEVELS[level][0];
        double sigma = NOISE_LEVELS[level][1];
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
    Gmm p = mixture_a();
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

int main(void) {
    test_derivatives();
    test_integrals();
    test_posterior();
    test_limits();
    test_singular();
    return report("test_mixture");
}
