// test_guidance_value.c: classifier guidance against conditional mixtures, the power of a classifier by finite
// differences and limits, DPS and LGD against the soft value where they are exact and where they are not.
#include "death.h"

#include "../ref/formula/guidance_value.h"
#include "../ref/formula/soft_value.h"

static uint64_t drawn;

static double uniform(double low, double high) {
    return low + (high - low) * rng_uniform(8, 1, drawn++);
}

// Four components in two classes; component 2 belongs to both.
static const double share[4] = {1, 0, 0.3, 0};

static Gmm four_modes(double distance) {
    static const double w[4] = {0.4, 0.3, 0.2, 0.1};
    static const double mu[8] = {-1, 0.5, 1, 1.2, 0.5, -1, -0.5, -1.5};
    static const double cov[16] = {0.3, 0.1, 0.1, 0.2, 0.15, -0.05, -0.05, 0.25, 0.2, 0, 0, 0.1, 0.3, 0, 0, 0.3};
    Gmm p = gmm_new(4);
    memcpy(p.w, w, sizeof w);
    memcpy(p.cov, cov, sizeof cov);
    for (int i = 0; i < 8; i++) {
        p.mu[i] = distance * mu[i];
    }
    return p;
}

// p(x_0 | y): weights times shares, normalised.
static Gmm conditional(const Gmm *p, const double *of_class) {
    Gmm q = gmm_copy(p);
    double sum = 0;
    for (int k = 0; k < q.K; k++) {
        q.w[k] *= of_class[k];
        sum += q.w[k];
    }
    for (int k = 0; k < q.K; k++) {
        q.w[k] /= sum;
    }
    return q;
}

static void test_classifier(void) {
    Gmm p = four_modes(1), q = conditional(&p, share), p_t = gmm_new(4), q_t = gmm_new(4);
    double prior = 0.4 + 0.3 * 0.2, grad[2], s[2], s_y[2], power[2],
           loose = sizeof(real) == sizeof(double) ? 1e-11 : 2e-6;
    for (int i = 0; i < 40; i++) {
        double sigma = uniform(0.1, 0.99), alpha = sqrt(1 - sigma * sigma), x[2] = {uniform(-2, 2), uniform(-2, 2)};
        real from[2], towards[2], guided[2];
        double lp, log_class = gmm_class_score(grad, &p, share, x, alpha, sigma);
        gmm_noised(&p_t, &p, alpha, sigma);
        gmm_noised(&q_t, &q, alpha, sigma);
        lp = gmm_score(s, &p_t, x);
        NEAR(log_class, log(prior) + gmm_score(s_y, &q_t, x) - lp, 1e-11, 1e-11); // Bayes
        for (int d = 0; d < 2; d++) {
            from[d] = (real)s[d];
            towards[d] = (real)grad[d];
        }
        guided_score(guided, from, towards, 1, 2);
        NEAR(guided[0], s_y[0], loose, 10 * loose);
        NEAR(guided[1], s_y[1], loose, 10 * loose);
        for (int d = 0; d < 2; d++) {
            from[d] = (real)(-sigma * s[d]);
        }
        guided_eps(guided, from, towards, 1, sigma, 2);
        NEAR(guided[0], -sigma * s_y[0], loose, 10 * loose);
        guided_score(guided, from, towards, 0, 2);
        NEAR(guided[0], from[0], 0, 0);
        // The power 1 is the classifier itself.
        NEAR(guidance_power(power, NULL, &p, share, 1, x, alpha, sigma), log_class, 1e-6, 1e-6);
        NEAR(power[0], grad[0], 1e-5, 1e-5);
        NEAR(power[1], grad[1], 1e-5, 1e-5);
        for (int d = 0; d < 2; d++) {
            double up[2] = {x[0], x[1]}, down[2] = {x[0], x[1]}, h = 1e-5;
            up[d] += h;
            down[d] -= h;
            double slope = (gmm_class_score(NULL, &p, share, up, alpha, sigma) -
                            gmm_class_score(NULL, &p, share, down, alpha, sigma)) /
                           (2 * h);
            NEAR(grad[d], slope, 1e-6, 1e-8);
        }
    }
    // Far from class 0 its responsibilities underflow; the logarithm and its gradient do not.
    double far[2] = {200, 300}, only[4] = {1, 0, 0, 0}, nobody[4] = {0, 0, 0, 0};
    double lp = gmm_class_score(grad, &p, only, far, 1, 0);
    CHECK(lp < -1000 && lp > -1e9 && fabs(grad[0]) > 1 && fabs(grad[0]) < 1e9, "log p %g, slope %g", lp, grad[0]);
    DIES("no component", gmm_class_score(grad, &p, nobody, far, 1, 0));
    gmm_free(&p);
    gmm_free(&q);
    gmm_free(&p_t);
    gmm_free(&q_t);
}

