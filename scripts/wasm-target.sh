#!/usr/bin/env bash
# Finds the compiler's WebAssembly target, or installs it: through rustup, else through Debian's packages.
#
# exit codes: 0 it is there, 3 it cannot be had (what to do is said)
set -euo pipefail

TRIPLE=wasm32-unknown-unknown
PACKAGES="rustc-web cargo-web rust-web-src rust-web-llvm lld-22"

sysroot=$(rustc --print sysroot 2>/dev/null || true)
if [ -n "$sysroot" ] && compgen -G "$sysroot/lib/rustlib/$TRIPLE/lib/libcore-*.rlib" >/dev/null; then
    exit 0
fi
if command -v rustup >/dev/null && rustup target add "$TRIPLE"; then
    exit 0
fi
if [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $PACKAGES for the target $TRIPLE" >&2
    # shellcheck disable=SC2086
    if apt-get update -qq && apt-get install -y -qq $PACKAGES >&2; then
        exit 0
    fi
fi
echo "the compiler cannot build for $TRIPLE: run \`rustup target add $TRIPLE\`, or as root \`apt-get install $PACKAGES\`" >&2
exit 3
