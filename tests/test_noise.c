// test_noise.c: chapter 2's parts by second roads: closed forms of one Gaussian, sampled posteriors, the derivative of
// information; and its refusal of a chain that remembers.
#include "../ref/show/cli.h" // before death.h: what these two say when they die is not tested here
#include "../ref/show/svg.h"
#include "death.h"

#define main chapter_main // the program's own main is not what is tested here
#include "../tutorial/ch02_noise/ch02.c"
#undef main

static void test_laws(void) {
    double var, fourth, m2 = 0, m4 = 0;
    Ring noised = ring_noised(&ring, 0.6, 0.8);
    Gmm law = ring_gmm(&ring, 1);
    gmm_noised(&law, &law, 0.6, 0.8);
    for (int i = 0; i < 30; i++) { // the noised ring is a ring
        double x[2] = {0.1 * i - 1.5, 0.07 * i - 1};
        NEAR(ring_density(&noised, x, 1), exp(gmm_logp(&law, x)), 1e-12, 0);
    }
    gmm_free(&law);
    ring_coordinate(&var, &fourth, &noised);
    Grid g = ring_grid(&noised, 100);
    double *p = NEW(double, grid_cells(&g));
    NEAR(ring_grid_ref(p, &g, &noised, -1), 1, 1e-7, 0); // the grid holds it all
    for (size_t i = 0; i < grid_cells(&g); i++) {
        double x[2];
        grid_point(x, &g, i);
        m2 += p[i] * x[0] * x[0];
        m4 += p[i] * x[1] * x[1] * x[1] * x[1];
    }
    free(p);
    NEAR(var, m2, 1e-6, 0);
    NEAR(fourth, m4, 1e-5, 0);
    Ring four = {4, 4, 1, 0.1};
    DIES("4 modes", ring_coordinate(&var, &fourth, &four));
}

// E |E[x_0 | x_t, c] - E[x_0 | x_t]|^2 on a grid, x_t = alpha x_0 + sigma eps: what the prompt adds to a denoiser.
static double prompt_gain(double alpha, double sigma) {
    Ring noised = ring_noised(&ring, alpha, sigma);
    Grid g = ring_grid(&noised, 64);
    Gmm all = ring_gmm(&ring, -1);
    double sum = 0, total = 0;
    for (size_t i = 0; i < grid_cells(&g); i++) {
        double x[2], m[2], m_c[2];
        grid_point(x, &g, i);
        gmm_denoise(m, &all, x, alpha, sigma);
        for (int c = 0; c < ring.prompts; c++) {
            Gmm one = ring_gmm(&ring, c);
            double mass = ring_density(&noised, x, c) * g.h * g.h / ring.prompts;
            gmm_denoise(m_c, &one, x, alpha, sigma);
            sum += mass * (pow(m_c[0] - m[0], 2) + pow(m_c[1] - m[1], 2));
            total += mass;
            gmm_free(&one);
        }
    }
    gmm_free(&all);
    NEAR(total, 1, 1e-6, 0);
    return sum;
}

static void test_information(void) {
    enum { N = 8000 };
    Ring by_mode = ring;
    by_mode.prompts = ring.modes;
    for (double lambda = -3; lambda < 3; lambda += 1.3) {
        double alpha = sqrt(e_sigmoid(2 * lambda)), sigma = sqrt(e_sigmoid(-2 * lambda)), h = 1e-3, hits = 0;
        Guess g = ring_guess(&ring, alpha, sigma, 64), same = ring_guess(&ring, 7 * alpha, 7 * sigma, 90);
        NEAR(same.bits, g.bits, 1e-9, 1e-12); // a factor on x_t loses nothing
        NEAR(same.accuracy, g.accuracy, 2e-4, 0);
        NEAR(ring_guess(&ring, 1, exp(-lambda), 64).bits, g.bits, 1e-10, 1e-12); // nor does the path
        // d I / d snr = (mmse without the prompt - mmse with it)/2: information and denoising are one (Guo et al. 2005)
        double slope =
            (ring_guess_at(&ring, lambda + h, 64).bits - ring_guess_at(&ring, lambda - h, 64).bits) / (2 * h);
        double snr = exp(2 * lambda);
        NEAR(slope * log(2) / (2 * snr), prompt_gain(alpha, sigma) / 2, 1e-4, 1e-9);
        Ring noised = ring_noised(&ring, alpha, sigma);
        for (int i = 0; i < N; i++) {
            double x[2];
            int mode = ring_sample(x, &noised, -1, 21, 1, (uint64_t)i);
            hits += ring_best_prompt(&noised, x) == ring_prompt_of_mode(&ring, mode);
        }
        AGREES(hits / N, sqrt(g.accuracy * (1 - g.accuracy) / N), g.accuracy);
        Guess fine = ring_guess(&by_mode, alpha, sigma, 64);
        CHECK(fine.bits >= g.bits && fine.accuracy <= g.accuracy, "the mode says more, and is harder to guess");
        CHECK(g.bits < 2 && fine.bits < 3 && g.accuracy >= 0.25, "ends");
    }
    Guess nothing = ring_guess(&ring, 0, 1, 64), all = ring_guess(&ring, 1, 0, 128);
    NEAR(nothing.bits, 0, 0, 1e-12);
    NEAR(nothing.accuracy, 0.25, 1e-12, 0);
    CHECK(all.bits > 1.95 && all.bits < 2 && all.accuracy > 0.98, "clean data: %g bits, %g", all.bits, all.accuracy);
    Ring apart = {8, 4, 10, 0.25}; // modes far from each other say everything
    NEAR(ring_guess(&apart, 1, 0, 256).bits, 2, 1e-9, 0);
    for (double share = 0.1; share < 0.95; share += 0.2) {
        double lambda = ring_lambda_of(&ring, share, 64);
        NEAR(ring_guess_at(&ring, lambda, 64).bits, 2 * share, 1e-9, 0);
    }
    DIES("share must lie", ring_lambda_of(&ring, 1.1, 32));
}

