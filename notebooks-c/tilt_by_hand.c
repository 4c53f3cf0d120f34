// tilt_by_hand.c: the exact answer of alignment, first with eight numbers on paper, then on a ring in the plane.
//
// It shows p* = p_ref e^(r/beta) / Z, what beta does as a dial, the reward-KL frontier, and best-of-n under it.  It
// shows no training: methods that learn are in the chapters, and this is what they are measured against.
// One program, less than a second:   cc -std=c99 -O2 notebooks-c/tilt_by_hand.c -lm -o lab && ./lab
// As a page with its pictures:   build/nb notebooks-c/tilt_by_hand.c

// %% [markdown]
// # The tilt by hand
//
// A model draws samples from a law $p_{\mathrm{ref}}$. A reward $r(x)$ says which samples we like. *Alignment* asks
// for a new law that earns more reward and yet stays close to the old one:
//
// $$
// \max_q \; J(q), \qquad J(q) = \mathbb{E}_{q}[r] - \beta \, \mathrm{KL}(q \| p_{\mathrm{ref}})
// $$
//
// The best law is known in closed form. It is the reference, *tilted* by the reward:
//
// $$
// p^*(x) = \frac{1}{Z} \, p_{\mathrm{ref}}(x) \, e^{r(x)/\beta}, \qquad
// Z = \sum_x p_{\mathrm{ref}}(x) \, e^{r(x)/\beta}, \qquad J(p^*) = \beta \log Z
// $$
//
// $\beta$ is a temperature: how many units of reward one nat of distance is worth. You will
//
// 1. do one tilt with eight numbers, on paper if you like,
// 2. turn the dial $\beta$ on a ring of eight Gaussians and watch the law move,
// 3. draw the frontier that no method can cross, and put best-of-$n$ under it,
// 4. answer three questions that the program checks.
//
// **Predict first.** At very large $\beta$, what is $p^*$? At very small $\beta$, where does its mass go? Write it
// down. The table in part 3 has the answers.

// %%
#include "../ref/formula/best_of_n.h"
#include "../ref/show/svg.h"
#include "../toy/feedback/rewards.h"
#include "../toy/world/arms.h"
#include "../toy/world/ring.h"
#include "cell.h"

enum { SIDE = 100 }; // cells of the grid along x and along y

// Three heat maps side by side, each from 0 (dark) to its own maximum (light).
static void draw_three(const char *path, const double *const law[3], const char *const name[3]) {
    Image picture = image_new(3 * 2 * SIDE + 40, 2 * SIDE + 40, 3);
    image_fill(&picture, PAPER);
    for (int k = 0; k < 3; k++) {
        Window panel = {10 + k * (2 * SIDE + 10), 30, 2 * SIDE, 2 * SIDE, -3, 3, -3, 3};
        double top = 0;
        for (size_t i = 0; i < SIDE * SIDE; i++) {
            top = fmax(top, law[k][i]);
        }
        image_field(&picture, &panel, law[k], SIDE, SIDE, top);
        image_text(&picture, panel.left, 8, 2, INK, name[k]);
    }
    png_write(path, &picture);
    image_free(&picture);
}

// %% [markdown]
// ## 1. Eight arms
//
// The smallest world has eight outcomes, called arms. Each has a probability under the reference and a reward. The
// best arm is the rarest one. A tilt is four columns:
//
// 1. divide the reward by $\beta$ and take $e^{r/\beta}$, the *factor*;
// 2. multiply it by $p_{\mathrm{ref}}$, the *product*;
// 3. add up the products: that is $Z$;
// 4. divide each product by $Z$: that is $p^*$.
//
// Take a pocket calculator, $\beta = 1$, and do two rows before you look.

