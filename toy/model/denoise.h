// denoise.h: a trained network as the Denoiser of ref/formula/solver.h, so that every sampler runs on it.
//
// A Net predicts eps at the T levels of its schedule.  A sampler asks for x0hat at any (alpha, sigma): the state is
// scaled to the network's units (variance alpha^2 + sigma^2 = 1), the timestep is the index whose half log-SNR is that
// of the question.  Between two indices the answers of both are blended linearly in half log-SNR (two forward passes);
// a question outside the schedule dies, because the network has never seen such noise.
#ifndef TILT_DENOISE_H
#define TILT_DENOISE_H

#include "../../ref/formula/denoiser.h"
#include "../../ref/formula/forward.h"
#include "../../ref/formula/schedule.h"
#include "guided.h"

typedef struct {
    Net *net;
    const Schedule *schedule; // the one the network was trained with
    const int *c;             // rows prompts, or NULL: the null prompt
    double guidance;          // s in eps_u + s (eps_c - eps_u); 1 = the conditional model alone
} NetDenoiser;

// D += share * x0hat of the network at index k.  x: n x dim states in the network's units.
static inline void net_add_x0(real *D, const NetDenoiser *d, const real *x, int k, double share, size_t n) {
    size_t numbers = n * (size_t)d->net->in;
    real *t = NEW(real, n), *eps = NEW(real, numbers), *x0 = NEW(real, numbers);
    double abar = schedule_abar(d->schedule, k);
    size_t i;
    for (i = 0; i < n; i++) {
        t[i] = (real)k;
    }
    guided_eps(eps, d->net, x, t, d->c, d->guidance, (int)n);
    x0_from_eps(x0, x, eps, alpha_of(abar), sigma_of(abar), numbers);
    combine(D, 1, D, share, x0, numbers);
    free(t);
    free(eps);
    free(x0);
}

// The index k in [0, T-1] and the share of index k + 1 that stand for half log-SNR lambda; dies outside the schedule.
static inline int schedule_between(double *share, const Schedule *s, double lambda) {
    double slack = 1e-6; // half log-SNR of a level that came through a scaled path
    int low = 0, high = s->T - 1;
    double at_low = half_logsnr_of(s->abar[low]), at_high = half_logsnr_of(s->abar[high]);
    if (!(lambda <= at_low + slack && lambda >= at_high - slack)) {
        DIE("net_denoiser: half log-SNR %g is outside the schedule, %g to %g; start and end the ladder inside it",
            lambda, at_high, at_low);
    }
    while (high - low > 1) { // lambda falls with the index
        int middle = low + (high - low) / 2;
        if (lambda > half_logsnr_of(s->abar[middle])) {
            high = middle;
        } else {
            low = middle;
        }
    }
    at_low = half_logsnr_of(s->abar[low]);
    at_high = half_logsnr_of(s->abar[high]);
    *share = high > low ? (at_low - lambda) / (at_low - at_high) : 0;
    if (fabs(lambda - at_low) <= slack || fabs(lambda - at_high) <= slack) { // on a level: one forward pass
        *share = fabs(lambda - at_low) <= slack ? 0 : 1;
    }
    return low;
}

static inline void net_denoise_rows(real *x0, const real *x, double alpha, double sigma, size_t rows,
                                    const void *self) {
    const NetDenoiser *d = (const NetDenoiser *)self;
    size_t numbers = rows * (size_t)d->net->in, i;
    double scale = 1 / sqrt(alpha * alpha + sigma * sigma), share;
    int k = schedule_between(&share, d->schedule, half_logsnr_of(alpha * alpha * scale * scale));
    real *scaled = NEW(real, numbers);
    for (i = 0; i < numbers; i++) {
        scaled[i] = (real)(scale * x[i]);
        x0[i] = 0;
    }
    if (share < 1) {
        net_add_x0(x0, d, scaled, k, 1 - share, rows);
    }
    if (share > 0) {
        net_add_x0(x0, d, scaled, k + 1, share, rows);
    }
    free(scaled);
}

// The NetDenoiser must stay where it is while the Denoiser is used.
static inline Denoiser net_denoiser(const NetDenoiser *d) {
    Denoiser model = {net_denoise_rows, 0, NULL};
    model.dim = (size_t)d->net->in;
    model.self = d;
    return model;
}

#endif