// One Gaussian N(m, s^2 I), m at distance R: everything about the wrong start is a closed form.
static void test_start(void) {
    enum { N = 20000 };
    Ring single = {1, 1, 1.5, 0.4};
    for (double abar = 0.1; abar < 0.85; abar += 0.2) {
        double R = single.radius, s2 = single.std * single.std, v = abar * s2 + 1 - abar, alpha = sqrt(abar);
        Start got = ring_start(&single, -1, abar, 160);
        NEAR(got.start_kl, (2 * v + abar * R * R - 2 - 2 * log(v)) / 2, 1e-6, 1e-9);
        double gain = alpha * s2 / v; // x_0 = m + gain (x_T - alpha m) + noise
        double out = s2 - gain * alpha * s2 + gain * gain, shift = gain * alpha * R;
        NEAR(got.cost_kl, (2 * s2 / out + shift * shift / out - 2 - 2 * log(s2 / out)) / 2, 1e-5, 1e-9);
        NEAR(got.pull, shift, 1e-5, 1e-9);
        CHECK(got.cost_tv < got.start_tv && got.cost_kl < got.start_kl, "processing raised a distance");
    }
    for (int k = 0; k < 2; k++) { // the ring: posteriors drawn one after the other
        double abar = k ? 0.6 : 0.2, alpha = sqrt(abar), mean = 0, square = 0, far = 0;
        Start got = ring_start(&ring, 0, abar, 128), all = ring_start(&ring, -1, abar, 128);
        Gmm clean = ring_gmm(&ring, 0), after = gmm_new(clean.K), normal = gmm_new(1), law = gmm_copy(&clean);
        for (int i = 0; i < N; i++) {
            double x[2] = {rng_normal(22, 1, 2 * (uint64_t)i), rng_normal(22, 1, 2 * (uint64_t)i + 1)}, x0[2];
            gmm_posterior(&after, &clean, x, alpha, sqrt(1 - abar));
            gmm_sample(x0, &after, 22, 2, (uint64_t)i);
            double u = x0[0] * cos(PI / 8) + x0[1] * sin(PI / 8);
            mean += u / N;
            square += u * u / N;
        }
        for (int i = 0; i < 2; i++) {
            far += (clean.mu[2 * i] * cos(PI / 8) + clean.mu[2 * i + 1] * sin(PI / 8)) / 2;
        }
        AGREES(mean, sqrt((square - mean * mean) / N), far - got.pull);
        NEAR(all.pull, 0, 0, 1e-9); // all modes: nothing can be pulled
        CHECK(all.start_kl < got.start_kl && all.cost_kl < got.cost_kl, "a prompt is hurt more than the mixture");
        normal.w[0] = normal.cov[0] = normal.cov[3] = 1;
        gmm_noised(&law, &clean, alpha, sqrt(1 - abar));
        NEAR(got.start_mmd2, gmm_mmd2(NULL, NULL, NULL, &normal, &law, 1), 1e-10, 0);
        gmm_free(&clean);
        gmm_free(&after);
        gmm_free(&normal);
        gmm_free(&law);
    }
    Start none = ring_start(&ring, 0, 0, 64);
    NEAR(none.start_kl, 0, 0, 1e-9);
    NEAR(none.cost_tv, 0, 0, 1e-9);
    DIES("finer grid", ring_start(&ring, 0, 0.9999, 128));
}

