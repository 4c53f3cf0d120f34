// conv.h: convolutions of images as matrix products that read their input where it lies.
//
//   y[b,v,u,:] = start + sum over taps  x[b, s v + ky, s u + kx, :] w[ky,kx,:,:]            s: stride, 1 or 2
// Images are NHWC: the C numbers of a pixel lie side by side.  A 3x3 convolution takes its input with a border of zeros
// already around it, n x (H+2) x (W+2) x C: then the three pixels under a kernel row are 3 C consecutive numbers, and
// the product needs no copy of the windows (im2col); neighbouring windows overlap in memory instead.
//
// conv_run is the one engine: pixels are rows of A, output channels columns of B, and a list of taps says where the
// numbers under the kernel lie.  Forward, the gradient with respect to the input, stride 2, up-sampling and linear
// layers are calls of it with other strides and taps.
// All functions are serial and work on a few images; a network gives each thread its own images.
// conv_grad.h has the gradient of the weights, conv_naive.h the plain loops that both are tested against.
#ifndef TILT_CONV_H
#define TILT_CONV_H

#include "conv_narrow.h"

// ---- packed weights ----------------------------------------------------------------------------------------------

static inline int tiles_of(int channels) {
    return (channels + TILE_COLS - 1) / TILE_COLS;
}

// Numbers of a packed matrix of `rows` rows.
static inline size_t packed_size(size_t rows, int out) {
    return rows * (size_t)tiles_of(out) * TILE_COLS;
}

// w (rows x out) as panels of TILE_COLS columns, [panel][row][column], columns beyond `out` zero.
static inline void pack_panels(real *packed, const real *w, int rows, int out) {
    int panel, r, j;
    for (panel = 0; panel < tiles_of(out); panel++) {
        for (r = 0; r < rows; r++) {
            real *to = packed + ((size_t)panel * (size_t)rows + (size_t)r) * TILE_COLS;
            for (j = 0; j < TILE_COLS; j++) {
                int o = panel * TILE_COLS + j;
                to[j] = o < out ? w[(size_t)r * (size_t)out + (size_t)o] : (real)0;
            }
        }
    }
}

// The weights of the input gradient, w'[ky,kx,o,i] = w[k-1-ky,k-1-kx,i,o], packed: the roles of the channels are
// exchanged and the kernel is turned by half a turn.
static inline void pack_turned(real *packed, const real *w, int k, int in, int out) {
    int rows = k * k * out, panel, tap, o, j;
    for (panel = 0; panel < tiles_of(in); panel++) {
        for (tap = 0; tap < k * k; tap++) {
            const real *from = w + (size_t)(k * k - 1 - tap) * (size_t)in * (size_t)out;
            for (o = 0; o < out; o++) {
                real *to = packed + ((size_t)panel * (size_t)rows + (size_t)(tap * out + o)) * TILE_COLS;
                for (j = 0; j < TILE_COLS; j++) {
                    int i = panel * TILE_COLS + j;
                    to[j] = i < in ? from[(size_t)i * (size_t)out + (size_t)o] : (real)0;
                }
            }
        }
    }
}

// ---- the engine --------------------------------------------------------------------------------------------------

enum { CONV_CHUNK = 96 }; // pixels between two looks at the weights; a multiple of 4, 6 and 12

// One tile: for TILE_ROWS pixels i and the TILE_COLS channels of a packed panel,
//   y[to[i] + j] = start[begin[i] + j] + sum over taps and k  x[from[i] + a + k] panel[b + k][j]  (+ plus[j])
// start and plus may be NULL.
static inline void conv_tile(real *y, const size_t *to, const real *start, const size_t *begin, const real *plus,
                             const real *RESTRICT x, const size_t *from, const Taps *taps, const real *RESTRICT panel) {
    static const real zero[TILE_COLS] = {0};
    real sum[TILE_ROWS][TILE_COLS];
    size_t at[TILE_ROWS];
    int r, c, t;
    for (r = 0; r < TILE_ROWS; r++) {
        const real *first = start == NULL ? zero : start + begin[r];
        at[r] = from[r];
        SIMD
        for (c = 0; c < TILE_COLS; c++) {
            sum[r][c] = first[c];
        }
    }
    for (t = 0; t < taps->count; t++) {
        TILE_RUN(sum, taps->depth, x + taps->a[t], at, 1, panel + taps->b[t] * TILE_COLS);
    }
    for (r = 0; r < TILE_ROWS; r++) {
        real *row = y + to[r];
        if (plus == NULL) {
            SIMD
            for (c = 0; c < TILE_COLS; c++) {
                row[c] = sum[r][c];
            }
        } else {
            SIMD
            for (c = 0; c < TILE_COLS; c++) {
                row[c] = sum[r][c] + plus[c];
            }
        }
    }
}

// At the edges, fewer pixels or channels than the tile has: it works on copies.
static inline void conv_edge_tile(real *y, const size_t *to, const real *start, const size_t *begin, const real *plus,
                                  const real *x, const size_t *from, const Taps *taps, const real *panel, int live,
                                  int cols) {
    real begun[TILE_ROWS * TILE_COLS] = {0}, done[TILE_ROWS * TILE_COLS], add[TILE_COLS] = {0};
    size_t row[TILE_ROWS], at[TILE_ROWS];
    int r;
    for (r = 0; r < TILE_ROWS; r++) {
        row[r] = (size_t)r * TILE_COLS;
        at[r] = from[r < live ? r : live - 1];
        if (r < live && start != NULL) {
            memcpy(begun + row[r], start + begin[r], (size_t)cols * sizeof(real));
        }
    }
    if (plus != NULL) {
        memcpy(add, plus, (size_t)cols * sizeof(real));
    }
    conv_tile(done, row, begun, row, plus == NULL ? NULL : add, x, at, taps, panel);
    for (r = 0; r < live; r++) {
        memcpy(y + to[r], done + row[r], (size_t)cols * sizeof(real));
    }
}

