#!/bin/sh
# train.sh: a training that is stopped, killed, or misled.  build/train_images must end with the same hash after a stop at a
# step, after ctrl-C, and after kill -9 at random moments; every file it leaves must be readable; every mistake of the
# user costs one line and no file.
#   sh tests/train.sh          3 kills
#   sh tests/train.sh --long   20 kills
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
R=$BUILD/train
rm -rf "$R"
mkdir -p "$R"
kills=3
[ "${1:-}" != --long ] || kills=20
P=$BUILD/train_images
if ! build "$P"; then
    bad 'train_images does not build'
    finish train
fi

# The plan of all runs below: half a second, most of it spent in drawing sheets and writing checkpoints.
ring='--world ring --net mlp --width 24 --blocks 2 --steps 200 --batch 64 --every 8'
plan=$ring
small=$plan
# but 's/--width 24/--width 25/' command...: with another plan.
but() {
    small=$(echo "$plan" | sed "$1")
    shift
    "$@"
    but_status=$?
    small=$plan
    return $but_status
}
# train FOLDER options...: the plan in its folder, with more options.
train() {
    train_out=$R/$1
    shift
    mkdir -p "$train_out"
    # shellcheck disable=SC2086
    limit 60 "$P" $small --out "$train_out" "$@" >"$R/out" 2>"$R/err" </dev/null
}
hash() {
    sed -n 's/^hash \([0-9a-f]\{16\}\)$/\1/p' "$R/out"
}
# same "what" FOLDER options...: ends well, with the hash of the run that nobody disturbed.
same() {
    same_what=$1
    shift
    train "$@"
    same_status=$?
    same_hash=$(hash)
    if [ "$same_status" -eq 0 ] && [ "$same_hash" = "$straight" ]; then
        ok
    else
        bad "$same_what: exit $same_status, hash ${same_hash:-none}, not $straight; $(head -n 1 "$R/err")"
    fi
}
# refused "what" STATUS "word" FOLDER options...: this exit status and one line on stderr that holds the word, and every
# file in the folder stays as it is.
refused() {
    what=$1
    want=$2
    word=$3
    shift 3
    mkdir -p "$R/$1"
    rm -rf "$R/before"
    cp -R "$R/$1" "$R/before"
    train "$@"
    status=$?
    lines=$(wc -l <"$R/err")
    if [ "$status" -eq "$want" ] && [ "$((lines))" -eq 1 ] && [ ! -s "$R/out" ] && grep -q -e "$word" "$R/err" &&
        diff -r "$R/before" "$R/$1" >/dev/null; then
        ok
    else
        bad "$what: exit $status (not $want), $((lines)) lines, without '$word' or with changed files: $(head -n 1 "$R/err")"
    fi
}
files_whole() {
    # shellcheck disable=SC2086
    limit 20 "$P" $small --out "$R/$1" --evaluate --quick >"$R/out" 2>"$R/err" </dev/null
    check "$2: the weights can be read; $(head -n 1 "$R/err")" [ $? -eq 0 ]
}
pause() {
    sleep "$1" 2>/dev/null || sleep 1 # POSIX promises whole seconds only
}

# ---- without trouble -------------------------------------------------------------------------------------------------

train straight
check 'a training that nobody disturbs' [ $? -eq 0 ]
straight=$(hash)
check 'it ends with a hash' [ -n "$straight" ]
check 'it says nothing on stderr when that is no terminal' [ ! -s "$R/err" ]
for file in ring_mlp.train.safetensors ring_mlp.safetensors ring_mlp.png; do
    check "it leaves $file" [ -s "$R/straight/$file" ]
done
same 'with --resume, finished already' straight --resume
same 'the same again' again
check 'two runs leave the same files' diff -r "$R/straight" "$R/again"
train seed --seed 2
check '--seed changes the hash' [ "$(hash)" != "$straight" ]

# ---- stopped ---------------------------------------------------------------------------------------------------------

train stop --until 70
check '--until 70 ends well' [ $? -eq 0 ]
check '--until 70 says how far it came' grep -q '^steps 70 of 200$' "$R/out"
check 'a part of the plan has another hash' [ "$(hash)" != "$straight" ]
refused 'an unfinished training is not overwritten' 1 'step 70' stop
refused 'other options on resume' 1 'rate 0.006.*rate 0.007' stop --resume --rate 0.007
but 's/--width 24/--width 25/' refused 'another net on resume' 1 '24x2.*25x2' stop --resume
refused 'another seed on resume' 1 'seed 1.*ask for 9' stop --resume --seed 9
same 'stopped at 70, resumed' stop --resume
check 'and its files are those of the undisturbed run' diff -r "$R/straight" "$R/stop"
train fresh --until 30
same '--restart begins again' fresh --restart

# ---- killed ----------------------------------------------------------------------------------------------------------

