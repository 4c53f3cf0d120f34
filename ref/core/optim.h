// optim.h: what turns a gradient into a step.  Everything acts on the flat vectors of a Net.
#ifndef TILT_OPTIM_H
#define TILT_OPTIM_H

#include "net.h"

typedef struct Adam {
    real *m, *v;         // running means of g and g^2, np each
    size_t np;           // must equal the net's
    long step;           // steps taken; the bias correction depends on it
    double lr;           // learning rate
    double beta1, beta2; // decay of the two means
    double eps;          // added to the root
    double decay;        // decoupled weight decay (AdamW); 0 is plain Adam
    Net *beside;         // the net that keeps m and v itself and steps on its device (adam_beside), or NULL
} Adam;

static inline Adam adam_new(const Net *net, double lr) {
    Adam a = {NULL, NULL, 0, 0, 0, 0.9, 0.999, 1e-8, 0, NULL};
    a.m = NEW(real, net->np);
    a.v = NEW(real, net->np);
    a.np = net->np;
    a.lr = lr;
    return a;
}

// An Adam beside the parameters: for a net that can step on its device (NetSteps), gradients and means stay there until
// adam_free, which brings the parameters home and must come before net_free.  For any other net it is adam_new.
static inline Adam adam_beside(Net *net, double lr) {
    Adam a = {NULL, NULL, 0, 0, 0, 0.9, 0.999, 1e-8, 0, NULL};
    if (net->steps == NULL) {
        return adam_new(net, lr);
    }
    if (net->away) {
        DIE("adam_beside: this net has such an Adam already; free that one first, or go on with it");
    }
    net->steps->start(net);
    net->away = 1;
    a.np = net->np;
    a.lr = lr;
    a.beside = net;
    return a;
}

static inline void adam_free(Adam *a) {
    if (a->beside != NULL) {
        a->beside->steps->end(a->beside);
        a->beside->away = 0;
        a->beside = NULL;
    }
    free(a->m);
    free(a->v);
    a->m = a->v = NULL;
}

// F: adam      one step of Adam, with the decoupled weight decay of AdamW                          [chapter 1]
//   m = b1 m + (1-b1) g,   v = b2 v + (1-b2) g^2,   mh = m/(1-b1^k),   vh = v/(1-b2^k)   at step k = 1, 2, ...
//   p <- p - lr ( mh / (sqrt(vh) + eps) + decay p )
//   source: Kingma and Ba 2015, arXiv 1412.6980; Loshchilov and Hutter 2019, arXiv 1711.05101
//   check: first step is -lr sign(g); closed form for a constant gradient; shrinking by (1 - lr decay) when g = 0
static inline void adam_step(Adam *a, Net *net) {
    real b1 = (real)a->beta1, b2 = (real)a->beta2, eps = (real)a->eps;
    real lr = (real)a->lr, shrink = (real)(a->lr * a->decay);
    real fix1, fix2;
    real *RESTRICT p = net->p, *RESTRICT m = a->m, *RESTRICT v = a->v;
    const real *RESTRICT g = net->g;
    size_t i, np = net->np;
    if (a->np != np) {
        DIE("adam_step: made for %zu parameters, called with %zu; make one Adam per net", a->np, np);
    }
    if (a->beside != NULL || net->away) {
        DIE("adam_step: the gradient is on the net's device; take adam_clipped_step with the Adam of adam_beside");
    }
    a->step++;
    fix1 = (real)(1.0 / (1.0 - e_pow(a->beta1, (double)a->step)));
    fix2 = (real)(1.0 / (1.0 - e_pow(a->beta2, (double)a->step)));
    for (i = 0; i < np; i++) {
        m[i] = b1 * m[i] + ((real)1 - b1) * g[i];
        v[i] = b2 * v[i] + ((real)1 - b2) * (g[i] * g[i]);
        // v fix2 is a float on purpose: sqrt of a float is a float, and the loop vectorises
        p[i] -=
            lr * ((m[i] * fix1) / ((real)(sizeof(real) == 4 ? sqrtf((float)(v[i] * fix2)) : sqrt(v[i] * fix2)) + eps)) +
            shrink * p[i];
    }
    net_changed(net);
}

// The learning rate of step 0..steps-1: a linear rise over the first `warm` steps, times half a cosine down to zero.
static inline double rate_at(double rate, int step, int warm, int steps) {
    double rise = step < warm ? (double)(step + 1) / warm : 1;
    return rate * rise * (0.5 + 0.5 * e_cos(PI * step / steps));
}

// ema <- keep ema + (1 - keep) p: an average over the last 1/(1-keep) steps.  Sampling from it is steadier.
static inline void ema_update(real *ema, const Net *net, double keep) {
    size_t i;
    for (i = 0; i < net->np; i++) {
        ema[i] = (real)keep * ema[i] + (real)(1.0 - keep) * net->p[i];
    }
}

// A gradient with a NaN or Inf ends the program: no step could repair it.
static inline void gradient_length_check(double norm) {
    if (!(norm <= 1e30)) {
        DIE("gradient norm is %g; lower the learning rate or look for a division by zero", norm);
    }
}

// Scales g so that its Euclidean norm is at most `limit`; returns the norm it had.  The sum runs in double, in index
// order.
static inline double clip_gradient(Net *net, double limit) {
    double norm2 = 0, norm;
    size_t i;
    for (i = 0; i < net->np; i++) {
        norm2 += (double)net->g[i] * (double)net->g[i];
    }
    norm = sqrt(norm2);
    gradient_length_check(norm);
    if (norm > limit) {
        real scale = (real)(limit / norm);
        for (i = 0; i < net->np; i++) {
            net->g[i] *= scale;
        }
    }
    return norm;
}

// clip_gradient, then adam_step, wherever the parameters live.  Returns the length that the gradient had.
static inline double adam_clipped_step(Adam *a, Net *net, double limit) {
    double norm;
    if (a->beside == NULL) {
        norm = clip_gradient(net, limit);
        adam_step(a, net);
        return norm;
    }
    if (a->beside != net) {
        DIE("adam_clipped_step: this Adam was made beside another net; make one Adam per net");
    }
    a->step++;
    norm = net->steps->step(net, a, limit);
    gradient_length_check(norm);
    return norm;
}

#endif
