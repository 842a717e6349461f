"""Does the gateway keep the score of the server behind it?

usage: conform.py NAME... [--gateway BINARY] [--keep FOLDER]

For each server NAME, scores a fresh server directly and another one through the gateway, and compares check by check: see compare.py.
Both are scored ROUNDS_MIN times at least, each time on fresh servers: what fails by turns may hold once.
Where something is worse so far, or kept less often of what the server itself keeps in some runs only, they are scored again, until
nothing is or up to ROUNDS_MAX times.
A direct run with fewer checks than baseline.py knows is a failure too: what a tester did not reach, nobody compared.
Without --gateway the proxy without faults takes its place, which shows that the comparison itself is fair.
Exits with 1 if any check is worse via the gateway.
"""

import argparse
import sys
import tempfile
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import running
from baseline import EXPECTED
from compare import compare, read

ROUNDS_MIN = 2
# Of a check that the server keeps in half of its runs, twelve miss that it is unsteady once in two thousand times.
ROUNDS_MAX = 12


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="+", choices=running.SERVERS, metavar="NAME")
    arguments.add_argument("--gateway", help="the replaysafe binary")
    arguments.add_argument("--keep", type=Path, help="a folder for the scores")
    options = arguments.parse_args()

    running.end_with_all_at_signals()
    # Beside each other: most of the time is waiting.
    with ThreadPoolExecutor(len(options.names)) as pool:
        good = list(pool.map(lambda name: attempted(name, options), options.names))
    failed = [name for name, is_good in zip(options.names, good) if not is_good]
    print(f"{len(options.names) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


def attempted(name, options):
    try:
        return conforms(name, options)
    except Exception:  # A server that does not start is one failure, not the end of the others.
        print(f"{name}: {traceback.format_exc()}", flush=True)
        return False


def conforms(name, options):
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        direct = []
        via = []
        for turn in range(1, ROUNDS_MAX + 1):
            direct.append(folder / f"{name}.direct.{turn}.json")
            via.append(folder / f"{name}.via.{turn}.json")
            with running.server(name) as base_url:
                running.score(base_url, direct[-1])
            with running.server(name) as base_url, in_front(base_url, options.gateway) as front:
                running.score(front, via[-1])
            runs = [[read(path) for path in side] for side in (direct, via)]
            worse, unsteady, fewer, checks = compare(*runs)
            if turn >= ROUNDS_MIN and not worse and not fewer:
                break

    expected = sum(total for _, total in EXPECTED[name][:2])
    lines = [f"  unsteady: {line}" for line in unsteady] + [f"  worse: {line}" for line in worse]
    if checks < expected:
        lines.append(f"  {checks} checks were seen directly, and there are {expected}")
    lines.append(f"{name}: directly {passed(runs[0][-1])}, via {passed(runs[1][-1])}; {checks} checks, {len(worse)} worse, "
                 f"{len(unsteady)} unsteady, in {turn} of {ROUNDS_MAX} rounds")
    if worse or checks < expected:
        lines.append(f"  again: python3 tests/servers/conform.py {name} --gateway {options.gateway} --keep FOLDER")
    # At once, so that the lines of servers that are scored beside each other do not mix.
    print("\n".join(lines), flush=True)
    return not worse and checks >= expected


def passed(run):
    """How many checks of each tool passed, of how many."""
    total = Counter(tool for tool, *_ in run)
    good = Counter(tool for (tool, *_), result in run.items() if result["status"] == "pass")
    return " and ".join(f"{good[tool]}/{total[tool]}" for tool in total)


@running.contextmanager
def in_front(base_url, binary):
    if not binary:
        with running.proxy(base_url) as door:
            yield door.base_url
        return
    with tempfile.TemporaryDirectory(prefix="replaysafe-") as folder, running.gateway(binary, base_url, folder) as (front, _):
        yield front


if __name__ == "__main__":
    main()
