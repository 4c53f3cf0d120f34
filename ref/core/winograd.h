// winograd.h: 3x3 convolutions of stride 1 with 16 multiplications where the definition has 36.
//
// Winograd's F(2x2, 3x3) (Lavin and Gray 2016, arXiv 1509.09308) computes 2x2 outputs from a 4x4 patch d of the input:
//   y = A' [ (G w G') * (B' d B) ] A        * : number by number; each of the 16 numbers is a sum over input channels
//       | 1  0 -1  0 |        | 1    0    0  |        | 1  1  1  0 |
//   B' =| 0  1  1  0 |    G = | 1/2  1/2 1/2 |    A' =| 0  1 -1 -1 |
//       | 0 -1  1  0 |        | 1/2 -1/2 1/2 |
//       | 0  1  0 -1 |        | 0    0    1  |
// So the patches are transformed (additions only), 16 small matrix products run over all patches at once, and the
// products are transformed back.  In one dimension: four products give two outputs of a three-tap filter, where the
// definition needs six.
// The map is bilinear, so the gradient of the weights is its adjoint in w:  dw += G' [ (B' d B) * (A dy A') ] G, again
// with 16 multiplications for 36.  The input gradient is the forward with turned weights.
// Sums are ordered otherwise than in conv.h, so the two agree to rounding, not bit for bit.
#ifndef TILT_WINOGRAD_H
#define TILT_WINOGRAD_H

#include "conv.h"
#include "conv_grad.h"
#include "gemm.h"

enum { WINO_PATCHES = 48 }; // patches of a block: their transforms stay in the L2 cache; a multiple of 4, 6 and 12

// Can this convolution be computed here, and is it worth the transforms?  (Measured: not for images below 8x8.)
static inline int wino_fits(const ConvShape *s) {
    return s->k == 3 && s->stride == 1 && s->H % 2 == 0 && s->W % 2 == 0 && s->H >= 8 && s->W >= 8 && s->in >= 16 &&
           s->out >= 16;
}

static inline int wino_round(int channels, int to) {
    return (channels + to - 1) / to * to;
}

// Numbers of the transformed weights, and of the scratch that every function below needs.
static inline size_t wino_packed_size(int in, int out) {
    return 16 * packed_size((size_t)in, out);
}

static inline size_t wino_scratch(int in, int out) {
    size_t patch_in = (size_t)wino_round(in, TILE_ROWS), patch_out = (size_t)tiles_of(out) * TILE_COLS;
    return 16 * ((size_t)WINO_PATCHES * (patch_in + patch_out) + patch_in * patch_out);
}

// ---- weights -----------------------------------------------------------------------------------------------------

// packed[point][panel][i][16] = G w G', for the convolution itself, or turned = 1: for its input gradient, where in
// and out change places and the kernel is turned.
static inline void wino_pack(real *packed, const real *w, int in, int out, int turned) {
    int from = turned ? out : in, to = turned ? in : out, panels = tiles_of(to), panel, i, j, x, y, k;
    size_t point = (size_t)panels * (size_t)from * TILE_COLS;
    size_t step_from = turned ? 1 : (size_t)out, step_to = turned ? (size_t)out : 1;
    for (panel = 0; panel < panels; panel++) {
        for (i = 0; i < from; i++) {
            real g[9][TILE_COLS], t[4][3][TILE_COLS];
            real *u = packed + ((size_t)panel * (size_t)from + (size_t)i) * TILE_COLS;
            for (k = 0; k < 9; k++) {
                const real *tap = w + (size_t)(turned ? 8 - k : k) * (size_t)in * (size_t)out + (size_t)i * step_from;
                for (j = 0; j < TILE_COLS; j++) {
                    int o = panel * TILE_COLS + j;
                    g[k][j] = o < to ? tap[(size_t)o * step_to] : (real)0;
                }
            }
            for (x = 0; x < 3; x++) { // t = G g
                for (j = 0; j < TILE_COLS; j++) {
                    real ends = g[x][j] + g[6 + x][j];
                    t[0][x][j] = g[x][j];
                    t[1][x][j] = (real)0.5 * (ends + g[3 + x][j]);
                    t[2][x][j] = (real)0.5 * (ends - g[3 + x][j]);
                    t[3][x][j] = g[6 + x][j];
                }
            }
            for (y = 0; y < 4; y++) { // u = t G'
                for (j = 0; j < TILE_COLS; j++) {
                    real ends = t[y][0][j] + t[y][2][j];
                    u[(size_t)(4 * y) * point + (size_t)j] = t[y][0][j];
                    u[(size_t)(4 * y + 1) * point + (size_t)j] = (real)0.5 * (ends + t[y][1][j]);
                    u[(size_t)(4 * y + 2) * point + (size_t)j] = (real)0.5 * (ends - t[y][1][j]);
                    u[(size_t)(4 * y + 3) * point + (size_t)j] = t[y][2][j];
                }
            }
        }
    }
}

