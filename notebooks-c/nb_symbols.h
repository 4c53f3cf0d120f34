// nb_symbols.h: the commands of the TeX subset, as tables.  `build/nb --tex-list` prints them with a sample each;
// README.md lists the same commands, and tests/notebooks.sh compares the two.
#ifndef TILT_NB_SYMBOLS_H
#define TILT_NB_SYMBOLS_H

#include "nb_text.h"

// What an atom is decides the space around it, as in TeX.
typedef enum {
    ATOM_NONE,
    ATOM_ORD,      // letters, numbers, fractions
    ATOM_FUNCTION, // log, exp: upright, a thin space on its open sides
    ATOM_LIMIT,    // max, lim: the same, with what stands under it
    ATOM_SUM,      // sum, prod: large, limits above and below in a display
    ATOM_INTEGRAL, // large, limits at the side
    ATOM_BINARY,
    ATOM_RELATION,
    ATOM_OPEN,
    ATOM_CLOSE,
    ATOM_PUNCT,
    ATOM_SPACE
} AtomClass;

typedef struct {
    const char *name; // without the backslash
    const char *utf8; // the character, the word, or the width of a space
    AtomClass cls;
} TexSymbol;

static const TexSymbol tex_symbols[] = {
    // greek
    {"alpha", "α", ATOM_ORD},
    {"beta", "β", ATOM_ORD},
    {"gamma", "γ", ATOM_ORD},
    {"delta", "δ", ATOM_ORD},
    {"epsilon", "ϵ", ATOM_ORD},
    {"varepsilon", "ε", ATOM_ORD},
    {"zeta", "ζ", ATOM_ORD},
    {"eta", "η", ATOM_ORD},
    {"theta", "θ", ATOM_ORD},
    {"iota", "ι", ATOM_ORD},
    {"kappa", "κ", ATOM_ORD},
    {"lambda", "λ", ATOM_ORD},
    {"mu", "μ", ATOM_ORD},
    {"nu", "ν", ATOM_ORD},
    {"xi", "ξ", ATOM_ORD},
    {"pi", "π", ATOM_ORD},
    {"rho", "ρ", ATOM_ORD},
    {"sigma", "σ", ATOM_ORD},
    {"varsigma", "ς", ATOM_ORD},
    {"tau", "τ", ATOM_ORD},
    {"upsilon", "υ", ATOM_ORD},
    {"phi", "ϕ", ATOM_ORD},
    {"varphi", "φ", ATOM_ORD},
    {"chi", "χ", ATOM_ORD},
    {"psi", "ψ", ATOM_ORD},
    {"omega", "ω", ATOM_ORD},
    {"Gamma", "Γ", ATOM_ORD},
    {"Delta", "Δ", ATOM_ORD},
    {"Theta", "Θ", ATOM_ORD},
    {"Lambda", "Λ", ATOM_ORD},
    {"Xi", "Ξ", ATOM_ORD},
    {"Pi", "Π", ATOM_ORD},
    {"Sigma", "Σ", ATOM_ORD},
    {"Phi", "Φ", ATOM_ORD},
    {"Psi", "Ψ", ATOM_ORD},
    {"Omega", "Ω", ATOM_ORD},
    // other letters and signs
    {"ell", "ℓ", ATOM_ORD},
    {"infty", "∞", ATOM_ORD},
    {"partial", "∂", ATOM_ORD},
    {"nabla", "∇", ATOM_ORD},
    {"forall", "∀", ATOM_ORD},
    {"exists", "∃", ATOM_ORD},
    {"top", "⊤", ATOM_ORD},
    {"prime", "′", ATOM_ORD},
    {"ldots", "…", ATOM_ORD},
    {"cdots", "⋯", ATOM_ORD},
    {"dots", "…", ATOM_ORD},
    {"%", "%", ATOM_ORD},
    {"|", "‖", ATOM_ORD},
    // functions
    {"log", "log", ATOM_FUNCTION},
    {"ln", "ln", ATOM_FUNCTION},
    {"exp", "exp", ATOM_FUNCTION},
    {"sin", "sin", ATOM_FUNCTION},
    {"cos", "cos", ATOM_FUNCTION},
    {"tan", "tan", ATOM_FUNCTION},
    {"tanh", "tanh", ATOM_FUNCTION},
    {"arg", "arg", ATOM_FUNCTION},
    {"max", "max", ATOM_LIMIT},
    {"min", "min", ATOM_LIMIT},
    {"sup", "sup", ATOM_LIMIT},
    {"inf", "inf", ATOM_LIMIT},
    {"lim", "lim", ATOM_LIMIT},
    {"det", "det", ATOM_LIMIT},
    {"Pr", "Pr", ATOM_LIMIT},
    // large operators
    {"sum", "∑", ATOM_SUM},
    {"prod", "∏", ATOM_SUM},
    {"int", "∫", ATOM_INTEGRAL},
    // binary operators
    {"cdot", "⋅", ATOM_BINARY},
    {"times", "×", ATOM_BINARY},
    {"pm", "±", ATOM_BINARY},
    {"mp", "∓", ATOM_BINARY},
    {"circ", "∘", ATOM_BINARY},
    {"cup", "∪", ATOM_BINARY},
    {"cap", "∩", ATOM_BINARY},
    {"setminus", "∖", ATOM_BINARY},
    {"odot", "⊙", ATOM_BINARY},
    // relations
    {"mid", "∣", ATOM_RELATION},
    {"propto", "∝", ATOM_RELATION},
    {"le", "≤", ATOM_RELATION},
    {"leq", "≤", ATOM_RELATION},
    {"ge", "≥", ATOM_RELATION},
    {"geq", "≥", ATOM_RELATION},
    {"ll", "≪", ATOM_RELATION},
    {"gg", "≫", ATOM_RELATION},
    {"ne", "≠", ATOM_RELATION},
    {"neq", "≠", ATOM_RELATION},
    {"approx", "≈", ATOM_RELATION},
    {"equiv", "≡", ATOM_RELATION},
    {"sim", "∼", ATOM_RELATION},
    {"in", "∈", ATOM_RELATION},
    {"notin", "∉", ATOM_RELATION},
    {"subset", "⊂", ATOM_RELATION},
    {"succ", "≻", ATOM_RELATION},
    {"to", "→", ATOM_RELATION},
    {"rightarrow", "→", ATOM_RELATION},
    {"leftarrow", "←", ATOM_RELATION},
    {"mapsto", "↦", ATOM_RELATION},
    {"Rightarrow", "⇒", ATOM_RELATION},
    {"Leftrightarrow", "⇔", ATOM_RELATION},
    // brackets
    {"{", "{", ATOM_OPEN},
    {"}", "}", ATOM_CLOSE},
    {"langle", "⟨", ATOM_OPEN},
    {"rangle", "⟩", ATOM_CLOSE},
    {"lvert", "|", ATOM_OPEN},
    {"rvert", "|", ATOM_CLOSE},
    {"lVert", "‖", ATOM_OPEN},
    {"rVert", "‖", ATOM_CLOSE},
    {"lfloor", "⌊", ATOM_OPEN},
    {"rfloor", "⌋", ATOM_CLOSE},
    {"lceil", "⌈", ATOM_OPEN},
    {"rceil", "⌉", ATOM_CLOSE},
    // spaces: the width
    {",", "0.167em", ATOM_SPACE},
    {":", "0.222em", ATOM_SPACE},
    {";", "0.278em", ATOM_SPACE},
    {"!", "-0.167em", ATOM_SPACE},
    {" ", "0.25em", ATOM_SPACE},
    {"quad", "1em", ATOM_SPACE},
    {"qquad", "2em", ATOM_SPACE},
};

