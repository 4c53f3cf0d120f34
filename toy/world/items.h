// items.h: the things that a reader compares: points on the ring, or real digits.  Each has a name and features.
//
// A reward is linear in the features.  On the ring they are 25 Gaussian hills on a square lattice: how the ring is made
// does not enter, and any smooth reward is nearly a sum of them.  For digits see digit_features.h.
#ifndef TILT_ITEMS_H
#define TILT_ITEMS_H

#include "digit_features.h"
#include "ring.h"

enum { HILLS_SIDE = 5, HILLS = HILLS_SIDE * HILLS_SIDE, RING_ITEMS = 400, ITEM_NAME = 16 };
#define HILLS_SPACING 1.0 // the lattice reaches from -2 to 2 in x and y
#define HILLS_WIDTH 0.9   // standard deviation of a hill

typedef struct {
    int n, F;
    double *f;         // n x F
    real *x;           // n x dim: the things themselves
    int dim;           // 2 or 64
    int *group;        // n: only things of one group are compared (the digit); NULL: one group
    const char *world; // "ring" or "digits"
    char prefix;       // of a name: p017, d0123
    int figures;       // digits of a name
    double prior;      // variance of a weight before any answer
} Items;

static inline void item_name(char name[ITEM_NAME], const Items *items, int i) {
    snprintf(name, ITEM_NAME, "%c%0*d", items->prefix, items->figures, i);
}

// The number of a named item, or -1.
static inline int item_find(const Items *items, const char *name) {
    char want[ITEM_NAME];
    long i = name[0] == items->prefix && strspn(name + 1, "0123456789") == strlen(name + 1) && strlen(name) < 8
                 ? strtol(name + 1, NULL, 10)
                 : -1;
    if (i < 0 || i >= items->n) {
        return -1;
    }
    item_name(want, items, (int)i);
    return strcmp(want, name) == 0 ? (int)i : -1;
}

// Heights of the 25 hills at a point.
static inline void hill_features(double f[HILLS], const double x[2]) {
    double hx[HILLS_SIDE], hy[HILLS_SIDE];
    int i, j;
    for (i = 0; i < HILLS_SIDE; i++) { // a round hill is a product
        double at = HILLS_SPACING * (i - HILLS_SIDE / 2), dx = (x[0] - at) / HILLS_WIDTH;
        double dy = (x[1] - at) / HILLS_WIDTH;
        hx[i] = e_exp(-0.5 * dx * dx);
        hy[i] = e_exp(-0.5 * dy * dy);
    }
    for (j = 0; j < HILLS_SIDE; j++) {
        for (i = 0; i < HILLS_SIDE; i++) {
            f[j * HILLS_SIDE + i] = hx[i] * hy[j];
        }
    }
}

// RING_ITEMS points drawn from p_ref.
static inline Items items_ring(const Ring *ring, uint64_t seed, uint64_t stream) {
    Items items = {RING_ITEMS, HILLS, NULL, NULL, 2, NULL, "ring", 'p', 3, 4};
    int i;
    items.f = NEW(double, (size_t)items.n *HILLS);
    items.x = NEW(real, (size_t)items.n * 2);
    for (i = 0; i < items.n; i++) {
        double x[2];
        ring_sample(x, ring, -1, seed, stream, (uint64_t)i);
        hill_features(items.f + (size_t)i * HILLS, x);
        items.x[2 * i] = (real)x[0];
        items.x[2 * i + 1] = (real)x[1];
    }
    return items;
}

// All real digits; only pictures of one digit are compared.
static inline Items items_digits(const Digits *d) {
    Items items = {0, DIGIT_FEATURES, NULL, NULL, DIGIT_PIXELS, NULL, "digits", 'd', 4, 0.4};
    items.n = d->n;
    items.f = NEW(double, (size_t)d->n *DIGIT_FEATURES);
    items.x = NEW(real, (size_t)d->n * DIGIT_PIXELS);
    items.group = NEW(int, (size_t)d->n);
    digit_features(items.f, d);
    memcpy(items.x, d->x, (size_t)d->n * DIGIT_PIXELS * sizeof(real));
    memcpy(items.group, d->label, (size_t)d->n * sizeof(int));
    return items;
}

static inline void items_free(Items *items) {
    free(items->f);
    free(items->x);
    free(items->group);
    memset(items, 0, sizeof *items);
}

#endif