// ---- patches -----------------------------------------------------------------------------------------------------

// The transforms in one dimension: (a, b, c, d) = B' (p, q, r, s),  (a, b) = A' (p, q, r, s),  (a, b, c, d) = A (p, q).
// Along the columns and then along the lines they make the two-dimensional ones, in registers from the first load to
// the last store; the channels are the vector lanes.
#define WINO_B(a, b, c, d, p, q, r, s) \
    do {                               \
        a = (p) - (r);                 \
        b = (q) + (r);                 \
        c = (r) - (q);                 \
        d = (q) - (s);                 \
    } while (0)
#define WINO_A_T(a, b, p, q, r, s) \
    do {                           \
        a = (p) + (q) + (r);       \
        b = (q) - (r) - (s);       \
    } while (0)
#define WINO_A(a, b, c, d, p, q) \
    do {                         \
        a = (p);                 \
        b = (p) + (q);           \
        c = (p) - (q);           \
        d = -(q);                \
    } while (0)

// V = B' d B of one patch, all channels.  d: its first pixel in a padded image whose lines are `row` numbers long;
// point p of the result goes to v[p * point].
static inline void wino_patch_in(real *v, size_t point, const real *d, size_t row, int C) {
    const real *RESTRICT d0 = d, *RESTRICT d1 = d0 + row, *RESTRICT d2 = d1 + row, *RESTRICT d3 = d2 + row;
    real *RESTRICT v0 = v, *RESTRICT v1 = v0 + 4 * point, *RESTRICT v2 = v1 + 4 * point, *RESTRICT v3 = v2 + 4 * point;
    int c;
    SIMD
    for (c = 0; c < C; c++) {
        real h0, h1, h2, h3, i0, i1, i2, i3, j0, j1, j2, j3, k0, k1, k2, k3; // the columns h, i, j, k of B' d
        WINO_B(h0, h1, h2, h3, d0[c], d1[c], d2[c], d3[c]);
        WINO_B(i0, i1, i2, i3, d0[C + c], d1[C + c], d2[C + c], d3[C + c]);
        WINO_B(j0, j1, j2, j3, d0[2 * C + c], d1[2 * C + c], d2[2 * C + c], d3[2 * C + c]);
        WINO_B(k0, k1, k2, k3, d0[3 * C + c], d1[3 * C + c], d2[3 * C + c], d3[3 * C + c]);
        WINO_B(v0[c], v0[point + c], v0[2 * point + c], v0[3 * point + c], h0, i0, j0, k0);
        WINO_B(v1[c], v1[point + c], v1[2 * point + c], v1[3 * point + c], h1, i1, j1, k1);
        WINO_B(v2[c], v2[point + c], v2[2 * point + c], v2[3 * point + c], h2, i2, j2, k2);
        WINO_B(v3[c], v3[point + c], v3[2 * point + c], v3[3 * point + c], h3, i3, j3, k3);
    }
}

// One 2x2 block of results, y = start + A' m A (+ plus), from the 16 products of a patch.  START(r, x) is the start of
// line r, column x, at channel c; the lines of y are `row` apart, its columns C.
#define WINO_PATCH_OUT(name, START)                                                                           \
    static inline void name(real *y, size_t row, const real *m, size_t point, const real *start, size_t srow, \
                            size_t spixel, const real *plus, int C) {                                         \
        const real *RESTRICT m0 = m, *RESTRICT m1 = m0 + 4 * point, *RESTRICT m2 = m1 + 4 * point,            \
                             *RESTRICT m3 = m2 + 4 * point;                                                   \
        int c;                                                                                                \
        (void)start;                                                                                          \
        (void)srow;                                                                                           \
        (void)spixel;                                                                                         \
        (void)plus;                                                                                           \
        SIMD                                                                                                  \
        for (c = 0; c < C; c++) {                                                                             \
            real h0, h1, i0, i1, j0, j1, k0, k1, p, q, r, s; /* the columns of A' m, then the block */        \
            WINO_A_T(h0, h1, m0[c], m1[c], m2[c], m3[c]);                                                     \
            WINO_A_T(i0, i1, m0[point + c], m1[point + c], m2[point + c], m3[point + c]);                     \
            WINO_A_T(j0, j1, m0[2 * point + c], m1[2 * point + c], m2[2 * point + c], m3[2 * point + c]);     \
            WINO_A_T(k0, k1, m0[3 * point + c], m1[3 * point + c], m2[3 * point + c], m3[3 * point + c]);     \
            WINO_A_T(p, q, h0, i0, j0, k0);                                                                   \
            WINO_A_T(r, s, h1, i1, j1, k1);                                                                   \
            y[c] = START(c, p);                                                                               \
            y[C + c] = START(spixel + c, q);                                                                  \
            y[row + c] = START(srow + c, r);                                                                  \
            y[row + C + c] = START(srow + spixel + c, s);                                                     \
        }                                                                                                     \
    }
