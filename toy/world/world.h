// world.h: what a method may know of a world, whatever the world is: draw data, and (for the rater) the true reward.
#ifndef TILT_WORLD_H
#define TILT_WORLD_H

#include "../../ref/core/base.h"

typedef struct World World;
struct World {
    const char *name;
    int dim, prompts; // numbers per sample, prompts 0..prompts-1
    // n rows x (n x dim) and their prompts c (n); a row is a function of (seed, stream, its number), from `first` on.
    void (*draw)(const World *, real *x, int *c, size_t n, uint64_t seed, uint64_t stream, uint64_t first);
    // The true reward of n rows.  Only raters and scoreboards call it.
    void (*reward)(const World *, double *r, const real *x, const int *c, size_t n);
    const void *self, *truth; // the world's own data, and the constants of its reward
    uint64_t stream;          // added to every stream number, so that two worlds of one program share no noise
};

#endif
