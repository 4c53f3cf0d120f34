// unet_layer_by_layer.c: one noisy image through every operation of a trained UNet, forward and backward.
//
// It shows what a convolution, a group norm, a residual block, attention and a skip connection do to 768 numbers, each
// checked by hand; where a prompt enters; which layer gets how much gradient; where the numbers live; why 16
// multiplications can do the work of 36.  It does not train: that is build/train_images.
// One program, below a second:   cc -std=c99 -O2 notebooks-c/unet_layer_by_layer.c -lm -o lab && ./lab
// As a page with its pictures:   build/nb notebooks-c/unet_layer_by_layer.c

// %% [markdown]
// # A UNet, layer by layer
//
// A denoiser gets a noisy image, the noise level and a prompt, and says which noise it sees. For points in the plane a
// few matrices can do that. For images the usual network is a UNet: convolutions at several resolutions, down and up
// again. It looks like a large machine. It is a list of operations of a few kinds, and each can be done by hand.
//
// Here *one* image walks through a trained net. At each kind of operation we stop, compute a number ourselves, and
// compare. Write your **predictions** down before you look. Lines marked `KNOB` are there to be changed.

// %%
#include "../ref/formula/forward.h"
#include "../toy/model/glyph_unet.h"
#include "../toy/model/unet_hand.h"
#include "../toy/model/unet_pictures.h"
#include "cell.h"

#define WEIGHTS "data/glyphs16_unet.safetensors"
#define MADE_BY "make train_images && build/train_images --world glyphs --weights " WEIGHTS
enum { SIDE = 16, COLOURS = 3, DIM = SIDE * SIDE * COLOURS, LEVELS = 6, SEED = 1, STREAM_IMAGE = 1, STREAM_NOISE };
enum { LEVEL = 7 }; // KNOB: noise level; 0 is the least

// KNOB: what the image shows, and two other prompts for the same noisy image: one word changed, all words changed.
static const char *const said[3] = {"large yellow cross left", "large blue cross left", "small purple ring right"};

static GlyphUnet g;

static double rms(const real *a, const real *b) { // of a - b, two images
    return sqrt(loss_simple(NULL, a, b, 1.0 / DIM, DIM));
}

// %% [markdown]
// ## 1. An image and its noise
//
// The image is drawn by code. It becomes $x = \alpha x_0 + \sigma \epsilon$ with a noise $\epsilon$ that we know, as
// no sampler does. So at the end we can say how good the answer is.

