// ch15.c: DPO from the tilt.  Can the reward model be skipped, and the policy be fitted to the choices at once?
//
// The exact optimum p* = p_ref e^(r/beta)/Z is turned around, r = beta log(p*/p_ref) + beta log Z, and put into
// Bradley-Terry, where beta log Z cancels: a loss of the policy alone is left.  Where do it and its neighbours end?
// A table of answers has ARMS x ARMS numbers: wins[w*ARMS + l] counts "w is better than l".
#include "../../ref/formula/bradley_terry.h"
#include "../../ref/formula/preference.h"
#include "../../ref/show/cli.h"
#include "../../ref/show/svg.h"
#include "../../toy/feedback/raters.h"
#include "../../toy/feedback/rewards.h"
#include "../../toy/world/arms.h"
#include "../../toy/world/ring.h"

enum { CELLS = ARMS * ARMS, BEST = 7, WORST = 1, MARKS = 80, FEATURES = 5, SIDE = 64, MOST = 6400 };
enum { STREAM_RATERS = 100, STREAM_POINTS = 10000, STREAM_LABELS = 20000 }; // repetition s uses stream STREAM_... + s
#define BETA 0.5
#define SLOW (1 / (BETA * BETA)) // step size; 28 pairs bend DPO's loss by at most beta^2 8/4/28: stable below 28/beta^2
#define FAST (20 / (BETA * BETA))
#define IPO_RATE 0.5  // and the squares of IPO by 2*8/28: stable below 3.5; a single pair by 2*2: stable below 0.5
#define RING_RATE 8.0 // found by trial: 13 still converges, 16 does not

static double lr[ARMS], p_star[ARMS]; // log p_ref and the exact optimum of the eight arms, filled by main

// ---- the method on a table of answers -----------------------------------------------------------------------------

typedef double MarginLoss(double *dh, double h, double beta); // dpo_margin, ipo_margin

// h = (lp_w - lr_w) - (lp_l - lr_l) of two arms.  lp may be logits: the normaliser of the policy cancels.
static double margin(const double lp[ARMS], int w, int l) {
    return (lp[w] - lr[w]) - (lp[l] - lr[l]);
}

// One step downhill for the logits lp; returns the loss before it.
// mean_first = 1 is WRONG on purpose: the loss of the mean margin, where the mean of the losses belongs.
static double train_step(double lp[ARMS], const double wins[CELLS], MarginLoss *margin_loss, int mean_first,
                         double rate) {
    double grad[ARMS] = {0}, answers = 0, mean = 0, loss = 0, slope_of_mean, dh;
    for (int c = 0; c < CELLS; c++) {
        answers += wins[c];
        mean += wins[c] * margin(lp, c / ARMS, c % ARMS);
    }
    double loss_of_mean = margin_loss(&slope_of_mean, mean / answers, BETA);
    for (int c = 0; c < CELLS; c++) {
        double share = wins[c] / answers;
        loss += share * margin_loss(&dh, margin(lp, c / ARMS, c % ARMS), BETA);
        dh = mean_first ? slope_of_mean : dh;
        grad[c / ARMS] += share * dh; // the winner's logit
        grad[c % ARMS] -= share * dh; // the loser's
    }
    for (int k = 0; k < ARMS; k++) {
        lp[k] -= rate * grad[k];
    }
    return mean_first ? loss_of_mean : loss;
}

// A long run from the reference prints the gap between best and worst arm, then KL to p*; the picture shows the gap.
typedef struct {
    int n;
    double step[MARKS], gap[MARKS]; // log10 of the step
    double lp[ARMS];
} Run;

static Run long_run(const char *name, const double wins[CELLS], MarginLoss *margin_loss, int mean_first, double rate,
                    int steps) {
    Run run = {0};
    double p[ARMS], loss = 0;
    memcpy(run.lp, lr, sizeof lr);
    for (int step = 1; step <= steps; step++) {
        loss = train_step(run.lp, wins, margin_loss, mean_first, rate);
        if (run.n < MARKS && (double)step >= e_exp(0.2 * run.n)) {
            run.step[run.n] = e_log((double)step) / e_log(10);
            run.gap[run.n++] = margin(run.lp, BEST, WORST);
        }
        if (step == 100 || step == 1000 || step == 10000 || step == 100000) {
            printf("%s_gap_%d %.4f\n", name, step, margin(run.lp, BEST, WORST));
        }
    }
    arms_softmax(p, run.lp);
    printf("%s_loss %.6f\n%s_kl %.12f\n", name, loss, name, fabs(kl_discrete(p, p_star, ARMS))); // 0 may be -1e-17
    return run;
}

