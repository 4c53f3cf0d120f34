// test_forward.c: noising against composition and sampling, the posterior against Bayes' rule, conversions
// against the x_0 and eps that made x_t.
#include "death.h"

#include "../ref/core/linalg.h"
#include "../ref/core/rng.h"
#include "../ref/formula/forward.h"

enum { SEED = 11, STREAM_X0, STREAM_EPS };

// The coefficients of forward_noise, read off by feeding it unit vectors.
static void coefficients(double *alpha, double *sigma, double abar) {
    real one = 1;
    real zero = 0;
    real out;
    forward_noise(&out, &one, &zero, abar, 1);
    *alpha = out;
    forward_noise(&out, &zero, &one, abar, 1);
    *sigma = out;
}

static void test_marginal(void) {
    double tol = sizeof(real) == 8 ? 1e-14 : 1e-6;
    double levels[] = {1, 0.999, 0.7, 0.25, 0.01, 0};
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++) { // noising to u, then by v, is noising to u v
            double u = levels[i];
            double v = levels[j];
            double alpha[3];
            double sigma[3];
            coefficients(&alpha[0], &sigma[0], u);
            coefficients(&alpha[1], &sigma[1], v);
            coefficients(&alpha[2], &sigma[2], u * v);
            NEAR(alpha[1] * alpha[0], alpha[2], tol, tol);
            NEAR(pow(alpha[1] * sigma[0], 2) + pow(sigma[1], 2), pow(sigma[2], 2), tol, tol);
        }
    }
    enum { N = 20000 };
    static real x0[N], eps[N], x_t[N];
    double spread = 0.3;
    rng_fill_normal(x0, N, SEED, STREAM_X0, 0);
    rng_fill_normal(eps, N, SEED, STREAM_EPS, 0);
    for (int i = 0; i < N; i++) {
        x0[i] = (real)(0.5 + spread * x0[i]);
    }
    for (int k = 1; k < 5; k++) { // Var(x_t) = abar Var(x_0) + 1 - abar; s.e. of a Gaussian variance
        double mean = 0;
        double var = 0;
        forward_noise(x_t, x0, eps, levels[k], N);
        for (int i = 0; i < N; i++) {
            mean += x_t[i] / (double)N;
        }
        for (int i = 0; i < N; i++) {
            var += (x_t[i] - mean) * (x_t[i] - mean) / (N - 1);
        }
        double exact = levels[k] * spread * spread + 1 - levels[k];
        AGREES(mean, sqrt(exact / N), 0.5 * sqrt(levels[k]));
        AGREES(var, exact * sqrt(2.0 / (N - 1)), exact);
    }
    forward_noise_path(x_t, x0, eps, 0.3, 0.7, N);
    NEAR(x_t[7], 0.3 * x0[7] + 0.7 * eps[7], sizeof(real) == 8 ? 1e-14 : 1e-6, 1e-7);
}

static void test_posterior(void) {
    double levels[] = {1, 0.99, 0.98, 0.6, 0.2, 0.01, 1e-5};
    for (int i = 0; i < 7; i++) {
        for (int j = i + 1; j < 7; j++) {
            double b = levels[i];
            double a = levels[j];
            Posterior q = forward_posterior(a, b);
            double beta = 1 - a / b;
            NEAR(q.c_x0 + q.c_xt * sqrt(a), sqrt(b), 1e-13, 0);
            NEAR(q.c_xt * q.c_xt * (1 - a) + q.var_small, 1 - b, 1e-12, 1e-15);
            NEAR(q.var_large, beta, 1e-12, 0);
            if (b < 1) { // Bayes by precisions: prior N(sqrt(b) x_0, 1-b), x_t = sqrt(a/b) x_s + noise
                double precision = 1 / (1 - b) + (a / b) / beta;
                NEAR(q.var_small, 1 / precision, 1e-12, 0);
                NEAR(q.c_x0, sqrt(b) / (1 - b) / precision, 1e-12, 0);
                NEAR(q.c_xt, sqrt(a / b) / beta / precision, 1e-12, 0);
            } else {
                CHECK(q.var_small == 0 && q.c_xt == 0, "the last step lands on x_0");
                NEAR(q.c_x0, 1, 1e-14, 0);
            }
            CHECK(q.var_small < q.var_large, "small %g large %g", q.var_small, q.var_large);
        }
    }
    Posterior still = forward_posterior(0.4, 0.4);
    CHECK(still.c_x0 == 0 && still.var_small == 0 && still.var_large == 0, "no move");
    NEAR(still.c_xt, 1, 1e-15, 0);
    Posterior from_noise = forward_posterior(0, 0.3); // from zero terminal SNR: x_t says nothing
    CHECK(from_noise.c_xt == 0, "c_xt %g", from_noise.c_xt);
    NEAR(from_noise.c_x0, sqrt(0.3), 1e-15, 0);
    NEAR(from_noise.var_small, 0.7, 1e-15, 0);
}

