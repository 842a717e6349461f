"""Is each operation of a bulk request done once at a real server, whatever breaks on the way?

usage: bulk.py [NAME...] [--program BINARY] [--users N]

Sends one bulk request through the gateway: users, groups that refer to them, two groups that are members of each other, a change
and a deletion. Some answers of the server are lost, and the gateway is killed half-way and started again. The same request is sent
until nothing of it fails, and once more: that must change nothing. Exits with 1 where something is there twice, or not as stated.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import running

# What a PATCH of django-scim2's does not know, a bulk request cannot ask of it.
NAMES = ["scim2-server", "scim2-flask", "scimmy"]
USER, GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{kind}" for kind in ("User", "Group"))
MESSAGE = "urn:ietf:params:scim:api:messages:2.0"
# An answer that never comes, a connection that ends, a server that says that it failed and did not.
FAULTS = ["cut-after-request*2 POST /Users$", "commit-then-500*1 POST /Groups$", "commit-then-502*1 DELETE /Users/", "cut-before-forward*1 PATCH /"]
# Of a batch whose gateway was killed, and of one whose effects are looked for.
ROUNDS_MOST = 8


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    arguments.add_argument("--program", default=os.environ.get("REPLAYSAFE"))
    arguments.add_argument("--users", type=int, default=24)
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
    """Gives what was seen, and a line for each thing that is wrong."""
    with tempfile.TemporaryDirectory() as folder, running.server(name) as base_url, running.proxy(base_url, *FAULTS) as door:
        gone = ask(base_url, "POST", "/Users", user("leaver"))["id"]
        batch = stated(count, gone)
        with running.gateway(program, door.base_url, folder) as (through, process):
            # It answers first: what is killed is a gateway at work.
            ask(through, "GET", "/ServiceProviderConfig")
            sending = threading.Thread(target=lambda: tell(through, batch))
            sending.start()
            half = wait_for(lambda: made(door), count // 2)
            process.kill()
            sending.join()
        wrong = [] if half else ["the gateway was not half-way when it was to be killed"]
        with running.gateway(program, door.base_url, folder) as (through, _):
            for rounds in range(1, ROUNDS_MOST + 1):
                first = tell(through, batch)
                if first and all(one["status"].startswith("2") for one in first):
                    break
                time.sleep(2)
            else:
                return f"{ROUNDS_MOST} rounds", [json.dumps(one) for one in first or ["no answer"]]
            before = changes(door)
            again = tell(through, batch)
            wrong += [f"a repeat sent {changes(door) - before} changes"] * (changes(door) != before)
            wrong += [f"told {json.dumps(other)}, and first {json.dumps(one)}" for one, other in zip(first, again) if told(one) != told(other)]
        wrong += differences(base_url, count, gone, first)
        return f"{len(batch)} operations, killed after {half} users, {rounds} rounds, {before} changes", wrong


def stated(count, gone):
    """The operations: what is referred to stands behind what refers to it."""
    group = lambda name, members: {"method": "POST", "path": "/Groups", "bulkId": name,
                                   "data": {"schemas": [GROUP], "externalId": name, "displayName": name, "members": members}}
    refers = lambda names: [{"value": f"bulkId:{name}"} for name in names]
    operations = [group(f"g{number}", refers(f"u{one}" for one in range(number, count, 3))) for number in range(3)]
    operations += [group("left", refers(["right"])), group("right", refers(["left"]))]
    operations += [{"method": "POST", "path": "/Users", "bulkId": f"u{number}", "data": user(f"u{number}")} for number in range(count)]
    title = {"schemas": [f"{MESSAGE}:PatchOp"], "Operations": [{"op": "replace", "path": "title", "value": "Director"}]}
    operations += [{"method": "PATCH", "path": "/Users/bulkId:u0", "data": title}, {"method": "DELETE", "path": f"/Users/{gone}"}]
    return operations


def user(name):
    return {"schemas": [USER], "externalId": name, "userName": f"{name}@example.org", "title": "Clerk", "active": True,
            "name": {"givenName": name, "familyName": "Example"}}


def differences(base_url, count, gone, answers):
    """A line for each thing that is not as the operations state."""
    users, groups = everything(base_url, "Users"), everything(base_url, "Groups")
    wrong = []
    names = sorted(one["externalId"] for one in users)
    wrong += [f"the users are {names}"] * (names != sorted(f"u{number}" for number in range(count)))
    titles = {one["externalId"] for one in users if one.get("title") == "Director"}
    wrong += [f"Directors are {sorted(titles)}"] * (titles != {"u0"})
    wrong += ["who was deleted is there"] * any(one["id"] == gone for one in users)
    named = {one["id"]: one["externalId"] for one in [*users, *groups]}
    should = {f"g{number}": sorted(f"u{one}" for one in range(number, count, 3)) for number in range(3)} | {"left": ["right"], "right": ["left"]}
    there = {one["externalId"]: sorted(named.get(member["value"], member["value"]) for member in one.get("members", [])) for one in groups}
    wrong += [f"the groups have {there}"] * (there != should or len(groups) != len(should))
    # Where each is, is told by the answers.
    for answer in answers:
        name = answer.get("bulkId")
        wrong += [f"{name} is told at {answer['location']}"] * (name is not None and named.get(answer["location"].rpartition("/")[2]) != name)
    return wrong


def told(answer):
    """What a repeat tells again."""
    known = {name: value for name, value in answer.items() if name not in ("replaysafe", "version")}
    return known | {"decision": answer["replaysafe"]["decision"], "changed": answer["replaysafe"]["changed"]}


def tell(base_url, operations):
    """Sends the batch; none where there is no answer yet."""
    request = {"schemas": [f"{MESSAGE}:BulkRequest"], "Operations": operations}
    try:
        return ask(base_url, "POST", "/Bulk", request, {"Idempotency-Key": '"one-batch"'})["Operations"]
    except (OSError, urllib.error.HTTPError):
        return None


def ask(base_url, method, path, body=None, headers=()):
    headers = {"Authorization": f"Bearer {running.TOKEN}", "Content-Type": "application/scim+json", **dict(headers)}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base_url + path, data, headers, method=method)
    with running.without_environment().open(request, timeout=90) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def everything(base_url, endpoint):
    """All resources, page by page: scimmy shows twenty at once."""
    found = []
    while True:
        page = ask(base_url, "GET", f"/{endpoint}?startIndex={len(found) + 1}&count=100")
        found += page.get("Resources", [])
        if not page.get("Resources") or page["totalResults"] <= len(found):
            return found


def made(door):
    """How many users the server has made."""
    return sum(of["answers"].get("201", 0) for line, of in door.counts().items() if line.startswith("POST ") and line.endswith("/Users"))


def changes(door):
    """How many requests that may change something have reached the server."""
    return sum(of["forwarded"] for line, of in door.counts().items() if not line.startswith("GET "))


def wait_for(number, least):
    """Waits until a number is so large; gives it, and 0 where it does not get so large in half a minute."""
    for _ in range(600):
        if least <= number():
            return number()
        time.sleep(0.05)
    return 0


if __name__ == "__main__":
    main()
