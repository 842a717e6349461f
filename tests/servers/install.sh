#!/usr/bin/env bash
# Installs the SCIM servers, testers, clients and runtimes that the tests run, and Apache Spark, under target/servers.
#
# Safe to call again and from several processes at once: what is there already, at the pinned versions, is left alone.
# System packages that are missing are installed by apt-get when root; otherwise their names are printed.
# Exits with 3 where something cannot be had here: a system package, or one of a registry.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
dest=$root/target/servers
venvs="servers django testers client embedding"

main() {
    mkdir -p "$dest"
    exec 9>"$dest/.lock"
    flock 9
    need_system_packages
    interpreters=$(python3 --version; node --version)
    for name in $venvs; do
        once "$name" "$here/requirements/$name.txt" make_venv
    done
    once node "$here/package-lock.json" make_node
    # Half a gigabyte that one part of the tests needs: where it cannot be had, that part says so, and all others run.
    (need_java && once spark "$root/docs/examples/spark/requirements.txt" make_spark) ||
        echo "=== SKIPPED: target/servers/spark; spark.py will compare nothing" >&2
}

# Runs MAKE for target/servers/NAME unless it was made from this very FILE, by these interpreters, in this place.
once() {
    local name=$1 file=$2 make=$3 stamp
    stamp=$( (cat "$file"; echo "$interpreters $dest") | sha256sum | cut -d' ' -f1)
    if [ "$(cat "$dest/$name/.stamp" 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    echo "installing target/servers/$name" >&2
    rm -rf "${dest:?}/$name"
    "$make" "$name" "$file" || cannot "install target/servers/$name from $(basename "$file"): is its registry within reach?"
    echo "$stamp" >"$dest/$name/.stamp"
}

make_venv() {
    python3 -m venv "$dest/$1" &&
        "$dest/$1/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$2"
}

# Spark is a source package: it is built, which is to copy it, by a pinned setuptools.
make_spark() {
    local pip=$dest/$1/bin/pip
    python3 -m venv "$dest/$1" &&
        "$pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$here/requirements/spark-build.txt" &&
        "$pip" install --quiet --disable-pip-version-check --no-cache-dir --no-build-isolation --only-binary :all: --no-binary pyspark -r "$2"
}

make_node() {
    mkdir -p "$dest/node" &&
        cp "$here/package.json" "$here/package-lock.json" "$dest/node/" &&
        (cd "$dest/node" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null)
}

need_system_packages() {
    local missing=()
    # Debian splits venv's ensurepip from python3: importing venv alone would not notice.
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || missing+=(python3 python3-venv)
    node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
    [ ${#missing[@]} -eq 0 ] && return

    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null ||
        cannot "do without Python 3.10 with venv, Node.js 18, npm and PostgreSQL; missing here, by their Debian names: ${missing[*]}"
    echo "installing the system packages ${missing[*]}" >&2
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
        cannot "install the system packages ${missing[*]}"
}

# Spark needs Java 17 or later, and all of its modules: what PyPI has is too small.
need_java() {
    is_java() { "${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | grep -qE 'version "(1[7-9]|[2-9][0-9])'; }
    is_java && return
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null ||
        cannot "do without Java 17 or later; missing here, by its Debian name: default-jre-headless"
    echo "installing the system package default-jre-headless" >&2
    { apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends default-jre-headless >&2 && is_java; } ||
        cannot "install Java 17 or later"
}

cannot() {
    echo "install.sh: cannot $1" >&2
    exit 3
}

main
