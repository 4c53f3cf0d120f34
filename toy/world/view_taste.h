// view_taste.h: the last page: what a reader answered, how steadily, and what the model now likes.
//
//   TastePage t = taste_page_open("out");
//   taste_page_ring(&t, ...);  or  taste_page_digits(&t, ...);    // also out/taste.png
//   taste_page_close(&t, &session);    // consistency, held-out predictions, the answers; out/taste.html
#ifndef TILT_VIEW_TASTE_H
#define TILT_VIEW_TASTE_H

#include "../../ref/show/page.h"
#include "../feedback/session.h"
#include "../feedback/taste_result.h"
#include "view.h"
#include "view_pairs.h"

typedef struct {
    const char *dir;
    char path[PATH_LENGTH]; // of the last file
    Page page;
} TastePage;

static inline const char *taste_path_(TastePage *t, const char *name) {
    path_join(t->path, t->dir, name);
    return t->path;
}

static inline void taste_line_(TastePage *t, const char *format, double a, double b, double c, double d) {
    char text[500];
    snprintf(text, sizeof text, format, a, b, c, d);
    page_text(&t->page, text);
}

static inline TastePage taste_page_open(const char *dir) {
    TastePage t;
    t.dir = dir;
    t.page = page_new("Your taste, as far as the model can tell");
    return t;
}

// How steady, how predictable, and every answer.
static inline void taste_page_reader_(TastePage *t, const Session *s) {
    static const char *const columns[] = {"question", "left", "right", "answer", "asked before", NULL};
    Tsv table = tsv_new(columns);
    Consistency c = consistency(s->answer, s->n);
    HeldOut h = taste_held_out(s->items, s->items->prior, s->answer, s->n);
    double low, high;
    int i, j;
    page_heading(&t->page, "How steady were the answers?");
    share_interval(&low, &high, c.flip_rate, c.repeats);
    if (c.repeats > 0) {
        taste_line_(t,
                    "%.0f questions came back with their sides exchanged; %.1f answers changed (a tie counts half).  "
                    "The flip rate is %.2f; with so few repeats it could be anything up to %.2f.",
                    c.repeats, c.flips, c.flip_rate, high);
        taste_line_(
            t,
            "So no model, however good, can be expected to agree with a fresh answer of this reader in more than "
            "%.0f %% of the cases (%.0f to %.0f %%, given how few repeats there were).",
            100 * c.bound, 100 * accuracy_bound(high), 100 * accuracy_bound(low), 0);
    } else {
        page_text(&t->page, "No question was asked twice, so nothing is known about that.");
    }
    share_interval(&low, &high, c.decided > 0 ? (double)c.left / c.decided : 0.5, c.decided);
    taste_line_(
        t,
        "%.0f of %.0f decided answers were for the left side (a share between %.2f and %.2f, 95 %%).  Sides are "
        "drawn by lot, so a reader without a favourite side has one half.",
        c.left, c.decided, low, high);
    page_heading(&t->page, "Could the answers have been predicted?");
    if (s->n > 0) {
        taste_line_(
            t,
            "Leave one out: each answer is predicted from all others, except those about the same pair.  The "
            "prediction was right for %.0f %% (standard error %.0f), and it had been %.0f %% sure on average.  A "
            "coin is right for 50 %%.",
            100 * h.accuracy, 100 * h.accuracy_se, 100 * h.sure, 0);
        taste_line_(
            t,
            "Its mean loss is %.3f nats; a coin has 0.693, lower is better.  Brier score %.3f, a coin has 0.25.  "
            "The pairs were chosen to teach much, so this is no estimate for random pairs.",
            h.nll, h.brier, 0, 0);
    }
    page_heading(&t->page, "The answers");
    for (i = 0; i < s->n; i++) {
        char name[ITEM_NAME], before[40] = "";
        tsv_add_whole(&table, i + 1);
        item_name(name, s->items, s->answer[i].a);
        tsv_add(&table, name);
        item_name(name, s->items, s->answer[i].b);
        tsv_add(&table, name);
        tsv_add(&table, s->answer[i].y == 1 ? "left" : s->answer[i].y == 0 ? "right" : "tie");
        for (j = 0; j < i; j++) {
            if (same_pair(&s->answer[j], s->answer[i].a, s->answer[i].b)) {
                snprintf(before, sizeof before, "as question %d", j + 1);
            }
        }
        tsv_add(&table, before);
    }
    page_table(&t->page, &table);
    tsv_free(&table);
}