// n answers about every pair from each of many raters: KL to p*, against what the Fisher information predicts.
static void noisy_data(const Arms *arms, int raters, int n, uint64_t seed) {
    double wins[CELLS], lp[ARMS], p[ARMS], sum = 0, square = 0;
    for (int s = 0; s < raters; s++) {
        Rater rater = rater_new(1, seed, STREAM_RATERS + (uint64_t)s);
        rater_tournament(wins, NULL, arms->r, ARMS, n, &rater, 0);
        memcpy(lp, lr, sizeof lr);
        for (int step = 0; step < 200; step++) {
            train_step(lp, wins, dpo_margin, 0, FAST);
        }
        arms_softmax(p, lp);
        double kl = kl_discrete(p, p_star, ARMS);
        sum += n * kl / raters;
        square += n * kl * n * kl / raters;
    }
    printf("kl_times_n_%d %.4f\nkl_times_n_se_%d %.4f\n", n, sum, n, sqrt((square - sum * sum) / raters));
}

// The same to first order: KL(p||p*) = Var*[lp - lp*]/2, and beta (lp - lr) has the covariance of the Bradley-Terry
// abilities, because DPO on a table is Bradley-Terry: cov, the inverse Fisher information of one answer a pair.
static double fisher_kl_times_n(const Arms *arms, const double exact[CELLS]) {
    int winner[CELLS], loser[CELLS];
    double none[CELLS] = {0}, cov[(ARMS + 1) * (ARMS + 1)], var = 0;
    BtGames g = {ARMS, CELLS, winner, loser, exact, none};
    for (int c = 0; c < CELLS; c++) {
        winner[c] = c / ARMS;
        loser[c] = c % ARMS;
    }
    bt_covariance(cov, &g, arms->r, 0, 0, 0, BT_LOGIT);
    for (int c = 0; c < CELLS; c++) {
        int i = c / ARMS, j = c % ARMS;
        var += p_star[i] * ((i == j) - p_star[j]) * cov[i * (ARMS + 1) + j];
    }
    return var / (2 * BETA * BETA);
}

// ---- the same on the ring: pairs of points, a policy with five parameters -----------------------------------------

// log p_theta/p_ref = theta . f(x) - log Z(theta).  With a quadratic reward p* is one of these policies.
static double log_ratio(double f[FEATURES], const double theta[FEATURES], const double x[2]) {
    f[0] = x[0];
    f[1] = x[1];
    f[2] = x[0] * x[0];
    f[3] = x[1] * x[1];
    f[4] = x[0] * x[1];
    return theta[0] * f[0] + theta[1] * f[1] + theta[2] * f[2] + theta[3] * f[3] + theta[4] * f[4]; // without log Z
}

// Trains on pairs of points of p_ref and one answer each (exact = 1: its chance); returns total variation to p*.
static double ring_run(QuadReward *truth, int pairs, int exact, uint64_t seed, uint64_t s) {
    static double x[MOST][2][2], lost[MOST], p[SIDE * SIDE], best[SIDE * SIDE], score[SIDE * SIDE];
    double theta[FEATURES] = {0}, f[2][FEATURES], dh, at[2];
    Ring ring = ring_new();
    Grid grid = grid_new(SIDE, -3.2, 3.2);
    Rater rater = rater_new(1, seed, STREAM_LABELS + s);
    for (int m = 0; m < pairs; m++) { // lost[m]: is point 1 the better one?  An answer, 0 or 1, or its chance
        ring_sample(x[m][0], &ring, -1, seed, STREAM_POINTS + s, 2 * (uint64_t)m);
        ring_sample(x[m][1], &ring, -1, seed, STREAM_POINTS + s, 2 * (uint64_t)m + 1);
        double r_0 = quad_reward(truth, x[m][0]), r_1 = quad_reward(truth, x[m][1]);
        lost[m] = exact ? rater_odds(&rater, r_0, r_1).b : rater_choose(&rater, r_0, r_1, (uint64_t)m) == CHOSE_B;
    }
    for (int step = 0; step < (exact ? 2000 : 200); step++) {
        double grad[FEATURES] = {0};
        for (int m = 0; m < pairs; m++) {
            double h = log_ratio(f[0], theta, x[m][0]) - log_ratio(f[1], theta, x[m][1]); // log Z cancels
            cdpo_margin(&dh, h, BETA, lost[m]); // dpo_margin of h when 0, of -h when 1
            for (int q = 0; q < FEATURES; q++) {
                grad[q] += dh * (f[0][q] - f[1][q]) / pairs;
            }
        }
        for (int q = 0; q < FEATURES; q++) {
            theta[q] -= RING_RATE * grad[q];
        }
    }
    ring_grid_ref(p, &grid, &ring, -1);
    grid_tilt(best, NULL, p, &grid, quad_point_reward, -1, truth, BETA);
    for (size_t c = 0; c < SIDE * SIDE; c++) {
        grid_point(at, &grid, c);
        score[c] = log_ratio(f[0], theta, at);
    }
    tilt_discrete(p, p, score, 1, SIDE * SIDE); // the policy, normalised at last, only to look at it
    return tv_discrete(p, best, SIDE * SIDE);
}

