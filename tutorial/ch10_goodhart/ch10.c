// ch10.c: Goodhart.  What happens when the reward that is optimised is not the reward that is meant?
//
// On the ring a proxy is optimised exactly: the law is tilted by it, at falling temperature, with no training and no
// noise.  The proxy rises all the way.  The truth rises, peaks and falls; it turns where its covariance with the proxy,
// under the tilted law, changes sign.  Proxies: the best linear reward, and rewards fitted to a rater's choices, with
// random features or as a trained network.  Five remedies are measured, and the curves of Gao et al. are fitted.
#include "../../ref/show/cli.h"
#include "../../ref/show/svg.h"
#include "../../toy/feedback/proxy.h"
#include "../../toy/world/view.h"

enum { CELLS = PROXY_CELLS, MEMBERS = 5, REMEDIES = 6, MOST_SEEDS = 12, SHOWN = 320 };
enum { PEAK, PEAK_KL, STOP, FAR, AGREE, NUMBERS = 7 }; // what is measured of a proxy; NUMBERS has room for either list

static const char *const proxy_name[] = {"peak", "peak_kl", "at_4", "at_16", "corr", NULL};
static const char *const gao_name[] = {"gain", "peak_d", "bon_rms", "bon_peak_d", "rl_rms", "rl_peak_d", "early", NULL};
static const char *const remedy_name[REMEDIES] = {"fit_320", "cap", "mean5", "mean5_minus_sd", "worst5", "fresh"};
static ProxyWorld world;
static double law[CELLS]; // the first world.cells numbers of this and the other tables are used
static uint64_t seed = 1;

// ---- pushing a proxy -----------------------------------------------------------------------------------------------

static GoodhartPoint at_kl(double *star, const double *proxy, double kl) {
    return goodhart_at_kl(star, world.p_ref, world.truth, proxy, kl, world.cells);
}

// The truth at its peak, the KL there, the truth at KL 4 and 16, the correlation of proxy and truth under p_ref.
static double measure(double m[NUMBERS], const double *proxy) {
    double beta = goodhart_peak_beta(world.p_ref, world.truth, proxy, 0.02, 500, 32, world.cells), var, var_truth;
    beta = beta == 0 ? 1e-3 : fmin(beta, 1e6); // 0: never turns; infinite: wrong from the first step on
    GoodhartPoint peak = goodhart_point(NULL, world.p_ref, world.truth, proxy, beta, world.cells);
    table_mean(&var, world.p_ref, proxy, world.cells);
    table_mean(&var_truth, world.p_ref, world.truth, world.cells);
    m[PEAK] = peak.truth;
    m[PEAK_KL] = peak.kl;
    m[STOP] = at_kl(NULL, proxy, 4).truth;
    m[FAR] = at_kl(NULL, proxy, 16).truth;
    m[AGREE] = table_cov(world.p_ref, world.truth, proxy, world.cells) / sqrt(var * var_truth);
    return beta;
}

// Mean and standard error over the seeds, as lines `NAME_number mean` and `NAME_number_se error`.
static void print_means(double mean[NUMBERS], const char *name, const char *const *number,
                        double m[MOST_SEEDS][NUMBERS], int seeds) {
    for (int k = 0; number[k] != NULL; k++) {
        double square = 0;
        mean[k] = 0;
        for (int s = 0; s < seeds; s++) {
            mean[k] += m[s][k] / seeds;
        }
        for (int s = 0; s < seeds; s++) {
            square += (m[s][k] - mean[k]) * (m[s][k] - mean[k]) / (seeds * (seeds - 1.0));
        }
        printf("%s_%s %.3f\n%s_%s_se %.3f\n", name, number[k], mean[k], name, number[k], sqrt(square));
    }
}

// One proxy along its path: its peak; truth, proxy and covariance at KL 1, 4, 16 (or as much as it can spend).
static void print_road(const char *name, const double *proxy) {
    double m[NUMBERS], beta = measure(m, proxy);
    printf("%s_corr %.3f\n%s_peak_beta %.4f\n%s_peak_kl %.3f\n", name, m[AGREE], name, beta, name, m[PEAK_KL]);
    printf("%s_peak %.3f\n", name, m[PEAK]);
    for (int kl = 1; kl <= 16; kl *= 4) {
        GoodhartPoint at = at_kl(NULL, proxy, kl);
        printf("%s_truth_%d %.3f\n%s_proxy_%d %.3f\n", name, kl, at.truth, name, kl, at.proxy);
        printf("%s_cov_%d %.4f\n", name, kl, at.cov);
    }
}

// d E[truth]/d eta against the covariance, along the whole path: the largest error of central differences.
static double slope_error(const double *proxy) {
    double worst = 0;
    for (double eta = 0.1; eta < 100; eta *= 1.5) {
        double h = 1e-4 * eta, up, down, cov;
        cov = goodhart_point(NULL, world.p_ref, world.truth, proxy, 1 / eta, world.cells).cov;
        up = goodhart_point(NULL, world.p_ref, world.truth, proxy, 1 / (eta + h), world.cells).truth;
        down = goodhart_point(NULL, world.p_ref, world.truth, proxy, 1 / (eta - h), world.cells).truth;
        worst = fmax(worst, fabs((up - down) / (2 * h) - cov));
    }
    return worst;
}

