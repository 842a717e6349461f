"""Does `replaysafe audit` find each flaw of a large population, and no other?

usage: population.py [--program BINARY] [--users N]

Makes users and groups without a flaw, plants known ones among them, and beside those what is close to a flaw and none. What is to
be found is written down where it is planted. All goes into a file in an order that tells nothing, which the program reads; then
every finding has to be one that was planted, with its survivor, attributes and values, and every one that was planted has to be found.
Prints how long it took and how much memory the program had. Exits with 1 where anything is not so.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import running

USER, GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{kind}" for kind in ("User", "Group"))
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MEMBERS = 100
# Each thousand users have each flaw once.
BLOCK = 1000
PROFILE = """target = "https://scim.example.com/v2"
measured-at = "2026-11-30T12:00:00Z"
[declared]
"unique/User/emails" = "server"
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--program", default=os.environ.get("REPLAYSAFE"))
    arguments.add_argument("--users", type=int, default=100_000)
    given = arguments.parse_args()
    if not given.program:
        arguments.error("name the program by --program or $REPLAYSAFE")
    if given.users % BLOCK:
        arguments.error(f"--users is a multiple of {BLOCK}")
    population = Population(given.users)
    for block in range(given.users // BLOCK):
        population.plant(block)
    audit, seconds, mebibytes = audited(given.program, population)
    found = Counter(map(told, audit["findings"]))
    wrong = [f"not found: {one}" for one in population.expected - found] + [f"found: {one}" for one in found - population.expected]
    there = {"User": len(population.users), "Group": len(population.groups)}
    wrong += [f"audited: {audit['audited']}"] * (audit["audited"] != there)
    wrong += [f"left open: {audit['referencesOpen']}"] * (audit["referencesOpen"] != 0 or not audit["referencesFollowed"])
    print(f"{there}: {len(audit['findings'])} findings, {audit['effects']} effects: {seconds} s, {mebibytes} MiB")
    print("\n".join(f"  {line}" for line in wrong[:20]) + f"\n{len(wrong)} are wrong" if wrong else "each is found, and no other")
    sys.exit(1 if wrong else 0)


class Population:
    """Users, their groups, and what is wrong with them."""

    def __init__(self, count):
        self.users = [user(number) for number in range(count)]
        self.groups = [
            {"schemas": [GROUP], "id": name("group", number), "externalId": f"g{number}", "displayName": f"Group {number}", "meta": made(2020, number),
             "members": [{"value": one["id"], "display": one["displayName"]} for one in self.users[number * MEMBERS:(number + 1) * MEMBERS]]}
            for number in range(count // MEMBERS)
        ]
        self.expected = Counter()

    def plant(self, block):
        """Plants each flaw once, and each thing that is none, among the users and groups of a block."""
        of = self.users[block * BLOCK:(block + 1) * BLOCK]
        groups = self.groups[block * BLOCK // MEMBERS:(block + 1) * BLOCK // MEMBERS]
        at = iter(range(BLOCK))
        group = groups[0]
        members = group["members"]

        # The same external id twice: who was made first survives.
        one = of[next(at)]
        self.same(["externalId"], one, self.add(block, "by-external-id", externalId=one["externalId"]))
        # The same user name in other letter case: who has an external id survives, though it was made later.
        one = of[next(at)]
        self.same(["userName"], one, self.add(block, "by-name", year=2019, externalId=None, userName=one["userName"].upper()))
        # The same e-mail address in other letter case, which the service says is unique; they have different external ids.
        one = of[next(at)]
        address = [{"value": one["emails"][0]["value"].upper(), "type": "home"}]
        self.same(["emails"], one, self.add(block, "by-address", emails=address))
        # Four by way of each other: by external id, by name, by address; and one of them switched off, without anything.
        one = of[next(at)]
        second = self.add(block, "second", externalId=one["externalId"], active=False)
        third = self.add(block, "third", externalId=None, userName=second["userName"].upper(), year=2022)
        fourth = self.add(block, "fourth", externalId=None, emails=third["emails"], year=2023)
        self.same(["emails", "externalId", "userName"], one, second, third, fourth)
        # Who is switched off survives nobody who is not, without external ids.
        one = of[next(at)]
        one |= {"externalId": None, "active": False, "roles": []}
        self.tell("orphaned-privilege", one, ["members"], group["id"])
        self.same(["userName"], self.add(block, "on", externalId=None, userName=one["userName"].upper()), one)
        # Two groups with one external id.
        twin = {"schemas": [GROUP], "id": name("group-twin", block), "externalId": groups[1]["externalId"], "displayName": "Twin", "meta": made(2021, block)}
        self.groups.append(twin)
        self.same(["externalId"], groups[1], twin, kind="Group")

        # Switched off, with all that there is.
        one = of[next(at)]
        one |= {"active": False, "entitlements": [{"value": "car"}], "x509Certificates": [{"value": "MIIB"}]}
        self.tell("orphaned-privilege", one, ["roles"], "clerk")
        self.tell("orphaned-privilege", one, ["entitlements"], "car")
        self.tell("orphaned-privilege", one, ["members"], group["id"])
        self.tell("live-credential", one, ["x509Certificates"])
        # Roles and entitlements twice, one of them once without a type.
        one = of[next(at)]
        one |= {"roles": [{"value": "clerk"}, {"value": "clerk", "type": "main"}], "entitlements": [{"value": "car"}, {"value": "car"}, {"value": "key"}]}
        self.tell("stacked-grant", one, ["roles"], "clerk")
        self.tell("stacked-grant", one, ["entitlements"], "car")
        # Members twice, under another name and as a user.
        twice = [of[next(at)]["id"], of[next(at)]["id"]]
        members += [{"value": twice[0], "display": "Again"}, {"value": twice[1], "type": "User"}]
        self.tell("repeated-member", group, ["members"], *twice)
        # Members who are nowhere, and a user who is said to be a group; a manager who is nowhere.
        gone = [name("gone", block), name("gone-user", block), groups[2]["members"][0]["value"]]
        members += [{"value": gone[0]}, {"value": gone[1], "type": "User"}, {"value": gone[2], "type": "Group"}]
        self.tell("dangling-reference", group, ["members"], *gone)
        one = of[next(at)]
        one[ENTERPRISE] = {"manager": {"value": name("gone-manager", block)}}
        self.tell("dangling-reference", one, [f"{ENTERPRISE}:manager"], name("gone-manager", block))

        # None of this is a flaw. Switched off without anything.
        one = of[next(at)]
        one |= {"active": False, "roles": []}
        members.remove({"value": one["id"], "display": one["displayName"]})
        # External ids are told apart by letter case.
        of[next(at)]["externalId"] = f"Case{block}"
        of[next(at)]["externalId"] = f"case{block}"
        # No external ids at all.
        of[next(at)]["externalId"] = ""
        of[next(at)]["externalId"] = " "
        # Names that a target may lock as one, and that are two.
        of[next(at)]["userName"] = f"stra\u00dfe{block}"
        of[next(at)]["userName"] = f"strasse{block}"
        # What may be there twice: a display name, a telephone, and an address of one's own.
        one, other = of[next(at)], of[next(at)]
        other |= {"displayName": one["displayName"], "phoneNumbers": one["phoneNumbers"]}
        other["emails"] = [*other["emails"], other["emails"][0] | {"type": "home"}]
        # A group may have the external id of a user, and be in another group.
        groups[3]["externalId"] = of[next(at)]["externalId"]
        members.append({"value": groups[4]["id"], "type": "Group"})
        # One role for two purposes; somebody's manager.
        one = of[next(at)]
        one["roles"] = [{"value": "clerk", "type": "main"}, {"value": "clerk", "type": "deputy"}]
        one[ENTERPRISE] = {"manager": {"value": other["id"]}}

    def add(self, block, what, year=2021, **stated):
        """One more user, who is in no group and has no role."""
        new = user(f"{what}-{block}") | {"meta": made(year, block), "roles": []} | stated
        self.users.append(new)
        return new

    def same(self, attributes, survivor, *others, kind="User"):
        others = tuple(sorted(one["id"] for one in others))
        self.expected["duplicate-identity", kind, survivor["id"], others, tuple(attributes), others] += 1

    def tell(self, flaw, of, attributes, *values):
        kind = "Group" if GROUP in of["schemas"] else "User"
        self.expected[flaw, kind, of["id"], (), tuple(attributes), tuple(sorted(values))] += 1


def told(finding):
    first, *others = finding["ids"]
    return finding["flaw"], finding["resourceType"], first, tuple(sorted(others)), tuple(finding["attributes"]), tuple(finding["values"])


def user(number):
    return {"schemas": [USER, ENTERPRISE], "id": name("user", number), "externalId": f"e{number}", "userName": f"user{number}@example.org",
            "displayName": f"User {number}", "name": {"givenName": f"Given {number}", "familyName": f"Family {number}"}, "active": True,
            "emails": [{"value": f"mail{number}@example.org", "type": "work", "primary": True}], "phoneNumbers": [{"value": f"tel:{number}"}],
            "roles": [{"value": "clerk"}], "meta": made(2020, number if isinstance(number, int) else 0)}


def name(kind, number):
    """An id whose order tells nothing."""
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()[:32]


def made(year, number):
    return {"created": f"{year}-01-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00Z"}


def audited(program, population):
    """What the program says of it, in how many seconds, and with how much memory."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        everything = [*population.users, *population.groups]
        random.Random(100_000).shuffle(everything)
        with (folder / "there.ndjson").open("w") as file:
            file.writelines(json.dumps({key: value for key, value in one.items() if value is not None}) + "\n" for one in everything)
        (folder / "profile.toml").write_text(PROFILE)
        line = [program, "audit", "--observed", "there.ndjson", "--complete", "--profile", "profile.toml", "--format", "json"]
        began = time.monotonic()
        with (folder / "audit.json").open("w") as out:
            process = subprocess.Popen(line, stdout=out, cwd=folder, env=running.ENVIRONMENT)
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"audit: exit code {process.returncode}")
        return json.loads((folder / "audit.json").read_text()), round(time.monotonic() - began, 1), used.ru_maxrss >> 10


if __name__ == "__main__":
    main()
