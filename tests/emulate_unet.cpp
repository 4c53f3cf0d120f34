// emulate_unet.cpp: the whole UNet on the fast kernels, run on the CPU by ref/cuda/emulate.h, against the CPU's own UNet
// in fp32: the prediction, the gradient of every layer's parameters and that of the image.
//   g++ -std=c++17 -O1 -ffp-contract=off -DEMULATE tests/emulate_unet.cpp -o emulate_unet && ./emulate_unet

#include "../toy/model/ddpm_unet.h"
#include "../toy/model/unet.h"
#include "../toy/model/unet_fast.h"

int main() {
    UnetShape shape = ddpm_unet_named(DDPM_TINY64, 8, 3);
    Schedule schedule = schedule_linear(100, 1e-3, 0.05);
    Net cpu = unet_new(&shape, NULL, 3, &schedule, 1), fast = unet_fast_new(&shape, NULL, 3, &schedule, 1);
    int n = 2, dim = cpu.in;
    printf("np %zu %zu arena %zu\n", cpu.np, fast.np, ((UnetFast *)fast.self)->net.arena);
    real *x = NEW(real, (size_t)n * dim), *y = NEW(real, (size_t)n * dim), *y2 = NEW(real, (size_t)n * dim), *dy = NEW(real, (size_t)n * dim), *dx = NEW(real, (size_t)n * dim), *dx2 = NEW(real, (size_t)n * dim);
    real t[2] = {20, 70};
    int c[2] = {1, -1};
    rng_fill_normal(x, (size_t)n * dim, 1, 1, 0);
    rng_fill_normal(dy, (size_t)n * dim, 1, 2, 0);
    for (size_t i = 0; i < cpu.np; i++) { cpu.p[i] += (real)(0.05 * rng_normal(3, 3, i)); fast.p[i] = cpu.p[i]; }
    net_changed(&cpu); net_changed(&fast);
    cpu.forward(&cpu, y, x, t, c, n);
    fast.forward(&fast, y2, x, t, c, n);
    double e = 0, q = 0;
    for (int i = 0; i < n * dim; i++) { e += (y[i] - y2[i]) * (y[i] - y2[i]); q += y[i] * y[i]; }
    printf("eps %g\n", sqrt(e / q));
    cpu.backward(&cpu, dx, dy, x, t, c, n);
    fast.backward(&fast, dx2, dy, x, t, c, n);
    e = q = 0;
    for (int i = 0; i < n * dim; i++) { e += (dx[i] - dx2[i]) * (dx[i] - dx2[i]); q += dx[i] * dx[i]; }
    printf("dx %g\n", sqrt(e / q));
    const UnetPlan *u = ((UnetFast *)fast.self)->net.plan;
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        if (op->np == 0) continue;
        size_t nb = op->np - (op->b - op->w); if (op->kind == UNET_PROMPT) nb = 0;
        e = q = 0; double eb = 0, qb = 0;
        for (size_t k = op->w; k < op->w + op->np; k++) { double d = cpu.g[k] - fast.g[k]; if (nb && k >= op->b) { eb += d * d; qb += cpu.g[k] * cpu.g[k]; } else { e += d * d; q += cpu.g[k] * cpu.g[k]; } }
        printf("%-20s w %.4f b %.4f   (%g %g)\n", op->name, sqrt(e / q), sqrt(eb / qb), sqrt(q), sqrt(qb));
    }
    return 0;
}
