// test_games.c: tables of games: the real ones against the golden file, broken ones against one clear line each, and
// what becomes of ties when they are modelled, dropped or halved.
#include "catch.h"

#include "../ref/ledger/golden.h"
#include "../toy/feedback/games_fit.h"
#include "../toy/feedback/tie_study.h"

#define HEAD "item_a\titem_b\twins_a\twins_b\tties\n"
enum { SEED = 1, STREAM = 5000 };

// ---- the two tables in data/ --------------------------------------------------------------------------------------

static const Value *golden_value(const Golden *g, const char *name, const char *key) {
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->cases[i].name, name) == 0) {
            return value_find(&g->cases[i].in, key);
        }
    }
    return NULL;
}

// A column of the file is an array of the golden case; an index column where item is not NULL.
static void same_column(const Value *want, const double *number, const int *item, int rows, const char *what) {
    CHECK(want != NULL && want->n == (size_t)rows, "%s: %d rows", what, rows);
    for (int m = 0; want != NULL && m < rows; m++) {
        double got = item != NULL ? item[m] : number[m];
        CHECK(got == want->v[m], "%s, row %d: %g in the file, %g in the golden case", what, m + 1, got, want->v[m]);
    }
}

static void test_real_tables(void) {
    static const char *const teams[] = {"milwaukee", "detroit",   "toronto",  "new_york",
                                        "boston",    "cleveland", "baltimore"};
    FILE *f = open_or_die("data/golden.txt", "rb", "Run from the root.");
    Golden golden;
    CHECK(golden_read(&golden, f, "data/golden.txt", GOLDEN_FULL) == 0, "the golden file does not parse");
    fclose(f);
    Games league = games_read("data/baseball1987.tsv"), pudding = games_read("data/puddings1970.tsv");
    CHECK(league.items == 7 && league.rows == 42 && league.decided == 273 && league.tied == 0, "%d items, %g games",
          league.items, league.decided);
    CHECK(pudding.items == 6 && pudding.rows == 15 && pudding.decided == 543 && pudding.tied == 202,
          "%d items, %g ties", pudding.items, pudding.tied);
    for (int i = 0; i < league.items; i++) {
        CHECK(strcmp(league.name[i], teams[i]) == 0, "team %d is %s", i, league.name[i]);
    }
    const char *keys[5] = {"i", "j", "wins_i", "wins_j", "ties"};
    for (int k = 0; k < 4; k++) {
        double *lw[4] = {NULL, NULL, league.wins_a, league.wins_b};
        int *li[4] = {league.a, league.b, NULL, NULL};
        same_column(golden_value(&golden, "bt.mle@baseball", keys[k]), lw[k], li[k], league.rows, keys[k]);
    }
    for (int k = 0; k < 5; k++) {
        double *pw[5] = {NULL, NULL, pudding.wins_a, pudding.wins_b, pudding.ties};
        int *pi[5] = {pudding.a, pudding.b, NULL, NULL, NULL};
        same_column(golden_value(&golden, "bt.davidson@pudding", keys[k]), pw[k], pi[k], pudding.rows, keys[k]);
    }
    golden_free(&golden);

    // The fits: against Baltimore as the textbook prints them (two digits), with mean 0, and the bonus of the first.
    static const double printed[7] = {1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0};
    GamesFit fit = games_fit(&league, games_find(&league, "baltimore"), 0), centred = games_fit(&league, -1, 0);
    double mean = 0;
    for (int i = 0; i < 7; i++) {
        NEAR(fit.ability[i], printed[i], 0, 0.005);
        CHECK(i == 6 ? fit.se[i] == 0 : fabs(fit.se[i] - 0.34) < 0.01, "se %g", fit.se[i]);
        NEAR(centred.ability[i] - centred.ability[6], fit.ability[i], 1e-10, 1e-12);
        mean += centred.ability[i];
        CHECK(centred.se[i] > 0.15 && centred.se[i] < 0.3, "centred se %g", centred.se[i]);
    }
    NEAR(mean, 0, 0, 1e-12);
    CHECK(fit.has_first && fit.nu == 0, "bonus %d, nu %g", fit.has_first, fit.nu);
    NEAR(fit.first, 0.302, 0, 0.0005);
    NEAR(fit.first_se, 0.131, 0, 0.0005);
    CHECK(fit.score_error < 1e-9 && centred.score_error < 1e-9, "score error %g", fit.score_error);
    games_fit_free(&fit);
    games_fit_free(&centred);

    fit = games_fit(&pudding, -1, 0);
    NEAR(fit.nu, 0.746823, 0, 1e-6);
    CHECK(fit.score_error < 1e-9, "score error %g", fit.score_error);
    GamesFit held = games_fit(&pudding, 2, 0), weak = games_fit(&pudding, 2, 1e3); // a prior that says nothing
    for (int i = 0; i < 6; i++) {
        NEAR(weak.ability[i], held.ability[i], 0, 1e-5);
        NEAR(weak.se[i], held.se[i], 1e-4, 0);
    }
    CHECK(held.se[2] == 0 && weak.score_error < 1e-9, "se %g, score error %g", held.se[2], weak.score_error);
    games_fit_free(&held);
    games_fit_free(&weak);
    // Half a win for a tie: the same points, so the same order, in units that are 2/(2 + nu) as large.
    double half_a[15], half_b[15], halves[6];
    BtGames halved = games_halves(half_a, half_b, &pudding);
    CHECK(bt_mle(halves, NULL, &halved, 0, BT_LOGIT) == BT_OK, "no fit");
    for (int i = 1; i < 6; i++) {
        NEAR(halves[i], (fit.ability[i] - fit.ability[0]) * 2 / (2 + fit.nu), 0.01, 0);
    }
    fit.ability[0] += 0.1; // the score error can see a wrong fit
    CHECK(games_score_error_(&pudding, &fit, 0) > 1, "a wrong fit has score error %g",
          games_score_error_(&pudding, &fit, 0));
    games_fit_free(&fit);
    games_free(&pudding);
    games_free(&league);
}

