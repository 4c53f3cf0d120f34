// emulate_hopper.h: the CPU's side of device_hopper.h, which explains the names: barriers, boxes of tensors, products.
#ifndef TILT_EMULATE_HOPPER_H
#define TILT_EMULATE_HOPPER_H

#include "device.h"

// ---- tensors and boxes ---------------------------------------------------------------------------------------------

// A tensor [n][y][x][c] of bf16 without gaps, and the size of a box of it, both from c on.
struct TensorMap {
    const bf16 *base;
    int size[4], box[4];
};

static inline void emu_tensor_check(const TensorMap *map) {
    for (int i = 0; i < 4; i++) {
        if (map->box[i] < 1 || map->box[i] > 256 || map->size[i] < 1) {
            emu_stop("a box has 1..256 numbers along each side", (unsigned long)map->box[i]);
        }
    }
    if ((uintptr_t)map->base % 16 != 0 || map->size[0] % 8 != 0 || map->box[0] != 64) {
        emu_stop("a tensor begins at 16 bytes, as do its rows, and a box has rows of 128 bytes", 0);
    }
}

struct EmuBox {
    TensorMap map;
    uint32_t to, bar;
    int at[4]; // where in the tensor
};

// A product that has been asked for, as one thread sees it.
struct EmuProduct {
    float *d;
    uint64_t a, b;
    int registers;
    bool transposed_a, transposed_b;
    unsigned group;
};

static struct {
    long block; // everything below belongs to this block
    std::vector<EmuBox> boxes;
    std::vector<EmuProduct> products[1024];
    unsigned group[1024];
    std::vector<uint64_t> seen[8]; // the descriptors that a warpgroup has used: its warps must agree
    size_t used[32];
} emu_hopper;

// Outside of the tensor there are zeros.  Before the box has arrived: NaN.
static inline void emu_box(const EmuBox &box, bool arrived) {
    const int *size = box.map.size, *count = box.map.box;
    uint32_t row = box.to;
    for (int n = 0; n < count[3]; n++) {
        for (int y = 0; y < count[2]; y++) {
            for (int x = 0; x < count[1]; x++, row += 128) {
                int at[4] = {box.at[0], box.at[1] + x, box.at[2] + y, box.at[3] + n};
                bool inside = true;
                for (int i = 0; i < 4; i++) {
                    inside = inside && at[i] >= 0 && at[i] < size[i];
                }
                size_t pixel =
                    inside ? ((size_t)at[3] * (size_t)size[2] + (size_t)at[2]) * (size_t)size[1] + (size_t)at[1] : 0;
                for (int q = 0; q < 8; q++) {
                    unsigned char *to = emu_at(swizzle(row + 16 * (uint32_t)q), 16);
                    int c = at[0] + 8 * q;
                    if (!arrived) {
                        memset(to, 0xff, 16);
                    } else if (inside && c < size[0]) {
                        memcpy(to, box.map.base + pixel * (size_t)size[0] + (size_t)c, 16);
                    } else {
                        memset(to, 0, 16);
                    }
                }
            }
        }
    }
}

// ---- barriers ------------------------------------------------------------------------------------------------------

struct EmuBarrier {
    int32_t bytes;   // expected and not yet there
    int16_t pending; // arrivals
    uint8_t count, parity;
};

static inline EmuBarrier *emu_barrier(uint32_t bar) {
    EmuBarrier *b = (EmuBarrier *)emu_at(bar, 8);
    if (bar % 8 != 0 || b->parity > 1) {
        emu_stop("a barrier that nobody has made", bar);
    }
    return b;
}

static inline void emu_barrier_check(EmuBarrier *b) {
    if (b->pending < 0 || (b->pending == 0 && b->bytes < 0)) {
        emu_stop("more has arrived at a barrier than it counts", b->count);
    }
    if (b->pending == 0 && b->bytes == 0) {
        b->parity ^= 1;
        b->pending = b->count;
        emu.progress++;
    }
}

static inline void mbarrier_init(uint32_t bar, int arrivals) {
    EmuBarrier b = {0, (int16_t)arrivals, (uint8_t)arrivals, 0};
    memcpy(emu_at(bar, 8), &b, 8);
    if (emu_hopper.block == emu.blocks) {
        return;
    }
    if (!emu_hopper.boxes.empty()) {
        emu_stop("boxes that a block before has not waited for", (unsigned long)emu_hopper.boxes.size());
    }
    emu_hopper.block = emu.blocks;
    for (int i = 0; i < 1024; i++) {
        emu_hopper.products[i].clear();
        emu_hopper.group[i] = 0;
        emu_hopper.seen[i % 8].clear();
        emu_hopper.used[i % 32] = 0;
    }
}

static inline void mbarrier_init_done() {
}

static inline void mbarrier_arrive(uint32_t bar) {
    EmuBarrier *b = emu_barrier(bar);
    b->pending--;
    emu_barrier_check(b);
}

// An arrival that also announces so many bytes.
static inline void mbarrier_expect(uint32_t bar, uint32_t bytes) {
    emu_barrier(bar)->bytes += (int32_t)bytes;
    mbarrier_arrive(bar);
}

