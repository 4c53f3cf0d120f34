// test_tilt.c: the tilt of tables, chains and mixtures against quadrature, enumeration and identities that
// need no stored
// numbers.  Everything here is double, so the float build runs the same checks.
#include "../ref/formula/tilt.h"
#include "../ref/formula/metrics.h"
#include "harness.h"
#include "small_mixture.h"

enum { ARMS = 8, STREAM_TABLE = 1 };

static uint64_t counter;

static double uniform(double low, double high) {
    return low + (high - low) * rng_uniform(7, STREAM_TABLE, counter++);
}

static void random_table(double *p, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        p[i] = -log(uniform(0, 1)); // exponential numbers, normalised: uniform on the simplex
        sum += p[i];
    }
    for (size_t i = 0; i < n; i++) {
        p[i] /= sum;
    }
}

// ---- tables -----------------------------------------------------------------------------------------------

static void test_discrete(void) {
    double p[ARMS], r[ARMS], q[ARMS], best[ARMS], again[ARMS];
    int reached = 0;
    for (int trial = 0; trial < 200; trial++) {
        double beta = uniform(0.2, 3), z = 0, sum = 0;
        random_table(p, ARMS);
        random_table(q, ARMS);
        for (int i = 0; i < ARMS; i++) {
            r[i] = uniform(-3, 3);
            z += p[i] * exp(r[i] / beta);
        }
        TiltPoint t = tilt_discrete_point(best, p, r, beta, ARMS);
        NEAR(t.log_z, log(z), 1e-12, 1e-13);
        for (int i = 0; i < ARMS; i++) {
            NEAR(best[i], p[i] * exp(r[i] / beta) / z, 1e-12, 0);
            sum += best[i];
        }
        NEAR(sum, 1, 1e-14, 0);
        NEAR(t.kl, kl_discrete(best, p, ARMS), 1e-10, 1e-13);
        NEAR(t.objective, t.e_r - beta * t.kl, 1e-12, 1e-13);
        // Whatever q is, it misses the optimum by exactly beta KL(q||p*).
        double J = table_mean(NULL, q, r, ARMS) - beta * kl_discrete(q, p, ARMS);
        NEAR(t.objective - J, beta * kl_discrete(q, best, ARMS), 1e-11, 1e-13);
        CHECK(J < t.objective, "J(q) %g is above J* %g", J, t.objective);
        // At the KL that q spent, the tilt earns at least as much.
        double same = tilt_discrete_beta_at_kl(p, r, kl_discrete(q, p, ARMS), ARMS);
        reached += same > 0;
        if (same > 0) {
            TiltPoint u = tilt_discrete_point(NULL, p, r, same, ARMS);
            NEAR(u.kl, kl_discrete(q, p, ARMS), 1e-8, 1e-10);
            CHECK(u.e_r >= table_mean(NULL, q, r, ARMS), "frontier %g below a policy", u.e_r);
        }
        for (int i = 0; i < ARMS; i++) {
            r[i] += 100; // a constant moves the value and nothing else
        }
        NEAR(beta * tilt_discrete(again, p, r, beta, ARMS), t.objective + 100, 1e-13, 0);
        for (int i = 0; i < ARMS; i++) {
            NEAR(again[i], best[i], 1e-11, 0);
        }
    }
    CHECK(reached > 100, "only %d of 200 policies had a tilt of their KL", reached);
}

