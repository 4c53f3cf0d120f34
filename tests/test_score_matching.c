// test_score_matching.c: floors of the loss by two routes and by Gaussian data, the constant of score matching by
// integrating a wrong score, the linear model by its normal equations, by a training loop and by its population limit,
// and de Bruijn's identity by finite differences.
#include "death.h"

#include "../ref/core/net.h"
#include "../ref/formula/loss_weights.h"
#include "../ref/formula/score_matching.h"
#include "../toy/model/train.h"

// Mixture A of the golden values, made by hand, and one round Gaussian.
static Gmm three(void) {
    static const double numbers[21] = {0.5, 0.3, 0.2,  -1.5,  0.5,   1,    1.2, 0.5, -1, 0.3, 0.1,
                                       0.1, 0.2, 0.15, -0.05, -0.05, 0.25, 0.2, 0,   0,  0.1};
    Gmm p = gmm_new(3);
    memcpy(p.w, numbers, sizeof numbers);
    return p;
}

static Gmm gaussian(double mean0, double mean1, double v0, double v1) {
    Gmm p = gmm_new(1);
    p.w[0] = 1;
    p.mu[0] = mean0;
    p.mu[1] = mean1;
    p.cov[0] = v0;
    p.cov[3] = v1;
    return p;
}

static void test_floor(void) {
    Gmm p = three(), g = gaussian(3, -2, 0.4, 0.09), point = gaussian(1, 1, 0, 0), far = three();
    double w[2] = {0.3, 0.7}, mu[2] = {-1, 0.5}, var[2] = {0.2, 0.01}, one = 1;
    static const double levels[6] = {0.999, 0.95, 0.7, 0.3, 0.05, 1e-4};
    for (int i = 0; i < 6; i++) {
        double a = sqrt(levels[i]), s = sqrt(1 - levels[i]);
        DsmFloor f = dsm_floor(&p, a, s), fine = dsm_floor_step(&p, a, s, 8), h = dsm_floor(&g, a, s);
        NEAR(f.mass, 1, 1e-12, 0);
        NEAR(f.by_score, f.eps_loss, 0, 1e-9); // Fisher information against posterior variance
        NEAR(f.eps_loss, fine.eps_loss, 1e-9, 0);
        NEAR(f.entropy, fine.entropy, 1e-9, 0);
        NEAR(f.v_loss, f.mmse + f.eps_loss, 1e-12, 0); // mmse/sigma^2 = (1 + alpha^2/sigma^2) mmse
        CHECK(f.eps_loss > 0 && f.eps_loss < 2, "floor %g", f.eps_loss);
        // N(m, diag(v)): each axis alpha^2 v/(alpha^2 v + sigma^2), entropy 1/2 log(2 pi e (..))
        double v0 = a * a * 0.4 + s * s, v1 = a * a * 0.09 + s * s;
        NEAR(h.eps_loss, a * a * 0.4 / v0 + a * a * 0.09 / v1, 1e-10, 0);
        NEAR(h.mmse, 0.4 * s * s / v0 + 0.09 * s * s / v1, 1e-10, 0);
        NEAR(h.fisher, 1 / v0 + 1 / v1, 1e-10, 0);
        NEAR(h.entropy, log(2 * PI * exp(1.0)) + 0.5 * log(v0 * v1), 1e-10, 1e-10);
        NEAR(h.constant, 2 / (s * s) - 1 / v0 - 1 / v1, 1e-9, 0);
        // one dimension: a mixture by its two routes, and a Gaussian
        DsmFloor l = dsm_floor_1d(w, mu, var, 2, a, s), n = dsm_floor_1d(&one, mu, var, 1, a, s);
        NEAR(l.mass, 1, 1e-12, 0);
        NEAR(l.by_score, l.eps_loss, 0, 1e-9);
        NEAR(n.eps_loss, a * a * 0.2 / (a * a * 0.2 + s * s), 1e-10, 0);
        NEAR(n.entropy, 0.5 * log(2 * PI * exp(1.0) * (a * a * 0.2 + s * s)), 1e-10, 1e-10);
        CHECK(dsm_floor(&point, a, s).eps_loss < 1e-12, "a point mass has no floor");
    }
    CHECK(dsm_floor(&p, sqrt(0.9999999), sqrt(1e-7)).eps_loss > 1.999, "no noise: the floor is d = 2");
    CHECK(dsm_floor(&p, 1e-6, 1).eps_loss < 1e-11, "all noise: the floor is 0");
    DIES("sigma = 0", dsm_floor(&p, 1, 0));
    DIES("sigma = 0", dsm_floor_1d(w, mu, var, 2, 1, 0));
    far.mu[0] = 1e6; // would need a grid of millions of nodes
    DIES("nodes", dsm_floor(&far, 1, 0.1));
    gmm_free(&p);
    gmm_free(&g);
    gmm_free(&point);
    gmm_free(&far);
}

