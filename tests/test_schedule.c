// test_schedule.c: schedules against sums of logarithms, closed forms, integrated rates and Bayes' rule.
#include "death.h"

#include "../ref/formula/schedule.h"

// abar_t of betas from a formula, by adding log1p in long double: another route than the product.
static double abar_by_logs(double (*beta)(int i, int T, double first, double last), int t, int T, double first,
                           double last) {
    long double sum = 0;
    for (int i = 0; i <= t; i++) {
        sum += log1pl(-(long double)beta(i, T, first, last));
    }
    return (double)expl(sum);
}

static double linear_beta(int i, int T, double first, double last) {
    return (first * (T - 1 - i) + last * i) / (T - 1);
}

static double scaled_beta(int i, int T, double first, double last) {
    double root = (sqrt(first) * (T - 1 - i) + sqrt(last) * i) / (T - 1);
    return root * root;
}

static void test_beta_schedules(void) {
    int sizes[] = {2, 50, 1000};
    for (int k = 0; k < 3; k++) {
        int T = sizes[k];
        Schedule linear = schedule_linear(T, 1e-4, 0.02);
        Schedule scaled = schedule_scaled_linear(T, 1e-3, 0.05);
        for (int t = 0; t < T; t += T < 100 ? 1 : 111) {
            NEAR(schedule_abar(&linear, t), abar_by_logs(linear_beta, t, T, 1e-4, 0.02), 1e-12, 0);
            NEAR(schedule_abar(&scaled, t), abar_by_logs(scaled_beta, t, T, 1e-3, 0.05), 1e-12, 0);
            NEAR(schedule_beta(&linear, t), linear_beta(t, T, 1e-4, 0.02), 1e-11, 0);
            NEAR(schedule_beta(&scaled, t), scaled_beta(t, T, 1e-3, 0.05), 1e-11, 0);
        }
        NEAR(schedule_beta(&linear, 0), 1e-4, 1e-11, 0);
        NEAR(schedule_beta(&linear, T - 1), 0.02, 1e-11, 0);
        NEAR(schedule_beta(&scaled, T - 1), 0.05, 1e-11, 0);
        CHECK(schedule_abar(&linear, -1) == 1, "clean data");
        schedule_free(&linear);
        schedule_free(&scaled);
    }
    Schedule one = schedule_linear(1, 0.3, 0.9); // a single step takes the first beta
    NEAR(schedule_abar(&one, 0), 0.7, 1e-15, 0);
    schedule_free(&one);
    CHECK(one.abar == NULL && one.T == 0, "freed");
}

static double cosine_form(double u, double s) { // the paper's own formula, with the square
    double y = cos((u + s) / (1 + s) * PI / 2);
    return y * y;
}

static void test_cosine(void) {
    int T = 40;
    double s = 0.008;
    Schedule c = schedule_cosine(T, s, 0.999);
    for (int t = 0; t < T - 1; t++) { // below the cap the product telescopes
        NEAR(c.abar[t], cosine_form((t + 1) / (double)T, s) / cosine_form(0, s), 1e-11, 0);
        CHECK(c.abar[t] < schedule_abar(&c, t - 1), "falls at %d", t);
    }
    NEAR(c.abar[T - 1], c.abar[T - 2] * (1 - 0.999), 1e-12, 0); // the cap binds: f(1) = 0 would give abar = 0
    NEAR(schedule_beta(&c, T - 1), 0.999, 1e-12, 0);
    schedule_free(&c);
    c = schedule_cosine(10, 0, 0.999); // no offset: f(0) = 1
    NEAR(c.abar[4], 0.5, 1e-13, 0);
    schedule_free(&c);
    // A lower cap binds earlier, and every abar after it follows the capped product.
    c = schedule_cosine(T, s, 0.3);
    int capped = 0;
    for (int t = 0; t < T; t++) {
        double free_beta = 1 - cosine_form((t + 1) / (double)T, s) / cosine_form(t / (double)T, s);
        NEAR(schedule_beta(&c, t), free_beta > 0.3 ? 0.3 : free_beta, 1e-9, 1e-12);
        capped += free_beta > 0.3;
    }
    CHECK(capped > 1 && capped < T, "%d capped", capped);
    schedule_free(&c);
}

