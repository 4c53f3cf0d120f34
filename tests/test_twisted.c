// test_twisted.c: the samplers that steer a chain without training, on chains whose tilted law is known: a linear one
// in closed form, a mixture on a grid.
#include "harness.h"

#include "../toy/feedback/twists.h"
#include "../toy/model/mixture.h"
#include "../toy/world/chain_law.h"
#include "../toy/world/chain_optimum.h"

enum { SEED = 11, STREAM_RUN = 1, STREAM_PICK = 3, STREAM_OTHER = 5, T = 6, KINDS = 5 };

typedef struct {
    QuadWorth worth; // first: the callbacks of twists.h take the same pointer
    Schedule schedule;
    Chain chain;
    Net net;
    QuadTwist *V[2]; // exact values of a linear chain, an axis each, or NULL: guess r(x0hat)
} World;

// ---- what a noisy state is worth -----------------------------------------------------------------------------------

static void guess(double *v, const real *x, const real *eps, int k, const int *c, int n, void *user) {
    World *w = (World *)user;
    if (w->V[0] == NULL) {
        quad_guess(v, x, eps, k, c, n, user);
        return;
    }
    for (int i = 0; i < n; i++) {
        v[i] = quad_twist_at(&w->V[0][k + 1], (double)x[2 * i]) + quad_twist_at(&w->V[1][k + 1], (double)x[2 * i + 1]);
        v[i] *= w->worth.beta * w->worth.scale;
    }
}

static void guess_slope(real *g, const real *x, const real *eps, int k, const int *c, int n, void *user) {
    World *w = (World *)user;
    if (w->V[0] == NULL) {
        quad_guess_slope(g, x, eps, k, c, n, user);
        return;
    }
    for (int i = 0; i < 2 * n; i++) {
        g[i] = (real)(w->worth.beta * quad_twist_slope(&w->V[i % 2][k + 1], (double)x[i]));
    }
}

static Twist twist_of(World *w, FkPotential kind, double resample_below, int lean) {
    Twist twist = {quad_rewards, guess, lean ? guess_slope : NULL, w, w->worth.beta, kind, resample_below, 1};
    return twist;
}

// K components, half log-SNR at the start `last`; the last step keeps a little noise, so that all steps can be tilted.
static World *world_new(int K, const double *weight, const double *mu, const double *width, double beta, double last) {
    World *w = NEW(World, 1);
    w->schedule = schedule_logsnr(T, 2, last);
    w->chain = chain_new(&w->schedule);
    w->chain.step[0].sigma = 0.15;
    w->net = mixture_new(K, 2, weight, mu, width, NULL, &w->schedule);
    w->worth.net = &w->net;
    w->worth.schedule = &w->schedule;
    w->worth.r = bowl_reward_new(0.5, 0.4, 1.1);
    w->worth.beta = beta;
    w->worth.scale = 1;
    return w;
}

static void world_free(World *w) {
    net_free(&w->net);
    chain_free(&w->chain);
    schedule_free(&w->schedule);
    free(w);
}

// ---- what a run says -----------------------------------------------------------------------------------------------

typedef struct {
    double z, z_se, z_var; // E[Z^], relative variance of Z^
    double e_r, e_r_se;    // E*[r] from all crowds, each weighted by its Z^
} Said;

static Said said(const TwistedRun *run, World *w) {
    int n = run->groups;
    double *r = NEW(double, (size_t)n *(size_t)run->N), z = 0, zz = 0, zr = 0, spread = 0;
    double *mean = NEW(double, (size_t)n);
    Said s;
    quad_rewards(r, run->x0, NULL, n * run->N, w);
    for (int g = 0; g < n; g++) {
        double Z = exp(run->log_z[g]);
        mean[g] = weighted_mean(NULL, run->W + g * run->N, r + g * run->N, (size_t)run->N);
        z += Z / n;
        zz += Z * Z / n;
        zr += Z * mean[g] / n;
    }
    s.z = z;
    s.z_se = sqrt((zz - z * z) / n);
    s.z_var = zz / (z * z) - 1;
    s.e_r = zr / z;
    for (int g = 0; g < n; g++) {
        double miss = exp(run->log_z[g]) / z * (mean[g] - s.e_r);
        spread += miss * miss / n;
    }
    s.e_r_se = sqrt(spread / n);
    free(r);
    free(mean);
    return s;
}

