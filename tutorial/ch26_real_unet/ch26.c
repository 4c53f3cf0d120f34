// ch26.c: the same methods at another scale.  Everything before this chapter ran on laws that could be written down;
// here the same functions, unchanged, turn a trained UNet of 232,819 parameters towards red, and a second executor
// computes the same network with kernels that a GPU can run.  What stays exact, what does not, and what does it cost?
//   make run CH=26        or:  cc -std=c99 -O2 tutorial/ch26_real_unet/ch26.c -lm -o ch26 && ./ch26 --quick
#include "../../ref/file/tsv.h"
#include "../../ref/show/cli.h"
#include "../../toy/feedback/image_score.h"
#include "../../toy/model/executor_check.h"
#include "../../toy/model/image_open.h"
#include "../../toy/model/train.h"

#define WEIGHTS "data/glyphs16_unet.safetensors"
#define COSTS "data/bench/unet_cost.tsv"

enum { PROMPTS = 12, RATER = 900, SHOWN = 36, COLUMNS = 6 };
enum { REF, PG, DPO, MODELS };
static const char *const model_names[MODELS] = {"reference", "pg", "dpo"};

static uint64_t seed = 1;

typedef struct { // how much of everything, quick and default
    int each;    // the chain visits every so many of the 16 trained levels
    int pool, samples, iterations, rows, dpo_steps, dpo_batch, fit, batch;
} Plan;

// ---- one function, two executors --------------------------------------------------------------------------------

// The digits of an error depend on the exponential of the C library, which the plain kernels use; that it stays below
// 1e-5 does not.
static int below(const char *name, const CheckReport *r) {
    for (int k = 0; k < CHECK_RESULTS; k++) {
        double bound = 1e-5;
        while (r->error[k] > bound && bound < 1) {
            bound *= 10;
        }
        printf("%s_%s_error_below %.0e\n", name, check_names[k], bound);
    }
    printf("%s_same_bits_twice %s\n", name, r->same_bits ? "yes" : "no");
    return !r->same_bits || !(fmax(r->error[0], fmax(r->error[1], r->error[2])) <= 1e-4);
}

static int same_numbers(const ImageModel *m, int batch) {
    const Executor *cpu = &executors[EXECUTOR_CPU], *plain = cpu + 1;
    int prompts = m->world.world.prompts;
    UnetShape tiny = ddpm_unet_named(DDPM_TINY, 8, 3);
    CheckReport trained =
        executor_check(plain, &m->shape, m->world.tokens, prompts, &m->schedule, m->net.p, batch, seed);
    CheckReport published = executor_check(plain, &tiny, NULL, 0, &m->schedule, NULL, batch, seed);
    CheckReport self = executor_check(cpu, &m->shape, m->world.tokens, prompts, &m->schedule, m->net.p, batch, seed);
    return below("plain_trained", &trained) | below("plain_ddpm_tiny", &published) | below("cpu_direct", &self);
}

// ---- one kernel ----------------------------------------------------------------------------------------------------

// What the plain convolution asks of memory: every thread reads all numbers under its kernel and all weights of its
// channel, and its neighbours read nearly the same ones again.
static void count_reads(const UnetPlan *plan, int images) {
    const UnetOp *op = &plan->op[0];
    for (int i = 0; i < plan->ops; i++) { // the first one with the most work
        op = plan->op[i].kind == UNET_CONV && plan->op[i].k == 3 && plan->op[i].flops > op->flops ? &plan->op[i] : op;
    }
    const UnetBuf *x = &plan->buf[op->in], *y = &plan->buf[op->out];
    double threads = (double)images * y->H * y->W * y->C, reads = 2.0 * op->k * op->k * x->C;
    double once = (double)images * (y->H + 2.0) * (y->W + 2.0) * x->C + (double)op->k * op->k * x->C * y->C;
    printf("kernel_layer %s\nkernel_threads %.0f\nkernel_reads_a_thread %.0f\n", op->name, threads, reads);
    printf("kernel_reads %.0f\nkernel_different_numbers %.0f\n", threads * reads, once);
    printf("kernel_reads_each_number %.0f\n", threads * reads / once);
}

