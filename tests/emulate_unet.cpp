// emulate_unet.cpp: the whole UNet on the fast kernels, run on the CPU by ref/cuda/emulate.h, against the CPU's own UNet
// in fp32: the prediction, the gradient of every layer and of the image, a training of two steps, and a chain.
//   g++ -std=c++17 -O2 -ffp-contract=off -DEMULATE tests/emulate_unet.cpp -o emulate_unet && ./emulate_unet
//   ./emulate_unet ddpm 1 8 16 128      only prints how the convolutions of that network run at these batches
// Activations are rounded to bf16 (8 bits) between layers, so the two agree to a few parts in a hundred and no better;
// that every layer is within that, and none is zero, is what a wrong index would not survive.
// one order: the kernels themselves are run in all orders by the other tests.
#include "emulate_check.h"

#include "../ref/core/optim.h"
#include "../ref/formula/forward.h"
#include "../ref/formula/sampler.h"
#include "../toy/model/ddpm_unet.h"
#include "../toy/model/pretrain.h"
#include "../toy/model/unet.h"
#include "../toy/model/unet_fast_train.h"

static const double BF16_FORWARD = 0.015, BF16_BACKWARD = 0.04; // relative errors that bf16 explains

// |a - b| / |b|; NaN, which no check accepts, when b is zero.
static double relative(const real *a, const real *b, size_t n) {
    double miss = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        miss += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return sqrt(miss / size);
}

static real *normals(size_t n, uint64_t stream) {
    real *x = NEW(real, n);
    rng_fill_normal(x, n, 1, stream, 0);
    return x;
}

struct Pair {
    UnetShape shape;
    Schedule schedule;
    Net cpu, fast;
};

// Two nets with the same parameters, none of them zero.
static void pair_open(Pair *p, int prompts) {
    p->shape = ddpm_unet_named(DDPM_TINY64, 8, 3);
    p->schedule = schedule_linear(100, 1e-3, 0.05);
    p->cpu = unet_new(&p->shape, NULL, prompts, &p->schedule, 1);
    p->fast = unet_fast_new(&p->shape, NULL, prompts, &p->schedule, 1);
    for (size_t i = 0; i < p->cpu.np; i++) {
        p->cpu.p[i] += (real)(0.05 * rng_normal(3, 3, i));
        p->fast.p[i] = p->cpu.p[i];
    }
    net_changed(&p->cpu);
    net_changed(&p->fast);
}

// alone: also the gradient of the image without those of the parameters
static void test_layers(Pair *p, int alone) {
    const UnetPlan *u = ((UnetFast *)p->fast.self)->net.plan;
    enum { n = 2 };
    size_t numbers = (size_t)n * (size_t)p->cpu.in;
    real *x = normals(numbers, 1), *dy = normals(numbers, 2), *y = NEW(real, numbers), *want = NEW(real, numbers);
    real *dx = NEW(real, numbers), *wanted = NEW(real, numbers), t[n] = {20, 70};
    int c[n] = {1, -1};
    char text[80];
    p->cpu.forward(&p->cpu, want, x, t, c, n);
    p->fast.forward(&p->fast, y, x, t, c, n);
    check(relative(y, want, numbers) < BF16_FORWARD, "eps", relative(y, want, numbers));
    p->cpu.backward(&p->cpu, wanted, dy, x, t, c, n);
    p->fast.backward(&p->fast, dx, dy, x, t, c, n);
    check(relative(dx, wanted, numbers) < BF16_BACKWARD, "gradient of the image", relative(dx, wanted, numbers));
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        size_t biases = op->kind == UNET_PROMPT || op->np == 0 ? 0 : (size_t)u->buf[op->out].C;
        size_t weights = op->np - biases;
        if (op->np == 0) {
            continue;
        }
        double error = relative(p->fast.g + op->w, p->cpu.g + op->w, weights);
        snprintf(text, sizeof text, "gradient of %s, weights", op->name);
        check(error < BF16_BACKWARD, text, error);
        if (biases > 0) {
            error = relative(p->fast.g + op->b, p->cpu.g + op->b, biases);
            snprintf(text, sizeof text, "gradient of %s, bias", op->name);
            check(error < BF16_BACKWARD, text, error);
        }
    }
    if (alone) {
        memset(dx, 0, numbers * sizeof(real)); // the same gradient of the image
        real *g = p->fast.g;
        p->fast.g = NULL;
        memcpy(want, wanted, numbers * sizeof(real));
        p->fast.backward(&p->fast, dx, dy, x, t, c, n);
        p->fast.g = g;
        check(relative(dx, wanted, numbers) < BF16_BACKWARD, "gradient of the image alone",
              relative(dx, wanted, numbers));
    }
    net_zero_grad(&p->cpu);
    net_zero_grad(&p->fast);
}

