// test_smc.c: weights, resampling, twisted kernels; and a whole sampler on the linear chain whose Z is known.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/smc.h"

enum { SEED = 6, STREAM_NOISE = 1, STREAM_CHOICE = 2, K = 6 };

static void test_ess(void) {
    double log_w[5] = {0.3, 0.3, 0.3, 0.3, 0.3}, W[5];
    NEAR(smc_ess(log_w, 5), 5, 1e-14, 0);
    log_w[2] = 800;
    NEAR(smc_ess(log_w, 5), 1, 1e-14, 0);
    for (int i = 0; i < 5; i++) {
        log_w[i] = 0.4 * i;
    }
    double sum = 0, square = 0, ess = smc_ess(log_w, 5);
    for (int i = 0; i < 5; i++) {
        sum += exp(log_w[i]);
        square += exp(2 * log_w[i]);
    }
    NEAR(ess, sum * sum / square, 1e-13, 0);
    NEAR(smc_normalise(W, log_w, 5), log(sum / 5), 1e-13, 0);
    for (int i = 0; i < 5; i++) {
        NEAR(W[i], exp(log_w[i]) / sum, 1e-13, 0);
        log_w[i] += 1e4; // without the shift by the maximum: inf/inf
    }
    NEAR(smc_ess(log_w, 5), ess, 1e-10, 0);
    NEAR(smc_normalise(W, log_w, 5), log(sum / 5) + 1e4, 1e-12, 0);
    log_w[0] = log_w[1] = log_w[2] = log_w[3] = log_w[4] = -INFINITY;
    DIES("weight 0", smc_normalise(W, log_w, 5));
    log_w[2] = INFINITY;
    DIES("not finite", smc_normalise(W, log_w, 5));
}

static void test_systematic(void) {
    double W[7] = {0, 0.31, 0.02, 0, 0.4, 0.27, 0};
    const int draws[3] = {4, 7, 29};
    int index[29];
    for (int m = 0; m < 3; m++) {
        double mean[7] = {0};
        enum { GRID = 2000 };
        for (int i = 0; i < GRID; i++) {
            int copies[7] = {0};
            smc_systematic(index, W, (double)i / GRID, 7, (size_t)draws[m]);
            for (int j = 0; j < draws[m]; j++) {
                copies[index[j]]++;
                CHECK(j == 0 || index[j] >= index[j - 1], "unsorted");
            }
            for (int j = 0; j < 7; j++) {
                mean[j] += (double)copies[j] / GRID;
                CHECK(fabs(copies[j] - draws[m] * W[j]) < 1 + 1e-9, "%d copies of weight %g", copies[j], W[j]);
                CHECK(W[j] > 0 || copies[j] == 0, "%d copies of nothing", copies[j]);
            }
        }
        for (int j = 0; j < 7; j++) {
            NEAR(mean[j], draws[m] * W[j], 0, 2.0 / GRID); // unbiased
        }
    }
    double uneven[3] = {0.25, 0.25, 0.5 - 1e-12}; // rounding left the sum below the last point
    smc_systematic(index, uneven, 0.9999999999999999, 3, 4);
    CHECK(index[3] == 2, "index %d", index[3]);
    DIES("u = 1", smc_systematic(index, W, 1, 7, 4));
    // one draw is the inverse distribution function
    smc_systematic(index, W, 0.331, 7, 1);
    CHECK(index[0] == 4, "0.331 is behind 0.31 + 0.02: index %d", index[0]);
}

// N(x; m, v) e^V against N(x; mean, var) e^log_norm, pointwise and by quadrature.
static void test_kernel(void) {
    for (int i = 0; i < 20; i++) {
        double m = -1 + 0.13 * i, v = 0.05 + 0.04 * i, sum = 0;
        QuadTwist V = {1.3 - 0.1 * i, 0.4 + 0.05 * i, 0.2}; // concave and convex
        Normal1 at;
        double log_norm = twisted_kernel(&at, &V, m, v);
        for (double x = -14; x < 14; x += 0.01) {
            double p = -0.5 * (x - m) * (x - m) / v - 0.5 * log(2 * PI * v) + quad_twist_at(&V, x);
            sum += exp(p) * 0.01;
        }
        NEAR(log_norm, log(sum), 1e-9, 1e-10);
        for (double x = -2; x < 2; x += 0.5) {
            double p = -0.5 * (x - m) * (x - m) / v - 0.5 * log(v) + quad_twist_at(&V, x);
            double q = -0.5 * (x - at.mean) * (x - at.mean) / at.var - 0.5 * log(at.var) + log_norm;
            NEAR(q, p, 1e-11, 1e-11);
        }
        NEAR(quad_twist_slope(&V, 0.3), (quad_twist_at(&V, 0.3001) - quad_twist_at(&V, 0.2999)) / 2e-4, 1e-8, 1e-9);
    }
    QuadTwist V = {0.7, 0.3, 0.1};
    Normal1 at;
    NEAR(twisted_kernel(&at, &V, 0.4, 0), quad_twist_at(&V, 0.4), 1e-14, 0); // a point cannot be tilted
    CHECK(at.mean == 0.4 && at.var == 0, "a point moved to %g", at.mean);
}