// One ancestral step N(m, v) towards y with log p(y|x) = -(x - y)^2/(2 c): the exact step has the
// mean m + v (y - m)/(c + v).
static void test_mean(void) {
    double m = 0.3, y = 1.7, c = 0.8, miss[2];
    for (int i = 0; i < 2; i++) {
        double var = i == 0 ? 0.04 : 0.02;
        real mean = (real)m, grad = (real)((y - m) / c), guided;
        guided_mean(&guided, &mean, &grad, 1, var, 1);
        miss[i] = (double)guided - (m + var * (y - m) / (c + var));
    }
    NEAR(miss[0] / miss[1], 4, 0.05, 0);
    CHECK(fabs(miss[0]) < 5e-3 && fabs(miss[0]) > 1e-4, "error %g", miss[0]);
}

static void test_power(void) {
    Gmm p = four_modes(1), apart = four_modes(12);
    double grad[2], once[2], thrice[2], mean[2], h = 1e-4, w = 3;
    static const double sharp[4] = {1, 0, 1, 0};
    for (int i = 0; i < 4; i++) {
        double sigma = uniform(0.3, 0.95), alpha = sqrt(1 - sigma * sigma), x[2] = {uniform(-1, 1), uniform(-1, 1)};
        guidance_power(grad, NULL, &p, share, w, x, alpha, sigma);
        for (int d = 0; d < 2; d++) {
            double up[2] = {x[0], x[1]}, down[2] = {x[0], x[1]};
            up[d] += h;
            down[d] -= h;
            double slope = (guidance_power(NULL, NULL, &p, share, w, up, alpha, sigma) -
                            guidance_power(NULL, NULL, &p, share, w, down, alpha, sigma)) /
                           (2 * h);
            NEAR(grad[d], slope, 1e-5, 1e-5);
        }
        gmm_class_score(once, &p, share, x, alpha, sigma);
        double excess = fabs(grad[0] - w * once[0]) + fabs(grad[1] - w * once[1]);
        CHECK(excess > 0.02, "the naive gradient is exact at w = 3: %g", excess);
        // Classes without overlap: p(y|x_0) is 0 or 1, so its powers are all the same.  Not so for the naive rule.
        double where[2] = {2 * x[0], 2 * x[1]};
        guidance_power(once, NULL, &apart, sharp, 1, where, 0.1, 0.995);
        guidance_power(thrice, NULL, &apart, sharp, w, where, 0.1, 0.995);
        NEAR(thrice[0], once[0], 1e-4, 1e-6);
        NEAR(thrice[1], once[1], 1e-4, 1e-6);
        CHECK(fabs(once[0]) + fabs(once[1]) > 0.01, "nothing to see at (%g, %g)", where[0], where[1]);
    }
    // Little noise: L -> w log p(y|x/alpha).
    double x[2] = {0.1, 0.3}, at[2] = {0.1 / 0.9998, 0.3 / 0.9998};
    double L = guidance_power(grad, NULL, &p, share, w, x, 0.9998, 0.02);
    NEAR(L, w * gmm_class_score(once, &p, share, at, 1, 0), 0.02, 0);
    NEAR(grad[0], w * once[0], 0.02, 0.02);
    // No signal: log Z and the mean of the powered law, whatever x; at w = 1 that is the conditional law.
    Gmm q = conditional(&p, share);
    double q_mean[2], cov[4];
    gmm_moments(q_mean, cov, &q);
    NEAR(guidance_power(grad, mean, &p, share, 1, x, 0, 1), log(0.46), 1e-6, 0);
    NEAR(mean[0], q_mean[0], 1e-6, 1e-7);
    NEAR(mean[1], q_mean[1], 1e-6, 1e-7);
    NEAR(grad[0], 0, 0, 0);
    DIES("without noise", guidance_power(grad, mean, &p, share, 1, x, 1, 0));
    gmm_free(&p);
    gmm_free(&q);
    gmm_free(&apart);
}

