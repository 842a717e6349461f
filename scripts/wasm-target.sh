#!/usr/bin/env bash
# Finds a compiler that can build for WebAssembly, or installs it: through rustup, else through Debian's packages.
#
# What is accepted is what the build accepts (`Toolchain::find` in guest/pack/src/build.rs), which has the same message; its
# test runs this script.
#
# exit codes: 0 it is there, 3 it cannot be had (what to do is said)
set -euo pipefail

TRIPLE=wasm32-unknown-unknown
PACKAGES_12="rustc-web cargo-web rust-web-src rust-web-llvm lld-22"
PACKAGES="rustc cargo libstd-rust-dev-wasm32 lld"

main() {
    found && exit 0
    if command -v rustup >/dev/null && rustup target add "$TRIPLE" && found; then
        exit 0
    fi
    if [ "$(id -u 2>/dev/null)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq; then
        # Debian 12's own compiler is too old; it has a newer one for its browser beside it.
        local packages=$PACKAGES
        grep -q '^VERSION_CODENAME=bookworm' /etc/os-release 2>/dev/null && packages=$PACKAGES_12
        echo "installing $packages for the target $TRIPLE" >&2
        # shellcheck disable=SC2086
        if apt-get install -y -qq $packages >&2 && found; then
            exit 0
        fi
    fi
    echo "\
no Rust toolchain here can build for $TRIPLE, which the component needs. Do one of these:
  rustup target add $TRIPLE
  apt-get install $PACKAGES_12   (Debian 12)
  apt-get install $PACKAGES                  (other Debian releases)" >&2
    exit 3
}

# The compiler that runs the build, else the system's.
found() {
    builds "${RUSTC:-rustc}" || builds /usr/bin/rustc
}

# Whether this compiler has the target; a distribution's may build it from its source.
builds() {
    local library
    library=$("$1" --print sysroot 2>/dev/null)/lib/rustlib || return 1
    [ -d "$library/$TRIPLE/lib" ] && return 0
    [[ $1 == /usr/* && -f $library/src/rust/library/core/Cargo.toml ]]
}

main
