#!/bin/sh
# unet_cuda.sh: every command of build/unet_cuda, with --quick: what it prints, the files it leaves, the same bits twice and on
# one thread, and that a mistake costs one line.
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
U=$BUILD/unet_cuda.test
rm -rf "$U"
mkdir -p "$U"
P=$BUILD/unet_cuda
if ! build "$P"; then
    bad 'unet_cuda does not build'
    finish unet_cuda
fi

# quick NAME command options...: runs it with --quick into the folder NAME; what it printed is in $U/NAME.txt.
quick() {
    quick_name=$1
    quick_command=$2
    shift 2
    mkdir -p "$U/$quick_name"
    limit 60 "$P" "$quick_command" --quick --out "$U/$quick_name" "$@" >"$U/$quick_name.txt" 2>"$U/err" </dev/null
    quick_status=$?
    check "$quick_command $*: exit $quick_status; $(head -n 1 "$U/err")" [ "$quick_status" -eq 0 ]
    check "$quick_command $*: silent on stderr" [ ! -s "$U/err" ]
}
value() { # value KEY NAME
    sed -n "s/^$1 //p" "$U/$2.txt"
}
# says NAME KEY...: lines `KEY number`.
says() {
    says_name=$1
    shift
    for key in "$@"; do
        check "$says_name prints $key with a number" grep -Eq "^$key -?[0-9][0-9.e+-]*( |\$)" "$U/$says_name.txt"
    done
}
same() { # same A B: two runs, one output (but for the names of the folders) and the same files
    sed "s:$U/[a-z0-9_]*/::" "$U/$1.txt" >"$U/$1.bare"
    sed "s:$U/[a-z0-9_]*/::" "$U/$2.txt" >"$U/$2.bare"
    check "$1 and $2 print the same" cmp -s "$U/$1.bare" "$U/$2.bare"
    check "$1 and $2 leave the same files" diff -r "$U/$1" "$U/$2"
}
# refused "what" STATUS "word" command options...: this exit status, one line on stderr with the word, nothing on stdout.
refused() {
    refused_what=$1
    refused_want=$2
    refused_word=$3
    shift 3
    limit 30 "$P" "$@" >"$U/out" 2>"$U/err" </dev/null
    refused_status=$?
    if [ "$refused_status" -eq "$refused_want" ] && [ "$(wc -l <"$U/err")" -eq 1 ] && [ ! -s "$U/out" ] &&
        grep -q -e "$refused_word" "$U/err"; then
        ok
    else
        bad "$refused_what: exit $refused_status (not $refused_want), or not one line with '$refused_word': $(head -n 1 "$U/err")"
    fi
}

# ---- pretrain ---------------------------------------------------------------------------------------------------------

small='--world glyphs12 --steps 6 --every 3'
# shellcheck disable=SC2086
quick train pretrain $small
for file in glyphs12_unet.train.safetensors glyphs12_unet.safetensors glyphs12_unet.png; do
    check "pretrain leaves $file" [ -s "$U/train/$file" ]
done
# shellcheck disable=SC2086
quick part pretrain $small --until 3
# shellcheck disable=SC2086
quick part pretrain $small --resume
check 'stopped after 3 steps and resumed: the same hash' [ "$(value hash part)" = "$(value hash train)" ]
# shellcheck disable=SC2086
quick plain pretrain $small --on plain
check 'the plain kernels are another executor, with other bits' [ "$(value hash plain)" != "$(value hash train)" ]
loss=$(value inspect train)
other=$(value inspect plain)
check "and the same loss: ${loss%% *} and ${other%% *}" [ "${loss%% *}" = "${other%% *}" ]
weights=$U/train/glyphs12_unet.safetensors

# ---- sample, reward, pg, dpo ---------------------------------------------------------------------------------------------

quick sample sample
says sample samples guidance asked_shape_right asked_colour_right inspect
check 'the shipped net shows what was asked for' awk '$1 == "inspect" { good = $2 >= 0.75 } END { exit !good }' "$U/sample.txt"
check 'sample leaves a sheet' [ -s "$U/sample/sample.png" ]
quick prompt sample --prompt 'small red circle' --samples 4
check 'a prompt of its own changes the pictures' [ "$(value hash prompt)" != "$(value hash sample)" ]
quick grey sample --weights "$weights"

