// rewards.h: the true rewards of the toy worlds.  "True" means: hidden from the method under test, known to its judge.
//
//   ring     bump: bounded and smooth, largest at a point outside the ring, so no sample of p_ref is the best one;
//            quadratic (with linear as a special case): its tilt is a closed form, ref/formula/tilt.h
//   digits   stroke weight: how much ink, in standard deviations of the data; a person sees it at once
//            closed loops: how many regions of paper the strokes enclose (an 8 has two), a whole number without slope
// Rewards have no unit of their own; beta carries "reward units per nat".
#ifndef TILT_REWARDS_H
#define TILT_REWARDS_H

#include "../world/digits.h"
#include "../world/grid.h"

// r_i of n points (n x 2) with prompts c (NULL: -1 for all).
static inline void point_rewards(double *r, const real *x, const int *c, size_t n, PointReward reward, void *user) {
    size_t i;
    for (i = 0; i < n; i++) {
        double y[2];
        y[0] = (double)x[2 * i];
        y[1] = (double)x[2 * i + 1];
        r[i] = reward(y, c ? c[i] : -1, user);
    }
}

// ---- ring: bump --------------------------------------------------------------------------------------------------

typedef struct {
    double centre[2];
    double height; // the largest reward
    double width;  // its standard deviation, in units of x
} Bump;

// The usual one: half a radius outside the ring, in the quarter of prompt 0.
static inline Bump bump_new(void) {
    Bump b;
    b.centre[0] = 1.6;
    b.centre[1] = 1.2;
    b.height = 2.0;
    b.width = 0.8;
    return b;
}

// r(x) = height exp(-|x - centre|^2 / (2 width^2)), the same for every prompt.  A PointReward; user is a Bump.
static inline double bump_reward(const double x[2], int c, void *user) {
    const Bump *b = (const Bump *)user;
    double dx = x[0] - b->centre[0], dy = x[1] - b->centre[1];
    (void)c;
    return b->height * e_exp(-0.5 * (dx * dx + dy * dy) / (b->width * b->width));
}

// dr/dx = -r (x - centre) / width^2.
static inline void bump_grad(double g[2], const double x[2], const Bump *b) {
    Bump copy = *b;
    double r = bump_reward(x, -1, &copy);
    g[0] = -r * (x[0] - b->centre[0]) / (b->width * b->width);
    g[1] = -r * (x[1] - b->centre[1]) / (b->width * b->width);
}

// ---- ring: linear and quadratic ----------------------------------------------------------------------------------

// r(x) = -x'Ax/2 + b'x + c of tilt.h as a PointReward; user is a QuadReward.  A = 0 makes it linear.
// Its slope is quad_reward_grad.
static inline double quad_point_reward(const double x[2], int c, void *user) {
    (void)c;
    return quad_reward((const QuadReward *)user, x);
}

// r(x) = bx x + by y.
static inline QuadReward linear_reward_new(double bx, double by) {
    QuadReward r;
    memset(&r, 0, sizeof r);
    r.b[0] = bx;
    r.b[1] = by;
    return r;
}

// r(x) = -stiffness |x - centre|^2 / 2: highest (zero) at the centre.
static inline QuadReward bowl_reward_new(double cx, double cy, double stiffness) {
    QuadReward r;
    memset(&r, 0, sizeof r);
    r.A[0] = r.A[3] = stiffness;
    r.b[0] = stiffness * cx;
    r.b[1] = stiffness * cy;
    r.c = -0.5 * stiffness * (cx * cx + cy * cy);
    return r;
}

// ---- digits: stroke weight ---------------------------------------------------------------------------------------

// Mean ink of a picture with values in [-1,1]: 0 is blank paper, 1 is all ink.
static inline double ink_of(const real *x) {
    double sum = 0;
    int k;
    for (k = 0; k < DIGIT_PIXELS; k++) {
        sum += (double)x[k];
    }
    return 0.5 + 0.5 * sum / DIGIT_PIXELS;
}

typedef struct {
    double mean, std; // of ink_of over the data: measured by ink_new, never typed in
} Ink;

