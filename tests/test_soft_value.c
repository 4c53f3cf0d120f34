// test_soft_value.c: the soft value against the definition by brute quadrature, finite differences, the martingale
// under the exact reverse kernel, both ends of the path; the three timed rewards, the CEP loss, the aligned drifts and
// the conservation of KL.
#include "death.h"
#include "small_mixture.h"

#include "../ref/formula/soft_value.h"

static uint64_t drawn;

static double uniform(double low, double high) {
    return low + (high - low) * rng_uniform(7, 1, drawn++);
}

static const QuadReward linear = {{0, 0, 0, 0}, {1, -0.5}, 0.25}, concave = {{1.2, 0, 0, 1.2}, {0.6, 0.6}, -0.3};
static const QuadReward convex = {{-0.4, 0.1, 0.1, -0.3}, {0.2, -0.4}, 0.1},
                        saddle = {{0.8, 0.5, 0.5, -0.4}, {-0.3, 0.7}, 1};

// ---- the quadrature everything below leans on ----------------------------------------------------------------------

static void moments_at(double *value, const double *x, void *user) {
    double r = quad_reward((const QuadReward *)user, x);
    value[0] = 1;
    value[1] = x[0];
    value[2] = x[0] * x[1];
    value[3] = r;
    value[4] = r * r;
}

static void test_quadrature(void) {
    Gmm p = mixture_a();
    QuadReward r = saddle;
    double got[5], mean[2], cov[4], e_r, var_r;
    gmm_expect(got, &p, 5, moments_at, &r);
    gmm_moments(mean, cov, &p);
    gmm_reward_moments(&e_r, &var_r, &p, &r);
    NEAR(got[0], 1, 1e-14, 0);
    NEAR(got[1], mean[0], 1e-12, 0);
    NEAR(got[2], cov[1] + mean[0] * mean[1], 1e-12, 0);
    NEAR(got[3], e_r, 1e-12, 0);
    NEAR(got[4], var_r + e_r * e_r, 1e-11, 0);
    DIES("9 functions", gmm_expect(got, &p, 9, moments_at, &r));
    gmm_free(&p);
}

// ---- the soft value ------------------------------------------------------------------------------------------------

// By its definition: Bayes on a plain grid of x_0, with libm, knowing nothing of conjugate Gaussians.
static double brute_value(const Gmm *p, const QuadReward *r, double beta, const double *x, double alpha, double sigma) {
    double top = 0, bottom = 0;
    for (double u = -6; u < 6.001; u += 0.02) {
        for (double v = -6; v < 6.001; v += 0.02) {
            double x0[2] = {u, v}, dx = x[0] - alpha * u, dy = x[1] - alpha * v, density = 0;
            for (int k = 0; k < p->K; k++) {
                const double *C = p->cov + 4 * k;
                double a = u - p->mu[2 * k], b = v - p->mu[2 * k + 1], det = C[0] * C[3] - C[1] * C[2];
                density += p->w[k] / sqrt(det) * exp(-0.5 * (C[3] * a * a - 2 * C[1] * a * b + C[0] * b * b) / det);
            }
            density *= exp(-0.5 * (dx * dx + dy * dy) / (sigma * sigma));
            bottom += density;
            top += density * exp(quad_reward(r, x0) / beta);
        }
    }
    return beta * log(top / bottom);
}

