#!/usr/bin/env bash
# Breaks the code in small ways, one at a time, and asks whether a test notices.
#
# usage: mutants.sh [--rest | --survivors | --judge] [--quick] [--shard K/N] [PART | FILE...]
#   PART is leases, ledger, core or json; FILE is a source file of one of them. Without any: all parts.
#   --rest       what was not tried since its file was changed
#   --survivors  what survived, and is not in tests/mutants/equivalent.txt
#   --judge      nothing: what was found before is compared
#   --quick      those of core and json that can be in one build, which are nearly all that compile, and without slow tests
#   --shard K/N  the Kth of N slices of them, counted from 0
# Keeps what it finds in target/mutants/record.json, and fails where a mutant survives of which tests/mutants/equivalent.txt
# says nothing. Exits with 3 where cargo-mutants cannot be had.
set -euo pipefail

VERSION=27.1.0

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/target/tools

main() {
    export PATH=$tools/bin:$PATH
    # As it is started by Cargo: another version makes other mutants, and the list of equivalent ones is of this one.
    if [ "$(cargo mutants --version 2>/dev/null)" != "cargo-mutants $VERSION" ]; then
        cargo install --quiet --locked --force --root "$tools" "cargo-mutants@$VERSION" || {
            echo "mutants.sh: cargo-mutants $VERSION cannot be had; install it with \`cargo install --locked cargo-mutants@$VERSION\`" >&2
            exit 3
        }
    fi
    python3 "$root/tests/mutants/test_judge.py" -q
    cargo test --quiet --release --locked --manifest-path "$root/tests/mutants/Cargo.toml" --target-dir "$root/target/mutants/tool" >/dev/null
    exec python3 "$root/tests/mutants/run.py" "$@"
}

main "$@"
