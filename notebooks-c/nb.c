// nb.c: compiles and runs a literate lab once and renders it as Markdown, HTML and a Jupyter notebook.
//
//     cc -std=c99 -O2 notebooks-c/nb.c -lm -o build/nb
//     build/nb notebooks-c/tilt_by_hand.c
//
// The lab stays one plain C program; how its cells are marked is told in nb_cells.h and cell.h.  The compiler is $CC
// (default cc) with $CFLAGS (default below).  Any error, in the lab's text, code or pictures, is one line with the
// lab's own line number, exit 1, and the old outputs stay as they were.  Takes as long as the lab takes.
#include "../ref/show/cli.h"
#include "nb_write.h"

#define NB_CFLAGS "-std=c99 -O2 -ffp-contract=off"
#define NB_LIMIT 500000 // bytes of an output; GitHub often fails to show larger notebooks

// What the environment says, or the default; only plain characters, because it goes through system().
static const char *from_environment(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    if (value == NULL || *value == 0) {
        return otherwise;
    }
    plain_characters(value, name, " =,+");
    return value;
}

// The exit status out of the return value of system(); a signal counts as 128 + its number, as in a shell.
static int exit_status(int value) {
#if defined(_WIN32)
    return value;
#else
    return value == -1 ? 127 : (value & 127) ? 128 + (value & 127) : value >> 8 & 255;
#endif
}

// Reads every text cell once before the compiler runs: mistakes in the text show at once.
static void check_text(const Lab *lab) {
    int i;
    for (i = 0; i < lab->cells; i++) {
        Cell *cell = &lab->cell[i];
        Bytes page = {0};
        if (cell->kind == CELL_TEXT) {
            md_html(&page, (const char *)cell->body.data, cell->body.n, lab->path, cell->line + 1);
        }
        bytes_free(&page);
    }
}

static void compile(const Lab *lab, const char *prefix) {
    char path[PATH_LENGTH];
    const char *cc = from_environment("CC", "cc");
    const char *slash = strrchr(lab->path, '/');
    Bytes command = {0};
    int status;
    snprintf(path, sizeof path, "%s.c", prefix);
    atomic_write(path, lab->copy.data, lab->copy.n);
    // -I: the lab's own folder, so that its relative includes work from the copy
    bytes_text(&command, "%s %s -I %.*s -o %s.bin %s -lm", cc, from_environment("CFLAGS", NB_CFLAGS),
               slash ? (int)(slash - lab->path + 1) : 1, slash ? lab->path : ".", prefix, path);
    fflush(stdout);
    status = exit_status(system(text_str(&command)));
    if (status != 0) {
        DIE("%s does not compile: '%s' ended with status %d; its message stands above", lab->path, cc, status);
    }
    bytes_free(&command);
}

static void execute(const Lab *lab, const char *prefix) {
    char path[PATH_LENGTH];
    Bytes command = {0};
    int status;
    snprintf(path, sizeof path, "%s.list", prefix);
    remove(path);
    bytes_text(&command, "%s%s.bin", strchr(prefix, '/') ? "" : "./", prefix);
    status = exit_status(system(text_str(&command)));
    if (status != 0) {
        fail_at(lab->path, lab_last_line(lab, prefix), "the lab ended with status %d in the cell that begins here%s",
                status, status > 128 ? " (a crash)" : "");
    }
    bytes_free(&command);
    snprintf(path, sizeof path, "%s.bin", prefix);
    remove(path);
}

// Pictures of an earlier run that this one no longer has, so that no page keeps a stale one beside it.
static void remove_old_pictures(const char *dir, const char *name, const Lab *lab, const char *kinds) {
    char path[PATH_LENGTH];
    int number, gone = 1;
    for (number = 1; number <= lab->pictures || gone; number++) {
        gone = 0;
        if (number > lab->pictures || kinds[number - 1] != 's') {
            snprintf(path, sizeof path, "%s/%s_%d.svg", dir, name, number);
            gone |= remove(path) == 0;
        }
        if (number > lab->pictures || kinds[number - 1] != 'p') {
            snprintf(path, sizeof path, "%s/%s_%d.png", dir, name, number);
            gone |= remove(path) == 0;
        }
    }
}

