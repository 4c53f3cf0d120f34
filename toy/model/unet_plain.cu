// unet_plain.cu: unet_plain.h compiled for a GPU.  The list, the plan and the Net are the same C as everywhere; what
// nvcc adds is that LAUNCH starts threads of a GPU, and that memory.h means the memory of the GPU.
//     nvcc -std=c++17 -O2 -fmad=false -arch=sm_80 -c toy/model/unet_plain.cu -o build/cuda/unet_plain.o
#include "unet_plain.h"
#include "unet_plain_gpu.h"

Net unet_plain_gpu(const UnetShape *shape, const Tokens *tokens, int prompts, const Schedule *schedule, uint64_t seed) {
    return unet_plain_new(shape, tokens, prompts, schedule, seed);
}
