// loss_weights.h: one squared error in many clothes.  A denoiser may predict eps, x_0, v, a flow velocity or the inner
// network F of EDM; the losses differ by a factor that depends on the noise level only.  So a choice of target and a
// choice of weight are one choice, and this file names it.
//
// Losses here are for one row and SUM over its `dim` numbers; averages over rows and levels belong to the training loop
// (toy/model/train.h).  The minimiser never depends on the weight; what is learned first, and well, does.
// abar = 0 is zero terminal SNR: eps says nothing about x_0 there.  A factor that is infinite ends the program and says
// which target to take instead; a factor with a limit returns the limit.
#ifndef TILT_LOSS_WEIGHTS_H
#define TILT_LOSS_WEIGHTS_H

#include "forward.h"

// F: loss.simple   the denoising loss, and its factor between eps, x_0 and v                     [chapter 5]
//   L = weight |eps_hat - eps|^2,   dL/d eps_hat = 2 weight (eps_hat - eps)      (SUM over the dim numbers of a row)
//   |x_0 - x_0hat|^2 = |eps - eps_hat|^2 / SNR,   |v - v_hat|^2 = |eps - eps_hat|^2 / alpha^2,   SNR = alpha^2/sigma^2
//   The same function serves any target: pass v_hat and v for the v loss.
//   limits: abar = 1: the x_0 factor is 0, the v factor 1.   abar = 0: both are infinite, an error
//   source: Ho et al. 2020, arXiv 2006.11239; Salimans and Ho 2022, arXiv 2202.00512 (v)
//   check: finite differences; predictions converted by conv.table; the least loss is dsm.min
static inline double loss_simple(real *d_eps, const real *eps_hat, const real *eps, double weight, size_t dim) {
    double loss = 0;
    size_t i;
    for (i = 0; i < dim; i++) {
        double miss = (double)eps_hat[i] - (double)eps[i];
        loss += weight * miss * miss;
        if (d_eps != NULL) {
            d_eps[i] = (real)(2 * weight * miss);
        }
    }
    return loss;
}

// |x_0 - x_0hat|^2 in units of |eps - eps_hat|^2: 1/SNR.
static inline double x0_loss_per_eps_loss(double abar) {
    require_abar(abar, "x0_loss_per_eps_loss");
    require_not_zero(abar, "x0_loss_per_eps_loss", "abar", "at zero terminal SNR train on v or x_0, not on eps");
    return (1 - abar) / abar;
}

// |v - v_hat|^2 in units of |eps - eps_hat|^2: 1/alpha^2 = 1 + 1/SNR.
static inline double v_loss_per_eps_loss(double abar) {
    require_abar(abar, "v_loss_per_eps_loss");
    require_not_zero(abar, "v_loss_per_eps_loss", "abar", "at zero terminal SNR train on v or x_0, not on eps");
    return 1 / abar;
}

// F: loss.vlb      the variational bound, one step t -> s: KL of the true step back to the model's   [chapter 5]
//   L = |mu_tilde - mu_theta|^2 / (2 var_small) = (SNR_s - SNR_t)/2 |x_0 - x_0hat|^2,   nats, SUM over the numbers
//   as a weight of the x_0 loss:  (abar_s - abar_t) / (2 (1-abar_t) (1-abar_s))
//   of the v loss: sigma_t^2 times that;   of the eps loss: that / SNR_t
//   continuous: -1/2 int dSNR/dt E|x_0 - x_0hat|^2 dt, which depends on the schedule through its two ends only
//   limits: abar_t = 0: x_0 and v weights are finite, the eps weight is an error.   abar_s = 1: the last step has
//   variance 0, its term is a likelihood of data and no KL: an error
//   source: Ho et al. 2020, arXiv 2006.11239; Kingma et al. 2021, arXiv 2107.00630
//   check: step_kl of the sampler; two schedules on Gaussian data; the information in x_t of a mixture
static inline double vlb_weight_x0(double abar_t, double abar_s) {
    require_abar(abar_t, "vlb_weight_x0");
    require_abar(abar_s, "vlb_weight_x0");
    if (!(abar_t < abar_s)) {
        DIE("vlb_weight_x0: abar from %g to %g; a step back must remove noise", abar_t, abar_s);
    }
    require_not_zero(1 - abar_s, "vlb_weight_x0", "1 - abar_s", "leave the step to clean data out of the sum");
    return (abar_s - abar_t) / (2 * (1 - abar_t) * (1 - abar_s));
}

