#!/bin/sh
# emulate.sh: the fast kernels of ref/cuda/ on a CPU.  Every emulate_*.cpp is built with the emulation of emulate.h and
# run with its threads in three orders; the numbers must be right, and the same bits in every order, or a barrier is
# missing.  Then every line of mutants/emulated/*.txt breaks a kernel in a copy; a test that it names must fail in one
# of the orders.  Lines whose words begin with `equivalent:` must survive.
#   sh tests/emulate.sh [id ...]     everything, or only some faults
#   EVERY=8 breaks every eighth only (as `make test` does); FAULTS=no breaks nothing
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
E=$BUILD/emulate
rm -rf "$E"
mkdir -p "$E/field"
ORDERS='0 1 7'

# One line a fault: id | file | sed expression | tests | words, as for mutants.sh.
cat tests/mutants/emulated/*.txt | grep -v -e "^#" -e "^ *$" >"$E/list"
awk -F ' \\| ' 'NF != 5 { print "line of " NF " fields, expected 5: " $0 } seen[$1]++ { print "id " $1 " is used twice" }
    $1 !~ /^[a-z0-9_.]+$/ { print "id " $1 ": use small letters, digits, dot and underscore" }' "$E/list" >"$E/malformed"
while read -r line; do bad "$line"; done <"$E/malformed"
[ ! -s "$E/malformed" ] || finish emulate
ok
awk -F ' \\| ' -v folder="$E/field/" '{ out = folder $1; print $2 > out; print $3 > out; print $4 > out; print $5 > out; close(out) }' \
    "$E/list"

if [ -z "${CXX:-}" ]; then
    for CXX in g++ clang++ c++; do
        if have "$CXX"; then break; fi
    done
fi
if ! have "${CXX%% *}"; then
    skip "the emulated kernels: no C++ compiler found"
    finish emulate
fi
if ! echo '#include <ucontext.h>' | $CXX -x c++ -fsyntax-only - 2>/dev/null; then
    skip "the emulated kernels: no ucontext.h found"
    finish emulate
fi
BUILD_IT="$CXX -std=c++17 -O1 -DEMULATE"

# ---- the tests, as they are --------------------------------------------------------------------------------------------

sound() {
    # shellcheck disable=SC2086
    $BUILD_IT -Wall -Wextra "tests/$1.cpp" -o "$E/$1" 2>"$E/$1.warnings" || return
    orders=$ORDERS
    ! grep -q '^// one order:' "tests/$1.cpp" || orders=0
    for order in $orders; do
        EMU_ORDER=$order limit 120 "$E/$1" >"$E/$1.$order" 2>&1 </dev/null
        echo $? >"$E/$1.$order.status"
    done
}
tests=
for source in tests/emulate_*.cpp; do
    name=${source##*/}
    tests="$tests ${name%.cpp}"
