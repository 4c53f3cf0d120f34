// atomic.h: whole files in and out.  A file is written to `path.tmp` and renamed, so a failing write (full disk,
// stopped program) leaves the old file as it was.  C has no fsync: this protects against a crash of the program, not
// against a power cut.
#ifndef TILT_ATOMIC_H
#define TILT_ATOMIC_H

#include <errno.h>

#include "bytes.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/stat.h> // mkdir and stat, for folder_make
#endif

#define PATH_LENGTH 1024 // bytes of a path that the house builds, with the closing NUL

// out = dir/name; out has PATH_LENGTH bytes.
static inline void path_join(char *out, const char *dir, const char *name) {
    if (snprintf(out, PATH_LENGTH, "%s/%s", dir, name) >= PATH_LENGTH) {
        DIE("path '%.40s.../%.40s' is longer than %d bytes; use a shorter folder name", dir, name, PATH_LENGTH - 1);
    }
}

// Makes the last folder of the path if it is missing, for --out DIR.  On a system without mkdir it does nothing, and
// the write that follows says what is missing.
static inline void folder_make(const char *path) {
#if defined(__unix__) || defined(__APPLE__)
    struct stat there;
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        DIE("cannot make the folder '%s': %s; make its parent first", path, strerror(errno));
    }
    if (stat(path, &there) == 0 && !S_ISDIR(there.st_mode)) {
        DIE("'%s' is not a folder; name another one", path);
    }
#else
    (void)path;
#endif
}

// Replaces the file at `path` by n bytes, all or nothing.
static inline void atomic_write(const char *path, const void *data, size_t n) {
    char temporary[PATH_LENGTH];
    const char *what = NULL;
    FILE *f;
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary) {
        DIE("path '%.60s...' is too long; use a shorter name", path);
    }
    f = fopen(temporary, "wb");
    if (f == NULL) {
        DIE("cannot write '%s': %s; does its folder exist and may you write there?", temporary, strerror(errno));
    }
    errno = 0;
    if (n > 0 && fwrite(data, 1, n, f) != n) {
        what = strerror(errno);
    }
    if (fclose(f) != 0 && what == NULL) {
        what = strerror(errno);
    }
    if (what == NULL) {
#if defined(_WIN32)
        remove(path); // rename does not replace a file there; between the two calls neither name is complete
#endif
        if (rename(temporary, path) != 0) {
            what = strerror(errno);
        }
    }
    if (what != NULL) {
        remove(temporary);
        DIE("cannot write %zu bytes to '%s': %s; the old file, if any, is unchanged", n, path, what);
    }
}

// The whole file in memory.  More than `limit` bytes are refused before they are read; `hint` says how to make a
// missing file.
static inline Bytes file_read(const char *path, size_t limit, const char *hint) {
    Bytes b = {NULL, 0, 0};
    FILE *f = open_or_die(path, "rb", hint);
    size_t got;
    do {
        size_t want = b.n < 65536 ? 65536 : b.n;
        want = want < limit - b.n + 1 ? want : limit - b.n + 1; // one more than allowed shows that there is more
        got = fread(bytes_room(&b, want), 1, want, f);
        b.n += got;
        if (b.n > limit) {
            DIE("'%s' is larger than the %zu bytes allowed for it; is it the right file?", path, limit);
        }
    } while (got > 0);
    if (ferror(f)) {
        DIE("cannot read '%s': %s", path, strerror(errno));
    }
    fclose(f);
    return b;
}

#endif
