// test_sampler.c: one reverse step against the posterior, Gaussian data, quadrature, finite differences and
// sampling.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/sampler.h"

enum { SEED = 5, STREAM_Z, STREAM_START, STREAM_POINTS };

static const double LEVELS[] = {1, 0.9999, 0.99, 0.95, 0.6, 0.59, 0.2, 0.01, 1e-5};
enum { N_LEVELS = 9 };

// eta = 1 is the exact posterior with x_0 replaced by x0hat.
static void test_posterior(void) {
    for (int i = 0; i < N_LEVELS; i++) {
        for (int j = i + 1; j < N_LEVELS; j++) {
            double b = LEVELS[i];
            double a = LEVELS[j];
            Posterior q = forward_posterior(a, b);
            StepCoeffs small = ddpm_small_coeffs(a, b);
            StepCoeffs large = ddpm_large_coeffs(a, b);
            NEAR(small.a, q.c_xt + q.c_x0 / sqrt(a), 1e-12, 0);
            NEAR(small.b, -q.c_x0 * sqrt((1 - a) / a), 1e-12, 0);
            NEAR(small.sigma * small.sigma, q.var_small, 1e-12, 0);
            CHECK(large.a == small.a && large.b == small.b, "the mean does not depend on the variance");
            NEAR(large.sigma * large.sigma, b == 1 ? 0 : q.var_large, 1e-12, 0);
            double beta = 1 - a / b; // the form of the DDPM paper
            NEAR(small.b, -beta / sqrt(1 - a) / sqrt(a / b), 1e-9, 0);
            if (b < 1) {
                NEAR(small.w_kl, beta / ((a / b) * (1 - b)), 1e-10, 0);
                NEAR(large.w_kl, large.b * large.b / (large.sigma * large.sigma), 1e-14, 0);
            }
        }
    }
}

// For every eta: signal alpha_s and total variance 1 - abar_s come out when eps is the true noise.
static void test_marginal_kept(void) {
    double etas[] = {0, 0.3, 1, 1.02};
    int above_one = 0;
    for (int e = 0; e < 4; e++) {
        for (int i = 0; i < N_LEVELS; i++) {
            for (int j = i + 1; j < N_LEVELS; j++) {
                double b = LEVELS[i];
                double a = LEVELS[j];
                if (etas[e] > 1 && etas[e] * etas[e] * (1 - a / b) / (1 - a) > 0.99) {
                    continue; // eta > 1 leaves room for eps only on short steps; the others are refused
                }
                above_one += etas[e] > 1;
                StepCoeffs c = ddim_coeffs(a, b, etas[e]);
                double noise = c.a * sqrt(1 - a) + c.b;
                // Cancellation in a sqrt(1-a): numbers of size a leave a remainder of size sigma.
                double rounding = 1e-14 * c.a * c.a;
                NEAR(c.a * sqrt(a), sqrt(b), 1e-14, 0);
                NEAR(noise * noise + c.sigma * c.sigma, 1 - b, 1e-10, rounding);
                NEAR(c.sigma, etas[e] * sqrt((1 - b) / (1 - a)) * sqrt(1 - a / b), 1e-10, 0);
                CHECK(c.b < 0, "b = %g", c.b);
                NEAR(c.b, sqrt(fabs(1 - b - c.sigma * c.sigma)) - sqrt(b * (1 - a) / a), 1e-9, 0);
            }
        }
    }
    int rounded = 0;
    for (double b = 0.001; b < 1; b += 0.00137) { // from almost no signal: the room for eps is rounding error
        StepCoeffs c = ddim_coeffs(1e-20, b, 1);
        double noise = c.a + c.b; // sqrt(1 - 1e-20) is 1
        rounded += 1 - b - c.sigma * c.sigma < 0;
        NEAR(noise * noise + c.sigma * c.sigma, 1 - b, 1e-12, 1e-20 * c.a * c.a);
        NEAR(c.b, -sqrt(b / 1e-20), 1e-12, 0);
    }
    CHECK(rounded > 0, "no case with a negative rounding error was tested");
    CHECK(above_one > 0, "no step with eta > 1 was tested");
    StepCoeffs still = ddim_coeffs(0.3, 0.3, 1);
    CHECK(still.a == 1 && still.b == 0 && still.sigma == 0 && still.w_kl == 0, "abar_s = abar_t moves nothing");
    still = ddim_coeffs(1, 1, 0);
    CHECK(still.a == 1 && still.b == 0 && still.sigma == 0, "clean to clean");
}

