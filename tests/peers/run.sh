#!/bin/sh
# run.sh: our networks beside the same ones in PyTorch, strictly interleaved: ours, theirs, ours, theirs, ...
#   make bench-peers                        5 rounds with one and with two threads, about 5 minutes
#   make bench-peers ROUNDS=9 OUT=a.jsonl   more rounds; every line that was measured goes to a file
#   make bench-peers QUICK=1                1 round, few runs: does everything work?
# THREADS="1 2" is the default.  PyTorch gets what makes it fast here: OpenBLAS with OpenMP if it is installed (its other
# build and OpenMP wait for each other), a malloc that keeps its memory, Adam(foreach=True), and of the two memory
# layouts the one with the lower median.  PYTHON=/usr/bin/python3 is the default.
cd "$(dirname "$0")/../.." || exit 2
BUILD=${BUILD:-build}
PYTHON=${PYTHON:-/usr/bin/python3}
ROUNDS=${ROUNDS:-5}
RUNS=${RUNS:-9}
[ -z "${QUICK:-}" ] || { ROUNDS=1 RUNS=3; }
if ! "$PYTHON" -c 'import torch' 2>/dev/null; then
    echo "bench-peers: $PYTHON has no torch; on Debian: apt-get install python3-torch libopenblas0-openmp" >&2
    exit 2
fi
for program in bench_mlp.float bench_unet.float dump_unet.double; do
    if [ ! -x "$BUILD/tests/$program" ]; then
        echo "bench-peers: $BUILD/tests/$program is missing; start with make bench-peers" >&2
        exit 2
    fi
done

# Speed is worth comparing only between equals: the same weights must give the same predictions and gradients.
mkdir -p "$BUILD/peers"
for shape in '16 1 1' '32 3 1' '8 3 tiny'; do
    # shellcheck disable=SC2086
    "$BUILD/tests/dump_unet.double" "$BUILD/peers" $shape 2 && "$PYTHON" tests/peers/same.py "$BUILD/peers" $shape || exit 1
done

lines=${OUT:-$BUILD/peers.jsonl}
: >"$lines" || exit 2
blas=$(ls -d /usr/lib/*/openblas-openmp 2>/dev/null | head -n 1)
[ -n "$blas" ] || echo 'bench-peers: no libopenblas0-openmp; PyTorch with two threads will be slower than it can be' >&2

ours() {
    program=$1
    shift
    OMP_NUM_THREADS=$threads "$BUILD/tests/bench_$program.float" "$@" 2>/dev/null >>"$lines" || exit 1
}
theirs() {
    script=$1
    shift
    env ${blas:+LD_LIBRARY_PATH="$blas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"} OMP_NUM_THREADS="$threads" \
        MALLOC_TRIM_THRESHOLD_=1000000000 MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TOP_PAD_=67108864 \
        "$PYTHON" "tests/peers/$script.py" --threads "$threads" --runs "$RUNS" "$@" >>"$lines" || exit 1
}

round=1
while [ "$round" -le "$ROUNDS" ]; do
    for threads in ${THREADS:-1 2}; do
        echo "round $round of $ROUNDS, $threads thread(s)" >&2
        ours mlp "$RUNS"
        theirs mlp
        ours unet "$RUNS" 2
        theirs unet --side 16 --channels 1 --blocks 1 --batch 64
        theirs unet --side 32 --channels 3 --blocks 1 --batch 32
    done
    round=$((round + 1))
done
"$PYTHON" tests/peers/table.py "$lines"
[ -z "${OUT:-}" ] || echo "every line: $OUT"
