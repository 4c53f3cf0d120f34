#!/bin/sh
# cuda.sh: what a GPU is needed for: the kernels on the device against the CPU and PyTorch, and the times of both.
#   sh tests/cuda.sh check   every executor against the CPU, twice with the same bits, and its errors beside PyTorch's
#   sh tests/cuda.sh bench   training step, forward pass and DDIM-50 beside PyTorch's fastest setting: lines and a table
#   sh tests/cuda.sh all     build, check, bench within TOTAL=780 seconds, what matters most first; files go to OUT=
#   sh tests/cuda.sh dry     the same paths without a GPU, small, on the CPU, with emulated kernels: do they work?
# make cuda-check and make cuda-bench call it.  Without a GPU, check says so in one line and succeeds; bench and all
# fail.  PYTHON= is a Python with PyTorch for CUDA; without one our part alone is checked and measured.
# check: EXECUTORS="fast plain", NETS="tiny64 ddpm tiny light".
# bench: OUT=build/cuda.jsonl gets the lines; NETS="ddpm light", ON=fast, ROUNDS=3 of RUNS=17; BUDGET=900 seconds of
# trying settings for each network (compiling takes a minute or more for each; an hour tries them all).  More
# rows tell what our own choices are worth: "-whole" is one picture without convolutions that are cut into more blocks
# (bench --split off), and "hopper" the kernels for sm_90a where the program has them.
cd "$(dirname "$0")/.." || exit 2
HERE=tests/cuda.sh
. tests/common.sh
C=$BUILD/cuda
P=$C/unet_cuda
[ -z "${DRY:-}" ] || P=$BUILD/unet_cuda
ON=${ON:-fast}
RUNS=${RUNS:-17}
ROUNDS=${ROUNDS:-3}
WORKS=${WORKS:-sample8,sample128,train128,sample1,train64,train256,sample16}

# ---- what is there ---------------------------------------------------------------------------------------------------

gpu() { # the name of the first GPU, its driver, or nothing
    nvidia-smi "--query-gpu=$1" --format=csv,noheader 2>/dev/null | sed -n '1{/^[A-Za-z0-9]/p;}'
}
find_nvcc() {
    for nvcc in "$(command -v nvcc)" "${CUDA_HOME:-}/bin/nvcc" /usr/local/cuda/bin/nvcc; do
        if [ -x "$nvcc" ]; then return 0; fi
    done
    return 1
}
# A Python whose PyTorch sees the device; the answer is kept.
find_torch() {
    [ -z "${TORCH:-}" ] || return 0
    for TORCH in ${PYTHON:-} python3 /usr/bin/python3; do
        if "$TORCH" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then return 0; fi
    done
    TORCH=
    return 1
}
# The one line of a machine that cannot run this; fails when nothing is missing.
missing() {
    if [ -z "$(gpu name)" ]; then
        echo 'no GPU: nvidia-smi finds none; everything else is tested without one: make test'
    elif [ ! -x "$P" ] && ! find_nvcc; then
        echo "no nvcc on PATH, in \$CUDA_HOME/bin or in /usr/local/cuda/bin, and no $P"
    else
        return 1
    fi
}
# make cuda, if nvcc is there; with NOBUILD=1 a program that was built elsewhere for this GPU is taken as it is.
build_cuda() {
    if [ -z "${NOBUILD:-}" ] && find_nvcc; then
        build cuda
    else
        echo "  $P as it is"
        [ -x "$P" ] && [ -x "$C/dump_unet" ]
    fi
}
seconds() { # seconds SECONDS command...: stops the command after so many seconds of the clock, where `timeout` exists
    seconds_most=$1
    shift
    if have timeout; then timeout -k 10 "$seconds_most" "$@"; else "$@"; fi
}

# ---- check -----------------------------------------------------------------------------------------------------------

