// fused_embed.h: tests of ref/cuda/embed_fast.h against float64 loops.
#ifndef TILT_FUSED_EMBED_H
#define TILT_FUSED_EMBED_H

#include "fused_tools.h"

#include "../ref/cuda/embed_fast.h"

struct EmbedCase {
    FastEmbed s;
    size_t np, columns;
    Floats p, times, drows;
    std::vector<int> t, prompt, token;
};

static inline size_t embed_take(EmbedCase &k, size_t n) {
    k.np += n;
    return k.np - n;
}

static inline EmbedCase embed_case(int N, int waves, int width, int length, int words) {
    EmbedCase k;
    const int out[] = {width, width, 64, 128, 32};
    memset(&k.s, 0, sizeof k.s);
    k.np = 5; // something else comes first
    k.columns = 0;
    k.s.N = N;
    k.s.linears = 5;
    k.s.length = length;
    k.s.words = words;
    k.s.prompts = 4;
    for (int i = 0; i < 5; i++) {
        FastLinear *l = &k.s.linear[i];
        l->in = i == 0 ? waves : width;
        l->out = out[i];
        l->w = embed_take(k, (size_t)(l->in * l->out));
        l->b = embed_take(k, (size_t)l->out);
        l->rows = k.columns;
        k.columns += i < 2 ? 0 : (size_t)l->out;
    }
    k.s.table = embed_take(k, (size_t)(words * width));
    k.p = draw_floats(k.np, 0.3f);
    k.times = draw_floats((size_t)(10 * waves), 2);
    k.drows = draw_floats(k.columns * (size_t)N);
    for (int n = 0; n < N; n++) {
        k.t.push_back(n * 7 % 10);
        k.prompt.push_back(n * 3 % 5 - 1);
    }
    for (int c = 0; c < k.s.prompts; c++) {
        for (int j = 0; j < length; j++) {
            k.token.push_back(j == 2 ? -1 : (c + 2 * j) % (words - 1));
        }
    }
    for (int j = 0; j < length; j++) {
        k.token.push_back(j == 0 ? words - 1 : -1); // the null prompt has one word of its own
    }
    return k;
}

struct EmbedWant {
    Doubles z[2], a[2], dz[2], rows, g;
};

static inline double embed_p(const EmbedCase &k, size_t at, size_t row, int pitch, int column) {
    return k.p[at + row * (size_t)pitch + (size_t)column];
}

// All of it in float64, one image after the other.
static inline EmbedWant embed_want(const EmbedCase &k) {
    EmbedWant want;
    const FastEmbed &s = k.s;
    int width = s.linear[1].out;
    want.rows.assign(k.columns * (size_t)s.N, 0);
    want.g.assign(k.np, 0);
    for (int n = 0; n < s.N; n++) {
        int c = k.prompt[(size_t)n] < 0 ? s.prompts : k.prompt[(size_t)n];
        Doubles x, da((size_t)width, 0), dz;
        Doubles in[5];
        for (int i = 0; i < s.linear[0].in; i++) {
            in[0].push_back(k.times[(size_t)(k.t[(size_t)n] * s.linear[0].in + i)]);
        }
        for (int i = 0; i < s.linears; i++) {
            const FastLinear &l = s.linear[i];
            in[i] = i < 2 ? in[i] : in[2];
            Doubles next;
            for (int o = 0; o < l.out; o++) {
                double z = k.p[l.b + (size_t)o];
                for (size_t j = 0; j < (size_t)l.in; j++) {
                    z += in[i][j] * embed_p(k, l.w, j, l.out, o);
                }
                for (int j = 0; j < s.length && i == 1; j++) {
                    int word = k.token[(size_t)(c * s.length + j)];
                    z += word < 0 ? 0 : embed_p(k, s.table, (size_t)word, width, o);
                }
                if (i < 2) {
                    want.z[i].push_back(z);
                    next.push_back(z / (1 + exp(-z)));
                    want.a[i].push_back(next.back());
                } else {
                    double up = k.drows[(size_t)s.N * l.rows + (size_t)(n * l.out + o)];
                    want.rows[(size_t)s.N * l.rows + (size_t)(n * l.out + o)] = z;
                    for (int j = 0; j < width; j++) {
                        da[(size_t)j] += up * embed_p(k, l.w, (size_t)j, l.out, o);
                        want.g[l.w + (size_t)(j * l.out + o)] += up * in[2][(size_t)j];
                    }
                    want.g[l.b + (size_t)o] += up;
                }
            }
            if (i < 2) {
                in[i + 1] = next;
            }
        }
        for (int i = 1; i >= 0; i--) {
            const FastLinear &l = s.linear[i];
            Doubles below((size_t)l.in, 0);
            for (int o = 0; o < width; o++) {
                double z = want.z[i][(size_t)(n * width + o)], sig = 1 / (1 + exp(-z));
                double d = da[(size_t)o] * sig * (1 + z * (1 - sig));
                want.dz[i].push_back(d);
                for (int j = 0; j < l.in; j++) {
                    below[(size_t)j] += d * embed_p(k, l.w, (size_t)j, l.out, o);
                    want.g[l.w + (size_t)(j * l.out + o)] += d * in[i][(size_t)j];
                }
                want.g[l.b + (size_t)o] += d;
                for (int j = 0; j < s.length && i == 1; j++) {
                    int word = k.token[(size_t)(c * s.length + j)];
                    if (word >= 0) {
                        want.g[s.table + (size_t)(word * width + o)] += d;
                    }
                }
            }
            da = below;
        }
    }
    return want;
}

