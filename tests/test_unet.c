// test_unet.c: the UNet against a walk through its list with the plain loops and memory to spare, its gradients against
// finite differences, and that neither the batch, the memory plan nor what ran before changes a bit.
#include "../ref/core/conv_naive.h"
#include "../toy/model/ddpm_unet.h"
#include "../toy/model/nonfinite_unet.h"
#include "harness.h"

static const char *const word_names[] = {"red", "blue", "dot", "bar"};
static const int word_list[] = {0, 2, 0, 3, 1, 2, 1, -1, -1, 3}; // five prompts of up to two words
static const Tokens words = {4, word_names, 5, 2, word_list};
static const UnetShape small = {8, 3, 16, 2, {1, 2, 0, 0}, 1, 8, 12, 1, 0, 0, 0};

static const UnetShape narrow = {8, 3, 8, 2, {1, 1, 0, 0}, 1, 4, 6, 1, 0, 0, 0};

enum { T = 20, MOST = 9 };

typedef struct {
    Net net;
    Schedule s;
    int n;
    real *x, *t, *dy, *y;
    int *c;
} Case;

static Case case_new(UnetShape shape, int tokens, int n) {
    Case u;
    size_t i, numbers;
    u.s = schedule_linear(T, 1e-4, 0.3);
    u.net = unet_new(&shape, tokens ? &words : NULL, 5, &u.s, 3);
    u.n = n;
    numbers = (size_t)n * (size_t)u.net.in;
    u.x = NEW(real, numbers);
    u.dy = NEW(real, numbers);
    u.y = NEW(real, numbers);
    u.t = NEW(real, (size_t)n);
    u.c = NEW(int, (size_t)n);
    rng_fill_normal(u.x, numbers, 1, 1, 0);
    rng_fill_normal(u.dy, numbers, 1, 2, 0);
    for (int k = 0; k < n; k++) {
        u.t[k] = (real)(7 * k % T);
        u.c[k] = k % 6 - 1;
    }
    for (i = 0; i < u.net.np; i++) { // no parameter is zero, so none can hide
        u.net.p[i] += (real)(0.1 * rng_normal(1, 3, i));
    }
    net_changed(&u.net);
    return u;
}

static void case_free(Case *u) {
    net_free(&u->net);
    schedule_free(&u->s);
    free(u->x);
    free(u->dy);
    free(u->y);
    free(u->t);
    free(u->c);
}

// ---- the plain walk ----------------------------------------------------------------------------------------------

static void plain_conv(real *y, const real *x, const UnetPlan *u, const UnetOp *op, const real *p, real **act) {
    ConvShape s = {1, 0, 0, 0, 0, 0, 0};
    size_t n = unet_size(&u->buf[op->out]), i;
    ConvStart start = start_bias(p + op->b);
    real *sum = NEW(real, n);
    s.H = u->buf[op->out].H;
    s.W = u->buf[op->out].W;
    s.in = u->buf[op->in].C;
    s.out = u->buf[op->out].C;
    s.k = op->k;
    s.stride = op->stride;
    conv_naive(sum, x, p + op->w, &start, &s);
    for (i = 0; i < n; i++) {
        sum[i] += op->other >= 0 ? act[op->other][i] : 0;
        sum[i] += op->rows >= 0 ? act[op->rows][i % (size_t)s.out] : 0;
    }
    memcpy(y, sum, n * sizeof(real));
    free(sum);
}

