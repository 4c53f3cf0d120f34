// choice_lab.h: rewards fitted to a rater's choices between samples of the ring, as tables on a grid, beside the truth.
//
// The true reward is the "shore": it rises in one direction, has a hollow on one mode, and falls off steeply outside a
// circle that the reference hardly ever leaves.  So choices between reference samples show the slope and not the
// fall: every model must guess what comes behind the last sample.  All tables are centred: mean 0 under p_ref.
#ifndef TILT_CHOICE_LAB_H
#define TILT_CHOICE_LAB_H

#include "../../ref/core/optim.h"
#include "../../ref/formula/ensemble.h"
#include "../../ref/formula/metrics.h"
#include "../../ref/formula/reward_loss.h"
#include "../model/mlp.h"
#include "../world/ring.h"
#include "pairs.h"

// ---- the true reward ----------------------------------------------------------------------------------------------

typedef struct {
    double slope;     // reward per unit of x along `angle`
    double angle;     // of the rise, radians
    double edge;      // radius where the shore begins
    double fall;      // slope far outside the edge, reward per unit
    double hollow[2]; // centre of the hollow
    double depth;     // reward lost in its middle; its width is 0.5
} Shore;

static inline Shore shore_new(void) {
    Shore s;
    s.slope = 1;
    s.angle = PI / 6;
    s.edge = 2.1;
    s.fall = 6;
    s.hollow[0] = 0;
    s.hollow[1] = 1.5;
    s.depth = 1;
    return s;
}

// A PointReward; user is a Shore.
static inline double shore_reward(const double x[2], int c, void *user) {
    const Shore *s = (const Shore *)user;
    double dx = x[0] - s->hollow[0], dy = x[1] - s->hollow[1], soft = 0.1;
    double rise = s->slope * (x[0] * e_cos(s->angle) + x[1] * e_sin(s->angle));
    double out = soft * e_softplus((sqrt(x[0] * x[0] + x[1] * x[1]) - s->edge) / soft);
    (void)c;
    return rise - s->depth * e_exp(-0.5 * (dx * dx + dy * dy) / 0.25) - s->fall * out;
}

// ---- the plane ----------------------------------------------------------------------------------------------------

enum { LAB_SIDE = 64, LAB_CELLS = LAB_SIDE * LAB_SIDE };
#define LAB_HALF 3.6   // the grid is [-3.6, 3.6]^2, 8 standard deviations beyond the ring; a cell is 0.1125 wide
#define LAB_INSIDE 3.0 // standard deviations from the nearest mode within which data are expected

typedef struct {
    Ring ring;
    Shore shore;
    Grid grid;
    double p_ref[LAB_CELLS], truth[LAB_CELLS];
    double inside[LAB_CELLS];  // a law: uniform over the cells within 3 standard deviations of a mode
    double outside[LAB_CELLS]; // a law: uniform over the cells between radius 2.4 and 3.2
} Lab;

static inline void lab_new(Lab *lab) {
    size_t i;
    lab->ring = ring_new();
    lab->shore = shore_new();
    lab->grid = grid_new(LAB_SIDE, -LAB_HALF, LAB_HALF);
    ring_grid_ref(lab->p_ref, &lab->grid, &lab->ring, -1);
    grid_reward(lab->truth, &lab->grid, shore_reward, -1, &lab->shore);
    ensemble_centre(lab->truth, lab->p_ref, 0, 1, LAB_CELLS);
    for (i = 0; i < LAB_CELLS; i++) {
        double x[2], distance, radius;
        grid_point(x, &lab->grid, i);
        ring_nearest(&distance, &lab->ring, x);
        radius = sqrt(x[0] * x[0] + x[1] * x[1]);
        lab->inside[i] = distance < LAB_INSIDE * lab->ring.std;
        lab->outside[i] = radius > 2.4 && radius < 3.2;
    }
    grid_normalise(lab->inside, &lab->grid);
    grid_normalise(lab->outside, &lab->grid);
}

