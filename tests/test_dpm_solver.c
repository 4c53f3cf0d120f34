// test_dpm_solver.c: exponential integrators, and every sampler that is DDIM or DDPM under another name, against
// quadrature, closed forms, polynomials and limits.
#include "death.h"

#include "../ref/formula/dpm_solver.h"
#include "../ref/formula/edm.h"
#include "../ref/formula/flow.h"
#include "../ref/formula/sde.h"
#include "small_worlds.h"

static double scale_of(const Level *l) { // to variance-preserving units
    return 1 / sqrt(l->alpha * l->alpha + l->sigma * l->sigma);
}

// ---- paths -------------------------------------------------------------------------------------------------------

// Derivatives by central difference; lambda and time are inverse to each other.
static void test_paths(void) {
    Path paths[3] = {path_vp(0.1, 20), path_of(PATH_VE), path_of(PATH_FLOW)};
    double h = 1e-6;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < N_LEVELS - 1; i++) {
            Level l = level_of(k, i);
            Level up = path_at_time(&paths[k], l.t + h * l.t);
            Level down = path_at_time(&paths[k], l.t - h * l.t);
            NEAR(l.dalpha, (up.alpha - down.alpha) / (2 * h * l.t), 1e-6, 1e-9);
            NEAR(l.dsigma, (up.sigma - down.sigma) / (2 * h * l.t), 1e-6, 1e-9);
            Level back = path_at_logsnr(&paths[k], level_half_logsnr(&l));
            NEAR(back.t, l.t, 1e-12, 0);
            NEAR(back.alpha, l.alpha, 1e-11, 0);
            NEAR(level_abar(&l) / (1 - level_abar(&l)), pow(l.alpha / l.sigma, 2), 1e-12, 0);
        }
    }
    Path discrete = path_of(PATH_ABAR);
    Level l = path_at_logsnr(&discrete, 0.7);
    NEAR(log(l.alpha / l.sigma), 0.7, 1e-14, 0);
    NEAR(l.alpha * l.alpha + l.sigma * l.sigma, 1, 1e-15, 0);
}

// ---- exponential integrators -----------------------------------------------------------------------------------

// psi_k by Simpson's rule, and the recursion.
static void test_psi(void) {
    double hs[] = {-2.5, -0.7, -0.01, 1e-6, 0.02, 0.4, 0.999, 1.001, 3, 9};
    for (int i = 0; i < 10; i++) {
        double h = hs[i];
        for (int k = 0; k < 4; k++) {
            double sum = 0;
            double factorial = k == 3 ? 6 : k == 2 ? 2 : 1;
            int n = 2000;
            for (int j = 0; j <= n; j++) {
                double s = h * j / n;
                sum += (j == 0 || j == n ? 1 : j % 2 ? 4 : 2) * exp(s - h) * pow(s, k) / factorial;
            }
            NEAR(dpm_psi(k, h), sum * h / (3 * n), 1e-9, 0);
        }
    }
    NEAR(dpm_psi(0, HUGE_VAL), 1, 0, 0);
}

// dpm.exact on Gaussian data, where the solution is known: x(lambda) keeps (x - alpha m)/std.  Both integrals, by
// Simpson's rule in lambda, give the same end.
static void test_exact_forms(void) {
    Path vp = path_vp(0.1, 20);
    Normal data = {1.3, 0.4};
    Level now = path_at_time(&vp, 0.7);
    Level next = path_at_time(&vp, 0.25);
    double c = 0.8; // the constant of the trajectory
    double x = now.alpha * data.m + c * normal_std(&data, now.alpha, now.sigma);
    double want = next.alpha * data.m + c * normal_std(&data, next.alpha, next.sigma);
    double by_D = 0;
    double by_eps = 0;
    double from = level_half_logsnr(&now);
    double h = level_half_logsnr(&next) - from;
    int n = 4000;
    for (int j = 0; j <= n; j++) {
        double lambda = from + h * j / n;
        Level l = path_at_logsnr(&vp, lambda);
        double at = l.alpha * data.m + c * normal_std(&data, l.alpha, l.sigma);
        double D = normal_D(&data, at, l.alpha, l.sigma);
        double weight = (j == 0 || j == n ? 1 : j % 2 ? 4 : 2) * h / (3 * n);
        by_D += weight * exp(lambda) * D;
        by_eps += weight * exp(-lambda) * (at - l.alpha * D) / l.sigma;
    }
    NEAR(next.sigma / now.sigma * x + next.sigma * by_D, want, 1e-10, 0);
    NEAR(next.alpha / now.alpha * x - next.alpha * by_eps, want, 1e-10, 0);
}

