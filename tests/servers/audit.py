"""Does `replaysafe audit` find at a real server what is wrong there and nothing else, and is it right once its plan is carried out?

usage: audit.py [NAME...] [--program BINARY] [--users N] [--figures]

Starts each server fresh with users and groups of which some are there twice, switched off, or gone; what the server then
shows is read by a few lines of Python, and compared with what the audit says. Then the plan that it writes is carried out, and
that of the next audit: nothing may be left to mend, nobody may have got anything but who survives, and nobody lost anything
but who is switched off or gone. With --figures it says how long the audit took.
Exits with 1 where anything is not so.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import plan
import running

FLAWS = ["duplicate-identity", "orphaned-privilege", "live-credential", "stacked-grant", "repeated-member", "dangling-reference"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="*", choices=[*plan.NAMES, []], metavar="NAME")
    arguments.add_argument("--program", default=os.environ.get("REPLAYSAFE"))
    arguments.add_argument("--users", type=int, default=30)
    arguments.add_argument("--figures", action="store_true")
    given = arguments.parse_args()
    if not given.program:
        arguments.error("name the program by --program or $REPLAYSAFE")
    running.end_with_all_at_signals()
    names, failed = given.names or plan.NAMES, 0
    for name in names:
        told, wrong = check(name, given)
        failed += bool(wrong)
        print(f"{name}: {told}" + "".join(f"\n  {line}" for line in wrong), flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def check(name, given):
    """Gives what was found, and a line for each thing that is wrong."""
    with tempfile.TemporaryDirectory() as folder, running.server(name) as base_url:
        folder = Path(folder)
        fill(base_url, given.users)
        users, groups = (plan.everything(base_url, kind) for kind in ("Users", "Groups"))
        began = time.monotonic()
        audit = run(given.program, folder, ["audit", "--observed", base_url, "--format", "json"])
        told = {flaw: count for flaw, count in audit["summary"].items() if count} | {"effects": audit["effects"]}
        if given.figures:
            told["seconds"] = round(time.monotonic() - began, 1)
        expected, found = wrongs(users, groups), wrongs_told(audit)
        wrong = [f"not found: {one}" for one in sorted(expected - found)] + [f"found: {one}" for one in sorted(found - expected)]
        # At least what every server keeps as it was made.
        wrong += [f"no {flaw}" for flaw in FLAWS[:2] if not audit["summary"][flaw]]
        for number in (1, 2):
            plan_of = run(given.program, folder, ["audit", "--observed", base_url, "--fix", f"fix{number}.json", "--format", "json"])
            applied = run(given.program, folder, ["apply", f"fix{number}.json", "--target", base_url, "--ledger", "sqlite:ledger.sqlite", "--format", "json"])
            wrong += [json.dumps(applied)] * (applied["counts"]["done"] + applied["counts"]["satisfied"] != plan_of["effects"])
        again = run(given.program, folder, ["audit", "--observed", base_url, "--format", "json"])
        wrong += [f"left: {json.dumps(one)}" for one in again["findings"] if one["effects"] or one["flaw"] not in (FLAWS[0], *FLAWS[3:5])]
        survivors = {other: one["ids"][0] for one in audit["findings"] if one["flaw"] == FLAWS[0] for other in one["ids"][1:]}
        left = {one["id"]: one["active"] for one in plan.everything(base_url, "Users")}
        before, after = ({edge for group in of for edge in edges(group)} for of in (groups, plan.everything(base_url, "Groups")))
        moved = {(group, survivors[member]) for group, member in before if member in survivors}
        kept = {(group, member) for group, member in before if left.get(member)}
        wrong += [f"given: {edge}" for edge in sorted(after - before - moved)] + [f"lost: {edge}" for edge in sorted((kept | moved) - after)]
        wrong += [f"still on: {other}" for other in survivors if left[other]] + [f"off: {one}" for one in survivors.values() if not left[one]]
        return told, wrong


def fill(base_url, count):
    """Users of whom each tenth is there twice, each tenth is switched off, and each tenth has gone; all are in a group."""
    ids = []
    for number in range(count):
        one = plan.user(f"e{number}", number, "Clerk") | {"active": number % 10 != 1}
        one |= {"roles": [{"value": "clerk"}, {"value": "clerk"}]} if number % 10 == 2 else {}
        ids.append(send(base_url, "POST", "/Users", one)["id"])
    for number in range(0, count, 10):
        ids.append(send(base_url, "POST", "/Users", plan.user(f"e{number}", count + number, "Clerk"))["id"])
    for number in range(3):
        members = [{"value": one} for one in ids[number::3]]
        send(base_url, "POST", "/Groups", {"schemas": [plan.GROUP], "externalId": f"g{number}", "displayName": f"Group {number}", "members": members})
    for number in range(3, count, 10):
        send(base_url, "DELETE", f"/Users/{ids[number]}")


def wrongs(users, groups):
    """What is wrong, read as simply as can be: the flaw, whom it is about, and what there is too much of."""
    found, there = set(), {one["id"] for one in [*users, *groups]}
    for external_id, tally in Counter(user["externalId"] for user in users).items():
        if tally > 1:
            same = sorted(user["id"] for user in users if user["externalId"] == external_id)
            found.add(("duplicate-identity", *same))
    for user in users:
        roles = Counter((role["value"], role.get("type", "").lower()) for role in user.get("roles") or [])
        twice = sorted({value for (value, _), tally in roles.items() if tally > 1})
        found |= {("stacked-grant", user["id"], "of", *twice)} if twice else set()
        if user["active"]:
            continue
        has = sorted({value for value, _ in roles})
        found |= {("orphaned-privilege", user["id"], "of", *has)} if has else set()
        held = sorted(group["id"] for group in groups if (group["id"], user["id"]) in edges(group))
        found |= {("orphaned-privilege", user["id"], "of", *held)} if held else set()
    for group in groups:
        members = Counter(member["value"] for member in group.get("members") or [])
        twice = sorted(member for member, tally in members.items() if tally > 1)
        found |= {("repeated-member", group["id"], "of", *twice)} if twice else set()
        gone = sorted(member for member in members if member not in there)
        found |= {("dangling-reference", group["id"], "of", *gone)} if gone else set()
    return found


def wrongs_told(audit):
    return {
        (one["flaw"], *sorted(one["ids"])) if one["flaw"] == FLAWS[0] else (one["flaw"], *one["ids"], "of", *one["values"])
        for one in audit["findings"]
    }


def edges(group):
    return {(group["id"], member["value"]) for member in group.get("members") or []}


def run(program, folder, arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=folder, env=plan.ENVIRONMENT, timeout=300, check=False)
    if not done.stdout:
        raise SystemExit(f"{arguments[0]}: exit code {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


send = plan.send


if __name__ == "__main__":
    main()
