// test_ode.c: the reference integrator against closed forms, and the probability-flow ODE: its map and its likelihood
// against Gaussian data, a conserved CDF, a second way of integrating, and the mixture's own log-density.
#include "death.h"

#include "../ref/formula/likelihood.h"
#include "../ref/formula/mixture.h"
#include "../ref/formula/sde.h"
#include "small_worlds.h"

// y' = -y^2, a rotation that slows down, and t y: smooth fields with known solutions.
static void field(double *dy, double t, const double *y, void *self) {
    (void)self;
    dy[0] = -y[0] * y[0];
    dy[1] = -y[2] / t;
    dy[2] = y[1] / t;
    dy[3] = t * y[3];
}

static void singular(double *dy, double t, const double *y, void *self) {
    (void)self;
    (void)t;
    dy[0] = y[0] * y[0]; // infinite at t = 1 from y(0) = 1
}

static void test_integrator(void) {
    double rtols[] = {1e-6, 1e-9, 1e-12};
    long steps[3];
    for (int k = 0; k < 3; k++) {
        double y[4] = {1, 1, 0, 1};
        steps[k] = ode_solve(y, 1, 5, 4, field, NULL, rtols[k], 1e-2 * rtols[k]);
        double turn = log(5);
        double exact[4] = {1.0 / 5, cos(turn), sin(turn), exp(12)};
        for (int i = 0; i < 4; i++) {
            NEAR(y[i], exact[i], 30 * rtols[k], 30 * rtols[k]);
        }
        steps[k] += ode_solve(y, 5, 1, 4, field, NULL, rtols[k], 1e-2 * rtols[k]); // and back
        NEAR(y[0], 1, 100 * rtols[k], 0);
        NEAR(y[3], 1, 100 * rtols[k], 0);
    }
    CHECK(steps[0] < steps[2] && steps[2] < 200, "%ld and %ld steps", steps[0], steps[2]);
    double y = 1;
    CHECK(ode_solve(&y, 2, 2, 1, singular, NULL, 1e-9, 0) == 0 && y == 1, "no way to go");
    DIES("stuck", ode_solve(&y, 0, 1.5, 1, singular, NULL, 1e-9, 0));
    DIES("rtol", ode_solve(&y, 0, 1, 1, singular, NULL, 1e-20, 0));
}

// One midpoint step with 8 substeps has an error of order H^3.
static void test_columns(void) {
    double rows[2 * ODE_COLUMNS * 4], work[12], out[4], y[4] = {1, 1, 0, 1};
    double error[2];
    for (int half = 0; half < 2; half++) {
        double H = half ? 0.05 : 0.1;
        int column = ode_try(out, y, 1, H, 4, field, NULL, 1e-12, 0, rows, work);
        CHECK(column >= 2 && column < 6, "column %d", column);
        NEAR(out[0], 1 / (1 + H), 1e-12, 0);
        ode_midpoint(out, y, 1, H, 8, 4, field, NULL, work);
        error[half] = fabs(out[0] - 1 / (1 + H));
    }
    CHECK(fabs(log2(error[0] / error[1]) - 3) < 0.25, "one step of 8 substeps: ratio %g", error[0] / error[1]);
}

