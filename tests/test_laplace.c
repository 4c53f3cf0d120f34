// test_laplace.c: the posterior of a fitted reward and the choice of questions, by independent routes with libm.
#include "death.h" // first

#include "../ref/core/rng.h"
#include "../ref/formula/acquisition.h"
#include "../ref/formula/laplace.h"

enum { SEED = 7, N = 14, F = 3 };
enum { STREAM_WIN = 1, STREAM_LOSE, STREAM_DRAW, STREAM_MEMBER, STREAM_ROW };

static double win[N * F], lose[N * F];

static void make_pairs(void) {
    int i;
    for (i = 0; i < N * F; i++) {
        win[i] = rng_normal(SEED, STREAM_WIN, (uint64_t)i) + 0.3 * (i % F == 0);
        lose[i] = rng_normal(SEED, STREAM_LOSE, (uint64_t)i);
    }
}

static double logistic(double z) {
    return 1 / (1 + exp(-z));
}

// E f(z), z ~ N(mean, sd^2), by the midpoint rule on 12 standard deviations, 20,000 cells.
static double expect(double (*f)(double), double mean, double sd) {
    double sum = 0;
    int k;
    for (k = 0; k < 20000; k++) {
        double u = -12 + 24 * (k + 0.5) / 20000;
        sum += f(mean + sd * u) * exp(-0.5 * u * u) / sqrt(2 * PI) * 24 / 20000;
    }
    return sum;
}

// ---- covariance --------------------------------------------------------------------------------------------------

// The inverse of the covariance is the slope of the gradient of the whole negative log posterior, N (L + lambda/2 t^2).
static void test_covariance(void) {
    static const double lambda[] = {0.02, 0.3, 5};
    double theta[F], cov[F * F], moved[F], up[F], down[F], h = 1e-5;
    int k, a, b, c;
    for (k = 0; k < 3; k++) {
        rm_laplace(theta, cov, win, lose, lambda[k], N, N, F);
        for (b = 0; b < F; b++) {
            memcpy(moved, theta, sizeof moved);
            moved[b] += h;
            rm_bt(up, NULL, NULL, win, lose, moved, N, F);
            moved[b] -= 2 * h;
            rm_bt(down, NULL, NULL, win, lose, moved, N, F);
            for (a = 0; a < F; a++) { // column b of the curvature, times the covariance: column b of the identity
                up[a] = N * ((up[a] - down[a]) / (2 * h) + (a == b ? lambda[k] : 0));
            }
            for (a = 0; a < F; a++) {
                double sum = 0;
                for (c = 0; c < F; c++) {
                    sum += cov[a * F + c] * up[c];
                }
                NEAR(sum, a == b, 0, 1e-8);
            }
        }
    }
}

// One feature: the posterior on a fine line, against the Gaussian.  With many answers they agree; the mean of the
// posterior then lies near its peak and the standard deviation near the curvature's.
static void test_line(void) {
    enum { PAIRS = 400 };
    static double w[PAIRS], l[PAIRS];
    double theta, cov, lambda = 0.01, mass = 0, mean = 0, square = 0;
    int i, k;
    for (i = 0; i < PAIRS; i++) {
        double d = rng_normal(SEED, STREAM_WIN, (uint64_t)(1000 + i));
        int first = rng_uniform(SEED, STREAM_LOSE, (uint64_t)(1000 + i)) < logistic(1.5 * d);
        w[i] = first ? d : 0;
        l[i] = first ? 0 : d;
    }
    rm_laplace(&theta, &cov, w, l, lambda, PAIRS, PAIRS, 1);
    for (k = 0; k < 2000; k++) {
        double t = theta + sqrt(cov) * (-8 + 16 * (k + 0.5) / 2000),
               logp = 0.5 * PAIRS * lambda * (theta * theta - t * t);
        for (i = 0; i < PAIRS; i++) {
            logp += log1p(exp(-theta * (w[i] - l[i]))) - log1p(exp(-t * (w[i] - l[i])));
        }
        mass += exp(logp);
        mean += t * exp(logp);
        square += t * t * exp(logp);
    }
    mean /= mass;
    NEAR(mean, theta, 0, 0.15 * sqrt(cov));
    NEAR(sqrt(square / mass - mean * mean), sqrt(cov), 0.03, 0);
}

