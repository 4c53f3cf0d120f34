// test_loss_weights.c: one error in many languages: every factor by converting predictions, the bound by the KL of the
// sampler's steps and by Gaussian data, EDM by its own identities, gradients by finite differences, the ends of the
// schedule, and a training gradient that does not depend on how the batch is cut.
#include "death.h"

#include "../ref/formula/loss_weights.h"
#include "../ref/formula/sampler.h"
#include "../toy/model/mlp.h"
#include "../toy/model/train.h"
#include "../toy/world/worlds.h"

enum { DIM = 5 };
#define TIGHT (sizeof(real) == 8 ? 1e-11 : 2e-4)

// Two predictions eps and eps_hat of one state x, and what they are in another language.
static real x0[DIM], eps[DIM], eps_hat[DIM], x[DIM], a[DIM], b[DIM];

static void draw(uint64_t k) {
    rng_fill_normal(x0, DIM, 11, 1, k * DIM);
    rng_fill_normal(eps, DIM, 11, 2, k * DIM);
    rng_fill_normal(eps_hat, DIM, 11, 3, k * DIM);
}

static double square_distance(const real *p, const real *q) {
    double sum = 0;
    for (int i = 0; i < DIM; i++) {
        sum += ((double)p[i] - (double)q[i]) * ((double)p[i] - (double)q[i]);
    }
    return sum;
}

static double the_loss(void *user) {
    (void)user;
    return loss_simple(NULL, eps_hat, eps, 0.7, DIM);
}

static double the_flow_loss(void *user) {
    (void)user;
    return flow_loss(NULL, eps_hat, x0, eps, DIM);
}

static EdmPrecond pre;

static double the_edm_loss(void *user) {
    (void)user;
    return edm_loss(NULL, eps_hat, x0, x, &pre, DIM);
}

static void test_languages(void) {
    for (int k = 0; k < 12; k++) {
        double abar = abar_of_half_logsnr(2.5 - 0.4 * k), t = 0.05 + 0.07 * k;
        draw((uint64_t)k);
        forward_noise(x, x0, eps, abar, DIM);
        double loss = loss_simple(a, eps_hat, eps, 1, DIM);
        NEAR(loss, square_distance(eps_hat, eps), 1e-12, 0);
        NEAR(loss_simple(NULL, eps_hat, eps, 0.25, DIM), 0.25 * loss, 1e-12, 0);
        x0_from_eps(a, x, eps, alpha_of(abar), sigma_of(abar), DIM);
        x0_from_eps(b, x, eps_hat, alpha_of(abar), sigma_of(abar), DIM);
        NEAR(square_distance(a, b), x0_loss_per_eps_loss(abar) * loss, TIGHT, 0);
        v_from_eps(a, x, eps, abar, DIM);
        v_from_eps(b, x, eps_hat, abar, DIM);
        double v_loss = square_distance(a, b);
        NEAR(v_loss, v_loss_per_eps_loss(abar) * loss, TIGHT, 0);
        // min-SNR is one objective in three languages, and P2 with k = gamma = 1 is sigma^2
        double x0_loss = x0_loss_per_eps_loss(abar) * loss, here = minsnr_weight_eps(abar, 5) * loss;
        NEAR(minsnr_weight_x0(abar, 5) * x0_loss, here, 1e-12, 0);
        NEAR(minsnr_weight_v(abar, 5) * v_loss, here, TIGHT, 0);
        NEAR(minsnr_weight_eps(abar, 5), fmin(snr_of(abar), 5) / snr_of(abar), 1e-12, 0);
        NEAR(minsnr_weight_x0(abar, 1e9), snr_of(abar), 1e-12, 0);
        NEAR(p2_weight_eps(abar, 1, 1), 1 - abar, 1e-12, 0);
        NEAR(p2_weight_eps(abar, 2, 0.5), pow(2 + snr_of(abar), -0.5), 1e-12, 0);
        // flow
        forward_noise_path(x, x0, eps, 1 - t, t, DIM);
        u_from_eps(a, x, eps_hat, t, DIM);
        double u_loss = flow_loss(NULL, a, x0, eps, DIM);
        NEAR(u_loss, flow_weight_eps(t) * loss, TIGHT, 0);
        x0_from_u(b, x, a, t, DIM);
        NEAR(u_loss, flow_weight_x0(t) * square_distance(b, x0), TIGHT, 0);
    }
    if (sizeof(real) == 8) {
        loss_simple(a, eps_hat, eps, 0.7, DIM);
        CHECK(gradient_ok(the_loss, NULL, eps_hat, a, DIM, 1e-7), "loss.simple");
        flow_loss(a, eps_hat, x0, eps, DIM);
        CHECK(gradient_ok(the_flow_loss, NULL, eps_hat, a, DIM, 1e-7), "flow.loss");
    }
    double mean = 0;
    for (int k = 1; k < 2000; k++) { // the time of a quantile is the quantile of the time: median and symmetry
        mean += flow_time_logit_normal(6.0 * k / 1000 - 6, 0, 1) / 1999;
    }
    NEAR(mean, 0.5, 1e-12, 0);
    NEAR(flow_time_logit_normal(0.3, -1, 2), 1 / (1 + exp(0.4)), 1e-12, 0);
}

