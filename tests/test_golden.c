// test_golden.c: the parser of golden files, the judgement of outputs, and the reader of formula blocks.
// None of it uses `real`, so the float and the double build check the same things.
#include "harness.h"
#include "../ref/ledger/case.h"
#include "../ref/ledger/source.h"

#define HEAD "a.b@1|in|x|2|1 2.5\n"
#define TAIL "a.b@1|out|y|2x2|1 2 3 4\na.b@1|tol|rel|1|1e-3\na.b@1|tol|abs|1|0\n"

// Parses a copy of text; the caller frees g.
static int parse(Golden *g, const char *text, size_t size, GoldenMode mode) {
    char *bytes = NEW(char, size + 1);
    memcpy(bytes, text, size);
    return golden_parse(g, "file", bytes, size, mode);
}

// Must the text be refused, at that line, with one line that contains `word`?
static void refused(const char *text, size_t line, const char *word) {
    Golden g;
    char begin[32];
    int code = parse(&g, text, strlen(text), GOLDEN_FULL);
    snprintf(begin, sizeof begin, "file:%zu: ", line);
    CHECK(code == -1, "accepted: %s", text);
    CHECK(code == 0 || strncmp(g.error, begin, strlen(begin)) == 0, "wanted %s, got: %s", begin, g.error);
    CHECK(code == 0 || strstr(g.error, word) != NULL, "wanted '%s' in: %s", word, g.error);
    CHECK(code == 0 || strchr(g.error, '\n') == NULL, "more than one line: %s", g.error);
    golden_free(&g);
}

static void test_good_file(void) {
    const char *text = "# comment\n\n" HEAD "a.b@1|in|kind|s|word\r\n" TAIL "a.b@1|tol|y.abs|1|7\n"
                       "a.b@2|in|x|1|-1e-3\na.b@2|out|y|1|0\na.b@2|tol|abs|1|1\na.b@2|tol|rel|1|0\n";
    Golden g;
    CHECK(parse(&g, text, strlen(text), GOLDEN_FULL) == 0, "%s", g.error);
    CHECK(g.n == 2, "%zu cases", g.n);
    if (g.n == 2) {
        const Case *c = &g.cases[0];
        const Value *x = value_find(&c->in, "x");
        const Value *kind = value_find(&c->in, "kind");
        const Value *y = value_find(&c->out, "y");
        CHECK(strcmp(c->family, "a.b") == 0 && strcmp(c->name, "a.b@1") == 0, "%s, %s", c->family, c->name);
        CHECK(c->line == 3 && c->in.n == 2 && c->out.n == 1, "line %zu, %zu in, %zu out", c->line, c->in.n, c->out.n);
        CHECK(x != NULL && x->n == 2 && x->v[1] == 2.5, "x");
        CHECK(kind != NULL && strcmp(kind->text, "word") == 0, "carriage return kept?");
        CHECK(y != NULL && y->rank == 2 && y->dim[0] == 2 && y->dim[1] == 2, "shape of y");
        NEAR(golden_tolerance(c, "y", "abs"), 7, 0, 0); // the tolerance of the key goes first
        NEAR(golden_tolerance(c, "y", "rel"), 1e-3, 0, 0);
        NEAR(golden_tolerance(c, "z", "abs"), 0, 0, 0);
        NEAR(g.cases[1].in.at[0].v[0], -1e-3, 0, 0);
    }
    golden_free(&g);
    CHECK(parse(&g, HEAD, strlen(HEAD), GOLDEN_INPUTS) == 0, "inputs alone: %s", g.error);
    golden_free(&g);
}

