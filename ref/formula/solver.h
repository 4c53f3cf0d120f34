// solver.h: every sampler by its name, on any ladder, with any denoiser, counting evaluations.
//
//   Ladder ladder = ladder_logsnr(path_vp(0.1, 20), 1, 1e-3, 20);
//   Denoiser exact = gmm_denoiser(&mixture);
//   size_t nfe = sampler_run(x, NULL, sampler_find("dpmpp2m"), &ladder, &exact, rows, seed, stream);
// x (rows x dim) enters as states of level 0 and leaves as states of the last level.  `samplers` is the list, ended by
// a NULL name; a copy of a row with another `strength` is a new sampler.  Rows never mix: the noise of row i depends
// on seed, stream, step and i (and on the number of rows).
#ifndef TILT_SOLVER_H
#define TILT_SOLVER_H

#include "../core/rng.h"
#include "denoiser.h"
#include "ladder.h"
#include "step_plan.h"

typedef struct {
    const char *name;
    const char *ids; // formulas, separated by blanks
    int order;       // global order for small steps; with noise: weak order
    int evaluations; // per step, when the last step keeps some noise
    int extra;       // evaluations of a run beyond that
    int random;      // 1: it draws noise
    double strength; // eta, kappa, S_churn or snr, see the row; 0 where there is nothing to choose
    Planner plan;
} Sampler;

// clang-format off
static const Sampler samplers[] = {
    // name          formulas                    order eval extra random strength
    {"ddim",         "dpm.1 ddim.step",              1, 1, 0, 0, 0,    plan_dpm_1},
    {"edm_euler",    "dpm.1",                        1, 1, 0, 0, 0,    plan_edm_euler},     // ddim in other units
    {"flow_euler",   "flow.euler",                   1, 1, 0, 0, 0,    plan_flow_euler},    // and again
    {"pf_euler",     "pf.euler sde.rev",             1, 1, 0, 0, 0,    plan_pf_euler},
    {"pf_heun",      "pf.heun sde.rev",              2, 2, 0, 0, 0,    plan_pf_heun},
    {"edm_heun",     "edm.heun",                     2, 2, 0, 0, 0,    plan_edm_heun},
    {"flow_midpoint", "flow.midpoint",               2, 2, 0, 0, 0,    plan_flow_midpoint},
    {"dpm2",         "dpm.2",                        2, 2, 0, 0, 0,    plan_dpm_2},
    {"dpmpp2s",      "dpmpp.2s",                     2, 2, 0, 0, 0,    plan_dpmpp_2s},
    {"dpmpp2m",      "dpmpp.2m",                     2, 1, 0, 0, 0,    plan_dpmpp_2m},
    {"dpmpp2m_heun", "dpmpp.2m",                     2, 1, 0, 0, 0,    plan_dpmpp_2m_heun},
    {"unipc2",       "unipc dpmpp.2m",               3, 1, 1, 0, 0,    plan_unipc},
    {"ddim_half",    "ddim.step",                    1, 1, 0, 1, 0.5,  plan_ddim},          // eta
    {"ddpm_small",   "ddpm.step ddim.step",          1, 1, 0, 1, 1,    plan_ddim},          // eta
    {"ddpm_large",   "ddpm.step",                    1, 1, 0, 1, 0,    plan_ddpm_large},
    {"dpmpp2m_sde",  "dpmpp.2msde",                  2, 1, 0, 1, 1,    plan_dpmpp_2m_sde},  // eta
    {"ancestral_k",  "ancestral.k",                  1, 1, 0, 1, 1,    plan_ancestral_k},   // eta
    {"edm_churn",    "edm.churn edm.heun",           2, 2, 0, 1, 5,    plan_edm_churn},     // S_churn
    {"sde_em",       "sde.em sde.rev",               1, 1, 0, 1, 1,    plan_sde_em},        // kappa
    {"revdiff",      "sde.revdiff",                  1, 1, 0, 1, 0,    plan_revdiff},
    {"pc",           "sde.revdiff pc.langevin",      1, 2, 0, 1, 0.16, plan_pc},            // snr; see below
    {NULL, NULL, 0, 0, 0, 0, 0, NULL},
};
// clang-format on
// pc corrects once a level with the same snr, so more steps bring more Langevin noise with its own bias: the order 1 of
// its predictor holds up to some hundred steps, beyond that the error falls more slowly.