static void exp_reward_at(double *value, const double *x, void *user) {
    value[0] = exp(quad_reward((const QuadReward *)user, x) / 0.7);
}

static void test_substitutes(void) {
    QuadReward linear = {{0, 0, 0, 0}, {1, -0.5}, 0.25}, concave = {{1.2, 0.3, 0.3, 0.9}, {0.6, 0.6}, -0.3};
    Gmm p = four_modes(1), one = gmm_new(1), normal = gmm_new(1);
    double grad[2], right[2], beta = 0.7, h = 1e-5, worst = 0, mean;
    one.w[0] = normal.w[0] = 1;
    one.mu[0] = 0.4;
    one.mu[1] = -0.7;
    memcpy(one.cov, p.cov + 4, 4 * sizeof(double));
    for (int i = 0; i < 20; i++) {
        double sigma = uniform(0.1, 0.99), alpha = sqrt(1 - sigma * sigma), x[2] = {uniform(-2, 2), uniform(-2, 2)};
        double V = soft_value(right, &one, &linear, beta, x, alpha, sigma), x0[2];
        double value = dps_value(grad, &one, &linear, x, alpha, sigma);
        NEAR(grad[0], right[0], 1e-10, 1e-10); // one Gaussian, linear reward: the gradient is exact ...
        NEAR(grad[1], right[1], 1e-10, 1e-10);
        CHECK(V - value > 1e-4, "... and the value is too low by Jensen: %g, %g", V, value);
        V = soft_value(right, &one, &concave, beta, x, alpha, sigma);
        NEAR(lgd_value(grad, &one, &concave, beta, x, alpha, sigma), V, 1e-11, 1e-11);
        NEAR(grad[0], right[0], 1e-10, 1e-10);
        NEAR(grad[1], right[1], 1e-10, 1e-10);
        dps_value(grad, &one, &concave, x, alpha, sigma);
        CHECK(fabs(grad[0] - right[0]) + fabs(grad[1] - right[1]) > 1e-6, "DPS is exact for a bent reward");
        // The mixture: DPS is the gradient of r(x0hat); LGD is the tilt of the matched Gaussian, not the soft value.
        double at = dps_value(grad, &p, &concave, x, alpha, sigma);
        gmm_denoise(x0, &p, x, alpha, sigma);
        NEAR(at, quad_reward(&concave, x0), 1e-12, 0);
        for (int d = 0; d < 2; d++) {
            double up[2] = {x[0], x[1]}, down[2] = {x[0], x[1]}, unused[2];
            up[d] += h;
            down[d] -= h;
            double slope = (dps_value(unused, &p, &concave, up, alpha, sigma) -
                            dps_value(unused, &p, &concave, down, alpha, sigma)) /
                           (2 * h);
            NEAR(grad[d], slope, 1e-5, 1e-7);
        }
        double lgd = lgd_value(NULL, &p, &concave, beta, x, alpha, sigma);
        gmm_posterior_cov(normal.cov, normal.mu, &p, x, alpha, sigma);
        gmm_expect(&mean, &normal, 1, exp_reward_at, &concave);
        NEAR(lgd, beta * log(mean), 1e-9, 1e-9);
        worst = fmax(worst, fabs(lgd - soft_value(NULL, &p, &concave, beta, x, alpha, sigma)));
    }
    CHECK(worst > 0.01, "moment matching is exact for a mixture: %g", worst);
    QuadReward hill = {{-20, 0, 0, -20}, {0, 0}, 0};
    double x[2] = {0, 0};
    DIES("matched Gaussian", lgd_value(grad, &p, &hill, beta, x, 0.5, 0.8));
    DIES("sigma = 0", dps_value(grad, &p, &concave, x, 1, 0));
    gmm_free(&p);
    gmm_free(&one);
    gmm_free(&normal);
}

int main(void) {
    test_classifier();
    test_mean();
    test_power();
    test_substitutes();
    return report("test_guidance_value");
}
