#!/usr/bin/env bash
# Throws mutated input at whatever reads a stranger's bytes first.
#
# usage: fuzz.sh [SECONDS [TARGET...]]      60 seconds for each of json, patch, door and edge
# Starts from the bodies of the corpus and, for edge, from what clients send; keeps what it learns in target/fuzz/TARGET, and names the input that breaks a target.
# Exits with 3 where cargo-fuzz cannot be had. It needs a C++ compiler, and no nightly toolchain.
set -euo pipefail

VERSION=0.13.2

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/target/tools
export CARGO_TARGET_DIR=$root/target/fuzz/build

main() {
    local seconds=${1:-60}
    local targets=("${@:2}")
    [ "${#targets[@]}" -gt 0 ] || targets=(json patch door edge)
    export PATH=$tools/bin:$PATH
    cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked --root "$tools" "cargo-fuzz@$VERSION" || {
        echo "fuzz.sh: cargo-fuzz $VERSION cannot be had; install it with \`cargo install --locked cargo-fuzz@$VERSION\`" >&2
        exit 3
    }
    # Coverage counters without a sanitizer: the code has no unsafe block, and a stable compiler builds it.
    (cd "$root" && RUSTC_BOOTSTRAP=1 cargo fuzz build --fuzz-dir tests/fuzz --sanitizer none)
    local target code=0
    for target in "${targets[@]}"; do
        fuzz "$target" "$seconds" || code=1
    done
    exit "$code"
}

fuzz() {
    local target=$1 seconds=$2 kept=$root/target/fuzz/$1 log
    mkdir -p "$kept" "$root/target/fuzz/found"
    log=$root/target/fuzz/$target.log
    echo "--- $target, $seconds s"
    python3 "$root/tests/fuzz/seeds.py" "$target" "$kept"
    local found=$root/tests/fuzz/found/$target
    if "$CARGO_TARGET_DIR"/x86_64-unknown-linux-gnu/release/"$target" "$kept" $([ -d "$found" ] && echo "$found") \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 -artifact_prefix="$root/target/fuzz/found/$target-" >"$log" 2>&1; then
        grep -E '^#[0-9]+.*DONE' "$log"
    else
        grep -E 'panicked at|ERROR|Test unit written' -A 2 "$log" >&2 || tail -5 "$log" >&2
        return 1
    fi
}

main "$@"
