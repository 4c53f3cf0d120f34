// path.h: a point on a noising path, x_t = alpha x_0 + sigma eps, whatever the path is called.
//
// A Level carries all that a sampler may ask: time, alpha, sigma and their derivatives in time.  Four paths make
// levels: VP (t in [0, 1]), VE (t is sigma), flow (alpha = 1 - t, sigma = t), and a discrete schedule, of which
// only abar is known (its levels have no time: t and the derivatives are NaN, and a sampler that needs them says so).
#ifndef TILT_PATH_H
#define TILT_PATH_H

#include <math.h>

#include "../core/base.h"
#include "../core/elementary.h"
#include "schedule.h"

typedef struct {
    double t;              // time in the units of the path, falling on the way to the data
    double alpha, sigma;   // x_t = alpha x_0 + sigma eps
    double dalpha, dsigma; // d alpha/dt and d sigma/dt
} Level;

typedef enum { PATH_VP, PATH_VE, PATH_FLOW, PATH_ABAR } PathKind;

typedef struct {
    PathKind kind;
    double beta_min, beta_max; // rates of PATH_VP, per unit time
} Path;

static inline Path path_vp(double beta_min, double beta_max) {
    Path p = {PATH_VP, beta_min, beta_max};
    return p;
}

static inline Path path_of(PathKind kind) { // the paths without parameters
    Path p = {kind, 0, 0};
    return p;
}

// Clean data: x_0 itself.
static inline Level level_clean(void) {
    Level l = {0, 1, 0, NAN, NAN};
    return l;
}

static inline Level level_of_abar(double abar) {
    Level l = {NAN, alpha_of(abar), sigma_of(abar), NAN, NAN};
    return l;
}

// lambda = log(alpha/sigma), half the log-SNR: +infinity without noise, -infinity without signal.
static inline double level_half_logsnr(const Level *l) {
    return e_log(l->alpha) - e_log(l->sigma);
}

// abar of the same half log-SNR: the share of the variance that is signal, on any path.
static inline double level_abar(const Level *l) {
    return l->alpha * l->alpha / (l->alpha * l->alpha + l->sigma * l->sigma);
}

// Dies on a level that no path can have.
static inline void require_level(const Level *l, const char *who) {
    if (!(l->alpha >= 0 && l->sigma >= 0 && l->alpha + l->sigma > 0 && l->alpha + l->sigma < HUGE_VAL)) {
        DIE("%s: level alpha = %g, sigma = %g; need two numbers >= 0, not both 0", who, l->alpha, l->sigma);
    }
}

static inline void require_time(const Level *l, const char *who) {
    if (isnan(l->dalpha) || isnan(l->dsigma)) {
        DIE("%s: the level alpha = %g, sigma = %g has no time; use a VP, VE or flow path", who, l->alpha, l->sigma);
    }
}

static inline void require_noisy(const Level *l, const char *who) {
    require_level(l, who);
    if (l->sigma == 0) {
        DIE("%s: sigma = 0 at alpha = %g; clean data takes no step", who, l->alpha);
    }
}

static inline void require_signal(const Level *l, const char *who) {
    require_level(l, who);
    if (l->alpha == 0) {
        DIE("%s: alpha = 0; start a little later, where some signal is left", who);
    }
}

// The level at time t.  VE: t is sigma.
static inline Level path_at_time(const Path *path, double t) {
    Level l = level_clean();
    l.t = t;
    if (path->kind == PATH_VP) {
        double rate = vp_beta(t, path->beta_min, path->beta_max);
        l.alpha = vp_alpha(t, path->beta_min, path->beta_max);
        l.sigma = vp_sigma(t, path->beta_min, path->beta_max);
        l.dalpha = -rate / 2 * l.alpha;
        l.dsigma = rate * l.alpha * l.alpha / (2 * l.sigma); // from d sigma^2/dt = beta alpha^2
    } else if (path->kind == PATH_VE) {
        if (!(t >= 0 && t < HUGE_VAL)) {
            DIE("path: sigma = %g on the VE path; need a number >= 0", t);
        }
        l.sigma = t;
        l.dalpha = 0;
        l.dsigma = 1;
    } else if (path->kind == PATH_FLOW) {
        if (!(t >= 0 && t <= 1)) {
            DIE("path: t = %g on the flow path is not in [0, 1]", t);
        }
        l.alpha = 1 - t;
        l.sigma = t;
        l.dalpha = -1;
        l.dsigma = 1;
    } else {
        DIE("path: a discrete schedule has no level at time %g; ask by abar or by half log-SNR", t);
    }
    return l;
}

// The level at half log-SNR lambda, finite.
static inline Level path_at_logsnr(const Path *path, double lambda) {
    if (!(fabs(lambda) < HUGE_VAL)) {
        DIE("path: half log-SNR %g has no time; ask for the level by its time", lambda);
    }
    if (path->kind == PATH_VP) {
        return path_at_time(path, vp_time(lambda, path->beta_min, path->beta_max));
    }
    if (path->kind == PATH_VE) {
        return path_at_time(path, e_exp(-lambda));
    }
    if (path->kind == PATH_FLOW) {
        return path_at_time(path, e_sigmoid(-lambda));
    }
    Level l = {NAN, sqrt(e_sigmoid(2 * lambda)), sqrt(e_sigmoid(-2 * lambda)), NAN, NAN};
    return l;
}

#endif