// D polynomial in lambda: the methods that claim to be exact for it are.
static void test_polynomials(void) {
    for (int path = 0; path < N_PATHS; path++) {
        for (int i = 1; i + 1 < N_LEVELS - 1; i++) {
            Level old = level_of(path, i - 1);
            Level now = level_of(path, i);
            Level next = level_of(path, i + 1);
            double h = dpm_h(&now, &next);
            double back = dpm_h(&old, &now);
            double d[3] = {0.7, -0.3, 0.11}; // D = d0 + d1 s + d2 s^2/2, s = lambda - lambda_now
            double D_old = d[0] - d[1] * back + d[2] * back * back / 2;
            double D_next = d[0] + d[1] * h + d[2] * h * h / 2;
            double linear_old = d[0] - d[1] * back;
            double x = 0.9;
            double base = next.sigma / now.sigma * x;
            double exact1 = base + next.alpha * (dpm_psi(0, h) * d[0] + dpm_psi(1, h) * d[1]);
            double exact2 = exact1 + next.alpha * dpm_psi(2, h) * d[2];
            Update u = dpmpp_2m(&old, &now, &next, DPM_HEUN);
            NEAR(u.x * x + u.now * d[0] + u.old * linear_old, exact1, 1e-11, 1e-12);
            u = unic_2(&old, &now, &next);
            NEAR(u.x * x + u.now * d[0] + u.old * D_old + u.stage * D_next, exact2, 1e-10, 1e-11);
            u = unic_2(NULL, &now, &next); // first step: the trapezium weight
            NEAR(u.stage, next.alpha * (1 - exp(-h)) / 2, 1e-12, 0);
            NEAR(u.now, u.stage, 1e-15, 0);
            CHECK(u.old == 0, "no history");
            u = dpmpp_2m(&old, &now, &next, DPM_MIDPOINT); // r is the last step over this one
            NEAR(u.old, -next.alpha * (1 - exp(-h)) / 2 * h / back, 1e-11, 0);
            NEAR(u.now + u.old, next.alpha * (1 - exp(-h)), 1e-11, 0);
        }
    }
}

// dpm.1 in both forms, DDIM with eta = 0, Euler in EDM units and flow Euler: one sampler, five names.
static void test_one_sampler(void) {
    for (int path = 0; path < N_PATHS; path++) {
        for (int i = 0; i < N_LEVELS - 1; i++) {
            for (int j = 0; j < N_LEVELS; j++) { // also back towards the noise
                Level now = level_of(path, i);
                Level next = level_of(path, j);
                if (i == j) {
                    continue;
                }
                Update u = dpm_1(&now, &next);
                Update e = edm_euler(&now, &next);
                Update f = flow_euler(&now, &next);
                double rounding = 4e-15 * (next.alpha + next.alpha / now.alpha);
                double large = 2e-15 * (u.x + next.alpha / now.alpha); // what the two terms of the sum leave
                NEAR(e.x, u.x, 4e-15, rounding);
                NEAR(e.now, u.now, 1e-13, rounding);
                NEAR(f.x, u.x, 4e-15, rounding);
                NEAR(f.now, u.now, 1e-13, rounding);
                NEAR(u.now, next.alpha - now.alpha * next.sigma / now.sigma, 1e-13, rounding);
                if (next.sigma > 0) { // x_next for x and eps in the eps form, D = (x - sigma eps)/alpha
                    StepCoeffs c = dpm_1_eps(&now, &next);
                    NEAR(c.a, u.x + u.now / now.alpha, 1e-14, large);
                    NEAR(c.b, -u.now * now.sigma / now.alpha, 1e-12, 0);
                }
                double scale = scale_of(&next) / scale_of(&now);
                StepCoeffs c = ddim_coeffs(level_abar(&now), level_abar(&next), 0);
                NEAR(c.a / scale, u.x + u.now / now.alpha, 1e-12, large);
                NEAR(c.b / scale_of(&next), -u.now * now.sigma / now.alpha, 1e-9, 0); // 1 - abar costs digits
            }
        }
    }
    // The same to the last digit, on one VP step.
    Level now = level_of_abar(0.3);
    Level next = level_of_abar(0.5);
    StepCoeffs eps = dpm_1_eps(&now, &next);
    StepCoeffs ddim = ddim_coeffs(0.3, 0.5, 0);
    NEAR(eps.a, ddim.a, 1e-15, 0);
    NEAR(eps.b, ddim.b, 1e-15, 0);
}

