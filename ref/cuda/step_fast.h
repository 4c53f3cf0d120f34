// step_fast.h: from partial gradients to new parameters, in one pass over memory: the sum of the slices of a gradient,
// AdamW, the moving average of the parameters, and the bf16 copy that the next step multiplies with.
//
// A kernel whose sum crosses thread blocks leaves slices: sums[slice][count].  A segment says which numbers of the flat
// vector they belong to, and a table of segments lets one launch serve all parameters.  Adam reads the slices itself;
// fold_slices writes their sum into a flat gradient, for whoever wants the gradient (the Net interface, clipping).
// Everything that changes from step to step lies on the device, so that the launches can sit in a CUDA graph.
//
// Memory traffic a parameter, in bytes: 4 slices + 34 (m, v, p and average read and written, 2 for the copy).
#ifndef TILT_STEP_FAST_H
#define TILT_STEP_FAST_H

#include "device_extra.h"
#include "elementary_fast.h"

enum {
    STEP_THREADS = 256,
    STEP_CHUNK = 1024, // numbers of a block
    STEP_TALL = 16     // more slices than this are shared by the warps of a block, which then has 32 numbers
};

struct FastSegment {
    size_t at;         // its first number in the flat vectors
    int count, slices; // numbers; slices of their gradient, 1 or more
    size_t stride;     // numbers from slice to slice
    const float *sums; // first slice
};

// A part of a segment, the work of one block.
struct FastChunk {
    int segment, first;
};

struct FastTable {
    const FastSegment *segment; // on the device
    const FastChunk *chunk;     // on the device
    int chunks;
};

__host__ __device__ __forceinline__ int step_chunk(const FastSegment *s) {
    return s->slices > STEP_TALL ? 32 : STEP_CHUNK;
}

// The chunks of n segments, on the host; returns their number.  chunk may be NULL: only count.
static inline int step_chunks(FastChunk *chunk, const FastSegment *segment, int n) {
    int chunks = 0;
    for (int i = 0; i < n; i++) {
        for (int first = 0; first < segment[i].count; first += step_chunk(&segment[i])) {
            if (chunk != NULL) {
                chunk[chunks].segment = i;
                chunk[chunks].first = first;
            }
            chunks++;
        }
    }
    return chunks;
}

// Numbers of a thread: i = first + threadIdx.x + STEP_THREADS j < end, j = 0..3.
struct StepPart {
    FastSegment s;
    int first, end;
    float g[4];
};

// The sum over the slices, in their order, or of every eighth slice by one warp and then over the warps.
__device__ __forceinline__ StepPart step_part(const FastTable &table) {
    StepPart part;
    FastChunk c = table.chunk[blockIdx.x];
    int t = (int)threadIdx.x, warp = t / 32, lane = t % 32;
    part.s = table.segment[c.segment];
    part.first = c.first;
    part.end = c.first + step_chunk(&part.s);
    part.end = part.end < part.s.count ? part.end : part.s.count;
    UNROLL
    for (int j = 0; j < 4; j++) {
        part.g[j] = 0;
    }
    if (part.s.slices > STEP_TALL) {
        float *all = (float *)shared_memory(), sum = 0;
        for (int slice = warp; slice < part.s.slices && c.first + lane < part.end; slice += 8) {
            sum += part.s.sums[(size_t)slice * part.s.stride + (size_t)(c.first + lane)];
        }
        all[t] = sum;
        __syncthreads();
        for (int w = 0; w < 8 && t < 32; w++) {
            part.g[0] += all[w * 32 + t];
        }
        return part;
    }
    for (int slice = 0; slice < part.s.slices; slice++) {
        UNROLL
        for (int j = 0; j < 4; j++) {
            int i = c.first + t + STEP_THREADS * j;
            part.g[j] += i < part.end ? part.s.sums[(size_t)slice * part.s.stride + (size_t)i] : 0.f;
        }
    }
    return part;
}

// The sum of one number a thread, for thread 0, in a fixed order.
__device__ __forceinline__ double step_block_sum(double x) {
    double *all = (double *)(shared_memory() + STEP_THREADS * 4); // behind the sums of step_part
    int t = (int)threadIdx.x;
    all[t] = x;
    for (int half = STEP_THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) {
            all[t] += all[t + half];
        }
    }
    return all[t];
}

enum { STEP_SHARED = STEP_THREADS * (4 + 8) };

// ---- the gradient itself ------------------------------------------------------------------------------------------

static __global__ void __launch_bounds__(STEP_THREADS)
    fold_kernel(FastTable table, float *g, double *squares, int add) {
    StepPart part = step_part(table);
    double square = 0;
    UNROLL
    for (int j = 0; j < 4; j++) {
        int i = part.first + (int)threadIdx.x + STEP_THREADS * j;
        if (i < part.end) {
            float *to = g + part.s.at + i;
            float sum = add ? *to + part.g[j] : part.g[j];
            *to = sum;
            square += (double)sum * (double)sum;
        }
    }
    if (squares != NULL) {
        square = step_block_sum(square);
        if (threadIdx.x == 0) {
            squares[blockIdx.x] = square;
        }
    }
}

