// executor_check.h: does an executor compute what the CPU computes?  One forward and one backward pass of both,
// compared.
//
// The CPU is checked against itself in another form: Winograd's convolutions against those that read as the definition
// does (shape.direct).  Predictions are filled with NaN first, and a result that is zero everywhere counts as wrong.
#ifndef TILT_EXECUTOR_CHECK_H
#define TILT_EXECUTOR_CHECK_H

#include "executor.h"

enum { CHECK_FORWARD, CHECK_GRADIENT, CHECK_INPUT, CHECK_RESULTS, CHECK_STREAM = 870 };
static const char *const check_names[CHECK_RESULTS] = {"forward", "gradient", "input_gradient"};

typedef struct {
    double error[CHECK_RESULTS]; // |a - b| / |b| over all numbers of a result
    int same_bits;               // the executor gave the same bits twice
} CheckReport;

// The results of one forward and one backward pass of n rows: predictions, parameter gradient, input gradient.
typedef struct {
    real *value[CHECK_RESULTS];
    size_t size[CHECK_RESULTS];
} CheckResult;

static inline CheckResult check_result(Net *net, const real *dy, const real *x, const real *t, const int *c, int n) {
    CheckResult r;
    size_t numbers = (size_t)n * (size_t)net->in, i;
    r.size[CHECK_FORWARD] = r.size[CHECK_INPUT] = numbers;
    r.size[CHECK_GRADIENT] = net->np;
    r.value[CHECK_FORWARD] = NEW(real, numbers);
    r.value[CHECK_INPUT] = NEW(real, numbers); // zeros: the backward adds
    r.value[CHECK_GRADIENT] = NEW(real, net->np);
    for (i = 0; i < numbers; i++) {
        r.value[CHECK_FORWARD][i] = (real)NAN;
    }
    net_zero_grad(net);
    net->forward(net, r.value[CHECK_FORWARD], x, t, c, n);
    net->backward(net, r.value[CHECK_INPUT], dy, x, t, c, n);
    memcpy(r.value[CHECK_GRADIENT], net->g, net->np * sizeof(real));
    return r;
}

static inline void check_result_free(CheckResult *r) {
    int k;
    for (k = 0; k < CHECK_RESULTS; k++) {
        free(r->value[k]);
    }
}

// |a - b| / |b| over all numbers; infinite when b is zero or a number is not finite.
static inline double check_error(const real *a, const real *b, size_t n) {
    double far = 0, size = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        far += d * d;
        size += (double)b[i] * (double)b[i];
    }
    return size > 0 && far <= 1e300 ? sqrt(far / size) : HUGE_VAL;
}

// n random images at levels and prompts all over, through the UNet of this shape.  parameters NULL: random ones.
static inline CheckReport executor_check(const Executor *on, const UnetShape *shape, const Tokens *tokens, int prompts,
                                         const Schedule *schedule, const real *parameters, int n, uint64_t seed) {
    UnetShape plain = *shape;
    Net net = on->make(shape, tokens, prompts, schedule, seed), cpu;
    size_t numbers = (size_t)n * (size_t)net.in, p;
    real *x = NEW(real, numbers), *dy = NEW(real, numbers), *t = NEW(real, (size_t)n);
    int *c = NEW(int, (size_t)n), i, k;
    CheckResult want, got, again;
    CheckReport report;
    plain.direct = on == &executors[EXECUTOR_CPU];
    cpu = unet_new(&plain, tokens, prompts, schedule, seed);
    if (net.np != cpu.np || net.in != cpu.in) {
        DIE("check: %zu parameters on %s, %zu on the CPU", net.np, on->name, cpu.np);
    }
    for (p = 0; p < cpu.np; p++) { // the last convolution of a new net is zero and would hide everything before it
        cpu.p[p] = parameters != NULL ? parameters[p] : cpu.p[p] + (real)(0.05 * rng_normal(seed, CHECK_STREAM, p));
    }
    net_changed(&cpu);
    net_copy(&net, &cpu);
    rng_fill_normal(x, numbers, seed, CHECK_STREAM + 1, 0);
    rng_fill_normal(dy, numbers, seed, CHECK_STREAM + 2, 0);
    for (i = 0; i < n; i++) {
        t[i] = (real)(7 * i % schedule->T);
        c[i] = i % 4 == 3 || prompts == 0 ? -1 : 11 * i % prompts;
    }
    want = check_result(&cpu, dy, x, t, c, n);
    got = check_result(&net, dy, x, t, c, n);
    again = check_result(&net, dy, x, t, c, n);
    report.same_bits = 1;
    for (k = 0; k < CHECK_RESULTS; k++) {
        report.error[k] = check_error(got.value[k], want.value[k], want.size[k]);
        report.same_bits &= memcmp(got.value[k], again.value[k], got.size[k] * sizeof(real)) == 0;
    }
    check_result_free(&want);
    check_result_free(&got);
    check_result_free(&again);
    free(x);
    free(dy);
    free(t);
    free(c);
    net_free(&net);
    net_free(&cpu);
    return report;
}

// Prints `name_forward_error_n 1e-07` and so on; returns 1 when one is beyond the tolerance or the bits differ.
static inline int check_report_print(const char *name, const CheckReport *r, int n, double tolerance) {
    int k, wrong = !r->same_bits;
    for (k = 0; k < CHECK_RESULTS; k++) {
        printf("%s_%s_error_%d %.1e\n", name, check_names[k], n, r->error[k]);
        wrong |= !(r->error[k] <= tolerance);
    }
    printf("%s_same_bits_%d %s\n", name, n, r->same_bits ? "yes" : "no");
    return wrong;
}

#endif
