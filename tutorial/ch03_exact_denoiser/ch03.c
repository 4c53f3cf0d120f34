// ch03.c: the exact denoiser.  What is the best possible denoiser, and what does it know?
//
// The data are the ring: eight Gaussians.  With noise on them they are still eight Gaussians, so the best denoiser is a
// closed form, and so are the score, what remains unknown, and the loss that no network can beat.  Each is compared
// with a second road to the same number.  At last the perfect denoiser goes into a sampler with few steps.
#include "../../ref/show/cli.h"
#include "../../ref/show/svg.h"
#include "../../toy/model/mixture.h"
#include "../../toy/world/chain_law.h"
#include "../../toy/world/ring.h"

enum { LEVELS = 4, SHORTEST = 4, LONGEST = 64, CELLS = 128 * 128, SIDE = 90, ARROWS = 13 };
enum { STREAM_POINTS = 1, STREAM_DATA, STREAM_NOISE };
enum { SMALL, FITTED, LARGE, RULES }; // how much noise a step of a sampler adds
#define STEP 3e-4                     // of the finite differences, in units of x

// One noise level: x_t = alpha x_0 + sigma eps.  x_0 comes from the clean mixture, and then x_t from the noised one.
typedef struct {
    Gmm noised;
    double abar, alpha, sigma;
    int percent; // 100 abar; the names of the printed numbers end with it
} Level;

static uint64_t seed = 1;
static Ring ring; // the world, filled by main
static Gmm clean; // its law, and the same as masses of the cells of a grid
static Grid grid;
static double data[CELLS];

static Level level_new(double abar) {
    Level l = {gmm_new(clean.K), abar, alpha_of(abar), sigma_of(abar), (int)(100 * abar + 0.5)};
    gmm_noised(&l.noised, &clean, l.alpha, l.sigma);
    return l;
}

static double length(double dx, double dy) {
    return sqrt(dx * dx + dy * dy);
}

// ---- three answers to the question "what was x_0?" -----------------------------------------------------------------

typedef void Denoiser(double x0[2], const Level *l, const double x[2]);

// The best one: E[x_0 | x_t], the mean of the posterior.
static void best(double x0[2], const Level *l, const double x[2]) {
    gmm_denoise(x0, &clean, x, l->alpha, l->sigma);
}

// One that commits itself: the centre of the likeliest mode, here the nearest, since weights and widths are equal.
static void commit(double x0[2], const Level *l, const double x[2]) {
    double distance;
    (void)l;
    ring_mode(x0, &ring, ring_nearest(&distance, &ring, x));
}

// WRONG on purpose: x_0 = (x - sigma eps)/alpha, but with 1 - abar where its root sigma belongs.
static void no_root(double x0[2], const Level *l, const double x[2]) {
    double eps[2];
    gmm_eps(eps, &l->noised, x, l->sigma);
    x0[0] = (x[0] - (1 - l->abar) * eps[0]) / l->alpha;
    x0[1] = (x[1] - (1 - l->abar) * eps[1]) / l->alpha;
}

// ---- second roads --------------------------------------------------------------------------------------------------

// error[0]: score against central differences of log p_t of fourth order, relative.  error[1]: posterior mean and
// covariance against what Tweedie reads off the score and its slope.  The largest of each over points from p_t.
static void compare_at_points(double error[2], const Level *l, int points) {
    static const double weight[5] = {1, -8, 0, 8, -1};
    double x[2], s[2], off[2], H[4], mean[2], cov[4], read[4];
    for (int i = 0; i < points; i++) {
        gmm_sample(x, &l->noised, seed, STREAM_POINTS, (uint64_t)i);
        gmm_score(s, &l->noised, x);
        gmm_hessian(H, &l->noised, x);
        gmm_posterior_cov(cov, mean, &clean, x, l->alpha, l->sigma);
        tweedie_cov(read, H, l->alpha, l->sigma, 2);
        for (int j = 0; j < 2; j++) {
            double x0 = (x[j] + l->sigma * l->sigma * s[j]) / l->alpha, y[2] = {x[0], x[1]};
            error[1] = fmax(error[1], fabs(x0 - mean[j]));
            error[1] = fmax(error[1], fmax(fabs(read[j] - cov[j]), fabs(read[2 + j] - cov[2 + j])));
            off[j] = -s[j];
            for (int k = -2; k <= 2; k++) {
                y[j] = x[j] + k * STEP;
                off[j] += weight[k + 2] * gmm_logp(&l->noised, y) / (12 * STEP);
            }
        }
        error[0] = fmax(error[0], length(off[0], off[1]) / length(s[0], s[1]));
    }
}

