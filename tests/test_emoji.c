// test_emoji.c: the emoji file against its source, prompts, rows, the reader and the warmth reward.  Hostile files:
// test_images_hostile.c.
#include "../toy/world/emoji_world.h"
#include "harness.h"

enum { SEED = 5, STREAM = 40, STREAM_NOISE };

// ---- the data ----------------------------------------------------------------------------------------------------

// Mean red, green and blue of nine icons, computed with numpy from the 64x64 sheet laid over white.  The palette moves
// a mean by a few units of 255.
static void test_source(const Emoji *e) {
    static const struct {
        const char *prompt;
        int image;
        double mean[3];
    } want[] = {{"nature mammal monkey face", 0, {231.18, 205.59, 178.70}},
                {"nature amphibian frog face", 88, {209.82, 213.85, 117.97}},
                {"nature flower sunflower", 138, {233.73, 210.55, 164.14}},
                {"food fruit grapes", 159, {203.41, 179.96, 209.61}},
                {"food fruit red apple", 168, {238.74, 145.84, 118.10}},
                {"food asian sushi", 241, {248.15, 182.76, 170.74}},
                {"travel place night stars", 342, {81.75, 113.24, 141.04}},
                {"travel ground octagonal sign", 404, {245.78, 118.82, 109.84}},
                {"travel sky ocean wave", 507, {187.81, 216.99, 231.99}}};
    const char *bad;
    size_t k;
    int i, j;
    for (k = 0; k < sizeof want / sizeof want[0]; k++) {
        int c = tokens_find(&bad, &e->tokens, want[k].prompt);
        CHECK(c == want[k].image, "'%s' is picture %d, want %d", want[k].prompt, c, want[k].image);
        for (j = 0; j < 3 && c >= 0 && c < e->n; j++) {
            double mean = 0;
            for (i = 0; i < EMOJI_PIXELS; i++) {
                mean += ((double)e->x[(size_t)c * EMOJI_NUMBERS + (size_t)(3 * i + j)] + 1) * 127.5 / EMOJI_PIXELS;
            }
            NEAR(mean, want[k].mean[j], 0, 13); // the largest is 12.6: red of the grapes, blue of the sign
        }
    }
}

static void test_data(const Emoji *e) {
    static const int want[3] = {159, 131, 218}; // from the package: animals and nature, food and drink, travel
    int count[3] = {0, 0, 0}, used[EMOJI_COLOURS] = {0}, bad = 0, unused = 0, i, j, k;
    double sum = 0;
    CHECK(e->n == 508 && e->categories == 3 && e->kinds == 26, "%d pictures, %d categories, %d kinds", e->n,
          e->categories, e->kinds);
    for (i = 0; i < e->n; i++) {
        count[e->category[i]]++;
        bad += e->kind[i] < 0 || e->kind[i] >= e->kinds;
    }
    for (k = 0; k < 3; k++) {
        CHECK(count[k] == want[k], "category %d has %d pictures, want %d", k, count[k], want[k]);
    }
    for (i = 0; i < e->n * EMOJI_PIXELS; i++) { // every pixel is one of 32 colours
        for (k = 0; k < EMOJI_COLOURS; k++) {
            int same = 0;
            for (j = 0; j < 3; j++) {
                same += e->x[3 * i + j] == (real)(e->colour[k][j] / 127.5 - 1.0);
            }
            if (same == 3) {
                break;
            }
        }
        bad += k == EMOJI_COLOURS;
        used[k < EMOJI_COLOURS ? k : 0]++;
    }
    for (k = 0; k < EMOJI_COLOURS; k++) {
        unused += used[k] == 0;
    }
    CHECK(bad == 0 && unused == 0, "%d numbers outside, %d colours unused", bad, unused);
    CHECK(used[0] == 56448 && e->x[0] == 1, "%d white pixels", used[0]); // grep -v '[# ]' FILE | tr -cd . | wc -c
    for (i = 0; i < e->n * EMOJI_NUMBERS; i++) {
        sum += ((double)e->x[i] + 1) * 127.5;
    }
    NEAR(sum / (e->n * EMOJI_NUMBERS), 206.723461, 1e-7, 0); // numpy, from the text
}

// ---- prompts -----------------------------------------------------------------------------------------------------

