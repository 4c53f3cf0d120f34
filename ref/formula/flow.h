// flow.h: steps of flow matching.  In the units w = x/(alpha + sigma), t = sigma/(alpha + sigma) every path is the
// flow path, and its velocity is u = (w - D)/t: it points from the data to the noise, so dt < 0.
//
// These units exist at every level, also without signal (t = 1, u = w - E[x_0]).
#ifndef TILT_FLOW_H
#define TILT_FLOW_H

#include "update.h"

static inline double flow_scale(const Level *l) {
    return 1 / (l->alpha + l->sigma);
}

static inline double flow_time(const Level *l) {
    return l->sigma / (l->alpha + l->sigma);
}

// F: flow.euler    x <- x + dt u(x, t)                                                          [chapter 4]
//   u = (x - D)/t on the flow path
//   limits: order 1.   Data at one point: exact in ONE step.   The same numbers as dpm.1 and as Euler in EDM units
//   source: Liu et al. 2022, arXiv 2209.03003
//   check: one point; equal to dpm_1; golden flow.step traj.flow order.flow
static inline Update flow_euler(const Level *now, const Level *next) {
    require_noisy(now, "flow_euler");
    require_level(next, "flow_euler");
    double t = flow_time(now);
    double t_next = flow_time(next);
    Update u = {t_next / t, (t - t_next) / t, 0, 0, 0}; // 1 + dt/t and -dt/t
    update_rescale(&u, flow_scale(now), flow_scale(next));
    return u;
}

// F: flow.midpoint x <- x + dt u(x + dt/2 u(x, t), t + dt/2)                                    [chapter 4]
//   middle: the level half way in t, not at t_next
//   limits: order 2.   Takes a step to clean data (t_next = 0), because it asks only half way
//   source: midpoint rule; Lipman et al. 2022, arXiv 2210.02747
//   check: order 2; golden flow.step traj.flow order.flow
static inline void flow_midpoint(Update *first, Update *last, Level *middle, const Level *now, const Level *next) {
    require_noisy(now, "flow_midpoint");
    require_level(next, "flow_midpoint");
    Path flow = path_of(PATH_FLOW);
    double t = flow_time(now);
    double dt = flow_time(next) - t;
    Slope at_now = {1 / t, -1 / t};
    Slope half_way = {1 / (t + dt / 2), -1 / (t + dt / 2)};
    *middle = path_at_time(&flow, t + dt / 2);
    update_midpoint(first, last, dt, at_now, half_way);
    update_rescale(first, flow_scale(now), 1);
    update_rescale(last, flow_scale(now), flow_scale(next));
}

#endif