// The step to clean data: no noise with either variance, and the mean is x0hat.
static void test_last_step(void) {
    real x[2] = {(real)0.7, (real)-1.1};
    real eps[2] = {(real)0.3, (real)-0.8};
    real x0[2], mean[2], next[2];
    double tol = sizeof(real) == 8 ? 1e-14 : 1e-6;
    double etas[] = {0, 0.5, 1};
    for (int e = 0; e < 4; e++) {
        StepCoeffs c = e < 3 ? ddim_coeffs(0.9, 1, etas[e]) : ddpm_large_coeffs(0.9, 1);
        CHECK(c.sigma == 0 && c.w_kl == HUGE_VAL, "sigma %g w %g", c.sigma, c.w_kl);
        step_x0hat(x0, x, eps, 0.9, 2);
        step_mean(mean, &c, x, eps, 2);
        step_sample(next, &c, x, eps, NULL, 2); // sigma = 0: no noise is read
        real poison[2] = {(real)NAN, (real)NAN};
        real unread[2];
        step_sample(unread, &c, x, eps, poison, 2);
        for (int i = 0; i < 2; i++) {
            CHECK(unread[i] == next[i], "noise was read although sigma = 0");
            NEAR(mean[i], x0[i], tol, 0);
            NEAR(x0[i], (x[i] - sqrt(0.1) * eps[i]) / sqrt(0.9), tol, 0);
            CHECK(next[i] == mean[i], "a point mass");
        }
    }
    double h = 1e-6;
    double slope = ((0.7 - sqrt(0.1) * (0.3 + h)) - (0.7 - sqrt(0.1) * (0.3 - h))) / sqrt(0.9) / (2 * h);
    NEAR(step_x0hat_deps(0.9), slope, 1e-8, 0);
}

// eta = 0 backwards, then forwards, with the same eps: where it started.
static void test_inversion(void) {
    for (int i = 0; i < N_LEVELS; i++) {
        for (int j = i + 1; j < N_LEVELS; j++) {
            StepCoeffs up = ddim_coeffs(LEVELS[i], LEVELS[j], 0);
            StepCoeffs down = ddim_coeffs(LEVELS[j], LEVELS[i], 0);
            CHECK(up.b > 0, "towards noise b = %g", up.b);
            NEAR(down.a * up.a, 1, 1e-14, 0);
            NEAR(down.a * up.b, -down.b, 1e-12, 0);
        }
    }
}

// Data N(m, v) in closed form: eps(x) = sigma (x - alpha m)/(alpha^2 v + sigma^2) is linear, so the chain
// stays Gaussian.  Returns the variance at the end of a chain of T log-SNR steps from N(0, 1).
typedef StepCoeffs (*Rule)(double abar_t, double abar_s);

static StepCoeffs ddim_rule(double abar_t, double abar_s) {
    return ddim_coeffs(abar_t, abar_s, 0);
}

static double chain_variance(double *mean_out, Rule rule, int T, double m, double v) {
    Schedule s = schedule_logsnr(T, 4, -4);
    double mean = 0;
    double var = 1;
    for (int t = T - 1; t >= 0; t--) {
        double abar = schedule_abar(&s, t);
        StepCoeffs c = rule(abar, schedule_abar(&s, t - 1));
        double gain = sigma_of(abar) / (abar * v + 1 - abar); // eps = gain (x - alpha m)
        mean = c.a * mean + c.b * gain * (mean - alpha_of(abar) * m);
        var = pow(c.a + c.b * gain, 2) * var + c.sigma * c.sigma;
    }
    schedule_free(&s);
    *mean_out = mean;
    return var;
}

