#!/bin/sh
# bits.sh: the same bits everywhere.  The hash that `chNN --quick` prints must be one number for gcc and clang (those that
# are there), for -O3 with everything the processor has, with one and two threads, and unoptimised: by tcc, or
# where it is not there by -O0.
# The same for a UNet that build/train_images trains for three steps; the slow form is left to the chapters.
# Programs may be named: sh tests/bits.sh ch09 train_images.
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
B=$BUILD/bits
rm -rf "$B"
mkdir -p "$B"
echo 'int main(void) { return 0; }' >"$B/empty.c"
printf '#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n' >"$B/omp.c"

# accepts COMPILER SOURCE FLAG: prints the flag if it works.
accepts() {
    if "$1" "$B/$2" "$3" -o "$B/probe" >"$B/probe.txt" 2>&1 && [ ! -s "$B/probe.txt" ]; then echo "$3"; fi
}

# one COMPILER LEVEL THREADS FLAGS...: compiles the chapter unless it is there, runs it, compares with the first hash.
one() {
    program=$B/$ch.$1$2
    label="$1 $2, $3 threads"
    compiler=$1
    level=$2
    threads=$3
    shift 3
    if [ ! -f "$program" ] &&
        ! $compiler -std=c99 "$level" -w "$@" "$source" -o "$program" -lm >"$B/compile.txt" 2>&1; then
        bad "$ch: $label does not compile: $(head -n 1 "$B/compile.txt")"
        return
    fi
    mkdir -p "$B/out"
    # shellcheck disable=SC2086
    hash=$(OMP_NUM_THREADS=$threads limit 120 "$program" $options --out "$B/out" 2>/dev/null </dev/null |
        sed -n 's/^hash \([0-9a-f]\{16\}\)$/\1/p')
    [ -n "$first" ] || first=$hash
    if [ -n "$hash" ] && [ "$hash" = "$first" ]; then ok; else bad "$ch: $label: hash ${hash:-missing}, not $first"; fi
}

compilers=
for compiler in gcc clang; do
    if have $compiler; then compilers="$compilers $compiler"; else skip "$compiler not found"; fi
done
case " $compilers tcc " in
*" $CC "*) ;;
*) compilers="$compilers $CC" ;;
esac
tcc=
if have tcc; then tcc=tcc; else skip 'tcc not found'; fi

for ch in ${*:-$(chapters) train_images}; do
    source=$(folder_of "$ch")/$ch.c
    options=--quick
    runs_O0=${tcc:-no}
    if [ "$ch" = train_images ]; then
        source=toy/train_images.c
        options='--world digits --net unet --width 16 --batch 16 --steps 3 --restart'
        runs_O0=never
    fi
    first=
    runs=$passed
    for compiler in $compilers; do
        contract=$(accepts "$compiler" empty.c -ffp-contract=off)
        native=$(accepts "$compiler" empty.c -march=native)
        openmp=$(accepts "$compiler" omp.c -fopenmp)
        if [ "$compiler" = "$CC" ] && [ -z "${FAST:-}" ] && build "$BUILD/$ch"; then
            cp "$BUILD/$ch" "$B/$ch.$compiler-O3" # the program as everybody builds it
        fi
        one "$compiler" -O3 1 $contract $native $openmp -fno-math-errno
        if [ -n "$openmp" ]; then one "$compiler" -O3 2 $contract $native $openmp -fno-math-errno; fi
        # unoptimised code is slow: that of tcc must do, or where it is not there of one other compiler
        case $runs_O0 in
        no)
            one "$compiler" -O0 1 $contract
            runs_O0=yes
            ;;
        esac
    done
    [ -z "$tcc" ] || [ "$runs_O0" = never ] || one tcc -O0 1
    echo "  $ch  $first  $((passed - runs)) builds and runs agree"
done
finish bits
