// tty.h: is a person watching, and do they want colour?  C99 cannot ask, POSIX can; elsewhere the answer is no, which
// means plain text and no progress line.
#ifndef TILT_TTY_H
#define TILT_TTY_H

#include "../core/base.h"

#if defined(__unix__) || defined(__APPLE__)
#ifdef __cplusplus
extern "C"
#endif
    int
    isatty(int fd);
#define TILT_ISATTY(fd) isatty(fd)
#else
#define TILT_ISATTY(fd) ((void)(fd), 0)
#endif

// out is stdout or stderr.
static inline int is_terminal(FILE *out) {
    return out == stderr ? TILT_ISATTY(2) : out == stdout ? TILT_ISATTY(1) : 0;
}

static inline int env_set_(const char *variable) {
    return variable != NULL && variable[0] != '\0';
}

// The words of an option --color, for OPT_CHOICE; start with 0.
static const char *const color_words[] = {"auto", "always", "never", NULL};

// The first rule that applies: --color, NO_COLOR, FORCE_COLOR or CLICOLOR_FORCE, then a terminal that is not "dumb".
// An empty variable counts as not set (https://no-color.org).
static inline int color_rule(int option, const char *no_color, const char *force, const char *clicolor_force,
                             int terminal, const char *term) {
    if (option != 0) {
        return option == 1;
    }
    if (env_set_(no_color)) {
        return 0;
    }
    if (env_set_(force) || env_set_(clicolor_force)) {
        return 1;
    }
    return terminal && env_set_(term) && strcmp(term, "dumb") != 0;
}

// option is an index into color_words.
static inline int color_wanted(FILE *out, int option) {
    return color_rule(option, getenv("NO_COLOR"), getenv("FORCE_COLOR"), getenv("CLICOLOR_FORCE"), is_terminal(out),
                      getenv("TERM"));
}

#endif