static void test_discrete_limits(void) {
    double p[4] = {0.5, 0.3, 0.2, 0}, r[4] = {0, 1, 3, 9}, q[4];
    double log_z = tilt_discrete(q, p, r, 1e-3, 4); // r/beta = 3000; e^3000 is no double
    NEAR(log_z, 3000 + log(0.2), 1e-14, 0);
    NEAR(q[2], 1, 1e-15, 0);
    CHECK(q[3] == 0, "mass %g where the reference has none", q[3]);
    NEAR(tilt_discrete_point(q, p, r, 1e-18, 4).kl, -log(0.2), 1e-14, 0); // cold: the best item alone
    tilt_discrete(q, p, r, 1e9, 4);
    for (int i = 0; i < 4; i++) {
        NEAR(q[i], p[i], 1e-8, 0);
    }
    r[2] = -INFINITY; // a forbidden item
    NEAR(tilt_discrete(q, p, r, 1, 4), log(0.5 + 0.3 * exp(1)), 1e-14, 0);
    CHECK(q[2] == 0, "forbidden item kept %g", q[2]);
    double rare[2] = {1, 1e-300}, big[2] = {0, 800}; // the rare item wins only in the product
    tilt_discrete(q, rare, big, 1, 2);
    NEAR(q[1], 1, 1e-12, 0);
    CHECK(tilt_discrete_beta_at_kl(p, big, 5, 2) == 0, "no tilt of this table has KL 5");
    double start[5] = {0.3, 0.2, 0.1, 0.15, 0.25}, rr[5] = {0.6, -1.7, -0.7, 1.2, 1.9}, one[5];
    tilt_discrete(one, start, rr, 2.0 / 4, 5);
    rwr_iterated(start, rr, 2, 4, 5); // four rounds at tau = 2 are one at 1/2
    for (int i = 0; i < 5; i++) {
        NEAR(start[i], one[i], 1e-13, 0);
    }
}

// d log Z = E d eta, dE = Var d eta, dKL = eta Var d eta (central differences in eta = 1/beta), hence dE/dKL
// = beta.
static void frontier_identities(TiltPoint low, TiltPoint mid, TiltPoint high, double eta, double h) {
    NEAR((high.log_z - low.log_z) / (2 * h), mid.e_r, 1e-6, 1e-7);
    NEAR((high.e_r - low.e_r) / (2 * h), mid.var_r, 1e-6, 1e-7);
    NEAR((high.kl - low.kl) / (2 * h), eta * mid.var_r, 1e-6, 1e-7);
    NEAR((high.e_r - low.e_r) / (high.kl - low.kl), 1 / eta, 1e-5, 0);
}

// ---- a chain whose start is kept --------------------------------------------------------------------------

static void test_fixed_start(void) {
    enum { T = 3, S = 4 };
    double start[T] = {0.5, 0.3, 0.2}, kernel[T * S], r[S] = {1, 0.2, -0.7, 2}, beta = 0.6;
    double fixed[S], ideal[S], value[T], mean_value = 0, J = 0;
    for (int t = 0; t < T; t++) {
        random_table(kernel + t * S, S);
    }
    double best = tilt_fixed_start(fixed, ideal, value, start, kernel, r, beta, T, S);
    double sum_ideal[S] = {0};
    for (int t = 0; t < T; t++) {
        double p_start = start[t] * exp((value[t] - best) / beta); // tilted start of the free problem
        mean_value += start[t] * value[t];
        for (int s = 0; s < S; s++) {
            double step = kernel[t * S + s] * exp((r[s] - value[t]) / beta);
            double residual = beta * log(p_start * step / (start[t] * kernel[t * S + s])) - r[s] + best;
            NEAR(residual, 0, 0, 1e-13);
            sum_ideal[s] += p_start * step;
            J += start[t] * step * (r[s] - beta * log(step / kernel[t * S + s]));
        }
    }
    for (int s = 0; s < S; s++) {
        NEAR(ideal[s], sum_ideal[s], 1e-12, 0);
    }
    NEAR(J, mean_value, 1e-12, 0); // the fixed-start optimum is worth E[V(x_T)] ...
    CHECK(mean_value < best - 1e-3, "fixed start %g, free start %g", mean_value, best); // ... less than a free start
    CHECK(tv_discrete(fixed, ideal, S) > 1e-3, "a kept start changed nothing");
    for (int t = 1; t < T; t++) {
        memcpy(kernel + t * S, kernel, S * sizeof *kernel); // x_0 forgets x_T
    }
    best = tilt_fixed_start(fixed, ideal, value, start, kernel, r, beta, T, S);
    NEAR(tv_discrete(fixed, ideal, S), 0, 0, 1e-15);
}

// ---- mixtures ---------------------------------------------------------------------------------------------

