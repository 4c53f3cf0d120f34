// emulate_thin.cpp: the first and the last convolution and the gradients of biases (ref/cuda/conv_thin.h, bias_sums.h),
// emulated, against float64 loops over the same numbers.
//   g++ -std=c++17 -O1 -DEMULATE tests/emulate_thin.cpp -o emulate_thin && ./emulate_thin
#include "emulate_check.h"
#include "../ref/cuda/bias_sums.h"
#include "../ref/cuda/conv_thin.h"

static const double BF16_LIMIT = 4e-3, FP32_LIMIT = 1e-5;

// y[m][o] = bias[o] + sum over taps and i of x[m shifted][i] w[tap][i][o], by the definition.
static std::vector<double> convolve(const ThinConv &c, const std::vector<double> &x, int in,
                                    const std::vector<double> &w, const std::vector<double> &bias, int out) {
    std::vector<double> y((size_t)c.N * c.H * c.W * out);
    for (int m = 0; m < c.N * c.H * c.W; m++) {
        for (int o = 0; o < out; o++) {
            y[(size_t)m * out + o] = bias[(size_t)o];
        }
        for (int tap = 0; tap < 9; tap++) {
            int h = m / c.W % c.H + tap / 3 - 1, v = m % c.W + tap % 3 - 1;
            if (h < 0 || h >= c.H || v < 0 || v >= c.W) {
                continue;
            }
            int from = (m / (c.H * c.W) * c.H + h) * c.W + v;
            for (int i = 0; i < in; i++) {
                for (int o = 0; o < out; o++) {
                    y[(size_t)m * out + o] += x[(size_t)from * in + i] * w[((size_t)tap * in + i) * out + o];
                }
            }
        }
    }
    return y;
}

// Its gradients, term by term of the same sum.
static void differentiate(const ThinConv &c, const std::vector<double> &x, int in, const std::vector<double> &w,
                          const std::vector<double> &dy, int out, std::vector<double> *dx, std::vector<double> *dw) {
    dx->assign(x.size(), 0);
    dw->assign(w.size(), 0);
    for (int m = 0; m < c.N * c.H * c.W; m++) {
        for (int tap = 0; tap < 9; tap++) {
            int h = m / c.W % c.H + tap / 3 - 1, v = m % c.W + tap % 3 - 1;
            if (h < 0 || h >= c.H || v < 0 || v >= c.W) {
                continue;
            }
            int from = (m / (c.H * c.W) * c.H + h) * c.W + v;
            for (int i = 0; i < in; i++) {
                for (int o = 0; o < out; o++) {
                    size_t at = ((size_t)tap * in + i) * out + o;
                    (*dx)[(size_t)from * in + i] += dy[(size_t)m * out + o] * w[at];
                    (*dw)[at] += dy[(size_t)m * out + o] * x[(size_t)from * in + i];
                }
            }
        }
    }
}

static void add_slices(Numbers<float> *total, const Numbers<float> &part, int slices) {
    for (size_t i = 0; i < total->n; i++) {
        total->p[i] = 0;
        for (int z = 0; z < slices; z++) {
            total->p[i] += part.p[z * total->n + i];
        }
    }
}

