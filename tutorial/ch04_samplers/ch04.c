// ch04.c: samplers.  How much of a result is the model, and how much is the way it was sampled?
//
// The denoiser is exact here, so every error is the sampler's own.  One step is five numbers (ref/formula/update.h), a
// sampler is a rule for them, and a ladder is a choice of noise levels: the two are free of one another.  Errors are
// measured against the solved ODE and against exact laws.  Then the sampler is left coarse, and looks like alignment.
#define real double // at 512 steps the errors of the best samplers are below the last digit of float

#include "../../ref/formula/reward_law.h"
#include "../../ref/show/cli.h"
#include "../../toy/model/race.h"
#include "../../toy/model/race_table.h"
#include "../../toy/world/ring.h"

enum { STREAM_START = 1, STREAM_CLOUD = 30, STREAM_MEMORY = 40, STREAM_PATHS = 50 };
enum { MODELS = 2, SETS = 3, PATHS = 5, PATH_STEPS = 60 };

static uint64_t seed = 1;
static Ring ring;
static Race race;
static real kept[256]; // what is hashed
static int numbers = 0;

static double keep(double v) {
    kept[numbers++] = v;
    return v;
}

// ---- the same mean, two variances -------------------------------------------------------------------------------

// Mean and variance of what n steps leave of N(1, 1/4), from pure noise to clean data, on n of 1000 linear steps.
static double variance_left(const char *name, int n) {
    Schedule schedule = schedule_linear(1000, 1e-4, 0.02);
    int steps[1000];
    schedule_spacing(steps, SPACING_TRAILING, n, schedule.T);
    Ladder ladder = ladder_schedule(&schedule, steps, n);
    double mean = 0, var = 1;
    sampler_gaussian(&mean, &var, sampler_find(name), &ladder, RACE_MEAN, RACE_VAR);
    ladder_free(&ladder);
    schedule_free(&schedule);
    return var;
}

// ---- coarse samplers fake alignment gains --------------------------------------------------------------------------

// Three overlapping Gaussians and a reward that likes a place: -|x - (1/2, 1/2)|^2 up to scale, beta 0.7.
static const double weight[3] = {0.5, 0.3, 0.2}, centre[6] = {-1.5, 0.5, 1, 1.2, 0.5, -1};
static const double spread[12] = {0.3, 0.1, 0.1, 0.2, 0.15, -0.05, -0.05, 0.25, 0.2, 0, 0, 0.1};
static const QuadReward reward = {{1.2, 0, 0, 1.2}, {0.6, 0.6}, -0.3};
#define BETA 0.7

// Mean reward of samples of a mixture by `steps` steps on a schedule of 1000; se: its standard error.
static double sampled_reward(double *se, const char *name, int steps, const Gmm *law, int rows) {
    Schedule schedule = schedule_linear(1000, 1e-4, 0.02);
    Denoiser exact = gmm_denoiser(law);
    int visited[1000];
    real *x = NEW(real, 2 * (size_t)rows);
    double mean = 0, square = 0;
    schedule_spacing(visited, SPACING_TRAILING, steps, schedule.T);
    Ladder ladder = ladder_schedule(&schedule, visited, steps);
    sampler_start(x, &ladder, 2 * (size_t)rows, seed, STREAM_CLOUD);
    sampler_run(x, NULL, sampler_find(name), &ladder, &exact, (size_t)rows, seed, STREAM_CLOUD + 1);
    for (int i = 0; i < rows; i++) {
        double r = quad_reward(&reward, x + 2 * i);
        mean += r / rows;
        square += r * r / rows;
    }
    *se = sqrt((square - mean * mean) / rows);
    free(x);
    ladder_free(&ladder);
    schedule_free(&schedule);
    return mean;
}

