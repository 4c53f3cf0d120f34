// guided_ring.h: samples of the ring under guidance, and whether they still lie where data lie.
#ifndef TILT_GUIDED_RING_H
#define TILT_GUIDED_RING_H

#include "../model/chain.h"
#include "ring.h"

#define GUIDED_RING_STDS 3.0 // a sample further than this from every mode has left the support of the data

typedef struct {
    double outside; // share of the samples that left
    double own;     // of those that did not, the share on the modes of their own prompt
} GuidedRing;

// n samples of every prompt from the chain of a net, guided with scale s; net NULL: n data points of every prompt.
// Prompt c uses stream + c, so that two scales and two nets start from the same noise.
static inline GuidedRing guided_ring(const Ring *ring, Net *net, const Chain *fitted, double s, int n, uint64_t seed,
                                     uint64_t stream) {
    GuidedRing out;
    double on_any = 0, on_own = 0;
    real *x = NEW(real, 2 * (size_t)n);
    int *c = NEW(int, (size_t)n), prompt, i;
    for (prompt = 0; prompt < ring->prompts; prompt++) {
        for (i = 0; i < n; i++) {
            c[i] = prompt;
        }
        if (net == NULL) {
            ring_batch(x, NULL, c, (size_t)n, ring, seed, stream + (uint64_t)prompt, 0);
        } else {
            Chain chain = *fitted;
            chain.guidance = s;
            chain_sample(x, NULL, net, &chain, c, n, seed, stream + (uint64_t)prompt);
        }
        on_any += ring_on_modes(ring, x, (size_t)n, -1, GUIDED_RING_STDS) / ring->prompts;
        on_own += ring_on_modes(ring, x, (size_t)n, prompt, GUIDED_RING_STDS) / ring->prompts;
    }
    out.outside = 1 - on_any;
    out.own = on_any > 0 ? on_own / on_any : 0; // nobody is left: no share either
    free(x);
    free(c);
    return out;
}

#endif
