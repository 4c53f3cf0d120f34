// test_taste.c: a conversation with a reader: answers from a pipe, undo, repeats, leaving and coming back, broken
// files, and which key was pressed.
#include "../ref/core/rng.h"
#include "../ref/show/keys.h"
#include "../toy/feedback/feed.h"
#include "../toy/feedback/reader.h"
#include "../toy/feedback/session.h"
#include "child.h"

enum { SEED = 3, STREAM_SESSION = 50, STREAM_ITEMS = 60, STREAM_WORDS = 70 };

static Ring ring;
static Items items;

// ---- text --------------------------------------------------------------------------------------------------------

static Feed feed_of(const char *text) {
    Feed f;
    f.n = strlen(text);
    f.text = NEW(char, f.n + 1);
    memcpy(f.text, text, f.n);
    f.at = 0;
    f.line = 1;
    f.name = "text";
    return f;
}

static void test_feed(void) {
    static const Say want[] = {SAY_LEFT, SAY_RIGHT, SAY_TIE, SAY_UNDO, SAY_LEFT, SAY_LEFT, SAY_RIGHT, SAY_TIE};
    Feed f = feed_of("left right\n\n# a comment < > nonsense\n tie\tundo <<>= # more\r\n");
    size_t i;
    for (i = 0; i < sizeof want / sizeof *want; i++) {
        Say got = feed_next(&f);
        CHECK(got == want[i], "answer %zu is %d, want %d", i, (int)got, (int)want[i]);
    }
    CHECK(f.line == 4, "line %zu", f.line);
    CHECK(!feed_more(&f) && feed_next(&f) == SAY_QUIT && feed_next(&f) == SAY_QUIT, "the end is quit, for ever");
    CHECK(f.line == 5, "line %zu", f.line);
    feed_free(&f);
    f = feed_of("u q quit");
    CHECK(feed_next(&f) == SAY_UNDO && feed_next(&f) == SAY_QUIT, "signs");
    feed_free(&f);
    f = feed_of(" \n# only a comment");
    CHECK(!feed_more(&f), "nothing to read");
    feed_free(&f);
}

static void test_keys(void) {
    static const struct {
        const char *bytes;
        int key;
    } table[] = {
        {"[A", KEY_UP},
        {"[B", KEY_DOWN},
        {"[C", KEY_RIGHT},
        {"[D", KEY_LEFT},
        {"OA", KEY_UP},
        {"OB", KEY_DOWN},
        {"OC", KEY_RIGHT},
        {"OD", KEY_LEFT},
        {"", 0},
        {"[", 0},
        {"O", 0},
        {"[1", 0},
        {"[1;5", 0},
        {"[1;5C", KEY_RIGHT},
        {"[3~", KEY_NONE},
        {"OP", KEY_NONE},
        {"[200~", KEY_NONE},
        {"a", KEY_NONE},
        {"[H", KEY_NONE},
    };
    size_t i;
    for (i = 0; i < sizeof table / sizeof *table; i++) {
        int got = keys_decode((const unsigned char *)table[i].bytes, (int)strlen(table[i].bytes));
        CHECK(got == table[i].key, "ESC %s is %d, want %d", table[i].bytes, got, table[i].key);
    }
    if (!TILT_ISATTY(0)) { // somebody may start the test by hand
        CHECK(keys_open() == 0, "no terminal, no keys");
    }
    keys_close();
}

// ---- questions ---------------------------------------------------------------------------------------------------

// An answer that depends on the question alone, a tie now and then.
static double answer_of(const Session *s) {
    double d = (double)items.x[2 * s->a] - (double)items.x[2 * s->b];
    return fabs(d) < 0.2 ? 0.5 : d > 0;
}

static int same_state(const Session *s, const Session *t) {
    int i, same = s->n == t->n && s->a == t->a && s->b == t->b && s->repeat_of == t->repeat_of;
    for (i = 0; same && i < s->n; i++) {
        same = s->answer[i].a == t->answer[i].a && s->answer[i].b == t->answer[i].b && s->answer[i].y == t->answer[i].y;
    }
    return same && memcmp(s->taste.theta, t->taste.theta, (size_t)items.F * sizeof(double)) == 0 &&
           memcmp(s->taste.cov, t->taste.cov, (size_t)items.F * (size_t)items.F * sizeof(double)) == 0;
}

