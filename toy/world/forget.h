// forget.h: what a noisy point of the ring still knows, and what it costs to pretend that it knows nothing.
//
// x_t = alpha x_0 + sigma eps is a ring again, smaller and blurred, so every number here is a sum over a grid: exact up
// to 1e-9 as long as the cells are narrower than the blur (checked).  Dividing x_t by alpha loses nothing, so what is
// known depends on sigma/alpha alone, that is on the half log-SNR log(alpha/sigma), whatever the schedule.
#ifndef TILT_FORGET_H
#define TILT_FORGET_H

#include "../../ref/formula/kernel_metrics.h"
#include "../../ref/formula/schedule.h"
#include "ring.h"

// The law of x_t is that of this ring.
static inline Ring ring_noised(const Ring *ring, double alpha, double sigma) {
    Ring r = *ring;
    r.radius = alpha * ring->radius;
    r.std = sqrt(alpha * alpha * ring->std * ring->std + sigma * sigma);
    return r;
}

// Variance and fourth moment of one coordinate (its mean is 0); more than four modes, or the second is not so simple.
static inline void ring_coordinate(double *var, double *fourth, const Ring *ring) {
    double R2 = ring->radius * ring->radius, v = ring->std * ring->std;
    if (ring->modes < 5) {
        DIE("ring_coordinate: %d modes; the moments of a coordinate are those of a circle from 5 modes on",
            ring->modes);
    }
    *var = R2 / 2 + v;
    *fourth = 3 * (R2 * R2 / 8 + R2 * v + v * v);
}

// n x n cells that hold all but 1e-8 of the ring.
static inline Grid ring_grid(const Ring *ring, int n) {
    double half = ring->radius + 6 * ring->std;
    return grid_new(n, -half, half);
}

// ---- how well can the prompt be guessed? ----------------------------------------------------------------------------

typedef struct {
    double accuracy; // of the best guess (Bayes): 1/prompts .. 1
    double bits;     // mutual information of prompt and x_t: 0 .. log2(prompts)
} Guess;

// Prompts are equally likely.  With ring->prompts = ring->modes the question is: which mode?
//   accuracy = sum_x max_c P(c) p(x|c),   bits = sum_c P(c) sum_x p(x|c) log2( p(x|c) / p(x) )
static inline Guess ring_guess(const Ring *ring, double alpha, double sigma, int n) {
    Ring noised = ring_noised(ring, alpha, sigma);
    Grid g = ring_grid(&noised, n);
    size_t cells = grid_cells(&g), i;
    double *p = NEW(double, cells *(size_t)ring->prompts), share = 1.0 / ring->prompts;
    Guess out = {0, 0};
    int c;
    for (c = 0; c < ring->prompts; c++) {
        ring_grid_ref(p + (size_t)c * cells, &g, &noised, c);
    }
    for (i = 0; i < cells; i++) {
        double all = 0, best = 0;
        for (c = 0; c < ring->prompts; c++) {
            all += share * p[(size_t)c * cells + i];
            best = fmax(best, share * p[(size_t)c * cells + i]);
        }
        out.accuracy += best;
        for (c = 0; c < ring->prompts && all > 1e-30; c++) { // what is left out is below 1e-24 bits
            double joint = share * p[(size_t)c * cells + i];
            out.bits += joint > 0 ? joint * e_log(joint / (share * all)) * LOG2_E : 0;
        }
    }
    free(p);
    return out;
}

// The same at a half log-SNR.
static inline Guess ring_guess_at(const Ring *ring, double lambda, int n) {
    return ring_guess(ring, sqrt(e_sigmoid(2 * lambda)), sqrt(e_sigmoid(-2 * lambda)), n);
}

