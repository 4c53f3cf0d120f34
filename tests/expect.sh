#!/bin/sh
# expect.sh: one chapter, one expected output.  `build/chNN --quick` must print tests/expect/chNN.txt, twice the same;
# tests/expect/chNN-WORD.txt, where there is one, is what `build/chNN --WORD --quick` must print.
#   sh tests/expect.sh --update   stores what the programs print now; read the difference before you commit it
# With FAST=1 the last digits move: then words must agree, and numbers to 5 % or 0.02; the hash is not compared.
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
E=$BUILD/expect
rm -rf "$E"
mkdir -p "$E"

# near WANT GOT: the same words, and numbers within the tolerance above.
near() {
    awk '
        function number(s) { return s ~ /^[-+]?[0-9]*\.?[0-9]+(e[-+]?[0-9]+)?$/ }
        function close_to(a, b,    d, m) { d = a - b; d = d < 0 ? -d : d; m = a < 0 ? -a : a; return d <= 0.02 + 0.05 * m }
        $1 == "hash" { next }
        NR == FNR { want[++n] = $0; next }
        {
            k = ++m; fields = split(want[k], w, " ")
            same = fields == NF
            for (i = 1; i <= NF; i++)
                if (w[i] != $i && !(number(w[i]) && number($i) && close_to(w[i], $i))) same = 0
            if (!same) { print "- " want[k]; print "+ " $0; wrong = 1 }
        }
        END { exit wrong || n != m }' "$1" "$2"
}

# ch01 ch02 ... ch05 ch05-images ...
runs() {
    for chapter in $(chapters); do
        echo "$chapter"
        for variant in tests/expect/"$chapter"-*.txt; do
            if [ -f "$variant" ]; then basename "$variant" .txt; fi
        done
    done
}

seconds=10 # five seconds on two processors
if slow_compiler; then seconds=200; fi
for ch in $(runs); do
    program=$BUILD/$(run_chapter "$ch")
    if ! build "$program"; then
        bad "$ch does not build"
        continue
    fi
    for run in 1 2; do
        mkdir -p "$E/$ch.$run"
        if ! limit "$seconds" "$program" $(run_option "$ch") --quick --out "$E/$ch.$run" >"$E/$ch.$run.txt" 2>"$E/$ch.err" </dev/null; then
            bad "$ch --quick fails, or takes more than $seconds s of processor time: $(tail -n 1 "$E/$ch.err")"
            continue 2
        fi
        check "$ch --quick writes nothing to stderr when it is no terminal" [ ! -s "$E/$ch.err" ]
    done
    want=tests/expect/$ch.txt
    got=$E/$ch.1.txt
    if [ "${1:-}" = --update ]; then
        mkdir -p tests/expect
        cp "$got" "$want"
        echo "$want"
        continue
    fi
    check "$ch: two runs print the same" cmp -s "$got" "$E/$ch.2.txt"
    check "$ch: two runs draw the same pictures" diff -r "$E/$ch.1" "$E/$ch.2"
    check "$ch: the last three lines are inspect, expect, hash" \
        [ "$(tail -n 3 "$got" | sed 's/ .*//' | tr '\n' ' ')" = 'inspect expect hash ' ]
    check "$ch: the last line is \`hash\` and 16 hexadecimal digits" \
        [ -n "$(tail -n 1 "$got" | grep -E '^hash [0-9a-f]{16}$')" ]
    if [ ! -f "$want" ]; then
        bad "$want is not there; sh tests/expect.sh --update writes it"
    elif [ -n "${FAST:-}" ]; then
        check "$ch: FAST=1 keeps its numbers within the tolerance" near "$want" "$got"
    elif diff "$want" "$got" >"$E/$ch.diff"; then
        ok
    else
        bad "$ch --quick no longer prints $want (<), but (>):"
        head -n 12 "$E/$ch.diff" | sed 's/^/    /'
    fi
done
[ "${1:-}" != --update ] || exit 0

# The comparison by tolerance can fail.
printf 'kl 0.5\nhash 1\n' >"$E/a"
printf 'kl 0.51\nhash 2\n' >"$E/b"
printf 'kl 0.60\nhash 1\n' >"$E/c"
printf 'tv 0.5\nhash 1\n' >"$E/d"
check 'near: 0.50 and 0.51 agree' near "$E/a" "$E/b"
check 'near: 0.5 and 0.6 do not' [ -n "$(near "$E/a" "$E/c")" ]
check 'near: another key does not' [ -n "$(near "$E/a" "$E/d")" ]
finish expect
