// check.h: `unet_cuda check`: does the chosen executor compute what the CPU computes?
//
// The CPU is checked against itself in another form: Winograd's convolutions against those that read as the definition
// does (shape.direct).  Every result is filled with NaN first; a result that is zero everywhere is an error of its own.
#ifndef TILT_COMMAND_CHECK_H
#define TILT_COMMAND_CHECK_H

#include "../model/nonfinite.h"
#include "command.h"

enum { CHECK_FORWARD, CHECK_GRADIENT, CHECK_INPUT, CHECK_RESULTS };
static const char *const check_names[CHECK_RESULTS] = {"forward", "gradient", "input_gradient"};

typedef struct {
    real *value[CHECK_RESULTS];
    size_t size[CHECK_RESULTS];
} CheckResult;

static inline CheckResult check_result(const Net *net, int n) {
    CheckResult r;
    int k;
    r.size[CHECK_FORWARD] = r.size[CHECK_INPUT] = (size_t)n * (size_t)net->in;
    r.size[CHECK_GRADIENT] = net->np;
    for (k = 0; k < CHECK_RESULTS; k++) {
        r.value[k] = NEW(real, r.size[k]);
    }
    return r;
}

static inline void check_result_free(CheckResult *r) {
    int k;
    for (k = 0; k < CHECK_RESULTS; k++) {
        free(r->value[k]);
    }
}

// One forward and one backward pass of n rows.
static inline void check_run(CheckResult *r, Net *net, const real *dy, const real *x, const real *t, const int *c,
                             int n) {
    size_t i;
    for (i = 0; i < r->size[CHECK_FORWARD]; i++) {
        r->value[CHECK_FORWARD][i] = (real)NAN;
    }
    memset(r->value[CHECK_INPUT], 0, r->size[CHECK_INPUT] * sizeof(real)); // the backward adds
    net_zero_grad(net);
    net->forward(net, r->value[CHECK_FORWARD], x, t, c, n);
    net->backward(net, r->value[CHECK_INPUT], dy, x, t, c, n);
    memcpy(r->value[CHECK_GRADIENT], net->g, net->np * sizeof(real));
}

// |a - b| / |b| over all numbers; infinite when b is zero or a number is not finite.
static inline double check_error(const real *a, const real *b, size_t n) {
    double far = 0, size = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        far += d * d;
        size += (double)b[i] * (double)b[i];
    }
    return size > 0 && far <= 1e300 ? sqrt(far / size) : HUGE_VAL;
}

// One network: prints the errors of batches of 1, 3 and 16 images and returns 1 when one is beyond the tolerance.
static inline int check_network(const char *name, const UnetShape *shape, const AnyWorld *w, const Schedule *schedule,
                                const Executor *on, const real *parameters, double tolerance, uint64_t seed) {
    static const int batch[3] = {1, 3, 16};
    const World *world = &w->world;
    UnetShape plain = *shape;
    Net net = on->make(shape, w->tokens, world->prompts, schedule, seed), cpu;
    int b, k, wrong = 0;
    plain.direct = on == &executors[EXECUTOR_CPU];
    cpu = unet_new(&plain, w->tokens, world->prompts, schedule, seed);
    if (net.np != cpu.np || net.in != cpu.in) {
        DIE("check: %zu parameters on %s, %zu on the CPU", net.np, on->name, cpu.np);
    }
    if (parameters != NULL) {
        memcpy(cpu.p, parameters, cpu.np * sizeof(real));
    } else { // the last convolution of a new net is zero and would hide everything before it
        size_t i;
        for (i = 0; i < cpu.np; i++) {
            cpu.p[i] += (real)(0.05 * rng_normal(seed, world->stream + COMMAND_CHECK, i));
        }
    }
    net_changed(&cpu);
    net_copy(&net, &cpu);
    for (b = 0; b < COUNT(batch); b++) {
        int n = batch[b], same = 1, i;
        size_t numbers = (size_t)n * (size_t)cpu.in;
        real *x = NEW(real, numbers), *dy = NEW(real, numbers), *t = NEW(real, (size_t)n);
        int *c = NEW(int, (size_t)n);
        CheckResult want = check_result(&cpu, n), got = check_result(&net, n), again = check_result(&net, n);
        rng_fill_normal(x, numbers, seed, world->stream + COMMAND_CHECK + 1, 0);
        rng_fill_normal(dy, numbers, seed, world->stream + COMMAND_CHECK + 2, 0);
        for (i = 0; i < n; i++) {
            t[i] = (real)(7 * i % schedule->T);
            c[i] = i % 4 == 3 ? -1 : 11 * i % world->prompts;
        }
        check_run(&want, &cpu, dy, x, t, c, n);
        check_run(&got, &net, dy, x, t, c, n);
        check_run(&again, &net, dy, x, t, c, n);
        for (k = 0; k < CHECK_RESULTS; k++) {
            double error = check_error(got.value[k], want.value[k], want.size[k]);
            same = same && memcmp(got.value[k], again.value[k], got.size[k] * sizeof(real)) == 0;
            printf("%s_%s_error_%d %.1e\n", name, check_names[k], n, error);
            wrong |= !(error <= tolerance);
        }
        printf("%s_same_bits_%d %s\n", name, n, same ? "yes" : "no");
        wrong |= !same;
        check_result_free(&want);
        check_result_free(&got);
        check_result_free(&again);
        free(x);
        free(dy);
        free(t);
        free(c);
    }
    net_free(&net);
    net_free(&cpu);
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
