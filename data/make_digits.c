// make_digits.c: the program that made data/digits8x8.txt.  It re-encodes the 1,797 scans of the UCI data set
// "Optical Recognition of Handwritten Digits" without loss: one text line an image that a person can read.
//
//   cc -std=c99 data/make_digits.c -o build/make_digits
//   zcat /usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz | build/make_digits > data/digits8x8.txt
//
// In: lines of 64 pixels 0..16 and a label 0..9, separated by commas (Debian package python3-sklearn).
// Out: the same images in the same order; format in data/README.md.  Any surprise in the input: one line, exit 1.
#include "../ref/core/base.h"

enum { PIXELS = 64, INK_LEVELS = 17, MAX_IMAGES = 100000 };
static const char digit_of_ink[] = "0123456789abcdefg"; // 0..16, base 17

// One number 0..top followed by `end`; dies otherwise.
static int read_number(FILE *in, int top, int end, int line) {
    int digits = 0, value = 0, ch = getc(in);
    while (ch >= '0' && ch <= '9' && digits < 3) {
        value = 10 * value + ch - '0';
        digits++;
        ch = getc(in);
    }
    if (digits == 0 || value > top || ch != end) {
        DIE("make_digits: line %d: wanted a number 0..%d; is this digits.csv, uncompressed?", line, top);
    }
    return value;
}

// Appends text to a growing buffer.
static char *append(char *text, size_t *used, const char *more) {
    size_t n = strlen(more);
    text = (char *)xrealloc(text, *used + n + 1, 1);
    memcpy(text + *used, more, n + 1);
    *used += n;
    return text;
}

int main(void) {
    char *lines = NULL, *text = NULL, head[128];
    size_t lines_used = 0, used = 0;
    int images = 0, ch;
    while ((ch = getc(stdin)) != EOF) {
        char row[2 + PIXELS + 2];
        int k, label;
        ungetc(ch, stdin);
        if (images == MAX_IMAGES) {
            DIE("make_digits: more than %d lines; this is not digits.csv", MAX_IMAGES);
        }
        for (k = 0; k < PIXELS; k++) {
            row[2 + k] = digit_of_ink[read_number(stdin, INK_LEVELS - 1, ',', images + 1)];
        }
        label = read_number(stdin, 9, '\n', images + 1);
        row[0] = (char)('0' + label);
        row[1] = ' ';
        row[2 + PIXELS] = '\n';
        row[2 + PIXELS + 1] = 0;
        lines = append(lines, &lines_used, row);
        images++;
    }
    if (images == 0) {
        DIE("make_digits: no input; pipe the uncompressed digits.csv into it");
    }
    sprintf(head, "# images %d\n", images);
    text = append(text, &used, head);
    text = append(text, &used,
                  "# name Optical Recognition of Handwritten Digits, 8x8 scans (the 13 writers of its test part)\n");
    text = append(text, &used,
                  "# source E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998, doi 10.24432/C50P49\n");
    text = append(text, &used, "# licence CC BY 4.0 as far as is known; what was checked: data/README.md\n");
    text = append(text, &used, "# line label, space, 64 pixels row by row from the top, 0..9 a..g are 0..16 of ink\n");
    text = append(text, &used, lines);
    printf("# tilt digits 1\n");
    printf("# fnv1a64 %016llx of every byte after this line\n", (unsigned long long)hash_bytes(HASH_START, text, used));
    fputs(text, stdout);
    if (fflush(stdout) || ferror(stdout)) {
        DIE("make_digits: short write; is the disk full?");
    }
    free(text);
    free(lines);
    return 0;
}
