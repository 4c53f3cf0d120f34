// fused_step.h: tests of ref/cuda/step_fast.h and sample_fast.h against float64 loops, and of elementary_fast.h against
// the bits of ref/core.
#ifndef TILT_FUSED_STEP_H
#define TILT_FUSED_STEP_H

#include "fused_tools.h"

#include "../ref/core/optim.h"
#include "../ref/cuda/sample_fast.h"
#include "../ref/cuda/step_fast.h"

// ---- gradients in slices, Adam ------------------------------------------------------------------------------------

struct StepCase {
    size_t np;
    std::vector<Floats> sums; // of every segment
    std::vector<FastSegment> segment;
    std::vector<FastChunk> chunk;
    FastTable table;
};

static inline void step_add(StepCase &k, int count, int slices, int gap) {
    FastSegment s = {k.np, count, slices, (size_t)(count + gap), NULL};
    k.sums.push_back(draw_floats((size_t)slices * s.stride));
    k.segment.push_back(s);
    k.np += (size_t)count;
}

static inline StepCase step_case() {
    StepCase k;
    k.np = 0;
    step_add(k, 2500, 1, 0);
    step_add(k, 1030, 3, 7); // not a multiple of a chunk, of a warp, of four
    step_add(k, 40, 21, 5);  // tall
    step_add(k, 3, 2, 0);
    k.np += 10; // numbers of nobody
    step_add(k, 33, 100, 0);
    for (size_t i = 0; i < k.segment.size(); i++) {
        k.segment[i].sums = k.sums[i].data();
    }
    k.chunk.resize((size_t)step_chunks(NULL, k.segment.data(), (int)k.segment.size()));
    k.table.segment = k.segment.data();
    k.table.chunk = k.chunk.data();
    k.table.chunks = step_chunks(k.chunk.data(), k.segment.data(), (int)k.segment.size());
    return k;
}

static inline Doubles step_gradient(const StepCase &k) {
    Doubles g(k.np, 0);
    for (size_t j = 0; j < k.segment.size(); j++) {
        const FastSegment &s = k.segment[j];
        for (int i = 0; i < s.count; i++) {
            for (int slice = 0; slice < s.slices; slice++) {
                g[s.at + (size_t)i] += s.sums[(size_t)slice * s.stride + (size_t)i];
            }
        }
    }
    return g;
}

static inline double square_sum(const Doubles &g) {
    double sum = 0;
    for (double x : g) {
        sum += x * x;
    }
    return sum;
}

static inline void test_fold() {
    StepCase k = step_case();
    Doubles want = step_gradient(k), twice;
    Floats g, before = draw_floats(k.np);
    Doubles squares((size_t)k.table.chunks);
    StepRule rule = {1e-3, 0.9, 0.999, 1e-8, 0, 0, 0, 0, 3, 0, 0};
    StepState state;
    in_every_order("fold_slices", [&] {
        memset((void *)&state, 0, sizeof state);
        poison(g, k.np);
        for (double &x : squares) {
            x = NAN;
        }
        fold_slices(&k.table, g.data(), squares.data(), 0, 0);
        step_begin(&state, &rule, squares.data(), k.table.chunks, 0);
        return hash_of(squares, hash_bytes(hash_of(g), &state, sizeof state));
    });
    size_t nobody = 2500 + 1030 + 40 + 3;
    for (size_t i = nobody; i < nobody + 10; i++) {
        CHECK(g[i] != g[i], "number %d has no segment and was written", (int)i);
        g[i] = 0;
    }
    expect("gradient from slices", g, want);
    NEAR(state.norm, sqrt(square_sum(want)), 1e-6, 0);
    NEAR(state.clip, 3 / sqrt(square_sum(want)), 1e-6, 0);
    g = before;
    fold_slices(&k.table, g.data(), NULL, 1, 0);
    for (size_t i = 0; i < k.np; i++) {
        twice.push_back(before[i] + want[i]);
    }
    expect("gradient from slices, added", g, twice);
}

