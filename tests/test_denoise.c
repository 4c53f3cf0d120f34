// test_denoise.c: a network as the denoiser of the samplers: the mixture net on its own levels is exact, between them
// nearly; prompts, guidance, a real network, and what is refused.
#include "death.h"

#include "../ref/formula/solver.h"
#include "../toy/model/denoise.h"
#include "../toy/model/mixture.h"
#include "../toy/model/mlp.h"

enum { SEED = 17, STREAM_X, STREAM_RUN, T = 60, ROWS = 6 };

static const double W[] = {0.6, 0.4};
static const double MU[] = {-1, 0.5, 1.5, -0.2};
static const double S[] = {0.3, 0.5};

static Gmm as_gmm(double *block, int from, int K) { // the same law for mixture.h, or one component of it
    Gmm p = gmm_on(block, K);
    for (int k = 0; k < K; k++) {
        p.w[k] = K == 1 ? 1 : W[k];
        p.mu[2 * k] = MU[2 * (from + k)];
        p.mu[2 * k + 1] = MU[2 * (from + k) + 1];
        p.cov[4 * k] = p.cov[4 * k + 3] = S[from + k] * S[from + k];
        p.cov[4 * k + 1] = p.cov[4 * k + 2] = 0;
    }
    return p;
}

static double largest_gap(const Denoiser *a, const Denoiser *b, double alpha, double sigma) {
    real x[2 * ROWS], u[2 * ROWS], v[2 * ROWS];
    double worst = 0;
    rng_fill_normal(x, 2 * ROWS, SEED, STREAM_X, 0);
    for (int i = 0; i < 2 * ROWS; i++) {
        x[i] = (real)(x[i] * (alpha + sigma));
    }
    a->x0(u, x, alpha, sigma, ROWS, a->self);
    b->x0(v, x, alpha, sigma, ROWS, b->self);
    for (int i = 0; i < 2 * ROWS; i++) {
        worst = fmax(worst, fabs((double)u[i] - v[i]));
    }
    return worst;
}

static void test_mixture(void) {
    double block[14], one_block[7];
    Gmm p = as_gmm(block, 0, 2);
    Schedule schedule = schedule_logsnr(T, 4, -4);
    int owner[] = {0, 1};
    Net net = mixture_new(2, 2, W, MU, S, owner, &schedule);
    NetDenoiser d = {&net, &schedule, NULL, 1};
    Denoiser model = net_denoiser(&d);
    Denoiser exact = gmm_denoiser(&p);
    double tol = sizeof(real) == 8 ? 1e-10 : 2e-4;
    double between = 0;
    CHECK(model.dim == 2, "dim");
    for (int k = 0; k < T; k++) {
        double alpha = alpha_of(schedule.abar[k]);
        double sigma = sigma_of(schedule.abar[k]);
        double scales[] = {1, 1 / alpha, 1 / (alpha + sigma)}; // VP, VE and flow units of the same level
        for (int j = 0; j < 3; j++) {
            double gap = largest_gap(&model, &exact, scales[j] * alpha, scales[j] * sigma);
            CHECK(gap < tol * (1 + 1 / alpha), "level %d in units %d: gap %g", k, j, gap);
        }
        if (k > 0) { // a quarter of the way in half log-SNR
            double lambda = 0.25 * half_logsnr_of(schedule.abar[k]) + 0.75 * half_logsnr_of(schedule.abar[k - 1]);
            double abar = abar_of_half_logsnr(lambda);
            between = fmax(between, largest_gap(&model, &exact, sqrt(abar), sqrt(1 - abar)));
        }
    }
    CHECK(between > 1e-5 && between < 0.01, "blending two levels: gap %g", between);
    // A prompt selects its component; guidance 0 is the null prompt.
    int c[ROWS] = {1, 1, 1, 1, 1, 1};
    Gmm one = as_gmm(one_block, 1, 1);
    Denoiser second = gmm_denoiser(&one);
    NetDenoiser prompted = {&net, &schedule, c, 1};
    Denoiser asked = net_denoiser(&prompted);
    CHECK(largest_gap(&asked, &second, alpha_of(schedule.abar[30]), sigma_of(schedule.abar[30])) < 10 * tol, "prompt");
    prompted.guidance = 0;
    CHECK(largest_gap(&asked, &exact, alpha_of(schedule.abar[30]), sigma_of(schedule.abar[30])) < 10 * tol, "null");
    prompted.guidance = 2; // x0 is linear in eps, so guidance acts on it the same way: u + 2 (c - u)
    real x[2] = {(real)0.3, (real)-0.4}, u[2], v[2], g[2];
    double alpha = alpha_of(schedule.abar[30]);
    double sigma = sigma_of(schedule.abar[30]);
    asked.x0(g, x, alpha, sigma, 1, asked.self);
    exact.x0(u, x, alpha, sigma, 1, exact.self);
    second.x0(v, x, alpha, sigma, 1, second.self);
    NEAR(g[0], u[0] + 2 * (v[0] - u[0]), 100 * tol, 100 * tol);
    // Outside the schedule.
    DIES("outside the schedule", model.x0(u, x, 1, 1e-3, 1, model.self));
    DIES("outside the schedule", model.x0(u, x, 0, 1, 1, model.self));
    net_free(&net);
    schedule_free(&schedule);
}

