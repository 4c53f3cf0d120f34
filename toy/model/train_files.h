// train_files.h: the whole state of a training in one file, and the part of it that others use in another.
//
//   NAME.train.safetensors   parameters, ema, adam.m, adam.v, loss (100 sums); the text holds the model and the recipe
//   NAME.safetensors         parameters: the running average, for use; the text holds the model alone
// Each is replaced in one move (atomic.h), so a program that is killed leaves the old file or the new one.  The text is
// compared when a training goes on: other options than it began with end the program with both sides, and nothing is
// touched.
#ifndef TILT_TRAIN_FILES_H
#define TILT_TRAIN_FILES_H

#include "checkpoint.h"
#include "pretrain.h"

// What decides the bits of this training, in one line: the model, the recipe, and a name for the data.
static inline void training_text(char text[ST_TEXT], const char *model, const Recipe *r, uint32_t data) {
    char micro[24] = "";
    if (r->micro != r->rows) {
        snprintf(micro, sizeof micro, " by %d", r->micro);
    }
    if (snprintf(text, ST_TEXT, "%s, %d steps of %d%s, rate %g, drop %g, weight %d, data %08x", model, r->steps,
                 r->rows, micro, r->rate, r->forget, r->power, (unsigned)data) >= ST_TEXT) {
        DIE("training: the text '%.60s...' is longer than %d bytes; shorten the name of the model", text, ST_TEXT - 1);
    }
}

enum { TRAINING_TENSORS = 5 };

static inline void training_tensors(StTensor list[TRAINING_TENSORS], Training *run) {
    size_t np = run->net->np, curve = TRAIN_CURVE;
    list[0] = st_vector("parameters", run->net->p, np);
    list[1] = st_vector("ema", run->ema, np);
    list[2] = st_vector("adam.m", run->adam.m, np);
    list[3] = st_vector("adam.v", run->adam.v, np);
    list[4] = st_doubles("loss", run->curve, 1, &curve);
}

static inline void training_save(const char *path, const char *text, Training *run) {
    StTensor list[TRAINING_TENSORS];
    StMeta meta = st_meta(text, (uint64_t)run->step, run->seed);
    training_fetch(run);
    training_tensors(list, run);
    st_save(path, list, TRAINING_TENSORS, &meta);
}

// Goes on where the file stopped.  Dies, with nothing changed, when it is damaged or of another training.
static inline void training_load(const char *path, const char *text, Training *run) {
    StTensor list[TRAINING_TENSORS];
    StFile f = st_open(path);
    const char *has = st_text_or_die(&f, "model");
    uint64_t seed = st_whole_(&f, "seed"), step = st_whole_(&f, "step");
    if (strcmp(has, text) != 0) {
        DIE("'%s' holds the training '%s', the options ask for '%s'; give the options of the first or another folder",
            path, has, text);
    }
    if (seed != run->seed) {
        DIE("'%s' holds a training with seed %llu, the options ask for %llu; give --seed %llu or another folder", path,
            (unsigned long long)seed, (unsigned long long)run->seed, (unsigned long long)seed);
    }
    if (step > (uint64_t)run->recipe.steps) {
        DIE("'%s' is at step %llu of %d; the file is not of this program", path, (unsigned long long)step,
            run->recipe.steps);
    }
    training_tensors(list, run);
    st_read_all(&f, list, TRAINING_TENSORS, text);
    st_close(&f);
    run->step = (int)step;
    run->adam.step = (long)step;
    net_changed(run->net);
}

// The running average alone.
static inline void training_export(const char *path, const char *model, Training *run) {
    training_average(run);
    checkpoint_save(path, model, run->net, NULL, (uint64_t)run->step, run->seed);
    training_back(run);
}

// Is there a file of this name?
static inline int file_there(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f != NULL) {
        fclose(f);
    }
    return f != NULL;
}

// The step that the training in the file reached; dies when the file is damaged.  *text: what it is.
static inline uint64_t training_peek(char text[ST_TEXT], const char *path) {
    StFile f = st_open(path);
    uint64_t step = st_whole_(&f, "step");
    snprintf(text, ST_TEXT, "%s", st_text_or_die(&f, "model"));
    st_close(&f);
    return step;
}

// Removes what a killed program left half written beside the file.
static inline void leftover_remove(const char *path) {
    char temporary[PATH_LENGTH];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) < (int)sizeof temporary) {
        remove(temporary);
    }
}

#endif
