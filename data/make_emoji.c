// make_emoji.c: the program that made data/emoji16.txt.  It reduces 508 Noto emoji (food, animals and nature, travel)
// from 64x64 to 16x16 pixels and to one palette of 32 colours, and gives each a prompt of a few words.
//
//   cc -std=c99 -O2 data/make_emoji.c -o build/make_emoji -lm
//   pngtopam -alphapam 64.png | build/make_emoji emoji.tsv > data/emoji16.txt
//
// In: the sheet of icons as a PAM with alpha on stdin, and a table of places and names.  data/README.md has the two
// commands that make them from the package emoji-datasource-google, and the format of the output.
// Everything is integer arithmetic in a fixed order, so every machine writes the same bytes.
#include "../ref/file/tsv.h"

enum { ICON = 64, CELL = ICON + 2, SIDE = 16, BLOCK = ICON / SIDE, PIXELS = SIDE * SIDE }; // a cell has a frame of 1
enum { COLOURS = 32, MAX_IMAGES = 1000, MAX_SIDE = 20000, ROUNDS = 200 };
static const char symbols[] = ".0123456789abcdefghijklmnopqrstu"; // one for each colour; the first is white

typedef struct {
    unsigned char c[3]; // red, green, blue
} Rgb;

// ---- the sheet -----------------------------------------------------------------------------------------------------

typedef struct {
    int width, height;
    unsigned char *rgba;
} Sheet;

static Sheet read_sheet(FILE *in) {
    Sheet s = {0, 0, NULL};
    char line[100];
    int depth = 0, top = 0, done = 0;
    size_t bytes;
    if (fgets(line, sizeof line, in) == NULL || strcmp(line, "P7\n") != 0) {
        DIE("make_emoji: stdin is no PAM; pipe `pngtopam -alphapam 64.png` into it");
    }
    while (!done && fgets(line, sizeof line, in) != NULL) {
        done = strcmp(line, "ENDHDR\n") == 0;
        sscanf(line, "WIDTH %d", &s.width);
        sscanf(line, "HEIGHT %d", &s.height);
        sscanf(line, "DEPTH %d", &depth);
        sscanf(line, "MAXVAL %d", &top);
    }
    if (!done || s.width < CELL || s.width > MAX_SIDE || s.height < CELL || s.height > MAX_SIDE || depth != 4 ||
        top != 255) {
        DIE("make_emoji: the PAM is %d x %d x %d up to %d; wanted red, green, blue, alpha up to 255", s.width, s.height,
            depth, top);
    }
    bytes = size_mul((size_t)s.width * 4, (size_t)s.height);
    s.rgba = NEW(unsigned char, bytes);
    if (fread(s.rgba, 1, bytes, in) != bytes) {
        DIE("make_emoji: the PAM ends before its %lu bytes of pixels", (unsigned long)bytes);
    }
    return s;
}

// Icon (column, row) of the sheet over white, each 4x4 block averaged; rounded to the nearest whole number.
static void reduce(Rgb out[PIXELS], const Sheet *s, int column, int row) {
    int i, j, k, a, b;
    if (column < 0 || row < 0 || (column + 1) * CELL > s->width || (row + 1) * CELL > s->height) {
        DIE("make_emoji: icon %d, %d is outside the sheet; are table and sheet of one package?", column, row);
    }
    for (j = 0; j < SIDE; j++) {
        for (i = 0; i < SIDE; i++) {
            long sum[3] = {0, 0, 0};
            for (b = 0; b < BLOCK; b++) {
                for (a = 0; a < BLOCK; a++) {
                    size_t x = (size_t)(column * CELL + 1 + i * BLOCK + a);
                    size_t y = (size_t)(row * CELL + 1 + j * BLOCK + b);
                    const unsigned char *p = s->rgba + (y * (size_t)s->width + x) * 4;
                    for (k = 0; k < 3; k++) {
                        sum[k] += (long)p[k] * p[3] + 255L * (255 - p[3]);
                    }
                }
            }
            for (k = 0; k < 3; k++) {
                long whole = 255L * BLOCK * BLOCK;
                out[j * SIDE + i].c[k] = (unsigned char)((sum[k] + whole / 2) / whole);
            }
        }
    }
}

