// test_overoptimisation.c: the truth under a tilt by a proxy, by finite differences and scans; the curves of Gao et
// al., their peaks and their fit.
#include "death.h"

#include "../ref/formula/overoptimisation.h"
#include "../ref/core/rng.h"

enum { ITEMS = 40, SCAN = 20000 };

static double p[ITEMS], truth[ITEMS], proxy[ITEMS];

// A proxy that agrees with the truth where p has mass and contradicts it at rare items of large proxy.
static void a_table(uint64_t seed) {
    double sum = 0;
    for (int i = 0; i < ITEMS; i++) {
        double common = rng_normal(seed, 1, (uint64_t)i);
        proxy[i] = common + 0.3 * rng_normal(seed, 2, (uint64_t)i) + (i < 5 ? 2 : 0);
        truth[i] = common - (i < 5 ? 3 : 0);
        p[i] = (i < 5 ? 0.02 : 1) * (0.2 + rng_uniform(seed, 3, (uint64_t)i));
        sum += p[i];
    }
    for (int i = 0; i < ITEMS; i++) {
        p[i] /= sum;
    }
}

static void test_slope(void) {
    double star[ITEMS], h = 1e-5;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        a_table(seed);
        for (double eta = 0.1; eta < 4; eta *= 1.7) {
            GoodhartPoint at = goodhart_point(star, p, truth, proxy, 1 / eta, ITEMS);
            GoodhartPoint up = goodhart_point(NULL, p, truth, proxy, 1 / (eta + h), ITEMS);
            GoodhartPoint down = goodhart_point(NULL, p, truth, proxy, 1 / (eta - h), ITEMS);
            NEAR((up.truth - down.truth) / (2 * h), at.cov, 1e-6, 1e-8);
            NEAR((up.proxy - down.proxy) / (2 * h), at.var, 1e-6, 1e-8);
            NEAR((up.truth - down.truth) / (up.kl - down.kl), at.per_nat, 1e-5, 1e-7);
            NEAR((up.truth - down.truth) / (sqrt(up.kl) - sqrt(down.kl)), at.per_d, 1e-5, 1e-7);
            double product = 0, mean_truth = 0, mean_proxy = 0;
            for (int i = 0; i < ITEMS; i++) {
                mean_truth += star[i] * truth[i];
                mean_proxy += star[i] * proxy[i];
                product += star[i] * truth[i] * proxy[i];
            }
            NEAR(at.truth, mean_truth, 1e-13, 1e-13);
            NEAR(at.cov, product - mean_truth * mean_proxy, 1e-9, 1e-11);
        }
        double var_proxy, mean;
        mean = table_mean(&var_proxy, p, proxy, ITEMS);
        (void)mean;
        GoodhartPoint start = goodhart_point(NULL, p, truth, proxy, 1e4, ITEMS);
        NEAR(start.per_d, sqrt(2) * table_cov(p, truth, proxy, ITEMS) / sqrt(var_proxy), 1e-3, 1e-4);
    }
}

static void test_peak(void) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        a_table(seed);
        double beta = goodhart_peak_beta(p, truth, proxy, 1e-3, 50, 60, ITEMS), best = -HUGE_VAL, best_eta = 0;
        CHECK(beta > 0 && beta < 1e3, "no peak for table %d: %g", (int)seed, beta);
        for (int k = 0; k < SCAN / 10; k++) { // the first local maximum of the truth, on a fine scan of eta
            double eta = 1e-3 * pow(5e4, (k + 0.5) / (SCAN / 10)), value;
            value = goodhart_point(NULL, p, truth, proxy, 1 / eta, ITEMS).truth;
            if (value < best) {
                break;
            }
            best = value;
            best_eta = eta;
        }
        NEAR(1 / beta, best_eta, 0.01, 0);
        NEAR(goodhart_point(NULL, p, truth, proxy, beta, ITEMS).cov, 0, 0, 1e-9);
        CHECK(goodhart_point(NULL, p, truth, proxy, 1.1 * beta, ITEMS).cov > 0, "before the peak");
        CHECK(goodhart_point(NULL, p, truth, proxy, 0.9 * beta, ITEMS).cov < 0, "after the peak");
    }
    CHECK(goodhart_peak_beta(p, proxy, proxy, 1e-3, 5, 20, ITEMS) == 0, "the proxy is its own truth and has no peak");
    for (int i = 0; i < ITEMS; i++) {
        truth[i] = -proxy[i];
    }
    CHECK(goodhart_peak_beta(p, truth, proxy, 1e-3, 5, 20, ITEMS) == INFINITY, "an inverted proxy hurts at once");
    DIES("eta from", goodhart_peak_beta(p, truth, proxy, 1, 0.5, 20, ITEMS));
}

