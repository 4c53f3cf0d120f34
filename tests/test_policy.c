// test_policy.c: the policy-gradient loss, advantages and KL estimators against finite differences,
// enumeration and
// sampled means with their standard errors.
#include "../ref/core/rng.h"
#include "../ref/formula/policy.h"
#include "harness.h"

enum { B = 4, D = 3, STREAM_NUMBERS = 1, STREAM_ACTIONS = 2 };

static uint64_t counter;

static double normal(void) {
    return rng_normal(9, STREAM_NUMBERS, counter++);
}

// ---- the loss of denoising steps --------------------------------------------------------------------------

static real x_t[B * D], x_s[B * D], eps[B * D], deps[B * D], scratch[B * D];
static double advantage[B];
static StepCoeffs step[B];

static double loss_of_eps(void *unused) {
    (void)unused;
    return ddpo_sf(scratch, x_t, x_s, eps, advantage, step, B, D);
}

static void test_ddpo_sf(void) {
    const double tight = sizeof(real) == 8 ? 1e-12 : 3e-5;
    double want = 0;
    for (int b = 0; b < B; b++) {
        step[b] = ddim_coeffs(0.1 + 0.2 * b, 0.25 + 0.2 * b, 0.5 + 0.1 * b); // rows at different times
        advantage[b] = normal();
        for (int d = 0; d < D; d++) {
            int i = b * D + d;
            x_t[i] = (real)normal();
            eps[i] = (real)normal();
            x_s[i] = (real)(step[b].a * (double)x_t[i] + step[b].b * (double)eps[i] + step[b].sigma * normal());
        }
    }
    double loss = ddpo_sf(deps, x_t, x_s, eps, advantage, step, B, D);
    for (int b = 0; b < B; b++) { // the density written out
        double logp = 0;
        for (int d = 0; d < D; d++) {
            int i = b * D + d;
            double z = ((double)x_s[i] - step[b].a * (double)x_t[i] - step[b].b * (double)eps[i]) / step[b].sigma;
            logp += log(exp(-0.5 * z * z) / (sqrt(2 * PI) * step[b].sigma));
            NEAR((double)deps[i], -advantage[b] / B * step[b].b * z / step[b].sigma, tight, 1e-7);
        }
        want -= advantage[b] * logp / B;
    }
    NEAR(loss, want, tight, 0);
    if (sizeof(real) == 8) {
        CHECK(gradient_ok(loss_of_eps, NULL, eps, deps, B * D, 1e-7), "ddpo_sf");
    }
    // On a Gaussian step with reward r = g . x_s the exact gradient of E[r] in eps is b g.
    enum { N = 20000 };
    StepCoeffs c = ddim_coeffs(0.3, 0.42, 1);
    double g[2] = {0.8, -0.5}, sum[2] = {0}, square[2] = {0}, plain[2] = {0}, plain_square[2] = {0};
    for (int n = 0; n < N; n++) {
        real start[2] = {(real)0.4, (real)-1.1}, guess[2] = {(real)0.2, (real)0.6}, next[2], slope[2];
        double r, one = 1;
        for (int d = 0; d < 2; d++) {
            double z = rng_normal(9, STREAM_ACTIONS, (uint64_t)(2 * n + d));
            next[d] = (real)(c.a * (double)start[d] + c.b * (double)guess[d] + c.sigma * z);
        }
        r = g[0] * (double)next[0] + g[1] * (double)next[1];
        ddpo_sf(slope, start, next, guess, &r, &c, 1, 2);
        for (int d = 0; d < 2; d++) {
            sum[d] += -(double)slope[d] / N;
            square[d] += (double)slope[d] * (double)slope[d] / N;
        }
        ddpo_sf(slope, start, next, guess, &one, &c, 1, 2); // constant advantage: no gradient on average
        for (int d = 0; d < 2; d++) {
            plain[d] += (double)slope[d] / N;
            plain_square[d] += (double)slope[d] * (double)slope[d] / N;
        }
    }
    for (int d = 0; d < 2; d++) {
        AGREES(sum[d], sqrt((square[d] - sum[d] * sum[d]) / N), c.b * g[d]);
        AGREES(plain[d], sqrt(plain_square[d] / N), 0);
        NEAR(plain_square[d], c.w_kl, 0.05, 0); // E[g g'] = w_kl I
    }
}

