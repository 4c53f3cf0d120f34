// ex1.c: exercise 1 of chapter 7.  Ten questions asked twice: what do they say about every model?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch07_your_taste/ex1.c -lm -o ex1 && ./ex1
// When it is solved, `./ex1 out` reads your own answers from out/taste_answers.tsv.
// Not allowed: consistency and accuracy_bound of toy/feedback/taste.h.
#include "../../ref/core/rng.h"
#include "../../ref/file/tsv.h"

// The share of n questions whose answer changed.  first_left[i] = 1: the left one was chosen.  The second time the two
// pictures had changed sides.
static double flip_rate(const int *first_left, const int *second_left, int n) {
    // EXERCISE: careful, the same key is not the same answer
    (void)first_left;
    (void)second_left;
    (void)n;
    return 0;
}

// If repeated answers differ at this rate, no model agrees with a fresh answer more often than ... on average.
static double best_accuracy(double flips) {
    // EXERCISE: one question with chance P of "a": how often do two answers differ, how often is the best guess right?
    // Then: why does the same formula hold as an upper bound for many different questions?
    (void)flips;
    return 1;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

// Readers with seven kinds of questions: does the bound hold for the best guesser, and is it of any use?
static int check_bound(void) {
    double slack = 0;
    for (int trial = 0; trial < 200; trial++) {
        double flips = 0, best = 0, bound;
        for (int k = 0; k < 7; k++) {
            double p = rng_uniform(7, 1, (uint64_t)(7 * trial + k));
            p = trial % 2 == 0 ? p : 0.5 + 0.5 * p * p; // half of the readers are surer
            flips += 2 * p * (1 - p) / 7;
            best += fmax(p, 1 - p) / 7;
        }
        bound = best_accuracy(flips);
        slack += (bound - best) / 200;
        if (fails(
                bound >= best - 1e-12,
                "a guesser who knows every chance P is right more often than your bound allows; with one chance P for "
                "all questions the bound must be max(P, 1-P), and a mean over questions must stay below it")) {
            return 1;
        }
    }
    return fails(slack < 0.05, "the bound holds, but it is far above what the best guesser reaches");
}

// Readers answer ten questions twice; the mean of the rates is the mean of 2 P (1-P).
static int check_rate(void) {
    enum { ASKED = 10, READERS = 2000 };
    double sum = 0, square = 0, expected = 0, se;
    for (int s = 0; s < READERS; s++) {
        int first[ASKED], second[ASKED];
        for (int i = 0; i < ASKED; i++) {
            uint64_t at = (uint64_t)(s * ASKED + i);
            double p = rng_uniform(7, 2, at); // chance of the thing that is first on the left
            first[i] = rng_uniform(7, 3, at) < p;
            second[i] = rng_uniform(7, 4, at) < 1 - p; // now the other one is on the left
            expected += 2 * p * (1 - p) / (ASKED * READERS);
        }
        double rate = flip_rate(first, second, ASKED);
        sum += rate / READERS;
        square += rate * rate / READERS;
    }
    se = sqrt((square - sum * sum) / READERS);
    return fails(se > 0 && fabs(sum - expected) < 4 * se, "the mean flip rate of simulated readers is not 2 P (1-P)");
}

// Your own file.
static void yours(const char *dir) {
    static const char *const columns[] = {"item_a", "item_b", "wins_a", "wins_b", "ties", NULL};
    char path[PATH_LENGTH];
    path_join(path, dir, "taste_answers.tsv");
    Tsv t = tsv_read(path, columns);
    int first[1000], second[1000], n = 0;
    for (size_t j = 0; j < t.rows && n < 1000; j++) {
        for (size_t i = 0; i < j; i++) {
            if (strcmp(tsv_text(&t, i, "item_a"), tsv_text(&t, j, "item_b")) == 0 &&
                strcmp(tsv_text(&t, i, "item_b"), tsv_text(&t, j, "item_a")) == 0 &&
                tsv_number(&t, i, "ties") + tsv_number(&t, j, "ties") == 0) {
                first[n] = tsv_number(&t, i, "wins_a") > 0;
                second[n++] = tsv_number(&t, j, "wins_a") > 0;
                break;
            }
        }
    }
    if (n > 0) {
        double rate = flip_rate(first, second, n);
        printf("you: %d questions twice, flip rate %.2f: as far as so few can tell, no model is right in more than "
               "%.0f %%\n",
               n, rate, 100 * best_accuracy(rate));
    }
}

int main(int argc, char **argv) {
    static const int left[4] = {1, 1, 1, 1}, steady[4] = {1, 0, 1, 0}, exchanged[4] = {0, 1, 0, 1};
    static const int one[4] = {0, 1, 0, 0};
    if (fails(flip_rate(left, left, 4) == 1,
              "a reader who always presses left changes every answer: the sides changed") ||
        fails(flip_rate(steady, exchanged, 4) == 0, "a reader who follows the thing to its new side never changes") ||
        fails(flip_rate(steady, one, 4) == 0.25, "one of four answers changed: the rate is a share, 0.25") ||
        fails(fabs(best_accuracy(0) - 1) < 1e-12, "without flips nothing stands in the way of a perfect model") ||
        fails(fabs(best_accuracy(0.5) - 0.5) < 1e-6, "a reader who tosses coins flips half of the time; so is the best "
                                                     "model right half of the time") ||
        fails(fabs(best_accuracy(0.32) - 0.8) < 1e-12, "P = 0.8 everywhere: two answers differ with chance 2 P (1-P) = "
                                                       "0.32, the best guess is right with chance 0.8; solve for P") ||
        fails(best_accuracy(0.9) == 0.5, "more flips than coins: nothing is promised beyond 1/2, and no root of a "
                                         "negative number is taken") ||
        check_bound() || check_rate()) {
        return 1;
    }
    puts("solved: ten repeated questions bound every model, whoever trains it");
    if (argc > 1) {
        yours(argv[1]);
    }
    return 0;
}
