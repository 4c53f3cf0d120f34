// nb_cells.h: a lab cut into cells, and the marked copy of it that is compiled.
//
// A cell begins with a line `// %%` (code), `// %% [markdown]` (text) or `// %% [show] FILE FUNCTION`.  It may begin
// at file level or directly inside main, nowhere deeper: a mark in a loop would run many times, one in a branch never.
#ifndef TILT_NB_CELLS_H
#define TILT_NB_CELLS_H

#include "nb_markdown.h"

typedef enum { CELL_CODE, CELL_TEXT, CELL_SHOW } CellKind;
typedef enum { OUTPUT_TEXT, OUTPUT_SVG, OUTPUT_PNG } OutputKind;

typedef struct {
    OutputKind kind;
    Bytes data;
    Bytes shows; // pictures: the description
    int number;  // pictures: 1, 2, ... through the lab
} Output;

typedef struct {
    CellKind kind;
    int line;          // of its marker
    Bytes body;        // code without common indentation, or Markdown without "// "
    Bytes path, name;  // [show]: the file and the function
    int marked, begun; // code that runs: nb put a mark in it; the lab passed the mark
    Output *output;
    int outputs;
} Cell;

typedef struct {
    const char *path; // as given
    Bytes source;     // the lab
    Bytes copy;       // the lab with marks, what the compiler sees
    Cell *cell;
    int cells;
    int pictures;
} Lab;

// ---- splitting ---------------------------------------------------------------------------------------------------

// The rest of a marker line after %% if the line is one, else NULL.  `length` gets the length of the rest.
static inline const char *marker_rest(const Line *l, const char *source, const char *map, size_t *length) {
    size_t i = 0, j, at;
    while (i < l->n && (l->s[i] == ' ' || l->s[i] == '\t')) {
        i++;
    }
    at = (size_t)(l->s - source) + i;
    if (l->n - i < 4 || memcmp(l->s + i, "//", 2) != 0 || map[at] != 'c' || (at > 0 && map[at - 1] == 'c')) {
        return NULL; // no // comment begins here
    }
    j = i + 2;
    while (j < l->n && l->s[j] == ' ') {
        j++;
    }
    if (l->n - j < 2 || memcmp(l->s + j, "%%", 2) != 0) {
        return NULL;
    }
    j += 2;
    while (j < l->n && l->s[j] == ' ') {
        j++;
    }
    *length = l->n - j;
    while (*length && (l->s[j + *length - 1] == ' ' || l->s[j + *length - 1] == '\t')) {
        --*length;
    }
    return l->s + j;
}

// Text between blanks out of [*s, end); advances *s.
static inline void next_word(Bytes *word, const char **s, const char *end) {
    while (*s < end && **s == ' ') {
        (*s)++;
    }
    while (*s < end && **s != ' ') {
        bytes_byte(word, **s);
        (*s)++;
    }
    text_str(word);
}

static inline Cell *lab_new_cell(Lab *lab, int line, const char *rest, size_t length) {
    Cell *cell;
    lab->cell = (Cell *)xrealloc(lab->cell, (size_t)lab->cells + 1, sizeof(Cell));
    cell = &lab->cell[lab->cells++];
    memset(cell, 0, sizeof *cell);
    cell->line = line;
    if (length == 0) {
        cell->kind = CELL_CODE;
    } else if (length == 10 && memcmp(rest, "[markdown]", 10) == 0) {
        cell->kind = CELL_TEXT;
    } else if (length > 7 && memcmp(rest, "[show] ", 7) == 0) {
        const char *s = rest + 7, *end = rest + length;
        cell->kind = CELL_SHOW;
        next_word(&cell->path, &s, end);
        next_word(&cell->name, &s, end);
        if (cell->name.n == 0 || s != end) {
            fail_at(lab->path, line, "write // %%%% [show] FILE FUNCTION");
        }
    } else {
        fail_at(lab->path, line,
                "unknown cell '%.*s'; cells are // %%%%, // %%%% [markdown] and // %%%% [show] FILE FUNCTION",
                (int)length, rest);
    }
    return cell;
}

