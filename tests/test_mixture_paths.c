// test_mixture_paths.c: the exact two-dimensional oracle along its paths: the three partial differential equations, one
// law in other coordinates, sampling, and what is refused.
#include "death.h"
#include "small_mixture.h"

#include "../ref/formula/forward.h"
#include "../ref/formula/mixture.h"

enum { SEED = 3, STREAM_SAMPLE, STREAM_NOISE };

// d log p/dt + s . drift + div drift = 0: mass is neither made nor lost along each of the three paths.
static void test_continuity(void) {
    Gmm p = mixture_a();
    Gmm q = gmm_new(3);
    double times[] = {0.05, 0.3, 0.6, 0.95};
    double h = 1e-5;
    for (int k = 0; k < 4; k++) {
        double t = times[k];
        for (int i = 0; i < 8; i++) {
            double x[2], s[2], u[2], x0[2], D[2], H[4];
            double logp[2];
            point_of(x, i);
            for (int side = 0; side < 2; side++) { // flow path
                double at = t + (side ? h : -h);
                gmm_noised(&q, &p, 1 - at, at);
                logp[side] = gmm_logp(&q, x);
            }
            gmm_noised(&q, &p, 1 - t, t);
            gmm_score(s, &q, x);
            double div = gmm_velocity(u, &p, x, t);
            double rate = (logp[1] - logp[0]) / (2 * h);
            double size = fabs(rate) + fabs(div) + 1;
            NEAR(rate + u[0] * s[0] + u[1] * s[1] + div, 0, 0, 1e-6 * size);
            gmm_denoise(x0, &p, x, 1 - t, t);
            for (int r = 0; r < 2; r++) { // E[eps] - E[x_0], and the form that is 0/0 at t = 1
                NEAR(u[r], (x[r] - (1 - t) * x0[r]) / t - x0[r], 1e-10, 1e-10);
                NEAR(u[r], -t * s[r] - (x[r] + t * t * s[r]) / (1 - t), 1e-10, 1e-10);
            }
            for (int side = 0; side < 2; side++) { // VP path
                double at = t + (side ? h : -h);
                gmm_noised(&q, &p, vp_alpha(at, 0.1, 20), vp_sigma(at, 0.1, 20));
                logp[side] = gmm_logp(&q, x);
            }
            gmm_noised(&q, &p, vp_alpha(t, 0.1, 20), vp_sigma(t, 0.1, 20));
            gmm_score(s, &q, x);
            div = gmm_vp_drift(u, &q, x, vp_beta(t, 0.1, 20));
            rate = (logp[1] - logp[0]) / (2 * h);
            NEAR(rate + u[0] * s[0] + u[1] * s[1] + div, 0, 0, 1e-6 * (fabs(rate) + fabs(div) + 1));
            for (int side = 0; side < 2;
                 side++) { // VE path: d log p/d sigma + s . slope + div slope = 0, slope = -sigma s
                gmm_noised(&q, &p, 1, t + (side ? h : -h));
                logp[side] = gmm_logp(&q, x);
            }
            gmm_noised(&q, &p, 1, t);
            gmm_score(s, &q, x);
            gmm_hessian(H, &q, x);
            gmm_edm(D, u, &p, x, t);
            rate = (logp[1] - logp[0]) / (2 * h);
            NEAR(rate + u[0] * s[0] + u[1] * s[1] - t * (H[0] + H[3]), 0, 0, 1e-6 * (fabs(rate) + fabs(t * H[0]) + 1));
            for (int r = 0; r < 2; r++) {
                NEAR(u[r], (x[r] - D[r]) / t, 1e-9, 1e-10);
            }
        }
    }
    // Both ends of the flow path, and nothing jumps there.
    double x[2] = {0.4, -0.9};
    double mean[2], cov[4], u[2], near[2];
    gmm_moments(mean, cov, &p);
    double div = gmm_velocity(u, &p, x, 1);
    NEAR(u[0], x[0] - mean[0], 1e-14, 0);
    NEAR(u[1], x[1] - mean[1], 1e-14, 0);
    NEAR(div, 2, 1e-14, 0);
    double div_near = gmm_velocity(near, &p, x, 1 - 1e-7);
    NEAR(near[0], u[0], 1e-5, 0);
    NEAR(div_near, div, 1e-5, 0);
    div = gmm_velocity(u, &p, x, 0);
    div_near = gmm_velocity(near, &p, x, 1e-7);
    NEAR(near[0], u[0], 1e-5, 0);
    NEAR(near[1], u[1], 1e-5, 0);
    NEAR(div_near, div, 1e-5, 0);
    gmm_free(&p);
    gmm_free(&q);
}

