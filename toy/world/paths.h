// paths.h: nine ways from data to noise in everyday use, with their usual constants, under one name each.
//
//   Paths paths = paths_new(1000);   path_at(&alpha, &sigma, &paths, PATH_COSINE, 0.5);   // half of the way
// The first five are tables of T levels, the others continuous; fraction 0 is data, 1 the last level.
#ifndef TILT_PATHS_H
#define TILT_PATHS_H

#include "../../ref/formula/schedule.h"

enum {
    PATH_LINEAR, // beta from 1e-4 to 0.02 (DDPM, made for T = 1000)
    PATH_SCALED, // linear in sqrt(beta), from 0.00085 to 0.012 (Stable Diffusion, T = 1000)
    PATH_COSINE, // s = 0.008, beta at most 0.999 (improved DDPM)
    PATH_ZERO,   // linear, rescaled to zero terminal SNR
    PATH_HOUSE,  // half log-SNR linear from 2.5 to -4: the schedule of chapter 1
    PATH_TABLES,
    PATH_VP = PATH_TABLES, // beta(t) from 0.1 to 20
    PATH_VE,               // sigma(t) from 0.01 to 50
    PATH_SUBVP,            // alpha of VP, less noise
    PATH_FLOW,             // (1 - t) x_0 + t eps
    PATHS
};

static const char *const path_names[PATHS] = {"linear", "scaled", "cosine", "zero_snr", "house",
                                              "vp",     "ve",     "subvp",  "flow"};

typedef struct {
    Schedule table[PATH_TABLES];
} Paths;

static inline Paths paths_new(int T) {
    Paths p;
    p.table[PATH_LINEAR] = schedule_linear(T, 1e-4, 0.02);
    p.table[PATH_SCALED] = schedule_scaled_linear(T, 0.00085, 0.012);
    p.table[PATH_COSINE] = schedule_cosine(T, 0.008, 0.999);
    p.table[PATH_ZERO] = schedule_zero_snr(&p.table[PATH_LINEAR]);
    p.table[PATH_HOUSE] = schedule_logsnr(T, 2.5, -4);
    return p;
}

static inline void paths_free(Paths *p) {
    int k;
    for (k = 0; k < PATH_TABLES; k++) {
        schedule_free(&p->table[k]);
    }
}

// x_t = alpha x_0 + sigma eps at the fraction f of the way, 0 < f <= 1; tables take the nearest of their T levels.
static inline void path_at(double *alpha, double *sigma, const Paths *p, int path, double f) {
    if (!(f > 0 && f <= 1) || path < 0 || path >= PATHS) {
        DIE("path_at: fraction %g of path %d; need 0 < fraction <= 1 and a path 0 .. %d", f, path, PATHS - 1);
    }
    if (path < PATH_TABLES) {
        int T = p->table[path].T, level = (int)(f * T + 0.5) - 1;
        double abar = schedule_abar(&p->table[path], level < 0 ? 0 : level);
        *alpha = alpha_of(abar);
        *sigma = sigma_of(abar);
    } else if (path == PATH_VE) {
        *alpha = 1;
        *sigma = ve_sigma(f, 0.01, 50);
    } else if (path == PATH_FLOW) {
        *alpha = 1 - f;
        *sigma = f;
    } else {
        *alpha = vp_alpha(f, 0.1, 20);
        *sigma = path == PATH_VP ? vp_sigma(f, 0.1, 20) : subvp_std(f, 0.1, 20);
    }
}

// Half log-SNR log(alpha/sigma); -infinity where no signal is left.
static inline double path_lambda(const Paths *p, int path, double f) {
    double alpha, sigma;
    path_at(&alpha, &sigma, p, path, f);
    return e_log(alpha) - e_log(sigma);
}

// The share alpha / sqrt(alpha^2 + sigma^2) of x_t that is signal; sqrt(abar) where the variance is preserved.
static inline double path_memory(const Paths *p, int path, double f) {
    double alpha, sigma;
    path_at(&alpha, &sigma, p, path, f);
    return alpha / sqrt(alpha * alpha + sigma * sigma);
}

// The share of `steps` equal steps that ends between two half log-SNRs.
static inline double path_share(const Paths *p, int path, double low, double high, int steps) {
    double inside = 0;
    int k;
    for (k = 1; k <= steps; k++) {
        double lambda = path_lambda(p, path, (double)k / steps);
        inside += lambda < high && lambda >= low;
    }
    return inside / steps;
}

#endif
