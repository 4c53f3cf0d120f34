// test_solver_runs.c: whole runs: what does not depend on the path, what a run draws and returns, the law at every
// level of a discrete schedule, and encoding and decoding.
#include "death.h"

#include "../ref/formula/gaussian_chain.h"
#include "../ref/formula/likelihood.h"
#include "../ref/formula/solver.h"
#include "small_worlds.h"

enum { SEED = 11, STREAM_START, STREAM_RUN };

// One mixture, one list of half log-SNR, two paths: the states differ by the scale alpha and by nothing else.  Also
// with
// noise, because the noise is the same.
static void test_scale_invariance(void) {
    enum { ROWS = 5, N = 9 };
    double block[21];
    Gmm p = mixture_a_on(block);
    Denoiser model = gmm_denoiser(&p);
    double tol = sizeof(real) == 8 ? 1e-11 : 2e-4;
    int compared = 0;
    for (const Sampler *s = samplers; s->name != NULL; s++) {
        if (strncmp(s->name, "pf_", 3) == 0 || strcmp(s->name, "sde_em") == 0 || strcmp(s->name, "revdiff") == 0 ||
            strcmp(s->name, "pc") == 0 || strcmp(s->name, "ddpm_large") == 0) {
            continue; // these take steps in time, or in the units of their own forward chain
        }
        real x[3][2 * ROWS];
        Path paths[3] = {path_vp(0.1, 20), path_of(PATH_VE), path_of(PATH_FLOW)};
        Level end[3];
        for (int k = 0; k < 3; k++) {
            Ladder vp = ladder_logsnr(paths[0], 0.95, 0.01, N);
            Ladder ladder = ladder_new(paths[k], N);
            for (int i = 0; i <= N; i++) {
                ladder.at[i] = path_at_logsnr(&paths[k], level_half_logsnr(&vp.at[i]));
            }
            end[k] = ladder.at[N];
            rng_fill_normal(x[k], 2 * ROWS, SEED, STREAM_START, 0);
            for (int i = 0; i < 2 * ROWS; i++) {
                x[k][i] = (real)(ladder.at[0].sigma * x[k][i]);
            }
            sampler_run(x[k], NULL, s, &ladder, &model, ROWS, SEED, STREAM_RUN);
            ladder_free(&ladder);
            ladder_free(&vp);
        }
        for (int k = 1; k < 3; k++) {
            for (int i = 0; i < 2 * ROWS; i++) {
                NEAR(x[k][i] / end[k].alpha, x[0][i] / end[0].alpha, tol, tol);
            }
            compared++;
        }
    }
    CHECK(compared == 30, "%d comparisons", compared);
}

