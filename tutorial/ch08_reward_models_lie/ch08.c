// ch08.c: when reward models lie.  A reward fitted to choices agrees with the rater; is it the reward?
//
// On the ring the true reward is known everywhere.  A rater compares samples of the reference; quadratic features,
// Gaussian bumps and networks are fitted to the answers.  Each is asked where data were, where none were, and where its
// own tilt goes.  Five networks disagree: does that point at error, and what does the most cautious of them buy?
#include "../../ref/show/cli.h"
#include "../../toy/feedback/choice_view.h"
#include "../../toy/world/tally.h"

enum { MEMBERS = 5, SEEDS = 16, PAIRS = 4000, LABELS = 1000, FITS = 40, KLS = 3, FLIPS = 4 };
enum { QUADRATIC, BUMPS, NET, MODELS };
enum { ONE, MEAN, WORST, LCB, LCB_10, UWO, RAW, PRIOR, RULES };
enum { ACCURACY, ECE, TEMPERATURE, ECE_AFTER, ERROR_REF, ERROR_TILT, ERROR_OUTSIDE }; // what is measured
enum { TILT_ACCURACY = ERROR_OUTSIDE + 1, TILT_ECE, GAP, MEASURES = GAP + KLS };
enum { STREAM_RATER = 100, STREAM_SAMPLES = 200, STREAM_JUDGE = 300, STREAM_TILT = 400, STREAM_ZERO = 500 };
enum { STREAM_FLIP = 1000 };
#define TAU 0.5   // the rater's temperature, reward units
#define RIDGE 0.5 // of the feature models: lambda on the summed loss

static const char *const model_name[MODELS] = {"quadratic", "bumps", "net"};
static const char *const rule_name[RULES] = {"one", "mean", "worst", "lcb", "lcb_10", "uwo", "worst_raw", "bumps"};
static const char *const measure_name[MEASURES] = {"accuracy",  "ece",        "temperature",   "ece_after",
                                                   "error_ref", "error_tilt", "error_outside", "tilt_accuracy",
                                                   "tilt_ece",  "gap_1",      "gap_3",         "gap_5"};
static const double kls[KLS] = {1, 3, 5}; // nats that everybody may spend

static uint64_t seed = 1;
static Lab lab;
static double net[MEMBERS * LAB_CELLS], raw[MEMBERS * LAB_CELLS], fitted[MODELS][LAB_CELLS];
static double combined[RULES][LAB_CELLS], sd[LAB_CELLS], law[LAB_CELLS];

// Two lines: the mean over the raters, and its standard error.
static void say(const char *a, const char *b, const char *c, const Tally *t) {
    printf("%s_%s%s %.4f\n%s_%s%s_se %.4f\n", a, b, c, tally_mean(t), a, b, c, tally_se(t));
}

// ---- one rater, all models -----------------------------------------------------------------------------------------

static void fit_all(int answers, int steps, int k) {
    Rater rater = rater_new(TAU, seed, STREAM_RATER + (uint64_t)k);
    Pairs pairs = lab_pairs(&lab, &rater, answers, seed, STREAM_SAMPLES + (uint64_t)k);
    lab_fit_features(fitted[QUADRATIC], &lab, &pairs, 0, rm_plain, 0, RIDGE / answers);
    lab_fit_features(fitted[BUMPS], &lab, &pairs, 1, rm_plain, 0, RIDGE / answers);
    lab_fit_ensemble(net, &lab, &pairs, steps, MEMBERS, seed * 1000 + (uint64_t)k * MEMBERS);
    memcpy(fitted[NET], net, sizeof fitted[NET]);
    for (int m = 0; m < MEMBERS; m++) { // a constant that costs the loss nothing: no choice can see it
        for (int i = 0; i < LAB_CELLS; i++) {
            raw[m * LAB_CELLS + i] =
                net[m * LAB_CELLS + i] + 10 * rng_normal(seed, STREAM_ZERO, (uint64_t)(k * MEMBERS + m));
        }
    }
    ensemble_combine(combined[MEAN], NULL, net, ENS_MEAN, 0, MEMBERS, LAB_CELLS);
    ensemble_combine(combined[WORST], NULL, net, ENS_WORST, 0, MEMBERS, LAB_CELLS);
    ensemble_combine(combined[LCB], NULL, net, ENS_LCB, 1, MEMBERS, LAB_CELLS);
    ensemble_combine(combined[LCB_10], NULL, net, ENS_LCB, 10, MEMBERS, LAB_CELLS);
    ensemble_combine(combined[UWO], NULL, net, ENS_UWO, 0.5, MEMBERS, LAB_CELLS);
    ensemble_combine(combined[RAW], NULL, raw, ENS_WORST, 0, MEMBERS, LAB_CELLS);
    memcpy(combined[ONE], net, sizeof combined[ONE]);
    memcpy(combined[PRIOR], fitted[BUMPS], sizeof combined[PRIOR]);
    ensemble_sd(sd, net, MEMBERS, LAB_CELLS);
    pairs_free(&pairs);
}