// Repeated rows: N answers entered twice are still N answers, and a tie is a row and its mirror image.
static void test_answers(void) {
    double w[2 * N * F], l[2 * N * F], theta[F], cov[F * F], theta2[F], cov2[F * F], gap[F], f = 0;
    double none[2 * F] = {0}, tie_w[2 * F], tie_l[2 * F];
    int a, i;
    memcpy(w, win, sizeof win);
    memcpy(w + N * F, win, sizeof win);
    memcpy(l, lose, sizeof lose);
    memcpy(l + N * F, lose, sizeof lose);
    rm_laplace(theta, cov, win, lose, 0.1, N, N, F);
    rm_laplace(theta2, cov2, w, l, 0.1, N, 2 * N, F);
    for (a = 0; a < F; a++) {
        NEAR(theta2[a], theta[a], 1e-10, 1e-12);
    }
    for (a = 0; a < F * F; a++) {
        NEAR(cov2[a], cov[a], 1e-10, 1e-13);
    }
    // one tie: theta = 0, and the curvature of one coin at 1/2: prior precision + d d' / 4
    for (i = 0; i < F; i++) {
        gap[i] = win[i] - lose[i];
        tie_w[i] = tie_l[F + i] = win[i];
        tie_l[i] = tie_w[F + i] = lose[i];
        f += gap[i] * gap[i];
    }
    rm_laplace(theta, cov, tie_w, tie_l, 0.5, 1, 2, F);
    for (a = 0; a < F; a++) {
        NEAR(theta[a], 0, 0, 1e-13);
    }
    NEAR(laplace_sd(cov, gap, F), sqrt(f / (0.5 + f / 4)), 1e-12, 0);
    NEAR(laplace_mean(theta, none, F), 0, 0, 0);
}

// A strong prior is the posterior; along a direction that nobody asked about, every prior is.
static void test_limits(void) {
    double theta[F], cov[F * F], w[2] = {1, 0}, l[2] = {0, 0}, f[2] = {0, 1}, one[F] = {1, 1, 1};
    rm_laplace(theta, cov, win, lose, 1e6, N, N, F);
    NEAR(laplace_sd(cov, one, F), sqrt(F / (1e6 * N)), 1e-5, 0);
    NEAR(laplace_mean(theta, one, F), 0, 0, 1e-5);
    rm_laplace(theta, cov, w, l, 0.25, 1, 1, 2);
    NEAR(laplace_sd(cov, f, 2), 2, 1e-14, 0); // the prior: variance 1/0.25
    NEAR(laplace_mean(theta, f, 2), 0, 0, 1e-15);
    DIES("answers", rm_laplace(theta, cov, w, l, 0.25, 0, 1, 2));
    DIES("lambda", rm_laplace(theta, cov, w, l, 0, 1, 1, 2));
}

// ---- a difference ------------------------------------------------------------------------------------------------

static void test_difference(void) {
    enum { DRAWS = 20000 };
    double theta[F], cov[F * F], L[F * F], gap[F], fa[F] = {1, 0.8, -0.3}, fb[F] = {0.9, 0.9, -0.1};
    double var_a, var_b, cross = 0, mean = 0, square = 0, below = 0, lcb, m, s;
    int a, b, i;
    rm_laplace(theta, cov, win, lose, 0.05, N, N, F);
    for (a = 0; a < F; a++) {
        gap[a] = fa[a] - fb[a];
        for (b = 0; b < F; b++) {
            cross += fa[a] * cov[a * F + b] * fb[b];
        }
    }
    var_a = laplace_sd(cov, fa, F) * laplace_sd(cov, fa, F);
    var_b = laplace_sd(cov, fb, F) * laplace_sd(cov, fb, F);
    s = laplace_sd(cov, gap, F);
    m = laplace_mean(theta, gap, F);
    NEAR(s * s, var_a + var_b - 2 * cross, 1e-12, 0);
    NEAR(m, laplace_mean(theta, fa, F) - laplace_mean(theta, fb, F), 1e-13, 1e-15);
    CHECK(s < 0.6 * sqrt(var_a + var_b), "the covariance is no small thing here: %g against %g", s,
          sqrt(var_a + var_b));
    memset(gap, 0, sizeof gap);
    NEAR(laplace_sd(cov, gap, F), 0, 0, 0);
    // draws of theta: mean, spread, and the share below mean - sd, which is Phi(-1)
    CHECK(cholesky(L, cov, F) == 0, "the covariance is not positive definite");
    lcb = laplace_lcb(m, s, 1);
    for (i = 0; i < DRAWS; i++) {
        double d = 0;
        for (a = 0; a < F; a++) {
            double t = theta[a];
            for (b = 0; b <= a; b++) {
                t += L[a * F + b] * rng_normal(SEED, STREAM_DRAW, (uint64_t)(i * F + b));
            }
            d += t * (fa[a] - fb[a]);
        }
        mean += d / DRAWS;
        square += d * d / DRAWS;
        below += (d < lcb) / (double)DRAWS;
    }
    AGREES(mean, s / sqrt(DRAWS), m);
    AGREES(square - mean * mean, s * s * sqrt(2.0 / DRAWS), s * s);
    AGREES(below, sqrt(0.1587 * 0.8413 / DRAWS), 0.5 * erfc(1 / sqrt(2.0)));
    NEAR(laplace_lcb(1.5, 0.5, 0), 1.5, 0, 0);
}