// Four steps with clipping, warm-up, decay and average; the formula in float64 with the float constants of adam_step.
static inline void test_adam() {
    StepCase k = step_case();
    Doubles g = step_gradient(k), p, m, v, average, squares((size_t)k.table.chunks);
    StepRule rule = {1e-2, 0.9, 0.999, 1e-8, 0.1, 0.95, 0, 0, 30, 2, 10};
    Floats p0 = draw_floats(k.np), m0 = draw_floats(k.np, 0.1f), v0 = draw_floats(k.np), e0 = draw_floats(k.np);
    Floats kp, km, kv, ke, folded(k.np);
    Halves copy;
    StepState state;
    double clip = fmin(1, 30 / sqrt(square_sum(g)));
    double b1 = (float)rule.beta1, b2 = (float)rule.beta2;
    for (float &x : v0) {
        x = fabsf(x);
    }
    in_every_order("adam_slices", [&] {
        AdamData a;
        kp = p0;
        km = m0;
        kv = v0;
        ke = e0;
        poison(copy, k.np);
        a.p = kp.data();
        a.m = km.data();
        a.v = kv.data();
        a.average = ke.data();
        a.copy = copy.data();
        memset((void *)&state, 0, sizeof state);
        for (int step = 0; step < 4; step++) {
            fold_slices(&k.table, folded.data(), squares.data(), 0, 0);
            step_begin(&state, &rule, squares.data(), k.table.chunks, 0);
            adam_slices(&k.table, &a, &rule, &state, 0);
        }
        return hash_of(kp, hash_of(km, hash_of(kv, hash_of(ke, hash_of(copy)))));
    });
    size_t nobody = 2500 + 1030 + 40 + 3;
    for (size_t i = 0; i < k.np; i++) {
        p.push_back(p0[i]);
        m.push_back(m0[i]);
        v.push_back(v0[i]);
        average.push_back(e0[i]);
        for (int step = 0; step < 4 && (i < nobody || i >= nobody + 10); step++) {
            double rate = rule.rate * (step < 2 ? (step + 1) / 2.0 : 1) * (0.5 + 0.5 * cos(PI * step / 10)),
                   d = g[i] * clip;
            m[i] = b1 * m[i] + (1 - b1) * d;
            v[i] = b2 * v[i] + (1 - b2) * d * d;
            double mh = m[i] / (1 - pow(rule.beta1, step + 1)), vh = v[i] / (1 - pow(rule.beta2, step + 1));
            p[i] -= rate * (mh / (sqrt(vh) + rule.eps) + rule.decay * p[i]);
            average[i] = rule.keep * average[i] + (1 - rule.keep) * p[i];
        }
    }
    Doubles moved, want_moved;
    Floats steps;
    for (size_t i = 0; i < k.np; i++) { // the movement alone: small beside p
        steps.push_back(kp[i] - p0[i]);
        want_moved.push_back(p[i] - p0[i]);
    }
    expect("adam: parameters", kp, p);
    expect("adam: movement", steps, want_moved, 1e-4); // a float p rounds at 6e-8, and moves by some hundredths
    expect("adam: first moment", km, m);
    expect("adam: second moment", kv, v);
    expect("adam: moving average", ke, average);
    for (size_t i = nobody; i < nobody + 10; i++) {
        CHECK(copy[i].bits == 0x7fc0, "number %d has no segment and was written", (int)i);
        copy[i] = to_bf16(kp[i]);
    }
    expect("adam: bf16 copy", copy, p);
    CHECK(state.step == 4, "%d steps counted, expected 4", state.step);
}

// The numbers of adam_step itself: without clipping, a constant rate, one slice.
static inline void test_adam_as_on_the_cpu() {
    size_t np = 1500;
    Net net = net_new(1, 1, np);
    Adam adam = adam_new(&net, 3e-3);
    Floats sums = draw_floats(np), p = draw_floats(np), m(np, 0), v(np, 0);
    FastSegment segment = {0, (int)np, 1, np, sums.data()};
    FastChunk chunk[2];
    FastTable table = {&segment, chunk, step_chunks(chunk, &segment, 1)};
    StepRule rule = {3e-3, 0.9, 0.999, 1e-8, 0.05, 0, 0, 0, 0, 0, 0};
    AdamData a = {p.data(), m.data(), v.data(), NULL, NULL};
    StepState state;
    size_t same = 0;
    memset((void *)&state, 0, sizeof state);
    adam.decay = rule.decay;
    memcpy(net.p, p.data(), np * sizeof(float));
    memcpy(net.g, sums.data(), np * sizeof(float));
    for (int step = 0; step < 3; step++) {
        adam_step(&adam, &net);
        step_begin(&state, &rule, NULL, 0, 0);
        adam_slices(&table, &a, &rule, &state, 0);
    }
    for (size_t i = 0; i < np; i++) {
        same += net.p[i] == p[i] && adam.m[i] == m[i] && adam.v[i] == v[i];
    }
    CHECK(same == np && p[0] != 0, "%zu of %zu parameters have the bits of adam_step", same, np);
    adam_free(&adam);
    net_free(&net);
}

// ---- noise and images ---------------------------------------------------------------------------------------------

static inline void test_noise_bits() {
    size_t n = 3000, same = 0, same_uniform = 0, same_step = 0;
    Floats out, want(n), late;
    int step = 2;
    rng_fill_normal(want.data(), n, 7, 9, 100);
    in_every_order("noise_fill", [&] {
        poison(out, n);
        noise_fill(out.data(), n, 7, 9, 100, NULL, 0);
        return hash_of(out);
    });
    poison(late, 500);
    noise_fill(late.data(), 500, 7, 9, 100, &step, 0);
    for (size_t i = 0; i < n; i++) {
        same += out[i] == want[i];
        same_uniform += fast_rng_uniform(rng_key(3, 4), i) == rng_uniform(3, 4, i);
        same_step += i >= 1000 && i < 1500 && late[i - 1000] == want[i];
    }
    CHECK(same == n && same_uniform == n && same_step == 500, "bits of rng.h: %zu normal, %zu uniform of %zu, %zu late",
          same, same_uniform, n, same_step);
    for (int i = 0; i < 2000; i++) {
        double x = 0.37 * i - 300;
        same += fast_e_exp(x) == e_exp(x) && fast_e_log(0.01 + i) == e_log(0.01 + i) && fast_e_cos(x) == e_cos(x) &&
                fast_e_pow(0.999, i) == e_pow(0.999, i);
    }
    CHECK(same == n + 2000, "%zu of 2000 have the bits of elementary.h", same - n);
}

