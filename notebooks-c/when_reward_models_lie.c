// when_reward_models_lie.c: dials for a fitted reward: answers, noise, beta, members, caution.  Predict, then turn.
//
// It shows what each dial does to the report (accuracy, calibration) and to the true reward of the tilted law, which
// in real life nobody can see.  It does not repeat the tables of chapter 8: there every number has many raters
// behind it. One program, about three seconds:   cc -std=c99 -O2 notebooks-c/when_reward_models_lie.c -lm -o lab &&
// ./lab As a page with its pictures:   build/nb notebooks-c/when_reward_models_lie.c

// %% [markdown]
// # When reward models lie: the dials
//
// A rater sees two samples of the reference and says which one is better. From such answers a reward $\hat r$ is
// fitted, and a law is tilted towards it. Six experiments follow. Each begins with a question: **write your answer
// down before you look at the output.** Then change the dial in the code, run again, and see whether you can break
// the conclusion.
//
// The true reward is known everywhere in this world: it rises to the upper right, dips on one mode and falls steeply
// outside radius 2.1. Samples of the reference hardly ever go there.

// %%
#include "../toy/feedback/choice_view.h"
#include "../toy/world/tally.h"
#include "cell.h"

enum { RATERS = 4, MOST = 8, STREAM_RATER = 10, STREAM_SAMPLES = 40, STREAM_NEW = 70, STREAM_JUDGE = 99 };
#define TAU 0.5 // DIAL: the rater's temperature, reward units
#define SEED 1  // DIAL: other raters, other samples

static Lab lab; // the plane: p_ref, truth, and the regions inside and outside of the data
static double net[MOST * LAB_CELLS], bumps[LAB_CELLS], score[LAB_CELLS], law[LAB_CELLS], sd[LAB_CELLS];

// n answers of rater k, who turns an answer around with chance flip.
static Pairs answers(int n, double flip, int k) {
    Rater rater = rater_new(TAU, SEED, STREAM_RATER + (uint64_t)k);
    rater.flip = flip;
    return lab_pairs(&lab, &rater, n, SEED, STREAM_SAMPLES + (uint64_t)k);
}

// True mean reward of the tilt by r that has this KL.
static double truth_at_kl(const double *r, double kl) {
    lab_tilt_at_kl(law, &lab, r, kl);
    return table_mean(NULL, law, lab.truth, LAB_CELLS);
}

// Up to three maps side by side.
static void draw_maps(const char *path, const char *title, int count, const double *const *table, const double *low,
                      const double *high, const char *const *name) {
    Svg s = svg_new(20 + 236 * count, 290, title);
    for (int k = 0; k < count; k++) {
        lab_map(&s, 18 + 236 * k, 58, 216, &lab, table[k], low[k], high[k], name[k]);
    }
    svg_write(&s, path);
}

// %% [markdown]
// ## 1. How good can accuracy be?
//
// The rater prefers $a$ to $b$ with chance $P = \sigma((r_a - r_b)/\tau)$, and then turns the answer around with
// chance
// $\epsilon$. So even the true reward foretells only
//
// $$ \mathbb{E}[\max(P, 1-P)] \, (1 - 2\epsilon) + \epsilon $$
//
// of the answers. **Predict:** a model agrees with 70 % of the held-out answers of a rater with $\tau = 1$. Is it a
// bad model?