// One row through the list; every buffer has memory of its own.
static void plain_forward(real *eps, const Case *u, int row) {
    const Unet *m = (const Unet *)u->net.self;
    const UnetPlan *plan = m->plan;
    const real *p = u->net.p;
    real *act[UNET_MAX_BUFS];
    int dim = u->net.in, k = (int)u->t[row];
    for (int b = 0; b < plan->bufs; b++) {
        act[b] = NEW(real, unet_size(&plan->buf[b]));
    }
    memcpy(act[plan->image], u->x + (size_t)row * (size_t)dim, (size_t)dim * sizeof(real));
    for (int i = 0; i < plan->ops; i++) {
        const UnetOp *op = &plan->op[i];
        const UnetBuf *y = &plan->buf[op->out], *x = op->in >= 0 ? &plan->buf[op->in] : y;
        real *to = act[op->out], *in = op->in >= 0 ? act[op->in] : NULL;
        int C = x->C;
        if (op->kind == UNET_TIME) {
            for (int j = 0, half = C / 2; j < half; j++) {
                int ddpm = plan->shape.ddpm;
                double f = pow(10000, -(double)j / (ddpm ? half - 1 : half)), at = ddpm ? k : 1000.0 * k / T;
                to[j] = (real)sin(at * f);
                to[half + j] = (real)cos(at * f);
            }
        } else if (op->kind == UNET_PROMPT) {
            for (int j = 0; j < C; j++) {
                int c = u->c[row];
                for (int w = 0; w < 2 && c >= 0 && plan->tokens != NULL; w++) {
                    to[j] += word_list[2 * c + w] < 0 ? 0 : p[op->w + (size_t)(word_list[2 * c + w] * C + j)];
                }
                to[j] += plan->tokens == NULL ? p[op->w + (size_t)((c < 0 ? 5 : c) * C + j)]
                         : c < 0              ? p[op->w + (size_t)(4 * C + j)]
                                              : 0;
            }
        } else if (op->kind == UNET_SILU) {
            for (int j = 0; j < C; j++) {
                to[j] = (real)(in[j] / (1 + exp(-(double)in[j])));
            }
        } else if (op->kind == UNET_CONV) {
            plain_conv(to, in, plan, op, p, act);
        } else if (op->kind == UNET_NORM) {
            int G = plan->shape.groups;
            real stats[2 * 8];
            groupnorm_naive_forward(to, stats, stats + G, in, p + op->w, p + op->b, 1, x->H, x->W, C, G, y->border,
                                    op->silu);
        } else if (op->kind == UNET_ATTEND) {
            attention_naive_forward(to, act[op->other], in, 1, x->H * x->W, y->C);
        } else {
            int scale = op->kind == UNET_UP ? 2 : 1, D = y->C, B = y->border;
            for (int v = 0; v < y->H; v++) {
                for (int h = 0; h < y->W; h++) {
                    for (int j = 0; j < D; j++) {
                        to[((v + B) * (y->W + 2 * B) + h + B) * D + j] =
                            j < C ? in[(v / scale * x->W + h / scale) * C + j]
                                  : act[op->other][(v * x->W + h) * (D - C) + j - C];
                    }
                }
            }
        }
    }
    for (int j = 0; j < dim; j++) {
        double abar = schedule_abar(&u->s, k);
        eps[j] = (real)(sqrt(1 - abar) * (double)u->x[row * dim + j] + sqrt(abar) * (double)act[plan->result][j]);
    }
    for (int b = 0; b < plan->bufs; b++) {
        free(act[b]);
    }
}

static void test_walk(UnetShape shape, int tokens, const char *name) {
    Case u = case_new(shape, tokens, 3);
    real *want = NEW(real, (size_t)u.net.in);
    u.net.forward(&u.net, u.y, u.x, u.t, u.c, u.n);
    for (int row = 0; row < u.n; row += 2) {
        double d;
        plain_forward(want, &u, row);
        d = relative_error(u.y + (size_t)row * (size_t)u.net.in, want, (size_t)u.net.in);
        CHECK(d < (sizeof(real) == 4 ? 2e-5 : 1e-12), "%s, row %d: %g", name, row, d);
    }
    free(want);
    case_free(&u);
}

// ---- gradients ---------------------------------------------------------------------------------------------------

static double loss(void *user) {
    Case *u = (Case *)user;
    double sum = 0;
    net_changed(&u->net);
    u->net.forward(&u->net, u->y, u->x, u->t, u->c, u->n);
    for (int i = 0; i < u->n * u->net.in; i++) {
        sum += (double)u->y[i] * (double)u->dy[i];
    }
    return sum;
}