// One line of a text cell: "// text" without its "// ".
static inline void cell_add_text(Cell *cell, const Line *l, const char *file) {
    size_t i = 0;
    while (i < l->n && (l->s[i] == ' ' || l->s[i] == '\t')) {
        i++;
    }
    if (i < l->n && (l->n - i < 2 || memcmp(l->s + i, "//", 2) != 0)) {
        fail_at(file, l->line, "the text cell that begins in line %d runs into code; put a line // %%%% in between",
                cell->line);
    }
    i += i < l->n ? 2 : 0;
    i += i < l->n && l->s[i] == ' ' ? 1 : 0;
    bytes_add(&cell->body, l->s + i, l->n - i);
    bytes_byte(&cell->body, '\n');
}

// A text without the blank lines at its end.
static inline void cell_tidy_text(Cell *cell) {
    while (cell->body.n > 1 && cell->body.data[cell->body.n - 1] == '\n' && cell->body.data[cell->body.n - 2] == '\n') {
        cell->body.n--;
    }
}

// Code without the blank lines at its ends and the indentation that all its lines share.
static inline void cell_tidy_code(Cell *cell) {
    Markdown md = md_lines(text_str(&cell->body), cell->body.n, "", 1);
    Bytes tidy = {0};
    size_t common = (size_t)-1;
    int first = 0, last = md.n, i;
    while (first < last && is_blank(&md.line[first])) {
        first++;
    }
    while (last > first && is_blank(&md.line[last - 1])) {
        last--;
    }
    for (i = first; i < last; i++) {
        size_t indent = strspn(md.line[i].s, " ");
        if (!is_blank(&md.line[i]) && md.line[i].s[0] != '#' && indent < common) {
            common = indent;
        }
    }
    for (i = first; i < last; i++) {
        size_t skip = strspn(md.line[i].s, " ");
        skip = skip < common ? skip : common;
        skip = skip < md.line[i].n ? skip : md.line[i].n;
        bytes_add(&tidy, md.line[i].s + skip, md.line[i].n - skip);
        bytes_byte(&tidy, '\n');
    }
    free(md.line);
    bytes_free(&cell->body);
    cell->body = tidy;
    text_str(&cell->body);
}

// Where a line stands: depth in braces, and whether the outermost brace belongs to main.
typedef struct {
    int depth, in_main, mains;
    size_t head; // where the current declaration at file level began
} Place;

static inline int opens_main(const char *s, const char *map, size_t head, size_t brace) {
    size_t i;
    for (i = head; i + 4 < brace; i++) {
        if (map[i] == 'k' && memcmp(s + i, "main", 4) == 0 && (i == 0 || !is_word(s[i - 1])) && !is_word(s[i + 4])) {
            size_t open = scan_code(s, map, i + 4, brace);
            return open < brace && s[open] == '(';
        }
    }
    return 0;
}

// Follows the braces of one line; puts the mark of cell `number` (0: none) behind the brace that opens main.
// Returns 1 if it did.
static inline int place_line(Place *p, Bytes *copy, const Lab *lab, const char *map, const Line *l, int number) {
    const char *s = (const char *)lab->source.data;
    size_t at = (size_t)(l->s - s), end = at + l->n, i;
    int marked = 0;
    for (i = at; i < end; i++) {
        bytes_byte(copy, s[i]);
        if (map[i] == 'p') {
            p->head = i + 1;
        }
        if (map[i] != 'k') {
            continue;
        }
        if (s[i] == '{') {
            if (p->depth++ == 0) {
                p->in_main = opens_main(s, map, p->head, i);
                p->mains += p->in_main;
                if (p->in_main && number) {
                    bytes_text(copy, " NB_CELL(%d);", number);
                    marked = 1;
                }
            }
        } else if (s[i] == '}') {
            p->depth--;
            p->head = i + 1;
            p->in_main = p->in_main && p->depth > 0;
        } else if (s[i] == ';' && p->depth == 0) {
            p->head = i + 1;
        }
    }
    bytes_byte(copy, '\n');
    return marked;
}

