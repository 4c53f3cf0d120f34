// net.h: the one interface between methods and models.
//
// A method touches a model only through eps = forward(x, t, c) and hands back dL/d eps; it knows no network.  A model
// is an object with forward and backward; it knows no loss.  So every method runs unchanged on an exact mixture, an
// MLP, or a UNet.  backward takes the inputs again: it is a pure function, legal later and in any order.
#ifndef TILT_NET_H
#define TILT_NET_H

#include "rng.h"

typedef struct Net Net;

// A net whose parameters live on a device may collect gradients and take Adam's steps there.  From start to end net->g
// is not written and net->p is old.  adam_beside of optim.h calls these; nobody else needs to.
struct Adam;
typedef struct {
    void (*start)(Net *); // from now on backward adds to a gradient on the device, which is zero, as Adam's means are
    void (*zero)(Net *);  // that gradient = 0
    // One step along that gradient clipped to a length of `limit`, by the numbers of the Adam; net_changed.  Returns
    // the length it had; NaN or Inf: the parameters are lost.
    double (*step)(Net *, const struct Adam *, double limit);
    void (*end)(Net *); // p comes home; gradient and means are gone
} NetSteps;

struct Net {        // anything with parameters: denoiser, reward model, critic
    int in, out;    // numbers per sample; a denoiser has in == out
    size_t np;      // number of parameters
    real *p, *g;    // ONE flat vector of parameters and one of gradients, np each
    unsigned stamp; // bumped by every parameter change, so that stale activations are never used
    // y (n x out) = f(x (n x in); t, c).  t (n): timestep index 0..T-1, NULL where the model has no time.
    // c (n): prompt index, -1 = the null prompt, NULL = all -1.
    void (*forward)(Net *, real *y, const real *x, const real *t, const int *c, int n);
    // g += (dy/dp)' dy unless g is NULL;  dx += (dy/dx)' dy unless dx is NULL (dx: n x in).
    void (*backward)(Net *, real *dx, const real *dy, const real *x, const real *t, const int *c, int n);
    void (*release)(Net *); // frees what the model itself allocated, or NULL
    void *self;             // the model's own data
    const NetSteps *steps;  // how it steps where its parameters live, or NULL: on this machine
    int away;               // is an Adam at work there?
};

// Parameters and gradients for np numbers; the model fills in the rest.
static inline Net net_new(int in, int out, size_t np) {
    Net net;
    memset(&net, 0, sizeof(net));
    net.in = in;
    net.out = out;
    net.np = np;
    net.p = NEW(real, np);
    net.g = NEW(real, np);
    net.stamp = 1;
    return net;
}

static inline void net_free(Net *net) {
    if (net->release != NULL) {
        net->release(net);
    }
    free(net->p);
    free(net->g);
    memset(net, 0, sizeof(*net));
}

// Says that p was changed by hand; every writer of p calls it.
static inline void net_changed(Net *net) {
    net->stamp++;
}

static inline void net_zero_grad(Net *net) {
    if (net->away) {
        net->steps->zero(net);
        return;
    }
    memset(net->g, 0, net->np * sizeof(real));
}

// For whoever reads or replaces all of p.
static inline void net_need_home(const Net *net, const char *who) {
    if (net->away) {
        DIE("%s: the parameters of this net are on its device; free the Adam of adam_beside first", who);
    }
}

// to.p = from.p; the two must be of one shape.
static inline void net_copy(Net *to, const Net *from) {
    if (to->np != from->np) {
        DIE("net_copy: %zu parameters into %zu; build both nets with the same sizes", from->np, to->np);
    }
    net_need_home(to, "net_copy");
    net_need_home(from, "net_copy");
    memcpy(to->p, from->p, to->np * sizeof(real));
    net_changed(to);
}

// The hash that programs print: the bits of all parameters.
static inline uint64_t net_hash(uint64_t h, const Net *net) {
    return hash_reals(h, net->p, net->np);
}

#endif
