// test_denoising_mdp.c: whole chains.  Log-probabilities of episodes, the chain rule of the KL, both optima of a linear
// chain, the continuous limit, and what a large drift does to each log-ratio.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/denoising_mdp.h"
#include "../ref/formula/policy.h"

enum { SEED = 8, STREAM_PATH = 1, STREAM_NOISE, STREAM_START };

// ---- episodes -----------------------------------------------------------------------------------------------------

enum { T = 3, ROWS = 2, D = 2, LEVEL = ROWS * D };
static StepCoeffs step[T];
static real path[(T + 1) * LEVEL], eps[T * LEVEL], slope[T * LEVEL];
static double logp[ROWS];

static double total_logp(void *unused) {
    double out[ROWS];
    (void)unused;
    mdp_episode_logp(out, NULL, step, path, eps, T, ROWS, D);
    return out[0] + out[1];
}

static void test_episode(void) {
    double want[ROWS] = {0}, again[ROWS];
    for (int k = 0; k < T; k++) {
        step[k] = ddim_coeffs(0.1 + 0.2 * (T - 1 - k), 0.25 + 0.2 * (T - 1 - k), 1);
    }
    for (int i = 0; i < (T + 1) * LEVEL; i++) {
        path[i] = (real)rng_normal(SEED, STREAM_PATH, (uint64_t)i);
        if (i < T * LEVEL) {
            eps[i] = (real)rng_normal(SEED, STREAM_PATH, (uint64_t)(100 + i));
        }
    }
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < T; k++) { // step k leads from path[k + 1] to path[k]
            for (int d = 0; d < D; d++) {
                int from = (k + 1) * LEVEL + i * D + d, to = k * LEVEL + i * D + d;
                double mean = step[k].a * (double)path[from] + step[k].b * (double)eps[to];
                double z = ((double)path[to] - mean) / step[k].sigma;
                want[i] += -0.5 * z * z - log(step[k].sigma * sqrt(2 * PI));
            }
        }
    }
    CHECK(mdp_episode_logp(logp, slope, step, path, eps, T, ROWS, D) == T, "steps with a density");
    NEAR(logp[0], want[0], sizeof(real) == 8 ? 1e-12 : 1e-5, 0);
    NEAR(logp[1], want[1], sizeof(real) == 8 ? 1e-12 : 1e-5, 0);
    if (sizeof(real) == 8) {
        CHECK(gradient_ok(total_logp, NULL, eps, slope, T * LEVEL, 1e-7), "gradient of an episode");
    }
    // Markov: another state changes the two steps that touch it and no other; rows are independent
    real kept = path[3 * LEVEL];
    path[3 * LEVEL] = (real)((double)kept + 0.5); // the start of row 0
    double changed = step_logp(NULL, &step[2], path + 2 * LEVEL, path + 3 * LEVEL, eps + 2 * LEVEL, D);
    path[3 * LEVEL] = kept;
    changed -= step_logp(NULL, &step[2], path + 2 * LEVEL, path + 3 * LEVEL, eps + 2 * LEVEL, D);
    path[3 * LEVEL] = (real)((double)kept + 0.5);
    mdp_episode_logp(again, NULL, step, path, eps, T, ROWS, D);
    NEAR(again[0] - logp[0], changed, 1e-6, 1e-9);
    CHECK(again[1] == logp[1] && fabs(changed) > 1e-3, "a row is not alone: %g", changed);
    path[3 * LEVEL] = kept;
    // a last step without noise has no density: one term less, and no gradient there
    double first = step_logp(NULL, &step[0], path, path + LEVEL, eps, D);
    step[0] = ddim_coeffs(0.5, 1, 1);
    CHECK(mdp_episode_logp(again, slope, step, path, eps, T, ROWS, D) == T - 1, "a point mass was counted");
    NEAR(again[0], logp[0] - first, 1e-9, 1e-9);
    for (int i = 0; i < LEVEL; i++) {
        CHECK(slope[i] == 0, "gradient %g through a step without density", (double)slope[i]);
    }
}

// ---- linear chains ------------------------------------------------------------------------------------------------

enum { K = 6, P_STEPS = 5 };
static double c_a[K], c_c[K], c_s[K]; // chain C
static double p_a[P_STEPS], p_c[P_STEPS], p_s[P_STEPS], q_a[P_STEPS], q_c[P_STEPS];
static const Normal1 standard = {0, 1};

static LinearChain chain_c(void) {
    LinearChain chain = {K, c_a, c_c, c_s};
    for (int k = 0; k < K; k++) {
        c_a[k] = 0.8 + 0.02 * k;
        c_c[k] = 0.05 * sin(k);
        c_s[k] = 0.5 - 0.04 * k;
    }
    return chain;
}

