// step_plan.h: what each sampler does in one step: where it asks the denoiser, and with which weights of update.h it
// moves.  One short function a sampler; solver.h names them and runs them.
#ifndef TILT_STEP_PLAN_H
#define TILT_STEP_PLAN_H

#include "dpm_solver.h"
#include "edm.h"
#include "flow.h"
#include "sde.h"

// What one step does.
typedef struct {
    double churn; // standard deviation of noise added before anything else
    Level from;   // where D_now is asked
    Update first; // the whole step, or the way to the second point
    int stages;   // 1, or 2: D_stage is asked at `middle` and `last` is the whole step
    Level middle;
    Update last;
    int keep;    // D_stage is D_now of the next step
    int correct; // 1: after the step D_stage is asked once more, at the next level, and `repair` is applied
    Update repair;
} StepPlan;

// What a step knows about itself.
typedef struct {
    const Path *path;  // for levels between those of the ladder
    const Level *old;  // the level of the step before, NULL in the first step
    const Level *now;  // the level of the state
    const Level *next; // where the step leads
    double strength;   // eta, kappa, S_churn or snr of a sampler that has such a number
    int n;             // steps of the whole run
} StepSite;

// Fills in what differs from the plan "one evaluation at `now`, no noise".
typedef void (*Planner)(StepPlan *p, const StepSite *at);

// ---- one planner a sampler ----------------------------------------------------------------------------------------

static inline void plan_dpm_1(StepPlan *p, const StepSite *at) {
    p->first = dpm_1(at->now, at->next);
}

static inline void plan_edm_euler(StepPlan *p, const StepSite *at) {
    p->first = edm_euler(at->now, at->next);
}

static inline void plan_flow_euler(StepPlan *p, const StepSite *at) {
    p->first = flow_euler(at->now, at->next);
}

static inline void plan_pf_euler(StepPlan *p, const StepSite *at) {
    p->first = pf_euler(at->now, at->next);
}

static inline void plan_pf_heun(StepPlan *p, const StepSite *at) {
    if (at->next->sigma == 0) { // there is no slope at clean data
        p->first = pf_euler(at->now, at->next);
        return;
    }
    p->stages = 2;
    p->middle = *at->next;
    pf_heun(&p->first, &p->last, at->now, at->next);
}

static inline void plan_edm_heun(StepPlan *p, const StepSite *at) {
    if (at->next->sigma == 0) {
        p->first = edm_euler(at->now, at->next);
        return;
    }
    p->stages = 2;
    p->middle = *at->next;
    edm_heun(&p->first, &p->last, at->now, at->next);
}

static inline void plan_flow_midpoint(StepPlan *p, const StepSite *at) {
    p->stages = 2;
    flow_midpoint(&p->first, &p->last, &p->middle, at->now, at->next);
}

// The level half way in half log-SNR.
static inline Level half_way(const Path *path, const Level *now, const Level *next) {
    return path_at_logsnr(path, (level_half_logsnr(now) + level_half_logsnr(next)) / 2);
}

// Is there a finite half log-SNR at both ends?  If not, single-step methods fall back to first order.
static inline int finite_step(const Level *now, const Level *next) {
    return now->alpha > 0 && next->sigma > 0;
}

static inline void plan_dpm_2(StepPlan *p, const StepSite *at) {
    if (!finite_step(at->now, at->next)) {
        p->first = dpm_1(at->now, at->next);
        return;
    }
    p->stages = 2;
    p->middle = half_way(at->path, at->now, at->next);
    dpm_2(&p->first, &p->last, at->now, &p->middle, at->next);
}

static inline void plan_dpmpp_2s(StepPlan *p, const StepSite *at) {
    if (!finite_step(at->now, at->next)) {
        p->first = dpm_1(at->now, at->next);
        return;
    }
    p->stages = 2;
    p->middle = half_way(at->path, at->now, at->next);
    dpmpp_2s(&p->first, &p->last, at->now, &p->middle, at->next);
}

static inline void plan_dpmpp_2m(StepPlan *p, const StepSite *at) {
    p->first = dpmpp_2m(at->old, at->now, at->next, DPM_MIDPOINT);
}

static inline void plan_dpmpp_2m_heun(StepPlan *p, const StepSite *at) {
    p->first = dpmpp_2m(at->old, at->now, at->next, DPM_HEUN);
}

static inline void plan_unipc(StepPlan *p, const StepSite *at) {
    p->first = dpmpp_2m(at->old, at->now, at->next, DPM_MIDPOINT);
    if (finite_step(at->now, at->next)) {
        p->stages = 2;
        p->keep = 1;
        p->middle = *at->next;
        p->last = unic_2(at->old, at->now, at->next);
    }
}

static inline void plan_ddim(StepPlan *p, const StepSite *at) { // eta = strength
    StepCoeffs c = ddim_coeffs(level_abar(at->now), level_abar(at->next), at->strength);
    p->first = update_of_step(&c, at->now, at->next);
}

static inline void plan_ddpm_large(StepPlan *p, const StepSite *at) {
    StepCoeffs c = ddpm_large_coeffs(level_abar(at->now), level_abar(at->next));
    p->first = update_of_step(&c, at->now, at->next);
}

static inline void plan_dpmpp_2m_sde(StepPlan *p, const StepSite *at) { // eta = strength
    p->first = dpmpp_2m_sde(at->old, at->now, at->next, at->strength, DPM_MIDPOINT);
}

static inline void plan_edm_churn(StepPlan *p, const StepSite *at) { // S_churn = strength, at every level
    StepSite churned = *at;
    p->from = edm_churn(&p->churn, at->now, edm_gamma(1, at->strength, 0, HUGE_VAL, at->n), 1);
    churned.now = &p->from;
    plan_edm_heun(p, &churned);
}

static inline void plan_ancestral_k(StepPlan *p, const StepSite *at) { // eta = strength
    p->first = ancestral_k(at->now, at->next, at->strength);
}

static inline void plan_sde_em(StepPlan *p, const StepSite *at) { // kappa = strength
    p->first = sde_em(at->now, at->next, at->strength);
}

static inline void plan_revdiff(StepPlan *p, const StepSite *at) {
    p->first = sde_revdiff(at->now, at->next);
}

static inline void plan_pc(StepPlan *p, const StepSite *at) { // snr = strength
    p->first = sde_revdiff(at->now, at->next);
    if (at->next->sigma > 0) {
        p->correct = 1;
        p->repair = langevin_update(at->next, langevin_fixed(at->next, at->strength));
    }
}

#endif
