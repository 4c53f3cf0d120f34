// emulate.h: CUDA kernels on a CPU, one coroutine per CUDA thread: index arithmetic can be tested without a GPU, and a
// debugger can stop in thread 3 of block 2.
//
//   emu_launch(grid, block, shared_bytes, [&] { kernel(arguments); });
// Inside the kernel threadIdx, blockIdx, blockDim, gridDim, __syncthreads and the warp shuffles are there; device.h
// adds the rest.  Blocks run one after another; the threads of a block run in turn, and change places where they wait
// for each other.  It favours checking over speed:
//   - shared memory starts as NaN, and an address outside it stops the program;
//   - an asynchronous copy turns its target into NaN at once and delivers as late as it may, at the wait of its group:
//     a missing wait, a wrong count of stages and a target that is still being read all show;
//   - when no thread can go on, the deadlock is reported with its block;
//   - a warp runs as far as it can before the next one starts.  EMU_ORDER=1 begins with the last thread, a larger
//     number is the seed of a shuffle in which all warps keep step: a result that depends on the order misses a
//     barrier.
// What it cannot see: races between threads that run at the same moment, missing memory fences, bank conflicts, time.
// C++11, POSIX ucontext (a thread's first step) and _setjmp; no part of it is compiled for a GPU.
#ifndef TILT_EMULATE_H
#define TILT_EMULATE_H

#undef _FORTIFY_SOURCE // it takes a jump from one stack to another for an error
#include <functional>
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <vector>

#if defined(__USE_FORTIFY_LEVEL) && __USE_FORTIFY_LEVEL > 0
#error "include emulate.h (or device.h) before the C library, or compile with -U_FORTIFY_SOURCE"
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {
    }
};
static dim3 threadIdx, blockIdx, blockDim, gridDim; // plain variables: "print threadIdx" works in gdb

// An asynchronous copy that has been asked for and not yet waited for.
struct EmuCopy {
    uint32_t to;
    const void *from; // NULL: zeros
    unsigned group;
};

struct EmuThread {
    ucontext_t context; // how it begins
    jmp_buf place;      // where it goes on: swapcontext asks the system at every change, which takes half of the time
    dim3 index;
    bool begun, done;
    char *stack;
    std::vector<EmuCopy> copies;
    unsigned group; // the group that is open: the groups before it are committed
};

// A meeting of some threads: who has come, and what each brought.
struct EmuGroup {
    int arrived;
    unsigned meeting;
    void *brought[1024];
};

enum { EMU_STACK = 64 << 10 };

static struct {
    std::vector<EmuThread> thread;
    std::vector<int> order; // of the threads
    std::vector<int> place; // of a thread in `order`
    int current, left;      // the thread that runs; threads that have not ended
    jmp_buf scheduler;
    std::function<void()> *body;
    long progress; // grows when anything happens that another thread may wait for
    long seen;     // its value when the last round over a span began
    long blocks;   // how many have begun
    size_t span;   // so many threads of the order get on together before others do
    size_t idle;   // threads that have waited in vain since the last progress
    unsigned char *shared;
    size_t shared_bytes;
    EmuGroup block, named[16], warp[32], warpgroup[8];
} emu;