// %%
int main(void) {
    Arms arms = arms_new();
    double beta = 1, Z = 0;
    printf("arm   p_ref     r   factor  product\n");
    for (int k = 0; k < ARMS; k++) {
        double factor = e_exp(arms.r[k] / beta);
        Z += arms.p_ref[k] * factor;
        printf("%3d   %5.2f  %+4.1f  %7.4f  %7.4f\n", k, arms.p_ref[k], arms.r[k], factor, arms.p_ref[k] * factor);
    }
    printf("                     Z = %7.4f\n\n", Z);

    double by_hand[ARMS];
    printf("arm   p_ref      p*\n");
    for (int k = 0; k < ARMS; k++) {
        by_hand[k] = arms.p_ref[k] * e_exp(arms.r[k] / beta) / Z;
        printf("%3d   %5.2f  %6.4f  %s\n", k, arms.p_ref[k], by_hand[k],
               by_hand[k] > arms.p_ref[k] ? "more likely than before" : "less likely than before");
    }

    // %% [markdown]
    // An arm becomes more likely exactly when its factor is larger than $Z$, the average factor: when
    // $r > \beta \log Z$. Being better than nothing is not enough; it must be better than the soft average of
    // the competition.
    //
    // The reference code does the same with one change: it subtracts the largest exponent before taking $e$, so that a
    // tiny $\beta$ does not overflow.

    // %% [show] ref/formula/tilt.h tilt_discrete

    // %% [markdown]
    // Two routes, one answer? And is the value of the optimum what the theory says? The right column computes $J$ from
    // its definition, the left one from $Z$ alone.

    // %%
    double p_star[ARMS];
    double log_z = tilt_discrete(p_star, arms.p_ref, arms.r, beta, ARMS);
    double worst = 0;
    for (int k = 0; k < ARMS; k++) {
        worst = fmax(worst, fabs(p_star[k] - by_hand[k]));
    }
    double mean = table_mean(NULL, p_star, arms.r, ARMS);
    double kl = kl_discrete(p_star, arms.p_ref, ARMS);
    printf("largest difference to the paper version below 1e-12: %s\n", worst < 1e-12 ? "yes" : "NO");
    printf("log Z        %.4f nats     beta log Z         %.4f\n", log_z, beta * log_z);
    printf("E[r]         %.4f          E[r] - beta KL     %.4f\n", mean, mean - beta * kl);
    printf("KL           %.4f nats\n", kl);

    // %% [markdown]
    // **Why it is the best.** For any other law $q$ the loss is exactly
    //
    // $$ J(p^*) - J(q) = \beta \, \mathrm{KL}(q \| p^*) \ge 0 $$
    //
    // Try some: the reference itself, all mass on the best arm, and half-way between $p_{\mathrm{ref}}$ and $p^*$. The
    // greedy law earns the most reward and has the worst $J$: it pays for distance.

    // %%
    double greedy[ARMS] = {0}, half_way[ARMS];
    greedy[ARMS - 1] = 1; // the last arm has the largest reward
    for (int k = 0; k < ARMS; k++) {
        half_way[k] = 0.5 * arms.p_ref[k] + 0.5 * p_star[k];
    }
    const double *const rival[] = {arms.p_ref, greedy, half_way, p_star};
    const char *const called[] = {"reference", "greedy", "half-way", "tilt"};
    printf("law          E[r]      KL       J     gap  beta KL(q||p*)\n");
    for (int i = 0; i < 4; i++) {
        LawScore s = arms_score(rival[i], &arms, beta);
        double to_star = fabs(kl_discrete(rival[i], p_star, ARMS)); // fabs: no -0.0000 from rounding
        printf("%-10s %+.4f  %.4f  %+.4f  %.4f  %.4f\n", called[i], s.reward, s.kl, s.j, fabs(s.gap), beta * to_star);
    }

    // %% [markdown]
    // ## 2. The same thing in the plane
    //
    // The ring world: $p_{\mathrm{ref}}$ is eight Gaussians of equal weight on a circle. The reward is a smooth bump
    // whose top lies *outside* the ring, to the upper right: no sample of the reference is the best point. The plane is
    // cut into square cells; a law is one mass per cell, an integral is a sum, and the tilt is the same function as for
    // eight arms, only with more rows.
    //
    // Each picture shows $p_{\mathrm{ref}}$, the reward, and $p^*$, from a large to a small $\beta$. Every panel is
    // scaled to its own maximum.

    // %%
    enum { CELLS = SIDE * SIDE };
    Ring ring = ring_new();
    Bump bump = bump_new();
    Grid grid = grid_new(SIDE, -3, 3);
    double *p_ref = NEW(double, CELLS), *r = NEW(double, CELLS), *p = NEW(double, CELLS);
    ring_grid_ref(p_ref, &grid, &ring, -1);
    grid_reward(r, &grid, bump_reward, -1, &bump);
    const double dial[] = {4, 0.5, 0.1};
    for (int i = 0; i < 3; i++) {
        char name[32], shows[128];
        tilt_discrete(p, p_ref, r, dial[i], CELLS);
        snprintf(name, sizeof name, "p*, beta %g", dial[i]);
        snprintf(shows, sizeof shows, "three heat maps: p_ref on the ring, the reward bump, and p* for beta = %g",
                 dial[i]);
        const double *const law[3] = {p_ref, r, p};
        const char *const names[3] = {"p_ref", "reward", name};
        const char *path = cell_picture("png", shows);
        if (path) {
            draw_three(path, law, names);
        }
    }

    // %% [markdown]
    // Look at the last one. The mass did not jump to the top of the reward. It sits between the nearest mode and
    // the bump, because where $p_{\mathrm{ref}}$ has nothing, $p^*$ has nothing: a tilt can only multiply.
    //
    // ## 3. The dial
    //
    // Now the numbers, from large to small $\beta$. The column *J* is computed from its definition, with the KL summed
    // over cells; the last column compares it with $\beta \log Z$.

    // %%
    double reward_ref = table_mean(NULL, p_ref, r, CELLS);
    printf("   beta    log Z    E[r]      KL       J   |J - beta log Z| < 1e-10\n");
    for (double b = 32; b > 0.03; b /= 2) {
        double lz = tilt_discrete(p, p_ref, r, b, CELLS);
        double e = table_mean(NULL, p, r, CELLS), d = kl_discrete(p, p_ref, CELLS), j = e - b * d;
        printf("%7.4f  %7.4f  %.4f  %.4f  %.4f   %s\n", b, lz, e, d, j, fabs(j - b * lz) < 1e-10 ? "yes" : "NO");
    }
    printf("\nE[r] under p_ref %.4f\n", reward_ref);

    // %% [markdown]
    // Compare with your prediction. For large $\beta$ the law is the reference: KL goes to zero and $J$ to the mean
    // reward of the reference. For small $\beta$ the reward saturates while the KL keeps growing: with each halving of
    // $\beta$ a nat of distance buys less reward. That is the whole trade-off, and it needs no training to see.
    //
    // ## 4. A second route: closed form
    //
    // A grid could be wrong in a way that fools all its own sums. For a mixture of Gaussians and a *linear* (or
    // quadratic) reward the tilt is again a mixture of Gaussians, so there is an answer without a grid. For a
    // linear reward $r = b^\top x$ and round Gaussians of variance $\sigma^2$:
    //
    // $$
    // \mu_k^* = \mu_k + \frac{\sigma^2}{\beta} b, \qquad
    // \log Z_k = \frac{b^\top \mu_k}{\beta} + \frac{\sigma^2 \| b \|^2}{2 \beta^2}, \qquad
    // w_k^* = \frac{w_k Z_k}{\sum_j w_j Z_j}
    // $$
    //
    // Means move *and* weights change. Forgetting the weights is the usual mistake.

    // %% [show] ref/formula/tilt.h gmm_tilt

    // %%
    Gmm mixture = ring_gmm(&ring, -1);
    QuadReward linear = linear_reward_new(0.8, 0.6);
    grid_reward(r, &grid, quad_point_reward, -1, &linear);
    printf("  beta   log Z closed  log Z grid    E[r] closed  E[r] grid    KL closed  KL grid\n");
    for (double b = 2; b > 0.3; b /= 2) {
        TiltPoint exact = gmm_tilt_point(&mixture, &linear, b);
        TiltPoint sum = tilt_discrete_point(p, p_ref, r, b, CELLS);
        printf("%6.2f   %12.6f  %10.6f    %11.6f  %9.6f    %9.6f  %7.6f\n", b, exact.log_z, sum.log_z, exact.e_r,
               sum.e_r, exact.kl, sum.kl);
    }
    gmm_free(&mixture);
    grid_reward(r, &grid, bump_reward, -1, &bump); // back to the bump

    // %% [markdown]
    // ## 5. The frontier, and best-of-n under it
    //
    // Plot the mean reward against the KL, one point for each $\beta$. No law lies above this curve, and its slope at
    // any point is the $\beta$ of that point.
    //
    // The simplest rival trains nothing: draw $n$ samples from $p_{\mathrm{ref}}$ and keep the best. Its law is known
    // too. With $F$ the distribution function of the reward under the reference,
    //
    // $$
    // p_n(x) = n \, F(r(x))^{n-1} \, p_{\mathrm{ref}}(x), \qquad
    // \mathrm{KL}(p_n \| p_{\mathrm{ref}}) \le \log n - \frac{n-1}{n}, \qquad
    // \Pr(\text{win}) \le \frac{n}{n+1}
    // $$
    //
    // with equality when no two rewards are equal. On the grid each cell counts as one outcome, so both are bounds.
    //
    // How far below the frontier does it lie? Every $\beta$ gives a line above all laws, because $J(q) \le J(p^*)$
    // reads $\mathbb{E}_q[r] \le \beta \, (\log Z + \mathrm{KL})$. The lowest of these lines is the frontier: the
    // column *ceiling* takes the minimum over the temperatures of the curve.

    // %%
    enum { POINTS = 120, ROUNDS = 10 };
    double curve_beta[POINTS], curve_kl[POINTS], curve_r[POINTS], curve_j[POINTS];
    double best_kl[ROUNDS], best_r[ROUNDS];
    for (int i = 0; i < POINTS; i++) {
        curve_beta[i] = 512 * e_exp(-0.085 * i);
        TiltPoint t = tilt_discrete_point(NULL, p_ref, r, curve_beta[i], CELLS);
        curve_kl[i] = t.kl;
        curve_r[i] = t.e_r;
        curve_j[i] = t.objective;
    }
    printf("   n      KL   bound    E[r]  ceiling  win rate  n/(n+1)\n");
    for (int i = 0; i < ROUNDS; i++) {
        int n = 1 << i;
        bon_discrete(p, p_ref, r, n, CELLS);
        best_kl[i] = kl_discrete(p, p_ref, CELLS);
        best_r[i] = table_mean(NULL, p, r, CELLS);
        double ceiling = INFINITY;
        for (int k = 0; k < POINTS; k++) {
            ceiling = fmin(ceiling, curve_j[k] + curve_beta[k] * best_kl[i]);
        }
        printf("%4d  %.4f  %.4f  %.4f   %.4f    %.4f   %.4f\n", n, best_kl[i], bon_kl(n), best_r[i], ceiling,
               win_rate(p, p_ref, r, CELLS), bon_win(n));
    }
    const char *path =
        cell_picture("svg", "mean reward against KL: the frontier of the tilt, with best-of-n points below it");
    if (path) {
        Svg s = svg_new(640, 400, "reward against distance");
        svg_axes(&s, 0, 6, 0, 2, "KL to the reference, nats", "mean reward");
        svg_line(&s, curve_kl, curve_r, POINTS, palette_category(0), "tilt: the frontier");
        svg_points(&s, best_kl, best_r, ROUNDS, 4, palette_category(1), "best-of-n, n = 1, 2, 4, ... 512");
        for (int i = 0; i < 3; i++) {
            const double mark[] = {0.5, 0.25, 0.125};
            char name[32];
            TiltPoint t = tilt_discrete_point(NULL, p_ref, r, mark[i], CELLS);
            svg_points(&s, &t.kl, &t.e_r, 1, 4, palette_category(0), "");
            snprintf(name, sizeof name, "beta %g", mark[i]);
            svg_text(&s, t.kl - 0.1, t.e_r + 0.05, 'e', INK, name);
        }
        svg_legend(&s, 'R');
        svg_write(&s, path);
    }

    // %% [markdown]
    // Best-of-$n$ stays under the frontier but close to it. Its price is hidden elsewhere: each doubling of the samples
    // moves it by less than $\log 2$ nats.
    //
    // Is the law of best-of-n on the grid the law of the real procedure? Draw it: many rounds, each keeping the best of
    // eight samples from the ring. The two numbers must agree within four standard errors.

    // %%
    enum { REPEATS = 20000, OF = 8 };
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < REPEATS; i++) {
        double best = -INFINITY;
        for (uint64_t k = 0; k < OF; k++) {
            double x[2];
            ring_sample(x, &ring, -1, 1, 0, OF * i + k);
            best = fmax(best, bump_reward(x, -1, &bump));
        }
        sum += best;
        squares += best * best;
    }
    double sampled = sum / REPEATS, se = sqrt((squares / REPEATS - sampled * sampled) / REPEATS);
    printf("best of %d: sampled %.4f +- %.4f, grid %.4f, within 4 standard errors: %s\n", OF, sampled, se, best_r[3],
           fabs(sampled - best_r[3]) < 4 * se ? "yes" : "NO");
    TiltPoint above = tilt_discrete_point(NULL, p_ref, r, 0.501, CELLS);
    TiltPoint below = tilt_discrete_point(NULL, p_ref, r, 0.499, CELLS);
    printf("slope of the frontier at beta 0.5: %.4f\n", (below.e_r - above.e_r) / (below.kl - above.kl));

    // %% [markdown]
    // ## 6. Your turn
    //
    // Replace each `NAN` in the next cell, compile, run. The program checks the answers against numbers it computes
    // itself; it does not contain them.
    //
    // 1. The eight arms at $\beta = 0.5$: what is $\log Z$? Paper and calculator; two decimals are enough.
    // 2. On the ring, what is the smallest whole $n$ for which the bound $\log n - \frac{n-1}{n}$ reaches the KL of the
    //    tilt at $\beta = 0.25$? The table in part 3 has the KL; the one in part 5 tells where to search.
    // 3. With $\eta = 1/\beta$, theory says that $\frac{d}{d\eta} \mathbb{E}_{p^*}[r]$ is a familiar quantity of the
    //    law $p^*$ and the reward. Compute it for the eight arms at $\beta = 1$, with one call of `table_mean`. The
    //    checker takes a finite difference.

    // %%
    double answer_1 = NAN; // EXERCISE 1: log Z of the eight arms at beta 0.5
    double answer_2 = NAN; // EXERCISE 2: the smallest n
    double answer_3 = NAN; // EXERCISE 3: d E[r] / d eta of the eight arms at beta 1

    // %% [markdown]
    // The checks:

    // %%
    const char *said = "open (hint: the factors are the squares of those above)";
    double right = arms_tilt(NULL, &arms, 0.5).log_z;
    if (!isnan(answer_1)) {
        said = fabs(answer_1 - right) < 0.006 ? "right" : "not yet: is it log Z, not Z, and the natural logarithm?";
    }
    printf("exercise 1: %s\n", said);

    said = "open (hint: between which two rows of the table in part 5?)";
    double goal = tilt_discrete_point(NULL, p_ref, r, 0.25, CELLS).kl;
    if (!isnan(answer_2)) {
        int whole = answer_2 >= 1 && answer_2 == floor(answer_2);
        int smallest = whole && bon_kl(answer_2) >= goal && (answer_2 == 1 || bon_kl(answer_2 - 1) < goal);
        said = smallest ? "right" : "not yet: this n must reach the KL, and n - 1 must not";
    }
    printf("exercise 2: %s\n", said);

    said = "open (hint: how much does the reward vary under p*?)";
    double step = 1e-4; // of eta = 1/beta
    double more = arms_tilt(NULL, &arms, 1 / (1 + step)).e_r, less = arms_tilt(NULL, &arms, 1 / (1 - step)).e_r;
    if (!isnan(answer_3)) {
        int close = fabs(answer_3 - (more - less) / (2 * step)) < 0.0005;
        said = close ? "right" : "not yet: take it under p*, not under p_ref";
    }
    printf("exercise 3: %s\n", said);
    free(p_ref);
    free(r);
    free(p);
    return 0;
}

// %% [markdown]
// ## Where to go
//
// The tilt is the yardstick of everything that follows. A method that trains a model is scored by its gap
// $J(p^*) - J(q)$, never by its reward curve alone, because the greedy law of part 1 has a beautiful reward curve.
// Chapter 9 derives the tilt and measures best-of-$n$; chapter 10 tilts with a reward that is wrong; chapter 15 turns
// the formula around to get preference optimisation without a reward model.