static inline void test_embed(int N, int waves, int width) {
    EmbedCase k = embed_case(N, waves, width, 3, 6);
    EmbedWant want = embed_want(k);
    size_t hidden = (size_t)(N * width);
    Floats z1, a1, z2, e, rows, dz1, dz2, g;
    char name[99];
    snprintf(name, sizeof name, "embedding of %d images, %d waves, width %d: rows", N, waves, width);
    in_every_order(name, [&] {
        Floats *const all[] = {&z1, &a1, &z2, &e, &dz1, &dz2};
        for (Floats *v : all) {
            poison(*v, hidden);
        }
        poison(rows, k.columns * (size_t)N);
        poison(g, k.np);
        EmbedData d = {k.p.data(), k.times.data(), k.t.data(),  k.prompt.data(), k.token.data(), z1.data(),  a1.data(),
                       z2.data(),  e.data(),       rows.data(), k.drows.data(),  dz1.data(),     dz2.data(), g.data()};
        embed_forward(&k.s, &d, 0);
        embed_backward(&k.s, &d, 0);
        return hash_of(rows, hash_of(g));
    });
    expect(name, rows, want.rows);
    expect("  dz2", dz2, want.dz[1]);
    expect("  dz1", dz1, want.dz[0]);
    for (int i = 0; i < 5; i++) { // the numbers before the first linear belong to nobody here and stay as they were
        CHECK(g[(size_t)i] != g[(size_t)i], "gradient %d of somebody else was written: %g", i, (double)g[(size_t)i]);
    }
    g.erase(g.begin(), g.begin() + 5);
    want.g.erase(want.g.begin(), want.g.begin() + 5);
    expect("  gradients of linears and of the words", g, want.g);
}

static inline void test_rows_sums(int N, int pixels, int C) {
    Halves dy = draw_halves((size_t)(N * pixels * C), 1, 0.2f);
    Doubles want((size_t)(N * C), 0);
    Floats sums;
    for (size_t i = 0; i < dy.size(); i++) {
        want[i / (size_t)(pixels * C) * (size_t)C + i % (size_t)C] += value(dy[i]);
    }
    in_every_order("rows_sums", [&] {
        poison(sums, (size_t)(N * C));
        rows_sums(dy.data(), sums.data(), N, pixels, C, 0);
        return hash_of(sums);
    });
    expect("sums over the pixels of an image", sums, want);
}

static inline void test_embeddings() {
    test_embed(1, 32, 32);
    test_embed(11, 100, 96); // two groups of images; inputs that fill no tile
    test_embed(34, 32, 32);  // two tiles of images in the gradient of the weights
    test_rows_sums(2, 16, 128);
    test_rows_sums(1, 64, 64);
}

#endif
