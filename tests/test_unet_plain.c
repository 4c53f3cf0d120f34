// test_unet_plain.c: the UNet of the plain kernels, run as loops over their threads, against the UNet of the CPU: the
// prediction, and every gradient of every layer and of the input; odd batches, words, the null prompt, batches in
// parts.
#include "../toy/model/ddpm_unet.h"
#include "../toy/model/image_usual.h"
#include "../toy/model/unet_plain.h"
#include "harness.h"

static const char *const word_names[] = {"red", "blue", "dot", "bar"};
static const int word_list[] = {0, 2, 0, 3, 1, 2, 1, -1, -1, 3}; // five prompts of up to two words
static const Tokens words = {4, word_names, 5, 2, word_list};
static const double limit = sizeof(real) == 4 ? 1e-5 : 1e-12;

enum { T = 20, PROMPTS = 5 };

typedef struct {
    Schedule s;
    Net cpu, plain;
    int n;
    size_t numbers;                             // of all images
    real *x, *t, *dy, *y, *want, *dx, *want_dx; // want: of the CPU
    int *c;
} Case;

static Case case_new(UnetShape shape, int tokens, int n) {
    Case u;
    u.s = schedule_linear(T, 1e-4, 0.3);
    u.cpu = unet_new(&shape, tokens ? &words : NULL, PROMPTS, &u.s, 3);
    u.plain = unet_plain_new(&shape, tokens ? &words : NULL, PROMPTS, &u.s, 3);
    CHECK(u.cpu.np == u.plain.np && memcmp(u.cpu.p, u.plain.p, u.cpu.np * sizeof(real)) == 0, "another start");
    u.n = n;
    u.numbers = (size_t)n * (size_t)u.cpu.in;
    u.x = NEW(real, u.numbers);
    u.dy = NEW(real, u.numbers);
    u.y = NEW(real, u.numbers);
    u.want = NEW(real, u.numbers);
    u.dx = NEW(real, u.numbers);
    u.want_dx = NEW(real, u.numbers);
    u.t = NEW(real, (size_t)n);
    u.c = NEW(int, (size_t)n);
    rng_fill_normal(u.x, u.numbers, 1, 1, 0);
    rng_fill_normal(u.dy, u.numbers, 1, 2, 0);
    for (int k = 0; k < n; k++) {
        u.t[k] = (real)(7 * k % T);
        u.c[k] = k % 6 - 1; // the null prompt first
    }
    for (size_t i = 0; i < u.cpu.np; i++) { // no parameter is zero, so none can hide
        u.cpu.p[i] += (real)(0.1 * rng_normal(1, 3, i));
        u.plain.p[i] = u.cpu.p[i];
    }
    net_changed(&u.cpu);
    net_changed(&u.plain);
    return u;
}

static void case_free(Case *u) {
    net_free(&u->cpu);
    net_free(&u->plain);
    schedule_free(&u->s);
    free(u->x);
    free(u->dy);
    free(u->y);
    free(u->want);
    free(u->dx);
    free(u->want_dx);
    free(u->t);
    free(u->c);
}

static void same(const char *net, const char *what, const real *got, const real *want, size_t n) {
    double d = relative_error(got, want, n);
    CHECK(d < limit, "%s, %s: relative error %g", net, what, d);
}

static void forward(Case *u, const char *name) {
    for (size_t i = 0; i < u->numbers; i++) {
        u->y[i] = (real)NAN;
    }
    u->cpu.forward(&u->cpu, u->want, u->x, u->t, u->c, u->n);
    u->plain.forward(&u->plain, u->y, u->x, u->t, u->c, u->n);
    same(name, "prediction", u->y, u->want, u->numbers);
}

static void backward(Case *u, const char *name) {
    memset(u->dx, 0, u->numbers * sizeof(real));
    memset(u->want_dx, 0, u->numbers * sizeof(real));
    net_zero_grad(&u->cpu);
    net_zero_grad(&u->plain);
    u->cpu.backward(&u->cpu, u->want_dx, u->dy, u->x, u->t, u->c, u->n);
    u->plain.backward(&u->plain, u->dx, u->dy, u->x, u->t, u->c, u->n);
    same(name, "gradient of the input", u->dx, u->want_dx, u->numbers);
    same(name, "gradient of all parameters", u->plain.g, u->cpu.g, u->cpu.np);
}

