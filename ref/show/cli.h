// cli.h: command-line options.  One table is the parser, the checker and the help, so they cannot disagree.
//
//   uint64_t seed = 1;                         // the value before cli_parse is the default that --help shows
//   int quick = 0, method = 0, steps = 2000;
//   double beta = 0.5;
//   const char *out = NULL;
//   static const char *const methods[] = {"dpo", "ipo", NULL};
//   Option options[] = {
//       OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out),           // the three that every program has
//       OPT_INT("steps", &steps, 1, 1000000, "training steps"),
//       OPT_DOUBLE("beta", &beta, 1e-6, 1e6, "KL temperature, reward units per nat"),
//       OPT_CHOICE("method", &method, methods, "which loss"),       // method becomes an index into methods
//   };
//   cli_parse(argc, argv, "what this program does, in one line", options, COUNT(options));
//
// Accepted: --name value and --name=value; a flag is --name alone.  --help and --version print on stdout, exit 0.
// Unknown, malformed, out of range, repeated, or without a value: one line on stderr, exit 2.  Numbers are decimal;
// hexadecimal, "nan", "inf" and stray characters are refused.  No short options, no abbreviations, no config file.
// A folder that cannot be made: one line on stderr, exit 1.
#ifndef TILT_CLI_H
#define TILT_CLI_H

#include <errno.h>
#include <math.h>

#include "../file/atomic.h"

#define TILT_VERSION "0.1.0"
#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

typedef enum { KIND_FLAG, KIND_INT, KIND_U64, KIND_DOUBLE, KIND_STRING, KIND_FOLDER, KIND_CHOICE } OptionKind;

typedef struct {
    const char *name; // without the two dashes
    OptionKind kind;
    int *whole; // where the value goes: FLAG, INT, CHOICE
    uint64_t *u64;
    double *number;
    const char **text;
    double min, max;            // allowed range, ends included: INT, DOUBLE
    const char *const *choices; // words, NULL at the end: CHOICE
    const char *help;
    int given; // counts how often it was on the command line: tells a typed value from a default
} Option;

// ---- rows of the table -----------------------------------------------------------------------------------------

// Rows are initialisers, so the compiler checks that &steps points to an int, and tcc accepts options[] without a size.

// --name: becomes 1 when given; must start as 0.
#define OPT_FLAG(name, int_ptr, help) \
    { name, KIND_FLAG, int_ptr, NULL, NULL, NULL, 0, 0, NULL, help, 0 }
// --name N with min <= N <= max.
#define OPT_INT(name, int_ptr, min, max, help) \
    { name, KIND_INT, int_ptr, NULL, NULL, NULL, min, max, NULL, help, 0 }
// --name N with 0 <= N < 2^64.
#define OPT_U64(name, u64_ptr, help) \
    { name, KIND_U64, NULL, u64_ptr, NULL, NULL, 0, 0, NULL, help, 0 }
// --name X with min <= X <= max; -HUGE_VAL or HUGE_VAL for an open end.  X itself is always finite.
#define OPT_DOUBLE(name, ptr, min, max, help) \
    { name, KIND_DOUBLE, NULL, NULL, ptr, NULL, min, max, NULL, help, 0 }
// --name TEXT, not empty; NULL is a legal default and means "not given".
#define OPT_STRING(name, ptr, help) \
    { name, KIND_STRING, NULL, NULL, NULL, ptr, 0, 0, NULL, help, 0 }
// --name TEXT, a folder that cli_parse makes: a program that could not write is told so before it works, not after.
#define OPT_FOLDER(name, ptr, help) \
    { name, KIND_FOLDER, NULL, NULL, NULL, ptr, 0, 0, NULL, help, 0 }
// --name WORD, one of choices (NULL at the end); the value is the index of the word.
#define OPT_CHOICE(name, int_ptr, choices, help) \
    { name, KIND_CHOICE, int_ptr, NULL, NULL, NULL, 0, 0, choices, help, 0 }

// The three that every program has.
#define OPT_SEED(u64_ptr) OPT_U64("seed", u64_ptr, "seed of all random numbers")
#define OPT_QUICK(int_ptr) OPT_FLAG("quick", int_ptr, "a smaller run of at most 5 seconds")
#define OPT_OUT(text_ptr) OPT_FOLDER("out", text_ptr, "folder for pictures and files")

// ---- help ------------------------------------------------------------------------------------------------------

static inline int choice_count_(const Option *o) {
    int n = 0;
    while (o->choices[n] != NULL) {
        n++;
    }
    return n;
}

