// source.h: reads the formula blocks of the headers in ref/formula, so that the ledger shows what the code says now.
//
//   // F: dpo.loss      preference, pairwise, offline            [chapter 15]
//   //   L = ...                        formula and symbols, any number of lines
//   //   source: ...                    one line
//   //   check: ...                     one line
//   static inline double dpo_loss(...)  the next function is the symbol of the formula
//
// A block may name several ids, separated by single blanks; blocks may be stacked above one function.
#ifndef TILT_SOURCE_H
#define TILT_SOURCE_H

#include "../core/base.h"

#if defined(__unix__) || defined(__APPLE__) || defined(__MINGW32__)
#define LEDGER_CAN_LIST 1
#include <dirent.h>
#else
#define LEDGER_CAN_LIST 0 // C99 alone cannot list a folder: `show` says so instead of where a symbol is used
#endif

#define SOURCE_LINE 1024
#define SOURCE_IDS 8 // ids in one block

typedef struct {
    char *id, *words, *chapter; // of the F: line; chapter is "" when the line has none
    char *body;                 // formula lines, each ended by a line feed
    char *source, *check;       // "" when the block lacks the line
    char *symbol;               // "" when no function follows
    const char *file;
    size_t line, symbol_line;
} Formula;

typedef struct {
    Formula *at;
    size_t n;
} Formulas;

static inline char *text_copy(const char *s, size_t n) {
    char *p = NEW(char, n + 1);
    memcpy(p, s, n);
    return p;
}

static inline void text_set(char **to, const char *s, size_t n) {
    free(*to);
    *to = text_copy(s, n);
}

// to += s, and a line feed
static inline void text_add_line(char **to, const char *s) {
    size_t old = strlen(*to), more = strlen(s);
    *to = (char *)xrealloc(*to, old + more + 2, 1);
    memcpy(*to + old, s, more);
    memcpy(*to + old + more, "\n", 2);
}

static inline void formulas_free(Formulas *f) {
    size_t i;
    for (i = 0; i < f->n; i++) {
        Formula *a = &f->at[i];
        free(a->id);
        free(a->words);
        free(a->chapter);
        free(a->body);
        free(a->source);
        free(a->check);
        free(a->symbol);
    }
    free(f->at);
    f->at = NULL;
    f->n = 0;
}

static inline Formula *formula_new(Formulas *f, const char *file, size_t line, const char *id, size_t n) {
    Formula *a;
    f->at = (Formula *)xrealloc(f->at, f->n + 1, sizeof(Formula));
    a = &f->at[f->n++];
    memset(a, 0, sizeof *a);
    a->id = text_copy(id, n);
    a->words = text_copy("", 0);
    a->chapter = text_copy("", 0);
    a->body = text_copy("", 0);
    a->source = text_copy("", 0);
    a->check = text_copy("", 0);
    a->symbol = text_copy("", 0);
    a->file = file;
    a->line = line;
    return a;
}

// One line without its line feed; 0 at the end of the file.
static inline int source_line(FILE *f, const char *path, char *line) {
    size_t n;
    if (fgets(line, SOURCE_LINE, f) == NULL) {
        return 0;
    }
    n = strlen(line);
    if (n == SOURCE_LINE - 1 && line[n - 1] != '\n') {
        DIE("%s: a line longer than %d bytes; break it", path, SOURCE_LINE - 2);
    }
    while (n > 0 && strchr("\n\r \t", line[n - 1]) != NULL) {
        line[--n] = '\0';
    }
    return 1;
}

// Length of the id at s; 0 if s does not start with one.  The first word of a block is its id ("dpo.loss", "tweedie");
// the words after it are ids only if they have a dot inside, for a description may follow after one blank.
static inline size_t id_length(const char *s, int first) {
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
    const char *dot = (const char *)memchr(s, '.', n);
    if (n == 0 || (dot == NULL && !first) || dot == s || s[n - 1] == '.' || (*s >= '0' && *s <= '9')) {
        return 0;
    }
    return n;
}

// "id1 id2   words   [chapter N]" -> one formula for each id.  Two blanks end the ids.
static inline void formula_head(Formulas *f, const char *file, size_t line, const char *s) {
    size_t first = f->n, length, i;
    const char *chapter;
    while ((length = id_length(s, f->n == first)) > 0) {
        formula_new(f, file, line, s, length);
        s += length;
        s += *s == ',';
        if (s[0] != ' ' || s[1] == ' ' || f->n - first == SOURCE_IDS) {
            break;
        }
        s++;
    }
    if (f->n == first) {
        DIE("%s:%zu: no formula id after `// F:`; write `// F: family.name   words   [chapter N]`", file, line);
    }
    s += strspn(s, " ");
    chapter = strstr(s, "[chapter");
    length = chapter == NULL ? strlen(s) : (size_t)(chapter - s);
    while (length > 0 && s[length - 1] == ' ') {
        length--;
    }
    for (i = first; i < f->n; i++) {
        text_set(&f->at[i].words, s, length);
        if (chapter != NULL) {
            const char *number = chapter + strlen("[chapter");
            number += *number == 's';
            number += strspn(number, " ");
            text_set(&f->at[i].chapter, number, strcspn(number, "]"));
        }
    }
}