// ---- broken files -------------------------------------------------------------------------------------------------

// The table of these bytes; 0 if it was refused, with the reason.
static int accepts(const char *text, size_t n) {
    static const char *const columns[] = {"item_a", "item_b", "wins_a", "wins_b", "ties", NULL};
    Bytes b = {NULL, 0, 0};
    bytes_add(&b, text, n);
    reason[0] = '\0';
    catching = 1;
    if (setjmp(back) != 0) {
        catching = 0;
        return 0;
    }
    Tsv t = tsv_decode(b, "bytes", columns);
    Games g = games_of(&t);
    CHECK(g.items >= 2 && g.rows >= 1, "accepted %d items in %d rows", g.items, g.rows);
    for (int m = 0; m < g.rows; m++) {
        CHECK(g.a[m] != g.b[m] && g.wins_a[m] >= 0 && g.ties[m] == floor(g.ties[m]), "row %d", m);
    }
    games_free(&g);
    tsv_free(&t);
    catching = 0;
    return 1;
}

static void refused(const char *text, const char *why) {
    int ok = accepts(text, strlen(text));
    CHECK(!ok && strstr(reason, why) != NULL, "accepted %d, reason '%s', wanted '%s'", ok, reason, why);
}

static void test_broken(void) {
    static const char good[] = HEAD "red\tblue\t3\t2\t1\nblue\tred\t1\t0\t0\nred\tgreen_2\t1000000000\t0\t4\n";
    CHECK(accepts(good, sizeof good - 1), "a good table was refused: %s", reason);
    refused("", "empty");
    refused(HEAD, "0 rows");
    refused("item_a\titem_b\twins_a\twins_b\nred\tblue\t1\t2\n", "'ties'");
    refused("item_a\titem_b\twins_a\twins_b\tdraws\nred\tblue\t1\t2\t0\n", "'draws'");
    refused("item_a\titem_b\twins_a\twins_b\tties\tweight\nred\tblue\t1\t2\t0\t1\n", "'weight'");
    refused(HEAD "red\tblue\t1\t2\n", "line 2 has 4 cells");
    refused(HEAD "red\tblue\t1\t2\t0", "cut short");
    refused(HEAD "red\tblue\t-1\t2\t0\n", "line 2, wins_a is -1");
    refused(HEAD "red\tblue\t1\t2.5\t0\n", "line 2, wins_b is 2.5");
    refused(HEAD "red\tblue\t1\t2\t0\nred\tgreen\t1\t1\t1e10\n", "line 3, ties is 1e+10");
    refused(HEAD "red\tblue\tnan\t2\t0\n", "'nan', not a finite number");
    refused(HEAD "red\tblue\t\t2\t0\n", "'', not a finite number");
    refused(HEAD "red\tblue\t1\t2\t0\nred\tblue\t1\t0\t0\n", "line 3 has the pair of line 2 again");
    refused(HEAD "red\tred\t1\t2\t0\n", "line 2 compares 'red' with itself");
    refused(HEAD "Red\tblue\t1\t2\t0\n", "item_a is 'Red'");
    refused(HEAD "new york\tblue\t1\t2\t0\n", "item_a is 'new york'");
    refused(HEAD "\tblue\t1\t2\t0\n", "item_a is ''");
    refused(HEAD "red\tabcdefghijabcdefghijabcdefghij12\t1\t2\t0\n", "names have 1 to 31");
    refused("# a comment\n" HEAD "red\tblue\t1\t2\t0\n", "line 2 has 5 cells, the header has 1");
    // one item too many
    Bytes b = {NULL, 0, 0};
    bytes_text(&b, HEAD);
    for (int i = 0; i < GAMES_ITEMS; i++) {
        bytes_text(&b, "item_%d\titem_%d\t1\t1\t0\n", i, i + 1);
    }
    CHECK(!accepts((const char *)b.data, b.n) && strstr(reason, "item number 401") != NULL, "reason '%s'", reason);
    bytes_free(&b);
    // every length, every byte changed in a few ways: refused, or a table that keeps its promises
    char bad[sizeof good];
    int cuts = 0, wrong = 0;
    for (size_t n = 0; n + 1 < sizeof good; n++) {
        cuts += accepts(good, n);
        for (int k = 0; k < 8; k++) {
            memcpy(bad, good, sizeof good);
            bad[n] = (char)(bad[n] ^ (1 << k));
            wrong += !accepts(bad, sizeof good - 1);
        }
    }
    CHECK(cuts == 2, "%d cut tables were accepted; two end behind a whole row", cuts);
    CHECK(wrong > 500, "only %d of the changed tables were refused", wrong);
}

