// test_decoding.c: SVDD, Feynman-Kac steering and rejection against enumeration and closed forms.
#include "death.h"
#include "small_mixture.h"

#include "../ref/core/rng.h"
#include "../ref/formula/best_of_n.h"
#include "../ref/formula/decoding.h"
#include "../ref/formula/tilt.h"

enum { SEED = 3, STREAM_U = 1, STREAM_NOISE, STREAM_CHOICE, STREAM_DRAW };

// ---- SVDD ---------------------------------------------------------------------------------------------------------

static void test_svdd_pick(void) {
    enum { N = 20000, M = 4 };
    double v[M] = {0.3, -1, 1.2, 0.9}, beta = 0.7, share[M] = {0}, W[M], top[M], far_[M];
    for (int i = 0; i < N; i++) {
        share[svdd_pick(v, beta, rng_uniform(SEED, STREAM_U, (uint64_t)i), M)] += 1.0 / N;
    }
    double sum = 0;
    for (int i = 0; i < M; i++) {
        W[i] = exp(v[i] / beta);
        sum += W[i];
        top[i] = v[i] * 1e4;
        far_[i] = v[i] + 1e5; // a value of any size
    }
    for (int i = 0; i < M; i++) {
        AGREES(share[i], sqrt(W[i] / sum * (1 - W[i] / sum) / N), W[i] / sum);
    }
    for (double u = 0.05; u < 1; u += 0.11) {
        CHECK(svdd_pick(v, 0, u, M) == 2, "beta = 0 is the best");
        CHECK(svdd_pick(top, beta, u, M) == 2, "huge values are no inf/inf");
        CHECK(svdd_pick(far_, beta, u, M) == svdd_pick(v, beta, u, M), "a constant changes nothing");
        CHECK(svdd_pick(v, 1e9, u, M) == (int)(u * M), "beta -> inf is a fair choice");
    }
    CHECK(svdd_pick(v, beta, 0.5, 1) == 0, "one candidate");
    DIES("0 candidates", svdd_pick(v, beta, 0.5, 0));
    DIES("beta -1", svdd_pick(v, -1, 0.5, M));
}

// Two steps of a chain on three states, enumerated: the law of SVDD with exact values.  Its distance to the best chain
// with a kept start falls like 1/M; its distance to the tilt does not fall to 0.
static void test_svdd_bias(void) {
    enum { S = 3, ROUNDS = 6 };
    double p[S] = {0.3, 0.4, 0.3}, r[S] = {1, -0.5, 0.2}, beta = 0.5;
    double kernel[2][S * S] = {{0.6, 0.3, 0.1, 0.2, 0.5, 0.3, 0.1, 0.3, 0.6},
                               {0.5, 0.3, 0.2, 0.25, 0.5, 0.25, 0.1, 0.2, 0.7}}; // first, last step
    double V[S], tilted[2][S * S], kept[S] = {0}, middle[S] = {0}, ideal[S] = {0}, gap[ROUNDS], reward = 0;
    for (int x = 0; x < S; x++) { // exact values of the middle state, and the tilted steps
        V[x] = beta * tilt_discrete(tilted[1] + x * S, kernel[1] + x * S, r, beta, S);
    }
    for (int x = 0; x < S; x++) {
        tilt_discrete(tilted[0] + x * S, kernel[0] + x * S, V, beta, S);
    }
    for (int x = 0; x < S; x++) {
        for (int y = 0; y < S; y++) {
            for (int z = 0; z < S; z++) {
                kept[z] += p[x] * tilted[0][x * S + y] * tilted[1][y * S + z];
                ideal[z] += p[x] * kernel[0][x * S + y] * kernel[1][y * S + z];
            }
        }
    }
    tilt_discrete(ideal, ideal, r, beta, S);
    for (int m = 0; m < ROUNDS; m++) {
        double law[S] = {0}, row[S], mid[S] = {0};
        int M = 4 << m;
        for (int x = 0; x < S; x++) {
            bon_soft(row, kernel[0] + x * S, V, M, beta, S);
            for (int y = 0; y < S; y++) {
                mid[y] += p[x] * row[y];
            }
        }
        for (int y = 0; y < S; y++) {
            bon_soft(row, kernel[1] + y * S, r, M, beta, S);
            for (int z = 0; z < S; z++) {
                law[z] += mid[y] * row[z];
            }
        }
        gap[m] = tv_discrete(law, kept, S);
        memcpy(middle, law, sizeof law);
    }
    for (int m = 4; m < ROUNDS; m++) {
        CHECK(fabs(gap[m - 1] / gap[m] - 2) < 0.06, "M = %d: %g, M = %d: %g", 2 << m, gap[m - 1], 4 << m, gap[m]);
    }
    CHECK(tv_discrete(middle, ideal, S) > 5 * gap[ROUNDS - 1], "SVDD reaches the tilt although its start is kept");
    for (int z = 0; z < S; z++) {
        reward += (ideal[z] - kept[z]) * r[z];
    }
    CHECK(reward > 0.01, "the free start earns %g more", reward);
}