// Evaluations, the trace, the noise, rows, and a run that ends at clean data.
static void test_bookkeeping(void) {
    enum { ROWS = 3, N = 6 };
    double block[21];
    Gmm p = mixture_a_on(block);
    Denoiser model = gmm_denoiser(&p);
    for (const Sampler *s = samplers; s->name != NULL; s++) {
        real x[2 * ROWS], again[2 * ROWS], other[2 * ROWS], trace[(N + 2) * 2 * ROWS];
        Ladder ladder = ladder_rho(20, 0.05, 7, N);
        ladder_add_clean(&ladder);
        CHECK(ladder.n == N + 1 && ladder.at[N + 1].sigma == 0 && ladder.at[N].sigma == 0.05, "ladder");
        sampler_start(x, &ladder, 2 * ROWS, SEED, STREAM_START);
        memcpy(again, x, sizeof x);
        memcpy(other, x, sizeof x);
        real first = x[0];
        size_t nfe = sampler_run(x, trace, s, &ladder, &model, ROWS, SEED, STREAM_RUN);
        int at_end = strcmp(s->name, "flow_midpoint") == 0; // it never asks at the end of a step
        int expected = (N + 1) * s->evaluations - (s->evaluations == 2 && !at_end);
        CHECK(nfe == (size_t)expected, "%s: %zu evaluations, expected %d", s->name, nfe, expected);
        CHECK(trace[0] == first && memcmp(trace + (N + 1) * 2 * ROWS, x, sizeof x) == 0, "trace of %s", s->name);
        sampler_run(again, NULL, s, &ladder, &model, ROWS, SEED, STREAM_RUN);
        sampler_run(other, NULL, s, &ladder, &model, ROWS, SEED + 1, STREAM_RUN);
        CHECK(memcmp(x, again, sizeof x) == 0, "%s: two runs differ", s->name);
        CHECK((memcmp(x, other, sizeof x) != 0) == s->random, "%s: the seed", s->name);
        for (int i = 0; i < 2 * ROWS; i++) {
            CHECK(fabs((double)x[i]) < 5, "%s ends at %g", s->name, (double)x[i]);
        }
        if (!s->random) { // rows do not mix
            real alone[2];
            sampler_start(again, &ladder, 2 * ROWS, SEED, STREAM_START);
            memcpy(alone, again + 2, sizeof alone);
            sampler_run(alone, NULL, s, &ladder, &model, 1, SEED, STREAM_RUN);
            CHECK(memcmp(alone, x + 2, sizeof alone) == 0, "%s: row 1 depends on its neighbours", s->name);
        }
        ladder_free(&ladder);
    }
    // Without churn edm_churn is edm_heun, to the last bit.
    Sampler still = *sampler_find("edm_churn");
    Ladder ladder = ladder_rho(20, 0.05, 7, N);
    real x[2] = {3, -5}, y[2] = {3, -5};
    still.strength = 0;
    sampler_run(x, NULL, &still, &ladder, &model, 1, SEED, STREAM_RUN);
    sampler_run(y, NULL, sampler_find("edm_heun"), &ladder, &model, 1, SEED, STREAM_RUN);
    CHECK(memcmp(x, y, sizeof x) == 0, "S_churn = 0 is not Heun");
    ladder_free(&ladder);
}

// Samples have the law that the recursion of gaussian_chain.h states: mean and variance within 4 standard errors.
static void test_sampled_law(void) {
    enum { ROWS = 20000 };
    static real x[ROWS];
    Normal data = {1, 0.25};
    Denoiser model = normal_denoiser(&data);
    for (const Sampler *s = samplers; s->name != NULL; s++) {
        if (!s->random) {
            continue;
        }
        Ladder ladder = ladder_logsnr(path_vp(0.1, 20), 0.8, 0.01, 8);
        double mean = ladder.at[0].alpha * data.m;
        double var = pow(normal_std(&data, ladder.at[0].alpha, ladder.at[0].sigma), 2);
        rng_fill_normal(x, ROWS, SEED, STREAM_START, 0);
        for (int i = 0; i < ROWS; i++) {
            x[i] = (real)(mean + sqrt(var) * x[i]);
        }
        sampler_run(x, NULL, s, &ladder, &model, ROWS, SEED, STREAM_RUN);
        sampler_gaussian(&mean, &var, s, &ladder, data.m, data.v);
        double got = 0;
        double square = 0;
        for (int i = 0; i < ROWS; i++) {
            got += x[i] / (double)ROWS;
        }
        for (int i = 0; i < ROWS; i++) {
            square += (x[i] - got) * (x[i] - got) / (ROWS - 1);
        }
        AGREES(got, sqrt(var / ROWS), mean);
        AGREES(square, var * sqrt(2.0 / ROWS), var);
        ladder_free(&ladder);
    }
}

