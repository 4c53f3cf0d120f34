// test_race_lab.c: the helpers of the samplers lab against race.h, quadrature, closed forms and finite differences.
#include "../toy/model/race_lab.h"
#include "harness.h"

static Ring ring;
static Race race;

// q = 0 and q = 1/7 are two ladders of race.h; other q by their definition.
static void test_ladder(void) {
    const double q[3] = {-0.2, 0.1, 1};
    for (int n = 1; n <= 12; n += 11) {
        Ladder log_snr = race_ladder(&race, SPREAD_LOGSNR, n), karras = race_ladder(&race, SPREAD_RHO, n);
        Ladder zero = ladder_dial(&race, 0, n), seventh = ladder_dial(&race, 1.0 / 7, n);
        for (int i = 0; i <= n; i++) {
            NEAR(zero.at[i].sigma, log_snr.at[i].sigma, 1e-12, 0);
            NEAR(seventh.at[i].sigma, karras.at[i].sigma, 1e-9, 0);
        }
        ladder_free(&log_snr);
        ladder_free(&karras);
        ladder_free(&zero);
        ladder_free(&seventh);
    }
    for (int k = 0; k < 3; k++) {
        Ladder l = ladder_dial(&race, q[k], 10);
        double first = pow(l.at[0].sigma / l.at[0].alpha, q[k]), last = pow(l.at[10].sigma / l.at[10].alpha, q[k]);
        NEAR(l.at[0].t, race.t_start, 0, 0);
        NEAR(l.at[10].t, race.t_end, 0, 0);
        for (int i = 1; i <= 10; i++) {
            double a = pow(l.at[i - 1].sigma / l.at[i - 1].alpha, q[k]), b = pow(l.at[i].sigma / l.at[i].alpha, q[k]);
            CHECK(l.at[i].t < l.at[i - 1].t, "level %d", i);
            NEAR(b - a, (last - first) / 10, 1e-6, 1e-9);
        }
        ladder_free(&l);
    }
}

static void test_errors(void) {
    real x[2 * 16];
    Denoiser exact = gmm_denoiser(&race.data);
    const Sampler *s = sampler_find("dpmpp2m");
    Level a = path_at_time(&race.path, race.t_start), b = path_at_time(&race.path, race.t_end);
    NEAR(path_error(x, &race, &exact, s, 0, 12, 1, 1), race_error(NULL, &race, s, SPREAD_LOGSNR, 12), 1e-6, 0);
    NEAR(law_error(&race, s, 0, 12, 0.25, 0), race_law_error(&race, s, SPREAD_LOGSNR, 12, 1, 0.25), 1e-9, 0);
    for (double v = 0.1; v < 2; v += 0.7) { // the ODE stretches a wrong mean by the ratio of the deviations
        double stretch =
            sqrt((b.alpha * b.alpha * v + b.sigma * b.sigma) / (a.alpha * a.alpha * v + a.sigma * a.sigma));
        NEAR(law_error(&race, s, 0, 3000, v, 0.3), 0.3 * stretch, 1e-4, 0);
        NEAR(law_error(&race, s, 0, 3000, v, -0.3), 0.3 * stretch, 1e-4, 0);
    }
    Sampler noisy = *sampler_find("dpmpp2m_sde");
    double best = best_strength(&race, &noisy, 64, 0.25, 0.1), lowest;
    CHECK(best > 0 && best < 2, "best strength %g", best);
    noisy.strength = best;
    lowest = law_error(&race, &noisy, 0, 64, 0.25, 0.1);
    for (int e = 0; e <= 40; e++) {
        noisy.strength = 0.05 * e;
        CHECK(law_error(&race, &noisy, 0, 64, 0.25, 0.1) >= lowest, "eta %g is better", noisy.strength);
    }
}

// The recursion converges to the solution of its ODE at first order; that solution satisfies the ODE.
static void test_scaled(void) {
    const double factor[5] = {0.5, 0.8, 0.9, 1, 1.2}, eta[3] = {0, 0.5, 1};
    for (int k = 0; k < 5; k++) {
        for (int e = 0; e < 3; e++) {
            double limit = scaled_limit(&race, factor[k], eta[e]);
            double coarse = scaled_variance(&race, factor[k], eta[e], 2000) - limit;
            double fine = scaled_variance(&race, factor[k], eta[e], 4000) - limit;
            NEAR(fine, coarse / 2, 0.1, 1e-4);
            NEAR(fine, 0, 0, 5e-3 * limit);
            // V of a shorter way, by moving the start: dV/dtau
            Race shorter = race;
            double beta = vp_beta(race.t_start, race.path.beta_min, race.path.beta_max), dt = 1e-6, tau;
            shorter.t_start -= dt;
            tau = beta * dt;
            double slope = (limit - scaled_limit(&shorter, factor[k], eta[e])) / tau;
            double end = eta[e] * eta[e] - ((1 + eta[e] * eta[e]) * factor[k] - 1) * limit;
            NEAR(slope, end, 1e-3, 1e-4);
        }
    }
}

