// train_run.h: a pretraining that survives.  Ctrl-C, kill -9 and a diverging step cost at most the steps since the last
// checkpoint; --resume goes on with the same bits as if nothing had happened.
//
// In --out DIR: NAME.train.safetensors (everything needed to go on), NAME.safetensors (the average of the parameters,
// for use), NAME.png (what the net makes of the same noise now), with NAME = world_net.
#ifndef TILT_TRAIN_RUN_H
#define TILT_TRAIN_RUN_H

#include <signal.h>

#include "../../ref/show/progress.h"
#include "image_eval.h"
#include "image_sheet.h"
#include "train_choice.h"
#include "train_files.h"

static volatile sig_atomic_t train_stop_signal; // the one that asked us to stop, or 0

static inline void train_ask_to_stop(int number) {
    train_stop_signal = number;
    signal(number, SIG_DFL); // the second one does not wait for the step
}

// Where a training keeps its files.
typedef struct {
    char state[PATH_LENGTH], weights[PATH_LENGTH], sheet[PATH_LENGTH];
} TrainFiles;

static inline TrainFiles train_files_of(const TrainChoice *o) {
    TrainFiles f;
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
static inline void train_begin(Training *run, const TrainFiles *f, const char *text, const TrainChoice *o) {
    char old[ST_TEXT];
    leftover_remove(f->state);
    leftover_remove(f->weights);
    leftover_remove(f->sheet);
    if (!file_there(f->state) || o->restart) {
        if (o->resume) {
            fprintf(stderr, "%s: '%s' is not there yet; beginning at step 0\n", o->program, f->state);
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
static inline void train_keep(Training *run, const TrainFiles *f, const char *text, const ImageNet *n,
                              const AnyWorld *w, const TrainChoice *o) {
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
static inline int train_run(ImageNet *n, const AnyWorld *w, const Schedule *schedule, const TrainChoice *o) {
    // the average reaches over a twentieth of the plan, at least over 100 steps
    Recipe recipe = {o->steps,
                     o->rows,
                     o->micro,
                     o->rate,
                     0.1,
                     o->steps > 2000 ? 1 - 20.0 / o->steps : 0.99,
                     o->net != NET_MLP ? 2 : 1};
    Training run = training_new(&n->net, &w->world, schedule, recipe, o->seed);
    TrainFiles f = train_files_of(o);
    Progress bar = progress_start(w->world.name, "loss", o->steps);
    char text[ST_TEXT];
    int saved;
    double seconds;
    training_text(text, n->text, &recipe, any_world_hash(w));
    run.first_bad = n->first_bad;
    folder_make(o->out);
    train_begin(&run, &f, text, o);
    if (executors[o->on].train != NULL) {
        run.device = executors[o->on].train(&run);
    }
    bar.unit = "images";
    bar.per_step = o->rows;
    bar.first = run.step;
    saved = run.step;
    signal(SIGINT, train_ask_to_stop);
    signal(SIGTERM, train_ask_to_stop);
    while (run.step < o->until && train_stop_signal == 0) {
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
            train_keep(&run, &f, text, n, w, o);
            saved = run.step;
        }
    }
    progress_end(&bar);
    if (saved != run.step || run.step == o->until) {
        train_keep(&run, &f, text, n, w, o);
    }
    if (train_stop_signal != 0) {
        fprintf(stderr, "%s: stopped after step %d of %d; the same command with --resume goes on\n", o->program,
                run.step, o->steps);
        return 128 + (int)train_stop_signal;
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
static inline int train_evaluate(ImageNet *n, const AnyWorld *w, const Schedule *schedule, const TrainChoice *o) {
    TrainFiles f = train_files_of(o);
    checkpoint_load(f.weights, n->text, &n->net, NULL, NULL);
    image_eval_print(&n->net, w, schedule, o->guidance, o->samples, o->seed);
    printf("hash %016llx\n", (unsigned long long)net_hash(HASH_START, &n->net));
    return 0;
}

// Everything that the command line asks for.  Returns the exit status.
static inline int train_program(const TrainChoice *o) {
    static AnyWorld world;
    Schedule schedule = image_schedule(o->levels);
    ImageNet n;
    int status = 0;
    any_world_open(&world, o->world, o->file, o->files);
    n = image_net_new_on(&executors[o->on], o->net, &world, o->width, o->blocks, &schedule, o->seed);
    if (o->layers) {
        image_net_print(stdout, &n);
    } else if (o->evaluate) {
        status = train_evaluate(&n, &world, &schedule, o);
    } else {
        status = train_run(&n, &world, &schedule, o);
    }
    net_free(&n.net);
    schedule_free(&schedule);
    any_world_free(&world);
    return status;
}

#endif
