// ch07.c: your taste.  How much of a reader's taste do twenty answers carry, and which questions should be asked?
//
// On a terminal you are the annotator: two pictures, one key, twenty times; then the model is aligned to you.  Without
// a terminal the answers come from stdin (`<`, `>`, `=`, a word, or a recorded file).  With nothing on stdin, or with
// --simulate, simulated readers answer, whose true taste is known, and the ways of choosing questions are compared.
#include "../../ref/show/cli.h"
#include "../../ref/show/keys.h"
#include "../../toy/feedback/feed.h"
#include "../../toy/feedback/talks.h"
#include "../../toy/world/view_curves.h"
#include "../../toy/world/view_taste.h"

enum { WEAK = 64, STREAM_PERSON = 1, STREAM_POINTS = 10, AT_20 = 2 }; // AT_20: index of 20 answers in budget[]
static const char hint[] = "arrow keys: choose   space: tie   u: undo   q: quit, to go on later   ?: help";
static const char help[] = "also a d, h l, 1 2; t is a tie.  Answers are kept after every key.";
static uint64_t seed = 1;
static int quick, total = 20, every = 5, choose, world, readers = 250;
static double beta = 0.5;
static Ring ring;
static Digits digits;
static Exam exam;

// ---- a person, or a pipe --------------------------------------------------------------------------------------------

static Say say_of_key(int key) {
    static const char *const keys[] = {"ahAH1<", "dlDL2>", " tT=", "uU", "qQ"};
    for (int k = 0; k < 5 && key > 0 && key < 128; k++) {
        if (strchr(keys[k], key) != NULL) {
            return (Say)k;
        }
    }
    return key == KEY_LEFT ? SAY_LEFT : key == KEY_RIGHT ? SAY_RIGHT : key == KEY_END ? SAY_QUIT : SAY_NOTHING;
}

// Does what was said and stores the answers; news gets one line for the reader.
static void obey(Session *s, Say say, const char *dir, char news[100]) {
    static const char *const said[] = {"left", "right", "tie"};
    double mean, sd;
    if (say == SAY_UNDO) {
        snprintf(news, 100, session_undo(s) ? "taken back" : "there is nothing to take back");
    } else {
        taste_gap(&mean, &sd, &s->taste, s->items, s->a, s->b);
        double left = 100 * laplace_probability(mean, sd);
        snprintf(news, 100, "it gave %.0f %% to left and %.0f %% to right; you said %s", left, 100 - left, said[say]);
        session_answer(s, say == SAY_LEFT ? 1 : say == SAY_RIGHT ? 0 : 0.5);
    }
    session_save(s, dir);
}

static void ask_person(Session *s, const char *dir) {
    Term t = term_open(stdout, 0);
    char news[100];
    snprintf(news, sizeof news, "%s", hint);
    for (Say say = SAY_NOTHING; s->n < total && say != SAY_QUIT;) {
        view_question(&t, s, &ring, total, keys_columns(), news);
        int key = keys_get();
        say = say_of_key(key);
        if (say == SAY_NOTHING) {
            snprintf(news, sizeof news, "%s", key == '?' ? help : hint);
        } else if (say != SAY_QUIT) {
            obey(s, say, dir, news);
        }
    }
    keys_close();
    snprintf(news, sizeof news, "%d of %d questions answered", s->n, total);
    term_line(&t, news);
}

static void ask_pipe(Session *s, Feed *feed, const char *dir) {
    char news[100];
    for (Say say = feed_next(feed); say != SAY_QUIT; say = feed_next(feed)) {
        if (s->n >= total && say != SAY_UNDO) {
            DIE("%s, line %zu: all %d questions are answered; raise --answers to go on", feed->name, feed->line, total);
        }
        obey(s, say, dir, news);
    }
}

// ---- what came out --------------------------------------------------------------------------------------------------

static void print_reader(const Session *s) {
    Consistency c = consistency(s->answer, s->n);
    HeldOut h = taste_held_out(s->items, s->items->prior, s->answer, s->n);
    printf("answers %d\nties %d\nrepeats %d\nflip_rate %.3f\n", s->n, c.ties, c.repeats, c.flip_rate);
    printf(c.repeats > 0 ? "accuracy_bound %.3f\n" : "# no question was repeated: no bound\n", c.bound);
    printf("left_share %.3f\n", c.decided > 0 ? (double)c.left / c.decided : 0.5);
    printf("held_out_accuracy %.3f\nheld_out_se %.3f\nheld_out_sure %.3f\nheld_out_nll %.4f\nheld_out_brier %.4f\n",
           h.accuracy, h.accuracy_se, h.sure, h.nll, h.brier);
}

