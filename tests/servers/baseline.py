"""Are the servers what the tests take them for? Their scores, and what a retrying client leaves behind without a gateway.

usage: baseline.py [NAME...]

Starts each server fresh and compares with the table below; exits with 1 where it differs.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import running

# NAME: (scim2-tester passed, of), (scim-sanity passed, of), what a client whose first two answers are lost ends with: the
# status it is told, and the users that exist. Measured on the pinned versions; a new version may change them for good reasons.
EXPECTED = {
    "scim2-server": ((135, 135), (24, 31), (409, 1)),
    "scim2-flask": ((135, 135), (24, 31), (409, 1)),
    "scimmy": ((80, 105), (26, 31), (201, 3)),
    "django-scim2": ((13, 17), (20, 31), (409, 1)),
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="*", choices=[*running.SERVERS, []], metavar="NAME")
    names = arguments.parse_args().names or running.SERVERS

    failed = 0
    for name in names:
        given = (*scores(name), after_lost_answers(name))
        same = given == EXPECTED[name]
        failed += not same
        tester, sanity, (status, users) = given
        print(f"{name}: scim2-tester {tester[0]} of {tester[1]}, scim-sanity {sanity[0]} of {sanity[1]}; "
              f"after two lost answers the client is told {status} and {users} users exist"
              + ("" if same else f"; expected {EXPECTED[name]}"), flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def scores(name):
    with tempfile.TemporaryDirectory() as folder, running.server(name) as base_url:
        results = running.score(base_url, Path(folder) / "score.json")
    passed = Counter(result["tool"] for result in results if result["status"] == "pass")
    total = Counter(result["tool"] for result in results)
    return [(passed[tool], total[tool]) for tool in ("scim2-tester", "scim-sanity")]


def after_lost_answers(name):
    """A user is created while the first two answers are lost on the way back; gives what the client is told, and how many exist."""
    with running.server(name) as base_url, running.proxy(base_url, "commit-then-500*2 POST /Users$") as door:
        told, _ = running.provision(door.base_url)
        return told["user"]["status"], len(running.resources(base_url, "Users"))


if __name__ == "__main__":
    main()