static Said run_said(World *w, FkPotential kind, double resample_below, int lean, int groups, int N) {
    Twist twist = twist_of(w, kind, resample_below, lean);
    TwistedRun run = twisted_run(&w->net, &w->chain, &twist, NULL, groups, N, SEED, STREAM_RUN);
    Said s = said(&run, w);
    size_t leaning = lean ? (size_t)(2 * (T - 1)) : 0; // the step to clean data leans on nothing
    CHECK(run.rows == (size_t)groups * (size_t)N * (T + leaning), "%zu evaluations", run.rows);
    twisted_free(&run);
    return s;
}

static double mean_reward(double *se, World *w, const real *x, int n) {
    double *r = NEW(double, (size_t)n), mean = 0, square = 0;
    quad_rewards(r, x, NULL, n, w);
    for (int i = 0; i < n; i++) {
        mean += r[i] / n;
        square += r[i] * r[i] / n;
    }
    free(r);
    *se = sqrt((square - mean * mean) / n);
    return mean;
}

// ---- one Gaussian: the chain is linear, everything is a closed form ------------------------------------------------

typedef struct {
    double a[T], c[T], s[T];
    LinearChain chain;
    QuadTwist V[T + 1];
    LinearOptimum best;
} Axis;

static void axis_fill(Axis *x, const World *w, double mu, double width, double r_b) {
    QuadTwist r = quad_twist(w->worth.r.A[0], r_b, w->worth.beta);
    Normal1 start = {0, 1};
    for (int k = 0; k < T; k++) {
        double abar = schedule_abar(&w->schedule, k), v = abar * width * width + 1 - abar;
        StepCoeffs step = w->chain.step[k];
        x->a[k] = step.a + step.b * sqrt(1 - abar) / v; // eps = sigma (x - alpha mu)/v
        x->c[k] = -step.b * sqrt(1 - abar) * sqrt(abar) * mu / v;
        x->s[k] = step.sigma;
    }
    x->chain.K = T;
    x->chain.a = x->a;
    x->chain.c = x->c;
    x->chain.s = x->s;
    linear_values(x->V, &r, &x->chain);
    x->best = linear_optimum(x->V, w->worth.beta, &x->chain, start);
}

// E[r] of two independent normal axes.
static double normal_reward(const World *w, Normal1 x, Normal1 y) {
    double at[2] = {x.mean, y.mean};
    return quad_reward(&w->worth.r, at) - 0.5 * w->worth.r.A[0] * (x.var + y.var);
}

