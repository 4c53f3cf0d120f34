// test_core.c: numbers, noise, small linear algebra and matrix products, each against an independent route: libm in
// long double, published numbers, exact identities, or the plain loop.
#include "../ref/core/gemm.h"
#include "../ref/core/layers.h"
#include "../ref/core/linalg.h"
#include "../ref/core/rng.h"
#include "harness.h"

// ---- elementary functions ------------------------------------------------------------------------------------------

// Worst error of f against libm in long double over [lo, hi], in units of the last place of the result.
static double worst_ulp(double (*f)(double), long double (*exact)(long double), double lo, double hi) {
    double worst = 0;
    for (int i = 0; i <= 20000; i++) {
        double x = lo + (hi - lo) * i / 20000;
        long double want = exact((long double)x);
        double unit = fabs((double)want) * 2.220446049250313e-16;
        double error = (double)fabsl((long double)f(x) - want) / (unit > 1e-300 ? unit : 1e-300);
        worst = error > worst ? error : worst;
    }
    return worst;
}

static double worst_absolute(double (*f)(double), long double (*exact)(long double), double lo, double hi) {
    double worst = 0;
    for (int i = 0; i <= 20000; i++) {
        double x = lo + (hi - lo) * i / 20000;
        double error = (double)fabsl((long double)f(x) - exact((long double)x));
        worst = error > worst ? error : worst;
    }
    return worst;
}

static void test_elementary(void) {
    double worst = 0;
    CHECK(worst_ulp(e_exp, expl, -700, 700) < 2, "exp: %g ulp", worst_ulp(e_exp, expl, -700, 700));
    CHECK(worst_ulp(e_exp, expl, -1, 1) < 2, "exp near 0");
    CHECK(worst_ulp(e_log, logl, 1e-3, 10) < 2, "log: %g ulp", worst_ulp(e_log, logl, 1e-3, 10));
    CHECK(worst_ulp(e_log, logl, 1, 1e6) < 2, "log large");
    CHECK(worst_ulp(e_expm1, expm1l, -2, 2) < 2, "expm1: %g ulp", worst_ulp(e_expm1, expm1l, -2, 2));
    CHECK(worst_ulp(e_log1p, log1pl, -0.9, 5) < 2, "log1p: %g ulp", worst_ulp(e_log1p, log1pl, -0.9, 5));
    CHECK(worst_ulp(e_tanh, tanhl, 0.01, 5) < 2, "tanh: %g ulp", worst_ulp(e_tanh, tanhl, 0.01, 5));
    CHECK(worst_absolute(e_sin, sinl, -100, 100) < 2e-16, "sin: %g", worst_absolute(e_sin, sinl, -100, 100));
    CHECK(worst_absolute(e_cos, cosl, -100, 100) < 2e-16, "cos: %g", worst_absolute(e_cos, cosl, -100, 100));
    CHECK(worst_absolute(e_sin, sinl, 99000, 100000) < 2e-16, "sin far out");
    for (int i = 0; i < 4096; i++) { // the whole turn, ends included
        double u = i / 4096.0;
        worst = fmax(worst, fabs(cos_turn(u) - (double)cosl(6.283185307179586476925L * u)));
    }
    CHECK(worst < 4e-16, "cos_turn: %g", worst);
    CHECK(e_exp(710) == INFINITY && e_exp(-746) == 0 && e_exp(0) == 1, "ends of exp");
    CHECK(e_exp(-740) > 0 && fabs(e_exp(-740) / exp(-740) - 1) < 1e-2, "subnormal exp %g", e_exp(-740));
    CHECK(e_log(0) == -INFINITY && e_log(-1) != e_log(-1) && e_log(INFINITY) == INFINITY && e_log(1) == 0,
          "ends of log");
    NEAR(e_log(4.9e-324), log(4.9e-324), 1e-14, 0);
    CHECK(e_log1p(-1) == -INFINITY && e_log1p(1e-300) == 1e-300, "ends of log1p");
    CHECK(e_exp(NAN) != e_exp(NAN) && e_sin(NAN) != e_sin(NAN) && e_sin(1e12) != e_sin(1e12), "NaN goes through");
    NEAR(e_expm1(1e-9), 1.0000000005e-9, 1e-15, 0);
    // log sigmoid keeps value and slope where sigmoid underflows (museum row 14)
    NEAR(e_log_sigmoid(-800), -800, 1e-15, 0);
    NEAR(e_log_sigmoid(800), 0, 0, 1e-300);
    NEAR(e_log_sigmoid(0), -0.69314718055994531, 1e-15, 0);
    NEAR(e_softplus(-40), exp(-40), 1e-15, 0);
    NEAR(e_sigmoid(-745), exp(-745), 1e-2, 0);
    NEAR(e_sigmoid(3) + e_sigmoid(-3), 1, 1e-15, 0);
    NEAR(e_pow(1.7, 3.3), pow(1.7, 3.3), 1e-14, 0);
    {
        double v[3] = {1000, 1001, 999}, none = 0;
        NEAR(e_logsumexp(v, 3), 1001 + log(1 + exp(-1) + exp(-2)), 1e-15, 0);
        CHECK(e_logsumexp(&none, 0) == -INFINITY, "empty sum");
    }
    for (int i = 0; i <= 10000; i++) {
        real x = (real)(-87 + 174.0 * i / 10000);
        double error = fabs((double)r_exp(x) / exp((double)x) - 1);
        CHECK(error < (sizeof(real) == 8 ? 1e-15 : 2.4e-7), "r_exp(%g): %g", (double)x, error);
    }
    CHECK(r_sigmoid((real)-200) >= 0 && r_sigmoid((real)200) == 1, "r_sigmoid far out");
}

