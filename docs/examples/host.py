"""A host in Python: runs the component through its JSON door, and carries out what it decides.

usage: host.py COMPONENT.wasm          pip install wasmtime; replaysafe component export COMPONENT.wasm

Shows a create whose answer is lost, and its repeat: the service ends with one user.
The ledger is a dictionary and the service is a list, so that the loop is what you see. A host that serves needs what
docs/embedding.md lists: a durable ledger, leases on names, a monitor, and a scan that takes up what a crash left.
"""

import hashlib
import hmac
import itertools
import json
import sys

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker

PACKAGE = "replaysafe:provisioning"
KEY = b"32 bytes from a file that only the host may read"
SCOPE = {"tenant": "acme", "target": "https://scim.example.com/v2", "source": "default", "principal": "okta"}


class Door:
    """The component. Each call has an instance of its own, with limits: 256 MiB of memory, some seconds of work."""

    def __init__(self, path):
        config = Config()
        config.consume_fuel = True
        self.engine = Engine(config)
        self.component = Component.from_file(self.engine, path)
        # Empty, and it stays so: a component that imports anything does not start.
        self.linker = Linker(self.engine)

    def call(self, function, **parameters):
        store = Store(self.engine)
        store.set_limits(memory_size=256 << 20)
        store.set_fuel(10_000_000_000)
        instance = self.linker.instantiate(store, self.component)
        interface = instance.get_export_index(store, f"{PACKAGE}/json@0.1.0")
        call = instance.get_func(store, instance.get_export_index(store, "call", interface))
        given = json.loads(call(store, function, json.dumps(parameters)))
        if "err" in given:
            raise ValueError(f"{function}: the host broke the contract: {given['err']}")
        return given["ok"]


class Service:
    """A SCIM service that loses the answer to its first create after it has carried it out."""

    def __init__(self):
        self.users, self.loses = [], 1

    def look(self, question, now):
        if "by-id" in question:
            found = [user for user in self.users if user["id"] == question["by-id"]["id"]]
            sight = {"answered": answer(200, found[0]) if found else answer(404)}
        else:
            # Whether a filter was honoured is checked by the component.
            sight = {"listed": [json.dumps(user) for user in self.users]}
        return {"question": question, "asked-at": now, "seen-at": now + 5, "sight": sight}

    def send(self, effect, body, now):
        assert effect["method"] == "create"
        user = {**json.loads(body), "id": str(len(self.users) + 1)}
        self.users.append(user)
        outcome = {"answered": answer(201, user)}
        if self.loses:
            self.loses -= 1
            outcome = {"unknown": "no answer within 10 s"}
        return {"sent-at": now, "ended-at": now + 10, "outcome": outcome}


def answer(status, body=None):
    return {"status": status, **({"body": json.dumps(body)} if body else {}), "extra": []}


