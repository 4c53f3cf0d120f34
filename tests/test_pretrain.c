// test_pretrain.c: a training as a state and a step: going on from a file gives the same bits, every part of the state
// is in the file, and a number that is not finite is traced to its layer.
#include "catch.h"

#include "../toy/model/guided.h"
#include "../toy/model/nonfinite_mlp.h"
#include "../toy/model/train_files.h"
#include "../toy/world/worlds.h"

enum { T = 6, ROWS = 12, STEPS = 130 };
static Ring ring;
static World world;
static Schedule schedule;
static const Recipe recipe = {STEPS, ROWS, ROWS, 2e-2, 0.2, 0.97, 1};

static Net small_net(uint64_t seed) {
    return mlp_new(2, 2, 8, 2, RING_PROMPTS, &schedule, seed);
}

// Steps until `until`; ends the test if one fails.
static void go(Training *run, int until) {
    while (run->step < until) {
        if (!training_step(run)) {
            DIE("%s", run->trouble);
        }
    }
}

static int same(const real *a, const real *b, size_t n) {
    return memcmp(a, b, n * sizeof(real)) == 0;
}

// ---- the same bits -----------------------------------------------------------------------------------------------

static void test_resume(void) {
    Net straight = small_net(1), first = small_net(1), second = small_net(99);
    Training a = training_new(&straight, &world, &schedule, recipe, 5);
    Training b = training_new(&first, &world, &schedule, recipe, 5);
    Training c = training_new(&second, &world, &schedule, recipe, 5);
    char path[300], export[300], text[ST_TEXT];
    size_t np = straight.np;
    snprintf(path, sizeof path, "%s", child_path("run.safetensors"));
    snprintf(export, sizeof export, "%s", child_path("weights.safetensors"));
    training_text(text, "mlp", &recipe, 0xabcu);
    go(&a, STEPS);
    go(&b, 107); // beyond the first 100 steps, where the rule of the average changes
    training_save(path, text, &b);
    go(&b, 109); // what follows the checkpoint is lost
    training_load(path, text, &c);
    CHECK(c.step == 107 && c.adam.step == 107, "step %d, Adam %ld", c.step, c.adam.step);
    go(&c, STEPS);
    CHECK(same(straight.p, second.p, np), "the parameters took another path");
    CHECK(same(a.ema, c.ema, np), "the average took another path");
    CHECK(same(a.adam.m, c.adam.m, np) && same(a.adam.v, c.adam.v, np), "Adam took another path");
    CHECK(memcmp(a.curve, c.curve, sizeof a.curve) == 0, "the losses were not kept");
    CHECK(!same(straight.p, a.ema, np) && !same(first.p, second.p, np), "all the same: nothing was tested");
    // the export is the average, and the training does not notice
    training_export(export, "mlp", &c);
    CHECK(same(straight.p, second.p, np), "exporting changed the parameters");
    checkpoint_load(export, "mlp", &first, NULL, NULL);
    CHECK(same(first.p, a.ema, np), "the export is not the average");
    // other seeds, other bits
    net_free(&second);
    second = small_net(1);
    training_free(&c);
    c = training_new(&second, &world, &schedule, recipe, 6);
    go(&c, STEPS);
    CHECK(!same(straight.p, second.p, np), "the seed is ignored");
    training_free(&a);
    training_free(&b);
    training_free(&c);
    net_free(&straight);
    net_free(&first);
    net_free(&second);
}

// Row b of step s is number s rows + b of its streams: a batch of 24 is two batches of 12.
static void test_draw(void) {
    Recipe wide = {STEPS, 2 * ROWS, 2 * ROWS, 2e-2, 0.2, 0.97, 1};
    Net net = small_net(1);
    Training one = training_new(&net, &world, &schedule, recipe, 5);
    Training two = training_new(&net, &world, &schedule, wide, 5);
    int b, forgotten = 0;
    training_draw(&two);
    training_noise(&two);
    for (one.step = 0; one.step < 2; one.step++) {
        size_t at = (size_t)one.step * ROWS;
        training_draw(&one);
        training_noise(&one);
        CHECK(same(one.x, two.x + 2 * at, 2 * ROWS) && same(one.noise, two.noise + 2 * at, 2 * ROWS), "rows of step %d",
              one.step);
        CHECK(same(one.t, two.t + at, ROWS) && memcmp(one.c, two.c + at, ROWS * sizeof(int)) == 0, "levels of step %d",
              one.step);
    }
    for (b = 0; b < 2 * ROWS; b++) {
        forgotten += two.c[b] == -1;
    }
    CHECK(forgotten > 0 && forgotten < ROWS, "%d of %d rows forgot their prompt", forgotten, 2 * ROWS);
    CHECK(!same(two.x, two.x + 2 * ROWS, 2 * ROWS), "two steps draw the same");
    training_free(&one);
    training_free(&two);
    net_free(&net);
}

