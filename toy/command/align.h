// align.h: `unet_cuda pg` and `unet_cuda dpo`: a trained UNet is turned towards a reward, and scored against its
// reference.
#ifndef TILT_COMMAND_ALIGN_H
#define TILT_COMMAND_ALIGN_H

#include "../feedback/image_score.h"
#include "../model/picture_reward.h"
#include "../model/train.h"
#include "command.h"

enum { ALIGN_PROMPTS = 64 };

// What the true reward of glyphs likes; from the second word on in the order of the features of glyph_reward.h.
static const char *const align_tastes[] = {"auto", "large", "red", "right", "low", NULL};
enum { TASTE_AUTO };

// ---- the wishes of the user --------------------------------------------------------------------------------------

typedef struct {
    uint64_t seed;
    int quick, on, taste, each, prompts, pool, samples, micro;
    const char *out, *weights, *reward_model, *file[COMMAND_FILES];
    int files;
    double beta, tau;
    PgPlan pg;
    DpoPlan dpo;
} AlignChoice;

static inline AlignChoice align_choice_new(void) {
    AlignChoice o;
    memset(&o, 0, sizeof o);
    o.seed = 1;
    o.out = "out";
    o.weights = COMMAND_WEIGHTS;
    o.each = 2;
    o.prompts = 12;
    o.pool = 32;
    o.samples = 96;
    o.micro = 64;
    o.beta = 0.2;
    o.tau = 0.2;
    o.pg.iterations = 100;
    o.pg.groups = 12;
    o.pg.rows = 4;
    o.pg.rate = 1e-4;
    o.dpo.steps = 300;
    o.dpo.batch = 32;
    o.dpo.rate = 1e-5;
    o.dpo.beta = 0.5;
    return o;
}

#define ALIGN_OPTIONS(o)                                                                                  \
    OPT_SEED(&(o).seed), OPT_QUICK(&(o).quick), OPT_OUT(&(o).out),                                        \
        OPT_CHOICE("on", &(o).on, executor_names(), "who runs the UNet"),                                 \
        OPT_STRING("weights", &(o).weights, "the trained UNet; its text names the world"),                \
        OPT_CHOICE("taste", &(o).taste, align_tastes,                                                     \
                   "what the true reward of glyphs likes; auto: red, or large in grey"),                  \
        OPT_DOUBLE("beta", &(o).beta, 1e-3, 1e3, "KL temperature, reward units per nat"),                 \
        OPT_INT("each", &(o).each, 1, 1000, "the chain visits every so many of the trained levels"),      \
        OPT_INT("prompts", &(o).prompts, 1, ALIGN_PROMPTS, "how many prompts count"),                     \
        OPT_INT("pool", &(o).pool, 2, 10000, "samples of the reference for each prompt, an even number"), \
        OPT_INT("samples", &(o).samples, 2, 100000, "samples of a model that are scored"),                \
        OPT_INT("micro", &(o).micro, 1, 65536, "rows that go through the net together, for little memory")

// ---- the scene: model, reference, prompts, chain -------------------------------------------------------------------

typedef struct {
    ImageModel model;
    int feature; // of the glyphs, which the true reward measures
    Net ref;
    Chain chain;
    GlyphReader reader;
    int prompt[ALIGN_PROMPTS];
    Alignment a;
    ReferencePool pool;
} AlignScene;

// Prompts that leave free what the taste is about: of glyphs the shape and the colour are named, for the taste `red`
// the shape and the size; of other worlds, all prompts in turn.
static inline void align_prompts(int *prompt, int n, const AnyWorld *w, int feature) {
    int i;
    for (i = 0; i < n; i++) {
        int is[GLYPH_ATTRIBUTES] = {-1, -1, -1, -1, -1};
        prompt[i] = i % w->world.prompts;
        if (w->format != NULL) {
            is[GLYPH_SHAPE] = i % GLYPH_SHAPES;
            if (feature == GLYPH_REDNESS) {
                is[GLYPH_SIZE] = i / GLYPH_SHAPES % GLYPH_SIZES;
            } else if (w->format->channels == 3) {
                is[GLYPH_COLOUR] = (i + i / GLYPH_SHAPES) % GLYPH_COLOURS;
            }
            prompt[i] = glyph_prompt(w->format, is);
        }
    }
}

