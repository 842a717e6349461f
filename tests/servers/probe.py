"""Does the prober find of each real server what is known of it, and leave nothing behind?

usage: probe.py [NAME...] [--program BINARY] [--show]

Starts each server fresh, measures it by `replaysafe probe`, and compares with the table below; exits with 1 where it differs.
Then a gateway starts with the profile, and refuses it where a figure in it was changed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import running

PROFILE = "profile.toml"

# What the servers' documentation, their source, and requests by hand have shown: how many there are after two creates, whether
# an outdated If-Match gives 412, which filters are answered, how a PATCH is, and what a member added twice becomes.
SCIM2 = {
    "unique/User/userName": "server",
    "unique/User/externalId": "none",
    "unique/Group/displayName": "none",
    "case-equal/User/userName": "true",
    "filter/User/userName": "eq",
    "filter/User/externalId": "eq",
    "filter/Group/displayName": "eq",
    "delete/User": "gone",
    "name-after-delete/User/userName": "free",
    "etag.supported": "true",
    "if-match/User": "honoured",
    "etag-is-version/User": "true",
    "patch-status/User": "204",
    "patch-status/Group": "204",
    # Another display makes another member, the same one does not.
    "stacks/Group/members": "display",
    # A removal that lists values is refused with 400.
    "removal-values/Group": "refused",
    "removal/Group": "filter",
    "removal-filter/Group": "removes",
    "bulk.answers": "true",
}
EXPECTED = {
    "scim2-server": SCIM2,
    "scim2-flask": SCIM2,
    "scimmy": {
        "unique/User/userName": "none",
        "unique/User/externalId": "none",
        "unique/Group/displayName": "none",
        "filter/User/userName": "eq",
        "filter/User/externalId": "eq",
        "filter/Group/displayName": "eq",
        "delete/User": "gone",
        # Express makes a tag of every answer, and nobody looks at If-Match.
        "if-match/User": "ignored",
        "etag.supported": "false",
        "stacks/Group/members": "always",
        "bulk.answers": "true",
    },
    "django-scim2": {
        "unique/User/userName": "server",
        "unique/User/externalId": "none",
        "unique/Group/displayName": "none",
        "case-equal/User/userName": "false",
        "filter/User/userName": "eq",
        # Answered with an empty list, whatever there is.
        "filter/User/externalId": "blind",
        "filter/Group/displayName": "blind",
        "delete/User": "gone",
        "name-after-delete/User/userName": "free",
        "if-match/User": "ignored",
        "etag.supported": "false",
        # A table has one row for a member.
        "stacks/Group/members": "never",
        # PATCH is taken of few paths, and of none on a Group but its members.
        "patch-status/Group": None,
        "bulk.answers": "false",
    },
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("names", nargs="*", choices=[*running.SERVERS, []], metavar="NAME")
    arguments.add_argument("--program", default=os.environ.get("REPLAYSAFE"))
    arguments.add_argument("--show", action="store_true", help="print what was found")
    given = arguments.parse_args()
    if not given.program:
        arguments.error("name the program by --program or $REPLAYSAFE")
    running.end_with_all_at_signals()

    names, failed = given.names or running.SERVERS, 0
    for name in names:
        found, wrong = check(name, given.program)
        failed += bool(wrong)
        if given.show:
            print(json.dumps(found, indent=2))
        print(f"{name}: {found.get('requests')} requests, {len(found.get('facts', {}))} facts, rows {', '.join(found.get('rows', []))}"
              + "".join(f"\n  {line}" for line in wrong), flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def check(name, program):
    """Gives what was found, and a line for each thing that is wrong."""
    with tempfile.TemporaryDirectory() as folder, running.server(name) as base_url:
        profile = Path(folder) / PROFILE
        command = [program, "probe", "--target", base_url, "--format", "json", "--output", profile]
        environment = {**running.ENVIRONMENT, "REPLAYSAFE_UPSTREAM_CREDENTIAL": f"Bearer {running.TOKEN}"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=400)
        if done.returncode != 0:
            return {}, [f"exit code {done.returncode}: {done.stderr.strip() or done.stdout[-2000:]}"]
        found = json.loads(done.stdout)
        facts = found["facts"]
        wrong = [f"`{fact}` is `{facts.get(fact)}`, expected `{expected}`"
                 for fact, expected in EXPECTED[name].items() if facts.get(fact) != expected]
        for endpoint in ("Users", "Groups"):
            left = running.resources(base_url, endpoint)
            wrong += [f"{endpoint} has `{one['id']}` left" for one in left if "replaysafe-probe" in json.dumps(one)]
        if running.TOKEN in done.stdout + done.stderr + profile.read_text():
            wrong.append("the token is told")
        return found, wrong + by_profile(program, base_url, Path(folder), found["figures"])


def by_profile(program, base_url, folder, figures):
    """A gateway starts with the profile, and not with one whose figures say something else."""
    profile = folder / PROFILE
    try:
        with running.gateway(program, base_url, folder, "--profile", profile) as (through, _):
            running.get(f"{through}/Users")
    except (running.NotStarted, OSError) as error:
        return [f"the gateway does not serve with the profile: {error}"]
    figure = "found-after-ms/User"
    changed = profile.read_text().replace(f'"{figure}" = {figures[figure]}', f'"{figure}" = 700000')
    profile.write_text(changed)
    try:
        with running.gateway(program, base_url, folder, "--profile", profile):
            return ["the gateway starts with a profile that contradicts itself"]
    except running.NotStarted as error:
        return [] if "code 2" in str(error) and figure in str(error) else [f"the refusal does not tell why: {error}"]


if __name__ == "__main__":
    main()