// The VP score is the VE score at x/alpha and sigma/alpha, divided by alpha.
static void test_equivalence(void) {
    Gmm p = mixture_a();
    Gmm vp = gmm_new(3);
    Gmm ve = gmm_new(3);
    for (int i = 0; i < 5; i++) {
        double x[2], s[2], s_ve[2];
        point_of(x, i);
        gmm_noised(&vp, &p, 0.6, 0.8);
        gmm_noised(&ve, &p, 1, 0.8 / 0.6);
        double y[2] = {x[0] / 0.6, x[1] / 0.6};
        double jacobian = 2 * log(0.6);
        NEAR(gmm_score(s, &vp, x), gmm_score(s_ve, &ve, y) - jacobian, 1e-13, 1e-13);
        NEAR(s[0], s_ve[0] / 0.6, 1e-12, 1e-13);
        NEAR(s[1], s_ve[1] / 0.6, 1e-12, 1e-13);
    }
    gmm_free(&p);
    gmm_free(&vp);
    gmm_free(&ve);
}

// Sampled moments, component frequencies, and noised samples against the noised mixture; 4 standard errors.
static void test_sampling(void) {
    enum { N = 40000 };
    static real x[2 * N], eps[2 * N], x_t[2 * N];
    static int component[N];
    Gmm p = mixture_a();
    Gmm q = gmm_new(3);
    double mean[2], cov[4];
    gmm_sample_many(x, component, &p, N, SEED, STREAM_SAMPLE, 0);
    rng_fill_normal(eps, 2 * N, SEED, STREAM_NOISE, 0);
    for (int level = 0; level < 3; level++) {
        double alpha = NOISE_LEVELS[level][0];
        double sigma = NOISE_LEVELS[level][1];
        forward_noise_path(x_t, x, eps, alpha, sigma, 2 * N);
        gmm_noised(&q, &p, alpha, sigma);
        gmm_moments(mean, cov, &q);
        double sum[2] = {0, 0};
        double product[4] = {0}, square[4] = {0};
        for (int i = 0; i < N; i++) {
            for (int r = 0; r < 4; r++) {
                double v = (x_t[2 * i + r / 2] - mean[r / 2]) * (x_t[2 * i + r % 2] - mean[r % 2]);
                product[r] += v / N;
                square[r] += v * v / N;
            }
            sum[0] += x_t[2 * i] / (double)N;
            sum[1] += x_t[2 * i + 1] / (double)N;
        }
        for (int r = 0; r < 2; r++) {
            AGREES(sum[r], sqrt(cov[3 * r] / N), mean[r]);
        }
        for (int r = 0; r < 4; r++) {
            AGREES(product[r], sqrt((square[r] - product[r] * product[r]) / N), cov[r]);
        }
    }
    for (int k = 0; k < 3; k++) { // each component alone: frequency, mean and covariance
        double n = 0;
        double m[2] = {0, 0};
        double product[4] = {0};
        for (int i = 0; i < N; i++) {
            if (component[i] == k) {
                n++;
                for (int r = 0; r < 4; r++) {
                    product[r] += (x[2 * i + r / 2] - p.mu[2 * k + r / 2]) * (x[2 * i + r % 2] - p.mu[2 * k + r % 2]);
                }
                m[0] += x[2 * i];
                m[1] += x[2 * i + 1];
            }
        }
        const double *C = p.cov + 4 * k;
        AGREES(n / N, sqrt(p.w[k] * (1 - p.w[k]) / N), p.w[k]);
        for (int r = 0; r < 2; r++) {
            AGREES(m[r] / n, sqrt(C[3 * r] / n), p.mu[2 * k + r]);
        }
        for (int r = 0; r < 4; r++) { // Var(z_i z_j) = C_ii C_jj + C_ij^2 for Gaussian z
            AGREES(product[r] / n, sqrt((C[3 * (r / 2)] * C[3 * (r % 2)] + C[r] * C[r]) / n), C[r]);
        }
    }
    // A sample is a function of its index, not of the batch it is drawn in.
    real again[4];
    gmm_sample_many(again, NULL, &p, 2, SEED, STREAM_SAMPLE, 1234);
    for (int r = 0; r < 4; r++) { // neighbouring samples share no noise
        double product = 0;
        double square = 0;
        gmm_moments(mean, cov, &p);
        for (int i = 0; i + 1 < N; i++) {
            double v = (x[2 * i + r / 2] - mean[r / 2]) * (x[2 * i + 2 + r % 2] - mean[r % 2]);
            product += v / (N - 1);
            square += v * v / (N - 1);
        }
        AGREES(product, sqrt(square / N), 0);
    }
    for (uint64_t i = 0; i < 50; i++) { // the promised indices: 3i for the component, 3i+1 and 3i+2 for z
        double y[2];
        int k = gmm_sample(y, &p, SEED, STREAM_SAMPLE, i);
        double u = rng_uniform(SEED, STREAM_SAMPLE, 3 * i);
        const double *C = p.cov + 4 * k;
        double z0 = rng_normal(SEED, STREAM_SAMPLE, 3 * i + 1);
        double z1 = rng_normal(SEED, STREAM_SAMPLE, 3 * i + 2);
        CHECK(k == (u < 0.5 ? 0 : u < 0.8 ? 1 : 2), "u = %g picked %d", u, k);
        NEAR(y[0], p.mu[2 * k] + sqrt(C[0]) * z0, 1e-13, 1e-14);
        NEAR(y[1], p.mu[2 * k + 1] + C[1] / sqrt(C[0]) * z0 + sqrt(C[3] - C[1] * C[1] / C[0]) * z1, 1e-12, 1e-13);
    }
    CHECK(again[0] == x[2468] && again[3] == x[2471], "sample 1234 depends on the batch");
    // log p averaged over samples is minus the entropy, by a sum over a grid.
    double lp = 0;
    double lp2 = 0;
    double entropy = 0;
    for (int i = 0; i < N; i++) {
        double y[2] = {x[2 * i], x[2 * i + 1]};
        double l = gmm_logp(&p, y);
        lp += l / N;
        lp2 += l * l / N;
    }
    for (int i = -200; i <= 200; i++) {
        for (int j = -200; j <= 200; j++) {
            double y[2] = {i * 0.03, j * 0.03};
            double l = gmm_logp(&p, y);
            entropy -= exp(l) * l * 0.03 * 0.03;
        }
    }
    AGREES(lp, sqrt((lp2 - lp * lp) / N), -entropy);
    gmm_free(&p);
    gmm_free(&q);
}

