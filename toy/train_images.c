// train_images: pretrains a denoiser on any world, and survives.  Ctrl-C, kill -9 and a diverging step cost at most the
// steps since the last checkpoint; --resume goes on with the same bits as if nothing had happened.
//   make train_images && build/train_images --world digits          (run from the root of the repository)
// In --out DIR: NAME.train.safetensors (everything needed to go on), NAME.safetensors (the average of the parameters,
// for use), NAME.png (what the net makes of the same noise now), with NAME = world_net.
#include "model/train_run.h"

static const char about[] = "pretrains a denoiser on a world; it may be stopped and killed, and goes on with --resume\n"
                            "A number 0 (guidance: -1) stands for what suits the world.  FILE: for --world idx the "
                            "pictures and the labels, for\n"
                            "--world cifar one batch or more; the other worlds need none.";

int main(int argc, char **argv) {
    TrainChoice o = train_choice(argc, argv, about, WORLD_DIGITS, NET_AUTO, 0);
    return train_program(&o);
}
