"""Which checks does a server pass when asked directly, and not when asked through the gateway?

usage: compare.py DIRECT.json VIA.json
       compare.py --direct RUN.json... --via RUN.json...

Each file is one run of `score.py` on a fresh server.
Exits with 1, and prints each check that is worse via the gateway: from pass to anything else, or from any status to a lower one.

Several runs of one side are laid together: a check counts directly as the worst that any direct run gave, and via the gateway
as the best that any such run gave.
That is fair because the testers draw random values, so a check may fail by chance on either side.
A server promises only what it keeps in every run, and a gateway that breaks a check breaks it in every run.
What differs between the runs of one side is printed as unsteady, so a chance of the gateway's own does not go unseen.
"""

import argparse
import json
import sys
from pathlib import Path

# From worst to best. A missing check was not even reached, which tells less than a failure.
ORDER = ["missing", "fail", "skip", "warn", "pass"]


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

    worse, unsteady, checks = compare([read(path) for path in direct], [read(path) for path in via])
    for line in unsteady:
        print(f"unsteady: {line}")
    for line in worse:
        print(f"worse: {line}")
    print(f"{checks} checks compared, {len(worse)} worse, {len(unsteady)} unsteady")
    sys.exit(1 if worse else 0)


def compare(direct, via):
    """Compares two lists of runs; gives what is worse and what is unsteady, as lines, and the number of checks seen directly."""
    worse = []
    unsteady = []
    # Only what a direct run saw can be lost; a check that appears via the gateway alone is a gain.
    checks = list(dict.fromkeys(check for run in direct for check in run))
    for check in checks:
        directly = [run.get(check, MISSING) for run in direct]
        through = [run.get(check, MISSING) for run in via]
        expected = min(directly, key=rank)
        given = max(through, key=rank)
        if rank(given) < rank(expected):
            worse.append(f"{named(check)}: {expected['status']} directly, {given['status']} via: {given['reason']}")
        for side, results in (("directly", directly), ("via", through)):
            statuses = sorted({result["status"] for result in results})
            if len(statuses) > 1:
                reason = min(results, key=rank)["reason"]
                unsteady.append(f"{named(check)}: {' or '.join(statuses)} {side}: {reason}")
    return worse, unsteady, len(checks)


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