// Where data were (p_ref), where none were (outside), and where its own tilt goes.
static void judge(Tally t[MEASURES], const double *r, int k) {
    Judged j = lab_judge(NULL, &lab, lab.p_ref, r, TAU, PAIRS, seed, STREAM_JUDGE + (uint64_t)k);
    tally_add(&t[ACCURACY], j.accuracy);
    tally_add(&t[ECE], j.ece);
    tally_add(&t[TEMPERATURE], j.temperature);
    tally_add(&t[ECE_AFTER], j.ece_after);
    tally_add(&t[ERROR_REF], lab_error(&lab, lab.p_ref, r, TAU));
    tally_add(&t[ERROR_OUTSIDE], lab_error(&lab, lab.outside, r, TAU));
    for (int i = 0; i < KLS; i++) {
        lab_tilt_at_kl(law, &lab, r, kls[i]);
        double claimed = TAU * table_mean(NULL, law, r, LAB_CELLS);
        tally_add(&t[GAP + i], claimed - table_mean(NULL, law, lab.truth, LAB_CELLS));
        if (kls[i] == 3) {
            j = lab_judge(NULL, &lab, law, r, TAU, PAIRS, seed, STREAM_TILT + (uint64_t)k);
            tally_add(&t[ERROR_TILT], lab_error(&lab, law, r, TAU));
            tally_add(&t[TILT_ACCURACY], j.accuracy);
            tally_add(&t[TILT_ECE], j.ece);
        }
    }
}

// The same KL for every rule; what it earns is the TRUE reward.  gain: over the mean, for the same rater.
static void compete(Tally earned[RULES][KLS], Tally gain[RULES][KLS]) {
    for (int i = 0; i < KLS; i++) {
        double reward[RULES];
        for (int rule = 0; rule < RULES; rule++) {
            lab_tilt_at_kl(law, &lab, combined[rule], kls[i]);
            reward[rule] = table_mean(NULL, law, lab.truth, LAB_CELLS);
            tally_add(&earned[rule][i], reward[rule]);
        }
        for (int rule = 0; rule < RULES; rule++) {
            tally_add(&gain[rule][i], reward[rule] - reward[MEAN]);
        }
    }
}

// ---- the picture ---------------------------------------------------------------------------------------------------

