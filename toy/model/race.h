// race.h: how far is a sampler from the exact answer, at how many evaluations of the denoiser?
//
// Two worlds in which the answer is known.  A Gaussian mixture: the probability-flow ODE is solved to eleven digits,
// and a deterministic sampler is judged point by point.  A Gaussian: the law of the output is a recursion without any
// sampling, and every sampler is judged by the law it leaves, with noise or without.
#ifndef TILT_RACE_H
#define TILT_RACE_H

#include "../../ref/formula/gaussian_chain.h"
#include "../../ref/formula/likelihood.h"
#include "../../ref/formula/solver.h"

// How the levels of a run are spread between its two ends.
typedef enum { SPREAD_LOGSNR, SPREAD_RHO, SPREAD_FLOW, SPREAD_TIME, SPREADS } Spread;
static const char *const spread_name[SPREADS + 1] = {"logsnr", "rho7", "flow", "time", NULL};

typedef struct {
    Path path;             // a VP path
    double t_start, t_end; // from noise to nearly clean data; all errors are taken at t_end
    Gmm data;              // clean; the race owns it
    size_t rows;
    real *start, *end; // rows x 2: states at t_start, and where the exact flow takes them
} Race;

// A ladder of n steps between the ends of the race.  rho: equal steps in (sigma/alpha)^(1/7), Karras et al. 2022.
// flow: equal steps in sigma/(alpha + sigma), the time of flow matching.
static inline Ladder race_ladder(const Race *race, Spread spread, int n) {
    Ladder ladder;
    Level first = path_at_time(&race->path, race->t_start), last = path_at_time(&race->path, race->t_end);
    if (spread == SPREAD_TIME) {
        return ladder_time(race->path, race->t_start, race->t_end, 1, n);
    }
    ladder = ladder_logsnr(race->path, race->t_start, race->t_end, n);
    for (int i = 1; i < n && spread == SPREAD_RHO; i++) {
        double sigma = edm_sigma(i, n, last.sigma / last.alpha, first.sigma / first.alpha, 7);
        ladder.at[i] = path_at_logsnr(&race->path, -e_log(sigma));
    }
    for (int i = 1; i < n && spread == SPREAD_FLOW; i++) {
        double from = first.sigma / (first.alpha + first.sigma), to = last.sigma / (last.alpha + last.sigma);
        double t = from + (to - from) * i / n;
        ladder.at[i] = path_at_logsnr(&race->path, e_log((1 - t) / t));
    }
    return ladder;
}

// Rows start in the exact law of the path at t_start, and their exact ends are found by solving the ODE.
static inline Race race_new(Gmm data, Path path, double t_start, double t_end, size_t rows, uint64_t seed,
                            uint64_t stream) {
    Race race = {path, t_start, t_end, data, rows, NULL, NULL};
    Level first = path_at_time(&path, t_start), last = path_at_time(&path, t_end);
    Gmm noised = gmm_new(data.K);
    gmm_noised(&noised, &data, first.alpha, first.sigma);
    race.start = NEW(real, 2 * rows);
    race.end = NEW(real, 2 * rows);
    for (size_t i = 0; i < rows; i++) {
        double x[2];
        gmm_sample(x, &noised, seed, stream, i);
        race.start[2 * i] = (real)x[0];
        race.start[2 * i + 1] = (real)x[1];
    }
    gmm_transport(race.end, &data, race.start, &first, &last, rows, 1e-11);
    gmm_free(&noised);
    return race;
}

static inline void race_free(Race *race) {
    free(race->start);
    free(race->end);
    gmm_free(&race->data);
}

// Root mean square distance between where n steps lead and where the ODE leads; evaluations: per row, or NULL.
static inline double race_error(size_t *evaluations, const Race *race, const Sampler *s, Spread spread, int n) {
    if (s->random) {
        DIE("race_error: '%s' draws noise and has no path of its own; ask race_law_error", s->name);
    }
    Ladder ladder = race_ladder(race, spread, n);
    Denoiser exact = gmm_denoiser(&race->data);
    real *x = NEW(real, 2 * race->rows);
    double sum = 0;
    size_t used;
    memcpy(x, race->start, 2 * race->rows * sizeof(real));
    used = sampler_run(x, NULL, s, &ladder, &exact, race->rows, 0, 0);
    for (size_t i = 0; i < 2 * race->rows; i++) {
        double miss = (double)x[i] - (double)race->end[i];
        sum += miss * miss;
    }
    if (evaluations != NULL) {
        *evaluations = used;
    }
    free(x);
    ladder_free(&ladder);
    return sqrt(sum / (double)race->rows);
}

// Distance W2 between the law that n steps leave and the true one, for data N(m, v) on the path of the race.  The start
// has the exact law, so what is left is the error of the steps alone.
static inline double race_law_error(const Race *race, const Sampler *s, Spread spread, int n, double m, double v) {
    Ladder ladder = race_ladder(race, spread, n);
    Level first = ladder.at[0], last = ladder.at[n];
    double mean = first.alpha * m, var = first.alpha * first.alpha * v + first.sigma * first.sigma;
    double off, wide;
    sampler_gaussian(&mean, &var, s, &ladder, m, v);
    off = mean - last.alpha * m;
    wide = sqrt(var) - sqrt(last.alpha * last.alpha * v + last.sigma * last.sigma);
    ladder_free(&ladder);
    return sqrt(off * off + wide * wide);
}

// The order that errors at n, 2n, 4n ... show: minus the slope of the least-squares line of log2 error against log2 n.
static inline double race_order(const double *error, int count) {
    double mean = 0, top = 0, bottom = 0, middle = 0.5 * (count - 1);
    for (int k = 0; k < count; k++) {
        mean += e_log(error[k]) / count;
    }
    for (int k = 0; k < count; k++) {
        top += (k - middle) * (e_log(error[k]) - mean);
        bottom += (k - middle) * (k - middle);
    }
    return -top / bottom / e_log(2);
}

#endif
