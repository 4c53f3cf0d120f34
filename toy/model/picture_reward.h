// picture_reward.h: a small convolutional network that gives a picture one number: a reward model, as a Net.
//
//   3x3 convolution, SiLU, mean over 2x2 pixels, 3x3 convolution, SiLU, mean over each of four quarters, a linear layer
// The quarters overlap by a line where their side is odd.  It knows no prompt and no noise level: t and c are ignored.
// Backward computes the forward numbers again, row by row, so nothing is kept between the two calls.
#ifndef TILT_PICTURE_REWARD_H
#define TILT_PICTURE_REWARD_H

#include "../../ref/core/conv_grad.h"
#include "../../ref/core/layers.h"
#include "../../ref/core/net.h"

enum { REWARD_ONE = 16, REWARD_TWO = 32, REWARD_QUARTERS = 4, REWARD_FLAT = REWARD_TWO * REWARD_QUARTERS };
enum { REWARD_LANES = 8 }; // gradients are summed in lanes, each in the order of its rows: threads do not change bits

typedef struct {
    int side, half, channels;      // half: side of the second map
    size_t w1, b1, w2, b2, w3, b3; // places in the flat vector
    ConvShape one, two;
    real *packed1, *packed2, *turned1, *turned2;
} PictureReward;

// The numbers of one picture on its way through.
typedef struct {
    real *x;             // (side+2)^2 channels, with a border of zeros
    real *z1;            // side^2 ONE, before the SiLU
    real *y1;            // (half+2)^2 ONE, with a border
    real *z2;            // half^2 TWO
    real *flat;          // FLAT
    real *d1, *d2;       // gradients by z1 and z2
    real *wide1, *wide2; // the same with a border
    real *dy1, *dx;
} RewardRow;

static inline RewardRow reward_row(const PictureReward *m) {
    size_t s = (size_t)m->side, h = (size_t)m->half, in = (size_t)m->channels;
    RewardRow r;
    r.x = NEW(real, (s + 2) * (s + 2) * in);
    r.z1 = NEW(real, s * s * REWARD_ONE);
    r.y1 = NEW(real, (h + 2) * (h + 2) * REWARD_ONE);
    r.z2 = NEW(real, h * h * REWARD_TWO);
    r.flat = NEW(real, REWARD_FLAT);
    r.d1 = NEW(real, s * s * REWARD_ONE);
    r.d2 = NEW(real, h * h * REWARD_TWO);
    r.wide1 = NEW(real, (s + 2) * (s + 2) * REWARD_ONE);
    r.wide2 = NEW(real, (h + 2) * (h + 2) * REWARD_TWO);
    r.dy1 = NEW(real, h * h * REWARD_ONE);
    r.dx = NEW(real, s * s * in);
    return r;
}

static inline void reward_row_free(RewardRow *r) {
    free(r->x);
    free(r->z1);
    free(r->y1);
    free(r->z2);
    free(r->flat);
    free(r->d1);
    free(r->d2);
    free(r->wide1);
    free(r->wide2);
    free(r->dy1);
    free(r->dx);
}

// Copies n x n pixels of C numbers into the middle of (n + 2) x (n + 2), whose border stays zero.
static inline void reward_border(real *wide, const real *x, int n, int C) {
    size_t line = (size_t)n * (size_t)C;
    int v;
    for (v = 0; v < n; v++) {
        memcpy(wide + (size_t)(v + 1) * (line + 2 * (size_t)C) + (size_t)C, x + (size_t)v * line, line * sizeof(real));
    }
}

// Where quarter q of a map of side n begins, and its side.
static inline int reward_quarter(int *top, int *left, int q, int n) {
    int reach = (n + 1) / 2;
    *top = q / 2 * (n - reach);
    *left = q % 2 * (n - reach);
    return reach;
}

// ---- one picture -------------------------------------------------------------------------------------------------