// Averages over p_t.
typedef struct {
    double floor; // 2 - sigma^2 J, J = E|s|^2: the least possible loss, summed over the two dimensions
    double mmse;  // E tr Cov[x_0|x_t], the squared error of the best denoiser
    double stein; // the largest entry of E[s], E[x s'] + I and E[H] + E[s s'], which all are 0
} Averages;

static Averages averages(const Level *l, int n) { // sums over n x n cells
    Averages a = {2, 0, 0};
    Grid g = grid_new(n, -8, 8);
    double zero[10] = {0}, x[2], s[2], H[4], cov[4], mean[2];
    for (size_t cell = 0; cell < grid_cells(&g); cell++) {
        grid_point(x, &g, cell);
        double mass = e_exp(gmm_score(s, &l->noised, x)) * g.h * g.h;
        gmm_hessian(H, &l->noised, x);
        gmm_posterior_cov(cov, mean, &clean, x, l->alpha, l->sigma);
        a.floor -= mass * (s[0] * s[0] + s[1] * s[1]) * l->sigma * l->sigma;
        a.mmse += mass * (cov[0] + cov[3]);
        for (int j = 0; j < 4; j++) { // entry j of a 2 x 2 matrix; 0 and 3 are the diagonal
            zero[j] += mass * (x[j / 2] * s[j % 2] + (j % 3 == 0));
            zero[4 + j] += mass * (H[j] + s[j / 2] * s[j % 2]);
            zero[8 + j / 2] += mass * s[j / 2];
        }
    }
    for (int j = 0; j < 10; j++) {
        a.stein = fmax(a.stein, fabs(zero[j]));
    }
    return a;
}

// Prints the mean of |eps - eps_hat|^2 over n noised data points and the share of answers near a mode.
// Returns by how many standard errors the loss lies above the floor.
static double sampled_loss(const char *name, Denoiser *denoise, const Level *l, double floor_of_loss, int n) {
    double loss = 0, square = 0, near = 0, x0[2], x[2], answer[2], distance;
    for (int i = 0; i < n; i++) {
        gmm_sample(x0, &clean, seed, STREAM_DATA, (uint64_t)i);
        for (int j = 0; j < 2; j++) {
            x[j] = l->alpha * x0[j] + l->sigma * rng_normal(seed, STREAM_NOISE, 2 * (uint64_t)i + (uint64_t)j);
        }
        denoise(answer, l, x);
        double miss = length(answer[0] - x0[0], answer[1] - x0[1]) * l->alpha / l->sigma; // = |eps - eps_hat|
        loss += miss * miss / n;
        square += miss * miss * miss * miss / n;
        ring_nearest(&distance, &ring, answer);
        near += distance <= 3 * ring.std;
    }
    double se = sqrt((square - loss * loss) / n);
    printf("%s_loss_%d %.4f\n%s_se_%d %.4f\n", name, l->percent, loss, name, l->percent, se);
    printf("%s_on_data_%d %.4f\n", name, l->percent, near / n);
    return (loss - floor_of_loss) / se;
}

// ---- the perfect denoiser in a sampler of T steps ------------------------------------------------------------------

// Total variation between the exact law of x_0 of the chain and the data, and KL(chain || data).
static double chain_error(double *kl, int T, int rule, double cleanest) {
    static double law[CELLS];
    Schedule schedule = schedule_logsnr(T, cleanest, -4);
    Chain chain = chain_new(&schedule); // with the small variance
    double s = ring.std, std[RING_MODES] = {s, s, s, s, s, s, s, s};
    for (int k = 0; k < T && rule != SMALL; k++) {
        double abar = schedule_abar(&schedule, k), before = schedule_abar(&schedule, k - 1);
        Level l = level_new(abar);
        chain.step[k].sigma = rule == LARGE ? ddpm_large_coeffs(abar, before).sigma
                                            : sqrt(optimal_variance(abar, before, averages(&l, 64).floor / 2));
        gmm_free(&l.noised);
    }
    Net net = mixture_new(RING_MODES, 2, clean.w, clean.mu, std, NULL, &schedule);
    chain_law(law, &grid, &net, NULL, &chain, -1);
    *kl = kl_discrete(law, data, grid_cells(&grid));
    net_free(&net);
    chain_free(&chain);
    schedule_free(&schedule);
    return tv_discrete(law, data, grid_cells(&grid));
}

