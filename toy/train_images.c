// train_images: pretrains a denoiser on any world, and survives.  Ctrl-C, kill -9 and a diverging step cost at most the
// steps since the last checkpoint; --resume goes on with the same bits as if nothing had happened.
//   make train_images && build/train_images --world digits          (run from the root of the repository)
// In --out DIR: NAME.train.safetensors (everything needed to go on), NAME.safetensors (the average of the parameters,
// for use), NAME.png (what the net makes of the same noise now), with NAME = world_net.
#include <signal.h>

#include "../ref/show/cli.h"
#include "../ref/show/progress.h"
#include "model/image_eval.h"
#include "model/image_net.h"
#include "model/image_sheet.h"
#include "model/train_files.h"

static const char about[] = "pretrains a denoiser on a world; it may be stopped and killed, and goes on with --resume\n"
                            "A number 0 (guidance: -1) stands for what suits the world.  FILE: for --world idx the "
                            "pictures and the labels, for\n"
                            "--world cifar one batch or more; the other worlds need none.";

enum { FILES = 8 }; // data files at most

static volatile sig_atomic_t stop_signal; // the one that asked us to stop, or 0

static void ask_to_stop(int number) {
    stop_signal = number;
    signal(number, SIG_DFL); // the second one does not wait for the step
}

// The command line.
typedef struct {
    int world, net, width, blocks, levels, steps, rows, micro, every, until, samples;
    int resume, restart, quick, layers, evaluate;
    double rate, minutes, guidance;
    uint64_t seed;
    const char *out, *weights, *file[FILES]; // file: data of the user
    int files;
} Choice;

static Choice read_choice(int argc, char **argv) {
    static Choice o; // static: all zero
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
    };
    o.seed = 1;
    o.out = "out";
    o.world = WORLD_DIGITS;
    o.guidance = -1;
    o.files = cli_parse_words(argc, argv, "[FILE ...]", about, options, COUNT(options), o.file, 0, FILES);
    o.world = any_world_kind(o.world);
    if (o.resume && o.restart) {
        fprintf(stderr, "train_images: --resume goes on and --restart begins again; give one of them\n");
        exit(2);
    }
    if (o.files > 0 && o.world != WORLD_IDX && o.world != WORLD_CIFAR) {
        fprintf(stderr, "train_images: the world %s brings its own data; leave out '%s'\n", any_world_names[o.world],
                o.file[0]);
        exit(2);
    }
    d = &world_defaults[o.world];
    o.net = o.net != NET_AUTO ? o.net : d->unet ? NET_UNET : NET_MLP;
    unet = o.net == NET_UNET;
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

// Where a training keeps its files.
typedef struct {
    char state[PATH_LENGTH], weights[PATH_LENGTH], sheet[PATH_LENGTH];
} Files;

static Files files_of(const Choice *o) {
    Files f;
    char name[64];
    const char *world = any_world_names[o->world], *net = image_net_names[o->net];
    snprintf(name, sizeof name, "%s_%s.train.safetensors", world, net);
    path_join(f.state, o->out, name);
    snprintf(name, sizeof name, "%s_%s.png", world, net);
    path_join(f.sheet, o->out, name);
    snprintf(name, sizeof name, "%s_%s.safetensors", world, net);
    if (o->weights == NULL) {
        path_join(f.weights, o->out, name);
    } else if (snprintf(f.weights, sizeof f.weights, "%s", o->weights) >= (int)sizeof f.weights) {
        DIE("path '%.40s...' is longer than %d bytes; use a shorter name", o->weights, PATH_LENGTH - 1);
    }
    return f;
}

// Looks for an earlier training in DIR and goes on with it, or makes sure that a new one destroys nothing.
static void begin(Training *run, const Files *f, const char *text, const Choice *o) {
    char old[ST_TEXT];
    leftover_remove(f->state);
    leftover_remove(f->weights);
    leftover_remove(f->sheet);
    if (!file_there(f->state) || o->restart) {
        if (o->resume) {
            fprintf(stderr, "train_images: '%s' is not there yet; beginning at step 0\n", f->state);
        }
        return;
    }
    if (o->resume) {
        training_load(f->state, text, run);
        return;
    }
    uint64_t step = training_peek(old, f->state);
    if (step < (uint64_t)run->recipe.steps || strcmp(old, text) != 0) {
        DIE("'%s' is at step %llu of '%s'; go on with --resume, begin again with --restart, or use another --out",
            f->state, (unsigned long long)step, old);
    }
}

