// catch.h: loaders end the program when a file is bad.  Here DIE jumps back to `back` while `catching` is set, with its
// words in `reason`; otherwise it ends the program as ever, so that a child process (child.h) shows the real ending.
// Include it before the header under test.
#ifndef TILT_CATCH_H
#define TILT_CATCH_H

#include <setjmp.h>

#include "child.h"

static jmp_buf back;
static int catching;
static char reason[4096];

#undef DIE
#define DIE(...)                                          \
    do {                                                  \
        if (catching) {                                   \
            snprintf(reason, sizeof reason, __VA_ARGS__); \
            longjmp(back, 1);                             \
        }                                                 \
        fprintf(stderr, "tilt: ");                        \
        fprintf(stderr, __VA_ARGS__);                     \
        fputc('\n', stderr);                              \
        exit(1);                                          \
    } while (0)

#endif
