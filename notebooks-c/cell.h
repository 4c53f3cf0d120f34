// cell.h: what a lab includes so that build/nb can tell its cells apart and collect its pictures.
//
// A lab is a plain C program: compiled alone, it prints its text and draws nothing.  When nb compiles a copy of it,
// the copy begins with #define NB_PREFIX "build/nb.lab", and each cell inside main begins with NB_CELL(number).
// Then the text of every cell goes to a file of its own, and PREFIX.list says in which order things came:
//     cell 3                        its text is in PREFIX.3_0.txt
//     picture 3 1 svg what it shows PREFIX.3_1.svg, and the text after it is in PREFIX.3_1.txt
// To get the picture files of a lab without nb: cc -DNB_PREFIX='"out/lab"' ... and look at out/lab.0_1.svg and so on.
#ifndef TILT_CELL_H
#define TILT_CELL_H

#include "../ref/core/base.h"

#if defined(NB_PREFIX)
#define NB_CELL(number) cell_begin(number)

static int cell_now, cell_pictures; // number of the running cell, pictures in it so far

// One line at the end of the list of what happened; the file is complete after every line, also when the lab dies.
static inline void cell_note(const char *line) {
    FILE *f = open_or_die(NB_PREFIX ".list", "ab", "Does its folder exist?");
    if (fprintf(f, "%s\n", line) < 0 || fclose(f) != 0) {
        DIE("cannot write '%s'; is the disk full?", NB_PREFIX ".list");
    }
}

// From here on stdout is the file of this cell and of the pictures drawn in it so far.
static inline void cell_text(void) {
    char path[1024];
    snprintf(path, sizeof path, "%s.%d_%d.txt", NB_PREFIX, cell_now, cell_pictures);
    if (fflush(stdout) != 0 || ferror(stdout) || freopen(path, "wb", stdout) == NULL) {
        DIE("cannot turn the output of cell %d to '%s'; is the disk full?", cell_now, path);
    }
}

static inline void cell_begin(int number) {
    char line[64];
    cell_now = number;
    cell_pictures = 0;
    cell_text();
    snprintf(line, sizeof line, "cell %d", number);
    cell_note(line);
}
#endif

// Where the next picture of this cell must be written: kind is "svg" or "png", `shows` one line for a reader who does
// not see it.  NULL when nobody collects pictures: then do not draw.
//     const char *path = cell_picture("png", "p_ref as a heat map");
//     if (path) {
//         png_write(path, &image);
//     }
static inline const char *cell_picture(const char *kind, const char *shows) {
#if defined(NB_PREFIX)
    static char path[1024];
    char line[1024];
    if (strcmp(kind, "svg") != 0 && strcmp(kind, "png") != 0) {
        DIE("cell_picture: kind '%s'; it must be svg or png", kind);
    }
    if (strchr(shows, '\n') || strlen(shows) > 900) {
        DIE("cell_picture: the description must be one line of at most 900 bytes: '%.40s'", shows);
    }
    cell_pictures++;
    snprintf(path, sizeof path, "%s.%d_%d.%s", NB_PREFIX, cell_now, cell_pictures, kind);
    remove(path); // a picture of an older run must not stand in for one that is not drawn
    cell_text();
    snprintf(line, sizeof line, "picture %d %d %s %s", cell_now, cell_pictures, kind, shows);
    cell_note(line);
    return path;
#else
    (void)kind;
    (void)shows;
    return NULL;
#endif
}

#endif
