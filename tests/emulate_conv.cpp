// emulate_conv.cpp: the tensor-core convolutions (ref/cuda/conv_mma*.h), emulated, against float64 loops over the same
// bf16 numbers.  The loops know a convolution only as the list of its terms (result pixel, source pixel, tap), from
// which forward and both gradients follow; the kernels' tables are not used.
//   g++ -std=c++17 -O1 -DEMULATE tests/emulate_conv.cpp -o emulate_conv && ./emulate_conv
#include "emulate_check.h"
#include "../ref/cuda/conv_mma_weights.h"

static const double BF16_LIMIT = 4e-3, FP32_LIMIT = 1e-5;

struct Shape {
    const char *what;
    FastConv c;
    int tile; // or -1: the one that mma_pick takes
};

// ---- the reference ------------------------------------------------------------------------------------------------

struct Term {
    int result, source, tap;
};

static int source_pixels(const FastConv &c) {
    int pixels = c.N * c.H * c.W;
    return c.how == CONV_HALVE ? 4 * pixels : c.how == CONV_DOUBLE ? pixels / 4 : pixels;
}

static std::vector<Term> terms(const FastConv &c) {
    std::vector<Term> list;
    for (int n = 0; n < c.N; n++) {
        for (int h = 0; h < c.H; h++) {
            for (int w = 0; w < c.W; w++) {
                for (int tap = 0; tap < c.k * c.k; tap++) {
                    int stride = c.how == CONV_HALVE ? 2 : 1;
                    int y = stride * h + tap / c.k - c.k / 2, x = stride * w + tap % c.k - c.k / 2;
                    int high = stride * c.H, wide = stride * c.W;
                    if (y < 0 || y >= high || x < 0 || x >= wide) {
                        continue;
                    }
                    if (c.how == CONV_DOUBLE) {
                        y /= 2;
                        x /= 2;
                        high /= 2;
                        wide /= 2;
                    }
                    Term t = {(n * c.H + h) * c.W + w, (n * high + y) * wide + x, tap};
                    list.push_back(t);
                }
            }
        }
    }
    return list;
}

// x1 | x2 in one array
static std::vector<double> beside(const std::vector<double> &x1, int C1, const std::vector<double> &x2, int C2,
                                  int pixels) {
    std::vector<double> x((size_t)pixels * (C1 + C2));
    for (int m = 0; m < pixels; m++) {
        for (int i = 0; i < C1 + C2; i++) {
            x[(size_t)m * (C1 + C2) + i] = i < C1 ? x1[(size_t)m * C1 + i] : x2[(size_t)m * C2 + i - C1];
        }
    }
    return x;
}

// Columns `from` .. from + count - 1 of a matrix with `width` columns.
static std::vector<double> columns(const std::vector<double> &x, int width, int from, int count) {
    std::vector<double> y;
    for (size_t m = 0; m < x.size() / (size_t)width; m++) {
        y.insert(y.end(), x.begin() + (long)(m * width + from), x.begin() + (long)(m * width + from + count));
    }
    return y;
}

// ---- forward ------------------------------------------------------------------------------------------------------

