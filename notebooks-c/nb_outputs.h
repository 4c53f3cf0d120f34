// nb_outputs.h: what each cell printed and drew, collected from the files that cell.h wrote while the lab ran.
#ifndef TILT_NB_OUTPUTS_H
#define TILT_NB_OUTPUTS_H

#include "nb_cells.h"

// The text file of cell k after its j-th picture becomes an output, unless it is empty.
static inline void lab_take_text(Lab *lab, const char *prefix, int k, int j) {
    Cell *cell = &lab->cell[k - 1];
    char path[PATH_LENGTH];
    Bytes text;
    snprintf(path, sizeof path, "%s.%d_%d.txt", prefix, k, j);
    text = text_read(path, 1 << 20, "The lab began this cell but its text is missing; run nb again");
    remove(path);
    if (text.n == 0) {
        bytes_free(&text);
        return;
    }
    cell->output = (Output *)xrealloc(cell->output, (size_t)cell->outputs + 1, sizeof(Output));
    memset(&cell->output[cell->outputs], 0, sizeof(Output));
    cell->output[cell->outputs].kind = OUTPUT_TEXT;
    cell->output[cell->outputs++].data = text;
}

static inline void lab_take_picture(Lab *lab, const char *prefix, int k, int j, const char *kind, const char *shows) {
    static const char png[] = "\211PNG\r\n\032\n";
    Cell *cell = &lab->cell[k - 1];
    char path[PATH_LENGTH];
    Output *output;
    FILE *f;
    cell->output = (Output *)xrealloc(cell->output, (size_t)cell->outputs + 1, sizeof(Output));
    output = &cell->output[cell->outputs++];
    memset(output, 0, sizeof *output);
    output->number = ++lab->pictures;
    output->kind = strcmp(kind, "svg") == 0 ? OUTPUT_SVG : OUTPUT_PNG;
    text_puts(&output->shows, shows);
    text_str(&output->shows);
    snprintf(path, sizeof path, "%s.%d_%d.%s", prefix, k, j, kind);
    f = fopen(path, "rb");
    if (f == NULL) {
        fail_at(lab->path, cell->line, "picture %d of this cell (\"%s\") was announced by cell_picture but not written",
                j, shows);
    }
    fclose(f);
    if (output->kind == OUTPUT_SVG) {
        output->data = text_read(path, 4 << 20, "");
    } else {
        output->data = file_read(path, 4 << 20, "");
    }
    remove(path);
    if (output->kind == OUTPUT_SVG ? strstr(text_str(&output->data), "<svg") == NULL
                                   : output->data.n < 45 || memcmp(output->data.data, png, 8) != 0) {
        fail_at(lab->path, cell->line, "picture %d of this cell (\"%s\") is no %s file", j, shows, kind);
    }
}

// Reads PREFIX.list and the files it names; every marked cell must have begun exactly once.
static inline void lab_collect(Lab *lab, const char *prefix) {
    char path[PATH_LENGTH];
    Bytes list;
    char *line, *next;
    int i;
    snprintf(path, sizeof path, "%s.list", prefix);
    list = text_read(path, 1 << 20, "The lab passed no cell; does it include cell.h and reach main?");
    for (line = (char *)list.data; *line; line = next) {
        int k = 0, j = 0, at = 0;
        char kind[8];
        next = strchr(line, '\n');
        if (next == NULL) {
            DIE("'%s' ends in half a line; is the disk full?", path);
        }
        *next++ = 0;
        if (sscanf(line, "picture %d %d %7s %n", &k, &j, kind, &at) == 3 && at > 0 && k >= 1 && k <= lab->cells) {
            lab_take_picture(lab, prefix, k, j, kind, line + at);
            lab_take_text(lab, prefix, k, j);
        } else if (sscanf(line, "cell %d", &k) == 1 && k >= 1 && k <= lab->cells) {
            if (lab->cell[k - 1].begun++) {
                fail_at(lab->path, lab->cell[k - 1].line, "this cell ran twice; a cell may not be repeated by a goto");
            }
            lab_take_text(lab, prefix, k, 0);
        } else {
            DIE("'%s' has the line '%.60s', which cell.h does not write; run nb again", path, line);
        }
    }
    for (i = 0; i < lab->cells; i++) {
        if (lab->cell[i].marked && !lab->cell[i].begun) {
            fail_at(lab->path, lab->cell[i].line, "the lab ended before this cell ran; let main run to its last line");
        }
    }
    bytes_free(&list);
    remove(path);
}

// The line of the cell that began last, for the message about a lab that failed; 1 if none did.
static inline int lab_last_line(const Lab *lab, const char *prefix) {
    char path[PATH_LENGTH], line[1024];
    int k, last = 1;
    FILE *f;
    snprintf(path, sizeof path, "%s.list", prefix);
    f = fopen(path, "rb");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "cell %d", &k) == 1 && k >= 1 && k <= lab->cells) {
            last = lab->cell[k - 1].line;
        }
    }
    if (f) {
        fclose(f);
    }
    return last;
}

static inline void lab_free(Lab *lab) {
    int i, k;
    for (i = 0; i < lab->cells; i++) {
        for (k = 0; k < lab->cell[i].outputs; k++) {
            bytes_free(&lab->cell[i].output[k].data);
            bytes_free(&lab->cell[i].output[k].shows);
        }
        free(lab->cell[i].output);
        bytes_free(&lab->cell[i].body);
        bytes_free(&lab->cell[i].path);
        bytes_free(&lab->cell[i].name);
    }
    free(lab->cell);
    bytes_free(&lab->source);
    bytes_free(&lab->copy);
}

#endif
