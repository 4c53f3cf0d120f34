// test_sde_steps.c: drifts against the Fokker-Planck equation, and the steps of edm.h, sde.h and flow.h against closed
// forms and limits.
#include "death.h"

#include "../ref/formula/edm.h"
#include "../ref/formula/flow.h"
#include "../ref/formula/mixture.h"
#include "../ref/formula/sde.h"
#include "small_worlds.h"

static void test_edm(void) {
    int n = 18;
    double before = HUGE_VAL;
    for (int i = 0; i < n; i++) {
        double s = edm_sigma(i, n - 1, 0.002, 80, 7);
        CHECK(s < before, "level %d: %g after %g", i, s, before);
        before = s;
        NEAR(edm_sigma(i, n - 1, 0.002, 80, 1), 80 + (0.002 - 80) * i / (n - 1), 1e-12, 1e-12);
        NEAR(edm_sigma(i, n - 1, 0.002, 80, 1e5), 80 * pow(0.002 / 80, (double)i / (n - 1)), 1e-3, 0);
    }
    CHECK(edm_sigma(0, n - 1, 0.002, 80, 7) == 80 && before == 0.002, "ends %g", before);
    DIES("edm_sigma", edm_sigma(0, 0, 0.002, 80, 7));
    // Churn moves a state from the law of one level to that of another: variances add.
    for (int path = 0; path < N_PATHS; path++) {
        Level now = level_of(path, 2);
        double std;
        Level hat = edm_churn(&std, &now, 0.3, 1);
        NEAR(hat.sigma * hat.sigma, now.sigma * now.sigma + std * std, 1e-14, 0);
        NEAR(hat.sigma, 1.3 * now.sigma, 1e-15, 0);
        CHECK(hat.alpha == now.alpha, "the signal stays");
        edm_churn(&std, &now, 0.3, 1.007);
        NEAR(std, 1.007 * now.sigma * sqrt(0.69), 1e-14, 0);
        hat = edm_churn(&std, &now, 0, 1);
        CHECK(std == 0 && hat.sigma == now.sigma, "no churn");
    }
    NEAR(edm_gamma(1, 40, 0.05, 50, 256), 40.0 / 256, 1e-15, 0);
    NEAR(edm_gamma(1, 80, 0.05, 50, 10), sqrt(2) - 1, 1e-15, 0);
    CHECK(edm_gamma(60, 40, 0.05, 50, 256) == 0 && edm_gamma(0.01, 40, 0.05, 50, 256) == 0, "outside the range");
    Level now = level_of(0, 2);
    double std;
    DIES("gamma = -0.1", edm_churn(&std, &now, -0.1, 1));
}

// ---- drifts --------------------------------------------------------------------------------------------------------

// The three drifts of mixture.h, each written another way, are one slope.
static void test_slopes(void) {
    double block[21], noised_block[21];
    Gmm p = mixture_a_on(block);
    Gmm noised = gmm_on(noised_block, 3);
    double x[2] = {0.7, -1.1};
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < N_LEVELS - 1; i++) {
            Level l = level_of(k, i);
            double D[2], want[2], unused[2];
            double g2;
            Slope v = sde_slope(NULL, &l, 0);
            gmm_denoise(D, &p, x, l.alpha, l.sigma);
            gmm_noised(&noised, &p, l.alpha, l.sigma);
            if (k == 0) {
                gmm_vp_drift(want, &noised, x, vp_beta(l.t, 0.1, 20));
            } else if (k == 1) {
                gmm_edm(unused, want, &p, x, l.sigma);
            } else {
                gmm_velocity(want, &p, x, l.t);
            }
            for (int j = 0; j < 2; j++) {
                NEAR(v.x * x[j] + v.d * D[j], want[j], 1e-10, 1e-11);
            }
            sde_slope(&g2, &l, 0);
            NEAR(g2, k == 0 ? vp_beta(l.t, 0.1, 20) : k == 1 ? 2 * l.t : 2 * l.t / (1 - l.t), 1e-12, 0);
        }
    }
    Level end = {1, 0, 1, -1, 1}; // flow at t = 1: finite without noise, not with it
    Slope v = sde_slope(NULL, &end, 0);
    CHECK(v.x == 1 && v.d == -1, "slope %g %g", v.x, v.d);
    DIES("alpha = 0", sde_slope(NULL, &end, 1));
    Level discrete = level_of_abar(0.5);
    DIES("has no time", sde_slope(NULL, &discrete, 0));
}