static void test_value(const QuadReward *r, double beta) {
    Gmm p = mixture_a(), p_t = gmm_new(3), star = gmm_new(3);
    double log_z, grad[2], s[2], s_star[2], h = 1e-5, x[2] = {0.2, -0.3};
    static const double noise[5] = {0.05, 0.3, 0.7, 0.95, 0.9999};
    CHECK(gmm_tilt(&star, &log_z, &p, r, beta) == 0, "no tilt");
    NEAR(soft_value(NULL, &p, r, beta, x, 0.8, 0.6), brute_value(&p, r, beta, x, 0.8, 0.6), 1e-9, 1e-9);
    NEAR(soft_value(NULL, &p, r, beta, x, 0.28, 0.96), brute_value(&p, r, beta, x, 0.28, 0.96), 1e-9, 1e-9);
    for (int i = 0; i < 40; i++) {
        double sigma = noise[i % 5], alpha = sqrt(1 - sigma * sigma), V;
        x[0] = uniform(-2, 2);
        x[1] = uniform(-2, 2);
        V = soft_value(grad, &p, r, beta, x, alpha, sigma);
        gmm_noised(&p_t, &p, alpha, sigma);
        gmm_tilt_noised(&star, NULL, &p, r, beta, alpha, sigma);
        NEAR(gmm_score(s_star, &star, x), gmm_score(s, &p_t, x) + V / beta - log_z, 1e-10, 1e-10);
        for (int d = 0; d < 2; d++) {
            double up[2] = {x[0], x[1]}, down[2] = {x[0], x[1]};
            up[d] += h;
            down[d] -= h;
            double slope =
                (soft_value(NULL, &p, r, beta, up, alpha, sigma) - soft_value(NULL, &p, r, beta, down, alpha, sigma)) /
                (2 * h);
            NEAR(grad[d], slope, 1e-6, 1e-9);
            NEAR(grad[d], beta * (s_star[d] - s[d]), 1e-8, 1e-11);
        }
    }
    // Clean data: the reward of x/alpha, and its gradient.  Pure noise: beta log Z everywhere.
    x[0] = 0.4;
    x[1] = -0.9;
    NEAR(soft_value(grad, &p, r, beta, x, 1, 0), quad_reward(r, x), 1e-12, 0);
    quad_reward_grad(s, r, x);
    NEAR(grad[0], s[0], 1e-12, 0);
    NEAR(grad[1], s[1], 1e-12, 0);
    NEAR(soft_value(grad, &p, r, beta, x, 0, 1), beta * log_z, 1e-12, 0);
    NEAR(grad[0], 0, 0, 1e-12);
    // Nearly pure noise: the gradient is proportional to alpha, to all digits.
    soft_value(s, &p, r, beta, x, 1e-9, 1);
    soft_value(grad, &p, r, beta, x, 2e-9, 1);
    NEAR(grad[0], 2 * s[0], 1e-7, 0);
    CHECK(fabs(s[0]) > 1e-11, "the gradient vanished: %g", s[0]);
    gmm_free(&p);
    gmm_free(&p_t);
    gmm_free(&star);
}

typedef struct {
    const Gmm *p;
    const QuadReward *r;
    double beta, alpha, sigma;
} Level;

static void exp_value_at(double *value, const double *x, void *user) {
    const Level *l = (const Level *)user;
    value[0] = exp(soft_value(NULL, l->p, l->r, l->beta, x, l->alpha, l->sigma) / l->beta);
}

// E[e^(V_s/beta) | x_t] = e^(V_t/beta) for s cleaner than t, under p(x_s | x_t); and E_{p_s} e^(V_s/beta) = Z.
static void test_martingale(const QuadReward *r, double beta) {
    Gmm p = mixture_a(), p_s = gmm_new(3), kernel = gmm_new(3), star = gmm_new(3);
    static const double clean[3] = {0.2, 0.5, 0.9}, noisy[3] = {0.6, 0.8, 0.99995}; // sigma of s and of t
    double log_z, mean;
    gmm_tilt(&star, &log_z, &p, r, beta);
    for (int i = 0; i < 3; i++) {
        double alpha_s = sqrt(1 - clean[i] * clean[i]), alpha_t = sqrt(1 - noisy[i] * noisy[i]);
        double a = alpha_t / alpha_s, rest = sqrt(noisy[i] * noisy[i] - a * a * clean[i] * clean[i]);
        double x_t[2] = {uniform(-1, 1), uniform(-1, 1)};
        Level level = {&p, r, beta, alpha_s, clean[i]};
        gmm_noised(&p_s, &p, alpha_s, clean[i]);
        gmm_posterior(&kernel, &p_s, x_t, a, rest); // x_t = a x_s + rest eps
        gmm_expect(&mean, &kernel, 1, exp_value_at, &level);
        NEAR(beta * log(mean), soft_value(NULL, &p, r, beta, x_t, alpha_t, noisy[i]), 1e-7, 1e-7);
        gmm_expect(&mean, &p_s, 1, exp_value_at, &level);
        NEAR(log(mean), log_z, 1e-7, 1e-7);
    }
    gmm_free(&p);
    gmm_free(&p_s);
    gmm_free(&kernel);
    gmm_free(&star);
}

// ---- the reward of a noisy state ----------------------------------------------------------------------------------

