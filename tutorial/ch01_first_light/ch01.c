// Chapter 1, First light: from noise to an aligned model, scored against the exact optimum.  Told twice: on a ring of
// eight Gaussians, where everything is exact, and on 1,797 scans of handwritten digits.
//   train a denoiser -> sample it with prompts -> ask a rater for pairwise choices -> fit a reward to the choices
//   -> align once by policy gradient on that reward, once by Diffusion-DPO on the choices -> score both
// Here are the two alignment loops and the story; the parts they use have chapters of their own (3, 6, 9, 15).
//   make run        or:  cc -std=c99 -O2 tutorial/ch01_first_light/ch01.c -lm -o ch01 && ./ch01 --quick
#include "../../ref/formula/preference.h"
#include "../../ref/show/cli.h"
#include "../../toy/feedback/reward_fit.h"
#include "../../toy/model/chain_align.h"
#include "../../toy/model/train.h"
#include "../../toy/world/gallery.h"
#include "../../toy/world/ring_board.h"
#include "../../toy/world/sample_board.h"
#include "../../toy/world/worlds.h"

// Streams of noise, and sizes.
enum { SAMPLE = 200, RATER, FIT, BOARD = 210, SHOW = 215, ROLLOUT = 220, DPO_PAIR };
enum { STEPS = 16, BEST_OF = 4, METHODS = 5, SHOWN = 400, CURVE = 40 };
static const char *const method_names[METHODS] = {"reference", "pg", "dpo", "best_of_4", "optimum"};

static uint64_t seed = 1;
static double dpo_beta = 0.5; // Diffusion-DPO's own beta, in units of the KL temperature: see README
static Arena memory;          // temporaries of the loops: taken at the start, given back at the end
#define TAKE(type, n) ((type *)arena_take(&memory, (size_t)(n), sizeof(type)))

typedef struct {                                              // how much of everything, quick and default
    int hidden, train_steps, pairs, fit_steps;                // width of the denoiser; choices asked for
    int rollouts, pg_iterations, dpo_batch, dpo_steps, score; // chains an iteration; pairs a step; samples for a score
    double beta, train_rate, pg_rate, dpo_rate;               // KL temperature (reward units per nat); learning rates
} Plan;

// ---- align by policy gradient ------------------------------------------------------------------------------------

// Maximises E[r_learned] - beta KL(chain || reference chain), on-policy: draw chains, ask both models for eps along
// them, turn rewards and KLs into dL/d eps (toy/model/chain_align.h), hand that to the network.
static void align_pg(Net *net, Net *ref, Net *reward, const World *w, const Plan *plan, const Chain *chain) {
    int T = chain->T, dim = w->dim, n = plan->rollouts, K = n / w->prompts, it, i;
    size_t numbers = (size_t)n * (size_t)dim, mark = memory.used;
    real *x0 = TAKE(real, numbers), *path = TAKE(real, numbers * (size_t)(T + 1)), *r = TAKE(real, n);
    real *eps = TAKE(real, numbers * (size_t)T), *eps_ref = TAKE(real, numbers * (size_t)T),
         *t = TAKE(real, n * (size_t)T);
    int *c = TAKE(int, n *(size_t)T);
    double *to_go = TAKE(double, n);
    Adam adam = adam_new(net, plan->pg_rate);
    Progress bar = progress_start("policy gradient", "reward", plan->pg_iterations);
    for (i = 0; i < n * T; i++) { // rows of a prompt stand together: row i of a step has prompt i / K
        t[i] = (real)(i / n);
        c[i] = i % n / K;
    }
    for (it = 0; it < plan->pg_iterations; it++) {
        chain_sample(x0, path, net, chain, c, n, seed, w->stream + ROLLOUT + ((uint64_t)it << 32));
        net->forward(net, eps, path + numbers, t, c, n * T);
        ref->forward(ref, eps_ref, path + numbers, t, c, n * T);
        reward->forward(reward, r, x0, NULL, c, n);
        for (i = 0; i < n; i++) {
            to_go[i] = (double)r[i];
        }
        chain_policy_gradient(eps, to_go, eps_ref, path, chain, plan->beta, w->prompts, n, dim); // eps: now dL/d eps
        net_zero_grad(net);
        net->backward(net, NULL, eps, path + numbers, t, c, n * T);
        clip_gradient(net, 5);
        adam.lr = rate_at(plan->pg_rate, it, 10, plan->pg_iterations);
        adam_step(&adam, net);
        progress_step(&bar, it + 1, mean_of(to_go, (size_t)n));
    }
    progress_end(&bar);
    adam_free(&adam);
    memory.used = mark;
}

// ---- align by Diffusion-DPO ----------------------------------------------------------------------------------------