// Commands with arguments, each with the sample that --tex-list prints.
static const char *const tex_forms[][2] = {
    {"frac", "\\frac{a}{b}"},
    {"sqrt", "\\sqrt{x} + \\sqrt[3]{x}"},
    {"hat", "\\hat{x}"},
    {"bar", "\\bar{x}"},
    {"tilde", "\\tilde{x}"},
    {"vec", "\\vec{x}"},
    {"dot", "\\dot{x}"},
    {"overline", "\\overline{xy}"},
    {"mathbb", "\\mathbb{E}"},
    {"mathcal", "\\mathcal{N}"},
    {"mathbf", "\\mathbf{x}"},
    {"mathrm", "\\mathrm{KL}"},
    {"operatorname", "\\operatorname{Var}[x]"},
    {"text", "\\text{if } x"},
    {"left", "\\left( x \\right]"},
    {"right", "\\left. x \\right|"},
    {"begin", "\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}"},
    {"end", "\\begin{cases} a & x \\\\ b & y \\end{cases}"},
};

static inline const TexSymbol *tex_symbol(const char *name) {
    size_t i;
    for (i = 0; i < sizeof tex_symbols / sizeof tex_symbols[0]; i++) {
        if (strcmp(tex_symbols[i].name, name) == 0) {
            return &tex_symbols[i];
        }
    }
    return NULL;
}

// One line per command: the command, a tab, a formula that uses it.
static inline void tex_list(FILE *f) {
    size_t i;
    for (i = 0; i < sizeof tex_symbols / sizeof tex_symbols[0]; i++) {
        fprintf(f, "\\%s\tx \\%s y\n", tex_symbols[i].name, tex_symbols[i].name);
    }
    for (i = 0; i < sizeof tex_forms / sizeof tex_forms[0]; i++) {
        fprintf(f, "\\%s\t%s\n", tex_forms[i][0], tex_forms[i][1]);
    }
}

#endif