static void test_timed(void) {
    Gmm p = mixture_a();
    double e_r, log_z, x0[2], cov[4];
    Gmm star = gmm_new(3);
    for (int i = 0; i < 60; i++) {
        double sigma = uniform(0.05, 0.99), alpha = sqrt(1 - sigma * sigma), x[2] = {uniform(-2, 2), uniform(-2, 2)};
        TimedReward a = reward_at_time(&p, &linear, 0.5, x, alpha, sigma);
        TimedReward b = reward_at_time(&p, &concave, 0.7, x, alpha, sigma);
        TimedReward c = reward_at_time(&p, &convex, 0.9, x, alpha, sigma);
        TimedReward hot = reward_at_time(&p, &concave, 1e6, x, alpha, sigma);
        NEAR(a.at_mean, a.mean, 1e-12, 1e-12);
        CHECK(a.soft > a.mean && b.soft > b.mean && c.soft > c.mean, "Jensen at sigma %g", sigma);
        CHECK(b.at_mean > b.mean, "concave: %g, %g", b.at_mean, b.mean);
        CHECK(c.at_mean < c.mean, "convex: %g, %g", c.at_mean, c.mean);
        NEAR(hot.soft, hot.mean, 1e-5, 1e-5);
    }
    double x[2] = {0.7, 0.2};
    TimedReward clean = reward_at_time(&p, &concave, 0.7, x, 1, 0), lost = reward_at_time(&p, &concave, 0.7, x, 0, 1);
    NEAR(clean.at_mean, quad_reward(&concave, x), 1e-12, 0);
    NEAR(clean.mean, quad_reward(&concave, x), 1e-12, 0);
    NEAR(clean.soft, quad_reward(&concave, x), 1e-12, 0);
    gmm_reward_moments(&e_r, NULL, &p, &concave);
    gmm_tilt(&star, &log_z, &p, &concave, 0.7);
    gmm_moments(x0, cov, &p);
    NEAR(lost.at_mean, quad_reward(&concave, x0), 1e-12, 0);
    NEAR(lost.mean, e_r, 1e-12, 0);
    NEAR(lost.soft, 0.7 * log_z, 1e-12, 0);
    gmm_free(&p);
    gmm_free(&star);
}

enum { BATCH = 7 };

static void test_cep(void) {
    double r[BATCH], beta = 0.4, h = 1e-4, entropy = 0, q[BATCH], total = 0;
    real f[BATCH], df[BATCH];
    double tolerance = sizeof(real) == sizeof(double) ? 1e-7 : 2e-3;
    for (int k = 0; k < BATCH; k++) {
        r[k] = uniform(-1, 1);
        f[k] = (real)uniform(-2, 2);
        total += exp(r[k] / beta);
    }
    double loss = cep_loss(df, f, r, beta, BATCH), slope_sum = 0;
    for (int k = 0; k < BATCH; k++) {
        real kept = f[k];
        real up = (real)(kept + h), down = (real)(kept - h);
        f[k] = up;
        double above = cep_loss(NULL, f, r, beta, BATCH);
        f[k] = down;
        double below = cep_loss(NULL, f, r, beta, BATCH);
        f[k] = kept;
        NEAR(df[k], (above - below) / ((double)up - down), tolerance, tolerance);
        q[k] = exp(r[k] / beta) / total;
        entropy -= q[k] * log(q[k]);
        slope_sum += df[k];
    }
    NEAR(slope_sum, 0, 0, 1e-6);
    CHECK(loss > entropy, "loss %g below the entropy %g", loss, entropy);
    for (int k = 0; k < BATCH; k++) {
        f[k] = (real)(r[k] / beta + 3);
    }
    NEAR(cep_loss(df, f, r, beta, BATCH), entropy, 1e-6, 0);
    NEAR(df[0], 0, 0, 1e-6);
    DIES("temperature", cep_loss(df, f, r, 0, BATCH));
    // Ten samples enumerate a joint law of three x_0 and two x_t.  At f = log E[e^(r/beta) | x_t] + c the slope of each
    // state, summed over its samples, is zero; at f = E[r|x_t]/beta it is not.
    static const int x0[10] = {0, 0, 0, 1, 1, 1, 1, 2, 2, 2}, xt[10] = {0, 0, 1, 0, 1, 1, 1, 0, 0, 1};
    static const double worth[3] = {-0.3, 0.1, 0.6};
    double e[2] = {0}, mean[2] = {0}, count[2] = {0}, table[10], slope[2];
    real g[10], dg[10];
    for (int i = 0; i < 10; i++) {
        table[i] = worth[x0[i]];
        e[xt[i]] += exp(worth[x0[i]] / beta);
        mean[xt[i]] += worth[x0[i]];
        count[xt[i]] += 1;
    }
    for (int wrong = 0; wrong < 2; wrong++) {
        slope[0] = slope[1] = 0;
        for (int i = 0; i < 10; i++) {
            int s = xt[i];
            g[i] = (real)(wrong ? mean[s] / count[s] / beta : log(e[s] / count[s]) - 5);
        }
        cep_loss(dg, g, table, beta, 10);
        for (int i = 0; i < 10; i++) {
            slope[xt[i]] += dg[i];
        }
        CHECK(wrong ? fabs(slope[0]) > 1e-3 : fabs(slope[0]) < 1e-6, "slope %g, wrong = %d", slope[0], wrong);
    }
}

