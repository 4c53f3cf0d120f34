// bench_tile.c: how fast is the matrix product of ref/core/gemm.h on this machine?  One JSON line per shape: the median
// and the best of 9 runs in GFLOP/s, one thread, beside the multiply-add peak measured in the same run.  `make bench`.
// An edit of the tile that looks harmless can cost a factor of 50; compare these lines before and after.
#include <time.h>

#include "../ref/core/gemm.h"
#include "../ref/core/rng.h"

enum { RUNS = 9, PEAK_LANES = 192 };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Seconds of processor time, to a microsecond on most systems.
static double seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

// Independent multiply-adds in enough accumulators to fill the processor: what no loop can beat.
static double peak_run(real *x, int repeats) {
    double start = seconds();
    for (int r = 0; r < repeats; r++) {
        SIMD
        for (int i = 0; i < PEAK_LANES; i++) {
            x[i] = x[i] * (real)0.999 + (real)1e-3;
        }
    }
    return 2.0 * PEAK_LANES * repeats / (seconds() - start) * 1e-9;
}

// mode 0: C = A B, 1: C = A B', 2: C += A' B.
static double gemm_run(int mode, real *C, const real *A, const real *B, int M, int N, int K, int repeats) {
    double start = seconds();
    for (int r = 0; r < repeats; r++) {
        if (mode == 0) {
            gemm_nn(C, A, B, NULL, M, N, K);
        } else if (mode == 1) {
            gemm_nt(C, A, B, M, N, K);
        } else {
            gemm_tn(C, A, B, M, N, K);
        }
    }
    return 2.0 * M * N * K * repeats / (seconds() - start) * 1e-9;
}

int main(void) {
    static const char *const names[3] = {"gemm_nn", "gemm_nt", "gemm_tn"};
    static const int shapes[4][3] = {{64, 96, 96}, {64, 192, 192}, {64, 256, 256}, {256, 128, 128}};
    size_t most = 256 * 256;
    real *A = NEW(real, most), *B = NEW(real, most), *C = NEW(real, most), *lanes = NEW(real, PEAK_LANES);
    double run[RUNS], peak;
    rng_fill_normal(A, most, 1, 1, 0);
    rng_fill_normal(B, most, 1, 2, 0);
    for (int r = 0; r < RUNS; r++) {
        run[r] = peak_run(lanes, 2000000);
    }
    qsort(run, RUNS, sizeof run[0], ascending);
    peak = run[RUNS - 1];
    for (int mode = 0; mode < 3; mode++) {
        for (int s = 0; s < 4; s++) {
            int M = shapes[s][0], N = shapes[s][1], K = shapes[s][2], repeats = (int)(2e8 / M / N / K) + 1;
            for (int r = 0; r < RUNS; r++) {
                run[r] = gemm_run(mode, C, A, B, M, N, K, repeats);
            }
            qsort(run, RUNS, sizeof run[0], ascending);
            printf("{\"bench\": \"%s\", \"M\": %d, \"N\": %d, \"K\": %d, \"tile_rows\": %d, \"gflops_median\": %.1f, "
                   "\"gflops_best\": %.1f, \"peak_gflops\": %.1f, \"share_of_peak\": %.2f}\n",
                   names[mode], M, N, K, TILE_ROWS, run[RUNS / 2], run[RUNS - 1], peak, run[RUNS / 2] / peak);
        }
    }
    return !(C[0] + lanes[0] > -1e30f); // the results must be used, or a compiler may drop the work
}