// Winner and loser of a pair are noised with the same noise to the same level; the net must come to denoise the winner
// better, relative to the reference, than the loser.  No reward model, no sampling.
static void align_dpo(Net *net, Net *ref, const Pairs *pairs, const World *w, const Plan *plan,
                      const Schedule *schedule, const Chain *chain) {
    int B = plan->dpo_batch, dim = w->dim, steps = plan->dpo_steps, step;
    size_t half = (size_t)B * (size_t)dim, mark = memory.used;
    real *x = TAKE(real, 2 * half), *eps = TAKE(real, 2 * half), *eps_ref = TAKE(real, 2 * half),
         *d = TAKE(real, 2 * half);
    real *noise = TAKE(real, half), *t = TAKE(real, 2 * B);
    int *c = TAKE(int, 2 * B);
    double *weight = TAKE(double, B), loss = 0;
    Adam adam = adam_new(net, plan->dpo_rate);
    Progress bar = progress_start("diffusion-dpo", "loss", steps);
    for (step = 0; step < steps; step++) {
        pairs_noised(x, noise, t, c, weight, pairs, schedule, chain, B, seed, w->stream + DPO_PAIR, (uint64_t)step * B);
        net->forward(net, eps, x, t, c, 2 * B);
        ref->forward(ref, eps_ref, x, t, c, 2 * B);
        loss = diffusion_dpo_weighted(d, d + half, NULL, NULL, eps, eps + half, eps_ref, eps_ref + half, noise, weight,
                                      B, dim, dpo_beta * plan->beta);
        net_zero_grad(net);
        net->backward(net, NULL, d, x, t, c, 2 * B);
        clip_gradient(net, 5);
        adam.lr = rate_at(plan->dpo_rate, step, 20, steps);
        adam_step(&adam, net);
        progress_step(&bar, step + 1, loss);
    }
    progress_end(&bar);
    adam_free(&adam);
    memory.used = mark;
}

// ---- the story, the same for every world --------------------------------------------------------------------------

enum { REF, PG, DPO, MODELS };

typedef struct {
    Schedule schedule;
    Chain chain;
    Net model[MODELS], reward;
    int c[SHOWN];                       // prompts of the samples to look at
    real *shown[MODELS], *path[MODELS]; // those samples, SHOWN x dim, and how they came about
} Story;

static Story tell(const World *w, const Plan *plan) {
    Story s;
    Rater rater = rater_new(1, seed, w->stream + RATER);
    RewardReport report;
    Pairs pairs;
    double loss;
    int i, m;
    s.schedule = schedule_logsnr(STEPS, 2.5, -4);
    for (m = 0; m < MODELS; m++) {
        s.model[m] = mlp_new(w->dim, w->dim, plan->hidden, 3, w->prompts, &s.schedule, seed);
    }
    loss = train_denoiser(&s.model[REF], w, &s.schedule, plan->train_steps, plan->train_rate, seed);
    s.chain = fitted_chain(&s.model[REF], w, &s.schedule, 2048, seed);
    pairs = pairs_collect(&rater, w, &s.model[REF], &s.chain, plan->pairs, seed, w->stream + SAMPLE);
    s.reward = fit_reward(&report, &pairs, w->prompts, plan->fit_steps, seed, w->stream + FIT);
    net_copy(&s.model[PG], &s.model[REF]);
    net_copy(&s.model[DPO], &s.model[REF]);
    align_pg(&s.model[PG], &s.model[REF], &s.reward, w, plan, &s.chain);
    align_dpo(&s.model[DPO], &s.model[REF], &pairs, w, plan, &s.schedule, &s.chain);
    for (m = 0; m < MODELS; m++) { // samples to look at, all three from the same noise
        s.shown[m] = NEW(real, SHOWN * (size_t)w->dim);
        s.path[m] = NEW(real, SHOWN * (size_t)w->dim * (STEPS + 1));
        for (i = 0; i < SHOWN; i++) {
            s.c[i] = i % w->prompts;
        }
        chain_sample(s.shown[m], s.path[m], &s.model[m], &s.chain, s.c, SHOWN, seed, w->stream + SHOW);
    }
    printf("%s_denoiser_loss %.4f\n%s_pairs %d\n", w->name, loss, w->name, pairs.n);
    printf("%s_reward_accuracy %.3f\n%s_truth_accuracy %.3f\n%s_reward_ece %.3f\n", w->name, report.accuracy, w->name,
           pairs.best_accuracy, w->name, report.ece);
    pairs_free(&pairs);
    return s;
}

// ---- scores, pictures, files ---------------------------------------------------------------------------------------

