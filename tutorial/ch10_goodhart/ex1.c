// ex1.c: exercise 1 of chapter 10.  At which temperature does the truth peak?
//
// Run it from the root:   cc -std=c99 -O2 tutorial/ch10_goodhart/ex1.c -lm -o ex1 && ./ex1   (--seed N: your rater)
// A proxy is fitted to 320 choices of a rater and tilted towards.  You know the truth here; find the best beta.
#include "../../ref/show/cli.h"
#include "../../toy/feedback/proxy.h"

enum { CELLS = PROXY_CELLS };

// The beta of the first peak of E[truth] under the tilt of p by the proxy, as eta = 1/beta grows from 0.1 to 200.
// p, truth, proxy: n numbers each.  Allowed: tilt_discrete, table_mean, table_cov.  Not allowed: goodhart_ functions.
static double peak_beta(const double *p, const double *truth, const double *proxy, size_t n) {
    double *law = NEW(double, n);
    double low = 0.1, high = 0.1; // of eta
    // EXERCISE: raise high by factors of 1.2 until the covariance of truth and proxy, under the tilt, is negative; the
    // step before is low; then halve
    tilt_discrete(law, p, proxy, 1 / high, n);
    (void)truth;
    free(law);
    return 2 / (low + high);
}

static int fails(int good, const char *hint) {
    if (!good) {
        printf("not yet: %s\n", hint);
    }
    return !good;
}

int main(int argc, char **argv) {
    static double proxy[CELLS];
    uint64_t seed = 1;
    Option options[] = {OPT_SEED(&seed)};
    cli_parse(argc, argv, "exercise 1 of chapter 10", options, COUNT(options));
    static ProxyWorld w; // static: it lives as long as the program
    w = proxy_world_new(PROXY_SIDE);
    for (uint64_t s = seed; s < seed + 5; s++) {
        Pairs pairs = proxy_ask(&w, 320, 320, NULL, s);
        proxy_fit(proxy, &w, &pairs, 0, s);
        pairs_free(&pairs);
        double beta = peak_beta(w.p_ref, w.truth, proxy, w.cells);
        if (fails(beta >= 1.0 / 200 && beta <= 10, "beta lies between 1/200 and 10")) {
            return 1;
        }
        GoodhartPoint here = goodhart_point(NULL, w.p_ref, w.truth, proxy, beta, w.cells);
        GoodhartPoint hotter = goodhart_point(NULL, w.p_ref, w.truth, proxy, 1.2 * beta, w.cells);
        GoodhartPoint colder = goodhart_point(NULL, w.p_ref, w.truth, proxy, beta / 1.2, w.cells);
        double right = goodhart_peak_beta(w.p_ref, w.truth, proxy, 0.1, 200, 60, w.cells);
        printf("seed %d: beta %.5f, KL %.3f, truth %.4f\n", (int)s, beta, here.kl, here.truth);
        if (fails(here.truth > hotter.truth, "a lower beta still gains truth.  Where: the sign of Cov at your beta is "
                                             "+.  Which formula: d E[truth]/d eta = Cov, so raise eta") ||
            fails(here.truth > colder.truth, "a higher beta has more truth: you went past the peak, Cov is - there") ||
            fails(fabs(beta - right) < 1e-6 * right, "near, but not the root; halve until the bracket is below 1e-9")) {
            return 1;
        }
    }
    puts("solved: five raters, five peaks, each where the covariance changes its sign");
    return 0;
}
