// nb_tex.h: a TeX subset becomes MathML Core, which every current browser shows without a script.
//
// One recursive-descent pass.  Whatever is not in the subset ends nb with the lab's file and line: a formula is never
// shown in part.  The spacing rules are TeX's where MathML's own differ (functions, a minus sign after an operator,
// signs inside a script).
#ifndef TILT_NB_TEX_H
#define TILT_NB_TEX_H

#include "nb_tex_read.h"

static inline AtomClass tex_atom(Tex *t, Bytes *out, AtomClass before);
static inline void tex_row(Tex *t, Bytes *out, const char *stop);

// {group}, or one atom, as an <mrow>.
static inline void tex_argument(Tex *t, Bytes *out, const char *command) {
    int c = tex_peek(t);
    if (c == '{') {
        t->at++;
        text_puts(out, "<mrow>");
        tex_row(t, out, "}");
        text_puts(out, "</mrow>");
        return;
    }
    if (c < 0 || strchr("}^_&", c)) {
        fail_at(t->file, tex_line(t), "math: %s has no argument", command);
    }
    if (isdigit(c)) { // x^12 is x^1 2, as in TeX
        bytes_text(out, "<mn>%c</mn>", c);
        t->at++;
        return;
    }
    tex_atom(t, out, ATOM_NONE);
}

// ---- brackets and tables -----------------------------------------------------------------------------------------

// The delimiter after \left or \right; "" for the invisible one.
static inline void tex_delimiter(Tex *t, Bytes *out, const char *command, const char *form) {
    static const char *const legal[] = {"(",        ")",        "[",        "]",       "|",       "\\{",     "\\}",
                                        "\\|",      "\\langle", "\\rangle", "\\lvert", "\\rvert", "\\lVert", "\\rVert",
                                        "\\lfloor", "\\rfloor", "\\lceil",  "\\rceil", "."};
    size_t i;
    for (i = 0; i < sizeof legal / sizeof legal[0]; i++) {
        if (tex_looking_at(t, legal[i])) {
            const char *sign = legal[i][0] == '\\' ? tex_symbol(legal[i] + 1)->utf8 : legal[i];
            t->at += strlen(legal[i]);
            if (strcmp(sign, ".") != 0) {
                bytes_text(out, "<mo form=\"%s\" fence=\"true\" stretchy=\"true\">%s</mo>", form, sign);
            }
            return;
        }
    }
    fail_at(t->file, tex_line(t), "math: %s must be followed by one of ( ) [ ] | . \\{ \\} \\| \\langle \\rangle ...",
            command);
}

// \begin{aligned} or \begin{cases}: rows end in \\, columns in &.
static inline void tex_table(Tex *t, Bytes *out) {
    Bytes name = {0};
    int cases, column = 0;
    tex_raw(t, &name, "\\begin", "");
    cases = strcmp(text_str(&name), "cases") == 0;
    if (!cases && strcmp(text_str(&name), "aligned") != 0) {
        fail_at(t->file, tex_line(t), "math: unknown environment {%s}; the subset has aligned and cases",
                text_str(&name));
    }
    bytes_text(out, "<mrow>%s<mtable%s><mtr>",
               cases ? "<mo form=\"prefix\" fence=\"true\" stretchy=\"true\">{</mo>" : "",
               cases ? "" : " displaystyle=\"true\"");
    for (;;) {
        bytes_text(out, "<mtd class=\"%s\"><mrow>", cases || column % 2 ? "l" : "r");
        tex_row(t, out, "&");
        text_puts(out, "</mrow></mtd>");
        if (tex_looking_at(t, "&")) {
            t->at++;
            column++;
        } else if (tex_looking_at(t, "\\\\")) {
            t->at += 2;
            column = 0;
            text_puts(out, "</mtr><mtr>");
        } else {
            break;
        }
    }
    tex_expect(t, "\\end", "the last row");
    tex_expect(t, "{", "\\end");
    tex_expect(t, text_str(&name), "\\end{");
    tex_expect(t, "}", "\\end");
    text_puts(out, "</mtr></mtable></mrow>");
    bytes_free(&name);
}