static uint64_t ring_story(Score *score, Gallery *g, const Plan *plan, int cells) {
    Ring ring = ring_new();
    QuadReward up_right = linear_reward_new(2 * e_cos(3 * PI / 8), 2 * e_sin(3 * PI / 8));
    World w = ring_world(&ring, &up_right);
    Story s = tell(&w, plan);
    Grid grid = grid_new(cells, -4.5, 4.5);
    RingBoard b =
        ring_board_new(&ring, &grid, &s.model[REF], &s.chain, quad_point_reward, &up_right, &s.reward, plan->beta);
    Score curve[CURVE];
    score[0] = ring_board_best_of(&b, 1); // the reference
    score[1] = ring_board_model(&b, &s.model[PG]);
    score[2] = ring_board_model(&b, &s.model[DPO]);
    score[3] = ring_board_best_of(&b, BEST_OF);
    score[4] = ring_board_tilt(&b, plan->beta);
    ring_board_curve(curve, &b, CURVE);
    printf("ring_reference_kl_to_data %.4f\nring_mass_lost %.1e\n", b.data_kl, b.lost);
    gallery_ring(g, &ring, s.shown, method_names, MODELS, s.c, SHOWN, s.path[REF], STEPS);
    gallery_models(g, w.name, s.model, method_names, MODELS, seed);
    gallery_scores(g, w.name, method_names, score, METHODS, curve, CURVE, 1);
    return net_hash(net_hash(net_hash(HASH_START, &s.model[REF]), &s.model[PG]), &s.model[DPO]);
}

static uint64_t digits_story(Score *score, Gallery *g, const Plan *plan, const Digits *scans) {
    StrokeWeight bold = {ink_new(scans), 2.5};
    World w = digits_world(scans, &bold);
    Story s = tell(&w, plan);
    SampleBoard b =
        sample_board_new(plan->score, &w, &s.model[REF], &s.chain, &s.reward, plan->beta, seed, w.stream + BOARD);
    Score curve[CURVE];
    score[0] = sample_board_best_of(&b, 1); // the reference
    score[1] = sample_board_model(&b, &s.model[PG], b.n / 2);
    score[2] = sample_board_model(&b, &s.model[DPO], b.n / 2);
    score[3] = sample_board_best_of(&b, BEST_OF);
    score[4] = sample_board_tilt(&b, plan->beta);
    sample_board_curve(curve, &b, CURVE);
    printf("digits_effective_samples %.0f\ndigits_reference_samples %d\n", b.ess, b.n);
    gallery_digits(g, s.shown, method_names, MODELS, SHOWN);
    gallery_models(g, w.name, s.model, method_names, MODELS, seed);
    gallery_scores(g, w.name, method_names, score, METHODS, curve, CURVE, 0);
    return net_hash(net_hash(net_hash(HASH_START, &s.model[REF]), &s.model[PG]), &s.model[DPO]);
}

int main(int argc, char **argv) {
    int quick = 0;
    const char *out = "out";
    Option options[] = {
        OPT_SEED(&seed), OPT_QUICK(&quick), OPT_OUT(&out),
        OPT_DOUBLE("dpo-beta", &dpo_beta, 0.01, 100, "beta of Diffusion-DPO, in units of the KL temperature")};
    Plan full[2] = {{96, 3000, 4000, 400, 512, 60, 256, 500, 0, 1, 6e-3, 1e-3, 5e-4},
                    {192, 3000, 4000, 200, 320, 90, 1024, 110, 800, 1, 6e-3, 6e-4, 3e-4}};
    Plan small[2] = {{16, 100, 200, 50, 64, 2, 64, 10, 0, 1, 5e-3, 1e-3, 1e-3},
                     {16, 60, 200, 30, 80, 2, 64, 5, 20, 1, 5e-3, 1e-3, 1e-3}};
    Score ring[METHODS], digits[METHODS];
    uint64_t hash;
    Digits scans;
    Gallery g;
    cli_parse(argc, argv, "from noise to an aligned model, on a ring and on digits", options, COUNT(options));
    scans = digits_load(DIGITS_PATH); // first: a bad file must not cost a run, nor the results of the last one
    g = gallery_open(out, "First light");
    memory = arena_new((size_t)192 << 20);
    hash = ring_story(ring, &g, quick ? &small[0] : &full[0], quick ? 36 : 128);
    hash ^= digits_story(digits, &g, quick ? &small[1] : &full[1], &scans);
    gallery_close(&g);
    printf("inspect %.1f %.1f percent of the gap closed on the ring, by pg and dpo\n", 100 * ring[1].closed,
           100 * ring[2].closed);
    printf("expect 85 to 100 for both, in the run without --quick\nhash %016llx\n", (unsigned long long)hash);
    return 0;
}