// The end of the sentence "--name must be ...", and of the help line.
static inline void cli_allowed_(FILE *f, const Option *o) {
    int i;
    switch (o->kind) {
    case KIND_FLAG:
        fputs("given without a value", f);
        break;
    case KIND_INT:
        fprintf(f, "a whole number from %.0f to %.0f", o->min, o->max);
        break;
    case KIND_U64:
        fputs("a whole number from 0 to 18446744073709551615", f);
        break;
    case KIND_DOUBLE:
        fputs("a number", f);
        if (o->min > -HUGE_VAL && o->max < HUGE_VAL) {
            fprintf(f, " from %g to %g", o->min, o->max);
        } else if (o->min > -HUGE_VAL) {
            fprintf(f, ", at least %g", o->min);
        } else if (o->max < HUGE_VAL) {
            fprintf(f, ", at most %g", o->max);
        }
        break;
    case KIND_STRING:
    case KIND_FOLDER:
        fputs("a text that is not empty", f);
        break;
    case KIND_CHOICE:
        fputs("one of", f);
        for (i = 0; o->choices[i] != NULL; i++) {
            fprintf(f, " %s", o->choices[i]);
        }
        break;
    }
}

static inline void cli_default_(FILE *f, const Option *o) {
    switch (o->kind) {
    case KIND_FLAG:
        break;
    case KIND_INT:
        fprintf(f, " [%d]", *o->whole);
        break;
    case KIND_U64:
        fprintf(f, " [%llu]", (unsigned long long)*o->u64);
        break;
    case KIND_DOUBLE:
        fprintf(f, " [%g]", *o->number);
        break;
    case KIND_STRING:
    case KIND_FOLDER:
        fprintf(f, " [%s]", *o->text != NULL ? *o->text : "none");
        break;
    case KIND_CHOICE:
        fprintf(f, " [%s]", o->choices[*o->whole]);
        break;
    }
}

// The last part of argv[0]: what the user typed, without the folders.
static inline const char *cli_program_(const char *path) {
    const char *p, *name = path != NULL ? path : "program";
    for (p = name; *p != '\0'; p++) {
        if ((*p == '/' || *p == '\\') && p[1] != '\0') {
            name = p + 1;
        }
    }
    return name;
}

static inline void cli_help_(const char *program, const char *words, const char *about, const Option *o, int n) {
    static const char *const values[] = {"", " N", " N", " X", " TEXT", " TEXT", " WORD"}; // in the order of OptionKind
    int i;
    printf("usage: %s [options]%s%s\n%s\n\noptions [default]\n", program, words[0] ? " " : "", words, about);
    for (i = 0; i < n; i++) {
        int width = printf("  --%s%s", o[i].name, values[o[i].kind]);
        printf("%*s%s", width < 20 ? 22 - width : 2, "", o[i].help);
        if (o[i].kind == KIND_INT || o[i].kind == KIND_DOUBLE || o[i].kind == KIND_CHOICE) {
            fputs("; ", stdout);
            cli_allowed_(stdout, &o[i]);
        }
        cli_default_(stdout, &o[i]);
        putchar('\n');
    }
    printf("  --help              this text\n  --version           the version of tilt\n");
}

// ---- parser ----------------------------------------------------------------------------------------------------

// A mistake in the table is the programmer's, and every run shows it: exit 1, not 2.
static inline void cli_check_table_(const Option *o, int n) {
    int i, k;
    for (i = 0; i < n; i++) {
        int bad = 0;
        if (o[i].kind == KIND_INT) {
            bad = !(*o[i].whole >= o[i].min && *o[i].whole <= o[i].max);
        } else if (o[i].kind == KIND_DOUBLE) {
            bad = !(*o[i].number >= o[i].min && *o[i].number <= o[i].max);
        } else if (o[i].kind == KIND_CHOICE) {
            bad = *o[i].whole < 0 || *o[i].whole >= choice_count_(&o[i]);
        } else if (o[i].kind == KIND_FLAG) {
            bad = *o[i].whole != 0;
        }
        for (k = 0; k < i; k++) {
            bad = bad || strcmp(o[i].name, o[k].name) == 0;
        }
        if (bad || strcmp(o[i].name, "help") == 0 || strcmp(o[i].name, "version") == 0) {
            DIE("option table: --%s is listed twice or its default is not allowed; correct the table", o[i].name);
        }
    }
}

