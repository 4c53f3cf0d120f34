// unet_cuda: everything that one does with a UNet of small pictures, on whatever runs it.
//   make unet_cuda && build/unet_cuda pg          (run from the root of the repository)
// The methods see a Net; --on says who is behind it (toy/model/executor.h).
#include "model/train_run.h"
#include "command/align.h"

typedef struct {
    const char *name, *what;
    int (*run)(int argc, char **argv);
} Command;

static int command_pretrain(int argc, char **argv) {
    TrainChoice o = train_choice(argc, argv, "pretrains a UNet; it may be stopped and killed, and goes on with --resume",
                                 WORLD_GLYPHS32, NET_UNET, 1);
    return train_program(&o);
}

static const Command commands[] = {
    {"pretrain", "trains a UNet on a world of pictures", command_pretrain},
    {"pg", "aligns it by policy gradient", command_pg},
    {"dpo", "aligns it by Diffusion-DPO", command_dpo},
};

int main(int argc, char **argv) {
    int k;
    char name[64];
    for (k = 0; argc > 1 && k < COUNT(commands); k++) {
        if (strcmp(argv[1], commands[k].name) == 0) {
            snprintf(name, sizeof name, "unet_cuda %s", argv[1]);
            argv[1] = name;
            return commands[k].run(argc - 1, argv + 1);
        }
    }
    return 2;
}