// No level of a schedule may produce an infinity: a limit where there is one, else a death that says why.
static void test_ends(void) {
    NEAR(minsnr_weight_eps(0, 5), 1, 0, 0);
    NEAR(minsnr_weight_x0(0, 5), 0, 0, 0);
    NEAR(minsnr_weight_v(0, 5), 0, 0, 0);
    NEAR(minsnr_weight_eps(1, 5), 0, 0, 0);
    NEAR(minsnr_weight_x0(1, 5), 5, 0, 0);
    NEAR(minsnr_weight_v(1, 5), 0, 0, 0);
    NEAR(p2_weight_eps(0, 2, 3), 0.125, 1e-13, 0);
    NEAR(p2_weight_eps(1, 1, 1), 0, 0, 0);
    NEAR(p2_weight_eps(0, 0, 0), 1, 0, 0);
    NEAR(x0_loss_per_eps_loss(1), 0, 0, 0);
    NEAR(v_loss_per_eps_loss(1), 1, 0, 0);
    NEAR(flow_weight_eps(0), 1, 0, 0);
    NEAR(flow_weight_x0(1), 1, 0, 0);
    NEAR(vlb_weight_x0(0, 0.5), 0.5, 1e-15, 0); // SNR from 0 to 1
    NEAR(vlb_weight_v(0, 0.5), 0.5, 1e-15, 0);
    DIES("zero terminal SNR", x0_loss_per_eps_loss(0));
    DIES("zero terminal SNR", v_loss_per_eps_loss(0));
    DIES("zero terminal SNR", vlb_weight_eps(0, 0.5));
    DIES("clean data", vlb_weight_x0(0.5, 1));
    DIES("remove noise", vlb_weight_x0(0.5, 0.4));
    DIES("zero terminal SNR", p2_weight_eps(0, 0, 1));
    DIES("gamma = 0", minsnr_weight_eps(0.5, 0));
    DIES("abar", minsnr_weight_v(1.5, 5));
    DIES("t = 1", flow_weight_eps(1));
    DIES("t = 0", flow_weight_x0(0));
    DIES("sigma = 0", edm_precond(0, 0.5));
    DIES("sigma_data", edm_precond(1, 0));
}

// The variational bound.
static void test_vlb(void) {
    Schedule one = schedule_linear(40, 1e-3, 0.2), two = schedule_logsnr(60, 2, -3);
    draw(77);
    for (int t = 1; t < 40; t++) { // KL of the true step back to the model's, by the sampler's own formula
        double abar = schedule_abar(&one, t), before = schedule_abar(&one, t - 1);
        StepCoeffs c = ddim_coeffs(abar, before, 1);
        double kl = step_kl(NULL, &c, eps_hat, eps, DIM), loss = loss_simple(NULL, eps_hat, eps, 1, DIM);
        NEAR(vlb_weight_eps(abar, before) * loss, kl, 1e-9, 0);
        NEAR(vlb_weight_x0(abar, before), 0.5 * (snr_of(before) - snr_of(abar)), 1e-9, 0);
        NEAR(vlb_weight_v(abar, before) * v_loss_per_eps_loss(abar), vlb_weight_eps(abar, before), 1e-12, 0);
    }
    // data N(0, v) and the perfect denoiser, E|x_0 - x_0hat|^2 = v/(1 + SNR v): only the ends of the SNR matter
    for (int which = 0; which < 2; which++) {
        double v = 0.6, sum = 0, first = 0.02, last = 7, want = 0.5 * log((1 + last * v) / (1 + first * v));
        enum { FINE = 4000 };
        for (int k = 0; k < FINE; k++) {
            double u = (double)k / FINE, up = (double)(k + 1) / FINE;
            double low = which == 0 ? first + (last - first) * u : first * pow(last / first, u);
            double high = which == 0 ? first + (last - first) * up : first * pow(last / first, up);
            double middle = 0.5 * (low + high);
            sum += vlb_weight_x0(low / (1 + low), high / (1 + high)) * v / (1 + middle * v);
        }
        NEAR(sum, want, 1e-5, 0);
    }
    schedule_free(&one);
    schedule_free(&two);
}

