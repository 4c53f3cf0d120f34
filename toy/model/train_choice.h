// train_choice.h: the command line of a program that pretrains a net on a world: build/train_images, and
// `build/unet_cuda pretrain`.  train_run.h does what it says.
#ifndef TILT_TRAIN_CHOICE_H
#define TILT_TRAIN_CHOICE_H

#include "../../ref/show/cli.h"
#include "image_net.h"

enum { TRAIN_FILES = 8 }; // data files at most

// The command line.
typedef struct {
    const char *program; // for messages
    int on;              // row of executors
    int world, net, width, blocks, levels, steps, rows, micro, every, until, samples;
    int resume, restart, quick, layers, evaluate;
    double rate, minutes, guidance;
    uint64_t seed;
    const char *out, *weights, *file[TRAIN_FILES]; // file: data of the user
    int files;
} TrainChoice;

// about: the words of --help.  world, net: what is learned, and by what, when the command line is silent.
// executors_too: 1 for a program that offers --on.
static inline TrainChoice train_choice(int argc, char **argv, const char *about, int world, int net,
                                       int executors_too) {
    static TrainChoice o; // static: all zero
    const WorldDefaults *d;
    int unet;
    Option options[] = {
        OPT_SEED(&o.seed),
        OPT_QUICK(&o.quick),
        OPT_OUT(&o.out),
        OPT_CHOICE("world", &o.world, any_world_names, "what to learn"),
        OPT_CHOICE("net", &o.net, image_net_names, "what learns it"),
        OPT_INT("width", &o.width, 0, 4096, "units of a hidden layer, or channels of the UNet's first level"),
        OPT_INT("blocks", &o.blocks, 0, 8, "hidden layers, or residual blocks a level"),
        OPT_INT("levels", &o.levels, 0, 1000, "noise levels of the schedule, and steps of a sample"),
        OPT_INT("steps", &o.steps, 0, 100000000, "steps of the whole plan; the learning rate depends on it"),
        OPT_INT("batch", &o.rows, 0, 65536, "rows a step"),
        OPT_INT("micro", &o.micro, 0, 65536, "rows that go through the net together, for little memory"),
        OPT_DOUBLE("rate", &o.rate, 0, 1e9, "highest learning rate"),
        OPT_DOUBLE("guidance", &o.guidance, -1, 100, "classifier-free guidance of samples, 1: none"),
        OPT_INT("every", &o.every, 0, 100000000, "steps between two checkpoints, each with a sheet of samples"),
        OPT_INT("until", &o.until, 0, 100000000, "stop after this step of the plan, at a checkpoint"),
        OPT_DOUBLE("minutes", &o.minutes, 0, 1e6, "stop after so many minutes, at a checkpoint"),
        OPT_FLAG("resume", &o.resume, "go on from the checkpoint in DIR, or begin if there is none"),
        OPT_FLAG("restart", &o.restart, "begin again although DIR holds an unfinished training"),
        OPT_FLAG("evaluate", &o.evaluate, "score samples of the weights and stop"),
        OPT_INT("samples", &o.samples, 0, 100000, "how many samples of each seed are scored"),
        OPT_FLAG("layers", &o.layers, "print the net and stop"),
        OPT_STRING("weights", &o.weights, "file of the averaged parameters; without it DIR/NAME.safetensors"),
        OPT_CHOICE("on", &o.on, executor_names(), "who runs a UNet"), // the last one: not every program offers it
    };
    o.program = cli_program_(argv[0]);
    o.seed = 1;
    o.out = "out";
    o.world = world;
    o.net = net;
    o.guidance = -1;
    o.files = cli_parse_words(argc, argv, "[FILE ...]", about, options, COUNT(options) - !executors_too, o.file, 0,
                              TRAIN_FILES);
    o.world = any_world_kind(o.world);
    if (o.resume && o.restart) {
        fprintf(stderr, "%s: --resume goes on and --restart begins again; give one of them\n", o.program);
        exit(2);
    }
    if (o.files > 0 && o.world != WORLD_IDX && o.world != WORLD_CIFAR) {
        fprintf(stderr, "%s: the world %s brings its own data; leave out '%s'\n", o.program, any_world_names[o.world],
                o.file[0]);
        exit(2);
    }
    d = &world_defaults[o.world];
    o.net = o.net != NET_AUTO ? o.net : d->unet ? NET_UNET : NET_MLP;
    unet = o.net != NET_MLP;
    if (o.net == NET_DDPM && o.width == 0) {
        o.width = o.quick ? 32 : 128;
    }
    o.width = o.width > 0 ? o.width : o.quick ? (unet ? 8 : 16) : unet == d->unet ? d->width : unet ? 32 : 256;
    o.blocks = o.blocks > 0 ? o.blocks : unet == d->unet ? d->blocks : unet ? 1 : 3;
    o.levels = o.levels > 0 ? o.levels : o.quick && unet ? 4 : d->levels;
    o.steps = o.steps > 0 ? o.steps : o.quick ? (unet ? 10 : 100) : d->steps;
    o.rows = o.rows > 0 ? o.rows : o.quick ? 16 : d->rows;
    o.samples = o.samples > 0 ? o.samples : o.quick ? 100 : 500;
    o.micro = o.micro > 0 && o.micro < o.rows ? o.micro : o.rows;
    o.every = o.every > 0 ? o.every : o.quick ? o.steps : o.steps >= 20 ? o.steps / 20 : 1;
    o.until = o.until > 0 && o.until < o.steps ? o.until : o.steps;
    o.rate = o.rate > 0 ? o.rate : d->rate;
    o.guidance = o.guidance >= 0 ? o.guidance : d->guidance;
    return o;
}

#endif
