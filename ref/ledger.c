// ledger.c: every formula by its id: where it stands, what it says, who checks it, and whether it gives the golden
// numbers.  It reads the headers of ref/formula when it runs and computes with the functions it was compiled with.
//
//   cc -std=c99 -O2 -ffp-contract=off ref/ledger.c -lm -o build/ledger     (make build/ledger)
//   build/ledger check data/golden.txt
//
// Run it from the repository root.  Exit 0: all is well; 1: a value differs or a file is broken; 2: wrong usage.
#include "ledger/double.h" // first

#include "ledger/case.h"
#include "ledger/families.h"
#include "ledger/golden.h"
#include "ledger/source.h"
#include "show/cli.h"

#define GOLDEN_PATH "data/golden.txt"

static const char about[] =
    "every formula by its id: source, code, golden numbers\n\n"
    "commands\n"
    "  list          every formula, tab separated: id, words, file, function, chapter, golden families\n"
    "  show ID       one formula: text, source, check, function, golden state, where it is used\n"
    "  eval < FILE   reads the `in` lines of cases, prints family@instance|out|key|shape|values\n"
    "  check FILE    compares with golden values: passed, failed (with the worst element) or pending\n"
    "  table         the Markdown table of all formulas\n"
    "Run it from the repository root; the golden values are in " GOLDEN_PATH ".";

// ---- golden values -------------------------------------------------------------------------------------------------

typedef struct {
    size_t passed, failed, pending;
} Score;

static void golden_open(Golden *g, const char *path) {
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fprintf(stderr, "%s:0: cannot be opened; give the path of a golden file such as %s\n", path, GOLDEN_PATH);
        exit(1);
    }
    if (golden_read(g, f, path, GOLDEN_FULL) != 0) {
        fprintf(stderr, "%s\n", g->error);
        golden_free(g);
        exit(1);
    }
    fclose(f);
}

// Evaluates every case of one family.  `why` keeps the worst element of its first failing case.
static Score family_score(const Golden *g, const char *name, char *why, size_t size) {
    const Family *family = family_find(name);
    Score s = {0, 0, 0};
    size_t i;
    why[0] = '\0';
    for (i = 0; i < g->n; i++) {
        const Case *c = &g->cases[i];
        char worst[300] = "";
        Out out;
        if (strcmp(c->family, name) != 0) {
            continue;
        }
        if (family == NULL || family->evaluate == NULL) {
            s.pending++;
            continue;
        }
        memset(&out, 0, sizeof out);
        out.of = c;
        family->evaluate(c, &out);
        if (case_passes(worst, sizeof worst, c, &out)) {
            s.passed++;
        } else {
            if (s.failed == 0) {
                snprintf(why, size, "%s %s", c->name, worst);
            }
            s.failed++;
        }
        out_free(&out);
    }
    return s;
}

static int command_check(const char *path) {
    Golden g;
    Score cases = {0, 0, 0}, names = {0, 0, 0};
    size_t i, j;
    golden_open(&g, path);
    for (i = 0; i < g.n; i++) {
        const char *name = g.cases[i].family;
        char why[500];
        Score s;
        for (j = 0; j < i && strcmp(g.cases[j].family, name) != 0; j++) {
        }
        if (j < i) { // this family has been counted at its first case
            continue;
        }
        s = family_score(&g, name, why, sizeof why);
        cases.passed += s.passed;
        cases.failed += s.failed;
        cases.pending += s.pending;
        if (s.failed > 0) {
            names.failed++;
            printf("failed   %-28s %zu of %zu cases; %s\n", name, s.failed, s.failed + s.passed, why);
            if (getenv("TILT_STOP") != NULL) { // a mutant is dead after one wound
                exit(1);
            }
        } else if (s.pending > 0) {
            names.pending++;
            printf("pending  %-28s %zu cases%s\n", name, s.pending, family_find(name) ? "" : ", unknown family");
        } else {
            names.passed++;
            printf("passed   %-28s %zu cases\n", name, s.passed);
        }
    }
    golden_free(&g);
    printf("families: %zu passed, %zu failed, %zu pending\n", names.passed, names.failed, names.pending);
    printf("%zu passed, %zu failed, %zu pending\n", cases.passed, cases.failed, cases.pending);
    return cases.failed > 0;
}

