// ch05.c: learning to denoise.  How close does a small network come to the best possible denoiser, and how do we know?
//
// The data are the ring, so the best denoiser is known, and with it the loss that nobody can beat.  A network of 6,722
// numbers is trained by backpropagation written out by hand; what it loses is split into the floor and its own excess.
// Then the mistakes: gradients of shared nodes, a batch that is cut, weights, and guidance, which magnifies errors.
#include "../../ref/show/cli.h"
#include "../../toy/model/hand.h"
#include "../../toy/model/sizes.h"
#include "../../toy/world/guided_line.h"
#include "../../toy/world/guided_ring.h"
#include "../../toy/world/ring_exam.h"
#include "../../toy/world/score_view.h"
#include "../../toy/world/worlds.h"

enum { T = 16, CELLS = T * RING_VOICES, POINTS = 24, SCALES = 7, SEEDS = 3, SHOWN = 2 };
enum { STREAM_EXAM = 1, STREAM_HAND = 3, STREAM_LINE, STREAM_GUIDED };

static uint64_t seed = 1;
static int quick = 0;
static Ring ring;
static World world;
static Schedule schedule;
static RingExam exam;

// ---- training, watched --------------------------------------------------------------------------

typedef struct {
    int points;
    double step[POINTS], loss[POINTS], excess[POINTS]; // training loss of a row; excess in percent of the floor
} Curve;

static void watch(void *user, Net *net, int step, double loss) {
    Curve *curve = (Curve *)user;
    Mark mark[CELLS];
    ring_exam_mark(mark, &exam, net);
    curve->step[curve->points] = step;
    curve->loss[curve->points] = 2 * loss;
    curve->excess[curve->points++] = mark_percent(mark_mean(mark, CELLS));
}

// One row in five forgets its prompt, so the four prompts and the null prompt are trained, and examined, alike.
static Net train(Mark mark[CELLS], TrainWeight rule, int steps, uint64_t with_seed, Curve *curve) {
    real w[T];
    Net net = mlp_new(2, 2, quick ? 12 : 48, 3, RING_PROMPTS, &schedule, with_seed);
    TrainPlan plan = {steps, 1e-2, 0.2, w, TRAIN_ROWS, steps / POINTS, curve != NULL ? watch : NULL, curve};
    train_weights(w, &schedule, rule);
    train_weighted(&net, &world, &schedule, &plan, with_seed);
    ring_exam_mark(mark, &exam, &net);
    return net;
}

// ---- the gradient of a whole batch, and of its pieces ---------------------------------------------------------------

// The distance of the two, in units of the whole.  summed: every piece takes the mean over its own rows.
static double cut_error(Net *net, int piece, int summed) {
    enum { B = TRAIN_ROWS };
    real eps[2 * B], w[T], *whole = NEW(real, net->np);
    double far = 0, size = 0;
    train_weights(w, &schedule, WEIGHT_BETWEEN);
    for (int cut = 0; cut < 2; cut++) {
        int rows = cut && summed ? piece : B;
        net_zero_grad(net);
        for (int at = exam.n / 2; at < exam.n / 2 + B; at += rows) {
            denoiser_gradient(net, eps, exam.x + 2 * at, exam.noise + 2 * at, exam.t + at, exam.c + at, w, rows,
                              cut ? piece : B);
        }
        for (size_t i = 0; i < net->np; i++) {
            double d = (double)net->g[i] - (double)whole[i];
            far += cut ? d * d : 0;
            size += cut ? 0 : d * d;
            whole[i] = net->g[i];
        }
    }
    free(whole);
    return sqrt(far / size);
}

// ---- guidance -------------------------------------------------------------------------------------------------------

static const double scale[SCALES] = {0, 1, 2, 3, 5, 10, 20};

