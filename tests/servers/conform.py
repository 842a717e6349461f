"""Does the gateway keep the score of the server behind it?

usage: conform.py NAME... [--gateway BINARY] [--keep FOLDER]

For each server NAME, scores a fresh server directly and another one through the gateway, and compares check by check.
When something is worse, both are scored again on fresh servers, 3 times in all, and all runs are compared: see compare.py.
Without --gateway the proxy without faults takes its place, which shows that the comparison itself is fair.
Exits with 1 if any check is worse via the gateway.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import running
from compare import compare, read

ROUNDS_MAX = 3


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="+", choices=running.SERVERS, metavar="NAME")
    arguments.add_argument("--gateway", help="the replaysafe binary")
    arguments.add_argument("--keep", type=Path, help="a folder for the scores")
    options = arguments.parse_args()

    running.end_with_all_at_signals()
    # Beside each other: most of the time is waiting.
    with ThreadPoolExecutor(len(options.names)) as pool:
        good = list(pool.map(lambda name: conforms(name, options), options.names))
    failed = [name for name, is_good in zip(options.names, good) if not is_good]
    print(f"{len(options.names) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


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
            worse, unsteady, checks = compare([read(path) for path in direct], [read(path) for path in via])
            if not worse:
                break

    lines = [f"  unsteady: {line}" for line in unsteady] + [f"  worse: {line}" for line in worse]
    lines.append(f"{name}: {checks} checks, {len(worse)} worse, {len(unsteady)} unsteady, in {turn} of {ROUNDS_MAX} rounds")
    # At once, so that the lines of servers that are scored beside each other do not mix.
    print("\n".join(lines), flush=True)
    return not worse


def in_front(base_url, binary):
    if binary:
        return running.gateway(binary, base_url)
    return transparent(base_url)


@running.contextmanager
def transparent(base_url):
    with running.proxy(base_url) as (front, _):
        yield front


if __name__ == "__main__":
    main()
