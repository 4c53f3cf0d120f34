#!/bin/sh
# mutants.sh: proof that the tests bite.  Every line of mutants/*.txt breaks one formula on purpose, in a copy; the
# tests it names must then fail (test_x is built with double, test_x.float with float, ledger checks the golden values).
# A mutant that survives shows a missing test.  Lines whose words begin with `equivalent:` change the text and not the
# numbers: they must survive, or this script would call everything killed.
#   sh tests/mutants.sh [id ...]     all mutants, or some
#   EVERY=3 takes every third only (as `make test` does); KEEP=1 leaves the changed files in build/mutants/ID/
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
LIST=${LIST:-$(echo tests/mutants/*.txt)}
M=$BUILD/mutants
rm -rf "$M"
mkdir -p "$M"
top=$(pwd)
case $BUILD in
/*) ;;
*) M=$top/$M ;;
esac

# One line a mutant: id | file | sed expression | tests | words.  ` | ` with its blanks separates; # begins a comment.
# shellcheck disable=SC2086
cat $LIST | grep -v -e "^#" -e "^ *$" >"$M/list"
awk -F ' \\| ' 'NF != 5 { print "line of " NF " fields, expected 5: " $0 } seen[$1]++ { print "id " $1 " is used twice" }
    $1 !~ /^[a-z0-9_.]+$/ { print "id " $1 ": use small letters, digits, dot and underscore" }' "$M/list" >"$M/malformed"
while read -r line; do bad "$line"; done <"$M/malformed"
[ ! -s "$M/malformed" ] || finish mutants
ids=$*
[ -n "$ids" ] || ids=$(awk -F ' \\| ' -v every="${EVERY:-1}" '(NR - 1) % every == 0 || $5 ~ /^equivalent:/ { print $1 }' "$M/list")
# One file an id, one field a line: file, expression, tests, words.
mkdir -p "$M/field"
awk -F ' \\| ' -v folder="$M/field/" '{ out = folder $1; print $2 > out; print $3 > out; print $4 > out; print $5 > out; close(out) }' \
    "$M/list"
field() { # sets file, expression, tests, about
    {
        IFS= read -r file
        IFS= read -r expression
        IFS= read -r tests
        IFS= read -r about
    } <"$M/field/$1"
}

for id in $ids; do
    [ -f "$M/field/$id" ] || bad "there is no mutant $id"
done
if [ "$failed" -ne 0 ]; then finish mutants; fi

# ---- every test that is named passes as long as nothing is broken ------------------------------------------------------

# tcc compiles in a fiftieth of the time of an optimising compiler, and most tests then run well below a second.  A test
# that takes two seconds when optimised is compiled with -O1, and so is every test of a second where there is no tcc.
fast="$CC -O0 $EXACT"
patience=1
if have tcc; then
    fast=tcc
    patience=2
fi
sound() {
    test=$1
    if [ "$test" = ledger ]; then
        program="$BUILD/ledger check data/golden.txt"
        target=$BUILD/ledger
    else
        program=$BUILD/tests/${test%.float}.double
        [ "$test" = "${test%.float}" ] || program=$BUILD/tests/$test
        target=$program
    fi
    # run.sh may have run it just now
    just_passed=$(sed -n "s/^  $test: [1-9][0-9]* passed, 0 failed  (\\([0-9]*\\) s)\$/\\1/p" "${TILT_UNITS:-/dev/null}" 2>/dev/null)
    if [ -n "$just_passed" ]; then
        if [ "$just_passed" -ge $patience ]; then compiler="$CC -O1 $EXACT"; else compiler=$fast; fi
        echo "$compiler" >"$M/$test.compiler"
        return
    fi
    if ! build "$target"; then
        echo 'does not build' >"$M/$test.unsound"
    elif begin=$(date +%s) && ! limit 120 $program >"$M/$test.txt" 2>&1 </dev/null; then
        echo 'fails although nothing is broken; mend that first' >"$M/$test.unsound"
    elif [ $(($(date +%s) - begin)) -ge $patience ] && [ "$test" != ledger ]; then
        echo "$CC -O1 $EXACT" >"$M/$test.compiler"
    else
        echo "$fast" >"$M/$test.compiler"
    fi
}
named=$(for id in $ids; do field "$id" && echo "$tests"; done | tr ' ' '\n' | sort -u)
# shellcheck disable=SC2086
lanes "$JOBS" "$M/sound" sound $named
wait
for test in $named; do
    if [ -f "$M/$test.compiler" ]; then ok; else bad "$test $(cat "$M/$test.unsound")"; fi
done
if [ "$failed" -ne 0 ]; then finish mutants; fi

# ---- break, build, run ---------------------------------------------------------------------------------------------------

# Every lane has a copy of the repository: a mutant changes one file of it, and the file is put back afterwards.
# The verdict goes to $M/ID.verdict: a word (killed, survived, error) and what there is to say.
one() {
    copy=$M/lane$lane
    if [ ! -d "$copy" ]; then
        mkdir -p "$copy"
        cp -R ref toy tests tutorial "$copy/"
        ln -s "$top/data" "$copy/data" # read, never mutated
    fi
    field "$1"
    if sed "$expression" "$file" >"$copy/mutant.txt" 2>"$M/$1.err"; then
        judge "$1"
    else
        read -r line <"$M/$1.err"
        verdict="error sed: $line"
    fi
    echo "$verdict" >"$M/$1.verdict"
}
# The first failure of a report: of a unit test, of the ledger, or else the last line.
first_failure() {
    first=
    while read -r line; do
        case $line in
        *.[ch]:*': FAIL'*)
            first=${line%%: FAIL*}
            first=${first##*/}
            return
            ;;
        'failed '*)
            # shellcheck disable=SC2086
            set -- $line
            first=$2
            return
            ;;
        ?*) first=$line ;;
        esac
    done
}
judge() {
    changed=$(awk 'NR == FNR { line[FNR] = $0; next } $0 != line[FNR] { n++ } END { print n + 0 }' "$file" "$copy/mutant.txt")
    if [ "$changed" -lt 1 ] || [ "$changed" -gt 2 ]; then
        verdict="error no such line: the expression changes $changed lines of $file, expected 1 or 2"
        return
    fi
    cp "$copy/mutant.txt" "$copy/$file"
    [ -z "${KEEP:-}" ] || { mkdir -p "$M/$1" && cp "$copy/mutant.txt" "$M/$1/${file##*/}"; }
    verdict=killed
    words=
    for test in $tests; do
        source=tests/${test%.float}.c
        [ "$test" != ledger ] || source=ref/ledger.c
        number=double
        [ "$test" = "${test%.float}" ] || number=float
        read -r compiler <"$M/$test.compiler"
        # shellcheck disable=SC2086
        if ! (cd "$copy" && exec $compiler -std=c99 -w -Dreal=$number "$source" -o mutant -lm) >"$M/$1.err" 2>&1; then
            verdict="error $test does not build: $(grep error "$M/$1.err" | head -n 1)"
            break
        fi
        arguments=
        [ "$test" != ledger ] || arguments='check data/golden.txt'
        # shellcheck disable=SC2086
        (cd "$copy" && TILT_STOP=1 limit 60 ./mutant $arguments) >"$M/$1.txt" 2>&1 </dev/null
        status=$?
        if [ "$status" -eq 0 ]; then
            verdict=survived
            words="$words $test"
        elif [ "$verdict" = killed ]; then
            first_failure <"$M/$1.txt"
            [ "$status" -lt 128 ] || first="signal $((status - 128))"
            words="$words $test ($first)"
        fi
    done
    verdict="$verdict$words"
    cp "$file" "$copy/$file"
}

