// worlds.h: the ring and the digits as World objects, each with the true reward that chapter 1 hides from the methods.
#ifndef TILT_WORLDS_H
#define TILT_WORLDS_H

#include "../feedback/rewards.h"
#include "digits.h"
#include "ring.h"
#include "world.h"

static inline void ring_world_draw(const World *w, real *x, int *c, size_t n, uint64_t seed, uint64_t stream,
                                   uint64_t first) {
    ring_batch(x, c, NULL, n, (const Ring *)w->self, seed, stream, first);
}

static inline void ring_world_reward(const World *w, double *r, const real *x, const int *c, size_t n) {
    size_t i;
    (void)c;
    for (i = 0; i < n; i++) {
        double at[2];
        at[0] = (double)x[2 * i];
        at[1] = (double)x[2 * i + 1];
        r[i] = quad_reward((const QuadReward *)w->truth, at);
    }
}

// The ring under a linear or quadratic reward, for which p* is also known in closed form.  Both are borrowed.
static inline World ring_world(const Ring *ring, const QuadReward *truth) {
    World w = {"ring", 2, RING_PROMPTS, ring_world_draw, ring_world_reward, NULL, NULL, 0};
    w.self = ring;
    w.truth = truth;
    return w;
}

// What people see as stroke weight: `scale` reward units per standard deviation of ink over the data.  People see paper
// and ink, nothing beyond: pixels are cut to [-1, 1] first, so the reward is bounded.
typedef struct {
    Ink ink;
    double scale;
} StrokeWeight;

static inline void digits_world_draw(const World *w, real *x, int *c, size_t n, uint64_t seed, uint64_t stream,
                                     uint64_t first) {
    digits_batch(x, c, NULL, n, (const Digits *)w->self, seed, stream, first);
}

static inline void digits_world_reward(const World *w, double *r, const real *x, const int *c, size_t n) {
    const StrokeWeight *truth = (const StrokeWeight *)w->truth;
    size_t i;
    (void)c;
    for (i = 0; i < n; i++) {
        real seen[DIGIT_PIXELS];
        int k;
        for (k = 0; k < DIGIT_PIXELS; k++) {
            real v = x[i * DIGIT_PIXELS + (size_t)k];
            seen[k] = v < -1 ? (real)-1 : v > 1 ? (real)1 : v;
        }
        r[i] = truth->scale * ink_reward(seen, &truth->ink);
    }
}

// The digits under the stroke-weight reward.  Both are borrowed.
static inline World digits_world(const Digits *digits, const StrokeWeight *truth) {
    World w = {"digits", DIGIT_PIXELS, DIGIT_CLASSES, digits_world_draw, digits_world_reward, NULL, NULL, 1000};
    w.self = digits;
    w.truth = truth;
    return w;
}

#endif
