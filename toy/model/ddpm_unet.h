// ddpm_unet.h: the UNet that the papers measure themselves with, by name.
//
// Ho, Jain and Abbeel 2020, arXiv 2006.11239, for CIFAR-10: 32x32x3, four levels of width 128, 256, 256, 256, two
// residual blocks a level, self-attention at 16x16 and in the middle, group norms of 32 groups.  Without dropout, and
// with q, k and v in one 1x1 convolution (the same number of parameters as three).  Group norm adds 1e-5 to the
// variance as everywhere here (groupnorm.h); the authors' code adds 1e-6.
//   name     width  parameters    GFLOP an image   what for
//   ddpm     128    35,746,307    12.44            the published network
//   light     64     8,952,067     3.20            its smaller sister
//   tiny      16       177,427     0.008           8x8x3: tests on the CPU, all of the wiring in two levels
//   tiny64    64     2,795,587     0.129           8x8x3: the same with channels in multiples of 64, for fast kernels
// Parameters and work (multiplications and additions, forward) at the sizes named, without the vectors of the prompts.
#ifndef TILT_DDPM_UNET_H
#define TILT_DDPM_UNET_H

#include "unet_list.h"

// The published network for other images: as many of its four levels as halve the side, attention on the first level
// whose side is 16 or less.
static inline UnetShape ddpm_unet_shape(int side, int channels, int width) {
    UnetShape s = {0, 0, 0, 1, {1, 2, 2, 2}, 2, 32, 0, 1, 0, 0, 1};
    int small = side;
    s.side = side;
    s.channels = channels;
    s.width = width;
    s.time = 4 * width;
    for (; s.levels < UNET_LEVELS && small % 2 == 0 && small > 4; s.levels++) {
        small /= 2;
    }
    for (small = 0; small + 1 < s.levels && side >> small > 16; small++) {
    }
    s.attend = side >> small <= 16 ? 1 << small : 0;
    return s;
}

// Two levels, one block, attention on the second.
static inline UnetShape ddpm_unet_tiny(int side, int channels, int width, int groups) {
    UnetShape s = {0, 0, 0, 2, {1, 2, 0, 0}, 1, 0, 0, 1, 0, 2, 1};
    s.side = side;
    s.channels = channels;
    s.width = width;
    s.groups = groups;
    s.time = 4 * width;
    return s;
}

enum { DDPM_FULL, DDPM_LIGHT, DDPM_TINY, DDPM_TINY64 };
static const char *const ddpm_unet_names[] = {"ddpm", "light", "tiny", "tiny64", NULL};

static inline UnetShape ddpm_unet_named(int name, int side, int channels) {
    switch (name) {
    case DDPM_TINY:
        return ddpm_unet_tiny(side, channels, 16, 4);
    case DDPM_TINY64:
        return ddpm_unet_tiny(side, channels, 64, 32);
    default:
        return ddpm_unet_shape(side, channels, name == DDPM_LIGHT ? 64 : 128);
    }
}

#endif