// ---- Feynman-Kac --------------------------------------------------------------------------------------------------

enum { K = 6 };
static double c_a[K], c_c[K], c_s[K];
static LinearChain chain = {K, c_a, c_c, c_s};
static QuadTwist reward;
static const double beta = 0.5;

static void test_potentials(void) {
    double r[5] = {0.4, 1.3, -0.2, 0.9, 0.6};
    for (int kind = FK_DIFFERENCE; kind <= FK_SUM; kind++) {
        FkPath path = {0, 0, 0, 0, 0};
        double total = 0, top = -INFINITY, sum = 0;
        for (int k = 0; k < 5; k++) {
            double g = fk_log_potential(&path, (FkPotential)kind, r[k], beta, k == 4), want;
            top = fmax(top, r[k]);
            sum += r[k];
            want = kind == FK_MAX ? top / beta : kind == FK_SUM ? sum / beta : (r[k] - (k ? r[k - 1] : 0)) / beta;
            total += g;
            if (k < 4) {
                NEAR(g, want, 1e-13, 0);
            }
            if (kind == FK_DIFFERENCE) {
                NEAR(g, smc_log_increment(0, r[k], k ? r[k - 1] : 0, beta), 1e-13, 1e-15);
            }
            NEAR(path.paid, total, 1e-13, 1e-15);
        }
        NEAR(total, 0.6 / beta, 1e-12, 0); // whatever was paid on the way, the product is e^(r_0/beta)
    }
    FkPath low = {0, 0, 0, 0, 0}; // the first value counts even when it is negative
    NEAR(fk_log_potential(&low, FK_MAX, -2, beta, 0), -2 / beta, 1e-14, 0);
}

typedef enum { HONEST, NO_LAST, FORGETFUL } Fault; // FORGETFUL: a stage that does not resample drops its weights

// Z^ with scale r(x_k) as the guess at every level: the whole of it promises too much.
static double steered_z(FkPotential kind, Fault fault, double below, double scale, uint64_t seed) {
    enum { N = 32 };
    double x[N], log_w[N] = {0}, W[N], log_z = 0;
    FkPath path[N], old[N];
    int index[N];
    memset(path, 0, sizeof path);
    for (int i = 0; i < N; i++) {
        x[i] = rng_normal(seed, STREAM_NOISE, (uint64_t)i);
    }
    for (int k = K; k >= 0; k--) {
        double moved[N];
        for (int i = 0; i < N; i++) {
            double r = beta * quad_twist_at(&reward, x[i]) * (k > 0 ? scale : 1);
            if (k == 0 && fault == NO_LAST) {
                continue;
            }
            log_w[i] += fk_log_potential(&path[i], kind, r, beta, k == 0);
        }
        if (k == 0) {
            break;
        }
        double u = rng_uniform(seed, STREAM_CHOICE, (uint64_t)k), stage = smc_stage(index, log_w, below * N, u, N);
        log_z += stage;
        if (fault == FORGETFUL && stage == 0) {
            memset(log_w, 0, sizeof log_w);
        }
        memcpy(old, path, sizeof old);
        for (int i = 0; i < N; i++) {
            double z = rng_normal(seed, STREAM_NOISE, (uint64_t)((K + 1 - k) * N + i));
            moved[i] = c_a[k - 1] * x[index[i]] + c_c[k - 1] + c_s[k - 1] * z;
            path[i] = old[index[i]]; // what a particle has paid moves with it
        }
        memcpy(x, moved, sizeof x);
    }
    return exp(log_z + smc_normalise(W, log_w, N));
}

