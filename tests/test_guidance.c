// test_guidance.c: one convention, both limits to the last bit, the other convention by name; interval, rescale,
// threshold; and the counterexample by integrating the variance of its ODE and of its SDE.
#include "death.h"

#include "../ref/core/elementary.h"
#include "../ref/formula/guidance.h"
#include "../toy/model/chain.h"
#include "../toy/model/mixture.h"

enum { DIM = 6 };

static void test_convention(void) {
    real u[DIM], c[DIM], neg[DIM], a[DIM], b[DIM], x[DIM], xu[DIM], xc[DIM];
    rng_fill_normal(u, DIM, 1, 1, 0);
    rng_fill_normal(c, DIM, 1, 2, 0);
    rng_fill_normal(neg, DIM, 1, 3, 0);
    rng_fill_normal(x, DIM, 1, 4, 0);
    c[0] = (real)1e-7; // 1 + (1e-7 - 1) is not 1e-7 in float: the limit s = 1 must not be computed that way
    u[0] = 1;
    cfg_combine(a, u, c, 0, DIM);
    CHECK(memcmp(a, u, sizeof a) == 0, "s = 0 is the unconditional model");
    cfg_combine(a, u, c, 1, DIM);
    CHECK(memcmp(a, c, sizeof a) == 0, "s = 1 is the conditional model");
    cfg_combine(a, u, c, 2, DIM);
    for (int i = 0; i < DIM; i++) { // s = 2: as far beyond c as u is before it
        NEAR((double)a[i] + (double)u[i], 2 * (double)c[i], 1e-6, 1e-6);
    }
    for (double s = -1; s < 9; s += 0.7) { // the other convention, by name
        cfg_combine(a, u, c, s, DIM);
        cfg_combine_w(b, u, c, cfg_w_of_scale(s), DIM);
        for (int i = 0; i < DIM; i++) {
            NEAR(a[i], b[i], 0, sizeof(real) == 8 ? 1e-13 : 1e-5);
        }
        NEAR(cfg_scale_of_w(cfg_w_of_scale(s)), s, 1e-15, 1e-15);
        // affine: guiding x_0 is guiding eps
        x0_from_eps(xu, x, u, 0.8, 0.6, DIM);
        x0_from_eps(xc, x, c, 0.8, 0.6, DIM);
        cfg_combine(xc, xu, xc, s, DIM); // out may be an input
        x0_from_eps(b, x, a, 0.8, 0.6, DIM);
        for (int i = 0; i < DIM; i++) {
            NEAR(xc[i], b[i], 0, sizeof(real) == 8 ? 1e-12 : 1e-4);
        }
    }
    cfg_combine_w(a, u, c, 0, DIM);
    CHECK(a[2] == c[2], "w = 0 is the conditional model of the other convention");
    // negative prompts: the null prompt recovers cfg.eps, and s = 1 ignores it
    cfg_negative(a, u, c, 3, DIM);
    cfg_combine(b, u, c, 3, DIM);
    CHECK(memcmp(a, b, sizeof a) == 0, "negative = null");
    cfg_negative(a, neg, c, 1, DIM);
    CHECK(memcmp(a, c, sizeof a) == 0, "s = 1 ignores the negative prompt");
    cfg_negative(a, neg, c, 2, DIM);
    NEAR((double)a[3], 2 * (double)c[3] - (double)neg[3], 1e-5, 1e-6);
    // interval
    NEAR(cfg_interval_scale(0.5, 0.3, 2, 4), 4, 0, 0);
    NEAR(cfg_interval_scale(0.3, 0.3, 2, 4), 1, 0, 0); // the lower end is outside,
    NEAR(cfg_interval_scale(2, 0.3, 2, 4), 4, 0, 0);   // the upper inside
    NEAR(cfg_interval_scale(2.1, 0.3, 2, 4), 1, 0, 0);
    NEAR(cfg_interval_scale(0.5, 0.5, 0.5, 4), 1, 0, 0);
    NEAR(cfg_interval_scale(80, 0, HUGE_VAL, 4), 4, 0, 0);
    DIES("not negative", cfg_interval_scale(-1, 0, 1, 2));
}

// A chain of a real model uses the rule: the two limits, and a point between by hand.
static void test_chain(void) {
    double w[2] = {0.5, 0.5}, mu[4] = {1, 0, -1, 0}, sd[2] = {0.3, 0.3};
    int owner[2] = {0, 1}, zero[2] = {0, 0};
    Schedule s = schedule_logsnr(12, 2.5, -4);
    Net net = mixture_new(2, 2, w, mu, sd, owner, &s);
    Chain chain = chain_new(&s);
    real x[4] = {(real)0.2, (real)-0.4, (real)-0.9, (real)0.1}, t[2] = {5, 5}, u[4], c[4], a[4];
    net.forward(&net, u, x, t, NULL, 2);
    net.forward(&net, c, x, t, zero, 2);
    CHECK(memcmp(u, c, sizeof u) != 0, "prompt and null prompt must differ here");
    chain.guidance = 0;
    chain_eps(a, &net, &chain, x, 5, zero, 2);
    CHECK(memcmp(a, u, sizeof a) == 0, "guidance 0: the null prompt");
    chain.guidance = 1;
    chain_eps(a, &net, &chain, x, 5, zero, 2);
    CHECK(memcmp(a, c, sizeof a) == 0, "guidance 1: the prompt");
    chain.guidance = 3;
    chain_eps(a, &net, &chain, x, 5, zero, 2);
    for (int i = 0; i < 4; i++) {
        NEAR(a[i], 3 * (double)c[i] - 2 * (double)u[i], 1e-4, 1e-5);
    }
    net_free(&net);
    chain_free(&chain);
    schedule_free(&s);
}

