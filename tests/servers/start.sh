#!/usr/bin/env bash
# Runs one of the test servers in the foreground, with an empty store, on 127.0.0.1.
#
# usage: start.sh NAME PORT [DATADIR]
#   NAME     scim2-server, scim2-flask, scimmy or django-scim2
#   DATADIR  keeps the log and the database; by default a temporary folder, which is removed at the end
#
# Prints `ready http://127.0.0.1:PORT/BASE` once ServiceProviderConfig answers; the bearer token is `secret`.
# Stops, with all that it started, at SIGTERM or SIGINT, when its parent is gone, or after SERVER_SECONDS_MAX.
set -euo pipefail

# A forgotten server must not outlive a CI run of 90 minutes.
SERVER_SECONDS_MAX=${SERVER_SECONDS_MAX:-5400}
# Django has to make a database and its tables first: 4 s on two idle cores, more when they compile.
READY_SECONDS_MAX=120

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dest=$(cd "$here/../.." && pwd)/target/servers

name=${1:?usage: start.sh NAME PORT [DATADIR]}
port=${2:?usage: start.sh NAME PORT [DATADIR]}
parent=$PPID
pids=()

main() {
    (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null && fail "port $port is taken"
    trap 'exit 143' TERM
    trap 'exit 130' INT
    trap cleanup EXIT
    if [ $# -gt 2 ]; then
        data=$3 keep=yes
        mkdir -p "$data"
        data=$(cd "$data" && pwd)
    else
        data=$(mktemp -d "/tmp/scim-$name.XXXXXX") keep=
    fi
    log=$data/$name.log

    case $name in
    scim2-server)
        base=/v2
        run "$dest/servers/bin/scim2-server" --hostname 127.0.0.1 --port "$port" --bearer-token secret
        ;;
    scim2-flask)
        base=/scim/v2
        run "$dest/servers/bin/python" "$here/scim2_flask_app.py" "$port"
        ;;
    scimmy)
        base=/scim
        run env NODE_PATH="$dest/node/node_modules" node "$here/scimmy_app.cjs" "$port"
        ;;
    django-scim2)
        base=/scim/v2
        start_django
        ;;
    *) fail "no server \`$name\`: scim2-server, scim2-flask, scimmy or django-scim2" ;;
    esac

    local url=http://127.0.0.1:$port$base
    until_true answers "$url/ServiceProviderConfig"
    echo "ready $url"
    # `wait` returns at a signal, `sleep` in the foreground would not.
    while alive && [ "$SECONDS" -lt "$SERVER_SECONDS_MAX" ] && kill -0 "$parent" 2>/dev/null; do
        sleep 1 &
        wait $! || true
    done
    alive || fail "$name stopped by itself"
}

# A PostgreSQL cluster of its own, reached by a socket in a folder of its own, and Django in front of it.
start_django() {
    local bin as=()
    bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
    # The path of a socket has 107 bytes at most, so it can't be under DATADIR.
    cluster=$(mktemp -d /tmp/scim-pg.XXXXXX)
    if [ "$(id -u)" -eq 0 ]; then
        # initdb refuses root.
        local user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        chown "$user" "$cluster"
        as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
    fi
    cd "$cluster"
    "${as[@]}" "$bin/initdb" -D "$cluster/data" -U scim -A trust -E UTF8 --locale=C --no-sync >>"$log" 2>&1 || fail "initdb failed"
    # The cluster dies with this script, so nothing is gained by forcing it to the disk.
    run "${as[@]}" "$bin/postgres" -D "$cluster/data" -k "$cluster" -c listen_addresses= -c fsync=off -c max_connections=50
    until_true test -S "$cluster/.s.PGSQL.5432"
    until_true "$bin/pg_isready" -q -h "$cluster" -U scim

    export SCIM_PORT=$port SCIM_DATABASE=$cluster DJANGO_SETTINGS_MODULE=settings PYTHONPATH=$here/django_app
    "$dest/django/bin/python" -m django migrate --verbosity 0 >>"$log" 2>&1 || fail "the migration failed"
    run "$dest/django/bin/gunicorn" --bind "127.0.0.1:$port" --workers 1 --threads 8 --graceful-timeout 1 \
        --no-control-socket --chdir "$here/django_app" wsgi:application
}

run() {
    "$@" >>"$log" 2>&1 </dev/null &
    pids+=($!)
}

alive() {
    local pid
    for pid in "${pids[@]}"; do
        kill -0 "$pid" 2>/dev/null || return 1
    done
}

until_true() {
    while ! "$@"; do
        alive || fail "$name stopped while starting"
        [ "$SECONDS" -lt "$READY_SECONDS_MAX" ] || fail "$name did not get ready in $READY_SECONDS_MAX s"
        sleep 0.1
    done
}

answers() {
    "$dest/servers/bin/python" -c '
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": "Bearer secret"})
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5).read()' "$1" 2>/dev/null
}

fail() {
    echo "start.sh: $1" >&2
    [ -n "${log:-}" ] && tail -n 20 "$log" >&2
    exit 1
}

# Stops what was started, last first, so that PostgreSQL goes after those who use it.
cleanup() {
    trap '' TERM INT
    local i
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        # PostgreSQL takes SIGTERM as `wait for the clients`, SIGINT as `now`; the others stop at either.
        kill -INT "${pids[i]}" 2>/dev/null || true
        kill -TERM "${pids[i]}" 2>/dev/null || true
        wait "${pids[i]}" 2>/dev/null || true
    done
    [ -n "${cluster:-}" ] && rm -rf "$cluster"
    [ -z "${keep:-}" ] && [ -n "${data:-}" ] && rm -rf "$data"
    true
}

main "$@"