// The pool is shown to a rater in pairs of neighbours, which must have one prompt.
static inline void align_need_pairs(const AlignChoice *o, const char *command) {
    if (o->pool % 2 != 0) {
        fprintf(stderr, "unet_cuda %s: option --pool cannot be %d; pairs need an even number\n", command, o->pool);
        exit(2);
    }
}

// Opens everything and draws the pool of the reference.  The scene points into itself.
static inline void align_scene(AlignScene *s, const AlignChoice *o) {
    enum { FIT_ROWS = 64 };
    const Executor *on = &executors[o->on];
    AnyWorld *w = &s->model.world;
    image_model_open(&s->model, o->weights, on, o->each, o->file, o->files);
    if (w->format != NULL) {
        s->feature = o->taste != TASTE_AUTO ? o->taste - 1 : w->channels == 3 ? GLYPH_REDNESS : GLYPH_COVERAGE;
        memset(w->taste.weight, 0, sizeof w->taste.weight);
        w->taste.weight[s->feature] = 1;
        s->reader = glyph_reader_new(w->format);
    } else if (o->taste != TASTE_AUTO) {
        DIE("--taste %s is about glyphs; the world %s has one reward of its own", align_tastes[o->taste],
            w->world.name);
    }
    s->ref = image_model_net(&s->model, o->weights, on);
    s->chain = fitted_chain(&s->ref, &w->world, &s->model.schedule, o->quick ? FIT_ROWS / 4 : FIT_ROWS, o->seed);
    align_prompts(s->prompt, o->prompts, w, s->feature);
    s->a.net = &s->model.net;
    s->a.ref = &s->ref;
    s->a.world = &w->world;
    s->a.schedule = &s->model.schedule;
    s->a.chain = &s->chain;
    s->a.prompt = s->prompt;
    s->a.prompts = o->prompts;
    s->a.micro = o->micro;
    s->a.beta = o->beta;
    s->a.seed = o->seed;
    s->pool = reference_pool(&s->a, o->pool);
}

static inline void align_scene_free(AlignScene *s) {
    reference_pool_free(&s->pool);
    if (s->model.world.format != NULL) {
        glyph_reader_free(&s->reader);
    }
    chain_free(&s->chain);
    net_free(&s->ref);
    image_model_free(&s->model);
}

// Scores reference and model on the same noise, draws both, saves the model.  Returns the exit status.
static inline int align_report(AlignScene *s, const AlignChoice *o, const char *method) {
    enum { SHOWN = 48, COLUMNS = 8 };
    static const char *const titles[2] = {"before", "after"};
    const AnyWorld *w = &s->model.world;
    const GlyphReader *reader = w->format != NULL ? &s->reader : NULL;
    size_t numbers = (size_t)o->samples * (size_t)w->world.dim;
    real *x[2];
    ImageScore before, after;
    Image sheet;
    char path[PATH_LENGTH], name[64];
    int shown = o->samples < SHOWN ? o->samples : SHOWN, k;
    x[0] = NEW(real, numbers);
    x[1] = NEW(real, numbers);
    before = image_score(x[0], &s->a, &s->ref, reader, o->samples);
    after = image_score(x[1], &s->a, &s->model.net, reader, o->samples);
    printf("world %s\nnet %s\non %s\ntaste %s\nbeta %g\n", w->world.name, s->model.text, executors[o->on].name,
           w->format != NULL ? align_tastes[s->feature + 1] : "of the world", o->beta);
    printf("prompts %d\nsteps_of_the_chain %d\nsamples %d\n", o->prompts, s->chain.T, o->samples);
    image_score_print("before", &before);
    image_score_print("after", &after);
    printf("optimum_j %.3f\noptimum_effective_samples %.0f of %d\n", s->pool.j_star, s->pool.ess, s->pool.n);
    folder_make(o->out);
    for (k = 0; k < 2; k++) {
        snprintf(name, sizeof name, "%s_%s.png", method, titles[k]);
        path_join(path, o->out, name);
        sheet = image_score_sheets(w, x + k, titles + k, 1, shown, COLUMNS, w->side < 28 ? 3 : 2);
        png_write(path, &sheet);
        image_free(&sheet);
        printf("sheet_%s %s\n", titles[k], path);
    }
    snprintf(name, sizeof name, "%s_%s.safetensors", w->world.name, method);
    path_join(path, o->out, name);
    checkpoint_save(path, s->model.text, &s->model.net, NULL, 0, o->seed);
    printf("weights %s\n", path);
    printf("inspect %.3f %.3f reward of the truth and J gained over the reference\n", after.reward - before.reward,
           after.j - before.j);
    printf("expect both above 0, J at most %.3f\n", s->pool.j_star - s->pool.reward);
    printf("hash %016llx\n", (unsigned long long)net_hash(HASH_START, &s->model.net));
    free(x[0]);
    free(x[1]);
    return 0;
}