// ---- proxies -------------------------------------------------------------------------------------------------------

// Six proxies, each from n answers of one rater: the plain fit; the same, capped at the largest reward of a point that
// was compared; mean, mean minus standard deviation and minimum of five fits; and a fit to n/2 answers about the ring
// and n/2 about "a point of the ring, or one that the fit to the first n/2 was pushed to".
static void remedies(double proxy[REMEDIES][CELLS], int n, uint64_t seed) {
    static double member[MEMBERS][CELLS];
    Pairs half = proxy_ask(&world, n / 2, n / 2, NULL, seed), all = proxy_ask(&world, n, n, NULL, seed);
    proxy_fit(member[0], &world, &half, 0, seed);
    at_kl(law, member[0], 16);
    Pairs fresh = proxy_ask(&world, n, n / 2, law, seed);
    proxy_fit(proxy[5], &world, &fresh, 0, seed);
    double cap = proxy_fit(member[0], &world, &all, 0, seed);
    for (int k = 1; k < MEMBERS; k++) {
        proxy_fit(member[k], &world, &all, k, seed);
    }
    for (int i = 0; i < (int)world.cells; i++) {
        double mean = 0, var = 0, worst = member[0][i];
        for (int k = 0; k < MEMBERS; k++) {
            mean += member[k][i] / MEMBERS;
            worst = fmin(worst, member[k][i]);
        }
        for (int k = 0; k < MEMBERS; k++) {
            var += (member[k][i] - mean) * (member[k][i] - mean) / (MEMBERS - 1);
        }
        double row[REMEDIES - 1] = {member[0][i], fmin(member[0][i], cap), mean, mean - sqrt(var), worst};
        for (int k = 0; k < REMEDIES - 1; k++) {
            proxy[k][i] = row[k];
        }
    }
    pairs_free(&half);
    pairs_free(&all);
    pairs_free(&fresh);
}

// ---- curves and pictures -------------------------------------------------------------------------------------------

// The two curves of Gao et al. on a path: its largest gain and where, then misfit and peak of either form, and
// beta of the first form on the early part, d <= 1.5: negative where the path still bends upwards.
static void measure_gao(double m[NUMBERS], const ProxyPath *path, size_t points) {
    double rms;
    int top = 0;
    for (int i = 1; i < path->n; i++) {
        top = path->truth[i] > path->truth[top] ? i : top;
    }
    m[0] = path->truth[top];
    m[1] = path->d[top];
    for (int f = 0; f < 2; f++) {
        GaoCurve curve = gao_fit(&rms, path->d, path->truth, f == 0 ? GAO_BON : GAO_RL, points);
        m[2 + 2 * f] = rms;
        m[3 + 2 * f] = gao_peak(&curve);
    }
    m[6] = gao_fit(&rms, path->d, path->truth, GAO_BON, 3 * points / 8).beta;
}

static void draw(const char *folder, double remedy[REMEDIES][CELLS], const double *linear) {
    static const char *const title[4] = {"truth", "proxy, fitted to 320 choices", "its tilt, KL 4", "its tilt, KL 16"};
    static const char *const label[REMEDIES] = {"plain fit", "capped", "", "", "worst of five", "half fresh pairs"};
    Svg s = svg_new(960, 660, "Goodhart: the proxy goes on rising, the truth turns");
    ProxyPath frontier = proxy_path(&world, world.truth, 0, PROXY_CURVE);
    ProxyPath one = proxy_path(&world, remedy[0], 0, PROXY_CURVE), best = proxy_path(&world, remedy[0], 1, PROXY_CURVE);
    ProxyPath line = proxy_path(&world, linear, 0, PROXY_CURVE);
    char path[PATH_LENGTH];
    for (int k = 0; k < 4; k++) {
        at_kl(law, remedy[0], k == 2 ? 4 : 16);
        svg_panel(&s, 30 + 232 * k, 56, 204, 204);
        view_field(&s, &world.grid, k == 0 ? world.truth : k == 1 ? remedy[0] : law, 3, world.bump.centre, title[k]);
    }
    svg_panel(&s, 66, 286, 410, 320);
    svg_axes(&s, 0, 4, 0, 2.8, "square root of the KL to the reference", "gain over the reference");
    svg_line(&s, frontier.d, frontier.truth, PROXY_CURVE, INK, "tilt by the truth");
    svg_dashed(&s, one.d, one.proxy, PROXY_CURVE, palette_category(0), "tilt by the fit: proxy");
    svg_line(&s, one.d, one.truth, PROXY_CURVE, palette_category(0), "tilt by the fit: truth");
    svg_points(&s, best.d, best.truth, PROXY_CURVE, 2.5, palette_category(2), "best of n by the fit: truth");
    svg_line(&s, line.d, line.truth, PROXY_CURVE, palette_category(1), "tilt by the linear proxy: truth");
    svg_legend(&s, 'l');
    svg_panel(&s, 542, 286, 400, 320);
    svg_axes(&s, 0, 4, 0, 2.8, "square root of the KL to the reference", "gain in truth, tilts by five proxies");
    svg_line(&s, frontier.d, frontier.truth, PROXY_CURVE, INK, "truth");
    for (int k = 0; k < REMEDIES; k++) {
        if (label[k][0] != '\0') {
            ProxyPath p = proxy_path(&world, remedy[k], 0, PROXY_CURVE);
            Rgb colour = palette_category(k == 5 ? 3 : k);
            svg_line(&s, p.d, p.truth, PROXY_CURVE, colour, label[k]);
            svg_points(&s, p.d + PROXY_CURVE - 1, p.truth + PROXY_CURVE - 1, 1, 4, colour, ""); // as far as it goes
        }
    }
    svg_legend(&s, 'l');
    folder_make(folder);
    path_join(path, folder, "picture.svg");
    svg_write(&s, path);
}