static void test_paths(void) {
    double alpha, sigma;
    for (int p = 0; p < PATHS; p++) {
        double before = INFINITY;
        for (int k = 1; k <= 50; k++) { // log-SNR falls all the way
            double lambda = path_lambda(&paths, p, k / 50.0);
            path_at(&alpha, &sigma, &paths, p, k / 50.0);
            CHECK(lambda < before, "%s does not fall at %d", path_names[p], k);
            NEAR(path_memory(&paths, p, k / 50.0), k == 50 && alpha == 0 ? 0 : 1 / sqrt(1 + exp(-2 * lambda)), 1e-9, 0);
            CHECK(p == PATH_VE || p == PATH_SUBVP || p == PATH_FLOW || fabs(alpha * alpha + sigma * sigma - 1) < 1e-12,
                  "%s does not preserve the variance", path_names[p]);
            before = lambda;
        }
        NEAR(path_share(&paths, p, -INFINITY, 0, 100) + path_share(&paths, p, 0, INFINITY, 100), 1, 1e-12, 0);
    }
    path_at(&alpha, &sigma, &paths, PATH_LINEAR, 1);
    NEAR(alpha, 0.00635, 1e-3, 0); // the table's last level
    NEAR(path_memory(&paths, PATH_SCALED, 1), 0.0683, 1e-3, 0);
    NEAR(path_memory(&paths, PATH_VE, 1), 0.02, 1e-3, 0);
    CHECK(path_memory(&paths, PATH_ZERO, 1) == 0 && path_memory(&paths, PATH_FLOW, 1) == 0, "these forget everything");
    path_at(&alpha, &sigma, &paths, PATH_SUBVP, 0.5);
    NEAR(sigma, 1 - alpha * alpha, 1e-12, 0);
    NEAR(path_share(&paths, PATH_FLOW, -1, 1, 100000), tanh(0.5), 1e-4, 0); // t in (1/(1+e), e/(1+e))
    DIES("fraction 0", path_at(&alpha, &sigma, &paths, PATH_VP, 0));
    DIES("of path 9", path_at(&alpha, &sigma, &paths, PATHS, 1));
}

static void test_chapter(void) {
    Schedule s = schedule_linear(50, 1e-4, 0.02), good = schedule_linear(593, 1e-4, 0.02);
    Schedule almost = schedule_linear(592, 1e-4, 0.02);
    refuse_memory(&s, 1);
    refuse_memory(&good, 0);
    NEAR(sqrt(s.abar[49]), 0.7765, 1e-5, 0);
    CHECK(sqrt(good.abar[592]) < FORGOTTEN, "alpha %g", sqrt(good.abar[592]));
    DIES("not pure noise", refuse_memory(&s, 0)); // bug 3
    DIES("alpha_T = 0.05", refuse_memory(&almost, 0));
    for (int t = 99; t < 400; t += 100) { // bug 1: seen in the middle of the chain
        double right = variance_z("", forward_noise, &paths.table[PATH_LINEAR], t, 0);
        double slip = variance_z("", no_root, &paths.table[PATH_LINEAR], t, 0);
        CHECK(fabs(right) < 4, "t = %d: %g standard errors", t, right);
        CHECK(slip < -5, "t = %d: the slip shows only %g standard errors", t, slip);
    }
    for (int p = 0; p < PATH_TABLES; p++) {
        CHECK(closure_error(&paths.table[p]) < 1e-13, "%s: steps and jump differ", path_names[p]);
    }
    // bug 4: one step of the cosine schedule multiplies by 31.6, all the others by at most 2
    NEAR(1 / sqrt(1 - schedule_beta(&paths.table[PATH_COSINE], 999)), sqrt(1000), 1e-9, 0);
    for (int t = 0; t < 999; t++) {
        CHECK(1 / sqrt(1 - schedule_beta(&paths.table[PATH_COSINE], t)) < 2.0001, "gain at %d", t);
    }
    NEAR(paths.table[PATH_COSINE].abar[499], 0.493844, 1e-5, 0); // bug 2: 0.70 without the square
    schedule_free(&s);
    schedule_free(&good);
    schedule_free(&almost);
}

int main(void) {
    ring = ring_new();
    paths = paths_new(1000);
    test_laws();
    test_information();
    test_start();
    test_paths();
    test_chapter();
    paths_free(&paths);
    return report("test_noise");
}