static void test_line(void) {
    enum { N = 16, GROUPS = 1000, MANY = 4000 };
    double one[1] = {1}, mu[2] = {-0.6, 0.3}, width[1] = {0.5}, se, mean;
    World *w = world_new(1, one, mu, width, 0.25, -0.4);
    Axis x, y;
    Normal1 law[2][T + 1], start = {0, 1};
    real *x0 = NEW(real, 2 * MANY), *plain = NEW(real, 2 * MANY);
    axis_fill(&x, w, mu[0], width[0], w->worth.r.b[0]);
    axis_fill(&y, w, mu[1], width[0], w->worth.r.b[1]);
    double Z = exp(x.best.log_z + y.best.log_z + w->worth.r.c / w->worth.beta);
    double e_r = normal_reward(w, x.best.end, y.best.end);

    w->V[0] = x.V;
    w->V[1] = y.V;
    // the values do not know the constant of r: the last weight repairs that as well
    Said exact = run_said(w, FK_DIFFERENCE, 1, 0, GROUPS, N);
    AGREES(exact.z, exact.z_se, Z);
    AGREES(exact.e_r, exact.e_r_se, e_r);
    Said leaning = run_said(w, FK_DIFFERENCE, 1, 1, GROUPS, N);
    AGREES(leaning.z, leaning.z_se, Z);
    AGREES(leaning.e_r, leaning.e_r_se, e_r);
    w->worth.scale = 0;
    Said blind = run_said(w, FK_DIFFERENCE, 1, 0, GROUPS, N);
    AGREES(blind.z, blind.z_se, Z);
    AGREES(blind.e_r, blind.e_r_se, e_r);
    w->worth.scale = -0.5;
    Said wrong = run_said(w, FK_DIFFERENCE, 1, 0, GROUPS, N); // a wrong guess costs variance and nothing else
    AGREES(wrong.z, wrong.z_se, Z);
    AGREES(wrong.e_r, wrong.e_r_se, e_r);
    CHECK(leaning.z_var < 0.6 * exact.z_var && exact.z_var < 0.95 * blind.z_var && blind.z_var < 0.5 * wrong.z_var,
          "variance of Z^: leaning %g, exact %g, blind %g, wrong %g", leaning.z_var, exact.z_var, blind.z_var,
          wrong.z_var);
    CHECK(exact.z_se / Z < 0.02, "standard error %g: too wide to reject anything", exact.z_se / Z);

    // SVDD: one candidate is the chain; many, with exact values, are the best chain with a kept start
    w->worth.scale = 1;
    Twist twist = twist_of(w, FK_DIFFERENCE, 1, 1);
    size_t rows = svdd_sample(x0, &w->net, &w->chain, &twist, NULL, MANY, 1, SEED, STREAM_OTHER);
    chain_sample(plain, NULL, &w->net, &w->chain, NULL, MANY, SEED, STREAM_OTHER);
    CHECK(memcmp(x0, plain, 2 * MANY * sizeof(real)) == 0, "one candidate is not the chain");
    CHECK(rows == MANY * T, "%zu evaluations", rows);
    mean = mean_reward(&se, w, x0, MANY);
    linear_laws(law[0], &x.chain, start);
    linear_laws(law[1], &y.chain, start);
    double reference = normal_reward(w, law[0][0], law[1][0]);
    double kept = normal_reward(w, x.best.end_fixed, y.best.end_fixed), gap[3];
    AGREES(mean, se, reference);
    for (int m = 0; m < 3; m++) {
        int M = m == 0 ? 2 : m == 1 ? 8 : 32;
        rows = svdd_sample(x0, &w->net, &w->chain, &twist, NULL, MANY, M, SEED, STREAM_OTHER);
        CHECK(rows == (size_t)MANY * (size_t)(1 + M * (T - 1)), "%zu evaluations", rows);
        gap[m] = kept - mean_reward(&se, w, x0, MANY);
    }
    CHECK(gap[0] > 8 * se && gap[1] > 4 * se && gap[0] > 2.5 * gap[1], "gaps %g %g, standard error %g", gap[0], gap[1],
          se);
    AGREES(gap[2], se, 0);
    CHECK(e_r - kept > 8 * se, "a free start %g earns no more than a kept one %g", e_r, kept);
    twist.beta = 0; // the best candidate by value, greedily
    svdd_sample(x0, &w->net, &w->chain, &twist, NULL, MANY, 8, SEED, STREAM_OTHER);
    CHECK(mean_reward(&se, w, x0, MANY) > kept + 8 * se, "greedy does not earn more");

    // steps that lean and are not corrected: again a linear chain, x' = m + sigma^2 (q - P m)
    twist.beta = w->worth.beta;
    rows = chain_guided(x0, &w->net, &w->chain, &twist, NULL, MANY, SEED, STREAM_OTHER);
    CHECK(rows == (size_t)MANY * (3 * T - 2), "%zu evaluations", rows);
    for (int k = 1; k < T; k++) {
        double v = x.s[k] * x.s[k];
        x.c[k] = x.c[k] * (1 - v * x.V[k].P) + v * x.V[k].q;
        x.a[k] *= 1 - v * x.V[k].P;
        y.c[k] = y.c[k] * (1 - v * y.V[k].P) + v * y.V[k].q;
        y.a[k] *= 1 - v * y.V[k].P;
    }
    linear_laws(law[0], &x.chain, start);
    linear_laws(law[1], &y.chain, start);
    mean = mean_reward(&se, w, x0, MANY);
    AGREES(mean, se, normal_reward(w, law[0][0], law[1][0]));
    free(x0);
    free(plain);
    world_free(w);
}

// ---- a mixture: the law of the chain on a grid --------------------------------------------------------------------