// Runs on the levels of the schedule: net and exact mixture end at the same points, with every sampler that asks only
// there.  A wrong timestep index would show here (bug 8).
static void test_runs(void) {
    static const char *const names[] = {"ddim", "dpmpp2m", "edm_heun", "unipc2", "ddpm_small", "dpmpp2m_sde"};
    double block[14];
    Gmm p = as_gmm(block, 0, 2);
    Schedule schedule = schedule_logsnr(T, 4, -4);
    Net net = mixture_new(2, 2, W, MU, S, NULL, &schedule);
    NetDenoiser d = {&net, &schedule, NULL, 1};
    Denoiser model = net_denoiser(&d);
    Denoiser exact = gmm_denoiser(&p);
    int steps[12];
    schedule_spacing(steps, SPACING_LINSPACE, 12, T);
    Ladder ladder = ladder_schedule(&schedule, steps, 12);
    double tol = sizeof(real) == 8 ? 1e-8 : 5e-3;
    for (int k = 0; k < 6; k++) {
        real x[2 * ROWS], y[2 * ROWS];
        rng_fill_normal(x, 2 * ROWS, SEED, STREAM_X, 0);
        memcpy(y, x, sizeof x);
        sampler_run(x, NULL, sampler_find(names[k]), &ladder, &model, ROWS, SEED, STREAM_RUN);
        sampler_run(y, NULL, sampler_find(names[k]), &ladder, &exact, ROWS, SEED, STREAM_RUN);
        for (int i = 0; i < 2 * ROWS; i++) {
            NEAR(x[i], y[i], tol, tol);
        }
    }
    // Encode with the net from the cleanest level up, decode down: back at the start, to the error of the ODE.
    Ladder up = ladder_reverse(&ladder);
    Ladder down = ladder_reverse(&up);
    real x[2] = {(real)-0.8, (real)0.3}, z[2];
    memcpy(z, x, sizeof x);
    sampler_run(z, NULL, sampler_find("unipc2"), &up, &model, 1, SEED, STREAM_RUN);
    CHECK(fabs((double)z[0] - x[0]) > 0.02, "encoding moves the point");
    sampler_run(z, NULL, sampler_find("unipc2"), &down, &model, 1, SEED, STREAM_RUN);
    NEAR(z[0], x[0], 0, 0.05); // 11 steps each way
    NEAR(z[1], x[1], 0, 0.05);
    ladder_free(&down);
    ladder_free(&up);
    ladder_free(&ladder);
    net_free(&net);
    schedule_free(&schedule);
}

// An untrained MLP is a denoiser like any other: every sampler runs on it, on a path it was not trained on.
static void test_mlp(void) {
    Schedule schedule = schedule_logsnr(T, 4, -4);
    Net net = mlp_new(3, 3, 16, 2, 0, &schedule, SEED);
    NetDenoiser d = {&net, &schedule, NULL, 1};
    Denoiser model = net_denoiser(&d);
    Ladder ladder = ladder_logsnr(path_vp(0.1, 20), 0.8, 0.02, 5);
    for (const Sampler *s = samplers; s->name != NULL; s++) {
        real x[3 * 4];
        sampler_start(x, &ladder, 12, SEED, STREAM_X);
        size_t nfe = sampler_run(x, NULL, s, &ladder, &model, 4, SEED, STREAM_RUN);
        CHECK(nfe == (size_t)(5 * s->evaluations + s->extra), "%s: %zu evaluations", s->name, nfe);
        for (int i = 0; i < 12; i++) {
            CHECK(fabs((double)x[i]) < 100, "%s: x[%d] = %g", s->name, i, (double)x[i]);
        }
    }
    ladder_free(&ladder);
    net_free(&net);
    schedule_free(&schedule);
}

int main(void) {
    test_mixture();
    test_runs();
    test_mlp();
    return report("test_denoise");
}
