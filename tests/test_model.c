// test_model.c: layers, MLP, mixture, chain and optimisers: gradients by finite differences, exact answers, and
// that results do not depend on how a batch is cut.
#include "../ref/core/optim.h"
#include "../ref/formula/mixture.h"
#include "../toy/model/chain.h"
#include "../toy/model/mixture.h"
#include "../toy/model/mlp.h"
#include "../toy/world/ring.h"
#include "harness.h"

enum { ROWS = 300 }; // several blocks of 64 rows in some shards of the MLP

typedef struct {
    Net *net;
    real *x, *t, *dy, *y;
    int *c;
    int n;
} Case;

static Case case_new(Net *net, int n, int steps, int prompts) {
    Case u = {net, NULL, NULL, NULL, NULL, NULL, 0};
    u.n = n;
    u.x = NEW(real, (size_t)n * (size_t)net->in);
    u.t = NEW(real, (size_t)n);
    u.dy = NEW(real, (size_t)n * (size_t)net->out);
    u.y = NEW(real, (size_t)n * (size_t)net->out);
    u.c = NEW(int, (size_t)n);
    rng_fill_normal(u.x, (size_t)n * (size_t)net->in, 1, 1, 0);
    rng_fill_normal(u.dy, (size_t)n * (size_t)net->out, 1, 2, 0);
    for (int i = 0; i < n; i++) {
        u.t[i] = (real)(i % steps);
        u.c[i] = i % (prompts + 1) - 1;
    }
    return u;
}

static void case_free(Case *u) {
    free(u->x);
    free(u->t);
    free(u->dy);
    free(u->y);
    free(u->c);
}

// L = sum dy . y, so dL/dy = dy.
static double loss(void *user) {
    Case *u = (Case *)user;
    double sum = 0;
    net_changed(u->net);
    u->net->forward(u->net, u->y, u->x, u->t, u->c, u->n);
    for (int i = 0; i < u->n * u->net->out; i++) {
        sum += (double)u->y[i] * (double)u->dy[i];
    }
    return sum;
}

static void check_gradients(Net *net, Case *u, const char *name) {
    real *dx = NEW(real, (size_t)u->n * (size_t)net->in);
    net_zero_grad(net);
    net_changed(net);
    net->backward(net, dx, u->dy, u->x, u->t, u->c, u->n);
    CHECK(gradient_ok(loss, u, net->p, net->g, net->np, 1e-5), "%s: parameters", name);
    CHECK(gradient_ok(loss, u, u->x, dx, (size_t)u->n * (size_t)net->in, 1e-5), "%s: inputs", name);
    free(dx);
}