// Tables without a fit name an item or the reason.
static void no_fit(const char *rows, const char *why) {
    static const char *const columns[] = {"item_a", "item_b", "wins_a", "wins_b", "ties", NULL};
    Bytes b = {NULL, 0, 0};
    bytes_text(&b, HEAD "%s", rows);
    Tsv t = tsv_decode(b, "bytes", columns);
    Games g = games_of(&t);
    reason[0] = '\0';
    catching = 1;
    if (setjmp(back) == 0) {
        GamesFit fit = games_fit(&g, -1, 0);
        games_fit_free(&fit);
    }
    catching = 0;
    CHECK(strstr(reason, why) != NULL, "reason '%s', wanted '%s'", reason, why);
    games_free(&g);
    tsv_free(&t);
}

static void test_no_fit(void) {
    no_fit("red\tblue\t3\t0\t0\n", "'red' (alone or with others) never loses to");
    no_fit("red\tblue\t2\t2\t0\nred\tgreen\t1\t0\t0\n", "never loses to");
    no_fit("red\tblue\t2\t2\t0\ngreen\tgrey\t1\t1\t0\n", "'red' (alone or with others) never meets");
    no_fit("red\tblue\t3\t0\t2\n", "the weight of a tie ");
    no_fit("red\tblue\t0\t0\t2\n", "no decision");
}

// The arguments that report a file of this test.
static const char *child_report(const char *file, const char *rest) {
    static char arguments[400];
    snprintf(arguments, sizeof arguments, "report %s %s", child_path(file), rest);
    return arguments;
}

// `test_games report FILE [ZERO [PRIOR]]`: what a program with --data does.
static void test_endings(void) {
    CHECK(child_run("", "report data/puddings1970.tsv") == 0 && child_err[0] == '\0', "puddings: %s", child_err);
    CHECK(strstr(child_out, "\ntie_weight 0.746823\n") != NULL && strstr(child_out, "\nhash ") != NULL, "%s",
          child_out);
    CHECK(strstr(child_out, "gap_halves") != NULL, "no comparison of the ways to treat ties");
    CHECK(child_run("", "report data/baseball1987.tsv baltimore") == 0, "baseball: %s", child_err);
    CHECK(strstr(child_out, "\nability_boston 1.107698\n") != NULL, "%s", child_out);
    CHECK(strstr(child_out, "tie_weight") == NULL, "a weight of ties without ties");
    child_file("one.tsv", HEAD "red\tblue\t1\t0\t0\n", strlen(HEAD) + 15);
    CHECK(child_run("", child_report("one.tsv", "blue 1")) == 0, "one game with a prior: %s", child_err);
    CHECK(strstr(child_out, "\nability_blue 0.000000\nse_blue 0.000000\n") != NULL, "%s", child_out);
    CHECK(strstr(child_out, "# first_bonus") != NULL, "a bonus from one game: %s", child_out);
    child_file("bad.tsv", HEAD "red\tblue\t1\t-2\t0\n", strlen(HEAD) + 15);
    static const char *const wrong[] = {"bad.tsv", "one.tsv", "missing.tsv"};
    for (int k = 0; k < 4; k++) {
        const char *arguments = k < 3 ? child_report(wrong[k], "") : "report data/baseball1987.tsv chicago";
        int status = child_run("", arguments);
        size_t lines = 0;
        for (const char *c = child_err; *c != '\0'; c++) {
            lines += *c == '\n';
        }
        CHECK(status == 1 && lines == 1 && child_out[0] == '\0', "%s: exit %d, %lu lines, '%s'", arguments, status,
              (unsigned long)lines, child_err);
    }
}

