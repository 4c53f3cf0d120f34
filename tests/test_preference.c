// test_preference.c: DPO and its relatives against finite differences and against the tilt they promise to
// reach;
// Diffusion-DPO against finite differences, its value at the reference and the step KL it is derived from.
#include "../ref/core/rng.h"
#include "../ref/formula/metrics.h"
#include "../ref/formula/preference.h"
#include "../ref/formula/sampler.h"
#include "../ref/formula/tilt.h"
#include "harness.h"

enum { ARMS = 8, B = 5, D = 6, STREAM_NUMBERS = 1 };

static uint64_t counter;

static double normal(void) {
    return rng_normal(3, STREAM_NUMBERS, counter++);
}

// ---- losses of the margin ---------------------------------------------------------------------------------

static double margin_loss(int which, double *dh, double h, double beta) {
    return which == 0   ? dpo_margin(dh, h, beta)
           : which == 1 ? cdpo_margin(dh, h, beta, 0.1)
           : which == 2 ? ipo_margin(dh, h, beta)
                        : hinge_margin(dh, h, beta);
}

static void test_margins(void) {
    double dh, unused, step = 1e-5, table[3][2];
    for (int which = 0; which < 4; which++) {
        for (double h = -6.03; h < 20; h += 0.71) {
            double beta = 0.37;
            margin_loss(which, &dh, h, beta);
            double high = margin_loss(which, &unused, h + step, beta),
                   low = margin_loss(which, &unused, h - step, beta);
            NEAR(dh, (high - low) / (2 * step), 1e-7, 1e-9);
        }
    }
    NEAR(dpo_margin(&dh, 0, 0.3), log(2), 1e-15, 0);
    NEAR(dh, -0.15, 1e-14, 0);
    NEAR(dpo_margin(&dh, -800, 1), 800, 1e-15, 0); // log(sigmoid) would be -inf here
    NEAR(dh, -1, 1e-15, 0);
    NEAR(dpo_margin(&dh, 800, 1), 0, 0, 1e-300);
    NEAR(dh, 0, 0, 1e-300);
    NEAR(cdpo_margin(&dh, -800, 1, 0.1), 720, 1e-14, 0);
    NEAR(dh, -0.9, 1e-14, 0);
    for (double u = -4; u < 4; u += 0.9) { // swapping winner and loser costs exactly the margin
        NEAR(dpo_margin(&dh, u, 0.7) - dpo_margin(&unused, -u, 0.7), -0.7 * u, 1e-12, 1e-14);
        double p = 0.73; // label smoothing 1 - p is the expectation over a label that is right with probability p
        double mean = p * dpo_margin(&dh, u, 0.7) + (1 - p) * dpo_margin(&unused, -u, 0.7);
        NEAR(cdpo_margin(&unused, u, 0.7, 1 - p), mean, 1e-14, 0);
    }
    cdpo_margin(&dh, log(0.9 / 0.1) / 0.37, 0.37, 0.1); // the stated minima
    NEAR(dh, 0, 0, 1e-15);
    ipo_margin(&dh, 1 / (2 * 0.37), 0.37);
    NEAR(dh, 0, 0, 1e-15);
    // At a margin of 6 the three losses disagree: one that silently falls back to another is found out.
    table[0][0] = dpo_margin(&table[0][1], 6, 0.5);
    table[1][0] = ipo_margin(&table[1][1], 6, 0.5);
    table[2][0] = hinge_margin(&table[2][1], 6, 0.5);
    NEAR(table[0][0], log(1 + exp(-3)), 1e-14, 0);
    NEAR(table[1][0], 25, 1e-14, 0);
    NEAR(table[2][0], 0, 0, 0);
    NEAR(table[1][1], 10, 1e-14, 0);
    NEAR(table[2][1], 0, 0, 0);
    double dw, dl, lp[4] = {-1.2, -0.7, -2.5, -1.9}, slope[4];
    double loss = dpo_loss(&dw, &dl, lp[0], lp[1], lp[2], lp[3], 0.4);
    NEAR(loss, dpo_margin(&dh, (lp[0] - lp[2]) - (lp[1] - lp[3]), 0.4), 1e-14, 0);
    for (int i = 0; i < 4; i++) {
        double up[4], down[4];
        memcpy(up, lp, sizeof lp);
        memcpy(down, lp, sizeof lp);
        up[i] += step;
        down[i] -= step;
        slope[i] = (dpo_loss(&unused, &unused, up[0], up[1], up[2], up[3], 0.4) -
                    dpo_loss(&unused, &unused, down[0], down[1], down[2], down[3], 0.4)) /
                   (2 * step);
    }
    NEAR(dw, slope[0], 1e-8, 0);
    NEAR(dl, slope[2], 1e-8, 0);
    NEAR(dpo_loss(&dw, &dl, -3, -3, -5, -5, 0.4), log(2), 1e-15, 0);
    NEAR(dw, -0.2, 1e-14, 0);
    NEAR(dl, 0.2, 1e-14, 0);
}

