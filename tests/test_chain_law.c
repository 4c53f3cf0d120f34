// test_chain_law.c: the exact laws of chains and the best chain with its start kept, against closed forms and sampling.
#include "../toy/feedback/rewards.h"
#include "../toy/world/chain_law.h"
#include "../toy/world/chain_optimum.h"
#include "../toy/world/ring.h"
#include "harness.h"

enum { SEED = 7 };
enum { STREAM_CHAIN = 110 };

// The exact denoiser of data N(m, v I): eps = sigma_t (x - alpha_t m) / (alpha_t^2 v + sigma_t^2).
typedef struct {
    const Schedule *schedule;
    double m[2], v;
} Line;

static void line_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    const Line *line = (const Line *)net->self;
    int i, j;
    (void)c;
    for (i = 0; i < n; i++) {
        double abar = schedule_abar(line->schedule, (int)t[i]);
        for (j = 0; j < 2; j++) {
            double centred = (double)x[2 * i + j] - sqrt(abar) * line->m[j];
            y[2 * i + j] = (real)(sqrt(1 - abar) * centred / (abar * line->v + 1 - abar));
        }
    }
}

static Net line_net(Line *line) {
    Net net = net_new(2, 2, 0);
    net.forward = line_forward;
    net.self = line;
    return net;
}

// Mean and variance of x_0 of the chain, and the gain d E[x_0|x_T] / d x_T, by the scalar recursion.
static void line_law(double mean[2], double *var, double *gain, const Line *line, const Chain *chain) {
    int k, j;
    mean[0] = mean[1] = 0;
    *var = 1;
    *gain = 1;
    for (k = chain->T - 1; k >= 0; k--) {
        double abar = schedule_abar(line->schedule, k), d = sqrt(1 - abar) / (abar * line->v + 1 - abar);
        double slope = chain->step[k].a + chain->step[k].b * d;
        for (j = 0; j < 2; j++) {
            mean[j] = slope * mean[j] - chain->step[k].b * d * sqrt(abar) * line->m[j];
        }
        *var = slope * slope * *var + chain->step[k].sigma * chain->step[k].sigma;
        *gain *= slope;
    }
}

// Masses of N(mean, var I) by libm.
static void gaussian_cells(double *p, const Grid *g, const double mean[2], double var) {
    size_t i;
    for (i = 0; i < grid_cells(g); i++) {
        double x[2];
        grid_point(x, g, i);
        x[0] -= mean[0];
        x[1] -= mean[1];
        p[i] = exp(-0.5 * (x[0] * x[0] + x[1] * x[1]) / var);
    }
    grid_normalise(p, g);
}

// lambda: half log-SNR of the cleanest level; last: sigma of the step to clean data, in cells (0 for the usual chain).
static void test_line_chain(int n, double lambda, double last, double tv) {
    Schedule schedule = schedule_logsnr(20, lambda, -3.5);
    Chain chain = chain_new(&schedule);
    Grid g = grid_new(n, -4.5, 4.5);
    size_t cells = grid_cells(&g);
    double *p = NEW(double, cells), *want = NEW(double, cells), mean[2], cov[4], m[2], var, gain, extra, got;
    Line line = {NULL, {0.7, -0.4}, 0.36};
    Net net;
    ChainLaw law;
    line.schedule = &schedule;
    net = line_net(&line);
    chain.step[0].sigma = last * g.h;
    line_law(m, &var, &gain, &line, &chain);
    law = chain_law(p, &g, &net, NULL, &chain, -1);
    grid_moments(mean, cov, &g, p);
    NEAR(mean[0], m[0], 0, 2e-5);
    NEAR(mean[1], m[1], 0, 2e-5);
    extra = (cov[0] - var) / (g.h * g.h);
    CHECK(fabs(extra) < 0.006, "n %d last %g: variance gained %g h^2", n, last, extra);
    NEAR(cov[3], cov[0], 1e-3, 0);
    NEAR(cov[1], 0, 0, 1e-6);
    gaussian_cells(want, &g, m, var);
    got = tv_discrete(p, want, cells);
    CHECK(got < tv, "n %d last %g: total variation %g", n, last, got);
    CHECK(law.lost > 1e-6 && law.lost < 2e-4 && law.dropped < 1e-7, "lost %g, dropped %g", law.lost, law.dropped);
    NEAR(grid_sum(p, &g), 1, 1e-12, 0);
    CHECK(law.rows > cells && law.rows <= 60 * cells, "%lu rows", (unsigned long)law.rows);
    free(p);
    free(want);
    net_free(&net);
    chain_free(&chain);
    schedule_free(&schedule);
}