#define WINO_ALONE(at, sum) (sum)
#define WINO_START(at, sum) (start[at] + (sum))
#define WINO_START_PLUS(at, sum) ((start[at] + (sum)) + plus[c])
WINO_PATCH_OUT(wino_patch_out_alone, WINO_ALONE)
WINO_PATCH_OUT(wino_patch_out_start, WINO_START)
WINO_PATCH_OUT(wino_patch_out_plus, WINO_START_PLUS)

// D = A dy A' of one 2x2 block of dy, the adjoint of the step before.
static inline void wino_patch_up(real *v, size_t point, const real *dy, size_t row, int C) {
    const real *RESTRICT d0 = dy, *RESTRICT d1 = d0 + row;
    real *RESTRICT v0 = v, *RESTRICT v1 = v0 + 4 * point, *RESTRICT v2 = v1 + 4 * point, *RESTRICT v3 = v2 + 4 * point;
    int c;
    SIMD
    for (c = 0; c < C; c++) {
        real h0, h1, h2, h3, i0, i1, i2, i3; // the columns h and i of A dy
        WINO_A(h0, h1, h2, h3, d0[c], d1[c]);
        WINO_A(i0, i1, i2, i3, d0[C + c], d1[C + c]);
        WINO_A(v0[c], v0[point + c], v0[2 * point + c], v0[3 * point + c], h0, i0);
        WINO_A(v1[c], v1[point + c], v1[2 * point + c], v1[3 * point + c], h1, i1);
        WINO_A(v2[c], v2[point + c], v2[2 * point + c], v2[3 * point + c], h2, i2);
        WINO_A(v3[c], v3[point + c], v3[2 * point + c], v3[3 * point + c], h3, i3);
    }
}

// Patches first .. first + count - 1 of the padded input, one row of `wide` numbers each.
static inline void wino_patches(real *V, int wide, const real *x, const ConvShape *s, int first, int count) {
    size_t row = (size_t)(s->W + 2) * (size_t)s->in, point = (size_t)WINO_PATCHES * (size_t)wide;
    int high = s->H / 2, across = s->W / 2, t;
    for (t = 0; t < count; t++) {
        int q = first + t, b = q / (high * across), v = q / across % high, u = q % across;
        const real *d = x + (size_t)(b * (s->H + 2) + 2 * v) * row + (size_t)(2 * u) * (size_t)s->in;
        wino_patch_in(V + (size_t)t * (size_t)wide, point, d, row, s->in);
    }
}

// ---- the convolution and its weights -----------------------------------------------------------------------------