// g = (add: +=) the sums of all slices.  squares [chunks], or NULL: sum of g^2 of every chunk, for step_begin.
static inline void fold_slices(const FastTable *table, float *g, double *squares, int add, Stream stream) {
    LAUNCH_FAST(fold_kernel, dim3((unsigned)table->chunks), dim3(STEP_THREADS), STEP_SHARED, stream, *table, g, squares,
                add);
}

// ---- what a step needs to know ------------------------------------------------------------------------------------

struct StepRule {
    double rate, beta1, beta2, eps, decay; // as in optim.h
    double keep, early_keep;               // of the moving average; in the first `early` steps
    int early;
    double limit;    // of the norm of the gradient, 0: none
    int warm, steps; // rate_at of optim.h; steps = 0: the rate is constant
};

struct StepState { // on the device, all zero before the first step
    int step;      // steps begun
    float norm; // of the gradient, where squares were given; NaN or infinite: the run is lost, look at it now and then
    float clip, rate, shrink, fix1, fix2, keep, share;
};

// One block: the norm and the factor of clip_gradient, the bias corrections of adam_step, rate_at.
static __global__ void __launch_bounds__(STEP_THREADS)
    step_begin_kernel(StepState *state, StepRule r, const double *squares, int chunks) {
    double sum = 0, rate = r.rate;
    for (int i = (int)threadIdx.x; i < chunks; i += STEP_THREADS) {
        sum += squares[i];
    }
    sum = step_block_sum(sum);
    if (threadIdx.x != 0) {
        return;
    }
    int step = state->step; // steps taken before this one
    double norm = sqrt(sum), k = step + 1;
    if (r.steps > 0) {
        double rise = step < r.warm ? k / r.warm : 1;
        rate *= rise * (0.5 + 0.5 * fast_e_cos(PI * step / r.steps));
    }
    state->norm = (float)norm;
    state->clip = r.limit > 0 && norm > r.limit ? (float)(r.limit / norm) : 1.f;
    state->rate = (float)rate;
    state->shrink = (float)(rate * r.decay);
    double keep = state->step < r.early ? r.early_keep : r.keep;
    state->keep = (float)keep;
    state->share = (float)(1.0 - keep);
    state->fix1 = (float)(1.0 / (1.0 - fast_e_pow(r.beta1, k)));
    state->fix2 = (float)(1.0 / (1.0 - fast_e_pow(r.beta2, k)));
    state->step = step + 1;
}

// Before adam_slices in every step.  squares [chunks] of fold_slices, or NULL and 0.
static inline void step_begin(StepState *state, const StepRule *r, const double *squares, int chunks, Stream stream) {
    LAUNCH_FAST(step_begin_kernel, dim3(1), dim3(STEP_THREADS), STEP_SHARED, stream, state, *r, squares, chunks);
}

// ---- Adam ---------------------------------------------------------------------------------------------------------

struct AdamData {
    float *p, *m, *v; // parameters and the two running means, flat
    float *average;   // moving average of p, or NULL
    bf16 *copy;       // p as bf16, or NULL
};

// adam_step of ref/core/optim.h.  All loads first, then the stores: the compiler cannot know that they do not overlap.
static __global__ void __launch_bounds__(STEP_THREADS)
    adam_kernel(FastTable table, AdamData a, StepRule r, const StepState *state) {
    StepPart part = step_part(table);
    StepState now = *state;
    float b1 = (float)r.beta1, b2 = (float)r.beta2, eps = (float)r.eps, p[4], m[4], v[4], average[4];
    UNROLL
    for (int j = 0; j < 4; j++) {
        int i = part.first + (int)threadIdx.x + STEP_THREADS * j;
        size_t at = part.s.at + (size_t)i;
        bool on = i < part.end;
        p[j] = on ? a.p[at] : 0.f;
        m[j] = on ? a.m[at] : 0.f;
        v[j] = on ? a.v[at] : 0.f;
        average[j] = on && a.average != NULL ? a.average[at] : 0.f;
    }
    UNROLL
    for (int j = 0; j < 4; j++) {
        float g = part.g[j] * now.clip;
        m[j] = b1 * m[j] + (1.f - b1) * g;
        v[j] = b2 * v[j] + (1.f - b2) * (g * g);
        p[j] -= now.rate * ((m[j] * now.fix1) / (sqrtf(v[j] * now.fix2) + eps)) + now.shrink * p[j];
        average[j] = now.keep * average[j] + now.share * p[j];
    }
    UNROLL
    for (int j = 0; j < 4; j++) {
        int i = part.first + (int)threadIdx.x + STEP_THREADS * j;
        size_t at = part.s.at + (size_t)i;
        if (i < part.end) {
            a.p[at] = p[j];
            a.m[at] = m[j];
            a.v[at] = v[j];
            if (a.average != NULL) {
                a.average[at] = average[j];
            }
            if (a.copy != NULL) {
                a.copy[at] = to_bf16(p[j]);
            }
        }
    }
}

static inline void adam_slices(const FastTable *table, const AdamData *a, const StepRule *r, const StepState *state,
                               Stream stream) {
    LAUNCH_FAST(adam_kernel, dim3((unsigned)table->chunks), dim3(STEP_THREADS), STEP_THREADS * 4, stream, *table, *a,
                *r, state);
}

#endif
