// bench.h: `unet_cuda bench`: what a training step, a forward pass and a sample cost on an executor, as JSON lines.
//
// A training step is forward, backward and Adam; sampling is a chain of so many steps (DDIM), without guidance.  Rates
// count the multiplications and additions of the definition; a training step counts as three forward passes.
// With --align the training step is one of the alignment loops: through the Net, one piece, clipped, with Adam beside
// the parameters (adam_beside of optim.h).  Without, it is one of a pretraining.
#ifndef TILT_COMMAND_BENCH_H
#define TILT_COMMAND_BENCH_H

#include "../../ref/show/bench.h" // first: it asks for the clock of POSIX

#include "../model/chain.h"
#include "command.h"
#ifdef TILT_CUDA
#include "bench_device.h"
#endif

enum { COMMAND_BATCHES = 16 };

typedef struct {
    Net net;
    Adam adam;
    Chain chain;
    int rows, align;
    real *x, *noise, *eps, *t; // rows x in, and one number a row
    int *c;
} SpeedTrial;

static inline void speed_train(void *user) {
    SpeedTrial *b = (SpeedTrial *)user;
    size_t numbers = (size_t)b->rows * (size_t)b->net.in, i;
    real scale = (real)(2.0 / (double)numbers);
    b->net.forward(&b->net, b->eps, b->x, b->t, b->c, b->rows);
    for (i = 0; i < numbers; i++) {
        b->eps[i] = scale * (b->eps[i] - b->noise[i]);
    }
    net_zero_grad(&b->net);
    b->net.backward(&b->net, NULL, b->eps, b->x, b->t, b->c, b->rows);
    if (b->align) {
        adam_clipped_step(&b->adam, &b->net, 5);
    } else {
        adam_step(&b->adam, &b->net);
    }
}

static inline void speed_forward(void *user) {
    SpeedTrial *b = (SpeedTrial *)user;
    b->net.forward(&b->net, b->eps, b->x, b->t, b->c, b->rows);
}

static inline void speed_sample(void *user) {
    SpeedTrial *b = (SpeedTrial *)user;
    chain_sample(b->noise, NULL, &b->net, &b->chain, b->c, b->rows, 1, 1);
}

// "1,8,16": numbers from 1 to 65536, separated by commas.  Returns how many; exit 2 when the text is something else.
static inline int speed_batches(int batch[COMMAND_BATCHES], const char *option, const char *text) {
    const char *at = text;
    int n = 0;
    while (n < COMMAND_BATCHES && *at >= '0' && *at <= '9') {
        char *end;
        long v = strtol(at, &end, 10);
        if (v < 1 || v > 65536) {
            break;
        }
        batch[n++] = (int)v;
        at = end;
        if (*at == '\0') {
            return n;
        }
        at += *at == ',';
    }
    fprintf(stderr,
            "unet_cuda bench: option --%s cannot be '%s'; it must be up to %d numbers from 1 to 65536 such as 1,8\n",
            option, text, COMMAND_BATCHES);
    exit(2);
}

static inline void speed_rows(SpeedTrial *b, int rows, int prompts, int levels) {
    size_t numbers = (size_t)rows * (size_t)b->net.in;
    int i;
    b->rows = rows;
    b->x = NEW(real, numbers);
    b->noise = NEW(real, numbers);
    b->eps = NEW(real, numbers);
    b->t = NEW(real, (size_t)rows);
    b->c = NEW(int, (size_t)rows);
    rng_fill_normal(b->x, numbers, 1, 1, 0);
    rng_fill_normal(b->noise, numbers, 1, 2, 0);
    for (i = 0; i < rows; i++) {
        b->t[i] = (real)(7 * i % levels);
        b->c[i] = 11 * i % prompts;
    }
}

// The three measurements, on the device where the executor trains there.
static inline BenchTime speed_time_train(SpeedTrial *b, const Executor *on, int levels, int runs) {
#ifdef TILT_CUDA
    if (on->train != NULL && !b->align) {
        return device_time_train(&b->net, b->x, b->t, b->c, b->rows, levels, runs);
    }
#endif
    (void)on;
    (void)levels;
    return bench_time(speed_train, b, runs, 1);
}

static inline BenchTime speed_time_forward(SpeedTrial *b, const Executor *on, int runs) {
#ifdef TILT_CUDA
    if (on->train != NULL) {
        return device_time_forward(&b->net, b->rows, runs);
    }
#endif
    (void)on;
    return bench_time(speed_forward, b, runs, 1);
}

static inline BenchTime speed_time_sample(SpeedTrial *b, const Executor *on, int runs) {
#ifdef TILT_CUDA
    if (on->train != NULL) {
        return device_time_sample(&b->net, &b->chain, b->rows, runs);
    }
#endif
    (void)on;
    return bench_time(speed_sample, b, runs, 1);
}