// %%
int main(void) {
    static real x0[DIM], noise[DIM], x[DIM], eps[DIM], d[DIM];
    glyph_unet_open(&g, WEIGHTS, MADE_BY);
    Net *net = &g.net;
    const UnetPlan *plan = ((const Unet *)net->self)->plan;
    int c[3] = {glyph_unet_prompt(&g, said[0]), glyph_unet_prompt(&g, said[1]), glyph_unet_prompt(&g, said[2])}, zeros;
    double abar = schedule_abar(&g.schedule, LEVEL), alpha = alpha_of(abar), sigma = sigma_of(abar);
    glyph_sample(x0, g.format, c[0], SEED, STREAM_IMAGE, 0);
    rng_fill_normal(noise, DIM, SEED, STREAM_NOISE, 0);
    forward_noise(x, x0, noise, abar, DIM);
    printf("%s\ntrained for %d steps\n", g.text, (int)g.step);
    printf("prompt %d of %d: %s\nnoise level %d of %d: alpha %.3f, sigma %.3f\n", c[0], g.words.prompts, said[0], LEVEL,
           g.schedule.T, alpha, sigma);

    // %% [markdown]
    // ## 2. The list
    //
    // The topology is written once, as a list; forward runs it from the top, backward from the bottom. One line is one
    // operation: what it does, shapes (rows x columns x channels), its parameters and their place in the one flat
    // vector, and the work. A `w` marks convolutions done by Winograd's method (part 12), `/2` a step of two pixels.

    // %%
    unet_print(stdout, net);

    // %% [markdown]
    // The list runs as usual, but the output of every operation is copied before another one takes its place:

    // %% [show] toy/model/unet_trace.h unet_trace

    // %%
    UnetTrace a = unet_trace(net, x, LEVEL, c[0], -1);
    draw_u(cell_picture("png", "maps of the layers, arranged as a U"), &a, x);

    // %% [markdown]
    // Every tile is one channel, at most sixteen of a layer: grey is zero, black negative, white positive. On the way
    // down (left) the maps become smaller and more, on the way up (right) larger again. How does one become the next?
    //
    // ## 3. A convolution: 27 numbers and a kernel
    //
    // An output number of a 3x3 convolution is the sum over nine pixels and all their channels, times a kernel:
    //
    // $$ y_{v,u,o} = b_o + \sum_{i,j \in \{-1,0,1\}} \sum_k x_{v+i,u+j,k} \, w_{i,j,k,o} $$
    //
    // A border of zeros is laid around the image first, so that pixels at the edge have nine neighbours too.
    //
    // **Predict.** At the top left pixel: how many of the 27 numbers belong to the border?

    // %% [show] toy/model/unet_hand.h conv_by_hand

    // %%
    int pad = unet_find(plan, "in.pad"), conv = unet_find(plan, "in.conv"), width = plan->shape.width;
    const real *kernel = net->p + plan->op[conv].w;
    for (int k = 0; k < 2; k++) {
        int v = k == 0 ? 9 : 0, u = k == 0 ? 4 : 0; // KNOB: the pixel
        printf("pixel (%d, %d): (red green blue) x (the weights of channel 0)\n", v, u);
        for (int i = 0; i < 9; i++) {
            const real *pixel = trace_pixel(&a, pad, v + i / 3 - 1, u + i % 3 - 1), *w = kernel + i * COLOURS * width;
            printf(" (%5.2f %5.2f %5.2f) x (%5.2f %5.2f %5.2f)%s", pixel[0], pixel[1], pixel[2], w[0], w[width],
                   w[2 * width], i % 3 == 2 ? "\n" : "");
        }
        real sum = conv_by_hand(&zeros, &a, pad, &plan->op[conv], net->p, v, u, 0), y = trace_pixel(&a, conv, v, u)[0];
        printf("%d zeros; bias + 27 products %.6f, the network says %.6f, equal to the bit: %s\n\n", zeros, sum, y,
               sum == y ? "yes" : "no");
    }
    draw_kernels(cell_picture("png", "kernels as small colour pictures, and the maps they make"), &a, net->p, conv);

    // %% [markdown]
    // A kernel of one colour averages, and its map is a smooth picture of that colour. A kernel with a light and a dark
    // side answers at edges.
    //
    // ## 4. Group norm and SiLU
    //
    // The channels are cut into groups. In each group of one image the numbers are shifted and scaled to mean 0 and
    // deviation 1; then every channel has a gain and a shift of its own. Then comes
    // $\mathrm{SiLU}(z) = z / (1 + e^{-z})$, which keeps large numbers and bends small ones, so that many layers are
    // more than one. The border of zeros for the next convolution is written in the same sweep.

    // %% [show] toy/model/unet_hand.h norm_by_hand

    // %%
    int norm = unet_find(plan, "down0.0.norm1"), groups = plan->shape.groups;
    printf("group     mean  deviation   1/deviation: by hand, the network\n");
    for (int k = 0; k < groups; k++) {
        double mean, wide;
        norm_by_hand(&mean, &wide, &a, conv, k, groups);
        printf("%5d %8.4f %10.4f %21.4f %12.4f\n", k, mean, wide, 1 / sqrt(wide * wide + GROUPNORM_EPS),
               a.side[norm][groups + k]);
    }
    double y = trace_pixel(&a, conv, 9, 4)[0], h = (y - a.side[norm][0]) * a.side[norm][groups];
    double z = net->p[plan->op[norm].w] * h + net->p[plan->op[norm].b];
    printf("\npixel (9, 4), channel 0: %.4f, scaled %.4f, with gain and shift %.4f, SiLU %.4f, the network %.4f\n", y,
           h, z, z * e_sigmoid(z), trace_pixel(&a, norm, 9, 4)[0]);

    // %% [markdown]
    // **Predict.** One pixel of the input is changed. A 3x3 convolution carries the news one pixel far. After which
    // operation have all pixels heard of it?

    // %%
    static const char *const heard[6] = {"in.conv",       "down0.0.norm1",    "down0.0.conv2",
                                         "down1.0.conv2", "mid.attn.project", "out.conv"};
    memcpy(d, x, sizeof d);
    d[(9 * SIDE + 4) * COLOURS] += (real)1;
    UnetTrace b = unet_trace(net, d, LEVEL, c[0], -1);
    printf("after             pixels   changed   by more than a tenth of the largest change\n");
    for (int k = 0; k < 6; k++) {
        int i = unet_find(plan, heard[k]), pixels = unet_out(plan, i)->H * unet_out(plan, i)->W;
        printf("%-17s %6d %9d %9d\n", heard[k], pixels, trace_heard(&a, &b, i, 0), trace_heard(&a, &b, i, 0.1));
    }
    unet_trace_free(&b);

    // %% [markdown]
    // After the first norm: its mean and deviation belong to the whole image, so one pixel moves all others a little.
    // Larger news needs convolutions, and travels far where the image is small. The last row: how local is the answer?
    //
    // ## 5. A residual block
    //
    // A block computes a *correction* and adds it to what came in: $y = x + \mathrm{conv}(\mathrm{SiLU}(\ldots))$. The
    // first of its two convolutions also adds a vector, the same for all pixels, made from the noise level and the
    // prompt. That is the only way in for both. Where channels change, $x$ goes through a 1x1 convolution.

    // %%
    printf("block           rms of x   of the correction      of y   of the vector of level and prompt\n");
    for (int i = 0; i < plan->ops; i++) {
        if (strstr(plan->op[i].name, ".conv2") != NULL) {
            double r[4];
            block_by_hand(r, &a, i);
            printf("%-15s %8.3f %19.3f %9.3f %35.3f\n", plan->op[i].name, r[0], r[1], r[2], r[3]);
        }
    }

    // %% [markdown]
    // ## 6. Halving, and attention
    //
    // `halve` is a 3x3 convolution that moves by two pixels: a quarter of the pixels are left. At the bottom one
    // operation lets every pixel look at every other one. A 1x1 convolution makes three vectors of each pixel: a query,
    // a key, a value. Pixel $i$ receives the mean of all values with the weights below. In the picture each small
    // square belongs to its framed pixel, and white is where that one looks. Is it where the glyph is?
    //
    // $$ A_{ij} = \frac{e^{q_i \cdot k_j / \sqrt{C}}}{\sum_l e^{q_i \cdot k_l / \sqrt{C}}} $$

    // %%
    int attend = unet_find(plan, "mid.attn.attend"), T = unet_out(plan, attend)->H * unet_out(plan, attend)->W;
    static double look[DIM];
    attention_by_hand(look, &a, unet_find(plan, "mid.attn.qkv"), 0);
    printf("where the top left pixel looks: by hand (the network)\n");
    for (int j = 0; j < T; j++) {
        printf("  %.4f (%.4f)%s", look[j], a.side[attend][j], (j + 1) % unet_out(plan, attend)->W == 0 ? "\n" : "");
    }
    printf("on average a pixel looks at %.1f of %d (e to the entropy)\n", attention_spread(&a, attend), T);
    draw_attention(cell_picture("png", "one grey picture for each pixel: where it looks"), &a, attend);

    // %% [markdown]
    // ## 7. The way up, and what a skip connection carries
    //
    // On the way up each pixel is copied to four (`double`), and a convolution smooths the blocks. What halving threw
    // away cannot come back from there. So each level gets its own maps of the way down once more, beside the others
    // (`concat`). What if one level gets zeros in their place? Look at the denoised image $\hat x_0$.
    //
    // **Predict.** Which cut hurts most?

    // %%
    static real shown[6 * DIM];
    const char *caption[6] = {"true", "noisy", "denoised", "no skip 4x4", "no skip 8x8", "no skip 16x16"};
    int last = plan->ops - 1;
    memcpy(shown, x0, sizeof x0);
    memcpy(shown + DIM, x, sizeof x);
    for (int i = -1, n = 2; i < plan->ops && n < 6; i++) {
        if (i < 0 || plan->op[i].kind == UNET_CONCAT) {
            b = unet_trace(net, x, LEVEL, c[0], i);
            combine(shown + n * DIM, alpha, x, -sigma, b.out[last], DIM); // alpha x - sigma F, see part 8
            printf("%-14s rms error of the denoised image %.3f\n", caption[n], rms(shown + n * DIM, x0));
            unet_trace_free(&b);
            n++;
        }
    }
    draw_images(cell_picture("png", "true, noisy, denoised, each skip cut"), shown, caption, 1, 6, SIDE, COLOURS, 7);

    // %% [markdown]
    // The finest skip carries the pattern of the noise, which the answer has to name: no smaller map holds it whole.
    //
    // ## 8. Out: from F to the noise and to the image
    //
    // The last convolution gives $F$, three numbers a pixel. From it follow the noise and the image:
    //
    // $$ \hat\epsilon = \sigma x + \alpha F, \quad \hat x_0 = (x - \sigma \hat\epsilon)/\alpha = \alpha x - \sigma F $$
    //
    // The last step uses $\alpha^2 + \sigma^2 = 1$. With $F = 0$, where training begins, this is the exact denoiser of
    // data from $N(0, I)$, and nothing is divided by an $\alpha$ that may be small.

    // %%
    real level = LEVEL;
    int same = 1;
    net->forward(net, eps, x, &level, c, 1);
    for (int j = 0; j < DIM; j++) {
        real mine = (real)sigma * x[j] + (real)alpha * a.out[last][j];
        same = same && mine == eps[j];
        d[j] = (real)sigma * x[j];
    }
    printf("sigma x + alpha F is what net.forward says, to the bit: %s\n", same ? "yes" : "no");
    printf("rms error of the noise: with F %.3f, with F = 0 %.3f\n", rms(eps, noise), rms(d, noise));

    // %% [markdown]
    // ## 9. What the prompt changes
    //
    // The same noisy image, three prompts. Below: how far the outputs of each operation lie apart, relative to their
    // size. Then the denoised image at other noise levels, one row a prompt.
    //
    // **Predict.** At which noise levels does the prompt decide what is seen?

    // %%
    static double apart[2 * UNET_MAX_OPS];
    for (int k = 0; k < 2; k++) {
        b = unet_trace(net, x, LEVEL, c[k + 1], -1);
        for (int i = 0; i < plan->ops; i++) {
            apart[k * plan->ops + i] = unet_out(plan, i)->H > 1 ? trace_rms(&a, &b, i) / trace_rms(&a, NULL, i) : -1;
        }
        unet_trace_free(&b);
    }
    draw_layers(cell_picture("svg", "relative difference of the outputs of each operation, for two pairs of prompts"),
                plan, "Two prompts on their way", "rms of the difference / rms", apart, said + 1, 2, 0);
    static real many[3 * LEVELS * DIM], answer[3 * LEVELS * DIM], when[3 * LEVELS];
    int asked[3 * LEVELS];
    char name[LEVELS][24];
    for (int r = 0; r < 3 * LEVELS; r++) {
        int at = r % LEVELS * (g.schedule.T - 1) / (LEVELS - 1);
        forward_noise(many + r * DIM, x0, noise, schedule_abar(&g.schedule, at), DIM);
        when[r] = (real)at;
        asked[r] = c[r / LEVELS];
        snprintf(name[r % LEVELS], sizeof name[0], "level %d", at);
        caption[r % LEVELS] = name[r % LEVELS];
    }
    glyph_unet_denoise(answer, &g, many, when, asked, 3 * LEVELS);
    printf("noise level   how far the other two prompts move the denoised image (rms)\n");
    for (int r = 0; r < LEVELS; r++) {
        const real *one = answer + r * DIM;
        printf("%11.0f   %.3f  %.3f\n", when[r], rms(one, one + LEVELS * DIM), rms(one, one + 2 * LEVELS * DIM));
    }
    draw_images(cell_picture("png", "denoised images: a row for each of three prompts, a column for each noise level"),
                answer, caption, 3, LEVELS, SIDE, COLOURS, 6);

    // %% [markdown]
    // Nothing differs before the first block adds its vector. With little noise the image says what it shows. With much
    // noise it says nothing, and the best answer is the mean of all images with that prompt: sharp where the words
    // decide, blurred where they leave something open. A sampler walks from right to left: first words, then details.
    //
    // ## 10. Backward
    //
    // The loss is the mean of $(\hat\epsilon - \epsilon)^2$. It hands back $\partial L / \partial \hat\epsilon$ and
    // knows no network. The list then runs from the bottom to the top, and every operation adds to the gradient of its
    // inputs and of its parameters. The last bias is added to all pixels, so by hand its gradient is the sum over them
    // of $\alpha \, \partial L / \partial \hat\epsilon$. For any other parameter: move it by $\pm h$, look at $L$.

    // %%
    double by_hand = 0;
    net->forward(net, eps, x, &level, c, 1);
    printf("loss %.6f\n", loss_simple(d, eps, noise, 1.0 / DIM, DIM));
    net_zero_grad(net);
    net->backward(net, NULL, d, x, &level, c, 1);
    for (int j = 0; j < SIDE * SIDE; j++) {
        by_hand += alpha * d[j * COLOURS];
    }
    printf("last bias of red: by hand %.6f, the network %.6f\n", by_hand, net->g[plan->op[last].b]);
    for (int i = 0; i < plan->ops; i++) {
        apart[i] = plan->op[i].np > 0 ? unet_grad_length(net, plan, i) : -1;
    }
    draw_layers(cell_picture("svg", "bars: length of the gradient of the parameters of each operation"), plan,
                "Who gets how much gradient", "length of dL/dparameters", apart, said, 1, 1);
    size_t at = plan->op[conv].w, end = plan->op[conv].b;
    for (size_t j = at; j < end; j++) {
        at = fabs(net->g[j]) > fabs(net->g[at]) ? j : at;
    }
    printf("the weight of in.conv with the most gradient: %.7f by the network\n", net->g[at]);
    for (double h = 1; h > 5e-6; h /= 10) {
        printf("  h %.5f  (L(p + h) - L(p - h)) / 2h = %.7f\n", h, slope_by_hand(net, at, h, x, LEVEL, c[0], noise));
    }

    // %% [markdown]
    // A large $h$ sees the curve of the loss, a small one the rounding of a `float`. The tests use `double` instead.
    //
    // ## 11. Where the numbers live
    //
    // Every buffer of the list lives from the operation that writes it to the last one that reads it. Buffers that
    // never live together may share a place. **Predict.** Backward reads what forward left. By which factor does that
    // raise the memory of one image?

    // %%
    size_t most = spans_most(plan->lean_span, plan->bufs, plan->ops);
    size_t most_both = spans_most(plan->span, 2 * plan->bufs, 2 * plan->ops);
    printf("numbers of one image in all buffers: %zu\n", buffers_sum(plan));
    printf("forward alone: at one moment at most %zu, the plan %zu\n", most, plan->lean);
    printf("with backward: at one moment at most %zu, the plan %zu\n", most_both, plan->full);
    draw_arena(cell_picture("png", "buffers as rectangles: time to the right, place upwards"), plan);

    // %% [markdown]
    // The long bars on the left are skips. With backward all numbers wait for their turn, then make room for gradients.
    //
    // ## 12. Winograd: 16 multiplications for 36
    //
    // Four neighbouring outputs of one channel need a 4x4 patch $d$ of the input and 9 weights $w$: 36 products. But
    //
    // $$ y = A^\top \left[ (G w G^\top) \odot (B^\top d B) \right] A $$
    //
    // has only 16, those of $\odot$. The matrices hold $0$, $\pm 1$ and $\frac12$. What surrounds $w$ is done once for
    // all patches, what gives $y$ once for the sum over all input channels.

    // %% [show] toy/model/unet_hand.h winograd_by_hand

    // %%
    int fast = unet_find(plan, "down0.0.conv1"), time = unet_find(plan, "down0.0.time");
    double patch[16], w[9], m[16], four[4];
    for (int j = 0; j < 16; j++) { // input channel 0 around the pixels (8, 4) to (9, 5)
        patch[j] = trace_pixel(&a, norm, 7 + j / 4, 3 + j % 4)[0];
        w[j % 9] = net->p[plan->op[fast].w + (size_t)(j % 9 * width * width)];
    }
    winograd_by_hand(four, m, w, patch);
    for (int j = 0; j < 16; j++) {
        printf("%s%9.5f%s", j == 0 ? "the 16 products of one input channel\n" : "", m[j], j % 4 == 3 ? "\n" : "");
    }
    conv_by_winograd(four, &a, norm, &plan->op[fast], net->p, 8, 4); // the sum over all input channels
    for (int j = 0; j < 4; j++) {
        int v = 8 + j / 2, u = 4 + j % 2;
        printf("pixel (%d, %d): Winograd by hand %.5f, by the definition %.5f, the network %.5f\n", v, u,
               four[j] + net->p[plan->op[fast].b] + a.out[time][0],
               conv_by_hand(&zeros, &a, norm, &plan->op[fast], net->p, v, u, 0) + a.out[time][0],
               trace_pixel(&a, fast, v, u)[0]);
    }

    // %% [markdown]
    // ## 13. Your turn
    //
    // Replace each `NAN` and run. The program computes the answers itself.
    //
    // 1. Over all pixels of `down0.halve`: how many pixels under the kernel belong to the border?
    // 2. One number has $x_0 = 0.5$ and $\epsilon = -1$; $\alpha = 0.8$, $\sigma = 0.6$. Which $F$ is the right answer?
    // 3. The larger Winograd form makes 4x4 outputs from a 6x6 patch. How many times fewer multiplications is that?

    // %%
    double answer_1 = NAN; // EXERCISE 1: pixels
    double answer_2 = NAN; // EXERCISE 2: F
    double answer_3 = NAN; // EXERCISE 3: a factor
    const UnetBuf *halved = unet_out(plan, unet_find(plan, "down0.halve"));
    const double given[3] = {answer_1, answer_2, answer_3};
    const double right[3] = {3 * halved->H + 3 * halved->W - 1, (-1 - 0.6 * (0.8 * 0.5 - 0.6)) / 0.8, 16.0 * 9 / 36};
    static const char *const hint[3] = {"which edges does it touch?", "part 8, solved for F",
                                        "the definition needs 16 x 9"};
    for (int k = 0; k < 3; k++) {
        const char *verdict = isnan(given[k]) ? "open" : fabs(given[k] - right[k]) < 1e-6 ? "right" : "not yet";
        printf("exercise %d: %s (%s)\n", k + 1, verdict, hint[k]);
    }
    unet_trace_free(&a);
    glyph_unet_free(&g);
    return 0;
}
