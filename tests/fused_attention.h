// fused_attention.h: tests of ref/cuda/attention_fast.h against float64 loops.
#ifndef TILT_FUSED_ATTENTION_H
#define TILT_FUSED_ATTENTION_H

#include "fused_tools.h"

#include "../ref/cuda/attention_fast.h"

struct AttentionWant {
    Doubles out, lse, dqkv;
};

static inline double attention_dot(const bf16 *a, const bf16 *b, int C) {
    double sum = 0;
    for (int c = 0; c < C; c++) {
        sum += value(a[c]) * value(b[c]);
    }
    return sum;
}

// dout: of the exact output, although the kernel's D sees the rounded one.
static inline AttentionWant attention_want(const FastAttention &s, const Halves &qkv, const Halves &dout) {
    AttentionWant w;
    size_t T = (size_t)s.T, C = (size_t)s.C, N = (size_t)s.N;
    w.out.assign(N * T * C, 0);
    w.dqkv.assign(N * T * 3 * C, 0);
    for (size_t n = 0; n < N; n++) {
        const bf16 *image = &qkv[n * T * 3 * C];
        for (size_t i = 0; i < T; i++) {
            Doubles P(T), dP(T);
            const bf16 *q = image + i * 3 * C, *d = &dout[(n * T + i) * C];
            double *out = &w.out[(n * T + i) * C], *dqkv = &w.dqkv[n * T * 3 * C];
            double sum = 0, D = 0;
            for (size_t j = 0; j < T; j++) {
                P[j] = exp(attention_dot(q, image + j * 3 * C + C, s.C) / sqrt((double)C));
                sum += P[j];
            }
            w.lse.push_back(log(sum));
            for (size_t j = 0; j < T; j++) {
                P[j] /= sum;
                dP[j] = attention_dot(d, image + j * 3 * C + 2 * C, s.C);
                D += P[j] * dP[j];
            }
            for (size_t j = 0; j < T; j++) {
                double dS = P[j] * (dP[j] - D) / sqrt((double)C);
                for (size_t c = 0; c < C; c++) {
                    out[c] += P[j] * value(image[j * 3 * C + 2 * C + c]);
                    dqkv[i * 3 * C + c] += dS * value(image[j * 3 * C + C + c]);
                    dqkv[j * 3 * C + C + c] += dS * value(q[c]);
                    dqkv[j * 3 * C + 2 * C + c] += P[j] * value(d[c]);
                }
            }
        }
    }
    return w;
}

// One of q, k, v (part 0, 1, 2) of all tokens.
template <class V> static inline V attention_part(const V &qkv, int part, int C) {
    V v;
    for (size_t i = 0; i < qkv.size(); i++) {
        if ((int)(i / (size_t)C % 3) == part) {
            v.push_back(qkv[i]);
        }
    }
    return v;
}

template <class Tile> static inline void test_attention(int N, int T, int C, bool every_order) {
    FastAttention s = {N, T, C};
    size_t tokens = (size_t)(N * T);
    Halves qkv = draw_halves(tokens * 3 * (size_t)C, 2), dout = draw_halves(tokens * (size_t)C), out, dqkv;
    Floats lse, D;
    AttentionWant want = attention_want(s, qkv, dout);
    char name[99];
    snprintf(name, sizeof name, "attention of %d rows a block, %d x %d tokens, %d channels", (int)Tile::ROWS, N, T, C);
    auto run = [&] {
        AttentionBackward b = {dout.data(), NULL, qkv.data(), NULL, NULL, NULL};
        poison(out, tokens * (size_t)C);
        poison(dqkv, tokens * 3 * (size_t)C);
        poison(lse, tokens);
        poison(D, tokens);
        b.out = out.data();
        b.lse = lse.data();
        b.D = D.data();
        b.dqkv = dqkv.data();
        attention_forward_as<Tile>(&s, qkv.data(), out.data(), lse.data(), 0);
        attention_backward_as<Tile>(&s, &b, 0);
        return hash_of(out, hash_of(lse, hash_of(dqkv)));
    };
    if (every_order) {
        in_every_order(name, run);
    } else {
        run();
    }
    expect(name, out, want.out);
    expect("  log-sum-exp", lse, want.lse);
    expect("  dq", attention_part(dqkv, 0, C), attention_part(want.dqkv, 0, C));
    expect("  dk", attention_part(dqkv, 1, C), attention_part(want.dqkv, 1, C));
    expect("  dv", attention_part(dqkv, 2, C), attention_part(want.dqkv, 2, C));
}

static inline void test_attentions() {
    test_attention<AttentionTile<16, 4>>(2, 16, 256, true);
    test_attention<AttentionTile<16, 4>>(1, 48, 128, true);
    test_attention<AttentionTile<64, 2>>(1, 80, 128, true); // the second block has 16 rows
    test_attention<AttentionTile<64, 2>>(1, 256, 64, false);
}

#endif