static void test_steering(void) {
    enum { SEEDS = 1000, CASES = 7 };
    static const FkPotential kind[CASES] = {FK_DIFFERENCE, FK_MAX, FK_SUM, FK_MAX, FK_MAX, FK_SUM, FK_DIFFERENCE};
    static const Fault fault[CASES] = {HONEST, HONEST, HONEST, HONEST, NO_LAST, NO_LAST, FORGETFUL};
    static const double below[CASES] = {0.8, 0.8, 0.8, 1, 0.5, 0.5, 0.5};
    static const double scale[CASES] = {0.5, 0.3, 0.1, 0.2, 0.5, 0.3, 0.2};
    static const Normal1 standard = {0, 1};
    QuadTwist V[K + 1];
    linear_values(V, &reward, &chain);
    double Z = exp(linear_optimum(V, beta, &chain, standard).log_z);
    for (int i = 0; i < CASES; i++) {
        double sum = 0, square = 0, se;
        for (int s = 0; s < SEEDS; s++) {
            double z = steered_z(kind[i], fault[i], below[i], scale[i], (uint64_t)(500 + s));
            sum += z / SEEDS;
            square += z * z / SEEDS;
        }
        se = sqrt((square - sum * sum) / SEEDS);
        CHECK(se < 0.05 * Z, "case %d: standard error %g rejects nothing", i, se);
        if (fault[i] == HONEST) {
            AGREES(sum, se, Z);
        } else {
            CHECK(fabs(sum - Z) > 10 * se, "case %d: a broken sampler looks right, %g +- %g, exact %g", i, sum, se, Z);
        }
    }
}

// ---- rejection ----------------------------------------------------------------------------------------------------

static void test_rejection(void) {
    enum { N = 40000 };
    double temperature = 0.7;
    Gmm p = mixture_a(), star = gmm_new(3);
    QuadReward r = {{1.2, 0, 0, 1.2}, {0.6, 0.6}, 0.1};
    double vertex[2] = {0.5, 0.5}, top = quad_reward(&r, vertex), log_z, e_r, mean[2], moment[4];
    gmm_tilt(&star, &log_z, &p, &r, temperature);
    gmm_reward_moments(&e_r, NULL, &star, &r);
    gmm_moments(mean, moment, &star);
    double rate = exp(log_z - top / temperature), sum[3] = {0}, square[3] = {0}, kept = 0;
    NEAR(rejection_cost(log_z, top, temperature), 1 / rate, 1e-12, 0);
    for (int i = 0; i < N; i++) {
        double x[2];
        gmm_sample(x, &p, SEED, STREAM_DRAW, (uint64_t)i);
        if (rejection_accepts(quad_reward(&r, x), top, temperature, rng_uniform(SEED, STREAM_U, (uint64_t)i))) {
            double f[3] = {quad_reward(&r, x), x[0], x[1]};
            kept++;
            for (int k = 0; k < 3; k++) {
                sum[k] += f[k];
                square[k] += f[k] * f[k];
            }
        }
    }
    AGREES(kept / N, sqrt(rate * (1 - rate) / N), rate);
    double exact[3] = {e_r, mean[0], mean[1]};
    for (int k = 0; k < 3; k++) {
        sum[k] /= kept;
        AGREES(sum[k], sqrt((square[k] / kept - sum[k] * sum[k]) / kept), exact[k]);
    }
    DIES("above its bound", rejection_accepts(1, 0.5, temperature, 0.5));
    gmm_free(&p);
    gmm_free(&star);
}

int main(void) {
    for (int k = 0; k < K; k++) {
        c_a[k] = 0.8 + 0.02 * k;
        c_c[k] = 0.05 * sin(k);
        c_s[k] = 0.5 - 0.04 * k;
    }
    reward = quad_twist(0.9, 0.4, beta);
    test_svdd_pick();
    test_svdd_bias();
    test_potentials();
    test_steering();
    test_rejection();
    return report("test_decoding");
}