// n pairs of reference samples, judged by a rater who sees the true reward.
static inline Pairs lab_pairs(const Lab *lab, const Rater *rater, int n, uint64_t seed, uint64_t stream) {
    real *x = NEW(real, 4 * (size_t)n);
    double *r = NEW(double, 2 * (size_t)n);
    int *c = NEW(int, 2 * (size_t)n), i;
    Shore shore = lab->shore;
    Pairs pairs;
    ring_batch(x, NULL, NULL, 2 * (size_t)n, &lab->ring, seed, stream, 0);
    for (i = 0; i < 2 * n; i++) {
        double y[2] = {(double)x[2 * i], (double)x[2 * i + 1]};
        r[i] = shore_reward(y, -1, &shore);
        c[i] = -1;
    }
    pairs = pairs_ask(rater, x, r, c, n, 2);
    free(x);
    free(r);
    free(c);
    return pairs;
}

// ---- models -------------------------------------------------------------------------------------------------------

enum { LAB_QUADRATIC = 5, LAB_RBF_SIDE = 6, LAB_RBF = LAB_RBF_SIDE * LAB_RBF_SIDE };

// Features of a point; returns how many: x, y, x^2, xy, y^2, or Gaussian bumps of width 0.7 on a 6 x 6 lattice.
static inline int lab_features(double *f, const double x[2], int rbf) {
    int i;
    if (!rbf) {
        f[0] = x[0];
        f[1] = x[1];
        f[2] = x[0] * x[0];
        f[3] = x[0] * x[1];
        f[4] = x[1] * x[1];
        return LAB_QUADRATIC;
    }
    for (i = 0; i < LAB_RBF; i++) {
        double dx = x[0] - (-2 + 0.8 * (i % LAB_RBF_SIDE)), dy = x[1] - (-2 + 0.8 * (i / LAB_RBF_SIDE));
        f[i] = e_exp(-0.5 * (dx * dx + dy * dy) / 0.49);
    }
    return LAB_RBF;
}

// Linear model on features, Newton MAP with any loss of reward_loss.h: r (LAB_CELLS), in logits, centred.
static inline void lab_fit_features(double *r, const Lab *lab, const Pairs *pairs, int rbf, DeltaLoss loss, double knob,
                                    double lambda) {
    double theta[LAB_RBF], f[LAB_RBF], *win, *lose;
    int F = rbf ? LAB_RBF : LAB_QUADRATIC, k, a;
    size_t i;
    win = NEW(double, (size_t)pairs->n *(size_t)F);
    lose = NEW(double, (size_t)pairs->n *(size_t)F);
    for (k = 0; k < pairs->n; k++) {
        double w[2] = {(double)pairs->w[2 * k], (double)pairs->w[2 * k + 1]};
        double l[2] = {(double)pairs->l[2 * k], (double)pairs->l[2 * k + 1]};
        lab_features(win + (size_t)k * (size_t)F, w, rbf);
        lab_features(lose + (size_t)k * (size_t)F, l, rbf);
    }
    rm_fit(theta, loss, knob, win, lose, lambda, pairs->n, F);
    for (i = 0; i < LAB_CELLS; i++) {
        double x[2];
        grid_point(x, &lab->grid, i);
        lab_features(f, x, rbf);
        for (r[i] = 0, a = 0; a < F; a++) {
            r[i] += theta[a] * f[a];
        }
    }
    ensemble_centre(r, lab->p_ref, 0, 1, LAB_CELLS);
    free(win);
    free(lose);
}