// The MLP packs its weights, keeps slopes and computes gradients by columns.  One block of rows, layer by layer with
// the plain pairs of layers.h, must give the same bits.
static void test_mlp_plain(void) {
    enum { N = 61, IN = 5, WIDE = 37, OUT = 3, PROMPTS = 2 };
    Net net = mlp_new(IN, OUT, WIDE, 2, PROMPTS, NULL, 3);
    const Mlp *m = (const Mlp *)net.self;
    real *g = NEW(real, net.np), *dx = NEW(real, N * IN), *dplain = NEW(real, N * IN);
    real z1[N * WIDE], h1[N * WIDE], z2[N * WIDE], h2[N * WIDE], y[N * OUT], d1[N * WIDE], d2[N * WIDE];
    Case u;
    for (size_t i = 0; i < net.np; i++) {
        net.p[i] += (real)(0.1 * rng_normal(5, 7, i));
    }
    net_changed(&net);
    u = case_new(&net, N, 1, PROMPTS);
    net.backward(&net, dx, u.dy, u.x, NULL, u.c, N);
    net.forward(&net, u.y, u.x, NULL, u.c, N);
    linear_forward(z1, u.x, net.p + m->W[0], net.p + m->b[0], N, IN, WIDE);
    prompt_forward(z1, net.p + m->table, u.c, N, PROMPTS, WIDE);
    silu_forward(h1, z1, N * WIDE);
    linear_forward(z2, h1, net.p + m->W[1], net.p + m->b[1], N, WIDE, WIDE);
    silu_forward(h2, z2, N * WIDE);
    linear_forward(y, h2, net.p + m->W[2], net.p + m->b[2], N, WIDE, OUT);
    CHECK(memcmp(y, u.y, sizeof y) == 0, "forward: %g, plain layers %g", (double)u.y[1], (double)y[1]);
    linear_backward(d2, g + m->W[2], g + m->b[2], u.dy, h2, net.p + m->W[2], N, WIDE, OUT);
    silu_backward(d2, d2, z2, N * WIDE);
    linear_backward(d1, g + m->W[1], g + m->b[1], d2, h1, net.p + m->W[1], N, WIDE, WIDE);
    silu_backward(d1, d1, z1, N * WIDE);
    linear_backward(dplain, g + m->W[0], g + m->b[0], d1, u.x, net.p + m->W[0], N, IN, WIDE);
    prompt_backward(g + m->table, d1, u.c, N, PROMPTS, WIDE);
    CHECK(memcmp(g, net.g, net.np * sizeof(real)) == 0, "the gradient is not that of the plain layers");
    CHECK(memcmp(dx, dplain, N * IN * sizeof(real)) == 0, "the input gradient is not that of the plain layers");
    linear_backward(NULL, g + m->W[2], g + m->b[2], u.dy, h2, net.p + m->W[2], N, WIDE, OUT);
    NEAR(g[m->b[2]], 2 * net.g[m->b[2]], 1e-6, 0); // a layer that is used twice adds up
    free(g);
    free(dx);
    free(dplain);
    case_free(&u);
    net_free(&net);
}

// Forwards without a backward keep nothing and reuse their blocks; the bits stay, and a backward is legal any time.
static void test_mlp_memory(void) {
    enum { MANY = MLP_LANES * MLP_BLOCK + 70 };
    Net net = mlp_new(3, 1, 21, 3, 4, NULL, 2);
    const Mlp *m = (const Mlp *)net.self;
    Case u;
    real *kept = NEW(real, MANY), *once = NEW(real, net.np);
    for (size_t i = 0; i < net.np; i++) {
        net.p[i] += (real)(0.1 * rng_normal(5, 8, i));
    }
    net_changed(&net);
    u = case_new(&net, MANY, 1, 4);
    net.forward(&net, u.y, u.x, NULL, u.c, MANY);
    CHECK(!m->keep && m->act_room == MLP_LANES * MLP_BLOCK, "room for %d rows of activations", m->act_room);
    net.backward(&net, NULL, u.dy, u.x, NULL, u.c, MANY);
    memcpy(once, net.g, net.np * sizeof(real));
    net.forward(&net, kept, u.x, NULL, u.c, MANY);
    CHECK(m->keep && memcmp(kept, u.y, MANY * sizeof(real)) == 0, "kept or not, the bits must be the same");
    for (int i = 0; i < 3; i++) {
        net.forward(&net, kept, u.x, NULL, u.c, MANY);
    }
    CHECK(!m->keep, "forwards alone must stop keeping");
    for (int i = 0; i < 2; i++) { // the second finds its activations used up
        net_zero_grad(&net);
        net.backward(&net, NULL, u.dy, u.x, NULL, u.c, MANY);
        CHECK(memcmp(once, net.g, net.np * sizeof(real)) == 0, "backward %d: another gradient", i);
    }
    free(kept);
    free(once);
    case_free(&u);
    net_free(&net);
}

