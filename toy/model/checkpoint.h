// checkpoint.h: a network, and if wanted its optimiser, as a .safetensors file that Python opens too.
//
// The file carries what it is (a model text such as "mlp 2-96x3-2, 4 prompts"), the step and the seed, and a checksum
// (ref/file/safetensors.h).  Loading compares the model text and every shape with the net at hand, reads nothing
// before all is verified, and names both sides when they differ.  Saving replaces the old file in one move.  With the
// optimiser saved too, training goes on with the same bits as if it had never stopped (tests/test_checkpoint.c).
#ifndef TILT_CHECKPOINT_H
#define TILT_CHECKPOINT_H

#include "../../ref/core/optim.h"
#include "../../ref/file/safetensors.h"

// The tensors of a checkpoint: the parameters, and the two running means of Adam unless adam is NULL.  Returns their
// number.
static inline int checkpoint_tensors(StTensor list[3], Net *net, Adam *adam) {
    if (adam != NULL && adam->np != net->np) {
        DIE("checkpoint: an Adam for %zu parameters with a net of %zu; save the pair that belongs together", adam->np,
            net->np);
    }
    net_need_home(net, "checkpoint");
    list[0] = st_vector("parameters", net->p, net->np);
    if (adam == NULL) {
        return 1;
    }
    list[1] = st_vector("adam.m", adam->m, adam->np);
    list[2] = st_vector("adam.v", adam->v, adam->np);
    return 3;
}

// adam may be NULL: then the file is for use, not for going on.  step: training steps taken.
static inline void checkpoint_save(const char *path, const char *model, Net *net, Adam *adam, uint64_t step,
                                   uint64_t seed) {
    StTensor list[3];
    int n = checkpoint_tensors(list, net, adam);
    StMeta meta = st_meta(model, step, seed);
    st_save(path, list, n, &meta);
}

// Fills net (and adam) from a checkpoint of the same model; dies, with nothing changed, when it is another or damaged.
// Returns the step; the seed goes to *seed unless it is NULL.
static inline uint64_t checkpoint_load(const char *path, const char *model, Net *net, Adam *adam, uint64_t *seed) {
    StTensor list[3];
    int n = checkpoint_tensors(list, net, adam);
    StMeta meta = st_load(path, list, n, model);
    if (adam != NULL) {
        adam->step = (long)meta.step;
    }
    if (seed != NULL) {
        *seed = meta.seed;
    }
    net_changed(net);
    return meta.step;
}

#endif
