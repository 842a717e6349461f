"""Starts and stops what the scripts beside this one run: a server, the faulty proxy, the gateway.

Each is a context manager; leaving it ends the process and all that it started. One that does not start says why: `NotStarted`.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parent.parent / "target" / "servers"
SERVERS = ["scim2-server", "scim2-flask", "scimmy", "django-scim2"]
TOKEN = "secret"

# What a process gets for its own way out before it is killed. PostgreSQL takes the longest, under a second.
STOP_SECONDS_MAX = 20
# start.sh bounds its own start by 120 s; a debug gateway on a busy machine is ready within a few seconds.
START_SECONDS_MAX = 130
# How often a port is chosen anew where another process took it between the choice and its use.
PORTS_MAX = 3

# The gateway keeps its compiled code here: compiling it takes seconds, and some two hundred are started.
ENVIRONMENT = {**os.environ, "XDG_CACHE_HOME": str(INSTALLED / "cache")}

# Processes that run now, so that a signal can end them whatever thread waits for them.
STARTED = set()


class NotStarted(Exception):
    """A process ended, or took too long, before it was ready; says what it wrote."""


def end_with_all_at_signals():
    """Ends all that runs here, and then this process, at SIGINT and SIGTERM; a pool of threads would wait for its work first."""

    def end(number, _):
        for process in list(STARTED):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        os._exit(128 + number)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


@contextmanager
def server(name):
    """Runs a fresh server; gives its base URL."""
    for turn in range(PORTS_MAX):
        running = printing([HERE / "start.sh", name, str(free_port())], "ready ")
        try:
            base_url, _ = running.__enter__()
            break
        except NotStarted as error:
            if "taken" not in str(error) and "in use" not in str(error) or turn == PORTS_MAX - 1:
                raise
    try:
        yield base_url
    finally:
        running.__exit__(None, None, None)


class Door:
    """The faulty proxy that runs in front of a server, and its control port."""

    def __init__(self, base_url, control):
        self.base_url, self.control = base_url, control

    def counts(self):
        return self.ask("GET", "/__counts")

    def held(self):
        return self.ask("GET", "/__held")

    def go(self):
        self.ask("POST", "/__go")

    def drop(self):
        self.ask("POST", "/__drop")

    def half(self):
        self.ask("POST", "/__half")

    def set_faults(self, *faults):
        self.ask("PUT", "/__faults", "\n".join(faults).encode())

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.control + path, body, method=method)
        return json.loads(without_environment().open(request, timeout=30).read())


@contextmanager
def proxy(upstream, *faults, tokens=()):
    """Runs the faulty proxy in front of `upstream`; the server knows each of `tokens` as its own token. Gives a `Door`."""
    host, base_path = split(upstream)
    command = [sys.executable, HERE / "faulty_proxy.py", "--upstream", host, "--control", "127.0.0.1:0"]
    for fault in faults:
        command += ["--fault", fault]
    for token in tokens:
        command += ["--token", f"{token}={TOKEN}"]
    with printing(command, "listening on ", "control at ") as (url, control, _):
        yield Door(url + base_path, control)


@contextmanager
def gateway(binary, upstream, folder, *options):
    """Runs the gateway in front of `upstream`, its ledger in `folder` with all that it prints; gives the base URL through it, and the process."""
    command = [binary, "gateway", "--upstream", upstream, "--listen", "127.0.0.1:0", "--ledger", ledger_in(folder), *options]
    with printing(command, "listening on ", folder=folder) as (url, process):
        yield url + split(upstream)[1], process


def ledger_in(folder):
    return f"sqlite:{folder}/ledger.sqlite"


def get(url):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    return without_environment().open(request, timeout=30).read()


def without_environment():
    """Opens URLs past any proxy that the environment names."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def resources(base_url, endpoint):
    """The resources that a server holds at `endpoint`; no test here makes more than a page of them."""
    return json.loads(get(f"{base_url}/{endpoint}")).get("Resources", [])


@contextmanager
def printing(command, *ready, folder=None):
    """Runs `command` in a process group of its own; gives the rest of each line that begins with one of `ready`, and the process.

    What it prints goes to files in `folder`: a pipe that nobody reads would stop it one day.
    """
    with tempfile.TemporaryDirectory(prefix="printed-") as own:
        name = Path(command[0]).name
        # One more for each process in this folder: a gateway that was killed and started again leaves two.
        number = len(list(Path(folder or own).glob(f"{name}.*.out")))
        printed = Path(folder or own) / f"{name}.{number}.out"
        said = printed.with_suffix(".err")
        with printed.open("wb") as out, said.open("wb") as err:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=ENVIRONMENT, start_new_session=True)
        STARTED.add(process)
        try:
            yield *until_ready(command, process, ready, printed, said), process
        finally:
            stop(process)
            STARTED.discard(process)


def until_ready(command, process, ready, printed, said):
    ends = time.monotonic() + START_SECONDS_MAX
    while True:
        ended = process.poll() is not None
        # A last line without its end is not yet whole.
        lines = printed.read_text(errors="replace").rpartition("\n")[0].splitlines()
        found = [next((line[len(begin):].strip() for line in lines if line.startswith(begin)), None) for begin in ready]
        if None not in found:
            return found
        if ended or time.monotonic() > ends:
            how = f"ended with code {process.returncode}" if ended else f"was not ready in {START_SECONDS_MAX} s"
            wrote = said.read_text(errors="replace")[-2000:] or "nothing"
            raise NotStarted(f"`{' '.join(map(str, command))}` {how}; it wrote: {wrote}")
        time.sleep(0.02)


def stop(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port():
    """A port that is free now, and that no outgoing connection takes meanwhile: below the range that Linux gives to those."""
    while True:
        port = random.randrange(20000, 32000)
        with PORTS_LOCK, socket.socket() as probe:
            if port in PORTS_GIVEN:
                continue
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            PORTS_GIVEN.add(port)
            return port


PORTS_GIVEN = set()
PORTS_LOCK = threading.Lock()


def split(base_url):
    """`http://HOST:PORT/PATH` as (`HOST:PORT`, `/PATH`)."""
    host, slash, path = base_url.removeprefix("http://").partition("/")
    return host, slash + path


def score(base_url, out):
    """Scores a server by `score.py`; gives its results."""
    command = [INSTALLED / "testers" / "bin" / "python", HERE / "score.py", base_url, "--token", TOKEN, "--out", out]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads(Path(out).read_text())


def provision(base_url, token=TOKEN):
    """Runs the real client; gives what it got, and how it exited."""
    command = [INSTALLED / "client" / "bin" / "python", HERE / "retry_client.py", base_url, "--token", token]
    # It logs each retry.
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=300)
    return json.loads(done.stdout), done.returncode