// A comment line inside a block, for the formulas first..n-1.
static inline void formula_comment(Formulas *f, size_t first, const char *s) {
    size_t i;
    s += strspn(s, " ");
    for (i = first; i < f->n; i++) {
        if (strncmp(s, "source:", 7) == 0) {
            text_set(&f->at[i].source, s + 7 + strspn(s + 7, " "), strlen(s + 7 + strspn(s + 7, " ")));
        } else if (strncmp(s, "check:", 6) == 0) {
            text_set(&f->at[i].check, s + 6 + strspn(s + 6, " "), strlen(s + 6 + strspn(s + 6, " ")));
        } else {
            text_add_line(&f->at[i].body, s);
        }
    }
}

// The name of the function that a `static inline` line declares: the word in front of the first parenthesis.
static inline size_t function_name(const char *line, const char **name) {
    const char *open = strchr(line, '(');
    const char *end = open;
    if (open == NULL) {
        return 0;
    }
    while (end > line && end[-1] == ' ') {
        end--;
    }
    *name = end;
    while (*name > line && strchr(" *", (*name)[-1]) == NULL) {
        --*name;
    }
    return (size_t)(end - *name);
}

// Appends the formulas of one header.
static inline void formulas_read(Formulas *f, const char *file) {
    char line[SOURCE_LINE];
    size_t number = 0;
    size_t waiting = f->n; // formulas from here on have no symbol yet
    size_t block = f->n;   // formulas from here on belong to the block being read
    int inside = 0;
    FILE *in =
        open_or_die(file, "r", "Run build/ledger from the repository root; ref/ledger/families.h lists the headers.");
    while (source_line(in, file, line)) {
        number++;
        if (strncmp(line, "// F:", 5) == 0) {
            block = f->n;
            formula_head(f, file, number, line + 5 + strspn(line + 5, " "));
            inside = 1;
        } else if (inside && strncmp(line, "//", 2) == 0) {
            formula_comment(f, block, line + 2);
        } else {
            inside = 0;
        }
        if (waiting < f->n && strncmp(line, "static inline", 13) == 0) {
            const char *name = line;
            size_t length = function_name(line, &name);
            for (; waiting < f->n; waiting++) {
                text_set(&f->at[waiting].symbol, name, length);
                f->at[waiting].symbol_line = number;
            }
        }
    }
    fclose(in);
}

// ---- where a symbol is used ----------------------------------------------------------------------------------------

static inline int is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Does the code of a line, not a comment or a string, name the symbol?
static inline int line_uses(const char *line, const char *symbol) {
    size_t n = strlen(symbol);
    const char *s;
    int quoted = 0;
    for (s = line; *s != '\0'; s++) {
        if (quoted && *s == '\\' && s[1] != '\0') {
            s++;
        } else if (!quoted && strncmp(s, "'\"'", 3) == 0) { // the character " opens no string
            s += 2;
        } else if (*s == '"') {
            quoted = !quoted;
        } else if (!quoted && s[0] == '/' && s[1] == '/') {
            return 0;
        } else if (!quoted && strncmp(s, symbol, n) == 0 && (s == line || !is_word(s[-1])) && !is_word(s[n])) {
            return 1;
        }
    }
    return 0;
}

// Number of the first line of a file that uses the symbol, 0 = none.  Long lines are read in pieces: this is a search.
static inline size_t file_uses(const char *path, const char *symbol) {
    char line[SOURCE_LINE];
    size_t number = 1;
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, f) != NULL) {
        if (line_uses(line, symbol)) {
            fclose(f);
            return number;
        }
        number += strchr(line, '\n') != NULL;
    }
    fclose(f);
    return 0;
}

#if LEDGER_CAN_LIST
static inline int is_source(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot != NULL && (strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0 || strcmp(dot, ".cu") == 0);
}

static inline int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Adds `path:line` for every source file under a folder that uses the symbol; `depth` limits the descent.
static inline void folder_uses(char ***found, size_t *n, const char *folder, const char *symbol, int depth) {
    DIR *d = depth > 0 ? opendir(folder) : NULL;
    struct dirent *entry;
    if (d == NULL) { // a plain file, or not there
        return;
    }
    while ((entry = readdir(d)) != NULL) {
        char path[SOURCE_LINE];
        size_t line;
        if (entry->d_name[0] == '.' || strlen(folder) + strlen(entry->d_name) + 32 > sizeof path) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (!is_source(entry->d_name)) {
            folder_uses(found, n, path, symbol, depth - 1);
            continue;
        }
        line = file_uses(path, symbol);
        if (line > 0) {
            snprintf(path, sizeof path, "%s/%s:%zu", folder, entry->d_name, line);
            *found = (char **)xrealloc(*found, *n + 1, sizeof(char *));
            (*found)[(*n)++] = text_copy(path, strlen(path));
        }
    }
    closedir(d);
}
#endif

// Prints, one line each and sorted, where chapters, notebooks, toys, other formulas and tests use the symbol.
static inline void print_uses(const char *symbol, const char *own_file) {
#if LEDGER_CAN_LIST
    static const char *const folders[] = {"tutorial", "notebooks-c", "toy", "ref/formula", "tests"};
    size_t n = 0, i, printed = 0;
    char **found = NULL;
    for (i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        size_t from = n;
        folder_uses(&found, &n, folders[i], symbol, 3);
        if (n > from) {
            qsort(found + from, n - from, sizeof(char *), by_text);
        }
    }
    for (i = 0; i < n; i++) {
        if (strncmp(found[i], own_file, strlen(own_file)) != 0) {
            printf("  used in   %s\n", found[i]);
            printed++;
        }
        free(found[i]);
    }
    free(found);
    if (printed == 0) {
        printf("  used in   nothing yet\n");
    }
#else
    (void)own_file;
    printf("  used in   unknown: this system cannot list folders; search for %s\n", symbol);
#endif
}

#endif