static void test_zero_snr(void) {
    Schedule old = schedule_linear(100, 0.001, 0.15);
    Schedule z = schedule_zero_snr(&old);
    CHECK(z.abar[0] == old.abar[0], "first level changed");
    CHECK(z.abar[99] == 0, "last abar %g", z.abar[99]);
    CHECK(schedule_beta(&z, 99) == 1, "last beta %g", schedule_beta(&z, 99));
    double slope = (sqrt(z.abar[0]) - sqrt(z.abar[99])) / (sqrt(old.abar[0]) - sqrt(old.abar[99]));
    CHECK(slope > 1, "slope %g", slope);
    for (int t = 1; t < 100; t++) { // sqrt(abar) is an increasing affine map of the old one
        NEAR(sqrt(z.abar[0]) - sqrt(z.abar[t]), slope * (sqrt(old.abar[0]) - sqrt(old.abar[t])), 1e-12, 0);
        CHECK(z.abar[t] < z.abar[t - 1], "falls at %d", t);
    }
    schedule_free(&old);
    schedule_free(&z);
}

static void test_logsnr(void) {
    int T = 21;
    Schedule s = schedule_logsnr(T, 5, -5);
    NEAR(half_logsnr_of(s.abar[0]), 5, 1e-10, 0);
    NEAR(half_logsnr_of(s.abar[T - 1]), -5, 1e-10, 0);
    NEAR(s.abar[T / 2], 0.5, 1e-14, 0);
    for (int t = 0; t < T; t++) {
        NEAR(log(sqrt(s.abar[t]) / sqrt(1 - s.abar[t])), 5 - 0.5 * t, 1e-10, 1e-12);
        NEAR(s.abar[t] + s.abar[T - 1 - t], 1, 1e-14, 0); // symmetric about lambda = 0
    }
    schedule_free(&s);
    s = schedule_logsnr(1, 2, 2); // one level: nothing to fall
    NEAR(half_logsnr_of(s.abar[0]), 2, 1e-12, 0);
    schedule_free(&s);
}

static void test_helpers(void) {
    for (double abar = 0.001; abar < 1; abar += 0.0173) {
        double lambda = half_logsnr_of(abar);
        NEAR(alpha_of(abar) * alpha_of(abar), abar, 1e-15, 0);
        NEAR(sigma_of(abar) * sigma_of(abar) + abar, 1, 1e-15, 0);
        NEAR(snr_of(abar), exp(2 * lambda), 1e-12, 0);
        NEAR(lambda, log(sqrt(abar) / sqrt(1 - abar)), 1e-11, 1e-14);
        NEAR(abar_of_half_logsnr(lambda), abar, 1e-14, 0);
    }
    CHECK(half_logsnr_of(1) == HUGE_VAL && half_logsnr_of(0) == -HUGE_VAL, "ends");
    CHECK(snr_of(1) == HUGE_VAL && snr_of(0) == 0, "ends");
    CHECK(alpha_of(1) == 1 && sigma_of(1) == 0 && alpha_of(0) == 0 && sigma_of(0) == 1, "ends");
}

// Bayes' rule by precisions: x_{t-1} ~ N(., 1 - abar_{t-1}) seen through x_t = sqrt(1-beta) x_{t-1} +
// sqrt(beta) z.
static void test_posterior_var(void) {
    Schedule s = schedule_linear(30, 0.01, 0.4);
    CHECK(schedule_posterior_var(&s, 0) == 0, "first");
    for (int t = 1; t < 30; t++) {
        double beta = linear_beta(t, 30, 0.01, 0.4);
        double precision = 1 / (1 - schedule_abar(&s, t - 1)) + (1 - beta) / beta;
        NEAR(schedule_posterior_var(&s, t), 1 / precision, 1e-12, 0);
    }
    schedule_free(&s);
}

