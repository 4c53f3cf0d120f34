// test_cli.c: the option parser: values, defaults, help, and every way to be wrong (exit 2, one line on stderr).
#include "../ref/show/cli.h"
#include "child.h"

// The child: a program with one option of each kind; prints what it got.
static int program(int argc, char **argv) {
    uint64_t seed = 1;
    int quick = 0, steps = 2000, method = 1, found, i;
    double beta = 0.5, shift = 0;
    const char *out = NULL;
    const char *words[2];
    static const char *const methods[] = {"dpo", "ipo", NULL};
    Option options[] = {
        OPT_SEED(&seed),
        OPT_QUICK(&quick),
        OPT_STRING("out", &out, "a text"),
        OPT_INT("steps", &steps, -5, 1000000, "training steps"),
        OPT_DOUBLE("beta", &beta, 1e-6, 1e6, "temperature"),
        OPT_DOUBLE("shift", &shift, -HUGE_VAL, HUGE_VAL, "of the mean"),
        OPT_CHOICE("method", &method, methods, "which loss"),
    };
    found = cli_parse_words(argc, argv, "FILE [FILE]", "tests the options", options, COUNT(options), words, 0, 2);
    printf("%llu %d %d %.17g %.17g %s %s %d", (unsigned long long)seed, quick, steps, beta, shift, methods[method],
           out ? out : "-", options[3].given);
    for (i = 0; i < found; i++) {
        printf(" [%s]", words[i]);
    }
    putchar('\n');
    return 0;
}

// A table whose default is outside its range: the programmer's mistake.
static int broken_table(int argc, char **argv) {
    int steps = 0;
    Option options[] = {OPT_INT("steps", &steps, 1, 10, "steps")};
    cli_parse(argc, argv, "broken", options, COUNT(options));
    return 0;
}

static int no_words(int argc, char **argv) {
    int quick = 0;
    Option options[] = {OPT_QUICK(&quick)};
    cli_parse(argc, argv, "no words", options, COUNT(options));
    return 0;
}

// Its folder must be there when it begins.
static int in_folder(int argc, char **argv) {
    const char *out = NULL;
    Option options[] = {OPT_OUT(&out)};
    cli_parse(argc, argv, "writes a file", options, COUNT(options));
    if (out != NULL) {
        char path[PATH_LENGTH];
        path_join(path, out, "file");
        fclose(open_or_die(path, "wb", "The folder is missing."));
    }
    return 0;
}

// `folder --out NAME` in the folder of this test.
static void folder_case(const char *name, int want, const char *reason) {
    char command[400];
    int status;
    snprintf(command, sizeof command, "folder --out %s", child_path(name));
    status = child_run("", command);
    CHECK(status == want &&
              (want == 0 ? child_err[0] == '\0' : one_line(child_err) && strstr(child_err, reason) != NULL),
          "%s: exit %d, '%s'", command, status, child_err);
}

static void gives(const char *arguments, const char *want) {
    char command[400];
    int status;
    snprintf(command, sizeof command, "program %s", arguments);
    status = child_run("", command);
    CHECK(status == 0 && strcmp(child_out, want) == 0 && child_err[0] == '\0', "%s: exit %d, '%s', stderr '%s'",
          arguments, status, child_out, child_err);
}

static void refuses(const char *arguments, const char *reason) {
    char command[400];
    int status;
    snprintf(command, sizeof command, "program %s", arguments);
    status = child_run("", command);
    CHECK(status == 2 && child_out[0] == '\0' && one_line(child_err) && strstr(child_err, reason) != NULL,
          "%s: exit %d, stdout '%s', stderr '%s', wanted '%s'", arguments, status, child_out, child_err, reason);
}