// No noise left, or no signal yet: the data form survives, the eps form says what to do.
static void test_ends(void) {
    Level clean = level_clean();
    Level noise = {1, 0, 1, -1, 1};
    for (int path = 0; path < N_PATHS; path++) {
        Level old = level_of(path, 2);
        Level now = level_of(path, 3);
        Update u[7] = {dpm_1(&now, &clean),
                       edm_euler(&now, &clean),
                       flow_euler(&now, &clean),
                       dpmpp_2m(&old, &now, &clean, DPM_MIDPOINT),
                       dpmpp_2m(&old, &now, &clean, DPM_HEUN),
                       dpmpp_2m_sde(&old, &now, &clean, 1, DPM_MIDPOINT),
                       ancestral_k(&now, &clean, 1)};
        for (int k = 0; k < 7; k++) {
            CHECK(u[k].x == 0 && u[k].old == 0 && u[k].z == 0, "method %d: x %g old %g z %g", k, u[k].x, u[k].old,
                  u[k].z);
            NEAR(u[k].now, 1, 1e-15, 0); // x = x0hat
        }
        StepCoeffs c = ddpm_small_coeffs(level_abar(&now), 1);
        Update last = update_of_step(&c, &now, &clean);
        CHECK(last.x == 0 && last.z == 0, "x %g z %g", last.x, last.z);
        NEAR(last.now, 1, 1e-12, 0);
    }
    Path flow = path_of(PATH_FLOW);
    Level next = path_at_time(&flow, 0.9);
    Level later = path_at_time(&flow, 0.8);
    Update u = dpm_1(&noise, &next);
    NEAR(u.x, 0.9, 1e-15, 0);
    NEAR(u.now, 0.1, 1e-14, 0);
    u = flow_euler(&noise, &next);
    NEAR(u.x, 0.9, 1e-15, 0);
    NEAR(u.now, 0.1, 1e-14, 0);
    u = dpmpp_2m(&noise, &next, &later, DPM_MIDPOINT); // a level without signal is no history
    CHECK(u.old == 0, "old %g", u.old);
    u = dpmpp_2m_sde(NULL, &noise, &next, 1, DPM_MIDPOINT); // noise replaced by fresh noise
    CHECK(u.x == 0, "x %g", u.x);
    NEAR(u.z, next.sigma, 1e-15, 0);
    Update unused;
    DIES("h is infinite", dpm_1_eps(&next, &clean));
    DIES("h is infinite", unic_2(&noise, &next, &clean));
    DIES("sigma = 0", dpm_1(&clean, &next));
    DIES("sigma = 0", edm_heun(&unused, &unused, &next, &clean));
    DIES("alpha = 0", edm_euler(&noise, &next));
    DIES("alpha = 0", sde_em(&noise, &next, 1));
    DIES("h is infinite", dpm_1_eps(&noise, &next));
    DIES("two levels without signal", dpm_1(&noise, &noise));
    DIES("monotone", dpmpp_2m(&later, &next, &later, DPM_HEUN));
}

// ---- noise ---------------------------------------------------------------------------------------------------------

