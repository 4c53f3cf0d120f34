// ch06.c: Bradley-Terry.  How do pairwise choices become a reward, and how many of them are needed?
//
// Eight arms with known rewards are shown in pairs to a simulated rater, who only says which of the two is better.
// From the answers alone the rewards are fitted, and the error of the fit is compared with the error that the Fisher
// information predicts.  A table of answers has ARMS x ARMS numbers: wins[w*ARMS + l] counts "w is better than l".
#include "../../ref/show/cli.h"
#include "../../toy/feedback/games_fit.h"
#include "../../toy/feedback/tie_study.h"

enum { CELLS = ARM_CELLS, PAIRS = ARMS * (ARMS - 1) / 2, BEST = 7, WORST = 1 };
enum { FIRST = 10, SIZES = 9 };                                   // n = 10, 20, 40, ..., 2560 answers for every pair
enum { STREAM_ONE = 1, STREAM_MANY = 100, STREAM_TIES = 100000 }; // rater s answers from stream STREAM_MANY + s
#define RATE 20.0 // step of gradient descent; over 28 pairs the loss bends by at most 8/4/28 = 1/14, stable below 28

// ---- the method: gradient descent on a loss of pairs --------------------------------------------------------------

typedef double PairLoss(double *dr_w, double *dr_l, double r_w, double r_l); // bt_loss is one

// WRONG on purpose: minus the chance of the answer, where minus its logarithm belongs.
static double no_log_loss(double *dr_w, double *dr_l, double r_w, double r_l) {
    double p = e_sigmoid(r_w - r_l);
    *dr_w = -p * (1 - p);
    *dr_l = p * (1 - p);
    return -p;
}

// Mean loss of the answers in a table, and its gradient in the eight rewards.
static double table_loss(double grad[ARMS], const double wins[CELLS], const double r[ARMS], PairLoss *pair_loss) {
    double loss = 0, answers = 0, dr_w, dr_l;
    memset(grad, 0, ARMS * sizeof *grad);
    for (int c = 0; c < CELLS; c++) {
        answers += wins[c];
    }
    for (int w = 0; w < ARMS; w++) {
        for (int l = 0; l < ARMS; l++) {
            double share = wins[w * ARMS + l] / answers;
            loss += share * pair_loss(&dr_w, &dr_l, r[w], r[l]);
            grad[w] += share * dr_w;
            grad[l] += share * dr_l;
        }
    }
    return loss;
}

// From equal rewards, `steps` steps downhill.
static void train(double r[ARMS], const double wins[CELLS], PairLoss *pair_loss, int steps) {
    double grad[ARMS];
    memset(r, 0, ARMS * sizeof *r);
    for (int step = 0; step < steps; step++) {
        table_loss(grad, wins, r, pair_loss);
        for (int k = 0; k < ARMS; k++) {
            r[k] -= RATE * grad[k];
        }
    }
}

// ---- the yardsticks -----------------------------------------------------------------------------------------------

// A rater has answered `before` times per pair and goes on until it is FIRST 2^k times; wins_at[k] is the whole table.
static void ask_on(double wins_at[SIZES][CELLS], int k, const Arms *arms, const Rater *rater) {
    int before = k == 0 ? 0 : FIRST << (k - 1), all = FIRST << k;
    rater_tournament(wins_at[k], NULL, arms->r, ARMS, all - before, rater, (uint64_t)before * PAIRS);
    for (int c = 0; c < CELLS; c++) {
        wins_at[k][c] += k > 0 ? wins_at[k - 1][c] : 0;
    }
}

static void draw(const char *folder, const Arms *arms, double wins_at[SIZES][CELLS], const double scaled[SIZES],
                 const double error[SIZES], double fisher, int sizes) {
    Svg s = svg_new(960, 430, "Four times the answers, half the error");
    double x[SIZES], y[SIZES], e[SIZES], r[ARMS], var[ARMS], ends[2] = {0.8, 3.6}, flat[2];
    char path[PATH_LENGTH];
    svg_panel(&s, 64, 40, 430, 334);
    svg_axes(&s, ends[0], ends[1], -2.5, 2.5, "log10 of n, the answers per pair", "reward");
    for (int arm = 0; arm < ARMS; arm++) {
        for (int k = 0; k < sizes; k++) {
            arms_fit(r, wins_at[k]);
            arms_fisher_variance(var, wins_at[k], r);
            x[k] = e_log((double)(FIRST << k)) / e_log(10) + 0.02 * (arm - 7); // side by side
            y[k] = r[arm];
            e[k] = 2 * sqrt(var[arm]);
        }
        flat[0] = flat[1] = arms->r[arm];
        svg_dashed(&s, ends, flat, 2, palette_category(arm), "");
        svg_errors(&s, x, y, e, sizes, palette_category(arm));
        svg_points(&s, x, y, sizes, 3.5, palette_category(arm), "");
    }
    svg_text(&s, 0.88, 2.2, 's', INK, "one rater: fit, 2 standard errors; dashed: true reward");
    svg_panel(&s, 570, 40, 370, 334);
    svg_axes(&s, ends[0], ends[1], 0.7, 1.0, "log10 of n, the answers per pair", "rms error x square root of n");
    flat[0] = flat[1] = fisher;
    svg_dashed(&s, ends, flat, 2, INK, "predicted by the Fisher information");
    svg_errors(&s, x, scaled, error, sizes, palette_category(0));
    svg_points(&s, x, scaled, sizes, 3.5, palette_category(0), "measured over raters, 2 standard errors");
    svg_legend(&s, 'r');
    folder_make(folder);
    path_join(path, folder, "picture.svg");
    svg_write(&s, path);
}