static void test_mlp(void) {
    Schedule s = schedule_linear(20, 1e-4, 0.02);
    Net net = mlp_new(3, 3, 37, 3, 4, &s, 1), reward = mlp_new(3, 1, 21, 2, 4, NULL, 2);
    Case u, v;
    CHECK(net.np == (size_t)(35 * 37 + 37 + 2 * (37 * 37 + 37) + 37 * 3 + 3 + 5 * 37), "np %zu", net.np);
    u = case_new(&net, ROWS, 20, 4);
    net.forward(&net, u.y, u.x, u.t, u.c, ROWS);
    for (int i = 0; i < ROWS; i++) { // before training: the exact denoiser of N(0, I) data, eps = sigma x
        double sigma = sqrt(1 - schedule_abar(&s, i % 20));
        NEAR(u.y[3 * i], sigma * u.x[3 * i], 1e-6, 1e-7);
    }
    for (size_t i = 0; i < net.np; i++) {
        net.p[i] += (real)(0.1 * rng_normal(5, 5, i));
    }
    for (size_t i = 0; i < reward.np; i++) {
        reward.p[i] += (real)(0.1 * rng_normal(5, 6, i));
    }
    net_changed(&net);
    v = case_new(&reward, ROWS, 1, 4);
    free(v.t);
    v.t = NULL;
    if (sizeof(real) == 8) {
        check_gradients(&net, &u, "mlp denoiser");
        check_gradients(&reward, &v, "mlp reward");
    }
    { // a row does not see its neighbours; backward is legal after another forward; a micro-batch split adds up
        real one[3], *whole = NEW(real, net.np), *other = NEW(real, 3 * ROWS);
        double worst = 0, size = 0;
        net.forward(&net, u.y, u.x, u.t, u.c, ROWS);
        net.forward(&net, one, u.x + 3 * 70, u.t + 70, u.c + 70, 1);
        CHECK(memcmp(one, u.y + 3 * 70, sizeof one) == 0, "row 70 changed with its batch");
        net_zero_grad(&net);
        net.backward(&net, NULL, u.dy, u.x, u.t, u.c, ROWS);
        memcpy(whole, net.g, net.np * sizeof(real));
        net_zero_grad(&net);
        net.forward(&net, other, u.dy, u.t, u.c, ROWS); // overwrites the kept activations
        net.backward(&net, NULL, u.dy, u.x, u.t, u.c, ROWS);
        CHECK(memcmp(whole, net.g, net.np * sizeof(real)) == 0, "backward used activations of another forward");
        net_zero_grad(&net);
        net.backward(&net, NULL, u.dy, u.x, u.t, u.c, 50);
        net.backward(&net, NULL, u.dy + 150, u.x + 150, u.t + 50, u.c + 50, ROWS - 50);
        for (size_t i = 0; i < net.np; i++) {
            worst = fmax(worst, fabs((double)net.g[i] - (double)whole[i]));
            size = fmax(size, fabs((double)whole[i]));
        }
        CHECK(worst < (sizeof(real) == 8 ? 1e-13 : 1e-5) * size && size > 0, "split: %g of %g", worst, size);
        // stale activations: change a parameter after forward, tell the net, backward must see the change
        net.forward(&net, u.y, u.x, u.t, u.c, ROWS);
        net.p[3] += (real)0.5;
        net_changed(&net);
        net_zero_grad(&net);
        net.backward(&net, NULL, u.dy, u.x, u.t, u.c, ROWS);
        CHECK(memcmp(whole, net.g, net.np * sizeof(real)) != 0, "backward kept stale activations");
        free(whole);
        free(other);
    }
    { // the null prompt is its own row: NULL means -1 for every row, and -1 is not prompt 0
        int null_prompt[2] = {-1, -1}, zero[2] = {0, 0};
        real a[6], b[6], d[6];
        net.forward(&net, a, u.x, u.t, NULL, 2);
        net.forward(&net, b, u.x, u.t, null_prompt, 2);
        net.forward(&net, d, u.x, u.t, zero, 2);
        CHECK(memcmp(a, b, sizeof a) == 0, "no prompt must be the null prompt");
        CHECK(memcmp(a, d, sizeof a) != 0, "no prompt must not be prompt 0");
    }
    { // g = NULL: only dx
        real *dx = NEW(real, 3 * ROWS), *keep = net.g;
        net.g = NULL;
        net.backward(&net, dx, u.dy, u.x, u.t, u.c, ROWS);
        net.g = keep;
        CHECK(dx[5] != 0, "no input gradient without parameter gradients");
        free(dx);
    }
    case_free(&u);
    case_free(&v);
    net_free(&net);
    net_free(&reward);
    schedule_free(&s);
}