static void test_gradients(UnetShape shape, int tokens, int n, int layers, const char *name) {
    Case u = case_new(shape, tokens, n);
    const UnetPlan *plan = ((Unet *)u.net.self)->plan;
    real *dx = NEW(real, (size_t)n * (size_t)u.net.in);
    u.net.backward(&u.net, dx, u.dy, u.x, u.t, u.c, n);
    CHECK(gradient_ok(loss, &u, u.net.p, u.net.g, u.net.np, 1e-5), "%s: parameters", name);
    CHECK(gradient_ok(loss, &u, u.x, dx, (size_t)n * (size_t)u.net.in, 1e-5), "%s: input", name);
    for (int i = 0; i < plan->ops && layers; i++) { // every layer by itself
        const UnetOp *op = &plan->op[i];
        if (op->np > 0) {
            CHECK(gradient_ok(loss, &u, u.net.p + op->w, u.net.g + op->w, op->np, 1e-5), "%s: %s", name, op->name);
        }
    }
    free(dx);
    case_free(&u);
}

// ---- bits --------------------------------------------------------------------------------------------------------

static void test_bits(void) {
    Case u = case_new(narrow, 1, MOST), v = case_new(narrow, 1, MOST);
    size_t dim = (size_t)u.net.in, all = MOST * dim * sizeof(real);
    real *one = NEW(real, MOST * dim), *g = NEW(real, u.net.np), *dx = NEW(real, MOST * dim);
    u.net.forward(&u.net, u.y, u.x, u.t, u.c, MOST);
    for (int i = 0; i < MOST; i++) { // row by row: other pieces, other arenas
        v.net.forward(&v.net, one + (size_t)i * dim, u.x + (size_t)i * dim, u.t + i, u.c + i, 1);
    }
    CHECK(memcmp(u.y, one, all) == 0, "rows alone and together");
    u.net.backward(&u.net, dx, u.dy, u.x, u.t, u.c, MOST); // keeps from now on
    memcpy(g, u.net.g, u.net.np * sizeof(real));
    for (int i = 0; i < 5; i++) { // kept, kept, kept, and then forward alone
        u.net.forward(&u.net, one, u.x, u.t, u.c, MOST);
        CHECK(memcmp(u.y, one, all) == 0, "forward %d after a backward", i);
    }
    net_zero_grad(&u.net);
    u.net.backward(&u.net, NULL, u.dy, u.x, u.t, u.c, MOST); // must run the forward again
    CHECK(memcmp(g, u.net.g, u.net.np * sizeof(real)) == 0, "gradient with and without a forward before it");
    u.net.backward(&u.net, NULL, u.dy, u.x, u.t, u.c, MOST);
    NEAR(u.net.g[5], 2 * (double)g[5], 1e-5, 0); // added
    for (size_t i = 0; i < u.net.np; i++) {
        u.net.p[i] *= (real)1.5;
        v.net.p[i] *= (real)1.5;
    }
    net_changed(&u.net);
    net_changed(&v.net);
    net_zero_grad(&u.net);
    u.net.forward(&u.net, one, u.x, u.t, u.c, MOST); // kept ...
    for (size_t i = 0; i < u.net.np; i++) {
        u.net.p[i] += v.net.p[i];
        v.net.p[i] = u.net.p[i];
    }
    net_changed(&u.net); // ... but out of date
    net_changed(&v.net);
    u.net.backward(&u.net, NULL, u.dy, u.x, u.t, u.c, MOST);
    v.net.backward(&v.net, NULL, u.dy, u.x, u.t, u.c, MOST);
    CHECK(memcmp(u.net.g, v.net.g, u.net.np * sizeof(real)) == 0, "new parameters, old activations");
    memset(one, 0, all);
    v.net.forward(&v.net, v.y, u.x, u.t, u.c, MOST);
    free(v.net.g);
    v.net.g = NULL; // only the input gradient is wanted
    v.net.backward(&v.net, one, u.dy, u.x, u.t, u.c, MOST);
    memset(dx, 0, all);
    u.net.backward(&u.net, dx, u.dy, u.x, u.t, u.c, MOST);
    CHECK(memcmp(one, dx, all) == 0, "dx without parameter gradients");
    free(one);
    free(g);
    free(dx);
    case_free(&u);
    case_free(&v);
}