static void test_repairs(void) {
    real guided[DIM] = {4, -2, 6, 0, 1, 3}, cond[DIM] = {1, -1, 2, 0, 0, 1}, out[DIM];
    double q, s;
    cfg_rescale(out, guided, cond, 0, DIM);
    CHECK(memcmp(out, guided, sizeof out) == 0, "phi = 0");
    cfg_rescale(out, guided, cond, 1, DIM);
    NEAR(cfg_std(out, DIM), cfg_std(cond, DIM), 1e-6, 0);
    cfg_rescale(out, guided, cond, 0.5, DIM);
    NEAR(cfg_std(out, DIM), 0.5 * cfg_std(cond, DIM) + 0.5 * cfg_std(guided, DIM), 1e-6, 0);
    NEAR(cfg_std(guided, DIM), sqrt(7.0), 1e-12, 0); // mean 2, squared distances 4 16 16 4 1 1
    cfg_rescale(out, cond, cond, 1, DIM);
    NEAR(out[2], cond[2], 1e-6, 0);
    DIES("spread", cfg_rescale(out, out + 1, cond, 1, 1));
    DIES("phi", cfg_rescale(out, guided, cond, 1.5, DIM));
    // threshold
    real small[4] = {(real)0.2, (real)-0.9, (real)0.5, (real)1}, wide[5] = {0, -1, 2, -3, 4}, cut[5];
    s = cfg_dynthresh(cut, &q, small, 0.9, 4);
    CHECK(s == 1 && memcmp(cut, small, sizeof small) == 0, "nothing above 1: nothing happens");
    s = cfg_dynthresh(cut, &q, wide, 0.5, 5); // |x| sorted 0 1 2 3 4, the median is 2
    NEAR(q, 2, 0, 0);
    NEAR(cut[1], -0.5, 1e-7, 0);
    NEAR(cut[3], -1, 0, 0);
    NEAR(cut[4], 1, 0, 0);
    s = cfg_dynthresh(cut, &q, wide, 0.625, 5); // halfway between 2 and 3
    NEAR(s, 2.5, 1e-12, 0);
    s = cfg_dynthresh(cut, &q, wide, 1, 5);
    NEAR(s, 4, 0, 0);
    NEAR(cut[3], -0.75, 1e-7, 0);
    s = cfg_dynthresh(cut, &q, wide, 0, 5);
    CHECK(q == 0 && s == 1 && cut[4] == 1, "ratio 0: plain clipping");
    wide[0] = (real)INFINITY;
    DIES("alpha", cfg_dynthresh(cut, &q, wide, 0.5, 5));
    DIES("quantile", cfg_dynthresh(cut, &q, small, 1.5, 4));
}

// The counterexample: dV/d(sigma^2) of the guided ODE and SDE, x' = slope x, integrated by RK4 in log sigma^2.
static double slope(double t, double s) { // guided score = -slope x
    return s / (1 + t) + (1 - s) / (2 + t);
}

// dV/dlog t.  ODE: dx/dt = slope x/2, so dV/dt = slope V.   SDE: dV/dt = 2 slope V - 1 (backwards noise).
static double rate(double log_t, double V, double s, int sde) {
    double t = exp(log_t);
    return t * (sde ? 2 * slope(t, s) * V - 1 : slope(t, s) * V);
}

static double variance(double s, int sde) {
    double log_t = log(1e7), end = log(1e-7), V = 1e7;
    enum { STEPS = 20000 };
    double h = (end - log_t) / STEPS;
    for (int k = 0; k < STEPS; k++, log_t += h) {
        double a = rate(log_t, V, s, sde), b = rate(log_t + h / 2, V + h / 2 * a, s, sde);
        double c = rate(log_t + h / 2, V + h / 2 * b, s, sde), d = rate(log_t + h, V + h * c, s, sde);
        V += h / 6 * (a + 2 * b + 2 * c + d);
    }
    return V;
}

static void test_counterexample(void) {
    for (double s = 0; s < 6; s += 0.5) {
        NEAR(cfg_var_ode(s), variance(s, 0), 1e-5, 0);
        NEAR(cfg_var_sde(s), variance(s, 1), 1e-5, 0);
        // p(x)^(1-s) p(x|c)^s: precisions add, (1-s)/2 + s
        NEAR(cfg_var_sharpened(s), 1 / ((1 - s) / 2 + s), 1e-13, 0);
        CHECK(s == 1 || s == 0 || fabs(cfg_var_ode(s) - cfg_var_sharpened(s)) > 1e-3, "they agree at s = %g", s);
        CHECK(s == 1 || s == 0 || fabs(cfg_var_sde(s) - cfg_var_sharpened(s)) > 1e-3, "they agree at s = %g", s);
    }
    NEAR(cfg_var_ode(0), 2, 1e-14, 0);
    NEAR(cfg_var_sde(0), 2, 1e-14, 0);
    NEAR(cfg_var_sde(1), 1, 1e-14, 0);
    NEAR(cfg_var_sde(0.5), cfg_var_sde(0.5 + 1e-9), 1e-8, 0);
    DIES("no finite mass", cfg_var_sharpened(-1));
}

int main(void) {
    test_convention();
    test_chain();
    test_repairs();
    test_counterexample();
    return report("test_guidance");
}