// A panel of the ring: a field over the exam's grid, with a title.
static inline void taste_panel_(Image *m, int left, int side, const double *v, const char *title) {
    Window w = {left, 24, side, side, -3.2, 3.2, -3.2, 3.2};
    double low = INFINITY, high = -INFINITY, *shown = NEW(double, EXAM_CELLS);
    int i;
    for (i = 0; i < EXAM_CELLS; i++) {
        low = fmin(low, v[i]);
        high = fmax(high, v[i]);
    }
    for (i = 0; i < EXAM_CELLS; i++) {
        shown[i] = high > low ? (v[i] - low) / (high - low) : 0;
    }
    image_field(m, &w, shown, EXAM_SIDE, EXAM_SIDE, 1);
    image_text(m, left + 2, 5, 2, INK, title);
    free(shown);
}

static inline void taste_page_ring(TastePage *t, const Session *s, const Exam *e, const RingResult *r) {
    static const char *const columns[] = {"law", "mean learned reward", "KL, nats", "J", "share of the best J", NULL};
    static const char *const name[LAWS] = {"reference", "exact tilt: the best there is",
                                           "mixture, policy gradient on the learned reward",
                                           "mixture, DPO on the answers alone"};
    enum { SIDE = 240, GAP = 12 };
    Image m = image_new(3 * SIDE + 2 * GAP, SIDE + 24, 3);
    Window w = {0, 24, SIDE, SIDE, -3.2, 3.2, -3.2, 3.2};
    Tsv table = tsv_new(columns);
    int i;
    image_fill(&m, PAPER);
    taste_panel_(&m, 0, SIDE, r->r, "learned reward");
    taste_panel_(&m, SIDE + GAP, SIDE, r->law[LAW_REF], "before");
    taste_panel_(&m, 2 * (SIDE + GAP), SIDE, r->law[LAW_CLIMB], "after");
    for (i = 0; i < s->n; i++) { // what was chosen is a light disc, what was not a dark one
        int a_wins = s->answer[i].y >= 0.5;
        int win = a_wins ? s->answer[i].a : s->answer[i].b, lose = a_wins ? s->answer[i].b : s->answer[i].a;
        image_points(&m, &w, s->items->x + 2 * lose, 1, 4, PAPER);
        image_points(&m, &w, s->items->x + 2 * lose, 1, 3, INK);
        image_points(&m, &w, s->items->x + 2 * win, 1, 4, INK);
        image_points(&m, &w, s->items->x + 2 * win, 1, 3, PAPER);
    }
    png_write(taste_path_(t, "taste.png"), &m);
    page_heading(&t->page, "What the model now likes");
    page_image(
        &t->page, &m, 1,
        "Left: the learned reward, light is high; white discs were chosen, dark ones were not.  Middle: where the "
        "model drew houses before.  Right: where it draws them now.");
    image_free(&m);
    for (i = 0; i < LAWS; i++) {
        tsv_add(&table, name[i]);
        tsv_add_number(&table, floor(1000 * r->score[i].reward + 0.5) / 1000);
        tsv_add_number(&table, floor(1000 * r->score[i].kl + 0.5) / 1000);
        tsv_add_number(&table, floor(1000 * r->score[i].j + 0.5) / 1000);
        tsv_add_number(&table, r->gain[LAW_TILT] > 0 ? floor(1000 * r->gain[i] / r->gain[LAW_TILT] + 0.5) / 1000 : 0);
    }
    page_table(&t->page, &table);
    taste_line_(
        t,
        "J is the mean learned reward minus %.2g times KL.  All numbers are exact sums on a grid.  They say how "
        "well the model follows the LEARNED reward; whether that is your taste, only you can say.",
        e->beta, 0, 0, 0);
    tsv_free(&table);
}

