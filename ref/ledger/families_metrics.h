// families_metrics.h: golden families of distances between samples.  Translation only.
#ifndef TILT_FAMILIES_METRICS_H
#define TILT_FAMILIES_METRICS_H

#include "double.h" // first

#include "../formula/metrics.h"
#include "case.h"

static inline void family_met_w1d(const Case *in, Out *out) {
    size_t n = 0;
    const double *x = in_vector(in, "x", &n);
    const double *y = in_vector(in, "y", &n);
    out_number(out, "w1", wasserstein1(x, y, (int)n));
}

static inline void family_met_sw(const Case *in, Out *out) {
    size_t n = 0, plane = 2;
    const double *x = in_matrix(in, "x", &n, &plane);
    const double *y = in_matrix(in, "y", &n, &plane);
    out_number(out, "sw2_squared", sliced_w2_squared(x, y, (int)n, in_count(in, "num_dirs", 1, 100000)));
}

static inline void family_met_energy(const Case *in, Out *out) {
    size_t n = 0, m = 0, D = 0;
    const double *x = in_matrix(in, "x", &n, &D);
    const double *y = in_matrix(in, "y", &m, &D);
    double *v = out_vector(out, "energy_v", 1);
    double *u = out_vector(out, "energy_u", 1);
    energy_distance(v, u, x, y, (int)n, (int)m, (int)D);
}

static inline void family_met_c2st(const Case *in, Out *out) {
    size_t n = 0, m = 0, D = 0;
    const double *x = in_matrix(in, "x", &n, &D);
    const double *y = in_matrix(in, "y", &m, &D);
    out_number(out, "c2st_1nn_loo", c2st_nearest(x, y, (int)n, (int)m, (int)D));
}

#endif
