// bench.h: how the programs tests/bench_*.c and `unet_cuda bench` measure and what they print: one JSON object a line.
//
// A time is a wall-clock time of one call, taken RUNS times after a warm-up; the median says what to expect, the
// minimum what the code can do when nothing else runs.  Beside each rate stands the multiply-add peak of the same
// threads, measured by the same program: a share of the peak means something on any machine, GFLOP/s only on one.
// Include this file first: the clock of POSIX must be asked for before the first header.
#ifndef TILT_BENCH_H
#define TILT_BENCH_H

#if defined(__unix__) || defined(__APPLE__)
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L
#endif
#endif
#include <time.h>

#include "../core/rng.h"
#include "../core/tile.h"

#ifndef BENCH_FLAGS // the Makefile passes the flags it compiles with
#define BENCH_FLAGS "unknown"
#endif

enum { BENCH_MOST = 101 }; // runs of one measurement at most

// ---- clocks ------------------------------------------------------------------------------------------------------

// Seconds of wall clock.  Without POSIX the processor time of the program, which is the same while one thread runs.
static inline double bench_now(void) {
#ifdef CLOCK_MONOTONIC
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
#else
    return (double)clock() / CLOCKS_PER_SEC;
#endif
}

static inline int bench_ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// ---- machine -----------------------------------------------------------------------------------------------------

#ifdef _OPENMP
int omp_get_max_threads(void); // of omp.h, which is no header of C99
void omp_set_num_threads(int threads);
#endif