// A network r(x) of two hidden layers of 16, Adam on minibatches of 64 pairs; in logits, NOT centred.
// Members of an ensemble differ by `seed`, which sets their start and their minibatches.
static inline void lab_fit_net(double *r, const Lab *lab, const Pairs *pairs, int steps, uint64_t seed) {
    enum { B = 64, STREAM_BATCH = 1 };
    Net net = mlp_new(2, 1, 16, 2, 0, NULL, seed);
    Adam adam = adam_new(&net, 1e-2);
    real x[4 * B], y[2 * B], *all = NEW(real, 2 * LAB_CELLS), *out = NEW(real, LAB_CELLS);
    int c[2 * B], step, b;
    size_t i;
    adam.decay = 0.01;
    for (step = 0; step < steps; step++) {
        for (b = 0; b < B; b++) {
            uint64_t word = (uint64_t)step * B + (uint64_t)b;
            pairs_row(x, c, pairs, (int)rng_below(seed, STREAM_BATCH, word, (uint64_t)pairs->n), b, B);
        }
        net.forward(&net, y, x, NULL, c, 2 * B);
        for (b = 0; b < B; b++) {
            double slope;
            rm_plain(&slope, NULL, (double)y[b] - (double)y[B + b], 0);
            y[b] = (real)(slope / B);
            y[B + b] = -y[b];
        }
        net_zero_grad(&net);
        net.backward(&net, NULL, y, x, NULL, c, 2 * B);
        adam.lr = rate_at(1e-2, step, 0, steps);
        adam_step(&adam, &net);
    }
    for (i = 0; i < LAB_CELLS; i++) {
        double p[2];
        grid_point(p, &lab->grid, i);
        all[2 * i] = (real)p[0];
        all[2 * i + 1] = (real)p[1];
    }
    net.forward(&net, out, all, NULL, NULL, LAB_CELLS);
    for (i = 0; i < LAB_CELLS; i++) {
        r[i] = (double)out[i];
    }
    adam_free(&adam);
    net_free(&net);
    free(all);
    free(out);
}

// M of them as a table (M, LAB_CELLS), fitted to the same pairs, each centred.  One member a thread.
static inline void lab_fit_ensemble(double *r, const Lab *lab, const Pairs *pairs, int steps, int M, uint64_t seed) {
    int m;
    OMP(parallel for schedule(dynamic))
    for (m = 0; m < M; m++) {
        lab_fit_net(r + (size_t)m * LAB_CELLS, lab, pairs, steps, seed + (uint64_t)m);
    }
    ensemble_centre(r, lab->p_ref, 0, (size_t)M, LAB_CELLS);
}

// ---- judged against the truth --------------------------------------------------------------------------------------

typedef struct {
    double accuracy, ceiling; // share of answers that the model foretells; the same for the true reward
    double ece, brier, nll;   // of sigmoid(r_a - r_b) against the exact chances, 10 bins
    double temperature;       // the factor on r that calibrates it best; < 1: the model was over-confident
    double ece_after;         // with that factor
} Judged;