class Host:
    def __init__(self, door, service):
        self.door, self.service = door, service
        self.entries, self.identities, self.names, self.learned = {}, {}, {}, {}
        self.ids = itertools.count(1)
        self.now = 1_700_000_000_000
        self.policy = door.call("check-policy", policy="{}")
        schema = door.call("read-schema")
        self.schema, self.declared = schema["document"], schema["declared"]

    def provision(self, request):
        """One request, from its arrival to its answer."""
        request = {**request, "scope": SCOPE, "received-at": self.now, "extra": []}
        settings = self.settings()
        reading = self.door.call("identify", request=request, settings=settings)
        if "unreadable" in reading:
            return reading["unreadable"]
        known = reading["readable"]
        tags = {"statement": tag("statement", known["statement-material"]),
                "names": [tag("name", name["material"]) for name in known["names"]]}
        if "key-material" in known:
            tags["key"] = tag("key", known["key-material"])
        situation = {"request": request, "tags": tags, "found": self.found(tags), "observed": [], "settings": settings,
                     "new-entry": f"entry-{next(self.ids)}", "new-identity": f"identity-{next(self.ids)}",
                     "extra": [{"name": name, "value": "true"} for name in ("body-held", "awaited")]}
        step = self.call("admit", situation)
        function, report = "decide", {}
        while True:
            action, value = next(iter(step["action"].items()))
            self.check(action, step.get("write"), request)
            # Written before anything is done: after a crash the ledger knows what may have happened.
            self.write(step.get("write"))
            if action == "answer":
                return value
            if action == "ask":
                situation["observed"] += [self.service.look(question, self.now) for question in value]
            elif action == "wait":
                self.now, situation["observed"] = max(self.now, value), []
            elif action == "apply":
                body = request["body"] if value["body"] == "as-sent" else value["body"]["document"]
                report = {"report": self.service.send(value, body, self.now)}
                function, situation["observed"], situation["found"] = "settle", [], self.found(tags)
                situation["new-entry"] = step["write"]["entry"]["id"]
            else:
                # `claim` and `resolve` come where others work on the same names: see wit/CHANGELOG.md, 17 and 18.
                raise NotImplementedError(action)
            step = self.call(function, situation, **report)

    def call(self, function, situation, **more):
        self.now += 1
        return self.door.call(function, situation={**situation, "now": self.now}, **more)

    def check(self, action, write, request):
        """A part of what a monitor does (S43): an effect needs its record, and is the request's own."""
        if action == "apply":
            assert write and write["entry"]["stage"] == "dispatched"

    def settings(self):
        profile = [*self.declared, *({"name": name, "value": value} for name, value in self.learned.items())]
        return {"policy": self.policy, "schema": self.schema, "profile": profile}

    def found(self, tags):
        """What the ledger holds; one transaction in a real one."""
        holders = {}
        for at, name in enumerate(tags["names"]):
            if name in self.names:
                holders.setdefault(self.names[name], []).append(at)
        entries = list(self.entries.values())
        latest = [entry for entry in entries if entry["statement"] == tags["statement"]][-1:]
        keyed = [entry for entry in entries if "key" in tags and entry.get("key") == tags["key"]][-1:]
        return {"holders": [{"identity": self.identities[id], "by": by} for id, by in sorted(holders.items())],
                "open": [entry for entry in entries
                         if entry.get("identity") in holders and entry["stage"] in ("dispatched", "parked")],
                **({"by-statement": latest[0]} if latest else {}), **({"by-key": keyed[0]} if keyed else {})}

    def write(self, write):
        """Entry, identities and names; one durable transaction in a real one."""
        if not write:
            return
        self.entries[write["entry"]["id"]] = write["entry"]
        for written in write["identities"]:
            identity = written["identity"]
            held = self.identities.get(identity["id"], {"fence": 0})
            assert identity["fence"] == held["fence"], "somebody else has written it: read again, decide again"
            self.identities[identity["id"]] = {**identity, "fence": identity["fence"] + 1}
            if "names" in written:
                self.names = {name: owner for name, owner in self.names.items() if owner != identity["id"]}
                self.names.update({tag("name", name["material"]): identity["id"] for name in written["names"]})
        self.learned.update({field["name"]: field["value"] for field in write.get("learned", [])})


def tag(purpose, material):
    """Keyed, so that the ledger can compare what it must not be able to read."""
    return hmac.new(KEY, f"{SCOPE['tenant']}\0{purpose}\0{material}".encode(), hashlib.sha256).hexdigest()


def main():
    service = Service()
    host = Host(Door(sys.argv[1]), service)
    create = {"method": "create", "resource-type": "User",
              "body": json.dumps({"userName": "ada@example.com", "externalId": "hr-1815", "active": True})}
    for what in ("the create, its answer lost", "the same create again"):
        given = host.provision(create)
        status = given.get("status") or given["target"]["status"]
        print(f"{what}: {given['verdict']}, {status}{', replayed' if given['replayed'] else ''}; "
              f"{len(service.users)} user at the service")
    assert len(service.users) == 1 and given["replayed"]


if __name__ == "__main__":
    main()