// ---- the palette: k-means from a deterministic start ---------------------------------------------------------------

// Squared difference; green counts most, as it does for the eye.
static long distance2(Rgb a, Rgb b) {
    long r = (long)a.c[0] - b.c[0], g = (long)a.c[1] - b.c[1], u = (long)a.c[2] - b.c[2];
    return 3 * r * r + 4 * g * g + 3 * u * u;
}

static int is_white(Rgb a) {
    return a.c[0] == 255 && a.c[1] == 255 && a.c[2] == 255;
}

static int nearest(Rgb a, const Rgb *palette, int colours) {
    int k, best = 0;
    for (k = 1; k < colours; k++) {
        best = distance2(a, palette[k]) < distance2(a, palette[best]) ? k : best;
    }
    return best;
}

// Vivid pixels are few and carry the meaning of an icon (grapes are purple), so they count up to 5 times.
static long weight(Rgb a) {
    int top = a.c[0] > a.c[1] ? a.c[0] : a.c[1], low = a.c[0] < a.c[1] ? a.c[0] : a.c[1];
    top = top > a.c[2] ? top : a.c[2];
    low = low < a.c[2] ? low : a.c[2];
    return 64 + top - low;
}

// Sorts pixels into the palette and moves every colour but white to the mean of its pixels.  How many moved.
static int refine(Rgb *palette, int colours, long long *error, const Rgb *pixel, size_t n) {
    static long long sum[COLOURS][4];
    int k, j, moved = 0;
    size_t i;
    memset(sum, 0, sizeof sum);
    memset(error, 0, COLOURS * sizeof *error);
    for (i = 0; i < n; i++) {
        k = nearest(pixel[i], palette, colours);
        error[k] += weight(pixel[i]) * distance2(pixel[i], palette[k]);
        for (j = 0; j < 3; j++) {
            sum[k][j] += weight(pixel[i]) * pixel[i].c[j];
        }
        sum[k][3] += weight(pixel[i]);
    }
    for (k = 1; k < colours; k++) {
        Rgb was = palette[k];
        for (j = 0; j < 3 && sum[k][3] > 0; j++) {
            palette[k].c[j] = (unsigned char)((sum[k][j] + sum[k][3] / 2) / sum[k][3]);
        }
        moved += memcmp(&was, &palette[k], sizeof was) != 0;
    }
    return moved;
}

// Starts with white and grey, adds colours one by one: the pixel that is worst served by the colour with the largest
// total error.  After each, the means settle.
static void choose_palette(Rgb palette[COLOURS], const Rgb *pixel, size_t n) {
    long long error[COLOURS];
    int colours = 2, round, k, worst;
    size_t i, at;
    memset(palette, 255, COLOURS * sizeof *palette);
    memset(&palette[1], 128, sizeof *palette);
    for (;;) {
        for (round = 0; round < ROUNDS && refine(palette, colours, error, pixel, n) > 0; round++) {
        }
        if (colours == COLOURS) {
            return;
        }
        for (k = 1, worst = 0; k < colours; k++) {
            worst = error[k] > error[worst] ? k : worst;
        }
        for (i = 0, at = n; i < n; i++) {
            if (nearest(pixel[i], palette, colours) == worst &&
                (at == n || distance2(pixel[i], palette[worst]) > distance2(pixel[at], palette[worst]))) {
                at = i;
            }
        }
        palette[colours++] = pixel[at];
    }
}

// White first, then from light to dark, so that the text shows the picture.
static void sort_palette(Rgb palette[COLOURS]) {
    int i, k;
    for (i = 2; i < COLOURS; i++) {
        for (k = i; k > 1; k--) {
            Rgb a = palette[k - 1], b = palette[k];
            if (2 * a.c[0] + 4 * a.c[1] + a.c[2] >= 2 * b.c[0] + 4 * b.c[1] + b.c[2]) {
                break;
            }
            palette[k - 1] = b;
            palette[k] = a;
        }
    }
}