static void draw(const char *folder, const Level level[LEVELS]) {
    Svg s = svg_new(760, 830, "The score of the ring: eight modes become one");
    Grid fine = grid_new(SIDE, -2.4, 2.4), coarse = grid_new(ARROWS, -2.4, 2.4);
    double density[SIDE * SIDE], x[2], x0[2];
    char path[PATH_LENGTH], label[40];
    for (int k = 0; k < LEVELS; k++) {
        double top = 0;
        snprintf(label, sizeof label, "abar = %.2f", level[k].abar);
        svg_panel(&s, 45 + 365 * (k % 2), 40 + 395 * (k / 2), 330, 330);
        svg_axes(&s, fine.lo, fine.hi, fine.lo, fine.hi, label, "");
        grid_gmm(density, &fine, &level[k].noised);
        for (int i = 0; i < SIDE * SIDE; i++) {
            top = fmax(top, density[i]);
        }
        svg_field(&s, density, SIDE, SIDE, 1.6 * top); // the darker part of the palette: white arrows show on it
        for (size_t cell = 0; cell < ARROWS * ARROWS; cell++) {
            grid_point(x, &coarse, cell);
            best(x0, &level[k], x);
            double dx = level[k].alpha * x0[0] - x[0], dy = level[k].alpha * x0[1] - x[1]; // sigma^2 s, by Tweedie
            double half = 0.45 * coarse.h / fmax(level[k].sigma, length(dx, dy)); // shown: sigma |s|, at most one cell
            svg_arrow(&s, x[0] - half * dx, x[1] - half * dy, x[0] + half * dx, x[1] + half * dy, PAPER);
        }
    }
    folder_make(folder);
    path_join(path, folder, "picture.svg");
    svg_write(&s, path);
}

// ---- the lecture ---------------------------------------------------------------------------------------------------

int main(int argc, char **argv) {
    static const double abar_of[LEVELS] = {0.98, 0.80, 0.50, 0.10};
    static const char *const name[RULES] = {"small", "fitted", "large"};
    int quick = 0, numbers = 0, wrong = 0;
    double cleanest = 2.5, error[2] = {0}, kl, H[4], centre[2] = {0, 0};
    const char *out = NULL;
    Option options[] = {OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out),
                        OPT_DOUBLE("cleanest", &cleanest, 1, 5, "half log-SNR of the cleanest level of the samplers")};
    cli_parse(argc, argv, "the exact denoiser: what does the best answer know?", options, COUNT(options));
    int points = quick ? 200 : 5000, draws = quick ? 4000 : 100000;
    ring = ring_new();
    clean = ring_gmm(&ring, -1);
    grid = grid_new(quick ? 64 : 128, -4.5, 4.5);
    ring_grid_ref(data, &grid, &ring, -1);
    double all = ring.radius * ring.radius + 2 * ring.std * ring.std; // E|x_0|^2
    static Level level[LEVELS];
    Averages a[LEVELS];
    real kept[64];

    puts("# 1. the closed forms by second roads: finite differences, Tweedie, Stein");
    for (int k = 0; k < LEVELS; k++) {
        level[k] = level_new(abar_of[k]);
        a[k] = averages(&level[k], quick ? 64 : 128);
        compare_at_points(error, &level[k], points);
        gmm_hessian(H, &level[k].noised, centre); // above 0: a hole in the middle of the ring
        printf("stein_error_%d %.1e\ncentre_%d %.4f\n", level[k].percent, a[k].stein, level[k].percent, H[0]);
    }
    printf("score_error %.1e\ntweedie_error %.1e\n", error[0], error[1]);

    puts("# 2. what it knows of x_0, and the loss that no denoiser can beat");
    for (int k = 0; k < LEVELS; k++) {
        double by_mmse = snr_of(level[k].abar) * a[k].mmse;
        printf("known_percent_%d %.2f\n", level[k].percent, 100 * (1 - a[k].mmse / all));
        printf("floor_%d %.4f\nfloor_by_mmse_%d %.4f\n", level[k].percent, a[k].floor, level[k].percent, by_mmse);
        kept[numbers] = (real)sampled_loss("best", best, &level[k], a[k].floor, draws);
        wrong |= !(fabs((double)kept[numbers++]) < 4);
        sampled_loss("commit", commit, &level[k], a[k].floor, draws);
        sampled_loss("no_root", no_root, &level[k], a[k].floor, draws);
    }

    puts("# 3. the perfect denoiser in a sampler of T steps: exact distance from the data");
    for (int T = SHORTEST; T <= (quick ? 16 : LONGEST); T *= 2) {
        for (int rule = 0; rule < RULES; rule++) {
            kept[numbers] = (real)chain_error(&kl, T, rule, cleanest);
            printf("tv_%s_%d %.4f\nkl_%s_%d %.4f\n", name[rule], T, (double)kept[numbers++], name[rule], T, kl);
        }
    }
    if (out != NULL) {
        draw(out, level);
    }
    printf("inspect %.1e largest relative error of the score\nexpect 0 to 1e-06\n", error[0]);
    printf("hash %016llx\n", (unsigned long long)hash_reals(HASH_START, kept, (size_t)numbers));
    return wrong || !(error[0] < 1e-6);
}
