// fused_norm.h: tests of ref/cuda/norm_fast.h and of the sums of embed_fast.h against float64 loops.
#ifndef TILT_FUSED_NORM_H
#define TILT_FUSED_NORM_H

#include "fused_tools.h"

#include "../ref/cuda/norm_fast.h"

struct NormCase {
    FastNorm s;
    Halves x1, x2, dy;
    Floats gain, shift;
};

static inline NormCase norm_case(int N, int side, int C1, int C2, int G, int silu, float mean) {
    NormCase k;
    size_t M = (size_t)(N * side * side);
    FastNorm s = {N, side, side, C1, C2, G, 1e-5f, silu};
    k.s = s;
    k.x1 = draw_halves(M * (size_t)C1, 1, mean);
    k.x2 = draw_halves(M * (size_t)C2, 0.5f, -mean);
    k.dy = draw_halves(M * (size_t)(C1 + C2));
    k.gain = draw_floats((size_t)(C1 + C2), 1, 1);
    k.shift = draw_floats((size_t)(C1 + C2));
    return k;
}

static inline double norm_x(const NormCase &k, size_t m, int c) {
    size_t C1 = (size_t)k.s.C1, C2 = (size_t)k.s.C2, at = (size_t)c;
    return at < C1 ? value(k.x1[m * C1 + at]) : value(k.x2[m * C2 + at - C1]);
}

struct NormWant {
    Doubles y, stats, dx1, dx2, dgain_dshift;
};

// Everything in float64; dx1 and dx2 without what was there before.
static inline NormWant norm_want(const NormCase &k) {
    const FastNorm &s = k.s;
    int C = s.C1 + s.C2, per = C / s.G, pixels = s.H * s.W;
    size_t M = (size_t)(s.N * pixels);
    double count = (double)pixels * per;
    NormWant w;
    w.y.resize(M * (size_t)C);
    w.dx1.resize(M * (size_t)s.C1);
    w.dx2.resize(M * (size_t)s.C2);
    w.dgain_dshift.assign((size_t)C * 2, 0);
    for (int n = 0; n < s.N; n++) {
        for (int g = 0; g < s.G; g++) {
            double mean = 0, variance = 0, mean_d = 0, mean_dh = 0, rstd = 0;
            for (int pass = 0; pass < 4; pass++) {
                for (int p = 0; p < pixels; p++) {
                    for (int c = g * per; c < (g + 1) * per; c++) {
                        size_t m = (size_t)(n * pixels + p), at = m * (size_t)C + (size_t)c;
                        double x = norm_x(k, m, c), h = (x - mean) * rstd, gain = k.gain[(size_t)c];
                        double z = gain * h + k.shift[(size_t)c], sig = 1 / (1 + exp(-z));
                        double dz = value(k.dy[at]) * (s.silu ? sig * (1 + z * (1 - sig)) : 1);
                        if (pass == 0) {
                            mean += x / count;
                        } else if (pass == 1) {
                            variance += (x - mean) * (x - mean) / count;
                        } else if (pass == 2) {
                            w.y[at] = s.silu ? z * sig : z;
                            mean_d += gain * dz / count;
                            mean_dh += gain * dz * h / count;
                            w.dgain_dshift[(size_t)c] += dz * h;
                            w.dgain_dshift[(size_t)(C + c)] += dz;
                        } else {
                            double dx = rstd * (gain * dz - mean_d - h * mean_dh);
                            if (c < s.C1) {
                                w.dx1[m * (size_t)s.C1 + (size_t)c] = dx;
                            } else {
                                w.dx2[m * (size_t)s.C2 + (size_t)(c - s.C1)] = dx;
                            }
                        }
                    }
                }
                // the pass over the squares needs the whole mean first, and that over z the whole variance
                rstd = pass == 1 ? 1 / sqrt(variance + (double)s.eps) : rstd;
            }
            w.stats.push_back(mean);
            w.stats.push_back(rstd);
        }
    }
    return w;
}