// ---- the two commands --------------------------------------------------------------------------------------------

static inline void align_quick(AlignChoice *o) {
    o->prompts = 4;
    o->pool = 4;
    o->samples = 8;
    o->pg.iterations = 2;
    o->pg.groups = 2;
    o->dpo.steps = 3;
    o->dpo.batch = 4;
    o->each = o->each < 4 ? 4 : o->each;
}

static inline int command_pg(int argc, char **argv) {
    static AlignScene s;
    AlignChoice o = align_choice_new();
    Net reward;
    Option options[] = {
        ALIGN_OPTIONS(o),
        OPT_INT("iterations", &o.pg.iterations, 0, 100000, "times chains are drawn and followed by one step"),
        OPT_INT("groups", &o.pg.groups, 1, 1000, "prompts of an iteration"),
        OPT_INT("rows", &o.pg.rows, 2, 1000, "chains of a prompt in an iteration, compared with each other"),
        OPT_DOUBLE("rate", &o.pg.rate, 0, 1, "highest learning rate"),
        OPT_STRING("reward-model", &o.reward_model, "a file of `unet_cuda reward`: what the method is told"),
    };
    o.files = cli_parse_words(argc, argv, "[FILE ...]", "aligns a UNet by KL-regularised policy gradient on its chain",
                              options, COUNT(options), o.file, 0, COMMAND_FILES);
    if (o.quick) {
        align_quick(&o);
    }
    align_scene(&s, &o);
    if (o.reward_model != NULL) {
        char text[96];
        reward = picture_reward_new(s.model.world.side, s.model.world.channels, 1);
        picture_reward_text(text, &reward, s.a.world->name);
        checkpoint_load(o.reward_model, text, &reward, NULL, NULL);
        s.a.reward = &reward;
    }
    printf("told_by %s\n", o.reward_model != NULL ? o.reward_model : "the truth");
    image_align_pg(&s.a, &o.pg);
    align_report(&s, &o, "pg");
    if (o.reward_model != NULL) {
        net_free(&reward);
    }
    align_scene_free(&s);
    return 0;
}

static inline int command_dpo(int argc, char **argv) {
    static AlignScene s;
    AlignChoice o = align_choice_new();
    Rater rater;
    Pairs pairs;
    Option options[] = {
        ALIGN_OPTIONS(o),
        OPT_DOUBLE("tau", &o.tau, 1e-3, 1e3, "temperature of the rater, reward units; smaller is surer"),
        OPT_INT("steps", &o.dpo.steps, 0, 1000000, "steps of Diffusion-DPO"),
        OPT_INT("batch", &o.dpo.batch, 1, 10000, "pairs of a step"),
        OPT_DOUBLE("rate", &o.dpo.rate, 0, 1, "highest learning rate"),
        OPT_DOUBLE("dpo-beta", &o.dpo.beta, 1e-3, 1e3, "beta of Diffusion-DPO, in units of --beta times tau"),
    };
    o.files = cli_parse_words(argc, argv, "[FILE ...]", "aligns a UNet by Diffusion-DPO on pairs of its own samples",
                              options, COUNT(options), o.file, 0, COMMAND_FILES);
    if (o.quick) {
        align_quick(&o);
    }
    align_need_pairs(&o, "dpo");
    align_scene(&s, &o);
    rater = rater_new(o.tau, o.seed, s.a.world->stream + COMMAND_RATER);
    pairs = pairs_ask(&rater, s.pool.x, s.pool.r, s.pool.c, s.pool.n / 2, s.a.world->dim);
    printf("pairs %d\nbest_accuracy %.3f\n", pairs.n, pairs.best_accuracy);
    o.dpo.beta /= o.tau; // the reward in logits of the rater is r / tau
    image_align_dpo(&s.a, &pairs, &o.dpo);
    align_report(&s, &o, "dpo");
    pairs_free(&pairs);
    align_scene_free(&s);
    return 0;
}

#endif