static void test_bad_files(void) {
    refused("", 1, "no case");
    refused("# only a comment\n", 2, "no case");
    refused(HEAD, 1, "without outputs");
    refused(HEAD "a.b@1|out|y|1|1\n", 1, "without both tolerances");
    refused(HEAD "a.b@1|out|y|1|1\na.b@1|tol|rel|1|0\n", 1, "without both tolerances");
    refused(HEAD TAIL "a.b@1|tol|z.rel|1|0\n", 5, "no output");
    refused(HEAD TAIL "a.b@1|tol|.rel|1|0\n", 5, "no output");
    refused(HEAD "a.b@1|out|y|1|1", 2, "truncated");
    refused("a.b@1|in|x|2|1\n", 1, "fewer");
    refused("a.b@1|in|x|2|1 2 3\n", 1, "more");
    refused("a.b@1|in|x|2|1 nan\n", 1, "finite");
    refused("a.b@1|in|x|2|1 -inf\n", 1, "finite");
    refused("a.b@1|in|x|2|1 1e400\n", 1, "finite");
    refused("a.b@1|in|x|2|1 0x10\n", 1, "finite");
    refused("a.b@1|in|x|2|1 1e\n", 1, "finite");
    refused("a.b@1|in|x|2|1 --1\n", 1, "finite");
    refused("a.b@1|in|x|0|\n", 1, "shape");
    refused("a.b@1|in|x|02|1 2\n", 1, "shape");
    refused("a.b@1|in|x|2x|1 2\n", 1, "shape");
    refused("a.b@1|in|x|x2|1 2\n", 1, "shape");
    refused("a.b@1|in|x|-2|1 2\n", 1, "shape");
    refused("a.b@1|in|x|4097|1 2\n", 1, "shape");
    refused("a.b@1|in|x|64x65|1 2\n", 1, "shape");
    refused("a.b@1|in|x|18446744073709551617|1\n", 1, "shape");
    refused("a.b@1|in|x|1x1x1x1x1x1x1|1\n", 1, "shape");
    refused("a.b@1|in|x|1\n", 1, "five fields");
    refused("a.b@1|in|x|1|1|\n", 1, "five fields");
    refused("a.b@1|im|x|1|1\n", 1, "second field");
    refused("a.b|in|x|1|1\n", 1, "family@instance");
    refused("@1|in|x|1|1\n", 1, "family@instance");
    refused("a.b@|in|x|1|1\n", 1, "family@instance");
    refused("a@b@1|in|x|1|1\n", 1, "family@instance");
    refused("a.b@1|in||1|1\n", 1, "key");
    refused("a.b@1|in|x y|1|1\n", 1, "key");
    refused(HEAD "a.b@1|in|x|1|1\n", 2, "duplicate");
    refused(HEAD TAIL "a.b@1|tol|rel|1|1\n", 5, "duplicate");
    refused(HEAD TAIL "c.d@1|in|x|1|1\n" HEAD, 6, "stand together");
    refused(HEAD "a.b@1|tol|rel|1|-1\n", 2, "tolerance");
    refused(HEAD "a.b@1|tol|rel|2|1 1\n", 2, "tolerance");
    refused(HEAD "a.b@1|tol|rel|s|small\n", 2, "token");
    refused("a.b@1|in|x|s|two words\n", 1, "token");
    refused("a.b@1|in|x|s|\n", 1, "token");
    refused("a.b@1|in|x|1|\001\n", 1, "ASCII");
    refused("# \377\n", 1, "ASCII");
}

static void test_long_lines(void) {
    size_t size = GOLDEN_LINE + 2;
    char *text = NEW(char, size + 1);
    Golden g;
    memset(text, '#', size);
    text[GOLDEN_LINE] = '\n'; // exactly 8192 bytes are allowed; the second line is one `#`
    text[GOLDEN_LINE + 1] = '\n';
    CHECK(parse(&g, text, size, GOLDEN_FULL) == -1 && strstr(g.error, "no case") != NULL, "%s", g.error);
    golden_free(&g);
    text[GOLDEN_LINE] = '#';
    CHECK(parse(&g, text, size, GOLDEN_FULL) == -1 && strstr(g.error, "longer than") != NULL, "%s", g.error);
    golden_free(&g);
    CHECK(parse(&g, text, GOLDEN_LINE + 1, GOLDEN_FULL) == -1 && strstr(g.error, "longer than") != NULL, "%s", g.error);
    golden_free(&g);
    free(text);
}

// Damages a good file in every way a disk can: each result must be a clean yes or a clean no.
static void test_damage(void) {
    const char *text = HEAD "a.b@1|in|kind|s|word\n" TAIL "c.d@x|in|t|3|0.1 0.2 0.3\nc.d@x|out|y|1|0\n"
                            "c.d@x|tol|rel|1|1e-9\nc.d@x|tol|abs|1|1e-12\nc.d@x|tol|y.rel|1|0\n";
    size_t size = strlen(text), at, refusals = 0;
    char *copy = NEW(char, size);
    int bit;
    for (at = 0; at < size; at++) {
        for (bit = 0; bit < 9; bit++) { // 8 flipped bits; the ninth time the file ends here
            Golden g;
            int code;
            memcpy(copy, text, size);
            copy[at] = (char)(bit < 8 ? (unsigned char)copy[at] ^ (1u << bit) : (unsigned char)copy[at]);
            code = parse(&g, copy, bit < 8 ? size : at, GOLDEN_FULL);
            refusals += code != 0;
            CHECK((code == 0 && g.n > 0) || (code == -1 && strncmp(g.error, "file:", 5) == 0), "byte %zu, bit %d", at,
                  bit);
            golden_free(&g);
        }
    }
    CHECK(refusals > 4 * size, "only %zu of %zu damaged files were refused", refusals, 9 * size);
    free(copy);
}

