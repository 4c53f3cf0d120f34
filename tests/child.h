// child.h: a test that calls itself.  The functions under test end the program when something is wrong, so the test
// starts itself with arguments, keeps what the child printed, and looks at the exit status.
#ifndef TILT_CHILD_H
#define TILT_CHILD_H

#include "harness.h"

static const char *child_program; // argv[0]
static char child_dir[200];       // a folder of this program alone; builds in float and double run side by side
static char child_out[4096], child_err[4096];

// Call first in main.  Makes build/test_tmp/<hash of the program's name>/.
static inline void child_begin(const char *program) {
    char command[300];
    uint64_t h = hash_bytes(HASH_START, program, strlen(program));
    child_program = program;
    snprintf(child_dir, sizeof child_dir, "build/test_tmp/%016llx-%d", (unsigned long long)h, (int)sizeof(real));
    snprintf(command, sizeof command, "mkdir -p %s", child_dir);
    if (system(command) != 0) {
        DIE("cannot make %s; run the test from the root of the repository", child_dir);
    }
}

// The path of a file in the folder; one of four buffers in turn.
static inline const char *child_path(const char *name) {
    static char path[4][300];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", child_dir, name);
    return path[turn];
}

static inline void child_slurp_(const char *name, char text[4096]) {
    FILE *f = open_or_die(child_path(name), "rb", "The child should have made it.");
    size_t n = fread(text, 1, 4095, f);
    text[n] = '\0';
    fclose(f);
}

static inline void child_file(const char *name, const void *data, size_t n) {
    FILE *f = open_or_die(child_path(name), "wb", "Run from the root of the repository.");
    if (fwrite(data, 1, n, f) != n || fclose(f) != 0) {
        DIE("cannot write %zu bytes to '%s'", n, child_path(name));
    }
}

// Runs `environment program arguments`; returns the exit status, the texts are in child_out and child_err.
static inline int child_run(const char *environment, const char *arguments) {
    char command[2000], status[4096];
    // leaks are not looked for: the child ends in the middle on purpose
    snprintf(command, sizeof command, "ASAN_OPTIONS=detect_leaks=0 %s '%s' %s >%s 2>%s </dev/null; echo $? >%s",
             environment, child_program, arguments, child_path("out"), child_path("err"), child_path("status"));
    if (system(command) != 0) {
        DIE("cannot run the shell: %s", command);
    }
    child_slurp_("out", child_out);
    child_slurp_("err", child_err);
    child_slurp_("status", status);
    return atoi(status);
}

// Exactly one line, not empty.
static inline int one_line(const char *text) {
    const char *end = strchr(text, '\n');
    return end != NULL && end > text && end[1] == '\0';
}

// `program load KIND FILE` must end as every loader ends on a bad file: exit 1, nothing on stdout, one line that names
// the file.
static inline void child_refuses(const char *kind, const char *name) {
    char arguments[400];
    int status;
    snprintf(arguments, sizeof arguments, "load %s %s", kind, child_path(name));
    status = child_run("", arguments);
    CHECK(status == 1 && one_line(child_err) && child_out[0] == '\0' && strstr(child_err, name) != NULL,
          "%s %s: exit %d, stderr '%s'", kind, name, status, child_err);
}

#endif