static inline void test_norm(int N, int side, int C1, int C2, int G, int silu) {
    NormCase k = norm_case(N, side, C1, C2, G, silu, 0.5f);
    NormWant w = norm_want(k);
    int C = C1 + C2, parts = norm_parts(&k.s);
    size_t M = (size_t)(N * side * side), sums = (size_t)(N * fast_sum_parts(side, side) * 2);
    Floats sums1, sums2, stats, parameter_sums, total((size_t)(2 * C), 0);
    Halves y, dx1, dx2, old1 = draw_halves(M * (size_t)C1), old2 = draw_halves(M * (size_t)C2);
    char name[99];
    snprintf(name, sizeof name, "norm %d x %dx%d, %d|%d channels, %d groups%s", N, side, side, C1, C2, G,
             silu ? ", silu" : "");
    in_every_order(name, [&] {
        NormForward f = {k.x1.data(), k.x2.data(), NULL, NULL, k.gain.data(), k.shift.data(), NULL, NULL};
        poison(sums1, sums * (size_t)C1);
        poison(sums2, sums * (size_t)C2);
        poison(stats, (size_t)(N * G * 2));
        poison(y, M * (size_t)C);
        f.sums1 = sums1.data();
        f.sums2 = sums2.data();
        f.y = y.data();
        f.stats = stats.data();
        group_sums(k.x1.data(), sums1.data(), N, side, side, C1, 0);
        if (C2 > 0) {
            group_sums(k.x2.data(), sums2.data(), N, side, side, C2, 0);
        }
        norm_forward(&k.s, &f, 0);
        return hash_of(y, hash_of(stats, hash_of(sums1)));
    });
    expect(name, y, w.y);
    expect("  mean and rstd", stats, w.stats);
    in_every_order(name, [&] { // x1's gradient is added to what is there, x2's written
        NormBackward b = {k.dy.data(), k.x1.data(), k.x2.data(), stats.data(), k.gain.data(), k.shift.data(), NULL,
                          NULL,        1,           0,           NULL};
        dx1 = old1;
        poison(dx2, M * (size_t)C2);
        poison(parameter_sums, (size_t)(N * parts * 2 * C));
        b.dx1 = dx1.data();
        b.dx2 = dx2.data();
        b.sums = parameter_sums.data();
        norm_backward(&k.s, &b, 0);
        return hash_of(dx1, hash_of(dx2, hash_of(parameter_sums)));
    });
    for (size_t i = 0; i < M * (size_t)C1; i++) {
        w.dx1[i] += value(old1[i]);
    }
    for (size_t i = 0; i < parameter_sums.size(); i++) {
        total[i % (size_t)(2 * C)] += parameter_sums[i];
    }
    expect("  dx1, added", dx1, w.dx1);
    if (C2 > 0) {
        expect("  dx2, written", dx2, w.dx2);
    }
    expect("  dgain and dshift", total, w.dgain_dshift);
}

// How far E[x^2] - mean^2 in fp32 carries: relative error of rstd for a mean of so many deviations.
static inline void test_norm_far(float deviations, double limit) {
    NormCase k = norm_case(1, 16, 64, 0, 32, 0, deviations * 0.57735f);
    NormWant w = norm_want(k);
    Floats sums, stats;
    Halves y;
    char name[99];
    NormForward f = {k.x1.data(), NULL, NULL, NULL, k.gain.data(), k.shift.data(), NULL, NULL};
    poison(sums, (size_t)(fast_sum_parts(16, 16) * 2 * 64));
    poison(stats, 64);
    poison(y, 256 * 64);
    f.sums1 = sums.data();
    f.y = y.data();
    f.stats = stats.data();
    group_sums(k.x1.data(), sums.data(), 1, 16, 16, 64, 0);
    norm_forward(&k.s, &f, 0);
    Floats rstd;
    Doubles want;
    for (size_t g = 0; g < 32; g++) {
        rstd.push_back(stats[2 * g + 1]);
        want.push_back(w.stats[2 * g + 1]);
    }
    snprintf(name, sizeof name, "rstd where the mean is %g deviations", (double)deviations);
    expect(name, rstd, want, limit);
}

static inline void test_norms() {
    test_norm(2, 4, 64, 64, 32, 1);
    test_norm(1, 8, 64, 128, 32, 1); // 6 channels a group: one reaches from x1 into x2
    test_norm(3, 8, 64, 0, 16, 0);
    test_norm(2, 16, 64, 0, 32, 1); // two channels a group, two parts of sums
    test_norm_far(10, 1e-4);
    test_norm_far(100, 1e-2);
}

#endif
