#!/bin/sh
# ledger.sh [LEDGER]: tests the formula ledger (default build/ledger): golden values, broken golden files, the blocks of
# the formula headers, the commands.  Hostile files are written to build/test_tmp/ledger.
ledger=${1:-}
case $ledger in
'' | /*) ;;
*) ledger=$PWD/$ledger ;;
esac
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
case $BUILD in
/*) ledger=${ledger:-$BUILD/ledger} ;;
*) ledger=${ledger:-$PWD/$BUILD/ledger} ;;
esac
golden=data/golden.txt
tmp=$BUILD/test_tmp/ledger
tab=$(printf '\t')
if [ ! -x "$ledger" ]; then
    bad "there is no program $ledger; make build/ledger"
    finish ledger
fi
mkdir -p "$tmp"

# run ARG...: the ledger, with its output in $tmp/out and $tmp/err and its exit status in $status.
run() {
    "$ledger" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    status=$?
}

lines() { # number of lines of a file
    awk 'END { print NR }' "$1"
}

last_line() {
    awk '{ line = $0 } END { print line }' "$1"
}

# ---- golden values ---------------------------------------------------------------------------------------------------

run check "$golden"
check 'check exits 0' [ "$status" -eq 0 ]
check 'check is silent on stderr' [ ! -s "$tmp/err" ]
sed '/^families: /d; /^[0-9]/d' "$tmp/out" >"$tmp/verdicts" # one line a family: passed, failed or pending
last_line "$tmp/out" >"$tmp/last"
check 'check ends with the counts' grep -q '^[1-9][0-9]* passed, 0 failed, [0-9]* pending$' "$tmp/last"
total=$(awk '{ print $1 + $3 + $5 }' "$tmp/last")
pending=$(awk '{ print $5 }' "$tmp/last")
cases=$(awk -F'|' '/^[^#]/ && !seen[$1]++ { n++ } END { print n }' "$golden")
check 'every case is counted' [ "$total" = "$cases" ]
awk -F'[@|]' '/^[^#]/ && !seen[$1]++ { print $1 }' "$golden" >"$tmp/families"
awk '{ print $2 }' "$tmp/verdicts" >"$tmp/named"
awk 'FILENAME == ARGV[1] { want[NR] = $0; n = NR; next } $0 != want[FNR] { print } END { if (FNR != n) print "number" }' \
    "$tmp/families" "$tmp/named" >"$tmp/misnamed"
check 'every family is named once, in order' [ ! -s "$tmp/misnamed" ]
check 'no family is unknown' [ "$(grep -c 'unknown family' "$tmp/verdicts")" -eq 0 ]
awk '$1 == "passed" { print $2 }' "$tmp/verdicts" >"$tmp/good"
check 'some family passes' [ -s "$tmp/good" ]

# One changed digit in the first output of a family must be noticed, in every family that passes.
while read -r family; do
    awk -F'|' -v OFS='|' -v want="$family" '
        { split($1, part, "@") }
        part[1] != want || /^#/ { next }
        $2 == "out" && !done && match($5, /[0-9]/) {
            digit = substr($5, RSTART, 1)
            $5 = substr($5, 1, RSTART - 1) ((digit + 1) % 10) substr($5, RSTART + 1)
            done = 1
        }
        { print }' "$golden" >"$tmp/changed.txt"
    run check "$tmp/changed.txt"
    check "changed digit, exit status of $family" [ "$status" -eq 1 ]
    check "changed digit names $family" grep -q "^failed   $family .*element" "$tmp/out"
done <"$tmp/good"

# eval: fed with the inputs alone it prints every output; fed back with tolerance 0 its numbers are exactly its own.
grep '|in|' "$golden" >"$tmp/inputs"
"$ledger" eval <"$tmp/inputs" >"$tmp/outputs" 2>"$tmp/err"
check 'eval exits 0' [ $? -eq 0 ]
last_line "$tmp/err" >"$tmp/last"
check 'eval counts the pending cases' grep -q ", $pending pending, 0 of unknown families" "$tmp/last"
check 'eval names every pending case' [ "$(grep -c '^pending ' "$tmp/err")" = "$pending" ]
awk -F'|' 'FILENAME == ARGV[1] { good[$1] = 1; next }
    { split($1, part, "@") }
    $2 == "out" && good[part[1]] { print $1 "|" $2 "|" $3 "|" $4 }' "$tmp/good" "$golden" >"$tmp/wanted_keys"
awk -F'|' 'FILENAME == ARGV[1] { got[$1 "|" $2 "|" $3 "|" $4] = 1; next } !got[$0]' "$tmp/outputs" "$tmp/wanted_keys" >"$tmp/lacking"
check 'eval prints every expected key and shape' [ ! -s "$tmp/lacking" ]
awk -F'|' 'function finish() { if (last in out) printf "%s%s%s|tol|rel|1|0\n%s|tol|abs|1|0\n", given, out[last], last, last }
    FILENAME == ARGV[1] { out[$1] = out[$1] $0 "\n"; next }
    $1 != last { finish(); given = ""; last = $1 }
    { given = given $0 "\n" }
    END { finish() }' "$tmp/outputs" "$tmp/inputs" >"$tmp/own.txt"
run check "$tmp/own.txt"
check 'eval and check agree to the last bit' [ "$status" -eq 0 ]
"$ledger" eval </dev/null >"$tmp/out" 2>"$tmp/err"
check 'eval of nothing fails' [ $? -eq 1 ]
check 'eval of nothing says so in one line' [ "$(lines "$tmp/err")" -eq 1 ]
echo 'no.such@1|in|x|1|1' | "$ledger" eval >"$tmp/out" 2>"$tmp/err"
check 'eval of an unknown family fails' [ $? -eq 1 ]
check 'eval names the unknown family' grep -q '^unknown family no.such@1' "$tmp/err"

# ---- broken golden files -----------------------------------------------------------------------------------------------

# broken NAME: $tmp/NAME.txt must be refused with exit status 1 and one line `file:line: what`.
broken() {
    run check "$tmp/$1.txt"
    check "broken file $1, exit status" [ "$status" -eq 1 ]
    check "broken file $1, one line" [ "$(lines "$tmp/err")" -eq 1 ]
    check "broken file $1, file:line: what" grep -q "^$tmp/$1.txt:[0-9][0-9]*: ." "$tmp/err"
    check "broken file $1, nothing judged" [ ! -s "$tmp/out" ]
}

grep '^fwd\.ve@1|' "$golden" >"$tmp/base.txt"
run check "$tmp/base.txt"
check 'the unbroken file passes' [ "$status" -eq 0 ]

: >"$tmp/empty.txt"
broken empty
grep '^#' "$golden" >"$tmp/comments.txt"
broken comments
for bytes in 1 100 2345 20000 123456; do
    head -c "$bytes" "$golden" >"$tmp/truncated$bytes.txt"
    broken "truncated$bytes"
done
head -n 30 "$golden" >"$tmp/cut_between_lines.txt"
broken cut_between_lines
awk '{ printf "%s", $0; if (NR > 1) printf "\n" }' "$tmp/base.txt" >"$tmp/lost_line_feed.txt"
broken lost_line_feed
{ sed 1q "$tmp/base.txt" && printf 'fwd.ve@1|in|q|1|\0011\n'; } >"$tmp/control_byte.txt"
broken control_byte
{ sed 1q "$tmp/base.txt" && printf 'fwd.ve@1|in|q|1|1\000\n'; } >"$tmp/zero_byte.txt"
broken zero_byte
{ sed 1q "$tmp/base.txt" && printf 'fwd.ve@1|in|q|1|\2611\n'; } >"$tmp/high_byte.txt"
broken high_byte
awk 'BEGIN { printf "#"; for (i = 0; i < 9000; i++) printf "x"; printf "\n" } { print }' "$tmp/base.txt" >"$tmp/long_comment.txt"
broken long_comment
awk '{ print } END { printf "fwd.ve@1|in|long|4000|"; for (i = 0; i < 4000; i++) printf "1.5 "; printf "\n" }' \
    "$tmp/base.txt" >"$tmp/long_line.txt"
broken long_line
awk '{ print } END { printf "fwd.ve@1|in|long|4097|"; for (i = 0; i < 4097; i++) printf "1 "; printf "\n" }' \
    "$tmp/base.txt" >"$tmp/large_array.txt"
broken large_array
# edit NAME SED-SCRIPT: the base file after one edit.
edit() {
    sed "$2" "$tmp/base.txt" >"$tmp/$1.txt"
    broken "$1"
}
edit shape_of_4097 '1s/|[0-9]*|/|4097|/'
edit shape_too_large '1s/|[0-9]*|/|64x65|/'
edit shape_zero '1s/|[0-9]*|/|0|/'
edit shape_leading_zero 's/|in|sigma_min|1|/|in|sigma_min|01|/'
edit shape_endless '1s/|[0-9]*|/|99999999999999999999999|/'
edit shape_deep 's/|in|sigma_min|1|/|in|sigma_min|1x1x1x1x1x1x1|/'
edit shape_word 's/|in|sigma_min|1|/|in|sigma_min|x|/'
edit too_few 's/|in|sigma_min|1|/|in|sigma_min|2|/'
edit too_many 's/|in|sigma_min|1|/|in|sigma_min|1|3 /'
edit no_value 's/\(|in|sigma_min|1|\).*/\1/'
edit not_a_number 's/\(|in|sigma_min|1|\).*/\1nan/'
edit infinite 's/\(|in|sigma_min|1|\).*/\1inf/'
edit overflow 's/\(|in|sigma_min|1|\).*/\11e999/'
edit hexadecimal 's/\(|in|sigma_min|1|\).*/\10x1p3/'
edit half_number 's/\(|in|sigma_min|1|\).*/\11.5e/'
edit text_number 's/\(|in|sigma_min|1|\).*/\1small/'
edit text_of_two_words 's/|in|sigma_min|1|.*/|in|sigma_min|s|one two/'
edit bad_tag '1s/|in|/|im|/'
edit four_fields '1s/|in|/|in/'
edit six_fields '1s/|in|/|in||/'
edit no_instance '1s/@/_/'
edit no_family '1s/^[^@]*@/@/'
edit two_at_signs '1s/@/@@/'
edit bad_key 's/|in|sigma_min|/|in|sigma min|/'
edit duplicate_input '2p'
edit duplicate_output '/|out|/p'
edit duplicate_tolerance '/|tol|rel|/p'
edit no_rel '/|tol|rel|/d'
edit no_abs '/|tol|abs|/d'
edit negative_tolerance 's/\(|tol|abs|1|\)/\1-/'
edit tolerance_of_nothing 's/|tol|rel|/|tol|nothing.rel|/'
edit no_outputs '/|out|/d'
edit missing_input '/|in|sigma_min|/d'
edit text_for_a_number 's/|in|sigma_min|1|.*/|in|sigma_min|s|small/'
edit impossible_input 's/\(|in|sigma_min|1|\).*/\1-1/'
{ sed '' "$tmp/base.txt" && grep '^fwd\.vp@1|' "$golden" && echo 'fwd.ve@1|in|again|1|1'; } >"$tmp/not_contiguous.txt"
broken not_contiguous
awk 'BEGIN { for (i = 0; i < 5000; i++) printf "a.b@%d|in|x|1|1\n", i }' >"$tmp/endless_cases.txt"
broken endless_cases
grep '^sched\.linear@linear1000|' "$golden" | sed 's/|in|num_steps|1|1000/|in|num_steps|1|100/' >"$tmp/index_out_of_range.txt"
broken index_out_of_range
grep '^sched\.linear@linear1000|' "$golden" | sed 's/|s|linear$/|s|quadratic/' >"$tmp/unknown_option.txt"
broken unknown_option
run check "$tmp/no_such_file.txt"
check 'a missing file fails' [ "$status" -eq 1 ]
check 'a missing file fails in one line' [ "$(lines "$tmp/err")" -eq 1 ]
run check tests
check 'a folder fails' [ "$status" -eq 1 ]
check 'a folder fails in one line' [ "$(lines "$tmp/err")" -eq 1 ]

