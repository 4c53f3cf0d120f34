// emulate_loops.h: a convolution of fast_args.h as plain float64 loops over the same bf16 numbers, and checks of a
// kernel against them.  The loops know a convolution only as the list of its terms (result pixel, source pixel, tap),
// from which forward and both gradients follow; the kernels' tables are not used.
#ifndef TILT_EMULATE_LOOPS_H
#define TILT_EMULATE_LOOPS_H

#include "emulate_check.h"

#include "../ref/cuda/fast_args.h"

static const double BF16_LIMIT = 4e-3, FP32_LIMIT = 1e-5;

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
template <class F> static void check_forward(const char *what, const FastConv &c, int extras, F call) {
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
                     extras & 8 ? sums.p : NULL,
                     NULL};
    call(&f);
    check_close(what, y, Y, BF16_LIMIT);
    if (extras & 8) {
        check_close("  its sums", sums, S, FP32_LIMIT);
    }
}

// ---- gradient of the inputs ---------------------------------------------------------------------------------------

// wanted: 1 dx1, 2 dx2; adding: 1 to dx1, 2 to dx2
template <class F> static void check_backward(const char *what, const FastConv &c, int wanted, int adding, F call) {
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
    FastBackward b = {dy.p, w.p, wanted & 1 ? dx1.p : NULL, wanted & 2 ? dx2.p : NULL, adding & 1, adding & 2, NULL};
    call(&b);
    if (wanted & 1) {
        check_close(what, dx1, DX1, BF16_LIMIT);
    }
    if (wanted & 2) {
        check_close(wanted & 1 ? "  its second part" : what, dx2, DX2, BF16_LIMIT);
    }
}

// ---- gradient of the weights --------------------------------------------------------------------------------------

template <class F> static void check_weights(const char *what, const FastConv &c, int slices, F call) {
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
    call(x1.p, x2.p, dy.p, dw.p);
    for (size_t i = 0; i < size; i++) {
        total.p[i] = 0;
        for (int z = 0; z < slices; z++) {
            total.p[i] += dw.p[z * size + i];
        }
    }
    check_close(what, total, DW, FP32_LIMIT);
    if (!dw.guarded()) {
        check(false, "  wrote outside of dw", 0);
    }
}

#endif