// One Gaussian: x(lambda) keeps its z-value, and the volume grows with the standard deviations.
static void test_gaussian_transport(void) {
    double block[7];
    Gmm p = gmm_on(block, 1);
    Path paths[3] = {path_vp(0.1, 20), path_of(PATH_VE), path_of(PATH_FLOW)};
    double from_t[3] = {0.02, 0.05, 0.03};
    double to_t[3] = {1, 30, 1};
    p.w[0] = 1;
    p.mu[0] = 0.6;
    p.mu[1] = -0.4;
    p.cov[0] = 0.5;
    p.cov[1] = p.cov[2] = 0;
    p.cov[3] = 0.05;
    GmmField f = {&p, NULL};
    PfField exact = gmm_field(&f);
    for (int k = 0; k < 3; k++) {
        Level from = path_at_time(&paths[k], from_t[k]);
        Level to = path_at_time(&paths[k], to_t[k]);
        double x[2] = {1.5, -0.7};
        double end[2], back[2], volume, volume_back;
        double log_ratio = 0;
        pf_transport(end, &volume, &exact, x, &from, &to, 1e-12);
        for (int i = 0; i < 2; i++) {
            Normal data = {p.mu[i], p.cov[3 * i]};
            double std = normal_std(&data, from.alpha, from.sigma);
            double std_end = normal_std(&data, to.alpha, to.sigma);
            NEAR(end[i], to.alpha * data.m + std_end * (x[i] - from.alpha * data.m) / std, 1e-9, 1e-10);
            log_ratio += log(std_end / std);
        }
        NEAR(volume, log_ratio, 1e-9, 0);
        pf_transport(back, &volume_back, &exact, end, &to, &from, 1e-12);
        NEAR(back[0], x[0], 1e-9, 0);
        NEAR(back[1], x[1], 1e-9, 0);
        NEAR(volume_back, -volume, 1e-9, 0);
    }
    Level clean = level_clean();
    Level from = path_at_time(&paths[0], 0.5);
    double x[2] = {0, 0};
    DIES("sigma = 0", pf_transport(x, NULL, &exact, x, &from, &clean, 1e-9));
    exact.dim = 1000;
    DIES("1000 dimensions", pf_transport(x, NULL, &exact, x, &from, &from, 1e-9));
}

// In one dimension the ODE keeps the CDF: F_t(x(t)) is constant.  The first coordinate of an axis-aligned mixture whose
// components differ in it alone is such a world.
static double cdf(const double *w, const double *mu, const double *var, double x, double alpha, double sigma) {
    double F = 0;
    for (int k = 0; k < 3; k++) {
        F += w[k] * 0.5 * erfc(-(x - alpha * mu[k]) / sqrt(2 * (alpha * alpha * var[k] + sigma * sigma)));
    }
    return F;
}

static void test_cdf(void) {
    static const double w[] = {0.5, 0.2, 0.3};
    static const double mu[] = {-1.5, 0.2, 2};
    static const double var[] = {0.04, 0.3, 0.1};
    double block[21];
    Gmm p = gmm_on(block, 3);
    for (int k = 0; k < 3; k++) {
        p.w[k] = w[k];
        p.mu[2 * k] = mu[k];
        p.mu[2 * k + 1] = 0;
        p.cov[4 * k] = var[k];
        p.cov[4 * k + 1] = p.cov[4 * k + 2] = 0;
        p.cov[4 * k + 3] = 1;
    }
    GmmField f = {&p, NULL};
    PfField exact = gmm_field(&f);
    Path vp = path_vp(0.1, 20);
    Level top = path_at_time(&vp, 1);
    double times[] = {0.6, 0.3, 0.1, 1e-3};
    for (int i = 0; i < 5; i++) {
        double x[2] = {0.8 * i - 1.6, 0.3};
        double F = cdf(w, mu, var, x[0], top.alpha, top.sigma);
        for (int k = 0; k < 4; k++) {
            Level l = path_at_time(&vp, times[k]);
            double end[2];
            pf_transport(end, NULL, &exact, x, &top, &l, 1e-12);
            NEAR(cdf(w, mu, var, end[0], l.alpha, l.sigma), F, 1e-9, 1e-12);
        }
    }
}

// The same solution by another equation: the drift of mixture.h in VP time.
typedef struct {
    const Gmm *clean;
    double low, high;
} VpRun;

static void vp_field(double *dy, double t, const double *y, void *self) {
    const VpRun *run = (const VpRun *)self;
    double block[21];
    Gmm noised = gmm_on(block, 3);
    gmm_noised(&noised, run->clean, vp_alpha(t, run->low, run->high), vp_sigma(t, run->low, run->high));
    dy[2] = gmm_vp_drift(dy, &noised, y, vp_beta(t, run->low, run->high));
}

