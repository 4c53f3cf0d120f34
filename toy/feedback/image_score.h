// image_score.h: an aligned model of pictures beside its reference: E[true reward], KL, J, and whether the prompt
// shows.
//
// The laws are known by samples only.  J* is estimated by weighting reference samples with e^(r/beta) prompt by prompt
// (reweight.h): with few samples of a prompt it is too small, and the effective sample size tells.  The KL is that of
// whole chains, at least the KL of the pictures, so J is a lower bound.
#ifndef TILT_IMAGE_SCORE_H
#define TILT_IMAGE_SCORE_H

#include "../../ref/formula/reweight.h"
#include "../model/image_sheet.h"
#include "image_align.h"

enum { SCORE_POOL = 830, SCORE_DRAW }; // streams, added to the world's own

// ---- the reference -----------------------------------------------------------------------------------------------

// Samples of the reference, `each` of every prompt, side by side: for J*, and for pairs to choose from.
typedef struct {
    int n, prompts;
    real *x; // n x dim
    int *c;
    double *r;                  // true rewards
    double reward, j_star, ess; // mean reward; the optimum; effective sample size, of n
} ReferencePool;

static inline ReferencePool reference_pool(const Alignment *a, int each) {
    ReferencePool p;
    int i;
    memset(&p, 0, sizeof p);
    p.prompts = a->prompts;
    p.n = a->prompts * each;
    p.x = NEW(real, (size_t)p.n * (size_t)a->world->dim);
    p.c = NEW(int, (size_t)p.n);
    p.r = NEW(double, (size_t)p.n);
    for (i = 0; i < p.n; i++) {
        p.c[i] = a->prompt[i / each];
    }
    chain_sample(p.x, NULL, a->ref, a->chain, p.c, p.n, a->seed, a->world->stream + SCORE_POOL);
    a->world->reward(a->world, p.r, p.x, p.c, (size_t)p.n);
    p.reward = mean_of(p.r, (size_t)p.n);
    for (i = 0; i < a->prompts; i++) {
        Reweighted star = reweight(NULL, p.r + (size_t)i * (size_t)each, a->beta, (size_t)each);
        p.j_star += star.objective / a->prompts;
        p.ess += star.ess;
    }
    return p;
}

static inline void reference_pool_free(ReferencePool *p) {
    free(p->x);
    free(p->c);
    free(p->r);
    memset(p, 0, sizeof *p);
}

// ---- a model -----------------------------------------------------------------------------------------------------

typedef struct {
    double reward, reward_se; // E[true reward]
    double kl, kl_se;         // of the chains, nats
    double j;                 // reward - beta kl
    double obeys;             // share of pictures that show what their prompt asks for; glyphs only, else NAN
} ImageScore;

// Scores net (the reference itself may be given) by n samples; row i has prompt i mod prompts, and every model gets the
// same noise, so differences are steadier than the errors say.  x: n x dim, the samples.
static inline ImageScore image_score(real *x, const Alignment *a, Net *net, const GlyphReader *reader, int n) {
    size_t numbers = (size_t)n * (size_t)a->world->dim;
    real *path = NEW(real, numbers * (size_t)(a->chain->T + 1));
    double *r = NEW(double, (size_t)n);
    int *c = NEW(int, (size_t)n), i;
    ImageScore s = {0, 0, 0, 0, 0, NAN};
    for (i = 0; i < n; i++) {
        c[i] = a->prompt[i % a->prompts];
    }
    chain_sample(x, path, net, a->chain, c, n, a->seed, a->world->stream + SCORE_DRAW);
    a->world->reward(a->world, r, x, c, (size_t)n);
    s.reward = mean_of(r, (size_t)n);
    s.reward_se = n > 1 ? spread_of(r, (size_t)n, 1) / sqrt(n) : 0;
    if (net != a->ref) {
        s.kl = chain_path_kl(&s.kl_se, net, a->ref, a->chain, path, c, n);
    }
    s.j = s.reward - a->beta * s.kl;
    if (reader != NULL) {
        s.obeys = glyph_score(reader, x, c, (size_t)n).obedience;
    }
    free(path);
    free(r);
    free(c);
    return s;
}

// `key value` lines, each key behind `name_`.
static inline void image_score_print(const char *name, const ImageScore *s) {
    printf("%s_reward %.3f\n%s_reward_se %.3f\n%s_kl %.3f\n%s_kl_se %.3f\n%s_j %.3f\n", name, s->reward, name,
           s->reward_se, name, s->kl, name, s->kl_se, name, s->j);
    if (s->obeys == s->obeys) {
        printf("%s_obeys %.3f\n", name, s->obeys);
    }
}

// ---- pictures ----------------------------------------------------------------------------------------------------

// Sheets of n pictures side by side, `columns` in a row, a title above each.
static inline Image image_score_sheets(const AnyWorld *w, real *const *x, const char *const *title, int sheets, int n,
                                       int columns, int scale) {
    enum { TOP = 16, GAP = 14 };
    int rows = (n + columns - 1) / columns, wide = (columns * (w->side + 1) - 1) * scale, s;
    Image m = image_new(sheets * (wide + GAP) - GAP, (rows * (w->side + 1) - 1) * scale + TOP, 3);
    image_fill(&m, rgb(255, 255, 255));
    for (s = 0; s < sheets; s++) {
        Image tiles = image_tiles(x[s], n, w->side, w->side, w->channels, columns, -w->paper, w->paper);
        image_text(&m, s * (wide + GAP), 4, 1, rgb(0, 0, 0), title[s]);
        image_blit(&m, &tiles, s * (wide + GAP), TOP, scale);
        image_free(&tiles);
    }
    return m;
}

#endif