static void print_value(const char *name, const Value *v) {
    char shape[96];
    size_t i;
    shape_text(shape, sizeof shape, v);
    printf("%s|out|%s|%s|", name, v->key, shape);
    for (i = 0; i < v->n; i++) {
        printf("%s%.17g", i ? " " : "", v->v[i]);
    }
    putchar('\n');
}

static int command_eval(void) {
    Golden g;
    size_t i, j, done = 0, pending = 0, unknown = 0;
    if (golden_read(&g, stdin, "stdin", GOLDEN_INPUTS) != 0) {
        fprintf(stderr, "%s\n", g.error);
        golden_free(&g);
        return 1;
    }
    for (i = 0; i < g.n; i++) {
        const Case *c = &g.cases[i];
        const Family *family = family_find(c->family);
        Out out;
        if (family == NULL || family->evaluate == NULL) {
            fprintf(stderr, "%s %s\n", family ? "pending" : "unknown family", c->name);
            pending += family != NULL;
            unknown += family == NULL;
            continue;
        }
        memset(&out, 0, sizeof out);
        out.of = c;
        family->evaluate(c, &out);
        for (j = 0; j < out.v.n; j++) {
            print_value(c->name, &out.v.at[j]);
        }
        out_free(&out);
        done++;
    }
    golden_free(&g);
    fflush(stdout);
    fprintf(stderr, "ledger: %zu cases evaluated, %zu pending, %zu of unknown families\n", done, pending, unknown);
    return unknown > 0;
}

// ---- formulas ------------------------------------------------------------------------------------------------------

// Reads every header, then makes sure that the adapters name only formulas that exist.
static Formulas read_sources(void) {
    Formulas f = {NULL, 0};
    size_t i, j;
    for (i = 0; formula_headers[i] != NULL; i++) {
        formulas_read(&f, formula_headers[i]);
    }
    for (i = 0; families[i].family != NULL; i++) {
        const char *ids = families[i].ids;
        while (*ids != '\0') {
            size_t length = strcspn(ids, " ");
            for (j = 0; j < f.n; j++) {
                if (strlen(f.at[j].id) == length && strncmp(f.at[j].id, ids, length) == 0) {
                    break;
                }
            }
            if (j == f.n) {
                DIE("ledger: family %s names the formula %.*s, which no header defines; correct ref/ledger/families.h",
                    families[i].family, (int)length, ids);
            }
            ids += length;
            ids += strspn(ids, " ");
        }
    }
    return f;
}

// The golden families of a formula, with `between` between them, or "-" if there are none.
static void print_families(const char *id, const char *between) {
    size_t i, n = 0;
    for (i = 0; families[i].family != NULL; i++) {
        if (ids_hold(families[i].ids, id)) {
            printf("%s%s%s", n ? between : "", families[i].family, families[i].evaluate ? "" : "(pending)");
            n++;
        }
    }
    if (n == 0) {
        putchar('-');
    }
}

static int command_list(void) {
    Formulas f = read_sources();
    size_t i;
    for (i = 0; i < f.n; i++) {
        const Formula *a = &f.at[i];
        printf("%s\t%s\t%s:%zu\t%s\t%s\t", a->id, a->words, a->file, a->symbol_line, a->symbol,
               a->chapter[0] ? a->chapter : "-");
        print_families(a->id, ",");
        putchar('\n');
    }
    formulas_free(&f);
    return 0;
}

static void print_indented(const char *text) {
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        printf("    %.*s\n", (int)length, text);
        text += length + 1;
    }
}

