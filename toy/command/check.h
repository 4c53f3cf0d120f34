// check.h: `unet_cuda check`: does the chosen executor compute what the CPU computes?  executor_check.h says how.
#ifndef TILT_COMMAND_CHECK_H
#define TILT_COMMAND_CHECK_H

#include "../model/executor_check.h"
#include "command.h"

// One network with batches of 1, 3 and 16 images; returns 1 when something is wrong.
static inline int check_network(const char *name, const UnetShape *shape, const AnyWorld *w, const Schedule *schedule,
                                const Executor *on, const real *parameters, double tolerance, uint64_t seed) {
    static const int batch[3] = {1, 3, 16};
    int b, wrong = 0;
    for (b = 0; b < COUNT(batch); b++) {
        CheckReport r = executor_check(on, shape, w->tokens, w->world.prompts, schedule, parameters, batch[b], seed);
        wrong |= check_report_print(name, &r, batch[b], tolerance);
    }
    return wrong;
}

static inline int command_check(int argc, char **argv) {
    static ImageModel m;
    static AnyWorld large;
    uint64_t seed = 1;
    int quick = 0, on = 0, wrong;
    const char *out = "out", *weights = COMMAND_WEIGHTS;
    double tolerance = 0;
    Schedule schedule;
    UnetShape shape;
    Option options[] = {
        OPT_SEED(&seed),
        OPT_QUICK(&quick),
        OPT_OUT(&out),
        OPT_CHOICE("on", &on, executor_names(), "who is checked"),
        OPT_STRING("weights", &weights, "a trained UNet of a world that brings its own data"),
        OPT_DOUBLE("tolerance", &tolerance, 0, 1, "largest relative error; 0: what the executor promises"),
    };
    cli_parse(argc, argv, "compares an executor with the CPU, and the CPU with its convolutions by definition", options,
              COUNT(options));
    tolerance = tolerance > 0 ? tolerance : executors[on].tolerance;
    image_model_open(&m, weights, &executors[EXECUTOR_CPU], 1, NULL, 0);
    printf("on %s\nagainst %s\ntolerance %g\n", executors[on].name,
           on == EXECUTOR_CPU ? "the CPU without Winograd" : "the CPU", tolerance);
    wrong = check_network("trained", &m.shape, &m.world, &m.schedule, &executors[on], m.net.p, tolerance, seed);
    if (!quick) { // larger pictures, random parameters; the second has the wiring of the published network
        any_world_open(&large, WORLD_GLYPHS32, NULL, 0);
        schedule = image_schedule(16);
        shape = image_unet_shape(large.side, large.channels, 16, 2);
        wrong |= check_network("random", &shape, &large, &schedule, &executors[on], NULL, tolerance, seed);
        shape = ddpm_unet_shape(large.side, large.channels, 32);
        wrong |= check_network("ddpm", &shape, &large, &schedule, &executors[on], NULL, tolerance, seed);
        schedule_free(&schedule);
        any_world_free(&large);
    }
    printf("inspect %s every result within the tolerance, and the same bits twice\n", wrong ? "no" : "yes");
    printf("expect yes\nhash %016llx\n", (unsigned long long)net_hash(HASH_START, &m.net));
    image_model_free(&m);
    return wrong;
}

#endif
