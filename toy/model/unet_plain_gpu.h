// unet_plain_gpu.h: the plain UNet on a GPU, for a C99 program that is linked with unet_plain.cu.
#ifndef TILT_UNET_PLAIN_GPU_H
#define TILT_UNET_PLAIN_GPU_H

#include "../../ref/core/net.h"
#include "../../ref/formula/schedule.h"
#include "unet_list.h"

#ifdef __cplusplus
extern "C"
#endif
    // As unet_new and unet_plain_new; forward and backward take pointers of this machine.
    Net
    unet_plain_gpu(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule, uint64_t seed);

#endif
