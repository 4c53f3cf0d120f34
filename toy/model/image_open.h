// image_open.h: a trained UNet of any world of pictures, opened by the name of its file alone, on any executor.
//
// The text of a checkpoint says what the net is ("glyphs unet 16x16x3-16x1, 1764 prompts, 16 levels"): the world, the
// size, the schedule.  Only the worlds idx and cifar need more: the user's own files.
#ifndef TILT_IMAGE_OPEN_H
#define TILT_IMAGE_OPEN_H

#include "checkpoint.h"
#include "image_net.h"

// The net points into its world: keep it where it was opened.
typedef struct {
    AnyWorld world;
    Schedule schedule; // of the chain: every `each` of the levels that the net was trained on
    UnetShape shape;
    Net net;
    char text[ST_TEXT];
} ImageModel;

// The world that a checkpoint was trained on, by its name and the side of its pictures; dies when there is none.
static inline int image_model_world(const char *path, const char *name, int side) {
    static const int pictures[] = {WORLD_DIGITS, WORLD_EMOJI, WORLD_IDX, WORLD_CIFAR};
    int i;
    if (strcmp(name, "glyphs") == 0) {
        return side == 12 ? WORLD_GLYPHS12 : side == 16 ? WORLD_GLYPHS16 : WORLD_GLYPHS32;
    }
    for (i = 0; i < (int)(sizeof pictures / sizeof pictures[0]); i++) {
        if (strcmp(name, any_world_names[pictures[i]]) == 0) {
            return pictures[i];
        }
    }
    DIE("'%s' is a net of the world '%.20s', which has no pictures here", path, name);
    return 0;
}

// Another net of the same shape with the parameters of the file: the reference of an alignment, or another executor.
static inline Net image_model_net(const ImageModel *m, const char *path, const Executor *on) {
    Net net = on->make(&m->shape, m->world.tokens, m->world.world.prompts, &m->schedule, 1);
    checkpoint_load(path, m->text, &net, NULL, NULL);
    return net;
}

// file (files): data of the user for the worlds idx and cifar.  each: 1, or a divisor of the number of levels.
static inline void image_model_open(ImageModel *m, const char *path, const Executor *on, int each,
                                    const char *const *file, int files) {
    int side, high, channels, width, blocks, prompts, levels;
    char name[21], kind[8];
    Schedule all;
    StFile f;
    fclose(open_or_die(path, "rb", "Give --weights a file that `unet_cuda pretrain` or `train_images` made."));
    f = st_open(path);
    snprintf(m->text, sizeof m->text, "%s", st_text_or_die(&f, "model"));
    st_close(&f);
    if (sscanf(m->text, "%20s %7s %dx%dx%d-%dx%d, %d prompts, %d levels", name, kind, &side, &high, &channels, &width,
               &blocks, &prompts, &levels) != 9 ||
        (strcmp(kind, "unet") != 0 && strcmp(kind, "ddpm") != 0)) {
        DIE("'%s' holds '%.80s', not a UNet of a world of pictures; train one with `unet_cuda pretrain`", path,
            m->text);
    }
    any_world_open(&m->world, image_model_world(path, name, side), file, files);
    if (side != high || side != m->world.side || channels != m->world.channels || width < 1 || width > 1024 ||
        blocks < 1 || blocks > 8 || prompts != m->world.world.prompts || levels < 1 || levels > 1000) {
        DIE("'%s' holds '%.80s', which is no net of this world (%dx%dx%d, %d prompts)", path, m->text, m->world.side,
            m->world.side, m->world.channels, m->world.world.prompts);
    }
    all = image_schedule(levels);
    m->schedule = image_schedule_thinned(&all, each);
    schedule_free(&all);
    m->shape = image_net_shape(strcmp(kind, "ddpm") == 0 ? NET_DDPM : NET_UNET, side, channels, width, blocks);
    m->net = image_model_net(m, path, on);
}

static inline void image_model_free(ImageModel *m) {
    net_free(&m->net);
    schedule_free(&m->schedule);
    any_world_free(&m->world);
}

#endif
