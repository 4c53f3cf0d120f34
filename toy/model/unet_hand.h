// unet_hand.h: single numbers of a UNet, computed by the formula and in double, to set beside what the network says.
//
// Used by notebooks-c/unet_layer_by_layer.c, which shows these functions.  They are as slow as they look.
#ifndef TILT_UNET_HAND_H
#define TILT_UNET_HAND_H

#include "../../ref/formula/loss_weights.h"
#include "unet_trace.h"

// ---- convolutions ------------------------------------------------------------------------------------------------

// One number of a 3x3 convolution: channel o of pixel (v, u) of the image that operation `in` left, which has a border.
//   y = b_o + sum over the nine pixels and their channels k  x_k w_k       zeros: how many of the x_k are exactly 0
// Summed in the order of the network and in its precision, so that the bits can be compared.
static inline real conv_by_hand(int *zeros, const UnetTrace *t, int in, const UnetOp *conv, const real *p, int v, int u,
                                int o) {
    int C = unet_out(t->plan, in)->C, out = t->plan->buf[conv->out].C, i, j, k;
    real sum = p[conv->b + (size_t)o];
    *zeros = 0;
    for (i = -1; i <= 1; i++) {
        for (j = -1; j <= 1; j++) {
            const real *pixel = trace_pixel(t, in, v + i, u + j);
            const real *w = p + conv->w + (size_t)(((i + 1) * 3 + j + 1) * C * out + o);
            for (k = 0; k < C; k++) {
                sum += pixel[k] * w[k * out];
                *zeros += pixel[k] == 0;
            }
        }
    }
    return sum;
}

// out (r x r) = L x L',   L: r x n, x: n x n, n at most 4.
static inline void sandwich(double *out, const double *L, const double *x, int r, int n) {
    int i, j, a, b;
    for (i = 0; i < r; i++) {
        for (j = 0; j < r; j++) {
            double sum = 0;
            for (a = 0; a < n; a++) {
                for (b = 0; b < n; b++) {
                    sum += L[i * n + a] * x[a * n + b] * L[j * n + b];
                }
            }
            out[i * r + j] = sum;
        }
    }
}

// y (2 x 2) = the 3x3 filter w over the patch d (4 x 4):  A' [ (G w G') * (B' d B) ] A, with 16 products, kept in m.
static inline void winograd_by_hand(double y[4], double m[16], const double w[9], const double d[16]) {
    static const double Bt[16] = {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1};
    static const double G[12] = {1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1};
    static const double At[8] = {1, 1, 1, 0, 0, 1, -1, -1};
    double U[16], V[16];
    int k;
    sandwich(U, G, w, 4, 3); // the same for every patch: computed once for the whole image
    sandwich(V, Bt, d, 4, 4);
    for (k = 0; k < 16; k++) {
        m[k] = U[k] * V[k];
    }
    sandwich(y, At, m, 2, 4);
}

// y (2 x 2): channel 0 of the pixels (v, u), (v, u + 1), (v + 1, u), (v + 1, u + 1) of a 3x3 convolution, without bias:
// the sum of winograd_by_hand over all input channels.  Operation `in` left the image, border included.
static inline void conv_by_winograd(double y[4], const UnetTrace *t, int in, const UnetOp *conv, const real *p, int v,
                                    int u) {
    int C = unet_out(t->plan, in)->C, out = t->plan->buf[conv->out].C, j, k;
    double patch[16], w[9], m[16], four[4];
    memset(y, 0, 4 * sizeof *y);
    for (k = 0; k < C; k++) {
        for (j = 0; j < 16; j++) {
            patch[j] = (double)trace_pixel(t, in, v - 1 + j / 4, u - 1 + j % 4)[k];
        }
        for (j = 0; j < 9; j++) {
            w[j] = (double)p[conv->w + (size_t)((j * C + k) * out)];
        }
        winograd_by_hand(four, m, w, patch);
        for (j = 0; j < 4; j++) {
            y[j] += four[j];
        }
    }
}

// ---- norms, blocks, attention ------------------------------------------------------------------------------------