static void test_gaussian_data(void) {
    double mean;
    Schedule s = schedule_linear(50, 0.01, 0.3);
    double var = 1;
    for (int t = 49; t > 0; t--) { // data N(0, I), large variance: N(0, I) at every level
        StepCoeffs c = ddpm_large_coeffs(schedule_abar(&s, t), schedule_abar(&s, t - 1));
        var = pow(c.a + c.b * sigma_of(schedule_abar(&s, t)), 2) * var + c.sigma * c.sigma;
        NEAR(var, 1, 1e-13, 0);
    }
    // The last step adds no noise, so 1 - beta_0 is left.
    StepCoeffs last = ddpm_large_coeffs(schedule_abar(&s, 0), 1);
    NEAR(pow(last.a + last.b * sigma_of(s.abar[0]), 2) * var + last.sigma * last.sigma, 1 - 0.01, 1e-12, 0);
    double x0 = 0.7; // data = one point, small variance: exactly N(alpha x_0, sigma^2) at every level
    double m = alpha_of(s.abar[49]) * x0;
    var = 1 - s.abar[49];
    for (int t = 49; t >= 0; t--) { // eps = (x - alpha x_0)/sigma
        StepCoeffs c = ddpm_small_coeffs(schedule_abar(&s, t), schedule_abar(&s, t - 1));
        double gain = 1 / sigma_of(schedule_abar(&s, t));
        m = c.a * m + c.b * gain * (m - alpha_of(schedule_abar(&s, t)) * x0);
        var = pow(c.a + c.b * gain, 2) * var + c.sigma * c.sigma;
        NEAR(m, alpha_of(schedule_abar(&s, t - 1)) * x0, 1e-12, 0);
        NEAR(var, 1 - schedule_abar(&s, t - 1), 1e-10, 1e-13);
    }
    schedule_free(&s);
    // Data N(1, 1/4): the small variance is too narrow, the large one too wide, both improve with more steps.
    double below = 0;
    double above = 1;
    int steps[] = {10, 30, 100, 1000};
    for (int k = 0; k < 4; k++) {
        double small = chain_variance(&mean, ddpm_small_coeffs, steps[k], 1, 0.25);
        double large = chain_variance(&mean, ddpm_large_coeffs, steps[k], 1, 0.25);
        CHECK(small > below && small < 0.25, "%d steps: small variance %g", steps[k], small);
        CHECK(large < above && large > 0.25, "%d steps: large variance %g", steps[k], large);
        below = small;
        above = large;
    }
    NEAR(below, 0.25, 0.01, 0);
    NEAR(above, 0.25, 0.01, 0);
    double few = fabs(chain_variance(&mean, ddim_rule, 20, 1, 0.25) - 0.25);
    double many = fabs(chain_variance(&mean, ddim_rule, 2000, 1, 0.25) - 0.25);
    CHECK(many < few / 20 && many < 0.002, "DDIM variance error %g with 20, %g with 2000 steps", few, many);
    NEAR(mean, 1, 0.01, 0);
}

// The same chain run with samples: 4 standard errors.
static void test_sampled_chain(void) {
    enum { N = 20000, T = 10 };
    static real x[N], eps[N], z[N];
    Schedule s = schedule_logsnr(T, 4, -4);
    rng_fill_normal(x, N, SEED, STREAM_START, 0);
    for (int t = T - 1; t >= 0; t--) {
        double abar = schedule_abar(&s, t);
        StepCoeffs c = ddpm_small_coeffs(abar, schedule_abar(&s, t - 1));
        rng_fill_normal(z, N, SEED, STREAM_Z, (uint64_t)t * N);
        for (int i = 0; i < N; i++) {
            eps[i] = (real)(sigma_of(abar) * (x[i] - alpha_of(abar)) / (abar * 0.25 + 1 - abar));
        }
        step_sample(x, &c, x, eps, z, N); // in place
    }
    schedule_free(&s);
    double exact_mean;
    double exact_var = chain_variance(&exact_mean, ddpm_small_coeffs, T, 1, 0.25);
    double mean = 0;
    double var = 0;
    for (int i = 0; i < N; i++) {
        mean += x[i] / (double)N;
    }
    for (int i = 0; i < N; i++) {
        var += (x[i] - mean) * (x[i] - mean) / (N - 1);
    }
    AGREES(mean, sqrt(exact_var / N), exact_mean);
    AGREES(var, exact_var * sqrt(2.0 / (N - 1)), exact_var);
}

