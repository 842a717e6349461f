"""Does docs/examples/spark make the very plan that `replaysafe plan` makes?

usage: spark.py [--users N] [--groups N] [--seed N]      the program is $REPLAYSAFE, else target/debug/replaysafe

Makes up populations, plans each by the program and by the example with two workers (`local[2]`), and compares every byte but the
time at which each plan was made. Where install.sh could not install Spark, or a Java that it runs on, one line says SKIPPED.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import running

ROOT = running.HERE.parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "spark"
PYTHON = running.INSTALLED / "spark" / "bin" / "python"
PROGRAM = os.environ.get("REPLAYSAFE", str(ROOT / "target" / "debug" / "replaysafe"))
# All of them take 90 s of processor time, four minutes where others use both cores, too.
SECONDS_MAX = 590

USER, GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{kind}" for kind in ("User", "Group"))
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PROFILE = 'target = "https://scim.example.com/v2"\nmeasured-at = "2026-11-30T12:00:00Z"\n[measured]\n"unique/User/userName" = "server"\n'
# Long enough for several rounds of joining.
CHAIN = 60
# What is to come of the first population, so that none of it is compared while it is empty.
CONCLUSIONS = ["ambiguous", "blocked", "planned", "unchanged", "kept"]
OPS = ["revoke", "disable", "create", "adopt", "update", "grant", "delete"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--users", type=int, default=2_500)
    arguments.add_argument("--groups", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    why = missing()
    if why:
        print(f"=== SKIPPED: spark; {why}")
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        made = [prepare(folder / str(number), *case) for number, case in enumerate(cases(given))]
        plan_on_spark(folder, [one["words"] for one in made])
        wrong = 0
        for one in made:
            lines = compare(one)
            wrong += bool(lines)
            print(f"{one['name']}: {one['told']}" + "".join(f"\n  {line}" for line in lines))
    print(f"{len(made) - wrong} passed, {wrong} failed")
    sys.exit(1 if wrong else 0)


def missing():
    """Why the example cannot run here; nothing if it can."""
    if not (running.INSTALLED / "spark" / ".stamp").exists():
        return "install.sh has not installed it"
    try:
        said = subprocess.run([java(), "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError) as error:
        return f"there is no Java: {error}"
    version = said.partition('version "')[2].partition('"')[0]
    if not version or int(version.split(".")[0]) < 17:
        return f"Java 17 or later is needed, and this is {version or said}"
    return None


def java():
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else "java"


def cases(given):
    """Populations, each with policy and options."""
    rng = random.Random(given.seed)
    yield ("with all there is", population(rng, given.users, given.groups),
           'source-missing = "delete"\nadopt = "matching"\n[correlation]\nGroup = ["displayName"]\n[guard]\nupdate = { most = 5 }\n', ["--complete"])
    some = flat(population(rng, given.users // 10, 0))
    nobody = {"schemas": [USER], "title": "nobody"}
    yield ("with what nothing identifies", {**some, "desired": [*some["desired"], nobody, nobody]}, 'source-missing = "disable"\n', ["--complete"])
    yield ("nothing desired", {"desired": [], "observed": some["observed"]}, "", ["--complete"])


def prepare(folder, name, made, policy, options):
    """Writes a population, and plans it by the program."""
    folder.mkdir()
    for side, resources in made.items():
        (folder / f"{side}.ndjson").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in resources))
    (folder / "policy.toml").write_text(policy)
    (folder / "profile.toml").write_text(PROFILE)
    same = [word for what in ("desired", "observed") for word in (f"--{what}", f"{folder}/{what}.ndjson")]
    same += [word for what in ("policy", "profile") for word in (f"--{what}", f"{folder}/{what}.toml")] + options
    began = time.monotonic()
    expected = ran([PROGRAM, "plan", *same, "--format", "json"])
    seconds = time.monotonic() - began
    effects = len(json.loads(expected)["effects"])
    return {"name": name, "expected": expected, "is_large": 1_000 <= len(made["desired"]), "output": folder / "plan.json",
            "words": [*same, "--partitions", "5", "--master", "local[2]", "--output", f"{folder}/plan.json"],
            "told": f"{len(made['desired'])} desired, {len(made['observed'])} observed, {effects} effects, {seconds:.1f} s by the program"}


def plan_on_spark(folder, lines):
    """Runs the example with each of these command lines, in one process: a Java that has just started is the slowest of all."""
    components = []
    for flag, option in (([], "--component"), (["--planning"], "--planning")):
        ran([PROGRAM, "component", "export", *flag, f"{folder}/{option[2:]}.wasm"])
        components += [option, f"{folder}/{option[2:]}.wasm"]
    temporary = folder / "tmp"
    temporary.mkdir()
    options = {"TMPDIR": str(temporary), "SPARK_LOCAL_DIRS": str(temporary), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(PYTHON),
               # Code is compiled fast rather than made fast: it runs for seconds only.
               "SPARK_SUBMIT_OPTS": f"-Djava.io.tmpdir={temporary} -XX:-UsePerfData -XX:TieredStopAtLevel=1"}
    run = f"import sys; sys.path.insert(0, {str(EXAMPLE)!r}); import plan; [plan.main(words) for words in {[components + words for words in lines]!r}]"
    began = time.monotonic()
    ran([str(PYTHON), "-c", run], {**running.ENVIRONMENT, **options})
    print(f"{len(lines)} plans on Spark in {time.monotonic() - began:.0f} s")


def compare(one):
    """What differs, and what the made-up population lacks."""
    plan, by_spark = (text.rstrip("\n").split("\n") for text in (one["expected"], one["output"].read_text()))
    plan, by_spark = ([line for line in text if not line.startswith('  "at": ')] for text in (plan, by_spark))
    wrong = [f"line {number}: {of!r}, and on Spark {other!r}" for number, (of, other) in enumerate(zip(plan, by_spark), 1) if of != other][:5]
    if len(plan) != len(by_spark):
        wrong.append(f"{len(plan)} lines, and on Spark {len(by_spark)}")
    if one["is_large"]:
        parsed = json.loads(one["expected"])
        there = {effect["op"] for effect in parsed["effects"]} | {finding["conclusion"] for finding in parsed["findings"]}
        there |= {what for what, count in parsed["summary"].items() if count}
        wrong += ["the guard lets all of it go"] * (not parsed["guard"])
        wrong += [f"the made-up population has no `{what}`" for what in {*OPS, *CONCLUSIONS} - there]
        wrong += ["no effect waits for another resource"] * (not waits(parsed["effects"]))
    return wrong


def waits(effects):
    """Whether any effect depends on one of another resource."""
    about = {effect["effect"]: effect.get("externalId") for effect in effects}
    return any(about[one] != effect.get("externalId") for effect in effects for one in effect["dependsOn"])


def ran(command, environment=running.ENVIRONMENT):
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=SECONDS_MAX, check=False)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(command)[:300]}` exits with {done.returncode}:\n{done.stderr[-4_000:]}")
    return done.stdout


def population(rng, users, groups):
    """Users of every kind, and groups that name them; each side in an order of its own."""
    desired, observed = [], []
    for number in range(users):
        of_user(rng, number, users, desired, observed)
    for number in range(groups):
        of_group(rng, number, users, groups, desired, observed)
    chain(desired, observed, min(users // 20, CHAIN))
    # A user and a group of one external id: nobody can tell whom it stands for.
    desired += [user("both", "both@example.org"), group("both", "both", ["both", "e1"])]
    rng.shuffle(desired)
    rng.shuffle(observed)
    return {"desired": desired, "observed": observed}


def of_user(rng, number, users, desired, observed):
    """A user on one side, on both, or several times."""
    external_id, name = f"e{number}", f"user{number}@example.org"
    want = user(external_id, name, title=rng.choice(["Clerk", "Director", "Élève \U0001f600", "\ufb33 \u2028"]), active=rng.random() < 0.9,
                roles=[{"value": role} for role in rng.sample("abcd", 2)])
    if number % 7 == 0:
        want["password"] = f"s3cret-{number}"
        want["urn:example:extra"] = {"weight": 0.75, "big": 12345678901234567, "Password": None}
    if number % 5 == 0:
        want[ENTERPRISE] = {"manager": {"value": f"externalId:e{rng.randrange(2 * users)}"}}
    has = {**want, "id": f"id-{rng.randrange(1 << 60):x}", "meta": {"resourceType": "User", "version": f'W/"{number}"'}}
    has.pop("password", None)
    has.pop(ENTERPRISE, None)
    case = number % 17
    if case == 0:
        return desired.append(want)
    if case == 1:
        return observed.append(has)
    if case == 2:
        return observed.append({**has, "active": False})
    if case == 3:
        # Of nobody's: it stays.
        del has["externalId"]
        return observed.append(has)
    desired.append(want)
    if case == 4:
        has = {**has, "title": "Other", "roles": [{"value": "z"}, want["roles"][0]]}
    if case == 5:
        has["active"] = not want["active"]
    if case in (6, 7):
        del has["externalId"]
    if case == 7:
        # Two that may be it.
        observed.append({**has, "id": f"{has['id']}-twin", "userName": name.upper()})
    if case == 8:
        # Pages that overlap show it twice.
        observed.append(dict(has))
    if case == 9:
        observed.append({**has, "id": f"{has['id']}-copy", "userName": f"copy-{name}"})
    if case == 10:
        desired.append({**want, "userName": f"again-{name}"})
    if case == 11:
        # What it is to be called is another one's.
        has["userName"] = f"former-{name}"
        observed.append({**has, "id": f"{has['id']}-rival", "userName": name, "externalId": f"rival-{number}"})
    observed.append(has)


def of_group(rng, number, users, groups, desired, observed):
    """A group whose members are there, are to be made, go, are ambiguous, or are nowhere; some are groups themselves."""
    external_id = f"g{number}"
    named = [f"e{rng.randrange(users)}" for _ in range(rng.randrange(30))] + [f"g{rng.randrange(groups)}", "nowhere"][: rng.randrange(3)]
    want = group(external_id, f"Group {number}", dict.fromkeys(named))
    if number % 9 == 0:
        return desired.append(want)
    ids = {one["externalId"]: one["id"] for one in observed if "externalId" in one}
    members = [{"value": ids[name]} for name in named[::2] if name in ids] + [{"value": rng.choice(list(ids.values()))}]
    has = {**group(external_id, f"Group {number}", []), "id": f"g-{number}", "members": members}
    if number % 9 == 1:
        return observed.append(has)
    if number % 9 == 2:
        del has["externalId"]
    if number % 9 == 3:
        # It makes whoever is in it a person to decide about.
        want["members"] = [{"value": f"externalId:e{one}"} for one in range(0, users, max(1, users // 40))]
    desired.append(want)
    return observed.append(has)


def chain(desired, observed, length):
    """Each shares a key with the next: one cluster, whichever partitions its resources come from."""
    for number in range(length):
        desired.append(user(f"c{number}", f"chain{number}@example.org", title="Link"))
        observed.append({**user(f"c{number}", f"chain{number + 1}@example.org", title="Other"), "id": f"chain-{number * 7919 % length}"})


def flat(made):
    """Without whatever refers to others."""
    return {side: [{name: value for name, value in one.items() if name not in (ENTERPRISE, "members")} for one in resources]
            for side, resources in made.items()}


def user(external_id, name, **more):
    return {"schemas": [USER], "externalId": external_id, "userName": name, **more}


def group(external_id, name, members):
    return {"schemas": [GROUP], "externalId": external_id, "displayName": name, "members": [{"value": f"externalId:{one}"} for one in members]}


if __name__ == "__main__":
    main()