// E|s_hat - target|^2 = E|s_hat - score|^2 + constant for a WRONG score, both sides by quadrature in one dimension:
// the left over x_0 (component by component) and eps, the right over x_t.
static double wrong_score(double x) {
    return -0.7 * x + 0.4 * sin(1.3 * x);
}

static void test_objective(void) {
    double w[2] = {0.3, 0.7}, mu[2] = {-1, 0.5}, var[2] = {0.2, 0.04}, a = 0.8, s = 0.6, left = 0, right = 0;
    const double h = 0.05, edge = 9;
    for (int k = 0; k < 2; k++) {
        for (double u = -edge; u <= edge; u += h) {
            for (double e = -edge; e <= edge; e += h) {
                double x0 = mu[k] + sqrt(var[k]) * u, x = a * x0 + s * e;
                real s_hat = (real)wrong_score(x), at = (real)x, from = (real)x0;
                double mass = w[k] * exp(-0.5 * (u * u + e * e)) / (2 * PI) * h * h;
                left += mass * dsm_loss(NULL, &s_hat, &at, &from, a, s, 1);
            }
        }
    }
    for (double x = -12; x <= 12; x += 0.01) {
        double p = 0, slope = 0;
        for (int k = 0; k < 2; k++) {
            double v = a * a * var[k] + s * s, d = x - a * mu[k],
                   part = w[k] * exp(-0.5 * d * d / v) / sqrt(2 * PI * v);
            p += part;
            slope -= part * d / v;
        }
        right += p * (wrong_score(x) - slope / p) * (wrong_score(x) - slope / p) * 0.01;
    }
    NEAR(left - right, dsm_floor_1d(w, mu, var, 2, a, s).constant, sizeof(real) == 8 ? 1e-9 : 1e-5, 0);
    real noise[2] = {(real)0.3, (real)-1.1}, clean[2] = {(real)0.4, (real)2}, x[2], score[2], d[2];
    forward_noise_path(x, clean, noise, a, s, 2);
    score_from_eps(score, noise, s, 2); // the target itself: no loss
    NEAR(dsm_loss(d, score, x, clean, a, s, 2), 0, 0, sizeof(real) == 8 ? 1e-28 : 1e-11);
    score[0] += (real)0.5;
    NEAR(dsm_loss(d, score, x, clean, a, s, 2), 0.25, 1e-5, 0);
    NEAR(d[0], 1, 1e-5, 0); // 2 x 0.5
    DIES("sigma = 0", dsm_loss(NULL, score, x, clean, 1, 0, 2));
}

// ---- a linear model: its training has an exact end ---------------------------------------------------------------

enum { F = 3, ROWS = 300 }; // features 1, x_1, x_2; eps_hat = W' phi

static void linear_features(real *phi, const real *x, int n) {
    for (int i = 0; i < n; i++) {
        phi[F * i] = 1;
        phi[F * i + 1] = x[2 * i];
        phi[F * i + 2] = x[2 * i + 1];
    }
}

static void linear_net_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    (void)t;
    (void)c;
    for (int i = 0; i < n; i++) {
        real phi[F];
        linear_features(phi, x + 2 * i, 1);
        for (int d = 0; d < 2; d++) {
            y[2 * i + d] = 0;
            for (int j = 0; j < F; j++) {
                y[2 * i + d] += net->p[2 * j + d] * phi[j];
            }
        }
    }
}

static void linear_net_backward(Net *net, real *dx, const real *dy, const real *x, const real *t, const int *c, int n) {
    (void)dx;
    (void)t;
    (void)c;
    for (int i = 0; i < n; i++) {
        real phi[F];
        linear_features(phi, x + 2 * i, 1);
        for (int j = 0; j < F; j++) {
            for (int d = 0; d < 2; d++) {
                net->g[2 * j + d] += phi[j] * dy[2 * i + d];
            }
        }
    }
}

