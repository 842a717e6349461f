#!/usr/bin/env bash
# Real servers and a real client, directly and through the gateway, and the examples: the harness itself, the prober, plans, audits, a large population, bulk requests, the scores, the scenarios.
#
# usage: run.sh          the gateway is $REPLAYSAFE, else target/debug/replaysafe; install.sh must have run
# All parts run even if one fails, and any failure is an exit with 1.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export REPLAYSAFE=${REPLAYSAFE:-$here/../../target/debug/replaysafe}
[ -x "$REPLAYSAFE" ] || { echo "run.sh: no gateway at $REPLAYSAFE; build it, or name it by \$REPLAYSAFE" >&2; exit 3; }

code=0
# part SECONDS_MAX COMMAND...; the bound is for what hangs, some five times what two idle cores take.
part() {
    local seconds_max=$1 began=$SECONDS
    shift
    timeout --kill-after=30 "$seconds_max" "$@" || { echo "--- FAILED: $* (exit $?)" >&2; code=1; }
    echo "--- $(basename "$2"): $((SECONDS - began)) s"
}

part 300 python3 "$here/test_harness.py" -q
part 120 python3 "$here/examples.py"
part 600 python3 "$here/spark.py"
part 600 python3 "$here/probe.py"
# Small populations; `scripts/test.sh populations` has the large ones.
part 1200 python3 "$here/plan.py"
part 300 python3 "$here/audit.py"
part 600 python3 "$here/population.py"
part 600 python3 "$here/bulk.py"
# Twelve rounds where something is worse; two as a rule.
part 1800 python3 "$here/conform.py" scim2-server scim2-flask scimmy django-scim2 --gateway "$REPLAYSAFE"
# Each scenario has a bound of its own.
part 1800 python3 "$here/scenarios.py" --gateway "$REPLAYSAFE"
exit "$code"
