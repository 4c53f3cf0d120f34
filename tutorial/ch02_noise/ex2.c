// ex2.c: exercise 2 of chapter 2.  How many steps does a linear schedule need before the data are forgotten?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch02_noise/ex2.c -lm -o ex2 && ./ex2
// The check asks the library for alpha_T at your T and at T - 1.
#include "../../ref/core/rng.h"
#include "../../ref/formula/schedule.h"

// The smallest T >= 2 for which the linear schedule from `first` to `last` ends with alpha_T < limit.
// The ends of beta stay; T alone changes.  schedule_linear and schedule_free are allowed.
static int my_smallest_T(double first, double last, double limit) {
    // EXERCISE: alpha_T falls with T, so it can be bracketed; where does alpha_T = exp(-T (first + last)/4) point to?
    (void)first;
    (void)last;
    (void)limit;
    return 2;
}

static double last_alpha(int T, double first, double last) {
    Schedule s = schedule_linear(T, first, last);
    double alpha = alpha_of(s.abar[T - 1]);
    schedule_free(&s);
    return alpha;
}

// Is T the smallest?  T = 2 has no smaller one to compare with.
static int wrong(int T, double first, double last, double limit) {
    double at, before;
    if (T < 2 || T > 1000000) {
        printf("not yet: T = %d; expected a number from 2 to 1000000\n", T);
        return 1;
    }
    at = last_alpha(T, first, last);
    before = T > 2 ? last_alpha(T - 1, first, last) : 1;
    printf("beta %.5f to %.5f, limit %.3f: T = %d with alpha_T = %.5f, one step fewer %.5f\n", first, last, limit, T,
           at, before);
    if (!(at < limit && before >= limit)) {
        puts(at < limit ? "not yet: one step fewer is enough too" : "not yet: this chain still remembers");
        puts("where: log alpha_T = (1/2) sum log(1 - beta_i), and the mean of the betas is (first + last)/2 for every "
             "T");
        puts("which formula: T is about -4 log(limit) / (first + last), a little less, since log(1 - b) < -b");
        puts("first line: start from 2 and go up, or halve an interval whose ends lie on both sides of the limit");
        return 1;
    }
    return 0;
}

int main(void) {
    if (wrong(my_smallest_T(1e-4, 0.02, 0.05), 1e-4, 0.02, 0.05)) {
        return 1;
    }
    for (uint64_t k = 0; k < 8; k++) {
        double first = 1e-4 + 0.02 * rng_uniform(5, 1, k), last = first + 0.1 * rng_uniform(5, 2, k);
        double limit = 0.005 + 0.5 * rng_uniform(5, 3, k);
        if (wrong(my_smallest_T(first, last, limit), first, last, limit)) {
            return 1;
        }
    }
    puts("solved: nine schedules; fewer steps need larger betas, in inverse proportion");
    return 0;
}
