"""What do the two conformance testers say about a SCIM server?

usage: score.py BASE_URL --token TOKEN --out FILE.json

Writes a list of {tool, check, occurrence, status, reason}, in the order of the run.
`check` names what was checked and nothing that changes from run to run; `occurrence` counts the results of one name.
`status` is pass, warn, skip or fail.
It exits with 0 whatever the score: `compare.py` judges.

It runs under the interpreter of target/servers/testers.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

# The longest run seen took 8 s; a gateway that answers each request only at its deadline must not hang the caller.
TOOL_SECONDS_MAX = 300
REQUEST_SECONDS_MAX = 30


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("base_url")
    arguments.add_argument("--token", required=True)
    arguments.add_argument("--out", required=True, type=Path)
    options = arguments.parse_args()

    results = list(numbered([
        *scim2_tester(options.base_url, options.token),
        *scim_sanity(options.base_url, options.token),
    ]))
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(summary(results))


def scim2_tester(base_url, token):
    headers = {"Authorization": f"Bearer {token}"}
    with Client(base_url=base_url, headers=headers, timeout=REQUEST_SECONDS_MAX, trust_env=False) as http:
        for result in check_server(SyncSCIMClient(http)):
            # The checks of PATCH have one title and a result for each attribute, which only `data` names.
            attribute = result.data.get("urn") if isinstance(result.data, dict) else None
            words = [result.resource_type, result.title, attribute]
            yield {
                "tool": "scim2-tester",
                "check": " ".join(word for word in words if word),
                "status": SCIM2_TESTER_STATUS[result.status],
                "reason": result.reason or "",
            }


# The tester's own command counts SUCCESS alone as success; the two others are its words for `conforms as well`.
SCIM2_TESTER_STATUS = {
    Status.SUCCESS: "pass",
    Status.COMPLIANT: "pass",
    Status.ACCEPTABLE: "pass",
    Status.DEVIATION: "fail",
    Status.ERROR: "fail",
    Status.CRITICAL: "fail",
    Status.SKIPPED: "skip",
}


def scim_sanity(base_url, token):
    command = [Path(sys.executable).with_name("scim-sanity"), "probe", base_url, "--token", token]
    command += ["--json-output", "--i-accept-side-effects", "--timeout", str(REQUEST_SECONDS_MAX)]
    # It exits with 1 when a check fails, and prints its results all the same.
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_SECONDS_MAX)
    try:
        results = json.loads(done.stdout)["results"]
    except ValueError:
        sys.exit(f"scim-sanity gave no results (exit code {done.returncode}): {done.stderr[-2000:]}")
    for result in results:
        yield {
            "tool": "scim-sanity",
            "check": f"{result.get('phase', '')}: {result['name']}",
            "status": "fail" if result["status"] == "error" else result["status"],
            "reason": result.get("message", ""),
        }


def numbered(results):
    seen = Counter()
    for result in results:
        name = (result["tool"], result["check"])
        seen[name] += 1
        yield {
            "tool": result["tool"],
            "check": result["check"],
            "occurrence": seen[name],
            "status": result["status"],
            "reason": result["reason"],
        }


def summary(results):
    lines = []
    for tool in ("scim2-tester", "scim-sanity"):
        counts = Counter(result["status"] for result in results if result["tool"] == tool)
        rest = ", ".join(f"{counts[status]} {status}" for status in ("fail", "warn", "skip") if counts[status])
        lines.append(f"{tool}: {counts['pass']} of {counts.total()}" + (f" ({rest})" if rest else ""))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