static void test_spacing(void) {
    int steps[40];
    for (int kind = SPACING_LEADING; kind <= SPACING_TRAILING; kind++) {
        schedule_spacing(steps, (Spacing)kind, 40, 40); // n = T: every index once, falling
        for (int i = 0; i < 40; i++) {
            CHECK(steps[i] == 39 - i, "kind %d: %d", kind, steps[i]);
        }
        for (int n = 1; n <= 40; n++) {
            schedule_spacing(steps, (Spacing)kind, n, 40);
            for (int i = 0; i < n; i++) {
                CHECK(steps[i] >= 0 && steps[i] < 40 && (i == 0 || steps[i] < steps[i - 1]), "kind %d n %d", kind, n);
            }
            CHECK((steps[0] == 39) == (kind != SPACING_LEADING || n == 40), "kind %d n %d: first %d", kind, n,
                  steps[0]);
            CHECK(kind == SPACING_TRAILING || (n == 1 && kind == SPACING_LINSPACE) || steps[n - 1] == 0,
                  "kind %d n %d: last %d", kind, n, steps[n - 1]);
        }
    }
    schedule_spacing(steps, SPACING_TRAILING, 4, 40);
    CHECK(steps[1] == 29 && steps[3] == 9, "trailing %d %d", steps[1], steps[3]);
    schedule_spacing(steps, SPACING_LEADING, 3, 40); // floor(40/3) = 13
    CHECK(steps[0] == 26 && steps[1] == 13, "leading %d %d", steps[0], steps[1]);
    schedule_spacing(steps, SPACING_LINSPACE, 3, 40); // 19.5 rounds up
    CHECK(steps[1] == 20, "linspace %d", steps[1]);
}

static void test_vp(void) {
    double lo = 0.1;
    double hi = 20;
    double log_alpha = 0;
    double beta_dt = 1.0 / 64;
    for (int i = 0; i < 64; i++) { // Simpson's rule is exact for a linear rate
        double a = i * beta_dt;
        log_alpha -=
            beta_dt / 12 * (vp_beta(a, lo, hi) + 4 * vp_beta(a + beta_dt / 2, lo, hi) + vp_beta(a + beta_dt, lo, hi));
        double t = a + beta_dt;
        NEAR(vp_alpha(t, lo, hi), exp(log_alpha), 1e-12, 0);
        NEAR(vp_sigma(t, lo, hi), sqrt(1 - exp(2 * log_alpha)), 1e-10, 0);
        double lambda = vp_half_logsnr(t, lo, hi);
        NEAR(lambda, log(vp_alpha(t, lo, hi) / vp_sigma(t, lo, hi)), 1e-11, 1e-12);
        NEAR(vp_time(lambda, lo, hi), t, 1e-12, 0);
    }
    CHECK(vp_beta(0, lo, hi) == lo && vp_beta(1, lo, hi) == hi, "rates at the ends");
    CHECK(vp_alpha(0, lo, hi) == 1 && vp_sigma(0, lo, hi) == 0 && vp_half_logsnr(0, lo, hi) == HUGE_VAL, "t = 0");
    NEAR(vp_sigma(1e-12, lo, hi), sqrt(lo * 1e-12), 1e-10, 0); // 1 - exp() has no digit left here
    NEAR(vp_time(vp_half_logsnr(1e-9, lo, hi), lo, hi), 1e-9, 1e-12, 0);
}

static void test_ve(void) {
    NEAR(ve_sigma(0, 0.01, 50), 0.01, 1e-15, 0);
    NEAR(ve_sigma(1, 0.01, 50), 50, 1e-14, 0);
    NEAR(ve_sigma(0.5, 0.01, 50), sqrt(0.01 * 50), 1e-14, 0); // the geometric mean
    for (double t = 0.05; t < 1; t += 0.1) {
        double h = 1e-5;
        double up = pow(ve_sigma(t + h, 0.01, 50), 2);
        double down = pow(ve_sigma(t - h, 0.01, 50), 2);
        NEAR(ve_g2(t, 0.01, 50), (up - down) / (2 * h), 1e-7, 0);
    }
}

static double subvp_rate(double V, double t) { // dV/dt of the linear SDE dx = -beta x/2 dt + g dw
    return -vp_beta(t, 0.1, 20) * V + subvp_g2(t, 0.1, 20);
}