// Numbers of the three aligned laws; `truth`: also what they are worth to the reader whom the exam knows.
static void print_ring(const RingResult *r, int truth) {
    for (int k = LAW_TILT; k < LAWS; k++) {
        double share_j, share_r;
        printf("%s_kl %.4f\n%s_j_gain %.4f\n", law_words[k], r->score[k].kl, law_words[k], r->gain[k]);
        if (truth) {
            exam_law(&share_j, &share_r, &exam, r->law[k]);
            printf("%s_true_share %.4f\n", law_words[k], share_j);
        }
    }
}

static void finish(double number, const char *what, double low, double high, const double *v, int n) {
    uint64_t hash = HASH_START;
    for (int i = 0; i < n; i++) {
        real x = (real)v[i];
        hash = hash_reals(hash, &x, 1);
    }
    printf("inspect %.4f %s\nexpect %.4f to %.4f\nhash %016llx\n", number, what, low, high, (unsigned long long)hash);
}

static int person(const char *dir, int start_over, Feed *feed) {
    Items items = world == 0 ? items_ring(&ring, seed, STREAM_POINTS) : items_digits(&digits);
    Session s = session_new(&items, (Chooser)choose, every, seed, STREAM_PERSON);
    folder_make(dir);
    if (start_over) {
        session_set_aside(dir);
    }
    int before = session_resume(&s, dir);
    if (feed == NULL) {
        ask_person(&s, dir);
    } else {
        ask_pipe(&s, feed, dir);
    }
    TastePage page = taste_page_open(dir);
    double number;
    if (world == 0) {
        RingResult r = ring_result(&exam, &ring, &items, &s.taste, s.answer, s.n);
        taste_page_ring(&page, &s, &exam, &r);
        if (feed == NULL) {
            view_ring_result(&r);
        }
        print_reader(&s);
        print_ring(&r, 0);
        number = r.gain[LAW_TILT] > 0 ? r.gain[LAW_CLIMB] / r.gain[LAW_TILT] : 1;
        ring_result_free(&r);
    } else {
        DigitsResult r = digits_result(&digits, &items, &s.taste, beta);
        taste_page_digits(&page, &digits, &s.taste, &r, beta);
        if (feed == NULL) {
            view_digits_result(&digits, &r);
        }
        print_reader(&s);
        printf("tilt_kl %.4f\ntilt_j_gain %.4f\n", r.kl, r.gain);
        number = r.ess_percent / 100;
        digits_result_free(&r);
    }
    taste_page_close(&page, &s);
    printf("resumed %d\nkept %s/%s\npage %s/taste.html\n", before, dir, SESSION_ANSWERS, dir);
    if (s.n < total) {
        printf("# %d of %d questions are left; start again to go on\n", total - s.n, total);
    }
    finish(number, world == 0 ? "share of the best J that training reached" : "smallest effective share of a digit",
           world == 0 ? 0.9 : 0.1, 1, s.taste.theta, items.F);
    session_free(&s);
    items_free(&items);
    return 0;
}

// ---- simulated readers ----------------------------------------------------------------------------------------------

static void print_curves(const char *name, const Curves *c) {
    for (int m = 0; m < CHOOSERS; m++) {
        printf("%s_clear_%s %.4f\n", name, chooser_words[m], c->about[m][0]);
        printf("%s_apart_%s %.4f\n", name, chooser_words[m], c->about[m][1]);
    }
    for (int i = 0; i < CHOOSERS * BUDGETS; i++) {
        int m = i / BUDGETS, k = i % BUDGETS;
        char key[40];
        snprintf(key, sizeof key, "%s_%d", chooser_words[m], budget[k]);
        printf("%s_j_%s %.4f\n%s_se_%s %.4f\n", name, key, c->j[m][k], name, key, c->j_se[m][k]);
        printf("%s_reward_%s %.4f\n", name, key, c->r[m][k]);
        if (m != CHOOSE_RANDOM) {
            printf("%s_gain_%s %.4f\n%s_gain_se_%s %.4f\n", name, key, c->gain[m][k], name, key, c->gain_se[m][k]);
        }
    }
}

