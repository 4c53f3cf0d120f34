// ex2.c: exercise 2 of chapter 10.  Cap the proxy: how far can it be pushed, and where is the new peak?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch10_goodhart/ex2.c -lm -o ex2 && ./ex2   (--seed N: your rater)
// A capped proxy min(proxy, cap) pays nothing for leaving the region where the proxy reaches the cap.
#include "../../ref/show/cli.h"
#include "../../toy/feedback/proxy.h"

enum { CELLS = PROXY_CELLS };

// capped_i = min(proxy_i, cap), and the limit of KL(tilt by capped || p) as beta -> 0, in nats.
// p, proxy: n numbers each.  Allowed: e_log.  Not allowed: the limit by trying a small beta; it has a formula.
static double cap_proxy(double *capped, const double *p, const double *proxy, double cap, size_t n) {
    // EXERCISE: as beta -> 0 only the cells with the largest capped reward are left, and among them the tilt is p
    for (size_t i = 0; i < n; i++) {
        capped[i] = proxy[i];
    }
    (void)p;
    (void)cap;
    return 0;
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(int argc, char **argv) {
    static double proxy[CELLS], capped[CELLS], law[CELLS];
    uint64_t seed = 1;
    Option options[] = {OPT_SEED(&seed)};
    cli_parse(argc, argv, "exercise 2 of chapter 10", options, COUNT(options));
    static ProxyWorld w; // static: it lives as long as the program
    w = proxy_world_new(PROXY_SIDE);
    for (uint64_t s = seed; s < seed + 4; s++) {
        Pairs pairs = proxy_ask(&w, 320, 320, NULL, s);
        double seen = proxy_fit(proxy, &w, &pairs, 0, s); // the largest reward of a point that was compared
        pairs_free(&pairs);
        for (int k = 0; k < 3; k++) {
            double cap = (0.5 + 0.2 * k) * seen, most = cap_proxy(capped, w.p_ref, proxy, cap, w.cells);
            for (size_t i = 0; i < w.cells; i++) {
                if (fails(capped[i] == (proxy[i] < cap ? proxy[i] : cap), "capped is the smaller of proxy and cap")) {
                    return 1;
                }
            }
            tilt_discrete(law, w.p_ref, capped, 1e-5 * seen, w.cells); // beta far below every difference
            double reached = kl_discrete(law, w.p_ref, w.cells);
            if (fails(most > 0, "there is a limit, and it is not 0.  Where: the law left over is p restricted to a set "
                                "and divided by its mass.  Which formula: KL = -log P(set)") ||
                fails(fabs(most - reached) < 1e-3 * reached, "the set is {proxy >= cap}; sum p over it")) {
                printf("  seed %d, cap %.3f: yours %.4f, a tiny beta reaches %.4f\n", (int)s, cap, most, reached);
                return 1;
            }
            double beta = goodhart_peak_beta(w.p_ref, w.truth, capped, 0.1, 1e4, 60, w.cells);
            GoodhartPoint peak = goodhart_point(law, w.p_ref, w.truth, capped, beta > 0 ? beta : 1e-4, w.cells);
            GoodhartPoint end = goodhart_point(law, w.p_ref, w.truth, capped, 1e-5 * seen, w.cells);
            printf("seed %d, cap %.3f: peak at KL %.3f with truth %.3f; at most KL %.3f, truth %.3f\n", (int)s, cap,
                   peak.kl, peak.truth, most, end.truth);
        }
    }
    puts("solved: a capped proxy cannot be pushed further than -log P(proxy >= cap)");
    return 0;
}