// ---- advantages -------------------------------------------------------------------------------------------

static void test_advantages(void) {
    enum { G = 3, K = 4 };
    double r[G * K], A[G * K], other[G * K], shifted[G * K], sum = 0, square = 0;
    for (int i = 0; i < G * K; i++) {
        r[i] = 5 * (i / K) + normal(); // prompts of very different difficulty
        shifted[i] = 3 * r[i] + 11;
    }
    advantage_batch(A, r, G * K, 0);
    advantage_batch(other, shifted, G * K, 0);
    for (int i = 0; i < G * K; i++) {
        sum += A[i];
        square += A[i] * A[i] / (G * K);
        NEAR(other[i], A[i], 1e-12, 1e-13);
    }
    NEAR(sum, 0, 0, 1e-12);
    NEAR(square, 1, 1e-13, 0);
    for (int ddof = 0; ddof < 2; ddof++) {
        advantage_group(A, r, G, K, ddof, 0);
        advantage_group(other, shifted, G, K, ddof, 0);
        for (int g = 0; g < G; g++) {
            double group = 0, spread = 0;
            for (int k = 0; k < K; k++) {
                group += A[g * K + k];
                spread += A[g * K + k] * A[g * K + k];
                NEAR(other[g * K + k], A[g * K + k], 1e-11, 1e-13);
            }
            NEAR(group, 0, 0, 1e-12); // statistics of the batch would fail here
            NEAR(spread, K - ddof, 1e-12, 0);
        }
    }
    advantage_loo(A, r, G, K);
    advantage_centred(other, r, G, K);
    for (int i = 0; i < G * K; i++) {
        double rest = 0;
        for (int k = 0; k < K; k++) {
            rest += i / K * K + k == i ? 0 : r[i / K * K + k] / (K - 1);
        }
        NEAR(A[i], r[i] - rest, 1e-12, 1e-13);
        NEAR(A[i], other[i] * K / (K - 1), 1e-12, 1e-13);
    }
    advantage_group_global_std(A, r, G, K, 0);
    double mean = 0, var = 0;
    for (int i = 0; i < G * K; i++) {
        mean += r[i] / (G * K);
    }
    for (int i = 0; i < G * K; i++) {
        var += (r[i] - mean) * (r[i] - mean) / (G * K);
    }
    for (int i = 0; i < G * K; i++) {
        NEAR(A[i] * sqrt(var), other[i], 1e-12, 1e-13);
    }
    for (int floor_on = 1; floor_on < 4; floor_on++) { // a floor of 0.5 under the spread, in each variant
        double spread;
        if (floor_on == 1) {
            advantage_batch(A, r, G * K, 0.5);
        } else if (floor_on == 2) {
            advantage_group_global_std(A, r, G, K, 0.5);
        } else {
            advantage_group(A, r, G, K, 0, 0.5);
        }
        for (int i = 0; i < G * K; i++) {
            int g = i / K;
            double group_var = 0;
            for (int k = 0; k < K; k++) {
                group_var += other[g * K + k] * other[g * K + k] / K; // other: centred rewards of the group
            }
            spread = (floor_on == 3 ? sqrt(group_var) : sqrt(var)) + 0.5;
            NEAR(A[i], (floor_on == 1 ? r[i] - mean : other[i]) / spread, 1e-12, 1e-13);
        }
    }
    double pair[2] = {1.5, -0.25}, two[2], equal[3] = {2, 2, 2}, none[3];
    advantage_loo(two, pair, 1, 2); // K = 2: +- the difference
    NEAR(two[0], 1.75, 1e-15, 0);
    NEAR(two[1], -1.75, 1e-15, 0);
    advantage_group(none, equal, 1, 3, 0, 1e-4); // equal rewards teach nothing, and are not NaN
    advantage_group(A, equal, 1, 3, 1, 1e-8);
    advantage_loo(other, equal, 1, 3);
    for (int i = 0; i < 3; i++) {
        NEAR(none[i], 0, 0, 0);
        NEAR(A[i], 0, 0, 0);
        NEAR(other[i], 0, 0, 1e-15);
    }
}

