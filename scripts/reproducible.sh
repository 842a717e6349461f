#!/usr/bin/env bash
# Builds the components from two copies of the source, in folders whose paths differ in length, and compares every byte.
#
# usage: reproducible.sh
# Also looks for a folder of this machine in what was built. Prints the SHA-256 of each component.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
work=$root/target/reproducible
short=$work/a
long=$work/another/folder/with-a-longer-name

main() {
    rm -rf "$work"
    cargo build --locked --quiet -p replaysafe-pack
    local copy packer=${CARGO_TARGET_DIR:-$root/target}/debug/replaysafe-pack
    for copy in "$short" "$long"; do
        mkdir -p "$copy/source"
        sources | tar --create --null --files-from=- --file=- | tar --extract --directory="$copy/source"
        "$packer" "$copy/source" "$copy/target" "$copy/out"
    done
    local name
    for name in replaysafe{,-planning}.{wasm,core.wasm,wit}; do
        cmp "$short/out/$name" "$long/out/$name" || fail "$name depends on the folder it is built in"
    done
    local home=${CARGO_HOME:-$HOME/.cargo} folder
    for folder in "$root" "$HOME/" "$home" "$(rustc --print sysroot)"; do
        if grep --quiet --binary --fixed-strings -e "$folder" "$short"/out/*.wasm; then
            fail "a component names a folder of this machine: $folder"
        fi
    done
    rm -rf "$work"
}

# What is under version control, as it lies here; without version control, all but what was built.
sources() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard --deduplicate | while IFS= read -r -d '' path; do
            [ ! -e "$path" ] || printf '%s\0' "$path"
        done
    else
        find . -path ./target -prune -o -type f -print0
    fi
}

fail() {
    echo "reproducible.sh: $1" >&2
    exit 1
}

main
