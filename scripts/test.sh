#!/usr/bin/env bash
# Runs every check of the project, phase by phase, and stops at the first that fails.
#
# usage: test.sh [PHASE...]      all phases in order, or these
# Prints a line with the time for each phase. The output of a phase is shown as it comes.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
PHASES="tools format deny lint build unit instructions crash prove check docs reproducible demo servers"

main() {
    local phase began started=$SECONDS
    for phase in ${*:-$PHASES}; do
        echo "=== $phase: $(describe "$phase")"
        began=$SECONDS
        # A subshell of its own, so that `set -e` holds inside it.
        set +e
        (set -e; "phase_$phase")
        local code=$?
        set -e
        if [ "$code" -ne 0 ]; then
            echo "=== FAILED: $phase (exit $code) after $((SECONDS - began)) s; run it alone with \`scripts/test.sh $phase\`" >&2
            exit "$code"
        fi
        echo "=== $phase: ok, $((SECONDS - began)) s"
    done
    echo "=== all phases ok, $((SECONDS - started)) s"
}

describe() {
    case $1 in
    tools) echo "the compiler and the wasm target" ;;
    format) echo "rustfmt" ;;
    deny) echo "licences, sources, who may depend on what" ;;
    lint) echo "clippy, no warnings" ;;
    build) echo "library, gateway, program; the component from source" ;;
    unit) echo "unit, corpus, property and end-to-end tests" ;;
    instructions) echo "how many instructions a decision takes, beside what it took" ;;
    crash) echo "a stop at every step of six flows, a failing disk: what was told stays true" ;;
    crash-deep) echo "the same, with many more pairs of stops and each fault twice" ;;
    crash-all) echo "the same, with every pair of stops: hours" ;;
    prove) echo "schedules of a simulated host, each law audited" ;;
    check) echo "every order of events of small scenes, and which scene misses which rule" ;;
    check-deep) echo "the same scenes, with more that goes wrong: hours" ;;
    ablation) echo "which law breaks without which rule, on which target" ;;
    schedules) echo "ten million schedules, and a million on a shared ledger: hours" ;;
    power) echo "is each rule missed within half a million schedules" ;;
    real) echo "schedules through the component and a SQLite file: an hour" ;;
    differential) echo "the core and the component against a reference, ten million cases: hours" ;;
    fuzz) echo "mutated input, a minute for each target" ;;
    mutants) echo "code that is broken in small ways: a test notices each: half a day" ;;
    prove-all) echo "all of these and their table: two days" ;;
    docs) echo "documentation and its examples" ;;
    reproducible) echo "the component, built in two folders: the same bytes" ;;
    demo) echo "the demonstration, every line right" ;;
    populations) echo "plans for 2,000 users and 200 groups on real servers, with faults and kills: an hour" ;;
    servers) echo "real SCIM servers and clients, directly and through the gateway" ;;
    *) echo "no such phase; there are: $PHASES" >&2 && exit 2 ;;
    esac
}

phase_tools() {
    make --no-print-directory check-tools
}

phase_format() {
    cargo fmt --all --check
}

phase_deny() {
    local code=0
    scripts/cargo-deny.sh --log-level error check bans licenses sources || code=$?
    if [ "$code" -eq 3 ]; then
        echo "=== SKIPPED: deny; tests/tests/architecture.rs still checks who may depend on what"
        return
    fi
    return "$code"
}

phase_lint() {
    cargo clippy --workspace --all-targets --locked -- -D warnings
}

phase_build() {
    cargo build --locked
}

phase_unit() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --workspace --locked --no-fail-fast
    else
        cargo test --workspace --all-targets --locked --no-fail-fast
    fi
}

# The same count on every machine, to a few in a thousand, so that a decision that takes more is seen. Three minutes, most of them the build.
phase_instructions() {
    local code=0
    scripts/bench.sh instructions || code=$?
    if [ "$code" -eq 3 ]; then
        echo "=== SKIPPED: instructions; install valgrind and run \`scripts/test.sh instructions\`"
        return
    fi
    return "$code"
}

prove() {
    cargo run --quiet --profile prove --locked -p replaysafe-tests --no-default-features --bin replaysafe-prove -- "$@"
}

