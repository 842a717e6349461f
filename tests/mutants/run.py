"""Tries the mutants that cargo-mutants names, keeps what became of each, and judges: see scripts/mutants.sh.

Those of the decisions are tried in one build (together.py); those that cannot be in it, and those of the ledger, by cargo-mutants.
It does all in a copy of the tree, target/mutants/tree, which stays: what was built for one mutant is there for the next, and for
the next run. What became of a mutant counts for as long as its file is as it was, tests in it aside. That a test elsewhere
was taken away since is not noticed, so that a run from the start, without --rest and --survivors, is the one that proves.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from hashlib import sha256
from pathlib import Path

from judge import judge, keys, read_equivalent, read_report, unexplained, viable
from together import Together

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / "target" / "mutants"
TREE = STATE / "tree"
RECORD = STATE / "record.json"
EQUIVALENT = Path(__file__).with_name("equivalent.txt")


class Part:
    """Some files of a package, and the tests that have to notice: of this package, and of what `arguments` names."""

    def __init__(self, package, files, arguments, filters=(), slow=(), profile="mutants"):
        self.package, self.files, self.arguments, self.profile = package, files, arguments, profile
        # Which tests; and those of them that are run only where the others notice nothing.
        self.filters, self.slow = list(filters), slow


# In the order of a run. Tests are run in the order of their names until one fails: what notices most, or is quick, comes first.
PARTS = {
    # The compare-and-set: who may work on a name; fences, what is written or refused, and its transaction.
    "leases": Part("replaysafe", ["host/src/ledger/lease.rs"], ["--lib"], ["ledger::lease::"], profile="dev"),
    "ledger": Part(
        "replaysafe",
        ["host/src/ledger/sqlite/rows.rs", "host/src/ledger/sqlite/worker.rs", "host/src/ledger/sqlite.rs"],
        ["--lib"],
        ["ledger::sqlite::"],
        ["every_tampering_is_noted", "fence_never_shrinks"],
        "dev",
    ),
    # Natively, without a sandbox to build: the corpus, the laws, the reference of a statement, schedules of the simulated world.
    "core": Part(
        "replaysafe-core",
        ["guest/core/src/**/*.rs"],
        ["--package=replaysafe-tests", "--no-default-features", "--lib", "--test=allowance", "--test=bad_input", "--test=corpus",
         "--test=difference", "--test=holds", "--test=laws", "--test=policy", "--test=schedules", "--test=secrets", "--test=shapes"],
    ),
    "json": Part("replaysafe-json", ["guest/json/src/**/*.rs"], ["--package=replaysafe-core", "--lib", "--test=holds"]),
}


# The parts whose mutants are in one build, and what is built with them: the tests of all of these.
TOGETHER = ("core", "json")
TESTS = [
    "--profile=dev", "--locked", "--package=replaysafe-json", "--package=replaysafe-core", "--package=replaysafe-tests", "--no-default-features", "--tests",
]
# The first asks of the sources what a mutant does not change; the second looks into whole scenes, for minutes.
NOT_ASKED = ("architecture", "check")


def main():
    arguments = argparse.ArgumentParser(prog="mutants.sh", description="See the head of scripts/mutants.sh.")
    which = arguments.add_mutually_exclusive_group()
    which.add_argument("--rest", action="store_true")
    which.add_argument("--survivors", action="store_true")
    which.add_argument("--judge", action="store_true")
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--shard", type=shard, default=(0, 1), metavar="K/N")
    arguments.add_argument("parts", nargs="*", metavar="PART|FILE")
    options = arguments.parse_args()

    copy_tree(ROOT, TREE)
    equivalent = read_equivalent(EQUIVALENT.read_text())
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    mutants = [mutant for name, part in PARTS.items() for mutant in chosen(name, part, options.parts)]
    if not mutants:
        arguments.error("no mutants: name parts, or files of them")
    known = {mutant["key"]: record[mutant["key"]] for mutant in mutants if record.get(mutant["key"], {}).get("file") == mutant["digest"]}
    outcomes = {key: known[key]["outcome"] for key in known}
    wanted = {mutant["key"] for mutant in mutants}
    if options.rest:
        wanted -= set(known)
    if options.survivors:
        wanted = unexplained(outcomes, equivalent)
    if options.judge:
        wanted = set()
    of, slices = options.shard
    tried = [mutant for mutant in mutants if mutant["key"] in wanted]
    tried = tried[len(tried) * of // slices:len(tried) * (of + 1) // slices]
    if not options.rest and not options.survivors:
        # What is to be tried again is not known until then.
        for mutant in tried:
            outcomes.pop(mutant["key"], None)
            record.pop(mutant["key"], None)

    def keep(group, found):
        for mutant in group:
            if mutant["name"] in found:
                outcome, seconds = found[mutant["name"]]
                record[mutant["key"]] = {"outcome": outcome, "seconds": seconds, "file": mutant["digest"]}
                outcomes[mutant["key"]] = outcome
        RECORD.write_text(json.dumps(record, indent=1, sort_keys=True))

    several, found = [mutant for mutant in tried if mutant["part"] in TOGETHER], {}
    if several:
        found = together(several, options.quick, lambda found: keep(several, found))
    for group in [] if options.quick else files_of([mutant for mutant in tried if mutant["name"] not in found]):
        found, failed = run(group)
        keep(group, found)
        if failed:
            sys.exit(f"mutants.sh: {failed}")
    files = {mutant["file"] for mutant in mutants}
    if options.parts:
        equivalent = {key: reason for key, reason in equivalent.items() if key.partition(": ")[0] in files}
    sys.exit(tell(mutants, outcomes, record, equivalent))


def shard(text):
    number, _, of = text.partition("/")
    if not number.isdigit() or not of.isdigit() or int(of) <= int(number):
        raise argparse.ArgumentTypeError(f"`{text}` is no shard: 0/2 is the first of two")
    return int(number), int(of)


def copy_tree(source, tree):
    """Makes a copy equal to what is there, and touches only what differs: Cargo builds that again."""
    if source == ROOT:
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"], check=True, capture_output=True).stdout
        here = {Path(os.fsdecode(name)) for name in listed.split(b"\0") if name and (ROOT / os.fsdecode(name)).is_file()}
    else:
        here = files_in(source)
    for path in files_in(tree) - here:
        (tree / path).unlink()
    for path in here:
        original, copy = source / path, tree / path
        if not copy.exists() or copy.read_bytes() != original.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            shutil.copy(original, copy)


def files_in(tree):
    found = (path.relative_to(tree) for path in tree.rglob("*") if path.is_file())
    return {path for path in found if path.parts[0] != "target"}


def chosen(name, part, words):
    """The mutants of a part, with the key and the digest of the file of each, if it is named or some of its files are."""
    listed = cargo_mutants(part, "--list", "--json", *[f"--file={file}" for file in part.files], stdout=subprocess.PIPE)
    if listed.returncode != 0:
        raise SystemExit(f"mutants.sh: the mutants of `{name}` cannot be listed")
    mutants = json.loads(listed.stdout)
    by_file = defaultdict(list)
    for mutant in mutants:
        by_file[mutant["file"]].append(mutant)
    for file, of_file in by_file.items():
        text = (TREE / file).read_text().partition("\n#[cfg(test)]\nmod tests {")[0]
        digest = sha256(text.encode()).hexdigest()[:16]
        for mutant, key in zip(of_file, keys(of_file), strict=True):
            mutant.update(key=key, digest=digest, part=name)
    if words and name not in words:
        mutants = [mutant for mutant in mutants if mutant["file"] in words]
    return mutants


def together(wanted, quick, keep):
    """Tries those that can be in one build."""
    build = STATE / "tool"
    manifest = Path(__file__).with_name("Cargo.toml")
    subprocess.run(["cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir", build], check=True)
    tool = build / "release" / "replaysafe-mutants"
    mutants = [mutant for name in TOGETHER for mutant in chosen(name, PARTS[name], [])]
    return Together(tool, STATE, TREE, copy_tree, TESTS, NOT_ASKED).run(mutants, {mutant["key"] for mutant in wanted}, quick, keep)


def files_of(mutants):
    """The mutants of one file at a time, so that all that was found is kept before the next."""
    groups = defaultdict(list)
    for mutant in mutants:
        groups[mutant["file"]].append(mutant)
    return groups.values()


def run(mutants):
    """Tries mutants of one file; gives what became of each, and what went wrong: what was found until then is kept all the same."""
    part = PARTS[mutants[0]["part"]]
    print(f"--- {mutants[0]['file']}: {len(mutants)} mutants", flush=True)
    if not part.slow:
        return attempt(part, mutants, part.filters)
    found, failed = attempt(part, mutants, [*part.filters, "--", *[f"--skip={test}" for test in part.slow]])
    missed = [mutant for mutant in mutants if found.get(mutant["name"], ("",))[0] == "missed"]
    if failed or not missed:
        return found, failed
    print(f"--- the same with all tests: {len(missed)} that have survived", flush=True)
    again, failed = attempt(part, missed, part.filters)
    for mutant in missed:
        del found[mutant["name"]]
    return {**found, **again}, failed


def attempt(part, mutants, words):
    settings = STATE / "settings.toml"
    names = ["^" + re.escape(mutant["name"]).replace("\\ ", " ") + "$" for mutant in mutants]
    settings.write_text("examine_re = " + json.dumps(names) + "\n")
    out = STATE / "mutants.out"
    for old in (out, STATE / "mutants.out.old"):
        shutil.rmtree(old, ignore_errors=True)
    done = cargo_mutants(
        part, "--config", settings, "--in-place", "--output", STATE, f"--profile={part.profile}", "--minimum-test-timeout=30", "--colors=never",
        # By name it chooses all but mutants that leave out a field of a struct, of which it tries each.
        f"--file={mutants[0]['file']}",
        *[f"--cargo-arg={argument}" for argument in part.arguments],
        *[f"--cargo-test-arg={word}" for word in words],
    )
    report = out / "outcomes.json"
    found = read_report(json.loads(report.read_text())) if report.exists() else {}
    # 2 and 3: some survive, some run into a time-out.
    if done.returncode not in (0, 2, 3):
        return found, f"cargo-mutants has failed with {done.returncode}; see {out}/log"
    missing = {mutant["name"] for mutant in mutants} - set(found)
    return found, f"{len(missing)} mutants are not in the report, such as {min(missing)}" if missing else None


def cargo_mutants(part, *arguments, **how):
    # Under nobody's target folder but its own: all that was built there stays.
    environment = {**os.environ, "CARGO_TARGET_DIR": str(STATE / "build"), "CARGO_TERM_COLOR": "never"}
    environment.pop("CARGO_INCREMENTAL", None)
    command = ["cargo", "mutants", "--package", part.package, *arguments]
    with subprocess.Popen(command, cwd=TREE, env=environment, **how) as process:
        while True:
            try:
                output, _ = process.communicate()
                return subprocess.CompletedProcess(command, process.returncode, output)
            except KeyboardInterrupt:
                # It was interrupted, too, and puts the file back that it has changed.
                continue


def tell(mutants, outcomes, record, equivalent):
    """Prints a line for each file and what is wrong; gives the exit code. Notes figures where all of all parts was tried."""
    for file, of_file in {group[0]["file"]: group for group in files_of(mutants)}.items():
        of_file = [mutant["key"] for mutant in of_file]
        count = Counter(outcomes.get(key, "not tried") for key in of_file)
        explained = sum(outcomes.get(key) == "missed" and key in equivalent for key in of_file)
        seconds = sum(record[key]["seconds"] for key in of_file if key in outcomes)
        words = ", ".join(f"{number} {word}" for word, number in sorted(count.items()))
        print(f"{file}: {len(of_file)} mutants: {words} ({explained} of them change nothing); {seconds:.0f} s")
    listed = {mutant["key"]: mutant["diff"] for mutant in mutants}
    wrong = judge(listed, outcomes, equivalent)
    for line in wrong:
        print(line)
    unknown = len(listed) - len(outcomes)
    survivors, tried = len(unexplained(outcomes, equivalent)), viable(outcomes)
    seconds = sum(record[key]["seconds"] for key in outcomes)
    print(f"{len(listed)} mutants, {unknown} not tried; {tried} viable, {survivors} survive unexplained; {seconds:.0f} s")
    if unknown == 0 and {mutant["part"] for mutant in mutants} == set(PARTS):
        (STATE / "figures").write_text(f"{seconds:.0f} {tried} {survivors}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    main()