// ---- K cut into ranges ----------------------------------------------------------------------------------------------

// What the pass of a layer makes of its K: the plan of the forward product, or that of the gradient of the inputs.
static MmaPlan layer_plan(const FastLayer *l, int back) {
    ConvProduct p = conv_product_shape(&l->conv, back, !back && l->sums != NULL);
    return mma_plan(&p);
}

static int layers_cut(const UnetPlan *u, const FastBatch *b, int back) {
    int cut = 0;
    for (int i = 0; i < u->ops; i++) {
        cut += b->layer[i].role == FAST_CONV && layer_plan(&b->layer[i], back).split > 1;
    }
    return cut;
}

// Of all layers; the batch has one of this size.
static size_t largest_space(const UnetPlan *u, const FastBatch *b) {
    size_t most = 0;
    for (int i = 0; i < u->ops; i++) {
        size_t n = b->layer[i].role == FAST_CONV ? mma_space(&b->layer[i].conv) : 0;
        most = n > most ? n : most;
    }
    return most;
}

// One picture, forward and back, with K cut and whole: both are right, and in other bits.
static void test_split(Pair *p) {
    UnetFast *m = (UnetFast *)p->fast.self;
    const UnetPlan *u = m->net.plan;
    size_t dim = (size_t)p->fast.in;
    real *x = normals(dim, 1), *dy = normals(dim, 2), *want = NEW(real, dim), *wanted = NEW(real, dim), t[1] = {50};
    real *y[3] = {NEW(real, dim), NEW(real, dim), NEW(real, dim)}, *dx = NEW(real, dim);
    int c[1] = {2};
    p->cpu.forward(&p->cpu, want, x, t, c, 1);
    p->cpu.backward(&p->cpu, wanted, dy, x, t, c, 1);
    for (int turn = 0; turn < 3; turn++) {
        unet_fast_split(&p->fast, turn != 1);
        p->fast.forward(&p->fast, y[turn], x, t, c, 1);
        const FastBatch *b = m->kept;
        if (turn == 0) {
            int cut = layers_cut(u, b, 0), back = layers_cut(u, b, 1);
            check(cut > 0 && back > 0, "one picture: convolutions that cut K, forward and back", cut + 0.01 * back);
            size_t space = largest_space(u, b);
            check((char *)(b->space + space) <= b->memory + b->bytes, "one picture: the space lies in the batch",
                  (double)space);
            memset(b->space, 0xff, space * sizeof(float)); // NaN: does the way back write there?
        }
        check((b->space != NULL) == (turn != 1), "one picture: a space only where K is cut", turn);
        check(relative(y[turn], want, dim) < BF16_FORWARD, "one picture: eps", relative(y[turn], want, dim));
        if (turn < 2) {
            memset(dx, 0, dim * sizeof(real));
            p->fast.backward(&p->fast, dx, dy, x, t, c, 1);
            check(relative(dx, wanted, dim) < BF16_BACKWARD, "one picture: gradient", relative(dx, wanted, dim));
        }
        check(turn > 0 || b->space[0] == b->space[0], "one picture: the way back uses the space", turn);
    }
    check(memcmp(y[0], y[1], dim * sizeof(real)) != 0, "cut and whole: other bits", relative(y[0], y[1], dim));
    check(memcmp(y[0], y[2], dim * sizeof(real)) == 0, "cut again: the same bits", relative(y[0], y[2], dim));
    net_zero_grad(&p->cpu);
    net_zero_grad(&p->fast);
}

// ---- the published network: which convolutions are cut ----------------------------------------------------------------

// A batch that has shapes and places, and no memory behind them.
struct Shapes {
    FastNet net;
    FastBatch batch;
};

static Shapes *ddpm_shapes(int N, int hopper, int split) {
    static UnetShape shape = ddpm_unet_named(DDPM_FULL, 32, 3);
    Shapes *s = NEW(Shapes, 1);
    static char nowhere;
    FastTake take = {&nowhere, 0};
    s->net.plan = unet_plan(&shape, NULL, 1);
    s->net.hopper = hopper;
    s->net.split = split;
    fast_views(&s->net);
    fast_embedding(&s->net);
    fast_norms(&s->net);
    fast_places(&s->net);
    s->batch.N = N;
    fast_arrange(&s->net, &s->batch, &take);
    s->batch.bytes = take.at;
    return s;
}