// ---- the words -----------------------------------------------------------------------------------------------------

typedef struct {
    const char *from, *to;
} Rename;

// Category and subcategory of the package: one word each.
static const Rename groups[] = {
    {"Animals & Nature", "nature"},
    {"Food & Drink", "food"},
    {"Travel & Places", "travel"},
    {"animal-mammal", "mammal"},
    {"animal-bird", "bird"},
    {"animal-amphibian", "amphibian"},
    {"animal-reptile", "reptile"},
    {"animal-marine", "marine"},
    {"animal-bug", "bug"},
    {"plant-flower", "flower"},
    {"plant-other", "plant"},
    {"food-fruit", "fruit"},
    {"food-vegetable", "vegetable"},
    {"food-prepared", "meal"},
    {"food-asian", "asian"},
    {"food-sweet", "dessert"},
    {"drink", "drink"},
    {"dishware", "dishware"},
    {"place-map", "map"},
    {"place-geographic", "outdoor"},
    {"place-building", "building"},
    {"place-religious", "religious"},
    {"place-other", "place"},
    {"transport-ground", "ground"},
    {"transport-water", "naval"},
    {"transport-air", "air"},
    {"hotel", "hotel"},
    {"time", "time"},
    {"sky & weather", "sky"},
};

// Unicode names that do not say what is in the picture.
static const Rename names[] = {
    {"BLACK SUN WITH RAYS", "SUN"},
    {"WHITE MEDIUM STAR", "STAR"},
    {"COOKING", "FRIED EGG"},
    {"HOCHO", "KNIFE"},
    {"EAR OF MAIZE", "CORN"},
    {"AUBERGINE", "EGGPLANT"},
    {"LEAF FLUTTERING IN WIND", "LEAF WIND"},
    {"BACTRIAN CAMEL", "CAMEL"},
    {"FRONT-FACING BABY CHICK", "FRONT BABY CHICK"},
    {"POLICE CARS REVOLVING LIGHT", "POLICE LIGHT"},
    {"SUNSET OVER BUILDINGS", "CITYSCAPE SUNSET"},
    {"WATER WAVE", "OCEAN WAVE"},
    {"BIRD", "BLUE BIRD"}, // "nature bird" asks for any bird
    {"BUG", "CATERPILLAR"},
};

// Words of a name that carry nothing.
static const char *const fillers[] = {"of", "with", "and", "in", "on", "at", "symbol", "design"};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static const char *renamed(const Rename *list, size_t n, const char *from) {
    size_t i;
    for (i = 0; i < n && strcmp(list[i].from, from) != 0; i++) {
    }
    return i < n ? list[i].to : NULL;
}

// The words of a name: runs of letters in lower case, without fillers and without words that the line has already.
static void add_words(Bytes *line, const char *name) {
    while (*name != 0) {
        char word[40], spaced[44];
        size_t n = 0, k;
        int keep = 1;
        for (; *name != 0 && n < sizeof word - 1; name++) {
            int ch = *name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name;
            if (ch < 'a' || ch > 'z') {
                break;
            }
            word[n++] = (char)ch;
        }
        word[n] = 0;
        name += *name != 0;
        for (k = 0; k < COUNT(fillers); k++) {
            keep = keep && strcmp(word, fillers[k]) != 0;
        }
        snprintf(spaced, sizeof spaced, " %s ", word);
        bytes_text(line, " "); // closes the last word for the search
        keep = keep && n > 0 && strstr((const char *)line->data, spaced) == NULL;
        line->n--;
        line->data[line->n] = 0;
        if (keep) {
            bytes_text(line, " %s", word);
        }
    }
}