# ---- formulas --------------------------------------------------------------------------------------------------------

# The blocks, read by a second reader: file, line, ids, with source, check, chapter and a function.
awk 'function finish() {
        if (ids != "") print file ":" at "\t" ids "\t" sources "\t" checks "\t" chapter "\t" function_found
        ids = ""
    }
    FNR == 1 { finish(); file = FILENAME }
    /^\/\/ F:/ {
        finish()
        at = FNR
        sources = checks = function_found = 0
        chapter = /\[chapters? [0-9, -]+\]/
        ids = $3
        for (i = 4; i <= NF && $i ~ /^[a-z_][a-z0-9_]*(\.[A-Za-z0-9_]+)+$/; i++) ids = ids " " $i
        inside = 1
        next
    }
    inside && /^\/\// { sources += /^\/\/   source: ./; checks += /^\/\/   check: ./; next }
    { inside = 0 }
    /^static inline/ { function_found = 1 }
    END { finish() }' ref/formula/*.h >"$tmp/blocks"
check 'there are formula blocks' [ -s "$tmp/blocks" ]
awk -F'\t' '$3 != 1 || $4 != 1 || $5 != 1 || $6 != 1' "$tmp/blocks" >"$tmp/incomplete"
check 'every block has one source, one check, a chapter and a function' [ ! -s "$tmp/incomplete" ]
sed 's/^/  incomplete block: /' "$tmp/incomplete"