static void test_gmm(const QuadReward *r, double beta) {
    Gmm p = mixture_a(), q = gmm_new(3), twice = gmm_copy(&p);
    double log_z, h = 1e-4, sums[5] = {0}, e_ref, var_ref;
    CHECK(gmm_tilt(&q, &log_z, &p, r, beta) == 0, "tilt refused at beta %g", beta);
    TiltPoint t = gmm_tilt_point(&p, r, beta);
    gmm_reward_moments(&e_ref, &var_ref, &p, r);
    for (double x = -9; x < 9.001; x += 0.05) { // trapezoid rule; converges faster than any power of the step
        for (double y = -9; y < 9.001; y += 0.05) {
            double at[2] = {x, y}, lp = gmm_logp(&p, at), lq = gmm_logp(&q, at);
            double value =
                -0.5 * (r->A[0] * x * x + 2 * r->A[1] * x * y + r->A[3] * y * y) + r->b[0] * x + r->b[1] * y + r->c;
            double tilted = exp(lp + value / beta) * 0.0025;
            sums[0] += tilted;
            sums[1] += tilted * value;
            sums[2] += tilted * value * value;
            sums[3] += exp(lq) * (lq - lp) * 0.0025;
            sums[4] += exp(lp) * value * 0.0025;
        }
    }
    NEAR(t.log_z, log(sums[0]), 1e-10, 1e-10);
    NEAR(t.log_z, log_z, 0, 0);
    NEAR(t.e_r, sums[1] / sums[0], 1e-10, 1e-10);
    NEAR(t.var_r, sums[2] / sums[0] - t.e_r * t.e_r, 1e-9, 1e-9);
    NEAR(t.kl, sums[3], 1e-9, 1e-10);
    NEAR(e_ref, sums[4], 1e-10, 1e-10);
    for (int i = 0; i < 50; i++) { // the density itself, far into the tails
        double at[2] = {uniform(-6, 6), uniform(-6, 6)};
        NEAR(gmm_logp(&q, at), gmm_logp(&p, at) + quad_reward(r, at) / beta - log_z, 1e-11, 1e-10);
    }
    frontier_identities(gmm_tilt_point(&p, r, 1 / (1 / beta - h)), t, gmm_tilt_point(&p, r, 1 / (1 / beta + h)),
                        1 / beta, h);
    // Far up in temperature KL ~ Var[r]/(2 beta^2) and E*[r] ~ E[r] + Var[r]/beta.
    TiltPoint hot = gmm_tilt_point(&p, r, 1e4);
    NEAR(hot.kl, var_ref / 2e8, 2e-3, 0);
    NEAR(hot.e_r - e_ref, var_ref / 1e4, 2e-3, 0);
    // Two tilts at 2 beta are one at beta; the second one in place.
    CHECK(gmm_tilt(&twice, NULL, &p, r, 2 * beta) == 0, "refused");
    CHECK(gmm_tilt(&twice, NULL, &twice, r, 2 * beta) == 0, "refused in place");
    for (int i = 0; i < 3 * 7; i++) { // one block: weights, means, covariances
        NEAR(twice.w[i], q.w[i], 1e-11, 1e-13);
    }
    gmm_free(&p);
    gmm_free(&q);
    gmm_free(&twice);
}

static double smallest_eigenvalue(const Gmm *p, const QuadReward *r, double beta) {
    double smallest = INFINITY;
    for (int k = 0; k < p->K; k++) {
        double P[4], lambda[2];
        inv2(P, p->cov + 4 * k);
        for (int i = 0; i < 4; i++) {
            P[i] += r->A[i] / beta;
        }
        eig2(lambda, NULL, P);
        smallest = fmin(smallest, lambda[0]);
    }
    return smallest;
}

