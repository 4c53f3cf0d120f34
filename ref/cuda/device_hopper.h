// device_hopper.h: what sm_90a has beyond device.h, in the same way: as PTX for nvcc, and as plain C++ for the
// emulation.
//
//   mbarrier_   a counter in shared memory on which threads wait: for arrivals of others, and for bytes under way
//   tensor_     one instruction copies a box of a tensor to shared memory ("TMA"); a TensorMap says how the tensor lies
//   wgmma       a warpgroup (4 warps) multiplies two tiles that lie in shared memory
//   registers_  warps that need few registers leave them to the others
// The copies and the products run beside the program; it must wait for both.  The emulation delivers both as late as
// it may: a box is NaN until someone waits for its bytes, and a product reads its tiles when someone waits for it, so
// a tile that is given back too early has been overwritten.
// Source of the layouts: the PTX manual (mbarrier, cp.async.bulk.tensor, wgmma); the strides of a descriptor agree with
// those that CUTLASS computes in mma_traits_sm90_gmma.hpp.
#ifndef TILT_DEVICE_HOPPER_H
#define TILT_DEVICE_HOPPER_H

#include "device.h"

// A tile of 128-byte rows, swizzled, for wgmma; `address` is where it begins.  Rows along K (64 of them): `leading` is
// not used, `stride` leads to the next 8 rows.  Rows along M or N, one for every k ("transposed"): `leading` leads from
// 64 columns to the next 64, `stride` from 8 k to the next 8.  All in bytes.  The hardware keeps 14 bits of each,
// without the last four, and 1 in the highest two bits stands for the swizzle.
__device__ __forceinline__ uint64_t matrix_descriptor(uint32_t address, uint32_t leading, uint32_t stride) {
    return (uint64_t)(address >> 4 & 0x3fff) | (uint64_t)(leading >> 4 & 0x3fff) << 16 |
           (uint64_t)(stride >> 4 & 0x3fff) << 32 | (uint64_t)1 << 62;
}

#ifdef EMULATE
#include "emulate_hopper.h"
#else

#include "../core/base.h"
#include <cuda.h> // the type of a tensor map and the constants in it; the library itself is not linked with
#include <cudaTypedefs.h>

typedef CUtensorMap TensorMap;

// ---- barriers: shared memory, 8 bytes each -------------------------------------------------------------------------

__device__ __forceinline__ void mbarrier_init(uint32_t bar, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(arrivals) : "memory");
}

// Now the copies may see the barriers, too; the other threads see them after a __syncthreads().
__device__ __forceinline__ void mbarrier_init_done() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void mbarrier_arrive(uint32_t bar) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
}

// An arrival that also announces so many bytes.
__device__ __forceinline__ void mbarrier_expect(uint32_t bar, uint32_t bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
}

// Wait until the phase of this parity (0, 1, 0, ...) is over: all have arrived, and all bytes.
__device__ __forceinline__ void mbarrier_wait(uint32_t bar, uint32_t parity) {
    uint32_t over;
    do {
        asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                     : "=r"(over)
                     : "r"(bar), "r"(parity)
                     : "memory");
    } while (over == 0);
}

// The box at (c, x, y, n) to `to`, a multiple of 1024; its bytes arrive at `bar`.
__device__ __forceinline__ void tensor_load(uint32_t to, const TensorMap *map, uint32_t bar, int c, int x, int y,
                                            int n) {
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(to),
                 "l"(map), "r"(bar), "r"(c), "r"(x), "r"(y), "r"(n)
                 : "memory");
}

// ---- products ------------------------------------------------------------------------------------------------------

// Before the first product, and whenever the program itself has changed d.
__device__ __forceinline__ void wgmma_fence() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

// The products since the last commit are one group.
__device__ __forceinline__ void wgmma_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Wait until at most the N youngest groups are under way.
template <int N> __device__ __forceinline__ void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