done
# shellcheck disable=SC2086
if [ $# -eq 0 ]; then
    lanes "$JOBS" "$E/sound" sound $tests
    wait
    for test in $tests; do
        if [ ! -f "$E/$test.0.status" ]; then
            bad "$test does not build: $(grep error "$E/$test.warnings" | head -n 1)"
            continue
        fi
        if [ -s "$E/$test.warnings" ]; then bad "$test: $(head -n 1 "$E/$test.warnings")"; else ok; fi
        counts=$(sed -n "s/^$test: \\([0-9]*\\) passed, \\([0-9]*\\) failed\$/\\1 \\2/p" "$E/$test.0")
        if [ -n "$counts" ] && [ "${counts% *}" -gt 0 ] && [ "$(cat "$E/$test.0.status")" -eq 0 ]; then
            passed=$((passed + ${counts% *}))
            echo "  $(tail -n 1 "$E/$test.0")"
        else
            bad "$test: exit $(cat "$E/$test.0.status")"
            grep -v ' ok$' "$E/$test.0" | tail -n 10 | sed 's/^/    /'
        fi
        orders=$ORDERS
        ! grep -q '^// one order:' "tests/$test.cpp" || orders=0
        for order in $orders; do
            check "$test: EMU_ORDER=$order gives other numbers" cmp -s "$E/$test.0" "$E/$test.$order"
        done
        for other in clang++ g++; do
            if [ "$other" = "$CXX" ]; then continue; fi
            if have $other; then
                $other -std=c++17 -DEMULATE -Wall -Wextra -Werror -fsyntax-only "tests/$test.cpp" 2>"$E/$test.other"
                check "$test, $other: $(head -n 1 "$E/$test.other")" test $? -eq 0
            else
                skip "$test with another compiler: $other not found"
            fi
        done
    done
    if [ "$failed" -ne 0 ] || [ "${FAULTS:-}" = no ]; then finish emulate; fi
fi

# ---- the tests, of broken kernels ----------------------------------------------------------------------------------------

field() { # sets file, expression, tests, about
    {
        IFS= read -r file
        IFS= read -r expression
        IFS= read -r tests
        IFS= read -r about
    } <"$E/field/$1"
}

# Every lane has a copy of the repository: a fault changes one file of it, and the file is put back afterwards.
# The verdict goes to $E/ID.verdict: a word (killed, survived, error) and what there is to say.
one() {
    copy=$E/lane$lane
    if [ ! -d "$copy" ]; then
        mkdir -p "$copy/tests"
        cp -R ref toy "$copy/"
        cp tests/emulate_*.cpp tests/*.h "$copy/tests/"
    fi
    field "$1"
    verdict=$E/$1.verdict
    judge "$1"
    cp "$file" "$copy/$file"
}
judge() {
    sed "$expression" "$file" >"$copy/$file" 2>"$E/$1.err" || echo "error sed: $(head -n 1 "$E/$1.err")" >"$verdict"
    changed=$(awk 'NR == FNR { line[FNR] = $0; next } $0 != line[FNR] { n++ } END { print n + 0 }' "$file" "$copy/$file")
    if [ "$changed" -lt 1 ] || [ "$changed" -gt 2 ]; then
        echo "error no such line: the expression changes $changed lines of $file, expected 1 or 2" >"$verdict"
        return
    fi
    survivors=
    words=
    for test in $tests; do
        level=-O0 # compiles in half the time; a test of a whole network runs longer than that
        ! grep -q '^// one order:' "tests/$test.cpp" || level=-O1
        if ! $BUILD_IT $level -w "$copy/tests/$test.cpp" -o "$copy/fault" 2>"$E/$1.err"; then
            echo "error $test does not build: $(grep error "$E/$1.err" | head -n 1)" >"$verdict"
            return
        fi
        status=0
        for order in $ORDERS; do
            EMU_ORDER=$order TILT_STOP=1 limit 60 "$copy/fault" >"$E/$1.txt" 2>&1 </dev/null
            status=$?
            if [ $status -ne 0 ]; then break; fi
        done
        if [ $status -eq 0 ]; then
            survivors="$survivors $test"
        else
            words="$words; $test, order $order: $(tail -n 1 "$E/$1.txt" | sed 's/^ *//; s/   */ /g')"
        fi
    done
    if [ -n "$survivors" ]; then echo "survived $survivors" >"$verdict"; else echo "killed ${words#; }" >"$verdict"; fi
}

ids=$*
[ -n "$ids" ] || ids=$(awk -F ' \\| ' -v every="${EVERY:-1}" '(NR - 1) % every == 0 { print $1 }' "$E/list")
for id in $ids; do
    [ -f "$E/field/$id" ] || bad "there is no fault $id"
done
if [ "$failed" -ne 0 ]; then finish emulate; fi
# shellcheck disable=SC2086
lanes "$JOBS" "$E/lanes" one $ids
wait
killed=0
real=0
for id in $ids; do
    read -r said words <"$E/$id.verdict"
    field "$id"
    case "$about/$said" in
    equivalent:*/survived | [!e]*/killed | e[!q]*/killed)
        ok
        printf '  %-9s %-20s %s\n' "$said" "$id" "$about"
        [ "$said" = survived ] || printf '            by %s\n' "$words"
        ;;
    *) bad "$id ($file): $about: $said $words" ;;
    esac
    case $about in
    equivalent:*) ;;
    *)
        real=$((real + 1))
        [ "$said" != killed ] || killed=$((killed + 1))
        ;;
    esac
done
echo "  $killed of $real faults in the kernels were noticed"
finish emulate
