// conv_wgmma_kernel.h: convolution on the tensor cores of sm_90a: forward, and the gradient of the inputs.
//
// The product is that of conv_product.h; only how the tiles arrive differs from conv_mma_kernel.h.  A thread block
// computes BM pixels x BN channels.  One thread of its last warps, the producer, starts all copies; two warpgroups, the
// consumers, multiply, half of the pixels each, and finish the result.
//
//   - The source pixels of a tap are a box of the tensor: 64 channels x W x some rows x some images, begun elsewhere.
//     What lies outside of an image arrives as zeros: that is the border.
//   - Row slide: a box with 2 rows more serves the three taps of a kernel column.  Tap row r begins r W pixels further
//     down, at a multiple of 1024 bytes because W >= 8, and a matrix descriptor may begin there.  So of 9 taps only 3
//     read their pixels.
// Weights are [tap][in][out].  Forward, K = in: rows of B are k ("transposed").  Gradient, K = out: the same memory has
// K along its rows.  The gradient is the same sum with the taps in the opposite order.
#ifndef TILT_CONV_WGMMA_KERNEL_H
#define TILT_CONV_WGMMA_KERNEL_H

#include "conv_product.h"
#include "device_hopper.h"

// Where nvcc compiles for another processor too, the kernels there only stop with an error; wgmma_fits (conv_wgmma.h)
// sees to it that such a processor does not get them.
#if defined(EMULATE) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define WGMMA_HERE
#endif

// BLOCKS a processor.  With one, the producer has a warpgroup for itself, whose registers the consumers get: 384
// threads begin with 168 each, 128 keep 40 and 256 get 232.  With two, one block finishes its result while the other
// multiplies; the producer has one warp, and a thread may have 96 registers, or else the second block does not fit.
template <int BM_, int BN_, int BLOCKS_> struct WgmmaTile {
    static const int BM = BM_, BN = BN_, BLOCKS = BLOCKS_;
    static const int THREADS = 256, ALL = BLOCKS == 1 ? 384 : 288; // consumers; with the producer
    static const int MI = BM / 128;                                // products of 64 pixels that a consumer has
    static const int B_BYTES = 64 * BN * 2;
    // the result, see conv_product.h
    static const int PITCH = BN + 8, GROUPS = BN / 8, SLOTS = THREADS / GROUPS, ROWS = BM / SLOTS;
    static const int TILE_BYTES = BM * PITCH * 4, EPILOGUE = TILE_BYTES + SLOTS * 2 * BN * 4;
    static __device__ __forceinline__ void sync() {
        barrier_sync(1, THREADS);
    }
};

struct WgmmaProduct {
    ConvProduct p;
    TensorMap a1, a2, w;
    int k;                // side of the kernel
    int log_tile;         // a tile has 2^log_tile pixels of an image
    int a_bytes;          // of a box
    int a_slots, b_slots; // boxes and weight tiles under way
};

// A ring of slots, and for each slot a barrier "full" and a barrier "empty" behind all slots.
struct WgmmaRing {
    uint32_t at, bytes, full; // slots, size of one, barriers: `slots` full, then `slots` empty
    int slots, slot;
    uint32_t parity;
};

__device__ __forceinline__ WgmmaRing wgmma_ring(uint32_t at, int bytes, uint32_t full, int slots) {
    WgmmaRing r = {at, (uint32_t)bytes, full, slots, 0, 0};
    return r;
}

__device__ __forceinline__ uint32_t wgmma_full(const WgmmaRing &r) {
    return r.full + (uint32_t)r.slot * 8;
}

__device__ __forceinline__ uint32_t wgmma_empty(const WgmmaRing &r) {
    return r.full + (uint32_t)(r.slots + r.slot) * 8;
}

__device__ __forceinline__ uint32_t wgmma_slot(const WgmmaRing &r) {
    return r.at + (uint32_t)r.slot * r.bytes;
}

__device__ __forceinline__ void wgmma_next(WgmmaRing &r) {
    if (++r.slot == r.slots) {
        r.slot = 0;
        r.parity ^= 1;
    }
}