quick reward reward
says reward accuracy best_accuracy samples_correlation data_correlation inspect
for method in pg dpo; do
    quick $method $method
    says $method before_reward before_kl before_j after_reward after_kl after_j before_obeys after_obeys optimum_j inspect
    check "$method: the reference has no KL to itself" grep -qx 'before_kl 0.000' "$U/$method.txt"
    check "$method: the model has moved" awk '$1 == "after_kl" { moved = $2 > 0 } END { exit !moved }' "$U/$method.txt"
    for file in ${method}_before.png ${method}_after.png glyphs_$method.safetensors; do
        check "$method leaves $file" [ -s "$U/$method/$file" ]
    done
    quick ${method}_again $method
    same $method ${method}_again
    OMP_NUM_THREADS=1
    export OMP_NUM_THREADS
    quick ${method}_one $method
    unset OMP_NUM_THREADS
    same $method ${method}_one
    quick ${method}_seven $method --seed 7
    check "$method: --seed changes the hash" [ "$(value hash $method)" != "$(value hash ${method}_seven)" ]
done
quick told pg --reward-model "$U/reward/glyphs_reward.safetensors"
check 'pg that is told another reward ends elsewhere' [ "$(value hash told)" != "$(value hash pg)" ]
quick aligned sample --weights "$U/pg/glyphs_pg.safetensors"
quick digits pg --weights data/digits_unet.safetensors
says digits after_reward after_kl after_j

# ---- check, bench -----------------------------------------------------------------------------------------------------

quick check check
says check trained_forward_error_1 trained_gradient_error_16 trained_input_gradient_error_3
check 'the CPU gives the same bits twice' [ "$(grep -c 'same_bits_[0-9]* yes' "$U/check.txt")" -eq 3 ]
check 'the two forms of the convolution are two' grep -q 'trained_forward_error_16 [1-9]' "$U/check.txt"
quick check_plain check --on plain
limit 60 "$P" check --quick --tolerance 1e-12 >"$U/out" 2>"$U/err" </dev/null
check 'check can fail: a tolerance below the rounding ends with exit 1' [ $? -eq 1 ]
quick bench bench --world glyphs12
check 'bench prints one JSON object a line' [ "$(grep -c '^{"machine": .*}$' "$U/bench.txt")" -eq "$(wc -l <"$U/bench.txt")" ]
for key in compiler threads network executor batch ms_median ms_min images_per_s gflops; do
    check "bench says $key" [ "$(grep -c "\"$key\": " "$U/bench.txt")" -eq 5 ]
done
quick bench_align bench --world glyphs12 --align
check 'bench --align names its training step' [ "$(grep -c '^{.*"what": "align"' "$U/bench_align.txt")" -eq 1 ]

# ---- mistakes -----------------------------------------------------------------------------------------------------------

refused 'no command' 2 'known: pretrain'
refused 'an unknown command' 2 "'align' is no command" align
refused 'an option before the command' 2 'is no command' --seed 1 pg
refused 'an unknown executor' 2 'one of cpu' check --on abacus
refused 'weights that are not there' 1 'no-such' sample --weights no-such.safetensors
refused 'weights of an Mlp' 1 'not a UNet' sample --weights data/ring_mlp.safetensors
refused 'a prompt that the world does not have' 1 'begins at' sample --quick --prompt 'small pink circle' --out "$U"
refused 'a taste for a world that is not glyphs' 1 'about glyphs' pg --quick --taste red --weights data/digits_unet.safetensors
refused 'a chain of no divisor' 1 'divisor' pg --quick --each 5
refused 'a reward model that is a denoiser' 1 'reward' pg --quick --reward-model "$weights"
refused 'a pool without pairs' 2 'even' dpo --pool 3
refused 'batches that are no numbers' 2 'up to 16 numbers' bench --train 4,x
refused 'splitting on an executor that never splits' 1 'never cuts' bench --quick --split off
refused 'an unknown way to split' 2 'one of on' bench --split half
refused 'a picture file for glyphs' 1 'brings its own data' sample data/emoji16.txt
head -c 5000 "$weights" >"$U/half.safetensors"
refused 'half a file' 1 'half.safetensors' sample --weights "$U/half.safetensors"
finish unet_cuda
