// families.h: which golden family is computed by which formula, and which headers hold the formulas.
//
// A family with a NULL adapter is pending: the golden values are there, the formula is not (yet).  `ledger check`
// counts it by name, so nothing is skipped silently.
#ifndef TILT_FAMILIES_H
#define TILT_FAMILIES_H

#include "double.h" // first

#include "families_decoding.h"
#include "families_losses.h"
#include "families_metrics.h"
#include "families_mixture.h"
#include "families_policy.h"
#include "families_ranking.h"
#include "families_reward.h"
#include "families_rewards.h"
#include "families_sampler.h"
#include "families_schedule.h"
#include "families_solver.h"
#include "families_taste.h"
#include "families_tilt.h"
#include "families_trajectory.h"
#include "families_value.h"

typedef struct {
    const char *family;
    void (*evaluate)(const Case *in, Out *out); // NULL = pending
    const char *ids;                            // formula ids, separated by blanks
} Family;

// Every header of ref/formula, in reading order.  tests/ledger.sh compares this list with the folder.
// clang-format off
static const char *const formula_headers[] = {
    "ref/formula/schedule.h",
    "ref/formula/forward.h",
    "ref/formula/mixture.h",
    "ref/formula/loss_weights.h",
    "ref/formula/score_matching.h",
    "ref/formula/guidance.h",
    "ref/formula/sampler.h",
    "ref/formula/path.h",
    "ref/formula/update.h",
    "ref/formula/dpm_solver.h",
    "ref/formula/edm.h",
    "ref/formula/sde.h",
    "ref/formula/flow.h",
    "ref/formula/step_plan.h",
    "ref/formula/ladder.h",
    "ref/formula/denoiser.h",
    "ref/formula/solver.h",
    "ref/formula/gaussian_chain.h",
    "ref/formula/ode.h",
    "ref/formula/likelihood.h",
    "ref/formula/optimal_variance.h",
    "ref/formula/flow_sde.h",
    "ref/formula/linear_chain.h",
    "ref/formula/denoising_mdp.h",
    "ref/formula/normal.h",
    "ref/formula/win_graph.h",
    "ref/formula/bradley_terry.h",
    "ref/formula/ties.h",
    "ref/formula/ranking.h",
    "ref/formula/reward_model.h",
    "ref/formula/softmax_reward.h",
    "ref/formula/laplace.h",
    "ref/formula/acquisition.h",
    "ref/formula/reward_loss.h",
    "ref/formula/ensemble.h",
    "ref/formula/additive_reward.h",
    "ref/formula/tilt.h",
    "ref/formula/best_of_n.h",
    "ref/formula/reward_law.h",
    "ref/formula/gmm_quadrature.h",
    "ref/formula/soft_value.h",
    "ref/formula/guidance_value.h",
    "ref/formula/overoptimisation.h",
    "ref/formula/reweight.h",
    "ref/formula/smc.h",
    "ref/formula/decoding.h",
    "ref/formula/policy.h",
    "ref/formula/preference.h",
    "ref/formula/metrics.h",
    "ref/formula/transport.h",
    "ref/formula/kernel_metrics.h",
    "ref/formula/feature_metrics.h",
    "ref/formula/neighbours.h",
    "ref/formula/permutation.h",
    "ref/formula/alignment_report.h",
    NULL,
};
// clang-format on

