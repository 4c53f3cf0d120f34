// progress.h: one line on stderr while a long loop runs, only if stderr is a terminal; otherwise nothing at all.
//
//   Progress bar = progress_start("train", "loss", steps);
//   for (int i = 0; i < steps; i++) { ... progress_step(&bar, i + 1, loss); }
//   progress_end(&bar);                                   // erases the line, so results follow cleanly
//
// A loop that handles things, or that goes on where an earlier one stopped, says so before its first step:
//   bar.unit = "images"; bar.per_step = 256; bar.first = 700;  // "3210 images/s"; time left by the new steps only
//
// Time: time() counts real seconds, but only whole ones; clock() is fine-grained, but counts the processor time of
// all threads together.  So the seconds shown come from time(), and clock() only spaces the updates: at least 0.1 s
// of processor time apart and at most ten in one second of real time, whatever the number of threads.
#ifndef TILT_PROGRESS_H
#define TILT_PROGRESS_H

#include <time.h>

#include "tty.h"

typedef struct {
    const char *label, *number_name; // number_name NULL: no number is shown
    long total;                      // steps
    const char *unit;                // what a step handles per_step of, or NULL: then no rate is shown
    double per_step;
    long first;      // steps done before this loop began
    int live, drawn; // stderr is a terminal; a line is on it
    time_t start, second;
    clock_t tick;
    int in_second; // updates in this second
} Progress;

static inline Progress progress_start(const char *label, const char *number_name, long total) {
    Progress p;
    memset(&p, 0, sizeof p);
    p.label = label;
    p.number_name = number_name;
    p.total = total > 0 ? total : 1;
    p.live = is_terminal(stderr);
    p.start = p.second = time(NULL);
    p.tick = clock();
    return p;
}

// Is it time for an update?  Keeps the count.
static inline int progress_due(Progress *p, time_t now, clock_t tick) {
    if (now != p->second) {
        p->second = now;
        p->in_second = 0;
    } else if (tick - p->tick < CLOCKS_PER_SEC / 10 || p->in_second >= 10) {
        return 0;
    }
    p->in_second++;
    p->tick = tick;
    return 1;
}

// Seconds as a person reads them: 99s, 99m, then 27h.
static inline void progress_time(char text[16], double seconds) {
    if (seconds < 600) {
        snprintf(text, 16, "%.0fs", seconds);
    } else if (seconds < 6000) {
        snprintf(text, 16, "%.0fm", seconds / 60);
    } else {
        snprintf(text, 16, "%.3gh", seconds / 3600);
    }
}

// Whole seconds of real time since progress_start.
static inline double progress_seconds(const Progress *p) {
    return difftime(time(NULL), p->start);
}

// Things handled in a second, so far.
static inline double progress_rate(const Progress *p, long done, double seconds) {
    return seconds > 0 ? (double)(done - p->first) * p->per_step / seconds : 0;
}

// The line, without control characters, at most 79 columns: label [####....] 40%  loss 0.123  12s, 18s left
static inline void progress_text(char text[80], const Progress *p, long done, double number, double seconds) {
    char bar[21], value[40] = "", rate[40] = "", left[40] = "", spent[16];
    int i, full, width = p->unit != NULL ? 10 : 20; // a rate needs the room of half the bar
    done = done < 0 ? 0 : done < p->total ? done : p->total;
    full = (int)((double)width * (double)done / (double)p->total);
    for (i = 0; i < width; i++) {
        bar[i] = i < full ? '#' : '.';
    }
    bar[width] = '\0';
    if (p->number_name != NULL) {
        snprintf(value, sizeof value, "  %.12s %.4g", p->number_name, number);
    }
    progress_time(spent, seconds);
    if (seconds >= 2 && done > p->first) { // before that, whole seconds say nothing about the rate
        char time[16];
        progress_time(time, seconds * (double)(p->total - done) / (double)(done - p->first));
        snprintf(left, sizeof left, ", %s left", time);
        if (p->unit != NULL) {
            snprintf(rate, sizeof rate, "  %.0f %.8s/s", progress_rate(p, done, seconds), p->unit);
        }
    }
    i = snprintf(text, 80, "%.16s [%s] %3d%%%s%s  %s%s", p->label, bar, (int)(100.0 * (double)done / (double)p->total),
                 value, rate, spent, left);
    if (i >= 80) {
        text[78] = '+'; // cut: a line that wraps could not be erased
    }
}

// done of total steps are finished; number is what number_name announced.
static inline void progress_step(Progress *p, long done, double number) {
    time_t now;
    char text[80];
    if (!p->live) {
        return;
    }
    now = time(NULL);
    if (progress_due(p, now, clock())) {
        progress_text(text, p, done, number, difftime(now, p->start));
        fprintf(stderr, "\r%s\033[K", text);
        fflush(stderr);
        p->drawn = 1;
    }
}

static inline void progress_end(Progress *p) {
    if (p->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        p->drawn = 0;
    }
}

#endif
