// race_lab.h: races under other conditions than those of race.h: any spread of the levels, a wrong start, a wrong
// score, any denoiser; and a distance between samples and a mixture that needs no second set of samples.
//
// Used by notebooks-c/samplers_race.c.  The mixtures here have round components, as the ring has.
#ifndef TILT_RACE_LAB_H
#define TILT_RACE_LAB_H

#include "../../ref/formula/kernel_metrics.h"
#include "../../ref/show/svg.h"
#include "../world/ring.h"
#include "../world/world.h"
#include "denoise.h"
#include "mlp.h"
#include "race.h"
#include "train.h"

// n steps between the ends of the race, equal in (sigma/alpha)^q; q = 1/rho.  q = 0: equal in half log-SNR.
static inline Ladder ladder_dial(const Race *race, double q, int n) {
    Ladder ladder = ladder_logsnr(race->path, race->t_start, race->t_end, n);
    double first = -level_half_logsnr(&ladder.at[0]), last = -level_half_logsnr(&ladder.at[n]); // log(sigma/alpha)
    for (int i = 1; i < n && q != 0; i++) {
        double power = e_exp(q * first) + (e_exp(q * last) - e_exp(q * first)) * i / n;
        ladder.at[i] = path_at_logsnr(&race->path, -e_log(power) / q);
    }
    return ladder;
}

// Where a sampler leads with this denoiser (x, rows x 2), and the root mean square distance to where the exact ODE
// leads from the same starts.  For a sampler that draws noise the distance says nothing, but x has its law.
static inline double path_error(real *x, const Race *race, const Denoiser *model, const Sampler *s, double q, int n,
                                uint64_t seed, uint64_t stream) {
    Ladder ladder = ladder_dial(race, q, n);
    double sum = 0;
    memcpy(x, race->start, 2 * race->rows * sizeof(real));
    sampler_run(x, NULL, s, &ladder, model, race->rows, seed, stream);
    for (size_t i = 0; i < 2 * race->rows; i++) {
        double miss = (double)x[i] - (double)race->end[i];
        sum += miss * miss;
    }
    ladder_free(&ladder);
    return sqrt(sum / (double)race->rows);
}

// W2 between the law that n steps leave and the true one, for data N(1, v), when the mean of the start is wrong by
// `off`.  No sample is drawn.
static inline double law_error(const Race *race, const Sampler *s, double q, int n, double v, double off) {
    Ladder ladder = ladder_dial(race, q, n);
    Level a = ladder.at[0], b = ladder.at[n];
    double mean = a.alpha + off, var = a.alpha * a.alpha * v + a.sigma * a.sigma;
    sampler_gaussian(&mean, &var, s, &ladder, 1, v);
    ladder_free(&ladder);
    double wide = sqrt(var) - sqrt(b.alpha * b.alpha * v + b.sigma * b.sigma);
    return sqrt((mean - b.alpha) * (mean - b.alpha) + wide * wide);
}

// The strength 0, 0.05 ... 2 with the smallest law_error at q = 0.
static inline double best_strength(const Race *race, const Sampler *s, int n, double v, double off) {
    Sampler now = *s;
    double best = 0, lowest = HUGE_VAL;
    for (int e = 0; e <= 40; e++) {
        now.strength = 0.05 * e;
        double w = law_error(race, &now, 0, n, v, off);
        best = w < lowest ? now.strength : best;
        lowest = fmin(w, lowest);
    }
    return best;
}

// Data N(0, 1) on a VP path: the true law is N(0, 1) at every level, the true score -x.  The model says -factor x.
// Returns the variance that n steps of DDIM with this eta leave.
static inline double scaled_variance(const Race *race, double factor, double eta, int n) {
    Sampler s = *sampler_find("ddim_half");
    Ladder ladder = ladder_time(race->path, race->t_start, race->t_end, 1, n);
    double var = 1;
    s.strength = eta;
    for (int i = 0; i < n; i++) {
        StepPlan p = sampler_plan(&s, &ladder, i);
        double alpha = ladder.at[i].alpha, sigma = ladder.at[i].sigma;
        double D = (1 - factor * sigma * sigma) / alpha; // D(x)/x, because alpha D = x + sigma^2 score
        double step = p.first.x + p.first.now * D;
        var = step * step * var + p.first.z * p.first.z;
    }
    ladder_free(&ladder);
    return var;
}

// The same for infinitely many steps: dV/dtau = eta^2 - ((1 + eta^2) factor - 1) V,  V = 1 at tau = 0,  dtau = beta dt.
static inline double scaled_limit(const Race *race, double factor, double eta) {
    Level from = path_at_time(&race->path, race->t_start), to = path_at_time(&race->path, race->t_end);
    double tau = 2 * e_log(to.alpha / from.alpha), rate = (1 + eta * eta) * factor - 1;
    if (rate == 0) {
        return 1 + eta * eta * tau;
    }
    return e_exp(-rate * tau) - eta * eta * e_expm1(-rate * tau) / rate; // no cancellation at small rates
}

// ---- samples against a mixture -------------------------------------------------------------------------------------

// MMD^2 to the law (mmd2_to_gmm, kernel width sqrt(h2)): the mean over `blocks` blocks of n samples, and its standard
// error.
static inline double mmd2_blocks(double *se, const real *x, size_t n, int blocks, const Gmm *law, double h2) {
    double sum = 0, square = 0;
    for (int b = 0; b < blocks; b++) {
        double d = mmd2_to_gmm(x + 2 * n * (size_t)b, (int)n, law, sqrt(h2));
        sum += d / blocks;
        square += d * d / blocks;
    }
    *se = sqrt(fmax(square - sum * sum, 0) / (blocks - 1));
    return sum;
}

