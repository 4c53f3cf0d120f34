// ex1.c: exercise 1 of chapter 2.  How much of the data is left in the last level?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch02_noise/ex1.c -lm -o ex1 && ./ex1
#include "../../ref/core/rng.h"
#include "../../ref/formula/schedule.h"

// T levels, beta running linearly from `first` (index 0) to `last` (index T - 1), both ends included.
// Returns alpha_T = sqrt(abar_T), the factor in front of x_0 in x_T.  Not allowed: schedule_linear.
static double my_last_alpha(int T, double first, double last) {
    // EXERCISE: which product is abar_T?
    (void)T;
    (void)first;
    (void)last;
    return 0;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(void) {
    double short_ = my_last_alpha(50, 1e-4, 0.02), long_ = my_last_alpha(1000, 1e-4, 0.02);
    printf("beta from 1e-4 to 0.02: alpha_T = %.4f for T = 50, %.5f for T = 1000\n", short_, long_);
    if (fails(
            fabs(short_ - 0.7765) < 5e-5,
            "T = 50 gives 0.7765.  Where: one step multiplies the signal by sqrt(1 - beta).  Which formula: abar_T is "
            "the product of all 1 - beta, and alpha_T its root.  First line: a loop over i = 0 .. T-1") ||
        fails(fabs(long_ - 0.00635) < 5e-6, "T = 1000 gives 0.00635; do both ends of beta stay where they are?")) {
        return 1;
    }
    for (uint64_t k = 0; k < 30; k++) { // thirty other schedules, one of them with a single level
        int T = k == 0 ? 1 : 2 + (int)rng_below(4, 1, k, 400);
        double first = 1e-5 + 0.01 * rng_uniform(4, 2, k), last = first + 0.05 * rng_uniform(4, 3, k);
        Schedule s = schedule_linear(T, first, last);
        double right = alpha_of(s.abar[T - 1]), mine = my_last_alpha(T, first, last);
        schedule_free(&s);
        if (!(fabs(mine - right) <= 1e-12 * right)) {
            printf("not yet: T = %d, beta from %.5f to %.5f: you say %.9f, the library %.9f\n", T, first, last, mine,
                   right);
            puts(T == 1 ? "a single level has beta = first; 0/0 is no number" : "the divisor of the steps is T - 1");
            return 1;
        }
    }
    puts("solved: 0.7765 and 0.00635, and thirty other schedules: the number of steps is part of the schedule");
    return 0;
}