// ---- log-probabilities ------------------------------------------------------------------------------------

enum { D = 3 };

typedef struct {
    StepCoeffs c;
    real x_t[D], x_s[D], eps[D], ref[D];
} Case;

static Case make_case(double eta) {
    Case k;
    k.c = ddim_coeffs(0.4, 0.5, eta);
    rng_fill_normal(k.x_t, D, SEED, STREAM_POINTS, 0);
    rng_fill_normal(k.x_s, D, SEED, STREAM_POINTS, 10);
    rng_fill_normal(k.eps, D, SEED, STREAM_POINTS, 20);
    rng_fill_normal(k.ref, D, SEED, STREAM_POINTS, 30);
    return k;
}

static double logp_of(void *user) {
    Case *k = (Case *)user;
    return step_logp(NULL, &k->c, k->x_s, k->x_t, k->eps, D);
}

static double ratio_of(void *user) {
    Case *k = (Case *)user;
    return step_log_ratio(NULL, &k->c, k->x_s, k->x_t, k->eps, k->ref, D);
}

static double kl_of(void *user) {
    Case *k = (Case *)user;
    return step_kl(NULL, &k->c, k->eps, k->ref, D);
}

static void test_gradients(void) {
    double etas[] = {0.2, 1};
    for (int e = 0; e < 2; e++) {
        Case k = make_case(etas[e]);
        real g[D], mu[D], mu_ref[D];
        step_mean(mu, &k.c, k.x_t, k.eps, D);
        step_mean(mu_ref, &k.c, k.x_t, k.ref, D);
        double tol = sizeof(real) == 8 ? 1e-12 : 1e-5;
        double lp = step_logp(g, &k.c, k.x_s, k.x_t, k.eps, D);
        NEAR(lp, gaussian_logp(k.x_s, mu, k.c.sigma, D), tol, tol);
        CHECK(sizeof(real) < 8 || gradient_ok(logp_of, &k, k.eps, g, D, 1e-8), "d log p/d eps");
        double ratio = step_log_ratio(g, &k.c, k.x_s, k.x_t, k.eps, k.ref, D);
        NEAR(ratio, lp - step_logp(NULL, &k.c, k.x_s, k.x_t, k.ref, D), tol, tol);
        CHECK(sizeof(real) < 8 || gradient_ok(ratio_of, &k, k.eps, g, D, 1e-8), "d log-ratio/d eps");
        double kl = step_kl(g, &k.c, k.eps, k.ref, D);
        NEAR(kl, gaussian_kl(mu, k.c.sigma, mu_ref, k.c.sigma, D), tol * 10, 0);
        CHECK(kl > 0, "kl %g", kl);
        CHECK(sizeof(real) < 8 || gradient_ok(kl_of, &k, k.eps, g, D, 1e-8), "d KL/d eps");
        CHECK(step_log_ratio(NULL, &k.c, k.x_s, k.x_t, k.eps, k.eps, D) == 0, "ratio at the reference");
        CHECK(step_kl(g, &k.c, k.eps, k.eps, D) == 0 && g[0] == 0, "KL at the reference");
    }
}

