// sample.h: `unet_cuda sample`: pictures of a trained UNet as a sheet, and how many of them show what was asked for.
#ifndef TILT_COMMAND_SAMPLE_H
#define TILT_COMMAND_SAMPLE_H

#include "../model/image_eval.h"
#include "../model/image_sheet.h"
#include "command.h"

typedef struct {
    uint64_t seed;
    int quick, on, each, samples, files;
    double guidance;
    const char *out, *weights, *prompt, *file[COMMAND_FILES];
} SampleChoice;

// The prompts of n samples: the one that the user named, or those of the world in turn (glyphs: every shape in every
// colour).
static inline void sample_prompts(int *c, int n, const AnyWorld *w, const char *wanted) {
    const char *bad;
    int i, one;
    if (wanted == NULL && w->format != NULL) {
        eval_glyph_prompts(c, w->format, n);
        return;
    }
    if (wanted == NULL) {
        for (i = 0; i < n; i++) {
            c[i] = i % w->world.prompts;
        }
        return;
    }
    if (w->tokens == NULL) {
        one = (int)strtol(wanted, NULL, 10); // the digits have numbers for words
        bad = wanted;
        one = strspn(wanted, "0123456789") == strlen(wanted) && one < w->world.prompts ? one : -2;
    } else {
        one = tokens_find(&bad, w->tokens, wanted);
    }
    if (one < -1) {
        DIE("the world %s has no prompt '%s'; the trouble begins at '%s'", w->world.name, wanted, bad);
    }
    for (i = 0; i < n; i++) {
        c[i] = one;
    }
}

static inline int command_sample(int argc, char **argv) {
    enum { COLUMNS = 12, SHOWN = 144, KNOWN = 400 };
    static ImageModel m;
    static SampleChoice o;
    Option options[] = {
        OPT_SEED(&o.seed),
        OPT_QUICK(&o.quick),
        OPT_OUT(&o.out),
        OPT_CHOICE("on", &o.on, executor_names(), "who runs the UNet"),
        OPT_STRING("weights", &o.weights, "the trained UNet; its text names the world"),
        OPT_STRING("prompt", &o.prompt, "words of one prompt for all samples; without it, those of the world in turn"),
        OPT_DOUBLE("guidance", &o.guidance, 0, 100, "classifier-free guidance, 1: none"),
        OPT_INT("each", &o.each, 1, 1000, "the chain visits every so many of the trained levels"),
        OPT_INT("samples", &o.samples, 1, 100000, "how many"),
    };
    EvalReference known;
    Chain chain;
    Image sheet;
    real *x, *f;
    int *c, n;
    char path[PATH_LENGTH];
    o.seed = 1;
    o.out = "out";
    o.weights = COMMAND_WEIGHTS;
    o.guidance = 3;
    o.each = 1;
    o.samples = SHOWN;
    o.files = cli_parse_words(argc, argv, "[FILE ...]", "samples a trained UNet", options, COUNT(options), o.file, 0,
                              COMMAND_FILES);
    n = o.quick && o.samples > COLUMNS ? COLUMNS : o.samples;
    image_model_open(&m, o.weights, &executors[o.on], o.each, o.file, o.files);
    x = NEW(real, (size_t)n * (size_t)m.world.world.dim);
    c = NEW(int, (size_t)n);
    sample_prompts(c, n, &m.world, o.prompt);
    chain = fitted_chain(&m.net, &m.world.world, &m.schedule, o.quick ? 16 : 128, o.seed);
    chain.guidance = o.guidance;
    eval_sample(x, &m.net, &m.world, &chain, c, n, o.seed, m.world.world.stream + COMMAND_SAMPLES);
    printf("world %s\nnet %s\non %s\nsamples %d\nguidance %g\nsteps_of_the_chain %d\n", m.world.world.name, m.text,
           executors[o.on].name, n, o.guidance, chain.T);
    known = eval_reference(&m.world, o.quick ? KNOWN / 10 : KNOWN, o.seed);
    f = NEW(real, (size_t)n * (size_t)known.D);
    image_features(f, &m.world, x, n);
    if (m.world.format != NULL) {
        eval_glyph_print(&known, "asked", x, c, n);
    }
    folder_make(o.out);
    path_join(path, o.out, "sample.png");
    sheet = image_tiles(x, n < SHOWN ? n : SHOWN, m.world.side, m.world.side, m.world.channels, COLUMNS, -m.world.paper,
                        m.world.paper);
    png_write(path, &sheet);
    printf("sheet %s\n", path);
    printf("inspect %.3f share of samples that show all that their prompt asks for\n",
           eval_prompt_share(&known, x, f, c, n));
    printf("expect 0.75 to 1 for a trained net\n");
    printf("hash %016llx\n", (unsigned long long)hash_reals(HASH_START, x, (size_t)n * (size_t)m.world.world.dim));
    image_free(&sheet);
    eval_reference_free(&known);
    chain_free(&chain);
    image_model_free(&m);
    free(x);
    free(f);
    free(c);
    return 0;
}

#endif