// The corrector pulls a wrong law towards the right one: too wide a cloud becomes narrower, too narrow a one wider.
// With the step size of each sample's own norms the cloud of two dimensions blows up instead: near the mode the score
// is almost 0 and the step almost unbounded.
static void test_corrector(void) {
    enum { ROWS = 4000, DIM = 2, ALL = ROWS * DIM };
    static real x[ALL], score[ALL], D[ALL], z[ALL];
    Normal data = {0, 1};
    Level level = level_of_abar(0.5); // the law of x_t is N(0, 1)
    double epsilon = langevin_fixed(&level, 0.16);
    Update repair = langevin_update(&level, epsilon);
    double starts[2] = {0.5, 2};
    for (int k = 0; k < 4; k++) {
        double before = 0;
        double after = 0;
        rng_fill_normal(x, ALL, SEED, STREAM_START, 0);
        for (int i = 0; i < ALL; i++) {
            x[i] = (real)(starts[k % 2] * x[i]);
            before += (double)x[i] * x[i] / ALL;
        }
        for (int step = 0; step < 60; step++) {
            rng_fill_normal(z, ALL, SEED, STREAM_RUN, (uint64_t)step * ALL);
            normal_rows(D, x, level.alpha, level.sigma, ALL, &data);
            score_from_x0(score, x, D, level.alpha, level.sigma, ALL);
            if (k < 2) {
                update_apply(x, &repair, x, D, NULL, D, z, ALL);
            }
            for (int i = 0; i < ALL && k >= 2; i += DIM) {
                langevin_step(x + i, score + i, z + i, langevin_step_size(score + i, z + i, 0.16, DIM), DIM);
            }
        }
        for (int i = 0; i < ALL; i++) {
            after += (double)x[i] * x[i] / ALL;
        }
        if (k < 2) { // the recursion var <- (1 - epsilon)^2 var + 2 epsilon, 60 times
            double q = pow(1 - epsilon, 120);
            double exact = q * before + (1 - q) / (1 - epsilon / 2);
            AGREES(after, exact * sqrt(2.0 / ALL), exact);
            CHECK(fabs(after - 1) < 0.5 * fabs(before - 1), "variance %g before, %g after", before, after);
        } else {
            CHECK(after > 4, "per-sample step sizes: variance %g", after);
        }
    }
}

// ---- the law at every level of a discrete schedule (bugs 5 and 7) -------------------------------------------------

static void test_schedule_ladder(void) {
    enum { T = 1000 };
    Schedule schedule = schedule_linear(T, 1e-4, 0.02);
    int sizes[] = {1, 7, 50, T};
    for (int k = 0; k < 4; k++) {
        int n = sizes[k];
        int *steps = NEW(int, (size_t)n);
        schedule_spacing(steps, SPACING_TRAILING, n, T);
        Ladder ladder = ladder_schedule(&schedule, steps, n);
        CHECK(ladder.n == n && ladder.at[n].alpha == 1 && ladder.at[n].sigma == 0, "the ladder ends at clean data");
        for (int i = 0; i < n; i++) {
            NEAR(ladder.at[i].alpha, sqrt(schedule.abar[steps[i]]), 1e-15, 0);
            NEAR(ladder.at[i].sigma, sqrt(1 - schedule.abar[steps[i]]), 1e-12, 0);
        }
        // Data at one point: DDIM keeps eps, so the marginal N(alpha m, sigma^2) is exact at every level, in 1 step
        // or 1000.
        Normal point = {0.7, 0};
        Denoiser model = normal_denoiser(&point);
        double eps[2] = {-1.3, 0.4};
        real x[2];
        real *trace = NEW(real, 2 * ((size_t)n + 1));
        double tol = sizeof(real) == 8 ? 1e-12 : 1e-4;
        for (int i = 0; i < 2; i++) {
            x[i] = (real)(ladder.at[0].alpha * point.m + ladder.at[0].sigma * eps[i]);
        }
        sampler_run(x, trace, sampler_find("ddim"), &ladder, &model, 2, SEED, STREAM_RUN);
        for (int i = 0; i <= n; i++) {
            double abar = i < n ? schedule.abar[steps[i]] : 1;
            for (int j = 0; j < 2; j++) {
                NEAR(trace[2 * i + j], sqrt(abar) * point.m + sqrt(1 - abar) * eps[j], tol, tol);
            }
        }
        CHECK(fabs((double)x[0] - 0.7) < tol && fabs((double)x[1] - x[0]) < tol,
              "the last step ends at the data, %g %g", (double)x[0], (double)x[1]);
        // Gaussian data: the variance of the output in closed form.  With the law of the last noisy level exact, x0hat
        // has the variance alpha^2 v^2/(alpha^2 v + sigma^2); all 1000 steps of a second-order sampler get there.
        if (n == T) {
            double v = 0.25;
            double mean = ladder.at[0].alpha;
            double var = schedule.abar[T - 1] * v + 1 - schedule.abar[T - 1];
            sampler_gaussian(&mean, &var, sampler_find("dpmpp2m"), &ladder, 1, v);
            NEAR(var, schedule.abar[0] * v * v / (schedule.abar[0] * v + 1 - schedule.abar[0]), 3e-4, 0);
            NEAR(var, v, 1e-3, 0); // and that is the variance of the data
            NEAR(mean, 1, 1e-4, 0);
        }
        ladder_free(&ladder);
        free(trace);
        free(steps);
    }
    int wrong[] = {999, 500, 500};
    DIES("each once", ladder_schedule(&schedule, wrong, 3));
    schedule_free(&schedule);
}