static inline real reward_row_forward(const PictureReward *m, const real *p, RewardRow *r, const real *x) {
    ConvStart start1 = start_bias(p + m->b1), start2 = start_bias(p + m->b2);
    int h = m->half, v, u, o, q, top, left, reach;
    real sum = p[m->b3];
    reward_border(r->x, x, m->side, m->channels);
    conv_forward(r->z1, r->x, m->packed1, &start1, &m->one);
    for (v = 0; v < h; v++) {
        for (u = 0; u < h; u++) {
            real *to = r->y1 + ((size_t)(v + 1) * (size_t)(h + 2) + (size_t)(u + 1)) * REWARD_ONE;
            for (o = 0; o < REWARD_ONE; o++) {
                real mean = 0;
                for (q = 0; q < 4; q++) {
                    real z = r->z1[((size_t)(2 * v + q / 2) * (size_t)m->side + (size_t)(2 * u + q % 2)) * REWARD_ONE +
                                   (size_t)o];
                    mean += z * r_sigmoid(z) * (real)0.25;
                }
                to[o] = mean;
            }
        }
    }
    conv_forward(r->z2, r->y1, m->packed2, &start2, &m->two);
    for (q = 0; q < REWARD_QUARTERS; q++) {
        reach = reward_quarter(&top, &left, q, h);
        for (o = 0; o < REWARD_TWO; o++) {
            real mean = 0;
            for (v = 0; v < reach * reach; v++) {
                real z = r->z2[(size_t)((top + v / reach) * h + left + v % reach) * REWARD_TWO + (size_t)o];
                mean += z * r_sigmoid(z);
            }
            r->flat[q * REWARD_TWO + o] = mean / (real)(reach * reach);
        }
    }
    for (o = 0; o < REWARD_FLAT; o++) {
        sum += r->flat[o] * p[m->w3 + (size_t)o];
    }
    return sum;
}

// y = w3 . flat + b3.   dw3 += dy flat,  db3 += dy,  dflat = dy w3, and so on back to the picture.
// g: the gradient of the parameters, or NULL.  dx (one picture) is added to, or NULL.  r holds the forward numbers.
static inline void reward_row_backward(const PictureReward *m, const real *p, real *g, real *dx, real dy,
                                       RewardRow *r) {
    size_t s = (size_t)m->side, h = (size_t)m->half, i;
    int v, u, o, q, top, left, reach;
    memset(r->d2, 0, h * h * REWARD_TWO * sizeof(real));
    for (q = 0; q < REWARD_QUARTERS; q++) {
        reach = reward_quarter(&top, &left, q, m->half);
        for (v = 0; v < reach * reach; v++) {
            real *to = r->d2 + (size_t)((top + v / reach) * m->half + left + v % reach) * REWARD_TWO;
            for (o = 0; o < REWARD_TWO; o++) {
                to[o] += dy * p[m->w3 + (size_t)(q * REWARD_TWO + o)] / (real)(reach * reach);
            }
        }
    }
    silu_backward(r->d2, r->d2, r->z2, h * h * REWARD_TWO);
    reward_border(r->wide2, r->d2, m->half, REWARD_TWO);
    conv_backward_input(r->dy1, r->wide2, m->turned2, 0, &m->two);
    for (v = 0; v < 2 * m->half; v++) {
        for (u = 0; u < 2 * m->half; u++) {
            for (o = 0; o < REWARD_ONE; o++) {
                r->d1[((size_t)v * s + (size_t)u) * REWARD_ONE + (size_t)o] =
                    r->dy1[((size_t)(v / 2) * h + (size_t)(u / 2)) * REWARD_ONE + (size_t)o] * (real)0.25;
            }
        }
    }
    silu_backward(r->d1, r->d1, r->z1, s * s * REWARD_ONE);
    if (g != NULL) {
        for (i = 0; i < REWARD_FLAT; i++) {
            g[m->w3 + i] += dy * r->flat[i];
        }
        g[m->b3] += dy;
        conv_backward_weights(g + m->w2, g + m->b2, r->d2, r->y1, &m->two);
        conv_backward_weights(g + m->w1, g + m->b1, r->d1, r->x, &m->one);
    }
    if (dx != NULL) {
        reward_border(r->wide1, r->d1, m->side, REWARD_ONE);
        conv_backward_input(r->dx, r->wide1, m->turned1, 0, &m->one);
        for (i = 0; i < s * s * (size_t)m->channels; i++) {
            dx[i] += r->dx[i];
        }
    }
}

// ---- as a Net ----------------------------------------------------------------------------------------------------

static inline void picture_reward_pack(PictureReward *m, const real *p) {
    pack_panels(m->packed1, p + m->w1, 9 * m->channels, REWARD_ONE);
    pack_panels(m->packed2, p + m->w2, 9 * REWARD_ONE, REWARD_TWO);
    pack_turned(m->turned1, p + m->w1, 3, m->channels, REWARD_ONE);
    pack_turned(m->turned2, p + m->w2, 3, REWARD_ONE, REWARD_TWO);
}

