// small_model.h: the three tensors and the table that the tests of the file formats write, read and damage.
#ifndef TILT_SMALL_MODEL_H
#define TILT_SMALL_MODEL_H

#include "../ref/file/npy.h"
#include "../ref/file/safetensors.h"
#include "../ref/file/tsv.h"

static const char *const columns[] = {"method", "beta", NULL};

static real weights[10];
static double mixture[3];

static inline int model_tensors(StTensor list[3]) {
    size_t shape[1] = {3};
    list[0] = st_matrix("net.w1", weights, 4, 2);
    list[1] = st_vector("net.b1", weights + 8, 2);
    list[2] = st_doubles("mixture", mixture, 1, shape);
    return 3;
}

static inline void model_fill(void) {
    int i;
    for (i = 0; i < 10; i++) {
        weights[i] = (real)(i - 4.25f);
    }
    mixture[0] = 0.1;
    mixture[1] = 1e-300;
    mixture[2] = -PI;
}

static inline uint64_t model_hash(void) {
    return hash_bytes(hash_bytes(HASH_START, weights, sizeof weights), mixture, sizeof mixture);
}

static inline StMeta model_load(const char *path) {
    StTensor list[3];
    int n = model_tensors(list);
    return st_load(path, list, n, "mlp 2-4");
}

#endif