static void test_mixture(void) {
    enum { N = 24, GROUPS = 500 };
    static const FkPotential kind[KINDS] = {FK_DIFFERENCE, FK_DIFFERENCE, FK_MAX, FK_SUM, FK_DIFFERENCE};
    static const double below[KINDS] = {1, 0.5, 0.5, 0.5, 0.5};
    static const double scale[KINDS] = {1, 1, 1, 0.2, 1}; // six full guesses would be far too strong
    static const int lean[KINDS] = {0, 0, 0, 0, 1};
    double weight[3] = {0.5, 0.3, 0.2}, mu[6] = {-1.3, 0.4, 1, 1.1, 0.5, -0.9}, width[3] = {0.45, 0.4, 0.35};
    World *w = world_new(3, weight, mu, width, 0.7, -1.5);
    Grid g = grid_new(90, -4.5, 4.5);
    double *p = NEW(double, grid_cells(&g)), *r = NEW(double, grid_cells(&g)), *star = NEW(double, grid_cells(&g));
    ChainLaw law = chain_law(p, &g, &w->net, NULL, &w->chain, -1);
    TiltPoint best = grid_tilt(star, r, p, &g, quad_point_reward, -1, &w->worth.r, w->worth.beta);
    ChainOptimum kept = chain_optimum(star, r, w->worth.beta, &g, &w->net, &w->chain, -1);
    real *x0 = NEW(real, 2 * GROUPS);
    CHECK(law.lost + law.dropped < 1e-4 && best.objective > kept.j, "grid: lost %g", law.lost + law.dropped);
    for (int i = 0; i < KINDS; i++) {
        w->worth.scale = scale[i];
        Said s = run_said(w, kind[i], below[i], lean[i], GROUPS, N);
        AGREES(s.z, s.z_se, exp(best.log_z));
        AGREES(s.e_r, s.e_r_se, best.e_r);
        CHECK(s.z_se < 0.05 * exp(best.log_z) && s.e_r_se < 0.1 * (best.e_r - table_mean(NULL, p, r, grid_cells(&g))),
              "kind %d: errors %g and %g reject nothing", i, s.z_se, s.e_r_se);
    }

    // crowds that never resample keep their ancestors and their noise; one that does has fewer of them
    Twist twist = twist_of(w, FK_DIFFERENCE, 0, 0);
    TwistedRun run = twisted_run(&w->net, &w->chain, &twist, NULL, 1, N, SEED, STREAM_RUN);
    real *plain = NEW(real, 2 * N);
    chain_sample(plain, NULL, &w->net, &w->chain, NULL, N, SEED, STREAM_RUN);
    CHECK(memcmp(plain, run.x0, 2 * N * sizeof(real)) == 0, "a crowd that never resamples is not the chain");
    double all_r[N], sum = 0;
    quad_rewards(all_r, plain, NULL, N, w);
    for (int i = 0; i < N; i++) {
        CHECK(run.ancestor[i] == i, "ancestor of %d is %d", i, run.ancestor[i]);
        sum += exp(all_r[i] / w->worth.beta) / N;
    }
    NEAR(exp(run.log_z[0]), sum, 1e-10, 0); // plain importance sampling, whatever was guessed on the way
    NEAR(run.ess[0], reweight(NULL, all_r, w->worth.beta, N).ess, 1e-9, 0);
    twisted_free(&run);

    twist = twist_of(w, FK_DIFFERENCE, 1, 0);
    run = twisted_run(&w->net, &w->chain, &twist, NULL, GROUPS, N, SEED, STREAM_RUN);
    double families = 0;
    for (int c = 0; c < GROUPS; c++) {
        int seen[N] = {0};
        for (int i = 0; i < N; i++) {
            seen[run.ancestor[c * N + i]] = 1;
        }
        for (int i = 0; i < N; i++) {
            families += (double)seen[i] / GROUPS;
        }
    }
    CHECK(families > 1 && families < 0.7 * N, "%g of %d families survive", families, N);
    twisted_free(&run);

    // one particle a crowd, drawn by the weights of its own crowd: on average it earns what the weights say
    twist = twist_of(w, FK_DIFFERENCE, 0, 0);
    run = twisted_run(&w->net, &w->chain, &twist, NULL, GROUPS, N, SEED, STREAM_RUN);
    twisted_pick(x0, &run, 2, SEED, STREAM_PICK);
    double *every = NEW(double, GROUPS *N), *picked = NEW(double, GROUPS), mean = 0, square = 0;
    quad_rewards(every, run.x0, NULL, GROUPS * N, w);
    quad_rewards(picked, x0, NULL, GROUPS, w);
    for (int c = 0; c < GROUPS; c++) {
        double miss = picked[c] - weighted_mean(NULL, run.W + c * N, every + c * N, N);
        mean += miss / GROUPS;
        square += miss * miss / GROUPS;
    }
    AGREES(mean, sqrt((square - mean * mean) / GROUPS), 0);
    free(every);
    free(picked);
    twisted_free(&run);
    free(plain);
    free(x0);
    free(p);
    free(r);
    free(star);
    world_free(w);
}

int main(void) {
    test_line();
    test_mixture();
    return report("test_twisted");
}
