// test_race.c: the measuring of samplers: slopes of known lines, ladders, a world in which one step is exact, and the
// whole table.
#include "death.h"

#include "../toy/model/race_table.h"

static Gmm point_mass(double x, double y) {
    Gmm p = gmm_new(1);
    p.w[0] = 1;
    p.mu[0] = x;
    p.mu[1] = y;
    return p;
}

static void test_order(void) {
    for (int order = 1; order <= 3; order++) {
        double error[RACE_DOUBLINGS], noisy[RACE_DOUBLINGS];
        for (int k = 0; k < RACE_DOUBLINGS; k++) {
            error[k] = 7 * pow(1 << k, -order);
            noisy[k] = error[k] * (k == 0 || k == RACE_DOUBLINGS - 1 ? 1 : 1.2); // symmetric: the slope stays
        }
        NEAR(race_order(error, RACE_DOUBLINGS), order, 0, 1e-12);
        NEAR(race_order(noisy, RACE_DOUBLINGS), order, 0, 1e-12);
        NEAR(race_order(error, 2), order, 0, 1e-12);
    }
}

static void test_ladders(void) {
    Race race = race_new(point_mass(0.3, -0.2), path_vp(0.1, 20), 1, 1e-3, 4, 1, 1);
    for (int spread = 0; spread < SPREADS; spread++) {
        Ladder ladder = race_ladder(&race, (Spread)spread, 9);
        CHECK(ladder.n == 9, "%d steps", ladder.n);
        NEAR(ladder.at[0].t, 1, 0, 0);
        NEAR(ladder.at[9].t, 1e-3, 0, 0);
        for (int i = 0; i < 9; i++) {
            CHECK(ladder.at[i + 1].t < ladder.at[i].t, "spread %d, level %d does not fall", spread, i);
        }
        ladder_free(&ladder);
    }
    // each spread is even in its own measure
    for (int i = 1; i < 9; i++) {
        Ladder l = race_ladder(&race, SPREAD_FLOW, 9), r = race_ladder(&race, SPREAD_RHO, 9);
        double tau[3], root[3];
        for (int k = 0; k < 3; k++) {
            const Level *f = &l.at[i - 1 + k], *e = &r.at[i - 1 + k];
            tau[k] = f->sigma / (f->alpha + f->sigma);
            root[k] = pow(e->sigma / e->alpha, 1.0 / 7);
        }
        NEAR(tau[0] - tau[1], tau[1] - tau[2], 0, 1e-9);
        NEAR(root[0] - root[1], root[1] - root[2], 0, 1e-9);
        ladder_free(&l);
        ladder_free(&r);
    }
    race_free(&race);
}

static void test_errors(void) {
    // data at one point: DDIM is exact in one step, and so is the reference
    Race race = race_new(point_mass(0.3, -0.2), path_vp(0.1, 20), 1, 1e-3, 8, 1, 1);
    size_t used = 0;
    double tiny = sizeof(real) == 8 ? 1e-10 : 1e-5;
    CHECK(race_error(&used, &race, sampler_find("ddim"), SPREAD_LOGSNR, 1) < tiny, "the error is out of its bounds");
    CHECK(used == 1, "%zu evaluations", used);
    // Heun is exact here too, in its own clock; in the time of the SDE it is not
    CHECK(race_error(&used, &race, sampler_find("edm_heun"), SPREAD_TIME, 5) < tiny, "the error is out of its bounds");
    CHECK(race_error(&used, &race, sampler_find("pf_heun"), SPREAD_TIME, 5) > 1e-3, "the error is out of its bounds");
    CHECK(used == 10, "%zu evaluations", used);
    DIES("draws noise", race_error(NULL, &race, sampler_find("ddpm_small"), SPREAD_TIME, 5));
    race_free(&race);

    // the law: DDPM with the large variance keeps N(0, 1) exactly; the small one does not
    race = race_new(point_mass(0, 0), path_vp(0.1, 20), 1, 1e-3, 4, 1, 1);
    CHECK(race_law_error(&race, sampler_find("ddpm_large"), SPREAD_TIME, 6, 0, 1) < 1e-12,
          "the error is out of its bounds");
    CHECK(race_law_error(&race, sampler_find("ddpm_small"), SPREAD_TIME, 6, 0, 1) > 1e-2,
          "the error is out of its bounds");
    CHECK(race_law_error(&race, sampler_find("ddpm_large"), SPREAD_TIME, 6, 0.5, 1) < 1,
          "the error is out of its bounds"); // and its mean is off
    CHECK(race_law_error(&race, sampler_find("ddim"), SPREAD_LOGSNR, 200, 1, 0.25) <
              race_law_error(&race, sampler_find("ddim"), SPREAD_LOGSNR, 50, 1, 0.25),
          "the error is out of its bounds");
    race_free(&race);
}

static void test_table(void) {
    Race race = race_new(point_mass(0.3, -0.2), path_vp(0.1, 20), 1, 1e-3, 2, 1, 1);
    RaceRow rows[RACE_SAMPLERS];
    int n = race_rows(rows, &race);
    CHECK(n >= 20, "%d samplers", n);
    for (int i = 0; i < n; i++) {
        const Sampler *s = rows[i].sampler;
        CHECK(s == &samplers[i], "row %d", i);
        CHECK(isnan(rows[i].path[0]) == s->random, "%s: path error %g", s->name, rows[i].path[0]);
        CHECK(rows[i].law[RACE_BUDGETS - 1] < rows[i].law[1] || rows[i].law[1] < 1e-12, "%s: law %g, %g", s->name,
              rows[i].law[1], rows[i].law[RACE_BUDGETS - 1]);
        if (s->random) { // the order of the law, exact up to the steps
            CHECK(rows[i].order > s->order - 0.1 && rows[i].order < s->order + 0.45, "%s: order %g, stated %d", s->name,
                  rows[i].order, s->order);
        }
    }
    race_free(&race);
}

int main(void) {
    test_order();
    test_ladders();
    test_errors();
    test_table();
    return report("test_race");
}
