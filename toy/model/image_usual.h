// image_usual.h: the usual noise schedule and UNet for small pictures, for those who train and those who use.
#ifndef TILT_IMAGE_USUAL_H
#define TILT_IMAGE_USUAL_H

#include "../../ref/formula/schedule.h"
#include "unet_list.h"

// Noise levels evenly spaced in log(alpha/sigma), from nearly clean pictures to nearly none.
static inline Schedule image_schedule(int levels) {
    return schedule_logsnr(levels, 2.5, -4);
}

// width: channels of the first level.  As many levels as halve the side to 3..7, three at most.
static inline UnetShape image_unet_shape(int side, int channels, int width, int blocks) {
    UnetShape s = {0, 0, 0, 1, {1, 2, 2, 2}, 0, 8, 128, 1, 0, 0, 0};
    s.side = side;
    s.channels = channels;
    s.width = width;
    s.blocks = blocks;
    for (; s.levels < 3 && side % 2 == 0 && side >= 6; s.levels++) {
        side /= 2;
    }
    return s;
}

#endif