// ---- the lecture ---------------------------------------------------------------------------------------------------

int main(int argc, char **argv) {
    static double remedy[REMEDIES][CELLS], m[REMEDIES][MOST_SEEDS][NUMBERS], gao[2][MOST_SEEDS][NUMBERS], linear[CELLS];
    double mean[NUMBERS], gao_mean[NUMBERS];
    int quick = 0;
    const char *out = NULL;
    char name[32];
    real hashed[NUMBERS];
    Option options[] = {OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out)};
    cli_parse(argc, argv, "Goodhart: optimising a reward that is not the one that is meant", options, COUNT(options));
    int seeds = quick ? 2 : MOST_SEEDS, points = quick ? 8 : 16;
    world = proxy_world_new(quick ? PROXY_SIDE / 2 : PROXY_SIDE);
    proxy_linear(linear, &world);
    remedies(remedy, SHOWN, seed);

    puts("# 1. the rule: d E[truth]/d eta is the covariance of truth and proxy under the tilt");
    double start = table_mean(NULL, world.p_ref, world.truth, world.cells);
    double error = fmax(slope_error(linear), slope_error(remedy[0]));
    printf("slope_error %.1e\ntruth_ref %.4f\n", error, start);

    puts("# 2. two proxies pushed to KL 1, 4, 16, and the tilt by the truth at the same KL");
    print_road("linear", linear);
    print_road("fit", remedy[0]);
    print_road("truth", world.truth);

    puts(
        "# 3. rewards fitted to n choices, over seeds: truth at its peak, KL there, truth at KL 4 and 16, correlation");
    for (int n = 20; n <= 1280; n *= n == 80 ? 16 : 4) { // 320 comes in section 4
        for (int s = 0; s < seeds; s++) {
            Pairs pairs = proxy_ask(&world, n, n, NULL, seed + (uint64_t)s);
            proxy_fit(law, &world, &pairs, 0, seed + (uint64_t)s);
            measure(m[0][s], law);
            pairs_free(&pairs);
        }
        snprintf(name, sizeof name, "fit_%d", n);
        print_means(mean, name, proxy_name, m[0], seeds);
    }
    for (int s = 0; s < seeds; s++) {
        proxy_network(law, &world, SHOWN, quick ? 30 : 300, seed + (uint64_t)s);
        measure(m[0][s], law);
    }
    print_means(mean, "net_320", proxy_name, m[0], seeds);

    puts("# 4. what helps: six proxies from 320 answers each");
    for (int s = 0; s < seeds; s++) {
        remedies(remedy, SHOWN, seed + (uint64_t)s);
        for (int k = 0; k < REMEDIES; k++) {
            measure(m[k][s], remedy[k]);
        }
        ProxyPath tilted = proxy_path(&world, remedy[0], 0, points), best = proxy_path(&world, remedy[0], 1, points);
        measure_gao(gao[0][s], &tilted, (size_t)points);
        measure_gao(gao[1][s], &best, (size_t)points);
    }
    for (int k = REMEDIES - 1; k >= 0; k--) { // the plain fit last
        print_means(mean, remedy_name[k], proxy_name, m[k], seeds);
    }

    puts("# 5. the curves of Gao et al. on the plain fits: d (alpha - beta d) and d (alpha - beta log d)");
    print_means(gao_mean, "gao_tilt", gao_name, gao[0], seeds);
    print_means(gao_mean, "gao_best_of", gao_name, gao[1], seeds);
    if (out != NULL) {
        remedies(remedy, SHOWN, seed);
        draw(out, remedy, linear);
    }
    for (int k = 0; k <= AGREE; k++) {
        hashed[k] = (real)mean[k];
    }
    printf("inspect %.4f fit_320_at_16\nexpect %.4f to %.4f\n", mean[FAR], start, mean[PEAK]);
    printf("hash %016llx\n", (unsigned long long)hash_reals(HASH_START, hashed, AGREE + 1));
    proxy_world_free(&world);
    return !(error < 1e-6) || !(mean[FAR] < mean[PEAK]);
}