// extras: 1 bias, 2 image vectors, 4 skip connection, 8 sums
static void forward(const Shape &s, int extras) {
    const FastConv &c = s.c;
    int M = c.N * c.H * c.W, in = c.C1 + c.C2, sources = source_pixels(c), parts = c.N * fast_sum_parts(c.H, c.W);
    Numbers<bf16> x1((size_t)sources * c.C1, 1), x2((size_t)sources * c.C2, 1), w((size_t)c.k * c.k * in * c.out, 0.1f);
    Numbers<float> bias(c.out + 1, 1), rows((size_t)c.N * c.out, 1);
    Numbers<bf16> add((size_t)M * c.out, 1), y((size_t)M * c.out);
    Numbers<float> sums((size_t)parts * 2 * c.out);
    std::vector<double> X = beside(x1.values(), c.C1, x2.values(), c.C2, sources), W = w.values();
    std::vector<double> Y((size_t)M * c.out), S(sums.n);
    for (const Term &t : terms(c)) {
        for (int i = 0; i < in; i++) {
            double a = X[(size_t)t.source * in + i];
            for (int o = 0; o < c.out; o++) {
                Y[(size_t)t.result * c.out + o] += a * W[((size_t)t.tap * in + i) * c.out + o];
            }
        }
    }
    for (int m = 0; m < M; m++) {
        for (int o = 0; o < c.out; o++) {
            double &v = Y[(size_t)m * c.out + o];
            v += extras & 1 ? bias.p[1 + o] : 0;
            v += extras & 2 ? rows.p[m / (c.H * c.W) * c.out + o] : 0;
            v += extras & 4 ? to_float(add.p[(size_t)m * c.out + o]) : 0;
            size_t part = (size_t)(m / (M / parts));
            S[part * 2 * c.out + o] += v;
            S[(part * 2 + 1) * c.out + o] += v * v;
        }
    }
    FastForward f = {x1.p,
                     x2.p,
                     w.p,
                     extras & 1 ? bias.p + 1 : NULL,
                     extras & 2 ? rows.p : NULL,
                     extras & 4 ? add.p : NULL,
                     y.p,
                     extras & 8 ? sums.p : NULL};
    if (s.tile < 0) {
        mma_forward(&c, &f, Stream());
    } else {
        mma_run<false>(conv_product_forward(&c, &f), s.tile, Stream());
    }
    check_close(s.what, y, Y, BF16_LIMIT);
    if (extras & 8) {
        check_close("  its sums", sums, S, FP32_LIMIT);
    }
}

// ---- gradient of the inputs ---------------------------------------------------------------------------------------

// wanted: 1 dx1, 2 dx2; adding: 1 to dx1, 2 to dx2
static void backward(const Shape &s, int wanted, int adding) {
    const FastConv &c = s.c;
    int M = c.N * c.H * c.W, in = c.C1 + c.C2, sources = source_pixels(c);
    Numbers<bf16> dy((size_t)M * c.out, 1), w((size_t)c.k * c.k * in * c.out, 0.1f);
    Numbers<bf16> dx1((size_t)sources * c.C1, adding & 1 ? 1.f : 0.f),
        dx2((size_t)sources * c.C2, adding & 2 ? 1.f : 0.f);
    std::vector<double> DY = dy.values(), W = w.values();
    std::vector<double> DX((size_t)sources * in), old1 = dx1.values(), old2 = dx2.values();
    for (const Term &t : terms(c)) {
        for (int i = 0; i < in; i++) {
            double sum = 0;
            for (int o = 0; o < c.out; o++) {
                sum += DY[(size_t)t.result * c.out + o] * W[((size_t)t.tap * in + i) * c.out + o];
            }
            DX[(size_t)t.source * in + i] += sum;
        }
    }
    std::vector<double> DX1 = columns(DX, in, 0, c.C1), DX2 = columns(DX, in, c.C1, c.C2);
    for (size_t i = 0; i < DX1.size() && adding & 1; i++) {
        DX1[i] += old1[i];
    }
    for (size_t i = 0; i < DX2.size() && adding & 2; i++) {
        DX2[i] += old2[i];
    }
    FastBackward b = {dy.p, w.p, wanted & 1 ? dx1.p : NULL, wanted & 2 ? dx2.p : NULL, adding & 1, adding & 2};
    if (s.tile < 0) {
        mma_backward_input(&c, &b, Stream());
    } else {
        mma_run<true>(conv_product_back(&c, &b), s.tile, Stream());
    }
    if (wanted & 1) {
        check_close(s.what, dx1, DX1, BF16_LIMIT);
    }
    if (wanted & 2) {
        check_close(wanted & 1 ? "  its second part" : s.what, dx2, DX2, BF16_LIMIT);
    }
}

// ---- gradient of the weights --------------------------------------------------------------------------------------