static void test_linear(void) {
    Gmm p = three();
    Net net = net_new(2, 2, 2 * F);
    real *x = NEW(real, 2 * ROWS), *noise = NEW(real, 2 * ROWS), *phi = NEW(real, F * ROWS),
         *room = NEW(real, 2 * ROWS);
    real t[ROWS] = {0}, weight[1] = {(real)1.7};
    int c[ROWS] = {0};
    double W[2 * F], row_weight[ROWS], a = 0.8, s = 0.6, residual = 0;
    net.forward = linear_net_forward;
    net.backward = linear_net_backward;
    gmm_sample_many(x, NULL, &p, ROWS, 3, 1, 0);
    rng_fill_normal(noise, 2 * ROWS, 3, 2, 0);
    forward_noise_path(x, x, noise, a, s, 2 * ROWS);
    linear_features(phi, x, ROWS);
    dsm_linear_fit(W, phi, noise, NULL, ROWS, F, 2);
    for (int j = 0; j < F; j++) { // normal equations: the residual is orthogonal to every feature
        for (int d = 0; d < 2; d++) {
            double dot = 0;
            for (int i = 0; i < ROWS; i++) {
                double hat = 0;
                for (int k = 0; k < F; k++) {
                    hat += W[2 * k + d] * (double)phi[F * i + k];
                }
                dot += (double)phi[F * i + j] * (hat - (double)noise[2 * i + d]);
            }
            residual = fmax(residual, fabs(dot));
        }
    }
    CHECK(residual < 1e-9, "normal equations: %g", residual);
    // the training loop on the same rows: gradient descent with the trainer's own gradient, batch cut in pieces of 70
    for (int step = 0; step < 400; step++) {
        net_zero_grad(&net);
        denoiser_gradient(&net, room, x, noise, t, c, weight, ROWS, 70);
        for (size_t i = 0; i < net.np; i++) {
            net.p[i] -= (real)0.1 * net.g[i];
        }
        net_changed(&net);
    }
    for (int j = 0; j < 2 * F; j++) {
        NEAR(net.p[j], W[j], 0, sizeof(real) == 8 ? 1e-9 : 1e-5);
    }
    // weights: a row of weight 2 is the row twice
    for (int i = 0; i < ROWS; i++) {
        row_weight[i] = i < 100 ? 2 : 1;
    }
    double V[2 * F];
    dsm_linear_fit(V, phi, noise, row_weight, ROWS, F, 2);
    {
        real *more = NEW(real, F * (ROWS + 100)), *target = NEW(real, 2 * (ROWS + 100));
        memcpy(more, phi, F * ROWS * sizeof(real));
        memcpy(more + F * ROWS, phi, F * 100 * sizeof(real));
        memcpy(target, noise, 2 * ROWS * sizeof(real));
        memcpy(target + 2 * ROWS, noise, 2 * 100 * sizeof(real));
        dsm_linear_fit(W, more, target, NULL, ROWS + 100, F, 2);
        for (int j = 0; j < 2 * F; j++) {
            NEAR(V[j], W[j], 1e-9, 1e-12);
        }
        free(more);
        free(target);
    }
    DIES("do not determine", dsm_linear_fit(W, phi, noise, NULL, 2, F, 2));
    for (int i = 0; i < ROWS; i++) { // two features that are one
        phi[F * i + 2] = 3 * phi[F * i + 1];
    }
    DIES("feature 2", dsm_linear_fit(W, phi, noise, NULL, ROWS, F, 2));
    free(x);
    free(noise);
    free(phi);
    free(room);
    net_free(&net);
    gmm_free(&p);
}

