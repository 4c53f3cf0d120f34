// eigen.h: eigenvalues and eigenvectors of a symmetric matrix of any size, by Jacobi's rotations.
//
// Made for n up to a few hundred (covariances of features, kernel matrices); cost about 8 sweeps of n^3.  The small
// eigenvalues of a positive matrix are right to about 1e-15 of the LARGEST one, and may come out slightly negative.
#ifndef TILT_EIGEN_H
#define TILT_EIGEN_H

#include "elementary.h"

// A <- R' A R with a rotation in the plane (p, q) that makes A[p][q] zero; the rows of vec (NULL: none) turn along.
static inline void jacobi_rotate(double *A, double *vec, int p, int q, int n) {
    double theta = (A[q * n + q] - A[p * n + p]) / (2 * A[p * n + q]);
    double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1)); // tangent of the smaller angle
    double c = 1 / sqrt(t * t + 1), s = t * c;
    int k;
    for (k = 0; k < n; k++) { // columns p and q
        double a = A[k * n + p], b = A[k * n + q];
        A[k * n + p] = c * a - s * b;
        A[k * n + q] = s * a + c * b;
    }
    for (k = 0; k < n; k++) { // rows p and q
        double a = A[p * n + k], b = A[q * n + k];
        A[p * n + k] = c * a - s * b;
        A[q * n + k] = s * a + c * b;
    }
    A[p * n + q] = A[q * n + p] = 0;
    for (k = 0; k < n && vec != NULL; k++) {
        double a = vec[p * n + k], b = vec[q * n + k];
        vec[p * n + k] = c * a - s * b;
        vec[q * n + k] = s * a + c * b;
    }
}

// lambda (n): eigenvalues of the symmetric A (n x n), smallest first.  Unit eigenvectors in the rows of vec (n x n),
// or vec NULL.  Returns 0, or 1 when A holds a NaN or an infinity.  Neither output may be A.
static inline int eig_symmetric(double *lambda, double *vec, const double *A, int n) {
    double *M = NEW(double, (size_t)n *(size_t)n);
    double off = 1, all = 0;
    int sweep, i, j, k;
    for (i = 0; i < n; i++) {
        for (j = 0; j < n; j++) {
            M[i * n + j] = 0.5 * (A[i * n + j] + A[j * n + i]); // exactly symmetric from here on
            all += M[i * n + j] * M[i * n + j];
            if (vec != NULL) {
                vec[i * n + j] = i == j;
            }
        }
    }
    // Convergence is quadratic: six to ten sweeps.  Below 1e-32 of the squared norm the rest is rounding.
    for (sweep = 0; sweep < 60 && off > 1e-32 * all; sweep++) {
        off = 0;
        for (i = 0; i < n; i++) {
            for (j = i + 1; j < n; j++) {
                off += 2 * M[i * n + j] * M[i * n + j];
                if (M[i * n + j] != 0) {
                    jacobi_rotate(M, vec, i, j, n);
                }
            }
        }
    }
    for (i = 0; i < n; i++) {
        lambda[i] = M[i * n + i];
    }
    for (i = 1; i < n; i++) { // insertion sort; the vectors move along
        for (j = i; j > 0 && lambda[j] < lambda[j - 1]; j--) {
            double t = lambda[j];
            lambda[j] = lambda[j - 1];
            lambda[j - 1] = t;
            for (k = 0; k < n && vec != NULL; k++) {
                t = vec[j * n + k];
                vec[j * n + k] = vec[(j - 1) * n + k];
                vec[(j - 1) * n + k] = t;
            }
        }
    }
    free(M);
    return !(all < INFINITY);
}

#endif
