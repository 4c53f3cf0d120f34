// ex2.c: exercise 2 of chapter 7.  Ask what looks closest to a tie: a good idea?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch07_your_taste/ex2.c -lm -o ex2 && ./ex2
// "Uncertainty sampling" asks where the model is least decided.  Write it, then the program lets simulated readers
// answer ten questions chosen your way, and ten random ones, and compares what the learned reward is worth to them.
// Not allowed: pick_margin of toy/feedback/taste.h.
#include "../../toy/feedback/reader.h"

enum { READERS = 200, TEN = 1 }; // TEN: index of 10 answers in budget[]

// Candidate question i is about a difference of two rewards with posterior mean mean[i] and standard deviation sd[i].
// Returns the index of the one whose mean is closest to a tie; the first of several.
static int my_pick(const double *mean, const double *sd, int n) {
    // EXERCISE: three lines
    (void)mean;
    (void)sd;
    (void)n;
    return -1;
}

static int check_pick(void) {
    static const double up[3] = {0.5, 0.1, -0.05}, same[3] = {2, -1, 1}, sd[3] = {1, 9, 0.01};
    double mean[40], spread[40];
    if (my_pick(up, sd, 3) != 2) {
        printf("not yet: means 0.5, 0.1, -0.05: the last is closest to a tie, you say %d\n", my_pick(up, sd, 3));
        puts("where: a difference of -0.05 is as close to 0 as +0.05");
        return 1;
    }
    if (my_pick(same, sd, 3) != 1) {
        puts("not yet: of two equally close candidates the first is asked");
        return 1;
    }
    for (int trial = 0; trial < 100; trial++) {
        int pick;
        for (int i = 0; i < 40; i++) {
            mean[i] = rng_normal(7, 5, (uint64_t)(40 * trial + i));
            spread[i] = rng_uniform(7, 6, (uint64_t)(40 * trial + i));
        }
        pick = my_pick(mean, spread, 40);
        for (int i = 0; i < 40; i++) {
            if (pick < 0 || pick >= 40 || fabs(mean[i]) < fabs(mean[pick])) {
                printf("not yet: candidate %d has mean %.4f, you picked %d\n", i, mean[i], pick);
                return 1;
            }
        }
    }
    return 0;
}

int main(void) {
    if (check_pick()) {
        return 1;
    }
    Ring ring = ring_new();
    Exam exam = exam_new(&ring, 0.5);
    double sum[3] = {0}, gain = 0, square = 0;
    for (int s = 0; s < READERS; s++) {
        Reader reader = reader_new(7, s);
        double mine[BUDGETS], random[BUDGETS], variance[BUDGETS], reward[BUDGETS];
        reader_curve(mine, reward, NULL, &exam, &ring, &reader, my_pick, 4, 10);
        reader_curve(random, reward, NULL, &exam, &ring, &reader, NULL, 4, 10);
        reader_curve(variance, reward, NULL, &exam, &ring, &reader, pick_variance, 4, 10);
        sum[0] += mine[TEN] / READERS;
        sum[1] += random[TEN] / READERS;
        sum[2] += variance[TEN] / READERS;
        gain += (mine[TEN] - random[TEN]) / READERS;
        square += (mine[TEN] - random[TEN]) * (mine[TEN] - random[TEN]) / READERS;
    }
    double se = sqrt((square - gain * gain) / READERS);
    printf("share of the reachable J after 10 answers, %d readers: closest to a tie %.2f, random %.2f, most unknown "
           "%.2f\n",
           READERS, sum[0], sum[1], sum[2]);
    printf("closest to a tie minus random, the same readers: %.2f, standard error %.2f\n", gain, se);
    exam_free(&exam);
    if (!(gain < -2 * se)) {
        puts("not yet: picked this way the answers teach less than random ones; yours do not. Is sd left alone?");
        return 1;
    }
    puts("solved: a small margin also means \"both are known to be dull\", and such answers are coins");
    return 0;
}