static void test_refusals(void) {
    Gmm p = mixture_a();
    Gmm q = gmm_copy(&p);
    Gmm two = gmm_new(2);
    double x[2] = {0, 0};
    double bad[2] = {NAN, 0};
    double s[4];
    for (int r = 0; r < 12; r++) {
        CHECK(q.cov[r] == p.cov[r] && q.mu[r % 6] == p.mu[r % 6] && q.w[r % 3] == p.w[r % 3], "copy, number %d", r);
    }
    Gmm most = gmm_new(GMM_MAX_K);
    gmm_free(&most);
    q.w[0] = 0.7;
    q.mu[1] = 9;
    q.cov[5] = 7;
    CHECK(p.w[0] == 0.5 && p.mu[1] == 0.5 && p.cov[5] == -0.05, "the copy is the original");
    q.cov[5] = p.cov[5];
    DIES("sum to", gmm_check(&q));
    q.w[0] = 0.5;
    q.cov[5] = 7;
    DIES("component 1: covariance", gmm_check(&q));
    q.cov[5] = q.cov[6] = 0.5; // symmetric, but an eigenvalue is negative
    DIES("component 1: covariance", gmm_check(&q));
    q.cov[5] = q.cov[6] = 0;
    q.cov[4] = HUGE_VAL;
    DIES("component 1: covariance", gmm_check(&q));
    q.cov[4] = NAN;
    DIES("component 1: covariance", gmm_check(&q));
    q.cov[4] = 0.1;
    gmm_check(&q);
    q.mu[3] = HUGE_VAL;
    DIES("component 1: weight", gmm_check(&q));
    q.mu[3] = 0;
    q.mu[2] = HUGE_VAL;
    DIES("component 1: weight", gmm_check(&q));
    q.mu[2] = 0;
    q.w[2] = -0.2;
    DIES("component 2: weight", gmm_check(&q));
    double block[7];
    DIES("K = 0", gmm_on(block, 0));
    DIES("K = 257", gmm_on(block, 257));
    DIES("2 components", gmm_noised(&two, &p, 1, 1));
    DIES("2 components", gmm_posterior(&two, &p, x, 1, 1));
    DIES("component 0 is singular", gmm_score(s, &two, x)); // all covariances 0
    two.cov[0] = two.cov[3] = two.cov[4] = two.cov[7] = -1; // the determinant is positive, the matrix is not
    DIES("component 0 is singular", gmm_score(s, &two, x));
    DIES("not a finite number", gmm_logp(&p, bad));
    bad[0] = 1e200;
    DIES("not a finite number", gmm_logp(&p, bad));
    DIES("sigma = 0", gmm_denoise_jacobian(s, &p, x, 1, 0));
    DIES("t = 1.1", gmm_velocity(s, &p, x, 1.1));
    q.cov[8] = -1;
    q.w[0] = q.w[1] = 0;
    q.w[2] = 1;
    DIES("not a covariance", gmm_sample(s, &q, SEED, STREAM_SAMPLE, 0));
    q.cov[8] = 0;
    q.cov[9] = q.cov[10] = 0.5; // no width along x, yet correlated with it
    q.cov[11] = 1;
    DIES("not a covariance", gmm_sample(s, &q, SEED, STREAM_SAMPLE, 0));
    gmm_free(&p);
    gmm_free(&q);
    gmm_free(&two);
    CHECK(p.w == NULL && p.K == 0, "freed");
}

int main(void) {
    test_continuity();
    test_equivalence();
    test_sampling();
    test_refusals();
    return report("test_mixture_paths");
}