static void show_golden(const Golden *g, const char *id) {
    size_t i, n = 0;
    for (i = 0; families[i].family != NULL; i++) {
        char why[500];
        Score s;
        if (!ids_hold(families[i].ids, id)) {
            continue;
        }
        s = family_score(g, families[i].family, why, sizeof why);
        printf("  golden    %-24s %zu passed, %zu failed, %zu pending%s%s\n", families[i].family, s.passed, s.failed,
               s.pending, why[0] ? "; " : "", why);
        n++;
    }
    if (n == 0) {
        printf("  golden    none\n");
    }
}

static int command_show(const char *id) {
    Formulas f = read_sources();
    Golden g;
    size_t i, n = 0;
    for (i = 0; i < f.n; i++) {
        n += strcmp(f.at[i].id, id) == 0;
    }
    if (n == 0) {
        fprintf(stderr, "ledger: no formula has the id '%s'; `ledger list` prints all %zu\n", id, f.n);
        formulas_free(&f);
        return 1;
    }
    golden_open(&g, GOLDEN_PATH);
    for (i = 0; i < f.n; i++) {
        const Formula *a = &f.at[i];
        if (strcmp(a->id, id) != 0) {
            continue;
        }
        printf("%s  %s\n", a->id, a->words);
        print_indented(a->body);
        printf("  source    %s\n", a->source);
        printf("  check     %s\n", a->check);
        printf("  chapter   %s\n", a->chapter[0] ? a->chapter : "none");
        printf("  function  %s   %s:%zu\n", a->symbol, a->file, a->symbol_line);
        show_golden(&g, id);
        print_uses(a->symbol, a->file);
    }
    golden_free(&g);
    formulas_free(&f);
    return 0;
}

// Text inside a Markdown table cell: a bar would end the cell.
static void print_cell(const char *s) {
    for (; *s != '\0'; s++) {
        if (strchr("|*_<`\\", *s) != NULL) {
            putchar('\\');
        }
        putchar(*s);
    }
}

static int command_table(void) {
    Formulas f = read_sources();
    size_t i;
    printf("| id | formula | source | function and file | chapter | checked by |\n");
    printf("|---|---|---|---|---|---|\n");
    for (i = 0; i < f.n; i++) {
        const Formula *a = &f.at[i];
        printf("| `%s` | ", a->id);
        print_cell(a->words);
        printf(" | ");
        print_cell(a->source);
        printf(" | `%s` [%s](%s) | %s | ", a->symbol, a->file, a->file, a->chapter[0] ? a->chapter : "-");
        print_cell(a->check);
        printf(" |\n");
    }
    formulas_free(&f);
    return 0;
}

int main(int argc, char **argv) {
    static const char *const commands[] = {"list", "show", "eval", "check", "table", NULL};
    static const char *const takes[] = {NULL, "ID", NULL, "FILE", NULL};
    const char *word[2] = {"", ""};
    int words = cli_parse_words(argc, argv, "COMMAND [ID or FILE]", about, NULL, 0, word, 1, 2);
    int i;
    for (i = 0; commands[i] != NULL && strcmp(commands[i], word[0]) != 0; i++) {
    }
    if (commands[i] == NULL) {
        fprintf(stderr, "ledger: unknown command '%s'; known: list, show, eval, check, table\n", word[0]);
        return 2;
    }
    if (takes[i] == NULL && words == 2) {
        fprintf(stderr, "ledger: `%s` takes no further word, but got '%s'\n", commands[i], word[1]);
        return 2;
    }
    if (takes[i] != NULL && words == 1) {
        fprintf(stderr, "ledger: `%s` needs one more word: ledger %s %s\n", commands[i], commands[i], takes[i]);
        return 2;
    }
    switch (i) {
    case 0:
        return command_list();
    case 1:
        return command_show(word[1]);
    case 2:
        return command_eval();
    case 3:
        return command_check(word[1]);
    default:
        return command_table();
    }
}
