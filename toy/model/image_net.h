// image_net.h: a net for any world, by its name and size: what train_images offers under --net.
//
// Each kind says what it is in one line (the model text of its checkpoints), prints its layers, and names the layer
// that made the first NaN.
#ifndef TILT_IMAGE_NET_H
#define TILT_IMAGE_NET_H

#include "image_usual.h"
#include "../world/any_world.h"
#include "ddpm_unet.h"
#include "executor.h"
#include "nonfinite_mlp.h"

enum { NET_AUTO, NET_MLP, NET_UNET, NET_DDPM };
// auto: what suits the world; unet: the small one of image_usual.h; ddpm: the published one of ddpm_unet.h.
static const char *const image_net_names[] = {"auto", "mlp", "unet", "ddpm", NULL};

typedef struct {
    int kind;
    Net net;
    char text[96]; // what it is; two nets with one text have parameters that fit each other
    NetFirstBad first_bad;
    UnetShape shape; // of a UNet
    const Tokens *tokens;
    int prompts;
} ImageNet;

// The shape of a UNet; the published one has two blocks a level, whatever `blocks` says.
static inline UnetShape image_net_shape(int kind, int side, int channels, int width, int blocks) {
    return kind == NET_DDPM ? ddpm_unet_shape(side, channels, width) : image_unet_shape(side, channels, width, blocks);
}

// width: units of a hidden layer (Mlp) or channels of the first level (UNet); blocks: hidden layers or residual blocks.
// on: who runs a UNet (executor.h); an Mlp has one way to run.
static inline ImageNet image_net_new_on(const Executor *on, int kind, const AnyWorld *w, int width, int blocks,
                                        const Schedule *schedule, uint64_t seed) {
    const World *world = &w->world;
    ImageNet n;
    memset(&n, 0, sizeof n);
    n.kind = kind;
    n.tokens = w->tokens;
    n.prompts = world->prompts;
    if (kind == NET_UNET || kind == NET_DDPM) {
        if (w->side == 0) {
            DIE("the world %s has points and no pictures, so a UNet has nothing to convolve; use --net mlp",
                world->name);
        }
        n.shape = image_net_shape(kind, w->side, w->channels, width, blocks);
        n.net = on->make(&n.shape, w->tokens, world->prompts, schedule, seed);
        n.first_bad = on->first_bad;
        snprintf(n.text, sizeof n.text, "%s %s %dx%dx%d-%dx%d, %d prompts, %d levels", world->name,
                 image_net_names[kind], w->side, w->side, w->channels, width, n.shape.blocks, world->prompts,
                 schedule->T);
        return n;
    }
    n.net = mlp_new(world->dim, world->dim, width, blocks, world->prompts, schedule, seed);
    n.first_bad = mlp_first_bad;
    snprintf(n.text, sizeof n.text, "%s mlp %d-%dx%d, %d prompts, %d levels", world->name, world->dim, width, blocks,
             world->prompts, schedule->T);
    return n;
}

static inline ImageNet image_net_new(int kind, const AnyWorld *w, int width, int blocks, const Schedule *schedule,
                                     uint64_t seed) {
    return image_net_new_on(&executors[EXECUTOR_CPU], kind, w, width, blocks, schedule, seed);
}

// One line a layer: what it does, its shape, where its parameters stand in the flat vector, and the work for one row.
static inline void image_net_mlp_print(FILE *f, const Net *net) {
    const Mlp *m = (const Mlp *)net->self;
    int l;
    fprintf(f, "%-16s %-14s %10s %12s %10s\n", "layer", "shape", "at", "parameters", "MFLOP");
    for (l = 0; l <= m->layers; l++) {
        char name[32], shape[24];
        int in = mlp_fan_in(m, l), out = mlp_fan_out(m, l);
        snprintf(shape, sizeof shape, "%d -> %d", in, out);
        fprintf(f, "%-16s %-14s %10zu %12zu %10.4f\n", mlp_layer_name(name, m, l), shape, m->W[l],
                (size_t)in * (size_t)out + (size_t)out, 2e-6 * in * out);
        if (l == 0) {
            snprintf(shape, sizeof shape, "%d -> %d", m->prompts + 1, m->hidden);
            fprintf(f, "%-16s %-14s %10zu %12zu %10.4f\n", "  prompts", shape, m->table,
                    (size_t)(m->prompts + 1) * (size_t)m->hidden, 0.0);
        }
    }
    fprintf(f, "%-16s %-14s %10s %12zu\n", "sum", "", "", net->np);
}

static inline void image_net_print(FILE *f, const ImageNet *n) {
    fprintf(f, "%s\n", n->text);
    if (n->kind != NET_MLP) { // the list is the same whoever runs it
        UnetPlan *plan = unet_plan(&n->shape, n->tokens, n->prompts);
        unet_plan_print(f, plan);
        free(plan);
    } else {
        image_net_mlp_print(f, &n->net);
    }
}

#endif
