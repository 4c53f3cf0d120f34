// plain_vector.h: kernels on plain vectors: SiLU, sums, the tables of time and prompt, the two ends of a denoiser, and
// the steps of the optimiser.
#ifndef TILT_PLAIN_VECTOR_H
#define TILT_PLAIN_VECTOR_H

#include "../core/optim.h"
#include "thread.h"

// ---- element by element ------------------------------------------------------------------------------------------

KERNEL(plain_silu_thread, real *y, const real *z) {
    THREAD(i);
    y[i] = z[i] * thread_sigmoid(z[i]);
}

KERNEL(plain_silu_back_thread, real *dz, const real *dy, const real *z) {
    THREAD(i);
    dz[i] += dy[i] * thread_silu_slope(z[i]);
}

KERNEL(plain_add_thread, real *to, const real *from) {
    THREAD(i);
    to[i] += from[i];
}

static inline void plain_silu_forward(real *y, const real *z, size_t n) {
    LAUNCH(plain_silu_thread, n, y, z);
}

static inline void plain_silu_backward(real *dz, const real *dy, const real *z, size_t n) {
    LAUNCH(plain_silu_back_thread, n, dz, dy, z);
}

// to += from.
static inline void plain_add(real *to, const real *from, size_t n) {
    LAUNCH(plain_add_thread, n, to, from);
}

// ---- time and prompt ---------------------------------------------------------------------------------------------

// One number of waves (n x width): that of the row of the table (T x width) that the level of the image names.
KERNEL(plain_waves_thread, real *waves, const real *table, const int *level, int width) {
    THREAD(i);
    waves[i] = table[(size_t)level[i / (size_t)width] * (size_t)width + i % (size_t)width];
}

// One number of z (n x width) += that of up to `length` rows of the table.  words (n x length): rows, -1: none.
KERNEL(plain_words_thread, real *z, const real *table, const int *words, int length, int width) {
    THREAD(i);
    const int *word = words + i / (size_t)width * (size_t)length;
    size_t column = i % (size_t)width;
    int j;
    for (j = 0; j < length; j++) {
        if (word[j] >= 0) {
            z[i] += table[(size_t)word[j] * (size_t)width + column];
        }
    }
}

// One number of dtable (rows x width) += dz of every image that used its row.
KERNEL(plain_words_back_thread, real *dtable, const real *dz, const int *words, int n, int length, int width) {
    THREAD(i);
    int row = (int)(i / (size_t)width), k;
    size_t column = i % (size_t)width;
    real sum = 0;
    for (k = 0; k < n * length; k++) {
        if (words[k] == row) {
            sum += dz[(size_t)(k / length) * (size_t)width + column];
        }
    }
    dtable[i] += sum;
}

static inline void plain_waves(real *waves, const real *table, const int *level, int n, int width) {
    LAUNCH(plain_waves_thread, size_mul((size_t)n, (size_t)width), waves, table, level, width);
}

static inline void plain_words_forward(real *z, const real *table, const int *words, int n, int length, int width) {
    LAUNCH(plain_words_thread, size_mul((size_t)n, (size_t)width), z, table, words, length, width);
}

// numbers: of the whole table.
static inline void plain_words_backward(real *dtable, const real *dz, const int *words, int n, int length, int width,
                                        size_t numbers) {
    LAUNCH(plain_words_back_thread, numbers, dtable, dz, words, n, length, width);
}

// ---- the two ends of a denoiser ----------------------------------------------------------------------------------

// eps = sigma x + alpha F; alpha and sigma have one number an image, an image has dim.
KERNEL(plain_eps_thread, real *eps, const real *x, const real *F, const real *alpha, const real *sigma, size_t dim) {
    THREAD(i);
    eps[i] = sigma[i / dim] * x[i] + alpha[i / dim] * F[i];
}

// dF = alpha dy.
KERNEL(plain_eps_back_thread, real *dF, const real *dy, const real *alpha, size_t dim) {
    THREAD(i);
    dF[i] = alpha[i / dim] * dy[i];
}

// dx = what came back through F, and sigma dy.
KERNEL(plain_eps_input_thread, real *dx, const real *through, const real *dy, const real *sigma, size_t dim) {
    THREAD(i);
    dx[i] = through[i] + sigma[i / dim] * dy[i];
}

static inline void plain_eps_forward(real *eps, const real *x, const real *F, const real *alpha, const real *sigma,
                                     int n, size_t dim) {
    LAUNCH(plain_eps_thread, size_mul((size_t)n, dim), eps, x, F, alpha, sigma, dim);
}

static inline void plain_eps_backward(real *dF, const real *dy, const real *alpha, int n, size_t dim) {
    LAUNCH(plain_eps_back_thread, size_mul((size_t)n, dim), dF, dy, alpha, dim);
}

static inline void plain_eps_input(real *dx, const real *through, const real *dy, const real *sigma, int n,
                                   size_t dim) {
    LAUNCH(plain_eps_input_thread, size_mul((size_t)n, dim), dx, through, dy, sigma, dim);
}

// ---- the optimiser -----------------------------------------------------------------------------------------------

// What one step of Adam knows besides the vectors (formula `adam` of optim.h): fix = 1 / (1 - b^step).
typedef struct {
    real b1, b2, fix1, fix2, lr, eps, shrink; // shrink = lr decay
} AdamStep;

// The numbers of step 1, 2, ...; only the settings of a are read, its vectors are those of another machine.
static inline AdamStep plain_adam_of(const Adam *a, long step) {
    AdamStep s;
    s.b1 = (real)a->beta1;
    s.b2 = (real)a->beta2;
    s.fix1 = (real)(1.0 / (1.0 - e_pow(a->beta1, (double)step)));
    s.fix2 = (real)(1.0 / (1.0 - e_pow(a->beta2, (double)step)));
    s.lr = (real)a->lr;
    s.eps = (real)a->eps;
    s.shrink = (real)(a->lr * a->decay);
    return s;
}

KERNEL(plain_adam_thread, real *p, real *m, real *v, const real *g, AdamStep a) {
    THREAD(i);
    m[i] = a.b1 * m[i] + ((real)1 - a.b1) * g[i];
    v[i] = a.b2 * v[i] + ((real)1 - a.b2) * (g[i] * g[i]);
    p[i] -= a.lr * ((m[i] * a.fix1) / (thread_sqrt(v[i] * a.fix2) + a.eps)) + a.shrink * p[i];
}

KERNEL(plain_ema_thread, real *ema, const real *p, real keep) {
    THREAD(i);
    ema[i] = keep * ema[i] + ((real)1 - keep) * p[i];
}

static inline void plain_adam(real *p, real *m, real *v, const real *g, const AdamStep *a, size_t np) {
    LAUNCH(plain_adam_thread, np, p, m, v, g, *a);
}

static inline void plain_ema(real *ema, const real *p, double keep, size_t np) {
    LAUNCH(plain_ema_thread, np, ema, p, (real)keep);
}

#endif
