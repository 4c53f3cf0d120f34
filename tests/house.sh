#!/bin/sh
# house.sh: the rules of the house, checked on the text of the repository.
#   sh tests/house.sh             every rule, the pictures, and the proof that each rule can fail
#   sh tests/house.sh --rules     the rules on the text alone, in the current folder (the proof uses it)
#   sh tests/house.sh --pictures  draw the pictures of the chapters again and store them
# Each rule prints one line for every place that breaks it: FILE:LINE: what is wrong.
if [ "${1:-}" != --rules ]; then
    cd "$(dirname "$0")/.." || exit 2
    . tests/common.sh
fi

# ---- the rules ---------------------------------------------------------------------------------------------------------

C_FILES() {
    find ref toy tutorial notebooks-c tests \( -name '*.h' -o -name '*.c' -o -name '*.cu' -o -name '*.cuh' \) -type f |
        sort
}
MD_FILES() {
    find . \( -name build -o -name out -o -name .git \) -prune -o -name '*.md' -type f -print | sed 's:^\./::' | sort
}
# Functions shared by the awk programs below.
AWK='
function tidy(path) {
    sub(/^\.\//, "", path)
    while (match(path, /[^\/.][^\/]*\/\.\.\//)) path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
    return path
}
function folder(path) { return match(path, /.*\//) ? substr(path, 1, RLENGTH) : "" }
function exists(path,    line, r) { r = (getline line < path); close(path); return r >= 0 }
# A line without its strings and comments; block comments are followed from line to line.
function code(line,    at) {
    gsub(/\\./, "", line); gsub(/"[^"]*"/, "\"\"", line); gsub(/\047[^\047]*\047/, "0", line)
    if (FNR == 1) inside = 0
    if (inside) { at = index(line, "*/"); if (!at) return ""; line = substr(line, at + 2); inside = 0 }
    while (match(line, /\/[\/*]/)) {
        if (substr(line, RSTART, 2) == "//") return substr(line, 1, RSTART - 1)
        at = index(substr(line, RSTART + 2), "*/")
        if (!at) { inside = 1; return substr(line, 1, RSTART - 1) }
        line = substr(line, 1, RSTART - 1) " " substr(line, RSTART + at + 3)
    }
    return line
}
function say(words) { print FILENAME ":" FNR ": " words }
# The fast kernels and what is made of them are C++, because nvcc compiles C++; everything else is C99.
function cpp(path) {
    if (path ~ /^ref\/cuda\/(thread|memory|plain_[a-z]*)\.h$/ || path ~ /_gpu\.h$/) return 0
    return path ~ /^ref\/cuda\/.*\.h$/ || path ~ /^toy\/model\/unet_fast.*\.h$/ || path ~ /^tests\/(emulate|fused)_.*\.h$/
}
'

# tutorial -> toy -> ref -> libc, never upwards, never from chapter to chapter.  A test may include what it tests.
rule_includes() {
    awk "$AWK"'
    function room(path) {
        if (path ~ /^tutorial\//) { split(path, p, "/"); return "tutorial/" p[2] }
        split(path, p, "/"); return p[1]
    }
    function may(from, to) {
        if (from == to || to == "ref") return 1
        if (from == "ref") return 0
        if (to == "toy") return 1
        return from == "tests" && (to == "notebooks-c" || to ~ /^tutorial/)
    }
    BEGIN {
        n = split("ctype errno float inttypes limits math setjmp signal stdarg stddef stdint stdio stdlib string time", l)
        for (i = 1; i <= n; i++) libc["<" l[i] ".h>"] = 1
    }
    FNR == 1 { depth = 0 }
    /^[ \t]*#[ \t]*if/ { depth++ }
    /^[ \t]*#[ \t]*endif/ { depth-- }
    /^[ \t]*#[ \t]*include/ {
        name = $0; sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name); sub(/[ \t]*(\/\/.*)?$/, "", name)
        if (name ~ /^"/) {
            gsub(/"/, "", name); target = tidy(folder(FILENAME) name)
            if (!exists(target)) say("includes " target ", which does not exist")
            else if (!may(room(FILENAME), room(target))) say("may not include " target)
        } else if (!(name in libc) && !(cpp(FILENAME) && name ~ /^<(functional|vector|ucontext\.h)>$/)) {
            # a system header is legal behind an #if (the guard of a header is one), in the rooms that talk to a system
            if (!(FILENAME ~ /^(ref\/(show|ledger|file|cuda)|notebooks-c)\// && depth > (FILENAME ~ /\.h$/)))
                say("includes " name ", which is not C99")
        }
    }' $(C_FILES)
}

# Our own exp, log, sin ... where results are hashed; nothing that is random, clamps the rounding rules or is not C99.
rule_words() {
    awk "$AWK"'
    function has(text, word) { return (" " text) ~ ("[^A-Za-z0-9_](" word ")[ \t]*[(]") }
    {
        text = code($0)
        if (FILENAME ~ /^(ref\/core|ref\/formula|toy|tutorial)\// && $0 !~ /libm: *[^ ]/ &&
            has(text, "(exp|exp2|expm1|log|log2|log10|log1p|pow|cbrt|hypot|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|" \
                      "tanh|asinh|acosh|atanh|erf|erfc|tgamma|lgamma)[fl]?"))
            say("a transcendental of libm; use ref/core/elementary.h, or give the reason in a comment `libm: ...`")
        if (FILENAME ~ /^tests\//) next
        if (has(text, "rand|srand|random|srandom|drand48|rand_r")) say("random numbers come from ref/core/rng.h only")
        if (has(text, "time") && FILENAME !~ /^ref\/show\//) say("a program that reads the calendar does not repeat itself")
        if (has(text, "getopt|getopt_long|alloca|gets|sprintf|strcpy|strcat")) say("not C99, or a write without a bound")
        if (text ~ /[^A-Za-z0-9_]M_(PI|E|SQRT2|LN2)[^A-Za-z0-9_]/) say("M_ constants are not C99; PI is in base.h")
        if (text ~ /OMP\(.*reduction/) say("the order of a sum must not depend on the number of threads")
        if (text ~ /#[ \t]*pragma/ && FILENAME !~ /base\.h$/) say("pragmas hide in the macros OMP and SIMD of base.h")
    }' $(C_FILES)
    grep -nE -e '-(ffast-math|Ofast|funsafe-math)' Makefile .ci/run .github/workflows/*.yml tests/*.sh 2>/dev/null |
        grep -v '^tests/house' | sed 's/$/  (never fast-math)/'
}

# One guard, static inline functions, lines a projector can show, files one can read.
rule_headers() {
    columns=$(sed -n 's/^ColumnLimit: *//p' .clang-format 2>/dev/null)
    awk -v columns="${columns:-110}" "$AWK"'
    function finish() { if (last != "" && lines > 400 && last !~ /^tests\//) print last ":" lines ": more than 400 lines: is it one subject?" }
    FNR == 1 {
        finish(); last = FILENAME; guard = 0
        if ($0 !~ /^\/\/ /) say("the first line says in a comment what the file is")
    }
    { lines = FNR }
    length($0) > columns { say("a line of " length($0) " columns") }
    /\t/ { say("a tab") }
    /[ \t]$/ { say("blanks at the end of the line") }
    FILENAME ~ /\.h$/ && /^#ifndef / && !guard {
        guard = 1
        if ($2 !~ /^TILT_[A-Z0-9_]+_H$/) say("the guard is " $2 ", expected TILT_NAME_H")
        else if ($2 in guards) say("the guard " $2 " is that of " guards[$2])
        guards[$2] = FILENAME
    }
    FILENAME ~ /\.h$/ && !cpp(FILENAME) && /^[A-Za-z_].*\(.*\{$/ &&
        !/^(static inline|typedef|struct|union|enum|extern "C"|KERNEL\()/ && before !~ /^static inline/ { say("a function of a header is static inline") }
    FILENAME ~ /^ref\/formula\// && /\/\*/ { say("formulas stand in // lines: math in a block comment can close it") }
    { before = $0 }
    END { finish() }' $(C_FILES)
}

# `// F:` blocks: ids, words, chapter; formula lines; one source; one check; then a function.  An id lives in one file.
rule_formulas() {
    awk "$AWK"'
    function close_block(    i) {
        if (!block) return
        if (sources != 1) print where ": " sources + 0 " lines `//   source: ...` in the block, expected 1"
        if (checks != 1) print where ": " checks + 0 " lines `//   check: ...` in the block, expected 1"
        if (!body) print where ": the block has no formula line"
        block = 0
    }
    FNR == 1 { close_block(); pending = "" }
    /^[ \t]*\/\/ *F:/ {
        close_block(); block = 1; where = FILENAME ":" FNR; sources = checks = body = 0; pending = where
        if ($0 !~ /^\/\/ F: [a-z]/) say("a block starts with `// F: id  words  [chapter N]` in column 1")
        if ($0 !~ /\[chapters? [0-9]+(, [0-9]+)*\]$/) say("no [chapter N] at the end of the line")
        ids = 0; split("", here)
        for (i = 3; i <= NF && (i == 3 || $i ~ /^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+,?$/); i++) { id = $i; sub(/,$/, "", id); here[id] = 1; ids++ }
        if (i > NF || $i ~ /^\[/) say("no words between the ids and [chapter N]")
        for (id in here) {
            if (id in home && home[id] != FILENAME) say("id " id " lives in " home[id] " already")
            home[id] = FILENAME
        }
        next
    }
    block && /^\/\// {
        if (/^\/\/   source: *[^ ]/) sources++
        else if (/^\/\/   check: *[^ ]/) checks++
        else if (/^\/\/ *(source|check) *:/) say("write `//   source: ...` and `//   check: ...`, each with words")
        else if (/^\/\/ +[^ ]/) body = 1
        next
    }
    { close_block() }
    pending != "" {
        if ($0 !~ /^static inline .*\(/) print pending ": no function directly under the block"
        else {
            name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
            for (id in here) { if ((id, name) in seen) say("id " id " names " name " twice"); seen[id, name] = 1 }
        }
        pending = ""
    }
    END { close_block(); if (pending != "") print pending ": no function under the block" }' $(find ref -name '*.h' | sort)
}

# Chapters: ten headings in order, at most 250 lines, two exercises with answers, a picture, a row in CHAPTERS.md.
rule_chapters() {
    find tutorial -name 'ch??.c' | sort | while read -r source; do
        dir=${source%/*}
        name=${source##*/}
        name=${name%.c}
        lines=$(wc -l <"$source")
        [ "$lines" -le 250 ] || echo "$source: $((lines)) lines, a chapter has at most 250"
        for k in 1 2; do
            [ -f "$dir/ex$k.c" ] || echo "$dir: no ex$k.c"
            [ -f "tests/answers/${name}_ex$k.patch" ] || echo "$dir/ex$k.c: no tests/answers/${name}_ex$k.patch"
        done
        [ -f "$dir/picture.png" ] || [ -f "$dir/picture.svg" ] || echo "$dir: no picture.png or picture.svg"
        [ -f "tests/expect/$name.txt" ] || echo "$source: no tests/expect/$name.txt"
        grep -q "$dir" CHAPTERS.md 2>/dev/null || echo "CHAPTERS.md: no row that links to $dir"
        [ -f "$dir/README.md" ] || {
            echo "$dir: no README.md"
            continue
        }
        {
            echo '## The question'
            echo '## The one picture'
            echo '## Predict'
            echo '## Run it'
            echo '## The formula'
            echo '## The code'
            echo '## The measured claim'
            echo '## Where real code differs'
            echo '## Exercises'
            echo "## On the survey's five axes"
        } | awk 'NR == FNR { want[NR] = $0; next }
            /^```/ { fence = !fence }
            !fence && /^## / {
                n++
                if ($0 != want[n]) { print FILENAME ":" FNR ": heading " n " is `" $0 "`, expected `" want[n] "`"; exit }
            }
            END { if (n < 10) print FILENAME ": " n + 0 " headings of 10, or out of order" }' - "$dir/README.md"
        awk '/^## / { claim = $0 == "## The measured claim"; picture = $0 == "## The one picture" }
            claim && /<!--claim:/ { claims++ }
            picture && /picture\.(png|svg)/ { pictures++ }
            END {
                if (!claims) print FILENAME ": The measured claim has no number with <!--claim:chNN key-->"
                if (!pictures) print FILENAME ": The one picture does not show picture.png or picture.svg"
            }' "$dir/README.md"
    done
    find tutorial -name README.md -path '*/ch??_*/*' | sort | while read -r text; do
        dir=${text%/*}
        name=${dir##*/}
        name=${name%%_*}
        [ -f "$dir/$name.c" ] || echo "$dir: no $name.c"
    done
}

# Links and file names in Markdown exist, #anchors too; inline math is $`...`$ only; formula ids are known ones.
rule_markdown() {
    ids=$(find ref -name '*.h' -exec sed -n 's/^\/\/ F: //p' {} + |
        awk '{ for (i = 1; i <= NF && (i == 1 || $i ~ /\./); i++) { sub(/,$/, "", $i); print $i } }' | sort -u | tr '\n' ' ')
    files=$(MD_FILES)
    [ -n "$files" ] || return 0
    awk -v ids=" $ids" "$AWK"'
    function slug(text) {
        text = tolower(text); gsub(/[^a-z0-9 _-]/, "", text); gsub(/ /, "-", text)
        return text
    }
    # Is there a heading with this anchor?
    function anchored(path, anchor,    line, fence, found) {
        while ((getline line < path) > 0) {
            if (line ~ /^```/) fence = !fence
            if (!fence && line ~ /^#+ /) { sub(/^#+ +/, "", line); if (slug(line) == anchor) found = 1 }
        }
        close(path)
        return found
    }
    function link(target,    anchor, path) {
        if (target ~ /^[a-z]+:/) return
        anchor = ""
        if (match(target, /#/)) { anchor = substr(target, RSTART + 1); target = substr(target, 1, RSTART - 1) }
        if (target ~ /^\//) { say("link " target " is absolute"); return }
        path = target == "" ? FILENAME : tidy(folder(FILENAME) target)
        sub(/\/$/, "", path)
        if (system("test -e \"" path "\"") != 0) say("link to " path ", which does not exist")
        else if (anchor != "" && path ~ /\.md$/ && !anchored(path, anchor)) say("no heading #" anchor " in " path)
    }
    FNR == 1 { fence = 0; section = "" }
    /^ *```/ { fence = !fence; next }
    fence { next }
    /^## / { section = $0 }
    {
        text = $0
        gsub(/\$`[^`]*`\$/, "", text)
        spans = text
        while (match(spans, /`[^`]*`/)) {
            word = substr(spans, RSTART + 1, RLENGTH - 2); spans = substr(spans, RSTART + RLENGTH)
            if (word ~ /^(ref|toy|tutorial|tests|data|notebooks-c|\.ci|\.github)\/[A-Za-z0-9_.\/-]*$/ && word !~ /chNN|NAME/ &&
                system("test -e \"" word "\"") != 0) say("`" word "` does not exist")
            if (section == "## The formula" && word ~ /^[a-z][a-z0-9]*\.[a-z0-9_.]+$/ &&
                word !~ /\.(h|c|md|txt|sh|png|svg|csv|npy|tsv)$/ && index(ids, " " word " ") == 0)
                say("`" word "` is no formula id (no `// F: " word "` in ref/)")
        }
        gsub(/`[^`]*`/, "", text)
        if (text ~ /\$/) say("a dollar sign outside $`...`$: math is written $`...`$ or in a ```math block")
        while (match(text, /\]\([^) ]+/)) {
            word = substr(text, RSTART + 2, RLENGTH - 2); text = substr(text, RSTART + RLENGTH); link(word)
        }
        text = $0
        while (match(text, /(src|href)="[^"]+"/)) {
            word = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
            sub(/^[^"]*"/, "", word); sub(/"$/, "", word); link(word)
        }
        if ($0 ~ /^\[[^]]+\]: /) link($2)
    }' $files
}

# No path of somebody'"'"'s machine, no note that something is unfinished, scripts that parse.
rule_texts() {
    marked() { # marked EXPRESSION "what it is": the lines of all texts that match
        find . \( -name build -o -name out -o -name .git -o -name house.sh \) -prune -o -type f \
            \( -name '*.[ch]' -o -name '*.cu' -o -name '*.md' -o -name '*.sh' -o -name '*.txt' -o -name '*.yml' -o \
            -name Makefile -o -path './.ci/run' -o -name '*.svg' -o -name '*.ipynb' -o -name '*.html' -o -name '*.gdb' \) \
            -exec grep -nE "$1" /dev/null {} + | sed "s:\$:  ($2):" | sort
    }
    marked '/(home|root|work|Users)/|[A-Z]:\\' 'a path of one machine'
    marked '(^|[^A-Za-z])(TODO|FIXME|XXX)([^A-Za-z]|$)' unfinished
    for script in tests/*.sh; do
        [ -f "$script" ] || continue
        sh -n "$script" 2>&1
        grep -nE '^ *(local|declare|source|pushd) |^ *(if )?\[\[ |<<<|\$\{[A-Za-z_]+:[0-9]' "$script" |
            grep -v 'grep -nE' | sed "s:^:$script\::; s:\$:  (not POSIX sh):"
    done
}

# What the repository holds lies in one of its rooms: no output of a program that was committed by mistake.
rule_rooms() {
    if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then git ls-files; else ls; fi |
        sed 's:/.*::' | sort -u | while read -r name; do
        case $name in
        .* | tutorial | ref | toy | notebooks-c | tests | data | build | out) ;;
        Makefile | CHAPTERS.md | CONTRIBUTING.md | README.md | LICENSE) ;;
        *) echo "$name: no room of the house; outputs belong in build/ and out/" ;;
        esac
    done
}

# Every unit test counts its checks and reports under its own name.
rule_tests() {
    for file in tests/test_*.c; do
        [ -f "$file" ] || continue
        name=${file##*/}
        name=${name%.c}
        grep -q "return report(\"$name\");" "$file" || echo "$file: does not end with return report(\"$name\");"
        grep -qE 'CHECK\(|NEAR\(|AGREES\(|gradient_ok\(' "$file" || echo "$file: checks nothing"
    done
}

RULES='includes words headers formulas chapters markdown texts rooms tests'
if [ "${1:-}" = --rules ]; then
    for rule in ${2:-$RULES}; do "rule_$rule"; done
    exit 0
fi

# ---- pictures ------------------------------------------------------------------------------------------------------------

H=$BUILD/house
mkdir -p "$H"

if [ "${1:-}" = --pictures ]; then
    for ch in $(chapters); do
        full_run "$ch" || exit 1
        for drawn in "$BUILD/full/$ch"/picture.*; do
            cp "$drawn" "$(folder_of "$ch")/" && echo "$(folder_of "$ch")/${drawn##*/}"
        done
    done
    exit 0
fi

for rule in $RULES; do
    sh tests/house.sh --rules "$rule" >"$H/$rule.txt" 2>&1
    if [ -s "$H/$rule.txt" ]; then
        while read -r line; do bad "$line"; done <"$H/$rule.txt"
    else
        ok
    fi
done

is_cpp() { # as cpp() above
    case $1 in
    ref/cuda/thread.h | ref/cuda/memory.h | ref/cuda/plain_*.h | *_gpu.h) return 1 ;;
    ref/cuda/*.h | toy/model/unet_fast*.h) return 0 ;;
    *) return 1 ;;
    esac
}

# Every header compiles when it is the only one, with either number type.  tcc does it in a tenth of the time; the words
# of the other compiler about the same headers are seen when the programs are built, except for those below that only a
# program for a GPU includes.
syntax="$CC -std=c99 -fsyntax-only -Wall -Wextra -Werror -Wvla -pedantic"
case $CC in *tcc*) syntax="tcc -std=c99 -c -o $H/alone.o" ;; esac
alone=$syntax
if have tcc; then alone="tcc -std=c99 -Wimplicit-function-declaration -Werror -c -o $H/alone.o"; fi
for header in ref/*/*.h toy/*/*.h; do
    if is_cpp "$header"; then continue; fi # compiled by emulate.sh
    case $header in
    *_gpu.h | toy/*_device.h) compiler=$syntax ;;
    *) compiler=$alone ;;
    esac
    printf '#include "../../%s"\ntypedef int not_empty;\n' "$header" >"$H/alone.c"
    for number in float double; do
        if $compiler -Dreal=$number "$H/alone.c" >"$H/alone.txt" 2>&1; then
            ok
        else
            bad "$header does not compile alone with real = $number:"
            head -n 5 "$H/alone.txt" | sed 's/^/    /'
        fi
    done
done

# The stored picture is the one that the program draws.
for ch in $(chapters); do
    if [ -n "${FAST:-}" ]; then
        skip "picture of $ch: FAST=1 changes the last bits"
        continue
    fi
    if slow_compiler; then
        skip "picture of $ch: default runs built by $CC take minutes"
        continue
    fi
    if ! full_run "$ch"; then
        bad "$ch: its default run fails"
        continue
    fi
    for stored in "$(folder_of "$ch")"/picture.*; do
        [ -f "$stored" ] || continue
        if cmp -s "$stored" "$BUILD/full/$ch/${stored##*/}"; then
            ok
        else
            bad "$stored is not what $BUILD/$ch --out writes; make pictures draws it again, then look at it"
        fi
    done
done

# The rules can fail: each edit of a small correct repository is found by the rule named.
sh tests/house_proof.sh >"$H/proof.txt" 2>&1
counts=$(sed -n 's/^house_proof: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$H/proof.txt")
if [ -n "$counts" ]; then
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    grep FAIL "$H/proof.txt"
else
    bad "tests/house_proof.sh ended without a report"
fi
finish house