// The half log-SNR at which `share` of log2(prompts) bits is left, 0 < share < 1; bits rise with it.
static inline double ring_lambda_of(const Ring *ring, double share, int n) {
    double low = -8, high = 8, want = share * e_log(ring->prompts) * LOG2_E;
    int k;
    if (!(ring_guess_at(ring, low, n).bits < want && ring_guess_at(ring, high, n).bits > want)) {
        DIE("ring_lambda_of: no level keeps %g of the bits; the share must lie between 0 and 1, and modes apart",
            share);
    }
    for (k = 0; k < 40; k++) {
        double middle = 0.5 * (low + high);
        if (ring_guess_at(ring, middle, n).bits < want) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return 0.5 * (low + high);
}

// The best guess for one point: the prompt with the largest density of x_t.
static inline int ring_best_prompt(const Ring *noised, const double x[2]) {
    double best = -1;
    int c, guess = 0;
    for (c = 0; c < noised->prompts; c++) {
        double density = ring_density(noised, x, c);
        if (density > best) {
            best = density;
            guess = c;
        }
    }
    return guess;
}

// ---- starting from N(0, I) ------------------------------------------------------------------------------------------

typedef struct {
    double start_kl, start_tv; // of the true x_T from N(0, I): KL(x_T || N), total variation
    double start_mmd2;         // the same by a kernel of width 1, closed form (met.mmd_gmm)
    double cost_kl, cost_tv;   // of the data from what comes out: KL(data || out), total variation
    double pull;               // how much shorter the mean of what comes out is, units of x; 0 for the null prompt
} Start;

// What comes out of a PERFECT sampler that starts from N(0, I) where x_T belongs.  However many steps it takes, its
// steps compose to the posterior p(x_0 | x_T), so
//   out(x_0) = int N(x_T; 0, I) p(x_0 | x_T) dx_T = p(x_0) int N(x_T; alpha x_0, sigma^2 I) w(x_T) dx_T,
//   w = N(x_T; 0, I) / p(x_T).   Processing cannot raise a KL: cost_kl <= start_kl, cost_tv <= start_tv.
// c: prompt, -1 for all modes; abar: that of the last level; n: cells per side.
static inline Start ring_start(const Ring *ring, int c, double abar, int n) {
    double alpha = alpha_of(abar), sigma = sigma_of(abar), v = sigma * sigma, mean[2], moved[2], cov[4];
    Ring noised = ring_noised(ring, alpha, sigma), normal = {1, 1, 0, 1};
    double half = fmax(noised.radius + 6 * noised.std, 6);
    Grid at_T = grid_new(n, -half, half), at_0 = ring_grid(ring, n);
    size_t cells = grid_cells(&at_T), width = (size_t)n, i, j, k;
    double *x_T, *w, *kernel, *rows, *data, *out;
    Gmm law, unit;
    Start s;
    if (!(sigma >= 1.5 * at_T.h) || !(ring->std >= 1.5 * at_0.h)) {
        DIE("ring_start: noise %g on cells of width %g; use a finer grid or more noise", sigma, at_T.h);
    }
    x_T = NEW(double, cells);
    w = NEW(double, cells);
    kernel = NEW(double, cells);
    rows = NEW(double, cells);
    data = NEW(double, cells);
    out = NEW(double, cells);
    law = ring_gmm(&noised, c);
    unit = ring_gmm(&normal, -1);
    ring_grid_ref(x_T, &at_T, &noised, c);
    ring_grid_ref(w, &at_T, &normal, -1);
    ring_grid_ref(data, &at_0, ring, c);
    s.start_kl = kl_discrete(x_T, w, cells);
    s.start_tv = tv_discrete(x_T, w, cells);
    s.start_mmd2 = gmm_mmd2(NULL, NULL, NULL, &law, &unit, 1);
    for (i = 0; i < cells; i++) {
        w[i] /= x_T[i];
    }
    for (k = 0; k < width; k++) { // kernel[k][i] = N(x_T = centre i; alpha x_0 = alpha centre k, sigma^2) h
        for (i = 0; i < width; i++) {
            double d = grid_centre(&at_T, (int)i) - alpha * grid_centre(&at_0, (int)k);
            kernel[k * width + i] = e_exp(-0.5 * d * d / v) * at_T.h / sqrt(2 * PI * v);
        }
    }
    for (j = 0; j < width; j++) { // the blur is one along x, then one along y
        for (k = 0; k < width; k++) {
            for (i = 0; i < width; i++) {
                rows[k * width + j] += kernel[k * width + i] * w[j * width + i];
            }
        }
    }
    for (j = 0; j < width; j++) {
        for (k = 0; k < width; k++) {
            for (i = 0; i < width; i++) {
                out[j * width + k] += kernel[j * width + i] * rows[k * width + i];
            }
            out[j * width + k] *= data[j * width + k];
        }
    }
    grid_normalise(out, &at_0); // what falls outside is below 1e-6
    s.cost_kl = kl_discrete(data, out, cells);
    s.cost_tv = tv_discrete(data, out, cells);
    grid_moments(mean, cov, &at_0, data);
    grid_moments(moved, cov, &at_0, out);
    s.pull = sqrt(mean[0] * mean[0] + mean[1] * mean[1]) - sqrt(moved[0] * moved[0] + moved[1] * moved[1]);
    gmm_free(&law);
    gmm_free(&unit);
    free(x_T);
    free(w);
    free(kernel);
    free(rows);
    free(data);
    free(out);
    return s;
}

#endif
