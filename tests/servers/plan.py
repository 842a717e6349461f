"""Does a plan that `replaysafe apply` carries out at a real server leave nothing to do?

usage: plan.py [NAME...] [--program BINARY] [--users N] [--groups N] [--figures]

Starts each server fresh with resources of which some are missing, some differ and some are too many; plans, carries the plan out,
and plans again: that plan must be empty, and all must be as desired, once. The same again, killed (SIGKILL) half-way and run again.
With --figures it says how long it took, how many requests the server got, and how much memory the program had.
Exits with 1 where anything is not so.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import nullcontext
from pathlib import Path

import running

# A PATCH of django-scim2's knows few paths: it cannot be asked for what a plan asks.
NAMES = ["scim2-server", "scim2-flask", "scimmy"]
USER, GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{kind}" for kind in ("User", "Group"))
REFERENCE = "externalId:"
ENVIRONMENT = {**running.ENVIRONMENT, "REPLAYSAFE_UPSTREAM_CREDENTIAL": f"Bearer {running.TOKEN}"}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    arguments.add_argument("--program", default=os.environ.get("REPLAYSAFE"))
    arguments.add_argument("--users", type=int, default=40)
    arguments.add_argument("--groups", type=int, default=4)
    arguments.add_argument("--figures", action="store_true")
    given = arguments.parse_args()
    if not given.program:
        arguments.error("name the program by --program or $REPLAYSAFE")
    running.end_with_all_at_signals()
    names, failed = given.names or NAMES, 0
    for name in names:
        for way in (whole, killed):
            told, wrong = check(name, given, way)
            failed += bool(wrong)
            print(f"{name}, {way.__name__}: {told}" + "".join(f"\n  {line}" for line in wrong), flush=True)
    print(f"{2 * len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def check(name, given, way):
    """Gives what was planned, and a line for each thing that is wrong."""
    program, count = given.program, given.users
    with tempfile.TemporaryDirectory() as folder, running.server(name) as base_url:
        folder = Path(folder)
        ids = {}
        for resource in before(count):
            made = send(base_url, "POST", "/Users", resource)
            ids[resource["externalId"]] = made["id"]
        # Half of those that are to be in a group, and one that is not.
        for number in range(2):
            members = [{"value": ids[user]} for user in (f"e{number}", f"e{number + 2}", f"left{number}")]
            send(base_url, "POST", "/Groups", {"schemas": [GROUP], "externalId": f"g{number}", "displayName": f"Group {number}", "members": members})
        desired = after(count, given.groups)
        (folder / "desired.ndjson").write_text("\n".join(map(json.dumps, desired)))
        (folder / "policy.toml").write_text('source-missing = "delete"\n')

        plan = planned(program, folder, base_url)
        summary = plan["summary"]
        expected = {"create": count // 2 + given.groups - 2, "delete": 2, "ambiguous": 0, "blocked": 0}
        wrong = [f"{what}: {summary[what]} instead of {number}" for what, number in expected.items() if summary[what] != number]
        (folder / "plan.json").write_text(json.dumps(plan))
        told = {what: number for what, number in summary.items() if number}
        with running.proxy(base_url) if given.figures else nullcontext() as door:
            began = time.monotonic()
            wrong += way(program, folder, door.base_url if door else base_url, base_url, len(plan["effects"]))
            if door:
                told["seconds"], told["requests"] = round(time.monotonic() - began), requests(door)
                told["MiB"] = int((folder / "peak").read_text())
        again = planned(program, folder, base_url)
        wrong += [f"left to do: {json.dumps(effect)}" for effect in again["effects"]]
        users = {one["externalId"]: one for one in everything(base_url, "Users")}
        there = sorted(one["externalId"] for one in everything(base_url, "Users"))
        wrong += [f"there are {there}"] * (there != sorted(one["externalId"] for one in desired if USER in one["schemas"]))
        groups = everything(base_url, "Groups")
        wrong += [f"there are {len(groups)} groups"] * (len(groups) != given.groups)
        names = {user["id"]: external_id for external_id, user in users.items()}
        for group in groups:
            members = sorted(names.get(member["value"], member["value"]) for member in group.get("members", []))
            should = next(one for one in desired if one["externalId"] == group["externalId"])
            should = sorted(member["value"].removeprefix(REFERENCE) for member in should["members"])
            wrong += [f"{group['displayName']} has {members}, not {should}"] * (members != should)
        return told, wrong


def whole(program, folder, through, _, count):
    """Carries the plan out; gives a line for whatever is not done."""
    return not_as({"done": count}, apply(program, folder, through))


def killed(program, folder, through, base_url, count):
    """The same, but that the first run is killed once half of those who are missing are there; the next one does the rest."""
    before = total(base_url, "Users")
    half = before + (read(folder)["summary"]["create"] + 1) // 2
    first = subprocess.Popen(command(program, through), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=ENVIRONMENT)
    # Users who go are deleted last.
    while total(base_url, "Users") < half and first.poll() is None:
        time.sleep(0.01)
    if first.poll() is not None:
        return [f"it has ended before it could be killed: {first.communicate()}"]
    first.kill()
    first.communicate()
    report = apply(program, folder, through)
    counts = report.get("counts", {})
    return not_as({"done": counts.get("done", 0), "satisfied": count - counts.get("done", 0)}, report)


def not_as(expected, report):
    counts = {what: number for what, number in report.get("counts", {}).items() if number}
    return [json.dumps(report)] * (counts != {what: number for what, number in expected.items() if number})


def apply(program, folder, through):
    """Carries the plan out; gives its report, or what was said instead of it, and notes how much memory it had."""
    out, said = folder / "report.json", folder / "said"
    with out.open("w") as stdout, said.open("w") as stderr:
        process = subprocess.Popen(command(program, through), stdout=stdout, stderr=stderr, cwd=folder, env=ENVIRONMENT)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    (folder / "peak").write_text(str(used.ru_maxrss >> 10))
    report = out.read_text()
    return json.loads(report) if report else {"exit code": process.returncode, "said": said.read_text()}


def command(program, through):
    return [program, "apply", "plan.json", "--target", through, "--ledger", "sqlite:ledger.sqlite", "--policy", "policy.toml", "--format", "json"]


def read(folder):
    return json.loads((folder / "plan.json").read_text())


def total(base_url, endpoint):
    return send(base_url, "GET", f"/{endpoint}?startIndex=1&count=1")["totalResults"]


def requests(door):
    """How many requests the server got, by method."""
    by_method = {}
    for line, tally in door.counts().items():
        method = line.split()[0]
        by_method[method] = by_method.get(method, 0) + tally["forwarded"]
    return by_method


def before(count):
    """The first half of what is desired, with older titles, and two that are not desired."""
    halves = [user(f"e{number}", number, "Clerk") for number in range(count // 2)]
    return halves + [user(f"left{number}", count + number, "Clerk") for number in range(2)]


def after(count, groups):
    """What should be: of those that are there every other one has another title; groups name their members by external id."""
    users = [user(f"e{number}", number, "Director" if number % 2 else "Clerk") for number in range(count)]
    named = []
    for number in range(groups):
        members = [{"value": f"{REFERENCE}e{one}"} for one in range(number, count, groups)]
        named.append({"schemas": [GROUP], "externalId": f"g{number}", "displayName": f"Group {number}", "members": members})
    return users + named


def user(external_id, number, title):
    return {"schemas": [USER], "externalId": external_id, "userName": f"user{number}@example.org", "title": title,
            "active": True, "name": {"givenName": f"Given {number}", "familyName": f"Family {number}"}}


def planned(program, folder, base_url):
    """The plan for what the server shows now: read by the program, and from a file, which must not differ."""
    observed = [*everything(base_url, "Users"), *everything(base_url, "Groups")]
    (folder / "observed.json").write_text(json.dumps(observed))
    plans = []
    for place in (base_url, "observed.json"):
        line = [program, "plan", "--desired", "desired.ndjson", "--observed", place, "--policy", "policy.toml", "--complete", "--format", "json"]
        done = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=ENVIRONMENT, timeout=120, check=False)
        if done.returncode != 0:
            raise SystemExit(f"plan: exit code {done.returncode}: {done.stderr}")
        plans.append(json.loads(done.stdout))
    live, from_file = ([{**effect, "ifMatch": None} for effect in plan["effects"]] for plan in plans)
    if live != from_file:
        raise SystemExit(f"read live it is {json.dumps(live)}, from a file {json.dumps(from_file)}")
    return plans[0]


def everything(base_url, endpoint):
    """All resources, page by page: scimmy shows twenty at once."""
    found = []
    while True:
        page = send(base_url, "GET", f"/{endpoint}?startIndex={len(found) + 1}&count=100")
        found += page.get("Resources", [])
        if not page.get("Resources") or page["totalResults"] <= len(found):
            return found


def send(base_url, method, path, body=None):
    headers = {"Authorization": f"Bearer {running.TOKEN}", "Content-Type": "application/scim+json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base_url}{path}", data=data, headers=headers, method=method)
    with running.without_environment().open(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


if __name__ == "__main__":
    main()