static inline const Sampler *sampler_find(const char *name) {
    for (const Sampler *s = samplers; s->name != NULL; s++) {
        if (strcmp(s->name, name) == 0) {
            return s;
        }
    }
    DIE("no sampler is called '%s'; the names stand in ref/formula/solver.h", name);
    return NULL;
}

// How many steps this sampler can take with a number of evaluations, when the last step keeps some noise.
static inline int sampler_steps(const Sampler *s, int evaluations) {
    return (evaluations - s->extra) / s->evaluations;
}

// ---- running ------------------------------------------------------------------------------------------------------

static inline StepPlan sampler_plan(const Sampler *s, const Ladder *ladder, int i) {
    StepPlan p;
    memset(&p, 0, sizeof p);
    StepSite at = {&ladder->path, i > 0 ? &ladder->at[i - 1] : NULL, &ladder->at[i], &ladder->at[i + 1], s->strength,
                   ladder->n};
    p.stages = 1;
    p.from = ladder->at[i];
    s->plan(&p, &at);
    return p;
}

// The pure-noise start of level 0: x = sigma_0 z, right where alpha_0 is small against sigma_0.
static inline void sampler_start(real *x, const Ladder *ladder, size_t numbers, uint64_t seed, uint64_t stream) {
    rng_fill_normal(x, numbers, seed, stream, 0);
    for (size_t i = 0; i < numbers; i++) {
        x[i] = (real)(ladder->at[0].sigma * x[i]);
    }
}

// Runs all steps of the ladder.  x: rows x dim, in place.  trace: NULL, or (n + 1) x rows x dim states, level 0 first.
// Returns the number of evaluations, each of all rows.  Noise: slot 0 (churn), 1 (step) or 2 (corrector) of step i,
// row r, coordinate j has index ((3 i + slot) rows + r) dim + j of (seed, stream).
static inline size_t sampler_run(real *x, real *trace, const Sampler *s, const Ladder *ladder, const Denoiser *model,
                                 size_t rows, uint64_t seed, uint64_t stream) {
    size_t numbers = size_mul(rows, model->dim);
    real *block = NEW(real, size_mul(5, numbers));
    real *now = block;
    real *old = block + numbers;
    real *stage = block + 2 * numbers;
    real *point = block + 3 * numbers;
    real *z = block + 4 * numbers;
    size_t evaluations = 0;
    int kept = 0;
    for (int i = 0; i < ladder->n; i++) {
        StepPlan p = sampler_plan(s, ladder, i);
        uint64_t slot = 3 * (uint64_t)i * numbers;
        if (trace != NULL) {
            memcpy(trace + (size_t)i * numbers, x, numbers * sizeof(real));
        }
        if (p.churn > 0) {
            rng_fill_normal(z, numbers, seed, stream, slot);
            combine(x, 1, x, p.churn, z, numbers);
        }
        if (!kept) {
            model->x0(now, x, p.from.alpha, p.from.sigma, rows, model->self);
            evaluations++;
        }
        if (p.first.z != 0 || p.last.z != 0) {
            rng_fill_normal(z, numbers, seed, stream, slot + numbers);
        }
        if (p.stages == 2) {
            update_apply(point, &p.first, x, now, old, NULL, z, numbers);
            model->x0(stage, point, p.middle.alpha, p.middle.sigma, rows, model->self);
            evaluations++;
        }
        update_apply(x, p.stages == 2 ? &p.last : &p.first, x, now, old, stage, z, numbers);
        if (p.correct) {
            const Level *next = &ladder->at[i + 1];
            model->x0(stage, x, next->alpha, next->sigma, rows, model->self);
            evaluations++;
            rng_fill_normal(z, numbers, seed, stream, slot + 2 * numbers);
            update_apply(x, &p.repair, x, now, NULL, stage, z, numbers);
        }
        real *oldest = old; // D_now becomes history; a kept D_stage becomes D_now
        old = now;
        now = p.keep ? stage : oldest;
        stage = p.keep ? oldest : stage;
        kept = p.keep;
    }
    if (trace != NULL) {
        memcpy(trace + (size_t)ladder->n * numbers, x, numbers * sizeof(real));
    }
    free(block);
    return evaluations;
}

#endif