// Fokker-Planck for time running backwards: dp/dt = -div(b p) - (kappa^2 g^2/2) Laplacian p, by finite differences.
static double density(const Gmm *p, const Level *l, double x, double y) {
    double block[21];
    double at[2] = {x, y};
    Gmm q = gmm_on(block, 3);
    gmm_noised(&q, p, l->alpha, l->sigma);
    return exp(gmm_logp(&q, at));
}

static double flux(const Gmm *p, const Level *l, double kappa, double x, double y, int j) {
    double at[2] = {x, y};
    double D[2];
    Slope b = sde_slope(NULL, l, kappa);
    gmm_denoise(D, p, at, l->alpha, l->sigma);
    return (b.x * at[j] + b.d * D[j]) * density(p, l, x, y);
}

static void test_fokker_planck(void) {
    double block[21];
    Gmm p = mixture_a_on(block);
    Path paths[3] = {path_vp(0.1, 20), path_of(PATH_VE), path_of(PATH_FLOW)};
    double times[3] = {0.3, 0.8, 0.4};
    double h = 2e-4;
    for (int k = 0; k < 3; k++) {
        for (int step = 0; step < 3; step++) {
            double kappa = 0.5 * step;
            for (int i = 0; i < 4; i++) {
                Level l = path_at_time(&paths[k], times[k]);
                Level up = path_at_time(&paths[k], times[k] + h);
                Level down = path_at_time(&paths[k], times[k] - h);
                double x = 0.5 * i - 1;
                double y = 0.3 - 0.2 * i;
                double g2;
                sde_slope(&g2, &l, kappa);
                double change = (density(&p, &up, x, y) - density(&p, &down, x, y)) / (2 * h);
                double out = (flux(&p, &l, kappa, x + h, y, 0) - flux(&p, &l, kappa, x - h, y, 0) +
                              flux(&p, &l, kappa, x, y + h, 1) - flux(&p, &l, kappa, x, y - h, 1)) /
                             (2 * h);
                double bend = (density(&p, &l, x + h, y) + density(&p, &l, x - h, y) + density(&p, &l, x, y + h) +
                               density(&p, &l, x, y - h) - 4 * density(&p, &l, x, y)) /
                              (h * h);
                NEAR(change, -out - kappa * kappa * g2 / 2 * bend, 2e-5, 2e-6);
                CHECK(fabs(change) > 1e-4, "nothing moves at point %d", i);
            }
        }
    }
}

// ---- reverse diffusion, Euler-Maruyama, Langevin ------------------------------------------------------------------