side_of() {
    case $1 in
    tiny*) echo 8 ;;
    *) echo 32 ;;
    esac
}
# The executor against the CPU, in the program's own words, twice.
check_program() {
    for turn in 1 2; do
        seconds 300 "$P" check --on "$1" --out "$C" >"$C/check.$turn" 2>"$C/err" </dev/null
        check_status=$?
        check "check --on $1: exit $check_status; $(head -n 1 "$C/err")" [ "$check_status" -eq 0 ]
    done
    check "check --on $1: the same numbers twice" cmp -s "$C/check.1" "$C/check.2"
    sed "s/^/  $1: /" "$C/check.1" | grep -E 'error_16|inspect'
}
# A short training and samples of what it made: the same hash twice, and after a stop in the middle.
check_training() {
    rm -rf "$C/a" "$C/b"
    for folder in a a2 b b2; do
        rest=
        [ $folder != b ] || rest='--until 10'
        [ $folder != b2 ] || rest=--resume
        mkdir -p "$C/${folder%2}"
        [ $folder != a2 ] || rest=--restart
        # shellcheck disable=SC2086
        seconds 300 "$P" pretrain --on "$1" ${TRAINING:---world glyphs32 --net ddpm --width 64 --batch 16} \
            --samples 16 --steps 20 --every 10 $rest --out "$C/${folder%2}" >"$C/train.$folder" 2>"$C/err" </dev/null
        train_status=$?
        check "pretrain --on $1 $rest: exit $train_status; $(head -n 1 "$C/err")" [ "$train_status" -eq 0 ]
    done
    first=$(sed -n 's/^hash //p' "$C/train.a")
    echo "  $1: a training of 20 steps: hash $first"
    check "pretrain --on $1 prints a hash" [ -n "$first" ]
    check "pretrain --on $1: the same hash twice" [ "$first" = "$(sed -n 's/^hash //p' "$C/train.a2")" ]
    check "pretrain --on $1: the same hash after a stop" [ "$first" = "$(sed -n 's/^hash //p' "$C/train.b2")" ]
    check "pretrain --on $1: samples of both nets are the same" cmp -s "$C"/a/*.png "$C"/b/*.png
    [ "$1" = plain ] || check_alignment "$1" "$(echo "$C"/a/*[!n].safetensors)"
    rm -rf "$C/a" "$C/b"
}
# A few steps of both alignments, whose gradients and Adam stay on the device: the same numbers twice, and they move.
check_alignment() { # check_alignment EXECUTOR WEIGHTS
    for method in pg dpo; do
        for turn in 1 2; do
            seconds 300 "$P" $method --quick --rate 0.003 --on "$1" --weights "$2" --out "$C/b" \
                >"$C/$method.$turn" 2>"$C/err" </dev/null
            align_status=$?
            check "$method --on $1: exit $align_status; $(head -n 1 "$C/err")" [ "$align_status" -eq 0 ]
        done
        check "$method --on $1: the same numbers twice" cmp -s "$C/$method.1" "$C/$method.2"
        check "$method --on $1 moves" awk '$1 == "after_kl" { moved = $2 > 0 } END { exit !moved }' "$C/$method.1"
    done
}
# A network of ddpm_unet.h, forward and backward: the same bits twice, and errors no larger than PyTorch's.
check_network() { # check_network EXECUTOR NAME
    side=$(side_of "$2")
    mkdir -p "$C/a" "$C/b"
    for folder in "$C/a" "$C/b"; do
        seconds 120 "$C/dump_unet" "$folder" "$side" 3 "$2" 4 "$1" 2>"$C/err" </dev/null
        dump_status=$?
        check "$2 on $1: exit $dump_status; $(head -n 1 "$C/err")" [ "$dump_status" -eq 0 ]
    done
    for result in y dx g; do
        check "$2 on $1: $result has the same bits twice" cmp -s "$C/a/$result.npy" "$C/b/$result.npy"
    done
    if find_torch; then
        seconds 120 "$TORCH" tests/peers/cuda_same.py "$C/a" "$side" 3 "$2" "$1" >"$C/same" 2>"$C/err"
        check "$2 on $1: errors larger than PyTorch's" [ $? -eq 0 ]
        sed 's/^/  /' "$C/err"
        cat "$C/same" >>"$C/errors.jsonl"
    fi
    rm -rf "$C/a" "$C/b"
}
check_all() { # check_all EXECUTOR NAME...
    check_on=$1
    shift
    for name in "$@"; do
        check_network "$check_on" "$name"
    done
    check_training "$check_on"
    check_program "$check_on" # last: most of its time goes to the CPU's part
}

# ---- bench -----------------------------------------------------------------------------------------------------------

width_of() {
    case $1 in
    ddpm) echo 128 ;;
    light) echo 64 ;;
    *) echo 32 ;;
    esac
}
# The end of our lines: what the program does not know.
about_us() {
    printf '"device": "%s", "driver": "%s", "commit": "%s"' "${DEVICE:-$(gpu name)}" "$(gpu driver_version)" \
        "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD 2>/dev/null || echo +)"
}
# ours EXECUTOR NET KIND BATCH RUNS: our lines.  The program always measures both kinds, the other one with one image.
ours() {
    train=1
    sample=1
    keep='"what": "train"'
    if [ "$3" = train ]; then
        train=$4
    else
        sample=$4
        keep='"what": "\(forward\|ddim-[0-9]*\)"'
    fi
    "$P" bench --on "$1" --world glyphs32 --net ddpm --width "$(width_of "$2")" --steps "${STEPS:-50}" --runs "$5" \
        --split "${SPLIT:-on}" --train "$train" --sample "$sample" --out "$C" </dev/null >"$C/lines.$$" || return 1
    ours_about=$(about_us)
    grep "$keep" "$C/lines.$$" | sed "s|}\$|, $ours_about}|"
    rm -f "$C/lines.$$"
}
# How many parameters our network has, the words of the prompts included.
parameters_of() {
    ours "$ON" "$1" sample 1 1 | sed -n '1s/.*, \([0-9]*\) parameters.*/\1/p'
}
bench_network() { # bench_network NET BUDGET
    if [ -n "${TORCH:-}" ] || find_torch; then
        # shellcheck disable=SC2086
        "$TORCH" tests/peers/cuda.py --net "$1" --parameters "$(parameters_of "$1")" --works "$WORKS" --budget "$2" \
            --runs "$RUNS" --rounds "$ROUNDS" --steps "${STEPS:-50}" --out "$lines" --log "$C/torch.log" \
            --ours "sh $HERE ours $ON $1" ${TORCH_OPTIONS:-}
        return
    fi
    for work in $(echo "$WORKS" | tr , ' '); do
        for _ in $(seq "$ROUNDS"); do
            batch=${work#train}
            kind=train
            [ "$batch" != "$work" ] || { batch=${work#sample} kind=sample; }
            ours "$ON" "$1" $kind "$batch" "$RUNS" >>"$lines" || return 1
        done
    done
}
table() {
    python=${TORCH:-$(command -v python3)}
    if [ -n "$python" ]; then "$python" tests/peers/cuda_table.py "$lines"; else cat "$lines"; fi
}
begin_lines() {
    : >"$lines" || exit 2
    printf '{"what": "machine", %s, "nvcc": "%s", "date": "%s"}\n' "$(about_us)" \
        "$(find_nvcc && "$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')" "$(date -u +%Y-%m-%d)" >>"$lines"
    [ ! -s "$C/errors.jsonl" ] || cat "$C/errors.jsonl" >>"$lines"
}

# others NET: what our own choices are worth, appended to $lines: one picture without cut convolutions, and the executor
# of sm_90a.  Behind the comparison and with a clock: a kernel that hangs must not take the other rows with it.
others() {
    (SPLIT=off && export SPLIT && seconds 60 sh $HERE ours "$ON" "$1" sample 1 "$RUNS") >>"$lines"
    if [ "$ON" = hopper ] || ! "$P" bench --help | grep -q 'one of .*hopper'; then return; fi
    for work in $(echo "$WORKS" | tr , ' '); do
        batch=${work#train}
        kind=train
        [ "$batch" != "$work" ] || { batch=${work#sample} kind=sample; }
        seconds 60 sh $HERE ours hopper "$1" $kind "$batch" "$RUNS" >>"$lines" || return
    done
}

# ---- everything, with a clock ----------------------------------------------------------------------------------------

# stage SECONDS name command...: a stage that runs out of time or fails does not stop the next ones.
stage() {
    stage_most=$1
    stage_name=$2
    shift 2
    stage_left=$((end - $(date +%s)))
    if [ "$stage_left" -lt 15 ]; then
        echo "== $stage_name: no time left"
        return
    fi
    [ "$stage_most" -le "$stage_left" ] || stage_most=$stage_left
    stage_begin=$(date +%s)
    seconds "$stage_most" env BUDGET="$((stage_most - 60))" "$@" >"$OUT/$stage_name.txt" 2>&1
    echo "== $stage_name: exit $? after $(($(date +%s) - stage_begin)) of $stage_most s"
    tail -n 40 "$OUT/$stage_name.txt"
}
# The table of lines that a bench left when its time was over.
stage_table() {
    lines=$OUT/$1.jsonl
    [ ! -s "$lines" ] || { find_torch; table >"$OUT/$1.table.txt" 2>&1; }
}

mkdir -p "$C"
case ${1:-} in
check)
    if missing >"$C/missing"; then
        echo "cuda-check: skipped: $(cat "$C/missing")"
        exit 0
    fi
    check 'make cuda' build_cuda
    find_torch || skip 'parity with PyTorch: no Python with PyTorch for CUDA found; PYTHON= names one'
    rm -f "$C/errors.jsonl"
    for on in ${EXECUTORS:-fast plain}; do
        # shellcheck disable=SC2086
        check_all "$on" ${NETS:-tiny64 ddpm tiny light}
    done
    finish cuda-check
    ;;
ours)
    shift
    ours "$@"
    ;;
others)
    lines=${OUT:-$BUILD/cuda.jsonl}
    others "$2"
    ;;
bench)
    if missing >"$C/missing"; then
        echo "cuda-bench: $(cat "$C/missing")"
        exit 1
    fi
    build_cuda || exit 1
    lines=${OUT:-$BUILD/cuda.jsonl}
    begin_lines
    find_torch || skip 'PyTorch: no Python with PyTorch for CUDA found; PYTHON= names one'
    for net in ${NETS:-ddpm light}; do
        bench_network "$net" "${BUDGET:-900}"
        case ${OTHERS:-$ON} in
        fast | hopper) others "$net" ;;
        esac
    done
    table
    echo "every line: $lines"
    ;;
all)
    if missing >"$C/missing"; then
        echo "cuda: $(cat "$C/missing")"
        exit 1
    fi
    OUT=${OUT:-$BUILD/cuda/out}
    mkdir -p "$OUT"
    end=$(($(date +%s) + ${TOTAL:-780}))
    [ -n "${NOBUILD:-}" ] || stage 200 build "${TILT_MAKE:-make}" -j "$JOBS" cuda
    [ -x "$P" ] || exit 1
    stage 100 check-fast env EXECUTORS=fast NETS='tiny64 ddpm' sh $HERE check
    stage 300 bench-ddpm env NETS=ddpm OTHERS=no OUT="$OUT/ddpm.jsonl" sh $HERE bench
    stage 60 others-ddpm env OUT="$OUT/ddpm.jsonl" sh $HERE others ddpm
    stage_table ddpm
    stage 60 check-plain env EXECUTORS=plain NETS='tiny tiny64' sh $HERE check
    stage 200 bench-light env NETS=light OTHERS=no OUT="$OUT/light.jsonl" sh $HERE bench
    stage_table light
    stage 200 check env sh $HERE check
    ;;