static void test_mixture(void) {
    Ring ring = ring_new();
    Schedule s = schedule_logsnr(16, 2.5, -4);
    double w[8], mu[16], sd[8];
    int owner[8], i, k;
    Net net;
    Case u;
    for (k = 0; k < 8; k++) {
        w[k] = 1.0 / 8;
        sd[k] = ring.std;
        owner[k] = k / 2;
        ring_mode(mu + 2 * k, &ring, k);
    }
    net = mixture_new(8, 2, w, mu, sd, owner, &s);
    u = case_new(&net, 64, 16, 4);
    net.forward(&net, u.y, u.x, u.t, u.c, 64);
    for (i = 0; i < 64; i++) { // an independent route: the full-covariance mixture of ref/formula
        Gmm clean = ring_gmm(&ring, u.c[i]), noised = gmm_copy(&clean);
        double abar = schedule_abar(&s, i % 16), x[2], eps[2];
        x[0] = (double)u.x[2 * i];
        x[1] = (double)u.x[2 * i + 1];
        gmm_noised(&noised, &clean, sqrt(abar), sqrt(1 - abar));
        gmm_eps(eps, &noised, x, sqrt(1 - abar));
        NEAR(u.y[2 * i], eps[0], sizeof(real) == 8 ? 1e-9 : 2e-5, 1e-6);
        NEAR(u.y[2 * i + 1], eps[1], sizeof(real) == 8 ? 1e-9 : 2e-5, 1e-6);
        NEAR(mixture_logp(&net, u.x + 2 * i, u.c[i], 0), gmm_logp(&clean, x), sizeof(real) == 8 ? 1e-9 : 1e-4, 1e-4);
        gmm_free(&clean);
        gmm_free(&noised);
    }
    for (size_t q = 0; q < net.np; q++) { // away from symmetry
        net.p[q] += (real)(0.2 * rng_normal(7, 7, q));
    }
    if (sizeof(real) == 8) {
        check_gradients(&net, &u, "mixture");
    }
    case_free(&u);
    net_free(&net);
    schedule_free(&s);
}

// log p as a policy: the gradient that DPO on exact densities needs.
static Net *policy;
static real point[2] = {(real)0.7, (real)-0.4};

static double policy_logp(void *user) {
    return mixture_logp(policy, point, *(int *)user, 0);
}

static void test_mixture_logp(void) {
    double w[3] = {0.5, 0.3, 0.2}, mu[6] = {1, 0, -1, 0.5, 0.2, -1}, sd[3] = {0.5, 0.8, 0.6};
    int owner[3] = {0, 0, 1}, c = 0;
    Schedule s = schedule_logsnr(4, 2, -3);
    Net net = mixture_new(3, 2, w, mu, sd, owner, &s);
    policy = &net;
    net_zero_grad(&net);
    mixture_logp(&net, point, c, 1);
    CHECK(net.g[2] == 0, "a component of another prompt got a gradient");
    if (sizeof(real) == 8) {
        CHECK(gradient_ok(policy_logp, &c, net.p, net.g, net.np, 1e-6), "log p");
    }
    net_free(&net);
    schedule_free(&s);
}

// A chain whose denoiser is exact for N(0, s^2 I): variance of x_0 by the linear recursion.
static double chain_variance(const Chain *chain, const Schedule *schedule, double s) {
    double variance = 1;
    for (int k = chain->T - 1; k >= 0; k--) {
        double abar = schedule_abar(schedule, k);
        double slope = sqrt(1 - abar) / (abar * s * s + 1 - abar); // eps = slope x
        double gain = chain->step[k].a + chain->step[k].b * slope;
        variance = gain * gain * variance + chain->step[k].sigma * chain->step[k].sigma;
    }
    return variance;
}