// ---- atoms -------------------------------------------------------------------------------------------------------

// A command that takes arguments; ATOM_NONE if the name is not one.
static inline AtomClass tex_form(Tex *t, Bytes *out, const char *name) {
    static const char *const accents[][2] = {
        {"hat", "^"}, {"bar", "¯"}, {"tilde", "~"}, {"vec", "→"}, {"dot", "˙"},
    };
    char command[40];
    size_t i;
    snprintf(command, sizeof command, "\\%s", name);
    for (i = 0; i < sizeof accents / sizeof accents[0]; i++) {
        if (strcmp(name, accents[i][0]) == 0) {
            text_puts(out, "<mover accent=\"true\">");
            tex_argument(t, out, command);
            bytes_text(out, "<mo stretchy=\"false\">%s</mo></mover>", accents[i][1]);
            return ATOM_ORD;
        }
    }
    if (strcmp(name, "overline") == 0) { // a border, because few fonts have a bar that grows
        text_puts(out, "<mrow style=\"border-top:.06em solid;padding-top:.1em\">");
        tex_argument(t, out, command);
        text_puts(out, "</mrow>");
        return ATOM_ORD;
    }
    if (strcmp(name, "frac") == 0) {
        text_puts(out, "<mfrac>");
        tex_argument(t, out, command);
        tex_argument(t, out, command);
        text_puts(out, "</mfrac>");
        return ATOM_ORD;
    }
    if (strcmp(name, "sqrt") == 0) {
        Bytes index = {0};
        if (tex_peek(t) == '[') {
            t->at++;
            tex_row(t, &index, "]");
        }
        text_puts(out, index.n ? "<mroot>" : "<msqrt>");
        tex_argument(t, out, command);
        if (index.n) {
            bytes_text(out, "<mrow>%s</mrow></mroot>", text_str(&index));
        } else {
            text_puts(out, "</msqrt>");
        }
        bytes_free(&index);
        return ATOM_ORD;
    }
    if (strcmp(name, "mathbb") == 0 || strcmp(name, "mathcal") == 0 || strcmp(name, "mathbf") == 0) {
        text_puts(out, "<mrow>");
        tex_face(t, out, command);
        text_puts(out, "</mrow>");
        return ATOM_ORD;
    }
    if (strcmp(name, "mathrm") == 0 || strcmp(name, "operatorname") == 0) {
        Bytes raw = {0};
        tex_raw(t, &raw, command, "0123456789-");
        bytes_text(out, raw.n == 1 ? "<mi mathvariant=\"normal\">%s</mi>" : "<mi>%s</mi>", text_str(&raw));
        bytes_free(&raw);
        return name[0] == 'o' ? ATOM_FUNCTION : ATOM_ORD;
    }
    if (strcmp(name, "text") == 0) {
        Bytes raw = {0};
        tex_raw(t, &raw, command, "0123456789 -,.;:()'/=");
        text_puts(out, "<mtext>");
        for (i = 0; i < raw.n; i++) {
            if (raw.data[i] == ' ') {
                text_puts(out, "\302\240"); // MathML trims plain blanks at the ends
            } else {
                bytes_byte(out, raw.data[i]);
            }
        }
        text_puts(out, "</mtext>");
        bytes_free(&raw);
        return ATOM_ORD;
    }
    if (strcmp(name, "left") == 0) {
        text_puts(out, "<mrow>");
        tex_delimiter(t, out, "\\left", "prefix");
        text_puts(out, "<mrow>");
        tex_row(t, out, "\\right");
        text_puts(out, "</mrow>");
        tex_expect(t, "\\right", "what stands behind \\left");
        tex_delimiter(t, out, "\\right", "postfix");
        text_puts(out, "</mrow>");
        return ATOM_CLOSE;
    }
    if (strcmp(name, "begin") == 0) {
        tex_table(t, out);
        return ATOM_ORD;
    }
    return ATOM_NONE;
}