static void weights(const Shape &s, int slices) {
    const FastConv &c = s.c;
    int M = c.N * c.H * c.W, in = c.C1 + c.C2, sources = source_pixels(c);
    size_t size = (size_t)c.k * c.k * in * c.out;
    Numbers<bf16> x1((size_t)sources * c.C1, 1), x2((size_t)sources * c.C2, 1), dy((size_t)M * c.out, 1);
    Numbers<float> dw(size * slices), total(size);
    std::vector<double> X = beside(x1.values(), c.C1, x2.values(), c.C2, sources), DY = dy.values(), DW(size);
    for (const Term &t : terms(c)) {
        for (int i = 0; i < in; i++) {
            double a = X[(size_t)t.source * in + i];
            for (int o = 0; o < c.out; o++) {
                DW[((size_t)t.tap * in + i) * c.out + o] += a * DY[(size_t)t.result * c.out + o];
            }
        }
    }
    mma_backward_weights(&c, x1.p, x2.p, dy.p, dw.p, slices, Stream());
    for (size_t i = 0; i < size; i++) {
        total.p[i] = 0;
        for (int z = 0; z < slices; z++) {
            total.p[i] += dw.p[z * size + i];
        }
    }
    check_close(s.what, total, DW, FP32_LIMIT);
    if (!dw.guarded()) {
        check(false, "  wrote outside of dw", 0);
    }
}

// ---- the choice of a tile -----------------------------------------------------------------------------------------

static void choices() {
    static float sums[1];
    static bf16 y[1];
    int wrong = 0, idle = 0, different = 0;
    for (int N = 1; N <= 256; N *= 4) {
        for (int side = 4; side <= 32; side *= 2) {
            for (int out = 64; out <= 256; out += 64) {
                for (int summing = 0; summing < 2; summing++) {
                    FastConv c = {N, side, side, 64, 0, out, 3, CONV_SAME};
                    FastForward f = {NULL, NULL, NULL, NULL, NULL, NULL, y, summing ? sums : NULL};
                    ConvProduct p = conv_product_forward(&c, &f);
                    int tile = mma_pick(&p);
                    wrong += tile < 0 || !mma_tile_fits(&p, tile);
                    for (int t = 0; t < MMA_TILES && tile >= 0; t++) {
                        idle += mma_tile_fits(&p, t) && mma_blocks(&p, tile) < MMA_ENOUGH &&
                                mma_blocks(&p, t) > mma_blocks(&p, tile);
                    }
                    different |= 1 << tile;
                }
            }
        }
    }
    check(wrong == 0, "the tile that is picked fits", wrong);
    check(idle == 0, "no other tile would keep more of an idle GPU busy", idle);
    check(different == 31, "every tile is picked for some shape (bits)", different);
    FastConv big = {128, 32, 32, 128, 128, 128, 3, CONV_SAME}, small = {1, 4, 4, 256, 0, 256, 3, CONV_SAME};
    check(mma_slices(&big) * 18 >= 2 * MMA_PROCESSORS, "slices of a large layer fill two waves", mma_slices(&big));
    check(mma_slices(&small) == 1, "a small layer is not cut", mma_slices(&small));
}