static void test_questions(void) {
    int how, i, j;
    for (how = 0; how < CHOOSERS; how++) {
        Session s = session_new(&items, (Chooser)how, 5, SEED, STREAM_SESSION);
        int repeats = 0, left = 0, seen[41] = {0};
        while (s.n < 40) {
            CHECK(s.a != s.b && s.a >= 0 && s.b >= 0 && s.a < items.n && s.b < items.n, "%d, %d", s.a, s.b);
            CHECK((s.repeat_of >= 0) == (s.n % 5 == 4), "question %d repeats %d", s.n + 1, s.repeat_of);
            if (s.repeat_of >= 0) {
                const Answer *old = &s.answer[s.repeat_of];
                CHECK(old->a == s.b && old->b == s.a, "sides are not exchanged at %d", s.n + 1);
                CHECK(s.repeat_of < s.n - 2, "question %d comes back at %d", s.repeat_of + 1, s.n + 1);
                CHECK(!seen[s.repeat_of], "question %d comes back twice", s.repeat_of + 1);
                CHECK(s.repeat_of % 5 != 4, "a repeat is repeated");
                seen[s.repeat_of] = 1;
                repeats++;
            } else {
                left += s.a < s.b;
                for (j = 0; j < s.n; j++) {
                    CHECK(!same_pair(&s.answer[j], s.a, s.b), "question %d was question %d", s.n + 1, j + 1);
                }
            }
            session_answer(&s, answer_of(&s));
        }
        CHECK(repeats == 8, "%d repeats", repeats);
        CHECK(left > 6 && left < 26, "%d of 32 with the smaller number on the left", left);
        CHECK(consistency(s.answer, s.n).repeats == 8, "the answers alone tell the repeats");
        session_free(&s);
    }
    for (i = 0; i < 2; i++) { // without repeats, and another seed asks something else
        Session s = session_new(&items, CHOOSE_VARIANCE, 0, SEED + (uint64_t)i, STREAM_SESSION);
        static int first;
        first = i == 0 ? s.a : first;
        CHECK(i == 0 || s.a != first, "both seeds begin with %d", first);
        while (s.n < 12) {
            CHECK(s.repeat_of < 0, "a repeat");
            session_answer(&s, 1);
        }
        session_free(&s);
    }
}

// Undo leads back through exactly the same states, also across a repeat.
static void test_undo(void) {
    Session s = session_new(&items, CHOOSE_VARIANCE, 5, SEED, STREAM_SESSION);
    Session t = session_new(&items, CHOOSE_VARIANCE, 5, SEED, STREAM_SESSION);
    int i;
    CHECK(session_undo(&s) == 0 && same_state(&s, &t), "undo of nothing");
    for (i = 0; i < 11; i++) {
        session_answer(&s, answer_of(&s));
        session_answer(&t, answer_of(&t));
    }
    for (i = 0; i < 4; i++) { // wrong turns, taken back
        session_answer(&s, 1 - answer_of(&s));
    }
    for (i = 0; i < 4; i++) {
        CHECK(session_undo(&s) == 1, "undo %d", i);
    }
    CHECK(same_state(&s, &t), "not the state before");
    while (session_undo(&s)) {
    }
    while (session_undo(&t)) {
    }
    CHECK(s.n == 0 && same_state(&s, &t), "not the beginning");
    for (i = 0; i < items.F * items.F; i++) {
        CHECK(s.taste.cov[i] == (i % (items.F + 1) == 0 ? items.prior : 0), "the prior, entry %d", i);
    }
    session_free(&s);
    session_free(&t);
}

// ---- files -------------------------------------------------------------------------------------------------------

static void fresh_files(int answers) {
    Session s = session_new(&items, CHOOSE_VARIANCE, 5, SEED, STREAM_SESSION);
    while (s.n < answers) {
        session_answer(&s, answer_of(&s));
    }
    session_save(&s, child_dir);
    session_free(&s);
}

// Leaving after every number of answers and coming back: the state of a session that was never interrupted.
static void test_resume(void) {
    int stop;
    for (stop = 0; stop <= 12; stop += stop < 4 ? 1 : 4) {
        Session whole = session_new(&items, CHOOSE_VARIANCE, 5, SEED, STREAM_SESSION), s;
        fresh_files(stop);
        s = session_new(&items, CHOOSE_VARIANCE, 5, SEED, STREAM_SESSION);
        CHECK(session_resume(&s, child_dir) == stop, "%d answers came back, not %d", s.n, stop);
        while (whole.n < stop) {
            session_answer(&whole, answer_of(&whole));
        }
        CHECK(same_state(&s, &whole), "resumed after %d", stop);
        while (s.n < 16) {
            session_answer(&s, answer_of(&s));
            session_answer(&whole, answer_of(&whole));
        }
        CHECK(same_state(&s, &whole), "went on after %d", stop);
        session_free(&s);
        session_free(&whole);
    }
}

static void test_set_aside(void) {
    Session s = session_new(&items, CHOOSE_VARIANCE, 5, SEED, STREAM_SESSION);
    int k;
    for (k = 1; k <= 2; k++) {
        char name[40];
        fresh_files(k);
        remove(child_path(k == 1 ? "taste_answers.old1.tsv" : "taste_answers.old2.tsv"));
        remove(child_path(k == 1 ? "taste_session.old1.tsv" : "taste_session.old2.tsv"));
        session_set_aside(child_dir);
        CHECK(!file_exists(child_path(SESSION_ANSWERS)) && !file_exists(child_path(SESSION_SETTINGS)), "still there");
        snprintf(name, sizeof name, "taste_answers.old%d.tsv", k);
        CHECK(file_exists(child_path(name)), "%s is not there", name);
    }
    CHECK(session_resume(&s, child_dir) == 0, "a new beginning");
    session_set_aside(child_dir); // nothing there: nothing happens
    session_free(&s);
}

