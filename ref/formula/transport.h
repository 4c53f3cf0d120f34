// transport.h: Wasserstein distances: the least work that turns one sample, or one Gaussian, into another.
//
// Everything is exact: the best assignment of two equal samples in any dimension, two samples of any sizes on the line,
// two Gaussians.  An assignment costs at most O(n^3) time and n^2 doubles: fit for some thousand points.
#ifndef TILT_TRANSPORT_H
#define TILT_TRANSPORT_H

#include "../core/eigen.h"
#include "metrics.h"

// F: met.w2      the cheapest assignment, with a proof                             [chapter 5]
//   min over permutations m of  sum_i cost[i][m(i)];   match[i] = m(i)
//   The dual prices u (rows) and v (columns) prove it: u_i + v_j <= cost[i][j] everywhere, with equality where matched,
//   so that no assignment is cheaper than sum u + sum v = the cost found.  u and v may be NULL.
//   cost: n x n, finite, any sign.  Method: shortest augmenting paths, O(n^3).  Returns the least total cost.
//   source: Kuhn 1955; Jonker and Volgenant 1987
//   check: all n! assignments for n <= 7; the prices for large n; golden met.w2
static inline double assignment(int *match, double *u, double *v, const double *cost, int n) {
    double *row_price, *column_price, *distance, total = 0;
    int *owner, *before, *done;
    size_t cells = size_mul((size_t)n, (size_t)n), cell;
    int row, i, j;
    for (cell = 0; cell < cells; cell++) {
        if (!(fabs(cost[cell]) < 1e300)) {
            DIE("assignment: cost %zu of row %zu is %g; every cost must be finite, look at the samples",
                cell % (size_t)n, cell / (size_t)n, cost[cell]);
        }
    }
    row_price = NEW(double, (size_t)n);
    column_price = NEW(double, (size_t)n);
    distance = NEW(double, (size_t)n);
    owner = NEW(int, (size_t)n);
    before = NEW(int, (size_t)n);
    done = NEW(int, (size_t)n);
    for (j = 0; j < n; j++) {
        owner[j] = -1; // the row that holds column j
    }
    for (row = 0; row < n; row++) { // the shortest path from `row` to a free column, over reduced costs >= 0
        double low = 0;
        int last = -1;
        for (j = 0; j < n; j++) {
            distance[j] = INFINITY;
            done[j] = 0;
        }
        for (i = row; i >= 0; i = owner[last]) {
            int next = -1;
            for (j = 0; j < n; j++) {
                double d = low + cost[(size_t)i * (size_t)n + (size_t)j] - row_price[i] - column_price[j];
                if (!done[j] && d < distance[j]) {
                    distance[j] = d;
                    before[j] = last;
                }
                next = !done[j] && (next < 0 || distance[j] < distance[next]) ? j : next;
            }
            low = distance[next];
            done[next] = 1;
            last = next;
        }
        row_price[row] += low;
        for (j = 0; j < n; j++) {
            if (done[j] && owner[j] >= 0) {
                row_price[owner[j]] += low - distance[j];
                column_price[j] -= low - distance[j];
            }
        }
        for (j = last; j >= 0; j = before[j]) { // every row of the path moves one column on
            owner[j] = before[j] >= 0 ? owner[before[j]] : row;
        }
    }
    for (j = 0; j < n; j++) {
        match[owner[j]] = j;
    }
    for (i = 0; i < n; i++) {
        total += cost[(size_t)i * (size_t)n + (size_t)match[i]];
        if (u != NULL) {
            u[i] = row_price[i];
        }
        if (v != NULL) {
            v[i] = column_price[i];
        }
    }
    free(row_price);
    free(column_price);
    free(distance);
    free(owner);
    free(before);
    free(done);
    return total;
}

// a^p for a >= 0; whole powers without a logarithm, so that they are exact where they can be.
static inline double transport_power(double a, double p) {
    return p == 1 ? a : p == 2 ? a * a : a > 0 ? e_pow(a, p) : 0;
}

static inline double transport_root(double a, double p) {
    return p == 1 ? a : p == 2 ? sqrt(a) : a > 0 ? e_pow(a, 1 / p) : 0;
}

// F: met.w2      Wasserstein distance of two equal samples in D dimensions         [chapter 5]
//   W_p = ( min over m of (1/n) sum_i |x_i - y_m(i)|^p )^(1/p);   p = 1 and p = 2 have different best assignments
//   x, y (n,D).  Unit: that of the data.
//   Two samples of one law are NOT at distance 0: in the plane the distance falls only like n^(-1/2) (log factors
//   aside), and slower in more dimensions.  Compare with two reference samples of the same n.
//   source: Kantorovich 1942
//   check: all n! assignments; met.wp1d in one dimension; a shift d gives |d|; golden met.w2
static inline double wasserstein(const real *x, const real *y, int n, int D, double p) {
    double *cost, total;
    int *match, i, j;
    if (n < 1 || !(p >= 1)) {
        DIE("wasserstein: %d points, p = %g; need points and p >= 1", n, p);
    }
    cost = NEW(double, size_mul((size_t)n, (size_t)n));
    match = NEW(int, (size_t)n);
    for (i = 0; i < n; i++) {
        for (j = 0; j < n; j++) {
            cost[(size_t)i * (size_t)n + (size_t)j] =
                transport_power(euclid(x + (size_t)i * (size_t)D, y + (size_t)j * (size_t)D, D), p);
        }
    }
    total = assignment(match, NULL, NULL, cost, n);
    free(cost);
    free(match);
    return transport_root(total / n, p);
}

