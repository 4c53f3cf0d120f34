// test_checkpoint.c: checkpoints of a network and its optimiser: training that was interrupted goes on with the same
// bits; a damaged, empty or foreign file gives one line and exit 1, and the old file survives a save that fails.
#include "child.h"

#include "../toy/model/checkpoint.h"
#include "../toy/model/mlp.h"

enum { ROWS = 16 };
static const char model[] = "mlp 3-8x2-3, 2 prompts";

static Net small_net(const Schedule *s, uint64_t seed) {
    return mlp_new(3, 3, 8, 2, 2, s, seed);
}

// Steps from..to-1 of a training whose noise is a function of the step.
static void train(Net *net, Adam *adam, int from, int to) {
    real x[3 * ROWS], y[3 * ROWS], t[ROWS];
    int c[ROWS];
    for (int step = from; step < to; step++) {
        rng_fill_normal(x, 3 * ROWS, 1, 1, (uint64_t)step * 3 * ROWS);
        for (int i = 0; i < ROWS; i++) {
            t[i] = (real)(i % 5);
            c[i] = i % 3 - 1;
        }
        net->forward(net, y, x, t, c, ROWS);
        net_zero_grad(net);
        net->backward(net, NULL, y, x, t, c, ROWS);
        adam_step(adam, net);
    }
}

// What a child does: load the file, print the hash of what it got.
static int load_child(const char *path, const char *name) {
    Schedule s = schedule_logsnr(5, 2, -3);
    Net net = small_net(&s, 1);
    Adam adam = adam_new(&net, 0.01);
    checkpoint_load(path, name, &net, &adam, NULL);
    printf("loaded %016llx\n", (unsigned long long)net_hash(HASH_START, &net));
    return 0;
}

static void refused(const char *what, const char *path, const char *name, const char *word) {
    char arguments[700];
    snprintf(arguments, sizeof arguments, "load '%s' '%s'", path, name);
    CHECK(child_run("", arguments) == 1, "%s: exit status", what);
    CHECK(one_line(child_err) && child_out[0] == '\0', "%s: said '%s'", what, child_err);
    CHECK(strstr(child_err, word) != NULL, "%s: '%s' does not say '%s'", what, child_err, word);
}

static void test_resume(void) {
    Schedule s = schedule_logsnr(5, 2, -3);
    Net straight = small_net(&s, 1), first = small_net(&s, 1), second = small_net(&s, 99);
    Adam a = adam_new(&straight, 0.01), b = adam_new(&first, 0.01), c = adam_new(&second, 0.01);
    const char *path = child_path("resume.safetensors");
    char kept[300];
    uint64_t seed = 0;
    snprintf(kept, sizeof kept, "%s", path);
    train(&straight, &a, 0, 20);
    train(&first, &b, 0, 9);
    checkpoint_save(kept, model, &first, &b, 9, 77);
    CHECK(checkpoint_load(kept, model, &second, &c, &seed) == 9 && seed == 77, "step and seed");
    train(&second, &c, 9, 20);
    CHECK(memcmp(straight.p, second.p, straight.np * sizeof(real)) == 0, "resumed training took another path");
    CHECK(net_hash(HASH_START, &first) != net_hash(HASH_START, &second), "training changed nothing");
    adam_free(&a);
    adam_free(&b);
    adam_free(&c);
    net_free(&straight);
    net_free(&first);
    net_free(&second);
    schedule_free(&s);
}

static void test_refusals(void) {
    Schedule s = schedule_logsnr(5, 2, -3);
    Net net = small_net(&s, 1), wide = mlp_new(3, 3, 9, 2, 2, &s, 1);
    Adam adam = adam_new(&net, 0.01);
    Bytes file;
    char path[300], bad[300], arguments[700];
    snprintf(path, sizeof path, "%s", child_path("good.safetensors"));
    snprintf(bad, sizeof bad, "%s", child_path("bad.safetensors"));
    checkpoint_save(path, model, &net, &adam, 3, 1);
    snprintf(arguments, sizeof arguments, "load '%s' '%s'", path, model);
    CHECK(child_run("", arguments) == 0 && strncmp(child_out, "loaded ", 7) == 0, "a good file: %s", child_err);
    refused("another model", path, "mlp 3-9x2-3, 2 prompts", "mlp 3-8x2-3");
    refused("no such file", child_path("none"), model, "none");
    file = file_read(path, 1 << 20, "The test has just written it.");
    atomic_write(bad, file.data, 0);
    refused("an empty file", bad, model, "bad.safetensors");
    atomic_write(bad, file.data, file.n / 2);
    refused("half a file", bad, model, "bad.safetensors");
    file.data[file.n - 5] ^= 1;
    atomic_write(bad, file.data, file.n);
    refused("a flipped bit", bad, model, "checksum");
    file.data[file.n - 5] ^= 1;
    bytes_byte(&file, 0);
    atomic_write(bad, file.data, file.n);
    refused("a byte too many", bad, model, "bad.safetensors");
    file.n--;
    checkpoint_save(bad, model, &net, NULL, 3, 1);
    refused("no optimiser", bad, model, "adam");
    checkpoint_save(bad, model, &wide, NULL, 3, 1);
    refused("another shape", bad, model, "parameters");
    { // a NaN must not replace the last good file
        Bytes again;
        snprintf(arguments, sizeof arguments, "save '%s'", path);
        CHECK(child_run("", arguments) == 1 && one_line(child_err), "saving NaN: %s", child_err);
        again = file_read(path, 1 << 20, "It must still be there.");
        CHECK(again.n == file.n && memcmp(again.data, file.data, file.n) == 0, "the old file was touched");
        bytes_free(&again);
    }
    bytes_free(&file);
    adam_free(&adam);
    net_free(&net);
    net_free(&wide);
    schedule_free(&s);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "load") == 0) {
        return load_child(argv[2], argv[3]);
    }
    if (argc == 3 && strcmp(argv[1], "save") == 0) {
        Schedule s = schedule_logsnr(5, 2, -3);
        Net net = small_net(&s, 1);
        net.p[7] = (real)NAN;
        checkpoint_save(argv[2], model, &net, NULL, 4, 1);
        return 0;
    }
    child_begin(argv[0]);
    test_resume();
    test_refusals();
    return report("test_checkpoint");
}
