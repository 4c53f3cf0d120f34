// choice_view.h: how a table of the choice lab looks: a map with the region of the data outlined.
#ifndef TILT_CHOICE_VIEW_H
#define TILT_CHOICE_VIEW_H

#include "../../ref/show/svg.h"
#include "choice_lab.h"

// White arcs around the cells within LAB_INSIDE standard deviations of a mode: the edge of the union of eight discs.
static inline void lab_outline(Svg *s, const Lab *lab) {
    enum { STEPS = 96 };
    double x[STEPS + 1], y[STEPS + 1], radius = LAB_INSIDE * lab->ring.std;
    int k, i, n = 0;
    for (k = 0; k < lab->ring.modes; k++) {
        double mu[2], start = 2 * PI * k / lab->ring.modes + PI / 2; // towards the neighbour: inside its disc
        ring_mode(mu, &lab->ring, k);
        for (i = 0; i <= STEPS; i++) {
            double p[2], distance;
            p[0] = mu[0] + radius * e_cos(start + 2 * PI * i / STEPS);
            p[1] = mu[1] + radius * e_sin(start + 2 * PI * i / STEPS);
            ring_nearest(&distance, &lab->ring, p);
            if (distance > radius - 1e-9) {
                x[n] = p[0];
                y[n++] = p[1];
            } else {
                if (n > 1) {
                    svg_line(s, x, y, n, PAPER, "");
                }
                n = 0;
            }
        }
    }
}

// A table as a map from dark (low) to light (high) in a square panel; what lies beyond the two has their colours.
static inline void lab_map(Svg *s, double left, double top, double side, const Lab *lab, const double *v, double low,
                           double high, const char *title) {
    double *shown = NEW(double, LAB_CELLS);
    int i;
    svg_panel(s, left, top, side, side);
    s->x0 = s->y0 = -LAB_HALF;
    s->x1 = s->y1 = LAB_HALF;
    for (i = 0; i < LAB_CELLS; i++) {
        shown[i] = fmax(0, v[i] - low);
    }
    svg_field(s, shown, LAB_SIDE, LAB_SIDE, high - low);
    lab_outline(s, lab);
    svg_label(s, left + side / 2, top - 8, 'm', 13, INK, title);
    free(shown);
}

// A point for every bin of a reliability diagram: predicted against true chance for pairs drawn from a law.
static inline void lab_diagram(Svg *s, const Lab *lab, const double *law, const double *r, double tau, uint64_t seed,
                               uint64_t stream, Rgb colour, const char *name) {
    double bins[30], x[10], y[10];
    int n = 0, b;
    lab_judge(bins, lab, law, r, tau, 4000, seed, stream);
    for (b = 0; b < 10; b++) {
        if (bins[b] > 0) {
            x[n] = bins[10 + b];
            y[n++] = bins[20 + b];
        }
    }
    svg_line(s, x, y, n, colour, "");
    svg_points(s, x, y, n, 4, colour, name);
}

// Mean reward of the tilts by r up to a KL: of the truth, or (claimed, dashed) of r itself, tau reward units a logit.
static inline void lab_curve(Svg *s, const Lab *lab, const double *r, double tau, int claimed, double kl, Rgb colour,
                             const char *name) {
    enum { STEPS = 24 };
    double x[STEPS + 1], y[STEPS + 1], *law = NEW(double, LAB_CELLS);
    int i;
    x[0] = y[0] = 0;
    for (i = 1; i <= STEPS; i++) {
        x[i] = kl * i / STEPS;
        lab_tilt_at_kl(law, lab, r, x[i]);
        y[i] = claimed ? tau * table_mean(NULL, law, r, LAB_CELLS) : table_mean(NULL, law, lab->truth, LAB_CELLS);
    }
    if (claimed) {
        svg_dashed(s, x, y, STEPS + 1, colour, name);
    } else {
        svg_line(s, x, y, STEPS + 1, colour, name);
    }
    free(law);
}

#endif