static void chain_p(LinearChain *policy, LinearChain *ref) {
    LinearChain chain = {P_STEPS, p_a, p_c, p_s};
    for (int i = 0; i < P_STEPS; i++) { // i counts in sampling order
        int k = P_STEPS - 1 - i;
        p_a[k] = 0.9 - 0.02 * i;
        p_c[k] = 0;
        p_s[k] = 0.4 - 0.02 * i;
        q_a[k] = p_a[k] + 0.05 * cos(i);
        q_c[k] = 0.1 + 0.03 * i;
    }
    *ref = *policy = chain;
    policy->a = q_a;
    policy->c = q_c;
}

static void test_path_kl(void) {
    enum { N = 20000 };
    LinearChain policy, ref;
    double steps[P_STEPS], marginal, sum = 0, square = 0, elsewhere = 0, total = 0;
    chain_p(&policy, &ref);
    double kl = linear_path_kl(steps, &marginal, &policy, &ref, standard);
    NEAR(kl, 0.5442, 0, 5e-5);
    NEAR(marginal, 0.3097, 0, 5e-5);
    CHECK(kl > marginal && marginal > 0, "data processing: %g, %g", kl, marginal);
    for (int k = 0; k < P_STEPS; k++) {
        total += steps[k];
    }
    NEAR(total, kl, 1e-13, 0);
    for (int n = 0; n < N; n++) { // sampled log-ratio of whole paths, states of the policy
        double x = rng_normal(SEED, STREAM_START, (uint64_t)n), l = 0;
        for (int k = P_STEPS - 1; k >= 0; k--) {
            double z = rng_normal(SEED, STREAM_NOISE, (uint64_t)(P_STEPS * n + k));
            double next = policy.a[k] * x + policy.c[k] + policy.s[k] * z;
            double w = (next - ref.a[k] * x - ref.c[k]) / ref.s[k];
            l += 0.5 * w * w - 0.5 * z * z;
            x = next;
        }
        sum += l / N;
        square += l * l / N;
    }
    AGREES(sum, sqrt((square - sum * sum) / N), kl);
    Normal1 law[P_STEPS + 1]; // with the states of the reference it is another number
    linear_laws(law, &ref, standard);
    for (int k = 0; k < P_STEPS; k++) {
        double da = policy.a[k] - ref.a[k], dc = policy.c[k] - ref.c[k], m = law[k + 1].mean;
        elsewhere += (da * da * (law[k + 1].var + m * m) + 2 * da * dc * m + dc * dc) / (2 * ref.s[k] * ref.s[k]);
    }
    CHECK(fabs(elsewhere / kl - 1) > 0.05, "reference states give %g, policy states %g", elsewhere, kl);
    CHECK(linear_path_kl(NULL, &marginal, &ref, &ref, standard) == 0 && marginal == 0, "KL to itself");
    // unequal widths, one step, against quadrature
    double a[2] = {0.5, 0.7}, c[2] = {0.2, 0.1}, s[2] = {0.3, 0.45}, x, want = 0;
    LinearChain one = {1, &a[0], &c[0], &s[0]}, two = {1, &a[1], &c[1], &s[1]};
    for (x = -9; x < 9; x += 0.03) {
        double m = a[0] * x + c[0], m2 = a[1] * x + c[1];
        double at = log(s[1] / s[0]) + (s[0] * s[0] + (m - m2) * (m - m2)) / (2 * s[1] * s[1]) - 0.5;
        want += exp(-0.5 * x * x) / sqrt(2 * PI) * at * 0.03;
    }
    NEAR(linear_path_kl(NULL, NULL, &one, &two, standard), want, 1e-10, 0);
    DIES("1 steps, a reference of 5", linear_path_kl(NULL, NULL, &one, &ref, standard));
    DIES("point mass", normal_kl(0, 0, 0, 1));
}