// ---- the aligned sampler ------------------------------------------------------------------------------------------

static void test_doob(void) {
    Gmm p = mixture_a(), p_t = gmm_new(3), star = gmm_new(3);
    double beta = 0.7, grad[2], s[2], s_star[2], eps[2], sde[2], ode[2], right[2];
    for (int i = 0; i < 20; i++) {
        double t = uniform(0.05, 0.95), rate = vp_beta(t, 0.1, 20), alpha = vp_alpha(t, 0.1, 20);
        double sigma = vp_sigma(t, 0.1, 20), x[2] = {uniform(-2, 2), uniform(-2, 2)};
        real eps_ref[2], grad_v[2], aligned[2];
        soft_value(grad, &p, &concave, beta, x, alpha, sigma);
        gmm_noised(&p_t, &p, alpha, sigma);
        gmm_tilt_noised(&star, NULL, &p, &concave, beta, alpha, sigma);
        gmm_score(s, &p_t, x);
        gmm_score(s_star, &star, x);
        doob_sde_drift(sde, x, s, grad, rate, beta);
        doob_ode_drift(ode, x, s, grad, rate, beta);
        gmm_vp_drift(right, &star, x, rate);
        gmm_eps(eps, &p_t, x, sigma);
        for (int d = 0; d < 2; d++) {
            NEAR(sde[d], -rate / 2 * x[d] - rate * s_star[d], 1e-9, 1e-9);
            NEAR(ode[d], right[d], 1e-9, 1e-9);
            NEAR(sde[d], ode[d] - rate / 2 * s_star[d], 1e-9, 1e-9);
            eps_ref[d] = (real)eps[d];
            grad_v[d] = (real)grad[d];
        }
        doob_eps(aligned, eps_ref, grad_v, sigma, beta, 2);
        gmm_eps(eps, &star, x, sigma);
        NEAR(aligned[0], eps[0], 1e-5, 1e-5);
        NEAR(aligned[1], eps[1], 1e-5, 1e-5);
    }
    gmm_free(&p);
    gmm_free(&p_t);
    gmm_free(&star);
}

static void test_conservation(void) {
    Gmm p = mixture_a(), unit = gmm_new(1);
    static const double ends[2][2] = {{4, -4}, {1, -1}}; // lambda of the clean and of the noisy end
    for (int i = 0; i < 2; i++) {
        DoobKl d = doob_kl(&p, i == 0 ? &concave : &linear, i == 0 ? 0.7 : 0.5, ends[i][0], ends[i][1], 40);
        NEAR(d.kl_clean, d.kl_noisy + d.path, 2e-6, 0);
        CHECK(d.kl_clean > d.kl_noisy && d.kl_noisy > 0, "%g, %g", d.kl_clean, d.kl_noisy);
    }
    // N(0, I) with r = x, beta = 1/2: p* = N((2,0), I); at level alpha the two differ by 2 alpha, KL = 2 abar, and
    // eps* - eps = -2 alpha sigma, so the path adds int 4 abar (1 - abar) d lambda = 2 (abar_clean - abar_noisy).
    QuadReward slope = {{0, 0, 0, 0}, {1, 0}, 0};
    unit.w[0] = unit.cov[0] = unit.cov[3] = 1;
    DoobKl d = doob_kl(&unit, &slope, 0.5, 2, -3, 100);
    NEAR(d.kl_clean, 2 / (1 + exp(-4.0)), 1e-10, 0);
    NEAR(d.kl_noisy, 2 / (1 + exp(6.0)), 1e-10, 0);
    NEAR(d.path, 2 / (1 + exp(-4.0)) - 2 / (1 + exp(6.0)), 1e-6, 0);
    DIES("even", doob_kl(&unit, &slope, 0.5, 2, -3, 7));
    DIES("falling", doob_kl(&unit, &slope, 0.5, -3, 2, 8));
    QuadReward hill = {{-2, 0, 0, -2}, {0, 0}, 0};
    double x[2] = {0, 0};
    DIES("must exceed", doob_kl(&unit, &hill, 1, 2, -3, 8));
    DIES("infinite", soft_value(NULL, &unit, &hill, 1, x, 0.1, 0.995));
    gmm_free(&p);
    gmm_free(&unit);
}

int main(void) {
    test_quadrature();
    test_value(&linear, 0.5);
    test_value(&concave, 0.7);
    test_value(&saddle, 0.9);
    test_martingale(&linear, 0.5);
    test_martingale(&concave, 0.7);
    test_timed();
    test_cep();
    test_doob();
    test_conservation();
    return report("test_soft_value");
}