// ---- what it costs -------------------------------------------------------------------------------------------------

// The slope of log(milliseconds) against log(work), by least squares, over the stored rows of one executor that vary in
// width (batch 16), or in batch (width 16).
static double cost_exponent(const Tsv *t, const char *on, const char *column, int by_width, int *rows) {
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (size_t i = 0; i < t->rows; i++) {
        double width = tsv_number(t, i, "width"), batch = tsv_number(t, i, "batch");
        if (strcmp(tsv_text(t, i, "executor"), on) == 0 && (by_width ? batch == 16 : width == 16)) {
            double x = e_log(tsv_number(t, i, "mflop_image") * batch), y = e_log(tsv_number(t, i, column));
            n += 1;
            sx += x;
            sy += y;
            sxx += x * x;
            sxy += x * y;
        }
    }
    *rows = (int)n;
    return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

static void costs(const ImageModel *m) {
    static const char *const columns[] = {"executor", "width",      "batch",    "mflop_image",
                                          "ms_train", "ms_forward", "ms_ddim8", NULL};
    Tsv t = tsv_read(COSTS, columns);
    double first = 0, last = 0;
    int rows;
    for (int width = 8; width <= 64; width *= 2) {
        UnetShape shape = image_unet_shape(m->shape.side, m->shape.channels, width, 1);
        UnetPlan *plan = unet_plan(&shape, m->world.tokens, m->world.world.prompts);
        printf("parameters_%d %zu\nmflop_%d %.2f\n", width, plan->np, width, plan->flops * 1e-6);
        first = width == 8 ? plan->flops : first;
        last = plan->flops;
        free(plan);
    }
    printf("flop_exponent_of_width %.3f\n", e_log(last / first) / e_log(64.0 / 8));
    printf("time_exponent_forward %.2f\n", cost_exponent(&t, "cpu", "ms_forward", 1, &rows));
    printf("time_exponent_train %.2f\nwidths %d\n", cost_exponent(&t, "cpu", "ms_train", 1, &rows), rows);
    printf("time_exponent_batch %.2f\nbatches %d\n", cost_exponent(&t, "cpu", "ms_forward", 0, &rows), rows);
    printf("time_exponent_plain %.2f\n", cost_exponent(&t, "plain", "ms_forward", 1, &rows));
    for (size_t i = 0; i < t.rows; i++) {
        const char *on = tsv_text(&t, i, "executor");
        double batch = tsv_number(&t, i, "batch"), width = tsv_number(&t, i, "width"),
               work = batch * tsv_number(&t, i, "mflop_image");
        printf("%s_%.0f_%.0f_gflops %.1f\n", on, width, batch, work / tsv_number(&t, i, "ms_forward"));
    }
    tsv_free(&t);
}

// ---- alignment -----------------------------------------------------------------------------------------------------

// Shape and size are named, the colour is free.
static void prompts_without_colour(int *prompt, const GlyphFormat *format) {
    for (int i = 0; i < PROMPTS; i++) {
        int is[GLYPH_ATTRIBUTES] = {-1, -1, -1, -1, -1};
        is[GLYPH_SHAPE] = i % GLYPH_SHAPES;
        is[GLYPH_SIZE] = i / GLYPH_SHAPES;
        prompt[i] = glyph_prompt(format, is);
    }
}

// Both methods from the same reference; scores, the picture, and the hash of both results.
static uint64_t align(ImageModel *m, const Plan *plan, const char *out, double *gained) {
    AnyWorld *w = &m->world;
    const World *world = &w->world;
    int prompt[PROMPTS];
    Net pg = image_model_net(m, WEIGHTS, &executors[EXECUTOR_CPU]),
        dpo = image_model_net(m, WEIGHTS, &executors[EXECUTOR_CPU]);
    Net *net[MODELS] = {&m->net, &pg, &dpo};
    Chain chain = fitted_chain(&m->net, world, &m->schedule, plan->fit, seed);
    Alignment a = {&pg, &m->net, world, NULL, &m->schedule, &chain, prompt, PROMPTS, 64, 0.2, seed};
    PgPlan pg_plan = {plan->iterations, PROMPTS, plan->rows, 6e-5};
    DpoPlan dpo_plan = {plan->dpo_steps, plan->dpo_batch, 1e-5, 0.5 / 0.2}; // in logits of the rater: 0.5 / tau
    Rater rater = rater_new(a.beta, seed, world->stream + RATER);
    GlyphReader reader = glyph_reader_new(w->format);
    real *x[MODELS];
    memset(w->taste.weight, 0, sizeof w->taste.weight);
    w->taste.weight[GLYPH_REDNESS] = 1;
    prompts_without_colour(prompt, w->format);
    ReferencePool pool = reference_pool(&a, plan->pool);
    Pairs pairs = pairs_ask(&rater, pool.x, pool.r, pool.c, pool.n / 2, world->dim);
    image_align_pg(&a, &pg_plan);
    a.net = &dpo;
    image_align_dpo(&a, &pairs, &dpo_plan);
    printf("beta %g\nsteps_of_the_chain %d\npairs %d\n", a.beta, chain.T, pairs.n);
    for (int k = 0; k < MODELS; k++) {
        x[k] = NEW(real, (size_t)plan->samples * (size_t)world->dim);
        ImageScore s = image_score(x[k], &a, net[k], &reader, plan->samples);
        image_score_print(model_names[k], &s);
        if (k == REF) {
            gained[REF] = s.j;
        } else {
            gained[k] = s.j - gained[REF];
            printf("%s_gained %.3f\n%s_closed_percent %.0f\n", model_names[k], gained[k], model_names[k],
                   100 * gained[k] / (pool.j_star - gained[REF]));
        }
    }
    printf("optimum_j %.3f\noptimum_effective_samples %.0f\npool %d\n", pool.j_star, pool.ess, pool.n);
    if (out != NULL) {
        char path[PATH_LENGTH];
        Image sheet =
            image_score_sheets(w, x, model_names, MODELS, plan->samples < SHOWN ? plan->samples : SHOWN, COLUMNS, 3);
        folder_make(out);
        path_join(path, out, "picture.png");
        png_write(path, &sheet);
        image_free(&sheet);
    }
    uint64_t hash = net_hash(net_hash(HASH_START, &pg), &dpo);
    for (int k = 0; k < MODELS; k++) {
        free(x[k]);
    }
    pairs_free(&pairs);
    reference_pool_free(&pool);
    glyph_reader_free(&reader);
    chain_free(&chain);
    net_free(&pg);
    net_free(&dpo);
    return hash;
}

int main(int argc, char **argv) {
    static ImageModel model;
    static const Plan full = {2, 32, 96, 50, 4, 150, 32, 64, 4}, small = {4, 2, 12, 1, 2, 2, 4, 8, 1};
    int quick = 0, wrong;
    const char *out = NULL;
    double gained[MODELS];
    Option options[] = {OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out)};
    cli_parse(argc, argv, "the same methods on a trained UNet, and its kernels on two executors", options,
              COUNT(options));
    const Plan *plan = quick ? &small : &full;
    image_model_open(&model, WEIGHTS, &executors[EXECUTOR_CPU], plan->each, NULL, 0);
    puts("# 1. relative errors: kernels for a GPU, run as loops, against the CPU's executor; the CPU against itself");
    wrong = same_numbers(&model, plan->batch);
    puts("# 2. one kernel: what its threads read");
    UnetPlan *list = unet_plan(&model.shape, model.world.tokens, model.world.world.prompts);
    count_reads(list, 16);
    free(list);
    puts("# 3. cost against size: work from the list of operations, times from " COSTS);
    costs(&model);
    puts("# 4. towards red: policy gradient and Diffusion-DPO on the trained UNet");
    uint64_t hash = align(&model, plan, out, gained);
    wrong |= !quick && !(gained[PG] > 0 && gained[DPO] > 0);
    printf("inspect %.3f %.3f J gained over the reference by pg and dpo\n", gained[PG], gained[DPO]);
    printf("expect both above 0, in the run without --quick\nhash %016llx\n", (unsigned long long)hash);
    image_model_free(&model);
    return wrong;
}
