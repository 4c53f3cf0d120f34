// talks.h: simulated readers who are asked exactly as a person is, repeats included, and what that shows on average.
#ifndef TILT_TALKS_H
#define TILT_TALKS_H

#include "session.h"
#include "taste_result.h"

enum { TALK_STREAM = 8 }; // of the streams of a reader; a session uses three

typedef struct {
    int readers, repeats;
    double flip_rate, bound;           // over all repeats of all readers
    double best_accuracy;              // what the true reward would have got right on the same questions
    double held_accuracy, held_sure;   // leave one out, means over the readers
    double tilt, tilt_se, dpo, dpo_se; // true share of the reachable J: tilt by the learned reward, DPO
    double dpo_kl;
    int median; // the reader in the middle by `tilt`: neither the best nor the worst to show
} Talks;

// A whole session of a reader; free it with session_free.  items are those of the reader and must outlive it.
static inline Session reader_talk(const Reader *reader, const Items *items, Chooser choose, int every, int answers) {
    Session s = session_new(items, choose, every, reader->seed, reader->stream + TALK_STREAM);
    while (s.n < answers) {
        session_answer(&s, reader_answer(reader, items, s.a, s.b, s.n));
    }
    return s;
}

// Readers 0..count-1.  Afterwards the exam knows the last of them.
static inline Talks talks_run(Exam *e, const Ring *ring, uint64_t seed, int count, Chooser choose, int every,
                              int answers) {
    Talks t;
    double *share = NEW(double, (size_t)count), *law = NEW(double, EXAM_CELLS), flips = 0;
    int i, j, k;
    memset(&t, 0, sizeof t);
    t.readers = count;
    for (i = 0; i < count; i++) {
        Reader reader = reader_new(seed, i);
        Items items = items_ring(ring, seed, reader.stream + READER_ITEMS);
        Session s = reader_talk(&reader, &items, choose, every, answers);
        Consistency c = consistency(s.answer, s.n);
        HeldOut h = taste_held_out(&items, items.prior, s.answer, s.n);
        double reward_share, dpo;
        exam_reader(e, &reader);
        exam_taste(&share[i], &reward_share, e, &s.taste);
        dpo_law(law, e, ring, &items, s.answer, s.n);
        exam_law(&dpo, &reward_share, e, law);
        t.tilt += share[i] / count;
        t.tilt_se += share[i] * share[i] / count;
        t.dpo += dpo / count;
        t.dpo_se += dpo * dpo / count;
        t.dpo_kl += kl_discrete(law, e->p_ref, EXAM_CELLS) / count;
        t.repeats += c.repeats;
        flips += c.flips;
        t.held_accuracy += h.accuracy / count;
        t.held_sure += h.sure / count;
        for (k = 0; k < s.n; k++) {
            t.best_accuracy += rater_accuracy(&reader.rater, reader_reward(&reader, &items, s.answer[k].a),
                                              reader_reward(&reader, &items, s.answer[k].b)) /
                               ((double)s.n * count);
        }
        session_free(&s);
        items_free(&items);
    }
    t.tilt_se = sqrt(fmax(0, t.tilt_se - t.tilt * t.tilt) / count);
    t.dpo_se = sqrt(fmax(0, t.dpo_se - t.dpo * t.dpo) / count);
    t.flip_rate = t.repeats > 0 ? flips / t.repeats : 0;
    t.bound = accuracy_bound(t.flip_rate);
    for (i = 0; i < count; i++) {
        for (k = 0, j = 0; j < count; j++) {
            k += share[j] < share[i] || (share[j] == share[i] && j < i);
        }
        t.median = k == count / 2 ? i : t.median;
    }
    free(share);
    free(law);
    return t;
}

#endif