// E k(x, y) of the mixture by a sum over a grid, and the pairs one by one.
static void test_mmd(void) {
    enum { N = 40, SIDE = 160 };
    real x[2 * N];
    double h2 = 0.09, pairs = 0, both = 0, mixture = 0, step = 8.0 / SIDE, se;
    static double mass[SIDE * SIDE], at[SIDE * SIDE][2];
    gmm_sample_many(x, NULL, &race.data, N, 1, 7, 0);
    for (int c = 0; c < SIDE * SIDE; c++) {
        at[c][0] = -4 + (c % SIDE + 0.5) * step;
        at[c][1] = -4 + (c / SIDE + 0.5) * step;
        mass[c] = exp(gmm_logp(&race.data, at[c])) * step * step;
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double d2 = pow(x[2 * i] - x[2 * j], 2) + pow(x[2 * i + 1] - x[2 * j + 1], 2);
            pairs += i == j ? 0 : exp(-d2 / (2 * h2)) / (N * (N - 1));
        }
        for (int c = 0; c < SIDE * SIDE; c++) {
            double d2 = pow(x[2 * i] - at[c][0], 2) + pow(x[2 * i + 1] - at[c][1], 2);
            both += mass[c] * exp(-d2 / (2 * h2)) / N;
        }
    }
    for (int c = 0; c < SIDE * SIDE; c++) { // E k of two draws of the mixture: the mixture blurred by h2, at the draw
        double blurred = 0;
        for (int k = 0; k < race.data.K && mass[c] > 0; k++) {
            double v = RING_STD * RING_STD + h2;
            double d2 = pow(at[c][0] - race.data.mu[2 * k], 2) + pow(at[c][1] - race.data.mu[2 * k + 1], 2);
            blurred += h2 / v * exp(-d2 / (2 * v)) / race.data.K;
        }
        mixture += mass[c] * blurred;
    }
    NEAR(mmd2_to_gmm(x, N, &race.data, sqrt(h2)), pairs - 2 * both + mixture, 1e-6, 1e-8);
    // unbiased on exact draws; large on the wrong law
    enum { MANY = 4000 };
    real *y = NEW(real, 2 * MANY);
    gmm_sample_many(y, NULL, &race.data, MANY, 1, 8, 0);
    double mean = mmd2_blocks(&se, y, 50, MANY / 50, &race.data, h2);
    AGREES(mean, se, 0);
    NEAR(mmd2_blocks(&se, y, 50, 2, &race.data, h2),
         (mmd2_to_gmm(y, 50, &race.data, sqrt(h2)) + mmd2_to_gmm(y + 100, 50, &race.data, sqrt(h2))) / 2, 1e-12, 1e-15);
    NEAR(se, fabs(mmd2_to_gmm(y, 50, &race.data, sqrt(h2)) - mmd2_to_gmm(y + 100, 50, &race.data, sqrt(h2))) / 2, 1e-9,
         0);
    for (int i = 0; i < 2 * MANY; i++) {
        y[i] *= (real)0.8;
    }
    mean = mmd2_blocks(&se, y, 50, MANY / 50, &race.data, h2);
    CHECK(mean > 20 * se, "shrunken ring: %g +- %g", mean, se);
    free(y);
}

static void test_logp(void) {
    const double x[2] = {1.2, 0.5};
    double e[5], truth = race_density(&race, x, race.t_end);
    Level end = path_at_time(&race.path, race.t_end), early = path_at_time(&race.path, 0.5);
    double sum = 0, v = end.alpha * end.alpha * RING_STD * RING_STD + end.sigma * end.sigma;
    for (int k = 0; k < RING_MODES; k++) {
        double a = 2 * PI * k / RING_MODES, u = x[0] - end.alpha * RING_RADIUS * cos(a);
        double w = x[1] - end.alpha * RING_RADIUS * sin(a);
        sum += exp(-(u * u + w * w) / (2 * v)) / (2 * PI * v * RING_MODES);
    }
    NEAR(truth, log(sum), 1e-9, 0);
    race_logp_errors(e, &race, x, 0.5);
    NEAR(e[0], 0, 0, 1e-6);
    CHECK(fabs(e[1]) > 1e-7 && fabs(e[1]) < 1e-3, "normal prior, late: %g", e[1]);
    CHECK(fabs(e[2]) > 1e-3 && fabs(e[2]) < 0.1, "normal prior, early: %g", e[2]);
    CHECK(fabs(e[3]) > 0.5, "one probe: %g", e[3]);
    NEAR(e[4], 0, 0, 1e-5); // the trace is linear in v v', and the path does not depend on v
    // the normal prior is wrong by log N(x_to; 0, I) - log p_to(x_to), nothing else
    double to[2], volume;
    GmmField f = {&race.data, NULL};
    PfField field = gmm_field(&f);
    pf_transport(to, &volume, &field, x, &end, &early, 1e-10);
    double normal = -(to[0] * to[0] + to[1] * to[1]) / 2 - log(2 * PI);
    NEAR(e[2], normal - race_density(&race, to, 0.5), 1e-4, 1e-6);
}

static void test_net_and_page(void) {
    RaceNet n;
    real at[2] = {(real)0.3, (real)-1}, x0[2];
    double loss = race_net_train(&n, &ring, 13, 2);
    CHECK(loss > 0 && loss < 3, "loss %g", loss);
    Denoiser d = net_denoiser(&n.seen);
    CHECK(d.dim == 2, "dim %zu", d.dim);
    d.x0(x0, at, sqrt(0.5), sqrt(0.5), 1, d.self);
    CHECK(isfinite((double)x0[0]) && isfinite((double)x0[1]), "x0 %g %g", (double)x0[0], (double)x0[1]);
    race_net_free(&n);
    CHECK(strcmp(verdict(NAN, 0, "open", "no"), "open") == 0, "an open exercise");
    CHECK(strcmp(verdict(1, 1, "open", "no"), "right") == 0, "a right answer");
    CHECK(strcmp(verdict(1, 0, "open", "no"), "no") == 0, "a wrong answer");
}

int main(void) {
    ring = ring_new();
    race = race_new(ring_gmm(&ring, -1), path_vp(0.1, 20), 1, 1e-3, 16, 1, 1);
    test_ladder();
    test_errors();
    test_scaled();
    test_mmd();
    test_logp();
    test_net_and_page();
    race_free(&race);
    return report("test_race_lab");
}