dry)
    # The same steps as bench, with the CPU's executor, a network of width 32 and few runs.
    P=$BUILD/unet_cuda
    TORCH=${PYTHON:-/usr/bin/python3}
    DEVICE=cpu ON=cpu RUNS=2 ROUNDS=2 STEPS=2 WORKS=${WORKS_DRY:-sample1,train2}
    TORCH_OPTIONS='--device cpu --first-runs 2 --only fp32/cl'
    export DEVICE STEPS DRY=1
    build unet_cuda || exit 1
    # The emulated kernels are judged as the real ones will be, and wrong numbers must be refused.
    mkdir -p "$C/a"
    rm -f "$C/errors.jsonl"
    if have g++ && g++ -x c++ -std=c++17 -O2 -w -DEMULATE tests/dump_unet.c -o "$C/dump_emulated"; then
        "$C/dump_emulated" "$C/a" 8 3 tiny64 3 fast || exit 1
        "$TORCH" tests/peers/cuda_same.py "$C/a" 8 3 tiny64 fast >"$C/errors.jsonl" || exit 1
        "$TORCH" tests/peers/cuda_same.py "$C/a" 8 3 tiny64 fast faults || exit 1
        rm -rf "$C/a"
    fi
    lines=$C/dry.jsonl
    begin_lines
    bench_network small 60 || exit 1
    table
    ;;
*)
    sed -n '2,/^cd /{/^#/s/^# \{0,1\}//p;}' $HERE
    exit 2
    ;;
esac