// One thread makes the barriers: the producer arrives at `full`, every consumer warp at `empty`.
__device__ __forceinline__ void wgmma_ring_init(const WgmmaRing &r, int consumers) {
    for (int i = 0; i < r.slots; i++) {
        mbarrier_init(r.full + (uint32_t)i * 8, 1);
        mbarrier_init(r.full + (uint32_t)(r.slots + i) * 8, consumers);
    }
}

// The producer waits until the next slot is free, and announces what it will copy there.  The slots begin free: the
// wait for the phase before the first one returns at once.
__device__ __forceinline__ void wgmma_open(const WgmmaRing &r, int bytes) {
    mbarrier_wait(wgmma_empty(r), r.parity ^ 1);
    mbarrier_expect(wgmma_full(r), (uint32_t)bytes);
}

#ifdef WGMMA_HERE

// ---- the copies ----------------------------------------------------------------------------------------------------

// All boxes of a block, in the order in which they are multiplied: 64 channels, kernel columns, and for each box of
// pixels the weights of its k taps.
template <class T, bool BACK>
__device__ __forceinline__ void wgmma_produce(const WgmmaProduct &w, WgmmaRing a, WgmmaRing b, int m0, int n0) {
    const ConvProduct &p = w.p;
    const int k = w.k, border = k / 2, last = k * k - 1;
    const int image = m0 >> (p.walk.log_h + p.walk.log_w), h0 = m0 >> p.walk.log_w & (p.walk.height - 1);
    for (int c = 0; c < p.depth1 + p.depth2; c += 64) {
        const bool second = c >= p.depth1;
        const TensorMap *map = second ? &w.a2 : &w.a1;
        const int from = second ? c - p.depth1 : c;
        for (int column = 0; column < k; column++) {
            wgmma_open(a, w.a_bytes);
            tensor_load(wgmma_slot(a), map, wgmma_full(a), from, column - border, h0 - border, image);
            wgmma_next(a);
            for (int r = 0; r < k; r++) {
                const int tap = BACK ? last - (r * k + column) : r * k + column;
                wgmma_open(b, T::B_BYTES);
                if (BACK) { // BN input channels x 64 output channels
                    tensor_load(wgmma_slot(b), &w.w, wgmma_full(b), c, tap * p.in + n0, 0, 0);
                } else { // 64 input channels x BN output channels, in blocks of 64 columns
                    for (int j = 0; j < T::BN / 64; j++) {
                        tensor_load(wgmma_slot(b) + (uint32_t)j * 8192, &w.w, wgmma_full(b), n0 + j * 64,
                                    tap * p.in + c, 0, 0);
                    }
                }
                wgmma_next(b);
            }
        }
    }
}

// ---- the products --------------------------------------------------------------------------------------------------

// acc += all of K.  pixels[i]: where the 64 pixels of product i begin in a box.  A slot is given back when the product
// that came after its own has been started and its own is over.
template <class T, bool BACK>
__device__ __forceinline__ void wgmma_consume(float (&acc)[T::MI][T::BN / 2], const WgmmaProduct &w, WgmmaRing a,
                                              WgmmaRing b, const uint32_t (&pixels)[T::MI]) {
    const bool speaks = threadIdx.x % 32 == 0;
    const uint32_t slide = 128u << w.p.walk.log_w; // from a tap to the one below it
    const int boxes = (w.p.depth1 + w.p.depth2) / 64 * w.k;
    uint32_t free_a = 0, free_b = 0; // barriers of the slots that are done with, 0: none
    for (int box = 0; box < boxes; box++) {
        mbarrier_wait(wgmma_full(a), a.parity);
        for (int r = 0; r < w.k; r++) {
            mbarrier_wait(wgmma_full(b), b.parity);
            wgmma_fence();
            UNROLL
            for (int step = 0; step < 4; step++) { // 16 of the 64 channels
                const uint64_t weights = BACK ? matrix_descriptor(wgmma_slot(b) + step * 32, 16, 1024)
                                              : matrix_descriptor(wgmma_slot(b) + step * 2048, 8192, 1024);
                UNROLL
                for (int i = 0; i < T::MI; i++) {
                    const uint32_t at = wgmma_slot(a) + pixels[i] + (uint32_t)r * slide + step * 32;
                    wgmma<0, BACK ? 0 : 1>(acc[i], matrix_descriptor(at, 16, 1024), weights);
                }
            }
            wgmma_commit();
            wgmma_wait<1>(); // the products of the tap before are over
            if (speaks && free_b != 0) {
                mbarrier_arrive(free_b);
            }
            if (speaks && free_a != 0 && r == 0) {
                mbarrier_arrive(free_a);
            }
            free_b = wgmma_empty(b);
            wgmma_next(b);
        }
        free_a = wgmma_empty(a);
        wgmma_next(a);
    }
    wgmma_wait<0>();
}

