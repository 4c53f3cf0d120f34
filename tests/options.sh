#!/bin/sh
# options.sh: wrong command lines.  Every program with options must refuse them with exit 2 and one line on stderr, list
# every option in --help, and obey --seed.  Which options exist is read from --help itself.
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
O=$BUILD/options
rm -rf "$O"
mkdir -p "$O"

# refused "why" program arguments...: exit 2, one line on stderr that names the culprit, nothing on stdout.
refused() {
    why=$1
    shift
    limit 10 "$@" >"$O/out" 2>"$O/err" </dev/null
    status=$?
    lines=no
    {
        IFS= read -r first && lines=one
        ! IFS= read -r second || lines=more
    } <"$O/err"
    if [ "$status" -eq 2 ] && [ $lines = one ] && [ ! -s "$O/out" ]; then
        ok
    else
        bad "$* ($why): exit $status, $lines line on stderr, $(wc -c <"$O/out" | tr -d ' ') bytes on stdout;" \
            'expected exit 2, one line, nothing'
    fi
}

# The options of a program: NAME KIND LOW HIGH, from the lines of --help, for example
#   --steps N           training steps; a whole number from 1 to 1000000 [2000]
options_of() {
    awk '$1 ~ /^--/ && $1 != "--help" && $1 != "--version" {
        name = substr($1, 3); kind = "flag"; low = high = "-"
        if ($2 ~ /^(N|X|TEXT|WORD)$/) kind = $2
        if (match($0, /number from [-0-9.e+]+ to [-0-9.e+]+/)) {
            split(substr($0, RSTART, RLENGTH), w, " "); low = w[3]; high = w[5]
        } else if (match($0, /number, at least [-0-9.e+]+/)) {
            split(substr($0, RSTART, RLENGTH), w, " "); low = w[4]
        } else if (match($0, /number, at most [-0-9.e+]+/)) {
            split(substr($0, RSTART, RLENGTH), w, " "); high = w[4]
        }
        print name, kind, low, high
    }' "$1"
}

# A number beyond the end of a range.
beyond() {
    awk -v end="$1" -v up="$2" 'BEGIN {
        step = (end < 0 ? -end : end) * 0.01; if (step < 1) step = 1
        printf "%.0f\n", up ? end + step + 1 : end - step - 1
    }'
}

# program_checks PROGRAM: what holds for every program with options.
program_checks() {
    program=$1
    limit 10 "$program" --help >"$O/help" 2>"$O/err" </dev/null
    check "$program --help: exit 0" [ $? -eq 0 ]
    check "$program --help is silent on stderr" [ ! -s "$O/err" ]
    limit 10 "$program" --version >"$O/version" 2>/dev/null </dev/null
    check "$program --version: exit 0" [ $? -eq 0 ]
    check "$program --version is one line" [ "$(wc -l <"$O/version")" -eq 1 ]

    refused 'unknown option' "$program" --no-such-option
    refused 'unknown option with a value' "$program" --no-such-option=3
    refused 'unknown short option' "$program" -z
    refused 'abbreviation' "$program" --hel
    options_of "$O/help" >"$O/options"
    while read -r option kind low high; do
        option=--$option
        case $kind in
        flag)
            refused 'a flag with a value' "$program" "$option=1"
            refused 'a flag twice' "$program" "$option" "$option"
            continue
            ;;
        N | X)
            for value in abc 1x 1..2 '' ' 1' 0x10 nan inf 1e999 --; do
                refused 'malformed number' "$program" "$option=$value"
            done
            [ "$kind" = X ] || refused 'a fraction where a whole number belongs' "$program" "$option=1.5"
            [ "$low" = - ] || refused 'below the range' "$program" "$option=$(beyond "$low" 0)"
            [ "$high" = - ] || refused 'above the range' "$program" "$option=$(beyond "$high" 1)"
            good=$low
            [ "$low" != - ] || good=1
            refused 'the same number option twice' "$program" "$option=$good" "$option=$good"
            ;;
        WORD)
            refused 'a word that is no choice' "$program" "$option=no-such-word"
            ;;
        TEXT)
            refused 'an empty text' "$program" "$option="
            refused 'the same text option twice' "$program" "$option=a" "$option=a"
            ;;
        esac
        refused 'no value' "$program" "$option"
        refused 'another option for a value' "$program" "$option" --help
    done <"$O/options"
}

hash_of() {
    limit 60 "$@" 2>"$O/err" </dev/null | sed -n 's/^hash \([0-9a-f]\{16\}\)$/\1/p'
}

programs=
for name in $(chapters) ledger nb train_images; do
    [ "$name" != ledger ] || [ -f ref/ledger.c ] || continue
    [ "$name" != nb ] || [ -f notebooks-c/nb.c ] || continue
    [ "$name" != train_images ] || [ -f toy/train_images.c ] || continue
    if build "$BUILD/$name"; then programs="$programs $name"; else bad "$name does not build"; fi
done

for name in $programs; do
    program=$BUILD/$name
    program_checks "$program"
    case $name in
    ch* | train_images)
        for option in seed quick out; do
            check "$program --help lists --$option" grep -q "^ *--$option" "$O/help"
        done
        refused 'a word that is no option' "$program" word
        mkdir -p "$O/a"
        # expect.sh compares the hash of --quick with the stored one, bits.sh that of many runs with each other
        plain=$(sed -n 's/^hash //p' "tests/expect/$name.txt" 2>/dev/null)
        [ -n "$plain" ] || plain=$(hash_of "$program" --quick --out "$O/a")
        seven=$(hash_of "$program" --quick --seed=7 --out "$O/a")
        check "$program --quick --seed=7 ends with a hash of 16 digits" [ -n "$seven" ]
        check "$program: --seed 7 changes the hash ($plain)" [ "$plain" != "$seven" ]
        # a folder that cannot be made is noticed at once, not when the work is done
        limit 2 "$program" --quick --out "$O/no/such/folder" >/dev/null 2>"$O/err" </dev/null
        check "$program --out of a missing folder: exit 1" [ $? -eq 1 ]
        check "$program --out of a missing folder: one line" [ "$(wc -l <"$O/err")" -eq 1 ]
        ;;
    esac
done
# The commands of unet_cuda have options each: a command is a program of two words.  tests/unet_cuda.sh runs them.
if [ -f toy/unet_cuda.c ] && build "$BUILD/unet_cuda"; then
    for command in pretrain sample reward pg dpo check bench; do
        printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$BUILD/unet_cuda" "$command" >"$O/unet_cuda-$command"
        chmod +x "$O/unet_cuda-$command"
        program_checks "$O/unet_cuda-$command"
        for option in seed quick out on; do
            check "unet_cuda $command --help lists --$option" grep -q "^ *--$option" "$O/help"
        done
    done
fi
# The judgement can fail: the right exit status with two lines, one line with another status, words on stdout.
for wrong in 'echo a >&2; echo b >&2; exit 2' 'echo a >&2; exit 1' 'echo a; echo a >&2; exit 2' 'exit 0'; do
    said=$(refused proof sh -c "$wrong")
    check "refused() accepts: $wrong" [ -n "$said" ]
done
finish options