static inline double vlb_weight_v(double abar_t, double abar_s) {
    return (1 - abar_t) * vlb_weight_x0(abar_t, abar_s); // |x_0 - x_0hat|^2 = sigma^2 |v - v_hat|^2
}

static inline double vlb_weight_eps(double abar_t, double abar_s) {
    return vlb_weight_x0(abar_t, abar_s) * x0_loss_per_eps_loss(abar_t);
}

// Does a level keep its SNR under the clip gamma?  No division, so abar = 0 and abar = 1 are exact.
static inline int minsnr_keeps(double abar, double gamma, const char *who) {
    require_abar(abar, who);
    if (!(gamma > 0)) {
        DIE("%s: gamma = %g; the clip of the SNR must be positive, 5 is usual", who, gamma);
    }
    return abar <= gamma * (1 - abar);
}

// F: loss.minsnr   min-SNR weights: no level counts more than SNR = gamma does                   [chapter 5]
//   on the eps loss  min(SNR, gamma)/SNR;   on the x_0 loss  min(SNR, gamma);   on the v loss  min(SNR, gamma)/(SNR+1)
//   One objective in three languages.   gamma: dimensionless, 5 in the paper
//   limits: abar = 0: 1, 0, 0.   abar = 1: 0, gamma, 0.   gamma -> infinity: the x_0 loss is weighted by SNR, which is
//   the eps loss with weight 1
//   source: Hang et al. 2023, arXiv 2303.09556
//   check: the three agree through loss.simple; both ends; golden loss.weights dsm.floor1d
static inline double minsnr_weight_eps(double abar, double gamma) {
    return minsnr_keeps(abar, gamma, "minsnr_weight_eps") ? 1 : gamma * (1 - abar) / abar;
}

static inline double minsnr_weight_x0(double abar, double gamma) {
    return minsnr_keeps(abar, gamma, "minsnr_weight_x0") ? abar / (1 - abar) : gamma;
}

static inline double minsnr_weight_v(double abar, double gamma) {
    return minsnr_keeps(abar, gamma, "minsnr_weight_v") ? abar : gamma * (1 - abar); // 1/(SNR + 1) = 1 - abar
}

// F: loss.p2       P2 weight of the eps loss: less for the levels where only details are left    [chapter 5]
//   1/(k + SNR)^gamma = ((1-abar)/(k (1-abar) + abar))^gamma,   k = 1 and gamma = 1 are usual
//   limits: k = gamma = 1 on the VP path: sigma^2.   abar = 1: 0.   abar = 0: k^-gamma, an error for k = 0
//   source: Choi et al. 2022, arXiv 2204.00227
//   check: sigma^2 at k = gamma = 1; both ends; golden loss.weights
static inline double p2_weight_eps(double abar, double k, double gamma) {
    require_abar(abar, "p2_weight_eps");
    if (!(k >= 0 && gamma >= 0)) {
        DIE("p2_weight_eps: k = %g, gamma = %g; both must be 0 or more", k, gamma);
    }
    if (gamma == 0) {
        return 1;
    }
    require_not_zero(k * (1 - abar) + abar, "p2_weight_eps", "k + SNR", "at zero terminal SNR take k > 0");
    return abar == 1 ? 0 : e_pow((1 - abar) / (k * (1 - abar) + abar), gamma);
}

// ---- EDM -----------------------------------------------------------------------------------------------------------

typedef struct {
    double c_skip, c_out, c_in, c_noise; // D(x) = c_skip x + c_out F(c_in x, c_noise)
    double weight;                       // of |D - x_0|^2: 1/c_out^2
} EdmPrecond;

// F: edm.precond   the outside of an EDM denoiser: its network sees and predicts numbers of size 1   [chapter 5]
//   D(x; sigma) = c_skip x + c_out F(c_in x, c_noise),   x = x_0 + sigma eps (VE)
//   c_skip = s^2/(sigma^2 + s^2),  c_out = sigma s/sqrt(sigma^2 + s^2),  c_in = 1/sqrt(sigma^2 + s^2),
//   c_noise = log(sigma)/4,   weight = (sigma^2 + s^2)/(sigma s)^2,   s: standard deviation of the data
//   target of F: (x_0 - c_skip x)/c_out.   weight |D - x_0|^2 = |F - target|^2:  the network sees a plain loss
//   training draws log sigma from N(-1.2, 1.2^2)
//   limits: sigma -> 0: D -> x.   sigma -> infinity: D -> s F.   sigma = 0 has no target: an error
//   source: Karras et al. 2022, arXiv 2206.00364, eq. (7) and table 1
//   check: weight c_out^2 = 1; target of variance 1 for data of variance s^2; finite differences; golden edm.precond
static inline EdmPrecond edm_precond(double sigma, double sigma_data) {
    EdmPrecond c;
    double total = sqrt(sigma * sigma + sigma_data * sigma_data);
    if (!(sigma > 0 && sigma_data > 0 && total < HUGE_VAL)) {
        DIE("edm_precond: sigma = %g, sigma_data = %g; both must be positive (clean data has no target)", sigma,
            sigma_data);
    }
    c.c_skip = sigma_data / total * (sigma_data / total);
    c.c_out = sigma * (sigma_data / total);
    c.c_in = 1 / total;
    c.c_noise = e_log(sigma) / 4;
    c.weight = 1 / (c.c_out * c.c_out);
    return c;
}