static void test_optimum(void) {
    LinearChain chain = chain_c(), steered;
    double beta = 0.5, a[K], c[K], s[K], marginal, z = 0, mean = 0;
    QuadTwist V[K + 1], r = quad_twist(0.9, 0.4, beta);
    Normal1 law[K + 1], tilted;
    linear_values(V, &r, &chain);
    LinearOptimum best = linear_optimum(V, beta, &chain, standard);
    NEAR(best.end.mean, 0.2590, 0, 5e-5);
    NEAR(best.end_fixed.mean, 0.2353, 0, 5e-5);
    NEAR(best.value, -0.14712, 0, 5e-6);
    NEAR(best.value_fixed, -0.15342, 0, 5e-6);
    CHECK(best.value_fixed < best.value, "a kept start costs nothing?");
    for (int k = 0; k < K; k++) { // the recursion, one step at a time by quadrature
        for (double x = -1; x < 1.5; x += 0.7) {
            double sum = 0, y;
            for (y = -9; y < 9; y += 0.01) {
                sum += exp(-0.5 * y * y + quad_twist_at(&V[k], chain.a[k] * x + chain.c[k] + chain.s[k] * y)) * 0.01;
            }
            NEAR(quad_twist_at(&V[k + 1], x), log(sum / sqrt(2 * PI)), 1e-10, 1e-12);
        }
    }
    // the free optimum is the tilt of the marginal of x_0
    linear_laws(law, &chain, standard);
    NEAR(twisted_kernel(&tilted, &r, law[0].mean, law[0].var), best.log_z, 1e-12, 0);
    NEAR(tilted.mean, best.end.mean, 1e-12, 0);
    NEAR(tilted.var, best.end.var, 1e-12, 0);
    for (double x = -8; x < 8; x += 0.01) { // and by quadrature
        double p = exp(-0.5 * (x - law[0].mean) * (x - law[0].mean) / law[0].var + quad_twist_at(&r, x)) * 0.01;
        z += p / sqrt(2 * PI * law[0].var);
        mean += p / sqrt(2 * PI * law[0].var) * x;
    }
    NEAR(log(z), best.log_z, 1e-10, 0);
    NEAR(mean / z, best.end.mean, 1e-10, 0);
    // path KL of the steered chain: with the tilted start it is the marginal KL, with the kept one it is larger
    steered = linear_steered(a, c, s, V, &chain);
    double path_kl = linear_path_kl(NULL, NULL, &steered, &chain, best.start);
    path_kl += normal_kl(best.start.mean, best.start.var, 0, 1);
    NEAR(path_kl, normal_kl(best.end.mean, best.end.var, law[0].mean, law[0].var), 1e-10, 0);
    path_kl = linear_path_kl(NULL, &marginal, &steered, &chain, standard);
    NEAR(path_kl, best.path_kl_fixed, 1e-10, 0);
    CHECK(path_kl > marginal * 1.001, "kept start: path KL %g, marginal KL %g", path_kl, marginal);
    NEAR(best.reward_fixed - beta * path_kl, best.value_fixed, 1e-11, 0);
    // no chain with a kept start has a higher objective: move every coefficient a little
    double e_r = 0, at_best = 0;
    for (int i = 0; i <= 2 * K; i++) {
        double *moved = i < K ? a : c, kept = moved[i % K];
        moved[i % K] += i == 2 * K ? 0 : 0.01;
        linear_laws(law, &steered, standard);
        e_r = beta * quad_twist_mean(&r, &law[0]) - beta * linear_path_kl(NULL, NULL, &steered, &chain, standard);
        at_best = best.value_fixed;
        CHECK(i == 2 * K ? fabs(e_r - at_best) < 1e-10 : e_r < at_best - 1e-6, "J %.9g, optimum %.9g", e_r, at_best);
        moved[i % K] = kept;
    }
    DIES("1 + P v", twisted_kernel(&tilted, &(QuadTwist){-5, 0, 0}, 0, 0.5));
    DIES("beta", quad_twist(1, 1, 0));
}

// ---- continuous time ----------------------------------------------------------------------------------------------

// dx = -(1 + theta) x dt + g dw against dx = -x dt + g dw on [0, 1], x(0) ~ N(0, 1), in N Euler steps.
static double euler_path_kl(double theta, double g, int N) {
    double *a = NEW(double, 2 * (size_t)N), *c = NEW(double, (size_t)N), *s = NEW(double, (size_t)N), kl;
    LinearChain policy = {N, a, c, s}, ref = {N, a + N, c, s};
    for (int k = 0; k < N; k++) {
        a[k] = 1 - (1 + theta) / N;
        a[N + k] = 1 - 1.0 / N;
        s[k] = g * sqrt(1.0 / N);
    }
    kl = linear_path_kl(NULL, NULL, &policy, &ref, standard);
    free(a);
    free(c);
    free(s);
    return kl;
}