static inline void taste_page_digits(TastePage *t, const Digits *d, const Taste *taste, const DigitsResult *r,
                                     double beta) {
    static const char *const columns[] = {"feature", "weight", "standard deviation", NULL};
    static const char *const title[2] = {"before", "after"};
    enum { DRAWS = 400 };
    Tsv table = tsv_new(columns);
    real *x[2];
    Image m;
    int k;
    for (k = 0; k < 2; k++) {
        x[k] = NEW(real, (size_t)DRAWS * DIGIT_PIXELS);
        digits_resample(x[k], DRAWS, d, k == 0 ? NULL : r->w);
    }
    m = view_digit_sheets(x, title, 2, DRAWS, 4, 4);
    png_write(taste_path_(t, "taste.png"), &m);
    page_heading(&t->page, "What the model now likes");
    page_image(
        &t->page, &m, 1,
        "Real digits.  Left: every picture equally likely.  Right: re-weighted by the learned reward.  The bottom "
        "row shows the means, where a style is seen best.");
    taste_line_(t,
                "KL %.3f nats, J %.3f above the reference (beta %.2g), both means over the ten digits.  The effective "
                "sample size is at least %.0f %% of the pictures of a digit: below ten, the "
                "sheet would repeat a few favourites.",
                r->kl, r->gain, beta, r->ess_percent);
    page_heading(&t->page, "What it thinks you look at");
    for (k = 0; k < DIGIT_FEATURES; k++) {
        tsv_add(&table, digit_feature_name[k]);
        tsv_add_number(&table, floor(100 * taste->theta[k] + 0.5) / 100);
        tsv_add_number(&table, floor(100 * sqrt(taste->cov[k * DIGIT_FEATURES + k]) + 0.5) / 100);
    }
    page_table(&t->page, &table);
    taste_line_(t,
                "Weights are reward units for one standard deviation of the feature, and start at 0 with standard "
                "deviation %.2f.  A weight below its standard deviation means: not known.",
                sqrt(taste->prior), 0, 0, 0);
    for (k = 0; k < 2; k++) {
        free(x[k]);
    }
    image_free(&m);
    tsv_free(&table);
}

// ---- the same on the terminal, as far as it fits -----------------------------------------------------------------

// Learned reward, before, after.
static inline void view_ring_result(const RingResult *r) {
    Term t = term_open(stdout, 0);
    enum { SIDE = 24, WIDE = 3 * SIDE + 4 };
    const double *field[3];
    Image m = image_new(WIDE, SIDE, 3);
    char line[120] = "";
    int k, i;
    field[0] = r->r;
    field[1] = r->law[LAW_REF];
    field[2] = r->law[LAW_CLIMB];
    for (k = 0; k < 3; k++) {
        Window w = {k * (SIDE + 2), 0, SIDE, SIDE, 0, 1, 0, 1};
        double low = INFINITY, high = -INFINITY, *shown = NEW(double, EXAM_CELLS);
        for (i = 0; i < EXAM_CELLS; i++) {
            low = fmin(low, field[k][i]);
            high = fmax(high, field[k][i]);
        }
        for (i = 0; i < EXAM_CELLS; i++) {
            shown[i] = high > low ? (field[k][i] - low) / (high - low) : 0;
        }
        image_field(&m, &w, shown, EXAM_SIDE, EXAM_SIDE, 1);
        free(shown);
    }
    view_centred_(line, sizeof line, "what you like", SIDE + 2);
    view_centred_(line, sizeof line, "before", SIDE + 2);
    view_centred_(line, sizeof line, "after: aligned to you", SIDE + 2);
    term_image(&t, &m);
    term_line(&t, line);
    image_free(&m);
}

// The favourite of each digit, 0 to 4 above 5 to 9.
static inline void view_digits_result(const Digits *d, const DigitsResult *r) {
    Term t = term_open(stdout, 0);
    real x[DIGIT_CLASSES * DIGIT_PIXELS];
    int c, i;
    for (c = 0; c < DIGIT_CLASSES; c++) {
        int best = d->of[c][0];
        for (i = 0; i < d->count[c]; i++) {
            best = r->reward[d->of[c][i]] > r->reward[best] ? d->of[c][i] : best;
        }
        memcpy(x + c * DIGIT_PIXELS, d->x + (size_t)best * DIGIT_PIXELS, DIGIT_PIXELS * sizeof *x);
    }
    term_sheet(&t, x, DIGIT_CLASSES, DIGIT_SIDE, DIGIT_SIDE, DIGIT_CLASSES / 2, -1, 1);
    term_line(&t, "the favourites of the model that was aligned to you");
}

static inline void taste_page_close(TastePage *t, const Session *s) {
    taste_page_reader_(t, s);
    page_write(&t->page, taste_path_(t, "taste.html"));
}

#endif