static void draw(const char *folder, const Run run[4]) {
    static const char *const name[4] = {"DPO on exact chances", "wrong: the loss of the mean margin",
                                        "DPO on answers without noise", "IPO on answers without noise"};
    Svg s = svg_new(760, 430, "Log-ratio gap between the best and the worst arm: the optimum is 6");
    char path[PATH_LENGTH];
    svg_axes(&s, 0, 5, 0, 40, "log10 of the step", "gap, nats");
    for (int k = 0; k < 4; k++) {
        svg_line(&s, run[k].step, run[k].gap, run[k].n, palette_category(k), name[k]);
    }
    svg_legend(&s, 'l');
    folder_make(folder);
    path_join(path, folder, "picture.svg");
    svg_write(&s, path);
}

int main(int argc, char **argv) {
    static const char *const loss_name[3] = {"dpo", "hinge", "ipo"};
    static MarginLoss *const loss_of[3] = {dpo_margin, hinge_margin, ipo_margin};
    uint64_t seed = 1;
    int quick = 0;
    const char *out = NULL;
    Option options[] = {OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out)};
    cli_parse(argc, argv, "DPO from the tilt: preferences to a policy without a reward model", options, COUNT(options));
    int steps = quick ? 1000 : 100000, raters = quick ? 20 : 1000, sets = quick ? 2 : 30;
    Arms arms = arms_new();
    Rater one = rater_new(1, seed, 0);
    double exact[CELLS], sure[CELLS], pair[CELLS] = {0}, lp[ARMS], dh, off = 0;
    double log_z = arms_tilt(p_star, &arms, BETA).log_z;
    rater_expected(exact, NULL, arms.r, ARMS, 1, &one); // every answer with its exact chance
    pair[BEST * ARMS + WORST] = 1;
    for (int c = 0; c < CELLS; c++) {
        sure[c] = arms.r[c / ARMS] > arms.r[c % ARMS]; // the better arm always wins
    }
    puts("# 1. the tilt turned around gives the reward back; the loss starts at ln 2");
    for (int k = 0; k < ARMS; k++) {
        lp[k] = lr[k] = e_log(arms.p_ref[k]);
        off = fmax(off, fabs(BETA * e_log(p_star[k] / arms.p_ref[k]) + BETA * log_z - arms.r[k]));
    }
    printf("reward_error %.12f\nloss_at_reference %.6f\n", off, train_step(lp, exact, dpo_margin, 0, 0));

    puts("# 2. where four losses end");
    Run run[4];
    run[0] = long_run("dpo", exact, dpo_margin, 0, SLOW, steps);
    run[1] = long_run("mean_first", exact, dpo_margin, 1, SLOW, steps);
    run[2] = long_run("dpo_sure", sure, dpo_margin, 0, SLOW, steps);
    run[3] = long_run("ipo_sure", sure, ipo_margin, 0, IPO_RATE, steps);
    long_run("ipo_one_pair", pair, ipo_margin, 0, 0.1, 1000);
    long_run("ipo", exact, ipo_margin, 0, IPO_RATE, 1000);
    for (int k = 0; k < 3; k++) {
        double loss = loss_of[k](&dh, 6, 0.1);
        printf("loss_at_margin_6_%s %.6f\nslope_at_margin_6_%s %.6f\n", loss_name[k], loss, loss_name[k], dh);
    }

    puts("# 3. noisy answers, n for every pair");
    printf("raters %d\nfisher_kl_times_n %.4f\n", raters, fisher_kl_times_n(&arms, exact));
    for (int n = 10; n <= (quick ? 40 : 640); n *= 4) {
        noisy_data(&arms, raters, n, seed);
    }
    puts("# 4. the ring: total variation to p*");
    real hashed[ARMS + 1];
    QuadReward bowl = bowl_reward_new(1.6, 1.2, 0.5);
    printf("ring_data_sets %d\nring_tv_exact %.9f\n", sets, ring_run(&bowl, 400, 1, seed, 0));
    for (int pairs = 400; pairs <= (quick ? 400 : 6400); pairs *= 4) {
        double sum = 0, square = 0;
        for (int s = 0; s < sets; s++) {
            double tv = ring_run(&bowl, pairs, 0, seed, (uint64_t)s);
            hashed[ARMS] = (real)tv; // the one number of the hash that depends on the seed
            sum += tv / sets;
            square += tv * tv / sets;
        }
        printf("ring_tv_%d %.4f\nring_se_%d %.4f\n", pairs, sum, pairs, sqrt((square - sum * sum) / sets));
    }
    for (int k = 0; k < ARMS; k++) {
        hashed[k] = (real)run[0].lp[k];
    }
    if (out != NULL) {
        draw(out, run);
    }
    double gap = margin(run[0].lp, BEST, WORST);
    printf("inspect %.6f gap of DPO\nexpect 5.999999 to 6.000001\n", gap);
    printf("hash %016llx\n", (unsigned long long)hash_reals(HASH_START, hashed, ARMS + 1));
    return !(fabs(gap - 6) < 1e-6);
}
