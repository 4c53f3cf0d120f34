// unet_cuda: everything that this course does with a UNet of small pictures, on whatever runs it: pretrain, sample, fit
// a reward, align by policy gradient and by Diffusion-DPO, check the executor, measure it.
//   make unet_cuda && build/unet_cuda pg          (run from the root of the repository)
// The methods see a Net; --on says who is behind it (toy/model/executor.h).  Plain C99: without a GPU everything works
// on the CPU.
#include "command/bench.h" // first: it asks for the clock of POSIX

#include "command/align.h"
#include "command/check.h"
#include "command/reward.h"
#include "command/sample.h"
#include "model/train_run.h"

static int command_pretrain(int argc, char **argv) {
    TrainChoice o =
        train_choice(argc, argv,
                     "pretrains a UNet; it may be stopped and killed, and goes on with --resume\n"
                     "FILE: for --world idx the pictures and the labels, for --world cifar one batch or more",
                     WORLD_GLYPHS32, NET_UNET, 1);
    return train_program(&o);
}

typedef struct {
    const char *name, *what;
    int (*run)(int argc, char **argv);
} Command;

static const Command commands[] = {
    {"pretrain", "train a UNet on a world of pictures", command_pretrain},
    {"sample", "draw pictures, and count those that show what was asked for", command_sample},
    {"reward", "fit a reward model to the choices of a rater", command_reward},
    {"pg", "align the UNet by KL-regularised policy gradient", command_pg},
    {"dpo", "align the UNet by Diffusion-DPO", command_dpo},
    {"check", "compare an executor with the CPU", command_check},
    {"bench", "measure an executor, as JSON lines", command_bench},
};

int main(int argc, char **argv) {
    const char *program = cli_program_(argc > 0 ? argv[0] : NULL), *word = argc > 1 ? argv[1] : "";
    static char name[64];
    int k;
    for (k = 0; k < COUNT(commands); k++) {
        if (strcmp(word, commands[k].name) == 0) {
            snprintf(name, sizeof name, "%.40s %s", program, word);
            argv[1] = name; // what messages and --help call the program
            return commands[k].run(argc - 1, argv + 1);
        }
    }
    if (strcmp(word, "--version") == 0 && argc == 2) {
        puts("tilt " TILT_VERSION);
        return 0;
    }
    if (strcmp(word, "--help") == 0 && argc == 2) {
        printf("usage: %s COMMAND [options]\na UNet of small pictures, from noise to an aligned model\n\ncommands\n",
               program);
        for (k = 0; k < COUNT(commands); k++) {
            printf("  %-10s %s\n", commands[k].name, commands[k].what);
        }
        printf("\n%s COMMAND --help lists the options of a command\n", program);
        return 0;
    }
    fprintf(stderr, "%s: '%s' is no command; known:", program, word);
    for (k = 0; k < COUNT(commands); k++) {
        fprintf(stderr, " %s", commands[k].name);
    }
    fputs(" --help --version\n", stderr);
    return 2;
}
