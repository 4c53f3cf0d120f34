// base.h: what every other file stands on: the number type, loud failure, checked memory, an arena, a hash.
//
// It shows no diffusion and no learning.  Errors: everything here either works or ends the program with one line
// that says what failed, on which side, with the number, and what to do (exit 1).
#ifndef TILT_BASE_H
#define TILT_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang fuses a * b + c into one rounding where the processor can, which changes the bits; gcc -std=c99 does not.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

// The number type of networks and samples.  Chapters use float; tests and the ledger compile the same files with
// -Dreal=double, because a gradient check in float needs a tolerance so wide that it hides bugs.
#ifndef real
#define real float
#endif

#define PI 3.14159265358979323846

// ---- failure ---------------------------------------------------------------------------------------------------

// DIE("what happened to %s; what to do", name): one line on stderr, exit 1.  Exit 2 is kept for wrong usage.
#define DIE(...)                      \
    do {                              \
        fprintf(stderr, "tilt: ");    \
        fprintf(stderr, __VA_ARGS__); \
        fputc('\n', stderr);          \
        exit(1);                      \
    } while (0)

// ---- parallel loops ----------------------------------------------------------------------------------------------

// OMP(parallel for) in front of a loop whose iterations own their outputs.  Without -fopenmp it is nothing, so
// tcc, which does not know _Pragma, compiles the same source.  Never put reduction(+:) in it: the order of a
// floating-point sum must not depend on the number of threads.
#define TILT_PRAGMA(text) _Pragma(#text)
#ifdef _OPENMP
#define OMP(directive) TILT_PRAGMA(omp directive)
#else
#define OMP(directive)
#endif

// SIMD in front of an inner loop: a promise that iterations are independent.  -fopenmp-simd is enough for it.
#if defined(_OPENMP) || defined(TILT_SIMD)
#define SIMD TILT_PRAGMA(omp simd)
#else
#define SIMD
#endif

// ROLLED in front of a loop that a compiler shall not unroll: clang unrolls the k loop of a register tile and then has
// too few registers for the sums.
#ifdef __clang__
#define ROLLED TILT_PRAGMA(clang loop unroll(disable))
#else
#define ROLLED
#endif

// restrict, by the name that a C++ compiler (for .cu files) knows.
#ifdef __cplusplus
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

// ---- memory ------------------------------------------------------------------------------------------------------

// a * b as a size; dies instead of wrapping.  Use it wherever a factor comes from a file or an option.
static inline size_t size_mul(size_t a, size_t b) {
    if (b != 0 && a > (size_t)-1 / b) {
        DIE("size overflow: %zu x %zu does not fit in memory; check the sizes in the file or option", a, b);
    }
    return a * b;
}

// n * size zeroed bytes; never returns NULL.  Free with free().
static inline void *xcalloc(size_t n, size_t size) {
    size_t bytes = size_mul(n, size);
    void *p = calloc(bytes ? bytes : 1, 1);
    if (p == NULL) {
        DIE("out of memory: %zu bytes wanted; use a smaller batch or grid", bytes);
    }
    return p;
}

// A grown copy of p with room for n * size bytes; never returns NULL.
static inline void *xrealloc(void *p, size_t n, size_t size) {
    size_t bytes = size_mul(n, size);
    void *q = realloc(p, bytes ? bytes : 1);
    if (q == NULL) {
        DIE("out of memory: %zu bytes wanted; use a smaller batch or grid", bytes);
    }
    return q;
}

// NEW(double, n): n zeroed numbers.  The cast keeps the headers readable by a C++ compiler (for .cu files).
#define NEW(type, n) ((type *)xcalloc((n), sizeof(type)))

// Temporaries from one block: take what you need, rewind to a mark, never free one by one.
typedef struct {
    char *base;
    size_t used, cap; // bytes
} Arena;

static inline Arena arena_new(size_t bytes) {
    Arena a;
    a.base = NEW(char, bytes);
    a.used = 0;
    a.cap = bytes;
    return a;
}

// n * size zeroed bytes, aligned to 64 within the block; dies when the block is full.
static inline void *arena_take(Arena *a, size_t n, size_t size) {
    size_t want = size_mul(n, size);
    size_t room = a->cap - a->used;
    if (want > (size_t)-1 - 63) {
        DIE("arena: %zu bytes wanted; check the sizes", want);
    }
    want = (want + 63) & ~(size_t)63;
    if (want > room) {
        DIE("arena: %zu bytes wanted, %zu of %zu left; enlarge it where it is made", want, room, a->cap);
    }
    a->used += want;
    return memset(a->base + a->used - want, 0, want);
}

static inline void arena_free(Arena *a) {
    free(a->base);
    a->base = NULL;
    a->used = a->cap = 0;
}

// ---- files -------------------------------------------------------------------------------------------------------

// fopen that cannot fail silently; the hint belongs to this file ("Make it with ...").
static inline FILE *open_or_die(const char *path, const char *mode, const char *hint) {
    FILE *f = fopen(path, mode);
    if (f == NULL) {
        DIE("cannot open '%s'. %s", path, hint);
    }
    return f;
}

// ---- hash --------------------------------------------------------------------------------------------------------

// FNV-1a over bytes, 64 bit (Fowler, Noll, Vo).  Start with HASH_START; feed pieces one after another.
#define HASH_START 14695981039346656037u
static inline uint64_t hash_bytes(uint64_t h, const void *p, size_t n) {
    const unsigned char *b = (const unsigned char *)p;
    size_t i;
    for (i = 0; i < n; i++) {
        h = (h ^ b[i]) * 1099511628211u;
    }
    return h;
}

// The hash of a vector of numbers, by value: each number as the bits of a float, low byte first, so that a
// big-endian machine prints the same digits.
static inline uint64_t hash_reals(uint64_t h, const real *p, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        union {
            float f;
            uint32_t u;
        } v;
        unsigned char b[4];
        v.f = (float)p[i];
        b[0] = (unsigned char)(v.u & 255);
        b[1] = (unsigned char)(v.u >> 8 & 255);
        b[2] = (unsigned char)(v.u >> 16 & 255);
        b[3] = (unsigned char)(v.u >> 24 & 255);
        h = hash_bytes(h, b, 4);
    }
    return h;
}

#endif
