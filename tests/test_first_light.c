// test_first_light.c: the two alignment loops of chapter 1 on a policy class that contains the optimum.  The model is
// the exact mixture, whose weights and means can reach p* of a linear reward, and the reward is the true one; so what
// a loop leaves open is the loop's own error, not the network's.  The policy gradient is exact in the limit.
// Diffusion-DPO is not: its loss replaces a sum over the chain by one random step, and at its best it leaves about 5 %
// open here too.
#define main chapter_main // the program's own main is not what is tested here
#include "../tutorial/ch01_first_light/ch01.c"
#undef main

#include "../toy/world/ring_net.h"
#include "harness.h"

// The true reward as a Net without parameters.
static void true_reward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    const World *w = (const World *)net->self;
    double *r = NEW(double, (size_t)n);
    (void)t;
    w->reward(w, r, x, c, (size_t)n);
    for (int i = 0; i < n; i++) {
        y[i] = (real)r[i];
    }
    free(r);
}

int main(void) {
    Plan plan = {0, 0, 4000, 0, 256, 120, 256, 300, 0, 1, 0, 3e-2, 2e-2};
    Ring ring = ring_new();
    QuadReward reward = linear_reward_new(0.77, 1.85);
    World world = ring_world(&ring, &reward);
    Schedule s = schedule_logsnr(STEPS, 2.5, -4);
    Net ref = ring_denoiser(&ring, &s), pg = ring_denoiser(&ring, &s), dpo = ring_denoiser(&ring, &s);
    Net truth = net_new(2, 1, 1);
    Chain chain = fitted_chain(&ref, &world, &s, 2048, 1);
    Grid grid = grid_new(108, -4.5, 4.5);
    Rater rater = rater_new(1, 1, 50);
    Pairs pairs = pairs_collect(&rater, &world, &ref, &chain, plan.pairs, 1, 51);
    RingBoard board;
    Score a, b;
    truth.forward = true_reward;
    truth.self = &world;
    memory = arena_new((size_t)64 << 20);
    board = ring_board_new(&ring, &grid, &ref, &chain, quad_point_reward, &reward, NULL, plan.beta);
    align_pg(&pg, &ref, &truth, &world, &plan, &chain);
    dpo_beta = 0.35;
    align_dpo(&dpo, &ref, &pairs, &world, &plan, &s, &chain);
    a = ring_board_model(&board, &pg);
    b = ring_board_model(&board, &dpo);
    printf("  policy gradient closes %.4f, Diffusion-DPO %.4f of the gap\n", a.closed, b.closed);
    CHECK(board.j_star - board.j_ref > 0.2, "the reward must matter: gap %g", board.j_star - board.j_ref);
    CHECK(a.closed > 0.98 && a.closed < 1, "policy gradient closes %g", a.closed);
    CHECK(a.tv < 0.04, "policy gradient ends %g from p*", a.tv);
    CHECK(b.closed > 0.93 && b.closed < 1, "Diffusion-DPO closes %g", b.closed);
    CHECK(b.tv < 0.09, "Diffusion-DPO ends %g from p*", b.tv);
    { // a weaker fine must leave more KL, and be worse
        Score weak;
        dpo_beta = 0.1;
        net_copy(&dpo, &ref);
        align_dpo(&dpo, &ref, &pairs, &world, &plan, &s, &chain);
        weak = ring_board_model(&board, &dpo);
        CHECK(weak.kl > 1.5 * b.kl && weak.closed < b.closed, "beta / 5: KL %g against %g", weak.kl, b.kl);
    }
    pairs_free(&pairs);
    ring_board_free(&board);
    arena_free(&memory);
    net_free(&ref);
    net_free(&pg);
    net_free(&dpo);
    net_free(&truth);
    chain_free(&chain);
    schedule_free(&s);
    return report("test_first_light");
}