static void test_girsanov(void) {
    real f[2] = {(real)0.3, (real)-0.8}, f_ref[2] = {(real)0.1, (real)0.4}, df[2], mean[2], mean_ref[2];
    double g = 0.7, dt = -0.05, theta = 0.6, rate = 2 * (1 + theta), square = 0.04 + 1.44;
    double kl = girsanov_step_kl(df, f, f_ref, g, dt, 2);
    NEAR(kl, 0.5 * square / (g * g) * 0.05, 1e-6, 0);
    NEAR((double)df[1], (double)(f[1] - f_ref[1]) * 0.05 / (g * g), 1e-6, 0);
    for (int d = 0; d < 2; d++) { // an Euler step is two Gaussians
        mean[d] = (real)(1.1 + (double)f[d] * dt);
        mean_ref[d] = (real)(1.1 + (double)f_ref[d] * dt);
    }
    NEAR(kl, gaussian_kl(mean, g * sqrt(-dt), mean_ref, g * sqrt(-dt), 2), sizeof(real) == 8 ? 1e-12 : 1e-5, 0);
    CHECK(girsanov_step_kl(NULL, f, f, 0, dt, 2) == 0, "no noise, no change");
    CHECK(girsanov_step_kl(NULL, f, f_ref, 0, dt, 2) == HUGE_VAL, "a change without noise is infinitely far");
    // (1/2) int E|theta x/g|^2 dt with Var x(t) = g^2/rate + (1 - g^2/rate) e^(-rate t)
    double still = g * g / rate, integral = still + (1 - still) * (1 - exp(-rate)) / rate;
    double want = 0.5 * theta * theta / (g * g) * integral;
    double coarse = euler_path_kl(theta, g, 200) - want, fine = euler_path_kl(theta, g, 400) - want;
    CHECK(fabs(coarse) < 0.01 * want && fabs(coarse) > 1e-6, "sum - integral %g of %g", coarse, want);
    NEAR(coarse / fine, 2, 0.03, 0);
}

// ---- a large drift, both log-ratios -------------------------------------------------------------------------------

// Two log-ratios live in a policy-gradient step: reference/policy in the KL, and new policy/old policy (or reference)
// in the step.  Whatever keeps one of them finite must leave both their values alone.
static void test_large_drift(void) {
    double d, q;
    for (q = 20; q <= 700; q += 20) {
        NEAR(kl_k1(&d, 0, q), -q, 1e-15, 0);
        NEAR(kl_k2(&d, 0, q), 0.5 * q * q, 1e-15, 0);
        NEAR(d, -q, 1e-15, 0);
        NEAR(kl_k3(&d, 0, q), exp(q) - 1 - q, 1e-12, 0); // grows without a clamp as long as a double can say it
        NEAR(d, 1 - exp(q), 1e-12, 0);
        NEAR(kl_k3(&d, 0, -q), q - 1 + exp(-q), 1e-13, 0); // the side that samples of the policy see
        NEAR(d, 1 - exp(-q), 1e-13, 0);
        NEAR(kl_k3(&d, -5000 + q, -5000), q - 1 + exp(-q), 1e-12, 0); // each exponential alone would underflow
        NEAR(kl_k3(&d, 5000, 5000 - q), q - 1 + exp(-q), 1e-12, 0);   // or overflow
    }
    CHECK(kl_k3(&d, 0, 800) == HUGE_VAL && d == -HUGE_VAL, "beyond a double k3 is inf, got %g with slope %g",
          kl_k3(&d, 0, 800), d);
    CHECK(kl_k1(&d, 0, 800) == -800 && kl_k2(&d, 0, 800) == 320000, "k1 and k2 stay finite");
    // the ratio of a step: the same action under two policies far apart, both ways round
    for (int i = 1; i <= 40; i++) {
        StepCoeffs c = ddim_coeffs(0.3, 0.42, 1);
        real x = (real)0.4, near_ = (real)0.2, far_ = (real)(0.2 + 5 * i), z = (real)0.3, next;
        double gap = c.b * ((double)near_ - (double)far_);
        step_sample(&next, &c, &x, &near_, &z, 1); // drawn from `near_`
        double from = ((double)next - c.a * (double)x - c.b * (double)near_) / c.sigma;
        double l = step_log_ratio(NULL, &c, &next, &x, &near_, &far_, 1);
        double other = step_log_ratio(NULL, &c, &next, &x, &far_, &near_, 1);
        NEAR(l, 0.5 * (from + gap / c.sigma) * (from + gap / c.sigma) - 0.5 * from * from, 1e-9, 1e-9);
        NEAR(other, -l, 1e-9, 1e-9);
        double both[2] = {step_logp(NULL, &c, &next, &x, &near_, 1), step_logp(NULL, &c, &next, &x, &far_, 1)};
        NEAR(both[0] - both[1], l, 1e-5, 1e-9);
        NEAR(kl_k1(&d, both[0], both[1]), l, 1e-5, 1e-9);
    }
}

int main(void) {
    test_episode();
    test_path_kl();
    test_optimum();
    test_girsanov();
    test_large_drift();
    return report("test_denoising_mdp");
}
