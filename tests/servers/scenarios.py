"""What must hold on every real server behind the gateway, one scenario after another.

usage: scenarios.py [--gateway BINARY] [--server NAME]... [--only PART_OF_A_NAME] [--list]

Each scenario runs on a fresh server, with a fresh ledger: client -> gateway -> faulty proxy -> server.
What a server cannot express stands in the table OTHERWISE, with the reason and with what is expected in its place.
Each is a process of its own, ended with all that it started when it takes too long.
Prints a line for each server, and for each scenario that fails its exchanges and the command that runs it again; exits with 1 if any fails.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import running
import stand as stands
from stand import (
    CLIENT_TOKEN, ERROR, GROUP, PASSWORD, PATCH_OP, ROTATED_TOKEN, USER, Wrong, at_once, attempt, check, counted, gateway, group,
    printed_in, send, send_bytes, stand, until, until_answered, user,
)

EXTENSION = "urn:example:params:scim:schemas:extension:payroll:2.0:User"

CROWD = 20
KILLS_MIN = 10
# Gateways that start beside each other take each other's time; more gain nothing on two cores.
KILLED_AT_ONCE = 5
# How often a kill is tried again where the answer came first: the moment between the last commit and the answer is short.
KILL_TRIES_MAX = 8

# The gateway gives a body that stalls 10 s.
STALL_SECONDS_MAX = 30

# The longest scenario, the kills, takes a minute on idle cores; four times that and more on busy ones.
SCENARIO_SECONDS_MAX = 400

# How many of the last exchanges are shown of a scenario that failed.
LOGGED = 14

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


# --- Lost answers ---


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
        told, code = running.provision(it.front, CLIENT_TOKEN)
        it.log.append(f"scim_client was told {json.dumps(told)}, exit {code}")
        check(it.struck(mode) >= 1, "the fault was applied")
        check(code == 0 and told["user"]["got"], "the client has its user")
        check(told["user"]["status"] == 201, f"which was created, as it is told: 201, not {told['user']['status']}")
        users = it.held("Users")
        check(len(users) == 1, f"one user exists, not {len(users)}")
        check(str(users[0]["id"]) == str(told["user"]["id"]), "the client was given the id of the user that exists")
        check(told["group"]["got"] and len(it.held("Groups")) == 1, "and its one group")


@scenario
def an_update_whose_answer_is_lost_is_sent_once_and_its_repeat_is_no_second_change(name):
    lost = ("commit-then-503*1 PATCH /Users/", "cut-after-request*1 PUT /Users/", "commit-then-500*1 DELETE /Users/")
    with stand(name, *lost) as it:
        someone = it.created("/Users", user("someone"))
        path = f"/Users/{someone}"

        def twice(what, method, change, holds):
            answers = [until_answered(change) for _ in range(2)]
            check(all(answer and answer.ok for answer in answers), f"the {what} and its repeat are answered by 2xx")
            check(it.sent(method) == 1, f"the {what} was sent once, not {it.sent(method)} times")
            check(holds(it.direct("GET", path)), f"the {what} holds at the server")
            one_change(answers)

        twice("PATCH", "PATCH", lambda: it.patch(path, "replace", "name.familyName", "Jensen-Lovelace"),
              lambda there: there.json["name"]["familyName"] == "Jensen-Lovelace")
        stated = {**stated_of("someone"), "id": someone, "name": {"givenName": "Ada", "familyName": "Lovelace"}}
        twice("PUT", "PUT", lambda: it.send("PUT", path, stated), lambda there: there.json["name"]["givenName"] == "Ada")
        twice("DELETE", "DELETE", lambda: it.send("DELETE", path), lambda there: there.status == 404)


def one_change(answers):
    """Repeats carry the first Decision and the first Changed, so that whoever publishes once per Decision publishes once (S37)."""
    changes = {answer.decision for answer in answers if answer.changed == "true"}
    check(len(changes) == 1, f"one change is told of, not {len(changes)}")
    check(all(answer.changed in ("true", "false") and answer.decision for answer in answers), "each answer has Changed and Decision")


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
        check({answer.status for answer in answers} == {201}, f"every answer is 201: {sorted(answer.status for answer in answers)}")
        check(len({answer.body for answer in answers}) == 1, "every answer has the same bytes")
        check(len({answer.headers.get("location") for answer in answers}) == 1, "and the same Location")
        check(len({answer.decision for answer in answers}) == 1, "and the same Decision")
        one_change(answers)
        held = it.held(endpoint)
        check([str(one["id"]) for one in held] == [answers[0].id], f"that one exists, and no other: {len(held)}")
        check(it.sent("POST") == 1, f"one POST was sent, not {it.sent('POST')}")


@scenario
def different_members_added_at_once_are_all_kept(name):
    with stand(name) as it:
        members = [it.created("/Users", user(f"member{n}")) for n in range(CROWD)]
        team = it.created("/Groups", group("team"))
        answers = at_once([lambda member=member: it.add_member(team, member) for member in members])
        check(all(answer.ok for answer in answers), "every add is answered by 2xx")
        check({answer.changed for answer in answers} == {"true"}, "and says that it changed the group")
        check(len({answer.decision for answer in answers}) == CROWD, "by a decision of its own")
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
        check(it.sent("PATCH") == 1, f"one add was sent, not {it.sent('PATCH')}")
        one_change(answers)


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
        check(it.sent("PATCH") == 1, f"one add was sent, not {it.sent('PATCH')}")
        one_change(answers)


@scenario
def a_member_added_under_two_keys_and_removed_once_is_gone(name):
    with stand(name) as it:
        member, other = it.created("/Users", user("member")), it.created("/Users", user("other"))
        team = it.created("/Groups", group("team"))
        check(it.add_member(team, other).ok, "another member stays")
        check(it.add_member(team, member, key="first-key").ok, "added under a key")
        check(it.add_member(team, member, key="second-key").ok, "added under another key")
        removed = it.remove_member(team, member)
        check(removed.ok and removed.changed == "true", "the removal is answered by 2xx, and changed the group")
        check(it.members(team) == [other], f"only the other member is there, not {it.members(team)}")
        again = it.remove_member(team, member)
        check(again.ok, f"the removal again is 2xx, not {again.status}")
        one_change([removed, again])
        check(it.remove_member(team, other).ok and it.members(team) == [], "the last member goes too")


@scenario
def a_member_add_whose_answer_was_lost_in_a_busy_group_is_satisfied_by_its_retry(name):
    with stand(name) as it:
        member, *others = [it.created("/Users", user(f"member{n}")) for n in range(6)]
        team = it.created("/Groups", group("team"))
        # The answer to this member's add is lost on its way to the gateway; the others take their time.
        it.door.set_faults(f'commit-then-503*1 PATCH /Groups/ "{member}"', "delay=100 PATCH /Groups/")

        def lost():
            # And the client hangs up long before it would get any.
            try:
                it.add_member(team, member, seconds_max=0.05)
            except OSError:
                it.log.append("the client hung up")

        at_once([lost, *[lambda other=other: it.add_member(team, other) for other in others[:3]]])
        until(lambda: it.struck("commit-then-503"), 30, "the answer is lost")
        check(it.add_member(team, others[3]).ok, "something else settles in between")
        check(it.remove_member(team, others[3]).ok, "and is taken away again")
        check(it.remove_member(team, others[0]).ok, "and so is another one")
        answer = it.add_member(team, member)
        check(answer.ok, f"the retry is answered by 2xx, not {answer.status}")
        check(sorted(it.members(team)) == sorted([member, *others[1:3]]), f"three members are there, not {it.members(team)}")
        adds = it.struck("commit-then-503")
        check(adds == 1, "the add was sent once")
        # What settles in between may also be the removal of this very member: then the retry would give back what was taken.
        check(it.remove_member(team, member).ok, "the member itself is removed")
        late = it.add_member(team, member)
        check(late.status == 409 and late.is_scim_error(), f"its add once more is refused with 409, not {late.status}")
        check(sorted(it.members(team)) == sorted(others[1:3]), "and it stays away")
        fresh = it.add_member(team, member, key="a-new-wish")
        check(fresh.ok and member in it.members(team), "under a new key it is a new wish")


# --- Taken away stays away ---


@scenario
def a_create_repeated_after_a_deletion_brings_nothing_back_unless_it_has_a_new_key(name):
    with stand(name) as it:
        first = it.created("/Users", user("leaver"))
        gone = it.send("DELETE", f"/Users/{first}")
        check(gone.status == 204 and gone.changed == "true", "the deletion is 204")
        again = it.send("POST", "/Users", user("leaver"))
        check(again.status == 409, f"the repeated create is 409, not {again.status}")
        check(again.is_scim_error(), "with a SCIM error")
        check(re.search("taken away|deleted", again.detail), f"its detail says why: {again.detail!r}")
        check("key" in again.detail.lower(), "and advises to send a key")
        check("scimType" not in again.json, "without scimType, which would say that the user exists")
        check(again.changed == "false" and it.held("Users") == [], "nobody is resurrected")
        deleted = it.send("DELETE", f"/Users/{first}")
        check(deleted.status == 204, f"the deletion again is 204, not {deleted.status}")
        one_change([gone, deleted])
        hired = it.send("POST", "/Users", user("leaver"), key="hired-again")
        check(hired.status == 201, f"with a new key it is a new hire: 201, not {hired.status}")
        check([str(held["id"]) for held in it.held("Users")] == [hired.id], "who exists once")
        repeated = it.send("POST", "/Users", user("leaver"), key="hired-again")
        check(repeated.status == 201 and repeated.body == hired.body, "and whose repeat gets the same answer")
        one_change([hired, repeated])
        check(it.sent("POST") == 2, f"two POSTs were sent in all, not {it.sent('POST')}")


@scenario
def a_user_switched_off_stays_off_and_can_always_be_switched_off_again(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        switch_off_and_on(it, someone, lambda value: it.patch(f"/Users/{someone}", "replace", "active", value))


@scenario
def a_user_switched_off_by_put_stays_off_and_can_always_be_switched_off_again(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        stated = {**stated_of("someone"), "id": someone}
        switch_off_and_on(it, someone, lambda value: it.send("PUT", f"/Users/{someone}", {**stated, "active": value}))


@scenario
def a_user_switched_off_without_a_path_stays_off_and_can_always_be_switched_off_again(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        switch_off_and_on(it, someone, lambda value: it.patch(f"/Users/{someone}", "replace", None, {"active": value}))


@scenario
def a_user_switched_off_by_words_stays_off_and_can_always_be_switched_off_again(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        # As Entra spells it.
        switch_off_and_on(it, someone, lambda value: it.patch(f"/Users/{someone}", "Replace", "active", str(value)))


def switch_off_and_on(it, someone, active):
    def is_active():
        return it.direct("GET", f"/Users/{someone}").json["active"]

    check(active(True).ok and is_active() is True, "switched on")
    off = active(False)
    check(off.ok and is_active() is False, f"switched off: {off.status}")
    again = active(True)
    check(is_active() is False, "the repeated switch on leaves the user off")
    check(again.status == 409 and again.is_scim_error(), f"and is refused with 409, not {again.status}")
    check(re.search("taken away", again.detail) and "key" in again.detail.lower(), f"which says why: {again.detail!r}")
    repeated = active(False)
    check(repeated.ok and is_active() is False, "off again while it is off is fine")
    one_change([off, repeated])
    there = it.direct("GET", f"/Users/{someone}").json
    check(it.direct("PUT", f"/Users/{someone}", {**there, "active": True}).ok and is_active() is True, "somebody switches it on at the server")
    through = active(False)
    check(through.ok and is_active() is False, f"the same switch off goes through: {through.status}")
    check(through.changed == "true" and through.decision != off.decision, "as a change of its own")


# --- Names, tokens, keys ---


@scenario
def groups_of_one_name_with_different_external_ids_are_two(name):
    with stand(name) as it:
        bodies = [{**group("sales"), "externalId": f"ext-{n}"} for n in (1, 2)]
        answers = [it.send("POST", "/Groups", body) for body in bodies]
        check([answer.status for answer in answers] == [201, 201], "both are created")
        check(len({answer.id for answer in answers}) == 2 and len(it.held("Groups")) == 2, "there are two")
        for first, body in zip(answers, bodies):
            again = it.send("POST", "/Groups", body)
            check((again.status, again.id) == (201, first.id), "and each create repeated is its own")
            one_change([first, again])
        check(len(it.held("Groups")) == 2, "there still are two")


@scenario
def a_rotated_token_changes_nothing_but_the_receipts_of_given_keys(name):
    with stand(name) as it:
        old, new = CLIENT_TOKEN, ROTATED_TOKEN
        first = it.send("POST", "/Users", user("someone"), token=old)
        second = it.send("POST", "/Users", user("someone"), token=new)
        check((second.status, second.id) == (first.status, first.id) == (201, first.id), "a create without a key is the same one")
        keyed = it.send("POST", "/Users", user("keyed"), token=old, key="a-key")
        rekeyed = it.send("POST", "/Users", user("keyed"), token=new, key="a-key")
        check(keyed.status == 201 and rekeyed.ok and rekeyed.id == keyed.id, "a create with a key finds the same user")
        check("idempotency-replayed" not in rekeyed.headers, "but is no receipt of the old token's key")
        team = it.send("POST", "/Groups", group("team"), token=old)
        adds = [it.add_member(team.id, keyed.id, token=token) for token in (old, new)]
        check(all(add.ok for add in adds) and it.sent("PATCH") == 1, "a member added by the old token is not added by the new one")
        check(it.send("DELETE", f"/Users/{first.id}", token=new).status == 204, "the new token deletes")
        check(it.send("DELETE", f"/Users/{first.id}", token=old).status == 204, "and the old one repeats it")
        for token in (old, new):
            check(it.send("POST", "/Users", user("someone"), token=token).status == 409, "what the old token made is not resurrected")
        check([str(held["id"]) for held in it.held("Users")] == [keyed.id], "one user is left")
        wrong = it.send("POST", "/Users", user("keyed"), token="wrong", key="a-key")
        check(wrong.status == 401 and PASSWORD.encode() not in wrong.body, "a token that the server refuses gets nothing")
        check(it.send("POST", "/Users", user("keyed"), token="wrong").status == 401, "with and without a key")


@scenario
def a_given_key_gets_its_receipt_byte_for_byte_and_refuses_another_body(name):
    with stand(name) as it:
        body = user("someone")
        first = it.send("POST", "/Users", body, key="a-key")
        check(first.status == 201 and "idempotency-replayed" not in first.headers, "the first is created")
        # In another order, with other white space, spelled in escapes and in other letter case: the same request (S3).
        respelled = json.dumps({**dict(reversed(body.items())), "EMAILS": body["emails"]}, indent=3)
        respelled = respelled.replace("Barbara", "\\u0042arbara").replace('"emails"', '"removed"')
        respelled = json.dumps({key: value for key, value in json.loads(respelled).items() if key != "removed"}, indent=3)
        for again in (it.send("POST", "/Users", body, key="a-key"), it.send("POST", "/Users", body, key='"a-key"'),
                      it.send("POST", "/Users", respelled.encode(), key="a-key")):
            check(again.status == 201 and again.headers.get("idempotency-replayed") == "true", "the repeat is marked as replayed")
            check(again.body == first.body, "with the same bytes")
            check(again.headers.get("location") == first.headers.get("location"), "and the same Location")
            check((again.decision, again.changed) == (first.decision, first.changed), "and the same decision")
        sent, calls = it.sent("POST", "PUT", "PATCH", "DELETE"), it.sent()
        other = it.send("POST", "/Users", {**body, "active": False}, key="a-key")
        check(other.status == 422 and other.is_scim_error(), f"another body under the key is 422, not {other.status}")
        # 15: no call at all. The one that there might be asks whether the credential is still accepted, which the server has just said (S1).
        check(it.sent() == calls and sent == 1, f"and the server is not asked: {counted(it.door)}")
        # 16: what a schema unknown here adds is a part of the request; 17: values of a set have no order, and one of them is primary.
        extended = {**body, "schemas": [USER, EXTENSION], EXTENSION: {"costCenter": "4711"}}
        several = {**user("several"), "emails": [{"value": "a@example.com", "primary": True}, {"value": "b@example.com"}]}
        turned = {**several, "emails": several["emails"][::-1]}
        moved = {**several, "emails": [{"value": "a@example.com"}, {"value": "b@example.com", "primary": True}]}
        check(it.send("POST", "/Users", extended, key="a-key").status == 422, "an extension more is another request")
        check(it.sent("POST") == sent, "which is not sent")
        made = it.send("POST", "/Users", several, key="several")
        check(made.status == 201, f"a user with two addresses is made: {made.status}")
        sent = it.sent("POST")
        check(it.send("POST", "/Users", turned, key="several").body == made.body, "in another order they are the same request")
        check(it.send("POST", "/Users", moved, key="several").status == 422, "with another primary one they are not")
        check(it.sent("POST") == sent, "and neither is sent")
        check(it.send("DELETE", f"/Users/{made.id}").status == 204, "that user is deleted")
        elsewhere = it.send("DELETE", f"/Users/{first.id}", key="a-key")
        check(elsewhere.status == 422, f"and so is another method: {elsewhere.status}")
        check(len(it.held("Users")) == 1, "one user exists")
        check(it.send("POST", "/Users", body, key="a-key").body == first.body, "the receipt is as it was")


@scenario
def an_extension_that_nobody_here_knows_reaches_the_server(name):
    # `delay=0` breaks nothing, and counts the requests with the extension in them (16).
    with stand(name, "delay=0 POST /Users costCenter.*4711") as it:
        body = {**user("someone"), "schemas": [USER, EXTENSION], EXTENSION: {"costCenter": "4711"}}
        first = it.send("POST", "/Users", body)
        check(it.struck("delay=0") == 1, "the server got the extension")
        again = it.send("POST", "/Users", body)
        check(again.status == first.status, f"and the repeat the same answer: {again.status}, not {first.status}")
        check(len(it.held("Users")) == (1 if first.ok else 0), "one user exists where the server takes it, and none where it does not")


@scenario
def the_key_of_another_tenant_is_another_key(name):
    with running.server(name) as base_url, running.proxy(base_url, tokens=[CLIENT_TOKEN]) as door:
        with tempfile.TemporaryDirectory(prefix="replaysafe-") as folder:
            log, answers, bodies = [], [], []
            # One ledger, one key, one token; only the tenant differs (24).
            for tenant in ("blue", "green", "blue"):
                with gateway(door, Path(folder), "--tenant", tenant) as (front, _):
                    answers.append(send(front, log, "POST", "/Users", user(tenant), key="a-key"))
                    # Each gateway listens on a port of its own, and its answers lead to it.
                    bodies.append(json.dumps(answers[-1].json).replace(front, ""))
            blue, green, again = answers
            check((blue.status, green.status) == (201, 201), f"both are created: {blue.status}, {green.status}")
            check("idempotency-replayed" not in green.headers and green.headers.keys() == blue.headers.keys(), "the other is told alike")
            check(again.status == 201 and bodies[2] == bodies[0] and "idempotency-replayed" in again.headers, "each has its receipt")
            code, notes = stands.audited(folder)
            check(code == 0, f"the ledger's audit is clean, and not: {notes}")


# --- A crash ---


@scenario
def a_gateway_killed_at_any_step_of_a_create_leaves_one_user_to_the_retry(name):
    with running.server(name) as base_url:
        steps = steps_of_a_create(base_url)
        send_at = steps.index(("request", "POST"))
        points = [Point(f"before the {what} of {method} {n}", n) for n, (what, method) in enumerate(steps)]
        points += [
            Point("before the request that is never sent on", send_at, then="drop"),
            Point("when the intent is in the ledger", send_at - 1, then="drop", at_commit=True),
            Point("in the middle of the answer", send_at + 1, half=True),
            Point("when the outcome is in the ledger", len(steps) - 1, at_commit=True),
        ]
        check(len(points) >= KILLS_MIN, f"there are {KILLS_MIN} points, not {len(points)}: {steps}")
        with ThreadPoolExecutor(KILLED_AT_ONCE) as pool:
            failures = list(pool.map(lambda numbered: killed(base_url, *numbered), enumerate(points)))
        failures = [failure for failure in failures if failure]
        if failures:
            raise Wrong("\n".join([f"{len(failures)} of {len(points)} points:", *failures]))
        return f"{len(points)} points: {'; '.join(point.what for point in points)}"


class Point:
    """Where a gateway is killed: when the proxy holds step `step`, and then perhaps at the next commit to the ledger."""

    def __init__(self, what, step, then="go", at_commit=False, half=False):
        self.what, self.step, self.then, self.at_commit, self.half = what, step, then, at_commit, half


HOLD_ALL = "hold .* /Users"


def steps_of_a_create(base_url):
    """What the gateway and the server say to each other in a create, in order: ("request" | "answer", METHOD)."""
    with tempfile.TemporaryDirectory(prefix="replaysafe-") as folder, running.proxy(base_url, HOLD_ALL, tokens=[CLIENT_TOKEN]) as door:
        with gateway(door, Path(folder)) as (front, _):
            create = Create(front, "rehearsal")
            steps = []
            while held := until(lambda: door.held() or create.is_over(), 60, "the next step of a create comes"):
                if held is True:
                    break
                steps.append((held[0]["what"], held[0]["line"].split()[0]))
                door.go()
            check(create.answer and create.answer.status == 201, "the rehearsal makes a user")
    return steps


class Create(threading.Thread):
    """A client that sends one create, once."""

    def __init__(self, front, user_name):
        super().__init__()
        self.front, self.user_name, self.log, self.answer = front, user_name, [], None
        self.start()

    def run(self):
        self.answer = attempt(lambda: send(self.front, self.log, "POST", "/Users", user(self.user_name)))

    def is_over(self):
        return not self.is_alive()


def killed(base_url, number, point):
    """Kills a gateway at `point` of a create, restarts it and retries; gives what is wrong, or nothing."""
    for turn in range(KILL_TRIES_MAX):
        log = []
        try:
            with tempfile.TemporaryDirectory(prefix="replaysafe-") as folder:
                with running.proxy(base_url, HOLD_ALL, tokens=[CLIENT_TOKEN]) as door:
                    if killed_and_retried(base_url, door, Path(folder), f"killed{number}.{turn}", point, log):
                        return None
        except Wrong as error:
            return "\n".join([f"killed {point.what}: not so: {error}", *log])
        except Exception:
            return "\n".join([f"killed {point.what}: {traceback.format_exc()}", *log])
    return f"killed {point.what}: the answer came first, {KILL_TRIES_MAX} times"


def killed_and_retried(base_url, door, folder, user_name, point, log):
    """Gives False where the answer came before the kill, which proves nothing."""
    with running.gateway(stands.BINARY, door.base_url, folder) as (front, process):
        create = Create(front, user_name)
        for _ in range(point.step):
            until(door.held, 60, "the next step comes")
            door.go()
        until(door.held, 60, "the step at which to kill comes")
        if point.half:
            door.half()
        if point.at_commit:
            wait_for_commit(folder, door.go)
        os.killpg(process.pid, signal.SIGKILL)
        create.join()
        log += create.log
        if create.answer:
            return False
        process.wait()
    stands.nothing_secret_in(folder)
    # Whatever the gateway had sent is on its way: it arrives late, while the next gateway works, or never.
    on_its_way = door.held()
    door.set_faults()
    with gateway(door, folder) as (front, _):
        for _ in on_its_way:
            door.drop() if point.then == "drop" else door.go()
        answer = until_answered(lambda: send(front, log, "POST", "/Users", user(user_name)))
        again = until_answered(lambda: send(front, log, "POST", "/Users", user(user_name)))
    code, notes = stands.audited(folder)
    there = [str(held["id"]) for held in running.resources(base_url, "Users?count=100") if held["userName"] == user(user_name)["userName"]]
    log += [f"users {there}", counted(door), f"audit exits with {code}: {notes}"]
    log += printed_in(folder)
    check(answer and answer.status == 201, "the retry is 201")
    check(again and again.status == 201, "and so is the next one")
    check(there == [answer.id] == [again.id], "one user exists, and both name it")
    check(code == 0, "the ledger's audit is clean")
    return True


def wait_for_commit(folder, go):
    """Lets the gateway go on, and returns as soon as it has written to its ledger."""
    log = folder / "ledger.sqlite-wal"
    before = log.stat()
    go()
    ends = time.monotonic() + 30
    while True:
        now = log.stat()
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            return
        check(time.monotonic() < ends, "something is written to the ledger within 30 s")


# --- Nothing to do, and nothing to be done ---


@scenario
def a_put_that_changes_nothing_sends_nothing(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        before = it.direct("GET", f"/Users/{someone}")
        answer = it.send("PUT", f"/Users/{someone}", before.json)
        check(answer.status == 200, f"the PUT is 200, not {answer.status}")
        changed_nothing(it, f"/Users/{someone}", before, answer)
        team = it.created("/Groups", group("team"))
        # That the server shows a member as it was added is what makes the absence of others evidence (S11).
        check(it.add_member(team, someone).ok, "a member is added")
        sent = it.sent("PUT", "PATCH")
        before = it.direct("GET", f"/Groups/{team}")
        answer = it.send("PUT", f"/Groups/{team}", before.json)
        check(answer.status == 200, f"the PUT of the group is 200, not {answer.status}")
        changed_nothing(it, f"/Groups/{team}", before, answer, sent)


@scenario
def a_patch_that_changes_nothing_sends_nothing(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        before = it.direct("GET", f"/Users/{someone}")
        for attribute, value in (("name.familyName", "Jensen"), ("active", True), (None, {"active": True}), ("active", "True")):
            answer = it.patch(f"/Users/{someone}", "replace", attribute, value)
            check(answer.ok, f"the PATCH of {attribute} is 2xx, not {answer.status}")
            changed_nothing(it, f"/Users/{someone}", before, answer)
        other = it.created("/Users", user("other"))
        team = it.created("/Groups", group("team"))
        # That the server shows a member as it was added is what makes the absence of another one evidence (S11).
        check(it.add_member(team, someone).ok, "a member is added")
        sent = it.sent("PATCH")
        before = it.direct("GET", f"/Groups/{team}")
        for what, answer in (
            ("its own name", it.patch(f"/Groups/{team}", "replace", "displayName", "team")),
            ("a member that is there", it.add_member(team, someone, display="B", key="a-key")),
            ("the removal of one that is not", it.remove_member(team, other)),
        ):
            check(answer.ok, f"the PATCH of {what} is 2xx, not {answer.status}")
            changed_nothing(it, f"/Groups/{team}", before, answer, sent)


def changed_nothing(it, path, before, answer, sent=0):
    check(it.sent("PUT", "PATCH") == sent, f"no write was sent: {it.door.counts()}")
    check(answer.changed == "false", "Replaysafe-Changed is false")
    after = it.direct("GET", path)
    check(after.json["meta"] == before.json["meta"], "version and lastModified stay")
    check(after.headers.get("etag") == before.headers.get("etag"), "the ETag stays")


@scenario
def a_password_reaches_the_server_and_stands_nowhere_else(name):
    # `delay=0` breaks nothing, and counts the requests that carry the password, by the part of it that JSON does not escape.
    with stand(name, f"delay=0 .* /Users {PASSWORD[-16:]}") as it:
        first = it.send("POST", "/Users", user("someone"))
        check(first.status == 201 and it.struck("delay=0") == 1, "the server got the password")
        again = it.send("POST", "/Users", {**user("someone"), "password": PASSWORD + "of the next attempt"})
        check((again.status, again.id) == (201, first.id), "an attempt with another password is the same create (S3a)")
        path = f"/Users/{first.id}"
        put = it.send("PUT", path, {**user("someone"), "id": first.id})
        check(put.ok, f"a PUT with it is 2xx, not {put.status}")
        check(it.struck("delay=0") == 2, "and the server got it again")
        # A server that knows no such PATCH refuses it; what the gateway writes is looked at all the same.
        by_path = it.patch(path, "replace", "password", PASSWORD)
        without = it.patch(path, "replace", None, {"password": "new " + PASSWORD})
        check(it.struck("delay=0") == 4, "and each PATCH with it reached the server")
        answers = [first, again, put, by_path, without, it.send("PUT", path, {**user("someone"), "id": first.id}, token=ROTATED_TOKEN)]
        answers.append(it.send("POST", "/Users", user("someone"), key="another-key"))
        answers.append(it.send("POST", "/Users", {**user("other"), "active": {"unreadable": PASSWORD}}))
        answers.append(it.send("PUT", path, b'{"password":"%s' % PASSWORD.encode()))
        shown = [answer for answer in answers if PASSWORD[-16:].encode() in answer.body]
        # Only a server that repeats what it refuses may show it: the answer is the server's own.
        check(all(answer.status >= 400 for answer in shown), "no answer shows it")


# --- Bad input ---

REFUSED_BODIES = {
    "1: 33 levels": b'{"schemas":["%s"],"userName":"x","title":' % USER.encode() + b"[" * 32 + b"]" * 32 + b"}",
    "1: 100,000 levels": b'{"schemas":["%s"],"userName":"x","title":' % USER.encode() + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "3: 100,000 members": b"{%s}" % b",".join(b'"%x":0' % n for n in range(100_000)),
    "4: a duplicate member": b'{"schemas":["%s"],"userName":"x","active":true,"active":false}' % USER.encode(),
    "5: a duplicate by letter case": b'{"schemas":["%s"],"userName":"x","USERNAME":"y"}' % USER.encode(),
    "6: a duplicate by escape": b'{"schemas":["%s"],"userName":"x","user\\u004eame":"y"}' % USER.encode(),
    "7: a byte order mark": b'\xef\xbb\xbf{"schemas":["%s"],"userName":"x"}' % USER.encode(),
    "7: invalid UTF-8": b'{"schemas":["%s"],"userName":"x\xff"}' % USER.encode(),
    "7: overlong UTF-8": b'{"schemas":["%s"],"userName":"x\xc0\xaf"}' % USER.encode(),
    "7: a lone surrogate": b'{"schemas":["%s"],"userName":"x\\ud800"}' % USER.encode(),
    "8: NUL in the user name": b'{"schemas":["%s"],"userName":"x\\u0000y"}' % USER.encode(),
    "8: NUL in the external id": b'{"schemas":["%s"],"userName":"x","externalId":"a\\u0000b"}' % USER.encode(),
    "9: a number that is no double": b'{"schemas":["%s"],"userName":"x","title":1e999}' % USER.encode(),
    "10: trailing garbage": b'{"schemas":["%s"],"userName":"x"} x' % USER.encode(),
    "10: two documents": b'{"schemas":["%s"],"userName":"x"}{}' % USER.encode(),
    "10: half a document": b'{"schemas":["%s"],"userName":"x"' % USER.encode(),
    "10: nothing": b"",
    "no object": b'["x"]',
}


@scenario
def bad_bodies_get_a_scim_error_and_the_server_sees_nothing(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        team = it.created("/Groups", group("team"))
        path = f"/Users/{someone}"
        cases = [(f"{what} by {method}", 400, lambda body=body, method=method, at=at: it.send(method, at, body))
                 for what, body in REFUSED_BODIES.items() for method, at in (("POST", "/Users"), ("PUT", path), ("PATCH", path))]
        million = b",".join([b"0"] * 1_000_000)
        emails = b'{"schemas":["%s"],"userName":"x","emails":[%s]}' % (USER.encode(), million)
        members = b'{"schemas":["%s"],"displayName":"x","members":[%s]}' % (GROUP.encode(), million)
        large = b'{"schemas":["%s"],"userName":"%s' % (USER.encode(), b"x" * (1 << 20))
        plain = json.dumps(user("x")).encode()

        def wire(body, *lines, method="POST", path="/Users"):
            return send_bytes(it.front, it.log, head(it, method, path, f"Content-Length: {len(body)}", *lines) + body)[0]

        cases += [
            ("2: a million e-mails", 413, lambda: wire(emails)),
            ("2: a million members", (400, 413), lambda: wire(members, method="PUT", path=f"/Groups/{team}")),
            ("11: text/plain", 415, lambda: it.send("POST", "/Users", user("x"), content_type="text/plain")),
            ("11: UTF-16", 415, lambda: it.send("POST", "/Users", user("x"), content_type="application/scim+json; charset=utf-16")),
            ("11: no content type", 415, lambda: it.send("POST", "/Users", plain, content_type=None)),
            ("12: a gzip bomb", (413, 415), lambda: it.send("POST", "/Users", GZIP_BOMB, headers={"Content-Encoding": "gzip"})),
            ("13: 1 MiB and a byte", 413, lambda: wire(large[: (1 << 20) + 1])),
            ("13: chunks without end", 413, lambda: send_bytes(it.front, it.log, head(it, "POST", "/Users", "Transfer-Encoding: chunked")
                                                                + (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 17)[0]),
            ("8: NUL in the key", 400, lambda: wire(plain, "Idempotency-Key: a\0b")),
            ("13: a body that stalls", 408, lambda: send_bytes(
                it.front, it.log, head(it, "POST", "/Users", "Content-Length: 100") + plain[:20], seconds_max=STALL_SECONDS_MAX)[0]),
            ("22: an empty key", 400, lambda: it.send("POST", "/Users", plain, key="")),
            ("22: an empty quoted key", 400, lambda: it.send("POST", "/Users", plain, key='""')),
            ("22: a key of 256 characters", 400, lambda: it.send("POST", "/Users", plain, key="k" * 256)),
            ("22: a key of 64 KiB", (400, 431), lambda: wire(plain, "Idempotency-Key: " + "k" * (64 << 10))),
            ("22: two keys joined by a comma", 400, lambda: it.send("POST", "/Users", plain, key='"a", "b"')),
            ("22: a tab in the key", 400, lambda: it.send("POST", "/Users", plain, key="a\tb")),
            ("22: a letter beyond ASCII in the key", 400, lambda: it.send("POST", "/Users", plain, key="\xe9")),
            ("23: two keys", 400, lambda: wire(plain, "Idempotency-Key: a", "Idempotency-Key: a")),
        ]
        refused(it, cases)
        for length in (1, 255):
            answer = it.send("POST", "/Users", user(f"key{length}"), key="k" * length)
            check(answer.status == 201, f"a key of {length} characters is one: {answer.status}")
        # 18: a filter that is none of SCIM's reaches the server, inside the body, as it came: what cannot be interpreted is the server's to
        # judge, for it may know more filters than we do (S25). It is an error to it, and changes nothing.
        before = it.direct("GET", path).json
        injected = it.patch(path, "replace", 'emails[value eq "x" or 1 eq 1].value', "evil@example.com")
        check(it.sent("PATCH") == 1, "18: an injected filter is the server's to judge")
        # django-scim2 answers 500 to a filter that it cannot parse, and writes each status as a number: that is passed on as well.
        expected = 500 if name == "django-scim2" else 400
        refused_so = injected.status == expected and ERROR in injected.json["schemas"]
        check(refused_so, f"18: and is refused with a SCIM error: {expected}, not {injected.status} {injected.body[:200]!r}")
        check(injected.changed == "false" and it.direct("GET", path).json == before, "18: and changes nothing")


@scenario
def what_has_two_readings_on_the_wire_gets_400_and_the_server_sees_nothing(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        body = json.dumps(user("smuggled")).encode()
        length = f"Content-Length: {len(body)}"
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

        def wire(*lines, then=body, method="POST", path="/Users"):
            def call():
                answer, closed = send_bytes(it.front, it.log, head(it, method, path, *lines) + then, wants_closed=True)
                check(closed, f"the connection is closed after {lines}")
                return answer

            return call

        plain = head(it, "POST", "/Users", length)
        cases = [
            ("37: Content-Length and Transfer-Encoding", 400, wire(length, "Transfer-Encoding: chunked", then=chunks)),
            ("37: Transfer-Encoding twice", 400, wire("Transfer-Encoding: chunked", "Transfer-Encoding: identity", then=chunks)),
            ("37: Transfer-Encoding obscured", 400, wire("Transfer-Encoding: xchunked", then=chunks)),
            ("37: two different lengths", 400, wire(length, f"Content-Length: {len(body) + 1}")),
            ("37: a folded line", 400, wire(length, "X-Folded: a\r\n b")),
            ("37: a space before the colon", 400, wire("Content-Length : 5")),
            ("37: a bare line feed", 400, lambda: send_bytes(it.front, it.log, plain.replace(b"\r\n", b"\n") + body)[0]),
        ]
        cases += [
            (f"40: {path} by {method}", 400, lambda method=method, path=path: send_bytes(it.front, it.log, head(
                it, method, path, length) + body)[0])
            for path in ("/Users/../Groups", "/Users/%2e%2e/Groups", "/Users/.%2E/Groups", "/Users/%2f", "/Users//x", "//Users", f"/Users%2f{someone}",
                         f"/Users/./{someone}", f"/Users/{someone};v=1", f"/Users;v=1/{someone}")
            for method in ("PUT", "DELETE")
        ]
        host, base_path = running.split(it.front)
        cases += [
            ("40: another host in the target", 400, lambda: send_bytes(it.front, it.log, plain.replace(
                f"POST {base_path}".encode(), f"POST http://evil.example{base_path}".encode()) + body)[0]),
            ("40: two hosts", 400, lambda: send_bytes(it.front, it.log, plain.replace(b"\r\n\r\n", b"\r\nHost: evil.example\r\n\r\n") + body)[0]),
        ]
        refused(it, cases)


def refused(it, cases):
    """Each case is refused with its status and a SCIM error, and nothing has reached the server."""
    sent = it.sent()
    wrong = []
    for what, status, call in cases:
        answer = attempt(call)
        if answer is None:
            wrong.append(f"{what}: no answer")
        elif answer.status not in (status if isinstance(status, tuple) else (status,)):
            wrong.append(f"{what}: {answer.status}, not {status}")
        elif not answer.is_scim_error():
            wrong.append(f"{what}: {answer.status} without a SCIM error: {answer.body[:80]!r}")
        if it.sent() != sent:
            wrong.append(f"{what}: {it.sent() - sent} requests reached the server")
            sent = it.sent()
    check(not wrong, "each is refused with a SCIM error, and not sent on; not so:\n  " + "\n  ".join(wrong))


def head(it, method, path, *lines):
    host, base_path = running.split(it.front)
    first = (f"{method} {base_path}{path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {CLIENT_TOKEN}",
             "Content-Type: application/scim+json")
    return "\r\n".join([*first, *lines, "", ""]).encode()


def gzip_bomb():
    import gzip

    return gzip.compress(b" " * (64 << 20))


GZIP_BOMB = gzip_bomb()


def stated_of(name):
    """A user as an update states it: without its password, which cannot be observed and so is always sent (S3a)."""
    return {key: value for key, value in user(name).items() if key != "password"}


# --- What a server cannot express ---


def an_add_to_a_user_is_answered_by_501(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        answer = it.patch(f"/Users/{someone}", "add", "roles", [{"value": "auditor"}])
        # Not `is_scim_error`: this server writes its status as a number.
        check(answer.status == 501 and ERROR in answer.json["schemas"], f"the server's own 501 is passed on, not {answer.status}")
        check(answer.changed == "false", "and nothing is said to have changed")


def a_word_for_a_boolean_is_answered_by_400(name):
    with stand(name) as it:
        someone = it.created("/Users", user("someone"))
        answer = it.patch(f"/Users/{someone}", "Replace", "active", "False")
        check(answer.status == 400 and ERROR in answer.json["schemas"], f"the server's own 400 is passed on, not {answer.status}")
        check(it.sent("PATCH") == 1 and answer.changed == "false", "it was asked, and nothing is said to have changed")
        check(it.direct("GET", f"/Users/{someone}").json["active"] is True, "and nothing has")


# (scenario, server): why the scenario cannot be run there, and what is expected in its place.
OTHERWISE = {
    ("a_role_added_four_times_is_there_once", "django-scim2"): (
        "django-scim2 has no roles, and answers a PATCH that adds to a user with 501",
        an_add_to_a_user_is_answered_by_501,
    ),
    **{
        ("a_user_switched_off_by_words_stays_off_and_can_always_be_switched_off_again", name): (
            f"{name} answers a PATCH of a boolean by a word with 400, and what a client spells goes out as it came (S25)",
            a_word_for_a_boolean_is_answered_by_400,
        )
        for name in ("scimmy", "django-scim2")
    },
}


# --- Running them ---


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--gateway", default=stands.BINARY, help="the replaysafe binary; $REPLAYSAFE, else the debug build")
    arguments.add_argument("--server", action="append", choices=running.SERVERS)
    arguments.add_argument("--only", default="", help="scenarios with this in their name")
    arguments.add_argument("--list", action="store_true", help="prints the names of the scenarios")
    arguments.add_argument("--verbose", action="store_true", help="prints a line for each scenario that holds, too")
    arguments.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    stands.BINARY = options.gateway
    running.end_with_all_at_signals()

    chosen = [one for one in SCENARIOS if options.only.replace(" ", "_") in one.__name__]
    if options.list:
        print("\n".join(sentence_of(one) for one in chosen))
        return
    if not chosen:
        sys.exit(f"no scenario has `{options.only}` in its name; --list prints them")
    servers = options.server or running.SERVERS
    if options.within:
        one = next(one for one in SCENARIOS if one.__name__ == options.only)
        sys.exit(0 if told(one, servers[0]) else 1)
    # Each server has its scenarios one after another; the servers run beside each other, as most of the time is waiting.
    with ThreadPoolExecutor(len(servers)) as pool:
        results = list(pool.map(lambda name: all_on(name, chosen, options.verbose), servers))
    failed = sum(results)
    print(f"{len(chosen) * len(servers) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def all_on(name, chosen, verbose):
    """Runs the scenarios on one server, prints what fails and a line at the end; gives how many fail."""
    started, failed, longest = time.monotonic(), 0, (0, "")
    for one in chosen:
        began = time.monotonic()
        good, said = run_apart(one, name)
        longest = max(longest, (time.monotonic() - began, sentence_of(one)))
        failed += not good
        if verbose or not good:
            print(said, flush=True)
    otherwise = sum((one.__name__, name) in OTHERWISE for one in chosen)
    print(f"{name}: {len(chosen) - failed} of {len(chosen)} scenarios hold" + (f", {otherwise} in another way" if otherwise else "")
          + f", in {time.monotonic() - started:.0f} s; the longest in {longest[0]:.0f} s: {longest[1]}", flush=True)
    return failed


def run_apart(one, name):
    """Runs a scenario in a process of its own, so that one which hangs is ended with all that it started."""
    command = [sys.executable, __file__, "--gateway", stands.BINARY, "--server", name, "--only", one.__name__, "--within"]
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        running.STARTED.add(process)
        try:
            code = process.wait(SCENARIO_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            # It ends what it started, then itself.
            process.terminate()
            code = process.wait(running.STOP_SECONDS_MAX)
        finally:
            running.STARTED.discard(process)
        out.seek(0)
        said = out.read().strip()
    if code not in (0, 1):
        said += f"\nFAILED {name}: {sentence_of(one)}: ended with {code}, by itself or after {SCENARIO_SECONDS_MAX} s"
    return code == 0, said


def sentence_of(one):
    return one.__name__.replace("_", " ")


def told(one, name):
    reason, instead = OTHERWISE.get((one.__name__, name), (None, one))
    sentence = sentence_of(one)
    shown = sentence + (f" [not here: {reason}; instead: {sentence_of(instead)}]" if reason else "")
    started = time.monotonic()
    failure = remark = None
    try:
        remark = instead(name)
    except Wrong as error:
        failure = "\n".join(["not so: " + str(error), *getattr(error, "log", [])[-LOGGED:]])
    except Exception as error:
        failure = "\n".join([traceback.format_exc(), *getattr(error, "log", [])[-LOGGED:]])
    seconds = time.monotonic() - started
    line = f"{'FAILED' if failure else 'ok'} {name}: {shown} ({seconds:.1f} s)" + (f"; {remark}" if remark else "")
    if failure:
        line += "\n    " + failure.replace("\n", "\n    ")
        line += f"\n    again: python3 tests/servers/scenarios.py --gateway {stands.BINARY} --server {name} --only '{sentence}'"
    print(line, flush=True)
    return not failure


if __name__ == "__main__":
    main()
