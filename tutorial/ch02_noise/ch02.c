// ch02.c: noise.  Why must the last noisy point forget the data, and what does a schedule decide?
//
// The variance law is measured at every level.  Then the ring, whose noisy laws are closed forms, says exactly what a
// chain loses that stops too early, and when the prompt is forgotten: at one log-SNR, in nine schedules.
#include "../../ref/formula/forward.h"
#include "../../ref/show/cli.h"
#include "../../ref/show/svg.h"
#include "../../toy/world/forget.h"
#include "../../toy/world/paths.h"

enum { LENGTHS = 6, DRAWS = 8000, GUESSES = 8000, BINS = 40, POINTS = 41 };
enum { STREAM_DATA = 1, STREAM_NOISE = 100000, STREAM_GUESS = 200000, STREAM_LAST = 300000 };
#define FORGOTTEN 0.05 // a chain whose last alpha is larger is refused

static uint64_t seed = 1;
static Ring ring;
static Paths paths; // tables of 1000 levels

// Dies when the last level still remembers the data, unless that is allowed.
static void refuse_memory(const Schedule *s, int allowed) {
    if (!allowed) {
        schedule_require_noise(s, FORGOTTEN);
    }
}

// ---- 1. the variance law -------------------------------------------------------------------------------------------

typedef void Forward(real *x_t, const real *x0, const real *eps, double abar, size_t n);

// WRONG on purpose: 1 - abar, a variance, where its root belongs.
static void no_root(real *x_t, const real *x0, const real *eps, double abar, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x_t[i] = (real)(alpha_of(abar) * x0[i] + (1 - abar) * eps[i]);
    }
}

// The mean square of one coordinate of x_t over DRAWS points, minus abar Var(x_0) + 1 - abar, in standard errors.
static double variance_z(const char *what, Forward *forward, const Schedule *s, int t, int printed) {
    static real x0[2 * DRAWS], eps[2 * DRAWS], x_t[2 * DRAWS];
    double abar = s->abar[t], got = 0, var0, var, fourth;
    Ring noised = ring_noised(&ring, alpha_of(abar), sigma_of(abar));
    ring_coordinate(&var0, &fourth, &ring);
    ring_coordinate(&var, &fourth, &noised);
    ring_batch(x0, NULL, NULL, DRAWS, &ring, seed, STREAM_DATA + (uint64_t)t, 0);
    rng_fill_normal(eps, 2 * DRAWS, seed, STREAM_NOISE + (uint64_t)t, 0);
    forward(x_t, x0, eps, abar, 2 * DRAWS);
    for (int i = 0; i < DRAWS; i++) {
        got += (double)x_t[2 * i] * (double)x_t[2 * i] / DRAWS;
    }
    if (printed) {
        printf("%s_%d %.4f\n", what, t + 1, got);
        printf("%s_law_%d %.4f\n", what, t + 1, abar * var0 + 1 - abar);
    }
    return (got - (abar * var0 + 1 - abar)) / sqrt((fourth - var * var) / DRAWS);
}

// Starts at x_0 and takes one small step after the other: how far is the result from the jump (fwd.marginal)?
static double closure_error(const Schedule *s) {
    double mean = 1, var = 0, worst = 0; // x_t = mean x_0 + N(0, var)
    for (int t = 0; t < s->T; t++) {
        double beta = schedule_beta(s, t);
        mean *= sqrt(1 - beta);
        var = (1 - beta) * var + beta;
        worst = fmax(worst, fmax(fabs(mean - alpha_of(s->abar[t])), fabs(var - (1 - s->abar[t]))));
    }
    return worst;
}

// ---- 3. what x_t still knows ---------------------------------------------------------------------------------------

