// test_show.c: what a person sees: colour rules, progress line, terminal pictures, palettes, SVG figures, HTML pages.
#include "../ref/show/page.h"
#include "../ref/show/progress.h"
#include "../ref/show/term.h"
#include "child.h"

// ---- children --------------------------------------------------------------------------------------------------

// A loop with a progress line; its stderr is a file.
static int quiet(void) {
    Progress p = progress_start("train", "loss", 100000);
    volatile double sum = 0;
    int i, k;
    for (i = 0; i < 100000; i++) {
        for (k = 0; k < 300; k++) {
            sum += k;
        }
        progress_step(&p, i + 1, sum);
    }
    progress_end(&p);
    puts("done");
    return 0;
}

// A picture of two pixels; frames 0..2 of an animation.
static int picture(int option) {
    Term t = term_open(stdout, option);
    Image m = image_new(2, 2, 3);
    char line[20];
    int i;
    image_set(&m, 1, 0, rgb(255, 255, 255));
    image_set(&m, 1, 1, rgb(255, 255, 255));
    term_image(&t, &m);
    for (i = 0; i < 3; i++) {
        if (term_frame(&t, i == 2)) {
            snprintf(line, sizeof line, "frame %d", i);
            term_line(&t, line);
        }
    }
    image_free(&m);
    return 0;
}

// A figure of a number that is not finite.
static int broken(const char *which) {
    Svg s = svg_new(300, 200, "broken");
    double x[2] = {0, 1}, y[2] = {0, HUGE_VAL - HUGE_VAL};
    if (strcmp(which, "nan") == 0) {
        svg_axes(&s, 0, 1, 0, 1, "x", "y");
        svg_line(&s, x, y, 2, palette_category(0), "");
    } else if (strcmp(which, "empty") == 0) {
        svg_axes(&s, 1, 1, 0, 1, "x", "y");
    } else {
        svg_axes(&s, 1e12, 1e12 + 1, 0, 1, "x", "y");
    }
    svg_finish(&s);
    return 0;
}

// ---- tty and progress ------------------------------------------------------------------------------------------

static void colour_rules(void) {
    CHECK(color_rule(1, "1", NULL, NULL, 0, "dumb") == 1, "--color=always wins");
    CHECK(color_rule(2, NULL, "1", "1", 1, "xterm") == 0, "--color=never wins");
    CHECK(color_rule(0, "1", "1", "1", 1, "xterm") == 0, "NO_COLOR before FORCE_COLOR");
    CHECK(color_rule(0, "", "1", NULL, 0, NULL) == 1, "an empty NO_COLOR is not set; FORCE_COLOR");
    CHECK(color_rule(0, NULL, NULL, "1", 0, NULL) == 1, "CLICOLOR_FORCE");
    CHECK(color_rule(0, NULL, "", "", 1, "xterm") == 1, "a terminal");
    CHECK(color_rule(0, NULL, NULL, NULL, 1, "dumb") == 0, "a dumb terminal");
    CHECK(color_rule(0, NULL, NULL, NULL, 1, NULL) == 0, "a terminal without TERM");
    CHECK(color_rule(0, NULL, NULL, NULL, 0, "xterm") == 0, "a pipe");
    CHECK(strcmp(color_words[1], "always") == 0 && color_words[3] == NULL, "the words");
}

