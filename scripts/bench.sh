#!/usr/bin/env bash
# Measures what a decision costs.
#
# usage: bench.sh table [WORD...]        the sandbox beside the same core natively: the table, and target/bench/report.json
#        bench.sh instructions [keep]    how many instructions a decision takes natively, beside tests/instructions.txt; `keep` writes that file
#        bench.sh profile [NAME]         where the time of a decision goes natively: target/profile/
# docs/performance.md explains all three. Exits with 3 where a tool cannot be had.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
kept=tests/instructions.txt
# Per cent: the same compiler gives the same count to a few instructions in a thousand, as what lies at which address differs.
MARGIN=3

main() {
    local what=${1:-}
    [ $# -eq 0 ] || shift
    case $what in
    table) table "$@" ;;
    instructions) instructions "$@" ;;
    profile) profile "$@" ;;
    *) sed -n '4,6s/^# *//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
    esac
}

table() {
    cargo build --locked --profile measure -p replaysafe-tests --bin replaysafe-bench
    "$target/measure/replaysafe-bench" "$@"
}

# The core alone, without the sandbox: two minutes the first time.
native() {
    cargo build --quiet --locked --profile measure -p replaysafe-tests --no-default-features --bin replaysafe-decide
    program=$target/measure/replaysafe-decide
}

instructions() {
    has_valgrind
    native
    local counted=$target/measure/instructions.txt name is
    echo "# Instructions of one decision of the core, natively, as callgrind counts them: scripts/bench.sh instructions keep" >"$counted"
    echo "made by $(rustc --version | cut -d' ' -f1,2), glibc $(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2), $(command valgrind --version), $(uname -m), $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)" >>"$counted"
    for name in $("$program" list); do
        is=$(count "$name")
        echo "$name $is" >>"$counted"
    done
    if [ "${1:-}" = keep ]; then
        cp "$counted" "$kept"
        cat "$kept"
        return
    fi
    compare "$counted"
}

# What happens within `counted`, once. The first call, which reads what is read once, is made before.
count() {
    local out
    out=$(valgrind --tool=callgrind --toggle-collect='*counted*' --callgrind-out-file=/dev/null "$program" "$1" 1 2>&1) || {
        echo "$out" >&2
        return 1
    }
    sed -n 's/.*Collected : *//p' <<<"$out"
}

# More than before fails; less is told, so that it is kept. The allocator is the C library's, and is counted.
compare() {
    local name was is code=0 made kept_by
    made=$(grep '^made by ' "$1")
    kept_by=$(grep '^made by ' "$kept")
    if [ "$made" != "$kept_by" ]; then
        echo "=== SKIPPED: compared with nothing, as $kept was $kept_by, and this is $made: \`keep\` the counts of the former commit, and run it on the later one"
        grep -v '^#' "$1"
        return
    fi
    printf '%-24s %12s %12s\n' decision kept counted
    while read -r name is; do
        was=$(sed -n "s/^$name //p" "$kept")
        printf '%-24s %12s %12s' "$name" "${was:--}" "$is"
        if [ -z "$was" ] || [ $((is * 100)) -gt $((was * (100 + MARGIN))) ]; then
            echo "  MORE: is it worth that? then \`scripts/bench.sh instructions keep\`"
            code=1
        elif [ $((is * 100)) -lt $((was * (100 - MARGIN))) ]; then
            echo "  less: keep it with \`scripts/bench.sh instructions keep\`"
        else
            echo
        fi
    done < <(grep -v '^#\|^made by ' "$1")
    return "$code"
}

has_valgrind() {
    if ! command -v valgrind >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind libc6-dbg >&2 || true
    fi
    command -v valgrind >/dev/null || {
        echo "bench.sh: valgrind is missing: install it" >&2
        exit 3
    }
}

profile() {
    local name=${1:-decide}
    command -v perf >/dev/null || { echo "bench.sh: perf is missing: install it (linux-perf, perf)" >&2; exit 3; }
    native
    mkdir -p target/profile
    perf record --quiet -F 5000 --call-graph dwarf,16384 -o "target/profile/$name.data" "$program" "$name" 5000
    perf report --no-children -g caller,0.5,callee --percent-limit 0.5 -i "target/profile/$name.data" >"target/profile/$name.txt" 2>/dev/null
    perf report --no-children -g none --percent-limit 1 -i "target/profile/$name.data" 2>/dev/null | grep -v '^#' | grep .
    echo "target/profile/$name.txt has the callers; inferno or FlameGraph draw \`perf script -i target/profile/$name.data\`"
}

main "$@"
