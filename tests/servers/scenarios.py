"""What must hold on every real server behind the gateway, one scenario after another.

usage: scenarios.py [--gateway BINARY] [--server NAME]... [--only PART_OF_A_NAME]

Each scenario runs on a fresh server, with a fresh ledger: client -> gateway -> faulty proxy -> server.
What a server cannot express stands in the table OTHERWISE, with the reason and with what is expected in its place.
Prints one line for each scenario and server, and the exchanges of those that fail; exits with 1 if any fails.
"""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import running

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"

# The gateway answers within its budget of 50 s.
ANSWER_SECONDS_MAX = 70
# An unknown create is resolved after its deadline, D and L: 10 + 15 + 2 s; a retry may come in the middle of it.
RESOLVED_SECONDS_MAX = 90
CROWD = 20
KILLS = 10
# How long a create that is to be interrupted takes upstream.
CREATE_MS = 300

SCENARIOS = []
BINARY = os.environ.get("REPLAYSAFE", str(running.HERE.parent.parent / "target" / "debug" / "replaysafe"))


def scenario(function):
    SCENARIOS.append(function)
    return function


# --- Lost answers, a real client ---


@scenario
def a_client_whose_answers_are_replaced_by_500_gets_its_one_user(name):
    client_gets_one_user(name, "commit-then-500*2 POST /Users$", "commit-then-500")


@scenario
def a_client_whose_answer_never_comes_gets_its_one_user(name):
    client_gets_one_user(name, "commit-then-silence POST /Users$", "commit-then-silence")


@scenario
def a_client_whose_connection_is_cut_after_the_request_gets_its_one_user(name):
    client_gets_one_user(name, "cut-after-request POST /Users$", "cut-after-request")


def client_gets_one_user(name, fault, mode):
    with stand(name, fault) as it:
        told, code = running.provision(it.front)
        it.log.append(f"scim_client was told {json.dumps(told)}, exit {code}; the proxy counts {json.dumps(it.counts())}")
        faults = sum(tally["faults"].get(mode, 0) for tally in it.counts().values())
        check(faults >= 1, "the fault was applied")
        check(code == 0 and told["user"]["got"], "the client has its user")
        users = it.held("Users")
        check(len(users) == 1, f"one user exists, not {len(users)}")
        check(str(users[0]["id"]) == str(told["user"]["id"]), "the client was given the id of the user that exists")
        check(told["group"]["got"] and len(it.held("Groups")) == 1, "and its one group")


# --- At once ---


@scenario
def equal_creates_of_a_user_at_once_make_one_and_all_get_the_same_answer(name):
    equal_creates_at_once(name, "Users", user("crowd"))


@scenario
def equal_creates_of_a_group_at_once_make_one_and_all_get_the_same_answer(name):
    equal_creates_at_once(name, "Groups", group("crowd"))


def equal_creates_at_once(name, endpoint, body):
    with stand(name) as it:
        answers = at_once([lambda: it.send("POST", f"/{endpoint}", body)] * CROWD)
        check({answer.status for answer in answers} == {201}, "every answer is 201")
        check(len({str(answer.json["id"]) for answer in answers}) == 1, "every answer names the same id")
        check(len(it.held(endpoint)) == 1, f"one exists, not {len(it.held(endpoint))}")


@scenario
def different_members_added_at_once_are_all_kept(name):
    with stand(name) as it:
        members = [it.created("/Users", user(f"member{n}")) for n in range(CROWD)]
        team = it.created("/Groups", group("team"))
        answers = at_once([lambda member=member: it.add_member(team, member) for member in members])
        check(all(answer.ok for answer in answers), "every add is answered by 2xx")
        check(sorted(it.members(team)) == sorted(members), f"{CROWD} members are kept, not {len(it.members(team))}")


# --- Members and roles ---


@scenario
def a_member_added_four_times_is_a_member_once(name):
    with stand(name) as it:
        member, team = it.created("/Users", user("member")), it.created("/Groups", group("team"))
        answers = [
            it.add_member(team, member),
            it.add_member(team, member),
            it.add_member(team, member, display="Somebody else"),
            it.add_member(team, member, key="another-key"),
        ]
        check(all(answer.ok for answer in answers), "every add is answered by 2xx")
        check(it.members(team) == [member], f"one member is there, not {it.members(team)}")