static void progress_line(void) {
    Progress p = progress_start("train", "loss", 200);
    char text[80];
    time_t now;
    int i, updates = 0;
    progress_text(text, &p, 50, 0.125, 6);
    CHECK(strcmp(text, "train [#####...............]  25%  loss 0.125  6s, 18s left") == 0, "'%s'", text);
    progress_text(text, &p, 200, 1e-9, 1);
    CHECK(strcmp(text, "train [####################] 100%  loss 1e-09  1s") == 0, "'%s'", text);
    progress_text(text, &p, 999, 0, 0);
    CHECK(strstr(text, "100%") != NULL, "'%s'", text);
    p.unit = "images";
    p.per_step = 32;
    p.first = 40; // resumed: ten steps of this loop in 20 seconds
    progress_text(text, &p, 50, 0.125, 20);
    CHECK(strcmp(text, "train [##........]  25%  loss 0.125  16 images/s  20s, 300s left") == 0, "'%s'", text);
    progress_text(text, &p, 50, 0.125, 1200);
    CHECK(strstr(text, "  0 images/s  20m, 5h left") != NULL, "'%s'", text);
    progress_text(text, &p, 40, 0.125, 20); // nothing done yet: no rate, and no division by zero
    CHECK(strstr(text, "0.125  20s") != NULL && strstr(text, "left") == NULL, "'%s'", text);
    p.label = "a label that is much longer than there is room";
    p.number_name = "a number with a long name";
    progress_text(text, &p, 1, -1.234e-300, 1e9);
    CHECK(strlen(text) <= 79, "%zu columns", strlen(text));
    // 50 seconds of a loop whose 8 threads use 8 s of processor time per second: at most 10 updates per second
    now = p.second;
    for (i = 0; i < 50 * 1000; i++) {
        updates += progress_due(&p, now + i / 1000, (clock_t)((double)i / 1000 * 8 * CLOCKS_PER_SEC));
    }
    CHECK(updates > 450 && updates <= 500, "%d updates in 50 seconds", updates);
    // one thread, and a process that sleeps (clock stands still): still one update per second
    for (updates = 0, i = 0; i < 50; i++) {
        updates += progress_due(&p, now + 100 + i, 0);
    }
    CHECK(updates == 50, "%d updates in 50 sleepy seconds", updates);
    i = child_run("", "quiet");
    CHECK(i == 0 && child_err[0] == '\0' && strcmp(child_out, "done\n") == 0, "exit %d, not silent: '%s' '%s'", i,
          child_out, child_err);
}

static void terminal(void) {
    static const char colored[] = "\033[38;2;0;0;0m\033[48;2;0;0;0m\xe2\x96\x80\033[38;2;255;255;255m"
                                  "\033[48;2;255;255;255m\xe2\x96\x80\033[0m\n";
    static const real xy[10] = {(real)-0.9, (real)0.9, (real)-0.9, (real)0.9, (real)0.9, (real)-0.9, 3, 0, 0, -3};
    static const int label[5] = {2, 3, 11, 0, 0};
    Term t;
    char text[200];
    size_t outside, got;
    FILE *f = tmpfile();
    child_run("TERM=xterm NO_COLOR= FORCE_COLOR= CLICOLOR_FORCE=", "picture 0");
    CHECK(strcmp(child_out, " @\nframe 2\n") == 0, "'%s'", child_out);
    child_run("TERM=dumb NO_COLOR=1", "picture 1");
    CHECK(strncmp(child_out, colored, sizeof colored - 1) == 0 && strstr(child_out, "frame 1") == NULL, "'%s'",
          child_out);
    child_run("FORCE_COLOR=1 NO_COLOR=", "picture 2");
    CHECK(strcmp(child_out, " @\nframe 2\n") == 0, "'%s'", child_out);
    child_run("NO_COLOR= CLICOLOR_FORCE=1", "picture 0");
    CHECK(strncmp(child_out, colored, sizeof colored - 1) == 0, "'%s'", child_out);
    if (f == NULL) {
        DIE("cannot make a temporary file");
    }
    t = term_open(f, 2);
    outside = term_density(&t, xy, 5, -1, 1, -1, 1, 4, 4);
    CHECK(outside == 2 && t.rows == 2, "%zu outside, %d lines", outside, t.rows);
    outside = term_scatter(&t, xy, label, 5, -1, 1, -1, 1, 4, 3); // an odd height
    CHECK(outside == 2 && t.rows == 4, "%zu outside, %d lines", outside, t.rows);
    outside = term_scatter(&t, xy, label, 5, -1, 1, -1, 1, 4, 4);
    rewind(f);
    got = fread(text, 1, sizeof text - 1, f);
    text[got] = '\0';
    // two points in the upper left pixel, one in the lower right: sqrt(1/2) of full brightness, half a cell each
    CHECK(strcmp(text, "=   \n   -\n3   \n   1\n3   \n   1\n") == 0, "'%s'", text);
    fclose(f);
}

// ---- palettes --------------------------------------------------------------------------------------------------