static void test_prompts(const Emoji *e) {
    const Tokens *v = &e->tokens;
    const char *bad;
    char text[200];
    int c, wrong = 0, k, apple = 168;
    CHECK(v->prompts == 508 + 3 + 26 && v->words == 565 && v->length == EMOJI_LENGTH, "%d prompts, %d words",
          v->prompts, v->words);
    for (c = 0; c < v->prompts; c++) { // every prompt is one of a kind, and its text finds it
        wrong += tokens_find(&bad, v, tokens_text(text, sizeof text, v, c)) != c;
    }
    CHECK(wrong == 0, "%d prompts are not found by their own words", wrong);
    CHECK(tokens_find(&bad, v, "apple red fruit food") == apple, "the order of the words");
    CHECK(tokens_find(&bad, v, "food") == emoji_prompt_category(e, apple), "the category");
    CHECK(tokens_find(&bad, v, "food fruit") == emoji_prompt_kind(e, apple), "the kind");
    CHECK(strcmp(tokens_text(text, sizeof text, v, 508), "nature") == 0, "%s", text);
    CHECK(strcmp(tokens_text(text, sizeof text, v, 536), "travel sky") == 0, "%s", text);
    k = tokens_find(&bad, v, "food fruit green apple");
    CHECK(emoji_answers(e, apple, apple) && !emoji_answers(e, k, apple), "an apple for another apple");
    CHECK(emoji_answers(e, k, emoji_prompt_kind(e, apple)) && emoji_answers(e, k, emoji_prompt_category(e, apple)) &&
              emoji_answers(e, k, -1),
          "a green apple is a fruit, is food, and answers no prompt");
    CHECK(!emoji_answers(e, 0, emoji_prompt_kind(e, apple)) && !emoji_answers(e, 0, emoji_prompt_category(e, apple)) &&
              !emoji_answers(e, -1, -1),
          "a monkey is no fruit, no food; nothing answers nothing");
}

// ---- rows --------------------------------------------------------------------------------------------------------

// What the moved picture must be, pixel by pixel, by another route: padded with a frame of white, then cut out.
static int moved_right(const real *y, const real *x, int flip, int dx, int dy) {
    real frame[EMOJI_SIDE + 2][EMOJI_SIDE + 2][3];
    int i, j, k, wrong = 0;
    for (j = 0; j < EMOJI_SIDE + 2; j++) {
        for (i = 0; i < EMOJI_SIDE + 2; i++) {
            int inside = i >= 1 && i <= EMOJI_SIDE && j >= 1 && j <= EMOJI_SIDE, at = flip ? EMOJI_SIDE - i : i - 1;
            for (k = 0; k < 3; k++) {
                frame[j][i][k] = inside ? x[((j - 1) * EMOJI_SIDE + at) * 3 + k] : (real)1;
            }
        }
    }
    for (j = 0; j < EMOJI_SIDE; j++) {
        for (i = 0; i < EMOJI_SIDE; i++) {
            for (k = 0; k < 3; k++) {
                wrong += y[(j * EMOJI_SIDE + i) * 3 + k] != frame[j + 1 - dy][i + 1 - dx][k];
            }
        }
    }
    return wrong == 0;
}