// The density integrates to 1, for a small and a large sigma: a missing log sigma or 1/2 shows here.
static void test_density(void) {
    double sigmas[] = {0.05, 0.7, 3};
    for (int k = 0; k < 3; k++) {
        double total = 0;
        double entropy = 0;
        double h = sigmas[k] / 200;
        real mu = 0;
        for (int i = -2000; i <= 2000; i++) {
            real x = (real)(i * h);
            double lp = gaussian_logp(&x, &mu, sigmas[k], 1);
            total += exp(lp) * h;
            entropy -= exp(lp) * lp * h;
        }
        NEAR(total, 1, sizeof(real) == 8 ? 1e-12 : 1e-5, 0);
        NEAR(gaussian_entropy(sigmas[k], 1), entropy, sizeof(real) == 8 ? 1e-11 : 1e-5, 1e-6);
        NEAR(gaussian_entropy(sigmas[k], 5), 5 * gaussian_entropy(sigmas[k], 1), 1e-14, 0);
    }
    real zeros[4] = {0, 0, 0, 0};
    NEAR(gaussian_logp(zeros, zeros, 0.3, 4), 4 * gaussian_logp(zeros, zeros, 0.3, 1), 1e-14, 0); // SUM over D
}

// Fresh draws: log p depends on z only; E[g] = 0; E[g g'] = w I; E[l] = KL; E_ref[e^l] = 1; E[log p] =
// -entropy.
static void test_sampled_identities(void) {
    enum { N = 20000 };
    Case k = make_case(0.8);
    double sum[D] = {0};
    double product[D * D] = {0};
    double square[D * D] = {0};
    double ratio_sum = 0;
    double ratio_square = 0;
    double lp_sum = 0;
    double lp_square = 0;
    double weight_sum = 0;
    double weight_square = 0;
    for (int i = 0; i < D; i++) { // a reference near enough for the weights e^l to have a small variance
        k.ref[i] = (real)(k.eps[i] + 0.3 * (i - 1) + 0.1);
    }
    for (int n = 0; n < N; n++) {
        real z[D], x[D], g[D];
        rng_fill_normal(z, D, SEED, STREAM_Z, 1000000 + (uint64_t)n * D);
        step_sample(x, &k.c, k.x_t, k.eps, z, D);
        double lp = step_logp(g, &k.c, x, k.x_t, k.eps, D);
        if (n < 20) {
            double zz = 0;
            for (int i = 0; i < D; i++) {
                zz += (double)z[i] * z[i];
                NEAR(g[i], k.c.b / k.c.sigma * z[i], sizeof(real) == 8 ? 1e-12 : 1e-4, 1e-5);
            }
            NEAR(lp, -zz / 2 - D * log(k.c.sigma) - D * log(2 * PI) / 2, sizeof(real) == 8 ? 1e-13 : 1e-4, 1e-5);
        }
        lp_sum += lp;
        lp_square += lp * lp;
        for (int i = 0; i < D; i++) {
            sum[i] += g[i];
            for (int j = 0; j < D; j++) {
                product[i * D + j] += g[i] * g[j];
                square[i * D + j] += pow(g[i] * g[j], 2);
            }
        }
        double l = step_log_ratio(NULL, &k.c, x, k.x_t, k.eps, k.ref, D);
        ratio_sum += l;
        ratio_square += l * l;
        step_sample(x, &k.c, k.x_t, k.ref, z, D); // now from the reference
        double weight = exp(step_log_ratio(NULL, &k.c, x, k.x_t, k.eps, k.ref, D));
        weight_sum += weight;
        weight_square += weight * weight;
    }
    for (int i = 0; i < D; i++) {
        AGREES(sum[i] / N, sqrt(k.c.w_kl / N), 0);
        for (int j = 0; j < D; j++) {
            double mean = product[i * D + j] / N;
            double se = sqrt((square[i * D + j] / N - mean * mean) / N);
            AGREES(mean, se, i == j ? k.c.w_kl : 0);
        }
    }
    double mean = ratio_sum / N;
    AGREES(mean, sqrt((ratio_square / N - mean * mean) / N), step_kl(NULL, &k.c, k.eps, k.ref, D));
    mean = weight_sum / N;
    AGREES(mean, sqrt((weight_square / N - mean * mean) / N), 1);
    mean = lp_sum / N;
    AGREES(mean, sqrt((lp_square / N - mean * mean) / N), -gaussian_entropy(k.c.sigma, D));
}