static int fake_gains(int rows) {
    static const char *const name[SETS] = {"ddim", "ddpm_small", "dpmpp2m"};
    Gmm model[MODELS] = {gmm_new(3), gmm_new(3)}; // the reference and the exactly aligned one
    double log_z, exact[MODELS], mean[MODELS], se[MODELS];
    int wrong = 0;
    memcpy(model[0].w, weight, sizeof weight);
    memcpy(model[0].mu, centre, sizeof centre);
    memcpy(model[0].cov, spread, sizeof spread);
    gmm_tilt(&model[1], &log_z, &model[0], &reward, BETA);
    for (int m = 0; m < MODELS; m++) {
        gmm_reward_moments(&exact[m], NULL, &model[m], &reward);
    }
    printf("reward_reference %.4f\nreward_aligned %.4f\n", exact[0], exact[1]);
    printf("true_gain %.4f\ntrue_kl %.4f\n", exact[1] - exact[0], gmm_tilt_at_reward(&model[0], &reward, exact[1]).kl);
    for (int k = 0; k < SETS; k++) {
        for (int steps = 10; steps <= 40; steps *= 2) {
            for (int m = 0; m < MODELS; m++) { // the same noise for both
                mean[m] = sampled_reward(&se[m], name[k], steps, &model[m], rows);
            }
            double fake = keep(mean[0] - exact[0]);
            printf("fake_%s_%d %.4f\nfake_se_%s_%d %.4f\n", name[k], steps, fake, name[k], steps, se[0]);
            double kl =
                fake > 0 ? gmm_tilt_at_reward(&model[0], &reward, mean[0]).kl : 0; // of a real gain of this size
            printf("fake_kl_%s_%d %.4f\n", name[k], steps, kl);
            printf("naive_%s_%d %.4f\n", name[k], steps, mean[1] - exact[0]);
            printf("fair_%s_%d %.4f\n", name[k], steps, keep(mean[1] - mean[0]));
            wrong |= k < 2 && steps <= 20 && !(fake > (rows < 8000 ? 1 : 4) * se[0]); // what this section is about
        }
    }
    gmm_free(&model[0]);
    gmm_free(&model[1]);
    return wrong;
}

// ---- there and back, and what the start decides -----------------------------------------------------------------

// From data to noise and back with n steps each way: root mean square distance from the point of departure.
static double round_trip(const char *name, int n) {
    Ladder down = race_ladder(&race, SPREAD_FLOW, n), up = ladder_reverse(&down);
    Denoiser exact = gmm_denoiser(&race.data);
    real *x = NEW(real, 2 * race.rows);
    double sum = 0;
    memcpy(x, race.end, 2 * race.rows * sizeof(real));
    sampler_run(x, NULL, sampler_find(name), &up, &exact, race.rows, seed, 0);
    sampler_run(x, NULL, sampler_find(name), &down, &exact, race.rows, seed, 0);
    for (size_t i = 0; i < 2 * race.rows; i++) {
        sum += (x[i] - race.end[i]) * (x[i] - race.end[i]);
    }
    free(x);
    ladder_free(&down);
    ladder_free(&up);
    return sqrt(sum / (double)race.rows);
}

// The share of the variance of x_0 that the start decides: `starts` starts, `repeats` runs from each with fresh noise.
static double decided_by_start(double eta, int steps, int starts, int repeats) {
    Sampler ddim = *sampler_find("ddim_half");
    Ladder ladder = race_ladder(&race, SPREAD_TIME, steps);
    Denoiser exact = gmm_denoiser(&race.data);
    size_t rows = (size_t)starts * (size_t)repeats;
    real *x = NEW(real, 2 * rows);
    double total = 0, within = 0;
    ddim.strength = eta;
    for (size_t i = 0; i < 2 * rows; i++) {
        x[i] = rng_normal(seed, STREAM_MEMORY, i / (2 * (size_t)repeats) * 2 + i % 2);
    }
    sampler_run(x, NULL, &ddim, &ladder, &exact, rows, seed, STREAM_MEMORY + 1);
    for (size_t s = 0; s < (size_t)starts; s++) {
        double mean[2] = {0, 0};
        for (size_t i = 2 * s * (size_t)repeats; i < 2 * (s + 1) * (size_t)repeats; i++) {
            mean[i % 2] += x[i] / repeats;
            total += x[i] * x[i]; // the mean over all is 0 by symmetry
        }
        for (size_t i = 2 * s * (size_t)repeats; i < 2 * (s + 1) * (size_t)repeats; i++) {
            within += (x[i] - mean[i % 2]) * (x[i] - mean[i % 2]) * repeats / (repeats - 1);
        }
    }
    free(x);
    ladder_free(&ladder);
    return 1 - within / total;
}

// ---- the picture ---------------------------------------------------------------------------------------------------