static void test_sde_steps(void) {
    // revdiff differs from ddpm.step by O(beta^2): twice the steps, a quarter of the distance.
    double distance[3];
    for (int k = 0; k < 3; k++) {
        double beta = 0.02 / (1 << k);
        Level now = level_of_abar(0.4);
        Level next = level_of_abar(0.4 / (1 - beta));
        StepCoeffs c = ddpm_large_coeffs(0.4, 0.4 / (1 - beta));
        Update ddpm = update_of_step(&c, &now, &next);
        Update rev = sde_revdiff(&now, &next);
        NEAR(rev.z, ddpm.z, 1e-12, 0); // sqrt(beta)
        NEAR(rev.z, sqrt(beta), 1e-12, 0);
        NEAR(rev.x, 2 - sqrt(1 - beta) - beta / 0.6, 1e-13, 0);
        NEAR(rev.now, beta * sqrt(0.4) / 0.6, 1e-12, 0);
        distance[k] = fabs(rev.x - ddpm.x) + fabs(rev.now - ddpm.now);
    }
    NEAR(distance[0] / distance[1], 4, 0.05, 0);
    NEAR(distance[1] / distance[2], 4, 0.03, 0);
    Path ve = path_of(PATH_VE); // VE: x + (s^2 - s'^2) score, noise sqrt(s^2 - s'^2)
    Level now = path_at_time(&ve, 2);
    Level next = path_at_time(&ve, 1.5);
    Update u = sde_revdiff(&now, &next);
    NEAR(u.z, sqrt(4 - 2.25), 1e-14, 0);
    NEAR(u.x, 1 - (4 - 2.25) / 4, 1e-14, 0);
    NEAR(u.now, (4 - 2.25) / 4, 1e-14, 0);
    DIES("towards the data", sde_revdiff(&next, &now));
    // kappa = 0 is the ODE; the step is the real difference of the times; no noise in a step to clean data.
    Update euler = pf_euler(&now, &next);
    Update em = sde_em(&now, &next, 0);
    CHECK(memcmp(&euler, &em, sizeof em) == 0, "kappa = 0 is not Euler");
    em = sde_em(&now, &next, 1);
    NEAR(em.z * em.z, 2 * 2 * 0.5, 1e-14, 0); // g^2 delta = 2 sigma delta
    NEAR(em.x, 1 - 0.5 * 2 / 2.0, 1e-14, 0);  // -dt g^2/sigma^2 (x - D)
    Level clean = level_clean();
    CHECK(sde_em(&now, &clean, 1).z == 0 && sde_revdiff(&now, &clean).z == 0, "noise in the last step");
    DIES("on the way to the data", sde_em(&next, &now, 1));
}

static void test_langevin(void) {
    // N(0, v), fixed epsilon: x -> a x + b z; the stationary variance is b^2/(1 - a^2) = v/(1 - epsilon/(2 v)).
    double vs[] = {0.3, 1, 4};
    for (int i = 0; i < 3; i++) {
        double v = vs[i];
        double epsilon = 0.2 * v;
        real x[2] = {1, 0};
        real score[2] = {(real)(-1 / v), 0};
        real z[2] = {0, 1};
        double tol = sizeof(real) == 8 ? 1e-13 : 1e-5;
        langevin_step(x, score, z, epsilon, 2);
        NEAR(x[1] * x[1] / (1 - x[0] * x[0]), v / (1 - epsilon / (2 * v)), tol, 0);
    }
    real score[3] = {1, -2, 2};
    real z[3] = {0.5, 0, -1};
    NEAR(langevin_step_size(score, z, 0.16, 3), 2 * 0.16 * 0.16 * 1.25 / 9, 1e-7, 0);
    real nothing[3] = {0, 0, 0};
    DIES("fixed epsilon", langevin_step_size(nothing, z, 0.16, 3));
    DIES("epsilon = -1", langevin_step(z, score, z, -1, 3));
}

// Data at one point: every flow step, of any length, is exact; so is the midpoint rule.
static void test_one_point(void) {
    Path flow = path_of(PATH_FLOW);
    Normal point = {0.7, 0};
    double eps = -1.3;
    double ends[] = {0.9, 0.4, 0};
    for (int i = 0; i < 3; i++) {
        Level now = path_at_time(&flow, 1);
        Level next = path_at_time(&flow, ends[i]);
        Level middle;
        Update first, last;
        double x = now.alpha * point.m + now.sigma * eps;
        double want = next.alpha * point.m + next.sigma * eps;
        double D = normal_D(&point, x, now.alpha, now.sigma);
        Update u = flow_euler(&now, &next);
        NEAR(u.x * x + u.now * D, want, 1e-14, 1e-15);
        flow_midpoint(&first, &last, &middle, &now, &next);
        NEAR(middle.t, (1 + ends[i]) / 2, 1e-15, 0);
        double half = first.x * x + first.now * D;
        double stage = normal_D(&point, half, middle.alpha, middle.sigma);
        NEAR(half, middle.alpha * point.m + middle.sigma * eps, 1e-14, 0);
        NEAR(last.x * x + last.now * D + last.stage * stage, want, 1e-14, 1e-15);
    }
}

int main(void) {
    test_edm();
    test_slopes();
    test_fokker_planck();
    test_sde_steps();
    test_langevin();
    test_one_point();
    return report("test_sde_steps");
}