static void test_chain(void) {
    enum { N = 4000 };
    double w[1] = {1}, mu[2] = {0, 0}, sd[1] = {0.3};
    Schedule s = schedule_logsnr(12, 2.5, -4);
    Chain chain = chain_new(&s);
    Net net = mixture_new(1, 2, w, mu, sd, NULL, &s), moved = mixture_new(1, 2, w, mu, sd, NULL, &s);
    real *x = NEW(real, 2 * N), *path = NEW(real, 2 * N * 13);
    int *c = NEW(int, N);
    double var, sum = 0, quad = 0, shift, se;
    // With the small variance a short chain is too narrow; with the fitted one it keeps s = 0.3 to about 1 %.
    var = chain_variance(&chain, &s, 0.3);
    CHECK(var < 0.8 * 0.09, "the small variance was expected to be too narrow here: %g", var);
    for (int i = 0; i < 2 * N; i++) {
        x[i] = (real)(0.3 * rng_normal(3, 1, (uint64_t)i));
    }
    memset(c, 0, N * sizeof(int));
    chain_fit_variance(&chain, &net, &s, x, c, N, 3, 2);
    var = chain_variance(&chain, &s, 0.3);
    NEAR(var, 0.09, 0.03, 0);      // the fit has sampling error: 8000 numbers a level
    for (int k = 0; k < 12; k++) { // and with the exact loss there is none: data variance is kept for any T
        double abar = schedule_abar(&s, k), loss = abar * 0.09 / (abar * 0.09 + 1 - abar);
        chain.step[k].sigma = sqrt(optimal_variance(abar, schedule_abar(&s, k - 1), loss));
        chain.step[k].w_kl = step_w_kl(chain.step[k].b, chain.step[k].sigma);
    }
    // start: N(0, I) instead of the law of x_T, which has variance 1 - abar_T (1 - s^2)
    NEAR(chain_variance(&chain, &s, 0.3), 0.09, 1e-3, 0);
    NEAR(optimal_variance(0.3, 0.6, 0), forward_posterior(0.3, 0.6).var_small, 1e-12, 0);
    NEAR(optimal_variance(0.3, 0.6, 0.3), forward_posterior(0.3, 0.6).var_large, 1e-12, 0); // N(0, I): loss = abar
    chain_sample(x, path, &net, &chain, c, N, 4, 1);
    CHECK(memcmp(x, path, 2 * N * sizeof(real)) == 0, "path[0] is not x_0");
    for (int i = 0; i < 2 * N; i++) {
        double square = (double)x[i] * (double)x[i];
        sum += square / (2 * N);
        quad += square * square / (2 * N);
    }
    AGREES(sum, sqrt((quad - sum * sum) / (2 * N)), chain_variance(&chain, &s, 0.3));
    { // path KL: a denoiser whose mean is moved by m changes eps by -sigma alpha m / v at every level, for all x
        double exact = 0;
        moved.p[1] = (real)0.5;
        net_changed(&moved);
        for (int k = 0; k < 12; k++) {
            double abar = schedule_abar(&s, k), v = abar * 0.09 + 1 - abar;
            shift = sqrt(1 - abar) * sqrt(abar) * 0.5 / v;
            exact += 0.5 * chain.step[k].w_kl * shift * shift;
        }
        NEAR(chain_path_kl(&se, &moved, &net, &chain, path, c, 100), exact, 1e-4, 0);
        // the laws differ by a shift of the mean: KL = 0.5^2 / (2 s^2); the path KL is no smaller
        CHECK(exact > 0.99 * 0.25 / (2 * 0.09), "path KL %g below the KL of the marginals", exact);
    }
    { // guidance 1 is the conditional model; 0 the unconditional
        real a[2], b[2];
        Chain guided = chain;
        double w2[2] = {0.5, 0.5}, mu2[4] = {1, 0, -1, 0}, sd2[2] = {0.3, 0.3};
        int owner[2] = {0, 1}, none = -1;
        Net two = mixture_new(2, 2, w2, mu2, sd2, owner, &s);
        guided.guidance = 0;
        chain_eps(a, &two, &guided, x, 5, c, 1);
        guided.guidance = 1;
        chain_eps(b, &two, &guided, x, 5, &none, 1);
        CHECK(a[0] == b[0] && a[1] == b[1], "guidance 0 is not the null prompt");
        net_free(&two);
    }
    net_free(&net);
    net_free(&moved);
    free(x);
    free(path);
    free(c);
    chain_free(&chain);
    schedule_free(&s);
}

