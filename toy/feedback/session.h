// session.h: a conversation with a reader: question, answer, undo, leave and come back.
//
//   Session s = session_new(&items, CHOOSE_VARIANCE, 5, seed, stream);
//   while (s.n < 20) { show(s.a, s.b); session_answer(&s, y); session_save(&s, "out"); }
//
// The next question is a function of the seed and of the answers so far, and of nothing else.  So the answers are the
// whole state: undo drops the last one, and a session that is read back asks exactly what it would have asked.
// Every fifth question (`every`) is an earlier one with its sides exchanged.
//
// Files: taste_answers.tsv, a row an answer in the order asked, item_a on the left; taste_session.tsv, the settings.
#ifndef TILT_SESSION_H
#define TILT_SESSION_H

#include "../../ref/file/tsv.h"
#include "taste.h"

enum { SESSION_MOST = 1000 };                                // answers
enum { SESSION_CANDIDATES, SESSION_REPEATS, SESSION_SIDES }; // streams, added to `stream`
#define SESSION_ANSWERS "taste_answers.tsv"
#define SESSION_SETTINGS "taste_session.tsv"

static const char *const session_columns[] = {"item_a", "item_b", "wins_a", "wins_b", "ties", NULL};
static const char *const setting_columns[] = {"world", "seed", "choose", "repeat", NULL};

typedef struct {
    const Items *items;
    Chooser choose;
    int every; // a repeat every so many questions; 0: never
    uint64_t seed, stream;
    int n;          // answers so far
    Answer *answer; // SESSION_MOST
    int a, b;       // the question: a on the left
    int repeat_of;  // number of the question that it repeats, or -1
    Taste taste;    // fitted to all answers
} Session;

// Fits the answers so far and finds the next question.
static inline void session_question(Session *s) {
    int again[SESSION_MOST], count = 0, i, j;
    taste_fit(&s->taste, s->items, s->answer, s->n, NULL);
    s->repeat_of = -1;
    if (s->n >= SESSION_MOST) { // nothing more is asked
        s->a = s->b = -1;
        return;
    }
    for (i = 0; i + 2 < s->n; i++) { // not one of the last two, which are remembered
        int asked = 0;
        for (j = 0; j < s->n; j++) {
            asked += same_pair(&s->answer[j], s->answer[i].a, s->answer[i].b);
        }
        if (asked == 1) {
            again[count++] = i;
        }
    }
    if (s->every > 0 && (s->n + 1) % s->every == 0 && count > 0) {
        i = again[rng_below(s->seed, s->stream + SESSION_REPEATS, (uint64_t)s->n, (uint64_t)count)];
        s->repeat_of = i;
        s->a = s->answer[i].b;
        s->b = s->answer[i].a;
        return;
    }
    taste_choose(&s->a, &s->b, &s->taste, s->items, question_pickers[s->choose], s->answer, s->n, s->seed,
                 s->stream + SESSION_CANDIDATES);
    if (rng_below(s->seed, s->stream + SESSION_SIDES, (uint64_t)s->n, 2) == 1) {
        i = s->a;
        s->a = s->b;
        s->b = i;
    }
}

static inline Session session_new(const Items *items, Chooser choose, int every, uint64_t seed, uint64_t stream) {
    Session s;
    memset(&s, 0, sizeof s);
    s.items = items;
    s.choose = choose;
    s.every = every;
    s.seed = seed;
    s.stream = stream;
    s.answer = NEW(Answer, SESSION_MOST);
    s.taste = taste_new(items->F, items->prior);
    session_question(&s);
    return s;
}

static inline void session_free(Session *s) {
    free(s->answer);
    taste_free(&s->taste);
    memset(s, 0, sizeof *s);
}

// y: 1 the left one is better, 0 the right one, 1/2 neither.
static inline void session_answer(Session *s, double y) {
    if (s->n >= SESSION_MOST) {
        DIE("session: more than %d answers; the result will not get better from here", SESSION_MOST);
    }
    s->answer[s->n].a = s->a;
    s->answer[s->n].b = s->b;
    s->answer[s->n].y = y;
    s->n++;
    session_question(s);
}

// Takes the last answer back; its question is asked again.  Returns 0 when there is none.
static inline int session_undo(Session *s) {
    if (s->n == 0) {
        return 0;
    }
    s->n--;
    session_question(s);
    return 1;
}

// ---- files -------------------------------------------------------------------------------------------------------

// Both files, each whole or not at all.  The settings come first: answers without settings would be of no use.
static inline void session_save(const Session *s, const char *dir) {
    Tsv settings = tsv_new(setting_columns), answers = tsv_new(session_columns);
    char path[PATH_LENGTH], text[ITEM_NAME + 16];
    int i;
    tsv_add(&settings, s->items->world);
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->seed);
    tsv_add(&settings, text);
    tsv_add(&settings, chooser_words[s->choose]);
    tsv_add_whole(&settings, s->every);
    path_join(path, dir, SESSION_SETTINGS);
    tsv_write(&settings, path);
    for (i = 0; i < s->n; i++) {
        item_name(text, s->items, s->answer[i].a);
        tsv_add(&answers, text);
        item_name(text, s->items, s->answer[i].b);
        tsv_add(&answers, text);
        tsv_add_whole(&answers, s->answer[i].y == 1);
        tsv_add_whole(&answers, s->answer[i].y == 0);
        tsv_add_whole(&answers, s->answer[i].y == 0.5);
    }
    path_join(path, dir, SESSION_ANSWERS);
    tsv_write(&answers, path);
    tsv_free(&settings);
    tsv_free(&answers);
}