// y = start + the sum over taps, for n x H x W pixels.  `rows`: rows of the weight matrix that was packed.
static inline void conv_run(real *y, const Strides *ys, const real *x, const Strides *xs, const ConvStart *start,
                            const real *packed, int rows, const Taps *taps, int n, int H, int W, int out) {
    size_t pixels = (size_t)n * (size_t)H * (size_t)W, done = 0;
    int b = 0, v = 0, u = 0;
    while (done < pixels) {
        int count = pixels - done < CONV_CHUNK ? (int)(pixels - done) : CONV_CHUNK, p, o;
        size_t from[CONV_CHUNK], to[CONV_CHUNK], begin[CONV_CHUNK];
        for (p = 0; p < count; p++) {
            from[p] = stride_at(xs, b, v, u);
            to[p] = stride_at(ys, b, v, u);
            begin[p] = stride_at(&start->at, b, v, u);
            if (++u == W) {
                u = 0;
                if (++v == H) {
                    v = 0;
                    b++;
                }
            }
        }
        done += (size_t)count;
        for (o = 0; o < out; o += TILE_COLS) {
            const real *panel = packed + (size_t)o * (size_t)rows;
            const real *begun = start->from == NULL ? NULL : start->from + o;
            const real *plus = start->plus == NULL ? NULL : start->plus + o;
            int cols = out - o < TILE_COLS ? out - o : TILE_COLS;
            for (p = 0; p < count; p += TILE_ROWS) {
                int live = count - p < TILE_ROWS ? count - p : TILE_ROWS;
                if (live == TILE_ROWS && cols == TILE_COLS) {
                    conv_tile(y + o, to + p, begun, begin + p, plus, x, from + p, taps, panel);
                } else {
                    conv_edge_tile(y + o, to + p, begun, begin + p, plus, x, from + p, taps, panel, live, cols);
                }
            }
        }
    }
}

// ---- forward and backward ----------------------------------------------------------------------------------------

// y (n x H x W x out) = start + conv(x).  packed: pack_panels of the weights (k k in x out).
static inline void conv_forward(real *y, const real *x, const real *packed, const ConvStart *start,
                                const ConvShape *s) {
    Strides xs = conv_input_strides(s), ys = strides_dense(s->H, s->W, s->out);
    Taps taps = taps_of(s);
    if (narrow_fits(s)) {
        narrow_forward(y, x, packed, start, s);
        return;
    }
    conv_run(y, &ys, x, &xs, start, packed, s->k * s->k * s->in, &taps, s->n, s->H, s->W, s->out);
}

// dx (n x H x W x in, no border) = or += (add) the gradient through a convolution of stride 1.
// dy: n x (H+k-1) x (W+k-1) x out, with a border of zeros for k = 3.  turned: pack_turned of the weights.
static inline void conv_backward_input(real *dx, const real *dy, const real *turned, int add, const ConvShape *s) {
    ConvShape back = {0, 0, 0, 0, 0, 0, 1};
    ConvStart start = add ? start_image(dx, NULL, s->H, s->W, s->in) : start_zero();
    back.n = s->n;
    back.H = s->H;
    back.W = s->W;
    back.in = s->out;
    back.out = s->in;
    back.k = s->k;
    conv_forward(dx, dy, turned, &start, &back);
}

// The same through a 3x3 convolution of stride 2; dx is n x 2H x 2W x in; dy (n x (H+2) x (W+2) x out) has its border.
// An input pixel with even row meets kernel row 1 only; with odd row, kernel rows 0 and 2: so the four parities of
// (row, column) are four convolutions with 1, 2, 2 and 4 taps, and no product with a zero is computed.
static inline void conv_backward_input_2(real *dx, const real *dy, const real *turned, int add, const ConvShape *s) {
    ConvStart start = add ? start_image(dx, NULL, 2 * s->H, 2 * s->W, s->in) : start_zero();
    Strides ys = strides_dense(2 * s->H, 2 * s->W, s->in), xs = strides_dense(s->H + 2, s->W + 2, s->out);
    int parity, iy, ix;
    ys.row *= 2;
    ys.pixel *= 2;
    for (parity = 0; parity < 4; parity++) {
        int odd_row = parity / 2, odd_col = parity % 2;
        Taps taps;
        taps.count = 0;
        taps.depth = s->out;
        for (iy = 0; iy <= odd_row; iy++) { // output rows v + iy, through turned kernel row 2 iy, or 1 for an even row
            for (ix = 0; ix <= odd_col; ix++) {
                int ky = odd_row ? 2 * iy : 1, kx = odd_col ? 2 * ix : 1;
                taps.a[taps.count] = ((size_t)(iy + 1) * (size_t)(s->W + 2) + (size_t)(ix + 1)) * (size_t)s->out;
                taps.b[taps.count++] = (size_t)(ky * 3 + kx) * (size_t)s->out;
            }
        }
        ys.base = ((size_t)odd_row * 2 * (size_t)s->W + (size_t)odd_col) * (size_t)s->in;
        if (add) {
            start.at = ys;
        }
        conv_run(dx, &ys, dy, &xs, &start, turned, 9 * s->out, &taps, s->n, s->H, s->W, s->in);
    }
}

#endif