// The first step by hand: Adam moves each parameter by the rate against the sign of its gradient; the average keeps
// 0.9 of the nothing before.
static void test_first_step(void) {
    Net net = small_net(1), before = small_net(1);
    Training run = training_new(&net, &world, &schedule, recipe, 5);
    double rate = 2e-2 / TRAIN_WARM, far = 0, ema = 0, kept = 0;
    size_t i;
    go(&run, 1);
    for (i = 0; i < net.np; i++) {
        double step = (double)net.p[i] - (double)before.p[i], g = (double)net.g[i];
        if (fabs(g) > 1e-4) {
            far = fmax(far, fabs(step + (g > 0 ? rate : -rate)));
        }
        ema = fmax(ema, fabs((double)run.ema[i] - 0.1 * (double)net.p[i]));
    }
    CHECK(far < 1e-3 * rate + (sizeof(real) == 4 ? 1e-7 : 0), "first step of Adam: %g off", far);
    CHECK(ema < 1e-7, "first average: %g off", ema);
    NEAR(run.curve[0], run.loss, 0, 0);
    {
        real weight[T];
        train_usual_weight(weight, &schedule, 2);
        NEAR(run.weight[T - 1], 1 / alpha_of(schedule_abar(&schedule, T - 1)), 1e-6, 0);
        NEAR(weight[2], 1 / schedule_abar(&schedule, 2), 1e-6, 0);
    }
    training_average(&run);
    kept = (double)net.p[3];
    CHECK(same(net.p, run.ema, net.np), "the average is not in the net");
    net.p[3] = 77; // whoever looks may scribble
    training_back(&run);
    CHECK((double)net.p[3] != 77 && (double)net.p[3] != kept, "the training does not come back");
    training_free(&run);
    net_free(&net);
    net_free(&before);
}

// The mean over the last tenth of the plan, also where a hundredth of it is not a whole number of steps.
static void test_loss(void) {
    static const int plans[4] = {7, 30, 250, 1000};
    Net net = small_net(1);
    int k, step;
    for (k = 0; k < 4; k++) {
        Recipe r = recipe;
        Training run;
        double sum = 0;
        int steps = plans[k], n = 0;
        r.steps = steps;
        run = training_new(&net, &world, &schedule, r, 5);
        for (step = 0; step < steps; step++) {
            int bin = step * TRAIN_CURVE / steps;
            run.curve[bin] += step + 1;
            run.step = step + 1;
            if (bin >= 90) {
                sum += step + 1;
                n++;
            }
            if (step * 2 == steps) {
                CHECK(training_loss(&run) > 0 && training_loss(&run) <= step + 1, "loss at half time");
            }
        }
        CHECK(n > 0 || steps == 7, "no step in the last tenth of %d", steps);
        NEAR(training_loss(&run), n > 0 ? sum / n : steps, 1e-12, 0); // of 7 steps none lies there: the last one
        training_free(&run);
    }
    net_free(&net);
}

// ---- guidance ----------------------------------------------------------------------------------------------------

// One batch of prompted and unprompted rows gives the bits of two batches.
static void test_guided(void) {
    enum { N = 7 };
    Net net = small_net(1);
    Training run = training_new(&net, &world, &schedule, recipe, 5);
    real x[2 * N], t[N], with[2 * N], without[2 * N], want[2 * N], got[2 * N];
    int c[N], i;
    go(&run, 30);
    rng_fill_normal(x, 2 * N, 1, 1, 0);
    for (i = 0; i < N; i++) {
        t[i] = (real)(i % T);
        c[i] = i % RING_PROMPTS;
    }
    net.forward(&net, with, x, t, c, N);
    net.forward(&net, without, x, t, NULL, N);
    cfg_combine(want, without, with, 2.5, 2 * N);
    guided_eps(got, &net, x, t, c, 2.5, N);
    CHECK(same(got, want, 2 * N) && !same(got, with, 2 * N), "guidance 2.5");
    guided_eps(got, &net, x, t, c, 1, N);
    CHECK(same(got, with, 2 * N), "guidance 1 is the prompted net");
    guided_eps(got, &net, x, t, c, 0, N);
    CHECK(same(got, without, 2 * N), "guidance 0 is the unprompted net");
    guided_eps(got, &net, x, t, NULL, 2.5, N);
    CHECK(same(got, without, 2 * N), "no prompts: nothing to exaggerate");
    training_free(&run);
    net_free(&net);
}

