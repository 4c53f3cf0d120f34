// ch09.c: the tilt.  What is the best that any alignment method can do?
//
// Among all laws q, which one has the largest J(q) = E_q[r] - beta KL(q||p_ref)?  The answer is known in closed form:
// p* = p_ref e^(r/beta) / Z.  It is checked against random q on eight arms and against a grid on the ring.  The dial
// beta draws the frontier of reward against KL.  Best-of-n, which trains nothing, is measured and put under it.
#include "../../ref/formula/best_of_n.h"
#include "../../ref/formula/reward_law.h"
#include "../../ref/formula/reweight.h"
#include "../../ref/show/cli.h"
#include "../../ref/show/svg.h"
#include "../../toy/feedback/rewards.h"
#include "../../toy/world/arms.h"
#include "../../toy/world/ring.h"

enum { DIAL = 6, SIDE = 80, PANELS = 5, FINE = 200, SAMPLES = 20000, CURVE = 120, DOUBLINGS = 10 };
enum { STREAM_Q = 1, STREAM_SAMPLE, STREAM_BEST };

static uint64_t seed = 1;
static Ring ring;
static Gmm p_ref;         // the law of the ring
static QuadReward reward; // linear: 2 units per unit of x, upwards and a little to the right
static const double dial[DIAL] = {4, 2, 1, 0.5, 0.25, 0.125};
static const char *const name[DIAL] = {"4", "2", "1", "1_2", "1_4", "1_8"};

static int too_large(const char *what, double error, double limit) {
    printf("%s %.1e\n", what, error);
    return !(error < limit);
}

// ---- two proofs by numbers -----------------------------------------------------------------------------------------

// Eight arms, `count` random policies q around p*: the largest |J* - J(q) - beta KL(q||p*)|.
static double gap_error(const double p_star[ARMS], const Arms *arms, double beta, int count) {
    double q[ARMS], worst = 0;
    for (int i = 0; i < count; i++) {
        uint64_t first = (uint64_t)i * (ARMS + 1);
        double size = 0.1 + 3 * rng_uniform(seed, STREAM_Q, first);
        for (int k = 0; k < ARMS; k++) {
            q[k] = e_log(p_star[k]) + size * rng_normal(seed, STREAM_Q, first + 1 + (uint64_t)k);
        }
        arms_softmax(q, q);
        LawScore score = arms_score(q, arms, beta); // its gap is J* - J(q)
        worst = fmax(worst, fabs(score.gap - beta * kl_discrete(q, p_star, ARMS)));
    }
    return worst;
}

// The ring with a linear reward, a bowl and a saddle, at three temperatures: closed form against grid, worst case.
static double grid_error(void) {
    QuadReward three[3] = {reward, bowl_reward_new(1.6, 1.2, 0.5), {{1, 0, 0, -1}, {0.3, -0.2}, 0}};
    Grid g = grid_new(FINE, -5, 5);
    static double p[FINE * FINE];
    double worst = 0;
    ring_grid_ref(p, &g, &ring, -1);
    for (int k = 0; k < 9; k++) {
        double beta = dial[1 + k / 3];
        TiltPoint a = gmm_tilt_point(&p_ref, &three[k % 3], beta);
        TiltPoint b = grid_tilt(NULL, NULL, p, &g, quad_point_reward, -1, &three[k % 3], beta);
        worst = fmax(worst, fmax(fabs(a.log_z - b.log_z), fabs(a.e_r - b.e_r)));
        worst = fmax(worst, fmax(fabs(a.var_r - b.var_r), fabs(a.kl - b.kl)));
    }
    return worst;
}

// d log Z/d eta = E*[r], d E*/d eta = Var*[r], dE*/dKL = beta, eta = 1/beta: the largest relative error of differences.
static double identity_error(double beta) {
    double h = 1e-4 / beta;
    TiltPoint at = gmm_tilt_point(&p_ref, &reward, beta), up = gmm_tilt_point(&p_ref, &reward, 1 / (1 / beta + h));
    TiltPoint down = gmm_tilt_point(&p_ref, &reward, 1 / (1 / beta - h));
    double first = fabs((up.log_z - down.log_z) / (2 * h) / at.e_r - 1);
    double second = fabs((up.e_r - down.e_r) / (2 * h) / at.var_r - 1);
    return fmax(fmax(first, second), fabs((up.e_r - down.e_r) / (up.kl - down.kl) / beta - 1));
}

// ---- best-of-n -----------------------------------------------------------------------------------------------------