// The share of samples whose prompt the best guess finds; x_t is made by the path's own alpha and sigma.
static double sampled_accuracy(int path, double s, int n) {
    static real x0[2 * GUESSES], eps[2 * GUESSES], x_t[2 * GUESSES];
    static int prompt[GUESSES];
    double alpha, sigma, hits = 0;
    uint64_t stream = STREAM_GUESS + 1000 * (uint64_t)path + 2 * (uint64_t)(100 * s + 0.5);
    path_at(&alpha, &sigma, &paths, path, s);
    Ring noised = ring_noised(&ring, alpha, sigma);
    ring_batch(x0, prompt, NULL, (size_t)n, &ring, seed, stream, 0);
    rng_fill_normal(eps, 2 * (size_t)n, seed, stream + 1, 0);
    forward_noise_path(x_t, x0, eps, alpha, sigma, 2 * (size_t)n);
    for (int i = 0; i < n; i++) {
        double x[2] = {x_t[2 * i], x_t[2 * i + 1]};
        hits += ring_best_prompt(&noised, x) == prompt[i];
    }
    return hits / n;
}

// ---- the picture ---------------------------------------------------------------------------------------------------

// Histogram of x_T along the direction of prompt 0, for samples of that prompt, under the curve of N(0, 1).
static void panel(Svg *s, double abar) {
    double at[BINS], height[BINS] = {0}, curve[BINS], x[2], width = 8.0 / BINS;
    char label[40];
    s->x0 = -4;
    s->x1 = 4;
    s->y0 = 0;
    s->y1 = 1.3;
    for (uint64_t i = 0; i < GUESSES; i++) {
        ring_sample(x, &ring, 0, seed, STREAM_LAST, i);
        double u = alpha_of(abar) * (x[0] * e_cos(PI / 8) + x[1] * e_sin(PI / 8));
        int k = (int)floor((u + sigma_of(abar) * rng_normal(seed, STREAM_LAST + 1, i) + 4) / width);
        if (k >= 0 && k < BINS) {
            height[k] += 1 / (width * GUESSES);
        }
    }
    for (int k = 0; k < BINS; k++) {
        at[k] = -4 + (k + 0.5) * width;
        curve[k] = e_exp(-0.5 * at[k] * at[k]) / sqrt(2 * PI);
    }
    svg_bars(s, at, height, BINS, width, palette_category(4), "");
    svg_line(s, at, curve, BINS, palette_category(1), "");
    snprintf(label, sizeof label, "alpha = %.3f", alpha_of(abar));
    svg_text(s, -3.8, 1.1, 's', INK, label);
}

static void draw(const char *folder) {
    static const int T[4] = {10, 50, 200, 1000}, color[PATHS] = {0, 1, 2, 0, 4, 0, 3, 7, 5};
    double t[POINTS], lambda[PATHS][POINTS], bits[PATHS][POINTS], alpha, sigma;
    Svg s = svg_new(900, 760, "What the last level remembers, and when the prompt is forgotten");
    char path[PATH_LENGTH], title[40];
    for (int k = 0; k < 12; k++) {
        Paths some = paths_new(T[k % 4]); // row by row: the first three paths
        svg_panel(&s, 110 + 195 * (k % 4), 58 + 104 * (k / 4), 180, 92);
        panel(&s, some.table[k / 4].abar[T[k % 4] - 1]);
        snprintf(title, sizeof title, "T = %d", T[k % 4]);
        svg_label(&s, s.left + 90, s.top - 8, 'm', 14, INK, k < 4 ? title : "");
        svg_label(&s, 100, s.top + 58, 'e', 14, INK, k % 4 == 0 ? path_names[k / 4] : "");
        paths_free(&some);
    }
    svg_label(&s, 490, 384, 'm', 13, INK,
              "bars: x_T of one prompt, -4 to 4; curve: N(0, 1), from which sampling starts");
    svg_panel(&s, 70, 420, 385, 285);
    svg_axes(&s, 0, 1, 0, 2, "t / T: every schedule has its own curve", "bits known of the prompt");
    for (int p = 0; p < PATHS; p++) {
        for (int k = 0; k < POINTS; k++) {
            t[k] = (k + 0.2) / POINTS;
            lambda[p][k] = path_lambda(&paths, p, t[k]);
            path_at(&alpha, &sigma, &paths, p, t[k]);
            bits[p][k] = ring_guess(&ring, alpha, sigma, 48).bits; // of this path's own x_t
        }
        svg_line(&s, t, bits[p], POINTS, palette_category(color[p]),
                 p == PATH_VP || p == PATH_ZERO ? "" : path_names[p]);
    }
    svg_legend(&s, 'r');
    svg_panel(&s, 500, 420, 385, 285);
    svg_axes(&s, -5, 5, 0, 2, "half log-SNR: the same points, one curve", "");
    for (int p = 0; p < PATHS; p++) {
        svg_points(&s, lambda[p], bits[p], POINTS, 3, palette_category(color[p]), "");
    }
    folder_make(folder);
    path_join(path, folder, "picture.svg");
    svg_write(&s, path);
}

