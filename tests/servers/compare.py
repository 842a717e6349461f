"""Which checks does a server pass when asked directly, and not when asked through the gateway?

usage: compare.py DIRECT.json VIA.json
       compare.py --direct RUN.json... --via RUN.json...

Each file is one run of `score.py` on a fresh server.
Exits with 1, and prints each check that is worse via the gateway.

What held in every direct run has to hold in every run via the gateway: the worst status that any of those gave must be no lower
than the worst of these.
The testers draw random values, so a server may keep a check in some runs only; direct runs show it.
Of such a check the rates are compared: it is worse where so few runs via the gateway keep it, against so many direct ones, that
chance alone would give that in less than one of CHANCE_ONE_OF comparisons.
Few runs cannot tell that, so what is worse so far, or kept less often, is a reason for more of them: see conform.py.
"""

import argparse
import json
import sys
from math import comb
from pathlib import Path

# From worst to best. A missing check was not even reached, which tells less than a failure.
ORDER = ["missing", "fail", "skip", "warn", "pass"]

# Small, for each run of all tests has one; and twelve runs that all fail must not pass for chance where the server keeps half of its own.
CHANCE_ONE_OF = 100


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("runs", nargs="*", type=Path, metavar="FILE", help="DIRECT.json and VIA.json")
    arguments.add_argument("--direct", nargs="+", type=Path, default=[])
    arguments.add_argument("--via", nargs="+", type=Path, default=[])
    options = arguments.parse_args()
    if len(options.runs) not in (0, 2):
        arguments.error("give two files, or --direct and --via")
    direct = options.runs[:1] + options.direct
    via = options.runs[1:] + options.via
    if not direct or not via:
        arguments.error("give two files, or --direct and --via")

    worse, unsteady, _, checks = compare([read(path) for path in direct], [read(path) for path in via])
    for line in unsteady:
        print(f"unsteady: {line}")
    for line in worse:
        print(f"worse: {line}")
    print(f"{checks} checks compared, {len(worse)} worse, {len(unsteady)} unsteady")
    sys.exit(1 if worse else 0)


def compare(direct, via):
    """Compares two lists of runs; gives as lines what is worse, what is unsteady, and what of that is kept less often via the gateway so
    far; and the number of checks seen directly."""
    worse = []
    unsteady = []
    fewer = []
    # Only what a direct run saw can be lost; a check that appears via the gateway alone is a gain.
    checks = list(dict.fromkeys(check for run in direct for check in run))
    for check in checks:
        directly = [run.get(check, MISSING) for run in direct]
        through = [run.get(check, MISSING) for run in via]
        best, lowest = max(directly, key=rank), min(directly, key=rank)
        given = min(through, key=rank)
        # What held in every direct run, be it no more than a warning, holds in every run via the gateway.
        if rank(given) < rank(lowest):
            kept = sum(rank(result) >= rank(lowest) for result in through)
            worse.append(f"{named(check)}: {lowest['status']} in {len(direct)} of {len(direct)} runs directly, and in {kept} of "
                         f"{len(via)} via: {given['status']}: {given['reason']}")
            continue
        if rank(best) == rank(lowest):
            continue
        # The server itself keeps it in some runs only.
        kept = [sum(rank(result) >= rank(best) for result in side) for side in (directly, through)]
        line = (f"{named(check)}: {best['status']} in {kept[0]} of {len(direct)} runs directly, and in {kept[1]} of {len(via)} via: "
                f"{lowest['reason'] or lowest['status']}")
        unsteady.append(line)
        if kept[1] * len(direct) < kept[0] * len(via):
            fewer.append(line)
        if by_chance(kept[0], len(direct), kept[1], len(via)) * CHANCE_ONE_OF < 1:
            worse.append(line)
    return worse, unsteady, fewer, len(checks)


def by_chance(kept_directly, direct, kept_via, via):
    """How likely so few of the kept runs, or fewer, are among those via the gateway if it makes no difference (Fisher's exact test)."""
    kept, runs = kept_directly + kept_via, direct + via
    ways = [comb(via, some) * comb(direct, kept - some) for some in range(max(0, kept - direct), kept_via + 1)]
    return sum(ways) / comb(runs, kept)


def read(path):
    """Reads a run, keyed by what identifies a check."""
    results = json.loads(path.read_text())
    return {(result["tool"], result["check"], result["occurrence"]): result for result in results}


def rank(result):
    return ORDER.index(result["status"])


def named(check):
    tool, name, occurrence = check
    return f"{tool}: {name} #{occurrence}"


MISSING = {"status": "missing", "reason": ""}


if __name__ == "__main__":
    main()