// ---- does the loss reach the tilt? ------------------------------------------------------------------------

// Gradient descent on 8 logits with exact preferences P(i beats j) = sigmoid(r_i - r_j), every pair once.
// mutant 0: mean over pairs of the loss.  mutant 1: loss of the mean margin (a bug that shipped in public
// code).
// Returns KL(policy||p*); gap: logit difference, relative to the reference, of the best and the worst arm.
static double descend(double *gap, int mutant, int iterations, const double *r, const double *p_ref, double beta) {
    double theta[ARMS], p[ARMS], p_star[ARMS], grad[ARMS], sum = 0;
    double pairs = ARMS * (ARMS - 1) / 2;
    tilt_discrete(p_star, p_ref, r, beta, ARMS);
    for (int i = 0; i < ARMS; i++) {
        theta[i] = log(p_ref[i]);
    }
    for (int k = 0; k < iterations; k++) {
        double mean_margin = 0, dh, slope = 1;
        memset(grad, 0, sizeof grad);
        for (int pass = 0; pass < 2; pass++) { // pass 0 only collects the mean margin
            for (int i = 0; i < ARMS; i++) {
                for (int j = i + 1; j < ARMS; j++) {
                    double wins = 1 / (1 + exp(r[j] - r[i])), h = theta[i] - theta[j] - log(p_ref[i] / p_ref[j]);
                    if (pass == 0) {
                        mean_margin += (2 * wins - 1) * h / pairs; // label "i wins" with probability `wins`
                        continue;
                    }
                    cdpo_margin(&dh, h, beta, 1 - wins); // the exact mean of dpo_margin over the label
                    dh = mutant ? slope * (2 * wins - 1) : dh;
                    grad[i] += dh / pairs;
                    grad[j] -= dh / pairs;
                }
            }
            dpo_margin(&slope, mean_margin, beta);
        }
        for (int i = 0; i < ARMS; i++) {
            theta[i] -= 100 * grad[i];
        }
    }
    for (int i = 0; i < ARMS; i++) {
        p[i] = exp(theta[i] - theta[0]);
        sum += p[i];
    }
    for (int i = 0; i < ARMS; i++) {
        p[i] /= sum;
    }
    *gap = (theta[ARMS - 1] - theta[0]) - log(p_ref[ARMS - 1] / p_ref[0]);
    return kl_discrete(p, p_star, ARMS);
}