// d (64 x N, N = 2 COUNT) += a (64 x 16) b (16 x N).  Thread t of the warpgroup holds in d[4 j + 2 r + h] row
// 16 (t / 32) + t % 32 / 4 + 8 r and column 8 j + 2 (t % 4) + h.  The instruction names every register of d, so it is
// written once for each COUNT: A, B, TA, TB are the operands behind those registers.
#define WGMMA(N, COUNT, NAMES, A, B, TA, TB, ...)                                                          \
    template <int TRANSPOSED_A, int TRANSPOSED_B>                                                          \
    __device__ __forceinline__ void wgmma(float(&d)[COUNT], uint64_t a, uint64_t b) {                      \
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, 1, 0;\n"                                            \
                     "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" NAMES "}, %" #A ", %" #B \
                     ", p, 1, 1, %" #TA ", %" #TB ";\n}"                                                   \
                     : __VA_ARGS__                                                                         \
                     : "l"(a), "l"(b), "n"(TRANSPOSED_A), "n"(TRANSPOSED_B));                              \
    }
#define EIGHT(i)                                                                                                \
    "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), \
        "+f"(d[i + 7])
#define LOWER_32 EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24)
#define UPPER_32 EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56)
#define LOWER_NAMES                                                          \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define UPPER_NAMES                                                                    \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
WGMMA(64, 32, LOWER_NAMES, 32, 33, 34, 35, LOWER_32)
WGMMA(128, 64, LOWER_NAMES ", " UPPER_NAMES, 64, 65, 66, 67, LOWER_32, UPPER_32)
#undef WGMMA
#undef EIGHT
#undef LOWER_32
#undef UPPER_32
#undef LOWER_NAMES
#undef UPPER_NAMES

// All warps of a warpgroup together: from now on N registers a thread.
template <int N> __device__ __forceinline__ void registers_take() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}

template <int N> __device__ __forceinline__ void registers_leave() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}

// ---- on the host ---------------------------------------------------------------------------------------------------

// The function of the driver that encodes a tensor map, looked up once.
static inline PFN_cuTensorMapEncodeTiled_v12000 tensor_encoder() {
    static PFN_cuTensorMapEncodeTiled_v12000 found = NULL;
    if (found == NULL) {
        void *entry = NULL;
        cudaDriverEntryPointQueryResult answer = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &answer);
#else
        cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &entry, cudaEnableDefault, &answer);
#endif
        if (entry == NULL || answer != cudaDriverEntryPointSuccess) {
            DIE("this CUDA driver cannot encode a tensor map; install one of CUDA 12 or later");
        }
        found = (PFN_cuTensorMapEncodeTiled_v12000)entry;
    }
    return found;
}
#endif

// A tensor [n][y][x][c] without gaps and boxes of 64 channels of it, swizzled on their way.  Made on the host and given
// to a kernel as an argument: a recorded graph then holds a copy.  One costs a call of the driver that fills 128 bytes,
// and happens only where a launch is made, not where a graph is replayed.
static inline TensorMap tensor_map(const bf16 *base, int c, int x, int y, int n, int box_x, int box_y, int box_n) {
#ifdef EMULATE
    TensorMap map = {base, {c, x, y, n}, {64, box_x, box_y, box_n}};
    emu_tensor_check(&map);
#else
    TensorMap map;
    cuuint64_t size[4] = {(cuuint64_t)c, (cuuint64_t)x, (cuuint64_t)y, (cuuint64_t)n};
    cuuint64_t stride[3] = {size[0] * 2, size[0] * 2 * size[1], size[0] * 2 * size[1] * size[2]}; // bytes
    cuuint32_t box[4] = {64, (cuuint32_t)box_x, (cuuint32_t)box_y, (cuuint32_t)box_n}, step[4] = {1, 1, 1, 1};
    CUresult r = tensor_encoder()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4, (void *)base, size, stride, box, step,
                                  CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                  CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (r != CUDA_SUCCESS) {
        DIE("the CUDA driver refuses a tensor map (error %d): %d x %d x %d x %d numbers, boxes of 64 x %d x %d x %d",
            (int)r, c, x, y, n, box_x, box_y, box_n);
    }
#endif
    return map;
}

#endif