static int simulate(const char *out) {
    int talkers = quick ? 4 : 40;
    printf("# 1. %d simulated readers, asked as you would be, %d questions each\n", talkers, total);
    Talks t = talks_run(&exam, &ring, seed, talkers, (Chooser)choose, every, total);
    printf("talkers %d\nall_repeats %d\nall_flip_rate %.3f\nall_accuracy_bound %.3f\nall_best_accuracy %.3f\n", talkers,
           t.repeats, t.flip_rate, t.bound, t.best_accuracy);
    printf("all_held_out_accuracy %.3f\nall_held_out_sure %.3f\n", t.held_accuracy, t.held_sure);
    printf("all_tilt_share %.4f\nall_tilt_se %.4f\n", t.tilt, t.tilt_se);
    printf("all_dpo_share %.4f\nall_dpo_se %.4f\nall_dpo_kl %.4f\n", t.dpo, t.dpo_se, t.dpo_kl);
    printf("climb_steps %d\n# the reader in the middle of them is number %d\n", CLIMB_STEPS, t.median);
    Reader reader = reader_new(seed, t.median);
    Items items = items_ring(&ring, seed, reader.stream + READER_ITEMS);
    Session s = reader_talk(&reader, &items, (Chooser)choose, every, total);
    exam_reader(&exam, &reader);
    RingResult r = ring_result(&exam, &ring, &items, &s.taste, s.answer, s.n);
    print_reader(&s);
    print_ring(&r, 1);
    printf("# 2. share of the reachable J under the true reward, mean over readers\nreaders %d\n", readers);
    Curves fair = reader_curves(&exam, &ring, seed, readers, items.prior);
    print_curves("fair", &fair);
    printf("# 3. the same with a prior that expects rewards of any size (variance %d, not %g)\n", WEAK, items.prior);
    Curves weak = reader_curves(&exam, &ring, seed, (readers + 2) / 3, WEAK);
    print_curves("weak", &weak);
    if (out != NULL) {
        exam_reader(&exam, &reader);
        view_curves(out, &exam, &s, &r, &fair, &weak);
    }
    finish(fair.gain[CHOOSE_VARIANCE][AT_20], "fair_gain_variance_20", 0, 1, fair.j[0], CHOOSERS * BUDGETS);
    ring_result_free(&r);
    session_free(&s);
    items_free(&items);
    return !quick && readers >= 100 && !(fair.gain[CHOOSE_VARIANCE][AT_20] > 0);
}

int main(int argc, char **argv) {
    static const char *const worlds[] = {"ring", "digits", NULL};
    int simulated = 0, start_over = 0;
    const char *out = NULL;
    Option options[] = {OPT_SEED(&seed),
                        OPT_QUICK(&quick),
                        OPT_OUT(&out),
                        OPT_CHOICE("world", &world, worlds, "what you are shown"),
                        OPT_CHOICE("choose", &choose, chooser_words, "how the next pair is chosen"),
                        OPT_INT("answers", &total, 1, SESSION_MOST, "questions to you, repeats included"),
                        OPT_INT("repeat", &every, 0, SESSION_MOST, "every so many questions an old one; 0: never"),
                        OPT_DOUBLE("beta", &beta, 0.05, 100, "KL temperature"),
                        OPT_FLAG("start-over", &start_over, "puts older answers aside and begins anew"),
                        OPT_FLAG("simulate", &simulated, "simulated readers answer"),
                        OPT_INT("readers", &readers, 1, 100000, "simulated readers")};
    cli_parse(argc, argv, "your taste: you choose, the model aligns itself to you (answers go to out/, or --out)",
              options, COUNT(options));
    readers = quick && readers == 250 ? 12 : readers;
    ring = ring_new();
    exam = exam_new(&ring, beta);
    digits = world == 1 && !simulated ? digits_load(DIGITS_PATH) : digits;
    if (!simulated && keys_open()) {
        return person(out != NULL ? out : "out", start_over, NULL);
    }
    if (!simulated && !TILT_ISATTY(0)) {
        Feed feed = feed_read(stdin, "stdin");
        int status = feed_more(&feed) ? person(out != NULL ? out : "out", start_over, &feed) : -1;
        feed_free(&feed);
        if (status >= 0) {
            return status;
        }
        puts("# no terminal, and nothing on stdin: simulated readers answer");
    }
    if (world == 1) {
        DIE("simulated readers live on the ring; answer yourself or on stdin, or leave out --world digits");
    }
    return simulate(out);
}
