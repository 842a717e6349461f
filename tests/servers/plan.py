"""Does a plan that `replaysafe apply` carries out at a real server leave nothing to do, whatever goes wrong on the way?

usage: plan.py [NAME...] [--way WAY]... [--program BINARY] [--users N] [--groups N] [--figures]

Starts each server fresh with resources of which some are missing, some differ and some are too many; plans, carries the plan out,
and plans again: that plan must be empty, all must be as desired, and the server must have carried out each effect once. This in
each WAY:
  whole       nothing goes wrong
  killed      the first run is killed (SIGKILL) half-way, and the plan is carried out again
  faults      answers are lost and connections cut, the server refuses with 429 and 503, also while it is read for the plan; the
              first three runs are killed while a request or its answer is on its way: one is lost, one was carried out, one
              is carried out while the next run works
  overtaken   somebody else has changed one of the users, and deleted another, since the plan was made; if the server compares
              versions the change is told, and stays until the next plan
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
from collections import Counter
from pathlib import Path

import running

# A PATCH of django-scim2's knows few paths: it cannot be asked for what a plan asks.
NAMES = ["scim2-server", "scim2-flask", "scimmy"]
USER, GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{kind}" for kind in ("User", "Group"))
REFERENCE = "externalId:"
METHOD = dict.fromkeys(["revoke", "disable", "adopt", "update", "grant"], "PATCH") | {"create": "POST", "delete": "DELETE"}
# What goes wrong with requests that change something.
BREAKS = ["commit-then-500", "cut-after-request", "refuse-429=1", "refuse-503=1", "cut-before-forward"]
# What goes wrong with the looks before and after them.
LOOKS = ["refuse-429=1*2/9 GET filter", "refuse-503*2/9 GET s/", "cut-after-request*2/20 GET /"]
# Some ten times what it takes to read 2,000 users in pages of twenty.
PLAN_SECONDS_MAX = 300
# So late comes a request after the process that sent it was killed: the next one has begun its work by then.
LATE_SECONDS = 2
ENVIRONMENT = {**running.ENVIRONMENT, "REPLAYSAFE_UPSTREAM_CREDENTIAL": f"Bearer {running.TOKEN}"}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME")
    arguments.add_argument("--way", action="append", choices=[way.__name__ for way in WAYS])
    arguments.add_argument("--program", default=os.environ.get("REPLAYSAFE"))
    arguments.add_argument("--users", type=int, default=40)
    arguments.add_argument("--groups", type=int, default=4)
    arguments.add_argument("--figures", action="store_true")
    given = arguments.parse_args()
    if not given.program:
        arguments.error("name the program by --program or $REPLAYSAFE")
    running.end_with_all_at_signals()
    ways = [way for way in WAYS if way.__name__ in (given.way or [way.__name__])]
    names, failed = given.names or NAMES, 0
    for name in names:
        for way in ways:
            told, wrong = check(name, given, way)
            failed += bool(wrong)
            print(f"{name}, {way.__name__}: {told}" + "".join(f"\n  {line}" for line in wrong), flush=True)
    print(f"{len(ways) * len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def check(name, given, way):
    """Gives what was planned, and a line for each thing that is wrong."""
    program, count, leaving = given.program, given.users, leavers(given.users)
    with tempfile.TemporaryDirectory() as folder, running.server(name) as base_url, running.proxy(base_url) as door:
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

        on_lists = lists(count) if way is faults else []
        door.set_faults(*on_lists)
        plan = planned(program, folder, base_url, door.base_url)
        summary = plan["summary"]
        expected = {"create": count // 2 + given.groups - 2, "delete": leaving, "ambiguous": 0, "blocked": 0}
        wrong = [f"{what}: {summary[what]} instead of {number}" for what, number in expected.items() if summary[what] != number]
        (folder / "plan.json").write_text(json.dumps(plan))
        told = {what: number for what, number in summary.items() if number}
        wrong += never(on_lists, broken(door))
        began = time.monotonic()
        wrong += way(program, folder, door, base_url, plan)
        if given.figures:
            told["seconds"], told["requests"] = round(time.monotonic() - began), requests(door)
            told["MiB"] = int((folder / "peak").read_text())
        if way is faults:
            told["faults"] = sum(broken(door).values())
            door.set_faults(*on_lists)
        again = planned(program, folder, base_url, door.base_url)
        wrong += [f"left to do: {json.dumps(effect)}" for effect in again["effects"]]
        users = everything(base_url, "Users")
        there = Counter(one["externalId"] for one in users)
        should = Counter(one["externalId"] for one in desired if USER in one["schemas"])
        wrong += [f"not there: {sorted(should - there)}; too many: {sorted(there - should)}"] * (there != should)
        groups = everything(base_url, "Groups")
        wrong += [f"there are {len(groups)} groups"] * (len(groups) != given.groups)
        should = {one["externalId"]: one for one in desired}
        for user in users:
            other = [name for name in ("userName", "title", "name", "active") if not holds(user.get(name), should[user["externalId"]][name])]
            wrong += [f"{user['externalId']} has other {other}"] * bool(other)
        names = {user["id"]: user["externalId"] for user in users}
        for group in groups:
            members = sorted(names.get(member["value"], member["value"]) for member in group.get("members", []))
            expected = sorted(member["value"].removeprefix(REFERENCE) for member in should[group["externalId"]]["members"])
            wrong += [f"{group['displayName']} has {members}, not {expected}"] * (members != expected)
        return told, wrong


def holds(shown, stated):
    """Whether what is shown has what was stated: a server may add to it, as to a name."""
    return stated.items() <= (shown or {}).items() if isinstance(stated, dict) else shown == stated


def whole(program, folder, door, _, plan):
    """Carries the plan out; gives a line for whatever is not done."""
    report = apply(program, folder, door.base_url)
    return not_as({"done": len(plan["effects"])}, report) + not_once(door, plan)


def killed(program, folder, door, base_url, plan):
    """The same, but that the first run is killed once half of those who are missing are there; the next one does the rest."""
    before = total(base_url, "Users")
    half = before + (plan["summary"]["create"] + 1) // 2
    first = start(program, folder, door.base_url)
    # Users who go are deleted last.
    while total(base_url, "Users") < half and first.poll() is None:
        time.sleep(0.01)
    return kill(first) or done_or_satisfied(apply(program, folder, door.base_url), plan) + not_once(door, plan)


def faults(program, folder, door, _, plan):
    """The same, while answers are lost and requests refused, and the first three runs are killed in the middle of a request."""
    numbers, before = Counter(METHOD[effect["op"]] for effect in plan["effects"]), broken(door)
    everywhere = [line for method in numbers for line in breaking(method, numbers[method])] + LOOKS
    # A create that is carried out while the next run works.
    door.set_faults(f"hold*1/{numbers['POST'] // 3} POST /", *everywhere)
    wrong = killed_at(start(program, folder, door.base_url), door, "request", "POST")
    # A change that was carried out, and nobody was told.
    door.set_faults(f"hold*1/{numbers['PATCH'] // 3} PATCH /", *everywhere)
    second = start(program, folder, door.base_url)
    time.sleep(LATE_SECONDS)
    wrong += killed_at(second, door, "answer", "PATCH")
    drop_all(door)
    # A deletion that never comes to the server.
    door.set_faults(f"hold*1/{numbers['DELETE'] // 2} DELETE /", *everywhere)
    wrong += killed_at(start(program, folder, door.base_url), door, "request", "DELETE")
    drop_all(door)
    door.set_faults(*everywhere)
    wrong += done_or_satisfied(apply(program, folder, door.base_url), plan)
    return wrong + not_once(door, plan) + never(everywhere, broken(door) - before)


def overtaken(program, folder, door, base_url, plan):
    """Somebody else has changed a user who is to be changed, and deleted one who is to be deleted."""
    changed = next(effect for effect in plan["effects"] if effect["op"] == "update")
    deleted = next(effect for effect in plan["effects"] if effect["op"] == "delete")
    patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "path": "title", "value": "Chief"}]}
    send(base_url, "PATCH", f"/Users/{changed['id']}", patch)
    send(base_url, "DELETE", f"/Users/{deleted['id']}")
    report, done = apply(program, folder, door.base_url), len(plan["effects"])
    # Where the server does not compare versions nobody can tell what was changed: what is desired counts. What has gone is told.
    told = [changed["effect"], deleted["effect"]] if "ifMatch" in changed else [deleted["effect"]]
    wrong = not_as({"done": done - len(told), "changed": len(told)}, report)
    wrong += [json.dumps(report["troubles"])] * ([trouble["effect"] for trouble in report["troubles"]] != told)
    title = send(base_url, "GET", f"/Users/{changed['id']}")["title"]
    left = [changed["id"]] if "ifMatch" in changed else []
    wrong += [f"the title is {title}"] * (title != ("Chief" if left else "Director"))
    next_plan = planned(program, folder, base_url, base_url)
    wrong += [json.dumps(next_plan["summary"])] * ([effect["id"] for effect in next_plan["effects"]] != left)
    (folder / "plan.json").write_text(json.dumps(next_plan))
    return wrong + (not_as({"done": 1}, apply(program, folder, door.base_url)) if left else [])


WAYS = [whole, killed, faults, overtaken]


def breaking(method, number):
    """What goes wrong with requests of a method, of which there will be so many: each kind of fault in a run, of many requests several times.

    Of few requests the faults come one upon the other; of many they are apart, so that each meets other requests.
    """
    every, times = max(2, number // 20), 1 + number // 400
    apart = every // 10
    # Cut before it is passed on, a request is as one that was carried out until somebody looks: once in a run is enough.
    return [f"{mode}*{1 if mode == 'cut-before-forward' else times}/{every + at * apart} {method} /" for at, mode in enumerate(BREAKS)]


def lists(count):
    """What goes wrong with the lists that a plan is made from."""
    # A first page without an answer may mean that nobody is there, so it is the end. There is a second one of more than a hundred.
    later = ["cut-before-forward*2/2 GET startIndex=(?!1&)"] if 200 < count else []
    return ["refuse-429=1*1/1 GET startIndex", "refuse-503*1/2 GET startIndex", *later]


def killed_at(process, door, what, method):
    """Kills it once a request of this method, or its answer, is what has been held for longest; gives a line if it has ended before.

    What else is held goes on.
    """
    while process.poll() is None:
        held = door.held()
        if held and (held[0]["what"], held[0]["line"].split()[0]) == (what, method):
            break
        if held:
            door.go()
        time.sleep(0.02)
    return kill(process)


def kill(process):
    """Gives a line if it has ended before."""
    if process.poll() is not None:
        return [f"it has ended before it could be killed: {process.communicate()}"]
    process.kill()
    process.communicate()
    return []


def drop_all(door):
    while door.held():
        door.drop()


def not_once(door, plan):
    """Gives a line for each method that the server has carried out more or less often than the plan has it, with its answers."""
    planned, answers = Counter(METHOD[effect["op"]] for effect in plan["effects"]), {method: Counter() for method in ("POST", "PATCH", "DELETE")}
    for line, tally in door.counts().items():
        answers.get(line.split()[0], Counter()).update(tally["answers"])
    done = {method: sum(number for status, number in of.items() if status.startswith("2")) for method, of in answers.items()}
    return [f"{method}: planned {planned[method]}, answered {dict(answers[method])}" for method in answers if done[method] != planned[method]]


def broken(door):
    """How often each fault was there, by its name and method."""
    used = Counter()
    for line, tally in door.counts().items():
        used.update({f"{mode} of {line.split()[0]}": number for mode, number in tally["faults"].items()})
    return used


def never(faults, used):
    """Gives a line for each of these faults that never was there: without it this shows nothing."""
    names = {f"{line.partition('*')[0]} of {line.split()[1]}" for line in faults}
    return [f"never was there: {name}" for name in sorted(names) if not used[name]]


def done_or_satisfied(report, plan):
    done = report.get("counts", {}).get("done", 0)
    return not_as({"done": done, "satisfied": len(plan["effects"]) - done}, report)


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


def start(program, folder, through):
    return subprocess.Popen(command(program, through), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=ENVIRONMENT)


def command(program, through):
    return [program, "apply", "plan.json", "--target", through, "--same-service", "--ledger", "sqlite:ledger.sqlite", "--policy", "policy.toml", "--format", "json"]


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
    """The first half of what is desired, with older titles, and some that are not desired."""
    halves = [user(f"e{number}", number, "Clerk") for number in range(count // 2)]
    return halves + [user(f"left{number}", count + number, "Clerk") for number in range(leavers(count))]


def leavers(count):
    return max(10, count // 20)


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


def planned(program, folder, base_url, through):
    """The plan for what the server shows now: read by the program, which may be disturbed, and from a file, which must not differ."""
    observed = [*everything(base_url, "Users"), *everything(base_url, "Groups")]
    (folder / "observed.json").write_text(json.dumps(observed))
    plans = []
    for place in (through, "observed.json"):
        line = [program, "plan", "--desired", "desired.ndjson", "--observed", place, "--policy", "policy.toml", "--complete", "--format", "json"]
        done = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=ENVIRONMENT, timeout=PLAN_SECONDS_MAX, check=False)
        if done.returncode != 0:
            raise SystemExit(f"plan: exit code {done.returncode}: {done.stderr}")
        plans.append(json.loads(done.stdout))
        follows_schema(done.stdout)
    live, from_file = ([{**effect, "ifMatch": None} for effect in plan["effects"]] for plan in plans)
    if live != from_file:
        raise SystemExit(f"read live it is {json.dumps(live)}, from a file {json.dumps(from_file)}")
    return plans[0]


def follows_schema(plan):
    """Ends the run where a plan is not as wit/plan.schema.json says."""
    python = running.HERE.parents[1] / "target/servers/servers/bin/python3"
    done = subprocess.run([python, "-c", VALIDATE, running.HERE.parents[1] / "wit/plan.schema.json"], input=plan, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"a plan is not as its schema says: {done.stderr}")


VALIDATE = "import fastjsonschema, json, sys; fastjsonschema.compile(json.load(open(sys.argv[1])))(json.load(sys.stdin))"


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