// ---- the averaged chance -----------------------------------------------------------------------------------------

static void test_probability(void) {
    double worst = 0, worst_1 = 0, m, s, z[GAUSSIAN_NODES], w[GAUSSIAN_NODES], moment[5] = {0};
    int k, j;
    for (s = 0; s <= 16; s = s < 1 ? s + 0.25 : 2 * s) {
        for (m = -4 * (1 + s); m <= 4 * (1 + s); m += 0.25 * (1 + s)) {
            double error = fabs(laplace_probability(m, s) - expect(logistic, m, s));
            worst = fmax(worst, error);
            worst_1 = s <= 1 ? fmax(worst_1, error) : worst_1;
            NEAR(laplace_probability(m, s) + laplace_probability(-m, s), 1, 1e-14, 0);
            CHECK(fabs(laplace_probability(m, s) - 0.5) <= fabs(logistic(m) - 0.5) + 1e-15, "at %g, %g", m, s);
        }
    }
    CHECK(worst < 0.018 && worst_1 < 0.005, "error %g, for s <= 1 %g", worst, worst_1);
    CHECK(worst > 0.016 && worst_1 > 0.004, "the stated errors are reached: %g, %g", worst, worst_1);
    NEAR(laplace_probability(2, 0), logistic(2), 1e-14, 0);
    NEAR(laplace_probability(0, 3), 0.5, 1e-15, 0);
    gaussian_nodes(z, w);
    for (k = 0; k < GAUSSIAN_NODES; k++) {
        for (j = 0; j < 5; j++) {
            moment[j] += w[k] * pow(z[k], j);
        }
    }
    NEAR(moment[0], 1, 1e-14, 0);
    NEAR(moment[1], 0, 0, 1e-14);
    NEAR(moment[2], 1, 1e-6, 0);
    NEAR(moment[4], 3, 1e-5, 0);
    for (s = 1; s <= 8; s += 1) {
        for (m = -3; m <= 3; m += 0.75) {
            double d[GAUSSIAN_NODES];
            for (k = 0; k < GAUSSIAN_NODES; k++) {
                d[k] = m + s * z[k];
            }
            NEAR(acquisition(d, w, GAUSSIAN_NODES).mean_prob, expect(logistic, m, s), 0, s <= 3 ? 1e-5 : 5e-3);
            NEAR(acquisition(d, w, GAUSSIAN_NODES).variance, s * s, 1e-6, 0);
        }
    }
}

// ---- which question ----------------------------------------------------------------------------------------------