ls ref/formula/*.h >"$tmp/headers"
awk '{ while (match($0, /"ref\/formula\/[^"]*"/)) {
        print substr($0, RSTART + 1, RLENGTH - 2)
        $0 = substr($0, RSTART + RLENGTH) } }' ref/ledger/families.h >"$tmp/listed"
check 'the ledger lists headers' [ -s "$tmp/listed" ]
awk 'FILENAME == ARGV[1] { listed[$0] = 1; next } !listed[$0]' "$tmp/listed" "$tmp/headers" >"$tmp/unlisted"
awk 'FILENAME == ARGV[1] { there[$0] = 1; next } !there[$0]' "$tmp/headers" "$tmp/listed" >"$tmp/ghosts"
check 'every header of ref/formula is in the table of the ledger' [ ! -s "$tmp/unlisted" ]
check 'every header in the table exists' [ ! -s "$tmp/ghosts" ]
sed 's/^/  not in ref\/ledger\/families.h: /' "$tmp/unlisted"

run list
check 'list exits 0' [ "$status" -eq 0 ]
sed '' "$tmp/out" >"$tmp/list"
blocks_ids=$(awk -F'\t' '{ n += split($2, part, " ") } END { print n }' "$tmp/blocks")
check 'list has every id' [ "$(lines "$tmp/list")" = "$blocks_ids" ]
awk -F'\t' 'NF != 6 || $1 == "" || $2 == "" || $4 == "" || $5 == "" || $6 == ""' "$tmp/list" >"$tmp/incomplete"
check 'list has six fields a line' [ ! -s "$tmp/incomplete" ]
: >"$tmp/wrong_symbol"
while IFS=$tab read -r id words place symbol rest; do
    sed -n "${place##*:}p" "${place%:*}" | grep -q "^static inline .*[ *]$symbol(" || echo "$id $place $symbol" >>"$tmp/wrong_symbol"
done <"$tmp/list"
check 'every symbol stands where list says' [ ! -s "$tmp/wrong_symbol" ]

# A check line that names golden families promises that they pass.
awk 'FILENAME == ARGV[1] { family[$1] = 1; next }
    /^\/\/   check: .*golden / {
        sub(/^.*golden /, "")
        n = split($0, word, /[ ,;.]*[ ,;]+|[.]$/)
        if (!(word[1] in family)) print FILENAME ":" FNR " " word[1]
        for (i = 1; i <= n && word[i] in family; i++) print "promise " word[i]
    }' "$tmp/families" ref/formula/*.h >"$tmp/promises"
check 'check lines name golden families that exist' [ "$(grep -vc '^promise ' "$tmp/promises")" -eq 0 ]
grep -v '^promise ' "$tmp/promises"
awk 'FILENAME == ARGV[1] { good[$1] = 1; next } $1 == "promise" && !good[$2] { print $2 }' "$tmp/good" "$tmp/promises" >"$tmp/unkept"
check 'golden families named by check lines pass' [ ! -s "$tmp/unkept" ]
sed 's/^/  promised, but not passing: /' "$tmp/unkept"

awk -F'\t' '!seen[$1]++ { print $1 }' "$tmp/list" >"$tmp/ids"
: >"$tmp/not_shown"
while read -r id; do
    run show "$id"
    [ "$status" -eq 0 ] && grep -q '^  source[ ].' "$tmp/out" && grep -q '^  check     .' "$tmp/out" &&
        grep -q '^  function  .* ref/formula/.*:[1-9]' "$tmp/out" && grep -q '^  golden    .' "$tmp/out" &&
        grep -q '^  used in   .' "$tmp/out" || echo "$id" >>"$tmp/not_shown"
done <"$tmp/ids"
check 'show works for every id' [ ! -s "$tmp/not_shown" ]
run show no.such.formula
check 'show of an unknown id exits 1' [ "$status" -eq 1 ]
check 'show of an unknown id says so in one line' [ "$(lines "$tmp/err")" -eq 1 ]
check 'show of an unknown id prints nothing else' [ ! -s "$tmp/out" ]

run table
check 'table exits 0' [ "$status" -eq 0 ]
check 'table has a row for every id' [ "$(lines "$tmp/out")" = $((blocks_ids + 2)) ]
sed 's/\\|//g' "$tmp/out" | awk -F'|' 'NF != 8' >"$tmp/incomplete"
check 'table has six cells a row' [ ! -s "$tmp/incomplete" ]
sed -n '/^<!-- formulas: begin -->/,/^<!-- formulas: end -->/p' CHAPTERS.md | sed '1d;$d' >"$tmp/stored"
check 'the table in CHAPTERS.md is the one of today (make table)' cmp -s "$tmp/stored" "$tmp/out"

# ---- usage -----------------------------------------------------------------------------------------------------------

for arguments in '' 'lst' 'list all' 'show' 'show a b' 'check' 'check a b' 'eval x' 'table x' '--seed' 'list --quick'; do
    # shellcheck disable=SC2086
    run $arguments
    check "usage error of '$arguments'" [ "$status" -eq 2 ]
    check "one line after '$arguments'" [ "$(lines "$tmp/err")" -eq 1 ]
    check "nothing done after '$arguments'" [ ! -s "$tmp/out" ]
done
run --help
check '--help exits 0' [ "$status" -eq 0 ]
check '--help names every command' [ "$(grep -c -E '^  (list|show ID|eval < FILE|check FILE|table) ' "$tmp/out")" -eq 5 ]
run --version
check '--version exits 0' [ "$status" -eq 0 ]
for command in list table 'show fwd.sched'; do
    # shellcheck disable=SC2086
    (cd tests && "$ledger" $command) >"$tmp/out" 2>"$tmp/err"
    check "'$command' outside the root exits 1" [ $? -eq 1 ]
    check "'$command' outside the root says where to go" grep -q 'repository root' "$tmp/err"
    check "'$command' outside the root needs one line" [ "$(lines "$tmp/err")" -eq 1 ]
done

finish ledger