static void draw(const char *folder, Net *net, Net *best, const Curve *curve, const Mark *mark,
                 double share[3][SCALES]) {
    Svg s = svg_new(960, 640, "A trained denoiser beside the exact one");
    Grid fine = grid_new(60, -2.4, 2.4), coarse = grid_new(14, -2.4, 2.4);
    double least = mark_mean(mark, CELLS).least, both[2] = {least, least}, ends[2] = {0, curve->step[POINTS - 1]};
    double prompts[T], null[T], level[T];
    char path[PATH_LENGTH];
    for (int k = 0; k < T; k++) {
        level[k] = k;
        null[k] = mark_percent(mark[k * RING_VOICES]);
        prompts[k] = mark_percent(mark_mean(mark + k * RING_VOICES + 1, RING_PROMPTS));
    }
    svg_panel(&s, 50, 50, 240, 240);
    svg_axes(&s, -2.4, 2.4, -2.4, 2.4, "scores: exact blue, learned orange", "");
    svg_scores(&s, &coarse, best, SHOWN, -1, palette_category(0));
    svg_scores(&s, &coarse, net, SHOWN, -1, palette_category(1));
    svg_panel(&s, 340, 50, 240, 240);
    svg_axes(&s, -2.4, 2.4, -2.4, 2.4, "their distance; lightest: 1 or more", "");
    svg_denoiser_difference(&s, &fine, net, best, SHOWN, -1, 1);
    svg_panel(&s, 660, 50, 280, 240);
    svg_axes(&s, 0, T - 1, 0, 5, "level: 0 the cleanest, 15 the noisiest", "excess, % of the floor");
    svg_line(&s, level, null, T, palette_category(1), "null prompt");
    svg_line(&s, level, prompts, T, palette_category(0), "the four prompts");
    svg_legend(&s, 'r');
    svg_panel(&s, 75, 350, 375, 240);
    svg_axes(&s, 0, ends[1], 0.5, 0.65, "training step", "loss");
    svg_line(&s, curve->step, curve->loss, POINTS, palette_category(0), "training loss");
    svg_dashed(&s, ends, both, 2, palette_category(1), "floor: the exact denoiser");
    svg_legend(&s, 'r');
    svg_panel(&s, 560, 350, 380, 240);
    svg_axes(&s, 0, scale[SCALES - 1], 0, 1, "guidance scale s", "share beyond 3 std");
    svg_line(&s, scale, share[0], SCALES, palette_category(0), "exact denoiser");
    svg_line(&s, scale, share[1], SCALES, palette_category(1), "trained network");
    svg_legend(&s, 'l');
    folder_make(folder);
    path_join(path, folder, "picture.svg");
    svg_write(&s, path);
}

// ---- the lecture ---------------------------------------------------------------------------------------------------

// Prints the curve, the levels and the sum; returns 1 when excess and loss disagree.
static int print_training(const Curve *curve, const Mark *mark) {
    static const int shown[6] = {0, 1, 2, 5, 11, 23};
    Mark all = mark_mean(mark, CELLS);
    double worst_level = 0, gap = all.loss - all.least;
    for (int k = 0; k < 6; k++) {
        int step = (int)curve->step[shown[k]];
        printf("loss_at_%d %.4f\nexcess_percent_at_%d %.2f\n", step, curve->loss[shown[k]], step,
               curve->excess[shown[k]]);
    }
    ring_exam_print(mark, &exam);
    for (int k = 0; k < T; k++) {
        worst_level = fmax(worst_level, mark_percent(mark_mean(mark + k * RING_VOICES, RING_VOICES)));
    }
    printf("floor %.4f\nloss %.4f\nloss_se %.4f\nexcess_by_difference %.5f\n", all.least, all.loss, all.loss_se, gap);
    printf("excess %.5f\nexcess_se %.5f\nexcess_percent %.3f\n", all.excess, all.excess_se, mark_percent(all));
    printf("worst_level_percent %.2f\nworst_cell_percent %.2f\n", worst_level, mark_worst(mark, CELLS));
    return !(fabs(gap - all.excess) < 4 * all.loss_se);
}