static void test_subvp(void) {
    double V = 0;
    double h = 1.0 / 2000;
    for (int i = 0; i < 2000; i++) { // Runge-Kutta 4
        double t = i * h;
        double k1 = subvp_rate(V, t);
        double k2 = subvp_rate(V + h / 2 * k1, t + h / 2);
        double k3 = subvp_rate(V + h / 2 * k2, t + h / 2);
        double k4 = subvp_rate(V + h * k3, t + h);
        V += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
        if (i % 200 == 199) {
            NEAR(subvp_std(t + h, 0.1, 20), sqrt(V), 1e-7, 0);
            CHECK(subvp_std(t + h, 0.1, 20) < vp_sigma(t + h, 0.1, 20), "sub-VP has less noise");
        }
    }
    CHECK(subvp_std(0, 0.1, 20) == 0 && subvp_g2(0, 0.1, 20) == 0, "t = 0");
    NEAR(subvp_std(1e-12, 0.1, 20), 1e-13, 1e-10, 0);
}

static void test_flow(void) {
    for (double t = 0.03; t < 1; t += 0.09) {
        NEAR(flow_half_logsnr(t), log((1 - t) / t), 1e-13, 1e-15);
        NEAR(flow_shift(flow_shift(t, 3), 0.7), flow_shift(t, 3 * 0.7), 1e-14, 0);
        NEAR(flow_half_logsnr(flow_shift(t, 3)), flow_half_logsnr(t) - log(3), 1e-12, 1e-13);
        NEAR(flow_shift(t, 1), t, 1e-15, 0);
    }
    CHECK(flow_shift(0, 3) == 0 && flow_shift(1, 3) == 1, "ends stay");
    CHECK(flow_half_logsnr(0) == HUGE_VAL && flow_half_logsnr(1) == -HUGE_VAL, "ends");
    NEAR(flow_half_logsnr(1e-20), 20 * log(10), 1e-14, 0);
}

static void test_refusals(void) {
    double cells[3] = {0.9, 0.5, 0.9};
    Schedule s;
    s.T = 3;
    s.abar = cells;
    DIES("T = 0", schedule_new(0));
    DIES("t = 3", schedule_abar(&s, 3));
    DIES("t = -2", schedule_abar(&s, -2));
    DIES("beta_1", schedule_put_beta(&s, 1, 1));
    DIES("beta_1", schedule_put_beta(&s, 1, 0));
    DIES("beta_2", schedule_put_beta(&s, 2, NAN));
    DIES("positive", schedule_scaled_linear(3, -0.1, 0.1));
    DIES("positive", schedule_scaled_linear(3, 0, 0.1));
    DIES("positive", schedule_scaled_linear(3, 0.1, 0));
    DIES("cap", schedule_cosine(3, 0.008, 1));
    DIES("cap", schedule_cosine(3, -1, 0.5));
    DIES("cap", schedule_cosine(3, 0.008, 0));
    DIES("falling", schedule_zero_snr(&s));
    DIES("must fall", schedule_logsnr(3, -5, 5));
    DIES("must fall", schedule_logsnr(3, 5, 5));
    DIES("not pure noise", schedule_require_noise(&s, 0.05));
    schedule_require_noise(&s, sqrt(0.9)); // cells[2], exactly at the limit
    DIES("abar = 1.1", alpha_of(1.1));
    DIES("abar = -0.1", sigma_of(-0.1));
    DIES("nan", half_logsnr_of(NAN));
    DIES("abar = 2", snr_of(2));
    DIES("t = 1.5", flow_half_logsnr(1.5));
    DIES("s = 0", flow_shift(0.5, 0));
    DIES("t = -1", vp_sigma(-1, 0.1, 20));
    int steps[4];
    DIES("5 of 4", schedule_spacing(steps, SPACING_LEADING, 5, 4));
    DIES("0 of 4", schedule_spacing(steps, SPACING_LEADING, 0, 4));
}

int main(void) {
    test_beta_schedules();
    test_cosine();
    test_zero_snr();
    test_logsnr();
    test_helpers();
    test_posterior_var();
    test_spacing();
    test_vp();
    test_ve();
    test_subvp();
    test_flow();
    test_refusals();
    return report("test_schedule");
}
