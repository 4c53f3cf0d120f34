// glyph_unet.h: a trained UNet of the world `glyphs`, opened by the name of its file alone.
//
// The text of a checkpoint says what the net is ("glyphs unet 16x16x3-16x1, 1764 prompts, 16 levels"), so
// nobody has to repeat its size in a program that only uses it.
#ifndef TILT_GLYPH_UNET_H
#define TILT_GLYPH_UNET_H

#include "../../ref/formula/forward.h"
#include "../world/glyphs.h"
#include "checkpoint.h"
#include "image_usual.h"
#include "unet.h"

typedef struct {
    const GlyphFormat *format;
    Tokens words;
    Schedule schedule;
    Net net;       // borrows words: keep them together
    uint64_t step; // training steps taken
    char text[ST_TEXT];
} GlyphUnet;

// Fills g in place, because the net points into it.  made_by: the command that makes the file, for the message when it
// is not there or is another net.
static inline void glyph_unet_open(GlyphUnet *g, const char *path, const char *made_by) {
    UnetShape shape;
    int side, high, channels, width, blocks, prompts, levels;
    StFile f;
    char hint[300];
    snprintf(hint, sizeof hint, "Make it: %s", made_by);
    fclose(open_or_die(path, "rb", hint));
    f = st_open(path);
    snprintf(g->text, sizeof g->text, "%s", st_text_or_die(&f, "model"));
    st_close(&f);
    if (sscanf(g->text, "glyphs unet %dx%dx%d-%dx%d, %d prompts, %d levels", &side, &high, &channels, &width, &blocks,
               &prompts, &levels) != 7) {
        DIE("'%s' holds '%.80s', not a UNet of the glyphs. %s", path, g->text, hint);
    }
    g->format = glyph_format(side);
    g->words = glyph_tokens(g->format);
    if (side != high || channels != g->format->channels || prompts != g->words.prompts || levels < 1 || levels > 1000 ||
        width < 1 || width > 1024) {
        DIE("'%s' holds '%.80s', which is no net of this world. %s", path, g->text, hint);
    }
    shape = image_unet_shape(side, channels, width, blocks);
    g->schedule = image_schedule(levels);
    g->net = unet_new(&shape, &g->words, prompts, &g->schedule, 1);
    g->step = checkpoint_load(path, g->text, &g->net, NULL, NULL);
}

static inline void glyph_unet_free(GlyphUnet *g) {
    net_free(&g->net);
    glyph_tokens_free(&g->words);
    schedule_free(&g->schedule);
}

// The number of a prompt; dies when the world has no such words.
static inline int glyph_unet_prompt(const GlyphUnet *g, const char *text) {
    const char *bad;
    int c = tokens_find(&bad, &g->words, text);
    if (c < -1) {
        DIE("glyphs: no prompt '%s'; the trouble begins at '%s'", text, bad);
    }
    return c;
}

// x0 (n images): what the net believes behind the noisy images x, at noise levels t, with prompts c.
static inline void glyph_unet_denoise(real *x0, GlyphUnet *g, const real *x, const real *t, const int *c, int n) {
    size_t dim = (size_t)g->net.in;
    int i;
    g->net.forward(&g->net, x0, x, t, c, n);
    for (i = 0; i < n; i++) {
        double abar = schedule_abar(&g->schedule, (int)t[i]);
        real *row = x0 + (size_t)i * dim;
        x0_from_eps(row, x + (size_t)i * dim, row, alpha_of(abar), sigma_of(abar), dim);
    }
}

#endif
