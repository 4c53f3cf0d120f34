// device_extra.h: what the kernels besides convolution need beyond device.h, in the same way: once for nvcc and once as
// plain C++ for the emulation.
//
//   eight bf16 in one 16-byte load and back, fast exp and division, arithmetic without fused rounding, a 4-byte store
//   into a swizzled tile, and the permission for much shared memory.
#ifndef TILT_DEVICE_EXTRA_H
#define TILT_DEVICE_EXTRA_H

#include "../core/base.h"
#include "device.h"

// Eight neighbouring bf16 numbers, the unit of memory traffic of a thread.
struct alignas(16) Eight {
    uint32_t word[4]; // two numbers each, the first in the lower half
};

#ifdef EMULATE

#define UNROLL

static inline float float_of_bits(uint32_t word) {
    float f;
    memcpy(&f, &word, 4);
    return f;
}

static inline double double_of_bits(uint64_t word) {
    double f;
    memcpy(&f, &word, 8);
    return f;
}

static inline uint64_t bits_of_double(double f) {
    uint64_t word;
    memcpy(&word, &f, 8);
    return word;
}

// e^x and a / b; on a GPU with an error of a few units in the last place of a float.
static inline float fast_exp(float x) {
    return expf(x);
}

static inline float fast_divide(float a, float b) {
    return a / b;
}

// a + b and a b, rounded one by one: nvcc fuses a b + c into one rounding, which changes the bits.
static inline double add_rounded(double a, double b) {
    return a + b;
}

static inline double times_rounded(double a, double b) {
    return a * b;
}

static inline void shared_store(uint32_t address, uint32_t word) {
    memcpy(emu_at(address, 4), &word, 4);
}

// Lets a kernel use more than 48 KiB of shared memory.
template <class K> static inline void allow_shared(K, int) {
}

#else // ---- the same on a GPU ------------------------------------------------------------------------------------

#define UNROLL _Pragma("unroll")

__device__ __forceinline__ float float_of_bits(uint32_t word) {
    return __uint_as_float(word);
}

__device__ __forceinline__ double double_of_bits(uint64_t word) {
    return __longlong_as_double((long long)word);
}

__device__ __forceinline__ uint64_t bits_of_double(double f) {
    return (uint64_t)__double_as_longlong(f);
}

__device__ __forceinline__ float fast_exp(float x) {
    return __expf(x);
}

__device__ __forceinline__ float fast_divide(float a, float b) {
    return __fdividef(a, b);
}

__device__ __forceinline__ double add_rounded(double a, double b) {
    return __dadd_rn(a, b);
}

__device__ __forceinline__ double times_rounded(double a, double b) {
    return __dmul_rn(a, b);
}

__device__ __forceinline__ void shared_store(uint32_t address, uint32_t word) {
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(word) : "memory");
}

template <class K> static inline void allow_shared(K kernel, int bytes) {
    if (cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes) != cudaSuccess) {
        DIE("a kernel wants %d bytes of shared memory and this GPU refuses; sm_80 and later have 163 KiB", bytes);
    }
}
#endif

// ---- eight numbers, sigmoid, and sums over the rows of a block: the same on both sides ----------------------------

__device__ __forceinline__ void load_eight(float (&out)[8], const bf16 *from) {
    Eight e = *(const Eight *)from;
    UNROLL
    for (int i = 0; i < 4; i++) {
        out[2 * i] = float_of_bits(e.word[i] << 16);
        out[2 * i + 1] = float_of_bits(e.word[i] & 0xffff0000u);
    }
}

__device__ __forceinline__ void store_eight(bf16 *to, const float (&in)[8]) {
    Eight e;
    UNROLL
    for (int i = 0; i < 4; i++) {
        e.word[i] = pack2(in[2 * i], in[2 * i + 1]);
    }
    *(Eight *)to = e;
}

__device__ __forceinline__ float fast_sigmoid(float z) {
    return fast_divide(1.f, 1.f + fast_exp(-z)); // e^-z = inf gives 0
}

// d/dz of z sigmoid(z).
__device__ __forceinline__ float fast_silu_slope(float z) {
    float s = fast_sigmoid(z);
    return s * (1.f + z * (1.f - s));
}

// A block of 256 threads looks at 64 channels: thread t at channels 8 (t % 8) .. + 7 of every 32nd pixel from t / 8 on.
// Here the 32 threads of a channel are added up, in their order: out[k stride + channel], K sums a channel.
// Shared memory: 32 * K * 64 floats.
template <int K> __device__ __forceinline__ void add_pixel_rows(float *out, int stride, const float (&sum)[K][8]) {
    float *all = (float *)shared_memory();
    int t = (int)threadIdx.x, row = t / 8, column = t % 8 * 8;
    UNROLL
    for (int k = 0; k < K; k++) {
        UNROLL
        for (int i = 0; i < 8; i++) {
            all[(row * K + k) * 64 + column + i] = sum[k][i];
        }
    }
    __syncthreads();
    if (t < 64 * K) {
        float total = 0;
        for (int r = 0; r < 32; r++) {
            total += all[r * K * 64 + t];
        }
        out[t / 64 * stride + t % 64] = total;
    }
}

#endif
