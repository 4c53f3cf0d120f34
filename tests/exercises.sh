#!/bin/sh
# exercises.sh: an exercise ships unsolved and can be solved.  Each tutorial/chNN_*/exK.c compiles without a warning,
# exits 1 with a hint as shipped, and exits 0 once tests/answers/chNN_exK.patch is applied to a copy of the repository.
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
X=$BUILD/exercises
rm -rf "$X"
mkdir -p "$X/tree"
case $CC in
*tcc*) strict= ;;
*) strict=-Werror ;;
esac

# compile FOLDER SOURCE PROGRAM
compile() {
    (cd "$1" && $CC -std=c99 -O2 -Wall -Wextra -pedantic $strict $EXACT "$2" -o "$3" -lm) >"$X/compile.txt" 2>&1
}

if have patch; then cp -R ref toy tutorial "$X/tree/"; else skip 'answers: patch not found'; fi
[ ! -d data ] || cp -R data "$X/tree/"
for ex in tutorial/ch??_*/ex?.c; do
    [ -f "$ex" ] || continue
    dir=${ex%/*}
    name=${dir##*/}
    name=${name%%_*}_$(basename "$ex" .c)
    answer=tests/answers/$name.patch
    check "$ex marks the gap with // EXERCISE" grep -q '// EXERCISE' "$ex"
    if ! compile . "$ex" "$X/$name"; then
        bad "$ex does not compile cleanly:"
        head -n 5 "$X/compile.txt" | sed 's/^/    /'
        continue
    fi
    limit 60 "$X/$name" >"$X/$name.txt" 2>&1 </dev/null
    status=$?
    check "$ex as shipped: exit $status, expected 1" [ "$status" -eq 1 ]
    check "$ex as shipped gives a hint" [ -s "$X/$name.txt" ]
    check "$ex has an answer, $answer" [ -f "$answer" ]
    if [ ! -f "$answer" ] || ! have patch; then continue; fi
    if ! (cd "$X/tree" && patch -p1) <"$answer" >"$X/patch.txt" 2>&1; then
        bad "$answer does not apply: $(head -n 1 "$X/patch.txt")"
        continue
    fi
    ok
    check "$answer changes neither ref/ nor toy/" \
        [ -z "$(diff -rq ref "$X/tree/ref")$(diff -rq toy "$X/tree/toy")" ]
    if ! compile "$X/tree" "$ex" "../$name.solved"; then
        bad "$ex with its answer does not compile cleanly:"
        head -n 5 "$X/compile.txt" | sed 's/^/    /'
        continue
    fi
    (cd "$X/tree" && limit 60 "../$name.solved") >"$X/$name.solved.txt" 2>&1 </dev/null
    status=$?
    check "$ex with its answer: exit $status, expected 0" [ "$status" -eq 0 ]
done
finish exercises