static double linear(int v) {
    double c = v / 255.0;
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static double lab_curve(double t) {
    return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

// CIE L*a*b* of a colour as seen with normal vision (0) or without the red (1) or green (2) receptor.
// Simulation in linear RGB: Vienot, Brettel and Mollon 1999.
static void lab(double out[3], Rgb c, int vision) {
    double r = linear(c.r), g = linear(c.g), b = linear(c.b), x, y, z, red = r;
    if (vision == 1) {
        r = 0.11238 * red + 0.88762 * g;
        b += 0.00401 * red - 0.00401 * g;
        g = r;
    } else if (vision == 2) {
        r = 0.29275 * red + 0.70725 * g;
        b += -0.02234 * red + 0.02234 * g;
        g = r;
    }
    x = lab_curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    y = lab_curve(0.2126 * r + 0.7152 * g + 0.0722 * b);
    z = lab_curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.0890);
    out[0] = 116 * y - 16;
    out[1] = 500 * (x - y);
    out[2] = 200 * (y - z);
}

static void palettes(void) {
    int vision, i, k;
    double a[3], b[3];
    for (vision = 0; vision < 3; vision++) {
        double last = 0, nearest = 1e9, first_pair;
        for (i = 0; i <= 16; i++) { // every sixteenth is lighter by 3.5 to 7 units of L*
            lab(a, palette_sequential(i / 16.0), vision);
            CHECK(i == 0 || (a[0] - last > 3.5 && a[0] - last < 7), "vision %d, step %d: L* %.2f after %.2f", vision, i,
                  a[0], last);
            last = a[0];
        }
        for (i = 0; i < CATEGORIES; i++) {
            for (k = 0; k < i; k++) {
                double d;
                lab(a, palette_category(i), vision);
                lab(b, palette_category(k), vision);
                d = sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2));
                nearest = d < nearest ? d : nearest;
            }
        }
        lab(a, palette_category(0), vision);
        lab(b, palette_category(1), vision);
        first_pair = sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2));
        // measured: nearest 26.4, 20.7, 17.2; first 114, 93, 119
        CHECK(nearest > 16 && first_pair > 90, "vision %d: nearest pair %.1f, first pair %.1f", vision, nearest,
              first_pair);
        lab(a, palette_diverging(-1), vision);
        lab(b, palette_diverging(1), vision);
        CHECK(sqrt(pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2)) > 50, "vision %d: the ends of the diverging palette",
              vision);
    }
    lab(a, palette_diverging(0), 0);
    CHECK(a[0] > 94 && fabs(a[1]) < 1 && fabs(a[2]) < 1, "the middle is not white: %.1f %.1f %.1f", a[0], a[1], a[2]);
    CHECK(palette_category(9).r == palette_category(1).r && palette_category(-7).g == palette_category(1).g,
          "repeats after 8");
    CHECK(palette_sequential(-5).b == 80 && palette_sequential(7).b == 121 &&
              palette_sequential(HUGE_VAL - HUGE_VAL).b == 80,
          "ends");
}

// ---- SVG and HTML ----------------------------------------------------------------------------------------------