// ---- log p by the ODE ----------------------------------------------------------------------------------------------

// log p(x) of the exact law at time t.
static inline double race_density(const Race *race, const double *x, double t) {
    Level at = path_at_time(&race->path, t);
    Gmm law = gmm_new(race->data.K);
    gmm_noised(&law, &race->data, at.alpha, at.sigma);
    double logp = gmm_logp(&law, x);
    gmm_free(&law);
    return logp;
}

// log p(x) of the law at t_end: the ODE is followed back to time t_noise, where the density is the exact one, or
// N(0, I) when normal_prior is 1.  probe: NULL for the exact trace, or the 2 numbers of Hutchinson's estimate.
static inline double race_logp(const Race *race, const double *x, double t_noise, int normal_prior, const double *probe,
                               double rtol) {
    GmmField at = {&race->data, probe};
    PfField field = gmm_field(&at);
    Level clean = path_at_time(&race->path, race->t_end), noise = path_at_time(&race->path, t_noise);
    double back[2], volume, logp = pf_loglik_normal_prior(back, &volume, &field, x, &clean, &noise, rtol);
    return normal_prior ? logp : volume + race_density(race, back, t_noise);
}

// Errors of log p(x) at t_end: with the exact density at t_start, with N(0, I) there, with N(0, I) at t_early, and,
// with the exact density again, with the one probe (1, 1) and with the mean over all probes of signs.
static inline void race_logp_errors(double error[5], const Race *race, const double *x, double t_early) {
    const double probe[2][2] = {{1, 1}, {1, -1}}; // the other two are minus these and give the same
    double truth = race_density(race, x, race->t_end), tight = 1e-9;
    error[0] = race_logp(race, x, race->t_start, 0, NULL, tight) - truth;
    error[1] = race_logp(race, x, race->t_start, 1, NULL, tight) - truth;
    error[2] = race_logp(race, x, t_early, 1, NULL, tight) - truth;
    error[3] = race_logp(race, x, race->t_start, 0, probe[0], tight) - truth;
    error[4] = (error[3] + race_logp(race, x, race->t_start, 0, probe[1], tight) - truth) / 2;
}

// ---- for the page --------------------------------------------------------------------------------------------------

// The ring as training data without prompts.
static inline void plain_ring_draw(const World *w, real *x, int *c, size_t n, uint64_t seed, uint64_t stream,
                                   uint64_t first) {
    ring_batch(x, NULL, NULL, n, (const Ring *)w->self, seed, stream, first);
    for (size_t i = 0; i < n; i++) {
        c[i] = -1;
    }
}

// A small network that has learned the ring at so many levels, and what a sampler asks.  It must stay where it is.
typedef struct {
    Schedule schedule;
    Net net;
    NetDenoiser seen;
} RaceNet;

// Half log-SNR from 2.5 to -4.  Returns the loss of the last training steps.
static inline double race_net_train(RaceNet *n, const Ring *ring, int levels, int steps) {
    World w = {"ring without prompts", 2, 0, plain_ring_draw, NULL, NULL, NULL, 0};
    w.self = ring;
    n->schedule = schedule_logsnr(levels, 2.5, -4);
    n->net = mlp_new(2, 2, 48, 3, 0, &n->schedule, 1);
    n->seen.net = &n->net;
    n->seen.schedule = &n->schedule;
    n->seen.c = NULL;
    n->seen.guidance = 1;
    return train_denoiser(&n->net, &w, &n->schedule, steps, 6e-3, 1);
}

static inline void race_net_free(RaceNet *n) {
    net_free(&n->net);
    schedule_free(&n->schedule);
}

typedef struct {
    const char *title, *x_name, *y_name;
    double x0, x1, y0, y1; // the part of the plane, as drawn
    int plain_x;           // 1: x as it is, 0: log10 of x
    int colors;            // so many curves are lines, the next ones are dashed in the same colors
    char corner;           // of the legend
} CurveFrame;

static inline CurveFrame curve_frame(const char *title, const char *x_name, const char *y_name, double x0, double x1,
                                     double y0, double y1, int plain_x, int colors, char corner) {
    CurveFrame f = {title, x_name, y_name, x0, x1, y0, y1, plain_x, colors, corner};
    return f;
}

// log10 of y (curves x n) against x (n).  path NULL: nothing is drawn.
static inline void draw_curves(const char *path, const CurveFrame *f, const int *x, const double *y, int n,
                               const char *const *label, int curves) {
    if (path == NULL) {
        return;
    }
    double *u = NEW(double, (size_t)n), *v = NEW(double, (size_t)n);
    Svg s = svg_new(640, 380, f->title);
    svg_axes(&s, f->x0, f->x1, f->y0, f->y1, f->x_name, f->y_name);
    for (int k = 0; k < curves; k++) {
        Rgb color = palette_category(k % f->colors);
        for (int i = 0; i < n; i++) {
            u[i] = f->plain_x ? x[i] : e_log(x[i]) / e_log(10);
            v[i] = e_log(y[k * n + i]) / e_log(10);
        }
        (k < f->colors ? svg_line : svg_dashed)(&s, u, v, n, color, label[k]);
        svg_points(&s, u, v, n, 3, color, "");
    }
    svg_legend(&s, f->corner);
    svg_write(&s, path);
    free(u);
    free(v);
}

// What an exercise prints.  answer: NaN while it is open.
static inline const char *verdict(double answer, int right, const char *hint, const char *not_yet) {
    return isnan(answer) ? hint : right ? "right" : not_yet;
}

#endif