static void test_bandit(void) {
    enum { S = 4 };
    double theta[S], r[S], grad[S], unused[S], estimate[S], h = 1e-5;
    for (int s = 0; s < S; s++) {
        theta[s] = normal();
        r[s] = normal();
    }
    bandit_gradient(grad, theta, r, S);
    for (int s = 0; s < S; s++) {
        double keep = theta[s], high, low;
        theta[s] = keep + h;
        high = bandit_gradient(unused, theta, r, S);
        theta[s] = keep - h;
        low = bandit_gradient(unused, theta, r, S);
        theta[s] = keep;
        NEAR(grad[s], (high - low) / (2 * h), 1e-7, 1e-9);
        CHECK(fabs(grad[s]) > 1e-3, "gradient %g proves nothing", grad[s]);
    }
    for (int K = 2; K <= 5; K++) {
        group_expected_gradient(estimate, theta, r, S, K, 1);
        for (int s = 0; s < S; s++) {
            NEAR(estimate[s], grad[s], 1e-11, 0); // leave-one-out is unbiased
        }
        group_expected_gradient(estimate, theta, r, S, K, 0);
        for (int s = 0; s < S; s++) {
            NEAR(estimate[s], grad[s] * (K - 1) / K, 1e-11, 0); // the group mean keeps (K-1)/K: 3/4 for four
        }
    }
}

// ---- KL estimators ----------------------------------------------------------------------------------------

static double table_kl(const double *p, const double *q, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += p[i] * log(p[i] / q[i]);
    }
    return sum;
}

static void test_kl_estimators(void) {
    enum { S = 5 };
    typedef double (*Estimator)(double *, double, double);
    static const Estimator estimator[3] = {kl_k1, kl_k2, kl_k3};
    double theta[S], p[S], ref[S], mean[3] = {0}, slope[3][S] = {{0}}, h = 1e-5, d, unused;
    for (int s = 0; s < S; s++) {
        theta[s] = normal();
        p[s] = normal();
    }
    bandit_policy(ref, p, S);
    bandit_policy(p, theta, S);
    for (int k = 0; k < 3; k++) {
        for (int s = 0; s < S; s++) {
            double lp = log(p[s]), lr = log(ref[s]);
            mean[k] += p[s] * estimator[k](&d, lp, lr);
            for (int j = 0; j < S; j++) { // d log p_s / d theta_j = [s == j] - p_j
                slope[k][j] += p[s] * d * ((s == j) - p[j]);
            }
            NEAR(d, (estimator[k](&unused, lp + h, lr) - estimator[k](&unused, lp - h, lr)) / (2 * h), 1e-7, 1e-9);
        }
    }
    NEAR(mean[0], table_kl(p, ref, S), 1e-12, 0); // as values, k1 and k3 are unbiased and k2 is not
    NEAR(mean[2], table_kl(p, ref, S), 1e-12, 0);
    CHECK(fabs(mean[1] / mean[0] - 1) > 0.01, "k2 looks unbiased: %g, KL %g", mean[1], mean[0]);
    for (int j = 0; j < S; j++) { // as losses: nothing, grad KL(p||ref), grad KL(ref||p)
        double keep = theta[j], forward, reverse;
        theta[j] = keep + h;
        bandit_policy(p, theta, S);
        forward = table_kl(p, ref, S);
        reverse = table_kl(ref, p, S);
        theta[j] = keep - h;
        bandit_policy(p, theta, S);
        forward -= table_kl(p, ref, S);
        reverse -= table_kl(ref, p, S);
        theta[j] = keep;
        NEAR(slope[0][j], 0, 0, 1e-14);
        NEAR(slope[1][j], forward / (2 * h), 1e-7, 1e-9);
        NEAR(slope[2][j], reverse / (2 * h), 1e-7, 1e-9);
        CHECK(fabs(forward - reverse) / (2 * h) > 1e-4, "the two directions agree here: no test");
    }
    NEAR(kl_k3(&d, 0, 1e-9), 5e-19, 1e-8, 0); // exp(q) - 1 - q gives 8e-17
    NEAR(d, -1e-9, 1e-8, 0);
    for (double q = 1e-12; q < 700; q *= 1.7) {
        long double lq = (long double)q;
        CHECK(kl_k3(&d, 0, q) > 0 && kl_k3(&d, 0, -q) > 0, "k3 not positive at q = %g", q);
        NEAR(kl_k3(&d, 0, q), q > 1e-4 ? (double)(expm1l(lq) - lq) : q * q / 2 * (1 + q / 3), 1e-9, 0);
        NEAR(kl_k3(&d, 0, -q), q > 1e-4 ? (double)(expm1l(-lq) + lq) : q * q / 2 * (1 - q / 3), 1e-9, 0);
    }
    NEAR(kl_k3(&d, 0, 0.00999), (double)(expm1l(0.00999L) - 0.00999L), 1e-14, 0);   // the last of the series ...
    NEAR(kl_k3(&d, 0, -0.01001), (double)(expm1l(-0.01001L) + 0.01001L), 1e-13, 0); // ... and the first without it
    NEAR(kl_k3(&d, 0, -800), 799, 1e-14, 0); // large drift stays finite on the side that samples of p can reach
}