// In the order of data/golden.txt.
static const Family families[] = {
    {"sched.linear", family_sched_linear, "fwd.sched"},
    {"sched.cosine", family_sched_cosine, "fwd.sched"},
    {"sched.zero_snr", family_sched_zero_snr, "fwd.zsnr"},
    {"fwd.vp", family_fwd_vp, "fwd.vp"},
    {"fwd.ve", family_fwd_ve, "fwd.ve"},
    {"fwd.subvp", family_fwd_subvp, "fwd.subvp"},
    {"fwd.flow", family_fwd_flow, "fwd.flow"},
    {"ddpm.posterior", family_ddpm_posterior, "fwd.posterior"},
    {"loss.weights", family_loss_weights, "loss.minsnr loss.p2"},
    {"edm.precond", family_edm_precond, "edm.precond"},
    {"gmm.vp", family_gmm_vp, "gmm.noised gmm.score gmm.hess gmm.denoise pf.ode conv.table conv.all tweedie fwd.vp"},
    {"gmm.flow", family_gmm_flow, "flow.velocity gmm.noised gmm.score gmm.denoise conv.table conv.all"},
    {"gmm.ve", family_gmm_ve, "edm.denoiser gmm.noised gmm.score gmm.denoise"},
    {"dsm.floor2d", family_dsm_floor2d, "dsm.min dsm.obj"},
    {"dsm.floor1d", family_dsm_floor1d, "dsm.min loss.minsnr"},
    {"ddpm.step", family_ddpm_step, "ddpm.step step.logprob"},
    {"ddim.step", family_ddim_step, "ddim.step"},
    {"dpmpp.2m", family_dpmpp_2m, "dpm.1 dpmpp.2m"},
    {"dpmpp.2msde", family_dpmpp_2msde, "dpmpp.2msde"},
    {"unipc.2", family_unipc_2, "unipc dpmpp.2m dpm.exact"},
    {"dpm.singlestep", family_dpm_singlestep, "dpm.2 dpmpp.2s"},
    {"pf.step", family_pf_step, "pf.euler pf.heun sde.rev"},
    {"edm.sched", family_edm_sched, "edm.sched"},
    {"edm.step", family_edm_step, "edm.heun"},
    {"edm.churn", family_edm_churn, "edm.churn edm.heun"},
    {"ancestral.k", family_ancestral_k, "ancestral.k"},
    {"sde.em", family_sde_em, "sde.em sde.rev"},
    {"sde.revdiff", family_sde_revdiff, "sde.revdiff"},
    {"pc.langevin", family_pc_langevin, "pc.langevin"},
    {"flow.step", family_flow_step, "flow.euler flow.midpoint"},
    {"flowsde.step", family_flowsde_step, "flowsde.step mdp.logprob step.logprob"},
    {"flowsde.variance", family_flowsde_variance, "flowsde.variance flowsde.step"},
    {"traj.vp", family_traj_vp, "dpm.1 dpm.2 dpmpp.2m unipc"},
    {"traj.edm", family_traj_edm, "edm.heun edm.sched"},
    {"traj.flow", family_traj_flow, "flow.euler flow.midpoint"},
    {"traj.ddim", family_traj_ddim, "ddim.step step.logprob gmm.score fwd.sched"},
    {"traj.ddpm", family_traj_ddpm, "ddpm.step gmm.score fwd.sched"},
    {"pf.exact", family_pf_exact, "pf.exact"},
    {"order.vp", family_order_vp, "dpm.1 dpm.2 dpmpp.2m unipc pf.euler"},
    {"order.edm", family_order_edm, "edm.heun"},
    {"order.flow", family_order_flow, "flow.euler flow.midpoint"},
    {"pf.loglik", family_pf_loglik, "pf.loglik pf.exact"},
    {"guid.power", family_guid_power, "guid.power guid.classifier"},
    {"cfg.eps", family_cfg_eps, "cfg.eps cfg.negprompt negprompt"},
    {"cfg.counterexample", family_cfg_counterexample, "cfg.counterexample"},
    {"cfg.dynthresh", family_cfg_dynthresh, "cfg.dynthresh"},
    {"mdp.logprob", family_mdp_logprob, "mdp.logprob"},
    {"flowsde.kl", family_flowsde_kl, "flowsde.kl mdp.kl"},
    {"mdp.pathkl", family_mdp_pathkl, "mdp.chain mdp.kl"},
    {"bt.mle", family_bt_mle, "bt.mle bt.loglik bt.deviance bt.model bt.thurstone bt.exist"},
    {"bt.se", family_bt_se, "bt.se bt.mle bt.fisher"},
    {"bt.fisher", family_bt_fisher, "bt.fisher"},
    {"bt.mm", family_bt_mm, "bt.mm"},
    {"bt.home", family_bt_home, "bt.home bt.loglik bt.fisher"},
    {"bt.davidson", family_bt_davidson, "bt.davidson"},
    {"bt.raokupper", family_bt_raokupper, "bt.raokupper"},
    {"pl.mle", family_pl_mle, "pl.mle pl.model"},
    {"pl.mm", family_pl_mm, "pl.mm"},
    {"rm.bt", family_rm_bt, "rm.bt"},
    {"rm.variants", family_rm_variants, "rm.smooth rm.robust rm.margin"},
    {"rm.map", family_rm_map, "rm.map rm.bt"},
    {"rm.laplace", family_rm_laplace, "rm.laplace rm.map rm.bt"},
    {"rm.softmax", family_rm_softmax, "rm.softmax"},
    {"rm.calib", family_rm_calib, "rm.calib"},
    {"rm.ens", family_rm_ens, "rm.ens"},
    {"opt.gmm", family_opt_gmm, "opt.gmm opt.Er opt.value opt.exist"},
    {"opt.frontier", family_opt_frontier, "opt.frontier opt.gmm opt.Er opt.value"},
    {"opt.exist", family_opt_exist, "opt.exist"},
    {"opt.discrete", family_opt_discrete, "opt.tilt opt.frontier opt.value"},
    {"val.soft", family_val_soft, "val.soft opt.score rm.time doob.drift guid.dps"},
    {"doob.kl", family_doob_kl, "doob.kl"},
    {"bon.continuous", family_bon_continuous, "bon.kl bon.win bon.normal opt.frontier opt.tilt"},
    {"bon.discrete", family_bon_discrete, "bon.discrete bon.kl bon.win met.kl"},
    {"bon.soft", family_bon_soft, "bon.soft met.kl"},
    {"bon.gmm", family_bon_gmm, "bon.gmm reward.law bon.kl"},
    {"smc.resample", family_smc_resample, "smc.ess smc.systematic"},
    {"smc.twist1d", family_smc_twist1d, "smc.kernel smc.twist guid.cg_step"},
    {"smc.chain", family_smc_chain, "smc.kernel smc.values opt.init_chain"},
    {"met.w1d", family_met_w1d, "met.w1d"},
    {"met.w2", family_met_w2, "met.w2"},
    {"met.sw", family_met_sw, "met.sw"},
    {"met.energy", family_met_energy, "met.energy"},
    {"met.mmd", family_met_mmd, "met.mmd"},
    {"met.mmd_gmm", family_met_mmd_gmm, "met.mmd_gmm"},
    {"met.knnkl", family_met_knnkl, "met.knnkl"},
    {"met.c2st", family_met_c2st, "met.c2st"},
    {"met.fid", family_met_fid, "met.fid met.w2"},
    {"met.kid", family_met_kid, "met.kid"},
    {"met.vendi", family_met_vendi, "met.vendi"},
    {"met.median", family_met_median, "met.median"},
    {"step.coeffs", family_step_coeffs, "ddim.step"},
    {"step.ddpm_identity", family_step_ddpm_identity, "ddpm.step"},
    {"step.logprob", family_step_logprob, "step.logprob"},
    {"step.kl", family_step_kl, "step.kl mdp.kl"},
    {"kl.estimators", family_kl_estimators, "kl.k1 kl.k2 kl.k3"},
    {"kl.in_reward", family_kl_in_reward, "kl.in_reward"},
    {"theory.kl_as_loss", NULL, ""},
    {"theory.kl_in_loss", NULL, ""},
    {"theory.linear_gaussian", NULL, ""},
    {"theory.trajectory_balance", family_theory_trajectory_balance,
     "theory.trajectory_balance opt.init opt.tilt met.tv"},
    {"lee2023.loss", NULL, ""},
    {"rwr.loss", NULL, ""},
    {"theory.rwr_iterated", family_theory_rwr_iterated, "theory.rwr_iterated opt.tilt"},
    {"raft.select", NULL, ""},
    {"adv.variants", family_adv_variants, "adv.batch adv.group adv.global adv.centred adv.loo"},
    {"theory.loo", family_theory_loo, "theory.loo theory.bandit adv.loo adv.centred"},
    {"adv.tracker", NULL, ""},
    {"ddpo.sf", family_ddpo_sf, "ddpo.sf step.logprob"},
    {"ddpo.is", NULL, ""},
    {"dpok.paper_step", NULL, ""},
    {"dpok.code", NULL, ""},
    {"loop.loss", NULL, ""},
    {"flow_grpo.step", NULL, ""},
    {"dancegrpo.flux_step", NULL, ""},
    {"tdpo.critic", NULL, ""},
    {"tdpo.reset", NULL, ""},
    {"prdp.loss", NULL, ""},
    {"sdpo.dense", NULL, ""},
    {"sdpo.loss", NULL, ""},
    {"dense_reward_view.loss", NULL, ""},
    {"pcl.loss", NULL, ""},
    {"seiko.ucb", NULL, ""},
    {"seiko.tilt", NULL, ""},
    {"adjoint_matching.lean", NULL, ""},
    {"pref.margin", family_pref_margin, "dpo.loss pref.dpo pref.cdpo pref.ipo pref.hinge"},
    {"diffusion_dpo.loss", family_diffusion_dpo_loss, "diffusion_dpo.loss"},
    {"diffusion_dpo.at_reference", family_diffusion_dpo_at_reference, "diffusion_dpo.at_reference diffusion_dpo.loss"},
    {"d3po.loss", NULL, ""},
    {"spo.loss", NULL, ""},
    {"kto.loss", NULL, ""},
    {"diffusion_kto.loss", NULL, ""},
    {"dspo.loss", NULL, ""},
    {"mapo.loss", NULL, ""},
    {"smpo.scale", NULL, ""},
    {"refl.loss", NULL, ""},
    {"draft.k", NULL, ""},
    {"draft.lv", NULL, ""},
    {"lasro.surrogate", NULL, ""},
    {"focusnfix.loss", NULL, ""},
    {"esd.loss", NULL, ""},
    {"theory.esd_fixed_point", NULL, ""},
    {"sld.guidance", NULL, ""},
    {"uce.closed_form", NULL, ""},
    {"safediffusion_r1.reward", NULL, ""},
    {"lagrangian.dual", NULL, ""},
    {"theory.constrained_tilt", NULL, ""},
    {"redteam.pgd", NULL, ""},
    {"mdm.elbo", NULL, ""},
    {"mdm.exact", NULL, ""},
    {"diffu_grpo.loss", NULL, ""},
    {"vrpo.loss", NULL, ""},
    {"overopt.gao", family_overopt_gao, "overopt.gao bon.kl"},
    {"moo.scalarisation", NULL, ""},
    {"moo.pareto", NULL, ""},
    {"theory.geometric_mixture", NULL, ""},
    {"theory.rewarded_soup", NULL, ""},
    {"active.acquisition", family_active_acquisition, "active.acquisition"},
    {"continual.ewc", NULL, ""},
    {"interp.additive", NULL, ""},
    {NULL, NULL, NULL},
};

static inline const Family *family_find(const char *name) {
    int i;
    for (i = 0; families[i].family != NULL; i++) {
        if (strcmp(families[i].family, name) == 0) {
            return &families[i];
        }
    }
    return NULL;
}

// Is `id` one of the blank-separated words of `ids`?
static inline int ids_hold(const char *ids, const char *id) {
    size_t n = strlen(id);
    while (*ids != '\0') {
        size_t length = strcspn(ids, " ");
        if (length == n && strncmp(ids, id, n) == 0) {
            return 1;
        }
        ids += length;
        ids += strspn(ids, " ");
    }
    return 0;
}

#endif
