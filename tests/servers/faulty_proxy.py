"""A proxy that passes SCIM requests on unchanged, and breaks the exchanges that it is told to break.

usage: faulty_proxy.py --listen 127.0.0.1:PORT --upstream 127.0.0.1:PORT [--control 127.0.0.1:PORT] [--fault FAULT]... [--token NEW=OLD]...

FAULT is `MODE[*TIMES][/EVERY] METHOD PATH [BODY]`, for example `commit-then-500*2 POST /Users$`.
METHOD, PATH and BODY are regular expressions without spaces: METHOD must match the whole method, PATH is looked for in the raw
target, query included, BODY in the body.
The first fault that matches a request and has not been used TIMES times is applied to it; without TIMES it is applied always.
With EVERY it is applied to each EVERY-th of the requests that it matches and no fault before it was applied to: `refuse-503*3/10 PATCH /`
refuses the tenth, the twentieth and the thirtieth.

MODE is one of
  commit-then-NNN       passes the request on, waits for the whole answer, throws it away and answers NNN, as 500 or 503
  commit-then-silence   passes the request on, waits for the whole answer, and never answers
  cut-after-request     passes the request on, closes the client's connection at once, and reads the answer to its end
  cut-before-forward    reads the request, closes the client's connection, and passes nothing on
  refuse-NNN[=SECONDS]  answers NNN, as 429 or 503, with `Retry-After: SECONDS` if they are given, and passes nothing on
  delay=MS              passes the request on, and gives the answer MS milliseconds later
  delay-request=MS      passes the request on MS milliseconds later, even if the client has gone
  hold                  holds the request until told to go on, and then the answer, even if the client has gone

A request goes upstream byte for byte: method, target, headers with their Host, body with its framing. So does the answer.
The one exception is `--token`: a request with the bearer token NEW goes upstream with OLD, so a server that knows one token knows
two, as during a rotation. OLD itself is passed on as it came.
Each request has an upstream connection of its own, so that one which the server closes meanwhile is not taken for a fault.

Prints `listening on http://ADDRESS`, and then `control at http://ADDRESS`, when ready. Port 0 takes a free one.
The control port serves
  GET /__counts      for each method and path without query
                     {"received": n, "forwarded": n, "answers": {"201": n, "none": n}, "faults": {"MODE": n}}
                     where `answers` are the server's own, whether or not the client got them; `none` is a connection that ended without
  GET /__held        what is held, oldest first: [{"what": "request" or "answer", "line": "METHOD PATH"}]
  POST /__go         lets the oldest that is held go on
  POST /__drop       ends the oldest that is held: a request never reaches the server, an answer never the client
  POST /__half       gives the client the head and the first half of the oldest answer that is held, and holds the rest
  PUT /__faults      takes the faults in the body, one a line, in the place of those that there are
"""

import argparse
import asyncio
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field

# A whole message is held in memory; the largest that a test sends is 1 MiB.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
HEAD_BYTES_MAX = 64 * 1024
# Longer than any client here waits for an answer.
SILENCE_SECONDS_MAX = 120
# A forgotten proxy must not outlive a CI run of 90 minutes.
LIFE_SECONDS_MAX = 5400


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--listen", type=address, default=address("127.0.0.1:0"))
    arguments.add_argument("--upstream", type=address, required=True)
    arguments.add_argument("--control", type=address)
    arguments.add_argument("--fault", type=parse_fault, action="append", default=[])
    arguments.add_argument("--token", type=parse_token, action="append", default=[])
    options = arguments.parse_args()
    try:
        asyncio.run(serve(options))
    except KeyboardInterrupt:
        pass


async def serve(options):
    proxy = Proxy(options.upstream, options.fault, options.token)
    server = await asyncio.start_server(proxy.connected, *options.listen, limit=HEAD_BYTES_MAX, backlog=1024)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"listening on http://{host}:{port}", flush=True)
    if options.control:
        control = await asyncio.start_server(proxy.asked, *options.control)
        host, port = control.sockets[0].getsockname()[:2]
        print(f"control at http://{host}:{port}", flush=True)
    await asyncio.sleep(LIFE_SECONDS_MAX)


