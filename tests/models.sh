#!/bin/sh
# models.sh: the shipped models are what their commands make.  data/models.tsv names every model of data/, the options of
# build/train_images that made it, two hashes of the averaged parameters, after a few steps of the plan and at its end,
# and a line of its `--evaluate`.  The file must hold the second hash, and training again must reach the first; `--long`
# trains to the end and evaluates.
#   sh tests/models.sh             a second or two a model
#   sh tests/models.sh --long      minutes a model: everything again, from nothing
#   sh tests/models.sh --make      the same, and writes the files and the table anew
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
R=$BUILD/models
rm -rf "$R"
mkdir -p "$R"
T=data/models.tsv
P=$BUILD/train_images
TAB=$(printf '\t')
if ! build "$P"; then
    bad 'train_images does not build'
    finish models
fi
value() { # value KEY FILE
    sed -n "s/^$1 //p" "$2"
}

total=0
for file in data/*.safetensors; do
    grep -q "^${file##*/}$TAB" "$T" || bad "$file stands in no row of $T"
    total=$((total + $(wc -c <"$file")))
done
check "the models are $total bytes, 4 MB are the limit" test "$total" -le 4194304

head -n 1 "$T" >"$R/table"
tail -n +2 "$T" >"$R/rows"
while IFS=$TAB read -r file steps early end seconds score options; do
    # shellcheck disable=SC2086
    if ! limit 60 "$P" $options --until "$steps" --out "$R/$file.short" >"$R/out" 2>"$R/err" </dev/null; then
        bad "$file: $options: $(head -n 1 "$R/err")"
        continue
    fi
    got=$(value hash "$R/out")
    if [ "${1:-}" = --make ]; then
        early=$got
    fi
    check "$file: after $steps steps the hash is $got, not $early" test "$got" = "$early"
    if [ "${1:-}" = --long ] || [ "${1:-}" = --make ]; then
        # shellcheck disable=SC2086
        "$P" $options --out "$R/$file.long" >"$R/out" 2>"$R/err" </dev/null
        got=$(value hash "$R/out")
        if [ "${1:-}" = --make ]; then
            end=$got
            seconds=$(value seconds "$R/out")
            cp "$(value weights "$R/out")" "data/$file"
        fi
        check "$file: at the end the hash is $got, not $end" test "$got" = "$end"
    fi
    samples=2
    case ${1:-} in --long | --make) samples=0 ;; esac
    # shellcheck disable=SC2086
    "$P" $options --evaluate --samples $samples --weights "data/$file" >"$R/out" 2>"$R/err" </dev/null
    got=$(value hash "$R/out")
    check "data/$file holds $got, not $end: $(head -n 1 "$R/err")" test "$got" = "$end"
    if [ "${1:-}" = --make ]; then
        score="${score% *} $(value "${score% *}" "$R/out")"
    fi
    [ $samples -ne 0 ] || check "$file: the score is not $score" grep -qx "$score" "$R/out"
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$file" "$steps" "$early" "$end" "$seconds" "$score" "$options" >>"$R/table"
done <"$R/rows"
[ "${1:-}" != --make ] || cp "$R/table" "$T"
finish models