# start FOLDER: the training with --resume in the background.
start() {
    mkdir -p "$R/$1"
    # shellcheck disable=SC2086
    "$P" $small --out "$R/$1" --resume >"$R/out" 2>"$R/err" </dev/null &
    started=$!
}
# Moments between 0 and about the length of a run, in milliseconds; another list each day of the test's life.
moments=$(awk -v seed="$(date +%s)" -v n="$kills" 'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "0.%03d ", 400 * rand() }')
killed=0
for moment in $moments; do
    rm -rf "$R/killed"
    start killed
    pause "$moment"
    kill -9 $started 2>/dev/null && killed=$((killed + 1))
    wait $started 2>/dev/null
    if [ -f "$R/killed/ring_mlp.safetensors" ]; then files_whole killed "killed after $moment s"; fi
    same "killed after $moment s, resumed" killed --resume
    check "killed after $moment s: nothing half written is left" [ -z "$(ls "$R/killed" | grep tmp)" ]
done
check "some of the $kills kills came before the end" [ "$killed" -gt 0 ]
# one training, killed again and again
rm -rf "$R/killed"
for moment in $moments; do
    start killed
    pause "0.0${moment#0.}"
    kill -9 $started 2>/dev/null
    wait $started 2>/dev/null
done
same "killed $kills times, resumed each time" killed --resume

# a file half written by a killed program is in nobody's way
mkdir -p "$R/half"
head -c 1000 "$R/straight/ring_mlp.train.safetensors" >"$R/half/ring_mlp.train.safetensors.tmp"
same 'with half a file beside it' half --resume
check 'and the half file is gone' [ ! -f "$R/half/ring_mlp.train.safetensors.tmp" ]

# ctrl-C: the step is finished and saved
for signal in INT:130 TERM:143; do
    rm -rf "$R/asked"
    start asked
    while [ ! -f "$R/asked/ring_mlp.train.safetensors" ] && kill -0 $started 2>/dev/null; do pause 0.02; done
    kill -"${signal%:*}" $started 2>/dev/null
    wait $started 2>/dev/null
    status=$?
    check "SIG${signal%:*}: exit $status, not ${signal#*:}" [ "$status" -eq "${signal#*:}" ]
    check "SIG${signal%:*}: one more line that says how to go on: $(tail -n 1 "$R/err")" \
        grep -q 'stopped after step .* --resume goes on' "$R/err"
    same "stopped by SIG${signal%:*}, resumed" asked --resume
done

# ---- a UNet ----------------------------------------------------------------------------------------------------------

plan='--world digits --net unet --width 8 --steps 12 --batch 16 --every 6'
small=$plan
train unet
straight_ring=$straight
straight=$(hash)
check 'a UNet trains' [ -n "$straight" ]
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
train unet-stop --until 7
OMP_NUM_THREADS=2
same 'a UNet stopped after 7 steps on one thread, resumed on two' unet-stop --resume
unset OMP_NUM_THREADS
but 's/--every 6/--every 12/; s/--steps 12/--steps 60/' train unet-nan --rate 1e9
check "a UNet that diverges names its layer: $(head -n 1 "$R/err")" \
    grep -q 'step [0-9]*: the .* first not finite: .* of layer [0-9]*, [a-z0-9.]*[, :;]' "$R/err"
straight=$straight_ring
plan=$ring
small=$plan

# ---- mistakes --------------------------------------------------------------------------------------------------------

mkdir -p "$R/bad"
head -c 3000 "$R/straight/ring_mlp.train.safetensors" >"$R/bad/ring_mlp.train.safetensors"
refused 'half a checkpoint' 1 'ring_mlp.train.safetensors' bad --resume
(head -c 9000 "$R/straight/ring_mlp.train.safetensors" && printf 'x' && tail -c +9002 "$R/straight/ring_mlp.train.safetensors") \
    >"$R/bad/ring_mlp.train.safetensors"
refused 'a changed byte' 1 'checksum' bad --resume
refused 'a changed byte, without --resume' 1 'checksum' bad
same '--restart over a damaged checkpoint' bad --restart
but 's/--world ring/--world no-such/' refused 'an unknown world' 2 'no-such' none
refused 'no weights to evaluate' 1 'ring_mlp.safetensors' none --evaluate
refused 'two wishes' 2 'restart' none --resume --restart
printf '' >"$R/file"
check 'a folder that is a file costs one line' [ "$("$P" --quick --out "$R/file" 2>&1 | wc -l)" -eq 1 ]

# a rate that ruins the net: the step, the layer, and the checkpoint of before
but 's/--every 8/--every 1/; s/--blocks 2/--blocks 5/' train nan --rate 1e9
check 'a net that diverges ends the program with exit 1' [ $? -eq 1 ]
check "one line names the step and the layer: $(head -n 1 "$R/err")" \
    grep -q 'step [0-9]*: the .* first not finite: .* of .*layer.*ring_mlp.train.safetensors' "$R/err"
check 'one line only' [ "$(wc -l <"$R/err")" -eq 1 ]
but 's/--blocks 2/--blocks 5/' refused 'the checkpoint of before is whole' 1 "is at step [1-9]" nan
finish train