// What the network reads: c_in x.
static inline void edm_input(real *in, const real *x, const EdmPrecond *c, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        in[i] = (real)(c->c_in * (double)x[i]);
    }
}

// What the network should answer.
static inline void edm_target(real *target, const real *x0, const real *x, const EdmPrecond *c, size_t n) {
    combine(target, 1 / c->c_out, x0, -c->c_skip / c->c_out, x, n);
}

// D from the network's answer F.  Backward: dL/dF = c_out dL/dD.
static inline void edm_denoised(real *D, const real *x, const real *F, const EdmPrecond *c, size_t n) {
    combine(D, c->c_skip, x, c->c_out, F, n);
}

// weight |D - x_0|^2 of one row, SUM over n numbers, and dL/dF.
static inline double edm_loss(real *d_F, const real *F, const real *x0, const real *x, const EdmPrecond *c, size_t n) {
    double loss = 0;
    size_t i;
    for (i = 0; i < n; i++) {
        double D = c->c_skip * (double)x[i] + c->c_out * (double)F[i];
        double miss = D - (double)x0[i];
        loss += c->weight * miss * miss;
        if (d_F != NULL) {
            d_F[i] = (real)(2 * c->weight * c->c_out * miss);
        }
    }
    return loss;
}

// A training noise level from a standard normal z: log sigma = -1.2 + 1.2 z.
static inline double edm_training_sigma(double z) {
    return e_exp(-1.2 + 1.2 * z);
}

// ---- flow ----------------------------------------------------------------------------------------------------------

// F: flow.loss     flow matching, x_t = (1-t) x_0 + t eps: regression on u = eps - x_0          [chapter 5]
//   L = |u_hat - (eps - x_0)|^2,   dL/du_hat = 2 (u_hat - u)      (SUM over the dim numbers of a row)
//   u - u_hat = (eps - eps_hat)/(1-t) = -(x_0 - x_0hat)/t, so the eps loss has the weight 1/(1-t)^2, the x_0 loss 1/t^2
//   t uniform, or logit-normal: t = sigmoid(mean + std z)
//   limits: t = 0: the eps weight is 1.   t = 1: eps = x says nothing about x_0, the eps weight is an error
//   source: Lipman et al. 2022, arXiv 2210.02747; Esser et al. 2024, arXiv 2403.03206
//   check: finite differences; predictions converted by conv.table; the exact velocity of a mixture reaches mmse/t^2
static inline double flow_loss(real *d_u, const real *u_hat, const real *x0, const real *eps, size_t dim) {
    double loss = 0;
    size_t i;
    for (i = 0; i < dim; i++) {
        double miss = (double)u_hat[i] - ((double)eps[i] - (double)x0[i]);
        loss += miss * miss;
        if (d_u != NULL) {
            d_u[i] = (real)(2 * miss);
        }
    }
    return loss;
}

static inline double flow_weight_eps(double t) {
    if (!(t >= 0 && t <= 1)) {
        DIE("flow_weight_eps: t = %g is not in [0, 1]", t);
    }
    require_not_zero(1 - t, "flow_weight_eps", "1-t", "at t = 1 train on u or x_0, not on eps");
    return 1 / ((1 - t) * (1 - t));
}

static inline double flow_weight_x0(double t) {
    if (!(t >= 0 && t <= 1)) {
        DIE("flow_weight_x0: t = %g is not in [0, 1]", t);
    }
    require_not_zero(t, "flow_weight_x0", "t", "at t = 0 x_0 = x is known; train on u or eps there");
    return 1 / (t * t);
}

// A training time from a standard normal z; mean 0, std 1 are usual.
static inline double flow_time_logit_normal(double z, double mean, double std) {
    return e_sigmoid(mean + std * z);
}

#endif