@dataclass
class Fault:
    mode: str
    method: re.Pattern
    path: re.Pattern
    body: re.Pattern
    # How often it will still be applied; None is always.
    left: int | None
    # It is applied to each so many-th of those that it matches.
    every: int = 1
    milliseconds: int = 0
    status: int = 0
    retry_after: str | None = None
    # How many it has matched.
    matched: int = 0

    def takes(self, request):
        if self.left == 0 or not self.method.fullmatch(request.method) or not self.path.search(request.target):
            return False
        if not self.body.search(request.body.decode("latin-1")):
            return False
        self.matched += 1
        if self.matched % self.every:
            return False
        if self.left is not None:
            self.left -= 1
        return True


def parse_fault(text):
    try:
        how, method, path, *body = text.split()
        (body,) = body or [""]
        found = FAULT.fullmatch(how)
        mode, milliseconds, times = found["mode"], found["ms"], found["times"]
    except (ValueError, TypeError):
        raise argparse.ArgumentTypeError(f"`{text}` is not `MODE[*TIMES][/EVERY] METHOD PATH [BODY]`") from None
    return Fault(
        mode=mode,
        method=re.compile(method),
        path=re.compile(path),
        body=re.compile(body),
        left=int(times) if times else None,
        every=int(found["every"] or 1),
        milliseconds=int(milliseconds or 0),
        status=int(found["lost"] or found["refused"] or 0),
        retry_after=found["seconds"],
    )


FAULT = re.compile(
    r"(?P<mode>commit-then-(?P<lost>[45]\d\d)|commit-then-silence|cut-after-request|cut-before-forward|hold"
    r"|refuse-(?P<refused>[45]\d\d)(?:=(?P<seconds>\d+))?|(?:delay|delay-request)=(?P<ms>\d+))(?:\*(?P<times>\d+))?(?:/(?P<every>[1-9]\d*))?"
)


def parse_token(text):
    # A token may end in `=`; the servers' own here do not.
    new, equals, old = text.rpartition("=")
    if not new or not equals or not old:
        raise argparse.ArgumentTypeError(f"`{text}` is not NEW=OLD")
    return f"Bearer {new}".encode(), f"Bearer {old}".encode()


@dataclass
class Tally:
    received: int = 0
    forwarded: int = 0
    answers: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)


@dataclass
class Message:
    head: bytes
    body: bytes = b""
    # False when only the end of the connection tells where the body ends, or when the sender said that it closes.
    keeps_open: bool = True
    # How many of its bytes the receiver has already.
    given: int = 0

    @property
    def start(self):
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    def header(self, name):
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name:
                return value.strip().lower()
        return b""


@dataclass
class Held:
    """A request or an answer that waits until it is told what to do."""

    what: str
    line: str
    told: asyncio.Future
    writer: asyncio.StreamWriter
    answer: Message | None = None


