// unet_fast_gpu.h: the fast UNet on a GPU, for a C99 program that is linked with unet_fast.cu.
#ifndef TILT_UNET_FAST_GPU_H
#define TILT_UNET_FAST_GPU_H

#include "../../ref/core/net.h"
#include "../../ref/formula/schedule.h"
#include "unet_list.h"

#ifdef __cplusplus
extern "C"
#endif
    // As unet_new and unet_fast_new; forward and backward take pointers of this machine.
    Net
    unet_fast_gpu(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule, uint64_t seed);

#endif