// ---- not finite --------------------------------------------------------------------------------------------------

static void test_first_beyond(void) {
    static const size_t places[5] = {0, 255, 256, 511, 699};
    real v[700];
    int i;
    memset(v, 0, sizeof v);
    CHECK(first_beyond(v, 700, 1) == 700 && first_beyond(v, 0, 1) == 0, "nothing there");
    for (i = 4; i >= 0; i--) {
        v[places[i]] = i % 2 ? (real)NAN : (real)-INFINITY;
        CHECK(first_beyond(v, 700, NONFINITE_LARGEST) == places[i], "place %zu", places[i]);
    }
    v[0] = (real)2;
    CHECK(first_beyond(v, 200, 2) == 200 && first_beyond(v, 200, 1.5) == 0, "the limit itself is allowed");
    v[0] = (real)-2;
    CHECK(first_beyond(v, 200, 1.5) == 0, "a negative number");
    CHECK(!is_finite(NAN) && !is_finite(INFINITY) && !is_finite(-INFINITY) && is_finite(-3), "is_finite");
}

// Puts `value` at p, asks who is first, and takes it out again.
static void blamed(Net *net, Training *run, real *p, real value, const char *words) {
    char text[NONFINITE_TEXT] = "";
    real kept = *p;
    const char *who;
    *p = value;
    net_changed(net);
    who = mlp_first_bad(text, net, run->x, run->t, run->c, ROWS);
    CHECK(who != NULL && strstr(text, words) != NULL, "'%s' does not say '%s'", text, words);
    *p = kept;
    net_changed(net);
}

static void test_blame(void) {
    Net net = small_net(1);
    Training run = training_new(&net, &world, &schedule, recipe, 5);
    const Mlp *m = (const Mlp *)net.self;
    char text[NONFINITE_TEXT];
    size_t i;
    go(&run, 3);
    training_draw(&run);
    CHECK(mlp_first_bad(text, &net, run.x, run.t, run.c, ROWS) == NULL, "a sound net is blamed: %s", text);
    blamed(&net, &run, run.x + 5, (real)NAN, "numbers of the data, row 2, column 1: nan");
    blamed(&net, &run, net.p + m->W[0] + 9, (real)INFINITY, "parameters of hidden layer 1, row 1, column 1: inf");
    blamed(&net, &run, net.p + m->b[1] + 3, (real)NAN, "parameters of hidden layer 2, row 0, column 3");
    blamed(&net, &run, net.p + m->W[2], (real)NAN, "parameters of the last layer");
    blamed(&net, &run, net.p + m->table + 8, (real)NAN, "parameters of the prompts, row 1, column 0");
    blamed(&net, &run, net.g + m->W[1] + 2, (real)NAN, "gradient of hidden layer 2");
    net.g[m->W[0]] = (real)NAN; // behind it on the way back
    blamed(&net, &run, net.g + m->W[2] + 1, (real)INFINITY, "gradient of the last layer");
    net.g[m->W[0]] = 0;
    blamed(&net, &run, net.g + m->table, (real)NAN, "gradient of the prompts");
    for (i = 0; i < 8; i++) { // finite parameters whose product is not
        net.p[m->W[1] + i * 8] = (real)(NONFINITE_LARGEST / 2);
        net.p[m->b[0] + i] = 100;
    }
    net_changed(&net);
    CHECK(mlp_first_bad(text, &net, run.x, run.t, run.c, ROWS) != NULL &&
              strstr(text, "output of hidden layer 2, row 0"),
          "overflow: '%s'", text);
    training_free(&run);
    net_free(&net);
}

