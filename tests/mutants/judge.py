"""Do the tests notice each mutant, but for those that are known to change nothing?

A mutant is known by its key: the name that cargo-mutants gives it, without line and column, and where a file has several of one
name, which of them it is: `guest/core/src/state.rs: replace == with != in next (2 of 3)`.
So an edit elsewhere in the file leaves the keys as they are, and one beside it makes them stale.
"""

import re
from collections import Counter

# Unviable: it does not compile. One that runs into a time-out is noticed.
OUTCOMES = ("caught", "timeout", "unviable", "missed")


def judge(listed, outcomes, equivalent):
    """Compares what was found with what is known; gives as lines what is wrong.

    `listed` has the difference that each mutant makes, by its key; `outcomes` what became of those that were tried;
    `equivalent` why each known one changes nothing. All are of the same parts of the code.
    """
    tried = {key: outcome for key, outcome in outcomes.items() if key in listed}
    if not tried:
        return ["no report: no mutant was tried"]
    wrong = []
    if not viable(tried):
        wrong.append("no viable mutant: what was tried does not compile, and tells nothing")
    wrong += [f"survives: {key}\n{listed[key]}" for key in sorted(unexplained(tried, equivalent))]
    for key in sorted(equivalent):
        if key not in listed:
            wrong.append(f"stale: there is no such mutant: {key}")
        elif tried.get(key, "missed") != "missed":
            wrong.append(f"stale: is not a survivor but {tried[key]}: {key}")
    return wrong


def unexplained(outcomes, equivalent):
    """The keys of those that survive, and are not known to change nothing."""
    return {key for key, outcome in outcomes.items() if outcome == "missed" and key not in equivalent}


def viable(outcomes):
    """How many of them compile."""
    return sum(outcome != "unviable" for outcome in outcomes.values())


def keys(mutants):
    """Gives each of cargo-mutants' mutants its key, in their order."""
    bare = [re.sub(r":\d+:\d+: ", ": ", mutant["name"], count=1) for mutant in mutants]
    of, seen = Counter(bare), Counter()
    named = []
    for name in bare:
        seen[name] += 1
        named.append(name if of[name] == 1 else f"{name} ({seen[name]} of {of[name]})")
    return named


def read_report(report):
    """What became of each mutant of an `outcomes.json`, by its name, and the seconds that it took."""
    summaries = {"CaughtMutant": "caught", "Timeout": "timeout", "Unviable": "unviable", "MissedMutant": "missed"}
    found = {}
    for outcome in report["outcomes"]:
        if outcome["scenario"] == "Baseline":
            continue
        seconds = sum(phase["duration"] for phase in outcome["phase_results"])
        found[outcome["scenario"]["Mutant"]["name"]] = (summaries[outcome["summary"]], seconds)
    return found


def read_equivalent(text):
    """Reads the list: the key of a mutant in a line of its own, and below it, indented, why it changes nothing."""
    equivalent, key = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            if key is None:
                raise ValueError(f"line {number}: a reason without a mutant")
            equivalent[key] += line.strip() + " "
            continue
        if key is not None and not equivalent[key]:
            raise ValueError(f"line {number}: `{key}` has no reason")
        if line in equivalent:
            raise ValueError(f"line {number}: `{line}` is there twice")
        key = line
        equivalent[key] = ""
    if key is not None and not equivalent[key]:
        raise ValueError(f"`{key}` has no reason")
    return equivalent