static void test_rows(const Emoji *e) {
    enum { N = 6000 };
    size_t bytes = N * (size_t)EMOJI_NUMBERS * sizeof(real);
    real *x = NEW(real, N * (size_t)EMOJI_NUMBERS), *again = NEW(real, N * (size_t)EMOJI_NUMBERS);
    int *c = NEW(int, N), *c2 = NEW(int, N), i, k, wrong = 0, flip, dx, dy, flips = 0, shifts[9] = {0};
    double categories = 0, kinds = 0, nature = 0, broad_nature = 0;
    EmojiRows rows = emoji_rows(e);
    Warmth truth = warmth_new(e, 1);
    World w = emoji_world(&rows, &truth);
    CHECK(w.dim == 768 && w.prompts == 537 && w.stream == 3000 && strcmp(w.name, "emoji") == 0, "%s", w.name);
    w.draw(&w, x, c, N, SEED, STREAM, 0);
    for (i = 0; i < N; i++) {
        k = emoji_draw(again, &c2[0], &rows, SEED, STREAM, (uint64_t)i);
        wrong += c2[0] != c[i] || !emoji_answers(e, k, c[i]);
        wrong +=
            memcmp(x + (size_t)i * EMOJI_NUMBERS, e->x + (size_t)k * EMOJI_NUMBERS, EMOJI_NUMBERS * sizeof(real)) != 0;
        categories += c[i] >= e->n && c[i] < e->n + e->categories;
        kinds += c[i] >= e->n + e->categories;
        nature += e->category[k] == 0;
        broad_nature += e->category[k] == 0 && c[i] >= e->n;
    }
    CHECK(wrong == 0, "%d rows are not the picture of their prompt", wrong);
    AGREES(categories / N, sqrt(0.15 * 0.85 / N), 0.15);
    AGREES(kinds / N, sqrt(0.15 * 0.85 / N), 0.15);
    // broad prompts are as likely for every picture
    AGREES(broad_nature / (categories + kinds), sqrt(159.0 / 508 * 349 / 508 / (0.3 * N)), 159.0 / 508);
    AGREES(nature / N, sqrt(159.0 / 508 * 349 / 508 / N), 159.0 / 508);
    w.draw(&w, again, c2, 100, SEED, STREAM, 0);
    w.draw(&w, again + (size_t)100 * EMOJI_NUMBERS, c2 + 100, N - 100, SEED, STREAM, 100);
    CHECK(memcmp(x, again, bytes) == 0 && memcmp(c, c2, N * sizeof(int)) == 0, "two pieces differ from one batch");
    w.draw(&w, again, c2, N, SEED + 1, STREAM, 0);
    CHECK(memcmp(c, c2, N * sizeof(int)) != 0, "the seed has no effect");
    w.draw(&w, again, c2, N, SEED, STREAM + 1, 0);
    CHECK(memcmp(c, c2, N * sizeof(int)) != 0, "the stream has no effect");
    rows.flip = rows.shift = 1;
    for (i = 0; i < N; i++) { // which of the 18 moves was it?  Same picture and prompt as without moves
        int found = 0, prompt;
        k = emoji_draw(again, &prompt, &rows, SEED, STREAM, (uint64_t)i);
        wrong += prompt != c[i] ||
                 memcmp(x + (size_t)i * EMOJI_NUMBERS, e->x + (size_t)k * EMOJI_NUMBERS, 768 * sizeof(real));
        for (flip = 0; flip < 2 && !found && i < 1500; flip++) {
            for (dy = -1; dy <= 1 && !found; dy++) {
                for (dx = -1; dx <= 1 && !found; dx++) {
                    found = moved_right(again, e->x + (size_t)k * EMOJI_NUMBERS, flip, dx, dy);
                    shifts[(dy + 1) * 3 + dx + 1] += found;
                    flips += found && flip;
                }
            }
        }
        wrong += !found && i < 1500;
    }
    CHECK(wrong == 0, "%d rows are no moved pictures", wrong);
    CHECK(flips > 600 && flips < 800, "%d of 1500 rows were mirrored", flips); // symmetric icons count as not mirrored
    for (k = 0; k < 9; k++) {
        AGREES(shifts[k] / 1500.0, sqrt(8.0 / 81 / 1500), 1.0 / 9);
    }
    free(x);
    free(again);
    free(c);
    free(c2);
}

// ---- the reader --------------------------------------------------------------------------------------------------