// ---- KL inside the reward ---------------------------------------------------------------------------------

enum { STATES = 2, STEPS = 2, PARAMETERS = STEPS * STATES };

// A two-step chain on two states: P(next = 1 | step, state) = sigmoid(theta[step][state]).  Exact E[r] -
// beta KL(path),
// and (grad not NULL) its score-function gradient with the returns of kl_in_reward, summed over all paths.
static double chain_objective(double *grad, const double *theta, const double *ref, const double *r, double beta) {
    double J = 0;
    for (int path = 0; path < 8; path++) {
        int x[3] = {path & 1, path >> 1 & 1, path >> 2 & 1};
        double prob = 0.5, ratio[STEPS], score[STEPS], to_go[STEPS], total;
        for (int k = 0; k < STEPS; k++) {
            int at = k * STATES + x[k];
            double up = 1 / (1 + exp(-theta[at])), up_ref = 1 / (1 + exp(-ref[at]));
            double move = x[k + 1] ? up : 1 - up;
            prob *= move;
            ratio[k] = log(move / (x[k + 1] ? up_ref : 1 - up_ref));
            score[k] = x[k + 1] - up;
        }
        kl_in_reward(to_go, &total, &r[x[2]], ratio, beta, 1, STEPS);
        NEAR(to_go[0], total, 0, 1e-15);
        NEAR(to_go[1], r[x[2]] - beta * ratio[1], 1e-13, 1e-15);
        J += prob * (r[x[2]] - beta * (ratio[0] + ratio[1]));
        for (int k = 0; k < STEPS && grad != NULL; k++) {
            grad[k * STATES + x[k]] += prob * to_go[k] * score[k];
        }
    }
    return J;
}

static void test_kl_in_reward(void) {
    double theta[PARAMETERS] = {0.3, -0.8, 1.1, 0.4}, ref[PARAMETERS] = {-0.2, 0.5, 0.1, -0.6}, r[STATES] = {1, -0.5};
    double grad[PARAMETERS] = {0}, h = 1e-5;
    chain_objective(grad, theta, ref, r, 0.7);
    for (int i = 0; i < PARAMETERS; i++) {
        double keep = theta[i], high, low;
        theta[i] = keep + h;
        high = chain_objective(NULL, theta, ref, r, 0.7);
        theta[i] = keep - h;
        low = chain_objective(NULL, theta, ref, r, 0.7);
        theta[i] = keep;
        NEAR(grad[i], (high - low) / (2 * h), 1e-7, 1e-9);
        CHECK(fabs(grad[i]) > 1e-3, "gradient %g proves nothing", grad[i]);
    }
}

static void test_kl_in_reward_rows(void) {
    double r[2] = {1, -2}, ratio[6] = {0.1, 0.2, 0.4, -1, 2, 5}, to_go[6], total[2];
    double want[6] = {1 - 0.35, 1 - 0.3, 1 - 0.2, -2 - 3, -2 - 3.5, -2 - 2.5};
    kl_in_reward(to_go, total, r, ratio, 0.5, 2, 3);
    for (int i = 0; i < 6; i++) {
        NEAR(to_go[i], want[i], 1e-14, 0);
    }
    NEAR(total[0], 0.65, 1e-14, 0);
    NEAR(total[1], -5, 1e-14, 0);
    kl_in_reward(to_go, NULL, r, ratio, 0.5, 2, 3);
    NEAR(to_go[3], -5, 1e-14, 0);
}

int main(void) {
    test_ddpo_sf();
    test_advantages();
    test_bandit();
    test_kl_estimators();
    test_kl_in_reward();
    test_kl_in_reward_rows();
    return report("test_policy");
}