[[noreturn]] static inline void emu_stop(const char *what, unsigned long number) {
    fprintf(stderr, "emulate: %s (%lu) in block (%u,%u,%u), thread (%u,%u,%u)\n", what, number, blockIdx.x, blockIdx.y,
            blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
    exit(3);
}

static inline int emu_id() {
    return (int)(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
}

// The place after `at` in the order: round and round in one span (a warp) as long as that gets on, then the next span.
// When no span gets on, nobody ever will.
static inline size_t emu_next(size_t at) {
    size_t n = emu.order.size(), begin = at / emu.span * emu.span;
    if (++at < n && at < begin + emu.span) {
        return at;
    }
    if (emu.progress != emu.seen) {
        emu.seen = emu.progress;
        emu.idle = 0;
        return begin;
    }
    emu.idle += at - begin;
    if (emu.idle >= n) {
        emu_stop("deadlock: so many threads wait for ever", (unsigned long)emu.left);
    }
    return at == n ? 0 : at;
}

// Leave the thread that runs, with `from` as its way back, for the thread at place `at` or the next that has not ended.
static inline void emu_entry();
__attribute__((noinline)) static void emu_go(jmp_buf from, size_t at) {
    while (emu.thread[(size_t)emu.order[at]].done) {
        at = emu_next(at);
    }
    EmuThread &t = emu.thread[(size_t)emu.order[at]];
    emu.current = emu.order[at];
    threadIdx = t.index;
    if (from != NULL && _setjmp(from) != 0) {
        return;
    }
    if (t.begun) {
        _longjmp(t.place, 1);
    }
    t.begun = true;
    t.stack = (char *)malloc(EMU_STACK);
    getcontext(&t.context);
    t.context.uc_stack.ss_sp = t.stack;
    t.context.uc_stack.ss_size = EMU_STACK;
    t.context.uc_link = NULL;
    makecontext(&t.context, emu_entry, 0);
    setcontext(&t.context);
}

static inline void emu_yield() {
    EmuThread &t = emu.thread[(size_t)emu.current];
    emu_go(t.place, emu_next((size_t)emu.place[(size_t)emu.current]));
}

// n threads meet; the last to come runs f over what all have brought; then all go on.
template <class F> static inline void emu_meet(EmuGroup &g, int n, int rank, void *mine, F f) {
    unsigned meeting = g.meeting;
    g.brought[rank] = mine;
    if (++g.arrived == n) {
        f(g.brought);
        g.arrived = 0;
        g.meeting++;
        emu.progress++;
        return;
    }
    while (g.meeting == meeting) {
        emu_yield();
    }
}

static inline void emu_nothing(void **) {
}

template <class F> static inline void emu_meet_warp(void *mine, F f) {
    emu_meet(emu.warp[emu_id() / 32], 32, emu_id() % 32, mine, f);
}

static inline void __syncthreads() {
    emu_meet(emu.block, (int)(blockDim.x * blockDim.y * blockDim.z), emu_id(), NULL, emu_nothing);
}

static inline void __syncwarp(unsigned = ~0u) {
    emu_meet_warp(NULL, emu_nothing);
}

static inline float __shfl_xor_sync(unsigned, float value, int mask) {
    struct Offer {
        float in, out;
        int mask;
    } offer = {value, 0, mask};
    emu_meet_warp(&offer, [](void **all) {
        for (int i = 0; i < 32; i++) {
            Offer *o = (Offer *)all[i];
            o->out = ((Offer *)all[i ^ o->mask])->in;
        }
    });
    return offer.out;
}

static inline float rsqrtf(float x) {
    return 1.f / sqrtf(x);
}

// A coroutine lives for ever: it runs one CUDA thread a block, then waits for the next block.
static inline void emu_entry() {
    for (;;) {
        (*emu.body)();
        EmuThread &t = emu.thread[(size_t)emu.current];
        t.done = true;
        emu.progress++;
        if (--emu.left > 0) {
            emu_go(t.place, emu_next((size_t)emu.place[(size_t)emu.current]));
        } else if (_setjmp(t.place) == 0) {
            _longjmp(emu.scheduler, 1);
        }
    }
}

static inline void emu_shuffle(int n) {
    const char *text = getenv("EMU_ORDER");
    unsigned seed = text != NULL ? (unsigned)atoi(text) : 0;
    emu.order.resize((size_t)n);
    emu.place.resize((size_t)n);
    emu.span = seed > 1 ? (size_t)n : 32;
    for (int i = 0; i < n; i++) {
        emu.order[(size_t)i] = seed == 1 ? n - 1 - i : i;
    }
    for (int i = n - 1; i > 0 && seed > 1; i--) {
        seed = seed * 1664525u + 1013904223u;
        std::swap(emu.order[(size_t)i], emu.order[(seed >> 8) % (unsigned)(i + 1)]);
    }
    for (int i = 0; i < n; i++) {
        emu.place[(size_t)emu.order[(size_t)i]] = i;
    }
}

static inline void emu_run_block(int n) {
    memset((void *)emu.shared, 0xff, emu.shared_bytes); // NaN in bf16 and in fp32
    memset((void *)&emu.block, 0, sizeof emu.block);
    memset((void *)emu.named, 0, sizeof emu.named);
    memset((void *)emu.warp, 0, sizeof emu.warp);
    memset((void *)emu.warpgroup, 0, sizeof emu.warpgroup);
    for (int i = 0; i < n; i++) {
        EmuThread &t = emu.thread[(size_t)i];
        unsigned u = (unsigned)i;
        t.done = false;
        t.copies.clear();
        t.group = 0;
        t.index = dim3(u % blockDim.x, u / blockDim.x % blockDim.y, u / (blockDim.x * blockDim.y));
    }
    emu.left = n;
    emu.seen = emu.progress;
    emu.idle = 0;
    emu.blocks++;
    emu_go(emu.scheduler, 0); // comes back when all have ended
}

static inline void emu_launch(dim3 grid, dim3 block, size_t shared_bytes, std::function<void()> body) {
    int n = (int)(block.x * block.y * block.z);
    blockDim = block;
    gridDim = grid;
    emu.body = &body;
    emu.shared_bytes = (shared_bytes + 1023) / 1024 * 1024;
    if (n < 1 || n > 1024 || posix_memalign((void **)&emu.shared, 1024, emu.shared_bytes + 1024) != 0) {
        emu_stop("a block has 1..1024 threads", (unsigned long)n);
    }
    if (emu.thread.empty()) { // once: coroutines are dear to make
        emu.thread.resize(1024);
    }
    emu_shuffle(n);
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = dim3(x, y, z);
                emu_run_block(n);
            }
        }
    }
    free(emu.shared);
    emu.shared = NULL;
}

#endif
