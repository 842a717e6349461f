"""Starts and stops what the scripts beside this one run: a server, the faulty proxy, the gateway.

Each is a context manager; leaving it ends the process and all that it started.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
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


# Processes that run now, so that a signal can end them whatever thread waits for them.
STARTED = set()


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
    with printing([HERE / "start.sh", name, str(free_port())], "ready ") as (base_url, _):
        yield base_url


@contextmanager
def proxy(upstream, *faults):
    """Runs the faulty proxy in front of `upstream`; gives the base URL through it and a function that gives its counts."""
    host, base_path = split(upstream)
    control = f"127.0.0.1:{free_port()}"
    command = [sys.executable, HERE / "faulty_proxy.py", "--upstream", host, "--control", control]
    for fault in faults:
        command += ["--fault", fault]
    with printing(command, "listening on ") as (url, _):
        yield url + base_path, lambda: json.loads(get(f"http://{control}/__counts"))


@contextmanager
def gateway(binary, upstream):
    """Runs the gateway in front of `upstream` with a ledger of its own; gives the base URL through it."""
    with tempfile.TemporaryDirectory(prefix="replaysafe-") as folder:
        command = [binary, "gateway", "--upstream", upstream, "--listen", f"127.0.0.1:{free_port()}"]
        command += ["--ledger", f"sqlite:{folder}/ledger.sqlite"]
        with printing(command, "listening on ") as (url, _):
            # The gateway stands in for the base URL, or for the host and keeps the path.
            base_path = split(upstream)[1]
            yield next((url + path for path in ("", base_path) if serves_scim(url + path)), url)


def serves_scim(base_url):
    try:
        get(f"{base_url}/ServiceProviderConfig")
    except (urllib.error.URLError, OSError):
        return False
    return True


def get(url):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).read()


def resources(base_url, endpoint):
    """The resources that a server holds at `endpoint`; no test here makes more than a page of them."""
    return json.loads(get(f"{base_url}/{endpoint}")).get("Resources", [])


@contextmanager
def printing(command, ready):
    """Runs `command` in a process group of its own; gives the rest of the line that begins with `ready`, and the process."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    STARTED.add(process)
    try:
        # start.sh bounds its own start, and a process that dies closes its output.
        line = next((line for line in process.stdout if line.startswith(ready)), None)
        if line is None:
            sys.exit(f"`{command[0]}` ended before it was ready, with code {process.wait()}")
        yield line[len(ready):].strip(), process
    finally:
        stop(process)
        STARTED.discard(process)


def stop(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def split(base_url):
    """`http://HOST:PORT/PATH` as (`HOST:PORT`, `/PATH`)."""
    host, slash, path = base_url.removeprefix("http://").partition("/")
    return host, slash + path


def score(base_url, out):
    """Scores a server by `score.py`; gives its results."""
    command = [INSTALLED / "testers" / "bin" / "python", HERE / "score.py", base_url, "--token", TOKEN, "--out", out]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads(Path(out).read_text())


def provision(base_url):
    """Runs the real client; gives what it got, and how it exited."""
    command = [INSTALLED / "client" / "bin" / "python", HERE / "retry_client.py", base_url, "--token", TOKEN]
    # It logs each retry.
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=300)
    return json.loads(done.stdout), done.returncode
