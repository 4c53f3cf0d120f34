// unet_fast.cu: unet_fast.h compiled for a GPU, behind the C interface of unet_fast_gpu.h.
//     nvcc -std=c++17 -O3 -arch=sm_80 -c toy/model/unet_fast.cu -o build/unet_fast.o
#include "unet_fast.h"
#include "unet_fast_gpu.h"

Net unet_fast_gpu(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule, uint64_t seed) {
    return unet_fast_new(shape, tokens, prompts, schedule, seed);
}