// The classifier-guidance step: exact mean for a linear value, error O(sigma^4) for a quadratic one.
static void test_cg_step(void) {
    double error[2], beta = 0.6;
    QuadTwist V = {0.8 / beta, 0.5 / beta, 0};
    for (int i = 0; i < 3; i++) {
        double sigma = i == 1 ? 0.15 : 0.3;
        real mean[2] = {(real)0.4, (real)-0.3}, slope[2], shift[2], x[2] = {(real)0.9, (real)-0.7};
        double ratio = 0;
        V.P = i < 2 ? 0.8 / beta : 0;
        for (int d = 0; d < 2; d++) {
            Normal1 at;
            slope[d] = (real)(beta * quad_twist_slope(&V, (double)mean[d]));
            twisted_kernel(&at, &V, (double)mean[d], sigma * sigma);
            cg_step_shift(&shift[d], &slope[d], sigma, beta, 1);
            if (d == 0 && i < 2) {
                error[i] = (double)mean[d] + (double)shift[d] - at.mean;
            }
            if (i == 2) {
                NEAR((double)mean[d] + (double)shift[d], at.mean, 1e-6, 0);
            }
            double from_p = (double)x[d] - (double)mean[d], from_q = from_p - (double)shift[d];
            ratio += (from_q * from_q - from_p * from_p) / (2 * sigma * sigma);
        }
        NEAR(cg_step_log_ratio(x, mean, shift, sigma, 2), ratio, 1e-6, 1e-9);
        CHECK(cg_step_log_ratio(x, mean, shift, 0, 2) == 0, "a step without noise has no ratio");
    }
    CHECK(fabs(error[0]) > 1e-3 && fabs(error[0] / error[1] - 16) < 2, "errors %g, %g", error[0], error[1]);
}

// ---- a whole sampler on chain C -----------------------------------------------------------------------------------

static double c_a[K], c_c[K], c_s[K];
static LinearChain chain = {K, c_a, c_c, c_s};
static QuadTwist V[K + 1], reward;
static LinearOptimum best;
static const double beta = 0.5;
static const Normal1 standard = {0, 1};

static double log_normal_at(double x, double m, double v) {
    return -0.5 * (x - m) * (x - m) / v - 0.5 * log(2 * PI * v);
}

// Exact values, exact kernels and a tilted start: every particle of every seed weighs Z.  With the start kept, every
// step weighs 1 and only the start varies.
static void test_no_variance(void) {
    double a[K], c[K], s[K];
    LinearChain steered = linear_steered(a, c, s, V, &chain);
    for (int n = 0; n < 50; n++) {
        for (int kept = 0; kept < 2; kept++) {
            double z = rng_normal(SEED, STREAM_NOISE, (uint64_t)(K * n));
            double x = kept ? z : best.start.mean + sqrt(best.start.var) * z;
            double log_w = kept ? 0 : log_normal_at(x, 0, 1) - log_normal_at(x, best.start.mean, best.start.var);
            log_w = smc_log_increment(log_w, beta * quad_twist_at(&V[K], x), 0, beta);
            NEAR(log_w, kept ? quad_twist_at(&V[K], x) : best.log_z, 1e-10, 1e-10);
            for (int k = K - 1; k >= 0; k--) {
                double next = steered.a[k] * x + steered.c[k];
                next += steered.s[k] * rng_normal(SEED, STREAM_NOISE, (uint64_t)(K * n + k + 1));
                double log_pq = log_normal_at(next, chain.a[k] * x + chain.c[k], chain.s[k] * chain.s[k]);
                log_pq -= log_normal_at(next, steered.a[k] * x + steered.c[k], steered.s[k] * steered.s[k]);
                double step = smc_log_increment(log_pq, beta * quad_twist_at(&V[k], next),
                                                beta * quad_twist_at(&V[k + 1], x), beta);
                NEAR(step, 0, 0, 1e-10);
                x = next;
            }
        }
    }
}