static void test_exist(void) {
    static const QuadReward rewards[3] = {
        {{-2, 0, 0, -2}, {0, 0}, 0}, {{-1, 0.7, 0.7, 0.5}, {1, 2}, 0}, {{3, 2, 2, -0.2}, {0, 1}, 0}};
    Gmm p = mixture_a(), q = gmm_new(3);
    double log_z, grad[2], at[2] = {0.3, -0.8};
    NEAR(gmm_critical_beta(&p, &rewards[0]), 0.72360679774997894, 1e-12, 0); // 2 x largest eigenvalue of a covariance
    for (int i = 0; i < 3; i++) {
        double critical = gmm_critical_beta(&p, &rewards[i]);
        CHECK(critical > 0, "convex direction without a critical temperature");
        CHECK(smallest_eigenvalue(&p, &rewards[i], 0.999 * critical) < 0, "exists below beta %g", critical);
        CHECK(smallest_eigenvalue(&p, &rewards[i], 1.001 * critical) > 0, "does not exist above beta %g", critical);
        CHECK(gmm_tilt(&q, &log_z, &p, &rewards[i], 0.999 * critical) == 1 && log_z == INFINITY, "not refused");
        CHECK(gmm_tilt(&q, &log_z, &p, &rewards[i], 1.001 * critical) == 0 && log_z < INFINITY, "refused");
        quad_reward_grad(grad, &rewards[i], at);
        for (int d = 0; d < 2; d++) {
            double up[2] = {at[0], at[1]}, down[2] = {at[0], at[1]};
            up[d] += 1e-4;
            down[d] -= 1e-4;
            NEAR(grad[d], (quad_reward(&rewards[i], up) - quad_reward(&rewards[i], down)) / 2e-4, 1e-8, 1e-9);
        }
    }
    QuadReward concave = {{1.2, 0, 0, 1.2}, {0.6, 0.6}, -0.3}, linear = {{0, 0, 0, 0}, {1, 0}, 0};
    CHECK(gmm_critical_beta(&p, &concave) == 0 && gmm_critical_beta(&p, &linear) == 0, "any beta should do");
    for (int i = 0; i < 4; i++) {
        p.cov[i] = 0; // the first component becomes a point: only its weight can move
    }
    CHECK(gmm_tilt(&q, &log_z, &p, &concave, 0.7) == 0, "point component refused");
    NEAR(q.mu[0], p.mu[0], 0, 0);
    NEAR(q.cov[0], 0, 0, 0);
    NEAR(q.w[0], p.w[0] * exp(quad_reward(&concave, p.mu) / 0.7 - log_z), 1e-13, 0);
    gmm_free(&p);
    gmm_free(&q);
    Gmm unit = gmm_new(1); // N(0, I), r = x, beta = 1/2: N((2,0), I) with KL 2
    unit.w[0] = unit.cov[0] = unit.cov[3] = 1;
    TiltPoint t = gmm_tilt_point(&unit, &linear, 0.5);
    NEAR(t.kl, 2, 1e-14, 0);
    NEAR(t.e_r, 2, 1e-14, 0);
    NEAR(t.var_r, 1, 1e-14, 0);
    gmm_free(&unit);
}

int main(void) {
    double p[ARMS], r[ARMS], h = 1e-4;
    QuadReward linear = {{0, 0, 0, 0}, {1, -0.5}, 0.25}, quadratic = {{1.2, 0, 0, 1.2}, {0.6, 0.6}, -0.3};
    QuadReward saddle = {{0.8, 0.5, 0.5, -0.4}, {-0.3, 0.7}, 1};
    test_discrete();
    test_discrete_limits();
    random_table(p, ARMS);
    for (int i = 0; i < ARMS; i++) {
        r[i] = uniform(-2, 2);
    }
    for (double beta = 0.3; beta < 4; beta *= 1.5) {
        frontier_identities(tilt_discrete_point(NULL, p, r, 1 / (1 / beta - h), ARMS),
                            tilt_discrete_point(NULL, p, r, beta, ARMS),
                            tilt_discrete_point(NULL, p, r, 1 / (1 / beta + h), ARMS), 1 / beta, h);
    }
    test_fixed_start();
    test_gmm(&linear, 0.5);
    test_gmm(&quadratic, 0.7);
    test_gmm(&saddle, 0.9);
    test_exist();
    return report("test_tilt");
}