// One atom without scripts; returns its class.
static inline AtomClass tex_atom(Tex *t, Bytes *out, AtomClass before) {
    static const struct {
        char c;
        const char *sign;
        AtomClass cls;
    } signs[] = {
        {'+', "+", ATOM_BINARY},   {'-', "−", ATOM_BINARY},      {'*', "∗", ATOM_BINARY},
        {'=', "=", ATOM_RELATION}, {'<', "&lt;", ATOM_RELATION}, {'>', "&gt;", ATOM_RELATION},
        {':', ":", ATOM_RELATION}, {'(', "(", ATOM_OPEN},        {'[', "[", ATOM_OPEN},
        {')', ")", ATOM_CLOSE},    {']', "]", ATOM_CLOSE},       {'!', "!", ATOM_CLOSE},
        {',', ",", ATOM_PUNCT},    {';', ";", ATOM_PUNCT},       {'.', ".", ATOM_ORD},
        {'/', "/", ATOM_ORD},      {'|', "|", ATOM_ORD},
    };
    int c = tex_peek(t);
    size_t i;
    if (++t->depth > 40) {
        fail_at(t->file, tex_line(t), "math: more than 40 levels deep; write the formula in parts");
    }
    if (isalpha(c)) {
        bytes_text(out, "<mi>%c</mi>", c);
        t->at++;
        t->depth--;
        return ATOM_ORD;
    }
    if (isdigit(c)) {
        text_puts(out, "<mn>");
        while (t->at < t->n && (isdigit((unsigned char)t->s[t->at]) ||
                                (t->s[t->at] == '.' && t->at + 1 < t->n && isdigit((unsigned char)t->s[t->at + 1])))) {
            bytes_byte(out, t->s[t->at]);
            t->at++;
        }
        text_puts(out, "</mn>");
        t->depth--;
        return ATOM_ORD;
    }
    if (c == '{') {
        tex_argument(t, out, "{");
        t->depth--;
        return ATOM_ORD;
    }
    for (i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (signs[i].c == c) {
            tex_sign(t, out, signs[i].sign, signs[i].cls, before);
            t->at++;
            t->depth--;
            return signs[i].cls;
        }
    }
    if (c == '\\') {
        char name[32];
        int line = tex_line(t);
        const TexSymbol *symbol;
        AtomClass cls;
        tex_command(t, name);
        symbol = tex_symbol(name);
        if (symbol && symbol->cls == ATOM_ORD && !strchr("%|", name[0]) && !strstr(name, "dots")) {
            bytes_text(out,
                       isupper((unsigned char)name[0]) || !strcmp(name, "infty") || !strcmp(name, "nabla")
                           ? "<mi mathvariant=\"normal\">%s</mi>"
                           : "<mi>%s</mi>",
                       symbol->utf8);
            cls = ATOM_ORD;
        } else if (symbol) {
            tex_sign(t, out, symbol->utf8, symbol->cls, before);
            cls = symbol->cls;
        } else {
            cls = tex_form(t, out, name);
        }
        if (cls == ATOM_NONE && (strcmp(name, "right") == 0 || strcmp(name, "end") == 0)) {
            fail_at(t->file, line, "math: \\%s without its \\%s", name, name[0] == 'r' ? "left" : "begin");
        }
        if (cls == ATOM_NONE) {
            fail_at(t->file, line, "math: unknown command \\%s; the TeX subset is listed in notebooks-c/README.md",
                    name);
        }
        t->depth--;
        return cls;
    }
    if (c < 0) {
        fail_at(t->file, tex_line(t), "math: the formula ends where something must follow");
    }
    fail_at(t->file, tex_line(t), "math: the character '%c' is outside the TeX subset in notebooks-c/README.md",
            isprint(c) ? c : '?');
#if !defined(__GNUC__)
    return ATOM_NONE;
#endif
}