static void test_reaches_tilt(void) {
    double r[ARMS], p_ref[ARMS], beta = 0.5, gap, early, late, sum = 0;
    for (int i = 0; i < ARMS; i++) {
        r[i] = 3.0 * i / (ARMS - 1);
        p_ref[i] = exp(0.5 * normal());
        sum += p_ref[i];
    }
    for (int i = 0; i < ARMS; i++) {
        p_ref[i] /= sum;
    }
    double kl = descend(&gap, 0, 4000, r, p_ref, beta);
    printf("  DPO on 8 arms: KL to the tilt %.1e, gap %.9f\n", kl, gap);
    CHECK(kl < 1e-12, "KL to the tilt %g", kl);
    NEAR(gap, 3 / beta, 1e-6, 0); // reward gap over beta
    kl = descend(&early, 1, 1000, r, p_ref, beta);
    printf("  log sigmoid of the mean instead: KL %.3f, gap %.1f", kl, early);
    CHECK(kl > 0.1, "the mutant reached KL %g", kl);
    kl = descend(&late, 1, 10000, r, p_ref, beta);
    printf(", after ten times as long: KL %.3f, gap %.1f\n", kl, late);
    CHECK(kl > 0.1 && late > early + 1, "the mutant stopped: gap %g then %g", early, late);
    // IPO with two arms: h = (P - 1/2)/beta, bounded even without noise, where DPO's margin grows for ever.
    double dh, unused, P = 0.8, h = (P - 0.5) / beta, h_dpo = 0, h_ipo = 0;
    ipo_margin(&dh, h, beta);
    ipo_margin(&unused, -h, beta);
    NEAR(P * dh - (1 - P) * unused, 0, 0, 1e-14);
    for (int k = 0; k < 2000; k++) {
        dpo_margin(&dh, h_dpo, beta);
        h_dpo -= dh;
        ipo_margin(&dh, h_ipo, beta);
        h_ipo -= 0.1 * dh;
    }
    NEAR(h_ipo, 1 / (2 * beta), 1e-9, 0);
    CHECK(h_dpo > 10, "deterministic preferences: DPO's margin is only %g", h_dpo);
}

// ---- Diffusion-DPO ----------------------------------------------------------------------------------------

static real w[B * D], l[B * D], ref_w[B * D], ref_l[B * D], noise[B * D], both[2 * B * D];
static double weight[B];

static void fill(void) {
    for (int i = 0; i < B * D; i++) {
        noise[i] = (real)normal();
        w[i] = (real)((double)noise[i] + 0.7 * normal());
        l[i] = (real)((double)noise[i] + 0.7 * normal());
        ref_w[i] = (real)((double)w[i] + 0.2 * normal());
        ref_l[i] = (real)((double)l[i] + 0.2 * normal());
    }
    for (int b = 0; b < B; b++) {
        weight[b] = 0.3 + 0.5 * b;
    }
}

static double loss_of_both(void *beta) {
    return diffusion_dpo_weighted(NULL, NULL, NULL, NULL, both, both + B * D, ref_w, ref_l, noise, weight, B, D,
                                  *(double *)beta);
}