static void save(const char *dir, const char *name, Lab *lab) {
    static const char *const ends[3] = {"md", "html", "ipynb"};
    Bytes out[3];
    Bytes kinds = {0};
    char path[PATH_LENGTH];
    int i, k;
    memset(out, 0, sizeof out);
    write_md(&out[0], lab);
    write_html(&out[1], lab);
    write_ipynb(&out[2], lab);
    for (i = 0; i < 3; i++) {
        if (out[i].n > NB_LIMIT) {
            DIE("%s.%s would have %zu bytes, more than %d; use fewer or smaller pictures", name, ends[i], out[i].n,
                NB_LIMIT);
        }
    }
    for (i = 0; i < lab->cells; i++) {
        for (k = 0; k < lab->cell[i].outputs; k++) {
            Output *o = &lab->cell[i].output[k];
            if (o->kind != OUTPUT_TEXT) {
                snprintf(path, sizeof path, "%s/%s_%d.%s", dir, name, o->number, picture_kind(o));
                atomic_write(path, o->data.data, o->data.n);
                bytes_byte(&kinds, picture_kind(o)[0]);
            }
        }
    }
    for (i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s.%s", dir, name, ends[i]);
        atomic_write(path, out[i].data, out[i].n);
        printf("%s %zu bytes\n", path, out[i].n);
        bytes_free(&out[i]);
    }
    remove_old_pictures(dir, name, lab, text_str(&kinds));
    bytes_free(&kinds);
}

int main(int argc, char **argv) {
    const char *dir = NULL, *work = "build", *tex = NULL, *path = NULL;
    int list = 0;
    char prefix[PATH_LENGTH / 2];
    Bytes out = {0}, name = {0};
    Lab lab;
    Option options[] = {
        OPT_STRING("out", &dir, "folder for the outputs; default: the lab's own"),
        OPT_STRING("work", &work, "folder for the copy that is compiled and its outputs"),
        OPT_STRING("tex", &tex, "print one formula as MathML and end"),
        OPT_FLAG("tex-list", &list, "print the commands of the TeX subset with samples and end"),
    };
    int words =
        cli_parse_words(argc, argv, "LAB.c", "compiles and runs a literate lab, writes LAB.md, LAB.html, LAB.ipynb",
                        options, COUNT(options), &path, 0, 1);
    if (list) {
        tex_list(stdout);
        return 0;
    }
    if (tex) {
        tex_mathml(&out, tex, strlen(tex), 1, "--tex", 1);
        puts(text_str(&out));
        bytes_free(&out);
        return 0;
    }
    if (words != 1) {
        fprintf(stderr, "nb: give one lab, such as notebooks-c/tilt_by_hand.c; see --help\n");
        return 2;
    }
    plain_name(path, "lab");
    plain_name(work, "--work");
    if (strlen(path) < 3 || strcmp(path + strlen(path) - 2, ".c") != 0) {
        DIE("lab '%s' does not end in .c; give the source of a lab", path);
    }
    if (system(NULL) == 0) {
        DIE("this system has no command processor, so the lab cannot be compiled and run from here");
    }
    memset(&lab, 0, sizeof lab);
    lab.path = path;
    lab_name(&name, &lab);
    if (dir == NULL) {
        const char *slash = strrchr(path, '/');
        bytes_text(&out, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
        dir = text_str(&out);
    } else {
        plain_name(dir, "--out");
        folder_make(dir);
    }
    folder_make(work);
    if (strlen(work) + name.n + strlen(dir) > PATH_LENGTH / 2) {
        DIE("the paths '%s', '%s' and '%s' are too long together; use shorter names", path, work, dir);
    }
    snprintf(prefix, sizeof prefix, "%s/nb.%s", work, text_str(&name));
    lab = lab_read(path, prefix);
    lab_show(&lab);
    check_text(&lab);
    compile(&lab, prefix);
    execute(&lab, prefix);
    lab_collect(&lab, prefix);
    save(dir, text_str(&name), &lab);
    lab_free(&lab);
    bytes_free(&name);
    bytes_free(&out);
    return 0;
}
