// sample_fast.h: the numbers around the network, fp32: noise, noisy images, the loss and its gradient, a sampling step,
// and the casts between fp32 and bf16.  Images are [N][dim]; alpha and sigma are tables over timesteps, t [N] picks.
#ifndef TILT_SAMPLE_FAST_H
#define TILT_SAMPLE_FAST_H

#include "elementary_fast.h"

enum { SAMPLE_THREADS = 256 };

static inline dim3 sample_grid(size_t n, int rows) {
    return dim3((unsigned)((n + SAMPLE_THREADS - 1) / SAMPLE_THREADS), (unsigned)rows);
}

__device__ __forceinline__ size_t sample_index() {
    return (size_t)blockIdx.x * SAMPLE_THREADS + threadIdx.x;
}

// ---- noise --------------------------------------------------------------------------------------------------------

static __global__ void __launch_bounds__(SAMPLE_THREADS)
    noise_kernel(float *out, size_t n, uint64_t key, uint64_t first, const int *step) {
    size_t i = sample_index();
    if (i < n) {
        uint64_t index = first + (step != NULL ? (uint64_t)*step * n : 0) + i;
        out[i] = (float)fast_rng_normal(key, index);
    }
}

// out[i] = rng_normal(seed, stream, first + i), the same bits as on the CPU; with a counter on the device (StepState's,
// in a CUDA graph) first + n * step + i.
static inline void noise_fill(float *out, size_t n, uint64_t seed, uint64_t stream_number, uint64_t first,
                              const int *step, Stream stream) {
    LAUNCH_FAST(noise_kernel, sample_grid(n, 1), dim3(SAMPLE_THREADS), 0, stream, out, n, rng_key(seed, stream_number),
                first, step);
}

// ---- two images, each times a number of its timestep --------------------------------------------------------------

// out = a[t] x + b[t] y.  a or b NULL: 1; y NULL: 0.  out may be x or y.
struct Blend {
    float *out;
    const float *a, *x, *b, *y;
    const int *t; // [N]
};

static __global__ void __launch_bounds__(SAMPLE_THREADS) blend_kernel(Blend f, size_t dim) {
    size_t i = sample_index(), at = (size_t)blockIdx.y * dim + i;
    if (i < dim) {
        int t = f.t[blockIdx.y];
        float sum = (f.a != NULL ? f.a[t] : 1.f) * f.x[at];
        if (f.y != NULL) {
            sum += (f.b != NULL ? f.b[t] : 1.f) * f.y[at];
        }
        f.out[at] = sum;
    }
}

static inline void blend(const Blend *f, int N, size_t dim, Stream stream) {
    LAUNCH_FAST(blend_kernel, sample_grid(dim, N), dim3(SAMPLE_THREADS), 0, stream, *f, dim);
}

// The tables and the timesteps of a batch.
struct Levels {
    const float *alpha, *sigma; // [steps]
    const int *t;               // [N]
    int N;
    size_t dim;
};

// x_t = alpha x_0 + sigma noise.
static inline void q_sample(float *xt, const float *x0, const float *noise, const Levels *l, Stream stream) {
    Blend f = {xt, l->alpha, x0, l->sigma, noise, l->t};
    blend(&f, l->N, l->dim, stream);
}

// eps = sigma x + alpha F, as toy/model/unet.h has it.
static inline void eps_of_result(float *eps, const float *x, const float *F, const Levels *l, Stream stream) {
    Blend f = {eps, l->sigma, x, l->alpha, F, l->t};
    blend(&f, l->N, l->dim, stream);
}

// dF = alpha deps,   dx = sigma deps + (what came through the network).
static inline void eps_backward_result(float *dF, const float *deps, const Levels *l, Stream stream) {
    Blend f = {dF, l->alpha, deps, NULL, NULL, l->t};
    blend(&f, l->N, l->dim, stream);
}

static inline void eps_backward_image(float *dx, const float *deps, const float *through, const Levels *l,
                                      Stream stream) {
    Blend f = {dx, l->sigma, deps, NULL, through, l->t};
    blend(&f, l->N, l->dim, stream);
}

// ---- loss ---------------------------------------------------------------------------------------------------------

struct EpsLoss {
    const float *x, *F, *noise; // [N][dim]: x_t, output of the network, the noise in x_t
    const float *weight;        // [N], or NULL: 1
    float *losses;              // [N]: weight |eps - noise|^2 / dim
    float *dF;                  // [N][dim]: gradient of the mean of the losses; or NULL
};

// The sum of one number a thread, in a fixed order; every thread gets it.
__device__ __forceinline__ float sample_block_sum(float x) {
    float *all = (float *)shared_memory();
    int t = (int)threadIdx.x;
    all[t] = x;
    for (int half = SAMPLE_THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) {
            all[t] += all[t + half];
        }
    }
    __syncthreads();
    return all[0];
}