static inline int file_exists(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f != NULL) {
        fclose(f);
    }
    return f != NULL;
}

// A cell must hold what this run was started with.
static inline void session_match_(const Tsv *t, const char *column, const char *want, const char *dir) {
    const char *got = tsv_text(t, 0, column);
    if (strcmp(got, want) != 0) {
        DIE("'%s/%s' belongs to a session with --%s %s, this one has --%s %s; use the same, or --start-over (the old "
            "files are kept)",
            dir, SESSION_SETTINGS, column, got, column, want);
    }
}

static inline int session_count_(const Tsv *t, size_t row, const char *column, const char *path) {
    double v = tsv_number(t, row, column);
    if (v != 0 && v != 1) {
        DIE("'%s': row %zu has %s = %g; an answer is a single 1 among wins_a, wins_b and ties", path, row + 1, column,
            v);
    }
    return (int)v;
}

// Reads the answers in dir, if there are any, and checks every one against the question that this session asks.
// Returns how many were read.
static inline int session_resume(Session *s, const char *dir) {
    char path[PATH_LENGTH], settings_path[PATH_LENGTH], text[64];
    Tsv t;
    size_t row;
    path_join(path, dir, SESSION_ANSWERS);
    path_join(settings_path, dir, SESSION_SETTINGS);
    if (!file_exists(path)) {
        return 0;
    }
    if (!file_exists(settings_path)) {
        DIE("'%s' is there, but not '%s', which says what was asked; put it back, or use --start-over", path,
            SESSION_SETTINGS);
    }
    t = tsv_read(settings_path, setting_columns);
    if (t.rows != 1) {
        DIE("'%s' has %zu rows, expected 1; use --start-over (the old files are kept)", settings_path, t.rows);
    }
    session_match_(&t, "world", s->items->world, dir);
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->seed);
    session_match_(&t, "seed", text, dir);
    session_match_(&t, "choose", chooser_words[s->choose], dir);
    snprintf(text, sizeof text, "%d", s->every);
    session_match_(&t, "repeat", text, dir);
    tsv_free(&t);
    t = tsv_read(path, session_columns);
    if (t.rows > SESSION_MOST) {
        DIE("'%s' has %zu answers; at most %d are read", path, t.rows, SESSION_MOST);
    }
    for (row = 0; row < t.rows; row++) {
        int wins_a = session_count_(&t, row, "wins_a", path), wins_b = session_count_(&t, row, "wins_b", path);
        char left[ITEM_NAME], right[ITEM_NAME];
        item_name(left, s->items, s->a);
        item_name(right, s->items, s->b);
        if (wins_a + wins_b + session_count_(&t, row, "ties", path) != 1) {
            DIE("'%s': row %zu: an answer is a single 1 among wins_a, wins_b and ties", path, row + 1);
        }
        if (strcmp(tsv_text(&t, row, "item_a"), left) != 0 || strcmp(tsv_text(&t, row, "item_b"), right) != 0) {
            DIE("'%s': row %zu is about %.15s and %.15s, but question %zu of this session is %s or %s; rows were "
                "changed, or a different version wrote them: use --start-over (the old files are kept)",
                path, row + 1, tsv_text(&t, row, "item_a"), tsv_text(&t, row, "item_b"), row + 1, left, right);
        }
        session_answer(s, wins_a ? 1 : wins_b ? 0 : 0.5);
    }
    tsv_free(&t);
    return s->n;
}

// Moves the two files of an earlier session out of the way: NAME.tsv becomes NAME.old1.tsv, or the next free number.
static inline void session_set_aside(const char *dir) {
    static const char *const name[2] = {SESSION_ANSWERS, SESSION_SETTINGS};
    char path[PATH_LENGTH], old[2][PATH_LENGTH], text[80];
    int number, k;
    for (number = 1; number < 10000; number++) { // one number for both
        for (k = 0; k < 2; k++) {
            snprintf(text, sizeof text, "%.*s.old%d.tsv", (int)(strlen(name[k]) - 4), name[k], number);
            path_join(old[k], dir, text);
        }
        if (!file_exists(old[0]) && !file_exists(old[1])) {
            break;
        }
    }
    for (k = 0; k < 2; k++) {
        path_join(path, dir, name[k]);
        if (file_exists(path) && rename(path, old[k]) != 0) {
            DIE("cannot rename '%s' to '%s'; move it away yourself", path, old[k]);
        }
    }
}

#endif