static void shapes_free(Shapes *s) {
    free(s->net.plan);
    free(s);
}

// Training and sampling of many pictures are as if K were never cut: same tiles, no space, the same kernels of sm_90a.
// At one picture every product is cut that would walk through 36 slices and more on a quarter of the processors.
static void test_choice() {
    static const int large[] = {64, 128, 256};
    int cut = 0, moved = 0, space = 0, missed = 0, idle = 0, long_walks = 0;
    for (int k = 0; k < 3; k++) {
        Shapes *s = ddpm_shapes(large[k], 1, 1), *whole = ddpm_shapes(large[k], 1, 0);
        for (int i = 0; i < s->net.plan->ops; i++) {
            const FastLayer *l = &s->batch.layer[i], *w = &whole->batch.layer[i];
            if (l->role == FAST_CONV) {
                for (int product = 0; product < 3; product++) {
                    ConvProduct p = conv_product_shape(&l->conv, product == 2, product == 1);
                    MmaPlan plan = mma_plan(&p);
                    cut += plan.split != 1 || plan.tile != mma_pick(&p);
                }
                moved += l->hopper != w->hopper || l->hopper_y != w->hopper_y || l->hopper_dx != w->hopper_dx;
                moved += l->hopper_y != l->hopper || l->hopper_dx != l->hopper;
            }
        }
        space += s->batch.bytes != whole->batch.bytes;
        shapes_free(s);
        shapes_free(whole);
    }
    Shapes *one = ddpm_shapes(1, 1, 1);
    for (int i = 0; i < one->net.plan->ops; i++) {
        const FastLayer *l = &one->batch.layer[i];
        for (int back = 0; back < 2 && l->role == FAST_CONV; back++) {
            MmaPlan plan = layer_plan(l, back);
            ConvProduct p = conv_product_shape(&l->conv, back, 0);
            if (mma_slices_of(&p) >= 36 && p.walk.parts == 1 && mma_blocks(&p, mma_pick(&p)) < MMA_PROCESSORS / 4) {
                long_walks++;
                missed += plan.split == 1;
                idle += mma_blocks(&p, plan.tile) * plan.split < MMA_PROCESSORS / 2;
            }
            missed += plan.split > 1 && (back ? l->hopper_dx : l->hopper_y);
        }
    }
    check(cut == 0, "64, 128 and 256 pictures: K stays whole, the tiles as before", cut);
    check(moved == 0, "  the kernels of sm_90a as before", moved);
    check(space == 0, "  not a byte more memory", space);
    check(missed == 0 && long_walks > 50, "one picture: long walks are cut, on the kernels that cut", long_walks);
    check(idle == 0, "  and keep half of the processors busy", idle);
    shapes_free(one);
}

static void print_plan(const ConvProduct *p, int tile, int split) {
    printf("  %3dx%-3d %2d %4d %3d", mma_tile_rows(tile), mma_tile_columns(tile), split, mma_blocks(p, tile) * split,
           (mma_slices_of(p) + split - 1) / split);
}

// One line for every different convolution of the published network: how often it is there, how it runs with K whole and
// as planned (tile, ranges, blocks, slices of a block), and what mma_time estimates.
static void print_plans(int N, int back) {
    static const char *const how[] = {"", "halve", "double"};
    Shapes *s = ddpm_shapes(N, 0, 1);
    const FastLayer *l = s->batch.layer;
    double whole = 0, planned = 0;
    printf("%s, %d pictures, %.1f MB of space\n", back ? "gradient of the inputs" : "forward", N,
           4e-6 * (double)largest_space(s->net.plan, &s->batch));
    for (int i = 0; i < s->net.plan->ops; i++) {
        int times = 0, first = i;
        for (int k = 0; k < s->net.plan->ops && l[i].role == FAST_CONV; k++) {
            if (l[k].role == FAST_CONV && memcmp(&l[k].conv, &l[i].conv, sizeof l->conv) == 0 &&
                (l[k].sums != NULL) == (l[i].sums != NULL)) {
                first = times++ == 0 ? k : first;
            }
        }
        if (times == 0 || first != i) {
            continue;
        }
        const FastConv *c = &l[i].conv;
        ConvProduct p = conv_product_shape(c, back, l[i].sums != NULL);
        MmaPlan plan = mma_plan(&p);
        int pick = mma_pick(&p);
        double before = 1e-3 * (double)mma_time(&p, pick, 1),
               after = 1e-3 * (double)mma_time(&p, plan.tile, plan.split);
        printf("  %2d of %dx%d %2dx%-2d %3d+%-3d > %3d %-6s %-4s", times, c->k, c->k, c->H, c->W, c->C1, c->C2, c->out,
               how[c->how], l[i].sums != NULL && !back ? "sums" : "");
        print_plan(&p, pick, 1);
        print_plan(&p, plan.tile, plan.split);
        printf("  %6.1f > %5.1f us (estimate)\n", before, after);
        whole += times * before;
        planned += times * after;
    }
    printf("  all of them: %.0f > %.0f us (estimate)\n", whole, planned);
    shapes_free(s);
}

