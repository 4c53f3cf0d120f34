// ring_net.h: the law of the ring as a trainable net, exactly: a denoiser without any error, and a place to start from.
#ifndef TILT_RING_NET_H
#define TILT_RING_NET_H

#include "../model/mixture.h"
#include "ring.h"

// prompts: 1 = a prompt owns its two modes, as in the world; 0 = every mode belongs to everybody.
static inline Net ring_net(const Ring *ring, const Schedule *schedule, int prompts) {
    double w[RING_MODES], mu[2 * RING_MODES], std[RING_MODES];
    int owner[RING_MODES], k;
    for (k = 0; k < ring->modes; k++) {
        w[k] = 1.0 / ring->modes;
        std[k] = ring->std;
        owner[k] = ring_prompt_of_mode(ring, k);
        ring_mode(mu + 2 * k, ring, k);
    }
    return mixture_new(ring->modes, 2, w, mu, std, prompts ? owner : NULL, schedule);
}

// The exact denoiser of the ring under this schedule.
static inline Net ring_denoiser(const Ring *ring, const Schedule *schedule) {
    return ring_net(ring, schedule, 1);
}

#endif