// Mean and deviation of group g (of `groups`) of what operation i left: over all pixels and the group's channels.
static inline void norm_by_hand(double *mean, double *deviation, const UnetTrace *t, int i, int g, int groups) {
    const UnetBuf *b = unet_out(t->plan, i);
    int per = b->C / groups, pixels = b->H * b->W, p, k;
    double count = (double)pixels * per, square = 0;
    *mean = 0;
    for (p = 0; p < pixels; p++) {
        for (k = g * per; k < (g + 1) * per; k++) {
            *mean += (double)trace_pixel(t, i, p / b->W, p % b->W)[k] / count;
        }
    }
    for (p = 0; p < pixels; p++) {
        for (k = g * per; k < (g + 1) * per; k++) {
            double d = (double)trace_pixel(t, i, p / b->W, p % b->W)[k] - *mean;
            square += d * d / count;
        }
    }
    *deviation = sqrt(square);
}

// Of the residual block whose second convolution is operation i, root mean squares: rms[0] of x, that comes in, rms[1]
// of the correction, rms[2] of y = x + correction, rms[3] of the vector of noise level and prompt.
static inline void block_by_hand(double rms[4], const UnetTrace *t, int i) {
    const UnetOp *op = &t->plan->op[i];
    size_t n = unet_size(unet_out(t->plan, i));
    int from = i - 1, time = i;
    while (t->plan->op[from].out != op->other) { // the operation that left x, or that made it fit
        from--;
    }
    while (strstr(t->plan->op[time].name, ".time") == NULL) {
        time--;
    }
    rms[0] = trace_rms(t, NULL, from);
    rms[1] = sqrt(loss_simple(NULL, t->out[i], t->out[from], 1.0 / (double)n, n));
    rms[2] = trace_rms(t, NULL, i);
    rms[3] = trace_rms(t, NULL, time);
}

// weight (T): where pixel `asking` looks.  qkv: the operation that made query, key and value of every pixel.
static inline void attention_by_hand(double *weight, const UnetTrace *t, int qkv, int asking) {
    const UnetBuf *b = unet_out(t->plan, qkv);
    int T = b->H * b->W, C = b->C / 3, j, k;
    const real *q = t->out[qkv] + (size_t)asking * (size_t)b->C;
    double sum = 0;
    for (j = 0; j < T; j++) {
        const real *key = t->out[qkv] + (size_t)j * (size_t)b->C + C;
        double dot = 0;
        for (k = 0; k < C; k++) {
            dot += (double)q[k] * (double)key[k];
        }
        weight[j] = e_exp(dot / sqrt((double)C));
        sum += weight[j];
    }
    for (j = 0; j < T; j++) {
        weight[j] /= sum;
    }
}

// How many pixels one pixel looks at, on average: e to the entropy of its weights.
static inline double attention_spread(const UnetTrace *t, int attend) {
    int T = unet_out(t->plan, attend)->H * unet_out(t->plan, attend)->W, j;
    double entropy = 0;
    for (j = 0; j < T * T; j++) {
        double w = (double)t->side[attend][j];
        entropy -= w > 0 ? w * e_log(w) / T : 0;
    }
    return e_exp(entropy);
}

// ---- gradients and memory ----------------------------------------------------------------------------------------

// (L(p + h) - L(p - h)) / 2h for parameter `at` of the net, L the mean of (eps_hat - noise)^2 over one image.
static inline double slope_by_hand(Net *net, size_t at, double h, const real *x, int level, int c, const real *noise) {
    real *eps = NEW(real, (size_t)net->out), kept = net->p[at], t = (real)level;
    double loss[2];
    int k;
    for (k = 0; k < 2; k++) {
        net->p[at] = (real)((double)kept + (k == 0 ? -h : h));
        net_changed(net);
        net->forward(net, eps, x, &t, &c, 1);
        loss[k] = loss_simple(NULL, eps, noise, 1.0 / net->out, (size_t)net->out);
    }
    net->p[at] = kept;
    net_changed(net);
    free(eps);
    return (loss[1] - loss[0]) / (2 * h);
}

// The numbers of one image, in all buffers together: what a plan that shares no place would need.
static inline size_t buffers_sum(const UnetPlan *u) {
    size_t sum = 0;
    int b;
    for (b = 0; b < u->bufs; b++) {
        sum += unet_size(&u->buf[b]);
    }
    return sum;
}

// The numbers that are alive together at the fullest of `moments` moments: no plan can need less.
static inline size_t spans_most(const UnetSpan *span, int n, int moments) {
    size_t most = 0;
    int now, i;
    for (now = 0; now < moments; now++) {
        size_t alive = 0;
        for (i = 0; i < n; i++) {
            alive += span[i].from <= now && now <= span[i].to ? span[i].size : 0;
        }
        most = alive > most ? alive : most;
    }
    return most;
}

#endif