// Scripts of an atom: primes, ^ and _, in any order.
static inline void tex_scripts(Tex *t, Bytes *up, Bytes *down) {
    int used[2] = {0, 0};
    for (;;) {
        int c = tex_peek(t);
        if (c == '\'' && !used[1]) {
            t->at++;
            text_puts(up, "<mo>′</mo>");
        } else if (c == '^' || c == '_') {
            Bytes *script = c == '^' ? up : down;
            if (used[c == '^']++) {
                fail_at(t->file, tex_line(t), "math: two scripts '%c' on one symbol; use braces", c);
            }
            t->at++;
            t->script++;
            tex_argument(t, script, c == '^' ? "^" : "_");
            t->script--;
        } else {
            return;
        }
    }
}

// Atoms with their scripts until `stop`: "}", "]" (both eaten), "\\right", "&" (a table cell) or "" (the end).
static inline void tex_row(Tex *t, Bytes *out, const char *stop) {
    AtomClass before = ATOM_NONE;
    for (;;) {
        Bytes base = {0}, up = {0}, down = {0};
        AtomClass cls;
        int c = tex_peek(t), function, limits;
        if (c < 0 && *stop) {
            fail_at(t->file, tex_line(t), "math: the formula ends before its '%s'", *stop == '&' ? "\\end" : stop);
        }
        if (c < 0 || (strcmp(stop, "\\right") == 0 && tex_looking_at(t, stop)) ||
            (*stop == '&' && (c == '&' || tex_looking_at(t, "\\\\") || tex_looking_at(t, "\\end")))) {
            return;
        }
        if (c == *stop && stop[1] == 0) {
            t->at++;
            return;
        }
        if (c == '}' || c == '^' || c == '_' || c == '&' || c == '\'') {
            fail_at(t->file, tex_line(t), "math: '%c' stands where a symbol must stand", c);
        }
        cls = tex_atom(t, &base, before);
        tex_scripts(t, &up, &down);
        if (cls == ATOM_SPACE && (up.n || down.n)) {
            fail_at(t->file, tex_line(t), "math: a script on a space; put it on a symbol");
        }
        function = cls == ATOM_FUNCTION || cls == ATOM_LIMIT;
        limits = cls == ATOM_LIMIT || cls == ATOM_SUM;
        if ((function && (before == ATOM_ORD || before == ATOM_CLOSE)) ||
            ((before == ATOM_FUNCTION || before == ATOM_LIMIT) && (cls == ATOM_ORD || function))) {
            text_puts(out, "<mspace width=\"0.167em\"></mspace>");
        }
        if (up.n && down.n) {
            const char *tag = limits ? "munderover" : "msubsup";
            bytes_text(out, "<%s>%s<mrow>%s</mrow><mrow>%s</mrow></%s>", tag, text_str(&base), text_str(&down),
                       text_str(&up), tag);
        } else if (up.n || down.n) {
            const char *tag = up.n ? (limits ? "mover" : "msup") : (limits ? "munder" : "msub");
            bytes_text(out, "<%s>%s<mrow>%s</mrow></%s>", tag, text_str(&base), text_str(up.n ? &up : &down), tag);
        } else {
            text_puts(out, text_str(&base));
        }
        before = cls == ATOM_SPACE ? before : cls;
        bytes_free(&base);
        bytes_free(&up);
        bytes_free(&down);
    }
}

// ---- the whole formula -------------------------------------------------------------------------------------------

// n bytes of TeX as one <math> element.  line: where they begin in the file.
static inline void tex_mathml(Bytes *out, const char *s, size_t n, int display, const char *file, int line) {
    Tex t = {s, n, 0, file, line, 0, 0};
    if (tex_peek(&t) < 0) {
        fail_at(file, line, "math: an empty formula");
    }
    text_puts(out, "<math xmlns=\"http://www.w3.org/1998/Math/MathML\"");
    text_puts(out, display ? " display=\"block\"><mrow>" : "><mrow>");
    tex_row(&t, out, "");
    text_puts(out, "</mrow></math>");
}

#endif