// ---- the kernels of sm_90a --------------------------------------------------------------------------------------------

// The same once more with the Hopper convolutions where they fit: at the first level, 8x8 pixels, and not at the second.
// Other kernels add in another order, so some bits differ; that none do would mean that they were not used.
static void test_hopper(Pair *p) {
    UnetFast *m = (UnetFast *)p->fast.self;
    const UnetPlan *u = m->net.plan;
    enum { n = 2 };
    size_t numbers = (size_t)n * (size_t)p->fast.in;
    real *x = normals(numbers, 1), *y = NEW(real, numbers), *before = NEW(real, numbers), t[n] = {20, 70};
    int c[n] = {1, -1}, hopper = 0, others = 0;
    unet_fast_split(&p->fast, 0); // the products of few pixels would go to the kernels that cut K
    p->fast.forward(&p->fast, before, x, t, c, n);
    unet_fast_hopper(&p->fast, 1);
    p->fast.forward(&p->fast, y, x, t, c, n);
    for (int i = 0; i < u->ops; i++) {
        const FastLayer *l = &m->kept->layer[i];
        hopper += l->role == FAST_CONV && l->hopper && l->hopper_y && l->hopper_dx;
        others += l->role == FAST_CONV && !l->hopper && !l->hopper_y && !l->hopper_dx;
    }
    check(hopper > 0 && others > 0, "convolutions on the Hopper kernels, and on the others", hopper + 0.01 * others);
    check(memcmp(y, before, numbers * sizeof(real)) != 0, "Hopper kernels: other bits", relative(y, before, numbers));
    test_layers(p, 0);
    unet_fast_hopper(&p->fast, 0);
    p->fast.forward(&p->fast, y, x, t, c, n);
    check(memcmp(y, before, numbers * sizeof(real)) == 0, "without them again: the same bits",
          relative(y, before, numbers));
    unet_fast_split(&p->fast, 1);
}

