#!/bin/sh
# claims.sh: every number that the text states is recomputed.  In a Markdown file
#     0.9419<!--claim:ch09 bon_win_16-->
# says that the default run of chapter 9 prints a line `bon_win_16 V` where V, rounded to the digits shown, is 0.9419.
# `ch05-images` in the place of `ch09` means the run of chapter 5 with the option --images.
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
C=$BUILD/claims
rm -rf "$C"
mkdir -p "$C"

# FILE:LINE NUMBER RUN KEY for every claim of the files; a claim that is not written so is printed as `malformed`.
list_claims() {
    awk '{
        text = $0
        while (match(text, /<!-- *claim[^>]*>/)) {
            mark = substr(text, RSTART, RLENGTH); before = substr(text, 1, RSTART - 1)
            text = substr(text, RSTART + RLENGTH)
            where = FILENAME ":" FNR
            if (mark !~ /^<!--claim:ch[0-9][0-9](-[a-z]+)? [a-z0-9_]+-->$/ || !match(before, /[-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$/)) {
                print where, "malformed", mark
                continue
            }
            number = substr(before, RSTART)
            sub(/^<!--claim:/, "", mark); sub(/-->$/, "", mark)
            print where, number, mark
        }
    }' "$@"
}

# rounds_to VALUE SHOWN: is SHOWN the value rounded to its own last digit?  Half a digit either way, ends included.
rounds_to() {
    awk -v value="$1" -v shown="$2" 'BEGIN {
        mantissa = shown; exponent = 0
        if (match(shown, /e/)) { mantissa = substr(shown, 1, RSTART - 1); exponent = substr(shown, RSTART + 1) + 0 }
        digits = match(mantissa, /\./) ? length(mantissa) - RSTART : 0
        unit = 1
        for (k = exponent - digits; k > 0; k--) unit *= 10
        for (; k < 0; k++) unit /= 10
        distance = value - shown; if (distance < 0) distance = -distance
        exit !(value ~ /^[-+]?[0-9.]+(e[-+]?[0-9]+)?$/ && distance <= 0.5 * unit * (1 + 1e-9))
    }'
}

files=$(for f in README.md CHAPTERS.md CONTRIBUTING.md; do [ ! -f $f ] || echo $f; done
    find tutorial notebooks-c ref toy data tests -name '*.md' -type f | sort)
list_claims $files >"$C/list"
sed -n 's/^.* \(ch[0-9][0-9][-a-z]*\) [a-z0-9_]*$/\1/p' "$C/list" | sort -u >"$C/chapters"

# Every run that is named, once.
if slow_compiler; then
    skip "claims: default runs built by $CC take minutes"
    : >"$C/list"
    : >"$C/chapters"
fi
while read -r ch; do
    if [ ! -d "$(folder_of "$(run_chapter "$ch")")" ]; then
        bad "the text claims numbers of $ch, which does not exist"
    elif ! full_run "$ch"; then
        bad "the full run $ch fails"
    fi
done <"$C/chapters"

while read -r where number ch key; do
    if [ "$number" = malformed ]; then
        bad "$where: $ch $key: write NUMBER<!--claim:chNN key--> without a blank in front"
        continue
    fi
    value=$(awk -v key="$key" '$1 == key { print $2; exit }' "$BUILD/full/$ch.txt" 2>/dev/null)
    if [ -z "$value" ]; then
        bad "$where: $ch prints no line \`$key VALUE\`"
    elif rounds_to "$value" "$number"; then
        ok
    else
        bad "$where: the text says $number, $ch prints $key $value"
    fi
done <"$C/list"

# The comparison can fail.
check 'rounds_to: 0.94185 is 0.9419 or 0.9418' rounds_to 0.94185 0.9419
check 'rounds_to: 0.94191 is 0.9419' rounds_to 0.94191 0.9419
check 'rounds_to: 1234 is 1.2e3' rounds_to 1234 1.2e3
check 'rounds_to: -0.5 is -0.50' rounds_to -0.5 -0.50
for pair in '0.94197 0.9419' '0.5 -0.5' '1260 1.2e3' 'nan 0.5' 'inf 1'; do
    if rounds_to ${pair% *} ${pair#* }; then bad "rounds_to accepts $pair"; else ok; fi
done
printf '1.5<!--claim:ch01 a-->, x<!--claim:ch01 b--> 2 <!--claim:ch01 c--> 3<!-- claim:ch01 d-->\n' >"$C/sample.md"
printf '4<!--claim:ch01-big e-->, 5<!--claim:ch01- f--> 6<!--claim:ch01--big g-->\n' >>"$C/sample.md"
check 'a malformed claim is seen' [ "$(list_claims "$C/sample.md" | grep -c malformed)" -eq 5 ]
check 'a claim may name an option' [ "$(list_claims "$C/sample.md" | grep -c ' 4 ch01-big e$')" -eq 1 ]
finish claims