class Proxy:
    def __init__(self, upstream, faults, tokens):
        self.upstream = upstream
        self.faults = faults
        self.tokens = tokens
        self.tallies = {}
        self.held = []

    async def connected(self, reader, writer):
        """Serves one client connection, request after request."""
        try:
            while request := await read_request(reader, writer):
                answer = await self.exchange(request, reader, writer)
                if answer is None:
                    break
                writer.write((answer.head + answer.body)[answer.given:])
                await writer.drain()
                if not answer.keeps_open or not request.keeps_open:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client has gone: nobody is left to tell.
        except BadMessage as error:
            answer = own_answer(400, str(error))
            writer.write(answer.head + answer.body)
        finally:
            writer.close()

    async def exchange(self, request, reader, writer):
        """Gives the answer for the client, or None where its connection is to be closed without one."""
        tally = self.tallies.setdefault(f"{request.method} {request.target.partition('?')[0]}", Tally())
        tally.received += 1
        fault = next((fault for fault in self.faults if fault.takes(request)), None)
        if fault is None:
            return await self.forward(request, tally)

        tally.faults[fault.mode] += 1
        if fault.mode == "cut-before-forward":
            return None
        if fault.mode.startswith("refuse-"):
            return own_answer(fault.status, "refused on purpose", fault.retry_after)
        if fault.mode == "cut-after-request":
            sent = asyncio.Event()
            keep(asyncio.create_task(self.forward(request, tally, sent)))
            await sent.wait()
            return None
        if fault.mode == "hold":
            return await self.hold(request, tally, writer)
        if fault.mode.startswith("delay-request"):
            await asyncio.sleep(fault.milliseconds / 1000)
            return await self.forward(request, tally)

        answer = await self.forward(request, tally)
        if fault.mode == "commit-then-silence":
            await silence(reader)
            return None
        if fault.status:
            return own_answer(fault.status, "the answer was lost on purpose")
        await asyncio.sleep(fault.milliseconds / 1000)
        return answer

    async def hold(self, request, tally, writer):
        """Passes `request` on and its answer back, each when told so; gives None where it is told to end."""
        line = f"{request.method} {request.target.partition('?')[0]}"
        if not await self.let_go("request", line, writer):
            return None
        answer = await self.forward(request, tally)
        if answer is None or not await self.let_go("answer", line, writer, answer):
            return None
        return answer

    async def let_go(self, what, line, writer, answer=None):
        """Waits until the control port says what is to be done with this; gives False for `drop`."""
        told = asyncio.get_running_loop().create_future()
        held = Held(what, line, told, writer, answer)
        self.held.append(held)
        try:
            return await asyncio.wait_for(told, SILENCE_SECONDS_MAX)
        except (TimeoutError, asyncio.TimeoutError):
            return False
        finally:
            if held in self.held:
                self.held.remove(held)

    async def forward(self, request, tally, sent=None):
        """Sends `request` upstream and reads the answer to its end; gives None if there is none. Sets `sent` between the two."""
        try:
            reader, writer = await asyncio.open_connection(*self.upstream, limit=HEAD_BYTES_MAX)
        except OSError:
            tally.answers["none"] += 1
            if sent:
                sent.set()
            return None
        try:
            writer.write(self.known(request.head) + request.body)
            tally.forwarded += 1
            await writer.drain()
            if sent:
                sent.set()
            answer = await read_answer(reader, request.method)
            tally.answers[str(answer.status)] += 1
            return answer
        except (OSError, asyncio.IncompleteReadError, BadMessage):
            tally.answers["none"] += 1
            return None
        finally:
            if sent:
                sent.set()
            writer.close()

    def known(self, head):
        """The head with the token that the server knows."""
        for new, old in self.tokens:
            head = re.sub(rb"(?im)^(authorization:[ \t]*)" + re.escape(new) + rb"(?=[ \t]*\r$)", lambda found, old=old: found[1] + old, head)
        return head

    async def asked(self, reader, writer):
        """Serves one request to the control port."""
        try:
            request = await read_request(reader, writer)
            if request:
                answer = self.told(request)
                writer.write(answer.head + answer.body)
        except (ConnectionError, asyncio.IncompleteReadError, BadMessage):
            pass
        finally:
            writer.close()

    def told(self, request):
        match f"{request.method} {request.target}":
            case "GET /__counts":
                return json_answer("200 OK", {line: vars(tally) for line, tally in sorted(self.tallies.items())})
            case "GET /__held":
                return json_answer("200 OK", [{"what": held.what, "line": held.line} for held in self.held])
            case "POST /__go" | "POST /__drop" if self.held:
                self.held.pop(0).told.set_result(request.target == "/__go")
                return json_answer("200 OK", {})
            case "POST /__half" if self.held and self.held[0].answer:
                held = self.held[0]
                # An answer without a body ends in the middle of its head.
                wire = held.answer.head + held.answer.body
                held.answer.given = len(held.answer.head) + len(held.answer.body) // 2 if held.answer.body else len(wire) // 2
                held.writer.write(wire[: held.answer.given])
                return json_answer("200 OK", {})
            case "PUT /__faults":
                try:
                    self.faults = [parse_fault(line) for line in request.body.decode().splitlines()]
                except argparse.ArgumentTypeError as error:
                    return json_answer("400 Bad Request", {"error": str(error)})
                return json_answer("200 OK", {})
            case other:
                return json_answer("404 Not Found", {"error": f"`{other}` is not served, or nothing is held"})