// Unequal variances (DDPM small against large) by quadrature of p log(p/q), and the limit rho -> 1.
static void test_general_kl(void) {
    StepCoeffs small = ddpm_small_coeffs(0.3, 0.5);
    StepCoeffs large = ddpm_large_coeffs(0.3, 0.5);
    real mu = (real)0.25;
    real mu_ref = (real)-0.5;
    double kl[2] = {0, 0};
    double s[2] = {small.sigma, large.sigma};
    for (int way = 0; way < 2; way++) {
        double h = s[way] / 200;
        for (int i = -2400; i <= 2400; i++) {
            double x = mu + i * h;
            double lp = -pow((x - mu) / s[way], 2) / 2 - log(s[way]);
            double lq = -pow((x - mu_ref) / s[1 - way], 2) / 2 - log(s[1 - way]);
            kl[way] += exp(lp) / sqrt(2 * PI) * (lp - lq) * h;
        }
        NEAR(gaussian_kl(&mu, s[way], &mu_ref, s[1 - way], 1), kl[way], 1e-10, 0);
    }
    CHECK(fabs(kl[0] - kl[1]) > 1e-3, "the two directions differ");
    real same[4] = {1, 2, 3, 4};
    // rho = e^(2 delta): KL = D delta^2 (1 + 2 delta/3 + ...).  Written as rho - 1 - log rho it would keep
    // only half of the digits.
    NEAR(gaussian_kl(same, exp(1e-5), same, 1, 4), 4e-10 * (1 + 2e-5 / 3), 1e-9, 0);
    CHECK(gaussian_kl(same, 0.7, same, 0.7, 4) == 0, "KL of equal steps");
}

static void test_refusals(void) {
    real x[2] = {0, 1};
    StepCoeffs point = ddim_coeffs(0.5, 0.7, 0);
    DIES("point mass", step_logp(NULL, &point, x, x, x, 2));
    DIES("point mass", step_log_ratio(NULL, &point, x, x, x, x, 2));
    DIES("point mass", step_kl(NULL, &point, x, x, 2));
    point = ddpm_small_coeffs(0.9, 1);
    DIES("point mass", step_logp(NULL, &point, x, x, x, 2));
    DIES("point mass", gaussian_logp(x, x, 0, 2));
    DIES("point mass", gaussian_logp(x, x, NAN, 2));
    DIES("point mass", gaussian_entropy(-1, 2));
    DIES("point mass", gaussian_kl(x, 0, x, 1, 2));
    DIES("point mass", gaussian_kl(x, 1, x, 0, 2));
    DIES("eta = 2 is too large", ddim_coeffs(0.3, 0.5, 2));
    StepCoeffs noisy = ddim_coeffs(0.5, 0.7, 1);
    DIES("noise numbers", step_sample(x, &noisy, x, x, NULL, 2));
    DIES("abar_t = 0", ddim_coeffs(0, 0.5, 0));
    DIES("towards the data", ddim_coeffs(0.5, 0.3, 0.1));
    DIES("towards the data", ddim_coeffs(0.3, 0.5, -0.1));
    DIES("towards the data", ddim_coeffs(0.3, 0.5, NAN));
    DIES("abar = 1.2", ddim_coeffs(0.3, 1.2, 0));
    DIES("abar = -1", ddpm_large_coeffs(-1, 0.5));
    DIES("alpha", step_x0hat(x, x, x, 0, 2));
    DIES("abar_t", step_x0hat_deps(0));
}

int main(void) {
    test_posterior();
    test_marginal_kept();
    test_last_step();
    test_inversion();
    test_gaussian_data();
    test_sampled_chain();
    test_gradients();
    test_density();
    test_sampled_identities();
    test_general_kl();
    test_refusals();
    return report("test_sampler");
}