static void add_prompt(Bytes *out, const char *category, const char *subcategory, const char *name) {
    const char *group = renamed(groups, COUNT(groups), category), *kind = renamed(groups, COUNT(groups), subcategory);
    const char *better = renamed(names, COUNT(names), name);
    Bytes line = {NULL, 0, 0};
    if (group == NULL || kind == NULL) {
        DIE("make_emoji: '%s' / '%s' is no category of this program; is the table made as data/README.md says?",
            category, subcategory);
    }
    bytes_text(&line, " %s %s", group, kind);
    add_words(&line, better != NULL ? better : name);
    bytes_text(out, "%s\n", (const char *)line.data + 1);
    bytes_free(&line);
}

// ---- the file ------------------------------------------------------------------------------------------------------

static void add_head(Bytes *out, size_t images, const Rgb *palette) {
    int k;
    bytes_text(out, "# images %lu\n", (unsigned long)images);
    bytes_text(out,
               "# name Noto Emoji 2.048: nature, food and travel, changed: 16x16 pixels, 32 colours, over white\n");
    bytes_text(out, "# source package emoji-datasource-google 16.0.0, sheet of 64x64 icons; data/README.md\n");
    bytes_text(out,
               "# licence Apache License 2.0, by the authors of Noto Emoji; text in data/LICENSE-noto-emoji.txt\n");
    bytes_text(out, "# first the colours: symbol, red green blue in hexadecimal; then for each picture a line of\n");
    bytes_text(out, "# words (category, subcategory, name) and 16 lines of 16 symbols from the top\n");
    for (k = 0; k < COLOURS; k++) {
        bytes_text(out, "%c %02x%02x%02x\n", symbols[k], palette[k].c[0], palette[k].c[1], palette[k].c[2]);
    }
}

static void add_picture(Bytes *out, const Rgb pixel[PIXELS], const Rgb *palette) {
    int i;
    for (i = 0; i < PIXELS; i++) {
        bytes_byte(out, symbols[nearest(pixel[i], palette, COLOURS)]);
        if (i % SIDE == SIDE - 1) {
            bytes_byte(out, '\n');
        }
    }
}

int main(int argc, char **argv) {
    static const char *const columns[] = {"x", "y", "category", "subcategory", "name", NULL};
    Rgb *pixel, *vivid, palette[COLOURS];
    Bytes out = {NULL, 0, 0};
    size_t i, n = 0;
    Sheet sheet;
    Tsv t;
    if (argc != 2) {
        fprintf(stderr, "make_emoji: usage: pngtopam -alphapam 64.png | make_emoji emoji.tsv > emoji16.txt\n");
        return 2;
    }
    t = tsv_read(argv[1], columns);
    if (t.rows == 0 || t.rows > MAX_IMAGES) {
        DIE("make_emoji: the table has %lu rows; 1..%d are allowed", (unsigned long)t.rows, MAX_IMAGES);
    }
    sheet = read_sheet(stdin);
    pixel = NEW(Rgb, t.rows * PIXELS);
    vivid = NEW(Rgb, t.rows * PIXELS);
    for (i = 0; i < t.rows; i++) {
        reduce(pixel + i * PIXELS, &sheet, (int)tsv_number(&t, i, "x"), (int)tsv_number(&t, i, "y"));
    }
    for (i = 0; i < t.rows * PIXELS; i++) {
        if (!is_white(pixel[i])) {
            vivid[n++] = pixel[i];
        }
    }
    choose_palette(palette, vivid, n);
    sort_palette(palette);
    add_head(&out, t.rows, palette);
    for (i = 0; i < t.rows; i++) {
        add_prompt(&out, tsv_text(&t, i, "category"), tsv_text(&t, i, "subcategory"), tsv_text(&t, i, "name"));
        add_picture(&out, pixel + i * PIXELS, palette);
    }
    printf("# tilt emoji 1\n");
    printf("# fnv1a64 %016llx of every byte after this line\n",
           (unsigned long long)hash_bytes(HASH_START, out.data, out.n));
    if (fwrite(out.data, 1, out.n, stdout) != out.n || fflush(stdout) != 0) {
        DIE("make_emoji: short write; is the disk full?");
    }
    bytes_free(&out);
    free(vivid);
    free(pixel);
    free(sheet.rgba);
    tsv_free(&t);
    return 0;
}