// ---- noise --------------------------------------------------------------------------------------------------------

static void test_rng(void) {
    enum { N = 200000 };
    double mean = 0, square = 0, third = 0, fourth = 0, u_mean = 0, lag = 0, far = 0;
    uint32_t perm[100];
    unsigned char seen[100] = {0};
    int counts[6] = {0, 0, 0, 0, 0, 0}, fixed = 0;
    // published: splitmix64 seeded with 0
    CHECK(rng_bits(0, 0, 0) == 0xe220a8397b1dcdafu, "first word %llx", (unsigned long long)rng_bits(0, 0, 0));
    CHECK(rng_bits(0, 0, 1) == 0x6e789e6aa1b965f4u, "second word");
    CHECK(rng_bits(0, 0, 2) == 0x06c45d188009454fu, "third word");
    CHECK(rng_bits(1, 0, 0) != rng_bits(0, 1, 0) && rng_bits(1, 2, 3) == rng_bits(1, 2, 3), "keys");
    CHECK(rng_bits(1, 2, 3) != rng_bits(1, 3, 3) && rng_bits(1, 2, 3) != rng_bits(2, 2, 3), "streams and seeds differ");
    for (uint64_t i = 0; i < N; i++) {
        double z = rng_normal(1, 2, i), u = rng_uniform(1, 3, i);
        mean += z / N;
        square += z * z / N;
        third += z * z * z / N;
        fourth += z * z * z * z / N;
        lag += z * rng_normal(1, 2, i + 1) / N;
        u_mean += u / N;
        far += (fabs(z) > 3) / (double)N;
        CHECK(u > 0 && u < 1, "uniform %g", u);
        counts[rng_below(1, 4, i, 6)]++;
    }
    AGREES(mean, 1 / sqrt(N), 0);
    AGREES(square, sqrt(2.0 / N), 1);
    AGREES(third, sqrt(15.0 / N), 0);
    AGREES(fourth, sqrt(96.0 / N), 3);
    AGREES(lag, 1 / sqrt(N), 0);
    AGREES(u_mean, sqrt(1.0 / 12 / N), 0.5);
    AGREES(far, sqrt(0.0027 / N), erfc(3 / sqrt(2.0)));
    for (int k = 0; k < 6; k++) {
        AGREES(counts[k] / (double)N, sqrt(5.0 / 36 / N), 1.0 / 6);
    }
    rng_permutation(perm, 100, 5, 6);
    for (int i = 0; i < 100; i++) {
        CHECK(perm[i] < 100 && !seen[perm[i]], "not a permutation at %d", i);
        seen[perm[i] % 100] = 1;
    }
    for (uint64_t s = 0; s < 2000; s++) { // every element stays in place with probability 1/5
        rng_permutation(perm, 5, s, 7);
        fixed += perm[3] == 3;
    }
    AGREES(fixed / 2000.0, sqrt(0.16 / 2000), 0.2);
    { // a filled vector is the single draws, whatever the start and the chunk
        real *v = NEW(real, 30000);
        rng_fill_normal(v, 30000, 8, 9, 11);
        CHECK(v[0] == (real)rng_normal(8, 9, 11) && v[29999] == (real)rng_normal(8, 9, 11 + 29999), "fill");
        free(v);
    }
}

// ---- linear algebra ------------------------------------------------------------------------------------------------