int main(int argc, char **argv) {
    static const char *const mistakes[HAND_MISTAKES] = {"right", "overwritten", "not_reset"};
    static const char *const models[3] = {"exact", "net", "finer"};
    static const char *const rules[TRAIN_WEIGHTS] = {"one", "between", "v", "minsnr", "p2"};
    static const char *const where[4] = {"", "_2", "_8", "_15"};
    static const int level[4] = {0, 2, 8, 15};
    static Curve curve;
    static Mark mark[CELLS], other[CELLS];
    int seeds = 1, images = 0, wrong = 0;
    const char *out = NULL;
    double share[3][SCALES], error;
    Option options[] = {OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out),
                        OPT_FLAG("images", &images, "one training in worlds of 2 to 3,072 numbers a sample"),
                        OPT_INT("seeds", &seeds, 1, 20, "how many seeds section 2 trains with, for the range")};
    cli_parse(argc, argv, "learning to denoise: a network against the exact denoiser", options, COUNT(options));
    if (images) {
        return size_table(quick, out, seed);
    }
    int steps = quick ? 120 : 9600, samples = quick ? 40 : 1500, line = quick ? 200 : 10000, fit = quick ? 200 : 4096;
    ring = ring_new();
    world = ring_world(&ring, NULL); // no reward in this chapter
    schedule = schedule_logsnr(T, 2.5, -4);
    exam = ring_exam_new(&ring, &schedule, quick ? 40 : 1000, seed, STREAM_EXAM);

    puts("# 1. backpropagation by hand, a node shared by several rows: error of the gradient");
    for (int k = 0; k < HAND_MISTAKES; k++) {
        error = hand_error(k, seed, STREAM_HAND);
        printf("gradient_error_%s %.1e\n", mistakes[k], error);
        wrong |= k == HAND_RIGHT ? !(error < 1e-7) : !(error > 1e-2);
    }
    puts("# 2. training beside the floor; sums over two dimensions, means over levels and prompts");
    Net best = ring_denoiser(&ring, &schedule), net = train(mark, WEIGHT_BETWEEN, steps, seed, &curve);
    printf("parameters %d\n", (int)net.np);
    wrong |= print_training(&curve, mark);
    for (int k = 1; k < seeds; k++) {
        int name = (int)seed + k;
        Net again = train(other, WEIGHT_BETWEEN, steps, seed + (uint64_t)k, NULL);
        printf("excess_percent_seed_%d %.3f\n", name, mark_percent(mark_mean(other, CELLS)));
        printf("worst_cell_percent_seed_%d %.2f\n", name, mark_worst(other, CELLS));
        Chain chain = fitted_chain(&again, &world, &schedule, fit, seed);
        printf("net_outside_10_seed_%d %.4f\n", name,
               guided_ring(&ring, &again, &chain, 10, samples, seed, STREAM_GUIDED).outside);
        chain_free(&chain);
        net_free(&again);
    }
    puts("# 3. a tenth of the steps with other weights, three seeds: excess in percent, of all levels and of three");
    for (int rule = 0; rule < TRAIN_WEIGHTS; rule++) {
        double mean[4] = {0}, low = HUGE_VAL, high = 0;
        for (int k = 0; k < SEEDS; k++) {
            Net again = train(other, (TrainWeight)rule, steps / 10, seed + (uint64_t)k, NULL);
            double all = mark_percent(mark_mean(other, CELLS));
            for (int j = 0; j < 4; j++) {
                const Mark *row = other + level[j] * RING_VOICES;
                mean[j] += (j == 0 ? all : mark_percent(mark_mean(row, RING_VOICES))) / SEEDS;
            }
            low = fmin(low, all);
            high = fmax(high, all);
            net_free(&again);
        }
        for (int j = 0; j < 4; j++) {
            printf("%s_percent%s %.2f\n", rules[rule], where[j], mean[j]);
        }
        printf("%s_low %.2f\n%s_high %.2f\n", rules[rule], low, rules[rule], high);
    }
    puts("# 4. one gradient of 256 rows, from pieces of 32 rows and of 1: relative difference");
    for (int piece = 32; piece >= 1; piece /= 32) {
        double right = cut_error(&net, piece, 0), summed = cut_error(&net, piece, 1);
        printf("cut_error_%d %.1e\nsummed_error_%d %.3f\n", piece, right, piece, summed);
        wrong |= !(right < 1e-4) || !(summed > 1);
    }
    puts("# 5. guidance: the share of samples beyond 3 standard deviations of every mode");
    Schedule finer = schedule_logsnr(4 * T, 2.5, -4);
    Net slow = ring_denoiser(&ring, &finer), *model[3] = {&best, &net, &slow};
    for (int m = 0; m < 3; m++) {
        Chain chain = fitted_chain(model[m], &world, m < 2 ? &schedule : &finer, fit, seed);
        for (int k = m < 2 ? 0 : SCALES - 1; k < SCALES; k++) {
            GuidedRing g = guided_ring(&ring, model[m], &chain, scale[k], samples, seed, STREAM_GUIDED);
            printf("%s_outside_%.0f %.4f\n%s_own_%.0f %.4f\n", models[m], scale[k], g.outside, models[m], scale[k],
                   g.own);
            share[m][k] = g.outside;
        }
        chain_free(&chain);
    }
    printf("data_outside %.4f\n", guided_ring(&ring, NULL, NULL, 1, samples, seed, STREAM_GUIDED).outside);
    puts("# 6. guided with exact denoisers: p(x|c) = N(0,1), p(x) = N(0,2), variance of the samples");
    for (int s = 1; s <= 5; s += 2) {
        for (int eta = 0; eta < 2; eta++) {
            const char *name = eta == 0 ? "ode" : "sde";
            GuidedLine l = guided_line(s, eta, 200, line, seed, STREAM_LINE);
            double limit = guided_line_variance(s, eta, quick ? 4000 : 20000),
                   theory = eta == 0 ? cfg_var_ode(s) : cfg_var_sde(s);
            printf("%s_%d %.4f\n%s_se_%d %.4f\n%s_steps_%d %.4f\n", name, s, l.variance, name, s, l.se, name, s,
                   l.exact);
            printf("%s_limit_%d %.5f\n%s_theory_%d %.5f\n", name, s, limit, name, s, theory);
            wrong |= !(fabs(l.variance - l.exact) < 4 * l.se) || !(fabs(limit / theory - 1) < 5e-3);
        }
        printf("sharpened_%d %.5f\n", s, cfg_var_sharpened(s));
    }
    if (out != NULL) {
        draw(out, &net, &best, &curve, mark, share);
    }
    error = mark_percent(mark_mean(mark, CELLS));
    wrong |= !quick && !(error < 5);
    printf("inspect %.3f excess over the exact denoiser, percent of the floor\n", error);
    printf("expect 0 to 5, in the run without --quick\n");
    printf("hash %016llx\n", (unsigned long long)net_hash(HASH_START, &net));
    return wrong;
}
