// reward.h: `unet_cuda reward`: a reward model of pictures from pairwise choices, and how far to trust it.
#ifndef TILT_COMMAND_REWARD_H
#define TILT_COMMAND_REWARD_H

#include "../feedback/reward_fit.h"
#include "align.h"

// Correlation (Pearson) of n pairs of numbers; 0 where one of them does not vary.
static inline double reward_correlation(const double *a, const double *b, int n) {
    double mean_a = mean_of(a, (size_t)n), mean_b = mean_of(b, (size_t)n), ab = 0, aa = 0, bb = 0;
    int i;
    for (i = 0; i < n; i++) {
        ab += (a[i] - mean_a) * (b[i] - mean_b);
        aa += (a[i] - mean_a) * (a[i] - mean_a);
        bb += (b[i] - mean_b) * (b[i] - mean_b);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

// The learned beside the true reward on n pictures x with prompts c: their correlation, and the share of neighbouring
// rows that both order alike.
static inline void reward_agreement(const char *name, const Alignment *a, Net *net, const real *x, const int *c,
                                    int n) {
    double *truth = NEW(double, (size_t)n), *learned = NEW(double, (size_t)n);
    Alignment told = *a;
    int right = 0, i;
    told.reward = net;
    a->world->reward(a->world, truth, x, c, (size_t)n);
    alignment_reward(learned, &told, x, c, n);
    for (i = 0; i + 1 < n; i += 2) {
        right += (truth[i] > truth[i + 1]) == (learned[i] > learned[i + 1]);
    }
    printf("%s_correlation %.3f\n%s_orders_right %.3f\n", name, reward_correlation(truth, learned, n), name,
           (double)right / (n / 2));
    free(truth);
    free(learned);
}

static inline int command_reward(int argc, char **argv) {
    static AlignScene s;
    AlignChoice o = align_choice_new();
    int steps = 400, batch = 32, n, i;
    double rate = 3e-3, fresh;
    Option options[] = {
        ALIGN_OPTIONS(o),
        OPT_DOUBLE("tau", &o.tau, 1e-3, 1e3, "temperature of the rater, reward units; smaller is surer"),
        OPT_INT("steps", &steps, 1, 1000000, "steps of the fit"),
        OPT_INT("batch", &batch, 1, 10000, "pairs of a step"),
        OPT_DOUBLE("rate", &rate, 0, 1, "highest learning rate"),
    };
    const World *world;
    RewardReport report;
    Rater rater;
    Pairs pairs;
    Net net;
    real *x;
    int *c;
    char path[PATH_LENGTH], name[64], text[96];
    o.files = cli_parse_words(argc, argv, "[FILE ...]", "fits a convolutional reward model to choices of a rater",
                              options, COUNT(options), o.file, 0, COMMAND_FILES);
    if (o.quick) {
        align_quick(&o);
        o.pool = 10;
        steps = 20;
    }
    align_need_pairs(&o, "reward");
    align_scene(&s, &o);
    world = s.a.world;
    rater = rater_new(o.tau, o.seed, world->stream + COMMAND_RATER);
    pairs = pairs_ask(&rater, s.pool.x, s.pool.r, s.pool.c, s.pool.n / 2, world->dim);
    net = picture_reward_new(s.model.world.side, s.model.world.channels, o.seed);
    fit_reward_net(&report, &net, &pairs, steps, batch, rate, o.seed, world->stream + COMMAND_FIT);
    printf("world %s\ntaste %s\npairs %d\nparameters %zu\n", world->name,
           s.model.world.format != NULL ? align_tastes[s.feature + 1] : "of the world", pairs.n, net.np);
    printf("accuracy %.3f\nbest_accuracy %.3f\nece %.3f\n", report.accuracy, pairs.best_accuracy, report.ece);
    n = o.samples;
    x = NEW(real, (size_t)n * (size_t)world->dim);
    c = NEW(int, (size_t)n);
    for (i = 0; i < n; i++) {
        c[i] = s.prompt[i % o.prompts];
    }
    chain_sample(x, NULL, &s.ref, &s.chain, c, n, o.seed, world->stream + COMMAND_SAMPLES);
    reward_agreement("samples", &s.a, &net, x, c, n);
    world->draw(world, x, c, (size_t)n, o.seed, world->stream + COMMAND_SAMPLES + 1, 0);
    reward_agreement("data", &s.a, &net, x, c, n);
    fresh = report.accuracy / pairs.best_accuracy;
    folder_make(o.out);
    snprintf(name, sizeof name, "%s_reward.safetensors", world->name);
    path_join(path, o.out, name);
    picture_reward_text(text, &net, world->name);
    checkpoint_save(path, text, &net, NULL, (uint64_t)steps, o.seed);
    printf("weights %s\n", path);
    printf("inspect %.3f accuracy on held-out choices, as a share of that of the truth\n", fresh);
    printf("expect 0.8 to 1.1 in a run without --quick\n");
    printf("hash %016llx\n", (unsigned long long)net_hash(HASH_START, &net));
    free(x);
    free(c);
    net_free(&net);
    pairs_free(&pairs);
    align_scene_free(&s);
    return 0;
}

#endif