// ---- what becomes of ties -----------------------------------------------------------------------------------------

static void test_tie_study(void) {
    Arms arms = arms_new();
    TieStudy s = tie_study(arms.r, 0.8, 250, 160, SEED, STREAM);
    for (int k = 0; k < ARMS; k++) { // dropping ties is free of bias, halving them is not
        NEAR(s.limit[TIES_MODELLED][k], arms.r[k], 0, 1e-10);
        NEAR(s.limit[TIES_DROPPED][k], arms.r[k], 0, 1e-10);
        CHECK(fabs(s.limit[TIES_HALVED][k]) < 0.9 * fabs(arms.r[k]), "halves: %g", s.limit[TIES_HALVED][k]);
    }
    AGREES(s.nu, s.nu_own_se, 0.8); // of one rater
    AGREES(s.nu, s.nu_se, 0.8);     // of their mean
    AGREES(s.nu_own_se, s.nu_own_se * 2 / sqrt(2 * 250),
           s.nu_se * sqrt(250)); // the errors it reports are those it makes
    AGREES(s.rms[TIES_MODELLED], s.rms_se[TIES_MODELLED], s.promised[TIES_MODELLED]);
    AGREES(s.rms[TIES_DROPPED], s.rms_se[TIES_DROPPED], s.promised[TIES_DROPPED]);
    AGREES(s.excess, s.excess_se, tie_study_excess(&s));
    CHECK(s.excess > 4 * s.excess_se && s.excess < 0.2, "dropping costs %g +- %g", s.excess, s.excess_se);
    CHECK(fabs(s.z2[TIES_MODELLED] - 1) < 0.12 && fabs(s.z2[TIES_DROPPED] - 1) < 0.12, "z^2 %g %g", s.z2[TIES_MODELLED],
          s.z2[TIES_DROPPED]);
    CHECK(s.z2[TIES_HALVED] < 0.8, "halves: z^2 %g; their reported errors should be too large", s.z2[TIES_HALVED]);
    // Raters of another kind: now dropping is biased as well.
    double wins[ARM_CELLS], ties[ARM_CELLS], r[ARMS], var[ARMS], nu[2];
    rao_kupper_expected(wins, ties, arms.r, 2);
    CHECK(tie_way_fit(r, var, nu, wins, ties, TIES_DROPPED) == BT_OK, "no fit");
    CHECK(r[7] - r[1] > 3.5, "spread %g", r[7] - r[1]);
    for (int way = 0; way < TIE_WAYS; way++) { // the order of the arms survives every treatment
        CHECK(tie_way_fit(r, var, nu, wins, ties, (TieWay)way) == BT_OK, "no fit");
        for (int i = 0; i < ARMS; i++) {
            for (int j = 0; j < ARMS; j++) {
                CHECK((r[i] > r[j]) == (arms.r[i] > arms.r[j]), "way %d: %g against %g", way, r[i], r[j]);
            }
        }
    }
}

int main(int argc, char **argv) {
    child_begin(argv[0]);
    if (argc > 2 && strcmp(argv[1], "report") == 0) {
        return games_report(argv[2], argc > 3 ? argv[3] : NULL, argc > 4 ? atof(argv[4]) : 0, NULL);
    }
    if (argc > 1) {
        test_broken();
        test_no_fit();
        return report("broken");
    }
    test_real_tables();
    CHECK(child_run("", "broken") == 0, "%s", child_out); // in a child: what the loader had allocated is lost
    test_endings();
    test_tie_study();
    return report("test_games");
}
