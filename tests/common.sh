# common.sh: what the test scripts share.  A script changes to the repository root, reads this file, calls `ok` and `bad`
# for every check and ends with `finish NAME`, which prints `NAME: N passed, M failed` and fails when nothing was checked.
# POSIX sh, sed, grep, awk, cmp and diff only; whatever else a check needs is looked for, and its absence is printed as
# `skipped: ... not found`.

export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}" # idle threads of gcc's OpenMP would burn a core each
export LC_ALL=C
unset MAKEFLAGS MFLAGS MAKELEVEL NO_COLOR CLICOLOR_FORCE FORCE_COLOR
BUILD=${BUILD:-build}
mkdir -p "$BUILD" out
JOBS=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
passed=0
failed=0

ok() {
    passed=$((passed + 1))
}
bad() {
    failed=$((failed + 1))
    echo "  FAIL $*"
}
skip() {
    echo "  skipped: $*"
}
# check "what it says" command...: the command must succeed.
check() {
    check_what=$1
    shift
    if "$@"; then ok; else bad "$check_what"; fi
}
finish() {
    echo "$1: $passed passed, $failed failed"
    if [ "$failed" -ne 0 ] || [ "$passed" -eq 0 ]; then exit 1; fi
    exit 0
}
have() {
    command -v "$1" >/dev/null 2>&1
}

# The compiler of the scripts that compile by themselves, and the flags that keep its arithmetic exact.
if [ -z "${CC:-}" ]; then
    for CC in gcc cc clang tcc; do
        if have "$CC"; then break; fi
    done
fi
EXACT=${TILT_EXACT:--ffp-contract=off}

# Build something with the Makefile, without its words unless it fails.
build() {
    if ! "${TILT_MAKE:-make}" -s "$@" >"$BUILD/make.$$" 2>&1; then
        grep -E 'error|undefined|\*\*\*' "$BUILD/make.$$" | head -n 5
        rm -f "$BUILD/make.$$"
        return 1
    fi
    rm -f "$BUILD/make.$$"
}

# limit SECONDS program...: the exit status of the program, which may use so many seconds of processor time, and ten times
# as many of waiting (a busy machine must not fail a test).  Above 128 it was killed.  `timeout` is not everywhere.
if timeout --foreground -s KILL 5 true 2>/dev/null; then
    limit() {
        limit_seconds=$1
        shift
        (
            ulimit -t "$limit_seconds" 2>/dev/null
            exec timeout --foreground -s KILL $((limit_seconds * 10)) "$@"
        )
    }
else
    limit() {
        limit_seconds=$1
        shift
        (
            ulimit -t "$limit_seconds" 2>/dev/null
            exec "$@"
        ) &
        limit_pid=$!
        (
            limit_left=$((limit_seconds * 10))
            while [ "$limit_left" -gt 0 ] && kill -0 $limit_pid 2>/dev/null; do
                sleep 1
                limit_left=$((limit_left - 1))
            done
            kill -9 $limit_pid
        ) >/dev/null 2>&1 &
        wait $limit_pid 2>/dev/null
    }
fi

# The chapters there are: ch01 ch03 ...
chapters() {
    for chapter_file in tutorial/ch??_*/ch??.c; do
        [ -f "$chapter_file" ] || continue
        chapter_file=${chapter_file##*/}
        echo "${chapter_file%.c}"
    done
}
# folder_of ch09: tutorial/ch09_tilt
folder_of() {
    for chapter_file in tutorial/"$1"_*/"$1".c; do
        echo "${chapter_file%/*}"
    done
}

# A run of a chapter is its name, and perhaps one of its options: ch05 is build/ch05, ch05-images is build/ch05 --images.
run_chapter() {
    echo "${1%%-*}"
}
run_option() {
    case $1 in *-*) echo "--${1#*-}" ;; esac
}
# A full run, at most once for each build of its chapter: numbers in build/full/ch09.txt, files in build/full/ch09/.
# It may cost 90 seconds of processor time: half a minute on two processors, with room for a slow machine.
full_run() {
    full=$BUILD/full/$1
    full_program=$BUILD/$(run_chapter "$1")
    build "$full_program" || return 1
    mkdir -p "$BUILD/full"
    lock "$full.lock"
    full_status=0
    if ! [ -f "$full.txt" ] || ! [ "$full.txt" -nt "$full_program" ]; then
        rm -rf "$full" "$full.txt"
        mkdir -p "$full"
        if limit 90 "$full_program" $(run_option "$1") --out "$full" >"$full.new" 2>"$full.err" </dev/null; then
            mv "$full.new" "$full.txt"
        else
            full_status=1
            sed 's/^/    /' "$full.err" | tail -n 3
        fi
    fi
    rm -rf "$full.lock"
    return $full_status
}
# tcc does not optimise: default runs would take many minutes.  bits.sh shows that they would print the same.
slow_compiler() {
    case $CC in
    *tcc*) return 0 ;;
    *) return 1 ;;
    esac
}
# Wait until the folder can be made; a lock whose owner has gone is removed.
lock() {
    while ! mkdir "$1" 2>/dev/null; do
        lock_owner=$(cat "$1/owner" 2>/dev/null)
        if [ -n "$lock_owner" ] && ! kill -0 "$lock_owner" 2>/dev/null; then rm -rf "$1"; else sleep 1; fi
    done
    echo $$ >"$1/owner"
}

# Several lanes take the next free item of a list: `mkdir` succeeds for one of them only.
# lanes COUNT FOLDER COMMAND item...: runs COMMAND item for every item, COUNT at a time; FOLDER holds the claims, and
# $lane is the number of the lane that runs it.
lanes() {
    lanes_count=$1
    lanes_folder=$2
    lanes_command=$3
    shift 3
    rm -rf "$lanes_folder"
    mkdir -p "$lanes_folder"
    lanes_pids=
    while [ "$lanes_count" -gt 0 ]; do
        lane=$lanes_count
        (
            for item in "$@"; do
                if mkdir "$lanes_folder/$item.taken" 2>/dev/null; then "$lanes_command" "$item"; fi
            done
        ) &
        lanes_pids="$lanes_pids $!"
        lanes_count=$((lanes_count - 1))
    done
}