// A step that fails is not counted, and says where it began.
static void test_trouble(void) {
    Net net = small_net(1);
    Recipe wild = recipe;
    Training run = training_new(&net, &world, &schedule, wild, 5);
    const Mlp *m = (const Mlp *)net.self;
    int k;
    run.first_bad = mlp_first_bad;
    go(&run, 4);
    net.p[m->W[1]] = (real)NAN;
    net_changed(&net);
    CHECK(!training_step(&run) && run.step == 4, "a NaN went through");
    CHECK(strstr(run.trouble, "step 5: the loss is nan; first not finite: parameters of hidden layer 2, row 0") != NULL,
          "'%s'", run.trouble);
    net.p[m->W[1]] = (real)(NONFINITE_LARGEST / 2); // the loss overflows
    net_changed(&net);
    CHECK(!training_step(&run) && run.step == 4 && strstr(run.trouble, "step 5") != NULL, "'%s'", run.trouble);
    training_free(&run);
    net_free(&net);
    net = small_net(1);
    wild.rate = 1e300; // the new parameters leave the range at once
    run = training_new(&net, &world, &schedule, wild, 5);
    run.first_bad = mlp_first_bad;
    for (k = 0; k < 3 && training_step(&run); k++) {
    }
    CHECK(k < 3 && strstr(run.trouble, "lower the rate (1e+300 now)") != NULL, "'%s'", run.trouble);
    training_free(&run);
    net_free(&net);
}

// ---- a training elsewhere ----------------------------------------------------------------------------------------

// A device that takes the step of this machine with a twin of the training, as a GPU would: what it has changed shows
// only when it is fetched.
typedef struct {
    Training twin;
    int steps, fetched;
    real loss_factor, poison; // spoil the loss; or, unless 0, the first parameter that is fetched
} FakeDevice;

static void fake_step(TrainDevice *d, Training *run) {
    FakeDevice *f = (FakeDevice *)d->self;
    size_t dim = (size_t)run->world->dim;
    training_draw(&f->twin);
    CHECK(same(run->x, f->twin.x, ROWS * dim) && same(run->t, f->twin.t, ROWS), "the device gets the clean batch");
    CHECK(training_step(&f->twin), "%s", f->twin.trouble);
    run->loss = f->twin.loss * (double)f->loss_factor;
    run->norm = f->twin.norm;
    f->steps++;
}

static void fake_fetch(TrainDevice *d, Training *run) {
    FakeDevice *f = (FakeDevice *)d->self;
    size_t bytes = run->net->np * sizeof(real);
    memcpy(run->net->p, f->twin.net->p, bytes);
    memcpy(run->adam.m, f->twin.adam.m, bytes);
    memcpy(run->adam.v, f->twin.adam.v, bytes);
    memcpy(run->ema, f->twin.ema, bytes);
    run->net->p[0] = f->poison != 0 ? f->poison : run->net->p[0];
    net_changed(run->net);
    f->fetched++;
}

static void fake_release(TrainDevice *d) {
    training_free(&((FakeDevice *)d->self)->twin);
}

static void test_device(void) {
    Net net = small_net(1), there = small_net(1), plain = small_net(1);
    Training run = training_new(&net, &world, &schedule, recipe, 5);
    Training want = training_new(&plain, &world, &schedule, recipe, 5);
    FakeDevice f = {training_new(&there, &world, &schedule, recipe, 5), 0, 0, 1, 0};
    TrainDevice d = {&f, fake_step, fake_fetch, fake_release};
    char path[300];
    snprintf(path, sizeof path, "%s", child_path("device.safetensors"));
    run.device = &d;
    go(&run, 7);
    go(&want, 7);
    CHECK(f.steps == 7 && f.fetched == 0 && !same(net.p, plain.p, net.np), "nothing comes back unasked");
    CHECK(run.curve[0] == want.curve[0] && run.curve[0] > 0 && run.loss == want.loss,
          "the losses are those of the device");
    training_average(&run); // a look at the average fetches, and gives back
    CHECK(f.fetched == 1 && same(net.p, want.ema, net.np), "the average of the device");
    training_back(&run);
    CHECK(same(net.p, plain.p, net.np) && same(run.adam.v, want.adam.v, net.np), "the state of the device");
    f.loss_factor = (real)NAN;
    CHECK(!training_step(&run) && run.step == 7 && strstr(run.trouble, "step 8: the loss is nan") != NULL, "'%s'",
          run.trouble);
    f.poison = (real)INFINITY;
    catching = 1;
    reason[0] = '\0';
    if (setjmp(back) == 0) {
        training_save(path, "ring mlp", &run);
    }
    catching = 0;
    CHECK(strstr(reason, "step 7: parameter 0 is inf") != NULL && !file_there(path), "saved all the same: '%s'",
          reason);
    training_free(&run);
    training_free(&want);
    net_free(&net);
    net_free(&there);
    net_free(&plain);
}

