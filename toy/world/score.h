// score.h: the row that every method gets on every scoreboard.  A reward alone is never a score.
#ifndef TILT_SCORE_H
#define TILT_SCORE_H

#include "../../ref/file/tsv.h"

typedef struct {
    double reward;  // E[true reward], reward units
    double learned; // E[learned reward], shifted so that the reference has 0
    double kl;      // KL to the reference, nats
    double j;       // J = E[true reward] - beta KL
    double closed;  // share of the gap between the reference and J* that J closes; 1 = the optimum
    double tv;      // total variation to p*; NAN where the law is not known
} Score;

// The columns of score_table as a TSV.
static const char *const score_columns[] = {"method", "e_true", "e_learned", "kl", "j", "gap", "closed", "tv", NULL};

// Prints n scores as lines `world_method numbers` under a heading, and adds them to the table ("-": not known).  The
// last score is the optimum, from which the gaps are measured.
static inline void score_table(Tsv *table, const char *world, const char *const *method, const Score *s, int n) {
    int m, i;
    printf("%-17s %8s %8s %8s %8s %8s %9s %6s\n", world, "E[true]", "E[learn]", "KL", "J", "J*-J", "closed_%", "TV");
    for (m = 0; m < n; m++) {
        double row[7];
        char name[64];
        row[0] = s[m].reward;
        row[1] = s[m].learned;
        row[2] = s[m].kl;
        row[3] = s[m].j;
        row[4] = s[n - 1].j - s[m].j;
        row[5] = 100 * s[m].closed;
        row[6] = s[m].tv;
        snprintf(name, sizeof name, "%s_%s", world, method[m]);
        printf("%-17s", name);
        tsv_add(table, name);
        for (i = 0; i < 7; i++) {
            int width = i == 5 ? 10 : i == 6 ? 7 : 9, digits = i == 5 ? 1 : 3;
            if (row[i] == row[i]) {
                // a value that rounds to zero is printed without a sign
                double shown = fabs(row[i]) < 0.5 * (digits == 1 ? 0.1 : 0.001) ? 0 : row[i];
                printf("%*.*f", width, digits, shown);
                tsv_add_number(table, floor(row[i] * 1e6 + 0.5) / 1e6); // six digits, and no -1e-17
            } else {
                printf("%*s", width, "-");
                tsv_add(table, "-");
            }
        }
        putchar('\n');
    }
    for (m = 1; m + 1 < n; m++) { // once more as `key value`, for the claims of the text
        printf("%s_%s_closed %.1f\n%s_%s_kl %.3f\n", world, method[m], 100 * s[m].closed, world, method[m], s[m].kl);
    }
}

#endif
