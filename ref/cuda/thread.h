// thread.h: one source for two machines.  A kernel says what ONE thread does, which makes one number; a launch runs it
// for every thread.  nvcc compiles it for a GPU, where the threads run side by side; for a C99 compiler a kernel is a
// function and a launch is a loop, so a debugger can stop in the thread that makes one number (make gdb-kernel).
//
//   KERNEL(halve_thread, real *y, const real *x) {
//       THREAD(i);                              the number of this thread
//       y[i] = x[i] / 2;
//   }
//   LAUNCH(halve_thread, n, y, x);              n threads
// DEVICE marks a function that kernels call.
// A thread writes only what belongs to it and never waits for another: no atomics, no shared memory, no barrier.  So
// the order of the threads changes no bit, and in C the loop may itself run in parallel.
#ifndef TILT_THREAD_H
#define TILT_THREAD_H

#include <math.h>

#include "../core/base.h"

#ifdef __CUDACC__

static inline void cuda_check(cudaError_t status, const char *what) {
    if (status != cudaSuccess) {
        DIE("CUDA: %s: %s; see that a GPU is free and has memory", what, cudaGetErrorString(status));
    }
}

#ifndef LAUNCH_STREAM
#define LAUNCH_STREAM 0 // the stream that launches go to
#endif

#define DEVICE __device__
#define KERNEL(name, ...) static __global__ void name(size_t threads, __VA_ARGS__)
// Blocks of 256 threads: those of the last block that are too many leave at once.
#define THREAD(i)                                             \
    size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; \
    if (i >= threads) {                                       \
        return;                                               \
    }
#define LAUNCH(kernel, count, ...)                                                                 \
    do {                                                                                           \
        size_t launch_count = (count), launch_blocks = (launch_count + 255) / 256;                 \
        if (launch_count > 0) {                                                                    \
            kernel<<<(unsigned)launch_blocks, 256, 0, LAUNCH_STREAM>>>(launch_count, __VA_ARGS__); \
            cuda_check(cudaGetLastError(), #kernel);                                               \
        }                                                                                          \
    } while (0)

#else

#define DEVICE
#define KERNEL(name, ...) static inline void name(size_t thread, __VA_ARGS__)
#define THREAD(i) size_t i = thread
#define LAUNCH(kernel, count, ...)                                               \
    do {                                                                         \
        ptrdiff_t launch_count = (ptrdiff_t)(count), launch_thread;              \
        OMP(parallel for schedule(static) if (launch_count > 4096))              \
        for (launch_thread = 0; launch_thread < launch_count; launch_thread++) { \
            kernel((size_t)launch_thread, __VA_ARGS__);                          \
        }                                                                        \
    } while (0)

#endif

// ---- elementary functions, in the precision of the numbers -------------------------------------------------------

// libm: a GPU has its own, so bits that agree with the CPU's executor are not to be had anyway.
static inline DEVICE real thread_exp(real x) {
    return sizeof(real) == sizeof(double) ? (real)exp((double)x) : (real)expf((float)x);
}

static inline DEVICE real thread_sqrt(real x) {
    return sizeof(real) == sizeof(double) ? (real)sqrt((double)x) : (real)sqrtf((float)x);
}

static inline DEVICE real thread_sigmoid(real x) {
    return (real)1 / ((real)1 + thread_exp(-x));
}

// d/dz of z sigmoid(z).
static inline DEVICE real thread_silu_slope(real z) {
    real s = thread_sigmoid(z);
    return s * ((real)1 + z * ((real)1 - s));
}

#endif
