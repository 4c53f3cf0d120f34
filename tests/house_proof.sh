#!/bin/sh
# house_proof.sh: shows that every rule of house.sh can fail.  It writes a small repository that keeps all rules, then
# breaks one rule at a time and demands that exactly this rule complains.  house.sh calls it.
cd "$(dirname "$0")/.." || exit 2
. tests/common.sh
top=$(pwd)
P=$BUILD/house_proof
rm -rf "$P"
mkdir -p "$P/good/ref/core" "$P/good/ref/formula" "$P/good/ref/show" "$P/good/toy/world" "$P/good/notebooks-c"
mkdir -p "$P/good/tutorial/ch01_one" "$P/good/tutorial/ch02_two" "$P/good/tests/answers" "$P/good/tests/expect"
cd "$P/good" || exit 2

cat >ref/core/base.h <<'END'
// base.h: numbers.
#ifndef TILT_BASE_H
#define TILT_BASE_H
#include <stdio.h>
static inline double twice(double x) {
    return 2 * x; // not exp(x)
}
#endif
END
cat >ref/formula/small.h <<'END'
// small.h: two formulas.
#ifndef TILT_SMALL_H
#define TILT_SMALL_H
#include "../core/base.h"
// F: a.one  one thing        [chapter 1]
//   y = x + 1
//   source: nobody
//   check: y(0) = 1
static inline double one(double x) {
    return x + 1;
}
#endif
END
cat >toy/world/ring.h <<'END'
// ring.h: a world.
#ifndef TILT_RING_H
#define TILT_RING_H
#include "../../ref/formula/small.h"
static inline double ring(double x) {
    return one(twice(x));
}
#endif
END
for k in 1 2; do
    dir=tutorial/ch01_one
    [ $k = 1 ] || dir=tutorial/ch02_two
    {
        echo "// ch0$k.c: a chapter."
        echo '#include "../../toy/world/ring.h"'
        echo 'int main(void) {'
        echo '    return ring(1) < 0;'
        echo '}'
    } >$dir/ch0$k.c
    cp $dir/ch0$k.c $dir/ex1.c
    cp $dir/ch0$k.c $dir/ex2.c
    : >$dir/picture.svg
    : >tests/expect/ch0$k.txt
    : >tests/answers/ch0${k}_ex1.patch
    : >tests/answers/ch0${k}_ex2.patch
    cat >$dir/README.md <<'END'
# A chapter
## The question
See [the map](../../CHAPTERS.md#the-map) and `ref/core/base.h`.
## The one picture
![picture](picture.svg)
## Predict
## Run it
## The formula
$`a_b`$ is `a.one`.
## The code
## The measured claim
0.5<!--claim:ch01 half-->
## Where real code differs
## Exercises
## On the survey's five axes
END
done
printf '# Chapters\n## The map\n- [1](tutorial/ch01_one)\n- [2](tutorial/ch02_two/README.md)\n' >CHAPTERS.md
printf '// test_a.c: a test.\n#include "../ref/core/base.h"\nint main(void) {\n    CHECK(1);\n    return report("test_a");\n}\n' >tests/test_a.c
printf '#!/bin/sh\necho ok\n' >tests/script.sh
printf 'all:\n\ttrue\n' >Makefile

said=$(sh "$top/tests/house.sh" --rules 2>&1)
if [ -z "$said" ]; then
    ok
else
    bad "the small repository keeps the rules, but house.sh says: $said"
fi
cd ..

# broken RULE FILE SED-EXPRESSION "words of the complaint": RULE must complain with these words.
broken() {
    rm -rf bad
    cp -r good bad
    mkdir -p "bad/$(dirname "$2")"
    [ -f "good/$2" ] || : >"bad/$2"
    if [ -f "good/$2" ]; then
        sed "$3" "good/$2" >"bad/$2"
        if cmp -s "good/$2" "bad/$2"; then
            bad "$3 does not change $2"
            return
        fi
    else
        printf '%b' "$3" >"bad/$2"
    fi
    said=$(cd bad && sh "$top/tests/house.sh" --rules "$1" 2>&1)
    case $said in
    *"$4"*) ok ;;
    *) bad "rule $1 does not see: $3 in $2 (it says: ${said:-nothing})" ;;
    esac
}
base=ref/core/base.h
small=ref/formula/small.h
ch1=tutorial/ch01_one/ch01.c
text=tutorial/ch01_one/README.md