static void test_optimisers(void) {
    Net net = net_new(1, 1, 3);
    Adam adam = adam_new(&net, 0.1);
    real ema[3] = {0, 0, 0};
    unsigned before = net.stamp;
    net.g[0] = 2;
    net.g[1] = -5;
    adam_step(&adam, &net); // the first step is -lr sign(g), whatever the size of g
    NEAR(net.p[0], -0.1, 1e-5, 0);
    NEAR(net.p[1], 0.1, 1e-5, 0);
    CHECK(net.p[2] == 0 && net.stamp != before, "stamp %u", net.stamp);
    { // three more steps with a constant gradient: m_hat = g, v_hat = g^2, so every step is -lr sign(g)
        for (int i = 0; i < 3; i++) {
            adam_step(&adam, &net);
        }
        NEAR(net.p[0], -0.4, 1e-5, 0);
    }
    { // a varying gradient, by the textbook recursion in double
        double g[4] = {1, -2, 0.5, 3}, m = 0, v = 0, p = 1;
        Net one = net_new(1, 1, 1);
        Adam a = adam_new(&one, 0.05);
        one.p[0] = 1;
        a.decay = 0.2;
        for (int i = 0; i < 4; i++) {
            one.g[0] = (real)g[i];
            adam_step(&a, &one);
            m = 0.9 * m + 0.1 * g[i];
            v = 0.999 * v + 0.001 * g[i] * g[i];
            p -= 0.05 * ((m / (1 - pow(0.9, i + 1))) / (sqrt(v / (1 - pow(0.999, i + 1))) + 1e-8) + 0.2 * p);
        }
        NEAR(one.p[0], p, 2e-6, 0);
        adam_free(&a);
        net_free(&one);
    }
    net.p[0] = 4;
    ema_update(ema, &net, 0.75);
    NEAR(ema[0], 1, 1e-6, 0);
    net.g[0] = 3;
    net.g[1] = 4;
    net.g[2] = 0;
    NEAR(clip_gradient(&net, 1), 5, 1e-6, 0);
    NEAR(net.g[1], 0.8, 1e-6, 0);
    NEAR(clip_gradient(&net, 2), 1, 1e-6, 0); // below the limit: untouched
    NEAR(net.g[1], 0.8, 1e-6, 0);
    adam_free(&adam);
    net_free(&net);
}

static void test_embeddings(void) {
    real e[8], y[6] = {0, 0, 0, 0, 0, 0}, d[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
    real table[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, dy[6] = {1, 1, 1, 2, 2, 2};
    int c[2] = {1, -1};
    time_embedding(e, 3, 8);
    NEAR(e[0], sin(3.0), 1e-6, 0);
    NEAR(e[2], sin(3.0 * pow(10000, -0.5)), 1e-6, 0);
    NEAR(e[7], cos(3.0 * pow(10000, -0.75)), 1e-6, 0);
    prompt_forward(y, table, c, 2, 2, 3);
    CHECK(y[0] == 4 && y[3] == 7, "prompt rows %g %g", (double)y[0], (double)y[3]);
    prompt_backward(d, dy, c, 2, 2, 3);
    prompt_backward(d, dy, c, 2, 2, 3);
    CHECK(d[0] == 0 && d[3] == 2 && d[6] == 4, "prompt gradients %g %g %g", (double)d[0], (double)d[3], (double)d[6]);
}

int main(void) {
    test_mlp();
    test_mlp_plain();
    test_mlp_memory();
    test_mixture();
    test_mixture_logp();
    test_chain();
    test_optimisers();
    test_embeddings();
    return report("test_model");
}
