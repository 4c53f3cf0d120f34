// linalg.h: the little linear algebra that closed forms need.  All matrices are row-major doubles.
//
// Made for n up to a few hundred (Newton steps of Bradley-Terry fits, covariances); no blocking, no pivoting games
// beyond partial pivoting.  Functions that can meet a bad matrix return 0 for success, nonzero for failure.
#ifndef TILT_LINALG_H
#define TILT_LINALG_H

#include "elementary.h"

// A = L L', L lower triangular (n x n; the upper part of L is set to 0).  Returns 0, or k+1 when the leading
// (k+1) x (k+1) block is not positive definite.  L may be A itself.
static inline int cholesky(double *L, const double *A, int n) {
    int i, j, k;
    for (j = 0; j < n; j++) {
        double d = A[j * n + j];
        for (k = 0; k < j; k++) {
            d -= L[j * n + k] * L[j * n + k];
        }
        if (!(d > 0)) {
            return j + 1;
        }
        L[j * n + j] = sqrt(d);
        for (i = j + 1; i < n; i++) {
            double s = A[i * n + j];
            for (k = 0; k < j; k++) {
                s -= L[i * n + k] * L[j * n + k];
            }
            L[i * n + j] = s / L[j * n + j];
        }
    }
    for (i = 0; i < n; i++) {
        for (j = i + 1; j < n; j++) {
            L[i * n + j] = 0;
        }
    }
    return 0;
}

// x = A^-1 b from the factor of cholesky().  x may be b.
static inline void cholesky_solve(double *x, const double *L, const double *b, int n) {
    int i, k;
    for (i = 0; i < n; i++) { // L y = b
        double s = b[i];
        for (k = 0; k < i; k++) {
            s -= L[i * n + k] * x[k];
        }
        x[i] = s / L[i * n + i];
    }
    for (i = n - 1; i >= 0; i--) { // L' x = y
        double s = x[i];
        for (k = i + 1; k < n; k++) {
            s -= L[k * n + i] * x[k];
        }
        x[i] = s / L[i * n + i];
    }
}

// log |A| from the factor of cholesky().
static inline double cholesky_logdet(const double *L, int n) {
    double s = 0;
    int i;
    for (i = 0; i < n; i++) {
        s += e_log(L[i * n + i]);
    }
    return 2 * s;
}

// inv = A^-1 (n x n) from the factor of cholesky(), column by column.
static inline void cholesky_inverse(double *inv, const double *L, int n) {
    double *col = NEW(double, (size_t)n);
    int i, j;
    for (j = 0; j < n; j++) {
        for (i = 0; i < n; i++) {
            col[i] = i == j;
        }
        cholesky_solve(col, L, col, n);
        for (i = 0; i < n; i++) {
            inv[i * n + j] = col[i];
        }
    }
    free(col);
}

// x = A^-1 b by elimination with partial pivoting.  Returns 0, or 1 when A is singular to working precision
// (a pivot below 1e-14 of the largest entry); x is then untouched.  x may be b.
static inline int solve(double *x, const double *A, const double *b, int n) {
    double *M = NEW(double, (size_t)n *(size_t)(n + 1));
    double top = 0;
    int w = n + 1, i, j, k;
    for (i = 0; i < n; i++) {
        for (j = 0; j < n; j++) {
            M[i * w + j] = A[i * n + j];
            top = fabs(A[i * n + j]) > top ? fabs(A[i * n + j]) : top;
        }
        M[i * w + n] = b[i];
    }
    for (k = 0; k < n; k++) {
        int p = k;
        for (i = k + 1; i < n; i++) {
            p = fabs(M[i * w + k]) > fabs(M[p * w + k]) ? i : p;
        }
        if (!(fabs(M[p * w + k]) > 1e-14 * top)) {
            free(M);
            return 1;
        }
        for (j = k; j <= n && p != k; j++) {
            double t = M[k * w + j];
            M[k * w + j] = M[p * w + j];
            M[p * w + j] = t;
        }
        for (i = k + 1; i < n; i++) {
            double f = M[i * w + k] / M[k * w + k];
            for (j = k; j <= n; j++) {
                M[i * w + j] -= f * M[k * w + j];
            }
        }
    }
    for (i = n - 1; i >= 0; i--) {
        double s = M[i * w + n];
        for (j = i + 1; j < n; j++) {
            s -= M[i * w + j] * x[j];
        }
        x[i] = s / M[i * w + i];
    }
    free(M);
    return 0;
}

// ---- 2 x 2 -------------------------------------------------------------------------------------------------------

static inline double det2(const double *A) {
    return A[0] * A[3] - A[1] * A[2];
}

// inv = A^-1; the caller knows that det2(A) != 0.  inv may be A.
static inline void inv2(double *inv, const double *A) {
    double d = det2(A), a = A[0], b = A[1], c = A[2], e = A[3];
    inv[0] = e / d;
    inv[1] = -b / d;
    inv[2] = -c / d;
    inv[3] = a / d;
}

// Symmetric 2 x 2: lambda[0] <= lambda[1], unit eigenvectors in the rows of vec (vec may be NULL).
static inline void eig2(double *lambda, double *vec, const double *A) {
    double mean = 0.5 * (A[0] + A[3]), diff = 0.5 * (A[0] - A[3]), off = A[1];
    double radius = sqrt(diff * diff + off * off);
    lambda[0] = mean - radius;
    lambda[1] = mean + radius;
    if (vec != NULL) {
        double x = diff >= 0 ? diff + radius : off, y = diff >= 0 ? off : radius - diff; // for lambda[1]
        double len = sqrt(x * x + y * y);
        if (!(len > 0)) { // a multiple of the identity
            x = 1;
            y = 0;
            len = 1;
        }
        vec[2] = x / len;
        vec[3] = y / len;
        vec[0] = -y / len;
        vec[1] = x / len;
    }
}

#endif