// Stores the text as the value of o; 0 when it is not allowed, and then nothing is stored.
static inline int cli_set_(Option *o, const char *text) {
    size_t length = strlen(text);
    char *end = NULL;
    int i;
    errno = 0;
    if (length == 0) {
        return 0;
    }
    if (o->kind == KIND_INT) {
        long v = strtol(text, &end, 10);
        if (strspn(text + (text[0] == '-'), "0123456789") != length - (text[0] == '-') || *end != '\0' || errno != 0) {
            return 0;
        }
        if (!((double)v >= o->min && (double)v <= o->max)) {
            return 0;
        }
        *o->whole = (int)v;
        return 1;
    }
    if (o->kind == KIND_U64) {
        unsigned long long v = strtoull(text, &end, 10);
        if (strspn(text, "0123456789") != length || errno != 0 || v > UINT64_MAX) {
            return 0;
        }
        *o->u64 = (uint64_t)v;
        return 1;
    }
    if (o->kind == KIND_DOUBLE) {
        double v = strtod(text, &end);
        // the character set keeps out hexadecimal, "nan" and "inf"; the range check keeps out 1e999
        if (strspn(text, "0123456789+-.eE") != length || end != text + length || !(fabs(v) < HUGE_VAL)) {
            return 0;
        }
        if (!(v >= o->min && v <= o->max)) {
            return 0;
        }
        *o->number = v;
        return 1;
    }
    if (o->kind == KIND_STRING || o->kind == KIND_FOLDER) {
        *o->text = text;
        return 1;
    }
    for (i = 0; o->kind == KIND_CHOICE && o->choices[i] != NULL; i++) {
        if (strcmp(text, o->choices[i]) == 0) {
            *o->whole = i;
            return 1;
        }
    }
    return 0;
}

// Options and words.  usage_words is shown in the help ("FILE [FILE ...]"); words[] receives what is not an option,
// and everything after a lone "--".  Returns how many words there were, min_words..max_words.
static inline int cli_parse_words(int argc, char **argv, const char *usage_words, const char *about, Option *options,
                                  int n, const char **words, int min_words, int max_words) {
    const char *program = cli_program_(argc > 0 ? argv[0] : NULL);
    int i, k, found = 0, only_words = 0;
    cli_check_table_(options, n);
    for (i = 1; i < argc; i++) {
        const char *arg = argv[i], *equals, *value = NULL;
        size_t length;
        Option *o = NULL;
        if (!only_words && strcmp(arg, "--") == 0) {
            only_words = 1;
            continue;
        }
        if (only_words || arg[0] != '-' || arg[1] == '\0') {
            if (found == max_words) {
                fprintf(stderr, "%s: '%s' is one word too many; this program takes %d besides options; see --help\n",
                        program, arg, max_words);
                exit(2);
            }
            words[found++] = arg;
            continue;
        }
        if (strcmp(arg, "--help") == 0) {
            cli_help_(program, usage_words, about, options, n);
            exit(0);
        }
        if (strcmp(arg, "--version") == 0) {
            puts("tilt " TILT_VERSION);
            exit(0);
        }
        equals = strchr(arg, '=');
        length = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
        for (k = 0; k < n && arg[1] == '-'; k++) {
            if (strlen(options[k].name) == length - 2 && strncmp(options[k].name, arg + 2, length - 2) == 0) {
                o = &options[k];
            }
        }
        if (o == NULL) {
            fprintf(stderr, "%s: unknown option '%.*s'; known:", program, (int)length, arg);
            for (k = 0; k < n; k++) {
                fprintf(stderr, " --%s", options[k].name);
            }
            fputs(" --help --version\n", stderr);
            exit(2);
        }
        if (o->given++ > 0) {
            fprintf(stderr, "%s: option --%s is given twice; give it once\n", program, o->name);
            exit(2);
        }
        if (o->kind == KIND_FLAG) {
            if (equals != NULL) {
                fprintf(stderr, "%s: option --%s takes no value; write --%s alone\n", program, o->name, o->name);
                exit(2);
            }
            *o->whole = 1;
            continue;
        }
        if (equals != NULL) {
            value = equals + 1;
        } else if (i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0) {
            value = argv[++i]; // a value that starts with two dashes needs the form --name=value
        }
        if (value == NULL) {
            fprintf(stderr, "%s: option --%s has no value; it must be ", program, o->name);
        } else if (!cli_set_(o, value)) {
            fprintf(stderr, "%s: option --%s cannot be '%s'; it must be ", program, o->name, value);
        } else {
            continue;
        }
        cli_allowed_(stderr, o);
        fputc('\n', stderr);
        exit(2);
    }
    if (found < min_words) {
        fprintf(stderr, "%s: %d of %d words given; usage: %s [options] %s\n", program, found, min_words, program,
                usage_words);
        exit(2);
    }
    for (k = 0; k < n; k++) {
        if (options[k].kind == KIND_FOLDER && *options[k].text != NULL) {
            folder_make(*options[k].text);
        }
    }
    return found;
}

// Options only; any other word on the command line is an error.
static inline void cli_parse(int argc, char **argv, const char *about, Option *options, int n) {
    cli_parse_words(argc, argv, "", about, options, n, NULL, 0, 0);
}

#endif