// Many rows: the solution tends to sigma Cov(x_t)^-1, the exact denoiser when the data are one Gaussian.
static void test_linear_population(void) {
    enum { N = 40000 };
    Gmm g = gaussian(0.5, -0.3, 0.4, 0.09);
    real *x = NEW(real, 2 * N), *noise = NEW(real, 2 * N), *phi = NEW(real, F * N);
    double W[2 * F], a = 0.8, s = 0.6, v0 = a * a * 0.4 + s * s, v1 = a * a * 0.09 + s * s;
    gmm_sample_many(x, NULL, &g, N, 4, 1, 0);
    rng_fill_normal(noise, 2 * N, 4, 2, 0);
    forward_noise_path(x, x, noise, a, s, 2 * N);
    linear_features(phi, x, N);
    dsm_linear_fit(W, phi, noise, NULL, N, F, 2);
    // standard error of a slope: sqrt(floor of its axis / (N Var x))
    AGREES(W[2], sqrt(a * a * 0.4 / v0 / (N * v0)), s / v0);
    AGREES(W[5], sqrt(a * a * 0.09 / v1 / (N * v1)), s / v1);
    AGREES(W[3], sqrt(a * a * 0.09 / v1 / (N * v0)), 0);
    AGREES(W[0] + W[2] * a * 0.5, sqrt(a * a * 0.4 / v0 / N), 0); // eps_hat = 0 at the mean
    free(x);
    free(noise);
    free(phi);
    gmm_free(&g);
}

static void test_de_bruijn(void) {
    Gmm p = three(), g = gaussian(1, 2, 0.3, 0.3);
    for (double sigma = 0.3; sigma < 4; sigma *= 1.8) {
        double h = 1e-3 * sigma * sigma, v = sigma * sigma;
        double numeric = (dsm_entropy(&p, sqrt(v + h)) - dsm_entropy(&p, sqrt(v - h))) / (2 * h);
        NEAR(dsm_entropy_rate(&p, sigma), numeric, 1e-5, 0);
        NEAR(dsm_entropy_rate(&g, sigma), 1 / (0.3 + v), 1e-10, 0);
        NEAR(dsm_entropy(&g, sigma), log(2 * PI * exp(1.0) * (0.3 + v)), 1e-10, 1e-10);
    }
    gmm_free(&p);
    gmm_free(&g);
}

// The bound of a perfect denoiser on a schedule is what its cleaner end knows about x_0 more than its noisier end:
// sum (SNR_s - SNR_t)/2 mmse = I(x_0; x_s) - I(x_0; x_t),   I = h(x_sigma) - h(N(0, sigma^2 I)) in VE coordinates.
static void test_bound_is_information(void) {
    enum { STEPS = 60 };
    Gmm p = three();
    double first = 0.05, last = 6, sum = 0, know[2];
    for (int k = 0; k < STEPS; k++) {
        double low = first * pow(last / first, (double)k / STEPS), high = low * pow(last / first, 1.0 / STEPS);
        double middle = sqrt(low * high), abar = middle / (1 + middle);
        double mmse = dsm_floor(&p, alpha_of(abar), sigma_of(abar)).mmse;
        sum += vlb_weight_x0(low / (1 + low), high / (1 + high)) * mmse;
    }
    for (int end = 0; end < 2; end++) {
        double sigma = 1 / sqrt(end == 0 ? first : last);
        know[end] = dsm_entropy(&p, sigma) - log(2 * PI * exp(1.0) * sigma * sigma);
    }
    NEAR(sum, know[1] - know[0], 1e-3, 0);
    gmm_free(&p);
}

// The exact velocity has the least flow loss, mmse/t^2.
static void test_flow_floor(void) {
    enum { N = 20000 };
    Gmm p = three();
    for (double t = 0.2; t < 1; t += 0.35) {
        double sum = 0, square = 0;
        for (uint64_t i = 0; i < N; i++) {
            double x0[2], at[2], u[2];
            real clean[2], noise[2], x[2], u_hat[2];
            gmm_sample(x0, &p, 6, 1, i);
            rng_fill_normal(noise, 2, 6, 2, 2 * i);
            clean[0] = (real)x0[0];
            clean[1] = (real)x0[1];
            forward_noise_path(x, clean, noise, 1 - t, t, 2);
            at[0] = (double)x[0];
            at[1] = (double)x[1];
            gmm_velocity(u, &p, at, t);
            u_hat[0] = (real)u[0];
            u_hat[1] = (real)u[1];
            double loss = flow_loss(NULL, u_hat, clean, noise, 2);
            sum += loss / N;
            square += loss * loss / N;
        }
        AGREES(sum, sqrt((square - sum * sum) / N), dsm_floor(&p, 1 - t, t).mmse / (t * t));
    }
    gmm_free(&p);
}

int main(void) {
    test_floor();
    test_objective();
    test_linear();
    test_linear_population();
    test_de_bruijn();
    test_bound_is_information();
    test_flow_floor();
    return report("test_score_matching");
}