// The threads that a parallel loop gets.
static inline int bench_threads(void) {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

// For functions that are serial: the lines shall say one thread.
static inline void bench_one_thread(void) {
#ifdef _OPENMP
    omp_set_num_threads(1);
#endif
}

static inline const char *bench_compiler(void) {
#if defined(__clang__)
    return "clang";
#elif defined(__TINYC__)
    return "tcc";
#elif defined(__GNUC__)
    return "gcc";
#else
    return "unknown";
#endif
}

#ifndef __VERSION__
#define __VERSION__ "unknown"
#endif

// The processor's name and the number of processors, where Linux tells; else "unknown" and 0.
static inline int bench_machine(char name[128]) {
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[256];
    int cores = 0;
    snprintf(name, 128, "unknown");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        char *value = strchr(line, ':');
        if (value != NULL && strncmp(line, "model name", 10) == 0) {
            value[strcspn(value, "\n\"\\")] = '\0'; // a quote or a backslash would end the JSON string
            snprintf(name, 128, "%.100s", value + 1 + (value[1] == ' '));
            cores++;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return cores;
}

// ---- peak --------------------------------------------------------------------------------------------------------

#if defined(__AVX512F__)
#define BENCH_VECTOR 16 // floats in a register
#elif defined(__AVX__)
#define BENCH_VECTOR 8
#else
#define BENCH_VECTOR 4
#endif
enum { BENCH_SUMS = 12 }; // independent sums: more than a multiply-add is deep, and they fit into 16 registers

// Multiply-adds on sums that never leave the registers; what no loop can beat.  Returns a number to keep it alive.
static inline real bench_peak_loop(real factor, real shift, long repeats) {
    real sum[BENCH_SUMS][BENCH_VECTOR], total = 0;
    long r;
    int i, j;
    for (i = 0; i < BENCH_SUMS; i++) {
        for (j = 0; j < BENCH_VECTOR; j++) {
            sum[i][j] = (real)(i + j);
        }
    }
    for (r = 0; r < repeats; r++) {
        for (i = 0; i < BENCH_SUMS; i++) {
            SIMD
            for (j = 0; j < BENCH_VECTOR; j++) {
                sum[i][j] = sum[i][j] * factor + shift;
            }
        }
    }
    for (i = 0; i < BENCH_SUMS; i++) {
        for (j = 0; j < BENCH_VECTOR; j++) {
            total += sum[i][j];
        }
    }
    return total;
}

static volatile real bench_sink; // results go here, or a compiler may drop the work

// GFLOP/s of `threads` threads, the best of 31 runs of about 5 ms.
static inline double bench_peak(int threads) {
    double best = 0;
    long repeats = 2000000;
    int run, q;
    for (run = 0; run < 31; run++) {
        double start = bench_now(), rate;
        OMP(parallel for schedule(static, 1))
        for (q = 0; q < threads; q++) {
            bench_sink = bench_peak_loop((real)0.999, (real)1e-3, repeats);
        }
        rate = 2.0 * BENCH_SUMS * BENCH_VECTOR * (double)repeats * threads / (bench_now() - start) * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

// ---- measure and print -------------------------------------------------------------------------------------------

typedef struct {
    double median, min; // milliseconds
    int runs;
} BenchTime;

// The first argument of a program, or 9.
static inline int bench_runs(int argc, char **argv) {
    int runs = argc > 1 ? atoi(argv[1]) : 9;
    if (runs < 1 || runs > BENCH_MOST) {
        DIE("bench: '%s' runs; 1..%d are possible", argv[1], BENCH_MOST);
    }
    return runs;
}

// The time of work(user), which is done `inner` times a run because one is too short for the clock.
static inline BenchTime bench_time(void (*work)(void *), void *user, int runs, int inner) {
    double ms[BENCH_MOST];
    BenchTime t;
    int r, k;
    for (r = -1; r < runs; r++) { // run -1 warms up
        double start = bench_now();
        for (k = 0; k < inner; k++) {
            work(user);
        }
        ms[r < 0 ? 0 : r] = (bench_now() - start) * 1e3 / inner;
    }
    qsort(ms, (size_t)runs, sizeof ms[0], bench_ascending);
    t.median = ms[runs / 2];
    t.min = ms[0];
    t.runs = runs;
    return t;
}

// The front of a line, up to what was measured.
static inline void bench_print_machine(const char *what, const char *network) {
    char machine[128];
    int cores = bench_machine(machine);
    printf("{\"machine\": \"%s\", \"cores\": %d, \"program\": \"tilt\", \"compiler\": \"%s %s\", \"flags\": \"%s\", "
           "\"threads\": %d, \"what\": \"%s\", \"network\": \"%s\"",
           machine, cores, bench_compiler(), __VERSION__, BENCH_FLAGS, bench_threads(), what, network);
}

// The back of a line: the times, and the rate of `flop` operations.
static inline void bench_print_time(double flop, BenchTime t, double peak) {
    printf(", \"runs\": %d, \"ms_median\": %.5g, \"ms_min\": %.5g", t.runs, t.median, t.min);
    if (flop > 0) {
        printf(", \"gflops\": %.4g, \"gflops_best\": %.4g", flop / t.median * 1e-6, flop / t.min * 1e-6);
    }
    if (flop > 0 && peak > 0) {
        printf(", \"peak_gflops\": %.4g, \"share_of_peak\": %.3f", peak, flop / t.median * 1e-6 / peak);
    }
    printf("}\n");
    fflush(stdout);
}

// One line.  what: "mlp train"; network: sizes in words; flop: multiplications and additions of one call, 0 = not
// counted; peak: GFLOP/s of bench_peak with the same threads, 0 = not known.
static inline void bench_print(const char *what, const char *network, double flop, BenchTime t, double peak) {
    bench_print_machine(what, network);
    bench_print_time(flop, t, peak);
}

// The same for work on a batch of images, on the executor named.
static inline void bench_print_images(const char *what, const char *network, const char *executor, int batch,
                                      double flop, BenchTime t, double peak) {
    bench_print_machine(what, network);
    printf(", \"executor\": \"%s\", \"batch\": %d, \"images_per_s\": %.5g", executor, batch, 1e3 * batch / t.median);
    bench_print_time(flop, t, peak);
}

#endif