static inline Lab lab_read(const char *path, const char *prefix) {
    Lab lab;
    Markdown md;
    Place place = {0, 0, 0, 0};
    Cell *cell = NULL;
    char *map;
    int i;
    memset(&lab, 0, sizeof lab);
    lab.path = path;
    lab.source = text_read(path, 1 << 20, "Give the path of a lab, such as notebooks-c/tilt_by_hand.c");
    map = scan_map((const char *)lab.source.data, lab.source.n);
    md = md_lines((const char *)lab.source.data, lab.source.n, path, 1);
    // #line: errors of the compiler then name the lab and its own lines
    bytes_text(&lab.copy, "#define NB_PREFIX \"%s\"\n#line 1 \"%s\"\n", prefix, path);
    for (i = 0; i < md.n; i++) {
        const Line *l = &md.line[i];
        size_t length = 0;
        const char *rest = marker_rest(l, (const char *)lab.source.data, map, &length);
        if (rest) {
            if (place.depth > 1 || (place.depth == 1 && !place.in_main)) {
                fail_at(path, l->line,
                        "a cell begins %d braces deep; cells begin at file level or directly inside main", place.depth);
            }
            cell = lab_new_cell(&lab, l->line, rest, length);
            cell->marked = cell->kind == CELL_CODE && place.depth == 1;
            if (cell->marked) {
                bytes_text(&lab.copy, "NB_CELL(%d);", lab.cells);
            }
            bytes_byte(&lab.copy, '\n');
            continue;
        }
        if (cell && cell->kind == CELL_TEXT) {
            cell_add_text(cell, l, path);
        } else if (cell && cell->kind == CELL_CODE) {
            bytes_add(&cell->body, l->s, l->n);
            bytes_byte(&cell->body, '\n');
        } else if (!is_blank(l) && (cell || map[l->s - (const char *)lab.source.data] != 'c')) {
            fail_at(path, l->line,
                    cell ? "a [show] cell has no lines of its own; put a line // %%%% in between"
                         : "code before the first cell; only comments may stand above the first // %%%%");
        }
        if (place_line(&place, &lab.copy, &lab, map, l, cell ? lab.cells : 0)) {
            cell->marked = 1;
        }
    }
    if (lab.cells == 0 || place.mains != 1 || place.depth != 0) {
        DIE("%s: %d cells, %d functions main, %d braces open at the end; a lab has cells (// %%%%), one main and "
            "closed braces",
            path, lab.cells, place.mains, place.depth);
    }
    if (strstr((const char *)lab.source.data, "cell.h\"") == NULL) {
        DIE("%s does not include cell.h, which collects the outputs of its cells; add #include \"cell.h\"", path);
    }
    for (i = 0; i < lab.cells; i++) {
        if (lab.cell[i].kind == CELL_CODE) {
            cell_tidy_code(&lab.cell[i]);
        } else {
            cell_tidy_text(&lab.cell[i]);
        }
        text_str(&lab.cell[i].body);
    }
    free(md.line);
    free(map);
    return lab;
}

// [show]: the source of the function goes into the body.
static inline void lab_show(Lab *lab) {
    int i;
    for (i = 0; i < lab->cells; i++) {
        Cell *cell = &lab->cell[i];
        if (cell->kind == CELL_SHOW) {
            Bytes file;
            size_t begin, end;
            FILE *f;
            plain_name(text_str(&cell->path), "[show] file");
            f = fopen(text_str(&cell->path), "rb");
            if (f == NULL) {
                fail_at(lab->path, cell->line,
                        "[show] cannot open '%s'; paths begin at the repository root, where nb runs",
                        text_str(&cell->path));
            }
            fclose(f);
            file = text_read(text_str(&cell->path), 1 << 20, "");
            if (!scan_function(&begin, &end, (const char *)file.data, file.n, text_str(&cell->name))) {
                fail_at(lab->path, cell->line, "[show] '%s' defines no function '%s'; was it renamed?",
                        text_str(&cell->path), text_str(&cell->name));
            }
            bytes_add(&cell->body, file.data + begin, end - begin);
            bytes_byte(&cell->body, '\n');
            text_str(&cell->body);
            bytes_free(&file);
        }
    }
}

#endif
