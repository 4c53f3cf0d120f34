// test_best_of_n.c: the normal distribution, best-of-n and reweighted samples against libm, enumeration,
// quadrature and
// exact answers.  Everything here is double, so the float build runs the same checks.
#include "../ref/formula/best_of_n.h"
#include "../ref/formula/metrics.h"
#include "../ref/formula/reweight.h"
#include "../ref/formula/tilt.h"
#include "harness.h"

enum { STREAM_TABLE = 1, STREAM_SAMPLE = 2 };

static uint64_t counter;

static double uniform(double low, double high) {
    return low + (high - low) * rng_uniform(8, STREAM_TABLE, counter++);
}

// ---- normal.h ---------------------------------------------------------------------------------------------

static void test_normal(void) {
    double worst = 0;
    for (int i = -3700; i <= 900; i++) {
        double x = i / 100.0;
        long double below = erfcl(-(long double)x / sqrtl(2.0L)) / 2, above = erfcl((long double)x / sqrtl(2.0L)) / 2;
        double want = (double)below, off = fabs(normal_cdf(x) / want - 1);
        worst = off > worst ? off : worst; // fmax would drop a NaN
        CHECK(off < 2e-14, "x %g: Phi %.17g, erfc says %.17g", x, normal_cdf(x), want);
        NEAR(normal_log_cdf(x), x < 0 ? (double)logl(below) : log1p(-(double)above), 1e-13, 0);
    }
    printf("  Phi on [-37, 9]: largest relative error %.1e\n", worst);
    for (double x = -40; x < 6; x += 0.37) {
        double h = 1e-4, slope = (normal_log_cdf(x + h) - normal_log_cdf(x - h)) / (2 * h);
        NEAR(normal_score(x), slope, 1e-6, 1e-12);
    }
    NEAR(normal_log_cdf(-1e4), -0.5e8 - LOG_SQRT_2PI - log(1e4), 1e-15, 1e-7);
    NEAR(normal_score(-1e4), 1e4, 1e-7, 0);
}

// ---- best of n --------------------------------------------------------------------------------------------

// Laws of best-of-n and of its soft version by going through all S^n ordered draws.
static void enumerate_draws(double *best, double *soft, const double *p, const double *r, int n, double beta, int S) {
    int draw[8] = {0}, i;
    memset(best, 0, (size_t)S * sizeof *best);
    memset(soft, 0, (size_t)S * sizeof *soft);
    do {
        double prob = 1, top = -INFINITY, total = 0;
        int copies = 0;
        for (i = 0; i < n; i++) {
            prob *= p[draw[i]];
            top = fmax(top, r[draw[i]]);
            total += exp(r[draw[i]] / beta);
        }
        for (i = 0; i < n; i++) {
            copies += r[draw[i]] == top;
        }
        for (i = 0; i < n; i++) {
            best[draw[i]] += r[draw[i]] == top ? prob / copies : 0;
            soft[draw[i]] += prob * exp(r[draw[i]] / beta) / total;
        }
        for (i = 0; i < n && ++draw[i] == S; i++) {
            draw[i] = 0;
        }
    } while (i < n);
}

static void test_best_of_n(void) {
    double p[5], r[5] = {0.4, -1, 2, 0.4, 1.1}, best[5], soft[5], got[5];
    double sum = 0;
    for (int i = 0; i < 5; i++) {
        sum += p[i] = uniform(0.1, 1);
    }
    for (int i = 0; i < 5; i++) {
        p[i] /= sum;
    }
    for (int n = 1; n <= 5; n++) {
        double win = 0;
        enumerate_draws(best, soft, p, r, n, 0.7, 5);
        bon_discrete(got, p, r, n, 5);
        for (int i = 0; i < 5; i++) {
            NEAR(got[i], best[i], 1e-12, 0);
            for (int j = 0; j < 5; j++) {
                win += best[i] * p[j] * (r[i] > r[j] ? 1 : r[i] == r[j] ? 0.5 : 0);
            }
        }
        NEAR(win_rate(best, p, r, 5), win, 1e-13, 0);
        NEAR(win_rate(p, best, r, 5), 1 - win, 1e-13, 0);
        CHECK(kl_discrete(best, p, 5) <= bon_kl(n) + 1e-15, "KL above the bound at n = %d", n);
        CHECK(n == 1 || win < bon_win(n), "win rate %g not below the bound", win);
        bon_soft(got, p, r, n, 0.7, 5);
        for (int i = 0; i < 5; i++) {
            NEAR(got[i], soft[i], 1e-12, 0);
        }
        bon_soft(got, p, r, n, 1e-4, 5); // cold: best-of-n.  e^(r/beta) is no double here
        for (int i = 0; i < 5; i++) {
            NEAR(got[i], best[i], 1e-12, 1e-15);
        }
        bon_soft(got, p, r, n, 1e8, 5); // hot: no selection
        for (int i = 0; i < 5; i++) {
            NEAR(got[i], p[i], 1e-7, 0);
        }
    }
    bon_discrete(got, p, r, 1e4, 5);
    NEAR(got[2], 1, 1e-11, 0);
    double tilt[3], far[3], near[3], p3[3] = {0.5, 0.3, 0.2}, r3[3] = {0, 1, 0.3};
    tilt_discrete(tilt, p3, r3, 0.7, 3); // many draws: the tilt, error O(1/n)
    bon_soft(far, p3, r3, 40, 0.7, 3);
    bon_soft(near, p3, r3, 80, 0.7, 3);
    NEAR(tv_discrete(far, tilt, 3) / tv_discrete(near, tilt, 3), 2, 0.03, 0);
    double rare[2] = {1 - 1e-14, 1e-14}, two[2] = {0, 1}; // F^n - F-^n would leave two digits here
    bon_discrete(got, rare, two, 4, 2);
    NEAR(got[1], 4e-14, 1e-9, 0);
}

