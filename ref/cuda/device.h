// device.h: the few device instructions that the fast kernels need, twice: as PTX for nvcc, and as plain C++ for the
// emulation of emulate.h (-DEMULATE).  Both sides carry the same names, so a kernel is one source.
//
// Shared memory is addressed by 32-bit numbers, as the hardware does.  Tiles of 128-byte rows (64 bf16) are stored
// "swizzled": the 16-byte column of a row is exchanged by the row number, so that eight rows read at one column meet
// eight different banks (swizzle).
// Source of the layouts: the PTX manual (mma.m16n8k16, ldmatrix, cp.async).
#ifndef TILT_DEVICE_H
#define TILT_DEVICE_H

#ifdef EMULATE
#include "emulate.h"

// ---- bf16: the upper half of a float, rounded to nearest even ----------------------------------------------------

struct bf16 {
    uint16_t bits;
};

static inline float to_float(bf16 h) {
    uint32_t word = (uint32_t)h.bits << 16;
    float f;
    memcpy(&f, &word, 4);
    return f;
}

static inline bf16 to_bf16(float f) {
    uint32_t word;
    bf16 h;
    memcpy(&word, &f, 4);
    h.bits = (word & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (uint16_t)((word + 0x7fff + ((word >> 16) & 1)) >> 16);
    return h;
}

// Two numbers in one register, the first in the lower half.
static inline uint32_t pack2(float low, float high) {
    return to_bf16(low).bits | (uint32_t)to_bf16(high).bits << 16;
}

// Their values again.
static inline float low_float(uint32_t pair) {
    bf16 h;
    h.bits = (uint16_t)pair;
    return to_float(h);
}

static inline float high_float(uint32_t pair) {
    return low_float(pair >> 16);
}

// ---- shared memory -----------------------------------------------------------------------------------------------

static inline unsigned char *shared_memory() {
    return emu.shared;
}

static inline uint32_t shared_address(const void *p) {
    return (uint32_t)((const unsigned char *)p - emu.shared);
}

static inline unsigned char *emu_at(uint32_t address, uint32_t bytes) {
    if (address + bytes > emu.shared_bytes) {
        emu_stop("address outside the shared memory", address);
    }
    return emu.shared + address;
}

static inline uint32_t swizzle(uint32_t address) {
    return address ^ ((address >> 7 & 7) << 4);
}

// Threads 0..n-1 of barrier `id` meet.
static inline void barrier_sync(int id, int n) {
    emu_meet(emu.named[id], n, emu.named[id].arrived, NULL, emu_nothing);
}

// ---- Ampere: asynchronous copies, fragments, tensor-core products -------------------------------------------------

// 16 bytes from global to shared memory; on == false: 16 zero bytes, and src is not read.  The bytes are there for this
// thread after copy_wait, for the others after a barrier behind that.
static inline void copy16(uint32_t dst, const void *src, bool on) {
    EmuThread &t = emu.thread[(size_t)emu.current];
    EmuCopy copy = {dst, on ? src : NULL, t.group};
    if (dst % 16 != 0 || (on && (uintptr_t)src % 16 != 0)) {
        emu_stop("cp.async: 16 bytes begin at a multiple of 16", dst);
    }
    memset(emu_at(dst, 16), 0xff, 16); // until the wait nobody may count on what is there
    t.copies.push_back(copy);
}

// The copies since the last commit are one group.
static inline void copy_commit() {
    emu.thread[(size_t)emu.current].group++;
}

// Wait until at most the N youngest groups are under way.
template <int N> static inline void copy_wait() {
    EmuThread &t = emu.thread[(size_t)emu.current];
    size_t kept = 0;
    for (size_t i = 0; i < t.copies.size(); i++) {
        EmuCopy copy = t.copies[i];
        if (copy.group + N >= t.group) {
            t.copies[kept++] = copy;
        } else if (copy.from != NULL) {
            memcpy(emu_at(copy.to, 16), copy.from, 16);
        } else {
            memset(emu_at(copy.to, 16), 0, 16);
        }
    }
    t.copies.resize(kept);
}

// Four 8x8 matrices of bf16; lane l gives the address of row l % 8 of matrix l / 8 and gets, of every matrix, the two
// numbers of row l / 4 at columns 2 (l % 4) and 2 (l % 4) + 1; transposed: of column l / 4.
template <bool TRANSPOSED> static inline void emu_load_matrices(uint32_t (&r)[4], uint32_t address) {
    struct Offer {
        uint32_t address;
        uint32_t *r;
    } offer = {address, r};
    emu_meet_warp(&offer, [](void **all) {
        for (int l = 0; l < 32; l++) {
            for (int i = 0; i < 4; i++) {
                uint16_t pair[2];
                for (int h = 0; h < 2; h++) {
                    int row = TRANSPOSED ? 2 * (l % 4) + h : l / 4, column = TRANSPOSED ? l / 4 : 2 * (l % 4) + h;
                    uint32_t from = ((Offer *)all[i * 8 + row])->address;
                    if (from % 16 != 0) {
                        emu_stop("ldmatrix: a row must begin at a multiple of 16 bytes", from);
                    }
                    memcpy(&pair[h], emu_at(from, 16) + 2 * column, 2);
                }
                ((Offer *)all[l])->r[i] = pair[0] | (uint32_t)pair[1] << 16;
            }
        }
    });
}

static inline void load_matrices(uint32_t (&r)[4], uint32_t address) {
    emu_load_matrices<false>(r, address);
}

static inline void load_matrices_transposed(uint32_t (&r)[4], uint32_t address) {
    emu_load_matrices<true>(r, address);
}

// d (16x8, fp32) += a (16x16) b (16x8), bf16 fragments.
static inline void mma16816(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    struct Offer {
        float *d;
        const uint32_t *a;
        uint32_t b[2];
    } offer = {d, a, {b0, b1}};
    emu_meet_warp(&offer, [](void **all) {
        float A[16][16], B[16][8];
        for (int l = 0; l < 32; l++) {
            for (int i = 0; i < 4; i++) {
                for (int h = 0; h < 2; h++) {
                    bf16 v;
                    v.bits = (uint16_t)(((Offer *)all[l])->a[i] >> 16 * h);
                    A[l / 4 + 8 * (i & 1)][2 * (l % 4) + 8 * (i >> 1) + h] = to_float(v);
                    if (i < 2) {
                        v.bits = (uint16_t)(((Offer *)all[l])->b[i] >> 16 * h);
                        B[2 * (l % 4) + 8 * i + h][l / 4] = to_float(v);
                    }
                }
            }
        }
        for (int l = 0; l < 32; l++) {
            for (int i = 0; i < 4; i++) {
                int row = l / 4 + 8 * (i >> 1), column = 2 * (l % 4) + (i & 1);
                float sum = ((Offer *)all[l])->d[i];
                for (int k = 0; k < 16; k++) {
                    sum += A[row][k] * B[k][column];
                }
                ((Offer *)all[l])->d[i] = sum;
            }
        }
    });
}

#else // ---- the same on a GPU ------------------------------------------------------------------------------------

#include <stdint.h>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

typedef __nv_bfloat16 bf16;

__device__ __forceinline__ float to_float(bf16 h) {
    return __bfloat162float(h);
}

__device__ __forceinline__ bf16 to_bf16(float f) {
    return __float2bfloat16(f);
}

__device__ __forceinline__ uint32_t pack2(float low, float high) {
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}

__device__ __forceinline__ float low_float(uint32_t pair) {
    return __uint_as_float(pair << 16);
}

__device__ __forceinline__ float high_float(uint32_t pair) {
    return __uint_as_float(pair & 0xffff0000u);
}

__device__ __forceinline__ unsigned char *shared_memory() {
    extern __shared__ __align__(1024) unsigned char tilt_shared[];
    return tilt_shared;
}

__device__ __forceinline__ uint32_t shared_address(const void *p) {
    return (uint32_t)__cvta_generic_to_shared(p);
}

__device__ __forceinline__ uint32_t swizzle(uint32_t address) {
    return address ^ ((address >> 7 & 7) << 4);
}

__device__ __forceinline__ void barrier_sync(int id, int n) {
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(n) : "memory");
}