static void test_lost_mass(void) {
    Schedule schedule = schedule_logsnr(5, 3, -3.5);
    Chain chain = chain_new(&schedule);
    Grid g = grid_new(40, -1, 1); // N(0, I) has 1 - erf(1/sqrt 2)^2 = 0.534 outside
    double *p = NEW(double, grid_cells(&g)), outside = 1 - pow(erf(1 / sqrt(2)), 2);
    Line line = {NULL, {0.6, 0}, 0.04}; // and what is inside moves towards (0.6, 0)
    Net net;
    ChainLaw law;
    line.schedule = &schedule;
    net = line_net(&line);
    NEAR(chain_start(p, &g), outside, 0, 1e-3);
    law = chain_law(p, &g, &net, NULL, &chain, -1);
    CHECK(law.lost > outside + 0.1 && law.lost < 0.99, "lost %g, outside at the start %g", law.lost, outside);
    free(p);
    net_free(&net);
    chain_free(&chain);
    schedule_free(&schedule);
}

// The KL along the path of two linear denoisers with different means is a sum of constants.
static void test_path_kl(void) {
    Schedule schedule = schedule_logsnr(12, 3, -3.5);
    Chain chain = chain_new(&schedule);
    Grid g = grid_new(96, -4.5, 4.5);
    double *p = NEW(double, grid_cells(&g)), *q = NEW(double, grid_cells(&g)), want = 0, kl;
    Line line = {NULL, {0.5, 0}, 0.36}, ref = {NULL, {0, 0.3}, 0.36};
    Net net, ref_net;
    ChainLaw law;
    int k;
    line.schedule = ref.schedule = &schedule;
    net = line_net(&line);
    ref_net = line_net(&ref);
    chain.step[0].sigma = 0.15;
    chain.step[0].w_kl = step_w_kl(chain.step[0].b, chain.step[0].sigma);
    law = chain_law(p, &g, &net, &ref_net, &chain, -1);
    for (k = 0; k < chain.T; k++) {
        double abar = schedule.abar[k], d = sqrt(1 - abar) * sqrt(abar) / (abar * 0.36 + 1 - abar);
        want += 0.5 * chain.step[k].w_kl * d * d * (0.5 * 0.5 + 0.3 * 0.3);
    }
    NEAR(law.path_kl, want, 1e-4, 0); // what left the grid is missing: 1.4e-5 and a little more
    chain_law(q, &g, &ref_net, NULL, &chain, -1);
    kl = kl_discrete(p, q, grid_cells(&g));
    CHECK(kl > 0.05 && kl < law.path_kl, "KL of the ends %g, of the path %g", kl, law.path_kl);
    free(p);
    free(q);
    net_free(&net);
    net_free(&ref_net);
    chain_free(&chain);
    schedule_free(&schedule);
}

// Linear reward b'x on a linear chain: x_0 given x_T has variance u, the optimum shifts the mean by u b / beta and has
// J = b'E[x_0] + |b|^2 u / (2 beta); the start is kept.
static void test_chain_optimum(void) {
    Schedule schedule = schedule_logsnr(10, 2, -0.5); // ends at abar 0.27: the start remembers much of x_0
    Chain chain = chain_new(&schedule);
    Grid g = grid_new(120, -5, 5);
    size_t cells = grid_cells(&g);
    double *star = NEW(double, cells), *tilt = NEW(double, cells), *r = NEW(double, cells), *p = NEW(double, cells);
    double m[2], var, gain, u, beta = 0.5, mean[2], cov[4];
    QuadReward reward = linear_reward_new(0.5, -0.2);
    Line line = {NULL, {0.3, 0.1}, 0.36};
    ChainOptimum best;
    TiltPoint free_start;
    Net net;
    line.schedule = &schedule;
    net = line_net(&line);
    chain.step[0].sigma = 0.1;
    line_law(m, &var, &gain, &line, &chain);
    u = var - gain * gain;
    grid_reward(r, &g, quad_point_reward, -1, &reward);
    best = chain_optimum(star, r, beta, &g, &net, &chain, -1);
    grid_moments(mean, cov, &g, star);
    NEAR(mean[0], m[0] + u * 0.5 / beta, 0, 2e-3);
    NEAR(mean[1], m[1] + u * -0.2 / beta, 0, 2e-3);
    NEAR(cov[0], var, 1e-2, 0);
    NEAR(best.j, 0.5 * m[0] - 0.2 * m[1] + 0.29 * u / (2 * beta), 0, 2e-3);
    NEAR(best.reward, table_mean(NULL, star, r, cells), 1e-12, 0);
    NEAR(best.path_kl, 0.29 * u / (2 * beta * beta), 1e-2, 0);
    CHECK(best.lost < 1e-3, "lost %g", best.lost);
    chain_law(p, &g, &net, NULL, &chain, -1);
    free_start = tilt_discrete_point(tilt, p, r, beta, cells);
    CHECK(free_start.objective > best.j + 0.01, "free start %g, kept start %g", free_start.objective, best.j);
    NEAR(free_start.objective - best.j, 0.29 * (var - u) / (2 * beta), 0, 2e-3); // exactly what the start withholds
    free(star);
    free(tilt);
    free(r);
    free(p);
    net_free(&net);
    chain_free(&chain);
    schedule_free(&schedule);
}