int main() {
    //                                                           N  H  W  C1  C2  out k
    Shape f0 = {"forward, tile 0, 8x16, 64|64 -> 128, everything", {1, 8, 16, 64, 64, 128, 3, CONV_SAME}, 0};
    Shape f1 = {"forward, tile 1, three 8x8 images", {3, 8, 8, 64, 0, 64, 3, CONV_SAME}, 1};
    Shape f2 = {"forward, tile 2, five 4x4 images", {5, 4, 4, 64, 0, 64, 3, CONV_SAME}, 2};
    Shape f3 = {"forward, tile 3, 16x16, 64 -> 32 of 64", {1, 16, 16, 64, 0, 64, 3, CONV_SAME}, 3};
    Shape f4 = {"forward, tile 4, 4x8 images, 64|64 -> 64", {3, 4, 8, 64, 64, 64, 3, CONV_SAME}, 4};
    Shape tiny2 = {"forward, tile 2, twelve 2x2 images", {12, 2, 2, 64, 0, 64, 3, CONV_SAME}, 2};
    Shape tiny1 = {"forward, tile 0, sixteen 1x1 images", {16, 1, 1, 64, 0, 128, 3, CONV_SAME}, 0};
    Shape one = {"forward, 1x1 kernel, 64|128 -> 64", {2, 8, 8, 64, 128, 64, 1, CONV_SAME}, 2};
    Shape halve = {"forward, halve, 16x8 -> 8x4", {3, 8, 4, 64, 0, 64, 3, CONV_HALVE}, 2};
    Shape twice = {"forward, double, 4x2 -> 8x4", {3, 8, 4, 64, 0, 64, 3, CONV_DOUBLE}, 2};
    Shape picked = {"forward, the tile that is picked", {1, 4, 4, 64, 0, 64, 3, CONV_SAME}, -1};
    forward(f4, 15); // the quickest first: a planted fault stops at the first failure
    forward(f2, 15);
    forward(f1, 15);
    forward(f3, 9);
    forward(f0, 15);
    forward(tiny2, 8);
    forward(tiny1, 8);
    forward(one, 1);
    forward(halve, 9);
    forward(twice, 9);
    forward(picked, 0);
    Shape b0 = {"gradient, tile 0, 4x4, 128 <- 64", {5, 4, 4, 128, 0, 64, 3, CONV_SAME}, 0};
    Shape b1 = {"gradient, tile 1, 64|64 <- 64", {1, 8, 8, 64, 64, 64, 3, CONV_SAME}, 1};
    Shape b2 = {"gradient, tile 2, 4x8 images, 64|64 <- 64, only the second", {3, 4, 8, 64, 64, 64, 3, CONV_SAME}, 2};
    Shape b3 = {"gradient, tile 3, 64 <- 128", {5, 4, 4, 64, 0, 128, 3, CONV_SAME}, 3};
    Shape b4 = {"gradient, tile 4, 64|64 <- 64, only the first", {1, 4, 8, 64, 64, 64, 3, CONV_SAME}, 4};
    Shape both = {"gradient, 1x1 kernel, one tile over 64|64", {5, 4, 4, 64, 64, 128, 1, CONV_SAME}, 0};
    Shape bhalve = {"gradient, halve, 16x8 <- 8x4", {3, 8, 4, 64, 0, 64, 3, CONV_HALVE}, 2};
    Shape bdouble = {"gradient, double, 4x4 <- 8x8", {3, 8, 8, 64, 0, 64, 3, CONV_DOUBLE}, 2};
    Shape bpicked = {"gradient, the tile that is picked", {1, 4, 4, 64, 0, 64, 3, CONV_SAME}, -1};
    backward(b4, 1, 0);
    backward(b2, 2, 2);
    backward(b1, 3, 2);
    backward(b0, 1, 0);
    backward(b3, 1, 1);
    backward(both, 3, 1);
    backward(bhalve, 1, 1);
    backward(bdouble, 1, 0);
    backward(bpicked, 1, 0);
    Shape w1 = {"weights, 64|64 -> 64, 8x8, 2 slices", {3, 8, 8, 64, 64, 64, 3, CONV_SAME}, -1};
    Shape w2 = {"weights, 1x1 kernel, 64|64 -> 128, more slices than steps", {5, 4, 4, 64, 64, 128, 1, CONV_SAME}, -1};
    Shape w3 = {"weights, halve", {3, 8, 4, 64, 0, 64, 3, CONV_HALVE}, -1};
    Shape w4 = {"weights, double", {3, 8, 4, 64, 0, 64, 3, CONV_DOUBLE}, -1};
    Shape w5 = {"weights, 1x1 kernel, a ring that turns", {5, 8, 8, 64, 0, 64, 1, CONV_SAME}, -1};
    weights(w1, 2);
    weights(w2, 4);
    weights(w3, 1);
    weights(w4, 2);
    weights(w5, 1);
    choices();
    return check_report("emulate_conv");
}