static void test_linalg(void) {
    enum { N = 7 };
    double A[N * N], L[N * N], inv[N * N], B[N * N], b[N], x[N], y[N], product;
    for (int i = 0; i < N * N; i++) {
        B[i] = rng_normal(1, 20, (uint64_t)i);
    }
    for (int i = 0; i < N; i++) {
        b[i] = rng_normal(1, 21, (uint64_t)i);
        for (int j = 0; j < N; j++) { // A = B B' + I/10
            A[i * N + j] = i == j ? 0.1 : 0;
            for (int k = 0; k < N; k++) {
                A[i * N + j] += B[i * N + k] * B[j * N + k];
            }
        }
    }
    CHECK(cholesky(L, A, N) == 0, "positive definite");
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            product = 0;
            for (int k = 0; k < N; k++) {
                product += L[i * N + k] * L[j * N + k];
            }
            NEAR(product, A[i * N + j], 1e-12, 1e-12);
        }
    }
    cholesky_solve(x, L, b, N);
    CHECK(solve(y, A, b, N) == 0, "regular");
    cholesky_inverse(inv, L, N);
    for (int i = 0; i < N; i++) {
        double back = 0, by_inverse = 0;
        for (int j = 0; j < N; j++) {
            back += A[i * N + j] * x[j];
            by_inverse += inv[i * N + j] * b[j];
        }
        NEAR(back, b[i], 1e-10, 1e-11);
        NEAR(y[i], x[i], 1e-9, 1e-10);
        NEAR(by_inverse, x[i], 1e-9, 1e-10);
    }
    A[0] = -1;
    CHECK(cholesky(L, A, N) == 1, "the first pivot is negative");
    { // a matrix that needs pivoting, and a singular one
        double P[4] = {0, 2, 3, 1}, r[2] = {4, 5}, S[4] = {1, 2, 2, 4}, s[2] = {7, 7};
        CHECK(solve(s, P, r, 2) == 0, "pivoting");
        NEAR(s[0], 1, 1e-15, 0);
        NEAR(s[1], 2, 1e-15, 0);
        s[0] = 7;
        CHECK(solve(s, S, r, 2) == 1 && s[0] == 7, "singular must be reported and leave x alone");
    }
    for (int i = 0; i < 50; i++) { // A v = lambda v, trace, determinant, orthogonality
        double M[4], lambda[2], v[4], I[4];
        M[0] = rng_normal(2, 1, 3 * (uint64_t)i);
        M[1] = M[2] = i % 5 == 0 ? 0 : rng_normal(2, 1, 3 * (uint64_t)i + 1);
        M[3] = i % 10 == 0 ? M[0] : rng_normal(2, 1, 3 * (uint64_t)i + 2);
        eig2(lambda, v, M);
        CHECK(lambda[0] <= lambda[1], "order");
        NEAR(lambda[0] + lambda[1], M[0] + M[3], 1e-12, 1e-12);
        NEAR(lambda[0] * lambda[1], det2(M), 1e-11, 1e-12);
        for (int k = 0; k < 2; k++) {
            NEAR(M[0] * v[2 * k] + M[1] * v[2 * k + 1], lambda[k] * v[2 * k], 1e-10, 1e-12);
            NEAR(M[2] * v[2 * k] + M[3] * v[2 * k + 1], lambda[k] * v[2 * k + 1], 1e-10, 1e-12);
        }
        NEAR(v[0] * v[2] + v[1] * v[3], 0, 0, 1e-14);
        inv2(I, M);
        NEAR(I[0] * M[0] + I[1] * M[2], 1, 1e-11, 1e-11);
        NEAR(I[0] * M[1] + I[1] * M[3], 0, 0, 1e-9);
    }
}

// ---- matrix products ----------------------------------------------------------------------------------------------

