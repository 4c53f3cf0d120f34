// bench_tile.c: does the register tile of ref/core/tile.h still run at the speed of the machine?
//     bench_tile [RUNS]
// First the tile alone, as gemm.h and conv.h use it, on numbers that stay in the L1 cache; then whole products.  If the
// best run of a tile is below 40 % of the multiply-add peak, the program says so and ends with exit 1: an edit that
// looks harmless can cost a factor of 50.  One thread, whatever OMP_NUM_THREADS says.
#include "../ref/show/bench.h"

#include "../ref/core/conv.h"
#include "../ref/core/gemm.h"

enum { DEPTH = 288, TILES = 16, MOST = 256 * 256 };
static const double GUARD = 0.4; // of the peak

typedef struct {
    int mode, M, N, K; // 0: C = A B, 1: C = A B', 2: C += A' B
    real *A, *B, *C;
} Product;

static void product_run(void *user) {
    Product *p = (Product *)user;
    if (p->mode == 0) {
        gemm_nn(p->C, p->A, p->B, NULL, p->M, p->N, p->K);
    } else if (p->mode == 1) {
        gemm_nt(p->C, p->A, p->B, p->M, p->N, p->K);
    } else {
        gemm_tn(p->C, p->A, p->B, p->M, p->N, p->K);
    }
}

static void gemm_tiles(void *user) {
    Product *p = (Product *)user;
    for (int i = 0; i < TILES; i++) {
        gemm_tile(p->C, TILE_COLS, p->B, 0, p->A, DEPTH, 1, p->B, DEPTH, TILE_ROWS);
    }
}

static void conv_tiles(void *user) {
    Product *p = (Product *)user;
    size_t to[TILE_ROWS], from[TILE_ROWS], begin[TILE_ROWS] = {0};
    Taps taps = {1, DEPTH, {0}, {0}};
    for (size_t i = 0; i < TILE_ROWS; i++) {
        to[i] = i * TILE_COLS;
        from[i] = i * DEPTH;
    }
    for (int i = 0; i < TILES; i++) {
        conv_tile(p->C, to, p->B, begin, NULL, p->A, from, &taps, p->B);
    }
}

// Prints the line of one tile; returns 1 when it is too slow.
static int tile_line(const char *what, void (*work)(void *), Product *p, int runs, double peak) {
    double flop = 2.0 * TILE_ROWS * TILE_COLS * DEPTH * TILES, share;
    char shape[64];
    BenchTime t = bench_time(work, p, runs > 31 ? runs : 31, 200); // many: the guard looks at the best
    snprintf(shape, sizeof shape, "%dx%d tile, k = %d", TILE_ROWS, TILE_COLS, DEPTH);
    bench_print(what, shape, flop, t, peak);
    share = flop / t.min * 1e-6 / peak;
    if (share < GUARD) {
        fprintf(stderr,
                "bench_tile: %s reaches %.0f %% of the peak, less than %.0f %%: the compiler does not keep the sums"
                " in registers any more\n",
                what, 100 * share, 100 * GUARD);
    }
    return share < GUARD;
}

int main(int argc, char **argv) {
    static const char *const names[3] = {"gemm_nn", "gemm_nt", "gemm_tn"};
    static const int shapes[4][3] = {{64, 96, 96}, {64, 192, 192}, {64, 256, 256}, {256, 128, 128}};
    int runs = bench_runs(argc, argv), slow = 0;
    Product p = {0, 0, 0, 0, NULL, NULL, NULL};
    double peak;
    bench_one_thread();
    peak = bench_peak(1);
    p.A = NEW(real, MOST);
    p.B = NEW(real, MOST);
    p.C = NEW(real, MOST);
    rng_fill_normal(p.A, MOST, 1, 1, 0);
    rng_fill_normal(p.B, MOST, 1, 2, 0);
    slow += tile_line("tile gemm", gemm_tiles, &p, runs, peak);
    slow += tile_line("tile conv", conv_tiles, &p, runs, peak);
    for (p.mode = 0; p.mode < 3; p.mode++) {
        for (int s = 0; s < 4; s++) {
            char shape[64];
            p.M = shapes[s][0];
            p.N = shapes[s][1];
            p.K = shapes[s][2];
            memset(p.C, 0, MOST * sizeof(real));
            snprintf(shape, sizeof shape, "%d x %d, k = %d", p.M, p.N, p.K);
            bench_print(names[p.mode], shape, 2.0 * p.M * p.N * p.K,
                        bench_time(product_run, &p, runs, (int)(2e7 / p.M / p.N / p.K) + 1), peak);
        }
    }
    bench_sink = p.C[0];
    free(p.A);
    free(p.B);
    free(p.C);
    return slow > 0;
}
