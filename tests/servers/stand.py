"""Where a scenario plays: a fresh server, the faulty proxy, the gateway with a fresh ledger, and a client that notes what is said.

client -> gateway -> faulty proxy -> server. The client shows a token that only the proxy maps to the server's, and each user it
creates has a password; when the scenario is over, neither may stand in anything that the gateway wrote or printed, and the
ledger's audit must be clean.
"""

import http.client
import json
import os
import secrets
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import canary
import running

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"

BINARY = os.environ.get("REPLAYSAFE", str(running.HERE.parent.parent / "target" / "debug" / "replaysafe"))

# The gateway answers within its budget of 50 s.
ANSWER_SECONDS_MAX = 70
# An unknown create is resolved after its deadline, D and L: 10 + 15 + 2 s; a retry may come in the middle of it.
RESOLVED_SECONDS_MAX = 90

# Marks that stand in no other text, with characters that each way of writing text writes in its own way.
PASSWORD = f"Pw é/+?&\"{secrets.token_hex(8)}"
CLIENT_TOKEN = f"token.{secrets.token_hex(8)}+/="
ROTATED_TOKEN = f"rotated.{secrets.token_hex(8)}+/="
SECRETS = {"the password": PASSWORD, "the token": CLIENT_TOKEN, "the rotated token": ROTATED_TOKEN}


class Wrong(Exception):
    """Something does not hold."""


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
        "password": PASSWORD,
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

    @property
    def detail(self):
        return self.json.get("detail", "")

    @property
    def changed(self):
        return self.headers.get("replaysafe-changed")

    @property
    def decision(self):
        return self.headers.get("replaysafe-decision")

    def is_scim_error(self):
        try:
            return self.headers["content-type"].startswith("application/scim+json") and ERROR in self.json["schemas"] \
                and self.json["status"] == str(self.status)
        except (KeyError, ValueError, TypeError):
            return False


def send(base_url, log, method, path, body=None, key=None, token=CLIENT_TOKEN, seconds_max=ANSWER_SECONDS_MAX,
         content_type="application/scim+json", headers=()):
    host, base_path = running.split(base_url)
    lines = {"Authorization": f"Bearer {token}", "Accept": "application/scim+json"}
    if body is not None:
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if content_type:
            lines["Content-Type"] = content_type
    if key is not None:
        lines["Idempotency-Key"] = key
    lines.update(headers)
    said = f"{method} {base_path}{path}" + (f" [key {key[:80]}]" if key else "") + (f" {body[:200]!r}" if body else "")
    connection = http.client.HTTPConnection(host, timeout=seconds_max)
    try:
        connection.request(method, base_path + path, body, lines)
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read())
    except (OSError, http.client.HTTPException) as error:
        log.append(f"{said}\n    -> {type(error).__name__}: {error}")
        raise OSError(str(error)) from error
    finally:
        connection.close()
    shown = {name: value for name, value in answer.headers.items() if name.startswith(("replaysafe", "idempotency", "retry", "etag"))}
    log.append(f"{said}\n    -> {answer.status} {shown} {answer.body[:300]!r}")
    return answer


def send_bytes(base_url, log, wire, seconds_max=10, wants_closed=False):
    """Sends these very bytes; gives the first answer to them, and where it is wanted whether the connection was closed after it."""
    host, port = running.split(base_url)[0].split(":")
    said = f"{wire[:200]!r}"
    with socket.create_connection((host, int(port)), timeout=seconds_max) as connection:
        try:
            connection.sendall(wire)
        except OSError:
            pass  # It has answered before it read all: that answer counts.
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            answer = Answer(response.status, response.getheaders(), response.read())
            closed = wants_closed and is_closed(connection)
        except (OSError, http.client.HTTPException) as error:
            log.append(f"{said}\n    -> {type(error).__name__}: {error}")
            raise OSError(str(error)) from error
    log.append(f"{said}\n    -> {answer.status} {answer.headers} {answer.body[:300]!r}")
    return answer, closed


def is_closed(connection):
    """Whether the other side closes, which it does at once if it does."""
    connection.settimeout(2)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