// Draws n + 1 points, `repeats` times, and lets the best of the first n compete with the last one.  Means and standard
// errors of: does it win, log p_n(x)/p_ref(x) of the winner (the mean is the KL), its reward.
static void best_of_sampled(double mean[3], double se[3], int n, int repeats) {
    double square[3] = {0}, x[2];
    memset(mean, 0, 3 * sizeof *mean);
    for (int i = 0; i < repeats; i++) {
        double best = -HUGE_VAL, r = 0;
        for (int j = 0; j <= n; j++) {
            gmm_sample(x, &p_ref, seed, STREAM_BEST + (uint64_t)n, (uint64_t)i * ((uint64_t)n + 1) + (uint64_t)j);
            r = quad_reward(&reward, x);
            best = j < n ? fmax(best, r) : best;
        }
        double value[3] = {best > r, e_log(n) + (n - 1) * e_log(gmm_reward_cdf(&p_ref, &reward, best)), best};
        for (int k = 0; k < 3; k++) {
            mean[k] += value[k] / repeats;
            square[k] += value[k] * value[k] / repeats;
        }
    }
    for (int k = 0; k < 3; k++) {
        se[k] = sqrt((square[k] - mean[k] * mean[k]) / repeats);
    }
}

static void draw(const char *folder) {
    static const char *const title[PANELS] = {"p_ref", "reward r", "p*, beta = 2", "p*, beta = 1/2", "p*, beta = 1/8"};
    static const double beta[PANELS] = {1e9, 0, 2, 0.5, 0.125}; // 1e9 tilts nothing; 0 stands for the reward itself
    Svg s = svg_new(950, 640, "The tilt: reference, reward, optimum, and the frontier that nothing crosses");
    Grid g = grid_new(SIDE, -3.2, 3.2);
    double p[SIDE * SIDE], r[SIDE * SIDE], q[SIDE * SIDE], x[CURVE], y[CURVE], n[DOUBLINGS + 1];
    char path[PATH_LENGTH];
    ring_grid_ref(p, &g, &ring, -1);
    grid_reward(r, &g, quad_point_reward, -1, &reward);
    for (int k = 0; k < PANELS; k++) {
        double top = 0;
        tilt_discrete(q, p, r, beta[k] > 0 ? beta[k] : 1, SIDE * SIDE);
        for (int i = 0; i < SIDE * SIDE; i++) {
            q[i] = beta[k] > 0 ? q[i] : r[i] + 8.4; // r is above -8.4 on this grid
            top = fmax(top, q[i]);
        }
        svg_panel(&s, 20 + 186 * k, 56, 170, 170);
        svg_field(&s, q, SIDE, SIDE, top);
        svg_label(&s, s.left + s.w / 2, s.top - 8, 'm', 13, INK, title[k]);
    }
    svg_panel(&s, 74, 256, 850, 330);
    svg_axes(&s, 0, 6, 0, 5, "KL to the reference, nats", "E[r]");
    for (int i = 0; i < CURVE + DIAL; i++) { // first the curve, then the points of the dial
        TiltPoint t = gmm_tilt_point(&p_ref, &reward, i < CURVE ? 1500 / ((i + 0.1) * (i + 0.1)) : dial[i - CURVE]);
        x[i % CURVE] = t.kl;
        y[i % CURVE] = t.e_r;
        if (i == CURVE - 1) {
            svg_line(&s, x, y, CURVE, palette_category(0), "frontier: the tilt for every beta");
        }
    }
    svg_points(&s, x, y, DIAL, 5, palette_category(0), "beta = 4, 2, 1, 1/2, 1/4");
    for (int k = 0; k <= DOUBLINGS; k++) {
        n[k] = 1 << k;
        x[k] = bon_kl(n[k]);
    }
    bon_gmm_mean(y, &p_ref, &reward, n, DOUBLINGS + 1);
    svg_points(&s, x, y, DOUBLINGS + 1, 4, palette_category(1), "best of n = 1, 2, 4, ..., 1024");
    svg_legend(&s, 'R');
    folder_make(folder);
    path_join(path, folder, "picture.svg");
    svg_write(&s, path);
}

// ---- the lecture ---------------------------------------------------------------------------------------------------

