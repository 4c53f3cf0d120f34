// ladder.h: the noise levels that a run visits, from noise to data (also called the time grid).  n steps have n + 1
// levels; level 0 is the start.
//
// A sampler and a ladder are separate choices.  Free a ladder with ladder_free.
#ifndef TILT_LADDER_H
#define TILT_LADDER_H

#include "edm.h"
#include "path.h"

typedef struct {
    Path path; // what lies between the levels
    int n;     // steps
    Level *at; // n + 1 levels
} Ladder;

static inline Ladder ladder_new(Path path, int n) {
    Ladder g;
    if (n < 1) {
        DIE("ladder: %d steps; at least 1 is needed", n);
    }
    g.path = path;
    g.n = n;
    g.at = NEW(Level, (size_t)n + 1);
    return g;
}

static inline void ladder_free(Ladder *g) {
    free(g->at);
    g->at = NULL;
    g->n = 0;
}

// Equal steps in half log-SNR; the two ends are exactly t_start and t_end (t: sigma on the VE path).
static inline Ladder ladder_logsnr(Path path, double t_start, double t_end, int n) {
    Ladder g = ladder_new(path, n);
    g.at[0] = path_at_time(&path, t_start);
    g.at[n] = path_at_time(&path, t_end);
    double first = level_half_logsnr(&g.at[0]);
    double last = level_half_logsnr(&g.at[n]);
    if (!(fabs(first) < HUGE_VAL && fabs(last) < HUGE_VAL)) {
        DIE("ladder_logsnr: half log-SNR from %g to %g; both ends need signal and noise", first, last);
    }
    for (int i = 1; i < n; i++) {
        g.at[i] = path_at_logsnr(&path, first + (last - first) * i / n);
    }
    return g;
}

// Equal steps in time, passed through the time shift of flow matching (shift = 1: none; only paths with t in [0, 1]).
static inline Ladder ladder_time(Path path, double t_start, double t_end, double shift, int n) {
    Ladder g = ladder_new(path, n);
    for (int i = 0; i <= n; i++) {
        double t = i == n ? t_end : t_start + (t_end - t_start) * i / n;
        g.at[i] = path_at_time(&path, shift == 1 ? t : flow_shift(t, shift));
    }
    return g;
}

// Equal steps in sigma^(1/rho) on the VE path, from sigma_max to sigma_min.
static inline Ladder ladder_rho(double sigma_max, double sigma_min, double rho, int n) {
    Ladder g = ladder_new(path_of(PATH_VE), n);
    for (int i = 0; i <= n; i++) {
        g.at[i] = path_at_time(&g.path, edm_sigma(i, n, sigma_min, sigma_max, rho));
    }
    return g;
}

// One more step, to clean data.  The ladder of the EDM paper with n steps: ladder_rho with n - 1 steps, then this.
static inline void ladder_add_clean(Ladder *g) {
    g->at = (Level *)xrealloc(g->at, (size_t)g->n + 2, sizeof(Level));
    g->n++;
    g->at[g->n] = level_clean();
}

// The n indices `steps` of a schedule, noisiest first (schedule_spacing), and then clean data: n steps.
static inline Ladder ladder_schedule(const Schedule *schedule, const int *steps, int n) {
    for (int i = 1; i < n; i++) {
        if (steps[i] >= steps[i - 1]) {
            DIE("ladder_schedule: index %d after %d; list them from noisy to clean, each once", steps[i], steps[i - 1]);
        }
    }
    Ladder g = ladder_new(path_of(PATH_ABAR), n);
    for (int i = 0; i < n; i++) {
        g.at[i] = level_of_abar(schedule_abar(schedule, steps[i]));
    }
    g.at[n] = level_clean();
    return g;
}

// The way back, from data to noise, for deterministic samplers ("inversion").  A first level without noise is left
// out, because a denoiser has no question there.
static inline Ladder ladder_reverse(const Ladder *g) {
    int n = g->at[g->n].sigma > 0 ? g->n : g->n - 1;
    Ladder back = ladder_new(g->path, n);
    for (int i = 0; i <= n; i++) {
        back.at[i] = g->at[n - i];
    }
    return back;
}

#endif
