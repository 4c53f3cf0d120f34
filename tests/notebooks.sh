#!/bin/sh
# notebooks.sh: is every committed notebook what build/nb renders today, and does nb refuse what it must refuse?
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
NB=$BUILD/nb
CFLAGS="-std=c99 -O2 $EXACT" # what nb compiles a lab with; its pages must not depend on more than that
export CC CFLAGS
work=build/test_tmp/nb

# Without the words of the command.
quiet() {
    "$@" >/dev/null 2>&1
}

build "$NB" || { bad 'nb does not build'; finish notebooks; }
rm -rf "$work"
mkdir -p "$work/a" "$work/lab"

# ---- the committed notebooks are fresh ----------------------------------------------------------------------------

for lab in notebooks-c/*.c; do
    name=$(basename "$lab" .c)
    [ "$name" = nb ] && continue
    check "$name renders" quiet "$NB" --out "$work/a" --work "$work" "$lab"
    for made in "$work/a/$name".* "$work/a/$name"_*; do
        file=$(basename "$made")
        check "$file is what build/nb $lab makes today" quiet cmp "$made" "notebooks-c/$file"
    done
    for old in "notebooks-c/$name".md "notebooks-c/$name".html "notebooks-c/$name".ipynb "notebooks-c/$name"_*; do
        check "$old is still made" quiet test -f "$work/a/$(basename "$old")"
        check "$old is smaller than 500000 bytes" quiet test "$(wc -c <"$old")" -lt 500000
    done

    # the plain program prints what the pages show
    check "$name compiles alone" quiet "$CC" $CFLAGS "$lab" -lm -o "$work/plain"
    "$work/plain" >"$work/plain.txt"
    awk '/^```text$/ { on = 1; next } /^```$/ { on = 0 } on' "$work/a/$name.md" >"$work/shown.txt"
    check "$name prints the same without nb" quiet cmp "$work/plain.txt" "$work/shown.txt"
    check "$name prints something" quiet test -s "$work/plain.txt"

    check "$name.html has no script" quiet test "$(grep -c '<script' "$work/a/$name.html")" -eq 0
    check "$name.html has MathML" quiet grep -q '<math ' "$work/a/$name.html"
    check "$name.html has every picture" quiet test "$(grep -c 'src="data:image/' "$work/a/$name.html")" \
        -eq "$(ls "$work/a/$name"_* | wc -l)"
    ids=$(grep -c '"id": "cell-' "$work/a/$name.ipynb")
    check "$name.ipynb repeats no cell id" quiet test "$(grep '"id": "cell-' "$work/a/$name.ipynb" | sort -u | wc -l)" -eq "$ids"
    check "$name.ipynb has PNG or SVG" quiet grep -q -e '"image/png": "iVBORw0KGgo' -e '"image/svg+xml"' "$work/a/$name.ipynb"
    check "$name.ipynb is nbformat 4.5" quiet grep -q '"nbformat_minor": 5' "$work/a/$name.ipynb"
done

# ---- the exercises of tilt_by_hand tell right from wrong -----------------------------------------------------------

# The answers by another route: awk, and the numbers the page prints.
one=$(awk '/^arm .*factor/ { on = 1; next } /Z =/ { on = 0 } on { z += $2 * exp($3 / 0.5) } END { printf "%.3f", log(z) }' \
    "$work/a/tilt_by_hand.md")
two=$(awk '$1 == "0.2500" { for (n = 1; log(n) - (n - 1) / n < $4; n++) {} print n; exit }' "$work/a/tilt_by_hand.md")
three=$(awk '/^arm .*factor/ { on = 1; next } /Z =/ { on = 0 }
    on { w = $2 * exp($3); z += w; m += w * $3; s += w * $3 * $3 } END { printf "%.5f", s / z - m / z * m / z }' \
    "$work/a/tilt_by_hand.md")
# answers A B C WORD COUNT: with these three answers the lab prints WORD COUNT times.
answers() {
    sed -e "s|answer_1 = NAN|answer_1 = $1|" -e "s|answer_2 = NAN|answer_2 = $2|" -e "s|answer_3 = NAN|answer_3 = $3|" \
        notebooks-c/tilt_by_hand.c >"$work/answers.c"
    "$CC" $CFLAGS -I notebooks-c "$work/answers.c" -lm -o "$work/answers" || return 1
    "$work/answers" >"$work/answers.txt"
    test "$(grep -c "^exercise [123]: $4" "$work/answers.txt")" -eq "$5"
}
check "exercises without answers are open" quiet answers NAN NAN NAN open 3
check "right answers ($one, $two, $three) are right" quiet answers "$one" "$two" "$three" right 3
check "wrong answers are not" quiet answers "1 + $one" "1 + $two" "1 + $three" "not yet" 3

# ---- the TeX subset ------------------------------------------------------------------------------------------------

"$NB" --tex-list >"$work/tex.txt"
while IFS='	' read -r command sample; do
    check "--tex '$sample'" quiet "$NB" --tex "$sample"
    if grep -qF -e "\`$command\`" -e "\`$command{" notebooks-c/README.md; then ok; else bad "README.md lacks $command"; fi
done <"$work/tex.txt"
check "--tex-list is long" quiet test "$(wc -l <"$work/tex.txt")" -gt 120

# mathml FORMULA INNER: the formula becomes this MathML.
mathml() {
    want="<math xmlns=\"http://www.w3.org/1998/Math/MathML\" display=\"block\"><mrow>$2</mrow></math>"
    got=$("$NB" --tex "$1")
    if [ "$got" = "$want" ]; then ok; else bad "$1
  want $want
  got  $got"; fi
}
mathml 'x' '<mi>x</mi>'
mathml '0.25' '<mn>0.25</mn>'
mathml 'x^2' '<msup><mi>x</mi><mrow><mn>2</mn></mrow></msup>'
mathml 'x_i^{2n}' '<msubsup><mi>x</mi><mrow><mi>i</mi></mrow><mrow><mrow><mn>2</mn><mi>n</mi></mrow></mrow></msubsup>'
mathml 'x^12' '<msup><mi>x</mi><mrow><mn>1</mn></mrow></msup><mn>2</mn>'
mathml '\frac ab' '<mfrac><mi>a</mi><mi>b</mi></mfrac>'
mathml '\sqrt[3]x' '<mroot><mi>x</mi><mrow><mn>3</mn></mrow></mroot>'
mathml '\mathbb{E}' '<mrow><mi>𝔼</mi></mrow>'
mathml '\mathbb{R}\mathcal{L}' '<mrow><mi>ℝ</mi></mrow><mrow><mi>ℒ</mi></mrow>'
mathml '\mathrm{KL}' '<mi>KL</mi>'
mathml '\hat x' '<mover accent="true"><mi>x</mi><mo stretchy="false">^</mo></mover>'
mathml '-x' '<mo form="prefix">−</mo><mi>x</mi>'
mathml 'a-b' '<mi>a</mi><mo form="infix">−</mo><mi>b</mi>'
mathml '\log x' '<mi>log</mi><mspace width="0.167em"></mspace><mi>x</mi>'
mathml '\log(x)' '<mi>log</mi><mo form="prefix" stretchy="false">(</mo><mi>x</mi><mo form="postfix" stretchy="false">)</mo>'
mathml '\sum_i^n' '<munderover><mo form="prefix" movablelimits="true">∑</mo><mrow><mi>i</mi></mrow><mrow><mi>n</mi></mrow></munderover>'
mathml '\int_0^1' '<msubsup><mo form="prefix">∫</mo><mrow><mn>0</mn></mrow><mrow><mn>1</mn></mrow></msubsup>'
mathml '\left(x\right.' '<mrow><mo form="prefix" fence="true" stretchy="true">(</mo><mrow><mi>x</mi></mrow></mrow>'
mathml 'a<b' '<mi>a</mi><mo form="infix" stretchy="false" lspace="0.278em" rspace="0.278em">&lt;</mo><mi>b</mi>'

# signs FORMULA TEXT: without its tags the formula is this text.
signs() {
    got=$("$NB" --tex "$1" | sed 's/<[^>]*>//g')
    if [ "$got" = "$2" ]; then ok; else bad "$1: got $got, expected $2"; fi
}
signs '\alpha\beta\gamma\delta\epsilon\varepsilon\zeta\eta\theta\iota\kappa\lambda' 'αβγδϵεζηθικλ'
signs '\mu\nu\xi\pi\rho\sigma\varsigma\tau\upsilon\phi\varphi\chi\psi\omega' 'μνξπρσςτυϕφχψω'
signs '\Gamma\Delta\Theta\Lambda\Xi\Pi\Sigma\Phi\Psi\Omega' 'ΓΔΘΛΞΠΣΦΨΩ'
signs '\ell\infty\partial\nabla\forall\exists\top\ldots\cdots\|\%' 'ℓ∞∂∇∀∃⊤…⋯‖%'
signs 'x\sum\prod\int\cdot\times\pm\mp\circ\cup\cap\setminus\odot' 'x∑∏∫⋅×±∓∘∪∩∖⊙'
signs '\mid\propto\le\ge\ll\gg\ne\approx\equiv\sim\in\notin\subset\succ\to\leftarrow\mapsto\Rightarrow' '∣∝≤≥≪≫≠≈≡∼∈∉⊂≻→←↦⇒'
signs '\{\}\langle\rangle\lvert\rvert\lVert\rVert\lfloor\rfloor\lceil\rceil' '{}⟨⟩||‖‖⌊⌋⌈⌉'

# no_math FORMULA PATTERN: the formula is refused with exit 1, one line, that says so.
no_math() {
    "$NB" --tex "$1" >"$work/out.txt" 2>"$work/err.txt"
    status=$?
    if [ $status -eq 1 ] && [ "$(wc -l <"$work/err.txt")" -eq 1 ] && [ ! -s "$work/out.txt" ] &&
        grep -qF -e "$2" "$work/err.txt"; then ok; else
        bad "--tex '$1' gave status $status and: $(cat "$work/err.txt")"
    fi
}
no_math '\foo' 'unknown command \foo'
no_math 'x^2^3' "two scripts '^'"
no_math 'x_1_2' "two scripts '_'"
no_math '{x' "ends before its '}'"
no_math 'x}' "'}' stands where"
no_math '^2' "'^' stands where"
no_math '\frac{a}' '\frac has no argument'
no_math '\left( x' "ends before its '\\right'"
no_math '\right)' '\right without its \left'
no_math '\left x' '\left must be followed by one of'
no_math '\begin{matrix} a \end{matrix}' 'unknown environment {matrix}'
no_math '\begin{cases} a' "ends before its '\\end'"
no_math '\begin{cases} a \end{aligned}' '\end{ must be followed by cases'
no_math 'a & b' "'&' stands where"
no_math 'x # y' "'#' is outside"
no_math 'é' 'is outside the TeX subset'
no_math '\mathbb{e}' 'capital letters only'
no_math '\mathrm{a{b}}' "cannot carry the character '{'"
no_math ' ' 'an empty formula'
no_math 'x \' 'a backslash begins no command'
no_math '\,^2' 'a script on a space'
no_math "$(awk 'BEGIN { for (i = 0; i < 60; i++) printf "{"; for (i = 0; i < 60; i++) printf "}" }')" 'levels deep'

# ---- one small lab with everything ---------------------------------------------------------------------------------

head='#include "../../../../notebooks-c/cell.h"'
cat >"$work/lab/full.c" <<END
// full.c: the thesis is not rendered.

// %% [markdown]
// # Title & *more*
// A \`code\` span, **strong**, *em*, [a link](x.md), \$p^*\$ and \\*.
// Next line of p*, p_ref and *a * b*.
//
// \$\$ x \$\$
// \$\$
// y
// \$\$
//
// | a | b |
// |---|--:|
// | \$x\$ | 1 |
//
// - one
//   more
// - two
//
// > said
//
// \`\`\`sh
// \$HOME <b>
// \`\`\`

// %%
$head
static int twice(int x) {
    return 2 * x; // %% not a cell
}

// %%
int main(void) {
    printf("a <%d>\n", twice(2));

    // %%
    const char *path = cell_picture("svg", "a [picture]");
    if (path) {
        FILE *f = fopen(path, "w");
        fputs("<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n", f);
        fclose(f);
    }
    printf("after\n");

    // %%
    return 0;
}

// %% [show] tests/harness.h is_near
END
cat >"$work/full.md" <<'END'
<!-- build/nb made this page from full.c; edit that file -->

# Title & *more*
A `code` span, **strong**, *em*, [a link](x.md), $`p^*`$ and \*.
Next line of p*, p_ref and *a * b*.

```math
x
```
```math
y
```

| a | b |
|---|--:|
| $`x`$ | 1 |

- one
  more
- two

> said

```sh
$HOME <b>
```

```c
#include "../../../../notebooks-c/cell.h"
static int twice(int x) {
    return 2 * x; // %% not a cell
}
```

```c
int main(void) {
    printf("a <%d>\n", twice(2));
```

Output:

```text
a <4>
```

```c
const char *path = cell_picture("svg", "a [picture]");
if (path) {
    FILE *f = fopen(path, "w");
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n", f);
    fclose(f);
}
printf("after\n");
```

![a \[picture\]](full_1.svg)

Output:

```text
after
```

```c
    return 0;
}
```

`is_near` in [`tests/harness.h`](../../../../tests/harness.h):

```c
// |got - want| <= abs + rel |want|; written so that a NaN on either side fails.
static inline int is_near(double got, double want, double rel, double abs_) {
    return fabs(got - want) <= abs_ + rel * fabs(want);
}
```
END
echo stale >"$work/lab/full_2.svg"
echo stale >"$work/lab/full_1.png"
check "full.c renders" quiet "$NB" --work "$work" "$work/lab/full.c"
check "full.md" quiet cmp "$work/full.md" "$work/lab/full.md"
check "an older run's second picture is removed" quiet test ! -f "$work/lab/full_2.svg"
check "an older run's picture of another kind is removed" quiet test ! -f "$work/lab/full_1.png"
cat >"$work/full.html" <<'END'
<h1>Title &amp; <em>more</em></h1>
<p>A <code>code</code> span, <strong>strong</strong>, <em>em</em>, <a href="x.md">a link</a>, MATH and *.
Next line of p*, p_ref and <em>a * b</em>.</p>
MATH
MATH
<table>
<tr><th class="l">a</th><th class="r">b</th></tr>
<tr><td class="l">MATH</td><td class="r">1</td></tr>
</table>
<ul>
<li>one
more</li>
<li>two</li>
</ul>
<blockquote>said
</blockquote>
<pre class="code">$HOME &lt;b&gt;
</pre>
END
sed -e 's|<math [^~]*</math>|MATH|' "$work/lab/full.html" | sed -n '/<h1>/,/^<\/pre>/p' >"$work/full.cut"
check "full.html" quiet cmp "$work/full.html" "$work/full.cut"
check "full.html: output" quiet grep -qF '<pre class="out">a &lt;4&gt;' "$work/lab/full.html"
cat >"$work/full.json" <<'END'
   "outputs": [
    {
     "data": {
      "image/svg+xml": [
       "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n"
      ],
      "text/plain": [
       "a [picture]"
      ]
     },
     "metadata": {},
     "output_type": "display_data"
    },
    {
     "name": "stdout",
     "output_type": "stream",
     "text": [
      "after\n"
     ]
    }
   ],
END
sed -n '/"data": {/,/^   \],/p' "$work/lab/full.ipynb" | sed -e '1i\
   "outputs": [\
    {' >"$work/full.cut"
check "full.ipynb: outputs" quiet cmp "$work/full.json" "$work/full.cut"
cp "$work/lab/full.md" "$work/lf.md"
sed -e "s/\$/$(printf '\r')/" "$work/lab/full.c" >"$work/crlf.c"
mv "$work/crlf.c" "$work/lab/full.c"
check "a lab with CR LF renders" quiet "$NB" --work "$work" "$work/lab/full.c"
check "a lab with CR LF renders to the same bytes" quiet cmp "$work/lf.md" "$work/lab/full.md"

# ---- what must be refused ------------------------------------------------------------------------------------------

# lab FORMAT ARGUMENT...: printf writes the lab bad.c.  (Not a pipe into refuse: its counts would stay in a subshell.)
lab() {
    printf "$@" >"$work/lab/bad.c"
}
# refuse STATUS PATTERN: bad.c ends nb with this status and a line with the pattern; the old outputs stay.
# PATTERN may begin with "bad.c:LINE:".
refuse() {
    for end in md html ipynb; do echo old >"$work/lab/bad.$end"; done
    "$NB" --work "$work" "$work/lab/bad.c" >"$work/out.txt" 2>"$work/err.txt"
    status=$?
    kept=$(cat "$work/lab/bad.md" "$work/lab/bad.html" "$work/lab/bad.ipynb" | tr -d '\n')
    if [ $status -eq "$1" ] && [ "$kept" = oldoldold ] && grep -qF -e "$2" "$work/err.txt" &&
        [ "$(grep -c '^tilt: build' "$work/err.txt")" -le 1 ] && [ -z "$(ls "$work/lab" | grep '\.tmp$')" ]; then ok; else
        bad "'$2' expected; got status $status, kept '$kept': $(cat "$work/err.txt")"
    fi
}
# text PATTERN TEXT: a lab whose text cell has this one line (number 2).
text() {
    lab '// %%%% [markdown]\n// %s\n// %%%%\n%s\nint main(void) {\n    return 0;\n}\n' "$2" "$head"
    refuse 1 "$1"
}
# body PATTERN C-LINE...: a lab whose main (line 3) has these lines, the first is number 4.
body() {
    pattern=$1
    shift
    lab '// %%%%\n%s\nint main(void) {\n%s\n    return 0;\n}\n' "$head" "$(printf '%s\n' "$@")"
    refuse 1 "$pattern"
}

text 'bad.c:2: math: unknown command \foo' 'a formula $x + \foo$'
text 'bad.c:2: inline math' 'a dollar $ alone'
text 'bad.c:2: blanks inside' 'math $ x $'
text 'bad.c:2: a code span' 'a `tick'
text 'bad.c:2: emphasis' '**strong without an end'
text 'bad.c:2: display math' 'text $$x$$'
text 'bad.c:2: the display math that begins here' '$$'
text 'bad.c:2: the code block that begins here' '```c'
text 'bad.c:2: raw HTML' 'a <b>tag</b>'
text 'bad.c:2: a picture by address' '![x](y.png)'
text 'bad.c:2: emphasis with underscores' 'some _words_'
text 'bad.c:2: a heading' '#title'
text 'bad.c:2: a table' '| a | b |'
text 'bad.c:2: the address' '[text](address with blanks)'
lab '// %%%% [markdown]\n// - a\n//   - b\n// %%%%\n%s\nint main(void) { return 0; }\n' "$head"
refuse 1 'bad.c:3: a block inside a list'
lab '// %%%% [markdown]\n// a\n\nint x;\n'
refuse 1 'bad.c:4: the text cell that begins in line 1 runs into code'
lab '// %%%% [figure]\n'
refuse 1 "bad.c:1: unknown cell '[figure]'"
lab 'int x;\n// %%%%\n'
refuse 1 'bad.c:1: code before the first cell'
lab '// %%%% [show] ref/core/base.h no_such_function\n// %%%%\n%s\nint main(void) { return 0; }\n' "$head"
refuse 1 "bad.c:1: [show] 'ref/core/base.h' defines no function 'no_such_function'"
lab '// %%%% [show] ref/core/no_such_file.h f\n// %%%%\n%s\nint main(void) { return 0; }\n' "$head"
refuse 1 "bad.c:1: [show] cannot open 'ref/core/no_such_file.h'"
lab '// %%%% [show] ref/core/base.h\n'
refuse 1 'bad.c:1: write // %% [show] FILE FUNCTION'
lab '// %%%%\n#include <stdio.h>\nint main(void) { return 0; }\n'
refuse 1 'does not include cell.h'
lab '// %%%%\n%s\n' "$head"
refuse 1 '0 functions main'
lab '// %%%%\n%s\nint main(void) {\n' "$head"
refuse 1 '1 braces open'
body 'bad.c:5: a cell begins 2 braces deep' '    for (int i = 0; i < 2; i++) {' '    // %%' '    }'
body 'does not compile' '    this is no C;'
grep -q 'bad.c:4:' "$work/err.txt" && ok || bad "the compiler does not name the lab's line: $(cat "$work/err.txt")"
body 'bad.c:5: the lab ended with status 3 in the cell that begins here' '    printf("x\n");' '    // %%' '    exit(3);'
body 'bad.c:1: the lab ended with status 134' '    abort();'
body 'bad.c:6: the lab ended before this cell ran' '    if (1)' '        return 0;' '    // %%'
body 'bad.c:1: picture 1 of this cell ("none") was announced' '    cell_picture("png", "none");'
body 'bad.c:1: picture 1 of this cell ("text") is no png file' '    FILE *f = fopen(cell_picture("png", "text"), "w");' \
    '    fputs("no picture", f);' '    fclose(f);'
body 'bad.c:1: the lab ended with status 1' '    cell_picture("gif", "x");'
body 'is no printable UTF-8' '    putchar(27);'
body 'bad.c:5: this cell ran twice' '    int n = 0; again:;' '    // %%' '    if (n++ < 1) goto again;'
lab '// %%%%\n%s\nint main(void) { return 0; } // \377\n' "$head"
refuse 1 'is no printable UTF-8'

lab '// %%%%\n%s\nint main(void) { return 0; } // \355\240\200\n' "$head"
refuse 1 'is no printable UTF-8'
lab '// %%%% [markdown]\n// $\\foo$\n// %%%%\n%s\nint main(void) { no C }\n' "$head"
refuse 1 'bad.c:2: math' # mistakes in the text show before the compiler runs

# usage STATUS PATTERN ARGUMENT...: this command line is refused.
usage() {
    want=$1
    pattern=$2
    shift 2
    "$NB" "$@" >"$work/out.txt" 2>"$work/err.txt"
    status=$?
    if [ $status -eq "$want" ] && [ "$(wc -l <"$work/err.txt")" -eq 1 ] && grep -qF -e "$pattern" "$work/err.txt"; then ok; else
        bad "nb $* gave status $status and: $(cat "$work/err.txt")"
    fi
}
usage 1 "cannot open 'notebooks-c/no_such_lab.c'" notebooks-c/no_such_lab.c
usage 1 "has the character ' '" 'notebooks-c/a lab.c'
usage 1 "has the character ';'" 'notebooks-c/x;y.c'
usage 1 'does not end in .c' notebooks-c/README.md
usage 2 'give one lab'
usage 2 'unknown option' --no-such-option
usage 2 'one word too many' a.c b.c
kept_cc=$CC
CC='cc; true'
usage 1 "CC 'cc; true' has the character ';'" --out "$work/a" --work "$work" notebooks-c/tilt_by_hand.c
CC=$kept_cc
check "--help" quiet "$NB" --help

finish notebooks