static inline void picture_reward_forward(Net *net, real *y, const real *x, const real *t, const int *c, int n) {
    PictureReward *m = (PictureReward *)net->self;
    int lane;
    (void)t;
    (void)c;
    picture_reward_pack(m, net->p);
    OMP(parallel for schedule(static, 1))
    for (lane = 0; lane < REWARD_LANES; lane++) {
        RewardRow r = reward_row(m);
        int i;
        for (i = lane; i < n; i += REWARD_LANES) {
            y[i] = reward_row_forward(m, net->p, &r, x + (size_t)i * (size_t)net->in);
        }
        reward_row_free(&r);
    }
}

static inline void picture_reward_backward(Net *net, real *dx, const real *dy, const real *x, const real *t,
                                           const int *c, int n) {
    PictureReward *m = (PictureReward *)net->self;
    real *lanes = net->g != NULL ? NEW(real, REWARD_LANES * net->np) : NULL;
    size_t i;
    int lane;
    (void)t;
    (void)c;
    picture_reward_pack(m, net->p);
    OMP(parallel for schedule(static, 1))
    for (lane = 0; lane < REWARD_LANES; lane++) {
        RewardRow r = reward_row(m);
        int k;
        for (k = lane; k < n; k += REWARD_LANES) {
            size_t at = (size_t)k * (size_t)net->in;
            reward_row_forward(m, net->p, &r, x + at);
            reward_row_backward(m, net->p, lanes != NULL ? lanes + (size_t)lane * net->np : NULL,
                                dx != NULL ? dx + at : NULL, dy[k], &r);
        }
        reward_row_free(&r);
    }
    for (lane = 0; lane < REWARD_LANES && lanes != NULL; lane++) {
        for (i = 0; i < net->np; i++) {
            net->g[i] += lanes[(size_t)lane * net->np + i];
        }
    }
    free(lanes);
}

static inline void picture_reward_release(Net *net) {
    PictureReward *m = (PictureReward *)net->self;
    free(m->packed1);
    free(m->packed2);
    free(m->turned1);
    free(m->turned2);
    free(m);
}

static inline ConvShape reward_conv(int side, int in, int out) {
    ConvShape s = {1, 0, 0, 0, 0, 3, 1};
    s.H = s.W = side;
    s.in = in;
    s.out = out;
    return s;
}

// What a checkpoint of it says: two nets with one text have parameters that fit each other.
static inline void picture_reward_text(char text[96], const Net *net, const char *world) {
    const PictureReward *m = (const PictureReward *)net->self;
    snprintf(text, 96, "%.20s reward conv %dx%dx%d, %d and %d channels", world, m->side, m->side, m->channels,
             REWARD_ONE, REWARD_TWO);
}

// A reward of pictures of side x side x channels; the side is even and at least 4.
static inline Net picture_reward_new(int side, int channels, uint64_t seed) {
    PictureReward *m = NEW(PictureReward, 1);
    Net net;
    if (side < 4 || side % 2 != 0 || channels < 1) {
        DIE("picture_reward: pictures of %d x %d x %d; the side must be even and at least 4", side, side, channels);
    }
    m->side = side;
    m->half = side / 2;
    m->channels = channels;
    m->one = reward_conv(side, channels, REWARD_ONE);
    m->two = reward_conv(side / 2, REWARD_ONE, REWARD_TWO);
    m->b1 = m->w1 + conv_weights(&m->one);
    m->w2 = m->b1 + REWARD_ONE;
    m->b2 = m->w2 + conv_weights(&m->two);
    m->w3 = m->b2 + REWARD_TWO;
    m->b3 = m->w3 + REWARD_FLAT;
    m->packed1 = NEW(real, packed_size(9 * (size_t)channels, REWARD_ONE));
    m->packed2 = NEW(real, packed_size(9 * REWARD_ONE, REWARD_TWO));
    m->turned1 = NEW(real, packed_size(9 * REWARD_ONE, channels));
    m->turned2 = NEW(real, packed_size(9 * REWARD_TWO, REWARD_ONE));
    net = net_new(side * side * channels, 1, m->b3 + 1);
    linear_init(net.p + m->w1, 9 * channels, REWARD_ONE, seed, 950);
    linear_init(net.p + m->w2, 9 * REWARD_ONE, REWARD_TWO, seed, 951);
    linear_init(net.p + m->w3, REWARD_FLAT, 1, seed, 952);
    net.forward = picture_reward_forward;
    net.backward = picture_reward_backward;
    net.release = picture_reward_release;
    net.self = m;
    return net;
}

#endif