broken includes $base 's:<stdio.h>:"../../toy/world/ring.h":' 'may not include toy/world/ring.h'
broken includes toy/world/ring.h 's:../../ref/formula/small.h:../../tutorial/ch01_one/ch01.c:' 'may not include'
broken includes $ch1 's:../../toy/world/ring.h:../ch02_two/ch02.c:' 'may not include tutorial/ch02_two/ch02.c'
broken includes $ch1 's:ring.h:rings.h:' 'does not exist'
broken includes $base 's:stdio.h:unistd.h:' 'not C99'
broken includes ref/show/term.h '#ifndef TILT_TERM_H\n#include <unistd.h>\n#endif\n' 'not C99'
broken includes $base 's:stdio.h:tgmath.h:' 'not C99'
broken words $base 's:2 \* x:exp(x):' 'transcendental'
broken words $base 's:2 \* x:1 + logf(x):' 'transcendental'
broken words $ch1 's:ring(1):tanh (1):' 'transcendental'
broken words $base 's:2 \* x:rand():' 'random numbers'
broken words $ch1 's:ring(1):time(0):' 'calendar'
broken words $base 's:2 \* x:M_PI * x:' 'M_ constants'
broken words $base 's/2 \* x; .*/OMP(parallel for reduction(+:s))/' 'order of a sum'
broken words Makefile 's:true:cc -ffast-math:' 'never fast-math'
broken headers $base 's:TILT_BASE_H:BASE_H:' 'the guard is'
broken headers $base 's:TILT_BASE_H:TILT_RING_H:' 'is that of'
broken headers $base 's:static inline double:double:' 'static inline'
broken headers $base 's:^    return:\treturn:' 'a tab'
broken headers $base 's:}$:}  :' 'blanks at the end'
broken headers $base 's:// base.h.*::' 'first line'
broken headers $small 's:y = x + 1:/* y = x */:' 'block comment'
broken headers $base 's:// not exp(x):// ......................................................................................................................:' 'columns'
broken formulas $small 's:// *source.*:// :' '0 lines `//   source'
broken formulas $small 's://   check.*://   check:' 'check'
broken formulas $small 's://   y = x + 1://:' 'no formula line'
broken formulas $small 's: *\[chapter 1\]::' 'no [chapter N]'
broken formulas $small 's:one thing::' 'no words'
broken formulas $small 's:^static inline double one(double x) {:typedef int x;:' 'no function'
broken formulas ref/formula/other.h '// F: a.one  again  [chapter 1]\n//   y\n//   source: s\n//   check: c\nstatic inline int f(void) {\n' 'lives in'
broken chapters $text 's:## Predict:## Guess:' 'heading 3'
broken chapters $text '/## Exercises/d' 'heading 9'
broken chapters $text 's:picture.svg:other.svg:' 'does not show'
broken chapters $text 's:<!--claim.*::' 'has no number'
broken chapters CHAPTERS.md 's:ch02_two:ch03_two:' 'no row'
broken chapters tutorial/ch04_long/ch04.c "$(awk 'BEGIN { for (i = 0; i < 251; i++) printf "int x;\\n" }')" 'at most 250'
broken chapters tutorial/ch03_three/ch03.c 'int x;\n' 'no README.md'
broken chapters tutorial/ch03_three/README.md '# x\n' 'no ch03.c'
broken markdown $text 's:CHAPTERS.md:CHAPTER.md:' 'does not exist'
broken markdown $text 's:the-map:the-mop:' 'no heading'
broken markdown $text 's:picture.svg:picture.png:' 'does not exist'
broken markdown $text 's:base.h:bass.h:' 'does not exist'
broken markdown $text 's:`a.one`:`a.two`:' 'no formula id'
broken markdown $text 's:\$`a_b`\$:$a_b$:' 'dollar sign'
broken texts $base "s:not exp:see /ho""me/me/x:" 'path of one machine'
broken texts $base "s:not exp:TO""DO:" 'unfinished'
broken texts tests/script.sh 's:echo ok:if x:' 'rror'
broken texts tests/script.sh 's:echo ok:local x=1:' 'not POSIX'
broken rooms stray/a.txt 'x\n' 'no room of the house'
broken tests tests/test_a.c 's:return report.*:return 0;:' 'does not end with'
broken tests tests/test_a.c 's:CHECK(1)::' 'checks nothing'
finish house_proof