// ---- files -------------------------------------------------------------------------------------------------------

// The child: loads with a fresh training and prints why that was refused, and whether the training stayed as it was.
// What the loader allocated before refusing is lost.
static int refuse_child(const char *path, const char *text, const char *seed) {
    Net net = small_net(2), before = small_net(2);
    Training run = training_new(&net, &world, &schedule, recipe, (uint64_t)atoi(seed));
    catching = 1;
    if (setjmp(back) == 0) {
        training_load(path, text, &run);
        snprintf(reason, sizeof reason, "accepted");
    }
    catching = 0;
    printf("%s; %s\n", run.step == 0 && same(net.p, before.p, net.np) ? "unchanged" : "changed", reason);
    return 0;
}

static void refused(const char *what, const char *path, const char *text, int seed, const char *words) {
    char arguments[900];
    snprintf(arguments, sizeof arguments, "refuse '%s' '%s' %d", path, text, seed);
    CHECK(child_run("", arguments) == 0, "%s: %s", what, child_err);
    CHECK(strncmp(child_out, "unchanged; ", 11) == 0, "%s: something was changed", what);
    CHECK(strstr(child_out, words) != NULL, "%s: said '%s'", what, child_out);
}

static void test_files(void) {
    Net net = small_net(1);
    Training run = training_new(&net, &world, &schedule, recipe, 5);
    Recipe cut = recipe;
    char path[300], temporary[310], text[ST_TEXT], asked[ST_TEXT], peeked[ST_TEXT];
    Bytes file;
    snprintf(path, sizeof path, "%s", child_path("files.safetensors"));
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    training_text(text, "ring mlp", &recipe, 0xabcu);
    CHECK(strcmp(text, "ring mlp, 130 steps of 12, rate 0.02, drop 0.2, weight 1, data 00000abc") == 0, "'%s'", text);
    cut.micro = 5;
    training_text(asked, "ring mlp", &cut, 0xabcu);
    CHECK(strstr(asked, "steps of 12 by 5,") != NULL, "'%s'", asked);
    go(&run, 3);
    training_save(path, text, &run);
    CHECK(training_peek(peeked, path) == 3 && strcmp(peeked, text) == 0, "peek: '%s'", peeked);
    refused("other pieces", path, asked, 5, "12 by 5");
    training_text(asked, "ring mlp", &recipe, 0xabdu);
    refused("other data", path, asked, 5, "data 00000abd");
    refused("another seed", path, text, 8, "seed 5, the options ask for 8");
    run.step = STEPS + 1;
    training_save(path, text, &run);
    refused("beyond the plan", path, text, 5, "at step 131 of 130");
    checkpoint_save(path, text, &net, &run.adam, 3, 5);
    refused("a file without the average", path, text, 5, "ema");
    run.step = 3;
    training_save(path, text, &run);
    file = file_read(path, 1 << 20, "The test wrote it.");
    file.data[file.n - 9] ^= 4;
    atomic_write(path, file.data, file.n);
    refused("a flipped bit", path, text, 5, "checksum");
    atomic_write(path, file.data, file.n / 2);
    refused("half a file", path, text, 5, "files.safetensors");
    child_file("files.safetensors.tmp", "x", 1);
    CHECK(file_there(temporary), "the test itself");
    leftover_remove(path);
    CHECK(!file_there(temporary) && file_there(path), "the half written file stays, or too much went");
    bytes_free(&file);
    training_free(&run);
    net_free(&net);
}

int main(int argc, char **argv) {
    ring = ring_new();
    world = ring_world(&ring, NULL);
    schedule = schedule_logsnr(T, 2, -3);
    if (argc == 5 && strcmp(argv[1], "refuse") == 0) {
        return refuse_child(argv[2], argv[3], argv[4]);
    }
    child_begin(argv[0]);
    test_resume();
    test_draw();
    test_first_step();
    test_loss();
    test_guided();
    test_first_beyond();
    test_blame();
    test_trouble();
    test_device();
    test_files();
    schedule_free(&schedule);
    return report("test_pretrain");
}