static void test_edm(void) {
    for (int k = 0; k < 9; k++) {
        double sigma = 0.002 * pow(3.5, k), s = 0.5;
        pre = edm_precond(sigma, s);
        draw(100 + (uint64_t)k);
        for (int i = 0; i < DIM; i++) {
            x0[i] = (real)(s * (double)x0[i]);
        }
        forward_noise_path(x, x0, eps, 1, sigma, DIM);
        NEAR(pre.weight * pre.c_out * pre.c_out, 1, 1e-13, 0);
        NEAR(pre.c_in * pre.c_in * (sigma * sigma + s * s), 1, 1e-13, 0);
        // the variance of the target, from those of x_0 and eps: (1 - c_skip)^2 s^2 + c_skip^2 sigma^2 = c_out^2
        NEAR((1 - pre.c_skip) * (1 - pre.c_skip) * s * s + pre.c_skip * pre.c_skip * sigma * sigma,
             pre.c_out * pre.c_out, 1e-9, 0);
        edm_target(a, x0, x, &pre, DIM);
        edm_denoised(b, x, a, &pre, DIM); // with the right answer D is x_0
        for (int i = 0; i < DIM; i++) {
            NEAR(b[i], x0[i], 0, sizeof(real) == 8 ? 1e-13 * (1 + sigma) : 1e-6 * (1 + sigma));
        }
        edm_input(b, x, &pre, DIM);
        NEAR(b[2], (double)x[2] / sqrt(sigma * sigma + s * s), 1e-6, 0);
        NEAR(edm_loss(NULL, eps_hat, x0, x, &pre, DIM), square_distance(eps_hat, a), sizeof(real) == 8 ? 1e-8 : 1e-2,
             0);
    }
    pre = edm_precond(0.8, 0.5);
    forward_noise_path(x, x0, eps, 1, 0.8, DIM);
    if (sizeof(real) == 8) {
        edm_loss(a, eps_hat, x0, x, &pre, DIM);
        CHECK(gradient_ok(the_edm_loss, NULL, eps_hat, a, DIM, 1e-7), "edm.precond");
    }
    NEAR(edm_training_sigma(0), exp(-1.2), 1e-14, 0);
    NEAR(edm_training_sigma(-1), exp(-2.4), 1e-14, 0);
}

// ---- the gradient of a batch does not depend on how the batch is cut (bug 11) ------------------------------------

static void test_micro_batches(void) {
    enum { ROWS = 200, T = 16 };
    static const int micro[4] = {ROWS, 64, 33, 1};
    Ring ring = ring_new();
    Schedule s = schedule_logsnr(T, 2.5, -4);
    Net net = mlp_new(2, 2, 24, 2, RING_PROMPTS, &s, 5);
    real *row = NEW(real, 2 * ROWS), *noise = NEW(real, 2 * ROWS), *room = NEW(real, 2 * ROWS), *t = NEW(real, ROWS);
    real *whole = NEW(real, net.np), weight[T];
    int *c = NEW(int, ROWS);
    double loss[4], size = 0;
    for (int k = 0; k < T; k++) {
        weight[k] = (real)(1 / alpha_of(schedule_abar(&s, k)));
    }
    for (size_t i = 0; i < net.np; i++) {
        net.p[i] += (real)(0.2 * rng_normal(5, 5, i));
    }
    net_changed(&net);
    ring_batch(row, c, NULL, ROWS, &ring, 5, 1, 0);
    rng_fill_normal(noise, 2 * ROWS, 5, 2, 0);
    for (int i = 0; i < ROWS; i++) {
        t[i] = (real)(i % T);
        forward_noise(row + 2 * i, row + 2 * i, noise + 2 * i, schedule_abar(&s, i % T), 2);
    }
    for (int k = 0; k < 4; k++) {
        double worst = 0;
        net_zero_grad(&net);
        loss[k] = denoiser_gradient(&net, room, row, noise, t, c, weight, ROWS, micro[k]);
        for (size_t i = 0; i < net.np; i++) {
            whole[i] = k == 0 ? net.g[i] : whole[i];
            size = fmax(size, fabs((double)whole[i]));
            worst = fmax(worst, fabs((double)net.g[i] - (double)whole[i]));
        }
        CHECK(size > 0.01 && worst < (sizeof(real) == 8 ? 1e-13 : 1e-5) * size, "pieces of %d: %g of %g", micro[k],
              worst, size);
        NEAR(loss[k], loss[0], 1e-5, 0);
    }
    { // the whole batch once more, written out: mean over rows of weight |eps_hat - noise|^2
        double want = 0, plain = 0;
        net.forward(&net, room, row, t, c, ROWS);
        for (int i = 0; i < ROWS; i++) {
            want += loss_simple(noise + 2 * i, room + 2 * i, noise + 2 * i, (double)weight[i % T], 2) / ROWS;
        }
        net.forward(&net, room, row, t, c, ROWS);
        memcpy(whole, net.g, net.np * sizeof(real)); // of the last cut
        for (int i = 0; i < 2 * ROWS; i++) {
            noise[i] /= (real)ROWS;
        }
        net_zero_grad(&net);
        net.backward(&net, NULL, noise, row, t, c, ROWS);
        for (size_t i = 0; i < net.np; i++) {
            plain = fmax(plain, fabs((double)net.g[i] - (double)whole[i]));
        }
        CHECK(want > 0 && plain < (sizeof(real) == 8 ? 1e-13 : 1e-5) * size, "against loss.simple: %g of %g", plain,
              size);
    }
    free(row);
    free(noise);
    free(room);
    free(t);
    free(whole);
    free(c);
    net_free(&net);
    schedule_free(&s);
}

int main(void) {
    test_languages();
    test_ends();
    test_vlb();
    test_edm();
    test_micro_batches();
    return report("test_loss_weights");
}
