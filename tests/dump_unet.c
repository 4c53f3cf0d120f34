// dump_unet.c: one forward and backward pass of a UNet as .npy files, for tests/peers/same.py to repeat in PyTorch.
//     dump_unet.double DIR SIDE CHANNELS BLOCKS BATCH        the usual UNet of width 32
//     dump_unet.double DIR SIDE CHANNELS NAME BATCH          the UNet of ddpm_unet.h with this name
//     dump_unet.double DIR SIDE CHANNELS NAME BATCH plain    the same on another executor: cpu, plain or fast
// Writes p, g (parameters and gradients), x, dy, y, dx (BATCH x SIDE x SIDE x CHANNELS), t (BATCH), alpha and sigma (of
// the rows), and layers.txt: name, kind, side of the kernel, channels in and out, places of weights and bias.
#include "../ref/file/npy.h"
#include "../toy/model/ddpm_unet.h"
#include "../toy/model/unet.h"
#if defined(TILT_CUDA) // linked with the objects that nvcc made
#include "../toy/model/unet_fast_gpu.h"
#include "../toy/model/unet_plain_gpu.h"
#elif defined(EMULATE) // as C++: the fast kernels, emulated on this machine
#include "../toy/model/unet_fast.h"
#else
#include "../toy/model/unet_plain.h"
#endif

enum { LEVELS = 1000 };

static const struct {
    const char *name;
    Net (*make)(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule, uint64_t seed);
} executors[] = {
    {"cpu", unet_new},
#if defined(TILT_CUDA)
    {"plain", unet_plain_gpu},
    {"fast", unet_fast_gpu},
#elif defined(EMULATE)
    {"fast", unet_fast_new},
#else
    {"plain", unet_plain_new},
#endif
};
enum { EXECUTORS = sizeof executors / sizeof executors[0] };

static void put(const char *dir, const char *name, const real *v, size_t rows, size_t columns) {
    char path[512];
    size_t shape[2];
    shape[0] = rows;
    shape[1] = columns;
    snprintf(path, sizeof path, "%s/%s.npy", dir, name);
    npy_write_reals(path, v, 2, shape);
}

static void layers(const char *dir, const UnetPlan *u) {
    char path[512];
    FILE *f;
    snprintf(path, sizeof path, "%s/layers.txt", dir);
    f = open_or_die(path, "w", "Make the folder first.");
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        if (op->kind == UNET_CONV || op->kind == UNET_NORM) {
            fprintf(f, "%s %s %d %d %d %lu %lu\n", op->name, op->kind == UNET_CONV ? "conv" : "norm", op->k,
                    u->buf[op->in].C, u->buf[op->out].C, (unsigned long)op->w, (unsigned long)op->b);
        }
    }
    if (fclose(f) != 0) {
        DIE("cannot write '%s'", path);
    }
}

int main(int argc, char **argv) {
    UnetShape shape = {0, 0, 32, 3, {1, 2, 2, 0}, 0, 8, 128, 1, 0, 0, 0};
    Schedule schedule = schedule_linear(LEVELS, 1e-4, 0.02);
    UnetPlan *plan;
    Net net;
    size_t rows, numbers, i;
    int on = 0;
    if (argc != 6 && argc != 7) {
        fprintf(stderr, "dump_unet DIR SIDE CHANNELS BLOCKS|NAME BATCH [EXECUTOR]\n");
        return 2;
    }
    if (argc == 7) {
        for (on = 0; on < EXECUTORS && strcmp(executors[on].name, argv[6]) != 0; on++) {
        }
        if (on == EXECUTORS) {
            fprintf(stderr, "dump_unet: this program has no executor '%s'\n", argv[6]);
            return 2;
        }
    }
    shape.side = atoi(argv[2]);
    shape.channels = atoi(argv[3]);
    shape.blocks = atoi(argv[4]);
    for (int k = 0; ddpm_unet_names[k] != NULL; k++) {
        if (strcmp(argv[4], ddpm_unet_names[k]) == 0) {
            shape = ddpm_unet_named(k, shape.side, shape.channels);
        }
    }
    rows = (size_t)atoi(argv[5]);
    net = executors[on].make(&shape, NULL, 0, &schedule, 1);
    plan = unet_plan(&shape, NULL, 0);
    numbers = rows * (size_t)net.in;
    real *x = NEW(real, numbers), *dy = NEW(real, numbers), *y = NEW(real, numbers), *dx = NEW(real, numbers);
    real *t = NEW(real, rows), *alpha = NEW(real, rows), *sigma = NEW(real, rows);
    for (i = 0; i < net.np; i++) { // no parameter is zero, the last layer included
        net.p[i] += (real)(0.02 * rng_normal(1, 1, i));
    }
    for (int k = 0; k < plan->ops; k++) { // the twin has no prompts
        if (plan->op[k].kind == UNET_PROMPT) {
            memset(net.p + plan->op[k].w, 0, plan->op[k].np * sizeof(real));
        }
    }
    net_changed(&net);
    rng_fill_normal(x, numbers, 1, 2, 0);
    rng_fill_normal(dy, numbers, 1, 3, 0);
    for (i = 0; i < rows; i++) {
        t[i] = (real)(i * 331 % LEVELS);
        alpha[i] = (real)alpha_of(schedule_abar(&schedule, (int)t[i]));
        sigma[i] = (real)sigma_of(schedule_abar(&schedule, (int)t[i]));
    }
    for (i = 0; i < numbers; i++) { // who writes nothing is seen
        y[i] = (real)NAN;
    }
    net.forward(&net, y, x, t, NULL, (int)rows);
    net.backward(&net, dx, dy, x, t, NULL, (int)rows);
    put(argv[1], "p", net.p, 1, net.np);
    put(argv[1], "g", net.g, 1, net.np);
    put(argv[1], "x", x, rows, (size_t)net.in);
    put(argv[1], "dy", dy, rows, (size_t)net.in);
    put(argv[1], "y", y, rows, (size_t)net.in);
    put(argv[1], "dx", dx, rows, (size_t)net.in);
    put(argv[1], "t", t, rows, 1);
    put(argv[1], "alpha", alpha, rows, 1);
    put(argv[1], "sigma", sigma, rows, 1);
    layers(argv[1], plan);
    return 0;
}