static void test_best_of_n_continuous(void) {
    for (int n = 1; n <= 64; n *= 2) {
        double kl = 0, win = 0, cells = 20000;
        for (int i = 0; i < cells; i++) { // midpoint rule for u = F(r), uniform under the reference
            double u = (i + 0.5) / cells, density = n * pow(u, n - 1);
            kl += density * log(density) / cells;
            win += density * u / cells;
        }
        NEAR(bon_kl(n), kl, 1e-4, 1e-6);
        NEAR(bon_win(n), win, 1e-5, 0);
        CHECK(bon_normal_mean(n) <= sqrt(2 * bon_kl(n)), "best-of-%d above the frontier", n);
    }
    NEAR(bon_normal_mean(1), 0, 0, 0);
    NEAR(bon_normal_mean(2), 1 / sqrt(PI), 1e-13, 0);
    NEAR(bon_normal_mean(3), 1.5 / sqrt(PI), 1e-13, 0);
    enum { CELLS = 4001 };
    static double p[CELLS], r[CELLS], q[CELLS]; // N(0,1) on a fine table: ties vanish, the identities come back
    for (int i = 0; i < CELLS; i++) {
        r[i] = (i - CELLS / 2) * 0.004;
        p[i] = exp(-0.5 * r[i] * r[i]) / sqrt(2 * PI) * 0.004;
    }
    bon_discrete(q, p, r, 16, CELLS);
    NEAR(kl_discrete(q, p, CELLS), bon_kl(16), 1e-3, 0);
    NEAR(win_rate(q, p, r, CELLS), bon_win(16), 1e-4, 0);
    NEAR(table_mean(NULL, q, r, CELLS), bon_normal_mean(16), 1e-5, 0);
}

// ---- reweighting ------------------------------------------------------------------------------------------

static void test_reweight(void) {
    enum { N = 20000, REPEATS = 200, FEW = 500 };
    static double r[N], w[N], uniform_table[N], tilted[N];
    double square = 0, mean_square = 0;
    for (int i = 0; i < N; i++) {
        r[i] = rng_normal(11, STREAM_SAMPLE, (uint64_t)i); // x ~ N(0,1), r = x, beta = 1: log Z = 1/2, E* = 1, KL = 1/2
        uniform_table[i] = 1.0 / N;
    }
    Reweighted t = reweight(w, r, 1, N);
    AGREES(t.log_z, t.log_z_se, 0.5);
    AGREES(t.e_r, t.e_r_se, 1.0);
    NEAR(t.kl, 0.5, 0.1, 0);
    NEAR(t.ess / N, exp(-1), 0.15, 0);                                      // E[w]^2/E[w^2] = e^1/e^2
    NEAR(tilt_discrete(tilted, uniform_table, r, 1, N), t.log_z, 1e-12, 0); // the same thing as a table of the samples
    double kl = 0;
    for (int i = 0; i < N; i++) {
        NEAR(w[i], tilted[i], 1e-11, 0);
        kl += w[i] * log(N * w[i]);
    }
    NEAR(t.kl, kl, 1e-11, 0);
    NEAR(t.objective, t.e_r - t.kl, 1e-12, 0);
    for (int k = 0; k < REPEATS; k++) { // the stated error is the true one: z-scores have variance 1
        for (int i = 0; i < FEW; i++) {
            w[i] = rng_normal(12, STREAM_SAMPLE, (uint64_t)(k * FEW + i));
        }
        Reweighted s = reweight(NULL, w, 2, FEW);
        square += (s.log_z - 0.125) * (s.log_z - 0.125) / (s.log_z_se * s.log_z_se) / REPEATS;
        mean_square += (s.e_r - 0.5) * (s.e_r - 0.5) / (s.e_r_se * s.e_r_se) / REPEATS;
    }
    CHECK(square > 0.7 && square < 1.4, "log Z: variance of the z-scores %g instead of 1", square);
    CHECK(mean_square > 0.7 && mean_square < 1.4, "E*[r]: variance of the z-scores %g instead of 1", mean_square);
    for (int i = 0; i < FEW; i++) {
        r[i] = 3;
    }
    t = reweight(w, r, 0.5, FEW);
    NEAR(t.log_z, 6, 1e-14, 0);
    NEAR(t.ess, FEW, 1e-12, 0);
    NEAR(t.kl, 0, 0, 1e-12);
    r[7] = 3000; // one sample carries everything: KL saturates at log n, and ess says why
    t = reweight(w, r, 0.5, FEW);
    NEAR(t.ess, 1, 1e-12, 0);
    NEAR(t.kl, log(FEW), 1e-11, 0);
}

int main(void) {
    test_normal();
    test_best_of_n();
    test_best_of_n_continuous();
    test_reweight();
    return report("test_best_of_n");
}