static void thin(const char *what, ThinConv c, int slices) {
    printf("  %s\n", what);
    int M = c.N * c.H * c.W, parts = c.N * fast_sum_parts(c.H, c.W);
    size_t weights = (size_t)9 * c.thin * c.wide;
    Numbers<float> image((size_t)M * c.thin, 1), w(weights, 0.2f), bias_wide(c.wide, 1), bias_thin(c.thin, 1);
    Numbers<bf16> features((size_t)M * c.wide, 1);
    std::vector<double> dx, dw;
    Numbers<float> partial(weights * slices), total(weights);

    // first convolution: image -> features
    Numbers<bf16> y((size_t)M * c.wide);
    Numbers<float> sums((size_t)parts * 2 * c.wide), dimage((size_t)M * c.thin);
    std::vector<double> Y = convolve(c, image.values(), c.thin, w.values(), bias_wide.values(), c.wide), S(sums.n);
    for (size_t i = 0; i < Y.size(); i++) {
        size_t m = i / c.wide, part = m / (M / parts);
        S[part * 2 * c.wide + i % c.wide] += Y[i];
        S[(part * 2 + 1) * c.wide + i % c.wide] += Y[i] * Y[i];
    }
    thin_in_forward(&c, image.p, w.p, bias_wide.p, y.p, sums.p, Stream());
    check_close("first: forward", y, Y, BF16_LIMIT);
    check_close("first: its sums", sums, S, FP32_LIMIT);
    differentiate(c, image.values(), c.thin, w.values(), features.values(), c.wide, &dx, &dw);
    thin_in_backward_input(&c, features.p, w.p, dimage.p, Stream());
    thin_in_backward_input(&c, features.p, w.p, NULL, Stream());
    check_close("first: gradient of the image", dimage, dx, FP32_LIMIT);
    thin_in_backward_weights(&c, image.p, features.p, partial.p, slices, Stream());
    add_slices(&total, partial, slices);
    check_close("first: gradient of the weights", total, dw, FP32_LIMIT);
    check(partial.guarded(), "first: nothing written outside of the slices", 0);

    // last convolution: features -> image
    Numbers<float> F((size_t)M * c.thin), again(weights * slices);
    Numbers<bf16> dfeatures((size_t)M * c.wide);
    thin_out_forward(&c, features.p, w.p, bias_thin.p, F.p, Stream());
    check_close("last: forward", F, convolve(c, features.values(), c.wide, w.values(), bias_thin.values(), c.thin),
                FP32_LIMIT);
    differentiate(c, features.values(), c.wide, w.values(), image.values(), c.thin, &dx, &dw);
    thin_out_backward_input(&c, image.p, w.p, dfeatures.p, Stream());
    check_close("last: gradient of the features", dfeatures, dx, BF16_LIMIT);
    thin_out_backward_weights(&c, features.p, image.p, again.p, slices, Stream());
    add_slices(&total, again, slices);
    check_close("last: gradient of the weights", total, dw, FP32_LIMIT);
}

static void biases(int rows, int columns, int thin, int parts) {
    Numbers<bf16> dy((size_t)rows * columns, 1);
    Numbers<float> image((size_t)rows * thin, 1), wide_sums((size_t)parts * columns), thin_sums((size_t)parts * thin);
    std::vector<double> wide_want(wide_sums.n), thin_want(thin_sums.n);
    for (int z = 0; z < parts; z++) {
        for (int m = rows * z / parts; m < rows * (z + 1) / parts; m++) {
            for (int i = 0; i < columns; i++) {
                wide_want[(size_t)z * columns + i] += to_float(dy.p[(size_t)m * columns + i]);
            }
            for (int i = 0; i < thin; i++) {
                thin_want[(size_t)z * thin + i] += image.p[(size_t)m * thin + i];
            }
        }
    }
    bias_sums(dy.p, rows, columns, wide_sums.p, parts, Stream());
    check_close("bias: sums over the pixels, bf16", wide_sums, wide_want, FP32_LIMIT);
    bias_sums_of_image(image.p, rows, thin, thin_sums.p, parts, Stream());
    check_close("bias: sums over the pixels, fp32", thin_sums, thin_want, FP32_LIMIT);
}

int main() {
    ThinConv digits = {1, 16, 16, 1, 64}, colour = {3, 4, 8, 3, 128}, most = {1, 4, 4, 16, 64};
    thin("one channel, 16x16, 64 features", digits, 3);
    thin("three channels, 4x8, 128 features", colour, 2);
    thin("sixteen channels, 4x4, 64 features", most, 1);
    biases(80, 128, 3, 3);
    biases(16, 64, 16, 1);
    ThinConv big = {128, 32, 32, 3, 128};
    check(thin_slices(&big) == 64 && thin_slices(&most) == 1, "slices of a large and of a small image",
          thin_slices(&big));
    check(bias_parts(131072) == 128 && bias_parts(16) == 1, "parts of many and of few pixels", bias_parts(131072));
    return check_report("emulate_thin");
}
