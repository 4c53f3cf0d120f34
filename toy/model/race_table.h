// race_table.h: every sampler of solver.h in one table: its order, and its error at equal numbers of evaluations.
#ifndef TILT_RACE_TABLE_H
#define TILT_RACE_TABLE_H

#include "../../ref/file/tsv.h"
#include "../../ref/show/svg.h"
#include "race.h"

enum { RACE_SAMPLERS = 32, RACE_BUDGETS = 5, RACE_DOUBLINGS = 4, RACE_FINE = 64 };
static const int race_budget[RACE_BUDGETS] = {8, 16, 32, 64, 128}; // evaluations of the denoiser
#define RACE_MEAN 1.0                                              // the Gaussian of the law column: N(1, 1/4)
#define RACE_VAR 0.25

typedef struct {
    const Sampler *sampler;
    double order; // measured from RACE_FINE, 2 RACE_FINE, ... steps: of the path, or of the law when it draws noise
    double path[RACE_BUDGETS]; // root mean square distance from the exact end; NaN when it draws noise
    double law[RACE_BUDGETS];  // W2 to the exact law of Gaussian data
} RaceRow;

static inline RaceRow race_row(const Race *race, const Sampler *s) {
    RaceRow row;
    double fine[RACE_DOUBLINGS];
    row.sampler = s;
    for (int k = 0; k < RACE_BUDGETS; k++) {
        int steps = sampler_steps(s, race_budget[k]);
        row.path[k] = s->random ? NAN : race_error(NULL, race, s, SPREAD_LOGSNR, steps);
        row.law[k] = race_law_error(race, s, SPREAD_LOGSNR, steps, RACE_MEAN, RACE_VAR);
    }
    for (int k = 0; k < RACE_DOUBLINGS; k++) {
        int n = RACE_FINE << k;
        fine[k] = s->random ? race_law_error(race, s, SPREAD_LOGSNR, n, RACE_MEAN, RACE_VAR)
                            : race_error(NULL, race, s, SPREAD_LOGSNR, n);
    }
    row.order = race_order(fine, RACE_DOUBLINGS);
    return row;
}

// All rows, in the order of the list; returns how many.
static inline int race_rows(RaceRow rows[RACE_SAMPLERS], const Race *race) {
    int n = 0;
    for (const Sampler *s = samplers; s->name != NULL; s++) {
        if (n == RACE_SAMPLERS) {
            DIE("race_rows: more than %d samplers; raise RACE_SAMPLERS", RACE_SAMPLERS);
        }
        rows[n++] = race_row(race, s);
    }
    return n;
}

// `order_NAME`, `path_NAME_BUDGET` and `law_NAME_BUDGET` lines.
static inline void race_print(const RaceRow *rows, int n) {
    for (int i = 0; i < n; i++) {
        const char *name = rows[i].sampler->name;
        printf("order_%s %.3f\n", name, rows[i].order);
        for (int k = 0; k < RACE_BUDGETS && !rows[i].sampler->random; k++) {
            printf("path_%s_%d %.2e\n", name, race_budget[k], rows[i].path[k]);
        }
        for (int k = 0; k < RACE_BUDGETS; k++) {
            printf("law_%s_%d %.2e\n", name, race_budget[k], rows[i].law[k]);
        }
    }
}

static inline void race_write_tsv(const RaceRow *rows, int n, const char *path) {
    static const char *const columns[] = {
        "sampler", "evaluations_a_step", "draws_noise", "order",  "measured_order", "path_8", "path_16", "path_32",
        "path_64", "path_128",           "law_8",       "law_16", "law_32",         "law_64", "law_128", NULL};
    Tsv table = tsv_new(columns);
    for (int i = 0; i < n; i++) {
        tsv_add(&table, rows[i].sampler->name);
        tsv_add_whole(&table, rows[i].sampler->evaluations);
        tsv_add_whole(&table, rows[i].sampler->random);
        tsv_add_whole(&table, rows[i].sampler->order);
        tsv_add_number(&table, rows[i].order);
        for (int k = 0; k < RACE_BUDGETS; k++) {
            if (rows[i].sampler->random) {
                tsv_add(&table, "-");
            } else {
                tsv_add_number(&table, rows[i].path[k]);
            }
        }
        for (int k = 0; k < RACE_BUDGETS; k++) {
            tsv_add_number(&table, rows[i].law[k]);
        }
    }
    tsv_write(&table, path);
    tsv_free(&table);
}

// Error against evaluations, both as powers of ten, in the panel that is set.  which: names, NULL at the end.
// legend: its corner, as in svg_legend.
static inline void race_plot(Svg *s, const RaceRow *rows, int n, const char *const *which, int law, double bottom,
                             double top, const char *y_name, char legend) {
    double x[RACE_BUDGETS], y[RACE_BUDGETS];
    int color = 0;
    svg_axes(s, 0.8, 2.2, bottom, top, "log10 of evaluations of the denoiser", y_name);
    for (; *which != NULL; which++, color++) {
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < RACE_BUDGETS; k++) {
                x[k] = e_log(race_budget[k]) / e_log(10);
                y[k] = e_log(law ? rows[i].law[k] : rows[i].path[k]) / e_log(10);
            }
            if (strcmp(rows[i].sampler->name, *which) == 0) {
                svg_line(s, x, y, RACE_BUDGETS, palette_category(color), *which);
                svg_points(s, x, y, RACE_BUDGETS, 3, palette_category(color), "");
            }
        }
    }
    svg_legend(s, legend);
}

// The two panels of the chapter: paths on the left, laws on the right, 250 pixels high.
static inline void race_panels(Svg *s, const RaceRow *rows, int n, double top) {
    static const char *const paths[] = {"ddim", "edm_heun", "flow_midpoint", "dpm2", "dpmpp2m", "unipc2", NULL};
    static const char *const laws[] = {"ddim", "ddpm_small", "ddpm_large", "sde_em", "dpmpp2m_sde", "dpmpp2m", NULL};
    svg_panel(s, 70, top, 390, 250);
    race_plot(s, rows, n, paths, 0, -4.5, 0.5, "log10 of the distance from the exact end", 'L');
    svg_panel(s, 550, top, 390, 250);
    race_plot(s, rows, n, laws, 1, -4.5, 2, "log10 of the distance from the exact law", 'r');
}

// samplers.tsv and samplers.svg in a folder.
static inline void race_write(const RaceRow *rows, int n, const char *folder) {
    char path[PATH_LENGTH];
    Svg s = svg_new(960, 370, "Error of a sampler against evaluations of the denoiser");
    folder_make(folder);
    path_join(path, folder, "samplers.tsv");
    race_write_tsv(rows, n, path);
    race_panels(&s, rows, n, 50);
    path_join(path, folder, "samplers.svg");
    svg_write(&s, path);
}

#endif