static inline void test_images() {
    const int N = 3;
    const size_t dim = 300, n = (size_t)N * dim;
    Floats alpha = draw_floats(5), sigma = draw_floats(5), weight = draw_floats(3), x = draw_floats(n);
    Floats F = draw_floats(n), noise = draw_floats(n), out, eps, dF, losses, mean, dx;
    const int t[] = {4, 0, 3};
    Levels l = {alpha.data(), sigma.data(), t, N, dim};
    Doubles want_xt, want_eps, want_dF, want_losses(3, 0), want_mean(1, 0), want_alpha, want_dx;
    for (size_t i = 0; i < n; i++) {
        double a = alpha[(size_t)t[i / dim]], s = sigma[(size_t)t[i / dim]], w = weight[i / dim];
        double e = s * x[i] + a * F[i], off = e - noise[i];
        want_xt.push_back(a * x[i] + s * noise[i]);
        want_eps.push_back(e);
        want_losses[i / dim] += w * off * off / (double)dim;
        want_mean[0] += w * off * off / (double)n;
        want_dF.push_back(a * w * 2 * off / (double)n);
        want_alpha.push_back(a * noise[i]);
        want_dx.push_back(s * noise[i] + x[i]);
    }
    in_every_order("images", [&] {
        EpsLoss e = {x.data(), F.data(), noise.data(), weight.data(), NULL, NULL};
        poison(out, n);
        poison(eps, n);
        poison(dF, n);
        poison(losses, 3);
        poison(mean, 1);
        e.losses = losses.data();
        e.dF = dF.data();
        q_sample(out.data(), x.data(), noise.data(), &l, 0);
        eps_of_result(eps.data(), x.data(), F.data(), &l, 0);
        eps_loss(&e, &l, mean.data(), 0);
        return hash_of(out, hash_of(eps, hash_of(dF, hash_of(losses, hash_of(mean)))));
    });
    expect("q_sample", out, want_xt);
    expect("eps from F", eps, want_eps);
    expect("losses of images", losses, want_losses);
    expect("mean loss", mean, want_mean);
    expect("gradient of the loss in F", dF, want_dF);
    poison(dF, n);
    poison(dx, n);
    eps_backward_result(dF.data(), noise.data(), &l, 0);
    eps_backward_image(dx.data(), noise.data(), x.data(), &l, 0);
    expect("eps backward: F", dF, want_alpha);
    expect("eps backward: x", dx, want_dx);
}

// DDIM with eta between 0 and 1 and guidance, from abar_t to abar_s, by way of x0hat.
static inline void test_sample_step() {
    const size_t n = 700;
    const double abar_t = 0.3, abar_s = 0.7, eta = 0.5, s = 1.7;
    double alpha = sqrt(abar_t), sigma = sqrt(1 - abar_t);
    double c = eta * sqrt((1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s)), along = sqrt(1 - abar_s - c * c);
    Floats x = draw_floats(n), F = draw_floats(n), plain = draw_floats(n), z = draw_floats(n), out, calm;
    Doubles want, want_calm, want_halves;
    SampleWeights w = sample_weights(sqrt(abar_s / abar_t), along - sqrt(abar_s / abar_t) * sigma, c, alpha, sigma);
    SampleWeights no_noise = w;
    no_noise.z = 0;
    for (size_t i = 0; i < n; i++) {
        double e = sigma * x[i] + alpha * F[i], e_plain = sigma * x[i] + alpha * plain[i];
        double guided = e_plain + s * (e - e_plain);
        want.push_back(sqrt(abar_s) * (x[i] - sigma * guided) / alpha + along * guided + c * z[i]);
        want_calm.push_back(sqrt(abar_s) * (x[i] - sigma * e) / alpha + along * e);
        want_halves.push_back(x[i]);
    }
    poison(out, n);
    SampleStep step = {out.data(), x.data(), F.data(), plain.data(), (float)s, z.data(), &w};
    sample_step(&step, n, 0);
    expect("a step of DDIM, guided, with noise", out, want);
    calm = x; // in place
    SampleStep still = {calm.data(), calm.data(), F.data(), NULL, 0, NULL, &no_noise};
    sample_step(&still, n, 0);
    expect("a step of DDIM in place", calm, want_calm);
    Halves halves;
    Floats back;
    poison(halves, n);
    poison(back, n);
    to_halves(halves.data(), x.data(), n, 0);
    to_floats(back.data(), halves.data(), n, 0);
    expect("fp32 to bf16", halves, want_halves);
    expect("and back", back, want_halves, 4e-3);
}

static inline void test_steps() {
    test_fold();
    test_adam();
    test_adam_as_on_the_cpu();
    test_noise_bits();
    test_images();
    test_sample_step();
}

#endif
