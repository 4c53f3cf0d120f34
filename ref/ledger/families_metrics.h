// families_metrics.h: golden families of distances between samples.  Translation only.
#ifndef TILT_FAMILIES_METRICS_H
#define TILT_FAMILIES_METRICS_H

#include "double.h" // first

#include "../formula/feature_metrics.h"
#include "../formula/kernel_metrics.h"
#include "../formula/metrics.h"
#include "../formula/neighbours.h"
#include "../formula/transport.h"
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

static inline void family_met_w2(const Case *in, Out *out) {
    size_t n = 0, D = 0;
    const double *x = in_matrix(in, "x", &n, &D);
    const double *y = in_matrix(in, "y", &n, &D);
    out_number(out, "w2", wasserstein(x, y, (int)n, (int)D, 2));
    out_number(out, "w1", wasserstein(x, y, (int)n, (int)D, 1));
}

static inline void family_met_mmd(const Case *in, Out *out) {
    size_t n = 0, m = 0, D = 0;
    const double *x = in_matrix(in, "x", &n, &D);
    const double *y = in_matrix(in, "y", &m, &D);
    double *u = out_vector(out, "mmd2_unbiased", 1);
    double *v = out_vector(out, "mmd2_biased", 1);
    mmd2(u, v, x, y, (int)n, (int)m, (int)D, in_number(in, "rbf_h"));
}

// The mixture of the keys w_S, mu_S, cov_S; it points into scratch memory and must not be freed.
static inline Gmm in_gmm_named(const Case *in, Out *out, const char *w_key, const char *mu_key, const char *cov_key) {
    size_t K = 0, two = 2;
    const double *w = in_vector(in, w_key, &K);
    const double *mu = in_matrix(in, mu_key, &K, &two);
    const double *cov = in_cube(in, cov_key, &K, &two, &two);
    Gmm p = gmm_on(scratch(out, 7 * K), (int)K);
    memcpy(p.w, w, K * sizeof(double));
    memcpy(p.mu, mu, 2 * K * sizeof(double));
    memcpy(p.cov, cov, 4 * K * sizeof(double));
    gmm_check(&p);
    return p;
}

static inline void family_met_mmd_gmm(const Case *in, Out *out) {
    Gmm p = in_gmm_named(in, out, "w_p", "mu_p", "cov_p");
    Gmm q = in_gmm_named(in, out, "w_q", "mu_q", "cov_q");
    double *kxx = out_vector(out, "kxx", 1);
    double *kyy = out_vector(out, "kyy", 1);
    double *kxy = out_vector(out, "kxy", 1);
    out_number(out, "mmd2", gmm_mmd2(kxx, kyy, kxy, &p, &q, in_number(in, "rbf_h")));
}

static inline void family_met_knnkl(const Case *in, Out *out) {
    size_t n = 0, m = 0, D = 0;
    const double *x = in_matrix(in, "x", &n, &D);
    const double *y = in_matrix(in, "y", &m, &D);
    out_number(out, "knn_kl", knn_kl(NULL, x, y, (int)n, (int)m, (int)D, in_count(in, "k", 1, 100000)));
}

static inline void family_met_fid(const Case *in, Out *out) {
    size_t n = 0, m = 0, D = 0;
    const double *x = in_matrix(in, "x", &n, &D);
    const double *y = in_matrix(in, "y", &m, &D);
    out_number(out, "fid", frechet_distance(x, y, (int)n, (int)m, (int)D));
}

static inline void family_met_kid(const Case *in, Out *out) {
    size_t n = 0, m = 0, D = 0;
    const double *x = in_matrix(in, "x", &n, &D);
    const double *y = in_matrix(in, "y", &m, &D);
    out_number(out, "kid", kid(x, y, (int)n, (int)m, (int)D));
}

static inline void family_met_vendi(const Case *in, Out *out) {
    size_t n = 0, D = 0;
    const double *x = in_matrix(in, "x", &n, &D);
    double h = in_number(in, "rbf_h");
    out_number(out, "vendi_q1", vendi(x, (int)n, (int)D, h, 1));
    out_number(out, "vendi_q2", vendi(x, (int)n, (int)D, h, 2));
}

static inline void family_met_median(const Case *in, Out *out) {
    size_t n = 0, m = 0, D = 0;
    const double *x = in_matrix(in, "x", &n, &D);
    const double *y = in_matrix(in, "y", &m, &D);
    out_number(out, "median_pairwise", median_pairwise(x, y, (int)n, (int)m, (int)D));
}

#endif