static void draw(const char *folder) {
    static const char *const title[4] = {"true reward, -4 to 3", "mean of five networks, -4 to 3", "its error, 0 to 4",
                                         "disagreement, 0 to 0.4"};
    static const double low[4] = {-4, -4, 0, 0}, high[4] = {3, 3, 4, 0.4};
    static double shown[4][LAB_CELLS];
    const double *claim = combined[MEAN], ends[2] = {0, 1};
    Svg s = svg_new(980, 660, "Five networks agree with the rater and with each other, and are wrong together");
    char path[PATH_LENGTH];
    for (int i = 0; i < LAB_CELLS; i++) {
        shown[0][i] = lab.truth[i];
        shown[1][i] = TAU * claim[i];
        shown[2][i] = fabs(TAU * claim[i] - lab.truth[i]);
        shown[3][i] = TAU * sd[i];
    }
    for (int k = 0; k < 4; k++) {
        lab_map(&s, 20 + 239 * k, 66, 222, &lab, shown[k], low[k], high[k], title[k]);
    }
    svg_label(&s, 490, 310, 'm', 12, INK,
              "white: three standard deviations around the modes of the reference, where data are");
    svg_panel(&s, 70, 350, 400, 250);
    svg_axes(&s, 0, 1, 0, 1, "predicted chance that the first is preferred", "true chance");
    svg_dashed(&s, ends, ends, 2, INK, "calibrated");
    lab_diagram(&s, &lab, lab.p_ref, claim, TAU, seed, STREAM_JUDGE, palette_category(0), "where data were");
    lab_tilt_at_kl(law, &lab, claim, 3);
    lab_diagram(&s, &lab, law, claim, TAU, seed, STREAM_JUDGE, palette_category(1), "on its own tilt, KL 3");
    svg_legend(&s, 'l');
    svg_panel(&s, 560, 350, 400, 250);
    svg_axes(&s, 0, 6, 0, 3.6, "KL to the reference, nats", "mean reward");
    lab_curve(&s, &lab, lab.truth, TAU, 0, 6, INK, "tilt by the truth: the best possible");
    lab_curve(&s, &lab, claim, TAU, 1, 6, palette_category(0), "mean of five networks: what it claims");
    lab_curve(&s, &lab, claim, TAU, 0, 6, palette_category(0), "what is true of it");
    lab_curve(&s, &lab, combined[WORST], TAU, 0, 6, palette_category(1), "minimum of the five");
    lab_curve(&s, &lab, fitted[BUMPS], TAU, 0, 6, palette_category(2), "Gaussian bumps");
    svg_legend(&s, 'l');
    folder_make(folder);
    path_join(path, folder, "picture.svg");
    svg_write(&s, path);
}

// ---- the lecture ---------------------------------------------------------------------------------------------------