static inline Ink ink_new(const Digits *d) {
    Ink ink;
    double sum = 0, squares = 0;
    int i;
    for (i = 0; i < d->n; i++) {
        double v = ink_of(d->x + (size_t)i * DIGIT_PIXELS);
        sum += v;
        squares += v * v;
    }
    ink.mean = sum / d->n;
    ink.std = sqrt(squares / d->n - ink.mean * ink.mean);
    if (!(ink.std > 0)) {
        DIE("stroke weight: all %d pictures carry the same ink, so it cannot be a reward", d->n);
    }
    return ink;
}

// r(x) = (ink - mean) / std: mean 0 and standard deviation 1 on the data.  Linear in x and not clipped: a picture
// beyond full ink still gains, and only the KL term holds it back.
static inline double ink_reward(const real *x, const Ink *ink) {
    return (ink_of(x) - ink->mean) / ink->std;
}

// dr/dx_k, the same for every pixel of every picture.
static inline double ink_slope(const Ink *ink) {
    return 0.5 / DIGIT_PIXELS / ink->std;
}

// r_i of n pictures (n x 64).
static inline void ink_rewards(double *r, const real *x, size_t n, const Ink *ink) {
    size_t i;
    for (i = 0; i < n; i++) {
        r[i] = ink_reward(x + i * DIGIT_PIXELS, ink);
    }
}

// ---- digits: closed loops ----------------------------------------------------------------------------------------

enum { LOOPS_MAX_SIDE = 32 };

// Colours the paper region of cell `start` on a board of side*side cells (1: ink or already seen), four neighbours.
static inline void loops_fill(unsigned char *board, int side, int start) {
    int stack[(LOOPS_MAX_SIDE + 2) * (LOOPS_MAX_SIDE + 2)];
    int depth = 0, way;
    board[start] = 1; // marked when pushed, so that no cell is pushed twice and the stack cannot overflow
    stack[depth++] = start;
    while (depth > 0) {
        int at = stack[--depth], row = at / side, col = at % side;
        for (way = 0; way < 4; way++) {
            int r = row + (way == 0) - (way == 1), c = col + (way == 2) - (way == 3);
            if (r >= 0 && r < side && c >= 0 && c < side && !board[r * side + c]) {
                board[r * side + c] = 1;
                stack[depth++] = r * side + c;
            }
        }
    }
}

// Number of regions of paper that ink encloses in a side x side picture.  Ink is x >= threshold; 0 is half ink, the
// level at which the scans agree best with the drawn digit.  Ink touching at a corner closes a loop: paper connects
// through edges only.  A frame of paper around the picture joins everything that reaches the border.
static inline int loops_of(const real *x, int side, double threshold) {
    unsigned char board[(LOOPS_MAX_SIDE + 2) * (LOOPS_MAX_SIDE + 2)];
    int framed = side + 2, i, j, loops = 0;
    if (side < 1 || side > LOOPS_MAX_SIDE) {
        DIE("closed loops: pictures of side %d; 1..%d are supported", side, LOOPS_MAX_SIDE);
    }
    memset(board, 0, sizeof board);
    for (j = 0; j < side; j++) {
        for (i = 0; i < side; i++) {
            board[(j + 1) * framed + i + 1] = (double)x[j * side + i] >= threshold;
        }
    }
    loops_fill(board, framed, 0); // the outside
    for (i = 0; i < framed * framed; i++) {
        if (!board[i]) {
            loops_fill(board, framed, i);
            loops++;
        }
    }
    return loops;
}

// r_i = number of closed loops of n digits (n x 64) at half ink.
static inline void loop_rewards(double *r, const real *x, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        r[i] = loops_of(x + i * DIGIT_PIXELS, DIGIT_SIDE, 0);
    }
}

// Loops of a digit as it is usually drawn: 0, 6 and 9 have one, 8 has two.
static inline int loops_of_class(int digit) {
    return digit == 8 ? 2 : digit == 0 || digit == 6 || digit == 9;
}

#endif
