// palette.h: the colours of every picture, chosen so that readers with any common colour vision can use them.
//
// Sequential: dark blue to pale yellow; its lightness rises evenly (CIE L* 13 to 93), so it also works in grey.
// Categories: the eight colours of Okabe and Ito (Color Universal Design, 2008), in an order that starts with the
// pair that is easiest to tell apart.  Diverging: blue below zero, near white at zero, orange above.
// tests/test_show.c simulates red- and green-blindness and measures the distances.
#ifndef TILT_PALETTE_H
#define TILT_PALETTE_H

#include "../core/base.h"

typedef struct {
    unsigned char r, g, b;
} Rgb;

static inline Rgb rgb(int r, int g, int b) {
    Rgb c;
    c.r = (unsigned char)r;
    c.g = (unsigned char)g;
    c.b = (unsigned char)b;
    return c;
}

#define INK rgb(34, 34, 34)
#define PAPER rgb(255, 255, 255)

#define CATEGORIES 8

// Category k, repeating after 8: blue, vermilion, green, purple, sky blue, orange, yellow, dark grey.
static inline Rgb palette_category(int k) {
    static const unsigned char table[CATEGORIES][3] = {
        {0, 114, 178},  {213, 94, 0},  {0, 158, 115},  {204, 121, 167},
        {86, 180, 233}, {230, 159, 0}, {240, 228, 66}, {68, 68, 68},
    };
    int i = ((k % CATEGORIES) + CATEGORIES) % CATEGORIES;
    return rgb(table[i][0], table[i][1], table[i][2]);
}

// Piecewise linear through `count` anchors.  t is cut to [0,1] and rounded to 1/128, so that a picture has few
// distinct colours and fits a palette PNG; the steps are too small to see.  NaN gives the first colour.
static inline Rgb palette_ramp_(const unsigned char (*anchor)[3], int count, double t) {
    double at, f;
    int i, k, c[3];
    t = t > 0 ? (t < 1 ? t : 1) : 0;
    at = (double)(int)(128 * t + 0.5) / 128 * (count - 1);
    i = (int)at < count - 1 ? (int)at : count - 2;
    f = at - i;
    for (k = 0; k < 3; k++) {
        c[k] = (int)(anchor[i][k] + f * (anchor[i + 1][k] - anchor[i][k]) + 0.5);
    }
    return rgb(c[0], c[1], c[2]);
}

// t in [0,1]: from dark (nothing) to light (much).
static inline Rgb palette_sequential(double t) {
    static const unsigned char anchor[9][3] = {
        {27, 26, 80},   {3, 57, 95},     {3, 84, 111},   {6, 112, 126},   {3, 142, 137},
        {31, 172, 134}, {108, 199, 119}, {178, 221, 98}, {255, 237, 121},
    };
    return palette_ramp_(anchor, 9, t);
}

// t in [-1,1]: blue, near white at 0, orange.
static inline Rgb palette_diverging(double t) {
    static const unsigned char anchor[5][3] = {
        {4, 86, 135}, {89, 165, 216}, {243, 243, 243}, {228, 147, 88}, {167, 68, 27},
    };
    return palette_ramp_(anchor, 5, 0.5 + 0.5 * t);
}

// Perceived brightness 0..255 (ITU-R BT.601 weights, whole numbers).
static inline int rgb_grey(Rgb c) {
    return (299 * c.r + 587 * c.g + 114 * c.b + 500) / 1000;
}

#endif