static void test_reader(const Emoji *e) {
    EmojiRows rows = emoji_rows(e);
    enum { N = 508 };
    real *x = NEW(real, N * (size_t)EMOJI_NUMBERS), *z = NEW(real, N * (size_t)EMOJI_NUMBERS);
    int image[N], c[N], i, wrong = 0;
    double distance[N], far, mean = 0;
    size_t j;
    emoji_read(image, distance, &rows, e->x, N);
    for (i = 0; i < N; i++) { // no two pictures are the same
        c[i] = i;
        wrong += image[i] != i || distance[i] != 0;
    }
    CHECK(wrong == 0 && emoji_share_right(e, image, c, N) == 1, "%d pictures are not read as themselves", wrong);
    // Noise of 0.3 a number: the two nearest pictures (snowmen, with and without snow) differ by 0.0747 sqrt(768) =
    // 2.07, so that even they are mixed up only beyond 2.07 / 2 / 0.3 = 3.5 standard deviations.
    rng_fill_normal(z, N * (size_t)EMOJI_NUMBERS, SEED, STREAM_NOISE, 0);
    for (j = 0; j < N * (size_t)EMOJI_NUMBERS; j++) {
        x[j] = e->x[j] + (real)0.3 * z[j];
    }
    emoji_read(image, distance, &rows, x, N);
    for (i = 0; i < N; i++) {
        mean += distance[i] / N;
    }
    NEAR(mean, 0.3, 0.005, 0);
    CHECK(emoji_share_right(e, image, c, N) == 1, "%g read through noise", emoji_share_right(e, image, c, N));
    c[0] = 1;
    c[1] = emoji_prompt_kind(e, 2);
    c[2] = emoji_prompt_category(e, 400);
    NEAR(emoji_share_right(e, image, c, 4), 0.5, 0, 0);
    for (j = 0; j < EMOJI_NUMBERS; j++) { // between two pictures, nearer to the second
        x[j] = (real)(0.4 * (double)e->x[5 * EMOJI_NUMBERS + j] + 0.6 * (double)e->x[300 * EMOJI_NUMBERS + j]);
    }
    i = emoji_nearest(&far, &rows, x);
    CHECK(i == 300 && far > 0.1, "picture %d at %g", i, far);
    x[700] = (real)(HUGE_VAL - HUGE_VAL);
    i = emoji_nearest(&far, &rows, x);
    CHECK(i == -1 && far == HUGE_VAL, "NaN is picture %d at %g", i, far);
    x[700] = (real)HUGE_VAL;
    i = emoji_nearest(&far, &rows, x);
    CHECK(i == -1 && far == HUGE_VAL, "infinity is picture %d at %g", i, far);
    rows.flip = rows.shift = 1; // the same pictures, moved: a reader that knows no moves would be wrong
    for (i = 0; i < 40; i++) {
        image[i] = emoji_draw(x + i * EMOJI_NUMBERS, &c[i], &rows, SEED, STREAM, (uint64_t)i);
        c[i] = image[i];
    }
    emoji_read(image, distance, &rows, x, 40);
    for (i = 0; i < 40; i++) {
        wrong += distance[i] != 0;
    }
    CHECK(wrong == 0 && emoji_share_right(e, image, c, 40) == 1, "%d moved pictures are not found", wrong);
    rows.flip = rows.shift = 0;
    emoji_read(image, distance, &rows, x, 40);
    CHECK(emoji_share_right(e, image, c, 40) < 0.95, "%g without moves", emoji_share_right(e, image, c, 40));
    free(x);
    free(z);
}

// ---- the reward --------------------------------------------------------------------------------------------------

static double warmth_of(void *user) {
    void **p = (void **)user;
    return warmth_reward((const Warmth *)p[0], (const real *)p[1]);
}

static void test_warmth(const Emoji *e) {
    EmojiRows rows = emoji_rows(e);
    Warmth w = warmth_new(e, 2);
    World world = emoji_world(&rows, &w);
    double *r = NEW(double, (size_t)e->n), mean = 0, square = 0;
    real x[EMOJI_NUMBERS], g[EMOJI_NUMBERS];
    int i, warm = 0, cold = 0;
    const char *bad;
    void *user[2];
    NEAR(w.mean, 0.0958767562, 1e-5, 0); // numpy, from the text
    NEAR(w.deviation, 0.155872877, 1e-5, 0);
    world.reward(&world, r, e->x, NULL, (size_t)e->n);
    for (i = 0; i < e->n; i++) {
        mean += r[i] / e->n;
        square += r[i] * r[i] / e->n;
        warm = r[i] > r[warm] ? i : warm;
        cold = r[i] < r[cold] ? i : cold;
    }
    NEAR(mean, 0, 0, 1e-6);
    NEAR(square, 4, 1e-6, 0);
    CHECK(warm == 404, "the warmest is %d, not the stop sign", warm);
    CHECK(cold == tokens_find(&bad, &e->tokens, "travel map earth globe asia australia") ||
              cold == tokens_find(&bad, &e->tokens, "travel map silhouette japan"),
          "the coldest is %d", cold);
    for (i = 0; i < EMOJI_NUMBERS; i++) {
        x[i] = (real)(i % 3 == 0 ? 0.5 : i % 3 == 1 ? 0.9 : -0.7);
    }
    x[0] = 3; // outside: seen as 1, and without slope
    NEAR(warmth_raw(x), (1.2 * 255 + 1.7) / 512, 1e-6, 0);
    warmth_grad(g, &w, x);
    CHECK(g[0] == 0 && g[3] > 0 && g[4] == 0 && g[5] == -g[3], "slopes %g %g %g", (double)g[3], (double)g[4],
          (double)g[5]);
    user[0] = &w;
    user[1] = x;
    CHECK(sizeof(real) == 4 || gradient_ok(warmth_of, user, x, g, EMOJI_NUMBERS, 1e-5), "the gradient of warmth");
    free(r);
}

int main(void) {
    Emoji e = emoji_load(EMOJI_PATH);
    test_source(&e);
    test_data(&e);
    test_prompts(&e);
    test_rows(&e);
    test_reader(&e);
    test_warmth(&e);
    emoji_free(&e);
    CHECK(e.x == NULL && e.n == 0, "freed");
    return report("test_emoji");
}