int main(int argc, char **argv) {
    static const char *const regime[2] = {"few", "many"}, *const loss_name[4] = {"plain", "forward", "robust",
                                                                                 "smooth"};
    static const DeltaLoss loss[4] = {rm_plain, rm_noise, rm_robust, rm_smooth};
    static const int answers[2] = {150, 600}, steps[2] = {1200, 400};
    static Tally judged[MODELS][MEASURES], earned[RULES][KLS], gain[RULES][KLS], about[6];
    static const char *const about_name[6] = {"sd_inside",     "sd_outside",  "error_inside",
                                              "error_outside", "rank_inside", "rank_outside"};
    int quick = 0;
    const char *out = NULL;
    Option options[] = {OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out)};
    cli_parse(argc, argv, "when reward models lie: calibration, ensembles, the proxy gap", options, COUNT(options));
    int seeds = quick ? 2 : SEEDS, fits = quick ? 4 : FITS;
    double beyond = 0, ratio = 0;
    real hashed[RULES * KLS];
    lab_new(&lab);

    puts("# 1. what can be known: the rater's noise caps the accuracy; few samples lie beyond the edge");
    for (int i = 0; i < LAB_CELLS; i++) {
        double x[2];
        grid_point(x, &lab.grid, (size_t)i);
        beyond += x[0] * x[0] + x[1] * x[1] > lab.shore.edge * lab.shore.edge ? lab.p_ref[i] : 0;
    }
    printf("ceiling %.4f\n", lab_judge(NULL, &lab, lab.p_ref, lab.truth, TAU, 10 * PAIRS, seed, STREAM_JUDGE).ceiling);
    printf("beyond_edge_percent %.2f\n", 100 * beyond);
    for (int i = 0; i < KLS; i++) {
        lab_tilt_at_kl(law, &lab, lab.truth, kls[i]);
        printf("best_%.0f %.4f\n", kls[i], table_mean(NULL, law, lab.truth, LAB_CELLS));
    }
    double best = table_mean(NULL, law, lab.truth, LAB_CELLS); // at the last KL
    for (int g = 0; g < 2; g++) {
        printf("# %d. %d answers, networks trained for %d steps; means over %d raters\n", g + 2, answers[g], steps[g],
               seeds);
        memset(judged, 0, sizeof judged);
        memset(earned, 0, sizeof earned);
        memset(gain, 0, sizeof gain);
        memset(about, 0, sizeof about);
        for (int k = seeds - 1; k >= 0; k--) { // rater 0 last, for the picture
            fit_all(answers[g], quick ? steps[g] / 4 : steps[g], k);
            for (int model = 0; model < MODELS; model++) {
                judge(judged[model], fitted[model], k);
            }
            compete(earned, gain);
            tally_add(&about[0], TAU * table_mean(NULL, lab.inside, sd, LAB_CELLS));
            tally_add(&about[1], TAU * table_mean(NULL, lab.outside, sd, LAB_CELLS));
            tally_add(&about[2], lab_error(&lab, lab.inside, combined[MEAN], TAU));
            tally_add(&about[3], lab_error(&lab, lab.outside, combined[MEAN], TAU));
            tally_add(&about[4], lab_pointed(&lab, lab.inside, sd, combined[MEAN], TAU));
            tally_add(&about[5], lab_pointed(&lab, lab.outside, sd, combined[MEAN], TAU));
        }
        for (int model = 0; model < MODELS; model++) {
            for (int m = 0; m < MEASURES; m++) {
                char name[64];
                snprintf(name, sizeof name, "%s_%s", regime[g], model_name[model]);
                say(name, measure_name[m], "", &judged[model][m]);
            }
        }
        for (int i = 0; i < 6; i++) {
            say(regime[g], about_name[i], "", &about[i]);
        }
        for (int rule = 0; rule < RULES; rule++) {
            for (int i = 0; i < KLS; i++) {
                char name[64], at[16];
                snprintf(name, sizeof name, "%s_%s", regime[g], rule_name[rule]);
                snprintf(at, sizeof at, "_%.0f", kls[i]);
                say(name, "earns", at, &earned[rule][i]);
                say(name, "gain", at, &gain[rule][i]);
                hashed[rule * KLS + i] = (real)tally_mean(&earned[rule][i]);
            }
        }
        double mean = tally_mean(&earned[MEAN][KLS - 1]), worst = tally_mean(&gain[WORST][KLS - 1]);
        ratio = tally_mean(&judged[NET][ERROR_OUTSIDE]) / tally_mean(&judged[NET][ERROR_REF]);
        printf("%s_error_ratio %.1f\n%s_repaired_percent %.1f\n", regime[g], ratio, regime[g],
               100 * worst / (best - mean));
        printf("%s_error_over_sd_outside %.1f\n", regime[g], tally_mean(&about[3]) / tally_mean(&about[1]));
    }
    lab_tilt_at_kl(raw, &lab, combined[MEAN], 3);
    for (int i = 0; i < LAB_CELLS; i++) { // half the reward, the same KL: the same law
        net[i] = 0.5 * combined[MEAN][i];
    }
    lab_tilt_at_kl(law, &lab, net, 3);
    printf("temperature_moves_the_law_by %.1e\n", tv_discrete(raw, law, LAB_CELLS));

    puts("# 4. answers reversed with a chance: the median weight of the true reward; 1 is right");
    for (int l = 0; l < 4; l++) {
        for (int f = 0; f < FLIPS; f++) {
            double scale[FITS];
            int ran_away = 0;
            for (int k = 0; k < fits; k++) {
                Rater rater = rater_new(TAU, seed, STREAM_FLIP + (uint64_t)k);
                rater.flip = 0.1 * f;
                scale[k] = lab_scale(&lab, &rater, LABELS, loss[l], 0.1 * f, seed, STREAM_FLIP + FITS + (uint64_t)k);
                ran_away += scale[k] > 10;
            }
            qsort(scale, (size_t)fits, sizeof *scale, ascending_double);
            printf("scale_%s_%d0 %.4f\n", loss_name[l], f, 0.5 * (scale[(fits - 1) / 2] + scale[fits / 2]));
            printf("spread_%s_%d0 %.4f\n", loss_name[l], f, 0.5 * (scale[fits * 5 / 6] - scale[fits / 6]));
            printf("ran_away_%s_%d0 %d\n", loss_name[l], f, ran_away);
        }
    }
    if (out != NULL) {
        draw(out);
    }
    printf("inspect %.1f many_error_ratio\nexpect 10.0 to 60.0\n", ratio);
    printf("hash %016llx\n", (unsigned long long)hash_reals(HASH_START, hashed, RULES * KLS));
    return !(ratio > 10 && ratio < 60);
}