# shellcheck disable=SC2086
lanes "$JOBS" "$M/lanes" one $ids
trap 'kill $lanes_pids 2>/dev/null; exit 130' INT TERM
real=0
killed=0
equal=0
for id in $ids; do
    while [ ! -s "$M/$id.verdict" ]; do sleep 1; done
    read -r said words <"$M/$id.verdict"
    field "$id"
    case "$about/$said" in
    equivalent:*/survived)
        ok
        equal=$((equal + 1))
        printf '  %-9s %-28s %s; it should\n' survived "$id" "$about"
        ;;
    equivalent:*)
        bad "$id: $said $words: $about, so it must survive"
        ;;
    */killed)
        ok
        killed=$((killed + 1))
        real=$((real + 1))
        printf '  %-9s %-28s %s; by%s\n' killed "$id" "$about" " $words"
        ;;
    */survived)
        real=$((real + 1))
        bad "SURVIVED  $id ($file): $about; not seen by $words"
        ;;
    *)
        real=$((real + 1))
        bad "$id: $words"
        ;;
    esac
done
wait
echo "mutants: $killed of $real killed; $equal equivalent edits survived, as they should"
if [ $# -eq 0 ] && { [ "$real" -lt 40 ] || [ "$equal" -lt 2 ]; }; then bad "fewer than 40 mutants or 2 equivalent edits"; fi
finish mutants