// The child: `feed FILE` reads answers, `resume seed choose every world` a session.
static int child(int argc, char **argv) {
    if (strcmp(argv[1], "feed") == 0) {
        FILE *in = open_or_die(argv[2], "rb", "The test wrote it.");
        Feed f = feed_read(in, "stdin");
        while (feed_next(&f) != SAY_QUIT) {
        }
        return 0;
    }
    if (strcmp(argv[1], "resume") == 0 && argc == 6) {
        Session s;
        items.world = argv[5];
        s = session_new(&items, (Chooser)atoi(argv[3]), atoi(argv[4]), strtoul(argv[2], NULL, 10), STREAM_SESSION);
        printf("%d\n", session_resume(&s, child_dir));
        return 0;
    }
    return 9;
}

static void refused(const char *arguments, const char *word) {
    int status = child_run("", arguments);
    CHECK(status == 1, "%s: exit %d", arguments, status);
    CHECK(one_line(child_err) && strstr(child_err, word) != NULL, "%s: '%s' does not say '%s'", arguments, child_err,
          word);
}

static void test_broken_feed(void) {
    static const struct {
        const char *text, *word;
    } table[] = {
        {"left\nlefft\n", "line 2: 'lefft'"}, {"<\n>\n<x>\n", "line 3: '<x>'"},  {"Left", "line 1: 'Left'"},
        {"# c\n\n\n1", "line 4: '1'"},        {"<\001\n", "line 1: '<?' is no"}, {"left,right", "line 1: 'left,right'"},
    };
    char arguments[400];
    size_t i;
    for (i = 0; i < sizeof table / sizeof *table; i++) {
        child_file("feed.txt", table[i].text, strlen(table[i].text));
        snprintf(arguments, sizeof arguments, "feed %s", child_path("feed.txt"));
        refused(arguments, table[i].word);
    }
}

static void test_broken_files(void) {
    static const char head[] = "item_a\titem_b\twins_a\twins_b\tties\n";
    static const struct {
        const char *a, *b, *rest, *word; // NULL: the name that belongs there
    } table[] = {
        {NULL, NULL, "1\t1\t0\n", "a single 1"},   {NULL, NULL, "0\t0\t0\n", "a single 1"},
        {NULL, NULL, "2\t0\t0\n", "wins_a = 2"},   {NULL, NULL, "1\t0\t0.5\n", "ties = 0.5"},
        {NULL, NULL, "x\t0\t0\n", "not a finite"}, {NULL, NULL, "1\t0\n", "cells"},
        {NULL, NULL, "1\t0\t0", "cut short"},      {"p0", NULL, "1\t0\t0\n", "question 1 of this session"},
        {NULL, "p399", "1\t0\t0\n", "question 1"},
    };
    char text[300], left[ITEM_NAME], right[ITEM_NAME];
    Session s = session_new(&items, CHOOSE_VARIANCE, 5, SEED, STREAM_SESSION);
    size_t i;
    item_name(left, &items, s.a);
    item_name(right, &items, s.b);
    session_free(&s);
    fresh_files(6);
    CHECK(child_run("", "resume 3 0 5 ring") == 0 && atoi(child_out) == 6, "a good file: %s", child_err);
    refused("resume 4 0 5 ring", "--seed 3");
    refused("resume 3 1 5 ring", "--choose variance");
    refused("resume 3 0 4 ring", "--repeat 5");
    refused("resume 3 0 5 digits", "--world ring");
    remove(child_path(SESSION_SETTINGS));
    refused("resume 3 0 5 ring", "--start-over");
    fresh_files(0);
    for (i = 0; i < sizeof table / sizeof *table; i++) {
        snprintf(text, sizeof text, "%s%s\t%s\t%s", head, table[i].a ? table[i].a : left,
                 table[i].b ? table[i].b : right, table[i].rest);
        child_file(SESSION_ANSWERS, text, strlen(text));
        refused("resume 3 0 5 ring", table[i].word);
    }
    snprintf(text, sizeof text, "%s%s\t%s\t1\t0\t0\n", head, right, left); // the sides exchanged
    child_file(SESSION_ANSWERS, text, strlen(text));
    refused("resume 3 0 5 ring", "question 1");
    child_file(SESSION_ANSWERS, "item_a\titem_b\twins_a\twins_b\n", 28);
    refused("resume 3 0 5 ring", "column");
}

int main(int argc, char **argv) {
    ring = ring_new();
    items = items_ring(&ring, SEED, STREAM_ITEMS);
    child_begin(argv[0]);
    if (argc > 1) {
        return child(argc, argv);
    }
    test_feed();
    test_keys();
    test_questions();
    test_undo();
    test_resume();
    test_set_aside();
    test_broken_feed();
    test_broken_files();
    items_free(&items);
    return report("test_taste");
}
