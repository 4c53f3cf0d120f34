// image_usual.h: the usual noise schedule and UNet for small pictures, for those who train and those who use.
#ifndef TILT_IMAGE_USUAL_H
#define TILT_IMAGE_USUAL_H

#include "../../ref/formula/schedule.h"
#include "unet_list.h"

// Noise levels evenly spaced in log(alpha/sigma), from nearly clean pictures to nearly none.
static inline Schedule image_schedule(int levels) {
    return schedule_logsnr(levels, 2.5, -4);
}

// The first of every `each` levels: 0, each, 2 each, ...  A net that was trained on the long schedule fits the short
// one without training, because it is told its level as 1000 k / T, which is the same number in both; its chain then
// takes fewer and longer steps.
static inline Schedule image_schedule_thinned(const Schedule *all, int each) {
    Schedule s;
    int k;
    if (each < 1 || all->T % each != 0) {
        DIE("a schedule of %d levels has no chain of every %d; take a divisor", all->T, each);
    }
    s = schedule_new(all->T / each);
    for (k = 0; k < s.T; k++) {
        s.abar[k] = all->abar[k * each];
    }
    return s;
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