// Every layer by itself: its weights, and its bias, gain, shift or table.
static void layers(const Case *u, const char *name) {
    const UnetPlan *plan = ((const Unet *)u->cpu.self)->plan;
    double worst = 0;
    const char *where = "";
    for (int i = 0; i < plan->ops; i++) {
        const UnetOp *op = &plan->op[i];
        size_t second = op->kind == UNET_CONV || op->kind == UNET_NORM ? (size_t)plan->buf[op->out].C : 0;
        size_t first = op->np - second;
        char what[100];
        double d;
        if (op->np == 0) {
            continue;
        }
        snprintf(what, sizeof what, "%s, weights", op->name);
        same(name, what, u->plain.g + op->w, u->cpu.g + op->w, first);
        d = relative_error(u->plain.g + op->w, u->cpu.g + op->w, first);
        where = d > worst ? op->name : where;
        worst = d > worst ? d : worst;
        snprintf(what, sizeof what, "%s, bias", op->name);
        if (strstr(op->name, "qkv") != NULL) {
            // The softmax takes no notice of a number that is added to all scores of a row, so the bias of k has no
            // gradient; what is there is rounding.
            size_t C = second / 3;
            const real *g = u->plain.g + op->b;
            double k = 0, all = 0;
            for (size_t j = 0; j < second; j++) {
                k += j / C == 1 ? (double)g[j] * (double)g[j] : 0;
                all += (double)g[j] * (double)g[j];
            }
            CHECK(sqrt(k / all) < limit, "%s, %s: the bias of k has a gradient of %g", name, op->name, sqrt(k / all));
            same(name, what, g, u->cpu.g + op->b, C);
            same(name, what, g + 2 * C, u->cpu.g + op->b + 2 * C, C);
        } else if (second > 0) {
            same(name, what, u->plain.g + op->b, u->cpu.g + op->b, second);
        }
    }
    printf("  %s: every layer within %.2g (%s)\n", name, worst, where);
}

static void test_net(UnetShape shape, int tokens, int n, const char *name) {
    Case u = case_new(shape, tokens, n);
    forward(&u, name);
    backward(&u, name);
    layers(&u, name);
    case_free(&u);
}

// What a Net promises beyond its numbers: parts, additions, repeated calls, changed parameters, no prompts, no g, no
// dx.
static void test_promises(UnetShape shape) {
    Case u = case_new(shape, 1, 5);
    size_t np = u.plain.np;
    real *g = NEW(real, np), *dx = NEW(real, u.numbers), *kept;
    int equal = 1;
    ((UnetPlain *)u.plain.self)->most = 2; // 2 + 2 + 1
    forward(&u, "in parts");
    backward(&u, "in parts");
    layers(&u, "in parts");
    ((UnetPlain *)u.plain.self)->most = UNET_PLAIN_MOST;
    net_zero_grad(&u.plain);
    u.plain.backward(&u.plain, NULL, u.dy, u.x, u.t, u.c, u.n); // runs the forward itself
    memcpy(g, u.plain.g, np * sizeof(real));
    same("without dx", "gradient", g, u.cpu.g, np);
    forward(&u, "again");
    u.plain.backward(&u.plain, NULL, u.dy, u.x, u.t, u.c, u.n); // with what the forward left
    for (size_t i = 0; i < np; i++) {
        equal = equal && u.plain.g[i] == 2 * g[i]; // the same bits, added
    }
    CHECK(equal, "a second gradient is not added, or has other bits");
    forward(&u, "the old parameters");
    for (size_t i = 0; i < np; i++) {
        u.cpu.p[i] *= (real)1.25;
        u.plain.p[i] = u.cpu.p[i];
    }
    net_changed(&u.cpu);
    net_changed(&u.plain);
    backward(&u, "new parameters, old activations");
    forward(&u, "new parameters");
    u.x[7] += 1;
    backward(&u, "another image");
    forward(&u, "another image");
    u.t[1] = 19;
    backward(&u, "another time");
    forward(&u, "another time");
    u.c[2] = 4;
    backward(&u, "another prompt");
    kept = u.plain.g;
    u.plain.g = NULL;
    u.plain.backward(&u.plain, dx, u.dy, u.x, u.t, u.c, u.n);
    CHECK(memcmp(dx, u.dx, u.numbers * sizeof(real)) == 0, "dx without the gradients of parameters");
    u.plain.backward(&u.plain, dx, u.dy, u.x, u.t, u.c, u.n);
    equal = 1;
    for (size_t i = 0; i < u.numbers; i++) {
        equal = equal && dx[i] == 2 * u.dx[i];
    }
    CHECK(equal, "dx is not added");
    u.plain.g = kept;
    u.cpu.forward(&u.cpu, u.want, u.x, u.t, NULL, u.n);
    u.plain.forward(&u.plain, u.y, u.x, u.t, NULL, u.n);
    same("no prompts", "prediction", u.y, u.want, u.numbers);
    free(g);
    free(dx);
    case_free(&u);
}

int main(void) {
    // At least two channels a group: a norm takes away the mean of a group, so with one channel a group the numbers
    // that are added to whole channels before it have no gradient, and nothing could be compared.
    UnetShape deep = image_unet_shape(12, 1, 8, 2), everywhere = image_unet_shape(6, 3, 8, 1), small;
    deep.groups = 4;
    deep.time = 10;
    everywhere.groups = 4;
    everywhere.time = 12;
    small = everywhere;
    everywhere.attend = 3; // at both levels, without the skips of the paper
    everywhere.attention = 0;
    test_net(image_unet_shape(6, 3, 16, 1), 1, 3, "usual, words");
    test_net(deep, 0, 7, "three levels, two blocks, numbers");
    test_net(everywhere, 1, 2, "attention at every level");
    test_net(ddpm_unet_named(DDPM_TINY, 8, 3), 1, 3, "tiny ddpm");
    test_net(ddpm_unet_named(DDPM_TINY, 4, 1), 0, 5, "tiny ddpm, 4x4");
    test_promises(small);
    return report("test_unet_plain");
}