// F: met.wp1d    Wasserstein distance on the line, samples of any two sizes         [chapter 5]
//   W_p^p = int_0^1 |F^-1(s) - G^-1(s)|^p ds;   F^-1 and G^-1 step at multiples of 1/n and 1/m: a merge of both
//   limits: n = m: (1/n) sum |x_(i) - y_(i)|^p (met.w1d).   Every point repeated: unchanged
//   source: monotone coupling; the extension of met.w1d to unequal sizes
//   check: both samples repeated to the common multiple and met.w2; p = 1: int |F - G|; golden met.w1d
static inline double wasserstein_line(const real *x, int n, const real *y, int m, double p) {
    double *a, *b, total = 0, at = 0;
    int i, j;
    if (n < 1 || m < 1 || !(p >= 1)) {
        DIE("wasserstein_line: %d and %d points, p = %g; need points on both sides and p >= 1", n, m, p);
    }
    a = NEW(double, (size_t)n);
    b = NEW(double, (size_t)m);
    for (i = 0; i < n; i++) {
        a[i] = (double)x[i];
    }
    for (j = 0; j < m; j++) {
        b[j] = (double)y[j];
    }
    qsort(a, (size_t)n, sizeof *a, ascending_double);
    qsort(b, (size_t)m, sizeof *b, ascending_double);
    for (i = j = 0; i < n && j < m;) { // the quantile functions are a[i] and b[j] from `at` to the next step
        double end_a = (i + 1) * (double)m, end_b = (j + 1) * (double)n; // in units of 1/(n m): whole numbers
        double end = end_a < end_b ? end_a : end_b;
        total += (end - at) * transport_power(fabs(a[i] - b[j]), p);
        at = end;
        i += end_a <= end;
        j += end_b <= end;
    }
    free(a);
    free(b);
    return transport_root(total / ((double)n * m), p);
}

// Dies unless the symmetric A (n x n) has no negative eigenvalue.  Rounding may leave one a little below 0: up to 1e-9
// of the largest.
static inline void require_covariance(const double *A, int n) {
    double *lambda = NEW(double, (size_t)n), low, high;
    int bad = eig_symmetric(lambda, NULL, A, n);
    low = lambda[0];
    high = lambda[n - 1];
    free(lambda);
    if (bad || low < -1e-9 * fabs(high)) {
        DIE("this is not a covariance: its eigenvalues run from %g to %g; check the moments", low, high);
    }
}

// R = A^(1/2), symmetric, of a covariance A (n x n).  An eigenvalue that rounding left below 0 counts as 0.
static inline void root_of_covariance(double *R, const double *A, int n) {
    double *lambda = NEW(double, (size_t)n), *vec = NEW(double, (size_t)n *(size_t)n);
    int i, j, k;
    eig_symmetric(lambda, vec, A, n);
    for (i = 0; i < n; i++) {
        for (j = 0; j < n; j++) {
            R[i * n + j] = 0;
            for (k = 0; k < n; k++) {
                R[i * n + j] += vec[k * n + i] * vec[k * n + j] * sqrt(lambda[k] > 0 ? lambda[k] : 0);
            }
        }
    }
    free(lambda);
    free(vec);
}

// F: met.w2      Wasserstein-2 distance of two Gaussians, squared (Bures)           [chapter 5]
//   W2^2 = |m1 - m2|^2 + tr( C1 + C2 - 2 (R C2 R)^(1/2) ),   R = C1^(1/2)
//   R C2 R is symmetric and has the eigenvalues of C1 C2, so that no complex number can appear.
//   m: D numbers, C: D x D covariances, possibly singular.  Unit: data squared.
//   limits: equal covariances: |m1 - m2|^2.   One dimension: (m1 - m2)^2 + (s1 - s2)^2
//   source: Dowson and Landau 1982; Olkin and Pukelsheim 1982
//   check: 2 x 2 by trace and determinant; diagonal; rank one; the assignment of large samples; golden met.fid
static inline double gaussian_w2_squared(const double *m1, const double *C1, const double *m2, const double *C2,
                                         int D) {
    double *R, *S, *T, *lambda, sum = 0;
    int i, j, k;
    require_covariance(C1, D);
    require_covariance(C2, D);
    R = NEW(double, (size_t)D *(size_t)D);
    S = NEW(double, (size_t)D *(size_t)D);
    T = NEW(double, (size_t)D *(size_t)D);
    lambda = NEW(double, (size_t)D);
    root_of_covariance(R, C1, D);
    for (i = 0; i < D; i++) { // S = R C2, T = S R
        for (j = 0; j < D; j++) {
            for (k = 0; k < D; k++) {
                S[i * D + j] += R[i * D + k] * C2[k * D + j];
            }
        }
    }
    for (i = 0; i < D; i++) {
        for (j = 0; j < D; j++) {
            for (k = 0; k < D; k++) {
                T[i * D + j] += S[i * D + k] * R[k * D + j];
            }
        }
    }
    eig_symmetric(lambda, NULL, T, D);
    for (i = 0; i < D; i++) {
        sum += (m1[i] - m2[i]) * (m1[i] - m2[i]) + C1[i * D + i] + C2[i * D + i];
        sum -= 2 * sqrt(lambda[i] > 0 ? lambda[i] : 0);
    }
    free(R);
    free(S);
    free(T);
    free(lambda);
    return sum;
}

#endif