int main(int argc, char **argv) {
    static const char *const what[3] = {"win", "kl", "reward"};
    static const int near[5] = {2000, 1100, 1010, 1001, 999};
    static double r[SAMPLES];
    int quick = 0, numbers = 0, wrong = 0;
    const char *out = NULL;
    double beta = 1, worst = 0, p_star[ARMS], q[ARMS], mean[3], se[3], x[2];
    Option options[] = {OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out),
                        OPT_DOUBLE("beta", &beta, 0.05, 100, "KL temperature of section 1")};
    cli_parse(argc, argv, "the tilt: the best that any alignment method can do", options, COUNT(options));
    int samples = quick ? 2000 : SAMPLES, repeats = quick ? 2000 : 100000;
    Arms arms = arms_new();
    real hashed[9];
    ring = ring_new();
    p_ref = ring_gmm(&ring, -1);
    reward = linear_reward_new(2 * e_cos(3 * PI / 8), 2 * e_sin(3 * PI / 8));

    puts("# 1. eight arms: whatever q is, it falls short of the optimum by beta KL(q||p*)");
    printf("j_star %.6f\n", arms_tilt(p_star, &arms, beta).objective);
    wrong |= too_large("gap_error", gap_error(p_star, &arms, beta, repeats), 1e-12);
    for (int n = 1; n <= 16; n *= 2) {
        bon_soft(q, arms.p_ref, arms.r, n, beta, ARMS);
        printf("soft_kl_%d %.6f\n", n, kl_discrete(q, p_star, ARMS));
    }
    puts("# 2. the ring: closed form against a grid");
    wrong |= too_large("grid_error", grid_error(), 1e-8);

    puts("# 3. the dial, exactly and from weighted samples of the reference");
    for (int i = 0; i < samples; i++) {
        gmm_sample(x, &p_ref, seed, STREAM_SAMPLE, (uint64_t)i);
        r[i] = quad_reward(&reward, x);
    }
    for (int k = 0; k < DIAL; k++) {
        TiltPoint t = gmm_tilt_point(&p_ref, &reward, dial[k]);
        Reweighted w = reweight(NULL, r, dial[k], (size_t)samples);
        printf("log_z_beta_%s %.4f\nreward_beta_%s %.4f\n", name[k], t.log_z, name[k], t.e_r);
        printf("kl_beta_%s %.4f\nj_beta_%s %.4f\n", name[k], t.kl, name[k], t.objective);
        printf("weighted_reward_beta_%s %.4f\nweighted_se_beta_%s %.4f\n", name[k], w.e_r, name[k], w.e_r_se);
        printf("effective_percent_beta_%s %.2f\n", name[k], 100 * w.ess / samples);
        worst = fmax(worst, identity_error(dial[k]));
    }
    wrong |= too_large("identity_error", worst, 1e-6);

    puts("# 4. best-of-n, measured, and the frontier at the same KL");
    for (int n = 4; n <= 64; n *= 4) { // bon_win, bon_kl, bon_reward, each with its exact value
        double exact[3] = {bon_win(n), bon_kl(n), 0}, draws = n;
        bon_gmm_mean(&exact[2], &p_ref, &reward, &draws, 1);
        best_of_sampled(mean, se, n, repeats);
        for (int k = 0; k < 3; k++) {
            printf("bon_%s_%d %.4f\nbon_%s_se_%d %.4f\n", what[k], n, mean[k], what[k], n, se[k]);
            printf("bon_%s_exact_%d %.4f\n", what[k], n, exact[k]);
            wrong |= fabs(mean[k] - exact[k]) > 4 * se[k];
            hashed[numbers++] = (real)mean[k];
        }
        double frontier = gmm_tilt_at_kl(&p_ref, &reward, exact[1]).e_r, percent = 100 * (1 - exact[2] / frontier);
        printf("frontier_reward_%d %.4f\nbon_short_percent_%d %.2f\n", n, frontier, n, percent);
        wrong |= !(percent > 0);
    }

    puts("# 5. r = |x|^2 rises without bound: at or below a critical beta there is no optimum");
    QuadReward hill = bowl_reward_new(0, 0, -2);
    double critical = gmm_critical_beta(&p_ref, &hill);
    printf("critical_beta %.6f\n", critical);
    for (int k = 0; k < 5; k++) { // thousandths of the critical beta
        int exists = gmm_tilt_exists(&p_ref, &hill, critical * near[k] / 1000);
        printf("exists_at_%d %d\n", near[k], exists);
        if (exists) {
            printf("reward_at_%d %.2f\n", near[k], gmm_tilt_point(&p_ref, &hill, critical * near[k] / 1000).e_r);
        }
    }
    if (out != NULL) {
        draw(out);
    }
    printf("inspect %.4f bon_win_64\nexpect %.4f to %.4f\n", mean[0], bon_win(64) - 4 * se[0], bon_win(64) + 4 * se[0]);
    printf("hash %016llx\n", (unsigned long long)hash_reals(HASH_START, hashed, (size_t)numbers));
    return wrong;
}