// The checkpoint first: a picture that cannot be written must not cost it.
static void keep(Training *run, const Files *f, const char *text, const ImageNet *n, const AnyWorld *w,
                 const Choice *o) {
    Image sheet;
    training_save(f->state, text, run);
    training_export(f->weights, n->text, run);
    training_average(run);
    sheet = sheet_draw(run->net, w, run->schedule, o->guidance, o->seed);
    training_back(run);
    png_write(f->sheet, &sheet);
    image_free(&sheet);
}

// Trains until the plan, the time or the patience of the user ends.  Returns the exit status.
static int train(ImageNet *n, const AnyWorld *w, const Schedule *schedule, const Choice *o) {
    // the average reaches over a twentieth of the plan, at least over 100 steps
    Recipe recipe = {o->steps,
                     o->rows,
                     o->micro,
                     o->rate,
                     0.1,
                     o->steps > 2000 ? 1 - 20.0 / o->steps : 0.99,
                     o->net == NET_UNET ? 2 : 1};
    Training run = training_new(&n->net, &w->world, schedule, recipe, o->seed);
    Files f = files_of(o);
    Progress bar = progress_start(w->world.name, "loss", o->steps);
    char text[ST_TEXT];
    int saved;
    double seconds;
    training_text(text, n->text, &recipe, any_world_hash(w));
    run.first_bad = n->first_bad;
    folder_make(o->out);
    begin(&run, &f, text, o);
    bar.unit = "images";
    bar.per_step = o->rows;
    bar.first = run.step;
    saved = run.step;
    signal(SIGINT, ask_to_stop);
    signal(SIGTERM, ask_to_stop);
    while (run.step < o->until && stop_signal == 0) {
        if (!training_step(&run)) {
            progress_end(&bar);
            DIE("%s; %s '%s' is at step %d", run.trouble, saved > 0 ? "the last good checkpoint" : "nothing was saved,",
                f.state, saved);
        }
        progress_step(&bar, run.step, run.loss);
        if (o->minutes > 0 && progress_seconds(&bar) >= 60 * o->minutes) {
            break;
        }
        if (run.step % o->every == 0) {
            keep(&run, &f, text, n, w, o);
            saved = run.step;
        }
    }
    progress_end(&bar);
    if (saved != run.step || run.step == o->until) {
        keep(&run, &f, text, n, w, o);
    }
    if (stop_signal != 0) {
        fprintf(stderr, "train_images: stopped after step %d of %d; the same command with --resume goes on\n", run.step,
                o->steps);
        return 128 + (int)stop_signal;
    }
    seconds = progress_seconds(&bar);
    printf("world %s\nnet %s\nparameters %zu\nsteps %d of %d\n", w->world.name, n->text, n->net.np, run.step, o->steps);
    if (seconds >= 2) { // whole seconds are all that C99 has
        printf("seconds %.0f\nimages_per_second %.0f\n", seconds, progress_rate(&bar, run.step, seconds));
    }
    printf("checkpoint %s\nweights %s\nsheet %s\n", f.state, f.weights, f.sheet);
    printf("inspect %.4f loss per number over the last tenth\n", training_loss(&run));
    printf("expect %g to %g at the end of the default run\n", world_defaults[o->world].low,
           world_defaults[o->world].high);
    printf("hash %016llx\n", (unsigned long long)hash_reals(HASH_START, run.ema, n->net.np));
    training_free(&run);
    return 0;
}

// Loads the weights and scores samples.
static int evaluate(ImageNet *n, const AnyWorld *w, const Schedule *schedule, const Choice *o) {
    Files f = files_of(o);
    checkpoint_load(f.weights, n->text, &n->net, NULL, NULL);
    image_eval_print(&n->net, w, schedule, o->guidance, o->samples, o->seed);
    printf("hash %016llx\n", (unsigned long long)net_hash(HASH_START, &n->net));
    return 0;
}

int main(int argc, char **argv) {
    Choice o = read_choice(argc, argv);
    static AnyWorld world;
    Schedule schedule = image_schedule(o.levels);
    ImageNet n;
    int status = 0;
    any_world_open(&world, o.world, o.file, o.files);
    n = image_net_new(o.net, &world, o.width, o.blocks, &schedule, o.seed);
    if (o.layers) {
        image_net_print(stdout, &n);
    } else if (o.evaluate) {
        status = evaluate(&n, &world, &schedule, &o);
    } else {
        status = train(&n, &world, &schedule, &o);
    }
    net_free(&n.net);
    schedule_free(&schedule);
    any_world_free(&world);
    return status;
}