class BadMessage(Exception):
    pass


async def read_request(reader, writer):
    """Reads one request, its body in the framing it came in; gives None at the end of the connection."""
    try:
        head = await read_head(reader)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    message = Message(head)
    if len(message.start.split(" ")) != 3:
        raise BadMessage(f"no request line: {message.start!r}")
    if message.header(b"expect") == b"100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    message.body = await read_body(reader, message, until_end=False)
    message.keeps_open = keeps_open(message, message.start.endswith("HTTP/1.0"))
    return message


async def read_answer(reader, method):
    """Reads one final answer, past the interim ones."""
    while True:
        message = Message(await read_head(reader))
        if message.status >= 200:
            break
    if method == "HEAD" or message.status in (204, 304):
        message.keeps_open = keeps_open(message, message.start.startswith("HTTP/1.0"))
        return message
    framed = message.header(b"content-length") or message.header(b"transfer-encoding")
    message.body = await read_body(reader, message, until_end=not framed)
    message.keeps_open = bool(framed) and keeps_open(message, message.start.startswith("HTTP/1.0"))
    return message


async def read_head(reader):
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise BadMessage(f"a head of more than {HEAD_BYTES_MAX} bytes") from None


async def read_body(reader, message, until_end):
    """Reads a body as it is on the wire: chunks stay chunks."""
    if b"chunked" in message.header(b"transfer-encoding"):
        return await read_chunks(reader)
    if until_end:
        body = await reader.read(MESSAGE_BYTES_MAX + 1)
        while more := await reader.read(MESSAGE_BYTES_MAX + 1):
            body += more
        return body
    length = int(message.header(b"content-length") or 0)
    if length > MESSAGE_BYTES_MAX:
        raise BadMessage(f"a body of more than {MESSAGE_BYTES_MAX} bytes")
    return await reader.readexactly(length)


async def read_chunks(reader):
    wire = b""
    while len(wire) <= MESSAGE_BYTES_MAX:
        size_line = await reader.readuntil(b"\r\n")
        wire += size_line
        size = int(size_line.split(b";")[0], 16)
        if size > 0:
            wire += await reader.readexactly(size + 2)
            continue
        # Trailers end with an empty line, as the body without any does.
        while True:
            line = await reader.readuntil(b"\r\n")
            wire += line
            if line == b"\r\n":
                return wire
    raise BadMessage(f"a body of more than {MESSAGE_BYTES_MAX} bytes")


def keeps_open(message, is_http_1_0):
    connection = message.header(b"connection")
    return connection == b"keep-alive" if is_http_1_0 else connection != b"close"


async def silence(reader):
    """Returns when the client has gone, or has waited for SILENCE_SECONDS_MAX."""
    try:
        await asyncio.wait_for(reader.read(), SILENCE_SECONDS_MAX)
    except (TimeoutError, asyncio.TimeoutError, ConnectionError):
        pass


def own_answer(status, detail, retry_after=None):
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": str(status),
        "detail": detail,
    }
    return json_answer(f"{status} Fault", body, f"Retry-After: {retry_after}\r\n" if retry_after else "")


def json_answer(status, body, more=""):
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/scim+json\r\nContent-Length: {len(text)}\r\n{more}\r\n"
    return Message(head.encode(), text)


# asyncio holds its tasks weakly.
RUNNING = set()


def keep(task):
    RUNNING.add(task)
    task.add_done_callback(RUNNING.discard)


def address(text):
    host, _, port = text.rpartition(":")
    if host != "127.0.0.1" or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"`{text}` is not 127.0.0.1:PORT")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