crash() {
    local place=${TMPDIR:-/tmp}
    # What reaches the disk is simulated: in memory its files are faster.
    if [ -w /dev/shm ]; then
        place=/dev/shm
    fi
    TMPDIR=$place REPLAYSAFE_CRASH=$1 cargo test --quiet --locked -p replaysafe --test crash -- --nocapture
}

# The last line with `so far` has the figures of all. Two minutes on two cores.
phase_crash() {
    crash every
}

phase_crash-deep() {
    local began=$SECONDS log=target/prove/crash.log seen
    mkdir -p target/prove
    crash deep 2>&1 | tee "$log"
    seen=$(sed -n 's/.*so far: .* flows, \(.*\) points, \(.*\) pairs, \(.*\) faults.*/\1 \2 \3/p' "$log" | sort -n | tail -1)
    prove note crash $((SECONDS - began)) $((${seen// /+})) "stops, pairs, faults; nothing is broken"
}

phase_crash-all() {
    crash all
}

# The same schedules each time; a law that breaks is shown with the command that tells how.
# Twenty minutes on two cores: one schedule takes 2 ms of one.
phase_prove() {
    prove run 0 1000000
    prove run 0 20000 shared
}

phase_schedules() {
    local code=0
    prove run 0 10000000 || code=1
    prove run 0 1000000 shared || code=1
    return "$code"
}

phase_power() {
    prove power 500000
}

phase_real() {
    REPLAYSAFE_SCHEDULES=200000 cargo test --profile prove-sandboxed --locked -p replaysafe-tests --test real -- --nocapture
}

phase_differential() {
    REPLAYSAFE_CASES=10000000 REPLAYSAFE_EVERY=1 \
        cargo test --profile prove-sandboxed --locked -p replaysafe-tests --test differential -- --nocapture
}

phase_fuzz() {
    local began=$SECONDS inputs
    rm -f target/fuzz/*.log
    scripts/fuzz.sh 60
    inputs=$(sed -n 's/^#\([0-9]*\).*DONE.*/\1/p' target/fuzz/*.log | paste -sd+)
    prove note fuzz $((SECONDS - began)) $((inputs)) "inputs; none breaks a target"
}

# From the start: what an earlier run has found is forgotten. scripts/mutants.sh does parts of it.
phase_mutants() {
    local code=0 seconds viable survivors
    rm -f target/mutants/record.json target/mutants/figures
    scripts/mutants.sh || code=$?
    [ -f target/mutants/figures ] || return 1
    read -r seconds viable survivors <target/mutants/figures
    prove note mutants "$seconds" "$viable" "viable mutants" "$survivors" "mutants that survive unexplained"
    return "$code"
}

# Each part notes its figures in target/prove/figures: what did not run is seen in the table.
phase_prove-all() {
    local part code=0
    rm -rf target/prove/figures
    export REPLAYSAFE_FIGURES=1
    for part in check ablation schedules power real differential crash-deep fuzz mutants; do
        scripts/test.sh "$part" || code=1
    done
    prove report || code=1
    return "$code"
}

# Complete graphs: a scene that is cut short fails. docs/proof.md has the figures. Five minutes on two cores, by the time that it takes of them.
phase_check() {
    prove check
    prove check power
}

phase_check-deep() {
    prove check deep
}

# The table is kept in tests/ablation.txt: a cell that changes fails.
phase_ablation() {
    prove ablation
}

phase_docs() {
    cargo test --workspace --doc --locked
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
}

phase_reproducible() {
    scripts/reproducible.sh
}

phase_demo() {
    cargo run --quiet --locked -p replaysafe-cli -- demo
}

phase_servers() {
    local code=0
    tests/servers/install.sh || code=$?
    if [ "$code" -eq 3 ]; then
        # Without these runtimes the rest still counts.
        echo "=== SKIPPED: servers; install what is named above and run \`scripts/test.sh servers\`"
        return
    fi
    [ "$code" -eq 0 ] || return "$code"
    tests/servers/run.sh
}

phase_populations() {
    tests/servers/install.sh
    REPLAYSAFE=${REPLAYSAFE:-$root/target/debug/replaysafe} python3 tests/servers/plan.py --way faults --users 2000 --groups 200 --figures
}

main "$@"