enum { D = 6 };

#define ALL_NEAR(got, want)                        \
    do {                                           \
        for (int q_ = 0; q_ < D; q_++) {           \
            NEAR((got)[q_], (want)[q_], tol, tol); \
        }                                          \
    } while (0)

// Every conversion must return the x_0, eps, v, score or u of the pair that made x.
static void test_conversions(void) {
    real x0[D], eps[D], x[D], v[D], u[D], score[D], got[D];
    rng_fill_normal(x0, D, SEED, STREAM_X0, 1000000);
    rng_fill_normal(eps, D, SEED, STREAM_EPS, 1000000);
    for (int k = -5; k <= 5; k++) {
        double abar = abar_of_half_logsnr(k);
        double alpha = alpha_of(abar);
        double sigma = sigma_of(abar);
        // Dividing by the smaller coefficient (0.0067 at |lambda| = 5) multiplies the rounding of x.
        double tol = (sizeof(real) == 8 ? 1e-14 : 1e-6) * exp(fabs((double)k)) * 4;
        forward_noise(x, x0, eps, abar, D);
        for (int i = 0; i < D; i++) { // the definitions
            v[i] = (real)(alpha * eps[i] - sigma * x0[i]);
            score[i] = (real)(-eps[i] / sigma);
        }
        x0_from_eps(got, x, eps, alpha, sigma, D);
        ALL_NEAR(got, x0);
        eps_from_x0(got, x, x0, alpha, sigma, D);
        ALL_NEAR(got, eps);
        score_from_eps(got, eps, sigma, D);
        ALL_NEAR(got, score);
        eps_from_score(got, score, sigma, D);
        ALL_NEAR(got, eps);
        x0_from_score(got, x, score, alpha, sigma, D);
        ALL_NEAR(got, x0);
        score_from_x0(got, x, x0, alpha, sigma, D);
        for (int i = 0; i < D; i++) {
            NEAR(got[i] * sigma, score[i] * sigma, tol, tol);
        }
        v_from_x0_eps(got, x0, eps, abar, D);
        ALL_NEAR(got, v);
        v_from_eps(got, x, eps, abar, D);
        ALL_NEAR(got, v);
        v_from_x0(got, x, x0, abar, D);
        ALL_NEAR(got, v);
        x0_from_v(got, x, v, abar, D);
        ALL_NEAR(got, x0);
        eps_from_v(got, x, v, abar, D);
        ALL_NEAR(got, eps);
        memcpy(got, eps, sizeof got); // an output may be its own input
        x0_from_eps(got, x, got, alpha, sigma, D);
        ALL_NEAR(got, x0);
        // The score is the gradient of log N(x; alpha x_0, sigma^2), by a central difference.
        for (int i = 0; i < D; i++) {
            double h = 1e-4 * sigma;
            double up = -pow(x[i] + h - alpha * x0[i], 2) / (2 * sigma * sigma);
            double down = -pow(x[i] - h - alpha * x0[i], 2) / (2 * sigma * sigma);
            NEAR(sigma * (up - down) / (2 * h), sigma * score[i], tol * 1e4, tol * 1e4);
        }
    }
    for (int k = 1; k < 10; k++) {
        double t = 0.1 * k;
        double tol = sizeof(real) == 8 ? 1e-13 : 1e-5;
        forward_noise_path(x, x0, eps, 1 - t, t, D);
        for (int i = 0; i < D; i++) {
            u[i] = eps[i] - x0[i];
            score[i] = (real)(-eps[i] / t);
        }
        u_from_x0_eps(got, x0, eps, D);
        ALL_NEAR(got, u);
        u_from_eps(got, x, eps, t, D);
        ALL_NEAR(got, u);
        u_from_x0(got, x, x0, t, D);
        ALL_NEAR(got, u);
        u_from_score(got, x, score, t, D);
        ALL_NEAR(got, u);
        x0_from_u(got, x, u, t, D);
        ALL_NEAR(got, x0);
        eps_from_u(got, x, u, t, D);
        ALL_NEAR(got, eps);
        score_from_u(got, x, u, t, D);
        ALL_NEAR(got, score);
    }
    // The ends: pure noise has v = -x_0 and u = eps - x_0; both still give x_0.
    double tol = sizeof(real) == 8 ? 1e-15 : 1e-6;
    v_from_x0_eps(v, x0, eps, 0, D);
    x0_from_v(got, eps, v, 0, D);
    ALL_NEAR(got, x0);
    eps_from_v(got, eps, v, 0, D);
    ALL_NEAR(got, eps);
    u_from_x0_eps(u, x0, eps, D);
    x0_from_u(got, eps, u, 1, D);
    ALL_NEAR(got, x0);
}