// Z^ of N particles with the values `scale` times the exact ones.  lean: proposals of guid.cg_step.  last: the final
// correction to the true reward, without which the tilt is by scale V_0.
static double sampled_z(double scale, int N, double below, int lean, int last, uint64_t seed) {
    double x[64], v[64], log_w[64] = {0}, moved[64], log_z = 0, W[64];
    int index[64];
    for (int i = 0; i < N; i++) {
        x[i] = rng_normal(seed, STREAM_NOISE, (uint64_t)i);
        v[i] = scale * beta * quad_twist_at(&V[K], x[i]);
        log_w[i] = smc_log_increment(0, v[i], 0, beta);
    }
    for (int k = K - 1; k >= 0; k--) {
        log_z += smc_stage(index, log_w, below * N, rng_uniform(seed, STREAM_CHOICE, (uint64_t)k), (size_t)N);
        for (int i = 0; i < N; i++) {
            double from = x[index[i]], now = v[index[i]], mean = chain.a[k] * from + chain.c[k];
            real m = (real)mean, slope = (real)(scale * beta * quad_twist_slope(&V[k], mean)), shift = 0, next;
            if (lean) {
                cg_step_shift(&shift, &slope, chain.s[k], beta, 1);
            }
            next = (real)((double)m + (double)shift +
                          chain.s[k] * rng_normal(seed, STREAM_NOISE, (uint64_t)((k + 1) * N + i)));
            moved[i] = (double)next;
            double value = beta * quad_twist_at(&V[k], moved[i]) * (k == 0 && last ? 1 : scale);
            log_w[i] += smc_log_increment(cg_step_log_ratio(&next, &m, &shift, chain.s[k], 1), value, now, beta);
            W[i] = value;
        }
        memcpy(x, moved, sizeof x);
        memcpy(v, W, sizeof v);
    }
    return exp(log_z + smc_normalise(W, log_w, (size_t)N));
}

static void test_unbiased(void) {
    enum { SEEDS = 1000, N = 16 };
    static const double scale[6] = {1, 1, 0, -0.5, 0.6, 0.6};
    static const int lean[6] = {0, 1, 0, 0, 0, 0}, last[6] = {1, 1, 1, 1, 1, 0};
    double spread[6];
    for (int i = 0; i < 6; i++) {
        double sum = 0, square = 0, se;
        for (int s = 0; s < SEEDS; s++) {
            double z = sampled_z(scale[i], N, i % 2 ? 1 : 0.5, lean[i], last[i], (uint64_t)(1000 + s));
            sum += z / SEEDS;
            square += z * z / SEEDS;
        }
        spread[i] = square - sum * sum;
        se = sqrt(spread[i] / SEEDS);
        if (last[i]) {
            AGREES(sum, se, exp(best.log_z));
        } else { // without the last correction it is the normaliser of another tilt, many standard errors away
            QuadTwist wrong = {0.6 * reward.P, 0.6 * reward.q, 0};
            Normal1 law[K + 1], at;
            linear_laws(law, &chain, standard);
            AGREES(sum, se, exp(twisted_kernel(&at, &wrong, law[0].mean, law[0].var)));
            CHECK(fabs(sum - exp(best.log_z)) > 10 * se, "bias %g, standard error %g", sum - exp(best.log_z), se);
        }
        CHECK(se < 0.02 * exp(best.log_z), "standard error %g rejects nothing", se);
    }
    CHECK(spread[1] < 0.7 * spread[0] && spread[0] < 0.9 * spread[3], "variances: leaning %g, exact %g, wrong %g",
          spread[1], spread[0], spread[3]);
}

int main(void) {
    for (int k = 0; k < K; k++) {
        c_a[k] = 0.8 + 0.02 * k;
        c_c[k] = 0.05 * sin(k);
        c_s[k] = 0.5 - 0.04 * k;
    }
    reward = quad_twist(0.9, 0.4, beta);
    linear_values(V, &reward, &chain);
    best = linear_optimum(V, beta, &chain, standard);
    test_ess();
    test_systematic();
    test_kernel();
    test_cg_step();
    test_no_variance();
    test_unbiased();
    return report("test_smc");
}