int main(int argc, char **argv) {
    int status;
    if (argc > 1 && strcmp(argv[1], "program") == 0) {
        return program(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "broken") == 0) {
        return broken_table(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "nowords") == 0) {
        return no_words(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "folder") == 0) {
        return in_folder(argc - 1, argv + 1);
    }
    child_begin(argv[0]);

    folder_case("made_for_out", 0, "");
    folder_case("made_for_out", 0, "");
    folder_case("made_for_out/file", 1, "is not a folder");
    folder_case("none/such", 1, "make its parent first");
    status = child_run("", "folder");
    CHECK(status == 0, "no folder given: exit %d, %s", status, child_err);

    gives("", "1 0 2000 0.5 0 ipo - 0\n");
    gives("--seed 18446744073709551615 --quick --steps=7", "18446744073709551615 1 7 0.5 0 ipo - 1\n");
    gives("--beta 1e-3 --method dpo --out a/b", "1 0 2000 0.001 0 dpo a/b 0\n");
    gives("--beta=.25 --shift -2.5 --steps -5", "1 0 -5 0.25 -2.5 ipo - 1\n");
    gives("--out=--odd --shift=-1e9", "1 0 2000 0.5 -1000000000 ipo --odd 0\n");
    gives("one --quick two", "1 1 2000 0.5 0 ipo - 0 [one] [two]\n");
    gives("-- --quick -", "1 0 2000 0.5 0 ipo - 0 [--quick] [-]\n");

    refuses("--step 3", "unknown option '--step'; known: --seed --quick --out --steps");
    refuses("--stepss 3", "unknown option '--stepss'");
    refuses("--stepz 3", "unknown option '--stepz'");
    refuses("-s 3", "unknown option '-s'");
    refuses("--=3", "unknown option '--'");
    refuses("--steps", "--steps has no value; it must be a whole number from -5 to 1000000");
    refuses("--steps --quick", "--steps has no value");
    refuses("--steps=", "--steps cannot be ''");
    refuses("--steps 3x", "--steps cannot be '3x'");
    refuses("--steps 3.0", "--steps cannot be '3.0'");
    refuses("--steps 0x10", "--steps cannot be '0x10'");
    refuses("--steps ' 3'", "--steps cannot be ' 3'");
    refuses("--steps -6", "--steps cannot be '-6'");
    refuses("--steps 1000001", "--steps cannot be '1000001'");
    refuses("--steps 99999999999999999999", "--steps cannot be");
    refuses("--steps -", "--steps cannot be '-'");
    refuses("--seed -1", "--seed cannot be '-1'; it must be a whole number from 0 to 18446744073709551615");
    refuses("--seed 18446744073709551616", "--seed cannot be");
    refuses("--seed +1", "--seed cannot be '+1'");
    refuses("--beta nan", "--beta cannot be 'nan'; it must be a number from 1e-06 to 1e+06");
    refuses("--shift inf", "--shift cannot be 'inf'; it must be a number");
    refuses("--shift 1e999", "--shift cannot be '1e999'");
    refuses("--beta 0x1p0", "--beta cannot be");
    refuses("--beta 1e", "--beta cannot be '1e'");
    refuses("--beta 1,5", "--beta cannot be '1,5'");
    refuses("--beta 0", "--beta cannot be '0'");
    refuses("--method kto", "--method cannot be 'kto'; it must be one of dpo ipo");
    refuses("--method dp", "--method cannot be 'dp'");
    refuses("--out ''", "--out cannot be ''");
    refuses("--quick=1", "--quick takes no value");
    refuses("--quick --quick", "--quick is given twice");
    refuses("--steps 3 --steps=3", "--steps is given twice");
    refuses("a b c", "'c' is one word too many");

    status = child_run("", "program --help");
    CHECK(status == 0 && child_err[0] == '\0', "--help: exit %d, stderr '%s'", status, child_err);
    CHECK(strstr(child_out, "tests the options") != NULL, "--help says nothing about the program: %s", child_out);
    CHECK(strstr(child_out, "--steps N           training steps; a whole number from -5 to 1000000 [2000]") != NULL,
          "--help without range or default: %s", child_out);
    CHECK(strstr(child_out, "one of dpo ipo [ipo]") != NULL && strstr(child_out, "[none]") != NULL, "%s", child_out);
    status = child_run("", "program --quick --version");
    CHECK(status == 0 && strcmp(child_out, "tilt " TILT_VERSION "\n") == 0 && child_err[0] == '\0',
          "--version: exit %d, '%s'", status, child_out);
    status = child_run("", "broken");
    CHECK(status == 1 && one_line(child_err) && strstr(child_err, "--steps") != NULL, "broken table: exit %d, '%s'",
          status, child_err);
    status = child_run("", "nowords x");
    CHECK(status == 2 && one_line(child_err), "a word where none is allowed: exit %d, '%s'", status, child_err);
    return report("test_cli");
}