static void test_acquisition(void) {
    double d[6], same[3] = {0.7, 0.7, 0.7}, apart[2] = {40, -40}, zero[4] = {0, 0, 0, 0}, far[2] = {700, -3};
    double w[3] = {0.5, 0.25, 0.25}, three[3] = {1, -2, 0.5}, four[4] = {1, 1, -2, 0.5};
    Acquisition q, r;
    int i, trial;
    q = acquisition(same, NULL, 3); // known: nothing to learn, however close
    NEAR(q.bald, 0, 0, 1e-15);
    NEAR(q.variance, 0, 0, 0);
    NEAR(q.margin, logistic(0.7) - 0.5, 1e-13, 0);
    q = acquisition(apart, NULL, 2); // the members are sure and disagree: the answer tells which one is right, ln 2
    NEAR(q.bald, log(2.0), 1e-12, 0);
    NEAR(q.mean_prob, 0.5, 1e-15, 0);
    NEAR(q.variance, 1600, 1e-15, 0);
    q = acquisition(zero, NULL, 4); // known to be equal: entropy is fooled
    NEAR(q.entropy, log(2.0), 1e-15, 0);
    NEAR(q.bald, 0, 0, 1e-15);
    NEAR(q.margin, 0, 0, 0);
    q = acquisition(far, NULL, 2);
    CHECK(q.bald > 0 && q.bald < log(2.0), "bald %g", q.bald);
    q = acquisition(three, w, 3); // a weight of a half is the same member twice
    r = acquisition(four, NULL, 4);
    NEAR(q.bald, r.bald, 1e-13, 0);
    NEAR(q.variance, r.variance, 1e-14, 0);
    NEAR(q.mean_prob, r.mean_prob, 1e-14, 0);
    for (trial = 0; trial < 20; trial++) { // bald is the mutual information of member and answer, by enumeration
        double p_a = 0, info = 0, var = 0, mean = 0;
        for (i = 0; i < 6; i++) {
            d[i] = 3 * rng_normal(SEED, STREAM_MEMBER, (uint64_t)(6 * trial + i));
            p_a += logistic(d[i]) / 6;
            mean += d[i] / 6;
        }
        for (i = 0; i < 6; i++) {
            double p = logistic(d[i]);
            info += p / 6 * log(p / p_a) + (1 - p) / 6 * log((1 - p) / (1 - p_a));
            var += (d[i] - mean) * (d[i] - mean) / 6;
        }
        q = acquisition(d, NULL, 6);
        NEAR(q.bald, info, 1e-11, 1e-14);
        NEAR(q.variance, var, 1e-12, 0);
        NEAR(q.entropy, -p_a * log(p_a) - (1 - p_a) * log(1 - p_a), 1e-12, 0);
        NEAR(q.margin, fabs(p_a - 0.5), 1e-12, 1e-15);
    }
    NEAR(coin_entropy(800), 0, 0, 1e-300);
    NEAR(coin_entropy(-40) / (41 * exp(-40.0)), 1, 1e-12, 0);
}

static void test_d_optimal(void) {
    double x[N * F], A[F * F], L[F * F], L2[F * F], phi[F], none[F] = {0}, before, gain, again;
    int a, b, k;
    for (k = 0; k < N * F; k++) {
        x[k] = rng_normal(SEED, STREAM_ROW, (uint64_t)k);
    }
    for (k = 0; k < 10; k++) { // the identity: log|A + phi phi'| - log|A|
        for (a = 0; a < F; a++) {
            phi[a] = 2 * rng_normal(SEED, STREAM_ROW, (uint64_t)(1000 + F * k + a));
        }
        d_optimal_factor(L, x, 0.7, N, F);
        before = cholesky_logdet(L, F);
        gain = d_optimal_gain(L, phi, F);
        for (a = 0; a < F * F; a++) {
            A[a] = a % (F + 1) == 0 ? 0.7 : 0;
            for (b = 0; b < N; b++) {
                A[a] += x[b * F + a / F] * x[b * F + a % F];
            }
            A[a] += phi[a / F] * phi[a % F];
        }
        CHECK(cholesky(L2, A, F) == 0, "not positive definite");
        NEAR(gain, cholesky_logdet(L2, F) - before, 1e-11, 0);
        again = d_optimal_gain(L2, phi, F); // Sherman-Morrison: u/(1+u) is left of u = phi' A^-1 phi
        NEAR(expm1(again), expm1(gain) / exp(gain), 1e-10, 0);
        CHECK(again < gain, "asking the same again gains %g, then %g", gain, again);
    }
    NEAR(d_optimal_gain(L, none, F), 0, 0, 0);
    d_optimal_factor(L, x, 2, 0, F); // nothing asked yet: log(1 + |phi|^2 / lam)
    NEAR(d_optimal_gain(L, phi, F), log(1 + (phi[0] * phi[0] + phi[1] * phi[1] + phi[2] * phi[2]) / 2), 1e-13, 0);
    DIES("lam", d_optimal_factor(L, x, 0, 0, F));
    CHECK(largest_index(x, 1) == 0, "one value");
    A[0] = A[2] = 1;
    A[1] = 0.5;
    CHECK(largest_index(A, 3) == 0, "the first of two equal ones");
    A[2] = 2;
    CHECK(largest_index(A, 3) == 2, "the largest");
}

int main(void) {
    make_pairs();
    test_covariance();
    test_line();
    test_answers();
    test_limits();
    test_difference();
    test_probability();
    test_acquisition();
    test_d_optimal();
    return report("test_laplace");
}
