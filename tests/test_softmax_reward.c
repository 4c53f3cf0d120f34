// test_softmax_reward.c: two logits, labels that may be ties, weights by prompt: the losses of PickScore and HPSv2.
#include "death.h"

#include "../ref/core/rng.h"
#include "../ref/formula/bradley_terry.h"
#include "../ref/formula/softmax_reward.h"

enum { N = 12, D = 9, STREAM = 11 };

static real logits[2 * N], labels[2 * N], slopes[2 * N], f[D], g[D], df[D], dg[D];
static double count[N], tau = 0.7, per_example[N];
static const double *weights;
static uint64_t counter;

static double uniform(double low, double high) {
    return low + (high - low) * rng_uniform(3, STREAM, counter++);
}

static void fill(void) {
    for (int i = 0; i < N; i++) {
        double y = i % 3 == 0 ? 1 : i % 3 == 1 ? 0 : 0.5;
        logits[2 * i] = (real)uniform(-3, 3);
        logits[2 * i + 1] = (real)uniform(-3, 3);
        labels[2 * i] = (real)y;
        labels[2 * i + 1] = (real)(1 - y);
        count[i] = 1 + floor(uniform(0, 4));
    }
}

static double pick_value(void *unused) {
    real ignored[2 * N];
    (void)unused;
    return pickscore_loss(ignored, NULL, logits, labels, weights, N);
}
static double hps_value(void *unused) {
    real ignored[2 * N];
    (void)unused;
    return hps_loss(ignored, logits, labels, N);
}

static void test_losses(void) {
    double rel = sizeof(real) == 8 ? 1e-12 : 1e-6, mean = 0, all = 0, entropy = 0, swapped, dw, dl;
    fill();
    weights = count;
    double loss = pickscore_loss(slopes, per_example, logits, labels, count, N);
    CHECK(sizeof(real) == 4 || gradient_ok(pick_value, NULL, logits, slopes, 2 * N, 1e-6), "slopes, weighted");
    for (int i = 0; i < N; i++) { // the definition with libm
        double a = exp((double)logits[2 * i]), b = exp((double)logits[2 * i + 1]), y = labels[2 * i];
        double kl = (y > 0 ? y * log(y * (a + b) / a) : 0) + (y < 1 ? (1 - y) * log((1 - y) * (a + b) / b) : 0);
        NEAR(per_example[i], kl, 1e-12, 1e-14);
        mean += kl / count[i];
        all += 1 / count[i];
        entropy += y == 0.5 ? log(2) : 0;
    }
    NEAR(loss, mean / all, 1e-12, 0);
    weights = NULL;
    loss = pickscore_loss(slopes, NULL, logits, labels, NULL, N);
    CHECK(sizeof(real) == 4 || gradient_ok(pick_value, NULL, logits, slopes, 2 * N, 1e-6), "slopes, unweighted");
    NEAR(hps_loss(slopes, logits, labels, N), N * loss + entropy, 1e-12, 0); // a sum, and the ties keep their entropy
    CHECK(sizeof(real) == 4 || gradient_ok(hps_value, NULL, logits, slopes, 2 * N, 1e-6), "slopes of hps_loss");
    // A sure label is Bradley-Terry.
    real two[2] = {(real)1.2, (real)-0.4}, sure[2] = {1, 0}, tie[2] = {0.5, 0.5}, slope[2];
    NEAR(pickscore_loss(slope, NULL, two, sure, NULL, 1), bt_loss(&dw, &dl, (double)two[0], (double)two[1]), 1e-14, 0);
    NEAR((double)slope[0], dw, rel, 0);
    NEAR((double)slope[1], dl, rel, 0);
    NEAR(hps_loss(slope, two, sure, 1), bt_loss(&dw, &dl, (double)two[0], (double)two[1]), 1e-14, 0);
    // Equal logits and a tie: nothing to learn, and PickScore's loss is 0 where the cross-entropy is ln 2.
    real equal[2] = {1, 1};
    NEAR(pickscore_loss(slope, NULL, equal, tie, NULL, 1), 0, 0, 1e-15);
    CHECK(slope[0] == 0 && slope[1] == 0, "slopes %g %g", (double)slope[0], (double)slope[1]);
    NEAR(hps_loss(slope, equal, tie, 1), log(2), 1e-15, 0);
    // Finite far out, where the softmax has underflowed.
    real far[2] = {-800, 0};
    NEAR(pickscore_loss(slope, NULL, far, sure, NULL, 1), 800, 1e-14, 0);
    NEAR((double)slope[0], -1, 1e-14, 0);
    // The names of the pictures do not matter.
    loss = pickscore_loss(slopes, NULL, logits, labels, count, N);
    for (int i = 0; i < N; i++) {
        real t = logits[2 * i];
        logits[2 * i] = logits[2 * i + 1];
        logits[2 * i + 1] = t;
        t = labels[2 * i];
        labels[2 * i] = labels[2 * i + 1];
        labels[2 * i + 1] = t;
    }
    swapped = pickscore_loss(slopes, NULL, logits, labels, count, N);
    NEAR(swapped, loss, 1e-13, 0);
    real wrong[2] = {(real)0.7, (real)0.7}, negative[2] = {(real)-0.5, (real)1.5};
    double zero[1] = {0};
    DIES("sum to 1", pickscore_loss(slope, NULL, two, wrong, NULL, 1));
    DIES("sum to 1", pickscore_loss(slope, NULL, two, negative, NULL, 1));
    DIES("counts are positive", pickscore_loss(slope, NULL, two, sure, zero, 1));
}