// ---- encoding and decoding (bug 8) --------------------------------------------------------------------------------

// Gaussian data: encoding up the ladder must end in the law of its noisiest level, which the exact map knows; decoding
// brings the point back.
static void test_inversion(void) {
    enum { T = 1200, N = 600 };
    Schedule schedule = schedule_logsnr(T, 4, -4);
    static int steps[N];
    schedule_spacing(steps, SPACING_TRAILING, N, T);
    Ladder down = ladder_schedule(&schedule, steps, N);
    Ladder up = ladder_reverse(&down);
    CHECK(up.n == N - 1 && up.at[0].sigma == down.at[N - 1].sigma && up.at[N - 1].sigma == down.at[0].sigma, "reverse");
    Normal data = {0.4, 0.3};
    Denoiser model = normal_denoiser(&data);
    real x[3], z[3], back[3];
    for (int i = 0; i < 3; i++) {
        x[i] = z[i] = (real)(0.9 * i - 0.5);
    }
    const Level *low = &up.at[0];
    const Level *high = &up.at[up.n];
    double abar = schedule.abar[T - 1]; // the noisiest level: index 1199, not index 0 or 599
    NEAR(high->alpha, sqrt(abar), 1e-15, 0);
    sampler_run(z, NULL, sampler_find("unipc2"), &up, &model, 3, SEED, STREAM_RUN);
    for (int i = 0; i < 3; i++) {
        double c = (x[i] - low->alpha * data.m) / normal_std(&data, low->alpha, low->sigma);
        double want = sqrt(abar) * data.m + c * sqrt(abar * data.v + 1 - abar);
        NEAR(z[i], want, sizeof(real) == 8 ? 1e-5 : 1e-3, 1e-6);
    }
    memcpy(back, z, sizeof back);
    Ladder noisy = ladder_reverse(&up); // down again, without the last step to clean data
    sampler_run(back, NULL, sampler_find("unipc2"), &noisy, &model, 3, SEED, STREAM_RUN);
    for (int i = 0; i < 3; i++) {
        NEAR(back[i], x[i], 0, sizeof(real) == 8 ? 1e-6 : 1e-3); // encode, then decode: the identity
    }
    ladder_free(&noisy);
    ladder_free(&up);
    ladder_free(&down);
    schedule_free(&schedule);
}

int main(void) {
    test_scale_invariance();
    test_bookkeeping();
    test_sampled_law();
    test_corrector();
    test_schedule_ladder();
    test_inversion();
    return report("test_solver_runs");
}