static inline void speed_rows_free(SpeedTrial *b) {
    free(b->x);
    free(b->noise);
    free(b->eps);
    free(b->t);
    free(b->c);
}

static inline int command_bench(int argc, char **argv) {
    static AnyWorld w;
    uint64_t seed = 1;
    int quick = 0, align = 0, on = 0, world = 2, net = 0, width = 16, blocks = 1, steps = 16, runs = 9, whole = 0, i, n;
    int trains[COMMAND_BATCHES], samples[COMMAND_BATCHES];
    const char *out = "out", *train_text = "16,64", *sample_text = "1,8,16,128";
    static const char *const worlds[] = {"glyphs12", "glyphs16", "glyphs32", NULL};
    static const char *const nets[] = {"unet", "ddpm", NULL}, *const splits[] = {"on", "off", NULL};
    Option options[] = {
        OPT_SEED(&seed),
        OPT_QUICK(&quick),
        OPT_OUT(&out),
        OPT_CHOICE("on", &on, executor_names(), "who runs the UNet"),
        OPT_CHOICE("world", &world, worlds, "pictures of this size"),
        OPT_CHOICE("net", &net, nets, "the small UNet, or the published one (width 128 is the paper's)"),
        OPT_INT("width", &width, 8, 1024, "channels of the UNet's first level"),
        OPT_INT("blocks", &blocks, 1, 8, "residual blocks a level"),
        OPT_INT("steps", &steps, 1, 1000, "steps of a sample, and levels of the schedule"),
        OPT_CHOICE("split", &whole, splits, "whether fast and hopper cut convolutions of few pixels into more blocks"),
        OPT_INT("runs", &runs, 1, BENCH_MOST, "times that each measurement is taken"),
        OPT_FLAG("align", &align, "the training step is one of the alignment loops"),
        OPT_STRING("train", &train_text, "batches of the training step"),
        OPT_STRING("sample", &sample_text, "batches of the forward pass and of sampling"),
    };
    SpeedTrial b;
    Schedule schedule;
    UnetShape shape;
    UnetPlan *plan;
    double flop, peak;
    char text[96], what[32], name[32];
    cli_parse(argc, argv, "measures a UNet on an executor; every line of the output is one JSON object", options,
              COUNT(options));
    if (whole && executors[on].split == NULL) {
        DIE("--split off is for the executors fast and hopper of a GPU; '%s' never cuts a convolution",
            executors[on].name);
    }
    any_world_open(&w, WORLD_GLYPHS12 + world, NULL, 0);
    if (quick) {
        runs = 1;
        steps = 4;
        train_text = "4";
        sample_text = "1,4";
    }
    memset(&b, 0, sizeof b);
    schedule = image_schedule(steps);
    shape = image_net_shape(NET_UNET + net, w.side, w.channels, width, blocks);
    plan = unet_plan(&shape, w.tokens, w.world.prompts);
    flop = plan->flops;
    b.net = executors[on].make(&shape, w.tokens, w.world.prompts, &schedule, seed);
    if (whole) {
        executors[on].split(&b.net, 0);
    }
    snprintf(name, sizeof name, "%s%s", executors[on].name, whole ? "-whole" : "");
    b.align = align;
    b.adam = align ? adam_beside(&b.net, 1e-4) : adam_new(&b.net, 1e-4);
    b.chain = chain_ddim(&schedule);
    peak = quick || on != EXECUTOR_CPU ? 0 : bench_peak(bench_threads());
    snprintf(text, sizeof text, "%s %dx%dx%d-%dx%d, %zu parameters, %.4g MFLOP", nets[net], w.side, w.side, w.channels,
             width, shape.blocks, b.net.np, flop * 1e-6);
    n = speed_batches(trains, "train", train_text);
    for (i = 0; i < n; i++) {
        speed_rows(&b, trains[i], w.world.prompts, steps);
        bench_print_images(align ? "align" : "train", text, name, b.rows, 3 * flop * b.rows,
                           speed_time_train(&b, &executors[on], steps, runs), peak);
        speed_rows_free(&b);
    }
    n = speed_batches(samples, "sample", sample_text);
    for (i = 0; i < n; i++) {
        int k;
        speed_rows(&b, samples[i], w.world.prompts, steps);
        for (k = 0; k < 3; k++) { // the net notices that no backward follows
            speed_forward(&b);
        }
        bench_print_images("forward", text, name, b.rows, flop * b.rows, speed_time_forward(&b, &executors[on], runs),
                           peak);
        snprintf(what, sizeof what, "ddim-%d", steps);
        bench_print_images(what, text, name, b.rows, flop * b.rows * steps, speed_time_sample(&b, &executors[on], runs),
                           peak);
        speed_rows_free(&b);
    }
    free(plan);
    chain_free(&b.chain);
    adam_free(&b.adam);
    net_free(&b.net);
    schedule_free(&schedule);
    any_world_free(&w);
    return 0;
}

#endif