// The exact denoiser of a ring prompt; one noised mixture per level.
typedef struct {
    const Schedule *schedule;
    Gmm *noised;
} RingDenoiser;

static void ring_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    const RingDenoiser *d = (const RingDenoiser *)net->self;
    int i;
    (void)c;
    for (i = 0; i < n; i++) {
        double p[2], eps[2];
        p[0] = (double)x[2 * i];
        p[1] = (double)x[2 * i + 1];
        gmm_eps(eps, &d->noised[(int)t[i]], p, sqrt(1 - d->schedule->abar[(int)t[i]]));
        y[2 * i] = (real)eps[0];
        y[2 * i + 1] = (real)eps[1];
    }
}

// The ring: the law on the grid against 20,000 sampled chains.
static void test_ring_chain(void) {
    enum { N = 20000, T = 12 };
    Ring ring = ring_new();
    Gmm gmm = ring_gmm(&ring, 0), noised[T];
    Schedule schedule = schedule_logsnr(T, 2.5, -3.5);
    Chain chain = chain_new(&schedule);
    Grid g = grid_new(144, -4.5, 4.5);
    RingDenoiser denoiser;
    Net net = net_new(2, 2, 0);
    double *p = NEW(double, grid_cells(&g)), *r = NEW(double, grid_cells(&g)), *reward = NEW(double, N);
    double grid_share[RING_MODES], share[RING_MODES], mean[2], cov[4], sum = 0, square = 0, var;
    real *x = NEW(real, 2 * N);
    Bump bump = bump_new();
    size_t i;
    int k, axis;
    for (k = 0; k < T; k++) {
        noised[k] = gmm_new(gmm.K);
        gmm_noised(&noised[k], &gmm, sqrt(schedule.abar[k]), sqrt(1 - schedule.abar[k]));
    }
    denoiser.schedule = &schedule;
    denoiser.noised = noised;
    net.forward = ring_forward;
    net.self = &denoiser;
    chain_law(p, &g, &net, NULL, &chain, -1);
    chain_sample(x, NULL, &net, &chain, NULL, N, SEED, STREAM_CHAIN);
    ring_grid_modes(grid_share, &g, &ring, p);
    ring_mode_fractions(share, &ring, x, N);
    for (k = 0; k < 2; k++) {
        AGREES(share[k], sqrt(0.25 / N), grid_share[k]);
    }
    grid_moments(mean, cov, &g, p);
    for (axis = 0; axis < 2; axis++) {
        double s1 = 0, s2 = 0, s4 = 0;
        for (i = 0; i < N; i++) {
            double d = (double)x[2 * i + (size_t)axis] - mean[axis];
            s1 += d / N;
            s2 += d * d / N;
            s4 += d * d * d * d / N;
        }
        AGREES(s1, sqrt(s2 / N), 0);
        AGREES(s2, sqrt((s4 - s2 * s2) / N), cov[3 * axis]);
    }
    grid_reward(r, &g, bump_reward, 0, &bump);
    point_rewards(reward, x, NULL, N, bump_reward, &bump);
    for (i = 0; i < N; i++) {
        sum += reward[i] / N;
        square += reward[i] * reward[i] / N;
    }
    AGREES(sum, sqrt((square - sum * sum) / N), table_mean(&var, p, r, grid_cells(&g)));
    NEAR(var, square - sum * sum, 0.05, 0);
    for (k = 0; k < T; k++) {
        gmm_free(&noised[k]);
    }
    gmm_free(&gmm);
    free(p);
    free(r);
    free(reward);
    free(x);
    net_free(&net);
    chain_free(&chain);
    schedule_free(&schedule);
}

int main(void) {
    test_line_chain(96, 1, 0, 8e-4);   // no noise in the last step, which shrinks space by a quarter: 4e-4
    test_line_chain(192, 1, 0, 8e-4);  // 5e-4
    test_line_chain(96, 3, 0, 2e-4);   // no noise, nearly the identity: 6e-5
    test_line_chain(96, 3, 0.5, 2e-4); // four points with noise
    test_line_chain(96, 3, 0.74, 2e-4);
    test_line_chain(96, 3, 0.76, 5e-5); // Gaussian weights: 9e-6
    test_line_chain(96, 3, 1.5, 5e-5);
    test_lost_mass();
    test_path_kl();
    test_chain_optimum();
    test_ring_chain();
    return report("test_chain_law");
}