// Two steps of pretrain.h's rule on the CPU beside those of the device.
static void test_training(Pair *p) {
    enum { rows = 2, STEPS = 2, SEED = 5, NOISE = 77 };
    size_t np = p->cpu.np, dim = (size_t)p->cpu.in, numbers = rows * dim;
    real *weight = NEW(real, 100), *x0 = normals(numbers, 9), *x = NEW(real, numbers), *noise = NEW(real, numbers);
    real *eps = NEW(real, numbers), *average = NEW(real, np), *m = NEW(real, np), *v = NEW(real, np);
    real *far = NEW(real, np), *weight_copy = NEW(real, np), real_t[rows] = {15, 60};
    int t[rows] = {15, 60}, c[rows] = {2, 0};
    FastRule rule = {1e-3, 0.9, 0.999, 1e-8, 0, 0.99, 0, 1, 2, 10, 1, SEED, NOISE, weight};
    Adam adam = adam_new(&p->cpu, rule.rate);
    FastTraining *run;
    for (int k = 0; k < 100; k++) {
        weight[k] = (real)(1 + 0.01 * k);
    }
    memcpy(average, p->cpu.p, np * sizeof(real));
    run = fast_training_make(&p->fast, &rule, rows, 0, NULL, NULL, NULL);
    for (int step = 0; step < STEPS; step++) {
        double loss, norm, want_loss, want_norm;
        rng_fill_normal(noise, numbers, SEED, NOISE, (uint64_t)step * numbers);
        for (int b = 0; b < rows; b++) {
            size_t at = (size_t)b * dim;
            forward_noise(x + at, x0 + at, noise + at, schedule_abar(&p->schedule, t[b]), dim);
        }
        net_zero_grad(&p->cpu);
        want_loss = denoiser_gradient(&p->cpu, eps, x, noise, real_t, c, weight, rows, rows);
        want_norm = clip_gradient(&p->cpu, rule.limit);
        adam.lr = rate_at(rule.rate, step, rule.warm, rule.steps);
        adam_step(&adam, &p->cpu);
        ema_update(average, &p->cpu, step < rule.early ? rule.early_keep : rule.keep);
        fast_training_go(&loss, &norm, run, x0, t, c);
        check(fabs(loss / want_loss - 1) < BF16_FORWARD, "training: loss", fabs(loss / want_loss - 1));
        check(fabs(norm / want_norm - 1) < BF16_BACKWARD, "training: length of the gradient",
              fabs(norm / want_norm - 1));
    }
    fast_training_take(run, m, v, far);
    check(relative(m, adam.m, np) < BF16_BACKWARD, "training: mean gradient", relative(m, adam.m, np));
    check(relative(v, adam.v, np) < 2 * BF16_BACKWARD, "training: mean squared gradient", relative(v, adam.v, np));
    check(relative(p->fast.p, p->cpu.p, np) < 2e-3, "training: parameters", relative(p->fast.p, p->cpu.p, np));
    check(relative(far, average, np) < 2e-3, "training: their average", relative(far, average, np));
    memcpy(weight_copy, p->fast.p, np * sizeof(real)); // a look at the average must not become the training's state
    memcpy(p->fast.p, far, np * sizeof(real));
    net_changed(&p->fast);
    p->fast.forward(&p->fast, eps, x0, real_t, c, rows);
    memcpy(p->fast.p, weight_copy, np * sizeof(real));
    net_changed(&p->fast);
    fast_training_take(run, NULL, NULL, NULL);
    check(memcmp(p->fast.p, weight_copy, np * sizeof(real)) == 0, "training: parameters after a look at the average",
          0);
    fast_training_end(run);
    adam_free(&adam);
}

// Two steps with guidance and noise.
static void test_chain(Pair *p) {
    enum { n = 1, STEPS = 2, SEED = 6, NOISE = 78 };
    static const int level[STEPS] = {80, 30};
    double a[STEPS], b[STEPS], sigma[STEPS], guidance = 1.5;
    size_t dim = (size_t)p->cpu.in;
    real *x = normals(dim, 11), *got = NEW(real, dim), *with = NEW(real, dim), *without = NEW(real, dim);
    real *z = NEW(real, dim);
    int c[n] = {1}, none[n] = {-1};
    memcpy(got, x, dim * sizeof(real));
    for (int k = 0; k < STEPS; k++) {
        double next = k + 1 < STEPS ? schedule_abar(&p->schedule, level[k + 1]) : 1;
        StepCoeffs s = ddim_coeffs(schedule_abar(&p->schedule, level[k]), next, 1);
        real t[n] = {(real)level[k]};
        a[k] = s.a;
        b[k] = s.b;
        sigma[k] = s.sigma;
        p->cpu.forward(&p->cpu, with, x, t, c, n);
        p->cpu.forward(&p->cpu, without, x, t, none, n);
        rng_fill_normal(z, dim, SEED, NOISE, (uint64_t)(k + 1) * dim);
        for (size_t i = 0; i < dim; i++) {
            double eps = without[i] + guidance * (with[i] - without[i]);
            x[i] = (real)(s.a * x[i] + s.b * eps + s.sigma * z[i]);
        }
    }
    FastSampler *s = fast_sampler_make(&p->fast, n, STEPS, level, a, b, sigma, SEED, NOISE);
    fast_sampler_go(s, got, c, guidance);
    check(relative(got, x, dim) < 2 * BF16_FORWARD, "chain with guidance and noise", relative(got, x, dim));
    fast_sampler_end(s);
}

int main(int argc, char **argv) {
    Pair p;
    if (argc > 2 && strcmp(argv[1], "ddpm") == 0) {
        for (int i = 2; i < argc; i++) {
            print_plans(atoi(argv[i]), 0);
            print_plans(atoi(argv[i]), 1);
        }
        return 0;
    }
    test_choice();
    pair_open(&p, 3);
    test_split(&p);
    test_chain(&p);
    test_layers(&p, 1);
    test_hopper(&p);
    test_training(&p); // last: the parameters change
    net_free(&p.cpu);
    net_free(&p.fast);
    return check_report("emulate_unet");
}