// dpmpp.2msde with eta = 0 is dpmpp.2m; with eta = 1 and no history it is the ancestral step of DDPM.
static void test_sde_solver_limits(void) {
    for (int path = 0; path < N_PATHS; path++) {
        for (int i = 1; i + 1 < N_LEVELS - 1; i++) {
            Level old = level_of(path, i - 1);
            Level now = level_of(path, i);
            Level next = level_of(path, i + 1);
            for (int rule = 0; rule < 2; rule++) {
                Update plain = dpmpp_2m(&old, &now, &next, (DpmRule)rule);
                Update none = dpmpp_2m_sde(&old, &now, &next, 0, (DpmRule)rule);
                Update little = dpmpp_2m_sde(&old, &now, &next, 1e-9, (DpmRule)rule);
                CHECK(memcmp(&plain, &none, sizeof plain) == 0, "eta = 0 differs");
                NEAR(little.x, plain.x, 1e-7, 0); // and the limit is continuous
                NEAR(little.now, plain.now, 1e-7, 0);
                NEAR(little.old, plain.old, 1e-7, 0);
                CHECK(little.z > 0, "z %g", little.z);
            }
            double a = level_abar(&now);
            double b = level_abar(&next);
            Posterior q = forward_posterior(a, b); // of DDPM, in variance-preserving units
            Update u = dpmpp_2m_sde(NULL, &now, &next, 1, DPM_MIDPOINT);
            double scale_now = scale_of(&now);
            double scale_next = scale_of(&next);
            NEAR(u.x, q.c_xt * scale_now / scale_next, 1e-9, 0);
            NEAR(u.now, q.c_x0 / scale_next, 1e-9, 0);
            NEAR(u.z, sqrt(q.var_small) / scale_next, 1e-9, 0);
            StepCoeffs c = ddpm_small_coeffs(a, b);
            Update ddpm = update_of_step(&c, &now, &next);
            NEAR(ddpm.x, u.x, 1e-9, 1e-11);
            NEAR(ddpm.now, u.now, 1e-9, 0);
            NEAR(ddpm.z, u.z, 1e-9, 0);
            // ancestral.k with eta = 1 is the same posterior in other units; with eta = 0 it is Euler.
            Update k = ancestral_k(&now, &next, 1);
            NEAR(k.x, u.x, 1e-11, 0);
            NEAR(k.now, u.now, 1e-11, 0);
            NEAR(k.z, u.z, 1e-11, 0);
            Update zero = ancestral_k(&now, &next, 0);
            Update euler = edm_euler(&now, &next);
            NEAR(zero.x, euler.x, 1e-14, 0);
            NEAR(zero.now, euler.now, 1e-13, 0);
            CHECK(zero.z == 0, "z %g", zero.z);
        }
    }
    double up, down;
    ancestral_sigmas(&up, &down, 3, 1.8, 1); // VE posterior: weight of x s'^2/s^2, variance s'^2 (s^2 - s'^2)/s^2
    NEAR(down / 3, 1.8 * 1.8 / 9, 1e-14, 0);
    NEAR(up * up, 1.8 * 1.8 * (9 - 1.8 * 1.8) / 9, 1e-14, 0);
    NEAR(up * up + down * down, 1.8 * 1.8, 1e-14, 0);
    ancestral_sigmas(&up, &down, 3, 1.8, 5); // never more noise than the level holds
    CHECK(up == 1.8 && down == 0, "up %g down %g", up, down);
    DIES("sigma_next <= sigma", ancestral_sigmas(&up, &down, 1, 2, 1));
    DIES("eta", dpmpp_2m_sde(NULL, &(Level){0, 0.5, 0.5, 0, 0}, &(Level){0, 0.6, 0.4, 0, 0}, -1, DPM_HEUN));
}

static void test_update(void) {
    real x[2] = {1, 2}, now[2] = {3, 4}, old[2] = {5, 6}, stage[2] = {7, 8}, z[2] = {9, 10}, out[2];
    Update u = {0.5, 0.25, 2, -1, 3};
    update_apply(out, &u, x, now, old, stage, z, 2);
    for (int i = 0; i < 2; i++) {
        NEAR(out[i], 0.5 * x[i] + 0.25 * now[i] + 2 * old[i] - stage[i] + 3 * z[i], 1e-7, 0);
    }
    DIES("need their arrays", update_apply(out, &u, x, now, old, stage, NULL, 2));
    DIES("need their arrays", update_apply(out, &u, x, now, NULL, stage, z, 2));
    Update plain = {1, 1, 0, 0, 0};
    update_apply(x, &plain, x, now, NULL, NULL, NULL, 2); // in place, and the rest is not read
    NEAR(x[1], 6, 0, 0);
}

int main(void) {
    test_paths();
    test_psi();
    test_exact_forms();
    test_polynomials();
    test_one_sampler();
    test_ends();
    test_sde_solver_limits();
    test_update();
    return report("test_dpm_solver");
}