class Stand:
    """A server, the proxy and the gateway in front of it, and what has been said to them."""

    def __init__(self, base_url, door, front):
        self.base_url, self.door, self.front = base_url, door, front
        self.log = []

    def send(self, method, path, body=None, **options):
        return send(self.front, self.log, method, path, body, **options)

    def direct(self, method, path, body=None):
        """Asks the server itself."""
        log = []
        try:
            return send(self.base_url, log, method, path, body, token=running.TOKEN)
        finally:
            self.log += [f"(direct) {line}" for line in log]

    def created(self, path, body):
        """Creates through the gateway; gives the id."""
        answer = self.send("POST", path, body)
        check(answer.status == 201, f"the create at {path} is 201, not {answer.status}")
        return answer.id

    def patch(self, path, op, attribute, value, **options):
        operation = {"op": op}
        if attribute is not None:
            operation["path"] = attribute
        if value is not None:
            operation["value"] = value
        return self.send("PATCH", path, {"schemas": [PATCH_OP], "Operations": [operation]}, **options)

    def add_member(self, team, member, display=None, **options):
        value = {"value": member} | ({"display": display} if display else {})
        return self.patch(f"/Groups/{team}", "add", "members", [value], **options)

    def remove_member(self, team, member, **options):
        return self.patch(f"/Groups/{team}", "remove", f'members[value eq "{member}"]', None, **options)

    def members(self, team):
        return [str(member["value"]) for member in self.direct("GET", f"/Groups/{team}").json.get("members") or []]

    def held(self, endpoint):
        return self.direct("GET", f"/{endpoint}?count=100").json.get("Resources") or []

    def sent(self, *methods):
        """How many requests with these methods have left the gateway; all of its requests if none is named."""
        return sum(tally["received"] for line, tally in self.door.counts().items() if not methods or line.split()[0] in methods)

    def struck(self, mode):
        """How often a fault was applied."""
        return sum(tally["faults"].get(mode, 0) for tally in self.door.counts().values())


@contextmanager
def stand(name, *faults, policy=None):
    with ExitStack() as stack:
        base_url = stack.enter_context(running.server(name))
        door = stack.enter_context(running.proxy(base_url, *faults, tokens=[CLIENT_TOKEN, ROTATED_TOKEN]))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replaysafe-")))
        options = []
        if policy:
            (folder / "policy.toml").write_text(policy)
            options = ["--policy", folder / "policy.toml"]
        with gateway(door, folder, *options) as (front, _):
            it = Stand(base_url, door, front)
            try:
                yield it
            except Exception as error:
                error.log = [*it.log, counted(door), *printed_in(folder)]
                raise
        code, notes = audited(folder)
        check(code == 0, f"the ledger's audit is clean, and not: {notes}")


def audited(folder):
    """Audits the ledger of a gateway that has ended: the exit code, 0 if no law is broken, and what it says."""
    command = [BINARY, "ledger", "audit", "--ledger", running.ledger_in(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@contextmanager
def gateway(door, folder, *options):
    """Runs the gateway behind whose back nothing secret may be written; gives its base URL and its process."""
    with running.gateway(BINARY, door.base_url, folder, *options) as running_gateway:
        yield running_gateway
        # While it runs the ledger has a `-wal` and a `-shm`, afterwards what was printed at the end.
        nothing_secret_in(folder)
    nothing_secret_in(folder)


def nothing_secret_in(folder):
    found = canary.written_in(folder, SECRETS)
    check(not found, f"nothing secret is written: {'; '.join(found)}")


def counted(door):
    """What has passed the proxy, for those who look into a failure."""
    lines = [f"{line} {tally['received']} ({', '.join(tally['answers'])})" for line, tally in door.counts().items()]
    return "the proxy counts " + "; ".join(lines)


def printed_in(folder):
    """What the gateway has printed to standard error, for those who look into a failure."""
    return [f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in sorted(folder.glob("*.err")) if path.stat().st_size]


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


def until(holds, seconds_max, what):
    """Waits until something holds, and gives it."""
    ends = time.monotonic() + seconds_max
    while not (given := holds()):
        check(time.monotonic() < ends, f"{what} within {seconds_max} s")
        time.sleep(0.02)
    return given


def until_answered(call):
    """Retries as a client does while it gets 5xx or nothing; gives the last answer."""
    ends = time.monotonic() + RESOLVED_SECONDS_MAX
    while True:
        answer = attempt(call)
        if (answer and answer.status < 500) or time.monotonic() > ends:
            return answer
        time.sleep(1)