static void test_diffusion_dpo(void) {
    const double tight = sizeof(real) == 8 ? 1e-12 : 2e-6;
    double beta = 3, accuracy, inside[B], swapped[B], one[B] = {1, 1, 1, 1, 1};
    real dw[B * D], dl[B * D], dw2[B * D], dl2[B * D], grad[2 * B * D];
    real three[3] = {1, -2, 0.5}, zero[3] = {0, 1, 0.5};
    NEAR(row_mean_square(three, zero, 3), 10.0 / 3, 1e-15, 0);
    fill();
    double loss = diffusion_dpo_weighted(dw, dl, inside, &accuracy, w, l, ref_w, ref_l, noise, weight, B, D, beta);
    double mean = 0, right = 0;
    for (int b = 0; b < B; b++) {
        mean += log(1 + exp(-inside[b])) / B;
        right += (inside[b] > 0) / (double)B;
    }
    NEAR(loss, mean, 1e-12, 0);
    NEAR(accuracy, right, 1e-15, 0);
    if (sizeof(real) == 8) {
        memcpy(both, w, sizeof w);
        memcpy(both + B * D, l, sizeof l);
        memcpy(grad, dw, sizeof dw);
        memcpy(grad + B * D, dl, sizeof dl);
        CHECK(gradient_ok(loss_of_both, &beta, both, grad, 2 * B * D, 1e-7), "diffusion_dpo_weighted");
    }
    // Swapping winner and loser flips u and the loss by exactly u; the sign of each gradient goes with the
    // label.
    double back = diffusion_dpo_weighted(dl2, dw2, swapped, NULL, l, w, ref_l, ref_w, noise, weight, B, D, beta);
    double flips = 0;
    for (int b = 0; b < B; b++) {
        NEAR(swapped[b], -inside[b], 1e-15, 0);
        flips += inside[b] / B;
    }
    NEAR(back - loss, flips, 1e-12, 0);
    CHECK(dw[0] * dw2[0] < 0, "the same sign for winner and loser");
    // No weight = weight 1; a weight is the same as a beta of that row.
    double plain = diffusion_dpo(dw, dl, &accuracy, w, l, ref_w, ref_l, noise, B, D, beta);
    NEAR(plain, diffusion_dpo_weighted(NULL, NULL, inside, NULL, w, l, ref_w, ref_l, noise, one, B, D, beta), 0, 0);
    double rows = 0;
    for (int b = 0; b < B; b++) { // a batch is the mean of its rows, in value and gradient
        size_t at = (size_t)(b * D);
        rows +=
            diffusion_dpo(dw2 + at, dl2 + at, NULL, w + at, l + at, ref_w + at, ref_l + at, noise + at, 1, D, beta) / B;
        for (int d = 0; d < D; d++) {
            NEAR((double)dw2[at + (size_t)d] / B, (double)dw[at + (size_t)d], tight, 1e-12);
            NEAR((double)dl2[at + (size_t)d] / B, (double)dl[at + (size_t)d], tight, 1e-12);
        }
        double row =
            diffusion_dpo(NULL, NULL, NULL, w + at, l + at, ref_w + at, ref_l + at, noise + at, 1, D, beta * weight[b]);
        double same = diffusion_dpo_weighted(NULL, NULL, NULL, NULL, w + at, l + at, ref_w + at, ref_l + at, noise + at,
                                             weight + b, 1, D, beta);
        NEAR(row, same, 1e-14, 0);
    }
    NEAR(plain, rows, 1e-13, 0);
    // At the reference: ln 2, and a gradient that is not zero.
    double start = diffusion_dpo(dw, dl, &accuracy, w, l, w, l, noise, B, D, 5000);
    NEAR(start, log(2), 1e-14, 0);
    NEAR(accuracy, 0, 0, 0);
    for (int i = 0; i < B * D; i++) {
        NEAR((double)dw[i], 2500.0 / (B * D) * ((double)w[i] - (double)noise[i]), tight, 0);
        NEAR((double)dl[i], -2500.0 / (B * D) * ((double)l[i] - (double)noise[i]), tight, 0);
    }
    // A model that is right on winners and wrong on losers, beyond any exponential: finite value and slopes.
    double far = diffusion_dpo(dw, dl, NULL, l, noise, noise, l, noise, B, D, 1e7);
    CHECK(far > 1e5 && far < 1e8 && dw[0] == dw[0], "loss %g far from the reference", far);
}

// With beta w = k T D w_kl the argument of the sigmoid is k T times the difference of step KLs it is derived
// from.
static void test_step_weight(void) {
    StepCoeffs c = ddim_coeffs(0.3, 0.42, 1);
    double k = 0.4, T = 50, inside[B];
    fill();
    for (int b = 0; b < B; b++) {
        weight[b] = c.w_kl;
    }
    diffusion_dpo_weighted(NULL, NULL, inside, NULL, w, l, ref_w, ref_l, noise, weight, B, D, k * T * D);
    for (int b = 0; b < B; b++) {
        size_t at = (size_t)(b * D);
        double model = step_kl(NULL, &c, noise + at, w + at, D) - step_kl(NULL, &c, noise + at, l + at, D);
        double ref = step_kl(NULL, &c, noise + at, ref_w + at, D) - step_kl(NULL, &c, noise + at, ref_l + at, D);
        NEAR(inside[b], -k * T * (model - ref), 1e-11, 1e-11);
    }
}

int main(void) {
    test_margins();
    test_reaches_tilt();
    test_diffusion_dpo();
    test_step_weight();
    return report("test_preference");
}