// As conv_forward: y = start + conv(x), x with its border; packed: wino_pack.
static inline void wino_forward(real *y, const real *x, const real *packed, const ConvStart *start, const ConvShape *s,
                                real *scratch) {
    int wide_in = wino_round(s->in, TILE_ROWS), wide_out = tiles_of(s->out) * TILE_COLS, high = s->H / 2;
    int across = s->W / 2, patches = s->n * high * across, first, t, o, p;
    size_t point_in = (size_t)WINO_PATCHES * (size_t)wide_in, point_out = (size_t)WINO_PATCHES * (size_t)wide_out;
    real *V = scratch, *M = V + 16 * point_in;
    static const real zero[TILE_COLS] = {0};
    size_t from[WINO_PATCHES], to[WINO_PATCHES];
    Taps one = {1, 0, {0}, {0}};
    Strides ys = strides_dense(s->H, s->W, s->out);
    one.depth = s->in;
    for (first = 0; first < patches; first += WINO_PATCHES) {
        int count = patches - first < WINO_PATCHES ? patches - first : WINO_PATCHES;
        wino_patches(V, wide_in, x, s, first, count);
        for (t = 0; t < count; t++) {
            from[t] = (size_t)t * (size_t)wide_in;
            to[t] = (size_t)t * (size_t)wide_out;
        }
        for (p = 0; p < 16; p++) {
            for (o = 0; o < wide_out; o += TILE_COLS) {
                const real *panel = packed + ((size_t)p * (size_t)wide_out + (size_t)o) * (size_t)s->in;
                const real *v = V + (size_t)p * point_in;
                real *m = M + (size_t)p * point_out + o;
                for (t = 0; t + TILE_ROWS <= count; t += TILE_ROWS) {
                    conv_tile(m, to + t, NULL, NULL, NULL, v, from + t, &one, panel);
                }
                while (t < count) { // a few rows more, with smaller tiles
                    t += gemm_tile(m + to[t], (size_t)wide_out, zero, 0, v + from[t], (size_t)wide_in, 1, panel, s->in,
                                   count - t);
                }
            }
        }
        for (t = 0; t < count; t++) {
            int q = first + t, b = q / (high * across), v = 2 * (q / across % high), u = 2 * (q % across);
            const real *begun = start->from == NULL ? NULL : start->from + stride_at(&start->at, b, v, u);
            const real *m = M + (size_t)t * (size_t)wide_out;
            real *to_y = y + stride_at(&ys, b, v, u);
            if (begun == NULL) {
                wino_patch_out_alone(to_y, ys.row, m, point_out, NULL, 0, 0, NULL, s->out);
            } else if (start->plus == NULL) {
                wino_patch_out_start(to_y, ys.row, m, point_out, begun, start->at.row, start->at.pixel, NULL, s->out);
            } else {
                wino_patch_out_plus(to_y, ys.row, m, point_out, begun, start->at.row, start->at.pixel, start->plus,
                                    s->out);
            }
        }
    }
}

// dw (3 x 3 x in x out) +=, for dy (n x H x W x out, no border) and the padded input x of the forward.
static inline void wino_backward_weights(real *dw, const real *dy, const real *x, const ConvShape *s, real *scratch) {
    int wide_in = wino_round(s->in, TILE_ROWS), wide_out = tiles_of(s->out) * TILE_COLS, high = s->H / 2;
    int across = s->W / 2, patches = s->n * high * across, first, t, i, o, p, k;
    size_t point_in = (size_t)WINO_PATCHES * (size_t)wide_in, point_out = (size_t)WINO_PATCHES * (size_t)wide_out;
    size_t matrix = (size_t)wide_in * (size_t)wide_out;
    real *V = scratch, *D = V + 16 * point_in, *M = D + 16 * point_out;
    Strides ys = strides_dense(s->H, s->W, s->out);
    memset(M, 0, 16 * matrix * sizeof(real));
    for (first = 0; first < patches; first += WINO_PATCHES) {
        int count = patches - first < WINO_PATCHES ? patches - first : WINO_PATCHES;
        wino_patches(V, wide_in, x, s, first, count);
        for (t = 0; t < count; t++) {
            int q = first + t, b = q / (high * across), v = 2 * (q / across % high), u = 2 * (q % across);
            wino_patch_up(D + (size_t)t * (size_t)wide_out, point_out, dy + stride_at(&ys, b, v, u), ys.row, s->out);
        }
        for (p = 0; p < 16; p++) {
            for (o = 0; o < wide_out; o += TILE_COLS) {
                for (i = 0; i < wide_in; i += TILE_ROWS) {
                    conv_grad_tile(M + (size_t)p * matrix + (size_t)i * (size_t)wide_out + o, (size_t)wide_out,
                                   V + (size_t)p * point_in + i, 0, (size_t)wide_in, D + (size_t)p * point_out + o, 0,
                                   (size_t)wide_out, 1, count);
                }
            }
        }
    }
    for (i = 0; i < s->in; i++) { // dw += G' M G, a row of output channels at a time
        const real *m = M + (size_t)i * (size_t)wide_out;
        for (k = 0; k < 9; k++) {
            int ky = k / 3, kx = k % 3, a, b;
            real *to = dw + ((size_t)k * (size_t)s->in + (size_t)i) * (size_t)s->out;
            static const real G[4][3] = {
                {1, 0, 0}, {(real)0.5, (real)0.5, (real)0.5}, {(real)0.5, (real)-0.5, (real)0.5}, {0, 0, 1}};
            for (a = 0; a < 4; a++) {
                for (b = 0; b < 4; b++) {
                    real factor = G[a][ky] * G[b][kx];
                    const real *from = m + (size_t)(4 * a + b) * matrix;
                    for (o = 0; o < s->out && factor != 0; o++) {
                        to[o] += factor * from[o];
                    }
                }
            }
        }
    }
}

#endif