// eps = sigma x + alpha F;   dF = alpha weight 2 (eps - noise) / (N dim).   Block: one image.
static __global__ void __launch_bounds__(SAMPLE_THREADS) eps_loss_kernel(EpsLoss e, Levels l) {
    int n = (int)blockIdx.x, t = l.t[n];
    float alpha = l.alpha[t], sigma = l.sigma[t], weight = e.weight != NULL ? e.weight[n] : 1.f, sum = 0;
    float factor = 2.f * alpha * weight / ((float)l.N * (float)l.dim);
    for (size_t i = threadIdx.x; i < l.dim; i += SAMPLE_THREADS) {
        size_t at = (size_t)n * l.dim + i;
        float off = sigma * e.x[at] + alpha * e.F[at] - e.noise[at];
        sum += off * off;
        if (e.dF != NULL) {
            e.dF[at] = factor * off;
        }
    }
    sum = sample_block_sum(sum);
    if (threadIdx.x == 0) {
        e.losses[n] = weight * sum / (float)l.dim;
    }
}

static __global__ void __launch_bounds__(SAMPLE_THREADS) mean_kernel(float *out, const float *x, int n) {
    float sum = 0;
    for (int i = (int)threadIdx.x; i < n; i += SAMPLE_THREADS) {
        sum += x[i];
    }
    sum = sample_block_sum(sum);
    if (threadIdx.x == 0) {
        *out = sum / (float)n;
    }
}

// mean: one number on the device, the mean of the losses; or NULL.
static inline void eps_loss(const EpsLoss *e, const Levels *l, float *mean, Stream stream) {
    LAUNCH_FAST(eps_loss_kernel, dim3((unsigned)l->N), dim3(SAMPLE_THREADS), SAMPLE_THREADS * 4, stream, *e, *l);
    if (mean != NULL) {
        LAUNCH_FAST(mean_kernel, dim3(1), dim3(SAMPLE_THREADS), SAMPLE_THREADS * 4, stream, mean, e->losses, l->N);
    }
}

// ---- a step of a sampler ------------------------------------------------------------------------------------------

// x_s = a x + b eps + c z, all rows at one level: StepCoeffs of ref/formula/sampler.h with eps = sigma x + alpha F put
// in, so x_s = x (a + b sigma) + F (b alpha) + z c.
struct SampleWeights {
    float x, F, z;
};

static inline SampleWeights sample_weights(double a, double b, double c, double alpha, double sigma) {
    SampleWeights w = {(float)(a + b * sigma), (float)(b * alpha), (float)c};
    return w;
}

struct SampleStep {
    float *out; // may be x
    const float *x, *F;
    const float *plain;       // F of the null prompt, or NULL: no guidance
    float guidance;           // F_plain + guidance (F - F_plain)
    const float *z;           // read where weights->z != 0
    const SampleWeights *now; // on the device
};

static __global__ void __launch_bounds__(SAMPLE_THREADS) sample_kernel(SampleStep s, size_t n) {
    size_t i = sample_index();
    if (i < n) {
        SampleWeights w = *s.now;
        float F = s.plain != NULL ? s.plain[i] + s.guidance * (s.F[i] - s.plain[i]) : s.F[i];
        float out = w.x * s.x[i] + w.F * F;
        s.out[i] = w.z != 0.f ? out + w.z * s.z[i] : out;
    }
}

static inline void sample_step(const SampleStep *s, size_t n, Stream stream) {
    LAUNCH_FAST(sample_kernel, sample_grid(n, 1), dim3(SAMPLE_THREADS), 0, stream, *s, n);
}

// ---- casts --------------------------------------------------------------------------------------------------------

static __global__ void __launch_bounds__(SAMPLE_THREADS) halves_kernel(bf16 *out, const float *x, size_t n) {
    size_t i = sample_index();
    if (i < n) {
        out[i] = to_bf16(x[i]);
    }
}

static __global__ void __launch_bounds__(SAMPLE_THREADS) floats_kernel(float *out, const bf16 *x, size_t n) {
    size_t i = sample_index();
    if (i < n) {
        out[i] = to_float(x[i]);
    }
}

static inline void to_halves(bf16 *out, const float *x, size_t n, Stream stream) {
    LAUNCH_FAST(halves_kernel, sample_grid(n, 1), dim3(SAMPLE_THREADS), 0, stream, out, x, n);
}

static inline void to_floats(float *out, const bf16 *x, size_t n, Stream stream) {
    LAUNCH_FAST(floats_kernel, sample_grid(n, 1), dim3(SAMPLE_THREADS), 0, stream, out, x, n);
}

#endif