@scenario
def a_role_added_four_times_is_there_once(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        roles = [{"value": "auditor"}] * 2 + [{"value": "auditor", "display": "The auditor"}] * 2
        keys = [None, None, None, "another-key"]
        answers = [it.patch(f"/Users/{someone}", "add", "roles", [role], key=key) for role, key in zip(roles, keys)]
        check(all(answer.ok for answer in answers), "every add is answered by 2xx")
        held = it.direct("GET", f"/Users/{someone}").json.get("roles", [])
        check([role["value"] for role in held] == ["auditor"], f"one role is there, not {held}")


@scenario
def a_member_added_under_two_keys_and_removed_once_is_gone(name):
    with stand(name) as it:
        member, other = it.created("/Users", user("member")), it.created("/Users", user("other"))
        team = it.created("/Groups", group("team"))
        check(it.add_member(team, other).ok, "another member stays")
        check(it.add_member(team, member, key="first-key").ok, "added under a key")
        check(it.add_member(team, member, key="second-key").ok, "added under another key")
        check(it.remove_member(team, member).ok, "the removal is answered by 2xx")
        check(it.members(team) == [other], f"only the other member is there, not {it.members(team)}")


@scenario
def a_member_add_whose_answer_was_lost_in_a_busy_group_is_satisfied_by_its_retry(name):
    with stand(name, "commit-then-500*1 PATCH /Groups/", "delay=100 PATCH /Groups/") as it:
        member, *others = [it.created("/Users", user(f"member{n}")) for n in range(6)]
        team = it.created("/Groups", group("team"))

        def lost():
            # The client hangs up long before the answer.
            try:
                it.add_member(team, member, seconds_max=0.05)
            except OSError:
                it.log.append("the client hung up")

        at_once([lost, *[lambda other=other: it.add_member(team, other) for other in others[:3]]])
        check(it.add_member(team, others[3]).ok, "something else settles in between")
        check(it.remove_member(team, others[3], by_values=name in REMOVES_BY_VALUES).ok, "and is taken away again")
        answer = it.add_member(team, member)
        check(answer.ok, "the retry is answered by 2xx")
        check(sorted(it.members(team)) == sorted([member, *others[:3]]), f"four members are there, not {it.members(team)}")


# --- Taken away stays away ---


@scenario
def a_create_repeated_after_a_deletion_brings_nothing_back_unless_it_has_a_new_key(name):
    with stand(name) as it:
        first = it.created("/Users", user("leaver"))
        check(it.send("DELETE", f"/Users/{first}").status == 204, "the deletion is 204")
        again = it.send("POST", "/Users", user("leaver"))
        check(again.status == 409, f"the repeated create is 409, not {again.status}")
        check(again.is_scim_error() and "key" in again.json["detail"].lower(), "its detail advises to send a key")
        check("scimType" not in again.json, "without scimType, which would say that the user exists")
        check(it.held("Users") == [], "nobody is resurrected")
        hired = it.send("POST", "/Users", user("leaver"), key="hired-again")
        check(hired.status == 201, f"with a new key it is a new hire: 201, not {hired.status}")
        check([str(held["id"]) for held in it.held("Users")] == [str(hired.json["id"])], "who exists once")


@scenario
def a_user_switched_off_stays_off_and_can_always_be_switched_off_again(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))

        def active(value):
            return it.patch(f"/Users/{someone}", "replace", "active", value)

        switch_off_and_on(it, someone, active)


@scenario
def a_user_switched_off_by_put_stays_off_and_can_always_be_switched_off_again(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))

        def active(value):
            return it.send("PUT", f"/Users/{someone}", {**user("someone"), "id": someone, "active": value})

        switch_off_and_on(it, someone, active)


def switch_off_and_on(it, someone, active):
    def is_active():
        return it.direct("GET", f"/Users/{someone}").json["active"]

    check(active(True).ok and is_active(), "switched on")
    check(active(False).ok and not is_active(), "switched off")
    again = active(True)
    check(not is_active(), "the repeated switch on leaves the user off")
    check(again.status == 409 and again.is_scim_error(), f"and is refused with 409, not {again.status}")
    check(active(False).ok and not is_active(), "off again while it is off is fine")
    there = it.direct("GET", f"/Users/{someone}").json
    check(it.direct("PUT", f"/Users/{someone}", {**there, "active": True}).ok and is_active(), "somebody switches it on at the server")
    off = active(False)
    check(off.ok and not is_active(), f"the same switch off goes through: {off.status}")


# --- Names, tokens, keys ---


