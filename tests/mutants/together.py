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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# 4 GiB: a mutant that does not end takes no more than that before it is noticed.
MEMORY_BYTES_MOST = 4 << 30
# A mutant that takes ten times what all take, and half a minute at least, does not end.
SLOWER_MOST = 10
SECONDS_LEAST = 30
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

    def run(self, mutants, wanted):
        """Gives what became of each mutant that is wanted and in the build, by its name, with the seconds."""
        for number, mutant in enumerate(mutants, 1):
            mutant["id"] = number
        applied, binaries = self.built(mutants)
        names = {mutant["id"]: mutant["name"] for mutant in mutants if mutant["id"] in applied and mutant["key"] in wanted}
        print(f"--- {len(applied)} mutants in one build, {len(mutants) - len(applied)} by themselves; {len(names)} are tried", flush=True)
        tests = sorted((self.baseline(binary) for binary in binaries), key=lambda test: test[1])
        for binary, seconds, reached in tests:
            print(f"    {Path(binary).name}: {seconds:.1f} s, meets {len(reached & set(names))}", flush=True)
        began, found = time.monotonic(), {}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            tried = pool.map(lambda id: (id, self.attempt(id, tests)), sorted(names))
            for count, (id, outcome) in enumerate(tried, 1):
                found[names[id]] = outcome
                if count % 100 == 0 or count == len(names):
                    missed = sum(outcome == "missed" for outcome, _ in found.values())
                    print(f"    {count} of {len(names)} in {time.monotonic() - began:.0f} s, {missed} survive", flush=True)
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

    def baseline(self, binary):
        """How long a test takes, and what it meets."""
        with tempfile.TemporaryDirectory() as folder:
            reached = Path(folder, "reached")
            began = time.monotonic()
            code = self.test(binary, 0, 3600, REPLAYSAFE_REACHED=str(reached))
            if code != 0:
                raise SystemExit(f"mutants.sh: {binary} fails without a mutant")
            seconds = time.monotonic() - began
            return binary, seconds, set(map(int, reached.read_text().split())) if reached.exists() else set()

    def attempt(self, id, tests):
        began, outcome = time.monotonic(), "missed"
        for binary, seconds, reached in tests:
            if id not in reached:
                continue
            code = self.test(binary, id, max(SECONDS_LEAST, SLOWER_MOST * seconds))
            if code != 0:
                outcome = "timeout" if code is None else "caught"
                break
        return outcome, time.monotonic() - began

    def test(self, binary, id, seconds, **more):
        """The exit code; none where it does not end in time."""
        environment = {**self.environment, **more, "REPLAYSAFE_MUTANT": str(id)}
        # In the folder of its package, as Cargo does it.
        process = subprocess.Popen(
            [binary, "--quiet"], cwd=self.tree / "tests", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MOST, MEMORY_BYTES_MOST)),
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