static void test_gemm(void) {
    static const int sizes[8][3] = {{1, 1, 1},   {12, 16, 8}, {13, 17, 300}, {5, 33, 257},
                                    {64, 2, 40}, {70, 50, 3}, {3, 3, 0},     {24, 32, 512}};
    for (int s = 0; s < 8; s++) {
        int M = sizes[s][0], N = sizes[s][1], K = sizes[s][2], longest = 600 * 100;
        real *A = NEW(real, longest), *B = NEW(real, longest), *C = NEW(real, longest), *D = NEW(real, longest);
        real *bias = NEW(real, N);
        rng_fill_normal(A, (size_t)longest, 3, 1, 0);
        rng_fill_normal(B, (size_t)longest, 3, 2, 0);
        rng_fill_normal(bias, (size_t)N, 3, 3, 0);
        gemm_nn(C, A, B, bias, M, N, K);
        gemm_naive(D, A, 0, B, 0, bias, 0, M, N, K);
        CHECK(memcmp(C, D, (size_t)M * N * sizeof(real)) == 0, "nn %d %d %d: not the same bits", M, N, K);
        CHECK(C[M * N] == 0, "nn wrote beyond C");
        gemm_nn(C, A, B, NULL, M, N, K);
        gemm_naive(D, A, 0, B, 0, NULL, 0, M, N, K);
        CHECK(memcmp(C, D, (size_t)M * N * sizeof(real)) == 0, "nn without bias");
        gemm_nt(C, A, B, M, N, K);
        gemm_naive(D, A, 0, B, 1, NULL, 0, M, N, K);
        CHECK(memcmp(C, D, (size_t)M * N * sizeof(real)) == 0, "nt %d %d %d", M, N, K);
        { // packed once, both ways round
            real *packed = NEW(real, gemm_packed_size(N, K));
            gemm_pack_all(packed, B, 1, N, K);
            gemm_packed(C, A, packed, NULL, M, N, K);
            CHECK(memcmp(C, D, (size_t)M * N * sizeof(real)) == 0, "packed B' %d %d %d", M, N, K);
            gemm_pack_all(packed, B, 0, N, K);
            gemm_packed(C, A, packed, bias, M, N, K);
            gemm_naive(D, A, 0, B, 0, bias, 0, M, N, K);
            CHECK(memcmp(C, D, (size_t)M * N * sizeof(real)) == 0, "packed B %d %d %d", M, N, K);
            free(packed);
        }
        rng_fill_normal(C, (size_t)M * N, 3, 4, 0);
        memcpy(D, C, (size_t)M * N * sizeof(real));
        gemm_tn(C, A, B, M, N, K);
        gemm_naive(D, A, 1, B, 0, NULL, 1, M, N, K);
        CHECK(memcmp(C, D, (size_t)M * N * sizeof(real)) == 0, "tn %d %d %d", M, N, K);
        free(A);
        free(B);
        free(C);
        free(D);
        free(bias);
    }
    { // the plain loop itself, by hand
        real A[6] = {1, 2, 3, 4, 5, 6}, B[6] = {7, 8, 9, 10, 11, 12}, C[4], bias[2] = {100, 200};
        gemm_naive(C, A, 0, B, 0, bias, 0, 2, 2, 3);
        CHECK(C[0] == 158 && C[1] == 264 && C[2] == 239 && C[3] == 354, "2x3 times 3x2: %g %g %g %g", (double)C[0],
              (double)C[1], (double)C[2], (double)C[3]);
        gemm_naive(C, A, 1, B, 0, NULL, 0, 2, 2, 3); // A is 3 x 2: A' B
        CHECK(C[0] == 89 && C[1] == 98 && C[2] == 116 && C[3] == 128, "transposed A");
        gemm_naive(C, A, 0, B, 1, NULL, 0, 2, 2, 3); // B is 2 x 3: A B'
        CHECK(C[0] == 50 && C[1] == 68 && C[2] == 122 && C[3] == 167, "transposed B");
    }
}

// ---- memory and hash ----------------------------------------------------------------------------------------------

static void test_base(void) {
    Arena a = arena_new(1024);
    real v[2] = {1, -2}, w[2] = {1, (real)-2.0000002};
    size_t mark;
    double *p = (double *)arena_take(&a, 3, sizeof(double));
    mark = a.used;
    p[2] = 5;
    CHECK(mark == 64, "used %zu", mark);
    ((char *)arena_take(&a, 100, 1))[99] = 1;
    a.used = mark;
    CHECK(((char *)arena_take(&a, 100, 1))[99] == 0, "a rewound arena must hand out zeros");
    CHECK(p[2] == 5, "rewinding touched older memory");
    arena_free(&a);
    CHECK(size_mul((size_t)1 << 20, 1 << 10) == (size_t)1 << 30, "product");
    CHECK(hash_bytes(HASH_START, "a", 1) == 0xaf63dc4c8601ec8cu, "FNV-1a of \"a\" (published)");
    CHECK(hash_bytes(HASH_START, "foobar", 6) == 0x85944171f73967e8u, "FNV-1a of \"foobar\" (published)");
    CHECK(hash_reals(HASH_START, v, 2) != hash_reals(HASH_START, w, 2), "hash misses one ulp");
    CHECK(hash_reals(HASH_START, v, 1) == hash_bytes(HASH_START, "\0\0\200?", 4),
          "1.0f is 00 00 80 3f, low byte first");
}

int main(void) {
    test_base();
    test_elementary();
    test_rng();
    test_linalg();
    test_gemm();
    return report("test_core");
}