@scenario
def groups_of_one_name_with_different_external_ids_are_two(name):
    with stand(name) as it:
        answers = [it.send("POST", "/Groups", {**group("sales"), "externalId": f"ext-{n}"}) for n in (1, 2)]
        check([answer.status for answer in answers] == [201, 201], "both are created")
        check(len({str(answer.json["id"]) for answer in answers}) == 2 and len(it.held("Groups")) == 2, "there are two")


@scenario
def a_rotated_token_changes_nothing_but_the_receipts_of_given_keys(name):
    with stand(name, tokens=True) as it:
        old, new = running.TOKEN, Tokens.ROTATED
        first = it.send("POST", "/Users", user("someone"), token=old)
        second = it.send("POST", "/Users", user("someone"), token=new)
        check((second.status, second.id) == (first.status, first.id) == (201, first.id), "a create without a key is the same one")
        keyed = it.send("POST", "/Users", user("keyed"), token=old, key="a-key")
        rekeyed = it.send("POST", "/Users", user("keyed"), token=new, key="a-key")
        check(keyed.status == 201 and rekeyed.ok and rekeyed.id == keyed.id, "a create with a key finds the same user")
        check("idempotency-replayed" not in rekeyed.headers, "but is no receipt of the old token's key")
        check(it.send("DELETE", f"/Users/{first.id}", token=new).status == 204, "the new token deletes")
        check(it.send("POST", "/Users", user("someone"), token=new).status == 409, "what the old token made is not resurrected")
        check([str(held["id"]) for held in it.held("Users")] == [keyed.id], "one user is left")
        check(it.send("POST", "/Users", user("keyed"), token="wrong").status == 401, "a token that the server refuses gets nothing")


@scenario
def a_given_key_gets_its_receipt_byte_for_byte_and_refuses_another_body(name):
    with stand(name) as it:
        first = it.send("POST", "/Users", user("someone"), key="a-key")
        check(first.status == 201 and "idempotency-replayed" not in first.headers, "the first is created")
        again = it.send("POST", "/Users", user("someone"), key="a-key")
        check(again.status == 201 and again.headers.get("idempotency-replayed") == "true", "the second is marked as replayed")
        check(again.body == first.body, "with the same bytes")
        check(again.headers["replaysafe-decision"] == first.headers["replaysafe-decision"], "and the same decision")
        other = it.send("POST", "/Users", user("somebody-else"), key="a-key")
        check(other.status == 422 and other.is_scim_error(), f"another body under the key is 422, not {other.status}")
        check(len(it.held("Users")) == 1, "one user exists")


# --- A crash ---