// ---- real tables --------------------------------------------------------------------------------------------------

// Others' fits of the two tables in data/, in the order of the files; data/README.md says whose.
static const double league_published[] = {1.581356, 1.436408, 1.294485, 1.247618, 1.107698, 0.683853, 0};
static const double pudding_published[] = {0.138803, 0.173002, 0.161747, 0.165373, 0.158685, 0.202389};
static const double tie_weight_published = 0.746823;

// Spread between the best and the worst arm, truth 3, when infinitely many answers are fitted in three ways.
static void print_spreads(const char *law, const double wins[CELLS], const double ties[CELLS]) {
    for (int way = 0; way < TIE_WAYS; way++) {
        double r[ARMS], var[ARMS], nu[2];
        tie_way_fit(r, var, nu, wins, ties, (TieWay)way);
        printf("%s_spread_%s %.4f\n", law, tie_way_names[way], r[BEST] - r[WORST]);
    }
}

// ---- the lecture --------------------------------------------------------------------------------------------------

int main(int argc, char **argv) {
    uint64_t seed = 1;
    int quick = 0;
    double prior = 0;
    const char *out = NULL, *file = NULL, *zero = NULL;
    Option options[] = {
        OPT_SEED(&seed),
        OPT_QUICK(&quick),
        OPT_OUT(&out),
        OPT_STRING("data", &file, "fit this table of games and nothing else; see data/README.md"),
        OPT_STRING("zero", &zero, "with --data: the item whose ability is 0, in place of the mean"),
        OPT_DOUBLE("prior", &prior, 0, 1000, "with --data: standard deviation before the data; 0: none")};
    cli_parse(argc, argv, "Bradley-Terry: pairwise choices become a reward", options, COUNT(options));
    if ((zero != NULL || prior > 0) && file == NULL) {
        fputs("ch06: options --zero and --prior belong to --data FILE; give it too\n", stderr);
        return 2;
    }
    if (file != NULL) {
        return games_report(file, zero, prior, out);
    }
    int raters = quick ? 60 : 1000, sizes = quick ? 6 : SIZES, long_run = quick ? 10000 : 100000, verdict[ARMS];
    Arms arms = arms_new();
    Rater one = rater_new(1, seed, STREAM_ONE);
    double exact[CELLS], wins[CELLS], r[ARMS] = {0}, newton[ARMS], raised[ARMS], grad[ARMS], loss, dr_w, dr_l;
    rater_expected(exact, NULL, arms.r, ARMS, 1, &one); // what infinitely many such raters would answer, on average

    puts("# 1. one rater, 40 answers per pair: the loss, and two roads to its minimum");
    rater_tournament(wins, NULL, arms.r, ARMS, 40, &one, 0);
    printf("loss_untrained %.6f\n", table_loss(grad, wins, r, bt_loss)); // all rewards are 0
    train(r, wins, bt_loss, 200);
    loss = table_loss(grad, wins, r, bt_loss);
    arms_fit(newton, wins);
    for (int k = 0; k < ARMS; k++) {
        raised[k] = r[k] + 3;
    }
    printf("loss_trained %.6f\nrms_error %.4f\n", loss, sqrt(arms_mean_square(r, arms.r)));
    printf("descent_equals_newton %d\n", sqrt(arms_mean_square(newton, r)) < 1e-12);
    printf("raising_all_by_3_keeps_the_loss %d\n", fabs(table_loss(grad, wins, raised, bt_loss) - loss) < 1e-14);
    loss = bt_loss(&dr_w, &dr_l, -800, 0);
    printf("loss_at_minus_800 %.0f\nslope_at_minus_800 %.0f\n", loss, dr_w);

    puts("# 2. no fit exists: the best arm never loses; then the wrong loss on answers without noise");
    for (int c = 0; c < CELLS; c++) {
        wins[c] = c % ARMS == BEST ? 0 : exact[c];
    }
    BtGames unbeaten = arms_games(wins);
    bt_components(NULL, verdict, &unbeaten);
    printf("unbeaten_has_no_fit %d\nunbeaten_verdict %d\n", arms_fit(r, wins) == BT_NOT_CONNECTED, verdict[BEST]);
    for (int steps = 100; steps <= long_run; steps *= 10) {
        train(r, wins, bt_loss, steps);
        printf("unbeaten_reward_after_%d %.3f\n", steps, r[BEST]);
        train(r, exact, no_log_loss, steps);
        printf("no_log_spread_after_%d %.3f\n", steps, r[BEST] - r[WORST]);
    }
    train(r, exact, bt_loss, 200);
    printf("log_spread_after_200 %.3f\nlog_is_exact %d\n", r[BEST] - r[WORST], arms_mean_square(r, arms.r) < 1e-24);
    for (int per_pair = 1; per_pair <= 4; per_pair *= 2) {
        int missing = 0;
        for (int s = 0; s < raters; s++) {
            Rater rater = rater_new(1, seed, STREAM_MANY + (uint64_t)s);
            rater_tournament(wins, NULL, arms.r, ARMS, per_pair, &rater, 0);
            missing += arms_fit(newton, wins) != BT_OK;
        }
        printf("share_without_fit_%d %.3f\n", per_pair, (double)missing / raters);
    }

    puts("# 3. slips (flip, in percent) and indecision (tau) shrink the spread between best and worst arm, 3");
    for (int k = 0; k < 4; k++) {
        Rater rater = rater_new(k == 3 ? 2 : 1, seed, STREAM_ONE);
        rater.flip = k == 3 ? 0 : 0.1 * k;
        rater_expected(wins, NULL, arms.r, ARMS, 1, &rater);
        arms_fit(newton, wins);
        printf("spread_flip_%.0f_tau_%.0f %.4f\n", 100 * rater.flip, rater.tau, newton[BEST] - newton[WORST]);
    }

    puts("# 4. the claim: rms error x sqrt(n) over many raters, against the Fisher information");
    double fisher = sqrt(arms_fisher_variance(grad, exact, arms.r)), sum[SIZES] = {0}, square[SIZES] = {0};
    double scaled[SIZES], error[SIZES], wins_at[SIZES][CELLS]; // error: two standard errors
    real hashed[SIZES];
    for (int s = raters - 1; s >= 0; s--) { // rater 0 last, for the picture
        Rater rater = rater_new(1, seed, STREAM_MANY + (uint64_t)s);
        for (int k = 0; k < sizes; k++) {
            ask_on(wins_at, k, &arms, &rater);
            if (arms_fit(newton, wins_at[k]) != BT_OK) {
                DIE("rater %d left no fit at n = %d; raise FIRST", s, FIRST << k);
            }
            double q = arms_mean_square(newton, arms.r);
            sum[k] += q / raters;
            square[k] += q * q / raters;
        }
    }
    printf("raters %d\nfisher %.4f\n", raters, fisher);
    for (int k = 0; k < sizes; k++) {
        double root_n = sqrt((double)(FIRST << k)), rms = sqrt(sum[k]);
        scaled[k] = rms * root_n; // the standard error of a root: that of the mean over twice the root
        error[k] = 2 * sqrt((square[k] - sum[k] * sum[k]) / raters) / (2 * rms) * root_n;
        hashed[k] = (real)scaled[k];
        printf("rms_sqrt_n_%d %.4f\nse_%d %.4f\n", FIRST << k, scaled[k], FIRST << k, error[k] / 2);
    }
    if (out != NULL) {
        draw(out, &arms, wins_at, scaled, error, fisher, sizes);
    }

    puts("# 5. real answers: baseball, American League East 1987, abilities against Baltimore");
    uint64_t hash = hash_reals(HASH_START, hashed, (size_t)sizes);
    hash = games_print_beside("data/baseball1987.tsv", "baltimore", "league_", league_published, 0, hash);
    puts("# 6. real answers with ties: six chocolate puddings, Davidson 1970");
    hash = games_print_beside("data/puddings1970.tsv", NULL, "pudding_", pudding_published, tie_weight_published, hash);
    puts("# 7. ties modelled, dropped, halved; infinitely many answers of two kinds of rater, then many real ones");
    double ties[CELLS];
    one.tie = 1; // a third of the answers about equal arms
    rater_expected(wins, ties, arms.r, ARMS, 1, &one);
    print_spreads("davidson", wins, ties);
    rao_kupper_expected(wins, ties, arms.r, 2); // again a third
    print_spreads("rao_kupper", wins, ties);
    TieStudy study = tie_study(arms.r, 1, raters, 40, seed, STREAM_TIES);
    tie_study_print(&study);
    hash = games_hash(hash, study.rms, TIE_WAYS);

    printf("inspect %.4f rms_sqrt_n_%d\n", scaled[sizes - 1], FIRST << (sizes - 1));
    double slack = 2 * error[sizes - 1]; // four standard errors
    printf("expect %.4f to %.4f\n", fisher - slack, fisher + slack);
    printf("hash %016llx\n", (unsigned long long)hash);
    return fabs(scaled[sizes - 1] - fisher) > slack;
}