// %%
int main(void) {
    lab_new(&lab);
    const double tau_dial[] = {0.125, 0.25, 0.5, 1, 2};
    printf("   tau   ceiling   with 10 %% reversed   with 20 %% reversed\n");
    for (int i = 0; i < 5; i++) {
        double c = lab_judge(NULL, &lab, lab.p_ref, lab.truth, tau_dial[i], 20000, SEED, STREAM_JUDGE).ceiling;
        printf("%6.3f    %.3f        %.3f               %.3f\n", tau_dial[i], c, 0.8 * c + 0.1, 0.6 * c + 0.2);
    }

    // %% [markdown]
    // An accuracy means nothing without its ceiling. In real data the ceiling is estimated by asking the same pair
    // twice.
    //
    // ## 2. Dial: the number of answers
    //
    // A network and a model of Gaussian bumps are fitted to more and more answers. **Predict:** four times the
    // answers halve the error where data are. What do they do to the error on the ring outside the data, from radius
    // 2.4 to 3.2? And to the error under the model's own tilt at KL 3?

    // %%
    enum { SIZES = 5 };
    double size[SIZES], curve[2][3][SIZES];
    printf("answers  model    accuracy   error: reference  own tilt  outside\n");
    for (int i = 0; i < SIZES; i++) {
        int n = 100 << i;
        size[i] = e_log(n) / e_log(10);
        for (int model = 0; model < 2; model++) {
            double *r = model ? bumps : net;
            Tally t[4];
            memset(t, 0, sizeof t);
            for (int k = 0; k < RATERS; k++) {
                Pairs pairs = answers(n, 0, k);
                if (model) {
                    lab_fit_features(r, &lab, &pairs, 1, rm_plain, 0, 0.5 / n);
                } else {
                    lab_fit_ensemble(r, &lab, &pairs, 400, 1, 100 + (uint64_t)k);
                }
                pairs_free(&pairs);
                tally_add(&t[0], lab_error(&lab, lab.p_ref, r, TAU));
                tally_add(&t[1], (lab_tilt_at_kl(law, &lab, r, 3), lab_error(&lab, law, r, TAU)));
                tally_add(&t[2], lab_error(&lab, lab.outside, r, TAU));
                tally_add(&t[3], lab_judge(NULL, &lab, lab.p_ref, r, TAU, 2000, SEED, STREAM_JUDGE).accuracy);
            }
            for (int m = 0; m < 3; m++) {
                curve[model][m][i] = tally_mean(&t[m]);
            }
            printf("%6d   %-7s   %.3f       %.3f             %.3f     %.2f\n", n, model ? "bumps" : "network",
                   tally_mean(&t[3]), tally_mean(&t[0]), tally_mean(&t[1]), tally_mean(&t[2]));
        }
    }
    const char *path =
        cell_picture("svg", "error against the number of answers: it falls where data are, hardly moves outside, and "
                            "under its own tilt the network keeps an error that the bumps do not have");
    if (path) {
        static const char *const where[3] = {"reference", "own tilt, KL 3", "outside"};
        Svg s = svg_new(640, 380, "Error of the fitted reward: network (solid), bumps (dashed)");
        svg_axes(&s, 1.9, 3.3, 0, 5.5, "log10 of the number of answers", "mean error, reward units");
        for (int m = 0; m < 3; m++) {
            svg_line(&s, size, curve[0][m], SIZES, palette_category(m), where[m]);
            svg_dashed(&s, size, curve[1][m], SIZES, palette_category(m), "");
        }
        svg_legend(&s, 'r');
        svg_write(&s, path);
    }

    // %% [markdown]
    // More of the same answers make the model better where it is good already. Nobody is ever asked about the region
    // outside, so the error there stays what the model's habit of extrapolation makes it. Under its own tilt the two
    // part: the network is drawn outside by its own mistake, the bumps, flat outside, are not.
    //
    // ## 3. Dial: beta
    //
    // One rater, 600 answers, one network. The table turns $\beta$ down, and with it the KL up. The claim is
    // $\mathbb{E}_q[\hat r]$, the truth $\mathbb{E}_q[r]$. **Predict:** at which KL is the truth largest, and what does
    // the claim do there?

    // %%
    Pairs pairs = answers(600, 0, 0);
    lab_fit_ensemble(net, &lab, &pairs, 400, 1, 100);
    printf("   beta      KL   claim   truth   best at this KL   accuracy on its own tilt\n");
    for (double beta = 2; beta > 0.06; beta /= 2) {
        TiltPoint t = tilt_discrete_point(law, lab.p_ref, net, beta / TAU, LAB_CELLS); // net is in logits
        double truth = table_mean(NULL, law, lab.truth, LAB_CELLS);
        double accuracy = lab_judge(NULL, &lab, law, net, TAU, 4000, SEED, STREAM_JUDGE).accuracy;
        printf("%7.4f  %6.3f  %6.3f  %6.3f       %.3f            %.3f\n", beta, t.kl, TAU * t.e_r, truth,
               truth_at_kl(lab.truth, t.kl), accuracy);
    }
    path = cell_picture("svg", "the law tilted by the network at KL 1, 3 and 5 moves off the ring to the right");
    if (path) {
        static double at[3][LAB_CELLS];
        double low[3] = {0, 0, 0}, high[3] = {0, 0, 0};
        const double *const table[3] = {at[0], at[1], at[2]};
        const char *const name[3] = {"KL 1", "KL 3", "KL 5"};
        for (int k = 0; k < 3; k++) {
            lab_tilt_at_kl(at[k], &lab, net, 1 + 2 * k);
            for (int i = 0; i < LAB_CELLS; i++) {
                high[k] = fmax(high[k], at[k][i]);
            }
        }
        draw_maps(path, "Where the network sends the law", 3, table, low, high, name);
    }

    // %% [markdown]
    // The claim never warns. Nor does the report: the last column is measured with the truth, which is not at hand.
    //
    // ## 4. Dial: the caution of an ensemble
    //
    // Eight networks with other random starts and batches, the same 600 answers. Score $\bar r - k \, \mathrm{sd}$.
    // **Predict:** outside, the error is more than ten times the spread of the members. Is there a $k$ that repairs
    // the tilt at KL 5? Can caution be too large?

    // %%
    const double caution[] = {0, 1, 3, 10, 30, 100};
    Tally by_k[6], by_size[4][2];
    memset(by_k, 0, sizeof by_k);
    memset(by_size, 0, sizeof by_size);
    for (int k = 0; k < RATERS; k++) {
        pairs_free(&pairs);
        pairs = answers(600, 0, k);
        lab_fit_ensemble(net, &lab, &pairs, 400, MOST, 200 + MOST * (uint64_t)k);
        for (int i = 0; i < 6; i++) {
            ensemble_combine(score, NULL, net, ENS_LCB, caution[i], MOST, LAB_CELLS);
            tally_add(&by_k[i], truth_at_kl(score, 5));
        }
        for (int i = 0; i < 4; i++) { // ensembles of 1, 2, 4, 8
            for (int rule = 0; rule < 2; rule++) {
                ensemble_combine(score, NULL, net, rule ? ENS_WORST : ENS_MEAN, 0, (size_t)1 << i, LAB_CELLS);
                tally_add(&by_size[i][rule], truth_at_kl(score, 5));
            }
        }
    }
    printf("KL 5; the best possible truth is %.3f.  Standard errors over %d raters in brackets.\n\n",
           truth_at_kl(lab.truth, 5), RATERS);
    printf("    k    truth of the tilt by mean - k sd\n");
    for (int i = 0; i < 6; i++) {
        printf("%5.0f    %.3f (%.3f)\n", caution[i], tally_mean(&by_k[i]), tally_se(&by_k[i]));
    }
    printf("\nmembers   mean             minimum\n");
    for (int i = 0; i < 4; i++) {
        printf("%5d     %.3f (%.3f)    %.3f (%.3f)\n", 1 << i, tally_mean(&by_size[i][0]), tally_se(&by_size[i][0]),
               tally_mean(&by_size[i][1]), tally_se(&by_size[i][1]));
    }
    ensemble_sd(sd, net, MOST, LAB_CELLS);
    ensemble_combine(score, NULL, net, ENS_MEAN, 0, MOST, LAB_CELLS);
    printf("\nlast rater: spread %.3f inside, %.3f outside; error %.3f inside, %.3f outside\n",
           TAU * table_mean(NULL, lab.inside, sd, LAB_CELLS), TAU * table_mean(NULL, lab.outside, sd, LAB_CELLS),
           lab_error(&lab, lab.inside, score, TAU), lab_error(&lab, lab.outside, score, TAU));

    // %% [markdown]
    // The best $k$ of the list is far from 1, and it recovers a part of what is missing, not all: the spread knows
    // *where* the fit is a guess, and not how wrong the guess is. Beyond it, caution pushes the law away from
    // whatever the members happen to differ about. Could you have chosen this $k$ without the truth? The minimum is
    // a mild caution, and the mean of many networks is still the mean of one habit.
    //
    // ## 5. Dial: reversed answers, and what you believe about them
    //
    // One answer in five is the wrong way round. The forward correction has the likelihood of that, *if* it is told
    // the right rate. The true reward is the only feature; the right weight is 1. **Predict:** you believe 10 % and
    // it is 20 %. You believe 30 % and it is 20 %. Which error is worse?

    // %%
    const double believed[] = {0, 0.1, 0.2, 0.25, 0.3};
    printf("believed   weight   one fit's spread      (2000 answers, 20 %% reversed)\n");
    for (int i = 0; i < 5; i++) {
        Tally weight = {0, 0, 0, 0};
        for (int k = 0; k < 20; k++) {
            Rater rater = rater_new(TAU, SEED, STREAM_RATER + (uint64_t)k);
            rater.flip = 0.2;
            tally_add(&weight, lab_scale(&lab, &rater, 2000, rm_noise, believed[i], SEED, STREAM_NEW + (uint64_t)k));
        }
        printf("  %.2f     %6.3f    %.3f\n", believed[i], tally_mean(&weight), tally_sd(&weight));
    }
    printf("\ntrue difference   fitted by the plain loss to answers of which 20 %% are reversed\n");
    for (double d = 0.5; d < 9; d *= 2) {
        printf("     %.1f             %.3f   (factor %.3f)\n", d, noise_fitted_logit(NULL, d, 0.2),
               noise_fitted_logit(NULL, d, 0.2) / d);
    }

    // %% [show] ref/formula/reward_loss.h rm_noise

    // %% [markdown]
    // ## 6. The cure: ask where the law goes
    //
    // Tilt, show the rater pairs of one sample from the tilt (KL 5) and one from the reference, add the answers, fit
    // again. **Predict:** 200 more answers of the old kind, or 200 asked on the tilt: which of the two raises the
    // truth at KL 5, and by how much of the missing half unit?

    // %%
    enum { OLD = 600, STEP = 50, ROUNDS = 4, ALL = OLD + STEP * ROUNDS };
    Tally earned[2][ROUNDS + 1];
    memset(earned, 0, sizeof earned);
    static double before[LAB_CELLS], sums[LAB_CELLS];
    for (int k = RATERS - 1; k >= 0; k--) {
        Rater rater = rater_new(TAU, SEED, STREAM_NEW + (uint64_t)k);
        pairs_free(&pairs);
        pairs = answers(ALL, 0, k);
        for (int on_tilt = 0; on_tilt < 2; on_tilt++) {
            for (int round = 0; round <= ROUNDS; round++) {
                pairs.n = OLD + STEP * round; // so many of the answers are used
                lab_fit_ensemble(net, &lab, &pairs, 400, 1, 300 + (uint64_t)k);
                memcpy(before, round == 0 ? net : before, sizeof before);
                tally_add(&earned[on_tilt][round], truth_at_kl(net, 5)); // law is now that tilt
                for (int i = 0; i < LAB_CELLS; i++) {
                    sums[i] = law[i] + (i > 0 ? sums[i - 1] : 0);
                }
                for (int i = 0; i < STEP && on_tilt && round < ROUNDS; i++) { // the next answers are replaced
                    uint64_t word = (uint64_t)(round * STEP + i);
                    double x[2], y[2], u = rng_uniform(SEED, STREAM_NEW + 20 + (uint64_t)k, word);
                    grid_point(x, &lab.grid, (size_t)lab_cell(sums, u));
                    ring_sample(y, &lab.ring, -1, SEED, STREAM_NEW + 10 + (uint64_t)k, word);
                    double r_x = shore_reward(x, -1, &lab.shore), r_y = shore_reward(y, -1, &lab.shore);
                    int first = rater_choose(&rater, r_x, r_y, word) == CHOSE_A;
                    for (int d = 0; d < 2; d++) {
                        pairs.w[2 * (pairs.n + i) + d] = (real)(first ? x[d] : y[d]);
                        pairs.l[2 * (pairs.n + i) + d] = (real)(first ? y[d] : x[d]);
                    }
                }
            }
        }
    }
    printf("truth at KL 5 (best %.3f)\n", truth_at_kl(lab.truth, 5));
    printf("new answers   of the old kind    asked on the tilt\n");
    for (int round = 0; round <= ROUNDS; round++) {
        printf("%6d        %.3f (%.3f)      %.3f (%.3f)\n", round * STEP, tally_mean(&earned[0][round]),
               tally_se(&earned[0][round]), tally_mean(&earned[1][round]), tally_se(&earned[1][round]));
    }
    path = cell_picture("svg", "the true reward, the network before and after the new answers: it stopped climbing");
    if (path) {
        static double a[LAB_CELLS], b[LAB_CELLS];
        const double *const table[3] = {lab.truth, a, b}, low[3] = {-4, -4, -4}, high[3] = {3, 3, 3};
        const char *const name[3] = {"truth", "600 answers", "and 200 asked on the tilt"};
        for (int i = 0; i < LAB_CELLS; i++) {
            a[i] = TAU * before[i];
            b[i] = TAU * net[i];
        }
        draw_maps(path, "The same network before and after (-4 to 3)", 3, table, low, high, name);
    }

    // %% [markdown]
    // More of the old answers change nothing; the ones asked on the tilt recover the larger part of what is missing.
    // Answers are worth what the place is worth where they were asked.
    //
    // ## 7. Your turn
    //
    // Replace each `NAN`, compile, run. The program checks against numbers that it computes itself.
    //
    // 1. One answer in five is reversed and a model is fitted with the plain loss to endless data. What is the largest
    //    difference of rewards, in logits, that it can ever show?
    // 2. A rater with $\tau = 0.5$ reverses a quarter of the answers. What accuracy is the best possible? Part 1 has
    //    the ceiling without reversal.
    // 3. Five members, $\bar r - \lambda \, \mathrm{Var}$. Your $\lambda = 0.5$ was tuned with the variance that
    //    divides by 5; a colleague's code divides by 4. Which $\lambda$ must she use to get your scores?

    // %%
    double answer_1 = NAN; // EXERCISE 1: logits
    double answer_2 = NAN; // EXERCISE 2: an accuracy
    double answer_3 = NAN; // EXERCISE 3: her lambda

    // %% [markdown]
    // The checks:

    // %%
    const char *said = "open (hint: the last table of part 5, with an endless true difference)";
    if (!isnan(answer_1)) {
        said = fabs(answer_1 - noise_fitted_logit(NULL, 1e3, 0.2)) < 0.006 ? "right" : "not yet: it is a log-odds";
    }
    printf("exercise 1: %s\n", said);

    said = "open (hint: the formula of part 1)";
    double ceiling = lab_judge(NULL, &lab, lab.p_ref, lab.truth, 0.5, 20000, SEED, STREAM_JUDGE).ceiling;
    if (!isnan(answer_2)) {
        said = fabs(answer_2 - (0.5 * ceiling + 0.25)) < 0.002 ? "right" : "not yet: a coin must stay at one half";
    }
    printf("exercise 2: %s\n", said);

    said = "open (hint: the two variances differ by a factor that depends on M only)";
    if (!isnan(answer_3)) {
        double five[5] = {0.3, -1, 2, 0.7, 0.1}, mine, hers;
        ensemble_combine(&mine, NULL, five, ENS_UWO, 0.5, 5, 1);
        ensemble_combine(&hers, NULL, five, ENS_UWO_SAMPLE, answer_3, 5, 1);
        said = fabs(mine - hers) < 1e-6 ? "right" : "not yet: her variance is larger than yours";
    }
    printf("exercise 3: %s\n", said);
    pairs_free(&pairs);
    return 0;
}

// %% [markdown]
// ## Where to go
//
// Chapter 8 has parts 3 to 5 with more raters, their standard errors and the formulas. Chapter 7 chooses *which*
// pairs to ask. Chapter 10 follows a wrong reward down to small $\beta$.