static void test_at_kl(void) {
    double star[ITEMS], top = -HUGE_VAL, mass = 0;
    a_table(3);
    for (double kl = 0.01; kl < 3; kl *= 2) {
        GoodhartPoint at = goodhart_at_kl(star, p, truth, proxy, kl, ITEMS);
        NEAR(at.kl, kl, 1e-6, 0);
        NEAR(kl_discrete(star, p, ITEMS), kl, 1e-6, 0);
        NEAR(table_mean(NULL, star, truth, ITEMS), at.truth, 1e-12, 1e-12);
    }
    for (int i = 0; i < ITEMS; i++) { // capped at 1.5, the proxy has a top level, and can spend -log of its mass
        proxy[i] = fmin(proxy[i], 1.5);
        top = fmax(top, proxy[i]);
    }
    for (int i = 0; i < ITEMS; i++) {
        mass += proxy[i] == top ? p[i] : 0;
    }
    NEAR(goodhart_at_kl(NULL, p, truth, proxy, 50, ITEMS).kl, -log(mass), 1e-9, 0);
}

static void test_gao(void) {
    GaoCurve curve[2] = {{GAO_BON, 0.8, 0.1}, {GAO_RL, 0.9, 0.25}};
    double d[30], R[30], rms, h = 1e-6;
    for (int f = 0; f < 2; f++) {
        double top = gao_peak(&curve[f]), best = -HUGE_VAL;
        NEAR(gao_reward(&curve[f], 0), 0, 0, 0);
        NEAR(gao_reward(&curve[f], top + h), gao_reward(&curve[f], top - h), 1e-10, 0);
        for (int k = 0; k <= SCAN; k++) {
            best = fmax(best, gao_reward(&curve[f], 20.0 * k / SCAN));
        }
        NEAR(gao_reward(&curve[f], top), best, 1e-6, 0);
        for (int k = 0; k < 30; k++) {
            d[k] = 0.1 + 0.2 * k;
            R[k] = gao_reward(&curve[f], d[k]);
        }
        GaoCurve fit = gao_fit(&rms, d, R, curve[f].form, 30);
        NEAR(fit.alpha, curve[f].alpha, 1e-10, 0);
        NEAR(fit.beta, curve[f].beta, 1e-10, 0);
        NEAR(rms, 0, 0, 1e-12);
        double dot_u = 0, dot_v = 0, square = 0; // now points that lie on neither curve
        for (int k = 0; k < 30; k++) {
            R[k] = sin(d[k]);
        }
        fit = gao_fit(&rms, d, R, curve[f].form, 30);
        for (int k = 0; k < 30; k++) {
            double miss = R[k] - gao_reward(&fit, d[k]);
            dot_u += miss * d[k];
            dot_v += miss * d[k] * (f == 0 ? d[k] : log(d[k]));
            square += miss * miss / 30;
        }
        NEAR(dot_u, 0, 0, 1e-9);
        NEAR(dot_v, 0, 0, 1e-9);
        NEAR(rms, sqrt(square), 1e-12, 0);
    }
    GaoCurve rising = {GAO_BON, 1, -0.1}, rising_rl = {GAO_RL, 1, 0};
    CHECK(gao_peak(&rising) == INFINITY && gao_peak(&rising_rl) == INFINITY, "a rising curve has no peak");
    DIES("negative", gao_reward(&rising, -1));
    d[0] = 0;
    DIES("leave the reference", gao_fit(&rms, d, R, GAO_RL, 30));
    d[0] = d[1] = 1;
    DIES("different", gao_fit(&rms, d, R, GAO_BON, 2));
}

int main(void) {
    test_slope();
    test_peak();
    test_at_kl();
    test_gao();
    return report("test_overoptimisation");
}
