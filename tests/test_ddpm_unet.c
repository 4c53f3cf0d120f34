// test_ddpm_unet.c: the published UNet as a list: its parameters and its work to the last digit, what feeds what, and
// the attention and the skips where the paper has them.
#include "../toy/model/ddpm_unet.h"
#include "../toy/model/unet_plan.h"
#include "harness.h"

// Counted by two programs that share no code with this one (the vector of the null prompt does not belong to the
// paper).
static void test_counts(void) {
    static const struct {
        int name, side;
        size_t np;
        double flops;
    } want[] = {{DDPM_FULL, 32, 35746307, 12443713536.0},
                {DDPM_LIGHT, 32, 8952067, 3198418944.0},
                {DDPM_TINY, 8, 177427, 8249344.0},
                {DDPM_TINY64, 8, 2795587, 129089536.0}};
    for (int i = 0; i < 4; i++) {
        UnetShape s = ddpm_unet_named(want[i].name, want[i].side, 3);
        UnetPlan *u = unet_plan(&s, NULL, 0);
        size_t sum = 0;
        CHECK(u->np == want[i].np + (size_t)s.time, "%s: %zu parameters", ddpm_unet_names[want[i].name], u->np);
        CHECK(u->flops == want[i].flops, "%s: %.0f operations", ddpm_unet_names[want[i].name], u->flops);
        for (int k = 0; k < u->ops; k++) {
            sum += u->op[k].np;
        }
        CHECK(sum == u->np, "the layers have %zu parameters, the net %zu", sum, u->np);
        free(u);
    }
}

static const UnetOp *layer(const UnetPlan *u, const char *name) {
    for (int i = 0; i < u->ops; i++) {
        if (strcmp(u->op[i].name, name) == 0) {
            return &u->op[i];
        }
    }
    CHECK(0, "no layer %s", name);
    return u->op;
}

// Some rows of the published table: name, channels in and out, side of the result.
static void test_layers(void) {
    static const struct {
        const char *name;
        int in, out, side;
    } want[] = {
        {"time.linear1", 128, 512, 1},          {"time.linear2", 512, 512, 1},  {"in.conv", 3, 128, 32},
        {"down0.halve", 128, 128, 16},          {"down1.0.skip", 128, 256, 16}, {"down1.0.attn.qkv", 256, 768, 16},
        {"down1.1.attn.project", 256, 256, 16}, {"down3.1.conv2", 256, 256, 4}, {"mid.attn.qkv", 256, 768, 4},
        {"up3.2.conv1", 512, 256, 4},           {"up2.conv", 256, 256, 16},     {"up1.2.conv1", 384, 256, 16},
        {"up1.2.attn.attend", 768, 256, 16},    {"up1.conv", 256, 256, 32},     {"up0.0.conv1", 384, 128, 32},
        {"up0.2.conv1", 256, 128, 32},          {"out.conv", 128, 3, 32}};
    static const char *const fed[][2] = {// a concatenation, and the layer whose result is its second half
                                         {"up3.0.concat", "down3.1.conv2"}, {"up3.2.concat", "down2.halve"},
                                         {"up2.2.concat", "down1.halve"},   {"up1.0.concat", "down1.1.attn.project"},
                                         {"up1.2.concat", "down0.halve"},   {"up0.1.concat", "down0.0.conv2"},
                                         {"up0.2.concat", "in.conv"}};
    UnetShape s = ddpm_unet_named(DDPM_FULL, 32, 3);
    UnetPlan *u = unet_plan(&s, NULL, 0);
    int norms = 0, convs = 0, linear = 0, attend = 0;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const UnetOp *op = layer(u, want[i].name);
        CHECK(u->buf[op->in].C == want[i].in && u->buf[op->out].C == want[i].out && u->buf[op->out].H == want[i].side,
              "%s: %d -> %d at %d", op->name, u->buf[op->in].C, u->buf[op->out].C, u->buf[op->out].H);
    }
    for (size_t i = 0; i < sizeof fed / sizeof fed[0]; i++) {
        CHECK(layer(u, fed[i][0])->other == layer(u, fed[i][1])->out, "%s is not fed by %s", fed[i][0], fed[i][1]);
    }
    for (int i = 0; i < u->ops; i++) {
        const UnetOp *op = &u->op[i];
        norms += op->kind == UNET_NORM;
        attend += op->kind == UNET_ATTEND;
        convs += op->kind == UNET_CONV && u->buf[op->out].H > 1;
        linear += op->kind == UNET_CONV && u->buf[op->out].H == 1;
    }
    CHECK(norms == 51 && convs == 77 && linear == 24 && attend == 6,
          "%d norms, %d convolutions, %d linear, %d attentions", norms, convs, linear, attend);
    free(u);
}

// The table that programs print: a line an operation, and one that says its size.
static void test_table(void) {
    UnetShape s = ddpm_unet_named(DDPM_FULL, 32, 3);
    UnetPlan *u = unet_plan(&s, NULL, 0);
    FILE *f = tmpfile();
    char line[200];
    int lines = 0, row = 0;
    if (f == NULL) {
        return; // no place for temporary files
    }
    unet_plan_print(f, u);
    rewind(f);
    while (fgets(line, sizeof line, f) != NULL) {
        lines++;
        row += strstr(line, "up1.2.conv1") != NULL && strstr(line, "16x16x384 -> 16x16x256") != NULL &&
               strstr(line, "884992") != NULL && strstr(line, "452.985") != NULL;
    }
    CHECK(lines == u->ops + 2 && row == 1, "%d lines for %d operations", lines, u->ops);
    CHECK(strstr(line, "35746819 parameters, 12443.7 MFLOP an image") != NULL, "said: %s", line);
    fclose(f);
    free(u);
}

// Other images: as many levels as the side allows, attention where the side is 16 or less for the first time.
static void test_sides(void) {
    static const int want[][3] = {{8, 2, 1},  {12, 3, 1}, {16, 3, 1},  {28, 3, 2},
                                  {32, 4, 2}, {64, 4, 4}, {128, 4, 8}, {256, 4, 0}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        UnetShape s = ddpm_unet_shape(want[i][0], 1, 64);
        UnetPlan *u = unet_plan(&s, NULL, 10);
        CHECK(s.levels == want[i][1] && s.attend == want[i][2], "side %d: %d levels, attention mask %d", s.side,
              s.levels, s.attend);
        CHECK(u->buf[u->result].H == s.side && u->buf[u->result].C == 1, "result %d", u->buf[u->result].H);
        free(u);
    }
}

int main(void) {
    test_counts();
    test_layers();
    test_table();
    test_sides();
    return report("test_ddpm_unet");
}