// Is the text well-formed XML of the kind written here?  Elements close in order, attributes are quoted and not
// repeated, & starts one of the known entities.  Returns the number of elements, or -1.
static int well_formed(const char *p) {
    char stack[32][24];
    int depth = 0, elements = 0, roots = 0;
    while (*p != '\0') {
        if (*p == '&') {
            if (strncmp(p, "&amp;", 5) && strncmp(p, "&lt;", 4) && strncmp(p, "&gt;", 4) && strncmp(p, "&quot;", 6) &&
                strncmp(p, "&#39;", 5)) {
                return -1;
            }
            p++;
        } else if (*p != '<') {
            if (depth == 0 && *p != '\n') {
                return -1;
            }
            p++;
        } else if (p[1] == '!') { // the doctype
            p = strchr(p, '>') + 1;
        } else if (p[1] == '/') {
            size_t n = strcspn(p + 2, ">");
            if (depth == 0 || strlen(stack[depth - 1]) != n || strncmp(stack[depth - 1], p + 2, n) != 0) {
                return -1;
            }
            depth--;
            p += n + 3;
        } else {
            size_t n = strspn(p + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
            char names[8][24];
            int count = 0, i;
            if (n == 0 || n > 23 || depth == 32 || (depth == 0 && roots++ > 0)) {
                return -1;
            }
            memcpy(stack[depth], p + 1, n);
            stack[depth++][n] = '\0';
            elements++;
            p += n + 1;
            while (*p == ' ') {
                size_t m = strcspn(p + 1, "=");
                if (m > 23 || count == 8 || strncmp(p + 1 + m, "=\"", 2) != 0) {
                    return -1;
                }
                memcpy(names[count], p + 1, m);
                names[count][m] = '\0';
                for (i = 0; i < count; i++) {
                    if (strcmp(names[i], names[count]) == 0) {
                        return -1;
                    }
                }
                count++;
                for (p += m + 3; *p != '"'; p++) {
                    if (*p == '<' || *p == '\0') {
                        return -1;
                    }
                }
                p++;
            }
            if (strncmp(p, "/>", 2) == 0) {
                depth--;
                p += 2;
            } else if (*p++ != '>') {
                return -1;
            }
        }
    }
    return depth == 0 && roots == 1 ? elements : -1;
}

static int occurrences(const char *text, const char *word) {
    int n = 0;
    while ((text = strstr(text, word)) != NULL) {
        text += strlen(word);
        n++;
    }
    return n;
}

static Svg figure(void) {
    Svg s = svg_new(640, 400, "reward < KL & \"more\"");
    double x[3] = {0, 1, 2}, y[3] = {0.5, -1, 40}, e[3] = {0.1, 0.1, 0.1}, field[6] = {0, 1, 2, 3, 4, 5};
    real xy[4] = {1, 0, 2, (real)0.5};
    svg_panel(&s, 64, 34, 240, 300);
    svg_axes(&s, 0, 2, -1, 1, "KL, nats", "mean <reward>");
    svg_line(&s, x, y, 3, palette_category(0), "exact & true");
    svg_dashed(&s, x, y, 3, palette_category(1), "");
    svg_points(&s, x, y, 3, 2.5, palette_category(2), "points");
    svg_samples(&s, xy, 2, 2.5, palette_category(2), "samples");
    svg_errors(&s, x, y, e, 3, palette_category(0));
    svg_legend(&s, 'r');
    svg_panel(&s, 370, 34, 240, 300);
    svg_axes(&s, 0, 3, 0, 2, "x", "y");
    svg_field(&s, field, 3, 2, 5);
    svg_bars(&s, x, y, 3, 0.5, palette_category(5), "bars");
    svg_arrow(&s, 0, 0, 1, 1, INK);
    svg_arrow(&s, 1, 1, 1, 1, INK); // no length
    svg_text(&s, 1, 1, 'm', INK, "p*");
    svg_legend(&s, 'L');
    return s;
}

static void figures(void) {
    Svg s = figure(), again = figure();
    const char *text;
    int decimals, k;
    static const double ranges[] = {1e-6, 0.03, 0.999, 1, 2, 3.99, 4, 7, 10, 99, 1e9};
    svg_finish(&again);
    svg_finish(&s);
    CHECK(s.text.n == again.text.n && memcmp(s.text.data, again.text.data, s.text.n) == 0,
          "two figures of equal data differ");
    bytes_byte(&s.text, 0);
    text = (const char *)s.text.data;
    CHECK(well_formed(text) > 40, "the figure is not well-formed XML");
    CHECK(occurrences(text, "<polyline") == 2 && occurrences(text, "<circle") == 3 + 2 + 2, "curves and points");
    CHECK(strstr(text, "points=\"64.00,109.00 184.00,334.00 304.00,-5816.00\"") != NULL, "coordinates");
    CHECK(strstr(text, "reward &lt; KL &amp; &quot;more&quot;") != NULL, "the title is not escaped");
    CHECK(strstr(text, "mean &lt;reward&gt;") != NULL && strstr(text, "exact &amp; true") != NULL,
          "labels are not escaped");
    CHECK(strstr(text, "nan") == NULL && strstr(text, "inf") == NULL, "a coordinate is not a number");
    CHECK(strstr(text, "data:image/png;base64,iVBORw0KGgo") != NULL, "no picture of the field");
    CHECK(strstr(text, ">-0.5</text>") != NULL && strstr(text, ">0.0</text>") != NULL, "tick labels");
    bytes_free(&s.text);
    bytes_free(&again.text);
    for (k = 0; k < (int)(sizeof ranges / sizeof ranges[0]); k++) {
        double step = tick_step(ranges[k], &decimals);
        double digits = step * pow(10, decimals);
        CHECK(ranges[k] / step > 3.99 && ranges[k] / step < 10.01, "range %g, step %g", ranges[k], step);
        CHECK(fabs(digits - floor(digits + 0.5)) < 1e-9 && decimals <= 7, "step %g needs more than %d decimals", step,
              decimals);
    }
    k = child_run("", "broken nan");
    CHECK(k == 1 && one_line(child_err) && strstr(child_err, "y axis got the number") != NULL, "exit %d: %s", k,
          child_err);
    k = child_run("", "broken empty");
    CHECK(k == 1 && one_line(child_err) && strstr(child_err, "is empty") != NULL, "exit %d: %s", k, child_err);
    k = child_run("", "broken far");
    CHECK(k == 1 && one_line(child_err) && strstr(child_err, "too many digits") != NULL, "exit %d: %s", k, child_err);
}

static void pages(void) {
    static const char *const columns[] = {"method", "reward < 1", NULL};
    Page p = page_new("tilt & more");
    Svg s = figure();
    Image m = image_new(3, 2, 3);
    Tsv t = tsv_new(columns);
    Bytes b;
    const char *text;
    tsv_add(&t, "<dpo>");
    tsv_add_number(&t, -0.5);
    page_heading(&p, "A & B");
    page_text(&p, "one <b>\n\ntwo\n\n");
    page_pre(&p, "for (i = 0; i < 3; i++)\n    x &= y;");
    page_table(&p, &t);
    page_image(&p, &m, 4, "three \"by\" two");
    page_svg(&p, svg_finish(&s));
    page_raw(&p, "<hr/>\n");
    page_write(&p, child_path("page.html"));
    CHECK(p.text.data == NULL, "page_write frees");
    b = file_read(child_path("page.html"), 1 << 20, "The test has just written it.");
    bytes_byte(&b, 0);
    text = (const char *)b.data;
    CHECK(well_formed(text) > 60, "the page is not well-formed");
    CHECK(strncmp(text, "<!DOCTYPE html>\n<html lang=\"en\"", 31) == 0, "how it begins");
    CHECK(strstr(text, "<p>one &lt;b&gt;</p>\n<p>two</p>\n") != NULL, "paragraphs");
    CHECK(strstr(text, "<td>&lt;dpo&gt;</td>\n<td class=\"n\">-0.5</td>") != NULL, "table");
    CHECK(
        strstr(text,
               "width=\"12\" height=\"8\" alt=\"three &quot;by&quot; two\" src=\"data:image/png;base64,iVBORw0KGgo") !=
            NULL,
        "image");
    CHECK(strstr(text, "http://") == strstr(text, "http://www.w3.org/"), "a link to the network");
    CHECK(strstr(text, "<script") == NULL && strstr(text, "src=\"http") == NULL && strstr(text, "@import") == NULL,
          "not self-contained");
    bytes_free(&b);
    bytes_free(&s.text);
    image_free(&m);
    tsv_free(&t);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "quiet") == 0) {
        return quiet();
    }
    if (argc == 3 && strcmp(argv[1], "picture") == 0) {
        return picture(atoi(argv[2]));
    }
    if (argc == 3 && strcmp(argv[1], "broken") == 0) {
        return broken(argv[2]);
    }
    child_begin(argv[0]);
    CHECK(well_formed("<a><b x=\"1\"/>&lt;</a>\n") == 2 && well_formed("<a><b></a></b>") == -1 &&
              well_formed("<a x=\"1\" x=\"2\"/>") == -1 && well_formed("<a>&x;</a>") == -1 &&
              well_formed("<a>") == -1 && well_formed("<a/><b/>") == -1 && well_formed("<a x=\"<\"/>") == -1,
          "the XML check itself");
    colour_rules();
    progress_line();
    terminal();
    palettes();
    figures();
    pages();
    return report("test_show");
}
