// ex2.c: exercise 2 of chapter 9.  How many candidates spend as much KL as the tilt at beta = 1?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch09_tilt/ex2.c -lm -o ex2 && ./ex2
// The answer is a number n with a fraction, because log n - (n-1)/n = KL must hold exactly; then both are compared.
#include "../../ref/formula/best_of_n.h"
#include "../../toy/feedback/rewards.h"
#include "../../toy/world/ring.h"

enum { SIDE = 100, CELLS = SIDE * SIDE };

// The n >= 1 whose best-of-n has this KL, any kl from 0 to 30 nats.
static double n_of_kl(double kl) {
    // EXERCISE: bon_kl(n) grows with n; bracket the answer, then halve the bracket
    (void)kl;
    return 2;
}

// E[r] of best-of-n on the ring, from its exact law on a grid; n may have a fraction.
static double best_of_reward(const Ring *ring, QuadReward *reward, double n) {
    static double p[CELLS], r[CELLS], law[CELLS];
    Grid g = grid_new(SIDE, -4, 4);
    ring_grid_ref(p, &g, ring, -1);
    grid_reward(r, &g, quad_point_reward, -1, reward);
    bon_discrete(law, p, r, n, CELLS);
    return table_mean(NULL, law, r, CELLS);
}

int main(void) {
    static const double beta[4] = {4, 2, 1, 0.5}, extreme[4] = {1e-4, 0.1, 10, 30};
    Ring ring = ring_new();
    static Gmm p_ref; // static: it lives as long as the program
    QuadReward reward = linear_reward_new(2 * e_cos(3 * PI / 8), 2 * e_sin(3 * PI / 8));
    p_ref = ring_gmm(&ring, -1);
    for (int k = 0; k < 4; k++) {
        TiltPoint t = gmm_tilt_point(&p_ref, &reward, beta[k]);
        double n = n_of_kl(t.kl);
        if (!(n >= 1) || fabs(bon_kl(n) - t.kl) > 1e-9) {
            printf("not yet: the tilt at beta = %.1f has KL %.4f, your n is %.4f\n", beta[k], t.kl, n);
            puts("where: log n - (n-1)/n, the function bon_kl, is 0 at n = 1 and grows without end");
            puts("which formula: none, the equation has no closed solution; bisect it");
            puts("first line: double low = 1, high = 2;  and double high until bon_kl(high) exceeds kl");
            return 1;
        }
        printf("beta = %.1f: KL %.4f, reward %.4f; best of %.4f has the same KL and reward %.4f\n", beta[k], t.kl,
               t.e_r, n, best_of_reward(&ring, &reward, n));
    }
    for (int k = 0; k < 4; k++) {
        double n = n_of_kl(extreme[k]);
        if (!(n >= 1) || fabs(bon_kl(n) - extreme[k]) > 1e-9 * (1 + extreme[k])) {
            printf("not yet: KL %g, your n = %g has KL %g; is the bracket wide enough?\n", extreme[k], n,
                   n >= 1 ? bon_kl(n) : 0);
            return 1;
        }
    }
    if (fabs(n_of_kl(0) - 1) > 1e-6) {
        puts("not yet: KL 0 is best of 1, the reference itself");
        return 1;
    }
    puts("solved: best-of-n and the tilt can be compared at the same KL, and the tilt earns more");
    return 0;
}