static void test_start(void) {
    Schedule s = schedule_linear(T, 1e-4, 0.3);
    Net net = unet_new(&small, &words, 5, &s, 3);
    real x[192], eps[192], t = 9;
    int c = 2;
    rng_fill_normal(x, 192, 1, 1, 0);
    net.forward(&net, eps, x, &t, &c, 1);
    for (int i = 0; i < 192; i += 17) { // untrained: the exact denoiser of N(0, I)
        NEAR(eps[i], sqrt(1 - schedule_abar(&s, 9)) * (double)x[i], 1e-6, 1e-7);
    }
    net_free(&net);
    schedule_free(&s);
}

// The networks of the speed comparison have the parameters of their PyTorch twins, plus the vector of the null prompt.
static void test_sizes(void) {
    static const struct {
        int side, channels, blocks;
        size_t np;
        double mflop;
    } want[4] = {
        {16, 1, 1, 793697, 90.3}, {16, 1, 2, 1270529, 145.8}, {32, 3, 1, 794851, 363.9}, {32, 3, 2, 1271683, 585.7}};
    for (int i = 0; i < 4; i++) {
        UnetShape shape = {0, 0, 32, 3, {1, 2, 2, 0}, 0, 8, 128, 1, 0, 0, 0};
        UnetPlan *u;
        shape.side = want[i].side;
        shape.channels = want[i].channels;
        shape.blocks = want[i].blocks;
        u = unet_plan(&shape, NULL, 0);
        CHECK(u->np == want[i].np + 128, "%lu parameters", (unsigned long)u->np);
        CHECK(fabs(u->flops * 1e-6 - want[i].mflop) < 0.06, "%g MFLOP", u->flops * 1e-6);
        CHECK(u->lean < u->full / 3, "%lu numbers forward, %lu with gradients", (unsigned long)u->lean,
              (unsigned long)u->full);
        free(u);
    }
}

static void test_first_bad(void) {
    Case u = case_new(small, 1, 3);
    const UnetPlan *plan = ((Unet *)u.net.self)->plan;
    char text[80];
    int i;
    CHECK(unet_first_bad(&u.net, text, sizeof text, u.x, u.t, u.c, 3) == NULL, "all are finite");
    for (i = 0; strcmp(plan->op[i].name, "up0.0.conv1") != 0; i++) {
    }
    u.net.p[plan->op[i].w + 3] = (real)NAN;
    net_changed(&u.net);
    CHECK(unet_first_bad(&u.net, text, sizeof text, u.x, u.t, u.c, 3) != NULL && strstr(text, "up0.0.conv1") != NULL,
          "said: %s", text);
    u.x[5] = (real)INFINITY;
    CHECK(unet_first_bad(&u.net, text, sizeof text, u.x, u.t, u.c, 3) != NULL && strstr(text, "input") != NULL,
          "said: %s", text);
    case_free(&u);
}

int main(void) {
    UnetShape direct = small, ddpm = ddpm_unet_named(DDPM_TINY, 8, 3),
              deep = {8, 1, 8, 3, {1, 2, 1, 0}, 2, 4, 6, 0, 0, 0, 0},
              flat = {5, 2, 8, 1, {1, 0, 0, 0}, 1, 4, 4, 1, 0, 0, 0};
    direct.direct = 1;
    test_walk(small, 1, "words");
    test_walk(small, 0, "numbers");
    test_walk(direct, 1, "direct");
    test_walk(deep, 0, "three levels");
    test_walk(ddpm, 1, "ddpm");
    test_bits();
    test_start();
    test_sizes();
    test_first_bad();
    if (sizeof(real) == 8) {
        test_gradients(small, 1, 1, 0, "words");
        test_gradients(direct, 0, 1, 0, "direct");
        test_gradients(deep, 0, 9, 0, "three levels, two blocks");
        test_gradients(flat, 1, 2, 1, "5x5, one level");
        test_gradients(ddpm, 1, 2, 0, "ddpm");
    }
    return report("test_unet");
}
