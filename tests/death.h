// death.h: checks that wrong input ends the program with the right message, without ending the test.
//
//   #include "death.h"                            // before the header under test, whose DIE then jumps back here
//   DIES("T = 0", schedule_new(0));               // the statement dies, and the words are in its message
#ifndef TILT_DEATH_H
#define TILT_DEATH_H

#include <setjmp.h>

#include "harness.h"

// A wrong input must end the program with a message that names the problem.  Here DIE jumps back instead.
static jmp_buf before_death;
static int armed;
static char last_words[512];
static inline void caught(void) {
    if (!armed) {
        fprintf(stderr, "unexpected death: %s\n", last_words);
        exit(1);
    }
    longjmp(before_death, 1);
}
#undef DIE
#define DIE(...)                                              \
    do {                                                      \
        snprintf(last_words, sizeof last_words, __VA_ARGS__); \
        caught();                                             \
    } while (0)
// DIES("word", statement): the statement dies, and the word is in its message.
#define DIES(word, statement)                                                     \
    do {                                                                          \
        armed = 1;                                                                \
        if (setjmp(before_death) == 0) {                                          \
            statement;                                                            \
            CHECK(0, "did not die: %s", #statement);                              \
        } else {                                                                  \
            CHECK(strstr(last_words, word) != NULL, "died with: %s", last_words); \
        }                                                                         \
        armed = 0;                                                                \
    } while (0)

#endif
