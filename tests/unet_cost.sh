#!/bin/sh
# unet_cost.sh: what a UNet costs against its width and the batch, as a table: data/bench/unet_cost.tsv is made by it.
#   sh tests/unet_cost.sh >data/bench/unet_cost.tsv        minutes on one processor
# One thread and the minimum of the runs: on a machine where other programs run these are the steadiest numbers.
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
P=$BUILD/unet_cuda
build "$P" || exit 1

# row EXECUTOR WIDTH BATCH RUNS
row() {
    "$P" bench --on "$1" --world glyphs16 --width "$2" --train "$3" --sample "$3" --steps 8 --runs "$4" >"$BUILD/cost.txt" ||
        exit 1
    awk -v on="$1" -v width="$2" -v batch="$3" '
        function value(key,    v) { v = $0; sub(".*\"" key "\": \"?", "", v); sub("[,\"}].*", "", v); return v }
        { ms[value("what")] = value("ms_min") }
        END {
            n = $0; sub(/.*parameters, /, "", n); sub(/ MFLOP.*/, "", n)
            printf "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", on, width, batch, n, ms["train"], ms["forward"], ms["ddim-8"]
        }' "$BUILD/cost.txt"
}

# Rounds lie minutes apart, so that another program is not there in all of them; every number is the least of its column.
{
    for round in 1 2; do
        for width in 8 16 32 64; do row cpu $width 16 31; done
        for batch in 1 4 64; do row cpu 16 $batch 31; done
        for width in 8 16 32; do row plain $width 16 7; done
    done
} | awk -F '\t' -v OFS='\t' '
    BEGIN { print "executor", "width", "batch", "mflop_image", "ms_train", "ms_forward", "ms_ddim8" }
    {
        key = $1 OFS $2 OFS $3 OFS $4
        if (!(key in train)) { order[++n] = key; train[key] = $5; forward[key] = $6; ddim[key] = $7 }
        if ($5 < train[key]) train[key] = $5
        if ($6 < forward[key]) forward[key] = $6
        if ($7 < ddim[key]) ddim[key] = $7
    }
    END { for (i = 1; i <= n; i++) print order[i], train[order[i]], forward[order[i]], ddim[order[i]] }'