// Gaussian data N(m, w): both scores are known, so the rescaling can be checked.
static void test_equivalence(void) {
    double m = 0.7;
    double w = 0.09;
    double tol = sizeof(real) == 8 ? 1e-13 : 1e-5;
    for (double alpha = 0.1; alpha < 2; alpha += 0.3) {
        double sigma = 1.3 - alpha / 2;
        real x = (real)0.4;
        real x_ve;
        double sigma_ve;
        ve_from_path(&x_ve, &sigma_ve, &x, alpha, sigma, 1);
        real score_ve = (real)(-(x_ve - m) / (w + sigma_ve * sigma_ve));
        real score;
        score_from_ve(&score, &score_ve, alpha, 1);
        NEAR(score, -(x - alpha * m) / (alpha * alpha * w + sigma * sigma), tol, tol);
    }
}

// Gaussian data N(0, S): Cov[x_0 | x_t] = (S^-1 + alpha^2/sigma^2 I)^-1, and H = -(alpha^2 S + sigma^2 I)^-1.
static void test_tweedie(void) {
    enum { N = 3 };
    double S[N * N] = {0.5, 0.2, -0.1, 0.2, 0.4, 0.05, -0.1, 0.05, 0.3};
    double levels[] = {0.9, 0.5, 0.02};
    for (int k = 0; k < 3; k++) {
        double alpha = alpha_of(levels[k]);
        double sigma = sigma_of(levels[k]);
        double L[N * N], C[N * N], H[N * N], cov[N * N], precision[N * N], want[N * N];
        CHECK(cholesky(L, S, N) == 0, "S");
        cholesky_inverse(precision, L, N);
        for (int i = 0; i < N * N; i++) {
            int diagonal = i % (N + 1) == 0;
            C[i] = alpha * alpha * S[i] + diagonal * sigma * sigma;
            precision[i] += diagonal * alpha * alpha / (sigma * sigma);
        }
        CHECK(cholesky(L, C, N) == 0, "C");
        cholesky_inverse(H, L, N);
        for (int i = 0; i < N * N; i++) {
            H[i] = -H[i];
        }
        CHECK(cholesky(L, precision, N) == 0, "precision");
        cholesky_inverse(want, L, N);
        tweedie_cov(cov, H, alpha, sigma, N);
        for (int i = 0; i < N * N; i++) {
            NEAR(cov[i], want[i], 1e-11, 1e-13);
        }
    }
}

static void test_refusals(void) {
    real a[2] = {1, 2};
    double s;
    DIES("remove noise", forward_posterior(0.5, 0.4));
    DIES("remove noise", forward_posterior(1, 1));
    DIES("remove noise", forward_posterior(0, 0));
    DIES("abar = 1.5", forward_posterior(0.5, 1.5));
    DIES("alpha", x0_from_eps(a, a, a, 0, 1, 2));
    DIES("alpha", x0_from_eps(a, a, a, NAN, 1, 2));
    DIES("sigma", eps_from_x0(a, a, a, 1, 0, 2));
    DIES("sigma", score_from_eps(a, a, 0, 2));
    DIES("alpha", x0_from_score(a, a, a, 0, 1, 2));
    DIES("sigma", score_from_x0(a, a, a, 1, 0, 2));
    DIES("alpha", v_from_eps(a, a, a, 0, 2));
    DIES("sigma", v_from_x0(a, a, a, 1, 2));
    DIES("1-t", u_from_eps(a, a, a, 1, 2));
    DIES("1-t", u_from_score(a, a, a, 1, 2));
    DIES("t = 0", u_from_x0(a, a, a, 0, 2));
    DIES("t = 0", score_from_u(a, a, a, 0, 2));
    DIES("alpha", ve_from_path(a, &s, a, 0, 1, 2));
    DIES("alpha", score_from_ve(a, a, 0, 2));
    DIES("alpha", tweedie_cov(&s, &s, 0, 1, 1));
    DIES("abar", forward_noise(a, a, a, -0.1, 2));
}

int main(void) {
    test_marginal();
    test_posterior();
    test_conversions();
    test_equivalence();
    test_tweedie();
    test_refusals();
    return report("test_forward");
}