@scenario
def a_gateway_killed_at_any_point_of_a_create_leaves_one_user_to_the_retry(name):
    with running.server(name) as base_url, ExitStack() as stack:
        # Half of the kills fall before the server has the request, half after.
        early, _ = stack.enter_context(running.proxy(base_url, f"delay-request={CREATE_MS} POST /Users$"))
        late, _ = stack.enter_context(running.proxy(base_url, f"delay={CREATE_MS} POST /Users$"))
        offsets = [CREATE_MS * 1.2 * n / (KILLS // 2 - 1) for n in range(KILLS // 2)]
        points = [(upstream, offset) for upstream in (early, late) for offset in offsets]
        failures = at_once([lambda n=n, point=point: killed_at(base_url, f"killed{n}", *point) for n, point in enumerate(points)])
        failures = [failure for failure in failures if failure]
        if failures:
            raise Wrong("\n".join(failures))


def killed_at(base_url, user_name, upstream, offset_ms):
    """Kills a gateway so long after a create was sent to it, restarts it and retries; gives what is wrong, or nothing."""
    log = []
    with tempfile.TemporaryDirectory(prefix="replaysafe-") as folder:
        ledger = f"sqlite:{folder}/ledger.sqlite"
        with gateway(upstream, ledger) as (front, process):
            sender = threading.Thread(target=lambda: attempt(lambda: send(front, log, "POST", "/Users", user(user_name))))
            # A first read opens the connections, so that the offset is one into the create.
            send(front, log, "GET", "/ServiceProviderConfig")
            sender.start()
            time.sleep(offset_ms / 1000)
            os.killpg(process.pid, signal.SIGKILL)
            sender.join()
        with gateway(upstream, ledger) as (front, _):
            answer = until_answered(lambda: send(front, log, "POST", "/Users", user(user_name)))
            time.sleep(2 * CREATE_MS / 1000)
            again = send(front, log, "POST", "/Users", user(user_name))
        audit = subprocess.run([BINARY, "ledger", "audit", "--ledger", ledger], capture_output=True, text=True, timeout=60)
    users = [held for held in running.resources(base_url, "Users?count=100") if held["userName"] == user(user_name)["userName"]]
    log.append(f"users {json.dumps(users)}")
    log.append(f"audit exits with {audit.returncode}: {audit.stdout} {audit.stderr}")
    fine = answer and answer.status == again.status == 201 and [str(held["id"]) for held in users] == [answer.id] == [again.id]
    if fine and audit.returncode == 0:
        return None
    return f"killed {offset_ms:.0f} ms into the create of {user_name}:\n" + "\n".join(log)


# --- Nothing to do, and nothing to be done ---


@scenario
def a_put_that_changes_nothing_sends_nothing(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        before = it.direct("GET", f"/Users/{someone}")
        answer = it.send("PUT", f"/Users/{someone}", before.json)
        check(answer.status == 200, f"the PUT is 200, not {answer.status}")
        changed_nothing(it, someone, before, answer)


@scenario
def a_patch_that_changes_nothing_sends_nothing(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        before = it.direct("GET", f"/Users/{someone}")
        answer = it.patch(f"/Users/{someone}", "replace", "name.familyName", "Jensen")
        check(answer.ok, f"the PATCH is 2xx, not {answer.status}")
        changed_nothing(it, someone, before, answer)
        answer = it.patch(f"/Users/{someone}", "replace", "active", True)
        check(answer.ok, f"the PATCH of active is 2xx, not {answer.status}")
        changed_nothing(it, someone, before, answer)


def changed_nothing(it, someone, before, answer):
    check(it.writes("PUT") + it.writes("PATCH") == 0, f"no write was sent: {it.counts()}")
    check(answer.headers.get("replaysafe-changed") == "false", "Replaysafe-Changed is false")
    after = it.direct("GET", f"/Users/{someone}")
    check(after.json["meta"] == before.json["meta"], "version and lastModified stay")
    check(after.headers.get("etag") == before.headers.get("etag"), "the ETag stays")


MALFORMED = {
    "a duplicate member": b'{"schemas":["%s"],"userName":"x","active":true,"active":false}' % USER.encode(),
    "a duplicate by letter case": b'{"schemas":["%s"],"userName":"x","USERNAME":"y"}' % USER.encode(),
    "a duplicate by escape": b'{"schemas":["%s"],"userName":"x","user\\u004eame":"y"}' % USER.encode(),
    "33 levels": b'{"schemas":["%s"],"userName":"x","title":' % USER.encode() + b"[" * 32 + b"]" * 32 + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"schemas":["%s"],"userName":"x"}' % USER.encode(),
    "invalid UTF-8": b'{"schemas":["%s"],"userName":"x\xff"}' % USER.encode(),
    "overlong UTF-8": b'{"schemas":["%s"],"userName":"x\xc0\xaf"}' % USER.encode(),
    "a lone surrogate": b'{"schemas":["%s"],"userName":"x\\ud800"}' % USER.encode(),
    "NUL in the user name": b'{"schemas":["%s"],"userName":"x\\u0000y"}' % USER.encode(),
    "a number that is no double": b'{"schemas":["%s"],"userName":"x","title":1e999}' % USER.encode(),
    "trailing garbage": b'{"schemas":["%s"],"userName":"x"} x' % USER.encode(),
    "two documents": b'{"schemas":["%s"],"userName":"x"}{}' % USER.encode(),
    "half a document": b'{"schemas":["%s"],"userName":"x"' % USER.encode(),
}


@scenario
def malformed_bodies_get_a_scim_error_and_the_server_sees_no_write(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        sent_before = it.writes("POST")
        wrong = []
        for what, body in MALFORMED.items():
            for method, path in (("POST", "/Users"), ("PUT", f"/Users/{someone}")):
                answer = it.send(method, path, body)
                if answer.status != 400 or not answer.is_scim_error():
                    wrong.append(f"{what} by {method}: {answer.status}")
        text = it.send("POST", "/Users", user("x"), content_type="text/plain")
        if text.status != 415 or not text.is_scim_error():
            wrong.append(f"text/plain: {text.status}")
        writes = it.writes("POST") - sent_before + it.writes("PUT")
        check(not wrong, f"each is refused with a SCIM error; not {wrong}")
        check(writes == 0, f"the server saw no write, not {it.counts()}")


# --- What a server cannot express ---


def an_add_to_a_user_is_answered_by_501(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        answer = it.patch(f"/Users/{someone}", "add", "roles", [{"value": "auditor"}])
        # Not `is_scim_error`: this server writes its status as a number.
        check(answer.status == 501 and ERROR in answer.json["schemas"], f"the server's own 501 is passed on, not {answer.status}")
        check(answer.headers["replaysafe-changed"] == "false", "and nothing is said to have changed")


# (scenario, server): why the scenario cannot be run there, and what is expected in its place.
OTHERWISE = {
    ("a_role_added_four_times_is_there_once", "django-scim2"): (
        "django-scim2 has no roles, and answers a PATCH that adds to a user with 501",
        an_add_to_a_user_is_answered_by_501,
    ),
}

# All four servers here know one token, `secret`; the scenario of the rotated token puts `Tokens` in front of each.

# The removal of one member as the server knows it, where that is not `members[value eq ...]`. The scenario that a member is gone
# uses the filter on all servers: a gateway whose removal is refused with 501 sends it once more in the other spelling (S25).
REMOVES_BY_VALUES = {"django-scim2"}


# --- Tools ---


class Wrong(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Wrong(what)


def user(name):
    return {
        "schemas": [USER],
        "userName": f"{name}@example.com",
        "externalId": f"ext-{name}",
        "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "emails": [{"value": f"{name}@example.com", "primary": True, "type": "work"}],
        "active": True,
    }


def group(name):
    return {"schemas": [GROUP], "displayName": name}


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {key.lower(): value for key, value in headers}
        self.body = body
        self.ok = 200 <= status < 300

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def id(self):
        """The id in the body, None in an error."""
        found = self.json.get("id")
        return None if found is None else str(found)

    def is_scim_error(self):
        try:
            return self.headers["content-type"].startswith("application/scim+json") and ERROR in self.json["schemas"] \
                and self.json["status"] == str(self.status)
        except (KeyError, ValueError, TypeError):
            return False


def send(base_url, log, method, path, body=None, key=None, token=running.TOKEN, seconds_max=ANSWER_SECONDS_MAX,
         content_type="application/scim+json"):
    host, base_path = running.split(base_url)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/scim+json"}
    if body is not None:
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers["Content-Type"] = content_type
    if key:
        headers["Idempotency-Key"] = key
    said = f"{method} {base_path}{path}" + (f" [key {key}]" if key else "") + (f" {body[:300]!r}" if body else "")
    connection = http.client.HTTPConnection(host, timeout=seconds_max)
    try:
        connection.request(method, base_path + path, body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read())
    except (OSError, http.client.HTTPException) as error:
        log.append(f"{said}\n    -> {type(error).__name__}: {error}")
        raise OSError(str(error)) from error
    finally:
        connection.close()
    shown = {name: value for name, value in answer.headers.items() if name.startswith(("replaysafe", "idempotency", "retry", "etag"))}
    log.append(f"{said}\n    -> {answer.status} {shown} {answer.body[:600]!r}")
    return answer


class Stand:
    """A server, the proxy and the gateway in front of it, and what has been said to them."""

    def __init__(self, base_url, front, counts):
        self.base_url, self.front, self.counts = base_url, front, counts
        self.log = []

    def send(self, method, path, body=None, **options):
        return send(self.front, self.log, method, path, body, **options)

    def direct(self, method, path, body=None):
        """Asks the server itself."""
        log = []
        try:
            return send(self.base_url, log, method, path, body)
        finally:
            self.log += [f"(direct) {line}" for line in log]

    def created(self, path, body):
        """Creates through the gateway; gives the id."""
        answer = self.send("POST", path, body)
        check(answer.status == 201, f"the create at {path} is 201, not {answer.status}")
        return answer.id

    def patch(self, path, op, attribute, value, **options):
        operation = {"op": op, "path": attribute}
        if value is not None:
            operation["value"] = value
        return self.send("PATCH", path, {"schemas": [PATCH_OP], "Operations": [operation]}, **options)

    def add_member(self, team, member, display=None, **options):
        value = {"value": member} | ({"display": display} if display else {})
        return self.patch(f"/Groups/{team}", "add", "members", [value], **options)

    def remove_member(self, team, member, by_values=False):
        if by_values:
            return self.patch(f"/Groups/{team}", "remove", "members", [{"value": member}])
        return self.patch(f"/Groups/{team}", "remove", f'members[value eq "{member}"]', None)

    def members(self, team):
        return [str(member["value"]) for member in self.direct("GET", f"/Groups/{team}").json.get("members") or []]

    def held(self, endpoint):
        return self.direct("GET", f"/{endpoint}?count=100").json.get("Resources") or []

    def writes(self, method):
        return sum(tally["received"] for line, tally in self.counts().items() if line.startswith(method + " "))


@contextmanager
def stand(name, *faults, tokens=False):
    with ExitStack() as stack:
        base_url = stack.enter_context(running.server(name))
        upstream, counts = stack.enter_context(running.proxy(base_url, *faults))
        if tokens:
            upstream = stack.enter_context(Tokens.running(upstream))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="replaysafe-"))
        front, _ = stack.enter_context(gateway(upstream, f"sqlite:{folder}/ledger.sqlite"))
        it = Stand(base_url, front, counts)
        try:
            yield it
        except Exception as error:
            error.log = [*it.log, f"the proxy counts {json.dumps(counts())}"]
            raise


@contextmanager
def gateway(upstream, ledger):
    command = [BINARY, "gateway", "--upstream", upstream, "--listen", "127.0.0.1:0", "--ledger", ledger]
    with running.printing(command, "listening on ") as (url, process):
        yield url + running.split(upstream)[1], process


class Tokens(BaseHTTPRequestHandler):
    """The servers here know one token. This stands in front of one and takes another for it, as a server does during a rotation."""

    ROTATED = "secret-rotated"
    protocol_version = "HTTP/1.1"
    upstream = None

    @classmethod
    @contextmanager
    def running(cls, base_url):
        host, path = running.split(base_url)
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("TokensOfOne", (cls,), {"upstream": host}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{path}"
        finally:
            server.shutdown()
            server.server_close()

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value.replace(f"Bearer {self.ROTATED}", f"Bearer {running.TOKEN}") for name, value in self.headers.items()}
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

    def log_message(self, *_):
        pass


def at_once(calls):
    """Makes all calls at one moment; gives their results in order."""
    barrier = threading.Barrier(len(calls))

    def call(one):
        barrier.wait()
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def attempt(call):
    try:
        return call()
    except OSError:
        return None


def until_answered(call):
    """Retries as a client does while it gets 5xx or nothing; gives the last answer."""
    ends = time.monotonic() + RESOLVED_SECONDS_MAX
    while True:
        answer = attempt(call)
        if (answer and answer.status < 500) or time.monotonic() > ends:
            return answer
        time.sleep(1)


# --- Running them ---


def main():
    global BINARY
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--gateway", default=BINARY, help="the replaysafe binary; $REPLAYSAFE, else the debug build")
    arguments.add_argument("--server", action="append", choices=running.SERVERS)
    arguments.add_argument("--only", default="", help="scenarios with this in their name")
    options = arguments.parse_args()
    BINARY = options.gateway
    running.end_with_all_at_signals()

    chosen = [one for one in SCENARIOS if options.only.replace(" ", "_") in one.__name__]
    # Each server has its scenarios one after another; the servers run beside each other, as most of the time is waiting.
    servers = options.server or running.SERVERS
    with ThreadPoolExecutor(len(servers)) as pool:
        results = pool.map(lambda name: [passes(one, name) for one in chosen], servers)
        flat = [result for of_one in results for result in of_one]
    print(f"{sum(flat)} passed, {len(flat) - sum(flat)} failed")
    sys.exit(0 if all(flat) else 1)


def passes(one, name):
    reason, instead = OTHERWISE.get((one.__name__, name), (None, one))
    sentence = one.__name__.replace("_", " ")
    if reason:
        sentence += f" [{reason}; instead: {instead.__name__.replace('_', ' ')}]"
    started = time.monotonic()
    failure = None
    try:
        instead(name)
    except Wrong as error:
        failure = "\n".join(["not so: " + str(error), *getattr(error, "log", [])[-14:]])
    except BaseException as error:  # `running` exits where a server does not start; that is one failure, not the end.
        failure = "\n".join([traceback.format_exc(), *getattr(error, "log", [])[-14:]])
    seconds = time.monotonic() - started
    line = f"{'FAILED' if failure else 'ok'} {name}: {sentence} ({seconds:.1f} s)"
    if failure:
        line += "\n    " + failure.replace("\n", "\n    ")
    print(line, flush=True)
    return not failure


if __name__ == "__main__":
    main()