// The verdict on one output y (2x2) with the tolerances of TAIL: rel 1e-3, abs 0.
static int verdict(char *why, size_t size, size_t rows, const double y[4]) {
    Golden g;
    Out out;
    int yes;
    parse(&g, HEAD TAIL, strlen(HEAD TAIL), GOLDEN_FULL);
    memset(&out, 0, sizeof out);
    out.of = &g.cases[0];
    why[0] = '\0';
    if (rows > 0) {
        memcpy(out_matrix(&out, "y", rows, 4 / rows), y, 4 * sizeof(double));
    }
    yes = case_passes(why, size, &g.cases[0], &out);
    out_free(&out);
    golden_free(&g);
    return yes;
}

static void test_verdict(void) {
    double good[4] = {1, 2, 3, 4};
    double edge[4] = {1, 2.0019, 3, 4};    // error 0.0019, allowed 0.002
    double wrong[4] = {1, 2.0021, 3, 4.5}; // element 3 is the worst
    double nan_[4] = {1, 2, 3, 4};
    double inf_[4] = {1, 2, 3, 4};
    char why[300];
    nan_[1] = HUGE_VAL - HUGE_VAL;
    inf_[0] = HUGE_VAL;
    CHECK(verdict(why, sizeof why, 2, good), "%s", why);
    CHECK(verdict(why, sizeof why, 2, edge), "%s", why);
    CHECK(!verdict(why, sizeof why, 2, wrong) && strstr(why, "y element 3: got 4.5, expected 4,") != NULL, "%s", why);
    CHECK(!verdict(why, sizeof why, 2, nan_) && strstr(why, "element 1 is") != NULL, "%s", why);
    CHECK(!verdict(why, sizeof why, 2, inf_) && strstr(why, "element 0 is") != NULL, "%s", why);
    CHECK(!verdict(why, sizeof why, 4, good) && strcmp(why, "y shape 4x1, expected 2x2") == 0, "%s", why);
    CHECK(!verdict(why, sizeof why, 0, good) && strcmp(why, "y missing") == 0, "%s", why);
}

static void test_blocks(void) {
    Formulas f = {NULL, 0};
    const char *name = NULL;
    size_t n;
    formula_head(&f, "x.h", 7, "dpo.loss      preference, pairwise   [chapter 15]");
    CHECK(f.n == 1 && strcmp(f.at[0].id, "dpo.loss") == 0 && strcmp(f.at[0].words, "preference, pairwise") == 0,
          "head");
    CHECK(strcmp(f.at[0].chapter, "15") == 0, "chapter %s", f.at[0].chapter);
    formula_comment(&f, 0, "   L = -log sigmoid(z)");
    formula_comment(&f, 0, "   source: A and B 1952");
    formula_comment(&f, 0, "   check: finite differences");
    CHECK(strcmp(f.at[0].body, "L = -log sigmoid(z)\n") == 0, "body %s", f.at[0].body);
    CHECK(strcmp(f.at[0].source, "A and B 1952") == 0, "source %s", f.at[0].source);
    CHECK(strcmp(f.at[0].check, "finite differences") == 0, "check %s", f.at[0].check);
    formulas_free(&f);
    formula_head(&f, "x.h", 7, "mdp.kl step.kl   two ids  [chapters 12, 13]");
    CHECK(f.n == 2 && strcmp(f.at[1].id, "step.kl") == 0 && strcmp(f.at[1].words, "two ids") == 0, "two ids");
    CHECK(strcmp(f.at[1].chapter, "12, 13") == 0, "chapters %s", f.at[1].chapter);
    formulas_free(&f);
    formula_head(&f, "x.h", 7, "tweedie what e.g. the score knows");
    CHECK(f.n == 1 && strcmp(f.at[0].words, "what e.g. the score knows") == 0 && f.at[0].chapter[0] == '\0', "one id");
    formulas_free(&f);
    n = function_name("static inline const double *table_mean (double *var)", &name);
    CHECK(n == 10 && strncmp(name, "table_mean", 10) == 0, "length %zu", n);
    CHECK(line_uses("    y = dpo_loss(a);", "dpo_loss"), "a call");
    CHECK(!line_uses("    y = dpo_loss2(a);", "dpo_loss"), "a longer name");
    CHECK(!line_uses("    y = my_dpo_loss(a);", "dpo_loss"), "a longer name");
    CHECK(!line_uses("    y = 1; // dpo_loss", "dpo_loss"), "a comment");
    CHECK(!line_uses("    puts(\"a \\\"dpo_loss(\\\" b\");", "dpo_loss"), "a string");
    CHECK(line_uses("    puts(\"a\"), dpo_loss(b);", "dpo_loss"), "after a string");
    CHECK(line_uses("    xdpo_loss = dpo_loss;", "dpo_loss"), "the second mention");
}

int main(void) {
    test_good_file();
    test_bad_files();
    test_long_lines();
    test_damage();
    test_verdict();
    test_blocks();
    return report("test_golden");
}