// The cell with number u of a law, 0 < u < 1, by its running sums.
static inline int lab_cell(const double *sums, double u) {
    int low = 0, high = LAB_CELLS - 1; // the first cell whose running sum reaches u
    while (low < high) {
        int middle = (low + high) / 2;
        if (sums[middle] < u * sums[LAB_CELLS - 1]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// Pairs of independent draws from `law` (cells), and the exact chance that a rater of temperature tau prefers the
// first: no answer is drawn, so the only noise is which pairs were looked at.  r: LAB_CELLS rewards in logits.
// With bins (3 x 10: share, mean prediction, mean chance) the reliability diagram; NULL if not wanted.
static inline Judged lab_judge(double *bins, const Lab *lab, const double *law, const double *r, double tau, int count,
                               uint64_t seed, uint64_t stream) {
    double *sums = NEW(double, LAB_CELLS), *z = NEW(double, (size_t)count), *p = NEW(double, (size_t)count);
    double *y = NEW(double, (size_t)count), sum = 0, brier, nll;
    Judged j;
    int i;
    memset(&j, 0, sizeof j);
    for (i = 0; i < LAB_CELLS; i++) {
        sum += law[i];
        sums[i] = sum;
    }
    for (i = 0; i < count; i++) {
        int a = lab_cell(sums, rng_uniform(seed, stream, 2 * (uint64_t)i));
        int b = lab_cell(sums, rng_uniform(seed, stream, 2 * (uint64_t)i + 1));
        y[i] = e_sigmoid((lab->truth[a] - lab->truth[b]) / tau);
        z[i] = r[a] - r[b];
        p[i] = e_sigmoid(z[i]);
        j.accuracy += (z[i] > 0 ? y[i] : z[i] < 0 ? 1 - y[i] : 0.5) / count;
        j.ceiling += fmax(y[i], 1 - y[i]) / count;
    }
    calibration(&j.ece, &j.brier, &j.nll, p, y, (size_t)count, 10);
    if (bins != NULL) {
        reliability(bins, bins + 10, bins + 20, p, y, (size_t)count, 10);
    }
    j.temperature = calibration_temperature(NULL, z, y, (size_t)count);
    for (i = 0; i < count; i++) {
        p[i] = e_sigmoid(j.temperature * z[i]);
    }
    calibration(&j.ece_after, &brier, &nll, p, y, (size_t)count, 10);
    free(sums);
    free(z);
    free(p);
    free(y);
    return j;
}

// Mean of |tau r - truth| under a law of cells, reward units; both are centred under p_ref.
static inline double lab_error(const Lab *lab, const double *law, const double *r, double tau) {
    double sum = 0;
    size_t i;
    for (i = 0; i < LAB_CELLS; i++) {
        sum += law[i] * fabs(tau * r[i] - lab->truth[i]);
    }
    return sum;
}

// Does disagreement point at error?  Rank correlation of sd and |tau r - truth| over the cells of a region (a law).
static inline double lab_pointed(const Lab *lab, const double *region, const double *sd, const double *r, double tau) {
    double *a = NEW(double, LAB_CELLS), *b = NEW(double, LAB_CELLS), rho;
    size_t n = 0, i;
    for (i = 0; i < LAB_CELLS; i++) {
        if (region[i] > 0) {
            a[n] = sd[i];
            b[n++] = fabs(tau * r[i] - lab->truth[i]);
        }
    }
    rho = rank_correlation(a, b, n);
    free(a);
    free(b);
    return rho;
}

// n answers of a rater, fitted with the true reward (in logits) as the only feature: the right weight is 1, so what
// the fit gets wrong is the fault of the loss.
static inline double lab_scale(const Lab *lab, const Rater *rater, int n, DeltaLoss loss, double knob, uint64_t seed,
                               uint64_t stream) {
    Pairs p = lab_pairs(lab, rater, n, seed, stream);
    double *win = NEW(double, (size_t)n), *lose = NEW(double, (size_t)n), theta;
    Shore shore = lab->shore;
    int i;
    for (i = 0; i < n; i++) {
        double w[2], l[2];
        w[0] = (double)p.w[2 * i];
        w[1] = (double)p.w[2 * i + 1];
        l[0] = (double)p.l[2 * i];
        l[1] = (double)p.l[2 * i + 1];
        win[i] = shore_reward(w, -1, &shore) / rater->tau;
        lose[i] = shore_reward(l, -1, &shore) / rater->tau;
    }
    rm_fit(&theta, loss, knob, win, lose, 1e-6, n, 1);
    pairs_free(&p);
    free(win);
    free(lose);
    return theta;
}

// ---- the same KL for everybody --------------------------------------------------------------------------------------

// q = the tilt of p_ref by r that has this KL; returns beta, 0 if no tilt has it.  Newton on eta = 1/beta inside a
// bracket: d KL/d eta = eta Var.  (tilt_discrete_beta_at_kl finds the same beta by bisection, 20 times slower.)
static inline double lab_tilt_at_kl(double *q, const Lab *lab, const double *r, double kl) {
    double low = 0, high = INFINITY, eta = 1;
    int k;
    for (k = 0; k < 60; k++) {
        TiltPoint t = tilt_discrete_point(q, lab->p_ref, r, 1 / eta, LAB_CELLS);
        double next;
        if (fabs(t.kl - kl) < 1e-9 * kl) {
            return 1 / eta;
        }
        low = t.kl < kl ? eta : low;
        high = t.kl < kl ? high : eta;
        next = eta + (kl - t.kl) / (eta * t.var_r);
        eta = next > low && next < high ? next : high < INFINITY ? 0.5 * (low + high) : 2 * eta;
    }
    return 0;
}

#endif
