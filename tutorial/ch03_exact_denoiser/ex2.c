// ex2.c: exercise 2 of chapter 3.  At which noise level do two modes become one?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch03_exact_denoiser/ex2.c -lm -o ex2 && ./ex2
// The check counts the peaks of the exact density a little below and a little above your level.
#include "../../ref/formula/schedule.h"
#include "../../toy/world/ring.h"

// Two equally likely Gaussians with variance s^2 have their centres a distance d apart.  x_t = alpha x_0 + sigma eps.
// Returns the abar below which the density of x_t has one peak only; 1 when the clean data have one peak already.
static double merging_abar(double d, double s) {
    // EXERCISE: what are the distance of the centres and the variance of the peaks at level abar?
    (void)d;
    (void)s;
    return 0.5;
}

// Peaks of log p_t along the line through both centres, by counting where the score changes from + to -.
// bend: the second derivative of log p_t in the middle, above 0 in a valley.
static int peaks(double *bend, double d, double s, double abar) {
    Ring two = {2, 1, d / 2, s}; // a "ring" of two modes, d / 2 from the middle
    Gmm p = ring_gmm(&two, -1);
    int found = 0;
    double before = 1, middle[2] = {0, 0}, H[4];
    gmm_noised(&p, &p, alpha_of(abar), sigma_of(abar));
    for (int i = 0; i < 200000; i++) { // an even number of places, none of them in the middle
        double x[2] = {d * ((i + 0.5) / 100000 - 1), 0}, score[2];
        gmm_score(score, &p, x);
        found += before > 0 && score[0] <= 0;
        before = score[0];
    }
    gmm_hessian(H, &p, middle);
    *bend = H[0];
    gmm_free(&p);
    return found;
}

int main(void) {
    static const double d[4] = {1.148, 3, 2, 0.6}, s[4] = {0.25, 0.25, 0.5, 0.1};
    for (int k = 0; k < 4; k++) {
        double abar = merging_abar(d[k], s[k]), bend_above, bend_below;
        int above, below;
        if (!(abar > 0.001 && abar < 0.999)) {
            printf("not yet: d = %.3f, s = %.2f: abar = %g, expected a level between 0.001 and 0.999\n", d[k], s[k],
                   abar);
            return 1;
        }
        above = peaks(&bend_above, d[k], s[k], abar * 1.001);
        below = peaks(&bend_below, d[k], s[k], abar * 0.999);
        printf("d = %.3f, s = %.2f: abar = %.4f; above it %d peaks, bend in the middle %+.4f; below it %d, %+.4f\n",
               d[k], s[k], abar, above, bend_above, below, bend_below);
        if (above != 2 || below != 1) {
            puts("not yet: there should be two peaks above and one below");
            puts("where: look at the middle between the two centres; it is a valley first, then a peak");
            puts("which formula: H = -1/v + (a/v)^2 there, with centres at -a and a, a = alpha d/2, and variance v");
            puts("first line: set H = 0, that is a^2 = v, and put in alpha^2 = abar and v = abar s^2 + 1 - abar");
            return 1;
        }
    }
    if (merging_abar(1, 0.5) != 1 || merging_abar(0.5, 1) != 1) {
        puts("not yet: modes closer than two standard deviations have one peak without any noise; return 1");
        return 1;
    }
    puts("solved: two modes are two as long as their noisy centres lie two noisy standard deviations apart");
    return 0;
}