// Wait until the phase of this parity (0, 1, 0, ...) is over: all have arrived, and all bytes.
static inline void mbarrier_wait(uint32_t bar, uint32_t parity) {
    EmuBarrier *b = emu_barrier(bar);
    while (b->parity == parity) {
        if (b->pending == 0) { // nothing but the bytes is missing
            std::vector<EmuBox> later;
            for (const EmuBox &box : emu_hopper.boxes) {
                if (box.bar == bar) {
                    emu_box(box, true);
                    b->bytes -= box.map.box[1] * box.map.box[2] * box.map.box[3] * 128;
                } else {
                    later.push_back(box);
                }
            }
            emu_hopper.boxes.swap(later);
            emu_barrier_check(b);
        }
        if (b->parity == parity) {
            emu_yield();
        }
    }
}

// The box at (c, x, y, n) to `to`, a multiple of 1024; its bytes arrive at `bar`.
static inline void tensor_load(uint32_t to, const TensorMap *map, uint32_t bar, int c, int x, int y, int n) {
    EmuBox box = {*map, to, bar, {c, x, y, n}};
    if (to % 1024 != 0) {
        emu_stop("a box begins at a multiple of 1024 bytes", to);
    }
    emu_box(box, false);
    emu_hopper.boxes.push_back(box);
}

// ---- products ------------------------------------------------------------------------------------------------------

static inline float emu_element(uint64_t descriptor, int mn, int k, bool transposed) {
    uint32_t start = (descriptor & 0x3fff) << 4, leading = (descriptor >> 16 & 0x3fff) << 4;
    uint32_t stride = (descriptor >> 32 & 0x3fff) << 4, m = (uint32_t)mn, d = (uint32_t)k;
    bf16 h;
    start += transposed ? m / 64 * leading + m % 64 * 2 + d / 8 * stride + d % 8 * 128
                        : m / 8 * stride + m % 8 * 128 + d * 2;
    memcpy(&h, emu_at(swizzle(start), 2), 2);
    return to_float(h);
}

// The share of one warp: 16 rows.  all: what its lanes brought.
static inline void emu_multiply(EmuProduct *const *all) {
    static float A[16][16], B[256][16];
    const EmuProduct *p = all[0];
    int warp = emu_id() / 32;
    std::vector<uint64_t> &seen = emu_hopper.seen[warp / 4];
    size_t used = emu_hopper.used[warp]++;
    if (used == seen.size() / 2) {
        seen.push_back(p->a);
        seen.push_back(p->b);
    }
    for (int l = 0; l < 32; l++) {
        if (all[l]->a != seen[2 * used] || all[l]->b != seen[2 * used + 1]) {
            emu_stop("wgmma: the threads of a warpgroup have different matrices", (unsigned long)used);
        }
    }
    for (int k = 0; k < 16; k++) {
        for (int m = 0; m < 16; m++) {
            A[m][k] = emu_element(p->a, warp % 4 * 16 + m, k, p->transposed_a);
        }
        for (int n = 0; n < 2 * p->registers; n++) {
            B[n][k] = emu_element(p->b, n, k, p->transposed_b);
        }
    }
    for (int l = 0; l < 32; l++) {
        for (int i = 0; i < p->registers; i++) {
            const float *a = A[l / 4 + 8 * (i / 2 % 2)], *b = B[i / 4 * 8 + 2 * (l % 4) + i % 2];
            float sum = all[l]->d[i];
            for (int k = 0; k < 16; k++) {
                sum += a[k] * b[k];
            }
            all[l]->d[i] = sum;
        }
    }
}

static inline void wgmma_fence() {
}

// d (64 x N, N = 2 COUNT) += a (64 x 16) b (16 x N).  Thread t of the warpgroup holds in d[4 j + 2 r + h] row
// 16 (t / 32) + t % 32 / 4 + 8 r and column 8 j + 2 (t % 4) + h.
template <int TRANSPOSED_A, int TRANSPOSED_B, int COUNT>
static inline void wgmma(float (&d)[COUNT], uint64_t a, uint64_t b) {
    int id = emu_id();
    EmuProduct p = {d, a, b, COUNT, TRANSPOSED_A == 1, TRANSPOSED_B == 1, emu_hopper.group[id]};
    emu_hopper.products[id].push_back(p);
}

// The products since the last commit are one group.
static inline void wgmma_commit() {
    emu_hopper.group[emu_id()]++;
}

// Wait until at most the N youngest groups are under way.
template <int N> static inline void wgmma_wait() {
    emu_meet_warp(&emu_hopper.products[emu_id()], [](void **all) {
        size_t due = 0;
        std::vector<EmuProduct> &first = *(std::vector<EmuProduct> *)all[0];
        while (due < first.size() && first[due].group + N < emu_hopper.group[emu_id()]) {
            EmuProduct *lanes[32];
            for (int l = 0; l < 32; l++) {
                lanes[l] = &(*(std::vector<EmuProduct> *)all[l])[due];
            }
            emu_multiply(lanes);
            due++;
        }
        for (int l = 0; l < 32; l++) {
            std::vector<EmuProduct> &queue = *(std::vector<EmuProduct> *)all[l];
            queue.erase(queue.begin(), queue.begin() + (long)due);
        }
    });
}

template <int N> static inline void registers_take() {
}
template <int N> static inline void registers_leave() {
}

#endif
