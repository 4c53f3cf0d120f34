#!/bin/sh
# run.sh: every test, or the parts named: sh tests/run.sh unit-double house.  `make test` calls it.
#
# It builds all programs first, then runs the parts, as many at a time as there are processors (two on the machine the
# time budget is stated for), and prints each part's report when it is complete.  A part that prints no line
# `NAME: N passed, M failed`, or exits non-zero, counts as failed.  The last line is the sum.
# Of the planted faults every third mutant and every eighth fault in a GPU kernel are run; THOROUGH=1 (as .ci/run does)
# runs all mutants and every third kernel fault, and make mutants all of both.
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh

ALL='unit-float expect claims options train unet_cuda models unit-double emulate bits exercises house ledger notebooks mutants'
parts=${*:-$ALL}
T=$BUILD/test
every_mutant=3
every_fault=8
if [ -n "${THOROUGH:-}" ]; then
    every_mutant=1
    every_fault=3
fi
start=$(date +%s)
rm -rf "$T"
mkdir -p "$T" out

# Run every unit test built into folder $1 with suffix $2, named $3.
unit() {
    for source in tests/test_*.c; do
        name=${source##*/}
        name=${name%.c}
        file=$T/$3.$name
        begin=$(date +%s)
        limit 120 "$1/tests/$name.$2" >"$file" 2>&1 </dev/null
        status=$?
        line=$(grep "^[A-Za-z0-9_]*: [0-9]* passed, [0-9]* failed\$" "$file" | tail -n 1)
        counts=$(echo "$line" | sed -n 's/^.*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
        if [ -z "$counts" ]; then
            bad "$name ($2): exit $status and no report; its last lines:"
            tail -n 5 "$file" | sed 's/^/    /'
            continue
        fi
        passed=$((passed + ${counts% *}))
        failed=$((failed + ${counts#* }))
        if [ "$status" -ne 0 ] || [ "${counts#* }" -ne 0 ]; then
            grep -v "^$name: " "$file" | tail -n 20 | sed 's/^/    /'
            [ "${counts#* }" -ne 0 ] || bad "$name ($2): exit $status although no check failed"
        fi
        echo "  $line  ($(($(date +%s) - begin)) s)"
    done
    finish "$3"
}

# In double the unit tests run under the address and undefined-behaviour sanitizers where the compiler has them, with one
# thread: the numbers are the same, and nothing is compiled twice.  With them -O1 compiles four times as long as -O0, so
# only the tests that took two seconds or more in float get it.
unit_double() {
    if [ -z "${TILT_SAN:-}" ]; then
        skip "sanitizers: $CC cannot link them"
        "${TILT_MAKE:-make}" -s -k tests-double
        unit "$BUILD" double unit-double
    fi
    quick=
    slow=
    for source in tests/test_*.c; do
        name=${source##*/}
        name=${name%.c}
        if grep -q "^  $name: .*  (\([2-9]\|[1-9][0-9]\) s)\$" "$T/unit-float.log" 2>/dev/null; then
            slow="$slow build/san1/tests/$name.double"
        else
            quick="$quick build/san/tests/$name.double"
        fi
    done
    # shellcheck disable=SC2086
    "${TILT_MAKE:-make}" -s -k BUILD=build/san SAN=1 OMP= CFLAGS='-O0 -g1' $quick
    # shellcheck disable=SC2086
    [ -z "$slow" ] || "${TILT_MAKE:-make}" -s -k BUILD=build/san1 SAN=1 OMP= CFLAGS='-O1 -g1' $slow
    for program in $slow; do cp "$program" build/san/tests/; done
    unit build/san double unit-double
}

part() {
    begin=$(date +%s)
    case $1 in
    unit-float) (unit "$BUILD" float unit-float) ;;
    unit-double) (unit_double) ;;
    emulate) EVERY=$every_fault sh tests/emulate.sh ;;
    mutants) EVERY=$every_mutant TILT_UNITS=$T/unit-float.log sh tests/mutants.sh ;;
    *) TILT_UNITS=$T/unit-float.log sh "tests/$1.sh" ;;
    esac >"$T/$1.log" 2>&1 </dev/null
    echo $? >"$T/$1.status"
    echo $(($(date +%s) - begin)) >"$T/$1.seconds"
    : >"$T/$1.done"
}

# ---- build -----------------------------------------------------------------------------------------------------------

# Some parts alone: only the unit tests in float are built here, the other parts build what they need.
targets=
case " $parts " in
*" unit-float "*) targets=tests-float ;;
esac
[ "$parts" != "$ALL" ] || targets='all tests-float'
begin=$(date +%s)
# shellcheck disable=SC2086
"${TILT_MAKE:-make}" -k -j"$JOBS" ${targets:-flags} >"$T/build.out" 2>&1
status=$?
built=$(ls "$BUILD"/ch?? "$BUILD/ledger" "$BUILD/nb" "$BUILD/train_images" "$BUILD/unet_cuda" "$BUILD"/tests/*.float 2>/dev/null | wc -l)
warnings=$(grep -c 'warning:' "$T/build.out")
case $CC in
*tcc*) warnings=0 ;; # tcc warns about what the C standard allows
esac
[ "$status" -eq 0 ] || grep -E 'error:|\*\*\*' "$T/build.out" | head -n 40
[ "$warnings" -eq 0 ] || grep 'warning:' "$T/build.out" | head -n 20
build_failed=$((warnings + (status != 0)))
echo "build: $((built)) passed, $build_failed failed  ($(($(date +%s) - begin)) s, $CC)"
total_passed=$((built))
total_failed=$build_failed

# ---- parts -----------------------------------------------------------------------------------------------------------

lanes "$JOBS" "$T/lanes" part $parts
trap 'kill $lanes_pids 2>/dev/null; exit 130' INT TERM
for p in $parts; do
    while [ ! -f "$T/$p.done" ]; do sleep 1; done
    echo
    line=$(grep "^[A-Za-z0-9_-]*: [0-9]* passed, [0-9]* failed\$" "$T/$p.log" | tail -n 1)
    grep -v "^$p: [0-9]* passed, [0-9]* failed\$" "$T/$p.log"
    counts=$(echo "$line" | sed -n 's/^.*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    if [ -z "$counts" ]; then
        echo "$p: FAILED, it ended without a report (exit $(cat "$T/$p.status"))"
        total_failed=$((total_failed + 1))
        continue
    fi
    total_passed=$((total_passed + ${counts% *}))
    total_failed=$((total_failed + ${counts#* }))
    note=
    if [ "$(cat "$T/$p.status")" -ne 0 ] && [ "${counts#* }" -eq 0 ]; then
        total_failed=$((total_failed + 1))
        note="; FAILED, exit $(cat "$T/$p.status")"
    fi
    echo "$p: ${counts% *} passed, ${counts#* } failed  ($(cat "$T/$p.seconds") s$note)"
done
wait

echo
skipped=$(cat "$T"/*.log | grep -c 'skipped:')
echo "wall time $(($(date +%s) - start)) s with $JOBS jobs; $skipped checks skipped for want of a tool"
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ] && [ "$total_passed" -gt 0 ]