__device__ __forceinline__ void copy16(uint32_t dst, const void *src, bool on) {
    int bytes = on ? 16 : 0; // 0 bytes read: the 16 bytes are filled with zeros
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(dst), "l"(src), "r"(bytes) : "memory");
}

__device__ __forceinline__ void copy_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int N> __device__ __forceinline__ void copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], uint32_t address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

__device__ __forceinline__ void load_matrices_transposed(uint32_t (&r)[4], uint32_t address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

__device__ __forceinline__ void mma16816(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#endif

// ---- launching, and small pieces of memory: the same on both sides -------------------------------------------------

// Read and written in one instruction.
struct alignas(8) Float2 {
    float v[2];
};
struct alignas(16) Float4 {
    float v[4];
};
struct alignas(16) Bf16x8 {
    uint32_t pair[4];
};

// LAUNCH_FAST(kernel, grid, block, shared_bytes, stream, arguments...); a template with commas goes in parentheses.
// More than 48 KiB of shared memory must be asked for, so every launch asks.
#ifdef EMULATE
#define UNROLL
typedef int Stream;
#define LAUNCH_FAST(kernel, grid, block, bytes, stream, ...) \
    ((void)(stream), emu_launch(grid, block, bytes, [&] { kernel(__VA_ARGS__); }))
#else
#define UNROLL _Pragma("unroll")
typedef cudaStream_t Stream;
static inline void allow_shared(const void *kernel, size_t bytes) {
    if (bytes > 48 << 10) {
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
    }
}
#define LAUNCH_FAST(kernel, grid, block, bytes, stream, ...) \
    (allow_shared((const void *)kernel, bytes), kernel<<<grid, block, bytes, stream>>>(__VA_ARGS__))
#endif

#endif