// ---- the lecture ---------------------------------------------------------------------------------------------------

int main(int argc, char **argv) {
    static const int T[LENGTHS] = {10, 50, 200, 600, 1000, 50};
    int quick = 0, steps = 1000, allow_memory = 0, numbers = 0, wrong = 0;
    const char *out = NULL;
    Option options[] = {OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out),
                        OPT_INT("steps", &steps, 10, 10000, "T of the linear schedule of section 1"),
                        OPT_FLAG("allow-memory", &allow_memory, "run although the last level remembers the data")};
    cli_parse(argc, argv, "noise: what a schedule decides, and why x_T must forget", options, COUNT(options));
    int guesses = quick ? 1000 : GUESSES, side = quick ? 64 : 128, tests = 0;
    real kept[64];
    double worst[2] = {0, 0}, square = 0, closure = 0;
    ring = ring_new();
    Schedule s = schedule_linear(steps, 1e-4, 0.02);
    refuse_memory(&s, allow_memory);
    int stride = quick ? (s.T + 49) / 50 : 1;
    paths = paths_new(1000);

    puts("# 1. Var(x_t) = abar Var(x_0) + 1 - abar, and what 1 - abar for its root does to it");
    for (int t = stride - 1; t < s.T; t += stride, tests++) {
        int shown = 4 * (t + 1) % s.T == 0 || t == stride - 1;
        double z = variance_z("variance", forward_noise, &s, t, shown);
        double slip = variance_z("no_root", no_root, &s, t, shown);
        worst[0] = fmax(worst[0], fabs(z));
        worst[1] = fmax(worst[1], fabs(slip));
        square += z * z;
    }
    for (int p = 0; p < PATH_TABLES; p++) {
        closure = fmax(closure, closure_error(&paths.table[p]));
    }
    printf("variance_worst_z %.3f\nvariance_mean_z2 %.4f\n", worst[0], square / tests);
    printf("no_root_worst_z %.1f\nclosure_error %.1e\n", worst[1], closure);
    kept[numbers++] = (real)worst[0];
    kept[numbers++] = (real)worst[1];
    wrong |= worst[0] > 5 || (steps >= 100 && worst[1] < 5) || closure > 1e-12;

    puts("# 2. a chain that stops too early: what x_T remembers, and what a perfect sampler makes of it");
    for (int k = 0; k < LENGTHS; k++) { // the last one: 50 steps again, with both ends times 20
        double scale = k < LENGTHS - 1 ? 1 : 20;
        Schedule chain = schedule_linear(T[k], scale * 1e-4, scale * 0.02);
        char at[24];
        double abar = chain.abar[chain.T - 1];
        Start all = ring_start(&ring, -1, abar, side), one = ring_start(&ring, 0, abar, side);
        snprintf(at, sizeof at, "%s%d", scale == 1 ? "" : "repaired_", chain.T);
        printf("alpha_%s %.6f\nstart_kl_all_%s %.3g\n", at, sqrt(abar), at, all.start_kl);
        printf("start_kl_%s %.3g\nstart_mmd2_%s %.3g\n", at, one.start_kl, at, one.start_mmd2);
        printf("cost_kl_%s %.3g\ncost_tv_%s %.5f\n", at, one.cost_kl, at, one.cost_tv);
        printf("cost_tv_all_%s %.5f\npull_%s %.5f\n", at, all.cost_tv, at, one.pull);
        kept[numbers++] = (real)one.cost_tv;
        wrong |= one.cost_kl > one.start_kl || one.cost_tv > one.start_tv + 1e-9 || all.cost_kl > all.start_kl + 1e-12;
        schedule_free(&chain);
    }

    puts("# 3. when the prompt is forgotten: one level of the log-SNR, many times t");
    Ring by_mode = {RING_MODES, RING_MODES, RING_RADIUS, RING_STD};
    double half = ring_lambda_of(&ring, 0.5, 64), most = ring_lambda_of(&ring, 0.9, 64);
    double little = ring_lambda_of(&ring, 0.1, 64), blind = ring_lambda_of(&ring, 0.01, 64), far = 0;
    printf("lambda_half %.4f\nlambda_half_mode %.4f\n", half, ring_lambda_of(&by_mode, 0.5, 64));
    printf("lambda_90 %.4f\nlambda_10 %.4f\nlambda_1 %.4f\n", most, little, blind);
    printf("accuracy_half %.4f\n", ring_guess_at(&ring, half, side).accuracy);
    for (int p = 0; p < PATHS; p++) {
        const char *who = path_names[p];
        for (int k = 1; k <= 3; k++) { // a quarter, a half, three quarters of the way
            double lambda = path_lambda(&paths, p, 0.25 * k), exact = ring_guess_at(&ring, lambda, side).accuracy;
            double got = sampled_accuracy(p, 0.25 * k, guesses);
            printf("lambda_%s_%d %.3f\n", who, 25 * k, lambda);
            printf("accuracy_%s_%d %.4f\nexact_%s_%d %.4f\n", who, 25 * k, got, who, 25 * k, exact);
            far = fmax(far, fabs(got - exact) / sqrt(exact * (1 - exact) / guesses));
            kept[numbers++] = (real)got;
        }
        printf("memory_%s %.5f\n", who, path_memory(&paths, p, 1));
        printf("deciding_percent_%s %.1f\n", who, 100 * path_share(&paths, p, little, most, 1000));
        printf("blind_percent_%s %.1f\n", who, 100 * path_share(&paths, p, -INFINITY, blind, 1000));
    }
    printf("collapse_worst_z %.3f\n", far);
    wrong |= far > 4.5;

    puts("# 4. the first step of sampling divides by sqrt(1 - beta_T)");
    for (int p = 0; p < PATH_TABLES; p += p + 1 == PATH_ZERO ? 2 : 1) { // beta_T = 1 there: the division is by 0
        printf("first_gain_%s %.4f\n", path_names[p], 1 / sqrt(1 - schedule_beta(&paths.table[p], 999)));
        printf("second_gain_%s %.4f\n", path_names[p], 1 / sqrt(1 - schedule_beta(&paths.table[p], 998)));
    }
    double cosine = paths.table[PATH_COSINE].abar[499], root = e_cos(PI * 0.254 / 1.008) / e_cos(PI * 0.004 / 1.008);
    printf("cosine_half %.6f\ncosine_half_exact %.6f\ncosine_half_no_square %.6f\n", cosine, root * root, root);
    wrong |= fabs(cosine - root * root) > 1e-9;
    if (out != NULL) {
        draw(out);
    }
    printf("inspect %.3f variance_worst_z\nexpect 0 to 5\n", worst[0]);
    printf("hash %016llx\n", (unsigned long long)hash_reals(HASH_START, kept, (size_t)numbers));
    schedule_free(&s);
    paths_free(&paths);
    return wrong;
}