static void test_likelihood(void) {
    double block[21], noised_block[21], top_block[21];
    Gmm p = mixture_a_on(block);
    Gmm noised = gmm_on(noised_block, 3);
    Gmm top = gmm_on(top_block, 3);
    GmmField f = {&p, NULL};
    PfField exact = gmm_field(&f);
    Path vp = path_vp(0.1, 20);
    VpRun run = {&p, 0.1, 20};
    Level from = path_at_time(&vp, 0.01);
    Level to = path_at_time(&vp, 1);
    double worst = 0;
    gmm_noised(&noised, &p, from.alpha, from.sigma);
    gmm_noised(&top, &p, to.alpha, to.sigma);
    for (int i = 0; i < 12; i++) {
        double x[2] = {0.5 * (i % 4) - 1.1, 0.6 * (i / 4) - 0.5};
        double z[2], z_normal[2], int_div, again;
        pf_transport(z, &int_div, &exact, x, &from, &to, 1e-12);
        double normal = pf_loglik_normal_prior(z_normal, &again, &exact, x, &from, &to, 1e-12);
        CHECK(z[0] == z_normal[0] && int_div == again, "one solve");
        double logp = gmm_logp(&noised, x);
        NEAR(gmm_logp(&top, z) + int_div, logp, 1e-9, 1e-9); // exact with the true law at the noisy end
        NEAR(normal, int_div - (z[0] * z[0] + z[1] * z[1]) / 2 - log(2 * PI), 1e-11, 0);
        worst = fmax(worst, fabs(normal - logp));
        if (i % 5 == 0) {
            double y[3] = {x[0], x[1], 0};
            ode_solve(y, from.t, to.t, 3, vp_field, &run, 1e-11, 1e-13);
            NEAR(y[0], z[0], 1e-8, 1e-9);
            NEAR(y[1], z[1], 1e-8, 1e-9);
            NEAR(y[2], int_div, 1e-8, 0);
            double v[2] = {0.7, -1.3}, up[2], down[2], D_up[2], D_down[2], D[2], got; // the probe by finite differences
            double h = 1e-5;
            GmmField g = {&p, v};
            for (int j = 0; j < 2; j++) {
                up[j] = x[j] + h * v[j];
                down[j] = x[j] - h * v[j];
            }
            gmm_field_D(D_up, NULL, up, 0.8, 0.5, &g);
            gmm_field_D(D_down, NULL, down, 0.8, 0.5, &g);
            gmm_field_D(D, &got, x, 0.8, 0.5, &g);
            NEAR(got, (v[0] * (D_up[0] - D_down[0]) + v[1] * (D_up[1] - D_down[1])) / (2 * h), 1e-7, 1e-8);
        }
        // Hutchinson with one probe for the whole solve: unbiased, so the mean over all sign vectors is exact.
        double mean = 0;
        double spread = 0;
        for (int s = 0; s < 4; s++) {
            double probe[2] = {s & 1 ? 1 : -1, s & 2 ? 1 : -1};
            GmmField g = {&p, probe};
            PfField estimate = gmm_field(&g);
            double guess;
            pf_transport(z_normal, &guess, &estimate, x, &from, &to, 1e-11);
            mean += guess / 4;
            spread = fmax(spread, fabs(guess - int_div));
        }
        NEAR(mean, int_div, 1e-8, 0);
        CHECK(spread > 1e-3, "the probe changes nothing: %g", spread);
    }
    // The pure-noise prior at t = 1 costs a little: alpha = 0.0066 of the data is still there.
    CHECK(worst > 1e-4 && worst < 0.01, "prior error %g", worst);
    static const double points[] = {-1.2, 0.4, 0.9, 1, 0.1, 0.1};
    double worst_of_three = 0;
    from = path_at_time(&vp, 1e-5);
    gmm_noised(&noised, &p, from.alpha, from.sigma);
    for (int i = 0; i < 3; i++) {
        double z[2], int_div;
        double normal = pf_loglik_normal_prior(z, &int_div, &exact, points + 2 * i, &from, &to, 1e-12);
        worst_of_three = fmax(worst_of_three, fabs(normal - gmm_logp(&noised, points + 2 * i)));
    }
    NEAR(worst_of_three, 1.4e-3, 0.05, 0);
}

int main(void) {
    test_integrator();
    test_columns();
    test_gaussian_transport();
    test_cdf();
    test_likelihood();
    return report("test_ode");
}
