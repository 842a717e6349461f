"""Does the harness itself do what it says? Faults, bytes, canary and comparison, against a server that only records.

usage: python3 test_harness.py
"""

import base64
import json
import socket
import socketserver
import tempfile
import threading
import time
import unittest
import urllib.parse
from pathlib import Path

import canary
import running
from compare import by_chance, compare

ODD_POST = (
    b"POST /v2/Users/a%2Fb%20c?filter=userName%20eq%20%22x%22&x=a+b HTTP/1.1\r\nhost: gateway.example:1\r\n"
    b"X-Odd:   two  spaces \r\nx-odd: again\r\nContent-Type: application/scim+json; charset=utf-8\r\n"
)


class Bytes(unittest.TestCase):
    def test_a_request_and_its_answer_pass_unchanged(self):
        check(self, ODD_POST + b"Content-Length: 5\r\n\r\n{\xc3\xa9 }", b"HTTP/1.1 201 Made\r\nETag: W/\"1\"\r\ncontent-length: 2\r\n\r\nok")

    def test_chunks_stay_chunks(self):
        check(
            self,
            ODD_POST + b"Transfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        )

    def test_an_answer_may_have_no_body(self):
        check(self, b"DELETE /v2/Users/1 HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n")
        check(self, b"HEAD /v2/Users/1 HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        check(self, b"GET /v2/Users/1 HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n")

    def test_an_answer_may_end_with_the_connection(self):
        check(self, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nall of it", server_closes=True)

    def test_a_connection_serves_many_requests(self):
        with Recorder(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as recorder, recorder.proxied() as door:
            request = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
            self.assertEqual(talk(door.base_url, request, answers=3), recorder.answer * 3)
            self.assertEqual(door.counts()["POST /a"]["received"], 3)


class Faults(unittest.TestCase):
    def test_commit_then_500_loses_the_answer_as_often_as_told(self):
        with recording("commit-then-500*2 POST /Users$") as (recorder, front, counts):
            statuses = [talk(front, POST).split()[1] for _ in range(3)]
            self.assertEqual(statuses, [b"500", b"500", b"201"])
            self.assertEqual(recorder.seen, [POST] * 3)
            self.assertEqual(counts()["POST /Users"], tally(3, 3, {"201": 3}, {"commit-then-500": 2}))

    def test_commit_then_503_answers_503(self):
        with recording("commit-then-503 POST /Users$") as (recorder, front, _):
            self.assertEqual(talk(front, POST).split()[1], b"503")
            self.assertEqual(recorder.seen, [POST])

    def test_commit_then_silence_answers_nothing_and_keeps_the_connection(self):
        with recording("commit-then-silence POST /Users$") as (recorder, front, counts):
            started = time.monotonic()
            with self.assertRaises(TimeoutError):
                talk(front, POST, patience_s=0.7)
            self.assertGreaterEqual(time.monotonic() - started, 0.6)
            self.assertEqual(counts()["POST /Users"]["answers"], {"201": 1})
            self.assertEqual(recorder.seen, [POST])

    def test_cut_after_request_gives_the_server_all_and_the_client_nothing(self):
        with recording("cut-after-request*1 POST /Users$", think_s=0.5) as (recorder, front, counts):
            started = time.monotonic()
            self.assertEqual(talk(front, POST), b"")
            self.assertLess(time.monotonic() - started, 0.4)
            time.sleep(1)
            self.assertEqual(recorder.seen, [POST])
            self.assertEqual(counts()["POST /Users"], tally(1, 1, {"201": 1}, {"cut-after-request": 1}))

    def test_cut_before_forward_gives_the_server_nothing(self):
        with recording("cut-before-forward*1 POST /Users$") as (recorder, front, counts):
            self.assertEqual(talk(front, POST), b"")
            self.assertEqual(recorder.seen, [])
            self.assertEqual(counts()["POST /Users"], tally(1, 0, {}, {"cut-before-forward": 1}))

    def test_refuse_answers_for_the_server_which_gets_nothing(self):
        with recording("refuse-429=7*1 POST /Users$", "refuse-503*1 POST /Users$") as (recorder, front, counts):
            refused, away, passed = (talk(front, POST) for _ in range(3))
            self.assertEqual([answer.split()[1] for answer in (refused, away, passed)], [b"429", b"503", b"201"])
            self.assertIn(b"\r\nRetry-After: 7\r\n", refused)
            self.assertNotIn(b"Retry-After", away)
            self.assertEqual(recorder.seen, [POST])
            self.assertEqual(counts()["POST /Users"], tally(3, 1, {"201": 1}, {"refuse-429=7": 1, "refuse-503": 1}))

    def test_a_fault_may_take_each_so_many_th_only(self):
        with recording("refuse-503*2/3 POST /Users$", "refuse-429/2 POST /Users$") as (_, front, __):
            statuses = [int(talk(front, POST).split()[1]) for _ in range(9)]
            # The second one counts those that the first one leaves: 1, 2, 4, 5, 7, 8 and, as the first one is used up, 9.
            self.assertEqual(statuses, [201, 429, 503, 201, 429, 503, 201, 429, 201])

    def test_what_is_no_fault_is_refused(self):
        for text in ("refuse POST .", "refuse-200 POST .", "hold/0 POST .", "hold/2*1 POST .", "delay POST ."):
            with self.assertRaisesRegex(running.NotStarted, "is not `MODE"):
                with recording(text):
                    pass

    def test_delay_holds_the_answer(self):
        with recording("delay=500*1 POST /Users$") as (recorder, front, _):
            started = time.monotonic()
            self.assertEqual(talk(front, POST), recorder.answer)
            self.assertGreaterEqual(time.monotonic() - started, 0.5)

    def test_delay_request_reaches_the_server_after_the_client_has_gone(self):
        with recording("delay-request=600*1 POST /Users$") as (recorder, front, _):
            with self.assertRaises(TimeoutError):
                talk(front, POST, patience_s=0.2)
            self.assertEqual(recorder.seen, [])
            time.sleep(1)
            self.assertEqual(recorder.seen, [POST])

    def test_a_fault_takes_only_the_requests_that_it_names(self):
        with recording("commit-then-500 POST /Users$", "commit-then-503 P.* /Groups") as (_, front, __):
            statuses = [
                talk(front, f"{line} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode()).split()[1]
                for line in ("POST /v2/Users", "POST /v2/Users?x", "PUT /v2/Users", "PATCH /v2/Groups/1", "DELETE /v2/Groups/1")
            ]
            self.assertEqual(statuses, [b"500", b"201", b"201", b"503", b"201"])

    def test_a_server_that_is_away_closes_the_connection(self):
        with running.proxy(f"http://127.0.0.1:{running.free_port()}") as door:
            self.assertEqual(talk(door.base_url, POST), b"")
            self.assertEqual(door.counts()["POST /Users"], tally(1, 0, {"none": 1}, {}))


    def test_a_fault_may_ask_for_words_in_the_body(self):
        with recording("commit-then-500 POST /Users$ bod[x-z]") as (_, front, __):
            other = POST.replace(b"body", b"boda")
            self.assertEqual([talk(front, request).split()[1] for request in (POST, other)], [b"500", b"201"])

    def test_hold_waits_before_the_server_and_before_the_client(self):
        with held_post() as (recorder, door, client):
            self.assertEqual((door.held(), recorder.seen), ([{"what": "request", "line": "POST /Users"}], []))
            door.go()
            until(lambda: door.held() == [{"what": "answer", "line": "POST /Users"}])
            self.assertEqual((recorder.seen, client.is_alive()), ([POST], True))
            door.go()
            client.join()
            self.assertEqual(client.back, recorder.answer)

    def test_a_held_answer_may_be_given_by_half_and_then_wholly(self):
        with held_post() as (recorder, door, client):
            door.go()
            until(door.held)
            door.half()
            until(lambda: client.back)
            self.assertEqual(client.back, recorder.answer[:-1])
            door.go()
            client.join()
            self.assertEqual(client.back, recorder.answer)

    def test_what_is_held_may_be_dropped_on_either_way(self):
        for before, seen in ((0, []), (1, [POST])):
            with held_post() as (recorder, door, client):
                for _ in range(before):
                    door.go()
                    until(door.held)
                door.drop()
                client.join()
                self.assertEqual((client.back, recorder.seen), (b"", seen))

    def test_faults_are_taken_while_it_runs(self):
        with recording("commit-then-500 POST /Users$") as (recorder, front, _):
            with recorder.proxied("commit-then-500 POST .") as door:
                door.set_faults("commit-then-503*1 POST /Users$")
                self.assertEqual([talk(door.base_url, POST).split()[1] for _ in range(2)], [b"503", b"201"])

    def test_a_second_token_is_the_servers_own_and_any_other_is_passed_on(self):
        with Recorder(b"HTTP/1.1 204 No Content\r\n\r\n") as recorder, recorder.proxied(tokens=["new"]) as door:
            request = "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n"
            for line in ("Authorization: Bearer new", "authorization: Bearer newer", "X-Authorization: Bearer new"):
                talk(door.base_url, request.format(line).encode())
            expected = ("Authorization: Bearer secret", "authorization: Bearer newer", "X-Authorization: Bearer new")
            self.assertEqual(recorder.seen, [request.format(line).encode() for line in expected])


class Canary(unittest.TestCase):
    SECRET = "Ca naré/+?~>\"1"

    def test_each_form_is_found_wherever_it_stands(self):
        for name, form in canary.forms(self.SECRET).items():
            for before in (b"", b"{", b"xy"):
                self.assertTrue(self.found(before + form + b"}"), name)

    def test_what_encoders_make_of_a_whole_document_is_found(self):
        document = json.dumps({"userName": "x", "password": self.SECRET}, ensure_ascii=False)
        for before in ("", " ", "  "):
            for encode in (base64.b64encode, base64.urlsafe_b64encode, lambda text: text.hex().encode()):
                self.assertTrue(self.found(encode((before + document.replace(r'\"', '"')).encode())))
        self.assertTrue(self.found(urllib.parse.urlencode({"password": self.SECRET}).encode()))
        self.assertTrue(self.found(self.SECRET.encode("utf-16")))

    def test_what_is_not_there_is_not_found(self):
        self.assertEqual(self.found(self.SECRET[:-1].encode()), [])

    def found(self, content):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "ledger.sqlite-wal").write_bytes(content)
            return canary.written_in(Path(folder), {"the password": self.SECRET})


class Processes(unittest.TestCase):
    def test_one_that_does_not_start_says_why(self):
        with self.assertRaisesRegex(running.NotStarted, "code 3.*out of paper"):
            with running.printing(["sh", "-c", "echo out of paper >&2; exit 3"], "ready "):
                pass

    def test_a_line_is_read_when_it_is_whole(self):
        with running.printing(["sh", "-c", "printf 'ready half'; sleep 0.2; echo ' and half'; exec sleep 60"], "ready ") as (line, _):
            self.assertEqual(line, "half and half")


class Comparison(unittest.TestCase):
    def test_what_is_as_good_or_better_is_not_worse(self):
        self.compares([{"a": "pass", "b": "fail"}], [{"a": "pass", "b": "pass", "c": "fail"}], worse=[], unsteady=[])

    def test_a_pass_that_becomes_anything_else_is_worse(self):
        for status in ("fail", "skip", "warn"):
            self.compares([{"a": "pass"}], [{"a": status}], worse=["a"], unsteady=[])
        self.compares([{"a": "pass"}], [{}], worse=["a"], unsteady=[])

    def test_what_fails_in_every_run_via_is_worse(self):
        self.compares([{"a": "pass"}] * 3, [{"a": "fail"}] * 3, worse=["a"], unsteady=[])

    def test_what_holds_in_every_run_directly_has_to_hold_in_every_run_via(self):
        self.compares([{"a": "pass"}] * 3, [{"a": "pass"}, {"a": "fail"}, {"a": "fail"}], worse=["a"], unsteady=[])
        self.compares([{"a": "pass"}] * 12, [{"a": "pass"}] * 11 + [{}], worse=["a"], unsteady=[])
        self.compares([{"a": "skip"}] * 2, [{"a": "pass"}, {"a": "skip"}], worse=[], unsteady=[])

    def test_what_is_worse_than_every_direct_run_is_worse_where_these_differ(self):
        self.compares([{"a": "pass"}, {"a": "warn"}] * 6, [{"a": "pass"}, {"a": "fail"}] * 6, worse=["a"], unsteady=[])
        self.compares([{"a": "pass"}, {"a": "warn"}], [{"a": "pass"}, {}], worse=["a"], unsteady=[])

    def test_what_the_server_itself_keeps_in_some_runs_only_is_compared_by_its_rate(self):
        self.compares([{"a": "pass"}, {"a": "fail"}], [{"a": "fail"}] * 2, worse=[], unsteady=["a"])
        self.compares([{"a": "pass"}, {}], [{}, {}], worse=[], unsteady=["a"])
        half = [{"a": "pass"}, {"a": "fail"}] * 6
        self.compares(half, half, worse=[], unsteady=["a"])
        self.compares(half, [{"a": "pass"}] * 12, worse=[], unsteady=["a"])
        self.compares(half, [{"a": "fail"}] * 11 + [{"a": "pass"}], worse=[], unsteady=["a"])
        self.compares(half, [{"a": "fail"}] * 12, worse=["a"], unsteady=["a"])
        self.compares([{"a": "pass"}] * 9 + [{"a": "fail"}] * 3, [{"a": "fail"}] * 12, worse=["a"], unsteady=["a"])

    def test_how_likely_a_rate_is_by_chance(self):
        # By hand: of 2 that were kept in 4 runs none is via the gateway in one of six ways; of 1 in 2 in one of two.
        self.assertAlmostEqual(by_chance(2, 2, 0, 2), 1 / 6)
        self.assertAlmostEqual(by_chance(1, 1, 0, 1), 1 / 2)
        self.assertAlmostEqual(by_chance(1, 2, 2, 2), 1)

    def test_what_was_compared_is_said(self):
        one, other = ({("tool", "a", 1): {"status": status, "reason": "why"}} for status in ("pass", "fail"))
        worse, *_ = compare([one] * 3, [one, other, other])
        self.assertEqual(worse, ["tool: a #1: pass in 3 of 3 runs directly, and in 1 of 3 via: fail: why"])
        _, unsteady, fewer, _ = compare([one, other], [other, other])
        self.assertEqual(unsteady, fewer)
        self.assertEqual(unsteady, ["tool: a #1: pass in 1 of 2 runs directly, and in 0 of 2 via: why"])

    def compares(self, direct, via, worse, unsteady):
        def run(statuses):
            return {("tool", name, 1): {"status": status, "reason": ""} for name, status in statuses.items()}

        given = compare([run(statuses) for statuses in direct], [run(statuses) for statuses in via])
        names = [[line.split()[1] for line in lines] for lines in given[:2]]
        self.assertEqual(names, [worse, unsteady])


@running.contextmanager
def held_post():
    """Gives a POST that is held on its way to the server, from a client that waits for its answer."""
    with Recorder(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok") as recorder, recorder.proxied("hold POST /Users$") as door:
        client = Client(door.base_url)
        client.start()
        until(door.held)
        yield recorder, door, client
        client.join()


class Client(threading.Thread):
    """Sends one POST, and reads what comes back until it is whole or the connection ends."""

    def __init__(self, front):
        super().__init__()
        self.front = front
        self.back = b""

    def run(self):
        host, port = self.front.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(POST)
            while not self.back.endswith(b"ok") and (part := connection.recv(65536)):
                self.back += part


def until(holds):
    ends = time.monotonic() + 10
    while not holds():
        if time.monotonic() > ends:
            raise AssertionError("what was waited for did not come within 10 s")
        time.sleep(0.01)


POST = b"POST /Users HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"


def tally(received, forwarded, answers, faults):
    return {"received": received, "forwarded": forwarded, "answers": answers, "faults": faults}


def check(test, request, answer, server_closes=False):
    with Recorder(answer, server_closes) as recorder, recorder.proxied() as door:
        test.assertEqual(talk(door.base_url, request), answer)
        test.assertEqual(recorder.seen, [request])


@running.contextmanager
def recording(*faults, think_s=0):
    with Recorder(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", think_s=think_s) as recorder:
        with recorder.proxied(*faults) as door:
            yield recorder, door.base_url, door.counts


def talk(front, request, answers=1, patience_s=5):
    """Sends `request` as often as told on one connection; gives all that comes back within 0.3 s of each, raises if nothing does."""
    host, port = front.removeprefix("http://").split(":")
    back = b""
    with socket.create_connection((host, int(port)), timeout=patience_s) as connection:
        for _ in range(answers):
            connection.sendall(request)
            connection.settimeout(patience_s)
            part = connection.recv(65536)
            connection.settimeout(0.3)
            try:
                while part:
                    back += part
                    part = connection.recv(65536)
            except TimeoutError:
                pass
    return back


class Recorder(socketserver.ThreadingTCPServer):
    """A server that keeps the bytes it gets, and answers all of them alike 0.1 s after the last."""

    daemon_threads = True

    def __init__(self, answer, closes=False, think_s=0):
        self.answer = answer
        self.closes = closes
        self.think_s = think_s
        self.seen = []
        super().__init__(("127.0.0.1", 0), Recording)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def proxied(self, *faults, **options):
        return running.proxy(f"http://127.0.0.1:{self.server_address[1]}", *faults, **options)


class Recording(socketserver.BaseRequestHandler):
    def handle(self):
        got = self.request.recv(65536)
        self.request.settimeout(0.1)
        try:
            while part := self.request.recv(65536):
                got += part
        except TimeoutError:
            pass
        self.server.seen.append(got)
        time.sleep(self.server.think_s)
        self.request.sendall(self.server.answer)
        if not self.server.closes:
            # Held open until the proxy closes it.
            self.request.settimeout(10)
            self.request.recv(1)


if __name__ == "__main__":
    unittest.main()