static void draw(const char *folder, const RaceRow *rows, int n) {
    static const char *const title[3] = {"eta = 0: a path", "eta = 1/2", "eta = 1: a walk"};
    Svg s = svg_new(960, 700, "Above: five starts, three samplers. Below: what an evaluation of the denoiser buys");
    Ladder ladder = race_ladder(&race, SPREAD_TIME, PATH_STEPS);
    Denoiser exact = gmm_denoiser(&race.data);
    Sampler ddim = *sampler_find("ddim_half");
    real *trace = NEW(real, (PATH_STEPS + 1) * 2 * PATHS), x[2 * PATHS], cloud[2 * 400];
    double px[PATH_STEPS + 1], py[PATH_STEPS + 1];
    char path[PATH_LENGTH];
    ring_batch(cloud, NULL, NULL, 400, &ring, seed, STREAM_PATHS, 0);
    for (int k = 0; k < 3; k++) {
        ddim.strength = 0.5 * k;
        rng_fill_normal(x, 2 * PATHS, seed, STREAM_PATHS + 1, 0);
        sampler_run(x, trace, &ddim, &ladder, &exact, PATHS, seed, STREAM_PATHS + 2);
        svg_panel(&s, 60 + 310 * k, 50, 260, 260);
        svg_axes(&s, -2.6, 2.6, -2.6, 2.6, title[k], "");
        svg_samples(&s, cloud, 400, 1.5, rgb(190, 190, 190), "");
        for (int i = 0; i < PATHS; i++) {
            for (int j = 0; j <= PATH_STEPS; j++) {
                px[j] = trace[(j * PATHS + i) * 2];
                py[j] = trace[(j * PATHS + i) * 2 + 1];
            }
            svg_line(&s, px, py, PATH_STEPS + 1, palette_category(i), "");
            svg_points(&s, px + PATH_STEPS, py + PATH_STEPS, 1, 5, palette_category(i), "");
        }
    }
    race_panels(&s, rows, n, 390);
    path_join(path, folder, "picture.svg");
    svg_write(&s, path);
    free(trace);
    ladder_free(&ladder);
}

int main(int argc, char **argv) {
    static const char *const variance[4] = {"ddpm_small", "ddpm_large", "ddim", "dpmpp2m"};
    static const char *const climbers[3] = {"ddim", "flow_midpoint", "dpmpp2m"};
    int quick = 0, table = 0, wrong = 0;
    double best = 0;
    const char *out = NULL;
    Option options[] = {OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out),
                        OPT_FLAG("table", &table, "only the table of samplers")};
    RaceRow rows[RACE_SAMPLERS];
    cli_parse(argc, argv, "samplers: how much of a result is the way it was sampled?", options, COUNT(options));
    ring = ring_new();
    race = race_new(ring_gmm(&ring, -1), path_vp(0.1, 20), 1, 1e-3, quick ? 16 : 128, seed, STREAM_START);

    puts("# every sampler: measured order, error at equal evaluations of the denoiser");
    int n = race_rows(rows, &race);
    race_print(rows, n);
    for (int i = 0; i < n; i++) {
        keep(rows[i].order);
        best = fmax(best, rows[i].order);
        wrong |= !rows[i].sampler->random && !(fabs(rows[i].order - rows[i].sampler->order) < (quick ? 0.2 : 0.1));
    }
    if (!table) {
        puts("# what n DDPM steps leave of a variance of 0.25");
        for (int k = 0; k < 4; k++) {
            for (int steps = 10; steps <= 1000; steps *= 10) {
                printf("variance_%s_%d %.4f\n", variance[k], steps, keep(variance_left(variance[k], steps)));
            }
        }
        puts("# the same samplers, 20 evaluations, on four ladders");
        for (int k = 0; k < 3; k++) {
            for (int spread = 0; spread < SPREADS; spread++) {
                int steps = sampler_steps(sampler_find(climbers[k]), 20);
                double error = race_error(NULL, &race, sampler_find(climbers[k]), (Spread)spread, steps);
                printf("ladder_%s_%s %.4f\n", climbers[k], spread_name[spread], keep(error));
            }
        }
        puts("# a coarse sampler looks like alignment");
        wrong |= fake_gains(quick ? 1000 : 8000);
        puts("# to the noise and back; what the start decides");
        for (int steps = 20; steps <= 320; steps *= 4) {
            printf("return_ddim_%d %.2e\n", steps, keep(round_trip("ddim", steps)));
            printf("return_flow_midpoint_%d %.2e\n", steps, keep(round_trip("flow_midpoint", steps)));
        }
        for (int k = 0; k <= 4; k++) {
            double share = decided_by_start(0.25 * k, 50, quick ? 50 : 500, 10);
            printf("start_decides_%d %.4f\n", 25 * k, keep(share));
        }
    }
    if (out != NULL) {
        race_write(rows, n, out);
        if (!table) {
            draw(out, rows, n);
        }
    }
    printf("inspect %.3f order_unipc2, the highest\nexpect 2.8 to 3.2\n", best);
    printf("hash %016llx\n", (unsigned long long)hash_reals(HASH_START, kept, (size_t)numbers));
    return wrong;
}
