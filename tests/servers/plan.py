"""Does a plan, carried out through the gateway at a real server, leave nothing to do?

usage: plan.py [NAME...] [--program BINARY] [--users N]

Starts each server fresh with resources of which some are missing, some differ and some are too many; plans, sends each effect
as a request with a key of its own through the gateway, and plans again: that plan must be empty, and all must be as desired.
Exits with 1 where it is not.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import running

# A PATCH of django-scim2's knows few paths: it cannot be asked for what a plan asks.
NAMES = ["scim2-server", "scim2-flask", "scimmy"]
USER, GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{kind}" for kind in ("User", "Group"))
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
REFERENCE = "externalId:"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    arguments.add_argument("--program", default=os.environ.get("REPLAYSAFE"))
    arguments.add_argument("--users", type=int, default=40)
    given = arguments.parse_args()
    if not given.program:
        arguments.error("name the program by --program or $REPLAYSAFE")
    running.end_with_all_at_signals()
    names, failed = given.names or NAMES, 0
    for name in names:
        summary, wrong = check(name, given.program, given.users)
        failed += bool(wrong)
        print(f"{name}: {summary}" + "".join(f"\n  {line}" for line in wrong), flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def check(name, program, count):
    """Gives what was planned, and a line for each thing that is wrong."""
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
        desired = after(count)
        (folder / "desired.ndjson").write_text("\n".join(map(json.dumps, desired)))
        (folder / "policy.toml").write_text('source-missing = "delete"\n')

        plan = planned(program, folder, base_url)
        summary = plan["summary"]
        expected = {"create": count // 2 + 1, "delete": 2, "ambiguous": 0, "blocked": 0}
        wrong = [f"{what}: {summary[what]} instead of {number}" for what, number in expected.items() if summary[what] != number]
        with running.gateway(program, base_url, folder) as (through, _):
            wrong += carry_out(plan, through)
        again = planned(program, folder, base_url)
        wrong += [f"left to do: {json.dumps(effect)}" for effect in again["effects"]]
        users = {one["externalId"]: one for one in everything(base_url, "Users")}
        wrong += [f"there are {sorted(users)}"] * (sorted(users) != sorted(one["externalId"] for one in desired if USER in one["schemas"]))
        for group in everything(base_url, "Groups"):
            names = {user["id"]: external_id for external_id, user in users.items()}
            there = sorted(names.get(member["value"], member["value"]) for member in group.get("members", []))
            should = next(one for one in desired if one["externalId"] == group["externalId"])
            should = sorted(member["value"].removeprefix(REFERENCE) for member in should["members"])
            wrong += [f"{group['displayName']} has {there}, not {should}"] * (there != should)
        return {what: number for what, number in summary.items() if number}, wrong


def before(count):
    """The first half of what is desired, with older titles, and two that are not desired."""
    halves = [user(f"e{number}", number, "Clerk") for number in range(count // 2)]
    return halves + [user(f"left{number}", count + number, "Clerk") for number in range(2)]


def after(count):
    """What should be: of those that are there every other one has another title; groups name their members by external id."""
    users = [user(f"e{number}", number, "Director" if number % 2 else "Clerk") for number in range(count)]
    groups = []
    for number in range(3):
        members = [{"value": f"{REFERENCE}e{one}"} for one in range(number, count, 3)]
        groups.append({"schemas": [GROUP], "externalId": f"g{number}", "displayName": f"Group {number}", "members": members})
    return users + groups


def user(external_id, number, title):
    return {"schemas": [USER], "externalId": external_id, "userName": f"user{number}@example.org", "title": title,
            "active": True, "name": {"givenName": f"Given {number}", "familyName": f"Family {number}"}}


def planned(program, folder, base_url):
    """The plan for what the server shows now: read by the program, and from a file, which must not differ."""
    observed = [*everything(base_url, "Users"), *everything(base_url, "Groups")]
    (folder / "observed.json").write_text(json.dumps(observed))
    environment = {**running.ENVIRONMENT, "REPLAYSAFE_UPSTREAM_CREDENTIAL": f"Bearer {running.TOKEN}"}
    plans = []
    for place in (base_url, "observed.json"):
        command = [program, "plan", "--desired", "desired.ndjson", "--observed", place, "--policy", "policy.toml", "--complete", "--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120, check=False)
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


def carry_out(plan, base_url):
    """Sends each effect as a request, in the plan's order, and gives a line for each that is refused."""
    made, wrong = {}, []
    for effect in plan["effects"]:
        path = "/Users" if effect["resourceType"] == "User" else "/Groups"
        own = (effect["resourceType"], effect.get("externalId"))
        method, body = "PATCH", {"schemas": [PATCH], "Operations": effect.get("operations")}
        if effect["op"] == "create":
            method, body = "POST", effect["document"]
        else:
            path += "/" + (effect.get("id") or made[own])
        if effect["op"] == "delete":
            method, body = "DELETE", None
        for (_, external_id), new in made.items():
            body = body and json.loads(json.dumps(body).replace(f'"{REFERENCE}{external_id}"', f'"{new}"'))
        try:
            answer = send(base_url, method, path, body, f'"{plan["digest"][:16]}-{effect["effect"]}"')
        except urllib.error.HTTPError as error:
            wrong.append(f"{method} {path}: {error.code} {error.read().decode()[:300]}")
            continue
        if effect["op"] == "create":
            made[own] = answer["id"]
    return wrong


def send(base_url, method, path, body=None, key=None):
    headers = {"Authorization": f"Bearer {running.TOKEN}", "Content-Type": "application/scim+json"}
    if key:
        headers["Idempotency-Key"] = key
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base_url}{path}", data=data, headers=headers, method=method)
    with running.without_environment().open(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


if __name__ == "__main__":
    main()