// A prompt with four examples weighs as much as a prompt with one.
static void test_weights(void) {
    real five[10], sure[10], slope[10], once[4];
    double counts[5] = {1, 4, 4, 4, 4};
    for (int i = 0; i < 5; i++) {
        five[2 * i] = (real)(i == 0 ? 2 : -1);
        five[2 * i + 1] = 0;
        sure[2 * i] = 1;
        sure[2 * i + 1] = 0;
    }
    once[0] = 2;
    once[2] = -1;
    once[1] = once[3] = 0;
    NEAR(pickscore_loss(slope, NULL, five, sure, counts, 5), pickscore_loss(slope, NULL, once, sure, NULL, 2), 1e-14,
         0);
}

// ---- the logits ---------------------------------------------------------------------------------------------------

static double logit_value(void *unused) {
    (void)unused;
    return cosine_logit(NULL, NULL, NULL, f, g, tau, D);
}

static void test_logit(void) {
    double dtau, s, ff = 0, gg = 0, fg = 0, h = 1e-6;
    real longer[D], nothing[D] = {0};
    for (int k = 0; k < D; k++) {
        f[k] = (real)uniform(-1, 1);
        g[k] = (real)uniform(-1, 1);
        longer[k] = 4 * f[k];
        ff += (double)f[k] * (double)f[k];
        gg += (double)g[k] * (double)g[k];
        fg += (double)f[k] * (double)g[k];
    }
    s = cosine_logit(df, dg, &dtau, f, g, tau, D);
    NEAR(s, exp(tau) * fg / sqrt(ff * gg), 1e-12, 0);
    CHECK(sizeof(real) == 4 || gradient_ok(logit_value, NULL, f, df, D, 1e-6), "slopes in the picture");
    CHECK(sizeof(real) == 4 || gradient_ok(logit_value, NULL, g, dg, D, 1e-6), "slopes in the prompt");
    double up = cosine_logit(NULL, NULL, NULL, f, g, tau + h, D),
           down = cosine_logit(NULL, NULL, NULL, f, g, tau - h, D);
    NEAR(dtau, (up - down) / (2 * h), 1e-8, 0);
    NEAR(cosine_logit(NULL, NULL, NULL, longer, g, tau, D), s, 1e-13, 0); // only the direction counts
    NEAR(cosine_logit(NULL, NULL, NULL, longer, f, tau, D), exp(tau), 1e-13, 0);
    double along = 0;
    for (int k = 0; k < D; k++) {
        along += (double)df[k] * (double)f[k];
    }
    NEAR(along, 0, 0, sizeof(real) == 8 ? 1e-14 : 1e-6);
    DIES("length 0", cosine_logit(NULL, NULL, NULL, nothing, g, tau, D));
}

int main(void) {
    test_losses();
    test_weights();
    test_logit();
    return report("test_softmax_reward");
}