// The accumulators lie scattered over the lanes; through shared memory every thread gets 8 columns of some rows.
template <class T> __device__ __forceinline__ void wgmma_spread(float *tile, const float (&acc)[T::MI][T::BN / 2]) {
    const int group = (int)threadIdx.x / 128, warp = (int)threadIdx.x / 32 % 4, lane = (int)threadIdx.x % 32;
    UNROLL
    for (int i = 0; i < T::MI; i++) {
        const int row = group * (T::BM / 2) + i * 64 + warp * 16 + lane / 4;
        UNROLL
        for (int j = 0; j < T::BN / 8; j++) {
            float *at = tile + row * T::PITCH + j * 8 + lane % 4 * 2;
            Float2 upper = {{acc[i][4 * j], acc[i][4 * j + 1]}}, lower = {{acc[i][4 * j + 2], acc[i][4 * j + 3]}};
            *(Float2 *)at = upper;
            *(Float2 *)(at + 8 * T::PITCH) = lower;
        }
    }
}
#endif

// ---- the kernel ----------------------------------------------------------------------------------------------------

// grid: (tiles over the columns, tiles over the rows).  Neighbouring blocks share their pixels.
template <class T, bool BACK>
__global__ void __launch_bounds__(T::ALL, T::BLOCKS) wgmma_conv(const __grid_constant__ WgmmaProduct w) {
#ifdef WGMMA_HERE
    const ConvProduct &p = w.p;
    const int n0 = (int)blockIdx.x * T::BN, m0 = (int)blockIdx.y * T::BM, group = (int)threadIdx.x / 128;
    if ((n0 < p.columns1 ? p.y1 : p.y2) == NULL && (n0 + T::BN > p.columns1 ? p.y2 : p.y1) == NULL) {
        return; // nobody wants these columns
    }
    unsigned char *shared = shared_memory();
    const uint32_t base = shared_address(shared), at_b = base + (uint32_t)(w.a_slots * w.a_bytes);
    const uint32_t bars = at_b + (uint32_t)(w.b_slots * T::B_BYTES);
    const WgmmaRing a = wgmma_ring(base, w.a_bytes, bars, w.a_slots);
    const WgmmaRing b = wgmma_ring(at_b, T::B_BYTES, bars + (uint32_t)w.a_slots * 16, w.b_slots);
    if (threadIdx.x == 0) {
        wgmma_ring_init(a, T::THREADS / 32);
        wgmma_ring_init(b, T::THREADS / 32);
        mbarrier_init_done();
    }
    __syncthreads();
    if (threadIdx.x >= T::THREADS) {
        if (T::BLOCKS == 1) {
            registers_leave<40>();
        }
        if (threadIdx.x == T::THREADS) {
            wgmma_produce<T, BACK>(w, a, b, m0, n0);
        }
        return;
    }
    if (T::BLOCKS == 1) {
        registers_take<232>();
    }
    float acc[T::MI][T::BN / 2];
    uint32_t pixels[T::MI];
    const int more = (w.k - 1) << p.walk.log_w; // pixels of the border above and below
    UNROLL
    for (int i = 0; i < T::MI; i++) {
        const int row = group * (T::BM / 2) + i * 64;
        pixels[i] = (uint32_t)(row + (row >> w.log_tile) * more) * 128;
        UNROLL
        for (int j = 0; j < T::BN / 2; j++) {
            acc[i][j] = 0;
        }
    }
    wgmma_consume<T, BACK>(acc, w, a, b, pixels);
    T::sync(); // both consumers are done with the rings: their memory holds the result now
    float *tile = (float *)shared, *red = (float *)(shared + T::TILE_BYTES);
    wgmma_spread<T>(tile, acc);
    T::sync();
    conv_finish<T>(p, tile, red, m0, n0);
#else
    __trap();
#endif
}

#endif
