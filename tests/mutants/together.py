"""Tries many mutants with one build: src/main.rs puts each behind a switch, and a run of the tests turns one on.

A build for each mutant takes 20 seconds, and a run of the tests until one fails less than one.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

# 4 GiB: a mutant that does not end takes no more than that before it is noticed.
MEMORY_BYTES_MOST = 4 << 30
# A mutant that takes twenty times what all take, and five seconds at least, does not end.
SLOWER_MOST = 20
SECONDS_LEAST = 5
# What takes less is run together with others.
QUICK_SECONDS = 0.5
# What takes this long is left out where it has to be quick.
SLOW_SECONDS = 5
# A compiler tells of the types first, then of what is borrowed: some rounds until all that does not compile is left out.
ROUNDS_MOST = 30

SWITCH = re.compile(r"mutants::on\((\d+)usize\)")


class Together:
    """All mutants of some parts in one build, and the tests that have to notice.

    `copy(from, to)` makes a tree equal to another, `arguments` says what `cargo test` builds, and `without` which tests are not run.
    The build stays, so that what changes in tests alone, or in the corpus, costs no build of all mutants.
    """

    def __init__(self, tool, state, sources, copy, arguments, without):
        self.tool, self.sources, self.copy, self.arguments, self.without = tool, sources, copy, arguments, without
        self.tree, self.fresh, self.apart = state / "together", state / "fresh", state / "apart.json"
        self.environment = {
            **os.environ,
            "CARGO_TARGET_DIR": str(state / "build"),
            "CARGO_TERM_COLOR": "never",
            # What is left of a function that returns at once is unused.
            "RUSTFLAGS": "--cap-lints=allow",
            "RUST_BACKTRACE": "0",
            "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "true",
            "PROPTEST_MAX_SHRINK_ITERS": "0",
        }

    def run(self, mutants, wanted, quick, keep):
        """Tries each mutant that is wanted and in the build; gives what became of each, by its name, with the seconds.

        `quick` leaves out slow tests. `keep` gets what was found since it was called last.
        """
        for number, mutant in enumerate(mutants, 1):
            mutant["id"] = number
        applied, binaries = self.built(mutants)
        names = {mutant["id"]: mutant["name"] for mutant in mutants if mutant["id"] in applied and mutant["key"] in wanted}
        print(f"--- {len(applied)} mutants in one build, {len(mutants) - len(applied)} by themselves; {len(names)} are tried", flush=True)
        tests = [test for binary in binaries for test in self.baselines(binary)]
        if quick:
            slow = [f"{name} ({seconds:.0f} s)" for _, name, seconds, _ in tests if SLOW_SECONDS <= seconds]
            print(f"    without {', '.join(slow) or 'none'}", flush=True)
            tests = [test for test in tests if test[2] < SLOW_SECONDS]
        never = set(names).difference(*(reached for *_, reached in tests))
        print(f"    {len(tests)} tests, {sum(seconds for _, _, seconds, _ in tests):.0f} s; {len(never)} are met by none", flush=True)
        began, found = time.monotonic(), {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            tried = {pool.submit(self.attempt, id, tests): names[id] for id in sorted(names)}
            for count, done in enumerate(as_completed(tried), 1):
                found[tried[done]] = done.result()
                if count % 100 == 0 or count == len(names):
                    missed = sum(outcome == "missed" for outcome, _ in found.values())
                    print(f"    {count} of {len(names)} in {time.monotonic() - began:.0f} s, {missed} survive", flush=True)
                    keep(found)
        return found

    def built(self, mutants):
        """Leaves out what does not compile until the rest does; gives the numbers of those in the build and the tests' files."""
        known = json.loads(self.apart.read_text()) if self.apart.exists() else {}
        apart = {mutant["id"] for mutant in mutants if known.get(mutant["key"]) == mutant["digest"]}
        for _ in range(ROUNDS_MOST):
            shutil.rmtree(self.fresh, ignore_errors=True)
            self.copy(self.sources, self.fresh)
            chosen = [mutant for mutant in mutants if mutant["id"] not in apart]
            told = subprocess.run([self.tool, self.fresh], input=json.dumps(chosen), check=True, stdout=subprocess.PIPE, text=True)
            applied = set(json.loads(told.stdout))
            self.copy(self.fresh, self.tree)
            command = ["cargo", "test", "--no-run", "--message-format=json", *self.arguments]
            done = subprocess.run(command, cwd=self.tree, env=self.environment, stdout=subprocess.PIPE, text=True)
            messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            self.apart.write_text(json.dumps({mutant["key"]: mutant["digest"] for mutant in mutants if mutant["id"] in apart}))
            if done.returncode == 0:
                return applied, [message["executable"] for message in messages if self.is_test(message)]
            wrong = {id for message in messages for id in self.at_fault(message)}
            if not wrong & applied:
                raise SystemExit("mutants.sh: what does not compile is no mutant")
            print(f"    {len(wrong)} do not compile", flush=True)
            apart |= wrong
        raise SystemExit(f"mutants.sh: does not compile after {ROUNDS_MOST} rounds")

    def is_test(self, message):
        if not message.get("executable") or not message["profile"]["test"]:
            return False
        target = message["target"]
        return target["kind"][0] in ("lib", "test") and target["name"] not in self.without

    def at_fault(self, message):
        """The mutants at which an error points: that of the last switch before it."""
        if message["reason"] != "compiler-message" or message["message"]["level"] != "error":
            return
        for span in message["message"]["spans"]:
            path = self.tree / span["file_name"]
            if not span["is_primary"] or not path.is_file():
                continue
            for line in reversed(path.read_text().splitlines()[: span["line_start"]]):
                if switches := SWITCH.findall(line):
                    yield int(switches[-1])
                    break

    def baselines(self, binary):
        """Each test of a file, by itself: its name, how long it takes, and what it meets."""
        listed = subprocess.run([binary, "--list", "--format=terse"], cwd=self.tree / "tests", check=True, stdout=subprocess.PIPE, text=True)
        names = [line.removesuffix(": test") for line in listed.stdout.splitlines() if line.endswith(": test")]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda name: self.baseline(binary, name), names))

    def baseline(self, binary, name):
        with tempfile.TemporaryDirectory() as folder:
            reached = Path(folder, "reached")
            began = time.monotonic()
            code = self.test(binary, [name], 0, 3600, REPLAYSAFE_REACHED=str(reached))
            if code != 0:
                raise SystemExit(f"mutants.sh: {name} of {binary} fails without a mutant")
            seconds = time.monotonic() - began
            return binary, name, seconds, set(map(int, reached.read_text().split())) if reached.exists() else set()

    def attempt(self, id, tests):
        """Runs the tests that meet it until one fails: the quick ones of a file at once, then the others, the quickest first."""
        began = time.monotonic()
        runs, quick = [], defaultdict(list)
        for binary, name, seconds, reached in tests:
            if id not in reached:
                continue
            if seconds < QUICK_SECONDS:
                quick[binary].append((name, seconds))
            else:
                runs.append((seconds, binary, [name]))
        runs += [(sum(seconds for _, seconds in of), binary, [name for name, _ in of]) for binary, of in quick.items()]
        for seconds, binary, names in sorted(runs):
            code = self.test(binary, names, id, max(SECONDS_LEAST, SLOWER_MOST * seconds))
            if code != 0:
                return "timeout" if code is None else "caught", time.monotonic() - began
        return "missed", time.monotonic() - began

    def test(self, binary, names, id, seconds, **more):
        """The exit code; none where it does not end in time."""
        environment = {**self.environment, **more, "REPLAYSAFE_MUTANT": str(id)}
        process = subprocess.Popen(
            [binary, "--quiet", "--exact", *names], cwd=self.tree / "tests", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MOST, MEMORY_BYTES_MOST)),
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
